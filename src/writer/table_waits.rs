//! How long captures wait for tables that are missing or may not be written: one clock for all delivery threads of a
//! sink.
//!
//! A table that has taken rows before has a wait of its own, and one that has a worker of its own too, since it holds
//! up nothing but its own rows. The others have one together: their names can come from traffic, and whoever makes
//! names up must not make rows wait again and again.

use super::health::REMIND;
use super::spool_names;
use crate::log_limit::LogLimit;
use log::Level;
use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Longest wait for a table that has taken no rows yet: its name may be a mistake, or made up by whoever sends the
/// traffic.
const UNKNOWN_TABLE_WAIT: Duration = Duration::from_secs(60);
/// Tables that are remembered by name.
const MOST_TABLES: usize = 64;

/// The waits of one sink's tables.
#[derive(Debug)]
pub struct TableWaits {
    longest: Duration,
    /// Name of the directory of the sink's spools.
    sink: String,
    state: Mutex<WaitState>,
}

#[derive(Debug)]
struct WaitState {
    /// The wait of tables that have none of their own.
    shared: Option<TableWait>,
    /// Waits of single tables.
    own: Vec<TableWait>,
    /// Names of the directories of the spools of tables that have a worker of their own.
    alone: HashSet<String>,
    log: LogLimit,
    /// Tables that have taken rows lately.
    proven: VecDeque<String>,
    /// Locked tables, and when that was said of each.
    locked: Vec<(String, Instant)>,
}

/// A time in which tables are missing or may not be written.
#[derive(Debug)]
struct TableWait {
    since: Instant,
    last: Instant,
    tables: Vec<String>,
}

impl TableWait {
    fn begin(table: &str, longest: Duration, why: &str, log: &mut LogLimit) -> TableWait {
        let seconds = longest.as_secs();
        log.log(Level::Error, format_args!("captures wait up to {seconds} s for a table: {why}"));
        TableWait::of(table)
    }

    fn of(table: &str) -> TableWait {
        let now = Instant::now();
        TableWait { since: now, last: now, tables: vec![table.to_owned()] }
    }

    fn names(&self, table: &str) -> bool {
        self.tables.iter().any(|known| known == table)
    }

    fn is_stale(&self) -> bool {
        self.last.elapsed() >= REMIND
    }
}

impl TableWaits {
    /// No table waits. `longest` is the wait for a table that has taken rows before, `sink` the name of the directory
    /// of the sink's spools.
    pub fn new(longest: Duration, sink: &str) -> Arc<TableWaits> {
        let state = WaitState {
            shared: None,
            own: Vec::new(),
            alone: HashSet::new(),
            log: LogLimit::new(Duration::from_secs(1)),
            proven: VecDeque::new(),
            locked: Vec::new(),
        };
        Arc::new(TableWaits { longest, sink: sink.to_owned(), state: Mutex::new(state) })
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

    /// The table whose spool's directory has this name has a worker of its own now.
    pub fn note_alone(&self, directory: &str) {
        let mut state = self.lock();
        state.alone.insert(directory.to_owned());
        let WaitState { shared, own, .. } = &mut *state;
        // Its wait is taken out of the shared one.
        if let Some(wait) = shared {
            let is_its = |table: &mut String| spool_names::name_of_table(&self.sink, table) == directory;
            own.extend(wait.tables.extract_if(.., is_its).map(|table| TableWait::of(&table)));
        }
        shared.take_if(|wait| wait.tables.is_empty());
    }

    /// The table whose spool's directory has this name has no worker of its own any more.
    pub fn note_not_alone(&self, directory: &str) {
        self.lock().alone.remove(directory);
    }

    /// Whether the wait for `table`, which is unusable, is over; says once when it begins.
    pub fn is_over(&self, table: &str, why: &str) -> bool {
        let mut state = self.lock();
        let WaitState { shared, own, alone, log, proven, .. } = &mut *state;
        let is_proven = proven.iter().any(|known| known == table);
        let longest = if is_proven { self.longest } else { self.longest.min(UNKNOWN_TABLE_WAIT) };
        own.retain(|wait| !wait.is_stale());
        shared.take_if(|wait| wait.is_stale());
        let position = own.iter().position(|wait| wait.names(table)).or_else(|| {
            let gets_own = is_proven || alone.contains(&spool_names::name_of_table(&self.sink, table));
            gets_own.then(|| {
                own.push(TableWait::begin(table, longest, why, log));
                own.len() - 1
            })
        });
        let wait = match position {
            Some(position) => &mut own[position],
            None => {
                let shared = shared.get_or_insert_with(|| TableWait::begin(table, longest, why, log));
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

    fn lock(&self) -> MutexGuard<'_, WaitState> {
        // Whatever a panic left is at worst a wait that begins anew.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
impl TableWaits {
    /// Lets all waits that have begun be as old as they may become.
    pub fn expire(&self) {
        let mut state = self.lock();
        let WaitState { shared, own, .. } = &mut *state;
        for wait in shared.iter_mut().chain(own) {
            wait.since -= self.longest.min(UNKNOWN_TABLE_WAIT);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_wait_together_until_they_have_workers_of_their_own() {
        let waits = TableWaits::new(UNKNOWN_TABLE_WAIT, "sink");
        assert!(!waits.is_over("one", "missing"));
        waits.expire();
        assert!(waits.is_over("other", "missing"), "it waits with the first");
        let own = spool_names::name_of_table("sink", "one");
        waits.note_alone(&own);
        assert!(!waits.is_over("one", "missing"), "its own wait begins");
        waits.expire();
        assert!(waits.is_over("one", "missing"));
        waits.note_alone(&spool_names::name_of_table("sink", "other"));
        assert!(!waits.is_over("third", "missing"), "nobody else is left of those that waited together");
        waits.expire();
        waits.note_not_alone(&own);
        waits.note_written("one");
        waits.note_alone(&spool_names::name_of_table("sink", "fourth"));
        assert!(!waits.is_over("fourth", "missing"));
        assert!(waits.is_over("fifth", "missing"));
    }
}
