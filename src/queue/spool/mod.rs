//! The spool: what one sink cannot take now, kept on disk in order until it can. And beside it, with the same byte
//! form, the [`dead_letter`] files.
//!
//! A library of its own: it knows neither captures nor sinks, its records are bytes. The writer owns one [`Spool`] for
//! each sink and calls it from one thread; a [`DirectoryLock`] keeps other instances out of its directory. The
//! operator's tool reads dead letters.
//!
//! # What it must do
//! * Take 20,000 records a second of a thousand bytes each, and give them back as fast, while both go on at once.
//! * Lose nothing that it has accepted, as far as its [`SyncPolicy`] says; and where a disk loses something
//!   nevertheless, say how many.
//! * Never stop a server: whatever the directory holds, it opens; whatever the disk does, it answers.
//!
//! # Directory
//! ```text
//! lock                            of a DirectoryLock: tells the process that uses the directory (see LockHolder)
//! position                        how far the records are done with
//! 00000000000000000001.segment    records from id 1 on
//! 00000000000000004711.segment    records from id 4711 on: new ones are appended to the last segment
//! *.unreadable                    named like a segment and yet none: set aside when the spool was opened and kept
//! ```
//!
//! # On disk (integers little-endian)
//! ```text
//! segment    header | record | record | ...
//! header     two copies of                                  one of them is enough
//!             0   8  magic "SIPCSPL\n" (dead letters: "SIPCDLT\n")
//!             8   4  version, 1
//!            12   4  salt, a random number
//!            16   8  id of the first record
//!            24   4  reserved, 0
//!            28   4  CRC-32 of the 28 bytes before
//! record      0   4  CRC-32 of the next 12 bytes, begun with the salt
//!             4   4  length of the bytes, at most 1 MiB
//!             8   8  id: that of the record before, plus 1
//!            16   4  CRC-32 of the bytes, begun with the check at 0, so that it covers length and id too
//!            20      the bytes
//!
//! position   slot at 0 | slot at 4096
//! slot        0   8  magic "SIPCPOS\n"
//!             8   4  version, 1
//!            12   4  reserved, 0
//!            16   8  sequence number of the write: of two good slots the higher one counts
//!            24   8  acked: all records below this id are done with
//!            32   8  next: ids below this had been given out
//!            40   4  CRC-32 of the 40 bytes before
//! ```
//! The header of a record has a check of its own, so that its length can be trusted where its bytes cannot. The salt is
//! there because records carry what strangers send: nobody can put bytes into a message that a walk through damage
//! would take for a record.
//!
//! # Rules
//! **Ids** start at 1 and follow one another without holes. What is lost shows as a hole and is counted by it, exactly:
//! [`Spool::pending`] is a difference of ids, and [`Spool::read`] answers the range of ids that it has passed, whether
//! it could hand each out or not.
//!
//! **Writing.** An append is laid out in memory and written with one call for each segment it touches, one as a rule. A
//! segment that would grow beyond `segment_bytes` is left and a new one begun; a record longer than that gets a segment
//! of its own. Under [`SyncPolicy::Batch`] the file, and for a new segment the directory, is on the disk before the
//! append returns. When anything fails, the file is cut back to where it was and new segments are removed: nothing has
//! happened. When cutting back fails too, the segment is not written to any more and cutting is tried again later; a
//! reader stops at the id at which the next segment starts, so what is left over behind it is never read. Only if
//! cutting fails until the process ends, and no segment follows, may records of a refused batch come back.
//!
//! **Reading** goes on from a cursor, through a window of 256 KiB. Damage is stepped over: a record whose header is
//! good and whose bytes are not is skipped whole; bytes that are no header are skipped one by one until a header fits,
//! with an id that can come here; a segment that is gone is skipped to the next. Any one flipped bit costs at most one
//! record. A disk that cannot read is asked three times, with an error to the caller each time; then the 4 KiB blocks
//! that it cannot give count as damage.
//!
//! **Acknowledging** moves the mark below which records are done with, writes it to `position`, and removes the
//! segments wholly below it, the last one too: of an idle spool only `position` is left. The mark is on the disk before
//! a segment goes (but for `Off`), otherwise a power cut could make acknowledged records look lost. On a full disk the
//! segments go first, since nothing could be written otherwise. A write to `position` spares the slot that was last
//! known to be whole.
//!
//! **Opening** reads every segment's header and walks through the last segment. Its end is cut off behind the last good
//! record: that is where a crash has torn a write. With the marks that a predecessor of the same server run had
//! committed, records that it had appended after that are cut off as well: what they were made of is still queued
//! elsewhere and will be appended again. Without them, `next` is never below what `position` says, and what is missing
//! in between counts as lost. A record that a crash has torn was never accepted and is not counted; of a batch that a
//! power cut has torn, what is whole is kept, and a hole in it counts as lost.
//!
//! **The limit** bounds the segments' sizes together, and is checked before anything is written. Several spools can
//! share one: each is told what the others have taken of it ([`Spool::leave_room`]).
//!
//! **After a power cut**, under `Batch` everything that was accepted is there. Under `Interval`, where a thread does
//! the syncs (see `lazy.rs`) so that appends never wait for a busy disk, what was appended since the last sync may be
//! gone, and what was acknowledged since then may come again. Under `Off` anything unread may be gone or damaged, and
//! acknowledged records may come again or count as lost.

mod ack;
mod append;
pub mod dead_letter;
mod error;
mod files;
mod frame;
mod holder;
mod inspect;
mod lazy;
mod lock;
mod position;
mod read;
mod recover;
mod segment;
#[cfg(test)]
mod tests;

pub use error::{AppendError, SpoolError};
pub use frame::{HeaderError, MAX_RECORD};
pub use holder::LockHolder;
pub use inspect::{Contents, inspect, lock_holder};
pub use lock::{DirectoryLock, LockError};
pub use position::NAME as POSITION;

pub use files::OnDisk;
#[cfg(test)]
pub(crate) use files::SYNCS;
use files::{Files, SegmentFile};
use position::Position;
use read::SegmentReader;
use segment::Segment;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// When appended records are brought to the disk (fdatasync), which only a power cut or a crash of the kernel can tell
/// apart: a process that dies loses nothing in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncPolicy {
    /// Before each append and each acknowledgement returns.
    Batch,
    /// At most so long after it, provided that [`Spool::tick`] or [`Spool::append`] is called.
    Interval(Duration),
    /// When the kernel likes.
    Off,
}

/// Where a spool lives and how large it may grow.
#[derive(Clone, Debug)]
pub struct SpoolOptions {
    /// Its own directory, made when missing.
    pub directory: PathBuf,
    /// Most bytes of all segments together.
    pub limit_bytes: u64,
    /// Bytes at which a new segment is begun. At most a quarter of `limit_bytes` is used, since room comes back by
    /// whole segments.
    pub segment_bytes: u64,
    /// When to sync.
    pub sync: SyncPolicy,
}

/// How far a spool is written and done with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpoolMarks {
    /// Id that the next record gets. Ids start at 1; 0 while the spool was not opened in this run of the server.
    pub next: u64,
    /// All records below this id are done with.
    pub acked: u64,
}

/// One sink's overflow on disk. See the module comment.
pub struct Spool {
    files: Box<dyn Files>,
    options: SpoolOptions,
    position: Position,
    segments: VecDeque<Segment>,
    /// The last segment's file; `None` when the next append must begin a new segment.
    active: Option<Box<dyn SegmentFile>>,
    marks: SpoolMarks,
    reader: SegmentReader,
    buffer: Vec<u8>,
    /// Since when something in the last segment or in `position` is not known to be on the disk; for `Interval` alone.
    unsynced: Option<Instant>,
    /// New segments of failed appends that could not be removed either.
    strays: Vec<String>,
    /// Whether the marks are not written down, or what they let go of is not removed.
    unsettled: bool,
    /// Whether the owner says when to wait for the position to be on the disk, and whether that is due.
    defers: bool,
    position_due: bool,
    /// Whether the last wait for it failed and was logged.
    position_failed: bool,
    /// Bytes of the limit that belong to others.
    taken: u64,
    /// Whether the last attempt to remove a segment failed and was logged.
    stuck: bool,
    /// Answers of [`Spool::bring_to_disk`] of which nothing was known yet.
    handed: Vec<OnDisk>,
}

impl Spool {
    /// How far it has come; what a writer commits together with its lanes.
    pub fn marks(&self) -> SpoolMarks {
        self.marks
    }

    /// Records that are not done with, those included that cannot be read any more.
    pub fn pending(&self) -> u64 {
        self.marks.next - self.marks.acked
    }

    /// Bytes of all segments on disk.
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.size + segment.excess).sum()
    }

    /// Others have taken this much of the limit, bytes: appends leave it to them from now on.
    pub fn leave_room(&mut self, taken: u64) {
        self.taken = taken;
    }

    /// Syncs what has waited for its interval, and tries again what could not be cut or removed. For the owner's main
    /// loop, about once a second or, with a shorter interval, that often.
    pub fn tick(&mut self) {
        self.tend();
        self.sync_when_due();
    }

    /// With [`SyncPolicy::Interval`], lets nothing but [`Spool::sync_position`], and an append that needs the room,
    /// wait for the position to be on the disk. Until then segments stay that are done with.
    pub fn defer_position(&mut self) {
        self.defers = self.interval().is_some();
    }

    /// Whether [`Spool::sync_position`] is due.
    pub fn is_position_due(&self) -> bool {
        self.position_due
    }

    /// Waits until the position is on the disk, and removes the segments that it lets go of.
    pub fn sync_position(&mut self) {
        self.position_due = false;
        match self.position.sync() {
            Ok(()) => {
                self.position_failed = false;
                self.unsettled |= !self.let_go();
            }
            Err(error) => {
                // It is written again, as long as a segment waits for it.
                self.unsettled |= self.first_is_done();
                if !std::mem::replace(&mut self.position_failed, true) {
                    self.log_unsynced(&error);
                }
            }
        }
    }

    /// Asks for what was appended to be brought to the disk now. The answer tells when it is there, as far as the
    /// [`SyncPolicy`] asks for that at all, or that it may never be: then it is to be appended once more, which begins
    /// a new segment.
    pub fn bring_to_disk(&mut self) -> OnDisk {
        if self.interval().is_some()
            && let Some(Err(error)) = self.active.as_ref().map(|file| file.sync())
        {
            self.log_unsynced(&error);
        }
        let mark = self.files.mark();
        self.handed.push(mark.clone());
        mark
    }

    /// Ends a spool whose directory is about to go: nothing waits for the disk.
    pub fn discard(mut self) {
        self.options.sync = SyncPolicy::Off;
        self.let_go();
    }

    fn interval(&self) -> Option<Duration> {
        if let SyncPolicy::Interval(interval) = self.options.sync { Some(interval) } else { None }
    }

    fn note_unsynced(&mut self) {
        if self.interval().is_some() {
            self.unsynced.get_or_insert_with(Instant::now);
        }
    }

    fn sync_when_due(&mut self) {
        if let (Some(interval), Some(since)) = (self.interval(), self.unsynced)
            && since.elapsed() >= interval
        {
            self.sync_now();
        }
    }

    /// Brings the last segment and the position to the disk.
    fn sync_now(&mut self) {
        self.unsynced = None;
        self.position_due |= self.defers && self.position.is_dirty();
        let segment = self.active.as_ref().map_or(Ok(()), |file| file.sync());
        let synced = segment.and_then(|()| if self.defers { Ok(()) } else { self.position.sync() });
        if let Err(error) = synced {
            // The kernel has dropped what it could not write, so asking again would only hear that all is well.
            self.log_unsynced(&error);
        }
    }

    fn log_unsynced(&self, error: &std::io::Error) {
        log::error!("cannot bring the spool in {} to the disk: {error}", self.options.directory.display());
    }

    fn error(&self, act: &'static str, name: &str, source: std::io::Error) -> SpoolError {
        SpoolError::new(act, self.options.directory.join(name), source)
    }
}

impl std::fmt::Debug for Spool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut spool = f.debug_struct("Spool");
        spool.field("directory", &self.options.directory).field("marks", &self.marks).field("bytes", &self.bytes());
        spool.finish_non_exhaustive()
    }
}

impl Drop for Spool {
    /// Writes down how far it has come, so that even a damaged last record is counted by the next one to open it.
    fn drop(&mut self) {
        if self.persist(false).is_ok() && self.interval().is_some() {
            self.sync_now();
            if self.defers {
                self.sync_position();
            }
        }
    }
}

/// Walks through `bytes` as through the file of one segment, handing each good record to `take`: the very walk that
/// recovers and reads segments. Returns how many damaged places it has stepped over.
pub fn scan(bytes: &[u8], mut take: impl FnMut(u64, &[u8])) -> Result<u64, HeaderError> {
    let mut walk = frame::Walk::new(frame::SegmentHeader::decode(segment::MAGIC, bytes)?);
    // Reading from memory cannot fail.
    while let Ok(Some(found)) = walk.next(&bytes, bytes.len() as u64, frame::ID_LIMIT) {
        take(found.id, walk.bytes(&found));
    }
    Ok(walk.damaged())
}
