//! What can go wrong, in the operator's words.

use std::io;
use std::path::{Path, PathBuf};

/// A file or directory that did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
#[error("cannot {act} {}: {source}", path.display())]
pub struct SpoolError {
    /// What was tried: `"write"`, `"make directory"`, ...
    pub act: &'static str,
    /// The file or directory.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

impl SpoolError {
    pub(super) fn new(act: &'static str, path: impl AsRef<Path>, source: io::Error) -> SpoolError {
        SpoolError { act, path: path.as_ref().to_owned(), source }
    }
}

/// Why records were not taken. Nothing of them is kept.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// They would go beyond the limit in bytes.
    #[error("{needed} bytes would go beyond the limit: {held} of {limit} bytes are in use")]
    Full {
        /// Bytes that the records need on disk.
        needed: u64,
        /// Bytes on disk now.
        held: u64,
        /// The limit.
        limit: u64,
    },
    /// One of them is longer than any may be.
    #[error("a record has {bytes} bytes, at most {} would be right", super::MAX_RECORD)]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// The disk is full, or read-only, or broken.
    #[error(transparent)]
    Io(#[from] SpoolError),
}

/// Whether no room was left: the one failure that letting go of segments can mend.
pub(super) fn is_no_space(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
