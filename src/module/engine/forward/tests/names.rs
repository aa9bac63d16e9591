//! How long names are known, and how many.

use super::super::names::{KnownName, MOST_NAMES, NameQuery, NameTable};
use super::{SendTo, udp};
use crate::capture::Transport;

const SECOND: u64 = 1000;
/// Some time after the machine has started, ms.
const START: u64 = 1_000_000;

fn query(name: &str) -> NameQuery<'_> {
    NameQuery { name, port: 5060, transport: Transport::Udp }
}

/// The name that is to be looked up, if there is one, and its place.
fn due(table: &NameTable, now: u64) -> Option<(usize, KnownName)> {
    table.due(0, now)
}

fn answer(table: &mut NameTable, found: Option<&str>, now: u64) {
    let (place, asked) = due(table, now).expect("a name is to be looked up");
    let found = found.map(|address| {
        let SendTo { address, transport } = udp(address);
        (address, transport)
    });
    table.answer(place, &asked, found, now);
}

fn found(table: &mut NameTable, name: &str, now: u64) -> Option<String> {
    table.use_name(&query(name), now).found().map(|(address, _)| address.to_string())
}

#[test]
fn a_name_is_looked_up_at_once_and_its_address_known_from_then_on() {
    let mut table = NameTable::EMPTY;
    assert!(due(&table, START).is_none());
    assert!(table.use_name(&query("a.example"), START).is_awaited());
    let (_, asked) = due(&table, START).expect("it is to be looked up");
    assert_eq!(asked.query(), query("a.example"));
    answer(&mut table, Some("192.0.2.1:5070"), START);
    assert!(due(&table, START).is_none());
    assert_eq!(found(&mut table, "a.example", START).as_deref(), Some("192.0.2.1:5070"));
    table.use_name(&query("b.example"), START);
    answer(&mut table, Some("[2001:db8::1]:5060"), START);
    assert_eq!(found(&mut table, "b.example", START).as_deref(), Some("[2001:db8::1]:5060"));
}

#[test]
fn a_name_that_was_found_is_looked_up_again_after_30_s_and_one_that_was_not_after_5_s() {
    for (address, seconds) in [(Some("192.0.2.1:5060"), 30), (None, 5)] {
        let mut table = NameTable::EMPTY;
        table.use_name(&query("a.example"), START);
        answer(&mut table, address, START);
        assert!(due(&table, START + seconds * SECOND - 1).is_none(), "{address:?}");
        assert!(due(&table, START + seconds * SECOND).is_some(), "{address:?}");
    }
}

#[test]
fn an_address_stays_while_look_ups_fail_and_the_next_one_takes_its_place() {
    let mut table = NameTable::EMPTY;
    table.use_name(&query("a.example"), START);
    answer(&mut table, Some("192.0.2.1:5060"), START);
    let later = START + 30 * SECOND;
    answer(&mut table, None, later);
    assert_eq!(found(&mut table, "a.example", later).as_deref(), Some("192.0.2.1:5060"));
    assert!(due(&table, later + 5 * SECOND - 1).is_none());
    answer(&mut table, Some("192.0.2.2:5060"), later + 5 * SECOND);
    assert_eq!(found(&mut table, "a.example", later + 5 * SECOND).as_deref(), Some("192.0.2.2:5060"));
}

#[test]
fn a_name_that_was_not_found_is_not_waited_for() {
    let mut table = NameTable::EMPTY;
    table.use_name(&query("a.example"), START);
    answer(&mut table, None, START);
    let known = table.use_name(&query("a.example"), START + 1);
    assert!(!known.is_awaited() && known.found().is_none() && known.has_failed());
}

#[test]
fn a_name_that_nobody_has_used_for_600_s_is_left_alone_until_it_is_used() {
    let mut table = NameTable::EMPTY;
    table.use_name(&query("a.example"), START);
    answer(&mut table, Some("192.0.2.1:5060"), START);
    assert!(due(&table, START + 600 * SECOND - 1).is_some());
    let later = START + 600 * SECOND;
    assert!(due(&table, later).is_none());
    assert_eq!(found(&mut table, "a.example", later).as_deref(), Some("192.0.2.1:5060"));
    assert!(due(&table, later).is_some());
}

#[test]
fn names_with_another_port_or_transport_are_others() {
    let mut table = NameTable::EMPTY;
    table.use_name(&query("a.example"), START);
    answer(&mut table, Some("192.0.2.1:5060"), START);
    assert!(table.use_name(&NameQuery { port: 0, ..query("a.example") }, START).is_awaited());
    assert!(table.use_name(&NameQuery { transport: Transport::UNKNOWN, ..query("a.example") }, START).is_awaited());
    assert!(!table.use_name(&query("a.example"), START).is_awaited());
}

#[test]
fn a_transport_is_known_as_it_was_found() {
    use Transport::{Sctp, Tcp, Tls, Udp, Ws, Wss};
    for transport in [Udp, Tcp, Tls, Sctp, Ws, Wss] {
        let mut table = NameTable::EMPTY;
        let query = NameQuery { name: "a.example", port: 0, transport: Transport::UNKNOWN };
        table.use_name(&query, START);
        let (place, asked) = due(&table, START).expect("it is to be looked up");
        assert_eq!(asked.query(), query);
        let found = (udp("192.0.2.1:5060").address, transport);
        table.answer(place, &asked, Some(found), START);
        assert_eq!(table.use_name(&query, START).found(), Some(found));
    }
}

/// A table whose `MOST_NAMES` places are taken by names that have been looked up, `n0` first.
fn full() -> NameTable {
    let mut table = NameTable::EMPTY;
    for number in 0..MOST_NAMES {
        table.use_name(&query(&format!("n{number}")), START);
        answer(&mut table, Some("192.0.2.1:5060"), START);
    }
    table
}

#[test]
fn one_name_more_takes_the_place_of_the_one_that_was_used_longest_ago() {
    let mut table = full();
    assert!((0..MOST_NAMES).all(|number| found(&mut table, &format!("n{number}"), START).is_some()), "64 are known");
    found(&mut table, "n0", START);
    assert!(table.use_name(&query("new"), START).is_awaited());
    assert!(table.use_name(&query("n0"), START).found().is_some());
    assert!(table.use_name(&query("n2"), START).found().is_some());
    assert!(table.use_name(&query("n1"), START).is_awaited());
}

#[test]
fn a_name_that_is_yet_to_be_looked_up_makes_room_last_and_never_for_one_that_is_waited_for() {
    let mut table = full();
    table.use_name(&query("awaited"), START);
    for number in 0..MOST_NAMES - 1 {
        table.use_name(&query(&format!("m{number}")), START);
    }
    assert!(table.await_name(&query("further"), START).is_none());
    assert!(table.await_name(&query("awaited"), START).is_some_and(KnownName::is_awaited));
    // `m0` is the oldest by now.
    table.use_name(&query("last"), START);
    assert!(table.await_name(&query("awaited"), START).is_some());
    assert!(table.await_name(&query("m0"), START).is_none());
    answer(&mut table, None, START);
    assert!(table.await_name(&query("m0"), START).is_some_and(KnownName::is_awaited));
}

#[test]
fn an_answer_for_a_name_that_has_lost_its_place_is_dropped() {
    let mut table = NameTable::EMPTY;
    table.use_name(&query("lost"), START);
    let (place, asked) = due(&table, START).expect("it is to be looked up");
    for number in 0..MOST_NAMES {
        table.use_name(&query(&format!("n{number}")), START);
    }
    let to = udp("192.0.2.1:5060");
    table.answer(place, &asked, Some((to.address, to.transport)), START);
    let known = (0..MOST_NAMES).filter(|number| found(&mut table, &format!("n{number}"), START).is_some());
    assert_eq!(known.count(), 0);
}

#[test]
fn a_name_longer_than_a_place_is_never_found_and_harms_nobody() {
    let mut table = NameTable::EMPTY;
    let long = "a".repeat(1000);
    table.use_name(&query("a.example"), START);
    assert!(table.use_name(&query(&long), START).is_awaited());
    answer(&mut table, Some("192.0.2.1:5060"), START);
    assert_eq!(found(&mut table, "a.example", START).as_deref(), Some("192.0.2.1:5060"));
}
