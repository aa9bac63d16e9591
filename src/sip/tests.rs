//! Whole messages: what each field gets, and that no bytes do harm.

use super::*;
use proptest::prelude::*;

fn names() -> HeaderNames {
    HeaderNames {
        callid_aleg: vec![b"X-CID".to_vec(), b"X-Leg".to_vec()],
        custom: [Some(b"Mac".to_vec()), None, Some(b"Port".to_vec())],
        ..HeaderNames::default()
    }
}

/// An INVITE with `headers` after those that every message must have.
fn with(headers: &str) -> String {
    format!(
        "INVITE sip:bob@b.example SIP/2.0\r\nVia: SIP/2.0/UDP a.example;branch=z9hG4bK1\r\n\
         From: <sip:alice@a.example>;tag=f\r\nTo: <sip:bob@b.example>\r\nCall-ID: 1@a\r\nCSeq: 1 INVITE\r\n\
         {headers}\r\n"
    )
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("the test's messages are ASCII")
}

#[test]
fn a_request_gives_its_fields() {
    let message = with("Contact: <sip:alice@192.0.2.1:5070>\r\nUser-Agent: x\r\n\r\nUser-Agent: body\r\n");
    let fields = extract(message.as_bytes(), None, &names());
    assert!(!fields.malformed);
    assert_eq!(fields.first_line, FirstLine::Request);
    assert_eq!(text(fields.method), "INVITE");
    assert_eq!(text(fields.ruri), "sip:bob@b.example");
    assert_eq!((text(fields.ruri_user), text(fields.ruri_domain)), ("bob", "b.example"));
    assert_eq!((text(fields.from_user), text(fields.from_domain), text(fields.from_tag)), ("alice", "a.example", "f"));
    assert_eq!((text(fields.to_user), text(fields.to_domain), text(fields.to_tag)), ("bob", "b.example", ""));
    assert_eq!((text(fields.via_1), text(fields.via_1_branch)), ("SIP/2.0/UDP a.example;branch=z9hG4bK1", "z9hG4bK1"));
    assert_eq!((text(fields.callid), text(fields.cseq), text(fields.user_agent)), ("1@a", "1 INVITE", "x"));
    assert_eq!((text(fields.contact_user), text(fields.contact_ip), fields.contact_port), ("alice", "192.0.2.1", 5070));
}

#[test]
fn a_reply_has_a_status_a_reason_and_no_uri() {
    let message = with("").replace("INVITE sip:bob@b.example SIP/2.0", "SIP/2.0 486 Busy Here");
    let fields = extract(message.as_bytes(), Some(b"sip:x@y"), &names());
    assert_eq!(fields.first_line, FirstLine::Reply);
    assert_eq!((text(fields.method), text(fields.reply_reason)), ("486", "Busy Here"));
    assert_eq!((text(fields.ruri), text(fields.ruri_user), text(fields.ruri_domain)), ("", "", ""));
}

#[test]
fn user_and_domain_come_from_the_rewritten_uri() {
    let message = with("");
    let fields = extract(message.as_bytes(), Some(b"sip:carol@c.example"), &names());
    assert_eq!(text(fields.ruri), "sip:bob@b.example");
    assert_eq!((text(fields.ruri_user), text(fields.ruri_domain)), ("carol", "c.example"));
    assert!(extract(message.as_bytes(), Some(b"nonsense"), &names()).malformed);
}

#[test]
fn the_first_of_repeated_headers_counts() {
    let message = with(
        "Reason: a\r\nReason: b\r\nUser-Agent: a\r\nUser-Agent: b\r\nDiversion: a\r\nDiversion: b\r\n\
                        Contact: sip:a@a\r\nContact: sip:b@b\r\nMac: a\r\nMac: b\r\nContent-Type: a/b\r\nc: c/d\r\n",
    );
    let fields = extract(message.as_bytes(), None, &names());
    assert!(!fields.malformed);
    let first = [fields.reason, fields.user_agent, fields.diversion, fields.contact_user, fields.custom[0]].map(text);
    assert_eq!(first, ["a"; 5]);
    assert_eq!(text(fields.content_type), "a/b");
}

#[test]
fn a_header_that_may_come_once_makes_the_message_malformed_when_it_comes_twice() {
    for header in ["From: <sip:x@y>", "To: <sip:x@y>", "Call-ID: 2", "CSeq: 2 ACK", "f: <sip:x@y>"] {
        let message = with(&format!("{header}\r\n"));
        let fields = extract(message.as_bytes(), None, &names());
        assert!(fields.malformed, "{header}");
        assert_eq!((text(fields.from_user), text(fields.to_user), text(fields.callid)), ("alice", "bob", "1@a"));
        assert_eq!(text(fields.cseq), "1 INVITE");
        let reply = message.replace("INVITE sip:bob@b.example SIP/2.0", "SIP/2.0 200 OK");
        assert!(!extract(reply.as_bytes(), None, &names()).malformed, "{header}");
    }
    for header in ["Content-Length: 0", "Max-Forwards: 70"] {
        assert!(!extract(with(&format!("{header}\r\n")).as_bytes(), None, &names()).malformed);
        assert!(extract(with(&format!("{header}\r\n{header}\r\n")).as_bytes(), None, &names()).malformed);
    }
}

#[test]
fn a_message_that_lacks_a_needed_header_is_malformed_and_the_others_are_read() {
    let message = with("User-Agent: x\r\n");
    for header in ["Via", "From", "To", "Call-ID", "CSeq"] {
        let without: String =
            message.split_inclusive("\r\n").filter(|line| !line.starts_with(&format!("{header}:"))).collect();
        let fields = extract(without.as_bytes(), None, &names());
        assert!(fields.malformed, "{header}");
        assert_eq!(text(fields.user_agent), "x");
    }
}

#[test]
fn the_asserted_identity_comes_before_the_preferred_one_and_that_before_the_remote_party() {
    let pid = |headers: &str| text(extract(with(headers).as_bytes(), None, &names()).pid_user).to_owned();
    let asserted = "P-Asserted-Identity: \"A\" <sip:pai@x>, <tel:+1>\r\n";
    let preferred = "P-Preferred-Identity: <sip:ppi@x>\r\n";
    let remote = "Remote-Party-ID: <sip:rpid@x>;party=calling\r\n";
    assert_eq!(pid(&format!("{remote}{preferred}{asserted}")), "pai");
    assert_eq!(pid(&format!("{remote}{preferred}")), "ppi");
    assert_eq!(pid(remote), "rpid");
    assert_eq!(pid(&format!("P-Asserted-Identity: <broken\r\n{preferred}")), "ppi");
    assert_eq!(pid(&format!("{asserted}P-Asserted-Identity: <broken\r\n{remote}")), "rpid");
    for unreadable in ["<http://x>", "anonymous", "<sip:a@b:70000>", "<http://x>;y=<sip:no@x>"] {
        assert_eq!(pid(&format!("P-Asserted-Identity: {unreadable}\r\n{preferred}")), "");
        assert_eq!(pid(&format!("P-Preferred-Identity: {unreadable}\r\n{remote}")), "");
        assert_eq!(pid(&format!("Remote-Party-ID: {unreadable}\r\n")), "");
    }
    assert_eq!(pid(""), "");
}

#[test]
fn proxy_authorization_comes_before_authorization_even_when_unreadable() {
    let user = |headers: &str| text(extract(with(headers).as_bytes(), None, &names()).auth_user).to_owned();
    let own = "Authorization: Digest username=\"own@x\"\r\n";
    assert_eq!(user(own), "own");
    assert_eq!(user(&format!("{own}Proxy-Authorization: Digest username=\"proxy\"\r\n")), "proxy");
    assert_eq!(user(&format!("{own}Proxy-Authorization: Basic x\r\n")), "");
}

#[test]
fn the_operators_list_decides_which_header_names_the_other_leg() {
    let aleg = |headers: &str| text(extract(with(headers).as_bytes(), None, &names()).callid_aleg).to_owned();
    assert_eq!(aleg("X-Leg: 2\r\nX-CID: 1\r\nX-CID: 3\r\n"), "1");
    assert_eq!(aleg("X-Leg: 2\r\n"), "2");
    assert_eq!(aleg("X-Other: 2\r\n"), "");
}

#[test]
fn the_preferred_statistics_header_counts_wherever_it_stands() {
    let stat = |headers: &str| text(extract(with(headers).as_bytes(), None, &names()).rtp_stat).to_owned();
    assert_eq!(stat("RTP-RxStat: 7\r\nP-RTP-Stat: 4\r\nX-RTP-Stat: 3\r\nX-RTP-Stat-Add: 1\r\n"), "1");
    assert_eq!(stat("RTP-RxStat: 7\r\nX-NG-RTP-STATS: 6\r\nX-Siemens-RTP-stats: 5\r\n"), "5");
    assert_eq!(stat("X-Rtp-Stat: 3\r\n"), "3");
}

#[test]
fn a_host_decides_which_headers_name_the_sender_and_the_statistics() {
    let names = HeaderNames {
        identity: IdentityHeaders::WithoutRemotePartyId,
        rtp_stat: &[b"P-RTP-Stat", b"X-RTP-Stat"],
        ..names()
    };
    let fields = |headers: &str| {
        let message = with(headers);
        let fields = extract(message.as_bytes(), None, &names);
        (text(fields.pid_user).to_owned(), text(fields.rtp_stat).to_owned())
    };
    let remote = "Remote-Party-ID: <sip:rpid@x>\r\n";
    let preferred = "P-Preferred-Identity: <sip:ppi@x>\r\n";
    let found = |pid: &str, stat: &str| (pid.to_owned(), stat.to_owned());
    assert_eq!(fields(&format!("{remote}X-RTP-Stat-Add: 1\r\n")), found("", ""));
    assert_eq!(fields(&format!("{remote}{preferred}X-RTP-Stat: 3\r\nP-RTP-Stat: 4\r\n")), found("ppi", "4"));
    // Nor does it count where another one cannot be read.
    assert_eq!(fields(&format!("{remote}P-Asserted-Identity: <broken\r\n")), found("", ""));
    assert_eq!(fields(&format!("{remote}P-Asserted-Identity: <broken\r\n{preferred}")), found("ppi", ""));
}

#[test]
fn a_header_looked_up_by_name_needs_its_first_letter_in_the_names_case() {
    let message = with("reason: a\r\nx-oip: 192.0.2.1\r\nmac: 1\r\nx-cid: 2\r\nx-rtp-stat: 3\r\n");
    let fields = extract(message.as_bytes(), None, &names());
    assert_eq!([fields.reason, fields.originator_ip, fields.custom[0], fields.callid_aleg, fields.rtp_stat], [b""; 5]);
    let message = with("REASON: a\r\nX-oip: 192.0.2.1:5060\r\nMAC: 1\r\n");
    let fields = extract(message.as_bytes(), None, &names());
    assert_eq!([fields.reason, fields.originator_ip, fields.custom[0]].map(text), ["a", "192.0.2.1", "1"]);
    assert_eq!(fields.originator_port, 5060);
}

#[test]
fn a_host_decides_about_the_case_of_names_and_which_contact_counts() {
    let message = with(
        "reason: a\r\nx-oip: 192.0.2.1\r\nmac: 1\r\nx-cid: 2\r\nx-rtp-stat: 3\r\n\
         Contact: <sip:one@192.0.2.7>, <sip:two@192.0.2.8:5080>\r\n",
    );
    let names = HeaderNames { case: NameCase::Any, contact: ContactChoice::First, ..names() };
    let fields = extract(message.as_bytes(), None, &names);
    let named = [fields.reason, fields.originator_ip, fields.custom[0], fields.callid_aleg, fields.rtp_stat];
    assert_eq!(named.map(text), ["a", "192.0.2.1", "1", "2", "3"]);
    assert_eq!((text(fields.contact_user), text(fields.contact_ip), fields.contact_port), ("one", "192.0.2.7", 0));
}

#[test]
fn folds_stay_in_a_body() {
    let message = with("Subject: x\r\nUser-Agent:\r\n a\r\n\tb \r\n");
    assert_eq!(text(extract(message.as_bytes(), None, &names()).user_agent), "a\r\n\tb ");
}

#[test]
fn a_line_that_is_no_header_is_skipped() {
    let fields_of = |headers: &str| {
        let message = with(headers);
        let fields = extract(message.as_bytes(), None, &names());
        (fields.malformed, text(fields.user_agent).to_owned())
    };
    assert_eq!(fields_of("no colon\r\nUser-Agent: x\r\n"), (true, "x".to_owned()));
    assert_eq!(fields_of("N\u{e4}me: y\r\n more\r\nUser-Agent: x\r\n"), (true, "x".to_owned()));
}

#[test]
fn a_last_header_without_a_line_break_is_read_and_makes_the_message_malformed() {
    let message = with("User-Agent: x");
    let fields = extract(message.trim_end().as_bytes(), None, &names());
    assert_eq!((fields.malformed, text(fields.user_agent)), (true, "x"));
}

#[test]
fn an_unreadable_address_leaves_its_fields_empty() {
    let message = with("Contact: <broken\r\n")
        .replace("<sip:alice@a.example>", "\"no end")
        .replace("To: <sip:bob@b.example>", "To: <mailto:bob@b.example>;tag=t");
    let fields = extract(message.as_bytes(), None, &names());
    assert!(fields.malformed);
    assert_eq!([fields.from_user, fields.from_domain, fields.from_tag, fields.to_user, fields.contact_user], [b""; 5]);
    assert_eq!((text(fields.to_tag), text(fields.cseq)), ("t", "1 INVITE"));
}

#[test]
fn an_address_that_breaks_the_grammar_gives_what_is_plain_and_stays_malformed() {
    let broken = "\"A\" sip:broken@x.example:5070;tag=t";
    let message = with(&format!("Contact: {broken}\r\n"))
        .replace("<sip:alice@a.example>;tag=f", broken)
        .replace("To: <sip:bob@b.example>", &format!("To: {broken}"));
    let fields = extract(message.as_bytes(), None, &names());
    assert!(fields.malformed);
    assert_eq!([fields.from_user, fields.to_user, fields.contact_user].map(text), ["broken"; 3]);
    assert_eq!([fields.from_domain, fields.to_domain, fields.contact_ip].map(text), ["x.example"; 3]);
    assert_eq!(([fields.from_tag, fields.to_tag].map(text), fields.contact_port), (["t"; 2], 5070));
    assert_eq!(text(fields.cseq), "1 INVITE");
}

#[test]
fn an_address_whose_name_the_grammar_takes_for_its_uri_gives_what_is_plain() {
    for address in ["Smith; <sip:plain@x.example>", "Smith;John<sip:plain@x.example>", "Alice=x;y<sip:plain@x.example>"]
    {
        let message = with(&format!("Contact: {address}\r\nP-Asserted-Identity: {address}\r\n"))
            .replace("<sip:alice@a.example>", address)
            .replace("<sip:bob@b.example>", address);
        let fields = extract(message.as_bytes(), None, &names());
        let users = [fields.from_user, fields.to_user, fields.contact_user, fields.pid_user];
        assert_eq!(users.map(text), ["plain"; 4], "{address}");
        assert_eq!([fields.from_domain, fields.to_domain].map(text), ["x.example"; 2], "{address}");
        assert_eq!((text(fields.from_tag), fields.malformed), ("f", true), "{address}");
        let sharded = [HashSource::FromUser, HashSource::ToUser].map(|source| hash_source(message.as_bytes(), source));
        assert_eq!(sharded.map(text), ["plain"; 2], "{address}");
        let preferred = with(&format!("P-Preferred-Identity: {address}\r\n"));
        assert_eq!(text(extract(preferred.as_bytes(), None, &names()).pid_user), "plain", "{address}");
        let remote = with(&format!("Remote-Party-ID: {address}\r\n"));
        assert_eq!(text(extract(remote.as_bytes(), None, &names()).pid_user), "plain", "{address}");
    }
}

#[test]
fn a_broken_identity_counts_only_where_no_other_header_gives_one() {
    let pid = |headers: &str| text(extract(with(headers).as_bytes(), None, &names()).pid_user).to_owned();
    let broken = |name: &str, user: &str| format!("{name}: \"A\" sip:{user}@x\r\n");
    let (asserted, preferred, remote) = (
        broken("P-Asserted-Identity", "pai"),
        broken("P-Preferred-Identity", "ppi"),
        broken("Remote-Party-ID", "rpid"),
    );
    assert_eq!(pid(&format!("{remote}{preferred}{asserted}")), "pai");
    assert_eq!(pid(&format!("{remote}{preferred}")), "ppi");
    assert_eq!(pid(&remote), "rpid");
    assert_eq!(pid(&format!("{asserted}Remote-Party-ID: <sip:good@x>\r\n")), "good");
    assert_eq!(pid(&format!("{asserted}P-Preferred-Identity: <sip:good@x>\r\n")), "good");
    assert_eq!(pid(&format!("P-Asserted-Identity: \"x\r\n{asserted}")), "pai");
    for unreadable in ["anonymous", "<http://y>"] {
        assert_eq!(pid(&format!("{asserted}Remote-Party-ID: {unreadable}\r\n")), "pai");
        assert_eq!(pid(&format!("{asserted}P-Preferred-Identity: {unreadable}\r\n")), "pai");
    }
    assert_eq!(pid("P-Asserted-Identity: <sip:one@x>, <broken\r\n"), "one");
    assert_eq!(pid("P-Asserted-Identity: <http://x>;y=<sip:no@x>\r\n"), "");
}

/// As the stock module stores it, in every column and in what a mode shards by.
#[test]
fn a_semicolon_belongs_to_the_user_unless_the_uri_says_that_it_is_a_telephone_number() {
    for (uri, user) in [
        ("sip:a;x=1@h", "a;x=1"),
        ("sips:a;x=1:pw@h;lr", "a;x=1"),
        ("sip:+1;ext=2@h;user=ip", "+1;ext=2"),
        ("sip:+1;ext=2@h;user=phone", "+1"),
        ("tel:+1;ext=2", "+1"),
    ] {
        let message = with(&format!("Contact: <{uri}>\r\nP-Asserted-Identity: <{uri}>\r\n"))
            .replace("sip:bob@b.example", uri)
            .replace("sip:alice@a.example", uri);
        let fields = extract(message.as_bytes(), None, &names());
        assert!(!fields.malformed, "{uri}");
        let users = [fields.ruri_user, fields.from_user, fields.to_user, fields.contact_user, fields.pid_user];
        assert_eq!(users.map(text), [user; 5], "{uri}");
        let sharded = [HashSource::FromUser, HashSource::ToUser].map(|source| hash_source(message.as_bytes(), source));
        assert_eq!(sharded.map(text), [user; 2], "{uri}");
        for identity in ["P-Preferred-Identity", "Remote-Party-ID"] {
            let message = with(&format!("{identity}: <{uri}>\r\n"));
            assert_eq!(text(extract(message.as_bytes(), None, &names()).pid_user), user, "{identity}: {uri}");
        }
    }
}

/// A message with something of everything in it.
fn rich() -> Vec<u8> {
    with(
        "Contact: \"A \\\" B\" <sip:alice:pw@[2001:db8::1]:5070;user=phone>;q=0.5, <tel:+1>;x='y'\r\n\
         Via: SIP/2.0/TCP b;x=\"q\" (a (b))\r\nm: *\r\nX-OIP: [::1]:5060\r\nRetry-After: 5 (x)\r\n\
         Proxy-Authorization: Digest username=\"sip:a@b\", realm=\"x\"\r\nX-CID: 1\r\nMac: 2\r\nRTP-RxStat: 3\r\n\
         P-Asserted-Identity: A <sip:p@q>,\r\n <tel:+1>\r\nRemote-Party-ID: <sip:r@s>\r\nContent-Length: 0\r\n",
    )
    .into_bytes()
}

#[test]
fn a_message_cut_anywhere_is_read_as_far_as_it_goes() {
    let message = rich();
    assert!(!extract(&message, None, &names()).malformed);
    for end in 0..message.len() {
        let fields = extract(&message[..end], None, &names());
        assert!(fields.callid.len() <= 3 && fields.method.len() <= 6);
    }
}

/// The awkward messages, by name.
fn corpus() -> Vec<(String, Vec<u8>)> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus/awkward");
    let entries = std::fs::read_dir(directory).expect("the corpus is there");
    entries
        .map(|entry| {
            let entry = entry.expect("a directory entry");
            let name = entry.file_name().into_string().expect("file names are ASCII");
            (name, std::fs::read(entry.path()).expect("a readable file"))
        })
        .collect()
}

#[test]
fn the_corpus_messages_marked_refused_are_malformed_and_no_others() {
    let corpus = corpus();
    assert!(corpus.iter().filter(|(name, _)| !name.starts_with("refused-")).count() >= 150);
    for (name, message) in &corpus {
        assert_eq!(extract(message, None, &names()).malformed, name.starts_with("refused-"), "{name}");
    }
}

#[test]
fn every_corpus_message_cut_anywhere_is_read() {
    for (_, message) in corpus().iter().filter(|(_, message)| message.len() < 1500) {
        for end in 0..message.len() {
            let fields = extract(&message[..end], None, &names());
            assert!(is_borrowed(fields.from_user, message) && is_borrowed(fields.via_1, message));
        }
    }
}

/// Whether `field` lies within `message`, or is one of the constants.
fn is_borrowed(field: &[u8], message: &[u8]) -> bool {
    field.is_empty() || field == b"*" || message.as_ptr_range().contains(&field.as_ptr())
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(message in proptest::collection::vec(any::<u8>(), 0..600)) {
        let fields = extract(&message, Some(&message), &names());
        prop_assert!(is_borrowed(fields.via_1, &message));
    }

    #[test]
    fn any_text_of_headers_is_read_without_a_panic(
        headers in "(Via|To|From|Contact|P-Asserted-Identity|Authorization|X-OIP|CSeq|t|f|v|m): [ -~\t\r\n]{0,80}\r\n"
    ) {
        let message = with(&headers);
        let fields = extract(message.as_bytes(), None, &names());
        prop_assert_eq!(fields.method, b"INVITE");
    }

    #[test]
    fn a_message_with_bytes_changed_is_read_without_a_panic(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12)
    ) {
        let mut message = rich();
        for (index, byte) in changes {
            let at = index.index(message.len());
            message[at] = byte;
        }
        let fields = extract(&message, None, &names());
        for field in [fields.via_1, fields.from_user, fields.to_user, fields.contact_user, fields.auth_user] {
            prop_assert!(is_borrowed(field, &message));
        }
        prop_assert_eq!(first_line_kind(&message), fields.first_line);
    }
}
