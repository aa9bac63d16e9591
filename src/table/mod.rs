//! What a row looks like: columns of a layout, values of a capture, what hosts do otherwise, names and creation of
//! tables.
//!
//! Sinks, the writer and the operator's tool call this room; it calls [`capture`](crate::capture) and below.

pub mod column;
pub mod ddl;
mod dialect;
pub mod homer5;
pub mod homer6;
pub mod layout;
mod make_row;
pub mod name;
pub mod row;
pub mod sip_trace;
#[cfg(test)]
pub(crate) mod test_dialect;

pub use column::ColumnKind;
pub use ddl::SqlDialect;
pub use dialect::{AgentIdForm, CorrelationSource, OtherTransports, RowDialect, RowTransports, TransportNumbers};
pub use layout::{Column, ColumnNames, Layout, TraceColumnNames, report_layout, sip_layout, trace_layout};
pub use make_row::make_row;
pub use name::{NameError, TableNames};
pub use row::{Row, RowText, Value, fill_report, fill_sip, fill_trace};
