//! HEP packets that a script passes on to a collector that it names: stored, if need be, and forwarded.
//!
//! ```text
//! script ─ Relay::relay() ─► lane ─► writer ─► collector, at the URI
//!                                      └─► spool, while the collector is away
//! ```
//!
//! A packet leaves byte for byte as it came in, whatever its version and chunks, but for the secrets that parameters
//! have masked, and for what stood behind its own length in the datagram. The collector's name is resolved, and the
//! connection made, by the writer: whoever relays never waits.
//!
//! Called by modules whose scripts relay. The plan of such a module has the [`Relay::sink`] among its own.

use crate::capture::{Capture, RowKind, Transport};
use crate::hep::{self, Chunks, DecodeError, Version};
use crate::log_limit::LogLimit;
use crate::module::engine::capture_queue::{CaptureQueue, now_us};
use crate::module::engine::known_texts::KnownTexts;
use crate::module::engine::masked::Unmaskable;
use crate::module::engine::state::StateError;
use crate::queue::counters::Produced;
use crate::queue::lane::PushError;
use crate::sink::hep::{CollectorOptions, CollectorTransport, Destination, DestinationError};
use crate::writer::SinkPlan;
use crate::writer::sinks::packets::{CollectorPlan, NamedCollectorSink};
use log::Level;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

/// Whole packets have addresses of their own.
const NOWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// Why a packet is not passed on. What the URI says is shown without its user part, which may hold a password.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The URI is not one of a collector.
    #[error(transparent)]
    Destination(#[from] DestinationError),
    /// Versions 1 and 2 do not tell how long a packet is, which a stream needs.
    #[error(
        "`{uri}` is reached over a stream, where HEP version 3 alone is allowed: a packet of version {version} needs a \
         URI without transport, or with ;transport=udp"
    )]
    Stream {
        /// The URI in the one spelling that it has.
        uri: Arc<str>,
        /// Version of the packet.
        version: u8,
    },
    /// It is no HEP packet, or its end cannot be found.
    #[error("it is no HEP packet, or nobody can tell where it ends: {0}")]
    Packet(#[from] DecodeError),
    /// Its secrets are to be masked, and nobody can find them.
    #[error("its secrets cannot be masked: {0}")]
    Unmaskable(#[from] Unmaskable),
    /// The lane refused it.
    #[error(transparent)]
    Push(#[from] PushError),
    /// This process has no lane, or the module has no relay.
    #[error(transparent)]
    State(#[from] StateError),
}

/// A collector that a script has named.
#[derive(Clone, Debug)]
struct RelayTarget {
    uri: Arc<str>,
    transport: CollectorTransport,
}

/// What one process knows of the collectors that its scripts relay to.
#[derive(Debug, Default)]
pub struct Relay {
    targets: KnownTexts<RelayTarget>,
    log: LogLimit,
}

impl Relay {
    /// The sink of all collectors that scripts name. `options` say how they are connected to, over TLS with which
    /// trust; what these say of packets is for those that are made here. `parameter` is what errors call it.
    pub fn sink(options: CollectorOptions, parameter: &'static str) -> SinkPlan {
        let collectors = CollectorPlan { options, correlation_headers: Vec::new() };
        SinkPlan::new(NamedCollectorSink { collectors }, parameter)
    }

    /// Queues `packet`, a whole HEP packet, for the collector at `uri`: `sip:HOST[:PORT][;transport=udp|tcp|tls]` or
    /// `sips:HOST[:PORT]`, port 9060 where it names none. `sink` is the number of the [`Relay::sink`] in the module's
    /// plan. Never waits.
    ///
    /// # Errors
    /// [`RelayError`], which is logged at a limited rate. A full lane is counted as for any capture, a packet that
    /// cannot be read or masked as a bad HEP packet, the rest with the messages that were refused for where they were
    /// to go.
    pub fn relay(&mut self, queue: &mut CaptureQueue, sink: u8, uri: &[u8], packet: &[u8]) -> Result<(), RelayError> {
        self.try_relay(queue, sink, uri, packet).inspect_err(|error| self.note(queue, error))
    }

    fn try_relay(&mut self, queue: &mut CaptureQueue, sink: u8, uri: &[u8], packet: &[u8]) -> Result<(), RelayError> {
        queue.producer()?;
        let read = |uri: &str| -> Result<RelayTarget, DestinationError> {
            let destination = Destination::parse_hep(uri)?;
            Ok(RelayTarget { uri: destination.to_string().into(), transport: destination.transport() })
        };
        let RelayTarget { uri, transport } = self.targets.get_or_read(uri, read)?;
        let (version, packet) = whole(packet)?;
        if version != Version::V3 && *transport != CollectorTransport::Udp {
            return Err(RelayError::Stream { uri: Arc::clone(uri), version: version.number() });
        }
        // The time orders what leaves: the packet's own is that of whoever has captured it.
        let capture = Capture {
            kind: RowKind::Relayed,
            sink,
            table: Some(uri.as_bytes()),
            ..Capture::sip(now_us(), NOWHERE, NOWHERE, Transport::UNKNOWN, packet)
        };
        queue.push_packet(&capture)
    }

    /// Counts and logs what has become of a packet.
    fn note(&mut self, queue: &CaptureQueue, error: &RelayError) {
        // Without a lane there is nothing to count in, and the caller is told.
        let Ok(producer) = queue.producer() else { return };
        match error {
            // The lane has counted and logged it.
            RelayError::Push(_) | RelayError::State(_) => return,
            RelayError::Packet(_) | RelayError::Unmaskable(_) => producer.count(Produced::HepBad),
            RelayError::Destination(_) | RelayError::Stream { .. } => producer.lanes().count_refused(),
        }
        self.log.log(Level::Error, format_args!("a HEP packet is not passed on: {error}"));
    }
}

/// The version of a packet, and its bytes without what stands behind its own length. Only what a collector has to know
/// to find the next packet is looked at: chunks are the collector's to read.
fn whole(packet: &[u8]) -> Result<(Version, &[u8]), DecodeError> {
    match hep::version_of(packet) {
        Some(Version::V3) => {
            let trailing = Chunks::new(packet)?.trailing();
            Ok((Version::V3, &packet[..packet.len() - trailing]))
        }
        _ => hep::decode(packet).map(|decoded| (decoded.version, packet)),
    }
}

#[cfg(test)]
mod tests;
