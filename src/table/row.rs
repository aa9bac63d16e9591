//! Rows: the values of one capture, in the order of its layout.
//!
//! A row borrows everything: header fields from the capture's payload, and the few texts that the payload does not
//! hold (addresses, node) from a [`RowText`] that the caller keeps. Filling a row into a used `Vec` allocates nothing:
//!
//! ```text
//! captures ──► Vec<RowText>            first pass, one a capture
//! captures + &texts ──► Vec<Row>       second pass, borrows both
//! ```

use super::column::{CaptureValue, ReportValue, SipValue, TraceValue};
use super::dialect::{CorrelationSource, RowDialect};
use crate::capture::{Capture, RowKind};
use crate::sip::Fields;
use std::fmt::{self, Write};
use std::net::IpAddr;

/// One value of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// Microseconds since the Unix epoch, for a [`ColumnKind::Time`](super::ColumnKind::Time) column.
    Time(i64),
    /// For a [`ColumnKind::Int`](super::ColumnKind::Int) or [`ColumnKind::BigInt`](super::ColumnKind::BigInt) column.
    Int(i64),
    /// For a [`ColumnKind::Text`](super::ColumnKind::Text) or [`ColumnKind::Message`](super::ColumnKind::Message)
    /// column; arbitrary bytes.
    Bytes(&'a [u8]),
}

/// The values of one row, in the order of its layout.
pub type Row<'a> = Vec<Value<'a>>;

/// The longest node text, as in the stock module.
const NODE_LENGTH: usize = 99;

/// The longest address text: an IPv6 address that ends in dotted IPv4 notation.
const IP_LENGTH: usize = 45;

/// A short text in place; what does not fit is cut.
#[derive(Clone, Copy, Debug)]
struct ShortText<const N: usize> {
    bytes: [u8; N],
    length: usize,
}

impl<const N: usize> ShortText<N> {
    const EMPTY: ShortText<N> = ShortText { bytes: [0; N], length: 0 };

    fn push(&mut self, text: &[u8]) {
        let text = &text[..text.len().min(N - self.length)];
        self.bytes[self.length..self.length + text.len()].copy_from_slice(text);
        self.length += text.len();
    }

    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl<const N: usize> Write for ShortText<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text.as_bytes());
        Ok(())
    }
}

/// The texts of a row that are in no packet: both addresses and the node.
#[derive(Clone, Copy, Debug)]
pub struct RowText {
    source_ip: ShortText<IP_LENGTH>,
    destination_ip: ShortText<IP_LENGTH>,
    node: ShortText<NODE_LENGTH>,
}

impl RowText {
    /// Writes out the addresses of `capture`, and `capture_node` with the capture agent's id behind it if there is one,
    /// in the form of `dialect`, cut to 99 bytes then; without an agent the node is not cut (see [`fill_sip`]).
    pub fn new(dialect: &RowDialect, capture: &Capture<'_>, capture_node: &[u8]) -> RowText {
        let mut text =
            RowText { source_ip: ShortText::EMPTY, destination_ip: ShortText::EMPTY, node: ShortText::EMPTY };
        write_ip(&mut text.source_ip, capture.source.ip());
        write_ip(&mut text.destination_ip, capture.destination.ip());
        if let Some(agent_id) = capture.agent_id {
            text.node.push(capture_node);
            write!(text.node, ":{}", dialect.agent_id.number(agent_id)).expect("a short text takes any write");
        }
        text
    }

    fn node<'a>(&'a self, capture: &Capture<'_>, capture_node: &'a [u8]) -> &'a [u8] {
        if capture.agent_id.is_some() { self.node.as_bytes() } else { capture_node }
    }
}

/// Writes an address as inet_ntop(3) does, no brackets.
fn write_ip(text: &mut ShortText<IP_LENGTH>, ip: IpAddr) {
    let written = match ip {
        IpAddr::V6(v6) => match v6.segments() {
            // The one form where Rust's own text differs: an IPv4-compatible address ends in dotted notation.
            [0, 0, 0, 0, 0, 0, high, low] if high != 0 => {
                let [a, b] = high.to_be_bytes();
                let [c, d] = low.to_be_bytes();
                write!(text, "::{a}.{b}.{c}.{d}")
            }
            _ => write!(text, "{v6}"),
        },
        IpAddr::V4(v4) => write!(text, "{v4}"),
    };
    written.expect("a short text takes any write");
}

/// The `family` column: the address family numbers of Linux.
fn family(ip: IpAddr) -> i64 {
    match ip {
        IpAddr::V4(_) => 2,
        IpAddr::V6(_) => 10,
    }
}

/// What every capture has, whatever its row.
#[derive(Clone, Copy)]
struct Common<'r, 'a> {
    dialect: &'r RowDialect,
    capture: &'r Capture<'a>,
    text: &'a RowText,
    capture_node: &'a [u8],
}

impl<'a> Common<'_, 'a> {
    fn value(&self, value: CaptureValue) -> Value<'a> {
        use Value::{Bytes, Int, Time};
        let Common { dialect, capture, text, capture_node } = *self;
        match value {
            CaptureValue::Time => Time(capture.time_us),
            CaptureValue::Micros => Int(capture.time_us),
            CaptureValue::MicrosOfSecond => Int(capture.time_us.rem_euclid(1_000_000)),
            CaptureValue::SourceIp => Bytes(text.source_ip.as_bytes()),
            CaptureValue::SourcePort => Int(capture.source.port().into()),
            CaptureValue::DestinationIp => Bytes(text.destination_ip.as_bytes()),
            CaptureValue::DestinationPort => Int(capture.destination.port().into()),
            CaptureValue::Transport => Int(dialect.transports.number(capture).into()),
            CaptureValue::Family => Int(family(capture.source.ip())),
            CaptureValue::Node => Bytes(text.node(capture, capture_node)),
            CaptureValue::NodeName => Bytes(capture_node),
            CaptureValue::AgentId => Int(dialect.agent_id.number(capture.agent_id.unwrap_or(0))),
            CaptureValue::Message => Bytes(capture.payload),
            CaptureValue::MessageLength => Int(capture.payload.len() as i64),
        }
    }
}

fn custom<'a>(capture: &Capture<'a>, number: usize) -> Option<&'a [u8]> {
    capture.custom.get(number).copied().flatten()
}

/// Fills `row` with the values of a SIP message, in the order of [`RowDialect::sip`].
///
/// `text` is [`RowText::new`] of the same dialect, capture and `capture_node`. A Call-ID that the host has unmasked
/// stands in for the message's, and a custom value that the script gave for the header's. What is absent is empty or 0.
pub fn fill_sip<'a>(
    row: &mut Row<'a>,
    dialect: &RowDialect,
    capture: &Capture<'a>,
    fields: &Fields<'a>,
    text: &'a RowText,
    capture_node: &'a [u8],
) {
    use Value::{Bytes, Int};
    let common = Common { dialect, capture, text, capture_node };
    let call_id = capture.call_id.unwrap_or(fields.callid);
    let fallback = match dialect.correlation {
        CorrelationSource::CaptureOrCallId => call_id,
        CorrelationSource::Capture => b"",
    };
    let correlation_id = capture.correlation_id.filter(|id| !id.is_empty()).unwrap_or(fallback);
    row.clear();
    row.extend(dialect.sip.iter().map(|column| match column.value {
        SipValue::Capture(value) => common.value(value),
        SipValue::Text(text) => Bytes(text(fields)),
        SipValue::Number(number) => Int(number(fields)),
        SipValue::CallId => Bytes(call_id),
        SipValue::CorrelationId => Bytes(correlation_id),
        SipValue::Custom(number) => {
            Bytes(custom(capture, number).or(fields.custom.get(number).copied()).unwrap_or_default())
        }
        SipValue::Empty => Bytes(b""),
    }));
}

/// Fills `row` with the values of a report, in the order of [`RowDialect::report`].
///
/// `text` is as in [`fill_sip`]. The correlation id is the capture's alone. The type is that of [`RowKind::Report`]; a
/// capture of another kind gets 0.
pub fn fill_report<'a>(
    row: &mut Row<'a>,
    dialect: &RowDialect,
    capture: &Capture<'a>,
    text: &'a RowText,
    capture_node: &'a [u8],
) {
    use Value::{Bytes, Int};
    let common = Common { dialect, capture, text, capture_node };
    let report_type = match capture.kind {
        RowKind::Report(number) => number.into(),
        _ => 0,
    };
    row.clear();
    row.extend(dialect.report.iter().map(|column| match column.value {
        ReportValue::Capture(value) => common.value(value),
        ReportValue::CorrelationId => Bytes(capture.correlation_id.unwrap_or_default()),
        ReportValue::Type => Int(report_type),
        ReportValue::Custom(number) => Bytes(custom(capture, number).unwrap_or_default()),
    }));
}

/// Fills `row` with the values of a traced message, in the order of [`RowDialect::trace`]. `text` is as in
/// [`fill_sip`]. What is absent is empty.
pub fn fill_trace<'a>(
    row: &mut Row<'a>,
    dialect: &RowDialect,
    capture: &Capture<'a>,
    text: &'a RowText,
    capture_node: &'a [u8],
) {
    use Value::Bytes;
    let common = Common { dialect, capture, text, capture_node };
    let trace = capture.trace.unwrap_or_default();
    row.clear();
    row.extend(dialect.trace.iter().map(|column| match column.value {
        TraceValue::Capture(value) => common.value(value),
        TraceValue::CallId => Bytes(capture.call_id.unwrap_or_default()),
        TraceValue::Direction => Bytes(if trace.is_outgoing { b"out" } else { b"in" }),
        TraceValue::Text(text) => Bytes(text(&trace)),
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::Transport;
    use crate::sip::FirstLine;
    use crate::table::test_dialect::DIALECT;
    use crate::table::{ColumnKind, ColumnNames, Layout, report_layout, sip_layout};

    fn capture(payload: &[u8]) -> Capture<'_> {
        let (source, destination) = ("192.0.2.1:5060".parse().unwrap(), "192.0.2.2:5080".parse().unwrap());
        Capture::sip(1_700_000_000_123_456, source, destination, Transport::Tcp, payload)
    }

    fn value<'a>(layout: &Layout, row: &Row<'a>, key: &str) -> Value<'a> {
        row[layout.columns.iter().position(|column| column.key == key).unwrap()]
    }

    #[test]
    fn every_value_of_a_sip_row_stands_under_its_column() {
        let layout = sip_layout(&ColumnNames::default());
        let fields = Fields {
            first_line: FirstLine::Reply,
            malformed: false,
            method: b"method",
            reply_reason: b"reply_reason",
            ruri: b"ruri",
            ruri_user: b"ruri_user",
            ruri_domain: b"ruri_domain",
            from_user: b"from_user",
            from_domain: b"from_domain",
            from_tag: b"from_tag",
            to_user: b"to_user",
            to_domain: b"to_domain",
            to_tag: b"to_tag",
            pid_user: b"pid_user",
            contact_user: b"contact_user",
            contact_ip: b"contact_ip",
            contact_port: 1111,
            auth_user: b"auth_user",
            callid: b"callid",
            callid_aleg: b"callid_aleg",
            via_1: b"via_1",
            via_1_branch: b"via_1_branch",
            cseq: b"cseq",
            reason: b"reason",
            content_type: b"content_type",
            user_agent: b"user_agent",
            originator_ip: b"originator_ip",
            originator_port: 2222,
            rtp_stat: b"rtp_stat",
            diversion: b"diversion",
            custom: [b"custom_field1", b"custom_field2", b"custom_field3"],
        };
        let capture = Capture { correlation_id: Some(b"correlation_id"), ..capture(b"msg") };
        let text = RowText::new(&DIALECT, &capture, b"node");
        let mut row = vec![Value::Int(7)];
        fill_sip(&mut row, &DIALECT, &capture, &fields, &text, b"node");
        assert_eq!(row.len(), 44);
        for (column, value) in layout.columns.iter().zip(&row) {
            let expected = match column.key {
                "date" => Value::Time(1_700_000_000_123_456),
                "micro_ts" => Value::Int(1_700_000_000_123_456),
                "auth" => Value::Bytes(b""),
                "source_ip" => Value::Bytes(b"192.0.2.1"),
                "source_port" => Value::Int(5060),
                "destination_ip" => Value::Bytes(b"192.0.2.2"),
                "destination_port" => Value::Int(5080),
                "contact_port" => Value::Int(1111),
                "originator_port" => Value::Int(2222),
                "proto" => Value::Int(2),
                "family" => Value::Int(2),
                "type" => Value::Int(2),
                key => Value::Bytes(key.as_bytes()),
            };
            assert_eq!(*value, expected, "{}", column.key);
            let is_number = matches!(column.kind, ColumnKind::Int | ColumnKind::BigInt);
            assert_eq!(matches!(value, Value::Int(_)), is_number, "{}", column.key);
        }
    }

    #[test]
    fn a_report_row_holds_the_report() {
        let layout = report_layout(&ColumnNames::default());
        let capture = Capture {
            source: "[2001:db8::1]:5060".parse().unwrap(),
            destination: "[2001:db8::2]:5080".parse().unwrap(),
            kind: RowKind::Report(3),
            agent_id: Some(42),
            ..capture(b"{}")
        };
        let text = RowText::new(&DIALECT, &capture, b"homer01");
        let mut row = Row::new();
        fill_report(&mut row, &DIALECT, &capture, &text, b"homer01");
        let expected = [
            ("date", Value::Time(1_700_000_000_123_456)),
            ("micro_ts", Value::Int(1_700_000_000_123_456)),
            ("correlation_id", Value::Bytes(b"")),
            ("source_ip", Value::Bytes(b"2001:db8::1")),
            ("source_port", Value::Int(5060)),
            ("destination_ip", Value::Bytes(b"2001:db8::2")),
            ("destination_port", Value::Int(5080)),
            ("proto", Value::Int(2)),
            ("family", Value::Int(10)),
            ("type", Value::Int(3)),
            ("node", Value::Bytes(b"homer01:42")),
            ("msg", Value::Bytes(b"{}")),
        ];
        assert_eq!(row.len(), expected.len());
        for (key, expected) in expected {
            assert_eq!(value(&layout, &row, key), expected, "{key}");
        }
    }

    #[test]
    fn an_unmasked_call_id_takes_the_place_of_the_messages_own() {
        let layout = sip_layout(&ColumnNames::default());
        let capture = Capture { call_id: Some(b"plain"), ..capture(b"") };
        let text = RowText::new(&DIALECT, &capture, b"n");
        let mut row = Row::new();
        fill_sip(&mut row, &DIALECT, &capture, &Fields { callid: b"masked", ..Fields::default() }, &text, b"n");
        assert_eq!(value(&layout, &row, "callid"), Value::Bytes(b"plain"));
        assert_eq!(value(&layout, &row, "correlation_id"), Value::Bytes(b"plain"));
    }

    #[test]
    fn a_custom_value_of_the_capture_takes_the_place_of_the_headers_own() {
        let layout = sip_layout(&ColumnNames::default());
        let capture = Capture { custom: [Some(b"given"), None, Some(b"")], ..capture(b"") };
        let fields = Fields { custom: [b"one", b"two", b"three"], ..Fields::default() };
        let text = RowText::new(&DIALECT, &capture, b"n");
        let mut row = Row::new();
        fill_sip(&mut row, &DIALECT, &capture, &fields, &text, b"n");
        let values = ["custom_field1", "custom_field2", "custom_field3"].map(|key| value(&layout, &row, key));
        assert_eq!(values, [&b"given"[..], b"two", b""].map(Value::Bytes));
    }

    #[test]
    fn the_call_id_stands_in_for_an_absent_or_empty_correlation_id() {
        let layout = sip_layout(&ColumnNames::default());
        let fields = Fields { callid: b"c1", ..Fields::default() };
        for correlation_id in [None, Some(&b""[..])] {
            let capture = Capture { correlation_id, ..capture(b"") };
            let text = RowText::new(&DIALECT, &capture, b"");
            let mut row = Row::new();
            fill_sip(&mut row, &DIALECT, &capture, &fields, &text, b"");
            assert_eq!(value(&layout, &row, "correlation_id"), Value::Bytes(b"c1"));
        }
    }

    #[test]
    fn a_node_with_an_agent_is_cut_to_99_bytes_and_one_without_is_not() {
        let layout = report_layout(&ColumnNames::default());
        let node = vec![b'n'; 120];
        for (agent_id, length) in [(Some(7), 99), (None, 120)] {
            let capture = Capture { agent_id, ..capture(b"") };
            let text = RowText::new(&DIALECT, &capture, &node);
            let mut row = Row::new();
            fill_report(&mut row, &DIALECT, &capture, &text, &node);
            assert_eq!(value(&layout, &row, "node"), Value::Bytes(&node[..length]));
        }
    }

    #[test]
    fn addresses_are_written_as_inet_ntop_writes_them() {
        for (address, expected) in [
            ("10.0.0.1", "10.0.0.1"),
            ("::", "::"),
            ("::1", "::1"),
            ("::ffff:1.2.3.4", "::ffff:1.2.3.4"),
            ("::102:304", "::1.2.3.4"),
            ("2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
            ("1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7"),
            ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ] {
            let mut text = ShortText::EMPTY;
            write_ip(&mut text, address.parse().unwrap());
            assert_eq!(text.as_bytes(), expected.as_bytes());
        }
    }
}
