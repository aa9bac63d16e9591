//! Whatever a directory or a file holds, it opens, and what can be read is read.

use super::disk::Disk;
use super::*;
use crate::queue::spool::frame::{HEADER, MAX_RECORD, RECORD, SegmentHeader, encode_record, record_size};
use proptest::prelude::*;

fn open_on(disk: &Disk) -> Spool {
    disk.kill();
    Spool::open_on(disk.files(), options(Path::new("/spool")), None).unwrap()
}

/// A spool of so many records, killed.
fn filled(records: u64) -> Disk {
    let disk = Disk::default();
    append(&mut open_on(&disk), records);
    disk
}

/// The bytes of a segment file with records from 1 on.
fn segment_of(records: &[Vec<u8>]) -> (SegmentHeader, Vec<u8>) {
    let header = SegmentHeader::new(1);
    let mut bytes = Vec::new();
    header.encode(segment::MAGIC, &mut bytes);
    (1..).zip(records).for_each(|(id, record)| encode_record(header.salt, id, record, &mut bytes));
    (header, bytes)
}

fn scanned(bytes: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let mut found = Vec::new();
    scan(bytes, |id, bytes| found.push((id, bytes.to_vec()))).unwrap();
    found
}

#[test]
fn any_one_flipped_bit_costs_at_most_its_record_and_is_counted() {
    let disk = filled(12);
    let segment = disk.segments().remove(0);
    let whole = disk.bytes(&segment);
    let ends: Vec<u64> = (1..13)
        .scan(HEADER as u64, |end, id| {
            *end += record_size(record(id).len());
            Some(*end)
        })
        .collect();
    for bit in 0..whole.len() * 8 {
        disk.damage(&segment, |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
        let hit = match bit / 8 {
            byte if byte < HEADER => 0,
            byte => 1 + ends.iter().filter(|&&end| end <= byte as u64).count() as u64,
        };
        let mut spool = open_on(&disk);
        let mut next = 1;
        let mut read = Vec::new();
        while next < 13 {
            let range = spool.read(1, 1, |id, _| read.push(id)).unwrap();
            assert_eq!(range.start, next);
            assert!(!range.is_empty(), "bit {bit}");
            next = range.end;
        }
        assert_eq!(read, (1..13).filter(|&id| id != hit).collect::<Vec<_>>(), "bit {bit}");
        disk.damage(&segment, |bytes| *bytes = whole.clone());
    }
}

#[test]
fn a_record_with_a_broken_length_is_found_the_end_of() {
    let (_, mut bytes) = segment_of(&[vec![1; 100], vec![2; 100], vec![3; 100]]);
    for length in [0u32, 1, 99, 101, 220, MAX_RECORD as u32, u32::MAX] {
        bytes[HEADER + 4..HEADER + 8].copy_from_slice(&length.to_le_bytes());
        assert_eq!(scanned(&bytes), [(2, vec![2; 100]), (3, vec![3; 100])]);
    }
}

#[test]
fn a_record_inside_a_broken_record_is_not_taken_for_one() {
    // Whoever sends a message can put into it what looks like a record, but does not know the salt.
    let mut trap = Vec::new();
    for id in 1..5 {
        encode_record(0, id, b"not captured", &mut trap);
        encode_record(SegmentHeader::new(1).salt, id, b"not captured", &mut trap);
    }
    let (_, mut bytes) = segment_of(&[trap, vec![2; 10]]);
    bytes[HEADER] ^= 1;
    assert_eq!(scanned(&bytes), [(2, vec![2; 10])]);
}

#[test]
fn an_id_that_cannot_come_here_is_damage() {
    let (header, mut bytes) = segment_of(&[vec![1; 10]]);
    for id in [0, 1, 40, u64::MAX] {
        encode_record(header.salt, id, b"strange", &mut bytes);
    }
    encode_record(header.salt, 2, b"good", &mut bytes);
    assert_eq!(scanned(&bytes), [(1, vec![1; 10]), (2, b"good".to_vec())]);
}

#[test]
fn a_scan_tells_how_many_places_are_damaged() {
    let (_, whole) = segment_of(&[vec![1; 50], vec![2; 50], vec![3; 50]]);
    assert_eq!(scan(&whole, |_, _| {}), Ok(0));
    let mut bytes = whole.clone();
    bytes[HEADER + RECORD + 5] ^= 1;
    assert_eq!(scan(&bytes, |_, _| {}), Ok(1));
    bytes[HEADER + 2 * (RECORD + 50) + 1] ^= 1;
    assert_eq!(scan(&bytes, |_, _| {}), Ok(2));
    assert_eq!(scan(&whole[..whole.len() - 1], |_, _| {}), Ok(1));
    assert_eq!(scan(&whole[..whole.len() - 51 - RECORD + 1], |_, _| {}), Ok(0));
    assert_eq!(scan(&whole[..HEADER - 1], |_, _| {}), Err(HeaderError::Short));
    assert_eq!(scan(&[0; 100], |_, _| {}), Err(HeaderError::Foreign));
}

#[test]
fn files_of_others_are_left_alone() {
    let disk = filled(20);
    let strangers =
        ["README", "1.segment", "00000000000000000000.segment", "99999999999999999999.segment", "position~"];
    strangers.iter().for_each(|name| disk.put(name, b"something else"));
    let mut spool = open_on(&disk);
    assert_eq!(read_all(&mut spool), (1..21).collect::<Vec<_>>());
    spool.ack(21).unwrap();
    drop(spool);
    drop(open_on(&disk));
    assert!(strangers.iter().all(|name| disk.bytes(name) == b"something else"));
}

#[test]
fn what_only_looks_like_a_segment_is_set_aside_and_kept() {
    let disk = filled(20);
    let (header, mut other) = segment_of(&[vec![1; 10]]);
    disk.put("00000000000000000500.segment", &other);
    other.splice(..HEADER, []);
    let mut version = other.clone();
    let mut newer = Vec::new();
    header.encode(segment::MAGIC, &mut newer);
    for copy in newer.chunks_exact_mut(32) {
        copy[8] = 2;
        let check = crc32fast::hash(&copy[..28]).to_le_bytes();
        copy[28..].copy_from_slice(&check);
    }
    version.splice(..0, newer);
    disk.put("00000000000000000600.segment", &version);
    disk.put("00000000000000000700.segment", &[0; 4096]);
    assert_eq!(SegmentHeader::decode(segment::MAGIC, &version), Err(HeaderError::Version(2)));
    for _ in 0..2 {
        let mut spool = open_on(&disk);
        assert_eq!(read_all(&mut spool), (1..21).collect::<Vec<_>>());
        assert_eq!(disk.names().iter().filter(|name| name.ends_with("00.segment.unreadable")).count(), 3);
    }
    assert_eq!(disk.bytes("00000000000000000600.segment.unreadable"), version);
}

#[test]
fn a_segment_without_a_byte_is_removed() {
    let disk = filled(20);
    disk.put("00000000000000000021.segment", &[]);
    disk.put("00000000000000000022.segment", &[1; HEADER - 1]);
    let mut spool = open_on(&disk);
    assert_eq!(disk.segments().len(), 1);
    append(&mut spool, 5);
    assert_eq!(read_all(&mut spool), (1..26).collect::<Vec<_>>());
}

#[test]
fn a_damaged_last_record_is_counted_after_an_end_in_good_order() {
    let disk = Disk::default();
    let mut spool = open_on(&disk);
    append(&mut spool, 5);
    drop(spool);
    disk.damage(&disk.segments()[0], |bytes| *bytes.last_mut().unwrap() ^= 1);
    let mut spool = open_on(&disk);
    assert_eq!(spool.pending(), 5);
    append(&mut spool, 1);
    assert_eq!(read_all(&mut spool), [1, 2, 3, 4, 6]);
}

#[test]
fn records_missing_at_the_front_count_as_lost() {
    let disk = filled(100);
    let segments = disk.segments();
    disk.take(&segments[0]);
    let second = segment::first_of(&segments[1]).unwrap();
    let mut spool = open_on(&disk);
    assert_eq!(spool.pending(), 100);
    assert_eq!(spool.read(1, 1, |id, _| assert_eq!(id, second)).unwrap(), 1..second + 1);
}

#[test]
fn a_position_that_says_nothing_replays_everything() {
    let disk = filled(100);
    let mut spool = open_on(&disk);
    spool.ack(3).unwrap();
    for bytes in [vec![], vec![0xff; 3], vec![0xff; 8192], vec![0; 5000]] {
        disk.take("position");
        disk.put("position", &bytes);
        let mut spool = open_on(&disk);
        assert_eq!(spool.marks(), SpoolMarks { next: 101, acked: 1 });
        assert_eq!(read_all(&mut spool), (1..101).collect::<Vec<_>>());
    }
}

#[test]
fn a_torn_position_falls_back_to_the_one_before() {
    let disk = filled(100);
    let mut spool = open_on(&disk);
    spool.ack(3).unwrap();
    spool.ack(5).unwrap();
    let newest = |disk: &Disk| {
        let bytes = disk.bytes("position");
        if bytes[16..24].iter().rev().gt(bytes[4096 + 16..4096 + 24].iter().rev()) { 0 } else { 4096 }
    };
    let at = newest(&disk);
    disk.damage("position", |bytes| bytes.iter_mut().skip(at + 30).take(1).for_each(|byte| *byte ^= 1));
    assert_eq!(open_on(&disk).marks().acked, 3);
}

#[test]
fn marks_beyond_what_is_there_count_as_lost() {
    let disk = filled(10);
    let mut spool = {
        disk.kill();
        let committed = Some(SpoolMarks { next: 15, acked: 2 });
        Spool::open_on(disk.files(), options(Path::new("/spool")), committed).unwrap()
    };
    assert_eq!(spool.marks(), SpoolMarks { next: 15, acked: 2 });
    assert_eq!(append(&mut spool, 2), 15..17);
    assert_eq!(read_all(&mut spool), [2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 16]);
}

/// Bytes that a fuzzer might come to: good records, broken ones, noise.
fn pieces() -> impl Strategy<Value = Vec<(u8, u64, Vec<u8>)>> {
    let bytes = prop::collection::vec(any::<u8>(), 0..80);
    prop::collection::vec((0u8..6, 0u64..40, bytes), 0..30)
}

fn assemble(pieces: &[(u8, u64, Vec<u8>)]) -> Vec<u8> {
    let (header, mut file) = segment_of(&[]);
    for (id, (kind, number, bytes)) in (1..).zip(pieces) {
        let start = file.len();
        match kind {
            0 => file.extend_from_slice(bytes),
            1 => encode_record(header.salt, *number, bytes, &mut file),
            _ => encode_record(header.salt, id, bytes, &mut file),
        }
        if *kind == 2 {
            let at = start + *number as usize % (file.len() - start);
            file[at] ^= 0x40;
        }
        if *kind == 3 {
            file.truncate(file.len() - (*number as usize).min(file.len() - start));
        }
    }
    file
}

proptest! {
    #[test]
    fn any_bytes_can_be_scanned(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = scan(&bytes, |_, _| {});
        let (_, mut file) = segment_of(&[]);
        file.extend_from_slice(&bytes);
        prop_assert_eq!(scanned(&file), []);
    }

    /// Ids only rise, whole records are found, and the spool reads what a scan finds.
    #[test]
    fn whatever_a_segment_holds_the_good_records_in_it_are_read(pieces in pieces()) {
        let file = assemble(&pieces);
        let found = scanned(&file);
        prop_assert!(found.windows(2).all(|pair| pair[0].0 < pair[1].0), "{found:?}");
        let disk = Disk::default();
        disk.put("00000000000000000001.segment", &file);
        let mut spool = open_on(&disk);
        let mut read = Vec::new();
        while !spool.read(3, 100, |id, bytes| read.push((id, bytes.to_vec()))).unwrap().is_empty() {}
        prop_assert_eq!(&read, &found);
        prop_assert_eq!(spool.marks().next, found.last().map_or(1, |(id, _)| id + 1));
        append(&mut spool, 3);
        prop_assert_eq!(read_all(&mut spool).len(), 3);
    }

    #[test]
    fn whatever_all_files_hold_the_spool_opens_and_works(
        position in prop::collection::vec(any::<u8>(), 0..100),
        first in prop::collection::vec(any::<u8>(), 0..200),
        second in prop::collection::vec(any::<u8>(), 0..200),
        committed in prop::option::of((1u64..100, 1u64..100)),
    ) {
        let disk = Disk::default();
        disk.put("position", &position);
        disk.put("00000000000000000001.segment", &first);
        disk.put("00000000000000000007.segment", &second);
        let committed = committed.map(|(next, acked)| SpoolMarks { next, acked });
        let mut spool = Spool::open_on(disk.files(), options(Path::new("/spool")), committed).unwrap();
        read_all(&mut spool);
        append(&mut spool, 3);
        prop_assert_eq!(read_all(&mut spool).len(), 3);
    }
}
