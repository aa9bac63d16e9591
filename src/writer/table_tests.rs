//! Tables that cannot take rows while their database is well: only their own rows wait.

use super::batching::add_record;
use super::delivery_thread::DeliveryThread;
use super::replay::Acked;
use super::sink_worker::SinkWorker;
use super::spool_tests::Bench;
use super::tests::{capture, die_at_turn};
use super::*;
use crate::capture::Capture;
use crate::queue::counters::Committed;
use crate::queue::lane::{Consumer, Lanes};
use crate::queue::spool::{SYNCS, inspect};
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// A table that cannot be made while an index has its name.
const TAKEN: &str = "taken";
const LONG: Duration = Duration::from_secs(600);

impl Bench {
    /// Makes the database of sink 0, with something in it that keeps `tables` from being made.
    fn bring_up_without(&self, tables: &[String]) -> rusqlite::Connection {
        // It appears with all that is in it: a writer may wait for it.
        let hidden = self.directory.path().join("hidden");
        std::fs::create_dir(&hidden).unwrap();
        let file = rusqlite::Connection::open(hidden.join("capture.db")).unwrap();
        file.execute_batch("CREATE TABLE other (a INTEGER)").unwrap();
        for table in tables {
            file.execute_batch(&format!("CREATE INDEX {table} ON other (a)")).unwrap();
        }
        file.close().unwrap();
        std::fs::rename(hidden, self.place(0)).unwrap();
        let file = rusqlite::Connection::open(self.place(0).join("capture.db")).unwrap();
        file.busy_timeout(Duration::from_secs(20)).unwrap();
        file
    }

    fn push_for(&mut self, table: &str, numbers: Range<usize>) {
        for number in numbers {
            let payload = format!("OPTIONS sip:{number} SIP/2.0\r\n\r\n");
            let table = Some(table.as_bytes());
            self.producer.push(&Capture { table, ..capture(payload.as_bytes()) }).unwrap();
        }
    }

    /// Pushes and waits until nothing is queued, so that each round is a window of its own.
    fn push_in_rounds(&mut self, table: &str, numbers: Range<usize>) {
        for first in numbers.clone().step_by(10) {
            self.push_for(table, first..numbers.end.min(first + 10));
            self.until("nothing is queued", |totals| totals.queued() == 0);
        }
    }

    /// The directories of what waits for a table of sink 0.
    fn waiting_tables(&self) -> Vec<PathBuf> {
        let place = self.plan().spool.unwrap().directory.join(&spools::names(&self.plan())[0]);
        let entries = std::fs::read_dir(place).into_iter().flatten().flatten().map(|entry| entry.path());
        entries.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("table-")).collect()
    }
}

/// The numbers that a table of the database holds, in the order in which they were stored.
fn stored(file: &rusqlite::Connection, table: &str) -> Vec<usize> {
    let mut rows = file.prepare(&format!("SELECT ruri FROM {table} ORDER BY id")).unwrap();
    let numbers = rows.query_map([], |row| row.get::<_, String>(0)).unwrap();
    numbers.map(|uri| uri.unwrap()[4..].parse().unwrap()).collect()
}

/// Captures in all spools on the disk.
fn held(plan: &WriterPlan) -> u64 {
    let places = spools::all(&plan.spool.as_ref().unwrap().directory).unwrap();
    places.iter().map(|place| inspect(&place.directory).unwrap().records).sum()
}

fn stored_count(totals: &crate::queue::counters::Totals) -> u64 {
    totals.committed(Committed::Stored)
}

#[test]
fn only_the_rows_of_a_missing_table_wait_in_the_spool_and_they_keep_their_order() {
    let mut bench = Bench::new();
    let plan = WriterPlan { table_wait: LONG, ..bench.plan() };
    bench.while_running(plan, |bench| {
        // The first and the last in the spool are for the table that is missing.
        bench.push_in_rounds(TAKEN, 0..25);
        bench.push_in_rounds("sip_capture", 0..350);
        bench.push_in_rounds(TAKEN, 25..50);
        bench.until("all is spooled", |totals| totals.spooled() == 400);
        let file = bench.bring_up_without(&[TAKEN.to_owned()]);
        bench.until("the others are stored", |totals| stored_count(totals) == 350 && totals.spooled() == 50);
        assert_eq!(bench.waiting_tables().len(), 1);
        bench.push_in_rounds(TAKEN, 50..75);
        bench.push_in_rounds("sip_capture", 350..400);
        bench
            .until("what comes live waits for nothing", |totals| stored_count(totals) == 400 && totals.spooled() == 75);
        assert_eq!(bench.lanes.totals().committed(Committed::DeadLettered), 0);
        file.execute_batch(&format!("DROP INDEX {TAKEN}")).unwrap();
        bench.until("the spool is empty", |totals| totals.spooled() == 0);
        assert_eq!(stored(&file, TAKEN), (0..75).collect::<Vec<_>>());
        assert_eq!(stored(&file, "sip_capture"), (0..400).collect::<Vec<_>>());
        let deadline = Instant::now() + Duration::from_secs(30);
        while !bench.waiting_tables().is_empty() {
            assert!(Instant::now() < deadline, "the directory of the table stays");
            thread::sleep(Duration::from_millis(5));
        }
        bench.push_in_rounds(TAKEN, 75..80);
        bench.until("live rows of the table are stored too", |totals| stored_count(totals) == 480);
    });
    assert_eq!(bench.lanes.totals().dropped(), 0);
    assert_eq!(bench.lanes.totals().committed(Committed::Recovered), 0);
}

#[test]
fn what_waited_in_vain_goes_to_the_dead_letters_and_the_others_are_stored() {
    let mut bench = Bench::new();
    let plan = WriterPlan { table_wait: Duration::from_secs(1), ..bench.plan() };
    bench.while_running(plan, |bench| {
        bench.push_for(TAKEN, 0..5);
        bench.push_for("sip_capture", 0..350);
        bench.until("all is spooled", |totals| totals.spooled() == 355);
        let file = bench.bring_up_without(&[TAKEN.to_owned()]);
        bench.until("the wait is over", |totals| totals.committed(Committed::DeadLettered) == 5);
        bench.until("the others are stored", |totals| stored_count(totals) == 350 && totals.spooled() == 0);
        assert_eq!(stored(&file, "sip_capture").len(), 350);
        // The wait is over for what comes now, too, and does not begin anew.
        bench.push_in_rounds(TAKEN, 5..10);
        bench.until("it is refused", |totals| totals.committed(Committed::DeadLettered) == 10);
    });
    assert_eq!((bench.lanes.totals().dropped(), bench.lanes.totals().spooled()), (0, 0));
}

#[test]
fn what_waits_for_a_table_outlives_the_server() {
    let mut bench = Bench::new();
    let file = bench.bring_up_without(&[TAKEN.to_owned()]);
    let plan = WriterPlan { table_wait: LONG, ..bench.plan() };
    bench.while_running(plan, |bench| {
        bench.push_in_rounds(TAKEN, 0..30);
        bench.push_in_rounds("sip_capture", 0..30);
        bench.until("the others are stored", |totals| stored_count(totals) == 30);
    });
    assert_eq!(bench.lanes.totals().spooled(), 30);
    // A server that starts anew knows nothing but what is on the disk.
    let next = Bench::new();
    let mut next = Bench { directory: bench.directory, ..next };
    let plan = WriterPlan { table_wait: LONG, ..next.plan() };
    assert!(spools::unclaimed(&plan, plan.spool.as_ref().unwrap()).is_empty());
    assert_eq!(held(&plan), 30, "whoever looks from outside sees it");
    next.while_running(plan, |next| {
        next.push_in_rounds("sip_capture", 30..60);
        next.push_in_rounds(TAKEN, 30..40);
        next.until("the others are stored", |totals| stored_count(totals) == 30 && totals.spooled() == 40);
        file.execute_batch(&format!("DROP INDEX {TAKEN}")).unwrap();
        next.until("the spool is empty", |totals| totals.spooled() == 0);
    });
    assert_eq!(next.lanes.totals().committed(Committed::Recovered), 30);
    assert_eq!(stored(&file, TAKEN), (0..40).collect::<Vec<_>>());
    assert_eq!(stored(&file, "sip_capture"), (0..60).collect::<Vec<_>>());
}

#[test]
fn restarts_during_an_outage_leave_no_copy_of_what_waits_for_a_table() {
    let mut bench = Bench::new();
    let file = bench.bring_up_without(&[TAKEN.to_owned()]);
    let plan = WriterPlan { table_wait: LONG, ..bench.plan() };
    bench.while_running(plan.clone(), |bench| {
        bench.push_in_rounds(TAKEN, 0..5);
        bench.until("they wait for the table", |totals| totals.spooled() == 5);
    });
    let (hidden, place) = (bench.directory.path().join("away"), bench.place(0));
    std::fs::rename(&place, &hidden).unwrap();
    for round in 0..5 {
        // Each server knows nothing but what is on the disk.
        let next = Bench::new();
        bench = Bench { directory: bench.directory, ..next };
        bench.while_running(plan.clone(), |bench| {
            let asked = |lanes: &Lanes| lanes.sink_state(0, 0).errors;
            if round == 0 {
                bench.push_in_rounds("sip_capture", 0..20);
                for first in 0..20 {
                    bench.push_for(TAKEN, 5 + first * 2..7 + first * 2);
                    bench.push_for("sip_capture", first * 20 + 20..first * 20 + 40);
                }
            }
            bench.until("all is spooled", |totals| totals.queued() == 0 && totals.spooled() == 465);
            let lanes = Arc::clone(&bench.lanes);
            bench.until("the database was asked again", |_| asked(&lanes) >= 3);
        });
        assert_eq!(held(&plan), 465, "round {round}");
    }
    std::fs::rename(&hidden, &place).unwrap();
    let next = Bench::new();
    bench = Bench { directory: bench.directory, ..next };
    bench.while_running(plan, |bench| {
        bench.until("the others are stored", |totals| stored_count(totals) == 420 && totals.spooled() == 45);
        file.execute_batch(&format!("DROP INDEX {TAKEN}")).unwrap();
        bench.until("the spool is empty", |totals| totals.spooled() == 0);
    });
    assert_eq!(stored(&file, TAKEN), (0..45).collect::<Vec<_>>());
    assert_eq!(stored(&file, "sip_capture"), (0..420).collect::<Vec<_>>());
}

#[test]
fn a_writer_that_dies_at_any_turn_while_tables_are_waited_for_loses_nothing_and_the_counters_add_up() {
    for fatal_turn in [1, 2, 3, 4, 6, 9, 14] {
        let mut bench = Bench::new();
        let plan = WriterPlan { table_wait: LONG, ..bench.plan() };
        // Once with a database that is away, then with one that lacks a table, then with live rows for it.
        let mut file = None;
        for round in 0..4 {
            if round == 1 {
                file = Some(bench.bring_up_without(&[TAKEN.to_owned()]));
            }
            bench.push_for(TAKEN, round * 100..round * 100 + 40);
            bench.push_for("sip_capture", round * 100..(round + 1) * 100);
            let consumer = Consumer::take(&bench.lanes, 0).unwrap().unwrap();
            let writer = Writer::start(consumer, 0, plan.clone(), Arc::clone(&bench.stop)).unwrap();
            die_at_turn(writer, fatal_turn);
            bench.assert_balance();
        }
        let file = file.unwrap();
        bench.while_running(plan, |bench| {
            bench.until("the others are stored", |totals| {
                totals.queued() == 0
                    && stored(&file, "sip_capture").into_iter().collect::<BTreeSet<_>>().len() == 400
                    && totals.spooled() >= 160
            });
            file.execute_batch(&format!("DROP INDEX {TAKEN}")).unwrap();
            bench.until("all is stored", |totals| totals.queued() == 0 && totals.spooled() == 0);
        });
        let distinct: BTreeSet<_> = stored(&file, TAKEN).into_iter().collect();
        let expected: BTreeSet<_> = (0..4).flat_map(|round| round * 100..round * 100 + 40).collect();
        assert_eq!(distinct, expected, "turn {fatal_turn}");
        assert_eq!(bench.lanes.totals().dropped(), 0);
    }
}

#[test]
fn of_many_missing_tables_each_gets_its_rows_when_it_is_made() {
    const TABLES: usize = 20;
    let names: Vec<_> = (0..TABLES).map(|number| format!("taken_{number}")).collect();
    let mut bench = Bench::new();
    let plan = WriterPlan { table_wait: LONG, ..bench.plan() };
    bench.while_running(plan, |bench| {
        let file = bench.bring_up_without(&names);
        for round in 0..3 {
            for name in &names {
                bench.push_for(name, round * 5..(round + 1) * 5);
            }
            bench.until("nothing is queued", |totals| totals.queued() == 0);
        }
        bench.push_in_rounds("sip_capture", 0..20);
        bench.until("live rows of another are stored", |totals| stored_count(totals) == 20);
        assert_eq!(bench.waiting_tables().len(), TABLES);
        // One after the other: none waits for those that are made later.
        for name in &names[..4] {
            let before = stored_count(&bench.lanes.totals());
            file.execute_batch(&format!("DROP INDEX {name}")).unwrap();
            bench.until("its rows are stored", |totals| stored_count(totals) == before + 15);
        }
        for name in &names[4..] {
            file.execute_batch(&format!("DROP INDEX {name}")).unwrap();
        }
        bench.until("the spool is empty", |totals| totals.spooled() == 0);
        for name in &names {
            assert_eq!(stored(&file, name), (0..15).collect::<Vec<_>>(), "{name}");
        }
    });
    assert_eq!(bench.lanes.totals().dropped(), 0);
}

#[test]
fn what_waits_for_a_table_and_all_else_share_the_limit_of_the_spool() {
    const LIMIT: u64 = 1 << 16;
    let mut bench = Bench::new();
    let mut plan = WriterPlan { table_wait: LONG, ..bench.plan() };
    plan.spool.as_mut().unwrap().limit_bytes = LIMIT;
    bench.while_running(plan.clone(), |bench| {
        let _file = bench.bring_up_without(&[TAKEN.to_owned()]);
        for first in (0..2000).step_by(50) {
            bench.push_in_rounds(TAKEN, first..first + 50);
            bench.push_in_rounds("sip_capture", first..first + 50);
        }
        bench.until("the others are stored", |totals| stored_count(totals) == 2000);
        let totals = bench.lanes.totals();
        let (lost, spooled) = (totals.committed(Committed::SpoolFull), totals.spooled());
        assert!(lost > 0 && spooled > 0 && lost + spooled == 2000, "{totals:?}");
        let places = spools::all(&plan.spool.as_ref().unwrap().directory).unwrap();
        let bytes: u64 = places.iter().map(|place| inspect(&place.directory).unwrap().bytes).sum();
        // A segment goes when all of it has been handed over.
        assert!(bytes <= LIMIT + LIMIT / 8, "{bytes} bytes");
    });
}

#[test]
fn of_the_spools_of_tables_that_are_well_again_only_what_was_set_aside_stays() {
    let mut bench = Bench::new();
    let file = bench.bring_up_without(&[TAKEN.to_owned()]);
    let plan = WriterPlan { table_wait: LONG, ..bench.plan() };
    let put_aside = "00000000000000000099.segment.unreadable";
    bench.while_running(plan.clone(), |bench| {
        bench.push_in_rounds(TAKEN, 0..5);
        bench.until("they wait for the table", |totals| totals.spooled() == 5);
    });
    // As if a writer that is no more had had them, and one that was killed had left an empty one.
    let table = bench.waiting_tables().remove(0);
    std::fs::rename(table.join("0"), table.join("3")).unwrap();
    std::fs::create_dir(table.join("0")).unwrap();
    std::fs::write(table.join("0").join(put_aside), "evidence").unwrap();
    let killed = table.with_file_name("table-killed-00000000").join("0");
    std::fs::create_dir_all(&killed).unwrap();
    std::fs::write(killed.join("position"), [0; 16]).unwrap();
    let next = Bench::new();
    bench = Bench { directory: bench.directory, ..next };
    bench.while_running(plan, |bench| {
        file.execute_batch(&format!("DROP INDEX {TAKEN}")).unwrap();
        bench.until("the spool is empty", |totals| stored_count(totals) == 5 && totals.spooled() == 0);
    });
    assert_eq!(bench.waiting_tables(), std::slice::from_ref(&table));
    let left = |place: &PathBuf| {
        let entries = std::fs::read_dir(place).unwrap().flatten();
        entries
            .map(|entry| entry.file_name().into_string().unwrap())
            .filter(|name| name != "position")
            .collect::<Vec<_>>()
    };
    assert_eq!((left(&table), left(&table.join("0"))), (vec!["0".to_owned()], vec![put_aside.to_owned()]));
}

#[test]
fn a_table_that_is_waited_for_costs_its_database_no_slow_loads_and_its_thread_is_watched_by_all_who_share_it() {
    let bench = Bench::new();
    let mut plan = WriterPlan { table_wait: LONG, ..bench.plan() };
    plan.sinks.truncate(1);
    let consumer = Consumer::take(&bench.lanes, 0).unwrap().unwrap();
    let mut writer = Writer::start(consumer, 0, plan.clone(), Arc::clone(&bench.stop)).unwrap();
    let names: Vec<_> = (0..9).map(|number| format!("t{number}")).collect();
    writer.workers.wait_for(&plan, 0, &names, Instant::now()).unwrap();
    assert_eq!(writer.workers.iter().count(), 10);
    assert!(!writer.workers.has_neighbours(&plan));
    let threads: Vec<_> = writer.workers.iter().map(SinkWorker::delivery_thread).collect();
    let sharers =
        |thread: &DeliveryThread| threads.iter().filter(|other| Arc::ptr_eq(&other.handle, &thread.handle)).count();
    assert_eq!(threads.iter().map(sharers).max(), Some(2), "the ninth has no thread of its own");
}

#[test]
fn a_writer_that_dies_between_handing_over_and_acknowledging_leaves_rows_twice_at_most_and_loses_none() {
    let mut bench = Bench::new();
    let plan = WriterPlan { table_wait: LONG, ..bench.plan() };
    bench.while_running(plan.clone(), |bench| {
        bench.push_in_rounds(TAKEN, 0..30);
        bench.until("all is spooled", |totals| totals.spooled() == 30);
    });
    let file = bench.bring_up_without(&[TAKEN.to_owned()]);
    let consumer = Consumer::take(&bench.lanes, 0).unwrap().unwrap();
    let mut writer = Writer::start(consumer, 0, plan.clone(), Arc::clone(&bench.stop)).unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        assert!(Instant::now() < deadline, "nothing is handed over");
        writer.take_results();
        let marks = writer.workers.marks(0, &writer.consumer);
        writer.workers.hand_over(0, marks, Instant::now());
        if writer.workers.iter().any(|worker| worker.moved() == 30) {
            break;
        }
        writer.replay().unwrap();
    }
    drop(writer);
    assert_eq!(held(&plan), 60, "they are in both spools");
    bench.assert_balance();
    bench.while_running(plan, |bench| {
        file.execute_batch(&format!("DROP INDEX {TAKEN}")).unwrap();
        bench.until("the spool is empty", |totals| totals.spooled() == 0);
    });
    let mut rows = stored(&file, TAKEN);
    assert!(rows.len() <= 60, "{rows:?}");
    rows.sort_unstable();
    rows.dedup();
    assert_eq!(rows, (0..30).collect::<Vec<_>>());
    assert_eq!(bench.lanes.totals().dropped(), 0);
}

#[test]
fn tables_whose_spools_cannot_be_made_share_one_wait_and_the_others_have_their_own() {
    let bench = Bench::new();
    let plan = WriterPlan { table_wait: LONG, ..bench.plan() };
    let sink = plan.spool.as_ref().unwrap().directory.join(&spools::names(&plan)[0]);
    let consumer = Consumer::take(&bench.lanes, 0).unwrap().unwrap();
    let mut writer = Writer::start(consumer, 0, plan.clone(), Arc::clone(&bench.stop)).unwrap();
    let waits = Arc::clone(&writer.workers.waits[0]);
    let mut is_over = |table: &str| {
        let is_over = waits.is_over(table, "missing");
        if !is_over {
            writer.workers.wait_for(&plan, 0, &[table.to_owned()], Instant::now()).unwrap();
        }
        is_over
    };
    for table in ["one", "two", "three"] {
        let place = spool_names::name_of_table("", table);
        std::fs::write(sink.join(place.trim_start_matches('/')), "in the way").unwrap();
    }
    assert!(!is_over("one"));
    waits.expire();
    assert!(is_over("two") && is_over("three"), "they hold up the others no more");
    assert!(is_over("one"));
    let place = sink.join(spool_names::name_of_table("", "one").trim_start_matches('/'));
    std::fs::remove_file(place).unwrap();
    writer.workers.wait_for(&plan, 0, &["one".to_owned()], Instant::now()).unwrap();
    assert!(!waits.is_over("one", "missing"), "its wait holds up only its own rows");
}

#[test]
fn the_positions_of_many_spools_that_are_due_at_once_are_brought_to_the_disk_one_a_turn() {
    let bench = Bench::new();
    let mut plan = WriterPlan { table_wait: LONG, ..bench.plan() };
    plan.spool.as_mut().unwrap().sync = SpoolSync::Interval;
    let consumer = Consumer::take(&bench.lanes, 0).unwrap().unwrap();
    let mut writer = Writer::start(consumer, 0, plan.clone(), Arc::clone(&bench.stop)).unwrap();
    let names: Vec<_> = (0..5).map(|number| format!("t{number}")).collect();
    writer.workers.wait_for(&plan, 0, &names, Instant::now()).unwrap();
    let numbers: Vec<_> = writer.workers.tables.values().copied().collect();
    let mut set = batch::BatchSet::default();
    let mut bytes = vec![0; crate::capture::record::encoded_len(&capture(b"OPTIONS")).unwrap()];
    crate::capture::record::encode(&capture(b"OPTIONS"), &mut bytes);
    add_record(&mut set, &bytes, &*plan.sinks[0].kind).unwrap();
    let syncs = SYNCS.get();
    for number in &numbers {
        let worker = writer.workers.get_mut(*number).unwrap();
        worker.take_over(&set, Instant::now()).unwrap();
        worker.acknowledge(Acked::Own(2));
    }
    assert_eq!(SYNCS.get(), syncs, "an acknowledgement waits for the disk");
    let due = |writer: &Writer| writer.workers.iter().filter(|worker| worker.is_position_due()).count();
    assert!(due(&writer) >= 5);
    while due(&writer) > 0 {
        let syncs = SYNCS.get();
        writer.workers.tick(Instant::now()).unwrap();
        assert_eq!(SYNCS.get(), syncs + 1);
    }
}
