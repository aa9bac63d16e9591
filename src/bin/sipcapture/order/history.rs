//! What the columns of other messages of a call tell about a message, also those of other times.

use crate::message::Message;
use std::collections::HashSet;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash};

/// The family of INVITE, ACK and CANCEL.
pub(super) const INVITE: &str = "INVITE";

/// What one message tells of others.
#[derive(Clone, Copy, Debug, Hash)]
pub(super) enum Fact {
    /// The INVITE with this From tag and CSeq opens dialogs: it has no To tag.
    Opens,
    /// The INVITE with this CSeq got a 2xx in this dialog.
    Answered,
    /// This message was sent.
    Sent,
}

/// Facts, as hashes of what they are about. When two have the same hash, messages only stay as they were stored.
#[derive(Debug, Default)]
pub(super) struct History(HashSet<u64>);

impl History {
    /// What a group of messages with one time tells of the group itself.
    pub(super) fn begin(&mut self, group: &[Message]) {
        self.note(group, |message| message.request() == Some(INVITE) && message.to.tag.is_empty(), Fact::Opens);
        self.note(group, is_answer, Fact::Answered);
    }

    /// What it tells of later ones.
    pub(super) fn end(&mut self, group: &[Message]) {
        // Several reliable replies look alike.
        self.note(group, |message| message.status().is_none_or(|status| !(101..200).contains(&status)), Fact::Sent);
    }

    fn note(&mut self, group: &[Message], is_one: impl Fn(&Message) -> bool, fact: Fact) {
        self.0.extend(group.iter().filter(|message| is_one(message)).map(|message| key(fact, message)));
    }

    /// Whether `fact` is known of what `message` is about.
    pub(super) fn has(&self, fact: Fact, message: &Message) -> bool {
        self.0.contains(&key(fact, message))
    }
}

/// An IP address: some agents receive at another port than they send from. With the port where both sides have one
/// address, else 0.
pub(super) type HostKey<'a> = (&'a str, u16);

/// The host that sent a message, and the one that received it.
pub(super) fn hosts(message: &Message) -> [HostKey<'_>; 2] {
    let has_one_address = message.source.ip == message.destination.ip;
    [&message.source, &message.destination].map(|end| (end.ip.as_str(), if has_one_address { end.port } else { 0 }))
}

/// Number of CSeq, 0 for none.
pub(super) fn number(message: &Message) -> u32 {
    message.cseq_parts().0.unwrap_or(0)
}

/// Whether it is a 2xx to an INVITE.
fn is_answer(message: &Message) -> bool {
    message.cseq_parts().1 == INVITE && message.status().is_some_and(|status| (200..300).contains(&status))
}

fn key(fact: Fact, message: &Message) -> u64 {
    let (from, to) = (&message.from.tag, &message.to.tag);
    let dialog = (fact, &message.call_id, from, to);
    match fact {
        Fact::Opens => hash((fact, &message.call_id, from, number(message))),
        Fact::Answered => hash((dialog, number(message))),
        Fact::Sent => {
            let way = (&message.source, &message.destination);
            hash((dialog, way, &message.method, &message.cseq, &message.via_branch))
        }
    }
}

fn hash(about: impl Hash) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(about)
}
