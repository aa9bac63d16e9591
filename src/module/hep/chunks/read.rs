//! What a script has written for a chunk, its type and its vendor, or what is wrong with it.

use super::name::ChunkId;
use super::value_type::ChunkType;
use super::{ChunkError, decimal_or_hexadecimal};
use crate::hep::kind;

/// Chunks beyond those that have fields whose types HEP itself has set: their vendor is its own, 0.
const OF_HEP: [u16; 4] = [kind::KEEP_ALIVE, kind::AUTH_KEY, kind::CORRELATION_ID, kind::VLAN_ID];

impl ChunkId {
    /// The chunk that `text` names, or has the number of: decimal, or `0x` and hexadecimal digits.
    ///
    /// # Errors
    /// [`ChunkError::Unknown`].
    pub fn parse(text: &[u8]) -> Result<ChunkId, ChunkError<'_>> {
        ChunkId::of_text(text).ok_or(ChunkError::Unknown(text))
    }
}

impl ChunkType {
    /// The type that `text` names, in whatever case; the default for an empty one.
    pub fn parse(text: &[u8]) -> Result<ChunkType, ChunkError<'_>> {
        match text {
            b"" => Ok(ChunkType::default()),
            _ => ChunkType::named(text).ok_or(ChunkError::Type(text)),
        }
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
