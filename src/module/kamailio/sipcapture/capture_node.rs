//! The capture node: what stands behind `sip_capture()`, from configuration to shutdown.

use crate::capture::{Capture, RowKind, Transport};
use crate::log_limit::LogLimit;
use crate::module::engine::counters::{self, Counter};
use crate::module::engine::database_files;
use crate::module::engine::masked::{self, Unmaskable};
use crate::module::engine::modes::{Modes, Turns};
use crate::module::engine::owned_directory::Owner;
use crate::module::engine::pipeline::{self, HostedSink, MapError, Pause, Pipeline, StateError, now_us, own};
use crate::module::engine::spool_place;
use crate::module::hep::context::HepContext;
use crate::module::kamailio::sipcapture::mode_counters;
use crate::module::kamailio::sipcapture::settings::CaptureSettings;
use crate::module::parameter::ParameterError;
use crate::module::raw::input::RawInput;
use crate::queue::lane::{Lanes, Produced, PushError};
use crate::sip::{self, FirstLine};
use crate::table::{self, NameError};
use log::Level;
use std::ffi::CStr;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Table names that the script used lately and that were found good; more than a script has.
const KNOWN_TABLES: usize = 64;

/// One SIP message as the host hands it over.
#[derive(Clone, Copy, Debug)]
pub struct SipMessage<'a> {
    /// Where it came from.
    pub source: SocketAddr,
    /// Where it went to.
    pub destination: SocketAddr,
    /// What carried it.
    pub transport: Transport,
    /// The message as received.
    pub payload: &'a [u8],
    /// The request URI that the script put in place of the first line's.
    pub rewritten_uri: Option<&'a [u8]>,
    /// The Call-ID as it was before topology hiding masked it, when the host has told.
    pub call_id: Option<&'a [u8]>,
}

/// Why a message was not queued.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// Capture is switched off.
    #[error("capture is off")]
    Off,
    /// The script's table name will not do.
    #[error(transparent)]
    Table(NameError),
    /// There is no such mode.
    #[error("there is no capture mode number {0}")]
    Mode(usize),
    /// It is malformed, and the operator wants none of these.
    #[error("the message is malformed")]
    Malformed,
    /// It lacks the value that its mode's table is found by.
    #[error("the message lacks what its table is found by")]
    NoHashSource,
    /// The HEP packet that the script looks at holds no SIP message.
    #[error("the HEP packet holds no SIP message")]
    NoSip,
    /// It is a HEP packet whose secrets nobody can find.
    #[error(transparent)]
    Unmaskable(#[from] Unmaskable),
    /// The lane refused it.
    #[error(transparent)]
    Push(#[from] PushError),
    /// This process has no lane.
    #[error(transparent)]
    State(#[from] StateError),
}

/// State of one capture node module; every process of the server has its copy, and the lanes in common.
#[derive(Debug, Default)]
pub struct CaptureNode {
    pub(in crate::module) settings: CaptureSettings,
    pub(in crate::module) pipeline: Pipeline,
    checked: bool,
    modes: Modes,
    mode_counters: Vec<Counter>,
    turns: Turns,
    pub(in crate::module) hep: HepContext,
    pub(in crate::module) raw: RawInput,
    known_tables: Vec<Vec<u8>>,
    /// What is sent on, without secrets.
    sent_on: Vec<u8>,
    table_log: LogLimit,
    mode_log: LogLimit,
}

impl CaptureNode {
    /// The parameters as set.
    pub fn settings(&self) -> &CaptureSettings {
        &self.settings
    }

    /// The parameters, to set; only before [`CaptureNode::check`].
    pub fn settings_mut(&mut self) -> Result<&mut CaptureSettings, StateError> {
        if self.checked { Err(StateError::Checked) } else { Ok(&mut self.settings) }
    }

    /// The way to the sinks.
    pub fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    /// The same, to tell it of host database processes.
    pub fn pipeline_mut(&mut self) -> &mut Pipeline {
        &mut self.pipeline
    }

    /// The lanes, once mapped.
    pub fn lanes(&self) -> Option<&Arc<Lanes>> {
        self.pipeline.lanes()
    }

    /// Checks what only the parameters together can tell. For SQLite this makes the file and its directory, and hands both to `owner`
    /// (user and group that the server will run as), so that what cannot be written stops the start.
    /// `kill_timeout` is the time after which the host kills what has not ended: `shutdown_timeout` is kept below it.
    pub fn check(&mut self, owner: Owner, kill_timeout: Option<Duration>) -> Result<(), ParameterError> {
        if let Some(kill_timeout) = kill_timeout {
            self.settings.queue.end_before(kill_timeout);
        }
        self.settings.raw.capture()?;
        self.modes = self.settings.modes();
        let plan = self.settings.plan();
        pipeline::check_databases(&plan, database_parameter)?;
        database_files::prepare(&plan, owner)?;
        self.mode_counters = mode_counters::of_modes(&self.modes, self.settings.mode_statistics);
        let beside = spool_place::beside(&self.settings.db_url, "spool");
        self.pipeline.prepare_spool(&mut self.settings.queue, beside, owner)?;
        self.checked = true;
        Ok(())
    }

    /// Number of the capture mode called `name`, as [`CaptureNode::capture_sip`] takes it; empty for the default mode. An unknown name is
    /// logged, at a limited rate.
    pub fn find_mode(&mut self, name: &[u8]) -> Result<Option<usize>, StateError> {
        if !self.checked {
            return Err(StateError::NotChecked);
        }
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

    /// Counter number `index`, from 0; those of named modes, which come last, are there once the parameters are checked.
    pub fn counter_at(&self, index: usize) -> Option<&Counter> {
        let common = counters::common();
        common.get(index).or_else(|| self.mode_counters.get(index - common.len()))
    }

    /// The name of counter number `index` on the pages of an exporter that shows `shown` (`all`, a group with a colon
    /// behind it, or the name
    /// of one statistic), when it is to be shown there and its own name will not do.
    pub fn exported_name_at(&self, index: usize, shown: &[u8]) -> Option<&CStr> {
        let counter = self.counter_at(index)?;
        counter.exported_name.as_deref().filter(|_| mode_counters::is_shown(shown, counter))
    }

    /// Whether the parameters are checked.
    pub(in crate::module) fn is_checked(&self) -> bool {
        self.checked
    }

    /// Processes that must run a writer.
    pub fn writers(&self) -> Result<usize, StateError> {
        if self.checked { Ok(self.settings.queue.writers) } else { Err(StateError::NotChecked) }
    }

    /// Maps the lanes: one for each of `producers` processes. `pause` is how another server's spool is waited for.
    pub fn map_lanes(&mut self, producers: usize, pause: Pause<'_>) -> Result<(), MapError> {
        if !self.checked {
            return Err(StateError::NotChecked.into());
        }
        let plan = self.settings.plan();
        self.pipeline.map_lanes(&mut self.settings.queue, &plan, producers, self.settings.capture_on, pause)
    }

    /// Makes lane `index` this process's own. Attaching again to the same lane is no error.
    pub fn attach(&mut self, index: usize) -> Result<(), StateError> {
        self.pipeline.attach(index)?;
        self.turns = Turns::of_process(index);
        Ok(())
    }

    /// Queues a SIP message for `table` (empty for one of the mode's) in the database of mode `mode` ([`CaptureNode::find_mode`], 0 for
    /// the default one). Never waits.
    pub fn capture_sip(&mut self, message: &SipMessage<'_>, table: &[u8], mode: usize) -> Result<(), CaptureError> {
        if self.hep.is_asked_about(message.payload) {
            return self.capture_asked(table, mode, message.call_id);
        }
        if !self.pipeline.mapped()?.capture_on() {
            return Err(CaptureError::Off);
        }
        self.check_table(table)?;
        let producer = own(&mut self.pipeline.producer)?;
        if !self.settings.captures_malformed
            && sip::extract(message.payload, message.rewritten_uri, &self.settings.headers).malformed
        {
            producer.count(Produced::RefusedMalformed);
            return Err(CaptureError::Malformed);
        }
        let chosen = self.modes.get(mode).ok_or(CaptureError::Mode(mode))?;
        let table = if table.is_empty() {
            let Some(table) = self.turns.table(chosen, mode, message.payload, message.call_id) else {
                producer.count(Produced::HashRefused);
                return Err(CaptureError::NoHashSource);
            };
            table.as_bytes()
        } else {
            table
        };
        let time_us = self.hep.time_us().unwrap_or_else(now_us);
        let capture = Capture {
            agent_id: self.hep.agent_id(),
            correlation_id: self.hep.correlation_id(),
            rewritten_uri: message.rewritten_uri,
            call_id: message.call_id,
            sink: chosen.sink,
            table: Some(table),
            ..Capture::sip(time_us, message.source, message.destination, message.transport, message.payload)
        };
        let pushed = self.pipeline.push(&self.settings.queue.masks, &capture)?;
        if pushed.is_ok() {
            let is_reply = sip::first_line_kind(message.payload) == FirstLine::Reply;
            own(&mut self.pipeline.producer)?.count_sip(mode, is_reply);
        }
        self.hep.note_capture();
        Ok(pushed?)
    }

    /// Queues a report for `table` (empty: `report_capture`): 12 columns with `correlation` (empty: that of the HEP packet at hand) and
    /// `body` (empty: the whole message). Never waits.
    pub fn capture_report(
        &mut self,
        message: &SipMessage<'_>,
        table: &[u8],
        correlation: &[u8],
        body: &[u8],
    ) -> Result<(), CaptureError> {
        if !self.pipeline.mapped()?.capture_on() {
            return Err(CaptureError::Off);
        }
        self.check_table(table)?;
        // Scripts for old versions name the function itself where they mean no body.
        let payload = if b"report_capture".starts_with(body) { message.payload } else { body };
        let time_us = self.hep.time_us().unwrap_or_else(now_us);
        let capture = Capture {
            kind: RowKind::Report(sip::first_line_kind(message.payload) as u8),
            agent_id: self.hep.agent_id(),
            correlation_id: if correlation.is_empty() { self.hep.correlation_id() } else { Some(correlation) },
            table: Some(if table.is_empty() { b"report_capture" } else { table }),
            ..Capture::sip(time_us, message.source, message.destination, message.transport, payload)
        };
        Ok(self.pipeline.push(&self.settings.queue.masks, &capture)??)
    }

    /// What may be sent on of `bytes`, a message or the HEP packet that the script is looking at: the same, or, where secrets are masked, a
    /// copy without them. A packet that cannot be read is refused then, and logged at a limited rate.
    pub fn sent_on<'a>(&'a mut self, bytes: &'a [u8]) -> Result<&'a [u8], CaptureError> {
        let masks = &self.settings.queue.masks;
        if masks.is_empty() {
            return Ok(bytes);
        }
        if let Err(why) = masked::write(masks, bytes, &mut self.sent_on) {
            let line = format_args!("a HEP packet is not sent on, for its secrets cannot be masked: {why}");
            self.hep.bad_log.log(Level::Warn, line);
            return Err(why.into());
        }
        Ok(&self.sent_on)
    }

    fn check_table(&mut self, table: &[u8]) -> Result<(), CaptureError> {
        if table.is_empty() || self.known_tables.iter().any(|known| known == table) {
            return Ok(());
        }
        if let Err(why) = table::name::expand(table, 0) {
            // Names can be made from traffic: whoever sends it must not fill the log.
            self.table_log.log(Level::Error, format_args!("nothing is captured: {why}"));
            return Err(CaptureError::Table(why));
        }
        if self.known_tables.len() == KNOWN_TABLES {
            self.known_tables.clear();
        }
        self.known_tables.push(table.to_vec());
        Ok(())
    }

    /// The sinks that the host's own drivers serve. Known once all parameters are set.
    pub fn hosted_sinks(&self) -> Vec<HostedSink> {
        pipeline::hosted_sinks(self.settings.plan(), database_parameter)
    }
}

/// The parameter that names the database of sink `number`.
fn database_parameter(number: usize) -> &'static str {
    if number == 0 { "db_url" } else { "capture_mode" }
}
