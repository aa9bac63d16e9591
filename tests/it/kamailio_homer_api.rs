//! Debian's Homer 5, as its packages ship it: configuration, SQL and rotation scripts of `homer-api`, unpacked and not
//! installed, before the stock module and ours.

mod server;

use crate::common::hep::Observed;
use crate::common::hep_sender::HepSender;
use crate::common::kamailio::{ConfigBuilder, Module};
use crate::common::rows::{StoredRow, count, execute, select};
use crate::common::sip::answered_call;
use crate::common::wait::within;
use crate::kamailio_homer5::traffic;
use jiff::Timestamp;
use server::{REPORTS, Server, has_no_homer};
use std::collections::BTreeMap;
use std::time::Duration;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);
/// Tables of the days that the rotation has made, and those of reports.
fn tables() -> Vec<String> {
    let days = [0, 1].map(|more| Timestamp::now() + jiff::SignedDuration::from_hours(24 * more));
    let days = days.map(|day| day.strftime("%Y%m%d").to_string());
    let of_days = ["call", "registration", "rest"]
        .into_iter()
        .flat_map(|kind| days.iter().map(move |day| format!("sip_capture_{kind}_{day}")).collect::<Vec<_>>());
    of_days.chain(REPORTS.map(str::to_owned)).collect()
}

/// All rows, by kind of table: whether the clock's midnight came in between is nobody's merit.
fn rows(server: &Server) -> BTreeMap<String, Vec<StoredRow>> {
    let mut all: BTreeMap<String, Vec<StoredRow>> = BTreeMap::new();
    for table in tables() {
        let sql = format!("SELECT * FROM {table} ORDER BY micro_ts, source_port");
        let rows = select(&server.url("homer_data"), &sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        let kind = table.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned();
        // Of the stock module a report's column of text holds the digits of its bytes: what counts is what the API
        // reads there.
        let is_other_form = matches!(server, Server::Postgres(_)) && REPORTS.contains(&table.as_str());
        all.entry(kind).or_default().extend(rows.into_iter().map(|mut row| {
            row.remove("id");
            if is_other_form {
                row.remove("msg");
            }
            row
        }));
    }
    all
}

/// What the API reads in every table, by kind.
fn read_by_api(server: &Server) -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for table in tables() {
        let read = server.read_as_api(&table).unwrap_or_else(|| panic!("the API cannot read {table}"));
        all.entry(table.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned()).or_default().extend(read);
    }
    all
}

fn stores_alike(start: fn() -> Server) {
    if has_no_homer() {
        return;
    }
    let packets: Vec<_> = traffic().iter().map(Observed::v3).collect();
    let left = [Module::Stock, Module::Ours].map(|module| {
        let server = start();
        server.rotate();
        if module == Module::Ours {
            server.let_reports_be_bytes();
        }
        let spool = TempDir::new().expect("a private directory");
        let mut node = match module {
            Module::Stock => ConfigBuilder::whole(&server.config(module, "")).start(),
            Module::Ours => server.node_of_ours(&spool.path().join("spool")),
        };
        HepSender::to(node.address()).send_paced(200, &packets);
        within(PATIENCE, &format!("{module:?}: every packet is stored"), || {
            tables().iter().map(|table| count(&server.url("homer_data"), table)).sum::<u64>() == packets.len() as u64
        });
        if module == Module::Ours {
            node.assert_balance();
        }
        node.assert_serving();
        node.stop();
        (rows(&server), read_by_api(&server))
    });
    let [(stock, stock_read), (ours, ours_read)] = left;
    for (kind, rows) in &stock {
        assert!(!rows.is_empty(), "{kind} has no rows");
        assert_eq!(&ours[kind], rows, "{kind}");
    }
    assert_eq!(ours_read, stock_read);
}

#[test]
fn every_row_of_the_stock_module_on_mariadb_is_stored_alike() {
    stores_alike(Server::mariadb);
}

#[test]
fn every_row_of_the_stock_module_on_postgresql_is_stored_alike() {
    stores_alike(Server::postgres);
}

/// A message now, for the table of calls of this day.
fn call_now(number: u64) -> Vec<u8> {
    let now = Timestamp::now().as_microsecond() as u64;
    let message = answered_call("homer-api", number)[0].text.clone();
    Observed::sip("192.0.2.10:5060".parse().unwrap(), "198.51.100.20:5060".parse().unwrap(), now, &message).v3()
}

fn outlives_a_dropped_table(start: fn() -> Server) {
    if has_no_homer() {
        return;
    }
    let server = start();
    server.rotate();
    let spool = TempDir::new().expect("a private directory");
    let mut node = server.node_of_ours(&spool.path().join("spool"));
    let url = server.url("homer_data");
    let sender = HepSender::to(node.address());
    sender.send_paced(500, (0..300).map(call_now));
    within(PATIENCE, "calls are stored", || calls(&server) == 300);
    let bad = Observed::sip(
        "192.0.2.10:5060".parse().unwrap(),
        "198.51.100.20:5060".parse().unwrap(),
        Timestamp::now().as_microsecond() as u64,
        b"no SIP at all\r\n\r\n",
    );
    sender.send(&bad.v3());
    within(PATIENCE, "what the parser refuses is stored beside the rest", || {
        tables().iter().filter(|table| table.contains("_rest_")).map(|table| count(&url, table)).sum::<u64>() == 1
    });
    drop_calls_of_today(&server);
    sender.send_paced(500, (300..900).map(call_now));
    within(PATIENCE, "what comes without the table waits", || {
        let statistics = node.statistics();
        (statistics["spooled"], statistics["queued"]) == (600, 0)
    });
    node.assert_balance();
    within(PATIENCE, "the log shows the counters", || {
        node.log().contains("captures: 901 captured, 301 stored, 600 spooled, 0 queued, 0 refused, 0 lost")
    });
    // Other tables are fed meanwhile.
    sender.send(&bad.v3());
    within(PATIENCE, "the other table is fed", || node.statistic("stored") == 302);
    server.rotate();
    sender.send_paced(500, (900..1000).map(call_now));
    within(PATIENCE, "all that came since is stored", || calls(&server) == 700);
    let statistics = node.statistics();
    assert_eq!(
        (statistics["spooled"], statistics["dropped"], statistics["dead_lettered"]),
        (0, 0, 0),
        "{statistics:?}"
    );
    node.assert_balance();
    node.assert_serving();
}

#[test]
fn a_day_table_of_mariadb_that_is_dropped_under_traffic_costs_nothing_that_comes_after() {
    outlives_a_dropped_table(Server::mariadb);
}

#[test]
fn a_day_table_of_postgresql_that_is_dropped_under_traffic_costs_nothing_that_comes_after() {
    outlives_a_dropped_table(Server::postgres);
}

/// Calls in the tables of the days.
fn calls(server: &Server) -> u64 {
    let url = server.url("homer_data");
    tables().iter().filter(|table| table.contains("_call_")).map(|table| count(&url, table)).sum()
}

fn drop_calls_of_today(server: &Server) {
    let today = Timestamp::now().strftime("sip_capture_call_%Y%m%d").to_string();
    let cascade = if matches!(server, Server::Postgres(_)) { " CASCADE" } else { "" };
    execute(&server.url("homer_data"), &format!("DROP TABLE {today}{cascade}"));
}

/// The scene of [`outlives_a_dropped_table`] with the stock module, whose one worker stores in the order in which
/// messages come.
fn costs_the_stock_module(start: fn() -> Server) {
    if has_no_homer() {
        return;
    }
    let server = start();
    server.rotate();
    let mut node = ConfigBuilder::whole(&server.config(Module::Stock, "")).start();
    let sender = HepSender::to(node.address());
    sender.send_paced(500, (0..300).map(call_now));
    within(PATIENCE, "calls are stored", || calls(&server) == 300);
    drop_calls_of_today(&server);
    sender.send_paced(500, (300..900).map(call_now));
    let of_another = String::from_utf8_lossy(&answered_call("homer-api", 1000)[0].text).replace("INVITE", "OPTIONS");
    let (from, to) = ("192.0.2.10:5060".parse().unwrap(), "198.51.100.20:5060".parse().unwrap());
    let now = Timestamp::now().as_microsecond() as u64;
    sender.send(&Observed::sip(from, to, now, of_another.as_bytes()).v3());
    within(PATIENCE, "all that came before is tried", || {
        let rest = tables().into_iter().filter(|table| table.contains("_rest_"));
        rest.map(|table| count(&server.url("homer_data"), &table)).sum::<u64>() == 1
    });
    server.rotate();
    sender.send_paced(500, (900..1000).map(call_now));
    within(PATIENCE, "what comes with the table is stored", || calls(&server) >= 100);
    node.stop();
    assert_eq!(calls(&server), 100, "of 700 since the table was dropped");
}

#[test]
fn a_day_table_of_mariadb_that_is_dropped_under_traffic_costs_the_stock_module_all_until_it_is_made_again() {
    costs_the_stock_module(Server::mariadb);
}

#[test]
fn a_day_table_of_postgresql_that_is_dropped_under_traffic_costs_the_stock_module_all_until_it_is_made_again() {
    costs_the_stock_module(Server::postgres);
}

/// What the API reads in the rotation's own table of today after a call whose header holds `note`.
fn read_in_own_tables(start: fn() -> Server, module: Module, note: &[u8]) -> Option<Vec<String>> {
    let server = start();
    server.rotate();
    let spool = TempDir::new().expect("a private directory");
    let node = match module {
        Module::Stock => ConfigBuilder::whole(&server.config(module, "")).start(),
        Module::Ours => server.node_of_ours(&spool.path().join("spool")),
    };
    HepSender::to(node.address()).send(&call_with_note(1, note));
    within(PATIENCE, "the call is stored", || calls(&server) == 1);
    let filled = |table: &String| table.contains("_call_") && count(&server.url("homer_data"), table) == 1;
    server.read_as_api(&tables().into_iter().find(filled).expect("the table of the call"))
}

#[test]
fn homers_api_reads_a_backslash_in_its_own_tables() {
    if has_no_homer() {
        return;
    }
    for start in [Server::mariadb, Server::postgres] {
        let read = read_in_own_tables(start, Module::Ours, b"a \\ and \\q").expect("the API reads it");
        assert!(read[0].contains("X-Note: a \\ and \\q\r\n"), "{read:?}");
    }
}

#[test]
fn homers_api_cannot_read_latin_1_in_its_own_tables_of_postgresql_with_either_module() {
    if has_no_homer() {
        return;
    }
    for module in [Module::Stock, Module::Ours] {
        assert_eq!(read_in_own_tables(Server::postgres, module, b"J\xfcrgen"), None, "{module:?}");
    }
}

#[test]
fn homers_api_reads_latin_1_escaped_in_its_own_tables_of_mariadb() {
    if has_no_homer() {
        return;
    }
    let read = read_in_own_tables(Server::mariadb, Module::Ours, b"J\xfcrgen").expect("the API reads it");
    assert!(read[0].contains("X-Note: J\\xfcrgen\r\n"), "{read:?}");
}

/// A message now for the table of calls, with a header that holds `note`.
fn call_with_note(number: u64, note: &[u8]) -> Vec<u8> {
    let now = Timestamp::now().as_microsecond() as u64;
    let (from, to) = ("192.0.2.10:5060".parse().unwrap(), "198.51.100.20:5060".parse().unwrap());
    let call = String::from_utf8_lossy(&answered_call("homer-api", number)[0].text).into_owned();
    let at = call.find("Max-Forwards").expect("a header");
    let message = [&call.as_bytes()[..at], b"X-Note: ", note, b"\r\n", &call.as_bytes()[at..]].concat();
    Observed::sip(from, to, now, &message).v3()
}

/// Tables that `create_tables` makes, and what Homer's API reads in them.
fn is_not_for_the_api(start: fn() -> Server, message: &[u8]) {
    if has_no_homer() {
        return;
    }
    let server = start();
    let url = server.url("homer_data");
    let spool = TempDir::new().expect("a private directory");
    let node = ConfigBuilder::capture_node(Module::Ours, &url).set("create_tables", 1);
    let node =
        node.set("spool_dir", &spool.path().join("spool").display().to_string()).set("table_name", "made").start();
    let sender = HepSender::to(node.address());
    sender.send(&call_now(1));
    within(PATIENCE, "a plain message is stored", || count(&url, "made") == 1);
    let plain = server.read_as_api("made").expect("the API reads a plain message");
    assert_eq!(plain[0].as_bytes(), answered_call("homer-api", 1)[0].text);
    sender.send(&call_with_note(2, message));
    within(PATIENCE, "the other one is stored", || count(&url, "made") == 2);
    assert_eq!(server.read_as_api("made"), None, "the API reads it");
}

#[test]
fn homers_api_cannot_read_a_backslash_in_a_table_that_create_tables_makes_in_postgresql() {
    is_not_for_the_api(Server::postgres, b"a \\ and \\q");
}

#[test]
fn homers_api_cannot_read_latin_1_in_a_table_that_create_tables_makes_in_mariadb() {
    is_not_for_the_api(Server::mariadb, b"J\xfcrgen");
}
