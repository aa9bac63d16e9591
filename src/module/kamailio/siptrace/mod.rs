//! The capture agent: what stands behind `sip_trace()`, from configuration to shutdown.
//!
//! A traced message becomes one record for each place that it is bound for: a row for each user that it is traced for,
//! a packet for each collector. Plain copies are the host's to send, from its own sockets: [`TraceAgent::trace`]
//! answers them.

mod decision;
mod endpoint;
mod host_settings;
mod message;
mod named;
pub(in crate::module) mod parameters;
mod settings;
#[cfg(test)]
mod tests;
mod tracer;
mod variable;

pub use decision::{Conclusion, Decision, Scope, SendResult, TraceCall, TraceFunction, conclude};
pub use endpoint::TraceEndpoint;
pub use host_settings::HostNeeds;
pub use message::{Copies, Loss, TraceError, Traced, TracedMessage};
pub use settings::{LocalAddress, TraceMode, TraceSettings};
pub use tracer::Tracer;
pub use variable::{ALLOWED as TRACE_VARIABLES, TraceVariable};

use self::decision::decide;
use self::endpoint::{TextRoom, has_brackets};
use self::message::TraceErrors;
use self::named::{KnownDestinations, NamedDestinations};
use self::variable::VariableTexts;
use crate::capture::{Capture, RowKind, SocketList, Trace, Transport};
use crate::log_limit::LogLimit;
use crate::module::Module;
use crate::module::engine::capture_queue::now_us;
use crate::module::engine::common_settings::CommonSettings;
use crate::module::engine::dialect::Dialect;
use crate::module::engine::known_texts::KnownTexts;
use crate::module::engine::overview::Overview;
use crate::module::engine::pipeline::Pipeline;
use crate::module::engine::state::StateError;
use crate::module::host_facts::HostFacts;
use crate::module::kamailio::dialect::SIPTRACE;
use crate::module::parameter::ParameterError;
use crate::module::variable::VariableValue;
use crate::queue::counters::Produced;
use crate::queue::lane::PushError;
use crate::sip::x_headers::{self, XHeaders};
use crate::table;
use crate::writer::WriterPlan;
use log::Level;
use std::fmt::Display;
use std::net::{Ipv4Addr, SocketAddr};

/// Payload types (HEP chunk 0x000b).
const SIP: u8 = 1;
const LOG: u8 = 100;
/// Records hold their addresses as texts.
const NOWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// Logs at a limited rate what became of a message.
fn say(overview: &Overview, why: &dyn Display) {
    overview.log.log(Level::Error, format_args!("a message is not traced, or not to the full: {why}"));
}

/// The server's own end of a message's way.
fn own_side<'a, 'b>(trace: &'b mut Trace<'a>) -> &'b mut &'a [u8] {
    if trace.is_outgoing { &mut trace.from } else { &mut trace.to }
}

/// What the X-Siptrace headers of a message say.
fn headers_of<'a>(trace: &Trace<'a>, time_us: i64) -> XHeaders<'a> {
    XHeaders { from: trace.from, to: trace.to, time_us, method: trace.method, is_outgoing: trace.is_outgoing }
}

/// What stands for a message of a transaction that the host no longer has.
fn lost_body(message: &TracedMessage<'_>) -> &'static [u8] {
    if message.status.is_empty() { b"No request buffer" } else { b"No reply buffer" }
}

/// State of one capture agent; every process of the server has its copy, and the lanes in common.
#[derive(Debug, Default)]
pub struct TraceAgent {
    settings: TraceSettings,
    pipeline: Pipeline,
    destinations: KnownDestinations,
    tables: KnownTexts<()>,
    host: HostFacts,
    variable_texts: VariableTexts,
    shortcoming_log: LogLimit,
}

impl TraceAgent {
    /// The parameters as set.
    pub fn settings(&self) -> &TraceSettings {
        &self.settings
    }

    /// The parameters, to set; only before [`TraceAgent::check`].
    pub fn settings_mut(&mut self) -> Result<&mut TraceSettings, StateError> {
        self.pipeline.check_is_open()?;
        Ok(&mut self.settings)
    }

    /// What the parameters ask of the host.
    pub fn host_needs(&self) -> HostNeeds<'_> {
        self.settings.host_needs(self.host.release)
    }

    /// Reads what a script gives `function` for a scope. What is not known is logged, at a limited rate once the agent
    /// is at work; as a mode it is the message.
    pub fn scope(&mut self, function: TraceFunction, text: &[u8]) -> Scope {
        let (read, level, otherwise) = match function {
            TraceFunction::SipTraceMode => (Scope::of_mode(text), Level::Info, Scope::Message),
            _ => (Scope::of_type(text), Level::Error, Scope::Unknown),
        };
        read.unwrap_or_else(|said| {
            match self.pipeline.lanes() {
                None => log::log!(level, "{said}"),
                Some(_) => self.shortcoming_log.log(level, format_args!("{said}")),
            }
            otherwise
        })
    }

    /// Decides what a call of `sip_trace()` or `sip_trace_mode()` comes to, and logs what the operator should know of
    /// it, at a limited rate.
    pub fn decide(&mut self, call: &TraceCall<'_>) -> Decision {
        let (decision, shortcoming) = decide(call);
        if let Some(shortcoming) = shortcoming {
            self.shortcoming_log.log(Level::Warn, format_args!("{shortcoming}"));
        }
        decision
    }

    /// What `variable` answers of `shown`, the message that the script looks at.
    pub fn variable(&mut self, variable: TraceVariable, shown: &TracedMessage<'_>) -> VariableValue<'_> {
        variable::value(variable, shown, self.host.ipv6_style, &mut self.variable_texts)
    }

    /// The message with the X-Siptrace headers, as an event route is shown what the host's core traces: what is not
    /// known of it yet, be it the time, is empty or 0 in them. `None` when it has no end of headers, or they would be
    /// too long.
    pub fn with_x_headers(&self, message: &TracedMessage<'_>) -> Option<Vec<u8>> {
        let mut rooms = [TextRoom::new(); 2];
        let trace = self.trace_of(message, &mut rooms);
        x_headers::insert(message.body, &headers_of(&trace, message.time_us.unwrap_or(0)))
    }

    /// Queues `message` for wherever it is bound, and answers the plain copies that the host is to send. Never waits.
    /// What one row, packet or copy is denied does not keep the others back.
    ///
    /// What can come from traffic is logged at a limited rate.
    pub fn trace(&mut self, message: &TracedMessage<'_>) -> Traced {
        self.try_trace(message).unwrap_or_else(|error| {
            self.say(&error);
            Traced { copies: None, answer: Err(error) }
        })
    }

    fn say(&mut self, error: &TraceError) {
        match error {
            // A lane has words of its own for these, and a process without one has another chance.
            TraceError::Off | TraceError::Push(_) | TraceError::State(_) => return,
            TraceError::NoXHeaders | TraceError::XHeaders | TraceError::Destination(_) => {
                if let Some(lanes) = self.pipeline.lanes() {
                    lanes.count_refused();
                }
            }
            TraceError::NoDestination | TraceError::Table(_) | TraceError::NoCallId | TraceError::NoText => {}
        }
        say(self.pipeline.overview(), error);
    }

    fn try_trace(&mut self, message: &TracedMessage<'_>) -> Result<Traced, TraceError> {
        let is_on = self.pipeline.overview().is_on()?;
        // What the script gives has to be something, whatever else there is to say of the message.
        let correlation_id = Self::correlation_id(message)?;
        let named = self.named(message)?;
        let needs_switch = matches!(message.tracer, Tracer::Script | Tracer::Core);
        if needs_switch && !is_on && (message.tracer == Tracer::Core || message.users.is_empty()) {
            return Err(TraceError::Off);
        }
        self.pipeline.queue.producer()?;
        let mut rooms = [TextRoom::new(); 2];
        let mut sockets = SocketList::new();
        for (transport, address) in message.sockets.iter().filter_map(TraceEndpoint::socket) {
            sockets.push(transport, address);
        }
        let mut trace = Trace { sockets: sockets.get(), ..self.trace_of(message, &mut rooms) };
        let mut time_us = message.time_us.unwrap_or_else(now_us);
        let mut of_packets = trace;
        let local = self.settings.local.clone().filter(|_| message.tracer.is_script());
        let room;
        if let Some(local) = &local {
            room = local.in_packet(own_side(&mut trace));
            *own_side(&mut trace) = local.text();
            *own_side(&mut of_packets) = &room;
        }
        let whole;
        let is_lost = message.tracer == Tracer::Follow && message.body.is_empty();
        let mut body = if is_lost { lost_body(message) } else { message.body };
        if message.tracer.is_script() && self.settings.reads_x_headers {
            let (headers, pieces) = x_headers::split(body).ok_or(TraceError::NoXHeaders)?;
            whole = pieces.concat();
            body = &whole;
            time_us = headers.time_us;
            trace = Trace {
                from: headers.from,
                to: headers.to,
                method: if headers.method.is_empty() { trace.method } else { headers.method },
                is_outgoing: headers.is_outgoing,
                ..trace
            };
            of_packets = trace;
        }
        let capture = Capture {
            kind: RowKind::Trace,
            call_id: Some(message.call_id),
            correlation_id: correlation_id.filter(|id| !id.is_empty()),
            trace: Some(trace),
            ..Capture::sip(time_us, NOWHERE, NOWHERE, Transport::UNKNOWN, body)
        };
        self.spread(message, &named, &capture, &of_packets, is_on)
    }

    /// The correlation id of a message, once it has all that its function needs.
    fn correlation_id<'a>(message: &TracedMessage<'a>) -> Result<Option<&'a [u8]>, TraceError> {
        let is_empty = |end: &TraceEndpoint<'_>| matches!(end, TraceEndpoint::Unknown | TraceEndpoint::Text(b""));
        match message.tracer {
            Tracer::Log if message.correlation_id.is_none() => match message.call_id {
                b"" => Err(TraceError::NoCallId),
                call_id => Ok(Some(call_id)),
            },
            Tracer::Text if message.body.is_empty() || is_empty(&message.from) || is_empty(&message.to) => {
                Err(TraceError::NoText)
            }
            _ => Ok(message.correlation_id),
        }
    }

    /// Where the script wants packets and copies.
    fn named(&mut self, message: &TracedMessage<'_>) -> Result<NamedDestinations, TraceError> {
        let Some(uri) = message.destination else { return Ok(NamedDestinations::default()) };
        let (_, packets, copies) = self.what(message);
        let settings = &self.settings;
        if uri.is_empty() {
            // Of what parameters name, some is for copies alone.
            let is_nowhere = if packets { settings.collectors.is_empty() } else { settings.copies.is_empty() };
            return if is_nowhere { Err(TraceError::NoDestination) } else { Ok(NamedDestinations::default()) };
        }
        let sink_of = |destination: &_| match settings.sink_of(destination) {
            Some(sink) => (sink, true),
            None => (settings.named_sink(), false),
        };
        let collector = if packets { Some(self.destinations.collector(uri, sink_of)?) } else { None };
        let copy = if copies { Some(self.destinations.copy(uri)?) } else { None };
        Ok(NamedDestinations { collector, copy })
    }

    /// What the record says of a message before parameters have their say.
    fn trace_of<'a>(&self, message: &TracedMessage<'a>, rooms: &'a mut [TextRoom; 2]) -> Trace<'a> {
        let is_log = message.tracer == Tracer::Log;
        let brackets = has_brackets(message.tracer, message.is_outgoing);
        let [from, to] = rooms;
        Trace {
            is_outgoing: message.is_outgoing,
            payload_type: if is_log { LOG } else { SIP },
            hep_version: if is_log { 3 } else { 0 },
            wants_x_headers: message.tracer.is_script() && self.settings.writes_x_headers,
            method: message.method,
            status: message.status,
            from: if is_log { b"" } else { message.from.text(brackets, self.host.ipv6_style, from) },
            to: if is_log { b"" } else { message.to.text(brackets, self.host.ipv6_style, to) },
            from_tag: message.from_tag,
            to_tag: message.to_tag,
            ..Trace::default()
        }
    }

    /// Makes the rows, packets and copies of a message.
    fn spread(
        &mut self,
        message: &TracedMessage<'_>,
        named: &NamedDestinations,
        capture: &Capture<'_>,
        of_packets: &Trace<'_>,
        is_on: bool,
    ) -> Result<Traced, TraceError> {
        let (rows, packets, copies) = self.what(message);
        let sinks = match &named.collector {
            _ if !packets => 0..0,
            Some(collector) => collector.sink..collector.sink + 1,
            None => self.settings.collector_sinks(),
        };
        let mut errors = TraceErrors::default();
        if rows {
            self.push_rows(message, capture, is_on, &mut errors)?;
        }
        if packets && sinks.is_empty() && !(rows && self.settings.to_database && message.tracer != Tracer::Core) {
            errors.note(TraceError::NoDestination);
        }
        for sink in sinks {
            let table = named.collector.as_ref().and_then(|collector| Some(collector.uri.as_deref()?.as_bytes()));
            let packet =
                Capture { kind: RowKind::Packet, sink: sink as u8, table, trace: Some(*of_packets), ..*capture };
            let pushed = match message.tracer {
                Tracer::Log | Tracer::Text => self.pipeline.queue.push_text(&packet)?,
                Tracer::Script | Tracer::Follow | Tracer::Core => self.pipeline.queue.push(&packet)?,
            };
            if let Err(error) = pushed {
                errors.note(error.into());
            }
        }
        let copies = if copies {
            self.copies(named.copy.as_deref(), capture).map_err(|error| errors.note(error)).ok()
        } else {
            None
        };
        for error in [&errors.of_rows, &errors.of_others].into_iter().flatten() {
            self.say(error);
        }
        Ok(Traced { copies, answer: errors.answer(rows) })
    }

    /// The copies that the host is to send.
    fn copies(&self, named: Option<&str>, capture: &Capture<'_>) -> Result<Copies, TraceError> {
        let uris = match named {
            Some(uri) => vec![uri.to_owned()],
            None if self.settings.copies.is_empty() => return Err(TraceError::NoDestination),
            None => self.copy_targets(),
        };
        let trace = capture.trace.unwrap_or_default();
        let mut body = if trace.wants_x_headers {
            x_headers::insert(capture.payload, &headers_of(&trace, capture.time_us)).ok_or(TraceError::XHeaders)?
        } else {
            capture.payload.to_vec()
        };
        self.settings.common.masks.apply(&mut body);
        Ok(Copies { uris, body })
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
                let rows = settings.mode.database && !message.method.is_empty();
                (rows, settings.mode.hep, settings.mode.copies)
            }
            Tracer::Log | Tracer::Text => (false, true, false),
        }
    }

    /// Pushes a row for everybody, while the switch is on, and one for each user.
    fn push_rows(
        &mut self,
        message: &TracedMessage<'_>,
        capture: &Capture<'_>,
        is_on: bool,
        errors: &mut TraceErrors,
    ) -> Result<(), StateError> {
        if let Err(error) = self.check_table(message.table) {
            let rows = usize::from(is_on) + message.users.len();
            let producer = self.pipeline.queue.producer()?;
            (0..rows).for_each(|_| producer.count(Produced::DroppedUnaddressed));
            errors.note_row(error);
            return Ok(());
        }
        let table = (!message.table.is_empty()).then_some(message.table);
        if is_on {
            match self.push(&Capture { table, ..*capture })? {
                Ok(()) if message.tracer.is_script() => {
                    let is_request = capture.trace.is_some_and(|trace| trace.status.is_empty());
                    let counter = if is_request { Produced::TracedRequests } else { Produced::TracedReplies };
                    self.pipeline.queue.producer()?.count(counter);
                }
                Ok(()) => {}
                Err(error) => errors.note_row(error.into()),
            }
        }
        for user in message.users {
            let trace = capture.trace.map(|trace| Trace { user, ..trace });
            if let Err(error) = self.push(&Capture { table, trace, ..*capture })? {
                errors.note_row(error.into());
            }
        }
        Ok(())
    }

    fn push(&mut self, capture: &Capture<'_>) -> Result<Result<(), PushError>, StateError> {
        self.pipeline.queue.push(capture)
    }

    /// Where plain copies go that no script names a place for: SIP URIs.
    pub fn copy_targets(&self) -> Vec<String> {
        let most = if self.settings.has_failover { 1 } else { usize::MAX };
        self.settings.copies.iter().take(most).cloned().collect()
    }

    /// Counts a plain copy that the host could not send.
    pub fn copy_failed(&mut self) -> Result<(), StateError> {
        self.pipeline.queue.producer()?.count(Produced::CopiesFailed);
        Ok(())
    }

    fn check_table(&mut self, table: &[u8]) -> Result<(), TraceError> {
        if table.is_empty() {
            return Ok(());
        }
        self.tables.get_or_read(table, |table| Ok(table::name::check(table)?)).copied()
    }
}

impl Module for TraceAgent {
    fn note_host(&mut self, host: HostFacts) {
        self.host = host;
    }

    of_settings_and_pipeline!(SIPTRACE);

    fn check_module(&mut self) -> Result<(), ParameterError> {
        self.settings.check()?;
        self.settings.host.check_release(self.host.release)?;
        self.settings.check_trust()?;
        for warning in [self.settings.host_warning(), self.settings.local_warning()].into_iter().flatten() {
            log::warn!("{warning}");
        }
        Ok(())
    }

    fn is_on_at_start(&self) -> bool {
        self.settings.trace_on
    }
}
