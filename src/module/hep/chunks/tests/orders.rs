//! Which argument is which.

use super::super::{ChunkArguments, ChunkFunction, check_argument};
use ChunkFunction::{Delete, Get, Set};

/// Chunk, value, type and vendor of a call, and whether its order is the older one.
fn sorted(function: ChunkFunction, given: [Option<&str>; 4]) -> ([String; 4], bool) {
    let sorted = ChunkArguments::of(function, given.map(|text| text.map(str::as_bytes)));
    let parts = [sorted.chunk, sorted.value, sorted.value_type, sorted.vendor];
    (parts.map(|part| part.escape_ascii().to_string()), sorted.is_older)
}

fn expected(parts: [&str; 4], is_older: bool) -> ([String; 4], bool) {
    (parts.map(str::to_owned), is_older)
}

#[test]
fn todays_order_is_chunk_value_type_vendor() {
    for (given, parts) in [
        ([Some("17"), Some("x"), None, None], ["17", "x", "", ""]),
        ([Some("17"), Some("x"), Some("uint8"), None], ["17", "x", "uint8", ""]),
        ([Some("17"), Some("x"), None, Some("3")], ["17", "x", "", "3"]),
        ([Some("17"), Some("uint8"), Some("uint16"), Some("3")], ["17", "uint8", "uint16", "3"]),
        ([Some("17"), Some(""), Some(""), Some("")], ["17", "", "", ""]),
        ([None, None, None, None], ["", "", "", ""]),
    ] {
        assert_eq!(sorted(Set, given), expected(parts, false), "{given:?}");
    }
}

#[test]
fn a_type_in_the_first_place_tells_the_older_order() {
    for (given, parts) in [
        ([Some("uint8"), Some("18"), Some("3"), Some("7")], ["18", "7", "uint8", "3"]),
        ([Some("UTF8-string"), Some("17"), Some("0"), Some("")], ["17", "", "UTF8-string", "0"]),
        ([Some("uint8"), Some("18"), None, Some("7")], ["18", "7", "uint8", ""]),
        ([Some("uint8"), Some("18"), Some("7"), None], ["18", "7", "uint8", ""]),
    ] {
        assert_eq!(sorted(Set, given), expected(parts, true), "{given:?}");
    }
}

#[test]
fn reading_has_a_type_that_may_be_left_out_and_an_older_order_too() {
    assert_eq!(sorted(Get, [Some("17"), Some("uint8"), None, None]), expected(["17", "", "uint8", ""], false));
    assert_eq!(sorted(Get, [Some("proto_type"), None, None, None]), expected(["proto_type", "", "", ""], false));
    assert_eq!(sorted(Get, [Some("uint8"), Some("18"), None, None]), expected(["18", "", "uint8", ""], true));
}

#[test]
fn deleting_has_a_chunk_alone() {
    assert_eq!(sorted(Delete, [Some("17"), None, None, None]), expected(["17", "", "", ""], false));
    assert_eq!(sorted(Delete, [Some("uint8"), None, None, None]), expected(["uint8", "", "", ""], false));
}

#[test]
fn an_argument_alone_must_do_in_one_of_the_orders() {
    let will_do = |function, index, text: &str| check_argument(function, index, text.as_bytes()).is_ok();
    for (function, index, good, bad) in [
        (Set, 0, &["payload", "17", "0x1f", "uint8", "timestamp"][..], &["", "0", "call_id"][..]),
        (Get, 0, &["payload", "17", "inet4-addr"], &["", "0", "call_id"]),
        (Delete, 0, &["payload", "17"], &["", "0", "call_id", "uint8"]),
        (Set, 1, &["", "anything"], &[]),
        (Get, 1, &["", "uint8", "17", "payload"], &["uint64"]),
        (Set, 2, &["", "uint8", "0", "3", "0x3"], &["uint64", "65536"]),
        (Set, 3, &["", "anything"], &[]),
        (Get, 2, &["anything"], &[]),
        (Delete, 1, &["anything"], &[]),
    ] {
        for text in good {
            assert!(will_do(function, index, text), "{function:?} {index} {text}");
        }
        for text in bad {
            assert!(!will_do(function, index, text), "{function:?} {index} {text}");
        }
    }
    assert_eq!(
        check_argument(Set, 2, b"uint64").expect_err("no type").to_string(),
        "there is no type \"uint64\" of a chunk: uint8, uint16, uint32, inet4-addr, inet6-addr, utf8-string and \
         octet-string are allowed"
    );
}
