//! The lock that keeps a second instance of the server away from a directory.

use super::holder::LockHolder;
use rustix::fs::FlockOperation;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Name of the file that is locked.
pub(super) const NAME: &str = "lock";

/// The right to use a directory: a lock on the file `lock` in it, which tells its owner ([`LockHolder`]) as text.
///
/// It is an flock: it belongs to the open file, so every child that is forked afterwards shares it, and the kernel ends
/// it with the last of them. The file stays when the lock ends: removing it would let two owners hold locks on two
/// files of that name.
#[derive(Debug)]
pub struct DirectoryLock {
    file: File,
}

/// Why a directory is not ours.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another instance, or what is left of it, has it.
    #[error("directory {} is in use by {}: give this instance a directory of its own", directory.display(), owner(holder.as_ref()))]
    Held {
        /// The directory.
        directory: PathBuf,
        /// The process that took the lock, when its file says so.
        holder: Option<LockHolder>,
    },
    /// The directory cannot be made, or its lock file not be opened or written.
    #[error("directory {} cannot be locked: {source}", directory.display())]
    Io {
        /// The directory.
        directory: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

fn owner(holder: Option<&LockHolder>) -> String {
    holder.map_or_else(|| "another process".to_owned(), LockHolder::to_string)
}

impl DirectoryLock {
    /// Locks `directory`, which is made when missing. While another instance has it, `again` is asked with
    /// [`LockError::Held`] whether to try again: it is the one to wait.
    pub fn take(directory: &Path, mut again: impl FnMut(&LockError) -> bool) -> Result<DirectoryLock, LockError> {
        let io = |source| LockError::Io { directory: directory.to_owned(), source };
        super::files::Directory::make(directory).map_err(io)?;
        let mut options = File::options();
        let path = directory.join(NAME);
        // Not truncated: until the lock is ours, what is in it is another's.
        let mut file =
            options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path).map_err(io)?;
        loop {
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    let held = LockError::Held { directory: directory.to_owned(), holder: holder_in(&file) };
                    if !again(&held) {
                        return Err(held);
                    }
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(io(error.into())),
            }
        }
        match file.set_len(0).and_then(|()| file.write_all(LockHolder::this_process().lines().as_bytes())) {
            // The lock holds on a full disk too, only its owner stays unnamed.
            Err(error) if !super::error::is_no_space(&error) => return Err(io(error)),
            _ => {}
        }
        Ok(DirectoryLock { file })
    }
}

/// The process that a lock file names.
pub(super) fn holder_in(file: &File) -> Option<LockHolder> {
    let mut text = [0; 256];
    let length = file.read_at(&mut text, 0).ok()?;
    LockHolder::parse(str::from_utf8(&text[..length]).ok()?)
}

impl AsFd for DirectoryLock {
    /// The descriptor that carries the lock: a child that closes what it does not need keeps this one.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
