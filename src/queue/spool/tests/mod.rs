//! The spool: its rules one by one, a model of it under random operations, and what it does on a disk that fails.

mod damage;
mod dead_letters;
mod disk;
mod faults;
mod inspect;
mod lock;
mod model;
mod rules;

use super::*;
use std::path::Path;

/// Options for a spool of up to 1 MB in segments of 4 KiB.
fn options(directory: &Path) -> SpoolOptions {
    SpoolOptions { directory: directory.to_owned(), limit_bytes: 1_000_000, segment_bytes: 4096, sync: SyncPolicy::Off }
}

fn open(directory: &Path) -> Spool {
    Spool::open(options(directory), None).unwrap()
}

/// What a process that is killed leaves: nothing is written down any more.
fn kill(spool: Spool) {
    std::mem::forget(spool);
}

/// The same, for tests with many spools: its files are closed, and the directory is put back to what it was.
fn kill_and_close(spool: Spool, directory: &Path) {
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let left: Vec<_> = files.map(|path| (std::fs::read(&path).unwrap(), path)).collect();
    drop(spool);
    for entry in std::fs::read_dir(directory).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    for (bytes, path) in left {
        std::fs::write(path, bytes).unwrap();
    }
}

/// The bytes of record `id` in tests: of varying length, and never twice the same.
fn record(id: u64) -> Vec<u8> {
    let length = 8 + (id as usize * 37) % 300;
    id.to_le_bytes().iter().copied().cycle().take(length).collect()
}

fn append(spool: &mut Spool, count: u64) -> Range<u64> {
    let next = spool.marks().next;
    let records: Vec<_> = (next..next + count).map(record).collect();
    spool.append(records.iter().map(Vec::as_slice)).unwrap()
}

/// Reads to the end; the ids that were handed out, each seen to carry its own record.
fn read_all(spool: &mut Spool) -> Vec<u64> {
    let mut ids = Vec::new();
    let take = |id, bytes: &[u8], ids: &mut Vec<u64>| {
        assert_eq!(bytes, record(id), "record {id}");
        ids.push(id);
    };
    while !spool.read(7, 1000, |id, bytes| take(id, bytes, &mut ids)).unwrap().is_empty() {}
    ids
}

/// The segment files, oldest first.
fn segment_files(directory: &Path) -> Vec<PathBuf> {
    let paths = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut segments: Vec<_> = paths.filter(|path| path.extension().is_some_and(|end| end == "segment")).collect();
    segments.sort();
    segments
}

use std::ops::Range;
