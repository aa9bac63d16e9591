//! What scripts do with single chunks of a HEP packet of version 3: the names and numbers that they call a chunk by,
//! the bytes that a value is, and what bytes are to a script. Called by `abi` alone. There is no state, nothing is
//! allocated, and no text and no bytes make any of it panic.
//!
//! The packet is the host's, which has decoded it: some chunks are in fields of its own, the others in a list, where
//! they are known by their number whatever their vendor. This codec says which is which ([`ChunkId::field`]), and the
//! host walks its structs.
//!
//! | chunk | name | a script sets | a script reads |
//! |---|---|---|---|
//! | 1 | `proto_family` | nothing: it follows the addresses | `AF_INET` or `AF_INET6` |
//! | 2 | `proto_id` | `udp`, `tcp`, `tls`, `sctp`, `ws`, `wss` | the same, or `unknown` |
//! | 3 and 5, 4 and 6 | `src_ip`, `dst_ip` | an address of either family | its text |
//! | 7, 8 | `src_port`, `dst_port` | 0 to 65535 | number and text |
//! | 9, 10 | `timestamp`, `timestamp_us` | nothing: it is when the message was captured | number and text |
//! | 11 | `proto_type` | a name, or 0 to 255 | a name, number and text from 14 on |
//! | 12 | `captagent_id` | 0 to 4294967295 | number and text |
//! | 15 and 16 | `payload` | bytes | bytes |
//! | others | none | a value of the type that is named, `utf8-string` when none is | likewise |
//!
//! All of them may be deleted. What each form looks like in the packet, `encode` says.

mod addresses;
mod arguments;
mod decode;
mod encode;
mod error;
mod name;
mod outer;
mod protocols;
mod read;
#[cfg(test)]
mod tests;
mod value_type;

pub use addresses::one_family;
pub use arguments::{ChunkArguments, ChunkFunction, check_argument};
pub use decode::decode;
pub use encode::{EncodedChunk, encode};
pub use error::ChunkError;
pub use name::{ChunkForm, ChunkId};
pub use outer::{OuterField, OuterPacket, version_value};

use crate::capture::Transport;
use crate::hep::{CHUNK_HEADER_LENGTH, HEADER_LENGTH};
use std::fmt::Arguments;
use std::io::Write as _;

/// Bytes of the buffer that numbers and addresses are written to, as texts and as bytes of a packet.
pub const ROOM: usize = 64;

/// Most bytes of a body: those of a packet with that chunk alone.
const MOST_BODY: usize = u16::MAX as usize - HEADER_LENGTH - CHUNK_HEADER_LENGTH;

/// What a chunk holds, in the form that [`ChunkId::form`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChunkContent<'a> {
    /// A number.
    Number(u32),
    /// What carried the message.
    Transport(Transport),
    /// The body of the chunk, as in the packet.
    Bytes(&'a [u8]),
}

/// Writes a text into `buffer`, as far as there is room: all texts that are written are shorter.
fn put<'a>(buffer: &'a mut [u8; ROOM], text: Arguments<'_>) -> &'a [u8] {
    let mut rest = &mut buffer[..];
    // The error is that of a full buffer.
    let _ = rest.write_fmt(text);
    let left = rest.len();
    &buffer[..ROOM - left]
}

/// The number that `digits` are in `radix`, `most` at the most; signs, blanks and no digits at all are none.
fn unsigned(digits: &[u8], radix: u32, most: u32) -> Option<u32> {
    let all_digits = digits.iter().all(|digit| char::from(*digit).is_digit(radix));
    let text = std::str::from_utf8(digits).ok().filter(|_| all_digits)?;
    u32::from_str_radix(text, radix).ok().filter(|number| *number <= most)
}

/// The number that a script writes as decimal digits, or as `0x` and hexadecimal ones.
fn decimal_or_hexadecimal(text: &[u8], most: u32) -> Option<u32> {
    match text.strip_prefix(b"0x") {
        Some(digits) => unsigned(digits, 16, most),
        None => unsigned(text, 10, most),
    }
}
