//! Version 3, rule by rule.

use super::super::{Chunk, Chunks, DecodeError, EncodeError, Packet, Payload, Version, decode, encode};
use super::{OPTIONS, changed, chunk, full, full_ip6, good_chunks, packet, with, without};

const SOURCE_IP6: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const DESTINATION_IP6: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];

fn encoded(packet: &Packet<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    encode(packet, Version::V3, &mut out).unwrap();
    out
}

/// A good packet whose addresses are those of these chunks, and whose chunk 1 is `family`, if any.
fn addressed(family: Option<u8>, addresses: &[(u16, &[u8])]) -> Vec<u8> {
    changed(|chunks| {
        chunks.retain(|chunk| ![1, 3, 4].contains(&chunk.0));
        chunks.extend(family.map(|family| (1, vec![family])));
        chunks.extend(addresses.iter().map(|(kind, body)| (*kind, body.to_vec())));
    })
}

const V4: [(u16, &[u8]); 2] = [(3, &[192, 0, 2, 1]), (4, &[198, 51, 100, 2])];
const V6: [(u16, &[u8]); 2] = [(5, &SOURCE_IP6), (6, &DESTINATION_IP6)];

#[test]
fn every_chunk_becomes_its_field() {
    let bytes = changed(|_| {});
    assert_eq!(decode(&bytes), Ok(full()));
}

#[test]
fn chunks_are_written_in_the_order_of_the_stock_sender() {
    let order = |packet| {
        let bytes = encoded(&packet);
        Chunks::new(&bytes).unwrap().map(|chunk| chunk.unwrap().kind).collect::<Vec<_>>()
    };
    assert_eq!(order(full()), [1, 2, 3, 4, 7, 8, 9, 10, 11, 12, 17, 14, 15]);
    assert_eq!(order(full_ip6()), [1, 2, 5, 6, 7, 8, 9, 10, 11, 12, 17, 14, 15]);
    let bare = Packet {
        time_us: None,
        agent_id: None,
        correlation_id: Some(b""),
        auth_key: None,
        payload: Payload::Compressed(b"x"),
        ..full()
    };
    assert_eq!(order(bare), [1, 2, 3, 4, 7, 8, 11, 16]);
}

#[test]
fn the_bytes_of_a_packet_are_those_of_the_specification() {
    let expected = packet(b"HEP3", &{
        let mut chunks = good_chunks();
        let correlation_id = chunks.pop().unwrap();
        chunks.insert(10, correlation_id);
        chunks.iter().map(|(kind, body)| chunk(0, *kind, body)).collect::<Vec<_>>()
    });
    assert_eq!(encoded(&full()), expected);
}

#[test]
fn the_three_magics_read_alike() {
    for magic in [b"HEP3", b"EEP1", b"EEP3"] {
        let mut bytes = changed(|_| {});
        bytes[..4].copy_from_slice(magic);
        assert_eq!(decode(&bytes), Ok(full()));
    }
    let mut bytes = changed(|_| {});
    bytes[3] = b'4';
    assert_eq!(decode(&bytes), Err(DecodeError::BadMagic));
}

#[test]
fn bytes_behind_the_total_length_are_counted_and_not_read() {
    let mut bytes = changed(|_| {});
    bytes.extend(chunk(0, 2, &[6]));
    assert_eq!(decode(&bytes), Ok(Packet { trailing: 7, ..full() }));
}

#[test]
fn a_total_length_beyond_the_datagram_is_truncation() {
    let bytes = changed(|_| {});
    let received = bytes.len() - 1;
    assert_eq!(decode(&bytes[..received]), Err(DecodeError::Truncated { needed: bytes.len(), received }));
    assert_eq!(decode(b"HEP3\0"), Err(DecodeError::Truncated { needed: 6, received: 5 }));
}

#[test]
fn a_total_length_below_six_is_an_error() {
    for length in 0..6 {
        assert_eq!(decode(&[b'H', b'E', b'P', b'3', 0, length]), Err(DecodeError::BadTotalLength(length.into())));
    }
}

#[test]
fn a_chunk_length_below_six_or_past_the_end_is_an_error() {
    let good = packet(b"HEP3", &[chunk(0, 2, &[17])]);
    for length in 0..6 {
        let mut bytes = good.clone();
        bytes[11] = length;
        assert_eq!(decode(&bytes), Err(DecodeError::BadChunkLength { kind: 2, length: length.into() }));
    }
    for length in [8, 9, 255] {
        let mut bytes = good.clone();
        bytes[11] = length;
        assert_eq!(decode(&bytes), Err(DecodeError::ChunkPastEnd { kind: 2, length: length.into(), left: 7 }));
    }
}

#[test]
fn a_vendor_chunk_must_stay_inside_too() {
    let mut bytes = packet(b"HEP3", &[chunk(2, 2, &[17])]);
    bytes[11] = 8;
    assert_eq!(decode(&bytes), Err(DecodeError::ChunkPastEnd { kind: 2, length: 8, left: 7 }));
}

#[test]
fn bytes_too_few_for_a_chunk_header_are_an_error() {
    for left in 1..6 {
        let mut chunks: Vec<Vec<u8>> = good_chunks().iter().map(|(kind, body)| chunk(0, *kind, body)).collect();
        chunks.push(vec![0; left]);
        assert_eq!(decode(&packet(b"HEP3", &chunks)), Err(DecodeError::ChunkHeaderCut(left)));
    }
}

#[test]
fn a_fixed_size_chunk_of_another_size_is_an_error() {
    for (kind, expected) in
        [(1, 1), (2, 1), (3, 4), (4, 4), (5, 16), (6, 16), (7, 2), (8, 2), (9, 4), (10, 4), (11, 1), (12, 4)]
    {
        for found in [0, expected - 1, expected + 1, 100] {
            let bytes = with(kind, &vec![1; found]);
            assert_eq!(decode(&bytes), Err(DecodeError::BadChunkBody { kind, expected, found }), "chunk {kind}");
        }
    }
}

#[test]
fn chunks_of_vendors_and_unknown_chunks_are_skipped() {
    let mut chunks: Vec<Vec<u8>> = good_chunks().iter().map(|(kind, body)| chunk(0, *kind, body)).collect();
    for vendor in [1, 2, 3, 8, 0xffff] {
        for kind in [0, 1, 2, 3, 9, 15, 17] {
            chunks.push(chunk(vendor, kind, b"not ours"));
        }
    }
    for kind in [0x000d, 0x0012, 0x0013, 0x0020, 0x0065, 0xffff] {
        chunks.push(chunk(0, kind, b"unknown"));
    }
    assert_eq!(decode(&packet(b"HEP3", &chunks)), Ok(full()));
}

#[test]
fn a_generic_chunk_of_type_0_ends_the_packet() {
    assert_eq!(decode(&with(0, b"")), Err(DecodeError::NullChunk));
}

#[test]
fn the_last_of_repeated_chunks_wins() {
    let bytes = changed(|chunks| {
        let right = chunks.clone();
        chunks.clear();
        chunks.extend(right.iter().map(|(kind, body)| (*kind, vec![9; body.len()])));
        chunks.extend(right);
    });
    assert_eq!(decode(&bytes), Ok(full()));
}

#[test]
fn what_a_row_cannot_do_without_is_an_error_when_missing() {
    for (kinds, error) in [
        (&[2][..], DecodeError::MissingIpProtocol),
        (&[11], DecodeError::MissingPayloadType),
        (&[3], DecodeError::MissingSource),
        (&[4], DecodeError::MissingDestination),
        (&[3, 4], DecodeError::MissingSource),
        (&[15], DecodeError::MissingPayload),
    ] {
        assert_eq!(decode(&without(kinds)), Err(error));
    }
}

#[test]
fn everything_else_may_be_missing() {
    let bytes = without(&[1, 7, 8, 9, 10, 12, 14, 17]);
    let expected = Packet {
        source: "192.0.2.1:0".parse().unwrap(),
        destination: "198.51.100.2:0".parse().unwrap(),
        time_us: None,
        agent_id: None,
        correlation_id: None,
        auth_key: None,
        ..full()
    };
    assert_eq!(decode(&bytes), Ok(expected));
}

#[test]
fn no_seconds_are_no_time() {
    for (seconds, microseconds, expected) in [
        (0u32, 0u32, None),
        (0, 5, None),
        (1, 0, Some(1_000_000)),
        (1, 1_999_999, Some(2_999_999)),
        (u32::MAX, u32::MAX, Some(4_294_967_295_000_000 + 4_294_967_295)),
    ] {
        let bytes = changed(|chunks| {
            chunks[6].1 = seconds.to_be_bytes().to_vec();
            chunks[7].1 = microseconds.to_be_bytes().to_vec();
        });
        assert_eq!(decode(&bytes).unwrap().time_us, expected);
    }
    assert_eq!(decode(&without(&[10])).unwrap().time_us, Some(1_700_000_000_000_000));
    assert_eq!(decode(&without(&[9])).unwrap().time_us, None);
}

#[test]
fn the_family_follows_from_the_addresses_whatever_chunk_1_says() {
    for family in [None, Some(0), Some(2), Some(10), Some(23), Some(24), Some(26), Some(28), Some(30), Some(255)] {
        let v4 = addressed(family, &V4);
        assert_eq!(decode(&v4).unwrap().source, full().source, "family {family:?}");
        let v6 = addressed(family, &V6);
        assert_eq!(decode(&v6).unwrap().source, full_ip6().source, "family {family:?}");
    }
}

#[test]
fn of_two_pairs_chunk_1_chooses_else_the_last_address() {
    let v4_first = [V4, V6].concat();
    let v6_first = [V6, V4].concat();
    for (family, order, is_ipv4) in [
        (Some(2), &v4_first, true),
        (Some(2), &v6_first, true),
        (Some(10), &v6_first, false),
        (Some(28), &v6_first, false),
        (Some(77), &v4_first, false),
        (None, &v4_first, false),
        (None, &v6_first, true),
    ] {
        let bytes = addressed(family, order);
        let packet = decode(&bytes).unwrap();
        assert_eq!((packet.source.is_ipv4(), packet.destination.is_ipv4()), (is_ipv4, is_ipv4), "{family:?}");
    }
}

#[test]
fn a_whole_pair_wins_over_a_stray_address() {
    let stray_v6 = [V4[0], V4[1], V6[0]];
    assert!(decode(&addressed(Some(10), &stray_v6)).unwrap().source.is_ipv4());
    let stray_v4 = [V6[0], V6[1], V4[1]];
    assert!(decode(&addressed(Some(2), &stray_v4)).unwrap().source.is_ipv6());
}

#[test]
fn addresses_of_different_families_are_no_pair() {
    assert_eq!(decode(&addressed(Some(2), &[V4[0], V6[1]])), Err(DecodeError::FamilyMismatch));
    assert_eq!(decode(&addressed(Some(10), &[V6[0], V4[1]])), Err(DecodeError::FamilyMismatch));
    assert_eq!(decode(&addressed(None, &[V4[0], V6[0]])), Err(DecodeError::MissingDestination));
    assert_eq!(decode(&addressed(None, &[V4[1], V6[1]])), Err(DecodeError::MissingSource));
}

#[test]
fn an_empty_correlation_id_or_key_is_none() {
    let bytes = with(17, b"");
    assert_eq!(decode(&bytes).unwrap().correlation_id, None);
    let bytes = with(14, b"");
    assert_eq!(decode(&bytes).unwrap().auth_key, None);
}

#[test]
fn the_plain_payload_wins_unless_it_is_empty() {
    let compressed = changed(|chunks| chunks[11] = (16, b"deflated".to_vec()));
    assert_eq!(decode(&compressed).unwrap().payload, Payload::Compressed(b"deflated"));
    let both = with(16, b"deflated");
    assert_eq!(decode(&both).unwrap().payload, Payload::Plain(OPTIONS));
    let empty = with(15, b"");
    assert_eq!(decode(&empty).unwrap().payload, Payload::Plain(b""));
    let empty_and_compressed = changed(|chunks| {
        chunks[11].1.clear();
        chunks.push((16, b"deflated".to_vec()));
    });
    assert_eq!(decode(&empty_and_compressed).unwrap().payload, Payload::Compressed(b"deflated"));
}

#[test]
fn the_two_renumbered_chunks_of_the_draft_are_left_alone() {
    let draft = |kind, body: &[u8]| {
        let mut bytes = changed(|chunks| {
            chunks.retain(|chunk| chunk.0 != 17);
            chunks.push((kind, body.to_vec()));
        });
        bytes[..4].copy_from_slice(b"EEP1");
        bytes
    };
    let plain = Packet { correlation_id: None, ..full() };
    assert_eq!(decode(&draft(16, &[0, 0, 0, 7])), Ok(plain));
    assert_eq!(decode(&draft(17, &[0, 7])), Ok(plain));
    assert_eq!(decode(&draft(17, b"leg-a")), Ok(full()));
    let numeric_id = draft(16, &[0, 0, 0, 7]);
    let shown = Chunks::new(&numeric_id).unwrap().last().unwrap().unwrap();
    assert_eq!(shown, Chunk { vendor: 0, kind: 16, body: &[0, 0, 0, 7] });

    let mut compressed = changed(|chunks| chunks[11] = (16, b"deflated".to_vec()));
    compressed[..4].copy_from_slice(b"EEP1");
    assert_eq!(decode(&compressed).unwrap().payload, Payload::Compressed(b"deflated"));
    let mut no_payload = changed(|chunks| chunks[11] = (16, vec![0, 0, 0, 7]));
    assert_eq!(decode(&no_payload).unwrap().payload, Payload::Compressed(&[0, 0, 0, 7]));
    no_payload[..4].copy_from_slice(b"EEP1");
    assert_eq!(decode(&no_payload), Err(DecodeError::MissingPayload));
}

#[test]
fn chunks_end_at_the_first_error() {
    let mut bytes = packet(b"HEP3", &[chunk(0, 1, &[2]), chunk(0, 2, &[17])]);
    bytes[6 + 7 + 5] = 3;
    let chunks: Vec<_> = Chunks::new(&bytes).unwrap().collect();
    assert_eq!(
        chunks,
        [Ok(Chunk { vendor: 0, kind: 1, body: &[2] }), Err(DecodeError::BadChunkLength { kind: 2, length: 3 })]
    );
}

#[test]
fn a_mixed_pair_goes_out_with_its_ipv4_side_mapped() {
    let mixed = Packet { source: full().source, destination: full_ip6().destination, ..full() };
    let bytes = encoded(&mixed);
    let packet = decode(&bytes).unwrap();
    assert_eq!(packet.source, "[::ffff:192.0.2.1]:5060".parse().unwrap());
    assert_eq!(packet.destination, mixed.destination);
}

#[test]
fn what_does_not_fit_is_refused_and_leaves_the_buffer_alone() {
    let header = encoded(&Packet { payload: Payload::Plain(b""), ..full() }).len();
    let long = vec![b'x'; 65_536];
    let mut out = b"before".to_vec();
    let fits = Packet { payload: Payload::Plain(&long[..65_535 - header]), ..full() };
    encode(&fits, Version::V3, &mut out).unwrap();
    assert_eq!(decode(&out[6..]), Ok(fits));

    let mut out = b"before".to_vec();
    for packet in [
        Packet { payload: Payload::Plain(&long[..65_536 - header]), ..full() },
        Packet { correlation_id: Some(&long), ..full() },
        Packet { auth_key: Some(&long), ..full() },
    ] {
        assert!(matches!(encode(&packet, Version::V3, &mut out), Err(EncodeError::TooLong(65_536..))));
    }
    for time_us in [-1, 4_294_967_296_000_000, i64::MAX, i64::MIN] {
        let packet = Packet { time_us: Some(time_us), ..full() };
        assert_eq!(encode(&packet, Version::V3, &mut out), Err(EncodeError::TimeOutOfRange(time_us)));
    }
    assert_eq!(out, b"before");
}

#[test]
fn debug_output_hides_the_key() {
    let text = format!("{:?}", full());
    assert!(text.contains("leg-a") || text.contains("108, 101, 103"));
    assert!(!text.contains("secret") && !text.contains("115, 101, 99"));
}
