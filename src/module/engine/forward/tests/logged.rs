//! What the log says of what is lost.

use super::*;
use crate::logged;

/// The lines that `body` logs.
fn lines_of(body: impl FnOnce()) -> Vec<String> {
    logged::listen();
    body();
    logged::lines().into_iter().map(|(level, line)| format!("{level} {line}")).collect()
}

#[test]
fn what_is_no_sip_uri_is_told_with_what_is_allowed_and_without_its_user() {
    for (uri, shown) in [
        ("tel:1", "tel:1"),
        ("", ""),
        ("sips:me:s3cret@192.0.2.1;transport=udp", "sips:192.0.2.1;transport=udp"),
        ("me@192.0.2.1:5060", "192.0.2.1:5060"),
    ] {
        let mut forward = served(BY_SERVICE, own_state!());
        let lines = lines_of(|| assert_eq!(forward.send(uri.as_bytes(), b""), Forwarded::Lost));
        let allowed = "sip:host[:port][;transport=udp|tcp|tls|sctp] and sips:host[:port] are allowed";
        assert_eq!(lines, [format!("ERROR \"{shown}\" is no SIP URI; {allowed}")]);
    }
}

#[test]
fn a_name_without_an_address_and_a_send_that_failed_are_told_without_the_user() {
    let mut forward = served(BY_SERVICE, own_state!());
    let lines = lines_of(|| assert_eq!(forward.send(b"sip:me:s3cret@a.example", b""), Forwarded::Lost));
    assert_eq!(lines, ["WARN nothing is sent to sip:a.example: its address is not known yet"]);
    let mut forward = served(BY_SERVICE, own_state!());
    let lines = lines_of(|| forward.failed(b"sip:me:s3cret@192.0.2.1;transport=sctp"));
    assert_eq!(
        lines,
        ["ERROR nothing is sent to sip:192.0.2.1;transport=sctp: no socket of that transport, or the send failed"]
    );
}

#[test]
fn what_is_lost_because_another_process_has_the_state_is_told_and_an_address_needs_none() {
    let state = own_state!();
    let mut forward = served(BY_ADDRESS, state);
    let lines = lines_of(|| {
        let _kept = state.lock();
        assert_eq!(forward.send(b"sip:me:s3cret@a.example", b""), Forwarded::Lost);
        assert_eq!(forward.send(b"sip:192.0.2.1", b""), Forwarded::Send(udp("192.0.2.1:5060")));
    });
    let why = "another process of the server has the list of names and does not go on";
    assert_eq!(lines, [format!("ERROR nothing is sent to sip:a.example: {why}")]);
    assert_eq!(forward.send(b"sip:a.example", b""), Forwarded::Held);
}

#[test]
fn a_flood_of_what_is_lost_is_one_line() {
    let mut forward = served(BY_SERVICE, own_state!());
    let lines = lines_of(|| {
        for uri in ["tel:1", "sip:a.example", "tel:2"] {
            assert_eq!(forward.send(uri.as_bytes(), b""), Forwarded::Lost);
            forward.failed(b"sip:192.0.2.1");
        }
    });
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("\"tel:1\" is no SIP URI"), "{lines:?}");
}

#[test]
fn a_name_that_cannot_be_looked_up_is_told_once_until_it_can_be() {
    let state = own_state!();
    let mut forward = served(BY_ADDRESS, state);
    let mut answer = |found| {
        forward.expect(b"sip:a.example");
        // As if the name were due again.
        forward.round.asked = state.with(|state| Some((0, state.names.place(0))));
        lines_of(|| forward.answer(found).expect("it was asked"))
    };
    let nowhere = "ERROR a.example cannot be resolved; nothing is sent there until it can be";
    let before = "ERROR a.example cannot be resolved; nothing is sent there but to the address that it had before";
    assert_eq!(answer(None), [nowhere]);
    assert!(answer(None).is_empty());
    assert!(answer(Some(udp("192.0.2.1:5060"))).is_empty());
    assert_eq!(answer(None), [before]);
    assert!(answer(None).is_empty());
}

#[test]
fn what_is_held_at_the_end_is_told() {
    let mut forward = served(BY_ADDRESS, own_state!());
    assert!(lines_of(|| forward.end()).is_empty());
    for _ in 0..3 {
        assert_eq!(forward.send(b"sip:a.example", b"message"), Forwarded::Held);
    }
    let lines = lines_of(|| forward.end());
    assert_eq!(lines, ["WARN 3 copies for names that were not looked up yet are not sent"]);
}
