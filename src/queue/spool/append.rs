//! Writing: all of a batch, or nothing.

use super::files::SegmentFile;
use super::frame::{HEADER, MAX_RECORD, SegmentHeader, encode_record, record_size};
use super::segment::{MAGIC, Segment, name};
use super::{AppendError, Spool, SpoolError, SyncPolicy};
use std::io;
use std::ops::Range;

/// The share of a batch that goes into one segment.
#[derive(Debug)]
struct RecordPart {
    /// Whether the segment is begun with it.
    begins: bool,
    records: u64,
    bytes: u64,
}

fn needed(parts: &[RecordPart]) -> u64 {
    parts.iter().map(|part| part.bytes).sum()
}

/// A segment that a batch has begun.
struct Begun {
    segment: Segment,
    file: Box<dyn SegmentFile>,
}

impl Spool {
    /// Appends `records` in their order, all or none, and answers their ids. On an error nothing of them is visible,
    /// now or later, and the next id is what it was. Records may have up to [`MAX_RECORD`] bytes.
    pub fn append<'a>(&mut self, records: impl Iterator<Item = &'a [u8]> + Clone) -> Result<Range<u64>, AppendError> {
        self.tend();
        self.handed.retain(|mark| !mark.is_there());
        if self.handed.extract_if(.., |mark| mark.has_failed()).count() > 0 {
            // The kernel may have dropped what it could not write: nothing is to depend on what is there.
            self.active = None;
            // And what has failed before is none of what comes now.
            self.files.mark();
        }
        let mut parts = self.plan(records.clone())?;
        if self.position_due && self.held().saturating_add(needed(&parts)) > self.options.limit_bytes {
            self.sync_position();
            parts = self.plan(records.clone())?;
        }
        let (needed, held, limit) = (needed(&parts), self.held(), self.options.limit_bytes);
        if held.saturating_add(needed) > limit {
            return Err(AppendError::Full { needed, held, limit });
        }
        let first = self.marks.next;
        let grown = parts.first().filter(|part| !part.begins).map_or(0, |part| part.bytes);
        let mut begun = Vec::new();
        let mut left = records;
        let mut id = first;
        for part in &parts {
            let share = left.by_ref().take(part.records as usize);
            let written = if part.begins { self.begin(id, share, &mut begun) } else { self.extend(id, share) };
            if let Err(error) = written {
                self.undo(begun);
                return Err(error.into());
            }
            id += part.records;
        }
        self.accept(grown, begun, id);
        Ok(first..id)
    }

    /// Bytes of the limit that are in use.
    fn held(&self) -> u64 {
        self.bytes().saturating_add(self.taken)
    }

    /// Splits a batch at the segments' size.
    fn plan<'a>(&self, records: impl Iterator<Item = &'a [u8]>) -> Result<Vec<RecordPart>, AppendError> {
        let mut size = self.active.as_ref().and(self.segments.back()).map(|last| last.size);
        let mut parts: Vec<RecordPart> = Vec::new();
        for record in records {
            if record.len() > MAX_RECORD {
                return Err(AppendError::TooLarge { bytes: record.len() });
            }
            let bytes = record_size(record.len());
            let fits = |&size: &u64| size <= HEADER as u64 || size + bytes <= self.options.segment_bytes;
            let begins = size.filter(fits).is_none();
            let before = size.filter(fits).unwrap_or(HEADER as u64);
            size = Some(before + bytes);
            match parts.last_mut().filter(|_| !begins) {
                Some(part) => {
                    part.records += 1;
                    part.bytes += bytes;
                }
                None => {
                    let header = if begins { HEADER as u64 } else { 0 };
                    parts.push(RecordPart { begins, records: 1, bytes: header + bytes });
                }
            }
        }
        Ok(parts)
    }

    /// Writes records behind the last segment's.
    fn extend<'a>(&mut self, id: u64, records: impl Iterator<Item = &'a [u8]>) -> Result<(), SpoolError> {
        let (Some(file), Some(last)) = (&self.active, self.segments.back()) else {
            return Ok(());
        };
        self.buffer.clear();
        for (id, record) in (id..).zip(records) {
            encode_record(last.header.salt, id, record, &mut self.buffer);
        }
        let written = file.write_all_at(&self.buffer, last.size);
        let synced = written.and_then(|()| if self.options.sync == SyncPolicy::Batch { file.sync() } else { Ok(()) });
        synced.map_err(|error| self.error("write", &last.name(), error))
    }

    /// Begins a segment with records.
    fn begin<'a>(
        &mut self,
        id: u64,
        records: impl Iterator<Item = &'a [u8]>,
        begun: &mut Vec<Begun>,
    ) -> Result<(), SpoolError> {
        let header = SegmentHeader::new(id);
        self.buffer.clear();
        header.encode(MAGIC, &mut self.buffer);
        for (id, record) in (id..).zip(records) {
            encode_record(header.salt, id, record, &mut self.buffer);
        }
        let name = name(id);
        let file = self.create(&name).map_err(|error| self.error("make", &name, error))?;
        let written = file.write_all_at(&self.buffer, 0);
        let synced = written.and_then(|()| match self.options.sync {
            SyncPolicy::Batch => file.sync().and_then(|()| self.files.sync()),
            SyncPolicy::Interval(_) => self.files.sync(),
            SyncPolicy::Off => Ok(()),
        });
        let segment = Segment { header, size: self.buffer.len() as u64, excess: 0 };
        begun.push(Begun { segment, file });
        synced.map_err(|error| self.error("write", &name, error))
    }

    fn create(&mut self, name: &str) -> io::Result<Box<dyn SegmentFile>> {
        let file = match self.files.create(name) {
            // Left by an append that failed and could not be undone.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.files.remove(name)?;
                self.files.create(name)
            }
            made => made,
        }?;
        self.strays.retain(|stray| stray != name);
        Ok(file)
    }

    /// Makes a written batch visible.
    fn accept(&mut self, grown: u64, begun: Vec<Begun>, next: u64) {
        if grown > 0
            && let Some(last) = self.segments.back_mut()
        {
            last.size += grown;
            self.note_unsynced();
        }
        let count = begun.len();
        for (number, Begun { segment, file }) in begun.into_iter().enumerate() {
            // A segment that is left is brought to the disk at once; the interval watches the last one alone.
            if self.unsynced.is_some() || (number > 0 && self.interval().is_some()) {
                self.sync_now();
            }
            self.segments.push_back(segment);
            self.active = Some(file);
        }
        self.marks.next = next;
        if self.buffer.capacity() > 4 * MAX_RECORD {
            self.buffer = Vec::new();
        }
        if count > 0 && self.persist(false).is_err() {
            // It is only there to count better after a crash.
            log::debug!("position of {} is not written", self.options.directory.display());
        }
        self.note_unsynced();
        self.sync_when_due();
    }

    /// Takes back what a failed batch has written.
    fn undo(&mut self, begun: Vec<Begun>) {
        for Begun { segment, file } in begun.into_iter().rev() {
            let emptied = file.set_size(0);
            if self.files.remove(&segment.name()).is_err() {
                self.strays.push(segment.name());
                if let Err(error) = emptied {
                    log::error!("{}", self.error("remove", &segment.name(), error));
                }
            }
        }
        let (Some(file), Some(last)) = (&self.active, self.segments.back_mut()) else {
            return;
        };
        let cut = file.set_size(last.size);
        if cut.is_ok() && self.options.sync != SyncPolicy::Off {
            // In case that the failed write has reached the disk in part. If this fails too, the error already tells of
            // the disk.
            let _ = file.sync();
        }
        if let Err(error) = cut {
            last.excess = file.size().unwrap_or(last.size).saturating_sub(last.size);
            let name = last.name();
            log::error!("{}", self.error("cut back", &name, error));
            self.active = None;
        }
    }

    /// Tries again what could not be undone, written down or removed.
    pub(super) fn tend(&mut self) {
        if self.unsettled {
            // It has been told to whoever acknowledged, or logged.
            let _ = self.settle();
        }
        self.strays.retain(|name| match self.files.remove(name) {
            Ok(()) => false,
            Err(error) => error.kind() != io::ErrorKind::NotFound,
        });
        for segment in self.segments.iter_mut().filter(|segment| segment.excess > 0) {
            if self.files.open(&segment.name()).and_then(|file| file.set_size(segment.size)).is_ok() {
                segment.excess = 0;
            }
        }
    }
}
