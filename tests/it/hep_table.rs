//! The table of malformed and odd HEP packets: each length field wrong, each chunk missing, every quirk of real
//! senders.
//!
//! Each row is built byte by byte and says what becomes of it. The codec is held to the table here; the same rows can
//! be sent to a server, since each carries a SIP message with a Call-ID of its own ([`MalformedRow::call_id`]).

mod addresses;
mod draft;
mod lengths;
mod missing;
mod quirks;
mod strangers;
mod versions;

use sipcapture_core::hep::{Packet, Payload, Version, decode, inflate, looks_like_hep};
use std::collections::BTreeSet;
use std::net::SocketAddr;

/// One row of the table.
#[derive(Clone, Debug)]
pub struct MalformedRow {
    /// What is wrong or odd, as a sentence would say it; unique in the table.
    pub name: String,
    /// The datagram.
    pub bytes: Vec<u8>,
    /// What becomes of it.
    pub expect: Expect,
}

/// What becomes of a datagram.
#[derive(Clone, Debug)]
pub enum Expect {
    /// It is HEP, and a capture with these values.
    Stored(Stored),
    /// It is HEP that cannot be captured; counted under this reason.
    Counted(&'static str),
    /// It is HEP, but makes no row for this reason: refused above the codec, which decodes it.
    NoRow(&'static str),
    /// It is not HEP, and goes on to whoever else may understand it.
    NotHep,
}

/// The values of a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Where the message came from.
    pub source: SocketAddr,
    /// Where it went.
    pub destination: SocketAddr,
    /// IP protocol number.
    pub ip_protocol: u8,
    /// Payload type.
    pub payload_type: u8,
    /// Microseconds since the Unix epoch; `None` for the receiver's clock.
    pub time_us: Option<i64>,
    /// Capture agent id.
    pub agent_id: Option<u32>,
    /// Correlation id.
    pub correlation_id: Option<Vec<u8>>,
    /// The message, inflated if it came compressed.
    pub payload: Vec<u8>,
    /// Bytes behind the packet.
    pub trailing: usize,
}

impl MalformedRow {
    fn new(name: impl Into<String>, bytes: Vec<u8>, expect: Expect) -> MalformedRow {
        MalformedRow { name: name.into(), bytes, expect }
    }

    /// The Call-ID of the row's SIP message.
    pub fn call_id(&self) -> String {
        draft::call_id(&self.name)
    }
}

/// The whole table.
pub fn rows() -> Vec<MalformedRow> {
    [lengths::rows(), missing::rows(), addresses::rows(), versions::rows(), quirks::rows(), strangers::rows()].concat()
}

#[test]
fn every_packet_of_the_table_is_taken_as_the_table_says() {
    let mut wrong = Vec::new();
    for row in rows() {
        let found = outcome(&row.bytes);
        let right = match (&row.expect, &found) {
            (Expect::Stored(expected), Outcome::Stored(found)) => expected == found && no_row(found).is_none(),
            (Expect::Counted(expected), Outcome::Counted(found)) => expected == found,
            (Expect::NoRow(why), Outcome::Stored(found)) => no_row(found) == Some(why),
            (Expect::NotHep, Outcome::NotHep) => true,
            _ => false,
        };
        if !right {
            wrong.push(format!("{}\n  expected {:?}\n  found    {found:?}", row.name, row.expect));
        }
    }
    assert!(wrong.is_empty(), "{} rows:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn rows_are_told_apart_by_name_and_by_call_id() {
    let rows = rows();
    let names: BTreeSet<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    let call_ids: BTreeSet<String> = rows.iter().map(MalformedRow::call_id).collect();
    assert_eq!((names.len(), call_ids.len()), (rows.len(), rows.len()));
}

#[test]
fn no_packet_of_the_table_is_read_past_its_end() {
    for row in rows() {
        for length in 0..row.bytes.len() {
            // A buffer of just this length: reading on would be a panic.
            let cut = row.bytes[..length].to_vec().into_boxed_slice();
            let _ = outcome(&cut);
        }
    }
}

/// Why a packet that decodes makes no row.
fn no_row(decoded: &Stored) -> Option<&'static str> {
    if decoded.payload.is_empty() {
        Some("there is no message")
    } else if decoded.payload_type != 1 && decoded.correlation_id.is_none() {
        Some("a report needs a correlation id")
    } else {
        None
    }
}

#[derive(Debug)]
enum Outcome {
    Stored(Stored),
    Counted(&'static str),
    NotHep,
}

fn outcome(bytes: &[u8]) -> Outcome {
    if !looks_like_hep(bytes) {
        return Outcome::NotHep;
    }
    let packet = match decode(bytes) {
        Ok(packet) => packet,
        Err(error) => return Outcome::Counted(error.reason()),
    };
    let mut inflated = Vec::new();
    let payload = match packet.payload {
        Payload::Plain(plain) => plain,
        Payload::Compressed(compressed) => match inflate(compressed, &mut inflated) {
            Ok(()) => &inflated,
            Err(error) => return Outcome::Counted(error.reason()),
        },
    };
    let Packet { version, source, destination, ip_protocol, payload_type, time_us, agent_id, trailing, .. } = packet;
    assert_eq!(version == Version::V3, bytes[0] > 2);
    let correlation_id = packet.correlation_id.map(<[u8]>::to_vec);
    let payload = payload.to_vec();
    Outcome::Stored(Stored {
        source,
        destination,
        ip_protocol,
        payload_type,
        time_us,
        agent_id,
        correlation_id,
        payload,
        trailing,
    })
}
