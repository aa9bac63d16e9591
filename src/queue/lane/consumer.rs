//! The writer's side of its lanes.

use super::memory::{Lanes, VERSION, now_ms, slot};
use super::producer::{PADDING, RECORD_HEADER};
use crate::queue::counters::{COMMITTED, Committed};
use crate::queue::spool::SpoolMarks;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};
use std::time::Duration;

/// The right to read the lanes of one writer. The kernel ends it with the process.
#[derive(Debug)]
pub struct Consumer {
    lanes: Arc<Lanes>,
    writer: usize,
    reads: Vec<Read>,
    next_lane: usize,
    committed: Progress,
    marks: Vec<SpoolMarks>,
}

/// How far one lane has been read.
#[derive(Clone, Copy, Debug)]
struct Read {
    lane: usize,
    position: u64,
    records: u64,
}

/// How far every lane had been read at some moment: what a commit makes final.
#[derive(Clone, Debug)]
pub struct Progress(Vec<Read>);

/// How a writer sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Nothing is queued: any record wakes.
    Idle,
    /// Records may be waiting: a lane that holds enough for a batch wakes.
    Gathering,
}

/// What the lanes of a consumer hold beyond what it has read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rest {
    /// Records.
    pub records: u64,
    /// Bytes, headers included.
    pub bytes: u64,
}

impl Consumer {
    /// Takes the lanes of writer `writer`, from where the last consumer committed; `None` while that one lives.
    pub fn take(lanes: &Arc<Lanes>, writer: usize) -> io::Result<Option<Consumer>> {
        if lanes.version() != VERSION {
            let why = format!("lanes of version {} cannot be read, only {VERSION}", lanes.version());
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        if !lanes.lock_writer(writer)? {
            return Ok(None);
        }
        let active = slot(lanes.writer(writer).commits.load(Ordering::Acquire));
        let own = (0..lanes.geometry().lanes).filter(|&lane| lanes.writer_of(lane) == writer);
        let read = |lane: usize| {
            let progress = lanes.progress(active, lane);
            let position = progress.position.load(Ordering::Relaxed);
            // A predecessor may have died between its switch and this store.
            lanes.lane(lane).consumer.tail.store(position, Ordering::Release);
            lanes.lane(lane).consumer.read.store(position, Ordering::Relaxed);
            Read { lane, position, records: progress.records.load(Ordering::Relaxed) }
        };
        let reads: Vec<Read> = own.map(read).collect();
        // It may as well have died before it woke those who wait for what it had committed.
        lanes.wake_waiting(reads.iter().map(|read| read.lane));
        let marks = (0..lanes.geometry().sinks).map(|sink| {
            let marks = &lanes.sink(writer, sink).marks[active];
            SpoolMarks { next: marks.next.load(Ordering::Relaxed), acked: marks.acked.load(Ordering::Relaxed) }
        });
        let marks = marks.collect();
        lanes.writer(writer).oldest.store(0, Ordering::Relaxed);
        let committed = Progress(reads.clone());
        Ok(Some(Consumer { lanes: Arc::clone(lanes), writer, reads, next_lane: 0, committed, marks }))
    }

    /// The marks of a sink's spool as the last commit left them.
    pub fn marks(&self, sink: usize) -> SpoolMarks {
        self.marks[sink]
    }

    /// The marks that the next commit makes final.
    pub fn set_marks(&mut self, sink: usize, marks: SpoolMarks) {
        self.marks[sink] = marks;
    }

    /// What the last commit left of `counter`.
    pub fn counter(&self, counter: Committed) -> u64 {
        let block = self.lanes.writer(self.writer);
        let active = slot(block.commits.load(Ordering::Relaxed));
        block.slots[active].counters[counter as usize].load(Ordering::Relaxed)
    }

    /// The region that is read.
    pub fn lanes(&self) -> &Arc<Lanes> {
        &self.lanes
    }

    /// Hands the next queued records to `take` (byte form of a capture, milliseconds that it has waited), lane by lane,
    /// until none is left or `take` answers false. A record is read whether the answer is true or false. Returns the
    /// number read, and how many were lost to a lane whose lengths do not add up, which only memory corruption in the
    /// host can cause.
    pub fn read(&mut self, mut take: impl FnMut(&[u8], u64) -> bool) -> (u64, u64) {
        let (mut taken, mut corrupt) = (0, 0);
        let count = self.reads.len();
        for turn in 0..count {
            let index = (self.next_lane + turn) % count;
            let (more, lost) = read_lane(&self.lanes, &mut self.reads[index], &mut taken, &mut take);
            corrupt += lost;
            if !more {
                self.next_lane = (index + 1) % count;
                return (taken, corrupt);
            }
        }
        self.next_lane = (self.next_lane + 1) % count.max(1);
        (taken, corrupt)
    }

    /// How far each lane is read now.
    pub fn progress(&self) -> Progress {
        Progress(self.reads.clone())
    }

    /// What is queued beyond what is read.
    pub fn rest(&self) -> Rest {
        self.reads.iter().fold(Rest::default(), |rest, read| {
            let (end, records) = self.lanes.lane(read.lane).producer.published();
            Rest {
                records: rest.records + records.saturating_sub(read.records),
                bytes: rest.bytes + (end - read.position),
            }
        })
    }

    /// How much of the fullest lane is taken, from 0 to 1: what is queued, and what is read and not committed.
    pub fn fullest(&self) -> f64 {
        let taken =
            self.committed.0.iter().map(|read| self.lanes.lane(read.lane).producer.end().saturating_sub(read.position));
        taken.max().unwrap_or(0) as f64 / self.lanes.geometry().lane_bytes as f64
    }

    /// Adds `counters` and makes the marks final, with the lanes where they are.
    pub fn commit_counters(&mut self, counters: &[u64; COMMITTED]) {
        let committed = self.committed.clone();
        self.commit(&committed, counters);
    }

    /// Makes `progress` and the marks of the spools final: frees the bytes up to there and adds `counters`, in one step
    /// that no kill can halve.
    pub fn commit(&mut self, progress: &Progress, counters: &[u64; COMMITTED]) {
        let block = self.lanes.writer(self.writer);
        let commits = block.commits.load(Ordering::Relaxed);
        let (active, other) = (slot(commits), slot(commits + 1));
        for (counter, add) in counters.iter().enumerate() {
            let value = block.slots[active].counters[counter].load(Ordering::Relaxed) + add;
            block.slots[other].counters[counter].store(value, Ordering::Relaxed);
        }
        for read in &progress.0 {
            let next = self.lanes.progress(other, read.lane);
            next.position.store(read.position, Ordering::Relaxed);
            next.records.store(read.records, Ordering::Relaxed);
        }
        for (sink, marks) in self.marks.iter().enumerate() {
            let next = &self.lanes.sink(self.writer, sink).marks[other];
            next.next.store(marks.next, Ordering::Relaxed);
            next.acked.store(marks.acked, Ordering::Relaxed);
        }
        block.commits.store(commits + 1, Ordering::Release);
        // Whoever reads the slot that the next commit fills must see that this one has come between.
        fence(Ordering::SeqCst);
        for read in &progress.0 {
            self.lanes.lane(read.lane).consumer.tail.store(read.position, Ordering::Release);
        }
        let both = self.committed.0.iter().zip(&progress.0);
        self.lanes.wake_waiting(both.filter(|(old, new)| old.position != new.position).map(|(_, new)| new.lane));
        self.committed.0.clone_from(&progress.0);
    }

    /// Counts everything that is still queued as `reason` and frees it: nobody will store it any more.
    pub fn abandon(&mut self, reason: Committed) -> u64 {
        let active = slot(self.lanes.writer(self.writer).commits.load(Ordering::Relaxed));
        let mut lost = 0;
        for read in &mut self.reads {
            (read.position, read.records) = self.lanes.lane(read.lane).producer.published();
            lost += read.records - self.lanes.progress(active, read.lane).records.load(Ordering::Relaxed);
        }
        let mut counters = [0; COMMITTED];
        counters[reason as usize] = lost;
        self.commit(&self.progress(), &counters);
        lost
    }

    /// Sleeps until a producer or [`Lanes::wake`] wakes it, or `timeout` has passed. Not when `has_work` answers true,
    /// which is asked when a wake-up can no longer be missed.
    pub fn wait(&self, how: Wait, timeout: Duration, has_work: impl FnOnce() -> bool) {
        let block = self.lanes.writer(self.writer);
        let word = if how == Wait::Idle { 1 } else { 2 };
        block.state.store(word, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        let rest = self.rest();
        let ready = match how {
            Wait::Idle => rest.bytes > 0,
            Wait::Gathering => rest.bytes >= self.lanes.geometry().wake_bytes as u64,
        };
        if !ready
            && !has_work()
            && let Ok(timeout) = rustix::fs::Timespec::try_from(timeout)
        {
            let flags = rustix::thread::futex::Flags::empty();
            let _ = rustix::thread::futex::wait(&block.state, flags, word, Some(&timeout));
        }
        block.state.store(0, Ordering::SeqCst);
    }

    /// Tells other processes how long the oldest record that is read and not committed has waited.
    pub fn show_oldest(&self, waited_ms: Option<u64>) {
        let stamp = waited_ms.map_or(0, |waited| now_ms().saturating_sub(waited).max(1));
        self.lanes.writer(self.writer).oldest.store(stamp, Ordering::Relaxed);
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.lanes.unlock_writer(self.writer);
    }
}

/// Reads one lane; answers whether to go on with the next one, and how many records had to be given up.
fn read_lane(
    lanes: &Lanes,
    read: &mut Read,
    taken: &mut u64,
    take: &mut impl FnMut(&[u8], u64) -> bool,
) -> (bool, u64) {
    let block = lanes.lane(read.lane);
    let head = block.producer.end();
    let ring = lanes.geometry().lane_bytes;
    let now = now_ms() as u32 & (u32::MAX >> 1);
    let mut go_on = true;
    while go_on && read.position < head {
        let offset = (read.position % ring as u64) as usize;
        let limit = (ring - offset).min((head - read.position) as usize);
        // SAFETY:
        // * positions and lengths are multiples of 8, so `offset..offset + limit` lies in the ring and is not empty;
        // * the producer published these bytes with the release store of `head` that was acquired above, and writes
        //   none of them before this consumer, borrowed mutably by the caller, commits a position beyond them.
        let bytes = unsafe { std::slice::from_raw_parts(lanes.ring(read.lane).add(offset), limit) };
        let Some((whole, stamp, record)) = split_record(bytes) else {
            let (position, records) = block.producer.published();
            let lost = records.saturating_sub(read.records);
            *read = Read { lane: read.lane, position, records };
            block.consumer.read.store(position, Ordering::Relaxed);
            return (true, lost);
        };
        read.position += whole as u64;
        if stamp == PADDING {
            continue;
        }
        read.records += 1;
        *taken += 1;
        let waited = now.wrapping_sub(stamp) & (u32::MAX >> 1);
        // A stamp from the same clock a moment after `now` was read counts as no wait.
        go_on = take(record, if waited > u32::MAX >> 2 { 0 } else { u64::from(waited) });
    }
    block.consumer.read.store(read.position, Ordering::Relaxed);
    (go_on, 0)
}

/// The record at the front of `bytes`, a stretch of a ring up to its end or the producer's head: bytes of the whole
/// record, stamp, byte form of the capture (empty for one that only fills the ring). `None` when its lengths do not add
/// up.
///
/// [`Consumer::read`] is made of it; it is public so that it can be fed with rings that no producer of ours would
/// leave.
pub fn split_record(bytes: &[u8]) -> Option<(usize, u32, &[u8])> {
    let word = |at: usize| bytes.get(at..at + 4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    let whole = word(0)? as usize;
    if whole == 0 || whole > bytes.len() || !whole.is_multiple_of(8) {
        return None;
    }
    let stamp = word(4)?;
    if stamp == PADDING {
        return Some((whole, stamp, &[]));
    }
    let len = word(8)? as usize;
    let record = bytes[..whole].get(RECORD_HEADER..)?.get(..len)?;
    Some((whole, stamp, record))
}
