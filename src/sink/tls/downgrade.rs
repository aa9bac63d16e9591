//! Tells of connections that go on in clear though TLS was preferred: a server with which that happens once may do so
//! at each connection, and one line is enough for a while.

use crate::log_limit::LogLimit;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often a server is told of.
const INTERVAL: Duration = Duration::from_secs(60);

/// Warns that a connection to `server` goes on in clear, because of `why`, as `asked_for` allows.
pub(in crate::sink) fn say_downgrade(server: &str, why: &str, asked_for: &str) {
    static SAID: Mutex<Option<HashMap<String, LogLimit>>> = Mutex::new(None);
    let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    let limit = said.get_or_insert_default().entry(server.to_owned()).or_insert_with(|| LogLimit::new(INTERVAL));
    if limit.allow(Instant::now()).is_some() {
        log::warn!("{server}: {why}; {asked_for} goes on in clear");
    }
}
