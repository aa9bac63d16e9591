//! Versions 1 and 2, and the question whether a datagram is HEP at all.

use super::super::{DecodeError, EncodeError, Packet, Payload, Version, decode, encode, looks_like_hep};
use super::{OPTIONS, full, full_ip6};

fn v1(packet: Packet<'static>) -> Packet<'static> {
    Packet { version: Version::V1, time_us: None, agent_id: None, correlation_id: None, auth_key: None, ..packet }
}

fn v2(packet: Packet<'static>) -> Packet<'static> {
    Packet { version: Version::V2, time_us: packet.time_us, agent_id: packet.agent_id, ..v1(packet) }
}

/// The header of version 2 over IPv4, as the stock sender writes it on a little-endian machine.
fn v2_header() -> Vec<u8> {
    let mut bytes = vec![2, 16, 2, 17, 0x13, 0xc4, 0x13, 0xce, 192, 0, 2, 1, 198, 51, 100, 2];
    bytes.extend(1_700_000_000u32.to_le_bytes());
    bytes.extend(123_456u32.to_le_bytes());
    bytes.extend(2001u16.to_le_bytes());
    bytes.extend([0, 0]);
    bytes
}

#[test]
fn the_bytes_of_both_versions_are_those_of_the_stock_sender() {
    let mut out = Vec::new();
    encode(&full(), Version::V2, &mut out).unwrap();
    assert_eq!(out, [v2_header(), OPTIONS.to_vec()].concat());
    assert_eq!(decode(&out), Ok(v2(full())));

    let mut header = v2_header();
    header.truncate(16);
    header[0] = 1;
    let mut out = Vec::new();
    encode(&full(), Version::V1, &mut out).unwrap();
    assert_eq!(out, [header, OPTIONS.to_vec()].concat());
    assert_eq!(decode(&out), Ok(v1(full())));
}

#[test]
fn ipv6_addresses_take_sixteen_bytes_each() {
    for (version, expected, payload_at) in [(Version::V1, v1(full_ip6()), 40), (Version::V2, v2(full_ip6()), 52)] {
        let mut out = Vec::new();
        encode(&full_ip6(), version, &mut out).unwrap();
        assert_eq!(out[1], 40);
        assert_eq!(&out[payload_at..], OPTIONS);
        assert_eq!(decode(&out), Ok(expected));
    }
}

#[test]
fn the_header_length_byte_is_not_trusted() {
    for length in 0..=255 {
        let mut bytes = [v2_header(), OPTIONS.to_vec()].concat();
        bytes[1] = length;
        assert_eq!(decode(&bytes), Ok(v2(full())));
        assert!(looks_like_hep(&bytes));
    }
}

#[test]
fn the_two_padding_bytes_are_not_read() {
    let mut header = v2_header();
    header[26..].copy_from_slice(&[0xaa, 0xbb]);
    let bytes = [header, OPTIONS.to_vec()].concat();
    assert_eq!(decode(&bytes), Ok(v2(full())));
}

#[test]
fn a_header_cut_anywhere_is_truncation() {
    let header = v2_header();
    for received in 1..header.len() {
        assert!(matches!(decode(&header[..received]), Err(DecodeError::Truncated { .. })), "{received} bytes");
    }
    assert_eq!(decode(&header).unwrap().payload, Payload::Plain(b""));
    let mut v1_header = header[..16].to_vec();
    v1_header[0] = 1;
    assert_eq!(decode(&v1_header).unwrap().payload, Payload::Plain(b""));
}

#[test]
fn zero_seconds_are_no_time() {
    let mut bytes = v2_header();
    bytes[16..20].fill(0);
    assert_eq!(decode(&bytes).unwrap().time_us, None);
}

#[test]
fn the_family_byte_takes_the_numbers_of_every_system() {
    let mut v4 = v2_header();
    let mut out = Vec::new();
    encode(&full_ip6(), Version::V2, &mut out).unwrap();
    for family in 0..=255 {
        v4[2] = family;
        out[2] = family;
        match family {
            2 => assert_eq!(decode(&v4).unwrap().source, full().source),
            10 | 23 | 24 | 26 | 28 | 30 => assert_eq!(decode(&out).unwrap().source, full_ip6().source),
            _ => assert_eq!(decode(&v4), Err(DecodeError::UnknownFamily(family))),
        }
    }
}

#[test]
fn any_ip_protocol_is_handed_on() {
    for ip_protocol in 0..=255 {
        let mut bytes = v2_header();
        bytes[3] = ip_protocol;
        assert_eq!(decode(&bytes).unwrap().ip_protocol, ip_protocol);
    }
}

#[test]
fn no_place_for_it_is_an_error_that_leaves_the_buffer_alone() {
    let long = vec![b'x'; 65_536];
    for version in [Version::V1, Version::V2] {
        let mut out = b"before".to_vec();
        let mut refused = |packet| encode(&packet, version, &mut out).unwrap_err();
        let compressed = Packet { payload: Payload::Compressed(b"x"), ..full() };
        assert_eq!(refused(compressed), EncodeError::CompressedNeedsV3);
        assert_eq!(refused(Packet { payload_type: 100, ..full() }), EncodeError::TypeNeedsV3(100));
        let too_long = Packet { payload: Payload::Plain(&long), ..full() };
        assert!(matches!(refused(too_long), EncodeError::TooLong(_)));
        assert_eq!(out, b"before");
    }
    let late = Packet { time_us: Some(i64::MAX), ..full() };
    assert_eq!(encode(&late, Version::V2, &mut Vec::new()), Err(EncodeError::TimeOutOfRange(i64::MAX)));
    assert_eq!(encode(&late, Version::V1, &mut Vec::new()), Ok(()));
}

#[test]
fn version_2_has_16_bits_for_the_agent() {
    let mut out = Vec::new();
    encode(&Packet { agent_id: Some(0x0001_0002), ..full() }, Version::V2, &mut out).unwrap();
    assert_eq!(decode(&out).unwrap().agent_id, Some(2));
}

#[test]
fn neither_magic_nor_version_is_bad_magic() {
    for bytes in [&b""[..], b"H", b"HEP", b"HEP2\0\x06", b"\0\x01\0\0", b"\x03\x10\x02\x11"] {
        assert_eq!(decode(bytes), Err(DecodeError::BadMagic));
    }
}

#[test]
fn hep_is_told_from_what_else_reaches_a_sip_port() {
    for (name, datagram) in [
        ("nothing", &b""[..]),
        ("one CRLF", b"\r\n"),
        ("two CRLFs", b"\r\n\r\n"),
        ("zeros", b"\0\0\0\0"),
        ("a request", OPTIONS),
        ("a reply", b"SIP/2.0 200 OK\r\n\r\n"),
        ("a method of three letters", b"HEP sip:bob@example.com SIP/2.0\r\n\r\n"),
        ("RTP", b"\x80\x00\x00\x01\0\0\0\xa0\0\0\0\x01"),
        ("RTCP", b"\x81\xc8\x00\x06"),
        ("a DTLS hello", b"\x16\xfe\xfd\0\0\0\0\0\0\0\0"),
        ("TURN channel", b"\x40\x00\x00\x04abcd"),
        ("a JSON log line", b"{\"a\":1}"),
        ("a short version byte", b"\x01\x10\x02"),
    ] {
        assert!(!looks_like_hep(datagram), "{name}");
    }
}

#[test]
fn a_stun_response_is_not_hep_whatever_its_length() {
    for (first, second) in [(0x00, 0x01), (0x01, 0x01), (0x01, 0x11), (0x01, 0x03), (0x01, 0x13), (0x01, 0x04)] {
        for length in 0..4096u16 {
            let mut stun = vec![first, second];
            stun.extend(length.to_be_bytes());
            stun.extend([0x21, 0x12, 0xa4, 0x42]);
            stun.resize(20 + usize::from(length), 7);
            assert!(!looks_like_hep(&stun), "{first:#x} {second:#x}, {length} bytes, with cookie");
            stun[4] = 0;
            assert!(!looks_like_hep(&stun), "{first:#x} {second:#x}, {length} bytes, without cookie");
        }
    }
}

#[test]
fn a_stun_response_that_was_cut_shows_by_its_cookie() {
    // A length of 0x0211 reads as IPv4 over UDP.
    let stun = [&[0x01, 0x01, 0x02, 0x11, 0x21, 0x12, 0xa4, 0x42][..], &[7; 100]].concat();
    assert!(!looks_like_hep(&stun));
    let hep = [&[0x01, 0x01, 0x02, 0x11, 0x13, 0xc4, 0x13, 0xc4][..], &[7; 100]].concat();
    assert!(looks_like_hep(&hep));
}

#[test]
fn a_dns_message_is_not_hep_whatever_its_id() {
    for id in 0..=u16::MAX {
        // Query, query with DNSSEC, answer, authoritative answer, name error, server failure, update.
        for flags in [0x0100u16, 0x0120, 0x8180, 0x8580, 0x8183, 0x8182, 0x2800, 0x0000] {
            let mut dns = id.to_be_bytes().to_vec();
            dns.extend(flags.to_be_bytes());
            dns.extend([0, 1, 0, 0, 0, 0, 0, 0]);
            assert!(!looks_like_hep(&dns), "id {id:#06x}, flags {flags:#06x}");
        }
    }
}

#[test]
fn malformed_hep_still_looks_like_hep() {
    for datagram in [
        &b"HEP3"[..],
        b"EEP1\xff\xff",
        b"EEP3\0\0",
        // Family unknown, protocol unknown, header length wrong: one each.
        b"\x01\x10\x63\x11",
        b"\x02\x10\x02\x63",
        b"\x02\x01\x02\x11",
        b"\x01\x28\x1c\x06",
    ] {
        assert!(looks_like_hep(datagram), "{datagram:x?}");
    }
}
