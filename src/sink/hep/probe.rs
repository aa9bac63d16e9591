//! A look at better destinations, beside the packets that go to another.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use super::destination::Destination;
use super::link::Link;
use super::names::Names;
use super::setup::Setup;

/// Looks, every now and then and on a thread of its own, whether a way can be opened to one of some destinations.
pub(super) struct Probe {
    every: Duration,
    next: Instant,
    running: Option<Receiver<Option<(usize, Link)>>>,
}

impl Probe {
    pub fn new(every: Duration) -> Probe {
        Probe { every, next: Instant::now(), running: None }
    }

    /// Puts the next look off: what would be looked at has just failed.
    pub fn wait(&mut self) {
        self.next = Instant::now() + self.every;
    }

    /// What a look has found since the last call: which of `better`, and the open way to it. Starts a look when it is time for one.
    /// Never waits.
    pub fn look<'a>(
        &mut self,
        better: impl Iterator<Item = &'a Destination>,
        setup: &Arc<Setup>,
    ) -> Option<(usize, Link)> {
        if let Some(running) = &self.running {
            let found = match running.try_recv() {
                Err(TryRecvError::Empty) => return None,
                Ok(found) => found,
                Err(TryRecvError::Disconnected) => None,
            };
            self.running = None;
            self.wait();
            return found;
        }
        if Instant::now() < self.next {
            return None;
        }
        let (better, setup): (Vec<Destination>, _) = (better.cloned().collect(), Arc::clone(setup));
        let (report, running) = sync_channel(1);
        let looking = thread::Builder::new().name("hep-probe".to_owned()).spawn(move || {
            // Nobody listens any more when the collector is gone.
            let _ = report.send(first_open(&better, &setup));
        });
        match looking {
            Ok(_) => self.running = Some(running),
            Err(error) => {
                log::debug!("no thread to look for a better collector: {error}");
                self.wait();
            }
        }
        None
    }
}

fn first_open(destinations: &[Destination], setup: &Arc<Setup>) -> Option<(usize, Link)> {
    destinations.iter().enumerate().find_map(|(at, destination)| {
        let mut names = Names::new(destination, Arc::clone(&setup.look_up));
        Some((at, Link::open(destination, &mut names, setup).ok()?))
    })
}
