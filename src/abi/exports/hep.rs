//! HEP packets, and what scripts ask of them.

use crate::abi::contract::{
    sc_address, sc_bytes, sc_core, sc_hep_decoded, sc_hep_packet, sc_hep_verdict, sc_status, sc_variable_value,
};
use crate::abi::convert::{address, bytes, decoded, output, reference, to_packet, to_variable};
use crate::abi::guard::guard;
use crate::abi::handle::with_core;
use crate::module::{HEP_VARIABLES, HepVariable, Verdict};
use std::ffi::c_char;

/// Writes a verdict to where the host wants it.
fn answer(verdict: Verdict<'_>, to: &mut sc_hep_verdict, out: &mut sc_hep_packet) {
    *to = number_of(&verdict);
    if let Verdict::Route(packet) = verdict {
        *out = to_packet(&packet);
    }
}

fn number_of(verdict: &Verdict<'_>) -> sc_hep_verdict {
    match verdict {
        Verdict::Pass => sc_hep_verdict::SC_HEP_PASS,
        Verdict::NeedsScript => sc_hep_verdict::SC_HEP_NEEDS_SCRIPT,
        Verdict::Done => sc_hep_verdict::SC_HEP_DONE,
        Verdict::Route(_) => sc_hep_verdict::SC_HEP_ROUTE,
    }
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
        answer(core.captures_sip()?.receive_hep(datagram, sender.ip())?, verdict, out);
        Ok(())
    })
}

/// Takes a packet that the host has decoded.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_hep_take(
    core: *mut sc_core,
    packet: *const sc_hep_decoded,
    verdict: *mut sc_hep_verdict,
) -> sc_status {
    with_core(core, |core| {
        // SAFETY: the contract's caller vouches for both, and the bytes in the struct.
        let (packet, verdict) = unsafe { (decoded(reference(packet)?)?, output(verdict)?) };
        *verdict = number_of(&core.captures_sip()?.take_hep(&packet)?);
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
        answer(core.captures_sip()?.accept_hep(datagram)?, verdict, out);
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
        Ok(core.captures_sip()?.end_hep((!refused.is_empty()).then_some(refused))?)
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
    packet: sc_bytes,
    value: *mut sc_variable_value,
) -> sc_status {
    with_core(core, |core| {
        // SAFETY: the contract's caller vouches for both.
        let (packet, value) = unsafe { (bytes(packet)?, output(value)?) };
        *value = to_variable(core.captures_sip()?.hep_value(HepVariable::from_code(variable), packet));
        Ok(())
    })
}
