//! What scripts read of chunks.

use super::super::{ChunkContent, ChunkId, ROOM, decode, encode};
use super::{OWN_VENDOR, arguments, read, shown};
use crate::capture::Transport;
use ChunkContent::{Bytes, Number};

#[test]
fn families_have_names_and_unknown_ones_are_null() {
    for (number, name) in [(2, "\"AF_INET\""), (10, "\"AF_INET6\""), (30, "\"AF_INET6\"")] {
        assert_eq!(read("proto_family", "", Number(number)), name);
    }
    for number in [0, 1, 258] {
        assert_eq!(read("proto_family", "", Number(number)), "null", "{number}");
    }
}

#[test]
fn transports_have_names_and_others_are_unknown() {
    for (transport, name) in [
        (Transport::Udp, "udp"),
        (Transport::Tcp, "tcp"),
        (Transport::Tls, "tls"),
        (Transport::Sctp, "sctp"),
        (Transport::Ws, "ws"),
        (Transport::Wss, "wss"),
        (Transport::UNKNOWN, "unknown"),
        (Transport::Other(10), "unknown"),
    ] {
        assert_eq!(read("proto_id", "", ChunkContent::Transport(transport)), format!("\"{name}\""));
    }
}

#[test]
fn addresses_are_texts_by_any_of_their_numbers() {
    let v6 = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    for chunk in ["src_ip", "dst_ip", "3", "4", "5", "6"] {
        assert_eq!(read(chunk, "", Bytes(&[192, 0, 2, 1])), "\"192.0.2.1\"");
        assert_eq!(read(chunk, "", Bytes(&v6)), "\"2001:db8::1\"");
        assert_eq!(read(chunk, "", Bytes(b"")), "null");
    }
    let longest = [0xff; 16];
    assert_eq!(read("src_ip", "", Bytes(&longest)), "\"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff\"");
    assert_eq!(
        read("src_ip", "", Bytes(&[1, 2, 3])),
        "chunk src_ip (3): its 3 bytes are no address: an IPv4 address has 4, an IPv6 address 16"
    );
}

#[test]
fn numbers_are_texts_too() {
    for chunk in ["src_port", "dst_port", "timestamp", "timestamp_us", "captagent_id"] {
        assert_eq!(read(chunk, "", Number(5060)), "\"5060\" 5060", "{chunk}");
        assert_eq!(read(chunk, "", Number(u32::MAX)), "\"4294967295\" 4294967295", "{chunk}");
    }
}

#[test]
fn payload_types_have_names_up_to_13_and_are_numbers_from_14_on() {
    let names = [
        "reserved",
        "SIP",
        "XMPP",
        "SDP",
        "RTP",
        "RTCP",
        "MGCP",
        "MEGACO(H.248)",
        "M2UA(SS7/SIGTRAN)",
        "M3UA(SS7/SIGTRAN)",
        "IAX",
        "H322",
        "H321",
        "",
    ];
    for (number, name) in (0..).zip(names) {
        assert_eq!(read("proto_type", "", Number(number)), format!("\"{name}\""));
    }
    for number in 14..=255 {
        assert_eq!(read("proto_type", "", Number(number)), format!("\"{number}\" {number}"));
    }
}

#[test]
fn a_payload_is_read_whole_and_nothing_is_copied() {
    let payload = vec![0xff; 65_523];
    let mut buffer = [0; ROOM];
    for number in [15, 16] {
        let id = ChunkId::from_number(number).expect("not 0");
        let value = decode(id, b"", Bytes(&payload), &mut buffer).expect("bytes");
        let crate::module::variable::VariableValue::Text(text) = value else { panic!("{value:?}") };
        assert_eq!(text.as_ptr_range(), payload.as_ptr_range());
    }
    assert_eq!(read("payload", "", Bytes(b"")), "\"\"");
}

#[test]
fn chunks_of_the_list_are_read_as_the_type_says() {
    for (value_type, body, value) in [
        ("uint8", &[200][..], "\"200\" 200"),
        ("uint16", &[1, 2], "\"258\" 258"),
        ("Uint32", &[255; 4], "\"4294967295\" 4294967295"),
        ("inet4-addr", &[192, 0, 2, 1], "\"192.0.2.1\""),
        ("inet6-addr", &[0; 16], "\"::\""),
        ("utf8-string", b"abc", "\"abc\""),
        ("octet-string", &[0, 255], "\"\\x00\\xff\""),
        ("octet-string", b"", "\"\""),
        ("", b"42", "\"42\""),
    ] {
        assert_eq!(read("31", value_type, Bytes(body)), value, "{value_type}");
    }
}

#[test]
fn a_chunk_of_another_size_than_its_type_is_an_error() {
    for (value_type, size) in [("uint8", 1), ("uint16", 2), ("uint32", 4), ("inet4-addr", 4), ("inet6-addr", 16)] {
        for length in [0, size - 1, size + 1, 300] {
            assert_eq!(
                read("18", value_type, Bytes(&vec![1; length])),
                format!(
                    "chunk 18: its {length} bytes are no {value_type}, which has {size}: utf8-string and octet-string \
                     read any"
                )
            );
        }
    }
}

#[test]
fn an_unknown_type_is_an_error_of_every_chunk() {
    for chunk in ["17", "src_port"] {
        assert!(read(chunk, "text", Bytes(b"x")).starts_with("there is no type \"text\" of a chunk: uint8, "));
    }
}

#[test]
fn what_a_script_sets_it_reads_again() {
    for (chunk, value, value_type, expected) in [
        ("proto_id", "tls", "", "\"tls\""),
        ("proto_id", "wss", "", "\"wss\""),
        ("src_ip", "192.0.2.9", "", "\"192.0.2.9\""),
        ("dst_ip", "2001:db8::9", "", "\"2001:db8::9\""),
        ("src_port", "5061", "", "\"5061\" 5061"),
        ("dst_port", "0", "", "\"0\" 0"),
        ("proto_type", "rtcp", "", "\"RTCP\""),
        ("proto_type", "100", "", "\"100\" 100"),
        ("captagent_id", "2001", "", "\"2001\" 2001"),
        ("payload", "OPTIONS", "", "\"OPTIONS\""),
        ("13", "60", "uint16", "\"60\" 60"),
        ("14", "key", "", "\"key\""),
        ("17", "call@example.org", "utf8-string", "\"call@example.org\""),
        ("18", "200", "uint8", "\"200\" 200"),
        ("32", "70000", "uint32", "\"70000\" 70000"),
        ("33", "198.51.100.1", "inet4-addr", "\"198.51.100.1\""),
        ("34", "2001:db8::1", "inet6-addr", "\"2001:db8::1\""),
    ] {
        let (mut stored, mut buffer) = ([0; ROOM], [0; ROOM]);
        let encoded = encode(&arguments(chunk, value.as_bytes(), value_type, ""), OWN_VENDOR, &mut stored);
        let encoded = encoded.expect("it fits");
        let value = decode(encoded.id, value_type.as_bytes(), encoded.content, &mut buffer).expect("it is of the type");
        assert_eq!(shown(value), expected, "{chunk}");
    }
}
