//! The modules of Kamailio.

mod dialect;
pub(in crate::module) mod refusal;
pub(in crate::module) mod rows;
pub(in crate::module) mod sipcapture;
pub(in crate::module) mod siptrace;
