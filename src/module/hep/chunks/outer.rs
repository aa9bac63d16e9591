//! What scripts ask of the packet that carried HEP: who sent it, whereto, and how.

use super::decode::{address_text, family_name, number_and_text};
use super::name::ChunkId;
use super::{ChunkError, ROOM};
use crate::hep::{Family, kind};
use crate::module::variable::VariableValue;
use std::net::SocketAddr;

/// A field of the outer packet, called as the chunk that says the same of the captured message: 1 to 4, 7 and 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OuterField(u16);

/// The outer packet, as the host's socket has seen it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OuterPacket<'a> {
    /// Who sent it; `None` when that is not known.
    pub source: Option<SocketAddr>,
    /// The socket that took it; likewise.
    pub destination: Option<SocketAddr>,
    /// The host's name of the transport; empty when that is not known.
    pub transport: &'a [u8],
}

impl OuterField {
    /// The field that `text` names.
    ///
    /// # Errors
    /// [`ChunkError::NotOuter`].
    pub fn parse(text: &[u8]) -> Result<OuterField, ChunkError<'_>> {
        let id = ChunkId::parse(text).ok().filter(|id| id.number() <= kind::DESTINATION_PORT);
        id.map(|id| OuterField(id.field())).ok_or(ChunkError::NotOuter(text))
    }

    /// Its number, for the host to keep.
    pub fn code(self) -> u32 {
        self.0.into()
    }

    /// The field of a number that [`OuterField::code`] gave; any other is a field that no packet has.
    pub fn from_code(code: u32) -> OuterField {
        OuterField(code.try_into().unwrap_or_default())
    }

    /// What a script reads of it; null when it is not known.
    pub fn value<'a>(self, packet: &OuterPacket<'a>, buffer: &'a mut [u8; ROOM]) -> VariableValue<'a> {
        let end = match self.0 {
            kind::DESTINATION_IP4 | kind::DESTINATION_PORT => packet.destination,
            kind::FAMILY => packet.source.or(packet.destination),
            _ => packet.source,
        };
        match (self.0, end) {
            (kind::IP_PROTOCOL, _) if !packet.transport.is_empty() => VariableValue::Text(packet.transport),
            (kind::FAMILY, Some(end)) => family_name(if end.is_ipv4() { Family::V4 } else { Family::V6 }),
            (kind::SOURCE_IP4 | kind::DESTINATION_IP4, Some(end)) => address_text(end.ip(), buffer),
            (kind::SOURCE_PORT | kind::DESTINATION_PORT, Some(end)) => number_and_text(end.port().into(), buffer),
            _ => VariableValue::Null,
        }
    }
}

/// What a script reads of a packet's version, 1 to 3; null for any other.
pub fn version_value(version: u32) -> VariableValue<'static> {
    match version {
        1 => VariableValue::Both(b"1", 1),
        2 => VariableValue::Both(b"2", 2),
        3 => VariableValue::Both(b"3", 3),
        _ => VariableValue::Null,
    }
}
