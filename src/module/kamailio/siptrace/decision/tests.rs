//! The whole table of decisions.

use super::*;

const SCOPES: [Scope; 5] = [Scope::Default, Scope::Unknown, Scope::Message, Scope::Transaction, Scope::Dialog];

/// A call for a request, by a host that knows everything.
fn call(scope: Scope, method: &'static str) -> TraceCall<'static> {
    TraceCall {
        scope,
        method: Some(method.as_bytes()),
        has_flag: false,
        is_followed: false,
        knows_transactions: true,
        knows_dialogs: true,
        is_seen_to: None,
    }
}

fn reply(scope: Scope) -> TraceCall<'static> {
    TraceCall { method: None, ..call(scope, "") }
}

const ALONE: (Decision, Option<Missing>) = (Decision::Trace(Scope::Message), None);

#[test]
fn a_type_is_one_letter_in_either_case_with_blanks_around_it() {
    for (text, scope) in [
        ("m", Scope::Message),
        ("M", Scope::Message),
        (" t\t", Scope::Transaction),
        ("T", Scope::Transaction),
        ("d", Scope::Dialog),
        ("\t D", Scope::Dialog),
    ] {
        assert_eq!(Scope::of_type(text.as_bytes()), Ok(scope), "{text:?}");
    }
    for text in ["", " ", "x", "mm", "m t", "td", "message", "m\n", "\u{e9}"] {
        let said = Scope::of_type(text.as_bytes()).unwrap_err();
        assert_eq!(
            said,
            format!(
                "sip_trace(): the type \"{text}\" is not known; m (message), t (transaction) and d (dialog) are allowed"
            )
        );
    }
}

#[test]
fn of_a_mode_the_first_letter_counts_and_without_one_the_message_is_traced() {
    for (text, scope) in [
        ("m", Scope::Message),
        ("Message", Scope::Message),
        ("t", Scope::Transaction),
        ("Transaction", Scope::Transaction),
        ("D", Scope::Dialog),
        ("dialog", Scope::Dialog),
    ] {
        assert_eq!(Scope::of_mode(text.as_bytes()), Ok(scope), "{text:?}");
    }
    for text in ["", " t", "x", "1"] {
        let said = Scope::of_mode(text.as_bytes()).unwrap_err();
        assert_eq!(
            said,
            "sip_trace_mode(): the message is traced; m (message), t (transaction) and d (dialog) are allowed"
        );
    }
}

#[test]
fn a_message_is_traced_alone_whatever_it_is_and_whatever_the_host_knows() {
    for message in [
        call(Scope::Message, "INVITE"),
        call(Scope::Message, "ACK"),
        call(Scope::Message, "CANCEL"),
        reply(Scope::Message),
    ] {
        for (knows_transactions, knows_dialogs, has_flag, is_followed) in
            [(true, true, true, true), (false, false, false, false), (true, false, true, false)]
        {
            let call = TraceCall { knows_transactions, knows_dialogs, has_flag, is_followed, ..message };
            assert_eq!(decide(&call), ALONE, "{call:?}");
        }
    }
}

#[test]
fn what_is_not_said_is_the_message_or_with_the_flag_its_transaction() {
    for method in ["INVITE", "OPTIONS", "ACK"] {
        assert_eq!(decide(&call(Scope::Default, method)), ALONE);
        let flagged = TraceCall { has_flag: true, ..call(Scope::Default, method) };
        assert_eq!(decide(&flagged), decide(&call(Scope::Transaction, method)));
    }
    let flagged = TraceCall { has_flag: true, ..reply(Scope::Default) };
    assert_eq!(decide(&flagged), decide(&reply(Scope::Transaction)));
    // What is said comes before the flag.
    for scope in [Scope::Message, Scope::Dialog, Scope::Unknown] {
        let plain = call(scope, "INVITE");
        assert_eq!(decide(&TraceCall { has_flag: true, ..plain }), decide(&plain));
    }
}

#[test]
fn what_is_not_known_traces_only_messages_of_what_is_followed_already() {
    for message in [call(Scope::Unknown, "INVITE"), call(Scope::Unknown, "CANCEL"), reply(Scope::Unknown)] {
        assert_eq!(decide(&message), (Decision::Answer(1), None));
        assert_eq!(decide(&TraceCall { is_followed: true, ..message }), ALONE);
        assert_eq!(decide(&TraceCall { knows_transactions: false, ..message }), (Decision::Answer(1), None));
    }
}

#[test]
fn without_a_module_for_transactions_the_message_alone_is_traced() {
    for scope in [Scope::Transaction, Scope::Dialog] {
        for message in [call(scope, "INVITE"), call(scope, "CANCEL"), call(scope, "BYE"), reply(scope)] {
            for knows_dialogs in [false, true] {
                let call = TraceCall { knows_transactions: false, knows_dialogs, ..message };
                assert_eq!(decide(&call), (Decision::Trace(Scope::Message), Some(Missing::Transactions)), "{call:?}");
            }
        }
    }
}

#[test]
fn a_cancel_or_ack_that_its_transaction_sees_to_is_not_traced_twice() {
    for scope in [Scope::Transaction, Scope::Dialog] {
        for method in ["CANCEL", "ACK", "cancel"] {
            for knows_dialogs in [false, true] {
                let asked = TraceCall { knows_dialogs, ..call(scope, method) };
                assert_eq!(decide(&asked), (Decision::LookUp, None));
                assert_eq!(decide(&TraceCall { is_seen_to: Some(true), ..asked }), (Decision::Answer(1), None));
            }
        }
        // Of others the host does not look it up, nor does it matter.
        for method in ["INVITE", "BYE"] {
            let seen = TraceCall { is_seen_to: Some(true), ..call(scope, method) };
            assert_eq!(decide(&seen), decide(&call(scope, method)));
        }
    }
}

#[test]
fn a_transaction_is_followed_from_any_request_on_and_from_no_reply() {
    for method in ["INVITE", "OPTIONS", "BYE", "foo"] {
        for knows_dialogs in [false, true] {
            let call = TraceCall { knows_dialogs, ..call(Scope::Transaction, method) };
            assert_eq!(decide(&call), (Decision::Trace(Scope::Transaction), None));
        }
    }
    for method in ["CANCEL", "ACK"] {
        let own = TraceCall { is_seen_to: Some(false), ..call(Scope::Transaction, method) };
        assert_eq!(decide(&own), (Decision::Trace(Scope::Transaction), None));
    }
    assert_eq!(decide(&reply(Scope::Transaction)), (Decision::Answer(-1), Some(Missing::Request)));
}

#[test]
fn a_dialog_is_followed_from_an_invite_on_and_by_a_host_that_knows_dialogs() {
    assert_eq!(decide(&call(Scope::Dialog, "INVITE")), (Decision::Trace(Scope::Dialog), None));
    let no_invite = (Decision::Answer(-1), Some(Missing::FirstInvite));
    for message in [call(Scope::Dialog, "BYE"), call(Scope::Dialog, "OPTIONS"), reply(Scope::Dialog)] {
        assert_eq!(decide(&message), no_invite);
    }
    for method in ["CANCEL", "ACK"] {
        assert_eq!(decide(&TraceCall { is_seen_to: Some(false), ..call(Scope::Dialog, method) }), no_invite);
    }
    for message in [call(Scope::Dialog, "INVITE"), call(Scope::Dialog, "BYE"), reply(Scope::Dialog)] {
        let call = TraceCall { knows_dialogs: false, ..message };
        assert_eq!(decide(&call), (Decision::Trace(Scope::Message), Some(Missing::Dialogs)));
    }
}

#[test]
fn no_call_is_looked_up_twice_and_only_transactions_and_dialogs_are_followed() {
    let mut calls = 0;
    for scope in SCOPES {
        for method in [None, Some("INVITE"), Some("ACK"), Some("CANCEL"), Some("BYE")] {
            for is_seen_to in [None, Some(false), Some(true)] {
                for bits in 0..16_u8 {
                    let has = |bit: u8| bits & bit != 0;
                    let call = TraceCall {
                        scope,
                        method: method.map(str::as_bytes),
                        has_flag: has(1),
                        is_followed: has(2),
                        knows_transactions: has(4),
                        knows_dialogs: has(8),
                        is_seen_to,
                    };
                    calls += 1;
                    match decide(&call).0 {
                        Decision::LookUp => assert_eq!(is_seen_to, None, "{call:?}"),
                        Decision::Answer(answer) => assert!(answer == 1 || answer == -1, "{call:?}"),
                        Decision::Trace(follow) => {
                            assert!(matches!(follow, Scope::Message | Scope::Transaction | Scope::Dialog), "{call:?}");
                            assert!(follow == Scope::Message || has(4), "{call:?}");
                            assert!(follow != Scope::Dialog || (has(8) && method == Some("INVITE")), "{call:?}");
                        }
                    }
                }
            }
        }
    }
    assert_eq!(calls, 5 * 5 * 3 * 16);
}

#[test]
fn each_shortcoming_says_what_to_do() {
    for (shortcoming, text) in [
        (Missing::Transactions, "sip_trace(): without tm.so this message alone is traced"),
        (Missing::Dialogs, "sip_trace(): without dialog.so this message alone is traced"),
        (Missing::Request, "sip_trace(): a transaction is traced from its request on: call it there"),
        (Missing::FirstInvite, "sip_trace(): a dialog is traced from its first INVITE on: call it there"),
    ] {
        assert_eq!(shortcoming.to_string(), text);
    }
}

#[test]
fn a_script_is_answered_as_its_function_has_it() {
    for (function, answers) in [
        (TraceFunction::SipTrace, [1, -1, -1, -1]),
        (TraceFunction::SipTraceMode, [1, 1, -1, -1]),
        (TraceFunction::SipTraceMsg, [1, -1, -1, 1]),
        (TraceFunction::Hlog, [1, -1, -1, -1]),
    ] {
        let sent = [SendResult::Queued, SendResult::NoCollector, SendResult::BadDestination, SendResult::Failed];
        for (sent, answer) in sent.into_iter().zip(answers) {
            let concluded = conclude(function, Scope::Message, sent);
            assert_eq!((concluded.answer, concluded.follow), (answer, Scope::Message), "{function:?} {sent:?}");
            assert_eq!(concluded.forgets_destination, sent == SendResult::BadDestination);
        }
    }
}

#[test]
fn nothing_is_followed_that_could_go_nowhere() {
    for scope in [Scope::Transaction, Scope::Dialog] {
        for (function, sent, follow) in [
            (TraceFunction::SipTrace, SendResult::Queued, scope),
            (TraceFunction::SipTrace, SendResult::NoCollector, Scope::Message),
            (TraceFunction::SipTrace, SendResult::BadDestination, Scope::Message),
            // As when the switch is off or a queue is full: what comes later may have better luck.
            (TraceFunction::SipTrace, SendResult::Failed, scope),
            (TraceFunction::SipTraceMode, SendResult::Queued, scope),
            (TraceFunction::SipTraceMode, SendResult::NoCollector, scope),
            (TraceFunction::SipTraceMode, SendResult::BadDestination, Scope::Message),
            (TraceFunction::SipTraceMode, SendResult::Failed, scope),
        ] {
            assert_eq!(conclude(function, scope, sent).follow, follow, "{function:?} {sent:?}");
        }
    }
}
