//! What is particular to MySQL and MariaDB.

use super::*;
use crate::common::database::{DATABASE, PASSWORD, USER};
use crate::common::stock_schema::{INDEXED, MESSAGE, TEXTS};
use ::mysql::prelude::Queryable as _;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use sipcapture_core::sink::SinkError::{Rejected, TableLocked, TableUnusable, Unavailable};
use sipcapture_core::sink::escape::unescape;
use std::cell::RefCell;
use std::time::Duration;

/// Not in the stock table: what these two must not disturb.
const SPARES: [(&str, u32); 2] = [("spare_1", 10), ("spare_2", 10)];

/// The stock table's own texts.
fn stock_texts() -> impl Iterator<Item = (&'static str, u32)> {
    TEXTS.into_iter().chain([MESSAGE])
}

/// A table as the stock module's SQL file makes it: short columns, compressed, partitioned by day.
fn stock_table(name: &str) -> String {
    let texts: String = stock_texts()
        .chain(SPARES)
        .map(|(name, width)| format!("`{name}` varchar({width}) NOT NULL DEFAULT '',\n"))
        .collect();
    let ints: String = ["source_port", "destination_port", "contact_port", "originator_port"]
        .map(|name| format!("`{name}` int(10) NOT NULL DEFAULT 0,\n"))
        .concat();
    let keys = INDEXED.map(|name| format!(",\nKEY `{name}` (`{name}`)")).concat();
    format!(
        "CREATE TABLE `{name}` (\n`id` bigint(20) unsigned NOT NULL AUTO_INCREMENT,\n\
         `date` timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,\n`micro_ts` bigint(18) NOT NULL DEFAULT 0,\n{texts}{ints}\
         `proto` int(5) NOT NULL DEFAULT 0,\n`family` int(1) DEFAULT NULL,\n`type` int(2) NOT NULL DEFAULT 0,\n\
         PRIMARY KEY (`id`,`date`){keys}\n) ENGINE=InnoDB DEFAULT CHARSET=utf8 ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=8\n\
         PARTITION BY RANGE (UNIX_TIMESTAMP(`date`)) (PARTITION past VALUES LESS THAN (1600000000), \
         PARTITION pmax VALUES LESS THAN MAXVALUE)"
    )
}

#[test]
fn the_stock_table_takes_every_row_and_cuts_what_is_too_long() {
    let place = Place::mariadb();
    place.execute(&stock_table("sip_capture"));
    let long = "\u{e9}".repeat(2000);
    let layout = sip();
    let whole: Row<'_> = layout
        .columns
        .iter()
        .map(|column| match column.kind {
            ColumnKind::Time => Value::Time(MOMENT),
            ColumnKind::Int | ColumnKind::BigInt => Value::Int(7),
            ColumnKind::Text | ColumnKind::Message => Value::Bytes(long.as_bytes()),
        })
        .collect();
    let plain = texts(&[("callid", b"c1"), ("msg", b"OPTIONS")]);
    let written = write(&mut *place.open(), "sip_capture", &[plain, whole]).expect("both rows are written");
    assert_eq!(written.truncated, 35);
    let stored = place.select("SELECT * FROM sip_capture ORDER BY id");
    assert_eq!(stored[0]["msg"].as_deref(), Some(&b"OPTIONS"[..]));
    for (name, width) in stock_texts() {
        let expected = "\u{e9}".repeat(width as usize);
        assert_eq!(stored[1][name].as_deref().map(String::from_utf8_lossy), Some(expected.into()), "{name}");
    }
    assert_eq!(stored[1]["spare_1"].as_deref(), Some(&b""[..]));
    assert_eq!(stored[1]["date"].as_deref(), Some(local_time(MOMENT / 1_000_000).as_bytes()));
}

#[test]
fn every_charset_and_every_binary_column_gives_the_bytes_back() {
    let place = Place::mariadb();
    place.execute(
        "CREATE TABLE t (id int AUTO_INCREMENT PRIMARY KEY, \
         callid varchar(2000) CHARACTER SET utf8mb4, ruri varchar(2000) CHARACTER SET utf8mb3, \
         method varchar(2000) CHARACTER SET latin1, from_user varchar(2000) CHARACTER SET ascii, \
         to_user varchar(2000) CHARACTER SET koi8r, via_1 mediumtext CHARACTER SET utf16, \
         cseq varbinary(2000), reason blob, user_agent varchar(2000) CHARACTER SET gbk, msg longblob)",
    );
    const TEXTS: [&str; 7] = ["callid", "ruri", "method", "from_user", "to_user", "via_1", "user_agent"];
    const BINARY: [&str; 3] = ["cseq", "reason", "msg"];
    let values = awkward_values();
    let rows: Vec<Row<'_>> = values
        .iter()
        .map(|value| texts(&TEXTS.iter().chain(&BINARY).map(|name| (*name, value.as_slice())).collect::<Vec<_>>()))
        .collect();
    let written = write(&mut *place.open(), "t", &rows).expect("all rows are written");
    assert_eq!(written.truncated, 0);
    let stored = place.select("SELECT * FROM t ORDER BY id");
    for (row, value) in stored.iter().zip(&values) {
        for name in TEXTS {
            let text = String::from_utf8(row[name].clone().expect("not NULL")).expect("a text in UTF-8");
            assert_eq!(&*unescape(&text), value.as_slice(), "{name}: {text:?}");
        }
        for name in BINARY {
            assert_eq!(row[name].as_ref(), Some(value), "{name}");
        }
    }
    let word = "Ñandú".as_bytes();
    write(&mut *place.open(), "t", &[texts(&[("method", word), ("ruri", word)])]).expect("a row is written");
    let readable = place.value("SELECT COUNT(*) FROM t WHERE method = 'Ñandú' AND ruri = 'Ñandú'");
    assert_eq!(readable, b"1", "what the charset has is stored as it is");
}

#[test]
fn narrow_columns_are_cut_by_characters_or_bytes_and_numbers_brought_into_range() {
    let place = Place::mariadb();
    place.execute(
        "CREATE TABLE t (callid varchar(3) CHARACTER SET utf8mb4, ruri tinytext CHARACTER SET utf8mb4, cseq varbinary(3), \
         source_port tinyint, destination_port smallint unsigned, type tinyint unsigned, msg tinyblob, method varchar(6), \
         date timestamp)",
    );
    let (long, far) = ("日".repeat(100), Value::Time(4_294_967_295_000_000));
    let row = row(
        &sip(),
        &[
            ("callid", Value::Bytes("日本語です".as_bytes())),
            ("ruri", Value::Bytes(long.as_bytes())),
            ("cseq", Value::Bytes("日本".as_bytes())),
            ("source_port", Value::Int(5060)),
            ("destination_port", Value::Int(65_535)),
            ("type", Value::Int(-1)),
            ("msg", Value::Bytes(long.as_bytes())),
            ("method", Value::Bytes(b"ab\xffcd")),
            ("date", far),
        ],
    );
    let written = write(&mut *place.open(), "t", &[row]).expect("the row is written");
    assert_eq!(written.truncated, 8);
    let stored = place.select("SELECT t.*, YEAR(date) AS year FROM t").remove(0);
    let text = |name: &str| String::from_utf8(stored[name].clone().expect("not NULL")).expect("UTF-8");
    assert_eq!(text("callid"), "日本語");
    assert_eq!(text("ruri"), "日".repeat(85));
    assert_eq!(text("cseq"), "日");
    assert_eq!(text("source_port"), "127");
    assert_eq!(text("destination_port"), "65535");
    assert_eq!(text("type"), "0");
    assert_eq!(text("msg"), "日".repeat(85));
    assert_eq!(text("method"), "ab\\xff");
    assert_eq!(text("year"), "2038");
}

/// Random bytes in a text column and in a binary one, under one sql_mode.
fn any_bytes_survive(place: &Place) {
    let sink = RefCell::new(place.open());
    let alphabet = prop_oneof![Just(b'\''), Just(b'\\'), Just(b'x'), Just(b'0'), Just(b'"'), Just(0), any::<u8>()];
    let bytes = proptest::collection::vec(alphabet, 0..30);
    let batches = proptest::collection::vec(bytes, 1..40);
    let mut runner = TestRunner::new(Config { cases: 20, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&batches, |values| {
        place.execute("DELETE FROM t");
        let rows: Vec<Row<'_>> = values.iter().map(|value| texts(&[("callid", value), ("msg", value)])).collect();
        write(&mut **sink.borrow_mut(), "t", &rows).expect("all rows are written");
        for (row, value) in place.select("SELECT callid, msg FROM t ORDER BY id").iter().zip(&values) {
            let text = String::from_utf8(row["callid"].clone().expect("not NULL")).expect("a text in UTF-8");
            prop_assert_eq!(&*unescape(&text), value.as_slice());
            prop_assert_eq!(row["msg"].as_ref(), Some(value));
        }
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

#[test]
fn any_bytes_survive_the_literals_in_every_sql_mode() {
    let mut server = MariaDb::start();
    for sql_mode in ["STRICT_ALL_TABLES", "ANSI,NO_BACKSLASH_ESCAPES,STRICT_ALL_TABLES", "ORACLE"] {
        server.query(&format!("SET GLOBAL sql_mode = '{sql_mode}'"));
        server.query("DROP TABLE IF EXISTS t");
        server.query("CREATE TABLE t (id int AUTO_INCREMENT PRIMARY KEY, callid text CHARACTER SET utf8mb4, msg blob)");
        any_bytes_survive(&Place { url: server.url(), dialect: SqlDialect::Mysql, _keep: Box::new(()) });
    }
    server.stop();
}

#[test]
fn a_slice_larger_than_a_packet_is_split_and_still_one_transaction() {
    let server = MariaDb::start_with(&["--max-allowed-packet=1M"]);
    let place = Place { url: server.url(), dialect: SqlDialect::Mysql, _keep: Box::new(server) };
    let mut sink = place.open();
    let big = vec![b'm'; 60_000];
    let rows: Vec<Row<'_>> = (0..100).map(|_| texts(&[("callid", b"c"), ("msg", &big)])).collect();
    write(&mut *sink, "sip_capture", &rows).expect("all rows are written");
    assert_eq!(place.count("sip_capture"), 100);
    assert_eq!(place.value("SELECT MIN(LENGTH(msg)) FROM sip_capture"), b"60000");

    place.execute("ALTER TABLE sip_capture ADD CHECK (callid <> 'bad')");
    let mut rows = rows;
    rows.push(texts(&[("callid", b"bad"), ("msg", &big)]));
    assert!(matches!(write(&mut *sink, "sip_capture", &rows), Err(Rejected(_))));
    assert_eq!(place.count("sip_capture"), 100, "the statements before the bad row are rolled back");

    let huge = vec![b'm'; 2_000_000];
    match write(&mut *sink, "sip_capture", &[rows[0].clone(), texts(&[("msg", &huge)])]) {
        Err(Rejected(why)) => assert!(why.contains("max_allowed_packet"), "{why}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(place.count("sip_capture"), 100);
    write(&mut *sink, "sip_capture", &rows[..1]).expect("the connection is as good as before");
}

#[test]
fn a_name_with_a_dot_is_a_table_of_another_database() {
    let place = Place::mariadb();
    let other = fresh_name();
    place.execute(&format!("CREATE DATABASE {other}"));
    let mut sink = place.open();
    for _ in 0..2 {
        write(&mut *sink, &format!("{other}.sip-capture"), &[texts(&[("callid", b"c1")])]).expect("a row is written");
    }
    assert_eq!(place.count(&format!("`{other}`.`sip-capture`")), 2);
}

#[test]
fn insert_delayed_is_used_where_the_engine_takes_it() {
    let place = Place::mariadb();
    let options = SinkOptions { insert_delayed: true, ..SinkOptions::default() };
    let mut sink = open(&place.url, &options);
    let delayed = || {
        let status = place.select("SHOW GLOBAL STATUS LIKE 'Delayed_writes'").remove(0);
        String::from_utf8_lossy(status["Value"].as_deref().expect("a number")).parse::<u64>().expect("a number")
    };
    let before = delayed();
    for (engine, table) in [("InnoDB", "plain"), ("MyISAM", "slow")] {
        place.execute(&format!("CREATE TABLE {table} (callid varchar(100)) ENGINE={engine}"));
        write(&mut *sink, table, &[texts(&[("callid", b"c1")]), texts(&[("callid", b"c2")])]).expect("two rows");
        crate::common::wait::within(Duration::from_secs(10), "both rows are stored", || place.count(table) == 2);
    }
    assert_eq!(delayed() - before, 2);
}

#[test]
fn a_wrong_password_is_unavailable_and_is_not_told() {
    let place = Place::mariadb();
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
    let server = MariaDb::shared();
    let (database, user) = (fresh_name(), fresh_name());
    server.create_database(&database);
    server.query(&format!("CREATE TABLE {database}.readable (callid varchar(100))"));
    server.query(&format!("CREATE USER {user}@'%' IDENTIFIED BY '{PASSWORD}'"));
    server.query(&format!("GRANT SELECT ON {database}.* TO {user}@'%'"));
    let url = server.url_of(&database).replacen(USER, &user, 1);
    assert!(matches!(
        write(&mut *open(&url, &SinkOptions::default()), "readable", &[texts(&[])]),
        Err(TableUnusable(_))
    ));
}

#[test]
fn the_unix_socket_is_taken_by_its_path() {
    let server = MariaDb::shared();
    let url = format!("mysql://{USER}:{PASSWORD}@{}/{DATABASE}", server.socket().display());
    let table = fresh_name();
    server.query(&format!("CREATE TABLE {table} (callid varchar(100))"));
    write(&mut *open(&url, &SinkOptions::default()), &table, &[texts(&[("callid", b"c1")])]).expect("a row is written");
    assert_eq!(server.query(&format!("SELECT * FROM {table}")), [[Some("c1".to_owned())]]);
}

#[test]
fn an_hour_that_the_servers_clock_skips_is_stored_as_its_end() {
    let server = MariaDb::start_in_zone("XST0XDT,M3.5.0/0,M10.5.0", &["--sql-mode=STRICT_ALL_TABLES"]);
    let place = Place { url: server.url(), dialect: SqlDialect::Mysql, _keep: Box::new(server) };
    place.execute("CREATE TABLE t (callid varchar(100), date timestamp NOT NULL)");
    // Whatever our own time zone, one of these has a local time between 00:00 and 01:00 of 2024-03-31.
    let hours: Vec<i64> = (-14..=14).map(|hour| (1_711_843_200 + hour * 3600 + 1020) * 1_000_000).collect();
    let rows: Vec<Row<'_>> = hours.iter().map(|hour| row(&sip(), &[("date", Value::Time(*hour))])).collect();
    let mut sink = place.open();
    for row in &rows {
        write(&mut *sink, "t", std::slice::from_ref(row)).expect("the row is written");
    }
    write(&mut *sink, "t", &rows).expect("all rows are written");
    assert_eq!(place.count("t"), 2 * rows.len() as u64);
    assert_eq!(place.value("SELECT COUNT(*) FROM t WHERE date = '2024-03-31 01:00:00'"), b"2");
    place.execute("ALTER TABLE t ADD COLUMN owner int NOT NULL");
    let outcome = write(&mut *sink, "t", &[texts(&[])]);
    assert!(matches!(outcome, Err(Rejected(_))), "strict mode is back and wants an owner: {outcome:?}");
}

#[test]
fn a_table_that_somebody_locks_is_said_to_be_locked_and_then_written_once() {
    let place = Place::mariadb();
    let options = SinkOptions { io_timeout: Duration::from_secs(4), create_tables: true, ..SinkOptions::default() };
    let mut sink = open(&place.url, &options);
    write(&mut *sink, "sip_capture", &[texts(&[])]).expect("a row is written");
    let mut other = ::mysql::Conn::new(place.url.as_str()).expect("MariaDB answers");
    other.query_drop("LOCK TABLES sip_capture WRITE").expect("the table is locked");
    assert!(matches!(write(&mut *sink, "sip_capture", &[texts(&[])]), Err(TableLocked(_))));
    drop(other);
    write(&mut *sink, "sip_capture", &[texts(&[])]).expect("a row is written");
    assert_eq!(place.count("sip_capture"), 2);
}
