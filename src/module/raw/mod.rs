//! Messages from raw sockets: the parameters, and which packets are taken.

pub(in crate::module) mod input;
pub(in crate::module) mod settings;
