//! The capturing side of a lane.

use super::memory::{Lanes, now_ms};
use super::totals::Produced;
use crate::capture::Capture;
use crate::capture::record;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

/// Bytes before the capture's byte form: length, stamp, bytes.
pub(super) const RECORD_HEADER: usize = 12;
/// Stamp of a record that only fills the ring up to its end.
pub(super) const PADDING: u32 = u32::MAX;

/// Why a capture was not queued. Both are counted as dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// The lane has no room until its writer has caught up.
    #[error("the lane is full")]
    Full,
    /// The capture can never be queued.
    #[error("the capture is too large")]
    TooLarge,
}

/// The right to push into one lane. One exists for each lane, in the process that owns it.
#[derive(Debug)]
pub struct Producer {
    lanes: Arc<Lanes>,
    lane: usize,
    process: u32,
    head: u64,
    /// The consumer's position as last seen: reread only when the ring seems full.
    tail: u64,
}

impl Producer {
    /// Takes lane `lane` for this process; `None` when there is no such lane or another process has it.
    pub fn attach(lanes: &Arc<Lanes>, lane: usize) -> Option<Producer> {
        if lane >= lanes.geometry().lanes {
            return None;
        }
        let process = std::process::id();
        let block = lanes.lane(lane);
        block.consumer.owner.compare_exchange(0, process, Ordering::AcqRel, Ordering::Acquire).ok()?;
        let head = block.producer.head.load(Ordering::Relaxed);
        let tail = block.consumer.tail.load(Ordering::Acquire);
        Some(Producer { lanes: Arc::clone(lanes), lane, process, head, tail })
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
        self.process == std::process::id()
    }

    /// Queues `capture`: one bounds check, one copy, one release store; one futex call when the writer sleeps.
    pub fn push(&mut self, capture: &Capture<'_>) -> Result<(), PushError> {
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
        // * `reserve` found `whole` contiguous bytes at `offset` that lie between the consumer's committed position plus one ring
        //   and `head`, which no consumer reads before the release store below;
        // * this value is the lane's only producer, and it is borrowed mutably.
        let out = unsafe { std::slice::from_raw_parts_mut(self.lanes.ring(self.lane).add(offset), whole) };
        write_header(out, whole, now_ms() as u32 & (u32::MAX >> 1), bytes);
        record::encode(capture, &mut out[RECORD_HEADER..RECORD_HEADER + bytes]);
        self.publish(whole as u64);
        Ok(())
    }

    /// Adds one to a counter of this lane.
    pub fn count(&self, counter: Produced) {
        let cell = &self.lanes.lane(self.lane).producer.counters[counter as usize];
        cell.store(cell.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// Adds one to the SIP requests, or replies, of capture mode `mode`, below [`MODES`](super::MODES).
    pub fn count_sip(&self, mode: usize, is_reply: bool) {
        let cell = &self.lanes.lane(self.lane).producer.modes[mode][usize::from(is_reply)];
        cell.store(cell.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// Finds room for `whole` contiguous bytes, filling up the ring's end where they would straddle it.
    fn reserve(&mut self, whole: usize) -> Option<usize> {
        let ring = self.lanes.geometry().lane_bytes;
        let offset = (self.head % ring as u64) as usize;
        let to_end = ring - offset;
        let filling = if whole > to_end { to_end } else { 0 };
        let needed = (filling + whole) as u64;
        if self.head + needed - self.tail > ring as u64 {
            self.tail = self.lanes.lane(self.lane).consumer.tail.load(Ordering::Acquire);
            if self.head + needed - self.tail > ring as u64 {
                return None;
            }
        }
        if filling == 0 {
            return Some(offset);
        }
        // SAFETY: as in `push`; `to_end` is a multiple of 8 because ring size and record lengths are, so 8 bytes fit.
        let out = unsafe { std::slice::from_raw_parts_mut(self.lanes.ring(self.lane).add(offset), 8) };
        out[..4].copy_from_slice(&(filling as u32).to_le_bytes());
        out[4..8].copy_from_slice(&PADDING.to_le_bytes());
        self.head += filling as u64;
        Some(0)
    }

    fn publish(&mut self, whole: u64) {
        self.head += whole;
        let block = self.lanes.lane(self.lane);
        let pushed = &block.producer.pushed;
        pushed.store(pushed.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        block.producer.head.store(self.head, Ordering::Release);
        // The writer stores its state, then looks at heads; we store the head, then look at its state. One of us sees the other.
        fence(Ordering::SeqCst);
        let writer = self.lanes.writer_of(self.lane);
        let state = self.lanes.writer(writer).state.load(Ordering::Relaxed);
        let enough = || {
            let read = block.consumer.read.load(Ordering::Relaxed);
            self.head.saturating_sub(read) >= self.lanes.geometry().wake_bytes as u64
        };
        if state == 1 || (state == 2 && enough()) {
            self.lanes.wake(writer);
        }
    }
}

fn write_header(out: &mut [u8], whole: usize, stamp: u32, bytes: usize) {
    out[..4].copy_from_slice(&(whole as u32).to_le_bytes());
    out[4..8].copy_from_slice(&stamp.to_le_bytes());
    out[8..12].copy_from_slice(&(bytes as u32).to_le_bytes());
}
