//! A look into a spool's directory from outside: nothing is opened to write, cut or set aside, and whoever works in it
//! is not disturbed.
//!
//! For the operator's tool. What it sees may be some appends old when it answers.

use super::frame::{ID_LIMIT, SegmentHeader, Walk};
use super::segment::{MAGIC, first_of, name};
use super::{LockHolder, SpoolError, lock, position};
use rustix::fs::FlockOperation;
use std::fs::File;
use std::io;
use std::path::Path;

/// What a spool's directory holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Records that are not done with, those included that cannot be read any more.
    pub records: u64,
    /// Segment files.
    pub segments: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The first record that is not done with, as far as it can be read.
    pub first: Option<Vec<u8>>,
    /// The last record, likewise.
    pub last: Option<Vec<u8>>,
    /// Files that were set aside because they cannot be read.
    pub set_aside: u64,
}

/// Looks into the spool in `directory`. Reads the position, and of the segments the first and the last: ids tell how
/// many records are in between.
pub fn inspect(directory: &Path) -> Result<Contents, SpoolError> {
    let failed = |act: &'static str| move |error| SpoolError::new(act, directory, error);
    let mut contents = Contents::default();
    let mut segments = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed("read directory"))? {
        let entry = entry.map_err(failed("read directory"))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        contents.set_aside += u64::from(name.ends_with(super::recover::UNREADABLE));
        // Gone in this moment: its records were done with.
        let Some(first) = first_of(&name) else { continue };
        let Ok(metadata) = entry.metadata() else { continue };
        segments.push((first, metadata.len()));
    }
    segments.sort_unstable();
    contents.segments = segments.len() as u64;
    contents.bytes = segments.iter().map(|(_, bytes)| bytes).sum();
    let marks = match File::open(directory.join(position::NAME)) {
        Ok(file) => position::newest(&file).marks,
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(SpoolError::new("open", directory.join(position::NAME), error)),
    };
    let oldest = segments.first().map(|(first, _)| *first);
    let acked = marks.map(|marks| marks.acked).or(oldest).unwrap_or(1);
    let mut next = marks.map_or(acked, |marks| marks.next);
    for &(first, _) in &segments {
        if contents.first.is_some() {
            break;
        }
        walk(directory, first, |id, record| {
            let is_it = id >= acked;
            if is_it {
                contents.first = Some(record.to_vec());
            }
            !is_it
        })?;
    }
    if let Some(&(first, _)) = segments.last() {
        walk(directory, first, |id, record| {
            next = next.max(id + 1);
            if id >= acked {
                contents.last = Some(record.to_vec());
            }
            true
        })?;
    }
    contents.records = next.saturating_sub(acked);
    Ok(contents)
}

/// Walks through the segment that starts at `first` for as long as `look` answers true. A segment that is gone, or is
/// none, has no records.
fn walk(directory: &Path, first: u64, mut look: impl FnMut(u64, &[u8]) -> bool) -> Result<(), SpoolError> {
    let path = directory.join(name(first));
    let failed = |act: &'static str| {
        let path = &path;
        move |error| SpoolError::new(act, path, error)
    };
    let file = match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        file => file.map_err(failed("open"))?,
    };
    let size = file.metadata().map_err(failed("read"))?.len();
    let Ok(header) = SegmentHeader::read(MAGIC, &file).map_err(failed("read"))? else { return Ok(()) };
    let mut walk = Walk::new(header);
    while let Some(found) = walk.next(&file, size, ID_LIMIT).map_err(failed("read"))? {
        if !look(found.id, walk.bytes(&found)) {
            break;
        }
    }
    Ok(())
}

/// Who holds the [`DirectoryLock`](super::DirectoryLock) of `directory`: `None` for nobody, else the process that the
/// lock's file names.
///
/// Asks for a shared lock and gives it back at once; a server that starts in just that moment tries again.
pub fn lock_holder(directory: &Path) -> Result<Option<Option<LockHolder>>, SpoolError> {
    let path = directory.join(lock::NAME);
    let failed = |error: io::Error| SpoolError::new("look at", &path, error);
    let file = match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(failed)?,
    };
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared) {
        // Closing the file gives it back.
        Ok(()) => Ok(None),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(Some(lock::holder_in(&file))),
        Err(error) => Err(failed(error.into())),
    }
}
