//! Waiting, in a lane's owner, until what it has pushed has left the lane: stored, spooled or given up, and counted.
//!
//! No record carries a token and no record is answered. The owner remembers the position behind its last push; the
//! record there has left the lane when the consumer's `tail` has reached that position. To be woken, the owner says
//! that it waits, and sleeps on the lane's eventfd; a consumer that has moved `tail` looks whether somebody waits. No
//! wake-up is lost:
//!
//! ```text
//! owner                                     consumer
//! waiting := 1          (relaxed)           tail := position      (release)
//! fence                 (seq. consistent)   fence                 (seq. consistent)
//! look at tail          (acquire)           look at waiting       (relaxed)
//! sleep unless passed                       add to the eventfd if it is 1
//! ```
//!
//! The two fences stand in one order that both sides agree on. If the owner's is first, the consumer sees `waiting` and
//! wakes; if the consumer's is first, the owner sees the new `tail` and does not sleep. A wake-up is an addition to the
//! eventfd, which stays readable until the owner clears it, and the owner looks at `tail` after it has cleared it. A
//! consumer that dies between its two steps has a successor, which wakes every owner that waits before it reads
//! ([`Consumer::take`](super::Consumer::take)).
//!
//! A wake-up may come though nothing new has passed, or nobody waits any more: whoever is woken looks.

use super::memory::Lanes;
use super::producer::Producer;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{Ordering, fence};

/// What a lane's owner waits with for what it has pushed. The thread that calls must be the owner
/// ([`Producer::belongs_here`]).
#[derive(Clone, Copy, Debug)]
pub struct CommitWait<'a> {
    producer: &'a Producer,
    descriptor: BorrowedFd<'a>,
}

impl Producer {
    /// What this lane's owner waits with; `None` when the lanes were mapped for owners that never wait
    /// ([`Lanes::with_waits`]).
    pub fn commit_wait(&self) -> Option<CommitWait<'_>> {
        let descriptor = self.lanes().wake_of(self.lane())?;
        Some(CommitWait { producer: self, descriptor })
    }
}

impl<'a> CommitWait<'a> {
    /// An eventfd that is readable once something has been committed while somebody waited, until it is cleared. It is
    /// the lane's as long as the region is mapped.
    pub fn descriptor(&self) -> BorrowedFd<'a> {
        self.descriptor
    }

    /// The position behind the last record that was pushed, bytes since the lane's start.
    pub fn position(&self) -> u64 {
        self.producer.lanes().lane(self.producer.lane()).producer.end()
    }

    /// Has every commit from now on make the descriptor readable. Before it waits for a position, whoever has called
    /// this asks whether that one has been passed already.
    pub fn begin(&self) {
        self.producer.lanes().lane(self.producer.lane()).consumer.waiting.store(1, Ordering::Relaxed);
        // The owner's fence of the module's comment; `has_passed` comes behind it.
        fence(Ordering::SeqCst);
    }

    /// Takes that back. One more wake-up may be on its way.
    pub fn end(&self) {
        self.producer.lanes().lane(self.producer.lane()).consumer.waiting.store(0, Ordering::Relaxed);
    }

    /// Makes the descriptor unreadable until the next commit. Whoever was woken calls it before it asks what has been
    /// passed.
    pub fn clear(&self) {
        clear(self.descriptor);
    }

    /// Whether all that was pushed up to `position` has left the lane.
    pub fn has_passed(&self, position: u64) -> bool {
        self.producer.lanes().lane(self.producer.lane()).consumer.tail.load(Ordering::Acquire) >= position
    }
}

impl Lanes {
    /// Wakes the owners among those of `moved` that wait, once the tails of these lanes are stored.
    pub(super) fn wake_waiting(&self, moved: impl Iterator<Item = usize>) {
        // The consumer's fence of the module's comment. Where nobody ever waits there is nothing to order.
        if self.wake_of(0).is_none() {
            return;
        }
        fence(Ordering::SeqCst);
        for lane in moved {
            if self.lane(lane).consumer.waiting.load(Ordering::Relaxed) != 0
                && let Some(descriptor) = self.wake_of(lane)
            {
                // Refused only when the count is at its end: then the descriptor is readable anyhow.
                let _ = rustix::io::write(descriptor, &1u64.to_ne_bytes());
            }
        }
    }

    /// Forgets that an earlier owner of `lane` has waited; for the thread that has just become its owner.
    pub(super) fn forget_wait(&self, lane: usize) {
        if let Some(descriptor) = self.wake_of(lane) {
            self.lane(lane).consumer.waiting.store(0, Ordering::Relaxed);
            clear(descriptor);
        }
    }
}

/// Reads an eventfd empty.
fn clear(descriptor: BorrowedFd<'_>) {
    // It refuses to be read when it is empty.
    let _ = rustix::io::read(descriptor, &mut [0u8; 8]);
}
