//! What the host sends to SIP URIs from its own sockets.

use crate::abi::contract::{
    sc_bytes, sc_core, sc_forward_step, sc_forward_target, sc_forward_verdict, sc_forward_work, sc_status,
};
use crate::abi::convert::{address, bytes, number_of, output, reference, to_address, to_bytes, transport_of};
use crate::abi::handle::{Core, with_core};
use crate::abi::shared::SharedForwardState;
use crate::module::{Forwarded, SendTo, Work};
use std::thread::sleep;

/// Has names known, and expects those that parameters name.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_forward_open(core: *mut sc_core) -> sc_status {
    with_core(core, |core| {
        let state = SharedForwardState::map().map_err(|error| {
            log::error!("the memory for names that messages are sent to cannot be mapped: {error}");
            sc_status::SC_ERR_IO
        })?;
        core.forward.open(state)?;
        let targets = core.agent().map(|agent| agent.copy_targets()).unwrap_or_default();
        targets.iter().for_each(|uri| core.forward.expect(uri.as_bytes()));
        Ok(())
    })
}

/// Notes a URI.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_forward_expect(core: *mut sc_core, uri: sc_bytes) -> sc_status {
    with_core(core, |core| {
        // SAFETY: the contract's caller vouches for it.
        core.forward.expect(unsafe { bytes(uri)? });
        Ok(())
    })
}

/// Notes that nobody knows the URIs.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_forward_expect_any(core: *mut sc_core) -> sc_status {
    with_core(core, |core| {
        core.forward.expect_any();
        Ok(())
    })
}

/// Whether a process has to look names up.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_forward_needs_process(core: *mut sc_core, needed: *mut u8, sends: *mut u8) -> sc_status {
    with_core(core, |core| {
        // SAFETY: the contract's caller vouches for both.
        let (needed, sends) = unsafe { (output(needed)?, output(sends)?) };
        *needed = core.forward.needs_process().into();
        *sends = core.forward.holds().into();
        Ok(())
    })
}

/// Tells where bytes go.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_forward_find(
    core: *mut sc_core,
    uri: sc_bytes,
    message: sc_bytes,
    verdict: *mut sc_forward_verdict,
    target: *mut sc_forward_target,
) -> sc_status {
    with_core(core, |core| {
        // SAFETY: the contract's caller vouches for all of them.
        let (uri, message, verdict, target) =
            unsafe { (bytes(uri)?, bytes(message)?, output(verdict)?, output(target)?) };
        *verdict = match core.forward.send(uri, message) {
            Forwarded::Send(to) => {
                *target = to_target(to);
                sc_forward_verdict::SC_FORWARD_SEND
            }
            Forwarded::Held => sc_forward_verdict::SC_FORWARD_HELD,
            Forwarded::Lost => {
                count_lost(core);
                sc_forward_verdict::SC_FORWARD_LOST
            }
        };
        Ok(())
    })
}

/// Logs and counts what the host could not send.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_forward_failed(core: *mut sc_core, uri: sc_bytes) -> sc_status {
    with_core(core, |core| {
        // SAFETY: the contract's caller vouches for it.
        core.forward.failed(unsafe { bytes(uri)? });
        count_lost(core);
        Ok(())
    })
}

/// Tells what the process that looks names up is to do.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_forward_next(core: *mut sc_core, work: *mut sc_forward_work) -> sc_status {
    with_core(core, |core| {
        // SAFETY: the contract's caller vouches for it.
        let out = unsafe { output(work)? };
        *out = loop {
            match core.forward.next(sleep)? {
                Work::Lost => count_lost(core),
                work => break to_work(&work),
            }
        };
        Ok(())
    })
}

/// Takes what a look-up has found.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_forward_found(core: *mut sc_core, target: *const sc_forward_target) -> sc_status {
    with_core(core, |core| {
        // SAFETY: the contract's caller vouches for it.
        let target = unsafe { reference(target)? };
        let found = SendTo { address: address(&target.address)?, transport: transport_of(target.transport) };
        Ok(core.forward.answer(Some(found))?)
    })
}

/// Takes that a look-up has found nothing.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_forward_not_found(core: *mut sc_core) -> sc_status {
    with_core(core, |core| Ok(core.forward.answer(None)?))
}

/// Counts a message that is lost, where the module counts them.
fn count_lost(core: &mut Core) {
    if let Ok(agent) = core.agent() {
        // A process without a lane cannot count; the log has told.
        let _ = agent.copy_failed();
    }
}

fn to_target(to: SendTo) -> sc_forward_target {
    sc_forward_target { address: to_address(to.address), transport: number_of(to.transport) }
}

fn to_work(work: &Work<'_>) -> sc_forward_work {
    match *work {
        Work::LookUp { name, port, transport } => sc_forward_work {
            step: sc_forward_step::SC_FORWARD_LOOK_UP,
            name: to_bytes(name.as_bytes()),
            port,
            transport: number_of(transport),
            ..Default::default()
        },
        Work::Send { to, uri, message } => sc_forward_work {
            step: sc_forward_step::SC_FORWARD_SEND_HELD,
            target: to_target(to),
            uri: to_bytes(uri),
            message: to_bytes(message),
            ..Default::default()
        },
        Work::None | Work::Lost => sc_forward_work { step: sc_forward_step::SC_FORWARD_WAIT, ..Default::default() },
    }
}
