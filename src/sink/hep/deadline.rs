//! Waiting for sockets, never longer than was agreed.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// A point in time at which a wait ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    at: Instant,
}

impl Deadline {
    /// `limit` from now.
    pub fn after(limit: Duration) -> Deadline {
        Deadline { at: Instant::now() + limit }
    }

    /// Time that is left; zero when the deadline has passed.
    pub fn left(self) -> Duration {
        self.at.saturating_duration_since(Instant::now())
    }

    /// Whether no time is left.
    pub fn has_passed(self) -> bool {
        self.left().is_zero()
    }

    /// A deadline for one of `tries` tries that share what is left.
    pub fn share(self, tries: usize) -> Deadline {
        Deadline::after(self.left() / u32::try_from(tries.max(1)).unwrap_or(u32::MAX))
    }
}

/// Waits until `socket` is ready for `events`, or has failed, and answers what it is ready for; nothing when the
/// deadline has passed before.
pub(super) fn wait(socket: impl AsFd, events: PollFlags, deadline: Deadline) -> io::Result<PollFlags> {
    let socket = socket.as_fd();
    loop {
        let left = deadline.left();
        let timeout = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
        let mut watched = [PollFd::from_borrowed_fd(socket, events)];
        match poll(&mut watched, Some(&timeout)) {
            Ok(_) => return Ok(watched[0].revents()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
