//! What the delivery thread answers.

use super::{Away, Effect, InFlight, SinkWorker};
use crate::queue::counters::Committed;
use crate::writer::batch::BatchSet;
use crate::writer::counters::add;
use crate::writer::delivered::Delivered;
use crate::writer::refusals::Refusals;
use crate::writer::tries::BACK_OFF;
use crate::writer::window::Settled;
use std::sync::atomic::Ordering;
use std::time::Instant;

impl SinkWorker {
    /// Takes in an answer of the delivery thread.
    pub fn answer(&mut self, delivered: Delivered, refusals: &mut Refusals, now: Instant) -> Effect {
        self.note_health(&delivered, now);
        let is_replay = self.replay_job == Some(delivered.job);
        let sent = self.in_flight.iter().find(|sent| sent.job == delivered.job).map(|sent| &*sent.set);
        let waiting = sent.or(self.replay.set().filter(|_| is_replay)).map(|set| tables_left(set, &delivered));
        let effect = if is_replay {
            self.replay_job = None;
            self.answer_replay(delivered, refusals, now)
        } else {
            self.answer_sent(delivered, refusals)
        };
        Effect { waiting: waiting.unwrap_or_default(), ..effect }
    }

    fn answer_sent(&mut self, delivered: Delivered, refusals: &mut Refusals) -> Effect {
        let Some(position) = self.in_flight.iter().position(|sent| sent.job == delivered.job) else {
            return Effect::default();
        };
        let Some(sent) = self.in_flight.remove(position) else { return Effect::default() };
        match sent.parked {
            _ if sent.is_lost => Effect::default(),
            Some(ids) => {
                // What was refused is left to the replay, which knows what to do with it.
                let mut undone = delivered.left;
                undone.extend(delivered.refused.iter().map(|refused| refused.number..refused.number + 1));
                self.replay.pass_over(&ids, undone);
                Effect { counters: Some(delivered.counters), ..Effect::default() }
            }
            None => Effect { settled: Some(self.settle(&sent, delivered, refusals)), ..Effect::default() },
        }
    }

    fn note_health(&mut self, delivered: &Delivered, now: Instant) {
        if !delivered.away {
            self.is_troubled = !delivered.left.is_empty();
            self.away = None;
            return;
        }
        let back_off = self.away.map_or(BACK_OFF.0, |away| (away.back_off * 2).min(BACK_OFF.1));
        // An answer to what was sent before the sink was known to be away is no new try.
        if self.away.is_none_or(|away| now >= away.next_probe) {
            self.away = Some(Away { back_off, next_probe: now + back_off });
        }
    }

    /// What became of a batch set that was never parked.
    fn settle(&mut self, sent: &InFlight, delivered: Delivered, refusals: &mut Refusals) -> Settled {
        let left = delivered.left_len();
        let mut counters = delivered.counters;
        add(&mut counters, Committed::Stored, (sent.set.len() - left - delivered.refused.len()) as u64);
        refusals.put_away(self.id.sink, &sent.set, &delivered.refused, &mut counters);
        let mut settled = Settled { window: sent.window, counters, spool_next: None, undelivered: 0 };
        if left == 0 {
            return settled;
        }
        if !self.has_spool() {
            if self.give_up.load(Ordering::Relaxed) {
                settled.undelivered = left as u64;
            } else {
                add(&mut settled.counters, Committed::Unavailable, left as u64);
            }
            return settled;
        }
        for range in delivered.left {
            let rows = range.len() as u64;
            match self.append(&sent.set, range) {
                Some(ids) => {
                    add(&mut settled.counters, Committed::Spooled, rows);
                    settled.spool_next = Some(ids.end);
                }
                None => add(&mut settled.counters, Committed::SpoolFull, rows),
            }
        }
        settled
    }
}

/// Tables of `set` that could not take what was for them, though the sink was there.
fn tables_left(set: &BatchSet, delivered: &Delivered) -> Vec<String> {
    if delivered.away {
        return Vec::new();
    }
    set.select(&delivered.left).batches().iter().map(|batch| batch.destination.clone()).collect()
}
