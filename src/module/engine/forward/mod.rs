//! Messages that the host sends to SIP URIs from its own sockets: where each goes, and which of them wait.
//!
//! A process that handles SIP never waits for a resolver, nor longer than a few milliseconds for another process that
//! is stopped while it changes what all of them know. When the host of a URI is an address, the message is sent at
//! once. A name is looked up by one process of the server, by the host's own means; messages for it are sent once its
//! address is known.
//!
//! ```text
//! SIP worker ─ Forward::send() ──► Send     the host sends it at once
//!                             ├──► Held     it stays in State until its name has been looked up
//!                             └──► Lost     it is logged
//! resolver ─── Forward::next() ──► LookUp   the host looks the name up, then Forward::answer()
//!                             ├──► Send     the host sends what was held
//!                             └──► Lost     what was held is logged
//! ```
//!
//! * **Names.** [`MOST_NAMES`] are known at a time, each with the port and transport that it is asked for with. When
//!   all places are taken, a further name takes the place of the one that was used longest ago; names that have not
//!   been looked up yet lose their places last. A name that was found is looked up again after 30 s, and keeps its
//!   address while that fails. A name that was not found is looked up again after 5 s. A name that nobody has used for
//!   600 s is not looked up again until it is used.
//! * **Held messages.** A module whose rules hold messages keeps those for a name that has not been looked up yet, up
//!   to [`MOST_HELD_BYTES`] with their URIs; a message for which there is no room is lost. Once the name has been
//!   looked up, they are sent in the order in which they came, or lost when it was not found. Messages that are still
//!   held when the server ends are lost, and a line in the log says how many.
//! * **Log.** Lost messages are logged at a limited rate, one line in five seconds. A name that is not found is logged
//!   at the first failure, and again at the first failure after a success.
//!
//! Each process has its own [`Forward`], a copy of the main process's. All processes share one [`State`], in memory
//! that the caller provides ([`SharedState`]).

mod endpoint;
mod held;
mod names;
mod resolver;
#[cfg(test)]
mod tests;

use self::endpoint::{ForwardEndpoint, or_udp};
use self::held::HeldMessages;
use self::names::{KnownName, NameTable};
use self::resolver::Round;
use super::state::StateError;
use crate::capture::Transport;
use crate::log_limit::LogLimit;
use crate::queue::lane::now_ms;
use crate::sink::hep::{CollectorHost, without_user};
use log::Level;
use std::net::SocketAddr;
use std::time::Instant;

pub use self::endpoint::LookUp;
pub use self::held::MOST_HELD_BYTES;
pub use self::names::MOST_NAMES;
pub use self::resolver::Work;

/// Why nothing can be told of names.
const KEPT_OUT: &str = "another process of the server has the list of names and does not go on";

/// What one module does otherwise than another.
#[derive(Clone, Copy, Debug)]
pub struct ForwardRules {
    /// How names are looked up.
    pub look_up: LookUp,
    /// Whether messages for names that are yet to be looked up are held; else they are lost.
    pub holds: bool,
}

/// What all processes of a server know. Holds plain numbers alone, and all zero is a state in which nothing is known.
#[derive(Debug)]
#[repr(C)]
pub struct State {
    names: NameTable,
    held: HeldMessages,
    /// Messages that were held when a process died in the midst of a change.
    lost: u32,
    /// How often that has happened.
    clears: u32,
}

/// Memory with a [`State`] that all processes of a server see, in each of them under the same lock.
pub trait SharedState {
    /// Runs `body` while no other process or thread has the state. `body` must not take long, nor ask for the state
    /// again.
    fn with<R>(&self, body: impl FnOnce(&mut State) -> R) -> R;

    /// The same for a process that must not wait; `None`, without `body`, when another one has the state: now, or with
    /// `waits` for as long as a few milliseconds.
    fn try_with<R>(&self, waits: bool, body: impl FnOnce(&mut State) -> R) -> Option<R>;
}

/// Where a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendTo {
    /// The address.
    pub address: SocketAddr,
    /// By which transport; never [`Transport::UNKNOWN`].
    pub transport: Transport,
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forwarded {
    /// The host is to send it.
    Send(SendTo),
    /// It is held until its name has been looked up.
    Held,
    /// It will not be sent, which is logged.
    Lost,
}

/// What is known of the host of a URI.
#[derive(Default)]
enum NameFound {
    At(SendTo),
    /// It was looked up, and not found.
    #[default]
    Nowhere,
    /// It is to be looked up for the first time.
    Awaited,
}

/// Forwarding of one module, as one process sees it.
#[derive(Debug)]
pub struct Forward<S> {
    rules: ForwardRules,
    state: Option<S>,
    /// Whether names are expected, and not addresses alone.
    expects_names: bool,
    /// Whether the last look at the state failed since another process had it: the next one does not wait.
    is_kept_out: bool,
    log: LogLimit,
    round: Round,
}

impl State {
    /// A state in which nothing is known.
    #[cfg(test)]
    const EMPTY: State = State { names: NameTable::EMPTY, held: HeldMessages::EMPTY, lost: 0, clears: 0 };

    /// Messages that are held.
    pub fn held(&self) -> u32 {
        self.held.len()
    }

    /// Messages that [`State::clear`] has lost.
    pub fn lost(&self) -> u32 {
        self.lost
    }

    /// Forgets everything but how many messages are lost by that. For a state of which nobody knows whether it is
    /// whole: its process died in the midst of a change.
    pub fn clear(&mut self) {
        self.lost = self.lost.saturating_add(self.held.len());
        self.clears = self.clears.wrapping_add(1);
        self.names.clear();
        self.held.clear();
    }

    /// What is known of a name that is used now.
    fn found(known: &KnownName, is_served: bool) -> NameFound {
        match known.found() {
            Some((address, transport)) => NameFound::At(SendTo { address, transport: or_udp(transport) }),
            None if known.is_awaited() && is_served => NameFound::Awaited,
            None => NameFound::Nowhere,
        }
    }
}

impl<S: SharedState> Forward<S> {
    /// A module's forwarding, by `rules`. Before [`Forward::open`] it knows no name.
    pub fn new(rules: ForwardRules) -> Forward<S> {
        Forward {
            rules,
            state: None,
            expects_names: false,
            is_kept_out: false,
            log: LogLimit::default(),
            round: Round::default(),
        }
    }

    /// Has names known in `state`, which all later processes share.
    ///
    /// # Errors
    /// [`StateError::ForwardOpen`] when that was done already.
    pub fn open(&mut self, state: S) -> Result<(), StateError> {
        if self.state.is_some() {
            return Err(StateError::ForwardOpen);
        }
        self.state = Some(state);
        Ok(())
    }

    /// Notes a URI that messages will go to: its name, if it has one, is looked up at once. Before the first fork.
    pub fn expect(&mut self, uri: &[u8]) {
        let (Some(state), Some(endpoint)) = (&self.state, ForwardEndpoint::parse(uri, self.rules.look_up)) else {
            return;
        };
        if let Some(query) = endpoint.query() {
            self.expects_names = true;
            state.with(|state| {
                state.names.use_name(&query, now_ms());
            });
        }
    }

    /// Notes that messages will go to URIs that nobody knows yet. Before the first fork.
    pub fn expect_any(&mut self) {
        self.expects_names |= self.state.is_some();
    }

    /// Whether a process has to look names up.
    pub fn needs_process(&self) -> bool {
        self.expects_names
    }

    /// Whether messages are held, which the process that looks names up has to send.
    pub fn holds(&self) -> bool {
        self.rules.holds
    }

    /// Tells where `message` goes that is for `uri`, or holds it. Never waits, but a few milliseconds for a process
    /// that is stopped in the midst of a change; then the message is lost, and further ones are without a wait.
    pub fn send(&mut self, uri: &[u8], message: &[u8]) -> Forwarded {
        let Some(endpoint) = ForwardEndpoint::parse(uri, self.rules.look_up) else {
            let allowed = "sip:host[:port][;transport=udp|tcp|tls|sctp] and sips:host[:port] are allowed";
            say(&mut self.log, Level::Error, uri, |uri| format!("\"{uri}\" is no SIP URI; {allowed}"));
            return Forwarded::Lost;
        };
        let found = self.find(&endpoint);
        let is_held = match found {
            Some(NameFound::At(to)) => return Forwarded::Send(to),
            Some(NameFound::Awaited) if self.rules.holds => self.try_state(|state| state.held.append(uri, message)),
            Some(NameFound::Awaited | NameFound::Nowhere) => Some(false),
            None => None,
        };
        match is_held {
            Some(true) => return Forwarded::Held,
            Some(false) => say_unknown(&mut self.log, uri),
            None => say(&mut self.log, Level::Error, uri, |uri| format!("nothing is sent to {uri}: {KEPT_OUT}")),
        }
        Forwarded::Lost
    }

    /// Logs that the host could not send what was for `uri`.
    pub fn failed(&mut self, uri: &[u8]) {
        let why = "no socket of that transport, or the send failed";
        say(&mut self.log, Level::Error, uri, |uri| format!("nothing is sent to {uri}: {why}"));
    }

    /// Logs how many messages are still held, and lost now. At the end of the server.
    pub fn end(&mut self) {
        let not_sent = "copies for names that were not looked up yet are not sent";
        match self.try_state(|state| state.held().saturating_add(state.lost())) {
            Some(0) => {}
            Some(held) => log::warn!("{held} {not_sent}"),
            None => log::warn!("{not_sent}, if any are held: {KEPT_OUT}"),
        }
    }

    fn with_state<R>(&mut self, body: impl FnOnce(&mut State, &Round) -> R) -> Option<R> {
        let round = &self.round;
        self.state.as_ref().map(|state| state.with(|state| body(state, round)))
    }

    /// Runs `body` unless another process has the state; what is not open is nobody's.
    fn try_state<R: Default>(&mut self, body: impl FnOnce(&mut State) -> R) -> Option<R> {
        let Some(state) = &self.state else { return Some(R::default()) };
        let done = state.try_with(!self.is_kept_out, body);
        self.is_kept_out = done.is_none();
        done
    }

    /// What is known of the host of a URI; `None` when another process has the state.
    fn find(&mut self, endpoint: &ForwardEndpoint) -> Option<NameFound> {
        let query = match (&endpoint.host, endpoint.query()) {
            (CollectorHost::Address(ip), _) => {
                let address = SocketAddr::new(*ip, endpoint.port_or_default());
                return Some(NameFound::At(SendTo { address, transport: or_udp(endpoint.transport) }));
            }
            (CollectorHost::Name(_), query) => query,
        };
        let Some(query) = query else { return Some(NameFound::Nowhere) };
        let is_served = self.expects_names;
        self.try_state(|state| State::found(state.names.use_name(&query, now_ms()), is_served))
    }
}

fn say_unknown(log: &mut LogLimit, uri: &[u8]) {
    say(log, Level::Warn, uri, |uri| format!("nothing is sent to {uri}: its address is not known yet"));
}

/// Writes a line about `uri`, which is shown without the user part, at a limited rate.
fn say(log: &mut LogLimit, level: Level, uri: &[u8], line: impl FnOnce(String) -> String) {
    if log.allow(Instant::now()).is_some() {
        log::log!(level, "{}", line(without_user(&String::from_utf8_lossy(uri))));
    }
}
