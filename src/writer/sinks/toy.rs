//! A sink that keeps captures in memory, written as `doc/adding-a-sink.md` says: nothing else in the writer knows of
//! it.

mod waits;

use crate::capture::record::{self, Head};
use crate::queue::counters::{Committed, Totals};
use crate::queue::lane::{Consumer, Geometry, Lanes, Producer};
use crate::queue::spool::dead_letter::{Entry, list, read_file};
use crate::table::TableNames;
use crate::writer::batch::{Batch, BatchKey};
use crate::writer::counters::add;
use crate::writer::delivered::{BatchOutcome, Refused};
use crate::writer::health::Health;
use crate::writer::kind::{Delivery, Destinations, Opening, SinkKind};
use crate::writer::plan::{SinkPlan, SpoolPlan, SpoolSync, WriterPlan};
use crate::writer::run::{Ending, Writer};
use crate::writer::{running, spools, tests};
use std::borrow::Cow;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// What the sink has, and how it behaves.
#[derive(Debug, Default)]
struct Memory {
    /// Destination and payload of each capture, in the order in which they came.
    captures: Vec<(String, String)>,
    is_away: bool,
    /// Payloads that it refuses.
    refuses: Vec<String>,
    /// How often it was asked while it was away.
    asked_in_vain: usize,
}

#[derive(Clone, Debug)]
struct MemorySink {
    memory: Arc<Mutex<Memory>>,
    /// How often it was asked, also while somebody else holds the memory.
    asked: Arc<AtomicUsize>,
    name: &'static str,
    destinations: Destinations,
}

impl MemorySink {
    fn new() -> MemorySink {
        MemorySink {
            memory: Arc::default(),
            asked: Arc::default(),
            name: "memory",
            destinations: Destinations::Together,
        }
    }

    /// One whose destinations are apart.
    fn apart(name: &'static str) -> MemorySink {
        MemorySink { name, destinations: Destinations::Apart { prefix: name.into() }, ..MemorySink::new() }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap()
    }
}

impl fmt::Display for MemorySink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl SinkKind for MemorySink {
    fn key<'a>(&'a self, head: &Head<'a>, _: &'a mut TableNames) -> Result<BatchKey<'a>, String> {
        let name = str::from_utf8(head.table.unwrap_or(b"all")).map_err(|error| error.to_string())?;
        Ok(BatchKey { destination: Cow::Borrowed(name), form: 0, by_time: false })
    }

    fn keeps_order(&self) -> bool {
        true
    }

    fn destinations(&self) -> Destinations {
        self.destinations.clone()
    }

    fn open(&self, opening: Opening) -> Box<dyn Delivery> {
        let health = Health::new(opening.place, "the memory");
        Box::new(MemoryDelivery { sink: self.clone(), health, give_up: opening.give_up })
    }
}

struct MemoryDelivery {
    sink: MemorySink,
    health: Health,
    give_up: Arc<AtomicBool>,
}

impl Delivery for MemoryDelivery {
    fn turns_away(&self) -> bool {
        self.health.turns_away(&self.give_up)
    }

    fn deliver(&mut self, batch: &Batch) -> BatchOutcome {
        self.sink.asked.fetch_add(1, Ordering::Relaxed);
        let mut memory = self.sink.memory();
        let mut outcome = BatchOutcome::default();
        if memory.is_away {
            memory.asked_in_vain += 1;
            self.health.note_away("it is switched off");
            outcome.left.push(0..batch.len());
            outcome.away = true;
            return outcome;
        }
        self.health.note_answer();
        for (number, bytes) in batch.records().enumerate() {
            let payload = record::decode(bytes).map(|capture| String::from_utf8_lossy(capture.payload).into_owned());
            match payload {
                Ok(payload) if memory.refuses.contains(&payload) => {
                    outcome.refused.push(Refused { number, why: "it is refused".into() });
                }
                Ok(payload) => memory.captures.push((batch.destination.clone(), payload)),
                Err(error) => outcome.refused.push(Refused { number, why: error.to_string().into() }),
            }
        }
        add(&mut outcome.counters, Committed::Batches, 1);
        outcome
    }
}

/// A writer whose sinks are memories, one unless a test wants more.
struct Bench {
    directory: tempfile::TempDir,
    sinks: Vec<MemorySink>,
    lanes: Arc<Lanes>,
    producer: Producer,
    has_spool: bool,
}

impl Bench {
    fn new() -> Bench {
        Bench::of(vec![MemorySink::new()], tempfile::tempdir().unwrap())
    }

    fn of(sinks: Vec<MemorySink>, directory: tempfile::TempDir) -> Bench {
        let count = sinks.len();
        let geometry = Geometry { lanes: 1, writers: 1, sinks: count, lane_bytes: 1 << 20, wake_bytes: 1 << 18 };
        let lanes = Arc::new(Lanes::map(geometry).unwrap().with_waits().unwrap());
        let producer = Producer::attach(&lanes, 0).unwrap();
        Bench { directory, sinks, lanes, producer, has_spool: true }
    }

    /// The same sinks and spool in another server, after the end of this one.
    fn next(self) -> Bench {
        Bench::of(self.sinks, self.directory)
    }

    fn plan(&self) -> WriterPlan {
        let directory = self.directory.path().join("spool");
        WriterPlan {
            sinks: self.sinks.iter().map(|sink| SinkPlan::new(sink.clone(), "memory")).collect(),
            spool: self.has_spool.then_some(SpoolPlan { directory, limit_bytes: 64 << 20, sync: SpoolSync::Off }),
            ..tests::plan(&self.directory, false)
        }
    }

    /// Pushes messages with these numbers, for the destination `to` of the first sink.
    fn push(&mut self, numbers: std::ops::Range<usize>, to: &str) {
        self.push_to(0, numbers, to);
    }

    fn push_to(&mut self, sink: u8, numbers: std::ops::Range<usize>, to: &str) {
        for number in numbers {
            let (payload, table) = (number.to_string(), Some(to.as_bytes()));
            let capture = crate::capture::Capture { sink, table, ..tests::capture(payload.as_bytes()) };
            self.producer.push(&capture).unwrap();
        }
    }

    /// A writer, not running yet, that ends when the answer beside it is set.
    fn writer(&self) -> (Writer, Arc<AtomicBool>) {
        let stop = Arc::new(AtomicBool::new(false));
        let consumer = Consumer::take(&self.lanes, 0).unwrap().unwrap();
        (Writer::start(consumer, 0, self.plan(), Arc::clone(&stop)).unwrap(), stop)
    }

    fn while_running(&mut self, act: impl FnOnce(&mut Bench)) {
        let lanes = Arc::clone(&self.lanes);
        assert_eq!(running::while_running(&lanes, self.plan(), || act(self)), Ending::Drained);
    }

    fn until(&self, sentence: &str, condition: impl Fn(&Totals) -> bool) {
        running::until(&self.lanes, sentence, condition);
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.sinks[0].memory()
    }
}

/// What came for the destination `to`.
fn came(memory: &Memory, to: &str) -> Vec<String> {
    memory.captures.iter().filter(|(name, _)| name == to).map(|(_, payload)| payload.clone()).collect()
}

fn numbers(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|number| number.to_string()).collect()
}

#[test]
fn a_sink_of_ones_own_gets_what_is_queued_by_destination_and_in_order() {
    let mut bench = Bench::new();
    bench.while_running(|bench| {
        bench.push(0..300, "one");
        bench.push(300..500, "other");
        bench.until("all are stored", |totals| totals.committed(Committed::Stored) == 500);
    });
    let memory = bench.memory();
    assert_eq!((came(&memory, "one"), came(&memory, "other")), (numbers(0..300), numbers(300..500)));
    let totals = bench.lanes.totals();
    assert_eq!((totals.queued(), totals.spooled(), totals.dropped()), (0, 0, 0));
}

#[test]
fn what_a_sink_of_ones_own_refuses_goes_to_the_dead_letters_under_its_name() {
    let mut bench = Bench::new();
    bench.memory().refuses = vec!["7".to_owned(), "41".to_owned()];
    bench.while_running(|bench| {
        bench.push(0..100, "one");
        bench.until("all are done with", |totals| totals.queued() == 0);
    });
    let totals = bench.lanes.totals();
    assert_eq!((totals.committed(Committed::Stored), totals.committed(Committed::DeadLettered)), (98, 2));
    assert!(came(&bench.memory(), "one").iter().all(|payload| payload != "7" && payload != "41"));
    let files = list(&spools::dead_letters(&bench.plan().spool.unwrap())).unwrap();
    let shown = |entry: Entry<'_>| {
        let payload = String::from_utf8_lossy(record::decode(&entry.capture).unwrap().payload).into_owned();
        [entry.sink.into_owned(), entry.table.into_owned(), entry.reason.into_owned(), payload].join(" ")
    };
    let entries = files.iter().flat_map(|file| read_file(&file.path).unwrap());
    let letters: Vec<String> = entries.map(|entry| shown(entry.unwrap())).collect();
    assert_eq!(letters, ["memory one it is refused 7", "memory one it is refused 41"]);
}

#[test]
fn what_a_sink_of_ones_own_misses_while_it_is_away_comes_in_order_and_before_what_comes_then() {
    let mut bench = Bench::new();
    bench.memory().is_away = true;
    bench.while_running(|bench| {
        bench.push(0..200, "one");
        bench.until("all wait on the disk", |totals| totals.spooled() == 200 && totals.queued() == 0);
        bench.push(200..300, "one");
        bench.until("more wait", |totals| totals.spooled() == 300);
        assert_eq!(bench.lanes.sink_state(0, 0).up, Some(false));
        bench.memory().is_away = false;
        bench.push(300..350, "one");
        bench.until("all are stored", |totals| totals.committed(Committed::Stored) == 350);
    });
    let memory = bench.memory();
    assert_eq!(came(&memory, "one"), numbers(0..350));
    assert!(memory.asked_in_vain > 0, "it was asked while it was away");
    let totals = bench.lanes.totals();
    assert_eq!((totals.spooled(), totals.dropped(), totals.committed(Committed::DeadLettered)), (0, 0, 0));
}

#[test]
fn what_a_sink_of_ones_own_has_missed_outlives_the_server() {
    let mut bench = Bench::new();
    bench.memory().is_away = true;
    bench.while_running(|bench| {
        bench.push(0..100, "one");
        bench.until("all wait on the disk", |totals| totals.spooled() == 100);
    });
    bench.memory().is_away = false;
    let mut next = bench.next();
    next.while_running(|next| next.until("it is empty", |totals| totals.committed(Committed::Stored) == 100));
    assert_eq!(came(&next.memory(), "one"), numbers(0..100));
    assert_eq!(next.lanes.totals().committed(Committed::Recovered), 100);
}

#[test]
fn destinations_of_one_name_in_two_sinks_that_keep_them_apart_are_two_also_after_a_restart() {
    let mut bench =
        Bench::of(vec![MemorySink::apart("first"), MemorySink::apart("other")], tempfile::tempdir().unwrap());
    bench.sinks.iter().for_each(|sink| sink.memory().is_away = true);
    bench.while_running(|bench| {
        bench.push_to(0, 0..50, "one");
        bench.push_to(1, 100..150, "one");
        bench.until("all wait on the disk", |totals| totals.spooled() == 100 && totals.queued() == 0);
    });
    bench.sinks.iter().for_each(|sink| sink.memory().is_away = false);
    let mut next = bench.next();
    next.while_running(|next| {
        next.push_to(1, 150..160, "one");
        next.push_to(0, 50..60, "one");
        next.until("all are stored", |totals| totals.committed(Committed::Stored) == 120);
    });
    let of = |sink: &MemorySink| {
        let memory = sink.memory();
        (came(&memory, "one"), memory.captures.len())
    };
    assert_eq!(of(&next.sinks[0]), (numbers(0..60), 60));
    assert_eq!(of(&next.sinks[1]), (numbers(100..160), 60));
    let totals = next.lanes.totals();
    assert_eq!((totals.spooled(), totals.dropped(), totals.committed(Committed::DeadLettered)), (0, 0, 0));
}
