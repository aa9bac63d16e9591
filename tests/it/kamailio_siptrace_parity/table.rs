//! The table of traces, version 4, and its rows as records.

use super::names::Names;
use super::record::{Place, Record};
use crate::common::rows::{execute, select, text};
use rusqlite::Connection;
use std::path::Path;
use tempfile::TempDir;

/// The table that a setup's AVP names.
pub const OTHER_TABLE: &str = "sip_trace_other";

/// How a value that is NULL is shown.
pub const NULL: &str = "NULL";

/// Columns that are compared: all but the number of the row and its time.
const COLUMNS: [&str; 10] =
    ["callid", "traced_user", "method", "status", "fromip", "toip", "fromtag", "totag", "direction", "msg"];

/// A database with the tables, in a private directory.
pub struct Database {
    url: String,
    _reader: Connection,
    _directory: TempDir,
}

impl Database {
    /// In memory if there is a file system there: the stock module waits for the disk with each row.
    pub fn new() -> Database {
        let memory = Path::new("/dev/shm");
        let directory = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        let directory = directory.expect("a private directory");
        let path = directory.path().join("traces.db");
        let url = format!("sqlite:///{}", path.display());
        make_tables(&url);
        // The first who opens the file locks it for a moment, and so does the last who closes it: the stock module's
        // processes would keep each other from starting.
        let reader = Connection::open(path).expect("the file opens");
        let version = reader.query_row("SELECT table_version FROM version", [], |row| row.get::<_, i64>(0));
        assert_eq!(version, Ok(4));
        Database { url, _reader: reader, _directory: directory }
    }

    /// Its URL, as both modules take it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// All rows in the order in which they were stored.
    pub fn rows(&self, names: &Names) -> Vec<Record> {
        rows(&self.url, names)
    }
}

fn make_tables(url: &str) {
    let mut schema = String::from(
        "CREATE TABLE version (table_name VARCHAR(32) UNIQUE NOT NULL, table_version INTEGER DEFAULT 0 NOT NULL);
         INSERT INTO version VALUES ('sip_trace', 4);",
    );
    for table in ["sip_trace", OTHER_TABLE] {
        schema += &format!(
            "CREATE TABLE {table} (id INTEGER PRIMARY KEY NOT NULL,
             time_stamp TIMESTAMP DEFAULT '2000-01-01 00:00:01' NOT NULL, time_us INTEGER DEFAULT 0 NOT NULL"
        );
        for column in COLUMNS {
            // Not NOT NULL, as it should be: the stock module hands SQLite null pointers for what is empty, and would
            // lose these rows.
            let kind = if column == "msg" { "TEXT" } else { "VARCHAR(255) DEFAULT ''" };
            schema += &format!(", {column} {kind}");
        }
        schema += ");";
    }
    execute(url, &schema);
    // Looking on must not keep the stock module from writing: it gives up at once when the file is locked.
    execute(url, "PRAGMA journal_mode = WAL");
}

fn rows(url: &str, names: &Names) -> Vec<Record> {
    let mut records = Vec::new();
    for (table, place) in [("sip_trace", Place::Table), (OTHER_TABLE, Place::OtherTable)] {
        let rows = select(url, &format!("SELECT * FROM {table} ORDER BY id")).expect("the table is readable");
        for row in rows {
            let value = |column: &str| row[column].as_ref().map_or(NULL.to_owned(), |bytes| names.apply(bytes));
            let mut record = Record::new(place, &value("msg"));
            record.way = format!("{} -> {}", value("fromip"), value("toip"));
            for column in COLUMNS {
                record.add(column, value(column));
            }
            let microseconds: u32 = text(&row, "time_us").parse().expect("a number");
            assert!(microseconds < 1_000_000, "{record}: {microseconds} microseconds");
            record.time = format!("{}.{microseconds:06}", text(&row, "time_stamp"));
            records.push(record);
        }
    }
    records
}
