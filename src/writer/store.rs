//! Getting rows into a sink: waits while it is away, halves what it refuses until the bad rows stand alone.

use super::Plan;
use crate::queue::lane::Lanes;
use crate::sink::{self, Sink, SinkError};
use crate::table::{Layout, Row};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// First and longest wait between two tries of a sink that is away.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// How often an outage that lasts is said again.
const REMIND: Duration = Duration::from_secs(60);
/// Unusable tables that are remembered by name.
const MOST_TABLES: usize = 64;
/// Refused rows that are logged in one interval.
const LOG_EVERY: Duration = Duration::from_secs(5);

/// What became of a batch's rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// Rows stored.
    pub stored: u64,
    /// Rows that the sink refused.
    pub rejected: u64,
    /// Values cut to their column's width.
    pub truncated: u64,
    /// Rows that were given up because the server ends.
    pub undelivered: u64,
}

/// A sink with patience.
pub struct Store {
    sink: Box<dyn Sink>,
    lanes: Arc<Lanes>,
    writer: usize,
    give_up: Arc<AtomicBool>,
    table_patience: Duration,
    outage: Option<Outage>,
    unusable: Option<Unusable>,
    last_refusal: Option<Instant>,
    silent_refusals: u64,
}

/// A time in which tables are missing or may not be written. One wait is all that they get together: names can come from traffic,
/// and every wait holds up the tables that are well.
struct Unusable {
    since: Instant,
    last: Instant,
    tables: Vec<String>,
}

struct Outage {
    since: Instant,
    said: Instant,
    back_off: Duration,
}

impl Store {
    /// Opens the sink of `plan`; it connects with the first write.
    pub fn new(plan: &Plan, lanes: Arc<Lanes>, writer: usize, give_up: Arc<AtomicBool>) -> Store {
        Store::with_sink(
            sink::open(&plan.sinks[0].url, &plan.sinks[0].options),
            plan.table_patience,
            lanes,
            writer,
            give_up,
        )
    }

    /// The same around any sink.
    pub fn with_sink(
        sink: Box<dyn Sink>,
        table_patience: Duration,
        lanes: Arc<Lanes>,
        writer: usize,
        give_up: Arc<AtomicBool>,
    ) -> Store {
        Store {
            sink,
            lanes,
            writer,
            give_up,
            table_patience,
            outage: None,
            unusable: None,
            last_refusal: None,
            silent_refusals: 0,
        }
    }

    /// Writes `rows`; comes back when each is stored, refused, or given up.
    pub fn write(&mut self, table: &str, layout: &Layout, rows: &[Row<'_>]) -> Stored {
        let mut done = Stored::default();
        let mut waiting = Vec::new();
        if !rows.is_empty() {
            waiting.push(0..rows.len());
        }
        while let Some(range) = waiting.pop() {
            match self.sink.write(table, layout, &rows[range.clone()]) {
                Ok(written) => {
                    done.stored += range.len() as u64;
                    done.truncated += written.truncated;
                    self.note_up(table);
                }
                Err(SinkError::Rejected(why)) => {
                    self.note_answer();
                    match halves(&range) {
                        // The earlier half goes first, so that order within the table is kept.
                        Some((early, late)) => waiting.extend([late, early]),
                        None => done.rejected += self.refuse(table, 1, &why),
                    }
                }
                Err(SinkError::TableUnusable(why)) => {
                    self.note_answer();
                    if self.has_waited_for(table, &why) {
                        done.rejected += self.refuse(table, range.len() as u64, &why);
                    } else if self.pause(BACK_OFF.0) {
                        waiting.push(range);
                    } else {
                        done.undelivered += range.len() as u64;
                    }
                }
                Err(SinkError::Unavailable(why)) => {
                    if self.wait_out(&why) {
                        waiting.push(range);
                    } else {
                        done.undelivered += range.len() as u64;
                    }
                }
            }
        }
        done
    }

    /// The sink answered, whatever it said.
    fn note_answer(&mut self) {
        self.lanes.sink_is_up(self.writer);
        if let Some(outage) = self.outage.take() {
            log::info!("the database is back after {} s", outage.since.elapsed().as_secs());
        }
    }

    fn note_up(&mut self, table: &str) {
        self.note_answer();
        if self.unusable.as_ref().is_some_and(|unusable| unusable.tables.iter().any(|known| known == table)) {
            self.unusable = None;
        }
    }

    /// Sleeps before the next try; false when the server ends and this sink is given up.
    fn wait_out(&mut self, why: &str) -> bool {
        self.lanes.sink_is_down(self.writer, why);
        let now = Instant::now();
        let back_off = match &mut self.outage {
            None => {
                log::error!("the database is away, captures wait: {why}");
                self.outage = Some(Outage { since: now, said: now, back_off: BACK_OFF.0 });
                BACK_OFF.0
            }
            Some(outage) => {
                if outage.said.elapsed() >= REMIND {
                    outage.said = now;
                    log::error!("the database is away for {} s: {why}", outage.since.elapsed().as_secs());
                }
                outage.back_off = (outage.back_off * 2).min(BACK_OFF.1);
                outage.back_off
            }
        };
        self.pause(back_off)
    }

    /// Sleeps; false when the server ends and this sink is given up.
    fn pause(&self, duration: Duration) -> bool {
        let until = Instant::now() + duration;
        loop {
            if self.give_up.load(Ordering::Relaxed) {
                return false;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            std::thread::sleep(left.min(Duration::from_millis(50)));
        }
    }

    /// Whether the wait for unusable tables, of which `table` is one, is over; says once when it begins.
    fn has_waited_for(&mut self, table: &str, why: &str) -> bool {
        let now = Instant::now();
        let unusable = match &mut self.unusable {
            Some(unusable) if unusable.last.elapsed() < REMIND => unusable,
            none => {
                log::error!("captures wait up to {} s for a table: {why}", self.table_patience.as_secs());
                none.insert(Unusable { since: now, last: now, tables: Vec::new() })
            }
        };
        unusable.last = now;
        let known = unusable.tables.iter().any(|known| known == table);
        if !known && unusable.tables.len() < MOST_TABLES {
            unusable.tables.push(table.to_owned());
        }
        unusable.since.elapsed() >= self.table_patience
    }

    /// Says at a limited rate that rows are lost; returns their number.
    fn refuse(&mut self, table: &str, rows: u64, why: &str) -> u64 {
        if self.last_refusal.is_some_and(|last| last.elapsed() < LOG_EVERY) {
            self.silent_refusals += rows;
        } else {
            let silent = std::mem::take(&mut self.silent_refusals);
            log::error!("{rows} rows refused by table {table} ({silent} more since the last such line): {why}");
            self.last_refusal = Some(Instant::now());
        }
        rows
    }
}

/// Both halves of a range of more than one.
fn halves(range: &Range<usize>) -> Option<(Range<usize>, Range<usize>)> {
    (range.len() > 1).then(|| {
        let middle = range.start + range.len() / 2;
        (range.start..middle, middle..range.end)
    })
}
