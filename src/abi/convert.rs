//! Pointers and structs of the contract, as Rust types and back. Null is always checked.

use super::contract::{
    SC_GIVEN_AGENT, SC_GIVEN_COLLECTOR, SC_GIVEN_CORRELATION, SC_GIVEN_HEP_VERSION, SC_GIVEN_IP_PROTOCOL,
    SC_GIVEN_PAYLOAD_TYPE, SC_GIVEN_TIME, sc_address, sc_bytes, sc_endpoint, sc_hep_decoded, sc_hep_head,
    sc_hep_packet, sc_message, sc_metadata, sc_status, sc_trace, sc_tracer, sc_variable_kind, sc_variable_value,
};
use crate::capture::{CUSTOM_FIELDS, Transport};
use crate::hep::{PacketHead, Version};
use crate::module::{DecodedHep, HepPacket, Metadata, SipMessage, TraceEndpoint, TracedMessage, Tracer, VariableValue};
use crate::table::TransportNumbers;
use std::ffi::{CStr, c_char};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The bytes behind `bytes`, for as long as the caller's pointer is good.
///
/// # Safety
/// `ptr` must be null or point to `len` readable bytes that nobody writes during `'a`.
pub(super) unsafe fn bytes<'a>(bytes: sc_bytes) -> Result<&'a [u8], sc_status> {
    match (bytes.ptr.is_null(), bytes.len) {
        (_, 0) => Ok(&[]),
        (true, _) => Err(sc_status::SC_ERR_NULL_POINTER),
        (false, len) if len > isize::MAX as usize => Err(sc_status::SC_ERR_INVALID_VALUE),
        // SAFETY: not null, and the caller vouches for `len` bytes.
        (false, len) => Ok(unsafe { std::slice::from_raw_parts(bytes.ptr.cast(), len) }),
    }
}

/// The text at `name`.
///
/// # Safety
/// `name` must be null or point to a terminated text that nobody writes during `'a`.
pub(super) unsafe fn text<'a>(name: *const c_char) -> Result<&'a str, sc_status> {
    if name.is_null() {
        return Err(sc_status::SC_ERR_NULL_POINTER);
    }
    // SAFETY: not null, and the caller vouches for the terminator.
    unsafe { CStr::from_ptr(name) }.to_str().map_err(|_| sc_status::SC_ERR_UNKNOWN_NAME)
}

/// A shared reference to `*pointer`.
///
/// # Safety
/// `pointer` must be null or valid for reads during `'a`.
pub(super) unsafe fn reference<'a, T>(pointer: *const T) -> Result<&'a T, sc_status> {
    // SAFETY: checked for null here, the caller vouches for the rest.
    unsafe { pointer.as_ref() }.ok_or(sc_status::SC_ERR_NULL_POINTER)
}

/// A place to write an output to.
///
/// # Safety
/// `pointer` must be null or valid for writes during `'a`.
pub(super) unsafe fn output<'a, T>(pointer: *mut T) -> Result<&'a mut T, sc_status> {
    // SAFETY: checked for null here, the caller vouches for the rest.
    unsafe { pointer.as_mut() }.ok_or(sc_status::SC_ERR_NULL_POINTER)
}

/// Copies `bytes` to `buffer`, which has `room` for them or is refused.
///
/// # Safety
/// `buffer` must be null or valid for writes of `room` bytes.
pub(super) unsafe fn write(bytes: &[u8], buffer: *mut c_char, room: usize) -> Result<(), sc_status> {
    if buffer.is_null() {
        return Err(sc_status::SC_ERR_NULL_POINTER);
    }
    if bytes.len() > room {
        return Err(sc_status::SC_ERR_INVALID_VALUE);
    }
    // SAFETY: not null, `bytes` fit, which are ours, and the caller vouches for the rest.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), buffer.cast(), bytes.len()) };
    Ok(())
}

/// Bytes as the contract carries them.
pub(super) fn to_bytes(bytes: &[u8]) -> sc_bytes {
    sc_bytes { ptr: bytes.as_ptr().cast(), len: bytes.len() }
}

/// An address of the contract; its length must be 4 or 16.
pub(super) fn address(address: &sc_address) -> Result<SocketAddr, sc_status> {
    let ip = match address.length {
        4 => {
            let [a, b, c, d, ..] = address.ip;
            IpAddr::V4(Ipv4Addr::new(a, b, c, d))
        }
        16 => IpAddr::V6(Ipv6Addr::from(address.ip)),
        _ => return Err(sc_status::SC_ERR_INVALID_VALUE),
    };
    Ok(SocketAddr::new(ip, address.port))
}

/// An address as the contract carries it.
pub(super) fn to_address(address: SocketAddr) -> sc_address {
    let mut ip = [0; 16];
    let length = match address.ip() {
        IpAddr::V4(v4) => {
            ip[..4].copy_from_slice(&v4.octets());
            4
        }
        IpAddr::V6(v6) => {
            ip = v6.octets();
            16
        }
    };
    sc_address { length, ip, port: address.port() }
}

/// The head of a packet of the contract.
pub(super) fn packet_head(head: &sc_hep_head) -> Result<PacketHead, sc_status> {
    Ok(PacketHead {
        version: Version::from_number(head.version).ok_or(sc_status::SC_ERR_INVALID_VALUE)?,
        source: address(&head.source)?,
        destination: address(&head.destination)?,
        ip_protocol: head.ip_protocol,
        payload_type: head.payload_type,
        time_us: head.time_us,
        agent_id: head.agent,
    })
}

/// The numbers that the contract has for transports.
const TRANSPORTS: TransportNumbers = TransportNumbers::OF_SERVERS;

pub(super) fn number_of(transport: Transport) -> u8 {
    TRANSPORTS.number(transport)
}

pub(super) fn transport_of(number: u8) -> Transport {
    TRANSPORTS.transport(number)
}

/// A packet as the contract carries it.
pub(super) fn to_packet(packet: &HepPacket<'_>) -> sc_hep_packet {
    sc_hep_packet {
        version: packet.version,
        transport: number_of(packet.transport),
        source: to_address(packet.source),
        destination: to_address(packet.destination),
        time_us: packet.time_us.unwrap_or(0),
        payload: to_bytes(packet.payload),
    }
}

/// What a pseudo-variable answers, as the contract carries it.
pub(super) fn to_variable(value: VariableValue<'_>) -> sc_variable_value {
    let (kind, number, text): (_, _, &[u8]) = match value {
        VariableValue::Null => (sc_variable_kind::SC_VARIABLE_NULL, 0, b""),
        VariableValue::Number(number) => (sc_variable_kind::SC_VARIABLE_NUMBER, number, b""),
        VariableValue::Text(text) => (sc_variable_kind::SC_VARIABLE_TEXT, 0, text),
        VariableValue::Both(text, number) => (sc_variable_kind::SC_VARIABLE_BOTH, number, text),
    };
    sc_variable_value { kind, number, text: to_bytes(text) }
}

/// A message of the contract.
///
/// # Safety
/// Its bytes must be as for [`bytes`].
pub(super) unsafe fn message<'a>(message: &sc_message) -> Result<SipMessage<'a>, sc_status> {
    // SAFETY: the caller vouches for all of them.
    let (payload, uri, call_id) =
        unsafe { (bytes(message.payload)?, bytes(message.rewritten_uri)?, bytes(message.call_id)?) };
    let mut custom = [None; CUSTOM_FIELDS];
    for (value, given) in custom.iter_mut().zip(&message.custom) {
        // SAFETY: as above.
        *value = if given.ptr.is_null() && given.len == 0 { None } else { Some(unsafe { bytes(*given)? }) };
    }
    Ok(SipMessage {
        source: address(&message.source)?,
        destination: address(&message.destination)?,
        transport: transport_of(message.transport),
        payload,
        rewritten_uri: (!uri.is_empty()).then_some(uri),
        call_id: (!call_id.is_empty()).then_some(call_id),
        // SAFETY: as above.
        metadata: unsafe { metadata(&message.metadata)? },
        custom,
    })
}

/// What a caller of the contract says of a message.
///
/// # Safety
/// Its bytes must be as for [`bytes`].
unsafe fn metadata<'a>(metadata: &sc_metadata) -> Result<Metadata<'a>, sc_status> {
    let is_given = |bit: u32| metadata.given & bit != 0;
    let correlation_id = is_given(SC_GIVEN_CORRELATION)
        // SAFETY: the caller vouches for them.
        .then(|| unsafe { bytes(metadata.correlation) })
        .transpose()?;
    let hep_version = is_given(SC_GIVEN_HEP_VERSION).then_some(metadata.hep_version);
    if hep_version.is_some_and(|version| version > 3) {
        return Err(sc_status::SC_ERR_INVALID_VALUE);
    }
    Ok(Metadata {
        hep_version,
        transport: is_given(SC_GIVEN_IP_PROTOCOL).then(|| Transport::from_ip_protocol(metadata.ip_protocol)),
        time_us: is_given(SC_GIVEN_TIME).then_some(metadata.time_us),
        agent_id: is_given(SC_GIVEN_AGENT).then_some(metadata.agent),
        correlation_id,
        payload_type: is_given(SC_GIVEN_PAYLOAD_TYPE).then_some(metadata.payload_type),
        collector: is_given(SC_GIVEN_COLLECTOR).then(|| address(&metadata.collector)).transpose()?.map(|at| at.ip()),
    })
}

/// A packet that the host has decoded.
///
/// # Safety
/// Its bytes must be as for [`bytes`].
pub(super) unsafe fn decoded<'a>(packet: &sc_hep_decoded) -> Result<DecodedHep<'a>, sc_status> {
    Ok(DecodedHep {
        // SAFETY: the caller vouches for both.
        message: unsafe { message(&packet.message)? },
        sender: address(&packet.sender)?.ip(),
        // SAFETY: as above.
        auth_key: unsafe { bytes(packet.auth_key)? },
    })
}

/// Reads a list of bytes.
///
/// # Safety
/// `first` points to `count` structs, unless `count` is 0, and their bytes are valid as long as the result is used.
pub(super) unsafe fn slices<'a>(first: *const sc_bytes, count: u32) -> Result<Vec<&'a [u8]>, sc_status> {
    if count == 0 {
        return Ok(Vec::new());
    }
    if first.is_null() {
        return Err(sc_status::SC_ERR_NULL_POINTER);
    }
    // SAFETY: the caller vouches for the list, and for the bytes of each.
    unsafe { std::slice::from_raw_parts(first, count as usize).iter().map(|each| bytes(*each)).collect() }
}

/// An end of a message's way.
///
/// # Safety
/// Its bytes must be as for [`bytes`].
pub(super) unsafe fn endpoint<'a>(end: &sc_endpoint) -> Result<TraceEndpoint<'a>, sc_status> {
    // SAFETY: the caller vouches for both.
    let (name, text) = unsafe { (bytes::<'a>(end.name)?, bytes::<'a>(end.text)?) };
    let transport = transport_of(end.transport);
    Ok(match (text, name, end.address.length) {
        (b"", b"", 0) => TraceEndpoint::Unknown,
        (b"", b"", _) => {
            TraceEndpoint::Address { transport, address: address(&end.address)?, is_socket: end.is_socket != 0 }
        }
        (b"", name, _) => TraceEndpoint::Named { transport, name, port: end.address.port },
        (text, _, _) => TraceEndpoint::Text(text),
    })
}

/// Reads a list of such ends.
///
/// # Safety
/// `first` points to `count` structs, unless `count` is 0, and their bytes are valid as long as the result is used.
pub(super) unsafe fn endpoints<'a>(first: *const sc_endpoint, count: u32) -> Result<Vec<TraceEndpoint<'a>>, sc_status> {
    if count == 0 {
        return Ok(Vec::new());
    }
    if first.is_null() {
        return Err(sc_status::SC_ERR_NULL_POINTER);
    }
    // SAFETY: the caller vouches for the list, and for the bytes of each.
    unsafe { std::slice::from_raw_parts(first, count as usize).iter().map(|each| endpoint(each)).collect() }
}

/// Reads a traced message.
///
/// # Safety
/// The bytes in it are valid as long as the result is used.
pub(super) unsafe fn traced<'a>(
    trace: &sc_trace,
    users: &'a [&'a [u8]],
    sockets: &'a [TraceEndpoint<'a>],
) -> Result<TracedMessage<'a>, sc_status> {
    // SAFETY: the caller vouches for all of them.
    let of = |part: sc_bytes| unsafe { bytes::<'a>(part) };
    // SAFETY: as above.
    let (from, to) = unsafe { (endpoint(&trace.from)?, endpoint(&trace.to)?) };
    Ok(TracedMessage {
        tracer: match trace.tracer {
            sc_tracer::SC_TRACER_SCRIPT => Tracer::Script,
            sc_tracer::SC_TRACER_CORE => Tracer::Core,
            sc_tracer::SC_TRACER_FOLLOW => Tracer::Follow,
            sc_tracer::SC_TRACER_LOG => Tracer::Log,
            sc_tracer::SC_TRACER_TEXT => Tracer::Text,
            _ => return Err(sc_status::SC_ERR_INVALID_VALUE),
        },
        body: of(trace.body)?,
        call_id: of(trace.call_id)?,
        is_outgoing: trace.outgoing != 0,
        method: of(trace.method)?,
        status: of(trace.status)?,
        from_tag: of(trace.from_tag)?,
        to_tag: of(trace.to_tag)?,
        from,
        to,
        sockets,
        destination: (trace.has_destination != 0).then(|| of(trace.destination)).transpose()?,
        correlation_id: (trace.has_correlation != 0).then(|| of(trace.correlation)).transpose()?,
        table: of(trace.table)?,
        users,
        time_us: (trace.time_us != 0).then_some(trace.time_us),
    })
}
