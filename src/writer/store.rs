//! Getting rows into a sink: tries again as often as it may, and halves what the sink refuses until the bad rows stand alone.

use super::Plan;
use super::health::{Health, REMIND, SinkPlace};
use super::tries::{BACK_OFF, Patience, Tries, pause};
use crate::sink::{self, DatabaseUrl, Sink, SinkError, Slices};
use crate::table::{Layout, Row};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Longest wait for a table that has taken no rows yet: its name may be a mistake, or made up by whoever sends the traffic.
const STRANGER: Duration = Duration::from_secs(60);
/// Unusable tables that are remembered by name.
const MOST_TABLES: usize = 64;
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
pub struct Outcome {
    /// Rows that the sink refused, in order.
    pub refused: Vec<Refusal>,
    /// Rows that could not be written now, in order.
    pub left: Vec<Range<usize>>,
    /// Values cut to their column's width.
    pub truncated: u64,
    /// Whether the sink was away at the end.
    pub away: bool,
}

/// A sink with patience.
pub struct Store {
    sink: Box<dyn Sink>,
    health: Health,
    give_up: Arc<AtomicBool>,
    table_patience: Duration,
    patience: Patience,
    /// Patience while there is a spool.
    spooled_patience: Patience,
    unusable: Option<Unusable>,
    /// Waits of tables that have taken rows before.
    own_waits: Vec<Unusable>,
    /// Tables that have taken rows lately.
    proven: VecDeque<String>,
    last_refusal: Option<Instant>,
    silent_refusals: u64,
}

/// A time in which tables are missing or may not be written. A table that has taken rows before has a wait of its own. All others
/// have one together: their names can come from traffic, and every wait holds up the tables that are well.
struct Unusable {
    since: Instant,
    last: Instant,
    tables: Vec<String>,
}

impl Unusable {
    fn begin(table: &str, patience: Duration, why: &str) -> Unusable {
        log::error!("captures wait up to {} s for a table: {why}", patience.as_secs());
        let now = Instant::now();
        Unusable { since: now, last: now, tables: vec![table.to_owned()] }
    }

    fn names(&self, table: &str) -> bool {
        self.tables.iter().any(|known| known == table)
    }

    fn is_stale(&self) -> bool {
        self.last.elapsed() >= REMIND
    }
}

impl Store {
    /// Opens the sink of `plan` at `place`, a database at `url`; it connects with the first write.
    pub fn new(plan: &Plan, url: &DatabaseUrl, place: SinkPlace, give_up: Arc<AtomicBool>) -> Store {
        let sink = sink::open_linked(url, &plan.sinks[place.number].options, plan.sinks[place.number].link.clone());
        let [patience, spooled_patience] = Patience::of(plan);
        let store = Store::with_sink(sink, patience, plan.table_patience, Health::new(place), give_up);
        Store { spooled_patience, ..store }
    }

    /// The same around any sink.
    pub fn with_sink(
        sink: Box<dyn Sink>,
        patience: Patience,
        table_patience: Duration,
        health: Health,
        give_up: Arc<AtomicBool>,
    ) -> Store {
        Store {
            sink,
            health,
            give_up,
            table_patience,
            patience,
            spooled_patience: patience,
            unusable: None,
            own_waits: Vec::new(),
            proven: VecDeque::new(),
            last_refusal: None,
            silent_refusals: 0,
        }
    }

    /// Whether rows need not come here: the sink was away when it was last asked, and they have a spool to go to, or the server ends.
    pub fn turns_away(&self) -> bool {
        self.health.is_away() && (self.health.has_refuge() || self.give_up.load(Ordering::Relaxed))
    }

    /// Writes `rows`; comes back when each is stored, refused, or left for later.
    pub fn write(&mut self, table: &str, layout: &Layout, rows: &[Row<'_>]) -> Outcome {
        let mut outcome = Outcome::default();
        let mut tries = Tries::new();
        let mut waiting = Slices::new(rows.len(), self.sink.most_rows());
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
                    if self.has_waited_for(table, &why) {
                        self.say_refused(table, range.len() as u64, &why);
                        outcome.refused.push(Refusal { rows: range, why });
                    } else if self.health.has_refuge() || !pause(BACK_OFF.0, &self.give_up) {
                        outcome.left.push(range);
                    } else {
                        waiting.put_back(range);
                    }
                }
                Err(SinkError::Unavailable(why)) => {
                    self.health.note_away(&why);
                    if tries.go_on(self.patience(), &self.give_up) {
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
        if self.unusable.as_ref().is_some_and(|unusable| unusable.names(table)) {
            self.unusable = None;
        }
        self.own_waits.retain(|wait| !wait.names(table));
        if !self.proven.iter().any(|known| known == table) {
            self.proven.truncate(MOST_TABLES - 1);
            self.proven.push_front(table.to_owned());
        }
    }

    fn patience(&self) -> Patience {
        if self.health.has_refuge() { self.spooled_patience } else { self.patience }
    }

    /// Whether the wait for `table`, which is unusable, is over; says once when it begins.
    fn has_waited_for(&mut self, table: &str, why: &str) -> bool {
        let is_proven = self.proven.iter().any(|known| known == table);
        let patience = if is_proven { self.table_patience } else { self.table_patience.min(STRANGER) };
        let wait = if is_proven {
            self.own_waits.retain(|wait| !wait.is_stale());
            let position = self.own_waits.iter().position(|wait| wait.names(table)).unwrap_or_else(|| {
                self.own_waits.push(Unusable::begin(table, patience, why));
                self.own_waits.len() - 1
            });
            &mut self.own_waits[position]
        } else {
            self.unusable.take_if(|unusable| unusable.is_stale());
            let shared = self.unusable.get_or_insert_with(|| Unusable::begin(table, patience, why));
            if !shared.names(table) && shared.tables.len() < MOST_TABLES {
                shared.tables.push(table.to_owned());
            }
            shared
        };
        wait.last = Instant::now();
        wait.since.elapsed() >= patience
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
