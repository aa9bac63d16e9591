//! A directory whose files reach the disk behind the caller's back: for a spool that asks for it within an interval,
//! and whose owner has lanes to drain meanwhile. On a disk that is busy with others a sync takes seconds.
//!
//! A sync asked for is done by one thread for all such directories of the process, in the order in which files were
//! first asked for; one that is asked for again before its turn is done once. What fails is logged. The last directory
//! to go waits for what is left, for a limited time: a disk that hangs must not keep the process from its end, and what
//! is written is safe from that anyway.

use super::files::{Directory, Files, OnDisk, SegmentFile, Source};
use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long the end waits for the disk.
const LAST_SYNCS: Duration = Duration::from_secs(1);

type Sync = Box<dyn FnOnce() -> io::Result<()> + Send>;

#[derive(Default)]
struct Jobs {
    /// What to bring to the disk, by path.
    waiting: VecDeque<(PathBuf, Sync)>,
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

    fn push(&self, path: PathBuf, sync: Sync) {
        let mut jobs = self.lock();
        match jobs.waiting.iter_mut().find(|(known, _)| *known == path) {
            Some((_, waiting)) => *waiting = sync,
            None => jobs.waiting.push_back((path, sync)),
        }
        self.changed.notify_one();
    }

    /// Does `job` after all that was asked for before.
    fn push_last(&self, job: Sync) {
        self.lock().waiting.push_back((PathBuf::new(), job));
        self.changed.notify_one();
    }

    /// The next job; `None` at the end.
    fn next(&self) -> Option<(PathBuf, Sync)> {
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

/// The thread that does the syncs; when this is dropped, it ends once nothing is left to do.
struct Worker {
    queue: Arc<Queue>,
    /// How long the drop waits for that; a thread that takes longer is left to the process's end.
    time_limit: Duration,
    thread: JoinHandle<()>,
}

/// That of the process, while a directory uses it.
static WORKER: Mutex<Weak<Worker>> = Mutex::new(Weak::new());

impl Worker {
    fn start(time_limit: Duration) -> io::Result<Arc<Worker>> {
        let queue = Arc::<Queue>::default();
        let jobs = Arc::clone(&queue);
        let body = move || {
            while let Some((path, sync)) = jobs.next() {
                if let Err(error) = sync() {
                    // The kernel has dropped what it could not write, so asking again would only hear that all is well.
                    log::error!("cannot bring {} to the disk: {error}", path.display());
                }
            }
        };
        let thread = std::thread::Builder::new().name("spool sync".to_owned()).spawn(body)?;
        Ok(Arc::new(Worker { queue, time_limit, thread }))
    }

    fn shared() -> io::Result<Arc<Worker>> {
        let mut shared = WORKER.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(worker) = shared.upgrade() {
            return Ok(worker);
        }
        let worker = Worker::start(LAST_SYNCS)?;
        *shared = Arc::downgrade(&worker);
        Ok(worker)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.queue.lock().has_ended = true;
        self.queue.changed.notify_one();
        let deadline = Instant::now() + self.time_limit;
        while !self.thread.is_finished() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// See the module comment. The position's syncs are done at once: they say which of its slots may be overwritten.
pub(super) struct LazyDirectory {
    directory: Directory,
    path: PathBuf,
    worker: Arc<Worker>,
    prompt: &'static str,
    failures: Arc<AtomicU64>,
    /// How many of these there were when a mark was last asked for.
    marked: AtomicU64,
}

/// What `sync` answers; an error is counted in `failures`.
fn counted(failures: &AtomicU64, sync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    sync().inspect_err(|_| {
        failures.fetch_add(1, Ordering::AcqRel);
    })
}

impl LazyDirectory {
    /// Makes the directory at `path`. The file called `prompt` is synced at once, but for its first time: it is made
    /// now, `room` bytes of zeros, so that no later sync of it has to wait for more than the bytes themselves.
    pub fn make(path: &Path, prompt: &'static str, room: usize) -> io::Result<LazyDirectory> {
        LazyDirectory::make_with(Worker::shared()?, path, prompt, room)
    }

    fn make_with(worker: Arc<Worker>, path: &Path, prompt: &'static str, room: usize) -> io::Result<LazyDirectory> {
        let directory = LazyDirectory {
            directory: Directory::make(path)?,
            path: path.to_owned(),
            worker,
            prompt,
            failures: Arc::default(),
            marked: AtomicU64::new(0),
        };
        match directory.directory.create(prompt) {
            Ok(file) => {
                file.write_all_at(&vec![0; room], 0)?;
                // In a new directory there is nothing to protect yet.
                directory.worker.queue.push(path.join(prompt), Box::new(move || file.sync()));
                directory.sync()?;
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        Ok(directory)
    }

    fn lazy(&self, name: &str, file: Box<dyn SegmentFile>) -> Box<dyn SegmentFile> {
        if name == self.prompt {
            return file;
        }
        let (queue, failures) = (Arc::clone(&self.worker.queue), Arc::clone(&self.failures));
        Box::new(LazyFile { file, path: self.path.join(name), queue, failures })
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
        let failures = Arc::clone(&self.failures);
        self.worker.queue.push(self.path.clone(), Box::new(move || counted(&failures, || directory.sync())));
        Ok(())
    }

    fn mark(&self) -> OnDisk {
        // What has failed since the mark before may be of what was written since then.
        let before = self.marked.swap(self.failures.load(Ordering::Acquire), Ordering::AcqRel);
        let (on_disk, failures) = (OnDisk::new(false), Arc::clone(&self.failures));
        let mark = on_disk.clone();
        self.worker.queue.push_last(Box::new(move || {
            mark.decide(failures.load(Ordering::Acquire) == before);
            Ok(())
        }));
        on_disk
    }
}

/// A file of such a directory.
struct LazyFile {
    file: Box<dyn SegmentFile>,
    path: PathBuf,
    queue: Arc<Queue>,
    /// Those of its directory.
    failures: Arc<AtomicU64>,
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
        counted(&self.failures, || {
            let (copy, failures) = (self.file.duplicate()?, Arc::clone(&self.failures));
            self.queue.push(self.path.clone(), Box::new(move || counted(&failures, || copy.sync())));
            Ok(())
        })
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
    use super::super::{Spool, SpoolOptions, SyncPolicy, files, position};
    use super::*;
    use std::sync::mpsc::channel;

    const LONG: Duration = Duration::from_secs(600);

    #[test]
    fn what_is_asked_for_again_before_its_turn_is_done_once_and_all_is_done_at_the_end() {
        let place = tempfile::tempdir().unwrap();
        let directory = LazyDirectory::make_with(Worker::start(LONG).unwrap(), place.path(), "prompt", 64).unwrap();
        let (go, gate) = channel::<()>();
        let (done, seen) = channel();
        directory.worker.queue.push("slow".into(), Box::new(move || gate.recv().map_err(io::Error::other)));
        while !directory.worker.queue.lock().waiting.is_empty() {
            std::thread::yield_now();
        }
        for (name, number) in [("a", 1), ("b", 2), ("a", 3), ("a", 4)] {
            let done = done.clone();
            directory.worker.queue.push(name.into(), Box::new(move || done.send(number).map_err(io::Error::other)));
        }
        go.send(()).unwrap();
        drop((directory, done));
        assert_eq!(seen.iter().collect::<Vec<_>>(), [4, 2]);
    }

    #[test]
    fn a_sync_that_hangs_holds_up_nothing_but_the_end() {
        let place = tempfile::tempdir().unwrap();
        let directory = LazyDirectory::make_with(Worker::start(LONG).unwrap(), place.path(), "prompt", 64).unwrap();
        let (go, gate) = channel::<()>();
        directory.worker.queue.push("slow".into(), Box::new(move || gate.recv().map_err(io::Error::other)));
        while !directory.worker.queue.lock().waiting.is_empty() {
            std::thread::yield_now();
        }
        let file = directory.create("segment").unwrap();
        for turn in 0..100 {
            file.write_all_at(b"record", turn * 6).unwrap();
            file.sync().unwrap();
            directory.sync().unwrap();
        }
        assert!(directory.worker.queue.lock().waiting.len() <= 3, "each waits once");
        let prompt = directory.open("prompt").unwrap();
        assert_eq!(prompt.size().unwrap(), 64);
        prompt.sync().unwrap();
        assert!(directory.worker.queue.lock().waiting.iter().all(|(path, _)| !path.ends_with("prompt")));
        go.send(()).unwrap();
        drop(directory);
        assert_eq!(std::fs::read(place.path().join("segment")).unwrap().len(), 600);
    }

    #[test]
    fn the_end_does_not_wait_for_a_disk_that_hangs_and_what_is_left_is_still_done() {
        let place = tempfile::tempdir().unwrap();
        let worker = Worker::start(Duration::ZERO).unwrap();
        let made: Vec<_> = ["one", "other"]
            .map(|name| LazyDirectory::make_with(Arc::clone(&worker), &place.path().join(name), "prompt", 64).unwrap())
            .into();
        let (go, gate) = channel::<()>();
        let (done, seen) = channel();
        worker.queue.push("slow".into(), Box::new(move || gate.recv().map_err(io::Error::other)));
        worker.queue.push("left".into(), Box::new(move || done.send(()).map_err(io::Error::other)));
        let (tell, ended) = channel();
        std::thread::spawn(move || {
            drop((made, worker));
            tell.send(()).unwrap();
        });
        ended.recv_timeout(Duration::from_secs(30)).expect("it ends while the disk hangs");
        assert!(seen.try_recv().is_err());
        go.send(()).unwrap();
        seen.recv().unwrap();
    }

    #[test]
    fn directories_share_one_thread() {
        let place = tempfile::tempdir().unwrap();
        let made: Vec<_> = (0..20)
            .map(|number| LazyDirectory::make(&place.path().join(number.to_string()), "prompt", 64).unwrap())
            .collect();
        assert!(made.iter().all(|directory| Arc::ptr_eq(&directory.worker, &made[0].worker)));
    }

    #[test]
    fn a_spool_is_opened_filled_and_ended_while_the_disk_hangs_and_says_when_its_records_are_there() {
        let place = tempfile::tempdir().unwrap();
        let worker = Worker::start(LONG).unwrap();
        let (go, gate) = channel::<()>();
        worker.queue.push("slow".into(), Box::new(move || gate.recv().map_err(io::Error::other)));
        let directory = place.path().join("spool");
        let lazy = LazyDirectory::make_with(Arc::clone(&worker), &directory, position::NAME, position::ROOM).unwrap();
        let syncs = files::SYNCS.get();
        let sync = SyncPolicy::Interval(Duration::from_secs(1));
        let options = SpoolOptions { directory, limit_bytes: 1 << 20, segment_bytes: 1 << 18, sync };
        let mut spool = Spool::open_on(Box::new(lazy), options, None).unwrap();
        spool.append([&b"record"[..]].into_iter()).unwrap();
        let is_there = spool.bring_to_disk();
        assert!(!is_there.is_there());
        spool.discard();
        assert_eq!(files::SYNCS.get(), syncs, "its thread waits for the disk");
        go.send(()).unwrap();
        drop(worker);
        assert!(is_there.is_there());
    }

    #[test]
    fn a_mark_fails_with_the_sync_before_it_and_what_comes_then_begins_a_new_segment() {
        let place = tempfile::tempdir().unwrap();
        let worker = Worker::start(LONG).unwrap();
        let directory = place.path().join("spool");
        let lazy = LazyDirectory::make_with(Arc::clone(&worker), &directory, position::NAME, position::ROOM).unwrap();
        let failures = Arc::clone(&lazy.failures);
        let sync = SyncPolicy::Interval(LONG);
        let options = SpoolOptions { directory: directory.clone(), limit_bytes: 1 << 20, segment_bytes: 1 << 18, sync };
        let mut spool = Spool::open_on(Box::new(lazy), options, None).unwrap();
        let settled = |mark: &OnDisk| {
            while !mark.is_there() && !mark.has_failed() {
                std::thread::yield_now();
            }
            mark.is_there()
        };
        let segments = || {
            let entries = std::fs::read_dir(&directory).unwrap().flatten();
            entries.filter(|entry| entry.path().extension().is_some_and(|end| end == "segment")).count()
        };
        let (go, gate) = channel::<()>();
        worker.queue.push("slow".into(), Box::new(move || gate.recv().map_err(io::Error::other)));
        spool.append([&b"record"[..]].into_iter()).unwrap();
        let fail = Arc::clone(&failures);
        let failing = move || counted(&fail, || Err(io::ErrorKind::Other.into()));
        worker.queue.push("one of its syncs".into(), Box::new(failing));
        let first = spool.bring_to_disk();
        // The sync of these may be the one that fails.
        spool.append([&b"record"[..]].into_iter()).unwrap();
        let second = spool.bring_to_disk();
        go.send(()).unwrap();
        assert!(!settled(&first) && !settled(&second));
        assert_eq!(segments(), 1);
        spool.append([&b"record"[..]].into_iter()).unwrap();
        assert_eq!(segments(), 2);
        assert!(settled(&spool.bring_to_disk()));
        spool.append([&b"record"[..]].into_iter()).unwrap();
        assert!(settled(&spool.bring_to_disk()));
        assert_eq!(segments(), 2);
    }
}
