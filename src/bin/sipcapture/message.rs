//! One captured message, as a row has it.

use crate::archive::sql::ColumnValue;
use crate::moment::rfc3339;
use crate::terminal::Style;
use serde_json::{Value, json};
use sipcapture_core::capture::Transport;
use sipcapture_core::module::KAMAILIO_ROWS;

/// The fields that the tool reads, by the default names of their columns, in the order of [`Message::from_cells`].
pub const FIELDS: [&str; 23] = [
    "micro_ts",
    "type",
    "method",
    "reply_reason",
    "callid",
    "correlation_id",
    "cseq",
    "from_user",
    "from_domain",
    "from_tag",
    "to_user",
    "to_domain",
    "to_tag",
    "via_1",
    "via_1_branch",
    "content_type",
    "source_ip",
    "source_port",
    "destination_ip",
    "destination_port",
    "proto",
    ROW_FIELD,
    MESSAGE_FIELD,
];

/// The field with the message itself, which is fetched only when it is shown.
pub const MESSAGE_FIELD: &str = "msg";

/// The field with the number of the row, which grows as rows are stored.
pub const ROW_FIELD: &str = "id";

/// An IP address as the row has it, and a port.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// Address without brackets.
    pub ip: String,
    /// Port.
    pub port: u16,
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.ip.contains(':') {
            true => write!(out, "[{}]:{}", self.ip, self.port),
            false => write!(out, "{}:{}", self.ip, self.port),
        }
    }
}

/// One side of a dialog: From or To.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Party {
    /// User part of the URI.
    pub user: String,
    /// Host part of the URI.
    pub domain: String,
    /// Tag, empty for none.
    pub tag: String,
}

impl Party {
    /// `user@domain`, or whichever of them is there.
    pub fn address(&self) -> String {
        match (self.user.is_empty(), self.domain.is_empty()) {
            (false, false) => format!("{}@{}", self.user, self.domain),
            _ => self.name().to_owned(),
        }
    }

    /// The user, or the domain where there is none.
    pub fn name(&self) -> &str {
        if self.user.is_empty() { &self.domain } else { &self.user }
    }

    fn to_json(&self) -> Value {
        json!({ "user": self.user, "domain": self.domain, "tag": self.tag })
    }
}

/// One captured message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Capture time, microseconds since the Unix epoch.
    pub micro_ts: i64,
    /// Method of a request, status code of a reply.
    pub method: String,
    /// Reason phrase of a reply.
    pub reason: String,
    /// Call-ID.
    pub call_id: String,
    /// Correlation id, the same for all legs of a call; the Call-ID where the capture agent gave none.
    pub correlation_id: String,
    /// CSeq: number and method.
    pub cseq: String,
    /// From.
    pub from: Party,
    /// To.
    pub to: Party,
    /// The whole first Via.
    pub via: String,
    /// Branch of the first Via.
    pub via_branch: String,
    /// Content-Type.
    pub content_type: String,
    /// Where it came from.
    pub source: Endpoint,
    /// Where it went to.
    pub destination: Endpoint,
    /// What carried it.
    pub transport: Transport,
    /// Number of its row, 0 where the table has none.
    pub id: i64,
    /// The table of its row.
    pub table: String,
    /// The message itself, when it was fetched.
    pub payload: Vec<u8>,
    /// Whether it is a request; else it is a reply, or neither.
    is_request: bool,
}

impl Message {
    /// Reads a row that was selected as [`FIELDS`], of which the last, the message itself, is given as `payload`.
    pub fn from_cells(cells: Vec<ColumnValue>, payload: Vec<u8>, table: &str) -> Message {
        let mut cells = cells.into_iter();
        let mut cell = || cells.next().unwrap_or(ColumnValue::Null);
        let micro_ts = cell().int();
        let kind = cell();
        let method = cell().text();
        let is_request = match kind {
            ColumnValue::Null => !method.is_empty() && !method.starts_with(|first: char| first.is_ascii_digit()),
            kind => kind.int() == 1,
        };
        let port = |cell: ColumnValue| u16::try_from(cell.int()).unwrap_or(0);
        Message {
            micro_ts,
            is_request,
            method,
            reason: cell().text(),
            call_id: cell().text(),
            correlation_id: cell().text(),
            cseq: cell().text(),
            from: Party { user: cell().text(), domain: cell().text(), tag: cell().text() },
            to: Party { user: cell().text(), domain: cell().text(), tag: cell().text() },
            via: cell().text(),
            via_branch: cell().text(),
            content_type: cell().text(),
            source: Endpoint { ip: cell().text(), port: port(cell()) },
            destination: Endpoint { ip: cell().text(), port: port(cell()) },
            transport: KAMAILIO_ROWS.transports.plain.transport(u8::try_from(cell().int()).unwrap_or(0)),
            id: cell().int(),
            payload,
            table: table.to_owned(),
        }
    }

    /// The method, when this is a request.
    pub fn request(&self) -> Option<&str> {
        self.is_request.then_some(self.method.as_str())
    }

    /// The status code, when this is a reply.
    pub fn status(&self) -> Option<u16> {
        if self.is_request { None } else { self.method.parse().ok() }
    }

    /// Number and method of CSeq, whichever can be read.
    pub fn cseq_parts(&self) -> (Option<u32>, &str) {
        let mut words = self.cseq.split_ascii_whitespace();
        (words.next().and_then(|number| number.parse().ok()), words.next().unwrap_or(""))
    }

    /// Whether it opens a dialog or stands alone: no To tag, and no part of another transaction.
    pub fn is_initial(&self) -> bool {
        self.is_request && self.to.tag.is_empty() && self.method != "ACK" && self.method != "CANCEL"
    }

    /// Its label in a ladder: `INVITE (SDP)`, `180 Ringing`.
    pub fn label(&self) -> String {
        match self.body() {
            Some(body) => format!("{} ({body})", self.first_line()),
            None => self.first_line(),
        }
    }

    /// Method, or status code and reason phrase.
    pub fn first_line(&self) -> String {
        match (self.method.is_empty(), self.reason.is_empty()) {
            (true, _) => "not SIP".to_owned(),
            (false, true) => self.method.clone(),
            (false, false) => format!("{} {}", self.method, self.reason),
        }
    }

    /// What its body is by its Content-Type, where a ladder shows that: a session description, or a multipart body that
    /// may contain one.
    pub fn body(&self) -> Option<&'static str> {
        let content_type = self.content_type.to_ascii_lowercase();
        match content_type.split(';').next().map(str::trim) {
            Some("application/sdp") => Some("SDP"),
            Some(kind) if kind.starts_with("multipart/") => Some("multipart"),
            _ => None,
        }
    }

    /// How its label looks.
    pub fn style(&self) -> Style {
        match self.status() {
            Some(status) => Style::of_status(status),
            None if self.is_request => Style::Request,
            None => Style::Plain,
        }
    }

    /// Name of the transport, `?` when it is not known.
    pub fn transport_name(&self) -> &'static str {
        match self.transport {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
            Transport::Tls => "TLS",
            Transport::Sctp => "SCTP",
            Transport::Ws => "WS",
            Transport::Wss => "WSS",
            Transport::Other(_) => "?",
        }
    }

    /// Whether it went over a connection. The port of the side that opened it means nothing.
    pub fn over_connection(&self) -> bool {
        matches!(self.transport, Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss)
    }

    /// The fields that every JSON document with messages has for each of them.
    pub fn to_json(&self) -> Value {
        let endpoint = |endpoint: &Endpoint| json!({ "ip": endpoint.ip, "port": endpoint.port });
        json!({
            "time": rfc3339(self.micro_ts),
            "micro_ts": self.micro_ts,
            "type": if self.is_request { "request" } else { "reply" },
            "method": self.request().unwrap_or_else(|| self.cseq_parts().1),
            "status": self.status(),
            "reason": self.reason,
            "label": self.label(),
            "call_id": self.call_id,
            "correlation_id": self.correlation_id,
            "cseq": self.cseq,
            "from": self.from.to_json(),
            "to": self.to.to_json(),
            "via_branch": self.via_branch,
            "content_type": self.content_type,
            "transport": self.transport_name(),
            "source": endpoint(&self.source),
            "destination": endpoint(&self.destination),
            "table": self.table,
        })
    }
}

#[cfg(test)]
pub mod tests {
    //! Messages for the tests of every layout.

    use super::*;

    /// A request of the call `call-1` from 10.0.0.1 to 10.0.0.2, both at port 5060, without a To tag.
    pub fn request(micro_ts: i64, method: &str, cseq: &str) -> Message {
        let party = |user: &str| Party { user: user.into(), domain: "example.com".into(), tag: String::new() };
        let mut message = Message {
            micro_ts,
            method: method.into(),
            call_id: "call-1".into(),
            correlation_id: "call-1".into(),
            cseq: cseq.into(),
            from: party("alice"),
            to: party("bob"),
            transport: Transport::Udp,
            is_request: true,
            ..Message::default()
        };
        message.from.tag = "a".into();
        message.between("10.0.0.1:5060", "10.0.0.2:5060")
    }

    /// The reply `status_line` (`180 Ringing`) to it, the other way.
    pub fn reply(micro_ts: i64, status_line: &str, cseq: &str) -> Message {
        let (status, reason) = status_line.split_once(' ').unwrap();
        let request = request(micro_ts, status, cseq).in_dialog();
        Message { reason: reason.into(), is_request: false, ..request }.between("10.0.0.2:5060", "10.0.0.1:5060")
    }

    impl Message {
        /// The same with a To tag.
        pub fn in_dialog(mut self) -> Message {
            self.to.tag = "b".into();
            self
        }

        /// The same with a session description.
        pub fn with_sdp(mut self) -> Message {
            self.content_type = "application/sdp".into();
            self
        }

        /// The same over TCP, with this address in its Via.
        pub fn over_tcp(mut self, sent_by: &str) -> Message {
            self.transport = Transport::Tcp;
            self.via = format!("SIP/2.0/TCP {sent_by};branch=z9hG4bK-1");
            self
        }

        /// The same from one `ip:port` to another.
        pub fn between(mut self, source: &str, destination: &str) -> Message {
            let endpoint = |text: &str| {
                let (ip, port) = text.rsplit_once(':').unwrap();
                Endpoint { ip: ip.into(), port: port.parse().unwrap() }
            };
            self.source = endpoint(source);
            self.destination = endpoint(destination);
            self
        }
    }

    #[test]
    fn a_label_names_the_first_line_and_the_body() {
        assert_eq!(request(0, "INVITE", "1 INVITE").with_sdp().label(), "INVITE (SDP)");
        assert_eq!(reply(0, "180 Ringing", "1 INVITE").label(), "180 Ringing");
        let mut parts = request(0, "INVITE", "1 INVITE");
        parts.content_type = "multipart/mixed;boundary=x".into();
        assert_eq!(parts.label(), "INVITE (multipart)");
        parts.method.clear();
        parts.content_type.clear();
        assert_eq!(parts.label(), "not SIP");
    }

    #[test]
    fn a_row_without_a_type_column_is_told_by_its_method() {
        let row = |method: &str| {
            let mut cells = vec![ColumnValue::Int(7), ColumnValue::Null, ColumnValue::Text(method.into())];
            cells.resize(FIELDS.len(), ColumnValue::Null);
            Message::from_cells(cells, Vec::new(), "sip_capture")
        };
        assert_eq!(row("INVITE").request(), Some("INVITE"));
        assert_eq!((row("180").request(), row("180").status()), (None, Some(180)));
    }

    #[test]
    fn an_ipv6_endpoint_is_bracketed() {
        assert_eq!(Endpoint { ip: "2001:db8::1".into(), port: 5060 }.to_string(), "[2001:db8::1]:5060");
    }
}
