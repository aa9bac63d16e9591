//! Questions to the system's resolver, of which no caller can ask too many.
//!
//! The resolver has no deadline, so each question is asked on a thread of its own. All who want to know the same share
//! one, and there are [`MOST_QUESTIONS`] at a time at most: a resolver that never answers costs a process no more than
//! these, however often it is asked.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, LazyLock, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Most questions that wait for an answer at one time.
pub(super) const MOST_QUESTIONS: usize = 64;
/// How many of these are never asked for scripts, so that names that they make up keep no parameter's name from being
/// asked for.
pub(super) const KEPT_PLACES: usize = 8;

/// For whom a name is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asker {
    /// A collector of the parameters.
    Parameter,
    /// A collector that a script names.
    Script,
}

/// The addresses of a name, at least one; or why there is none.
pub(super) type ResolvedAddresses = Result<Vec<SocketAddr>, String>;

/// Asks for the addresses of a host (second argument: the port that they get).
type LookUpFunction = Box<dyn Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync>;

/// A resolver, with the questions that it has not answered.
pub(super) struct Resolver {
    look_up: LookUpFunction,
    asked: Mutex<HashMap<(String, u16), Arc<Question>>>,
}

/// A question that is being asked, or has been answered.
#[derive(Default)]
pub(super) struct Question {
    answer: Mutex<Option<ResolvedAddresses>>,
    answered: Condvar,
}

impl Resolver {
    /// One that asks with `look_up`.
    pub fn new(look_up: impl Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static) -> Arc<Resolver> {
        Arc::new(Resolver { look_up: Box::new(look_up), asked: Mutex::default() })
    }

    /// The system's, the same for the whole process.
    pub fn system() -> Arc<Resolver> {
        static SYSTEM: LazyLock<Arc<Resolver>> =
            LazyLock::new(|| Resolver::new(|host, port| (host, port).to_socket_addrs().map(Iterator::collect)));
        Arc::clone(&SYSTEM)
    }

    /// Asks for the addresses of a host, unless that is being asked already.
    ///
    /// # Errors
    /// Why it cannot be asked now.
    pub fn ask(self: &Arc<Resolver>, host: &str, port: u16, asker: Asker) -> Result<Arc<Question>, String> {
        let key = (host.to_owned(), port);
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(question) = asked.get(&key) {
            return Ok(Arc::clone(question));
        }
        let most = match asker {
            Asker::Parameter => MOST_QUESTIONS,
            Asker::Script => MOST_QUESTIONS - KEPT_PLACES,
        };
        if asked.len() >= most {
            return Err(format!("the resolver owes {} answers already", asked.len()));
        }
        let (resolver, question) = (Arc::clone(self), Arc::new(Question::default()));
        let (asking, asked_for) = (Arc::clone(&question), key.clone());
        let body = move || resolver.find(&asked_for, &asking);
        thread::Builder::new().name("hep-resolver".to_owned()).spawn(body).map_err(|error| error.to_string())?;
        asked.insert(key, Arc::clone(&question));
        Ok(question)
    }

    fn find(&self, key: &(String, u16), question: &Question) {
        let found = catch_unwind(AssertUnwindSafe(|| (self.look_up)(&key.0, key.1)));
        let answer = match found {
            Ok(Ok(addresses)) if addresses.is_empty() => Err("no address".to_owned()),
            Ok(found) => found.map_err(|error| error.to_string()),
            Err(_) => Err("the look-up broke off".to_owned()),
        };
        // First this: who has got the answer and asks again is to get another.
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        *question.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
        question.answered.notify_all();
    }
}

impl Question {
    /// The answer, if it has come.
    pub fn answer(&self) -> Option<ResolvedAddresses> {
        self.answer.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for the answer, `limit` at most.
    pub fn wait(&self, limit: Duration) -> Option<ResolvedAddresses> {
        let answer = self.answer.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.answered.wait_timeout_while(answer, limit, |answer| answer.is_none());
        waited.unwrap_or_else(PoisonError::into_inner).0.clone()
    }
}
