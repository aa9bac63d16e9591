//! What must hold for every packet, and for every sequence of bytes.

use super::super::{Chunks, DecodeError, Packet, Payload, Version, decode, encode, inflate, looks_like_hep};
use super::{full, full_ip6};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use std::net::{IpAddr, SocketAddr};

/// A packet that owns its bytes.
#[derive(Clone, Debug)]
struct Owned {
    addresses: (IpAddr, IpAddr),
    ports: (u16, u16),
    ip_protocol: u8,
    payload_type: u8,
    time_us: Option<i64>,
    agent_id: Option<u32>,
    correlation_id: Option<Vec<u8>>,
    auth_key: Option<Vec<u8>>,
    payload: Vec<u8>,
    compressed: bool,
}

impl Owned {
    fn packet(&self) -> Packet<'_> {
        Packet {
            version: Version::V3,
            source: SocketAddr::new(self.addresses.0, self.ports.0),
            destination: SocketAddr::new(self.addresses.1, self.ports.1),
            ip_protocol: self.ip_protocol,
            payload_type: self.payload_type,
            time_us: self.time_us,
            agent_id: self.agent_id,
            correlation_id: self.correlation_id.as_deref(),
            auth_key: self.auth_key.as_deref(),
            payload: if self.compressed { Payload::Compressed(&self.payload) } else { Payload::Plain(&self.payload) },
            trailing: 0,
        }
    }
}

fn addresses() -> impl Strategy<Value = (IpAddr, IpAddr)> {
    prop_oneof![
        any::<([u8; 4], [u8; 4])>().prop_map(|(source, destination)| (source.into(), destination.into())),
        any::<([u8; 16], [u8; 16])>().prop_map(|(source, destination)| (source.into(), destination.into())),
    ]
}

fn packets() -> impl Strategy<Value = Owned> {
    (
        (addresses(), any::<(u16, u16)>(), any::<u8>(), any::<u8>()),
        (option::of(1_000_000..4_294_967_296_000_000i64), option::of(any::<u32>())),
        (option::of(vec(any::<u8>(), 1..40)), option::of(vec(any::<u8>(), 1..40))),
        (vec(any::<u8>(), 0..1500), any::<bool>()),
    )
        .prop_map(|(head, (time_us, agent_id), (correlation_id, auth_key), (payload, compressed))| {
            let (addresses, ports, ip_protocol, payload_type) = head;
            Owned {
                addresses,
                ports,
                ip_protocol,
                payload_type,
                time_us,
                agent_id,
                correlation_id,
                auth_key,
                payload,
                compressed,
            }
        })
}

/// Bytes that pass the first checks more often than random ones.
fn hostile_bytes() -> impl Strategy<Value = Vec<u8>> {
    let magic = prop_oneof![
        Just(b"HEP3".to_vec()),
        Just(b"EEP1".to_vec()),
        Just(vec![1, 16, 2, 17]),
        Just(vec![2, 40, 10, 6]),
        Just(vec![])
    ];
    let chunk = (0..3u16, 0..20u16, 0..24u16, vec(any::<u8>(), 0..20)).prop_map(|(vendor, kind, length, body)| {
        [&vendor.to_be_bytes()[..], &kind.to_be_bytes(), &length.to_be_bytes(), &body].concat()
    });
    (magic, 0..400u16, vec(chunk, 0..16))
        .prop_map(|(magic, total, chunks)| [magic, total.to_be_bytes().to_vec(), chunks.concat()].concat())
}

/// Calls every function that reads `bytes`, whatever it answers.
fn ask_everything(bytes: &[u8]) {
    let _ = looks_like_hep(bytes);
    if let Err(error) = decode(bytes) {
        assert!(!error.reason().is_empty() && !error.to_string().is_empty());
    }
    if let Ok(chunks) = Chunks::new(bytes) {
        let read: usize = chunks.clone().flatten().map(|chunk| 6 + chunk.body.len()).sum();
        assert!(read + chunks.trailing() <= bytes.len());
    }
}

proptest! {
    #[test]
    fn version_3_round_trips(owned in packets()) {
        let mut out = Vec::new();
        encode(&owned.packet(), Version::V3, &mut out).unwrap();
        prop_assert!(looks_like_hep(&out));
        prop_assert_eq!(decode(&out), Ok(owned.packet()));
    }

    #[test]
    fn version_2_round_trips(owned in packets()) {
        let sent = Packet { payload_type: 1, payload: Payload::Plain(&owned.payload), ..owned.packet() };
        let mut out = Vec::new();
        encode(&sent, Version::V2, &mut out).unwrap();
        let expected = Packet {
            version: Version::V2,
            agent_id: Some(sent.agent_id.unwrap_or(0) & 0xffff),
            correlation_id: None,
            auth_key: None,
            ..sent
        };
        prop_assert!(looks_like_hep(&out));
        prop_assert_eq!(decode(&out), Ok(expected));
    }

    #[test]
    fn version_1_round_trips(owned in packets()) {
        let sent = Packet { payload_type: 1, payload: Payload::Plain(&owned.payload), ..owned.packet() };
        let mut out = Vec::new();
        encode(&sent, Version::V1, &mut out).unwrap();
        let expected = Packet {
            version: Version::V1,
            time_us: None,
            agent_id: None,
            correlation_id: None,
            auth_key: None,
            ..sent
        };
        prop_assert!(looks_like_hep(&out));
        prop_assert_eq!(decode(&out), Ok(expected));
    }

    #[test]
    fn encoding_appends(owned in packets(), before in vec(any::<u8>(), 0..20)) {
        let mut alone = Vec::new();
        encode(&owned.packet(), Version::V3, &mut alone).unwrap();
        let mut out = before.clone();
        encode(&owned.packet(), Version::V3, &mut out).unwrap();
        prop_assert_eq!(out, [before, alone].concat());
    }

    #[test]
    fn no_bytes_panic(bytes in vec(any::<u8>(), 0..2000)) {
        ask_everything(&bytes);
        let _ = inflate(&bytes, &mut Vec::new());
    }

    #[test]
    fn no_bytes_that_look_like_hep_panic(bytes in hostile_bytes()) {
        ask_everything(&bytes);
    }

    #[test]
    fn no_changed_byte_panics(owned in packets(), changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..5)) {
        for version in [Version::V2, Version::V3] {
            let sent = Packet { payload_type: 1, payload: Payload::Plain(&owned.payload), ..owned.packet() };
            let mut bytes = Vec::new();
            encode(&sent, version, &mut bytes).unwrap();
            for (index, value) in &changes {
                let at = index.index(bytes.len());
                bytes[at] = *value;
            }
            ask_everything(&bytes);
        }
    }
}

#[test]
fn a_packet_cut_anywhere_is_refused_or_loses_payload_alone() {
    for packet in [full(), full_ip6()] {
        for version in [Version::V1, Version::V2, Version::V3] {
            let mut bytes = Vec::new();
            encode(&packet, version, &mut bytes).unwrap();
            let Ok(Packet { payload: Payload::Plain(payload), .. }) = decode(&bytes) else { panic!() };
            let header = bytes.len() - payload.len();
            for received in 0..bytes.len() {
                match decode(&bytes[..received]) {
                    Err(DecodeError::BadMagic) => assert!(received < 4),
                    Err(DecodeError::Truncated { needed, received: told }) => {
                        assert!(told == received && received < needed);
                    }
                    Ok(cut) => {
                        assert!(version != Version::V3 && received >= header);
                        assert_eq!(cut.payload, Payload::Plain(&payload[..received - header]));
                    }
                    other => panic!("{version:?} cut at {received}: {other:?}"),
                }
            }
        }
    }
}

#[test]
fn every_value_of_every_length_field_is_refused_or_harmless() {
    let mut bytes = Vec::new();
    encode(&full(), Version::V3, &mut bytes).unwrap();
    let mut fields = vec![4];
    let mut at = 6;
    while at < bytes.len() {
        fields.push(at + 4);
        at += usize::from(u16::from_be_bytes([bytes[at + 4], bytes[at + 5]]));
    }
    assert_eq!(fields.len(), 14);
    for field in fields {
        for value in 0..=u16::MAX {
            let mut changed = bytes.clone();
            changed[field..field + 2].copy_from_slice(&value.to_be_bytes());
            if changed != bytes {
                let decoded = decode(&changed);
                assert_ne!(decoded, Ok(full()), "length field at {field} set to {value}");
            }
        }
    }
}
