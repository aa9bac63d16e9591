//! What goes to a collector, and what became of it.

use crate::capture::Sockets;
use crate::hep::{ChunkOrder, Version};
use std::net::SocketAddr;

/// Where a message came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin<'a> {
    /// There.
    Address(SocketAddr),
    /// One of the host's sockets, as log entries have it: the first of the collector's transport and family, or without
    /// a transport; where there is neither, our own end of the way to the collector.
    Sockets(Sockets<'a>),
    /// The same of a spool that an earlier build has left: `proto:ip:port` each, separated by blanks; `any` is no
    /// transport.
    SocketTexts(&'a str),
}

/// A packet that is to go to a collector.
#[derive(Clone, Copy, Debug)]
pub enum Outgoing<'a> {
    /// A message, of which the collector's options make a packet.
    Message(OutgoingMessage<'a>),
    /// A whole packet, which leaves byte for byte as it is, whatever the collector's options. Over a stream it must
    /// tell its own length, as version 3 does.
    Packet(&'a [u8]),
}

impl<'a> From<OutgoingMessage<'a>> for Outgoing<'a> {
    fn from(message: OutgoingMessage<'a>) -> Outgoing<'a> {
        Outgoing::Message(message)
    }
}

/// A message that becomes a packet.
#[derive(Clone, Copy, Debug)]
pub struct OutgoingMessage<'a> {
    /// Where the message came from.
    pub from: Origin<'a>,
    /// Where it went to. `None`: the collector, as log entries have it.
    pub to: Option<SocketAddr>,
    /// IP protocol that carried it (HEP chunk 0x0002), as [`parse_endpoints`](super::parse_endpoints) answers it.
    pub ip_protocol: u8,
    /// Capture time, microseconds since the Unix epoch (HEP chunks 0x0009 and 0x000a).
    pub time_us: i64,
    /// What the payload is (HEP chunk 0x000b): 1 SIP, 100 log.
    pub payload_type: u8,
    /// Version to write instead of the collector's own: log entries are always version 3.
    pub version_override: Option<Version>,
    /// Order of the chunks of version 3.
    pub order: ChunkOrder,
    /// Correlation id (HEP chunk 0x0011).
    pub correlation_id: Option<&'a [u8]>,
    /// The message.
    pub payload: &'a [u8],
}

/// What became of the packets that a collector was given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// How many of the first packets are done with: each of them has left, or is listed in `refused`. Nothing behind
    /// them has left.
    pub sent: usize,
    /// Packets that can never be sent, by their number, with the reason: too long, a time that HEP cannot say, a
    /// payload that the version has no place for. All are among the first `sent`.
    pub refused: Vec<(usize, String)>,
    /// Why the packets behind the first `sent` did not go; `None` when all are done with.
    pub away: Option<String>,
    /// Reports that UDP datagrams of this call, or an earlier one, did not reach anybody. Not the number of such
    /// datagrams: hosts hold reports back that are more than about one a second, the kernel keeps one at a time, and
    /// one of them is not told apart from a moment without memory.
    pub port_unreachable: u64,
}
