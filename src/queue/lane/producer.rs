//! The capturing side of a lane.

use super::memory::{Lanes, RECORDS_IN_HEAD, now_ms};
use super::thread::{ThreadIdentity, process_tag};
use crate::capture::Capture;
use crate::capture::record;
use crate::queue::counters::Produced;
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

/// Bytes before the capture's byte form: length, stamp, bytes.
pub(super) const RECORD_HEADER: usize = 12;
/// Stamp of a record that only fills the ring up to its end.
pub(super) const PADDING: u32 = u32::MAX;

/// Why a capture was dropped, which is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// The lane has no room until its writer has caught up.
    #[error("the lane is full")]
    Full,
    /// The capture can never be queued.
    #[error("the capture is too large")]
    TooLarge,
}

/// Why a capture was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotQueued {
    /// It is dropped.
    #[error(transparent)]
    Dropped(#[from] PushError),
    /// The lane is that of another process, or another thread has taken it over. Not counted: the lane's counters are
    /// its owner's.
    #[error("the lane belongs to another thread")]
    NotOwner,
}

/// The right to push into one lane. One exists for each lane: its owner is the thread that has attached, or the one
/// that has pushed or counted last when the value has been handed to another. No two threads can have it at once, and a
/// forked process that inherits it cannot use it.
#[derive(Debug)]
pub struct Producer {
    lanes: Arc<Lanes>,
    lane: usize,
    /// The thread that the lane's header names as its owner. Not to be shared with another thread: counters have one
    /// writer.
    thread: Cell<ThreadIdentity>,
    /// The process of that thread, see [`process_tag`].
    process: u64,
    /// Position of the next record.
    position: u64,
    /// Records published so far.
    records: u64,
    /// The consumer's position as last seen: reread only when the ring seems full.
    tail: u64,
}

impl Producer {
    /// Takes lane `lane` for this thread; `None` when there is no such lane or a thread that still runs has it, in
    /// whatever process. What an owner that has ended had published stays queued, what it had not is gone.
    pub fn attach(lanes: &Arc<Lanes>, lane: usize) -> Option<Producer> {
        (lane < lanes.geometry().lanes).then(|| Producer::claim(lanes, lane, true)).flatten()
    }

    /// Takes any lane for this thread, a free one before one whose owner has ended; `None` when all are taken. For
    /// hosts whose threads and processes have no numbers that lanes could go by; Kamailio's have, and its modules
    /// attach by them.
    pub fn attach_any(lanes: &Arc<Lanes>) -> Option<Producer> {
        let all = |takes_over| (0..lanes.geometry().lanes).find_map(|lane| Producer::claim(lanes, lane, takes_over));
        all(false).or_else(|| all(true))
    }

    /// Makes this thread the owner of `lane` in one step, if nobody is, or, with `takes_over`, if the owner has ended.
    fn claim(lanes: &Arc<Lanes>, lane: usize, takes_over: bool) -> Option<Producer> {
        let thread = ThreadIdentity::current();
        let block = lanes.lane(lane);
        let mut owner = block.owner.load(Ordering::Acquire);
        loop {
            if ThreadIdentity::from_word(owner).is_some_and(|owner| !takes_over || !owner.has_ended()) {
                return None;
            }
            match block.owner.compare_exchange(owner, thread.word(), Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => break,
                Err(other) => owner = other,
            }
        }
        // An owner that has ended has left its stores to whoever asked the kernel for it.
        fence(Ordering::SeqCst);
        let (position, records) = block.producer.published();
        // It may have counted a record and died before it published it.
        block.producer.pushed.store(records, Ordering::Relaxed);
        lanes.forget_wait(lane);
        let tail = block.consumer.tail.load(Ordering::Acquire);
        let (lanes, thread, process) = (Arc::clone(lanes), Cell::new(thread), process_tag());
        Some(Producer { lanes, lane, thread, process, position, records, tail })
    }

    /// The region that the lane is part of.
    pub fn lanes(&self) -> &Arc<Lanes> {
        &self.lanes
    }

    /// Number of the lane.
    pub fn lane(&self) -> usize {
        self.lane
    }

    /// Whether this process is the one that attached, and not a child that inherited the value.
    pub fn is_own(&self) -> bool {
        self.process == process_tag()
    }

    /// Makes the thread that calls the owner of the lane, when the value was handed to it; false when the process is
    /// another one, or another thread has taken the lane over.
    pub fn adopt(&self) -> bool {
        let thread = ThreadIdentity::current();
        let owner = &self.lanes.lane(self.lane).owner;
        let adopted = self.is_own()
            && owner
                .compare_exchange(self.thread.get().word(), thread.word(), Ordering::AcqRel, Ordering::Acquire)
                .is_ok();
        if adopted {
            self.thread.set(thread);
        }
        adopted
    }

    /// Whether the lane is the thread's that calls, maybe from now on ([`Producer::adopt`]): whoever counts or pushes
    /// must have asked. Costs no system call.
    pub fn belongs_here(&self) -> bool {
        self.thread.get() == ThreadIdentity::current() || self.adopt()
    }

    /// Queues `capture`: one bounds check, one copy, one release store; one futex call when the writer sleeps.
    pub fn push(&mut self, capture: &Capture<'_>) -> Result<(), NotQueued> {
        if !self.belongs_here() {
            return Err(NotQueued::NotOwner);
        }
        let whole = self.write(capture)?;
        self.publish(whole);
        Ok(())
    }

    /// Writes `capture` behind the last record, where no consumer looks yet; its length with all that belongs to it.
    fn write(&mut self, capture: &Capture<'_>) -> Result<u64, PushError> {
        let whole_of = |bytes: usize| (RECORD_HEADER + bytes).next_multiple_of(8);
        // More than half a lane may never find room: the rest of the ring may have to be filled up in front of it.
        let most = self.lanes.geometry().lane_bytes / 2;
        let Some(bytes) = record::encoded_len(capture).ok().filter(|&bytes| whole_of(bytes) <= most) else {
            self.count(Produced::DroppedTooLarge);
            return Err(PushError::TooLarge);
        };
        let whole = whole_of(bytes);
        let Some(offset) = self.reserve(whole) else {
            self.count(Produced::DroppedFull);
            return Err(PushError::Full);
        };
        // SAFETY:
        // * `reserve` found `whole` contiguous bytes at `offset` that lie between the consumer's committed position
        //   plus one ring and `head`, which no consumer reads before the release store of `publish`;
        // * this value is the lane's only producer: the lane's owner word is that of this thread (`push`), which nobody
        //   exchanges while the thread runs but `adopt`, by this very value; and it is borrowed mutably.
        let out = unsafe { std::slice::from_raw_parts_mut(self.lanes.ring(self.lane).add(offset), whole) };
        write_header(out, whole, now_ms() as u32 & (u32::MAX >> 1), bytes);
        record::encode(capture, &mut out[RECORD_HEADER..RECORD_HEADER + bytes]);
        Ok(whole as u64)
    }

    /// What a push comes to that ends before the record is published: before it is counted, or behind.
    #[cfg(test)]
    pub(super) fn push_unpublished(&mut self, capture: &Capture<'_>, is_counted: bool) {
        if self.write(capture).is_ok() && is_counted {
            self.count_record();
        }
    }

    /// Adds one to a counter of this lane, which must belong to the thread that calls ([`Producer::belongs_here`]).
    pub fn count(&self, counter: Produced) {
        let cell = &self.lanes.lane(self.lane).producer.counters[counter as usize];
        cell.store(cell.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// Adds one to the SIP requests, or replies, of capture mode `mode`, below
    /// [`MODES`](crate::queue::counters::MODES). As [`Producer::count`].
    pub fn count_sip(&self, mode: usize, is_reply: bool) {
        let cell = &self.lanes.lane(self.lane).producer.modes[mode][usize::from(is_reply)];
        cell.store(cell.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// Finds room for `whole` contiguous bytes, filling up the ring's end where they would straddle it.
    fn reserve(&mut self, whole: usize) -> Option<usize> {
        let ring = self.lanes.geometry().lane_bytes;
        let offset = (self.position % ring as u64) as usize;
        let to_end = ring - offset;
        let filling = if whole > to_end { to_end } else { 0 };
        let needed = (filling + whole) as u64;
        if self.position + needed - self.tail > ring as u64 {
            self.tail = self.lanes.lane(self.lane).consumer.tail.load(Ordering::Acquire);
            if self.position + needed - self.tail > ring as u64 {
                return None;
            }
        }
        if filling == 0 {
            return Some(offset);
        }
        // SAFETY: as in `write`; `to_end` is a multiple of 8 because ring size and record lengths are, so 8 bytes fit.
        let out = unsafe { std::slice::from_raw_parts_mut(self.lanes.ring(self.lane).add(offset), 8) };
        out[..4].copy_from_slice(&(filling as u32).to_le_bytes());
        out[4..8].copy_from_slice(&PADDING.to_le_bytes());
        self.position += filling as u64;
        Some(0)
    }

    /// Counts the record that is to be published.
    fn count_record(&mut self) {
        self.records += 1;
        self.lanes.lane(self.lane).producer.pushed.store(self.records, Ordering::Relaxed);
    }

    fn publish(&mut self, whole: u64) {
        self.position += whole;
        self.count_record();
        let block = self.lanes.lane(self.lane);
        block.producer.head.store(self.position | (self.records & RECORDS_IN_HEAD), Ordering::Release);
        // The writer stores its state, then looks at heads; we store the head, then look at its state. One of us sees
        // the other.
        fence(Ordering::SeqCst);
        let writer = self.lanes.writer_of(self.lane);
        let state = self.lanes.writer(writer).state.load(Ordering::Relaxed);
        let enough = || {
            let read = block.consumer.read.load(Ordering::Relaxed);
            self.position.saturating_sub(read) >= self.lanes.geometry().wake_bytes as u64
        };
        if state == 1 || (state == 2 && enough()) {
            self.lanes.wake(writer);
        }
    }
}

/// Gives the lane back, whichever thread the value is in; an inherited value is only forgotten.
impl Drop for Producer {
    fn drop(&mut self) {
        if self.is_own() {
            let owner = &self.lanes.lane(self.lane).owner;
            let _ = owner.compare_exchange(self.thread.get().word(), 0, Ordering::AcqRel, Ordering::Relaxed);
        }
    }
}

fn write_header(out: &mut [u8], whole: usize, stamp: u32, bytes: usize) {
    out[..4].copy_from_slice(&(whole as u32).to_le_bytes());
    out[4..8].copy_from_slice(&stamp.to_le_bytes());
    out[8..12].copy_from_slice(&(bytes as u32).to_le_bytes());
}
