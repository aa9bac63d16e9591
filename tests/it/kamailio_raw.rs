//! Raw capture by a real server, in a network of each test's own; where the stock module is right, its rows are the
//! measure.

mod frames;
mod kinds;
mod monitoring;
mod ports;
mod starting;
mod tunnels;

use crate::common::kamailio::{ConfigBuilder, Kamailio, Module};
use crate::common::rows::{SqliteFile, StoredRow, execute, select, text};
use crate::common::wait::within;
use sipcapture_core::table::{ColumnNames, SqlDialect, ddl, sip_layout};
use std::collections::BTreeMap;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

/// A server that captures raw, and its rows.
struct Node {
    server: Kamailio,
    file: SqliteFile,
    _open: Option<rusqlite::Connection>,
}

impl Node {
    /// Starts one with what `set` adds to its configuration.
    fn start(module: Module, set: impl FnOnce(ConfigBuilder) -> ConfigBuilder) -> Node {
        let file = SqliteFile::new();
        for statement in ddl::create_table(SqlDialect::Sqlite, "sip_capture", &sip_layout(&ColumnNames::default())) {
            // The stock SQLite driver stores what is empty as NULL.
            execute(file.url(), &statement.replace(" NOT NULL", ""));
        }
        // The stock module gives up at once when somebody who looks on has locked the file, also for opening or closing
        // it.
        execute(file.url(), "PRAGMA journal_mode = WAL");
        let open = rusqlite::Connection::open(file.url().trim_start_matches("sqlite://")).expect("the file opens");
        open.query_row("SELECT COUNT(*) FROM sip_capture", [], |_| Ok(())).expect("the table is there");
        let server = set(ConfigBuilder::capture_node(module, file.url()).children(1)).start();
        Node { server, file, _open: Some(open) }
    }

    fn rows(&self) -> Vec<StoredRow> {
        select(self.file.url(), "SELECT * FROM sip_capture ORDER BY id").unwrap_or_default()
    }

    /// Waits until there are as many rows as `wanted`, of which the last has come last, and answers them.
    fn await_rows(&self, wanted: usize) -> Vec<StoredRow> {
        let mut rows = Vec::new();
        within(PATIENCE, &format!("{wanted} rows are stored"), || {
            rows = self.rows();
            rows.len() >= wanted
        });
        let ids: Vec<_> = rows.iter().map(|row| text(row, "callid")).collect();
        assert_eq!(rows.len(), wanted, "{ids:#?}");
        rows
    }

    /// Waits until the row of the call `last`, which was sent behind all others, is stored, and answers the Call-IDs of
    /// all.
    fn call_ids_until(&self, last: &str) -> Vec<String> {
        let mut ids = Vec::new();
        within(PATIENCE, &format!("{last} is stored"), || {
            ids = self.rows().iter().map(|row| text(row, "callid")).collect();
            ids.iter().any(|id| id == last)
        });
        ids
    }

    /// Waits until there are `wanted` processes that read raw sockets, and answers their ids.
    fn await_readers(&self, wanted: usize) -> Vec<i32> {
        let mut readers = Vec::new();
        within(PATIENCE, &format!("{wanted} processes read"), || {
            let of = |(pid, what): (i32, String)| (what == "homer raw socket").then_some(pid);
            readers = self.server.processes().into_iter().filter_map(of).collect();
            readers.len() == wanted
        });
        readers
    }

    fn statistic(&self, name: &str) -> u64 {
        self.server.statistic(name)
    }

    /// The statistics of raw capture that are not 0.
    fn raw_statistics(&self) -> BTreeMap<String, u64> {
        let statistics = self.server.statistics().into_iter();
        statistics.filter(|(name, value)| name.starts_with("raw_") && *value > 0).collect()
    }
}

/// Asserts that each packet is counted under one reason.
fn assert_raw_balance(statistics: &BTreeMap<String, u64>) {
    let of = |name: &str| statistics.get(name).copied().unwrap_or(0);
    let reasons = statistics.iter().filter(|(name, _)| name.starts_with("raw_ignored_")).map(|(_, value)| value);
    assert_eq!(of("raw_ignored"), reasons.sum::<u64>(), "{statistics:?}");
    let known = of("raw_messages") + of("raw_ignored") + of("raw_fragments") + of("raw_bad");
    assert_eq!(of("raw_packets"), known, "{statistics:?}");
}

/// What two modules must agree on: all but the row's number and times; the stock SQLite driver stores what is empty as
/// NULL.
fn comparable(rows: &[StoredRow]) -> Vec<StoredRow> {
    let mut rows = rows.to_vec();
    for row in &mut rows {
        for column in ["id", "date", "micro_ts"] {
            row.remove(column);
        }
        row.values_mut().for_each(|value| _ = value.get_or_insert_default());
    }
    rows
}
