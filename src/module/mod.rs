//! What the host modules offer: their parameters, functions, commands and counters, with their rules and error texts.
//! Called by `abi` alone.
//!
//! Each host has a folder, and each of its modules one in that. What they have in common is beside them: [`engine`] for
//! every module, [`hep`] for those that take HEP packets, [`raw`] for those that read raw sockets. [`Module`] is what
//! the host's shim calls in each of them, from the parameters to the end; what only one of them can do is a method of
//! its own.

/// What a module of `$dialect` says of itself that has its parameters in `settings`, with those of every module in
/// `common` there, and its way to the sinks in `pipeline`.
macro_rules! of_settings_and_pipeline {
    ($dialect:expr) => {
        fn dialect(&self) -> &'static Dialect {
            &$dialect
        }

        fn common(&self) -> &CommonSettings {
            &self.settings.common
        }

        fn common_mut(&mut self) -> &mut CommonSettings {
            &mut self.settings.common
        }

        fn pipeline(&self) -> &Pipeline {
            &self.pipeline
        }

        fn pipeline_mut(&mut self) -> &mut Pipeline {
            &mut self.pipeline
        }

        fn set_module_text(&mut self, name: &str, value: &[u8]) -> Result<(), ParameterError> {
            self.settings.set_text(name, value)
        }

        fn set_module_number(&mut self, name: &str, value: i64) -> Result<(), ParameterError> {
            self.settings.set_number(name, value)
        }

        fn plan(&self) -> WriterPlan {
            self.settings.plan()
        }
    };
}

mod captures_sip;
mod engine;
mod hep;
mod host_facts;
mod kamailio;
mod list;
mod node;
mod opensips;
pub mod parameter;
mod parameter_list;
mod raw;
mod sip_message;
#[cfg(test)]
mod testing;
#[cfg(any(test, feature = "toy-host"))]
#[path = "../../tests/toy_host/module.rs"]
mod toy;
mod variable;

pub use crate::owned_directory::Owner;
pub use captures_sip::{CaptureNeeds, CapturesSip};
pub use engine::commands::Reply;
pub use engine::common_settings::CommonSettings;
pub use engine::default_places::{EMBEDDED_URL, SPOOL_DIRECTORY};
pub use engine::dialect::{Command, Dialect};
pub use engine::forward::{
    Forward, ForwardRules, Forwarded, LookUp, MOST_HELD_BYTES, MOST_NAMES, SendTo, SharedState, State as ForwardState,
    Work,
};
pub use engine::host_refusal::HostRefusal;
pub use engine::masked::Unmaskable;
pub use engine::modes::{Mode, Modes, TableSelection};
pub use engine::overview::Overview;
pub use engine::pipeline::{HostedSink, Pipeline};
pub use engine::relay::{Relay, RelayError};
pub use engine::shutdown_timeout::{KillLimits, ShutdownTimeout};
pub use engine::state::{MapError, Pause, StateError};
pub use engine::statistics::Statistic;
pub use hep::access::{AllowList, AuthKey};
pub use hep::chunks::{
    ChunkArguments, ChunkContent, ChunkError, ChunkForm, ChunkFunction, ChunkId, EncodedChunk, OuterField, OuterPacket,
    ROOM as CHUNK_ROOM, check_argument as check_chunk_argument, decode as decode_chunk, encode as encode_chunk,
    one_family, version_value as hep_version_value,
};
pub use hep::decoded::DecodedHep;
pub use hep::intake::{HepPacket, Verdict};
pub use hep::metadata::Metadata;
pub use hep::packet_writer::PacketWriter;
pub use hep::variable::{ALLOWED as HEP_VARIABLES, HepVariable};
pub use host_facts::{HostFacts, Ipv6Style};
pub use kamailio::rows::ROWS as KAMAILIO_ROWS;
pub use kamailio::sipcapture::capture_node::CaptureNode;
pub use kamailio::sipcapture::float2int::float2int;
pub use kamailio::sipcapture::parameters::PARAMETERS as SIPCAPTURE_PARAMETERS;
pub use kamailio::sipcapture::settings::CaptureSettings;
pub use kamailio::siptrace::parameters::PARAMETERS as SIPTRACE_PARAMETERS;
pub use kamailio::siptrace::{
    Conclusion, Copies, Decision, HostNeeds, LocalAddress, Loss, Scope, SendResult, TRACE_VARIABLES, TraceAgent,
    TraceCall, TraceEndpoint, TraceError, TraceFunction, TraceMode, TraceSettings, TraceVariable, Traced,
    TracedMessage, Tracer, conclude,
};
pub use list::AnyModule;
pub use opensips::rows::{ROWS as OPENSIPS_ROWS, ROWS_HOMER6 as OPENSIPS_ROWS_HOMER6};
pub use opensips::sipcapture::capture_node::CaptureNode as OpensipsCaptureNode;
pub use opensips::sipcapture::settings::CaptureSettings as OpensipsCaptureSettings;
pub use parameter::ParameterError;
pub use parameter_list::{Parameter, ParameterKind, ParameterList};
pub use raw::input::RawError;
pub use raw::settings::{RawCapture, RawSettings};
pub use sip_message::{CaptureError, SipMessage};
pub use variable::VariableValue;

use crate::writer::WriterPlan;
use engine::overview::ModesAndStatistics;
use engine::{pipeline, spool_directory};

/// The life of a module, from its parameters to its counters.
///
/// What a module must say of itself comes first; the steps of its life, which are the same for all, follow: each
/// parameter is set, [`check`](Module::check), [`map_lanes`](Module::map_lanes), and in each process
/// [`attach`](Module::attach).
pub trait Module {
    /// What this module does otherwise than others.
    fn dialect(&self) -> &'static Dialect;

    /// The settings that every module has.
    fn common(&self) -> &CommonSettings;

    /// The same, to change them.
    fn common_mut(&mut self) -> &mut CommonSettings;

    /// The way to the sinks.
    fn pipeline(&self) -> &Pipeline;

    /// The same, to change it.
    fn pipeline_mut(&mut self) -> &mut Pipeline;

    /// Sets a parameter of type text.
    ///
    /// # Errors
    /// The module has no such parameter, or the value will not do.
    fn set_module_text(&mut self, name: &str, value: &[u8]) -> Result<(), ParameterError>;

    /// Sets a parameter of type number.
    ///
    /// # Errors
    /// The module has no such parameter, or the value will not do.
    fn set_module_number(&mut self, name: &str, value: i64) -> Result<(), ParameterError>;

    /// Checks what only the module's own parameters together can tell.
    ///
    /// # Errors
    /// Parameters that do not go together.
    fn check_module(&mut self) -> Result<(), ParameterError>;

    /// What the parameters ask of a writer.
    fn plan(&self) -> WriterPlan;

    /// Whether the switch is on at start.
    fn is_on_at_start(&self) -> bool;

    /// Names of the capture modes, by number, and counters beside those that every module has which shows the same.
    fn modes_and_counters(&self) -> (Vec<String>, Vec<Statistic>) {
        Default::default()
    }

    /// Notes what the host is like. Comes before all else.
    fn note_host(&mut self, host: HostFacts) {
        let _ = host;
    }

    /// Notes that lane `index` has become this process's own.
    fn note_lane(&mut self, index: usize) {
        let _ = index;
    }

    /// Sets a parameter of type text.
    ///
    /// # Errors
    /// As [`Module::set_module_text`], and once the parameters are checked.
    fn set_text(&mut self, name: &str, value: &[u8]) -> Result<(), SetError> {
        self.pipeline().check_is_open()?;
        let alias = self.dialect().alias(name);
        let parameter = alias.map_or(name, |(_, meant)| meant);
        self.common_mut().aliases.note(parameter, alias);
        let set = self.set_module_text(parameter, value);
        Ok(set.map_err(|error| self.common().aliases.named(error))?)
    }

    /// Sets a parameter of type number.
    ///
    /// # Errors
    /// As [`Module::set_module_number`], and once the parameters are checked.
    fn set_number(&mut self, name: &str, value: i64) -> Result<(), SetError> {
        self.pipeline().check_is_open()?;
        let alias = self.dialect().alias(name);
        let parameter = alias.map_or(name, |(_, meant)| meant);
        self.common_mut().aliases.note(parameter, alias);
        let set = self.set_module_number(parameter, value);
        Ok(set.map_err(|error| self.common().aliases.named(error))?)
    }

    /// Checks the parameters together, and makes what they name: files and directories, owned by `owner` (user and
    /// group that the server will run as), so that what cannot be written stops the start. `shutdown_timeout` is kept
    /// below the `limits` after which the host kills what has not ended.
    ///
    /// # Errors
    /// Parameters that do not go together, or name what cannot be used.
    fn check(&mut self, owner: Owner, limits: KillLimits) -> Result<(), ParameterError> {
        self.common_mut().end_before(limits);
        self.check_module().map_err(|error| self.common().aliases.named(error))?;
        let plan = self.plan();
        pipeline::prepare_sinks(&plan, owner)?;
        let beside = spool_directory::beside(&self.common().db_url, self.dialect().spool_name);
        let mut common = self.common().clone();
        self.pipeline_mut().spool.prepare(&mut common, beside, owner)?;
        *self.common_mut() = common;
        let (modes, counters) = self.modes_and_counters();
        let sinks = plan.sinks.iter().map(|sink| sink.to_string()).collect();
        self.pipeline().overview().note_parameters(ModesAndStatistics { sinks, modes, counters });
        Ok(())
    }

    /// Processes that must run a writer.
    ///
    /// # Errors
    /// The parameters are not checked yet.
    fn writers(&self) -> Result<usize, StateError> {
        self.pipeline().check_is_checked()?;
        Ok(self.common().writers)
    }

    /// Maps the lanes: one for each of `producers` processes. `pause` is how another server's spool is waited for.
    ///
    /// # Errors
    /// See [`MapError`].
    fn map_lanes(&mut self, producers: usize, pause: Pause<'_>) -> Result<(), MapError> {
        self.pipeline().check_is_checked()?;
        let (plan, is_on, mut common) = (self.plan(), self.is_on_at_start(), self.common().clone());
        self.pipeline_mut().map_lanes(&mut common, &plan, producers, is_on, pause)?;
        *self.common_mut() = common;
        Ok(())
    }

    /// Makes lane `index` this process's own. Attaching again to the same lane is no error.
    ///
    /// # Errors
    /// There is no such lane, or somebody else has it.
    fn attach(&mut self, index: usize) -> Result<(), StateError> {
        self.pipeline_mut().attach(index)?;
        self.note_lane(index);
        Ok(())
    }

    /// The sinks that the host's own drivers serve. Known once all parameters are set.
    fn hosted_sinks(&self) -> Vec<HostedSink> {
        pipeline::hosted_sinks(&self.plan())
    }
}

/// Why a parameter is not set.
#[derive(Debug, thiserror::Error)]
pub enum SetError {
    /// The parameters are checked already.
    #[error(transparent)]
    State(#[from] StateError),
    /// There is no such parameter, or the value will not do.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
}
