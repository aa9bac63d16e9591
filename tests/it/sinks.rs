//! The sinks against real databases: what is written is what is read, whatever the table, the bytes and the server do.

mod every_database;
mod mysql;
mod outages;
mod postgres;
mod sqlite;
mod tls;

use crate::common::database::{MariaDb, Postgres};
use crate::common::rows::{self, StoredRow};
use rusqlite::Connection;
use sipcapture_core::sink::{self, DatabaseUrl, Sink, SinkError, SinkOptions, Written};
use sipcapture_core::table::{ColumnKind, ColumnNames, Layout, Row, SqlDialect, Value, report_layout, sip_layout};
use std::any::Any;
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;

/// 2023-11-14 22:13:20.123456 UTC.
const MOMENT: i64 = 1_700_000_000_123_456;

/// An empty database of one test.
struct Place {
    url: String,
    dialect: SqlDialect,
    /// Keeps the server, or the file's directory, for as long as the test runs.
    _keep: Box<dyn Any + Sync>,
}

impl Place {
    fn sqlite() -> Place {
        let directory = TempDir::new().expect("a private directory");
        let url = format!("sqlite:///{}/capture.db", directory.path().display());
        Place { url, dialect: SqlDialect::Sqlite, _keep: Box::new(directory) }
    }

    fn mariadb() -> Place {
        let server = MariaDb::shared();
        Place { url: server.create_database(&fresh_name()), dialect: SqlDialect::Mysql, _keep: Box::new(server) }
    }

    fn postgres() -> Place {
        let server = Postgres::shared();
        Place { url: server.create_database(&fresh_name()), dialect: SqlDialect::Postgres, _keep: Box::new(server) }
    }

    /// A sink that creates tables.
    fn open(&self) -> Box<dyn Sink> {
        open(&self.url, &SinkOptions { create_tables: true, ..SinkOptions::default() })
    }

    fn execute(&self, sql: &str) {
        rows::execute(&self.url, sql);
    }

    fn select(&self, sql: &str) -> Vec<StoredRow> {
        rows::select(&self.url, sql).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// The only value that `sql` selects.
    fn value(&self, sql: &str) -> Vec<u8> {
        let mut rows = self.select(sql);
        assert_eq!(rows.len(), 1, "{sql}");
        let row = rows.remove(0);
        assert_eq!(row.len(), 1, "{sql}");
        row.into_values().next().flatten().unwrap_or_else(|| panic!("{sql}: NULL"))
    }

    fn count(&self, table: &str) -> u64 {
        let count = self.value(&format!("SELECT COUNT(*) FROM {table}"));
        String::from_utf8_lossy(&count).parse().expect("a count is a number")
    }
}

fn open(url: &str, options: &SinkOptions) -> Box<dyn Sink> {
    sink::open(&DatabaseUrl::parse(url).expect("a database URL"), options)
}

fn fresh_name() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    format!("t{}", NUMBER.fetch_add(1, Ordering::Relaxed))
}

fn sip() -> Layout {
    sip_layout(&ColumnNames::default())
}

fn report() -> Layout {
    report_layout(&ColumnNames::default())
}

/// The values of one row by default column name: what is not in `given` is empty, 0 or [`MOMENT`].
fn row<'a>(layout: &Layout, given: &[(&str, Value<'a>)]) -> Row<'a> {
    let value = |key: &str| given.iter().find(|(name, _)| *name == key).map(|(_, value)| *value);
    let row = layout.columns.iter().map(|column| {
        value(column.key).unwrap_or(match column.kind {
            ColumnKind::Time => Value::Time(MOMENT),
            ColumnKind::Int | ColumnKind::BigInt => Value::Int(0),
            ColumnKind::Text | ColumnKind::Message => Value::Bytes(b""),
        })
    });
    row.collect()
}

/// A SIP row with these texts.
fn texts<'a>(given: &[(&str, &'a [u8])]) -> Row<'a> {
    row(&sip(), &given.iter().map(|(key, bytes)| (*key, Value::Bytes(bytes))).collect::<Vec<_>>())
}

/// Writes SIP rows to `table`.
fn write(sink: &mut dyn Sink, table: &str, rows: &[Row<'_>]) -> Result<Written, SinkError> {
    sink.write(table, &sip(), rows)
}

/// The local time of a moment, as the C library tells it.
fn local_time(second: i64) -> String {
    let sql = "SELECT datetime(?1, 'unixepoch', 'localtime')";
    Connection::open_in_memory()
        .and_then(|database| database.query_row(sql, [second], |row| row.get(0)))
        .expect("a time")
}

/// What is hard to get into a database and out again.
fn awkward_values() -> Vec<Vec<u8>> {
    let mut values: Vec<Vec<u8>> = [
        "'",
        "\"",
        "`",
        "''",
        "\\",
        "\\'",
        "\\\\",
        "\\n",
        "\n",
        "\r\n",
        "\t",
        "\u{1a}",
        "\\.",
        "\\N",
        "%",
        "_",
        ";",
        "--",
        "/*",
        "$1",
        "?",
        "\\x41",
        "\\\\x41",
        "\\x5cx41",
        "\\x",
        "{}",
        "NULL",
        "\0",
        "a\0b",
        "é",
        "日本",
        "🙂",
        "Ñandú \u{85}€",
        "\u{ffff}",
        " leading",
        "trailing ",
    ]
    .map(|text| text.as_bytes().to_vec())
    .into();
    values.extend(
        [&b"\xff"[..], b"a\xc3", b"\xc3'", b"\xed\xa0\x80", b"\xf0\x9f\x99", b"\\\xff", b"\xff\x00\xfe"]
            .map(<[u8]>::to_vec),
    );
    values.push((0..=255).collect());
    values
}
