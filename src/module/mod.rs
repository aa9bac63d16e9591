//! What the host modules offer: their parameters, functions, commands and counters, with their rules and error texts. Called by `abi`
//! alone.
//!
//! Each host has a folder, and each of its modules one in that. What they have in common is beside them: [`engine`] for every module,
//! [`hep`] for those that take HEP packets, [`raw`] for those that read raw sockets.

mod engine;
mod hep;
mod kamailio;
pub mod parameter;
mod raw;

pub use engine::commands::Reply;
pub use engine::common_settings::{CommonSettings, EMBEDDED_URL};
pub use engine::counters::Counter;
pub use engine::masked::Unmaskable;
pub use engine::modes::{Choice, Mode, Modes};
pub use engine::owned_directory::Owner;
pub use engine::pipeline::{HostedSink, MapError, Pause, Pipeline, StateError};
pub use hep::access::{AllowList, AuthKey};
pub use hep::intake::{HepPacket, Verdict};
pub use hep::variable::{ALLOWED as HEP_VARIABLES, HepValue, HepVariable};
pub use kamailio::sipcapture::capture_node::{CaptureError, CaptureNode, SipMessage};
pub use kamailio::sipcapture::float2int::float2int;
pub use kamailio::sipcapture::settings::CaptureSettings;
pub use kamailio::siptrace::{
    Copies, LocalAddress, Loss, TraceAgent, TraceError, TraceMode, TraceSettings, Traced, TracedMessage, Tracer,
    with_x_headers,
};
pub use parameter::ParameterError;
pub use raw::input::RawError;
pub use raw::settings::{RawCapture, RawSettings};
