//! What is particular to PostgreSQL.

use super::*;
use crate::common::database::{DATABASE, PASSWORD, USER};
use ::postgres::{Client, NoTls};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use sipcapture_core::sink::SinkError::{Rejected, TableLocked, TableUnusable, Unavailable};
use sipcapture_core::sink::escape::unescape;
use std::cell::RefCell;
use std::time::Duration;

#[test]
fn the_stock_table_takes_what_it_has_columns_for() {
    let place = Place::postgres();
    let texts_by_width = [
        (50, "method"),
        (100, "reply_reason"),
        (200, "ruri"),
        (100, "ruri_user from_user to_user pid_user callid callid_aleg"),
        (64, "from_tag to_tag"),
        (120, "contact_user auth_user"),
        (256, "via_1 diversion content_type auth user_agent rtp_stat"),
        (80, "via_1_branch"),
        (25, "cseq"),
        (200, "reason"),
        (50, "source_ip destination_ip contact_ip originator_ip"),
        (125, "node"),
        (1500, "msg"),
    ];
    let columns: String = texts_by_width
        .iter()
        .flat_map(|(width, names)| names.split(' ').map(move |name| format!("{name} varchar({width}) NOT NULL,\n")))
        .collect();
    place.execute(&format!(
        "CREATE TABLE sip_capture (id SERIAL NOT NULL, date timestamp NOT NULL DEFAULT '1900-01-01 00:00:01', \
         micro_ts bigint NOT NULL DEFAULT 0, {columns} source_port integer NOT NULL, destination_port integer NOT NULL, \
         contact_port integer NOT NULL, originator_port integer NOT NULL, proto integer NOT NULL, family integer, \
         type integer NOT NULL, PRIMARY KEY (id, date))"
    ));
    let long = "\u{e9}".repeat(2000);
    let rows = [
        texts(&[("callid", b"c1"), ("msg", b"OPTIONS"), ("from_domain", b"nowhere")]),
        texts(&[("callid", long.as_bytes()), ("msg", long.as_bytes()), ("correlation_id", long.as_bytes())]),
    ];
    let written = write(&mut *place.open(), "sip_capture", &rows).expect("both rows are written");
    assert_eq!(written.truncated, 2);
    let stored = place.select("SELECT * FROM sip_capture ORDER BY id");
    assert_eq!(stored[0]["msg"].as_deref(), Some(&b"OPTIONS"[..]));
    assert_eq!(stored[0]["date"].as_deref(), Some(local_time(MOMENT / 1_000_000).as_bytes()));
    assert_eq!(stored[1]["callid"].as_deref(), Some("\u{e9}".repeat(100).as_bytes()));
    assert_eq!(stored[1]["msg"].as_deref(), Some("\u{e9}".repeat(1500).as_bytes()));
}

#[test]
fn bytea_gets_the_bytes_and_every_text_type_gives_them_back() {
    let place = Place::postgres();
    place.execute(
        "CREATE DOMAIN short AS varchar(3); CREATE TABLE t (id serial, msg bytea, callid text, method varchar(2000), \
         ruri char(2000), from_user short, source_port smallint, destination_port short, auth bytea)",
    );
    let values = awkward_values();
    fn fields(value: &[u8]) -> Row<'_> {
        texts(&[("msg", value), ("callid", value), ("method", value), ("ruri", value), ("from_user", b"abcd")])
    }
    let mut rows: Vec<Row<'_>> = values.iter().map(|value| fields(value)).collect();
    rows.push(row(&sip(), &[("source_port", Value::Int(60_000)), ("destination_port", Value::Int(80))]));
    let written = write(&mut *place.open(), "t", &rows).expect("all rows are written");
    assert_eq!(written.truncated, values.len() as u64 + 1);
    let stored = place.select("SELECT * FROM t ORDER BY id");
    for (row, value) in stored.iter().zip(&values) {
        let text = |name: &str| String::from_utf8(row[name].clone().expect("not NULL")).expect("a text in UTF-8");
        let hex: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(text("msg"), format!("\\x{hex}"));
        for name in ["callid", "method"] {
            assert_eq!(&*unescape(&text(name)), value.as_slice(), "{name}");
        }
        let padded = text("ruri");
        assert_eq!(unescape(&padded).trim_ascii_end(), value.trim_ascii_end());
        assert_eq!(text("from_user"), "abc");
        assert_eq!(text("auth"), "\\x");
    }
    let last = stored.last().expect("a last row");
    assert_eq!(last["source_port"].as_deref(), Some(&b"32767"[..]));
    assert_eq!(last["destination_port"].as_deref(), Some(&b"80"[..]));
}

#[test]
fn a_database_in_another_encoding_gives_the_bytes_back() {
    let server = Postgres::shared();
    for encoding in ["LATIN1", "KOI8R", "SQL_ASCII"] {
        let name = fresh_name();
        server.query(&format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}'"));
        let place = Place { url: server.url_of(&name), dialect: SqlDialect::Postgres, _keep: Box::new(server.clone()) };
        let values = awkward_values();
        let rows: Vec<Row<'_>> = values.iter().map(|value| texts(&[("callid", value), ("msg", value)])).collect();
        write(&mut *place.open(), "sip_capture", &rows).unwrap_or_else(|error| panic!("{encoding}: {error}"));
        for (row, value) in place.select("SELECT callid, msg FROM sip_capture ORDER BY id").iter().zip(&values) {
            for name in ["callid", "msg"] {
                let text = String::from_utf8(row[name].clone().expect("not NULL")).expect("a text in UTF-8");
                assert_eq!(&*unescape(&text), value.as_slice(), "{encoding}");
            }
        }
    }
}

#[test]
fn any_bytes_survive_the_copy() {
    let place = Place::postgres();
    place.execute("CREATE TABLE t (id serial, callid text, msg bytea)");
    let client = Client::connect(&place.url, NoTls).expect("PostgreSQL answers");
    let (sink, client) = (RefCell::new(place.open()), RefCell::new(client));
    let alphabet = prop_oneof![Just(b'\\'), Just(b'x'), Just(b'N'), Just(b'.'), Just(b'\n'), Just(0), any::<u8>()];
    let batches = proptest::collection::vec(proptest::collection::vec(alphabet, 0..30), 1..40);
    let mut runner = TestRunner::new(Config { cases: 50, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&batches, |values| {
        let mut client = client.borrow_mut();
        client.batch_execute("TRUNCATE t").expect("the table is emptied");
        let rows: Vec<Row<'_>> = values.iter().map(|value| texts(&[("callid", value), ("msg", value)])).collect();
        write(&mut **sink.borrow_mut(), "t", &rows).expect("all rows are written");
        let stored = client.query("SELECT callid, msg FROM t ORDER BY id", &[]).expect("the rows are read");
        prop_assert_eq!(stored.len(), values.len());
        for (row, value) in stored.iter().zip(&values) {
            prop_assert_eq!(&*unescape(row.get(0)), value.as_slice());
            prop_assert_eq!(row.get::<_, &[u8]>(1), value.as_slice());
        }
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

#[test]
fn a_column_that_knows_time_zones_keeps_the_moment() {
    let place = Place::postgres();
    place.execute("CREATE TABLE t (date timestamptz, micro_ts bigint)");
    let client_zones = ["UTC", "Asia/Tokyo"];
    for zone in client_zones {
        let database = &place.url[place.url.rfind('/').unwrap_or_default() + 1..];
        place.execute(&format!("ALTER DATABASE {database} SET timezone = '{zone}'"));
        write(&mut *place.open(), "t", &[texts(&[])]).expect("a row is written");
    }
    assert_eq!(
        place.value("SELECT string_agg(extract(epoch FROM date)::bigint::text, ',') FROM t"),
        b"1700000000,1700000000"
    );
}

#[test]
fn a_name_with_a_dot_is_a_table_of_a_schema() {
    let place = Place::postgres();
    place.execute("CREATE SCHEMA homer");
    let mut sink = place.open();
    for _ in 0..2 {
        write(&mut *sink, "homer.Sip-capture", &[texts(&[("callid", b"c1")])]).expect("a row is written");
    }
    assert_eq!(place.count("homer.\"Sip-capture\""), 2);
    match write(&mut *sink, "no_schema.sip_capture", &[texts(&[])]) {
        Err(TableUnusable(why)) => assert!(why.contains("no_schema"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn tables_and_columns_that_were_named_without_quotes_are_found_in_lower_case() {
    let place = Place::postgres();
    place.execute("CREATE TABLE Sip_Capture (CallID text)");
    let mut names = ColumnNames::default();
    assert!(names.set("callid_column", "CallID"));
    let layout = sip_layout(&names);
    let rows = [row(&layout, &[("callid", Value::Bytes(b"c1"))])];
    open(&place.url, &SinkOptions::default()).write("Sip_Capture", &layout, &rows).expect("a row is written");
    assert_eq!(place.value("SELECT callid FROM sip_capture"), b"c1");
}

#[test]
fn a_generated_column_is_left_to_the_database() {
    let place = Place::postgres();
    place.execute("CREATE TABLE t (callid text, method text GENERATED ALWAYS AS (upper(callid)) STORED)");
    write(&mut *place.open(), "t", &[texts(&[("callid", b"c1")])]).expect("a row is written");
    assert_eq!(place.value("SELECT method FROM t"), b"C1");
}

#[test]
fn a_partitioned_table_takes_rows() {
    let place = Place::postgres();
    place.execute(
        "CREATE TABLE t (callid text, date timestamp NOT NULL) PARTITION BY RANGE (date); \
         CREATE TABLE t_2023 PARTITION OF t FOR VALUES FROM ('2023-01-01') TO ('2024-01-01')",
    );
    write(&mut *place.open(), "t", &[texts(&[("callid", b"c1")])]).expect("a row is written");
    let outside = row(&sip(), &[("date", Value::Time(0))]);
    assert!(matches!(write(&mut *place.open(), "t", &[outside]), Err(Rejected(_))));
    assert_eq!(place.count("t_2023"), 1);
}

#[test]
fn a_wrong_password_is_unavailable_and_is_not_told() {
    let place = Place::postgres();
    let url = place.url.replace(PASSWORD, "verraten");
    match write(&mut *open(&url, &SinkOptions::default()), "sip_capture", &[texts(&[])]) {
        Err(Unavailable(why)) => assert!(why.contains(USER) && !why.contains("verraten"), "{why}"),
        other => panic!("{other:?}"),
    }
    let missing = place.url.replace(&place.url[place.url.rfind('/').unwrap_or_default()..], "/no_such_database");
    assert!(matches!(write(&mut *open(&missing, &SinkOptions::default()), "t", &[texts(&[])]), Err(Unavailable(_))));
}

#[test]
fn a_forbidden_table_is_unusable_whatever_the_rows_are() {
    let place = Place::postgres();
    let user = fresh_name();
    place.execute(&format!("CREATE TABLE t (callid text); CREATE ROLE {user} LOGIN PASSWORD '{PASSWORD}'"));
    let url = place.url.replacen(USER, &user, 1);
    assert!(matches!(write(&mut *open(&url, &SinkOptions::default()), "t", &[texts(&[])]), Err(TableUnusable(_))));
}

#[test]
fn the_unix_socket_is_taken_by_its_directory() {
    let server = Postgres::shared();
    let (directory, port) = (server.socket_directory().display(), server.port());
    let url = format!("postgres://{USER}:{PASSWORD}@{directory}:{port}/{DATABASE}");
    let table = fresh_name();
    server.query(&format!("CREATE TABLE {table} (callid text)"));
    write(&mut *open(&url, &SinkOptions::default()), &table, &[texts(&[("callid", b"c1")])]).expect("a row is written");
    assert_eq!(server.query(&format!("SELECT * FROM {table}")), [[Some("c1".to_owned())]]);
}

#[test]
fn a_table_that_somebody_locks_is_said_to_be_locked_and_then_written_once() {
    let place = Place::postgres();
    let options = SinkOptions { io_timeout: Duration::from_secs(4), create_tables: true, ..SinkOptions::default() };
    let mut sink = open(&place.url, &options);
    write(&mut *sink, "sip_capture", &[texts(&[])]).expect("a row is written");
    let mut other = Client::connect(&place.url, NoTls).expect("PostgreSQL answers");
    other.batch_execute("BEGIN; LOCK TABLE sip_capture").expect("the table is locked");
    assert!(matches!(write(&mut *sink, "sip_capture", &[texts(&[])]), Err(TableLocked(_))));
    drop(other);
    write(&mut *sink, "sip_capture", &[texts(&[])]).expect("a row is written");
    assert_eq!(place.count("sip_capture"), 2);
}
