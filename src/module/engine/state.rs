//! The order of calls, and what stops the start between them.

use crate::module::parameter::ParameterError;
use std::time::Duration;

/// A call out of order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// Parameters are fixed once they are checked.
    #[error("the parameters are checked already")]
    Checked,
    /// The check of the parameters comes first.
    #[error("the parameters are not checked yet")]
    NotChecked,
    /// Lanes are mapped once.
    #[error("the lanes are mapped already")]
    Mapped,
    /// The lanes come first.
    #[error("the lanes are not mapped yet")]
    NotMapped,
    /// There is no such lane, or another process has it.
    #[error("lane {0} cannot be this process's")]
    Lane(usize),
    /// Each process needs a lane of its own first.
    #[error("this process is not attached to a lane")]
    NotAttached,
    /// Lanes were mapped for processes that never wait.
    #[error("the lanes were not mapped for processes that wait")]
    NoWaits,
    /// A HEP packet is to be gone on with that the script was not asked about, or another one.
    #[error("no such HEP packet is at hand")]
    NotAsked,
    /// The raw sockets come first, and there is nothing to read where none are asked for.
    #[error("no raw socket is open")]
    NoRawSocket,
    /// The module is one that cannot do this.
    #[error("this module cannot do that")]
    OtherModule,
    /// Forwarding is opened once.
    #[error("forwarding is open already")]
    ForwardOpen,
    /// Forwarding has to be opened first.
    #[error("forwarding is not open yet")]
    ForwardNotOpen,
    /// An answer without a question: no name is to be looked up.
    #[error("no name is being looked up")]
    NothingAsked,
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
    /// The host was told to end while this server waited for another one's spool.
    #[error("this server was told to end while it waited for the spool directory {0}")]
    Ended(String),
    /// The system refused the memory.
    #[error("the queue cannot be mapped, see parameter queue_size: {0}")]
    Io(#[from] std::io::Error),
}

/// Waits for so long, or until the host is told to end; true when it is.
pub type Pause<'a> = &'a mut dyn FnMut(Duration) -> bool;
