//! The order of messages, for every subcommand: by time; with the same microsecond, as their transactions demand;
//! then as they were stored.
//!
//! Agents whose clocks count milliseconds or seconds give one time to many messages, and several workers store them in
//! any order. The [`rules`] tell of some pairs which message came first. They say nothing of many others, so that a
//! plain sort cannot use them: [`sort`] takes, again and again, the message that was stored first among those that no
//! other remaining message must precede. If each of them waits for another, which no real call causes, it takes the one
//! that was stored first. The result depends on the messages alone, not on the order of the input.

mod history;
#[cfg(test)]
mod ladders;
mod rules;
mod step;
#[cfg(test)]
mod tests;

use self::history::History;
use self::step::Step;
use crate::message::Message;
use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

/// Most messages of one call with one time that are looked at pair by pair; more stay as they were stored.
const LARGEST_GROUP: usize = 4_000;

/// Sorts `messages`. Those of a call with the same time need their payload: RAck and all Vias but the first stand
/// nowhere else.
pub fn sort(messages: &mut [Message]) {
    messages.sort_by(as_stored);
    let mut history = History::default();
    for group in messages.chunk_by_mut(|one, other| one.micro_ts == other.micro_ts) {
        history.begin(group);
        if group.len() > 1 {
            let order = order_of_group(group, &history);
            let sorted: Vec<Message> = order.into_iter().map(|index| std::mem::take(&mut group[index])).collect();
            group.iter_mut().zip(sorted).for_each(|(place, message)| *place = message);
        }
        history.end(group);
    }
}

/// The calls and times of messages that [`sort`] looks at pair by pair.
pub fn equal_times(messages: &[Message]) -> BTreeSet<(String, i64)> {
    let mut counts: BTreeMap<(&str, i64), usize> = BTreeMap::new();
    for message in messages {
        *counts.entry((&message.call_id, message.micro_ts)).or_default() += 1;
    }
    let several = counts.into_iter().filter(|(_, count)| (2..=LARGEST_GROUP).contains(count));
    several.map(|((call_id, time), _)| (call_id.to_owned(), time)).collect()
}

/// By time, then as stored: by the number of the row. Rows without one come in an order that is the same each time.
fn as_stored(one: &Message, other: &Message) -> Ordering {
    (one.micro_ts, one.id).cmp(&(other.micro_ts, other.id)).then_with(|| content(one).cmp(&content(other)))
}

/// All that tells two rows with one number apart: rows of several tables, or of one without numbers.
fn content(message: &Message) -> impl Ord {
    let texts = [&message.table, &message.call_id, &message.cseq, &message.method, &message.reason];
    let more = [&message.via_branch, &message.from.tag, &message.to.tag];
    (texts, more, &message.source, &message.destination, &message.payload)
}

/// The order of messages with one time, which come as they were stored. Calls are independent: of the next messages of
/// all calls, the one that was stored first is taken.
fn order_of_group(group: &[Message], history: &History) -> Vec<usize> {
    let mut calls: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, message) in group.iter().enumerate() {
        calls.entry(&message.call_id).or_default().push(index);
    }
    let mut calls: Vec<_> = calls.into_values().map(|call| order_of_call(group, call, history).into_iter()).collect();
    let first = calls.iter_mut().enumerate().filter_map(|(call, order)| Some(Reverse((order.next()?, call))));
    let mut heads: BinaryHeap<_> = first.collect();
    let mut order = Vec::with_capacity(group.len());
    while let Some(Reverse((index, call))) = heads.pop() {
        order.push(index);
        heads.extend(calls[call].next().map(|index| Reverse((index, call))));
    }
    order
}

/// The order of the messages of one call in a group; `call` has their indexes as they were stored.
fn order_of_call(group: &[Message], call: Vec<usize>, history: &History) -> Vec<usize> {
    if call.len() == 1 || call.len() > LARGEST_GROUP {
        return call;
    }
    let steps = Step::of_call(call.iter().map(|&index| &group[index]), history);
    let waits_for = |step: &Step<'_>| steps.iter().filter(|other| other.precedes(step)).count();
    let mut waiting: Vec<usize> = steps.iter().map(waits_for).collect();
    let mut ready: BinaryHeap<_> = (0..steps.len()).filter(|&index| waiting[index] == 0).map(Reverse).collect();
    let mut is_taken = vec![false; steps.len()];
    let mut stored = 0..steps.len();
    let mut order = Vec::with_capacity(call.len());
    while let Some(next) = ready.pop().map(|Reverse(next)| next).or_else(|| stored.find(|&index| !is_taken[index])) {
        is_taken[next] = true;
        order.push(call[next]);
        for (index, _) in steps.iter().enumerate().filter(|(_, step)| steps[next].precedes(step)) {
            waiting[index] -= 1;
            if waiting[index] == 0 && !is_taken[index] {
                ready.push(Reverse(index));
            }
        }
    }
    order
}
