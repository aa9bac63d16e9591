//! What is done with a HEP packet before it is a capture: who may send it, what scripts may ask of it, and how it is
//! taken; and in `chunks` what they do with single chunks of a packet that the host has decoded, which `packet_writer`
//! writes anew.

pub(in crate::module) mod access;
pub(in crate::module) mod chunks;
pub(in crate::module) mod context;
pub(in crate::module) mod decoded;
pub(in crate::module) mod intake;
pub(in crate::module) mod metadata;
pub(in crate::module) mod packet_writer;
pub(in crate::module) mod settings;
pub(in crate::module) mod variable;
