//! What goes out beyond a plain packet: the name of the agent, and the order of `hlog`.

use super::super::{
    ChunkOrder, Chunks, EncodeError, EncodeOptions, Packet, Payload, Version, decode, encode, encode_with,
};
use super::{OPTIONS, chunk, full, full_ip6, packet};

const LOG: EncodeOptions<'static> = EncodeOptions { node_name: None, order: ChunkOrder::Log };

fn encoded(packet: &Packet<'_>, options: &EncodeOptions<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    encode_with(packet, Version::V3, options, &mut out).unwrap();
    out
}

fn kinds(bytes: &[u8]) -> Vec<u16> {
    Chunks::new(bytes).unwrap().map(|chunk| chunk.unwrap().kind).collect()
}

#[test]
fn a_log_entry_has_the_bytes_of_hlog() {
    let entry = Packet { ip_protocol: 6, payload_type: 100, payload: Payload::Plain(b"hello"), ..full() };
    let expected = packet(
        b"HEP3",
        &[
            chunk(0, 1, &[2]),
            chunk(0, 2, &[0x11]),
            chunk(0, 3, &[192, 0, 2, 1]),
            chunk(0, 4, &[198, 51, 100, 2]),
            chunk(0, 8, &[0x13, 0xce]),
            chunk(0, 7, &[0x13, 0xc4]),
            chunk(0, 9, &1_700_000_000u32.to_be_bytes()),
            chunk(0, 10, &123_456u32.to_be_bytes()),
            chunk(0, 11, &[0x64]),
            chunk(0, 12, &2001u32.to_be_bytes()),
            chunk(0, 17, b"leg-a"),
            chunk(0, 14, b"secret"),
            chunk(0, 15, b"hello"),
        ],
    );
    assert_eq!(encoded(&entry, &LOG), expected);
    assert_eq!(kinds(&encoded(&full_ip6(), &LOG)), [1, 2, 5, 6, 8, 7, 9, 10, 11, 12, 17, 14, 15]);
}

#[test]
fn a_log_entry_has_a_correlation_id_even_if_it_is_empty() {
    for correlation_id in [None, Some(&b""[..])] {
        let bytes = encoded(&Packet { correlation_id, auth_key: None, ..full() }, &LOG);
        assert_eq!(kinds(&bytes), [1, 2, 3, 4, 8, 7, 9, 10, 11, 12, 17, 15]);
        let body_of_17 = Chunks::new(&bytes).unwrap().flatten().find(|chunk| chunk.kind == 17).unwrap().body;
        assert_eq!(body_of_17, b"");
    }
}

#[test]
fn a_log_entry_reads_as_what_was_written() {
    let entry = Packet { payload_type: 100, ..full_ip6() };
    assert_eq!(decode(&encoded(&entry, &LOG)), Ok(entry));
}

#[test]
fn the_name_of_the_agent_stands_behind_its_number() {
    for (order, expected) in [
        (ChunkOrder::Message, [1, 2, 3, 4, 7, 8, 9, 10, 11, 12, 0x13, 17, 14, 15]),
        (ChunkOrder::Log, [1, 2, 3, 4, 8, 7, 9, 10, 11, 12, 0x13, 17, 14, 15]),
    ] {
        let bytes = encoded(&full(), &EncodeOptions { node_name: Some(b"proxy-1"), order });
        assert_eq!(kinds(&bytes), expected);
        assert_eq!(decode(&bytes), Ok(full()));
        let name = Chunks::new(&bytes).unwrap().flatten().find(|chunk| chunk.kind == 0x13).unwrap().body;
        assert_eq!(name, b"proxy-1");
    }
}

#[test]
fn an_empty_name_is_no_chunk() {
    let plain = encoded(&full(), &EncodeOptions::default());
    assert_eq!(encoded(&full(), &EncodeOptions { node_name: Some(b""), order: ChunkOrder::Message }), plain);
    let mut out = Vec::new();
    encode(&full(), Version::V3, &mut out).unwrap();
    assert_eq!(out, plain);
}

#[test]
fn versions_1_and_2_are_the_same_whatever_the_options() {
    for version in [Version::V1, Version::V2] {
        let (mut plain, mut named) = (Vec::new(), Vec::new());
        encode(&full(), version, &mut plain).unwrap();
        let options = EncodeOptions { node_name: Some(b"proxy-1"), order: ChunkOrder::Log };
        encode_with(&full(), version, &options, &mut named).unwrap();
        assert_eq!(named, plain);
        assert!(named.ends_with(OPTIONS));
    }
}

#[test]
fn a_name_counts_towards_the_length() {
    let long = vec![b'x'; 65_536];
    let mut out = b"before".to_vec();
    let options = EncodeOptions { node_name: Some(&long), order: ChunkOrder::Message };
    let refused = encode_with(&full(), Version::V3, &options, &mut out);
    assert!(matches!(refused, Err(EncodeError::TooLong(65_536..))));
    assert_eq!(out, b"before");
}
