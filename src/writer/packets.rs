//! Getting packets to collectors: one that parameters name, or whichever each packet names.

use super::batch::Batch;
use super::deliver::{Delivered, Refused, runs};
use super::health::Health;
use super::tries::{RetryLimit, Tries};
use super::{CollectorPlan, WriterPlan, add};
use crate::capture::{Capture, Trace, record};
use crate::hep::{ChunkOrder, Version};
use crate::log_limit::LogLimit;
use crate::queue::counters::Committed;
use crate::sink::hep::{Collector, Destination, Origin, Outgoing, Sent, parse_endpoints};
use crate::sip;
use crate::sip::x_headers::{self, XHeaders};
use log::Level;
use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Collectors that scripts name and that are kept open by one [`PacketStore`]; the one that was used longest ago makes room.
const MOST_OPEN: usize = 64;
/// How long a collector that was waited for in vain is not tried again.
const LOST: Duration = Duration::from_secs(1);
/// Payload type of a log line (HEP chunk 0x000b).
const LOG: u8 = 100;

/// Which collectors packets go to.
#[derive(Clone, Copy, Debug)]
pub enum CollectorSelection<'a> {
    /// The one that parameters name, or one of several that stand in for each other.
    Fixed(&'a [Destination]),
    /// The one that all packets name.
    Named,
    /// Whichever each packet names; none of them is an outage of the others.
    AnyNamed,
}

/// Collectors that are tried again as often as the parameters allow.
///
/// With a spool, packets that cannot be sent come back at once and wait there, without limit of time. Without one they wait here, as rows do; but
/// only so long for a collector that scripts name, since a name can come from traffic, and the wait holds up all others. The same
/// limit holds where several such collectors share a spool, and wait for each other.
pub struct PacketStore {
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
    retry_limit: [RetryLimit; 2],
    health: Health,
    give_up: Arc<AtomicBool>,
    log: LogLimit,
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

/// A packet before it is encoded, or why there is none.
type Prepared<'a> = Result<(Capture<'a>, Trace<'a>, Cow<'a, [u8]>), &'static str>;

impl PacketStore {
    /// Opens nothing yet.
    pub fn new(
        plan: &WriterPlan,
        collectors: &CollectorPlan,
        selection: CollectorSelection<'_>,
        health: Health,
        give_up: Arc<AtomicBool>,
    ) -> PacketStore {
        let fixed = match selection {
            CollectorSelection::Fixed(destinations) => {
                Some(Collector::new(destinations.to_vec(), collectors.options.clone()))
            }
            CollectorSelection::Named | CollectorSelection::AnyNamed => None,
        };
        PacketStore {
            plan: collectors.clone(),
            fixed,
            named: Vec::new(),
            names_one: matches!(selection, CollectorSelection::Named),
            limit: plan.table_wait,
            retry_limit: RetryLimit::of(plan),
            health,
            give_up,
            log: LogLimit::default(),
        }
    }

    /// Whether packets need not come here: the collector was away when it was last asked, and they have a spool to go to, or the server
    /// ends.
    pub fn turns_away(&self) -> bool {
        self.health.is_away() && (self.health.has_spool() || self.give_up.load(Ordering::Relaxed))
    }

    /// Sends the packets of `batch`, numbered from `first`.
    pub fn deliver(&mut self, batch: &Batch, first: usize, delivered: &mut Delivered) {
        let prepared: Vec<Prepared<'_>> = batch.records().map(|bytes| self.prepare(bytes)).collect();
        let mut outgoing = Vec::with_capacity(prepared.len());
        // Number of each packet's capture.
        let mut numbers = Vec::with_capacity(prepared.len());
        for (number, packet) in (first..).zip(&prepared) {
            let packet = packet.as_ref().map_err(|why| (*why).to_owned());
            match packet.and_then(|(capture, trace, payload)| outgoing_of(capture, trace, payload)) {
                Ok(packet) => {
                    outgoing.push(packet);
                    numbers.push(number);
                }
                Err(why) => delivered.refused.push(Refused { number, why: why.into() }),
            }
        }
        if outgoing.is_empty() {
            // Nothing was asked of the collector: what is known of it stays.
            delivered.away = self.health.is_away();
            return;
        }
        let (mut sent, mut tries) = (0, Tries::new());
        loop {
            let answer = self.send(&batch.table, &outgoing[sent..]);
            self.note_health(&batch.table, &answer, delivered);
            let numbers = &numbers[sent..];
            sent += note_sent(&answer.sent, numbers, delivered);
            let retry_limit = self.retry_limit[usize::from(self.health.has_spool())];
            if answer.sent.away.is_none() || !answer.may_wait || !tries.go_on(retry_limit, &self.give_up) {
                break;
            }
        }
        delivered.refused.sort_by_key(|refused| refused.number);
        delivered.left.extend(runs(numbers[sent..].iter().copied()));
    }

    /// Notes whether the collector at `uri` is away, and why.
    fn note_health(&mut self, uri: &str, answer: &Answer, delivered: &mut Delivered) {
        let is_one = self.fixed.is_some() || self.names_one;
        delivered.away = is_one && answer.sent.away.is_some();
        match &answer.sent.away {
            None if answer.is_heard => self.health.note_answer(),
            None => {}
            Some(why) if is_one => self.health.note_away(why),
            Some(why) => self.log.log(Level::Error, format_args!("packets for {uri} wait: {why}")),
        }
    }

    fn prepare<'a>(&self, bytes: &'a [u8]) -> Prepared<'a> {
        let mut capture = record::decode(bytes).map_err(|_| "no packet could be made of it")?;
        let trace = capture.trace.ok_or("no packet could be made of it")?;
        capture.correlation_id = correlation_of(&capture, &trace, &self.plan.correlation_headers);
        let payload = if trace.wants_x_headers {
            let payload = x_headers::insert(
                capture.payload,
                &XHeaders {
                    from: trace.from,
                    to: trace.to,
                    time_us: capture.time_us,
                    method: trace.method,
                    is_outgoing: trace.is_outgoing,
                },
            );
            Cow::Owned(payload.ok_or("it has no end of headers, or the X-Siptrace headers are too long")?)
        } else {
            Cow::Borrowed(capture.payload)
        };
        Ok((capture, trace, payload))
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
        // In a spool of its own what waits for a collector is in nobody's way.
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

/// What a try has come to.
struct Answer {
    sent: Sent,
    /// Whether it is the collector's, if it is not away.
    is_heard: bool,
    /// Whether another may follow.
    may_wait: bool,
}

/// Notes what was sent and refused of packets with these numbers; answers how many are done with.
fn note_sent(sent: &Sent, numbers: &[usize], delivered: &mut Delivered) -> usize {
    add(&mut delivered.counters, Committed::PortUnreachable, sent.port_unreachable);
    add(&mut delivered.counters, Committed::Batches, u64::from(sent.sent > 0));
    let refused = sent.refused.iter();
    delivered.refused.extend(refused.map(|(index, why)| Refused { number: numbers[*index], why: why.as_str().into() }));
    sent.sent
}

/// As if what is not sent of `count` packets could never be.
fn refuse_rest(sent: Sent, count: usize, why: &str) -> Sent {
    let mut refused = sent.refused;
    refused.extend((sent.sent..count).map(|index| (index, why.to_owned())));
    Sent { sent: count, refused, away: None, port_unreachable: sent.port_unreachable }
}

/// The id that a packet has, or else the first of these headers gives: of a message, up to where the header is folded.
fn correlation_of<'a>(capture: &Capture<'a>, trace: &Trace<'_>, headers: &[Vec<u8>]) -> Option<&'a [u8]> {
    if capture.correlation_id.is_some() || trace.payload_type == LOG {
        return capture.correlation_id;
    }
    let value = headers.iter().find_map(|name| sip::header(capture.payload, name))?;
    value.split(|byte| b"\r\n".contains(byte)).next().map(<[u8]>::trim_ascii_end)
}

/// What goes out for a capture; the reason when nothing can.
fn outgoing_of<'a>(capture: &Capture<'a>, trace: &Trace<'a>, payload: &'a [u8]) -> Result<Outgoing<'a>, String> {
    let is_log = trace.payload_type == LOG;
    let text = |bytes: &'a [u8]| std::str::from_utf8(bytes).map_err(|error| error.to_string());
    let (ip_protocol, from, to) = if is_log {
        (17, Origin::Sockets(text(trace.from)?), None)
    } else {
        let (from, to) = (text(trace.from)?, text(trace.to)?);
        let (protocol, from, to) = parse_endpoints(from, to).map_err(|error| error.to_string())?;
        (protocol, Origin::Address(from), Some(to))
    };
    Ok(Outgoing {
        from,
        to,
        ip_protocol,
        time_us: capture.time_us,
        payload_type: trace.payload_type,
        version_override: (trace.hep_version == 3).then_some(Version::V3),
        order: if is_log { ChunkOrder::Log } else { ChunkOrder::Message },
        correlation_id: capture.correlation_id,
        payload,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::Transport;
    use std::net::{Ipv4Addr, SocketAddr};

    #[test]
    fn the_correlation_id_is_the_packets_own_or_that_of_a_header_of_a_message() {
        let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let headers = [b"X-Cid".to_vec()];
        let id = |payload: &[u8], own: Option<&'static [u8]>, payload_type: u8| {
            let capture =
                Capture { correlation_id: own, ..Capture::sip(0, nowhere, nowhere, Transport::UNKNOWN, payload) };
            correlation_of(&capture, &Trace { payload_type, ..Trace::default() }, &headers).map(<[u8]>::to_vec)
        };
        let message = b"INVITE sip:a SIP/2.0\r\nX-Cid: one\r\n two\r\n\r\n";
        assert_eq!(id(message, None, 1), Some(b"one".to_vec()));
        assert_eq!(id(message, Some(b"own"), 1), Some(b"own".to_vec()));
        assert_eq!(id(b"INVITE sip:a SIP/2.0\r\n\r\n", None, 1), None);
        assert_eq!(id(message, None, LOG), None, "a line is no message, whatever it looks like");
    }
}
