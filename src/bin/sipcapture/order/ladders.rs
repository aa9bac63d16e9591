//! Calls as they happen, all with one time: stored as they happened they stay, stored in any other way what is certain of them holds.
//!
//! A line of a ladder has: from whom to whom (hosts are A, B, C, the proxy P, the server S; a port may follow), method or status, CSeq, branches of
//! the Vias with the topmost first (`-` for a Via without one), From tag and To tag, and a header. Pairs are numbers of lines, from 0.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::sort;
use crate::message::Message;
use crate::message::tests::{reply, request};

/// The messages of a ladder, numbered as they happened. The correlation id has the line's number and text.
pub fn ladder(text: &str) -> Vec<Message> {
    let lines = text.trim().lines().map(str::trim);
    stored((0..).zip(lines).map(|(number, line)| message(&format!("{number} {line}"))).collect())
}

/// The message of a line with its number.
pub fn message(line: &str) -> Message {
    let mut words = line.splitn(8, ' ').skip(1);
    let mut word = || words.next().unwrap_or_else(|| panic!("{line}"));
    let (way, first, cseq, vias) = (word(), word(), format!("{} {}", word(), word()), word());
    let (from_tag, to_tag) = word().split_once(':').expect("two tags");
    let header = words.next().map_or(String::new(), |header| format!("{header}\r\n"));
    let host = |name: &str| {
        let (name, port) = name.split_once(':').unwrap_or((name, "5060"));
        format!("192.0.2.{}:{port}", name.as_bytes()[0])
    };
    let (source, destination) = way.split_once('>').expect("two hosts");
    let mut message = match first.starts_with(|first: char| first.is_ascii_digit()) {
        true => reply(7, &format!("{first} x"), &cseq),
        false => request(7, first, &cseq),
    }
    .between(&host(source), &host(destination));
    message.correlation_id = line.into();
    (message.from.tag, message.to.tag) = (from_tag.into(), to_tag.into());
    let branches = vias.split(',').map(|branch| branch.trim_start_matches('-'));
    message.via_branch = branches.clone().next().unwrap_or_default().into();
    let via = |branch: &str| match branch {
        "" => "Via: SIP/2.0/UDP h\r\n".to_owned(),
        _ => format!("Via: SIP/2.0/UDP h;branch={branch}\r\n"),
    };
    let vias: String = branches.map(via).collect();
    message.payload = format!("OPTIONS sip:a@b SIP/2.0\r\n{vias}{header}\r\n").into_bytes();
    message
}

/// The messages in the order of [`sort`].
pub fn sorted(mut messages: Vec<Message>) -> Vec<Message> {
    sort(&mut messages);
    messages
}

/// The lines of the ladder that the messages are of.
pub fn lines(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| message.correlation_id.as_str()).collect()
}

/// The same messages, stored in this order.
pub fn stored(mut messages: Vec<Message>) -> Vec<Message> {
    (1..).zip(&mut messages).for_each(|(id, message)| message.id = id);
    messages
}

/// Asserts that the ladder stays as it is when it was stored so, whichever of its messages are missing, and that it keeps each of `pairs`
/// in whatever order it was stored.
fn holds(text: &str, pairs: &[(usize, usize)]) {
    stays(text);
    stays(&on_one_host(text));
    let ladder = ladder(text);
    let cases = (Just(ladder.clone()).prop_shuffle(), prop::collection::vec(any::<bool>(), ladder.len()));
    let judged = TestRunner::default().run(&cases, |(messages, kept)| {
        let is_kept = |message: &&Message| kept[message.id as usize - 1];
        let some: Vec<Message> = ladder.iter().filter(is_kept).cloned().collect();
        let kept = sorted(some.clone());
        prop_assert_eq!(lines(&kept), lines(&some));
        let order = sorted(stored(messages));
        let place =
            |line: usize| order.iter().position(|message| message.correlation_id == ladder[line].correlation_id);
        for &(first, second) in pairs {
            prop_assert!(place(first) < place(second), "{first} before {second} in {:#?}", lines(&order));
        }
        Ok(())
    });
    judged.unwrap_or_else(|fault| panic!("{}", fault.to_string().split("minimal").next().unwrap_or_default()));
}

/// Asserts that the ladder stays as it is when it was stored so, whichever of its first messages have an earlier time.
fn stays(text: &str) {
    for earlier in 0..ladder(text).len() {
        let mut ladder = ladder(text);
        ladder[..earlier].iter_mut().for_each(|message| message.micro_ts -= 1);
        assert_eq!(lines(&sorted(ladder.clone())), lines(&ladder), "{earlier} earlier");
    }
}

/// The same with all hosts at one address, each at ports of its own.
fn on_one_host(text: &str) -> String {
    let end = |end: &str| match end.split_once(':') {
        Some((name, port)) => {
            format!("X:{}", 1_000 * u32::from(name.as_bytes()[0] - b'@') + port.parse::<u32>().unwrap() % 1_000)
        }
        None => format!("X:{}", 1_000 * u32::from(end.as_bytes()[0] - b'@') + 60),
    };
    let line = |line: &str| {
        let (way, rest) = line.trim().split_once(' ').expect("a line");
        let (source, destination) = way.split_once('>').expect("two hosts");
        format!("{}>{} {rest}", end(source), end(destination))
    };
    text.trim().lines().map(line).collect::<Vec<_>>().join("\n")
}

/// All pairs of neighbours among the first `size` lines.
fn chain(size: usize) -> Vec<(usize, usize)> {
    (1..size).map(|line| (line - 1, line)).collect()
}

pub const CHAIN: &str = "
    A>B INVITE 1 INVITE i a:
    B>A 100 1 INVITE i a:
    B>A 180 1 INVITE i a:b
    B>A 200 1 INVITE i a:b
    A>B ACK 1 ACK k a:b
    A>B BYE 2 BYE y a:b
    B>A 200 2 BYE y a:b";

#[test]
fn a_call_between_two_hosts_has_one_order() {
    holds(CHAIN, &chain(7));
}

#[test]
fn a_call_on_one_host_has_one_order() {
    let text = CHAIN.replace("A>B", "A:1>A:2").replace("B>A", "A:2>A:1");
    holds(&text, &chain(7));
}

#[test]
fn a_call_with_a_host_that_answers_from_another_address_has_one_order() {
    holds(&CHAIN.replace("B>A", "C>A"), &chain(7));
}

#[test]
fn a_call_whose_sides_receive_at_another_port_than_they_send_from_has_one_order() {
    let text = CHAIN.replace("A>B", "A:40000>B").replace("B>A", "B:50000>A");
    holds(&text, &chain(7));
}

#[test]
fn hops_follow_one_another() {
    holds(
        "A>P INVITE 1 INVITE i a:
        P>A 100 1 INVITE i a:
        P>B INVITE 1 INVITE i2,i a:
        B>P 100 1 INVITE i2,i a:
        B>P 180 1 INVITE i2,i a:b
        P>A 180 1 INVITE i a:b
        B>P 200 1 INVITE i2,i a:b
        P>A 200 1 INVITE i a:b
        A>P ACK 1 ACK k a:b
        P>B ACK 1 ACK k2,k a:b
        A>P BYE 2 BYE y a:b
        P>B BYE 2 BYE y2,y a:b
        B>P 200 2 BYE y2,y a:b
        P>A 200 2 BYE y a:b",
        &[
            &[(0, 1), (0, 2), (2, 3), (3, 4), (1, 4), (4, 5), (5, 6), (6, 7), (7, 8), (8, 9)][..],
            &[(8, 10), (9, 11), (10, 11), (11, 12), (12, 13)],
        ]
        .concat(),
    );
}

#[test]
fn a_constant_branch_and_one_that_is_used_again_tell_hops_apart_by_their_depth() {
    holds(
        "A>P INVITE 1 INVITE i a:
        P>B INVITE 1 INVITE i2,i a:
        B>P 200 1 INVITE i2,i a:b
        P>A 200 1 INVITE i a:b
        A>P ACK 1 ACK k a:b
        P>B ACK 1 ACK z9hG4bKcydzigwkX,k a:b
        A>P INVITE 2 INVITE j a:b
        P>B INVITE 2 INVITE j2,j a:b
        B>P 200 2 INVITE j2,j a:b
        P>A 200 2 INVITE j a:b
        A>P ACK 2 ACK j a:b
        P>B ACK 2 ACK z9hG4bKcydzigwkX,j a:b
        A>P BYE 3 BYE 0 a:b
        P>B BYE 3 BYE 0,0 a:b
        B>P 200 3 BYE 0,0 a:b
        P>A 200 3 BYE 0 a:b",
        &[
            &chain(5)[..],
            &[(4, 5), (3, 6), (4, 6)],
            &[(6, 7), (7, 8), (8, 9), (9, 10), (10, 11)],
            &[(10, 12), (11, 13)],
            &chain(16)[12..],
        ]
        .concat(),
    );
}

#[test]
fn a_cancelled_call_ends_behind_its_cancel() {
    holds(
        "A>P INVITE 1 INVITE i a:
        P>B INVITE 1 INVITE i2,i a:
        B>P 180 1 INVITE i2,i a:b
        P>A 180 1 INVITE i a:b
        A>P CANCEL 1 CANCEL i a:
        P>A 200 1 CANCEL i a:p
        P>B CANCEL 1 CANCEL i2 a:
        B>P 200 1 CANCEL i2 a:b
        B>P 487 1 INVITE i2,i a:b
        P>B ACK 1 ACK i2 a:b
        P>A 487 1 INVITE i a:b
        A>P ACK 1 ACK i a:b",
        &[(0, 1), (1, 2), (2, 3), (0, 4), (4, 5), (4, 6), (6, 7), (6, 8), (8, 9), (8, 10), (10, 11)],
    );
}

#[test]
fn a_cancel_that_crosses_the_answer_or_another_provisional_reply_stays_where_it_was() {
    let crossed = "A>B INVITE 1 INVITE i a:
        B>A 100 1 INVITE i a:
        A>B CANCEL 1 CANCEL i a:
        B>A 180 1 INVITE i a:b
        B>A 487 1 INVITE i a:b
        B>A 200 1 CANCEL i a:b
        A>B ACK 1 ACK i a:b";
    holds(crossed, &[(0, 1), (1, 2), (2, 4), (2, 5), (3, 4), (4, 6)]);
    let answered = "A>B INVITE 1 INVITE i a:
        B>A 180 1 INVITE i a:b
        B>A 200 1 INVITE i a:b
        A>B CANCEL 1 CANCEL i a:
        B>A 481 1 CANCEL i a:
        A>B ACK 1 ACK k a:b";
    holds(answered, &[(0, 1), (1, 2), (0, 3), (3, 4), (2, 5)]);
    let refused = "A>B INVITE 1 INVITE i a:
        B>A 100 1 INVITE i a:
        B>A 486 1 INVITE i a:b
        A>B CANCEL 1 CANCEL i a:
        A>B ACK 1 ACK i a:b
        B>A 481 1 CANCEL i a:";
    holds(refused, &[(0, 1), (1, 2), (1, 3), (2, 4), (3, 5)]);
    let again = "A>B INVITE 1 INVITE i a:
        A>B CANCEL 1 CANCEL i a:
        B>A 487 1 INVITE i a:b
        A>B ACK 1 ACK i a:b
        A>B INVITE 2 INVITE j a:
        B>A 200 1 CANCEL i a:b";
    holds(again, &[(0, 1), (1, 2), (2, 3), (3, 4), (1, 5)]);
}

#[test]
fn a_challenged_invite_is_sent_again_behind_its_challenge() {
    holds(
        "A>P INVITE 1 INVITE i a:
        P>A 407 1 INVITE i a:p
        A>P ACK 1 ACK i a:p
        A>P INVITE 2 INVITE j a:
        P>A 100 2 INVITE j a:
        P>A 486 2 INVITE j a:b
        A>P ACK 2 ACK j a:b",
        &chain(7),
    );
}

#[test]
fn a_proxy_that_answers_a_challenge_by_itself_raises_cseq_and_nothing_else() {
    holds(
        "A>P INVITE 1 INVITE i a:
        P>A 100 1 INVITE i a:
        P>B INVITE 1 INVITE i2,i a:
        B>P 401 1 INVITE i2,i a:x
        P>B ACK 1 ACK i2 a:x
        P>B INVITE 2 INVITE i3,i a:
        B>P 180 2 INVITE i3,i a:b
        P>A 180 1 INVITE i a:b
        B>P 200 2 INVITE i3,i a:b
        P>A 200 1 INVITE i a:b
        A>P ACK 1 ACK k a:b
        P>B ACK 2 ACK k2,k a:b",
        &[(0, 1), (0, 2), (2, 3), (3, 4), (4, 5), (5, 6), (6, 8), (8, 11), (1, 7), (7, 9), (9, 10)],
    );
}

#[test]
fn legs_of_a_server_with_one_call_id_and_from_tag_keep_their_own_order() {
    let legs = "A>S INVITE 20 INVITE i a:
        S>A 100 20 INVITE i a:
        S>B INVITE 1 INVITE j a:
        B>S 180 1 INVITE j a:b
        S>A 180 20 INVITE i a:s
        B>S 200 1 INVITE j a:b
        S>B ACK 1 ACK k a:b
        S>A 200 20 INVITE i a:s
        A>S ACK 20 ACK l a:s";
    let pairs = [(0, 1), (1, 4), (4, 7), (7, 8), (2, 3), (3, 5), (5, 6)];
    holds(legs, &pairs);
    holds(&legs.replace('B', "A:2").replace("S>A ", "A:3>A ").replace("A>S", "A>A:3").replace('S', "A:3"), &pairs);
    // The caller's host is the callee's, and the server keeps CSeq and both tags.
    holds(&legs.replace('B', "A:2"), &pairs);
    let transparent = legs.replace(" 20 ", " 1 ").replace("a:s", "a:b");
    holds(&transparent, &pairs);
    holds(&[" i ", " j ", " k ", " l "].iter().fold(transparent, |legs, branch| legs.replace(branch, " - ")), &pairs);
}

#[test]
fn a_reliable_reply_comes_before_what_acknowledges_it() {
    holds(
        "A>P INVITE 1 INVITE i a:
        P>A 183 1 INVITE i a:b RSeq: 5
        A>P PRACK 2 PRACK p a:b RAck: 5 1 INVITE
        P>A 200 2 PRACK p a:b
        P>A 180 1 INVITE i a:b RSeq: 6
        A>P PRACK 3 PRACK q a:b RAck: 6 1 INVITE
        P>A 200 3 PRACK q a:b
        A>P UPDATE 4 UPDATE u a:b
        P>A 200 4 UPDATE u a:b
        P>A 200 1 INVITE i a:b
        A>P ACK 1 ACK k a:b",
        &[(0, 1), (1, 2), (2, 3), (1, 4), (4, 5), (2, 5), (5, 6), (5, 7), (7, 8), (4, 9), (9, 10)],
    );
}

#[test]
fn a_prack_that_goes_straight_to_the_callee_waits_for_the_reply_at_the_caller() {
    holds(
        "A:40000>P INVITE 1 INVITE i a:
        P>B INVITE 1 INVITE i2,i a:
        B>P 183 1 INVITE i2,i a:b RSeq: 1
        P>A 183 1 INVITE i a:b RSeq: 1
        B>P 180 1 INVITE i2,i a:b
        P>A 180 1 INVITE i a:b
        A:40000>B PRACK 2 PRACK p a:b RAck: 1 1 INVITE
        B>P 200 1 INVITE i2,i a:b
        P>A 200 1 INVITE i a:b
        B>A 200 2 PRACK p a:b",
        &[(0, 1), (1, 2), (2, 3), (3, 6), (6, 9), (4, 5), (7, 8)],
    );
}

#[test]
fn another_callee_is_tried_behind_what_is_certain_of_the_first() {
    let tried = "A>P INVITE 1 INVITE i a:
        P>A 100 1 INVITE i a:
        P>B INVITE 1 INVITE i2,i a:
        B>P 183 1 INVITE i2,i a:b RSeq: 1
        P>A 183 1 INVITE i a:b RSeq: 1
        A>P PRACK 2 PRACK p a:b RAck: 1 1 INVITE
        P>B PRACK 2 PRACK p2,p a:b RAck: 1 1 INVITE
        B>P 200 2 PRACK p2,p a:b
        P>A 200 2 PRACK p a:b
        B>P 486 1 INVITE i2,i a:b
        P>B ACK 1 ACK i2 a:b
        P>A 181 1 INVITE i a:
        P>C INVITE 1 INVITE i3,i a:
        C>P 200 1 INVITE i3,i a:c
        P>A 200 1 INVITE i a:c
        A>P ACK 1 ACK k a:c
        P>C ACK 1 ACK k2,k a:c";
    let of_first = [(0, 1), (0, 2), (2, 3), (3, 4), (4, 5), (5, 6), (6, 7), (7, 8), (9, 10), (1, 11)];
    let of_second = [(0, 12), (12, 13), (11, 13), (13, 14), (14, 15), (15, 16)];
    holds(tried, &[&of_first[..], &of_second, &[(4, 9)]].concat());
    // A refusal without a To tag.
    holds(&tried.replace("486 1 INVITE i2,i a:b", "486 1 INVITE i2,i a:"), &[&of_first[..], &of_second].concat());
}

#[test]
fn the_callee_ends_the_call_behind_all_acks() {
    holds(
        "A>B INVITE 1 INVITE i a:
        B>A 180 1 INVITE i a:b
        B>A 200 1 INVITE i a:b
        A>B ACK 1 ACK k a:b
        A>B INVITE 2 INVITE r a:b
        B>A 200 2 INVITE r a:b
        A>B ACK 2 ACK s a:b
        B>A BYE 1 BYE z b:a
        A>B 200 1 BYE z b:a",
        &chain(9),
    );
}

#[test]
fn a_bye_waits_for_the_answer_and_its_ack_at_each_hop() {
    holds(
        "A>P INVITE 1 INVITE i a:
        P>B INVITE 1 INVITE i2,i a:
        B>P 200 1 INVITE i2,i a:b
        P>A 200 1 INVITE i a:b
        A>B ACK 1 ACK k a:b
        A>B BYE 2 BYE y a:b
        B>A 200 2 BYE y a:b",
        &chain(7),
    );
    // No ACK was captured.
    holds(
        "A>B INVITE 1 INVITE i a:
        B>A 180 1 INVITE i a:b
        B>A 200 1 INVITE i a:b
        A>B BYE 2 BYE y a:b",
        &chain(4),
    );
}

#[test]
fn a_bye_can_come_before_the_answer() {
    holds(
        "A>B INVITE 1 INVITE i a:
        B>A 180 1 INVITE i a:b
        A>B BYE 2 BYE y a:b
        B>A 200 2 BYE y a:b
        B>A 487 1 INVITE i a:b
        A>B ACK 1 ACK i a:b",
        &[(0, 1), (1, 2), (2, 3), (1, 4), (4, 5)],
    );
}

#[test]
fn requests_of_the_callee_come_behind_what_opens_the_dialog() {
    let relayed = "A>P INVITE 9 INVITE i a:
        P>B INVITE 9 INVITE i2,i a:
        B>P 183 9 INVITE i2,i a:b
        B>P UPDATE 1 UPDATE u b:a
        P>A 183 9 INVITE i a:b
        P>A UPDATE 1 UPDATE u2,u b:a
        A>P 200 1 UPDATE u2,u b:a
        P>B 200 1 UPDATE u b:a
        B>P 200 9 INVITE i2,i a:b
        P>A 200 9 INVITE i a:b
        A>P ACK 9 ACK k a:b
        B>P INVITE 2 INVITE r b:a
        P>A INVITE 2 INVITE r2,r b:a
        A>P 200 2 INVITE r2,r b:a
        P>B 200 2 INVITE r b:a
        B>P ACK 2 ACK s b:a";
    holds(
        relayed,
        &[
            &[(0, 1), (1, 2), (2, 3), (2, 4), (4, 5), (3, 5), (5, 6), (6, 7), (2, 8), (8, 9), (9, 10)][..],
            &[(8, 11), (9, 12), (3, 11), (11, 12), (12, 13), (13, 14), (14, 15)],
        ]
        .concat(),
    );
    let ringing = "A>B INVITE 9 INVITE i a:
        B>A 180 9 INVITE i a:b
        B>A INFO 1 INFO n b:a
        A>B INFO 10 INFO m a:b
        B>A 183 9 INVITE i a:b
        B>A INFO 2 INFO o b:a
        B>A 200 9 INVITE i a:b";
    stays(ringing);
    let direct = "A>B INVITE 9 INVITE i a:
        B>A 200 9 INVITE i a:b
        B>A INFO 1 INFO n b:a
        A>B 200 1 INFO n b:a
        A>B ACK 9 ACK k a:b";
    holds(direct, &[(0, 1), (1, 2), (2, 3), (1, 4)]);
}

#[test]
fn an_answer_to_a_later_invite_holds_back_no_request_of_the_other_side() {
    holds(
        "B>A INVITE 1 INVITE r b:a
        A>B 200 1 INVITE r b:a
        B>A ACK 1 ACK s b:a
        A>B INVITE 2 INVITE j a:b
        B>A 200 2 INVITE j a:b
        A>B ACK 2 ACK k a:b
        B>A INFO 2 INFO n b:a",
        &[(0, 1), (1, 2), (3, 4), (4, 5), (0, 6)],
    );
}

#[test]
fn a_request_that_goes_straight_to_the_callee_comes_behind_the_invite_at_all_hops() {
    holds(
        "A>P INVITE 1 INVITE i a:
        P>B INVITE 1 INVITE i2,i a:
        B>P 200 1 INVITE i2,i a:b
        P>A 200 1 INVITE i a:b
        A>B INFO 2 INFO n a:b
        B>A 200 2 INFO n a:b",
        &chain(6),
    );
}

#[test]
fn requests_other_than_invite_can_overlap() {
    holds(
        "A>B INFO 3 INFO n a:b
        A>B INFO 4 INFO o a:b
        B>A 200 3 INFO n a:b
        B>A 200 4 INFO o a:b",
        &[(0, 1), (0, 2), (1, 3)],
    );
}

#[test]
fn a_registration_is_sent_again_behind_its_challenge() {
    holds(
        "A>P REGISTER 1 REGISTER r a:
        P>B REGISTER 1 REGISTER r2,r a:
        B>P 401 1 REGISTER r2,r a:x
        P>A 401 1 REGISTER r a:x
        A>P REGISTER 2 REGISTER s a:
        P>B REGISTER 2 REGISTER s2,s a:
        B>P 200 2 REGISTER s2,s a:y
        P>A 200 2 REGISTER s a:y",
        &chain(8),
    );
}

#[test]
fn messages_without_a_branch_are_told_apart_by_their_hosts() {
    holds(
        "A:40000>P INVITE 1 INVITE - a:
        P>A 180 1 INVITE - a:b
        P>A 486 1 INVITE - a:b
        A:40000>P ACK 1 ACK - a:b
        A:40000>P INVITE 2 INVITE - a:
        P>A 180 2 INVITE - a:c
        P>A 200 2 INVITE - a:c
        A:40000>P ACK 2 ACK - a:c",
        &chain(8),
    );
}

#[test]
fn an_ack_with_a_new_branch_stays_behind_nothing_but_an_answer() {
    holds(
        "A>B INVITE 1 INVITE i a:
        B>A 180 1 INVITE i a:b
        B>A 200 1 INVITE i a:b
        A>B ACK 1 ACK i a:b",
        &chain(4),
    );
}

#[test]
fn a_proxy_that_asks_two_callees_at_once_cancels_the_slower_one() {
    holds(
        "A>P INVITE 1 INVITE i a:
        P>A 100 1 INVITE i a:
        P>B INVITE 1 INVITE b1,i a:
        P>C INVITE 1 INVITE c1,i a:
        B>P 100 1 INVITE b1,i a:
        B>P 180 1 INVITE b1,i a:b
        P>A 180 1 INVITE i a:b
        C>P 180 1 INVITE c1,i a:c
        P>A 180 1 INVITE i a:c
        C>P 200 1 INVITE c1,i a:c
        P>A 200 1 INVITE i a:c
        P>B CANCEL 1 CANCEL b1 a:
        B>P 200 1 CANCEL b1 a:b
        A>P ACK 1 ACK k a:c
        B>P 487 1 INVITE b1,i a:b
        P>B ACK 1 ACK b1 a:b
        P>C ACK 1 ACK k2,k a:c",
        &[
            &[(0, 1), (0, 2), (0, 3), (2, 4), (4, 5), (5, 6), (1, 6), (3, 7), (7, 8), (8, 9), (6, 9), (9, 10)][..],
            &[(4, 11), (11, 12), (10, 13), (11, 14), (14, 15), (13, 16)],
        ]
        .concat(),
    );
}

#[test]
fn requests_of_both_sides_that_cross_stay_as_they_were() {
    holds(
        "A>B INVITE 1 INVITE i a:
        B>A 180 1 INVITE i a:b
        A>B CANCEL 1 CANCEL i a:
        B>A 200 1 INVITE i a:b
        A>B ACK 1 ACK k a:b
        B>A 200 1 CANCEL i a:b
        A>B INVITE 2 INVITE r a:b
        B>A INVITE 1 INVITE s b:a
        B>A 491 2 INVITE r a:b
        A>B 491 1 INVITE s b:a
        B>A ACK 1 ACK s b:a
        A>B ACK 2 ACK r a:b
        A>B INVITE 3 INVITE t a:b
        B>A 200 3 INVITE t a:b
        A>B ACK 3 ACK u a:b
        A>B REFER 4 REFER v a:b
        B>A NOTIFY 2 NOTIFY n b:a
        B>A 202 4 REFER v a:b
        A>B 200 2 NOTIFY n b:a
        B>A BYE 3 BYE y b:a
        A>B BYE 5 BYE z a:b
        A>B 200 3 BYE y b:a
        B>A 200 5 BYE z a:b",
        &[
            &[
                (0, 1),
                (1, 3),
                (0, 2),
                (2, 5),
                (3, 4),
                (3, 6),
                (3, 7),
                (6, 8),
                (8, 11),
                (7, 9),
                (9, 10),
                (11, 12),
                (12, 13),
            ][..],
            &[(13, 14), (12, 15), (15, 17), (7, 16), (16, 18), (14, 19), (14, 20), (16, 19), (19, 21), (20, 22)],
        ]
        .concat(),
    );
}

#[test]
fn a_redirected_call_goes_on_behind_the_redirection() {
    holds(
        "A>P INVITE 1 INVITE i a:
        P>B INVITE 1 INVITE i2,i a:
        B>P 302 1 INVITE i2,i a:b
        P>B ACK 1 ACK i2 a:b
        P>C INVITE 1 INVITE i3,i a:
        P>A 100 1 INVITE i a:
        C>P 200 1 INVITE i3,i a:c
        P>A 200 1 INVITE i a:c
        A>C ACK 1 ACK k a:c
        C>A BYE 1 BYE y c:a
        A>C 200 1 BYE y c:a",
        &[(0, 1), (1, 2), (2, 3), (0, 4), (4, 6), (5, 6), (6, 7), (7, 8), (8, 9), (9, 10)],
    );
}

#[test]
fn what_is_sent_again_stays_where_it_was() {
    stays(
        "A>B INVITE 1 INVITE i a:
        A>B INVITE 1 INVITE i a: X: again
        B>A 180 1 INVITE i a:b
        A>B INVITE 1 INVITE i a: X: again
        B>A 180 1 INVITE i a:b X: again
        B>A 200 1 INVITE i a:b
        B>A 200 1 INVITE i a:b X: again
        A>B ACK 1 ACK k a:b
        B>A 200 1 INVITE i a:b X: again
        A>B ACK 1 ACK k a:b X: again
        A>B BYE 2 BYE y a:b
        A>B BYE 2 BYE y a:b X: again
        B>A 200 2 BYE y a:b",
    );
}
