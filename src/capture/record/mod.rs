//! The byte form of a capture, the same in the lane and on disk.
//!
//! ```text
//! offset size  field                          (integers little-endian)
//!  0     1     version, 2
//!  1     1     row kind: 0 SIP, 1 report, 2 trace, 3 packet, 4 whole HEP packet; builds that know no 4 refuse it
//!  2     2     flags: 1 agent id, 2 correlation id, 4 rewritten URI, 8 table, 16 IPv6 source, 32 IPv6 destination,
//!               64 Call-ID, 128 custom field 1, 256 custom field 2, 512 custom field 3
//!  4     1     type column of a report
//!  5     1     sink
//!  6     1     transport: 1 UDP, 2 TCP, 3 TLS, 4 SCTP, 5 WebSocket, 6 WebSocket over TLS, 0 any other
//!  7     1     IP protocol number of a transport that is 0; 0 when it is not known
//!  8     8     time, microseconds since the Unix epoch
//! 16     2     source port
//! 18     2     destination port
//! 20     4     agent id
//! 24     1     version of HEP; 0 for none, or not told
//! 25     1     reserved, 0
//! 26     2     correlation id length
//! 28     2     rewritten URI length
//! 30     2     table length
//! 32     2     Call-ID length
//! 34     6     lengths of the custom fields, 2 each
//! 40     4     payload length
//! 44     2     trace length; 0 unless the row kind is 2 or 3
//! 46     4|16  source address, then 4|16 destination address
//! then         correlation id, rewritten URI, table, Call-ID, custom fields, trace (see `trace.rs`), payload
//! ```
//!
//! Version, sink and time stand at these places in every version. An earlier build has left records of [version
//! 1](version1) on the disk; they are read, and never written.

mod reader;
#[cfg(test)]
mod tests;
mod version1;

use super::{CUSTOM_FIELDS, Capture, RowKind, Trace, Transport};
use reader::Reader;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

/// The version that is written.
const VERSION: u8 = 2;
const HEADER: usize = 46;
const AGENT: u16 = 1;
const CORRELATION: u16 = 2;
const URI: u16 = 4;
const TABLE: u16 = 8;
const SOURCE_V6: u16 = 16;
const DESTINATION_V6: u16 = 32;
const CALL_ID: u16 = 64;
const CUSTOM: [u16; CUSTOM_FIELDS] = [128, 256, 512];

/// Where the sink's number is, in every version.
const SINK: usize = 5;
/// Where the time is, in every version.
const TIME: Range<usize> = 8..16;
/// Parts of variable length but for trace and payload.
const PARTS: usize = 4 + CUSTOM_FIELDS;
/// The flag of each of them.
const PART_FLAGS: [u16; PARTS] = [CORRELATION, URI, TABLE, CALL_ID, CUSTOM[0], CUSTOM[1], CUSTOM[2]];
/// Where their lengths are.
const PART_LENGTHS: Range<usize> = 26..26 + 2 * PARTS;

/// Longest of the other parts, bytes.
const LONGEST: usize = u16::MAX as usize;

/// Largest payload of a capture, bytes: four times what a datagram can hold, for what comes over streams. Every part of
/// a record together stays below what the spool takes (1 MiB).
pub const MAX_PAYLOAD: usize = 256 << 10;

/// Why bytes are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Fewer bytes than the fixed part or its lengths call for.
    #[error("record cut short")]
    Short,
    /// A version that this build does not know.
    #[error("record version {0} is unknown")]
    Version(u8),
    /// A row kind that this build does not know.
    #[error("record kind {0} is unknown")]
    Kind(u8),
    /// A trace whose parts do not add up, or one that its row kind lacks.
    #[error("record without a trace that can be read")]
    Trace,
}

/// Why a capture has no byte form: one of its parts is longer than its length field or [`MAX_PAYLOAD`] allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("capture too large")]
pub struct TooLarge;

/// Bytes that [`encode`] will write for `capture`.
pub fn encoded_len(capture: &Capture<'_>) -> Result<usize, TooLarge> {
    let parts = parts(capture).map(length);
    let trace = capture.trace.as_ref().map_or(0, Trace::encoded_len);
    if capture.payload.len() > MAX_PAYLOAD || parts.iter().any(|&len| len > LONGEST) || trace > LONGEST {
        return Err(TooLarge);
    }
    let addresses = address_len(capture.source) + address_len(capture.destination);
    Ok(HEADER + addresses + parts.iter().sum::<usize>() + trace + capture.payload.len())
}

/// Writes `capture` into `out`, which must be exactly [`encoded_len`] bytes.
///
/// # Panics
/// When `out` has another length.
pub fn encode(capture: &Capture<'_>, out: &mut [u8]) {
    let (kind, report_type) = match capture.kind {
        RowKind::Sip => (0, 0),
        RowKind::Report(number) => (1, number),
        RowKind::Trace => (2, 0),
        RowKind::Packet => (3, 0),
        RowKind::Relayed => (4, 0),
    };
    let (transport, ip_protocol) = numbers_of(capture.transport);
    let trace_len = capture.trace.as_ref().map_or(0, Trace::encoded_len);
    let (head, mut rest) = out.split_at_mut(HEADER);
    head.fill(0);
    head[0] = VERSION;
    head[1] = kind;
    head[2..4].copy_from_slice(&flags(capture).to_le_bytes());
    head[4] = report_type;
    head[SINK] = capture.sink;
    head[6] = transport;
    head[7] = ip_protocol;
    head[TIME].copy_from_slice(&capture.time_us.to_le_bytes());
    head[16..18].copy_from_slice(&capture.source.port().to_le_bytes());
    head[18..20].copy_from_slice(&capture.destination.port().to_le_bytes());
    head[20..24].copy_from_slice(&capture.agent_id.unwrap_or(0).to_le_bytes());
    head[24] = capture.hep_version.unwrap_or(0);
    for (to, part) in head[PART_LENGTHS].as_chunks_mut().0.iter_mut().zip(parts(capture)) {
        *to = (length(part) as u16).to_le_bytes();
    }
    head[40..44].copy_from_slice(&(capture.payload.len() as u32).to_le_bytes());
    head[44..46].copy_from_slice(&(trace_len as u16).to_le_bytes());
    let mut put = |bytes: &[u8]| {
        let (to, left) = std::mem::take(&mut rest).split_at_mut(bytes.len());
        to.copy_from_slice(bytes);
        rest = left;
    };
    for address in [capture.source, capture.destination] {
        match address.ip() {
            IpAddr::V4(ip) => put(&ip.octets()),
            IpAddr::V6(ip) => put(&ip.octets()),
        }
    }
    parts(capture).into_iter().flatten().for_each(&mut put);
    if let Some(trace) = &capture.trace {
        trace.encode(&mut put);
    }
    put(capture.payload);
    assert!(rest.is_empty(), "the buffer of a record must have the record's length");
}

/// The number of the sink that `record` is bound for; 0 when it is too short to say.
pub fn sink(record: &[u8]) -> u8 {
    record.get(SINK).copied().unwrap_or(0)
}

/// The time of the capture that `record` holds, microseconds since the Unix epoch; 0 when it is too short to say.
pub fn time_us(record: &[u8]) -> i64 {
    record.get(TIME).and_then(|bytes| bytes.try_into().ok()).map_or(0, i64::from_le_bytes)
}

/// What a record tells of its capture before it is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head<'a> {
    /// Time of the capture, microseconds since the Unix epoch.
    pub time_us: i64,
    /// Which row it becomes.
    pub kind: RowKind,
    /// Table name before expansion; of a packet, whole or not, the SIP URI of a collector that the script named.
    pub table: Option<&'a [u8]>,
}

/// Reads the head of `record`, of this version or an earlier one, and sees that all parts of the record are there; what
/// is in them is left to [`decode`].
///
/// # Errors
/// As [`decode`], but for a trace that cannot be read.
pub fn head(record: &[u8]) -> Result<Head<'_>, RecordError> {
    match record.first() {
        Some(&VERSION) => head_present(record),
        Some(&version1::VERSION) => version1::head(record),
        Some(&other) => Err(RecordError::Version(other)),
        None => Err(RecordError::Short),
    }
}

fn head_present(record: &[u8]) -> Result<Head<'_>, RecordError> {
    let (head, mut rest) = Reader::behind(record, HEADER)?;
    let flags = head.u16(2);
    let kind = row_kind(head.u8(1), head.u8(4))?;
    rest.address(flags & SOURCE_V6 != 0)?;
    rest.address(flags & DESTINATION_V6 != 0)?;
    let mut table = None;
    for (index, flag) in PART_FLAGS.into_iter().enumerate() {
        let bytes = rest.take(head.u16(PART_LENGTHS.start + 2 * index).into())?;
        if flag == TABLE {
            table = (flags & TABLE != 0).then_some(bytes);
        }
    }
    rest.take(head.u16(44).into())?;
    rest.take(head.u32(40) as usize)?;
    Ok(Head { time_us: time_us(record), kind, table })
}

/// Reads the capture that `record` holds, of this version or an earlier one; the result borrows from it.
pub fn decode(record: &[u8]) -> Result<Capture<'_>, RecordError> {
    match record.first() {
        Some(&VERSION) => decode_present(record),
        Some(&version1::VERSION) => version1::decode(record),
        Some(&other) => Err(RecordError::Version(other)),
        None => Err(RecordError::Short),
    }
}

fn decode_present(record: &[u8]) -> Result<Capture<'_>, RecordError> {
    let (head, mut rest) = Reader::behind(record, HEADER)?;
    let flags = head.u16(2);
    let kind = row_kind(head.u8(1), head.u8(4))?;
    let source = rest.address(flags & SOURCE_V6 != 0)?;
    let destination = rest.address(flags & DESTINATION_V6 != 0)?;
    let mut parts = [None; PARTS];
    for (index, part) in parts.iter_mut().enumerate() {
        let bytes = rest.take(head.u16(PART_LENGTHS.start + 2 * index).into())?;
        *part = (flags & PART_FLAGS[index] != 0).then_some(bytes);
    }
    let [correlation_id, rewritten_uri, table, call_id, custom @ ..] = parts;
    let trace = trace_of(kind, rest.take(head.u16(44).into())?)?;
    Ok(Capture {
        time_us: time_us(record),
        source: SocketAddr::new(source, head.u16(16)),
        destination: SocketAddr::new(destination, head.u16(18)),
        transport: transport_of(head.u8(6), head.u8(7)),
        hep_version: Some(head.u8(24)).filter(|version| *version != 0),
        kind,
        agent_id: (flags & AGENT != 0).then(|| head.u32(20)),
        correlation_id,
        rewritten_uri,
        call_id,
        custom,
        sink: sink(record),
        table,
        trace,
        payload: rest.take(head.u32(40) as usize)?,
    })
}

/// The parts of variable length but for trace and payload, in the order of their lengths and of their bytes.
fn parts<'a>(capture: &Capture<'a>) -> [Option<&'a [u8]>; PARTS] {
    let [first, second, third] = capture.custom;
    [capture.correlation_id, capture.rewritten_uri, capture.table, capture.call_id, first, second, third]
}

fn length(part: Option<&[u8]>) -> usize {
    part.map_or(0, <[u8]>::len)
}

fn flags(capture: &Capture<'_>) -> u16 {
    let flag = |present: bool, bit: u16| if present { bit } else { 0 };
    let of_parts = parts(capture).iter().zip(PART_FLAGS).fold(0, |all, (part, bit)| all | flag(part.is_some(), bit));
    of_parts
        | flag(capture.agent_id.is_some(), AGENT)
        | flag(capture.source.is_ipv6(), SOURCE_V6)
        | flag(capture.destination.is_ipv6(), DESTINATION_V6)
}

fn row_kind(number: u8, report_type: u8) -> Result<RowKind, RecordError> {
    match number {
        0 => Ok(RowKind::Sip),
        1 => Ok(RowKind::Report(report_type)),
        2 => Ok(RowKind::Trace),
        3 => Ok(RowKind::Packet),
        4 => Ok(RowKind::Relayed),
        other => Err(RecordError::Kind(other)),
    }
}

/// The trace that rows of `kind` need.
fn trace_of(kind: RowKind, bytes: &[u8]) -> Result<Option<Trace<'_>>, RecordError> {
    match kind {
        RowKind::Trace | RowKind::Packet => Trace::decode(bytes).map(Some).ok_or(RecordError::Trace),
        RowKind::Sip | RowKind::Report(_) | RowKind::Relayed => Ok(None),
    }
}

/// The bytes for `transport`: its number here, and the IP protocol number of one that has none.
fn numbers_of(transport: Transport) -> (u8, u8) {
    match transport {
        Transport::Other(ip_protocol) => (0, ip_protocol),
        Transport::Udp => (1, 0),
        Transport::Tcp => (2, 0),
        Transport::Tls => (3, 0),
        Transport::Sctp => (4, 0),
        Transport::Ws => (5, 0),
        Transport::Wss => (6, 0),
    }
}

fn transport_of(number: u8, ip_protocol: u8) -> Transport {
    match number {
        1 => Transport::Udp,
        2 => Transport::Tcp,
        3 => Transport::Tls,
        4 => Transport::Sctp,
        5 => Transport::Ws,
        6 => Transport::Wss,
        _ => Transport::Other(ip_protocol),
    }
}

fn address_len(address: SocketAddr) -> usize {
    if address.is_ipv6() { 16 } else { 4 }
}
