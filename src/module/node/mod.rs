//! What the capture nodes of all hosts have in common beyond what every module has: parameters, tables that scripts
//! name, and the way of a message into the queue.

pub(in crate::module) mod queueing;
pub(in crate::module) mod script_tables;
pub(in crate::module) mod settings;
