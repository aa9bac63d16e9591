//! What a script reads of a chunk.

use super::error::ReadType;
use super::name::ChunkId;
use super::value_type::ChunkType;
use super::{ChunkContent, ChunkError, ROOM, protocols, put};
use crate::hep::{Family, family_of, kind};
use crate::module::variable::VariableValue;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What a script reads of chunk `id`, which holds `content`, as a value of the type `value_type` (empty for none; it
/// does not matter where the host has a field for the chunk). Null for a family that is not known, and for an address
/// that is not there. Texts point into the content, the buffer or the core.
///
/// # Errors
/// There is no such type, or the content is none of it.
pub fn decode<'a>(
    id: ChunkId,
    value_type: &'a [u8],
    content: ChunkContent<'a>,
    buffer: &'a mut [u8; ROOM],
) -> Result<VariableValue<'a>, ChunkError<'a>> {
    let value_type = ChunkType::parse(value_type)?;
    match (id.field(), content) {
        (kind::FAMILY, ChunkContent::Number(number)) => {
            Ok(u8::try_from(number).ok().and_then(family_of).map_or(VariableValue::Null, family_name))
        }
        (kind::PAYLOAD_TYPE, ChunkContent::Number(number)) => Ok(match protocols::payload_type_name(number) {
            Some(name) => VariableValue::Text(name.as_bytes()),
            None => number_and_text(number, buffer),
        }),
        (_, ChunkContent::Number(number)) => Ok(number_and_text(number, buffer)),
        (_, ChunkContent::Transport(transport)) => {
            Ok(VariableValue::Text(protocols::transport_name(transport).as_bytes()))
        }
        (kind::SOURCE_IP4 | kind::DESTINATION_IP4, ChunkContent::Bytes(b"")) => Ok(VariableValue::Null),
        (kind::SOURCE_IP4 | kind::DESTINATION_IP4, ChunkContent::Bytes(body)) => {
            address(body, buffer).ok_or(ChunkError::Address(id, body.len()))
        }
        (0, ChunkContent::Bytes(body)) => listed(id, value_type, body, buffer),
        (_, ChunkContent::Bytes(body)) => Ok(VariableValue::Text(body)),
    }
}

/// A chunk of the list.
fn listed<'a>(
    id: ChunkId,
    value_type: ChunkType,
    body: &'a [u8],
    buffer: &'a mut [u8; ROOM],
) -> Result<VariableValue<'a>, ChunkError<'a>> {
    if value_type.size().is_some_and(|size| size != body.len()) {
        return Err(ChunkError::Body(id, body.len(), ReadType(value_type)));
    }
    match value_type {
        ChunkType::Uint8 | ChunkType::Uint16 | ChunkType::Uint32 => {
            let number = body.iter().fold(0, |number, byte| number << 8 | u32::from(*byte));
            Ok(number_and_text(number, buffer))
        }
        ChunkType::Inet4 | ChunkType::Inet6 => address(body, buffer).ok_or(ChunkError::Address(id, body.len())),
        ChunkType::Utf8 | ChunkType::Octets => Ok(VariableValue::Text(body)),
    }
}

/// What a script reads of a family.
pub(super) fn family_name(family: Family) -> VariableValue<'static> {
    VariableValue::Text(match family {
        Family::V4 => b"AF_INET",
        Family::V6 => b"AF_INET6",
    })
}

/// A number, which scripts can use as a text too.
pub(super) fn number_and_text(number: u32, buffer: &mut [u8; ROOM]) -> VariableValue<'_> {
    VariableValue::Both(put(buffer, format_args!("{number}")), number.into())
}

/// The text of an address.
pub(super) fn address_text(address: IpAddr, buffer: &mut [u8; ROOM]) -> VariableValue<'_> {
    VariableValue::Text(put(buffer, format_args!("{address}")))
}

fn address<'a>(body: &[u8], buffer: &'a mut [u8; ROOM]) -> Option<VariableValue<'a>> {
    let address = match body.len() {
        4 => IpAddr::from(Ipv4Addr::from(<[u8; 4]>::try_from(body).ok()?)),
        16 => IpAddr::from(Ipv6Addr::from(<[u8; 16]>::try_from(body).ok()?)),
        _ => return None,
    };
    Some(address_text(address, buffer))
}
