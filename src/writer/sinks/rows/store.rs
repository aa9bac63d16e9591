//! Getting rows into a sink: tries again as often as it may, and halves what the sink refuses until the bad rows stand
//! alone.

use crate::sink::{Bisection, Sink, SinkError};
use crate::table::{Layout, Row};
use crate::writer::health::Health;
use crate::writer::table_waits::TableWaits;
use crate::writer::tries::{BACK_OFF, RetryLimit, Tries, pause};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// Refused rows that are logged in one interval.
const LOG_EVERY: Duration = Duration::from_secs(5);

/// Rows that the sink refused, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Their positions.
    pub rows: Range<usize>,
    /// The reason.
    pub why: String,
}

/// What became of a batch's rows; what is neither refused nor left is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteOutcome {
    /// Rows that the sink refused, in order.
    pub refused: Vec<Refusal>,
    /// Rows that could not be written now, in order.
    pub left: Vec<Range<usize>>,
    /// Values cut to their column's width.
    pub truncated: u64,
    /// Whether the sink was away at the end.
    pub away: bool,
}

/// A database that is tried again as often as the parameters allow.
pub struct Store {
    sink: Box<dyn Sink>,
    health: Health,
    give_up: Arc<AtomicBool>,
    waits: Arc<TableWaits>,
    /// How often rows are tried again without a spool, and with one.
    retry_limits: [RetryLimit; 2],
    last_refusal: Option<Instant>,
    silent_refusals: u64,
}

impl Store {
    /// Around `sink`, whose tables are waited for as `waits` says.
    pub fn new(
        sink: Box<dyn Sink>,
        retry_limits: [RetryLimit; 2],
        waits: Arc<TableWaits>,
        health: Health,
        give_up: Arc<AtomicBool>,
    ) -> Store {
        Store { sink, health, give_up, waits, retry_limits, last_refusal: None, silent_refusals: 0 }
    }

    /// See [`Delivery::turns_away`](crate::writer::kind::Delivery::turns_away).
    pub fn turns_away(&self) -> bool {
        self.health.turns_away(&self.give_up)
    }

    /// Writes `rows`; comes back when each is stored, refused, or left for later.
    pub fn write(&mut self, table: &str, layout: &Layout, rows: &[Row<'_>]) -> WriteOutcome {
        let mut outcome = WriteOutcome::default();
        let mut tries = Tries::new();
        let mut waiting = Bisection::new(rows.len(), self.sink.most_rows());
        while let Some(range) = waiting.take() {
            match self.sink.write(table, layout, &rows[range.clone()]) {
                Ok(written) => {
                    outcome.truncated += written.truncated;
                    self.note_up(table);
                }
                Err(SinkError::Rejected(why)) => {
                    self.health.note_answer();
                    if !waiting.halve(&range) {
                        self.say_refused(table, 1, &why);
                        outcome.refused.push(Refusal { rows: range, why });
                    }
                }
                Err(SinkError::TableUnusable(why)) => {
                    self.health.note_answer();
                    if self.waits.is_over(table, &why) {
                        self.say_refused(table, range.len() as u64, &why);
                        outcome.refused.push(Refusal { rows: range, why });
                    } else if self.health.has_spool() || !pause(BACK_OFF.0, &self.give_up) {
                        outcome.left.push(range);
                        outcome.left.extend(waiting.rest());
                        break;
                    } else {
                        waiting.put_back(range);
                    }
                }
                // The others of the batch would wait for the lock as long, one after the other.
                Err(SinkError::TableLocked(why)) if self.health.has_spool() => {
                    self.health.note_answer();
                    self.waits.note_locked(table, &why);
                    outcome.left.push(range);
                    outcome.left.extend(waiting.rest());
                    break;
                }
                Err(SinkError::Unavailable(why) | SinkError::TableLocked(why)) => {
                    self.health.note_away(&why);
                    if tries.go_on(self.retry_limit(), &self.give_up) {
                        waiting.put_back(range);
                    } else {
                        outcome.left.push(range);
                        outcome.left.extend(waiting.rest());
                        outcome.away = true;
                        break;
                    }
                }
            }
        }
        outcome
    }

    fn note_up(&mut self, table: &str) {
        self.health.note_answer();
        self.waits.note_written(table);
    }

    fn retry_limit(&self) -> RetryLimit {
        self.retry_limits[usize::from(self.health.has_spool())]
    }

    /// Says at a limited rate that rows are refused.
    fn say_refused(&mut self, table: &str, rows: u64, why: &str) {
        if self.last_refusal.is_some_and(|last| last.elapsed() < LOG_EVERY) {
            self.silent_refusals += rows;
        } else {
            let silent = std::mem::take(&mut self.silent_refusals);
            log::error!("{rows} rows refused by table {table} ({silent} more since the last such line): {why}");
            self.last_refusal = Some(Instant::now());
        }
    }
}
