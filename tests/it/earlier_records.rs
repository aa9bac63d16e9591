//! Spools and dead letters that earlier builds have left: this build makes the same rows and packets of them.
//!
//! Each directory `tests/corpus/spool-N` holds what a server wrote whose records had version N, and in `expected.json`
//! what that server's own build made of it; the README there says how both came about.

mod made;

use crate::common::hep_collector::{Collector, Heard};
use crate::common::kamailio::{ConfigBuilder, Kamailio, Module};
use crate::common::rows::{SqliteFile, select};
use crate::common::wait::within;
use crate::tool::running::{command, run};
use made::{Fixture, Made};
use sipcapture_core::hep::{Packet, Payload};
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);
/// Where the server of the fixture sent its packets, and where its script named a collector. The records name the
/// second.
const COLLECTORS: [&str; 2] = ["127.9.8.7:19871", "127.9.8.7:19872"];

/// A packet as text: all that a collector can see of it.
#[derive(Clone)]
struct Told(String);

impl Heard for Told {
    fn of(packet: &Packet<'_>) -> Told {
        let Payload::Plain(payload) = packet.payload else { panic!("nobody has asked for compression") };
        let correlation = packet.correlation_id.map(|id| id.escape_ascii().to_string());
        Told(format!(
            "HEP{} {} > {} protocol {} type {} time {:?} agent {:?} correlation {correlation:?}: {}",
            packet.version.number(),
            packet.source,
            packet.destination,
            packet.ip_protocol,
            packet.payload_type,
            packet.time_us,
            packet.agent_id,
            readable(payload)
        ))
    }
}

/// A value as text: a short one whole, of a long one its beginning, length and check sum.
fn readable(value: &[u8]) -> String {
    const WHOLE: usize = 100;
    match value.split_at_checked(WHOLE) {
        Some((begin, rest)) if !rest.is_empty() => {
            format!("{}... ({} bytes, CRC-32 {:08x})", begin.escape_ascii(), value.len(), crc32fast::hash(value))
        }
        _ => value.escape_ascii().to_string(),
    }
}

/// A collector at an address that another run of these tests may have for a moment.
fn collector(address: &str) -> Collector<Told> {
    let address: SocketAddr = address.parse().expect("an address");
    within(PATIENCE, "the collector's port is free", || TcpListener::bind(address).is_ok());
    Collector::tcp(address)
}

fn uri(address: &str) -> String {
    format!("sip:{address};transport=tcp")
}

/// Copies `sinks` of the fixture's `spool` to `directory`, where a server with that `spool_dir` finds them: pairs of
/// how the name of a sink's directory begins in the fixture, and the URL of the server's sink that is to replay it. The
/// databases have another URL than in the fixture; the collectors have the same, and their directories the same names.
fn take_over(spool: &Path, sinks: &[(&str, &str)], directory: &Path) {
    for (begins, url) in sinks {
        let entries = fs::read_dir(spool).expect("the fixture is readable");
        let mut found = entries.map(|entry| entry.expect("an entry").path()).filter(|path| {
            path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(begins))
        });
        let from = found.next().unwrap_or_else(|| panic!("no directory of {begins} in {}", spool.display()));
        assert_eq!(found.next(), None, "{begins}");
        // A sink's directory is called by its URL and a check sum of that.
        let readable = url.chars().take(80).map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '_' });
        let name = format!("{}-{:08x}", readable.collect::<String>(), crc32fast::hash(url.as_bytes()));
        let name = if begins.starts_with("script-") { format!("script-{name}") } else { name };
        if url.starts_with("sip:") {
            assert_eq!(from.file_name().and_then(|own| own.to_str()), Some(&name[..]), "{url}");
        }
        copy(&from, &directory.join(name));
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory is made");
    for entry in fs::read_dir(from).expect("the fixture is readable") {
        let path = entry.expect("an entry").path();
        let to = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &to);
        } else {
            fs::copy(&path, &to).expect("a file is copied");
        }
    }
}

/// Waits until everything that the server found in its spool has gone where it belongs.
fn await_replayed(server: &Kamailio, module: &str, records: u64) {
    within(PATIENCE, "the spool is replayed", || {
        let statistics = server.statistics_of(module);
        (statistics["stored"], statistics["spooled"]) == (records, 0)
    });
    let statistics = server.statistics_of(module);
    assert_eq!((statistics["recovered"], statistics["dead_lettered"]), (records, 0), "{}", server.log());
}

/// All rows of all tables of an SQLite file, without their ids, in an order of their own.
fn tables(url: &str, name: &str, made: &mut Made) {
    let sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
    for table in select(url, sql).expect("the file is readable") {
        let table = String::from_utf8(table["name"].clone().expect("a name")).expect("a name of ours");
        let rows = select(url, &format!("SELECT * FROM \"{table}\"")).expect("the table is readable");
        let texts = rows.into_iter().map(|row| {
            let columns = row.into_iter().filter(|(column, _)| column != "id");
            columns.map(|(column, value)| (column, value.as_deref().map(readable))).collect()
        });
        made.add_rows(&format!("{name}: {table}"), texts.collect());
    }
}

/// What this build makes of the spool of a capture node.
fn replayed_node(fixture: &Path, records: u64) -> Made {
    let directory = TempDir::new().expect("a private directory");
    let files = ["first", "second"].map(|name| {
        let place = directory.path().join(name);
        fs::create_dir(&place).expect("a directory is made");
        SqliteFile::in_directory(&place)
    });
    let spool = directory.path().join("spool");
    let sinks = [("postgres___homer", files[0].url()), ("postgres___second", files[1].url())];
    take_over(&fixture.join("sipcapture"), &sinks, &spool);
    let mode = format!("second=>db_url={};table_name=sip_second;mt_mode=rand", files[1].url());
    let server = ConfigBuilder::capture_node(Module::Ours, files[0].url())
        .environment("TZ", "UTC")
        .param("sipcapture", "capture_mode", &mode)
        .set("spool_dir", &spool.display().to_string())
        .start();
    await_replayed(&server, "sipcapture", records);
    let mut made = Made::default();
    tables(files[0].url(), "first", &mut made);
    tables(files[1].url(), "second", &mut made);
    made
}

/// What this build makes of the spool of a capture agent.
fn replayed_agent(fixture: &Path, records: u64) -> Made {
    let directory = TempDir::new().expect("a private directory");
    let file = SqliteFile::new();
    let spool = directory.path().join("spool");
    let [own, named] = COLLECTORS.map(uri);
    let sinks = [("postgres___homer", file.url()), ("sip_", &own), ("script-", &named)];
    take_over(&fixture.join("siptrace"), &sinks, &spool);
    let collectors = COLLECTORS.map(collector);
    let server = ConfigBuilder::new()
        .environment("TZ", "UTC")
        .load_agent(Module::Ours)
        .param("siptrace", "trace_on", 1)
        .param("siptrace", "hep_mode_on", 1)
        .param("siptrace", "hep_version", 3)
        .param("siptrace", "hep_capture_id", 77)
        .param("siptrace", "db_url", file.url())
        .param("siptrace", "duplicate_uri", &own)
        .param("siptrace", "spool_dir", &spool.display().to_string())
        .start();
    await_replayed(&server, "siptrace", records);
    let mut made = Made::default();
    tables(file.url(), "agent", &mut made);
    for (collector, name) in collectors.iter().zip(["duplicate_uri", "script"]) {
        collector.await_rest();
        made.add_packets(name, collector.arrived().into_iter().map(|told| told.0).collect());
    }
    made
}

/// What the tool makes of dead letters.
fn replayed_letters(fixture: &Path, letters: u64) -> Made {
    let mut made = Made::default();
    for module in ["sipcapture", "siptrace"] {
        let directory = TempDir::new().expect("a private directory");
        copy(&fixture.join(module).join("dead-letter"), &directory.path().join("dead-letter"));
        let file = SqliteFile::new();
        let mut tool =
            command(&["replay-dead-letters", "--all-sinks", "--create-tables", "--json", "--db", file.url()]);
        let replayed = run(tool.arg("--dir").arg(directory.path()));
        assert_eq!((replayed.code, replayed.err.as_str()), (0, ""), "{}", replayed.out);
        let told: serde_json::Value = serde_json::from_str(&replayed.out).expect("one JSON document");
        assert_eq!((&told["refused"], &told["unreadable"]), (&0.into(), &0.into()), "{told:#}");
        tables(file.url(), &format!("letters of {module}"), &mut made);
    }
    assert_eq!(made.rows(), letters);
    made
}

#[test]
fn rows_of_a_spool_that_an_earlier_build_has_left_are_what_they_would_have_been() {
    for fixture in Fixture::all() {
        let spooled = fixture.expected.sipcapture.rows();
        fixture.expected.sipcapture.assert_eq(&replayed_node(&fixture.directory, spooled));
    }
}

#[test]
fn rows_and_packets_of_an_agents_spool_that_an_earlier_build_has_left_are_what_they_would_have_been() {
    for fixture in Fixture::all() {
        let expected = &fixture.expected.siptrace;
        let spooled = expected.rows() + expected.packets();
        expected.assert_eq(&replayed_agent(&fixture.directory, spooled));
    }
}

#[test]
fn rows_of_dead_letters_that_an_earlier_build_has_left_are_what_they_would_have_been() {
    for fixture in Fixture::all() {
        let letters = fixture.expected.letters.rows();
        fixture.expected.letters.assert_eq(&replayed_letters(&fixture.directory, letters));
    }
}
