//! A table that stays missing, with the writer of a server and its parameters, but less patience: a server waits for
//! minutes.

use super::{PATIENCE, document, make_table, rows, tool};
use crate::common::database::Postgres;
use crate::common::rows::execute;
use crate::common::sip::answered_call;
use crate::common::wait::within;
use sipcapture_core::capture::{Capture, RowKind, Transport};
use sipcapture_core::module::CaptureSettings;
use sipcapture_core::queue::counters::Committed;
use sipcapture_core::queue::lane::{Consumer, Geometry, Lanes, Producer};
use sipcapture_core::writer::{Ending, SpoolPlan, SpoolSync, Writer};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// What became of captures.
#[derive(Debug, PartialEq, Eq)]
struct Counts {
    stored: u64,
    dead_lettered: u64,
}

/// Writes three calls and a report with a writer of its own, bound for `table` and its report table.
fn write(url: &str, table: &str, spool: &Path) -> Counts {
    let mut settings = CaptureSettings::default();
    settings.set_text("db_url", url.as_bytes()).expect("a good URL");
    settings.set_text("table_name", table.as_bytes()).expect("a good name");
    let mut plan = settings.plan();
    plan.table_wait = Duration::from_secs(1);
    plan.spool = Some(SpoolPlan { directory: spool.to_owned(), limit_bytes: 64 << 20, sync: SpoolSync::Batch });
    let geometry = Geometry { lanes: 1, writers: 1, sinks: 1, lane_bytes: 1 << 20, wake_bytes: 1 << 18 };
    let lanes = Arc::new(Lanes::map(geometry).expect("shared memory"));
    let mut producer = Producer::attach(&lanes, 0).expect("a lane");
    let messages: Vec<Vec<u8>> =
        (0..3).flat_map(|call| answered_call("missing", call)).map(|message| message.text).collect();
    let (source, destination) = ("192.0.2.1:5060".parse().unwrap(), "192.0.2.2:5060".parse().unwrap());
    for (index, text) in messages.iter().enumerate() {
        let time_us = 1_749_988_800_000_000 + index as i64;
        let rewritten_uri = (index == 0).then_some(&b"sip:rewritten@example.net"[..]);
        let capture = Capture::sip(time_us, source, destination, Transport::Udp, text);
        producer.push(&Capture { agent_id: Some(7), rewritten_uri, ..capture }).expect("there is room");
    }
    let report_table = format!("report_{table}");
    let report = Capture {
        kind: RowKind::Report(5),
        correlation_id: Some(b"report-1"),
        table: Some(report_table.as_bytes()),
        ..Capture::sip(1, source, destination, Transport::Tls, b"a line")
    };
    producer.push(&report).expect("there is room");
    let stop = Arc::new(AtomicBool::new(false));
    let consumer = Consumer::take(&lanes, 0).expect("shared memory").expect("no other writer");
    let told = Arc::clone(&stop);
    let writer = thread::spawn(move || Writer::start(consumer, 0, plan, told).expect("a writer").run(&mut || {}));
    let counts = || {
        let totals = lanes.totals();
        let (stored, dead_lettered) = (totals.committed(Committed::Stored), totals.committed(Committed::DeadLettered));
        Counts { stored, dead_lettered }
    };
    within(PATIENCE, "each capture is stored or a dead letter", || counts().stored + counts().dead_lettered == 22);
    stop.store(true, Ordering::Relaxed);
    lanes.wake(0);
    assert_eq!(writer.join().expect("no panic").expect("no error"), Ending::Drained);
    counts()
}

#[test]
fn captures_of_a_table_that_stays_missing_are_sent_when_it_is_there() {
    let server = Postgres::shared();
    let url = server.create_database("letters_missing");
    let spool = TempDir::new().expect("a private directory");
    assert_eq!(write(&url, "calls", spool.path()), Counts { stored: 0, dead_lettered: 22 });
    let listed = document(spool.path(), &["dead-letters"]);
    assert_eq!(listed["total"], 22);
    let counts = listed["counts"].as_array().expect("counts");
    assert_eq!((&counts[0]["count"], &counts[0]["table"]), (&21.into(), &"calls".into()), "{counts:?}");
    assert_eq!((&counts[1]["count"], &counts[1]["table"]), (&1.into(), &"report_calls".into()), "{counts:?}");
    assert!(counts[0]["reason"].as_str().unwrap().contains("table calls does not exist"), "{counts:?}");

    let missing = tool(spool.path(), &["replay-dead-letters", "--db", &url]);
    assert!(missing.code == 1 && missing.out.contains("21 by calls: table calls does not exist"), "{missing:?}");
    make_table(&url, "calls");
    let one_there = tool(spool.path(), &["replay-dead-letters", "--db", &url]);
    assert!(one_there.code == 1 && one_there.out.starts_with("21 letters stored"), "{one_there:?}");
    let created = tool(spool.path(), &["replay-dead-letters", "--db", &url, "--create-tables"]);
    assert!(created.code == 0 && created.out.starts_with("1 letter stored"), "{created:?}");

    // As a writer stores them that finds its tables.
    make_table(&url, "unrefused");
    make_table(&url, "report_unrefused");
    assert_eq!(write(&url, "unrefused", &spool.path().join("other")), Counts { stored: 22, dead_lettered: 0 });
    assert_eq!(rows(&url, "calls"), rows(&url, "unrefused"));
    assert_eq!(rows(&url, "report_calls"), rows(&url, "report_unrefused"));
}

#[test]
fn what_is_refused_after_a_replay_goes_to_a_new_file() {
    let server = Postgres::shared();
    let url = server.create_database("letters_later");
    for table in ["calls", "report_calls"] {
        make_table(&url, table);
    }
    execute(&url, "ALTER TABLE calls ADD CONSTRAINT no_bye CHECK (method <> 'BYE') NOT VALID");
    let spool = TempDir::new().expect("a private directory");
    for _ in 0..2 {
        assert_eq!(write(&url, "calls", spool.path()), Counts { stored: 19, dead_lettered: 3 });
    }
    let listed = document(spool.path(), &["dead-letters"]);
    assert_eq!((&listed["files"], &listed["total"]), (&2.into(), &6.into()), "{listed:#}");
    execute(&url, "ALTER TABLE calls DROP CONSTRAINT no_bye");
    let replayed = tool(spool.path(), &["replay-dead-letters", "--db", &url]);
    assert!(replayed.code == 0 && replayed.out.starts_with("6 letters stored"), "{replayed:?}");
    assert_eq!(rows(&url, "calls").len(), 42);
}
