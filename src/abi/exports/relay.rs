//! HEP packets that are passed on, and those that a host hands over in pieces.

use crate::abi::contract::{sc_bytes, sc_core, sc_hep_head, sc_status};
use crate::abi::convert::{bytes, output, packet_head, reference, to_bytes};
use crate::abi::handle::with_core;
use crate::hep::{Chunk, Payload};

/// Queues a whole packet for a collector.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_hep_relay(core: *mut sc_core, uri: sc_bytes, packet: sc_bytes) -> sc_status {
    with_core(core, |core| {
        // SAFETY: the contract's caller vouches for both.
        let (uri, packet) = unsafe { (bytes(uri)?, bytes(packet)?) };
        Ok(core.captures_sip()?.relay(uri, packet)?)
    })
}

/// Begins a packet that is handed over in pieces.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_packet_begin(core: *mut sc_core, head: *const sc_hep_head) -> sc_status {
    with_core(core, |core| {
        // SAFETY: the contract's caller vouches for it.
        let head = packet_head(unsafe { reference(head)? })?;
        Ok(core.packet.begin(&head)?)
    })
}

/// Adds a chunk to it.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_packet_add(core: *mut sc_core, vendor: u16, kind: u16, body: sc_bytes) -> sc_status {
    with_core(core, |core| {
        // SAFETY: the contract's caller vouches for it.
        let body = unsafe { bytes(body)? };
        Ok(core.packet.add(&Chunk { vendor, kind, body })?)
    })
}

/// Ends it.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_packet_finish(
    core: *mut sc_core,
    payload: sc_bytes,
    compressed: u8,
    packet: *mut sc_bytes,
) -> sc_status {
    with_core(core, |core| {
        // SAFETY: the contract's caller vouches for both.
        let (payload, out) = unsafe { (bytes(payload)?, output(packet)?) };
        let payload = if compressed == 0 { Payload::Plain(payload) } else { Payload::Compressed(payload) };
        *out = to_bytes(core.packet.finish(payload)?);
        Ok(())
    })
}
