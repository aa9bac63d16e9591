//! Sinks: where captures end. A sink writes a slice of rows to one table and says what became of them.

use crate::table::{Layout, Row};

/// What a successful write did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Values that were cut to their column's width.
    pub truncated: u64,
}

/// Why a write stored nothing.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The database is there and refuses these rows; a smaller slice may pass.
    #[error("rejected: {0}")]
    Rejected(String),
    /// The database cannot be reached or cannot write now; the same rows may pass later.
    #[error("unavailable: {0}")]
    Unavailable(String),
}

/// A place to write rows to. Opened without a connection; connects, and reconnects, when it writes.
pub trait Sink: Send {
    /// Writes all of `rows` to `table` in one transaction, or none of them.
    fn write(&mut self, table: &str, layout: &Layout, rows: &[Row<'_>]) -> Result<Written, SinkError>;
}
