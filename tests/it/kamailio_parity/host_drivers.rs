//! Our module through the host's drivers (`db_driver = host`): every row is the one that our own driver stores, and the date, where the
//! drivers differ, is the stock module's.

use super::tables::Engine;
use super::traffic::traffic;
use super::{Stored, run, run_node};
use crate::common::database::{MariaDb, Postgres};
use crate::common::kamailio::{ConfigBuilder, Module};
use sipcapture_core::sink::escape::unescape;

/// Stores the traffic three times and returns what the stock module, our own driver, and the host's driver under our module stored.
fn store(engine: Engine, driver: &str, urls: [&str; 3]) -> [Stored; 3] {
    let traffic = traffic();
    let [stock_url, own_url, hosted_url] = urls;
    let stock = run(engine, Module::Stock, stock_url, &traffic);
    let own = run(engine, Module::Ours, own_url, &traffic);
    let node = ConfigBuilder::capture_node(Module::Ours, hosted_url).load_first(driver).set("db_driver", "host");
    [stock, own, run_node(engine, Module::Ours, node, hosted_url, &traffic)]
}

/// Every column of every row, but those that the clock fills: version 1 carries no time.
fn compare(stored: &[Stored; 3], same: fn(column: &str, own: &[u8], hosted: &[u8]) -> bool) {
    let [stock, own, hosted] = stored;
    let mut report = Vec::new();
    let mut compared = 0;
    for sent in traffic() {
        let key = &(sent.table, sent.port);
        let clocked = |column: &str| sent.version == 1 && (column == "date" || column == "micro_ts");
        let (own, hosted) = (&own[key][0], &hosted[key][0]);
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
    assert_eq!(own.values().map(Vec::len).sum::<usize>(), hosted.values().map(Vec::len).sum::<usize>());
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
