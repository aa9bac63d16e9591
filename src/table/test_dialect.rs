//! A dialect for tests of this room and those above it.

use super::{
    AgentIdForm, CorrelationSource, OtherTransports, RowDialect, RowTransports, TransportNumbers, homer5, sip_trace,
};
use crate::capture::Transport;

/// Homer 5's columns, UDP and TCP under the numbers 1 and 2.
pub const DIALECT: RowDialect = RowDialect {
    sip: homer5::SIP,
    report: homer5::REPORT,
    trace: sip_trace::TRACE,
    transports: RowTransports::all(&TransportNumbers {
        known: &[(Transport::Udp, 1), (Transport::Tcp, 2)],
        others: OtherTransports::Zero,
    }),
    agent_id: AgentIdForm::Unsigned,
    correlation: CorrelationSource::CaptureOrCallId,
};
