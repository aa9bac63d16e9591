//! The file `position`: how far a spool's records are done with, written so that no crash can leave less than the one
//! before.

use super::SpoolMarks;
use super::files::{Files, SegmentFile, Source};
use super::frame::ID_LIMIT;
use std::io;

/// Its name.
pub const NAME: &str = "position";
/// Bytes of the file: both slots.
pub(super) const ROOM: usize = APART as usize + SLOT;

const MAGIC: [u8; 8] = *b"SIPCPOS\n";
const VERSION: u32 = 1;
const SLOT: usize = 44;
/// The slots are a page apart: no torn write can hit both.
const APART: u64 = 4096;

/// The open file.
pub(super) struct Position {
    file: Option<Box<dyn SegmentFile>>,
    /// The slot that a crash must leave alone.
    firm: u64,
    sequence: u64,
    dirty: bool,
}

impl Position {
    /// Opens the file and tells what it says; `None` when it says nothing valid. A file that is not there is made by
    /// the first [`Position::write`].
    pub(super) fn open(files: &dyn Files) -> io::Result<(Position, Option<SpoolMarks>)> {
        let file = match files.open(NAME) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok((Position { file: None, firm: 1, sequence: 0, dirty: false }, None));
            }
            Err(error) => return Err(error),
        };
        let Newest { sequence, slot: firm, marks } = newest(&*file);
        Ok((Position { file: Some(file), firm, sequence, dirty: false }, marks))
    }

    /// Writes `marks` into the slot that is not firm. The slot becomes the firm one when it is known to be whole: with
    /// `Firm::Synced` it is brought to the disk first, with `Firm::Unsynced` the caller does not care about power cuts,
    /// and with `Firm::Later` the next write goes into the same slot.
    pub(super) fn write(&mut self, files: &dyn Files, marks: SpoolMarks, firm: Firm) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                let file = match files.create(NAME) {
                    // Left by a first write that failed.
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => files.open(NAME)?,
                    made => made?,
                };
                // Room for both slots is taken now, while there is some: a full disk must not keep records from being
                // let go.
                file.write_all_at(&[0; ROOM], 0)?;
                if firm != Firm::Unsynced {
                    files.sync()?;
                }
                none.insert(file)
            }
        };
        let slot = 1 - self.firm;
        self.sequence += 1;
        file.write_all_at(&encode(self.sequence, marks), slot * APART)?;
        self.dirty = true;
        if firm == Firm::Synced {
            file.sync()?;
        }
        if firm != Firm::Later {
            self.firm = slot;
            self.dirty = false;
        }
        Ok(())
    }

    /// Whether [`Position::sync`] has something to do.
    pub(super) fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// Brings what was written with `Firm::Later` to the disk.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if let Some(file) = self.file.as_ref().filter(|_| self.dirty) {
            file.sync()?;
            self.firm = 1 - self.firm;
            self.dirty = false;
        }
        Ok(())
    }
}

/// The slot that counts.
pub(super) struct Newest {
    sequence: u64,
    slot: u64,
    /// What it says; `None` when neither slot says anything.
    pub marks: Option<SpoolMarks>,
}

/// Reads both slots.
pub(super) fn newest<S: Source + ?Sized>(file: &S) -> Newest {
    let mut newest = Newest { sequence: 0, slot: 1, marks: None };
    for slot in 0..2 {
        let mut bytes = [0; SLOT];
        // A slot that cannot be read is one that says nothing.
        let read = file.read_at(&mut bytes, slot * APART);
        if let Some((sequence, marks)) = read.ok().filter(|&read| read == SLOT).and_then(|_| decode(&bytes))
            && sequence > newest.sequence
        {
            newest = Newest { sequence, slot, marks: Some(marks) };
        }
    }
    newest
}

/// When a slot counts as whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Firm {
    Synced,
    Later,
    Unsynced,
}

fn encode(sequence: u64, marks: SpoolMarks) -> [u8; SLOT] {
    let mut bytes = [0; SLOT];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
    // 12..16 is reserved, 0.
    bytes[16..24].copy_from_slice(&sequence.to_le_bytes());
    bytes[24..32].copy_from_slice(&marks.acked.to_le_bytes());
    bytes[32..40].copy_from_slice(&marks.next.to_le_bytes());
    let check = crc32fast::hash(&bytes[..40]);
    bytes[40..].copy_from_slice(&check.to_le_bytes());
    bytes
}

fn decode(bytes: &[u8; SLOT]) -> Option<(u64, SpoolMarks)> {
    let number = |at: usize| bytes[at..at + 8].iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte));
    let valid = bytes[..8] == MAGIC
        && bytes[8..12] == VERSION.to_le_bytes()
        && bytes[40..] == crc32fast::hash(&bytes[..40]).to_le_bytes();
    let marks = SpoolMarks { acked: number(24), next: number(32) };
    let sane = 1 <= marks.acked && marks.acked <= marks.next && marks.next < ID_LIMIT;
    (valid && sane).then_some((number(16), marks))
}
