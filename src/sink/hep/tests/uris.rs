//! URIs of collectors, and addresses of messages.

use super::super::{
    CollectorTransport, Destination, DestinationError, copy_uri, named_copy_uri, parse_address, parse_endpoints,
};
use super::destination;
use proptest::prelude::*;

#[test]
fn a_uri_gives_host_port_and_transport() {
    for (uri, shown, port, transport) in [
        ("sip:192.0.2.1", "sip:192.0.2.1:5060;transport=udp", 5060, CollectorTransport::Udp),
        ("sip:192.0.2.1:9060", "sip:192.0.2.1:9060;transport=udp", 9060, CollectorTransport::Udp),
        ("SIP:Collector.Example.com", "sip:collector.example.com:5060;transport=udp", 5060, CollectorTransport::Udp),
        ("sip:c.example:9060;transport=udp", "sip:c.example:9060;transport=udp", 9060, CollectorTransport::Udp),
        ("sip:c.example;transport=TCP", "sip:c.example:5060;transport=tcp", 5060, CollectorTransport::Tcp),
        ("sip:c.example;lr;transport=tcp;x=y?h=v", "sip:c.example:5060;transport=tcp", 5060, CollectorTransport::Tcp),
        ("sip:c.example;transport=tls", "sip:c.example:5060;transport=tls", 5060, CollectorTransport::Tls),
        ("sips:c.example", "sip:c.example:5061;transport=tls", 5061, CollectorTransport::Tls),
        ("sips:c.example;transport=tls", "sip:c.example:5061;transport=tls", 5061, CollectorTransport::Tls),
        ("sips:c.example:9061;transport=tcp", "sip:c.example:9061;transport=tls", 9061, CollectorTransport::Tls),
        ("sip:[2001:db8::1]:9060", "sip:[2001:db8::1]:9060;transport=udp", 9060, CollectorTransport::Udp),
        ("sip:[::ffff:192.0.2.1]", "sip:[::ffff:c000:201]:5060;transport=udp", 5060, CollectorTransport::Udp),
        ("sip:[2001:DB8:0::1];transport=tcp", "sip:[2001:db8::1]:5060;transport=tcp", 5060, CollectorTransport::Tcp),
        (" sip:10.0.0.1:9060 ", "sip:10.0.0.1:9060;transport=udp", 9060, CollectorTransport::Udp),
        ("sip:hep:pass;word@c.example:9060", "sip:c.example:9060;transport=udp", 9060, CollectorTransport::Udp),
        ("sip:under_score-1.example.", "sip:under_score-1.example.:5060;transport=udp", 5060, CollectorTransport::Udp),
    ] {
        let destination = destination(uri);
        assert_eq!((destination.port(), destination.transport()), (port, transport), "{uri}");
        assert_eq!(destination.to_string(), shown.trim_end_matches(";transport=udp"));
        assert_eq!((copy_uri(uri).as_deref(), named_copy_uri(uri).as_deref()), (Ok(shown), Ok(shown)));
        assert_eq!(Destination::parse(shown), Ok(destination));
    }
}

#[test]
fn a_port_that_is_named_is_the_same_as_one_that_is_not() {
    assert_eq!(destination("sip:c.example"), destination("sip:c.example:5060"));
    assert_eq!(destination("sips:c.example"), destination("sip:c.example:5061;transport=tls"));
}

#[test]
fn where_packets_are_passed_on_a_port_that_is_not_named_is_heps() {
    for (uri, shown) in [
        ("sip:c.example", "sip:c.example:9060"),
        ("sip:c.example:5060", "sip:c.example:5060"),
        ("sip:c.example;transport=tcp", "sip:c.example:9060;transport=tcp"),
        ("sips:c.example", "sip:c.example:9060;transport=tls"),
        ("sips:c.example:5061", "sip:c.example:5061;transport=tls"),
    ] {
        let destination = Destination::parse_hep(uri).unwrap();
        assert_eq!(destination.to_string(), shown);
        assert_eq!(Destination::parse(shown), Ok(destination), "the writer reads it as it was meant");
    }
    assert_eq!(Destination::parse_hep("tel:1"), Destination::parse("tel:1"));
}

#[test]
fn copies_alone_go_over_sctp() {
    let uri = "sip:c.example;transport=SCTP";
    assert_eq!(copy_uri(uri).as_deref(), Ok("sip:c.example:5060;transport=sctp"));
    assert!(Destination::parse(uri).unwrap_err().to_string().contains("udp, tcp or tls"));
    let refused = copy_uri("sip:c.example;transport=ws").unwrap_err();
    assert!(refused.to_string().contains("udp, tcp, tls or sctp"), "{refused}");
    assert!(copy_uri("sips:c.example;transport=sctp").is_err());
}

#[test]
fn copies_that_a_script_names_a_place_for_go_by_whatever_the_host_may_have() {
    for (uri, shown) in [
        ("sip:u:secret@c.example;transport=ws;lr", "sip:c.example:5060;transport=ws"),
        ("sip:c.example:80;transport=WSS", "sip:c.example:80;transport=wss"),
        ("sips:c.example;transport=wss", "sip:c.example:5061;transport=wss"),
        ("sip:c.example;transport=sctp", "sip:c.example:5060;transport=sctp"),
    ] {
        assert_eq!(named_copy_uri(uri).as_deref(), Ok(shown));
    }
    for uri in
        ["nonsense", "tel:1", "sip:c.example;transport=xyz", "sips:c.example;transport=udp", "sips:c;transport=ws"]
    {
        let error = named_copy_uri(uri).unwrap_err().to_string();
        assert!(error.contains(uri.trim_start_matches("sips:")), "{error}");
    }
    assert!(copy_uri("sips:c.example;transport=wss").is_err(), "parameters are checked against what is there");
}

#[test]
fn other_transports_are_refused_with_what_is_allowed() {
    for transport in ["sctp", "ws", "wss", "", "xyz"] {
        let uri = format!("sip:c.example;transport={transport}");
        let error = Destination::parse(&uri).unwrap_err();
        assert!(
            matches!(&error, DestinationError::Transport { transport: told, .. } if told == transport),
            "{error:?}"
        );
        assert!(error.to_string().contains("udp, tcp or tls"), "{error}");
    }
    assert!(Destination::parse("sips:c.example;transport=udp").unwrap_err().to_string().contains("tls"));
}

#[test]
fn what_is_no_uri_of_a_collector_is_refused() {
    for uri in ["", "c.example", "http://c.example", "tel:123", "sip", ":c.example"] {
        assert!(matches!(Destination::parse(uri), Err(DestinationError::Scheme(_))), "{uri}");
    }
    for uri in [
        "sip:",
        "sip::9060",
        "sip:;transport=tcp",
        "sip:a b",
        "sip:a/b",
        "sip:300.0.0.1",
        "sip:1.2.3",
        "sip:[::1",
        "sip:[::1]x",
        "sip:[1.2.3.4]",
        "sip:[]",
        "sip:2001:db8::1",
        "sip:\u{e4}.example",
    ] {
        assert!(matches!(Destination::parse(uri), Err(DestinationError::Host { .. })), "{uri}");
    }
    for uri in ["sip:c:", "sip:c:0", "sip:c:65536", "sip:c:+5060", "sip:c:9060x", "sip:[::1]:"] {
        assert!(matches!(Destination::parse(uri), Err(DestinationError::Port { .. })), "{uri}");
    }
}

#[test]
fn an_error_never_shows_the_user_part() {
    for uri in ["sip:u:secret@c.example;transport=ws", "sip:u:secret@c:0", "sip:u:secret@", "http:u:secret@c"] {
        let error = Destination::parse(uri).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("secret"), "{error}");
    }
}

#[test]
fn an_address_gives_protocol_ip_and_port() {
    for (text, ip_protocol, address) in [
        ("udp:192.0.2.1:5060", 17, "192.0.2.1:5060"),
        ("any:255.255.255.255:5060", 17, "255.255.255.255:5060"),
        ("tcp:192.0.2.1:5060", 6, "192.0.2.1:5060"),
        ("tls:192.0.2.1:5061", 22, "192.0.2.1:5061"),
        ("ws:192.0.2.1:80", 22, "192.0.2.1:80"),
        ("wss:192.0.2.1:443", 22, "192.0.2.1:443"),
        ("sctp:192.0.2.1:5060", 132, "192.0.2.1:5060"),
        ("udp:192.0.2.1", 17, "192.0.2.1:0"),
        ("udp:[2001:db8::1]:5060", 17, "[2001:db8::1]:5060"),
        ("udp:[2001:db8::1]", 17, "[2001:db8::1]:0"),
        ("tls:2001:db8::1:5061", 22, "[2001:db8::1]:5061"),
        ("udp:2001:db8:0:0:0:0:0:1", 17, "[2001:db8::1]:0"),
    ] {
        assert_eq!(parse_address(text), Ok((ip_protocol, address.parse().unwrap())), "{text}");
    }
}

#[test]
fn what_is_no_address_is_refused() {
    for text in [
        "",
        "udp",
        "udp:",
        "192.0.2.1:5060",
        "xyz:192.0.2.1:5060",
        "udp:host:5060",
        "udp:192.0.2.1:",
        "udp:192.0.2.1:x",
        "udp:192.0.2.1:65536",
        "udp:192.0.2.1:+1",
        "udp:[2001:db8::1",
        "udp:[2001:db8::1]5060",
        "udp:[192.0.2.1]:5060",
        "udp:192.0.2.256:1",
    ] {
        let error = parse_address(text).unwrap_err();
        assert!(error.to_string().contains(&format!("`{text}`")), "{error}");
    }
}

#[test]
fn the_protocol_of_the_destination_wins() {
    let (ip_protocol, from, to) = parse_endpoints("udp:192.0.2.1:5060", "tls:[2001:db8::2]:5061").unwrap();
    assert_eq!(ip_protocol, 22);
    assert_eq!((from, to), ("192.0.2.1:5060".parse().unwrap(), "[2001:db8::2]:5061".parse().unwrap()));
    assert!(parse_endpoints("udp:192.0.2.1:5060", "nowhere").is_err());
    assert!(parse_endpoints("nowhere", "udp:192.0.2.1:5060").is_err());
}

proptest! {
    #[test]
    fn a_uri_reads_back_as_it_is_shown(uri in "sips?:[a-z0-9.@:;=\\[\\]]{0,24}(;transport=(udp|tcp|tls))?") {
        if let Ok(destination) = Destination::parse(&uri) {
            prop_assert_eq!(Destination::parse(&destination.to_string()), Ok(destination));
        }
    }

    #[test]
    fn no_text_panics(text in "\\PC*", scheme in "(sip:|sips:|udp:|tcp:|)") {
        let _ = Destination::parse(&format!("{scheme}{text}"));
        let _ = parse_address(&format!("{scheme}{text}"));
    }
}
