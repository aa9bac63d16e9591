//! The functions of `c_shim/core.h`. Each is documented there; here stands only how it is met.

use super::contract::{
    sc_address, sc_bytes, sc_copies, sc_core, sc_hep_kind, sc_hep_packet, sc_hep_value, sc_hep_verdict, sc_host,
    sc_loss, sc_message, sc_reply, sc_status, sc_trace,
};
use super::convert::{address, bytes, message, output, reference, slices, text, to_bytes, to_packet, traced, write};
use super::guard::{Core, Module, guard, of_either, register, unregister, with_core};
use super::host_database::{HostDrivers, HostProcesses};
use super::{contract, host_database, host_log, process, supervise};
use crate::module::{self, Copies, HEP_VARIABLES, HepValue, HepVariable, Loss, Reply, StateError, TraceError, Verdict};
use std::ffi::{c_char, c_int};
use std::sync::Arc;
use std::time::Duration;

/// Compile-time proof that the bindings and the core agree; that the bindings are those of the header a test shows.
/// Each function of the header has the type of the one that is exported here.
macro_rules! agrees_with_header {
    ($($name:ident),* $(,)?) => {
        const _: () = { $(let _ = [contract::$name, $name];)* };
    };
}

contract::each_function!(agrees_with_header);

const _: () = assert!(contract::SC_X_HEADERS as usize == crate::sip::x_headers::LIMIT);

/// Makes a handle.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_core_new(host: *const sc_host, module: *const c_char, out: *mut *mut sc_core) -> sc_status {
    guard(|| {
        // SAFETY: the contract's caller vouches for all three.
        let (host, module, out) = unsafe { (reference(host)?, text(module)?, output(out)?) };
        if host.contract_version != contract::SC_CONTRACT_VERSION {
            return Err(sc_status::SC_ERR_CONTRACT_VERSION);
        }
        let module = match module {
            "kamailio/sipcapture" => Module::Node(Box::default()),
            "kamailio/siptrace" => Module::Agent(Box::default()),
            _ => return Err(sc_status::SC_ERR_UNKNOWN_NAME),
        };
        host_log::install(host);
        let id = |id: i64| u32::try_from(id).ok();
        let kill_timeout = (host.kill_timeout > 0).then(|| Duration::from_secs(u64::from(host.kill_timeout)));
        let owner = (id(host.user), id(host.group));
        let core = Core { module, copies: Default::default(), owner, kill_timeout, drivers: HostDrivers::new(host) };
        *out = register(core).ok_or(sc_status::SC_ERR_IO)?;
        Ok(())
    })
}

/// Frees a handle.
///
/// # Safety
/// No other thread may be using it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_core_free(core: *mut sc_core) -> sc_status {
    guard(|| match core.is_null() {
        true => Err(sc_status::SC_ERR_NULL_POINTER),
        false if unregister(core) => Ok(()),
        false => Err(sc_status::SC_ERR_UNKNOWN_HANDLE),
    })
}

/// Sets a text parameter.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_core_set_text(core: *mut sc_core, name: *const c_char, value: sc_bytes) -> sc_status {
    with_core(core, |core| {
        // SAFETY: the contract's caller vouches for both.
        let (name, value) = unsafe { (text(name)?, bytes(value)?) };
        of_either!(mut core, module => Ok(module.settings_mut()?.set_text(name, value)?))
    })
}

/// Sets a number parameter.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_core_set_number(core: *mut sc_core, name: *const c_char, value: i64) -> sc_status {
    with_core(core, |core| {
        // SAFETY: the contract's caller vouches for it.
        let name = unsafe { text(name)? };
        of_either!(mut core, module => Ok(module.settings_mut()?.set_number(name, value)?))
    })
}

/// Checks the parameters together.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_core_check(core: *mut sc_core) -> sc_status {
    with_core(core, |core| {
        for sink in core.hosted_sinks() {
            host_database::bind(core.drivers, &sink)?;
        }
        let (owner, kill_timeout) = (core.owner, core.kill_timeout);
        of_either!(mut core, module => Ok(module.check(owner, kill_timeout)?))
    })
}

/// Processes that must run a writer.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_core_writers(core: *mut sc_core, out: *mut u32) -> sc_status {
    with_core(core, |core| {
        // SAFETY: the contract's caller vouches for it.
        let out = unsafe { output(out)? };
        *out = of_either!(core, module => module.writers()?) as u32;
        Ok(())
    })
}

/// Maps the lanes.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_core_map_lanes(core: *mut sc_core, producers: u32) -> sc_status {
    with_core(core, |core| {
        process::until_told_to_end(
            |pause| of_either!(mut core, module => Ok(module.map_lanes(producers as usize, pause)?)),
        )
    })
}

/// Makes a lane this process's own.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_core_attach(core: *mut sc_core, producer: u32) -> sc_status {
    with_core(core, |core| match &mut core.module {
        Module::Node(node) => Ok(node.attach(producer as usize)?),
        Module::Agent(agent) => Ok(agent.pipeline_mut().attach(producer as usize)?),
    })
}

/// Supervises a writer.
///
/// # Safety
/// Pointers as the contract says; the process must have one thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_writer_supervise(core: *mut sc_core, writer: u32) -> sc_status {
    with_core(core, |core| {
        let lanes = Arc::clone(core.lanes().ok_or(StateError::NotMapped)?);
        if writer as usize >= lanes.geometry().writers {
            return Err(StateError::Lane(writer as usize).into());
        }
        supervise::supervise(core, &lanes, writer as usize);
        Ok(())
    })
}

/// Stores what is left in the lanes.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_core_finish(core: *mut sc_core) -> sc_status {
    with_core(core, |core| {
        let is_needed = core.lanes().is_some_and(|lanes| lanes.totals().queued() > 0);
        let databases = is_needed.then(|| HostProcesses::start_once(core));
        let finished = process::without_signals(|| {
            let plan = core.plan();
            core.pipeline_mut().finish(&plan, &mut host_log::flush)
        });
        if let Some(databases) = databases {
            databases.end();
        }
        host_log::flush();
        finished.map_err(|error| {
            log::error!("the lanes cannot be drained: {error}");
            sc_status::SC_ERR_IO
        })
    })
}

/// Finds a capture mode.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_mode_find(core: *mut sc_core, name: sc_bytes, out: *mut u32) -> sc_status {
    with_core(core, |core| {
        // SAFETY: the contract's caller vouches for both.
        let (name, out) = unsafe { (bytes(name)?, output(out)?) };
        *out = core.node()?.find_mode(name)?.ok_or(sc_status::SC_ERR_UNKNOWN_NAME)? as u32;
        Ok(())
    })
}

/// Queues a SIP message.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_capture_sip(
    core: *mut sc_core,
    sip: *const sc_message,
    table: sc_bytes,
    mode: u32,
) -> sc_status {
    with_core(core, |core| {
        // SAFETY: the contract's caller vouches for the struct and the bytes in it.
        let (sip, table) = unsafe { (message(reference(sip)?)?, bytes(table)?) };
        Ok(core.node()?.capture_sip(&sip, table, mode as usize)?)
    })
}

/// Finds a Call-ID.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_message_call_id(
    core: *mut sc_core,
    sip: *const sc_message,
    out: *mut sc_bytes,
) -> sc_status {
    with_core(core, |core| {
        // SAFETY: the contract's caller vouches for all of them.
        let (sip, out) = unsafe { (message(reference(sip)?)?, output(out)?) };
        *out = to_bytes(core.node()?.call_id(sip.payload));
        Ok(())
    })
}

/// Masks what is sent on.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_message_sent_on(core: *mut sc_core, payload: sc_bytes, out: *mut sc_bytes) -> sc_status {
    with_core(core, |core| {
        // SAFETY: the contract's caller vouches for both of them.
        let (payload, out) = unsafe { (bytes(payload)?, output(out)?) };
        *out = to_bytes(core.node()?.sent_on(payload)?);
        Ok(())
    })
}

/// Queues a report.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_capture_report(
    core: *mut sc_core,
    sip: *const sc_message,
    table: sc_bytes,
    correlation: sc_bytes,
    body: sc_bytes,
) -> sc_status {
    with_core(core, |core| {
        // SAFETY: the contract's caller vouches for the struct and all the bytes.
        let (sip, table, correlation, body) =
            unsafe { (message(reference(sip)?)?, bytes(table)?, bytes(correlation)?, bytes(body)?) };
        Ok(core.node()?.capture_report(&sip, table, correlation, body)?)
    })
}

/// Multiplies.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_float2int(value: sc_bytes, factor: sc_bytes, out: *mut i32) -> sc_status {
    guard(|| {
        // SAFETY: the contract's caller vouches for all three.
        let (value, factor, out) = unsafe { (bytes(value)?, bytes(factor)?, output(out)?) };
        *out = module::float2int(value, factor);
        Ok(())
    })
}

/// Writes a verdict to where the host wants it.
fn answer(verdict: Verdict<'_>, to: &mut sc_hep_verdict, out: &mut sc_hep_packet) {
    *to = match verdict {
        Verdict::Pass => sc_hep_verdict::SC_HEP_PASS,
        Verdict::Ask => sc_hep_verdict::SC_HEP_ASK,
        Verdict::Done => sc_hep_verdict::SC_HEP_DONE,
        Verdict::Route(packet) => {
            *out = to_packet(&packet);
            sc_hep_verdict::SC_HEP_ROUTE
        }
    };
}

/// Looks at a datagram.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_hep_receive(
    core: *mut sc_core,
    datagram: sc_bytes,
    sender: *const sc_address,
    verdict: *mut sc_hep_verdict,
    packet: *mut sc_hep_packet,
) -> sc_status {
    with_core(core, |core| {
        // SAFETY: the contract's caller vouches for all four.
        let (datagram, sender, verdict, out) =
            unsafe { (bytes(datagram)?, address(reference(sender)?)?, output(verdict)?, output(packet)?) };
        answer(core.node()?.receive_hep(datagram, sender.ip())?, verdict, out);
        Ok(())
    })
}

/// Goes on with a datagram.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_hep_accept(
    core: *mut sc_core,
    datagram: sc_bytes,
    verdict: *mut sc_hep_verdict,
    packet: *mut sc_hep_packet,
) -> sc_status {
    with_core(core, |core| {
        // SAFETY: the contract's caller vouches for all three.
        let (datagram, verdict, out) = unsafe { (bytes(datagram)?, output(verdict)?, output(packet)?) };
        answer(core.node()?.accept_hep(datagram)?, verdict, out);
        Ok(())
    })
}

/// Ends a packet.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_hep_end(core: *mut sc_core, refused: sc_bytes) -> sc_status {
    with_core(core, |core| {
        // SAFETY: the contract's caller vouches for it.
        let refused = unsafe { bytes(refused)? };
        Ok(core.node()?.end_hep((!refused.is_empty()).then_some(refused))?)
    })
}

/// A field of HEP packets by its name.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_hep_variable(name: sc_bytes, variable: *mut u32) -> sc_status {
    guard(|| {
        // SAFETY: the contract's caller vouches for both.
        let (name, variable) = unsafe { (bytes(name)?, output(variable)?) };
        *variable = HepVariable::parse(name).ok_or(sc_status::SC_ERR_UNKNOWN_NAME)?.code();
        Ok(())
    })
}

/// The names of fields.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_hep_variable_names(names: *mut *const c_char) -> sc_status {
    guard(|| {
        // SAFETY: the contract's caller vouches for it.
        *unsafe { output(names)? } = HEP_VARIABLES.as_ptr();
        Ok(())
    })
}

/// What a field answers.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_hep_variable_value(
    core: *mut sc_core,
    variable: u32,
    value: *mut sc_hep_value,
) -> sc_status {
    with_core(core, |core| {
        // SAFETY: the contract's caller vouches for it.
        let value = unsafe { output(value)? };
        *value = match core.node()?.hep_value(HepVariable::from_code(variable)) {
            HepValue::Null => sc_hep_value { kind: sc_hep_kind::SC_HEP_NULL, ..Default::default() },
            HepValue::Number(number) => sc_hep_value { kind: sc_hep_kind::SC_HEP_NUMBER, number, ..Default::default() },
            HepValue::Text(text) => {
                sc_hep_value { kind: sc_hep_kind::SC_HEP_TEXT, text: to_bytes(text), ..Default::default() }
            }
        };
        Ok(())
    })
}

/// Opens the raw sockets.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_raw_open(core: *mut sc_core, readers: *mut u32) -> sc_status {
    with_core(core, |core| {
        // SAFETY: the contract's caller vouches for it.
        let readers = unsafe { output(readers)? };
        *readers = core.node()?.open_raw()? as u32;
        Ok(())
    })
}

/// Waits for a message from the raw sockets.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_raw_receive(core: *mut sc_core, packet: *mut sc_hep_packet) -> sc_status {
    with_core(core, |core| {
        // SAFETY: the contract's caller vouches for it.
        let out = unsafe { output(packet)? };
        *out = to_packet(&core.node()?.receive_raw()?);
        Ok(())
    })
}

/// Whether the switch is on.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_trace_is_on(core: *mut sc_core, on: *mut u8) -> sc_status {
    with_core(core, |core| {
        // SAFETY: the contract's caller vouches for it.
        let on = unsafe { output(on)? };
        *on = u8::from(core.agent()?.is_on()?);
        Ok(())
    })
}

/// Tells the source address of packets.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_trace_bind(core: *mut sc_core, from: *const sc_address) -> sc_status {
    with_core(core, |core| {
        // SAFETY: the contract's caller vouches for it.
        let from = address(unsafe { reference(from)? })?;
        core.agent()?.settings_mut()?.bind(from.ip());
        Ok(())
    })
}

/// Writes a message with the X-Siptrace headers. Needs no handle.
///
/// # Safety
/// Pointers as the contract says; `buffer` must be writable for `room` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_trace_headers(
    trace: *const sc_trace,
    buffer: *mut c_char,
    room: usize,
    length: *mut usize,
) -> sc_status {
    guard(|| {
        // SAFETY: the contract's caller vouches for the struct, the bytes in it, and the outputs.
        let (trace, length) = unsafe { (reference(trace)?, output(length)?) };
        // SAFETY: as above.
        let message = unsafe { traced(trace, &[])? };
        let written = module::with_x_headers(&message).ok_or(sc_status::SC_ERR_INVALID_VALUE)?;
        // SAFETY: as above.
        unsafe { write(&written, buffer, room)? };
        *length = written.len();
        Ok(())
    })
}

/// Queues a traced message.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_trace_send(
    core: *mut sc_core,
    trace: *const sc_trace,
    copies: *mut sc_copies,
) -> sc_status {
    with_core(core, |core| {
        // SAFETY: the contract's caller vouches for the struct and the bytes in it.
        let (trace, out) = unsafe { (reference(trace)?, output(copies)?) };
        // SAFETY: as above.
        let users = unsafe { slices(trace.users, trace.user_count)? };
        // SAFETY: as above.
        let message = unsafe { traced(trace, &users)? };
        let traced = core.agent()?.trace(&message);
        if let Err(error @ TraceError::State(_)) = traced.answer {
            return Err(error.into());
        }
        *out = hand_out(core, traced.copies.unwrap_or_default());
        Ok(traced.answer?)
    })
}

/// Counts a message that the host could not hand over.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_trace_lose(core: *mut sc_core, why: sc_loss) -> sc_status {
    with_core(core, |core| {
        let why = match why {
            sc_loss::SC_LOSS_MALFORMED => Loss::Malformed,
            sc_loss::SC_LOSS_NO_LANE => Loss::NoLane,
            _ => return Err(sc_status::SC_ERR_INVALID_VALUE),
        };
        Ok(core.agent()?.lose(why)?)
    })
}

/// Tells where plain copies go.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_trace_targets(core: *mut sc_core, copies: *mut sc_copies) -> sc_status {
    with_core(core, |core| {
        // SAFETY: the contract's caller vouches for it.
        let out = unsafe { output(copies)? };
        let uris = core.agent()?.copy_targets();
        *out = hand_out(core, Copies { uris, body: Vec::new() });
        Ok(())
    })
}

/// Keeps `made` as long as the contract promises, and points to it.
fn hand_out(core: &mut Core, made: Copies) -> sc_copies {
    core.copies = (made, Vec::new());
    let (made, uris) = &mut core.copies;
    uris.extend(made.uris.iter().map(|uri| to_bytes(uri.as_bytes())));
    sc_copies { uris: uris.as_ptr(), count: uris.len() as u32, body: to_bytes(&made.body) }
}

/// Counts a plain copy that could not be sent.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_trace_copy_failed(core: *mut sc_core) -> sc_status {
    with_core(core, |core| Ok(core.agent()?.copy_failed()?))
}

/// Runs a command.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_command(
    core: *mut sc_core,
    name: *const c_char,
    argument: sc_bytes,
    reply: *const sc_reply,
) -> sc_status {
    with_core(core, |core| {
        // SAFETY: the contract's caller vouches for all of them.
        let (name, argument, reply) = unsafe { (text(name)?, bytes(argument)?, reference(reply)?) };
        let mut reply = HostReply::new(reply).ok_or(sc_status::SC_ERR_NULL_POINTER)?;
        if of_either!(mut core, module => module.command(name, argument, &mut reply)) {
            Ok(())
        } else {
            Err(sc_status::SC_ERR_UNKNOWN_NAME)
        }
    })
}

/// A counter's name.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_counter_at(
    core: *mut sc_core,
    index: u32,
    name: *mut *const c_char,
    description: *mut *const c_char,
) -> sc_status {
    with_core(core, |core| {
        // SAFETY: the contract's caller vouches for both.
        let (name, description) = unsafe { (output(name)?, output(description)?) };
        let counter =
            of_either!(core, module => module.counter_at(index as usize)).ok_or(sc_status::SC_ERR_UNKNOWN_NAME)?;
        *name = counter.name.as_ptr();
        *description = counter.description.as_ptr();
        Ok(())
    })
}

/// A counter's name for an exporter.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_counter_exported(
    core: *mut sc_core,
    index: u32,
    shown: sc_bytes,
    name: *mut *const c_char,
) -> sc_status {
    with_core(core, |core| {
        // SAFETY: the contract's caller vouches for both.
        let (shown, name) = unsafe { (bytes(shown)?, output(name)?) };
        let exported = match &core.module {
            Module::Node(node) => node.exported_name_at(index as usize, shown),
            // The names of its counters are good for every exporter.
            Module::Agent(_) => None,
        };
        *name = exported.ok_or(sc_status::SC_ERR_UNKNOWN_NAME)?.as_ptr();
        Ok(())
    })
}

/// A counter's value.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_counter_value(core: *mut sc_core, index: u32, value: *mut u64) -> sc_status {
    with_core(core, |core| {
        // SAFETY: the contract's caller vouches for it.
        let value = unsafe { output(value)? };
        let counter =
            of_either!(core, module => module.counter_at(index as usize)).ok_or(sc_status::SC_ERR_UNKNOWN_NAME)?;
        *value = core.lanes().map_or(0, |lanes| counter.value(lanes, &lanes.totals()));
        Ok(())
    })
}

/// The host's reply functions, all of them present.
struct HostReply {
    context: *mut std::ffi::c_void,
    text: unsafe extern "C" fn(*mut std::ffi::c_void, sc_bytes),
    fault: unsafe extern "C" fn(*mut std::ffi::c_void, c_int, sc_bytes),
    open: unsafe extern "C" fn(*mut std::ffi::c_void, sc_bytes),
    close: unsafe extern "C" fn(*mut std::ffi::c_void),
    number: unsafe extern "C" fn(*mut std::ffi::c_void, sc_bytes, u64),
    word: unsafe extern "C" fn(*mut std::ffi::c_void, sc_bytes, sc_bytes),
}

impl HostReply {
    fn new(reply: &sc_reply) -> Option<HostReply> {
        Some(HostReply {
            context: reply.context,
            text: reply.text?,
            fault: reply.fault?,
            open: reply.open?,
            close: reply.close?,
            number: reply.number?,
            word: reply.word?,
        })
    }
}

// The contract gives these functions the context that came with them; texts are copied before they return.
impl Reply for HostReply {
    fn text(&mut self, text: &str) {
        // SAFETY: see above.
        unsafe { (self.text)(self.context, to_bytes(text.as_bytes())) }
    }

    fn fault(&mut self, code: i32, text: &str) {
        // SAFETY: see above.
        unsafe { (self.fault)(self.context, code, to_bytes(text.as_bytes())) }
    }

    fn open(&mut self, name: &str) {
        // SAFETY: see above.
        unsafe { (self.open)(self.context, to_bytes(name.as_bytes())) }
    }

    fn close(&mut self) {
        // SAFETY: see above.
        unsafe { (self.close)(self.context) }
    }

    fn number(&mut self, name: &str, value: u64) {
        // SAFETY: see above.
        unsafe { (self.number)(self.context, to_bytes(name.as_bytes()), value) }
    }

    fn word(&mut self, name: &str, text: &str) {
        // SAFETY: see above.
        unsafe { (self.word)(self.context, to_bytes(name.as_bytes()), to_bytes(text.as_bytes())) }
    }
}
