//! One collector, or several of which one gets the packets.

use std::sync::Arc;
use std::time::Instant;

use super::deadline::Deadline;
use super::destination::Destination;
use super::encoder::{Encoder, Group};
use super::link::{Link, Opening, Passed};
use super::names::Names;
use super::probe::Probe;
use super::resolver::Resolver;
use super::setup::Setup;
use super::{CollectorOptions, Outgoing, Sent};

/// Where packets go to: one destination, or several in the order of preference. The first that works gets them; when it fails, what
/// it has not got goes to the next that works, in the same call. While another than the first is in use, those before
/// it are looked at now and then, beside the packets, and the first that is well again takes over; the more seldom, the oftener they have failed
/// again at once.
///
/// One of several that is reached over UDP fails when a few reports in a row say that nobody listens, and is well when a datagram that says nothing
/// brings no such report. What was sent to it before is lost, as always over UDP.
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
    /// It has failed, and another may stand in for it.
    is_doubtful: bool,
}

impl Collector {
    /// Connects to nothing yet. With no destination, every call of [`Collector::send`] finds it away.
    pub fn new(destinations: Vec<Destination>, options: CollectorOptions) -> Collector {
        Collector::with_resolver(destinations, options, Resolver::system())
    }

    pub(super) fn with_resolver(
        destinations: Vec<Destination>,
        options: CollectorOptions,
        resolver: Arc<Resolver>,
    ) -> Collector {
        let target = |destination: Destination| {
            let names = Names::new(&destination, Arc::clone(&resolver));
            Target { destination, names, link: None, is_doubtful: false }
        };
        let targets: Vec<Target> = destinations.into_iter().map(target).collect();
        let (encoder, probe) = (Encoder::new(&options), Probe::new(options.probe_every));
        let setup = Arc::new(Setup::new(options, targets.len() > 1));
        Collector { targets, current: 0, setup, encoder, probe }
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
                        if at < first {
                            self.probe.pace.note_taken_back(Instant::now());
                        }
                    }
                    return sent;
                }
                // It has failed with the last of them.
                Err(_) if sent.sent == packets.len() => return sent,
                Err(reason) => reasons.push(format!("{}: {reason}", target.destination)),
            }
            if at == first {
                self.probe.pace.note_failure(Instant::now());
            }
        }
        self.current = 0;
        sent.away = Some(if reasons.is_empty() { "no collector is named".to_owned() } else { reasons.join("; ") });
        sent
    }

    /// Goes back to a destination that comes before the one in use and is well again.
    fn take_back(&mut self) {
        if self.current == 0 {
            self.probe.forget();
            return;
        }
        let better = self.targets.iter().take(self.current).map(|target| (&target.destination, &target.names));
        let Some(look) = self.probe.look(better, &self.setup) else { return };
        for (target, names) in self.targets.iter_mut().zip(look.names) {
            target.names = names;
        }
        // The one in use may have become another since the look began.
        if let Some((at, link)) = look.found
            && at < self.current
            && let Some(target) = self.targets.get_mut(at)
        {
            log::info!("{} is well again and gets the packets", target.destination);
            target.link = Some(link);
            target.is_doubtful = false;
            self.current = at;
            self.probe.pace.note_taken_back(Instant::now());
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
            let is_kept = passed.is_kept;
            if let Some(reason) = settle(&encoder.group, passed, sent) {
                if !is_kept {
                    self.link = None;
                    self.is_doubtful = setup.has_stand_ins;
                }
                self.names.suspect();
                return Err(reason);
            }
        }
        Ok(())
    }

    /// Opens a way when there is none, or none any more.
    fn make_ready(&mut self, setup: &Arc<Setup>) -> Result<(), String> {
        let Target { destination, names, link, is_doubtful } = self;
        if link.as_mut().is_some_and(|link| link.is_current(names)) {
            return Ok(());
        }
        *link = None;
        let opening = if *is_doubtful { Opening::Knock } else { Opening::Trusting };
        *link = Some(Link::open(destination, names, setup, opening)?);
        *is_doubtful = false;
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
