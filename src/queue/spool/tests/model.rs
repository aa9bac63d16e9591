//! A small model of the spool, and the real one beside it under random operations.

use super::disk::Disk;
use super::*;
use crate::queue::spool::frame::{HEADER, record_size};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// What a test does in one step.
#[derive(Clone, Debug)]
enum Step {
    Append(Vec<usize>),
    Read(usize, usize),
    /// Acknowledges up to the cursor, minus so many.
    Ack(u64),
    Rewind,
    Tick,
    /// Notes the marks as a writer does that commits its lanes.
    Commit,
    /// Ends the owner in good order and opens again, as a new server run.
    Restart,
    /// Kills the owner and opens again, as a new server run.
    KillServer,
    /// Kills the owner and opens again with the marks that it had committed.
    KillWriter,
    /// Kills the owner in the middle of a write: so many bytes of the last segment are missing.
    Tear(usize),
    /// Flips one bit in one segment.
    Flip(usize, usize),
    /// Removes a segment.
    Lose(usize),
    /// Power fails.
    CutPower(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let length = prop_oneof![20 => 0usize..300, 1 => 300usize..6000];
    prop_oneof![
        12 => prop::collection::vec(length, 0..20).prop_map(Step::Append),
        10 => (1usize..30, 1usize..5000).prop_map(|(records, bytes)| Step::Read(records, bytes)),
        8 => (0u64..20).prop_map(Step::Ack),
        2 => Just(Step::Rewind),
        1 => Just(Step::Tick),
        3 => Just(Step::Commit),
        1 => Just(Step::Restart),
        2 => Just(Step::KillServer),
        2 => Just(Step::KillWriter),
        1 => (0usize..3000).prop_map(Step::Tear),
        1 => (any::<usize>(), any::<usize>()).prop_map(|(segment, bit)| Step::Flip(segment, bit)),
        1 => any::<usize>().prop_map(Step::Lose),
        1 => any::<u64>().prop_map(Step::CutPower),
    ]
}

fn policy() -> impl Strategy<Value = SyncPolicy> {
    let hour = Duration::from_secs(3600);
    prop::sample::select(vec![
        SyncPolicy::Batch,
        SyncPolicy::Interval(Duration::ZERO),
        SyncPolicy::Interval(hour),
        SyncPolicy::Off,
    ])
}

/// What a spool should be: a queue of records, of which some may be lost.
struct Model {
    marks: SpoolMarks,
    cursor: u64,
    /// Everything ever appended below `marks.next`, done with or not.
    records: BTreeMap<u64, Vec<u8>>,
    /// What else was ever appended under an id that was given out again.
    earlier: BTreeMap<u64, Vec<Vec<u8>>>,
    /// Ids that may be lost, how many of them at most, and those that are.
    doubtful: BTreeSet<u64>,
    losses: usize,
    lost: BTreeSet<u64>,
    /// Whether power was cut while nothing was synced, so that anything may have become of the disk.
    wild: bool,
    committed: Option<SpoolMarks>,
}

impl Model {
    /// Record `id` has turned out to be lost.
    fn lose(&mut self, id: u64) {
        if self.lost.insert(id) {
            assert!(self.wild || self.doubtful.contains(&id), "record {id} is lost");
            assert!(self.wild || self.losses > 0, "record {id} is one lost too many");
            self.losses = self.losses.saturating_sub(1);
        }
    }

    /// The next id is `next` now; whatever had one from there on may be appended anew.
    fn cut(&mut self, next: u64) {
        for (id, record) in self.records.split_off(&next) {
            self.earlier.entry(id).or_default().push(record);
        }
        self.doubtful.split_off(&next);
        self.lost.split_off(&next);
        self.marks.next = next;
    }

    /// The spool has handed out record `id`.
    fn check(&self, id: u64, bytes: &[u8]) {
        assert!((self.cursor..self.marks.next).contains(&id));
        let known = self.records.get(&id).is_some_and(|record| record == bytes);
        let earlier = || self.earlier.get(&id).is_some_and(|records| records.iter().any(|record| record == bytes));
        assert!(known || (self.wild && earlier()), "record {id} is another one");
    }
}

struct Bench {
    disk: Disk,
    options: SpoolOptions,
    spool: Spool,
    model: Model,
    seed: u8,
}

impl Bench {
    fn new(sync: SyncPolicy) -> Bench {
        let disk = Disk::default();
        let options = SpoolOptions { sync, limit_bytes: 40_000, ..options(Path::new("/spool")) };
        let spool = Spool::open_on(disk.files(), options.clone(), None).unwrap();
        let model = Model {
            marks: SpoolMarks { next: 1, acked: 1 },
            cursor: 1,
            records: BTreeMap::new(),
            earlier: BTreeMap::new(),
            doubtful: BTreeSet::new(),
            losses: 0,
            lost: BTreeSet::new(),
            wild: false,
            committed: None,
        };
        Bench { disk, options, spool, model, seed: 0 }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Append(lengths) => self.append(&lengths),
            Step::Read(records, bytes) => drop(self.read(records, bytes)),
            Step::Ack(back) => {
                let id = self.model.cursor.saturating_sub(back);
                self.spool.ack(id).unwrap();
                self.model.marks.acked = self.model.marks.acked.max(id);
            }
            Step::Rewind => {
                self.spool.rewind();
                self.model.cursor = self.model.marks.acked;
            }
            Step::Tick => self.spool.tick(),
            Step::Commit => self.model.committed = Some(self.spool.marks()),
            Step::Restart => {
                let marks = self.spool.marks();
                let idle = Spool::open_on(Disk::default().files(), self.options.clone(), None).unwrap();
                drop(std::mem::replace(&mut self.spool, idle));
                self.reopen(None);
                assert_eq!(self.spool.marks(), marks, "an owner that ends in good order forgets nothing");
            }
            Step::KillServer => self.kill_server(),
            Step::KillWriter => self.kill_writer(),
            Step::Tear(bytes) => self.tear(bytes),
            Step::Flip(segment, bit) => self.flip(segment, bit),
            Step::Lose(segment) => self.lose(segment),
            Step::CutPower(seed) => self.cut_power(seed),
        }
        assert_eq!(self.spool.marks(), self.model.marks);
        assert_eq!(self.spool.pending(), self.model.marks.next - self.model.marks.acked);
    }

    fn append(&mut self, lengths: &[usize]) {
        self.seed = self.seed.wrapping_add(1);
        let records: Vec<Vec<u8>> = lengths.iter().map(|&length| vec![self.seed; length]).collect();
        let next = self.model.marks.next;
        match self.spool.append(records.iter().map(Vec::as_slice)) {
            Ok(ids) => {
                assert_eq!(ids, next..next + records.len() as u64);
                assert!(records.is_empty() || self.spool.bytes() <= self.options.limit_bytes);
                self.model.marks.next = ids.end;
                self.model.records.extend(ids.zip(records));
            }
            Err(AppendError::Full { needed, held, limit }) => {
                assert_eq!((held, limit), (self.spool.bytes(), self.options.limit_bytes));
                let least: u64 = lengths.iter().map(|&length| record_size(length)).sum();
                assert!(held + needed > limit && (least..=least + 64 * lengths.len() as u64).contains(&needed));
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// Reads once; false when nothing more was to be read.
    fn read(&mut self, records: usize, bytes: usize) -> bool {
        let model = &mut self.model;
        let (mut handed, mut size) = (0, 0);
        let start = model.cursor;
        let take = |id: u64, read: &[u8]| {
            assert!(handed == 0 || (handed < records && size < bytes), "as much as asked for, at most");
            model.check(id, read);
            (model.cursor..id).for_each(|id| model.lose(id));
            (handed, size, model.cursor) = (handed + 1, size + read.len(), id + 1);
        };
        let range = self.spool.read(records, bytes, take).unwrap();
        let model = &mut self.model;
        assert!(range.start == start && range.end >= model.cursor, "{range:?}");
        (model.cursor..range.end).for_each(|id| model.lose(id));
        model.cursor = range.end;
        if handed < records && size < bytes {
            assert_eq!(range.end, model.marks.next, "less than asked for comes at the end alone");
        }
        !range.is_empty()
    }

    fn reopen(&mut self, committed: Option<SpoolMarks>) {
        self.disk.kill();
        self.spool = Spool::open_on(self.disk.files(), self.options.clone(), committed).unwrap();
        self.model.cursor = self.model.marks.acked;
        if committed.is_none() {
            self.model.committed = None;
        }
    }

    /// After damage at the end, `next` may have gone back over records that may be lost.
    fn kill_server(&mut self) {
        self.reopen(None);
        let found = self.spool.marks();
        assert_eq!(found.acked, self.model.marks.acked);
        if self.model.wild {
            // A segment of before the cut that was held back by one which is lost now.
            self.model.marks.next = self.model.marks.next.max(found.next);
        }
        self.go_back(found.next);
    }

    fn go_back(&mut self, next: u64) {
        assert!(next <= self.model.marks.next);
        (next..self.model.marks.next).for_each(|id| self.model.lose(id));
        self.model.cut(next);
    }

    fn kill_writer(&mut self) {
        let Some(committed) = self.model.committed else { return };
        self.model.cut(committed.next);
        let acked = self.model.marks.acked.max(committed.acked).min(committed.next);
        self.model.marks.acked = acked;
        self.reopen(Some(committed));
    }

    fn tear(&mut self, bytes: usize) {
        self.disk.kill();
        if let Some(last) = self.disk.segments().last() {
            let size = self.disk.bytes(last).len();
            let left = size.saturating_sub(bytes).max(HEADER);
            self.disk.damage(last, |bytes| bytes.truncate(left));
            let first = segment::first_of(last).unwrap();
            let mut end = size as u64;
            // Damage within the segment makes sums of sizes wrong: then any of its records may be lost.
            let damaged = self.model.doubtful.range(first..).next().is_some();
            for (&id, record) in self.model.records.range(first..).rev() {
                if end <= left as u64 && !damaged {
                    break;
                }
                self.model.doubtful.insert(id);
                self.model.losses += 1;
                end = end.saturating_sub(record_size(record.len()));
            }
        }
        self.kill_server();
    }

    fn flip(&mut self, segment: usize, bit: usize) {
        let segments = self.disk.segments();
        if segments.is_empty() {
            return;
        }
        let index = segment % segments.len();
        // The salt of both copies of the header is beyond one flip, so one more would be unfair.
        self.disk.damage(&segments[index], |bytes| {
            let bit = bit % (bytes.len().saturating_sub(HEADER) * 8).max(1);
            if let Some(byte) = bytes.get_mut(HEADER + bit / 8) {
                *byte ^= 1 << (bit % 8);
            }
        });
        self.doubt(&segments, index);
        self.model.losses += 1;
        self.model.cursor = self.model.marks.acked;
        // What the reader holds in memory is not damaged: it looks again.
        self.spool.rewind();
    }

    fn lose(&mut self, segment: usize) {
        let segments = self.disk.segments();
        if !segments.is_empty() {
            let index = segment % segments.len();
            self.disk.take(&segments[index]);
            self.model.losses += self.doubt(&segments, index);
            self.kill_server();
        }
    }

    /// Marks the records of a segment as doubtful; how many there are.
    fn doubt(&mut self, segments: &[String], index: usize) -> usize {
        let first = segment::first_of(&segments[index]).unwrap();
        let end = segments.get(index + 1).map_or(u64::MAX, |name| segment::first_of(name).unwrap());
        let ids: Vec<u64> = self.model.records.range(first..end).map(|(&id, _)| id).collect();
        self.model.doubtful.extend(&ids);
        ids.len()
    }

    fn cut_power(&mut self, seed: u64) {
        let mut random = seed | 1;
        self.disk.cut_power(|below| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            (random % below as u64) as usize
        });
        self.reopen(None);
        let found = self.spool.marks();
        match self.options.sync {
            SyncPolicy::Batch => assert_eq!(found.acked, self.model.marks.acked),
            SyncPolicy::Interval(Duration::ZERO) => assert!(found.acked <= self.model.marks.acked),
            _ => {
                self.model.wild = true;
                self.model.marks.next = self.model.marks.next.max(found.next);
            }
        }
        self.go_back(found.next);
        self.model.marks.acked = found.acked;
        self.model.cursor = found.acked;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever happens to it, a spool hands out each record once and in order after each opening or rewinding, but for
    /// those that were damaged; it loses no more than was damaged, and counts what it loses.
    #[test]
    fn a_spool_behaves_like_a_queue_with_marks(sync in policy(), steps in prop::collection::vec(step(), 1..120)) {
        let mut bench = Bench::new(sync);
        for step in steps {
            bench.step(step);
        }
        bench.step(Step::Rewind);
        while bench.read(100, 100_000) {}
        bench.step(Step::Ack(0));
        prop_assert_eq!((bench.spool.pending(), bench.spool.bytes()), (0, 0));
        prop_assert_eq!(bench.disk.segments().len(), 0);
    }
}
