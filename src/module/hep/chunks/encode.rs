//! What a chunk is to hold when a script sets it.

use super::arguments::ChunkArguments;
use super::name::ChunkId;
use super::read::vendor;
use super::value_type::ChunkType;
use super::{ChunkContent, ChunkError, MOST_BODY, ROOM, protocols, unsigned};
use crate::hep::kind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const TRANSPORTS: &str = "udp, tcp, tls, sctp, ws and wss are";
const ADDRESSES: &str = "an IPv4 or IPv6 address is";
const PAYLOAD_TYPES: &str =
    "sip, xmpp, sdp, rtp, rtcp, mgcp, megaco, m2ua, m3ua, iax, h322, h321, and a number from 0 to 255, are";
const UINT8: &str = "a decimal number from 0 to 255 is";
const UINT16: &str = "a decimal number from 0 to 65535 is";
const UINT32: &str = "a decimal number from 0 to 4294967295 is";
const INET4: &str = "an IPv4 address is";
const INET6: &str = "an IPv6 address is";

/// A chunk as it is to be from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncodedChunk<'a> {
    /// Which one; of an address the chunk of its family.
    pub id: ChunkId,
    /// Its vendor; 0 where the host has a field for it.
    pub vendor: u16,
    /// What the host's field is to hold; of a chunk of the list, `body`.
    pub content: ChunkContent<'a>,
    /// Its body in a packet. Points into the buffer or to the value that the script gave.
    pub body: &'a [u8],
}

/// What the chunk is to hold that `arguments` set. `own_vendor` is the host's own number among the vendors of HEP.
/// Type and vendor of a chunk that the host has a field for do not matter.
///
/// # Errors
/// There is no such chunk, type or vendor; scripts do not set this chunk; the value does not fit.
pub fn encode<'a>(
    arguments: &ChunkArguments<'a>,
    own_vendor: u16,
    buffer: &'a mut [u8; ROOM],
) -> Result<EncodedChunk<'a>, ChunkError<'a>> {
    let id = ChunkId::parse(arguments.chunk)?;
    let value_type = ChunkType::parse(arguments.value_type)?;
    let vendor = vendor(id, arguments.vendor, own_vendor)?;
    let value = arguments.value;
    if !id.may_be_set() {
        return Err(ChunkError::NotSet(id));
    }
    let refused = |allowed| ChunkError::Value { id, value, allowed };
    let number = |size, allowed| decimal(value, size).ok_or(refused(allowed));
    match id.field() {
        0 => Ok(EncodedChunk { vendor, ..of_bytes(id, listed(id, value_type, value, buffer)?) }),
        kind::IP_PROTOCOL => {
            let (transport, ip_protocol) = protocols::transport(value).ok_or(refused(TRANSPORTS))?;
            let body = fill(buffer, &[ip_protocol]);
            Ok(EncodedChunk { id, vendor: 0, content: ChunkContent::Transport(transport), body })
        }
        kind::SOURCE_IP4 | kind::DESTINATION_IP4 => {
            Ok(address(id, read_address(value).ok_or(refused(ADDRESSES))?, buffer))
        }
        kind::SOURCE_PORT | kind::DESTINATION_PORT => Ok(of_number(id, number(2, UINT16)?, 2, buffer)),
        kind::PAYLOAD_TYPE => {
            let payload_type = protocols::payload_type(value).ok_or(refused(PAYLOAD_TYPES))?;
            Ok(of_number(id, payload_type.into(), 1, buffer))
        }
        kind::AGENT_ID => Ok(of_number(id, number(4, UINT32)?, 4, buffer)),
        // The payload.
        _ => Ok(of_bytes(id, fitting(id, value)?)),
    }
}

/// The body of a chunk of the list.
fn listed<'a>(
    id: ChunkId,
    value_type: ChunkType,
    value: &'a [u8],
    buffer: &'a mut [u8; ROOM],
) -> Result<&'a [u8], ChunkError<'a>> {
    let refused = |allowed| ChunkError::Value { id, value, allowed };
    let text = std::str::from_utf8(value).unwrap_or_default();
    match value_type {
        ChunkType::Uint8 => Ok(big_endian(decimal(value, 1).ok_or(refused(UINT8))?, 1, buffer)),
        ChunkType::Uint16 => Ok(big_endian(decimal(value, 2).ok_or(refused(UINT16))?, 2, buffer)),
        ChunkType::Uint32 => Ok(big_endian(decimal(value, 4).ok_or(refused(UINT32))?, 4, buffer)),
        ChunkType::Inet4 => {
            let address: Ipv4Addr = text.parse().map_err(|_| refused(INET4))?;
            Ok(fill(buffer, &address.octets()))
        }
        ChunkType::Inet6 => {
            let address: Ipv6Addr = without_brackets(text).parse().map_err(|_| refused(INET6))?;
            Ok(fill(buffer, &address.octets()))
        }
        ChunkType::Utf8 | ChunkType::Octets => fitting(id, value),
    }
}

fn of_bytes(id: ChunkId, body: &[u8]) -> EncodedChunk<'_> {
    EncodedChunk { id, vendor: 0, content: ChunkContent::Bytes(body), body }
}

fn of_number(id: ChunkId, number: u32, size: usize, buffer: &mut [u8; ROOM]) -> EncodedChunk<'_> {
    EncodedChunk { id, vendor: 0, content: ChunkContent::Number(number), body: big_endian(number, size, buffer) }
}

/// An address, as the chunk of its family.
fn address(id: ChunkId, address: IpAddr, buffer: &mut [u8; ROOM]) -> EncodedChunk<'_> {
    let (number, body) = match address {
        IpAddr::V4(v4) => (id.field(), fill(buffer, &v4.octets())),
        IpAddr::V6(v6) => (id.field() + (kind::SOURCE_IP6 - kind::SOURCE_IP4), fill(buffer, &v6.octets())),
    };
    of_bytes(ChunkId::from_number(number).unwrap_or(id), body)
}

fn read_address(value: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(value).ok()?;
    match without_brackets(text).parse().ok()? {
        IpAddr::V4(_) if text.starts_with('[') => None,
        address => Some(address),
    }
}

/// An IPv6 address, which scripts have with brackets around it too.
fn without_brackets(text: &str) -> &str {
    text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text)
}

/// A decimal number that fits `size` bytes, 4 at the most.
fn decimal(value: &[u8], size: usize) -> Option<u32> {
    unsigned(value, 10, u32::MAX >> (32 - 8 * size))
}

/// The last `size` bytes of a number.
fn big_endian(number: u32, size: usize, buffer: &mut [u8; ROOM]) -> &[u8] {
    fill(buffer, &number.to_be_bytes()[4 - size..])
}

/// Bytes that are far fewer than the buffer has.
fn fill<'a>(buffer: &'a mut [u8; ROOM], bytes: &[u8]) -> &'a [u8] {
    let filled = &mut buffer[..bytes.len()];
    filled.copy_from_slice(bytes);
    filled
}

fn fitting(id: ChunkId, value: &[u8]) -> Result<&[u8], ChunkError<'_>> {
    if value.len() > MOST_BODY { Err(ChunkError::TooLong(id, value.len())) } else { Ok(value) }
}
