//! What users have reported, from the packets through a real server with four workers into each database, and out
//! again with the tool.

use super::running::{command, run};
use crate::common::database::{MariaDb, Postgres};
use crate::common::hep_sender::HepSender;
use crate::common::kamailio::{ConfigBuilder, Module};
use crate::common::reported::reported;
use crate::common::rows::{SqliteFile, execute, select};
use crate::common::tshark::dissect;
use crate::common::wait::eventually;
use std::time::Duration;

const DASHED: &str = "-qmkXFnQa-mIIi34zo8znQ..";

/// The tool on the database at `url`: its answer, which must be one.
fn print(url: &str, arguments: &[&str]) -> String {
    let run = run(command(arguments).env("SIPCAPTURE_DB", url));
    assert_eq!((run.code, run.err.as_str()), (0, ""), "{arguments:?}");
    run.out
}

fn document(url: &str, arguments: &[&str]) -> serde_json::Value {
    serde_json::from_str(&print(url, arguments)).expect("one JSON document")
}

/// The labels of the messages in the document of `flow` or `show`.
fn labels(document: &serde_json::Value) -> Vec<&str> {
    document["messages"].as_array().unwrap().iter().map(|message| message["label"].as_str().unwrap()).collect()
}

/// The Call-IDs in the document of `calls`.
fn listed(url: &str, arguments: &[&str]) -> Vec<String> {
    let document = document(url, &[&["calls", "--json"], arguments].concat());
    document["calls"].as_array().unwrap().iter().map(|call| call["call_id"].as_str().unwrap().to_owned()).collect()
}

fn capture(url: &str) {
    let node = ConfigBuilder::capture_node(Module::Ours, url).children(4).param("sipcapture", "create_tables", 1);
    let mut server = node.start();
    let packets: Vec<_> = ["equal-time", "callid-dash", "from-unreadable"].into_iter().flat_map(reported).collect();
    let sent = HepSender::to(server.address()).send_paced(400, &packets);
    let stored = || select(url, "SELECT id FROM sip_capture").map_or(0, |rows| rows.len() as u64);
    assert!(eventually(Duration::from_secs(60), || stored() == sent), "{} of {sent}:\n{}", stored(), server.log());
    server.assert_serving();
    server.stop();
}

fn answers(url: &str) {
    capture(url);
    equal_times_are_in_order(url);
    // In any order of storing.
    execute(url, "UPDATE sip_capture SET id = 1000 - id");
    equal_times_are_in_order(url);
    a_call_id_with_a_hyphen_is_found(url);
    unreadable_addresses_are_found(url);
}

fn equal_times_are_in_order(url: &str) {
    let right = ["INVITE", "100 Trying", "180 Ringing", "200 OK", "ACK"];
    assert_eq!(labels(&document(url, &["flow", "eq@t", "--json"])), right);
    assert_eq!(labels(&document(url, &["show", "eq@t", "--json"])), right);
    let ladder = print(url, &["flow", "eq@t"]);
    let places = right.map(|label| ladder.rfind(label).unwrap_or_else(|| panic!("{label} in {ladder}")));
    assert!(places.is_sorted(), "{ladder}");
    let shown = print(url, &["show", "eq@t"]);
    let first_lines = ["\nINVITE ", "\nSIP/2.0 100 ", "\nSIP/2.0 180 ", "\nSIP/2.0 200 ", "\nACK "];
    assert!(first_lines.map(|line| shown.find(line).expect("it is shown")).is_sorted(), "{shown}");

    let directory = tempfile::tempdir().expect("a private directory");
    let file = directory.path().join("call.pcap");
    print(url, &["export", "eq@t", "-o", file.to_str().unwrap()]);
    let packets = dissect(&file, &[], &["sip.Method", "sip.Status-Code"]);
    let read = |index: usize| packets[index].last("sip.Method").or(packets[index].last("sip.Status-Code")).unwrap();
    assert_eq!((0..packets.len()).map(read).collect::<Vec<_>>(), ["INVITE", "100", "180", "200", "ACK"]);

    let calls = document(url, &["calls", "--call-id", "eq@t", "--json"]);
    assert_eq!((&calls["calls"][0]["state"], &calls["calls"][0]["status"]), (&"answered".into(), &200.into()));
    assert_eq!(calls["calls"][0], document(url, &["flow", "eq@t", "--json"])["legs"][0]);
}

fn a_call_id_with_a_hyphen_is_found(url: &str) {
    for arguments in [
        &["flow", DASHED, "--json"][..],
        &["flow", "--json", DASHED],
        &["show", "--json", DASHED, "--one-leg"],
        &["flow", "--json", "--", DASHED],
        &["flow", "-qmk*", "--json"],
        &["flow", "-qmk…", "--json"],
    ] {
        let document = document(url, arguments);
        assert_eq!((document["call_id"].as_str(), labels(&document)), (Some(DASHED), vec!["INVITE"]), "{arguments:?}");
    }
    for arguments in [&["--call-id", DASHED][..], &["--call-id=-qmk*", "--all"]] {
        assert_eq!(listed(url, arguments), [DASHED]);
    }
    let export = document(url, &["export", DASHED, "--json", "-o", "/dev/null"]);
    assert_eq!((&export["call_id"], &export["packets"]), (&DASHED.into(), &1.into()));

    let mistyped = run(command(&["flow", DASHED, "--jsno"]).env("SIPCAPTURE_DB", url));
    assert_eq!(mistyped.code, 2);
    assert!(
        mistyped.err.contains("unexpected argument '--jsno'") && mistyped.err.contains("'--json'"),
        "{}",
        mistyped.err
    );
    let mistyped = run(command(&["flow", "--jsno"]).env("SIPCAPTURE_DB", url));
    assert_eq!(mistyped.code, 1);
    assert!(mistyped.err.contains("no call with Call-ID \"--jsno\"; if it was meant as an option"), "{}", mistyped.err);
}

fn unreadable_addresses_are_found(url: &str) {
    assert_eq!(listed(url, &["--from", "816666@example.net"]), ["c8@t"]);
    assert_eq!(listed(url, &["--from", "anonymous@example.net"]), ["c9@t"]);
    assert_eq!(listed(url, &["--to", "4711@192.0.2.77"]), ["c10@t"]);
    for (call_id, party, tag) in [("c8@t", "from", "6433ef9"), ("c9@t", "from", "as4b6e3ad0"), ("c10@t", "to", "")] {
        assert_eq!(document(url, &["flow", call_id, "--json"])["messages"][0][party]["tag"], tag, "{call_id}");
    }
}

#[test]
fn what_users_have_reported_is_right_in_sqlite() {
    let file = SqliteFile::new();
    answers(file.url());
}

#[test]
fn what_users_have_reported_is_right_in_postgres() {
    answers(&Postgres::shared().create_database("tool_reported"));
}

#[test]
fn what_users_have_reported_is_right_in_mariadb() {
    answers(&MariaDb::shared().create_database("tool_reported"));
}
