//! The capture node: what stands behind `sip_capture()` and `report_capture()`, from configuration to shutdown.

use super::report::{Homer6Texts, type_of};
use super::settings::{CaptureSettings, DATABASE_SINK, HepRoute, RELAY_SINK};
use crate::capture::{CUSTOM_FIELDS, Capture, RowKind, Transport};
use crate::hep::{PAYLOAD_SIP, kind};
use crate::log_limit::LogLimit;
use crate::module::Module;
use crate::module::captures_sip::{CaptureNeeds, CapturesSip};
use crate::module::engine::capture_queue::now_us;
use crate::module::engine::common_settings::CommonSettings;
use crate::module::engine::dialect::Dialect;
use crate::module::engine::pipeline::Pipeline;
use crate::module::engine::relay::{Relay, RelayError};
use crate::module::engine::state::StateError;
use crate::module::hep::context::{AgentIds, HepContext};
use crate::module::hep::decoded::DecodedHep;
use crate::module::hep::intake::{HepPacket, Verdict};
use crate::module::hep::metadata::Metadata;
use crate::module::node::queueing::{queue_report, queue_sip, refused_message};
use crate::module::node::script_tables::ScriptTables;
use crate::module::opensips::dialect::SIPCAPTURE;
use crate::module::opensips::rows::WEBSOCKET;
use crate::module::parameter::ParameterError;
use crate::module::raw::input::{RawError, RawInput};
use crate::module::sip_message::{CaptureError, SipMessage};
use crate::queue::counters::Produced;
use crate::writer::WriterPlan;
use log::Level;

/// Type of the chunk that holds the correlation id while `proto_hep` speaks to Homer 6.
const HOMER6_CORRELATION: u16 = 101;

/// State of one capture node module; every process of the server has its copy, and the lanes in common.
#[derive(Debug)]
pub struct CaptureNode {
    settings: CaptureSettings,
    pipeline: Pipeline,
    /// The packet that [`CapturesSip::take_hep`] began.
    hep: HepContext,
    /// None at all: what a packet says comes with each call, as the script has changed it, and nobody tells when the
    /// server is done with a message that it routes.
    no_packet: HepContext,
    raw: RawInput,
    tables: ScriptTables,
    relay: Relay,
    report_log: LogLimit,
}

impl Default for CaptureNode {
    fn default() -> CaptureNode {
        CaptureNode {
            settings: CaptureSettings::default(),
            pipeline: Pipeline::default(),
            hep: HepContext::new(AgentIds::OfPackets),
            no_packet: HepContext::new(AgentIds::OfPackets),
            raw: RawInput::default(),
            tables: ScriptTables::default(),
            relay: Relay::default(),
            report_log: LogLimit::default(),
        }
    }
}

impl CaptureNode {
    /// The parameters as set.
    pub fn settings(&self) -> &CaptureSettings {
        &self.settings
    }

    /// The parameters, to set; only before [`Module::check`].
    pub fn settings_mut(&mut self) -> Result<&mut CaptureSettings, StateError> {
        self.pipeline.check_is_open()?;
        Ok(&mut self.settings)
    }

    fn capture_refused(&mut self, payload: &[u8]) -> Result<(), CaptureError> {
        let Some(message) = refused_message(&self.pipeline.queue, &self.hep, payload)? else { return Ok(()) };
        self.check_is_on()?;
        let table = self.settings.node.bad_table.as_ref().unwrap_or(&self.settings.table).as_bytes();
        let queued = queue_sip(&mut self.pipeline.queue, &self.hep, &message, 0, DATABASE_SINK, table);
        self.hep.note_capture();
        queued
    }

    fn check_is_on(&self) -> Result<(), CaptureError> {
        if self.pipeline.mapped()?.capture_on() { Ok(()) } else { Err(CaptureError::Off) }
    }
}

/// What a packet says, with a time that is none taken for the present one.
fn timed<'a>(given: Metadata<'a>) -> Metadata<'a> {
    let now_for_none = |time_us: i64| if time_us < 1_000_000 { now_us() } else { time_us };
    Metadata { time_us: given.time_us.map(now_for_none), ..given }
}

/// What the server itself calls what carried a message.
fn of_server(transport: Transport) -> Transport {
    if transport == WEBSOCKET { Transport::Ws } else { transport }
}

impl CapturesSip for CaptureNode {
    fn needs(&self) -> Result<CaptureNeeds<'_>, StateError> {
        let route = if let HepRoute::Route(name) = &self.settings.hep_route { name.as_bytes() } else { b"" };
        Ok(CaptureNeeds {
            asks_script: !route.is_empty(),
            unmasks: false,
            takes_hep: self.settings.hep.capture_on,
            correlation_chunk: if self.settings.is_homer5 { kind::CORRELATION_ID } else { HOMER6_CORRELATION },
            hep_route: route,
        })
    }

    fn capture_sip(&mut self, message: &SipMessage<'_>, table: &[u8], mode: usize) -> Result<(), CaptureError> {
        self.check_is_on()?;
        if mode != 0 {
            return Err(CaptureError::Mode(mode));
        }
        self.tables.check(table)?;
        if message.payload.is_empty() {
            // A script can delete the payload of a packet before it captures.
            self.pipeline.queue.count(Produced::HepBad)?;
            return Err(CaptureError::NoSip);
        }
        let table = if table.is_empty() { self.settings.table.as_bytes() } else { table };
        let message = SipMessage { metadata: timed(message.metadata), ..*message };
        let queued = queue_sip(&mut self.pipeline.queue, &self.no_packet, &message, mode, DATABASE_SINK, table);
        self.hep.note_capture();
        queued
    }

    fn capture_report(
        &mut self,
        message: &SipMessage<'_>,
        table: &[u8],
        correlation: &[u8],
        body: &[u8],
    ) -> Result<(), CaptureError> {
        self.check_is_on()?;
        self.tables.check(table)?;
        let given = timed(message.metadata);
        let report_type = type_of(&given).inspect_err(|error| {
            self.report_log.log(Level::Error, format_args!("report_capture(): {error}"));
        })?;
        let payload = if body.is_empty() { message.payload } else { body };
        let texts = (!self.settings.is_homer5).then(|| Homer6Texts::of(&given, payload));
        let (custom, correlation) = match &texts {
            Some(texts) => (texts.values(correlation), &b""[..]),
            None => ([None; CUSTOM_FIELDS], correlation),
        };
        let table = if table.is_empty() { self.settings.report_table.as_bytes() } else { table };
        let given = Metadata { transport: given.transport.map(of_server), ..given };
        let report = Capture {
            kind: RowKind::Report(report_type),
            custom,
            table: Some(table),
            ..Capture::sip(0, message.source, message.destination, message.transport, payload)
        };
        queue_report(&mut self.pipeline.queue, &self.no_packet, &given, correlation, report)
    }

    fn take_hep<'a>(&mut self, packet: &DecodedHep<'a>) -> Result<Verdict<'a>, StateError> {
        if !packet.is_raw() && !self.settings.hep.capture_on {
            return Ok(Verdict::Pass);
        }
        let queue = &mut self.pipeline.queue;
        let message = SipMessage { metadata: timed(packet.message.metadata), ..packet.message };
        if !self.hep.begin(&self.settings.hep, queue, &DecodedHep { message, ..*packet })? {
            return Ok(Verdict::Done);
        }
        let route = Verdict::Route(HepPacket {
            version: message.metadata.hep_version.unwrap_or(0),
            transport: message.metadata.transport.unwrap_or(message.transport),
            source: message.source,
            destination: message.destination,
            time_us: message.metadata.time_us,
            payload: message.payload,
        });
        match self.settings.hep_route {
            _ if packet.is_raw() => Ok(route),
            HepRoute::Route(_) => Ok(Verdict::NeedsScript),
            _ if message.metadata.payload_type.is_some_and(|number| number != i32::from(PAYLOAD_SIP)) => {
                // No table is for it, and its agent does nothing wrong.
                queue.count(Produced::HepOtherType)?;
                self.hep.end();
                Ok(Verdict::Done)
            }
            _ if message.payload.is_empty() => Ok(self.hep.count_bad(queue, &"the SIP payload is empty")),
            HepRoute::Sip => Ok(route),
            HepRoute::Capture => {
                let captured = self.capture_sip(&message, b"", 0);
                self.hep.end();
                match captured {
                    Err(CaptureError::State(error)) => Err(error),
                    // A switch that is off is no news, and what the queue does not take is counted there.
                    _ => Ok(Verdict::Done),
                }
            }
        }
    }

    fn end_hep(&mut self, refused: Option<&[u8]>) -> Result<(), CaptureError> {
        let answer = refused.map_or(Ok(()), |payload| self.capture_refused(payload));
        self.hep.end();
        answer
    }

    fn relay(&mut self, uri: &[u8], packet: &[u8]) -> Result<(), RelayError> {
        self.relay.relay(&mut self.pipeline.queue, RELAY_SINK, uri, packet)
    }

    fn open_raw(&mut self) -> Result<usize, RawError> {
        self.pipeline.check_is_checked()?;
        self.raw.open(&self.settings.raw, &self.settings.common.aliases)
    }

    fn receive_raw(&mut self) -> Result<HepPacket<'_>, StateError> {
        self.raw.receive(&self.pipeline.queue, &mut self.hep)
    }
}

impl Module for CaptureNode {
    of_settings_and_pipeline!(SIPCAPTURE);

    fn check_module(&mut self) -> Result<(), ParameterError> {
        self.settings.check()
    }

    fn is_on_at_start(&self) -> bool {
        self.settings.node.capture_on
    }
}
