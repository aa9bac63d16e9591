//! What any thread may ask of a module while another one works with it: the switch, the counters, the commands. All of
//! it stands in shared memory, or does not change any more once it is there.

use crate::log_limit::SharedLogLimit;
use crate::module::engine::dialect::Dialect;
use crate::module::engine::state::StateError;
use crate::module::engine::statistics::{self, Statistic};
use crate::queue::lane::Lanes;
use std::ffi::CStr;
use std::sync::{Arc, OnceLock};

/// Of one module; every process of the server has its copy, and the lanes in common.
#[derive(Debug, Default)]
pub struct Overview {
    lanes: OnceLock<Arc<Lanes>>,
    parameters: OnceLock<ModesAndStatistics>,
    /// For what any thread may have to say.
    pub(in crate::module) log: SharedLogLimit,
}

/// What the parameters name, once they are checked.
#[derive(Debug, Default)]
pub(in crate::module) struct ModesAndStatistics {
    /// URLs of the sinks, without passwords.
    pub sinks: Vec<String>,
    /// Capture modes, by number.
    pub modes: Vec<String>,
    /// Counters beside those of the table.
    pub counters: Vec<Statistic>,
}

impl Overview {
    /// Notes what the parameters name; they are checked once.
    pub(in crate::module) fn note_parameters(&self, named: ModesAndStatistics) {
        let _ = self.parameters.set(named);
    }

    /// Whether the parameters are checked.
    pub(in crate::module) fn is_checked(&self) -> bool {
        self.parameters.get().is_some()
    }

    /// Notes the lanes.
    pub(in crate::module) fn note_lanes(&self, lanes: Arc<Lanes>) {
        let _ = self.lanes.set(lanes);
    }

    /// The lanes, once mapped.
    pub fn lanes(&self) -> Option<&Arc<Lanes>> {
        self.lanes.get()
    }

    /// The lanes, or the error of a module that has none yet.
    pub(in crate::module) fn mapped(&self) -> Result<&Arc<Lanes>, StateError> {
        self.lanes().ok_or(StateError::NotMapped)
    }

    /// URLs of the sinks, without passwords; known once the parameters are checked.
    pub(in crate::module) fn sinks(&self) -> &[String] {
        self.parameters.get().map_or(&[], |named| &named.sinks)
    }

    /// Names of the capture modes, by number; known once the parameters are checked.
    pub(in crate::module) fn modes(&self) -> &[String] {
        self.parameters.get().map_or(&[], |named| &named.modes)
    }

    /// Whether the switch is on.
    ///
    /// # Errors
    /// The lanes are not mapped yet.
    pub fn is_on(&self) -> Result<bool, StateError> {
        Ok(self.mapped()?.capture_on())
    }

    /// Statistic number `index` of a module of `dialect`, from 0; `None` behind the last one. All are there once the
    /// parameters are checked.
    pub fn counter_at(&self, dialect: &Dialect, index: usize) -> Option<&Statistic> {
        let common = statistics::of(dialect.observer);
        // Those that parameters name come last.
        common.get(index).or_else(|| self.parameters.get()?.counters.get(index - common.len()))
    }

    /// The name that a page of an exporter gives to the statistic `counter` of `group`, as the host has them, in place
    /// of it. The page shows `shown`: `all`, a group with a colon behind it, or the name of one statistic. `None` when
    /// it does not show this one, or its own name will do.
    pub fn exported_name(&self, dialect: &Dialect, group: &[u8], counter: &[u8], shown: &[u8]) -> Option<&CStr> {
        let is_shown = shown == b"all" || shown.strip_suffix(b":") == Some(group) || shown == counter;
        let mut counters = (0..).map_while(|index| self.counter_at(dialect, index));
        let known = counters.find(|known| known.name.to_bytes() == counter)?;
        known.exported_name.as_deref().filter(|_| is_shown)
    }

    /// The value of counter number `index`; 0 until the lanes are mapped.
    pub fn value_at(&self, dialect: &Dialect, index: usize) -> Option<u64> {
        let counter = self.counter_at(dialect, index)?;
        Some(self.lanes().map_or(0, |lanes| counter.value(&lanes.totals())))
    }
}
