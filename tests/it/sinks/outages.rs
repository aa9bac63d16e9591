//! Servers that go away, come back, restart and stand still.

use super::*;
use crate::common::ports::free_port;
use sipcapture_core::sink::SinkError::Unavailable;
use std::net::TcpListener;
use std::time::Duration;

/// Deadlines that also a write on a busy machine keeps.
fn patient() -> SinkOptions {
    let ten = Duration::from_secs(10);
    SinkOptions { create_tables: true, connect_timeout: ten, io_timeout: ten, ..SinkOptions::default() }
}

/// Short deadlines, for writes that wait for them.
fn impatient() -> SinkOptions {
    let two = Duration::from_secs(2);
    SinkOptions { create_tables: true, connect_timeout: two, io_timeout: two, ..SinkOptions::default() }
}

fn one_row() -> [Row<'static>; 1] {
    [texts(&[("callid", b"c1")])]
}

fn assert_unavailable(outcome: Result<Written, SinkError>) {
    match outcome {
        Err(Unavailable(why)) => assert!(!why.contains(crate::common::database::PASSWORD), "{why}"),
        other => panic!("{other:?}"),
    }
}

macro_rules! outages_of {
    ($server:ident) => {
        use super::*;

        fn count(url: &str) -> u64 {
            rows::count(url, "sip_capture")
        }

        #[test]
        fn a_stopped_server_is_unavailable_and_written_when_it_is_back() {
            let mut server = $server::start();
            let url = server.url();
            let mut sink = open(&url, &patient());
            write(&mut *sink, "sip_capture", &one_row()).expect("a row is written");
            server.stop();
            for _ in 0..2 {
                assert_unavailable(write(&mut *sink, "sip_capture", &one_row()));
            }
            server.start_again();
            write(&mut *sink, "sip_capture", &one_row()).expect("a row is written");
            assert_eq!(count(&url), 2);
        }

        #[test]
        fn a_server_that_was_restarted_between_two_writes_goes_unnoticed() {
            let mut server = $server::start();
            let url = server.url();
            let mut sink = open(&url, &patient());
            write(&mut *sink, "sip_capture", &one_row()).expect("a row is written");
            server.kill();
            server.start_again();
            write(&mut *sink, "sip_capture", &one_row()).expect("a row is written");
            assert_eq!(count(&url), 2);
        }

        #[test]
        fn a_server_that_stands_still_is_unavailable_and_makes_no_duplicates() {
            let server = $server::start();
            let url = server.url();
            let mut sink = open(&url, &patient());
            write(&mut *sink, "sip_capture", &one_row()).expect("a row is written");
            server.pause();
            for _ in 0..2 {
                assert_unavailable(write(&mut *sink, "sip_capture", &one_row()));
            }
            server.resume();
            write(&mut *sink, "sip_capture", &one_row()).expect("a row is written");
            assert_eq!(count(&url), 2);
        }

        #[test]
        fn a_connection_that_somebody_ends_is_made_again() {
            let server = $server::start();
            let url = server.url();
            let mut sink = open(&url, &patient());
            for _ in 0..3 {
                write(&mut *sink, "sip_capture", &one_row()).expect("a row is written");
                end_connections(&server);
            }
            assert_eq!(count(&url), 3);
        }
    };
}

mod mariadb {
    outages_of!(MariaDb);

    /// Ends every connection but the one that does it.
    fn end_connections(server: &MariaDb) {
        for row in server.query("SELECT id FROM information_schema.PROCESSLIST WHERE id <> CONNECTION_ID()") {
            if let Some(Some(id)) = row.first() {
                // A connection may have ended by itself.
                server.query(&format!(
                    "BEGIN NOT ATOMIC DECLARE CONTINUE HANDLER FOR SQLEXCEPTION BEGIN END; KILL {id}; END"
                ));
            }
        }
    }
}

mod postgres {
    outages_of!(Postgres);

    fn end_connections(server: &Postgres) {
        server.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()");
    }
}

#[test]
fn a_port_that_nobody_serves_is_unavailable_at_once() {
    let port = free_port();
    for scheme in ["mysql", "postgres"] {
        let url = format!("{scheme}://u:geheim@127.0.0.1:{port}/d");
        assert_unavailable(write(&mut *open(&url, &SinkOptions::default()), "sip_capture", &one_row()));
    }
}

#[test]
fn a_server_that_accepts_and_says_nothing_is_unavailable() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("a bound port").port();
    for scheme in ["mysql", "postgres"] {
        let url = format!("{scheme}://u:geheim@127.0.0.1:{port}/d");
        assert_unavailable(write(&mut *open(&url, &impatient()), "sip_capture", &one_row()));
    }
}
