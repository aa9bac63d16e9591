//! Getting rows into a sink: tries again as often as it may, and halves what the sink refuses until the bad rows stand alone.

use super::WriterPlan;
use super::health::{Health, SinkPlace};
use super::table_waits::TableWaits;
use super::tries::{BACK_OFF, RetryLimit, Tries, pause};
use crate::sink::{self, Bisection, DatabaseUrl, Sink, SinkError};
use crate::table::{Layout, Row};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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

/// A sink that is tried again as often as the parameters allow.
pub struct Store {
    sink: Box<dyn Sink>,
    health: Health,
    give_up: Arc<AtomicBool>,
    waits: Arc<TableWaits>,
    retry_limit: RetryLimit,
    /// How often rows are tried again while there is a spool.
    spooled_retry_limit: RetryLimit,
    last_refusal: Option<Instant>,
    silent_refusals: u64,
}

impl Store {
    /// Opens the sink of `plan` at `place`, a database at `url`; it connects with the first write.
    /// `waits` are those of the sink's tables.
    pub fn new(
        plan: &WriterPlan,
        url: &DatabaseUrl,
        place: SinkPlace,
        waits: Arc<TableWaits>,
        give_up: Arc<AtomicBool>,
    ) -> Store {
        let sink = sink::open_linked(url, &plan.sinks[place.number].options, plan.sinks[place.number].link.clone());
        let [retry_limit, spooled_retry_limit] = RetryLimit::of(plan);
        let store = Store::with_sink(sink, retry_limit, waits, Health::new(place), give_up);
        Store { spooled_retry_limit, ..store }
    }

    /// The same around any sink.
    pub fn with_sink(
        sink: Box<dyn Sink>,
        retry_limit: RetryLimit,
        waits: Arc<TableWaits>,
        health: Health,
        give_up: Arc<AtomicBool>,
    ) -> Store {
        Store {
            sink,
            health,
            give_up,
            waits,
            retry_limit,
            spooled_retry_limit: retry_limit,
            last_refusal: None,
            silent_refusals: 0,
        }
    }

    /// Whether rows need not come here: the sink was away when it was last asked, and they have a spool to go to, or the server ends.
    pub fn turns_away(&self) -> bool {
        self.health.is_away() && (self.health.has_spool() || self.give_up.load(Ordering::Relaxed))
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
        if self.health.has_spool() { self.spooled_retry_limit } else { self.retry_limit }
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
