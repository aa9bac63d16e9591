//! Two collectors, of which the first goes away and comes back.

use super::{MESSAGES, PATIENCE, Proxy, Told, patient};
use crate::common::hep_collector::Collector;
use crate::common::ports::free_address;
use crate::common::wait::within;
use std::thread::sleep;
use std::time::Duration;

/// A proxy that sends everything to both or to one of them.
fn proxy(mode: &str, collectors: [&Collector<Told>; 2]) -> Proxy {
    let uris = collectors.map(Collector::uri).join(", ");
    Proxy::start(patient(&uris).param("siptrace", "duplicate_mode", mode), "")
}

/// What has arrived, in an order of its own.
fn arrived(collectors: &[&Collector<Told>]) -> Vec<Told> {
    let mut all: Vec<Told> = collectors.iter().flat_map(|collector| collector.arrived()).collect();
    all.sort();
    all
}

#[test]
fn the_second_collector_stands_in_for_the_first_and_nothing_is_missing_among_both() {
    let [mut first, second] = [(); 2].map(|()| Collector::tcp(free_address()));
    let proxy = proxy("failover", [&first, &second]);
    proxy.call(0);
    first.await_arrived(MESSAGES as u64);
    first.close();
    (1..4).for_each(|number| proxy.call(number));
    second.await_arrived(3 * MESSAGES as u64);
    assert_eq!(arrived(&[&first]), proxy.told(0..1));
    assert_eq!(arrived(&[&second]), proxy.told(1..4));

    first.open();
    let mut number = 4;
    within(PATIENCE, "the first gets the packets again", || {
        proxy.call(number);
        number += 1;
        // The agent looks for the first every 10 s.
        sleep(Duration::from_millis(300));
        first.arrived().len() > MESSAGES
    });
    let before = second.arrived().len();
    proxy.call(number);
    let count = (number as usize + 1) * MESSAGES;
    within(PATIENCE, "all packets arrive", || first.arrived().len() + second.arrived().len() >= count);
    assert_eq!(arrived(&[&first, &second]), proxy.told(0..number + 1));
    assert_eq!(second.arrived().len(), before, "the first is back, and the second gets more");
    proxy.settle(count as u64);
    let statistics = proxy.server.statistics_of("siptrace");
    assert_eq!((statistics["stored"], statistics["dropped"]), (count as u64, 0), "{statistics:?}");
}

#[test]
fn a_collector_that_is_away_holds_up_no_other_and_gets_everything_when_it_is_back() {
    let [mut first, second] = [(); 2].map(|()| Collector::tcp(free_address()));
    first.close();
    let proxy = proxy("all", [&first, &second]);
    let calls = 4 * MESSAGES as u64;
    (0..4).for_each(|number| proxy.call(number));
    second.await_arrived(calls);
    within(PATIENCE, "what the first misses waits on the disk", || {
        let statistics = proxy.server.statistics_of("siptrace");
        let (spooled, queued) = (statistics["spooled"], statistics["queued"]);
        (statistics["captured"], statistics["stored"], spooled, queued) == (2 * calls, calls, calls, 0)
    });
    assert_eq!(arrived(&[&second]), proxy.told(0..4));
    assert_eq!(arrived(&[&first]), []);

    first.open();
    first.await_arrived(calls);
    assert_eq!(first.arrived(), second.arrived(), "the same in the same order");
    proxy.call(4);
    [&first, &second].into_iter().for_each(|collector| collector.await_arrived(5 * MESSAGES as u64));
    proxy.settle(10 * MESSAGES as u64);
    assert_eq!([arrived(&[&first]), arrived(&[&second])], [(); 2].map(|()| proxy.told(0..5)));
    assert_eq!(proxy.server.statistics_of("siptrace")["dropped"], 0);
}

#[test]
fn over_udp_the_second_collector_stands_in_while_nobody_listens_at_the_first() {
    let [mut first, second] = [(); 2].map(|()| Collector::udp(free_address()));
    let proxy = proxy("failover", [&first, &second]);
    proxy.call(0);
    first.await_arrived(MESSAGES as u64);
    first.close();
    let mut number = 1;
    let call_until = |number: &mut u32, sentence: &str, collector: &Collector<Told>| {
        let before = collector.arrived().len();
        within(PATIENCE * 2, sentence, || {
            proxy.call(*number);
            *number += 1;
            sleep(Duration::from_millis(300));
            collector.arrived().len() > before
        });
        proxy.settle(u64::from(*number) * MESSAGES as u64);
        proxy.call(*number);
        *number += 1;
        let count = before + MESSAGES;
        within(PATIENCE, "a call arrives as a whole", || {
            let arrived = arrived(&[collector]);
            arrived.len() >= count && proxy.told(*number - 1..*number).iter().all(|told| arrived.contains(told))
        });
    };
    call_until(&mut number, "the second gets the packets", &second);
    assert_eq!(arrived(&[&first]), proxy.told(0..1), "of a closed port nothing arrives");

    first.open();
    call_until(&mut number, "the first gets the packets again", &first);
    let before = second.arrived().len();
    proxy.call(number);
    let count = u64::from(number + 1) * MESSAGES as u64;
    proxy.settle(count);
    within(PATIENCE, "the call arrives at the first", || {
        let arrived = arrived(&[&first]);
        proxy.told(number..number + 1).iter().all(|told| arrived.contains(told))
    });
    assert_eq!(second.arrived().len(), before, "the first is back, and the second gets more");
    let statistics = proxy.server.statistics_of("siptrace");
    assert_eq!((statistics["stored"], statistics["dropped"]), (count, 0), "{statistics:?}");
    // What was lost is known to be, and nothing comes twice.
    let arrived = arrived(&[&first, &second]);
    assert!(statistics["port_unreachable"] > 0 && arrived.len() < count as usize, "{statistics:?}");
    assert!(arrived.windows(2).all(|pair| pair[0] != pair[1]), "{arrived:?}");
}
