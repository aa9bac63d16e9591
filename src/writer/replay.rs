//! The replay: reads a spool chunk by chunk, and remembers of each chunk what is still to be sent.

use super::batch::{Batch, BatchSet};
use super::batching::add_record;
use super::counters::{Counters, add, add_all};
use super::delivered::{Delivered, Refused};
use super::kind::SinkKind;
use super::window::WINDOW_BYTES;
use crate::log_limit::LogLimit;
use crate::queue::counters::{COMMITTED, Committed};
use crate::queue::spool::{OnDisk, Spool, SpoolError};
use log::Level;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What is to be done next.
#[derive(Debug)]
pub enum ReplayChunk {
    /// Nothing can be sent now.
    Nothing,
    /// This batch set is to be sent.
    Send(Arc<BatchSet>),
    /// The chunk at hand is done with.
    Done,
}

/// Records of a spool below an id that are done with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acked {
    /// Of the sink's own spool.
    Own(u64),
    /// Of the first of the earlier spools.
    Earlier(u64),
}

/// The end of a chunk.
#[derive(Debug, Default)]
pub struct Finished {
    /// What became of its captures.
    pub counters: Counters,
    /// The records that are done with by now.
    pub acked: Option<Acked>,
    /// Records that are no captures, and why.
    pub unreadable: Vec<(Vec<u8>, String)>,
}

/// One chunk on its way.
#[derive(Debug)]
struct OpenChunk {
    ids: Range<u64>,
    /// Whether it comes from the first of the earlier spools.
    earlier: bool,
    set: Arc<BatchSet>,
    /// What other workers are to take over once `set` is done with.
    aside: BatchSet,
    counters: Counters,
    /// Captures of it that another worker has taken over.
    moved: u64,
    /// These, and whether they are on the disk: before, they must not go here.
    on_disk: Vec<(BatchSet, OnDisk)>,
    /// When to hand over again what another worker did not take, or its disk.
    hand_over_at: Option<Instant>,
    unreadable: Vec<(Vec<u8>, String)>,
}

/// The state of a sink's replay.
#[derive(Debug)]
pub struct Replay {
    /// The sink that its captures are for.
    kind: Arc<dyn SinkKind>,
    /// Most records of a chunk.
    batch_size: usize,
    /// Spools of writers that are no more.
    earlier: Vec<Spool>,
    /// Whether they come before the sink's own.
    earlier_first: bool,
    current: Option<OpenChunk>,
    not_before: Option<Instant>,
    /// Ids that were delivered while they were in the spool.
    delivered: Vec<Range<u64>>,
    log: LogLimit,
}

impl Replay {
    /// Nothing on its way. `earlier` are replayed before the sink's own spool, or after it.
    pub fn new(kind: Arc<dyn SinkKind>, batch_size: usize, earlier: Vec<Spool>, earlier_first: bool) -> Replay {
        Replay {
            kind,
            batch_size,
            earlier,
            earlier_first,
            current: None,
            not_before: None,
            delivered: Vec::new(),
            log: LogLimit::default(),
        }
    }

    /// When the chunk at hand may be tried again.
    pub fn not_before(&self) -> Option<Instant> {
        self.not_before
    }

    /// Whether something is to be done beside the sink's own spool.
    pub fn has_work(&self) -> bool {
        self.current.is_some() || !self.earlier.is_empty()
    }

    /// Bytes of the earlier spools.
    pub fn earlier_bytes(&self) -> u64 {
        self.earlier.iter().map(Spool::bytes).sum()
    }

    /// Records of the earlier spools that are not done with.
    pub fn earlier_pending(&self) -> u64 {
        self.earlier.iter().map(Spool::pending).sum()
    }

    /// Takes over the spools of writers that are no more.
    pub fn add_earlier(&mut self, spools: Vec<Spool>) {
        self.earlier.extend(spools);
    }

    /// Records of the first of the earlier spools below `id` are done with, and that is committed.
    pub fn acknowledge_earlier(&mut self, id: u64) -> Result<(), SpoolError> {
        self.earlier.first_mut().map_or(Ok(()), |spool| spool.ack(id))
    }

    /// Captures with these ids were delivered, but for those whose numbers within them are in `undone`.
    pub fn pass_over(&mut self, ids: &Range<u64>, mut undone: Vec<Range<usize>>) {
        undone.sort_by_key(|range| range.start);
        let mut from = ids.start;
        for range in undone {
            let (start, end) = (ids.start + range.start as u64, ids.start + range.end as u64);
            if from < start {
                self.delivered.push(from..start);
            }
            from = from.max(end);
        }
        if from < ids.end {
            self.delivered.push(from..ids.end);
        }
    }

    /// The first id from `head` on that is not known to be delivered; `head` while a chunk is at hand.
    pub fn delivered_from(&self, head: u64) -> u64 {
        let mut end = head;
        while self.current.is_none()
            && let Some(range) = self.delivered.iter().find(|range| range.contains(&end))
        {
            end = range.end;
        }
        end
    }

    /// Captures of the chunk at hand that are in another worker's spool too, until the chunk is done with.
    pub fn moved(&self) -> u64 {
        self.current.as_ref().map_or(0, |current| current.moved)
    }

    /// What is still to be sent of the chunk at hand; reads on when the last one is done with, but no id from `below`
    /// on.
    pub fn at_hand(&mut self, spool: &mut Spool, below: u64) -> Option<&Arc<BatchSet>> {
        if self.current.is_none() {
            self.current = if self.earlier_first {
                let earlier = self.read_earlier();
                // One that cannot be read now is still to come before the others.
                if self.earlier.is_empty() { self.read_own(spool, below) } else { earlier }
            } else {
                self.read_own(spool, below).or_else(|| self.read_earlier())
            };
        }
        self.current.as_ref().map(|current| &current.set)
    }

    /// The next thing to do; `below` as in [`Replay::at_hand`].
    pub fn next(&mut self, spool: &mut Spool, below: u64, now: Instant) -> ReplayChunk {
        if self.not_before.is_some_and(|moment| now < moment) {
            return ReplayChunk::Nothing;
        }
        self.not_before = None;
        let set = self.at_hand(spool, below).map(Arc::clone);
        match set {
            None => ReplayChunk::Nothing,
            Some(set) if !set.is_empty() => ReplayChunk::Send(set),
            Some(_) if !self.is_handed_over(now) => ReplayChunk::Nothing,
            Some(_) => ReplayChunk::Done,
        }
    }

    /// Whether nothing is left of the chunk at hand, and what other workers have taken over is on the disk, for which
    /// it waits until `deadline`.
    pub fn is_handed_over(&self, deadline: Instant) -> bool {
        let Some(current) = self.current.as_ref().filter(|current| current.set.is_empty() && current.aside.is_empty())
        else {
            return false;
        };
        let is_there = || current.on_disk.iter().all(|(_, on_disk)| on_disk.is_there());
        while !is_there() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
        is_there()
    }

    /// Tables of the chunk at hand that are not done with.
    pub fn tables(&self) -> Vec<String> {
        let batches =
            self.current.iter().flat_map(|current| current.set.batches().iter().chain(current.aside.batches()));
        let mut tables: Vec<_> = batches.map(|batch| batch.destination.clone()).collect();
        tables.sort_unstable();
        tables.dedup();
        tables
    }

    /// Leaves what is for `tables` aside, to be handed over once the rest of the chunk at hand is done with.
    pub fn set_aside(&mut self, tables: &[String]) {
        let Some(current) = &mut self.current else { return };
        let is_for_them = |batch: &Batch| tables.contains(&batch.destination);
        if !current.set.batches().iter().any(is_for_them) && current.aside.batches().iter().all(is_for_them) {
            return;
        }
        let mut all = current.set.filtered(|_| true);
        all.join(std::mem::take(&mut current.aside));
        current.aside = all.filtered(is_for_them);
        current.set = Arc::new(all.filtered(|batch| !is_for_them(batch)));
        self.not_before = None;
    }

    /// What is to be handed over of the chunk at hand, if there is anything.
    pub fn aside(&self) -> Option<&BatchSet> {
        self.current.as_ref().map(|current| &current.aside).filter(|aside| !aside.is_empty())
    }

    /// Another worker has taken over what was left aside for `table`: it is done with here once it is `on_disk`.
    pub fn hand_over(&mut self, table: &str, on_disk: OnDisk) {
        let Some(current) = &mut self.current else { return };
        let rest = current.aside.filtered(|batch| batch.destination != table);
        let set = current.aside.filtered(|batch| batch.destination == table);
        add(&mut current.counters, Committed::Spooled, set.len() as u64);
        current.moved += set.len() as u64;
        current.aside = rest;
        current.on_disk.push((set, on_disk));
    }

    /// Leaves aside once more, until `again`, what was handed over and may never be on the disk.
    pub fn take_back_failed(&mut self, again: Instant) {
        let Some(current) = &mut self.current else { return };
        for (set, _) in current.on_disk.extract_if(.., |(_, on_disk)| on_disk.has_failed()) {
            // The other worker keeps what it has: these come twice.
            add(&mut current.counters, Committed::Recovered, set.len() as u64);
            current.aside.join(set);
            current.hand_over_at = Some(again);
        }
    }

    /// Hands nothing of the chunk at hand over before `again`.
    pub fn put_off(&mut self, again: Instant) {
        if let Some(current) = &mut self.current {
            current.hand_over_at = Some(again);
        }
    }

    /// Whether the chunk at hand waits until it is handed over.
    pub fn is_put_off(&self, now: Instant) -> bool {
        self.current.as_ref().and_then(|current| current.hand_over_at).is_some_and(|moment| now < moment)
    }

    /// What is still to be sent of the chunk at hand.
    pub fn set(&self) -> Option<&BatchSet> {
        self.current.as_ref().map(|current| &*current.set)
    }

    /// Takes in an answer; true when the chunk is done with. What is left of it may be tried again at `again`, unless
    /// the sink is away.
    pub fn note(
        &mut self,
        delivered: Delivered,
        again: Instant,
        refuse: impl FnOnce(&BatchSet, &[Refused], &mut Counters),
    ) -> bool {
        let Some(current) = &mut self.current else { return false };
        let stored = current.set.len() - delivered.left_len() - delivered.refused.len();
        add(&mut current.counters, Committed::Stored, stored as u64);
        add_all(&mut current.counters, &delivered.counters);
        refuse(&current.set, &delivered.refused, &mut current.counters);
        if delivered.left.is_empty() && current.aside.is_empty() {
            return true;
        }
        if !delivered.away && !delivered.left.is_empty() {
            self.not_before = Some(again);
        }
        current.set = Arc::new(current.set.select(&delivered.left));
        false
    }

    /// What is still to be sent of a chunk of the sink's own spool, when a part of it is done with and nothing is
    /// behind it in `spool`.
    pub fn rest_of_last_chunk(&self, spool: &Spool) -> Option<BatchSet> {
        let current = self.current.as_ref().filter(|current| !current.earlier)?;
        let is_partial = ((current.set.len() + current.aside.len()) as u64) < current.ids.end - current.ids.start;
        (is_partial && current.ids.end == spool.marks().next).then(|| {
            let mut rest = current.set.filtered(|_| true);
            rest.join(current.aside.filtered(|_| true));
            rest
        })
    }

    /// Ends the chunk at hand.
    pub fn finish(&mut self) -> Finished {
        let Some(mut current) = self.current.take() else { return Finished::default() };
        self.not_before = None;
        add(&mut current.counters, Committed::Unspooled, current.ids.end - current.ids.start);
        let end = current.ids.end;
        let acked = if current.earlier {
            Acked::Earlier(end)
        } else {
            self.delivered.retain(|range| range.end > end);
            Acked::Own(end)
        };
        Finished { counters: current.counters, acked: Some(acked), unreadable: current.unreadable }
    }

    fn read_own(&mut self, spool: &mut Spool, below: u64) -> Option<OpenChunk> {
        let most = below.saturating_sub(spool.marks().acked);
        if most == 0 || spool.pending() == 0 {
            return None;
        }
        let current = read(spool, (&*self.kind, self.batch_size), most, &self.delivered, &mut self.log)?;
        // Damage in the spool can make a chunk longer than asked for.
        if current.ids.end > below {
            spool.rewind();
            return None;
        }
        Some(current)
    }

    fn read_earlier(&mut self) -> Option<OpenChunk> {
        while let Some(spool) = self.earlier.first_mut() {
            if let Some(current) = read(spool, (&*self.kind, self.batch_size), u64::MAX, &[], &mut self.log) {
                return Some(OpenChunk { earlier: true, ..current });
            }
            // What cannot be read now is asked for again: the spool gives up by itself.
            if spool.pending() > 0 {
                return None;
            }
            self.earlier.remove(0);
        }
        None
    }
}

/// Reads a chunk of at most `batch_size` records, and at most `most`, for a sink of this kind.
fn read(
    spool: &mut Spool,
    (kind, batch_size): (&dyn SinkKind, usize),
    most: u64,
    delivered: &[Range<u64>],
    log: &mut LogLimit,
) -> Option<OpenChunk> {
    let mut set = BatchSet::default();
    let mut unreadable = Vec::new();
    let (mut found, mut passed) = (0, 0);
    let records = batch_size.min(usize::try_from(most).unwrap_or(usize::MAX));
    let ids = spool.read(records, WINDOW_BYTES, |id, record| {
        found += 1;
        if delivered.iter().any(|range| range.contains(&id)) {
            passed += 1;
        } else if let Err(why) = add_record(&mut set, record, kind) {
            unreadable.push((record.to_vec(), why));
        }
    });
    let ids = match ids {
        Ok(ids) if ids.is_empty() => return None,
        Ok(ids) => ids,
        Err(error) => {
            log.log(Level::Error, format_args!("the spool cannot be read: {error}"));
            return None;
        }
    };
    let mut counters = [0; COMMITTED];
    add(&mut counters, Committed::Stored, passed);
    add(&mut counters, Committed::SpoolCorrupt, (ids.end - ids.start) - found);
    Some(OpenChunk {
        ids,
        earlier: false,
        set: Arc::new(set),
        aside: BatchSet::default(),
        counters,
        moved: 0,
        hand_over_at: None,
        on_disk: Vec::new(),
        unreadable,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::{Capture, record};
    use crate::queue::spool::{SpoolOptions, SyncPolicy};
    use crate::writer::tests::{capture, plan};

    #[test]
    fn what_was_handed_over_stays_in_the_spool_until_it_is_on_the_disk_of_the_other() {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("spool");
        let options = SpoolOptions { directory, limit_bytes: 1 << 20, segment_bytes: 1 << 18, sync: SyncPolicy::Off };
        let mut spool = Spool::open(options, None).unwrap();
        let capture = Capture { table: Some(b"other"), ..capture(b"OPTIONS") };
        let mut bytes = vec![0; record::encoded_len(&capture).unwrap()];
        record::encode(&capture, &mut bytes);
        spool.append([&bytes[..]].into_iter()).unwrap();
        let (plan, now) = (plan(&place, false), Instant::now());
        let mut replay = Replay::new(plan.sinks[0].kind.clone(), plan.batch_size, Vec::new(), false);
        assert!(replay.at_hand(&mut spool, 2).is_some());
        replay.set_aside(&replay.tables());
        let failing = OnDisk::new(false);
        replay.hand_over("other", failing.clone());
        assert!(replay.aside().is_none());
        failing.decide(false);
        assert!(matches!(replay.next(&mut spool, 2, now), ReplayChunk::Nothing), "nor when the disk does not take it");
        replay.take_back_failed(now + Duration::from_secs(1));
        assert_eq!(replay.aside().map(BatchSet::len), Some(1), "it is to be handed over once more");
        assert!(replay.is_put_off(now) && !replay.is_put_off(now + Duration::from_secs(1)));
        let on_disk = OnDisk::new(false);
        replay.hand_over("other", on_disk.clone());
        assert!(matches!(replay.next(&mut spool, 2, now), ReplayChunk::Nothing));
        assert!(!replay.is_handed_over(now), "nor does the end let go of it");
        on_disk.decide(true);
        assert!(matches!(replay.next(&mut spool, 2, now), ReplayChunk::Done));
        let finished = replay.finish();
        assert_eq!(finished.acked, Some(Acked::Own(2)));
        let [spooled, unspooled, recovered] = [Committed::Spooled, Committed::Unspooled, Committed::Recovered]
            .map(|which| finished.counters[which as usize]);
        assert_eq!((spooled, unspooled, recovered), (2, 1, 1), "the other holds it twice");
    }
}
