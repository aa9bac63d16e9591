//! HEP collectors: from packets to the wire, for capture agents.
//!
//! The writer's delivery threads call this room, one [`Collector`] a thread; it calls [`hep`](crate::hep) and sockets, and knows nothing of
//! lanes, rows or hosts.
//!
//! ```text
//! Outgoing ─► encoder ─► link ─► sendmmsg          UDP
//!                             └► tls ─► tcp        TCP, TLS
//! ```
//!
//! * **Order.** Packets go out in the order in which they are given, and none twice by one call of [`Collector::send`]. What it reports as
//!   not sent has not left as a whole.
//! * **Time.** Nothing waits without a deadline: connecting (with the TLS handshake) takes `connect_timeout` at most, a group of packets
//!   `io_timeout`, and a call that has taken longer than that as a whole goes on with no further group. The system's resolver
//!   runs on a thread of its own. A collector that is dropped gives streams a second to end in order.
//! * **Back-off** is the caller's: every call tries again. A connection that broke while it was being written is opened again by
//!   the next call; one that was found closed before anything was written, by the same.
//! * **UDP** has no outage but a name that does not resolve and a destination to which the kernel knows no way. Reports that nobody listens, or that
//!   a host on the way lets nothing through, are counted, and no more where there is no other destination; where there is, a few of them are an
//!   outage too.
//! * **Several destinations** are tried in turn ([`Collector`]).
//! * **Names** are asked for again while a way is open; one whose address is no longer the name's is closed in order, and another opened.

mod address;
mod collector;
mod deadline;
mod destination;
mod encoder;
mod link;
mod names;
mod options;
mod probe;
mod resolver;
mod setup;
mod socket;
mod stream;
mod tcp;
#[cfg(test)]
mod tests;
mod tls;
mod udp;
mod unreachable;

use std::net::SocketAddr;

use crate::hep::{ChunkOrder, Version};

pub use address::{AddressError, parse_address, parse_endpoints};
pub use collector::Collector;
pub(crate) use destination::{CollectorHost, SipUri, Way, without_user};
pub use destination::{CollectorTransport, Destination, DestinationError, copy_uri, named_copy_uri};
pub use options::{CollectorOptions, Secret, TlsOptions};

/// Where a message came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin<'a> {
    /// There.
    Address(SocketAddr),
    /// One of the host's sockets, as log entries have it: `proto:ip:port` each, separated by blanks. The first of the collector's transport
    /// and family it is, or the first of the transport `any`; where there is neither, our own end of the way to the collector.
    Sockets(&'a str),
}

/// A packet that is to go to a collector.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// Where the message came from.
    pub from: Origin<'a>,
    /// Where it went to. `None`: the collector, as log entries have it.
    pub to: Option<SocketAddr>,
    /// IP protocol that carried it (HEP chunk 0x0002), as [`parse_endpoints`] answers it.
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
    /// How many of the first packets are done with: each of them has left, or is listed in `refused`. Nothing behind them has left.
    pub sent: usize,
    /// Packets that can never be sent, by their number, with the reason: too long, a time that HEP cannot say, a payload that the
    /// version has no place for. All are among the first `sent`.
    pub refused: Vec<(usize, String)>,
    /// Why the packets behind the first `sent` did not go; `None` when all are done with.
    pub away: Option<String>,
    /// Reports that UDP datagrams of this call, or an earlier one, did not reach anybody. Not the number of such datagrams: hosts hold reports back
    /// that are more than about one a second, the kernel keeps one at a time, and one of them is not told apart from a moment without memory.
    pub port_unreachable: u64,
}
