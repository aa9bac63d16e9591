//! Against the stock module, row for row: the same HEP packets go to the distribution's `sipcapture.so` and to ours,
//! each with a database of its own, and every column of every row is the same but for a written list of differences.

pub mod clock;
mod differences;
mod host_drivers;
mod quotes;
mod refused;
pub mod tables;
pub mod traffic;

use crate::common::database::{MariaDb, Postgres};
use crate::common::hep_sender::HepSender;
use crate::common::kamailio::{ConfigBuilder, Module};
use crate::common::rows::{StoredRow, execute, select};
use crate::common::wait::eventually;
use differences::{Unequal, differences};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};
use tables::Engine;
use traffic::{Sent, TABLES, traffic};

/// `capture_node` of both servers.
const NODE: &str = r#"it's "node" \1"#;

/// Rows by table and source port.
type Stored = BTreeMap<(&'static str, u16), Vec<StoredRow>>;

#[test]
fn sqlite_rows_are_those_of_the_stock_module() {
    let directory = tempfile::tempdir().expect("a private directory");
    let url = |name: &str| format!("sqlite:///{}/{name}.db", directory.path().display());
    compare(Engine::Sqlite, &url("stock"), &url("ours"));
}

#[test]
fn mariadb_rows_are_those_of_the_stock_module() {
    let server = MariaDb::shared();
    let [stock, ours] = ["stock", "ours"].map(|name| server.create_database(&format!("parity_{name}")));
    compare(Engine::Mysql, &stock, &ours);
}

#[test]
fn postgresql_rows_with_a_bytea_message_are_those_of_the_stock_module() {
    let server = Postgres::shared();
    let [stock, ours] = ["stock", "ours"].map(|name| server.create_database(&format!("parity_bytea_{name}")));
    compare(Engine::PostgresBytea, &stock, &ours);
}

#[test]
fn postgresql_rows_with_a_text_message_are_those_of_the_stock_module() {
    let server = Postgres::shared();
    let [stock, ours] = ["stock", "ours"].map(|name| server.create_database(&format!("parity_text_{name}")));
    compare(Engine::PostgresText, &stock, &ours);
}

/// Sends the traffic to both modules and compares what they have stored.
fn compare(engine: Engine, stock_url: &str, our_url: &str) {
    let traffic = traffic();
    let stock = run(engine, Module::Stock, stock_url, &traffic);
    let ours = run(engine, Module::Ours, our_url, &traffic);
    let mut report = miscounted(&traffic, &stock, &ours);
    let unequal: Vec<_> = traffic.iter().flat_map(|sent| inequalities(engine, sent, &stock, &ours)).collect();
    report.extend(judge(engine, &unequal));
    report.extend(quotes::uncovered(&stock));
    assert!(report.is_empty(), "{engine:?}, {} of them:\n{}", report.len(), report.join("\n"));
}

/// What is wrong with the number of rows: every packet is to have one, in its own table. A row that the stock module
/// lacks is an inequality.
fn miscounted(traffic: &[Sent], stock: &Stored, ours: &Stored) -> Vec<String> {
    let mut report = Vec::new();
    for sent in traffic {
        let [stock, ours] = [stock, ours].map(|stored| rows(stored, sent).len());
        if ours != 1 || stock > 1 {
            report.push(format!("{}: the stock module has {stock} rows and ours {ours}", sent.name));
        }
    }
    let sent: BTreeSet<_> = traffic.iter().map(|sent| (sent.table, sent.port)).collect();
    let stray = stock.keys().chain(ours.keys()).filter(|key| !sent.contains(*key));
    report.extend(stray.map(|(table, port)| format!("{table} has a row of port {port} that does not belong there")));
    report
}

fn rows<'a>(stored: &'a Stored, sent: &Sent) -> &'a [StoredRow] {
    stored.get(&(sent.table, sent.port)).map_or(&[], Vec::as_slice)
}

/// What the list of differences does not excuse, and what it lists without need.
fn judge(engine: Engine, unequal: &[Unequal<'_>]) -> Vec<String> {
    let differences = differences();
    let mut report = Vec::new();
    let mut shown: Vec<BTreeSet<&str>> = vec![BTreeSet::new(); differences.len()];
    for unequal in unequal {
        match differences.iter().position(|difference| difference.covers(unequal)) {
            Some(index) => _ = shown[index].insert(&unequal.sent.name),
            None => report.push(describe(unequal)),
        }
    }
    let listed = differences.iter().zip(&shown).filter(|(difference, _)| difference.engines.contains(&engine));
    for (difference, shown) in listed {
        if shown.is_empty() {
            report.push(format!("a listed difference shows nowhere: {}", difference.reason));
        }
        for name in difference.messages.iter().filter(|name| !shown.contains(*name)) {
            report.push(format!("{name} does not show a difference listed for it: {}", difference.reason));
        }
    }
    report
}

#[test]
fn a_listed_difference_that_no_longer_shows_is_reported() {
    for engine in [Engine::Sqlite, Engine::Mysql, Engine::PostgresBytea, Engine::PostgresText] {
        let report = judge(engine, &[]);
        for difference in differences().iter().filter(|difference| difference.engines.contains(&engine)) {
            let lines: Vec<_> = report.iter().filter(|line| line.ends_with(difference.reason)).collect();
            assert_eq!(lines.len(), 1 + difference.messages.len(), "{}", difference.reason);
        }
    }
}

#[test]
fn a_difference_that_is_not_listed_is_reported() {
    let traffic = traffic();
    let our_row = &StoredRow::new();
    let [stock, ours] = [Some(&b"a"[..]), Some(&b"b"[..])];
    for sent in &traffic {
        let unequal = Unequal { engine: Engine::Mysql, sent, column: "callid", stock, ours, our_row };
        let line = describe(&unequal);
        assert!(judge(Engine::Mysql, &[unequal]).contains(&line), "{line}");
    }
}

fn inequalities<'a>(engine: Engine, sent: &'a Sent, stock: &'a Stored, ours: &'a Stored) -> Vec<Unequal<'a>> {
    let Some(our_row) = rows(ours, sent).first() else { return Vec::new() };
    let unequal = |column, stock, ours| Unequal { engine, sent, column, stock, ours, our_row };
    let Some(stock) = rows(stock, sent).first() else {
        return vec![unequal("row", None, our_row["msg"].as_deref())];
    };
    // Version 1 has no time, so that both modules take the clock's.
    let clocked = |column: &str| sent.version == 1 && (column == "date" || column == "micro_ts");
    let columns = stock.keys().filter(|column| *column != "id" && !clocked(column));
    let pairs = columns.map(|column| unequal(column, stock[column].as_deref(), our_row[column].as_deref()));
    pairs.filter(|pair| pair.stock != pair.ours).collect()
}

fn describe(unequal: &Unequal<'_>) -> String {
    let shown = |value: Option<&[u8]>| value.map_or("NULL".to_owned(), |bytes| bytes.escape_ascii().to_string());
    let (name, column) = (&unequal.sent.name, unequal.column);
    format!("{name}: {column}: stock {:?} ours {:?}", shown(unequal.stock), shown(unequal.ours))
}

/// Starts a capture node, sends everything and reads the tables back once the last packet's row is there.
fn run(engine: Engine, module: Module, url: &str, traffic: &[Sent]) -> Stored {
    run_node(engine, module, ConfigBuilder::capture_node(module, url), url, traffic)
}

/// As [`run`], for a node that may differ from the plain one of its module.
fn run_node(engine: Engine, module: Module, node: ConfigBuilder, url: &str, traffic: &[Sent]) -> Stored {
    execute(url, &engine.schema());
    if engine == Engine::Sqlite {
        // Looking on must not keep the stock module from writing: it gives up at once when the file is locked.
        execute(url, "PRAGMA journal_mode = WAL");
    }
    // One worker keeps the order, so that the last row tells that all others are there.
    let node = node.children(1).param("sipcapture", "capture_node", NODE);
    let mut server = node.environment("TZ", clock::ZONE).start();
    let before = SystemTime::now();
    let sender = HepSender::to(server.address());
    sender.send_paced(400, traffic.iter().map(|sent| &sent.packet));
    let last = traffic.last().expect("there is traffic").port;
    let sentinel = format!("SELECT id FROM sip_capture WHERE source_port = {last}");
    let through = eventually(Duration::from_secs(60), || select(url, &sentinel).is_ok_and(|rows| !rows.is_empty()));
    assert!(through, "{module:?}: the last row does not come:\n{}", server.log());
    server.assert_serving();
    server.stop();
    let mut stored = Stored::new();
    for table in TABLES {
        for row in select(url, &format!("SELECT * FROM {table}")).expect("the table is readable") {
            let port = number(&row, "source_port").try_into().expect("a port");
            stored.entry((table, port)).or_default().push(row);
        }
    }
    check_clock(engine, module, traffic, &stored, before);
    stored
}

/// Rows of packets that carry no time have a time within the run, the same in both columns.
fn check_clock(engine: Engine, module: Module, traffic: &[Sent], stored: &Stored, before: SystemTime) {
    let micros = |time: SystemTime| {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).expect("the clock is past 1970");
        i64::try_from(since.as_micros()).expect("the clock is before the year 292000")
    };
    let run = micros(before)..=micros(SystemTime::now());
    for sent in traffic.iter().filter(|sent| sent.version == 1) {
        let row = rows(stored, sent).first().unwrap_or_else(|| panic!("{module:?}: {} is lost", sent.name));
        let (time, date) = (number(row, "micro_ts"), row["date"].as_deref());
        assert!(run.contains(&time), "{module:?}: {} is at {time}", sent.name);
        let right = match engine {
            // The host's driver and ours do not write it alike.
            Engine::Sqlite if module == Module::Stock => clock::is_julian_day(date, time),
            Engine::Sqlite => clock::is_local_time(date, time) || clock::is_julian_day(date, time),
            _ => clock::is_local_time(date, time),
        };
        assert!(right, "{module:?}: {} is at {time} and on {date:?}", sent.name);
    }
}

fn number(row: &StoredRow, column: &str) -> i64 {
    let text = row[column].as_deref().unwrap_or_else(|| panic!("{column} is NULL"));
    String::from_utf8_lossy(text).parse().unwrap_or_else(|error| panic!("{column}: {error}"))
}
