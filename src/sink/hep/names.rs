//! Names to addresses, without waiting longer than agreed for a resolver that hangs.
//!
//! The system's resolver has no deadline, so a look-up runs on a thread of its own, at most one a name. Whoever has
//! addresses from before does not wait for it: they are used until the answer is there, and further when the resolver fails.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use super::destination::{Destination, Host};

/// How long addresses are used before the resolver is asked again.
const KEPT: Duration = Duration::from_secs(30);
/// How long old addresses are used after the resolver has failed before it is asked again.
const KEPT_AFTER_FAILURE: Duration = Duration::from_secs(5);

/// Asks for the addresses of a host (second argument: the port that they get).
pub(super) type LookUp = Arc<dyn Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync>;

type Answer = io::Result<Vec<SocketAddr>>;

/// The system's resolver.
pub(super) fn system() -> LookUp {
    Arc::new(|host, port| (host, port).to_socket_addrs().map(Iterator::collect))
}

/// The addresses of one destination.
pub(super) struct Names {
    host: Host,
    port: u16,
    look_up: LookUp,
    known: Vec<SocketAddr>,
    /// When the resolver is to be asked again; `None`: at once.
    ask_at: Option<Instant>,
    /// What is known has failed: better to wait for an answer.
    is_suspect: bool,
    asked: Option<Receiver<Answer>>,
}

impl Names {
    /// Asks nothing yet.
    pub fn new(destination: &Destination, look_up: LookUp) -> Names {
        // No SRV records, also where the URI names no port: the stock module asks for the addresses of the name alone, and the same
        // configuration has to reach the same collector.
        Names {
            host: destination.host().clone(),
            port: destination.port(),
            look_up,
            known: Vec::new(),
            ask_at: None,
            is_suspect: false,
            asked: None,
        }
    }

    /// The addresses, in the order in which they are to be tried; at least one. Waits for the resolver, `limit` at most, when there is
    /// none, or those that there are have failed.
    ///
    /// # Errors
    /// Why there is no address.
    pub fn addresses(&mut self, limit: Duration) -> Result<&[SocketAddr], String> {
        if let Host::Address(address) = self.host {
            if self.known.is_empty() {
                self.known.push(SocketAddr::new(address, self.port));
            }
            return Ok(&self.known);
        }
        self.refresh()?;
        if (self.known.is_empty() || self.is_suspect)
            && let Some(asked) = &self.asked
        {
            match asked.recv_timeout(limit) {
                Ok(answer) => self.take(answer)?,
                Err(RecvTimeoutError::Timeout) if self.known.is_empty() => {
                    return Err(format!("no answer to the question for `{}` from the resolver", self.host));
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => self.take(Err(broken()))?,
            }
        }
        Ok(&self.known)
    }

    /// Whether `address` is still one of the destination's, as far as is known without waiting.
    pub fn still_has(&mut self, address: SocketAddr) -> bool {
        if let Host::Name(_) = self.host {
            // A resolver that cannot be asked has not said that the address is gone.
            let _ = self.refresh();
        }
        self.known.is_empty() || self.known.contains(&address)
    }

    /// None of the addresses worked: the resolver is asked before they are tried again.
    pub fn suspect(&mut self) {
        self.is_suspect = true;
        self.ask_at = None;
    }

    /// Takes an answer that has come, and asks when it is time.
    fn refresh(&mut self) -> Result<(), String> {
        if let Some(asked) = &self.asked {
            match asked.try_recv() {
                Ok(answer) => return self.take(answer),
                Err(TryRecvError::Empty) => return Ok(()),
                Err(TryRecvError::Disconnected) => return self.take(Err(broken())),
            }
        }
        if self.ask_at.is_some_and(|at| Instant::now() < at) {
            return Ok(());
        }
        self.ask()
    }

    fn ask(&mut self) -> Result<(), String> {
        let (answer, asked) = sync_channel(1);
        let (host, port, look_up) = (self.host.to_string(), self.port, Arc::clone(&self.look_up));
        let asking = thread::Builder::new().name("hep-resolver".to_owned()).spawn(move || {
            // Nobody listens any more when the collector is gone.
            let _ = answer.send(look_up(&host, port));
        });
        match asking {
            Ok(_) => {
                self.asked = Some(asked);
                Ok(())
            }
            Err(error) => self.take(Err(error)),
        }
    }

    /// An error only when there is no address from before.
    fn take(&mut self, answer: Answer) -> Result<(), String> {
        self.asked = None;
        let reason = match answer {
            Ok(addresses) if !addresses.is_empty() => {
                self.known = addresses;
                self.is_suspect = false;
                self.ask_at = Some(Instant::now() + KEPT);
                return Ok(());
            }
            Ok(_) => "no address".to_owned(),
            Err(error) => error.to_string(),
        };
        if self.known.is_empty() {
            return Err(format!("cannot resolve `{}`: {reason}", self.host));
        }
        log::debug!("cannot resolve `{}`: {reason}; its old addresses are used", self.host);
        self.is_suspect = false;
        self.ask_at = Some(Instant::now() + KEPT_AFTER_FAILURE);
        Ok(())
    }
}

fn broken() -> io::Error {
    io::Error::other("the look-up broke off")
}
