//! OpenSIPS' rows: columns of its own among those of Homer 5, and reports of two kinds.

use crate::capture::Transport;
use crate::table::column::{ColumnSpec, ReportValue, SipValue, column, optional_column, with_column, with_last_column};
use crate::table::{
    AgentIdForm, CorrelationSource, OtherTransports, RowDialect, RowTransports, TransportNumbers, homer5, homer6,
    sip_trace,
};

/// The 43 columns of a SIP message, in the order of the stock module's INSERT, and `diversion` behind them, which the
/// stock module reads and does not store. `contact_user` and `auth` are never filled, as there.
const SIP: [ColumnSpec<SipValue>; 44] = {
    use SipValue::{CorrelationId, Custom, Empty, Text};
    let diversion = optional_column("diversion", "diversion_column", Text(|fields| fields.diversion));
    let columns = with_last_column(homer5::SIP_COLUMNS, diversion);
    let columns = with_column(columns, column("contact_user", "contact_user_column", Empty));
    // No parameter names these.
    let columns = with_column(columns, column("correlation_id", "", CorrelationId));
    let columns = with_column(columns, column("from_domain", "", Text(|fields| fields.from_domain)));
    let columns = with_column(columns, column("to_domain", "", Text(|fields| fields.to_domain)));
    let columns = with_column(columns, column("ruri_domain", "", Text(|fields| fields.ruri_domain)));
    let columns = with_column(columns, column("custom_field1", "", Custom(0)));
    let columns = with_column(columns, column("custom_field2", "", Custom(1)));
    with_column(columns, column("custom_field3", "", Custom(2)))
};

/// The 12 columns of a report.
const REPORT: [ColumnSpec<ReportValue>; 12] =
    with_column(homer5::REPORT_COLUMNS, column("correlation_id", "", ReportValue::CorrelationId));

/// The `proto` byte of HEP 1 and 2, as it is.
const OF_HEADERS: TransportNumbers = TransportNumbers { known: IP_PROTOCOLS, others: OtherTransports::IpProtocol };

/// HEP 3: the IP protocols that the stock module knows.
const OF_CHUNKS: TransportNumbers = TransportNumbers { known: IP_PROTOCOLS, others: OtherTransports::Zero };

const IP_PROTOCOLS: &[(Transport, u8)] =
    &[(Transport::Udp, 17), (Transport::Tcp, 6), (Transport::Tls, 22), (Transport::Sctp, 132), (WEBSOCKET, 50)];

/// What HEP packets of this server have for a WebSocket.
pub(super) const WEBSOCKET: Transport = Transport::Other(50);

/// The rows of `sipcapture`.
pub const ROWS: RowDialect = RowDialect {
    sip: &SIP,
    report: &REPORT,
    trace: sip_trace::TRACE,
    transports: RowTransports {
        plain: &TransportNumbers::OF_SERVERS,
        hep: [&OF_HEADERS, &OF_HEADERS, &OF_CHUNKS],
        report: &TransportNumbers::OF_SERVERS,
        hep_report: &TransportNumbers::OF_SERVERS,
    },
    agent_id: AgentIdForm::Signed,
    correlation: CorrelationSource::Capture,
};

/// The same while `proto_hep` speaks to Homer 6.
pub const ROWS_HOMER6: RowDialect = RowDialect { report: homer6::REPORT, ..ROWS };

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::{Capture, RowKind};
    use crate::sip::Fields;
    use crate::table::{ColumnNames, Row, RowText, Value, fill_report, fill_sip, report_layout, sip_layout};

    /// The specification's list, in its order.
    const COLUMNS: [&str; 43] = [
        "date",
        "micro_ts",
        "method",
        "reply_reason",
        "ruri",
        "ruri_user",
        "from_user",
        "from_tag",
        "to_user",
        "to_tag",
        "pid_user",
        "contact_user",
        "auth_user",
        "callid",
        "callid_aleg",
        "via_1",
        "via_1_branch",
        "cseq",
        "reason",
        "content_type",
        "auth",
        "user_agent",
        "source_ip",
        "source_port",
        "destination_ip",
        "destination_port",
        "contact_ip",
        "contact_port",
        "originator_ip",
        "originator_port",
        "proto",
        "family",
        "rtp_stat",
        "type",
        "node",
        "correlation_id",
        "from_domain",
        "to_domain",
        "ruri_domain",
        "msg",
        "custom_field1",
        "custom_field2",
        "custom_field3",
    ];

    fn capture(transport: Transport) -> Capture<'static> {
        let (source, destination) = ("[2001:db8::1]:5060".parse().unwrap(), "[2001:db8::2]:5080".parse().unwrap());
        Capture::sip(1_700_000_000_123_456, source, destination, transport, b"{}")
    }

    #[test]
    fn a_sip_row_has_the_43_columns_in_order_and_diversion_where_the_table_has_it() {
        let layout = sip_layout(&ColumnNames::of(&ROWS));
        let keys: Vec<&str> = layout.columns.iter().map(|column| column.key).collect();
        assert_eq!((&keys[..43], keys[43]), (&COLUMNS[..], "diversion"));
        let optional = layout.columns.iter().filter(|column| column.is_optional);
        assert_eq!(optional.map(|column| column.key).collect::<Vec<_>>(), ["diversion"]);
    }

    #[test]
    fn columns_are_renamed_by_the_stock_parameters_and_by_no_others() {
        let mut names = ColumnNames::of(&ROWS);
        let parameters: Vec<&str> = names.parameters().collect();
        let fixed = ["correlation_id", "from_domain", "to_domain", "ruri_domain"];
        let is_fixed = |key: &str| fixed.contains(&key) || key.starts_with("custom_field");
        let expected: Vec<String> = COLUMNS
            .into_iter()
            .chain(["diversion"])
            .filter(|key| !is_fixed(key))
            .map(|key| format!("{}_column", if key == "auth" { "authorization" } else { key }))
            .collect();
        assert_eq!(parameters, expected);
        assert!(names.set("authorization_column", "a") && names.set("diversion_column", "diversion_user"));
        assert!(!names.set("auth_column", "a") && !names.set("correlation_column", "c"));
        let layout = sip_layout(&names);
        assert_eq!((layout.name_of("auth"), layout.name_of("diversion")), (Some("a"), Some("diversion_user")));
    }

    #[test]
    fn contact_user_and_auth_are_empty_and_never_null_and_a_call_id_is_no_correlation_id() {
        let fields = Fields { contact_user: b"bob", callid: b"call", diversion: b"diverted", ..Fields::default() };
        let capture = Capture { agent_id: Some(u32::MAX), ..capture(Transport::Udp) };
        let text = RowText::new(&ROWS, &capture, b"homer01");
        let mut row = Row::new();
        fill_sip(&mut row, &ROWS, &capture, &fields, &text, b"homer01");
        let value = |key: &str| row[COLUMNS.iter().position(|known| *known == key).unwrap()];
        for key in ["contact_user", "auth", "correlation_id", "custom_field1", "custom_field2", "custom_field3"] {
            assert_eq!(value(key), Value::Bytes(b""), "{key}");
        }
        assert_eq!((value("callid"), value("node")), (Value::Bytes(b"call"), Value::Bytes(b"homer01:-1")));
        assert_eq!(row[43], Value::Bytes(b"diverted"));
    }

    #[test]
    fn a_transport_has_the_number_of_the_hep_header_of_its_protocol_or_of_the_server() {
        let numbers = |transport| {
            let sip =
                [None, Some(1), Some(2), Some(3)].map(|hep_version| Capture { hep_version, ..capture(transport) });
            let report = Capture { kind: RowKind::Report(5), ..capture(transport) };
            (sip.map(|capture| ROWS.transports.number(&capture)), ROWS.transports.number(&report))
        };
        for (transport, sip, report) in [
            (Transport::Udp, [1, 17, 17, 17], 1),
            (Transport::Tcp, [2, 6, 6, 6], 2),
            (Transport::Tls, [3, 22, 22, 22], 3),
            (Transport::Sctp, [4, 132, 132, 132], 4),
            (Transport::Ws, [5, 0, 0, 0], 5),
            (Transport::Wss, [6, 0, 0, 0], 6),
            (Transport::Other(50), [0, 50, 50, 50], 0),
            (Transport::Other(1), [0, 1, 1, 0], 0),
            (Transport::UNKNOWN, [0; 4], 0),
        ] {
            assert_eq!(numbers(transport), (sip, report), "{transport:?}");
        }
    }

    #[test]
    fn a_report_has_12_columns_with_the_parameters_of_sip_rows() {
        let mut names = ColumnNames::of(&ROWS);
        assert!(names.set("date_column", "d"));
        let layout = report_layout(&names);
        let keys = homer5::REPORT.iter().map(|column| column.key);
        assert!(layout.columns.iter().map(|column| column.key).eq(keys));
        assert_eq!((layout.name_of("date"), layout.name_of("correlation_id")), (Some("d"), Some("correlation_id")));
    }

    #[test]
    fn a_report_for_homer_6_has_17_columns_that_no_parameter_renames() {
        let mut names = ColumnNames::of(&ROWS_HOMER6);
        assert!(names.set("type_column", "t"));
        let capture = Capture {
            kind: RowKind::Report(32),
            agent_id: Some(u32::MAX),
            correlation_id: Some(b"other"),
            custom: [Some(b"leg"), Some(b"192.0.2.9"), Some(b"Answered")],
            ..capture(Transport::Ws)
        };
        let text = RowText::new(&ROWS_HOMER6, &capture, b"homer01");
        let mut row = Row::new();
        fill_report(&mut row, &ROWS_HOMER6, &capture, &text, b"homer01");
        let columns = report_layout(&names).columns;
        let named: Vec<(&str, Value<'_>)> =
            columns.iter().map(|column| column.name.as_str()).zip(row.iter().copied()).collect();
        let expected = [
            ("tss", Value::Time(1_700_000_000_123_456)),
            ("tsu", Value::Int(123_456)),
            ("transaction_id", Value::Bytes(b"leg")),
            ("source_ip", Value::Bytes(b"2001:db8::1")),
            ("source_port", Value::Int(5060)),
            ("destination_ip", Value::Bytes(b"2001:db8::2")),
            ("destination_port", Value::Int(5080)),
            ("proto", Value::Int(5)),
            ("family", Value::Int(10)),
            ("type", Value::Int(32)),
            ("node", Value::Bytes(b"homer01")),
            ("data", Value::Bytes(b"{}")),
            ("payload_len", Value::Int(2)),
            ("correlation_id", Value::Bytes(b"other")),
            ("capture_ip", Value::Bytes(b"192.0.2.9")),
            ("capt_id", Value::Int(-1)),
            ("event", Value::Bytes(b"Answered")),
        ];
        assert_eq!(named, expected);
    }
}
