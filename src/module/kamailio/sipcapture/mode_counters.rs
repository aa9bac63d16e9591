//! The counters of named capture modes, and names for them that every exporter takes.
//!
//! The stock module calls them `captured_requests[M]` and `captured_replies[M]`, and dashboards ask for them by these
//! names. Exporters do not take them: the grammar of Prometheus for the name of a metric is `[a-zA-Z_:][a-zA-Z0-9_:]*`,
//! and one name outside it costs the whole page. So each has a plain name too, `captured_requests_M` and
//! `captured_replies_M`, in which every character of `M` but ASCII letters, digits and `_` is a `_`. When two modes
//! would have the same plain name, the mode that is called so keeps it, and others get `_2`, `_3` and so on behind
//! theirs, in the order of their definition.

use crate::module::engine::modes::Modes;
use crate::module::engine::statistics::Statistic;
use std::ffi::CString;

/// What the operator is told when an exporter cannot be given the plain names.
pub(in crate::module) const NOT_EXPORTED: &str = "the names of capture modes' statistics cannot be made plain for xhttp_prom of this \
     Kamailio: Prometheus may refuse its page; mode_statistics=plain makes them so everywhere";

/// `mode_statistics`: the names of the statistics of named modes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ModeStatistics {
    /// `stock`: as the stock module calls them; the plain names are for exporters alone. This is the default.
    #[default]
    Stock,
    /// `plain`: the plain names everywhere.
    Plain,
}

impl ModeStatistics {
    /// What `mode_statistics` may be, for errors.
    pub(in crate::module) const ALLOWED: &str = "stock and plain are allowed";

    /// The names called `text`.
    pub(in crate::module) fn parse(text: &str) -> Option<ModeStatistics> {
        match text {
            "stock" => Some(ModeStatistics::Stock),
            "plain" => Some(ModeStatistics::Plain),
            _ => None,
        }
    }
}

/// The counters of every mode but the default one.
pub(in crate::module) fn of_modes(modes: &Modes, names: ModeStatistics) -> Vec<Statistic> {
    let named: Vec<&str> = modes.iter().skip(1).map(|mode| mode.name.as_str()).collect();
    let plain = plain_names(&named);
    let owned = |text: String| CString::new(text).unwrap_or_default();
    let counter = |index: usize, kind: usize| {
        let (what, name) = (["requests", "replies"][kind], named[index]);
        let stock_name = owned(format!("captured_{what}[{name}]"));
        let plain_name = owned(format!("captured_{what}_{}", plain[index]));
        let description = owned(format!("SIP {what} accepted by sip_capture() in mode {name}"));
        match names {
            ModeStatistics::Plain => Statistic::of_mode(index + 1, kind, plain_name, None, description),
            ModeStatistics::Stock => Statistic::of_mode(index + 1, kind, stock_name, Some(plain_name), description),
        }
    };
    (0..named.len()).flat_map(|index| [0, 1].map(|kind| counter(index, kind))).collect()
}

/// A name for each of the modes `names`, which differ; in their order.
fn plain_names(names: &[&str]) -> Vec<String> {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let mut taken: Vec<String> =
        names.iter().filter(|name| name.chars().all(is_plain)).map(|name| (*name).to_owned()).collect();
    let mut plain = Vec::with_capacity(names.len());
    for name in names {
        if name.chars().all(is_plain) {
            plain.push((*name).to_owned());
            continue;
        }
        let wanted: String = name.chars().map(|character| if is_plain(character) { character } else { '_' }).collect();
        let numbered = (2..).map(|number| format!("{wanted}_{number}"));
        let free = [wanted.clone()].into_iter().chain(numbered).find(|name| !taken.contains(name));
        let free = free.expect("there is always one more number");
        taken.push(free.clone());
        plain.push(free);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::engine::modes::{DEFAULT, Mode, TableSelection};
    use crate::module::engine::statistics;
    use crate::queue::counters::{MODES, Observer};
    use crate::sink::DatabaseUrl;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn modes<'a>(names: impl IntoIterator<Item = &'a str>) -> Modes {
        let mode = |name: &str| Mode {
            name: name.to_owned(),
            url: DatabaseUrl::parse("sqlite:///x.db").unwrap(),
            tables: vec!["t".to_owned()],
            choice: TableSelection::Random,
            sink: 0,
        };
        Modes::new([DEFAULT].into_iter().chain(names).map(mode).collect())
    }

    /// The grammar of the Prometheus text format, version 0.0.4.
    fn is_metric_name(name: &str) -> bool {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':';
        !name.is_empty() && !name.as_bytes()[0].is_ascii_digit() && name.bytes().all(fits)
    }

    /// What a page shows of these counters.
    fn shown(counters: &[Statistic]) -> Vec<&str> {
        let of = counters.iter().map(|counter| counter.exported_name.as_deref().unwrap_or(&counter.name));
        of.map(|name| name.to_str().unwrap()).collect()
    }

    #[test]
    fn a_mode_has_the_stock_names_and_plain_ones_for_exporters() {
        let counters = of_modes(&modes(["m", "a-b"]), ModeStatistics::Stock);
        let names: Vec<_> = counters.iter().map(|counter| counter.name.to_str().unwrap()).collect();
        assert_eq!(
            names,
            ["captured_requests[m]", "captured_replies[m]", "captured_requests[a-b]", "captured_replies[a-b]"]
        );
        let plain = ["captured_requests_m", "captured_replies_m", "captured_requests_a_b", "captured_replies_a_b"];
        assert_eq!(shown(&counters), plain);
        let counters = of_modes(&modes(["m", "a-b"]), ModeStatistics::Plain);
        assert_eq!(counters.iter().map(|counter| counter.name.to_str().unwrap()).collect::<Vec<_>>(), plain);
        assert!(counters.iter().all(|counter| counter.exported_name.is_none()));
    }

    #[test]
    fn a_mode_called_like_the_plain_name_of_another_keeps_its_name() {
        assert_eq!(
            plain_names(&["a-b", "a_b", "a.b", "a_b_2", "1", "\u{e9}\u{20ac}"]),
            ["a_b_3", "a_b", "a_b_4", "a_b_2", "1", "__"]
        );
        assert_eq!(plain_names(&["a-b", "a.b", "A-b", "a[b"]), ["a_b", "a_b_2", "A_b", "a_b_3"]);
    }

    #[test]
    fn every_other_counter_has_a_name_that_exporters_take_of_its_own() {
        for counters in [statistics::of(Observer::Node), statistics::of(Observer::Agent)] {
            let names = shown(counters);
            assert!(names.iter().all(|name| is_metric_name(name)), "{names:?}");
            assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        }
    }

    proptest! {
        #[test]
        fn whatever_modes_are_called_each_name_is_a_metric_of_its_own(
            names in proptest::collection::btree_set("[a-bA_.\\[\\]2-3\u{e9}-]{1,4}", 1..MODES)
        ) {
            let all = of_modes(&modes(names.iter().map(String::as_str)), ModeStatistics::Stock);
            let mut names = shown(&all);
            names.extend(shown(statistics::of(Observer::Node)));
            prop_assert!(names.iter().all(|name| is_metric_name(name)), "{names:?}");
            prop_assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        }
    }
}
