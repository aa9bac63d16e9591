//! `sipcapture show CALL-ID`: every message in full.

use crate::message::Message;
use crate::session::{CallSession, CommandResult, Legs};
use crate::terminal::{Style, printable};
use serde_json::{Value, json};

/// Prints the messages, or their document.
pub fn run(session: &mut CallSession, legs: &Legs) -> CommandResult {
    let call = session.find(legs, true)?;
    if session.json {
        let messages: Vec<Value> = call.messages.iter().map(document).collect();
        return session.document(json!({ "call_id": call.call_id, "legs": call.legs, "messages": messages }));
    }
    let mut out = Vec::new();
    for (index, message) in call.messages.iter().enumerate() {
        out.extend_from_slice(title(session, index + 1, call.messages.len(), message).as_bytes());
        body(&mut out, &message.payload, session.terminal.is_terminal);
    }
    session.print(out)
}

/// The line over a message: which one it is, when, and between whom.
fn title(session: &CallSession, number: usize, of: usize, message: &Message) -> String {
    let terminal = &session.terminal;
    let place = format!("[{number}/{of}]");
    let time = session.clock.exact(message.micro_ts);
    let way = format!("{} {} {} {}", message.transport_name(), message.source, terminal.glyphs.to, message.destination);
    terminal.paint(Style::Strong, &printable(&format!("{place} {time}  {way}"))) + "\n"
}

/// The message with LF at the ends of its lines, and a blank line behind it. On a terminal whatever could steer it is
/// escaped; into a file or a pipe every other byte goes as it is.
fn body(out: &mut Vec<u8>, payload: &[u8], escape: bool) {
    let text = payload.strip_suffix(b"\n").unwrap_or(payload);
    for line in text.split(|&byte| byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match escape {
            true => {
                let tabs_kept = String::from_utf8_lossy(line).split('\t').map(printable).collect::<Vec<_>>().join("\t");
                out.extend_from_slice(tabs_kept.as_bytes());
            }
            false => out.extend_from_slice(line),
        }
        out.push(b'\n');
    }
    if !out.ends_with(b"\n\n") {
        out.push(b'\n');
    }
}

/// The message's fields and the message: as text where it is UTF-8, else in hexadecimal.
fn document(message: &Message) -> Value {
    let mut value = message.to_json();
    match std::str::from_utf8(&message.payload) {
        Ok(text) => value["message"] = json!(text),
        Err(_) => value["message_hex"] = json!(hexadecimal(&message.payload)),
    }
    value
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::tests::request;

    fn shown(payload: &[u8], escape: bool) -> Vec<u8> {
        let mut out = Vec::new();
        body(&mut out, payload, escape);
        out
    }

    #[test]
    fn a_message_ends_in_one_blank_line_whether_or_not_it_has_a_body() {
        assert_eq!(shown(b"OPTIONS sip:a SIP/2.0\r\n\r\n", false), b"OPTIONS sip:a SIP/2.0\n\n");
        assert_eq!(shown(b"INVITE sip:a SIP/2.0\r\n\r\nv=0\r\n", false), b"INVITE sip:a SIP/2.0\n\nv=0\n\n");
        assert_eq!(shown(b"INVITE sip:a SIP/2.0\r\n\r\nv=0", false), b"INVITE sip:a SIP/2.0\n\nv=0\n\n");
    }

    #[test]
    fn a_terminal_gets_no_control_sequences_and_a_file_gets_the_bytes() {
        assert_eq!(shown(b"A\x1b[2J\tb\xff\r\n", true), "A\\x1b[2J\tb\u{fffd}\n\n".as_bytes());
        assert_eq!(shown(b"A\x1b[2J\tb\xff\r\n", false), b"A\x1b[2J\tb\xff\n\n");
    }

    #[test]
    fn a_message_that_is_not_text_comes_in_hexadecimal() {
        let mut message = request(0, "INVITE", "1 INVITE");
        message.payload = b"SIP".to_vec();
        assert_eq!(document(&message)["message"], "SIP");
        message.payload = b"\x00\xff".to_vec();
        assert_eq!(document(&message)["message_hex"], "00ff");
        assert!(document(&message).get("message").is_none());
    }
}
