//! The modules of OpenSIPS.

pub(in crate::module) mod dialect;
pub(in crate::module) mod refusal;
pub(in crate::module) mod rows;
pub(in crate::module) mod sipcapture;
