//! Getting packets to collectors: one that parameters name, or whichever each packet names.

use super::batch::Batch;
use super::deliver::{Delivered, Refused};
use super::health::Health;
use super::{CollectorPlan, add};
use crate::capture::{Capture, Trace, record};
use crate::hep::{ChunkOrder, Version};
use crate::log_limit::LogLimit;
use crate::queue::lane::Committed;
use crate::sink::hep::{Collector, Destination, Origin, Outgoing, Sent, parse_way};
use crate::sip;
use crate::sip::x_headers::{self, XHeaders};
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
pub enum Reach<'a> {
    /// The one that parameters name, or one of several that stand in for each other.
    Fixed(&'a [Destination]),
    /// The one that all packets name.
    Named,
    /// Whichever each packet names; none of them is an outage of the others.
    AnyNamed,
}

/// Collectors with patience.
pub struct PacketStore {
    plan: CollectorPlan,
    /// The collector that parameters name.
    fixed: Option<Collector>,
    /// Those that packets name, the last used one first.
    named: Vec<Named>,
    /// Whether all packets name the same one.
    names_one: bool,
    /// How long packets wait for one of these.
    patience: Duration,
    health: Health,
    give_up: Arc<AtomicBool>,
    log: LogLimit,
}

struct Named {
    uri: String,
    collector: Collector,
    outage: Option<Outage>,
}

struct Outage {
    since: Instant,
    last_try: Instant,
    why: String,
}

impl Named {
    /// Whether packets have waited for it long enough.
    fn is_lost(&self, patience: Duration) -> bool {
        self.outage.as_ref().is_some_and(|outage| outage.since.elapsed() >= patience)
    }
}

/// A packet before it is encoded, or why there is none.
type Prepared<'a> = Result<(Capture<'a>, Trace<'a>, Cow<'a, [u8]>), &'static str>;

impl PacketStore {
    /// Opens nothing yet. Packets wait `patience` long for a collector that they name.
    pub fn new(
        plan: &CollectorPlan,
        reach: Reach<'_>,
        patience: Duration,
        health: Health,
        give_up: Arc<AtomicBool>,
    ) -> PacketStore {
        let fixed = match reach {
            Reach::Fixed(destinations) => Some(Collector::new(destinations.to_vec(), plan.options.clone())),
            Reach::Named | Reach::AnyNamed => None,
        };
        let names_one = matches!(reach, Reach::Named);
        let log = LogLimit::new(Duration::from_secs(5));
        PacketStore { plan: plan.clone(), fixed, named: Vec::new(), names_one, patience, health, give_up, log }
    }

    /// Whether packets need not come here: the collector was away when it was last asked, and they have a spool to go to, or the server
    /// ends.
    pub fn turns_away(&self) -> bool {
        let is_lost = self.named.first().is_some_and(|named| named.is_lost(self.patience));
        self.health.is_away() && !is_lost && (self.health.has_refuge() || self.give_up.load(Ordering::Relaxed))
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
        let (sent, is_lost) = match &mut self.fixed {
            Some(collector) => (collector.send(&outgoing), false),
            None => self.send_named(&batch.table, &outgoing),
        };
        add(&mut delivered.counters, Committed::Unheard, sent.unheard);
        add(&mut delivered.counters, Committed::Batches, u64::from(sent.sent > 0));
        let refused = sent.refused.into_iter();
        delivered.refused.extend(refused.map(|(index, why)| Refused { number: numbers[index], why: why.into() }));
        delivered.refused.sort_by_key(|refused| refused.number);
        delivered.left.extend(numbers[sent.sent..].iter().map(|&number| number..number + 1));
        match (sent.away, self.fixed.is_some() || self.names_one) {
            // What could not be sent is refused.
            (None, _) if is_lost => {}
            (None, _) => self.health.note_answer(),
            (Some(why), true) => {
                self.health.note_away(&why);
                delivered.away = true;
            }
            (Some(why), false) => {
                if let Some(held_back) = self.log.allow(Instant::now()) {
                    let uri = &batch.table;
                    log::error!("packets for {uri} wait: {why} ({held_back} more since the last such line)");
                }
            }
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

    /// Sends packets to the collector at `uri`; with true when it is waited for no longer, and they are refused.
    fn send_named(&mut self, uri: &str, packets: &[Outgoing<'_>]) -> (Sent, bool) {
        match self.named.iter().position(|named| named.uri == uri) {
            Some(position) => self.named[..=position].rotate_right(1),
            None => {
                let destination = match Destination::parse(uri) {
                    Ok(destination) => destination,
                    Err(error) => return (refuse_rest(Sent::default(), packets.len(), &error.to_string()), false),
                };
                self.named.truncate(MOST_OPEN - 1);
                let collector = Collector::new(vec![destination], self.plan.options.clone());
                self.named.insert(0, Named { uri: uri.to_owned(), collector, outage: None });
            }
        }
        let named = &mut self.named[0];
        if let Some(outage) = &named.outage
            && named.is_lost(self.patience)
            && outage.last_try.elapsed() < LOST
        {
            return (refuse_rest(Sent::default(), packets.len(), &outage.why), true);
        }
        let sent = named.collector.send(packets);
        let now = Instant::now();
        named.outage = sent.away.as_ref().map(|why| Outage {
            since: named.outage.as_ref().map_or(now, |outage| outage.since),
            last_try: now,
            why: why.clone(),
        });
        match &named.outage {
            Some(outage) if named.is_lost(self.patience) => (refuse_rest(sent, packets.len(), &outage.why), true),
            _ => (sent, false),
        }
    }
}

/// As if what is not sent of `count` packets could never be.
fn refuse_rest(sent: Sent, count: usize, why: &str) -> Sent {
    let mut refused = sent.refused;
    refused.extend((sent.sent..count).map(|index| (index, why.to_owned())));
    Sent { sent: count, refused, away: None, unheard: sent.unheard }
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
        let (protocol, from, to) = parse_way(from, to).map_err(|error| error.to_string())?;
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
                Capture { correlation_id: own, ..Capture::sip(0, nowhere, nowhere, Transport::None, payload) };
            correlation_of(&capture, &Trace { payload_type, ..Trace::default() }, &headers).map(<[u8]>::to_vec)
        };
        let message = b"INVITE sip:a SIP/2.0\r\nX-Cid: one\r\n two\r\n\r\n";
        assert_eq!(id(message, None, 1), Some(b"one".to_vec()));
        assert_eq!(id(message, Some(b"own"), 1), Some(b"own".to_vec()));
        assert_eq!(id(b"INVITE sip:a SIP/2.0\r\n\r\n", None, 1), None);
        assert_eq!(id(message, None, LOG), None, "a line is no message, whatever it looks like");
    }
}
