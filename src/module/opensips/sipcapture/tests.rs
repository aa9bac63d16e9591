//! Parameters, captures, HEP packets and commands, without a host.

mod captures;
mod commands;
mod hep;
mod parameters;

use super::capture_node::CaptureNode;
use super::settings::CaptureSettings;
use crate::capture::{Capture, RowKind, Transport, record};
use crate::module::hep::context::Addresses;
use crate::module::testing::{Answer, make_ready, queued, totals};
use crate::module::*;
use crate::queue::counters::Produced;

const SIP: &[u8] = b"OPTIONS sip:bob@example.com SIP/2.0\r\nCall-ID: 1\r\n\r\n";

/// A node with capture and HEP on, one lane, and nothing that writes.
fn node(set: impl FnOnce(&mut CaptureSettings)) -> CaptureNode {
    let mut node = CaptureNode::default();
    let settings = node.settings_mut().unwrap();
    settings.set_text("db_url", b"mysql://u:p@127.0.0.1/d").unwrap();
    settings.set_number("queue_size", 1).unwrap();
    settings.set_number("capture_on", 1).unwrap();
    settings.set_number("hep_capture_on", 1).unwrap();
    set(settings);
    make_ready(&mut node);
    node
}

fn route(route: &'static str) -> impl FnOnce(&mut CaptureSettings) {
    move |settings| settings.set_text("hep_route", route.as_bytes()).unwrap()
}

/// A message of the host's sockets.
fn plain(payload: &[u8]) -> SipMessage<'_> {
    let (source, destination) = ("192.0.2.1:5060".parse().unwrap(), "192.0.2.2:5080".parse().unwrap());
    SipMessage::of(Addresses { source, destination, transport: Transport::Udp }, payload)
}

/// A message that has come in HEP version 3.
fn in_hep(payload: &[u8]) -> SipMessage<'_> {
    let metadata = Metadata {
        hep_version: Some(3),
        transport: Some(Transport::Tls),
        time_us: Some(1_700_000_000_000_001),
        agent_id: Some(7),
        correlation_id: Some(b"leg-a"),
        payload_type: Some(1),
        collector: Some("2001:db8::9".parse().unwrap()),
    };
    SipMessage { metadata, ..plain(payload) }
}

fn packet(message: SipMessage<'_>) -> DecodedHep<'_> {
    DecodedHep { message, sender: "192.0.2.99".parse().unwrap(), auth_key: b"" }
}

/// The only capture of `node`.
fn only(node: &CaptureNode, check: impl FnOnce(&Capture<'_>)) {
    let records = queued(node);
    assert_eq!(records.len(), 1);
    check(&record::decode(&records[0]).unwrap());
}
