//! What [`sort`] does whatever the messages are.

use super::ladders::{CHAIN, ladder, lines, message, sorted, stored};
use super::*;
use crate::call::Call;
use proptest::prelude::*;

#[test]
fn time_goes_before_everything() {
    let mut messages = ladder(CHAIN);
    (0..).zip(messages.iter_mut().rev()).for_each(|(time, message)| message.micro_ts = time);
    let ids: Vec<i64> = sorted(messages).iter().map(|message| message.id).collect();
    assert_eq!(ids, [7, 6, 5, 4, 3, 2, 1]);
}

#[test]
fn an_invite_of_an_earlier_time_opens_the_dialog_all_the_same() {
    let mut messages = ladder(
        "B>A INVITE 1 INVITE r b:a
        B>A 200 9 INVITE i a:b
        A>B INVITE 9 INVITE i a:",
    );
    messages[2].micro_ts -= 1;
    let ids: Vec<i64> = sorted(messages).iter().map(|message| message.id).collect();
    assert_eq!(ids, [3, 2, 1]);
}

#[test]
fn messages_of_which_nothing_can_be_told_stay_as_they_were_stored() {
    let mut odd = ladder(CHAIN);
    for message in &mut odd {
        (message.cseq, message.via_branch, message.payload) = (String::new(), String::new(), b"junk".to_vec());
        message.method.clear();
    }
    odd.reverse();
    let ids: Vec<i64> = sorted(odd).iter().map(|message| message.id).collect();
    assert_eq!(ids, [1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn messages_that_wait_for_each_other_come_as_they_were_stored() {
    // The INVITE within the dialog has a lower CSeq than the one that opens it.
    let messages = ladder(
        "A>B INVITE 5 INVITE i a:
        B>A 200 5 INVITE i a:b
        A>B INVITE 1 INVITE r a:b",
    );
    for (order, expected) in [([0, 1, 2], [0, 1, 2]), ([2, 1, 0], [2, 0, 1]), ([1, 2, 0], [1, 2, 0])] {
        let of = |places: [usize; 3]| places.map(|place| messages[place].clone()).to_vec();
        assert_eq!(lines(&sorted(stored(of(order)))), lines(&of(expected)));
    }
}

#[test]
fn calls_keep_their_own_order_beside_one_another() {
    let mut both = Vec::new();
    for (one, mut other) in ladder(CHAIN).into_iter().zip(ladder(CHAIN)) {
        other.call_id = "call-2".into();
        both.extend([other, one]);
    }
    both.reverse();
    let both = sorted(stored(both));
    for call in ["call-1", "call-2"] {
        let of_call: Vec<Message> = both.iter().filter(|message| message.call_id == call).cloned().collect();
        assert_eq!(lines(&of_call), lines(&ladder(CHAIN)));
    }
}

#[test]
fn a_flood_with_one_time_stays_as_it_was_stored() {
    let chain = ladder(CHAIN);
    let flood = vec![chain[0].clone(); LARGEST_GROUP].into_iter().chain(chain.into_iter().rev()).collect();
    let ids: Vec<i64> = sorted(stored(flood)).iter().map(|message| message.id).collect();
    assert!(ids.is_sorted());
}

/// Messages of any kind, few enough in their parts to have much in common.
fn any_messages() -> impl Strategy<Value = Vec<Message>> {
    let first = ["INVITE", "ACK", "BYE", "CANCEL", "PRACK", "INFO", "100", "183", "200", "487"];
    let part = (
        "[APBC]>[APBC]",
        prop::sample::select(first.to_vec()),
        0u32..3,
        prop::sample::select(vec!["INVITE", "BYE", "CANCEL", "PRACK", "INFO", ""]),
        prop::collection::vec("[ab]?", 1..4),
        "[ab]:[ab]?",
        prop::sample::select(vec!["", " RAck: 1 1 INVITE", " RSeq: 1"]),
    );
    let text = part.prop_map(|(way, first, number, method, vias, tags, header)| {
        let method = if first.as_bytes()[0].is_ascii_digit() { method } else { first };
        format!("0 {way} {first} {number} {method} {} {tags}{header}", vias.join(","))
    });
    prop::collection::vec(text, 0..14).prop_map(|lines| stored(lines.iter().map(|line| message(line)).collect()))
}

proptest! {
    #[test]
    fn the_outcome_is_the_same_in_whatever_order_rows_come(messages in any_messages(), numbers in 1i64..9) {
        // The rows of several tables can have the same number, those of a table without numbers have all the same.
        let mut messages = messages;
        messages.iter_mut().for_each(|message| message.id = message.id * 7 % numbers);
        let mut other = messages.clone();
        other.sort_by(|one, other| lines(std::slice::from_ref(one)).cmp(&lines(std::slice::from_ref(other))));
        let (one, other) = (sorted(messages), sorted(other));
        prop_assert_eq!(&one, &other);
        let call = |messages: &[Message]| Call::of(&messages.iter().collect::<Vec<_>>());
        prop_assert_eq!(call(&one), call(&other));
    }

    #[test]
    fn whatever_the_messages_are_none_is_lost(messages in any_messages()) {
        let mut ids: Vec<i64> = sorted(messages.clone()).iter().map(|message| message.id).collect();
        ids.sort_unstable();
        prop_assert_eq!(ids, messages.iter().map(|message| message.id).collect::<Vec<_>>());
    }
}
