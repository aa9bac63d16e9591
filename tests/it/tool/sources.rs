//! Where the rows come from: several tables, renamed columns, rows of the stock module, files that cannot be read.

use super::recording::{CALLER, Dialog, PROXY, START, store_as};
use super::running::{Stored, command, run};
use sipcapture_core::table::ColumnNames;
use std::process::Stdio;

/// The Call-IDs in the document of `calls`.
fn call_ids(document: &serde_json::Value) -> Vec<&str> {
    document["calls"].as_array().unwrap().iter().map(|call| call["call_id"].as_str().unwrap()).collect()
}

#[test]
fn a_call_that_lies_in_several_tables_is_one_call() {
    let stored = Stored::empty();
    let messages = Dialog::new("midnight", "alice", "bob", START).answered();
    stored.add("sip_capture_call_20201121", &messages[..9]);
    stored.add("sip_capture_call_20201122", &messages[9..]);
    stored.add("sip_capture_rest_20201122", &Dialog::new("register", "alice", "alice", START).registered());
    stored.add("other", &Dialog::new("elsewhere", "alice", "bob", START).answered());
    let document = stored.json(&["calls"]);
    assert_eq!(call_ids(&document), ["midnight"]);
    assert_eq!(document["calls"][0]["messages"], 13);
    assert_eq!(call_ids(&stored.json(&["calls", "--all"])), ["midnight", "register"]);
    let flow = stored.json(&["flow", "midnight"]);
    assert_eq!(flow["messages"][8]["table"], "sip_capture_call_20201121");
    assert_eq!(flow["messages"][9]["table"], "sip_capture_call_20201122");

    assert_eq!(stored.json(&["calls", "--table", "sip_capture_call_20201121"])["calls"][0]["messages"], 9);
    assert_eq!(stored.json(&["calls", "--table", "sip_capture_call_%Y%m%d"])["calls"][0]["messages"], 13);
    assert_eq!(call_ids(&stored.json(&["calls", "--table", "other", "--table", "*rest*"])), ["elsewhere"]);
}

#[test]
fn renamed_columns_are_read_under_their_names() {
    let stored = Stored::empty();
    let mut names = ColumnNames::default();
    assert!(
        names.set("callid_column", "Call ID") && names.set("date_column", "when") && names.set("msg_column", "raw")
    );
    store_as(&stored.url(), "sip_capture", &Dialog::new("renamed", "alice", "bob", START).answered(), &names);
    let run = stored.run(&["calls"]);
    assert_eq!(run.code, 2);
    assert!(run.err.contains("\"callid\"") && run.err.contains("--column callid=NAME"), "{}", run.err);
    let columns = ["--column", "callid=Call ID", "--column", "date=when", "--column", "msg=raw"];
    let arguments = |first: &[&'static str]| [first, &columns[..]].concat();
    assert_eq!(call_ids(&stored.json(&arguments(&["calls", "--since", "2020-11-21"]))), ["renamed"]);
    let shown = stored.print(&arguments(&["show", "renamed"]));
    assert!(shown.contains("INVITE sip:bob@example.com SIP/2.0\n"), "{shown}");
}

#[test]
fn rows_of_the_stock_module_are_read_beside_ours() {
    let stored = Stored::new(&Dialog::new("ours", "alice", "bob", START + 60_000_000).answered());
    let connection = rusqlite::Connection::open(stored.file()).unwrap();
    // Its SQLite driver binds a Julian day, and NULL where there is no text.
    connection
        .execute_batch(
            "CREATE TABLE sip_capture_stock (id INTEGER PRIMARY KEY, date DATETIME, micro_ts BIGINT, method VARCHAR(50),
                 reply_reason VARCHAR(100), callid VARCHAR(120), to_tag VARCHAR(64), from_user VARCHAR(100), cseq VARCHAR(25),
                 source_ip VARCHAR(60), source_port INT, destination_ip VARCHAR(60), destination_port INT, type INT, msg BLOB);
             INSERT INTO sip_capture_stock VALUES
                 (1, 2459174.86951, 1605948726100000, 'INVITE', '', 'stock', NULL, 'alice', '1 INVITE',
                  '192.0.2.1', 5060, '192.0.2.2', 5060, 1, X'494e56495445'),
                 (2, 2459174.86952, 1605948727100000, '603', 'Decline', 'stock', 't', 'alice', '1 INVITE',
                  '192.0.2.2', 5060, '192.0.2.1', 5060, 2, X'534950');",
        )
        .unwrap();
    for arguments in [
        &["calls"][..],
        &["calls", "--from", "alice", "--since", "2020-11-21 08:00"],
        &["calls", "--since", "2020-11-21 08:00", "--until", "2020-11-21 09:00"],
    ] {
        let document = stored.json(arguments);
        assert_eq!(call_ids(&document), ["ours", "stock"], "{arguments:?}");
        assert_eq!(document["calls"][1]["status"], 603);
    }
    assert_eq!(call_ids(&stored.json(&["calls", "--until", "2020-11-21 08:53"])), ["stock"]);
    assert!(stored.print(&["show", "stock"]).ends_with("192.0.2.2:5060 → 192.0.2.1:5060\nSIP\n\n"));
}

#[test]
fn a_file_that_is_being_written_is_read_and_left_alone() {
    let stored = Stored::new(&Dialog::new("first", "alice", "bob", START).answered());
    let writer = rusqlite::Connection::open(stored.file()).unwrap();
    writer.execute_batch("BEGIN IMMEDIATE; UPDATE sip_capture SET method = 'X'").unwrap();
    assert_eq!(call_ids(&stored.json(&["calls"])), ["first"]);
    writer.execute_batch("ROLLBACK").unwrap();
}

#[test]
fn a_file_in_a_directory_that_takes_no_files_is_read() {
    let stored = Stored::new(&Dialog::new("first", "alice", "bob", START).answered());
    let before: Vec<_> =
        std::fs::read_dir(stored.directory()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(before, ["captures.db"], "the writer has closed its log");
    let mut command = if rustix::process::geteuid().is_root() { as_nobody(&stored) } else { command(&[]) };
    command.args(["calls", "--json", "--db"]).arg(stored.url());
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(stored.directory(), std::fs::Permissions::from_mode(0o555)).unwrap();
    std::fs::set_permissions(stored.file(), std::fs::Permissions::from_mode(0o444)).unwrap();
    let run = run(&mut command);
    std::fs::set_permissions(stored.directory(), std::fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    assert_eq!(call_ids(&serde_json::from_str(&run.out).unwrap()), ["first"]);
}

/// The tool under an account that may write nothing here; a copy of it, for the account may not reach the original.
fn as_nobody(stored: &Stored) -> std::process::Command {
    let copy = stored.directory().join("sipcapture");
    // By a process of its own: children that other tests fork at this moment must not hold the copy open for writing,
    // for then it cannot be run.
    let copied = std::process::Command::new("cp").arg(env!("CARGO_BIN_EXE_sipcapture")).arg(&copy).status();
    assert!(copied.unwrap().success());
    let mut command = std::process::Command::new("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(copy);
    command.env("TZ", "UTC").env_remove("SIPCAPTURE_DB").stdin(Stdio::null());
    command
}

#[test]
fn a_database_that_cannot_be_opened_is_named_with_what_to_do() {
    let stored = Stored::empty();
    let failed = stored.run(&["calls"]);
    assert_eq!(failed.code, 2);
    let path = stored.file().display().to_string();
    assert!(failed.err.starts_with(&format!("sipcapture: cannot open {path}: No such file")), "{}", failed.err);
    assert!(failed.err.contains("--db"), "{}", failed.err);
    assert!(!stored.file().exists());

    let failed = run(&mut command(&["calls", "--db", "oracle://u:secret@h/d"]));
    assert_eq!(failed.code, 2);
    assert!(failed.err.contains("sqlite:////path/to/file") && !failed.err.contains("secret"), "{}", failed.err);
    for url in ["postgres://u:secret@127.0.0.1:1/d", "mysql://u:secret@127.0.0.1:1/d"] {
        let failed = run(&mut command(&["calls", "--db", url]));
        assert_eq!(failed.code, 2);
        assert!(failed.err.contains("127.0.0.1:1/d: "), "{}", failed.err);
        assert!(!failed.err.contains("secret"), "{}", failed.err);
    }
}

#[test]
fn no_error_shows_the_password_of_a_url_wherever_it_was_given() {
    let stored = Stored::new(&Dialog::new("here", "alice", "bob", START).answered());
    for (arguments, code) in [
        (&["flow", "--dbb=postgres://u:secret@h/x"][..], 2),
        (&["show", "-db=mysql://u:secret@h/x"], 2),
        (&["calls", "postgres://u:secret@h/x"], 2),
        (&["flow", "postgres://u:secret@h/x"], 1),
        (&["calls", "--since", "postgres://u:secret@h/x"], 2),
        (&["calls", "--since", "postgres://u:se cret@h/x"], 2),
        (&["calls", "--table", "postgres://u:secret@h/x"], 2),
        (&["calls", "--column=postgres://u:secret@h/x=y"], 2),
        (&["export", "here", "-o", "postgres://u:secret@h/x"], 2),
        (&["spool", "--dir", "postgres://u:secret@h/x"], 2),
        (&["dead-letters", "--dir", "postgres://u:secret@h/x"], 2),
        (&["replay-dead-letters", "--sink", "oracle://u:secret@h/x", "--dir", "postgres://u:secret@h/x"], 2),
        (&["calls", "--db", "postgres:/u:secret@h/x"], 2),
        (&["calls", "--db", "postgresql:u:secret@h/x"], 2),
        (&["calls", "--db", "mysql:u:secret@h/x"], 2),
        (&["calls", "--db", "host=h password=secret"], 2),
        (&["calls", "--db", "host=h password = secr@et"], 2),
        (&["replay-dead-letters", "--db", "mysql:u:secret"], 2),
    ] {
        let failed = stored.run(arguments);
        assert_eq!((failed.code, failed.out.as_str()), (code, ""), "{arguments:?}: {}", failed.err);
        let is_hidden = ["secr", "cret"].iter().all(|part| !failed.err.contains(part));
        assert!(!failed.err.is_empty() && is_hidden, "{arguments:?}: {}", failed.err);
    }
    let failed = run(&mut command(&["calls", "--db", "mysql:u:secret@h/x"]));
    assert!(failed.err.contains("mysql://user:password@host:port/database"), "{}", failed.err);
}

#[test]
fn the_environment_names_the_database_and_an_option_wins() {
    let stored = Stored::new(&Dialog::new("here", "alice", "bob", START).answered());
    let mut by_environment = command(&["calls", "--json"]);
    let found = run(by_environment.env("SIPCAPTURE_DB", stored.url()));
    assert_eq!(call_ids(&serde_json::from_str(&found.out).unwrap()), ["here"]);
    let mut by_path = command(&["calls", "--json", "--db", stored.file().to_str().unwrap()]);
    let found = run(by_path.env("SIPCAPTURE_DB", "sqlite:////nonexistent"));
    assert_eq!(call_ids(&serde_json::from_str(&found.out).unwrap()), ["here"]);
}

#[test]
fn a_call_that_is_not_there_is_named_and_the_exit_code_is_1() {
    let stored = Stored::new(&Dialog::new("here", "alice", "bob", START).answered());
    for subcommand in [&["flow"][..], &["show"], &["export", "-o", "/dev/null"]] {
        let run = stored.run(&[subcommand, &["gone@example.com"]].concat());
        assert_eq!((run.code, run.out.as_str()), (1, ""));
        assert_eq!(run.err, "sipcapture: no call with Call-ID \"gone@example.com\"\n");
    }
}

#[test]
fn what_cannot_be_understood_is_refused_with_what_can() {
    let stored = Stored::new(&Dialog::new("here", "alice", "bob", START).answered());
    for (arguments, mark) in [
        (&["calls", "--since", "yesterday"][..], "--since: \"yesterday\" is not a time"),
        (&["calls", "--limit", "0"], "--limit"),
        (&["calls", "--column", "call_id=x"], "\"call_id\" is no column"),
        (&["calls", "--table", "sip_trace"], "no table \"sip_trace\" in the database; it has sip_capture"),
        (&["flow"], "CALL-ID"),
    ] {
        let run = stored.run(arguments);
        assert_eq!(run.code, 2, "{arguments:?}");
        assert!(run.err.contains(mark), "{}", run.err);
    }
}

#[test]
fn times_are_local_unless_utc_is_asked_for() {
    let stored = Stored::new(&Dialog::new("here", "alice", "bob", START).answered());
    let mut local = stored.command(&["calls"]);
    let local = run(local.env("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")).out;
    assert!(local.contains("2020-11-21 09:52:06"), "{local}");
    let mut utc = stored.command(&["calls", "--utc"]);
    let utc = run(utc.env("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")).out;
    assert!(utc.contains("2020-11-21 08:52:06"), "{utc}");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let dialog = Dialog::new("long", "alice", "bob", START);
    let invite = |number| dialog.message(number, (CALLER, PROXY), "INVITE", "1 INVITE", false, true);
    let stored = Stored::new(&(0..400).map(invite).collect::<Vec<_>>());
    let mut child = stored
        .command(&["show", "long"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the tool starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}
