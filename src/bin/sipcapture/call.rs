//! Sums up the messages under one Call-ID: who called whom, and how it ended.

use crate::message::{Message, Party};
use crate::moment::rfc3339;
use crate::terminal::Style;
use serde_json::{Value, json};

/// How far a dialog got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A final reply to its first request: status code and reason.
    Final(u16, String),
    /// A CANCEL, and no final reply.
    Cancelled,
    /// Nothing beyond this provisional reply: status code and reason.
    Provisional(u16, String),
    /// No reply at all.
    NoReply,
}

impl Outcome {
    /// What a table says of it.
    pub fn text(&self) -> String {
        match self {
            Outcome::Final(status, reason) | Outcome::Provisional(status, reason) => format!("{status} {reason}"),
            Outcome::Cancelled => "cancelled".to_owned(),
            Outcome::NoReply => "no reply".to_owned(),
        }
        .trim_end()
        .to_owned()
    }

    /// How that looks.
    pub fn style(&self) -> Style {
        match self {
            Outcome::Final(status, _) | Outcome::Provisional(status, _) => Style::of_status(*status),
            Outcome::Cancelled | Outcome::NoReply => Style::Failure,
        }
    }

    fn state(&self) -> &'static str {
        match self {
            Outcome::Final(200..300, _) => "answered",
            Outcome::Final(487, _) | Outcome::Cancelled => "cancelled",
            Outcome::Final(..) => "failed",
            Outcome::Provisional(..) => "ringing",
            Outcome::NoReply => "no reply",
        }
    }
}

/// The messages under one Call-ID, summed up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Call-ID.
    pub call_id: String,
    /// Time of the first message, microseconds since the Unix epoch.
    pub start: i64,
    /// Time of the last message.
    pub end: i64,
    /// Method of the first request.
    pub method: String,
    /// From of the first request.
    pub from: Party,
    /// To of the first request.
    pub to: Party,
    /// How many messages there are.
    pub messages: usize,
    /// How the first request ended.
    pub outcome: Outcome,
    /// From the 2xx reply to the BYE, microseconds, where both are there.
    pub talk: Option<i64>,
}

impl Call {
    /// Sums up `messages`, which share one Call-ID and come by time; `None` when there are none.
    pub fn of(messages: &[&Message]) -> Option<Call> {
        let (&first, &last) = (messages.first()?, messages.last()?);
        let opening = messages
            .iter()
            .find(|message| message.is_initial())
            .or_else(|| messages.iter().find(|message| message.request().is_some()))
            .copied()
            .unwrap_or(first);
        let method = opening.request().unwrap_or_else(|| opening.cseq_parts().1);
        Some(Call {
            call_id: first.call_id.clone(),
            start: first.micro_ts,
            end: last.micro_ts,
            method: method.to_owned(),
            from: opening.from.clone(),
            to: opening.to.clone(),
            messages: messages.len(),
            outcome: outcome(messages, method),
            talk: talk(messages),
        })
    }

    /// The document of one call.
    pub fn to_json(&self) -> Value {
        let (status, reason) = match &self.outcome {
            Outcome::Final(status, reason) | Outcome::Provisional(status, reason) => (Some(*status), reason.as_str()),
            Outcome::Cancelled | Outcome::NoReply => (None, ""),
        };
        json!({
            "call_id": self.call_id,
            "time": rfc3339(self.start),
            "micro_ts": self.start,
            "end_micro_ts": self.end,
            "method": self.method,
            "from": self.from.address(),
            "to": self.to.address(),
            "messages": self.messages,
            "state": self.outcome.state(),
            "status": status,
            "reason": reason,
            "talk_us": self.talk,
        })
    }
}

/// How the dialog's first request ended: as its last attempt did (a challenge makes a second one; an INVITE within the
/// dialog is none). A 2xx wins over what the other branches of a fork answered behind it.
fn outcome(messages: &[&Message], method: &str) -> Outcome {
    let last_attempt = messages
        .iter()
        .filter(|message| message.is_initial() && message.request() == Some(method))
        .filter_map(|message| message.cseq_parts().0)
        .max();
    let replies: Vec<(u16, &str)> = messages
        .iter()
        .filter(|message| {
            let (number, answered) = message.cseq_parts();
            answered.eq_ignore_ascii_case(method) && (last_attempt.is_none() || last_attempt == number)
        })
        .filter_map(|message| message.status().map(|status| (status, message.reason.as_str())))
        .collect();
    let success = replies.iter().rfind(|(status, _)| (200..300).contains(status));
    if let Some((status, reason)) = success.or_else(|| replies.iter().rfind(|(status, _)| *status >= 200)) {
        return Outcome::Final(*status, (*reason).to_owned());
    }
    if messages.iter().any(|message| message.request() == Some("CANCEL")) {
        return Outcome::Cancelled;
    }
    match replies.last() {
        Some((status, reason)) => Outcome::Provisional(*status, (*reason).to_owned()),
        None => Outcome::NoReply,
    }
}

/// From the first 2xx reply to an INVITE until the first BYE behind it.
fn talk(messages: &[&Message]) -> Option<i64> {
    let answered = messages.iter().find(|message| {
        message.status().is_some_and(|status| (200..300).contains(&status)) && message.cseq_parts().1 == "INVITE"
    })?;
    let ended =
        messages.iter().find(|message| message.request() == Some("BYE") && message.micro_ts >= answered.micro_ts)?;
    Some(ended.micro_ts - answered.micro_ts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::tests::{reply, request};

    fn outcome_of(messages: &[Message]) -> Outcome {
        let borrowed: Vec<&Message> = messages.iter().collect();
        Call::of(&borrowed).unwrap().outcome
    }

    fn ended(status: u16, reason: &str) -> Outcome {
        Outcome::Final(status, reason.into())
    }

    #[test]
    fn a_call_ends_as_its_invite_was_answered_whatever_the_bye_says() {
        let messages = [
            request(0, "INVITE", "1 INVITE"),
            reply(1, "180 Ringing", "1 INVITE"),
            reply(2, "486 Busy Here", "1 INVITE"),
            request(3, "ACK", "1 ACK"),
            request(4, "BYE", "2 BYE").in_dialog(),
            reply(5, "200 OK", "2 BYE"),
        ];
        assert_eq!(outcome_of(&messages), ended(486, "Busy Here"));
    }

    #[test]
    fn a_challenged_call_ends_as_its_second_invite_did() {
        let messages = [
            request(0, "INVITE", "1 INVITE"),
            reply(1, "407 Proxy Authentication Required", "1 INVITE"),
            request(2, "INVITE", "2 INVITE"),
            reply(3, "404 Not Found", "2 INVITE"),
        ];
        assert_eq!(outcome_of(&messages), ended(404, "Not Found"));
    }

    #[test]
    fn an_answer_wins_over_the_branches_that_are_cancelled_behind_it() {
        let messages = [
            request(0, "INVITE", "1 INVITE"),
            reply(1, "200 OK", "1 INVITE"),
            request(2, "CANCEL", "1 CANCEL"),
            reply(3, "487 Request Terminated", "1 INVITE"),
        ];
        assert_eq!(outcome_of(&messages), ended(200, "OK"));
    }

    #[test]
    fn a_refused_hold_does_not_change_how_the_call_was_answered() {
        let messages = [
            request(0, "INVITE", "1 INVITE"),
            reply(1, "200 OK", "1 INVITE"),
            request(2, "INVITE", "2 INVITE").in_dialog(),
            reply(3, "488 Not Acceptable Here", "2 INVITE"),
        ];
        assert_eq!(outcome_of(&messages), ended(200, "OK"));
    }

    #[test]
    fn a_call_without_a_final_reply_says_how_far_it_got() {
        let mut messages = vec![request(0, "INVITE", "1 INVITE")];
        assert_eq!(outcome_of(&messages), Outcome::NoReply);
        messages.push(reply(1, "180 Ringing", "1 INVITE"));
        assert_eq!(outcome_of(&messages), Outcome::Provisional(180, "Ringing".into()));
        messages.push(request(2, "CANCEL", "1 CANCEL"));
        assert_eq!(outcome_of(&messages), Outcome::Cancelled);
    }

    #[test]
    fn talk_time_runs_from_the_answer_to_the_bye() {
        let messages = [
            request(0, "INVITE", "1 INVITE"),
            reply(1_000_000, "200 OK", "1 INVITE"),
            request(8_500_000, "BYE", "2 BYE").in_dialog(),
        ];
        let borrowed: Vec<&Message> = messages.iter().collect();
        assert_eq!(Call::of(&borrowed).unwrap().talk, Some(7_500_000));
        assert_eq!(Call::of(&borrowed[..2]).unwrap().talk, None);
    }

    #[test]
    fn a_registration_ends_as_its_last_register_did() {
        let messages = [
            request(0, "REGISTER", "1 REGISTER"),
            reply(1, "401 Unauthorized", "1 REGISTER"),
            request(2, "REGISTER", "2 REGISTER"),
            reply(3, "200 OK", "2 REGISTER"),
        ];
        assert_eq!(outcome_of(&messages), ended(200, "OK"));
    }
}
