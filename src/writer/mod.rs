//! The writer: drains lanes, batches rows by table, delivers them, and ends in order.
//!
//! The main thread drains; a second thread owns the sink. They are joined by channels, and at most two windows are on the way,
//! so that what a killed writer had read and not committed stays bounded and is read again by its successor:
//!
//! ```text
//! lanes ─► window 1 ─┐ batches, one a table                 ┌─► sink
//!          window 2 ─┴──────────────► delivery thread ──────┘
//!          commit 1, commit 2 ◄────── results
//! ```
//!
//! Called by modules, in a process of its own or, at the very end of a server, in its main process. Knows no host.

mod deliver;
mod plan;
mod store;
#[cfg(test)]
mod tests;
mod window;

pub use plan::{Plan, SinkPlan, SpoolPlan, SpoolSync};

use crate::queue::lane::{COMMITTED, Committed, Consumer, Lanes, Wait};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError};
use deliver::{Delivered, Job};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use window::Window;

/// Windows on the way to the sink at one time.
const WINDOWS: usize = 2;
/// Longest sleep of an idle writer: rates are sampled once a second.
const IDLE: Duration = Duration::from_secs(1);
/// How long a delivery thread may take to notice that it should give up.
const GIVE_UP: Duration = Duration::from_secs(2);

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
    /// The thread that owns the sink is gone.
    #[error("the delivery thread died")]
    DeliveryDied,
}

/// One writer at work.
#[derive(Debug)]
pub struct Writer {
    consumer: Consumer,
    index: usize,
    plan: Plan,
    stop: Arc<AtomicBool>,
    give_up: Arc<AtomicBool>,
    jobs: Sender<Job>,
    results: Receiver<Delivered>,
    windows: VecDeque<Window>,
    next_window: u64,
    records_read: u64,
    gathering_since: Option<Instant>,
    told: Option<Told>,
}

/// What a writer notes when it is told to stop.
///
/// The end of the server has a deadline in the lanes, and then all that comes is drained. A writer that is told alone lets the server
/// keep that time for its own end, and leaves what comes from now on to its successor.
#[derive(Clone, Copy, Debug)]
struct Told {
    deadline: Instant,
    /// [`Writer::records_read`] by which all is read that was queued then.
    owed: u64,
}

impl Writer {
    /// Starts the delivery thread. Only after the last fork of this process.
    pub fn start(consumer: Consumer, index: usize, plan: Plan, stop: Arc<AtomicBool>) -> Result<Writer, WriterError> {
        let give_up = Arc::new(AtomicBool::new(false));
        let lanes = Arc::clone(consumer.lanes());
        let (jobs, results) = deliver::start(lanes, index, &plan, Arc::clone(&give_up))?;
        Ok(Writer {
            consumer,
            index,
            plan,
            stop,
            give_up,
            jobs,
            results,
            windows: VecDeque::new(),
            next_window: 0,
            records_read: 0,
            gathering_since: None,
            told: None,
        })
    }

    /// Works until `stop` is set and the lanes are empty, or the shutdown's time is over; without a shutdown of the server
    /// ([`Lanes::begin_shutdown`]), until what was queued when `stop` was set is stored. `on_turn` is called at least once a second: to
    /// hand on what the delivery thread has logged, and to see whether the server ends.
    pub fn run(mut self, on_turn: &mut dyn FnMut()) -> Result<Ending, WriterError> {
        loop {
            self.take_results()?;
            self.commit_finished();
            self.lanes().sample(self.index);
            on_turn();
            let stopping = self.stop.load(Ordering::Relaxed);
            if stopping && let Some(ending) = self.ending() {
                on_turn();
                return Ok(ending);
            }
            if self.windows.len() < WINDOWS && self.is_due(stopping) {
                self.send_window()?;
            } else {
                self.sleep(stopping)?;
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
        let (window, batches) = Window::fill(self.next_window, &mut self.consumer, &self.plan);
        self.next_window += 1;
        self.records_read += window.records();
        for batch in batches {
            let job = Job { window: window.number(), batch };
            self.jobs.send(job).map_err(|_| WriterError::DeliveryDied)?;
        }
        self.windows.push_back(window);
        self.show_oldest();
        Ok(())
    }

    /// Sleeps until there may be something to do.
    fn sleep(&mut self, stopping: bool) -> Result<(), WriterError> {
        if self.windows.len() >= WINDOWS || (stopping && !self.windows.is_empty()) {
            let wait = Duration::from_millis(100);
            return match self.results.recv_timeout(wait) {
                Ok(delivered) => {
                    self.note(delivered);
                    Ok(())
                }
                Err(RecvTimeoutError::Timeout) => Ok(()),
                Err(RecvTimeoutError::Disconnected) => Err(WriterError::DeliveryDied),
            };
        }
        match self.gathering_since {
            Some(since) => {
                let left = self.plan.flush_interval.saturating_sub(since.elapsed());
                self.consumer.wait(Wait::Gathering, left.clamp(Duration::from_millis(1), IDLE));
            }
            None => self.consumer.wait(Wait::Idle, if self.windows.is_empty() { IDLE } else { IDLE / 10 }),
        }
        Ok(())
    }

    fn take_results(&mut self) -> Result<(), WriterError> {
        loop {
            match self.results.try_recv() {
                Ok(delivered) => self.note(delivered),
                Err(TryRecvError::Empty) => return Ok(()),
                Err(TryRecvError::Disconnected) => return Err(WriterError::DeliveryDied),
            }
        }
    }

    fn note(&mut self, delivered: Delivered) {
        if let Some(window) = self.windows.iter_mut().find(|window| window.number() == delivered.window) {
            window.note(&delivered);
        }
    }

    /// Commits windows in the order in which they were read, as far as they are delivered.
    fn commit_finished(&mut self) {
        let mut committed = false;
        while let Some(window) = self.windows.front().filter(|window| window.is_finished()) {
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
        self.lanes().shutdown_left().is_none() && self.told.is_some_and(|told| self.records_read >= told.owed)
    }

    /// While stopping: how the run ends, if it does now.
    fn ending(&mut self) -> Option<Ending> {
        let queued = self.consumer.rest();
        let told = *self.told.get_or_insert_with(|| Told {
            deadline: Instant::now() + self.plan.shutdown_timeout,
            owed: self.records_read + queued.records,
        });
        if self.windows.is_empty() && (queued.bytes == 0 || self.leaves_the_rest()) {
            return Some(Ending::Drained);
        }
        let left = self.lanes().shutdown_left();
        if !left.unwrap_or_else(|| told.deadline.saturating_duration_since(Instant::now())).is_zero() {
            return None;
        }
        self.give_up.store(true, Ordering::Relaxed);
        let patience = Instant::now() + GIVE_UP;
        while self.windows.iter().any(|window| !window.is_answered()) {
            match self.results.recv_deadline(patience) {
                Ok(delivered) => self.note(delivered),
                Err(_) => break,
            }
        }
        self.commit_finished();
        let unread = self.consumer.rest().records;
        let undelivered: u64 = self.windows.iter().map(Window::records).sum();
        Some(if unread + undelivered == 0 { Ending::Drained } else { Ending::TimeOver(unread + undelivered) })
    }
}

/// Counters of one window.
type Counters = [u64; COMMITTED];

fn add(counters: &mut Counters, counter: Committed, value: u64) {
    counters[counter as usize] += value;
}
