//! The sink and its process's work, in two threads around drivers that fail on purpose.

use super::*;
use crate::table::{Column, ColumnKind, Value};
use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

/// What a scripted driver does with one call of `insert`; afterwards it takes everything.
enum Turn {
    Refuse,
    /// Waits until the test lets it go on.
    Hang,
}

#[derive(Default)]
struct Script {
    turns: VecDeque<Turn>,
    /// Answers to `connect`; afterwards it connects.
    connects: VecDeque<bool>,
    has_table: Option<bool>,
    calls: Vec<String>,
    rows: Vec<(String, Vec<String>)>,
}

struct ScriptedDriver {
    script: Arc<Mutex<Script>>,
    go_on: Receiver<()>,
}

impl HostDatabase for ScriptedDriver {
    fn working(&mut self, _: bool) {}

    fn connect(&mut self) -> bool {
        let mut script = self.script.lock().unwrap();
        script.calls.push("connect".to_owned());
        script.connects.pop_front().unwrap_or(true)
    }

    fn insert(&mut self, row: &Request<'_>) -> bool {
        let turn = {
            let mut script = self.script.lock().unwrap();
            script.calls.push("insert".to_owned());
            script.turns.pop_front()
        };
        match turn {
            Some(Turn::Refuse) => return false,
            Some(Turn::Hang) => self.go_on.recv().unwrap(),
            None => {}
        }
        let columns = row.columns.iter().zip(&row.values);
        let shown = columns.map(|(name, value)| format!("{} {value:?}", String::from_utf8_lossy(name)));
        let table = String::from_utf8_lossy(row.table).into_owned();
        self.script.lock().unwrap().rows.push((table, shown.collect()));
        true
    }

    fn has_table(&mut self, _: &Request<'_>) -> Option<bool> {
        self.script.lock().unwrap().has_table
    }

    fn close(&mut self) {
        self.script.lock().unwrap().calls.push("close".to_owned());
    }
}

/// A sink, its driver's script, and the means to let a hanging driver go on.
struct Stage {
    sink: HostSink,
    script: Arc<Mutex<Script>>,
    go_on: Sender<()>,
    link: Arc<HostLink>,
    process: Option<thread::JoinHandle<()>>,
}

impl Stage {
    fn new(script: Script, io_timeout: Duration) -> Stage {
        let (link, end) = HostLink::pair().unwrap();
        let link = Arc::new(link);
        let script = Arc::new(Mutex::new(script));
        let (go_on, waits) = channel();
        let mut driver = ScriptedDriver { script: Arc::clone(&script), go_on: waits };
        let process = thread::spawn(move || serve(&end, &mut driver));
        let sink = sink(&link, io_timeout);
        Stage { sink, script, go_on, link, process: Some(process) }
    }

    fn write(&mut self, call_id: &str) -> Result<Written, SinkError> {
        self.sink.write("sip_capture", &layout(), &[row(call_id.as_bytes())])
    }

    fn calls(&self) -> String {
        self.script.lock().unwrap().calls.join(" ")
    }

    fn stored(&self) -> Vec<String> {
        let script = self.script.lock().unwrap();
        let call_id = |values: &Vec<String>| values[3].clone();
        script.rows.iter().map(|(_, values)| call_id(values)).collect()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.link.close();
        let ended = self.process.take().expect("it is taken here alone").join();
        assert!(ended.is_ok() || thread::panicking());
    }
}

fn sink(link: &Arc<HostLink>, io_timeout: Duration) -> HostSink {
    let options = SinkOptions { io_timeout, ..SinkOptions::default() };
    HostSink::new(Some(Arc::clone(link)), "text:///x".to_owned(), options)
}

const LONG: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(50);

fn layout() -> Layout {
    use ColumnKind::{BigInt, Int, Message, Text, Time};
    let columns = [("date", Time), ("micro_ts", BigInt), ("source_port", Int), ("callid", Text), ("msg", Message)];
    let column =
        |(key, kind): (&'static str, ColumnKind)| Column { key, name: format!("my_{key}"), kind, is_optional: false };
    Layout { columns: columns.map(column).to_vec() }
}

fn row(call_id: &[u8]) -> Row<'_> {
    vec![Value::Time(-1), Value::Int(1_700_000_000_123_456), Value::Int(5060), Value::Bytes(call_id), Value::Bytes(b"")]
}

#[test]
fn a_row_arrives_under_its_names_and_types() {
    let mut stage = Stage::new(Script::default(), LONG);
    stage.write("a").unwrap();
    let script = stage.script.lock().unwrap();
    let values = ["my_date Time(-1)", "my_micro_ts BigInt(1700000000123456)", "my_source_port Int(5060)"];
    let texts = ["my_callid Text([97])", "my_msg Blob([])"];
    let expected: Vec<String> = values.iter().chain(&texts).map(|text| (*text).to_owned()).collect();
    assert_eq!(script.rows, [("sip_capture".to_owned(), expected)]);
}

#[test]
fn names_end_with_a_zero_byte_behind_the_slice() {
    let mut body = Vec::new();
    frame::encode_request(&mut body, true, "table", &layout(), &row(b"a"));
    let request = frame::decode_request(&body).unwrap();
    assert!(request.delayed);
    let begins = body.as_ptr() as usize;
    for name in request.columns.iter().chain([&request.table]) {
        assert_eq!(body[name.as_ptr() as usize - begins + name.len()], 0);
    }
}

#[test]
fn bytes_that_are_no_request_are_refused() {
    let mut body = Vec::new();
    frame::encode_request(&mut body, false, "table", &layout(), &row(b"a"));
    for length in 0..body.len() {
        assert_eq!(frame::decode_request(&body[..length]), None, "{length} of {} bytes", body.len());
    }
    for position in 0..body.len() {
        let mut other = body.clone();
        other[position] = 0xff;
        // What comes of it does not matter, as long as it comes.
        let _ = frame::decode_request(&other);
    }
}

#[test]
fn a_row_of_many_parts_arrives_whole() {
    let mut stage = Stage::new(Script::default(), LONG);
    let long = "x".repeat(300_000);
    stage.write(&long).unwrap();
    stage.write("b").unwrap();
    assert_eq!(stage.stored()[0].matches("120").count(), 300_000);
    assert_eq!(stage.stored().len(), 2);
}

#[test]
fn more_rows_than_one_are_refused_together() {
    let mut stage = Stage::new(Script::default(), LONG);
    assert_eq!(stage.sink.most_rows(), 1);
    let outcome = stage.sink.write("t", &layout(), &[row(b"a"), row(b"b")]);
    assert!(matches!(outcome, Err(SinkError::Rejected(_))), "{outcome:?}");
    assert_eq!(stage.stored().len(), 0);
}

#[test]
fn a_database_that_does_not_connect_is_away_until_it_does() {
    let mut stage = Stage::new(Script { connects: [false].into(), ..Script::default() }, LONG);
    let outcome = stage.write("a");
    assert!(matches!(&outcome, Err(SinkError::Unavailable(why)) if why.contains("text:///x")), "{outcome:?}");
    stage.write("a").unwrap();
    stage.write("b").unwrap();
    assert_eq!(stage.calls(), "connect connect insert insert");
}

#[test]
fn a_failed_insert_is_tried_once_more_on_a_new_connection() {
    let mut stage = Stage::new(Script::default(), LONG);
    stage.write("a").unwrap();
    stage.script.lock().unwrap().turns = [Turn::Refuse].into();
    stage.write("b").unwrap();
    assert_eq!(stage.calls(), "connect insert insert close connect insert");
    assert_eq!(stage.stored().len(), 2);
}

#[test]
fn a_failed_insert_without_a_new_connection_is_an_outage() {
    let mut stage = Stage::new(Script::default(), LONG);
    stage.write("a").unwrap();
    {
        let mut script = stage.script.lock().unwrap();
        script.turns = [Turn::Refuse].into();
        script.connects = [false].into();
    }
    let outcome = stage.write("b");
    assert!(matches!(outcome, Err(SinkError::Unavailable(_))), "{outcome:?}");
    stage.write("b").unwrap();
}

#[test]
fn a_row_that_fails_twice_is_refused_unless_the_table_is_missing() {
    for (has_table, unusable) in [(None, false), (Some(true), false), (Some(false), true)] {
        let turns = [Turn::Refuse, Turn::Refuse].into();
        let mut stage = Stage::new(Script { has_table, ..Script::default() }, LONG);
        stage.write("a").unwrap();
        stage.script.lock().unwrap().turns = turns;
        match stage.write("b") {
            Err(SinkError::TableUnusable(why)) => assert!(unusable && why.contains("sip_capture"), "{why}"),
            Err(SinkError::Rejected(why)) => assert!(!unusable, "{why}"),
            other => panic!("{other:?}"),
        }
        stage.write("c").unwrap();
        assert_eq!(stage.stored().len(), 2);
    }
}

#[test]
fn a_late_answer_counts_for_the_same_row() {
    let mut stage = Stage::new(Script { turns: [Turn::Hang].into(), ..Script::default() }, SHORT);
    for _ in 0..3 {
        let outcome = stage.write("a");
        assert!(matches!(outcome, Err(SinkError::Unavailable(_))), "{outcome:?}");
    }
    stage.go_on.send(()).unwrap();
    stage.sink.options.io_timeout = LONG;
    stage.write("a").unwrap();
    assert_eq!(stage.stored().len(), 1, "the row is stored twice");
}

#[test]
fn a_late_answer_is_not_taken_for_another_rows() {
    let mut stage = Stage::new(Script { turns: [Turn::Hang].into(), ..Script::default() }, SHORT);
    assert!(stage.write("a").is_err());
    stage.go_on.send(()).unwrap();
    stage.sink.options.io_timeout = LONG;
    // The answer to "a" says that it is stored; "b" is refused.
    stage.script.lock().unwrap().turns = [Turn::Refuse, Turn::Refuse].into();
    let outcome = stage.write("b");
    assert!(matches!(outcome, Err(SinkError::Rejected(_))), "{outcome:?}");
}

#[test]
fn a_writers_successor_does_not_take_the_answers_of_its_predecessor() {
    let mut stage = Stage::new(Script { turns: [Turn::Hang].into(), ..Script::default() }, SHORT);
    assert!(stage.write("a").is_err());
    stage.sink = sink(&stage.link, LONG);
    stage.script.lock().unwrap().turns = [Turn::Refuse, Turn::Refuse].into();
    stage.go_on.send(()).unwrap();
    let outcome = stage.write("b");
    assert!(matches!(outcome, Err(SinkError::Rejected(_))), "{outcome:?}");
}

/// A sink whose process "dies" at each request: nobody reads, and the parent says so.
fn write_at_a_death(sink: &mut HostSink, end: &HostEnd, call_id: &str, crashed: bool) -> Result<Written, SinkError> {
    thread::scope(|scope| {
        let written = scope.spawn(|| sink.write("t", &layout(), &[row(call_id.as_bytes())]));
        let mut inbox = Inbox::new();
        while !matches!(inbox.receive(end, RecvFlags::empty()), Ok(FrameReceived::Whole(_))) {}
        end.say_ended(crashed, "it ended by signal 11");
        written.join().unwrap()
    })
}

#[test]
fn a_row_at_which_the_driver_crashes_again_and_again_is_refused() {
    let (link, end) = HostLink::pair().unwrap();
    let mut sink = sink(&Arc::new(link), LONG);
    let mut crash = |call_id, crashed| write_at_a_death(&mut sink, &end, call_id, crashed);
    assert!(matches!(crash("a", true), Err(SinkError::Unavailable(_))));
    assert!(matches!(crash("b", true), Err(SinkError::Unavailable(_))));
    for _ in 1..CRASHES {
        assert!(matches!(crash("a", true), Err(SinkError::Unavailable(_))));
        // Somebody else's kill is no fault of the row.
        assert!(matches!(crash("a", false), Err(SinkError::Unavailable(_))));
    }
    let outcome = crash("a", true);
    assert!(matches!(&outcome, Err(SinkError::Rejected(why)) if why.contains("signal 11")), "{outcome:?}");
}

#[test]
fn what_a_dead_process_had_not_read_is_thrown_away() {
    let (link, end) = HostLink::pair().unwrap();
    let link = Arc::new(link);
    let mut sink = sink(&link, SHORT);
    let long = vec![b'x'; 50_000];
    assert!(matches!(sink.write("t", &layout(), &[row(&long)]), Err(SinkError::Unavailable(_))));
    end.say_ended(false, "gone");
    let outcome = Inbox::new().receive(&end, RecvFlags::DONTWAIT).unwrap();
    assert_eq!(outcome, FrameReceived::Nothing);
}

#[test]
fn without_a_process_the_database_is_away() {
    let (link, end) = HostLink::pair().unwrap();
    drop(end);
    let url = "text:///x".to_owned();
    for mut sink in [sink(&Arc::new(link), LONG), HostSink::new(None, url, SinkOptions::default())] {
        let outcome = sink.write("t", &layout(), &[row(b"a")]);
        assert!(matches!(outcome, Err(SinkError::Unavailable(_))), "{outcome:?}");
    }
}

#[test]
fn the_process_ends_and_closes_its_connection_when_the_other_end_is_closed() {
    let mut stage = Stage::new(Script::default(), LONG);
    stage.write("a").unwrap();
    let script = Arc::clone(&stage.script);
    drop(stage);
    assert_eq!(script.lock().unwrap().calls.join(" "), "connect insert close");
}
