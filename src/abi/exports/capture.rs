//! What a capture node is handed: SIP messages, reports, and packets of raw sockets.

use crate::abi::contract::{sc_bytes, sc_capture_needs, sc_core, sc_hep_packet, sc_message, sc_status};
use crate::abi::convert::{bytes, message, output, reference, to_bytes, to_packet};
use crate::abi::guard::guard;
use crate::abi::handle::with_core;
use crate::module;

/// Tells what the parameters ask of the host.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_capture_setup(core: *mut sc_core, needs: *mut sc_capture_needs) -> sc_status {
    with_core(core, |core| {
        // SAFETY: the contract's caller vouches for it.
        let out = unsafe { output(needs)? };
        let needs = core.captures_sip()?.needs()?;
        *out = sc_capture_needs {
            asks_script: needs.asks_script.into(),
            unmasks: needs.unmasks.into(),
            takes_hep: needs.takes_hep.into(),
            correlation_chunk: needs.correlation_chunk,
            hep_route: to_bytes(needs.hep_route),
        };
        Ok(())
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
        *out = core.captures_sip()?.find_mode(name)?.ok_or(sc_status::SC_ERR_UNKNOWN_NAME)? as u32;
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
        Ok(core.captures_sip()?.capture_sip(&sip, table, mode as usize)?)
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
        *out = to_bytes(core.captures_sip()?.call_id(sip.payload));
        Ok(())
    })
}

/// Masks what is sent on.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_message_redacted(core: *mut sc_core, payload: sc_bytes, out: *mut sc_bytes) -> sc_status {
    with_core(core, |core| {
        // SAFETY: the contract's caller vouches for both of them.
        let (payload, out) = unsafe { (bytes(payload)?, output(out)?) };
        *out = to_bytes(core.captures_sip()?.redacted(payload)?);
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
        Ok(core.captures_sip()?.capture_report(&sip, table, correlation, body)?)
    })
}

/// Multiplies a decimal fraction by a whole number.
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

/// Opens the raw sockets.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_raw_open(core: *mut sc_core, readers: *mut u32) -> sc_status {
    with_core(core, |core| {
        // SAFETY: the contract's caller vouches for it.
        let readers = unsafe { output(readers)? };
        *readers = core.captures_sip()?.open_raw()? as u32;
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
        *out = to_packet(&core.captures_sip()?.receive_raw()?);
        Ok(())
    })
}
