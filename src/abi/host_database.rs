//! Host database processes: children in which the host's own drivers run, one for each sink that they serve.
//!
//! They are forked by the supervisor of a writer, or by the main process for what the writers left behind: both have one thread, and what
//! the host's drivers need as the server made it. A process that dies is replaced, and its writer, whose other sinks go on meanwhile,
//! is told ([`HostEnd::say_ended`](crate::sink::host::HostEnd::say_ended)). It ends when nobody holds the other end of its socket any
//! more: so it outlives a supervisor that is killed, for as long as the writer stores what it still has.

use super::contract::{sc_bytes, sc_database_answer, sc_host, sc_row, sc_value, sc_value_kind};
use super::convert::to_bytes;
use super::guard::Core;
use super::process::{self, Ended, Fork};
use crate::module::{HostedSink, ParameterError};
use crate::sink::DatabaseUrl;
use crate::sink::host::{HostDatabase, HostEnd, HostLink, HostValue, Request, serve};
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// First and longest wait before a dead process is replaced.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// A process that lived this long died of something new.
const HEALTHY: Duration = Duration::from_secs(30);
/// How long a process may take to close its connection at the end.
const FAREWELL: Duration = Duration::from_secs(2);
/// How long the kernel may take to end one that is killed: in a call to a dead disk or file server it may take for ever.
const BURIAL: Duration = Duration::from_secs(1);

/// The host's functions, all of them present.
#[derive(Clone, Copy)]
pub(super) struct HostDrivers {
    bind: unsafe extern "C" fn(u32, sc_bytes) -> sc_database_answer,
    connect: unsafe extern "C" fn(u32, sc_bytes) -> sc_database_answer,
    insert: unsafe extern "C" fn(u32, *const sc_row) -> sc_database_answer,
    has_table: unsafe extern "C" fn(u32, *const sc_row) -> sc_database_answer,
    close: unsafe extern "C" fn(u32),
}

impl HostDrivers {
    /// Those of `host`; `None` when one is missing.
    pub fn new(host: &sc_host) -> Option<HostDrivers> {
        Some(HostDrivers {
            bind: host.database_bind?,
            connect: host.database_connect?,
            insert: host.database_insert?,
            has_table: host.database_has_table?,
            close: host.database_close?,
        })
    }
}

/// Finds the host's driver for `sink`.
pub(super) fn bind(drivers: Option<HostDrivers>, sink: &HostedSink) -> Result<(), ParameterError> {
    let scheme = &sink.url.scheme;
    let answer = match drivers {
        // SAFETY: the contract's host promised this function; it copies what it keeps.
        Some(drivers) => unsafe { (drivers.bind)(sink.number as u32, to_bytes(scheme.as_bytes())) },
        None => sc_database_answer::SC_DATABASE_NO_MODULE,
    };
    let fault = match answer {
        sc_database_answer::SC_DATABASE_YES => return Ok(()),
        sc_database_answer::SC_DATABASE_NO_MODULE => "which is not loaded",
        sc_database_answer::SC_DATABASE_CANNOT_INSERT => "which cannot insert rows",
        _ => "which does not work",
    };
    Err(ParameterError::Driver {
        name: sink.parameter,
        url: DatabaseUrl::Host(sink.url.clone()).to_string(),
        module: format!("db_{scheme}"),
        fault,
    })
}

/// The host's driver for one sink, in its own process.
struct Driver {
    functions: HostDrivers,
    sink: u32,
    url: std::ffi::CString,
    /// Seconds after which a request that is not done ends the process.
    limit: u32,
}

impl Driver {
    fn with_row<T>(row: &Request<'_>, body: impl FnOnce(&sc_row) -> T) -> T {
        let columns: Vec<sc_bytes> = row.columns.iter().map(|name| to_bytes(name)).collect();
        let values: Vec<sc_value> = row.values.iter().map(to_value).collect();
        body(&sc_row {
            table: to_bytes(row.table),
            columns: columns.as_ptr(),
            values: values.as_ptr(),
            count: columns.len() as u32,
            delayed: u8::from(row.delayed),
        })
    }
}

fn to_value(value: &HostValue<'_>) -> sc_value {
    let nothing = to_bytes(b"");
    let (kind, number, bytes) = match *value {
        HostValue::Time(seconds) => (sc_value_kind::SC_VALUE_TIME, seconds, nothing),
        HostValue::Int(number) => (sc_value_kind::SC_VALUE_INT, number.into(), nothing),
        HostValue::BigInt(number) => (sc_value_kind::SC_VALUE_BIGINT, number, nothing),
        HostValue::Text(text) => (sc_value_kind::SC_VALUE_TEXT, 0, to_bytes(text)),
        HostValue::Blob(bytes) => (sc_value_kind::SC_VALUE_BLOB, 0, to_bytes(bytes)),
    };
    sc_value { kind, number, bytes }
}

// The host promised functions of these types, callable in a forked process of one thread, and this is one. Slices live through the
// call, are never null, and those of names have a zero byte behind them.
impl HostDatabase for Driver {
    fn working(&mut self, begun: bool) {
        process::alarm(if begun { self.limit } else { 0 });
    }

    fn connect(&mut self) -> bool {
        // SAFETY: see above.
        let answer = unsafe { (self.functions.connect)(self.sink, to_bytes(self.url.as_bytes())) };
        answer == sc_database_answer::SC_DATABASE_YES
    }

    fn insert(&mut self, row: &Request<'_>) -> bool {
        // SAFETY: see above.
        let answer = Driver::with_row(row, |row| unsafe { (self.functions.insert)(self.sink, row) });
        answer == sc_database_answer::SC_DATABASE_YES
    }

    fn has_table(&mut self, row: &Request<'_>) -> Option<bool> {
        // SAFETY: see above.
        match Driver::with_row(row, |row| unsafe { (self.functions.has_table)(self.sink, row) }) {
            sc_database_answer::SC_DATABASE_YES => Some(true),
            sc_database_answer::SC_DATABASE_NO => Some(false),
            _ => None,
        }
    }

    fn close(&mut self) {
        // SAFETY: see above.
        unsafe { (self.functions.close)(self.sink) };
    }
}

/// One sink's process and what it takes to start another.
struct HostProcess {
    driver: Driver,
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
    /// Starts one for each sink that needs it, and tells the node how to reach them. Only from a process that has one thread.
    pub fn start(core: &mut Core) -> HostProcesses {
        let mut processes = Vec::new();
        if let Some(drivers) = core.drivers {
            for sink in core.hosted_sinks() {
                match HostProcess::new(drivers, &sink) {
                    Ok(process) => processes.push(process),
                    Err(error) => log::error!("there is no way to a host database process: {error}"),
                }
            }
        }
        let links = processes.iter().map(|process| (process.driver.sink as usize, Arc::clone(&process.link)));
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
    pub fn patience(&self) -> Duration {
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
        let mut end_by = |patience: Duration| {
            let until = Instant::now() + patience;
            loop {
                left.retain(|&id| matches!(process::has_ended(id), Ended::Running));
                if left.is_empty() || Instant::now() > until {
                    return left.clone();
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        };
        end_by(FAREWELL).into_iter().for_each(|id| process::send_signal(id, libc::SIGKILL));
        for id in end_by(BURIAL) {
            log::error!("the host database process {id} does not end");
        }
    }
}

impl HostProcess {
    fn new(functions: HostDrivers, sink: &HostedSink) -> std::io::Result<HostProcess> {
        let (link, end) = HostLink::pair()?;
        let url = std::ffi::CString::new(sink.url.url.expose())?;
        let limit = (sink.io_timeout * 2).as_secs().clamp(1, 3600) as u32;
        let now = Instant::now();
        Ok(HostProcess {
            driver: Driver { functions, sink: sink.number as u32, url, limit },
            module: format!("db_{}", sink.url.scheme),
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
                let driver = &mut self.driver;
                // Nothing may unwind into the host's code from here: this process has no use for it.
                let served = catch_unwind(AssertUnwindSafe(|| {
                    process::host_database_signals();
                    process::close_others([end.as_fd()].into_iter());
                    process::set_name(c"sipcapture db");
                    serve(end, driver);
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
