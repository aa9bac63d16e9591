//! Against the stock module, row for row: the same HEP packets go to the distribution's `sipcapture.so` and to ours,
//! each with a database of its own, and every column of every row is the same but for a written list of differences.

mod differences;
mod tables;
mod traffic;

use crate::common::database::{MariaDb, Postgres};
use crate::common::hep_sender::HepSender;
use crate::common::kamailio::{ConfigBuilder, Module};
use crate::common::rows::{StoredRow, execute, select};
use crate::common::wait::eventually;
use differences::{DIFFERENCES, Unequal};
use jiff::civil::DateTime;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};
use tables::Engine;
use traffic::{Sent, TABLES, traffic};

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
    let mut report = Vec::new();
    let mut shown: Vec<BTreeSet<&str>> = vec![BTreeSet::new(); DIFFERENCES.len()];
    for sent in &traffic {
        let key = (sent.table, sent.port);
        let none = Vec::new();
        let (stock, ours) = (stock.get(&key).unwrap_or(&none), ours.get(&key).unwrap_or(&none));
        for unequal in inequalities(engine, sent, stock, ours) {
            match DIFFERENCES.iter().position(|difference| difference.covers(&unequal)) {
                Some(index) => drop(shown[index].insert(&sent.name)),
                None => report.push(describe(&unequal)),
            }
        }
    }
    let listed = DIFFERENCES.iter().zip(&shown).filter(|(difference, _)| difference.engines.contains(&engine));
    for (difference, shown) in listed {
        if shown.is_empty() {
            report.push(format!("a listed difference shows nowhere: {}", difference.reason));
        }
        for name in difference.messages.iter().filter(|name| !shown.contains(*name)) {
            report.push(format!("{name} does not show a difference listed for it: {}", difference.reason));
        }
    }
    assert!(report.is_empty(), "{engine:?}, {} of them:\n{}", report.len(), report.join("\n"));
}

fn inequalities<'a>(engine: Engine, sent: &'a Sent, stock: &'a [StoredRow], ours: &'a [StoredRow]) -> Vec<Unequal<'a>> {
    let unequal = |column, stock, ours| Unequal { engine, sent, column, stock, ours };
    let ([stock], [ours]) = (stock, ours) else {
        assert!(stock.len() < 2 && ours.len() < 2, "{} is stored twice", sent.name);
        let [stock, ours] = [stock, ours].map(|rows| rows.first().map(|row| row["msg"].as_deref().unwrap_or_default()));
        return if stock == ours { Vec::new() } else { vec![unequal("row", stock, ours)] };
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

/// Starts a capture node, sends everything and reads the tables back once the last packet's row is there.
fn run(engine: Engine, module: Module, url: &str, traffic: &[Sent]) -> Stored {
    execute(url, &engine.schema());
    if engine == Engine::Sqlite {
        // Looking on must not keep the stock module from writing: it gives up at once when the file is locked.
        execute(url, "PRAGMA journal_mode = WAL");
    }
    // One worker keeps the order, so that the last row tells that all others are there.
    let mut server = ConfigBuilder::capture_node(module, url).children(1).start();
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
    check_clock(module, traffic, &stored, before);
    stored
}

/// Rows of packets that carry no time have a time within the run.
fn check_clock(module: Module, traffic: &[Sent], stored: &Stored, before: SystemTime) {
    let micros = |time: SystemTime| {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).expect("the clock is past 1970");
        i64::try_from(since.as_micros()).expect("the clock is before the year 292000")
    };
    for sent in traffic.iter().filter(|sent| sent.version == 1) {
        let rows = stored.get(&(sent.table, sent.port));
        let time = rows.map(|rows| number(&rows[0], "micro_ts")).unwrap_or_else(|| panic!("{} is lost", sent.name));
        assert!((micros(before)..=micros(SystemTime::now())).contains(&time), "{module:?}: {} is at {time}", sent.name);
    }
}

fn number(row: &StoredRow, column: &str) -> i64 {
    let text = row[column].as_deref().unwrap_or_else(|| panic!("{column} is NULL"));
    String::from_utf8_lossy(text).parse().unwrap_or_else(|error| panic!("{column}: {error}"))
}

/// The moment that a `YYYY-MM-DD HH:MM:SS` value names, still in local time.
fn local_time(value: Option<&[u8]>) -> Option<DateTime> {
    let text = std::str::from_utf8(value?).ok()?;
    DateTime::strptime("%Y-%m-%d %H:%M:%S", text).ok()
}

/// The julian day number, in UTC, of a moment given in local time.
fn julian_day(local: DateTime) -> f64 {
    let zoned = local.to_zoned(jiff::tz::TimeZone::system()).expect("a local time that exists");
    // 2440587.5 is the julian day number of the Unix epoch.
    zoned.timestamp().as_duration().as_secs_f64() / 86_400.0 + 2_440_587.5
}
