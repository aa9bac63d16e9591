//! The way out to one sink, to one of the collectors that scripts name, or to one table that is waited for: straight
//! to its delivery thread while the sink keeps up, into its spool while it does not, and from there
//! to the sink again.
//!
//! ```text
//! window ─► batch set ─┬─► in flight ─► delivery thread ─► sink
//!                      │     │ slow, away, lanes filling         ▲
//!                      │     ▼ (parked)                          │ replay, one chunk at a time
//!                      └─► spool ────────────────────────────────┘
//! ```
//!
//! Rules:
//! * A batch set on its way holds up its window, and so the lanes, only as long as the sink keeps up; then it is *parked*: put into the
//!   spool while the delivery thread still tries. When the sink takes it after all, the replay passes over it.
//! * Loads enter the spool in the order of their windows: what came earlier is parked first. So order within a table is kept.
//! * Rows do not wait behind a long replay: those that come once the database is back pass by it. Packets do: as long as the spool holds
//!   anything they go into it, behind the others, and so leave in the order in which they were read. Only what a full spool has
//!   no room for passes by, while the collector takes it.
//! * A sink that is away is asked again with the next chunk of its spool, after a wait that grows; all else goes to the spool.
//! * The replay reads only what a commit has made final and no delivery thread still tries, and keeps what is left of a chunk until all
//!   of it is done with.
//! * What the sink is there for, and one of its tables cannot take now, is named to the writer, which gives that
//!   table a worker of its own;
//!   see `table_workers`.
//! * Without a spool a batch set stays with its delivery thread, and its window waits.

mod hand_over;

use super::batch::BatchSet;
use super::deliver::{self, Delivered, Delivery, DeliveryThread, Job};
use super::health::{Health, SinkPlace};
use super::packets::{CollectorSelection, PacketStore};
use super::refusals::Refusals;
use super::replay::{Acked, Chunk, Replay};
use super::store::Store;
use super::table_waits::TableWaits;
use super::tries::BACK_OFF;
use super::window::Settled;
use super::{CollectorPlan, Counters, SinkTarget, SpoolPlan, WINDOWS, WriterError, WriterPlan, add, spools};
use crate::log_limit::LogLimit;
use crate::queue::counters::{COMMITTED, Committed};
use crate::queue::lane::Lanes;
use crate::queue::spool::{Spool, SpoolMarks};
use crossbeam_channel::Sender;
use log::Level;
use std::collections::VecDeque;
use std::fmt::Arguments;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long a batch set may be on its way before it is parked.
const SLOW: Duration = Duration::from_secs(1);
/// Pause before another look at a spool whose records are not final yet.
const BLOCKED: Duration = Duration::from_millis(20);
/// Pause before a chunk is tried again whose table is missing, or that another worker or its disk did not take.
const TABLE_PAUSE: Duration = Duration::from_millis(500);

/// A batch set with the delivery thread.
#[derive(Debug)]
struct InFlight {
    job: u64,
    window: u64,
    set: Arc<BatchSet>,
    since: Instant,
    /// Its ids in the spool, once it is parked.
    parked: Option<Range<u64>>,
    /// Whether it is counted as lost: whatever the delivery thread answers comes too late.
    is_lost: bool,
}

impl InFlight {
    /// Whether its window waits for it.
    fn is_owed(&self) -> bool {
        self.parked.is_none() && !self.is_lost
    }
}

/// A time in which the sink does not answer.
#[derive(Clone, Copy, Debug)]
struct Away {
    back_off: Duration,
    next_probe: Instant,
}

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
#[derive(Clone, Debug)]
pub struct SinkWorkerId {
    /// Its writer.
    pub writer: usize,
    /// Its number among the workers of the writer.
    pub number: usize,
    /// The sink that it belongs to.
    pub sink: usize,
    /// Of a collector that scripts name, or a table that is waited for: where its spool belongs, which is opened when
    /// it is first needed.
    /// `None`: all of the sink.
    pub location: Option<SpoolLocation>,
    /// How many of the sink's workers are away.
    pub away: Arc<Mutex<usize>>,
    /// How long the sink's tables are waited for.
    pub waits: Arc<TableWaits>,
    /// The delivery thread that it shares with another worker; `None`: it has its own.
    pub line: Option<DeliveryThread>,
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

/// One sink of a writer, one collector that scripts name, or one table that is waited for, with its delivery thread
/// and its spool.
#[derive(Debug)]
pub struct SinkWorker {
    id: SinkWorkerId,
    /// Whether it is that of one table that is waited for.
    is_of_table: bool,
    /// Whether what comes later waits for what is in the spool.
    keeps_order: bool,
    /// When it was last given something to send.
    used: Instant,
    own_marks: SpoolMarks,
    give_up: Arc<AtomicBool>,
    line: DeliveryThread,
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
    /// Starts the delivery thread. `spools` are its own and those of writers that are no more: of rows they are replayed after it, of
    /// packets before it.
    pub fn start(
        plan: &WriterPlan,
        id: SinkWorkerId,
        lanes: &Arc<Lanes>,
        spools: Option<(Spool, Vec<Spool>)>,
        give_up: &Arc<AtomicBool>,
        results: Sender<Delivered>,
    ) -> io::Result<SinkWorker> {
        let (spool, earlier) = spools.map_or((None, Vec::new()), |(own, earlier)| (Some(own), earlier));
        let is_spooled = spool.is_some() || id.location.as_ref().is_some_and(|location| location.spool.is_some());
        let has_spool = Arc::new(AtomicBool::new(is_spooled));
        let is_database = plan.sinks[id.sink].target.database().is_some();
        let keeps_order = id.location.is_some() || !is_database;
        let is_of_table = id.location.is_some() && is_database;
        let line = match &id.line {
            Some(line) => line.clone(),
            None => {
                let delivery = delivery(plan, &id, lanes, &has_spool, give_up);
                let number = (id.writer, id.number);
                deliver::start(delivery, plan, number, Arc::clone(lanes), results)?
            }
        };
        Ok(SinkWorker {
            id,
            is_of_table,
            keeps_order,
            used: Instant::now(),
            own_marks: spool.as_ref().map(Spool::marks).unwrap_or_default(),
            give_up: Arc::clone(give_up),
            line,
            spool,
            has_spool,
            in_flight: VecDeque::new(),
            replay: Replay::new(earlier, keeps_order),
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

    /// Sends nothing any more: parks what is on its way, and all that is still taken goes to the spool.
    pub fn close(&mut self) -> Vec<Settled> {
        self.closed = true;
        if self.has_spool() { self.park_all() } else { Vec::new() }
    }

    /// Takes the batch set of a window. When it went to the spool, or was lost for lack of room there, it is settled at once; the answer
    /// begins with what had to be parked before it. With `is_held`, for a table that is waited for, it goes to the
    /// spool and nowhere else.
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

    /// Parks batch sets that are on their way for too long, or, when the lanes fill, at all. When the spool takes no more and the lanes fill,
    /// a batch set that is slow is lost, so that the other sinks of `has_neighbours` do not lose theirs; one for a table
    /// that is waited for is lost in
    /// any case, since its window is that of other tables.
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

    /// Whether a spool was opened since this was asked last, whose captures are to be counted before any of them is sent.
    pub fn take_uncounted(&mut self) -> bool {
        std::mem::take(&mut self.is_uncounted)
    }

    /// Sends the next chunk of the spool on its way, if it is time to. `committed` are the marks of the last commit.
    pub fn pump(
        &mut self,
        plan: &WriterPlan,
        committed: SpoolMarks,
        refusals: &mut Refusals,
        now: Instant,
    ) -> Result<Effect, WriterError> {
        if self.replay_job.is_some() || self.away.is_some_and(|away| now < away.next_probe) {
            return Ok(Effect::default());
        }
        let below = self.readable_below(committed);
        let Some(spool) = &mut self.spool else { return Ok(Effect::default()) };
        let next = self.replay.next(spool, plan, below, now);
        self.is_blocked = matches!(next, Chunk::Nothing);
        match next {
            Chunk::Nothing => Ok(Effect::default()),
            Chunk::Send(set) => {
                self.replay_job = Some(self.send(set, true)?);
                Ok(Effect::default())
            }
            // Nothing of it is left to send.
            Chunk::Done => Ok(self.finish_replay(refusals)),
        }
    }

    /// The first id of its spool that the replay must not read yet. What is parked may still be delivered: it is not
    /// read before that is known.
    fn readable_below(&self, committed: SpoolMarks) -> u64 {
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

    /// Whether it has a spool, or opens one when it is needed.
    pub fn has_spool(&self) -> bool {
        self.spool.is_some() || self.id.location.as_ref().is_some_and(|location| location.spool.is_some())
    }

    /// How far its spool is committed, if that is not in shared memory: see [`SinkWorkerId::named`].
    pub fn own_marks(&self) -> SpoolMarks {
        self.own_marks
    }

    /// Notes that.
    pub fn set_own_marks(&mut self, marks: SpoolMarks) {
        self.own_marks = marks;
    }

    /// It is about to be given something to send.
    pub fn touch(&mut self, now: Instant) {
        self.used = now;
    }

    /// The sink that it belongs to.
    pub fn sink(&self) -> usize {
        self.id.sink
    }

    /// Since when it has had nothing to do; `None` while it has.
    pub fn idle_since(&self) -> Option<Instant> {
        (!self.is_busy() && !self.replay_has_work()).then_some(self.used)
    }

    /// What its spools hold: records of its own, records of those that earlier writers left, and the bytes of all on disk.
    pub fn held(&self) -> (u64, u64, u64) {
        let own = self.spool.as_ref().map_or((0, 0), |spool| (spool.pending(), spool.bytes()));
        (own.0, self.replay.earlier_pending(), own.1 + self.replay.earlier_bytes())
    }

    /// Records of the spools of earlier writers that are not done with.
    pub fn earlier_pending(&self) -> u64 {
        self.replay.earlier_pending()
    }

    /// Takes a spool that could not be opened when the writer started, and those of writers that are no more.
    pub fn take_spool(&mut self, spool: Spool, earlier: Vec<Spool>) {
        self.spool = Some(spool);
        self.replay.add_earlier(earlier);
        self.has_spool.store(true, Ordering::Relaxed);
    }

    /// Housekeeping, once a turn.
    pub fn tick(&mut self) -> Result<(), WriterError> {
        if let Some(spool) = &mut self.spool {
            spool.tick();
        }
        if self.line.thread.is_finished() { Err(WriterError::DeliveryDied) } else { Ok(()) }
    }

    /// Whether its spool's position is to be brought to the disk, for which the caller waits.
    pub fn is_position_due(&self) -> bool {
        self.spool.as_ref().is_some_and(Spool::is_position_due)
    }

    /// Does that.
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

    fn replay_at(&self, now: Instant) -> Option<Instant> {
        if self.replay_job.is_some() || !self.replay_has_work() {
            return None;
        }
        let soonest = if self.is_blocked { now + BLOCKED } else { now };
        Some(self.away.map_or(soonest, |away| away.next_probe).max(self.replay.not_before().unwrap_or(soonest)))
    }

    /// Whether the delivery thread owes an answer.
    pub fn is_busy(&self) -> bool {
        self.replay_job.is_some() || !self.in_flight.is_empty()
    }

    /// Makes final, before the writer ends, what is done with of the spool and would come again otherwise: what was delivered at its head
    /// while it was parked there, and the part of a chunk that is stored. `committed` are the marks of the last commit, all windows are.
    /// It waits for the disk until `deadline`, for what was handed over.
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

    /// Tells the delivery thread to end; [`SinkWorker::end`] waits for it.
    pub fn announce_end(&mut self) {
        self.line.jobs = crossbeam_channel::bounded(0).0;
        self.id.line = None;
    }

    /// Ends the delivery thread, so that its connection is closed in order. One that still waits for its database is left to the
    /// process's end after `deadline`.
    pub fn end(self, deadline: Instant) {
        drop((self.line.jobs, self.id.line));
        while !self.line.thread.is_finished() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
        drop(self.replay);
        match self.spool {
            Some(spool) if self.id.location.is_some() && spool.pending() == 0 => spool.discard(),
            spool => drop(spool),
        }
        if let Some(SpoolLocation { name, writers, spool: Some(spool) }) = &self.id.location {
            spools::remove_empty(spool, name, (self.id.writer, *writers));
        }
    }

    fn replay_has_work(&self) -> bool {
        self.spool.as_ref().is_some_and(|spool| spool.pending() > 0) || self.replay.has_work()
    }

    fn send(&mut self, set: Arc<BatchSet>, probe: bool) -> Result<u64, WriterError> {
        let number = self.next_job;
        self.next_job += 1;
        self.line
            .jobs
            .send(Job { worker: self.id.number, number, set, probe })
            .map_err(|_| WriterError::DeliveryDied)?;
        Ok(number)
    }

    fn note_health(&mut self, delivered: &Delivered, now: Instant) {
        if !delivered.away {
            self.is_troubled = !delivered.left.is_empty();
            self.away = None;
            return;
        }
        let back_off = self.away.map_or(BACK_OFF.0, |away| (away.back_off * 2).min(BACK_OFF.1));
        // Loads that were sent before the sink was known to be away are no new tries.
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

    fn answer_replay(&mut self, delivered: Delivered, refusals: &mut Refusals, now: Instant) -> Effect {
        let sink = self.id.sink;
        let is_done = self.replay.note(delivered, now + TABLE_PAUSE, |set, refused, counters| {
            refusals.put_away(sink, set, refused, counters);
        });
        if is_done { self.finish_replay(refusals) } else { Effect::default() }
    }

    /// Puts back into the spool what is left of a chunk of which a part is stored; the chunk is done with then. Only where nothing is behind it,
    /// since order within a table is worth more than a row that comes twice.
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

    /// Puts captures into the spool; `None` when it does not take them, which is said.
    fn append(&mut self, set: &BatchSet, range: Range<usize>) -> Option<Range<u64>> {
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
            self.id.location.as_ref().filter(|_| self.spool.is_none())
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

    fn say(&mut self, line: Arguments<'_>) {
        self.spool_log.log(Level::Error, line);
    }
}

/// What brings captures to where the worker at `id` leads.
fn delivery(
    plan: &WriterPlan,
    id: &SinkWorkerId,
    lanes: &Arc<Lanes>,
    has_spool: &Arc<AtomicBool>,
    give_up: &Arc<AtomicBool>,
) -> Delivery {
    let place = |name| SinkPlace {
        lanes: Arc::clone(lanes),
        writer: id.writer,
        number: id.sink,
        has_spool: Arc::clone(has_spool),
        name,
        away: Arc::clone(&id.away),
    };
    let packets = |collectors: &CollectorPlan, selection, name| {
        let (health, give_up) = (Health::new(place(name)), Arc::clone(give_up));
        Delivery::Packets(Box::new(PacketStore::new(plan, collectors, selection, health, give_up)))
    };
    match &plan.sinks[id.sink].target {
        SinkTarget::Database(url) => {
            let name = if id.location.is_some() { "the connection for a table that waits" } else { "the database" };
            let waits = Arc::clone(&id.waits);
            Delivery::Rows(Box::new(Store::new(plan, url, place(name), waits, Arc::clone(give_up))))
        }
        SinkTarget::Collectors(destinations, collectors) => {
            packets(collectors, CollectorSelection::Fixed(destinations), "the collector")
        }
        SinkTarget::NamedCollectors(collectors) if id.location.is_some() => {
            packets(collectors, CollectorSelection::Named, "a collector that the script names")
        }
        SinkTarget::NamedCollectors(collectors) => {
            packets(collectors, CollectorSelection::AnyNamed, "a collector that the script names")
        }
    }
}

/// Tables of `set` that could not take what was for them, though the sink was there.
fn tables_left(set: &BatchSet, delivered: &Delivered) -> Vec<String> {
    if delivered.away {
        return Vec::new();
    }
    set.select(&delivered.left).batches().iter().map(|batch| batch.table.clone()).collect()
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
