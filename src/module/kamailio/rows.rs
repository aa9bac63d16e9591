//! Kamailio's rows: the first value of the dialect.

use crate::capture::Transport;
use crate::table::{
    AgentIdForm, CorrelationSource, OtherTransports, RowDialect, RowTransports, TransportNumbers, homer5, sip_trace,
};

/// Reports that come in HEP packets know two.
const OF_HEP_REPORTS: TransportNumbers =
    TransportNumbers { known: &[(Transport::Udp, 1), (Transport::Tcp, 2)], others: OtherTransports::Zero };

/// The rows of `sipcapture` and `siptrace`.
pub const ROWS: RowDialect = RowDialect {
    sip: homer5::SIP,
    report: homer5::REPORT,
    trace: sip_trace::TRACE,
    transports: RowTransports { hep_report: &OF_HEP_REPORTS, ..RowTransports::all(&TransportNumbers::OF_SERVERS) },
    agent_id: AgentIdForm::Unsigned,
    correlation: CorrelationSource::CaptureOrCallId,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transports_have_the_numbers_of_kamailios_core_however_the_message_came() {
        let transports =
            [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Sctp, Transport::Ws, Transport::Wss];
        let tables = [ROWS.transports.plain, ROWS.transports.report].into_iter().chain(ROWS.transports.hep);
        for numbers in tables {
            assert_eq!(transports.map(|transport| numbers.number(transport)), [1, 2, 3, 4, 5, 6]);
            assert_eq!([Transport::Other(50), Transport::UNKNOWN].map(|transport| numbers.number(transport)), [0, 0]);
        }
        let of_hep_reports = transports.map(|transport| ROWS.transports.hep_report.number(transport));
        assert_eq!(of_hep_reports, [1, 2, 0, 0, 0, 0]);
    }
}
