//! All ways out of a writer: one for each sink, one for each collector that scripts name, made when it first comes,
//! and one for each table that
//! is waited for, see [`table_outlets`](super::table_outlets).
//!
//! Collectors that scripts name share a sink, and so its marks in shared memory; but each has a delivery thread and a spool of its own, so that
//! none waits for another, and its packets keep their order. What a writer had put into such a spool and not committed when it was killed
//! is not cut off: it comes twice. When there are [`MOST_NAMED`] of them, the one that has been idle for longest makes room; where none is idle,
//! further collectors share the outlet of the sink, and the fate of each other: there packets wait for a limited time.

use super::batch::Load;
use super::deliver::{Delivered, Line};
use super::outlet::{Outlet, Post, Site};
use super::table_waits::TableWaits;
use super::{Plan, Target, WriterError, open_spool, spools};
use crate::log_limit::LogLimit;
use crate::queue::lane::{Consumer, Lanes, SinkMarks};
use crate::queue::spool::Spool;
use crate::sink::DatabaseUrl;
use crossbeam_channel::Sender;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::ops::Range;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Most collectors that scripts name and that have an outlet of their own.
const MOST_NAMED: usize = 64;
/// How long one of them must have been idle to make room.
const IDLE: Duration = Duration::from_secs(10);

/// A part of a window, for one outlet.
#[derive(Debug)]
pub struct Part {
    /// The outlet's number.
    pub outlet: usize,
    /// What it is to take.
    pub load: Load,
    /// Whether that goes to its spool, without a try, and is lost where that has no room: it is for a table that is
    /// waited for.
    pub is_held: bool,
}

/// The outlets of one writer, by number: those of the sinks first, in their order.
#[derive(Debug)]
pub struct Outlets {
    pub(super) all: BTreeMap<usize, Outlet>,
    pub(super) sinks: usize,
    /// Names of the sinks' directories in the spool's.
    pub(super) names: Vec<String>,
    /// How long the tables of each sink are waited for.
    pub(super) waits: Vec<Arc<TableWaits>>,
    /// Numbers of the outlets of tables that are waited for, by the names of their spools' directories.
    pub(super) tables: HashMap<String, usize>,
    /// Numbers of the outlets of collectors that scripts name, by the names of their spools' directories.
    named: HashMap<String, usize>,
    /// How many of the outlets of each sink are away.
    away: Vec<Arc<Mutex<usize>>>,
    /// The outlet whose spool's position was last brought to the disk.
    synced: usize,
    pub(super) writer: usize,
    pub(super) lanes: Arc<Lanes>,
    give_up: Arc<AtomicBool>,
    results: Sender<Delivered>,
    pub(super) log: LogLimit,
}

impl Outlets {
    /// Opens the spools of writer `writer` and starts the delivery threads, those of collectors that scripts have
    /// named and of tables included
    /// whose spools are not empty.
    pub fn start(
        plan: &Plan,
        writer: usize,
        consumer: &mut Consumer,
        give_up: &Arc<AtomicBool>,
        results: Sender<Delivered>,
    ) -> io::Result<Outlets> {
        let sinks = plan.sinks.len();
        let names = spools::names(plan);
        let mut outlets = Outlets {
            all: BTreeMap::new(),
            sinks,
            waits: names.iter().map(|name| TableWaits::new(plan.table_patience, name)).collect(),
            names,
            tables: HashMap::new(),
            named: HashMap::new(),
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
            let outlet = outlets.start_one(plan, (sink, sink), None, spools, None)?;
            outlets.all.insert(sink, outlet);
        }
        outlets.start_filled(plan)?;
        Ok(outlets)
    }

    /// Starts those whose spools hold something.
    fn start_filled(&mut self, plan: &Plan) -> io::Result<()> {
        let Some(spool) = &plan.spool else { return Ok(()) };
        let writers = (self.writer, self.lanes.geometry().writers);
        for sink in self.sinks() {
            let (is_table, names) = match plan.sinks[sink].target {
                Target::NamedCollectors(_) => (false, spools::filled_of_named(spool, writers)),
                Target::Database(_) => {
                    spools::remove_empty_of_tables(spool, &self.names[sink], writers);
                    (true, spools::filled_of_tables(spool, &self.names[sink], writers))
                }
                Target::Collectors(..) => continue,
            };
            for name in names {
                match spools::open(spool, &name, writers, SinkMarks::default()) {
                    Ok(spools) => {
                        let number = self.free_number();
                        let line = if is_table { self.line_of_tables(sink) } else { None };
                        let outlet = self.start_one(plan, (sink, number), Some(&name), Some(spools), line)?;
                        self.all.insert(number, outlet);
                        if is_table {
                            self.add_table(sink, name, number);
                        } else {
                            self.named.insert(name, number);
                        }
                    }
                    Err(error) => log::error!("what an earlier writer left in its spool stays there: {error}"),
                }
            }
        }
        Ok(())
    }

    /// Starts outlet `number` of a sink; `name` is that of its spool's directory, where that is not the sink's own,
    /// and `line` is that to the
    /// delivery thread that it shares.
    pub(super) fn start_one(
        &self,
        plan: &Plan,
        (sink, number): (usize, usize),
        name: Option<&str>,
        spools: Option<(Spool, Vec<Spool>)>,
        line: Option<Line>,
    ) -> io::Result<Outlet> {
        let writers = self.lanes.geometry().writers;
        let site = name.map(|name| Site { name: name.to_owned(), writers, spool: plan.spool.clone() });
        // The way to a host database process is one, and for one thread.
        let is_hosted = matches!(plan.sinks[sink].target, Target::Database(DatabaseUrl::Host(_)));
        let line = line.or_else(|| self.all.get(&sink).filter(|_| is_hosted).map(Outlet::line));
        let (away, waits) = (Arc::clone(&self.away[sink]), Arc::clone(&self.waits[sink]));
        let post = Post { writer: self.writer, number, sink, site, away, waits, line };
        Outlet::start(plan, post, &self.lanes, spools, &self.give_up, self.results.clone())
    }

    /// The lowest number that no outlet has.
    pub(super) fn free_number(&self) -> usize {
        (self.sinks..).find(|number| !self.all.contains_key(number)).unwrap_or(self.sinks)
    }

    /// The numbers of all that there are.
    pub fn numbers(&self) -> Vec<usize> {
        self.all.keys().copied().collect()
    }

    /// Numbers of the sinks' own.
    pub fn sinks(&self) -> Range<usize> {
        0..self.sinks
    }

    /// One of them, unless it is there no more.
    pub fn get_mut(&mut self, number: usize) -> Option<&mut Outlet> {
        self.all.get_mut(&number)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Outlet> {
        self.all.values()
    }

    /// Whether what holds up one of them holds up others. That of the sink of collectors that scripts name is none
    /// while nothing comes there, and
    /// those of tables never hold up anything.
    pub fn has_neighbours(&self, plan: &Plan) -> bool {
        let is_used = |(number, outlet): &(&usize, &Outlet)| {
            if self.tables.values().any(|table| table == *number) {
                return false;
            }
            let sink = plan.sinks.get(**number).map(|sink| &sink.target);
            !matches!(sink, Some(Target::NamedCollectors(_))) || outlet.idle_since().is_none()
        };
        self.all.iter().filter(is_used).count() > 1
    }

    /// Ends all of them; see [`Outlet::end`].
    pub fn end(&mut self, patience: Instant) {
        // All are told before the first is waited for: they share the time.
        self.all.values_mut().for_each(Outlet::announce_end);
        std::mem::take(&mut self.all).into_values().for_each(|outlet| outlet.end(patience));
    }

    /// How far the spool of an outlet is committed.
    pub fn marks(&self, number: usize, consumer: &Consumer) -> SinkMarks {
        if number < self.sinks {
            return consumer.marks(number);
        }
        self.all.get(&number).map_or_else(SinkMarks::default, Outlet::own_marks)
    }

    /// Notes how far it is with the next commit.
    pub fn set_marks(&mut self, number: usize, marks: SinkMarks, consumer: &mut Consumer) {
        if number < self.sinks {
            consumer.set_marks(number, marks);
        } else if let Some(outlet) = self.all.get_mut(&number) {
            outlet.set_own_marks(marks);
        }
    }

    /// The loads of a window, one a sink, as parts for the outlets that take them.
    pub fn part(&mut self, plan: &Plan, loads: Vec<Load>, now: Instant) -> Vec<Part> {
        let mut parts: Vec<Part> = Vec::new();
        for (sink, load) in loads.into_iter().enumerate().filter(|(_, load)| !load.is_empty()) {
            match plan.sinks[sink].target {
                Target::NamedCollectors(_) => {
                    for part in load.split() {
                        let number = self.number_of(plan, sink, &part, now);
                        add_part(&mut parts, Part { outlet: number, load: part, is_held: false });
                    }
                }
                Target::Database(_) if !self.tables.is_empty() => self.part_by_table(sink, load, &mut parts),
                Target::Database(_) | Target::Collectors(..) => {
                    parts.push(Part { outlet: sink, load, is_held: false });
                }
            }
        }
        parts
    }

    /// The outlet of the collector that the packets of `part` name.
    fn number_of(&mut self, plan: &Plan, sink: usize, part: &Load, now: Instant) -> usize {
        let uri = part.batches().first().map_or("", |batch| batch.table.as_str());
        let name = spools::name_of_named(uri);
        if let Some(&number) = self.named.get(&name) {
            if let Some(outlet) = self.all.get_mut(&number) {
                outlet.touch(now);
            }
            return number;
        }
        // What has come there may be of this collector.
        if self.all.get(&sink).is_some_and(|outlet| outlet.idle_since().is_none()) {
            return sink;
        }
        self.make(plan, sink, name, now).unwrap_or_else(|error| {
            log::warn!("{uri} shares a thread with other collectors: {error}");
            sink
        })
    }

    /// Makes an outlet for the collector whose spool's directory is called `name`; that of the sink when there are too many.
    fn make(&mut self, plan: &Plan, sink: usize, name: String, now: Instant) -> Result<usize, WriterError> {
        let idle = self.named.values().filter_map(|number| Some((self.all.get(number)?.idle_since()?, *number)));
        let idle = idle.filter(|(since, _)| now.duration_since(*since) >= IDLE);
        let number = match self.named.len() {
            few if few < MOST_NAMED => self.free_number(),
            _ => match idle.min() {
                Some((_, number)) => number,
                None => return Ok(sink),
            },
        };
        let outlet = self.start_one(plan, (sink, number), Some(&name), None, None)?;
        self.named.retain(|_, known| *known != number);
        if let Some(idle) = self.all.insert(number, outlet) {
            idle.end(now);
        }
        self.named.insert(name, number);
        Ok(number)
    }

    /// Waits for the disk for one outlet whose spool's position is due, in turn: for many at once the lanes would fill meanwhile.
    fn sync_one_position(&mut self) {
        let is_due = |(_, outlet): &(&usize, &Outlet)| outlet.is_position_due();
        let due = self.all.range(self.synced + 1..).chain(self.all.range(..=self.synced)).find(is_due);
        let Some(number) = due.map(|(number, _)| *number) else { return };
        self.synced = number;
        if let Some(outlet) = self.all.get_mut(&number) {
            outlet.sync_position();
        }
    }

    /// Housekeeping, once a turn.
    pub fn tick(&mut self, now: Instant) -> Result<(), WriterError> {
        self.all.values_mut().try_for_each(Outlet::tick)?;
        self.sync_one_position();
        self.end_idle_tables(now);
        for sink in self.sinks() {
            // Of the spools beside the sink's own, shared memory has no marks.
            let (mut beside_marks, mut bytes) = (0, 0);
            for (number, outlet) in self.all.iter().filter(|(_, outlet)| outlet.sink() == sink) {
                let (own, earlier, held) = outlet.held();
                beside_marks += earlier + if *number == sink { 0 } else { own };
                bytes += held;
            }
            self.lanes.note_spool(self.writer, sink, beside_marks, bytes);
            self.share_room(sink, bytes);
        }
        Ok(())
    }
}

/// Adds a part to those that are known, or to the one of the same outlet that goes the same way.
pub(super) fn add_part(parts: &mut Vec<Part>, part: Part) {
    match parts.iter_mut().find(|known| known.outlet == part.outlet && known.is_held == part.is_held) {
        Some(known) => known.load.join(part.load),
        None => parts.push(part),
    }
}
