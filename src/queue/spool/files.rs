//! The few operations on files that spool and dead letters are made of, as traits, so that tests can put a disk beneath
//! them that fails, fills up or loses power.

use rustix::fs::FlockOperation;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// Something with bytes at offsets.
pub(crate) trait Source {
    /// Reads some bytes at `offset` into `buffer`; fewer than fit, or 0 at the end, as `pread` does.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
}

impl Source for &[u8] {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.len());
        let count = buffer.len().min(self.len() - start);
        buffer[..count].copy_from_slice(&self[start..start + count]);
        Ok(count)
    }
}

#[cfg(test)]
std::thread_local! {
    /// How often this thread has waited for the disk.
    pub(crate) static SYNCS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// One open file.
pub(crate) trait SegmentFile: Source + Send {
    /// Writes some of `bytes` at `offset`, as `pwrite` does.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;
    /// Its size, bytes.
    fn size(&self) -> io::Result<u64>;
    /// Cuts it at, or extends it to, `size` bytes.
    fn set_size(&self, size: u64) -> io::Result<()>;
    /// Returns once its bytes are on the disk.
    fn sync(&self) -> io::Result<()>;
    /// The same open file once more, for another thread.
    fn duplicate(&self) -> io::Result<Box<dyn SegmentFile>> {
        Err(io::ErrorKind::Unsupported.into())
    }
    /// Locks it against every other opening of it, in this process or another; false when one of them holds the lock.
    fn try_lock(&self) -> io::Result<bool>;
    /// Gives the lock back.
    fn unlock(&self) -> io::Result<()>;
    /// Whether it still has a name in its directory.
    fn is_linked(&self) -> io::Result<bool>;
    /// User and group that own it.
    fn owner(&self) -> io::Result<(u32, u32)>;
    /// Gives it to another user and group.
    fn set_owner(&self, owner: (u32, u32)) -> io::Result<()>;

    /// Writes all of `bytes` at `offset`.
    fn write_all_at(&self, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.write_at(bytes, offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    bytes = &bytes[count..];
                    offset += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// One directory of files. Names are single components.
pub(crate) trait Files: Send {
    /// Names and sizes (bytes) of what is in it; a directory has no size.
    fn list(&self) -> io::Result<Vec<(String, Option<u64>)>>;
    /// Opens an existing file to read and to write.
    fn open(&self, name: &str) -> io::Result<Box<dyn SegmentFile>>;
    /// Makes a file that must not exist yet.
    fn create(&self, name: &str) -> io::Result<Box<dyn SegmentFile>>;
    /// Takes a file's name away.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Gives a file another name, in place of whatever has that name.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Returns once the names are on the disk.
    fn sync(&self) -> io::Result<()>;
    /// Tells what becomes of all that a sync was asked for before, of names and files, where that returns at once.
    fn mark(&self) -> OnDisk {
        OnDisk::new(true)
    }
}

/// Whether something is on the disk; known to all copies.
#[derive(Clone, Debug)]
pub struct OnDisk(Arc<AtomicU8>);

impl OnDisk {
    const OPEN: u8 = 0;
    const DONE: u8 = 1;
    const FAILED: u8 = 2;

    /// It is there, or nothing is known yet.
    pub fn new(is_there: bool) -> OnDisk {
        OnDisk(Arc::new(AtomicU8::new(if is_there { OnDisk::DONE } else { OnDisk::OPEN })))
    }

    /// It is there, or a sync of it has failed and it may never be.
    pub fn decide(&self, is_there: bool) {
        self.0.store(if is_there { OnDisk::DONE } else { OnDisk::FAILED }, Ordering::Release);
    }

    /// Whether it is there.
    pub fn is_there(&self) -> bool {
        self.0.load(Ordering::Acquire) == OnDisk::DONE
    }

    /// Whether a sync of it has failed.
    pub fn has_failed(&self) -> bool {
        self.0.load(Ordering::Acquire) == OnDisk::FAILED
    }
}

/// A directory of the file system.
#[derive(Clone, Debug)]
pub(crate) struct Directory(PathBuf);

impl Directory {
    /// The directory at `path`, made with its parents when missing, for its owner alone: captures are nobody else's
    /// business.
    pub(crate) fn make(path: &Path) -> io::Result<Directory> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        Ok(Directory(path.to_owned()))
    }

    /// The directory at `path`, which is there. The empty path is the current directory.
    pub(crate) fn existing(path: &Path) -> Directory {
        Directory(if path.as_os_str().is_empty() { Path::new(".").to_owned() } else { path.to_owned() })
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}

impl Files for Directory {
    fn list(&self) -> io::Result<Vec<(String, Option<u64>)>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&self.0)? {
            let entry = entry?;
            let size = match entry.metadata() {
                Ok(metadata) => metadata.is_file().then_some(metadata.len()),
                // Taken away by somebody else between the two calls.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            found.push((entry.file_name().to_string_lossy().into_owned(), size));
        }
        Ok(found)
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn SegmentFile>> {
        Ok(Box::new(options().open(self.0.join(name))?))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn SegmentFile>> {
        Ok(Box::new(options().create_new(true).open(self.0.join(name))?))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.0.join(name))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.0.join(from), self.0.join(to))
    }

    fn sync(&self) -> io::Result<()> {
        #[cfg(test)]
        SYNCS.set(SYNCS.get() + 1);
        File::open(&self.0)?.sync_all()
    }
}

impl Source for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, buffer, offset)
    }
}

impl SegmentFile for File {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        FileExt::write_at(self, bytes, offset)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        self.set_len(size)
    }

    fn sync(&self) -> io::Result<()> {
        #[cfg(test)]
        SYNCS.set(SYNCS.get() + 1);
        self.sync_data()
    }

    fn duplicate(&self) -> io::Result<Box<dyn SegmentFile>> {
        Ok(Box::new(self.try_clone()?))
    }

    fn try_lock(&self) -> io::Result<bool> {
        match rustix::fs::flock(self, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(true),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn unlock(&self) -> io::Result<()> {
        Ok(rustix::fs::flock(self, FlockOperation::Unlock)?)
    }

    fn is_linked(&self) -> io::Result<bool> {
        Ok(self.metadata()?.nlink() > 0)
    }

    fn owner(&self) -> io::Result<(u32, u32)> {
        let metadata = self.metadata()?;
        Ok((metadata.uid(), metadata.gid()))
    }

    fn set_owner(&self, (user, group): (u32, u32)) -> io::Result<()> {
        std::os::unix::fs::fchown(self, Some(user), Some(group))
    }
}
