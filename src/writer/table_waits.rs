//! How long captures wait for tables that are missing or may not be written: one clock for all delivery threads of a sink.
//!
//! A table that has taken rows before has a wait of its own. All others have one together: their names can come from traffic, and whoever makes
//! names up must not make rows wait again and again.

use super::health::REMIND;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Longest wait for a table that has taken no rows yet: its name may be a mistake, or made up by whoever sends the traffic.
const STRANGER: Duration = Duration::from_secs(60);
/// Tables that are remembered by name.
const MOST_TABLES: usize = 64;

/// The waits of one sink's tables.
#[derive(Debug)]
pub struct TableWaits {
    longest: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The wait of tables that have taken no rows yet.
    shared: Option<Wait>,
    /// Waits of tables that have taken rows before.
    own: Vec<Wait>,
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
    fn begin(table: &str, longest: Duration, why: &str) -> Wait {
        log::error!("captures wait up to {} s for a table: {why}", longest.as_secs());
        let now = Instant::now();
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
        Arc::new(TableWaits { longest, state: Mutex::default() })
    }

    /// `table` has taken rows.
    pub fn note_written(&self, table: &str) {
        let mut state = self.lock();
        state.shared.take_if(|wait| wait.names(table));
        state.own.retain(|wait| !wait.names(table));
        state.locked.retain(|(known, _)| known != table);
        if !state.proven.iter().any(|known| known == table) {
            state.proven.truncate(MOST_TABLES - 1);
            state.proven.push_front(table.to_owned());
        }
    }

    /// Whether the wait for `table`, which is unusable, is over; says once when it begins.
    pub fn is_over(&self, table: &str, why: &str) -> bool {
        let mut state = self.lock();
        let is_proven = state.proven.iter().any(|known| known == table);
        let longest = if is_proven { self.longest } else { self.longest.min(STRANGER) };
        let wait = if is_proven {
            state.own.retain(|wait| !wait.is_stale());
            let position = state.own.iter().position(|wait| wait.names(table)).unwrap_or_else(|| {
                state.own.push(Wait::begin(table, longest, why));
                state.own.len() - 1
            });
            &mut state.own[position]
        } else {
            state.shared.take_if(|wait| wait.is_stale());
            let shared = state.shared.get_or_insert_with(|| Wait::begin(table, longest, why));
            if !shared.names(table) && shared.tables.len() < MOST_TABLES {
                shared.tables.push(table.to_owned());
            }
            shared
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
