//! The server dies while a writer that keeps dying waits for its next start.

use super::database::{Database, Kind};
use super::trial::{PATIENCE, node};
use crate::common::kamailio::signal;
use crate::common::sip::answered_call;
use crate::common::wait::within;
use rustix::process::Signal;
use std::net::UdpSocket;

/// Kills after which the supervisor waits for seconds, as long as the writer gets nothing done.
const KILLS: u64 = 7;
const CALLS: u64 = 30;

#[test]
fn a_server_that_dies_without_a_writer_leaves_its_lanes_to_one_more() {
    let database = Database::start(Kind::Sqlite);
    let mut server = node(&database.url()).start();
    for kill in 1..=KILLS {
        within(PATIENCE, "a writer is at work", || server.grandchildren().len() == 1);
        signal(server.grandchildren()[0], Signal::KILL);
        within(PATIENCE, "its death is seen", || server.statistic("writer_restarts") == kill);
    }
    assert!(server.grandchildren().is_empty(), "the supervisor does not wait");
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let messages: Vec<_> = (0..CALLS).flat_map(|number| answered_call("backoff", number)).collect();
    for message in &messages {
        socket.send_to(&message.text, server.address()).expect("the server is there");
    }
    let sent = messages.len() as u64;
    within(PATIENCE, "all wait in the lanes", || server.statistic("queued") == sent);
    assert!(server.grandchildren().is_empty(), "the writer is back too early for this test");
    server.kill_main();
    within(PATIENCE, "all are stored", || database.stored_times().len() as u64 == sent);
}
