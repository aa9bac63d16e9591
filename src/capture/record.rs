//! The byte form of a capture, the same in the lane and on disk.
//!
//! ```text
//! offset size  field                          (integers little-endian)
//!  0     1     version, 1
//!  1     1     flags: 1 agent id, 2 correlation id, 4 rewritten URI, 8 table, 16 IPv6 source, 32 IPv6 destination,
//!               64 Call-ID
//!  2     1     transport
//!  3     1     row kind: 0 SIP, 1 report, 2 trace, 3 packet
//!  4     1     type column of a report
//!  5     1     sink
//!  6     2     correlation id length
//!  8     8     time, microseconds since the Unix epoch
//! 16     2     source port
//! 18     2     destination port
//! 20     4     agent id
//! 24     2     rewritten URI length
//! 26     2     table length
//! 28     4     payload length
//! 32     2     Call-ID length
//! 34     2     trace length; 0 unless the row kind is 2 or 3
//! 36     4|16  source address, then 4|16 destination address
//! then         correlation id, rewritten URI, table, Call-ID, trace (see `trace.rs`), payload
//! ```

use super::{Capture, RowKind, Trace, Transport};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const VERSION: u8 = 1;
const HEADER: usize = 36;
const AGENT: u8 = 1;
const CORRELATION: u8 = 2;
const URI: u8 = 4;
const TABLE: u8 = 8;
const SOURCE_V6: u8 = 16;
const DESTINATION_V6: u8 = 32;
const CALL_ID: u8 = 64;

/// Longest of the other parts, bytes.
const LONGEST: usize = u16::MAX as usize;

/// Largest payload of a capture, bytes: four times what a datagram can hold, for what comes over streams. Every part of a record together stays below
/// what the spool takes (1 MiB).
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
    let short = |part: Option<&[u8]>| part.map_or(0, <[u8]>::len);
    let parts = [capture.correlation_id, capture.rewritten_uri, capture.table, capture.call_id].map(short);
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
    };
    let flag = |present: bool, bit: u8| if present { bit } else { 0 };
    let part = |part: Option<&'_ [u8]>| part.map_or(0, <[u8]>::len) as u16;
    let (head, mut rest) = out.split_at_mut(HEADER);
    head[0] = VERSION;
    head[1] = flag(capture.agent_id.is_some(), AGENT)
        | flag(capture.correlation_id.is_some(), CORRELATION)
        | flag(capture.rewritten_uri.is_some(), URI)
        | flag(capture.table.is_some(), TABLE)
        | flag(capture.source.is_ipv6(), SOURCE_V6)
        | flag(capture.destination.is_ipv6(), DESTINATION_V6)
        | flag(capture.call_id.is_some(), CALL_ID);
    head[2] = capture.transport as u8;
    head[3] = kind;
    head[4] = report_type;
    head[5] = capture.sink;
    head[6..8].copy_from_slice(&part(capture.correlation_id).to_le_bytes());
    head[8..16].copy_from_slice(&capture.time_us.to_le_bytes());
    head[16..18].copy_from_slice(&capture.source.port().to_le_bytes());
    head[18..20].copy_from_slice(&capture.destination.port().to_le_bytes());
    head[20..24].copy_from_slice(&capture.agent_id.unwrap_or(0).to_le_bytes());
    head[24..26].copy_from_slice(&part(capture.rewritten_uri).to_le_bytes());
    head[26..28].copy_from_slice(&part(capture.table).to_le_bytes());
    head[28..32].copy_from_slice(&(capture.payload.len() as u32).to_le_bytes());
    head[32..34].copy_from_slice(&part(capture.call_id).to_le_bytes());
    head[34..36].copy_from_slice(&(capture.trace.as_ref().map_or(0, Trace::encoded_len) as u16).to_le_bytes());
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
    for bytes in [capture.correlation_id, capture.rewritten_uri, capture.table, capture.call_id].into_iter().flatten() {
        put(bytes);
    }
    if let Some(trace) = &capture.trace {
        trace.encode(&mut put);
    }
    put(capture.payload);
    assert!(rest.is_empty(), "the buffer of a record must have the record's length");
}

/// The number of the sink that `record` is bound for; 0 when it is too short to say.
pub fn sink(record: &[u8]) -> u8 {
    record.get(5).copied().unwrap_or(0)
}

/// The time of the capture that `record` holds, microseconds since the Unix epoch; 0 when it is too short to say.
pub fn time_us(record: &[u8]) -> i64 {
    record.get(8..16).and_then(|bytes| bytes.try_into().ok()).map_or(0, i64::from_le_bytes)
}

/// Reads the capture that `record` holds; the result borrows from it.
pub fn decode(record: &[u8]) -> Result<Capture<'_>, RecordError> {
    let mut cursor = Cursor { rest: record };
    let head = cursor.take(HEADER)?;
    if head[0] != VERSION {
        return Err(RecordError::Version(head[0]));
    }
    let flags = head[1];
    let u16_at = |at: usize| u16::from_le_bytes([head[at], head[at + 1]]);
    let u32_at = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let kind = match head[3] {
        0 => RowKind::Sip,
        1 => RowKind::Report(head[4]),
        2 => RowKind::Trace,
        3 => RowKind::Packet,
        other => return Err(RecordError::Kind(other)),
    };
    let mut time = [0; 8];
    time.copy_from_slice(&head[8..16]);
    let source = cursor.address(flags & SOURCE_V6 != 0)?;
    let destination = cursor.address(flags & DESTINATION_V6 != 0)?;
    let mut part = |bit: u8, len: u16| {
        let bytes = cursor.take(usize::from(len))?;
        Ok((flags & bit != 0).then_some(bytes))
    };
    let correlation_id = part(CORRELATION, u16_at(6))?;
    let rewritten_uri = part(URI, u16_at(24))?;
    let table = part(TABLE, u16_at(26))?;
    let call_id = part(CALL_ID, u16_at(32))?;
    let trace = match (kind, cursor.take(usize::from(u16_at(34)))?) {
        (RowKind::Trace | RowKind::Packet, bytes) => Some(Trace::decode(bytes).ok_or(RecordError::Trace)?),
        _ => None,
    };
    let payload = cursor.take(u32_at(28) as usize)?;
    Ok(Capture {
        time_us: i64::from_le_bytes(time),
        source: SocketAddr::new(source, u16_at(16)),
        destination: SocketAddr::new(destination, u16_at(18)),
        transport: Transport::from_number(head[2]),
        kind,
        agent_id: (flags & AGENT != 0).then(|| u32_at(20)),
        correlation_id,
        rewritten_uri,
        call_id,
        sink: head[5],
        table,
        trace,
        payload,
    })
}

fn address_len(address: SocketAddr) -> usize {
    if address.is_ipv6() { 16 } else { 4 }
}

struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], RecordError> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(RecordError::Short)?;
        self.rest = rest;
        Ok(taken)
    }

    fn address(&mut self, v6: bool) -> Result<IpAddr, RecordError> {
        if v6 {
            let mut octets = [0; 16];
            octets.copy_from_slice(self.take(16)?);
            Ok(IpAddr::V6(Ipv6Addr::from(octets)))
        } else {
            let mut octets = [0; 4];
            octets.copy_from_slice(self.take(4)?);
            Ok(IpAddr::V4(Ipv4Addr::from(octets)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn round_trip(capture: &Capture<'_>) -> Vec<u8> {
        let mut bytes = vec![0; encoded_len(capture).unwrap()];
        encode(capture, &mut bytes);
        bytes
    }

    fn endpoint() -> impl Strategy<Value = SocketAddr> {
        (any::<IpAddr>(), any::<u16>()).prop_map(|(ip, port)| SocketAddr::new(ip, port))
    }

    fn bytes(max: usize) -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(any::<u8>(), 0..max)
    }

    proptest! {
        #[test]
        fn a_record_reads_back_as_the_capture_it_was_made_from(
            time_us: i64, source in endpoint(), destination in endpoint(), transport in 0u8..7,
            report in prop::option::of(any::<u8>()), agent_id in prop::option::of(any::<u32>()),
            correlation in prop::option::of(bytes(300)), uri in prop::option::of(bytes(300)),
            table in prop::option::of(bytes(130)), call_id in prop::option::of(bytes(300)), sink: u8, payload in bytes(3000),
            trace in prop::option::of((any::<[u8; 4]>(), [(); 7].map(|()| bytes(60)))), is_packet: bool,
        ) {
            let trace = trace.as_ref().map(|([out, payload_type, hep_version, headers], [method, status, from, to, from_tag, to_tag, user])| {
                let (payload_type, hep_version) = (*payload_type, *hep_version);
                let (is_outgoing, wants_x_headers) = (*out > 127, *headers > 127);
                Trace { is_outgoing, payload_type, hep_version, wants_x_headers, method, status, from, to, from_tag, to_tag, user }
            });
            let traced = if is_packet { RowKind::Packet } else { RowKind::Trace };
            let capture = Capture {
                time_us, source, destination, transport: Transport::from_number(transport),
                kind: trace.map_or(report.map_or(RowKind::Sip, RowKind::Report), |_| traced), trace, agent_id,
                correlation_id: correlation.as_deref(), rewritten_uri: uri.as_deref(), table: table.as_deref(),
                call_id: call_id.as_deref(), sink, payload: &payload,
            };
            let record = round_trip(&capture);
            prop_assert_eq!(decode(&record).unwrap(), capture);
            for cut in 0..record.len() {
                prop_assert_eq!(decode(&record[..cut]), Err(RecordError::Short));
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(record in bytes(400)) {
            let _ = decode(&record);
        }
    }

    #[test]
    fn a_payload_beyond_the_limit_is_refused() {
        let payload = vec![b'x'; MAX_PAYLOAD + 1];
        let endpoint: SocketAddr = "127.0.0.1:5060".parse().unwrap();
        let capture = Capture::sip(0, endpoint, endpoint, Transport::Udp, &payload);
        assert_eq!(encoded_len(&capture), Err(TooLarge));
        assert!(encoded_len(&Capture::sip(0, endpoint, endpoint, Transport::Udp, &payload[1..])).is_ok());
    }
}
