//! What a row looks like: columns of a layout, values of a capture, names and creation of tables.
//!
//! Sinks, the writer and the operator's tool call this room; it calls [`capture`](crate::capture) and below.

pub mod ddl;
pub mod layout;
mod make_row;
pub mod name;
pub mod row;

pub use ddl::SqlDialect;
pub use layout::{Column, ColumnKind, ColumnNames, Layout, TraceColumnNames, report_layout, sip_layout, trace_layout};
pub use make_row::make_row;
pub use name::{NameError, TableNames};
pub use row::{Row, RowText, Value, fill_report, fill_sip, fill_trace};
