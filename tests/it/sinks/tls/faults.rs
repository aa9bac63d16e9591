//! Connections that end in the middle of a batch, or fall silent in the middle of a handshake.

use super::*;
use crate::common::hosts::Hosts;
use crate::common::network::in_network;
use crate::common::relay::{Behaviour, Relay};
use crate::common::tls_database::{TlsMariaDb, TlsPostgres};
use crate::common::wait::within;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::process::{Command, Stdio};
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

fn unavailable(outcome: Result<Written, SinkError>) -> String {
    match outcome {
        Err(Unavailable(why)) => why,
        other => panic!("{other:?}"),
    }
}

/// Cuts connections in the middle of a batch, at several places: all of a batch is stored, or nothing of it.
fn cut_in_a_batch(relay: &Relay, url: &str, looked_up: &str) {
    write(&mut *sink_of(url), "sip_capture", &batch(0)).expect("the first batch is written");
    for (number, after) in [(1, 20_000), (2, 150_000), (3, 390_000)] {
        let mut sink = sink_of(url);
        relay.behave(Behaviour::CutAfter(after));
        let struck = relay.struck();
        let why = unavailable(write(&mut *sink, "sip_capture", &batch(number)));
        // An operator is told what has happened, and sent to no page for programmers.
        assert!(!why.contains("http") && !why.contains("close_notify"), "{why}");
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

/// Swallows what comes after the request for TLS: a write ends all the same, and the next one is stored when the
/// server answers again.
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

/// Lets the server's bytes come one at a time: none of the waits for the next one is long, and all together are.
fn dripping(relay: &Relay, url: &str, looked_up: &str) {
    let connect_timeout = Duration::from_secs(1);
    let mut sink = open(url, &SinkOptions { create_tables: true, connect_timeout, ..SinkOptions::default() });
    relay.behave(Behaviour::Drip(Duration::from_millis(50)));
    for _ in 0..2 {
        let outcome = write(&mut *sink, "sip_capture", &batch(0));
        assert!(matches!(&outcome, Err(Unavailable(why)) if why.contains("no connection within 1 s")), "{outcome:?}");
    }
    assert!(relay.struck() > 1, "nothing came slowly");
    relay.behave(Behaviour::Pass);
    let patient = SinkOptions { create_tables: true, ..SinkOptions::default() };
    write(&mut *open(url, &patient), "sip_capture", &batch(0)).expect("the batch is written");
    assert_eq!(rows::count(looked_up, "sip_capture"), BATCH as u64);
}

#[test]
fn the_deadline_for_connecting_is_one_for_all_of_it_with_postgresql() {
    let server = TlsPostgres::start();
    let relay = Relay::start(server.address());
    dripping(&relay, &server.url_at(relay.port(), "only_tls", ""), &server.local_url("only_tls"));
}

#[test]
fn the_deadline_for_connecting_is_one_for_all_of_it_with_mariadb() {
    let server = TlsMariaDb::start();
    let relay = Relay::start(server.address());
    for mode in ["", "?ssl-mode=DISABLED"] {
        rows::execute(&server.clear_url(), "DROP TABLE IF EXISTS sip_capture");
        dripping(&relay, &server.url_at(relay.port(), "sipcapture", mode), &server.clear_url());
    }
}

#[test]
fn a_resolver_that_does_not_answer_is_waited_for_no_longer_than_a_server() {
    in_network(|_| {
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        // Port 53 of this network alone: it takes questions, and nobody reads them.
        let _unread = UdpSocket::bind((loopback, 53)).expect("the port is free in a new network");
        let hosts = Hosts::with_name_server(&[], loopback).waiting_long();
        let words = hosts.command();
        for scheme in ["postgres", "mysql"] {
            let mut command = Command::new(&words[0]);
            command.args(&words[1..]).arg(env!("CARGO_BIN_EXE_sipcapture"));
            command.args(["calls", "--db", &format!("{scheme}://u@late.test/d")]);
            let mut tool = command.stderr(Stdio::piped()).spawn().expect("the tool starts");
            // The resolver itself gives up after minutes.
            within(Duration::from_secs(60), "the tool ends", || {
                tool.try_wait().expect("it can be waited for").is_some()
            });
            let output = tool.wait_with_output().expect("it has ended");
            let answer = String::from_utf8_lossy(&output.stderr);
            assert!(answer.contains("no connection within 10 s"), "{scheme}: {answer}");
        }
    });
}
