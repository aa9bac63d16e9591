//! The spool: bytes as a segment, files as a directory, and damage to a spool that was in order.

use super::lies_in;
use sipcapture_core::queue::spool::{MAX_RECORD, Spool, SpoolOptions, SyncPolicy, scan};
use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::Path;
use tempfile::TempDir;

/// Most records that a spool is filled with here.
const MOST_RECORDS: usize = 24;

/// No spool comes this far: a million records a second for 70,000 years.
const LAST_ID: u64 = 1 << 61;

/// The first byte chooses what the others are: one segment's bytes, the files of a spool's directory, or records and
/// damage.
pub fn run(bytes: &[u8]) {
    match bytes.split_first() {
        Some((b'S', segment)) => walk(segment),
        Some((b'F', files)) => open_files(files),
        Some((b'D', rest)) => damage(rest),
        _ => {}
    }
}

fn walk(segment: &[u8]) {
    let mut last = None;
    let _ = scan(segment, |id, record| {
        assert!(Some(id) > last, "ids rise");
        assert!(record.len() <= MAX_RECORD && record.len() < segment.len());
        assert!(!lies_in(record, segment) || record.is_empty(), "a record is a copy: files are read in pieces");
        last = Some(id);
    });
}

/// Files, each as a byte that says which one, two bytes of length, and its bytes: 0 is the position, any other number
/// the segment that starts at the record of that number, 255 one that starts far away.
fn open_files(mut rest: &[u8]) {
    let directory = private_directory();
    while let [which, low, high, behind @ ..] = rest {
        let size = usize::from(u16::from_le_bytes([*low, *high])).min(behind.len());
        let (bytes, left) = behind.split_at(size);
        let name = match which {
            0 => "position".to_owned(),
            255 => format!("{:020}.segment", LAST_ID),
            first => format!("{first:020}.segment"),
        };
        fs::write(directory.path().join(name), bytes).expect("a private directory takes files");
        rest = left;
    }
    recovers(directory.path(), &BTreeMap::new());
}

/// A spool with the records that the first byte asks for, then steps of damage, five bytes each: which file, what
/// happens to it, where (two bytes), and a value.
fn damage(bytes: &[u8]) {
    let [count, sizes, acked, steps @ ..] = bytes else { return };
    let directory = private_directory();
    let mut spool = open(directory.path());
    let mut stored = BTreeMap::new();
    for number in 0..usize::from(*count) % MOST_RECORDS {
        let size = (usize::from(*sizes) * (number + 1)) % 1500;
        // A record that looks like one, so that a walk through damage has something to be taken in by.
        let record: Vec<u8> = steps.iter().copied().chain([number as u8]).cycle().take(size).collect();
        let ids = spool.append([record.as_slice()].into_iter()).expect("there is room");
        stored.insert(ids.start, record);
    }
    spool.ack(u64::from(*acked) % (spool.marks().next + 1)).expect("a private directory takes the position");
    let acked = spool.marks().acked;
    drop(spool);

    let mut steps = steps.chunks_exact(5).take(32);
    let bits = steps.len() == 1 && steps.clone().all(|step| step[1].is_multiple_of(4));
    let damaged = steps.by_ref().filter(|step| harm(directory.path(), step)).count();
    // What is done with may come again: the position may be what was harmed.
    let found = recovers(directory.path(), &stored).into_iter().filter(|id| *id >= acked).count();
    let left = stored.range(acked..).count();
    if damaged == 0 {
        assert_eq!(found, left, "what was not harmed is all there");
    } else if bits {
        assert!(found + 1 >= left, "one bit costs one record at most: {found} of {left}");
    }
}

/// Does one thing to one file; false when there is nothing to do it to.
fn harm(directory: &Path, step: &[u8]) -> bool {
    let mut names: Vec<_> = fs::read_dir(directory).expect("it is there").flatten().map(|entry| entry.path()).collect();
    names.sort();
    let Some(name) = names.get(usize::from(step[0]) % names.len().max(1)) else { return false };
    let mut file = fs::read(name).expect("a spool's file is readable");
    if file.is_empty() {
        return false;
    }
    let at = usize::from(u16::from_le_bytes([step[2], step[3]])) % file.len();
    match step[1] % 4 {
        0 => file[at] ^= 1 << (step[4] % 8),
        1 => file.truncate(at),
        2 => file.extend(vec![step[4]; at]),
        _ => file.copy_within(at.., usize::from(step[4]).min(at)),
    }
    fs::write(name, file).expect("a spool's file is writable");
    true
}

/// Opens what the directory holds, reads all of it, and goes on with it as if nothing had been. Answers which of the
/// `stored` records came out.
fn recovers(directory: &Path, stored: &BTreeMap<u64, Vec<u8>>) -> Vec<u64> {
    let mut spool = open(directory);
    let marks = spool.marks();
    assert!(1 <= marks.acked && marks.acked <= marks.next);
    if marks.next > LAST_ID {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut check = |id: u64, record: &[u8]| match stored.get(&id) {
        Some(original) => {
            assert!(original == record, "record {id} comes out as it went in");
            found.push(id);
        }
        None => assert!(stored.is_empty(), "record {id} was never stored"),
    };
    assert_eq!(read_all(&mut spool, &mut check), marks.acked..marks.next, "every id is handed out or passed over");

    let new: [&[u8]; 3] = [b"one", b"", b"three"];
    let ids = spool.append(new.into_iter()).expect("a recovered spool takes records");
    assert_eq!(ids, marks.next..marks.next + 3);
    let mut again = Vec::new();
    read_all(&mut spool, &mut |id, record| again.push((id, record.to_vec())));
    let expected: Vec<_> = ids.clone().zip(new.map(<[u8]>::to_vec)).collect();
    assert_eq!(again, expected);

    drop(spool);
    let mut spool = open(directory);
    assert_eq!(spool.marks().next, ids.end, "a new start knows what there was");
    let mut seen = Vec::new();
    read_all(&mut spool, &mut |id, record| seen.push((id, record.to_vec())));
    assert!(seen.ends_with(&expected));
    spool.ack(ids.end).expect("a private directory takes the position");
    assert_eq!((spool.pending(), spool.bytes()), (0, 0), "a spool that is done with is empty");
    found
}

/// Reads to the end; the answer is the range of ids that was passed.
fn read_all(spool: &mut Spool, take: &mut impl FnMut(u64, &[u8])) -> Range<u64> {
    let mut passed: Option<Range<u64>> = None;
    loop {
        let mut before = None;
        let mut inside = Vec::new();
        let range = spool.read(5, 1000, |id, record| {
            assert!(Some(id) > before, "ids rise");
            before = Some(id);
            inside.push(id);
            take(id, record);
        });
        let range = range.expect("a private directory is readable");
        assert!(inside.iter().all(|id| range.contains(id)));
        if let Some(passed) = &passed {
            assert_eq!(passed.end, range.start);
        }
        let start = passed.map_or(range.start, |passed| passed.start);
        passed = Some(start..range.end);
        if range.is_empty() {
            return start..range.end;
        }
    }
}

fn open(directory: &Path) -> Spool {
    let options = SpoolOptions {
        directory: directory.to_owned(),
        limit_bytes: 64 << 20,
        segment_bytes: 4096,
        sync: SyncPolicy::Off,
    };
    Spool::open(options, None).expect("whatever the directory holds, it opens")
}

/// In memory where that is possible: this is about bytes, not about disks.
fn private_directory() -> TempDir {
    let directory = if Path::new("/dev/shm").is_dir() { TempDir::new_in("/dev/shm") } else { TempDir::new() };
    directory.expect("a private directory")
}
