//! The way from the workers of a server to its sinks, the same for every module: lanes, the spool's place, writers, and
//! the end.

use crate::module::engine::capture_queue::CaptureQueue;
use crate::module::engine::common_settings::CommonSettings;
use crate::module::engine::overview::Overview;
use crate::module::engine::spool_directory::SpoolDirectory;
use crate::module::engine::state::{MapError, Pause, StateError};
use crate::module::parameter::{ParameterError, refuse};
use crate::owned_directory::Owner;
use crate::queue::counters::Committed;
use crate::queue::lane::{CommitWait, Consumer, Geometry, Lanes};
use crate::sink::DatabaseUrl;
use crate::sink::host::{DriverFault, HostLink, driver_module};
use crate::sink::url::HostedUrl;
use crate::writer::{FileFault, SinkPlan, Writer, WriterError, WriterPlan};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

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

impl HostedSink {
    /// What stops the start when the host's module is no driver for this sink.
    pub fn refuse_driver(&self, fault: DriverFault) -> ParameterError {
        ParameterError::Driver {
            name: self.parameter,
            url: DatabaseUrl::Host(self.url.clone()).to_string(),
            module: driver_module(&self.url.scheme),
            fault,
        }
    }
}

/// Lanes and spool of one module; every process of the server has its copy, and the lanes in common.
#[derive(Debug, Default)]
pub struct Pipeline {
    /// Where its spools are.
    pub(in crate::module) spool: SpoolDirectory,
    overview: Arc<Overview>,
    host_links: Vec<(usize, Arc<HostLink>)>,
    /// Whether processes wait for what they have queued.
    has_waits: bool,
    /// Where this process puts its captures.
    pub(in crate::module) queue: CaptureQueue,
}

impl Pipeline {
    /// What any thread may ask.
    pub fn overview(&self) -> &Arc<Overview> {
        &self.overview
    }

    /// An error once the parameters are checked.
    pub(in crate::module) fn check_is_open(&self) -> Result<(), StateError> {
        if self.overview.is_checked() { Err(StateError::Checked) } else { Ok(()) }
    }

    /// An error until the parameters are checked.
    pub(in crate::module) fn check_is_checked(&self) -> Result<(), StateError> {
        if self.overview.is_checked() { Ok(()) } else { Err(StateError::NotChecked) }
    }

    /// The lanes, once mapped.
    pub fn lanes(&self) -> Option<&Arc<Lanes>> {
        self.overview.lanes()
    }

    /// The lanes, or the error of a module that has none yet.
    pub(in crate::module) fn mapped(&self) -> Result<&Arc<Lanes>, StateError> {
        self.overview.mapped()
    }

    /// Maps one lane for each of `producers` processes, with the switch at `is_on`, after a look, as the user that the
    /// server runs as by now, at what the sinks of `plan` and the spool write to. `pause` is how another server's spool
    /// is waited for.
    pub(in crate::module) fn map_lanes(
        &mut self,
        common: &mut CommonSettings,
        plan: &WriterPlan,
        producers: usize,
        is_on: bool,
        pause: Pause<'_>,
    ) -> Result<(), MapError> {
        if self.lanes().is_some() {
            return Err(StateError::Mapped.into());
        }
        check_access(plan)?;
        self.spool.take(common, plan, pause)?;
        let geometry = Geometry {
            lanes: producers,
            writers: common.writers,
            sinks: plan.sinks.len(),
            lane_bytes: common.lane_bytes,
            // About a batch of ordinary messages, and never so much that the lane could fill before the writer wakes.
            wake_bytes: (common.batch_size * 600).min(common.lane_bytes / 4),
        };
        let lanes = Lanes::map(geometry)?;
        let lanes = if self.has_waits { lanes.with_waits()? } else { lanes };
        lanes.set_capture_on(is_on);
        self.queue.mask(common.masks.clone());
        self.overview.note_lanes(Arc::new(lanes));
        Ok(())
    }

    /// Has the lanes that are to be mapped made for processes that wait for what they have queued.
    pub fn open_waits(&mut self) -> Result<(), StateError> {
        if self.lanes().is_some() {
            return Err(StateError::Mapped);
        }
        self.has_waits = true;
        Ok(())
    }

    /// What this process waits with for what it has queued.
    pub fn commit_wait(&self) -> Result<CommitWait<'_>, StateError> {
        self.queue.producer()?.commit_wait().ok_or(StateError::NoWaits)
    }

    /// Makes lane `index` this process's own. Attaching again to the same lane is no error.
    pub fn attach(&mut self, index: usize) -> Result<(), StateError> {
        if self.queue.attach(self.overview.mapped()?, index)? {
            self.spool.let_go();
        }
        Ok(())
    }

    /// Starts writer `index` for `plan`, which works until `stop` is set. `None`: another process is that writer.
    pub fn start_writer(
        &self,
        index: usize,
        plan: WriterPlan,
        stop: Arc<AtomicBool>,
    ) -> Result<Option<Writer>, WriterError> {
        let Some(lanes) = self.lanes() else { return Ok(None) };
        let consumer = Consumer::take(lanes, index)?;
        consumer.map(|consumer| Writer::start(consumer, index, self.linked(plan), stop)).transpose()
    }

    /// `plan` with the ways to the host database processes.
    fn linked(&self, mut plan: WriterPlan) -> WriterPlan {
        for (sink, link) in &self.host_links {
            plan.sinks[*sink].link = Some(Arc::clone(link));
        }
        plan
    }

    /// The ways to the host database processes, for writers that start in this process or in its children.
    pub fn set_host_links(&mut self, links: Vec<(usize, Arc<HostLink>)>) {
        self.host_links = links;
    }

    /// File descriptors that a writer must keep open.
    pub fn kept_open(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let lanes = self.lanes().map(|lanes| lanes.kept_open());
        let links = self.host_links.iter().map(|(_, link)| link.as_fd());
        lanes.into_iter().flatten().chain(self.spool.kept_open()).chain(links)
    }

    /// Stores what is left in the lanes when all other processes have ended; what cannot be stored within `timeout` of
    /// the moment at which the server was told to end is counted and said.
    pub fn finish(
        &mut self,
        plan: &WriterPlan,
        timeout: Duration,
        flush_log: &mut dyn FnMut(),
    ) -> Result<(), WriterError> {
        let Some(lanes) = self.lanes().cloned() else { return Ok(()) };
        lanes.begin_shutdown(timeout);
        let mut answer = Ok(());
        for index in 0..lanes.geometry().writers {
            // A writer that is still busy has its own deadline; a killed one lets its lock go at once.
            let grace = Instant::now() + lanes.shutdown_left().unwrap_or_default() + Duration::from_secs(3);
            loop {
                if let Some(consumer) = Consumer::take(&lanes, index)? {
                    if consumer.rest().bytes > 0 {
                        let stop = Arc::new(AtomicBool::new(true));
                        let writer = Writer::start(consumer, index, self.linked(plan.clone()), stop);
                        // What this writer cannot do is counted below, and the lanes of the others are drained all the
                        // same.
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
                let lost = consumer.abandon(Committed::Shutdown);
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

/// The sinks of `plan` that the host's own drivers serve.
pub(in crate::module) fn hosted_sinks(plan: &WriterPlan) -> Vec<HostedSink> {
    let hosted = |(number, sink): (usize, &SinkPlan)| {
        let (url, io_timeout) = sink.kind.hosted()?;
        Some(HostedSink { number, parameter: sink.parameter, url: url.clone(), io_timeout })
    };
    plan.sinks.iter().enumerate().filter_map(hosted).collect()
}

/// Checks what the sinks of `plan` can tell before they connect, and makes the files that they write to where they are
/// missing, owned by `owner`.
pub(in crate::module) fn prepare_sinks(plan: &WriterPlan, owner: Owner) -> Result<(), ParameterError> {
    for SinkPlan { kind, parameter, .. } in &plan.sinks {
        kind.check(parameter).map_err(|why| refuse(parameter, kind.to_string(), why))?;
    }
    for SinkPlan { kind, parameter, .. } in &plan.sinks {
        kind.prepare(owner).map_err(|fault| path_error(parameter, fault))?;
    }
    Ok(())
}

/// Sees, as the user that the server runs as by now, that the sinks of `plan` can write their files.
fn check_access(plan: &WriterPlan) -> Result<(), ParameterError> {
    plan.sinks.iter().try_for_each(|sink| sink.kind.check_access().map_err(|fault| path_error(sink.parameter, fault)))
}

fn path_error(parameter: &'static str, fault: FileFault) -> ParameterError {
    ParameterError::Path { name: parameter, path: fault.path, why: fault.why }
}
