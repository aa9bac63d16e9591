//! A window: what one turn of the drain read, in batch sets by sink, and what became of it.

use super::batch::BatchSet;
use super::batching::add_record;
use super::counters::{Counters, add, add_all};
use super::plan::WriterPlan;
use crate::capture::record;
use crate::log_limit::LogLimit;
use crate::queue::counters::{COMMITTED, Committed};
use crate::queue::lane::{Consumer, Progress};
use log::Level;
use std::time::Instant;

/// Windows on the way to the sinks at one time.
pub const WINDOWS: usize = 2;
/// Bytes of one window, about: keeps a burst of large messages from growing the process.
pub const WINDOW_BYTES: usize = 8 << 20;

/// What became of the part of a window that one worker took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// The window.
    pub window: u64,
    /// What its commit adds to the counters.
    pub counters: Counters,
    /// Id that the worker's spool gives next, when captures of the window went there.
    pub spool_next: Option<u64>,
    /// Captures that were given up undelivered, because the server ends: they stay in their lane.
    pub undelivered: u64,
}

/// What is remembered of a window until all of its batch sets are settled.
#[derive(Debug)]
pub struct Window {
    number: u64,
    progress: Progress,
    parts: usize,
    settled: usize,
    undelivered: u64,
    records: u64,
    waited_ms: u64,
    read_at: Instant,
    counters: Counters,
    spool_next: Vec<(usize, u64)>,
}

impl Window {
    /// Reads up to a full batch for some destination, or all that is queued. The batch sets come one a sink, in the
    /// sinks' order.
    pub fn fill(
        number: u64,
        consumer: &mut Consumer,
        plan: &WriterPlan,
        bad_log: &mut LogLimit,
    ) -> (Window, Vec<BatchSet>) {
        let mut sets = vec![BatchSet::default(); plan.sinks.len()];
        let mut counters = [0; COMMITTED];
        let (mut bytes, mut waited_ms) = (0, 0);
        let (records, corrupt) = consumer.read(|record, waited| {
            waited_ms = waited_ms.max(waited);
            bytes += record.len();
            let sink = usize::from(record::sink(record));
            let placed = match sets.get_mut(sink).zip(plan.sinks.get(sink)) {
                Some((set, sink)) => add_record(set, record, &*sink.kind),
                None => Err(format!("there is no sink {sink}")),
            };
            let full = match placed {
                Ok(rows) => rows >= plan.batch_size,
                Err(why) => {
                    bad_log.log(Level::Error, format_args!("capture dropped: {why}"));
                    add(&mut counters, Committed::Rejected, 1);
                    false
                }
            };
            !full && bytes < WINDOW_BYTES
        });
        sets.iter_mut().for_each(BatchSet::sort_by_time);
        add(&mut counters, Committed::Corrupt, corrupt);
        let window = Window {
            number,
            progress: consumer.progress(),
            parts: sets.iter().filter(|set| !set.is_empty()).count(),
            settled: 0,
            undelivered: 0,
            records: records + corrupt,
            waited_ms,
            read_at: Instant::now(),
            counters,
            spool_next: Vec::new(),
        };
        (window, sets)
    }

    /// Its number, one up from the last.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// How far the lanes were read with it.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// What its commit adds to the counters.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Workers whose spool took captures of it, with the id that comes next there.
    pub fn spool_next(&self) -> &[(usize, u64)] {
        &self.spool_next
    }

    /// How many captures it holds.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Milliseconds that its oldest capture has waited by now.
    pub fn waited_ms(&self) -> u64 {
        self.waited_ms + self.read_at.elapsed().as_millis() as u64
    }

    /// Sets how many parts it has, each of which is settled by itself.
    pub fn expect(&mut self, parts: usize) {
        self.parts = parts;
    }

    /// Adds what became of its part for `worker`.
    pub fn note(&mut self, worker: usize, settled: &Settled) {
        self.settled += 1;
        self.undelivered += settled.undelivered;
        add_all(&mut self.counters, &settled.counters);
        self.spool_next.extend(settled.spool_next.map(|next| (worker, next)));
    }

    /// Whether every part is settled.
    pub fn is_settled(&self) -> bool {
        self.settled == self.parts
    }

    /// Whether every capture is stored, spooled or counted, so that its bytes may be freed.
    pub fn is_finished(&self) -> bool {
        self.is_settled() && self.undelivered == 0
    }
}
