//! What scripts have modules do that capture SIP.

use crate::module::engine::relay::RelayError;
use crate::module::engine::state::StateError;
use crate::module::hep::decoded::DecodedHep;
use crate::module::hep::intake::{HepPacket, Verdict};
use crate::module::hep::variable::HepVariable;
use crate::module::raw::input::RawError;
use crate::module::sip_message::{CaptureError, SipMessage};
use crate::module::variable::VariableValue;
use std::net::IpAddr;

/// What the parameters ask of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CaptureNeeds<'a> {
    /// What is no SIP is for the script to look at first.
    pub asks_script: bool,
    /// Call-IDs that topology hiding has masked are unmasked.
    pub unmasks: bool,
    /// HEP packets are taken.
    pub takes_hep: bool,
    /// Type of the chunk that holds the correlation id.
    pub correlation_chunk: u16,
    /// The route that looks at HEP packets; empty when none is named.
    pub hep_route: &'a [u8],
}

/// A module that captures SIP messages. What one does not offer has a body here: an error, or nothing.
pub trait CapturesSip {
    /// Number of the capture mode called `name`, as [`CapturesSip::capture_sip`] takes it; empty for the default mode.
    /// An unknown name is logged, at a limited rate.
    fn find_mode(&mut self, name: &[u8]) -> Result<Option<usize>, StateError> {
        let _ = name;
        Err(StateError::OtherModule)
    }

    /// What the parameters ask of the host.
    fn needs(&self) -> Result<CaptureNeeds<'_>, StateError> {
        Err(StateError::OtherModule)
    }

    /// Queues a SIP message for `table` (empty for one of the mode's) in the database of mode `mode`
    /// ([`CapturesSip::find_mode`], 0 for the default one). Never waits.
    fn capture_sip(&mut self, message: &SipMessage<'_>, table: &[u8], mode: usize) -> Result<(), CaptureError>;

    /// Queues a report for `table` (empty: the module's own for them) with `correlation` (empty: that of the HEP packet
    /// at hand) and `body` (empty: the whole message). Never waits.
    fn capture_report(
        &mut self,
        message: &SipMessage<'_>,
        table: &[u8],
        correlation: &[u8],
        body: &[u8],
    ) -> Result<(), CaptureError> {
        let _ = (message, table, correlation, body);
        Err(StateError::OtherModule.into())
    }

    /// What may be sent on of `bytes`, a message or the HEP packet that the script is looking at: the same, or, where
    /// secrets are masked, a copy without them. A packet that cannot be read is refused then, and logged at a limited
    /// rate.
    fn redacted<'a>(&'a mut self, bytes: &'a [u8]) -> Result<&'a [u8], CaptureError> {
        let _ = bytes;
        Err(StateError::OtherModule.into())
    }

    /// Looks at a datagram of the host's sockets, or at a packet of a connection, that came from `sender`. After
    /// [`Verdict::NeedsScript`] and [`Verdict::Route`], [`CapturesSip::end_hep`] must follow.
    fn receive_hep<'a>(&'a mut self, datagram: &'a [u8], sender: IpAddr) -> Result<Verdict<'a>, StateError> {
        let _ = (datagram, sender);
        Err(StateError::OtherModule)
    }

    /// Takes a packet that the host has decoded, or a message that another process has read from a raw socket. After
    /// [`Verdict::NeedsScript`] and [`Verdict::Route`], [`CapturesSip::end_hep`] must follow, or the next packet.
    fn take_hep<'a>(&mut self, packet: &DecodedHep<'a>) -> Result<Verdict<'a>, StateError> {
        let _ = packet;
        Err(StateError::OtherModule)
    }

    /// Goes on with the packet that the script has looked at.
    fn accept_hep<'a>(&'a mut self, datagram: &'a [u8]) -> Result<Verdict<'a>, StateError> {
        let _ = datagram;
        Err(StateError::OtherModule)
    }

    /// Ends the packet that [`CapturesSip::receive_hep`] or [`CapturesSip::take_hep`] began. With `refused`, the host's
    /// parser refused this payload before any route ran; unless something captured it all the same, it is queued for
    /// `bad_table`, or one of the default mode's tables, in that mode's database.
    fn end_hep(&mut self, refused: Option<&[u8]>) -> Result<(), CaptureError> {
        let _ = refused;
        Err(StateError::OtherModule.into())
    }

    /// Queues `packet`, a whole HEP packet, for the collector at the SIP URI `uri`, see [`Relay::relay`]. Never waits.
    ///
    /// [`Relay::relay`]: crate::module::Relay::relay
    fn relay(&mut self, uri: &[u8], packet: &[u8]) -> Result<(), RelayError> {
        let _ = (uri, packet);
        Err(StateError::OtherModule.into())
    }

    /// What `variable` answers for the packet at hand, see [`HepContext::value`].
    fn hep_value<'a>(&'a mut self, variable: HepVariable, packet: &'a [u8]) -> VariableValue<'a> {
        let _ = (variable, packet);
        VariableValue::Null
    }

    /// The Call-ID of a message that the host hands over, see [`HepContext::call_id`].
    fn call_id<'a>(&'a mut self, message: &'a [u8]) -> &'a [u8] {
        let _ = message;
        b""
    }

    /// Opens the raw sockets, with the privileges that the server still has; the answer is how many processes must read
    /// from them, 0 when raw capture is off.
    fn open_raw(&mut self) -> Result<usize, RawError> {
        Err(StateError::OtherModule.into())
    }

    /// Waits for the next message of the raw sockets. [`CapturesSip::end_hep`] must follow, as for a HEP packet.
    fn receive_raw(&mut self) -> Result<HepPacket<'_>, StateError> {
        Err(StateError::OtherModule)
    }
}
