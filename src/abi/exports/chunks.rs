//! What scripts do with single chunks of a HEP packet that the host has decoded. Nothing is kept, and there is no
//! handle: the log is limited for the whole process.

use crate::abi::contract::{
    SC_CHUNK_ARGUMENTS, SC_CHUNK_ROOM, sc_address, sc_bytes, sc_chunk, sc_chunk_arguments, sc_chunk_function,
    sc_outer_packet, sc_status, sc_variable_value,
};
use crate::abi::convert::{
    address, bytes, number_of, output, reference, to_address, to_bytes, to_variable, transport_of,
};
use crate::abi::guard::guard;
use crate::module::{
    CHUNK_ROOM, ChunkArguments, ChunkContent, ChunkForm, ChunkFunction, ChunkId, OuterField, OuterPacket,
    check_chunk_argument, decode_chunk, encode_chunk, hep_version_value, one_family,
};
use std::ffi::c_char;
use std::net::SocketAddr;

const _: () = assert!(SC_CHUNK_ROOM as usize == CHUNK_ROOM);

fn function(function: sc_chunk_function) -> Result<ChunkFunction, sc_status> {
    match function {
        sc_chunk_function::SC_CHUNK_SET => Ok(ChunkFunction::Set),
        sc_chunk_function::SC_CHUNK_GET => Ok(ChunkFunction::Get),
        sc_chunk_function::SC_CHUNK_DELETE => Ok(ChunkFunction::Delete),
        _ => Err(sc_status::SC_ERR_INVALID_VALUE),
    }
}

/// A chunk without what it holds.
fn to_chunk(id: ChunkId) -> sc_chunk {
    sc_chunk { kind: id.number(), field: id.field(), settable: id.may_be_set().into(), ..Default::default() }
}

/// An address that may be absent.
fn known(given: &sc_address) -> Result<Option<SocketAddr>, sc_status> {
    if given.length == 0 { Ok(None) } else { address(given).map(Some) }
}

/// The caller's buffer.
///
/// # Safety
/// `buffer` must be null or valid for writes of [`CHUNK_ROOM`] bytes during `'a`, and nobody else's.
unsafe fn room<'a>(buffer: *mut c_char) -> Result<&'a mut [u8; CHUNK_ROOM], sc_status> {
    // SAFETY: the caller vouches for it; bytes need no alignment.
    unsafe { output(buffer.cast()) }
}

/// Checks one argument of a call.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_chunk_check(of: sc_chunk_function, index: u32, text: sc_bytes) -> sc_status {
    guard(|| {
        // SAFETY: the contract's caller vouches for it.
        let text = unsafe { bytes(text)? };
        Ok(check_chunk_argument(function(of)?, usize::try_from(index).unwrap_or(usize::MAX), text)?)
    })
}

/// Tells the arguments of a call apart.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_chunk_sort(
    of: sc_chunk_function,
    given: *const sc_bytes,
    arguments: *mut sc_chunk_arguments,
) -> sc_status {
    guard(|| {
        // SAFETY: the contract's caller vouches for both.
        let (given, out) =
            unsafe { (reference(given.cast::<[sc_bytes; SC_CHUNK_ARGUMENTS as usize]>())?, output(arguments)?) };
        let mut texts = [None; SC_CHUNK_ARGUMENTS as usize];
        for (text, given) in texts.iter_mut().zip(given) {
            // SAFETY: the contract's caller vouches for them.
            *text = if given.ptr.is_null() && given.len == 0 { None } else { Some(unsafe { bytes(*given)? }) };
        }
        let arguments = ChunkArguments::of(function(of)?, texts);
        *out = sc_chunk_arguments {
            chunk: to_bytes(arguments.chunk),
            value: to_bytes(arguments.value),
            value_type: to_bytes(arguments.value_type),
            vendor: to_bytes(arguments.vendor),
            older: arguments.is_older.into(),
        };
        Ok(())
    })
}

/// A chunk by its name.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_chunk_find(text: sc_bytes, chunk: *mut sc_chunk) -> sc_status {
    guard(|| {
        // SAFETY: the contract's caller vouches for both.
        let (text, out) = unsafe { (bytes(text)?, output(chunk)?) };
        *out = to_chunk(ChunkId::parse(text)?);
        Ok(())
    })
}

/// What a chunk is to hold.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_chunk_encode(
    arguments: *const sc_chunk_arguments,
    own_vendor: u16,
    buffer: *mut c_char,
    chunk: *mut sc_chunk,
) -> sc_status {
    guard(|| {
        // SAFETY: the contract's caller vouches for all three.
        let (given, buffer, out) = unsafe { (reference(arguments)?, room(buffer)?, output(chunk)?) };
        // SAFETY: as above.
        let (chunk, value) = unsafe { (bytes(given.chunk)?, bytes(given.value)?) };
        // SAFETY: as above.
        let (value_type, vendor) = unsafe { (bytes(given.value_type)?, bytes(given.vendor)?) };
        let arguments = ChunkArguments { chunk, value, value_type, vendor, is_older: given.older != 0 };
        let encoded = encode_chunk(&arguments, own_vendor, buffer)?;
        let number = match encoded.content {
            ChunkContent::Number(number) => number,
            ChunkContent::Transport(transport) => number_of(transport).into(),
            ChunkContent::Bytes(_) => 0,
        };
        *out = sc_chunk { vendor: encoded.vendor, number, body: to_bytes(encoded.body), ..to_chunk(encoded.id) };
        Ok(())
    })
}

/// Makes two addresses of one family.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_chunk_one_family(
    source: *mut sc_address,
    destination: *mut sc_address,
    family: *mut u8,
) -> sc_status {
    guard(|| {
        // SAFETY: the contract's caller vouches for all three.
        let (source, destination, family) = unsafe { (output(source)?, output(destination)?, output(family)?) };
        let ends = [known(source)?, known(destination)?];
        let (addresses, number) = one_family(ends.map(|end| end.map(|end| end.ip())));
        for (to, address) in [source, destination].into_iter().zip(addresses) {
            if let Some(address) = address {
                *to = to_address(SocketAddr::new(address, to.port));
            }
        }
        *family = number;
        Ok(())
    })
}

/// What a script reads of a chunk.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_chunk_decode(
    chunk: *const sc_chunk,
    value_type: sc_bytes,
    buffer: *mut c_char,
    value: *mut sc_variable_value,
) -> sc_status {
    guard(|| {
        // SAFETY: the contract's caller vouches for all four.
        let (chunk, value_type, buffer, out) =
            unsafe { (reference(chunk)?, bytes(value_type)?, room(buffer)?, output(value)?) };
        let id = ChunkId::from_number(chunk.kind).ok_or(sc_status::SC_ERR_INVALID_VALUE)?;
        let content = match id.form() {
            ChunkForm::Number => ChunkContent::Number(chunk.number),
            ChunkForm::Transport => ChunkContent::Transport(transport_of(u8::try_from(chunk.number).unwrap_or(0))),
            // SAFETY: as above.
            ChunkForm::Bytes => ChunkContent::Bytes(unsafe { bytes(chunk.body)? }),
        };
        *out = to_variable(decode_chunk(id, value_type, content, buffer)?);
        Ok(())
    })
}

/// A field of the outer packet by its name.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_outer_field(name: sc_bytes, field: *mut u32) -> sc_status {
    guard(|| {
        // SAFETY: the contract's caller vouches for both.
        let (name, field) = unsafe { (bytes(name)?, output(field)?) };
        *field = OuterField::parse(name)?.code();
        Ok(())
    })
}

/// What it answers.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_outer_value(
    field: u32,
    packet: *const sc_outer_packet,
    buffer: *mut c_char,
    value: *mut sc_variable_value,
) -> sc_status {
    guard(|| {
        // SAFETY: the contract's caller vouches for all three.
        let (packet, buffer, out) = unsafe { (reference(packet)?, room(buffer)?, output(value)?) };
        let packet = OuterPacket {
            source: known(&packet.source)?,
            destination: known(&packet.destination)?,
            // SAFETY: as above.
            transport: unsafe { bytes(packet.transport)? },
        };
        *out = to_variable(OuterField::from_code(field).value(&packet, buffer));
        Ok(())
    })
}

/// What the version of a packet answers.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_hep_version_value(version: u32, value: *mut sc_variable_value) -> sc_status {
    guard(|| {
        // SAFETY: the contract's caller vouches for it.
        *unsafe { output(value)? } = to_variable(hep_version_value(version));
        Ok(())
    })
}
