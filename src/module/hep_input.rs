//! HEP datagrams on the host's sockets: which are taken, what becomes of them, and what captures made meanwhile inherit.

use super::capture_node::{CaptureNode, StateError, now_us, own};
use super::limit::LogLimit;
use super::{CaptureError, SipMessage};
use crate::capture::{Capture, RowKind, Transport};
use crate::hep::{self, Packet, Payload};
use crate::queue::lane::Produced;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// What is to become of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// No HEP packet: the host's own.
    Pass,
    /// SIP inside, for the host to route.
    Route(HepPacket<'a>),
    /// Taken, and stored or counted.
    Done,
}

/// The SIP message inside a HEP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HepPacket<'a> {
    /// 1, 2 or 3.
    pub version: u8,
    /// What carried the message.
    pub transport: Transport,
    /// Where the message came from.
    pub source: SocketAddr,
    /// Where it went to.
    pub destination: SocketAddr,
    /// The message.
    pub payload: &'a [u8],
}

/// What captures inherit from the HEP packet that is being routed.
#[derive(Debug, Default)]
pub struct HepContext {
    current: Option<Current>,
    correlation: Vec<u8>,
    inflated: Vec<u8>,
    bad_log: Option<LogLimit>,
}

#[derive(Debug)]
struct Current {
    time_us: Option<i64>,
    agent_id: Option<u32>,
    has_correlation: bool,
    captured: bool,
    source: SocketAddr,
    destination: SocketAddr,
    transport: Transport,
}

impl HepContext {
    pub(super) fn time_us(&self) -> Option<i64> {
        self.current.as_ref().and_then(|current| current.time_us)
    }

    pub(super) fn agent_id(&self) -> Option<u32> {
        self.current.as_ref().and_then(|current| current.agent_id)
    }

    pub(super) fn correlation_id(&self) -> Option<&[u8]> {
        self.current.as_ref().filter(|current| current.has_correlation).map(|_| &self.correlation[..])
    }

    pub(super) fn note_capture(&mut self) {
        if let Some(current) = &mut self.current {
            current.captured = true;
        }
    }

    fn inflated(&self) -> &[u8] {
        self.inflated.strip_suffix(&[0]).unwrap_or_default()
    }

    fn begin(&mut self, packet: &Packet<'_>) {
        self.correlation.clear();
        self.correlation.extend_from_slice(packet.correlation_id.unwrap_or_default());
        self.current = Some(Current {
            time_us: packet.time_us,
            agent_id: agent_id(packet),
            has_correlation: packet.correlation_id.is_some(),
            captured: false,
            source: packet.source,
            destination: packet.destination,
            transport: Transport::from_ip_protocol(packet.ip_protocol),
        });
    }
}

/// The agent that the node column names: with a packet's own time, 0 when it has none, as dashboards know it.
fn agent_id(packet: &Packet<'_>) -> Option<u32> {
    packet.time_us.map(|_| packet.agent_id.unwrap_or(0))
}

/// Whether the field has a table for payloads of this type; such rows are found by their correlation id alone.
fn has_own_table(payload_type: u8) -> bool {
    matches!(payload_type, 5 | 32 | 99 | 100)
}

/// Table and `type` column of a payload that is not SIP. Types that the field has no table for go to the reports under their own
/// number.
fn report_of(payload_type: u8) -> (&'static [u8], u8) {
    match payload_type {
        5 => (b"rtcp_capture", 3),
        32 => (b"report_capture", 2),
        99 => (b"report_capture", 4),
        100 => (b"logs_capture", 5),
        other => (b"report_capture", other),
    }
}

impl CaptureNode {
    /// Looks at a datagram of the host's sockets. After [`Verdict::Route`], [`CaptureNode::end_hep`] must follow.
    pub fn receive_hep<'a>(&'a mut self, datagram: &'a [u8]) -> Result<Verdict<'a>, StateError> {
        self.hep.current = None;
        if !self.settings().hep_capture_on || !hep::looks_like_hep(datagram) {
            return Ok(Verdict::Pass);
        }
        let producer = own(&mut self.producer)?;
        producer.count(Produced::HepPackets);
        let packet = match hep::decode(datagram) {
            Ok(packet) => packet,
            Err(error) => return Ok(self.count_bad(&error)),
        };
        if packet.trailing > 0 {
            producer.count(Produced::HepTrailing);
        }
        if let Payload::Compressed(bytes) = packet.payload {
            producer.count(Produced::HepCompressed);
            self.hep.inflated.clear();
            if let Err(error) = hep::inflate(bytes, &mut self.hep.inflated) {
                return Ok(self.count_bad(&error));
            }
            // Hosts' parsers are used to a terminated buffer.
            self.hep.inflated.push(0);
        }
        if packet.payload_type != hep::PAYLOAD_SIP {
            return self.capture_payload(&packet);
        }
        let is_empty = match packet.payload {
            Payload::Plain(bytes) => bytes.is_empty(),
            Payload::Compressed(_) => self.hep.inflated().is_empty(),
        };
        if is_empty {
            return Ok(self.count_bad(&"the SIP payload is empty"));
        }
        self.hep.begin(&packet);
        let payload = match packet.payload {
            Payload::Plain(bytes) => bytes,
            Payload::Compressed(_) => self.hep.inflated(),
        };
        Ok(Verdict::Route(HepPacket {
            version: packet.version.number(),
            transport: Transport::from_ip_protocol(packet.ip_protocol),
            source: packet.source,
            destination: packet.destination,
            payload,
        }))
    }

    /// Ends the packet that [`CaptureNode::receive_hep`] began. With `refused`, the host's parser refused this payload before any route
    /// ran; unless something captured it all the same, it is queued for the parameter's table.
    pub fn end_hep(&mut self, refused: Option<&[u8]>) -> Result<(), CaptureError> {
        let Some(current) = &self.hep.current else { return Ok(()) };
        let mut answer = Ok(());
        if let Some(payload) = refused
            && !current.captured
        {
            let message = SipMessage {
                source: current.source,
                destination: current.destination,
                transport: current.transport,
                payload,
                rewritten_uri: None,
                call_id: None,
            };
            own(&mut self.producer)?.count(Produced::HepRefused);
            answer = self.capture_sip(&message, b"", 0);
        }
        self.hep.current = None;
        answer
    }

    /// Queues a payload that is not SIP for its table; the switch does not matter to these.
    fn capture_payload(&mut self, packet: &Packet<'_>) -> Result<Verdict<'static>, StateError> {
        if has_own_table(packet.payload_type) && packet.correlation_id.is_none_or(<[u8]>::is_empty) {
            return Ok(self.count_bad(&"a report without a correlation id (chunk 0x0011)"));
        }
        let (table, report_type) = report_of(packet.payload_type);
        let producer = own(&mut self.producer)?;
        if !has_own_table(packet.payload_type) {
            producer.count(Produced::HepOtherType);
        }
        let payload = match packet.payload {
            Payload::Plain(bytes) => bytes,
            Payload::Compressed(_) => self.hep.inflated(),
        };
        let transport = match Transport::from_ip_protocol(packet.ip_protocol) {
            known @ (Transport::Udp | Transport::Tcp) => known,
            _ => Transport::None,
        };
        let time_us = packet.time_us.unwrap_or_else(now_us);
        let pushed = producer.push(&Capture {
            kind: RowKind::Report(report_type),
            agent_id: agent_id(packet),
            correlation_id: packet.correlation_id,
            table: Some(table),
            ..Capture::sip(time_us, packet.source, packet.destination, transport, payload)
        });
        // A full lane is counted and logged there; the datagram is dealt with either way.
        let _ = self.report_push(pushed);
        Ok(Verdict::Done)
    }

    fn count_bad(&mut self, error: &dyn std::fmt::Display) -> Verdict<'static> {
        if let Ok(producer) = own(&mut self.producer) {
            producer.count(Produced::HepBad);
        }
        let limit = self.hep.bad_log.get_or_insert_with(|| LogLimit::new(Duration::from_secs(5)));
        if let Some(held_back) = limit.allow(Instant::now()) {
            log::warn!("bad HEP packet: {error} ({held_back} more since the last such line)");
        }
        Verdict::Done
    }
}
