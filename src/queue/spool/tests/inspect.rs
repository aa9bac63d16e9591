//! A look from outside sees what the spool itself knows, and changes nothing.

use super::*;
use crate::queue::spool::LockHolder;
use std::collections::BTreeMap;
use std::fs;

fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(directory).unwrap().map(Result::unwrap);
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}

fn look(directory: &Path) -> Contents {
    let before = files(directory);
    let contents = inspect(directory).unwrap();
    assert_eq!(files(directory), before);
    contents
}

#[test]
fn records_are_counted_from_the_position_on_to_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path();
    let mut spool = open(place);
    assert_eq!(look(place), Contents::default());
    append(&mut spool, 200);
    for acked in [1, 2, 150, 200] {
        spool.ack(acked).unwrap();
        let contents = look(place);
        assert_eq!((contents.records, contents.bytes), (spool.pending(), spool.bytes()));
        assert_eq!((contents.first, contents.last), (Some(record(acked)), Some(record(200))));
    }
    spool.ack(201).unwrap();
    assert_eq!(look(place), Contents::default());
    drop(spool);
    assert_eq!(look(place), Contents::default());
}

#[test]
fn a_torn_end_and_damage_are_stepped_over_and_left_as_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path();
    let mut spool = open(place);
    append(&mut spool, 10);
    drop(spool);
    let [segment] = &segment_files(place)[..] else { panic!("one segment is enough") };
    let mut bytes = fs::read(segment).unwrap();
    // Within the first record's bytes, and within the last one.
    bytes[100] ^= 1;
    bytes.truncate(bytes.len() - 5);
    fs::write(segment, &bytes).unwrap();
    fs::write(place.join("00000000000000000400.segment.unreadable"), "x").unwrap();
    let contents = look(place);
    assert_eq!((contents.records, contents.set_aside), (10, 1));
    assert_eq!((contents.first, contents.last), (Some(record(2)), Some(record(9))));
}

#[test]
fn the_holder_of_a_lock_is_named_for_as_long_as_it_holds_it() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path();
    assert_eq!(lock_holder(place).unwrap(), None);
    let lock = DirectoryLock::take(place, |_| false).unwrap();
    assert_eq!(lock_holder(place).unwrap(), Some(Some(LockHolder::this_process())));
    drop(lock);
    assert_eq!(lock_holder(place).unwrap(), None);
    assert!(DirectoryLock::take(place, |_| false).is_ok());
}
