//! Dead letters: a writer, a tool, and both at once.

use super::disk::{Act, Disk, Fault};
use crate::queue::spool::dead_letter::{DeadLetters, Entry, FILE_BYTES, LetterFile, ReadError, Taken, list, read_file};
use crate::queue::spool::files::{Directory, Files, SegmentFile};
use crate::queue::spool::{AppendError, MAX_RECORD};
use proptest::prelude::*;
use rustix::io::Errno;
use std::cell::Cell;
use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

const LIMIT: u64 = 1 << 30;

fn entry(number: u32) -> Entry<'static> {
    Entry {
        time_us: 1_767_225_600_000_000 + i64::from(number),
        sink: "postgres://homer@127.0.0.1/homer".into(),
        table: format!("sip_capture_{}", number % 3).into(),
        reason: "value too long for type character varying(64)".into(),
        capture: number.to_le_bytes().repeat(20).into(),
    }
}

fn append(letters: &mut DeadLetters, numbers: std::ops::Range<u32>) {
    for number in numbers {
        letters.append(&entry(number)).unwrap();
    }
}

/// The numbers of the entries in a file; panics when anything is damaged.
fn numbers(path: &Path) -> Vec<u32> {
    let number = |read: Result<Entry<'_>, ReadError>| {
        let read = read.unwrap();
        let number = u32::from_le_bytes(read.capture[..4].try_into().unwrap());
        assert_eq!(read, entry(number));
        number
    };
    read_file(path).unwrap().map(number).collect()
}

fn paths(directory: &Path) -> Vec<PathBuf> {
    list(directory).unwrap().into_iter().map(|file| file.path).collect()
}

fn all_numbers(directory: &Path) -> Vec<u32> {
    paths(directory).iter().flat_map(|path| numbers(path)).collect()
}

#[test]
fn letters_are_read_as_they_were_written() {
    let directory = tempfile::tempdir().unwrap();
    let mut letters = DeadLetters::open(&directory.path().join("dead-letter"), LIMIT).unwrap();
    append(&mut letters, 0..100);
    let files = list(&directory.path().join("dead-letter")).unwrap();
    let [LetterFile { path, bytes }] = &files[..] else { panic!("{files:?}") };
    assert_eq!(*bytes, letters.bytes());
    assert_eq!(numbers(path), (0..100).collect::<Vec<_>>());
}

#[test]
fn a_directory_that_is_not_there_holds_no_letters() {
    assert_eq!(list(Path::new("/nowhere/at/all")).unwrap(), []);
}

#[test]
fn each_writer_has_its_own_file() {
    let directory = tempfile::tempdir().unwrap();
    let mut one = DeadLetters::open(directory.path(), LIMIT).unwrap();
    let mut other = DeadLetters::open(directory.path(), LIMIT).unwrap();
    for turn in 0..10 {
        append(&mut one, turn * 2..turn * 2 + 1);
        append(&mut other, turn * 2 + 1..turn * 2 + 2);
    }
    let files = paths(directory.path());
    assert_eq!(files.len(), 2);
    assert_eq!(numbers(&files[0]), (0..10).map(|turn| turn * 2).collect::<Vec<_>>());
    assert_eq!(numbers(&files[1]), (0..10).map(|turn| turn * 2 + 1).collect::<Vec<_>>());
}

#[test]
fn a_file_that_is_taken_is_left_behind_and_its_writer_never_waits() {
    let directory = tempfile::tempdir().unwrap();
    let mut letters = DeadLetters::open(directory.path(), LIMIT).unwrap();
    append(&mut letters, 0..5);
    let taken = Taken::take(&paths(directory.path())[0]).unwrap().unwrap();
    append(&mut letters, 5..8);
    let read = taken.entries().unwrap().collect::<Result<Vec<_>, _>>().unwrap();
    assert_eq!(read, (0..5).map(entry).collect::<Vec<_>>());
    assert_eq!(taken.finish(|_, _| false).unwrap(), 0);
    append(&mut letters, 8..9);
    assert_eq!(all_numbers(directory.path()), [5, 6, 7, 8]);
}

#[test]
fn a_file_that_was_taken_between_two_letters_is_not_written_to() {
    let directory = tempfile::tempdir().unwrap();
    let mut letters = DeadLetters::open(directory.path(), LIMIT).unwrap();
    append(&mut letters, 0..4);
    let taken = Taken::take(&paths(directory.path())[0]).unwrap().unwrap();
    assert_eq!(taken.finish(|number, _| number % 2 == 1).unwrap(), 2);
    append(&mut letters, 4..6);
    assert_eq!(all_numbers(directory.path()), [1, 3, 4, 5]);
}

#[test]
fn a_file_that_was_looked_at_and_given_back_is_written_on() {
    let directory = tempfile::tempdir().unwrap();
    let mut letters = DeadLetters::open(directory.path(), LIMIT).unwrap();
    append(&mut letters, 0..4);
    drop(Taken::take(&paths(directory.path())[0]).unwrap().unwrap());
    append(&mut letters, 4..6);
    assert_eq!(paths(directory.path()).len(), 1);
    assert_eq!(all_numbers(directory.path()), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn two_tools_do_not_take_the_same_file() {
    let directory = tempfile::tempdir().unwrap();
    let mut letters = DeadLetters::open(directory.path(), LIMIT).unwrap();
    append(&mut letters, 0..4);
    let path = paths(directory.path()).remove(0);
    let first = Taken::take(&path).unwrap().unwrap();
    assert!(Taken::take(&path).unwrap().is_none(), "the first tool has it");
    first.finish(|_, _| false).unwrap();
    assert!(Taken::take(&path).unwrap().is_none(), "it is gone");
}

#[test]
fn what_a_tool_that_died_was_writing_is_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let mut letters = DeadLetters::open(directory.path(), LIMIT).unwrap();
    append(&mut letters, 0..4);
    let path = paths(directory.path()).remove(0);
    let new = path.with_extension("letters.new");
    std::fs::write(&new, b"half of it").unwrap();
    assert_eq!(paths(directory.path()), std::slice::from_ref(&path), "only whole files are listed");
    Taken::take(&path).unwrap().unwrap().finish(|number, _| number == 2).unwrap();
    assert_eq!(all_numbers(directory.path()), [2]);
    assert!(!new.exists());
}

#[test]
fn an_empty_file_is_removed_when_it_is_taken() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("00001767225600000000-1.letters");
    std::fs::write(&path, b"").unwrap();
    let taken = Taken::take(&path).unwrap().unwrap();
    assert!(matches!(taken.entries(), Err(ReadError::Header { .. })));
    assert_eq!(taken.finish(|_, _| true).unwrap(), 0);
    assert!(!path.exists());
}

#[test]
fn a_file_of_something_else_is_refused_and_stays() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notes.letters");
    std::fs::write(&path, "Dear operator, ".repeat(10)).unwrap();
    let error = read_file(&path).err().unwrap();
    assert!(error.to_string().contains("notes.letters is no file of dead letters"), "{error}");
    assert!(Taken::take(&path).unwrap().unwrap().finish(|_, _| false).is_err());
    assert!(path.exists());
}

#[test]
fn a_damaged_letter_is_told_of_and_the_others_are_read() {
    let directory = tempfile::tempdir().unwrap();
    let mut letters = DeadLetters::open(directory.path(), LIMIT).unwrap();
    append(&mut letters, 0..3);
    let path = paths(directory.path()).remove(0);
    let whole = std::fs::read(&path).unwrap();
    let third = (whole.len() - 64) / 3;
    for (letter, expected) in [(0, "no, 1, 2"), (1, "0, no, 2"), (2, "0, 1, no")] {
        for at in [0, 5, 9, 17, 30] {
            let mut bytes = whole.clone();
            bytes[64 + letter * third + at] ^= 0x10;
            std::fs::write(&path, &bytes).unwrap();
            let read = read_file(&path).unwrap().map(|entry| match entry {
                Ok(entry) => entry.capture[0].to_string(),
                Err(ReadError::Lost { entries: 1, .. } | ReadError::Torn { .. }) => "no".to_owned(),
                Err(error) => panic!("{error}"),
            });
            assert_eq!(read.collect::<Vec<_>>().join(", "), expected, "letter {letter}, byte {at}");
        }
    }
}

#[test]
fn the_limit_holds_for_all_writers_and_room_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    let limit = 20_000;
    let mut one = DeadLetters::open(directory.path(), limit).unwrap();
    append(&mut one, 0..50);
    let mut other = DeadLetters::open(directory.path(), limit).unwrap();
    let full = (0..).find_map(|number| other.append(&entry(number)).err()).unwrap();
    assert!(matches!(full, AppendError::Full { limit: 20_000, .. }), "{full}");
    let bytes = || list(directory.path()).unwrap().iter().map(|file| file.bytes).sum::<u64>();
    assert!(bytes() <= limit && bytes() > limit - 500, "{}", bytes());
    let full = (0..).find_map(|number| one.append(&entry(number)).err()).unwrap();
    assert!(matches!(full, AppendError::Full { .. }), "{full}");
    assert!(bytes() <= limit + limit / 16, "{}", bytes());
    let first = paths(directory.path()).remove(0);
    Taken::take(&first).unwrap().unwrap().finish(|_, _| false).unwrap();
    // What was full a moment ago is not looked at again for each letter.
    for letters in [&mut one, &mut other] {
        let started = std::time::Instant::now();
        while letters.append(&entry(51)).is_err() {
            assert!(started.elapsed().as_secs() < 30, "the room is not found");
        }
    }
}

#[test]
fn a_full_file_is_followed_by_the_next() {
    let directory = tempfile::tempdir().unwrap();
    let mut letters = DeadLetters::open(directory.path(), LIMIT).unwrap();
    let large = Entry { capture: vec![1; 900_000].into(), ..entry(0) };
    for _ in 0..40 {
        letters.append(&large).unwrap();
    }
    let files = list(directory.path()).unwrap();
    assert_eq!(files.len(), 3);
    assert!(files.iter().all(|file| file.bytes <= FILE_BYTES + 1000), "{files:?}");
    let kept: usize = files.iter().map(|file| read_file(&file.path).unwrap().filter(Result::is_ok).count()).sum();
    assert_eq!(kept, 40);
    let refused = letters.append(&Entry { capture: vec![1; MAX_RECORD].into(), ..entry(0) }).unwrap_err();
    assert!(matches!(refused, AppendError::TooLarge { .. }), "{refused}");
}

#[test]
fn a_rewrite_of_many_large_letters_keeps_the_chosen_ones() {
    let directory = tempfile::tempdir().unwrap();
    let mut letters = DeadLetters::open(directory.path(), LIMIT).unwrap();
    for number in 0..15u32 {
        let capture = number.to_le_bytes().repeat(200_000).into();
        letters.append(&Entry { capture, ..entry(number) }).unwrap();
    }
    let path = paths(directory.path()).remove(0);
    assert_eq!(Taken::take(&path).unwrap().unwrap().finish(|number, _| number % 3 == 0).unwrap(), 5);
    let read = read_file(&path).unwrap().map(|read| read.unwrap().capture[0]);
    assert_eq!(read.collect::<Vec<_>>(), [0, 3, 6, 9, 12]);
}

#[test]
fn what_is_left_of_a_file_keeps_its_owner() {
    let directory = tempfile::tempdir().unwrap();
    let mut letters = DeadLetters::open(directory.path(), LIMIT).unwrap();
    append(&mut letters, 0..4);
    let path = paths(directory.path()).remove(0);
    // Only root can give files away; anybody else is their owner anyway.
    let own = std::fs::metadata(&path).unwrap();
    let owner = if own.uid() == 0 { (65_534, 65_533) } else { (own.uid(), own.gid()) };
    chown(&path, Some(owner.0), Some(owner.1)).unwrap();
    Taken::take(&path).unwrap().unwrap().finish(|number, _| number == 2).unwrap();
    let left = std::fs::metadata(&path).unwrap();
    assert_eq!((left.uid(), left.gid(), left.mode() & 0o777), (owner.0, owner.1, 0o600));
    assert_eq!(all_numbers(directory.path()), [2]);
}

/// A directory in which a tool removes each file that is still empty, at the worst moment, a few times.
struct Raced {
    directory: Directory,
    times: Cell<u32>,
}

impl Files for Raced {
    fn list(&self) -> io::Result<Vec<(String, Option<u64>)>> {
        self.directory.list()
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn SegmentFile>> {
        self.directory.open(name)
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn SegmentFile>> {
        let file = self.directory.create(name)?;
        if self.times.get() > 0 {
            self.times.set(self.times.get() - 1);
            self.directory.remove(name)?;
        }
        Ok(file)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.directory.remove(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.directory.rename(from, to)
    }

    fn sync(&self) -> io::Result<()> {
        self.directory.sync()
    }
}

#[test]
fn a_file_that_is_removed_before_it_is_locked_is_not_written_to() {
    let directory = tempfile::tempdir().unwrap();
    let raced = Raced { directory: Directory::make(directory.path()).unwrap(), times: Cell::new(2) };
    let mut letters = DeadLetters::open_on(Box::new(raced), directory.path(), LIMIT).unwrap();
    append(&mut letters, 0..2);
    assert_eq!(all_numbers(directory.path()), [0, 1]);
}

#[test]
fn a_letter_that_cannot_be_written_is_an_error_and_the_next_one_is_written() {
    let disk = Disk::default();
    let mut letters = DeadLetters::open_on(disk.files(), Path::new("/letters"), LIMIT).unwrap();
    let count = |disk: &Disk| disk.names().iter().map(|name| disk.bytes(name).len()).sum::<usize>();
    for before in [0, 1, 5] {
        append(&mut letters, 0..before);
        let used = count(&disk);
        disk.set_capacity(Some(used + 100));
        let full = letters.append(&entry(9)).unwrap_err();
        assert!(matches!(full, AppendError::Io(_)) && full.to_string().contains("/letters/"), "{full}");
        assert_eq!(count(&disk), used);
        disk.set_capacity(None);
    }
    // A file that cannot be cut back is left; its torn end is told of.
    disk.fail(Act::Write, [Fault::Torn(70)]);
    disk.fail(Act::SetSize, [Fault::Error(Errno::IO)]);
    assert!(letters.append(&entry(9)).is_err());
    append(&mut letters, 0..3);
    assert_eq!(disk.names().len(), 2);
    disk.fail(Act::Create, [Fault::Error(Errno::ACCESS)]);
    disk.fail(Act::Write, [Fault::Error(Errno::IO)]);
    disk.fail(Act::SetSize, [Fault::Error(Errno::IO)]);
    assert!(letters.append(&entry(9)).is_err());
    assert!(letters.append(&entry(9)).is_err(), "no file can be made");
    append(&mut letters, 0..1);
}

#[test]
fn texts_beyond_their_length_field_are_cut_at_a_character() {
    let directory = tempfile::tempdir().unwrap();
    let mut letters = DeadLetters::open(directory.path(), LIMIT).unwrap();
    letters.append(&Entry { reason: "ä".repeat(40_000).into(), ..entry(0) }).unwrap();
    let read = read_file(&paths(directory.path())[0]).unwrap().next().unwrap().unwrap();
    assert_eq!(read.reason, "ä".repeat(32_767));
    assert_eq!((read.table, read.capture), (entry(0).table, entry(0).capture));
}

/// A tool takes whatever it finds, again and again, while two writers append: every letter is taken once.
#[test]
fn a_tool_beside_running_writers_takes_every_letter_once() {
    let directory = tempfile::tempdir().unwrap();
    let write = |numbers: std::ops::Range<u32>| {
        let mut letters = DeadLetters::open(directory.path(), LIMIT).unwrap();
        append(&mut letters, numbers);
    };
    let take = || {
        let mut sent = Vec::new();
        for path in paths(directory.path()) {
            if let Some(taken) = Taken::take(&path).unwrap() {
                // Made by a writer that has not locked it yet: there is nothing to send.
                if let Ok(entries) = taken.entries() {
                    sent.extend(entries.map(|read| u32::from_le_bytes(read.unwrap().capture[..4].try_into().unwrap())));
                }
                taken.finish(|_, _| false).unwrap();
            }
        }
        sent
    };
    let mut sent = std::thread::scope(|scope| {
        let writers = [scope.spawn(|| write(0..2000)), scope.spawn(|| write(2000..4000))];
        let mut sent = Vec::new();
        while writers.iter().any(|writer| !writer.is_finished()) {
            sent.extend(take());
        }
        sent
    });
    sent.extend(take());
    sent.sort_unstable();
    assert_eq!(sent, (0..4000).collect::<Vec<_>>());
}

proptest! {
    #[test]
    fn any_bytes_decode_to_an_entry_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(entry) = Entry::decode(&bytes) {
            prop_assert!(entry.capture.len() + 16 <= bytes.len());
        }
    }
}
