//! The columns of a report for Homer 6.

use super::column::CaptureValue::{
    AgentId, DestinationIp, DestinationPort, Family, Message, MessageLength, MicrosOfSecond, NodeName, SourceIp,
    SourcePort, Time, Transport,
};
use super::column::{ColumnSpec, ReportValue, column};

/// The values that come with a report: the id that the script has given,
pub const TRANSACTION_ID: usize = 0;
/// the address that the HEP packet came to,
pub const CAPTURE_IP: usize = 1;
/// and the event that its payload tells.
pub const EVENT: usize = 2;

/// The 17 columns of a report, which no parameter renames.
pub const REPORT: &[ColumnSpec<ReportValue>] = {
    use ReportValue::{Capture, CorrelationId, Custom, Type};
    &[
        column("tss", "", Capture(Time)),
        column("tsu", "", Capture(MicrosOfSecond)),
        column("transaction_id", "", Custom(TRANSACTION_ID)),
        column("source_ip", "", Capture(SourceIp)),
        column("source_port", "", Capture(SourcePort)),
        column("destination_ip", "", Capture(DestinationIp)),
        column("destination_port", "", Capture(DestinationPort)),
        column("proto", "", Capture(Transport)),
        column("family", "", Capture(Family)),
        column("type", "", Type),
        column("node", "", Capture(NodeName)),
        column("data", "", Capture(Message)),
        column("payload_len", "", Capture(MessageLength)),
        column("correlation_id", "", CorrelationId),
        column("capture_ip", "", Custom(CAPTURE_IP)),
        column("capt_id", "", Capture(AgentId)),
        column("event", "", Custom(EVENT)),
    ]
};
