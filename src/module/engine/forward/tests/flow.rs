//! From a message for a name to its sending.

use super::*;
use std::cell::{Cell, RefCell};

#[test]
fn a_message_for_a_name_is_held_and_sent_once_the_name_is_looked_up() {
    let state = own_state!();
    let (mut worker, mut resolver) = (served(BY_ADDRESS, state), served(BY_ADDRESS, state));
    assert_eq!(next(&mut resolver), "nothing");
    for message in ["first", "second"] {
        assert_eq!(worker.send(b"sip:a.example", message.as_bytes()), Forwarded::Held);
    }
    assert_eq!(next(&mut resolver), "look up a.example 5060 Udp");
    resolver.answer(Some(udp("192.0.2.1:5060"))).expect("it was asked");
    assert_eq!(next(&mut resolver), "send first for sip:a.example to 192.0.2.1:5060 Udp");
    assert_eq!(next(&mut resolver), "send second for sip:a.example to 192.0.2.1:5060 Udp");
    assert_eq!(next(&mut resolver), "nothing");
    assert_eq!(worker.send(b"sip:a.example", b"third"), Forwarded::Send(udp("192.0.2.1:5060")));
    assert_eq!(state.with(|state| state.held()), 0);
}

#[test]
fn a_message_that_is_being_sent_is_held_until_the_next_is_asked_for() {
    let state = own_state!();
    let mut forward = served(BY_ADDRESS, state);
    assert_eq!(forward.send(b"sip:a.example", b"message"), Forwarded::Held);
    next(&mut forward);
    forward.answer(Some(udp("192.0.2.1:5060"))).expect("it was asked");
    assert!(next(&mut forward).starts_with("send message"));
    assert_eq!(state.with(|state| state.held()), 1);
    assert_eq!(next(&mut forward), "nothing");
    assert_eq!(state.with(|state| state.held()), 0);
}

#[test]
fn what_is_held_for_a_name_that_is_not_found_is_lost_and_what_comes_then_too() {
    let mut forward = served(BY_ADDRESS, own_state!());
    assert_eq!(forward.send(b"sip:a.example", b"first"), Forwarded::Held);
    assert_eq!(next(&mut forward), "look up a.example 5060 Udp");
    forward.answer(None).expect("it was asked");
    assert_eq!([next(&mut forward), next(&mut forward)], ["lost", "nothing"]);
    assert_eq!(forward.send(b"sip:a.example", b"second"), Forwarded::Lost);
}

#[test]
fn what_waits_for_one_name_keeps_no_other_back() {
    let mut forward = served(BY_ADDRESS, own_state!());
    for (uri, message) in [("sip:a.example", "1"), ("sip:b.example", "2"), ("sip:a.example", "3")] {
        assert_eq!(forward.send(uri.as_bytes(), message.as_bytes()), Forwarded::Held);
    }
    assert_eq!(next(&mut forward), "look up a.example 5060 Udp");
    forward.answer(Some(udp("192.0.2.1:5060"))).expect("it was asked");
    assert_eq!(next(&mut forward), "send 1 for sip:a.example to 192.0.2.1:5060 Udp");
    assert_eq!(next(&mut forward), "send 3 for sip:a.example to 192.0.2.1:5060 Udp");
    assert_eq!(next(&mut forward), "look up b.example 5060 Udp");
    forward.answer(Some(udp("192.0.2.2:5060"))).expect("it was asked");
    assert_eq!(next(&mut forward), "send 2 for sip:b.example to 192.0.2.2:5060 Udp");
    assert_eq!(next(&mut forward), "nothing");
}

#[test]
fn every_name_gets_its_turn() {
    let mut forward = served(BY_SERVICE, own_state!());
    for uri in ["sip:a.example", "sip:b.example:9;transport=tcp"] {
        assert_eq!(forward.send(uri.as_bytes(), b""), Forwarded::Lost);
    }
    // The first is left unanswered, and so is due again at once.
    let mut turn = || next(&mut forward);
    assert_eq!(
        [turn(), turn(), turn(), turn()].map(|work| work.replace("look up ", "")),
        ["a.example 0 any", "b.example 9 Tcp", "nothing", "a.example 0 any"]
    );
}

#[test]
fn a_look_up_by_service_tells_port_and_transport_or_it_is_udp() {
    let mut forward = served(BY_SERVICE, own_state!());
    for (uri, transport, expected) in
        [("sip:a.example", Transport::Tcp, Transport::Tcp), ("sip:b.example", Transport::UNKNOWN, Transport::Udp)]
    {
        assert_eq!(forward.send(uri.as_bytes(), b"message"), Forwarded::Lost, "nothing is held by these rules");
        assert!(next(&mut forward).starts_with("look up"));
        let address = "192.0.2.1:5080".parse().expect("an address");
        forward.answer(Some(SendTo { address, transport })).expect("it was asked");
        let to = SendTo { address, transport: expected };
        assert_eq!(forward.send(uri.as_bytes(), b"message"), Forwarded::Send(to));
    }
}

#[test]
fn what_there_is_no_room_for_is_lost() {
    let mut forward = served(BY_ADDRESS, own_state!());
    let message = vec![0; MOST_HELD_BYTES / 4];
    let mut send = || forward.send(b"sip:a.example", &message);
    assert_eq!([send(), send(), send()], [Forwarded::Held; 3]);
    assert_eq!(send(), Forwarded::Lost, "four and their URIs are more than the room");
    assert_eq!(forward.send(b"sip:a.example", b"a small one"), Forwarded::Held);
}

#[test]
fn a_name_that_has_lost_its_place_gets_one_again_before_what_is_held_for_it_is_sent() {
    let mut forward = served(BY_ADDRESS, own_state!());
    assert_eq!(forward.send(b"sip:held.example", b"message"), Forwarded::Held);
    for number in 0..MOST_NAMES {
        forward.expect(format!("sip:n{number}").as_bytes());
    }
    let mut looked_up = Vec::new();
    let sent = loop {
        match next(&mut forward) {
            work if work.starts_with("look up") => {
                looked_up.push(work);
                forward.answer(Some(udp("192.0.2.1:5060"))).expect("it was asked");
            }
            work if work == "nothing" => {}
            work => break work,
        }
    };
    assert_eq!(sent, "send message for sip:held.example to 192.0.2.1:5060 Udp");
    assert_eq!(looked_up.iter().filter(|work| work.contains("held.example")).count(), 1);
}

#[test]
fn a_process_is_needed_for_names_that_are_expected_and_for_uris_that_nobody_knows() {
    type Prepare = fn(&mut Forward<&'static Mutex<State>>);
    let cases: [(Prepare, bool); 6] = [
        (|_| {}, false),
        (|forward| forward.expect(b"sip:192.0.2.1"), false),
        (|forward| forward.expect(b"sip:[::1]"), false),
        (|forward| forward.expect(b"tel:1"), false),
        (|forward| forward.expect(b" sip:a.example "), true),
        (|forward| forward.expect_any(), true),
    ];
    for (prepare, needed) in cases {
        let mut forward = Forward::new(BY_ADDRESS);
        prepare(&mut forward);
        assert!(!forward.needs_process(), "nothing is noted before there is room");
        forward.open(own_state!()).expect("it is opened once");
        prepare(&mut forward);
        assert_eq!(forward.needs_process(), needed);
    }
}

#[test]
fn a_name_that_no_process_looks_up_is_not_waited_for() {
    let mut forward = Forward::new(BY_ADDRESS);
    forward.open(own_state!()).expect("it is opened once");
    assert_eq!(forward.send(b"sip:a.example", b"message"), Forwarded::Lost);
}

#[test]
fn calls_out_of_order_are_refused() {
    let mut forward = Forward::new(BY_ADDRESS);
    assert_eq!(forward.next(|_| {}), Err(StateError::ForwardNotOpen));
    assert_eq!(forward.answer(None), Err(StateError::NothingAsked));
    assert_eq!(forward.open(own_state!()), Ok(()));
    assert_eq!(forward.open(own_state!()), Err(StateError::ForwardOpen));
    assert_eq!(forward.answer(None), Err(StateError::NothingAsked));
    forward.expect(b"sip:a.example");
    assert!(next(&mut forward).starts_with("look up"));
    assert_eq!((forward.answer(None), forward.answer(None)), (Ok(()), Err(StateError::NothingAsked)));
}

#[test]
fn a_state_that_is_cleared_knows_no_name_and_what_was_held_is_counted() {
    let state = own_state!();
    let mut forward = served(BY_ADDRESS, state);
    assert_eq!(forward.send(b"sip:a.example", b"message"), Forwarded::Held);
    state.with(State::clear);
    assert_eq!(state.with(|state| (state.held(), state.lost())), (0, 1));
    assert_eq!(next(&mut forward), "nothing");
    assert_eq!(forward.send(b"sip:a.example", b"message"), Forwarded::Held);
}

#[test]
fn a_state_that_is_cleared_while_a_message_is_sent_keeps_what_comes_then() {
    let state = own_state!();
    let mut forward = served(BY_ADDRESS, state);
    for uri in ["sip:a.example", "sip:b.example"] {
        assert_eq!(forward.send(uri.as_bytes(), b"before"), Forwarded::Held);
    }
    assert_eq!(next(&mut forward), "look up a.example 5060 Udp");
    forward.answer(Some(udp("192.0.2.1:5060"))).expect("it was asked");
    assert!(next(&mut forward).starts_with("send before"));
    state.with(State::clear);
    assert_eq!(forward.send(b"sip:c.example", b"after"), Forwarded::Held);
    assert_eq!(next(&mut forward), "look up c.example 5060 Udp");
    forward.answer(Some(udp("192.0.2.3:5060"))).expect("it was asked");
    assert_eq!(next(&mut forward), "send after for sip:c.example to 192.0.2.3:5060 Udp");
    assert_eq!(next(&mut forward), "nothing");
    assert_eq!(state.with(|state| (state.held(), state.lost())), (0, 2));
}

/// A state that is cleared, and holds another message, before it is looked at for the time that is told.
struct ClearedAt(&'static Mutex<State>, Cell<u32>);

impl SharedState for ClearedAt {
    fn with<R>(&self, body: impl FnOnce(&mut State) -> R) -> R {
        self.0.with(|state| {
            self.1.set(self.1.get().wrapping_sub(1));
            if self.1.get() == 0 {
                state.clear();
                assert!(state.held.append(b"sip:another.example", b"the other's"));
            }
            body(state)
        })
    }

    fn try_with<R>(&self, waits: bool, body: impl FnOnce(&mut State) -> R) -> Option<R> {
        self.0.try_with(waits, body)
    }
}

#[test]
fn a_state_that_is_cleared_at_whatever_moment_has_nothing_sent_to_the_address_of_another() {
    for looks in 1..8 {
        let state = own_state!();
        state.with(State::clear);
        let mut worker = served(BY_ADDRESS, state);
        assert_eq!(worker.send(b"sip:a.example", b"message"), Forwarded::Held);
        assert_eq!(next(&mut worker), "look up a.example 5060 Udp");
        worker.answer(Some(udp("192.0.2.1:5060"))).expect("it was asked");
        let mut resolver = Forward::new(BY_ADDRESS);
        resolver.open(ClearedAt(state, Cell::new(looks))).expect("it is opened once");
        for _ in 0..4 {
            if let Work::Send { uri, message, .. } = resolver.next(|_| {}).expect("it is open") {
                assert_eq!((uri, message), (&b"sip:a.example"[..], &b"message"[..]), "cleared before look {looks}");
            }
        }
        assert_eq!(state.with(|state| state.held()), 1, "the other's waits for its name");
    }
}

/// A state that another process may have, and whether whoever came waited for it.
struct Watched {
    state: &'static Mutex<State>,
    is_kept: Cell<bool>,
    waits: RefCell<Vec<bool>>,
}

impl SharedState for &Watched {
    fn with<R>(&self, body: impl FnOnce(&mut State) -> R) -> R {
        self.state.with(body)
    }

    fn try_with<R>(&self, waits: bool, body: impl FnOnce(&mut State) -> R) -> Option<R> {
        self.waits.borrow_mut().push(waits);
        (!self.is_kept.get()).then(|| self.with(body))
    }
}

#[test]
fn one_message_waits_for_a_state_that_is_kept_and_those_behind_it_do_not_until_one_has_got_in() {
    let watched = Watched { state: own_state!(), is_kept: Cell::new(true), waits: RefCell::default() };
    let mut forward = Forward::new(BY_ADDRESS);
    forward.open(&watched).expect("it is opened once");
    forward.expect_any();
    watched.waits.take();
    let mut send = || forward.send(b"sip:a.example", b"");
    assert_eq!([send(), send(), send()], [Forwarded::Lost; 3]);
    assert_eq!(watched.waits.take(), [true, false, false]);
    watched.is_kept.set(false);
    assert_eq!([send(), send()], [Forwarded::Held; 2]);
    let waits = watched.waits.take();
    assert!(!waits[0] && waits.len() > 1 && waits[1..].iter().all(|waits| *waits), "{waits:?}");
}
