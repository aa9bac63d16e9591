//! A proxy behind an address translator, which advertises another address than its own.

use super::{MESSAGES, PATIENCE, Proxy, Told, patient, sorted};
use crate::common::call::Call;
use crate::common::hep_collector::Collector;
use crate::common::ports::free_address;
use crate::common::rows::{SqliteFile, count, select, text};
use crate::common::wait::within;
use std::collections::BTreeSet;
use std::net::SocketAddr;

const ADVERTISED: &str = "192.0.2.7:5062";

/// The proxy's own address in packets and rows of a call.
fn assert_shows(data_mode: i64, shown: impl FnOnce(SocketAddr) -> SocketAddr) {
    let collector: Collector<Told> = Collector::tcp(free_address());
    let file = SqliteFile::new();
    let listens = free_address();
    let config = patient(&collector.uri()).param("siptrace", "data_mode", data_mode);
    let config =
        config.without("trace_mode").param("siptrace", "trace_mode", 3).param("siptrace", "db_url", file.url());
    let config = config.first_line(&format!("listen=udp:{listens} advertise {ADVERTISED}"));
    let proxy = Proxy::start(config, &format!("$fs = \"udp:{listens}\";"));
    Call::new(&proxy.ends, listens, 0).answer_and_end();
    collector.await_arrived(MESSAGES as u64);
    within(PATIENCE, "all rows are stored", || count(file.url(), "sip_trace") >= MESSAGES as u64);
    let shown = shown(listens);
    let own = |address: SocketAddr| if address == proxy.server.address() { shown } else { address };
    let wanted = proxy.steps().into_iter().map(|(what, from, to)| (what, own(from), own(to))).collect();
    assert_eq!(sorted(collector.arrived().into_iter().map(|(_, step)| step).collect()), sorted(wanted));

    let rows = select(file.url(), "SELECT fromip, toip FROM sip_trace").expect("the table is readable");
    let ends: BTreeSet<String> = rows.iter().flat_map(|row| ["fromip", "toip"].map(|end| text(row, end))).collect();
    let [caller, _, callee] = proxy.owners();
    assert_eq!(ends, BTreeSet::from([caller, shown, callee].map(|address| format!("udp:{address}"))));
}

#[test]
fn the_advertised_address_stands_for_the_proxys_own_where_it_is_asked_for() {
    assert_shows(1, |_| ADVERTISED.parse().expect("an address"));
}

#[test]
fn the_proxys_own_address_is_shown_where_the_advertised_one_is_not_asked_for() {
    assert_shows(0, |listens| listens);
}
