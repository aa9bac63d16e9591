//! Rows that a database refuses: they become dead letters, their neighbours are stored, and the tool stores them once
//! the database takes them.

use super::{MESSAGES, Proxy, storing};
use crate::common::database::{MariaDb, Postgres};
use crate::common::rows::{SqliteFile, count, execute, select, text};
use crate::tool::running::{Run, command, run};
use sipcapture_core::table::ddl::create_table;
use sipcapture_core::table::{SqlDialect, TraceColumnNames, trace_layout};
use std::path::Path;

/// Of a call's messages, the ACK that comes and the one that goes.
const REFUSED: u64 = 2;

fn tool(spool: &Path, arguments: &[&str]) -> Run {
    run(command(arguments).arg("--dir").arg(spool))
}

fn listed(spool: &Path) -> serde_json::Value {
    let run = tool(spool, &["dead-letters", "--json"]);
    assert_eq!((run.code, run.err.as_str()), (0, ""), "{}", run.out);
    serde_json::from_str(&run.out).expect("one JSON document")
}

/// A table that `strict` makes refuse ACKs, for `reason`, until `lenient` is run.
fn assert_refused_rows_are_sent_again(dialect: SqlDialect, url: &str, strict: &str, lenient: &str, reason: &str) {
    let layout = trace_layout(&TraceColumnNames::default());
    execute(url, &create_table(dialect, "sip_trace", &layout).join(";\n"));
    execute(url, strict);
    let spool = tempfile::tempdir().expect("a private directory");
    let spool = spool.path();
    let config = storing(url).param("siptrace", "spool_dir", &spool.display().to_string());
    let proxy = Proxy::start(config, "");
    proxy.call(1);
    proxy.settle(MESSAGES as u64);
    let statistics = proxy.server.statistics_of("siptrace");
    let stored = MESSAGES as u64 - REFUSED;
    assert_eq!((statistics["stored"], statistics["dead_lettered"]), (stored, REFUSED), "{}", proxy.server.log());
    assert_eq!(count(url, "sip_trace"), stored);

    let letters = listed(spool);
    assert_eq!((&letters["total"], &letters["unreadable"]), (&REFUSED.into(), &0.into()), "{letters:#}");
    for letter in letters["letters"].as_array().expect("a list") {
        assert!(letter["reason"].as_str().expect("a reason").contains(reason), "{letters:#}");
        assert_eq!(letter["table"], "sip_trace", "{letters:#}");
        assert_eq!(letter["call_id"], "traced-1@example.org", "{letters:#}");
    }
    assert!(!letters.to_string().contains("geheim"), "{letters:#}");

    let again = tool(spool, &["replay-dead-letters", "--db", url]);
    assert!(again.code == 1 && again.out.starts_with("0 letters stored in "), "{again:?}");
    assert_eq!((&listed(spool), count(url, "sip_trace")), (&letters, stored));

    execute(url, lenient);
    let replayed = tool(spool, &["replay-dead-letters", "--db", url]);
    assert!(replayed.code == 0 && replayed.out.starts_with("2 letters stored in "), "{replayed:?}");
    assert_eq!(listed(spool)["total"], 0);
    let rows = select(url, "SELECT * FROM sip_trace ORDER BY time_stamp, time_us").expect("the table is readable");
    assert_eq!(rows.len(), MESSAGES);
    let seen = rows.iter().filter(|row| text(row, "method") == "ACK").map(|row| {
        let message = text(row, "msg");
        assert!(message.starts_with("ACK sip:bob@") && message.ends_with("\r\n\r\n"), "{message}");
        ["fromip", "toip", "direction", "callid", "fromtag", "totag", "status"].map(|column| text(row, column))
    });
    let [caller, server, callee] = proxy.owners().map(|address| format!("udp:{address}"));
    let wanted = [(&caller, &server, "in"), (&server, &callee, "out")].map(|(from, to, direction)| {
        [from.as_str(), to, direction, "traced-1@example.org", "from1", "to", ""].map(str::to_owned)
    });
    assert_eq!(seen.collect::<Vec<_>>(), wanted);
}

#[test]
fn rows_that_postgres_refuses_are_stored_once_it_takes_them() {
    assert_refused_rows_are_sent_again(
        SqlDialect::Postgres,
        &Postgres::shared().create_database("trace_letters"),
        "ALTER TABLE sip_trace ADD CONSTRAINT no_ack CHECK (method <> 'ACK')",
        "ALTER TABLE sip_trace DROP CONSTRAINT no_ack",
        "violates check constraint \"no_ack\"",
    );
}

#[test]
fn rows_that_mariadb_refuses_are_stored_once_it_takes_them() {
    assert_refused_rows_are_sent_again(
        SqlDialect::Mysql,
        &MariaDb::shared().create_database("trace_letters"),
        "ALTER TABLE sip_trace ADD CONSTRAINT no_ack CHECK (method <> 'ACK')",
        "ALTER TABLE sip_trace DROP CONSTRAINT no_ack",
        "no_ack",
    );
}

#[test]
fn rows_that_sqlite_refuses_are_stored_once_it_takes_them() {
    assert_refused_rows_are_sent_again(
        SqlDialect::Sqlite,
        SqliteFile::new().url(),
        "CREATE TRIGGER no_ack BEFORE INSERT ON sip_trace WHEN NEW.method = 'ACK'
         BEGIN SELECT RAISE(ABORT, 'no ACK here'); END",
        "DROP TRIGGER no_ack",
        "no ACK here",
    );
}
