//! HEP packets on the host's sockets: which are taken, what becomes of them, and what captures made meanwhile inherit.

use crate::capture::{Capture, RowKind, Transport};
use crate::hep::{self, Packet, Payload, kind};
use crate::module::engine::capture_queue::{CaptureQueue, now_us};
use crate::module::engine::state::StateError;
use crate::module::hep::access::AuthKey;
use crate::module::hep::context::{Addresses, HepContext, Inflated, PacketAtHand};
use crate::module::hep::settings::HepSettings;
use crate::module::hep::variable::{self, HepVariable};
use crate::module::variable::VariableValue;
use crate::queue::counters::Produced;
use crate::sip::{self, HashSource};
use log::Level;
use std::net::{IpAddr, SocketAddr};

/// What is to become of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// No HEP packet: the host's own.
    Pass,
    /// For the script to look at first; then [`HepContext::accept`] when it says so.
    NeedsScript,
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
    /// Capture time, microseconds since the Unix epoch; `None` of a HEP packet that says none.
    pub time_us: Option<i64>,
    /// The message.
    pub payload: &'a [u8],
}

/// Whether the field has a table for payloads of this type; such rows are found by their correlation id alone.
fn has_own_table(payload_type: u8) -> bool {
    matches!(payload_type, 5 | 32 | 99 | 100)
}

/// Table and `type` column of a payload that is not SIP. Types that the field has no table for go to the reports under
/// their own number.
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
pub(in crate::module) fn sip_inside<'a>(packet: &'a [u8], inflated: &'a mut Inflated) -> Option<(Addresses, &'a [u8])> {
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

impl HepContext {
    /// Looks at a datagram of the host's sockets, or at a packet of a connection, that came from `sender`. After
    /// [`Verdict::NeedsScript`] and [`Verdict::Route`], [`HepContext::end`] must follow.
    pub fn receive<'a>(
        &'a mut self,
        settings: &HepSettings,
        queue: &mut CaptureQueue,
        datagram: &'a [u8],
        sender: IpAddr,
    ) -> Result<Verdict<'a>, StateError> {
        self.end();
        let is_wanted = settings.capture_on || settings.asks_script;
        if !is_wanted || !hep::looks_like_hep(datagram) {
            return Ok(Verdict::Pass);
        }
        queue.count(Produced::HepPackets)?;
        if self.is_refused(settings, queue, sender, |key| key.opens(datagram))? {
            return Ok(Verdict::Done);
        }
        if settings.asks_script {
            self.ask(datagram);
            return Ok(Verdict::NeedsScript);
        }
        self.take_packet(queue, datagram)
    }

    /// Goes on with the packet that the script has looked at.
    pub fn accept<'a>(&'a mut self, queue: &mut CaptureQueue, datagram: &'a [u8]) -> Result<Verdict<'a>, StateError> {
        if !self.is_asked_about(datagram) {
            return Err(StateError::NotAsked);
        }
        self.take_packet(queue, datagram)
    }

    /// The message at hand that the host's parser has refused, unless something has captured it already: between whom
    /// it went, and what counts it.
    pub fn refused(&self) -> Option<(Addresses, Produced)> {
        match &self.current {
            Some(PacketAtHand { captured: false, asked: None, addresses: Some(addresses), refused, .. }) => {
                Some((*addresses, *refused))
            }
            _ => None,
        }
    }

    /// What `variable` answers for the packet at hand, `packet`, which is the whole of it as [`HepContext::receive`]
    /// was given it, or empty; null when there is none at hand. A text is part of the packet, unless it has to be made.
    pub fn value<'a>(&'a mut self, variable: HepVariable, packet: &'a [u8]) -> VariableValue<'a> {
        if self.current.is_none() {
            return VariableValue::Null;
        }
        let HepContext { inflated, address_texts, .. } = self;
        if variable == HepVariable::Named(kind::PAYLOAD)
            && let Ok(Packet { payload: Payload::Compressed(compressed), .. }) = hep::decode(packet)
        {
            // What cannot be inflated is no payload; it is counted when it is taken.
            let _ = inflated.fill(compressed);
        }
        variable::value(variable, packet, inflated.ready.then(|| inflated.get()), address_texts)
    }

    /// The Call-ID of a message that the host hands over; of the SIP message inside when it is the packet that the
    /// script is looking at. Empty when there is none.
    pub fn call_id<'a>(&'a mut self, message: &'a [u8]) -> &'a [u8] {
        let message = if self.is_asked_about(message) {
            sip_inside(message, &mut self.inflated).map_or(&b""[..], |(_, payload)| payload)
        } else {
            message
        };
        sip::hash_source(message, HashSource::CallId)
    }

    /// Whether a packet of `sender` is not to be taken, which is counted and said; `bears` answers whether it has the
    /// key.
    pub(in crate::module) fn is_refused(
        &mut self,
        settings: &HepSettings,
        queue: &CaptureQueue,
        sender: IpAddr,
        bears: impl FnOnce(&AuthKey) -> bool,
    ) -> Result<bool, StateError> {
        let (counter, why) = if !settings.allow.admits(sender) {
            (Produced::HepNotAllowed, "the parameter hep_allow does not name this sender")
        } else if !bears(&settings.auth_key) {
            (Produced::HepUnauthorised, "it does not bear the key of the parameter hep_auth_key")
        } else {
            return Ok(false);
        };
        queue.count(counter)?;
        let sender = sender.to_canonical();
        self.access_log.log(Level::Warn, format_args!("HEP packet from {sender} dropped: {why}"));
        Ok(true)
    }

    fn take_packet<'a>(&'a mut self, queue: &mut CaptureQueue, datagram: &'a [u8]) -> Result<Verdict<'a>, StateError> {
        queue.producer()?;
        let packet = match hep::decode(datagram) {
            Ok(packet) => packet,
            Err(error) => return Ok(self.count_bad(queue, &error)),
        };
        if packet.trailing > 0 {
            queue.count(Produced::HepTrailing)?;
        }
        if let Payload::Compressed(bytes) = packet.payload {
            queue.count(Produced::HepCompressed)?;
            if let Err(error) = self.inflated.fill(bytes) {
                return Ok(self.count_bad(queue, &error));
            }
        }
        if packet.payload_type != hep::PAYLOAD_SIP {
            return self.capture_payload(queue, &packet);
        }
        let is_empty = match packet.payload {
            Payload::Plain(bytes) => bytes.is_empty(),
            Payload::Compressed(_) => self.inflated.get().is_empty(),
        };
        if is_empty {
            return Ok(self.count_bad(queue, &"the SIP payload is empty"));
        }
        self.route(&packet);
        let payload = match packet.payload {
            Payload::Plain(bytes) => bytes,
            Payload::Compressed(_) => self.inflated.get(),
        };
        Ok(Verdict::Route(HepPacket {
            version: packet.version.number(),
            transport: Transport::from_ip_protocol(packet.ip_protocol),
            source: packet.source,
            destination: packet.destination,
            time_us: packet.time_us,
            payload,
        }))
    }

    /// Queues a payload that is not SIP for its table; the switch does not matter to these.
    fn capture_payload(
        &mut self,
        queue: &mut CaptureQueue,
        packet: &Packet<'_>,
    ) -> Result<Verdict<'static>, StateError> {
        if has_own_table(packet.payload_type) && packet.correlation_id.is_none_or(<[u8]>::is_empty) {
            return Ok(self.count_bad(queue, &"a report without a correlation id (chunk 0x0011)"));
        }
        let (table, report_type) = report_of(packet.payload_type);
        if !has_own_table(packet.payload_type) {
            queue.count(Produced::HepOtherType)?;
        }
        let payload = match packet.payload {
            Payload::Plain(bytes) => bytes,
            Payload::Compressed(_) => self.inflated.get(),
        };
        let transport = Transport::from_ip_protocol(packet.ip_protocol);
        let time_us = packet.time_us.unwrap_or_else(now_us);
        let capture = Capture {
            kind: RowKind::Report(report_type),
            hep_version: Some(packet.version.number()),
            agent_id: self.agent_ids.of(packet),
            correlation_id: packet.correlation_id,
            table: Some(table),
            ..Capture::sip(time_us, packet.source, packet.destination, transport, payload)
        };
        // A full lane is counted and logged there; the datagram is dealt with either way.
        let _ = queue.push(&capture)?;
        self.end();
        Ok(Verdict::Done)
    }

    /// Counts the packet at hand as one that cannot be used, and ends it.
    pub(in crate::module) fn count_bad(
        &mut self,
        queue: &CaptureQueue,
        error: &dyn std::fmt::Display,
    ) -> Verdict<'static> {
        // Without a lane there is nothing to count in, and the caller has been told.
        let _ = queue.count(Produced::HepBad);
        self.bad_log.log(Level::Warn, format_args!("bad HEP packet: {error}"));
        self.end();
        Verdict::Done
    }
}
