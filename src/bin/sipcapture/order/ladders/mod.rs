//! Calls whose messages all have one time. Stored in the order in which they happened, they keep it. Stored in any
//! other order, the pairs whose order is certain come right.
//!
//! A line of a ladder has: from whom to whom (hosts are A, B, C, the proxy P, the server S; a port may follow), method
//! or status, CSeq, branches of the Vias with the topmost first (`-` for a Via without one), From tag and To tag, and a
//! header. Pairs are numbers of lines, from 0.

mod dialogs;
mod hops;
mod transactions;

use super::sort;
use crate::message::Message;
use crate::message::tests::{reply, request};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

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

/// Asserts that the ladder stays as it is when it was stored so, whichever of its messages are missing, and that it
/// keeps each of `pairs` in whatever order it was stored.
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
    B>A BYE 1 BYE y b:a
    A>B 200 1 BYE y b:a";
