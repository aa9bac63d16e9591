//! What scripts ask of a capture agent: what their calls come to, and what they are shown.

use crate::abi::contract::{
    sc_bytes, sc_core, sc_known, sc_scope, sc_status, sc_trace, sc_trace_call, sc_trace_conclusion, sc_trace_decision,
    sc_trace_function, sc_trace_step, sc_variable_value,
};
use crate::abi::convert::{bytes, output, reference, to_variable, traced};
use crate::abi::guard::guard;
use crate::abi::handle::with_core;
use crate::module::{
    Conclusion, Decision, Scope, SendResult, TRACE_VARIABLES, TraceCall, TraceFunction, TraceVariable, VariableValue,
    conclude,
};
use std::ffi::c_char;

fn function(function: sc_trace_function) -> Result<TraceFunction, sc_status> {
    match function {
        sc_trace_function::SC_FUNCTION_SIP_TRACE => Ok(TraceFunction::SipTrace),
        sc_trace_function::SC_FUNCTION_SIP_TRACE_MODE => Ok(TraceFunction::SipTraceMode),
        sc_trace_function::SC_FUNCTION_SIP_TRACE_MSG => Ok(TraceFunction::SipTraceMsg),
        sc_trace_function::SC_FUNCTION_HLOG => Ok(TraceFunction::Hlog),
        _ => Err(sc_status::SC_ERR_INVALID_VALUE),
    }
}

fn scope(scope: sc_scope) -> Result<Scope, sc_status> {
    match scope {
        sc_scope::SC_SCOPE_DEFAULT => Ok(Scope::Default),
        sc_scope::SC_SCOPE_UNKNOWN => Ok(Scope::Unknown),
        sc_scope::SC_SCOPE_MESSAGE => Ok(Scope::Message),
        sc_scope::SC_SCOPE_TRANSACTION => Ok(Scope::Transaction),
        sc_scope::SC_SCOPE_DIALOG => Ok(Scope::Dialog),
        _ => Err(sc_status::SC_ERR_INVALID_VALUE),
    }
}

fn to_scope(scope: Scope) -> sc_scope {
    match scope {
        Scope::Default => sc_scope::SC_SCOPE_DEFAULT,
        Scope::Unknown => sc_scope::SC_SCOPE_UNKNOWN,
        Scope::Message => sc_scope::SC_SCOPE_MESSAGE,
        Scope::Transaction => sc_scope::SC_SCOPE_TRANSACTION,
        Scope::Dialog => sc_scope::SC_SCOPE_DIALOG,
    }
}

/// Reads a scope.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_trace_scope(
    core: *mut sc_core,
    of: sc_trace_function,
    text: sc_bytes,
    out: *mut sc_scope,
) -> sc_status {
    with_core(core, |core| {
        // SAFETY: the contract's caller vouches for both.
        let (text, out) = unsafe { (bytes(text)?, output(out)?) };
        *out = to_scope(core.agent()?.scope(function(of)?, text));
        Ok(())
    })
}

/// Decides what a call comes to.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_trace_decide(
    core: *mut sc_core,
    call: *const sc_trace_call,
    decision: *mut sc_trace_decision,
) -> sc_status {
    with_core(core, |core| {
        // SAFETY: the contract's caller vouches for both.
        let (call, out) = unsafe { (reference(call)?, output(decision)?) };
        // SAFETY: as above.
        let method = unsafe { bytes(call.method)? };
        function(call.function)?;
        let call = TraceCall {
            scope: scope(call.scope)?,
            method: (!method.is_empty()).then_some(method),
            has_flag: call.has_flag != 0,
            is_followed: call.is_followed != 0,
            knows_transactions: call.knows_transactions != 0,
            knows_dialogs: call.knows_dialogs != 0,
            is_seen_to: match call.is_seen_to {
                sc_known::SC_NOT_ASKED => None,
                sc_known::SC_NO => Some(false),
                sc_known::SC_YES => Some(true),
                _ => return Err(sc_status::SC_ERR_INVALID_VALUE),
            },
        };
        let (step, follow, answer) = match core.agent()?.decide(&call) {
            Decision::LookUp => (sc_trace_step::SC_STEP_LOOK_UP, Scope::Message, -1),
            Decision::Answer(answer) => (sc_trace_step::SC_STEP_ANSWER, Scope::Message, answer),
            Decision::Trace(follow) => (sc_trace_step::SC_STEP_TRACE, follow, -1),
        };
        *out = sc_trace_decision { step, follow: to_scope(follow), answer };
        Ok(())
    })
}

/// Says what is left to do once a message is handed over.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_trace_conclude(
    of: sc_trace_function,
    follow: sc_scope,
    sent: sc_status,
    conclusion: *mut sc_trace_conclusion,
) -> sc_status {
    guard(|| {
        // SAFETY: the contract's caller vouches for it.
        let out = unsafe { output(conclusion)? };
        let sent = match sent {
            sc_status::SC_OK => SendResult::Queued,
            sc_status::SC_ERR_NO_COLLECTOR => SendResult::NoCollector,
            sc_status::SC_ERR_INVALID_VALUE => SendResult::BadDestination,
            _ => SendResult::Failed,
        };
        let Conclusion { follow, forgets_destination, answer } = conclude(function(of)?, scope(follow)?, sent);
        *out =
            sc_trace_conclusion { follow: to_scope(follow), forgets_destination: forgets_destination.into(), answer };
        Ok(())
    })
}

/// A field of `$siptrace()` by its name.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_trace_variable(name: sc_bytes, variable: *mut u32) -> sc_status {
    guard(|| {
        // SAFETY: the contract's caller vouches for both.
        let (name, variable) = unsafe { (bytes(name)?, output(variable)?) };
        *variable = TraceVariable::parse(name).ok_or(sc_status::SC_ERR_UNKNOWN_NAME)?.code();
        Ok(())
    })
}

/// The names of its fields.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_trace_variable_names(names: *mut *const c_char) -> sc_status {
    guard(|| {
        // SAFETY: the contract's caller vouches for it.
        *unsafe { output(names)? } = TRACE_VARIABLES.as_ptr();
        Ok(())
    })
}

/// What a field answers.
///
/// # Safety
/// Pointers as the contract says; `shown` may be null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_trace_variable_value(
    core: *mut sc_core,
    variable: u32,
    shown: *const sc_trace,
    value: *mut sc_variable_value,
) -> sc_status {
    with_core(core, |core| {
        // SAFETY: the contract's caller vouches for it.
        let out = unsafe { output(value)? };
        let agent = core.agent()?;
        *out = if shown.is_null() {
            to_variable(VariableValue::Null)
        } else {
            // SAFETY: the contract's caller vouches for the struct and the bytes in it.
            let message = unsafe { traced(reference(shown)?, &[], &[])? };
            to_variable(agent.variable(TraceVariable::from_code(variable), &message))
        };
        Ok(())
    })
}
