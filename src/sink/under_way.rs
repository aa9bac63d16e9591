//! A limit for threads that may outlast their deadline: the system's resolver has none.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Threads that may be under way for one thread that wants connections.
const MOST: usize = 8;

/// The threads that are under way for the calling thread.
#[derive(Clone, Debug, Default)]
pub(super) struct UnderWay(Arc<AtomicUsize>);

/// One of them, until it is dropped.
#[derive(Debug)]
pub(super) struct Attempt(Arc<AtomicUsize>);

thread_local! {
    static OWN: UnderWay = UnderWay::default();
    static THIS: RefCell<Option<Attempt>> = const { RefCell::new(None) };
}

impl UnderWay {
    /// Those of this thread.
    ///
    /// # Errors
    /// There are so many that no other may be started.
    pub fn of_this_thread() -> Result<UnderWay, String> {
        let own = OWN.with(UnderWay::clone);
        match own.0.load(Ordering::Relaxed) {
            count @ MOST.. => {
                Err(format!("no connection: {count} attempts that came to nothing in time are still under way"))
            }
            _ => Ok(own),
        }
    }

    /// Counts one.
    pub fn enter(&self) -> Attempt {
        self.0.fetch_add(1, Ordering::Relaxed);
        Attempt(Arc::clone(&self.0))
    }

    /// Counts the calling thread until it ends.
    pub fn enter_until_end(&self) {
        THIS.set(Some(self.enter()));
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::sink::{DatabaseUrl, Deadlines, mysql, postgres};

    #[test]
    fn neither_client_starts_an_attempt_while_there_are_too_many() {
        let deadlines = Deadlines { connect: Duration::from_secs(10), silence: None };
        let attempt = |url: &str| match DatabaseUrl::parse(url).unwrap() {
            DatabaseUrl::Postgres(server) => postgres::open::open(&server, &deadlines).err().unwrap(),
            DatabaseUrl::Mysql(server) => mysql::open::open(&server, &deadlines, None).err().unwrap(),
            _ => panic!("{url}"),
        };
        let urls = ["postgres://u@127.0.0.1:1/d", "mysql://u@127.0.0.1:1/d"];
        let under_way = UnderWay::of_this_thread().unwrap();
        let attempts: Vec<Attempt> = (0..MOST).map(|_| under_way.enter()).collect();
        for url in urls {
            assert!(attempt(url).contains("8 attempts that came to nothing in time are still under way"), "{url}");
        }
        drop(attempts);
        for url in urls {
            assert!(!attempt(url).contains("under way"), "{url}");
        }
    }
}
