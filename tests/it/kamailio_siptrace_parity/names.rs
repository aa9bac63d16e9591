//! Names in place of what differs from one run to the next: ports, branches, tags, dialog ids, nonces.
//!
//! What the phones see on the wire is numbered as they see it, in an order that the scenarios fix. So equal messages
//! have equal names, and a value that a trace shows and no phone has seen keeps its own text, by which it is found.

use super::message::{OWN_BRANCH, OWN_TAG};
use std::collections::BTreeMap;

/// What a value begins behind, and how it is called.
const MARKS: [(&str, &str); 5] =
    [("branch=", "branch"), ("tag=", "tag"), ("did=", "did"), ("nonce=\"", "nonce"), ("response=\"", "response")];

const TIME_HEADER: &str = "X-Siptrace-Time: ";

/// Values seen so far and their names.
#[derive(Debug, Default)]
pub struct Names {
    values: Vec<(String, String)>,
    counts: BTreeMap<&'static str, usize>,
    ports: BTreeMap<u16, String>,
}

impl Names {
    /// Calls a port by this name.
    pub fn port(&mut self, port: u16, name: &str) {
        for mark in [":", "rport="] {
            self.name(format!("{mark}{port}"), format!("{mark}<{name}>"));
        }
        self.ports.insert(port, name.to_owned());
    }

    /// Names the process whose number is in the branches of a load generator.
    pub fn process(&mut self, pid: u32) {
        self.name(format!("{OWN_BRANCH}{pid}-"), format!("{OWN_BRANCH}<pid>-"));
    }

    /// Names what is new in a message that a phone sent or got.
    pub fn learn(&mut self, message: &str) {
        for (mark, kind) in MARKS {
            for behind in message.split(mark).skip(1) {
                let end = behind.find([';', ',', '>', '"', '\r', ' ']).unwrap_or(behind.len());
                self.learn_value(mark, kind, &behind[..end]);
            }
        }
    }

    fn learn_value(&mut self, mark: &str, kind: &'static str, value: &str) {
        let value = match kind {
            "branch" if value.starts_with(OWN_BRANCH) => return,
            "tag" if value.starts_with(OWN_TAG) => return,
            // The number behind the last dot is the branch's within its transaction.
            "branch" => value.rsplit_once('.').map_or(value, |(transaction, _)| transaction).to_owned(),
            // Short: what is in front of it must be too.
            "did" => format!("{mark}{value}"),
            _ => value.to_owned(),
        };
        if value.is_empty() || self.values.iter().any(|(known, _)| *known == value) {
            return;
        }
        // Two challenges of one second are the same.
        if ["nonce", "response"].contains(&kind) {
            return self.name(value, format!("<{kind}>"));
        }
        let count = self.counts.entry(kind).or_default();
        *count += 1;
        let name = format!("<{kind} {count}>");
        self.name(value, name);
    }

    fn name(&mut self, value: String, name: String) {
        self.values.push((value, name));
        // The longest first: one may be the beginning of another.
        self.values.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
    }

    /// The text with names. The time in the header that `xheaders_write` adds is a name too, if it is one.
    pub fn apply(&self, text: &[u8]) -> String {
        let mut text = String::from_utf8_lossy(text).into_owned();
        if let Some((before, behind)) = text.split_once(TIME_HEADER) {
            let (time, rest) = behind.split_once("\r\n").unwrap_or((behind, ""));
            let is_time = time.split(' ').all(|number| number.parse::<u64>().is_ok()) && time != "0 0";
            let time = if is_time { "<time>" } else { time };
            text = format!("{before}{TIME_HEADER}{time}\r\n{rest}");
        }
        for (value, name) in &self.values {
            if text.contains(value.as_str()) {
                text = text.replace(value.as_str(), name);
            }
        }
        text
    }

    /// The name of a port, or its number.
    pub fn of_port(&self, port: u16) -> String {
        self.ports.get(&port).map_or_else(|| port.to_string(), |name| format!("<{name}>"))
    }
}

#[test]
fn equal_values_have_equal_names_and_a_phones_own_stay() {
    let mut names = Names::default();
    names.port(5060, "proxy");
    let wire = "Via: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK1f.abc.0\r\nVia: x;branch=z9hG4bK-a-1\r\nTo: <sip:a>;tag=d41d.8c\r\n";
    names.learn(wire);
    names.learn(
        "From: <sip:b>;tag=phone-b\r\nTo: <sip:a>;tag=d41d.8c\r\nRoute: <sip:127.0.0.1;did=1.a>,<sip:c;did=1.ab>\r\n",
    );
    let expected = "Via: SIP/2.0/UDP 127.0.0.1:<proxy>;branch=<branch 1>.0\r\nVia: x;branch=z9hG4bK-a-1\r\nTo: <sip:a>;tag=<tag 1>\r\n";
    assert_eq!(names.apply(wire.as_bytes()), expected);
    assert_eq!(names.apply(b"did=1.ab did=1.a tag=phone-b"), "<did 2> <did 1> tag=phone-b");
    assert_eq!((names.of_port(5060), names.of_port(5061)), ("<proxy>".to_owned(), "5061".to_owned()));
}
