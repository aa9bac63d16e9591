//! Writes a packet in pieces, for who has no packet but what was decoded of one: its head, the chunks that nobody has
//! read, its payload.
//!
//! Version 3 gets its chunks in this order: family, IP protocol, source and destination port, seconds, microseconds,
//! payload type, capture agent, source and destination address, further chunks in the order in which they come,
//! payload. So a correlation id, which is a chunk among these, is there before the payload is. It is the order in which
//! OpenSIPS writes.

use super::chunk::{CHUNK_HEADER_LENGTH, Chunk, HEADER_LENGTH, kind};
use super::encode::{Pair, put, put_chunk, put_fixed, put_pair, put_time, seconds_and_microseconds};
use super::{EncodeError, Payload, Version};
use std::net::SocketAddr;
use std::ops::Range;

/// Where the total length of version 3 stands.
const TOTAL: Range<usize> = HEADER_LENGTH - 2..HEADER_LENGTH;
/// Longest packet, bytes: what a HEP length field and a datagram allow.
const LONGEST: usize = u16::MAX as usize;

/// What stands in front of all else in a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketHead {
    /// Version of the packet.
    pub version: Version,
    /// Where the captured message came from (HEP chunks 0x0003 or 0x0005, and 0x0007).
    pub source: SocketAddr,
    /// Where it went to (HEP chunks 0x0004 or 0x0006, and 0x0008). An IPv4 address beside one of IPv6 is written as an
    /// IPv4-mapped one.
    pub destination: SocketAddr,
    /// IP protocol that carried it (HEP chunk 0x0002): 6 TCP, 17 UDP, 22 TLS, 132 SCTP.
    pub ip_protocol: u8,
    /// What the payload is (HEP chunk 0x000b). Versions 1 and 2 carry SIP alone, and have no place for it.
    pub payload_type: u8,
    /// Capture time, microseconds since the Unix epoch (HEP chunks 0x0009 and 0x000a); 0 for none. Not in version 1.
    pub time_us: i64,
    /// Capture agent (HEP chunk 0x000c; the low 16 bits in version 2, none in version 1).
    pub agent_id: u32,
}

/// A packet that is written in pieces: [`begin`](PacketBuilder::begin), [`add`](PacketBuilder::add) any number of
/// times, [`finish`](PacketBuilder::finish). After an error nothing is left of the packet, and the next one must begin.
///
/// Its buffer, of 65535 bytes at most, is used again for each packet. `Debug` shows no content: there may be an
/// authentication key in it.
#[derive(Default)]
pub struct PacketBuilder {
    bytes: Vec<u8>,
    /// Version of the packet that has begun.
    version: Option<Version>,
}

impl std::fmt::Debug for PacketBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PacketBuilder").field("version", &self.version).finish_non_exhaustive()
    }
}

impl PacketBuilder {
    /// Begins a packet; what there was of another is gone.
    ///
    /// # Errors
    /// [`EncodeError::TimeOutOfRange`].
    pub fn begin(&mut self, head: &PacketHead) -> Result<(), EncodeError> {
        self.version = None;
        self.bytes.clear();
        let PacketHead { version, ip_protocol, agent_id, .. } = *head;
        let pair = Pair::of(head.source, head.destination);
        let ports = [head.source.port(), head.destination.port()];
        let out = &mut self.bytes;
        match version {
            Version::V1 => put_fixed(version, ip_protocol, ports, &pair, out),
            Version::V2 => {
                let time = seconds_and_microseconds(head.time_us)?;
                put_fixed(version, ip_protocol, ports, &pair, out);
                put_time(time, agent_id, out);
            }
            Version::V3 => {
                let (seconds, microseconds) = seconds_and_microseconds(head.time_us)?;
                // The length is written once it is known.
                out.extend_from_slice(b"HEP3\0\0");
                put(out, kind::FAMILY, &[pair.family()]);
                put(out, kind::IP_PROTOCOL, &[ip_protocol]);
                put(out, kind::SOURCE_PORT, &ports[0].to_be_bytes());
                put(out, kind::DESTINATION_PORT, &ports[1].to_be_bytes());
                put(out, kind::SECONDS, &seconds.to_be_bytes());
                put(out, kind::MICROSECONDS, &microseconds.to_be_bytes());
                put(out, kind::PAYLOAD_TYPE, &[head.payload_type]);
                put(out, kind::AGENT_ID, &agent_id.to_be_bytes());
                put_pair(&pair, out);
            }
        }
        self.version = Some(version);
        Ok(())
    }

    /// Adds a chunk to a packet of version 3.
    ///
    /// # Errors
    /// [`EncodeError::NotBegun`], [`EncodeError::ChunkNeedsV3`], [`EncodeError::TooLong`].
    pub fn add(&mut self, chunk: &Chunk<'_>) -> Result<(), EncodeError> {
        let version = self.version.take().ok_or(EncodeError::NotBegun)?;
        if version != Version::V3 {
            return Err(EncodeError::ChunkNeedsV3(chunk.kind));
        }
        self.check_room(CHUNK_HEADER_LENGTH + chunk.body.len())?;
        put_chunk(&mut self.bytes, chunk);
        self.version = Some(version);
        Ok(())
    }

    /// Ends the packet with its payload; the bytes of it all.
    ///
    /// # Errors
    /// [`EncodeError::NotBegun`], [`EncodeError::CompressedNeedsV3`], [`EncodeError::TooLong`].
    pub fn finish(&mut self, payload: Payload<'_>) -> Result<&[u8], EncodeError> {
        let version = self.version.take().ok_or(EncodeError::NotBegun)?;
        let (kind, body) = match payload {
            Payload::Plain(body) => (kind::PAYLOAD, body),
            Payload::Compressed(_) if version != Version::V3 => return Err(EncodeError::CompressedNeedsV3),
            Payload::Compressed(body) => (kind::COMPRESSED_PAYLOAD, body),
        };
        if version != Version::V3 {
            self.check_room(body.len())?;
            self.bytes.extend_from_slice(body);
            return Ok(&self.bytes);
        }
        self.check_room(CHUNK_HEADER_LENGTH + body.len())?;
        put(&mut self.bytes, kind, body);
        let total = self.bytes.len() as u16;
        self.bytes[TOTAL].copy_from_slice(&total.to_be_bytes());
        Ok(&self.bytes)
    }

    /// Refuses `further` bytes that do not fit.
    fn check_room(&self, further: usize) -> Result<(), EncodeError> {
        let total = self.bytes.len() + further;
        if total > LONGEST { Err(EncodeError::TooLong(total)) } else { Ok(()) }
    }
}
