//! The HEP packet at hand: what captures inherit from it, and what scripts can ask of it. `intake` begins and ends it.
//!
//! The packet itself stays where the host has it, and is not copied: whoever asks for a field of it hands it in again.

use crate::capture::Transport;
use crate::hep::{self, InflateError, Packet, Version, kind};
use crate::log_limit::LogLimit;
use crate::module::hep::variable::{self, AddressTexts};
use crate::queue::counters::Produced;
use std::net::SocketAddr;

/// The HEP packet at hand.
#[derive(Debug, Default)]
pub struct HepContext {
    pub(in crate::module) current: Option<PacketAtHand>,
    pub(in crate::module) agent_ids: AgentIds,
    correlation: Vec<u8>,
    pub(in crate::module) inflated: Inflated,
    pub(in crate::module) address_texts: AddressTexts,
    pub(in crate::module) bad_log: LogLimit,
    pub(in crate::module) access_log: LogLimit,
}

/// Which captures have the id of their capture agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AgentIds {
    /// Those whose packet has a time of its own. This is the default.
    #[default]
    WithTime,
    /// All of HEP version 2 and 3.
    OfPackets,
}

impl AgentIds {
    /// The id of the agent of `packet`, 0 when it has none, as dashboards know it; `None` when none is told.
    pub(in crate::module) fn of(self, packet: &Packet<'_>) -> Option<u32> {
        let agent_id = packet.agent_id.unwrap_or(0);
        match self {
            AgentIds::WithTime => packet.time_us.map(|_| agent_id),
            AgentIds::OfPackets => (packet.version != Version::V1).then_some(agent_id),
        }
    }

    /// That of an agent that has told no id, in a packet of this version.
    pub(in crate::module) fn of_silent_agent(self, hep_version: u8) -> Option<u32> {
        (self == AgentIds::OfPackets && hep_version > 1).then_some(0)
    }
}

/// What is inherited.
#[derive(Debug)]
pub(in crate::module) struct PacketAtHand {
    /// Version of the packet; `None` of a message that came without HEP, and of a packet that cannot be decoded.
    pub(in crate::module) hep_version: Option<u8>,
    pub(in crate::module) time_us: Option<i64>,
    pub(in crate::module) agent_id: Option<u32>,
    pub(in crate::module) has_correlation: bool,
    pub(in crate::module) captured: bool,
    /// The packet, while the script is looking at it; its payload is not routed then.
    pub(in crate::module) asked: Option<PacketPlace>,
    pub(in crate::module) addresses: Option<Addresses>,
    /// What is counted when the host's parser refuses the message.
    pub(in crate::module) refused: Produced,
}

/// Where bytes of the host are: enough to know them again, and nothing to read them by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::module) struct PacketPlace {
    address: usize,
    length: usize,
}

impl PacketPlace {
    fn of(bytes: &[u8]) -> PacketPlace {
        PacketPlace { address: bytes.as_ptr().addr(), length: bytes.len() }
    }
}

/// Between whom a captured message went.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    pub(in crate::module) source: SocketAddr,
    pub(in crate::module) destination: SocketAddr,
    pub(in crate::module) transport: Transport,
}

impl Addresses {
    pub(in crate::module) fn of(packet: &Packet<'_>) -> Addresses {
        let transport = Transport::from_ip_protocol(packet.ip_protocol);
        Addresses { source: packet.source, destination: packet.destination, transport }
    }
}

/// The payload of a compressed packet, inflated at most once a packet: the host holds on to it.
#[derive(Debug, Default)]
pub(in crate::module) struct Inflated {
    bytes: Vec<u8>,
    pub(in crate::module) ready: bool,
}

impl Inflated {
    fn clear(&mut self) {
        self.bytes.clear();
        self.ready = false;
    }

    pub(in crate::module) fn fill(&mut self, compressed: &[u8]) -> Result<(), InflateError> {
        if !self.ready {
            self.bytes.clear();
            hep::inflate(compressed, &mut self.bytes)?;
            // Hosts' parsers are used to a terminated buffer.
            self.bytes.push(0);
            self.ready = true;
        }
        Ok(())
    }

    pub(in crate::module) fn get(&self) -> &[u8] {
        self.bytes.strip_suffix(&[0]).unwrap_or_default()
    }
}

impl HepContext {
    /// No packet at hand, in a module with these captures.
    pub(in crate::module) fn new(agent_ids: AgentIds) -> HepContext {
        HepContext { agent_ids, ..HepContext::default() }
    }

    pub(in crate::module) fn time_us(&self) -> Option<i64> {
        self.current.as_ref().and_then(|current| current.time_us)
    }

    pub(in crate::module) fn transport(&self) -> Option<Transport> {
        self.current.as_ref()?.addresses.map(|addresses| addresses.transport)
    }

    pub(in crate::module) fn hep_version(&self) -> Option<u8> {
        self.current.as_ref().and_then(|current| current.hep_version)
    }

    pub(in crate::module) fn agent_id(&self) -> Option<u32> {
        self.current.as_ref().and_then(|current| current.agent_id)
    }

    pub(in crate::module) fn correlation_id(&self) -> Option<&[u8]> {
        self.current.as_ref().filter(|current| current.has_correlation).map(|_| &self.correlation[..])
    }

    pub(in crate::module) fn note_capture(&mut self) {
        if let Some(current) = &mut self.current {
            current.captured = true;
        }
    }

    /// Whether `payload` is the packet that the script is looking at, and not a message of its own.
    pub(in crate::module) fn is_asked_about(&self, payload: &[u8]) -> bool {
        self.current.as_ref().is_some_and(|current| current.asked == Some(PacketPlace::of(payload)))
    }

    /// Forgets the packet.
    pub fn end(&mut self) {
        self.current = None;
        self.inflated.clear();
    }

    /// Has the script look at `packet`, which may be one that cannot be decoded.
    pub(in crate::module) fn ask(&mut self, packet: &[u8]) {
        let number = |kind| variable::number(packet, kind);
        let (hep_version, time_us, agent_id, correlation, addresses) = match hep::decode(packet) {
            Ok(decoded) => {
                let version = Some(decoded.version.number());
                (
                    version,
                    decoded.time_us,
                    self.agent_ids.of(&decoded),
                    decoded.correlation_id,
                    Some(Addresses::of(&decoded)),
                )
            }
            Err(_) => {
                let seconds = number(kind::SECONDS).filter(|seconds| *seconds != 0);
                let micros = number(kind::MICROSECONDS).unwrap_or(0);
                let time_us = seconds.map(|seconds| i64::from(seconds) * 1_000_000 + i64::from(micros));
                let correlation = variable::bytes(packet, kind::CORRELATION_ID).filter(|id| !id.is_empty());
                (None, time_us, time_us.map(|_| number(kind::AGENT_ID).unwrap_or(0)), correlation, None)
            }
        };
        self.keep_correlation(correlation);
        let has_correlation = correlation.is_some();
        self.current = Some(PacketAtHand {
            hep_version,
            time_us,
            agent_id,
            has_correlation,
            captured: false,
            asked: Some(PacketPlace::of(packet)),
            addresses,
            refused: Produced::HepRefused,
        });
    }

    /// Has the host route the payload of `packet`.
    pub(in crate::module) fn route(&mut self, packet: &Packet<'_>) {
        self.keep_correlation(packet.correlation_id);
        self.current = Some(PacketAtHand {
            hep_version: Some(packet.version.number()),
            time_us: packet.time_us,
            agent_id: self.agent_ids.of(packet),
            has_correlation: packet.correlation_id.is_some(),
            captured: self.current.as_ref().is_some_and(|asked| asked.captured),
            asked: None,
            addresses: Some(Addresses::of(packet)),
            refused: Produced::HepRefused,
        });
    }

    /// Has the host route a message from a raw socket: it has a time of its own, and no agent has sent it.
    pub(in crate::module) fn route_raw(&mut self, time_us: Option<i64>, source: SocketAddr, destination: SocketAddr) {
        self.current = Some(PacketAtHand {
            hep_version: None,
            time_us,
            agent_id: None,
            has_correlation: false,
            captured: false,
            asked: None,
            addresses: Some(Addresses { source, destination, transport: Transport::Udp }),
            refused: Produced::RawRefused,
        });
    }

    pub(in crate::module) fn keep_correlation(&mut self, id: Option<&[u8]>) {
        self.correlation.clear();
        self.correlation.extend_from_slice(id.unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hep::Payload;

    #[test]
    fn an_agents_id_comes_with_a_packets_time_or_with_every_packet_that_has_room_for_one() {
        let address = SocketAddr::from(([192, 0, 2, 1], 5060));
        let packet = |version, time_us, agent_id| Packet {
            version,
            source: address,
            destination: address,
            ip_protocol: 17,
            payload_type: hep::PAYLOAD_SIP,
            time_us,
            agent_id,
            correlation_id: None,
            auth_key: None,
            payload: Payload::Plain(b""),
            trailing: 0,
        };
        for (version, time_us, agent_id, with_time, of_packets) in [
            (Version::V1, None, None, None, None),
            (Version::V2, Some(1), Some(7), Some(7), Some(7)),
            (Version::V2, None, Some(7), None, Some(7)),
            (Version::V3, Some(1), None, Some(0), Some(0)),
            (Version::V3, None, None, None, Some(0)),
        ] {
            let packet = packet(version, time_us, agent_id);
            assert_eq!(AgentIds::WithTime.of(&packet), with_time, "{packet:?}");
            assert_eq!(AgentIds::OfPackets.of(&packet), of_packets, "{packet:?}");
        }
        let silent = |agents: AgentIds| [1, 2, 3].map(|version| agents.of_silent_agent(version));
        assert_eq!((silent(AgentIds::WithTime), silent(AgentIds::OfPackets)), ([None; 3], [None, Some(0), Some(0)]));
    }

    #[test]
    fn no_packet_is_copied_whether_it_is_routed_or_the_script_looks_at_it_first() {
        let payload = [b'x'; 60_000];
        let address = SocketAddr::from(([192, 0, 2, 1], 5060));
        let packet = Packet {
            version: Version::V3,
            source: address,
            destination: address,
            ip_protocol: 17,
            payload_type: hep::PAYLOAD_SIP,
            time_us: Some(1),
            agent_id: Some(7),
            correlation_id: Some(b"leg-a"),
            auth_key: None,
            payload: Payload::Plain(&payload),
            trailing: 0,
        };
        let mut datagram = Vec::new();
        hep::encode(&packet, Version::V3, &mut datagram).unwrap();
        let mut context = HepContext::default();
        context.ask(&datagram);
        assert!(context.is_asked_about(&datagram));
        assert!(!context.is_asked_about(&datagram.clone()), "other bytes are no packet that the script looks at");
        context.route(&packet);
        assert!(!context.is_asked_about(&datagram));
        // Every field stands here, so that whoever adds one that could hold a packet has to look at this test.
        let HepContext { current, agent_ids: _, correlation, inflated, address_texts: _, bad_log: _, access_log: _ } =
            &context;
        assert!(current.is_some());
        assert_eq!((correlation.as_slice(), inflated.bytes.capacity()), (&b"leg-a"[..], 0));
    }
}
