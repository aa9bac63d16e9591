//! Whether a sink answers: shown to the operator's commands, and said in the log when it changes.

use crate::queue::lane::Lanes;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often an outage that lasts is said again.
pub const REMIND: Duration = Duration::from_secs(60);

/// Which sink it is, and where what it cannot take goes.
#[derive(Clone, Debug)]
pub struct SinkPlace {
    /// The lanes, where its state is shown.
    pub lanes: Arc<Lanes>,
    /// The writer that feeds it.
    pub writer: usize,
    /// The sink's number.
    pub number: usize,
    /// Whether the sink has a spool.
    pub has_spool: Arc<AtomicBool>,
    /// How many with this number are away: of the collectors that scripts name, many have the same.
    pub away: Arc<Mutex<usize>>,
}

struct Outage {
    since: Instant,
    said: Instant,
}

/// Whether one sink answers.
pub struct Health {
    place: SinkPlace,
    /// What the log calls it.
    name: &'static str,
    outage: Option<Outage>,
}

impl Health {
    /// A sink that was not asked yet; `name` is what the log calls it.
    pub fn new(place: SinkPlace, name: &'static str) -> Health {
        Health { place, name, outage: None }
    }

    /// Whether what is not delivered has a spool to go to.
    pub fn has_spool(&self) -> bool {
        self.place.has_spool.load(Ordering::Relaxed)
    }

    /// Whether it need not be asked: it was away when it was last asked, and what is not delivered has a spool to go
    /// to, or the server ends.
    pub fn turns_away(&self, give_up: &AtomicBool) -> bool {
        self.is_away() && (self.has_spool() || give_up.load(Ordering::Relaxed))
    }

    /// Whether it was away when it was last asked.
    pub fn is_away(&self) -> bool {
        self.outage.is_some()
    }

    /// Notes that the sink has answered, be it with a refusal.
    pub fn note_answer(&mut self) {
        let ended = self.outage.take();
        let mut away = count(&self.place);
        *away -= usize::from(ended.is_some());
        if *away == 0 {
            self.place.lanes.sink_is_up(self.place.writer, self.place.number);
        }
        drop(away);
        if let Some(outage) = ended {
            log::info!("{} is back after {} s", self.name, outage.since.elapsed().as_secs());
        }
    }

    /// Notes that the sink does not answer, and logs it when that begins and once a minute while it lasts.
    pub fn note_away(&mut self, why: &str) {
        let mut away = count(&self.place);
        *away += usize::from(self.outage.is_none());
        self.place.lanes.sink_is_down(self.place.writer, self.place.number, why);
        drop(away);
        let now = Instant::now();
        match &mut self.outage {
            None => {
                let then = if self.has_spool() { "go to the spool" } else { "wait" };
                log::error!("{} is away, captures {then}: {why}", self.name);
                self.outage = Some(Outage { since: now, said: now });
            }
            Some(outage) if outage.said.elapsed() >= REMIND => {
                outage.said = now;
                log::error!("{} is away for {} s: {why}", self.name, outage.since.elapsed().as_secs());
            }
            Some(_) => {}
        }
    }
}

impl Drop for Health {
    fn drop(&mut self) {
        if self.outage.is_some() {
            *count(&self.place) -= 1;
        }
    }
}

/// How many are away. While the caller holds the lock, no other worker shows the sink's state.
fn count(place: &SinkPlace) -> MutexGuard<'_, usize> {
    place.away.lock().unwrap_or_else(PoisonError::into_inner)
}
