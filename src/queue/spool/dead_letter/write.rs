//! The writer's side.

use super::super::error::{AppendError, SpoolError};
use super::super::files::{Directory, Files, SegmentFile};
use super::super::frame::{HEADER, MAX_RECORD, SegmentHeader, encode_record, record_size};
use super::{Entry, FILE_BYTES, MAGIC, SUFFIX};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How much is appended until the directory is counted anew, bytes; with a small limit, a sixteenth of that.
const RECOUNT: u64 = 256 << 10;
/// How long a directory that was found full counts as full: letters that are refused must not cost a look at it each.
const STAYS_FULL: Duration = Duration::from_secs(1);
/// How many new files are tried before a letter is given up.
const TRIES: u32 = 4;

/// The right to append to a directory of dead letters: one for each writer.
pub struct DeadLetters {
    files: Box<dyn Files>,
    directory: PathBuf,
    limit_bytes: u64,
    current: Option<OpenFile>,
    /// Bytes in the directory when it was counted, and appended since.
    counted: u64,
    appended: u64,
    /// When a count last found no room for a letter.
    full_since: Option<Instant>,
    entry: Vec<u8>,
    buffer: Vec<u8>,
}

/// The file that letters are appended to.
struct OpenFile {
    name: String,
    file: Box<dyn SegmentFile>,
    header: SegmentHeader,
    next: u64,
    size: u64,
}

impl DeadLetters {
    /// Appends to the files in `directory`, which is made when missing, as long as they have `limit_bytes` at most
    /// together.
    pub fn open(directory: &Path, limit_bytes: u64) -> Result<DeadLetters, SpoolError> {
        let files = Directory::make(directory).map_err(|error| SpoolError::new("make directory", directory, error))?;
        DeadLetters::open_on(Box::new(files), directory, limit_bytes)
    }

    pub(in super::super) fn open_on(
        files: Box<dyn Files>,
        directory: &Path,
        limit_bytes: u64,
    ) -> Result<DeadLetters, SpoolError> {
        let directory = directory.to_owned();
        let (entry, buffer) = (Vec::new(), Vec::new());
        let mut letters = DeadLetters {
            files,
            directory,
            limit_bytes,
            current: None,
            counted: 0,
            appended: 0,
            full_since: None,
            entry,
            buffer,
        };
        letters.count()?;
        Ok(letters)
    }

    /// Bytes of all files together, those of other writers as they were at the last count.
    pub fn bytes(&self) -> u64 {
        self.counted + self.appended
    }

    /// Appends one letter. On an error nothing of it is kept.
    pub fn append(&mut self, entry: &Entry<'_>) -> Result<(), AppendError> {
        self.entry.clear();
        entry.encode(&mut self.entry);
        if self.entry.len() > MAX_RECORD {
            return Err(AppendError::TooLarge { bytes: self.entry.len() });
        }
        self.check_limit()?;
        let written = match self.take_current() {
            Some(current) => self.extend(current),
            None => self.begin(),
        };
        self.appended += written?;
        Ok(())
    }

    /// Returns once all that was appended is on the disk.
    pub fn sync(&mut self) -> Result<(), SpoolError> {
        match &self.current {
            Some(current) => current.file.sync().map_err(|error| self.error("write", &current.name, error)),
            None => Ok(()),
        }
    }

    fn check_limit(&mut self) -> Result<(), AppendError> {
        let needed = HEADER as u64 + record_size(self.entry.len());
        let full = |letters: &DeadLetters| letters.bytes() + needed > letters.limit_bytes;
        let was_full = self.full_since.is_some_and(|since| since.elapsed() < STAYS_FULL);
        if self.appended >= RECOUNT.min(self.limit_bytes / 16) || (full(self) && !was_full) {
            self.count()?;
            self.full_since = full(self).then(Instant::now);
        }
        if full(self) {
            return Err(AppendError::Full { needed, held: self.bytes(), limit: self.limit_bytes });
        }
        Ok(())
    }

    fn count(&mut self) -> Result<(), SpoolError> {
        let entries = self.files.list().map_err(|error| SpoolError::new("read directory", &self.directory, error))?;
        let sizes = entries.iter().filter(|(name, _)| name.ends_with(SUFFIX)).filter_map(|(_, size)| *size);
        (self.counted, self.appended) = (sizes.sum(), 0);
        Ok(())
    }

    /// The current file, locked, when the letter fits in and nobody has taken it.
    fn take_current(&mut self) -> Option<OpenFile> {
        let current = self.current.take()?;
        if current.size + self.entry.len() as u64 > FILE_BYTES {
            if let Err(error) = current.file.sync() {
                log::error!("{}", self.error("write", &current.name, error));
            }
            return None;
        }
        let ours = current.file.try_lock().and_then(|locked| Ok(locked && current.file.is_linked()?));
        ours.unwrap_or(false).then_some(current)
    }

    fn extend(&mut self, mut current: OpenFile) -> Result<u64, SpoolError> {
        self.buffer.clear();
        encode_record(current.header.salt, current.next, &self.entry, &mut self.buffer);
        if let Err(error) = current.file.write_all_at(&self.buffer, current.size) {
            let failed = self.error("write", &current.name, error);
            // A file that cannot be cut back is left: whoever reads it steps past a torn end.
            if current.file.set_size(current.size).is_ok() && current.file.unlock().is_ok() {
                self.current = Some(current);
            }
            return Err(failed);
        }
        current.next += 1;
        current.size += self.buffer.len() as u64;
        // A lock that cannot be given back ends when the file is closed.
        if current.file.unlock().is_ok() {
            self.current = Some(current);
        }
        Ok(self.buffer.len() as u64)
    }

    /// Begins a file with the letter.
    fn begin(&mut self) -> Result<u64, SpoolError> {
        let (name, file) = self.create()?;
        let header = SegmentHeader::new(1);
        self.buffer.clear();
        header.encode(MAGIC, &mut self.buffer);
        encode_record(header.salt, 1, &self.entry, &mut self.buffer);
        if let Err(error) = file.write_all_at(&self.buffer, 0) {
            let failed = self.error("write", &name, error);
            // Without its name nobody reads it, and without its bytes there is nothing to read.
            let _ = self.files.remove(&name).or_else(|_| file.set_size(0));
            return Err(failed);
        }
        let size = self.buffer.len() as u64;
        if file.unlock().is_ok() {
            self.current = Some(OpenFile { name, file, header, next: 2, size });
        }
        Ok(size)
    }

    /// Makes a file and locks it.
    fn create(&self) -> Result<(String, Box<dyn SegmentFile>), SpoolError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros());
        let mut failed = None;
        for later in 0..u128::from(TRIES) {
            let name = format!("{:020}-{}{SUFFIX}", now + later, std::process::id());
            let file = match self.files.create(&name) {
                Ok(file) => file,
                Err(error) => {
                    let taken = error.kind() == io::ErrorKind::AlreadyExists;
                    failed = Some(self.error("make", &name, error));
                    if taken { continue } else { break }
                }
            };
            match file.try_lock().and_then(|locked| Ok(locked && file.is_linked()?)) {
                Ok(true) => return Ok((name, file)),
                // A tool was faster: it has found an empty file, and removes it or has done so.
                Ok(false) => failed = Some(self.error("lock", &name, io::ErrorKind::WouldBlock.into())),
                Err(error) => {
                    failed = Some(self.error("lock", &name, error));
                    let _ = self.files.remove(&name);
                }
            }
        }
        Err(failed.unwrap_or_else(|| self.error("make", SUFFIX, io::ErrorKind::AlreadyExists.into())))
    }

    fn error(&self, act: &'static str, name: &str, source: io::Error) -> SpoolError {
        SpoolError::new(act, self.directory.join(name), source)
    }
}

impl Drop for DeadLetters {
    fn drop(&mut self) {
        if let Err(error) = self.sync() {
            log::error!("{error}");
        }
    }
}
