//! What an `sc_core` handle points to, and which threads may use it.

use super::contract::{sc_bytes, sc_core, sc_status};
use super::gate::{Entry, Gate, GateError};
use super::guard::guard;
use super::host_drivers::HostDrivers;
use super::register::{InUse, Register};
use super::shared::SharedForwardState;
use crate::module::{
    AnyModule, CapturesSip, Copies, Dialect, Forward, HostedSink, KillLimits, Module, Overview, PacketWriter, Pipeline,
    TraceAgent,
};
use crate::queue::counters::Observer;
use crate::queue::lane::Lanes;
use crate::writer::WriterPlan;
use std::sync::Arc;

/// What the thread that a handle belongs to works with.
pub(super) struct Core {
    pub module: AnyModule,
    /// Where goes what the host sends from its own sockets.
    pub forward: Forward<SharedForwardState>,
    /// The copies that the last traced message asked of the host, and what the contract's struct points to.
    pub copies: (Copies, Vec<sc_bytes>),
    /// The HEP packet that is handed over in pieces.
    pub packet: PacketWriter,
    /// User and group that the server will run as.
    pub owner: (Option<u32>, Option<u32>),
    /// After how long the host kills what has not ended.
    pub kill_limits: KillLimits,
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

    /// The module as one that captures SIP; an error when it does not.
    pub fn captures_sip(&mut self) -> Result<&mut dyn CapturesSip, sc_status> {
        self.module.captures_sip().ok_or(sc_status::SC_ERR_WRONG_STATE)
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

/// What a handle points to: a part for the thread that it belongs to, and one for all.
pub(super) struct Handle {
    core: Gate<Core>,
    shared: Shared,
}

/// What any thread may ask, whatever another is doing with the handle.
pub(super) struct Shared {
    /// What the module does otherwise than others.
    pub dialect: &'static Dialect,
    /// Its switch, counters and commands.
    pub overview: Arc<Overview>,
}

impl Shared {
    /// An error when the handle does not belong to a capture agent.
    pub fn check_is_agent(&self) -> Result<(), sc_status> {
        if self.dialect.observer == Observer::Agent { Ok(()) } else { Err(sc_status::SC_ERR_WRONG_STATE) }
    }
}

/// Handles alive in this process.
static HANDLES: Register<Handle> = Register::new();

/// Makes a handle, which belongs to the thread that calls.
pub(super) fn register(core: Core) -> *mut sc_core {
    let module = core.module();
    let shared = Shared { dialect: module.dialect(), overview: Arc::clone(module.pipeline().overview()) };
    HANDLES.put(Handle { core: Gate::new(core), shared }).as_ptr().cast()
}

fn find(handle: *mut sc_core) -> Result<InUse<Handle>, sc_status> {
    if handle.is_null() {
        return Err(sc_status::SC_ERR_NULL_POINTER);
    }
    HANDLES.find(handle.cast()).ok_or(sc_status::SC_ERR_UNKNOWN_HANDLE)
}

/// Ends a handle, while nobody is in a call of its owner. Whoever still reads counters is not disturbed.
pub(super) fn end(handle: *mut sc_core) -> sc_status {
    guard(|| {
        let handle = find(handle)?;
        // Nobody gets in after this, for nobody finds it, and who is in keeps this thread out.
        handle.get().core.enter(Entry::Anyone, |_| ())?;
        if handle.end() { Ok(()) } else { Err(sc_status::SC_ERR_UNKNOWN_HANDLE) }
    })
}

/// [`guard`] with the state behind a handle, for the thread that it belongs to.
pub(super) fn with_core(handle: *mut sc_core, body: impl FnOnce(&mut Core) -> Result<(), sc_status>) -> sc_status {
    guard(|| find(handle)?.get().core.enter(Entry::Owner, body)?)
}

/// [`with_core`] for the thread that is to have a lane: when `body` succeeds, the handle belongs to it.
pub(super) fn attaching(handle: *mut sc_core, body: impl FnOnce(&mut Core) -> Result<(), sc_status>) -> sc_status {
    guard(|| find(handle)?.get().core.hand_over(body)?)
}

/// [`guard`] with what any thread may ask.
pub(super) fn with_shared(handle: *mut sc_core, body: impl FnOnce(&Shared) -> Result<(), sc_status>) -> sc_status {
    guard(|| body(&find(handle)?.get().shared))
}

impl From<GateError> for sc_status {
    fn from(refused: GateError) -> sc_status {
        match refused {
            GateError::OtherThread => sc_status::SC_ERR_WRONG_THREAD,
            GateError::Reentered => sc_status::SC_ERR_WRONG_STATE,
        }
    }
}
