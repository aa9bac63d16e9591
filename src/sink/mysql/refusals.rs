//! Which servers had no TLS for us, and when to ask them again.
//!
//! A server counts connections that end before a login, and at `max_connect_errors` refuses the client's whole host,
//! other programs on it too. Only a login that succeeds sets the count back. A client learns in just such a connection
//! that there is no TLS, or that the two do not come to terms, so it must not ask at every attempt.

use crate::sink::tls::mysql::MysqlSettings;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a server has no TLS that said so, once a login in clear has succeeded.
const AFTER_LOGIN: Duration = Duration::from_secs(600);
/// The same while none has: the server's count only grows.
const WITHOUT_LOGIN: Duration = Duration::from_secs(6 * 3600);
/// The pause after the second failure in succession; it doubles with each that follows.
const FIRST_PAUSE: Duration = Duration::from_secs(4);
/// Doublings of the pause: 17 minutes.
const MOST_DOUBLINGS: u32 = 8;

/// What servers have answered, by the words for their place.
pub(super) struct MysqlRefusals {
    without_tls: BTreeMap<String, WithoutTls>,
    failures: Vec<Failure>,
}

struct WithoutTls {
    since: Instant,
    has_logged_in: bool,
}

/// Failures in succession of what needs TLS.
struct Failure {
    place: String,
    settings: MysqlSettings,
    why: String,
    count: u32,
    until: Instant,
}

/// Those of this process.
pub(super) fn refusals() -> MutexGuard<'static, MysqlRefusals> {
    static REFUSALS: Mutex<MysqlRefusals> = Mutex::new(MysqlRefusals::new());
    REFUSALS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl MysqlRefusals {
    const fn new() -> MysqlRefusals {
        MysqlRefusals { without_tls: BTreeMap::new(), failures: Vec::new() }
    }

    /// Notes that the server offers no TLS.
    pub fn note_without_tls(&mut self, place: &str, now: Instant) {
        self.without_tls.insert(place.to_owned(), WithoutTls { since: now, has_logged_in: false });
    }

    /// Whether the server need not be asked for TLS where clear will do.
    pub fn is_without_tls(&self, place: &str, now: Instant) -> bool {
        self.without_tls.get(place).is_some_and(|told| {
            let limit = if told.has_logged_in { AFTER_LOGIN } else { WITHOUT_LOGIN };
            now.duration_since(told.since) < limit
        })
    }

    /// Notes that TLS came to nothing, and that there is no connection without it.
    pub fn note_failure(&mut self, place: &str, settings: &MysqlSettings, why: &str, now: Instant) {
        let is_same = |failure: &Failure| failure.place == place && failure.settings == *settings;
        let before = self.failures.iter().position(is_same).map(|index| self.failures.swap_remove(index));
        let count = before.map_or(1, |failure| failure.count.saturating_add(1));
        let pause = match count {
            1 => Duration::ZERO,
            _ => FIRST_PAUSE * (1 << (count - 2).min(MOST_DOUBLINGS)),
        };
        let (place, settings, why) = (place.to_owned(), settings.clone(), why.to_owned());
        self.failures.push(Failure { place, settings, why, count, until: now + pause });
    }

    /// What went wrong the last time, while the server is to be left alone.
    pub fn pause(&self, place: &str, settings: &MysqlSettings, now: Instant) -> Option<String> {
        let is_paused =
            |failure: &&Failure| failure.place == place && failure.settings == *settings && now < failure.until;
        let failure = self.failures.iter().find(is_paused)?;
        let left = failure.until.duration_since(now).as_secs() + 1;
        Some(format!("{}; the server is asked again in {left} s, lest it blocks this host", failure.why))
    }

    /// Notes a login, with which the server's count begins anew.
    pub fn note_login(&mut self, place: &str) {
        self.failures.retain(|failure| failure.place != place);
        if let Some(told) = self.without_tls.get_mut(place) {
            told.has_logged_in = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::tls::Parameters;
    use crate::sink::tls::mysql::key_of;

    fn settings(query: &str) -> MysqlSettings {
        MysqlSettings::resolve(&Parameters::parse(query, key_of)).unwrap()
    }

    #[test]
    fn a_server_without_tls_is_asked_again_minutes_after_a_login_and_hours_without_one() {
        let (mut refusals, now) = (MysqlRefusals::new(), Instant::now());
        let is_spared =
            |refusals: &MysqlRefusals, seconds| refusals.is_without_tls("a", now + Duration::from_secs(seconds));
        assert!(!is_spared(&refusals, 0));
        refusals.note_without_tls("a", now);
        assert!(is_spared(&refusals, 601) && !is_spared(&refusals, 6 * 3600));
        assert!(!refusals.is_without_tls("b", now));
        refusals.note_login("a");
        assert!(is_spared(&refusals, 599) && !is_spared(&refusals, 600));
        refusals.note_without_tls("a", now);
        assert!(is_spared(&refusals, 601));
    }

    #[test]
    fn failures_in_succession_are_apart_ever_longer_until_a_login() {
        let (mut refusals, mut now) = (MysqlRefusals::new(), Instant::now());
        let required = settings("ssl-mode=REQUIRED");
        refusals.note_failure("a", &required, "none", now);
        assert_eq!(refusals.pause("a", &required, now), None);
        for seconds in [4, 8, 16, 32, 64, 128, 256, 512, 1024, 1024] {
            refusals.note_failure("a", &required, "none", now);
            assert!(refusals.pause("a", &required, now).unwrap().contains(&format!("in {} s", seconds + 1)));
            assert_eq!(refusals.pause("b", &required, now), None);
            assert_eq!(refusals.pause("a", &settings("ssl-mode=VERIFY_CA"), now), None);
            now += Duration::from_secs(seconds);
            assert_eq!(refusals.pause("a", &required, now), None);
        }
        refusals.note_login("a");
        refusals.note_failure("a", &required, "none", now);
        assert_eq!(refusals.pause("a", &required, now), None);
    }
}
