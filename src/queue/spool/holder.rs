//! Who holds the lock on a directory, as its file says: a process, and what tells it from one of the same number
//! elsewhere.
//!
//! ```text
//! 4711                                               process id
//! 0f7a6d3e-2c6b-4b57-9d9d-8a9b1d6f3c21/4026531836    where that is valid: the machine's boot, the pid namespace
//! 8123456                                            start of the process, clock ticks since the boot
//! ```
//!
//! Containers give the same few numbers to their processes, and a network file system is shared by machines. Files of
//! earlier versions have the first line alone.

use std::fmt;
use std::os::unix::fs::MetadataExt;

/// A process that holds a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockHolder {
    process: u32,
    /// The machine's boot and the pid namespace, as text; `None` when nobody says.
    numbering: Option<String>,
    /// Clock ticks since the boot; `None` when nobody says.
    started: Option<u64>,
}

impl LockHolder {
    /// This process. Without `/proc` only its number is known.
    pub fn this_process() -> LockHolder {
        LockHolder { process: std::process::id(), numbering: numbering(), started: started() }
    }

    /// Reads a lock file's text; `None` when it names no process.
    pub(super) fn parse(text: &str) -> Option<LockHolder> {
        let mut lines = text.lines();
        Some(LockHolder {
            process: lines.next()?.trim().parse().ok()?,
            numbering: lines.next().map(str::to_owned),
            started: lines.next().and_then(|ticks| ticks.parse().ok()),
        })
    }

    /// What a lock file holds.
    pub(super) fn lines(&self) -> String {
        match (&self.numbering, self.started) {
            (Some(numbering), Some(started)) => format!("{}\n{numbering}\n{started}\n", self.process),
            _ => format!("{}\n", self.process),
        }
    }

    /// Whether it is this process for certain: number, place and start are known and the same.
    pub fn is_this_process(&self) -> bool {
        self.numbering.is_some() && self.started.is_some() && *self == LockHolder::this_process()
    }

    /// Its process id, where that means the process to a reader here: not when the number is of another container or
    /// machine.
    pub fn process(&self) -> Option<u32> {
        let is_elsewhere = match (&self.numbering, numbering()) {
            (Some(theirs), Some(ours)) => *theirs != ours,
            // Nothing else says that they differ, but this number is taken here.
            _ => self.process == std::process::id(),
        };
        (!is_elsewhere).then_some(self.process)
    }
}

impl fmt::Display for LockHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.process() {
            _ if self.is_this_process() => write!(f, "another module of this server"),
            Some(process) => write!(f, "process {process}"),
            None => write!(f, "a process of another container or machine (there it is process {})", self.process),
        }
    }
}

/// Where process ids mean what they mean here.
fn numbering() -> Option<String> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = std::fs::metadata("/proc/self/ns/pid").ok()?.ino();
    Some(format!("{}/{namespace}", boot.trim()))
}

/// Field 22 of `/proc/self/stat`. The second one, a name in brackets, may hold blanks and brackets.
fn started() -> Option<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let (_, behind_name) = stat.rsplit_once(')')?;
    behind_name.split_whitespace().nth(22 - 3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(text: &str) -> LockHolder {
        LockHolder::parse(text).unwrap()
    }

    #[test]
    fn a_process_knows_itself_by_what_it_writes() {
        let own = LockHolder::this_process();
        assert_eq!(own.lines().lines().count(), 3, "{own:?}");
        assert_eq!(LockHolder::parse(&own.lines()), Some(own.clone()));
        assert!(own.is_this_process());
        assert_eq!(
            (own.process(), own.to_string()),
            (Some(std::process::id()), "another module of this server".into())
        );
    }

    #[test]
    fn a_process_of_the_same_number_that_started_at_another_time_or_elsewhere_is_another() {
        let own = LockHolder::this_process();
        let later = LockHolder { started: own.started.map(|ticks| ticks + 1), ..own.clone() };
        assert!(!later.is_this_process());
        assert_eq!(later.to_string(), format!("process {}", own.process));
        let elsewhere = LockHolder { numbering: Some("another boot/4026531836".to_owned()), ..own.clone() };
        assert!(!elsewhere.is_this_process());
        let text = format!("a process of another container or machine (there it is process {})", own.process);
        assert_eq!((elsewhere.process(), elsewhere.to_string()), (None, text));
    }

    #[test]
    fn of_an_earlier_versions_file_the_number_is_known_and_it_is_never_taken_for_this_process() {
        let own = std::process::id();
        assert_eq!((holder("1\n").process(), holder("1\n").to_string()), (Some(1), "process 1".to_owned()));
        let same = holder(&format!("{own}\n"));
        assert!(!same.is_this_process() && same.process().is_none(), "{same}");
        for text in ["", "\n", "no number", "4194304000 and more"] {
            assert_eq!(LockHolder::parse(text), None, "{text:?}");
        }
    }
}
