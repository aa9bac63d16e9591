//! What a capture agent is handed.

use crate::abi::contract::{sc_address, sc_copies, sc_core, sc_loss, sc_status, sc_trace, sc_trace_needs};
use crate::abi::convert::{address, endpoints, output, reference, slices, to_bytes, traced, write};
use crate::abi::handle::{Core, with_core, with_shared};
use crate::module::{Copies, Loss, TraceError};
use std::ffi::c_char;

/// Whether the switch is on.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_trace_is_on(core: *mut sc_core, on: *mut u8) -> sc_status {
    with_shared(core, |shared| {
        shared.check_is_agent()?;
        // SAFETY: the contract's caller vouches for it.
        let on = unsafe { output(on)? };
        *on = u8::from(shared.overview.is_on()?);
        Ok(())
    })
}

/// Tells what the parameters ask of the host.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_trace_setup(core: *mut sc_core, needs: *mut sc_trace_needs) -> sc_status {
    with_core(core, |core| {
        // SAFETY: the contract's caller vouches for it.
        let out = unsafe { output(needs)? };
        let needs = core.agent()?.host_needs();
        *out = sc_trace_needs {
            follows_scripts: needs.follows_scripts.into(),
            stateless_acks: needs.stateless_acks.into(),
            dialog_acks: needs.dialog_acks.into(),
            dialog_spirals: needs.dialog_spirals.into(),
            transaction_flags: needs.transaction_flags,
            traces_traffic: needs.traces_traffic.into(),
            traffic_rows: needs.traffic_rows.into(),
            traffic_headers: needs.traffic_headers.into(),
            advertised: needs.advertised.into(),
            ephemeral: needs.ephemeral.into(),
            sends_copies: needs.sends_copies.into(),
            socket_name: to_bytes(needs.socket_name.as_bytes()),
            socket_uri: to_bytes(needs.socket_uri.as_bytes()),
        };
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

/// Writes a message with the X-Siptrace headers.
///
/// # Safety
/// Pointers as the contract says; `buffer` must be writable for `room` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_trace_headers(
    core: *mut sc_core,
    trace: *const sc_trace,
    buffer: *mut c_char,
    room: usize,
    length: *mut usize,
) -> sc_status {
    with_core(core, |core| {
        // SAFETY: the contract's caller vouches for the struct, the bytes in it, and the outputs.
        let (trace, length) = unsafe { (reference(trace)?, output(length)?) };
        // SAFETY: as above.
        let message = unsafe { traced(trace, &[], &[])? };
        let written = core.agent()?.with_x_headers(&message).ok_or(sc_status::SC_ERR_INVALID_VALUE)?;
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
        let (users, sockets) =
            unsafe { (slices(trace.users, trace.user_count)?, endpoints(trace.sockets, trace.socket_count)?) };
        // SAFETY: as above.
        let message = unsafe { traced(trace, &users, &sockets)? };
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
    with_shared(core, |shared| {
        shared.check_is_agent()?;
        let why = match why {
            sc_loss::SC_LOSS_MALFORMED => Loss::Malformed,
            sc_loss::SC_LOSS_NO_LANE => Loss::NoLane,
            _ => return Err(sc_status::SC_ERR_INVALID_VALUE),
        };
        Ok(why.count(&shared.overview)?)
    })
}

/// Keeps `made` as long as the contract promises, and points to it.
fn hand_out(core: &mut Core, made: Copies) -> sc_copies {
    core.copies = (made, Vec::new());
    let (made, uris) = &mut core.copies;
    uris.extend(made.uris.iter().map(|uri| to_bytes(uri.as_bytes())));
    sc_copies { uris: uris.as_ptr(), count: uris.len() as u32, body: to_bytes(&made.body) }
}
