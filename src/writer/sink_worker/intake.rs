//! What comes from a window: sent on its way, or put into the spool.

use super::{InFlight, SinkWorker, SpoolLocation};
use crate::queue::counters::{COMMITTED, Committed};
use crate::queue::spool::SpoolMarks;
use crate::writer::batch::BatchSet;
use crate::writer::counters::{Counters, add};
use crate::writer::error::WriterError;
use crate::writer::spools;
use crate::writer::window::{Settled, WINDOWS};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a batch set may be on its way before it is parked.
const SLOW: Duration = Duration::from_secs(1);

impl SinkWorker {
    /// Sends nothing any more: parks what is on its way, and all that is still taken goes to the spool.
    pub fn close(&mut self) -> Vec<Settled> {
        self.closed = true;
        if self.has_spool() { self.park_all() } else { Vec::new() }
    }

    /// Takes the batch set of a window. When it went to the spool, or was lost for lack of room there, it is settled at
    /// once; the answer begins with what had to be parked before it. With `is_held`, for a table that is waited for, it
    /// goes to the spool and nowhere else.
    pub fn take(
        &mut self,
        window: u64,
        set: BatchSet,
        is_held: bool,
        now: Instant,
    ) -> Result<Vec<Settled>, WriterError> {
        let mut settled = Vec::new();
        if self.has_spool() {
            let is_behind = self.in_flight.len() >= WINDOWS
                || self.in_flight.iter().any(|sent| !sent.is_owed())
                || (self.keeps_order && self.replay_has_work());
            if self.away.is_some() || is_behind || is_held || self.closed {
                settled.extend(self.park_all());
                let all_parked = !self.in_flight.iter().any(InFlight::is_owed);
                if all_parked && let Some(ids) = self.append(&set, 0..set.len()) {
                    settled.push(spooled(window, &ids, [0; COMMITTED]));
                    return Ok(settled);
                }
                // With nothing in the spool, this batch set is the only one to ask the sink with.
                let is_probe = self.away.is_some_and(|away| now >= away.next_probe) && !self.replay_has_work();
                // Behind a batch set that was given up as too slow others would only pile up.
                let is_stuck = self.in_flight.iter().any(|sent| sent.is_lost);
                // Sent, it would wait for a lock, and the window, and so the other tables, for it.
                let is_for_troubled = is_held || (self.is_of_table && self.is_troubled);
                if self.closed || is_stuck || is_for_troubled || (self.away.is_some() && !is_probe) {
                    settled.push(lost(window, set.len(), Committed::SpoolFull));
                    return Ok(settled);
                }
            }
        }
        let set = Arc::new(set);
        let job = self.send(Arc::clone(&set), self.away.is_some())?;
        self.in_flight.push_back(InFlight { job, window, set, since: now, parked: None, is_lost: false });
        Ok(settled)
    }

    /// Parks batch sets that are on their way for too long, or, when the lanes fill, at all. When the spool takes no
    /// more and the lanes fill, a batch set that is slow is lost, so that the other sinks of `has_neighbours` do not
    /// lose theirs; one for a table that is waited for is lost in any case, since its window is that of other tables.
    pub fn park_slow(&mut self, now: Instant, lanes_fill: bool, has_neighbours: bool) -> Vec<Settled> {
        let is_slow = |sent: &InFlight| sent.is_owed() && now.duration_since(sent.since) >= SLOW;
        if !self.has_spool() || !(lanes_fill || self.in_flight.iter().any(is_slow)) {
            return Vec::new();
        }
        let mut settled = self.park_all();
        if (lanes_fill && has_neighbours) || (self.is_of_table && self.is_troubled) {
            for sent in self.in_flight.iter_mut().filter(|sent| is_slow(sent)) {
                sent.is_lost = true;
                settled.push(lost(sent.window, sent.set.len(), Committed::SpoolFull));
            }
        }
        settled
    }

    /// Parks every batch set that is on its way, in order, as far as the spool takes them.
    pub fn park_all(&mut self) -> Vec<Settled> {
        let mut settled = Vec::new();
        for index in 0..self.in_flight.len() {
            let sent = &self.in_flight[index];
            if !sent.is_owed() {
                continue;
            }
            let (window, set) = (sent.window, Arc::clone(&sent.set));
            let Some(ids) = self.append(&set, 0..set.len()) else { break };
            settled.push(spooled(window, &ids, [0; COMMITTED]));
            self.in_flight[index].parked = Some(ids);
        }
        settled
    }

    /// Puts captures into the spool; `None` when it does not take them, which is said.
    pub(super) fn append(&mut self, set: &BatchSet, range: Range<usize>) -> Option<Range<u64>> {
        self.open_late();
        match self.spool.as_mut()?.append(set.records(range)) {
            Ok(ids) => Some(ids),
            Err(error) => {
                self.say(format_args!("captures cannot be spooled: {error}"));
                None
            }
        }
    }

    /// Opens the spool that is needed now. What cannot be opened takes nothing, like a disk without room.
    fn open_late(&mut self) {
        let Some(SpoolLocation { name, writers, spool: Some(spool) }) =
            self.location.as_ref().filter(|_| self.spool.is_none())
        else {
            return;
        };
        match spools::open(spool, name, (self.id.writer, *writers), SpoolMarks::default()) {
            Ok((own, earlier)) => {
                // Whatever could not be opened at the start, and can be now.
                self.is_uncounted = true;
                self.own_marks = own.marks();
                self.spool = Some(own);
                self.replay.add_earlier(earlier);
            }
            Err(error) => self.say(format_args!("captures cannot be spooled: {error}")),
        }
    }
}

fn spooled(window: u64, ids: &Range<u64>, mut counters: Counters) -> Settled {
    add(&mut counters, Committed::Spooled, ids.end - ids.start);
    Settled { window, counters, spool_next: Some(ids.end), undelivered: 0 }
}

fn lost(window: u64, captures: usize, reason: Committed) -> Settled {
    let mut counters = [0; COMMITTED];
    add(&mut counters, reason, captures as u64);
    Settled { window, counters, spool_next: None, undelivered: 0 }
}
