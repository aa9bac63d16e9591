//! What the host modules offer: their parameters, functions, commands and counters, with their rules and error texts. Called by `abi`
//! alone; knows no host, only what hosts have in common.

mod capture_node;
mod commands;
mod counters;
mod database_files;
mod float2int;
mod hep_access;
mod hep_context;
mod hep_input;
mod hep_variable;
mod masked;
mod mode_counters;
mod mode_text;
mod modes;
mod owned_directory;
mod pipeline;
mod queue_settings;
mod raw_input;
mod raw_settings;
mod settings;
mod spool_place;
#[cfg(test)]
mod tests;
mod trace_agent;

pub use capture_node::{CaptureError, CaptureNode, SipMessage};
pub use commands::Reply;
pub use counters::Counter;
pub use float2int::float2int;
pub use hep_access::{AllowList, AuthKey};
pub use hep_input::{HepPacket, Verdict};
pub use hep_variable::{ALLOWED as HEP_VARIABLES, HepValue, HepVariable};
pub use masked::Unmaskable;
pub use modes::{Choice, Mode, Modes};
pub use owned_directory::Owner;
pub use pipeline::{HostedSink, MapError, Pause, Pipeline, StateError};
pub use queue_settings::{EMBEDDED_URL, QueueSettings};
pub use raw_input::RawError;
pub use raw_settings::{RawCapture, RawSettings};
pub use settings::{ParameterError, Settings};
pub use trace_agent::{
    Copies, LocalAddress, Loss, TraceAgent, TraceError, TraceMode, TraceSettings, Traced, TracedMessage, Tracer,
    with_x_headers,
};
