//! A SIP message as a host hands it over, and why it is not queued.

use crate::capture::{CUSTOM_FIELDS, Transport};
use crate::module::engine::masked::Unmaskable;
use crate::module::engine::state::StateError;
use crate::module::hep::context::Addresses;
use crate::module::hep::metadata::Metadata;
use crate::queue::lane::PushError;
use crate::table::NameError;
use std::net::SocketAddr;

/// One SIP message as the host hands it over.
#[derive(Clone, Copy, Debug)]
pub struct SipMessage<'a> {
    /// Where it came from.
    pub source: SocketAddr,
    /// Where it went to.
    pub destination: SocketAddr,
    /// What carried it.
    pub transport: Transport,
    /// The message as received.
    pub payload: &'a [u8],
    /// The request URI that the script put in place of the first line's.
    pub rewritten_uri: Option<&'a [u8]>,
    /// The Call-ID as it was before topology hiding masked it, when the host has told.
    pub call_id: Option<&'a [u8]>,
    /// What else the host says of it, in place of what the HEP packet at hand says.
    pub metadata: Metadata<'a>,
    /// Values of the custom fields in place of what its headers say.
    pub custom: [Option<&'a [u8]>; CUSTOM_FIELDS],
}

impl<'a> SipMessage<'a> {
    /// The message `payload` that went between `addresses`, without anything else.
    pub(in crate::module) fn of(addresses: Addresses, payload: &'a [u8]) -> SipMessage<'a> {
        let Addresses { source, destination, transport } = addresses;
        SipMessage {
            source,
            destination,
            transport,
            payload,
            rewritten_uri: None,
            call_id: None,
            metadata: Metadata::default(),
            custom: [None; CUSTOM_FIELDS],
        }
    }
}

/// Why a message was not queued.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// Capture is switched off.
    #[error("capture is off")]
    Off,
    /// The script's table name will not do.
    #[error(transparent)]
    Table(#[from] NameError),
    /// There is no such mode.
    #[error("there is no capture mode number {0}")]
    Mode(usize),
    /// It is malformed, and the operator wants none of these.
    #[error("the message is malformed")]
    Malformed,
    /// It lacks the value that its mode's table is found by.
    #[error("the message lacks what its table is found by")]
    NoHashSource,
    /// The HEP packet that the script looks at holds no SIP message.
    #[error("the HEP packet holds no SIP message")]
    NoSip,
    /// No report has this type.
    #[error("the type {0} of a report is not allowed: 0 to 255 are")]
    ReportType(i32),
    /// It is a HEP packet whose secrets nobody can find.
    #[error(transparent)]
    Unmaskable(#[from] Unmaskable),
    /// The lane refused it.
    #[error(transparent)]
    Push(#[from] PushError),
    /// This process has no lane.
    #[error(transparent)]
    State(#[from] StateError),
}
