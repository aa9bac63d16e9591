//! Version 1 of the byte form, which builds wrote before captures had custom fields of their own. It is read alone: a
//! server that is updated finds it in its spool, and an operator in dead letters.
//!
//! ```text
//! offset size  field                          (integers little-endian)
//!  0     1     version, 1
//!  1     1     flags: 1 agent id, 2 correlation id, 4 rewritten URI, 8 table, 16 IPv6 source, 32 IPv6 destination,
//!               64 Call-ID
//!  2     1     transport: 1 UDP, 2 TCP, 3 TLS, 4 SCTP, 5 WebSocket, 6 WebSocket over TLS, any other not known
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

use super::reader::Reader;
use super::{
    AGENT, CALL_ID, CORRELATION, DESTINATION_V6, Head, RecordError, SOURCE_V6, TABLE, URI, row_kind, sink, time_us,
    trace_of, transport_of,
};
use crate::capture::{CUSTOM_FIELDS, Capture};
use std::net::SocketAddr;

/// The number of the version.
pub(super) const VERSION: u8 = 1;
const HEADER: usize = 36;

/// Reads the head of `record`, of this version.
pub(super) fn head(record: &[u8]) -> Result<Head<'_>, RecordError> {
    let (head, mut rest) = Reader::behind(record, HEADER)?;
    let flags = u16::from(head.u8(1));
    let kind = row_kind(head.u8(3), head.u8(4))?;
    rest.address(flags & SOURCE_V6 != 0)?;
    rest.address(flags & DESTINATION_V6 != 0)?;
    rest.take(head.u16(6).into())?;
    rest.take(head.u16(24).into())?;
    let table = rest.take(head.u16(26).into())?;
    rest.take(head.u16(32).into())?;
    rest.take(head.u16(34).into())?;
    rest.take(head.u32(28) as usize)?;
    Ok(Head { time_us: time_us(record), kind, table: (flags & TABLE != 0).then_some(table) })
}

/// Reads the capture that `record`, of this version, holds. The flags mean what they mean in the next version.
pub(super) fn decode(record: &[u8]) -> Result<Capture<'_>, RecordError> {
    let (head, mut rest) = Reader::behind(record, HEADER)?;
    let flags = u16::from(head.u8(1));
    let kind = row_kind(head.u8(3), head.u8(4))?;
    let source = rest.address(flags & SOURCE_V6 != 0)?;
    let destination = rest.address(flags & DESTINATION_V6 != 0)?;
    let mut part = |bit: u16, len: u16| {
        let bytes = rest.take(len.into())?;
        Ok((flags & bit != 0).then_some(bytes))
    };
    let correlation_id = part(CORRELATION, head.u16(6))?;
    let rewritten_uri = part(URI, head.u16(24))?;
    let table = part(TABLE, head.u16(26))?;
    let call_id = part(CALL_ID, head.u16(32))?;
    let trace = trace_of(kind, rest.take(head.u16(34).into())?)?;
    Ok(Capture {
        time_us: time_us(record),
        source: SocketAddr::new(source, head.u16(16)),
        destination: SocketAddr::new(destination, head.u16(18)),
        transport: transport_of(head.u8(2), 0),
        hep_version: None,
        kind,
        agent_id: (flags & AGENT != 0).then(|| head.u32(20)),
        correlation_id,
        rewritten_uri,
        call_id,
        custom: [None; CUSTOM_FIELDS],
        sink: sink(record),
        table,
        trace,
        payload: rest.take(head.u32(28) as usize)?,
    })
}
