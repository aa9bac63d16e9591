//! Captures that a database refused: into the dead letters, or, without them, counted as lost.

use super::batch::BatchSet;
use super::counters::{Counters, add};
use super::delivered::Refused;
use super::plan::{SpoolPlan, SpoolSync};
use super::spools;
use crate::log_limit::LogLimit;
use crate::queue::counters::Committed;
use crate::queue::spool::dead_letter::{DeadLetters, Entry};
use log::Level;
use std::fmt::Arguments;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How often dead letters are tried again that cannot be opened.
const REOPEN: Duration = Duration::from_secs(1);

/// Where refused captures go.
pub struct Refusals {
    letters: Option<DeadLetters>,
    /// Where they belong.
    place: Option<SpoolPlan>,
    /// When they could not be opened last.
    failed: Option<Instant>,
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
    /// Refused captures go to the dead letters of `spool`; without it, or while they cannot be opened, which is said,
    /// they are lost.
    pub fn open(spool: Option<&SpoolPlan>, urls: Vec<String>) -> Refusals {
        let log = LogLimit::default();
        let mut refusals = Refusals { letters: None, place: spool.cloned(), failed: None, urls, log };
        refusals.open_letters();
        refusals
    }

    /// Opens the dead letters, unless they are open or could not be opened a moment ago.
    fn open_letters(&mut self) {
        let Some(place) = self.place.as_ref().filter(|_| self.letters.is_none()) else { return };
        if self.failed.is_some_and(|failed| failed.elapsed() < REOPEN) {
            return;
        }
        match DeadLetters::open(&spools::dead_letters(place), place.limit_bytes) {
            Ok(letters) => self.letters = Some(letters),
            Err(error) => {
                self.failed = Some(Instant::now());
                self.say(format_args!("refused captures are lost while there are no dead letters: {error}"));
            }
        }
    }

    /// Puts away captures of `set`, and counts what became of them.
    pub fn put_away(&mut self, sink: usize, set: &BatchSet, refused: &[Refused], counters: &mut Counters) {
        for refused in refused {
            if let Some((batch, record)) = set.record(refused.number) {
                self.write(sink, &batch.destination, record, &refused.why, counters);
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
        self.open_letters();
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
                self.say(format_args!("a refused capture is lost, it cannot be put to the dead letters: {error}"));
            }
        }
    }

    fn sync(&mut self) {
        // Whether a letter must be on the disk before it counts as written.
        let syncs = self.place.as_ref().is_some_and(|place| place.sync == SpoolSync::Batch);
        if syncs && let Some(Err(error)) = self.letters.as_mut().map(DeadLetters::sync) {
            self.say(format_args!("dead letters may not outlast a power cut: {error}"));
        }
    }

    fn say(&mut self, line: Arguments<'_>) {
        self.log.log(Level::Error, line);
    }
}
