//! Processes and signals: safe words over the system calls that the supervisor needs.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::time::Duration;

/// Which side of a fork this is.
pub(super) enum Fork {
    /// The new process.
    Child,
    /// The old one, with the new one's id.
    Parent(i32),
}

/// Forks. Only from a process that has one thread.
pub(super) fn fork() -> io::Result<Fork> {
    // SAFETY: the caller's process has a single thread, so no lock can be held by a thread that the child lacks.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Fork::Child),
        id => Ok(Fork::Parent(id)),
    }
}

/// How a child ended.
pub(super) enum Ended {
    /// It has not.
    Running,
    /// With this text for the log; `true` when it ended of itself and without an error.
    With(String, bool),
    /// As `With`, by a signal that says that its own code is at fault.
    Crashed(String),
}

/// Asks after child `id` without waiting. A child that the system does not know has ended.
pub(super) fn has_ended(id: i32) -> Ended {
    let mut status = 0;
    // SAFETY: `status` is valid for writes.
    match unsafe { libc::waitpid(id, &mut status, libc::WNOHANG) } {
        -1 => Ended::With(format!("unseen: {}", io::Error::last_os_error()), false),
        0 => Ended::Running,
        _ if libc::WIFSIGNALED(status) => {
            let text = format!("by signal {}", libc::WTERMSIG(status));
            match libc::WTERMSIG(status) {
                libc::SIGSEGV | libc::SIGBUS | libc::SIGABRT | libc::SIGILL | libc::SIGFPE => Ended::Crashed(text),
                _ => Ended::With(text, false),
            }
        }
        _ => {
            let code = libc::WEXITSTATUS(status);
            Ended::With(format!("with status {code}"), code == 0)
        }
    }
}

/// Ends this process at once, running nothing of the host's.
pub(super) fn exit(code: i32) -> ! {
    // SAFETY: `_exit` has no preconditions.
    unsafe { libc::_exit(code) }
}

/// Sends signal `signal` to process `id`.
pub(super) fn send_signal(id: i32, signal: i32) {
    // SAFETY: `kill` touches no memory of ours.
    unsafe { libc::kill(id, signal) };
}

/// Has the kernel send SIGTERM when the parent of this process dies. False when `parent` is not the parent any more.
pub(super) fn end_with_parent(parent: i32) -> bool {
    // SAFETY: both calls touch no memory of ours.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
        libc::getppid() == parent
    }
}

/// Id of this process.
pub(super) fn id() -> i32 {
    std::process::id() as i32
}

/// Id of the parent.
pub(super) fn parent_id() -> i32 {
    std::os::unix::process::parent_id() as i32
}

/// The signals that a supervisor waits for.
fn supervised() -> libc::sigset_t {
    set_of(&[libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGCHLD])
}

fn set_of(signals: &[i32]) -> libc::sigset_t {
    let mut set = std::mem::MaybeUninit::uninit();
    // SAFETY: `sigemptyset` initialises the set, and the others need an initialised one.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for signal in signals {
            libc::sigaddset(set.as_mut_ptr(), *signal);
        }
        set.assume_init()
    }
}

/// Runs `body` with something to wait with that ends at once, and answers true, when the host is told to end. The host
/// learns of it afterwards, in its own way: while it starts, it would not look before the wait is over.
pub(super) fn until_told_to_end<T>(body: impl FnOnce(&mut dyn FnMut(Duration) -> bool) -> T) -> T {
    let ending = set_of(&[libc::SIGTERM, libc::SIGINT]);
    let mut before = std::mem::MaybeUninit::uninit();
    // SAFETY: the set is initialised, and the call initialises the mask that it saves.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &ending, before.as_mut_ptr()) };
    let mut heard = None;
    let answer = body(&mut |duration| {
        heard = heard.or_else(|| next_of(&ending, duration));
        heard.is_some()
    });
    // SAFETY: `before` holds the mask that was saved above.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), std::ptr::null_mut()) };
    if let Some(signal) = heard {
        send_signal(id(), signal);
    }
    answer
}

/// Keeps the supervisor's signals for [`next_signal`], and gives SIGCHLD its default meaning.
pub(super) fn hold_signals() {
    let set = supervised();
    // SAFETY: the set is initialised; the null pointer says that the old mask is not wanted.
    unsafe {
        libc::signal(libc::SIGCHLD, libc::SIG_DFL);
        libc::sigprocmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
    }
}

/// The next held signal; `None` when none comes within `timeout`.
pub(super) fn next_signal(timeout: Duration) -> Option<i32> {
    next_of(&supervised(), timeout)
}

fn next_of(set: &libc::sigset_t, timeout: Duration) -> Option<i32> {
    let timeout = libc::timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: timeout.subsec_nanos().into() };
    // SAFETY: set and timeout are valid; no information about the signal is asked for.
    let signal = unsafe { libc::sigtimedwait(set, std::ptr::null_mut(), &timeout) };
    (signal > 0).then_some(signal)
}

/// The flag that SIGTERM sets in a writer process; made once, never freed.
static STOP: AtomicPtr<AtomicBool> = AtomicPtr::new(std::ptr::null_mut());

extern "C" fn on_sigterm(_: i32) {
    // SAFETY: the pointer is null or comes from `Arc::into_raw` and is never given back; a store is safe in a handler.
    if let Some(stop) = unsafe { STOP.load(Ordering::Acquire).as_ref() } {
        stop.store(true, Ordering::Relaxed);
    }
}

/// Gives the signals of a writer process their meaning: SIGTERM sets the returned flag, those of a terminal or of the
/// host's children mean nothing, and none is held.
pub(super) fn writer_signals() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    STOP.store(Arc::into_raw(Arc::clone(&stop)).cast_mut(), Ordering::Release);
    // SAFETY:
    // * the handler only stores to an atomic;
    // * `action` is zeroed, which is a valid sigaction, before its fields are set;
    // * the set is initialised by `sigemptyset` before it is used.
    unsafe {
        for signal in [libc::SIGINT, libc::SIGHUP, libc::SIGPIPE, libc::SIGUSR1, libc::SIGUSR2] {
            libc::signal(signal, libc::SIG_IGN);
        }
        libc::signal(libc::SIGCHLD, libc::SIG_DFL);
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_sigterm as *const () as usize;
        libc::sigaction(libc::SIGTERM, &action, std::ptr::null_mut());
        let mut none = std::mem::MaybeUninit::uninit();
        libc::sigemptyset(none.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), std::ptr::null_mut());
    }
    stop
}

/// Gives the signals of a host database process their meaning: only its alarm, SIGKILL and its own faults end it, since
/// it has to outlive the writer that it works for.
pub(super) fn host_database_signals() {
    // SAFETY: no handler is installed, and the set is initialised by `sigemptyset` before it is used.
    unsafe {
        for signal in
            [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGPIPE, libc::SIGUSR1, libc::SIGUSR2, libc::SIGTSTP]
        {
            libc::signal(signal, libc::SIG_IGN);
        }
        libc::signal(libc::SIGALRM, libc::SIG_DFL);
        libc::signal(libc::SIGCHLD, libc::SIG_DFL);
        let mut none = std::mem::MaybeUninit::uninit();
        libc::sigemptyset(none.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), std::ptr::null_mut());
    }
}

/// Has SIGALRM sent to this process after `seconds`; 0 takes that back.
pub(super) fn alarm(seconds: u32) {
    // SAFETY: `alarm` touches no memory.
    unsafe { libc::alarm(seconds) };
}

/// Blocks every signal but the host's own alarm in this thread and in those that it starts.
pub(super) fn without_signals<T>(start: impl FnOnce() -> T) -> T {
    let mut old = std::mem::MaybeUninit::uninit();
    // SAFETY: `sigfillset` initialises the set that is blocked; the old mask is initialised by the call that saves it.
    unsafe {
        let mut all = std::mem::MaybeUninit::uninit();
        libc::sigfillset(all.as_mut_ptr());
        libc::sigdelset(all.as_mut_ptr(), libc::SIGALRM);
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), old.as_mut_ptr());
    }
    let started = start();
    // SAFETY: `old` holds the mask that was saved above.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, old.as_ptr(), std::ptr::null_mut()) };
    started
}

/// Closes every descriptor above 2 but those in `keep`: a writer that outlives its server must not hold the server's
/// sockets. The system log is closed in order, so that it opens anew when it is used.
pub(super) fn close_others<'a>(keep: impl Iterator<Item = BorrowedFd<'a>>) {
    let mut keep: Vec<u32> = keep.map(|fd| fd.as_raw_fd() as u32).collect();
    keep.sort_unstable();
    // SAFETY: `closelog` has no preconditions.
    unsafe { libc::closelog() };
    let mut first = 3;
    for fd in keep.into_iter().chain([u32::MAX]) {
        if first < fd {
            // SAFETY: this process is about to run the writer alone, which uses none of the descriptors of the host.
            unsafe { libc::syscall(libc::SYS_close_range, first, fd - u32::from(fd != u32::MAX), 0) };
        }
        first = fd.saturating_add(1);
    }
}

/// Shows `name` as this process's name in process lists.
pub(super) fn set_name(name: &std::ffi::CStr) {
    // SAFETY: the kernel copies at most 16 bytes of a terminated text.
    unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
}
