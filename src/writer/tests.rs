//! The writer around sinks that fail on purpose.

use super::health::{Health, SinkPlace};
use super::sinks::rows::store::{Store, WriteOutcome};
use super::sinks::rows::{RowFormat, RowSink};
use super::table_waits::TableWaits;
use super::tries::RetryLimit;
use super::*;
use crate::capture::{Capture, RowKind, Transport};
use crate::queue::counters::Committed;
use crate::queue::lane::{Consumer, Geometry, Lanes, Producer};
use crate::sink::{DatabaseUrl, Sink, SinkError, SinkOptions, Written};
use crate::sip::HeaderNames;
use crate::table::test_dialect::DIALECT;
use crate::table::{ColumnNames, Layout, Row, TraceColumnNames, Value, report_layout, sip_layout, trace_layout};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What a scripted sink answers to one write; afterwards it takes everything it may.
enum Answer {
    Away,
    TableUnusable,
    TableLocked,
}

#[derive(Default)]
struct Scripted {
    answers: VecDeque<Answer>,
    refuses: Vec<Vec<u8>>,
    rows: Vec<Vec<u8>>,
    writes: usize,
}

struct ScriptedSink(Arc<Mutex<Scripted>>);

impl Sink for ScriptedSink {
    fn write(&mut self, _: &str, _: &Layout, rows: &[Row<'_>]) -> Result<Written, SinkError> {
        let mut script = self.0.lock().unwrap();
        script.writes += 1;
        match script.answers.pop_front() {
            Some(Answer::Away) => return Err(SinkError::Unavailable("away".to_owned())),
            Some(Answer::TableUnusable) => return Err(SinkError::TableUnusable("no table".to_owned())),
            Some(Answer::TableLocked) => return Err(SinkError::TableLocked("locked".to_owned())),
            None => {}
        }
        let messages: Vec<Vec<u8>> = rows.iter().map(message_of).collect();
        if messages.iter().any(|message| script.refuses.contains(message)) {
            return Err(SinkError::Rejected("bad row".to_owned()));
        }
        script.rows.extend(messages);
        Ok(Written { truncated: 1 })
    }
}

fn message_of(row: &Row<'_>) -> Vec<u8> {
    match row.last() {
        Some(Value::Bytes(bytes)) => bytes.to_vec(),
        other => panic!("a report row ends with its message, not with {other:?}"),
    }
}

fn lanes() -> Arc<Lanes> {
    Arc::new(Lanes::map(Geometry { lanes: 1, writers: 1, sinks: 1, lane_bytes: 1 << 20, wake_bytes: 1 << 18 }).unwrap())
}

fn health(lanes: &Arc<Lanes>) -> Health {
    Health::new(place(lanes), "the database")
}

/// Where what the sink cannot take has no spool to go to.
fn place(lanes: &Arc<Lanes>) -> SinkPlace {
    SinkPlace { lanes: Arc::clone(lanes), writer: 0, number: 0, has_spool: Arc::default(), away: Arc::default() }
}

fn store(script: &Arc<Mutex<Scripted>>, lanes: &Arc<Lanes>, table_wait: Duration) -> (Store, Arc<AtomicBool>) {
    let give_up = Arc::new(AtomicBool::new(false));
    let sink = Box::new(ScriptedSink(Arc::clone(script)));
    (
        Store::new(
            sink,
            [RetryLimit::Unlimited; 2],
            TableWaits::new(table_wait, "sink"),
            health(lanes),
            Arc::clone(&give_up),
        ),
        give_up,
    )
}

fn refused(outcome: &WriteOutcome) -> Vec<usize> {
    outcome.refused.iter().flat_map(|refusal| refusal.rows.clone()).collect()
}

fn rows(messages: &[String]) -> Vec<Row<'_>> {
    messages.iter().map(|message| vec![Value::Bytes(message.as_bytes())]).collect()
}

fn messages(count: usize) -> Vec<String> {
    (0..count).map(|number| number.to_string()).collect()
}

#[test]
fn bad_rows_are_found_by_halving_and_their_neighbours_are_stored_in_order() {
    let script = Arc::new(Mutex::new(Scripted::default()));
    script.lock().unwrap().refuses = vec![b"0".to_vec(), b"77".to_vec(), b"78".to_vec(), b"499".to_vec()];
    let (mut store, _) = store(&script, &lanes(), Duration::ZERO);
    let messages = messages(500);
    let done = store.write("t", &report_layout(&ColumnNames::default()), &rows(&messages));
    assert_eq!((refused(&done), done.left.len()), (vec![0, 77, 78, 499], 0));
    let expected: Vec<&String> = messages.iter().filter(|m| !["0", "77", "78", "499"].contains(&m.as_str())).collect();
    let script = script.lock().unwrap();
    let got: Vec<String> = script.rows.iter().map(|row| String::from_utf8(row.clone()).unwrap()).collect();
    assert_eq!(got.iter().collect::<Vec<_>>(), expected);
    assert!(script.writes < 100, "{} writes for four bad rows of 500", script.writes);
}

#[test]
fn a_sink_that_is_away_is_asked_again_until_it_answers() {
    let script = Arc::new(Mutex::new(Scripted { answers: [Answer::Away, Answer::Away].into(), ..Default::default() }));
    let lanes = lanes();
    let (mut store, _) = store(&script, &lanes, Duration::ZERO);
    let messages = messages(3);
    let done = store.write("t", &report_layout(&ColumnNames::default()), &rows(&messages));
    assert_eq!(done, WriteOutcome { truncated: 1, ..WriteOutcome::default() });
    let state = lanes.sink_state(0, 0);
    assert_eq!((state.up, state.errors, state.last_error.as_str()), (Some(true), 2, "away"));
}

#[test]
fn a_table_that_comes_back_in_time_gets_its_rows() {
    let answers = [Answer::TableUnusable, Answer::TableUnusable].into();
    let script = Arc::new(Mutex::new(Scripted { answers, ..Default::default() }));
    let (mut store, _) = store(&script, &lanes(), Duration::from_secs(60));
    let messages = messages(2);
    let done = store.write("t", &report_layout(&ColumnNames::default()), &rows(&messages));
    assert_eq!((refused(&done), done.left.len()), (vec![], 0));
}

#[test]
fn rows_for_a_locked_table_are_asked_for_again_without_a_spool_and_left_with_one_and_never_refused() {
    let answers = || (0..2).map(|_| Answer::TableLocked).collect();
    let script = Arc::new(Mutex::new(Scripted { answers: answers(), ..Default::default() }));
    let lanes = lanes();
    let (mut store, _) = store(&script, &lanes, Duration::ZERO);
    let (messages, layout) = (messages(3), report_layout(&ColumnNames::default()));
    assert_eq!(store.write("t", &layout, &rows(&messages)), WriteOutcome { truncated: 1, ..WriteOutcome::default() });
    script.lock().unwrap().answers = answers();
    let spooled = SinkPlace { has_spool: Arc::new(AtomicBool::new(true)), ..place(&lanes) };
    let sink = Box::new(ScriptedSink(Arc::clone(&script)));
    let waits = TableWaits::new(Duration::ZERO, "sink");
    let mut store =
        Store::new(sink, [RetryLimit::Unlimited; 2], waits, Health::new(spooled, "the database"), Arc::default());
    let done = store.write("t", &layout, &rows(&messages));
    assert_eq!((done.left.iter().map(Range::len).sum::<usize>(), refused(&done).len(), done.away), (3, 0, false));
}

#[test]
fn rows_for_a_table_that_stays_away_are_refused_without_halving() {
    let answers = [Answer::TableUnusable].into();
    let script = Arc::new(Mutex::new(Scripted { answers, ..Default::default() }));
    let (mut store, _) = store(&script, &lanes(), Duration::ZERO);
    let messages = messages(100);
    let done = store.write("t", &report_layout(&ColumnNames::default()), &rows(&messages));
    assert_eq!((refused(&done).len(), done.left.len()), (100, 0));
    assert_eq!(script.lock().unwrap().writes, 1);
}

#[test]
fn many_missing_tables_share_one_wait() {
    let answers = (0..1000).map(|_| Answer::TableUnusable).collect();
    let script = Arc::new(Mutex::new(Scripted { answers, ..Default::default() }));
    let (mut store, _) = store(&script, &lanes(), Duration::from_millis(250));
    let messages = messages(2);
    let layout = report_layout(&ColumnNames::default());
    assert_eq!(refused(&store.write("first", &layout, &rows(&messages))).len(), 2);
    let asked = script.lock().unwrap().writes;
    for number in 0..100 {
        assert_eq!(refused(&store.write(&format!("t{number}"), &layout, &rows(&messages))).len(), 2);
    }
    assert_eq!(script.lock().unwrap().writes, asked + 100, "a later table is asked once and not waited for");
}

/// Writes five rows twice to a sink that stays away; how many tries each time made.
fn tries_in_vain(retry_limit: RetryLimit) -> [usize; 2] {
    let answers = (0..100).map(|_| Answer::Away).collect();
    let script = Arc::new(Mutex::new(Scripted { answers, ..Default::default() }));
    let sink = Box::new(ScriptedSink(Arc::clone(&script)));
    let mut store =
        Store::new(sink, [retry_limit; 2], TableWaits::new(Duration::ZERO, "sink"), health(&lanes()), Arc::default());
    let messages = messages(5);
    [(); 2].map(|()| {
        let before = script.lock().unwrap().writes;
        let done = store.write("t", &report_layout(&ColumnNames::default()), &rows(&messages));
        assert_eq!(
            done,
            WriteOutcome { left: vec![Range { start: 0, end: 5 }], away: true, ..WriteOutcome::default() }
        );
        script.lock().unwrap().writes - before
    })
}

#[test]
fn rows_are_left_after_as_many_more_tries_as_were_asked_for_each_time() {
    let within = Duration::from_secs(600);
    assert_eq!(tries_in_vain(RetryLimit::Bounded { retries: 0, within }), [1, 1]);
    assert_eq!(tries_in_vain(RetryLimit::Bounded { retries: 2, within }), [3, 3]);
}

#[test]
fn rows_are_left_when_the_time_for_tries_is_over_though_tries_are_left() {
    assert_eq!(tries_in_vain(RetryLimit::Bounded { retries: 500, within: Duration::ZERO }), [1, 1]);
    let [first, second] = tries_in_vain(RetryLimit::Bounded { retries: 500, within: Duration::from_millis(150) });
    assert!((2..500).contains(&first) && (2..500).contains(&second), "{first} and {second} tries");
}

#[test]
fn a_sink_that_comes_back_within_the_tries_gets_all_rows() {
    let script = Arc::new(Mutex::new(Scripted { answers: [Answer::Away, Answer::Away].into(), ..Default::default() }));
    let sink = Box::new(ScriptedSink(Arc::clone(&script)));
    let retry_limit = RetryLimit::Bounded { retries: 2, within: Duration::from_secs(600) };
    let mut store =
        Store::new(sink, [retry_limit; 2], TableWaits::new(Duration::ZERO, "sink"), health(&lanes()), Arc::default());
    let messages = messages(5);
    let done = store.write("t", &report_layout(&ColumnNames::default()), &rows(&messages));
    assert_eq!((done.left.len(), done.away), (0, false));
    let script = script.lock().unwrap();
    assert_eq!((script.writes, script.rows.len()), (3, 5));
}

#[test]
fn a_table_that_has_taken_rows_is_waited_for_although_another_is_missing_for_long() {
    let script = Arc::new(Mutex::new(Scripted::default()));
    let (mut store, _) = store(&script, &lanes(), Duration::from_millis(250));
    let messages = messages(1);
    let layout = report_layout(&ColumnNames::default());
    store.write("proven", &layout, &rows(&messages));
    script.lock().unwrap().answers = (0..1000).map(|_| Answer::TableUnusable).collect();
    assert_eq!(refused(&store.write("never made", &layout, &rows(&messages))), [0]);
    let asked = script.lock().unwrap().writes;
    script.lock().unwrap().answers = [Answer::TableUnusable, Answer::TableUnusable].into();
    assert_eq!(store.write("proven", &layout, &rows(&messages)).refused, []);
    assert_eq!(script.lock().unwrap().writes, asked + 3, "it is asked again until it is there");
}

#[test]
fn a_table_with_a_worker_of_its_own_is_waited_for_apart_and_all_others_together() {
    let lanes = lanes();
    let spooled = SinkPlace { has_spool: Arc::new(AtomicBool::new(true)), ..place(&lanes) };
    let script = Arc::new(Mutex::new(Scripted::default()));
    script.lock().unwrap().answers = (0..1000).map(|_| Answer::TableUnusable).collect();
    let waits = TableWaits::new(Duration::from_secs(1), "sink");
    let sink = Box::new(ScriptedSink(Arc::clone(&script)));
    let health = Health::new(spooled, "the database");
    let mut store = Store::new(sink, [RetryLimit::Unlimited; 2], Arc::clone(&waits), health, Arc::default());
    let (messages, layout) = (messages(1), report_layout(&ColumnNames::default()));
    let mut is_refused = |table: &str| !refused(&store.write(table, &layout, &rows(&messages))).is_empty();
    assert!(!is_refused("never made"));
    waits.note_alone(&spool_names::name_of_table("sink", "never made"));
    assert!(!is_refused("never made"));
    waits.expire();
    assert!(is_refused("never made"), "its wait is over");
    assert!(!is_refused("of a new day"), "that of another begins");
    // Without a worker of its own.
    waits.expire();
    assert!(is_refused("beyond"), "all such tables share one");
}

#[test]
fn giving_up_leaves_rows_undelivered_and_uncounted() {
    let answers = (0..100).map(|_| Answer::Away).collect();
    let script = Arc::new(Mutex::new(Scripted { answers, ..Default::default() }));
    let (mut store, give_up) = store(&script, &lanes(), Duration::ZERO);
    give_up.store(true, Ordering::Relaxed);
    let messages = messages(5);
    let done = store.write("t", &report_layout(&ColumnNames::default()), &rows(&messages));
    assert_eq!((done.left.first(), done.left.len(), done.away), (Some(&(0..5)), 1, true));
}

/// Runs a writer that dies in its turn number `fatal_turn`, with nothing put in order.
pub(super) fn die_at_turn(writer: Writer, fatal_turn: u32) {
    let mut turns = 0;
    let died = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        writer.run(&mut || {
            turns += 1;
            // A panic's text would only be noise.
            if turns == fatal_turn {
                std::panic::resume_unwind(Box::new("killed"));
            }
        })
    }));
    assert!(died.is_err());
}

/// A database that gets rows.
pub(super) fn row_sink(url: DatabaseUrl, create_tables: bool) -> SinkPlan {
    let format = RowFormat {
        table: "sip_capture".to_owned(),
        node: "node".to_owned(),
        headers: HeaderNames::default(),
        rows: DIALECT,
        sip: sip_layout(&ColumnNames::default()),
        report: report_layout(&ColumnNames::default()),
        trace: trace_layout(&TraceColumnNames::default()),
    };
    let options = SinkOptions { create_tables, ..SinkOptions::default() };
    SinkPlan::new(RowSink { url, options, format: Arc::new(format) }, "db_url")
}

pub(super) fn plan(directory: &tempfile::TempDir, create_tables: bool) -> WriterPlan {
    let path = directory.path().join("capture.db");
    WriterPlan {
        sinks: vec![row_sink(DatabaseUrl::parse(&format!("sqlite:///{}", path.display())).unwrap(), create_tables)],
        batch_size: 50,
        flush_interval: Duration::from_millis(5),
        shutdown_timeout: Duration::from_secs(30),
        table_wait: Duration::ZERO,
        insert_retries: 0,
        insert_retry_timeout: Duration::from_secs(60),
        spool: None,
    }
}

fn nowhere() -> Vec<SinkPlan> {
    let url = DatabaseUrl::parse("postgres://nobody@127.0.0.1:1/none").unwrap();
    vec![row_sink(url, false)]
}

pub(super) fn capture(payload: &[u8]) -> Capture<'_> {
    let endpoint = "127.0.0.1:5060".parse().unwrap();
    Capture::sip(1_700_000_000_000_000, endpoint, endpoint, Transport::Udp, payload)
}

fn run(lanes: &Arc<Lanes>, plan: WriterPlan, stop: &Arc<AtomicBool>) -> Ending {
    let consumer = Consumer::take(lanes, 0).unwrap().unwrap();
    Writer::start(consumer, 0, plan, Arc::clone(stop)).unwrap().run(&mut || {}).unwrap()
}

#[test]
fn everything_queued_is_stored_before_a_stopped_writer_ends() {
    let directory = tempfile::tempdir().unwrap();
    let lanes = lanes();
    let mut producer = Producer::attach(&lanes, 0).unwrap();
    for number in 0..333 {
        let payload = format!("OPTIONS sip:{number} SIP/2.0\r\n\r\n");
        let report = Capture { kind: RowKind::Report(5), table: Some(b"logs_capture"), ..capture(b"log") };
        let dated = Capture { table: Some(b"sip_%Y%m%d"), ..capture(payload.as_bytes()) };
        producer.push(if number % 3 == 0 { &report } else { &dated }).unwrap();
    }
    let ending = run(&lanes, plan(&directory, true), &Arc::new(AtomicBool::new(true)));
    assert_eq!(ending, Ending::Drained);
    let totals = lanes.totals();
    assert_eq!((totals.committed(Committed::Stored), totals.queued(), totals.dropped()), (333, 0, 0));
    let database = rusqlite::Connection::open(directory.path().join("capture.db")).unwrap();
    let count = |table: &str| -> i64 {
        database.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    };
    assert_eq!((count("sip_20231114"), count("logs_capture")), (222, 111));
}

#[test]
fn a_bad_table_name_costs_its_own_capture_only() {
    let directory = tempfile::tempdir().unwrap();
    let lanes = lanes();
    let mut producer = Producer::attach(&lanes, 0).unwrap();
    producer.push(&Capture { table: Some(b"no;good"), ..capture(b"x") }).unwrap();
    producer.push(&capture(b"x")).unwrap();
    assert_eq!(run(&lanes, plan(&directory, true), &Arc::new(AtomicBool::new(true))), Ending::Drained);
    let totals = lanes.totals();
    assert_eq!((totals.committed(Committed::Stored), totals.committed(Committed::Rejected)), (1, 1));
}

#[test]
fn captures_that_miss_the_deadline_stay_queued_for_whoever_comes_next() {
    let directory = tempfile::tempdir().unwrap();
    let lanes = lanes();
    let mut producer = Producer::attach(&lanes, 0).unwrap();
    for _ in 0..120 {
        producer.push(&capture(b"x")).unwrap();
    }
    let away = WriterPlan { sinks: nowhere(), shutdown_timeout: Duration::from_millis(50), ..plan(&directory, false) };
    let stop = Arc::new(AtomicBool::new(true));
    assert_eq!(run(&lanes, away, &stop), Ending::TimeOver(120));
    assert_eq!(lanes.totals().queued(), 120);
    let mut consumer = Consumer::take(&lanes, 0).unwrap().unwrap();
    assert_eq!(consumer.abandon(Committed::Shutdown), 120);
    assert_eq!((lanes.totals().queued(), lanes.totals().dropped()), (0, 120));
}

#[test]
fn a_writer_that_is_told_alone_leaves_the_server_its_time_for_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let lanes = lanes();
    let mut producer = Producer::attach(&lanes, 0).unwrap();
    for _ in 0..120 {
        producer.push(&capture(b"x")).unwrap();
    }
    assert_eq!(run(&lanes, plan(&directory, true), &Arc::new(AtomicBool::new(true))), Ending::Drained);
    assert_eq!(lanes.shutdown_left(), None);
    assert_eq!(lanes.totals().committed(Committed::Stored), 120);
}

#[test]
fn a_writer_that_is_told_alone_ends_however_much_comes_after() {
    let directory = tempfile::tempdir().unwrap();
    let lanes = lanes();
    let mut producer = Producer::attach(&lanes, 0).unwrap();
    for _ in 0..50 {
        producer.push(&capture(b"x")).unwrap();
    }
    // Each turn of the writer finds one more capture: the lane is never empty.
    let plan = WriterPlan { shutdown_timeout: Duration::from_secs(600), ..plan(&directory, true) };
    let consumer = Consumer::take(&lanes, 0).unwrap().unwrap();
    let writer = Writer::start(consumer, 0, plan, Arc::new(AtomicBool::new(true))).unwrap();
    let ending = writer.run(&mut || producer.push(&capture(b"x")).unwrap()).unwrap();
    assert_eq!(ending, Ending::Drained);
    let totals = lanes.totals();
    assert!(totals.committed(Committed::Stored) >= 50 && totals.queued() > 0, "{totals:?}");
    assert_eq!(totals.captured(), totals.committed(Committed::Stored) + totals.queued());
}

#[test]
fn many_tables_of_a_database_that_is_away_do_not_hold_up_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let lanes = lanes();
    let mut producer = Producer::attach(&lanes, 0).unwrap();
    for number in 0..300 {
        let table = format!("t_{number}");
        producer.push(&Capture { table: Some(table.as_bytes()), ..capture(b"x") }).unwrap();
    }
    let away = WriterPlan { sinks: nowhere(), shutdown_timeout: Duration::from_millis(50), ..plan(&directory, false) };
    lanes.begin_shutdown(away.shutdown_timeout);
    assert_eq!(run(&lanes, away, &Arc::new(AtomicBool::new(true))), Ending::TimeOver(300));
}
