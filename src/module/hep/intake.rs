//! HEP packets on the host's sockets: which are taken, what becomes of them, and what captures made meanwhile inherit.

use crate::capture::{Capture, RowKind, Transport};
use crate::hep::{self, Packet, Payload, kind};
use crate::module::engine::pipeline::{StateError, now_us, own};
use crate::module::hep::context::{Addresses, Current, HepContext, Inflated, agent_id};
use crate::module::hep::variable::{self, HepValue, HepVariable};
use crate::module::kamailio::sipcapture::capture_node::CaptureNode;
use crate::module::{CaptureError, SipMessage};
use crate::queue::lane::Produced;
use crate::sip::{self, HashSource};
use log::Level;
use std::net::{IpAddr, SocketAddr};

/// What is to become of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// No HEP packet: the host's own.
    Pass,
    /// For the script to look at first; then [`CaptureNode::accept_hep`] when it says so.
    Ask,
    /// SIP inside, for the host to route.
    Route(HepPacket<'a>),
    /// Taken, and stored or counted.
    Done,
}

/// The SIP message inside a HEP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HepPacket<'a> {
    /// 1, 2 or 3; 0 for a message that came without HEP, over a raw socket.
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

/// The SIP message inside `packet`, and between whom it went. `None` when there is none, or none that can be read.
fn sip_inside<'a>(packet: &'a [u8], inflated: &'a mut Inflated) -> Option<(Addresses, &'a [u8])> {
    let decoded = hep::decode(packet).ok().filter(|decoded| decoded.payload_type == hep::PAYLOAD_SIP)?;
    let payload = match decoded.payload {
        Payload::Plain(bytes) => bytes,
        Payload::Compressed(bytes) => {
            inflated.fill(bytes).ok()?;
            inflated.get()
        }
    };
    (!payload.is_empty()).then(|| (Addresses::of(&decoded), payload))
}

impl CaptureNode {
    /// Looks at a datagram of the host's sockets, or at a packet of a connection, that came from `sender`. After [`Verdict::Ask`] and
    /// [`Verdict::Route`], [`CaptureNode::end_hep`] must follow.
    pub fn receive_hep<'a>(&'a mut self, datagram: &'a [u8], sender: IpAddr) -> Result<Verdict<'a>, StateError> {
        self.hep.end();
        let settings = self.settings();
        let (wanted, asks) = (settings.hep_capture_on || settings.nonsip_hook, settings.nonsip_hook);
        if !wanted || !hep::looks_like_hep(datagram) {
            return Ok(Verdict::Pass);
        }
        own(&mut self.pipeline.producer)?.count(Produced::HepPackets);
        if self.is_refused(datagram, sender)? {
            return Ok(Verdict::Done);
        }
        if asks {
            self.hep.ask(datagram);
            return Ok(Verdict::Ask);
        }
        self.take_packet(datagram)
    }

    /// Goes on with the packet that the script has looked at.
    pub fn accept_hep<'a>(&'a mut self, datagram: &'a [u8]) -> Result<Verdict<'a>, StateError> {
        if !self.hep.is_asked_about(datagram) {
            return Err(StateError::NotAsked);
        }
        self.take_packet(datagram)
    }

    /// Ends the packet that [`CaptureNode::receive_hep`] began. With `refused`, the host's parser refused this payload before any route
    /// ran; unless something captured it all the same, it is queued for `bad_table`, or one of the default mode's
    /// tables, in that mode's database.
    pub fn end_hep(&mut self, refused: Option<&[u8]>) -> Result<(), CaptureError> {
        let answer = refused.map_or(Ok(()), |payload| self.capture_refused(payload));
        self.hep.end();
        answer
    }

    fn capture_refused(&mut self, payload: &[u8]) -> Result<(), CaptureError> {
        match &self.hep.current {
            Some(Current { captured: false, asking: false, addresses: Some(addresses), refused, .. }) => {
                let Addresses { source, destination, transport } = *addresses;
                let message =
                    SipMessage { source, destination, transport, payload, rewritten_uri: None, call_id: None };
                own(&mut self.pipeline.producer)?.count(*refused);
                let table = self.settings.bad_table.clone().unwrap_or_default();
                self.capture_sip(&message, table.as_bytes(), 0)
            }
            _ => Ok(()),
        }
    }

    /// What `variable` answers for the packet at hand; null when there is none.
    pub fn hep_value(&mut self, variable: HepVariable) -> HepValue<'_> {
        let HepContext { packet, inflated, address_texts, .. } = &mut self.hep;
        if variable == HepVariable::Named(kind::PAYLOAD)
            && let Ok(Packet { payload: Payload::Compressed(compressed), .. }) = hep::decode(packet)
        {
            // What cannot be inflated is no payload; it is counted when it is taken.
            let _ = inflated.fill(compressed);
        }
        variable::value(variable, packet, inflated.ready.then(|| inflated.get()), address_texts)
    }

    /// The Call-ID of a message that the host hands over; of the SIP message inside when it is the packet that the script is looking at.
    /// Empty when there is none.
    pub fn call_id<'a>(&'a mut self, message: &'a [u8]) -> &'a [u8] {
        let message = if self.hep.is_asked_about(message) {
            let HepContext { packet, inflated, .. } = &mut self.hep;
            sip_inside(packet, inflated).map_or(&b""[..], |(_, payload)| payload)
        } else {
            message
        };
        sip::hash_source(message, HashSource::CallId)
    }

    /// Queues the SIP message inside the packet that the script is looking at; `call_id` stands in for its own.
    pub(in crate::module) fn capture_asked(
        &mut self,
        table: &[u8],
        mode: usize,
        call_id: Option<&[u8]>,
    ) -> Result<(), CaptureError> {
        // Out of the way for the call below, which may look at everything else.
        let packet = std::mem::take(&mut self.hep.packet);
        let mut inflated = std::mem::take(&mut self.hep.inflated);
        let answer = match sip_inside(&packet, &mut inflated) {
            Some((Addresses { source, destination, transport }, payload)) => {
                let message = SipMessage { source, destination, transport, payload, rewritten_uri: None, call_id };
                self.capture_sip(&message, table, mode)
            }
            None => Err(CaptureError::NoSip),
        };
        (self.hep.packet, self.hep.inflated) = (packet, inflated);
        answer
    }

    fn is_refused(&mut self, datagram: &[u8], sender: IpAddr) -> Result<bool, StateError> {
        let settings = self.settings();
        let (counter, why) = if !settings.hep_allow.admits(sender) {
            (Produced::HepNotAllowed, "the parameter hep_allow does not name this sender")
        } else if !settings.hep_auth_key.opens(datagram) {
            (Produced::HepUnauthorised, "it does not bear the key of the parameter hep_auth_key")
        } else {
            return Ok(false);
        };
        own(&mut self.pipeline.producer)?.count(counter);
        let sender = sender.to_canonical();
        self.hep.access_log.log(Level::Warn, format_args!("HEP packet from {sender} dropped: {why}"));
        Ok(true)
    }

    fn take_packet<'a>(&'a mut self, datagram: &'a [u8]) -> Result<Verdict<'a>, StateError> {
        let producer = own(&mut self.pipeline.producer)?;
        let packet = match hep::decode(datagram) {
            Ok(packet) => packet,
            Err(error) => return Ok(self.count_bad(&error)),
        };
        if packet.trailing > 0 {
            producer.count(Produced::HepTrailing);
        }
        if let Payload::Compressed(bytes) = packet.payload {
            producer.count(Produced::HepCompressed);
            if let Err(error) = self.hep.inflated.fill(bytes) {
                return Ok(self.count_bad(&error));
            }
        }
        if packet.payload_type != hep::PAYLOAD_SIP {
            return self.capture_payload(&packet);
        }
        let is_empty = match packet.payload {
            Payload::Plain(bytes) => bytes.is_empty(),
            Payload::Compressed(_) => self.hep.inflated.get().is_empty(),
        };
        if is_empty {
            return Ok(self.count_bad(&"the SIP payload is empty"));
        }
        if self.hep.current.is_none() {
            self.hep.packet.extend_from_slice(datagram);
        }
        self.hep.route(&packet);
        let payload = match packet.payload {
            Payload::Plain(bytes) => bytes,
            Payload::Compressed(_) => self.hep.inflated.get(),
        };
        Ok(Verdict::Route(HepPacket {
            version: packet.version.number(),
            transport: Transport::from_ip_protocol(packet.ip_protocol),
            source: packet.source,
            destination: packet.destination,
            payload,
        }))
    }

    /// Queues a payload that is not SIP for its table; the switch does not matter to these.
    fn capture_payload(&mut self, packet: &Packet<'_>) -> Result<Verdict<'static>, StateError> {
        if has_own_table(packet.payload_type) && packet.correlation_id.is_none_or(<[u8]>::is_empty) {
            return Ok(self.count_bad(&"a report without a correlation id (chunk 0x0011)"));
        }
        let (table, report_type) = report_of(packet.payload_type);
        let producer = own(&mut self.pipeline.producer)?;
        if !has_own_table(packet.payload_type) {
            producer.count(Produced::HepOtherType);
        }
        let payload = match packet.payload {
            Payload::Plain(bytes) => bytes,
            Payload::Compressed(_) => self.hep.inflated.get(),
        };
        let transport = match Transport::from_ip_protocol(packet.ip_protocol) {
            known @ (Transport::Udp | Transport::Tcp) => known,
            _ => Transport::None,
        };
        let time_us = packet.time_us.unwrap_or_else(now_us);
        let capture = Capture {
            kind: RowKind::Report(report_type),
            agent_id: agent_id(packet),
            correlation_id: packet.correlation_id,
            table: Some(table),
            ..Capture::sip(time_us, packet.source, packet.destination, transport, payload)
        };
        // A full lane is counted and logged there; the datagram is dealt with either way.
        let _ = self.pipeline.push(&self.settings.queue.masks, &capture)?;
        self.hep.end();
        Ok(Verdict::Done)
    }

    fn count_bad(&mut self, error: &dyn std::fmt::Display) -> Verdict<'static> {
        if let Ok(producer) = own(&mut self.pipeline.producer) {
            producer.count(Produced::HepBad);
        }
        self.hep.bad_log.log(Level::Warn, format_args!("bad HEP packet: {error}"));
        self.hep.end();
        Verdict::Done
    }
}
