//! Keeps the log readable under a flood of bad packets or refused rows. Any part of the tree may use it.

use std::fmt::Arguments;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Lets one line through in each interval and says how many it held back.
#[derive(Debug)]
pub(crate) struct LogLimit {
    interval: Duration,
    last: Option<Instant>,
    held_back: u64,
}

/// One line in five seconds.
impl Default for LogLimit {
    fn default() -> LogLimit {
        LogLimit::new(Duration::from_secs(5))
    }
}

impl LogLimit {
    /// One line an interval.
    pub fn new(interval: Duration) -> LogLimit {
        LogLimit { interval, last: None, held_back: 0 }
    }

    /// Writes `line` and how many were held back before it, or holds it back and counts it.
    pub fn log(&mut self, level: log::Level, line: Arguments<'_>) {
        if let Some(held_back) = self.allow(Instant::now()) {
            log::log!(level, "{line} ({held_back} more since the last such line)");
        }
    }

    /// Whether a line may be written at `now`; if so, how many were held back before it.
    pub fn allow(&mut self, now: Instant) -> Option<u64> {
        if self.last.is_some_and(|last| now.duration_since(last) < self.interval) {
            self.held_back += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.held_back))
    }
}

/// A [`LogLimit`] that several threads share.
#[derive(Debug, Default)]
pub(crate) struct SharedLogLimit(Mutex<LogLimit>);

impl SharedLogLimit {
    /// As [`LogLimit::log`], but holds `line` back uncounted while another thread, or this one in a call from its log,
    /// writes one.
    pub fn log(&self, level: log::Level, line: Arguments<'_>) {
        if let Ok(mut limit) = self.0.try_lock() {
            limit.log(level, line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_one_line_an_interval_and_a_count() {
        let start = Instant::now();
        let mut limit = LogLimit::new(Duration::from_secs(1));
        assert_eq!(limit.allow(start), Some(0));
        assert_eq!(limit.allow(start + Duration::from_millis(1)), None);
        assert_eq!(limit.allow(start + Duration::from_millis(999)), None);
        assert_eq!(limit.allow(start + Duration::from_secs(1)), Some(2));
        assert_eq!(limit.allow(start + Duration::from_secs(3)), Some(0));
    }
}
