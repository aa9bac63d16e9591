//! What brings captures to one sink, to one of the collectors that scripts name, or to one table that is waited for:
//! straight to its delivery thread while the sink keeps up, into its spool while it does not, and from there to the
//! sink again.
//!
//! ```text
//! window ─► batch set ─┬─► in flight ─► delivery thread ─► sink
//!                      │     │ slow, away, lanes filling         ▲
//!                      │     ▼ (parked)                          │ replay, one chunk at a time
//!                      └─► spool ────────────────────────────────┘
//! ```
//!
//! Rules:
//! * A batch set on its way holds up its window, and so the lanes, only as long as the sink keeps up; then it is
//!   *parked*: put into the spool while the delivery thread still tries. When the sink takes it after all, the replay
//!   passes over it.
//! * Batch sets enter the spool in the order of their windows: what came earlier is parked first. So order within a
//!   table is kept.
//! * Where the sink keeps no order (rows), captures do not wait behind a long replay: those that come once the sink is
//!   back pass by it. Where it does (packets, and what waits for one table), they go into the spool as long as that
//!   holds anything, behind the others, and so leave in the order in which they were read. Only what a full spool has
//!   no room for passes by, while the collector takes it.
//! * A sink that is away is asked again with the next chunk of its spool, after a wait that grows; all else goes to the
//!   spool.
//! * The replay reads only what a commit has made final and no delivery thread still tries, and keeps what is left of a
//!   chunk until all of it is done with.
//! * What the sink is there for, and one of its tables cannot take now, is named to the writer, which gives that table
//!   a worker of its own; see `sink_workers/tables.rs`.
//! * Without a spool a batch set stays with its delivery thread, and its window waits.

mod answers;
mod hand_over;
mod in_flight;
mod intake;
mod pump;

use super::batch::BatchSet;
use super::counters::Counters;
use super::delivered::Delivered;
use super::delivery_thread::{DeliveryThread, Job};
use super::error::WriterError;
use super::health::SinkPlace;
use super::kind::{Destinations, Opening};
use super::plan::{SpoolPlan, WriterPlan};
use super::replay::{Acked, Replay};
use super::spools;
use super::table_waits::TableWaits;
use super::tries::RetryLimit;
use super::window::Settled;
use crate::log_limit::LogLimit;
use crate::queue::lane::Lanes;
use crate::queue::spool::{Spool, SpoolMarks};
use crossbeam_channel::Sender;
use in_flight::{Away, InFlight};
use log::Level;
use std::collections::VecDeque;
use std::fmt::Arguments;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Pause before another look at a spool whose records are not final yet.
const BLOCKED: Duration = Duration::from_millis(20);
/// Pause before a chunk is tried again whose table is missing, or that another worker or its disk did not take.
const TABLE_PAUSE: Duration = Duration::from_millis(500);

/// What an answer of the delivery thread, or a turn of the replay, asks of the writer.
#[derive(Debug, Default)]
pub struct Effect {
    /// A window's batch set is settled.
    pub settled: Option<Settled>,
    /// Counters to commit, whatever the windows do.
    pub counters: Option<Counters>,
    /// Records that are done with: to be committed, then told to [`SinkWorker::acknowledge`].
    pub acked: Option<Acked>,
    /// Id that the spool gives next: to be committed with the counters.
    pub spool_next: Option<u64>,
    /// Tables that could not take what was for them, though the sink is there.
    pub waiting: Vec<String>,
}

/// Which worker it is.
#[derive(Clone, Copy, Debug)]
pub struct SinkWorkerId {
    /// Its writer.
    pub writer: usize,
    /// Its number among the workers of the writer.
    pub number: usize,
    /// The sink that it belongs to.
    pub sink: usize,
}

/// Where a spool belongs.
#[derive(Clone, Debug)]
pub struct SpoolLocation {
    /// Its directory's name below that of all spools.
    pub name: String,
    /// The writers of this server.
    pub writers: usize,
    /// The spools; `None` when there are to be none.
    pub spool: Option<SpoolPlan>,
}

/// A worker's own spool, and those of writers that are no more.
pub type Spools = (Spool, Vec<Spool>);

/// What a worker is started with.
#[derive(Debug)]
pub struct WorkerStart {
    /// Which it is.
    pub id: SinkWorkerId,
    /// Of a collector that scripts name, or a table that is waited for: where its spool belongs, which is opened when
    /// it is first needed. `None`: it is the sink's own worker.
    pub location: Option<SpoolLocation>,
    /// Its spools, if they are open already. Those of earlier writers are replayed before its own where order is kept,
    /// else after it.
    pub spools: Option<Spools>,
    /// How many of the sink's workers are away.
    pub away: Arc<Mutex<usize>>,
    /// How long the sink's tables are waited for.
    pub waits: Arc<TableWaits>,
    /// The delivery thread that it shares with another worker; `None`: it has its own.
    pub thread: Option<DeliveryThread>,
    /// Set when the server ends, and nothing is to be waited for any more.
    pub give_up: Arc<AtomicBool>,
}

/// One sink of a writer, one collector that scripts name, or one table that is waited for, with its delivery thread and
/// its spool.
#[derive(Debug)]
pub struct SinkWorker {
    id: SinkWorkerId,
    location: Option<SpoolLocation>,
    /// Whether it is that of one table that is waited for.
    is_of_table: bool,
    /// Whether what comes later waits for what is in the spool.
    keeps_order: bool,
    /// When it was last given something to send.
    used: Instant,
    own_marks: SpoolMarks,
    give_up: Arc<AtomicBool>,
    thread: DeliveryThread,
    spool: Option<Spool>,
    /// Whether there is a spool, for the delivery thread.
    has_spool: Arc<AtomicBool>,
    in_flight: VecDeque<InFlight>,
    replay: Replay,
    replay_job: Option<u64>,
    away: Option<Away>,
    /// Whether nothing is to be sent any more.
    closed: bool,
    /// Whether the replay had work and could not begin it.
    is_blocked: bool,
    next_job: u64,
    /// Whether the sink could not take what it was last given, though it was there, or was given nothing yet.
    is_troubled: bool,
    /// Whether a spool was opened late, and what earlier writers left in it is not counted yet.
    is_uncounted: bool,
    spool_log: LogLimit,
}

impl SinkWorker {
    /// Starts the delivery thread, unless it shares one.
    pub fn start(
        plan: &WriterPlan,
        start: WorkerStart,
        lanes: &Arc<Lanes>,
        results: Sender<Delivered>,
    ) -> io::Result<SinkWorker> {
        let WorkerStart { id, location, spools, away, waits, thread, give_up } = start;
        let (spool, earlier) = spools.map_or((None, Vec::new()), |(own, earlier)| (Some(own), earlier));
        let is_spooled = spool.is_some() || location.as_ref().is_some_and(|location| location.spool.is_some());
        let has_spool = Arc::new(AtomicBool::new(is_spooled));
        let sink = &plan.sinks[id.sink];
        let is_for_one = location.is_some();
        let keeps_order = is_for_one || sink.kind.keeps_order();
        let thread = match thread {
            Some(thread) => thread,
            None => {
                let (lanes, has_spool) = (Arc::clone(lanes), Arc::clone(&has_spool));
                let place =
                    SinkPlace { lanes: Arc::clone(&lanes), writer: id.writer, number: id.sink, has_spool, away };
                let (link, give_up) = (sink.link.clone(), Arc::clone(&give_up));
                let retry_limits = RetryLimit::of(plan.insert_retries, plan.insert_retry_timeout);
                let table_wait = plan.table_wait;
                let opening = Opening { place, is_for_one, retry_limits, table_wait, waits, link, give_up };
                let delivery = sink.kind.open(opening);
                DeliveryThread::start(delivery, (id.writer, id.number), lanes, results)?
            }
        };
        Ok(SinkWorker {
            id,
            location,
            is_of_table: is_for_one && sink.kind.destinations() == Destinations::ApartWhenBlocked,
            keeps_order,
            used: Instant::now(),
            own_marks: spool.as_ref().map(Spool::marks).unwrap_or_default(),
            give_up,
            thread,
            spool,
            has_spool,
            in_flight: VecDeque::new(),
            replay: Replay::new(Arc::clone(&sink.kind), plan.batch_size, earlier, keeps_order),
            replay_job: None,
            away: None,
            closed: false,
            is_blocked: false,
            next_job: 0,
            is_troubled: true,
            is_uncounted: false,
            spool_log: LogLimit::default(),
        })
    }

    /// Whether a spool was opened since this was asked last, whose captures are to be counted before any of them is
    /// sent.
    pub fn take_uncounted(&mut self) -> bool {
        std::mem::take(&mut self.is_uncounted)
    }

    /// Whether it has a spool, or opens one when it is needed.
    pub fn has_spool(&self) -> bool {
        self.spool.is_some() || self.location.as_ref().is_some_and(|location| location.spool.is_some())
    }

    /// How far its spool is committed, if that is not in shared memory: see [`WorkerStart::location`].
    pub fn own_marks(&self) -> SpoolMarks {
        self.own_marks
    }

    /// Sets [`SinkWorker::own_marks`].
    pub fn set_own_marks(&mut self, marks: SpoolMarks) {
        self.own_marks = marks;
    }

    /// Notes that it is about to be given something to send.
    pub fn touch(&mut self, now: Instant) {
        self.used = now;
    }

    /// The sink that it belongs to.
    pub fn sink(&self) -> usize {
        self.id.sink
    }

    /// Its delivery thread, for workers that share that.
    pub fn delivery_thread(&self) -> DeliveryThread {
        self.thread.clone()
    }

    /// Since when it has had nothing to do; `None` while it has.
    pub fn idle_since(&self) -> Option<Instant> {
        (!self.is_busy() && !self.replay_has_work()).then_some(self.used)
    }

    /// What its spools hold: records of its own, records of those that earlier writers left, and the bytes of all on
    /// disk.
    pub fn held(&self) -> (u64, u64, u64) {
        let own = self.spool.as_ref().map_or((0, 0), |spool| (spool.pending(), spool.bytes()));
        (own.0, self.replay.earlier_pending(), own.1 + self.replay.earlier_bytes())
    }

    /// Records of the spools of earlier writers that are not done with.
    pub fn earlier_pending(&self) -> u64 {
        self.replay.earlier_pending()
    }

    /// Takes a spool that could not be opened when the writer started, and those of writers that are no more.
    pub fn take_spool(&mut self, (spool, earlier): Spools) {
        self.spool = Some(spool);
        self.replay.add_earlier(earlier);
        self.has_spool.store(true, Ordering::Relaxed);
    }

    /// Lets the spool do what is due once a turn, and sees that the delivery thread is alive.
    pub fn tick(&mut self) -> Result<(), WriterError> {
        if let Some(spool) = &mut self.spool {
            spool.tick();
        }
        if self.thread.handle.is_finished() { Err(WriterError::DeliveryDied) } else { Ok(()) }
    }

    /// Whether its spool's position is to be brought to the disk, for which the caller waits.
    pub fn is_position_due(&self) -> bool {
        self.spool.as_ref().is_some_and(Spool::is_position_due)
    }

    /// Brings its spool's position to the disk.
    pub fn sync_position(&mut self) {
        if let Some(spool) = &mut self.spool {
            spool.sync_position();
        }
    }

    /// When the next turn is due without anything else happening.
    pub fn wake_at(&self, now: Instant) -> Option<Instant> {
        let sync = self.is_position_due().then_some(now + BLOCKED);
        sync.into_iter().chain(self.replay_at(now)).min()
    }

    /// Whether the delivery thread owes an answer.
    pub fn is_busy(&self) -> bool {
        self.replay_job.is_some() || !self.in_flight.is_empty()
    }

    /// Tells the delivery thread to end; [`SinkWorker::end`] waits for it.
    pub fn announce_end(&mut self) {
        self.thread.jobs = crossbeam_channel::bounded(0).0;
    }

    /// Ends the delivery thread, so that its connection is closed in order. One that still waits for its sink is left
    /// to the process's end after `deadline`.
    pub fn end(self, deadline: Instant) {
        let DeliveryThread { jobs, handle } = self.thread;
        drop(jobs);
        while !handle.is_finished() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
        drop(self.replay);
        match self.spool {
            Some(spool) if self.location.is_some() && spool.pending() == 0 => spool.discard(),
            spool => drop(spool),
        }
        if let Some(SpoolLocation { name, writers, spool: Some(spool) }) = &self.location {
            spools::remove_empty(spool, name, (self.id.writer, *writers));
        }
    }

    fn send(&mut self, set: Arc<BatchSet>, probe: bool) -> Result<u64, WriterError> {
        let number = self.next_job;
        self.next_job += 1;
        let job = Job { worker: self.id.number, number, set, probe };
        self.thread.jobs.send(job).map_err(|_| WriterError::DeliveryDied)?;
        Ok(number)
    }

    fn say(&mut self, line: Arguments<'_>) {
        self.spool_log.log(Level::Error, line);
    }
}
