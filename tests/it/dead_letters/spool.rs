//! `sipcapture spool`: what it says while a database is away, when it is back, and of directories that are no spool.

use super::{Node, document, make_table, packets, tool};
use crate::common::database::MariaDb;
use crate::common::hep_sender::HepSender;
use crate::common::wait::within;
use std::fs;
use tempfile::TempDir;

#[test]
fn what_waits_for_a_database_is_shown_while_the_server_spools_and_replays() {
    let mut database = MariaDb::start();
    let url = database.url();
    make_table(&url, "sip_capture");
    let mut node = Node::start(&url);
    database.stop();
    HepSender::to(node.server.address()).send_paced(500, packets(0..20));
    within(super::PATIENCE, "all is spooled", || node.server.statistic("spooled") == 140);
    let shown = document(node.spool.path(), &["spool"]);
    assert_eq!((shown["records"].as_u64(), shown["in_use"].as_bool()), (Some(140), Some(true)), "{shown:#}");
    let pid = shown["pid"].as_i64().expect("a process id") as i32;
    assert_eq!(pid, node.server.pid());
    let spool = &shown["spools"][0];
    assert_eq!((&spool["writer"], &spool["records"]), (&0.into(), &140.into()));
    assert!(spool["database"].as_str().unwrap().starts_with("mysql___sipcapture_xxxx_127.0.0.1_"), "{shown:#}");
    assert!(!shown.to_string().contains("geheim"));
    // Two workers take the packets: the last one to be spooled need not be the last that was sent.
    assert!(spool["oldest"].as_str().unwrap().starts_with("2025-06-15T12:00:00.0"), "{shown:#}");
    assert!(spool["newest"].as_str().unwrap().starts_with("2025-06-15T12:00:00.1"), "{shown:#}");
    let text = tool(node.spool.path(), &["spool"]);
    assert!(text.code == 0 && text.out.contains("140 records in "), "{text:?}");
    assert!(text.out.contains(&format!("used by the server with process id {pid}")), "{text:?}");

    database.start_again();
    within(super::PATIENCE, "all is stored", || node.server.statistic("stored") == 140);
    node.server.assert_balance();
    within(super::PATIENCE, "the spool is empty", || document(node.spool.path(), &["spool"])["records"] == 0);
    let status = node.server.stop();
    assert!(status.success(), "{status}");
    let ended = tool(node.spool.path(), &["spool"]);
    assert!(ended.code == 0 && ended.out.ends_with("no server uses it\n"), "{ended:?}");
}

#[test]
fn a_directory_that_is_no_spool_is_named_with_what_would_be_right() {
    let elsewhere = TempDir::new().unwrap();
    let file = elsewhere.path().join("file");
    fs::write(&file, "").unwrap();
    for (directory, says) in [
        (elsewhere.path().to_owned(), "is no spool_dir"),
        (elsewhere.path().join("nowhere"), "there is no directory "),
        (file, "is a file, not a directory"),
    ] {
        let refused = tool(&directory, &["spool"]);
        assert_eq!((refused.code, refused.out.as_str()), (2, ""), "{refused:?}");
        assert!(refused.err.contains(says) && refused.err.contains("name the server's spool_dir"), "{refused:?}");
    }
}
