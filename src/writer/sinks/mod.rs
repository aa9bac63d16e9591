//! The sinks of a writer, one file or folder each. A sink is on this list and nowhere else in the writer.

pub mod packets;
pub mod rows;
#[cfg(test)]
mod toy;
