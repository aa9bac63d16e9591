//! The side of [`Forward`] that one process of the server calls, which looks names up and sends what was held.

use super::endpoint::ForwardEndpoint;
use super::names::{KnownName, NameQuery};
use super::{Forward, NameFound, SendTo, SharedState, State, say_unknown};
use crate::capture::Transport;
use crate::module::engine::state::StateError;
use crate::queue::lane::now_ms;
use std::time::Duration;

/// Time between two looks for work.
pub(super) const PAUSE: Duration = Duration::from_millis(200);

/// What the process that looks names up is to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Work<'a> {
    /// Nothing yet.
    None,
    /// Look this name up, and call [`Forward::answer`].
    LookUp {
        /// The name.
        name: &'a str,
        /// Port that the URI names; 0 for none.
        port: u16,
        /// Transport that the URI names; [`Transport::UNKNOWN`] for none.
        transport: Transport,
    },
    /// Send what was held.
    Send {
        /// Where it goes.
        to: SendTo,
        /// The URI that it was for.
        uri: &'a [u8],
        /// The message.
        message: &'a [u8],
    },
    /// One that was held is lost, which is logged.
    Lost,
}

/// How far the process that looks names up has come.
#[derive(Debug, Default)]
pub(super) struct Round {
    /// Place of the name that is to be seen next.
    name: usize,
    /// The name that is being looked up, and its place.
    pub(super) asked: Option<(usize, KnownName)>,
    /// The held message behind which the others are to be seen; 0 for the first.
    held: u16,
    /// Whether the message behind that one is at hand: it is removed once it is sent.
    is_sending: bool,
    /// URI and bytes of the held message at hand, and the length of the former.
    read: (Vec<u8>, usize),
    /// [`State::clear`]s that it knows of: what it noted before a further one says nothing.
    clears: u32,
}

impl<S: SharedState> Forward<S> {
    /// What the process that looks names up is to do now: send what is held and can be sent, then look up what is to be
    /// looked up. When there is nothing to do, runs `pause`, with the time to wait, and answers [`Work::None`]. Only
    /// one process may call this.
    ///
    /// # Errors
    /// [`StateError::ForwardNotOpen`] before [`Forward::open`].
    pub fn next(&mut self, pause: impl FnOnce(Duration)) -> Result<Work<'_>, StateError> {
        if self.state.is_none() {
            return Err(StateError::ForwardNotOpen);
        }
        self.end_held();
        if let Some(found) = self.find_held() {
            let (read, uri_length) = &self.round.read;
            let (uri, message) = read.split_at(*uri_length);
            return Ok(match found {
                NameFound::At(to) => Work::Send { to, uri, message },
                NameFound::Nowhere | NameFound::Awaited => {
                    say_unknown(&mut self.log, uri);
                    Work::Lost
                }
            });
        }
        let due = self.with_state(|state, round| state.names.due(round.name, now_ms())).flatten();
        self.round.held = 0;
        let Some((place, name)) = due else {
            self.round.name = 0;
            pause(PAUSE);
            return Ok(Work::None);
        };
        self.round.name = place + 1;
        let NameQuery { name, port, transport } = self.round.asked.insert((place, name)).1.query();
        Ok(Work::LookUp { name, port, transport })
    }

    /// Takes what the look-up of [`Work::LookUp`] has found, `None` for nothing. A transport that it does not tell is
    /// that of the URI.
    ///
    /// # Errors
    /// [`StateError::NothingAsked`] when nothing is to be looked up.
    pub fn answer(&mut self, found: Option<SendTo>) -> Result<(), StateError> {
        let (place, asked) = self.round.asked.take().ok_or(StateError::NothingAsked)?;
        if found.is_none() && !asked.has_failed() {
            let name = asked.query().name;
            let until =
                if asked.found().is_some() { "but to the address that it had before" } else { "until it can be" };
            log::error!("{name} cannot be resolved; nothing is sent there {until}");
        }
        let found = found.map(|to| (to.address, to.transport));
        self.with_state(|state, _| state.names.answer(place, &asked, found, now_ms()));
        Ok(())
    }

    /// Removes the held message that was at hand.
    fn end_held(&mut self) {
        let clears = self.with_state(|state, round| {
            if round.is_sending && state.clears == round.clears {
                state.held.remove_after(round.held);
            }
            state.clears
        });
        self.round.is_sending = false;
        if let Some(clears) = clears.filter(|clears| *clears != self.round.clears) {
            self.round = Round { clears, ..Round::default() };
        }
    }

    /// Reads the next held message whose name has been looked up, and tells what was found; `None` when there is none,
    /// or the state was cleared meanwhile, as [`Forward::end_held`] finds then.
    fn find_held(&mut self) -> Option<NameFound> {
        let state = self.state.as_ref().filter(|_| self.rules.holds)?;
        let Round { held, read: (read, uri_length), clears, is_sending, .. } = &mut self.round;
        let clears = *clears;
        loop {
            let message = state.with(|state| {
                let message = state.held.after(*held).filter(|_| state.clears == clears)?;
                state.held.read_uri(message, read);
                Some(message)
            })?;
            let endpoint = ForwardEndpoint::parse(read, self.rules.look_up);
            let query = endpoint.as_ref().and_then(ForwardEndpoint::query);
            let found = state.with(|state| {
                // Nobody else removes a message, so that it is still this one unless all are gone.
                if state.clears != clears {
                    return None;
                }
                let found = match &query {
                    Some(query) => match state.names.await_name(query, now_ms()) {
                        Some(known) => State::found(known, true),
                        None => NameFound::Awaited,
                    },
                    // Only what has a name is held.
                    None => NameFound::Nowhere,
                };
                if !matches!(found, NameFound::Awaited) {
                    *uri_length = state.held.read(message, read);
                }
                Some(found)
            })?;
            if !matches!(found, NameFound::Awaited) {
                *is_sending = true;
                return Some(found);
            }
            *held = message;
        }
    }
}
