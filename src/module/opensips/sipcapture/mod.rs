//! `sipcapture`: the capture node.

pub(in crate::module) mod capture_node;
pub(in crate::module) mod parameters;
mod report;
pub(in crate::module) mod settings;
#[cfg(test)]
mod tests;
