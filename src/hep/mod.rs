//! HEP, the Homer encapsulation protocol: versions 1, 2 and 3. Decodes bytes into borrowed fields, and encodes fields
//! into bytes.
//!
//! The sources that receive HEP call [`looks_like_hep`] and [`decode`], the writer [`inflate`], and whatever sends HEP
//! [`encode`], [`encode_with`] or a [`PacketBuilder`]. There is no I/O. Only [`inflate`] and the growth of the `Vec`
//! that is written to allocate. No input makes any of it panic.
//!
//! ```text
//! version 3, all numbers big endian
//! offset  bytes   field
//! 0       4       magic: HEP3, or EEP1 or EEP3 from old senders
//! 4       2       total length, these 6 bytes included
//! 6       ...     chunks, each:
//!         2       vendor, 0 for the generic chunks
//!         2       type
//!         2       length, these 6 bytes included
//!         ...     body
//! ```
//! The form of versions 1 and 2 is described at the top of `v1v2.rs`, the rules of version 3 at the top of `v3.rs`.

mod builder;
mod chunk;
mod detect;
mod encode;
mod error;
pub(crate) mod family;
mod inflate;
#[cfg(test)]
mod tests;
mod v1v2;
mod v3;

use std::fmt;
use std::net::SocketAddr;

pub use builder::{PacketBuilder, PacketHead};
pub use chunk::{CHUNK_HEADER_LENGTH, Chunk, Chunks, HEADER_LENGTH, kind};
pub use detect::{looks_like_hep, version_of};
pub(crate) use encode::as_v6;
pub use encode::{ChunkOrder, EncodeOptions, encode, encode_with};
pub use error::{DecodeError, EncodeError};
pub(crate) use family::{Family, family_of};
pub use inflate::{INFLATED_LIMIT, InflateError, inflate};

/// Payload type of SIP (HEP chunk 0x000b).
pub const PAYLOAD_SIP: u8 = 1;

/// Version of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Version {
    /// Addresses and ports in front of the SIP message.
    V1,
    /// Version 1 with time and capture agent.
    V2,
    /// Chunks.
    V3,
}

impl Version {
    /// The version with this number, 1, 2 or 3.
    pub fn from_number(number: u8) -> Option<Version> {
        match number {
            1 => Some(Version::V1),
            2 => Some(Version::V2),
            3 => Some(Version::V3),
            _ => None,
        }
    }

    /// 1, 2 or 3.
    pub fn number(self) -> u8 {
        match self {
            Version::V1 => 1,
            Version::V2 => 2,
            Version::V3 => 3,
        }
    }
}

/// What a packet carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload<'a> {
    /// The message as it was captured (HEP chunk 0x000f).
    Plain(&'a [u8]),
    /// The message in zlib, gzip or raw deflate form (HEP chunk 0x0010), for [`inflate`].
    Compressed(&'a [u8]),
}

/// One HEP packet. Byte fields borrow from the datagram. `Debug` does not show the authentication key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Version that the packet was written in.
    pub version: Version,
    /// Where the captured message came from (HEP chunks 0x0003 or 0x0005, and 0x0007); port 0 when absent.
    pub source: SocketAddr,
    /// Where it went to (HEP chunks 0x0004 or 0x0006, and 0x0008); the same family as `source` when decoded.
    pub destination: SocketAddr,
    /// IP protocol that carried it (HEP chunk 0x0002): 6 TCP, 17 UDP, 22 TLS, 132 SCTP.
    pub ip_protocol: u8,
    /// What the payload is (HEP chunk 0x000b); 1, SIP, for versions 1 and 2.
    pub payload_type: u8,
    /// Capture time, microseconds since the Unix epoch (HEP chunks 0x0009 and 0x000a). `None` when the packet has none,
    /// or 0 seconds; the receiver then uses its own clock.
    pub time_us: Option<i64>,
    /// Capture agent (HEP chunk 0x000c; 16 bits in version 2, none in version 1).
    pub agent_id: Option<u32>,
    /// Correlation id (HEP chunk 0x0011); `None` when absent or empty.
    pub correlation_id: Option<&'a [u8]>,
    /// Authentication key of the sender (HEP chunk 0x000e); `None` when absent or empty. It must not be stored or
    /// logged.
    pub auth_key: Option<&'a [u8]>,
    /// The captured message (HEP chunk 0x000f or 0x0010); it may be empty.
    pub payload: Payload<'a>,
    /// Bytes of the datagram behind the packet's own length; 0 for versions 1 and 2, which have none.
    pub trailing: usize,
}

impl fmt::Debug for Packet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packet")
            .field("version", &self.version)
            .field("source", &self.source)
            .field("destination", &self.destination)
            .field("ip_protocol", &self.ip_protocol)
            .field("payload_type", &self.payload_type)
            .field("time_us", &self.time_us)
            .field("agent_id", &self.agent_id)
            .field("correlation_id", &self.correlation_id)
            .field("auth_key", &self.auth_key.map(|_| "..."))
            .field("payload", &self.payload)
            .field("trailing", &self.trailing)
            .finish()
    }
}

/// Decodes one HEP packet of any version: a datagram, or a frame of a stream that holds one packet.
///
/// # Errors
/// One [`DecodeError`] variant for each reason. Nothing is read past `datagram`, whatever its length fields say.
pub fn decode(datagram: &[u8]) -> Result<Packet<'_>, DecodeError> {
    match datagram.first() {
        Some(1) => v1v2::decode(datagram, Version::V1),
        Some(2) => v1v2::decode(datagram, Version::V2),
        _ => v3::decode(datagram),
    }
}

/// Microseconds since the Unix epoch. `None` for 0 seconds, whatever the microseconds: some agents send no time.
fn time_us(seconds: u32, microseconds: u32) -> Option<i64> {
    (seconds != 0).then(|| i64::from(seconds) * 1_000_000 + i64::from(microseconds))
}
