//! What the spool does when the disk fails: one test a fault, then all of them at random.

use super::disk::{Act, Disk, Fault};
use super::*;
use crate::queue::spool::frame::{HEADER, record_size};
use proptest::prelude::*;
use rustix::io::Errno;

fn bench(sync: SyncPolicy) -> (Disk, Spool) {
    let disk = Disk::default();
    let spool = reopen(&disk, sync, None);
    (disk, spool)
}

fn reopen(disk: &Disk, sync: SyncPolicy, committed: Option<SpoolMarks>) -> Spool {
    disk.kill();
    let options = SpoolOptions { sync, ..options(Path::new("/spool")) };
    Spool::open_on(disk.files(), options, committed).unwrap()
}

/// Tries to append records like [`append`] does.
fn try_append(spool: &mut Spool, count: u64) -> Result<Range<u64>, AppendError> {
    let next = spool.marks().next;
    let records: Vec<_> = (next..next + count).map(record).collect();
    spool.append(records.iter().map(Vec::as_slice))
}

fn ids(range: Range<u64>) -> Vec<u64> {
    range.collect()
}

#[test]
fn short_writes_are_carried_on() {
    let (disk, mut spool) = bench(SyncPolicy::Off);
    disk.fail(Act::Write, [1, 0x20, 3, 7].map(Fault::Short));
    append(&mut spool, 5);
    disk.fail(Act::Write, [Fault::Error(Errno::INTR), Fault::Short(9), Fault::Error(Errno::INTR)]);
    append(&mut spool, 5);
    assert_eq!(read_all(&mut spool), ids(1..11));
}

#[test]
fn a_disk_that_fills_up_within_a_write_takes_nothing_of_the_batch() {
    for sync in [SyncPolicy::Batch, SyncPolicy::Interval(Duration::ZERO), SyncPolicy::Off] {
        for before in [0, 3, 20] {
            let (disk, mut spool) = bench(sync);
            append(&mut spool, before);
            let used: usize = disk.names().iter().map(|name| disk.bytes(name).len()).sum();
            // Room for a part of a record, for some records, and for some segments.
            for room in [1, 100, 700, 5000, 9000] {
                disk.set_capacity(Some(used + room));
                let full = try_append(&mut spool, 100).unwrap_err();
                assert!(matches!(&full, AppendError::Io(error) if error::is_no_space(&error.source)), "{full}");
                assert!(full.to_string().contains("/spool/0000"), "{full}");
                assert_eq!(spool.marks().next, before + 1);
                let left: usize = disk.names().iter().map(|name| disk.bytes(name).len()).sum();
                assert_eq!(left, used, "everything is given back");
            }
            disk.set_capacity(None);
            spool = reopen(&disk, sync, None);
            append(&mut spool, 10);
            assert_eq!(read_all(&mut spool), ids(1..before + 11));
        }
    }
}

#[test]
fn a_failed_sync_takes_nothing_of_the_batch() {
    let (disk, mut spool) = bench(SyncPolicy::Batch);
    for act in [Act::Sync, Act::SyncDirectory] {
        spool.ack(u64::MAX).unwrap();
        disk.fail(act, [Fault::Error(Errno::IO)]);
        assert!(try_append(&mut spool, 40).is_err());
        assert_eq!((spool.pending(), spool.bytes(), disk.segments().len()), (0, 0, 0));
        let next = spool.marks().next;
        append(&mut spool, 3);
        disk.fail(Act::Sync, [Fault::Error(Errno::IO)]);
        assert!(try_append(&mut spool, 3).is_err());
        spool = reopen(&disk, SyncPolicy::Batch, None);
        assert_eq!(read_all(&mut spool), ids(next..next + 3));
    }
}

#[test]
fn a_segment_that_cannot_be_cut_back_is_left_and_never_read_behind_its_end() {
    let (disk, mut spool) = bench(SyncPolicy::Off);
    append(&mut spool, 3);
    disk.fail(Act::SetSize, [Fault::Error(Errno::IO), Fault::Error(Errno::IO), Fault::Error(Errno::IO)]);
    // All of the batch is in the file when the write fails.
    disk.fail(Act::Write, [Fault::Torn(usize::MAX)]);
    assert!(try_append(&mut spool, 2).is_err());
    let size = disk.bytes(&disk.segments()[0]).len() as u64;
    assert_eq!(spool.bytes(), size, "what is left over is counted");
    let others: Vec<_> = (4u64..6).map(|id| record(id + 100)).collect();
    spool.append(others.iter().map(Vec::as_slice)).unwrap();
    assert_eq!(disk.segments().len(), 2);
    assert_eq!(disk.bytes(&disk.segments()[0]).len() as u64, size, "still not cut");
    for _ in 0..2 {
        let mut read = Vec::new();
        spool.read(100, usize::MAX, |id, bytes| read.push((id, bytes.to_vec()))).unwrap();
        assert_eq!(read[3..], [(4, others[0].clone()), (5, others[1].clone())]);
        spool = reopen(&disk, SyncPolicy::Off, None);
    }
    // The record before is damaged, so that the walk goes on behind it.
    let end = HEADER + (1..3).map(|id| record_size(record(id).len())).sum::<u64>() as usize;
    disk.damage(&disk.segments()[0], |bytes| bytes.iter_mut().skip(end).take(1).for_each(|byte| *byte ^= 1));
    let mut read = Vec::new();
    spool.read(100, usize::MAX, |id, bytes| read.push((id, bytes.to_vec()))).unwrap();
    assert_eq!(read[2..], [(4, others[0].clone()), (5, others[1].clone())]);
}

#[test]
fn what_could_not_be_cut_back_is_cut_back_later() {
    let (disk, mut spool) = bench(SyncPolicy::Off);
    append(&mut spool, 3);
    let bytes = spool.bytes();
    disk.fail(Act::SetSize, [Fault::Error(Errno::IO)]);
    disk.fail(Act::Write, [Fault::Torn(usize::MAX)]);
    assert!(try_append(&mut spool, 2).is_err());
    spool.tick();
    assert_eq!((spool.bytes(), disk.bytes(&disk.segments()[0]).len() as u64), (bytes, bytes));
    spool = reopen(&disk, SyncPolicy::Off, None);
    assert_eq!(read_all(&mut spool), ids(1..4));
}

#[test]
fn a_new_segment_of_a_failed_batch_is_removed_later() {
    let (disk, mut spool) = bench(SyncPolicy::Off);
    disk.fail(Act::Remove, [Fault::Error(Errno::IO)]);
    disk.fail(Act::SetSize, [Fault::Error(Errno::IO)]);
    disk.fail(Act::Write, [Fault::Torn(usize::MAX)]);
    assert!(try_append(&mut spool, 2).is_err());
    assert_eq!(disk.segments().len(), 1);
    spool.tick();
    assert_eq!(disk.segments().len(), 0);
    append(&mut spool, 2);
    assert_eq!(read_all(&mut spool), [1, 2]);
}

#[test]
fn a_new_segment_takes_the_name_of_one_that_could_not_be_removed() {
    let (disk, mut spool) = bench(SyncPolicy::Off);
    disk.fail(Act::Remove, [Fault::Error(Errno::IO), Fault::Error(Errno::IO)]);
    disk.fail(Act::Write, [Fault::Torn(usize::MAX)]);
    assert!(try_append(&mut spool, 2).is_err());
    append(&mut spool, 1);
    spool.tick();
    assert_eq!(read_all(&mut spool), [1], "the new one is not taken for the old one");
    spool = reopen(&disk, SyncPolicy::Off, None);
    assert_eq!(read_all(&mut spool), [1]);
}

#[test]
fn an_acknowledgement_that_cannot_be_written_is_an_error_and_is_written_later() {
    for sync in [SyncPolicy::Batch, SyncPolicy::Off] {
        let (disk, mut spool) = bench(sync);
        append(&mut spool, 100);
        let segments = disk.segments().len();
        disk.fail(Act::Write, [Fault::Error(Errno::IO)]);
        let error = spool.ack(60).unwrap_err();
        assert!(error.to_string().starts_with("cannot write /spool/position: "), "{error}");
        assert_eq!((spool.marks().acked, disk.segments().len()), (60, segments), "no segment goes before its mark");
        spool.tick();
        assert!(disk.segments().len() < segments);
        spool = reopen(&disk, sync, None);
        assert_eq!(read_all(&mut spool), ids(60..101));
    }
}

#[test]
fn a_segment_that_cannot_be_removed_is_removed_later() {
    let (disk, mut spool) = bench(SyncPolicy::Off);
    append(&mut spool, 100);
    disk.fail(Act::Remove, [Fault::Error(Errno::IO)]);
    spool.ack(101).unwrap();
    assert!(spool.bytes() > 0);
    append(&mut spool, 1);
    assert_eq!(disk.segments().len(), 1);
    assert_eq!(read_all(&mut spool), [101]);
}

#[test]
fn on_a_disk_that_is_full_to_the_brim_acknowledged_segments_go_nevertheless() {
    let (disk, mut spool) = bench(SyncPolicy::Batch);
    append(&mut spool, 100);
    let segments = disk.segments().len();
    // As on file systems that write a changed block to a new place.
    disk.fail(Act::Write, [Fault::Error(Errno::NOSPC)]);
    spool.ack(60).unwrap();
    assert!(disk.segments().len() < segments);
    assert_eq!(read_all(&mut reopen(&disk, SyncPolicy::Batch, None)), ids(60..101));
}

#[test]
fn a_full_disk_does_not_keep_a_new_spool_from_opening() {
    let disk = Disk::default();
    disk.set_capacity(Some(100));
    let mut spool = reopen(&disk, SyncPolicy::Batch, None);
    assert!(try_append(&mut spool, 3).is_err());
    disk.set_capacity(None);
    append(&mut spool, 3);
    spool.ack(2).unwrap();
    assert_eq!(read_all(&mut reopen(&disk, SyncPolicy::Batch, None)), [2, 3]);
}

#[test]
fn a_read_only_directory_is_an_error_that_names_the_file() {
    let disk = Disk::default();
    disk.fail(Act::Create, [Fault::Error(Errno::ROFS)]);
    let error = Spool::open_on(disk.files(), options(Path::new("/spool")), None).unwrap_err();
    assert!(error.to_string().starts_with("cannot write /spool/position: Read-only file system"), "{error}");
}

#[test]
fn lowered_marks_must_be_written_before_anything_is_appended() {
    let (disk, mut spool) = bench(SyncPolicy::Batch);
    append(&mut spool, 20);
    spool.ack(15).unwrap();
    disk.kill();
    let committed = Some(SpoolMarks { next: 10, acked: 5 });
    disk.fail(Act::Write, [Fault::Error(Errno::NOSPC)]);
    assert!(Spool::open_on(disk.files(), options(Path::new("/spool")), committed).is_err());
    spool = reopen(&disk, SyncPolicy::Batch, committed);
    assert_eq!(spool.marks(), SpoolMarks { next: 10, acked: 10 });
    append(&mut spool, 5);
    assert_eq!(read_all(&mut reopen(&disk, SyncPolicy::Batch, None)), ids(10..15));
}

#[test]
fn a_failed_read_is_an_error_and_goes_on_where_it_was() {
    let (disk, mut spool) = bench(SyncPolicy::Off);
    append(&mut spool, 50);
    let mut read = Vec::new();
    for _ in 0..3 {
        disk.fail(Act::Read, [Fault::Error(Errno::IO)]);
        let error = spool.read(5, usize::MAX, |_, _| {}).unwrap_err();
        assert!(error.to_string().starts_with("cannot read /spool/0000"), "{error}");
        spool.read(20, usize::MAX, |id, _| read.push(id)).unwrap();
        spool.rewind();
    }
    assert_eq!(read, [ids(1..21), ids(1..21), ids(1..21)].concat());
}

#[test]
fn blocks_that_stay_unreadable_are_given_up_after_three_errors() {
    let (disk, mut spool) = bench(SyncPolicy::Off);
    let long = [vec![1; 20_000], vec![2; 20_000], vec![3; 20_000]];
    spool.options.segment_bytes = 100_000;
    spool.append(long.iter().map(Vec::as_slice)).unwrap();
    disk.set_unreadable(&disk.segments()[0], 30_000..30_001);
    for _ in 0..3 {
        assert!(spool.read(10, usize::MAX, |_, _| {}).is_err());
    }
    let mut read = Vec::new();
    assert_eq!(spool.read(10, usize::MAX, |id, _| read.push(id)).unwrap(), 1..4);
    assert_eq!(read, [1, 3]);
}

#[test]
fn a_last_segment_that_cannot_be_read_is_kept_and_followed_by_a_new_one() {
    let (disk, mut spool) = bench(SyncPolicy::Off);
    append(&mut spool, 2);
    append(&mut spool, 5);
    let segment = disk.segments().pop().unwrap();
    disk.set_unreadable(&segment, 500..501);
    let size = disk.bytes(&segment).len();
    spool = reopen(&disk, SyncPolicy::Off, None);
    let next = spool.marks().next;
    assert!((3..7).contains(&next), "{next}");
    append(&mut spool, 5);
    disk.heal();
    assert!(disk.bytes(&segment).len() == size, "nothing is cut off that may be read again some day");
    assert_eq!(read_all(&mut reopen(&disk, SyncPolicy::Off, None)), ids(1..next + 5));
}

#[test]
fn a_segment_that_is_gone_is_passed_over() {
    let (disk, mut spool) = bench(SyncPolicy::Off);
    append(&mut spool, 100);
    let segments = disk.segments();
    let [second, third, last] = [1, 2, segments.len() - 1].map(|index| segment::first_of(&segments[index]).unwrap());
    disk.take(&segments[1]);
    disk.take(&segments[segments.len() - 1]);
    assert_eq!(read_all(&mut spool), [ids(1..second), ids(third..last)].concat());
    append(&mut spool, 5);
    assert_eq!(read_all(&mut spool), ids(101..106), "what comes later is not appended to what is gone");
    assert_eq!(spool.pending(), 105);
    spool.ack(106).unwrap();
    assert_eq!((spool.bytes(), disk.segments().len()), (0, 0));
}

#[test]
fn a_segment_that_cannot_be_opened_is_given_up_unless_descriptors_are_short() {
    let (disk, mut spool) = bench(SyncPolicy::Off);
    append(&mut spool, 100);
    disk.fail(Act::Open, [Fault::Error(Errno::MFILE); 10]);
    for _ in 0..10 {
        assert!(spool.read(1, 1, |_, _| {}).is_err());
    }
    assert_eq!(spool.read(1, 1, |_, _| {}).unwrap(), 1..2);
    spool.rewind();
    disk.fail(Act::Open, [Fault::Error(Errno::IO); 4]);
    for _ in 0..3 {
        assert!(spool.read(1, 1, |_, _| {}).is_err());
    }
    let second = segment::first_of(&disk.segments()[1]).unwrap();
    assert_eq!(spool.read(1, 1, |_, _| {}).unwrap(), 1..second + 1);
}

#[test]
fn a_failed_interval_sync_is_no_crash() {
    let (disk, mut spool) = bench(SyncPolicy::Interval(Duration::ZERO));
    disk.fail(Act::Sync, [Fault::Error(Errno::IO); 2]);
    append(&mut spool, 50);
    spool.tick();
    assert_eq!(read_all(&mut spool), ids(1..51));
}

#[test]
fn an_interval_that_is_over_is_synced_by_a_tick() {
    let hour = Duration::from_secs(3600);
    let (disk, mut spool) = bench(SyncPolicy::Interval(hour));
    append(&mut spool, 5);
    spool.ack(2).unwrap();
    spool.tick();
    disk.cut_power(|_| 0);
    assert_eq!(reopen(&disk, SyncPolicy::Off, None).pending(), 0, "an hour is not over");
    let (disk, mut spool) = bench(SyncPolicy::Interval(hour));
    append(&mut spool, 5);
    spool.ack(2).unwrap();
    spool.options.sync = SyncPolicy::Interval(Duration::ZERO);
    spool.tick();
    disk.cut_power(|_| 0);
    assert_eq!(read_all(&mut reopen(&disk, SyncPolicy::Off, None)), ids(2..6));
}

/// One step beside random faults.
#[derive(Clone, Debug)]
enum Step {
    Append(u64),
    Read(usize),
    Ack(u64),
    Rewind,
    Tick,
    Fault(Act, Fault),
    Kill,
}

fn step() -> impl Strategy<Value = Step> {
    let act =
        prop::sample::select(vec![Act::Write, Act::SetSize, Act::Sync, Act::Create, Act::Remove, Act::SyncDirectory]);
    let fault = prop_oneof![
        Just(Fault::Error(Errno::IO)),
        (0usize..5000).prop_map(Fault::Short),
        (0usize..5000).prop_map(Fault::Torn)
    ];
    prop_oneof![
        8 => (0u64..50).prop_map(Step::Append),
        6 => (1usize..60).prop_map(Step::Read),
        4 => (0u64..20).prop_map(Step::Ack),
        1 => Just(Step::Rewind),
        1 => Just(Step::Tick),
        6 => (act, fault).prop_map(|(act, fault)| Step::Fault(act, fault)),
        1 => Just(Step::Kill),
    ]
}

fn policy() -> impl Strategy<Value = SyncPolicy> {
    prop::sample::select(vec![SyncPolicy::Batch, SyncPolicy::Interval(Duration::ZERO), SyncPolicy::Off])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever write fails, and however: accepted records come out once each and in order, refused ones never, and an
    /// acknowledgement counts when it was answered with success.
    #[test]
    fn no_fault_of_the_disk_mixes_up_records(sync in policy(), steps in prop::collection::vec(step(), 1..100)) {
        let (disk, mut spool) = bench(sync);
        let (mut next, mut cursor, mut acked, mut acked_safely) = (1, 1, 1, 1);
        for step in steps {
            match step {
                Step::Append(count) => match try_append(&mut spool, count) {
                    Ok(range) => {
                        prop_assert_eq!(range, next..next + count);
                        next += count;
                    }
                    Err(AppendError::Full { .. } | AppendError::Io(_)) => {}
                    Err(error) => return Err(TestCaseError::fail(error.to_string())),
                },
                Step::Read(records) => {
                    let mut read = Vec::new();
                    let range = spool.read(records, usize::MAX, |id, bytes| read.push((id, bytes.to_vec()))).unwrap();
                    let expected = cursor..next.min(cursor + records as u64);
                    prop_assert_eq!(&range, &expected);
                    prop_assert_eq!(read, expected.map(|id| (id, record(id))).collect::<Vec<_>>());
                    cursor = range.end;
                }
                Step::Ack(back) => {
                    let id = cursor.saturating_sub(back);
                    if spool.ack(id).is_ok() && id > acked {
                        acked_safely = id;
                    }
                    acked = acked.max(id);
                }
                Step::Rewind => {
                    spool.rewind();
                    cursor = acked;
                }
                Step::Tick => spool.tick(),
                Step::Fault(act, fault) => disk.fail(act, [fault]),
                Step::Kill => {
                    // What could not be undone yet is undone by the next call that can.
                    disk.heal();
                    spool.tend();
                    spool = reopen(&disk, sync, None);
                    let found = spool.marks().acked;
                    prop_assert!((acked_safely..=acked).contains(&found));
                    (cursor, acked, acked_safely) = (found, found, found);
                }
            }
            prop_assert_eq!(spool.marks(), SpoolMarks { next, acked });
        }
        disk.heal();
        spool.tick();
        spool.rewind();
        prop_assert_eq!(read_all(&mut spool), ids(acked..next));
        spool.ack(next).unwrap();
        prop_assert_eq!((spool.bytes(), disk.segments().len()), (0, 0));
    }

    /// The machine stops within any write, sync or removal: what was accepted and not acknowledged is there again, and
    /// what comes beyond is of the batch that was being appended.
    #[test]
    fn power_that_is_cut_within_anything_loses_nothing_accepted(
        counts in prop::collection::vec((0u64..40, 0u64..40), 1..12),
        acts in 0usize..120,
        torn in prop::option::of(0usize..5000),
        seed in any::<u64>(),
        process_only in any::<bool>(),
    ) {
        let (disk, mut spool) = bench(SyncPolicy::Batch);
        let (mut next, mut within, mut acked) = (1, 0, 1..=1);
        disk.stop_after(acts);
        for (appended, done) in counts {
            match try_append(&mut spool, appended) {
                Ok(range) => next = range.end,
                Err(_) => within = appended,
            }
            acked = *acked.start()..=(acked.start() + done).min(next);
            if within > 0 || spool.ack(*acked.end()).is_err() {
                break;
            }
            acked = *acked.end()..=*acked.end();
        }
        disk.heal();
        if let Some(torn) = torn.filter(|_| within == 0) {
            disk.fail(Act::Write, [Fault::Torn(torn)]);
            disk.stop_after(1);
            within = 30;
            if let Ok(range) = try_append(&mut spool, within) {
                (next, within) = (range.end, 0);
            }
            disk.heal();
        }
        let mut random = seed | 1;
        if process_only {
            disk.kill();
        } else {
            disk.cut_power(|below| {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                (random % below as u64) as usize
            });
        }
        let mut spool = reopen(&disk, SyncPolicy::Batch, None);
        let found = spool.marks();
        prop_assert!(acked.contains(&found.acked), "{found:?} {acked:?}");
        prop_assert!((next..=next + within).contains(&found.next), "{found:?} {next} {within}");
        let read = read_all(&mut spool);
        prop_assert_eq!(read.iter().copied().filter(|&id| id < next).collect::<Vec<_>>(), ids(found.acked..next));
        prop_assert!(!process_only || read == ids(found.acked..found.next), "what one process wrote has no holes");
        let committed = Some(SpoolMarks { next, acked: found.acked });
        prop_assert_eq!(read_all(&mut reopen(&disk, SyncPolicy::Batch, committed)), ids(found.acked..next));
    }
}

#[test]
fn what_a_deferred_position_lets_go_of_stays_until_that_is_on_the_disk_and_goes_when_room_is_needed() {
    let (disk, mut spool) = bench(SyncPolicy::Interval(Duration::from_secs(600)));
    spool.defer_position();
    append(&mut spool, 40);
    spool.ack(u64::MAX).unwrap();
    assert!(spool.is_position_due());
    let count = disk.segments().len();
    assert!(count > 1);
    disk.fail(Act::Sync, [Fault::Error(Errno::IO)]);
    spool.sync_position();
    assert_eq!(disk.segments().len(), count);
    spool.tick();
    assert!(spool.is_position_due(), "it is tried again");
    disk.fail(Act::Sync, [Fault::Error(Errno::IO)]);
    spool.leave_room(1_000_000 - spool.bytes());
    assert!(matches!(try_append(&mut spool, 1), Err(AppendError::Full { .. })));
    append(&mut spool, 1);
    assert_eq!(disk.segments().len(), 1, "there is room again");
    spool.ack(u64::MAX).unwrap();
    assert_eq!(disk.segments().len(), 1);
    drop(spool);
    assert_eq!(disk.segments().len(), 0, "the end lets go");
}
