//! By what names and numbers scripts call chunks.

use super::super::{ChunkError, ChunkForm, ChunkId};

fn number(text: &str) -> Option<u16> {
    ChunkId::parse(text.as_bytes()).ok().map(ChunkId::number)
}

const NAMES: [(&str, u16); 11] = [
    ("proto_family", 1),
    ("proto_id", 2),
    ("src_ip", 3),
    ("dst_ip", 4),
    ("src_port", 7),
    ("dst_port", 8),
    ("timestamp", 9),
    ("timestamp_us", 10),
    ("proto_type", 11),
    ("captagent_id", 12),
    ("payload", 15),
];

#[test]
fn every_name_means_its_chunk_in_any_case() {
    for (name, chunk) in NAMES {
        assert_eq!((number(name), number(&name.to_uppercase())), (Some(chunk), Some(chunk)), "{name}");
    }
    assert_eq!(number("Captagent_ID"), Some(12));
}

#[test]
fn a_text_that_begins_with_a_name_means_it_but_for_the_two_times() {
    for (name, chunk) in NAMES {
        let expected = (!name.starts_with("timestamp")).then_some(chunk);
        assert_eq!(number(&format!("{name}s")), expected, "{name}");
    }
    assert_eq!(number("src_ip6"), Some(3));
    assert_eq!(number("timestamp_u"), None);
}

#[test]
fn the_beginning_of_a_name_is_none() {
    for (name, _) in NAMES {
        let short = &name[..name.len() - 1];
        assert_eq!(number(short), None, "{short}");
    }
}

#[test]
fn numbers_are_decimal_or_hexadecimal_and_not_zero() {
    let numbers =
        [("1", 1), ("17", 17), ("0017", 17), ("65535", 65535), ("0x11", 17), ("0xfF", 255), ("0xffff", 65535)];
    for (text, chunk) in numbers {
        assert_eq!(number(text), Some(chunk), "{text}");
    }
    for text in ["0", "0x0", "0x", "0X11", "65536", "0x10000", "17a", "1 ", " 1", "-1", "+1", "1.0", "99999999999", ""]
    {
        assert_eq!(number(text), None, "{text:?}");
    }
}

#[test]
fn what_has_a_field_is_told_from_what_is_in_the_list() {
    let fields = [1, 2, 3, 4, 3, 4, 7, 8, 9, 10, 11, 12, 0, 0, 15, 15, 0, 0, 0, 0];
    for (number, field) in (1..).zip(fields) {
        assert_eq!(ChunkId::from_number(number).expect("not 0").field(), field, "{number}");
    }
    assert_eq!(ChunkId::from_number(u16::MAX).expect("not 0").field(), 0);
    assert_eq!(ChunkId::from_number(0), None);
}

#[test]
fn the_form_of_a_field_is_that_of_what_it_holds() {
    for number in 1..=20 {
        let expected = match number {
            2 => ChunkForm::Transport,
            1 | 7..=12 => ChunkForm::Number,
            _ => ChunkForm::Bytes,
        };
        assert_eq!(ChunkId::from_number(number).expect("not 0").form(), expected, "{number}");
    }
}

#[test]
fn family_and_times_alone_are_not_set_by_scripts() {
    for number in 1..=u16::MAX {
        let expected = ![1, 9, 10].contains(&number);
        assert_eq!(ChunkId::from_number(number).expect("not 0").may_be_set(), expected, "{number}");
    }
}

#[test]
fn an_error_calls_a_chunk_by_name_and_number() {
    let shown = |number| ChunkId::from_number(number).expect("not 0").to_string();
    assert_eq!(
        [shown(7), shown(3), shown(6), shown(16), shown(17)],
        ["chunk src_port (7)", "chunk src_ip (3)", "chunk dst_ip (6)", "chunk payload (16)", "chunk 17"]
    );
}

#[test]
fn an_unknown_chunk_is_named_with_all_that_there_are() {
    assert_eq!(
        ChunkId::parse(b"call\nid").expect_err("no chunk").to_string(),
        "there is no chunk \"call\\nid\": proto_family, proto_id, src_ip, dst_ip, src_port, dst_port, timestamp, \
         timestamp_us, proto_type, captagent_id, payload, and a number from 1 to 65535, decimal or as 0x and \
         hexadecimal digits, are allowed"
    );
    let long = "x".repeat(70);
    let text = ChunkError::Unknown(long.as_bytes()).to_string();
    assert!(text.starts_with(&format!("there is no chunk \"{}\" and 6 more bytes: ", "x".repeat(64))), "{text}");
}
