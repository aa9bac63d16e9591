//! `sipcapture`: the capture node.

pub(in crate::module) mod capture_node;
pub(in crate::module) mod float2int;
pub(in crate::module) mod mode_counters;
pub(in crate::module) mod mode_text;
pub(in crate::module) mod parameters;
pub(in crate::module) mod settings;
#[cfg(test)]
mod tests;
