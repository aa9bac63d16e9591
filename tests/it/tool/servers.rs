//! PostgreSQL and MariaDB give the same answers as SQLite, and their own peculiar rows are read.

use super::recording::{CALLEE, CALLER, Dialog, PROXY, Recorded, START, store};
use super::running::{Run, Stored, command, run};
use crate::common::database::{MariaDb, Postgres};
use crate::common::rows;
use crate::common::tls_database::{TlsMariaDb, TlsPostgres};
use sipcapture_core::capture::Transport;

fn answer(url: &str, arguments: &[&str]) -> Run {
    run(command(arguments).args(["--db", url]))
}

fn document(url: &str, arguments: &[&str]) -> serde_json::Value {
    let run = answer(url, &[arguments, &["--json"]].concat());
    assert_eq!((run.code, run.err.as_str()), (0, ""), "{arguments:?}");
    serde_json::from_str(&run.out).unwrap()
}

/// Calls of every kind: with wildcards in names, bytes that are no text, legs, and a From user in capitals.
fn messages() -> Vec<Recorded> {
    let mut messages = Dialog::new("first@example.com", "alice", "bob", START).answered();
    messages.extend(Dialog::new("second@example.com", "50%_off", "bob", START + 60_000_000).refused("486 Busy Here"));
    messages.extend(Dialog::new("third@example.com", "Alice", "bob", START + 120_000_000).refused("603 Decline"));
    messages.extend(Dialog::new("register", "alice", "alice", START + 180_000_000).registered());
    messages.extend(Dialog::new("at-one-time", "dave", "bob", START + 200_000_000).answered_at_one_time());
    let mut bytes = Dialog::new("bytes", "carol", "bob", START + 240_000_000);
    bytes.from = "car\u{0}ol".into();
    let mut odd = bytes.message(0, (CALLER, PROXY), "MESSAGE", "1 MESSAGE", false, false).over(Transport::Tls);
    odd.payload.extend_from_slice(b"caf\xe9 \\x41 \0 \xf0\x9f\x93\x9e");
    messages.push(odd);
    for (call_id, way) in [("inbound", (CALLER, PROXY)), ("outbound", (PROXY, CALLEE))] {
        let leg = Dialog::new(call_id, "alice", "bob", START + 300_000_000);
        messages.push(leg.message(0, way, "INVITE", "1 INVITE", false, false).correlated("bridge-1"));
    }
    messages
}

fn answers_as_sqlite_does(url: &str) {
    let messages = messages();
    let sqlite = Stored::new(&messages);
    store(url, "sip_capture", &messages);
    for arguments in [
        &["calls", "--width", "200"][..],
        &["calls", "--json"],
        &["calls", "--all", "--json"],
        &["calls", "--limit", "2", "--json"],
        &["calls", "--from", "alice", "--json"],
        &["calls", "--from", "al*", "--json"],
        &["calls", "--from", "50%_*", "--json"],
        &["calls", "--from", "50__off", "--json"],
        &["calls", "--to", "bob@example.com", "--call-id", "*@example.com", "--json"],
        &["calls", "--since", "2020-11-21 08:53", "--until", "2020-11-21 08:54:30", "--json"],
        &["calls", "--since", "2020-11-22", "--json"],
        &["calls", "--method", "REGISTER", "--json"],
        &["flow", "first@example.com", "--width", "80"],
        &["flow", "outbound", "--json"],
        &["flow", "outbound", "--one-leg", "--json"],
        &["show", "third@example.com"],
        &["flow", "at-one-time", "--json"],
        &["show", "at-one-time", "--json"],
        &["show", "fir*", "--json"],
        &["show", "nothing"],
    ] {
        let (ours, theirs) = (answer(url, arguments), sqlite.run(arguments));
        assert_eq!((ours.code, &ours.out, &ours.err), (theirs.code, &theirs.out, &theirs.err), "{arguments:?}");
    }
    let shown = document(url, &["show", "bytes"]);
    let expected: String = messages.iter().find(|message| message.transport == Transport::Tls).unwrap().payload[..]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(shown["messages"][0]["message_hex"], expected);
    assert_eq!(shown["messages"][0]["transport"], "TLS");
}

#[test]
fn postgres_answers_as_sqlite_does() {
    let server = Postgres::shared();
    answers_as_sqlite_does(&server.create_database("tool_answers"));
}

#[test]
fn mariadb_answers_as_sqlite_does() {
    let server = MariaDb::shared();
    answers_as_sqlite_does(&server.create_database("tool_answers"));
}

/// Statements that make a table like that of the stock module's scripts, as far as the tool reads it, with one call.
fn stock_table(table: &str, date: &str, msg: &str, message: &str) -> String {
    format!(
        "CREATE TABLE {table} (id INTEGER NOT NULL, date {date} NOT NULL, micro_ts BIGINT NOT NULL DEFAULT 0, \
         method VARCHAR(50) NOT NULL DEFAULT '', reply_reason VARCHAR(100) NOT NULL, from_user VARCHAR(100) NOT NULL DEFAULT '', \
         to_tag VARCHAR(64) NOT NULL DEFAULT '', callid VARCHAR(120) NOT NULL DEFAULT '', cseq VARCHAR(25) NOT NULL DEFAULT '', \
         source_ip VARCHAR(60) NOT NULL DEFAULT '', source_port INTEGER NOT NULL DEFAULT 0, type INTEGER NOT NULL, \
         msg {msg} NOT NULL, PRIMARY KEY (id, date)); \
         INSERT INTO {table} VALUES (1, '2020-11-21 08:52:06', {START}, 'INVITE', '', 'alice', '', 'stock', '1 INVITE', \
         '192.0.2.1', 5060, 1, {message}); \
         INSERT INTO {table} VALUES (2, '2020-11-21 08:52:07', {START} + 1000000, '200', 'OK', 'alice', 'b', 'stock', '1 INVITE', \
         '192.0.2.2', 5060, 2, {message})"
    )
}

#[test]
fn tables_of_the_stock_module_are_read_in_postgres() {
    let server = Postgres::shared();
    let url = server.create_database("tool_stock");
    let message = "INVITE sip:bob@example.com SIP/2.0\r\n\\\u{e9}\r\n";
    let digits: String = message.bytes().map(|byte| format!("{byte:02x}")).collect();
    // Its driver writes a blob's literal into whatever the column is.
    let literal = format!("'\\x{digits}'");
    rows::execute(&url, &stock_table("sip_capture", "TIMESTAMP WITHOUT TIME ZONE", "VARCHAR(1500)", &literal));
    rows::execute(&url, &stock_table("sip_capture_binary", "TIMESTAMP WITH TIME ZONE", "BYTEA", &literal));
    for table in ["sip_capture", "sip_capture_binary"] {
        let shown = document(&url, &["show", "stock", "--table", table]);
        assert_eq!(shown["messages"][0]["message"], message, "{table}");
    }
    let calls = document(&url, &["calls", "--since", "2020-11-21", "--until", "2020-11-22"]);
    assert_eq!((&calls["calls"][0]["messages"], &calls["calls"][0]["status"]), (&4.into(), &200.into()));
}

#[test]
fn a_partitioned_table_of_postgres_is_read_once_and_other_schemas_by_name() {
    let server = Postgres::shared();
    let url = server.create_database("tool_partitions");
    rows::execute(
        &url,
        &stock_table("sip_capture_model", "TIMESTAMP", "TEXT", "'INVITE'").replace("sip_capture_model", "model"),
    );
    rows::execute(
        &url,
        "CREATE TABLE sip_capture (LIKE model) PARTITION BY RANGE (date); \
         CREATE TABLE sip_capture_2020 PARTITION OF sip_capture FOR VALUES FROM ('2020-01-01') TO ('2021-01-01'); \
         INSERT INTO sip_capture SELECT * FROM model",
    );
    assert_eq!(document(&url, &["calls"])["calls"][0]["messages"], 2);
    rows::execute(&url, "CREATE SCHEMA homer; CREATE TABLE homer.sip_old AS SELECT * FROM model");
    assert_eq!(document(&url, &["calls", "--table", "homer.sip_old"])["calls"][0]["messages"], 2);
}

#[test]
fn tables_of_the_stock_module_are_read_in_mariadb() {
    let server = MariaDb::shared();
    let url = server.create_database("tool_stock");
    rows::execute(&url, &stock_table("sip_capture_call_20201121", "TIMESTAMP", "VARCHAR(1500)", "'INVITE caf\u{e9}'"));
    rows::execute(&url, &stock_table("sip_capture_call_20201122", "DATETIME", "BLOB", "'INVITE blob'"));
    let calls = document(&url, &["calls", "--from", "alice", "--since", "2020-11-21", "--until", "2020-11-22"]);
    assert_eq!(calls["calls"][0]["messages"], 4);
    let shown = document(&url, &["show", "stock"]);
    let texts: Vec<&str> =
        shown["messages"].as_array().unwrap().iter().map(|message| message["message"].as_str().unwrap()).collect();
    assert!(texts.contains(&"INVITE caf\u{e9}") && texts.contains(&"INVITE blob"), "{texts:?}");
}

#[test]
fn a_wrong_password_and_a_missing_database_are_told_apart() {
    let server = Postgres::shared();
    let url = server.url();
    let wrong = answer(&url.replace(":geheim@", ":wrong@"), &["calls"]);
    assert_eq!(wrong.code, 2);
    assert!(wrong.err.contains("password authentication failed") && !wrong.err.contains("wrong"), "{}", wrong.err);
    let missing = answer(&server.url_of("nowhere"), &["calls"]);
    assert!(missing.err.contains("database \"nowhere\" does not exist"), "{}", missing.err);
    let server = MariaDb::shared();
    let wrong = answer(&server.url().replace(":geheim@", ":wrong@"), &["calls"]);
    assert!(wrong.err.contains("Access denied") && !wrong.err.contains("wrong"), "{}", wrong.err);
    let missing = answer(&server.url_of("nowhere"), &["calls"]);
    assert!(missing.err.contains("Unknown database 'nowhere'"), "{}", missing.err);
}

#[test]
fn a_servers_socket_can_be_named() {
    let postgres = Postgres::shared();
    let url = postgres.create_database("tool_socket");
    store(&url, "sip_capture", &Dialog::new("here", "alice", "bob", START).answered());
    let directory = postgres.socket_directory().display();
    let by_socket = format!("postgres://sipcapture:geheim@{directory}:{}/tool_socket", postgres.port());
    assert_eq!(document(&by_socket, &["calls"])["calls"][0]["call_id"], "here");
    let mariadb = MariaDb::shared();
    let url = mariadb.create_database("tool_socket");
    store(&url, "sip_capture", &Dialog::new("here", "alice", "bob", START).answered());
    let by_socket = format!("mysql://sipcapture:geheim@{}/tool_socket", mariadb.socket().display());
    assert_eq!(document(&by_socket, &["calls"])["calls"][0]["call_id"], "here");
}

#[test]
fn a_server_that_demands_tls_is_read_and_written_by_every_command() {
    let (postgres, mariadb) = (TlsPostgres::start(), TlsMariaDb::start());
    for (url, in_clear, trusted, strangers) in [
        (
            postgres.url("only_tls", ""),
            postgres.url("only_tls", "?sslmode=disable"),
            format!("?sslmode=verify-full&sslrootcert={}", postgres.authority().file().display()),
            format!("?sslmode=verify-full&sslrootcert={}", mariadb.authority().file().display()),
        ),
        (
            mariadb.url("only_tls", ""),
            mariadb.url("only_tls", "?ssl-mode=DISABLED"),
            format!("?ssl-ca={}&ssl-verify-server-cert=1", mariadb.authority().file().display()),
            format!("?ssl-ca={}", postgres.authority().file().display()),
        ),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let pcap = directory.path().join("call.pcap").display().to_string();
        store(&url, "sip_capture", &Dialog::new("here", "alice", "bob", START).answered());
        for url in [url.clone(), format!("{url}{trusted}")] {
            assert_eq!(document(&url, &["calls"])["calls"][0]["call_id"], "here");
            assert_eq!(document(&url, &["show", "here"])["messages"][0]["call_id"], "here");
            let flow = answer(&url, &["flow", "here"]);
            assert_eq!((flow.code, flow.err.as_str()), (0, ""), "{}", flow.out);
            let exported = answer(&url, &["export", "here", "--output", &pcap]);
            assert_eq!((exported.code, exported.err.as_str()), (0, ""), "{}", exported.out);
        }
        for arguments in [&["calls"][..], &["flow", "here"], &["show", "here"], &["export", "here", "--output", &pcap]]
        {
            let refused = answer(&in_clear, arguments);
            assert_eq!(refused.code, 2, "{arguments:?}");
            let refused = answer(&format!("{url}{strangers}"), arguments);
            assert!(refused.err.contains("UnknownIssuer") && !refused.err.contains("geheim"), "{}", refused.err);
        }
        let mode = if url.starts_with("mysql") { "ssl-mode" } else { "sslmode" };
        let wrong = answer(&format!("{url}?{mode}=maybe"), &["calls"]);
        assert!(wrong.err.contains(&format!("{mode} `maybe`")) && !wrong.err.contains("geheim"), "{}", wrong.err);
    }
}

#[test]
fn a_server_that_accepts_and_says_nothing_is_an_error() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::scope(|scope| {
        for url in [format!("mysql://u:geheim@127.0.0.1:{port}/d"), format!("postgres://u:geheim@127.0.0.1:{port}/d")] {
            scope.spawn(move || {
                let silent = answer(&url, &["calls"]);
                assert_eq!(silent.code, 2);
                assert!(
                    silent.err.contains("no connection within") && !silent.err.contains("geheim"),
                    "{}",
                    silent.err
                );
            });
        }
    });
}
