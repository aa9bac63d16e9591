//! The rules of the module's comment, one by one, on a real disk.

use super::*;

#[test]
fn what_is_appended_is_read_in_order_with_its_ids() {
    let directory = tempfile::tempdir().unwrap();
    let mut spool = open(directory.path());
    assert_eq!(append(&mut spool, 100), 1..101);
    assert_eq!(append(&mut spool, 100), 101..201);
    assert_eq!(read_all(&mut spool), (1..201).collect::<Vec<_>>());
    assert_eq!(spool.read(1, 1, |_, _| {}).unwrap(), 201..201);
    append(&mut spool, 1);
    assert_eq!(read_all(&mut spool), [201], "reading goes on when more has come");
}

#[test]
fn acknowledged_segments_are_removed_and_the_last_one_too() {
    let directory = tempfile::tempdir().unwrap();
    let mut spool = open(directory.path());
    append(&mut spool, 200);
    let segments = segment_files(directory.path()).len();
    assert!(segments > 5, "{segments} segments");
    spool.ack(100).unwrap();
    assert!(segment_files(directory.path()).len() < segments);
    assert_eq!(spool.pending(), 101);
    assert_eq!(read_all(&mut spool), (100..201).collect::<Vec<_>>());
    spool.ack(201).unwrap();
    assert_eq!((spool.bytes(), spool.pending(), segment_files(directory.path()).len()), (0, 0, 0));
    assert_eq!(append(&mut spool, 1), 201..202);
}

#[test]
fn a_killed_owner_leaves_what_was_not_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let mut spool = open(directory.path());
    append(&mut spool, 200);
    read_all(&mut spool);
    spool.ack(50).unwrap();
    kill(spool);
    let mut spool = open(directory.path());
    assert_eq!(spool.marks(), SpoolMarks { next: 201, acked: 50 });
    assert_eq!(read_all(&mut spool), (50..201).collect::<Vec<_>>());
}

#[test]
fn committed_marks_cut_away_what_was_appended_after_them() {
    let directory = tempfile::tempdir().unwrap();
    for committed in [201, 150, 60, 51, 50] {
        let mut spool = open(directory.path());
        spool.ack(u64::MAX).unwrap();
        let base = spool.marks().next - 1;
        append(&mut spool, 200);
        spool.ack(base + 50).unwrap();
        kill(spool);
        let marks = SpoolMarks { next: base + committed, acked: base + 10 };
        let mut spool = Spool::open(options(directory.path()), Some(marks)).unwrap();
        assert_eq!(spool.marks(), SpoolMarks { next: base + committed, acked: base + 50 });
        assert_eq!(append(&mut spool, 100), base + committed..base + committed + 100);
        assert_eq!(read_all(&mut spool), (base + 50..base + committed + 100).collect::<Vec<_>>());
        kill(spool);
        assert_eq!(read_all(&mut open(directory.path())), (base + 50..base + committed + 100).collect::<Vec<_>>());
    }
}

#[test]
fn a_torn_tail_is_cut_off_at_any_byte() {
    let directory = tempfile::tempdir().unwrap();
    let mut spool = open(directory.path());
    append(&mut spool, 3);
    kill(spool);
    let segment = segment_files(directory.path()).remove(0);
    let whole = std::fs::read(&segment).unwrap();
    for size in 0..whole.len() {
        std::fs::remove_file(directory.path().join("position")).unwrap();
        std::fs::write(&segment, &whole[..size]).unwrap();
        let mut spool = open(directory.path());
        let left = read_all(&mut spool);
        assert!(left.len() < 3);
        assert_eq!(spool.marks().next, left.len() as u64 + 1);
        append(&mut spool, 1);
        assert_eq!(read_all(&mut spool), [left.len() as u64 + 1]);
        kill_and_close(spool, directory.path());
        assert_eq!(read_all(&mut open(directory.path())).len(), left.len() + 1);
    }
}

#[test]
fn the_limit_holds_and_room_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    let limit_bytes = 20_000;
    let mut spool = Spool::open(SpoolOptions { limit_bytes, ..options(directory.path()) }, None).unwrap();
    let record = [7; 1000];
    let full = loop {
        if let Err(error) = spool.append([&record[..]].into_iter()) {
            break error;
        }
    };
    assert!(matches!(full, AppendError::Full { limit: 20_000, .. }), "{full}");
    assert!(spool.bytes() <= limit_bytes && spool.bytes() > limit_bytes - 2000);
    let next = spool.marks().next;
    assert!(spool.append([&record[..]].into_iter()).is_err());
    assert_eq!(spool.marks().next, next);
    spool.ack(next / 2).unwrap();
    spool.append([&record[..]].into_iter()).unwrap();
}

#[test]
fn a_record_longer_than_a_segment_gets_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let mut spool = open(directory.path());
    let long = vec![9; 300_000];
    spool.append([&b"short"[..], &long, b"short"].into_iter()).unwrap();
    assert_eq!(segment_files(directory.path()).len(), 3);
    let mut lengths = Vec::new();
    spool.read(10, usize::MAX, |_, bytes| lengths.push(bytes.len())).unwrap();
    assert_eq!(lengths, [5, 300_000, 5]);
    let longer = vec![0; MAX_RECORD + 1];
    let refused = spool.append([&longer[..]].into_iter()).unwrap_err();
    assert!(matches!(refused, AppendError::TooLarge { .. }), "{refused}");
}
