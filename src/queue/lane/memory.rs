//! The mapped region: its geometry, its blocks as typed references, and the locks that make consumers unique.

use crate::queue::counters::{COMMITTED, MODES, PRODUCED};
use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::{FlockOperation, MemfdFlags};
use rustix::mm::{MapFlags, ProtFlags};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering, fence};
use std::time::Duration;

/// Longest text of a sink's last error that other processes can see, bytes.
pub(super) const ERROR_TEXT: usize = 192;
/// One-second samples kept for rates.
pub(super) const SAMPLES: usize = 16;

/// Version of the layout, raised by every change of it.
pub(super) const VERSION: u32 = 2;

/// Sizes of a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Lanes: one for each process that may capture.
    pub lanes: usize,
    /// Writers that share them.
    pub writers: usize,
    /// Sinks that each writer feeds.
    pub sinks: usize,
    /// Bytes of each lane's ring; a multiple of 4096.
    pub lane_bytes: usize,
    /// Queued bytes in one lane at which a gathering writer is woken.
    pub wake_bytes: usize,
}

#[repr(C, align(64))]
pub(super) struct Header {
    /// [`VERSION`].
    pub version: AtomicU32,
    pub capture_on: AtomicU32,
    /// Milliseconds on the monotonic clock at which the server was told to end; 0 while it runs.
    pub shutdown_began: AtomicU64,
    /// Milliseconds from then on in which everything must be stored.
    pub shutdown_time: AtomicU64,
    pub writer_restarts: AtomicU64,
    /// Messages of processes that have no lane to count them in.
    pub without_lane: AtomicU64,
    pub refused: AtomicU64,
}

#[repr(C, align(64))]
pub(super) struct Slot {
    pub counters: [AtomicU64; COMMITTED],
}

#[repr(C)]
pub(super) struct Sample {
    pub at_ms: AtomicU64,
    pub captured: AtomicU64,
    pub stored: AtomicU64,
}

#[repr(C, align(64))]
pub(super) struct WriterBlock {
    /// 0 busy, 1 idle, 2 gathering: the futex word.
    pub state: AtomicU32,
    /// Commits so far; its lowest bit tells which of the two slots, here and in the lanes' progress, counts.
    pub commits: AtomicU64,
    /// Stamp of the oldest record that is read and not committed, plus 1; 0 for none.
    pub oldest: AtomicU64,
    pub next_sample: AtomicU32,
    pub samples: [Sample; SAMPLES],
    pub slots: [Slot; 2],
}

/// One sink of one writer.
#[repr(C, align(64))]
pub(super) struct SinkBlock {
    /// 0 not tried yet, 1 up, 2 down.
    pub state: AtomicU32,
    pub error_len: AtomicU32,
    pub errors: AtomicU64,
    pub error_ms: AtomicU64,
    pub error: [AtomicU8; ERROR_TEXT],
    pub spool_bytes: AtomicU64,
    /// Records in spools that earlier writers left.
    pub earlier: AtomicU64,
    pub marks: [SharedMarks; 2],
}

/// How far a sink's spool is written and done with; slots as in [`Slot`].
#[repr(C)]
pub(super) struct SharedMarks {
    /// Id of the next record; 0 while the spool was not opened in this run of the server.
    pub next: AtomicU64,
    pub acked: AtomicU64,
}

#[repr(C)]
pub(super) struct LaneProgress {
    pub position: AtomicU64,
    pub records: AtomicU64,
}

#[repr(C, align(64))]
pub(super) struct LaneProducerSide {
    /// Position behind the last published record, a multiple of 8, with the lowest bits of the number of published
    /// records: see [`LaneProducerSide::published`].
    pub head: AtomicU64,
    /// Records published, or one more while the next one is being published.
    pub pushed: AtomicU64,
    pub counters: [AtomicU64; PRODUCED],
    /// SIP requests and SIP replies of each capture mode.
    pub modes: [[AtomicU64; 2]; MODES],
}

/// Bits of [`LaneProducerSide::head`] that hold the lowest ones of the number of records.
pub(super) const RECORDS_IN_HEAD: u64 = 7;

impl LaneProducerSide {
    /// Position behind the last published record.
    pub fn end(&self) -> u64 {
        self.head.load(Ordering::Acquire) & !RECORDS_IN_HEAD
    }

    /// The same, and how many records there have been up to there. A producer counts a record before it publishes it,
    /// and may have died in between, so the count alone could be one too high: the bits in `head` tell.
    pub fn published(&self) -> (u64, u64) {
        loop {
            let head = self.head.load(Ordering::Acquire);
            let pushed = self.pushed.load(Ordering::Relaxed);
            fence(Ordering::Acquire);
            if self.head.load(Ordering::Relaxed) == head {
                let ahead = pushed.wrapping_sub(head) & RECORDS_IN_HEAD;
                return (head & !RECORDS_IN_HEAD, pushed.saturating_sub(ahead));
            }
        }
    }
}

#[repr(C, align(64))]
pub(super) struct LaneConsumerSide {
    pub tail: AtomicU64,
    /// How far the consumer has read ahead of what it has committed; only tells producers whether waking is worth it.
    pub read: AtomicU64,
    /// 1 while the lane's owner waits for `tail`, else 0. Written by the owner, and here because the consumer looks at
    /// it right after it has moved `tail`.
    pub waiting: AtomicU32,
}

#[repr(C)]
pub(super) struct LaneBlock {
    /// The thread that pushes into it, as a [`ThreadIdentity`](super::ThreadIdentity)'s word; 0 for none.
    pub owner: AtomicU64,
    pub producer: LaneProducerSide,
    pub consumer: LaneConsumerSide,
}

const fn align(bytes: usize) -> usize {
    bytes.next_multiple_of(64)
}

/// The region of one module, mapped into every process of the server.
#[derive(Debug)]
pub struct Lanes {
    base: NonNull<u8>,
    geometry: Geometry,
    locks: Vec<OwnedFd>,
    /// Consumers alive in this process: file locks do not tell threads apart.
    consumers: Vec<AtomicBool>,
    /// One for each lane, see [`CommitWait`](super::CommitWait); none when nobody is to wait.
    wakes: Vec<OwnedFd>,
}

// SAFETY:
// * the mapping lives as long as the value and is never remapped;
// * everything in it but ring bytes is atomic;
// * ring bytes are touched through `Producer` and `Consumer` only, which are unique by owner word and lock.
unsafe impl Send for Lanes {}
// SAFETY: as above.
unsafe impl Sync for Lanes {}

impl Lanes {
    /// Maps a zeroed region of this geometry, shared with every later child.
    pub fn map(geometry: Geometry) -> io::Result<Lanes> {
        let valid = geometry.lanes > 0
            && geometry.writers > 0
            && geometry.sinks > 0
            && geometry.lane_bytes >= 1 << 18
            && geometry.lane_bytes.is_multiple_of(4096)
            && geometry.lane_bytes <= u32::MAX as usize;
        if !valid {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("impossible lanes: {geometry:?}")));
        }
        let lock = || rustix::fs::memfd_create("sipcapture-writer", MemfdFlags::CLOEXEC);
        let locks = (0..geometry.writers).map(|_| lock()).collect::<Result<Vec<_>, _>>()?;
        let prot = ProtFlags::READ | ProtFlags::WRITE;
        let flags = MapFlags::SHARED | MapFlags::NORESERVE;
        // SAFETY: a new anonymous mapping at an address of the kernel's choice aliases nothing.
        let base = unsafe { rustix::mm::mmap_anonymous(std::ptr::null_mut(), region_bytes(geometry), prot, flags)? };
        let base = NonNull::new(base.cast::<u8>()).ok_or(io::ErrorKind::OutOfMemory)?;
        let consumers = (0..geometry.writers).map(|_| AtomicBool::new(false)).collect();
        let lanes = Lanes { base, geometry, locks, consumers, wakes: Vec::new() };
        lanes.header().version.store(VERSION, Ordering::Release);
        Ok(lanes)
    }

    /// The same lanes, whose owners can wait for what they have pushed ([`Producer::commit_wait`](super::Producer)).
    /// Costs a file descriptor a lane, in this process and in every later child.
    pub fn with_waits(mut self) -> io::Result<Lanes> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        self.wakes = (0..self.geometry.lanes).map(|_| eventfd(0, flags)).collect::<Result<_, _>>()?;
        Ok(self)
    }

    /// The sizes that it was mapped with.
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// Version of the layout that the region has.
    pub(super) fn version(&self) -> u32 {
        self.header().version.load(Ordering::Acquire)
    }

    /// Whether capture is switched on, in every process.
    pub fn capture_on(&self) -> bool {
        self.header().capture_on.load(Ordering::Relaxed) != 0
    }

    /// Switches capture on or off in every process.
    pub fn set_capture_on(&self, on: bool) {
        self.header().capture_on.store(u32::from(on), Ordering::Relaxed);
    }

    /// Says that the server ends, and that everything must be stored within `timeout` of the first time that this is
    /// said. The longest one counts: the main process may have longer than its children. For the end of the server
    /// alone: nobody takes it back.
    pub fn begin_shutdown(&self, timeout: Duration) {
        let header = self.header();
        // Before the moment: whoever sees that one sees a time too.
        header.shutdown_time.fetch_max(timeout.as_millis() as u64, Ordering::Relaxed);
        let _ = header.shutdown_began.compare_exchange(0, now_ms().max(1), Ordering::Release, Ordering::Relaxed);
    }

    /// Time left of that of [`Lanes::begin_shutdown`]; `None` while the server runs.
    pub fn shutdown_left(&self) -> Option<Duration> {
        match self.header().shutdown_began.load(Ordering::Acquire) {
            0 => None,
            began => {
                let deadline = began.saturating_add(self.header().shutdown_time.load(Ordering::Relaxed));
                Some(Duration::from_millis(deadline.saturating_sub(now_ms())))
            }
        }
    }

    /// Counts a writer that died and was started again.
    pub fn count_writer_restart(&self) {
        self.header().writer_restarts.fetch_add(1, Ordering::Relaxed);
    }

    /// Wakes writer `writer`, however it sleeps.
    pub fn wake(&self, writer: usize) {
        let state = &self.writer(writer).state;
        state.store(0, Ordering::SeqCst);
        let _ = rustix::thread::futex::wake(state, rustix::thread::futex::Flags::empty(), 1);
    }

    /// File descriptors that must stay open in a writer process.
    pub fn kept_open(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.locks.iter().chain(&self.wakes).map(AsFd::as_fd)
    }

    /// What wakes the owner of `lane`; `None` when nobody is to wait.
    pub(super) fn wake_of(&self, lane: usize) -> Option<BorrowedFd<'_>> {
        self.wakes.get(lane).map(AsFd::as_fd)
    }

    /// Locks writer `writer` for this process; false when another process, or another thread of this one, holds it.
    pub(super) fn lock_writer(&self, writer: usize) -> io::Result<bool> {
        if self.consumers[writer].swap(true, Ordering::Acquire) {
            return Ok(false);
        }
        match rustix::fs::fcntl_lock(&self.locks[writer], FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(true),
            Err(error) => {
                self.consumers[writer].store(false, Ordering::Release);
                let held = [rustix::io::Errno::AGAIN, rustix::io::Errno::ACCESS].contains(&error);
                if held { Ok(false) } else { Err(error.into()) }
            }
        }
    }

    pub(super) fn unlock_writer(&self, writer: usize) {
        let _ = rustix::fs::fcntl_lock(&self.locks[writer], FlockOperation::NonBlockingUnlock);
        self.consumers[writer].store(false, Ordering::Release);
    }

    pub(super) fn header(&self) -> &Header {
        self.at(0)
    }

    pub(super) fn writer(&self, writer: usize) -> &WriterBlock {
        assert!(writer < self.geometry.writers);
        self.at(writers_offset() + writer * align(size_of::<WriterBlock>()))
    }

    pub(super) fn sink(&self, writer: usize, sink: usize) -> &SinkBlock {
        assert!(writer < self.geometry.writers && sink < self.geometry.sinks);
        let index = writer * self.geometry.sinks + sink;
        self.at(sinks_offset(self.geometry) + index * align(size_of::<SinkBlock>()))
    }

    pub(super) fn progress(&self, slot: usize, lane: usize) -> &LaneProgress {
        assert!(lane < self.geometry.lanes && slot < 2);
        let index = slot * self.geometry.lanes + lane;
        self.at(progress_offset(self.geometry) + index * size_of::<LaneProgress>())
    }

    pub(super) fn lane(&self, lane: usize) -> &LaneBlock {
        self.at(self.lane_offset(lane))
    }

    /// The writer that lane `lane` belongs to.
    pub(super) fn writer_of(&self, lane: usize) -> usize {
        lane % self.geometry.writers
    }

    /// Where the ring bytes of `lane` begin; `lane_bytes` of them are mapped.
    pub(super) fn ring(&self, lane: usize) -> *mut u8 {
        let offset = self.lane_offset(lane) + align(size_of::<LaneBlock>());
        // SAFETY: the offset lies within the mapping, see `region_bytes`.
        unsafe { self.base.as_ptr().add(offset) }
    }

    fn lane_offset(&self, lane: usize) -> usize {
        assert!(lane < self.geometry.lanes);
        lanes_offset(self.geometry) + lane * lane_block_bytes(self.geometry)
    }

    fn at<T>(&self, offset: usize) -> &T {
        assert!(offset.is_multiple_of(align_of::<T>()) && offset + size_of::<T>() <= region_bytes(self.geometry));
        // SAFETY:
        // * offset and size lie within the mapping and the alignment is right, checked above;
        // * every T used here is made of atomics alone, for which zeroed memory is valid and sharing is sound;
        // * the private accessors above give each offset to one type only.
        unsafe { self.base.add(offset).cast::<T>().as_ref() }
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        // SAFETY: `base` and the length are those of the mapping, and no reference outlives the value.
        let _ = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), region_bytes(self.geometry)) };
    }
}

const fn writers_offset() -> usize {
    align(size_of::<Header>())
}

const fn sinks_offset(geometry: Geometry) -> usize {
    writers_offset() + geometry.writers * align(size_of::<WriterBlock>())
}

const fn progress_offset(geometry: Geometry) -> usize {
    sinks_offset(geometry) + geometry.writers * geometry.sinks * align(size_of::<SinkBlock>())
}

const fn lanes_offset(geometry: Geometry) -> usize {
    align(progress_offset(geometry) + 2 * geometry.lanes * size_of::<LaneProgress>())
}

const fn lane_block_bytes(geometry: Geometry) -> usize {
    align(size_of::<LaneBlock>()) + geometry.lane_bytes
}

const fn region_bytes(geometry: Geometry) -> usize {
    lanes_offset(geometry) + geometry.lanes * lane_block_bytes(geometry)
}

/// The slot that counts after so many commits.
pub(super) fn slot(commits: u64) -> usize {
    (commits & 1) as usize
}

/// Milliseconds on the monotonic clock, the same in every process of the machine; coarse, and cheap to read.
pub(crate) fn now_ms() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::MonotonicCoarse);
    now.tv_sec as u64 * 1000 + now.tv_nsec as u64 / 1_000_000
}
