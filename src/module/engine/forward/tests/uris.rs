//! URIs that are taken and refused, and what they ask for.

use super::*;

fn parsed(uri: &str, look_up: LookUp) -> Option<(String, u16, Transport)> {
    let endpoint = ForwardEndpoint::parse(uri.as_bytes(), look_up)?;
    Some((endpoint.host.to_string(), endpoint.port, endpoint.transport))
}

#[test]
fn by_service_what_a_uri_leaves_unsaid_is_left_to_the_look_up() {
    use Transport::{Sctp, Tcp, Tls, Udp, Ws, Wss};
    const UNKNOWN: Transport = Transport::UNKNOWN;
    for (uri, host, port, transport) in [
        ("sip:a.example", "a.example", 0, UNKNOWN),
        (" SIP:A.Example ", "a.example", 0, UNKNOWN),
        ("sip:a.example:5070", "a.example", 5070, UNKNOWN),
        ("sip:a.example;transport=udp", "a.example", 0, Udp),
        ("sip:a.example:9;lr;transport=TCP;x=y?h=v", "a.example", 9, Tcp),
        ("sip:a.example;transport=tls", "a.example", 0, Tls),
        ("sip:a.example;transport=sctp", "a.example", 0, Sctp),
        ("sip:a.example;transport=ws", "a.example", 0, Ws),
        ("sip:a.example;transport=wss", "a.example", 0, Wss),
        ("sip:a.example;transport=tcp;transport=udp", "a.example", 0, Udp),
        ("sip:me:pass;word@a.example", "a.example", 0, UNKNOWN),
        ("sip:under_score.example.", "under_score.example.", 0, UNKNOWN),
        ("sip:192.0.2.1:5070", "192.0.2.1", 5070, UNKNOWN),
        ("sip:[2001:DB8::1]:5070", "[2001:db8::1]", 5070, UNKNOWN),
        // As the host's parser has them.
        ("sip:a.example:", "a.example", 0, UNKNOWN),
        ("sip:a.example:0", "a.example", 0, UNKNOWN),
        ("sip:a.example;transport=", "a.example", 0, UNKNOWN),
        ("sip:a.example;transport=xyz", "a.example", 0, UNKNOWN),
    ] {
        assert_eq!(parsed(uri, LookUp::ByService), Some((host.to_owned(), port, transport)), "{uri}");
    }
}

#[test]
fn by_address_it_is_port_5060_and_udp_and_of_sips_port_5061_and_tls() {
    use Transport::{Sctp, Tcp, Tls, Udp};
    for (uri, port, transport) in [
        ("sip:a.example", 5060, Udp),
        ("sip:a.example:0", 5060, Udp),
        ("sip:a.example:9", 9, Udp),
        ("sip:a.example;transport=tcp", 5060, Tcp),
        ("sip:a.example;transport=tls", 5060, Tls),
        ("sip:a.example;transport=sctp", 5060, Sctp),
        ("sips:a.example", 5061, Tls),
        ("sips:a.example:9", 9, Tls),
    ] {
        assert_eq!(parsed(uri, LookUp::ByAddress), Some(("a.example".to_owned(), port, transport)), "{uri}");
    }
}

#[test]
fn a_sips_uri_is_for_tls_or_it_is_none() {
    for (uri, transport) in [
        ("sips:a.example", Some(Transport::Tls)),
        ("SIPS:a.example;transport=tls", Some(Transport::Tls)),
        ("sips:a.example;transport=tcp", Some(Transport::Tls)),
        ("sips:a.example;transport=wss", Some(Transport::Wss)),
        ("sips:a.example;transport=xyz", Some(Transport::Tls)),
        ("sips:a.example;transport=udp", None),
        ("sips:a.example;transport=sctp", None),
        ("sips:a.example;transport=ws", None),
    ] {
        for look_up in [LookUp::ByService, LookUp::ByAddress] {
            assert_eq!(parsed(uri, look_up).map(|(_, _, transport)| transport), transport, "{uri}");
        }
    }
}

#[test]
fn what_is_no_sip_uri_with_a_host_is_refused() {
    let long = format!("sip:{}.example", "a".repeat(250));
    for uri in [
        "",
        "a.example",
        "tel:1",
        "urn:service:sos",
        "http://a.example",
        "sip:",
        "sip::5060",
        "sip:me@",
        "sip:a b",
        "sip:[::1",
        "sip:2001:db8::1",
        "sip:a.example:65536",
        "sip:a.example:x",
        "sip:a.example:+5060",
        &long,
    ] {
        for look_up in [LookUp::ByService, LookUp::ByAddress] {
            assert_eq!(parsed(uri, look_up), None, "{uri}");
        }
    }
    assert_eq!(ForwardEndpoint::parse(b"sip:\xff.example", LookUp::ByService), None);
}

#[test]
fn an_address_is_sent_to_at_once_also_before_any_name_can_be_known() {
    let mut forward: Forward<&'static Mutex<State>> = Forward::new(BY_SERVICE);
    for (uri, address, transport) in [
        ("sip:192.0.2.1", "192.0.2.1:5060", Transport::Udp),
        ("sip:192.0.2.1:9;transport=tcp", "192.0.2.1:9", Transport::Tcp),
        ("sip:192.0.2.1;transport=tls", "192.0.2.1:5061", Transport::Tls),
        ("sips:192.0.2.1", "192.0.2.1:5061", Transport::Tls),
        ("sip:[2001:db8::1];transport=sctp", "[2001:db8::1]:5060", Transport::Sctp),
    ] {
        let to = SendTo { address: address.parse().expect("an address"), transport };
        assert_eq!(forward.send(uri.as_bytes(), b"message"), Forwarded::Send(to), "{uri}");
    }
    assert_eq!(forward.send(b"sip:a.example", b"message"), Forwarded::Lost);
}
