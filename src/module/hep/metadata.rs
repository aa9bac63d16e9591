//! What a caller knows of a message beyond the message itself, and how it stands to the HEP packet at hand.

use super::context::HepContext;
use crate::capture::{Capture, Transport};
use crate::module::engine::capture_queue::now_us;
use std::net::IpAddr;

/// What a caller says of a message. A field that is absent is as the HEP packet at hand has it, if there is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Metadata<'a> {
    /// Version of the HEP packet that the message came in, 1 to 3; 0 when it came without.
    pub hep_version: Option<u8>,
    /// What carried the message, in place of what the host's socket says; that counts before what the packet at hand
    /// says.
    pub transport: Option<Transport>,
    /// Capture time, microseconds since the Unix epoch.
    pub time_us: Option<i64>,
    /// Id of the capture agent.
    pub agent_id: Option<u32>,
    /// Correlation id; empty when the message has none, whatever the packet at hand says.
    pub correlation_id: Option<&'a [u8]>,
    /// What the payload is (HEP chunk 0x000b); of a report, the type that it is to have.
    pub payload_type: Option<i32>,
    /// The address that the HEP packet came to.
    pub collector: Option<IpAddr>,
}

impl HepContext {
    /// What the host's socket says, or, where that says nothing, what the packet at hand does.
    fn transport_of(&self, told: Transport) -> Transport {
        if told == Transport::UNKNOWN { self.transport().unwrap_or(told) } else { told }
    }

    /// `capture` with what `given` says, else what the packet at hand says; its time is the present one when neither
    /// has any.
    pub(in crate::module) fn described<'a>(&'a self, given: &Metadata<'a>, capture: Capture<'a>) -> Capture<'a> {
        let hep_version = given.hep_version.or(self.hep_version()).filter(|version| *version != 0);
        Capture {
            hep_version,
            transport: given.transport.unwrap_or_else(|| self.transport_of(capture.transport)),
            time_us: given.time_us.or(self.time_us()).unwrap_or_else(now_us),
            agent_id: given.agent_id.or(self.agent_id()).or_else(|| self.agent_ids.of_silent_agent(hep_version?)),
            correlation_id: given.correlation_id.or(self.correlation_id()),
            ..capture
        }
    }
}
