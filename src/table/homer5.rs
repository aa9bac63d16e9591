//! The columns of Homer 5, which most capture tables have, and ours where `create_tables` makes them.

use super::column::CaptureValue::{
    DestinationIp, DestinationPort, Family, Message, Micros, Node, SourceIp, SourcePort, Time, Transport,
};
use super::column::{ColumnSpec, ReportValue, SipValue, column};

/// The 44 columns of a SIP message, in the order of the stock module's INSERT. `auth` is never filled, as the stock
/// module has it.
pub const SIP: &[ColumnSpec<SipValue>] = &SIP_COLUMNS;

/// The same, for dialects that have most of them.
pub const SIP_COLUMNS: [ColumnSpec<SipValue>; 44] = {
    use SipValue::{CallId, Capture, CorrelationId, Custom, Empty, Number, Text};
    [
        column("date", "date_column", Capture(Time)),
        column("micro_ts", "micro_ts_column", Capture(Micros)),
        column("method", "method_column", Text(|f| f.method)),
        column("reply_reason", "reply_reason_column", Text(|f| f.reply_reason)),
        column("ruri", "ruri_column", Text(|f| f.ruri)),
        column("ruri_user", "ruri_user_column", Text(|f| f.ruri_user)),
        column("from_user", "from_user_column", Text(|f| f.from_user)),
        column("from_tag", "from_tag_column", Text(|f| f.from_tag)),
        column("to_user", "to_user_column", Text(|f| f.to_user)),
        column("to_tag", "to_tag_column", Text(|f| f.to_tag)),
        column("pid_user", "pid_user_column", Text(|f| f.pid_user)),
        column("contact_user", "contact_user_column", Text(|f| f.contact_user)),
        column("auth_user", "auth_user_column", Text(|f| f.auth_user)),
        column("callid", "callid_column", CallId),
        column("callid_aleg", "callid_aleg_column", Text(|f| f.callid_aleg)),
        column("via_1", "via_1_column", Text(|f| f.via_1)),
        column("via_1_branch", "via_1_branch_column", Text(|f| f.via_1_branch)),
        column("cseq", "cseq_column", Text(|f| f.cseq)),
        column("reason", "reason_column", Text(|f| f.reason)),
        column("content_type", "content_type_column", Text(|f| f.content_type)),
        column("auth", "authorization_column", Empty),
        column("user_agent", "user_agent_column", Text(|f| f.user_agent)),
        column("source_ip", "source_ip_column", Capture(SourceIp)),
        column("source_port", "source_port_column", Capture(SourcePort)),
        column("destination_ip", "destination_ip_column", Capture(DestinationIp)),
        column("destination_port", "destination_port_column", Capture(DestinationPort)),
        column("contact_ip", "contact_ip_column", Text(|f| f.contact_ip)),
        column("contact_port", "contact_port_column", Number(|f| f.contact_port.into())),
        column("originator_ip", "originator_ip_column", Text(|f| f.originator_ip)),
        column("originator_port", "originator_port_column", Number(|f| f.originator_port.into())),
        column("proto", "proto_column", Capture(Transport)),
        column("family", "family_column", Capture(Family)),
        column("rtp_stat", "rtp_stat_column", Text(|f| f.rtp_stat)),
        column("type", "type_column", Number(|f| f.first_line as i64)),
        column("node", "node_column", Capture(Node)),
        column("correlation_id", "correlation_column", CorrelationId),
        column("from_domain", "from_domain_column", Text(|f| f.from_domain)),
        column("to_domain", "to_domain_column", Text(|f| f.to_domain)),
        column("ruri_domain", "ruri_domain_column", Text(|f| f.ruri_domain)),
        column("diversion", "diversion_column", Text(|f| f.diversion)),
        column("msg", "msg_column", Capture(Message)),
        column("custom_field1", "custom_field1_column", Custom(0)),
        column("custom_field2", "custom_field2_column", Custom(1)),
        column("custom_field3", "custom_field3_column", Custom(2)),
    ]
};

/// The 12 columns of a report (`rtcp_capture`, `report_capture`, `logs_capture`).
pub const REPORT: &[ColumnSpec<ReportValue>] = &REPORT_COLUMNS;

/// The same, for dialects that have most of them.
pub const REPORT_COLUMNS: [ColumnSpec<ReportValue>; 12] = {
    use ReportValue::{Capture, CorrelationId, Type};
    [
        column("date", "date_column", Capture(Time)),
        column("micro_ts", "micro_ts_column", Capture(Micros)),
        column("correlation_id", "correlation_column", CorrelationId),
        column("source_ip", "source_ip_column", Capture(SourceIp)),
        column("source_port", "source_port_column", Capture(SourcePort)),
        column("destination_ip", "destination_ip_column", Capture(DestinationIp)),
        column("destination_port", "destination_port_column", Capture(DestinationPort)),
        column("proto", "proto_column", Capture(Transport)),
        column("family", "family_column", Capture(Family)),
        column("type", "type_column", Type),
        column("node", "node_column", Capture(Node)),
        column("msg", "msg_column", Capture(Message)),
    ]
};
