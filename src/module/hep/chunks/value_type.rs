//! The types that a script may give a chunk which has no form of its own, and the vendors of chunks.

use super::name::ChunkId;
use super::{ChunkError, decimal_or_hexadecimal};
use crate::hep::kind;
use std::fmt;

/// How a script writes and reads a chunk of the list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum ChunkType {
    /// One byte.
    Uint8,
    /// Two bytes, big endian.
    Uint16,
    /// Four bytes, big endian.
    Uint32,
    /// An IPv4 address.
    Inet4,
    /// An IPv6 address.
    Inet6,
    /// Bytes as they are: a Call-ID, say, may hold any. This is the default.
    #[default]
    Utf8,
    /// The same.
    Octets,
}

const TYPES: [(&str, ChunkType); 7] = [
    ("uint8", ChunkType::Uint8),
    ("uint16", ChunkType::Uint16),
    ("uint32", ChunkType::Uint32),
    ("inet4-addr", ChunkType::Inet4),
    ("inet6-addr", ChunkType::Inet6),
    ("utf8-string", ChunkType::Utf8),
    ("octet-string", ChunkType::Octets),
];

/// Chunks beyond those that have fields whose types HEP itself has set: their vendor is its own, 0.
const OF_HEP: [u16; 4] = [kind::KEEP_ALIVE, kind::AUTH_KEY, kind::CORRELATION_ID, kind::VLAN_ID];

impl ChunkType {
    /// The type that `text` names, in whatever case; the default for an empty one.
    pub fn parse(text: &[u8]) -> Result<ChunkType, ChunkError<'_>> {
        match text {
            b"" => Ok(ChunkType::default()),
            _ => ChunkType::named(text).ok_or(ChunkError::Type(text)),
        }
    }

    /// The type that `text` names; no chunk has such a name.
    pub fn named(text: &[u8]) -> Option<ChunkType> {
        TYPES.iter().find(|(name, _)| text.eq_ignore_ascii_case(name.as_bytes())).map(|(_, known)| *known)
    }

    /// Bytes that a value of it has; `None` when any number will do.
    pub fn size(self) -> Option<usize> {
        match self {
            ChunkType::Uint8 => Some(1),
            ChunkType::Uint16 => Some(2),
            ChunkType::Uint32 | ChunkType::Inet4 => Some(4),
            ChunkType::Inet6 => Some(16),
            ChunkType::Utf8 | ChunkType::Octets => None,
        }
    }
}

impl fmt::Display for ChunkType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = TYPES.iter().find(|(_, known)| known == self);
        f.write_str(name.map_or("", |(name, _)| name))
    }
}

/// The vendor that `text` is the number of. For an empty text that of `id`: 0 for the chunks of HEP itself, and
/// `own_vendor`, the host's own, for all others.
pub(super) fn vendor<'a>(id: ChunkId, text: &'a [u8], own_vendor: u16) -> Result<u16, ChunkError<'a>> {
    let given = match text {
        b"" if id.field() != 0 || OF_HEP.contains(&id.number()) => Some(0),
        b"" => Some(own_vendor),
        _ => read_vendor(text),
    };
    given.ok_or(ChunkError::Vendor(id, text))
}

/// The vendor that `text` is the number of.
pub(super) fn read_vendor(text: &[u8]) -> Option<u16> {
    decimal_or_hexadecimal(text, u16::MAX.into())?.try_into().ok()
}
