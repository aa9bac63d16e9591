//! What an `sc_core` handle points to, and the register of the handles that are alive.

use super::contract::{sc_bytes, sc_core, sc_status};
use super::guard::guard;
use super::host_drivers::HostDrivers;
use super::shared::SharedForwardState;
use crate::module::{AnyModule, CaptureNode, Copies, Forward, HostedSink, Module, Pipeline, TraceAgent};
use crate::queue::lane::Lanes;
use crate::writer::WriterPlan;
use std::ptr::{NonNull, null_mut};
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::time::Duration;

/// What an `sc_core` handle points to.
pub(super) struct Core {
    pub module: AnyModule,
    /// Where goes what the host sends from its own sockets.
    pub forward: Forward<SharedForwardState>,
    /// The copies that the last traced message asked of the host, and what the contract's struct points to.
    pub copies: (Copies, Vec<sc_bytes>),
    /// User and group that the server will run as.
    pub owner: (Option<u32>, Option<u32>),
    /// After how long the host kills what has not ended.
    pub kill_timeout: Option<Duration>,
    /// The host's own database drivers.
    pub drivers: HostDrivers,
}

impl Core {
    /// The life of the module, whichever it is.
    pub fn module(&self) -> &dyn Module {
        self.module.life()
    }

    /// The same, to change it.
    pub fn module_mut(&mut self) -> &mut dyn Module {
        self.module.life_mut()
    }

    /// The capture node; an error when the handle belongs to another module.
    pub fn node(&mut self) -> Result<&mut CaptureNode, sc_status> {
        if let AnyModule::Sipcapture(node) = &mut self.module { Ok(node) } else { Err(sc_status::SC_ERR_WRONG_STATE) }
    }

    /// The capture agent; an error when the handle belongs to another module.
    pub fn agent(&mut self) -> Result<&mut TraceAgent, sc_status> {
        if let AnyModule::Siptrace(agent) = &mut self.module { Ok(agent) } else { Err(sc_status::SC_ERR_WRONG_STATE) }
    }

    /// The way to the sinks.
    pub fn pipeline(&self) -> &Pipeline {
        self.module().pipeline()
    }

    /// The same, to change it.
    pub fn pipeline_mut(&mut self) -> &mut Pipeline {
        self.module_mut().pipeline_mut()
    }

    /// What a writer is to do.
    pub fn plan(&self) -> WriterPlan {
        self.module().plan()
    }

    /// The sinks that the host's own drivers serve.
    pub fn hosted_sinks(&self) -> Vec<HostedSink> {
        self.module().hosted_sinks()
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
