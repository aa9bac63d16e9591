//! The guard around every exported function, and the register of live handles.

use super::contract::{sc_bytes, sc_core, sc_status};
use super::host_database::HostDrivers;
use super::host_log;
use crate::module::{
    CaptureError, CaptureNode, Copies, HostedSink, MapError, ParameterError, Pipeline, RawError, StateError,
    TraceAgent, TraceError,
};
use crate::queue::lane::{Lanes, PushError};
use crate::writer::Plan;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{NonNull, null_mut};
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::time::Duration;

/// The module that a handle was made for.
pub(super) enum Module {
    Node(Box<CaptureNode>),
    Agent(Box<TraceAgent>),
}

/// What an `sc_core` handle points to.
pub(super) struct Core {
    pub module: Module,
    /// The copies that the last traced message asked of the host, and what the contract's struct points to.
    pub copies: (Copies, Vec<sc_bytes>),
    /// User and group that the server will run as.
    pub owner: (Option<u32>, Option<u32>),
    /// After how long the host kills what has not ended.
    pub kill_timeout: Option<Duration>,
    /// The host's own database drivers.
    pub drivers: Option<HostDrivers>,
}

/// What every module has.
macro_rules! of_either {
    ($core:expr, $module:ident => $body:expr) => {
        match &$core.module {
            Module::Node($module) => $body,
            Module::Agent($module) => $body,
        }
    };
    (mut $core:expr, $module:ident => $body:expr) => {
        match &mut $core.module {
            Module::Node($module) => $body,
            Module::Agent($module) => $body,
        }
    };
}
pub(super) use of_either;

impl Core {
    /// The capture node; an error when the handle belongs to another module.
    pub fn node(&mut self) -> Result<&mut CaptureNode, sc_status> {
        if let Module::Node(node) = &mut self.module { Ok(node) } else { Err(sc_status::SC_ERR_WRONG_STATE) }
    }

    /// The capture agent; an error when the handle belongs to another module.
    pub fn agent(&mut self) -> Result<&mut TraceAgent, sc_status> {
        if let Module::Agent(agent) = &mut self.module { Ok(agent) } else { Err(sc_status::SC_ERR_WRONG_STATE) }
    }

    /// The way to the sinks.
    pub fn pipeline(&self) -> &Pipeline {
        of_either!(self, module => module.pipeline())
    }

    /// The same, to change it.
    pub fn pipeline_mut(&mut self) -> &mut Pipeline {
        of_either!(mut self, module => module.pipeline_mut())
    }

    /// What a writer is to do.
    pub fn plan(&self) -> Plan {
        of_either!(self, module => module.settings().plan())
    }

    /// The sinks that the host's own drivers serve.
    pub fn hosted_sinks(&self) -> Vec<HostedSink> {
        of_either!(self, module => module.hosted_sinks())
    }

    /// The lanes, once mapped.
    pub fn lanes(&self) -> Option<&Arc<Lanes>> {
        self.pipeline().lanes()
    }
}

/// Handles alive in this process; a server loads one module, a test a few.
static LIVE: [AtomicPtr<Core>; 16] = [const { AtomicPtr::new(null_mut()) }; 16];

/// Makes a handle; `None` when the register is full.
pub(super) fn register(core: Core) -> Option<*mut sc_core> {
    let handle = Box::into_raw(Box::new(core));
    let place = |cell: &&AtomicPtr<Core>| {
        cell.compare_exchange(null_mut(), handle, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    };
    if LIVE.iter().find(place).is_some() {
        return Some(handle.cast());
    }
    // SAFETY: the pointer came from `Box::into_raw` above and nobody else has it.
    drop(unsafe { Box::from_raw(handle) });
    None
}

/// Ends a handle; false when it is not alive.
pub(super) fn unregister(handle: *mut sc_core) -> bool {
    let handle = handle.cast::<Core>();
    let take = |cell: &&AtomicPtr<Core>| {
        cell.compare_exchange(handle, null_mut(), Ordering::AcqRel, Ordering::Relaxed).is_ok()
    };
    let found = !handle.is_null() && LIVE.iter().find(take).is_some();
    if found {
        // SAFETY:
        // * the register held the pointer, so it came from `Box::into_raw` and is not freed;
        // * it was taken out in one step, so nobody frees it twice.
        drop(unsafe { Box::from_raw(handle) });
    }
    found
}

fn live(handle: *mut sc_core) -> Result<NonNull<Core>, sc_status> {
    let core = NonNull::new(handle.cast::<Core>()).ok_or(sc_status::SC_ERR_NULL_POINTER)?;
    let known = LIVE.iter().any(|cell| cell.load(Ordering::Acquire) == core.as_ptr());
    if known { Ok(core) } else { Err(sc_status::SC_ERR_UNKNOWN_HANDLE) }
}

/// Runs `body`; a panic becomes [`sc_status::SC_ERR_PANIC`] and a line in the log.
pub(super) fn guard(body: impl FnOnce() -> Result<(), sc_status>) -> sc_status {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => sc_status::SC_OK,
        Ok(Err(status)) => status,
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
            log::error!("a fault of this module was contained: {text}");
            host_log::flush();
            sc_status::SC_ERR_PANIC
        }
    }
}

/// [`guard`] with the state behind a handle.
pub(super) fn with_core(handle: *mut sc_core, body: impl FnOnce(&mut Core) -> Result<(), sc_status>) -> sc_status {
    guard(|| {
        let mut core = live(handle)?;
        // SAFETY:
        // * the register knows the pointer: it is valid, aligned and not freed;
        // * the contract gives a handle to one thread, and no export calls back into another with the same handle.
        body(unsafe { core.as_mut() })
    })
}

impl From<ParameterError> for sc_status {
    fn from(error: ParameterError) -> sc_status {
        log::error!("{error}");
        match error {
            ParameterError::Unknown(..) => sc_status::SC_ERR_UNKNOWN_NAME,
            ParameterError::Value { .. } | ParameterError::Driver { .. } => sc_status::SC_ERR_INVALID_VALUE,
            ParameterError::Path { .. } | ParameterError::Spool { .. } => sc_status::SC_ERR_IO,
        }
    }
}

impl From<StateError> for sc_status {
    fn from(error: StateError) -> sc_status {
        log::error!("{error}");
        sc_status::SC_ERR_WRONG_STATE
    }
}

impl From<MapError> for sc_status {
    fn from(error: MapError) -> sc_status {
        match error {
            MapError::State(error) => error.into(),
            MapError::Parameter(error) => error.into(),
            MapError::Ended(_) => {
                log::info!("{error}");
                sc_status::SC_ERR_IO
            }
            MapError::Io(_) => {
                log::error!("{error}");
                sc_status::SC_ERR_IO
            }
        }
    }
}

impl From<RawError> for sc_status {
    fn from(error: RawError) -> sc_status {
        match error {
            RawError::State(error) => error.into(),
            RawError::Refused { .. } => {
                log::error!("{error}");
                sc_status::SC_ERR_IO
            }
        }
    }
}

impl From<CaptureError> for sc_status {
    fn from(error: CaptureError) -> sc_status {
        match error {
            CaptureError::Off => sc_status::SC_ERR_CAPTURE_OFF,
            CaptureError::Push(PushError::Full) => sc_status::SC_ERR_QUEUE_FULL,
            CaptureError::Push(PushError::TooLarge) => sc_status::SC_ERR_TOO_LARGE,
            CaptureError::State(error) => error.into(),
            CaptureError::Table(_) | CaptureError::Mode(_) | CaptureError::NoSip | CaptureError::Unmaskable(_) => {
                sc_status::SC_ERR_INVALID_VALUE
            }
            CaptureError::Malformed | CaptureError::NoHashSource => sc_status::SC_ERR_REFUSED,
        }
    }
}

impl From<TraceError> for sc_status {
    fn from(error: TraceError) -> sc_status {
        match error {
            TraceError::Off => sc_status::SC_ERR_CAPTURE_OFF,
            TraceError::Push(PushError::Full) => sc_status::SC_ERR_QUEUE_FULL,
            TraceError::Push(PushError::TooLarge) => sc_status::SC_ERR_TOO_LARGE,
            // The host may help itself, and need not be told each time.
            TraceError::State(_) => sc_status::SC_ERR_WRONG_STATE,
            TraceError::NoDestination => sc_status::SC_ERR_NO_COLLECTOR,
            TraceError::Destination(_) => sc_status::SC_ERR_INVALID_VALUE,
            TraceError::Table(_) => sc_status::SC_ERR_NO_TABLE,
            TraceError::NoXHeaders | TraceError::XHeaders => sc_status::SC_ERR_REFUSED,
        }
    }
}
