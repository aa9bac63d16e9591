//! The capture agent against the stock module: the same proxy, once with the distribution's `siptrace.so` and once with
//! ours, the same calls through each, and everything that was traced of them is the same, packet for packet and row for
//! row, but for a written list of differences.

/// A test for each setup.
macro_rules! compare {
    ($($name:ident: $setup:expr;)*) => {
        $(
            #[test]
            fn $name() {
                crate::kamailio_siptrace_parity::assert_parity(&$setup);
            }
        )*
    };
}

mod arguments;
mod collectors;
mod comparison;
mod core_traffic;
mod differences;
mod message;
mod names;
mod phones;
mod proxy;
mod record;
mod scenarios;
mod scripts;
mod setups;
mod sipp;
mod switches;
mod table;

use crate::common::kamailio::Module;
use collectors::Collectors;
use comparison::{Unequal, compare, listing};
use differences::DIFFERENCES;
use message::SENTINEL;
use names::Names;
use phones::{Fence, Phones};
use proxy::Proxy;
use record::{Place, Record};
use scenarios::Run;
use setups::{Form, Setup};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::SystemTime;
use table::Database;

/// Runs all calls through both modules and compares.
fn assert_parity(setup: &Setup) {
    assert_equal(setup, Module::Stock, Module::Ours, DIFFERENCES);
}

/// As [`assert_parity`], of the stock module with itself.
fn assert_steady(setup: &Setup) {
    assert_equal(setup, Module::Stock, Module::Stock, &[]);
}

fn collectors_of(setup: &Setup) -> Collectors {
    if setup.collectors6 { Collectors::new(Ipv6Addr::LOCALHOST) } else { Collectors::new(Ipv4Addr::LOCALHOST) }
}

fn assert_equal(setup: &Setup, left: Module, right: Module, differences: &[differences::Difference]) {
    let (phones, collectors) = (Phones::new(), collectors_of(setup));
    let [left, right] = [left, right].map(|module| run(setup, module, &phones, &collectors));
    let unequal = compare(&left, &right);
    let (unexcused, unshown) = judge(setup, &unequal, differences);
    let lines: Vec<String> = unexcused.iter().map(|unequal| unequal.to_string()).chain(unshown).collect();
    let listing = listing(&unexcused, &left, &right);
    assert!(lines.is_empty(), "{setup:?}, {} of them:\n{}\n{listing}", lines.len(), lines.join("\n"));
    assert!(left.iter().any(Record::is_traced), "nothing is traced with {setup:?}");
}

/// Our module traces the answered call, and the stock module traces nothing of it.
fn assert_only_ours(setup: &Setup) {
    let (phones, collectors) = (Phones::new(), collectors_of(setup));
    for (module, traces) in [(Module::Stock, false), (Module::Ours, true)] {
        let records = run(setup, module, &phones, &collectors);
        let traced = records.iter().any(|record| record.call == "answered");
        assert_eq!(traced, traces, "{module:?} with {setup:?}");
    }
}

/// Neither module traces anything.
fn assert_silence(setup: &Setup) {
    let (phones, collectors) = (Phones::new(), collectors_of(setup));
    for module in [Module::Stock, Module::Ours] {
        let records = run(setup, module, &phones, &collectors);
        let traced = records.iter().find(|record| record.is_traced());
        assert!(traced.is_none(), "{module:?} with {setup:?}: {}", traced.map(Record::to_string).unwrap_or_default());
    }
}

/// What the list of differences does not excuse, and what it lists without need.
fn judge<'a, 'b>(
    setup: &Setup,
    unequal: &'b [Unequal<'a>],
    differences: &[differences::Difference],
) -> (Vec<&'b Unequal<'a>>, Vec<String>) {
    let listed: Vec<_> = differences.iter().filter(|difference| (difference.shows)(setup)).collect();
    let mut shown = BTreeSet::new();
    let mut unexcused = Vec::new();
    for unequal in unequal {
        match listed.iter().position(|difference| (difference.holds)(unequal)) {
            Some(index) => _ = shown.insert(index),
            None => unexcused.push(unequal),
        }
    }
    let unshown = listed.iter().enumerate().filter(|(index, _)| !shown.contains(index));
    let unshown = unshown.map(|(_, listed)| format!("a listed difference shows nowhere: {}", listed.reason));
    (unexcused, unshown.collect())
}

/// Everything that one module traces of the calls.
fn run(setup: &Setup, module: Module, phones: &Phones, collectors: &Collectors) -> Vec<Record> {
    let database = Database::new();
    let since = SystemTime::now();
    let proxy = Proxy::start(setup, module, phones, collectors, database.url());
    let names = RefCell::new(Names::default());
    if let Some(tracer) = proxy.tracer {
        names.borrow_mut().port(tracer.port(), "tracer");
    }
    {
        let fence = Fence::new(phones, &proxy.addresses(), &names);
        Run::new(phones, proxy.address(), proxy.address6, &names, &fence).play(setup.play);
    }
    proxy.settle();
    let names = names.into_inner();
    let mut records = collectors::records(&collectors.take(), &names, since);
    records.extend(database.rows(&names));
    records.retain(|record| record.call != SENTINEL);
    records.push(statistics(&proxy));
    records
}

fn statistics(proxy: &Proxy) -> Record {
    let mut record = Record::new(Place::Statistics, "statistics");
    let counted = proxy.statistics();
    for name in ["traced_requests", "traced_replies"] {
        record.add(name, counted[name].to_string());
    }
    record
}

#[test]
fn the_stock_module_traces_the_same_twice() {
    assert_steady(&Setup::transactions(Form::Hep(3), true).timed());
}

#[test]
fn a_listed_difference_that_no_longer_shows_is_reported() {
    let setup = Setup::transactions(Form::Hep(3), true);
    let (unexcused, unshown) = judge(&setup, &[], DIFFERENCES);
    let listed = DIFFERENCES.iter().filter(|difference| (difference.shows)(&setup)).count();
    assert!(listed > 0);
    assert_eq!((unexcused.len(), unshown.len()), (0, listed));
}
