//! The capture agent: what stands behind `sip_trace()`, from configuration to shutdown.
//!
//! A traced message becomes one record for each place that it is bound for: a row for each user that it is traced for, a packet for each
//! collector. Plain copies are the host's to send, from its own sockets: [`TraceAgent::trace`] answers them.

mod settings;
#[cfg(test)]
mod tests;

pub use settings::{TraceMode, TraceSettings};

use super::counters::{self, Counter};
use super::pipeline::{self, HostedSink, MapError, Owner, Pipeline, StateError, now_us, own};
use super::settings::ParameterError;
use super::spool_place;
use crate::capture::{Capture, RowKind, Trace, Transport};
use crate::log_limit::LogLimit;
use crate::queue::lane::{Lanes, Produced, PushError};
use crate::sink::hep::{Destination, DestinationError};
use crate::sip::x_headers::{self, XHeaders};
use crate::table::{self, NameError};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Name of the spool that no parameter names: a capture node beside it has its own.
const SPOOL: &str = "siptrace-spool";
/// Payload types (HEP chunk 0x000b).
const SIP: u8 = 1;
const LOG: u8 = 100;
/// Destinations that scripts used lately and that were found good.
const KNOWN_DESTINATIONS: usize = 64;
/// The same for table names.
const KNOWN_TABLES: usize = 64;
/// Records hold their addresses as texts.
const NOWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// Who traces a message, which decides what becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tracer {
    /// The script: `sip_trace()`, and messages of transactions and dialogs for which the switch counts as much as for it.
    Script,
    /// The transaction that `sip_trace()` has marked: what has begun is traced to its end, whatever the switch says meanwhile.
    Follow,
    /// The host's core, for everything that it receives and sends (`trace_mode`).
    Core,
    /// `hlog()`: a line of text.
    Log,
    /// `sip_trace_msg()`: a message that the script has made up.
    Text,
}

impl Tracer {
    /// Whether a script is behind it.
    fn is_script(self) -> bool {
        matches!(self, Tracer::Script | Tracer::Follow)
    }
}

/// One message as the host hands it over.
#[derive(Clone, Copy, Debug)]
pub struct TracedMessage<'a> {
    /// Who traces it.
    pub tracer: Tracer,
    /// The message as on the wire, or the line of a log.
    pub body: &'a [u8],
    /// Its Call-ID.
    pub call_id: &'a [u8],
    /// What the row and the packet say of it; of a log line `from` alone counts.
    pub trace: Trace<'a>,
    /// The collector that the script names, a SIP URI; `None` when it named none, empty when it left it empty.
    pub destination: Option<&'a [u8]>,
    /// Correlation id; empty for none.
    pub correlation_id: &'a [u8],
    /// The table that the script names; empty for none.
    pub table: &'a [u8],
    /// Users that it is traced for, beside everybody.
    pub users: &'a [&'a [u8]],
    /// Microseconds since the Unix epoch; `None` for now.
    pub time_us: Option<i64>,
}

/// Copies that the host is to send.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Copies {
    /// Where to: SIP URIs.
    pub uris: Vec<String>,
    /// The message, with the X-Siptrace headers if they are asked for and a script is behind it.
    pub body: Vec<u8>,
}

/// Why a message was not traced.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// Tracing is switched off, and no user is traced.
    #[error("tracing is off")]
    Off,
    /// Neither the script nor `duplicate_uri` says where to.
    #[error("there is no collector: set duplicate_uri, or name one in the script")]
    NoDestination,
    /// The script's destination will not do.
    #[error(transparent)]
    Destination(#[from] DestinationError),
    /// The script's table name will not do.
    #[error(transparent)]
    Table(#[from] NameError),
    /// `xheaders_read` is on, and the message lacks the headers.
    #[error("the message has no X-Siptrace headers, or not all of them")]
    NoXHeaders,
    /// `xheaders_write` is on, and the headers cannot be added.
    #[error("the message has no end of headers, or the X-Siptrace headers are too long")]
    XHeaders,
    /// The lane refused it.
    #[error(transparent)]
    Push(#[from] PushError),
    /// This process has no lane.
    #[error(transparent)]
    State(#[from] StateError),
}

/// What the X-Siptrace headers of a message say.
fn headers_of<'a>(trace: &Trace<'a>, time_us: i64) -> XHeaders<'a> {
    XHeaders { from: trace.from, to: trace.to, time_us, method: trace.method, is_outgoing: trace.is_outgoing }
}

/// The message with the X-Siptrace headers, as an event route is shown what the host's core traces: what is not known of it yet, be it the
/// time, is empty or 0 in them. `None` when it has no end of headers, or they would be too long.
pub fn with_x_headers(message: &TracedMessage<'_>) -> Option<Vec<u8>> {
    x_headers::insert(message.body, &headers_of(&message.trace, message.time_us.unwrap_or(0)))
}

/// State of one capture agent; every process of the server has its copy, and the lanes in common.
#[derive(Debug, Default)]
pub struct TraceAgent {
    settings: TraceSettings,
    pipeline: Pipeline,
    checked: bool,
    /// Destinations of scripts, with their sinks.
    destinations: Vec<(Vec<u8>, usize)>,
    tables: Vec<Vec<u8>>,
    log: Option<LogLimit>,
}

impl TraceAgent {
    /// The parameters as set.
    pub fn settings(&self) -> &TraceSettings {
        &self.settings
    }

    /// The parameters, to set; only before [`TraceAgent::check`].
    pub fn settings_mut(&mut self) -> Result<&mut TraceSettings, StateError> {
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

    /// Checks what only the parameters together can tell, and prepares an embedded database and the spool, for `owner`. `kill_timeout` is
    /// the time after which the host kills what has not ended: `shutdown_timeout` is kept below it.
    pub fn check(&mut self, owner: Owner, kill_timeout: Option<Duration>) -> Result<(), ParameterError> {
        if let Some(kill_timeout) = kill_timeout {
            self.settings.queue.end_before(kill_timeout);
        }
        self.settings.check_trust()?;
        pipeline::prepare_sqlite(&self.settings.plan(), owner)?;
        let beside = spool_place::beside(&self.settings.db_url, SPOOL);
        self.pipeline.prepare_spool(&mut self.settings.queue, beside, owner)?;
        self.checked = true;
        Ok(())
    }

    /// Processes that must run a writer.
    pub fn writers(&self) -> Result<usize, StateError> {
        if self.checked { Ok(self.settings.queue.writers) } else { Err(StateError::NotChecked) }
    }

    /// Maps the lanes: one for each of `producers` processes.
    pub fn map_lanes(&mut self, producers: usize) -> Result<(), MapError> {
        if !self.checked {
            return Err(StateError::NotChecked.into());
        }
        let plan = self.settings.plan();
        self.pipeline.map_lanes(&mut self.settings.queue, &plan, producers, self.settings.trace_on)
    }

    /// The sinks that the host's own drivers serve. Known once all parameters are set.
    pub fn hosted_sinks(&self) -> Vec<HostedSink> {
        pipeline::hosted_sinks(self.settings.plan(), |_| "db_url")
    }

    /// Counter number `index`, from 0.
    pub fn counter_at(&self, index: usize) -> Option<&'static Counter> {
        counters::of_traces().get(index)
    }

    /// The switch `trace_on` as it stands.
    pub fn is_on(&self) -> Result<bool, StateError> {
        Ok(self.pipeline.mapped()?.capture_on())
    }

    /// Queues `message` for wherever it is bound, and answers the plain copies that the host is to send. Never waits.
    ///
    /// # Errors
    /// What can come from traffic is logged at a limited rate.
    pub fn trace(&mut self, message: &TracedMessage<'_>) -> Result<Option<Copies>, TraceError> {
        let traced = self.try_trace(message);
        if let Err(error) = &traced
            && !matches!(error, TraceError::Off | TraceError::Push(_) | TraceError::State(_))
        {
            let limit = self.log.get_or_insert_with(|| LogLimit::new(Duration::from_secs(5)));
            if let Some(held_back) = limit.allow(Instant::now()) {
                log::error!("a message is not traced: {error} ({held_back} more since the last such line)");
            }
        }
        traced
    }

    fn try_trace(&mut self, message: &TracedMessage<'_>) -> Result<Option<Copies>, TraceError> {
        let is_on = self.is_on()?;
        let needs_switch = matches!(message.tracer, Tracer::Script | Tracer::Core);
        if needs_switch && !is_on && (message.tracer == Tracer::Core || message.users.is_empty()) {
            return Err(TraceError::Off);
        }
        let mut time_us = message.time_us.unwrap_or_else(now_us);
        let mut trace = message.trace;
        trace.payload_type = if message.tracer == Tracer::Log { LOG } else { SIP };
        trace.wants_x_headers = message.tracer.is_script() && self.settings.writes_x_headers;
        trace.hep_version = if message.tracer == Tracer::Log { 3 } else { 0 };
        let local = self.settings.local_ip.clone().filter(|_| message.tracer.is_script());
        if let Some(local) = &local {
            *if trace.is_outgoing { &mut trace.from } else { &mut trace.to } = local;
        }
        let whole;
        let mut body = message.body;
        if message.tracer.is_script() && self.settings.reads_x_headers {
            let (headers, pieces) = x_headers::split(body).ok_or(TraceError::NoXHeaders)?;
            whole = pieces.concat();
            body = &whole;
            time_us = headers.time_us;
            trace = Trace {
                from: headers.from,
                to: headers.to,
                method: headers.method,
                is_outgoing: headers.is_outgoing,
                ..trace
            };
        }
        let capture = Capture {
            kind: RowKind::Trace,
            call_id: Some(message.call_id),
            correlation_id: (!message.correlation_id.is_empty()).then_some(message.correlation_id),
            trace: Some(trace),
            ..Capture::sip(time_us, NOWHERE, NOWHERE, Transport::None, body)
        };
        let (rows, packets, copies) = self.what(message);
        // What cannot be addressed is refused before anything of it is queued.
        let destination = message.destination.filter(|uri| !uri.is_empty());
        let sinks = match packets.then(|| self.sinks(destination)) {
            None => 0..0,
            // A row is something, where no collector is named at all.
            Some(Err(TraceError::NoDestination))
                if rows && message.destination.is_none() && self.settings.to_database =>
            {
                0..0
            }
            Some(sinks) => sinks?,
        };
        let uris = if copies { self.uris(destination)? } else { Vec::new() };
        if rows {
            self.push_rows(message, &capture, is_on)?;
        }
        for sink in sinks {
            let table = destination.filter(|_| sink == self.settings.named_sink());
            self.push(&Capture { kind: RowKind::Packet, sink: sink as u8, table, ..capture })?;
        }
        if uris.is_empty() {
            return Ok(None);
        }
        let mut body = if trace.wants_x_headers {
            x_headers::insert(body, &headers_of(&trace, time_us)).ok_or(TraceError::XHeaders)?
        } else {
            body.to_vec()
        };
        self.settings.queue.masks.apply(&mut body);
        Ok(Some(Copies { uris, body }))
    }

    /// Whether a message becomes rows, packets, copies.
    fn what(&self, message: &TracedMessage<'_>) -> (bool, bool, bool) {
        let settings = &self.settings;
        match message.tracer {
            Tracer::Script | Tracer::Follow => {
                let copies = message.destination.is_some() || !settings.to_database;
                (settings.has_database(), settings.hep_mode_on, copies && !settings.hep_mode_on)
            }
            // What is no SIP has no method, and no row.
            Tracer::Core => {
                let rows = settings.mode.database && !message.trace.method.is_empty();
                (rows, settings.mode.hep, settings.mode.copies)
            }
            Tracer::Log | Tracer::Text => (false, true, false),
        }
    }

    fn push_rows(&mut self, message: &TracedMessage<'_>, capture: &Capture<'_>, is_on: bool) -> Result<(), TraceError> {
        self.check_table(message.table)?;
        let table = (!message.table.is_empty()).then_some(message.table);
        if is_on {
            self.push(&Capture { table, ..*capture })?;
            if message.tracer.is_script() {
                let is_request = capture.trace.is_some_and(|trace| trace.status.is_empty());
                let counter = if is_request { Produced::TracedRequests } else { Produced::TracedReplies };
                own(&mut self.pipeline.producer)?.count(counter);
            }
        }
        for user in message.users {
            let trace = capture.trace.map(|trace| Trace { user, ..trace });
            self.push(&Capture { table, trace, ..*capture })?;
        }
        Ok(())
    }

    fn push(&mut self, capture: &Capture<'_>) -> Result<(), TraceError> {
        Ok(self.pipeline.push(&self.settings.queue.masks, capture)??)
    }

    /// The sinks of packets for `destination`.
    fn sinks(&mut self, destination: Option<&[u8]>) -> Result<std::ops::Range<usize>, TraceError> {
        let Some(uri) = destination else {
            let sinks = self.settings.collector_sinks();
            return if sinks.is_empty() { Err(TraceError::NoDestination) } else { Ok(sinks) };
        };
        if let Some((_, sink)) = self.destinations.iter().find(|(known, _)| known == uri) {
            return Ok(*sink..*sink + 1);
        }
        let destination = Destination::parse(&String::from_utf8_lossy(uri))?;
        let sink = self.settings.sink_of(&destination).unwrap_or_else(|| self.settings.named_sink());
        if self.destinations.len() == KNOWN_DESTINATIONS {
            self.destinations.clear();
        }
        self.destinations.push((uri.to_vec(), sink));
        Ok(sink..sink + 1)
    }

    /// Where plain copies go.
    fn uris(&self, destination: Option<&[u8]>) -> Result<Vec<String>, TraceError> {
        match destination {
            Some(uri) => Ok(vec![String::from_utf8_lossy(uri).into_owned()]),
            None if self.settings.collectors.is_empty() => Err(TraceError::NoDestination),
            None => {
                let most = if self.settings.has_failover { 1 } else { usize::MAX };
                Ok(self.settings.collectors.iter().take(most).map(Destination::to_string).collect())
            }
        }
    }

    fn check_table(&mut self, table: &[u8]) -> Result<(), TraceError> {
        if table.is_empty() || self.tables.iter().any(|known| known == table) {
            return Ok(());
        }
        table::name::check(&String::from_utf8_lossy(table))?;
        if self.tables.len() == KNOWN_TABLES {
            self.tables.clear();
        }
        self.tables.push(table.to_vec());
        Ok(())
    }
}
