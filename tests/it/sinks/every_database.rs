//! What holds for every database alike.

use super::*;
use sipcapture_core::sink::escape::{self, TextWidth};
use std::borrow::Cow;
use std::time::Duration;

macro_rules! on_every_database {
    ($($name:ident),+ $(,)?) => {
        mod sqlite { $(#[test] fn $name() { super::$name(&super::Place::sqlite()); })+ }
        mod mariadb { $(#[test] fn $name() { super::$name(&super::Place::mariadb()); })+ }
        mod postgres { $(#[test] fn $name() { super::$name(&super::Place::postgres()); })+ }
    };
}

on_every_database!(
    a_column_that_is_added_or_widened_is_noticed,
    a_missing_table_is_created_only_when_it_may_be,
    a_dropped_table_is_created_again_in_the_same_write,
    a_refused_row_takes_its_whole_slice_back,
    a_renamed_column_is_written_under_its_new_name,
    a_row_of_another_layout_is_refused,
    awkward_bytes_come_back_and_are_found,
    columns_that_come_and_go_are_followed,
    columns_that_the_table_lacks_are_left_out,
    every_column_of_a_report_row_is_stored_with_its_value,
    every_column_of_a_sip_row_is_stored_with_its_value,
    many_tables_take_turns,
    nothing_is_written_for_no_rows,
    our_own_schema_cuts_nothing_but_what_no_index_holds,
    two_sinks_create_the_same_table_at_once,
    two_thousand_rows_arrive_in_one_write,
);

/// What was stored in a text column or, with `message`, in the message's, of a table of our own schema.
fn original(place: &Place, stored: &[u8], message: bool) -> Vec<u8> {
    match place.dialect {
        SqlDialect::Sqlite => stored.to_vec(),
        SqlDialect::Mysql if message => stored.to_vec(),
        SqlDialect::Mysql | SqlDialect::Postgres => {
            escape::unescape(std::str::from_utf8(stored).expect("a text column holds UTF-8")).into_owned()
        }
    }
}

fn every_column_is_stored(place: &Place, layout: &Layout, table: &str) {
    let keys: Vec<String> = layout.columns.iter().map(|column| format!("<{}>", column.key)).collect();
    let values = layout.columns.iter().zip(&keys).enumerate().map(|(position, (column, key))| match column.kind {
        ColumnKind::Time => Value::Time(MOMENT),
        ColumnKind::BigInt => Value::Int(MOMENT),
        ColumnKind::Int => Value::Int(60_000 + position as i64),
        ColumnKind::Text | ColumnKind::Message => Value::Bytes(key.as_bytes()),
    });
    let row: Row<'_> = values.collect();
    let written = place.open().write(table, layout, std::slice::from_ref(&row)).expect("the row is written");
    assert_eq!(written, Written { truncated: 0 });
    let stored = place.select(&format!("SELECT * FROM {table}"));
    assert_eq!(stored.len(), 1);
    assert_eq!(stored[0].len(), layout.columns.len() + 1, "an id and every column");
    for (column, value) in layout.columns.iter().zip(row) {
        let expected = match value {
            Value::Time(time_us) => local_time(time_us / 1_000_000),
            Value::Int(number) => number.to_string(),
            Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        };
        let stored = stored[0][&column.name].as_deref().map(String::from_utf8_lossy);
        assert_eq!(stored, Some(Cow::Borrowed(expected.as_str())), "{}", column.name);
    }
}

fn every_column_of_a_sip_row_is_stored_with_its_value(place: &Place) {
    every_column_is_stored(place, &sip(), "sip_capture");
}

fn every_column_of_a_report_row_is_stored_with_its_value(place: &Place) {
    every_column_is_stored(place, &report(), "rtcp_capture");
}

fn a_renamed_column_is_written_under_its_new_name(place: &Place) {
    let mut names = ColumnNames::default();
    assert!(names.set("callid_column", "Call-ID of \"it\""));
    let layout = sip_layout(&names);
    let row = row(&layout, &[("callid", Value::Bytes(b"c1"))]);
    place.open().write("sip_capture", &layout, &[row]).expect("the row is written");
    assert_eq!(place.select("SELECT * FROM sip_capture")[0]["Call-ID of \"it\""].as_deref(), Some(&b"c1"[..]));
}

fn awkward_bytes_come_back_and_are_found(place: &Place) {
    let values = awkward_values();
    let rows: Vec<Row<'_>> =
        values.iter().map(|value| texts(&[("callid", value), ("via_1", value), ("msg", value)])).collect();
    let written = write(&mut *place.open(), "sip_capture", &rows).expect("all rows are written");
    assert_eq!(written.truncated, 0);
    let stored = place.select("SELECT callid, via_1, msg FROM sip_capture ORDER BY id");
    assert_eq!(stored.len(), values.len());
    for (row, value) in stored.iter().zip(&values) {
        for column in ["callid", "via_1", "msg"] {
            let bytes = row[column].as_deref().expect("no value is NULL");
            assert_eq!(original(place, bytes, column == "msg"), *value, "{column}");
        }
    }
    let width = if place.dialect == SqlDialect::Postgres { TextWidth::POSTGRES } else { TextWidth::MYSQL };
    for value in &values {
        let literal = match place.dialect {
            SqlDialect::Sqlite => {
                let hex: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
                format!("CAST(X'{hex}' AS TEXT)")
            }
            SqlDialect::Mysql => {
                let hex: String = escape::escape(value, width).bytes().map(|byte| format!("{byte:02x}")).collect();
                format!("CONVERT(X'{hex}' USING utf8mb4)")
            }
            SqlDialect::Postgres => format!("'{}'", escape::escape(value, width).replace('\'', "''")),
        };
        // MySQL compares texts with their trailing blanks taken off.
        let expected = if place.dialect == SqlDialect::Mysql {
            let trimmed = |value: &[u8]| value.trim_ascii_end().to_vec();
            values
                .iter()
                .filter(|other| **other == *value || (value.ends_with(b" ") && trimmed(other) == trimmed(value)))
                .count()
        } else {
            1
        };
        let found = place.select(&format!("SELECT id FROM sip_capture WHERE callid = {literal}"));
        assert_eq!(found.len(), expected, "{}", value.escape_ascii());
    }
}

/// The indexed text columns of our own schema.
const INDEXED_TEXTS: [&str; 4] = ["callid", "from_user", "to_user", "correlation_id"];

/// Letters in an order that no compression shortens much.
fn incompressible(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        b'a' + (state >> 32) as u8 % 26
    };
    (0..length).map(|_| next()).collect()
}

fn our_own_schema_cuts_nothing_but_what_no_index_holds(place: &Place) {
    let long = incompressible(60_000);
    let row: Row<'_> = sip()
        .columns
        .iter()
        .map(|column| match column.kind {
            ColumnKind::Time => Value::Time(MOMENT),
            ColumnKind::Int | ColumnKind::BigInt => Value::Int(0),
            ColumnKind::Text | ColumnKind::Message => Value::Bytes(&long),
        })
        .collect();
    let written = write(&mut *place.open(), "sip_capture", &[row]).expect("the row is written");
    // An entry of a B-tree of PostgreSQL has to fit into a page.
    let indexed = |key| place.dialect == SqlDialect::Postgres && INDEXED_TEXTS.contains(&key);
    assert_eq!(written.truncated, if place.dialect == SqlDialect::Postgres { 4 } else { 0 });
    let stored = place.select("SELECT * FROM sip_capture").remove(0);
    for column in sip().columns.iter().filter(|column| matches!(column.kind, ColumnKind::Text | ColumnKind::Message)) {
        let expected = if indexed(column.key) { &long[..2600] } else { &long[..] };
        assert_eq!(stored[&column.name].as_deref(), Some(expected), "{}", column.name);
    }
}

fn a_missing_table_is_created_only_when_it_may_be(place: &Place) {
    place.execute("CREATE TABLE other (id integer)");
    let rows = [texts(&[("callid", b"c1")])];
    let mut sink = open(&place.url, &SinkOptions::default());
    match write(&mut *sink, "sip_20240101", &rows) {
        Err(SinkError::TableUnusable(why)) => {
            assert!(why.contains("sip_20240101") && why.contains("create_tables"), "{why}")
        }
        other => panic!("{other:?}"),
    }
    write(&mut *place.open(), "sip_20240101", &rows).expect("the table is created");
    write(&mut *sink, "sip_20240101", &rows).expect("the table is there");
    assert_eq!(place.count("sip_20240101"), 2);
}

fn a_dropped_table_is_created_again_in_the_same_write(place: &Place) {
    let mut sink = place.open();
    let rows = [texts(&[("callid", b"c1")]), texts(&[("callid", b"c2")])];
    write(&mut *sink, "sip_capture", &rows).expect("the first write");
    place.execute("DROP TABLE sip_capture");
    write(&mut *sink, "sip_capture", &rows).expect("the write after the drop");
    assert_eq!(place.count("sip_capture"), 2);
    place.execute("DROP TABLE sip_capture");
    let mut sink = open(&place.url, &SinkOptions::default());
    assert!(matches!(write(&mut *sink, "sip_capture", &rows), Err(SinkError::TableUnusable(_))));
    write(&mut *place.open(), "sip_capture", &rows).expect("somebody makes the table");
    write(&mut *sink, "sip_capture", &rows).expect("the same sink writes on");
    assert_eq!(place.count("sip_capture"), 4);
}

fn columns_that_the_table_lacks_are_left_out(place: &Place) {
    place.execute("CREATE TABLE narrow (callid varchar(100) NOT NULL, source_port integer NOT NULL, extra integer)");
    let rows = [row(&sip(), &[("callid", Value::Bytes(b"c1")), ("source_port", Value::Int(5060))])];
    write(&mut *place.open(), "narrow", &rows).expect("what the table has is written");
    let stored = place.select("SELECT * FROM narrow");
    assert_eq!(stored[0]["callid"].as_deref(), Some(&b"c1"[..]));
    assert_eq!(stored[0]["source_port"].as_deref(), Some(&b"5060"[..]));
    assert_eq!(stored[0]["extra"], None);
    place.execute("CREATE TABLE foreign_table (a integer)");
    match write(&mut *place.open(), "foreign_table", &rows) {
        Err(SinkError::Rejected(why)) => assert!(why.contains("foreign_table") && why.contains("callid"), "{why}"),
        other => panic!("{other:?}"),
    }
}

fn columns_that_come_and_go_are_followed(place: &Place) {
    let mut sink = open(&place.url, &SinkOptions { create_tables: true, ..SinkOptions::default() });
    let rows = [texts(&[("callid", b"c1"), ("method", b"INVITE")])];
    place.execute("CREATE TABLE changing (callid varchar(100), method varchar(100))");
    write(&mut *sink, "changing", &rows).expect("two columns");
    place.execute("ALTER TABLE changing DROP COLUMN method");
    write(&mut *sink, "changing", &rows).expect("one column");
    place.execute("DROP TABLE changing; CREATE TABLE changing (method varchar(3))");
    let written = write(&mut *sink, "changing", &rows).expect("another column");
    if place.dialect == SqlDialect::Sqlite {
        assert_eq!(place.value("SELECT method FROM changing"), b"INVITE");
    } else {
        assert_eq!((place.value("SELECT method FROM changing"), written.truncated), (b"INV".to_vec(), 1));
        place.execute("DROP TABLE changing; CREATE TABLE changing (method varchar(2))");
        let written = write(&mut *sink, "changing", &rows).expect("a narrower column");
        assert_eq!((place.value("SELECT method FROM changing"), written.truncated), (b"IN".to_vec(), 1));
    }
}

fn a_column_that_is_added_or_widened_is_noticed(place: &Place) {
    let options = SinkOptions { look_again: Duration::ZERO, ..SinkOptions::default() };
    let mut sink = open(&place.url, &options);
    let rows = [texts(&[("callid", b"c1"), ("method", b"INVITE")])];
    place.execute("CREATE TABLE growing (callid varchar(1))");
    write(&mut *sink, "growing", &rows).expect("a row is written");
    place.execute("DROP TABLE growing; CREATE TABLE growing (callid varchar(9)); ALTER TABLE growing ADD COLUMN method varchar(9)");
    write(&mut *sink, "growing", &rows).expect("a row is written");
    let stored = place.select("SELECT * FROM growing");
    assert_eq!(stored[0]["callid"].as_deref(), Some(&b"c1"[..]));
    assert_eq!(stored[0]["method"].as_deref(), Some(&b"INVITE"[..]));
}

fn a_refused_row_takes_its_whole_slice_back(place: &Place) {
    place.execute("CREATE TABLE strict (callid varchar(100) NOT NULL, CHECK (callid <> 'bad'))");
    let mut sink = place.open();
    let (good, bad) = (texts(&[("callid", b"good")]), texts(&[("callid", b"bad")]));
    match write(&mut *sink, "strict", &[good.clone(), bad.clone(), good.clone()]) {
        Err(SinkError::Rejected(why)) => assert!(!why.is_empty()),
        other => panic!("{other:?}"),
    }
    assert_eq!(place.count("strict"), 0);
    write(&mut *sink, "strict", std::slice::from_ref(&good)).expect("the first row");
    assert!(matches!(write(&mut *sink, "strict", &[bad]), Err(SinkError::Rejected(_))));
    write(&mut *sink, "strict", &[good]).expect("the third row");
    assert_eq!(place.count("strict"), 2);
}

fn a_row_of_another_layout_is_refused(place: &Place) {
    let short = row(&report(), &[]);
    assert!(matches!(write(&mut *place.open(), "sip_capture", &[short]), Err(SinkError::Rejected(_))));
}

fn nothing_is_written_for_no_rows(place: &Place) {
    let written = write(&mut *open(&place.url, &SinkOptions::default()), "nowhere", &[]).expect("nothing to do");
    assert_eq!(written, Written::default());
}

fn many_tables_take_turns(place: &Place) {
    let mut sink = place.open();
    for _ in 0..2 {
        for number in 0..70 {
            place.execute(&format!("CREATE TABLE IF NOT EXISTS turn_{number} (callid varchar(100))"));
            write(&mut *sink, &format!("turn_{number}"), &[texts(&[("callid", b"c1")])]).expect("a row is written");
        }
    }
    for number in 0..70 {
        assert_eq!(place.count(&format!("turn_{number}")), 2);
    }
}

fn two_sinks_create_the_same_table_at_once(place: &Place) {
    place.execute("CREATE TABLE other (id integer)");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut sink = open(&place.url, &SinkOptions { create_tables: true, ..SinkOptions::default() });
                for round in 0..5 {
                    write(&mut *sink, &format!("sip_{round}"), &[texts(&[("callid", b"c1")])])
                        .expect("a row is written");
                }
            });
        }
    });
    for round in 0..5 {
        assert_eq!(place.count(&format!("sip_{round}")), 4);
    }
}

fn two_thousand_rows_arrive_in_one_write(place: &Place) {
    let ids: Vec<String> = (0..2000).map(|number| format!("call-{number}")).collect();
    let rows: Vec<Row<'_>> =
        ids.iter().map(|id| texts(&[("callid", id.as_bytes()), ("msg", b"INVITE sip:a@b SIP/2.0\r\n\r\n")])).collect();
    write(&mut *place.open(), "sip_capture", &rows).expect("all rows are written");
    assert_eq!(place.count("(SELECT DISTINCT callid FROM sip_capture) AS calls"), 2000);
}
