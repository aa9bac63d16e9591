//! Our module through the host's drivers (`db_driver = host`): every row is the one that our own driver stores, and the
//! date, where the drivers differ, is the stock module's.

use super::tables::Engine;
use super::traffic::traffic;
use super::{Stored, run, run_node};
use crate::common::database::{MariaDb, Postgres};
use crate::common::kamailio::{ConfigBuilder, Module};
use sipcapture_core::sink::escape::unescape;

/// Stores the traffic three times and returns what the stock module, our own driver, and the host's driver under our
/// module stored.
fn store(engine: Engine, driver: &str, urls: [&str; 3]) -> [Stored; 3] {
    let traffic = traffic();
    let [stock_url, own_url, hosted_url] = urls;
    let stock = run(engine, Module::Stock, stock_url, &traffic);
    let own = run(engine, Module::Ours, own_url, &traffic);
    let node = ConfigBuilder::capture_node(Module::Ours, hosted_url).load_first(driver).set("db_driver", "host");
    [stock, own, run_node(engine, Module::Ours, node, hosted_url, &traffic)]
}

/// Every column of every row, but those that the clock fills: version 1 carries no time. `same` excuses values that
/// differ.
///
/// A row that the host's driver refuses is one with a text that the database refuses, and the stock module has lost it
/// too.
fn compare(stored: &[Stored; 3], same: fn(column: &str, own: &[u8], hosted: &[u8]) -> bool) {
    let [stock, own, hosted] = stored;
    let mut report = Vec::new();
    let mut compared = 0;
    for sent in traffic() {
        let key = &(sent.table, sent.port);
        let clocked = |column: &str| sent.version == 1 && (column == "date" || column == "micro_ts");
        let own = &own[key][0];
        let Some(hosted) = hosted.get(key).map(|rows| &rows[0]) else {
            let refused = own.values().flatten().any(|value| is_escaped_binary(value));
            if !refused || stock.contains_key(key) {
                report.push(format!("{}: the host's driver has not stored it", sent.name));
            }
            continue;
        };
        for (column, own) in own.iter().filter(|(column, _)| *column != "id" && !clocked(column)) {
            let stock = stock.get(key).map(|rows| &rows[0][column]);
            let right = match (own, &hosted[column]) {
                (Some(own), Some(hosted)) if own == hosted || same(column, own, hosted) => true,
                (_, hosted) => column == "date" && stock.is_none_or(|stock| stock == hosted),
            };
            if !right {
                report.push(format!("{}: {column}: own {own:?}, hosted {:?}", sent.name, hosted[column]));
            }
            compared += 1;
        }
    }
    assert!(report.is_empty(), "{} of {compared}:\n{}", report.len(), report.join("\n"));
    assert!(compared > 10_000, "{compared} values");
    assert!(hosted.values().all(|rows| rows.len() == 1), "a row is stored twice");
}

/// Whether our own driver has escaped bytes that are no UTF-8, or zeros: PostgreSQL takes neither.
fn is_escaped_binary(value: &[u8]) -> bool {
    std::str::from_utf8(value).is_ok_and(|text| {
        let bytes = unescape(text);
        std::str::from_utf8(&bytes).is_err() || bytes.contains(&0)
    })
}

#[test]
fn sqlite_rows_through_the_hosts_driver_are_those_of_our_own() {
    let directory = tempfile::tempdir().expect("a private directory");
    let urls = ["stock", "own", "hosted"].map(|name| format!("sqlite:///{}/{name}.db", directory.path().display()));
    compare(&store(Engine::Sqlite, "db_sqlite.so", urls.each_ref().map(String::as_str)), |_, _, _| false);
}

#[test]
fn mariadb_rows_through_the_hosts_driver_are_those_of_our_own() {
    let server = MariaDb::shared();
    let urls = ["stock", "own", "hosted"].map(|name| server.create_database(&format!("hosted_{name}")));
    compare(&store(Engine::Mysql, "db_mysql.so", urls.each_ref().map(String::as_str)), |_, _, _| false);
}

#[test]
fn postgresql_rows_through_the_hosts_driver_are_those_of_our_own_but_for_its_escapes() {
    let server = Postgres::shared();
    let urls = ["stock", "own", "hosted"].map(|name| server.create_database(&format!("hosted_{name}")));
    let stored = store(Engine::PostgresBytea, "db_postgres.so", urls.each_ref().map(String::as_str));
    compare(&stored, |column, own, hosted| {
        column != "msg" && std::str::from_utf8(own).is_ok_and(|own| unescape(own).as_ref() == hosted)
    });
}
