//! A message of a call with what [`rules`](super::rules) look at.

use super::history::{Fact, History, HostKey, INVITE, hosts, number};
use crate::message::Message;
use sipcapture_core::sip;
use std::collections::HashMap;

/// What a message is in its transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Phase {
    /// Neither ACK nor CANCEL.
    Request,
    /// A 100.
    Trying,
    /// 101 to 199.
    Provisional,
    Success,
    /// A final reply other than 2xx.
    Failure,
    Ack,
    Cancel,
    CancelReply,
}

/// Whether a message is one that was there before: a retransmission, or what a second agent saw of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Copied {
    /// It is the first.
    No,
    /// The first has this place in the order of storing.
    Behind(usize),
    /// The first has an earlier time.
    Earlier,
}

/// A message with what the rules look at.
#[derive(Debug)]
pub(super) struct Step<'a> {
    pub(super) message: &'a Message,
    /// Place in the order of storing.
    pub(super) index: usize,
    pub(super) number: u32,
    /// Method of the transaction. ACK and CANCEL belong to the INVITE's.
    pub(super) family: &'a str,
    pub(super) phase: Phase,
    /// Branches of the Vias, the topmost first: this hop, and those before it, nearer to who sent the request.
    pub(super) branches: Vec<String>,
    /// The messages of one transaction at one hop have the same number here.
    pub(super) hop: usize,
    pub(super) copy: Copied,
    /// Whether it is the ACK of a 2xx, which goes from end to end. That of another final reply is each hop's own.
    pub(super) is_ack_of_answer: bool,
    /// RSeq of a provisional reply; of a PRACK, the one that RAck names.
    pub(super) rseq: Option<u32>,
    /// Of a PRACK, the number of the INVITE that RAck names.
    pub(super) acknowledged: Option<u32>,
    /// Whether it is the answer to an INVITE that opens a dialog.
    pub(super) opens_dialog: bool,
}

impl<'a> Step<'a> {
    /// The messages of one call as they were stored.
    pub(super) fn of_call(messages: impl Iterator<Item = &'a Message>, history: &History) -> Vec<Step<'a>> {
        let mut steps: Vec<Step<'a>> = messages.enumerate().map(|(index, message)| Step::of(index, message)).collect();
        lengthen_branches(&mut steps);
        number_hops(&mut steps);
        mark_copies(&mut steps, history);
        for step in &mut steps {
            step.is_ack_of_answer = step.phase == Phase::Ack && history.has(Fact::Answered, step.message);
            step.opens_dialog =
                step.phase == Phase::Success && step.family == INVITE && history.has(Fact::Opens, step.message);
        }
        steps
    }

    fn of(index: usize, message: &'a Message) -> Step<'a> {
        let method = message.request().unwrap_or_else(|| message.cseq_parts().1);
        let phase = match (method, message.status()) {
            ("ACK", _) => Phase::Ack,
            ("CANCEL", None) => Phase::Cancel,
            ("CANCEL", Some(_)) => Phase::CancelReply,
            (_, None) => Phase::Request,
            (_, Some(100)) => Phase::Trying,
            (_, Some(..200)) => Phase::Provisional,
            (_, Some(..300)) => Phase::Success,
            (_, Some(_)) => Phase::Failure,
        };
        let branches = sip::via_branches(&message.payload);
        let mut branches: Vec<String> = branches.map(|branch| String::from_utf8_lossy(branch).into_owned()).collect();
        if branches.is_empty() {
            branches.push(message.via_branch.clone());
        }
        let (rseq, acknowledged) = match (method, phase) {
            ("PRACK", Phase::Request) => numbers(message, b"RAck"),
            (_, Phase::Provisional) => (numbers(message, b"RSeq").0, None),
            _ => (None, None),
        };
        Step {
            message,
            index,
            number: number(message),
            family: if matches!(method, "ACK" | "CANCEL") { INVITE } else { method },
            phase,
            branches,
            hop: 0,
            copy: Copied::No,
            is_ack_of_answer: false,
            rseq,
            acknowledged,
            opens_dialog: false,
        }
    }

    /// Branch of the topmost Via, empty for none.
    pub(super) fn branch(&self) -> &str {
        self.branches.first().map_or("", String::as_str)
    }

    pub(super) fn is_reply(&self) -> bool {
        self.message.request().is_none()
    }

    /// The host that sent it, and the one that received it.
    pub(super) fn hosts(&self) -> [HostKey<'a>; 2] {
        hosts(self.message)
    }

    /// The host that sent the request, and the one that received it; also of a reply.
    pub(super) fn way(&self) -> [HostKey<'a>; 2] {
        let [source, destination] = self.hosts();
        if self.is_reply() { [destination, source] } else { [source, destination] }
    }
}

/// The first two numbers in a header of `message`.
fn numbers(message: &Message, header: &[u8]) -> (Option<u32>, Option<u32>) {
    let value = String::from_utf8_lossy(sip::header(&message.payload, header).unwrap_or_default()).into_owned();
    let mut numbers = value.split_ascii_whitespace().map(|word| word.parse().ok());
    (numbers.next().flatten(), numbers.next().flatten())
}

/// Gives a CANCEL, its replies, and an ACK with one Via all branches of the INVITE that went the same way with the
/// same topmost one.
fn lengthen_branches(steps: &mut [Step<'_>]) {
    let key = |step: &Step<'_>| (step.message.from.tag.clone(), step.number, step.branch().to_owned());
    let mut invites = HashMap::new();
    for step in steps.iter().filter(|step| step.family == INVITE && step.phase == Phase::Request) {
        invites.entry((key(step), step.way())).or_insert_with(|| step.branches.clone());
    }
    for step in steps {
        let is_of_hop = matches!(step.phase, Phase::Cancel | Phase::CancelReply | Phase::Ack);
        if is_of_hop
            && step.branches.len() == 1
            && let Some(branches) = invites.get(&(key(step), step.way()))
        {
            step.branches.clone_from(branches);
        }
    }
}

/// Numbers transactions at hops: by all branches, so that a branch that the next hop uses again is another one. Where
/// the topmost Via has no branch, the hosts decide.
fn number_hops(steps: &mut [Step<'_>]) {
    let mut hops = HashMap::new();
    for step in steps {
        let way = step.branch().is_empty().then(|| step.way());
        let key = (step.message.from.tag.as_str(), step.number, step.family, step.branches.clone(), way);
        let next = hops.len();
        step.hop = *hops.entry(key).or_insert(next);
    }
}

fn mark_copies(steps: &mut [Step<'_>], history: &History) {
    let mut first = HashMap::new();
    for step in steps {
        let message = step.message;
        let content = (step.hop, step.phase, &message.method, &message.to.tag, step.rseq);
        let at = *first.entry((content, &message.source, &message.destination)).or_insert(step.index);
        step.copy = match at == step.index {
            false => Copied::Behind(at),
            true if history.has(Fact::Sent, message) => Copied::Earlier,
            true => Copied::No,
        };
    }
}
