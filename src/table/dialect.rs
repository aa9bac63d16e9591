//! What rows of one host's modules look like, where they differ from another host's: a value of [`RowDialect`] for each
//! host, in the host's own room.

use super::column::{ColumnSpec, ReportValue, SipValue, TraceValue};
use crate::capture::{Capture, RowKind, Transport};

/// The rows of one host's modules.
#[derive(Clone, Copy, Debug)]
pub struct RowDialect {
    /// Columns of a SIP message, in the order of the INSERT.
    pub sip: &'static [ColumnSpec<SipValue>],
    /// Columns of a report.
    pub report: &'static [ColumnSpec<ReportValue>],
    /// Columns of a traced message.
    pub trace: &'static [ColumnSpec<TraceValue>],
    /// Numbers of transports.
    pub transports: RowTransports,
    /// How the capture agent's id is written.
    pub agent_id: AgentIdForm,
    /// Where the correlation id of a SIP message comes from.
    pub correlation: CorrelationSource,
}

/// How a capture agent's id is written: behind the capture node's name and a colon, and in a column of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentIdForm {
    /// As it is: 0 to 4,294,967,295.
    Unsigned,
    /// As a signed number of 32 bits: an id from 2,147,483,648 on is negative.
    Signed,
}

impl AgentIdForm {
    /// The number that stands for `agent_id`.
    pub fn number(self, agent_id: u32) -> i64 {
        match self {
            AgentIdForm::Unsigned => agent_id.into(),
            AgentIdForm::Signed => agent_id.cast_signed().into(),
        }
    }
}

/// Where the correlation id of a SIP message comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CorrelationSource {
    /// The capture's own, else the Call-ID.
    CaptureOrCallId,
    /// The capture's own alone.
    Capture,
}

/// Which numbers rows have for transports, by how the message came.
#[derive(Clone, Copy, Debug)]
pub struct RowTransports {
    /// SIP messages that came without HEP, or nobody has told how.
    pub plain: &'static TransportNumbers,
    /// SIP messages inside HEP of version 1, 2 and 3.
    pub hep: [&'static TransportNumbers; 3],
    /// Reports that a script makes.
    pub report: &'static TransportNumbers,
    /// What is not SIP in HEP packets, which become reports of themselves.
    pub hep_report: &'static TransportNumbers,
}

impl RowTransports {
    /// The same numbers for every row.
    pub const fn all(numbers: &'static TransportNumbers) -> RowTransports {
        RowTransports { plain: numbers, hep: [numbers; 3], report: numbers, hep_report: numbers }
    }

    /// The number that the row of `capture` has for its transport.
    pub(crate) fn number(&self, capture: &Capture<'_>) -> u8 {
        let of_version = |version: u8| self.hep.get(usize::from(version).checked_sub(1)?).copied();
        let numbers = match capture.kind {
            RowKind::Report(_) if capture.hep_version.is_some() => self.hep_report,
            RowKind::Report(_) => self.report,
            _ => capture.hep_version.and_then(of_version).unwrap_or(self.plain),
        };
        numbers.number(capture.transport)
    }
}

/// One way to number transports.
#[derive(Clone, Copy, Debug)]
pub struct TransportNumbers {
    /// Those that have a number.
    pub known: &'static [(Transport, u8)],
    /// What becomes of the others.
    pub others: OtherTransports,
}

/// The number of a transport that has none of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtherTransports {
    /// 0.
    Zero,
    /// Its IP protocol number, as the packet had it; 0 when that is not known.
    IpProtocol,
}

impl TransportNumbers {
    /// As the cores of SIP servers number what they listen on. Nothing else has a number.
    pub const OF_SERVERS: TransportNumbers = TransportNumbers {
        known: &[
            (Transport::Udp, 1),
            (Transport::Tcp, 2),
            (Transport::Tls, 3),
            (Transport::Sctp, 4),
            (Transport::Ws, 5),
            (Transport::Wss, 6),
        ],
        others: OtherTransports::Zero,
    };

    /// The number of `transport`.
    pub fn number(&self, transport: Transport) -> u8 {
        match (self.known.iter().find(|(known, _)| *known == transport), self.others, transport) {
            (Some((_, number)), ..) => *number,
            (None, OtherTransports::IpProtocol, Transport::Other(ip_protocol)) => ip_protocol,
            (None, ..) => 0,
        }
    }

    /// The transport with this number, for whoever reads a row.
    pub fn transport(&self, number: u8) -> Transport {
        let known = self.known.iter().find(|(_, known)| *known == number);
        match (known, self.others) {
            (Some((transport, _)), _) => *transport,
            (None, OtherTransports::IpProtocol) => Transport::Other(number),
            (None, OtherTransports::Zero) => Transport::UNKNOWN,
        }
    }
}

#[cfg(test)]
mod tests;
