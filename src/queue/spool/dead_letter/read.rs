//! Reading files of dead letters, for whoever wants to look.

use super::super::error::SpoolError;
use super::super::files::SegmentFile;
use super::super::frame::{HeaderError, ID_LIMIT, SegmentHeader, Walk};
use super::{Entry, EntryError, MAGIC, SUFFIX};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// One file of dead letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetterFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its size, bytes.
    pub bytes: u64,
}

/// Why an entry, or what should be one, cannot be given.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The disk did not answer. Nothing more comes.
    #[error(transparent)]
    Io(#[from] SpoolError),
    /// It is no file of dead letters. Nothing more comes.
    #[error("{} is no file of dead letters: {why}", path.display())]
    Header {
        /// The file.
        path: PathBuf,
        /// What is wrong with its header.
        why: HeaderError,
    },
    /// Entries are damaged; those behind them follow.
    #[error("{}: {entries} entries are damaged", path.display())]
    Lost {
        /// The file.
        path: PathBuf,
        /// How many.
        entries: u64,
    },
    /// It ends in bytes that are no entry: its writer died while it was writing them, or is writing them now.
    #[error("{}: its end is torn", path.display())]
    Torn {
        /// The file.
        path: PathBuf,
    },
    /// An undamaged record is no entry; those behind it follow.
    #[error("{}: entry {id}: {why}", path.display())]
    Entry {
        /// The file.
        path: PathBuf,
        /// The record's id.
        id: u64,
        /// What is wrong with it.
        why: EntryError,
    },
}

/// The files of dead letters in `directory`, oldest first; none when there is no such directory.
pub fn list(directory: &Path) -> io::Result<Vec<LetterFile>> {
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().ends_with(SUFFIX) {
            continue;
        }
        match entry.metadata() {
            Ok(metadata) if metadata.is_file() => files.push(LetterFile { path: entry.path(), bytes: metadata.len() }),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(files)
}

/// Reads the entries of a file without taking it: its writer may append meanwhile, and is not disturbed.
pub fn read_file(path: &Path) -> Result<Entries, ReadError> {
    let file = File::open(path).map_err(|error| SpoolError::new("open", path, error))?;
    Entries::new(Box::new(file), path)
}

/// The entries of one file, oldest first. Damage is an error in between, after which more may come.
pub struct Entries {
    file: Box<dyn SegmentFile>,
    path: PathBuf,
    size: u64,
    walk: Walk,
    /// Id that the next entry should have.
    next: u64,
    /// Damaged places that were told of.
    told: u64,
    /// A record that was found behind damage which had to be told of first.
    held: Option<Result<Entry<'static>, ReadError>>,
    ended: bool,
}

impl Entries {
    pub(super) fn new(file: Box<dyn SegmentFile>, path: &Path) -> Result<Entries, ReadError> {
        let failed = |error| SpoolError::new("read", path, error);
        let header = SegmentHeader::read(MAGIC, &*file).map_err(failed)?;
        let header = header.map_err(|why| ReadError::Header { path: path.to_owned(), why })?;
        let size = file.size().map_err(failed)?;
        Ok(Entries {
            file,
            path: path.to_owned(),
            size,
            walk: Walk::new(header),
            next: header.first,
            told: 0,
            held: None,
            ended: false,
        })
    }

    /// The next good record: its id and bytes.
    pub(super) fn next_record(&mut self) -> Result<Option<(u64, &[u8])>, SpoolError> {
        let found = self.walk.next(&*self.file, self.size, ID_LIMIT);
        let found = found.map_err(|error| SpoolError::new("read", &self.path, error))?;
        Ok(found.map(|found| (found.id, self.walk.bytes(&found))))
    }
}

impl Iterator for Entries {
    type Item = Result<Entry<'static>, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(held) = self.held.take() {
            return Some(held);
        }
        if self.ended {
            return None;
        }
        let path = self.path.clone();
        let (id, entry) = match self.next_record() {
            Ok(Some((id, bytes))) => (id, Entry::decode(bytes).map(Entry::into_owned)),
            Ok(None) => {
                self.ended = true;
                return (self.walk.damaged() > self.told).then_some(Err(ReadError::Torn { path }));
            }
            Err(error) => {
                self.ended = true;
                return Some(Err(error.into()));
            }
        };
        let entry = entry.map_err(|why| ReadError::Entry { path: path.clone(), id, why });
        let entries = id - self.next;
        self.next = id + 1;
        self.told = self.walk.damaged();
        if entries == 0 {
            return Some(entry);
        }
        self.held = Some(entry);
        Some(Err(ReadError::Lost { path, entries }))
    }
}
