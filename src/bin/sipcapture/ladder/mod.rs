//! The ladder: one column a host, one line a message, time on the left. It makes lines of messages, without I/O.

mod columns;
mod draw;
mod row;

pub use self::columns::{Columns, FlowHost};
pub use self::draw::{LadderStep, draw};
