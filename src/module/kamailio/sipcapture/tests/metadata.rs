//! What the host says of a message beyond the message itself.

use super::*;

/// The capture of `message` while a HEP packet is at hand.
fn captured(message: &SipMessage<'_>, check: impl FnOnce(&Capture<'_>)) {
    let mut node = node(|_| {});
    let bytes = datagram(&packet(1, Payload::Plain(SIP)));
    assert!(matches!(node.receive_hep(&bytes, SENDER), Ok(Verdict::Route(_))));
    node.capture_sip(message, b"", 0).unwrap();
    check(&record::decode(&queued(&node)[0]).unwrap());
}

#[test]
fn what_the_host_leaves_out_is_as_the_packet_at_hand_has_it() {
    captured(&message(SIP), |capture| {
        let of_packet = (capture.time_us, capture.agent_id, capture.correlation_id);
        assert_eq!(of_packet, (1_700_000_000_000_001, Some(7), Some(&b"leg-a"[..])));
        assert_eq!((capture.transport, capture.hep_version, capture.custom), (Transport::Udp, Some(3), [None; 3]));
    });
    // A transport that hosts have no number for is the packet's own.
    captured(&SipMessage { transport: Transport::UNKNOWN, ..message(SIP) }, |capture| {
        assert_eq!(capture.transport, Transport::Tls);
    });
}

#[test]
fn what_the_host_says_takes_the_place_of_what_the_packet_at_hand_says() {
    let metadata = Metadata {
        hep_version: Some(3),
        transport: Some(Transport::Other(50)),
        time_us: Some(5),
        agent_id: Some(u32::MAX),
        correlation_id: Some(b"told"),
        ..Metadata::default()
    };
    let custom = [Some(&b"one"[..]), None, Some(&b""[..])];
    captured(&SipMessage { metadata, custom, ..message(SIP) }, |capture| {
        let told = (capture.time_us, capture.agent_id, capture.correlation_id);
        assert_eq!(told, (5, Some(u32::MAX), Some(&b"told"[..])));
        assert_eq!((capture.transport, capture.hep_version), (Transport::Other(50), Some(3)));
        assert_eq!(capture.custom, custom);
    });
    // It came without HEP and has no correlation id, whatever is at hand.
    let metadata = Metadata { hep_version: Some(0), correlation_id: Some(b""), ..Metadata::default() };
    captured(&SipMessage { metadata, ..message(SIP) }, |capture| {
        assert_eq!((capture.hep_version, capture.correlation_id, capture.agent_id), (None, Some(&b""[..]), Some(7)));
    });
}

#[test]
fn a_report_takes_what_the_host_says_but_for_a_correlation_id_that_the_script_names() {
    let mut node = node(|_| {});
    let metadata =
        Metadata { agent_id: Some(9), time_us: Some(5), correlation_id: Some(b"told"), ..Metadata::default() };
    let told = SipMessage { metadata, custom: [None, Some(b"two"), None], ..message(SIP) };
    node.capture_report(&told, b"", b"", b"body").unwrap();
    node.capture_report(&told, b"", b"named", b"body").unwrap();
    let records = queued(&node);
    for (bytes, correlation_id) in records.iter().zip([b"told".as_slice(), b"named"]) {
        let capture = record::decode(bytes).unwrap();
        assert_eq!((capture.time_us, capture.agent_id, capture.correlation_id), (5, Some(9), Some(correlation_id)));
        assert_eq!(capture.custom, [None, Some(&b"two"[..]), None]);
    }
}

#[test]
fn what_the_host_says_counts_for_the_message_inside_a_packet_that_the_script_looks_at() {
    let mut node = node(|settings| settings.set_number("nonsip_hook", 1).unwrap());
    let bytes = datagram(&packet(1, Payload::Plain(SIP)));
    assert!(matches!(node.receive_hep(&bytes, SENDER), Ok(Verdict::NeedsScript)));
    let metadata = Metadata { agent_id: Some(9), ..Metadata::default() };
    let custom = [Some(&b"one"[..]), None, None];
    node.capture_sip(&SipMessage { metadata, custom, ..message(&bytes) }, b"", 0).unwrap();
    let records = queued(&node);
    let capture = record::decode(&records[0]).unwrap();
    assert_eq!((capture.payload, capture.agent_id, capture.custom), (SIP, Some(9), custom));
    assert_eq!((capture.transport, capture.time_us), (Transport::Tls, 1_700_000_000_000_001));
}

#[test]
fn a_report_that_a_script_makes_of_a_message_in_hep_is_none_that_came_in_hep_by_itself() {
    let mut node = node(|_| {});
    let bytes = datagram(&packet(1, Payload::Plain(SIP)));
    assert!(matches!(node.receive_hep(&bytes, SENDER), Ok(Verdict::Route(_))));
    let over_tls = SipMessage::of(Addresses { transport: Transport::Tls, ..addresses() }, SIP);
    node.capture_report(&over_tls, b"", b"", b"body").unwrap();
    let records = queued(&node);
    let capture = record::decode(&records[0]).unwrap();
    assert_eq!((capture.agent_id, capture.hep_version), (Some(7), None));
    assert_eq!(SIPCAPTURE.rows.transports.number(&capture), 3);
}
