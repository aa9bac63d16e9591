//! What the region of the lanes has counted, and how its sinks fare, as any process can read it.

use super::memory::{ERROR_TEXT, Lanes, SAMPLES, now_ms, slot};
use crate::queue::counters::{Committed, Totals};
use std::sync::atomic::{AtomicU64, Ordering};

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
        totals.lag_ms = self.lag_ms();
        totals.sink_errors = self.all_sinks().map(|(writer, sink)| self.sink_errors(writer, sink)).sum();
        totals.writer_restarts = self.header().writer_restarts.load(Ordering::Relaxed);
        let geometry = self.geometry();
        totals.writers = geometry.writers as u64;
        totals.lanes = geometry.lanes as u64;
        totals.lane_bytes = geometry.lane_bytes as u64;
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

    /// See [`Totals::lag_ms`].
    fn lag_ms(&self) -> u64 {
        let oldest = |writer| self.writer(writer).oldest.load(Ordering::Relaxed);
        let stamps = (0..self.geometry().writers).map(oldest).filter(|&stamp| stamp != 0);
        stamps.map(|stamp| now_ms().saturating_sub(stamp)).max().unwrap_or(0)
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

    /// Notes what the spools of a sink of `writer` hold: the records of those that earlier writers left, and the bytes
    /// of all on disk.
    pub fn note_spool(&self, writer: usize, sink: usize, earlier: u64, bytes: u64) {
        let block = self.sink(writer, sink);
        block.earlier.store(earlier, Ordering::Relaxed);
        block.spool_bytes.store(bytes, Ordering::Relaxed);
    }

    /// Every sink: its writer, its number, how it fares.
    pub fn sink_states(&self) -> impl Iterator<Item = (usize, usize, SinkState)> {
        self.all_sinks().map(|(writer, sink)| (writer, sink, self.sink_state(writer, sink)))
    }

    fn all_sinks(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let sinks = self.geometry().sinks;
        (0..self.geometry().writers).flat_map(move |writer| (0..sinks).map(move |sink| (writer, sink)))
    }

    fn sink_errors(&self, writer: usize, sink: usize) -> u64 {
        self.sink(writer, sink).errors.load(Ordering::Relaxed)
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
            errors: self.sink_errors(writer, sink),
            last_error: String::from_utf8_lossy(&text).into_owned(),
            last_error_age: (at != 0).then(|| now_ms().saturating_sub(at) / 1000),
            spooled: marks.next.load(Ordering::Relaxed).saturating_sub(marks.acked.load(Ordering::Relaxed))
                + block.earlier.load(Ordering::Relaxed),
            spool_bytes: block.spool_bytes.load(Ordering::Relaxed),
        }
    }
}
