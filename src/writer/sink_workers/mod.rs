//! All ways out of a writer: one for each sink, one for each destination of those whose destinations are apart (the
//! collectors that scripts name), made when it first comes, and one for each table that is waited for, see [`tables`].
//!
//! Such destinations share a sink, and so its marks in shared memory; but each has a delivery thread and a spool of its
//! own, so that none waits for another, and its captures keep their order. What a writer had put into such a spool and
//! not committed when it was killed is not cut off: it comes twice. When a sink has [`MOST_APART`] of them, the one
//! that has been idle for longest makes room; where none is idle, further ones share the worker of the sink, and the
//! fate of each other: there captures wait for a limited time.

mod tables;

use crate::log_limit::LogLimit;
use crate::queue::lane::{Consumer, Lanes};
use crate::queue::spool::{SpoolError, SpoolMarks};
use crate::writer::batch::BatchSet;
use crate::writer::delivered::Delivered;
use crate::writer::delivery_thread::DeliveryThread;
use crate::writer::error::WriterError;
use crate::writer::kind::Destinations;
use crate::writer::plan::{SinkPlan, WriterPlan};
use crate::writer::sink_worker::{SinkWorker, SinkWorkerId, SpoolLocation, Spools, WorkerStart};
use crate::writer::table_waits::TableWaits;
use crate::writer::{spool_names, spools};
use crossbeam_channel::Sender;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::ops::Range;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Most destinations of one sink that have a worker of their own.
const MOST_APART: usize = 64;
/// How long one of them must have been idle to make room.
const IDLE: Duration = Duration::from_secs(10);

/// A part of a window, for one worker.
#[derive(Debug)]
pub struct Part {
    /// The worker's number.
    pub worker: usize,
    /// What it is to take.
    pub set: BatchSet,
    /// Whether that goes to its spool, without a try, and is lost where that has no room: it is for a table that is
    /// waited for.
    pub is_held: bool,
}

/// The workers of one writer, by number: those of the sinks first, in their order.
#[derive(Debug)]
pub struct SinkWorkers {
    all: BTreeMap<usize, SinkWorker>,
    sinks: usize,
    /// Names of the sinks' directories in the spool's.
    names: Vec<String>,
    /// How long the tables of each sink are waited for.
    pub(in crate::writer) waits: Vec<Arc<TableWaits>>,
    /// Numbers of the workers of tables that are waited for, by the names of their spools' directories.
    pub(in crate::writer) tables: HashMap<String, usize>,
    /// Numbers of the workers of destinations that are apart, by the names of their spools' directories.
    apart: HashMap<String, usize>,
    /// How many of the workers of each sink are away.
    away: Vec<Arc<Mutex<usize>>>,
    /// The worker whose spool's position was last brought to the disk.
    synced: usize,
    writer: usize,
    lanes: Arc<Lanes>,
    give_up: Arc<AtomicBool>,
    results: Sender<Delivered>,
    log: LogLimit,
}

impl SinkWorkers {
    /// Opens the spools of writer `writer` and starts the delivery threads, those of destinations that are apart and of
    /// tables included whose spools are not empty.
    pub fn start(
        plan: &WriterPlan,
        writer: usize,
        consumer: &mut Consumer,
        give_up: &Arc<AtomicBool>,
        results: Sender<Delivered>,
    ) -> io::Result<SinkWorkers> {
        let sinks = plan.sinks.len();
        let names = spools::names(plan);
        let mut workers = SinkWorkers {
            all: BTreeMap::new(),
            sinks,
            waits: names.iter().map(|name| TableWaits::new(plan.table_wait, name)).collect(),
            names,
            tables: HashMap::new(),
            apart: HashMap::new(),
            away: (0..sinks).map(|_| Arc::default()).collect(),
            synced: 0,
            writer,
            lanes: Arc::clone(consumer.lanes()),
            give_up: Arc::clone(give_up),
            results,
            log: LogLimit::default(),
        };
        for sink in 0..sinks {
            let spools = match open_spool(plan, writer, consumer, sink) {
                Some(Err(error)) => {
                    log::error!("captures wait in their lanes until there is a spool: {error}");
                    None
                }
                opened => opened.and_then(Result::ok),
            };
            let worker = workers.start_one(plan, (sink, sink), None, spools, None)?;
            workers.all.insert(sink, worker);
        }
        workers.start_filled(plan)?;
        Ok(workers)
    }

    /// Starts the workers beside the sinks' own whose spools hold something.
    fn start_filled(&mut self, plan: &WriterPlan) -> io::Result<()> {
        let Some(spool) = &plan.spool else { return Ok(()) };
        let writers = (self.writer, self.lanes.geometry().writers);
        for sink in self.sinks() {
            let (is_table, names) = match plan.sinks[sink].kind.destinations() {
                Destinations::Apart { prefix } => (false, spools::filled_of_apart(spool, &prefix, writers)),
                Destinations::ApartWhenBlocked => {
                    spools::remove_empty_of_tables(spool, &self.names[sink], writers);
                    (true, spools::filled_of_tables(spool, &self.names[sink], writers))
                }
                Destinations::Together => continue,
            };
            for name in names {
                match spools::open(spool, &name, writers, SpoolMarks::default()) {
                    Ok(spools) => {
                        let number = self.free_number();
                        let thread = if is_table { self.thread_of_tables(sink) } else { None };
                        let worker = self.start_one(plan, (sink, number), Some(&name), Some(spools), thread)?;
                        self.all.insert(number, worker);
                        if is_table {
                            self.add_table(sink, name, number);
                        } else {
                            self.apart.insert(name, number);
                        }
                    }
                    Err(error) => log::error!("what an earlier writer left in its spool stays there: {error}"),
                }
            }
        }
        Ok(())
    }

    /// Starts worker `number` of a sink; `name` is that of its spool's directory, where that is not the sink's own, and
    /// `thread` the delivery thread that it shares.
    fn start_one(
        &self,
        plan: &WriterPlan,
        (sink, number): (usize, usize),
        name: Option<&str>,
        spools: Option<Spools>,
        thread: Option<DeliveryThread>,
    ) -> io::Result<SinkWorker> {
        let writers = self.lanes.geometry().writers;
        let has_one_thread = plan.sinks[sink].kind.has_one_thread();
        let shared = || self.all.get(&sink).filter(|_| has_one_thread).map(SinkWorker::delivery_thread);
        let start = WorkerStart {
            id: SinkWorkerId { writer: self.writer, number, sink },
            location: name.map(|name| SpoolLocation { name: name.to_owned(), writers, spool: plan.spool.clone() }),
            spools,
            away: Arc::clone(&self.away[sink]),
            waits: Arc::clone(&self.waits[sink]),
            thread: thread.or_else(shared),
            give_up: Arc::clone(&self.give_up),
        };
        SinkWorker::start(plan, start, &self.lanes, self.results.clone())
    }

    /// The lowest number that no worker has.
    fn free_number(&self) -> usize {
        (self.sinks..).find(|number| !self.all.contains_key(number)).unwrap_or(self.sinks)
    }

    /// The numbers of all workers.
    pub fn numbers(&self) -> Vec<usize> {
        self.all.keys().copied().collect()
    }

    /// The numbers of the sinks' own workers.
    pub fn sinks(&self) -> Range<usize> {
        0..self.sinks
    }

    /// The worker with this number, if there is one.
    pub fn get_mut(&mut self, number: usize) -> Option<&mut SinkWorker> {
        self.all.get_mut(&number)
    }

    /// All workers.
    pub fn iter(&self) -> impl Iterator<Item = &SinkWorker> {
        self.all.values()
    }

    /// Whether what holds up one of them holds up others. That of a sink whose destinations are apart is none while
    /// nothing comes there, and those of tables never hold up anything.
    pub fn has_neighbours(&self, plan: &WriterPlan) -> bool {
        let is_used = |(number, worker): &(&usize, &SinkWorker)| {
            if self.tables.values().any(|table| table == *number) {
                return false;
            }
            let sink = plan.sinks.get(**number);
            let is_apart = |sink: &SinkPlan| matches!(sink.kind.destinations(), Destinations::Apart { .. });
            !sink.is_some_and(is_apart) || worker.idle_since().is_none()
        };
        self.all.iter().filter(is_used).count() > 1
    }

    /// Ends all workers; see [`SinkWorker::end`].
    pub fn end(&mut self, deadline: Instant) {
        // All are told before the first is waited for: they share the time.
        self.all.values_mut().for_each(SinkWorker::announce_end);
        std::mem::take(&mut self.all).into_values().for_each(|worker| worker.end(deadline));
    }

    /// How far the spool of a worker is committed.
    pub fn marks(&self, number: usize, consumer: &Consumer) -> SpoolMarks {
        if number < self.sinks {
            return consumer.marks(number);
        }
        self.all.get(&number).map_or_else(SpoolMarks::default, SinkWorker::own_marks)
    }

    /// Notes how far it is with the next commit.
    pub fn set_marks(&mut self, number: usize, marks: SpoolMarks, consumer: &mut Consumer) {
        if number < self.sinks {
            consumer.set_marks(number, marks);
        } else if let Some(worker) = self.all.get_mut(&number) {
            worker.set_own_marks(marks);
        }
    }

    /// The batch sets of a window, one a sink, as parts for the workers that take them.
    pub fn part(&mut self, plan: &WriterPlan, sets: Vec<BatchSet>, now: Instant) -> Vec<Part> {
        let mut parts: Vec<Part> = Vec::new();
        for (sink, set) in sets.into_iter().enumerate().filter(|(_, set)| !set.is_empty()) {
            match plan.sinks[sink].kind.destinations() {
                Destinations::Apart { prefix } => {
                    for part in set.split() {
                        let number = self.number_of(plan, (sink, &prefix), &part, now);
                        add_part(&mut parts, Part { worker: number, set: part, is_held: false });
                    }
                }
                Destinations::ApartWhenBlocked if !self.tables.is_empty() => self.part_by_table(sink, set, &mut parts),
                Destinations::ApartWhenBlocked | Destinations::Together => {
                    parts.push(Part { worker: sink, set, is_held: false });
                }
            }
        }
        parts
    }

    /// The worker of the destination that `part` is for, of a sink with this prefix.
    fn number_of(&mut self, plan: &WriterPlan, (sink, prefix): (usize, &str), part: &BatchSet, now: Instant) -> usize {
        let destination = part.batches().first().map_or("", |batch| batch.destination.as_str());
        let name = spool_names::name_of_apart(prefix, destination);
        if let Some(&number) = self.apart.get(&name) {
            if let Some(worker) = self.all.get_mut(&number) {
                worker.touch(now);
            }
            return number;
        }
        // What has come there may be for this destination.
        if self.all.get(&sink).is_some_and(|worker| worker.idle_since().is_none()) {
            return sink;
        }
        self.make(plan, sink, name, now).unwrap_or_else(|error| {
            log::warn!("{destination} shares a thread with other destinations: {error}");
            sink
        })
    }

    /// Makes a worker for the destination whose spool's directory is called `name`; that of the sink when there are too
    /// many.
    fn make(&mut self, plan: &WriterPlan, sink: usize, name: String, now: Instant) -> Result<usize, WriterError> {
        let of_sink = |number: &usize| Some((*number, self.all.get(number).filter(|worker| worker.sink() == sink)?));
        let known: Vec<(usize, &SinkWorker)> = self.apart.values().filter_map(of_sink).collect();
        let idle = known.iter().filter_map(|(number, worker)| Some((worker.idle_since()?, *number)));
        let idle = idle.filter(|(since, _)| now.duration_since(*since) >= IDLE);
        let number = match known.len() {
            few if few < MOST_APART => self.free_number(),
            _ => match idle.min() {
                Some((_, number)) => number,
                None => return Ok(sink),
            },
        };
        let worker = self.start_one(plan, (sink, number), Some(&name), None, None)?;
        self.apart.retain(|_, known| *known != number);
        if let Some(idle) = self.all.insert(number, worker) {
            idle.end(now);
        }
        self.apart.insert(name, number);
        Ok(number)
    }

    /// Waits for the disk for one worker whose spool's position is due, in turn: for many at once the lanes would fill
    /// meanwhile.
    fn sync_one_position(&mut self) {
        let is_due = |(_, worker): &(&usize, &SinkWorker)| worker.is_position_due();
        let due = self.all.range(self.synced + 1..).chain(self.all.range(..=self.synced)).find(is_due);
        let Some(number) = due.map(|(number, _)| *number) else { return };
        self.synced = number;
        if let Some(worker) = self.all.get_mut(&number) {
            worker.sync_position();
        }
    }

    /// Does what is due once a turn: syncs a spool's position, ends idle workers, shows what the spools hold.
    pub fn tick(&mut self, now: Instant) -> Result<(), WriterError> {
        self.all.values_mut().try_for_each(SinkWorker::tick)?;
        self.sync_one_position();
        self.end_idle_tables(now);
        for sink in self.sinks() {
            // Of the spools beside the sink's own, shared memory has no marks.
            let (mut beside_marks, mut bytes) = (0, 0);
            for (number, worker) in self.all.iter().filter(|(_, worker)| worker.sink() == sink) {
                let (own, earlier, held) = worker.held();
                beside_marks += earlier + if *number == sink { 0 } else { own };
                bytes += held;
            }
            self.lanes.note_spool(self.writer, sink, beside_marks, bytes);
            self.share_room(sink, bytes);
        }
        Ok(())
    }
}

/// Adds a part to those that are known, or to the one of the same worker that goes the same way.
fn add_part(parts: &mut Vec<Part>, part: Part) {
    match parts.iter_mut().find(|known| known.worker == part.worker && known.is_held == part.is_held) {
        Some(known) => known.set.join(part.set),
        None => parts.push(part),
    }
}

/// Opens the spools of a sink, its own and those of earlier writers; `None` when there are to be none. A spool that is
/// new in this run of the server leaves its marks to the next commit.
pub(super) fn open_spool(
    plan: &WriterPlan,
    writer: usize,
    consumer: &mut Consumer,
    sink: usize,
) -> Option<Result<Spools, SpoolError>> {
    let spool = plan.spool.as_ref()?;
    let writers = consumer.lanes().geometry().writers;
    let opened = spools::open(spool, &spools::names(plan)[sink], (writer, writers), consumer.marks(sink));
    if let Ok((own, _)) = &opened {
        consumer.set_marks(sink, own.marks());
    }
    Some(opened)
}
