//! What a worker does for tables that are waited for: hands over what is theirs, or takes it over; see
//! `sink_workers/tables.rs`.

use super::{InFlight, SinkWorker, TABLE_PAUSE};
use crate::queue::spool::{OnDisk, Spool, SpoolMarks};
use crate::writer::batch::BatchSet;
use std::time::Instant;

impl SinkWorker {
    /// Tables of what the replay would send next, unless that is on its way. `committed` are the marks of the last
    /// commit.
    pub fn tables_at_hand(&mut self, committed: SpoolMarks, now: Instant) -> Vec<String> {
        if self.replay_job.is_some() || self.away.is_some_and(|away| now < away.next_probe) {
            return Vec::new();
        }
        self.replay.take_back_failed(now + TABLE_PAUSE);
        if self.replay.is_put_off(now) {
            return Vec::new();
        }
        let below = self.readable_below(committed);
        let Some(spool) = &mut self.spool else { return Vec::new() };
        self.replay.at_hand(spool, below);
        self.replay.tables()
    }

    /// Leaves aside what the replay has at hand for `tables`. The answer is what is to be handed over now: nothing
    /// before the rest of the chunk is done with, so that the chunk ends with it.
    pub fn set_aside(&mut self, tables: &[String]) -> Option<BatchSet> {
        self.replay.set_aside(tables);
        let is_due = self.replay.set().is_some_and(BatchSet::is_empty);
        self.replay.aside().filter(|_| is_due).map(|aside| aside.filtered(|_| true))
    }

    /// Whether [`SinkWorker::take_over`] may be asked now: what no commit has made final must not become so with what
    /// is taken over.
    pub fn can_take_over(&self) -> bool {
        self.spool.as_ref().is_some_and(|spool| spool.marks().next == self.own_marks.next)
    }

    /// Puts captures of another worker's replay into the spool, where they are final; `None` when it does not take
    /// them now. The answer tells when they are on the disk.
    pub fn take_over(&mut self, set: &BatchSet, now: Instant) -> Option<OnDisk> {
        let spool = self.spool.as_mut()?;
        // The other spool gives up as much room as this one takes.
        spool.leave_room(0);
        let ids = self.append(set, 0..set.len())?;
        self.own_marks.next = ids.end;
        self.used = now;
        self.spool.as_mut().map(Spool::bring_to_disk)
    }

    /// What the replay has left aside for `table` is in another worker's spool now, and safe there once it is
    /// `on_disk`.
    pub fn hand_over(&mut self, table: &str, on_disk: OnDisk) {
        self.replay.hand_over(table, on_disk);
    }

    /// Captures that are in another worker's spool, and here until the chunk at hand is done with.
    pub fn moved(&self) -> u64 {
        self.replay.moved()
    }

    /// Notes that what the replay has at hand cannot be handed over for now.
    pub fn note_blocked(&mut self) {
        self.is_blocked = true;
    }

    /// Puts off what another worker could not take over: that one is asked again after a pause.
    pub fn put_off(&mut self, now: Instant) {
        self.replay.put_off(now + TABLE_PAUSE);
    }

    /// Whether captures for `table` are here, or may be.
    pub fn may_hold(&self, table: &str) -> bool {
        let is_for_it = |sent: &InFlight| sent.set.batches().iter().any(|batch| batch.destination == table);
        self.replay_has_work() || self.in_flight.iter().any(is_for_it)
    }

    /// Whether the sink, though it was there, could not take what it was last given from here, or was given nothing
    /// yet.
    pub fn is_troubled(&self) -> bool {
        self.is_troubled
    }

    /// Notes that the sink could not take what is for this worker.
    pub fn note_trouble(&mut self, now: Instant) {
        self.is_troubled = true;
        self.used = now;
    }

    /// Other workers have taken so many bytes of what its spool may grow to.
    pub fn leave_room(&mut self, taken: u64) {
        if let Some(spool) = &mut self.spool {
            spool.leave_room(taken);
        }
    }
}
