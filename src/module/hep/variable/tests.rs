//! What each field answers, and that none reads past its packet.

use super::*;

/// What a field answers, as text.
fn ask(name: &str, packet: &[u8]) -> String {
    let variable = HepVariable::parse(name.as_bytes()).unwrap_or_else(|| panic!("{name} is no field"));
    let variable = HepVariable::from_code(variable.code());
    match value(variable, packet, None, &mut AddressTexts::default()) {
        VariableValue::Null => "null".to_owned(),
        VariableValue::Number(number) => number.to_string(),
        VariableValue::Text(text) | VariableValue::Both(text, _) => format!("{:?}", String::from_utf8_lossy(text)),
    }
}

fn packet(magic: &[u8; 4], chunks: &[(u16, u16, &[u8])]) -> Vec<u8> {
    let chunk = |(vendor, kind, body): &(u16, u16, &[u8])| {
        let length = body.len() as u16 + 6;
        [&vendor.to_be_bytes(), &kind.to_be_bytes(), &length.to_be_bytes(), *body].concat()
    };
    let body: Vec<u8> = chunks.iter().flat_map(chunk).collect();
    [magic, &(body.len() as u16 + 6).to_be_bytes()[..], &body].concat()
}

fn hep3(chunks: &[(u16, u16, &[u8])]) -> Vec<u8> {
    packet(b"HEP3", chunks)
}

#[test]
fn every_allowed_name_is_a_field_and_named_as_allowed() {
    let allowed = ALLOWED.to_str().unwrap();
    for (name, kind) in NAMES {
        assert!(allowed.split([' ', ',']).any(|word| word == name), "{name} is not in the error");
        assert_eq!(HepVariable::parse(name.as_bytes()), Some(HepVariable::Named(kind)));
    }
    assert_eq!(HepVariable::parse(b"version"), Some(HepVariable::Version));
}

#[test]
fn numbers_are_hexadecimal_or_decimal_and_never_0() {
    for (name, number) in
        [("0x00b", 11), ("0X00B", 11), ("00011", 11), ("11", 11), ("0xffff", 65_535), ("99999", 99_999)]
    {
        assert_eq!(HepVariable::parse(name.as_bytes()), Some(HepVariable::Numbered(number)), "{name}");
        assert_eq!(HepVariable::from_code(number), HepVariable::Numbered(number));
    }
    for name in ["0x000", "00000", "0x", "", "0xfffff", "100000", "+1", "-1", "0x+1", "1 ", "Version", "src-ip", "x0b"]
    {
        assert_eq!(HepVariable::parse(name.as_bytes()), None, "{name}");
    }
    assert_eq!(HepVariable::parse(b"\xff"), None);
}

#[test]
fn fields_by_number_have_the_form_of_their_type_and_are_empty_when_absent() {
    let full = hep3(&[
        (0, 1, &[2]),
        (0, 2, &[17]),
        (0, 3, &[192, 0, 2, 1]),
        (0, 6, &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5]),
        (0, 7, &[0x13, 0xc4]),
        (0, 9, &[0xff, 0xff, 0xff, 0xff]),
        (0, 13, &[0, 60]),
        (0, 14, b"key"),
        (0, 17, b""),
        (0, 18, &[0, 7]),
        (0, 15, b"the\0 payload"),
    ]);
    let wanted = [
        ("0x001", "2"),
        ("00002", "17"),
        ("0x003", r#""192.0.2.1""#),
        ("0x004", r#""""#),
        ("0x006", r#""2001:db8::5""#),
        ("0x007", "5060"),
        ("0x009", "4294967295"),
        ("0x00d", "60"),
        ("0x00e", r#""key""#),
        ("0x00f", r#""the\0 payload""#),
        ("0x011", r#""""#),
        ("0x012", "-1"),
        ("0x013", r#""""#),
        ("99999", r#""""#),
        ("version", "3"),
    ];
    for (name, value) in wanted {
        assert_eq!(ask(name, &full), value, "{name}");
    }
}

#[test]
fn fields_by_name_have_the_form_of_the_specification_and_are_null_when_absent() {
    let full = hep3(&[
        (0, 18, &[0, 7]),
        (0, 19, b"node1"),
        (0, 20, &[0, 0, 2, 0xab, 0xcd, 0xef, 1, 2]),
        (0, 21, &[2, 0, 0, 0, 0, 9]),
        (0, 23, &[0x18]),
        (0, 0x23, &[0, 1, 0, 0]),
        (0, 0x29, b"group"),
        (0, 0x28, b"x"),
    ]);
    let wanted = [
        ("vlan_id", "7"),
        ("node_name", r#""node1""#),
        ("src_mac", r#""02:ab:cd:ef:01:02""#),
        ("dst_mac", r#""02:00:00:00:00:09""#),
        ("tcp_flags", "24"),
        ("jitter", "65536"),
        ("group_id", r#""group""#),
        ("event_type", "null"),
        ("src_ip", "null"),
        ("payload", "null"),
    ];
    for (name, value) in wanted {
        assert_eq!(ask(name, &full), value, "{name}");
    }
}

#[test]
fn addresses_by_name_are_those_of_the_family_that_is_captured() {
    let v6 = |last: u8| [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last];
    let (one, two) = (v6(1), v6(2));
    let rest: [(u16, u16, &[u8]); 3] = [(0, 2, &[17]), (0, 11, &[1]), (0, 15, b"x")];
    let v4: [(u16, u16, &[u8]); 2] = [(0, 3, &[192, 0, 2, 1]), (0, 4, &[192, 0, 2, 2])];
    let both = [&v4[..], &[(0, 5, &one), (0, 6, &two)], &rest].concat();
    assert_eq!(ask("src_ip", &hep3(&[&v4[..], &rest].concat())), r#""192.0.2.1""#);
    assert_eq!(ask("dst_ip", &hep3(&both)), r#""2001:db8::2""#);
    assert_eq!(ask("src_ip", &hep3(&[&[(0, 1, &[2][..])], &both[..]].concat())), r#""192.0.2.1""#);
    // Half a pair is nothing to capture, and still something to ask for.
    assert_eq!(ask("src_ip", &hep3(&[(0, 5, &one)])), r#""2001:db8::1""#);
}

#[test]
fn two_addresses_can_be_compared() {
    let packet = hep3(&[(0, 3, &[192, 0, 2, 1]), (0, 4, &[192, 0, 2, 2])]);
    let mut texts = AddressTexts::default();
    let source = value(HepVariable::Numbered(3), &packet, None, &mut texts);
    let VariableValue::Text(source) = source else { panic!("{source:?}") };
    let source = (source.as_ptr(), source.len());
    value(HepVariable::Numbered(4), &packet, None, &mut texts);
    assert_eq!((texts.0[0].as_ptr(), texts.0[0].as_str()), (source.0, "192.0.2.1"));
    assert_eq!(texts.0[1], "192.0.2.2");
}

#[test]
fn the_first_chunk_of_the_generic_vendor_answers() {
    let packet = hep3(&[(1, 17, b"other vendor"), (0, 17, b"first"), (0, 17, b"second")]);
    assert_eq!(ask("0x011", &packet), r#""first""#);
    assert_eq!(ask("correlation_id", &packet), r#""first""#);
}

#[test]
fn what_cannot_be_read_is_minus_1_by_number_and_null_by_name() {
    let whole = hep3(&[(0, 11, &[1, 1]), (0, 17, b"id"), (0, 15, b"payload")]);
    assert_eq!((ask("0x00b", &whole), ask("type", &whole)), ("-1".to_owned(), "null".to_owned()));
    for cut in 0..whole.len() {
        for name in ["0x00b", "0x00f", "0x011", "0x065", "payload", "correlation_id", "src_ip", "jitter"] {
            let answer = ask(name, &whole[..cut]);
            assert!(matches!(answer.as_str(), "-1" | "null"), "{name} of {cut} bytes: {answer}");
        }
    }
    let mut long = whole.clone();
    long[19] = 0xff;
    assert_eq!((ask("0x00f", &long), ask("payload", &long)), ("-1".to_owned(), "null".to_owned()));
}

#[test]
fn old_versions_answer_the_fields_of_their_header() {
    let mut v2 = vec![2, 16, 2, 6, 0x13, 0xc4, 0x13, 0xc5, 192, 0, 2, 1, 192, 0, 2, 2];
    v2.extend([&9u32.to_le_bytes()[..], &7u32.to_le_bytes(), &2001u16.to_le_bytes(), &[0, 0], b"SIP"].concat());
    let fields = [
        ("version", "2"),
        ("0x001", "2"),
        ("0x002", "6"),
        ("0x003", r#""192.0.2.1""#),
        ("0x004", r#""192.0.2.2""#),
        ("0x005", r#""""#),
        ("src_ip", r#""192.0.2.1""#),
        ("src_port", "5060"),
        ("0x008", "5061"),
        ("time_sec", "9"),
        ("0x00a", "7"),
        ("0x00b", "1"),
        ("capture_id", "2001"),
        ("0x00f", r#""SIP""#),
        ("0x011", r#""""#),
        ("correlation_id", "null"),
    ];
    for (name, value) in fields {
        assert_eq!(ask(name, &v2), value, "{name}");
    }
    assert_eq!((ask("0x003", &v2[..9]), ask("src_ip", &v2[..9])), ("-1".to_owned(), "null".to_owned()));
    let v1 = [&[1, 16, 2, 17][..], &v2[4..16], b"SIP"].concat();
    assert_eq!(
        (ask("version", &v1), ask("time_sec", &v1), ask("payload", &v1)),
        ("1".into(), "null".into(), r#""SIP""#.into())
    );
}

proptest::proptest! {
    #[test]
    fn no_packet_and_no_name_makes_it_panic(
        version in 0..5usize,
        rest in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200),
        code: u32,
        name in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..12),
    ) {
        let opening: [&[u8]; 5] = [b"HEP3", b"EEP1", &[1, 16, 2, 17], &[2, 40, 10, 6], b""];
        let packet = [opening[version], &rest].concat();
        let mut texts = AddressTexts::default();
        for variable in [Some(HepVariable::from_code(code)), HepVariable::parse(&name)].into_iter().flatten() {
            value(variable, &packet, None, &mut texts);
        }
        for (_, kind) in NAMES {
            value(HepVariable::Named(kind), &packet, None, &mut texts);
            value(HepVariable::Numbered(kind.into()), &packet, None, &mut texts);
        }
    }
}

#[test]
fn numbers_of_the_draft_are_no_texts() {
    let draft = packet(b"EEP1", &[(0, 16, &[0, 0, 0, 1]), (0, 17, &[0, 9])]);
    assert_eq!((ask("correlation_id", &draft), ask("compressed_payload", &draft)), ("null".into(), "null".into()));
    assert_eq!(ask("version", &draft), "3");
}

#[test]
fn without_a_packet_and_for_what_is_none_everything_is_null() {
    for packet in [&b""[..], b"INVITE sip:bob@example.com SIP/2.0\r\n\r\n"] {
        for name in ["version", "0x00b", "payload"] {
            assert_eq!(ask(name, packet), "null");
        }
    }
}
