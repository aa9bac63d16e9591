//! Host database processes: children in which the host's own drivers run, one for each sink that they serve.
//!
//! They are forked by the supervisor of a writer, or by the main process for what the writers left behind: both have
//! one thread, and what the host's drivers need as the server made it. A process that dies is replaced, and its writer,
//! whose other sinks go on meanwhile, is told ([`HostEnd::say_ended`](crate::sink::host::HostEnd::say_ended)). It ends
//! when nobody holds the other end of its socket any more: so it outlives a supervisor that is killed, for as long as
//! the writer stores what it still has.

use super::handle::Core;
use super::host_drivers::ShimDriver;
use super::process::{self, Ended, Fork};
use crate::module::HostedSink;
use crate::sink::host::{DriverDatabase, HostEnd, HostLink, driver_module, serve};
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// First and longest wait before a dead process is replaced.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// A process that lived this long died of something new.
const HEALTHY: Duration = Duration::from_secs(30);
/// How long a process may take to close its connection at the end.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the kernel may take to end one that is killed: in a call to a dead disk or file server it may take for
/// ever.
const KILL_TIMEOUT: Duration = Duration::from_secs(1);

/// One sink's process and what it takes to start another.
struct HostProcess {
    database: DriverDatabase<ShimDriver>,
    sink: usize,
    module: String,
    link: Arc<HostLink>,
    /// `None` in a process that starts none again: when that one dies, the socket shall be closed.
    end: Option<HostEnd>,
    id: Option<i32>,
    started: Instant,
    back_off: Duration,
    /// When to try again, while there is no process.
    again: Instant,
}

/// The host database processes of one writer.
pub(super) struct HostProcesses {
    processes: Vec<HostProcess>,
}

impl HostProcesses {
    /// Starts one for each sink that needs it, and tells the node how to reach them. Only from a process that has one
    /// thread.
    pub fn start(core: &mut Core) -> HostProcesses {
        let mut processes = Vec::new();
        for sink in core.hosted_sinks() {
            let database = core.drivers.database(&sink);
            match database.map(|database| database.and_then(|database| HostProcess::new(database, &sink))) {
                Some(Ok(process)) => processes.push(process),
                Some(Err(error)) => log::error!("there is no way to a host database process: {error}"),
                None => {}
            }
        }
        let links = processes.iter().map(|process| (process.sink, Arc::clone(&process.link)));
        core.pipeline_mut().set_host_links(links.collect());
        let mut started = HostProcesses { processes };
        started.tend();
        started
    }

    /// The same for the end of the server: none that dies is replaced.
    pub fn start_once(core: &mut Core) -> HostProcesses {
        let mut started = HostProcesses::start(core);
        for process in &mut started.processes {
            process.end = None;
        }
        started
    }

    /// Replaces those that have died, when it is time.
    pub fn tend(&mut self) {
        for process in &mut self.processes {
            process.tend();
        }
    }

    /// How long there is nothing to tend to, unless a child dies.
    pub fn idle_time(&self) -> Duration {
        let again = self.processes.iter().filter(|process| process.id.is_none()).map(|process| process.again);
        let left = again.min().map(|again| again.saturating_duration_since(Instant::now()));
        left.map_or(Duration::from_secs(1), |left| left.clamp(Duration::from_millis(1), Duration::from_secs(1)))
    }

    /// Lets all end, and kills what does not; one that the kernel cannot end is left to it.
    pub fn end(self) {
        for process in &self.processes {
            process.link.close();
        }
        let mut left: Vec<i32> = self.processes.iter().filter_map(|process| process.id).collect();
        let mut end_by = |time: Duration| {
            let until = Instant::now() + time;
            loop {
                left.retain(|&id| matches!(process::has_ended(id), Ended::Running));
                if left.is_empty() || Instant::now() > until {
                    return left.clone();
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        };
        end_by(CLOSE_TIMEOUT).into_iter().for_each(|id| process::send_signal(id, libc::SIGKILL));
        for id in end_by(KILL_TIMEOUT) {
            log::error!("the host database process {id} does not end");
        }
    }
}

impl HostProcess {
    fn new(database: DriverDatabase<ShimDriver>, sink: &HostedSink) -> std::io::Result<HostProcess> {
        let (link, end) = HostLink::pair()?;
        let now = Instant::now();
        Ok(HostProcess {
            database,
            sink: sink.number,
            module: driver_module(&sink.url.scheme),
            link: Arc::new(link),
            end: Some(end),
            id: None,
            started: now,
            back_off: BACK_OFF.0,
            again: now,
        })
    }

    fn tend(&mut self) {
        if let Some(id) = self.id {
            let (how, crashed) = match process::has_ended(id) {
                Ended::Running => return,
                Ended::With(how, _) => (how, false),
                Ended::Crashed(how) => (how, true),
            };
            log::error!("the host database process {id} of {} ended {how}", self.module);
            self.id = None;
            self.back_off = match self.started.elapsed() > HEALTHY {
                true => BACK_OFF.0,
                false => (self.back_off * 2).min(BACK_OFF.1),
            };
            self.again = Instant::now() + self.back_off;
            if let Some(end) = &self.end {
                end.say_ended(crashed, &format!("its host database process ended {how}"));
            }
        }
        if self.id.is_none() && Instant::now() >= self.again {
            self.fork();
        }
    }

    fn fork(&mut self) {
        let Some(end) = &self.end else { return };
        self.started = Instant::now();
        match process::fork() {
            Ok(Fork::Parent(id)) => self.id = Some(id),
            Ok(Fork::Child) => {
                let database = &mut self.database;
                // Nothing may unwind into the host's code from here: this process has no use for it.
                let served = catch_unwind(AssertUnwindSafe(|| {
                    process::host_database_signals();
                    process::close_others([end.as_fd()].into_iter());
                    process::set_name(c"sipcapture db");
                    serve(end, database);
                }));
                process::exit(if served.is_ok() { 0 } else { 70 });
            }
            Err(error) => {
                log::error!("a host database process cannot be started, trying again: {error}");
                self.again = Instant::now() + self.back_off;
            }
        }
    }
}
