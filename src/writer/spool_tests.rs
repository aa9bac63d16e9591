//! The writer with a spool: sinks that go away and come back, and writers that die in between.

use super::tests::{capture, die_at_turn, plan, row_sink};
use super::*;
use crate::capture::Capture;
use crate::queue::counters::{Committed, Totals};
use crate::queue::lane::{Consumer, Geometry, Lanes, Producer};
use crate::sink::DatabaseUrl;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Two sinks, SQLite files in directories that may be missing.
pub(super) struct Bench {
    pub(super) directory: tempfile::TempDir,
    pub(super) lanes: Arc<Lanes>,
    pub(super) producer: Producer,
    pub(super) stop: Arc<AtomicBool>,
}

impl Bench {
    pub(super) fn new() -> Bench {
        let geometry = Geometry { lanes: 1, writers: 1, sinks: 2, lane_bytes: 1 << 20, wake_bytes: 1 << 18 };
        let lanes = Arc::new(Lanes::map(geometry).unwrap());
        let producer = Producer::attach(&lanes, 0).unwrap();
        Bench { directory: tempfile::tempdir().unwrap(), lanes, producer, stop: Arc::new(AtomicBool::new(false)) }
    }

    pub(super) fn place(&self, sink: usize) -> PathBuf {
        self.directory.path().join(format!("sink{sink}"))
    }

    pub(super) fn plan(&self) -> WriterPlan {
        let sink = |number| {
            let url = format!("sqlite:///{}/capture.db", self.place(number).display());
            row_sink(DatabaseUrl::parse(&url).unwrap(), true)
        };
        let spool =
            SpoolPlan { directory: self.directory.path().join("spool"), limit_bytes: 64 << 20, sync: SpoolSync::Off };
        WriterPlan { sinks: vec![sink(0), sink(1)], spool: Some(spool), ..plan(&self.directory, true) }
    }

    pub(super) fn bring_up(&self, sink: usize) {
        std::fs::create_dir_all(self.place(sink)).unwrap();
    }

    pub(super) fn push(&mut self, sink: u8, numbers: std::ops::Range<usize>) {
        for number in numbers {
            let payload = format!("OPTIONS sip:{number} SIP/2.0\r\n\r\n");
            self.producer.push(&Capture { sink, ..capture(payload.as_bytes()) }).unwrap();
        }
    }

    /// Runs a writer beside `act`, then stops it in order.
    pub(super) fn while_running(&mut self, plan: WriterPlan, act: impl FnOnce(&mut Bench)) -> Ending {
        self.stop.store(false, Ordering::Relaxed);
        let consumer = Consumer::take(&self.lanes, 0).unwrap().unwrap();
        let stop = Arc::clone(&self.stop);
        let writer = thread::spawn(move || Writer::start(consumer, 0, plan, stop).unwrap().run(&mut || {}).unwrap());
        act(self);
        self.stop.store(true, Ordering::Relaxed);
        self.lanes.wake(0);
        writer.join().unwrap()
    }

    pub(super) fn until(&self, sentence: &str, condition: impl Fn(&Totals) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !condition(&self.lanes.totals()) {
            assert!(Instant::now() < deadline, "not in time: {sentence}: {:?}", self.lanes.totals());
            thread::sleep(Duration::from_millis(5));
        }
        self.assert_balance();
    }

    pub(super) fn assert_balance(&self) {
        let totals = self.lanes.totals();
        let known = totals.committed(Committed::Stored) + totals.spooled() + totals.queued() + totals.dropped();
        assert_eq!(totals.captured(), known + totals.committed(Committed::DeadLettered), "{totals:?}");
    }

    /// The request URIs in the order in which they were stored.
    fn stored(&self, sink: usize) -> Vec<String> {
        let Ok(database) = rusqlite::Connection::open(self.place(sink).join("capture.db")) else { return Vec::new() };
        let Ok(mut rows) = database.prepare("SELECT ruri FROM sip_capture ORDER BY id") else { return Vec::new() };
        rows.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }
}

fn uris(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|number| format!("sip:{number}")).collect()
}

fn files_below(place: &Path) -> usize {
    let entries = std::fs::read_dir(place).into_iter().flatten().flatten();
    entries.map(|entry| if entry.path().is_dir() { files_below(&entry.path()) } else { 1 }).sum()
}

#[test]
fn a_sink_that_is_away_stops_no_other_and_gets_all_in_order_when_it_is_back() {
    let mut bench = Bench::new();
    bench.bring_up(1);
    let plan = bench.plan();
    bench.while_running(plan, |bench| {
        bench.push(0, 0..500);
        bench.push(1, 0..500);
        bench.until("the other sink stores, this one's captures are spooled", |totals| {
            totals.committed(Committed::Stored) == 500 && totals.spooled() == 500 && totals.queued() == 0
        });
        bench.push(0, 500..700);
        bench.until("more is spooled", |totals| totals.spooled() == 700);
        bench.bring_up(0);
        bench.until("the spool is empty", |totals| totals.spooled() == 0);
    });
    assert_eq!(bench.lanes.totals().dropped(), 0);
    assert_eq!((bench.stored(0), bench.stored(1)), (uris(0..700), uris(0..500)));
}

#[test]
fn live_captures_do_not_wait_behind_a_long_replay() {
    const LONG: usize = 20_000;
    let mut bench = Bench::new();
    let plan = bench.plan();
    bench.while_running(plan, |bench| {
        for first in (0..LONG).step_by(500) {
            bench.push(0, first..first + 500);
            bench.until("nothing is queued", |totals| totals.queued() == 0);
        }
        assert_eq!(bench.lanes.totals().spooled(), LONG as u64);
        bench.bring_up(0);
        bench.until("the replay has begun", |totals| totals.committed(Committed::Stored) > 0);
        bench.push(0, LONG..LONG + 10);
        bench.until("the live captures have left the lane", |totals| {
            totals.captured() == LONG as u64 + 10 && totals.queued() == 0
        });
        let totals = bench.lanes.totals();
        assert!(totals.spooled() > 0, "the replay is over already: {totals:?}");
        assert_eq!(totals.committed(Committed::Spooled), LONG as u64, "live captures went to the spool: {totals:?}");
        bench.until("the spool is empty", |totals| totals.spooled() == 0);
    });
    let (live, replayed): (Vec<_>, Vec<_>) =
        bench.stored(0).into_iter().enumerate().partition(|(_, uri)| uris(LONG..LONG + 10).contains(uri));
    assert_eq!((live.len(), replayed.len()), (10, LONG));
    let (last_live, last_replayed) = (live[9].0, replayed[LONG - 1].0);
    assert!(last_live < last_replayed, "row {last_live} is behind all that was spooled");
}

#[test]
fn what_a_stopped_server_leaves_in_its_spool_the_next_one_stores() {
    let mut bench = Bench::new();
    bench.bring_up(1);
    bench.push(0, 0..300);
    let plan = bench.plan();
    assert_eq!(bench.while_running(plan, |_| {}), Ending::Drained);
    assert_eq!((bench.lanes.totals().spooled(), bench.lanes.totals().queued()), (300, 0));
    // A server that starts anew knows nothing but what is on the disk.
    let next = Bench::new();
    let mut next = Bench { directory: bench.directory, ..next };
    next.bring_up(0);
    let plan = next.plan();
    next.while_running(plan, |next| {
        next.until("all is stored", |totals| totals.committed(Committed::Stored) == 300 && totals.spooled() == 0);
    });
    assert_eq!(next.lanes.totals().committed(Committed::Recovered), 300);
    assert_eq!(next.lanes.totals().captured(), 300);
    assert_eq!(next.stored(0), uris(0..300));
}

#[test]
fn a_writers_successor_goes_on_with_its_spool() {
    let mut bench = Bench::new();
    for round in 0..4 {
        bench.push(0, round * 100..(round + 1) * 100);
        let plan = bench.plan();
        bench.while_running(plan, |_| {});
        assert_eq!(bench.lanes.totals().spooled(), (round as u64 + 1) * 100);
        bench.assert_balance();
    }
    bench.bring_up(0);
    let plan = bench.plan();
    bench.while_running(plan, |bench| bench.until("all is stored", |totals| totals.spooled() == 0));
    assert_eq!(bench.lanes.totals().committed(Committed::Recovered), 0);
    assert_eq!(bench.stored(0), uris(0..400));
}

#[test]
fn what_more_writers_have_left_the_first_of_fewer_stores() {
    let mut bench = Bench::new();
    let plan = bench.plan();
    bench.push(0, 0..50);
    bench.while_running(plan.clone(), |_| {});
    // As if a third writer had left it.
    let place = plan.spool.as_ref().unwrap().directory.join(&spools::names(&plan)[0]);
    std::fs::rename(place.join("0"), place.join("2")).unwrap();
    let next = Bench::new();
    let mut next = Bench { directory: bench.directory, ..next };
    next.bring_up(0);
    next.push(0, 50..60);
    next.while_running(plan, |next| {
        next.until("all is stored", |totals| totals.spooled() == 0 && totals.queued() == 0);
    });
    let mut stored = next.stored(0);
    stored.sort_by_key(|uri| uri[4..].parse::<usize>().unwrap());
    assert_eq!(stored, uris(0..60));
    assert_eq!(next.lanes.totals().committed(Committed::Recovered), 50);
}

#[test]
fn what_a_writer_had_stored_and_could_not_note_comes_again_and_counts_as_recovered() {
    let mut bench = Bench::new();
    let plan = bench.plan();
    bench.push(0, 0..50);
    bench.while_running(plan.clone(), |_| {});
    let place = plan.spool.as_ref().unwrap().directory.join(&spools::names(&plan)[0]);
    // As if a third writer had left it, and a copy of it as it is when its captures are stored and that is not noted in
    // it.
    std::fs::rename(place.join("0"), place.join("2")).unwrap();
    let copy = place.join("copy");
    std::fs::create_dir(&copy).unwrap();
    for entry in std::fs::read_dir(place.join("2")).unwrap().flatten() {
        std::fs::copy(entry.path(), copy.join(entry.file_name())).unwrap();
    }
    let next = Bench::new();
    let mut next = Bench { directory: bench.directory, ..next };
    next.bring_up(0);
    let all_is_stored = |next: &mut Bench| {
        next.until("all is stored", |totals| totals.spooled() == 0 && totals.captured() > 0);
    };
    next.while_running(plan.clone(), all_is_stored);
    assert_eq!(next.lanes.totals().committed(Committed::Recovered), 50);
    std::fs::remove_dir_all(place.join("2")).unwrap();
    std::fs::rename(&copy, place.join("2")).unwrap();
    next.while_running(plan, all_is_stored);
    let totals = next.lanes.totals();
    assert_eq!((totals.committed(Committed::Recovered), totals.committed(Committed::Stored)), (100, 100));
    assert_eq!(next.stored(0).len(), 100);
}

#[test]
fn a_spool_without_room_loses_captures_and_counts_them() {
    let mut bench = Bench::new();
    bench.bring_up(1);
    let mut plan = bench.plan();
    plan.spool.as_mut().unwrap().limit_bytes = 1 << 14;
    bench.while_running(plan, |bench| {
        for round in 0..20 {
            bench.push(0, round * 50..(round + 1) * 50);
            bench.push(1, round * 50..(round + 1) * 50);
            bench.until("nothing is queued", |totals| totals.queued() == 0);
        }
    });
    let totals = bench.lanes.totals();
    let (lost, spooled) = (totals.committed(Committed::SpoolFull), totals.spooled());
    assert!(lost > 0 && spooled > 0 && lost + spooled == 1000, "{totals:?}");
    assert_eq!(bench.stored(1), uris(0..1000));
}

#[test]
fn two_databases_that_differ_in_the_password_alone_have_spools_of_their_own() {
    let bench = Bench::new();
    let mut plan = bench.plan();
    for (sink, url) in ["mysql://u:one@h/d", "mysql://u:two@h/d"].iter().enumerate() {
        plan.sinks[sink] = row_sink(DatabaseUrl::parse(url).unwrap(), false);
    }
    let names = spools::names(&plan);
    assert_ne!(names[0], names[1]);
    assert!(
        names.iter().all(|name| !name.contains("one") && !name.contains("two") && !name.contains('/')),
        "{names:?}"
    );
}

#[test]
fn a_spool_that_no_sink_claims_is_found() {
    let mut bench = Bench::new();
    bench.push(0, 0..10);
    let plan = bench.plan();
    bench.while_running(plan.clone(), |_| {});
    let spool = plan.spool.clone().unwrap();
    assert!(spools::unclaimed(&plan, &spool).is_empty());
    let other = WriterPlan { sinks: vec![plan.sinks[1].clone()], ..plan.clone() };
    assert_eq!(spools::unclaimed(&other, &spool), [spool.directory.join(&spools::names(&plan)[0])]);
    assert!(files_below(&spool.directory) > 0);
}

#[test]
fn a_slow_sink_holds_up_neither_the_lanes_nor_the_others_and_stores_nothing_twice() {
    let mut bench = Bench::new();
    bench.bring_up(0);
    bench.bring_up(1);
    let plan = bench.plan();
    bench.while_running(plan, |bench| {
        bench.push(0, 0..10);
        bench.until("the table is there", |totals| totals.committed(Committed::Stored) == 10);
        let lock = rusqlite::Connection::open(bench.place(0).join("capture.db")).unwrap();
        lock.execute_batch("BEGIN EXCLUSIVE").unwrap();
        bench.push(0, 10..400);
        bench.push(1, 0..400);
        bench.until("what waits for the lock is parked", |totals| totals.queued() == 0 && totals.spooled() == 390);
        assert_eq!(bench.lanes.sink_state(0, 0).errors, 0, "the database is slow, and not away");
        // More than fits into the lane.
        for round in 0..20 {
            bench.push(1, 400 + round * 500..400 + (round + 1) * 500);
            bench.until("the other sink goes on", |totals| totals.queued() == 0);
        }
        bench.push(0, 400..600);
        bench.until("what comes meanwhile goes to the spool", |totals| totals.spooled() == 590);
        lock.execute_batch("ROLLBACK").unwrap();
        bench.until("the spool is empty", |totals| totals.spooled() == 0);
    });
    assert_eq!((bench.stored(0), bench.stored(1)), (uris(0..600), uris(0..10_400)));
}

#[test]
fn a_writer_that_dies_at_any_turn_loses_nothing_and_the_counters_add_up() {
    for fatal_turn in 1..=8 {
        let mut bench = Bench::new();
        bench.bring_up(1);
        bench.push(0, 0..400);
        bench.push(1, 0..400);
        let plan = bench.plan();
        for is_up in [false, true] {
            if is_up {
                bench.bring_up(0);
            }
            let consumer = Consumer::take(&bench.lanes, 0).unwrap().unwrap();
            let writer = Writer::start(consumer, 0, plan.clone(), Arc::clone(&bench.stop)).unwrap();
            die_at_turn(writer, fatal_turn);
            bench.assert_balance();
        }
        bench.while_running(plan, |bench| {
            bench.until("all is stored", |totals| totals.queued() == 0 && totals.spooled() == 0);
        });
        for sink in 0..2 {
            let stored = bench.stored(sink);
            let distinct: std::collections::BTreeSet<&String> = stored.iter().collect();
            assert_eq!(distinct.len(), 400, "turn {fatal_turn}, sink {sink}");
            assert!(stored.len() <= 400 + 2 * 2 * 50, "turn {fatal_turn}, sink {sink}: {} rows", stored.len());
        }
        assert_eq!(bench.lanes.totals().dropped(), 0);
    }
}

#[test]
fn a_spool_that_cannot_be_opened_stops_neither_its_sink_nor_the_others() {
    let mut bench = Bench::new();
    bench.bring_up(0);
    bench.bring_up(1);
    let plan = bench.plan();
    let place = plan.spool.as_ref().unwrap().directory.clone();
    std::fs::create_dir_all(&place).unwrap();
    // Files where directories should be.
    std::fs::write(place.join(&spools::names(&plan)[0]), "").unwrap();
    std::fs::write(place.join(spools::DEAD_LETTERS), "").unwrap();
    bench.push(0, 0..100);
    bench.push(1, 0..100);
    assert_eq!(bench.while_running(plan, |_| {}), Ending::Drained);
    bench.assert_balance();
    assert_eq!((bench.stored(0), bench.stored(1)), (uris(0..100), uris(0..100)));
}

#[test]
fn a_spool_that_could_not_be_opened_is_used_as_soon_as_it_can_be() {
    let mut bench = Bench::new();
    bench.bring_up(1);
    let plan = bench.plan();
    let place = plan.spool.as_ref().unwrap().directory.clone();
    std::fs::create_dir_all(&place).unwrap();
    let obstacle = place.join(&spools::names(&plan)[0]);
    std::fs::write(&obstacle, "").unwrap();
    bench.push(0, 0..100);
    bench.while_running(plan, |bench| {
        bench.push(1, 0..10);
        bench.until("the delivery thread tries", |totals| totals.queued() == 110);
        std::fs::remove_file(&obstacle).unwrap();
        bench.until("what waited in the lane is in the spool", |totals| totals.spooled() == 100);
        bench.bring_up(0);
        bench.until("all is stored", |totals| totals.spooled() == 0 && totals.queued() == 0);
    });
    assert_eq!((bench.stored(0), bench.stored(1)), (uris(0..100), uris(0..10)));
    assert_eq!(bench.lanes.totals().dropped(), 0);
}

#[test]
fn dead_letters_that_could_not_be_opened_are_used_as_soon_as_they_can_be() {
    let mut bench = Bench::new();
    bench.bring_up(0);
    let file = rusqlite::Connection::open(bench.place(0).join("capture.db")).unwrap();
    let plan = bench.plan();
    let place = plan.spool.as_ref().unwrap().directory.clone();
    std::fs::create_dir_all(&place).unwrap();
    let obstacle = place.join(spools::DEAD_LETTERS);
    std::fs::write(&obstacle, "").unwrap();
    bench.while_running(plan, |bench| {
        bench.push(0, 0..1);
        bench.until("the table is there", |totals| totals.committed(Committed::Stored) == 1);
        file.execute_batch("CREATE TRIGGER no BEFORE INSERT ON sip_capture BEGIN SELECT raise(ABORT, 'no'); END")
            .unwrap();
        bench.push(0, 1..2);
        bench.until("one is lost", |totals| totals.committed(Committed::Rejected) == 1);
        std::fs::remove_file(&obstacle).unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        while bench.lanes.totals().committed(Committed::DeadLettered) == 0 {
            assert!(Instant::now() < deadline, "the dead letters stay closed: {:?}", bench.lanes.totals());
            bench.push(0, 2..3);
            bench.until("it is put away or lost", |totals| totals.queued() == 0);
            thread::sleep(Duration::from_millis(50));
        }
    });
    bench.assert_balance();
}

#[test]
fn a_chunk_that_is_partly_stored_when_the_writer_ends_does_not_come_again_whole() {
    let mut bench = Bench::new();
    let plan = WriterPlan { table_wait: Duration::from_secs(600), ..bench.plan() };
    // Two tables in one chunk, of which one cannot be made: its name is taken by an index.
    for number in 0..40 {
        let payload = format!("OPTIONS sip:{number} SIP/2.0\r\n\r\n");
        let table: &[u8] = if number % 2 == 0 { b"sip_capture" } else { b"taken" };
        bench.producer.push(&Capture { table: Some(table), ..capture(payload.as_bytes()) }).unwrap();
    }
    bench.while_running(plan.clone(), |bench| bench.until("all is spooled", |totals| totals.spooled() == 40));
    bench.bring_up(0);
    let file = rusqlite::Connection::open(bench.place(0).join("capture.db")).unwrap();
    file.execute_batch("CREATE TABLE other (a INTEGER); CREATE INDEX taken ON other (a)").unwrap();
    bench.while_running(plan.clone(), |bench| {
        let deadline = Instant::now() + Duration::from_secs(20);
        while bench.stored(0).len() < 20 && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
    });
    bench.assert_balance();
    assert_eq!((bench.lanes.totals().committed(Committed::Stored), bench.lanes.totals().spooled()), (20, 20));
    file.execute_batch("DROP INDEX taken").unwrap();
    bench.while_running(plan, |bench| bench.until("all is stored", |totals| totals.spooled() == 0));
    assert_eq!(bench.stored(0).len(), 20, "no row twice");
    assert_eq!(bench.lanes.totals().committed(Committed::Stored), 40);
}

#[test]
fn a_slow_sink_whose_spool_is_full_loses_its_own_captures_and_not_those_of_others() {
    let mut bench = Bench::new();
    bench.bring_up(0);
    bench.bring_up(1);
    let mut plan = bench.plan();
    plan.spool.as_mut().unwrap().limit_bytes = 1 << 14;
    bench.while_running(plan, |bench| {
        bench.push(0, 0..10);
        bench.until("the table is there", |totals| totals.committed(Committed::Stored) == 10);
        let lock = rusqlite::Connection::open(bench.place(0).join("capture.db")).unwrap();
        lock.execute_batch("BEGIN EXCLUSIVE").unwrap();
        // More than half a lane each time, in many windows.
        for round in 0..3 {
            for first in (round * 3500..(round + 1) * 3500).step_by(50) {
                bench.push(0, first..first + 50);
                bench.push(1, first..first + 50);
            }
            let stored = (round as u64 + 1) * 3500 + 10;
            bench.until("the other sink goes on", |totals| totals.committed(Committed::Stored) >= stored);
            assert_eq!(bench.lanes.sink_state(0, 0).errors, 0, "the database is slow, and not away");
        }
        lock.execute_batch("ROLLBACK").unwrap();
        bench.until("the spool is empty", |totals| totals.spooled() == 0 && totals.queued() == 0);
    });
    assert!(bench.lanes.totals().committed(Committed::SpoolFull) > 0);
    // Lanes that fill are emptied into the spools of both, and with these full the live flow passes by.
    let mut stored = bench.stored(1);
    stored.sort_by_key(|uri| uri[4..].parse::<usize>().unwrap());
    assert_eq!(stored, uris(0..10_500));
}
