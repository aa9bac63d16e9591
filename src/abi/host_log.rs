//! Hands the core's log on to the host's. Only threads that the host knows may call it: those that have called the
//! core. What the core's own threads log waits in a bounded queue until one of those flushes.

use super::contract::{sc_host, sc_log_level};
use crossbeam_channel::{Receiver, Sender, bounded};
use log::{Level, LevelFilter, Log, Metadata, Record};
use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

/// Lines of other threads that may wait.
const WAITING: usize = 1024;

thread_local! {
    /// Whether this thread entered from the host.
    static MAY_CALL_HOST: Cell<bool> = const { Cell::new(false) };
}

type LogFunction = unsafe extern "C" fn(sc_log_level, *const std::ffi::c_char, usize);

struct HostLog {
    function: AtomicPtr<()>,
    sender: Sender<(Level, String)>,
    receiver: Receiver<(Level, String)>,
    lost: AtomicU64,
}

static HOST_LOG: OnceLock<HostLog> = OnceLock::new();

/// Notes that this thread has entered from the host, and so may call it.
pub(super) fn enter() {
    MAY_CALL_HOST.set(true);
}

/// Sends the log to `host` from now on. A later host takes the place of an earlier one.
pub(super) fn install(host: &sc_host) {
    let log = HOST_LOG.get_or_init(|| {
        let (sender, receiver) = bounded(WAITING);
        HostLog { function: AtomicPtr::default(), sender, receiver, lost: AtomicU64::new(0) }
    });
    let function = host.log.map_or(std::ptr::null_mut(), |function| function as *mut ());
    log.function.store(function, Ordering::Release);
    if log::set_logger(log).is_ok() {
        log::set_max_level(LevelFilter::Info);
    }
}

/// Writes what the core's own threads have logged; does nothing on these.
pub(super) fn flush() {
    let Some(log) = HOST_LOG.get().filter(|_| MAY_CALL_HOST.get()) else { return };
    while let Ok((level, line)) = log.receiver.try_recv() {
        log.write(level, &line);
    }
    let lost = log.lost.swap(0, Ordering::Relaxed);
    if lost > 0 {
        log.write(Level::Warn, &format!("{lost} log lines were dropped"));
    }
}

impl HostLog {
    fn write(&self, level: Level, line: &str) {
        let function = self.function.load(Ordering::Acquire);
        if function.is_null() {
            return;
        }
        // SAFETY: only `install` stores here, and only pointers of this very type.
        let function = unsafe { std::mem::transmute::<*mut (), LogFunction>(function) };
        let level = match level {
            Level::Error => sc_log_level::SC_LOG_ERROR,
            Level::Warn => sc_log_level::SC_LOG_WARNING,
            Level::Info => sc_log_level::SC_LOG_INFO,
            Level::Debug | Level::Trace => sc_log_level::SC_LOG_DEBUG,
        };
        // SAFETY: the host promised a function of this type, callable from its own threads, and this is one.
        unsafe { function(level, line.as_ptr().cast(), line.len()) };
    }
}

impl Log for HostLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= Level::Warn || metadata.target().starts_with("sipcapture")
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let line = record.args().to_string();
        if MAY_CALL_HOST.get() {
            self.write(record.level(), &line);
        } else if self.sender.try_send((record.level(), line)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn flush(&self) {
        flush();
    }
}
