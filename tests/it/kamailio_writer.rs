//! What the writer's parameters do in a real server: how many writers there are, when a batch goes, how rows are
//! inserted, what the end of the server leaves behind.

use crate::common::database::{MariaDb, PASSWORD, Postgres, USER};
use crate::common::hep::Observed;
use crate::common::hep_sender::HepSender;
use crate::common::kamailio::{ConfigBuilder, Kamailio, Module};
use crate::common::ports::free_port;
use crate::common::rows::{SqliteFile, count, execute, select, text};
use crate::common::sip::{answered_call, call_id};
use crate::common::wait::within;
use sipcapture_core::table::ddl::create_table;
use sipcapture_core::table::{ColumnNames, SqlDialect, sip_layout};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);

/// 2025-06-15 12:00:00 UTC.
const NOON_US: u64 = 1_749_988_800_000_000;

fn observed(payload: &[u8]) -> Observed {
    let source = SocketAddr::from(([192, 0, 2, 10], 5060));
    Observed::sip(source, SocketAddr::from(([198, 51, 100, 20], 5060)), NOON_US, payload)
}

/// The first `count` messages of calls in a row, seven to a call.
fn packets(count: usize) -> impl Iterator<Item = Vec<u8>> {
    let messages = (0..).flat_map(|number| answered_call("writer", number));
    messages.take(count).map(|message| observed(&message.text).v3())
}

/// Waits until statistic `name` is `value`.
fn wait_for(server: &Kamailio, name: &str, value: u64) {
    let mut seen = 0;
    within(PATIENCE, &format!("{name} is {value}"), || {
        seen = server.statistic(name);
        seen >= value
    });
    assert_eq!(seen, value, "{name}: {:?}", server.statistics());
}

/// The values of all fields of this name in `sipcapture.stats`.
fn stats(server: &Kamailio, name: &str) -> Vec<String> {
    let stats = server.rpc(&["sipcapture.stats"]).expect("sipcapture.stats is answered");
    let values = stats.lines().filter_map(|line| line.trim().strip_prefix(name)?.strip_prefix(": "));
    values.map(str::to_owned).collect()
}

#[test]
fn two_writers_share_the_lanes_and_each_shows_its_sink() {
    let file = SqliteFile::new();
    let server = ConfigBuilder::capture_node(Module::Ours, file.url()).set("capture_writers", 2).children(4).start();
    assert_eq!(server.grandchildren().len(), 2);
    assert_eq!(stats(&server, "processes"), ["2"]);
    assert_eq!(stats(&server, "state"), ["not tried", "not tried"]);
    let sender = HepSender::to(server.address());
    let mut sent = 0;
    // Which worker gets a packet, and thus which writer, is the kernel's choice.
    within(PATIENCE, "both writers have stored something", || {
        sent += sender.send_paced(500, packets(70));
        stats(&server, "state") == ["up", "up"]
    });
    let captured = server.settle(sent, PATIENCE);
    assert_eq!(server.statistic("stored"), captured);
    assert_eq!(count(file.url(), "sip_capture"), captured);
}

#[test]
fn batches_of_one_row_are_as_many_as_the_rows() {
    let file = SqliteFile::new();
    let server = ConfigBuilder::capture_node(Module::Ours, file.url()).set("batch_size", 1).start();
    HepSender::to(server.address()).send_paced(500, packets(70));
    server.settle(70, PATIENCE);
    assert_eq!((server.statistic("stored"), server.statistic("batches")), (70, 70));
}

#[test]
fn a_full_batch_goes_at_once_and_the_rest_waits_for_the_flush_or_the_end() {
    let file = SqliteFile::new();
    let node = ConfigBuilder::capture_node(Module::Ours, file.url()).set("batch_size", 10);
    let mut server = node.set("flush_interval", 60_000).start();
    HepSender::to(server.address()).send_paced(500, packets(35));
    wait_for(&server, "stored", 30);
    assert_eq!((server.statistic("captured"), server.statistic("queued")), (35, 5));
    assert_eq!((server.statistic("batches"), count(file.url(), "sip_capture")), (3, 30));
    let status = server.stop();
    assert!(status.success(), "{status}");
    assert_eq!(count(file.url(), "sip_capture"), 35);
}

#[test]
fn a_batch_that_does_not_fill_goes_when_the_flush_interval_is_over() {
    let file = SqliteFile::new();
    let node = ConfigBuilder::capture_node(Module::Ours, file.url()).set("batch_size", 10_000);
    let server = node.set("flush_interval", 2_000).start();
    // Well within one interval.
    HepSender::to(server.address()).send_paced(1_000, packets(70));
    server.settle(70, PATIENCE);
    let batches = server.statistic("batches");
    assert!((1..=2).contains(&batches), "{batches} batches for 70 rows");
}

#[test]
fn a_server_that_ends_without_its_database_says_how_many_captures_are_lost() {
    for writers in [1, 2] {
        let url = format!("mysql://{USER}:{PASSWORD}@127.0.0.1:{}/homer", free_port());
        let node = ConfigBuilder::capture_node(Module::Ours, &url).set("shutdown_timeout", 1).set("spool_dir", "");
        let mut server = node.set("capture_writers", writers).start();
        HepSender::to(server.address()).send_paced(500, packets(70));
        wait_for(&server, "queued", 70);
        let status = server.stop();
        let log = server.log();
        assert!(status.success(), "{status}: {log}");
        let lost = log.lines().filter_map(|line| line.split_once(" captures are lost: ")?.0.rsplit(' ').next());
        let lost: Vec<u64> = lost.map(|number| number.parse().expect("a number of captures")).collect();
        assert_eq!(lost.iter().sum::<u64>(), 70, "{log}");
        assert!(lost.len() as i64 <= writers, "{log}");
        assert!(!log.contains(PASSWORD), "{log}");
    }
}

#[test]
fn insert_delayed_is_used_where_the_engine_takes_it_and_plain_insert_said_once_elsewhere() {
    // A server of its own: the status variable counts for all databases.
    let database = MariaDb::start();
    let url = database.url();
    for (table, engine) in [
        ("invites", "InnoDB"),
        ("acks", "Aria ROW_FORMAT=PAGE"),
        ("byes", "Aria TRANSACTIONAL=0"),
        ("replies", "MyISAM"),
    ] {
        execute(&url, &create_table(SqlDialect::Mysql, table, &sip_layout(&ColumnNames::default())).join(";\n"));
        execute(&url, &format!("ALTER TABLE {table} ENGINE={engine}"));
    }
    let delayed = || {
        let rows = select(&url, "SHOW GLOBAL STATUS LIKE 'Delayed_writes'").expect("a status");
        text(&rows[0], "Value").parse::<u64>().expect("a number")
    };
    let by_method = r#"switch ($rm) { case "INVITE": sip_capture("invites"); break; case "ACK": sip_capture("acks");
        break; default: sip_capture("byes"); } exit;"#;
    let node = ConfigBuilder::capture_node(Module::Ours, &url).set("db_insert_mode", 1);
    let node = node.route("request_route", by_method);
    let server = node.route("onreply_route", r#"sip_capture("replies"); drop;"#).start();
    for turn in 1..=2 {
        HepSender::to(server.address()).send_paced(500, packets(70));
        server.settle(turn * 70, PATIENCE);
        // The server of the database writes delayed rows when it likes.
        let wanted = [10, 10, 10, 40].map(|rows| turn * rows);
        within(PATIENCE, "rows are in all tables", || {
            ["invites", "acks", "byes", "replies"].map(|table| count(&url, table)) == wanted
        });
        assert_eq!(delayed(), turn * 50);
    }
    assert_eq!(server.statistic("stored"), 140);
    let log = server.log();
    assert_eq!(log.matches("plain INSERT is used").count(), 2, "{log}");
    for (table, engine) in [("invites", "InnoDB"), ("acks", "Aria, transactional")] {
        assert!(log.contains(&format!("no INSERT DELAYED for table {table} (engine {engine})")), "{log}");
    }
}

/// A row that the database refuses, in the middle of a batch.
fn refused_rows_cost_themselves_alone(url: &str) {
    let check = "CHECK (callid NOT LIKE 'call-0000000003@%')";
    execute(url, &format!("CREATE TABLE sip_capture (callid VARCHAR(120) NOT NULL, method VARCHAR(50), {check})"));
    let node = ConfigBuilder::capture_node(Module::Ours, url).set("batch_size", 70).set("flush_interval", 60_000);
    let server = node.start();
    HepSender::to(server.address()).send_paced(500, packets(70));
    server.settle(70, PATIENCE);
    let statistics = server.statistics();
    assert_eq!((statistics["stored"], statistics["batches"]), (63, 1), "{statistics:?}");
    assert_eq!((statistics["dead_lettered"], statistics["dropped"]), (7, 0), "{statistics:?}");
    let rows = select(url, "SELECT callid FROM sip_capture").expect("the table is readable");
    for number in 0..10 {
        let of_call = rows.iter().filter(|row| text(row, "callid") == call_id("writer", number)).count();
        assert_eq!(of_call, if number == 3 { 0 } else { 7 }, "call {number}");
    }
    let log = server.log();
    assert!(log.contains("rows refused by table sip_capture"), "{log}");
}

#[test]
fn rows_that_sqlite_refuses_are_counted_and_their_neighbours_stored() {
    refused_rows_cost_themselves_alone(SqliteFile::new().url());
}

#[test]
fn rows_that_mariadb_refuses_are_counted_and_their_neighbours_stored() {
    let database = MariaDb::shared();
    refused_rows_cost_themselves_alone(&database.create_database("refusing"));
}

#[test]
fn rows_that_postgresql_refuses_are_counted_and_their_neighbours_stored() {
    let database = Postgres::shared();
    refused_rows_cost_themselves_alone(&database.create_database("refusing"));
}

#[test]
fn rates_are_shown_under_load() {
    let file = SqliteFile::new();
    let server = ConfigBuilder::capture_node(Module::Ours, file.url()).start();
    let rate = |name| stats(&server, name)[0].parse::<f64>().expect("a rate is a number");
    assert_eq!((rate("captured_per_second"), rate("stored_per_second")), (0.0, 0.0));
    let stopped = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let packets = packets(usize::MAX).take_while(|_| !stopped.load(Ordering::Relaxed));
            HepSender::to(server.address()).send_paced(200, packets)
        });
        within(PATIENCE, "captures and rows a second are shown", || {
            rate("captured_per_second") > 10.0 && rate("stored_per_second") > 10.0
        });
        stopped.store(true, Ordering::Relaxed);
    });
}

#[test]
fn the_headers_that_the_operator_names_are_stored() {
    let file = SqliteFile::new();
    let node = ConfigBuilder::capture_node(Module::Ours, file.url()).set("callid_aleg_header", "X-Other;X-Leg");
    let node = node.set("custom_field1_header", "X-One").set("custom_field2_header", "");
    let server = node.set("custom_field3_header", "X-Three").start();
    let message = answered_call("writer", 1).remove(0).text;
    let message = String::from_utf8(message).expect("a message in ASCII");
    let headers =
        "\r\nX-Leg: leg-a@example.org\r\nX-One: first\r\nIP: 192.0.2.99\r\nX-Three: third\r\nMac: 02:00\r\nCSeq";
    let message = message.replacen("\r\nCSeq", headers, 1);
    HepSender::to(server.address()).send(&observed(message.as_bytes()).v3());
    server.settle(1, PATIENCE);
    let rows = select(file.url(), "SELECT * FROM sip_capture").expect("the table is readable");
    let stored = ["callid_aleg", "custom_field1", "custom_field2", "custom_field3"].map(|name| text(&rows[0], name));
    assert_eq!(stored, ["leg-a@example.org", "first", "", "third"]);
}
