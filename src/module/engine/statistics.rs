//! Counters by name, as statistics of the host.

use crate::queue::counters::{self, Observer, Totals};
use std::borrow::Cow;
use std::ffi::{CStr, CString};
use std::sync::OnceLock;

/// One counter of a module.
#[derive(Debug)]
pub struct Statistic {
    /// Name within the module's group.
    pub name: Cow<'static, CStr>,
    /// What it counts.
    pub description: Cow<'static, CStr>,
    /// Its name where exporters show it, if `name` is none that they take.
    pub exported_name: Option<CString>,
    value: StatisticValue,
}

#[derive(Debug)]
enum StatisticValue {
    Of(&'static counters::Counter),
    /// SIP requests (0) or replies (1) of a mode.
    Mode(usize, usize),
}

impl Statistic {
    /// The SIP requests (`kind` 0) or replies (1) that `sip_capture()` accepted in mode number `mode`.
    pub(in crate::module) fn of_mode(
        mode: usize,
        kind: usize,
        name: CString,
        exported_name: Option<CString>,
        description: CString,
    ) -> Statistic {
        let (name, description) = (Cow::Owned(name), Cow::Owned(description));
        Statistic { name, description, exported_name, value: StatisticValue::Mode(mode, kind) }
    }

    /// Its value in a reading.
    pub fn value(&self, totals: &Totals) -> u64 {
        match self.value {
            StatisticValue::Of(counter) => counter.value(totals),
            StatisticValue::Mode(mode, kind) => totals.modes[mode][kind],
        }
    }
}

/// The counters that every module has which shows them as `observer`.
pub(in crate::module) fn of(observer: Observer) -> &'static [Statistic] {
    static OF: [OnceLock<Vec<Statistic>>; 2] = [const { OnceLock::new() }; 2];
    OF[observer as usize].get_or_init(|| {
        let statistics = counters::statistics(observer).map(|(counter, description)| Statistic {
            name: Cow::Borrowed(counter.name),
            description: Cow::Borrowed(description),
            exported_name: None,
            value: StatisticValue::Of(counter),
        });
        statistics.collect()
    })
}
