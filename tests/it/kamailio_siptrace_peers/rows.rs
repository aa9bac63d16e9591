//! Rows of traced calls in databases of every kind: all twelve columns of each.

use super::{PATIENCE, Proxy, agent};
use crate::common::database::{MariaDb, Postgres};
use crate::common::kamailio::ConfigBuilder;
use crate::common::rows::{SqliteFile, StoredRow, count, execute, select, text};
use crate::common::stock_schema::trace_table;
use crate::common::wait::within;
use crate::kamailio_host_database::{TextTable, make_text_table};
use sipcapture_core::table::{ColumnKind, TraceColumnNames, trace_layout};
use std::ops::RangeInclusive;
use std::time::{SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

/// Twice, for everybody and for one user, the seven messages of an INVITE.
const ROWS: u64 = 14;

/// The columns of a row but its time: all that a call says of itself.
type Said = [String; 10];

/// What the rows of an INVITE's transaction say.
fn wanted(proxy: &Proxy) -> Vec<Said> {
    let server = proxy.owners()[1];
    let mut rows = Vec::new();
    for (what, from, to) in proxy.steps().into_iter().filter(|(what, ..)| what.ends_with("INVITE")) {
        let status = what.strip_suffix(" INVITE").unwrap_or_default();
        let first_line = match status {
            "" => "INVITE sip:bob@example.org SIP/2.0",
            "100" => "SIP/2.0 100 trying -- your call is important to us",
            "180" => "SIP/2.0 180 Ringing",
            _ => "SIP/2.0 200 OK",
        };
        let to_tag = if status.is_empty() || status == "100" { "" } else { "to" };
        for user in ["", "alice"] {
            let (from, to) = (format!("udp:{from}"), format!("udp:{to}"));
            let direction = if to == format!("udp:{server}") { "in" } else { "out" };
            let said =
                [first_line, "traced-1@example.org", "INVITE", status, &from, &to, direction, "from1", user, to_tag];
            rows.push(said.map(str::to_owned));
        }
    }
    assert_eq!(rows.len() as u64, ROWS);
    rows
}

/// What a row says; its message must be whole.
fn said(value: impl Fn(&str) -> String) -> Said {
    let message = value("msg");
    assert!(message.contains("Call-ID: traced-1@example.org\r\n") && message.ends_with("\r\n\r\n"), "{message}");
    let first_line = message.lines().next().expect("a message has a line").to_owned();
    let names = ["callid", "method", "status", "fromip", "toip", "direction", "fromtag", "traced_user", "totag"];
    let rest = names.map(value);
    let mut all = std::iter::once(first_line).chain(rest);
    std::array::from_fn(|_| all.next().expect("ten columns"))
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970");
    i64::try_from(since.as_micros()).expect("it is early")
}

/// Asserts that a row's time is one of these microseconds.
fn assert_time(seconds: &str, microseconds: &str, within: &RangeInclusive<i64>) {
    let [seconds, microseconds]: [i64; 2] = [seconds, microseconds].map(|text| text.parse().expect("a number"));
    assert!((0..1_000_000).contains(&microseconds), "{microseconds}");
    assert!(within.contains(&(seconds * 1_000_000 + microseconds)), "{seconds}.{microseconds} of {within:?}");
}

/// Traces one call into a database; the answer is the proxy, and when the call was.
fn traced(config: ConfigBuilder, url: &str) -> (Proxy, RangeInclusive<i64>) {
    let config = config.param("siptrace", "db_url", url).param("siptrace", "traced_user_avp", "$avp(who)");
    let script = r#"if (is_method("INVITE")) { $avp(who) = "alice"; sip_trace_mode("t"); }"#;
    let proxy = Proxy::start(config, script);
    let began = now();
    proxy.call(1);
    proxy.settle(ROWS);
    let statistics = proxy.server.statistics_of("siptrace");
    assert_eq!((statistics["stored"], statistics["dead_lettered"]), (ROWS, 0), "{}", proxy.server.log());
    (proxy, began..=now())
}

/// An agent that stores alone.
fn storing() -> ConfigBuilder {
    agent().without("hep_mode_on")
}

/// One traced call has all its rows in the database at `url`, where `seconds` makes seconds since 1970 of `time_stamp`.
fn assert_rows(config: ConfigBuilder, url: &str, seconds: &str) {
    let (proxy, times) = traced(config, url);
    within(PATIENCE, "the rows are there", || count(url, "sip_trace") == ROWS);
    let all = select(url, &format!("SELECT sip_trace.*, {seconds} AS seconds FROM sip_trace ORDER BY id"));
    let all = all.expect("the table is readable");
    let mut rows: Vec<Said> = all.iter().map(|row| said(|name| value(row, name))).collect();
    all.iter().for_each(|row| assert_time(&text(row, "seconds"), &text(row, "time_us"), &times));
    // Of a message's two rows, either may come first.
    rows.chunks_mut(2).for_each(<[Said]>::sort);
    assert_eq!(rows, wanted(&proxy));
}

fn value(row: &StoredRow, name: &str) -> String {
    text(row, name)
}

const OF_POSTGRES: &str = "CAST(EXTRACT(EPOCH FROM time_stamp) AS bigint)";
const OF_MYSQL: &str = "UNIX_TIMESTAMP(time_stamp)";
/// The server's driver stores days since noon of the first day of 4714 BC and a part of one, and half a second less
/// than that.
const OF_DAYS: &str = "CAST(ROUND((time_stamp - 2440587.5) * 86400 + 0.5) AS INTEGER)";

#[test]
fn rows_go_into_the_table_of_postgres_that_the_stock_module_uses() {
    let server = Postgres::shared();
    let url = server.create_database("trace_version_4");
    execute(&url, &trace_table("SERIAL", "TIMESTAMP WITHOUT TIME ZONE", "INTEGER", "TEXT"));
    assert_rows(storing(), &url, OF_POSTGRES);
}

#[test]
fn rows_go_into_a_table_of_postgres_that_the_agent_makes() {
    let server = Postgres::shared();
    let url = server.create_database("trace_made");
    assert_rows(storing().param("siptrace", "create_tables", 1), &url, OF_POSTGRES);
}

#[test]
fn rows_go_into_the_table_of_mariadb_that_the_stock_module_uses() {
    let server = MariaDb::shared();
    let url = server.create_database("trace_version_4");
    execute(&url, &trace_table("INT(10) UNSIGNED AUTO_INCREMENT", "DATETIME", "INT UNSIGNED", "MEDIUMTEXT"));
    assert_rows(storing(), &url, OF_MYSQL);
}

#[test]
fn rows_go_into_a_table_of_mariadb_that_the_agent_makes() {
    let server = MariaDb::shared();
    let url = server.create_database("trace_made");
    assert_rows(storing().param("siptrace", "create_tables", 1), &url, OF_MYSQL);
}

#[test]
fn rows_of_a_delayed_insert_go_into_a_table_that_takes_them() {
    // A server of its own: the status variable counts for all databases.
    let server = MariaDb::start();
    let url = server.url();
    let table = trace_table("INT(10) UNSIGNED AUTO_INCREMENT", "DATETIME", "INT UNSIGNED", "MEDIUMTEXT");
    execute(&url, &format!("{table} ENGINE=MyISAM"));
    assert_rows(storing().param("siptrace", "trace_db_mode", 1), &url, OF_MYSQL);
    let status = select(&url, "SHOW GLOBAL STATUS LIKE 'Delayed_writes'").expect("a status");
    assert_eq!(text(&status[0], "Value"), ROWS.to_string());
}

/// The table in version 4 takes tags of 128 characters, and one is longer.
fn assert_cut(url: &str) {
    let proxy = Proxy::start(super::storing(url), "");
    let request = proxy.ping("");
    let tag = request.split_once(";tag=").and_then(|(_, rest)| rest.lines().next()).expect("From has a tag");
    proxy.exchange(request.replace(tag, &"t".repeat(129)));
    proxy.settle(4);
    let statistics = proxy.server.statistics_of("siptrace");
    let counted = ["stored", "dead_lettered", "truncated"].map(|name| statistics[name]);
    assert_eq!(counted, [4, 0, 2], "{}", proxy.server.log());
    let rows = select(url, "SELECT fromtag FROM sip_trace ORDER BY id").expect("the table is readable");
    let tags: Vec<String> = rows.iter().map(|row| text(row, "fromtag")).collect();
    let cut = "t".repeat(128);
    assert_eq!(tags, [tag, tag, &cut, &cut]);
}

#[test]
fn a_tag_too_long_for_the_table_that_the_stock_module_uses_is_cut_and_counted() {
    let server = Postgres::shared();
    let url = server.create_database("trace_cut");
    execute(&url, &trace_table("SERIAL", "TIMESTAMP WITHOUT TIME ZONE", "INTEGER", "TEXT"));
    assert_cut(&url);
    let server = MariaDb::shared();
    let url = server.create_database("trace_cut");
    execute(&url, &trace_table("INT(10) UNSIGNED AUTO_INCREMENT", "DATETIME", "INT UNSIGNED", "MEDIUMTEXT"));
    assert_cut(&url);
}

#[test]
fn table_and_columns_are_called_as_the_operator_says() {
    let file = SqliteFile::new();
    let columns = TraceColumnNames::default();
    let columns = trace_layout(&columns).columns.into_iter().map(|column| column.name);
    let columns: Vec<String> = columns.filter(|name| name != "time_us").collect();
    let mut config = storing().param("siptrace", "create_tables", 1).param("siptrace", "table", "my-traces");
    for name in &columns {
        let parameter = if name == "time_stamp" { "date".to_owned() } else { name.clone() };
        config = config.param("siptrace", &format!("{parameter}_column"), &format!("my_{name}"));
    }
    let (proxy, _) = traced(config, file.url());
    let rows = select(file.url(), "SELECT * FROM \"my-traces\" ORDER BY id").expect("the table is readable");
    let mut said: Vec<Said> = rows.iter().map(|row| said(|name| text(row, &format!("my_{name}")))).collect();
    said.chunks_mut(2).for_each(<[Said]>::sort);
    assert_eq!(said, wanted(&proxy));
    assert!(rows.iter().all(|row| text(row, "my_time_stamp").len() == 19 && row.len() == 13), "{rows:?}");
}

#[test]
fn rows_go_through_the_servers_driver_for_sqlite() {
    let file = SqliteFile::new();
    // That driver makes NULL of what is empty.
    let table = trace_table("INTEGER", "TIMESTAMP", "INTEGER", "TEXT").replace(" DEFAULT '' NOT NULL", "");
    execute(file.url(), &format!("PRAGMA journal_mode = WAL; {table}"));
    let config = storing().load_first("db_sqlite.so").param("siptrace", "db_driver", "host");
    assert_rows(config, file.url(), OF_DAYS);
}

#[test]
fn rows_go_through_the_servers_driver_for_text_files() {
    let directory = TempDir::new().expect("a private directory");
    let kind = |kind| match kind {
        ColumnKind::Time | ColumnKind::Int | ColumnKind::BigInt => "int",
        ColumnKind::Text => "string",
        ColumnKind::Message => "blob",
    };
    let columns = trace_layout(&TraceColumnNames::default()).columns.into_iter();
    make_text_table(directory.path(), "sip_trace", columns.map(|column| (column.name, kind(column.kind))));
    let url = format!("text://{}", directory.path().display());
    let (mut proxy, times) = traced(storing().load_first("db_text.so"), &url);
    proxy.server.stop();
    let table = TextTable::read(&directory.path().join("sip_trace"));
    let all = 0..usize::try_from(ROWS).expect("few");
    let mut rows: Vec<Said> = all.clone().map(|row| said(|name| table.column(name)[row].to_owned())).collect();
    all.for_each(|row| assert_time(table.column("time_stamp")[row], table.column("time_us")[row], &times));
    let mut wanted = wanted(&proxy);
    // That driver writes its rows in an order of its own.
    [&mut rows, &mut wanted].into_iter().for_each(|rows| rows.sort());
    assert_eq!(rows, wanted);
}
