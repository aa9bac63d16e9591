//! What can be wrong with a HEP packet, received or to be sent.

use thiserror::Error;

/// Why bytes are not a HEP packet that can be captured. There is one variant for each reason;
/// [`reason`](DecodeError::reason) is its name in counters and logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// Neither a version 3 magic nor the version byte of 1 or 2 in front.
    #[error("neither HEP3, EEP1 or EEP3 nor a version byte of 1 or 2 in front")]
    BadMagic,
    /// Fewer bytes than the header needs, or than the version 3 header announces.
    #[error("{received} bytes received where {needed} are needed")]
    Truncated {
        /// Bytes that the header needs or announces.
        needed: usize,
        /// Bytes that are there.
        received: usize,
    },
    /// The total length of version 3 is smaller than its own header.
    #[error("total length {0}, where 6 is the least")]
    BadTotalLength(u16),
    /// Between one and five bytes are left where a chunk should begin.
    #[error("{0} bytes left behind the last chunk, where a chunk header needs 6")]
    ChunkHeaderCut(usize),
    /// A chunk's length is smaller than its own header.
    #[error("chunk {kind:#06x} with length {length}, where 6 is the least")]
    BadChunkLength {
        /// Chunk type.
        kind: u16,
        /// Its length field.
        length: u16,
    },
    /// A chunk's length goes over the end of the packet.
    #[error("chunk {kind:#06x} with length {length}, where {left} bytes are left")]
    ChunkPastEnd {
        /// Chunk type.
        kind: u16,
        /// Its length field.
        length: u16,
        /// Bytes of the packet from the chunk's header on.
        left: usize,
    },
    /// A chunk of a fixed-size type has a body of another size.
    #[error("chunk {kind:#06x} with a body of {found} bytes, where its type has {expected}")]
    BadChunkBody {
        /// Chunk type.
        kind: u16,
        /// Body bytes that the type has.
        expected: usize,
        /// Body bytes that are there.
        found: usize,
    },
    /// A generic chunk of type 0, which no correct sender writes.
    #[error("chunk type 0")]
    NullChunk,
    /// No chunk 0x0002.
    #[error("no IP protocol (chunk 0x0002)")]
    MissingIpProtocol,
    /// No chunk 0x000b.
    #[error("no payload type (chunk 0x000b)")]
    MissingPayloadType,
    /// No chunk 0x0003 or 0x0005.
    #[error("no source address (chunk 0x0003 or 0x0005)")]
    MissingSource,
    /// No chunk 0x0004 or 0x0006.
    #[error("no destination address (chunk 0x0004 or 0x0006)")]
    MissingDestination,
    /// No chunk 0x000f or 0x0010.
    #[error("no payload (chunk 0x000f or 0x0010)")]
    MissingPayload,
    /// The source is of one address family, the destination of the other.
    #[error("source and destination of different address families")]
    FamilyMismatch,
    /// The family byte of version 1 or 2 is neither IPv4 nor IPv6 on any known system.
    #[error("address family {0}, where 2 is IPv4 and 10 IPv6")]
    UnknownFamily(u8),
}

impl DecodeError {
    /// A short name of the reason, the same in every release: for counters and logs.
    pub fn reason(&self) -> &'static str {
        match self {
            DecodeError::BadMagic => "bad_magic",
            DecodeError::Truncated { .. } => "truncated",
            DecodeError::BadTotalLength(_) => "bad_total_length",
            DecodeError::ChunkHeaderCut(_) => "chunk_header_cut",
            DecodeError::BadChunkLength { .. } => "bad_chunk_length",
            DecodeError::ChunkPastEnd { .. } => "chunk_past_end",
            DecodeError::BadChunkBody { .. } => "bad_chunk_body",
            DecodeError::NullChunk => "null_chunk",
            DecodeError::MissingIpProtocol => "missing_ip_protocol",
            DecodeError::MissingPayloadType => "missing_payload_type",
            DecodeError::MissingSource => "missing_source",
            DecodeError::MissingDestination => "missing_destination",
            DecodeError::MissingPayload => "missing_payload",
            DecodeError::FamilyMismatch => "family_mismatch",
            DecodeError::UnknownFamily(_) => "unknown_family",
        }
    }
}

/// Why a packet cannot be written in the version that was asked for. Nothing has been written then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum EncodeError {
    /// The packet would be longer than a HEP length field or a datagram allows.
    #[error("a HEP packet of {0} bytes, where 65535 is the most")]
    TooLong(usize),
    /// Versions 1 and 2 have no compressed payload.
    #[error("a compressed payload needs HEP version 3")]
    CompressedNeedsV3,
    /// Versions 1 and 2 carry SIP alone.
    #[error("payload type {0} needs HEP version 3, the others carry SIP (1) alone")]
    TypeNeedsV3(u8),
    /// Versions 1 and 2 have no chunks.
    #[error("chunk {0:#06x} needs HEP version 3")]
    ChunkNeedsV3(u16),
    /// A packet that is written in pieces was not begun, or could not be written so far.
    #[error("no HEP packet is begun")]
    NotBegun,
    /// The seconds do not fit into the 32 bits that HEP has for them.
    #[error("capture time {0} us, where HEP reaches from 1970 to 2106")]
    TimeOutOfRange(i64),
}
