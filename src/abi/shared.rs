//! Memory that all processes of the server see, behind a lock that outlives any of them.

use crate::module::{ForwardState, SharedState};
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};
use std::io;
use std::mem::MaybeUninit;
use std::ptr::{NonNull, null_mut};
use std::time::Duration;

/// How often one that must not wait tries to get the lock. Counted and not timed: a server that is stopped as a whole,
/// and goes on, has lost no try.
const TRIES: u32 = 50;
/// Time between two tries; the lock is held for some microseconds.
const PAUSE: Duration = Duration::from_micros(100);

/// What is mapped.
#[repr(C)]
struct Region {
    mutex: libc::pthread_mutex_t,
    state: ForwardState,
}

/// The state of forwarding, in anonymous shared memory that every later child inherits.
pub(super) struct SharedForwardState {
    region: NonNull<Region>,
}

// SAFETY:
// * the mapping lives as long as the value;
// * the state is touched under the mutex alone.
unsafe impl Send for SharedForwardState {}
// SAFETY: as above.
unsafe impl Sync for SharedForwardState {}

impl SharedForwardState {
    /// Maps a state in which nothing is known.
    pub fn map() -> io::Result<SharedForwardState> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        let flags = MapFlags::SHARED | MapFlags::NORESERVE;
        // SAFETY: a new anonymous mapping at an address of the kernel's choice aliases nothing.
        let base = unsafe { mmap_anonymous(null_mut(), size_of::<Region>(), protection, flags)? };
        let region = NonNull::new(base.cast::<Region>()).ok_or(io::ErrorKind::OutOfMemory)?;
        let shared = SharedForwardState { region };
        // SAFETY: the mapping is new, of this size and aligned to a page, and nobody else has it yet.
        unsafe { make_mutex(&raw mut (*region.as_ptr()).mutex)? };
        Ok(shared)
    }
}

/// Makes a mutex for several processes, which passes on to the next when the process or thread that has it dies.
///
/// # Safety
/// `mutex` must be valid for writes, and nobody may use it yet.
unsafe fn make_mutex(mutex: *mut libc::pthread_mutex_t) -> io::Result<()> {
    let mut attributes = MaybeUninit::uninit();
    let attributes = attributes.as_mut_ptr();
    // SAFETY: `attributes` is initialised by the first call and not used after the last; the caller vouches for
    // `mutex`.
    unsafe {
        check(libc::pthread_mutexattr_init(attributes))?;
        let made = check(libc::pthread_mutexattr_setpshared(attributes, libc::PTHREAD_PROCESS_SHARED))
            .and_then(|()| check(libc::pthread_mutexattr_setrobust(attributes, libc::PTHREAD_MUTEX_ROBUST)))
            .and_then(|()| check(libc::pthread_mutex_init(mutex, attributes)));
        libc::pthread_mutexattr_destroy(attributes);
        made
    }
}

fn check(error: i32) -> io::Result<()> {
    if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(error)) }
}

/// The lock while it is held; a panic lets it go, too.
struct Locked(*mut libc::pthread_mutex_t);

impl Drop for Locked {
    fn drop(&mut self) {
        // SAFETY: this thread has the mutex, as [`SharedState::with`] made sure.
        unsafe { libc::pthread_mutex_unlock(self.0) };
    }
}

impl SharedForwardState {
    fn mutex(&self) -> *mut libc::pthread_mutex_t {
        // SAFETY: the region is mapped, and its mutex made, as long as `self` lives.
        unsafe { &raw mut (*self.region.as_ptr()).mutex }
    }

    /// Runs `body` with the state, and lets the lock go.
    ///
    /// # Safety
    /// `error` must be what a call that locks the mutex has answered to this thread just now, and not EBUSY.
    unsafe fn run<R>(&self, error: i32, body: impl FnOnce(&mut ForwardState) -> R) -> R {
        assert!(matches!(error, 0 | libc::EOWNERDEAD), "the lock of the names is broken: error {error}");
        let mutex = self.mutex();
        let _locked = Locked(mutex);
        // SAFETY:
        // * the mutex is this thread's, so nobody else has a reference to the state;
        // * it is made of plain numbers, of which all zero bytes, and whatever a dead process left, are values.
        let state = unsafe { &mut (*self.region.as_ptr()).state };
        if error == libc::EOWNERDEAD {
            state.clear();
            // SAFETY: this thread has the mutex, whose owner has died.
            unsafe { libc::pthread_mutex_consistent(mutex) };
        }
        body(state)
    }
}

impl SharedState for SharedForwardState {
    fn with<R>(&self, body: impl FnOnce(&mut ForwardState) -> R) -> R {
        // SAFETY: the mutex lives as long as `self`, and what the lock answers is handed on.
        unsafe { self.run(libc::pthread_mutex_lock(self.mutex()), body) }
    }

    fn try_with<R>(&self, waits: bool, body: impl FnOnce(&mut ForwardState) -> R) -> Option<R> {
        let mut tries = if waits { TRIES } else { 1 };
        loop {
            // SAFETY: the mutex lives as long as `self`.
            let error = unsafe { libc::pthread_mutex_trylock(self.mutex()) };
            if error != libc::EBUSY {
                // SAFETY: the lock has just answered that.
                return Some(unsafe { self.run(error, body) });
            }
            tries -= 1;
            if tries == 0 {
                return None;
            }
            std::thread::sleep(PAUSE);
        }
    }
}

impl Drop for SharedForwardState {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's, and no reference to it is left. Other processes have mappings of their
        // own.
        let _ = unsafe { munmap(self.region.as_ptr().cast(), size_of::<Region>()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::{Forward, ForwardRules, Forwarded, LookUp};
    use std::sync::{Arc, mpsc};

    impl SharedState for Arc<SharedForwardState> {
        fn with<R>(&self, body: impl FnOnce(&mut ForwardState) -> R) -> R {
            (**self).with(body)
        }

        fn try_with<R>(&self, waits: bool, body: impl FnOnce(&mut ForwardState) -> R) -> Option<R> {
            (**self).try_with(waits, body)
        }
    }

    const RULES: ForwardRules = ForwardRules { look_up: LookUp::ByAddress, holds: true };

    #[test]
    fn what_one_process_holds_another_finds_and_a_state_that_is_mapped_is_empty() {
        let shared = Arc::new(SharedForwardState::map().expect("there is memory"));
        let mut forward = Forward::new(RULES);
        forward.open(Arc::clone(&shared)).expect("it is opened once");
        forward.expect_any();
        assert_eq!(shared.with(|state| state.held()), 0);
        let other = std::thread::spawn(move || forward.send(b"sip:a.example", b"message"));
        assert_eq!(other.join().expect("the thread ends"), Forwarded::Held);
        assert_eq!(shared.with(|state| state.held()), 1);
    }

    #[test]
    fn who_dies_with_the_lock_leaves_it_to_the_next_and_what_was_held_is_counted() {
        let shared = Arc::new(SharedForwardState::map().expect("there is memory"));
        let mut forward = Forward::new(RULES);
        forward.open(Arc::clone(&shared)).expect("it is opened once");
        forward.expect_any();
        assert_eq!(forward.send(b"sip:a.example", b"message"), Forwarded::Held);
        let dying = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            // SAFETY: the region is mapped; the mutex is never given back, which is what is tested.
            unsafe { libc::pthread_mutex_lock(&raw mut (*dying.region.as_ptr()).mutex) }
        });
        assert_eq!(thread.join().expect("the thread ends"), 0);
        assert_eq!(shared.with(|state| (state.held(), state.lost())), (0, 1));
        assert_eq!(forward.send(b"sip:a.example", b"message"), Forwarded::Held);
        assert_eq!(shared.with(|state| (state.held(), state.lost())), (1, 1));
    }

    #[test]
    fn a_worker_loses_what_it_sends_while_another_keeps_the_lock_and_goes_on_once_that_lets_it_go() {
        let shared = Arc::new(SharedForwardState::map().expect("there is memory"));
        let mut forward = Forward::new(RULES);
        forward.open(Arc::clone(&shared)).expect("it is opened once");
        forward.expect_any();
        let (has, wait) = mpsc::channel();
        let (end, ended) = mpsc::channel::<()>();
        let keeping = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            keeping.with(|_| {
                has.send(()).expect("the test waits");
                let _ = ended.recv();
            });
        });
        wait.recv().expect("the thread has the lock");
        for _ in 0..3 {
            assert_eq!(forward.send(b"sip:a.example", b"message"), Forwarded::Lost);
        }
        forward.end();
        drop(end);
        thread.join().expect("the thread ends");
        assert_eq!(forward.send(b"sip:a.example", b"message"), Forwarded::Held);
    }
}
