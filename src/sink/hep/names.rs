//! Names to addresses, without waiting longer than agreed for a resolver that hangs.
//!
//! [`resolver`](super::resolver) asks, once a name whoever wants to know. Whoever has addresses from before does not
//! wait for it: they are used until the answer is there, and further when the resolver fails.

use super::destination::{CollectorHost, Destination};
use super::resolver::{Asker, Question, ResolvedAddresses, Resolver};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long addresses are used before the resolver is asked again.
const KEPT: Duration = Duration::from_secs(30);
/// How long old addresses are used after the resolver has failed before it is asked again.
const KEPT_AFTER_FAILURE: Duration = Duration::from_secs(5);

/// The addresses of one destination.
#[derive(Clone)]
pub(super) struct CollectorNames {
    host: CollectorHost,
    port: u16,
    resolver: Arc<Resolver>,
    asker: Asker,
    known: Vec<SocketAddr>,
    /// When the resolver is to be asked again; `None`: at once.
    ask_at: Option<Instant>,
    /// What is known has failed: better to wait for an answer.
    is_suspect: bool,
    asked: Option<Arc<Question>>,
}

impl CollectorNames {
    /// Asks nothing yet.
    pub fn new(destination: &Destination, resolver: Arc<Resolver>, asker: Asker) -> CollectorNames {
        // No SRV records, also where the URI names no port: the stock module asks for the addresses of the name alone,
        // and the same configuration has to reach the same collector.
        CollectorNames {
            host: destination.host().clone(),
            port: destination.port(),
            resolver,
            asker,
            known: Vec::new(),
            ask_at: None,
            is_suspect: false,
            asked: None,
        }
    }

    /// The addresses, in the order in which they are to be tried; at least one. Waits for the resolver, `limit` at
    /// most, when there is none, or those that there are have failed.
    ///
    /// # Errors
    /// Why there is no address.
    pub fn addresses(&mut self, limit: Duration) -> Result<&[SocketAddr], String> {
        if let CollectorHost::Address(address) = self.host {
            if self.known.is_empty() {
                self.known.push(SocketAddr::new(address, self.port));
            }
            return Ok(&self.known);
        }
        self.refresh()?;
        if (self.known.is_empty() || self.is_suspect)
            && let Some(asked) = &self.asked
        {
            match asked.wait(limit) {
                Some(answer) => self.take(answer)?,
                None if self.known.is_empty() => {
                    return Err(format!("no answer to the question for `{}` from the resolver", self.host));
                }
                None => {}
            }
        }
        Ok(&self.known)
    }

    /// Whether `address` is still one of the destination's, as far as is known without waiting.
    pub fn still_has(&mut self, address: SocketAddr) -> bool {
        if let CollectorHost::Name(_) = self.host {
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
            return asked.answer().map_or(Ok(()), |answer| self.take(answer));
        }
        if self.ask_at.is_some_and(|at| Instant::now() < at) {
            return Ok(());
        }
        match self.resolver.ask(&self.host.to_string(), self.port, self.asker) {
            Ok(asked) => {
                self.asked = Some(asked);
                Ok(())
            }
            Err(reason) => self.take(Err(reason)),
        }
    }

    /// An error only when there is no address from before.
    fn take(&mut self, answer: ResolvedAddresses) -> Result<(), String> {
        self.asked = None;
        let reason = match answer {
            Ok(addresses) => {
                self.known = addresses;
                self.is_suspect = false;
                self.ask_at = Some(Instant::now() + KEPT);
                return Ok(());
            }
            Err(reason) => reason,
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
