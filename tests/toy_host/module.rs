//! The module of the toy host, which has what a module must have and little else: it captures the SIP messages that it
//! is handed, and passes HEP packets on.
//!
//! The host itself is `host.c` beside this file. Both are an example to begin from; doc/adding-a-host.md goes through
//! them.

use super::captures_sip::CapturesSip;
use super::engine::common_settings::{self, CommonSettings};
use super::engine::dialect::{Dialect, Fault};
use super::engine::forward::{ForwardRules, LookUp};
use super::engine::pipeline::Pipeline;
use super::engine::relay::{Relay, RelayError};
use super::engine::state::StateError;
use super::hep::context::HepContext;
use super::hep::intake::Verdict;
use super::hep::settings::HepSettings;
use super::{CaptureError, Module, ParameterError, ParameterList, SipMessage};
use crate::capture::{Capture, Transport};
use crate::queue::counters::Observer;
use crate::sink::hep::CollectorOptions;
use crate::sink::url::UrlForms;
use crate::table::column::CaptureValue::{self, AgentId, DestinationPort, Message, Micros, SourceIp, Time};
use crate::table::column::{SipValue, column};
use crate::table::{
    AgentIdForm, CorrelationSource, OtherTransports, RowDialect, RowTransports, TransportNumbers, homer5, sip_trace,
};
use crate::writer::{SinkPlan, WriterPlan};
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

/// Transports as IP protocol numbers.
const TRANSPORTS: TransportNumbers = TransportNumbers {
    known: &[(Transport::Udp, 17), (Transport::Tcp, 6), (Transport::Tls, 22), (Transport::Sctp, 132)],
    others: OtherTransports::IpProtocol,
};

/// What its rows hold: of SIP messages fewer columns than most hosts have, in another order and with a number of its
/// own; of reports and traces, which it has none of, the usual ones.
const ROWS: RowDialect = RowDialect {
    sip: &[
        column("callid", "callid_column", SipValue::CallId),
        column("method", "method_column", SipValue::Text(|fields| fields.method)),
        column("date", "date_column", SipValue::Capture(Time)),
        column("micro_ts", "micro_ts_column", SipValue::Capture(Micros)),
        column("source_ip", "source_ip_column", SipValue::Capture(SourceIp)),
        column("destination_port", "destination_port_column", SipValue::Capture(DestinationPort)),
        column("ip_protocol", "ip_protocol_column", SipValue::Capture(CaptureValue::Transport)),
        column("agent", "agent_column", SipValue::Capture(AgentId)),
        column("msg", "msg_column", SipValue::Capture(Message)),
    ],
    report: homer5::REPORT,
    trace: sip_trace::TRACE,
    transports: RowTransports::all(&TRANSPORTS),
    agent_id: AgentIdForm::Unsigned,
    correlation: CorrelationSource::Capture,
};

/// What this host does otherwise than others.
static DIALECT: Dialect = Dialect {
    activity: "capture",
    commands: &[],
    spool_name: "toy-spool",
    default_url: "sqlite:////var/lib/toy/sip.db",
    url_forms: UrlForms::PLAIN,
    database_parameters: "db_url",
    aliases: &[("database", "db_url")],
    rows: ROWS,
    stats: &[],
    observer: Observer::Node,
    not_ready: Fault::new(503, "not yet"),
    not_exported: None,
    refusal: |_, _, _| None,
    forward: ForwardRules { look_up: LookUp::ByAddress, holds: false },
};

/// The sink of packets that are passed on, in the order of the plan.
const RELAY_SINK: u8 = 1;

/// Every parameter.
pub static PARAMETERS: LazyLock<ParameterList> =
    LazyLock::new(|| ParameterList::new().texts(common_settings::TEXTS).numbers(common_settings::NUMBERS));

/// The module.
#[derive(Debug)]
pub struct ToyModule {
    common: CommonSettings,
    pipeline: Pipeline,
    hep: HepContext,
    relay: Relay,
}

impl Default for ToyModule {
    fn default() -> ToyModule {
        ToyModule {
            common: CommonSettings::new(&DIALECT),
            pipeline: Pipeline::default(),
            hep: HepContext::default(),
            relay: Relay::default(),
        }
    }
}

impl CapturesSip for ToyModule {
    /// Queues `message` for `table`, `sip_capture` when it is empty. There are no modes.
    fn capture_sip(&mut self, message: &SipMessage<'_>, table: &[u8], _: usize) -> Result<(), CaptureError> {
        if !self.pipeline.mapped()?.capture_on() {
            return Err(CaptureError::Off);
        }
        let capture = Capture {
            table: (!table.is_empty()).then_some(table),
            ..Capture::sip(0, message.source, message.destination, message.transport, message.payload)
        };
        Ok(self.pipeline.queue.push(&self.hep.described(&message.metadata, capture))??)
    }

    fn receive_hep<'a>(&'a mut self, datagram: &'a [u8], sender: IpAddr) -> Result<Verdict<'a>, StateError> {
        let settings = HepSettings { capture_on: true, ..HepSettings::default() };
        self.hep.receive(&settings, &mut self.pipeline.queue, datagram, sender)
    }

    fn end_hep(&mut self, _: Option<&[u8]>) -> Result<(), CaptureError> {
        self.hep.end();
        Ok(())
    }

    fn relay(&mut self, uri: &[u8], packet: &[u8]) -> Result<(), RelayError> {
        self.relay.relay(&mut self.pipeline.queue, RELAY_SINK, uri, packet)
    }
}

impl Module for ToyModule {
    fn dialect(&self) -> &'static Dialect {
        &DIALECT
    }

    fn common(&self) -> &CommonSettings {
        &self.common
    }

    fn common_mut(&mut self) -> &mut CommonSettings {
        &mut self.common
    }

    fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    fn pipeline_mut(&mut self) -> &mut Pipeline {
        &mut self.pipeline
    }

    fn set_module_text(&mut self, name: &str, value: &[u8]) -> Result<(), ParameterError> {
        self.common.set_text(name, super::parameter::utf8(name, value)?).unwrap_or_else(|| Err(unknown(name, "string")))
    }

    fn set_module_number(&mut self, name: &str, value: i64) -> Result<(), ParameterError> {
        self.common.set_number(name, value).unwrap_or_else(|| Err(unknown(name, "int")))
    }

    fn check_module(&mut self) -> Result<(), ParameterError> {
        Ok(())
    }

    fn plan(&self) -> WriterPlan {
        let format = Arc::new(self.common.row_format("sip_capture"));
        let sink = self.common.database_sink(&self.common.db_url, false, &format);
        let relay = Relay::sink(CollectorOptions::default(), "relay");
        self.common.plan(vec![SinkPlan::new(sink, "db_url"), relay])
    }

    fn is_on_at_start(&self) -> bool {
        true
    }
}

fn unknown(name: &str, kind: &'static str) -> ParameterError {
    ParameterError::Unknown(name.to_owned(), kind)
}
