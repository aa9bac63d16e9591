//! Getting packets to collectors: one that parameters name, or whichever each packet names.

use super::CollectorPlan;
use super::outgoing::{PrepareError, Prepared, outgoing_of, prepare};
use crate::log_limit::LogLimit;
use crate::queue::counters::Committed;
use crate::sink::hep::{Collector, Destination, Outgoing, Sent};
use crate::writer::batch::Batch;
use crate::writer::counters::add;
use crate::writer::delivered::{BatchOutcome, Refused, runs};
use crate::writer::health::Health;
use crate::writer::kind::{Delivery, Opening};
use crate::writer::tries::{RetryLimit, Tries};
use log::Level;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// Collectors that scripts name and that are kept open by one [`PacketDelivery`]; the one that was used longest ago
/// makes room.
const MOST_OPEN: usize = 64;
/// How long a collector that was waited for in vain is not tried again.
const LOST: Duration = Duration::from_secs(1);

/// Which collectors packets go to.
#[derive(Clone, Copy, Debug)]
pub(super) enum CollectorSelection<'a> {
    /// The one that parameters name, or one of several that stand in for each other.
    Fixed(&'a [Destination]),
    /// The one that all packets name.
    Named,
    /// Whichever each packet names; none of them is an outage of the others.
    AnyNamed,
}

/// Collectors that are tried again as often as the parameters allow.
///
/// With a spool, packets that cannot be sent come back at once and wait there, without limit of time. Without one they
/// wait here, as rows do; but only so long for a collector that scripts name, since a name can come from traffic, and
/// the wait holds up all others. The same limit holds where several such collectors share a spool, and wait for each
/// other.
pub(super) struct PacketDelivery {
    plan: CollectorPlan,
    /// The collector that parameters name.
    fixed: Option<Collector>,
    /// Those that packets name, the last used one first.
    named: Vec<NamedCollector>,
    /// Whether all packets name the same one.
    names_one: bool,
    /// How long packets wait for one of these that others wait behind.
    limit: Duration,
    /// How often packets are tried again without a spool, and with one.
    retry_limits: [RetryLimit; 2],
    health: Health,
    give_up: Arc<AtomicBool>,
    log: LogLimit,
    unreadable_log: LogLimit,
}

struct NamedCollector {
    uri: String,
    collector: Collector,
    outage: Option<CollectorOutage>,
}

struct CollectorOutage {
    since: Instant,
    last_try: Instant,
    why: String,
}

impl NamedCollector {
    /// Whether packets have waited for it long enough.
    fn is_lost(&self, limit: Duration) -> bool {
        self.outage.as_ref().is_some_and(|outage| outage.since.elapsed() >= limit)
    }
}

impl PacketDelivery {
    /// Connects to no collector yet. `name` is what the log calls them.
    pub fn new(
        collectors: &CollectorPlan,
        selection: CollectorSelection<'_>,
        name: &'static str,
        opening: Opening,
    ) -> PacketDelivery {
        let fixed = match selection {
            CollectorSelection::Fixed(destinations) => {
                Some(Collector::new(destinations.to_vec(), collectors.options.clone()))
            }
            CollectorSelection::Named | CollectorSelection::AnyNamed => None,
        };
        PacketDelivery {
            plan: collectors.clone(),
            fixed,
            named: Vec::new(),
            names_one: matches!(selection, CollectorSelection::Named),
            limit: opening.table_wait,
            retry_limits: opening.retry_limits,
            health: Health::new(opening.place, name),
            give_up: opening.give_up,
            log: LogLimit::default(),
            unreadable_log: LogLimit::default(),
        }
    }

    /// Notes whether the collector at `uri` is away, and why.
    fn note_health(&mut self, uri: &str, answer: &Answer, outcome: &mut BatchOutcome) {
        let is_one = self.fixed.is_some() || self.names_one;
        outcome.away = is_one && answer.sent.away.is_some();
        match &answer.sent.away {
            None if answer.is_heard => self.health.note_answer(),
            None => {}
            Some(why) if is_one => self.health.note_away(why),
            Some(why) => self.log.log(Level::Error, format_args!("packets for {uri} wait: {why}")),
        }
    }

    /// Sends packets to the collector that is always the same, or else to the one at `uri`.
    fn send(&mut self, uri: &str, packets: &[Outgoing<'_>]) -> Answer {
        if let Some(collector) = &mut self.fixed {
            return Answer { sent: collector.send(packets), is_heard: true, may_wait: true };
        }
        match self.named.iter().position(|named| named.uri == uri) {
            Some(position) => self.named[..=position].rotate_right(1),
            None => {
                let destination = match Destination::parse(uri) {
                    Ok(destination) => destination,
                    Err(error) => {
                        let sent = refuse_rest(Sent::default(), packets.len(), &error.to_string());
                        return Answer { sent, is_heard: false, may_wait: false };
                    }
                };
                self.named.truncate(MOST_OPEN - 1);
                let collector = Collector::named(destination, self.plan.options.clone());
                self.named.insert(0, NamedCollector { uri: uri.to_owned(), collector, outage: None });
            }
        }
        let has_spool = self.health.has_spool();
        // What waits in a spool of its own holds up no other collector.
        let is_limited = !(self.names_one && has_spool);
        let limit = self.limit;
        let named = &mut self.named[0];
        let is_lost = |named: &NamedCollector| is_limited && named.is_lost(limit);
        let mut sent = match &named.outage {
            Some(outage) if is_lost(named) && outage.last_try.elapsed() < LOST => {
                Sent { away: Some(outage.why.clone()), ..Sent::default() }
            }
            earlier => {
                let since = earlier.as_ref().map(|outage| outage.since);
                let sent = named.collector.send(packets);
                let now = Instant::now();
                let outage =
                    |why: &String| CollectorOutage { since: since.unwrap_or(now), last_try: now, why: why.clone() };
                named.outage = sent.away.as_ref().map(outage);
                sent
            }
        };
        if !is_lost(named) {
            return Answer { sent, is_heard: true, may_wait: self.names_one || !has_spool };
        }
        // Without a spool, what could not be sent is given up.
        if has_spool && let Some(why) = sent.away.take() {
            sent = refuse_rest(sent, packets.len(), &why);
        }
        Answer { sent, is_heard: false, may_wait: false }
    }
}

impl Delivery for PacketDelivery {
    fn turns_away(&self) -> bool {
        self.health.turns_away(&self.give_up)
    }

    fn deliver(&mut self, batch: &Batch) -> BatchOutcome {
        let headers = &self.plan.correlation_headers;
        let prepared: Vec<Prepared<'_>> = batch.records().map(|bytes| prepare(bytes, headers)).collect();
        let mut outgoing = Vec::with_capacity(prepared.len());
        // Number of each packet's capture.
        let mut numbers = Vec::with_capacity(prepared.len());
        let mut outcome = BatchOutcome::default();
        for (number, packet) in prepared.iter().enumerate() {
            if let Err(PrepareError::Record(error)) = packet {
                self.unreadable_log.log(Level::Error, format_args!("a packet cannot be sent: {error}"));
            }
            let packet = packet.as_ref().map_err(PrepareError::to_string);
            match packet.and_then(outgoing_of) {
                Ok(packet) => {
                    outgoing.push(packet);
                    numbers.push(number);
                }
                Err(why) => outcome.refused.push(Refused { number, why: why.into() }),
            }
        }
        if outgoing.is_empty() {
            // Nothing was asked of the collector: what is known of it stays.
            outcome.away = self.health.is_away();
            return outcome;
        }
        let (mut sent, mut tries) = (0, Tries::new());
        loop {
            let answer = self.send(&batch.destination, &outgoing[sent..]);
            self.note_health(&batch.destination, &answer, &mut outcome);
            let numbers = &numbers[sent..];
            sent += note_sent(&answer.sent, numbers, &mut outcome);
            let retry_limit = self.retry_limits[usize::from(self.health.has_spool())];
            if answer.sent.away.is_none() || !answer.may_wait || !tries.go_on(retry_limit, &self.give_up) {
                break;
            }
        }
        outcome.refused.sort_by_key(|refused| refused.number);
        outcome.left = runs(numbers[sent..].iter().copied());
        outcome
    }
}

/// What came of one try.
struct Answer {
    sent: Sent,
    /// Whether it is the collector's, if it is not away.
    is_heard: bool,
    /// Whether another may follow.
    may_wait: bool,
}

/// Notes what was sent and refused of packets with these numbers; answers how many are done with.
fn note_sent(sent: &Sent, numbers: &[usize], outcome: &mut BatchOutcome) -> usize {
    add(&mut outcome.counters, Committed::PortUnreachable, sent.port_unreachable);
    add(&mut outcome.counters, Committed::Batches, u64::from(sent.sent > 0));
    let refused = sent.refused.iter();
    outcome.refused.extend(refused.map(|(index, why)| Refused { number: numbers[*index], why: why.as_str().into() }));
    sent.sent
}

/// Refuses those of `count` packets that are not sent.
fn refuse_rest(sent: Sent, count: usize, why: &str) -> Sent {
    let mut refused = sent.refused;
    refused.extend((sent.sent..count).map(|index| (index, why.to_owned())));
    Sent { sent: count, refused, away: None, port_unreachable: sent.port_unreachable }
}
