//! A directory whose files reach the disk behind the caller's back: for a spool that asks for it within an interval, and whose owner has
//! lanes to drain meanwhile. On a disk that is busy with others a sync takes seconds.
//!
//! A sync asked for is done by a thread of the directory, in the order in which files were first asked for; one that is asked for again before its
//! turn is done once. What fails is logged. The last value of a directory waits for what is left.

use super::files::{Directory, Files, SegmentFile, Source};
use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

type Sync = Box<dyn FnOnce() -> io::Result<()> + Send>;

#[derive(Default)]
struct Jobs {
    /// What to bring to the disk, by name; the directory itself has none.
    waiting: VecDeque<(String, Sync)>,
    has_ended: bool,
}

#[derive(Default)]
struct Queue {
    jobs: Mutex<Jobs>,
    changed: Condvar,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Jobs> {
        // A job runs outside of the lock, so what a panic of one leaves is whole.
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, name: &str, sync: Sync) {
        let mut jobs = self.lock();
        match jobs.waiting.iter_mut().find(|(known, _)| known == name) {
            Some((_, waiting)) => *waiting = sync,
            None => jobs.waiting.push_back((name.to_owned(), sync)),
        }
        self.changed.notify_one();
    }

    /// The next job; `None` at the end.
    fn next(&self) -> Option<(String, Sync)> {
        let mut jobs = self.lock();
        loop {
            if let Some(job) = jobs.waiting.pop_front() {
                return Some(job);
            }
            if jobs.has_ended {
                return None;
            }
            jobs = self.changed.wait(jobs).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// See the module comment. The position's syncs are done at once: they say which of its slots may be overwritten.
pub(super) struct LazyDirectory {
    directory: Directory,
    queue: Arc<Queue>,
    thread: Option<JoinHandle<()>>,
    prompt: &'static str,
}

impl LazyDirectory {
    /// Makes the directory at `path`. The file called `prompt` is synced at once; it is made now, `room` bytes of zeros on the disk, so that no
    /// later sync of it has to wait for more than the bytes themselves.
    pub fn make(path: &Path, prompt: &'static str, room: usize) -> io::Result<LazyDirectory> {
        let directory = Directory::make(path)?;
        match directory.create(prompt) {
            Ok(file) => {
                file.write_all_at(&vec![0; room], 0)?;
                file.sync()?;
                directory.sync()?;
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        let queue = Arc::new(Queue::default());
        let (jobs, place) = (Arc::clone(&queue), path.to_owned());
        let body = move || {
            while let Some((name, sync)) = jobs.next() {
                if let Err(error) = sync() {
                    // The kernel has dropped what it could not write, so asking again would only hear that all is well.
                    log::error!("cannot bring {} to the disk: {error}", place.join(name).display());
                }
            }
        };
        let thread = std::thread::Builder::new().name("spool sync".to_owned()).spawn(body)?;
        Ok(LazyDirectory { directory, queue, thread: Some(thread), prompt })
    }

    fn lazy(&self, name: &str, file: Box<dyn SegmentFile>) -> Box<dyn SegmentFile> {
        if name == self.prompt {
            return file;
        }
        Box::new(LazyFile { file, name: name.to_owned(), queue: Arc::clone(&self.queue) })
    }
}

impl Drop for LazyDirectory {
    fn drop(&mut self) {
        self.queue.lock().has_ended = true;
        self.queue.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Files for LazyDirectory {
    fn list(&self) -> io::Result<Vec<(String, Option<u64>)>> {
        self.directory.list()
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn SegmentFile>> {
        Ok(self.lazy(name, self.directory.open(name)?))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn SegmentFile>> {
        Ok(self.lazy(name, self.directory.create(name)?))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.directory.remove(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.directory.rename(from, to)
    }

    fn sync(&self) -> io::Result<()> {
        let directory = self.directory.clone();
        self.queue.push("", Box::new(move || directory.sync()));
        Ok(())
    }
}

/// A file of such a directory.
struct LazyFile {
    file: Box<dyn SegmentFile>,
    name: String,
    queue: Arc<Queue>,
}

impl Source for LazyFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }
}

impl SegmentFile for LazyFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.file.write_at(bytes, offset)
    }

    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        self.file.set_size(size)
    }

    fn sync(&self) -> io::Result<()> {
        let copy = self.file.duplicate()?;
        self.queue.push(&self.name, Box::new(move || copy.sync()));
        Ok(())
    }

    fn duplicate(&self) -> io::Result<Box<dyn SegmentFile>> {
        self.file.duplicate()
    }

    fn try_lock(&self) -> io::Result<bool> {
        self.file.try_lock()
    }

    fn unlock(&self) -> io::Result<()> {
        self.file.unlock()
    }

    fn is_linked(&self) -> io::Result<bool> {
        self.file.is_linked()
    }

    fn owner(&self) -> io::Result<(u32, u32)> {
        self.file.owner()
    }

    fn set_owner(&self, owner: (u32, u32)) -> io::Result<()> {
        self.file.set_owner(owner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn what_is_asked_for_again_before_its_turn_is_done_once_and_all_is_done_at_the_end() {
        let place = tempfile::tempdir().unwrap();
        let directory = LazyDirectory::make(place.path(), "prompt", 64).unwrap();
        let (go, gate) = channel::<()>();
        let (done, seen) = channel();
        directory.queue.push("slow", Box::new(move || gate.recv().map_err(io::Error::other)));
        while !directory.queue.lock().waiting.is_empty() {
            std::thread::yield_now();
        }
        for (name, number) in [("a", 1), ("b", 2), ("a", 3), ("a", 4)] {
            let done = done.clone();
            directory.queue.push(name, Box::new(move || done.send(number).map_err(io::Error::other)));
        }
        go.send(()).unwrap();
        drop((directory, done));
        assert_eq!(seen.iter().collect::<Vec<_>>(), [4, 2]);
    }

    #[test]
    fn a_sync_that_hangs_holds_up_nothing_but_the_end() {
        let place = tempfile::tempdir().unwrap();
        let directory = LazyDirectory::make(place.path(), "prompt", 64).unwrap();
        let (go, gate) = channel::<()>();
        directory.queue.push("slow", Box::new(move || gate.recv().map_err(io::Error::other)));
        let file = directory.create("segment").unwrap();
        for turn in 0..100 {
            file.write_all_at(b"record", turn * 6).unwrap();
            file.sync().unwrap();
            directory.sync().unwrap();
        }
        assert!(directory.queue.lock().waiting.len() <= 3, "each waits once");
        let prompt = directory.open("prompt").unwrap();
        assert_eq!(prompt.size().unwrap(), 64);
        prompt.sync().unwrap();
        assert!(directory.queue.lock().waiting.iter().all(|(name, _)| name != "prompt"));
        go.send(()).unwrap();
        drop(directory);
        assert_eq!(std::fs::read(place.path().join("segment")).unwrap().len(), 600);
    }
}
