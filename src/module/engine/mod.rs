//! What every module has: the way to the sinks, the settings that go with it, the place of the spool, commands,
//! counters, the choice of a table, what the host sends to SIP URIs, and HEP packets that are passed on.

pub(in crate::module) mod capture_queue;
pub(in crate::module) mod commands;
pub(in crate::module) mod common_settings;
pub(in crate::module) mod default_places;
pub(in crate::module) mod dialect;
pub(in crate::module) mod forward;
pub(in crate::module) mod host_refusal;
pub(in crate::module) mod known_texts;
pub(in crate::module) mod masked;
pub(in crate::module) mod modes;
pub(in crate::module) mod overview;
pub(in crate::module) mod pipeline;
pub(in crate::module) mod relay;
pub(in crate::module) mod shutdown_timeout;
pub(in crate::module) mod spool_directory;
pub(in crate::module) mod state;
pub(in crate::module) mod statistics;
pub(in crate::module) mod used_aliases;
