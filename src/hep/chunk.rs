//! Chunks of version 3: their numbers, and an iterator that never reads past the packet.

use super::DecodeError;

/// Bytes of the version 3 header: four of magic, two of total length.
pub const HEADER_LENGTH: usize = 6;
/// Bytes of a chunk's header: vendor, type and length, two each.
pub const CHUNK_HEADER_LENGTH: usize = 6;

/// Chunk types of the generic vendor (HEP3 Network Protocol Specification, rev 37).
pub mod kind {
    /// IP family, u8.
    pub const FAMILY: u16 = 0x0001;
    /// IP protocol number, u8.
    pub const IP_PROTOCOL: u16 = 0x0002;
    /// IPv4 source address.
    pub const SOURCE_IP4: u16 = 0x0003;
    /// IPv4 destination address.
    pub const DESTINATION_IP4: u16 = 0x0004;
    /// IPv6 source address.
    pub const SOURCE_IP6: u16 = 0x0005;
    /// IPv6 destination address.
    pub const DESTINATION_IP6: u16 = 0x0006;
    /// Source port, u16.
    pub const SOURCE_PORT: u16 = 0x0007;
    /// Destination port, u16.
    pub const DESTINATION_PORT: u16 = 0x0008;
    /// Seconds since the Unix epoch, u32.
    pub const SECONDS: u16 = 0x0009;
    /// Microseconds of the second, u32.
    pub const MICROSECONDS: u16 = 0x000a;
    /// Payload type, u8: 1 is SIP.
    pub const PAYLOAD_TYPE: u16 = 0x000b;
    /// Capture agent id, u32.
    pub const AGENT_ID: u16 = 0x000c;
    /// Keep-alive timer, u16 seconds.
    pub const KEEP_ALIVE: u16 = 0x000d;
    /// Authentication key of the agent.
    pub const AUTH_KEY: u16 = 0x000e;
    /// Payload as it was captured.
    pub const PAYLOAD: u16 = 0x000f;
    /// Payload compressed with zlib, gzip or raw deflate.
    pub const COMPRESSED_PAYLOAD: u16 = 0x0010;
    /// Correlation id.
    pub const CORRELATION_ID: u16 = 0x0011;
    /// VLAN id, u16.
    pub const VLAN_ID: u16 = 0x0012;
    /// Name of the capture agent.
    pub const NODE_NAME: u16 = 0x0013;
    /// Source MAC address, u64.
    pub const SOURCE_MAC: u16 = 0x0014;
    /// Destination MAC address, u64.
    pub const DESTINATION_MAC: u16 = 0x0015;
    /// Ethernet type, u16.
    pub const ETHER_TYPE: u16 = 0x0016;
    /// TCP flags, u8.
    pub const TCP_FLAGS: u16 = 0x0017;
    /// IP type of service, u8.
    pub const IP_TOS: u16 = 0x0018;
    /// Mean opinion score, u16.
    pub const MOS: u16 = 0x0020;
    /// R-factor, u16.
    pub const R_FACTOR: u16 = 0x0021;
    /// Place of the agent.
    pub const GEO_LOCATION: u16 = 0x0022;
    /// Jitter, u32.
    pub const JITTER: u16 = 0x0023;
    /// Transaction type: call, registration.
    pub const TRANSACTION_TYPE: u16 = 0x0024;
    /// JSON keys of the payload.
    pub const PAYLOAD_JSON_KEYS: u16 = 0x0025;
    /// Tags.
    pub const TAGS: u16 = 0x0026;
    /// Tag type, u16.
    pub const TAG_TYPE: u16 = 0x0027;
    /// Event type, u16: 1 recording, 2 recording by law.
    pub const EVENT_TYPE: u16 = 0x0028;
    /// Group id.
    pub const GROUP_ID: u16 = 0x0029;
}

/// One chunk of a version 3 packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk<'a> {
    /// Vendor number; 0 is generic, and [`kind`] numbers its types.
    pub vendor: u16,
    /// Chunk type.
    pub kind: u16,
    /// What follows the chunk's header.
    pub body: &'a [u8],
}

/// The chunks of a version 3 packet, in wire order. The first error ends the iteration.
#[derive(Clone, Debug)]
pub struct Chunks<'a> {
    left: &'a [u8],
    trailing: usize,
    eep1: bool,
}

impl<'a> Chunks<'a> {
    /// Reads the header of `datagram`: its magic, and its total length, which may be shorter than the datagram (the
    /// rest is [`trailing`](Chunks::trailing)), but not longer.
    ///
    /// # Errors
    /// [`DecodeError::BadMagic`], [`DecodeError::Truncated`], [`DecodeError::BadTotalLength`].
    pub fn new(datagram: &'a [u8]) -> Result<Chunks<'a>, DecodeError> {
        let received = datagram.len();
        let Some((magic, behind_magic)) = datagram.split_first_chunk::<4>() else { return Err(DecodeError::BadMagic) };
        if !is_magic(magic) {
            return Err(DecodeError::BadMagic);
        }
        let Some((length, body)) = behind_magic.split_first_chunk::<2>() else {
            return Err(DecodeError::Truncated { needed: HEADER_LENGTH, received });
        };
        let total = u16::from_be_bytes(*length);
        let Some(chunk_bytes) = usize::from(total).checked_sub(HEADER_LENGTH) else {
            return Err(DecodeError::BadTotalLength(total));
        };
        let Some((left, rest)) = body.split_at_checked(chunk_bytes) else {
            return Err(DecodeError::Truncated { needed: usize::from(total), received });
        };
        Ok(Chunks { left, trailing: rest.len(), eep1: magic == b"EEP1" })
    }

    /// Bytes of the datagram behind the packet's own length.
    pub fn trailing(&self) -> usize {
        self.trailing
    }

    /// Whether the packet has the magic of the 2013 draft, which numbers two chunks differently.
    pub fn is_eep1(&self) -> bool {
        self.eep1
    }

    fn step(&mut self) -> Result<Chunk<'a>, DecodeError> {
        let Some((header, body)) = self.left.split_first_chunk::<CHUNK_HEADER_LENGTH>() else {
            return Err(DecodeError::ChunkHeaderCut(self.left.len()));
        };
        let field = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        let (vendor, kind, length) = (field(0), field(2), field(4));
        let Some(body_length) = usize::from(length).checked_sub(CHUNK_HEADER_LENGTH) else {
            return Err(DecodeError::BadChunkLength { kind, length });
        };
        let Some((body, left)) = body.split_at_checked(body_length) else {
            return Err(DecodeError::ChunkPastEnd { kind, length, left: self.left.len() });
        };
        self.left = left;
        Ok(Chunk { vendor, kind, body })
    }
}

impl<'a> Iterator for Chunks<'a> {
    type Item = Result<Chunk<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left.is_empty() {
            return None;
        }
        let step = self.step();
        if step.is_err() {
            self.left = &[];
        }
        Some(step)
    }
}

/// Whether these four bytes open a version 3 packet. `EEP3` stands in a heading of the specification, `EEP1` in the
/// draft of 2013; both are sent.
pub(super) fn is_magic(magic: &[u8; 4]) -> bool {
    matches!(magic, b"HEP3" | b"EEP1" | b"EEP3")
}
