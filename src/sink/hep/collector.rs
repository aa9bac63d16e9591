//! One collector, or several of which one gets the packets.

use std::sync::Arc;

use super::deadline::Deadline;
use super::destination::Destination;
use super::encoder::{Encoder, Group};
use super::link::{Link, Passed};
use super::names::{self, LookUp, Names};
use super::probe::Probe;
use super::setup::Setup;
use super::{CollectorOptions, Outgoing, Sent};

/// Where packets go to: one destination, or several in the order of preference. The first that works gets them; when it fails, what
/// it has not got goes to the next that works, in the same call. While another than the first is in use, those before
/// it are looked at now and then, beside the packets, and the first that is well again takes over.
pub struct Collector {
    targets: Vec<Target>,
    /// The target that got the last packets.
    current: usize,
    setup: Arc<Setup>,
    encoder: Encoder,
    probe: Probe,
}

/// A destination, and what is known and open of it.
struct Target {
    destination: Destination,
    names: Names,
    link: Option<Link>,
}

impl Collector {
    /// Connects to nothing yet. With no destination, every call of [`Collector::send`] finds it away.
    pub fn new(destinations: Vec<Destination>, options: CollectorOptions) -> Collector {
        Collector::with_resolver(destinations, options, names::system())
    }

    pub(super) fn with_resolver(
        destinations: Vec<Destination>,
        options: CollectorOptions,
        look_up: LookUp,
    ) -> Collector {
        let target = |destination: Destination| {
            let names = Names::new(&destination, Arc::clone(&look_up));
            Target { destination, names, link: None }
        };
        let targets = destinations.into_iter().map(target).collect();
        let (encoder, probe) = (Encoder::new(&options), Probe::new(options.probe_every));
        Collector { targets, current: 0, setup: Arc::new(Setup::new(options, look_up)), encoder, probe }
    }

    /// The destination that packets go to at present, or will be tried first.
    pub fn in_use(&self) -> Option<&Destination> {
        self.targets.get(self.current).map(|target| &target.destination)
    }

    /// Sends `packets` in their order; connects when it has to. [`Sent`] says how far it came.
    ///
    /// Returns within `connect_timeout` (twice for a name) for each destination that is away, and `io_timeout` (twice at most) for
    /// what is being written.
    pub fn send(&mut self, packets: &[Outgoing<'_>]) -> Sent {
        let mut sent = Sent::default();
        if packets.is_empty() {
            return sent;
        }
        self.take_back();
        let mut reasons = Vec::new();
        let first = self.current;
        let others = (0..self.targets.len()).filter(|at| *at != first);
        for at in std::iter::once(first).chain(others) {
            let Some(target) = self.targets.get_mut(at) else { continue };
            match target.send(packets, &mut self.encoder, &self.setup, &mut sent) {
                Ok(()) => {
                    if at != first {
                        log::warn!("{} gets the packets now: {}", target.destination, reasons.join("; "));
                        self.current = at;
                        self.probe.wait();
                    }
                    return sent;
                }
                Err(reason) => reasons.push(format!("{}: {reason}", target.destination)),
            }
        }
        self.current = 0;
        sent.away = Some(if reasons.is_empty() { "no collector is named".to_owned() } else { reasons.join("; ") });
        sent
    }

    /// Goes back to a destination that comes before the one in use and is well again.
    fn take_back(&mut self) {
        if self.current == 0 {
            return;
        }
        let better = self.targets.iter().take(self.current).map(|target| &target.destination);
        let Some((at, link)) = self.probe.look(better, &self.setup) else { return };
        // The one in use may have become another since the look began.
        if at < self.current
            && let Some(target) = self.targets.get_mut(at)
        {
            log::info!("{} is well again and gets the packets", target.destination);
            target.link = Some(link);
            self.current = at;
        }
    }
}

impl Target {
    /// Sends the packets behind the first `sent.sent`.
    ///
    /// # Errors
    /// Why the rest of them did not go; `sent` says how far it came.
    fn send(
        &mut self,
        packets: &[Outgoing<'_>],
        encoder: &mut Encoder,
        setup: &Arc<Setup>,
        sent: &mut Sent,
    ) -> Result<(), String> {
        self.make_ready(setup)?;
        let deadline = Deadline::after(setup.options.io_timeout);
        while sent.sent < packets.len() {
            if deadline.has_passed() {
                return Err("it takes packets too slowly".to_owned());
            }
            let Some(link) = &mut self.link else { return Err("no connection".to_owned()) };
            encoder.encode(packets, sent.sent, link.ends());
            let passed = link.send(&encoder.group.frames, setup);
            if let Some(reason) = settle(&encoder.group, passed, sent) {
                self.link = None;
                self.names.suspect();
                return Err(reason);
            }
        }
        Ok(())
    }

    /// Opens a way when there is none, or none any more.
    fn make_ready(&mut self, setup: &Arc<Setup>) -> Result<(), String> {
        let Target { destination, names, link } = self;
        if link.as_mut().is_some_and(|link| link.is_current(names)) {
            return Ok(());
        }
        *link = None;
        *link = Some(Link::open(destination, names, setup)?);
        Ok(())
    }
}

/// Notes in `sent` what became of `group`; answers why its rest did not go.
fn settle(group: &Group, passed: Passed, sent: &mut Sent) -> Option<String> {
    // Refused packets count as done up to the first that is still to be sent.
    let end = group.packets.get(passed.whole).copied().unwrap_or(group.end);
    sent.sent = end;
    sent.unheard += passed.unheard;
    let too_long = passed.too_long.iter().filter_map(|frame| {
        let bytes = group.frames.from(*frame).next()?.len();
        Some((*group.packets.get(*frame)?, format!("a HEP packet of {bytes} bytes is too long for a datagram")))
    });
    let unencodable = group.refused.iter().map(|(at, error)| (*at, error.to_string()));
    let noted = sent.refused.len();
    sent.refused.extend(too_long.chain(unencodable).filter(|(at, _)| *at < end));
    sent.refused[noted..].sort_by_key(|(at, _)| *at);
    passed.failure
}
