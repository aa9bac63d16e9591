//! The ladder: one column a host, one line a message, time on the left. Pure: messages in, lines out.

mod columns;
mod draw;
mod row;

pub use self::columns::{Columns, FlowHost};
pub use self::draw::{LadderStep, draw};
