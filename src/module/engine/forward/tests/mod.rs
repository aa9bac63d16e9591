//! Forwarding against a state behind a mutex, as one process sees it.

mod flow;
mod logged;
mod names;
mod room;
mod uris;

use super::resolver::PAUSE;
use super::*;
use std::sync::{Mutex, PoisonError, TryLockError};

impl SharedState for &'static Mutex<State> {
    fn with<R>(&self, body: impl FnOnce(&mut State) -> R) -> R {
        body(&mut self.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn try_with<R>(&self, _: bool, body: impl FnOnce(&mut State) -> R) -> Option<R> {
        match self.try_lock() {
            Ok(mut state) => Some(body(&mut state)),
            Err(TryLockError::Poisoned(state)) => Some(body(&mut state.into_inner())),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

/// A state of the test's own, in memory that is all zero until it is used.
macro_rules! own_state {
    () => {{
        static STATE: std::sync::Mutex<State> = std::sync::Mutex::new(State::EMPTY);
        &STATE
    }};
}
use own_state;

const BY_ADDRESS: ForwardRules = ForwardRules { look_up: LookUp::ByAddress, holds: true };
const BY_SERVICE: ForwardRules = ForwardRules { look_up: LookUp::ByService, holds: false };

/// Forwarding that a process looks names up for.
fn served(rules: ForwardRules, state: &'static Mutex<State>) -> Forward<&'static Mutex<State>> {
    let mut forward = Forward::new(rules);
    forward.open(state).expect("it is opened once");
    forward.expect_any();
    forward
}

fn udp(address: &str) -> SendTo {
    SendTo { address: address.parse().expect("an address"), transport: Transport::Udp }
}

/// What the process that looks names up is to do, as a text.
fn next(forward: &mut Forward<&'static Mutex<State>>) -> String {
    let mut paused = None;
    let work = forward.next(|time| paused = Some(time)).expect("it is open");
    let told = match &work {
        Work::None => "nothing".to_owned(),
        Work::Lost => "lost".to_owned(),
        Work::LookUp { name, port, transport: Transport::UNKNOWN } => format!("look up {name} {port} any"),
        Work::LookUp { name, port, transport } => format!("look up {name} {port} {transport:?}"),
        Work::Send { to, uri, message } => {
            let [uri, message] = [uri, message].map(|bytes| String::from_utf8_lossy(bytes));
            format!("send {message} for {uri} to {} {:?}", to.address, to.transport)
        }
    };
    assert_eq!(paused, (work == Work::None).then_some(PAUSE), "it pauses when there is nothing to do, and else not");
    told
}
