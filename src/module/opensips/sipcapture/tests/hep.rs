//! HEP packets that the server has decoded, in each kind of `hep_route`, and messages of raw sockets.

use super::*;
use crate::logged;

const NOT_SIP: &[u8] = b"no sip";

fn rtcp(payload: &[u8]) -> SipMessage<'_> {
    let metadata = Metadata { payload_type: Some(5), ..in_hep(b"").metadata };
    SipMessage { metadata, ..plain(payload) }
}

fn take<'a>(node: &mut CaptureNode, message: SipMessage<'a>) -> Verdict<'a> {
    node.take_hep(&packet(message)).unwrap()
}

fn produced(node: &CaptureNode, counters: &[Produced]) -> Vec<u64> {
    let totals = totals(node);
    counters.iter().map(|counter| totals.produced(*counter)).collect()
}

#[test]
fn with_hep_capture_off_no_packet_is_taken() {
    let mut node = node(|settings| settings.set_number("hep_capture_on", 0).unwrap());
    assert_eq!(take(&mut node, in_hep(SIP)), Verdict::Pass);
    assert_eq!(produced(&node, &[Produced::HepPackets]), [0]);
}

#[test]
fn with_the_route_none_a_packet_is_captured_and_goes_no_further() {
    let mut node = node(route("none"));
    assert_eq!(take(&mut node, in_hep(SIP)), Verdict::Done);
    node.end_hep(Some(SIP)).unwrap();
    only(&node, |capture| {
        assert_eq!((capture.payload, capture.table), (SIP, Some(&b"sip_capture"[..])));
        assert_eq!((capture.time_us, capture.agent_id), (1_700_000_000_000_001, Some(7)));
        assert_eq!((capture.correlation_id, capture.transport), (Some(&b"leg-a"[..]), Transport::Tls));
    });
    assert_eq!(produced(&node, &[Produced::HepPackets, Produced::HepBad]), [1, 0]);
}

#[test]
fn with_the_route_none_a_switch_that_is_off_is_no_news() {
    logged::listen();
    let mut node = node(route("none"));
    node.pipeline().lanes().unwrap().set_capture_on(false);
    logged::lines();
    assert_eq!(take(&mut node, in_hep(SIP)), Verdict::Done);
    assert_eq!((queued(&node).len(), logged::lines()), (0, vec![]));
}

#[test]
fn with_the_route_sip_the_message_is_routed_and_no_later_one_inherits_from_the_packet() {
    let mut node = node(route("sip"));
    let Verdict::Route(inside) = take(&mut node, in_hep(SIP)) else { panic!("SIP is routed") };
    assert_eq!((inside.version, inside.transport, inside.payload), (3, Transport::Tls, SIP));
    node.capture_sip(&in_hep(SIP), b"", 0).unwrap();
    // Nobody has told that the server is done with that message.
    node.capture_sip(&plain(SIP), b"", 0).unwrap();
    node.capture_report(&plain(SIP), b"", b"", b"").unwrap();
    let records = queued(&node);
    let captures: Vec<Capture<'_>> = records.iter().map(|bytes| record::decode(bytes).unwrap()).collect();
    assert_eq!((captures.len(), captures[0].agent_id, captures[0].hep_version), (3, Some(7), Some(3)));
    for capture in &captures[1..] {
        assert_eq!((capture.agent_id, capture.hep_version, capture.correlation_id), (None, None, None));
        assert!(capture.time_us > captures[0].time_us && capture.transport == Transport::Udp);
    }
}

#[test]
fn a_packet_ends_the_one_before_it() {
    let mut node = node(route("sip"));
    take(&mut node, in_hep(SIP));
    let metadata = Metadata { hep_version: Some(2), agent_id: Some(8), ..Metadata::default() };
    take(&mut node, SipMessage { metadata, ..plain(NOT_SIP) });
    node.end_hep(Some(NOT_SIP)).unwrap();
    only(&node, |capture| {
        assert_eq!((capture.agent_id, capture.hep_version, capture.correlation_id), (Some(8), Some(2), None));
    });
}

#[test]
fn payloads_that_are_no_sip_are_counted_quietly_without_a_route_of_their_own() {
    for name in ["none", "sip"] {
        logged::listen();
        let mut node = node(route(name));
        logged::lines();
        assert_eq!(take(&mut node, rtcp(b"{}")), Verdict::Done);
        assert_eq!(produced(&node, &[Produced::HepOtherType, Produced::HepBad]), [1, 0]);
        assert_eq!((queued(&node).len(), logged::lines()), (0, vec![]), "{name}");
    }
    let mut node = node(route("my_hep"));
    assert_eq!(take(&mut node, rtcp(b"{}")), Verdict::NeedsScript);
    node.capture_report(&rtcp(b"{}"), b"", b"leg", b"").unwrap();
    node.end_hep(None).unwrap();
    only(&node, |capture| assert_eq!(capture.kind, RowKind::Report(5)));
    assert_eq!(produced(&node, &[Produced::HepOtherType]), [0]);
}

#[test]
fn a_payload_that_is_no_sip_by_its_looks_or_empty_harms_nobody() {
    for name in ["none", "sip"] {
        let mut node = node(route(name));
        assert_eq!(take(&mut node, in_hep(b"")), Verdict::Done);
        assert_eq!(produced(&node, &[Produced::HepBad]), [1]);
        assert_eq!(matches!(take(&mut node, in_hep(NOT_SIP)), Verdict::Route(_)), name == "sip");
        node.end_hep(Some(NOT_SIP)).unwrap();
        only(&node, |capture| assert_eq!(capture.payload, NOT_SIP));
        assert_eq!(produced(&node, &[Produced::HepRefused]), [u64::from(name == "sip")]);
    }
    let mut node = node(route("my_hep"));
    assert_eq!(take(&mut node, in_hep(b"")), Verdict::NeedsScript);
    assert!(matches!(node.capture_sip(&in_hep(b""), b"", 0), Err(CaptureError::NoSip)));
    assert_eq!((queued(&node).len(), produced(&node, &[Produced::HepBad])), (0, vec![1]));
}

#[test]
fn what_the_parser_refuses_goes_to_the_table_for_bad_messages_unless_a_script_has_captured_it() {
    for captures_it in [false, true] {
        let mut node = node(|settings| {
            route("my_hep")(settings);
            settings.set_text("bad_table", b"bad_%Y").unwrap();
        });
        assert_eq!(take(&mut node, in_hep(NOT_SIP)), Verdict::NeedsScript);
        if captures_it {
            node.capture_sip(&in_hep(NOT_SIP), b"", 0).unwrap();
        }
        node.end_hep(Some(NOT_SIP)).unwrap();
        node.end_hep(Some(NOT_SIP)).unwrap();
        let table = if captures_it { &b"sip_capture"[..] } else { b"bad_%Y" };
        only(&node, |capture| {
            assert_eq!((capture.table, capture.agent_id, capture.hep_version), (Some(table), Some(7), Some(3)));
            assert_eq!((capture.transport, capture.source), (Transport::Tls, plain(SIP).source));
        });
    }
}

#[test]
fn a_packet_without_time_and_agent_is_refused_with_the_agent_0() {
    let mut node = node(route("sip"));
    let metadata = Metadata { hep_version: Some(2), ..Metadata::default() };
    assert!(matches!(take(&mut node, SipMessage { metadata, ..plain(NOT_SIP) }), Verdict::Route(_)));
    node.end_hep(Some(NOT_SIP)).unwrap();
    only(&node, |capture| assert_eq!((capture.agent_id, capture.hep_version), (Some(0), Some(2))));
}

#[test]
fn who_may_not_send_or_lacks_the_key_is_counted_and_nothing_is_captured() {
    let mut node = node(|settings| {
        route("none")(settings);
        settings.set_text("hep_allow", b"192.0.2.0/24").unwrap();
        settings.set_text("hep_auth_key", b"secret").unwrap();
    });
    let from = |sender: &str, auth_key| DecodedHep { sender: sender.parse().unwrap(), auth_key, ..packet(in_hep(SIP)) };
    for (sender, key) in [("198.51.100.1", &b"secret"[..]), ("192.0.2.1", b"secreT"), ("192.0.2.1", b"")] {
        assert_eq!(node.take_hep(&from(sender, key)), Ok(Verdict::Done));
    }
    assert_eq!(queued(&node).len(), 0);
    assert_eq!(node.take_hep(&from("192.0.2.1", b"secret")), Ok(Verdict::Done));
    assert_eq!(queued(&node).len(), 1);
    let counters = [Produced::HepPackets, Produced::HepNotAllowed, Produced::HepUnauthorised];
    assert_eq!(produced(&node, &counters), [4, 1, 2]);
}

#[test]
fn a_message_of_a_raw_socket_is_routed_whatever_hep_is_to_become_and_keeps_its_time() {
    for hep in [0, 1] {
        let mut node = node(|settings| {
            route("my_hep")(settings);
            settings.set_number("hep_capture_on", hep).unwrap();
            settings.set_text("hep_allow", b"198.51.100.1").unwrap();
        });
        let metadata = Metadata { hep_version: Some(0), time_us: Some(5_000_000), ..Metadata::default() };
        let raw = SipMessage { metadata, ..plain(NOT_SIP) };
        let Verdict::Route(inside) = take(&mut node, raw) else { panic!("it is routed") };
        assert_eq!((inside.version, inside.transport), (0, Transport::Udp));
        node.end_hep(Some(NOT_SIP)).unwrap();
        only(&node, |capture| {
            assert_eq!((capture.time_us, capture.hep_version, capture.agent_id), (5_000_000, None, None));
        });
        assert_eq!(produced(&node, &[Produced::RawRefused, Produced::HepPackets]), [1, 0]);
    }
}
