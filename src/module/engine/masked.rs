//! What is written over before bytes leave a worker: the secrets of a SIP message, or of the one inside a HEP packet.
//! Called by what queues captures and by what is sent on.

use crate::hep::{self, Chunk, Chunks, DecodeError, HEADER_LENGTH, InflateError, Payload, Version, kind};
use crate::sip::Masks;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use std::io::Write as _;
use std::ops::Range;

/// Why a HEP packet's secrets cannot be written over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unmaskable {
    /// It cannot be read.
    #[error("the packet cannot be read: {0}")]
    Packet(#[from] DecodeError),
    /// Its payload cannot.
    #[error("the payload cannot be read: {0}")]
    Payload(#[from] InflateError),
    /// It does not fit its length any more, once its payload is compressed anew.
    #[error("the packet has no room for its payload, compressed anew")]
    TooLong,
}

/// Writes `bytes`, a message or a HEP packet, without the secrets that `masks` tells into `out`, in place of what was
/// there. A message keeps its length. Of a packet the chunks keep their order and content, but for the payload; a
/// compressed one that has a secret is compressed anew, and what stands behind the packet's own length is left out.
///
/// # Errors
/// A packet that cannot be read is refused: nobody knows what is in it. `out` is empty then.
pub(in crate::module) fn write(masks: &Masks, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Unmaskable> {
    if hep::version_of(bytes).is_some() && hep::looks_like_hep(bytes) {
        return write_packet(masks, bytes, out);
    }
    write_text(masks, bytes, out);
    Ok(())
}

/// The same of what is known to be a HEP packet, whatever it looks like.
pub(in crate::module) fn write_packet(masks: &Masks, packet: &[u8], out: &mut Vec<u8>) -> Result<(), Unmaskable> {
    out.clear();
    let written = match hep::version_of(packet) {
        Some(Version::V3) => write_chunks(masks, packet, out),
        Some(Version::V1 | Version::V2) | None => write_fixed(masks, packet, out),
    };
    if written.is_err() {
        out.clear();
    }
    written
}

/// The same of a text that a script has made: whatever it begins with, it is no packet.
pub(in crate::module) fn write_text(masks: &Masks, text: &[u8], out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(text);
    masks.apply(out);
}

fn write_fixed(masks: &Masks, packet: &[u8], out: &mut Vec<u8>) -> Result<(), Unmaskable> {
    let length = match hep::decode(packet)?.payload {
        Payload::Plain(payload) | Payload::Compressed(payload) => payload.len(),
    };
    out.extend_from_slice(packet);
    masks.apply(&mut out[packet.len() - length..]);
    Ok(())
}

fn write_chunks(masks: &Masks, packet: &[u8], out: &mut Vec<u8>) -> Result<(), Unmaskable> {
    let mut chunks = Chunks::new(packet)?;
    out.extend_from_slice(&packet[..HEADER_LENGTH]);
    while let Some(chunk) = chunks.next() {
        let chunk = chunk?;
        let start = out.len();
        for field in [chunk.vendor, chunk.kind, 0] {
            out.extend_from_slice(&field.to_be_bytes());
        }
        let body = out.len();
        match chunk {
            Chunk { vendor: 0, kind: kind::PAYLOAD, .. } => {
                out.extend_from_slice(chunk.body);
                masks.apply(&mut out[body..]);
            }
            // In the draft of 2013 the type has another meaning, and four bytes.
            Chunk { vendor: 0, kind: kind::COMPRESSED_PAYLOAD, .. } if !chunks.is_eep1() || chunk.body.len() != 4 => {
                write_compressed(masks, chunk.body, out)?;
            }
            _ => out.extend_from_slice(chunk.body),
        }
        let length = out.len() - start;
        set_length(out, start + 4..body, length)?;
    }
    let length = out.len();
    set_length(out, HEADER_LENGTH - 2..HEADER_LENGTH, length)
}

fn write_compressed(masks: &Masks, compressed: &[u8], out: &mut Vec<u8>) -> Result<(), Unmaskable> {
    let mut payload = Vec::new();
    hep::inflate(compressed, &mut payload)?;
    let sent = payload.clone();
    masks.apply(&mut payload);
    if payload == sent {
        out.extend_from_slice(compressed);
        return Ok(());
    }
    let mut encoder = ZlibEncoder::new(out, Compression::fast());
    encoder.write_all(&payload).and_then(|()| encoder.finish().map(drop)).map_err(|_| Unmaskable::TooLong)
}

fn set_length(out: &mut [u8], at: Range<usize>, length: usize) -> Result<(), Unmaskable> {
    let length = u16::try_from(length).map_err(|_| Unmaskable::TooLong)?;
    out[at].copy_from_slice(&length.to_be_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hep::{Packet, encode, inflate};
    use proptest::prelude::*;

    const SENT: &[u8] = b"MESSAGE sip:a SIP/2.0\r\nAuthorization: Basic dTpw\r\nTo: <sip:a>\r\n\r\nsecret";
    const MASKED: &[u8] = b"MESSAGE sip:a SIP/2.0\r\nAuthorization: Basic xxxx\r\nTo: <sip:a>\r\n\r\nxxxxxx";

    fn masks() -> Masks {
        Masks { headers: vec![b"Authorization".to_vec()], message_bodies: true }
    }

    fn masked(bytes: &[u8]) -> Result<Vec<u8>, Unmaskable> {
        let mut out = b"old".to_vec();
        let written = write(&masks(), bytes, &mut out);
        assert!(written.is_ok() || out.is_empty());
        written.map(|()| out)
    }

    fn packet(version: Version, payload: Payload<'_>) -> Vec<u8> {
        let packet = Packet {
            version,
            source: "192.0.2.1:5060".parse().unwrap(),
            destination: "192.0.2.2:5061".parse().unwrap(),
            ip_protocol: 17,
            payload_type: hep::PAYLOAD_SIP,
            time_us: (version != Version::V1).then_some(1_700_000_000_000_001),
            agent_id: (version != Version::V1).then_some(7),
            correlation_id: (version == Version::V3).then_some(b"leg"),
            auth_key: None,
            payload,
            trailing: 0,
        };
        let mut bytes = Vec::new();
        encode(&packet, version, &mut bytes).unwrap();
        bytes
    }

    fn deflated(payload: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(payload).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn messages_and_packets_of_every_version_keep_all_but_their_secrets() {
        assert_eq!(masked(SENT).unwrap(), MASKED);
        for version in [Version::V1, Version::V2, Version::V3] {
            assert_eq!(
                masked(&packet(version, Payload::Plain(SENT))).unwrap(),
                packet(version, Payload::Plain(MASKED)),
                "{version:?}"
            );
        }
    }

    #[test]
    fn a_compressed_payload_is_compressed_anew_where_it_has_a_secret() {
        let bytes = masked(&packet(Version::V3, Payload::Compressed(&deflated(SENT)))).unwrap();
        let decoded = hep::decode(&bytes).unwrap();
        let Payload::Compressed(compressed) = decoded.payload else { panic!("{decoded:?}") };
        let mut payload = Vec::new();
        inflate(compressed, &mut payload).unwrap();
        assert_eq!((&payload[..], decoded.correlation_id, decoded.trailing), (MASKED, Some(&b"leg"[..]), 0));
        let harmless = packet(Version::V3, Payload::Compressed(&deflated(MASKED)));
        assert_eq!(masked(&harmless).unwrap(), harmless);
    }

    #[test]
    fn every_payload_of_a_packet_is_masked_and_what_is_behind_it_is_left_out() {
        let one = packet(Version::V3, Payload::Plain(SENT));
        let mut twice = [&one[..], &one[HEADER_LENGTH..]].concat();
        let length = u16::try_from(twice.len()).unwrap();
        twice[4..6].copy_from_slice(&length.to_be_bytes());
        twice.extend_from_slice(SENT);
        let masked = masked(&twice).unwrap();
        assert_eq!(masked.len(), usize::from(length));
        assert_eq!(masked.windows(MASKED.len()).filter(|window| *window == MASKED).count(), 2);
        assert!(!masked.windows(6).any(|window| window == b"secret"));
    }

    #[test]
    fn a_text_is_none_of_the_packets_that_it_looks_like() {
        for magic in ["HEP3", "HEP3 \u{1}", "EEP1", "\u{1}\u{10}\u{2}\u{11}", "\u{2}\u{10}\u{2}\u{11}"] {
            let text = |message: &[u8]| [magic.as_bytes(), b" came\n", message].concat();
            let mut out = b"old".to_vec();
            write_text(&masks(), &text(SENT), &mut out);
            assert_eq!(out, text(MASKED), "{magic:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        let bytes = packet(Version::V3, Payload::Plain(SENT));
        assert!(matches!(masked(&bytes[..bytes.len() - 1]), Err(Unmaskable::Packet(_))));
        let mut damaged = bytes.clone();
        damaged[HEADER_LENGTH + 5] = 5;
        assert!(matches!(masked(&damaged), Err(Unmaskable::Packet(_))));
        assert!(matches!(masked(&packet(Version::V1, Payload::Plain(SENT))[..10]), Err(Unmaskable::Packet(_))));
        let compressed = deflated(SENT);
        let cut = packet(Version::V3, Payload::Compressed(&compressed[..compressed.len() - 1]));
        assert_eq!(masked(&cut), Err(Unmaskable::Payload(InflateError::CutShort)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_written_or_refused(
            magic in prop_oneof![Just(&b"HEP3"[..]), Just(&b"EEP1"[..]), Just(&[1, 16, 2, 17][..]), Just(&[2, 16, 2, 17][..]), Just(&b""[..])],
            rest in proptest::collection::vec(any::<u8>(), 0..80),
        ) {
            let bytes = [magic, &rest].concat();
            if let Ok(out) = masked(&bytes) {
                prop_assert!(out.len() <= bytes.len() || magic == b"HEP3" || magic == b"EEP1");
            }
        }
    }
}
