//! HEP packets that the host itself has decoded, and messages that another process has read from a raw socket: which
//! are taken, and what is kept of them for when the host's parser refuses what is inside.

use crate::module::engine::capture_queue::CaptureQueue;
use crate::module::engine::state::StateError;
use crate::module::hep::context::{Addresses, HepContext, PacketAtHand};
use crate::module::hep::settings::HepSettings;
use crate::module::sip_message::SipMessage;
use crate::queue::counters::Produced;
use std::net::IpAddr;

/// A packet that the host has decoded.
#[derive(Clone, Copy, Debug)]
pub struct DecodedHep<'a> {
    /// What is inside, with all that the packet says of it. Version 0: a message from a raw socket.
    pub message: SipMessage<'a>,
    /// Who has sent the packet.
    pub sender: IpAddr,
    /// Its key; empty for none.
    pub auth_key: &'a [u8],
}

impl DecodedHep<'_> {
    /// Whether it is a message from a raw socket.
    pub(in crate::module) fn is_raw(&self) -> bool {
        self.message.metadata.hep_version == Some(0)
    }
}

impl HepContext {
    /// Begins `packet`, which is counted; false, and it is none at hand, when it may not be taken.
    pub(in crate::module) fn begin(
        &mut self,
        settings: &HepSettings,
        queue: &CaptureQueue,
        packet: &DecodedHep<'_>,
    ) -> Result<bool, StateError> {
        self.end();
        if !packet.is_raw() {
            queue.count(Produced::HepPackets)?;
            if self.is_refused(settings, queue, packet.sender, |key| key.is(packet.auth_key))? {
                return Ok(false);
            }
        }
        let SipMessage { source, destination, transport, metadata: given, .. } = packet.message;
        let hep_version = given.hep_version.filter(|version| *version != 0);
        self.keep_correlation(given.correlation_id);
        self.current = Some(PacketAtHand {
            hep_version,
            time_us: given.time_us,
            agent_id: given.agent_id,
            has_correlation: given.correlation_id.is_some(),
            captured: false,
            asked: None,
            addresses: Some(Addresses { source, destination, transport: given.transport.unwrap_or(transport) }),
            refused: if packet.is_raw() { Produced::RawRefused } else { Produced::HepRefused },
        });
        Ok(true)
    }
}
