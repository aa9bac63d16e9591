//! What collectors are sent by the project's own sink.

use sipcapture_core::hep::ChunkOrder;
use sipcapture_core::sink::hep::{Origin, Outgoing, OutgoingMessage};

/// A SIP message on its way to a collector, between the addresses of the specification's examples.
pub fn outgoing(payload: &[u8]) -> Outgoing<'_> {
    OutgoingMessage {
        from: Origin::Address("192.0.2.1:5060".parse().expect("an address")),
        to: Some("198.51.100.2:5070".parse().expect("an address")),
        ip_protocol: 17,
        time_us: 1_700_000_000_123_456,
        payload_type: 1,
        version_override: None,
        order: ChunkOrder::Message,
        correlation_id: None,
        payload,
    }
    .into()
}
