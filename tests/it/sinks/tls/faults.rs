//! Connections that end in the middle of a batch, or fall silent in the middle of a handshake.

use super::*;
use crate::common::relay::{Behaviour, Relay};
use crate::common::tls_database::{TlsMariaDb, TlsPostgres};
use std::time::Duration;

/// Rows of a batch, each of which is long enough for the batch to be many records.
const BATCH: usize = 400;

fn batch(number: usize) -> Vec<Row<'static>> {
    let message: &'static [u8] = Vec::leak(vec![b'm'; 1000]);
    let row = |row| {
        let call_id: &'static [u8] = Vec::leak(format!("{number}-{row}").into_bytes());
        texts(&[("callid", call_id), ("msg", message)])
    };
    (0..BATCH).map(row).collect()
}

fn unavailable(outcome: Result<Written, SinkError>) {
    assert!(matches!(outcome, Err(Unavailable(_))), "{outcome:?}");
}

/// Cuts connections in the middle of a batch, at several places: all of a batch is stored, or nothing of it.
fn cut_in_a_batch(relay: &Relay, url: &str, looked_up: &str) {
    write(&mut *sink_of(url), "sip_capture", &batch(0)).expect("the first batch is written");
    for (number, after) in [(1, 20_000), (2, 150_000), (3, 390_000)] {
        let mut sink = sink_of(url);
        relay.behave(Behaviour::CutAfter(after));
        let struck = relay.struck();
        unavailable(write(&mut *sink, "sip_capture", &batch(number)));
        assert!(relay.struck() > struck, "the connection was not cut");
        relay.behave(Behaviour::Pass);
        assert_eq!(rows::count(looked_up, "sip_capture"), (BATCH * number) as u64, "cut after {after}");
        write(&mut *sink, "sip_capture", &batch(number)).expect("the batch is written");
        assert_eq!(rows::count(looked_up, "sip_capture"), (BATCH * (number + 1)) as u64);
    }
    let distinct = rows::select(looked_up, "SELECT COUNT(DISTINCT callid) AS n FROM sip_capture").expect("a count");
    assert_eq!(rows::text(&distinct[0], "n"), (4 * BATCH).to_string());
}

#[test]
fn a_session_of_postgresql_that_is_cut_in_a_batch_loses_and_doubles_nothing() {
    let server = TlsPostgres::start();
    let relay = Relay::start(server.address());
    cut_in_a_batch(&relay, &server.url_at(relay.port(), "only_tls", ""), &server.local_url("only_tls"));
}

#[test]
fn a_session_of_mariadb_that_is_cut_in_a_batch_loses_and_doubles_nothing() {
    let server = TlsMariaDb::start();
    let relay = Relay::start(server.address());
    cut_in_a_batch(&relay, &server.url_at(relay.port(), "only_tls", ""), &server.clear_url());
}

/// Swallows what comes after the request for TLS: a write ends all the same, and the next one is stored when the server answers again.
fn silent_in_the_handshake(relay: &Relay, url: &str, looked_up: &str) {
    let (connect_timeout, io_timeout) = (Duration::from_secs(2), Duration::from_secs(3));
    let options = SinkOptions { create_tables: true, connect_timeout, io_timeout, ..SinkOptions::default() };
    let mut sink = open(url, &options);
    // The request of either protocol passes, and no handshake does.
    relay.behave(Behaviour::SilentAfter(64));
    for _ in 0..2 {
        let struck = relay.struck();
        unavailable(write(&mut *sink, "sip_capture", &batch(0)));
        assert!(relay.struck() > struck, "nothing was swallowed");
    }
    relay.behave(Behaviour::Pass);
    write(&mut *open(url, &SinkOptions { io_timeout: Duration::from_secs(30), ..options }), "sip_capture", &batch(0))
        .expect("the batch is written");
    assert_eq!(rows::count(looked_up, "sip_capture"), BATCH as u64);
}

#[test]
fn a_handshake_of_postgresql_that_is_never_answered_ends_at_the_deadline() {
    let server = TlsPostgres::start();
    let relay = Relay::start(server.address());
    for mode in ["", "?sslmode=require"] {
        rows::execute(&server.local_url("only_tls"), "DROP TABLE IF EXISTS sip_capture");
        silent_in_the_handshake(&relay, &server.url_at(relay.port(), "only_tls", mode), &server.local_url("only_tls"));
    }
}

#[test]
fn a_handshake_of_mariadb_that_is_never_answered_ends_at_the_deadline() {
    let server = TlsMariaDb::start();
    let relay = Relay::start(server.address());
    for mode in ["", "?ssl-mode=REQUIRED"] {
        rows::execute(&server.clear_url(), "DROP TABLE IF EXISTS sip_capture");
        silent_in_the_handshake(&relay, &server.url_at(relay.port(), "only_tls", mode), &server.clear_url());
    }
}
