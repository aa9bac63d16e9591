//! What scripts read of the packet that carried HEP.

use super::super::{OuterField, OuterPacket, ROOM, version_value};
use super::shown;

fn ask(name: &str, packet: &OuterPacket<'_>) -> String {
    let field = OuterField::parse(name.as_bytes()).expect("a field");
    let mut buffer = [0; ROOM];
    shown(OuterField::from_code(field.code()).value(packet, &mut buffer))
}

fn packet(source: &str, destination: &str) -> OuterPacket<'static> {
    OuterPacket { source: source.parse().ok(), destination: destination.parse().ok(), transport: b"hep_udp" }
}

#[test]
fn every_field_is_known_by_name_and_by_number() {
    let v4 = packet("127.0.0.1:37153", "127.0.0.2:9061");
    for (names, value) in [
        (&["proto_family", "1", "Proto_Family"][..], "\"AF_INET\""),
        (&["proto_id", "2"], "\"hep_udp\""),
        (&["src_ip", "3", "5"], "\"127.0.0.1\""),
        (&["dst_ip", "4", "0x6"], "\"127.0.0.2\""),
        (&["src_port", "7"], "\"37153\" 37153"),
        (&["dst_port", "8"], "\"9061\" 9061"),
    ] {
        for name in names {
            assert_eq!(ask(name, &v4), value, "{name}");
        }
    }
}

#[test]
fn a_packet_over_ipv6_says_so() {
    let v6 = packet("[2001:db8::1]:9060", "[2001:db8::2]:9061");
    assert_eq!(
        (ask("proto_family", &v6), ask("src_ip", &v6), ask("dst_ip", &v6)),
        ("\"AF_INET6\"".into(), "\"2001:db8::1\"".into(), "\"2001:db8::2\"".into())
    );
}

#[test]
fn what_is_not_known_is_null() {
    let mut buffer = [0; ROOM];
    for name in ["proto_family", "proto_id", "src_ip", "dst_ip", "src_port", "dst_port"] {
        assert_eq!(ask(name, &OuterPacket::default()), "null", "{name}");
    }
    let half = packet("", "192.0.2.1:9060");
    assert_eq!((ask("proto_family", &half), ask("src_ip", &half)), ("\"AF_INET\"".into(), "null".into()));
    for code in [0, 5, 9, 15, u32::MAX] {
        assert_eq!(shown(OuterField::from_code(code).value(&half, &mut buffer)), "null", "{code}");
    }
}

#[test]
fn chunks_that_no_outer_packet_has_are_no_fields() {
    for name in ["timestamp", "9", "payload", "15", "17", "0", "", "version"] {
        assert_eq!(
            OuterField::parse(name.as_bytes()).expect_err("no field").to_string(),
            format!(
                "there is no field \"{name}\" of the packet that carried HEP: proto_family, proto_id, src_ip, \
                 dst_ip, src_port, dst_port, and their chunks' numbers, 1 to 8, are allowed"
            )
        );
    }
}

#[test]
fn a_version_is_a_number_and_a_text() {
    let versions = [0, 1, 2, 3, 4, u32::MAX].map(|version| shown(version_value(version)));
    assert_eq!(versions, ["null", "\"1\" 1", "\"2\" 2", "\"3\" 3", "null", "null"]);
}
