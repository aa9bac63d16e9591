//! Databases that Kamailio's own drivers serve: db_text, which no driver of ours knows, and db_sqlite where `db_driver`
//! asks for it.

use crate::common::database::MariaDb;
use crate::common::hep::Observed;
use crate::common::hep_sender::HepSender;
use crate::common::kamailio::{ConfigBuilder, Kamailio, Module, signal};
use crate::common::rows::{SqliteFile, count, execute, select, text};
use crate::common::sip::{answered_call, call_id};
use crate::common::wait::within;
use rustix::process::Signal;
use sipcapture_core::table::ddl::create_table;
use sipcapture_core::table::{ColumnKind, ColumnNames, SqlDialect, report_layout, sip_layout};
use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);

/// 2025-06-15 12:00:00 UTC.
const NOON_US: u64 = 1_749_988_800_000_000;

/// HEP packets of whole calls, seven to a call, each 1 ms after the one before.
fn packets(count: u64) -> impl Iterator<Item = Vec<u8>> {
    let source = SocketAddr::from(([192, 0, 2, 10], 5060));
    let destination = SocketAddr::from(([198, 51, 100, 20], 5060));
    let messages = (0..).flat_map(|number| answered_call("hosted", number));
    let packet = move |(message, index): (crate::common::sip::CallMessage, u64)| {
        Observed::sip(source, destination, NOON_US + index * 1000, &message.text).v3()
    };
    messages.zip(0..count).map(packet)
}

/// A table of db_text: the file, and the columns by name.
pub struct TextTable {
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// Makes an empty table file.
pub fn make_text_table(directory: &Path, table: &str, columns: impl Iterator<Item = (String, &'static str)>) {
    let header: Vec<String> = columns.map(|(name, kind)| format!("{name}({kind},null)")).collect();
    fs::write(directory.join(table), format!("{}\n", header.join(" "))).expect("the table file is written");
}

fn make_text_tables(directory: &Path) {
    let names = ColumnNames::default();
    for (table, layout) in [("sip_capture", sip_layout(&names)), ("rtcp_capture", report_layout(&names))] {
        let kind = |kind| match kind {
            ColumnKind::Time | ColumnKind::Int | ColumnKind::BigInt => "int",
            ColumnKind::Text => "string",
            ColumnKind::Message => "blob",
        };
        make_text_table(directory, table, layout.columns.into_iter().map(|column| (column.name, kind(column.kind))));
    }
}

impl TextTable {
    /// Reads a table file: fields between colons, a backslash before what is not plain.
    pub fn read(path: &Path) -> TextTable {
        let text = fs::read_to_string(path).expect("the table file is readable");
        let mut lines = text.lines();
        let header = lines.next().expect("a table has a header");
        let columns = header.split_whitespace().map(|column| column.split('(').next().expect("a name").to_owned());
        TextTable { columns: columns.collect(), rows: lines.map(fields).collect() }
    }

    pub fn column(&self, name: &str) -> Vec<&str> {
        let position = self.columns.iter().position(|column| column == name).expect("the column is there");
        self.rows.iter().map(|row| row[position].as_str()).collect()
    }
}

fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        let field = fields.last_mut().expect("there is one field at least");
        match character {
            ':' => fields.push(String::new()),
            '\\' => match characters.next() {
                Some('n') => field.push('\n'),
                Some('r') => field.push('\r'),
                Some('t') => field.push('\t'),
                Some('0') => field.push('\0'),
                Some(plain) => field.push(plain),
                None => {}
            },
            plain => field.push(plain),
        }
    }
    fields
}

fn text_node(directory: &Path) -> ConfigBuilder {
    let url = format!("text://{}", directory.display());
    ConfigBuilder::capture_node(Module::Ours, &url).load_first("db_text.so")
}

/// Our module over Kamailio's SQLite driver.
fn sqlite_node(url: &str) -> ConfigBuilder {
    ConfigBuilder::capture_node(Module::Ours, url).load_first("db_sqlite.so").set("db_driver", "host")
}

fn make_sqlite_table(url: &str) {
    let statements = create_table(SqlDialect::Sqlite, "sip_capture", &sip_layout(&ColumnNames::default()));
    execute(url, &statements.join(";\n"));
    // A look from here must not find the file locked.
    execute(url, "PRAGMA journal_mode = WAL");
}

/// Processes of the server's group by the name that they show.
fn processes_named(server: &Kamailio, name: &str) -> Vec<i32> {
    let named = |pid: &i32| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim_end() == name);
    server.group().into_iter().filter(named).collect()
}

fn host_database_processes(server: &Kamailio) -> Vec<i32> {
    processes_named(server, "sipcapture db")
}

/// The `count` processes of that name, once they have begun their work.
fn started(server: &Kamailio, name: &str, count: usize) -> Vec<i32> {
    let mut processes = Vec::new();
    within(PATIENCE, &format!("{count} processes are called {name}"), || {
        processes = processes_named(server, name);
        processes.len() == count
    });
    processes
}

/// Asserts that each of `wanted` messages is stored, at most `twice` of them two times.
fn assert_stored(url: &str, wanted: u64, twice: u64) {
    let rows = select(url, "SELECT micro_ts FROM sip_capture").expect("the table is readable");
    let distinct: BTreeSet<String> = rows.iter().map(|row| text(row, "micro_ts")).collect();
    assert_eq!(distinct.len() as u64, wanted, "distinct messages");
    assert!((wanted..=wanted + twice).contains(&(rows.len() as u64)), "{} rows of {wanted} messages", rows.len());
}

#[test]
fn db_text_gets_every_row_with_every_column() {
    let directory = TempDir::new().expect("a private directory");
    make_text_tables(directory.path());
    let mut server = text_node(directory.path()).start();
    let sender = HepSender::to(server.address());
    sender.send_paced(500, packets(70));
    let mut report =
        Observed::sip("192.0.2.10:5060".parse().unwrap(), "192.0.2.11:5061".parse().unwrap(), NOON_US, b"{}");
    report.payload_type = 5;
    report.correlation = Some(b"a: \\b".to_vec());
    sender.send(&report.v3());
    server.settle(71, PATIENCE);
    assert_eq!(server.statistic("stored"), 71, "{}", server.log());
    let status = server.stop();
    assert!(status.success(), "{status}");
    // What the driver has in memory it writes when the server ends.
    let table = TextTable::read(&directory.path().join("sip_capture"));
    assert_eq!(table.rows.len(), 70);
    let sent: Vec<Vec<u8>> = (0..10).flat_map(|number| answered_call("hosted", number)).map(|call| call.text).collect();
    let sent: BTreeSet<String> = sent.into_iter().map(|text| String::from_utf8(text).expect("ASCII")).collect();
    let messages: BTreeSet<String> = table.column("msg").into_iter().map(str::to_owned).collect();
    assert_eq!(messages, sent);
    let call_ids: BTreeSet<String> = table.column("callid").into_iter().map(str::to_owned).collect();
    assert_eq!(call_ids, (0..10).map(|number| call_id("hosted", number)).collect());
    assert!(table.column("date").iter().all(|date| *date == (NOON_US / 1_000_000).to_string()));
    assert!(table.column("source_port").iter().all(|port| *port == "5060"));
    // The driver knows no integer of 64 bits: its columns get the low half, as with the stock module.
    let low_halves: BTreeSet<String> =
        (0..70).map(|index| ((NOON_US + index * 1000) as u32).cast_signed().to_string()).collect();
    let micro_ts: BTreeSet<String> = table.column("micro_ts").into_iter().map(str::to_owned).collect();
    assert_eq!(micro_ts, low_halves);
    let reports = TextTable::read(&directory.path().join("rtcp_capture"));
    assert_eq!((reports.column("correlation_id"), reports.column("msg")), (vec!["a: \\b"], vec!["{}"]));
}

#[test]
fn a_table_of_db_text_that_is_made_in_time_gets_its_rows() {
    let directory = TempDir::new().expect("a private directory");
    make_text_table(directory.path(), "other", [("x".to_owned(), "int")].into_iter());
    let mut server = text_node(directory.path()).start();
    HepSender::to(server.address()).send_paced(500, packets(14));
    within(PATIENCE, "the wait for the table is said", || {
        server.log().contains("table sip_capture: it is missing, lacks columns, or may not be read")
    });
    assert_eq!(server.statistic("stored"), 0);
    make_text_tables(directory.path());
    server.settle(14, PATIENCE);
    assert_eq!(server.statistic("stored"), 14, "{}", server.log());
    server.stop();
    assert_eq!(TextTable::read(&directory.path().join("sip_capture")).rows.len(), 14);
}

#[test]
fn a_database_that_is_away_at_first_gets_all_rows_when_it_comes() {
    let directory = TempDir::new().expect("a private directory");
    let url = format!("sqlite:///{}/later/captures.db", directory.path().display());
    let server = sqlite_node(&url).start();
    HepSender::to(server.address()).send_paced(500, packets(70));
    within(PATIENCE, "the outage is said", || server.log().contains("the host's driver does not connect"));
    assert_eq!(server.statistic("stored"), 0);
    fs::create_dir(directory.path().join("later")).expect("the directory is made");
    make_sqlite_table(&url);
    server.settle(70, PATIENCE);
    server.assert_balance();
    assert_stored(&url, 70, 0);
}

#[test]
fn rows_that_the_hosts_driver_refuses_are_counted_and_their_neighbours_stored() {
    let file = SqliteFile::new();
    let columns = sip_layout(&ColumnNames::default()).columns.into_iter().map(|column| column.name);
    let columns = columns.collect::<Vec<_>>().join(", ");
    execute(
        file.url(),
        &format!(
            "CREATE TABLE sip_capture ({columns}, CHECK (callid NOT LIKE 'call-0000000003@%')); PRAGMA journal_mode = WAL"
        ),
    );
    let server = sqlite_node(file.url()).start();
    HepSender::to(server.address()).send_paced(500, packets(70));
    server.settle(70, PATIENCE);
    let statistics = server.statistics();
    assert_eq!((statistics["stored"], statistics["dead_lettered"]), (63, 7), "{statistics:?}");
    assert_eq!(count(file.url(), "sip_capture"), 63);
    let log = server.log();
    assert!(log.contains("the host's driver refuses the row"), "{log}");
}

#[test]
fn a_host_database_process_that_is_killed_is_replaced_and_nothing_is_lost() {
    let file = SqliteFile::new();
    make_sqlite_table(file.url());
    let mut server = sqlite_node(file.url()).start();
    let writers = started(&server, "sipcapture", 1);
    let stopped = AtomicBool::new(false);
    let address = server.address();
    let sent = thread::scope(|scope| {
        let load = scope.spawn(|| {
            let packets = packets(u64::MAX).take_while(|_| !stopped.load(Ordering::Relaxed));
            HepSender::to(address).send_paced(400, packets)
        });
        for _ in 0..3 {
            let mut processes = Vec::new();
            let stored = server.statistic("stored");
            within(PATIENCE, "the driver's process is at work", || {
                processes = host_database_processes(&server);
                processes.len() == 1 && server.statistic("stored") > stored + 100
            });
            signal(processes[0], Signal::KILL);
            within(PATIENCE, "another takes its place", || {
                let others = host_database_processes(&server);
                others.len() == 1 && others != processes
            });
        }
        stopped.store(true, Ordering::Relaxed);
        load.join().expect("the load ends")
    });
    let captured = server.settle(sent, PATIENCE);
    server.assert_balance();
    assert_eq!(server.statistic("stored"), captured, "{}", server.log());
    // A kill between the insert and its answer writes that row once more.
    assert_stored(file.url(), captured, 3);
    assert_eq!(processes_named(&server, "sipcapture"), writers, "the writer went on");
    assert_eq!(server.statistic("writer_restarts"), 0);
    assert!(server.log().contains("ended by signal 9"), "{}", server.log());
    server.assert_serving();
}

/// Makes the library that lets alarms of host database processes ring after 2 s, and tells how long they were to take.
fn short_alarm(directory: &Path) -> String {
    let library = directory.join("short_alarm.so").display().to_string();
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/kamailio_host_database/short_alarm.c");
    let made = Command::new("gcc").args(["-shared", "-fPIC", "-o", &library, source]).status();
    assert!(made.expect("gcc runs").success(), "{source} does not compile");
    library
}

/// Our module over Kamailio's MySQL driver.
fn mysql_node(url: &str) -> ConfigBuilder {
    execute(url, &create_table(SqlDialect::Mysql, "sip_capture", &sip_layout(&ColumnNames::default())).join(";\n"));
    ConfigBuilder::capture_node(Module::Ours, url).load_first("db_mysql.so").set("db_driver", "host")
}

#[test]
fn a_driver_that_hangs_is_killed_at_its_time_limit_and_replaced_and_nothing_is_lost() {
    let database = MariaDb::start();
    let directory = TempDir::new().expect("a private directory");
    // A driver that would wait for an hour.
    let node = mysql_node(&database.url()).param("db_mysql", "timeout_interval", 3600);
    let mut server = node.environment("LD_PRELOAD", &short_alarm(directory.path())).start();
    let sender = HepSender::to(server.address());
    sender.send_paced(500, packets(70));
    server.settle(70, PATIENCE);
    let (writers, mut processes) = (started(&server, "sipcapture", 1), host_database_processes(&server));
    let kills = |server: &Kamailio| server.log().matches("of db_mysql ended by signal 14").count();
    assert_eq!((processes.len(), kills(&server)), (1, 0), "{}", server.log());
    database.pause();
    sender.send_paced(500, packets(140).skip(70));
    // First one that waits for an answer, then one that cannot connect.
    for killed in 1..=2 {
        within(PATIENCE, "the process whose driver hangs is killed and another takes its place", || {
            let others = host_database_processes(&server);
            let is_replaced = kills(&server) >= killed && others.len() == 1 && others != processes;
            if is_replaced {
                processes = others;
            }
            is_replaced
        });
    }
    server.assert_balance();
    assert_eq!(server.statistic("stored"), 70, "{}", server.log());
    database.resume();
    server.settle(140, PATIENCE);
    server.assert_balance();
    assert_eq!(server.statistic("stored"), 140, "{}", server.log());
    // What a killed driver had asked for already, the database does when it goes on.
    assert_stored(&database.url(), 140, kills(&server) as u64);
    assert_eq!(processes_named(&server, "sipcapture"), writers, "the writer went on");
    assert_eq!(server.statistic("writer_restarts"), 0);
    let log = server.log();
    let limits: BTreeSet<&str> =
        log.lines().filter_map(|line| line.split_once("alarm after ")).map(|(_, s)| s).collect();
    assert_eq!(limits, BTreeSet::from(["60 s"]));
    server.assert_serving();
}

#[test]
fn a_killed_writer_finds_its_host_database_process_again() {
    let file = SqliteFile::new();
    make_sqlite_table(file.url());
    let server = sqlite_node(file.url()).start();
    HepSender::to(server.address()).send_paced(500, packets(70));
    server.settle(70, PATIENCE);
    let processes = started(&server, "sipcapture db", 1);
    signal(started(&server, "sipcapture", 1)[0], Signal::KILL);
    within(PATIENCE, "the writer is started again", || server.statistic("writer_restarts") == 1);
    HepSender::to(server.address()).send_paced(500, packets(140).skip(70));
    server.settle(140, PATIENCE);
    assert_stored(file.url(), 140, 0);
    assert_eq!(host_database_processes(&server), processes);
}

#[test]
fn each_writer_has_its_own_process_and_all_end_with_the_server() {
    let file = SqliteFile::new();
    make_sqlite_table(file.url());
    let mut server = sqlite_node(file.url()).set("capture_writers", 2).children(4).start();
    started(&server, "sipcapture db", 2);
    HepSender::to(server.address()).send_paced(500, packets(210));
    let captured = server.settle(210, PATIENCE);
    let status = server.stop();
    assert!(status.success(), "{status}: {}", server.log());
    assert_stored(file.url(), captured, 0);
}

/// A server whose writer gathers for a minute, and the number of captures that it has queued.
fn gathering(url: &str) -> (Kamailio, u64) {
    make_sqlite_table(url);
    let server = sqlite_node(url).set("batch_size", 10_000).set("flush_interval", 60_000).start();
    HepSender::to(server.address()).send_paced(500, packets(70));
    let captured = server.settle_queued(70);
    (server, captured)
}

#[test]
fn what_a_killed_writer_leaves_is_stored_by_the_main_process() {
    let file = SqliteFile::new();
    let (mut server, captured) = gathering(file.url());
    let writer = started(&server, "sipcapture", 1)[0];
    let supervisors = server.processes().into_iter().filter(|(_, what)| what.starts_with("sipcapture writer"));
    let supervisor = supervisors.map(|(pid, _)| pid).next().expect("there is a supervisor");
    // Both at once: nobody is left to store but the main process, which ends because its child has.
    signal(supervisor, Signal::STOP);
    signal(writer, Signal::KILL);
    signal(supervisor, Signal::KILL);
    within(PATIENCE, "the server ends", || server.ended().is_some() && server.group().is_empty());
    assert_stored(file.url(), captured, 0);
}

#[test]
fn a_writer_whose_server_is_killed_stores_what_was_queued() {
    let file = SqliteFile::new();
    let (mut server, captured) = gathering(file.url());
    server.kill_main();
    within(PATIENCE, "what was queued is stored", || count(file.url(), "sip_capture") >= captured);
    within(PATIENCE, "writer and driver end when the work is done", || {
        processes_named(&server, "sipcapture").is_empty() && host_database_processes(&server).is_empty()
    });
    assert_stored(file.url(), captured, 0);
}

#[test]
fn modes_have_databases_of_either_kind_and_one_whose_driver_dies_holds_up_no_other() {
    let directory = TempDir::new().expect("a private directory");
    make_text_tables(directory.path());
    let [own, hosted] = [SqliteFile::new(), SqliteFile::new()];
    let [own_url, text_url] = [own.url().to_owned(), format!("text://{}", directory.path().display())];
    let mode = format!("text=>db_url={text_url};table_name=sip_capture;mt_mode=rand");
    let node = ConfigBuilder::capture_node(Module::Ours, &own_url).load_first("db_text.so").set("capture_mode", &mode);
    let node = node.route("request_route", r#"sip_capture("", "text"); exit;"#);
    let mut server = node.route("onreply_route", "sip_capture(); drop;").start();
    let processes = started(&server, "sipcapture db", 1);
    // Rows wait for a driver that is stopped, its own and no others.
    signal(processes[0], Signal::STOP);
    HepSender::to(server.address()).send_paced(500, packets(70));
    within(PATIENCE, "the replies are stored", || count(&own_url, "sip_capture") == 40);
    signal(processes[0], Signal::KILL);
    server.settle(70, PATIENCE);
    server.assert_balance();
    assert_eq!(server.statistic("stored"), 70, "{}", server.log());
    assert_eq!(server.statistic("writer_restarts"), 0);
    server.stop();
    assert_eq!(TextTable::read(&directory.path().join("sip_capture")).rows.len(), 30);
    // The same with the host's driver for both, each sink with its own process.
    make_sqlite_table(hosted.url());
    make_text_tables(directory.path());
    let node = sqlite_node(hosted.url()).load_first("db_text.so").set("capture_mode", &mode);
    let node = node.route("request_route", r#"sip_capture("", "text"); exit;"#);
    let mut server = node.route("onreply_route", "sip_capture(); drop;").start();
    started(&server, "sipcapture db", 2);
    HepSender::to(server.address()).send_paced(500, packets(70));
    server.settle(70, PATIENCE);
    server.stop();
    assert_eq!(count(hosted.url(), "sip_capture"), 40);
    assert_eq!(TextTable::read(&directory.path().join("sip_capture")).rows.len(), 30);
}

#[test]
fn a_driver_with_insert_delayed_uses_it_and_one_without_says_so_once() {
    // A server of its own: the status variable counts for all databases.
    let database = MariaDb::start();
    let url = database.url();
    let node = mysql_node(&url);
    execute(&url, "ALTER TABLE sip_capture ENGINE=MyISAM");
    let server = node.set("db_insert_mode", 1).start();
    HepSender::to(server.address()).send_paced(500, packets(70));
    server.settle(70, PATIENCE);
    // The server of the database writes delayed rows when it likes.
    within(PATIENCE, "the rows are in the table", || count(&url, "sip_capture") == 70);
    let status = select(&url, "SHOW GLOBAL STATUS LIKE 'Delayed_writes'").expect("a status");
    assert_eq!(text(&status[0], "Value"), "70");

    let file = SqliteFile::new();
    make_sqlite_table(file.url());
    let server = sqlite_node(file.url()).set("db_insert_mode", 1).start();
    HepSender::to(server.address()).send_paced(500, packets(70));
    server.settle(70, PATIENCE);
    assert_stored(file.url(), 70, 0);
    let log = server.log();
    assert_eq!(log.matches("db_sqlite has no INSERT DELAYED: plain INSERT is used").count(), 1, "{log}");
}

#[test]
fn a_url_that_nobody_serves_stops_the_start_and_names_the_missing_module() {
    for (node, module) in [
        (ConfigBuilder::capture_node(Module::Ours, "text:///var/lib/kamailio/dbtext"), "db_text"),
        (ConfigBuilder::capture_node(Module::Ours, "oracle://homer:geheim@db.example.org/homer"), "db_oracle"),
        (ConfigBuilder::capture_node(Module::Ours, "mysql://homer:geheim@h/d").set("db_driver", "host"), "db_mysql"),
        (ConfigBuilder::capture_node(Module::Ours, "nonsense://homer:geheim@h/d"), "db_nonsense"),
    ] {
        let log = node.refused();
        assert!(log.contains("parameter db_url: "), "{log}");
        assert!(log.contains(&format!("loadmodule \"{module}.so\"")), "{log}");
        assert!(!log.contains("geheim"), "{log}");
    }
}

#[test]
fn a_driver_that_is_neither_auto_nor_host_stops_the_start() {
    let node = ConfigBuilder::capture_node(Module::Ours, SqliteFile::new().url()).set("db_driver", "own");
    let log = node.refused();
    assert!(log.contains("parameter db_driver: the value \"own\" is not allowed: auto"), "{log}");
}

#[test]
fn a_mode_that_nobody_serves_stops_the_start_under_its_own_name() {
    let node = ConfigBuilder::capture_node(Module::Ours, SqliteFile::new().url());
    let mode = "far=>db_url=oracle://homer:geheim@h/d;table_name=calls;mt_mode=rand";
    let log = node.set("capture_mode", mode).refused();
    assert!(log.contains("parameter capture_mode: ") && log.contains("loadmodule \"db_oracle.so\""), "{log}");
    assert!(!log.contains("geheim"), "{log}");
}
