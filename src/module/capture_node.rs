//! The capture node: what stands behind `sip_capture()`, from configuration to shutdown.

use super::counters::{self, Counter};
use super::hep_context::HepContext;
use super::modes::{Modes, Turns};
use super::raw_input::RawInput;
use super::settings::{ParameterError, Settings};
use super::spool_place::SpoolLock;
use crate::capture::{Capture, RowKind, Transport};
use crate::log_limit::LogLimit;
use crate::queue::lane::{Consumer, Geometry, Lanes, Produced, Producer, PushError};
use crate::sink::DatabaseUrl;
use crate::sink::host::HostLink;
use crate::sink::url::HostedUrl;
use crate::sip::{self, FirstLine};
use crate::table::{self, NameError};
use crate::writer::{Plan, SinkPlan, Writer, WriterError};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

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
    /// The lane refused it.
    #[error(transparent)]
    Push(#[from] PushError),
    /// This process has no lane.
    #[error(transparent)]
    State(#[from] StateError),
}

/// A call out of order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// Parameters are fixed once they are checked.
    #[error("the parameters are checked already")]
    Checked,
    /// [`CaptureNode::check`] comes first.
    #[error("the parameters are not checked yet")]
    NotChecked,
    /// Lanes are mapped once.
    #[error("the lanes are mapped already")]
    Mapped,
    /// [`CaptureNode::map_lanes`] comes first.
    #[error("the lanes are not mapped yet")]
    NotMapped,
    /// There is no such lane, or another process has it.
    #[error("lane {0} cannot be this process's")]
    Lane(usize),
    /// [`CaptureNode::attach`] comes first, in each process.
    #[error("this process is not attached to a lane")]
    NotAttached,
    /// [`CaptureNode::accept_hep`] without [`Verdict::Ask`](super::Verdict::Ask) before it, or with another packet.
    #[error("no such HEP packet is at hand")]
    NotAsked,
    /// [`CaptureNode::open_raw`] comes first, and there is nothing to read when it answers 0.
    #[error("no raw socket is open")]
    NoRawSocket,
}

/// Why the lanes are not mapped.
#[derive(Debug, thiserror::Error)]
pub enum MapError {
    /// Called out of order.
    #[error(transparent)]
    State(#[from] StateError),
    /// The embedded database cannot be written by the user that the server runs as.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    /// The system refused the memory.
    #[error("the queue cannot be mapped, see parameter queue_size: {0}")]
    Io(#[from] std::io::Error),
}

/// A sink that the host's own driver serves.
#[derive(Clone, Debug)]
pub struct HostedSink {
    /// Its number.
    pub number: usize,
    /// The parameter that names its database.
    pub parameter: &'static str,
    /// Its database.
    pub url: HostedUrl,
    /// How long the sink waits for an answer.
    pub io_timeout: Duration,
}

/// State of one capture node module; every process of the server has its copy, and the lanes in common.
#[derive(Debug, Default)]
pub struct CaptureNode {
    pub(super) settings: Settings,
    /// Whether the operator named the spool's directory.
    pub(super) spool_is_named: bool,
    pub(super) spool_lock: Option<SpoolLock>,
    checked: bool,
    modes: Modes,
    mode_counters: Vec<Counter>,
    turns: Turns,
    lanes: Option<Arc<Lanes>>,
    pub(super) host_links: Vec<(usize, Arc<HostLink>)>,
    pub(super) producer: Option<Producer>,
    pub(super) hep: HepContext,
    pub(super) raw: RawInput,
    known_tables: Vec<Vec<u8>>,
    drop_log: Option<LogLimit>,
    table_log: Option<LogLimit>,
    mode_log: Option<LogLimit>,
}

impl CaptureNode {
    /// The parameters as set.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The parameters, to set; only before [`CaptureNode::check`].
    pub fn settings_mut(&mut self) -> Result<&mut Settings, StateError> {
        if self.checked { Err(StateError::Checked) } else { Ok(&mut self.settings) }
    }

    /// The lanes, once mapped.
    pub fn lanes(&self) -> Option<&Arc<Lanes>> {
        self.lanes.as_ref()
    }

    /// Checks what only the parameters together can tell. For SQLite this makes the file and its directory, and hands both to `owner`
    /// (user and group that the server will run as), so that what cannot be written stops the start.
    /// `kill_timeout` is the time after which the host kills what has not ended: `shutdown_timeout` is kept below it.
    pub fn check(
        &mut self,
        owner: (Option<u32>, Option<u32>),
        kill_timeout: Option<Duration>,
    ) -> Result<(), ParameterError> {
        if let Some(kill_timeout) = kill_timeout {
            self.settings.end_before(kill_timeout);
        }
        self.settings.raw.capture()?;
        self.modes = self.settings.modes();
        for (name, path) in self.sqlite_files() {
            prepare_sqlite(path, owner).map_err(|error| ParameterError::Path {
                name,
                path: path.display().to_string(),
                why: error.to_string(),
            })?;
        }
        self.mode_counters = counters::of_modes(&self.modes);
        self.prepare_spool(owner)?;
        self.checked = true;
        Ok(())
    }

    /// The SQLite files of all modes, and the parameter that names each.
    fn sqlite_files(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        self.modes.sinks().filter_map(|mode| {
            let name = if mode.sink == 0 { "db_url" } else { "capture_mode" };
            Some((name, mode.url.sqlite_path()?))
        })
    }

    /// Number of the capture mode called `name`, as [`CaptureNode::capture_sip`] takes it; empty for the default mode. An unknown name is
    /// logged, at a limited rate.
    pub fn find_mode(&mut self, name: &[u8]) -> Result<Option<usize>, StateError> {
        if !self.checked {
            return Err(StateError::NotChecked);
        }
        let found = self.modes.find(name);
        if found.is_none() {
            let limit = self.mode_log.get_or_insert_with(|| LogLimit::new(Duration::from_secs(5)));
            if let Some(held_back) = limit.allow(Instant::now()) {
                let (name, known) = (String::from_utf8_lossy(name), self.modes.names());
                log::error!(
                    "sip_capture(): there is no capture mode {name:?}: {known} are there, the parameter capture_mode makes more \
                     ({held_back} more since the last such line)"
                );
            }
        }
        Ok(found)
    }

    /// Counter number `index`, from 0; those of named modes, which come last, are there once the parameters are checked.
    pub fn counter_at(&self, index: usize) -> Option<&Counter> {
        let common = counters::common();
        common.get(index).or_else(|| self.mode_counters.get(index - common.len()))
    }

    /// Whether the parameters are checked.
    pub(super) fn is_checked(&self) -> bool {
        self.checked
    }

    /// Processes that must run a writer.
    pub fn writers(&self) -> Result<usize, StateError> {
        if self.checked { Ok(self.settings.capture_writers) } else { Err(StateError::NotChecked) }
    }

    /// Sees, as the user that the server runs as by now, that the SQLite files and their directories can be written.
    fn check_access(&self) -> Result<(), ParameterError> {
        self.sqlite_files().try_for_each(|(name, path)| {
            let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            [path, directory].into_iter().try_for_each(|place| {
                rustix::fs::access(place, rustix::fs::Access::WRITE_OK).map_err(|error| ParameterError::Path {
                    name,
                    path: path.display().to_string(),
                    why: format!("{}: {}", place.display(), std::io::Error::from(error)),
                })
            })
        })
    }

    /// Maps the lanes: one for each of `producers` processes.
    pub fn map_lanes(&mut self, producers: usize) -> Result<(), MapError> {
        if !self.checked {
            return Err(StateError::NotChecked.into());
        }
        if self.lanes.is_some() {
            return Err(StateError::Mapped.into());
        }
        self.check_access()?;
        self.take_spool()?;
        let lane_bytes = self.settings.lane_bytes;
        let geometry = Geometry {
            lanes: producers,
            writers: self.settings.capture_writers,
            sinks: self.settings.plan().sinks.len(),
            lane_bytes,
            // About a batch of ordinary messages, and never so much that the lane could fill before the writer wakes.
            wake_bytes: (self.settings.batch_size * 600).min(lane_bytes / 4),
        };
        let lanes = Lanes::map(geometry)?;
        lanes.set_capture_on(self.settings.capture_on);
        self.lanes = Some(Arc::new(lanes));
        Ok(())
    }

    /// Makes lane `index` this process's own. Attaching again to the same lane is no error.
    pub fn attach(&mut self, index: usize) -> Result<(), StateError> {
        let lanes = self.lanes.as_ref().ok_or(StateError::NotMapped)?;
        if let Some(producer) = &self.producer
            && producer.is_own()
        {
            return if producer.lane() == index { Ok(()) } else { Err(StateError::Lane(index)) };
        }
        self.producer = Some(Producer::attach(lanes, index).ok_or(StateError::Lane(index))?);
        self.turns = Turns::of_process(index);
        self.let_go_of_spool();
        Ok(())
    }

    /// Queues a SIP message for `table` (empty for one of the mode's) in the database of mode `mode` ([`CaptureNode::find_mode`], 0 for
    /// the default one). Never waits.
    pub fn capture_sip(&mut self, message: &SipMessage<'_>, table: &[u8], mode: usize) -> Result<(), CaptureError> {
        if self.hep.is_asked_about(message.payload) {
            return self.capture_asked(table, mode, message.call_id);
        }
        let lanes = self.lanes.as_ref().ok_or(StateError::NotMapped)?;
        if !lanes.capture_on() {
            return Err(CaptureError::Off);
        }
        self.check_table(table)?;
        let producer = own(&mut self.producer)?;
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
        let pushed = producer.push(&Capture {
            agent_id: self.hep.agent_id(),
            correlation_id: self.hep.correlation_id(),
            rewritten_uri: message.rewritten_uri,
            call_id: message.call_id,
            sink: chosen.sink,
            table: Some(table),
            ..Capture::sip(time_us, message.source, message.destination, message.transport, message.payload)
        });
        if pushed.is_ok() {
            producer.count_sip(mode, sip::first_line_kind(message.payload) == FirstLine::Reply);
        }
        self.hep.note_capture();
        self.report_push(pushed)?;
        Ok(())
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
        let lanes = self.lanes.as_ref().ok_or(StateError::NotMapped)?;
        if !lanes.capture_on() {
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
        let pushed = own(&mut self.producer)?.push(&capture);
        self.report_push(pushed)?;
        Ok(())
    }

    /// Says at a limited rate that captures are dropped, and hands the answer on.
    pub(super) fn report_push(&mut self, pushed: Result<(), PushError>) -> Result<(), PushError> {
        if let Err(error) = pushed {
            let limit = self.drop_log.get_or_insert_with(|| LogLimit::new(Duration::from_secs(5)));
            if let Some(held_back) = limit.allow(Instant::now()) {
                log::warn!("capture dropped: {error} ({held_back} more since the last such line)");
            }
        }
        pushed
    }

    fn check_table(&mut self, table: &[u8]) -> Result<(), CaptureError> {
        if table.is_empty() || self.known_tables.iter().any(|known| known == table) {
            return Ok(());
        }
        if let Err(why) = table::name::expand(table, 0) {
            // Names can be made from traffic: whoever sends it must not fill the log.
            let limit = self.table_log.get_or_insert_with(|| LogLimit::new(Duration::from_secs(5)));
            if let Some(held_back) = limit.allow(Instant::now()) {
                log::error!("nothing is captured: {why} ({held_back} more since the last such line)");
            }
            return Err(CaptureError::Table(why));
        }
        if self.known_tables.len() == KNOWN_TABLES {
            self.known_tables.clear();
        }
        self.known_tables.push(table.to_vec());
        Ok(())
    }

    /// Starts writer `index`, which works until `stop` is set. `None`: another process is that writer.
    pub fn start_writer(&self, index: usize, stop: Arc<AtomicBool>) -> Result<Option<Writer>, WriterError> {
        let Some(lanes) = &self.lanes else { return Ok(None) };
        let consumer = Consumer::take(lanes, index)?;
        consumer.map(|consumer| Writer::start(consumer, index, self.plan(), stop)).transpose()
    }

    /// What a writer is to do, with the ways to the host database processes.
    fn plan(&self) -> Plan {
        let mut plan = self.settings.plan();
        for (sink, link) in &self.host_links {
            plan.sinks[*sink].link = Some(Arc::clone(link));
        }
        plan
    }

    /// The sinks that the host's own drivers serve. Known once all parameters are set.
    pub fn hosted_sinks(&self) -> Vec<HostedSink> {
        let sinks = self.settings.plan().sinks.into_iter().enumerate();
        let hosted = |(number, sink): (usize, SinkPlan)| match sink.url {
            DatabaseUrl::Host(url) => {
                let parameter = if number == 0 { "db_url" } else { "capture_mode" };
                Some(HostedSink { number, parameter, url, io_timeout: sink.options.io_timeout })
            }
            _ => None,
        };
        sinks.filter_map(hosted).collect()
    }

    /// The ways to the host database processes, for writers that start in this process or in its children.
    pub fn set_host_links(&mut self, links: Vec<(usize, Arc<HostLink>)>) {
        self.host_links = links;
    }

    /// Stores what is left in the lanes when all other processes have ended; what cannot be stored in the shutdown's time is counted
    /// and said.
    pub fn finish(&mut self, flush_log: &mut dyn FnMut()) -> Result<(), WriterError> {
        let Some(lanes) = self.lanes.clone() else { return Ok(()) };
        lanes.begin_shutdown(self.settings.shutdown_timeout);
        let mut answer = Ok(());
        for index in 0..lanes.geometry().writers {
            // A writer that is still busy has its own deadline; a killed one lets its lock go at once.
            let grace = Instant::now() + lanes.shutdown_left().unwrap_or_default() + Duration::from_secs(3);
            loop {
                if let Some(consumer) = Consumer::take(&lanes, index)? {
                    if consumer.rest().bytes > 0 {
                        let stop = Arc::new(AtomicBool::new(true));
                        let writer = Writer::start(consumer, index, self.plan(), stop);
                        // What this writer cannot do is counted below, and the lanes of the others are drained all the same.
                        answer = answer.and(writer.and_then(|writer| writer.run(flush_log)).map(|_| ()));
                    }
                    break;
                }
                if Instant::now() > grace {
                    log::error!("writer {index} does not end; its captures are left to it");
                    break;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            if let Some(mut consumer) = Consumer::take(&lanes, index)? {
                let lost = consumer.abandon(crate::queue::lane::Committed::Shutdown);
                if lost > 0 {
                    log::error!("{lost} captures are lost: the database did not take them within shutdown_timeout");
                }
            }
        }
        let spooled = lanes.totals().spooled();
        if spooled > 0 {
            log::info!("{spooled} captures stay in the spool until the next start");
        }
        answer
    }
}

/// The producer of this very process: one inherited over a fork is not ours to use.
pub(super) fn own(producer: &mut Option<Producer>) -> Result<&mut Producer, StateError> {
    producer.as_mut().filter(|producer| producer.is_own()).ok_or(StateError::NotAttached)
}

/// Microseconds since the Unix epoch.
pub(super) fn now_us() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64)
}

/// Makes the file at `path` and its directory where they are missing, owned by `owner`, and sees that it can be written.
fn prepare_sqlite(path: &Path, owner: (Option<u32>, Option<u32>)) -> std::io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(directory) = directory.filter(|directory| !directory.exists()) {
        std::fs::create_dir_all(directory)?;
        std::os::unix::fs::chown(directory, owner.0, owner.1)?;
    }
    let new = !path.exists();
    std::fs::OpenOptions::new().append(true).create(true).open(path)?;
    if new {
        std::os::unix::fs::chown(path, owner.0, owner.1)?;
    }
    Ok(())
}
