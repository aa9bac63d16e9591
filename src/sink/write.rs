//! What a sink for rows does, whatever its database.

use crate::table::{Layout, Row};

/// What a successful write did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Values that were cut to their column's width, or brought into its range.
    pub truncated: u64,
}

/// Why a write stored nothing.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The database is there and refuses these rows; a smaller slice may pass.
    #[error("rejected: {0}")]
    Rejected(String),
    /// The table is missing or may not be written, and no smaller slice will change that; an operator may.
    #[error("table unusable: {0}")]
    TableUnusable(String),
    /// Somebody holds a lock on the table, and the database has given up waiting for it; the same rows will pass later.
    #[error("table locked: {0}")]
    TableLocked(String),
    /// The database cannot be reached or cannot write now; the same rows may pass later.
    #[error("unavailable: {0}")]
    Unavailable(String),
}

/// A place to write rows to. Opened without a connection; connects, and reconnects, when it writes.
pub trait Sink: Send {
    /// Writes all of `rows` to `table` in one transaction, or none of them.
    ///
    /// `table` is a checked name ([`table::name`](crate::table::name)); a row has a value for each column of `layout`.
    /// Returns within about `io_timeout`, also when the server does not answer any more.
    fn write(&mut self, table: &str, layout: &Layout, rows: &[Row<'_>]) -> Result<Written, SinkError>;

    /// Most rows that one call of [`Sink::write`] may be given: 1 where the database has no transactions to take back a
    /// part. With more it answers [`SinkError::Rejected`].
    fn most_rows(&self) -> usize {
        usize::MAX
    }
}
