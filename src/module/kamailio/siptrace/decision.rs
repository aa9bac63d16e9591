//! What `sip_trace()` and `sip_trace_mode()` come to: what is traced, what is followed, and what the script is
//! answered.
//!
//! The host asks twice: [`decide`] before the message is traced, and [`conclude`] after. Between them it hands the
//! message over. Nothing here has a state or touches anything.

use std::fmt;

/// A function of scripts that traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TraceFunction {
    /// `sip_trace()`.
    SipTrace,
    /// `sip_trace_mode()`, which names no collector and is content without one.
    SipTraceMode,
    /// `sip_trace_msg()`.
    SipTraceMsg,
    /// `hlog()`.
    Hlog,
}

/// What a script wants traced from a message on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// It has not said.
    Default,
    /// It has said something that is not known.
    Unknown,
    /// The message.
    Message,
    /// The message's transaction.
    Transaction,
    /// The dialog that the message begins.
    Dialog,
}

/// What a script can say.
const LETTERS: &str = "m (message), t (transaction) and d (dialog) are allowed";

impl Scope {
    fn of_letter(letter: u8) -> Option<Scope> {
        match letter.to_ascii_lowercase() {
            b'm' => Some(Scope::Message),
            b't' => Some(Scope::Transaction),
            b'd' => Some(Scope::Dialog),
            _ => None,
        }
    }

    /// Reads the type of `sip_trace()`: one of the letters, blanks around it; `Err` is what is wrong.
    pub fn of_type(text: &[u8]) -> Result<Scope, String> {
        let mut letters = text.iter().filter(|&&byte| byte != b' ' && byte != b'\t');
        let scope = letters.next().and_then(|&letter| Scope::of_letter(letter)).filter(|_| letters.next().is_none());
        scope.ok_or_else(|| {
            format!("sip_trace(): the type \"{}\" is not known; {LETTERS}", String::from_utf8_lossy(text))
        })
    }

    /// Reads the mode of `sip_trace_mode()`: its first letter counts; `Err` is what the operator should know where that
    /// says nothing, and the message alone is traced.
    pub fn of_mode(text: &[u8]) -> Result<Scope, String> {
        let scope = text.first().and_then(|&letter| Scope::of_letter(letter));
        scope.ok_or_else(|| format!("sip_trace_mode(): the message is traced; {LETTERS}"))
    }
}

/// A call of `sip_trace()` or `sip_trace_mode()`, and what the host knows of its message.
#[derive(Clone, Copy, Debug)]
pub struct TraceCall<'a> {
    /// What is to be traced.
    pub scope: Scope,
    /// The method of a request; `None` for a reply.
    pub method: Option<&'a [u8]>,
    /// Whether the message has the flag `trace_flag`.
    pub has_flag: bool,
    /// Whether the message is marked as one of a transaction that is followed.
    pub is_followed: bool,
    /// Whether the host has a module for transactions.
    pub knows_transactions: bool,
    /// Whether it has one for dialogs.
    pub knows_dialogs: bool,
    /// Of a CANCEL or ACK: whether the transaction that it is about is followed, and so has the message traced. `None`:
    /// the host has not looked.
    pub is_seen_to: Option<bool>,
}

/// What is done about a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The host is to find [`TraceCall::is_seen_to`], and to ask again.
    LookUp,
    /// Nothing is traced, and the script gets this answer.
    Answer(i32),
    /// The message is traced, and if it can go anywhere this is followed: a transaction, a dialog, or nothing more for
    /// [`Scope::Message`].
    Trace(Scope),
}

/// What a call lacked that did not do all that it was asked for; its text is for the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// A module for transactions.
    Transactions,
    /// A module for dialogs.
    Dialogs,
    /// A request, from which on a transaction is followed.
    Request,
    /// The first INVITE, from which on a dialog is followed.
    FirstInvite,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Missing::Transactions => "sip_trace(): without tm.so this message alone is traced",
            Missing::Dialogs => "sip_trace(): without dialog.so this message alone is traced",
            Missing::Request => "sip_trace(): a transaction is traced from its request on: call it there",
            Missing::FirstInvite => "sip_trace(): a dialog is traced from its first INVITE on: call it there",
        })
    }
}

/// Decides about a call.
pub fn decide(call: &TraceCall<'_>) -> (Decision, Option<Missing>) {
    let is = |method: &str| call.method.is_some_and(|known| known.eq_ignore_ascii_case(method.as_bytes()));
    let message_alone = Decision::Trace(Scope::Message);
    let scope = match call.scope {
        Scope::Default if call.has_flag => Scope::Transaction,
        Scope::Default => Scope::Message,
        said => said,
    };
    match (scope, call.is_seen_to) {
        (Scope::Unknown, _) if !call.is_followed => (Decision::Answer(1), None),
        (Scope::Unknown | Scope::Message | Scope::Default, _) => (message_alone, None),
        _ if !call.knows_transactions => (message_alone, Some(Missing::Transactions)),
        (_, None) if is("CANCEL") || is("ACK") => (Decision::LookUp, None),
        (_, Some(true)) if is("CANCEL") || is("ACK") => (Decision::Answer(1), None),
        (Scope::Dialog, _) if !call.knows_dialogs => (message_alone, Some(Missing::Dialogs)),
        (Scope::Dialog, _) if !is("INVITE") => (Decision::Answer(-1), Some(Missing::FirstInvite)),
        (Scope::Transaction, _) if call.method.is_none() => (Decision::Answer(-1), Some(Missing::Request)),
        _ => (Decision::Trace(scope), None),
    }
}

/// What became of a message that was handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendResult {
    /// It is queued.
    Queued,
    /// Nobody says where to.
    NoCollector,
    /// The script's destination is none.
    BadDestination,
    /// Anything else.
    Failed,
}

/// What is left to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conclusion {
    /// What is followed now: a transaction, a dialog, or nothing for [`Scope::Message`].
    pub follow: Scope,
    /// Whether the script's destination counts for nothing that follows: where the message could not go, a stateless
    /// reply to it could not either, and goes where one goes of which nothing was said.
    pub forgets_destination: bool,
    /// What the script gets.
    pub answer: i32,
}

/// Concludes a call of `function`: `follow` is what [`decide`] said, [`Scope::Message`] for functions that it is not
/// asked about.
pub fn conclude(function: TraceFunction, follow: Scope, sent: SendResult) -> Conclusion {
    let is_good = match function {
        TraceFunction::SipTrace | TraceFunction::Hlog => sent == SendResult::Queued,
        TraceFunction::SipTraceMode => matches!(sent, SendResult::Queued | SendResult::NoCollector),
        // What becomes of such a message on its way is not the script's affair.
        TraceFunction::SipTraceMsg => !matches!(sent, SendResult::BadDestination | SendResult::NoCollector),
    };
    // Nothing of a transaction could go anywhere either.
    let is_nowhere = sent == SendResult::BadDestination || (sent == SendResult::NoCollector && !is_good);
    Conclusion {
        follow: if is_nowhere { Scope::Message } else { follow },
        forgets_destination: sent == SendResult::BadDestination,
        answer: if is_good { 1 } else { -1 },
    }
}

#[cfg(test)]
mod tests;
