//! What the lanes have counted, as any process can read it.

use super::memory::{ERROR_TEXT, Lanes, SAMPLES, now_ms, slot};
use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of a producing process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Produced {
    /// Captures refused because the lane was full.
    DroppedFull,
    /// Captures refused because they are larger than a record can be.
    DroppedTooLarge,
    /// HEP packets taken.
    HepPackets,
    /// HEP packets that could not be decoded, or lacked what a capture needs.
    HepBad,
    /// HEP packets that were longer than they said.
    HepTrailing,
    /// HEP packets whose payload type has no table of its own.
    HepOtherType,
    /// HEP packets whose payload had to be inflated.
    HepCompressed,
    /// SIP payloads that the host's parser refused, captured all the same.
    HepRefused,
    /// HEP packets of senders that are not allowed.
    HepNotAllowed,
    /// HEP packets without the right key.
    HepUnauthorised,
    /// SIP messages refused because they lack what their mode's table is found by.
    HashRefused,
    /// SIP messages refused because they are malformed, as the operator wished.
    RefusedMalformed,
    /// Packets that raw sockets have handed over, whatever they are.
    RawPackets,
    /// Of these, datagrams that may be SIP, handed to the host's parser.
    RawMessages,
    /// Packets from raw sockets that were cut short, or whose headers contradict one another.
    RawBad,
    /// Fragments of datagrams from raw sockets.
    RawFragments,
    /// Datagrams of other ports.
    RawOtherPorts,
    /// Datagrams of the right ports that are no SIP by their looks.
    RawNoSip,
    /// IP that carries no UDP.
    RawNoUdp,
    /// IP that carries another packet.
    RawTunnels,
    /// ARP and RARP.
    RawArp,
    /// PPPoE discovery, and PPP that is no plain IP.
    RawPpp,
    /// MPLS without IP.
    RawMpls,
    /// 802.3 frames without IP.
    RawLlc,
    /// Frames of another EtherType.
    RawEtherTypes,
    /// Frames of interfaces that are nothing like Ethernet.
    RawLinkTypes,
    /// SIP payloads from raw sockets that the host's parser refused, captured all the same.
    RawRefused,
    /// Packets that may have held messages, and that the kernel dropped because the readers of the raw sockets were
    /// too slow.
    RawKernelDrops,
    /// Packets that would only have been counted, and that the kernel dropped for the same reason.
    RawKernelDropsIgnored,
    /// SIP requests traced for everybody.
    TracedRequests,
    /// SIP replies traced for everybody.
    TracedReplies,
    /// Rows for a table that cannot be, as the script named it.
    DroppedUnaddressed,
    /// Plain copies that the host could not send.
    CopiesFailed,
}

/// Number of [`Produced`] counters.
pub const PRODUCED: usize = Produced::CopiesFailed as usize + 1;

/// Why packets from raw sockets are ignored: each has one of these reasons.
pub const RAW_IGNORED: [Produced; 10] = [
    Produced::RawOtherPorts,
    Produced::RawNoSip,
    Produced::RawNoUdp,
    Produced::RawTunnels,
    Produced::RawArp,
    Produced::RawPpp,
    Produced::RawMpls,
    Produced::RawLlc,
    Produced::RawEtherTypes,
    Produced::RawLinkTypes,
];

/// Capture modes that a lane can count apart.
pub const MODES: usize = 32;

/// Counters that a writer commits together with its progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Committed {
    /// Rows stored.
    Stored,
    /// Captures that the database refused, or that no row can be made of, and that could not be put to the dead letters.
    Rejected,
    /// Captures still queued when the time for the shutdown was over.
    Shutdown,
    /// Captures lost to corrupt lane memory.
    Corrupt,
    /// Values cut to their column's width.
    Truncated,
    /// Stored SIP messages in which something could not be read.
    Malformed,
    /// Batches written.
    Batches,
    /// Captures put into a spool, and those that an earlier run had left in one.
    Spooled,
    /// Captures of a spool that are done with.
    Unspooled,
    /// Captures that an earlier run of the server had left in a spool.
    Recovered,
    /// Captures put to the dead letters.
    DeadLettered,
    /// Captures that a spool had no room for, or could not write.
    SpoolFull,
    /// Captures that a spool could not read back.
    SpoolCorrupt,
    /// Captures given up after the tries that parameters allow, without a spool.
    Unavailable,
    /// Packets over UDP of which the kernel has learned that nobody listens.
    PortUnreachable,
}

/// Number of [`Committed`] counters.
pub const COMMITTED: usize = Committed::PortUnreachable as usize + 1;

/// How a sink fares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SinkState {
    /// `None` before the first write.
    pub up: Option<bool>,
    /// Writes that found the sink away.
    pub errors: u64,
    /// Text of the last error; empty for none yet.
    pub last_error: String,
    /// Seconds since the last error.
    pub last_error_age: Option<u64>,
    /// Records in its spool, and in those that earlier writers left.
    pub spooled: u64,
    /// Bytes that its spool takes on disk.
    pub spool_bytes: u64,
}

/// A reading of all counters. `captured() = stored + spooled() + queued() + dead-lettered + dropped()` whenever nothing is on the move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Totals {
    /// By [`Produced`].
    pub produced: [u64; PRODUCED],
    /// SIP requests and SIP replies accepted, by capture mode.
    pub modes: [[u64; 2]; MODES],
    /// By [`Committed`].
    pub committed: [u64; COMMITTED],
    /// Captures accepted into lanes.
    pub pushed: u64,
    /// Captures that writers have finished with.
    pub finished: u64,
    /// Messages of processes that have no lane.
    pub without_lane: u64,
    /// Messages that were refused before anything was made of them, or of which something was.
    pub refused: u64,
}

impl Default for Totals {
    fn default() -> Totals {
        Totals {
            // The standard library knows defaults of shorter arrays alone.
            produced: [0; PRODUCED],
            modes: Default::default(),
            committed: Default::default(),
            pushed: 0,
            finished: 0,
            without_lane: 0,
            refused: 0,
        }
    }
}

impl Totals {
    /// One producer counter.
    pub fn produced(&self, counter: Produced) -> u64 {
        self.produced[counter as usize]
    }

    /// SIP requests that were accepted, in any mode.
    pub fn requests(&self) -> u64 {
        self.modes.iter().map(|[requests, _]| requests).sum()
    }

    /// SIP replies that were accepted, in any mode.
    pub fn replies(&self) -> u64 {
        self.modes.iter().map(|[_, replies]| replies).sum()
    }

    /// Packets from raw sockets that were whole, and not of what is captured.
    pub fn raw_ignored(&self) -> u64 {
        RAW_IGNORED.map(|counter| self.produced(counter)).iter().sum()
    }

    /// One writer counter.
    pub fn committed(&self, counter: Committed) -> u64 {
        self.committed[counter as usize]
    }

    /// Captures that sources made, whatever became of them, and those that an earlier run left in a spool.
    pub fn captured(&self) -> u64 {
        self.made() + self.committed(Committed::Recovered)
    }

    /// Captures that sources made.
    fn made(&self) -> u64 {
        self.pushed + self.never_pushed()
    }

    /// Captures that no lane has taken.
    fn never_pushed(&self) -> u64 {
        let refused = [Produced::DroppedFull, Produced::DroppedTooLarge, Produced::DroppedUnaddressed];
        self.without_lane + refused.map(|counter| self.produced(counter)).iter().sum::<u64>()
    }

    /// Captures that are in a lane, or on their way from there to a sink.
    pub fn queued(&self) -> u64 {
        self.pushed.saturating_sub(self.finished)
    }

    /// Captures that are in a spool.
    pub fn spooled(&self) -> u64 {
        self.committed(Committed::Spooled).saturating_sub(self.committed(Committed::Unspooled))
    }

    /// Captures that were lost, for whatever reason.
    pub fn dropped(&self) -> u64 {
        self.never_pushed()
            + self.committed(Committed::Rejected)
            + self.committed(Committed::Shutdown)
            + self.committed(Committed::Corrupt)
            + self.committed(Committed::SpoolFull)
            + self.committed(Committed::SpoolCorrupt)
            + self.committed(Committed::Unavailable)
    }
}

impl Lanes {
    /// Captures that writer `writer` has finished with, its predecessors included.
    pub fn finished_by(&self, writer: usize) -> u64 {
        let active = slot(self.writer(writer).commits.load(Ordering::Acquire));
        let own = (0..self.geometry().lanes).filter(|&lane| self.writer_of(lane) == writer);
        own.map(|lane| self.progress(active, lane).records.load(Ordering::Relaxed)).sum()
    }

    /// Reads every counter.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        let add = |sum: &mut [u64], cells: &[AtomicU64]| {
            sum.iter_mut().zip(cells).for_each(|(sum, cell)| *sum += cell.load(Ordering::Relaxed));
        };
        for writer in 0..self.geometry().writers {
            let block = self.writer(writer);
            let before = loop {
                // A reading across a commit could pair old counters with new positions: read again.
                let commits = block.commits.load(Ordering::Acquire);
                let active = slot(commits);
                let mut reading = totals.clone();
                add(&mut reading.committed, &block.slots[active].counters);
                for lane in (0..self.geometry().lanes).filter(|&lane| self.writer_of(lane) == writer) {
                    reading.finished += self.progress(active, lane).records.load(Ordering::Relaxed);
                }
                std::sync::atomic::fence(Ordering::Acquire);
                if block.commits.load(Ordering::Relaxed) == commits {
                    break reading;
                }
            };
            totals = before;
        }
        for lane in 0..self.geometry().lanes {
            let producer = &self.lane(lane).producer;
            totals.pushed += producer.published().1;
            add(&mut totals.produced, &producer.counters);
            totals.modes.iter_mut().zip(&producer.modes).for_each(|(sum, cells)| add(sum, cells));
        }
        totals.without_lane = self.header().without_lane.load(Ordering::Relaxed);
        totals.refused = self.header().refused.load(Ordering::Relaxed);
        totals
    }

    /// Counts a message of a process that has no lane.
    pub fn count_without_lane(&self) {
        self.header().without_lane.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a message that was refused, wholly or in part.
    pub fn count_refused(&self) {
        self.header().refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Milliseconds that the oldest capture on its way from a lane to a sink has waited; 0 when none is.
    pub fn lag_ms(&self) -> u64 {
        let oldest = |writer| self.writer(writer).oldest.load(Ordering::Relaxed);
        let stamps = (0..self.geometry().writers).map(oldest).filter(|&stamp| stamp != 0);
        stamps.map(|stamp| now_ms().saturating_sub(stamp)).max().unwrap_or(0)
    }

    /// Writers that died and were started again.
    pub fn writer_restarts(&self) -> u64 {
        self.header().writer_restarts.load(Ordering::Relaxed)
    }

    /// Takes a sample for [`Lanes::rates`], once a second; called by the writers.
    pub fn sample(&self, writer: usize) {
        let block = self.writer(writer);
        let next = block.next_sample.load(Ordering::Relaxed) as usize % SAMPLES;
        let now = now_ms();
        if now < block.samples[(next + SAMPLES - 1) % SAMPLES].at_ms.load(Ordering::Relaxed) + 1000 {
            return;
        }
        let totals = self.totals();
        let sample = &block.samples[next];
        sample.captured.store(totals.made(), Ordering::Relaxed);
        sample.stored.store(totals.committed(Committed::Stored), Ordering::Relaxed);
        sample.at_ms.store(now, Ordering::Release);
        block.next_sample.store(((next + 1) % SAMPLES) as u32, Ordering::Relaxed);
    }

    /// Captures and rows a second over the last ten seconds or so.
    pub fn rates(&self) -> (f64, f64) {
        let now = now_ms();
        let samples = self.writer(0).samples.iter().map(|sample| {
            let at = sample.at_ms.load(Ordering::Acquire);
            (at, sample.captured.load(Ordering::Relaxed), sample.stored.load(Ordering::Relaxed))
        });
        let recent = samples.filter(|&(at, ..)| at != 0 && at + 12_000 > now && at + 500 < now);
        let Some((at, captured, stored)) = recent.min() else { return (0.0, 0.0) };
        let totals = self.totals();
        let seconds = (now - at) as f64 / 1000.0;
        let rate = |total: u64, then: u64| total.saturating_sub(then) as f64 / seconds;
        (rate(totals.made(), captured), rate(totals.committed(Committed::Stored), stored))
    }

    /// Notes that a sink of `writer` answered.
    pub fn sink_is_up(&self, writer: usize, sink: usize) {
        self.sink(writer, sink).state.store(1, Ordering::Relaxed);
    }

    /// Notes that a sink of `writer` is away, and why.
    pub fn sink_is_down(&self, writer: usize, sink: usize, why: &str) {
        let block = self.sink(writer, sink);
        let text = &why.as_bytes()[..why.floor_char_boundary(ERROR_TEXT)];
        block.error_len.store(0, Ordering::Relaxed);
        block.error.iter().zip(text).for_each(|(cell, &byte)| cell.store(byte, Ordering::Relaxed));
        block.error_len.store(text.len() as u32, Ordering::Release);
        block.error_ms.store(now_ms(), Ordering::Relaxed);
        block.errors.fetch_add(1, Ordering::Relaxed);
        block.state.store(2, Ordering::Relaxed);
    }

    /// Notes what the spools of a sink of `writer` hold: the records of those that earlier writers left, and the bytes of all on disk.
    pub fn note_spool(&self, writer: usize, sink: usize, earlier: u64, bytes: u64) {
        let block = self.sink(writer, sink);
        block.earlier.store(earlier, Ordering::Relaxed);
        block.spool_bytes.store(bytes, Ordering::Relaxed);
    }

    /// Every sink: its writer, its number, how it fares.
    pub fn sink_states(&self) -> impl Iterator<Item = (usize, usize, SinkState)> {
        let sinks = self.geometry().sinks;
        let all = (0..self.geometry().writers).flat_map(move |writer| (0..sinks).map(move |sink| (writer, sink)));
        all.map(|(writer, sink)| (writer, sink, self.sink_state(writer, sink)))
    }

    /// How a sink of `writer` fares.
    pub fn sink_state(&self, writer: usize, sink: usize) -> SinkState {
        let block = self.sink(writer, sink);
        let len = (block.error_len.load(Ordering::Acquire) as usize).min(ERROR_TEXT);
        let text: Vec<u8> = block.error[..len].iter().map(|cell| cell.load(Ordering::Relaxed)).collect();
        let at = block.error_ms.load(Ordering::Relaxed);
        let marks = &block.marks[slot(self.writer(writer).commits.load(Ordering::Acquire))];
        SinkState {
            up: match block.state.load(Ordering::Relaxed) {
                0 => None,
                state => Some(state == 1),
            },
            errors: block.errors.load(Ordering::Relaxed),
            last_error: String::from_utf8_lossy(&text).into_owned(),
            last_error_age: (at != 0).then(|| now_ms().saturating_sub(at) / 1000),
            spooled: marks.next.load(Ordering::Relaxed).saturating_sub(marks.acked.load(Ordering::Relaxed))
                + block.earlier.load(Ordering::Relaxed),
            spool_bytes: block.spool_bytes.load(Ordering::Relaxed),
        }
    }
}
