//! Collectors over TLS, and which of them are believed.

use super::{MESSAGES, PATIENCE, Proxy, Told, patient};
use crate::common::hep_collector::{Authority, Collector};
use crate::common::hosts::Hosts;
use crate::common::ports::free_address;
use crate::common::wait::within;
use std::ops::Range;

/// Waits for the messages of these calls, and for no other.
fn assert_gets(collector: &Collector<Told>, proxy: &Proxy, numbers: Range<u32>) {
    collector.await_arrived(numbers.len() as u64 * MESSAGES as u64);
    proxy.settle(numbers.len() as u64 * MESSAGES as u64);
    let mut arrived = collector.arrived();
    arrived.sort();
    assert_eq!(arrived, proxy.told(numbers));
}

/// Waits until the messages of these calls wait on the disk, because of this.
fn assert_spooled(proxy: &Proxy, numbers: Range<u32>, reason: &str) {
    let count = numbers.len() as u64 * MESSAGES as u64;
    within(PATIENCE, "the collector is not believed", || {
        let statistics = proxy.server.statistics_of("siptrace");
        (statistics["spooled"], statistics["queued"], statistics["stored"]) == (count, 0, 0)
    });
    let told = proxy.server.rpc(&["siptrace.stats"]).expect("siptrace.stats is answered");
    assert!(told.contains(reason), "no {reason:?} in {told}");
}

#[test]
fn a_collector_whose_certificate_is_trusted_gets_everything_however_its_uri_says_tls() {
    let authority = Authority::new();
    for scheme in ["sips", "sip"] {
        let collector = Collector::tls(free_address(), authority.server());
        let uri = match scheme {
            "sips" => format!("sips:{}", collector.address()),
            _ => format!("sip:{};transport=tls", collector.address()),
        };
        let proxy = Proxy::start(patient(&uri).param("siptrace", "tls_ca", &authority.file()), "");
        (0..2).for_each(|number| proxy.call(number));
        assert_gets(&collector, &proxy, 0..2);
    }
}

#[test]
fn a_collector_with_a_certificate_for_another_name_gets_nothing_until_it_has_the_right_one() {
    let authority = Authority::new();
    let hosts = Hosts::with(&[("collector.test", "127.0.0.1")]);
    let mut collector = Collector::tls(free_address(), authority.server_of("another.test"));
    let uri = format!("sips:collector.test:{}", collector.address().port());
    let config = patient(&uri).param("siptrace", "tls_ca", &authority.file()).through(hosts.command());
    let proxy = Proxy::start(config, "");
    (0..2).for_each(|number| proxy.call(number));
    assert_spooled(&proxy, 0..2, "certificate not valid for name \"collector.test\"");
    assert_eq!(collector.arrived(), []);
    collector.present(authority.server_of("collector.test"));
    proxy.call(2);
    assert_gets(&collector, &proxy, 0..3);
}

#[test]
fn any_certificate_will_do_where_none_is_verified() {
    let stranger = Authority::new();
    let collector = Collector::tls(free_address(), stranger.server_of("another.test"));
    let uri = format!("sips:{}", collector.address());
    let proxy = Proxy::start(patient(&uri).param("siptrace", "tls_verify", 0), "");
    (0..2).for_each(|number| proxy.call(number));
    assert_gets(&collector, &proxy, 0..2);
}

#[test]
fn a_collector_that_nobody_vouches_for_is_not_believed() {
    let [trusted, stranger] = [Authority::new(), Authority::new()];
    let collector: Collector<Told> = Collector::tls(free_address(), stranger.server());
    let uri = format!("sips:{}", collector.address());
    let proxy = Proxy::start(patient(&uri).param("siptrace", "tls_ca", &trusted.file()), "");
    proxy.call(0);
    assert_spooled(&proxy, 0..1, "invalid peer certificate");
    assert_eq!(collector.arrived(), []);
}
