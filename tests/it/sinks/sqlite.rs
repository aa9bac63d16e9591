//! What is particular to SQLite.

use super::*;
use sipcapture_core::sink::SinkError::{Rejected, Unavailable};

fn one_row() -> [Row<'static>; 1] {
    [texts(&[("callid", b"c1")])]
}

#[test]
fn texts_are_text_messages_are_blobs_and_dates_are_text() {
    let place = Place::sqlite();
    write(&mut *place.open(), "sip_capture", &[texts(&[("callid", b"\xff"), ("msg", b"m")])])
        .expect("a row is written");
    let types =
        place.value("SELECT typeof(callid) || typeof(msg) || typeof(date) || typeof(micro_ts) FROM sip_capture");
    assert_eq!(types, b"textblobtextinteger");
}

#[test]
fn the_file_is_made_only_when_tables_may_be() {
    let place = Place::sqlite();
    let mut sink = open(&place.url, &SinkOptions::default());
    match write(&mut *sink, "sip_capture", &one_row()) {
        Err(Unavailable(why)) => assert!(why.contains("capture.db"), "{why}"),
        other => panic!("{other:?}"),
    }
    write(&mut *place.open(), "sip_capture", &one_row()).expect("file and table are created");
    write(&mut *sink, "sip_capture", &one_row()).expect("the file is there");
    assert_eq!(place.count("sip_capture"), 2);
}

#[test]
fn a_file_that_was_removed_or_replaced_is_opened_again() {
    let place = Place::sqlite();
    let path = place.url.trim_start_matches("sqlite:///").to_owned();
    let mut sink = place.open();
    for _ in 0..2 {
        write(&mut *sink, "sip_capture", &one_row()).expect("a row is written");
        std::fs::remove_file(&path).expect("the file is there");
    }
    write(&mut *sink, "sip_capture", &one_row()).expect("a row is written");
    assert_eq!(place.count("sip_capture"), 1);
    let other = Place::sqlite();
    write(&mut *other.open(), "sip_capture", &one_row()).expect("a row is written");
    std::fs::rename(other.url.trim_start_matches("sqlite:///"), &path).expect("the file is replaced");
    write(&mut *sink, "sip_capture", &one_row()).expect("a row is written");
    assert_eq!(place.count("sip_capture"), 2);
}

#[test]
fn a_locked_file_is_unavailable_and_then_written() {
    let place = Place::sqlite();
    let options = SinkOptions { io_timeout: std::time::Duration::from_millis(50), ..SinkOptions::default() };
    write(&mut *place.open(), "sip_capture", &one_row()).expect("a row is written");
    let mut sink = open(&place.url, &options);
    let other = Connection::open(place.url.trim_start_matches("sqlite:///")).expect("the file opens");
    other.execute_batch("BEGIN IMMEDIATE").expect("the file is locked");
    assert!(matches!(write(&mut *sink, "sip_capture", &one_row()), Err(Unavailable(_))));
    other.execute_batch("COMMIT").expect("the file is free");
    write(&mut *sink, "sip_capture", &one_row()).expect("a row is written");
    assert_eq!(place.count("sip_capture"), 2);
}

#[test]
fn what_is_no_database_is_unavailable() {
    let directory = TempDir::new().expect("a private directory");
    let path = directory.path().join("notes.txt");
    std::fs::write(&path, "not a database, but long enough to look at. ".repeat(100)).expect("a file is written");
    for path in [path, directory.path().join("no/such/directory.db"), directory.path().to_path_buf()] {
        let url = format!("sqlite:///{}", path.display());
        let mut sink = open(&url, &SinkOptions { create_tables: true, ..SinkOptions::default() });
        assert!(matches!(write(&mut *sink, "sip_capture", &one_row()), Err(Unavailable(_))), "{url}");
    }
}

#[test]
fn a_name_with_a_dot_is_a_table_of_main_or_a_name_with_a_dot() {
    let place = Place::sqlite();
    let mut sink = place.open();
    write(&mut *sink, "main.sip_capture", &one_row()).expect("a row is written");
    write(&mut *sink, "homer.sip_capture", &one_row()).expect("a row is written");
    assert_eq!(place.count("sip_capture"), 1);
    assert_eq!(place.count("\"homer.sip_capture\""), 1);
}

#[test]
fn a_generated_column_is_left_to_the_database() {
    let place = Place::sqlite();
    place.execute("CREATE TABLE t (callid TEXT, method TEXT GENERATED ALWAYS AS (upper(callid)) STORED)");
    write(&mut *place.open(), "t", &one_row()).expect("a row is written");
    assert_eq!(place.value("SELECT method FROM t"), b"C1");
}

#[test]
fn a_view_is_refused() {
    let place = Place::sqlite();
    place.execute("CREATE TABLE t (callid TEXT); CREATE VIEW v AS SELECT * FROM t");
    assert!(matches!(write(&mut *place.open(), "v", &one_row()), Err(Rejected(_))));
}
