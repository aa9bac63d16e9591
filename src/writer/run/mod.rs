//! One writer at work: its turn, and what it does with the answers of its workers.

mod ending;

use crate::log_limit::LogLimit;
use crate::queue::lane::{Consumer, Lanes, Wait};
use crate::queue::spool::SpoolMarks;
use crate::writer::delivered::Delivered;
use crate::writer::error::WriterError;
use crate::writer::plan::WriterPlan;
use crate::writer::recovered::count_recovered;
use crate::writer::refusals::Refusals;
use crate::writer::replay::Acked;
use crate::writer::sink_worker::{Effect, SinkWorker};
use crate::writer::sink_workers::{Part, SinkWorkers, open_spool};
use crate::writer::window::{Settled, WINDOWS, Window};
use crossbeam_channel::{Receiver, RecvTimeoutError};
pub use ending::Ending;
use ending::StopRequest;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Longest sleep of an idle writer: rates are sampled once a second.
const IDLE: Duration = Duration::from_secs(1);
/// Longest wait for a sink before a look at how full the lanes are.
const POLL_INTERVAL: Duration = Duration::from_millis(10);
/// How much of a lane may be taken before batch sets on their way are parked.
const HIGH_WATERMARK: f64 = 0.5;
/// How long delivery threads may take to close their connections.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// How often a spool is tried again that cannot be opened.
const REOPEN: Duration = Duration::from_secs(1);

/// One writer at work.
#[derive(Debug)]
pub struct Writer {
    pub(in crate::writer) consumer: Consumer,
    index: usize,
    plan: WriterPlan,
    stop: Arc<AtomicBool>,
    give_up: Arc<AtomicBool>,
    pub(in crate::writer) workers: SinkWorkers,
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

impl Writer {
    /// Opens the spools and starts the delivery threads. Only after the last fork of this process.
    pub fn start(
        mut consumer: Consumer,
        index: usize,
        plan: WriterPlan,
        stop: Arc<AtomicBool>,
    ) -> Result<Writer, WriterError> {
        let give_up = Arc::new(AtomicBool::new(false));
        let urls = plan.sinks.iter().map(|sink| sink.to_string()).collect();
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

    /// Works until `stop` is set and the lanes are empty, or the shutdown's time is over; without a shutdown of the
    /// server ([`Lanes::begin_shutdown`]), until what was queued when `stop` was set is stored or spooled. `on_turn` is
    /// called at least once a second: to hand on what the delivery threads have logged, and to see whether the server
    /// ends.
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
                let deadline = Instant::now() + CLOSE_TIMEOUT;
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

    pub(in crate::writer) fn take_results(&mut self) {
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
                && let Some(Ok(spools)) = open_spool(&self.plan, self.index, &mut self.consumer, sink)
            {
                log::info!("there is a spool now for what the database cannot take");
                worker.take_spool(spools);
                count_recovered(&mut self.consumer, &self.workers);
            }
        }
    }

    /// Sends what the spools hold, as far as their sinks take it.
    pub(in crate::writer) fn replay(&mut self) -> Result<(), WriterError> {
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
            if !self.workers.hand_over(number, marks, now) {
                continue;
            }
            let Some(worker) = self.workers.get_mut(number) else { continue };
            let effect = worker.pump(marks, &mut self.refusals, now)?;
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
}
