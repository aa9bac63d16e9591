//! Where captures come from other than the host's own sockets. Called by `module`; knows neither hosts nor parameters.

pub mod raw;
