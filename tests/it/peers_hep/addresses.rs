//! Wireshark beside our reading of addresses that break the grammar.

use super::{address, pcap_of};
use crate::common::reported::reported;
use crate::common::tshark::{Dissected, dissect};
use sipcapture_core::hep::{Payload, decode};
use sipcapture_core::sip::{HeaderNames, extract};

/// Wireshark's fields, in the order of ours.
const FIELDS: [&str; 9] = [
    "sip.from.user",
    "sip.from.host",
    "sip.from.tag",
    "sip.to.user",
    "sip.to.host",
    "sip.to.tag",
    "sip.contact.user",
    "sip.contact.host",
    "sip.pai.user",
];

/// Addresses that the stock parser refuses. Users have two letters at least: of one, Wireshark shows nothing.
const ADDRESSES: &[&str] = &[
    r#"\"Alice\" <sip:alice@a.example>;tag=1"#,
    r#"""Alice"" <sip:alice@a.example>;tag=1"#,
    r#""Alice" sip:alice@a.example;tag=1"#,
    r#""Alice <sip:alice@a.example>;tag=1"#,
    r#"Al"ice <sip:alice@a.example>;tag=1"#,
    r#""Alice\" <sip:alice@a.example>;tag=1"#,
    r#"Alice, or "Al" <sip:alice@a.example>;tag=1"#,
    "Alice sip:alice@a.example;tag=1",
    "Alice tel:+4930123456;tag=1",
    "<<sip:alice@a.example>>;tag=1",
    "<sip:alice@a.example;tag=1",
    "<sip:alice@a.example ;tag=1",
    "sip:alice@a.example>;tag=1",
    "<sip:alice@a.example b>;tag=1",
    r#"<sip:al"ice@a.example>;tag=1"#,
    "<sip:al ice@a.example>;tag=1",
    "<sip:alice@a.example>garbage;tag=1",
    "<sip:alice@a.example;tag=in>garbage;tag=out",
    "<sip:alice@a.example>tag=1",
    "<sip:alice@a.example>;;tag=1",
    "<sip:alice@a.example>,;tag=1",
    "<sip:alice@a.example>;x=1,2;tag=1",
    "<sip:alice@a.example>;tag=a=b",
    r#"<sip:alice@a.example>;tag="x"#,
    r#"<sip:alice@a.example>;tag=a"b\c"#,
    r#""A" <sip:alice@a.example> <sip:bob@b.example>;tag=1"#,
    "\"Alice",
    "\"Alice\"",
];

/// Dissects `messages`, one datagram each.
fn shown(messages: &[Vec<u8>]) -> Vec<Dissected> {
    let directory = tempfile::tempdir().expect("a private directory");
    let (source, destination) = (address("192.0.2.10:5060"), address("192.0.2.20:5060"));
    let datagrams: Vec<_> = messages.iter().map(|message| (source, destination, message)).collect();
    let shown = dissect(&pcap_of(directory.path(), &datagrams), &["-d", "udp.port==5060,sip"], &FIELDS);
    assert_eq!(shown.len(), messages.len());
    shown
}

/// Asserts that whatever Wireshark shows of the addresses in `message` is what we read. It shows less: nothing of tel
/// URIs and of URIs without angle brackets behind a name. Gives how many values it shows.
fn assert_agrees(message: &[u8], shown: &Dissected) -> usize {
    let fields = extract(message, None, &HeaderNames::default());
    let ours = [
        fields.from_user,
        fields.from_domain,
        fields.from_tag,
        fields.to_user,
        fields.to_domain,
        fields.to_tag,
        fields.contact_user,
        fields.contact_ip,
        fields.pid_user,
    ];
    let mut compared = 0;
    for (field, ours) in FIELDS.into_iter().zip(ours) {
        if let Some(theirs) = shown.last(field) {
            compared += 1;
            assert_eq!(
                ours.escape_ascii().to_string(),
                theirs.as_bytes().escape_ascii().to_string(),
                "{field} of {}",
                message.escape_ascii()
            );
        }
    }
    compared
}

#[test]
fn wireshark_shows_nothing_of_broken_addresses_that_we_do_not_read() {
    let message = |text: &str| {
        format!(
            "INVITE sip:bob@b.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK-1\r\nFrom: {text}\r\n\
             To: {text}\r\nCall-ID: 1@a\r\nCSeq: 1 INVITE\r\nContact: {text}\r\nP-Asserted-Identity: {text}\r\n\
             Content-Length: 0\r\n\r\n"
        )
        .into_bytes()
    };
    let messages: Vec<Vec<u8>> = ADDRESSES.iter().map(|text| message(text)).collect();
    let mut compared = 0;
    for (message, shown) in messages.iter().zip(shown(&messages)) {
        assert!(extract(message, None, &HeaderNames::default()).malformed, "{}", message.escape_ascii());
        compared += assert_agrees(message, &shown);
    }
    assert!(compared > 150, "Wireshark shows {compared} values");
}

#[test]
fn the_headers_that_were_reported_have_the_users_that_wireshark_shows() {
    let payload = |packet: Vec<u8>| match decode(&packet).expect("a packet that decodes").payload {
        Payload::Plain(message) => message.to_vec(),
        Payload::Compressed(_) => panic!("a packet that is compressed"),
    };
    let messages: Vec<Vec<u8>> = reported("from-unreadable").into_iter().map(payload).collect();
    let shown = shown(&messages);
    messages.iter().zip(&shown).for_each(|(message, shown)| assert!(assert_agrees(message, shown) > 2));
    assert_eq!((shown[0].last("sip.from.user"), shown[0].last("sip.from.tag")), (Some("816666"), Some("6433ef9")));
    assert_eq!(shown[1].last("sip.from.tag"), Some("as4b6e3ad0"));
    assert_eq!((shown[2].last("sip.to.user"), shown[2].last("sip.to.host")), (Some("4711"), Some("192.0.2.77")));
}

/// Where the host says that a user is a telephone number, the column has the number, as the stock module has it, and
/// Wireshark the parameters too; everywhere else the semicolon is part of the user.
#[test]
fn a_semicolon_belongs_to_the_user_as_wireshark_shows_it_but_for_telephone_numbers() {
    let message = |user: &str, parameter: &str| {
        let uri = format!("<sip:{user}@a.example{parameter}>");
        format!(
            "INVITE sip:bob@b.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK-1\r\nFrom: {uri};tag=1\r\n\
             To: {uri}\r\nCall-ID: 1@a\r\nCSeq: 1 INVITE\r\nContact: {uri}\r\nP-Asserted-Identity: {uri}\r\n\
             Content-Length: 0\r\n\r\n"
        )
        .into_bytes()
    };
    let messages = [message("alice;x=1", ""), message("+1212;ext=2", ";user=phone")];
    let shown = shown(&messages);
    assert_agrees(&messages[0], &shown[0]);
    assert_eq!(shown[0].last("sip.from.user"), Some("alice;x=1"));
    assert_eq!(shown[1].last("sip.from.user"), Some("+1212;ext=2"));
    let fields = extract(&messages[1], None, &HeaderNames::default());
    assert_eq!([fields.from_user, fields.to_user, fields.contact_user, fields.pid_user], [b"+1212"; 4]);
}
