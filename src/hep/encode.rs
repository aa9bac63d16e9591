//! Writes HEP packets at once, byte for byte in the order of Kamailio's stock `siptrace` module. Who has a packet in
//! pieces writes it with [`PacketBuilder`](super::PacketBuilder).

use super::chunk::{CHUNK_HEADER_LENGTH, Chunk, HEADER_LENGTH, kind};
use super::{EncodeError, PAYLOAD_SIP, Packet, Payload, Version, family, v1v2};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The IP protocol that `hlog` names: UDP.
const LOG_IP_PROTOCOL: u8 = 17;

/// Two addresses of one family.
pub(super) enum Pair {
    V4(Ipv4Addr, Ipv4Addr),
    V6(Ipv6Addr, Ipv6Addr),
}

impl Pair {
    /// The IPv4 side of a mixed pair is written as an IPv4-mapped IPv6 address, so that such a message is sent too.
    pub fn of(source: SocketAddr, destination: SocketAddr) -> Pair {
        match (source.ip(), destination.ip()) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => Pair::V4(source, destination),
            (source, destination) => Pair::V6(as_v6(source), as_v6(destination)),
        }
    }

    pub fn address_length(&self) -> usize {
        match self {
            Pair::V4(..) => 4,
            Pair::V6(..) => 16,
        }
    }

    pub fn family(&self) -> u8 {
        match self {
            Pair::V4(..) => family::IPV4,
            Pair::V6(..) => family::IPV6,
        }
    }
}

/// An address as one of IPv6: an IPv4 one as an IPv4-mapped one.
pub(crate) fn as_v6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

/// The order of the chunks of version 3. The stock module has two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChunkOrder {
    /// The order for traced messages.
    #[default]
    Message,
    /// The order of the script function `hlog`: the destination port before the source port, 17 (UDP) for the IP
    /// protocol whatever the packet says, and a correlation id even when it is empty.
    Log,
}

/// What [`encode_with`] writes beyond the packet itself. Versions 1 and 2 have no place for any of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct EncodeOptions<'a> {
    /// Name of the capture agent (HEP chunk 0x0013, behind the capture agent's number); `None` or empty: no such chunk.
    pub node_name: Option<&'a [u8]>,
    /// Order of the chunks.
    pub order: ChunkOrder,
}

/// Appends `packet` to `out` in the form of `version`, as [`encode_with`] does with its default options.
///
/// # Errors
/// As those of [`encode_with`].
pub fn encode(packet: &Packet<'_>, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    encode_with(packet, version, &EncodeOptions::default(), out)
}

/// Appends `packet` to `out` in the form of `version`; `packet.version` and `packet.trailing` are not used.
///
/// * Version 3 writes the chunks in this order: family, IP protocol, source and destination address, source and
///   destination port, seconds, microseconds, payload type, capture agent, its name, correlation id, authentication
///   key, payload. Fields that are `None` or empty are left out, except the payload. [`ChunkOrder::Log`] is the other
///   order.
/// * Version 2 writes the low 16 bits of the capture agent, 0 for none, and 0 seconds for no time; no correlation id
///   and no key.
/// * Version 1 writes addresses, ports and payload alone.
///
/// Nothing is allocated when `out` has room.
///
/// # Errors
/// `out` is as it was when the packet is too long, its time does not fit, or the version has no place for its payload.
pub fn encode_with(
    packet: &Packet<'_>,
    version: Version,
    options: &EncodeOptions<'_>,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let pair = Pair::of(packet.source, packet.destination);
    match version {
        Version::V3 => encode_v3(packet, &pair, options, out),
        Version::V1 | Version::V2 => encode_v1v2(packet, &pair, version, out),
    }
}

fn encode_v3(
    packet: &Packet<'_>,
    pair: &Pair,
    options: &EncodeOptions<'_>,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let is_log = options.order == ChunkOrder::Log;
    let time = packet.time_us.map(seconds_and_microseconds).transpose()?;
    let node_name = options.node_name.filter(|name| !name.is_empty());
    let correlation_id = match packet.correlation_id.unwrap_or_default() {
        [] if !is_log => None,
        id => Some(id),
    };
    let auth_key = packet.auth_key.filter(|key| !key.is_empty());
    let (payload_kind, payload) = match packet.payload {
        Payload::Plain(bytes) => (kind::PAYLOAD, bytes),
        Payload::Compressed(bytes) => (kind::COMPRESSED_PAYLOAD, bytes),
    };
    let chunk = |body: usize| CHUNK_HEADER_LENGTH + body;
    let total = HEADER_LENGTH
        + 3 * chunk(1)
        + 2 * chunk(pair.address_length())
        + 2 * chunk(2)
        + time.map_or(0, |_| 2 * chunk(4))
        + packet.agent_id.map_or(0, |_| chunk(4))
        + node_name.map_or(0, |name| chunk(name.len()))
        + correlation_id.map_or(0, |id| chunk(id.len()))
        + auth_key.map_or(0, |key| chunk(key.len()))
        + chunk(payload.len());
    let total_field = u16::try_from(total).map_err(|_| EncodeError::TooLong(total))?;

    out.reserve(total);
    out.extend_from_slice(b"HEP3");
    out.extend_from_slice(&total_field.to_be_bytes());
    put_addresses(packet, pair, is_log, out);
    if let Some((seconds, microseconds)) = time {
        put(out, kind::SECONDS, &seconds.to_be_bytes());
        put(out, kind::MICROSECONDS, &microseconds.to_be_bytes());
    }
    put(out, kind::PAYLOAD_TYPE, &[packet.payload_type]);
    if let Some(agent_id) = packet.agent_id {
        put(out, kind::AGENT_ID, &agent_id.to_be_bytes());
    }
    let texts = [(kind::NODE_NAME, node_name), (kind::CORRELATION_ID, correlation_id), (kind::AUTH_KEY, auth_key)];
    for (kind, text) in texts {
        if let Some(text) = text {
            put(out, kind, text);
        }
    }
    put(out, payload_kind, payload);
    Ok(())
}

/// Appends the chunks that say how the message travelled: family, IP protocol, addresses, ports.
fn put_addresses(packet: &Packet<'_>, pair: &Pair, is_log: bool, out: &mut Vec<u8>) {
    put(out, kind::FAMILY, &[pair.family()]);
    put(out, kind::IP_PROTOCOL, &[if is_log { LOG_IP_PROTOCOL } else { packet.ip_protocol }]);
    put_pair(pair, out);
    if is_log {
        put(out, kind::DESTINATION_PORT, &packet.destination.port().to_be_bytes());
    }
    put(out, kind::SOURCE_PORT, &packet.source.port().to_be_bytes());
    if !is_log {
        put(out, kind::DESTINATION_PORT, &packet.destination.port().to_be_bytes());
    }
}

/// Appends the chunks of two addresses.
pub(super) fn put_pair(pair: &Pair, out: &mut Vec<u8>) {
    match pair {
        Pair::V4(source, destination) => {
            put(out, kind::SOURCE_IP4, &source.octets());
            put(out, kind::DESTINATION_IP4, &destination.octets());
        }
        Pair::V6(source, destination) => {
            put(out, kind::SOURCE_IP6, &source.octets());
            put(out, kind::DESTINATION_IP6, &destination.octets());
        }
    }
}

/// Appends a generic chunk, as [`put_chunk`] does.
pub(super) fn put(out: &mut Vec<u8>, kind: u16, body: &[u8]) {
    put_chunk(out, &Chunk { vendor: 0, kind, body });
}

/// Appends a chunk. The body fits its length field, since the whole packet fits its own.
pub(super) fn put_chunk(out: &mut Vec<u8>, chunk: &Chunk<'_>) {
    let length = (CHUNK_HEADER_LENGTH + chunk.body.len()) as u16;
    for field in [chunk.vendor, chunk.kind, length] {
        out.extend_from_slice(&field.to_be_bytes());
    }
    out.extend_from_slice(chunk.body);
}

fn encode_v1v2(packet: &Packet<'_>, pair: &Pair, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let Payload::Plain(payload) = packet.payload else { return Err(EncodeError::CompressedNeedsV3) };
    if packet.payload_type != PAYLOAD_SIP {
        return Err(EncodeError::TypeNeedsV3(packet.payload_type));
    }
    let time = match (version, packet.time_us) {
        (Version::V2, Some(time_us)) => Some(seconds_and_microseconds(time_us)?),
        _ => None,
    };
    let total = fixed_length(version, pair) + payload.len();
    if total > usize::from(u16::MAX) {
        return Err(EncodeError::TooLong(total));
    }

    out.reserve(total);
    let ports = [packet.source.port(), packet.destination.port()];
    put_fixed(version, packet.ip_protocol, ports, pair, out);
    if version == Version::V2 {
        put_time(time.unwrap_or((0, 0)), packet.agent_id.unwrap_or(0), out);
    }
    out.extend_from_slice(payload);
    Ok(())
}

/// Bytes of versions 1 and 2 in front of the payload.
fn fixed_length(version: Version, pair: &Pair) -> usize {
    let time_length = if version == Version::V2 { v1v2::TIME_LENGTH } else { 0 };
    v1v2::FIXED_LENGTH + 2 * pair.address_length() + time_length
}

/// Appends what versions 1 and 2 begin with; `ports` are those of source and destination.
pub(super) fn put_fixed(version: Version, ip_protocol: u8, ports: [u16; 2], pair: &Pair, out: &mut Vec<u8>) {
    let header_length = v1v2::FIXED_LENGTH + 2 * pair.address_length();
    out.extend_from_slice(&[version.number(), header_length as u8, pair.family(), ip_protocol]);
    ports.iter().for_each(|port| out.extend_from_slice(&port.to_be_bytes()));
    match pair {
        Pair::V4(source, destination) => {
            out.extend_from_slice(&source.octets());
            out.extend_from_slice(&destination.octets());
        }
        Pair::V6(source, destination) => {
            out.extend_from_slice(&source.octets());
            out.extend_from_slice(&destination.octets());
        }
    }
}

/// Appends what version 2 has behind the addresses: the time in seconds and microseconds, and the low 16 bits of the
/// capture agent.
pub(super) fn put_time((seconds, microseconds): (u32, u32), agent_id: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(&seconds.to_le_bytes());
    out.extend_from_slice(&microseconds.to_le_bytes());
    out.extend_from_slice(&(agent_id as u16).to_le_bytes());
    out.extend_from_slice(&[0, 0]);
}

pub(super) fn seconds_and_microseconds(time_us: i64) -> Result<(u32, u32), EncodeError> {
    let seconds = u32::try_from(time_us.div_euclid(1_000_000)).map_err(|_| EncodeError::TimeOutOfRange(time_us))?;
    Ok((seconds, time_us.rem_euclid(1_000_000) as u32))
}
