//! A look at better destinations, and at those that are unreachable, beside the packets that go to another.

use super::destination::Destination;
use super::link::{Link, LinkProbe};
use super::names::CollectorNames;
use super::setup::Setup;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// How long a destination must have got the packets again to be well for good.
const STEADY: Duration = Duration::from_secs(600);
/// How many times the first pause a pause grows to.
const LONGEST: u32 = 30;

/// Looks, every now and then and on a thread of its own, whether a way can be opened to one of some destinations.
pub(super) struct Probe {
    pub pace: Pace,
    running: Option<Receiver<Look>>,
}

/// A destination to look at.
pub(super) struct Candidate {
    /// Its number.
    pub at: usize,
    pub destination: Destination,
    pub names: CollectorNames,
    /// When it was last sent anything.
    pub sent_at: Option<Instant>,
}

/// What a look has found.
pub(super) struct Look {
    /// Which destination a way can be opened to, and the way.
    pub found: Option<(usize, Link)>,
    /// What is known by now of the addresses of those that were looked at, by their numbers.
    pub names: Vec<(usize, CollectorNames)>,
}

impl Probe {
    pub fn new(every: Duration) -> Probe {
        Probe { pace: Pace::new(every, Instant::now()), running: None }
    }

    /// What a look at `candidates` has found since the last call. Starts one when it is time to, or `is_urgent`. Never
    /// waits.
    pub fn look(
        &mut self,
        candidates: impl FnOnce() -> Vec<Candidate>,
        is_urgent: bool,
        setup: &Arc<Setup>,
    ) -> Option<Look> {
        if let Some(running) = &self.running {
            let look = match running.try_recv() {
                Err(TryRecvError::Empty) => return None,
                Ok(look) => Some(look),
                Err(TryRecvError::Disconnected) => None,
            };
            self.running = None;
            self.pace.put_off(Instant::now());
            return look;
        }
        if !is_urgent && !self.pace.is_due(Instant::now()) {
            return None;
        }
        let (candidates, setup) = (candidates(), Arc::clone(setup));
        let (report, running) = sync_channel(1);
        let looking = thread::Builder::new().name("hep-probe".to_owned()).spawn(move || {
            // Nobody listens any more when the collector is gone.
            let _ = report.send(first_open(candidates, &setup));
        });
        match looking {
            Ok(_) => self.running = Some(running),
            Err(error) => {
                log::debug!("no thread to look for a better collector: {error}");
                self.pace.put_off(Instant::now());
            }
        }
        None
    }

    /// Forgets what a look may find: it is of no use any more.
    pub fn forget(&mut self) {
        self.running = None;
    }
}

fn first_open(candidates: Vec<Candidate>, setup: &Arc<Setup>) -> Look {
    let mut looked = Look { found: None, names: Vec::with_capacity(candidates.len()) };
    for Candidate { at, destination, mut names, sent_at } in candidates {
        let link = Link::open(&destination, &mut names, setup, LinkProbe::Probed(sent_at));
        looked.names.push((at, names));
        if let Ok(link) = link {
            looked.found = Some((at, link));
            break;
        }
    }
    looked
}

/// When to look: less and less often while those that are taken back fail again soon.
pub(super) struct Pace {
    every: Duration,
    pause: Duration,
    next: Instant,
    taken_back: Option<Instant>,
}

impl Pace {
    /// At once, and then after pauses that begin with `every`.
    pub fn new(every: Duration, now: Instant) -> Pace {
        Pace { every, pause: every, next: now, taken_back: None }
    }

    /// Whether it is time to look.
    pub fn is_due(&self, now: Instant) -> bool {
        now >= self.next
    }

    /// Not before another pause.
    pub fn put_off(&mut self, now: Instant) {
        self.next = now + self.pause;
    }

    /// A destination that comes before the one in use gets the packets again.
    pub fn note_taken_back(&mut self, now: Instant) {
        self.taken_back = Some(now);
    }

    /// The one in use has failed.
    pub fn note_failure(&mut self, now: Instant) {
        if let Some(taken_back) = self.taken_back.take() {
            let was_steady = now.duration_since(taken_back) >= STEADY;
            self.pause = if was_steady { self.every } else { (self.pause * 2).min(self.every * LONGEST) };
        }
        self.put_off(now);
    }
}
