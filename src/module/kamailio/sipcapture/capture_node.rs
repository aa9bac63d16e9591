//! The capture node: what stands behind `sip_capture()`, from configuration to shutdown.

use crate::capture::{Capture, RowKind};
use crate::hep::kind;
use crate::log_limit::LogLimit;
use crate::module::Module;
use crate::module::captures_sip::{CaptureNeeds, CapturesSip};
use crate::module::engine::common_settings::CommonSettings;
use crate::module::engine::dialect::Dialect;
use crate::module::engine::masked;
use crate::module::engine::modes::{Modes, TableSelector};
use crate::module::engine::pipeline::Pipeline;
use crate::module::engine::state::StateError;
use crate::module::engine::statistics::Statistic;
use crate::module::hep::context::HepContext;
use crate::module::hep::intake::{HepPacket, Verdict, sip_inside};
use crate::module::hep::variable::HepVariable;
use crate::module::kamailio::dialect::SIPCAPTURE;
use crate::module::kamailio::sipcapture::mode_counters;
use crate::module::kamailio::sipcapture::settings::CaptureSettings;
use crate::module::node::queueing::{queue_report, queue_sip, refused_message};
use crate::module::node::script_tables::ScriptTables;
use crate::module::parameter::ParameterError;
use crate::module::raw::input::{RawError, RawInput};
use crate::module::sip_message::{CaptureError, SipMessage};
use crate::module::variable::VariableValue;
use crate::queue::counters::Produced;
use crate::sip;
use crate::writer::WriterPlan;
use log::Level;
use std::net::IpAddr;

/// State of one capture node module; every process of the server has its copy, and the lanes in common.
#[derive(Debug, Default)]
pub struct CaptureNode {
    settings: CaptureSettings,
    pipeline: Pipeline,
    modes: Modes,
    selector: TableSelector,
    hep: HepContext,
    raw: RawInput,
    tables: ScriptTables,
    /// What is sent on, without secrets.
    redacted: Vec<u8>,
    mode_log: LogLimit,
}

impl CaptureNode {
    /// The parameters as set.
    pub fn settings(&self) -> &CaptureSettings {
        &self.settings
    }

    /// The parameters, to set; only before [`CaptureNode::check`].
    pub fn settings_mut(&mut self) -> Result<&mut CaptureSettings, StateError> {
        self.pipeline.check_is_open()?;
        Ok(&mut self.settings)
    }

    fn capture_refused(&mut self, payload: &[u8]) -> Result<(), CaptureError> {
        let Some(message) = refused_message(&self.pipeline.queue, &self.hep, payload)? else { return Ok(()) };
        let table = self.settings.node.bad_table.clone().unwrap_or_default();
        self.capture_sip(&message, table.as_bytes(), 0)
    }

    /// Queues the SIP message inside the packet that the script is looking at, with what the host says of it in
    /// `message`.
    fn capture_asked(&mut self, message: &SipMessage<'_>, table: &[u8], mode: usize) -> Result<(), CaptureError> {
        // Out of the way for the call below, which may look at everything else.
        let mut inflated = std::mem::take(&mut self.hep.inflated);
        let answer = match sip_inside(message.payload, &mut inflated) {
            Some((addresses, payload)) => {
                let SipMessage { call_id, metadata, custom, .. } = *message;
                let inside = SipMessage { call_id, metadata, custom, ..SipMessage::of(addresses, payload) };
                self.capture_sip(&inside, table, mode)
            }
            None => Err(CaptureError::NoSip),
        };
        self.hep.inflated = inflated;
        answer
    }
}

impl CapturesSip for CaptureNode {
    fn needs(&self) -> Result<CaptureNeeds<'_>, StateError> {
        Ok(CaptureNeeds {
            asks_script: self.settings.hep.asks_script,
            unmasks: self.settings.topoh_unmask,
            takes_hep: self.settings.hep.capture_on,
            correlation_chunk: kind::CORRELATION_ID,
            hep_route: b"",
        })
    }

    fn find_mode(&mut self, name: &[u8]) -> Result<Option<usize>, StateError> {
        self.pipeline.check_is_checked()?;
        let found = self.modes.find(name);
        if found.is_none() {
            let (name, known) = (String::from_utf8_lossy(name), self.modes.names());
            let line = format_args!(
                "sip_capture(): there is no capture mode {name:?}: {known} are there, the parameter capture_mode makes \
                 more"
            );
            self.mode_log.log(Level::Error, line);
        }
        Ok(found)
    }

    fn capture_sip(&mut self, message: &SipMessage<'_>, table: &[u8], mode: usize) -> Result<(), CaptureError> {
        if self.hep.is_asked_about(message.payload) {
            return self.capture_asked(message, table, mode);
        }
        if !self.pipeline.mapped()?.capture_on() {
            return Err(CaptureError::Off);
        }
        self.tables.check(table)?;
        let producer = self.pipeline.queue.producer()?;
        if !self.settings.captures_malformed
            && sip::extract(message.payload, message.rewritten_uri, &self.settings.node.headers).malformed
        {
            producer.count(Produced::RefusedMalformed);
            return Err(CaptureError::Malformed);
        }
        let chosen = self.modes.get(mode).ok_or(CaptureError::Mode(mode))?;
        let table = if table.is_empty() {
            let Some(table) = self.selector.table(chosen, mode, message.payload, message.call_id) else {
                producer.count(Produced::HashRefused);
                return Err(CaptureError::NoHashSource);
            };
            table.as_bytes()
        } else {
            table
        };
        let queued = queue_sip(&mut self.pipeline.queue, &self.hep, message, mode, chosen.sink, table);
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
        if !self.pipeline.mapped()?.capture_on() {
            return Err(CaptureError::Off);
        }
        self.tables.check(table)?;
        // Scripts for old versions name the function itself where they mean no body.
        let payload = if b"report_capture".starts_with(body) { message.payload } else { body };
        let capture = Capture {
            kind: RowKind::Report(sip::first_line_kind(message.payload) as u8),
            custom: message.custom,
            table: Some(if table.is_empty() { b"report_capture" } else { table }),
            ..Capture::sip(0, message.source, message.destination, message.transport, payload)
        };
        queue_report(&mut self.pipeline.queue, &self.hep, &message.metadata, correlation, capture)
    }

    fn redacted<'a>(&'a mut self, bytes: &'a [u8]) -> Result<&'a [u8], CaptureError> {
        let masks = &self.settings.common.masks;
        if masks.is_empty() {
            return Ok(bytes);
        }
        if let Err(why) = masked::write(masks, bytes, &mut self.redacted) {
            let line = format_args!("a HEP packet is not sent on, for its secrets cannot be masked: {why}");
            self.hep.bad_log.log(Level::Warn, line);
            return Err(why.into());
        }
        Ok(&self.redacted)
    }

    fn receive_hep<'a>(&'a mut self, datagram: &'a [u8], sender: IpAddr) -> Result<Verdict<'a>, StateError> {
        self.hep.receive(&self.settings.hep, &mut self.pipeline.queue, datagram, sender)
    }

    fn accept_hep<'a>(&'a mut self, datagram: &'a [u8]) -> Result<Verdict<'a>, StateError> {
        self.hep.accept(&mut self.pipeline.queue, datagram)
    }

    fn end_hep(&mut self, refused: Option<&[u8]>) -> Result<(), CaptureError> {
        let answer = refused.map_or(Ok(()), |payload| self.capture_refused(payload));
        self.hep.end();
        answer
    }

    fn hep_value<'a>(&'a mut self, variable: HepVariable, packet: &'a [u8]) -> VariableValue<'a> {
        self.hep.value(variable, packet)
    }

    fn call_id<'a>(&'a mut self, message: &'a [u8]) -> &'a [u8] {
        self.hep.call_id(message)
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
        self.settings.raw.capture()?;
        self.modes = self.settings.modes();
        Ok(())
    }

    fn is_on_at_start(&self) -> bool {
        self.settings.node.capture_on
    }

    fn modes_and_counters(&self) -> (Vec<String>, Vec<Statistic>) {
        let names = self.modes.iter().map(|mode| mode.name.clone()).collect();
        (names, mode_counters::of_modes(&self.modes, self.settings.mode_statistics))
    }

    fn note_lane(&mut self, index: usize) {
        self.selector = TableSelector::of_process(index);
    }
}
