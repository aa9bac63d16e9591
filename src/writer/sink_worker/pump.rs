//! The replay of a worker's spool: sent chunk by chunk, and what is done with acknowledged.

use super::{BLOCKED, Effect, SinkWorker, TABLE_PAUSE};
use crate::queue::counters::{COMMITTED, Committed};
use crate::queue::spool::SpoolMarks;
use crate::writer::counters::add;
use crate::writer::delivered::Delivered;
use crate::writer::error::WriterError;
use crate::writer::refusals::Refusals;
use crate::writer::replay::{Acked, ReplayChunk};
use std::time::Instant;

impl SinkWorker {
    /// Sends the next chunk of the spool on its way, if it is time to. `committed` are the marks of the last commit.
    pub fn pump(
        &mut self,
        committed: SpoolMarks,
        refusals: &mut Refusals,
        now: Instant,
    ) -> Result<Effect, WriterError> {
        if self.replay_job.is_some() || self.away.is_some_and(|away| now < away.next_probe) {
            return Ok(Effect::default());
        }
        let below = self.readable_below(committed);
        let Some(spool) = &mut self.spool else { return Ok(Effect::default()) };
        let next = self.replay.next(spool, below, now);
        self.is_blocked = matches!(next, ReplayChunk::Nothing);
        match next {
            ReplayChunk::Nothing => Ok(Effect::default()),
            ReplayChunk::Send(set) => {
                self.replay_job = Some(self.send(set, true)?);
                Ok(Effect::default())
            }
            // Nothing of it is left to send.
            ReplayChunk::Done => Ok(self.finish_replay(refusals)),
        }
    }

    /// The first id of its spool that the replay must not read yet. What is parked may still be delivered: it is not
    /// read before that is known.
    pub(super) fn readable_below(&self, committed: SpoolMarks) -> u64 {
        let parked = self.in_flight.iter().filter_map(|sent| sent.parked.as_ref().map(|ids| ids.start)).min();
        parked.map_or(committed.next, |first| first.min(committed.next))
    }

    /// These records are done with, and that is committed.
    pub fn acknowledge(&mut self, acked: Acked) {
        let noted = match acked {
            Acked::Own(id) => self.spool.as_mut().map_or(Ok(()), |spool| spool.ack(id)),
            Acked::Earlier(id) => self.replay.acknowledge_earlier(id),
        };
        if let Err(error) = noted {
            // They are read again at the next start at worst.
            self.say(format_args!("the spool cannot note what is done: {error}"));
        }
    }

    pub(super) fn answer_replay(&mut self, delivered: Delivered, refusals: &mut Refusals, now: Instant) -> Effect {
        let sink = self.id.sink;
        let is_done = self.replay.note(delivered, now + TABLE_PAUSE, |set, refused, counters| {
            refusals.put_away(sink, set, refused, counters);
        });
        if is_done { self.finish_replay(refusals) } else { Effect::default() }
    }

    /// Puts back into the spool what is left of a chunk of which a part is stored; the chunk is done with then. Only
    /// where nothing is behind it, since order within a table is worth more than a row that comes twice.
    fn put_back_rest(&mut self, refusals: &mut Refusals) -> Option<Effect> {
        let rest = self.replay.rest_of_last_chunk(self.spool.as_ref()?)?;
        let ids = self.append(&rest, 0..rest.len())?;
        let mut effect = self.finish_replay(refusals);
        add(effect.counters.get_or_insert([0; COMMITTED]), Committed::Spooled, ids.end - ids.start);
        Some(Effect { spool_next: Some(ids.end), ..effect })
    }

    fn finish_replay(&mut self, refusals: &mut Refusals) -> Effect {
        let finished = self.replay.finish();
        let mut counters = finished.counters;
        for (record, why) in &finished.unreadable {
            refusals.put_away_unreadable(self.id.sink, record, why, &mut counters);
        }
        Effect { counters: Some(counters), acked: finished.acked, ..Effect::default() }
    }

    /// Makes final, before the writer ends, what is done with of the spool and would come again otherwise: what was
    /// delivered at its head while it was parked there, and the part of a chunk that is stored. `committed` are the
    /// marks of the last commit, all windows are. It waits for the disk until `deadline`, for what was handed over.
    pub fn leave(&mut self, committed: SpoolMarks, refusals: &mut Refusals, deadline: Instant) -> Effect {
        if self.replay_job.is_none() && self.replay.is_handed_over(deadline) {
            return self.finish_replay(refusals);
        }
        if self.replay_job.is_none()
            && let Some(effect) = self.put_back_rest(refusals)
        {
            return effect;
        }
        let Some(spool) = &self.spool else { return Effect::default() };
        let head = spool.marks().acked;
        let end = self.replay.delivered_from(head).min(committed.next);
        if end <= head {
            return Effect::default();
        }
        let mut counters = [0; COMMITTED];
        add(&mut counters, Committed::Stored, end - head);
        add(&mut counters, Committed::Unspooled, end - head);
        Effect { counters: Some(counters), acked: Some(Acked::Own(end)), ..Effect::default() }
    }

    pub(super) fn replay_at(&self, now: Instant) -> Option<Instant> {
        if self.replay_job.is_some() || !self.replay_has_work() {
            return None;
        }
        let soonest = if self.is_blocked { now + BLOCKED } else { now };
        Some(self.away.map_or(soonest, |away| away.next_probe).max(self.replay.not_before().unwrap_or(soonest)))
    }

    pub(super) fn replay_has_work(&self) -> bool {
        self.spool.as_ref().is_some_and(|spool| spool.pending() > 0) || self.replay.has_work()
    }
}
