//! Decodes version 3: makes a [`Packet`] of chunks.
//!
//! Chunks of other vendors than 0 and types that are not listed in [`kind`] are skipped. A repeated chunk replaces the
//! one before it. Of the chunks that are read, those of a fixed size must have exactly that size.
//!
//! **Addresses.** The family follows from the address chunks that are there, not from chunk 0x0001, whose value depends
//! on the sender's system. With a complete pair of each family, chunk 0x0001 chooses when it names a family, else the
//! pair of the last address chunk. Source and destination of different families are no pair.
//!
//! **Payload.** With both a plain and a compressed payload the plain one is taken, unless it is empty. An empty payload
//! is a payload; the caller decides whether it makes a row.
//!
//! **The draft of 2013** (magic `EEP1`) has a numeric correlation id in chunk 0x0010 and an SS7 type in 0x0011. In such
//! a packet chunk 0x0010 with a body of exactly four bytes, and 0x0011 with exactly two, are skipped: neither is a
//! payload or a correlation id in text. [`Chunks`] still shows them. No deflate stream that holds a message is four
//! bytes long.

use super::chunk::{Chunk, Chunks, kind};
use super::family::{Family, family_of};
use super::{DecodeError, Packet, Payload, Version, time_us};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What has been read from the chunks so far.
#[derive(Default)]
struct SeenChunks<'a> {
    family: Option<u8>,
    ip_protocol: Option<u8>,
    source_ip4: Option<Ipv4Addr>,
    destination_ip4: Option<Ipv4Addr>,
    source_ip6: Option<Ipv6Addr>,
    destination_ip6: Option<Ipv6Addr>,
    last_address: Option<Family>,
    source_port: u16,
    destination_port: u16,
    seconds: u32,
    microseconds: u32,
    payload_type: Option<u8>,
    agent_id: Option<u32>,
    correlation_id: Option<&'a [u8]>,
    auth_key: Option<&'a [u8]>,
    plain: Option<&'a [u8]>,
    compressed: Option<&'a [u8]>,
}

/// Decodes a version 3 datagram.
pub(super) fn decode(datagram: &[u8]) -> Result<Packet<'_>, DecodeError> {
    let mut chunks = Chunks::new(datagram)?;
    let mut seen = SeenChunks::default();
    while let Some(chunk) = chunks.next() {
        let chunk = chunk?;
        if chunk.vendor == 0 {
            seen.take(chunk, chunks.is_eep1())?;
        }
    }
    seen.packet(chunks.trailing())
}

impl<'a> SeenChunks<'a> {
    fn take(&mut self, chunk: Chunk<'a>, eep1: bool) -> Result<(), DecodeError> {
        match chunk.kind {
            0 => return Err(DecodeError::NullChunk),
            kind::FAMILY => self.family = Some(byte(chunk)?),
            kind::IP_PROTOCOL => self.ip_protocol = Some(byte(chunk)?),
            kind::SOURCE_IP4 => self.source_ip4 = Some(self.address4(chunk)?),
            kind::DESTINATION_IP4 => self.destination_ip4 = Some(self.address4(chunk)?),
            kind::SOURCE_IP6 => self.source_ip6 = Some(self.address6(chunk)?),
            kind::DESTINATION_IP6 => self.destination_ip6 = Some(self.address6(chunk)?),
            kind::SOURCE_PORT => self.source_port = u16::from_be_bytes(fixed(chunk)?),
            kind::DESTINATION_PORT => self.destination_port = u16::from_be_bytes(fixed(chunk)?),
            kind::SECONDS => self.seconds = u32::from_be_bytes(fixed(chunk)?),
            kind::MICROSECONDS => self.microseconds = u32::from_be_bytes(fixed(chunk)?),
            kind::PAYLOAD_TYPE => self.payload_type = Some(byte(chunk)?),
            kind::AGENT_ID => self.agent_id = Some(u32::from_be_bytes(fixed(chunk)?)),
            kind::AUTH_KEY => self.auth_key = Some(chunk.body),
            kind::PAYLOAD => self.plain = Some(chunk.body),
            kind::COMPRESSED_PAYLOAD if eep1 && chunk.body.len() == 4 => {}
            kind::COMPRESSED_PAYLOAD => self.compressed = Some(chunk.body),
            kind::CORRELATION_ID if eep1 && chunk.body.len() == 2 => {}
            kind::CORRELATION_ID => self.correlation_id = Some(chunk.body),
            _ => {}
        }
        Ok(())
    }

    fn address4(&mut self, chunk: Chunk<'a>) -> Result<Ipv4Addr, DecodeError> {
        self.last_address = Some(Family::V4);
        Ok(Ipv4Addr::from(fixed::<4>(chunk)?))
    }

    fn address6(&mut self, chunk: Chunk<'a>) -> Result<Ipv6Addr, DecodeError> {
        self.last_address = Some(Family::V6);
        Ok(Ipv6Addr::from(fixed::<16>(chunk)?))
    }

    fn addresses(&self) -> Result<(IpAddr, IpAddr), DecodeError> {
        let v4 = self.source_ip4.map(IpAddr::V4).zip(self.destination_ip4.map(IpAddr::V4));
        let v6 = self.source_ip6.map(IpAddr::V6).zip(self.destination_ip6.map(IpAddr::V6));
        match (v4, v6) {
            (Some(v4), Some(v6)) => match self.family.and_then(family_of).or(self.last_address) {
                Some(Family::V6) => Ok(v6),
                _ => Ok(v4),
            },
            (Some(pair), None) | (None, Some(pair)) => Ok(pair),
            (None, None) if self.source_ip4.is_none() && self.source_ip6.is_none() => Err(DecodeError::MissingSource),
            (None, None) if self.destination_ip4.is_none() && self.destination_ip6.is_none() => {
                Err(DecodeError::MissingDestination)
            }
            (None, None) => Err(DecodeError::FamilyMismatch),
        }
    }

    fn payload(&self) -> Result<Payload<'a>, DecodeError> {
        match (self.plain, self.compressed) {
            (Some([]), Some(compressed)) | (None, Some(compressed)) => Ok(Payload::Compressed(compressed)),
            (Some(plain), _) => Ok(Payload::Plain(plain)),
            (None, None) => Err(DecodeError::MissingPayload),
        }
    }

    fn packet(&self, trailing: usize) -> Result<Packet<'a>, DecodeError> {
        let (source, destination) = self.addresses()?;
        Ok(Packet {
            version: Version::V3,
            source: SocketAddr::new(source, self.source_port),
            destination: SocketAddr::new(destination, self.destination_port),
            ip_protocol: self.ip_protocol.ok_or(DecodeError::MissingIpProtocol)?,
            payload_type: self.payload_type.ok_or(DecodeError::MissingPayloadType)?,
            time_us: time_us(self.seconds, self.microseconds),
            agent_id: self.agent_id,
            correlation_id: self.correlation_id.filter(|id| !id.is_empty()),
            auth_key: self.auth_key.filter(|key| !key.is_empty()),
            payload: self.payload()?,
            trailing,
        })
    }
}

fn byte(chunk: Chunk<'_>) -> Result<u8, DecodeError> {
    fixed::<1>(chunk).map(|[byte]| byte)
}

fn fixed<const N: usize>(chunk: Chunk<'_>) -> Result<[u8; N], DecodeError> {
    let Chunk { kind, body, .. } = chunk;
    body.try_into().map_err(|_| DecodeError::BadChunkBody { kind, expected: N, found: body.len() })
}
