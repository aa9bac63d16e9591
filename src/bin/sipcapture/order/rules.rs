//! What must have come first of two messages of a call that have the same time.
//!
//! Each rule is a cause and its effect by RFC 3261 and RFC 3262. Pairs of which the messages tell nothing stay as they
//! were stored, so that a call that was stored as it happened is not changed, whatever its hosts do.

use super::history::INVITE;
use super::step::{Copied, Phase, Step};

impl Step<'_> {
    /// Whether it must have come before `other`.
    pub(super) fn precedes(&self, other: &Step<'_>) -> bool {
        match (self.copy, other.copy) {
            // What is sent again can come at any time.
            (_, Copied::Behind(first)) => first == self.index,
            (_, Copied::Earlier) | (Copied::Behind(_) | Copied::Earlier, _) => false,
            (Copied::No, Copied::No) => {
                self.precedes_at_hop(other)
                    || self.precedes_along_hops(other)
                    || self.precedes_next_request(other)
                    || self.is_acknowledged_by(other)
                    || self.precedes_in_dialog(other)
            }
        }
    }

    /// The rule for two messages of one transaction at one hop.
    fn precedes_at_hop(&self, other: &Step<'_>) -> bool {
        use Phase::{Ack, Cancel, CancelReply, Failure, Provisional, Request, Success, Trying};
        self.hop == other.hop
            && match (self.phase, other.phase) {
                (Request, Trying | Provisional | Success | Failure | Ack | Cancel | CancelReply)
                // Other provisional replies may cross a CANCEL.
                | (Trying, Provisional | Success | Failure | Cancel)
                | (Provisional, Success | Failure)
                | (Cancel, CancelReply)
                | (Failure, Ack) => true,
                // It may cross any other final reply.
                (Cancel, Failure) => other.message.status() == Some(487),
                (Provisional, Provisional) => {
                    self.message.to.tag == other.message.to.tag
                        && self.rseq.zip(other.rseq).is_some_and(|(one, next)| one < next)
                }
                _ => false,
            }
    }

    /// The rule for two messages of one transaction at several hops: a request goes on from hop to hop, and a reply
    /// comes back.
    fn precedes_along_hops(&self, other: &Step<'_>) -> bool {
        use Phase::{Ack, Failure, Provisional, Request, Success, Trying};
        let is_one_transaction = self.message.from.tag == other.message.from.tag
            && (self.number, self.family) == (other.number, other.family);
        is_one_transaction
            && match (self.phase, other.phase) {
                // A CANCEL is each hop's own: a proxy sends one by itself, too.
                (Request, Request | Trying | Provisional | Success | Failure) => other.came_through(self),
                (Ack, Ack) => self.is_ack_of_answer && other.is_ack_of_answer && other.came_through(self),
                // A 100 and the reply to a CANCEL are each hop's own too. Of different replies, a hop can receive the
                // next before it passes the first on.
                (Provisional, Provisional) | (Success, Success) | (Failure, Failure) => {
                    self.message.status() == other.message.status()
                        && self.message.to.tag == other.message.to.tag
                        && self.came_through(other)
                }
                _ => false,
            }
    }

    /// Whether `other` is of a hop before this one.
    fn came_through(&self, other: &Step<'_>) -> bool {
        !other.branch().is_empty()
            && self.branches.len() > other.branches.len()
            && self.branches.ends_with(&other.branches)
    }

    /// The rule for a request with a higher CSeq that went the same way: its sender has sent the first one before and,
    /// for INVITE and REGISTER, has received its replies; within a dialog, those of the same dialog, since other
    /// callees may answer later.
    fn precedes_next_request(&self, other: &Step<'_>) -> bool {
        let is_ended = match self.phase {
            Phase::Request => true,
            Phase::Cancel | Phase::CancelReply => false,
            _ => {
                let to_tag = &other.message.to.tag;
                self.family == other.family
                    && matches!(other.family, INVITE | "REGISTER")
                    && (to_tag.is_empty() || self.message.to.tag == *to_tag)
            }
        };
        is_ended
            && other.phase == Phase::Request
            && self.number < other.number
            && self.message.from.tag == other.message.from.tag
            && self.way() == other.way()
    }

    /// The rule for an ACK or a PRACK outside the transaction and the reply that its sender has received.
    fn is_acknowledged_by(&self, other: &Step<'_>) -> bool {
        let is_of_it = match (self.phase, other.phase) {
            (Phase::Success, Phase::Ack) => {
                self.family == INVITE && self.number == other.number && other.is_ack_of_answer
            }
            (Phase::Provisional, Phase::Request) => {
                self.rseq.is_some() && self.rseq == other.rseq && other.acknowledged == Some(self.number)
            }
            _ => false,
        };
        is_of_it && self.has_direction_of(other) && self.hosts()[1] == other.hosts()[0]
    }

    /// The rule for an answer or its ACK and the requests within the dialog, of either side. Most requests can be sent
    /// while the call rings, so that they may cross the answer; and a provisional reply that opened the dialog may not
    /// have been captured.
    fn precedes_in_dialog(&self, other: &Step<'_>) -> bool {
        let is_request = other.phase == Phase::Request && !other.message.to.tag.is_empty();
        if !is_request || self.family != INVITE {
            return false;
        }
        let (is_sent, is_received) = self.is_at_sender_of(other);
        match (self.phase, other.family) {
            // The callee ends the call behind its answer and the ACK of it. The caller may end one that rings.
            (Phase::Ack, "BYE") => self.is_ack_of_answer && is_received,
            (Phase::Success, "BYE") => self.opens_dialog && is_sent,
            // Neither side sends another before the answer to the first.
            (Phase::Success, INVITE) => self.opens_dialog && (is_sent || is_received),
            _ => false,
        }
    }

    /// Whether whoever sends `other` has sent this message of the same dialog before, and whether they have received
    /// it: by tags and hosts.
    fn is_at_sender_of(&self, other: &Step<'_>) -> (bool, bool) {
        let (is_of_same_side, is_of_other_side) = (self.has_direction_of(other), self.has_direction_against(other));
        let (sends, receives) = match self.is_reply() {
            true => (is_of_other_side, is_of_same_side),
            false => (is_of_same_side, is_of_other_side),
        };
        let ([source, destination], [sender, _]) = (self.hosts(), other.hosts());
        (sends && source == sender, receives && destination == sender)
    }

    /// Whether both are of one dialog, and of requests that the same side sent.
    fn has_direction_of(&self, other: &Step<'_>) -> bool {
        let (one, other) = (self.message, other.message);
        (&one.from.tag, &one.to.tag) == (&other.from.tag, &other.to.tag)
    }

    /// Whether both are of one dialog, and of requests that different sides sent.
    fn has_direction_against(&self, other: &Step<'_>) -> bool {
        let (one, other) = (self.message, other.message);
        (&one.from.tag, &one.to.tag) == (&other.to.tag, &other.from.tag)
    }
}
