//! Workers of tables that are waited for, so that nothing else waits: a table that is missing, that may not be written,
//! or that somebody has locked, while its database is well.
//!
//! ```text
//!                    ┌──────────────► the sink's worker ──► sink           what is for other tables
//! window, and replay ┤
//! of the sink's spool└─► the table's worker, its spool ──► sink           what is for the table
//! ```
//!
//! Rules:
//! * The first batch that comes back names the table. From then on it has a spool of its own
//!   (`SINK/table-NAME/WRITER`), and a delivery thread and connection beside the sink's: what a lock holds up is only
//!   what is behind that lock. Beyond [`MOST_CONNECTIONS`] tables share these.
//! * The replay of the sink's spool hands over what is for the table: it is appended to the table's spool, then
//!   acknowledged in the sink's, once it is on the disk, and when the disk fails is appended there once more. The two
//!   are one commit. A writer that dies in between finds it in both: it comes twice, as with every commit. It comes
//!   last in its chunk, when the rest is stored: a chunk that the sink does not take, and so stays, must not be handed
//!   over again by each writer that comes.
//! * What comes live goes to the table's worker too, unless the sink's may hold something older: then it goes to the
//!   sink's spool, behind that. So rows of the table that went through a spool keep their order.
//! * With the first rows that the table takes, live ones go straight to the sink again. What the replay of the sink's
//!   spool finds still goes behind what the table's holds. A worker whose spool is empty and whose table is well ends,
//!   and its directory goes with it.
//! * All spools of a sink share the limit of one. What is handed over is not asked for room: it leaves as much as it
//!   takes.
//! * There are at most [`MOST_TABLES`] of them for one sink; names can come from traffic. What is for further tables,
//!   or for one whose spool cannot be made, holds up the sink's spool until the one wait that all such tables share is
//!   over ([`TableWaits`](crate::writer::table_waits::TableWaits)).

use super::{Part, SinkWorkers, add_part};
use crate::queue::spool::SpoolMarks;
use crate::writer::batch::BatchSet;
use crate::writer::delivery_thread::DeliveryThread;
use crate::writer::error::WriterError;
use crate::writer::kind::Destinations;
use crate::writer::plan::{SpoolPlan, WriterPlan};
use crate::writer::sink_worker::SinkWorker;
use crate::writer::{spool_names, spools};
use log::Level;
use std::time::{Duration, Instant};

/// Most tables of one sink that have a worker of their own at one time.
pub const MOST_TABLES: usize = 128;
/// Most connections that these have together.
const MOST_CONNECTIONS: usize = 8;
/// How long a worker waits for the captures that it was made for.
const IDLE: Duration = Duration::from_secs(10);

impl SinkWorkers {
    /// Gives workers to `tables` of `sink`, which could not take what was for them though the sink is there. True when
    /// the spool of one holds what no commit knows.
    pub fn wait_for(
        &mut self,
        plan: &WriterPlan,
        sink: usize,
        tables: &[String],
        now: Instant,
    ) -> Result<bool, WriterError> {
        let are_parted =
            plan.sinks.get(sink).is_some_and(|sink| sink.kind.destinations() == Destinations::ApartWhenBlocked);
        let Some(spool) = plan.spool.as_ref().filter(|_| are_parted) else { return Ok(false) };
        let mut has_found = false;
        for table in tables {
            let name = spool_names::name_of_table(&self.names[sink], table);
            if let Some(worker) = self.tables.get(&name).and_then(|number| self.all.get_mut(number)) {
                worker.note_trouble(now);
            } else if self.tables.values().filter(|number| self.is_of(**number, sink)).count() < MOST_TABLES {
                has_found |= self.make_table(plan, spool, sink, name)?;
            }
        }
        Ok(has_found)
    }

    fn is_of(&self, number: usize, sink: usize) -> bool {
        self.all.get(&number).is_some_and(|worker| worker.sink() == sink)
    }

    /// The delivery thread that another table of `sink` shares with those that have a worker; `None` when it gets its
    /// own.
    pub(super) fn thread_of_tables(&self, sink: usize) -> Option<DeliveryThread> {
        let mut threads: Vec<DeliveryThread> = Vec::new();
        let workers = self.tables.values().filter_map(|number| self.all.get(number));
        for thread in workers.filter(|worker| worker.sink() == sink).map(SinkWorker::delivery_thread) {
            if !threads.iter().any(|known| known.jobs.same_channel(&thread.jobs)) {
                threads.push(thread);
            }
        }
        if threads.len() < MOST_CONNECTIONS {
            return None;
        }
        Some(threads.swap_remove(self.tables.len() % threads.len()))
    }

    fn make_table(
        &mut self,
        plan: &WriterPlan,
        spool: &SpoolPlan,
        sink: usize,
        name: String,
    ) -> Result<bool, WriterError> {
        let writers = (self.writer, self.lanes.geometry().writers);
        let spools = match spools::open(spool, &name, writers, SpoolMarks::default()) {
            Ok(spools) => spools,
            Err(error) => {
                self.log.log(Level::Error, format_args!("others wait for a table too: {error}"));
                return Ok(false);
            }
        };
        let has_found = spools.0.pending() > 0 || !spools.1.is_empty();
        let number = self.free_number();
        let thread = self.thread_of_tables(sink);
        let worker = self.start_one(plan, (sink, number), Some(&name), Some(spools), thread)?;
        self.all.insert(number, worker);
        self.add_table(sink, name, number);
        Ok(has_found)
    }

    /// Worker `number` is that of the table whose spool's directory is called `name`.
    pub(super) fn add_table(&mut self, sink: usize, name: String, number: usize) {
        self.waits[sink].note_alone(&name);
        self.tables.insert(name, number);
    }

    /// The worker of `table`, if it has one.
    fn of_table(&self, sink: usize, table: &str) -> Option<usize> {
        self.tables.get(&spool_names::name_of_table(&self.names[sink], table)).copied()
    }

    /// Parts what a window holds for `sink`: what is for tables that are waited for, and the rest.
    pub(super) fn part_by_table(&self, sink: usize, set: BatchSet, parts: &mut Vec<Part>) {
        for set in set.split() {
            let table = set.batches().first().map_or("", |batch| batch.destination.as_str());
            let waiting = self
                .of_table(sink, table)
                .filter(|number| self.all.get(number).is_some_and(|worker| worker.is_troubled()));
            let is_held = waiting.is_some() && self.all.get(&sink).is_some_and(|worker| worker.may_hold(table));
            let worker = waiting.filter(|_| !is_held).unwrap_or(sink);
            add_part(parts, Part { worker, set, is_held });
        }
    }

    /// Hands over what the replay of worker `number` has at hand for tables that have a worker, once the rest of its
    /// chunk is done with. False when one of these cannot take it now, and so nothing behind it may be sent.
    /// `committed` are the marks of the last commit.
    pub fn hand_over(&mut self, number: usize, committed: SpoolMarks, now: Instant) -> bool {
        if number >= self.sinks {
            return true;
        }
        let tables = self.all.get_mut(&number).map(|worker| worker.tables_at_hand(committed, now));
        let mut tables = tables.unwrap_or_default();
        if tables.is_empty() {
            return true;
        }
        tables.retain(|table| {
            let to = self.of_table(number, table).and_then(|to| self.all.get(&to));
            to.is_some_and(|to| to.is_troubled() || to.idle_since().is_none())
        });
        let Some(aside) = self.all.get_mut(&number).and_then(|worker| worker.set_aside(&tables)) else { return true };
        let workers: Vec<_> = tables.iter().filter_map(|table| Some((table, self.of_table(number, table)?))).collect();
        let can_all = workers.iter().all(|(_, to)| self.all.get(to).is_some_and(SinkWorker::can_take_over));
        for (table, to) in workers {
            let part = aside.filtered(|batch| batch.destination == *table);
            let taken = self.all.get_mut(&to).filter(|_| can_all).and_then(|to| to.take_over(&part, now));
            let Some(from) = self.all.get_mut(&number) else { continue };
            let Some(on_disk) = taken else {
                from.note_blocked();
                if can_all {
                    from.put_off(now);
                }
                return false;
            };
            from.hand_over(table, on_disk);
        }
        true
    }

    /// Ends workers of tables that are well again, or that wait for nothing.
    pub(super) fn end_idle_tables(&mut self, now: Instant) {
        let is_done = |worker: &SinkWorker| {
            let idle = worker.idle_since();
            idle.is_some_and(|since| !worker.is_troubled() || now.saturating_duration_since(since) >= IDLE)
        };
        let done: Vec<_> = self.tables.iter().filter(|(_, number)| self.all.get(number).is_some_and(is_done)).collect();
        let done: Vec<_> = done.into_iter().map(|(name, number)| (name.clone(), *number)).collect();
        for (name, number) in done {
            self.tables.remove(&name);
            if let Some(worker) = self.all.remove(&number) {
                self.waits[worker.sink()].note_not_alone(&name);
                worker.end(now);
            }
        }
    }

    /// Lets the spools of a sink and its tables, which hold so many bytes together, share the limit of one.
    pub(super) fn share_room(&mut self, sink: usize, bytes: u64) {
        let mut numbers: Vec<_> = self.tables.values().copied().filter(|number| self.is_of(*number, sink)).collect();
        if numbers.is_empty() {
            if let Some(worker) = self.all.get_mut(&sink) {
                worker.leave_room(0);
            }
            return;
        }
        numbers.push(sink);
        for number in numbers {
            if let Some(worker) = self.all.get_mut(&number) {
                worker.leave_room(bytes.saturating_sub(worker.held().2));
            }
        }
    }
}
