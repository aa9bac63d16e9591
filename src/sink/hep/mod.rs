//! HEP collectors: from packets to the wire, for capture agents.
//!
//! The writer's delivery threads call this room, one [`Collector`] a thread; it calls [`hep`](crate::hep) and sockets,
//! and knows nothing of lanes, rows or hosts.
//!
//! ```text
//! Outgoing ─► encoder ─► link ─► sendmmsg          UDP
//!                             └► tls ─► tcp        TCP, TLS
//! ```
//!
//! * **Order.** Packets go out in the order in which they are given, and none twice by one call of [`Collector::send`].
//!   What it reports as not sent has not left as a whole.
//! * **Time.** Nothing waits without a deadline: connecting (with the TLS handshake) takes `connect_timeout` at most, a
//!   group of packets `io_timeout`, and a call that has taken longer than that as a whole goes on with no further
//!   group. The system's resolver runs on a thread of its own. A collector that is dropped gives streams a second to
//!   end in order.
//! * **Back-off** is the caller's: every call tries again. A connection that broke while it was being written is opened
//!   again by the next call; one that was found closed before anything was written, by the same.
//! * **UDP** has no outage but a name that does not resolve and a destination to which the kernel knows no way. Reports
//!   that nobody listens, or that a host on the way lets nothing through, are counted, and no more where there is no
//!   other destination; where there is, a few of them are an outage too.
//! * **Several destinations** are tried in turn ([`Collector`]).
//! * **Names** are asked for again while a way is open; one whose address is no longer the name's is closed in order,
//!   and another opened.

mod address;
mod collector;
mod deadline;
mod destination;
mod encoder;
mod link;
mod names;
mod options;
mod outgoing;
mod passed;
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

pub use address::{AddressError, parse_address, parse_endpoints};
pub use collector::Collector;
pub(crate) use destination::{CollectorHost, SipUri, UriTransport, without_user};
pub use destination::{CollectorTransport, Destination, DestinationError, copy_uri, named_copy_uri};
pub use options::{CollectorOptions, Secret, TlsOptions};
pub use outgoing::{Origin, Outgoing, OutgoingMessage, Sent};
