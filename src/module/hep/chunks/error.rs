//! Why something cannot be done with a chunk, in the texts that the log gets.

use super::MOST_BODY;
use super::name::ChunkId;
use super::value_type::ChunkType;
use crate::hep::kind;
use std::fmt;

/// Bytes of a value that are shown.
const SHOWN: usize = 64;

/// Why something cannot be done with a chunk. Borrows what the script has written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError<'a> {
    /// No chunk is called so.
    #[error(
        "there is no chunk {}: proto_family, proto_id, src_ip, dst_ip, src_port, dst_port, timestamp, timestamp_us, \
         proto_type, captagent_id, payload, and a number from 1 to 65535, decimal or as 0x and hexadecimal digits, are \
         allowed",
        ShownText(.0)
    )]
    Unknown(&'a [u8]),
    /// No type is called so.
    #[error(
        "there is no type {} of a chunk: uint8, uint16, uint32, inet4-addr, inet6-addr, utf8-string and octet-string \
         are allowed",
        ShownText(.0)
    )]
    Type(&'a [u8]),
    /// The text is no vendor.
    #[error(
        "{0}: the vendor {shown} is not allowed: a number from 0 to 65535, decimal or as 0x and hexadecimal digits, is",
        shown = ShownText(.1)
    )]
    Vendor(ChunkId, &'a [u8]),
    /// Scripts do not set this one.
    #[error("{0} cannot be set: {why}", why = why_not(*.0))]
    NotSet(ChunkId),
    /// The value does not fit the chunk or its type.
    #[error("{id}: the value {shown} is not allowed: {allowed}", shown = ShownValue(*.id, .value))]
    Value {
        /// The chunk.
        id: ChunkId,
        /// What the script would have it hold.
        value: &'a [u8],
        /// What would be right.
        allowed: &'static str,
    },
    /// The value does not fit a packet.
    #[error("{0}: a value of {1} bytes is not allowed: at most {MOST_BODY} fit a HEP packet")]
    TooLong(ChunkId, usize),
    /// What the packet holds is not of the type that the script reads it as.
    #[error(
        "{0}: its {1} bytes are no {2}, which has {size}: utf8-string and octet-string read any",
        size = .2.size().unwrap_or_default()
    )]
    Body(ChunkId, usize, ReadType),
    /// The address chunk of the packet is neither.
    #[error("{0}: its {1} bytes are no address: an IPv4 address has 4, an IPv6 address 16")]
    Address(ChunkId, usize),
    /// The outer packet has no such field.
    #[error(
        "there is no field {} of the packet that carried HEP: proto_family, proto_id, src_ip, dst_ip, src_port, \
         dst_port, and their chunks' numbers, 1 to 8, are allowed",
        ShownText(.0)
    )]
    NotOuter(&'a [u8]),
}

/// The type that a script reads a chunk as, to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadType(pub(super) ChunkType);

impl ReadType {
    fn size(self) -> Option<usize> {
        self.0.size()
    }
}

impl fmt::Display for ReadType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn why_not(id: ChunkId) -> &'static str {
    match id.number() {
        kind::FAMILY => "it follows src_ip and dst_ip, which can be",
        _ => "it says when the message was captured",
    }
}

/// A text in quotes, of which the beginning will do.
struct ShownText<'a>(&'a [u8]);

impl fmt::Display for ShownText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shown, rest) = self.0.split_at(self.0.len().min(SHOWN));
        write!(f, "\"{}\"", shown.escape_ascii())?;
        if rest.is_empty() { Ok(()) } else { write!(f, " and {} more bytes", rest.len()) }
    }
}

/// The value of a chunk, unless it is the key that nobody may see.
struct ShownValue<'a>(ChunkId, &'a [u8]);

impl fmt::Display for ShownValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.number() == kind::AUTH_KEY { f.write_str("(not shown)") } else { ShownText(self.1).fmt(f) }
    }
}
