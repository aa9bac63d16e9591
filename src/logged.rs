//! What a thread logs, for the tests of what operators are told. A process has one logger, so that every test uses this
//! one.

use log::{Level, LevelFilter, Log, Metadata, Record};
use std::cell::RefCell;

thread_local! {
    static LINES: RefCell<Vec<(Level, String)>> = const { RefCell::new(Vec::new()) };
}

struct ToThread;

impl Log for ToThread {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        LINES.with_borrow_mut(|lines| lines.push((record.level(), record.args().to_string())));
    }

    fn flush(&self) {}
}

/// Keeps what this thread logs from now on, from level info up, for [`lines`].
pub(crate) fn listen() {
    static LOG: ToThread = ToThread;
    if log::set_logger(&LOG).is_ok() {
        log::set_max_level(LevelFilter::Info);
    }
    LINES.take();
}

/// The lines of this thread since the last look.
pub(crate) fn lines() -> Vec<(Level, String)> {
    LINES.take()
}

/// The lines of this thread since the last look, which come again.
pub(crate) fn lines_so_far() -> Vec<(Level, String)> {
    LINES.with_borrow(Vec::clone)
}
