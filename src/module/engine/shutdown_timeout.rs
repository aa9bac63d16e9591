//! How long storing what is queued may take when the server ends: what the operator allows, and what the host leaves of
//! it before it kills processes.

use std::time::Duration;

/// Time that giving up on a database takes beyond `shutdown_timeout`, and some for the host.
const GIVING_UP: Duration = Duration::from_secs(4);

/// After how long the host kills what has not ended, from the moment at which it is told to end; `None` where it kills
/// nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KillLimits {
    /// Its children, and so the writers.
    pub children: Option<Duration>,
    /// Its main process, which stores what the writers leave.
    pub main_process: Option<Duration>,
}

/// The parameter `shutdown_timeout`. All times count from the moment at which the server is told to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShutdownTimeout {
    is_set: bool,
    writers: Duration,
    main_process: Duration,
}

impl Default for ShutdownTimeout {
    fn default() -> ShutdownTimeout {
        let default = Duration::from_secs(10);
        ShutdownTimeout { is_set: false, writers: default, main_process: default }
    }
}

impl ShutdownTimeout {
    /// Sets the parameter.
    pub fn set(&mut self, timeout: Duration) {
        *self = ShutdownTimeout { is_set: true, writers: timeout, main_process: timeout };
    }

    /// What the writers have of it.
    pub fn writers(&self) -> Duration {
        self.writers
    }

    /// What the main process has of it, and a writer that outlives its server.
    pub fn main_process(&self) -> Duration {
        self.main_process
    }

    /// How long a server may take that ends.
    pub fn longest(&self) -> Duration {
        self.writers.max(self.main_process)
    }

    /// Keeps both far enough below `limits`: the host's own part, and the few seconds that giving up takes, come on
    /// top. What is cut is said under the parameter's `name`. Only where the operator has not set it is nothing said of
    /// the writers' part: the main process goes on where they end.
    pub fn end_before(&mut self, limits: KillLimits, name: &str) {
        let is_one_limit = limits.children == limits.main_process;
        if let Some((set, most, killed)) = cut(&mut self.writers, limits.children) {
            match (is_one_limit, self.is_set) {
                (true, _) => log::warn!(
                    "parameter {name}: {set} s are cut to {most} s, because the server kills its processes {killed} s \
                     after it is told to end"
                ),
                (false, true) => log::warn!(
                    "parameter {name}: {set} s are cut to {most} s for the writers, because the server kills its child \
                     processes {killed} s after it is told to end; its main process stores what they leave"
                ),
                (false, false) => {}
            }
        }
        if let Some((set, most, killed)) = cut(&mut self.main_process, limits.main_process)
            && !is_one_limit
        {
            log::warn!(
                "parameter {name}: {set} s are cut to {most} s for the main process, because the server ends it \
                 {killed} s after it is told to end"
            );
        }
    }
}

/// Cuts `time` to what `limit` leaves; seconds before and after, and those of the limit, when it does.
fn cut(time: &mut Duration, limit: Option<Duration>) -> Option<(u64, u64, u64)> {
    let limit = limit?;
    let most = Duration::from_secs(limit.saturating_sub(GIVING_UP).max(limit / 2).as_secs());
    let set = *time;
    *time = set.min(most);
    (set > most).then_some((set.as_secs(), most.as_secs(), limit.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logged;

    const DEFAULT: Option<u64> = None;

    /// What is left to writers and main process of a parameter that is set to so many seconds, where the host kills
    /// after so many; and what is said.
    fn left(set: Option<u64>, children: u64, main_process: u64) -> (u64, u64, Vec<String>) {
        let mut timeout = ShutdownTimeout::default();
        if let Some(set) = set {
            timeout.set(Duration::from_secs(set));
        }
        let limit = |seconds: u64| (seconds > 0).then(|| Duration::from_secs(seconds));
        logged::listen();
        let limits = KillLimits { children: limit(children), main_process: limit(main_process) };
        timeout.end_before(limits, "other_name");
        let said = logged::lines().into_iter().map(|(level, line)| format!("{level} {line}")).collect();
        (timeout.writers().as_secs(), timeout.main_process().as_secs(), said)
    }

    #[test]
    fn one_limit_for_all_processes_cuts_both_times_and_is_said_once() {
        let nothing = Vec::<String>::new();
        assert_eq!(left(Some(56), 60, 60), (56, 56, nothing.clone()));
        assert_eq!(left(DEFAULT, 0, 0), (10, 10, nothing));
        let said = "WARN parameter other_name: 57 s are cut to 56 s, because the server kills its processes 60 s after \
                    it is told to end";
        assert_eq!(left(Some(57), 60, 60), (56, 56, vec![said.to_owned()]));
        assert_eq!(left(DEFAULT, 8, 8).2.len(), 1, "a default is cut with a warning too");
        for (limit, most) in [(10, 6), (4, 2), (1, 0)] {
            assert_eq!((left(Some(10), limit, limit).0, left(Some(10), limit, limit).1), (most, most), "{limit}");
        }
    }

    #[test]
    fn each_limit_cuts_the_time_of_its_own_processes_and_the_warning_names_them() {
        let writers = "WARN parameter other_name: 70 s are cut to 2 s for the writers, because the server kills its \
                       child processes 5 s after it is told to end; its main process stores what they leave";
        let main_process = "WARN parameter other_name: 70 s are cut to 56 s for the main process, because the server \
                            ends it 60 s after it is told to end";
        assert_eq!(left(Some(70), 5, 60), (2, 56, vec![writers.to_owned(), main_process.to_owned()]));
        assert_eq!(left(Some(70), 0, 60), (70, 56, vec![main_process.to_owned()]));
        assert_eq!(left(Some(70), 5, 0), (2, 70, vec![writers.to_owned()]));
        assert_eq!(left(Some(2), 5, 60), (2, 2, Vec::new()));
    }

    #[test]
    fn writers_that_have_less_than_a_default_are_no_matter_for_the_operator() {
        assert_eq!(left(DEFAULT, 5, 60), (2, 10, Vec::new()));
        let (writers, main_process, said) = left(DEFAULT, 5, 8);
        assert_eq!((writers, main_process), (2, 4));
        assert!(said.len() == 1 && said[0].contains("for the main process"), "{said:?}");
    }

    #[test]
    fn another_server_is_waited_for_as_long_as_either_may_take() {
        let mut timeout = ShutdownTimeout::default();
        timeout.end_before(KillLimits { children: Some(Duration::from_secs(5)), main_process: None }, "name");
        assert_eq!(timeout.longest(), Duration::from_secs(10));
    }
}
