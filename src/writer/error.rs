//! Why a writer cannot go on.

use std::io;

/// Why a writer cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum WriterError {
    /// The system refused a lock or a thread.
    #[error("the writer cannot start: {0}")]
    Io(#[from] io::Error),
    /// A thread that owns a sink is gone.
    #[error("a delivery thread died")]
    DeliveryDied,
}
