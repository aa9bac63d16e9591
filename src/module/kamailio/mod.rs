//! The modules of Kamailio.

pub(in crate::module) mod sipcapture;
pub(in crate::module) mod siptrace;
