//! Reading on from the cursor, past whatever is damaged or gone.

use super::files::{SegmentFile, Source};
use super::frame::{Found, Walk};
use super::segment::Segment;
use super::{Spool, SpoolError};
use rustix::io::Errno;
use std::cell::Cell;
use std::collections::VecDeque;
use std::io;
use std::ops::Range;

/// How often a read that fails is answered with the error before the blocks count as damaged.
const PATIENCE: u32 = 3;
/// What a disk fails to read is given up in blocks of this size, bytes.
const BLOCK: usize = 4096;
/// Most places that are remembered for going back.
const PLACES: usize = 1024;

/// The place where reads go on.
pub(super) struct SegmentReader {
    /// Id of the next record to hand out.
    cursor: u64,
    open: Option<Open>,
    /// Where records start that a call has ended before: [`Spool::rewind`] need not walk through their segment again.
    places: VecDeque<ReadPosition>,
    /// Reads that have failed one after the other.
    failures: u32,
    /// First id of the last segment that a loss was logged of.
    logged: u64,
}

struct Open {
    first: u64,
    file: Box<dyn SegmentFile>,
    walk: Walk,
    /// Whether blocks that cannot be read count as damaged.
    patching: bool,
}

#[derive(Clone, Copy)]
struct ReadPosition {
    id: u64,
    segment: u64,
    offset: u64,
}

impl SegmentReader {
    pub(super) fn new(cursor: u64) -> SegmentReader {
        SegmentReader { cursor, open: None, places: VecDeque::new(), failures: 0, logged: 0 }
    }

    /// Forgets what no rewind can ask for any more.
    pub(super) fn acked(&mut self, acked: u64) {
        self.cursor = self.cursor.max(acked);
        while self.places.get(1).is_some_and(|second| second.id <= acked) {
            self.places.pop_front();
        }
    }

    /// Closes the file of a segment that is removed, so that the disk gets its room back.
    pub(super) fn removed(&mut self, first: u64) {
        self.open.take_if(|open| open.first == first);
    }

    fn remember(&mut self) {
        if let Some(open) = self.open.as_ref().filter(|_| self.places.len() < PLACES) {
            self.places.push_back(ReadPosition { id: self.cursor, segment: open.first, offset: open.walk.offset() });
        }
    }
}

impl Spool {
    /// Reads on from the cursor: hands up to `records` records (at least one) of together about `bytes` bytes to
    /// `take`, each with its id, and moves the cursor. Answers the ids that it has passed; those that were not handed
    /// out are lost. An empty range means that there is nothing more to read now.
    ///
    /// An error means that the disk did not answer; the cursor is where it was. Calling again three times gets past it,
    /// at a loss.
    pub fn read(
        &mut self,
        records: usize,
        bytes: usize,
        mut take: impl FnMut(u64, &[u8]),
    ) -> Result<Range<u64>, SpoolError> {
        let start = self.reader.cursor;
        let (mut handed, mut size) = (0, 0);
        while handed == 0 || (handed < records && size < bytes) {
            match self.next_record() {
                Ok(Some(found)) => {
                    let Some(open) = &self.reader.open else { break };
                    let record = open.walk.bytes(&found);
                    take(found.id, record);
                    handed += 1;
                    size += record.len();
                    self.reader.cursor = found.id + 1;
                }
                Ok(None) => break,
                // What is read counts; the error will come again.
                Err(_) if self.reader.cursor > start => break,
                Err(error) => return Err(error),
            }
        }
        if handed > 0 {
            self.reader.remember();
        }
        Ok(start..self.reader.cursor)
    }

    /// Moves the read cursor back to the first record that is not done with.
    pub fn rewind(&mut self) {
        let acked = self.marks.acked;
        self.reader.cursor = acked;
        self.reader.open = None;
        self.reader.places.retain(|place| place.id <= acked);
    }

    /// Finds the next record at or behind the cursor. The cursor moves over what is lost before it.
    fn next_record(&mut self) -> Result<Option<Found>, SpoolError> {
        loop {
            let cursor = self.reader.cursor;
            let after = self.segments.partition_point(|segment| segment.first() <= cursor);
            let index = after.saturating_sub(1);
            let Some(segment) = self.segments.get(index) else {
                self.lose(cursor, self.marks.next, 0);
                return Ok(None);
            };
            let (first, size) = (segment.first(), segment.size);
            let end = self.segments.get(index + 1).map_or(self.marks.next, Segment::first);
            if cursor < first {
                self.lose(cursor, first, first);
                continue;
            }
            match self.walk_on(index, size, end) {
                Ok(Some(found)) if found.id < cursor => {}
                Ok(Some(found)) => {
                    self.lose(cursor, found.id, first);
                    return Ok(Some(found));
                }
                Ok(None) => {
                    self.lose(cursor, end, first);
                    if index + 1 >= self.segments.len() {
                        return Ok(None);
                    }
                }
                Err(error) => {
                    self.reader.failures += 1;
                    let name = self.segments[index].name();
                    return Err(self.error("read", &name, error));
                }
            }
        }
    }

    /// Steps to the next record in segment `index`, which has `size` bytes and holds ids below `end`.
    fn walk_on(&mut self, index: usize, size: u64, end: u64) -> io::Result<Option<Found>> {
        let first = self.segments[index].first();
        let given_up = self.reader.failures >= PATIENCE;
        if self.reader.open.as_ref().is_none_or(|open| open.first != first) {
            match self.open_at(index) {
                Err(error) if error.kind() == io::ErrorKind::NotFound || (given_up && !is_shortage(&error)) => {
                    // Gone or out of reach. What would be appended to it would be lost with it.
                    if index + 1 == self.segments.len() {
                        self.active = None;
                    }
                    self.reader.failures = 0;
                    return Ok(None);
                }
                opened => self.reader.open = Some(opened?),
            }
        }
        let Some(open) = &mut self.reader.open else { return Ok(None) };
        open.patching |= given_up;
        let found = if open.patching {
            open.walk.next(&Patched::new(&*open.file), size, end)
        } else {
            open.walk.next(&*open.file as &dyn Source, size, end)
        };
        if found.is_ok() {
            self.reader.failures = 0;
        }
        found
    }

    fn open_at(&self, index: usize) -> io::Result<Open> {
        let segment = &self.segments[index];
        let first = segment.first();
        let file = self.files.open(&segment.name())?;
        let known = |place: &&ReadPosition| place.segment == first && place.id <= self.reader.cursor;
        let walk = match self.reader.places.iter().rev().find(known) {
            Some(place) => Walk::resume(segment.header, place.offset, place.id),
            None => Walk::new(segment.header),
        };
        Ok(Open { first, file, walk, patching: false })
    }

    /// Moves the cursor to `to`; what it skips on the way is lost, which is logged once for each segment.
    fn lose(&mut self, from: u64, to: u64, segment: u64) {
        self.reader.cursor = self.reader.cursor.max(to);
        if from < to && self.reader.logged != segment {
            self.reader.logged = segment;
            let directory = self.options.directory.display();
            log::error!("records {from} to {} of the spool in {directory} are lost, they cannot be read", to - 1);
        }
    }
}

/// Whether the process or the machine is short of something: no reason to take a file for lost.
fn is_shortage(error: &io::Error) -> bool {
    let shortages = [Errno::MFILE, Errno::NFILE, Errno::NOMEM].map(Errno::raw_os_error);
    error.raw_os_error().is_some_and(|number| shortages.contains(&number))
}

/// A file whose unreadable blocks read as zeros, which are damage to every record.
pub(super) struct Patched<'a> {
    file: &'a dyn SegmentFile,
    patched: Cell<bool>,
}

impl<'a> Patched<'a> {
    pub(super) fn new(file: &'a dyn SegmentFile) -> Patched<'a> {
        Patched { file, patched: Cell::new(false) }
    }

    /// Whether anything was unreadable.
    pub(super) fn patched(&self) -> bool {
        self.patched.get()
    }
}

impl Source for Patched<'_> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        if let Ok(count) = self.file.read_at(buffer, offset) {
            return Ok(count);
        }
        let count = buffer.len().min(BLOCK - (offset % BLOCK as u64) as usize);
        let block = &mut buffer[..count];
        match self.file.read_at(block, offset) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                self.patched.set(true);
                block.fill(0);
                Ok(count)
            }
            result => result,
        }
    }
}
