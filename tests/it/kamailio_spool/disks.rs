//! Spools without room: what does not fit is counted, nothing crashes, and all goes on when there is room again.

use super::database::{Database, Kind};
use super::place::SmallDisk;
use super::traffic::Traffic;
use super::trial::{PATIENCE, Stored, await_empty, await_taken, node, report};
use crate::common::kamailio::Kamailio;
use crate::common::wait::within;

/// Waits until captures are dropped because the spool has no room; each of them is counted.
fn await_drops(server: &Kamailio) {
    within(PATIENCE, "captures do not fit into the spool", || server.statistic("dropped_spool_full") > 2000);
}

/// Ends the traffic and the outage, and closes the books; the answer is the number of captures that did not fit.
fn settle(name: &str, server: &mut Kamailio, traffic: Traffic, database: &mut Database) -> u64 {
    let (sent, pings) = traffic.end();
    await_taken(server, sent, 1);
    database.start_again();
    let captured = await_empty(server);
    let statistics = server.statistics();
    let stored = Stored::of(&database.stored_times());
    let lost = report(name, sent, captured, stored, statistics["dropped"], &pings);
    assert_eq!((lost, stored.doubled()), (0, 0), "{statistics:?}");
    assert_eq!(statistics["stored"] + statistics["dropped_spool_full"], captured, "{statistics:?}");
    assert!(pings.unanswered <= server.kernel_drops(), "{} pings are not answered", pings.unanswered);
    server.assert_serving();
    statistics["dropped_spool_full"]
}

#[test]
fn a_spool_that_has_reached_its_size_drops_and_counts_and_takes_again_when_it_is_replayed() {
    let mut database = Database::start(Kind::MariaDb);
    database.stop();
    let mut server = node(&database.url()).set("spool_size", 4).start();
    let traffic = Traffic::start(server.address());
    await_drops(&server);
    await_taken(&server, traffic.hold(), 1);
    traffic.go_on();
    let dropped = settle("spool_size reached", &mut server, traffic, &mut database);
    assert!(server.log().contains("captures cannot be spooled"), "{}", server.log());
    // There is room again.
    database.stop();
    let traffic = Traffic::start(server.address());
    within(PATIENCE, "captures are spooled again", || server.statistic("spooled") > 1000);
    let (more, _) = traffic.end();
    within(PATIENCE, "all is spooled", || server.statistic("queued") == 0);
    database.start_again();
    await_empty(&server);
    assert!(more > 1000);
    assert_eq!(server.statistic("dropped"), dropped, "nothing more is dropped: {:?}", server.statistics());
}

#[test]
fn a_full_disk_under_the_spool_costs_what_does_not_fit_and_nothing_after_there_is_room() {
    let disk = SmallDisk::make();
    let mut database = Database::start(Kind::MariaDb);
    database.stop();
    let spool = disk.path().join("spool").display().to_string();
    let mut server = node(&database.url()).set("spool_dir", &spool).start();
    let traffic = Traffic::start(server.address());
    within(PATIENCE, "captures are spooled", || server.statistic("spooled") > 1000);
    disk.leave(1 << 20);
    await_drops(&server);
    await_taken(&server, traffic.hold(), 1);
    disk.make_room();
    let dropped = server.statistic("dropped");
    let spooled = server.statistic("spooled");
    traffic.go_on();
    within(PATIENCE, "captures are spooled again", || server.statistic("spooled") > spooled + 2000);
    let finally = settle("disk of the spool full", &mut server, traffic, &mut database);
    assert_eq!(finally, dropped, "nothing is dropped after there is room");
}
