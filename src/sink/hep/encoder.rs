//! Packets to frames: the bytes of a few packets at a time, in buffers that are used again and again.

use super::address::parse_address;
use super::destination::CollectorTransport;
use super::options::CollectorOptions;
use super::outgoing::{Origin, Outgoing, OutgoingMessage};
use crate::capture::Transport;
use crate::hep::{self, EncodeError, EncodeOptions, Packet, Payload, Version};
use flate2::{Compress, Compression, FlushCompress, Status};
use std::net::SocketAddr;

/// Most packets of a group: the kernel is asked once for all of them.
pub(super) const GROUP_PACKETS: usize = 64;
/// A group takes no further packet when it has this many bytes.
const GROUP_BYTES: usize = 64 * 1024;

/// Frames one behind the other.
#[derive(Default)]
pub(super) struct Frames {
    /// The bytes of all frames.
    pub bytes: Vec<u8>,
    /// Where each frame ends in `bytes`.
    pub ends: Vec<usize>,
}

impl Frames {
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Where frame number `at` begins in `bytes`, or would.
    pub fn start(&self, at: usize) -> usize {
        at.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0)
    }

    /// The bytes of each frame from number `first` on.
    pub fn from(&self, first: usize) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).skip(first).filter_map(|(start, end)| self.bytes.get(start..*end))
    }
}

/// The encoded form of a few packets that follow one another.
#[derive(Default)]
pub(super) struct PacketGroup {
    pub frames: Frames,
    /// Which packet each frame is.
    pub packets: Vec<usize>,
    /// Packets that have no form, with the reason.
    pub refused: Vec<(usize, EncodeError)>,
    /// The first packet behind the group.
    pub end: usize,
}

/// The way to a collector: its two ends stand in packets that name none of their own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    pub local: SocketAddr,
    pub peer: SocketAddr,
    pub transport: CollectorTransport,
}

impl Ends {
    /// Where a packet of this origin came from.
    fn source(&self, origin: Origin<'_>) -> SocketAddr {
        match origin {
            Origin::Address(address) => address,
            Origin::Sockets(sockets) => self.fitting(sockets).unwrap_or(self.local),
            Origin::SocketTexts(texts) => self.fitting(texts.split(' ').filter_map(read_socket)).unwrap_or(self.local),
        }
    }

    /// The address of the first of the host's sockets that this way could begin at.
    fn fitting(&self, mut sockets: impl Iterator<Item = (Transport, SocketAddr)>) -> Option<SocketAddr> {
        let own = match self.transport {
            CollectorTransport::Udp => Transport::Udp,
            CollectorTransport::Tcp => Transport::Tcp,
            CollectorTransport::Tls => Transport::Tls,
        };
        let fits = |(transport, address): &(Transport, SocketAddr)| {
            *transport == Transport::UNKNOWN || (*transport == own && address.is_ipv4() == self.peer.is_ipv4())
        };
        sockets.find(fits).map(|(_, address)| address)
    }
}

/// A socket as earlier builds wrote it.
fn read_socket(text: &str) -> Option<(Transport, SocketAddr)> {
    let (_, address) = parse_address(text).ok()?;
    let transport = match text.split_once(':')?.0 {
        "any" => Transport::UNKNOWN,
        "udp" => Transport::Udp,
        "tcp" => Transport::Tcp,
        "tls" => Transport::Tls,
        _ => return None,
    };
    Some((transport, address))
}

/// Writes packets as a collector is to get them.
pub(super) struct Encoder {
    version: Version,
    capture_id: u32,
    auth_key: Option<Vec<u8>>,
    node_name: Option<Vec<u8>>,
    compressor: Option<Compressor>,
    pub group: PacketGroup,
}

impl Encoder {
    pub fn new(options: &CollectorOptions) -> Encoder {
        Encoder {
            version: options.version,
            capture_id: options.capture_id,
            auth_key: options.auth_key.as_ref().map(|key| key.bytes().to_vec()),
            node_name: options.node_name.clone(),
            compressor: options.compress.then(Compressor::new),
            group: PacketGroup::default(),
        }
    }

    /// Makes `group` of the packets from `first` on. Allocates only while the buffers grow.
    pub fn encode(&mut self, packets: &[Outgoing<'_>], first: usize, ends: Ends) {
        self.group.frames.clear();
        self.group.packets.clear();
        self.group.refused.clear();
        self.group.end = first;
        for packet in packets.iter().skip(first).take(GROUP_PACKETS) {
            if self.group.frames.bytes.len() >= GROUP_BYTES {
                break;
            }
            self.encode_one(packet, self.group.end, ends);
            self.group.end += 1;
        }
    }

    fn encode_one(&mut self, outgoing: &Outgoing<'_>, at: usize, ends: Ends) {
        let encoded = match outgoing {
            Outgoing::Message(message) => self.encode_message(message, ends),
            Outgoing::Packet(packet) => {
                self.group.frames.bytes.extend_from_slice(packet);
                Ok(())
            }
        };
        let PacketGroup { frames, packets, refused, .. } = &mut self.group;
        match encoded {
            Ok(()) => {
                frames.ends.push(frames.bytes.len());
                packets.push(at);
            }
            Err(error) => refused.push((at, error)),
        }
    }

    fn encode_message(&mut self, outgoing: &OutgoingMessage<'_>, ends: Ends) -> Result<(), EncodeError> {
        let version = outgoing.version_override.unwrap_or(self.version);
        let compressed = match &mut self.compressor {
            Some(compressor) if version == Version::V3 => compressor.compress(outgoing.payload),
            _ => None,
        };
        let packet = Packet {
            version,
            source: ends.source(outgoing.from),
            destination: outgoing.to.unwrap_or(ends.peer),
            ip_protocol: outgoing.ip_protocol,
            payload_type: outgoing.payload_type,
            time_us: Some(outgoing.time_us),
            agent_id: Some(self.capture_id),
            correlation_id: outgoing.correlation_id,
            auth_key: self.auth_key.as_deref(),
            payload: compressed.map_or(Payload::Plain(outgoing.payload), Payload::Compressed),
            trailing: 0,
        };
        let options = EncodeOptions { node_name: self.node_name.as_deref(), order: outgoing.order };
        hep::encode_with(&packet, version, &options, &mut self.group.frames.bytes)
    }
}

/// zlib, with a state and a buffer that are used again for each payload.
struct Compressor {
    stream: Compress,
    compressed: Vec<u8>,
}

impl Compressor {
    fn new() -> Compressor {
        Compressor { stream: Compress::new(Compression::fast(), true), compressed: Vec::new() }
    }

    /// The compressed form of `payload`, if it is smaller.
    fn compress(&mut self, payload: &[u8]) -> Option<&[u8]> {
        self.stream.reset();
        self.compressed.clear();
        self.compressed.reserve(payload.len());
        let status = self.stream.compress_vec(payload, &mut self.compressed, FlushCompress::Finish);
        let is_whole = matches!(status, Ok(Status::StreamEnd));
        (is_whole && self.compressed.len() < payload.len()).then_some(self.compressed.as_slice())
    }
}
