//! What an operator sets and asks: parameters and their errors, commands, statistics, table names.

use crate::common::database::MariaDb;
use crate::common::hep::Observed;
use crate::common::hep_sender::HepSender;
use crate::common::http;
use crate::common::kamailio::{ConfigBuilder, Kamailio, Module, Param};
use crate::common::rows::{SqliteFile, count, execute, select, text};
use crate::common::sip::{answered_call, call_id};
use crate::common::wait::within;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(15);

/// 2025-06-15 12:00:00 UTC.
const NOON_US: u64 = 1_749_988_800_000_000;
/// 2025-06-16 00:00:00 UTC.
const MIDNIGHT_US: u64 = NOON_US + 12 * 3_600 * 1_000_000;

/// Message `step` of call `number`, seen at `time_us`.
fn observed(number: u64, step: usize, time_us: u64) -> Observed {
    let source = "192.0.2.10:5060".parse().expect("an address");
    let destination = "198.51.100.20:5060".parse().expect("an address");
    Observed::sip(source, destination, time_us, &answered_call("config", number)[step].text)
}

fn wait_for_rows(url: &str, table: &str, wanted: u64) {
    let mut seen = 0;
    within(PATIENCE, &format!("{wanted} rows are in {table}"), || {
        seen = count(url, table);
        seen >= wanted
    });
    assert_eq!(seen, wanted, "more rows in {table} than captures");
}

/// Waits until the server has done with all it has accepted.
fn settle(server: &Kamailio, captured: u64) {
    within(PATIENCE, &format!("{captured} captures are made and none is queued"), || {
        server.statistic("captured") == captured && server.statistic("queued") == 0
    });
}

#[test]
fn a_bad_value_stops_the_start_and_the_error_says_what_is_allowed() {
    let long = "n".repeat(100);
    let bad: [(&str, Param, &str, &str); 30] = [
        ("db_url", "oracle://example.org/calls".into(), "oracle", "sqlite:////path/to/file"),
        ("db_url", "mysql://user:secret@example.org".into(), "mysql", "mysql://user:password@host:port/database"),
        ("db_url", "sqlite:////proc/no/such.db".into(), "/proc/no/such.db", "directory that the server may write to"),
        ("table_name", "calls; DROP TABLE calls".into(), "DROP TABLE", "letters, digits"),
        ("table_name", "calls_%!".into(), "calls_%!", "strftime"),
        ("table_name", "".into(), "table_name", "letters, digits"),
        ("capture_node", (&long).into(), "nnnn", "99 bytes"),
        ("method_column", "me thod".into(), "me thod", "letters, digits"),
        ("msg_column", "".into(), "msg_column", "letters, digits"),
        ("queue_size", 0.into(), "\"0\"", "1 to 1024 MiB"),
        ("queue_size", 1025.into(), "\"1025\"", "1 to 1024 MiB"),
        ("capture_writers", 0.into(), "\"0\"", "1 to 16"),
        ("capture_writers", 17.into(), "\"17\"", "1 to 16"),
        ("batch_size", 0.into(), "\"0\"", "1 to 10000 rows"),
        ("flush_interval", 0.into(), "\"0\"", "1 to 60000 milliseconds"),
        ("create_tables", 7.into(), "\"7\"", "0 (off) and 1 (on)"),
        ("shutdown_timeout", 301.into(), "\"301\"", "0 to 300 seconds"),
        ("shutdown_timeout", (-1).into(), "\"-1\"", "0 to 300 seconds"),
        ("mt_mode", "random".into(), "random", "rand, round_robin and hash"),
        ("hash_source", "ruri_user".into(), "ruri_user", "call_id, from_user and to_user"),
        ("insert_retries", 501.into(), "\"501\"", "0 to 500 retries"),
        ("insert_retry_timeout", 301.into(), "\"301\"", "0 to 300 seconds"),
        ("spool_size", 0.into(), "\"0\"", "1 to 1048576 MiB"),
        ("spool_sync", "never".into(), "never", "batch, interval and off"),
        ("capture_mode", "m=>table_name=t;mt_mode=rand".into(), "m=>", "lacks db_url"),
        ("capture_mode", "m=>db_url=mysql://u:secret@h/d;table_name=t".into(), "m=>", "lacks mt_mode"),
        ("capture_mode", "m=>db_url=mysql://u:secret@h/d;mt_mode=hash".into(), "m=>", "lacks table_name"),
        (
            "capture_mode",
            "m=>db_url=mysql://u:secret@h/d;table_name=t;mt_mode=any".into(),
            "any",
            "rand, round_robin and hash",
        ),
        (
            "capture_mode",
            "m=>db_url=sqlite:////proc/no/such.db;table_name=t;mt_mode=rand".into(),
            "/proc/no/such.db",
            "directory that",
        ),
        (
            "capture_mode",
            "default=>db_url=sqlite:////tmp/x.db;table_name=t;mt_mode=rand".into(),
            "default",
            "made of db_url",
        ),
    ];
    for (name, value, shown, allowed) in bad {
        let file = SqliteFile::new();
        let log = ConfigBuilder::capture_node(Module::Ours, file.url()).set(name, value.clone()).refused();
        let line = log.lines().find(|line| line.contains("ERROR") && line.contains(name) && line.contains(allowed));
        let line = line.unwrap_or_else(|| panic!("{name} = {value:?}: no error says {allowed:?}:\n{log}"));
        assert!(line.contains(shown), "{name} = {value:?}: the value is not shown: {line}");
        assert!(!log.contains("secret"), "{name} = {value:?}: a password is logged:\n{log}");
    }
}

#[test]
fn a_parameter_of_the_wrong_type_or_an_unknown_one_stops_the_start() {
    for (name, value) in [("queue_size", Param::from("4")), ("table_name", 7.into()), ("no_such_parameter", 1.into())] {
        let file = SqliteFile::new();
        let log = ConfigBuilder::capture_node(Module::Ours, file.url()).set(name, value.clone()).refused();
        assert!(log.contains(name), "{name} = {value:?}:\n{log}");
    }
}

#[test]
fn the_status_command_answers_as_the_stock_one() {
    let file = SqliteFile::new();
    let stock_file = SqliteFile::new();
    let ours = ConfigBuilder::capture_node(Module::Ours, file.url()).start();
    let stock = ConfigBuilder::capture_node(Module::Stock, stock_file.url()).start();
    let words: [&[&str]; 12] = [
        &["check"],
        &["off"],
        &["check"],
        &["OFF"],
        &["on"],
        &["check"],
        &["Online"],
        &["chec"],
        &["nothing"],
        &[],
        &["checking"],
        &["offside"],
    ];
    for arguments in words {
        let command = [&["sipcapture.status"], arguments].concat();
        assert_eq!(ours.rpc(&command), stock.rpc(&command), "{command:?}");
    }
    assert_eq!(ours.rpc(&["sipcapture.status", "check"]).as_deref(), Ok("Disabled"));
}

#[test]
fn captures_are_refused_while_the_switch_is_off() {
    let file = SqliteFile::new();
    let route = r#"if (sip_capture()) xlog("L_ERR", "kept $ci\n"); else xlog("L_ERR", "refused $ci\n"); exit;"#;
    let node = ConfigBuilder::capture_node(Module::Ours, file.url()).children(1).route("request_route", route);
    let server = node.start();
    let sender = HepSender::to(server.address());
    let logged = |word: &str, number: u64| {
        let line = format!("{word} {}", call_id("config", number));
        within(PATIENCE, &line, || server.log().contains(&line));
    };
    assert_eq!(server.rpc(&["sip_capture"]).as_deref(), Ok("on"));
    sender.send(&observed(1, 0, NOON_US).v3());
    logged("kept", 1);
    assert_eq!(server.rpc(&["sip_capture", "off"]).as_deref(), Ok("off"));
    assert_eq!(server.rpc(&["sipcapture.status", "check"]).as_deref(), Ok("Disabled"));
    sender.send(&observed(2, 0, NOON_US).v3());
    logged("refused", 2);
    assert_eq!(server.rpc(&["sip_capture", "on"]).as_deref(), Ok("on"));
    sender.send(&observed(3, 0, NOON_US).v3());
    logged("kept", 3);
    settle(&server, 2);
    let rows = select(file.url(), "SELECT callid FROM sip_capture ORDER BY id").expect("the table is readable");
    let ids: Vec<_> = rows.iter().map(|row| text(row, "callid")).collect();
    assert_eq!(ids, [call_id("config", 1), call_id("config", 3)]);
}

#[test]
fn with_capture_off_at_start_nothing_is_stored_until_it_is_switched_on() {
    let file = SqliteFile::new();
    let server = ConfigBuilder::capture_node(Module::Ours, file.url()).set("capture_on", 0).start();
    let sender = HepSender::to(server.address());
    sender.send(&observed(1, 0, NOON_US).v3());
    within(PATIENCE, "the packet is received", || server.statistic("hep_packets") == 1);
    assert_eq!(server.rpc(&["sipcapture.status", "on"]).as_deref(), Ok("Enabled"));
    sender.send(&observed(2, 0, NOON_US).v3());
    settle(&server, 1);
    let rows = select(file.url(), "SELECT callid FROM sip_capture").expect("the table is readable");
    assert_eq!(rows.len(), 1);
    assert_eq!(text(&rows[0], "callid"), call_id("config", 2));
}

#[test]
fn the_prometheus_exporter_shows_every_counter() {
    let file = SqliteFile::new();
    let server = ConfigBuilder::capture_node(Module::Ours, file.url())
        .tcp()
        .load("xhttp.so")
        .load("xhttp_prom.so")
        .param("xhttp_prom", "xhttp_prom_stats", "sipcapture:")
        .route("event_route[xhttp:request]", "prom_dispatch();")
        .start();
    HepSender::to(server.address()).send(&observed(1, 0, NOON_US).v3());
    settle(&server, 1);
    let page = http::get(server.address(), "/metrics");
    for name in server.statistics().keys() {
        assert!(page.contains(&format!("kamailio_sipcapture_{name} ")), "{name} is not in\n{page}");
    }
    assert!(page.contains("kamailio_sipcapture_stored 1 "), "{page}");
}

#[test]
fn statistics_and_the_stats_command_count_the_same() {
    let file = SqliteFile::new();
    let server = ConfigBuilder::capture_node(Module::Ours, file.url()).start();
    let sender = HepSender::to(server.address());
    for number in 0..10 {
        for step in 0..7 {
            sender.send(&observed(number, step, NOON_US).v3());
        }
    }
    sender.send(&Observed { payload_type: 100, correlation: Some(b"x".to_vec()), ..observed(1, 0, NOON_US) }.v3());
    sender.send(b"HEP3\x00\x07!");
    sender.send(&[&observed(10, 0, NOON_US).v3()[..], b"behind"].concat());
    settle(&server, 72);
    let wanted = [
        ("captured_requests", 31),
        ("captured_replies", 40),
        ("captured", 72),
        ("stored", 72),
        ("queued", 0),
        ("dropped", 0),
        ("hep_packets", 73),
        ("hep_bad", 1),
        ("hep_trailing", 1),
        ("hep_other_type", 0),
        ("malformed", 0),
        ("writer_restarts", 0),
    ];
    let statistics = server.statistics();
    for (name, value) in wanted {
        assert_eq!(statistics.get(name), Some(&value), "{name} in {statistics:?}");
    }
    let stats = server.rpc(&["sipcapture.stats"]).expect("sipcapture.stats is answered");
    let fields =
        ["capture: on", "captured: 72", "stored: 72", "queued: 0", "dropped: 0", "packets: 73", "bad: 1", "state: up"];
    for field in fields {
        assert!(stats.lines().any(|line| line.trim() == field), "{field:?} in\n{stats}");
    }
}

#[test]
fn table_names_change_at_midnight_utc_of_the_capture() {
    for (zone, local_dates) in [("America/New_York", "2025-06-15 19:59:59"), ("Asia/Tokyo", "2025-06-16 08:59:59")] {
        let file = SqliteFile::new();
        let route = r#"sip_capture("calls_%Y%m%d"); exit;"#;
        let node = ConfigBuilder::capture_node(Module::Ours, file.url()).environment("TZ", zone);
        let node = node.set("table_name", "replies_%Y%m%d_%H").route("request_route", route).children(1);
        let server = node.start();
        let sender = HepSender::to(server.address());
        for (number, time_us) in [(1, MIDNIGHT_US - 1), (2, MIDNIGHT_US), (3, MIDNIGHT_US + 1)] {
            sender.send(&observed(number, 0, time_us).v3());
            sender.send(&observed(number, 2, time_us).v3());
        }
        settle(&server, 6);
        for (table, rows) in
            [("calls_20250615", 1), ("calls_20250616", 2), ("replies_20250615_23", 1), ("replies_20250616_00", 2)]
        {
            assert_eq!(count(file.url(), table), rows, "{table} with TZ={zone}");
        }
        let rows = select(file.url(), "SELECT date FROM calls_20250615").expect("the table is readable");
        assert_eq!(text(&rows[0], "date"), local_dates, "the date column is local time, TZ={zone}");
    }
}

#[test]
fn a_table_name_of_the_script_that_is_no_name_is_refused_and_nothing_else_happens() {
    let file = SqliteFile::new();
    let route = r#"sip_capture("$rU"); sip_capture(""); exit;"#;
    let mut server = ConfigBuilder::capture_node(Module::Ours, file.url()).route("request_route", route).start();
    let sender = HepSender::to(server.address());
    let attack = observed(1, 0, NOON_US);
    let message = String::from_utf8_lossy(&attack.payload).replace("sip:callee0000000001@", "sip:x%22;drop;--@");
    sender.send(&Observed { payload: message.into_bytes(), ..attack }.v3());
    settle(&server, 1);
    wait_for_rows(file.url(), "sip_capture", 1);
    let tables = select(file.url(), "SELECT name FROM sqlite_master WHERE type = 'table'").expect("readable");
    let tables: Vec<_> =
        tables.iter().map(|row| text(row, "name")).filter(|name| !name.starts_with("sqlite")).collect();
    assert_eq!(tables, ["sip_capture"]);
    server.assert_serving();
}

#[test]
fn a_table_that_is_dropped_is_made_again() {
    let file = SqliteFile::new();
    let server = ConfigBuilder::capture_node(Module::Ours, file.url()).start();
    let sender = HepSender::to(server.address());
    sender.send(&observed(1, 0, NOON_US).v3());
    wait_for_rows(file.url(), "sip_capture", 1);
    execute(file.url(), "DROP TABLE sip_capture");
    sender.send(&observed(2, 0, NOON_US).v3());
    wait_for_rows(file.url(), "sip_capture", 1);
    settle(&server, 2);
}

#[test]
fn captures_wait_for_a_table_that_is_dropped_and_made_again_by_hand() {
    let file = SqliteFile::new();
    let schema = "CREATE TABLE sip_capture (id INTEGER PRIMARY KEY, callid VARCHAR(120), msg TEXT)";
    execute(file.url(), schema);
    let server = ConfigBuilder::capture_node(Module::Ours, file.url()).set("create_tables", 0).start();
    let sender = HepSender::to(server.address());
    sender.send(&observed(1, 0, NOON_US).v3());
    wait_for_rows(file.url(), "sip_capture", 1);
    execute(file.url(), "DROP TABLE sip_capture");
    sender.send(&observed(2, 0, NOON_US).v3());
    within(PATIENCE, "the log says that the table is missing", || server.log().contains("captures wait"));
    // The new table has its columns in another order, and one more.
    execute(
        file.url(),
        "CREATE TABLE sip_capture (method TEXT, msg TEXT, callid VARCHAR(120), id INTEGER PRIMARY KEY)",
    );
    wait_for_rows(file.url(), "sip_capture", 1);
    let rows = select(file.url(), "SELECT * FROM sip_capture").expect("the table is readable");
    assert_eq!((text(&rows[0], "callid"), text(&rows[0], "method")), (call_id("config", 2), "INVITE".to_owned()));
    settle(&server, 2);
    assert_eq!(server.statistic("dropped"), 0);
}

#[test]
fn a_value_too_long_for_its_column_is_cut_and_counted() {
    let database = MariaDb::shared();
    let url = database.create_database("narrow");
    execute(
        &url,
        "CREATE TABLE sip_capture (id INTEGER PRIMARY KEY AUTO_INCREMENT, callid VARCHAR(10), method VARCHAR(50))",
    );
    let server = ConfigBuilder::capture_node(Module::Ours, &url).start();
    HepSender::to(server.address()).send(&observed(1, 0, NOON_US).v3());
    wait_for_rows(&url, "sip_capture", 1);
    settle(&server, 1);
    let rows = select(&url, "SELECT * FROM sip_capture").expect("the table is readable");
    assert_eq!(text(&rows[0], "callid"), call_id("config", 1)[..10]);
    assert_eq!(server.statistic("truncated"), 1);
}

#[test]
fn column_names_are_the_operators() {
    let file = SqliteFile::new();
    let node = ConfigBuilder::capture_node(Module::Ours, file.url()).set("callid_column", "call_identifier");
    let server = node.set("method_column", "verb").set("capture_node", "node-7").start();
    HepSender::to(server.address()).send(&observed(1, 0, NOON_US).v3());
    wait_for_rows(file.url(), "sip_capture", 1);
    let rows = select(file.url(), "SELECT * FROM sip_capture").expect("the table is readable");
    assert_eq!(text(&rows[0], "call_identifier"), call_id("config", 1));
    assert_eq!((text(&rows[0], "verb"), text(&rows[0], "node")), ("INVITE".to_owned(), "node-7:2001".to_owned()));
    assert!(!rows[0].contains_key("callid") && !rows[0].contains_key("method"));
}
