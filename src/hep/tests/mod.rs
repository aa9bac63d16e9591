//! Tests of the codec, and the packets that they share.

mod builder;
mod encode_options;
mod inflating;
mod properties;
mod v1v2_rules;
mod v3_rules;

use super::{Packet, Payload, Version};

/// A SIP message, long enough to be one.
pub const OPTIONS: &[u8] = b"OPTIONS sip:bob@example.com SIP/2.0\r\nCall-ID: 1\r\nContent-Length: 0\r\n\r\n";

/// A packet with every field, IPv4.
pub fn full() -> Packet<'static> {
    Packet {
        version: Version::V3,
        source: "192.0.2.1:5060".parse().unwrap(),
        destination: "198.51.100.2:5070".parse().unwrap(),
        ip_protocol: 17,
        payload_type: 1,
        time_us: Some(1_700_000_000_123_456),
        agent_id: Some(2001),
        correlation_id: Some(b"leg-a"),
        auth_key: Some(b"secret"),
        payload: Payload::Plain(OPTIONS),
        trailing: 0,
    }
}

/// The same packet between IPv6 addresses.
pub fn full_ip6() -> Packet<'static> {
    Packet {
        source: "[2001:db8::1]:5060".parse().unwrap(),
        destination: "[2001:db8::2]:5061".parse().unwrap(),
        ..full()
    }
}

/// The bytes of a chunk.
pub fn chunk(vendor: u16, kind: u16, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(vendor.to_be_bytes());
    bytes.extend(kind.to_be_bytes());
    bytes.extend((body.len() as u16 + 6).to_be_bytes());
    bytes.extend(body);
    bytes
}

/// The bytes of a version 3 packet of these chunks, with the right total length.
pub fn packet(magic: &[u8; 4], chunks: &[Vec<u8>]) -> Vec<u8> {
    let body = chunks.concat();
    let mut bytes = magic.to_vec();
    bytes.extend((body.len() as u16 + 6).to_be_bytes());
    bytes.extend(body);
    bytes
}

/// The generic chunks of a good packet, in the order of their numbers.
pub fn good_chunks() -> Vec<(u16, Vec<u8>)> {
    vec![
        (1, vec![2]),
        (2, vec![17]),
        (3, vec![192, 0, 2, 1]),
        (4, vec![198, 51, 100, 2]),
        (7, vec![0x13, 0xc4]),
        (8, vec![0x13, 0xce]),
        (9, 1_700_000_000u32.to_be_bytes().to_vec()),
        (10, 123_456u32.to_be_bytes().to_vec()),
        (11, vec![1]),
        (12, 2001u32.to_be_bytes().to_vec()),
        (14, b"secret".to_vec()),
        (15, OPTIONS.to_vec()),
        (17, b"leg-a".to_vec()),
    ]
}

/// A good packet whose chunks `change` has changed.
pub fn changed(change: impl FnOnce(&mut Vec<(u16, Vec<u8>)>)) -> Vec<u8> {
    let mut chunks = good_chunks();
    change(&mut chunks);
    packet(b"HEP3", &chunks.iter().map(|(kind, body)| chunk(0, *kind, body)).collect::<Vec<_>>())
}

/// A good packet with the body of one chunk replaced; a chunk that it does not have is put at the end.
pub fn with(kind: u16, body: &[u8]) -> Vec<u8> {
    changed(|chunks| match chunks.iter_mut().find(|chunk| chunk.0 == kind) {
        Some(chunk) => chunk.1 = body.to_vec(),
        None => chunks.push((kind, body.to_vec())),
    })
}

/// A good packet that lacks these chunks.
pub fn without(kinds: &[u16]) -> Vec<u8> {
    changed(|chunks| chunks.retain(|chunk| !kinds.contains(&chunk.0)))
}
