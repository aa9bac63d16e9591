//! What a database refuses: a real server puts it to the dead letters, its neighbours are stored, and the tool sends it
//! again, while the server runs.

mod files;
mod missing;
mod refused;
mod spool;
mod tls;

use crate::common::hep::Observed;
use crate::common::hep_sender::HepSender;
use crate::common::kamailio::{ConfigBuilder, Kamailio, Module};
use crate::common::rows::{StoredRow, execute, select};
use crate::common::sip::answered_call;
use crate::common::wait::within;
use crate::tool::running::{Run, command, run};
use sipcapture_core::table::ddl::create_table;
use sipcapture_core::table::{ColumnNames, SqlDialect, report_layout, sip_layout};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);

/// 2025-06-15 12:00:00 UTC.
const NOON_US: u64 = 1_749_988_800_000_000;

/// HEP packets of these calls, seven messages each, every message at its own time.
fn packets(calls: std::ops::Range<u64>) -> Vec<Vec<u8>> {
    let source = SocketAddr::from(([192, 0, 2, 10], 5060));
    let destination = SocketAddr::from(([198, 51, 100, 20], 5060));
    let first = calls.start * 7;
    let messages = calls.flat_map(|number| answered_call("letters", number));
    let packet = |(index, message): (u64, crate::common::sip::CallMessage)| {
        // One call has a sign that not every encoding knows.
        let mac = if index / 7 == 2 { "00:11:22:33:44:\u{20ac}" } else { "00:11:22:33:44:55" };
        let headers = format!("Mac: {mac}\r\nX-CID: other-leg\r\nUser-Agent");
        let text = replace_first(&message.text, b"User-Agent", headers.as_bytes());
        Observed::sip(source, destination, NOON_US + index * 1000, &text).v3()
    };
    (first..).zip(messages).map(packet).collect()
}

fn replace_first(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = text.windows(from.len()).position(|window| window == from).expect("it is there");
    [&text[..at], to, &text[at + from.len()..]].concat()
}

/// Makes a table as `sipcapture schema` does.
fn make_table(url: &str, table: &str) {
    let dialect = match url.split("://").next() {
        Some("mysql") => SqlDialect::Mysql,
        Some("postgres") => SqlDialect::Postgres,
        _ => SqlDialect::Sqlite,
    };
    let layout = match table.starts_with("report") {
        true => report_layout(&ColumnNames::default()),
        false => sip_layout(&ColumnNames::default()),
    };
    execute(url, &create_table(dialect, table, &layout).join(";\n"));
}

/// A capture node with a spool of its own.
struct Node {
    server: Kamailio,
    spool: TempDir,
}

impl Node {
    fn start(url: &str) -> Node {
        Node::start_with(ConfigBuilder::capture_node(Module::Ours, url))
    }

    fn start_with(config: ConfigBuilder) -> Node {
        let spool = TempDir::new().expect("a private directory");
        let server = config.set("spool_dir", &spool.path().display().to_string()).start();
        Node { server, spool }
    }

    fn letters(&self) -> PathBuf {
        self.spool.path().join("dead-letter")
    }

    /// Sends packets, and waits until each of them is stored or put to the dead letters; `refused` of all until now
    /// must be.
    fn capture(&self, packets: &[Vec<u8>], refused: u64) {
        let before = self.server.statistic("captured");
        HepSender::to(self.server.address()).send_paced(500, packets);
        self.server.settle(before + packets.len() as u64, PATIENCE);
        self.server.assert_balance();
        let statistics = self.server.statistics();
        assert_eq!((statistics["dead_lettered"], statistics["dropped"]), (refused, 0), "{statistics:?}");
    }

    /// The tool on this node's spool.
    fn tool(&self, arguments: &[&str]) -> Run {
        tool(self.spool.path(), arguments)
    }

    fn list(&self) -> serde_json::Value {
        document(self.spool.path(), &["dead-letters"])
    }
}

/// Runs the tool on a directory.
fn tool(directory: &Path, arguments: &[&str]) -> Run {
    run(command(arguments).arg("--dir").arg(directory))
}

/// The JSON document that the tool prints, which must succeed.
fn document(directory: &Path, arguments: &[&str]) -> serde_json::Value {
    let run = tool(directory, &[arguments, &["--json"]].concat());
    assert_eq!((run.code, run.err.as_str()), (0, ""), "{arguments:?}: {}", run.out);
    serde_json::from_str(&run.out).expect("one JSON document")
}

/// All rows of a table by time, without their ids.
fn rows(url: &str, table: &str) -> Vec<StoredRow> {
    let mut rows = select(url, &format!("SELECT * FROM {table} ORDER BY micro_ts")).expect("the table is readable");
    rows.iter_mut().for_each(|row| {
        row.remove("id");
    });
    rows
}

/// Stores the same packets in `table` of `url`, which refuses nothing, with the module itself.
fn store_unrefused(config: ConfigBuilder, table: &str, packets: &[Vec<u8>]) {
    let node = Node::start_with(config.set("table_name", table));
    node.capture(packets, 0);
    within(PATIENCE, "all is stored", || node.server.statistic("stored") == packets.len() as u64);
}
