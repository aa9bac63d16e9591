//! Packets that are written in pieces.

use super::super::{Chunk, Chunks, EncodeError, Packet, PacketBuilder, PacketHead, Payload, Version, decode, encode};
use super::{OPTIONS, chunk, full, full_ip6, packet};
use proptest::prelude::*;
use std::net::SocketAddr;

/// The head of a packet.
fn head_of(packet: &Packet<'_>, version: Version) -> PacketHead {
    PacketHead {
        version,
        source: packet.source,
        destination: packet.destination,
        ip_protocol: packet.ip_protocol,
        payload_type: packet.payload_type,
        time_us: packet.time_us.unwrap_or(0),
        agent_id: packet.agent_id.unwrap_or(0),
    }
}

fn built(head: &PacketHead, chunks: &[Chunk<'_>], payload: Payload<'_>) -> Result<Vec<u8>, EncodeError> {
    let mut builder = PacketBuilder::default();
    builder.begin(head)?;
    chunks.iter().try_for_each(|chunk| builder.add(chunk))?;
    Ok(builder.finish(payload)?.to_vec())
}

#[test]
fn version_3_has_its_chunks_in_the_order_of_opensips_with_the_payload_last() {
    let further = [
        Chunk { vendor: 3, kind: 999, body: b"\x01\x02" },
        Chunk { vendor: 0, kind: 17, body: b"leg-a" },
        Chunk { vendor: 0, kind: 13, body: b"" },
    ];
    let expected = |addresses: [(u16, Vec<u8>); 2], family: u8, ports: [u16; 2]| {
        let [source, destination] = addresses;
        let mut chunks = vec![
            chunk(0, 1, &[family]),
            chunk(0, 2, &[17]),
            chunk(0, 7, &ports[0].to_be_bytes()),
            chunk(0, 8, &ports[1].to_be_bytes()),
            chunk(0, 9, &1_700_000_000u32.to_be_bytes()),
            chunk(0, 10, &123_456u32.to_be_bytes()),
            chunk(0, 11, &[1]),
            chunk(0, 12, &2001u32.to_be_bytes()),
            chunk(0, source.0, &source.1),
            chunk(0, destination.0, &destination.1),
        ];
        chunks.extend([chunk(3, 999, &[1, 2]), chunk(0, 17, b"leg-a"), chunk(0, 13, b""), chunk(0, 15, OPTIONS)]);
        packet(b"HEP3", &chunks)
    };
    let ip4 = [(3, vec![192, 0, 2, 1]), (4, vec![198, 51, 100, 2])];
    let head = head_of(&full(), Version::V3);
    assert_eq!(built(&head, &further, Payload::Plain(OPTIONS)).unwrap(), expected(ip4, 2, [5060, 5070]));
    let octets = |last| [&[0x20, 1, 0xd, 0xb8][..], &[0; 11], &[last]].concat();
    let head = head_of(&full_ip6(), Version::V3);
    let bytes = built(&head, &further, Payload::Plain(OPTIONS)).unwrap();
    assert_eq!(bytes, expected([(5, octets(1)), (6, octets(2))], 10, [5060, 5061]));
}

#[test]
fn what_is_not_known_is_0_and_a_compressed_payload_is_chunk_16() {
    let unknown = PacketHead { time_us: 0, agent_id: 0, payload_type: 0, ..head_of(&full(), Version::V3) };
    let bytes = built(&unknown, &[], Payload::Compressed(b"zlib")).unwrap();
    let chunks: Vec<_> = Chunks::new(&bytes).unwrap().map(Result::unwrap).collect();
    let kinds: Vec<u16> = chunks.iter().map(|chunk| chunk.kind).collect();
    assert_eq!(kinds, [1, 2, 7, 8, 9, 10, 11, 12, 3, 4, 16]);
    assert_eq!(chunks[4..8].iter().map(|chunk| chunk.body).collect::<Vec<_>>().concat(), [0; 13]);
    assert_eq!(chunks[10].body, b"zlib");
}

#[test]
fn versions_1_and_2_are_the_same_as_those_that_are_written_at_once() {
    for version in [Version::V1, Version::V2] {
        for packet in [full(), full_ip6(), Packet { source: full_ip6().source, ..full() }] {
            let mut at_once = Vec::new();
            encode(&packet, version, &mut at_once).unwrap();
            // They have no place for the type, and what they carry is SIP.
            let head = PacketHead { payload_type: 100, ..head_of(&packet, version) };
            assert_eq!(built(&head, &[], packet.payload), Ok(at_once));
        }
        let head = head_of(&full(), version);
        let leg = Chunk { vendor: 0, kind: 17, body: b"leg-a" };
        assert_eq!(built(&head, &[leg], Payload::Plain(OPTIONS)), Err(EncodeError::ChunkNeedsV3(17)));
        assert_eq!(built(&head, &[], Payload::Compressed(OPTIONS)), Err(EncodeError::CompressedNeedsV3));
    }
}

#[test]
fn after_an_error_nothing_is_left_of_a_packet_and_the_next_one_begins_anew() {
    let mut builder = PacketBuilder::default();
    let (head, leg) = (head_of(&full(), Version::V3), Chunk { vendor: 0, kind: 17, body: b"leg-a" });
    let long = vec![b'x'; 65_536];
    let no_packet = |builder: &mut PacketBuilder| {
        assert_eq!(builder.add(&leg), Err(EncodeError::NotBegun));
        assert_eq!(builder.finish(Payload::Plain(OPTIONS)), Err(EncodeError::NotBegun));
    };
    no_packet(&mut builder);
    builder.begin(&head).unwrap();
    assert!(matches!(builder.add(&Chunk { body: &long, ..leg }), Err(EncodeError::TooLong(65_536..))));
    no_packet(&mut builder);
    builder.begin(&head).unwrap();
    assert!(matches!(builder.finish(Payload::Plain(&long)), Err(EncodeError::TooLong(65_536..))));
    no_packet(&mut builder);
    builder.begin(&head).unwrap();
    let late = PacketHead { time_us: i64::MAX, ..head };
    assert_eq!(builder.begin(&late), Err(EncodeError::TimeOutOfRange(i64::MAX)));
    no_packet(&mut builder);
    builder.begin(&head).unwrap();
    builder.add(&leg).unwrap();
    builder.begin(&head).unwrap();
    let bytes = builder.finish(Payload::Plain(OPTIONS)).unwrap().to_vec();
    assert_eq!(decode(&bytes).unwrap().correlation_id, None);
    no_packet(&mut builder);
    builder.begin(&PacketHead { version: Version::V1, ..head }).unwrap();
    assert_eq!(builder.finish(Payload::Plain(b"")).unwrap().len(), 16);
}

#[test]
fn debug_output_hides_what_is_in_a_packet() {
    let mut builder = PacketBuilder::default();
    builder.begin(&head_of(&full(), Version::V3)).unwrap();
    builder.add(&Chunk { vendor: 0, kind: 14, body: b"secret" }).unwrap();
    let shown = format!("{builder:?}");
    assert!(!shown.contains("secret") && !shown.contains("115, 101, 99"), "{shown}");
}

/// Two addresses, of whatever families.
fn ends() -> impl Strategy<Value = (SocketAddr, SocketAddr)> {
    let end = || any::<(std::net::IpAddr, u16)>().prop_map(SocketAddr::from);
    (end(), end())
}

proptest! {
    #[test]
    fn what_is_written_in_pieces_reads_as_what_was_given(
        (source, destination) in ends(), (ip_protocol, payload_type) in any::<(u8, u8)>(), agent_id: u32,
        time_us in 1_000_000..4_294_967_296_000_000i64, is_compressed: bool,
        payload in prop::collection::vec(any::<u8>(), 0..300),
        further in prop::collection::vec((any::<u16>(), 18u16.., prop::collection::vec(any::<u8>(), 0..40)), 0..10),
        correlation_id in prop::collection::vec(any::<u8>(), 1..40),
    ) {
        let version = Version::V3;
        let head = PacketHead { version, source, destination, ip_protocol, payload_type, time_us, agent_id };
        let further = further.iter().map(|(vendor, kind, body)| Chunk { vendor: *vendor, kind: *kind, body });
        let mut chunks: Vec<Chunk<'_>> = further.collect();
        chunks.push(Chunk { vendor: 0, kind: 17, body: &correlation_id });
        let payload = if is_compressed { Payload::Compressed(&payload) } else { Payload::Plain(&payload) };
        let bytes = built(&head, &chunks, payload).unwrap();
        let decoded = decode(&bytes).unwrap();
        let canonical = |address: SocketAddr| (address.ip().to_canonical(), address.port());
        prop_assert_eq!(canonical(decoded.source), canonical(source));
        prop_assert_eq!(canonical(decoded.destination), canonical(destination));
        prop_assert_eq!((decoded.ip_protocol, decoded.payload_type), (ip_protocol, payload_type));
        prop_assert_eq!((decoded.time_us, decoded.agent_id), (Some(time_us), Some(agent_id)));
        prop_assert_eq!((decoded.correlation_id, decoded.trailing), (Some(&correlation_id[..]), 0));
        prop_assert_eq!(decoded.payload, payload);
        let read: Vec<Chunk<'_>> = Chunks::new(&bytes).unwrap().map(Result::unwrap).collect();
        prop_assert_eq!(&read[10..read.len() - 1], &chunks[..]);
    }

    #[test]
    fn whatever_fits_65535_bytes_is_written_and_nothing_else_is(
        (source, destination) in ends(), version in 1u8..=3,
        chunk_bytes in prop::option::of(0usize..66_000), excess in -20isize..20,
        has_chunk: bool,
    ) {
        let version = Version::from_number(version).unwrap();
        let head = PacketHead { source, destination, ..head_of(&full(), version) };
        let room = vec![0; 70_000];
        let chunk_bytes = chunk_bytes.filter(|_| has_chunk && version == Version::V3);
        let chunks = chunk_bytes.iter().map(|length| Chunk { vendor: 3, kind: 999, body: &room[..*length] });
        let chunks: Vec<Chunk<'_>> = chunks.collect();
        let bare = built(&head, &[], Payload::Plain(b"")).unwrap().len() + chunk_bytes.map_or(0, |length| 6 + length);
        let length = (65_535 - bare as isize + excess).max(0) as usize;
        let total = bare + length;
        match built(&head, &chunks, Payload::Plain(&room[..length])) {
            Ok(bytes) => {
                prop_assert!(total <= 65_535 && bytes.len() == total, "{} bytes", bytes.len());
                prop_assert_eq!(decode(&bytes).unwrap().payload, Payload::Plain(&room[..length]));
            }
            Err(error) => prop_assert!(total > 65_535 && matches!(error, EncodeError::TooLong(65_536..)), "{}", error),
        }
    }
}
