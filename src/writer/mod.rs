//! The writer: drains lanes, batches rows by table, delivers them to sinks, spools what a sink cannot take, and ends in order.
//!
//! The main thread drains and owns the spools; each sink has a delivery thread. They are joined by channels, and at most two windows are
//! on the way, so that what a killed writer had read and not committed stays bounded and is read again by its successor:
//!
//! ```text
//!                                                   ┌─► worker 0 ─► delivery thread ─► sink 0
//! lanes ─► window 1, window 2 ─► batch sets by sink ┤      └─► spool
//!                                                   └─► worker 1 ...
//! commit of window 1, commit of window 2 ◄──── settled: stored, spooled, put to the dead letters, or counted as lost
//! ```
//!
//! Called by modules, in a process of its own or, at the very end of a server, in its main process. Knows no host.

mod batch;
mod deliver;
mod health;
#[cfg(test)]
mod packet_outage_tests;
#[cfg(test)]
mod packet_tests;
mod packets;
mod plan;
mod refusals;
mod replay;
mod sink_worker;
mod sink_workers;
#[cfg(test)]
mod spool_tests;
pub mod spools;
mod store;
#[cfg(test)]
mod table_tests;
mod table_waits;
mod table_workers;
#[cfg(test)]
mod tests;
mod tries;
mod window;

pub use plan::{CollectorPlan, SinkPlan, SinkTarget, SpoolPlan, SpoolSync, WriterPlan};

use crate::log_limit::LogLimit;
use crate::queue::counters::{COMMITTED, Committed};
use crate::queue::lane::{Consumer, Lanes, Wait};
use crate::queue::spool::{Spool, SpoolError, SpoolMarks};
use crossbeam_channel::{Receiver, RecvTimeoutError};
use deliver::Delivered;
use refusals::Refusals;
use replay::Acked;
use sink_worker::{Effect, SinkWorker};
use sink_workers::{Part, SinkWorkers};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use window::{Settled, Window};

/// Windows on the way to the sinks at one time.
const WINDOWS: usize = 2;
/// Longest sleep of an idle writer: rates are sampled once a second.
const IDLE: Duration = Duration::from_secs(1);
/// Longest wait for a sink before a look at how full the lanes are.
const POLL_INTERVAL: Duration = Duration::from_millis(10);
/// How much of a lane may be taken before batch sets on their way are parked.
const HIGH_WATERMARK: f64 = 0.5;
/// How long delivery threads may take to close their connections.
const CLOSE: Duration = Duration::from_secs(1);
/// How long a delivery thread may take to notice that it should give up.
const GIVE_UP: Duration = Duration::from_secs(2);
/// How long one that is at work may take when there is time: what it stores and nobody notes is stored once more.
const LAST_ANSWERS: Duration = Duration::from_secs(6);
/// How long the end waits for the disk, for what all workers have handed over.
const LAST_SYNC: Duration = Duration::from_secs(2);
/// How often a spool is tried again that cannot be opened.
const REOPEN: Duration = Duration::from_secs(1);

/// How a writer's run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Everything that was queued when the stop came is stored or counted.
    Drained,
    /// The shutdown's time was over; this many captures are still in the lanes.
    TimeOver(u64),
}

/// Why a writer cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum WriterError {
    /// The system refused a lock or a thread.
    #[error("the writer cannot start: {0}")]
    Io(#[from] io::Error),
    /// A thread that owns a sink is gone.
    #[error("a delivery thread died")]
    DeliveryDied,
}

/// One writer at work.
#[derive(Debug)]
pub struct Writer {
    consumer: Consumer,
    index: usize,
    plan: WriterPlan,
    stop: Arc<AtomicBool>,
    give_up: Arc<AtomicBool>,
    workers: SinkWorkers,
    refusals: Refusals,
    results: Receiver<Delivered>,
    windows: VecDeque<Window>,
    next_window: u64,
    records_read: u64,
    gathering_since: Option<Instant>,
    stop_request: Option<StopRequest>,
    bad_log: LogLimit,
    /// When to try again to open the spools that could not be opened.
    reopen_at: Option<Instant>,
}

/// What a writer notes when it is told to stop.
///
/// The end of the server has a deadline in the lanes, and then all that comes is drained. A writer that is told alone lets the server
/// keep that time for its own end, and leaves what comes from now on to its successor.
#[derive(Clone, Copy, Debug)]
struct StopRequest {
    deadline: Instant,
    /// [`Writer::records_read`] by which all is read that was queued then.
    owed: u64,
}

impl Writer {
    /// Opens the spools and starts the delivery threads. Only after the last fork of this process.
    pub fn start(
        mut consumer: Consumer,
        index: usize,
        plan: WriterPlan,
        stop: Arc<AtomicBool>,
    ) -> Result<Writer, WriterError> {
        let give_up = Arc::new(AtomicBool::new(false));
        let urls = plan.sinks.iter().map(|sink| sink.target.to_string()).collect();
        let refusals = Refusals::open(plan.spool.as_ref(), urls);
        let (outbox, results) = crossbeam_channel::unbounded();
        let workers = SinkWorkers::start(&plan, index, &mut consumer, &give_up, outbox)?;
        count_recovered(&mut consumer, &workers);
        Ok(Writer {
            consumer,
            index,
            plan,
            stop,
            give_up,
            workers,
            refusals,
            results,
            windows: VecDeque::new(),
            next_window: 0,
            records_read: 0,
            gathering_since: None,
            stop_request: None,
            bad_log: LogLimit::default(),
            reopen_at: None,
        })
    }

    /// Works until `stop` is set and the lanes are empty, or the shutdown's time is over; without a shutdown of the server
    /// ([`Lanes::begin_shutdown`]), until what was queued when `stop` was set is stored or spooled. `on_turn` is called at least once a
    /// second: to hand on what the delivery threads have logged, and to see whether the server ends.
    pub fn run(mut self, on_turn: &mut dyn FnMut()) -> Result<Ending, WriterError> {
        loop {
            self.take_results();
            self.park_slow();
            self.commit_finished();
            self.reopen();
            self.replay()?;
            self.lanes().sample(self.index);
            on_turn();
            let stopping = self.stop.load(Ordering::Relaxed);
            if stopping && let Some(ending) = self.ending() {
                let deadline = Instant::now() + CLOSE;
                self.workers.end(deadline);
                on_turn();
                return Ok(ending);
            }
            if self.windows.len() < WINDOWS && self.is_due(stopping) {
                self.send_window()?;
            } else {
                self.sleep(stopping);
            }
        }
    }

    fn lanes(&self) -> &Lanes {
        self.consumer.lanes()
    }

    /// Whether enough is queued, or has waited long enough, for another window.
    fn is_due(&mut self, stopping: bool) -> bool {
        let queued = self.consumer.rest();
        if queued.bytes == 0 || (stopping && self.leaves_the_rest()) {
            self.gathering_since = None;
            return false;
        }
        let since = *self.gathering_since.get_or_insert_with(Instant::now);
        stopping || queued.records >= self.plan.batch_size as u64 || since.elapsed() >= self.plan.flush_interval
    }

    fn send_window(&mut self) -> Result<(), WriterError> {
        self.gathering_since = None;
        let (mut window, sets) = Window::fill(self.next_window, &mut self.consumer, &self.plan, &mut self.bad_log);
        self.next_window += 1;
        self.records_read += window.records();
        let (number, now) = (window.number(), Instant::now());
        let parts = self.workers.part(&self.plan, sets, now);
        window.expect(parts.len());
        self.windows.push_back(window);
        for Part { worker, set, is_held } in parts {
            if let Some(taken) = self.workers.get_mut(worker).map(|to| to.take(number, set, is_held, now)) {
                self.note_settled(worker, &taken?);
            }
        }
        self.show_oldest();
        Ok(())
    }

    /// Sleeps until there may be something to do.
    fn sleep(&mut self, stopping: bool) {
        let now = Instant::now();
        let wake = self.workers.iter().filter_map(|worker| worker.wake_at(now)).min();
        let most =
            wake.map_or(IDLE, |moment| moment.saturating_duration_since(now)).clamp(Duration::from_millis(1), IDLE);
        if self.windows.len() >= WINDOWS || (stopping && !self.windows.is_empty()) {
            match self.results.recv_timeout(most.min(POLL_INTERVAL)) {
                Ok(delivered) => self.take_in(delivered),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
            return;
        }
        let (how, most) = match self.gathering_since {
            Some(since) => {
                let left = self.plan.flush_interval.saturating_sub(since.elapsed());
                (Wait::Gathering, left.clamp(Duration::from_millis(1), most))
            }
            None => (Wait::Idle, if self.windows.is_empty() { most } else { most.min(IDLE / 10) }),
        };
        // A delivery thread sends its answer before it wakes.
        self.consumer.wait(how, most, || !self.results.is_empty());
    }

    fn take_results(&mut self) {
        while let Ok(delivered) = self.results.try_recv() {
            self.take_in(delivered);
        }
    }

    fn take_in(&mut self, delivered: Delivered) {
        let number = delivered.worker;
        let Some(worker) = self.workers.get_mut(number) else { return };
        let effect = worker.answer(delivered, &mut self.refusals, Instant::now());
        self.apply(number, effect);
    }

    fn apply(&mut self, worker: usize, effect: Effect) {
        if !effect.waiting.is_empty() {
            self.wait_for(worker, &effect.waiting);
        }
        if let Some(settled) = effect.settled {
            self.note_settled(worker, &[settled]);
        }
        let marks = self.workers.marks(worker, &self.consumer);
        let acked = if let Some(Acked::Own(acked)) = effect.acked { acked } else { marks.acked };
        let marks = SpoolMarks { next: effect.spool_next.unwrap_or(marks.next), acked };
        self.workers.set_marks(worker, marks, &mut self.consumer);
        if let Some(counters) = effect.counters {
            self.consumer.commit_counters(&counters);
        }
        if let (Some(acked), Some(worker)) = (effect.acked, self.workers.get_mut(worker)) {
            worker.acknowledge(acked);
        }
    }

    /// Gives tables of worker `number` workers of their own, if it is that of a database.
    fn wait_for(&mut self, number: usize, tables: &[String]) {
        if !self.workers.sinks().contains(&number) {
            return;
        }
        match self.workers.wait_for(&self.plan, number, tables, Instant::now()) {
            Ok(false) => {}
            Ok(true) => count_recovered(&mut self.consumer, &self.workers),
            // Without a thread of its own the table holds up the others.
            Err(error) => log::error!("others wait for a table too: {error}"),
        }
    }

    fn note_settled(&mut self, worker: usize, settled: &[Settled]) {
        for settled in settled {
            if let Some(window) = self.windows.iter_mut().find(|window| window.number() == settled.window) {
                window.note(worker, settled);
            }
        }
    }

    /// Lets no sink that is slow hold up the lanes, if there is a spool.
    fn park_slow(&mut self) {
        if self.windows.is_empty() {
            return;
        }
        let now = Instant::now();
        let lanes_fill = self.consumer.fullest() > HIGH_WATERMARK;
        let has_neighbours = self.workers.has_neighbours(&self.plan);
        for number in self.workers.numbers() {
            let Some(worker) = self.workers.get_mut(number) else { continue };
            let settled = worker.park_slow(now, lanes_fill, has_neighbours);
            self.note_settled(number, &settled);
        }
    }

    /// Opens the spools that could not be opened before, now and then.
    fn reopen(&mut self) {
        let now = Instant::now();
        if self.plan.spool.is_none() || self.reopen_at.is_some_and(|moment| now < moment) {
            return;
        }
        self.reopen_at = Some(now + REOPEN);
        for sink in self.workers.sinks() {
            if let Some(worker) = self.workers.get_mut(sink).filter(|worker| !worker.has_spool())
                && let Some(Ok((own, earlier))) = open_spool(&self.plan, self.index, &mut self.consumer, sink)
            {
                log::info!("there is a spool now for what the database cannot take");
                worker.take_spool(own, earlier);
                count_recovered(&mut self.consumer, &self.workers);
            }
        }
    }

    /// Sends what the spools hold, as far as their sinks take it.
    fn replay(&mut self) -> Result<(), WriterError> {
        let now = Instant::now();
        self.workers.tick(now)?;
        if self.give_up.load(Ordering::Relaxed) {
            return Ok(());
        }
        for number in self.workers.numbers() {
            if self.workers.get_mut(number).is_some_and(SinkWorker::take_uncounted) {
                count_recovered(&mut self.consumer, &self.workers);
            }
            let marks = self.workers.marks(number, &self.consumer);
            if !self.workers.hand_over(&self.plan, number, marks, now) {
                continue;
            }
            let Some(worker) = self.workers.get_mut(number) else { continue };
            let effect = worker.pump(&self.plan, marks, &mut self.refusals, now)?;
            self.apply(number, effect);
        }
        Ok(())
    }

    /// Commits windows in the order in which they were read, as far as they are finished.
    fn commit_finished(&mut self) {
        let mut committed = false;
        while let Some(window) = self.windows.front().filter(|window| window.is_finished()) {
            for &(worker, next) in window.spool_next() {
                let marks = SpoolMarks { next, ..self.workers.marks(worker, &self.consumer) };
                self.workers.set_marks(worker, marks, &mut self.consumer);
            }
            self.consumer.commit(window.progress(), window.counters());
            self.windows.pop_front();
            committed = true;
        }
        if committed {
            self.show_oldest();
        }
    }

    fn show_oldest(&self) {
        let oldest = self.windows.front().map(Window::waited_ms);
        self.consumer.show_oldest(oldest);
    }

    /// Whether this writer was told alone to stop, and has read all that it owes.
    fn leaves_the_rest(&self) -> bool {
        self.lanes().shutdown_left().is_none()
            && self.stop_request.is_some_and(|request| self.records_read >= request.owed)
    }

    /// While stopping: how the run ends, if it does now.
    fn ending(&mut self) -> Option<Ending> {
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

    /// What was delivered while it was parked must not come again with the next writer, though no replay passes over it any more.
    /// The workers share the time until `deadline` to wait for the disk.
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

    /// Puts into the spools what is on its way and what is still queued.
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
    fn await_answers(&mut self, deadline: Duration) {
        let deadline = Instant::now() + deadline;
        while self.workers.iter().any(SinkWorker::is_busy) {
            match self.results.recv_deadline(deadline) {
                Ok(delivered) => self.take_in(delivered),
                Err(_) => break,
            }
        }
    }
}

/// Until when the end waits for the disk: not beyond the shutdown's `deadline`, after which other waits fill the time that is allowed.
fn last_sync_by(now: Instant, deadline: Instant) -> Instant {
    (now + LAST_SYNC).min(deadline)
}

/// Opens the spools of a sink, its own and those of earlier writers; `None` when there are to be none. A spool that is new in this run of
/// the server leaves its marks to the next commit.
fn open_spool(
    plan: &WriterPlan,
    writer: usize,
    consumer: &mut Consumer,
    sink: usize,
) -> Option<Result<(Spool, Vec<Spool>), SpoolError>> {
    let spool = plan.spool.as_ref()?;
    let writers = consumer.lanes().geometry().writers;
    let opened = spools::open(spool, &spools::names(plan)[sink], (writer, writers), consumer.marks(sink));
    if let Ok((own, _)) = &opened {
        consumer.set_marks(sink, own.marks());
    }
    Some(opened)
}

/// Counts captures in the spools that no commit knows: those of an earlier run of the server, and those that a writer of this run had
/// done with, and counted, when it died before it could note that in the spool of an earlier one.
fn count_recovered(consumer: &mut Consumer, workers: &SinkWorkers) {
    let numbers = workers.numbers().into_iter();
    let own = numbers.map(|number| workers.marks(number, consumer)).map(|marks| marks.next - marks.acked);
    let found = own.sum::<u64>() + workers.iter().map(SinkWorker::earlier_pending).sum::<u64>();
    // What has been handed over and is still where it came from is no other capture.
    let found = found.saturating_sub(workers.iter().map(SinkWorker::moved).sum());
    let known = consumer.counter(Committed::Spooled) - consumer.counter(Committed::Unspooled);
    let recovered = found.saturating_sub(known);
    let mut counters = [0; COMMITTED];
    add(&mut counters, Committed::Recovered, recovered);
    add(&mut counters, Committed::Spooled, recovered);
    consumer.commit_counters(&counters);
    if recovered > 0 {
        log::info!("{recovered} captures of earlier writers are in the spool");
    }
}

/// Counters of one window.
type Counters = [u64; COMMITTED];

fn add(counters: &mut Counters, counter: Committed, value: u64) {
    counters[counter as usize] += value;
}

fn add_all(sum: &mut Counters, counters: &Counters) {
    sum.iter_mut().zip(counters).for_each(|(sum, value)| *sum += value);
}
