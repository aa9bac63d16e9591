//! Against the stock module of OpenSIPS, row for row: the same HEP packets go to the server with its own
//! `sipcapture.so` and with ours, each with a database of its own, and every column of every row is the same but for a
//! written list of differences.

mod differences;

use crate::common::hep_sender::HepSender;
use crate::common::kamailio::Module;
use crate::common::opensips::{ConfigBuilder, is_missing};
use crate::common::rows::{SqliteFile, StoredRow, execute, select, text};
use crate::common::sip::answered_call;
use crate::common::wait::eventually;
use crate::kamailio_parity::clock::ZONE;
use crate::kamailio_parity::tables::Engine;
use crate::kamailio_parity::traffic::{Sent, traffic};
use differences::{DIFFERENCES, Route, Unequal};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// `capture_node` of both servers.
const NODE: &str = "node-7";

/// Rows by source port.
type Stored = BTreeMap<u16, Vec<StoredRow>>;

#[test]
fn rows_of_packets_whose_sip_is_routed_are_those_of_the_stock_module() {
    compare(Route::Sip);
}

#[test]
fn rows_of_packets_that_go_no_further_are_those_of_the_stock_module() {
    compare(Route::None);
}

#[test]
fn rows_of_packets_that_a_route_looks_at_are_those_of_the_stock_module() {
    compare(Route::Named);
}

/// Sends the traffic to both modules and compares what they have stored.
fn compare(route: Route) {
    if is_missing() {
        return;
    }
    let traffic: Vec<Sent> =
        traffic().into_iter().filter(|sent| sent.table == "sip_capture" && is_meant(route, sent)).collect();
    let stock = run(Module::Stock, route, &traffic);
    let ours = run(Module::Ours, route, &traffic);
    let unequal: Vec<_> = traffic.iter().flat_map(|sent| inequalities(route, sent, &stock, &ours)).collect();
    let report = judge(route, &unequal);
    assert!(report.is_empty(), "{route:?}, {} of them:\n{}", report.len(), report.join("\n"));
}

fn is_meant(route: Route, sent: &Sent) -> bool {
    // A message without Via ends the stock module's server where it captures without routing.
    route != Route::None || !sent.name.contains("refused")
}

/// Why they are left out of [`rows_of_packets_that_go_no_further_are_those_of_the_stock_module`].
#[test]
fn a_message_without_via_that_goes_no_further_ends_the_stock_modules_server() {
    if is_missing() {
        return;
    }
    let traffic = traffic();
    let packet = |name: &str| &traffic.iter().find(|sent| sent.name == name).expect("it is sent").packet;
    let file = SqliteFile::new();
    execute(file.url(), &Engine::Sqlite.schema());
    let node = ConfigBuilder::capture_node(Module::Stock, file.url()).param("hep_route", "none");
    let mut server = node.start();
    HepSender::to(server.hep_address()).send(packet("awkward refused-missing-via"));
    let ended = eventually(Duration::from_secs(20), || server.ended().is_some());
    assert!(ended, "it goes on:\n{}", server.log());
}

#[test]
fn a_listed_difference_that_no_longer_shows_is_reported() {
    for route in [Route::None, Route::Sip, Route::Named] {
        let report = judge(route, &[]);
        for difference in DIFFERENCES.iter().filter(|difference| difference.routes.contains(&route)) {
            let lines = report.iter().filter(|line| line.ends_with(difference.reason)).count();
            assert_eq!(lines, 1 + difference.messages.len(), "{}", difference.reason);
        }
    }
}

#[test]
fn a_difference_that_is_not_listed_is_reported() {
    let traffic = traffic();
    let [stock, ours] = [Some(&b"a"[..]), Some(&b"b"[..])];
    for (route, sent) in [Route::None, Route::Sip, Route::Named].into_iter().zip(&traffic) {
        let unequal = Unequal { route, sent, column: "callid", stock, ours };
        let line = describe(&unequal);
        assert!(judge(route, &[unequal]).contains(&line), "{line}");
    }
}

/// Without HEP, the addresses are those of the server's own sockets, and the times the clock's.
#[test]
fn rows_of_sip_from_the_servers_own_socket_are_those_of_the_stock_module() {
    if is_missing() {
        return;
    }
    let [stock, ours] = [Module::Stock, Module::Ours].map(|module| {
        let file = SqliteFile::new();
        execute(file.url(), &Engine::Sqlite.schema());
        execute(file.url(), "PRAGMA journal_mode = WAL");
        let node = ConfigBuilder::capture_node(module, file.url()).workers(1).param("hep_capture_on", 0);
        let call = "sip_capture(, \"one\", \"two\", \"three\"); ";
        let node = node.route("route", &format!("{call}exit;")).route("onreply_route", &format!("{call}drop;"));
        let server = node.start();
        let sender = HepSender::to(server.sip_address());
        let messages = answered_call("plain", 1);
        messages.iter().for_each(|message| sender.send(&message.text));
        let sql = "SELECT * FROM sip_capture ORDER BY id";
        let stored = || select(file.url(), sql).is_ok_and(|rows| rows.len() == messages.len());
        assert!(eventually(Duration::from_secs(20), stored), "{module:?}: not all is stored:\n{}", server.log());
        let mut rows = select(file.url(), sql).expect("the table is readable");
        for row in &mut rows {
            // Both servers have a port of their own, and so have their senders.
            for column in ["id", "date", "micro_ts", "source_port", "destination_port", "diversion"] {
                row.remove(column);
            }
        }
        rows
    });
    assert_eq!(ours, stock);
    assert!(ours.iter().all(|row| text(row, "custom_field3") == "three" && text(row, "proto") == "1"));
}

/// Starts a capture node, sends everything and reads the table back once the last packet's row is there.
fn run(module: Module, route: Route, traffic: &[Sent]) -> Stored {
    let file = SqliteFile::new();
    execute(file.url(), &Engine::Sqlite.schema());
    // Looking on must not keep the stock module from writing: it gives up at once when the file is locked.
    execute(file.url(), "PRAGMA journal_mode = WAL");
    // One worker: the host's driver for SQLite loses rows of two, and the last row tells that all others are there.
    let node = ConfigBuilder::capture_node(module, file.url()).workers(1).param("capture_node", NODE);
    let mut server = node
        .param("hep_route", route.parameter())
        .route("route[look]", "sip_capture();")
        .environment("TZ", ZONE)
        .start();
    let sender = HepSender::to(server.hep_address());
    sender.send_paced(400, traffic.iter().map(|sent| &sent.packet));
    let last = traffic.last().expect("there is traffic").port;
    let sentinel = format!("SELECT id FROM sip_capture WHERE source_port = {last}");
    let is_decided = eventually(Duration::from_secs(30), || {
        server.ended().is_some() || select(file.url(), &sentinel).is_ok_and(|rows| !rows.is_empty())
    });
    assert!(is_decided && server.ended().is_none(), "{module:?}: the last row does not come:\n{}", server.log());
    server.assert_serving();
    server.stop();
    let mut stored = Stored::new();
    for row in select(file.url(), "SELECT * FROM sip_capture").expect("the table is readable") {
        stored.entry(text(&row, "source_port").parse().expect("a port")).or_default().push(row);
    }
    stored
}

/// What the list of differences does not excuse, and what it lists without need.
fn judge(route: Route, unequal: &[Unequal<'_>]) -> Vec<String> {
    let mut report = Vec::new();
    let mut shown: Vec<BTreeSet<&str>> = vec![BTreeSet::new(); DIFFERENCES.len()];
    for unequal in unequal {
        match DIFFERENCES.iter().position(|difference| difference.covers(unequal)) {
            Some(index) => _ = shown[index].insert(&unequal.sent.name),
            None => report.push(describe(unequal)),
        }
    }
    for (difference, shown) in DIFFERENCES.iter().zip(&shown).filter(|(known, _)| known.routes.contains(&route)) {
        if shown.is_empty() {
            report.push(format!("a listed difference shows nowhere: {}", difference.reason));
        }
        for name in difference.messages.iter().filter(|name| !shown.contains(*name)) {
            report.push(format!("{name} does not show a difference listed for it: {}", difference.reason));
        }
    }
    report
}

fn inequalities<'a>(route: Route, sent: &'a Sent, stock: &'a Stored, ours: &'a Stored) -> Vec<Unequal<'a>> {
    let [stock, ours] = [stock, ours].map(|stored| stored.get(&sent.port).map_or(&[][..], Vec::as_slice));
    let unequal = |column, stock, ours| Unequal { route, sent, column, stock, ours };
    let ([stock], [ours]) = (stock, ours) else {
        // A packet with no row, or with two.
        let message = |rows: &'a [StoredRow]| rows.first().and_then(|row| row["msg"].as_deref());
        return vec![unequal("row", message(stock), message(ours))];
    };
    // Version 1 has no time, so that both modules take the clock's.
    let clocked = |column: &str| sent.version == 1 && (column == "date" || column == "micro_ts");
    let columns = stock.keys().filter(|column| *column != "id" && !clocked(column));
    let pairs = columns.map(|column| unequal(column, stock[column].as_deref(), ours[column].as_deref()));
    pairs.filter(|pair| pair.stock != pair.ours).collect()
}

fn describe(unequal: &Unequal<'_>) -> String {
    let shown = |value: Option<&[u8]>| value.map_or("NULL".to_owned(), |bytes| bytes.escape_ascii().to_string());
    let (name, column) = (&unequal.sent.name, unequal.column);
    format!("{name}: {column}: stock {:?} ours {:?}", shown(unequal.stock), shown(unequal.ours))
}
