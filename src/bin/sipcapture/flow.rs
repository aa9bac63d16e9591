//! `sipcapture flow CALL-ID`: the ladder of a call.

use crate::call::Call;
use crate::ladder::{Columns, LadderStep, draw};
use crate::message::Message;
use crate::moment::talk_time;
use crate::session::{CallSession, CommandResult, FoundCall, Legs};
use crate::terminal::{Style, printable};
use serde_json::{Value, json};
use std::collections::HashMap;

/// Prints the ladder, or its document.
pub fn run(session: &mut CallSession, legs: &Legs) -> CommandResult {
    let call = session.find(legs, false)?;
    let sendings = count_sendings(&call.messages);
    let columns = Columns::of(&call.messages);
    if session.json {
        return session.document(document(&call, &sendings, &columns));
    }
    let mut out = heading(session, &call.legs, &call.messages);
    let several = call.legs.len() > 1;
    let steps: Vec<LadderStep<'_>> = call
        .messages
        .iter()
        .zip(&sendings)
        .map(|(message, &sending)| {
            let leg = call.legs.iter().position(|id| *id == message.call_id).map(|index| index + 1);
            LadderStep { message, leg: leg.filter(|_| several), sending }
        })
        .collect();
    out.push('\n');
    for line in draw(&steps, &columns, &session.clock, &session.terminal) {
        out.push_str(&line);
        out.push('\n');
    }
    session.print(out)
}

/// A line or two for each leg: who called whom, when, and how it ended.
fn heading(session: &CallSession, call_ids: &[String], messages: &[Message]) -> String {
    let terminal = &session.terminal;
    let mut out = String::new();
    for (index, call_id) in call_ids.iter().enumerate() {
        let leg: Vec<&Message> = messages.iter().filter(|message| message.call_id == *call_id).collect();
        let Some(call) = Call::of(&leg) else { continue };
        let number = if call_ids.len() > 1 { format!("{}  ", index + 1) } else { String::new() };
        let indent = " ".repeat(number.len());
        let strong = |text: &str| terminal.paint(Style::Strong, text);
        out.push_str(&format!("{}{}\n", strong(&number), strong(&printable(call_id))));
        let parties = format!("{} {} {} {}", call.method, call.from.address(), terminal.glyphs.to, call.to.address());
        out.push_str(&format!("{indent}{}\n", printable(&parties)));
        let mut facts = vec![session.clock.heading(call.start)];
        facts.push(match call.messages {
            1 => "1 message".to_owned(),
            count => format!("{count} messages"),
        });
        facts.push(terminal.paint(call.outcome.style(), &printable(&call.outcome.text())));
        facts.extend(call.talk.map(|talk| format!("talked {}", talk_time(talk))));
        out.push_str(&format!("{indent}{}\n", facts.join(terminal.glyphs.dot)));
    }
    out
}

/// For each message, how many times it has been sent by then: the same first line, transaction and To tag between the
/// same two addresses is a retransmission.
fn count_sendings(messages: &[Message]) -> Vec<usize> {
    let mut seen: HashMap<[String; 7], usize> = HashMap::new();
    messages
        .iter()
        .map(|message| {
            let key = [
                message.call_id.clone(),
                message.source.to_string(),
                message.destination.to_string(),
                message.method.clone(),
                message.cseq.clone(),
                message.via_branch.clone(),
                message.to.tag.clone(),
            ];
            let count = seen.entry(key).or_insert(0);
            *count += 1;
            *count
        })
        .collect()
}

fn document(call: &FoundCall, sendings: &[usize], columns: &Columns) -> Value {
    let messages = &call.messages;
    let legs: Vec<Value> = call
        .legs
        .iter()
        .filter_map(|call_id| {
            let leg: Vec<&Message> = messages.iter().filter(|message| message.call_id == *call_id).collect();
            Call::of(&leg).map(|call| call.to_json())
        })
        .collect();
    let hosts: Vec<Value> = columns.hosts.iter().map(|host| json!({ "ip": host.ip, "ports": host.ports })).collect();
    let mut previous = messages.first().map_or(0, |message| message.micro_ts);
    let messages: Vec<Value> = messages
        .iter()
        .zip(sendings)
        .zip(&columns.ends)
        .map(|((message, sending), (from, to))| {
            let mut value = message.to_json();
            value["delta_us"] = json!(message.micro_ts - previous);
            value["leg"] = json!(call.legs.iter().position(|id| *id == message.call_id));
            value["sending"] = json!(sending);
            value["from_host"] = json!(from);
            value["to_host"] = json!(to);
            previous = message.micro_ts;
            value
        })
        .collect();
    json!({ "call_id": call.call_id, "legs": legs, "hosts": hosts, "messages": messages })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::tests::{reply, request};

    #[test]
    fn the_same_message_sent_again_is_a_retransmission_and_a_relayed_one_is_not() {
        let messages = [
            request(0, "INVITE", "1 INVITE"),
            request(500_000, "INVITE", "1 INVITE"),
            request(500_100, "INVITE", "1 INVITE").between("10.0.0.2:5060", "10.0.0.3:5060"),
            reply(600_000, "180 Ringing", "1 INVITE"),
            request(700_000, "INVITE", "2 INVITE"),
        ];
        assert_eq!(count_sendings(&messages), [1, 2, 1, 1, 1]);
    }

    #[test]
    fn replies_of_two_branches_of_a_fork_are_two_messages() {
        let mut other = reply(1, "180 Ringing", "1 INVITE");
        other.to.tag = "c".into();
        assert_eq!(count_sendings(&[reply(0, "180 Ringing", "1 INVITE"), other]), [1, 1]);
    }
}
