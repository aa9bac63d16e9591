//! The script's look at HEP packets, who may send them, and what can be asked of them.

use super::*;
use crate::queue::counters::Produced;
use std::io::Write as _;

fn hooked(set: impl FnOnce(&mut CaptureSettings)) -> CaptureNode {
    node(|settings| {
        settings.set_number("nonsip_hook", 1).unwrap();
        set(settings);
    })
}

fn named(node: &mut CaptureNode, name: &str, packet: &[u8]) -> String {
    match node.hep_value(HepVariable::parse(name.as_bytes()).unwrap(), packet) {
        VariableValue::Null => "null".to_owned(),
        VariableValue::Number(number) => number.to_string(),
        VariableValue::Text(text) | VariableValue::Both(text, _) => String::from_utf8_lossy(text).into_owned(),
    }
}

#[test]
fn a_packet_is_asked_about_and_taken_only_when_the_script_says_so() {
    let mut node = hooked(|_| {});
    let bytes = datagram(&packet(1, Payload::Plain(SIP)));
    assert_eq!(node.accept_hep(&bytes), Err(StateError::NotAsked));
    assert_eq!(node.receive_hep(&bytes, SENDER), Ok(Verdict::NeedsScript));
    assert_eq!(named(&mut node, "correlation_id", &bytes), "leg-a");
    node.end_hep(None).unwrap();
    assert_eq!(node.accept_hep(&bytes), Err(StateError::NotAsked));
    assert_eq!(named(&mut node, "correlation_id", &bytes), "null");
    assert_eq!(node.receive_hep(&bytes, SENDER), Ok(Verdict::NeedsScript));
    assert_eq!(node.accept_hep(b"another"), Err(StateError::NotAsked));
    assert!(matches!(node.accept_hep(&bytes), Ok(Verdict::Route(HepPacket { payload: SIP, .. }))));
    assert_eq!(node.accept_hep(&bytes), Err(StateError::NotAsked));
    assert_eq!(named(&mut node, "capture_id", &bytes), "7");
    node.end_hep(None).unwrap();
    assert!(queued(&node).is_empty());
    assert_eq!(totals(&node).produced(Produced::HepPackets), 2);
}

#[test]
fn a_field_is_part_of_the_packet_and_none_is_read_once_the_packet_has_ended() {
    let mut node = node(|_| {});
    let bytes = datagram(&packet(1, Payload::Plain(SIP)));
    let payload = HepVariable::parse(b"payload").unwrap();
    assert_eq!(node.hep_value(payload, &bytes), VariableValue::Null, "no packet is at hand yet");
    assert!(matches!(node.receive_hep(&bytes, SENDER), Ok(Verdict::Route(_))));
    let VariableValue::Text(text) = node.hep_value(payload, &bytes) else { panic!("a packet has a payload") };
    assert!(bytes.as_ptr_range().contains(&text.as_ptr()), "the text is the packet's own, not a copy's");
    assert_eq!(node.hep_value(payload, b""), VariableValue::Null, "a message from a raw socket came without a packet");
    node.end_hep(None).unwrap();
    assert_eq!(node.hep_value(payload, &bytes), VariableValue::Null);
}

#[test]
fn what_is_captured_while_the_script_looks_is_the_message_inside() {
    let mut node = hooked(|_| {});
    let bytes = datagram(&packet(1, Payload::Plain(SIP)));
    assert_eq!(node.receive_hep(&bytes, SENDER), Ok(Verdict::NeedsScript));
    node.capture_sip(&message(&bytes), b"inside", 0).unwrap();
    node.capture_report(&message(&bytes), b"report", b"", b"body").unwrap();
    node.end_hep(None).unwrap();
    // The same bytes later are not asked about any more.
    node.capture_sip(&message(&bytes), b"outside", 0).unwrap();
    let records = queued(&node);
    let captures: Vec<_> = records.iter().map(|bytes| record::decode(bytes).unwrap()).collect();
    assert_eq!((captures[0].payload, captures[0].source.to_string()), (SIP, "192.0.2.1:5060".to_owned()));
    assert_eq!((captures[0].table, captures[0].transport), (Some(&b"inside"[..]), Transport::Tls));
    assert_eq!((captures[1].payload, captures[1].source.to_string()), (&b"body"[..], "127.0.0.1:5060".to_owned()));
    for inherited in &captures[..2] {
        assert_eq!(inherited.time_us, 1_700_000_000_000_001);
        assert_eq!((inherited.agent_id, inherited.correlation_id), (Some(7), Some(&b"leg-a"[..])));
    }
    assert_eq!((captures[2].payload, captures[2].correlation_id), (&bytes[..], None));
}

#[test]
fn the_call_id_of_a_packet_is_that_of_the_message_inside_while_the_script_looks() {
    let mut node = hooked(|_| {});
    let compressed = zlib(SIP);
    for payload in [Payload::Plain(SIP), Payload::Compressed(&compressed)] {
        let bytes = datagram(&packet(1, payload));
        assert_eq!(node.receive_hep(&bytes, SENDER), Ok(Verdict::NeedsScript));
        assert_eq!(node.call_id(&bytes), b"1");
        assert_eq!(node.call_id(b"OPTIONS sip:a@b SIP/2.0\r\ni: another\r\n\r\n"), b"another");
        let unmasked = SipMessage { call_id: Some(b"unmasked"), ..message(&bytes) };
        node.capture_sip(&unmasked, b"", 0).unwrap();
        node.end_hep(None).unwrap();
    }
    for bytes in [datagram(&packet(5, Payload::Plain(SIP))), datagram(&packet(1, Payload::Compressed(b"no stream")))] {
        assert_eq!(node.receive_hep(&bytes, SENDER), Ok(Verdict::NeedsScript));
        assert_eq!(node.call_id(&bytes), b"");
        node.end_hep(None).unwrap();
    }
    for bytes in queued(&node) {
        let capture = record::decode(&bytes).unwrap();
        assert_eq!((capture.payload, capture.call_id), (SIP, Some(&b"unmasked"[..])));
    }
    assert_eq!(totals(&node).captured(), 2);
}

#[test]
fn a_packet_without_sip_is_no_message_for_the_script_to_capture() {
    let mut node = hooked(|_| {});
    for bytes in
        [datagram(&packet(5, Payload::Plain(b"{}"))), datagram(&packet(1, Payload::Plain(b""))), b"HEP3\0\x06".to_vec()]
    {
        assert_eq!(node.receive_hep(&bytes, SENDER), Ok(Verdict::NeedsScript));
        assert!(matches!(node.capture_sip(&message(&bytes), b"", 0), Err(CaptureError::NoSip)));
        node.end_hep(None).unwrap();
    }
    assert_eq!(totals(&node).captured(), 0);
}

#[test]
fn a_bad_packet_is_counted_when_the_script_wants_it_taken_and_not_when_it_has_dealt_with_it() {
    let mut node = hooked(|_| {});
    let bad = b"HEP3\0\x06";
    assert_eq!(node.receive_hep(bad, SENDER), Ok(Verdict::NeedsScript));
    node.end_hep(None).unwrap();
    assert_eq!(totals(&node).produced(Produced::HepBad), 0);
    assert_eq!(node.receive_hep(bad, SENDER), Ok(Verdict::NeedsScript));
    assert_eq!(node.accept_hep(bad), Ok(Verdict::Done));
    assert_eq!(totals(&node).produced(Produced::HepBad), 1);
    assert_eq!(named(&mut node, "version", bad), "null");
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_compressed_payload_is_asked_for_captured_and_routed_inflated() {
    let mut node = hooked(|_| {});
    let compressed = zlib(SIP);
    let bytes = datagram(&packet(1, Payload::Compressed(&compressed)));
    assert_eq!(node.receive_hep(&bytes, SENDER), Ok(Verdict::NeedsScript));
    assert_eq!(named(&mut node, "payload", &bytes).as_bytes(), SIP);
    assert_eq!(named(&mut node, "0x00f", &bytes), "");
    node.capture_sip(&message(&bytes), b"", 0).unwrap();
    assert!(matches!(node.accept_hep(&bytes), Ok(Verdict::Route(HepPacket { payload: SIP, .. }))));
    assert_eq!(named(&mut node, "payload", &bytes).as_bytes(), SIP);
    node.end_hep(None).unwrap();
    assert_eq!(record::decode(&queued(&node)[0]).unwrap().payload, SIP);
    let broken = datagram(&packet(1, Payload::Compressed(b"no stream at all")));
    assert_eq!(node.receive_hep(&broken, SENDER), Ok(Verdict::NeedsScript));
    assert_eq!(named(&mut node, "payload", &broken), "null");
    assert!(matches!(node.capture_sip(&message(&broken), b"", 0), Err(CaptureError::NoSip)));
    assert_eq!(node.accept_hep(&broken), Ok(Verdict::Done));
    assert_eq!(totals(&node).produced(Produced::HepBad), 1);
}

#[test]
fn only_senders_that_are_allowed_are_heard() {
    let mut node = node(|settings| settings.set_text("hep_allow", b"192.0.2.0/24, 2001:db8::/32").unwrap());
    let bytes = datagram(&packet(1, Payload::Plain(SIP)));
    for (sender, heard) in
        [("192.0.2.99", true), ("::ffff:192.0.2.5", true), ("2001:db8::7", true), ("192.0.3.1", false), ("::1", false)]
    {
        let verdict = node.receive_hep(&bytes, sender.parse().unwrap()).unwrap();
        assert_eq!(matches!(verdict, Verdict::Route(_)), heard, "{sender}: {verdict:?}");
        assert_eq!(matches!(verdict, Verdict::Done), !heard, "{sender}: {verdict:?}");
    }
    assert_eq!(node.receive_hep(SIP, "192.0.3.1".parse().unwrap()), Ok(Verdict::Pass));
    let totals = totals(&node);
    assert_eq!((totals.produced(Produced::HepPackets), totals.produced(Produced::HepNotAllowed)), (5, 2));
}

#[test]
fn with_a_key_set_a_packet_must_bear_it_before_anybody_looks() {
    for hook in [0, 1] {
        let mut node = node(|settings| {
            settings.set_text("hep_auth_key", b"s3cret").unwrap();
            settings.set_number("nonsip_hook", hook).unwrap();
        });
        let keyed = |key| datagram(&Packet { auth_key: key, ..packet(1, Payload::Plain(SIP)) });
        for wrong in [keyed(None), keyed(Some(b"s3creT")), keyed(Some(b"s3cret1"))] {
            assert_eq!(node.receive_hep(&wrong, SENDER), Ok(Verdict::Done));
        }
        for old in [Version::V1, Version::V2] {
            let old = datagram(&Packet { version: old, correlation_id: None, ..packet(1, Payload::Plain(SIP)) });
            assert_eq!(node.receive_hep(&old, SENDER), Ok(Verdict::Done));
        }
        assert_eq!(node.receive_hep(b"HEP3\0\x06", SENDER), Ok(Verdict::Done));
        assert_eq!(totals(&node).produced(Produced::HepUnauthorised), 6);
        let right = keyed(Some(b"s3cret"));
        let verdict = node.receive_hep(&right, SENDER).unwrap();
        assert!(matches!(verdict, Verdict::Route(_) | Verdict::NeedsScript), "{verdict:?}");
        assert_eq!(totals(&node).produced(Produced::HepUnauthorised), 6);
        assert_eq!(totals(&node).produced(Produced::HepBad), 0);
    }
}

#[test]
fn a_network_that_is_none_is_named_and_a_key_never_is() {
    let mut settings = CaptureSettings::default();
    let error = settings.set_text("hep_allow", b"192.0.2.0/24 10.0.0.0/40").unwrap_err().to_string();
    for part in ["hep_allow", "\"10.0.0.0/40\"", "198.51.100.0/24"] {
        assert!(error.contains(part), "{error}");
    }
    settings.set_text("hep_auth_key", b"s3cret\xff").unwrap();
    assert!(!format!("{settings:?}").contains("s3cret"));
}

#[test]
fn a_packet_is_stored_and_redacted_without_the_secrets_of_the_message_inside() {
    let secret = b"MESSAGE sip:a SIP/2.0\r\nAuthorization: Basic dTpw\r\n\r\nsecret";
    let masked = b"MESSAGE sip:a SIP/2.0\r\nAuthorization: Basic xxxx\r\n\r\nxxxxxx";
    let mut node = hooked(|settings| {
        settings.set_text("mask", b"Authorization").unwrap();
        settings.set_number("mask_body", 1).unwrap();
    });
    let (bytes, expected) =
        (datagram(&packet(1, Payload::Plain(secret))), datagram(&packet(1, Payload::Plain(masked))));
    assert_eq!(node.receive_hep(&bytes, SENDER), Ok(Verdict::NeedsScript));
    assert_eq!(node.redacted(&bytes).unwrap(), expected);
    node.capture_sip(&message(&bytes), b"inside", 0).unwrap();
    node.capture_report(&message(&bytes), b"report", b"", b"").unwrap();
    node.end_hep(None).unwrap();
    assert_eq!(node.redacted(secret).unwrap(), masked);
    let cut = &bytes[..bytes.len() - 1];
    assert!(matches!(node.redacted(cut), Err(CaptureError::Unmaskable(_))));
    node.capture_report(&message(cut), b"report", b"", b"").unwrap();
    let records = queued(&node);
    let payloads: Vec<&[u8]> = records.iter().map(|bytes| record::decode(bytes).unwrap().payload).collect();
    assert_eq!(payloads, [&masked[..], &expected, &vec![b'x'; cut.len()]]);
}

#[test]
fn without_secrets_bytes_are_redacted_as_they_are() {
    let mut node = hooked(|_| {});
    let cut = b"HEP3\x00";
    assert_eq!(node.redacted(cut).unwrap().as_ptr(), cut.as_ptr());
}
