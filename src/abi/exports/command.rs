//! What operators ask: commands and counters.

use crate::abi::contract::{sc_bytes, sc_core, sc_reply, sc_status};
use crate::abi::convert::{bytes, output, reference, text, to_bytes};
use crate::abi::guard::guard;
use crate::abi::handle::{with_core, with_shared};
use crate::module::{AnyModule, Reply};
use std::ffi::{c_char, c_int};

/// A command's name.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_command_at(
    module: *const c_char,
    index: u32,
    name: *mut *const c_char,
    description: *mut *const c_char,
    takes_argument: *mut u8,
) -> sc_status {
    guard(|| {
        // SAFETY: the contract's caller vouches for all of them.
        let (module, name, description, takes_argument) =
            unsafe { (text(module)?, output(name)?, output(description)?, output(takes_argument)?) };
        let commands = AnyModule::dialect(module).ok_or(sc_status::SC_ERR_UNKNOWN_NAME)?.commands;
        let command = commands.get(index as usize).ok_or(sc_status::SC_ERR_UNKNOWN_NAME)?;
        *name = command.name.as_ptr();
        *description = command.description.as_ptr();
        *takes_argument = u8::from(command.takes_argument);
        Ok(())
    })
}

/// A command's name behind that of its module.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_command_in_module(
    module: *const c_char,
    index: u32,
    name: *mut *const c_char,
) -> sc_status {
    guard(|| {
        // SAFETY: the contract's caller vouches for both.
        let (module, name) = unsafe { (text(module)?, output(name)?) };
        let commands = AnyModule::dialect(module).ok_or(sc_status::SC_ERR_UNKNOWN_NAME)?.commands;
        let command = commands.get(index as usize).ok_or(sc_status::SC_ERR_UNKNOWN_NAME)?;
        *name = command.name_in_module.ok_or(sc_status::SC_ERR_UNKNOWN_NAME)?.as_ptr();
        Ok(())
    })
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
    with_shared(core, |shared| {
        // SAFETY: the contract's caller vouches for all of them.
        let (name, argument, reply) = unsafe { (text(name)?, bytes(argument)?, reference(reply)?) };
        let mut reply = HostReply::new(reply).ok_or(sc_status::SC_ERR_NULL_POINTER)?;
        let is_known = shared.overview.command(shared.dialect, name, argument, &mut reply);
        if is_known { Ok(()) } else { Err(sc_status::SC_ERR_UNKNOWN_NAME) }
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
    with_shared(core, |shared| {
        // SAFETY: the contract's caller vouches for both.
        let (name, description) = unsafe { (output(name)?, output(description)?) };
        let counter = shared.overview.counter_at(shared.dialect, index as usize);
        let counter = counter.ok_or(sc_status::SC_ERR_UNKNOWN_NAME)?;
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
    group: sc_bytes,
    counter: sc_bytes,
    shown: sc_bytes,
    name: *mut *const c_char,
) -> sc_status {
    with_shared(core, |shared| {
        // SAFETY: the contract's caller vouches for all of them.
        let (group, counter, shown, name) = unsafe { (bytes(group)?, bytes(counter)?, bytes(shown)?, output(name)?) };
        let exported = shared.overview.exported_name(shared.dialect, group, counter, shown);
        *name = exported.ok_or(sc_status::SC_ERR_UNKNOWN_NAME)?.as_ptr();
        Ok(())
    })
}

/// Tells the operator of names that an exporter could not be given.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_counter_not_exported(core: *mut sc_core) -> sc_status {
    with_core(core, |core| {
        if let Some(line) = core.module().dialect().not_exported {
            log::warn!("{line}");
        }
        Ok(())
    })
}

/// A counter's value.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_counter_value(core: *mut sc_core, index: u32, value: *mut u64) -> sc_status {
    with_shared(core, |shared| {
        // SAFETY: the contract's caller vouches for it.
        let value = unsafe { output(value)? };
        let found = shared.overview.value_at(shared.dialect, index as usize);
        *value = found.ok_or(sc_status::SC_ERR_UNKNOWN_NAME)?;
        Ok(())
    })
}

/// The host's reply functions, all of them present.
struct HostReply {
    context: *mut std::ffi::c_void,
    text: unsafe extern "C" fn(*mut std::ffi::c_void, sc_bytes),
    fault: unsafe extern "C" fn(*mut std::ffi::c_void, c_int, sc_bytes, sc_bytes),
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

    fn fault(&mut self, code: i32, text: &str, detail: &str) {
        // SAFETY: see above.
        unsafe { (self.fault)(self.context, code, to_bytes(text.as_bytes()), to_bytes(detail.as_bytes())) }
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
