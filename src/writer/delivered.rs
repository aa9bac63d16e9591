//! What becomes of captures that a sink was given.

use super::counters::{Counters, add_all};
use crate::queue::counters::COMMITTED;
use std::ops::Range;
use std::sync::Arc;

/// A capture that the sink refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Its number in what the sink was given.
    pub number: usize,
    /// The reason.
    pub why: Arc<str>,
}

/// What became of one batch; captures that are neither refused nor left are stored. They are numbered from 0.
#[derive(Debug)]
pub struct BatchOutcome {
    /// What this adds to the counters, but for captures stored, refused and left.
    pub counters: Counters,
    /// Captures refused, in order.
    pub refused: Vec<Refused>,
    /// Captures that could not be delivered now, in order.
    pub left: Vec<Range<usize>>,
    /// Whether the sink was away at the end.
    pub away: bool,
}

impl Default for BatchOutcome {
    /// All captures are stored.
    fn default() -> BatchOutcome {
        BatchOutcome { counters: [0; COMMITTED], refused: Vec::new(), left: Vec::new(), away: false }
    }
}

/// What became of one batch set; captures that are neither refused nor left are stored. They are numbered as those of
/// the set.
#[derive(Debug)]
pub struct Delivered {
    /// Number of the worker whose job it was.
    pub worker: usize,
    /// The job.
    pub job: u64,
    /// What this adds to the counters, but for captures stored, refused and left.
    pub counters: Counters,
    /// Captures refused, in order.
    pub refused: Vec<Refused>,
    /// Captures that could not be delivered now, in order.
    pub left: Vec<Range<usize>>,
    /// Whether the sink was away at the end.
    pub away: bool,
}

impl Delivered {
    /// Nothing has become of job `job` of worker `worker` yet. `away`: whether the sink is known to be away.
    pub fn new(worker: usize, job: u64, away: bool) -> Delivered {
        Delivered { worker, job, counters: [0; COMMITTED], refused: Vec::new(), left: Vec::new(), away }
    }

    /// Adds what became of a batch whose first capture is number `first` of the set.
    pub fn add(&mut self, first: usize, outcome: BatchOutcome) {
        add_all(&mut self.counters, &outcome.counters);
        let refused = outcome.refused.into_iter();
        self.refused.extend(refused.map(|refused| Refused { number: first + refused.number, ..refused }));
        self.left.extend(outcome.left.into_iter().map(|range| first + range.start..first + range.end));
        self.away = outcome.away;
    }

    /// How many captures could not be delivered now.
    pub fn left_len(&self) -> usize {
        self.left.iter().map(Range::len).sum()
    }
}

/// Numbers, in order, as ranges.
pub fn runs(numbers: impl Iterator<Item = usize>) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for number in numbers {
        match runs.last_mut().filter(|run| run.end == number) {
            Some(run) => run.end += 1,
            None => runs.push(number..number + 1),
        }
    }
    runs
}
