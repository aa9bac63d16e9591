//! Captures that a database refused: into the dead letters, or, without them, counted as lost.

use super::batch::Load;
use super::deliver::Refused;
use super::{Counters, SpoolPlan, SpoolSync, add, spools};
use crate::log_limit::LogLimit;
use crate::queue::lane::Committed;
use crate::queue::spool::dead_letter::{DeadLetters, Entry};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Where refused captures go.
pub struct Refusals {
    letters: Option<DeadLetters>,
    /// Whether a letter must be on the disk before it counts as written.
    syncs: bool,
    /// Each sink's URL, without password.
    urls: Vec<String>,
    log: LogLimit,
}

impl std::fmt::Debug for Refusals {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Refusals").field("has_letters", &self.letters.is_some()).finish_non_exhaustive()
    }
}

impl Refusals {
    /// Refused captures go to the dead letters of `spool`; without it, or when they cannot be opened, which is said, they are lost.
    pub fn open(spool: Option<&SpoolPlan>, urls: Vec<String>) -> Refusals {
        let open = |spool: &SpoolPlan| {
            let letters = DeadLetters::open(&spools::dead_letters(spool), spool.limit_bytes);
            letters.inspect_err(|error| log::error!("refused captures will be lost: {error}")).ok()
        };
        Refusals {
            letters: spool.and_then(open),
            syncs: spool.is_some_and(|spool| spool.sync == SpoolSync::Batch),
            urls,
            log: LogLimit::new(Duration::from_secs(5)),
        }
    }

    /// Puts away captures of `load`, and counts what became of them.
    pub fn put_away(&mut self, sink: usize, load: &Load, refused: &[Refused], counters: &mut Counters) {
        for refused in refused {
            if let Some((batch, record)) = load.record(refused.number) {
                self.write(sink, &batch.table, record, &refused.why, counters);
            }
        }
        self.sync();
    }

    /// The same for a record of a spool that is no capture.
    pub fn put_away_unreadable(&mut self, sink: usize, record: &[u8], why: &str, counters: &mut Counters) {
        self.write(sink, "", record, why, counters);
        self.sync();
    }

    fn write(&mut self, sink: usize, table: &str, record: &[u8], why: &str, counters: &mut Counters) {
        let Some(letters) = &mut self.letters else { return add(counters, Committed::Rejected, 1) };
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let entry = Entry {
            time_us: since.map_or(0, |since| since.as_micros() as i64),
            sink: self.urls.get(sink).map_or("", String::as_str).into(),
            table: table.into(),
            reason: why.into(),
            capture: record.into(),
        };
        match letters.append(&entry) {
            Ok(()) => add(counters, Committed::DeadLettered, 1),
            Err(error) => {
                add(counters, Committed::Rejected, 1);
                self.say(&format!("a refused capture is lost, it cannot be put to the dead letters: {error}"));
            }
        }
    }

    fn sync(&mut self) {
        if self.syncs
            && let Some(Err(error)) = self.letters.as_mut().map(DeadLetters::sync)
        {
            self.say(&format!("dead letters may not outlast a power cut: {error}"));
        }
    }

    fn say(&mut self, text: &str) {
        if let Some(held_back) = self.log.allow(Instant::now()) {
            log::error!("{text} ({held_back} more since the last such line)");
        }
    }
}
