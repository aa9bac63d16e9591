//! HEP packets: decoding, chunks, inflating, and the way back.

use super::lies_in;
use sipcapture_core::hep::{
    Chunks, EncodeError, INFLATED_LIMIT, Packet, PacketBuilder, PacketHead, Payload, Version, decode, encode, inflate,
    kind, looks_like_hep,
};

/// Takes `datagram` for a HEP packet, and for a compressed payload.
pub fn run(datagram: &[u8]) {
    walk_chunks(datagram);
    let looks = looks_like_hep(datagram);
    match decode(datagram) {
        Ok(packet) => {
            assert!(looks || packet.version != Version::V3, "decoded, but does not look like HEP");
            stays_within(&packet, datagram);
            if let Payload::Compressed(compressed) = packet.payload {
                inflates_within_limits(compressed);
            }
            for version in [Version::V1, Version::V2, Version::V3] {
                reads_back(&packet, version);
            }
            reads_back_in_pieces(&packet, datagram);
        }
        Err(error) => assert!(!error.reason().is_empty() && !error.to_string().is_empty()),
    }
    inflates_within_limits(datagram);
}

fn walk_chunks(datagram: &[u8]) {
    let Ok(chunks) = Chunks::new(datagram) else { return };
    let mut read = 6;
    for chunk in chunks.clone() {
        let Ok(chunk) = chunk else { return };
        assert!(lies_in(chunk.body, datagram));
        read += 6 + chunk.body.len();
    }
    assert_eq!(read + chunks.trailing(), datagram.len(), "chunks and the rest make up the datagram");
}

fn stays_within(packet: &Packet<'_>, datagram: &[u8]) {
    let (Payload::Plain(payload) | Payload::Compressed(payload)) = packet.payload;
    for part in [packet.correlation_id.unwrap_or_default(), packet.auth_key.unwrap_or_default(), payload] {
        assert!(lies_in(part, datagram));
    }
    assert!(packet.trailing <= datagram.len());
    assert_eq!(packet.source.is_ipv4(), packet.destination.is_ipv4());
    assert!(packet.correlation_id != Some(b"") && packet.auth_key != Some(b""));
}

/// What is encoded again decodes to the same packet, as far as the version has a place for it.
fn reads_back(packet: &Packet<'_>, version: Version) {
    let mut bytes = b"before".to_vec();
    match encode(packet, version, &mut bytes) {
        Ok(()) => {}
        Err(error) => {
            assert_eq!(bytes, b"before", "{error}");
            let allowed = match error {
                EncodeError::TooLong(total) => total > usize::from(u16::MAX),
                EncodeError::TimeOutOfRange(_) => version != Version::V1,
                EncodeError::CompressedNeedsV3 => matches!(packet.payload, Payload::Compressed(_)),
                EncodeError::TypeNeedsV3(number) => number != 1 && version != Version::V3,
                EncodeError::ChunkNeedsV3(_) | EncodeError::NotBegun => false,
            };
            assert!(allowed, "{error}");
            return;
        }
    }
    let sent = &bytes[b"before".len()..];
    // The version byte alone is no sign for versions 1 and 2: an odd IP protocol leaves two of three.
    assert!(looks_like_hep(sent), "{sent:02x?}");
    let expected = match version {
        Version::V1 => Packet {
            version,
            time_us: None,
            agent_id: None,
            correlation_id: None,
            auth_key: None,
            trailing: 0,
            ..*packet
        },
        Version::V2 => Packet {
            version,
            agent_id: Some(packet.agent_id.unwrap_or(0) & 0xffff),
            correlation_id: None,
            auth_key: None,
            trailing: 0,
            ..*packet
        },
        Version::V3 => Packet { version, trailing: 0, ..*packet },
    };
    assert_eq!(decode(sent), Ok(expected));
}

/// What is written in pieces, with every chunk that is neither of the head nor the payload, decodes to the same packet.
fn reads_back_in_pieces(packet: &Packet<'_>, datagram: &[u8]) {
    let head = PacketHead {
        version: packet.version,
        source: packet.source,
        destination: packet.destination,
        ip_protocol: packet.ip_protocol,
        payload_type: packet.payload_type,
        time_us: packet.time_us.unwrap_or(0),
        agent_id: packet.agent_id.unwrap_or(0),
    };
    let mut builder = PacketBuilder::default();
    let further = Chunks::new(datagram).into_iter().flatten().flatten().filter(|chunk| {
        chunk.vendor != 0 || !matches!(chunk.kind, 0..=kind::AGENT_ID | kind::PAYLOAD | kind::COMPRESSED_PAYLOAD)
    });
    let begun = builder.begin(&head).and_then(|()| further.clone().try_for_each(|chunk| builder.add(&chunk)));
    match begun.and_then(|()| builder.finish(packet.payload)) {
        // The draft of 2013 numbers two chunks otherwise.
        Ok(_) if datagram.starts_with(b"EEP1") => {}
        Ok(bytes) => {
            let agent_id = if packet.version == Version::V1 { None } else { Some(head.agent_id) };
            assert_eq!(decode(bytes), Ok(Packet { trailing: 0, agent_id, ..*packet }));
        }
        // The chunks that it has anew make it longer, and its microseconds may be more than a second.
        Err(EncodeError::TooLong(total)) => assert!(total > usize::from(u16::MAX)),
        Err(EncodeError::TimeOutOfRange(time_us)) => assert_eq!(Some(time_us), packet.time_us),
        Err(error) => panic!("{error}"),
    }
}

fn inflates_within_limits(compressed: &[u8]) {
    let mut out = b"old".to_vec();
    match inflate(compressed, &mut out) {
        Ok(()) => assert!(out.len() <= INFLATED_LIMIT),
        Err(error) => assert!(out.is_empty() && !error.reason().is_empty()),
    }
}
