//! The types that a script may give a chunk which has no form of its own.

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

impl ChunkType {
    /// The type that `text` names, in whatever case; no chunk has such a name.
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
