//! Calls, stored by the sinks as the writer stores them.

use sipcapture_core::capture::{Capture, Transport};
use sipcapture_core::module::KAMAILIO_ROWS;
use sipcapture_core::sink::{self, DatabaseUrl, SinkOptions};
use sipcapture_core::sip::{HeaderNames, extract};
use sipcapture_core::table::{ColumnNames, RowText, fill_sip, sip_layout};
use std::net::SocketAddr;

/// 2020-11-21 08:52:06.100 UTC, microseconds since the Unix epoch.
pub const START: i64 = 1_605_948_726_100_000;

pub const CALLER: &str = "192.0.2.1:5060";
pub const PROXY: &str = "192.0.2.2:5060";
pub const CALLEE: &str = "192.0.2.3:5060";

/// One message on its way.
#[derive(Clone, Debug)]
pub struct Recorded {
    pub time_us: i64,
    pub source: SocketAddr,
    pub destination: SocketAddr,
    pub transport: Transport,
    pub correlation_id: Option<String>,
    pub payload: Vec<u8>,
}

impl Recorded {
    pub fn correlated(mut self, correlation_id: &str) -> Recorded {
        self.correlation_id = Some(correlation_id.to_owned());
        self
    }

    pub fn over(mut self, transport: Transport) -> Recorded {
        self.transport = transport;
        self
    }
}

/// Who talks to whom under which Call-ID; makes the messages of their dialog.
#[derive(Clone, Debug)]
pub struct Dialog {
    pub call_id: String,
    pub from: String,
    pub to: String,
    pub start: i64,
}

impl Dialog {
    pub fn new(call_id: &str, from: &str, to: &str, start: i64) -> Dialog {
        Dialog { call_id: call_id.into(), from: from.into(), to: to.into(), start }
    }

    /// A message `after_ms` behind the start: `first_line` is a method or a status line, `answered` whether To has a
    /// tag.
    pub fn message(
        &self,
        after_ms: i64,
        way: (&str, &str),
        first_line: &str,
        cseq: &str,
        answered: bool,
        sdp: bool,
    ) -> Recorded {
        let is_reply = first_line.starts_with(|first: char| first.is_ascii_digit());
        let first = if is_reply {
            format!("SIP/2.0 {first_line}")
        } else {
            format!("{first_line} sip:{}@example.com SIP/2.0", self.to)
        };
        let client = if is_reply { way.1 } else { way.0 };
        let tag = if answered { ";tag=callee" } else { "" };
        let body = if sdp { "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\n" } else { "" };
        let content_type = if sdp { "Content-Type: application/sdp\r\n" } else { "" };
        let text = format!(
            "{first}\r\nVia: SIP/2.0/UDP {client};branch=z9hG4bK-{cseq_mark}-{client}\r\n\
             From: <sip:{from}@example.com>;tag=caller\r\nTo: <sip:{to}@example.com>{tag}\r\n\
             Call-ID: {call_id}\r\nCSeq: {cseq}\r\n{content_type}Content-Length: {length}\r\n\r\n{body}",
            cseq_mark = cseq.replace(' ', "-"),
            from = self.from,
            to = self.to,
            call_id = self.call_id,
            length = body.len(),
        );
        Recorded {
            time_us: self.start + after_ms * 1_000,
            source: way.0.parse().expect("an address"),
            destination: way.1.parse().expect("an address"),
            transport: Transport::Udp,
            correlation_id: None,
            payload: text.into_bytes(),
        }
    }

    /// A call through a proxy that is answered after a second and ended three seconds later, as the proxy saw it.
    pub fn answered(&self) -> Vec<Recorded> {
        let (there, on) = ((CALLER, PROXY), (PROXY, CALLEE));
        let (back, home) = ((CALLEE, PROXY), (PROXY, CALLER));
        vec![
            self.message(0, there, "INVITE", "1 INVITE", false, true),
            self.message(1, home, "100 Trying", "1 INVITE", false, false),
            self.message(2, on, "INVITE", "1 INVITE", false, true),
            self.message(12, back, "180 Ringing", "1 INVITE", true, false),
            self.message(13, home, "180 Ringing", "1 INVITE", true, false),
            self.message(1012, back, "200 OK", "1 INVITE", true, true),
            self.message(1013, home, "200 OK", "1 INVITE", true, true),
            self.message(1020, there, "ACK", "1 ACK", true, false),
            self.message(1021, on, "ACK", "1 ACK", true, false),
            self.message(4012, there, "BYE", "2 BYE", true, false),
            self.message(4013, on, "BYE", "2 BYE", true, false),
            self.message(4023, back, "200 OK", "2 BYE", true, false),
            self.message(4024, home, "200 OK", "2 BYE", true, false),
        ]
    }

    /// The same call with one time for all of it, stored backwards; behind the proxy with the Via of the caller, too.
    pub fn answered_at_one_time(&self) -> Vec<Recorded> {
        let mut messages = self.answered();
        messages.reverse();
        for message in &mut messages {
            message.time_us = self.start;
            let callee: SocketAddr = CALLEE.parse().expect("an address");
            if [message.source, message.destination].contains(&callee) {
                let text = String::from_utf8(std::mem::take(&mut message.payload)).expect("text");
                let via = text.lines().find(|line| line.starts_with("Via: ")).expect("a Via");
                let both = format!("{via}\r\n{}", via.replace(PROXY, CALLER));
                message.payload = text.replace(via, &both).into_bytes();
            }
        }
        messages
    }

    /// A call that the callee refuses at once, seen between caller and proxy.
    pub fn refused(&self, status_line: &str) -> Vec<Recorded> {
        vec![
            self.message(0, (CALLER, PROXY), "INVITE", "1 INVITE", false, true),
            self.message(10, (PROXY, CALLER), status_line, "1 INVITE", true, false),
            self.message(15, (CALLER, PROXY), "ACK", "1 ACK", true, false),
        ]
    }

    /// A registration that is challenged and then accepted.
    pub fn registered(&self) -> Vec<Recorded> {
        vec![
            self.message(0, (CALLER, PROXY), "REGISTER", "1 REGISTER", false, false),
            self.message(1, (PROXY, CALLER), "401 Unauthorized", "1 REGISTER", true, false),
            self.message(9, (CALLER, PROXY), "REGISTER", "2 REGISTER", false, false),
            self.message(10, (PROXY, CALLER), "200 OK", "2 REGISTER", true, false),
        ]
    }
}

/// Stores `messages` in `table` of the database at `url`, which is created where it is missing.
pub fn store(url: &str, table: &str, messages: &[Recorded]) {
    store_as(url, table, messages, &ColumnNames::default());
}

/// The same into columns that are called as `names` says.
pub fn store_as(url: &str, table: &str, messages: &[Recorded], names: &ColumnNames) {
    let captures: Vec<Capture<'_>> = messages
        .iter()
        .map(|message| Capture {
            agent_id: Some(7),
            correlation_id: message.correlation_id.as_deref().map(str::as_bytes),
            ..Capture::sip(message.time_us, message.source, message.destination, message.transport, &message.payload)
        })
        .collect();
    let texts: Vec<RowText> = captures.iter().map(|capture| RowText::new(&KAMAILIO_ROWS, capture, b"node")).collect();
    let headers = HeaderNames::default();
    let rows: Vec<_> = captures
        .iter()
        .zip(&texts)
        .map(|(capture, text)| {
            let mut row = Vec::new();
            fill_sip(&mut row, &KAMAILIO_ROWS, capture, &extract(capture.payload, None, &headers), text, b"node");
            row
        })
        .collect();
    let url = DatabaseUrl::parse(url).expect("a database URL");
    let options = SinkOptions { create_tables: true, ..SinkOptions::default() };
    sink::open(&url, &options).write(table, &sip_layout(names), &rows).expect("the rows are stored");
}
