//! How long captures wait for tables that are missing or may not be written: one clock for all delivery threads of a
//! sink.
//!
//! A table that has taken rows before has a wait of its own, and with a spool any other too, since it holds up
//! nothing but its own rows. Without a
//! spool, and beyond [`MOST_WAITS`], the others have one together: their names can come from traffic, and whoever
//! makes names up must not
//! make rows wait again and again.

use super::health::REMIND;
use super::table_outlets::MOST_TABLES as MOST_WAITS;
use crate::log_limit::LogLimit;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Longest wait for a table that has taken no rows yet: its name may be a mistake, or made up by whoever sends the
/// traffic.
const STRANGER: Duration = Duration::from_secs(60);
/// Tables that are remembered by name.
const MOST_TABLES: usize = 64;

/// The waits of one sink's tables.
#[derive(Debug)]
pub struct TableWaits {
    longest: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The wait of tables that have none of their own.
    shared: Option<Wait>,
    /// Waits of single tables.
    own: Vec<Wait>,
    log: LogLimit,
    /// Tables that have taken rows lately.
    proven: VecDeque<String>,
    /// Locked tables, and when that was said of each.
    locked: Vec<(String, Instant)>,
}

/// A time in which tables are missing or may not be written.
#[derive(Debug)]
struct Wait {
    since: Instant,
    last: Instant,
    tables: Vec<String>,
}

impl Wait {
    fn begin(table: &str, longest: Duration, why: &str, log: &mut LogLimit) -> Wait {
        let now = Instant::now();
        if let Some(held_back) = log.allow(now) {
            let seconds = longest.as_secs();
            log::error!(
                "captures wait up to {seconds} s for a table: {why} ({held_back} more since the last such line)"
            );
        }
        Wait { since: now, last: now, tables: vec![table.to_owned()] }
    }

    fn names(&self, table: &str) -> bool {
        self.tables.iter().any(|known| known == table)
    }

    fn is_stale(&self) -> bool {
        self.last.elapsed() >= REMIND
    }
}

impl TableWaits {
    /// No table waits. `longest` is the wait for a table that has taken rows before.
    pub fn new(longest: Duration) -> Arc<TableWaits> {
        let state = State {
            shared: None,
            own: Vec::new(),
            log: LogLimit::new(Duration::from_secs(1)),
            proven: VecDeque::new(),
            locked: Vec::new(),
        };
        Arc::new(TableWaits { longest, state: Mutex::new(state) })
    }

    /// `table` has taken rows.
    pub fn note_written(&self, table: &str) {
        let mut state = self.lock();
        state.shared.take_if(|wait| wait.names(table));
        state.own.retain(|wait| !wait.names(table));
        if state.locked.iter().any(|(known, _)| known == table) {
            log::info!("table {table} takes rows again: it is locked no more");
        }
        state.locked.retain(|(known, _)| known != table);
        if !state.proven.iter().any(|known| known == table) {
            state.proven.truncate(MOST_TABLES - 1);
            state.proven.push_front(table.to_owned());
        }
    }

    /// Whether the wait for `table`, which is unusable, is over; says once when it begins. `has_spool`: others need
    /// not wait with it.
    pub fn is_over(&self, table: &str, why: &str, has_spool: bool) -> bool {
        let mut state = self.lock();
        let State { shared, own, log, proven, .. } = &mut *state;
        let is_proven = proven.iter().any(|known| known == table);
        let longest = if is_proven { self.longest } else { self.longest.min(STRANGER) };
        own.retain(|wait| !wait.is_stale());
        shared.take_if(|wait| wait.is_stale());
        let position = own.iter().position(|wait| wait.names(table)).or_else(|| {
            let gets_own = is_proven || (has_spool && own.len() < MOST_WAITS);
            gets_own.then(|| {
                own.push(Wait::begin(table, longest, why, log));
                own.len() - 1
            })
        });
        let wait = match position {
            Some(position) => &mut own[position],
            None => {
                let shared = shared.get_or_insert_with(|| Wait::begin(table, longest, why, log));
                if !shared.names(table) && shared.tables.len() < MOST_TABLES {
                    shared.tables.push(table.to_owned());
                }
                shared
            }
        };
        wait.last = Instant::now();
        wait.since.elapsed() >= longest
    }

    /// Says, now and then, that `table` is locked by somebody; its captures wait as long as that lasts.
    pub fn note_locked(&self, table: &str, why: &str) {
        let mut state = self.lock();
        state.locked.retain(|(_, said)| said.elapsed() < REMIND);
        if state.locked.len() < MOST_TABLES && !state.locked.iter().any(|(known, _)| known == table) {
            log::error!("captures wait for table {table}, which is locked: {why}");
            state.locked.push((table.to_owned(), Instant::now()));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Whatever a panic left is at worst a wait that begins anew.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
