//! One collector, or several of which one gets the packets.

use super::deadline::Deadline;
use super::destination::Destination;
use super::encoder::{Encoder, PacketGroup};
use super::link::{Link, LinkProbe};
use super::names::CollectorNames;
use super::options::CollectorOptions;
use super::outgoing::{Outgoing, Sent};
use super::passed::Passed;
use super::probe::{Candidate, Probe};
use super::resolver::{Asker, Resolver};
use super::setup::Setup;
use std::sync::Arc;
use std::time::Instant;

/// Where packets go to: one destination, or several in the order of preference. The first that works gets them; when it
/// fails, what it has not got goes to the next that works, in the same call. While another than the first is in use,
/// those before it are looked at now and then, beside the packets, and the first that is well again takes over; the
/// more seldom, the oftener they have failed again at once.
///
/// One of several that is reached over UDP fails when a few reports in a row say that nobody listens: it is
/// *unreachable*, and gets nothing before a look has found it well. What was sent to it before is lost, as always over
/// UDP. A look sends datagrams that say nothing, some time after the last packet, and finds it well when none of them
/// brings a report. When nothing works, one look follows the other.
pub struct Collector {
    targets: Vec<Member>,
    /// The target that got the last packets.
    current: usize,
    /// The last call has found none that works.
    is_away: bool,
    setup: Arc<Setup>,
    encoder: Encoder,
    probe: Probe,
}

/// A destination, and what is known and open of it.
struct Member {
    destination: Destination,
    names: CollectorNames,
    link: Option<Link>,
    /// Nobody listens there, as far as is known. Only over UDP, and where another may stand in for it.
    is_unreachable: bool,
    /// When it was last sent anything.
    sent_at: Option<Instant>,
}

impl Collector {
    /// Connects to nothing yet. With no destination, every call of [`Collector::send`] finds it away.
    pub fn new(destinations: Vec<Destination>, options: CollectorOptions) -> Collector {
        Collector::with_resolver(destinations, options, Resolver::system(), Asker::Parameter)
    }

    /// One that a script names. Of the resolver's places it leaves some to the collectors of [`Collector::new`].
    pub fn named(destination: Destination, options: CollectorOptions) -> Collector {
        Collector::with_resolver(vec![destination], options, Resolver::system(), Asker::Script)
    }

    pub(super) fn with_resolver(
        destinations: Vec<Destination>,
        options: CollectorOptions,
        resolver: Arc<Resolver>,
        asker: Asker,
    ) -> Collector {
        let target = |destination: Destination| {
            let names = CollectorNames::new(&destination, Arc::clone(&resolver), asker);
            Member { destination, names, link: None, is_unreachable: false, sent_at: None }
        };
        let targets: Vec<Member> = destinations.into_iter().map(target).collect();
        let (encoder, probe) = (Encoder::new(&options), Probe::new(options.probe_every));
        let setup = Arc::new(Setup::new(options, targets.len() > 1));
        Collector { targets, current: 0, is_away: false, setup, encoder, probe }
    }

    /// The destination that packets go to at present, or will be tried first.
    pub fn in_use(&self) -> Option<&Destination> {
        self.targets.get(self.current).map(|target| &target.destination)
    }

    /// Sends `packets` in their order; connects when it has to. [`Sent`] says how far it came.
    ///
    /// Returns within `connect_timeout` (twice for a name) for each destination that is away, and `io_timeout` (twice
    /// at most) for what is being written. For one that is unreachable it does not wait.
    pub fn send(&mut self, packets: &[Outgoing<'_>]) -> Sent {
        let mut sent = Sent::default();
        if packets.is_empty() {
            return sent;
        }
        self.take_back();
        let mut reasons = Vec::new();
        let first = self.current;
        let mut order = std::iter::once(first).chain((0..self.targets.len()).filter(|at| *at != first));
        while let Some(at) = order.next() {
            let Some(target) = self.targets.get_mut(at) else { continue };
            let Err(reason) = target.send(packets, &mut self.encoder, &self.setup, &mut sent) else {
                self.turn_to(Some(at), &reasons);
                return sent;
            };
            reasons.push(format!("{}: {reason}", target.destination));
            if at == first {
                self.probe.pace.note_failure(Instant::now());
            }
            if sent.sent == packets.len() {
                // It has failed with the last of them: what comes next is for another.
                let next = order.find(|at| self.targets.get(*at).is_some_and(|target| !target.is_unreachable));
                self.turn_to(next, &reasons);
                return sent;
            }
        }
        self.turn_to(None, &reasons);
        sent.away = Some(if reasons.is_empty() { "no collector is named".to_owned() } else { reasons.join("; ") });
        sent
    }

    /// Packets go to this one from now on; others have failed for `reasons`. `None`: all have.
    fn turn_to(&mut self, target: Option<usize>, reasons: &[String]) {
        self.is_away = target.is_none();
        let at = target.unwrap_or(0);
        let before = std::mem::replace(&mut self.current, at);
        if let Some(target) = target.and_then(|at| self.targets.get(at))
            && at != before
        {
            log::warn!("{} gets the packets now: {}", target.destination, reasons.join("; "));
            if at < before {
                self.probe.pace.note_taken_back(Instant::now());
            }
        }
    }

    /// Learns which destinations are well again, and goes back to one that comes before the one in use.
    fn take_back(&mut self) {
        let (current, targets) = (self.current, &self.targets);
        let wanted = || targets.iter().enumerate().filter(|(at, target)| *at < current || target.is_unreachable);
        if wanted().next().is_none() {
            self.probe.forget();
            return;
        }
        let candidates = || wanted().map(|(at, target)| target.candidate(at)).collect();
        let Some(look) = self.probe.look(candidates, self.is_away, &self.setup) else { return };
        for (at, names) in look.names {
            let Some(target) = self.targets.get_mut(at) else { continue };
            target.names = names;
            target.sent_at = Some(Instant::now());
        }
        let Some((at, link)) = look.found else { return };
        let Some(target) = self.targets.get_mut(at) else { return };
        // The one in use may have become another since the look began.
        let is_better = at < self.current || self.is_away;
        if is_better || target.is_unreachable {
            target.link = Some(link);
            target.is_unreachable = false;
        }
        if is_better {
            log::info!("{} is well again and gets the packets", target.destination);
            self.current = at;
            self.probe.pace.note_taken_back(Instant::now());
        }
    }
}

impl Member {
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
        if self.is_unreachable {
            return Err("nobody listens there".to_owned());
        }
        self.make_ready(setup)?;
        let deadline = Deadline::after(setup.options.io_timeout);
        while sent.sent < packets.len() {
            if deadline.has_passed() {
                return Err("it takes packets too slowly".to_owned());
            }
            let Some(link) = &mut self.link else { return Err("no connection".to_owned()) };
            encoder.encode(packets, sent.sent, link.ends());
            let passed = link.send(&encoder.group.frames, setup);
            self.sent_at = Some(Instant::now());
            self.is_unreachable = passed.is_unreachable;
            let is_kept = passed.is_kept;
            if let Some(reason) = settle(&encoder.group, passed, sent) {
                if !is_kept {
                    self.link = None;
                }
                self.names.suspect();
                return Err(reason);
            }
        }
        Ok(())
    }

    /// Opens a way when there is none, or none any more.
    fn make_ready(&mut self, setup: &Arc<Setup>) -> Result<(), String> {
        let Member { destination, names, link, .. } = self;
        if link.as_mut().is_some_and(|link| link.is_current(names)) {
            return Ok(());
        }
        *link = None;
        *link = Some(Link::open(destination, names, setup, LinkProbe::Unprobed)?);
        Ok(())
    }

    /// What a look needs to know of it.
    fn candidate(&self, at: usize) -> Candidate {
        let Member { destination, names, sent_at, .. } = self;
        Candidate { at, destination: destination.clone(), names: names.clone(), sent_at: *sent_at }
    }
}

/// Notes in `sent` what became of `group`; answers why its rest did not go.
fn settle(group: &PacketGroup, passed: Passed, sent: &mut Sent) -> Option<String> {
    // Refused packets count as done up to the first that is still to be sent.
    let end = group.packets.get(passed.whole).copied().unwrap_or(group.end);
    sent.sent = end;
    sent.port_unreachable += passed.port_unreachable;
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
