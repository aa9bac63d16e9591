//! Databases that are away when OpenSIPS starts, writers that die, a server that ends under load: what was accepted is
//! stored, or is in the spool.

use crate::common::database::MariaDb;
use crate::common::hep::Observed;
use crate::common::hep_sender::HepSender;
use crate::common::kamailio::{Module, signal};
use crate::common::opensips::{ConfigBuilder, OpenSips, is_missing};
use crate::common::rows::{SqliteFile, count, select, text};
use crate::common::sip::answered_call;
use crate::common::wait::within;
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(40);

fn invite(number: u64) -> Vec<u8> {
    let source = "192.0.2.10:5071".parse().expect("an address");
    let destination = "198.51.100.20:5072".parse().expect("an address");
    Observed::sip(source, destination, 1_749_988_800_000_000 + number, &answered_call("fault", number)[0].text).v3()
}

/// Waits until all of `sent` messages are captured.
fn all_are_captured(server: &OpenSips, sent: u64) {
    within(PATIENCE, "all messages are captured", || server.statistic("captured") == sent);
}

#[test]
fn a_server_starts_without_its_database_and_stores_what_came_meanwhile() {
    if is_missing() {
        return;
    }
    let mut database = MariaDb::start();
    database.stop();
    let node = ConfigBuilder::capture_node(Module::Ours, &database.url()).param("create_tables", 1);
    let mut server = node.start();
    let sender = HepSender::to(server.hep_address());
    let sent = sender.send_paced(500, (0..50).map(invite));
    all_are_captured(&server, sent);
    within(PATIENCE, "the writer has found the database away", || server.statistic("sink_errors") > 0);
    assert_eq!((server.statistic("stored"), server.statistic("dropped")), (0, 0));
    database.start_again();
    within(PATIENCE, "all messages are stored", || server.statistic("stored") == sent);
    assert_eq!(count(&database.url(), "sip_capture"), sent);
    server.assert_serving();
    assert!(server.stop().success());
}

#[test]
fn a_killed_writer_loses_nothing() {
    if is_missing() {
        return;
    }
    let file = SqliteFile::new();
    let mut server = ConfigBuilder::capture_node(Module::Ours, file.url()).param("flush_interval", 20).start();
    let processes = server.processes();
    let sender = HepSender::to(server.hep_address());
    let mut sent = 0;
    for round in 0..3 {
        sent += sender.send_paced(500, (sent..sent + 100).map(invite));
        let writers = server.grandchildren();
        assert_eq!(writers.len(), 1, "one writer runs: {writers:?}");
        signal(writers[0], Signal::KILL);
        sent += sender.send_paced(500, (sent..sent + 50).map(invite));
        within(PATIENCE, "another writer has begun", || server.statistic("writer_restarts") == round + 1);
        within(PATIENCE, "it runs", || server.grandchildren().len() == 1);
    }
    all_are_captured(&server, sent);
    within(PATIENCE, "nothing is queued or spooled", || {
        server.statistic("queued") == 0 && server.statistic("spooled") == 0
    });
    assert_eq!(server.statistic("dropped"), 0);
    // A kill between the database's commit and ours writes a batch once more.
    let rows = select(file.url(), "SELECT callid FROM sip_capture").expect("the table is there");
    let calls: BTreeSet<String> = rows.iter().map(|row| text(row, "callid")).collect();
    assert_eq!(u64::try_from(calls.len()).expect("a number of calls"), sent);
    assert_eq!(server.processes(), processes, "the server has lost a process");
    server.assert_serving();
}

#[test]
fn a_server_that_ends_stores_what_waits() {
    if is_missing() {
        return;
    }
    let file = SqliteFile::new();
    let node = ConfigBuilder::capture_node(Module::Ours, file.url()).param("flush_interval", 60_000);
    let mut server = node.param("batch_size", 1_000).start();
    let sent = HepSender::to(server.hep_address()).send_paced(500, (0..60).map(invite));
    all_are_captured(&server, sent);
    assert_eq!(server.statistic("stored"), 0);
    assert!(server.stop().success());
    assert_eq!(count(file.url(), "sip_capture"), sent);
}

#[test]
fn a_server_that_ends_without_its_database_spools_what_waits_and_the_next_one_stores_it() {
    if is_missing() {
        return;
    }
    let mut database = MariaDb::start();
    database.stop();
    let spool = tempfile::tempdir().expect("a private directory");
    let directory = spool.path().join("spool");
    let node = || {
        let node = ConfigBuilder::capture_node(Module::Ours, &database.url()).param("create_tables", 1);
        node.param("spool_dir", directory.to_str().expect("a path in UTF-8"))
    };
    let mut server = node().start();
    let sent = HepSender::to(server.hep_address()).send_paced(500, (0..60).map(invite));
    all_are_captured(&server, sent);
    assert!(server.stop().success());
    let next = node();
    database.start_again();
    let mut server = next.start();
    within(PATIENCE, "all messages are stored", || server.statistic("stored") == sent);
    assert_eq!((server.statistic("recovered"), count(&database.url(), "sip_capture")), (sent, sent));
    assert!(server.stop().success());
}
