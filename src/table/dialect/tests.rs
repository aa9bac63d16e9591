//! A second dialect, which differs from the first wherever hosts do: what its rows hold.

use super::*;
use crate::sip::{Fields, FirstLine};
use crate::table::column::CaptureValue::{Message, Node, Time};
use crate::table::column::{CaptureValue, column, optional_column};
use crate::table::{
    ColumnNames, Row, RowText, TraceColumnNames, Value, fill_report, fill_sip, homer6, report_layout, sip_layout,
    sip_trace, trace_layout,
};

const CORE: TransportNumbers = TransportNumbers::OF_SERVERS;
const HEADER: TransportNumbers = TransportNumbers {
    known: &[(Transport::Udp, 17), (Transport::Tcp, 6), (Transport::Tls, 22), (Transport::Sctp, 132)],
    others: OtherTransports::IpProtocol,
};
const CHUNK: TransportNumbers = TransportNumbers {
    known: &[
        (Transport::Udp, 17),
        (Transport::Tcp, 6),
        (Transport::Tls, 22),
        (Transport::Sctp, 132),
        (Transport::Other(50), 50),
    ],
    others: OtherTransports::Zero,
};

/// Some columns of SIP rows in an order of its own, reports of 17 columns whose further values come with the call,
/// numbers by version of HEP, signed agent ids, and no Call-ID for a correlation id.
const SECOND: RowDialect = RowDialect {
    sip: {
        use SipValue::{CallId, Capture, CorrelationId, Custom, Empty, Number, Text};
        &[
            column("type", "type_column", Number(|fields| fields.first_line as i64)),
            column("date", "date_column", Capture(Time)),
            column("contact_user", "contact_user_column", Empty),
            column("callid", "callid_column", CallId),
            column("proto", "proto_column", Capture(CaptureValue::Transport)),
            column("node", "node_column", Capture(Node)),
            column("correlation_id", "", CorrelationId),
            column("msg", "msg_column", Capture(Message)),
            column("custom_field1", "", Custom(0)),
            column("custom_field2", "", Custom(1)),
            column("custom_field3", "", Custom(2)),
            optional_column("diversion", "diversion_column", Text(|fields| fields.diversion)),
        ]
    },
    report: homer6::REPORT,
    trace: sip_trace::TRACE,
    transports: RowTransports { plain: &CORE, hep: [&HEADER, &HEADER, &CHUNK], report: &CORE, hep_report: &CORE },
    agent_id: AgentIdForm::Signed,
    correlation: CorrelationSource::Capture,
};

fn capture(transport: Transport) -> Capture<'static> {
    let (source, destination) = ("[2001:db8::1]:5060".parse().unwrap(), "[2001:db8::2]:5080".parse().unwrap());
    Capture::sip(1_700_000_000_123_456, source, destination, transport, b"message")
}

#[test]
fn rows_of_a_second_dialect_hold_its_columns_in_its_order() {
    let fields = Fields {
        first_line: FirstLine::Reply,
        callid: b"call",
        contact_user: b"contact",
        diversion: b"diverted",
        custom: [b"header", b"", b""],
        ..Fields::default()
    };
    let custom = [None, Some(&b"second"[..]), Some(&b""[..])];
    let capture = Capture { agent_id: Some(u32::MAX), custom, ..capture(Transport::Tls) };
    let text = RowText::new(&SECOND, &capture, b"node");
    let mut row = Row::new();
    fill_sip(&mut row, &SECOND, &capture, &fields, &text, b"node");
    let expected = [
        Value::Int(2),
        Value::Time(1_700_000_000_123_456),
        Value::Bytes(b""),
        Value::Bytes(b"call"),
        Value::Int(3),
        Value::Bytes(b"node:-1"),
        Value::Bytes(b""),
        Value::Bytes(b"message"),
        Value::Bytes(b"header"),
        Value::Bytes(b"second"),
        Value::Bytes(b""),
        Value::Bytes(b"diverted"),
    ];
    assert_eq!(row, expected);
    let layout = sip_layout(&ColumnNames::of(&SECOND));
    let keys: Vec<&str> = layout.columns.iter().map(|column| column.key).collect();
    assert_eq!((keys.len(), keys[0], keys[11]), (12, "type", "diversion"));
    let optional: Vec<&str> =
        layout.columns.iter().filter(|column| column.is_optional).map(|column| column.key).collect();
    assert_eq!(optional, ["diversion"]);
}

#[test]
fn a_report_of_a_second_dialect_has_columns_of_its_own_and_values_that_came_with_the_call() {
    let custom = [Some(&b"transaction"[..]), Some(&b"192.0.2.9"[..]), None];
    let capture = Capture {
        kind: RowKind::Report(32),
        hep_version: Some(3),
        agent_id: Some(u32::MAX),
        correlation_id: Some(b"id"),
        custom,
        ..capture(Transport::Udp)
    };
    let text = RowText::new(&SECOND, &capture, b"node");
    let mut row = Row::new();
    fill_report(&mut row, &SECOND, &capture, &text, b"node");
    let expected = [
        Value::Time(1_700_000_000_123_456),
        Value::Int(123_456),
        Value::Bytes(b"transaction"),
        Value::Bytes(b"2001:db8::1"),
        Value::Int(5060),
        Value::Bytes(b"2001:db8::2"),
        Value::Int(5080),
        // A report's number is the core's, by whatever HEP it came.
        Value::Int(1),
        Value::Int(10),
        Value::Int(32),
        Value::Bytes(b"node"),
        Value::Bytes(b"message"),
        Value::Int(7),
        Value::Bytes(b"id"),
        Value::Bytes(b"192.0.2.9"),
        Value::Int(-1),
        Value::Bytes(b""),
    ];
    assert_eq!(row, expected);
    assert_eq!(report_layout(&ColumnNames::of(&SECOND)).columns.len(), expected.len());
}

#[test]
fn a_number_for_a_transport_depends_on_how_the_message_came() {
    let number = |hep_version, transport| SECOND.transports.number(&Capture { hep_version, ..capture(transport) });
    for (transport, plain, header, chunk) in [
        (Transport::Udp, 1, 17, 17),
        (Transport::Tls, 3, 22, 22),
        (Transport::Wss, 6, 0, 0),
        (Transport::Other(50), 0, 50, 50),
        (Transport::Other(99), 0, 99, 0),
        (Transport::UNKNOWN, 0, 0, 0),
    ] {
        let numbers = [None, Some(1), Some(2), Some(3)].map(|version| number(version, transport));
        assert_eq!(numbers, [plain, header, header, chunk], "{transport:?}");
    }
    // A version that there is not.
    assert_eq!(number(Some(0), Transport::Udp), 1);
    assert_eq!(number(Some(4), Transport::Udp), 1);
}

#[test]
fn a_number_reads_back_as_the_transport_that_it_was_written_for() {
    for numbers in [CORE, HEADER, CHUNK] {
        for &(transport, number) in numbers.known {
            assert_eq!(numbers.transport(number), transport);
        }
    }
    assert_eq!(HEADER.transport(99), Transport::Other(99));
    assert_eq!(CHUNK.transport(99), Transport::UNKNOWN);
}

#[test]
fn a_column_without_a_parameter_keeps_its_name() {
    let mut names = ColumnNames::of(&SECOND);
    let parameters: Vec<&str> = names.parameters().collect();
    assert_eq!(parameters.len(), 8);
    assert!(parameters.iter().all(|parameter| names.set(parameter, "renamed")));
    assert!(!names.set("", "x") && !names.set("correlation_id_column", "x") && !names.set("ruri_column", "x"));
    let kept = sip_layout(&names).columns.into_iter().filter(|column| column.name != "renamed");
    let kept: Vec<String> = kept.map(|column| column.name).collect();
    assert_eq!(kept, ["correlation_id", "custom_field1", "custom_field2", "custom_field3"]);
    assert_eq!(trace_layout(&TraceColumnNames::of(&SECOND)).columns.len(), 12);
}

#[test]
fn a_report_that_came_in_hep_by_itself_may_have_other_numbers_than_one_of_a_script() {
    let transports = RowTransports { hep_report: &HEADER, ..SECOND.transports };
    let report = |hep_version| Capture { kind: RowKind::Report(5), hep_version, ..capture(Transport::Udp) };
    assert_eq!([Some(3), None].map(|version| transports.number(&report(version))), [17, 1]);
}
