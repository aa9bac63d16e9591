//! The tool's side: taking entries away once they were sent.

use super::super::error::SpoolError;
use super::super::files::{Directory, Files, SegmentFile};
use super::super::frame::{HEADER, SegmentHeader, encode_record};
use super::{Entries, Entry, MAGIC, ReadError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a file that is locked is tried again: a writer holds it for one append.
const PATIENCE: Duration = Duration::from_secs(1);
const RETRY: Duration = Duration::from_millis(5);
/// Ends the name of a file that is being written again.
const NEW: &str = ".new";
/// How much is written at once, bytes.
const CHUNK: usize = 1 << 20;

/// A file of dead letters that is the tool's alone until the value is dropped: its writer goes on in another one.
pub struct Taken {
    files: Box<dyn Files>,
    file: Box<dyn SegmentFile>,
    path: PathBuf,
    name: String,
}

impl Taken {
    /// Takes the file at `path`. `None` when it is gone, or when another tool has it.
    pub fn take(path: &Path) -> Result<Option<Taken>, SpoolError> {
        let failed = |error| SpoolError::new("open", path, error);
        let name = path.file_name().and_then(|name| name.to_str());
        let (Some(directory), Some(name)) = (path.parent(), name) else {
            return Err(failed(io::ErrorKind::InvalidFilename.into()));
        };
        let files: Box<dyn Files> = Box::new(Directory::existing(directory));
        let file = match files.open(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(failed)?,
        };
        let started = Instant::now();
        while !file.try_lock().map_err(failed)? {
            if started.elapsed() > PATIENCE {
                return Ok(None);
            }
            std::thread::sleep(RETRY);
        }
        // Another tool may have removed or replaced it before the lock was ours.
        if !file.is_linked().map_err(failed)? {
            return Ok(None);
        }
        Ok(Some(Taken { files, file, path: path.to_owned(), name: name.to_owned() }))
    }

    /// Its entries, as often as wanted.
    pub fn entries(&self) -> Result<Entries, ReadError> {
        let file = self.files.open(&self.name).map_err(|error| self.failed("open", error))?;
        Entries::new(file, &self.path)
    }

    /// Takes away every entry for which `keep`, called with its number in reading order from 0, answers false. What is
    /// damaged goes too; the file itself goes when nothing is left. Answers how many entries are left. After an error,
    /// and when the process dies at any moment, the file is either as before or as wanted.
    pub fn finish(self, mut keep: impl FnMut(usize, &Entry<'_>) -> bool) -> Result<usize, ReadError> {
        let mut entries = match self.entries() {
            Ok(entries) => entries,
            // Made and not written to yet: nothing is in it.
            Err(ReadError::Header { .. }) if self.is_empty()? => return Ok(self.remove()?),
            Err(error) => return Err(error),
        };
        let mut rest = LettersLeft {
            taken: &self,
            file: None,
            header: SegmentHeader::new(1),
            buffer: Vec::new(),
            written: 0,
            kept: 0,
        };
        let mut number = 0;
        while let Some((_, bytes)) = entries.next_record()? {
            // A record that is no entry was not shown and has no number. It stays for whoever can read it.
            let keeps = match Entry::decode(bytes) {
                Ok(entry) => {
                    number += 1;
                    keep(number - 1, &entry)
                }
                Err(_) => true,
            };
            if keeps {
                rest.keep(bytes)?;
            }
        }
        let kept = rest.kept;
        if kept == 0 { Ok(self.remove()?) } else { rest.replace().map(|()| kept).map_err(ReadError::from) }
    }

    fn is_empty(&self) -> Result<bool, SpoolError> {
        let size = self.file.size().map_err(|error| self.failed("read", error))?;
        Ok(size < HEADER as u64)
    }

    fn remove(&self) -> Result<usize, SpoolError> {
        self.files.remove(&self.name).map_err(|error| self.failed("remove", error))?;
        Ok(0)
    }

    fn failed(&self, act: &'static str, error: io::Error) -> SpoolError {
        SpoolError::new(act, &self.path, error)
    }
}

/// The file that takes a taken one's place.
struct LettersLeft<'a> {
    taken: &'a Taken,
    file: Option<Box<dyn SegmentFile>>,
    header: SegmentHeader,
    buffer: Vec<u8>,
    written: u64,
    kept: usize,
}

impl LettersLeft<'_> {
    fn name(&self) -> String {
        format!("{}{NEW}", self.taken.name)
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), SpoolError> {
        if self.kept == 0 {
            self.header.encode(MAGIC, &mut self.buffer);
        }
        self.kept += 1;
        encode_record(self.header.salt, self.kept as u64, bytes, &mut self.buffer);
        if self.buffer.len() < CHUNK { Ok(()) } else { self.write().map_err(|error| self.abandon(error)) }
    }

    fn write(&mut self) -> io::Result<()> {
        let files = &self.taken.files;
        let file = match &self.file {
            Some(file) => file,
            None => {
                // One that is there was left by a tool that died; the lock on the old file says that it is nobody's
                // now.
                match files.remove(&self.name()) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
                let file = files.create(&self.name())?;
                // The tool may be somebody else than the server, which must be able to read its directory when it
                // starts again.
                file.set_owner(self.taken.file.owner()?)?;
                self.file.insert(file)
            }
        };
        file.write_all_at(&self.buffer, self.written)?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    fn replace(mut self) -> Result<(), SpoolError> {
        let replaced = self.write().and_then(|()| {
            self.file.as_ref().map_or(Ok(()), |file| file.sync())?;
            self.taken.files.rename(&self.name(), &self.taken.name)
        });
        replaced.map_err(|error| self.abandon(error))?;
        self.taken.files.sync().map_err(|error| self.taken.failed("sync", error))
    }

    fn abandon(&self, error: io::Error) -> SpoolError {
        let _ = self.taken.files.remove(&self.name());
        self.taken.failed("write again", error)
    }
}
