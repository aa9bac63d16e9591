//! All ways out of a writer: one for each sink, and one for each collector that scripts name, made when it first comes.
//!
//! Collectors that scripts name share a sink, and so its marks in shared memory; but each has a delivery thread and a spool of its own, so that
//! none waits for another, and its packets keep their order. What a writer had put into such a spool and not committed when it was killed
//! is not cut off: it comes twice. When there are [`MOST_NAMED`] of them, the one that has been idle for longest makes room; where none is idle,
//! further collectors share the outlet of the sink, and the fate of each other: there packets wait for a limited time.

use super::batch::Load;
use super::deliver::Delivered;
use super::outlet::{Outlet, Post, Site};
use super::{Plan, Target, WriterError, open_spool, spools};
use crate::queue::lane::{Consumer, Lanes, SinkMarks};
use crossbeam_channel::Sender;
use std::collections::HashMap;
use std::io;
use std::ops::Range;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Most collectors that scripts name and that have an outlet of their own.
const MOST_NAMED: usize = 64;
/// How long one of them must have been idle to make room.
const IDLE: Duration = Duration::from_secs(10);

/// The outlets of one writer, by number: those of the sinks first, in their order.
#[derive(Debug)]
pub struct Outlets {
    all: Vec<Outlet>,
    sinks: usize,
    /// Numbers of the outlets of collectors that scripts name, by the names of their spools' directories.
    named: HashMap<String, usize>,
    /// How many of these are away.
    away: Arc<Mutex<usize>>,
    writer: usize,
    lanes: Arc<Lanes>,
    give_up: Arc<AtomicBool>,
    results: Sender<Delivered>,
}

impl Outlets {
    /// Opens the spools of writer `writer` and starts the delivery threads, those of collectors included that scripts have named and whose
    /// spools are not empty.
    pub fn start(
        plan: &Plan,
        writer: usize,
        consumer: &mut Consumer,
        give_up: &Arc<AtomicBool>,
        results: Sender<Delivered>,
    ) -> io::Result<Outlets> {
        let lanes = Arc::clone(consumer.lanes());
        let mut outlets = Outlets {
            all: Vec::new(),
            sinks: plan.sinks.len(),
            named: HashMap::new(),
            away: Arc::default(),
            writer,
            lanes,
            give_up: Arc::clone(give_up),
            results,
        };
        for sink in 0..outlets.sinks {
            let spools = match open_spool(plan, writer, consumer, sink) {
                Some(Err(error)) => {
                    log::error!("captures wait in their lanes until there is a spool: {error}");
                    None
                }
                opened => opened.and_then(Result::ok),
            };
            let is_named = matches!(plan.sinks[sink].target, Target::NamedCollectors(_));
            let away = if is_named { Arc::clone(&outlets.away) } else { Arc::default() };
            let post = Post { writer, number: sink, sink, named: None, away };
            let outlet = Outlet::start(plan, post, &outlets.lanes, spools, &outlets.give_up, outlets.results.clone())?;
            outlets.all.push(outlet);
        }
        outlets.start_filled(plan)?;
        Ok(outlets)
    }

    /// Starts those whose spools hold something.
    fn start_filled(&mut self, plan: &Plan) -> io::Result<()> {
        let is_named = |sink: &usize| matches!(plan.sinks[*sink].target, Target::NamedCollectors(_));
        let (Some(sink), Some(spool)) = ((0..self.sinks).find(is_named), &plan.spool) else { return Ok(()) };
        let writers = self.lanes.geometry().writers;
        for name in spools::filled_of_named(spool, (self.writer, writers)) {
            match spools::open(spool, &name, (self.writer, writers), SinkMarks::default()) {
                Ok(spools) => {
                    let post = self.post_of(plan, sink, self.all.len(), &name);
                    let results = self.results.clone();
                    let outlet = Outlet::start(plan, post, &self.lanes, Some(spools), &self.give_up, results)?;
                    self.named.insert(name, self.all.len());
                    self.all.push(outlet);
                }
                Err(error) => log::error!("what an earlier writer left in its spool stays there: {error}"),
            }
        }
        Ok(())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Numbers of the sinks' own.
    pub fn sinks(&self) -> Range<usize> {
        0..self.sinks
    }

    /// One of them.
    pub fn get_mut(&mut self, number: usize) -> &mut Outlet {
        &mut self.all[number]
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Outlet> {
        self.all.iter()
    }

    /// Whether what holds up one of them holds up others. That of the sink of collectors that scripts name is none while nothing comes there.
    pub fn has_neighbours(&self, plan: &Plan) -> bool {
        let is_used = |(number, outlet): &(usize, &Outlet)| {
            let sink = plan.sinks.get(*number).map(|sink| &sink.target);
            !matches!(sink, Some(Target::NamedCollectors(_))) || outlet.idle_since().is_none()
        };
        self.all.iter().enumerate().filter(is_used).count() > 1
    }

    /// Ends all of them; see [`Outlet::end`].
    pub fn end(&mut self, patience: Instant) {
        // All are told before the first is waited for: they share the time.
        self.all.iter_mut().for_each(Outlet::announce_end);
        self.all.drain(..).for_each(|outlet| outlet.end(patience));
    }

    /// How far the spool of an outlet is committed.
    pub fn marks(&self, number: usize, consumer: &Consumer) -> SinkMarks {
        if number < self.sinks { consumer.marks(number) } else { self.all[number].own_marks() }
    }

    /// Notes how far it is with the next commit.
    pub fn set_marks(&mut self, number: usize, marks: SinkMarks, consumer: &mut Consumer) {
        if number < self.sinks {
            consumer.set_marks(number, marks);
        } else {
            self.all[number].set_own_marks(marks);
        }
    }

    /// The loads of a window, one a sink, as parts with the numbers of the outlets that take them.
    pub fn part(&mut self, plan: &Plan, loads: Vec<Load>, now: Instant) -> Vec<(usize, Load)> {
        let mut parts: Vec<(usize, Load)> = Vec::new();
        for (sink, load) in loads.into_iter().enumerate().filter(|(_, load)| !load.is_empty()) {
            if !matches!(plan.sinks[sink].target, Target::NamedCollectors(_)) {
                parts.push((sink, load));
                continue;
            }
            for part in load.split() {
                let number = self.number_of(plan, sink, &part, now);
                match parts.iter_mut().find(|(known, _)| *known == number) {
                    Some((_, known)) => known.join(part),
                    None => parts.push((number, part)),
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
            self.all[number].touch(now);
            return number;
        }
        // What has come there may be of this collector.
        if self.all[sink].idle_since().is_none() {
            return sink;
        }
        self.make(plan, sink, name, now).unwrap_or_else(|error| {
            log::warn!("{uri} shares a thread with other collectors: {error}");
            sink
        })
    }

    /// Makes an outlet for the collector whose spool's directory is called `name`; that of the sink when there are too many.
    fn make(&mut self, plan: &Plan, sink: usize, name: String, now: Instant) -> Result<usize, WriterError> {
        let idle = (self.sinks..self.all.len()).filter_map(|number| Some((self.all[number].idle_since()?, number)));
        let idle = idle.filter(|(since, _)| now.duration_since(*since) >= IDLE);
        let number = match self.named.len() {
            few if few < MOST_NAMED => self.all.len(),
            _ => match idle.min() {
                Some((_, number)) => number,
                None => return Ok(sink),
            },
        };
        let post = self.post_of(plan, sink, number, &name);
        let outlet = Outlet::start(plan, post, &self.lanes, None, &self.give_up, self.results.clone())?;
        if number == self.all.len() {
            self.all.push(outlet);
        } else {
            self.named.retain(|_, known| *known != number);
            std::mem::replace(&mut self.all[number], outlet).end(now);
        }
        self.named.insert(name, number);
        Ok(number)
    }

    fn post_of(&self, plan: &Plan, sink: usize, number: usize, name: &str) -> Post {
        let writers = self.lanes.geometry().writers;
        let site = Site { name: name.to_owned(), writers, spool: plan.spool.clone() };
        Post { writer: self.writer, number, sink, named: Some(site), away: Arc::clone(&self.away) }
    }

    /// Housekeeping, once a turn.
    pub fn tick(&mut self) -> Result<(), WriterError> {
        self.all.iter_mut().try_for_each(Outlet::tick)?;
        for sink in self.sinks() {
            // Of the spools of collectors that scripts name, shared memory has no marks.
            let (mut beside_marks, mut bytes) = (0, 0);
            for (number, outlet) in self.all.iter().enumerate().filter(|(_, outlet)| outlet.sink() == sink) {
                let (own, earlier, held) = outlet.held();
                beside_marks += earlier + if number == sink { 0 } else { own };
                bytes += held;
            }
            self.lanes.note_spool(self.writer, sink, beside_marks, bytes);
        }
        Ok(())
    }
}
