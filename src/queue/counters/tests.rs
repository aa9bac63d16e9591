//! The table: what it shows adds up, is documented, and has one name each.

use super::*;
use std::collections::BTreeSet;

const OBSERVERS: [Observer; 2] = [Observer::Node, Observer::Agent];

/// A reading in which each counter of shared memory has a value of its own.
fn distinct() -> Totals {
    let mut totals = Totals::default();
    totals.produced.iter_mut().zip(1..).for_each(|(value, number)| *value = number * number);
    // More is put into the spool than is done with.
    totals.committed.iter_mut().rev().zip(1..).for_each(|(value, number)| *value = 10_000 * number * number);
    totals.without_lane = 7;
    totals
}

fn shown_values(observer: Observer, totals: &Totals) -> Vec<u64> {
    TABLE.iter().filter(|counter| counter.shown(observer) != Shown::Nowhere).map(|it| it.value(totals)).collect()
}

#[test]
fn whatever_is_counted_changes_something_that_is_shown() {
    let cells = TABLE.iter().filter_map(|counter| Some((counter, counter.cell?)));
    for (counter, cell) in cells {
        let mut totals = distinct();
        match cell {
            Cell::Produced(counter) => totals.produced[counter as usize] += 1,
            Cell::Committed(counter) => totals.committed[counter as usize] += 1,
        }
        let is_seen = |observer| shown_values(observer, &totals) != shown_values(observer, &distinct());
        assert!(OBSERVERS.into_iter().any(is_seen), "{:?} is shown nowhere", counter.name);
    }
}

#[test]
fn every_statistic_is_documented() {
    let page = |name: &str| std::fs::read_to_string(format!("{}/doc/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let (node, agent) = (page("sipcapture.md"), page("siptrace.md"));
    for observer in OBSERVERS {
        for (counter, _) in statistics(observer) {
            let name = format!("`{}`", counter.name.to_str().unwrap());
            // A capture agent's page documents what it has beside the statistics of a capture node.
            let is_documented = node.contains(&name) || (observer == Observer::Agent && agent.contains(&name));
            assert!(is_documented, "{name} of {observer:?}");
        }
    }
}

#[test]
fn no_two_statistics_and_no_two_fields_of_an_object_have_one_name() {
    for observer in OBSERVERS {
        let names: Vec<_> = statistics(observer).map(|(counter, _)| counter.name).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        let shown = TABLE.iter().filter(|counter| counter.shown(observer) != Shown::Nowhere);
        let fields: Vec<_> = shown.filter_map(|counter| Some((counter.group?.object(), counter.field()))).collect();
        assert_eq!(fields.iter().collect::<BTreeSet<_>>().len(), fields.len());
    }
}

#[test]
fn a_field_is_called_like_its_statistic_without_what_its_object_says() {
    let fields = |group| fields(Observer::Agent, &[group]).map(Counter::field).collect::<Vec<_>>();
    let reasons = ["no_lane", "queue_full", "too_large", "spool_full", "spool_corrupt", "unavailable", "rejected"];
    assert_eq!(fields(Group::Dropped)[..7], reasons);
    assert_eq!(fields(Group::Writer), ["processes", "restarts", "batches", "lanes", "lane_bytes", "queue_bytes"]);
    assert_eq!(fields(Group::Hep), [""; 0], "a capture agent takes no HEP packets");
}

#[test]
fn the_reasons_that_are_shown_add_up() {
    let totals = distinct();
    let sum = |observer, group| fields(observer, &[group]).map(|counter| counter.value(&totals)).sum::<u64>();
    assert_eq!(sum(Observer::Agent, Group::Dropped), totals.dropped());
    assert_eq!(sum(Observer::Node, Group::RawIgnored), totals.raw_ignored());
    // A capture node has a lane in every process that captures.
    assert_eq!(sum(Observer::Node, Group::Dropped), totals.dropped() - totals.without_lane);
}

#[test]
fn a_counter_has_a_place_of_its_own_in_shared_memory() {
    let produced = TABLE.iter().filter(|counter| matches!(counter.cell, Some(Cell::Produced(_))));
    let committed = TABLE.iter().filter(|counter| matches!(counter.cell, Some(Cell::Committed(_))));
    assert_eq!((produced.count(), committed.count()), (PRODUCED, COMMITTED));
}
