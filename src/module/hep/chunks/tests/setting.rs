//! What a chunk holds once a script has set it.

use super::super::encode::{EncodedChunk, encode};
use super::super::{ChunkContent, ROOM, one_family};
use super::{OWN_VENDOR, arguments, set};
use crate::capture::Transport;
use std::net::IpAddr;

fn content(chunk: &str, value: &str) -> String {
    let mut buffer = [0; ROOM];
    let encoded = encode(&arguments(chunk, value.as_bytes(), "", ""), OWN_VENDOR, &mut buffer);
    encoded.map_or_else(|error| error.to_string(), |EncodedChunk { content, .. }| format!("{content:?}"))
}

#[test]
fn transports_are_known_by_name_and_become_ip_protocols() {
    let transports = [
        ("udp", Transport::Udp, 17),
        ("tcp", Transport::Tcp, 6),
        ("tls", Transport::Tls, 22),
        ("sctp", Transport::Sctp, 132),
        ("ws", Transport::Ws, 50),
        ("wss", Transport::Wss, 50),
    ];
    for (name, transport, ip_protocol) in transports {
        for text in [name, &name.to_uppercase()] {
            assert_eq!(set("proto_id", text, "", ""), Ok((2, 0, vec![ip_protocol])), "{text}");
            assert_eq!(content("proto_id", text), format!("{:?}", ChunkContent::Transport(transport)), "{text}");
        }
    }
}

#[test]
fn a_text_that_only_begins_with_a_transport_is_none() {
    for text in ["wsx", "udp4", "tls ", "bin", "hep_udp", "17", ""] {
        assert_eq!(
            set("proto_id", text, "", ""),
            Err(format!(
                "chunk proto_id (2): the value \"{text}\" is not allowed: udp, tcp, tls, sctp, ws and wss are"
            ))
        );
    }
}

#[test]
fn an_address_of_either_family_becomes_the_chunk_of_its_family() {
    let v6 = "2001:db8::1".parse::<std::net::Ipv6Addr>().expect("an address").octets().to_vec();
    for (chunk, number4, number6) in [("src_ip", 3, 5), ("5", 3, 5), ("dst_ip", 4, 6), ("0x6", 4, 6)] {
        assert_eq!(set(chunk, "192.0.2.1", "", ""), Ok((number4, 0, vec![192, 0, 2, 1])));
        assert_eq!(set(chunk, "2001:db8::1", "", ""), Ok((number6, 0, v6.clone())));
        assert_eq!(set(chunk, "[2001:DB8::1]", "", ""), Ok((number6, 0, v6.clone())));
    }
    for text in ["", "192.0.2", "192.0.2.256", "[192.0.2.1]", "[2001:db8::1", "2001:db8::1%eth0", "example.org"] {
        assert_eq!(
            set("dst_ip", text, "", ""),
            Err(format!("chunk dst_ip (4): the value \"{text}\" is not allowed: an IPv4 or IPv6 address is"))
        );
    }
}

#[test]
fn ports_and_agents_are_decimal_numbers_that_fit() {
    assert_eq!(set("src_port", "0", "", ""), Ok((7, 0, vec![0, 0])));
    assert_eq!(set("dst_port", "65535", "", ""), Ok((8, 0, vec![255, 255])));
    assert_eq!(set("captagent_id", "4294967295", "", ""), Ok((12, 0, vec![255; 4])));
    assert_eq!(content("src_port", "5060"), "Number(5060)");
    for (chunk, shown, text, allowed) in [
        ("src_port", "src_port (7)", "65536", "65535"),
        ("dst_port", "dst_port (8)", "-1", "65535"),
        ("src_port", "src_port (7)", "0x10", "65535"),
        ("src_port", "src_port (7)", "", "65535"),
        ("captagent_id", "captagent_id (12)", "4294967296", "4294967295"),
        ("captagent_id", "captagent_id (12)", "homer01", "4294967295"),
    ] {
        assert_eq!(
            set(chunk, text, "", ""),
            Err(format!("chunk {shown}: the value \"{text}\" is not allowed: a decimal number from 0 to {allowed} is"))
        );
    }
}

#[test]
fn payload_types_have_names_and_numbers() {
    let names = ["sip", "xmpp", "sdp", "rtp", "rtcp", "mgcp", "megaco", "m2ua", "m3ua", "iax", "h322", "h321"];
    for (number, name) in (1..).zip(names) {
        for text in [name, &name.to_uppercase()] {
            assert_eq!(set("proto_type", text, "", ""), Ok((11, 0, vec![number])), "{text}");
        }
    }
    for (text, number) in [("MEGACO(H.248)", 7), ("M2UA(SS7/SIGTRAN)", 8), ("13", 13), ("0", 0), ("255", 255)] {
        assert_eq!(set("proto_type", text, "", ""), Ok((11, 0, vec![number])), "{text}");
    }
    for text in ["", "sips", "256", "mega", "MEGACO("] {
        assert_eq!(
            set("proto_type", text, "", ""),
            Err(format!(
                "chunk proto_type (11): the value \"{text}\" is not allowed: sip, xmpp, sdp, rtp, rtcp, \
                 mgcp, megaco, m2ua, m3ua, iax, h322, h321, and a number from 0 to 255, are"
            ))
        );
    }
}

#[test]
fn family_and_times_cannot_be_set_and_the_error_says_why() {
    assert_eq!(
        set("proto_family", "AF_INET", "", ""),
        Err("chunk proto_family (1) cannot be set: it follows src_ip and dst_ip, which can be".to_owned())
    );
    for (name, number) in [("timestamp", 9), ("timestamp_us", 10)] {
        assert_eq!(
            set(name, "5", "", ""),
            Err(format!("chunk {name} ({number}) cannot be set: it says when the message was captured"))
        );
    }
}

#[test]
fn a_payload_holds_what_fits_a_packet_and_nothing_is_copied() {
    let value = vec![b'x'; 65_524];
    let mut buffer = [0; ROOM];
    let fits = encode(&arguments("payload", &value[1..], "", ""), OWN_VENDOR, &mut buffer).expect("it fits");
    assert_eq!((fits.id.number(), fits.vendor), (15, 0));
    assert_eq!(fits.body.as_ptr_range(), value[1..].as_ptr_range());
    for (chunk, shown) in [("payload", "chunk payload (15)"), ("16", "chunk payload (16)"), ("17", "chunk 17")] {
        let mut buffer = [0; ROOM];
        let error = encode(&arguments(chunk, &value, "", ""), OWN_VENDOR, &mut buffer).expect_err("too long");
        assert_eq!(
            error.to_string(),
            format!("{shown}: a value of 65524 bytes is not allowed: at most 65523 fit a HEP packet")
        );
    }
    assert_eq!(set("payload", "", "", ""), Ok((15, 0, vec![])));
}

#[test]
fn what_has_a_field_keeps_its_own_type_and_vendor() {
    assert_eq!(set("captagent_id", "7", "uint8", "9"), Ok((12, 0, vec![0, 0, 0, 7])));
    assert_eq!(set("payload", "12", "uint16", "9"), Ok((15, 0, b"12".to_vec())));
}

#[test]
fn values_of_the_list_are_stored_as_their_type_says() {
    let address = "2001:db8::2".parse::<std::net::Ipv6Addr>().expect("an address").octets().to_vec();
    let good: [(&str, &str, Vec<u8>); 13] = [
        ("uint8", "255", vec![255]),
        ("uint8", "007", vec![7]),
        ("uint16", "258", vec![1, 2]),
        ("UINT16", "65535", vec![255, 255]),
        ("uint32", "16909060", vec![1, 2, 3, 4]),
        ("uint32", "0", vec![0; 4]),
        ("inet4-addr", "192.0.2.1", vec![192, 0, 2, 1]),
        ("inet6-addr", "2001:db8::2", address.clone()),
        ("inet6-addr", "[2001:db8::2]", address),
        ("utf8-string", "258", b"258".to_vec()),
        ("utf8-string", "", vec![]),
        ("octet-string", "\u{0}\r", b"\0\r".to_vec()),
        ("", "42", b"42".to_vec()),
    ];
    for (value_type, value, body) in good {
        assert_eq!(set("31", value, value_type, ""), Ok((31, 3, body)), "{value} as {value_type}");
    }
}

#[test]
fn a_value_that_does_not_fit_its_type_is_an_error() {
    for (value_type, value, allowed) in [
        ("uint8", "258", "a decimal number from 0 to 255 is"),
        ("uint8", "-1", "a decimal number from 0 to 255 is"),
        ("uint8", "", "a decimal number from 0 to 255 is"),
        ("uint16", "65536", "a decimal number from 0 to 65535 is"),
        ("uint16", "5 ", "a decimal number from 0 to 65535 is"),
        ("uint32", "4294967296", "a decimal number from 0 to 4294967295 is"),
        ("uint32", "five", "a decimal number from 0 to 4294967295 is"),
        ("inet4-addr", "2001:db8::1", "an IPv4 address is"),
        ("inet4-addr", "", "an IPv4 address is"),
        ("inet6-addr", "192.0.2.1", "an IPv6 address is"),
    ] {
        assert_eq!(
            set("0x1f", value, value_type, ""),
            Err(format!("chunk 31: the value \"{value}\" is not allowed: {allowed}"))
        );
    }
}

#[test]
fn bytes_that_are_no_utf_8_are_kept_whatever_the_type_of_text() {
    for value_type in ["", "utf8-string", "octet-string"] {
        let mut buffer = [0; ROOM];
        let value = [0xff, 0, 0xc3];
        let encoded = encode(&arguments("17", &value, value_type, ""), OWN_VENDOR, &mut buffer).expect("it fits");
        assert_eq!(encoded.body, value);
    }
}

#[test]
fn an_unknown_type_is_named_with_all_that_there_are() {
    assert_eq!(
        set("17", "x", "uint64", ""),
        Err("there is no type \"uint64\" of a chunk: uint8, uint16, uint32, inet4-addr, inet6-addr, utf8-string and \
             octet-string are allowed"
            .to_owned())
    );
}

#[test]
fn the_vendor_is_what_is_given_else_that_of_hep_or_of_the_host() {
    let vendor = |chunk, text| set(chunk, "x", "", text).map(|(_, vendor, _)| vendor);
    for chunk in ["13", "14", "17", "18"] {
        assert_eq!(vendor(chunk, ""), Ok(0), "{chunk}");
        assert_eq!(vendor(chunk, "3"), Ok(3), "{chunk}");
    }
    for chunk in ["19", "32", "101", "65535"] {
        assert_eq!(vendor(chunk, ""), Ok(3), "{chunk}");
        assert_eq!(vendor(chunk, "0"), Ok(0), "{chunk}");
    }
    assert_eq!((vendor("31", "65535"), vendor("31", "0x1F")), (Ok(65535), Ok(31)));
    for text in ["65536", "-1", "0x", "homer"] {
        assert_eq!(
            vendor("31", text),
            Err(format!(
                "chunk 31: the vendor \"{text}\" is not allowed: a number from 0 to 65535, decimal or as 0x and \
                 hexadecimal digits, is"
            ))
        );
    }
}

#[test]
fn an_error_never_shows_an_authentication_key() {
    assert_eq!(
        set("14", "geheim", "uint16", ""),
        Err("chunk 14: the value (not shown) is not allowed: a decimal number from 0 to 65535 is".to_owned())
    );
}

#[test]
fn source_and_destination_become_one_family() {
    let address = |text: &str| (!text.is_empty()).then(|| text.parse::<IpAddr>().expect("an address"));
    for (given, expected, family) in [
        (["192.0.2.1", "192.0.2.2"], ["192.0.2.1", "192.0.2.2"], 2),
        (["2001:db8::1", "2001:db8::2"], ["2001:db8::1", "2001:db8::2"], 10),
        (["2001:db8::1", "192.0.2.2"], ["2001:db8::1", "::ffff:192.0.2.2"], 10),
        (["192.0.2.1", "2001:db8::2"], ["::ffff:192.0.2.1", "2001:db8::2"], 10),
        (["::ffff:192.0.2.1", "192.0.2.2"], ["192.0.2.1", "192.0.2.2"], 2),
        (["", "192.0.2.2"], ["", "192.0.2.2"], 2),
        (["2001:db8::1", ""], ["2001:db8::1", ""], 10),
        (["", ""], ["", ""], 0),
    ] {
        assert_eq!(one_family(given.map(address)), (expected.map(address), family), "{given:?}");
    }
}
