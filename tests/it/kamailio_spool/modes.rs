//! Two capture modes with a database each: one is away, and the other does not notice.

use super::database::{Database, Kind};
use super::traffic::Traffic;
use super::trial::{PATIENCE, Stored, await_empty, await_taken, calm_time, fault_time, node_with, report};
use crate::common::kamailio::Kamailio;
use crate::common::rows::count;
use crate::common::wait::within;
use std::thread::sleep;

/// Everything that was sent is in the database that is well, while the other holds back.
fn assert_undisturbed(server: &Kamailio, well: &Database, sent: u64) {
    within(PATIENCE, "the database that is well has all messages", || {
        count(&well.url(), "sip_capture") >= sent - server.kernel_drops()
    });
    within(PATIENCE, "the other database is away and nobody waits for it", || {
        let statistics = server.statistics();
        statistics["spooled"] > 0 && statistics["queued"] == 0
    });
}

fn apart<F>(
    name: &str,
    (well, mut ill): (Database, Database),
    begin: impl FnOnce(&mut Database) -> F,
    end: impl FnOnce(&mut Database, F),
) {
    let both = r#"sip_capture(); sip_capture("", "other");"#;
    let mode = format!("other=>db_url={};table_name=sip_capture;mt_mode=rand", ill.url());
    let node = node_with(&well.url(), both).param("sipcapture", "capture_mode", mode.as_str());
    let mut server = node.start();
    let traffic = Traffic::start(server.address());
    sleep(calm_time());
    let fault = begin(&mut ill);
    traffic.note_fault(true);
    let mut lag = 0;
    for _ in 0..4 {
        sleep(fault_time() / 4);
        lag = lag.max(server.statistic("lag_ms"));
        let sent = traffic.hold();
        await_taken(&server, sent, 2);
        assert_undisturbed(&server, &well, sent);
        traffic.go_on();
    }
    traffic.note_fault(false);
    end(&mut ill, fault);
    sleep(calm_time());
    let (sent, pings) = traffic.end();
    await_taken(&server, sent, 2);
    let captured = await_empty(&server);
    let statistics = server.statistics();
    println!("{name}: the largest lag that was seen is {lag} ms");
    for (database, which) in [(&well, "well"), (&ill, "ill")] {
        let stored = Stored::of(&database.stored_times());
        let lost = report(&format!("{name}, {which}"), sent, captured / 2, stored, statistics["dropped"], &pings);
        assert_eq!((lost, stored.messages), (0, captured / 2), "{which}: {statistics:?}");
        assert!(stored.doubled() <= if which == "ill" { 500 } else { 0 }, "{which}: {stored:?}");
    }
    assert_eq!((statistics["dropped"], statistics["dead_lettered"]), (0, 0), "{statistics:?}");
    assert!(pings.unanswered <= server.kernel_drops(), "{} pings are not answered", pings.unanswered);
    server.assert_serving();
}

#[test]
fn a_mode_whose_mariadb_is_away_does_not_hold_up_the_other() {
    let databases = (Database::start(Kind::Sqlite), Database::start(Kind::MariaDb));
    apart("two modes, MariaDb stopped", databases, Database::stop, |database, ()| database.start_again());
}

#[test]
fn a_mode_whose_table_is_locked_does_not_hold_up_the_other() {
    let databases = (Database::start(Kind::MariaDb), Database::start(Kind::Postgres));
    apart("two modes, Postgres locked", databases, |database| database.lock_table(), |_, lock| lock.release());
}

#[test]
fn a_mode_whose_network_swallows_packets_does_not_hold_up_the_other() {
    let databases = (Database::start(Kind::Postgres), Database::start_far(Kind::MariaDb));
    let (begin, end) = (
        |database: &mut Database| database.network().swallow(),
        |database: &mut Database, ()| {
            database.network().pass();
        },
    );
    apart("two modes, MariaDb in a black hole", databases, begin, end);
}
