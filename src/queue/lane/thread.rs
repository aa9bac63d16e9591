//! Which thread owns something in shared memory, and whether that thread still lives.
//!
//! A thread id alone does not tell: the kernel gives it to a later thread once its own has ended. So an owner is the id
//! together with the moment at which the thread has started, in one word that one instruction can compare and exchange:
//!
//! ```text
//! word     u64: start, clock ticks since boot << 24 | thread id
//!          start 0: not known, since this process sees no /proc (chroot) or not its own
//! ```
//!
//! To know oneself costs no system call: each thread keeps its word, and with it the tag of the process that it was
//! found in. The tag stands in a page that the kernel wipes in every forked process (`MADV_WIPEONFORK`), however the
//! fork came about; so a forked process, whose only thread has the memory of the thread that forked, finds its word out
//! anew.

use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, ProtFlags};
use std::cell::Cell;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

/// Bits of a thread id; the kernel's own limit is 22.
const ID_BITS: u32 = 24;
/// Bits of the start: 348 years at the usual 100 ticks a second.
const START_BITS: u32 = 40;
/// Bytes of the page that the tag stands in.
const PAGE: usize = 4096;

/// One thread, told apart from every other that the machine has run since it was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThreadIdentity(NonZeroU64);

impl ThreadIdentity {
    /// The thread that calls.
    pub fn current() -> ThreadIdentity {
        thread_local! {
            /// The tag of the process that the identity was found in, and the identity.
            static KNOWN: Cell<Option<(u64, ThreadIdentity)>> = const { Cell::new(None) };
        }
        let tag = process_tag();
        if let Some((known_tag, identity)) = KNOWN.get()
            && known_tag == tag
        {
            return identity;
        }
        let id = rustix::thread::gettid().as_raw_nonzero().get() as u64;
        let start = look_up(id).map_or(0, |found| found.start);
        let identity = ThreadIdentity::of(start, id);
        KNOWN.set(Some((tag, identity)));
        identity
    }

    fn of(start: u64, id: u64) -> ThreadIdentity {
        let word = (start & ((1 << START_BITS) - 1)) << ID_BITS | id;
        ThreadIdentity(NonZeroU64::new(word).expect("the kernel's thread ids begin at 1"))
    }

    /// The identity that [`ThreadIdentity::word`] gave; `None` for 0.
    pub fn from_word(word: u64) -> Option<ThreadIdentity> {
        NonZeroU64::new(word).map(ThreadIdentity)
    }

    /// The same in one word, never 0.
    pub fn word(self) -> u64 {
        self.0.get()
    }

    /// Whether the thread runs no more. A thread whose process is killed has ended even while the process waits for its
    /// parent. When it cannot be told, the answer is no.
    pub fn has_ended(self) -> bool {
        if self == ThreadIdentity::current() {
            return false;
        }
        let (start, id) = (self.word() >> ID_BITS, self.word() & ((1 << ID_BITS) - 1));
        // SAFETY: signal 0 is not sent, and the call touches no memory of ours.
        if unsafe { libc::syscall(libc::SYS_tkill, id as libc::pid_t, 0) } == -1
            && std::io::Error::last_os_error().raw_os_error() == Some(libc::ESRCH)
        {
            return true;
        }
        let Some(found) = look_up(id) else { return false };
        found.is_dead || (start != 0 && start != found.start)
    }
}

/// What the kernel tells of a thread.
struct ThreadFound {
    /// Clock ticks since boot, cut to [`START_BITS`].
    start: u64,
    /// It runs no more, and waits for its parent.
    is_dead: bool,
}

/// Asks the kernel for thread `id`; `None` when there is none, or /proc does not show the threads of this process's
/// namespace.
fn look_up(id: u64) -> Option<ThreadFound> {
    let own = std::fs::read_link("/proc/self").ok()?;
    if own.to_str()?.parse() != Ok(std::process::id()) {
        return None;
    }
    parse(&std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?)
}

/// Reads `/proc/ID/stat`, proc(5): the name in brackets, which may hold anything, then the state as field 3 and the
/// start as field 22.
fn parse(stat: &str) -> Option<ThreadFound> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let is_dead = ["Z", "X", "x"].contains(&fields.next()?);
    let start: u64 = fields.nth(18)?.parse().ok()?;
    Some(ThreadFound { start: start & ((1 << START_BITS) - 1), is_dead })
}

/// A number that neither the processes before this one in its line of forks nor its children have. Costs no system call
/// but at first.
pub(crate) fn process_tag() -> u64 {
    /// The page that the tag stands in; null before the first call.
    static TAG: AtomicPtr<AtomicU64> = AtomicPtr::new(std::ptr::null_mut());
    let mut page = TAG.load(Ordering::Acquire);
    if page.is_null() {
        page = wiped_on_fork().unwrap_or(NO_PAGE);
        if let Err(other) = TAG.compare_exchange(std::ptr::null_mut(), page, Ordering::AcqRel, Ordering::Acquire) {
            if page != NO_PAGE {
                // SAFETY: the mapping was made above, and another thread's is used in its place.
                let _ = unsafe { rustix::mm::munmap(page.cast(), PAGE) };
            }
            page = other;
        }
    }
    if page == NO_PAGE {
        return std::process::id().into();
    }
    // SAFETY: the pointer is that of a page which is never unmapped, and zeroed memory is a valid atomic.
    let cell = unsafe { &*page };
    match cell.load(Ordering::Relaxed) {
        0 => {
            let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
            let tag = (now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64).max(1);
            cell.compare_exchange(0, tag, Ordering::Relaxed, Ordering::Relaxed).map_or_else(|other| other, |_| tag)
        }
        tag => tag,
    }
}

/// In place of a page where the kernel (before 4.14) wipes none: the process id, asked for each time, is the tag.
const NO_PAGE: *mut AtomicU64 = std::ptr::dangling_mut();

/// A zeroed page that is zeroed again in every forked process.
fn wiped_on_fork() -> Option<*mut AtomicU64> {
    let prot = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: a new anonymous mapping at an address of the kernel's choice aliases nothing.
    let page = unsafe { rustix::mm::mmap_anonymous(std::ptr::null_mut(), PAGE, prot, MapFlags::PRIVATE).ok()? };
    // SAFETY: the advice is for the mapping just made, which holds nothing yet.
    let advised: Result<(), Errno> = unsafe { rustix::mm::madvise(page, PAGE, Advice::LinuxWipeOnFork) };
    if advised.is_err() {
        // SAFETY: the mapping was made above and nobody else knows it.
        let _ = unsafe { rustix::mm::munmap(page, PAGE) };
        return None;
    }
    Some(page.cast())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_has_not_ended_while_it_runs_and_has_once_it_is_joined() {
        let (send, receive) = std::sync::mpsc::channel();
        let (end, wait) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            send.send(ThreadIdentity::current()).unwrap();
            let _ = wait.recv();
        });
        let other = receive.recv().unwrap();
        assert!(other != ThreadIdentity::current() && !other.has_ended());
        drop(end);
        thread.join().unwrap();
        // The kernel wakes the joining thread a moment before it forgets the one that ends.
        while !other.has_ended() {
            std::thread::yield_now();
        }
        assert!(!ThreadIdentity::current().has_ended());
    }

    #[test]
    fn a_thread_that_has_the_id_of_an_earlier_one_is_not_that_one() {
        let (send, receive) = std::sync::mpsc::channel();
        let (end, wait) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            send.send(ThreadIdentity::current()).unwrap();
            let _ = wait.recv();
        });
        let later = receive.recv().unwrap();
        let (start, id) = (later.word() >> ID_BITS, later.word() & ((1 << ID_BITS) - 1));
        assert!(start > 1, "the tests see /proc");
        assert!(ThreadIdentity::of(start - 1, id).has_ended());
        assert!(
            !ThreadIdentity::of(0, id).has_ended(),
            "without a start, a thread that may be the owner is taken for it"
        );
        drop(end);
        thread.join().unwrap();
    }

    #[test]
    fn a_word_gives_the_identity_back_and_0_is_none() {
        let own = ThreadIdentity::current();
        assert_eq!(ThreadIdentity::from_word(own.word()), Some(own));
        assert_eq!(ThreadIdentity::from_word(0), None);
    }

    #[test]
    fn the_name_of_a_thread_cannot_disguise_its_state_or_start() {
        let fields = "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20";
        let found = parse(&format!("12 (a) Z 1 (b) S {fields}")).unwrap();
        assert_eq!((found.start, found.is_dead), (4711, false));
        assert!(parse(&format!("12 (a) Z {fields}")).unwrap().is_dead);
        assert!(parse("12 (a) S 1 2").is_none());
    }
}
