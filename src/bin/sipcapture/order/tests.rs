//! Ladders of every kind, all with one time.

use proptest::prelude::*;

use super::*;
use crate::call::Call;
use crate::message::tests::{reply, request};

const A: &str = "192.0.2.1:5060";
const PROXY: &str = "192.0.2.2:5060";
const B: &str = "192.0.2.3:5060";
const C: &str = "192.0.2.4:5060";

/// A message between two hosts: its first line's method or status, its CSeq, the branches of its Vias, its To tag.
fn message(way: (&str, &str), first: &str, cseq: &str, vias: &[&str], to_tag: &str) -> Message {
    let mut message = match first.split_once(' ') {
        Some(_) => reply(7, first, cseq),
        None => request(7, first, cseq),
    }
    .between(way.0, way.1);
    message.to.tag = to_tag.into();
    message.via_branch = vias[0].into();
    let vias: String = vias.iter().map(|branch| format!("Via: SIP/2.0/UDP h;branch={branch}\r\n")).collect();
    message.payload = format!("OPTIONS sip:a@b SIP/2.0\r\n{vias}\r\n").into_bytes();
    message
}

/// The same with one more header.
fn with(mut message: Message, header: &str) -> Message {
    let end = message.payload.len() - 2;
    message.payload.splice(end..end, format!("{header}\r\n").into_bytes());
    message
}

/// The other way, as the callee's own request: From and To have changed places.
fn of_callee(mut message: Message) -> Message {
    std::mem::swap(&mut message.from, &mut message.to);
    message
}

/// A call between two hosts, and everything of it comes behind one before it.
fn chain() -> Vec<Message> {
    let (there, back) = ((A, B), (B, A));
    vec![
        message(there, "INVITE", "1 INVITE", &["i"], ""),
        message(back, "100 Trying", "1 INVITE", &["i"], ""),
        message(back, "180 Ringing", "1 INVITE", &["i"], "b"),
        message(back, "200 OK", "1 INVITE", &["i"], "b"),
        message(there, "ACK", "1 ACK", &["k"], "b"),
        message(there, "BYE", "2 BYE", &["y"], "b"),
        message(back, "200 OK", "2 BYE", &["y"], "b"),
    ]
}

/// Through a proxy.
fn relayed() -> Vec<Message> {
    let (there, on, back, home) = ((A, PROXY), (PROXY, B), (B, PROXY), (PROXY, A));
    vec![
        message(there, "INVITE", "1 INVITE", &["i"], ""),
        message(home, "100 Trying", "1 INVITE", &["i"], ""),
        message(on, "INVITE", "1 INVITE", &["i2", "i"], ""),
        message(back, "100 Trying", "1 INVITE", &["i2", "i"], ""),
        message(back, "180 Ringing", "1 INVITE", &["i2", "i"], "b"),
        message(home, "180 Ringing", "1 INVITE", &["i"], "b"),
        message(back, "200 OK", "1 INVITE", &["i2", "i"], "b"),
        message(home, "200 OK", "1 INVITE", &["i"], "b"),
        message(there, "ACK", "1 ACK", &["k"], "b"),
        message(on, "ACK", "1 ACK", &["k2", "k"], "b"),
        message(there, "BYE", "2 BYE", &["y"], "b"),
        message(on, "BYE", "2 BYE", &["y2", "y"], "b"),
        message(back, "200 OK", "2 BYE", &["y2", "y"], "b"),
        message(home, "200 OK", "2 BYE", &["y"], "b"),
    ]
}

/// Ladders as they happen.
fn ladders() -> Vec<(&'static str, Vec<Message>)> {
    let (there, on, back, home) = ((A, PROXY), (PROXY, B), (B, PROXY), (PROXY, A));
    let cancelled = vec![
        message(there, "INVITE", "1 INVITE", &["i"], ""),
        message(on, "INVITE", "1 INVITE", &["i2", "i"], ""),
        message(back, "180 Ringing", "1 INVITE", &["i2", "i"], "b"),
        message(home, "180 Ringing", "1 INVITE", &["i"], "b"),
        message(there, "CANCEL", "1 CANCEL", &["i"], ""),
        message(home, "200 canceling", "1 CANCEL", &["i"], "p"),
        // A proxy's CANCEL is its own: one Via.
        message(on, "CANCEL", "1 CANCEL", &["i2"], ""),
        message(back, "200 canceling", "1 CANCEL", &["i2"], "b"),
        message(back, "487 Request Terminated", "1 INVITE", &["i2", "i"], "b"),
        message(on, "ACK", "1 ACK", &["i2"], "b"),
        message(home, "487 Request Terminated", "1 INVITE", &["i"], "b"),
        message(there, "ACK", "1 ACK", &["i"], "b"),
    ];
    let challenged = vec![
        message(there, "INVITE", "1 INVITE", &["i"], ""),
        message(home, "407 Proxy Authentication Required", "1 INVITE", &["i"], "p"),
        message(there, "ACK", "1 ACK", &["i"], "p"),
        message(there, "INVITE", "2 INVITE", &["j"], ""),
        message(home, "100 Trying", "2 INVITE", &["j"], ""),
        message(home, "486 Busy Here", "2 INVITE", &["j"], "b"),
        message(there, "ACK", "2 ACK", &["j"], "b"),
    ];
    let reliable = vec![
        message(there, "INVITE", "1 INVITE", &["i"], ""),
        with(message(home, "183 Session Progress", "1 INVITE", &["i"], "b"), "RSeq: 5"),
        with(message(there, "PRACK", "2 PRACK", &["p"], "b"), "RAck: 5 1 INVITE"),
        message(home, "200 OK", "2 PRACK", &["p"], "b"),
        with(message(home, "180 Ringing", "1 INVITE", &["i"], "b"), "RSeq: 6"),
        with(message(there, "PRACK", "3 PRACK", &["q"], "b"), "RAck: 6 1 INVITE"),
        message(home, "200 OK", "3 PRACK", &["q"], "b"),
        message(there, "UPDATE", "4 UPDATE", &["u"], "b"),
        message(home, "200 OK", "4 UPDATE", &["u"], "b"),
        message(home, "200 OK", "1 INVITE", &["i"], "b"),
        message(there, "ACK", "1 ACK", &["k"], "b"),
    ];
    let to_voicemail = vec![
        message(there, "INVITE", "1 INVITE", &["i"], ""),
        message(on, "INVITE", "1 INVITE", &["i2", "i"], ""),
        message(back, "486 Busy Here", "1 INVITE", &["i2", "i"], "b"),
        message(on, "ACK", "1 ACK", &["i2"], "b"),
        message((PROXY, C), "INVITE", "1 INVITE", &["i3", "i"], ""),
        message((C, PROXY), "200 OK", "1 INVITE", &["i3", "i"], "c"),
        message(home, "200 OK", "1 INVITE", &["i"], "c"),
        message(there, "ACK", "1 ACK", &["k"], "c"),
        message((PROXY, C), "ACK", "1 ACK", &["k2", "k"], "c"),
    ];
    let mut ended_by_callee = chain();
    ended_by_callee.truncate(5);
    ended_by_callee.extend([
        message((A, B), "INVITE", "2 INVITE", &["r"], "b"),
        message((B, A), "200 OK", "2 INVITE", &["r"], "b"),
        message((A, B), "ACK", "2 ACK", &["s"], "b"),
        of_callee(message((B, A), "BYE", "1 BYE", &["z"], "b")),
        of_callee(message((A, B), "200 OK", "1 BYE", &["z"], "b")),
    ]);
    let registered = vec![
        message(there, "REGISTER", "1 REGISTER", &["r"], ""),
        message(on, "REGISTER", "1 REGISTER", &["r2", "r"], ""),
        message(back, "401 Unauthorized", "1 REGISTER", &["r2", "r"], "b"),
        message(home, "401 Unauthorized", "1 REGISTER", &["r"], "b"),
        message(there, "REGISTER", "2 REGISTER", &["s"], ""),
        message(on, "REGISTER", "2 REGISTER", &["s2", "s"], ""),
        message(back, "200 OK", "2 REGISTER", &["s2", "s"], "b"),
        message(home, "200 OK", "2 REGISTER", &["s"], "b"),
    ];
    vec![
        ("chain", chain()),
        ("relayed", relayed()),
        ("cancelled", cancelled),
        ("challenged", challenged),
        ("reliable", reliable),
        ("to voicemail", to_voicemail),
        ("ended by the callee", ended_by_callee),
        ("registered", registered),
    ]
}

/// Numbers the rows as they were stored.
fn stored(mut messages: Vec<Message>) -> Vec<Message> {
    (1..).zip(&mut messages).for_each(|(id, message)| message.id = id);
    messages
}

fn sorted(mut messages: Vec<Message>) -> Vec<Message> {
    sort(&mut messages);
    messages
}

/// What tells the messages of one ladder apart.
fn names(messages: &[Message]) -> Vec<String> {
    let name =
        |message: &Message| format!("{} {} {} {}", message.method, message.cseq, message.via_branch, message.to.tag);
    messages.iter().map(name).collect()
}

/// Asserts that each of `pairs`, places in `ladder`, comes in this order in `messages`.
fn keeps(messages: &[Message], ladder: &[Message], pairs: &[(usize, usize)]) {
    let (all, names) = (names(messages), names(ladder));
    let place = |index: usize| all.iter().position(|name| *name == names[index]).expect("it is there");
    for &(first, second) in pairs {
        assert!(place(first) < place(second), "{} before {} in {all:#?}", names[first], names[second]);
    }
}

/// A ladder and one of its permutations.
fn shuffled() -> impl Strategy<Value = (Vec<Message>, Vec<Message>)> {
    let ladders: Vec<Vec<Message>> = ladders().into_iter().map(|(_, ladder)| ladder).collect();
    prop::sample::select(ladders).prop_flat_map(|ladder| (Just(ladder.clone()), Just(ladder).prop_shuffle()))
}

#[test]
fn what_was_stored_as_it_happened_stays_as_it_is() {
    for (name, ladder) in ladders() {
        let ladder = stored(ladder);
        assert_eq!(names(&sorted(ladder.clone())), names(&ladder), "{name}");
    }
}

#[test]
fn time_goes_before_everything() {
    let mut ladder = stored(chain());
    (0..).zip(ladder.iter_mut().rev()).for_each(|(time, message)| message.micro_ts = time);
    let reversed: Vec<String> = names(&ladder).into_iter().rev().collect();
    assert_eq!(names(&sorted(ladder)), reversed);
}

#[test]
fn messages_of_which_nothing_can_be_told_stay_as_they_were_stored() {
    let mut odd = stored(chain());
    for message in &mut odd {
        (message.cseq, message.via_branch, message.payload) = (String::new(), String::new(), b"junk".to_vec());
        message.method.clear();
    }
    odd.reverse();
    let ids: Vec<i64> = sorted(odd).iter().map(|message| message.id).collect();
    assert_eq!(ids, [1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn calls_keep_their_own_order_beside_one_another() {
    let mut both = Vec::new();
    for (one, mut other) in chain().into_iter().zip(chain()) {
        other.call_id = "call-2".into();
        both.extend([other, one]);
    }
    both.reverse();
    let both = sorted(stored(both));
    for call in ["call-1", "call-2"] {
        let of_call: Vec<Message> = both.iter().filter(|message| message.call_id == call).cloned().collect();
        assert_eq!(names(&of_call), names(&chain()));
    }
}

#[test]
fn a_flood_with_one_time_stays_as_it_was_stored() {
    let flood = vec![chain()[0].clone(); LARGEST_GROUP].into_iter().chain(chain().into_iter().rev()).collect();
    let ids: Vec<i64> = sorted(stored(flood)).iter().map(|message| message.id).collect();
    assert!(ids.is_sorted());
}

proptest! {
    #[test]
    fn a_chain_is_whole_in_whatever_order_it_was_stored(messages in Just(chain()).prop_shuffle()) {
        prop_assert_eq!(names(&sorted(stored(messages))), names(&chain()));
    }

    #[test]
    fn hops_follow_one_another_in_whatever_order_they_were_stored(messages in Just(relayed()).prop_shuffle()) {
        let messages = sorted(stored(messages));
        let invite = [(0, 1), (0, 2), (2, 3), (3, 4), (4, 5), (1, 4), (5, 6), (6, 7), (4, 6), (5, 7), (7, 8), (8, 9)];
        let bye = [(8, 10), (9, 11), (10, 11), (11, 12), (12, 13)];
        keeps(&messages, &relayed(), &[&invite[..], &bye].concat());
    }

    #[test]
    fn a_cancelled_call_and_a_reliable_one_keep_their_steps((ladder, messages) in shuffled()) {
        let messages = sorted(stored(messages));
        let known = |name: &str| names(&ladder) == names(&ladders().into_iter().find(|(known, _)| *known == name).unwrap().1);
        if known("cancelled") {
            let pairs = [(0, 1), (0, 4), (3, 4), (4, 5), (4, 6), (6, 7), (7, 8), (8, 9), (8, 10), (5, 10), (10, 11)];
            keeps(&messages, &ladder, &pairs);
        }
        if known("reliable") {
            let pairs = [(0, 1), (1, 2), (2, 3), (4, 5), (5, 6), (3, 9), (6, 9), (7, 8), (0, 7), (5, 7), (9, 10)];
            keeps(&messages, &ladder, &pairs);
        }
    }

    #[test]
    fn the_outcome_is_the_same_in_whatever_order_rows_come((ladder, messages) in shuffled(), numbered: bool, cut in 0usize..8) {
        // The row's number goes with the message, or the table has none; some messages may be missing.
        let place = |message: &Message| {
            let name = &names(std::slice::from_ref(message))[0];
            names(&ladder).iter().position(|known| known == name).expect("it is of the ladder")
        };
        let mut messages: Vec<Message> = messages.into_iter().filter(|message| place(message) != cut).collect();
        for message in &mut messages {
            // Several rows may have one number, where they are of several tables.
            message.id = if numbered { (place(message) as i64 * 7) % 5 } else { 0 };
        }
        let mut other = messages.clone();
        other.sort_by_key(|message| names(std::slice::from_ref(message)));
        let (one, other) = (sorted(messages), sorted(other));
        prop_assert_eq!(names(&one), names(&other));
        let call = |messages: &[Message]| Call::of(&messages.iter().collect::<Vec<_>>());
        prop_assert_eq!(call(&one), call(&other));
    }

    #[test]
    fn whatever_the_messages_are_none_is_lost(
        parts in prop::collection::vec(
            (
                (0usize..4, 0usize..4),
                prop::sample::select(vec!["INVITE", "ACK", "BYE", "CANCEL", "PRACK", "INFO", "100 x", "183 x", "200 x", "487 x"]),
                0u32..3,
                prop::sample::select(vec!["INVITE", "BYE", "CANCEL", "PRACK", "INFO", ""]),
                prop::collection::vec("[ab]?", 1..4),
                "[bc]?",
                any::<bool>(),
            ),
            0..14,
        ),
    ) {
        let hosts = [A, PROXY, B, C];
        let messages = parts.into_iter().map(|((from, to), first, number, method, vias, tag, swapped)| {
            let method = if first.contains(' ') { method } else { first };
            let vias: Vec<&str> = vias.iter().map(String::as_str).collect();
            let message = message((hosts[from], hosts[to]), first, &format!("{number} {method}"), &vias, &tag);
            let message = if first == "PRACK" { with(message, "RAck: 1 1 INVITE") } else { message };
            if swapped { of_callee(message) } else { message }
        });
        let messages = stored(messages.collect());
        let mut reversed = messages.clone();
        reversed.reverse();
        let (one, other) = (sorted(messages.clone()), sorted(reversed));
        prop_assert_eq!(&one, &other);
        let mut ids: Vec<i64> = one.iter().map(|message| message.id).collect();
        ids.sort_unstable();
        prop_assert_eq!(ids, messages.iter().map(|message| message.id).collect::<Vec<_>>());
    }
}
