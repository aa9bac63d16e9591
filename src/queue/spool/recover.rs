//! Opening a directory, whatever it holds.

use super::files::{Directory, Files, SegmentFile, Source};
use super::frame::{HEADER, HeaderError, ID_LIMIT, SegmentHeader, Walk};
use super::lazy::LazyDirectory;
use super::position::{self, Firm, Position};
use super::read::{Patched, SegmentReader};
use super::segment::{MAGIC, Segment, first_of};
use super::{Spool, SpoolError, SpoolMarks, SpoolOptions, SyncPolicy, error, lock};
use std::collections::VecDeque;
use std::io;
use std::path::Path;

/// Ends the name of a file that was set aside.
pub(super) const UNREADABLE: &str = ".unreadable";

impl Spool {
    /// Opens the spool in `options.directory`, which is made when missing, and recovers what is there; reading starts
    /// at the first record that is not done with.
    ///
    /// `committed` is what a predecessor of the same server run had committed, if there was one: records from
    /// `committed.next` on are cut away, and of its mark and the one on disk the higher `acked` counts.
    ///
    /// Fails when the directory cannot be made, read or written. A damaged file never makes it fail.
    pub fn open(options: SpoolOptions, committed: Option<SpoolMarks>) -> Result<Spool, SpoolError> {
        let files: io::Result<Box<dyn Files>> = match options.sync {
            // Whoever can wait for an interval should not wait for the disk.
            SyncPolicy::Interval(_) => LazyDirectory::make(&options.directory, position::NAME, position::ROOM)
                .map(|files| Box::new(files) as Box<dyn Files>),
            SyncPolicy::Batch | SyncPolicy::Off => {
                Directory::make(&options.directory).map(|files| Box::new(files) as _)
            }
        };
        let files = files.map_err(|error| SpoolError::new("make spool directory", &options.directory, error))?;
        Spool::open_on(files, options, committed)
    }

    pub(super) fn open_on(
        files: Box<dyn Files>,
        mut options: SpoolOptions,
        committed: Option<SpoolMarks>,
    ) -> Result<Spool, SpoolError> {
        options.segment_bytes = options.segment_bytes.min(options.limit_bytes / 4);
        let directory = options.directory.as_path();
        let mut segments = find_segments(&*files, directory)?;
        let (position, persisted) =
            Position::open(&*files).map_err(|error| SpoolError::new("read", directory.join(position::NAME), error))?;
        if let Some(committed) = committed {
            while let Some(last) = segments.pop_back_if(|last| last.first() >= committed.next) {
                let path = directory.join(last.name());
                files.remove(&last.name()).map_err(|error| SpoolError::new("remove", path, error))?;
            }
        }
        let (found, mut active) = match segments.back_mut() {
            None => (1, None),
            Some(last) => recover_tail(&*files, &options, last, committed.map_or(ID_LIMIT, |marks| marks.next))?,
        };
        let next = match committed {
            Some(committed) => committed.next.max(1),
            None => persisted.map_or(found, |marks| marks.next.max(found)),
        };
        if found != next {
            active = None;
        }
        if active.is_none()
            && let Some(last) = segments.pop_back_if(|last| last.first() == next)
        {
            set_aside(&*files, directory, &last.name(), "nothing in it can be read")?;
        }
        let oldest = segments.front().map_or(next, Segment::first);
        let known = persisted.map(|marks| marks.acked).max(committed.map(|marks| marks.acked));
        let acked = known.unwrap_or(oldest).clamp(1, next);
        let marks = SpoolMarks { next, acked };
        let mut spool = Spool {
            files,
            position,
            segments,
            active,
            marks,
            reader: SegmentReader::new(acked),
            buffer: Vec::new(),
            unsynced: None,
            strays: Vec::new(),
            unsettled: false,
            taken: 0,
            stuck: false,
            handed: Vec::new(),
            defers: false,
            position_due: false,
            position_failed: false,
            options,
        };
        spool.settle_opened(persisted.is_some())?;
        Ok(spool)
    }

    /// Writes down where it starts from: the first thing that a read-only directory refuses.
    fn settle_opened(&mut self, had_position: bool) -> Result<(), SpoolError> {
        // In a new directory there is nothing to protect, and its owner may have lanes to drain.
        if !had_position && self.segments.is_empty() && self.interval().is_some() {
            let written = self.position.write(&*self.files, self.marks, Firm::Unsynced);
            return written.map_err(|error| self.error("write", position::NAME, error));
        }
        let sync = self.options.sync != SyncPolicy::Off;
        match self.persist(sync) {
            // Nothing old is there to be taken for the truth, so it can wait until there is room.
            Err(error) if !had_position && error::is_no_space(&error.source) => {
                log::warn!("{error}");
                self.unsettled = true;
                return Ok(());
            }
            result => result?,
        }
        if sync {
            let synced = self.files.sync();
            synced.map_err(|error| SpoolError::new("sync directory", &self.options.directory, error))?;
        }
        self.unsettled = !self.let_go();
        Ok(())
    }
}

/// The segments in a directory, in order. Files that only look like one are set aside, and whatever else is there is
/// left alone.
fn find_segments(files: &dyn Files, directory: &Path) -> Result<VecDeque<Segment>, SpoolError> {
    let entries = files.list().map_err(|error| SpoolError::new("read spool directory", directory, error))?;
    let mut segments = Vec::new();
    let mut strangers = Vec::new();
    for (name, size) in entries {
        match (first_of(&name), size) {
            (Some(first), Some(size)) => segments.extend(open_segment(files, directory, &name, first, size)?),
            _ if [position::NAME, lock::NAME].contains(&name.as_str()) || name.ends_with(UNREADABLE) => {}
            _ => strangers.push(name),
        }
    }
    if let Some(first) = strangers.first() {
        let count = strangers.len();
        log::warn!("{count} files in {} are none of the spool's and are left alone: {first} ...", directory.display());
    }
    segments.sort_by_key(Segment::first);
    Ok(segments.into())
}

fn open_segment(
    files: &dyn Files,
    directory: &Path,
    name: &str,
    first: u64,
    size: u64,
) -> Result<Option<Segment>, SpoolError> {
    let failed = |act: &'static str| move |error| SpoolError::new(act, directory.join(name), error);
    if size < HEADER as u64 {
        // Its header and its first records are written together: it never had one.
        log::warn!("{} is removed: a crash has left it empty", directory.join(name).display());
        files.remove(name).map_err(failed("remove"))?;
        return Ok(None);
    }
    let file = files.open(name).map_err(failed("open"))?;
    let why = match SegmentHeader::read(MAGIC, &*file) {
        Ok(Ok(header)) if header.first == first => return Ok(Some(Segment { header, size, excess: 0 })),
        Ok(Ok(header)) => format!("its header says that it starts at record {}", header.first),
        Ok(Err(HeaderError::Short)) => HeaderError::Short.to_string(),
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    set_aside(files, directory, name, &why)?;
    Ok(None)
}

fn set_aside(files: &dyn Files, directory: &Path, name: &str, why: &str) -> Result<(), SpoolError> {
    let aside = format!("{name}{UNREADABLE}");
    files.rename(name, &aside).map_err(|error| SpoolError::new("rename", directory.join(name), error))?;
    log::error!("{} cannot be read, {why}: it is set aside as {aside}", directory.join(name).display());
    Ok(())
}

/// The last segment's file, when it can be appended to.
type Active = Option<Box<dyn SegmentFile>>;

/// Cuts the last segment behind its last good record whose id is below `below`. Answers the id after that, and the
/// segment's file.
fn recover_tail(
    files: &dyn Files,
    options: &SpoolOptions,
    last: &mut Segment,
    below: u64,
) -> Result<(u64, Active), SpoolError> {
    let path = options.directory.join(last.name());
    let file = files.open(&last.name()).map_err(|error| SpoolError::new("open", &path, error))?;
    let source = Patched::new(&*file);
    let mut walk = Walk::new(last.header);
    let (mut next, mut end) = (last.first(), HEADER as u64);
    while let Some(found) = walk.next(&source as &dyn Source, last.size, below).unwrap_or_default() {
        (next, end) = (found.id + 1, walk.offset());
    }
    let excess = last.size - end;
    if excess == 0 {
        return Ok((next, Some(file)));
    }
    if source.patched() {
        // What cannot be read now may be readable some day. Nobody reads on behind the next segment's first id.
        log::error!("{}: {excess} bytes from byte {end} on cannot be read", path.display());
        return Ok((next, None));
    }
    (last.size, last.excess) = (end, excess);
    let cut = file.set_size(end).and_then(|()| if options.sync == SyncPolicy::Off { Ok(()) } else { file.sync() });
    match cut {
        Ok(()) => {
            log::warn!("{}: {excess} bytes behind record {} are cut off", path.display(), next - 1);
            last.excess = 0;
            Ok((next, Some(file)))
        }
        Err(error) => {
            log::error!("{}: {excess} bytes behind record {} cannot be cut off: {error}", path.display(), next - 1);
            Ok((next, None))
        }
    }
}
