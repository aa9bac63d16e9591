//! What must have come first of two messages of a call that have the same time.

use std::collections::{HashMap, HashSet};

use sipcapture_core::sip;

use crate::message::Message;

/// The family of INVITE, ACK, CANCEL and PRACK.
const INVITE: &str = "INVITE";

/// Where in its transaction a message stands, in the order in which these follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Request,
    Trying,
    Provisional,
    Prack,
    PrackReply,
    Cancel,
    CancelReply,
    Final,
    Ack,
}

/// A message with what the rules look at.
#[derive(Debug)]
pub struct Step<'a> {
    message: &'a Message,
    /// Number of CSeq.
    number: u32,
    /// The same; of a PRACK and its replies, that of the INVITE.
    owner: u32,
    /// Method of the transaction. ACK, CANCEL and PRACK belong to the INVITE's.
    family: &'a str,
    phase: Phase,
    /// Branches of the Vias, the topmost first: this hop, and those before it, nearer to who sent the request.
    hops: Vec<String>,
    /// Whether it is an ACK with the branch of an INVITE, as those of replies other than 2xx have.
    is_ack_of_hop: bool,
    /// RSeq of a provisional reply; of a PRACK and its replies, the one that RAck names.
    rseq: Option<u32>,
}

impl<'a> Step<'a> {
    /// The messages of one call.
    pub fn of_call(messages: impl Iterator<Item = &'a Message>) -> Vec<Step<'a>> {
        let mut steps: Vec<Step<'a>> = messages.map(Step::of).collect();
        share_hops(&mut steps);
        share_owners(&mut steps);
        let of_invite = |step: &&Step<'_>| step.family == INVITE && step.phase != Phase::Ack;
        let branches: HashSet<(u32, String)> =
            steps.iter().filter(of_invite).map(|step| (step.owner, step.branch().to_owned())).collect();
        for step in steps.iter_mut().filter(|step| step.phase == Phase::Ack) {
            step.is_ack_of_hop = branches.contains(&(step.owner, step.branch().to_owned()));
        }
        steps
    }

    fn of(message: &'a Message) -> Step<'a> {
        let (number, method) = message.cseq_parts();
        let method = message.request().unwrap_or(method);
        let phase = match (method, message.status()) {
            ("ACK", _) => Phase::Ack,
            ("CANCEL", None) => Phase::Cancel,
            ("CANCEL", Some(_)) => Phase::CancelReply,
            (_, None) => Phase::Request,
            (_, Some(100)) => Phase::Trying,
            (_, Some(status)) if status < 200 => Phase::Provisional,
            (_, Some(_)) => Phase::Final,
        };
        let branches = sip::via_branches(&message.payload);
        let mut hops: Vec<String> = branches.map(|branch| String::from_utf8_lossy(branch).into_owned()).collect();
        if hops.is_empty() {
            hops.push(message.via_branch.clone());
        }
        let words = |name: &[u8]| {
            let value = String::from_utf8_lossy(sip::header(&message.payload, name).unwrap_or_default()).into_owned();
            let mut numbers = value.split_ascii_whitespace().map(|word| word.parse().ok());
            (numbers.next().flatten(), numbers.next().flatten())
        };
        let (rseq, acknowledged) = match (method, phase) {
            ("PRACK", Phase::Request) => words(b"RAck"),
            (_, Phase::Provisional) => (words(b"RSeq").0, None),
            _ => (None, None),
        };
        let number = number.unwrap_or(0);
        let family = if matches!(method, "ACK" | "CANCEL") || acknowledged.is_some() { INVITE } else { method };
        let phase = if acknowledged.is_some() { Phase::Prack } else { phase };
        let owner = acknowledged.unwrap_or(number);
        Step { message, number, owner, family, phase, hops, is_ack_of_hop: false, rseq }
    }

    fn branch(&self) -> &str {
        self.hops.first().map_or("", String::as_str)
    }

    /// Whether `other` is of a hop before this one.
    fn came_through(&self, other: &Step<'_>) -> bool {
        let branch = other.branch();
        !branch.is_empty() && self.hops.iter().skip(1).any(|before| before == branch)
    }

    fn is_reply(&self) -> bool {
        self.message.request().is_none()
    }

    /// Whether it must have come before `other`.
    ///
    /// Whatever the messages are, none of them waits for itself in a circle: each rule holds only from a lower measure to a higher one.
    pub fn precedes(&self, other: &Step<'_>) -> bool {
        if self.measure() >= other.measure() {
            return false;
        }
        if other.is_bye() && !self.is_bye() && self.family == INVITE && self.shares_dialog(other) {
            return true;
        }
        if self.message.from.tag != other.message.from.tag {
            return false;
        }
        if self.family == other.family {
            // Whoever sends a request again, after a challenge or in a dialog, has the final reply to the one before.
            return self.owner < other.owner || self.precedes_in_transaction(other);
        }
        let is_request = |step: &Step<'_>| matches!(step.phase, Phase::Request | Phase::Prack);
        let same_way =
            self.message.source == other.message.source && self.message.destination == other.message.destination;
        is_request(self) && is_request(other) && self.number < other.number && same_way
    }

    /// What grows from the first message of a call to its last; of requests with the hops, of replies against them.
    fn measure(&self) -> (bool, u32, Phase, u32, isize) {
        let depth = isize::try_from(self.hops.len()).unwrap_or(isize::MAX);
        (self.is_bye(), self.owner, self.phase, self.number, if self.is_reply() { -depth } else { depth })
    }

    /// The same of two messages of one transaction, whichever hops they are of.
    fn precedes_in_transaction(&self, other: &Step<'_>) -> bool {
        if self.branch() == other.branch() && !self.branch().is_empty() {
            return self.phase < other.phase;
        }
        if self.phase == other.phase {
            return self.number < other.number || self.is_nearer_to_sender(other);
        }
        if self.is_provisional() && other.is_reply() && other.came_through(self) && self.shares_dialog(other) {
            return true;
        }
        let is_success = self.phase == Phase::Final && self.message.status().is_some_and(|status| status < 300);
        if other.phase == Phase::Ack && is_success && self.shares_dialog(other) {
            return true;
        }
        (self.has_branch_of_its_own() || other.has_branch_of_its_own())
            && self.is_between_same_hosts(other)
            && self.precedes_by_rseq(other)
    }

    /// Whether it is the same request one or more hops before, or the same reply one or more hops further from whom it goes to. A 100 is made anew
    /// by each hop.
    fn is_nearer_to_sender(&self, other: &Step<'_>) -> bool {
        match self.is_reply() {
            // Each hop acknowledges by itself what is no 2xx.
            false => !self.is_ack_of_hop && other.came_through(self),
            true => {
                self.phase != Phase::Trying
                    && self.message.status() == other.message.status()
                    && self.shares_dialog(other)
                    && self.came_through(other)
            }
        }
    }

    /// Whether its branch does not tell which hop of the transaction it belongs to: so it is with PRACK, with the ACK of a 2xx, and without one.
    fn has_branch_of_its_own(&self) -> bool {
        match self.phase {
            Phase::Prack | Phase::PrackReply => true,
            Phase::Ack => !self.is_ack_of_hop,
            _ => self.branch().is_empty(),
        }
    }

    /// Of a PRACK, whether what comes before it can be what it acknowledges, and what comes behind it, its reply.
    fn precedes_by_rseq(&self, other: &Step<'_>) -> bool {
        match (self.phase, other.phase) {
            (Phase::Provisional, Phase::Prack | Phase::PrackReply) => {
                self.rseq.is_none_or(|rseq| other.rseq.is_some_and(|last| rseq <= last))
            }
            (Phase::Prack, Phase::PrackReply) => self.number == other.number,
            _ => true,
        }
    }

    fn is_between_same_hosts(&self, other: &Step<'_>) -> bool {
        let (from, to) = (&self.message.source, &self.message.destination);
        let (other_from, other_to) = (&other.message.source, &other.message.destination);
        (from, to) == (other_from, other_to) || (from, to) == (other_to, other_from)
    }

    /// Whether it is a provisional reply, which a hop has handed on, or in case of 100 made, before a later reply comes from behind it.
    fn is_provisional(&self) -> bool {
        matches!(self.phase, Phase::Trying | Phase::Provisional)
    }

    fn is_bye(&self) -> bool {
        self.family == "BYE"
    }

    /// Whether both can be of one dialog: a tag that is missing can be any.
    fn shares_dialog(&self, other: &Step<'_>) -> bool {
        let may_be = |one: &str, other: &str| one.is_empty() || other.is_empty() || one == other;
        let (from, to) = (&self.message.from.tag, &self.message.to.tag);
        let (other_from, other_to) = (&other.message.from.tag, &other.message.to.tag);
        (from == other_from && may_be(to, other_to)) || (from == other_to && may_be(to, other_from))
    }
}

/// Gives each step all hops that any message with its branch tells of: a CANCEL has its own Via alone.
fn share_hops(steps: &mut [Step<'_>]) {
    let mut longest: HashMap<String, Vec<String>> = HashMap::new();
    for step in steps.iter() {
        let known = longest.entry(step.branch().to_owned()).or_default();
        // Of two that are equally long, always the same one.
        if (step.hops.len(), &step.hops) > (known.len(), known) {
            known.clone_from(&step.hops);
        }
    }
    for step in steps.iter_mut().filter(|step| !step.branch().is_empty()) {
        step.hops.clone_from(&longest[step.branch()]);
    }
}

/// Puts the replies to a PRACK, which have no RAck, into the transaction of the INVITE, beside the PRACK.
fn share_owners(steps: &mut [Step<'_>]) {
    let pracks = steps.iter().filter(|step| step.phase == Phase::Prack);
    let known: HashMap<(&str, u32), (u32, Option<u32>)> =
        pracks.map(|step| ((step.message.from.tag.as_str(), step.number), (step.owner, step.rseq))).collect();
    for step in steps.iter_mut().filter(|step| step.family == "PRACK") {
        if let Some((owner, rseq)) = known.get(&(step.message.from.tag.as_str(), step.number)) {
            (step.owner, step.rseq, step.family, step.phase) = (*owner, *rseq, INVITE, Phase::PrackReply);
        }
    }
}
