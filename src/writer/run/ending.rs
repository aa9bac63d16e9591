//! The end of a writer's run: within the shutdown's time, with as much stored as it allows, and the rest spooled.

use super::Writer;
use crate::writer::sink_worker::SinkWorker;
use crate::writer::window::Window;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How long a delivery thread may take to notice that the writer gives up.
const GIVE_UP: Duration = Duration::from_secs(2);
/// How long a delivery thread that is at work may take when there is time: what it stores without its answer being
/// taken in is stored once more by the next writer.
const LAST_ANSWERS: Duration = Duration::from_secs(6);
/// How long the end waits for the disk, for what all workers have handed over.
const LAST_SYNC: Duration = Duration::from_secs(2);

/// How a writer's run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Everything that was queued when the stop came is stored or counted.
    Drained,
    /// The shutdown's time was over; this many captures are still in the lanes.
    TimeOver(u64),
}

/// What a writer notes when it is told to stop.
///
/// The end of the server has a deadline in the lanes, and then all that comes is drained. A writer that is told alone
/// lets the server keep that time for its own end, and leaves what comes from now on to its successor.
#[derive(Clone, Copy, Debug)]
pub(super) struct StopRequest {
    deadline: Instant,
    /// [`Writer::records_read`] by which all is read that was queued then.
    owed: u64,
}

impl Writer {
    /// Whether this writer was told alone to stop, and has read all that it owes.
    pub(super) fn leaves_the_rest(&self) -> bool {
        self.lanes().shutdown_left().is_none()
            && self.stop_request.is_some_and(|request| self.records_read >= request.owed)
    }

    /// While stopping: how the run ends, if it does now.
    pub(super) fn ending(&mut self) -> Option<Ending> {
        let queued = self.consumer.rest();
        let stop_request = *self.stop_request.get_or_insert_with(|| StopRequest {
            deadline: Instant::now() + self.plan.shutdown_timeout,
            owed: self.records_read + queued.records,
        });
        let left = self.lanes().shutdown_left();
        let left = left.unwrap_or_else(|| stop_request.deadline.saturating_duration_since(Instant::now()));
        let deadline = Instant::now() + left;
        if self.windows.is_empty() && (queued.bytes == 0 || self.leaves_the_rest()) {
            self.give_up.store(true, Ordering::Relaxed);
            self.await_answers(left.clamp(GIVE_UP, LAST_ANSWERS));
            self.note_delivered(last_sync_by(Instant::now(), deadline));
            return Some(Ending::Drained);
        }
        if !left.is_zero() {
            return None;
        }
        self.give_up.store(true, Ordering::Relaxed);
        self.await_answers(GIVE_UP);
        self.spool_the_rest();
        self.note_delivered(last_sync_by(Instant::now(), deadline));
        let unread = self.consumer.rest().records;
        let undelivered: u64 = self.windows.iter().map(Window::records).sum();
        Some(if unread + undelivered == 0 { Ending::Drained } else { Ending::TimeOver(unread + undelivered) })
    }

    /// What was delivered while it was parked must not come again with the next writer, though no replay passes over it
    /// any more. The workers share the time until `deadline` to wait for the disk.
    fn note_delivered(&mut self, deadline: Instant) {
        // With a window open, the ids behind its captures would be committed before them.
        let numbers = if self.windows.is_empty() { self.workers.numbers() } else { Vec::new() };
        for number in numbers {
            let marks = self.workers.marks(number, &self.consumer);
            let Some(worker) = self.workers.get_mut(number) else { continue };
            let effect = worker.leave(marks, &mut self.refusals, deadline);
            self.apply(number, effect);
        }
    }

    /// Puts what is on its way and what is still queued into the spools.
    fn spool_the_rest(&mut self) {
        for number in self.workers.numbers() {
            let Some(worker) = self.workers.get_mut(number) else { continue };
            let settled = worker.close();
            self.note_settled(number, &settled);
        }
        self.commit_finished();
        while self.plan.spool.is_some() && self.windows.is_empty() && self.consumer.rest().bytes > 0 {
            if self.send_window().is_err() {
                return;
            }
            self.commit_finished();
        }
    }

    /// Waits a little for delivery threads that are at work: what they have done need not be done again.
    fn await_answers(&mut self, limit: Duration) {
        let deadline = Instant::now() + limit;
        while self.workers.iter().any(SinkWorker::is_busy) {
            match self.results.recv_deadline(deadline) {
                Ok(delivered) => self.take_in(delivered),
                Err(_) => break,
            }
        }
    }
}

/// Until when the end waits for the disk: not beyond the shutdown's `deadline`, after which other waits fill the time
/// that is allowed.
fn last_sync_by(now: Instant, deadline: Instant) -> Instant {
    (now + LAST_SYNC).min(deadline)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_workers_share_one_time_to_wait_for_the_disk_and_have_none_once_the_shutdown_is_due() {
        let now = Instant::now();
        assert_eq!(last_sync_by(now, now + Duration::from_secs(600)), now + LAST_SYNC);
        assert_eq!(last_sync_by(now, now + LAST_SYNC / 2), now + LAST_SYNC / 2);
        let late = now + LAST_SYNC;
        assert!(last_sync_by(late, now) <= late, "nothing is left");
    }
}
