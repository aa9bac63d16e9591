//! Real senders of HEP against our capture node: the distribution's `siptrace` in a proxy that carries sipp's calls,
//! and sngrep replaying a capture file.

use crate::common::kamailio::{ConfigBuilder, Kamailio, Module};
use crate::common::pcap::{self, Datagram};
use crate::common::ports::free_address;
use crate::common::rows::{SqliteFile, StoredRow, count, select, text};
use crate::common::sip::{answered_call, call_id};
use crate::common::wait::within;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{SocketAddr, SocketAddrV4};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);
const CALLS: usize = 5;

/// A child process that does not outlive the test.
struct Peer(Child);

impl Peer {
    fn start(command: &mut Command, directory: &Path) -> Peer {
        let output = fs::File::create(directory.join("peer.log")).expect("the log is created");
        let command = command.current_dir(directory).stdin(Stdio::null());
        let command = command.stdout(output.try_clone().expect("a second handle")).stderr(output);
        Peer(command.spawn().expect("the peer starts"))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A proxy that sends every call to `callee` and mirrors all it receives and sends to the capture node.
fn tracing_proxy(callee: SocketAddr, node: SocketAddr) -> Kamailio {
    let relay = format!("$du = \"sip:{callee}\"; t_relay(); exit;");
    let proxy = ConfigBuilder::new().children(1).load("tm.so").load("siptrace.so").route("request_route", &relay);
    let proxy = proxy.param("siptrace", "trace_on", 1).param("siptrace", "trace_to_database", 0);
    let proxy = proxy.param("siptrace", "hep_mode_on", 1).param("siptrace", "hep_version", 3);
    let proxy = proxy.param("siptrace", "hep_capture_id", 42).param("siptrace", "trace_mode", 1);
    proxy.param("siptrace", "duplicate_uri", &format!("sip:{node}")).start()
}

fn sipp(local: SocketAddr, words: &[&str]) -> Command {
    let mut command = Command::new("sipp");
    command.args(["-i", &local.ip().to_string(), "-p", &local.port().to_string(), "-nostdin"]).args(words);
    command
}

/// Rows of each call, in the order of capture.
fn calls(url: &str) -> BTreeMap<String, Vec<StoredRow>> {
    let mut calls: BTreeMap<String, Vec<StoredRow>> = BTreeMap::new();
    for row in select(url, "SELECT * FROM sip_capture ORDER BY micro_ts, id").expect("the table is readable") {
        calls.entry(text(&row, "callid")).or_default().push(row);
    }
    calls
}

#[test]
fn calls_through_a_proxy_with_the_stock_siptrace_are_stored_message_by_message() {
    let file = SqliteFile::new();
    let node = ConfigBuilder::capture_node(Module::Ours, file.url()).start();
    let directory = tempfile::tempdir().expect("a private directory");
    let [caller, callee] = [free_address(), free_address()];
    let proxy = tracing_proxy(callee, node.address());
    let _callee = Peer::start(&mut sipp(callee, &["-sn", "uas"]), directory.path());
    let (proxy_address, number) = (proxy.address().to_string(), CALLS.to_string());
    let words = ["-sn", "uac", "-m", &number, "-r", "5", "-d", "100", "-timeout", "25", &proxy_address];
    let output = sipp(caller, &words).current_dir(directory.path()).output().expect("sipp runs");
    assert!(output.status.success(), "{}\n{}", String::from_utf8_lossy(&output.stdout), proxy.log());
    // What crosses the proxy for one call: from, to and method or status.
    let legs = |from_caller: bool| if from_caller { (caller, callee) } else { (callee, caller) };
    let mut wanted = BTreeSet::from([(proxy.address(), caller, "100".to_owned())]);
    for (from_caller, method) in [(true, "INVITE"), (false, "180"), (false, "200"), (true, "ACK"), (true, "BYE")] {
        let (from, to) = legs(from_caller);
        wanted.insert((from, proxy.address(), method.to_owned()));
        wanted.insert((proxy.address(), to, method.to_owned()));
    }
    // Twelve messages and the second 200, which differs by its CSeq alone.
    let messages = wanted.len() + 2;
    within(PATIENCE, "all messages of all calls are stored", || {
        count(file.url(), "sip_capture") >= (CALLS * messages) as u64
    });
    let calls = calls(file.url());
    assert_eq!(calls.len(), CALLS);
    for (id, rows) in calls {
        let address = |row, ip: &str, port: &str| format!("{}:{}", text(row, ip), text(row, port)).parse();
        let seen: BTreeSet<(SocketAddr, SocketAddr, String)> = rows
            .iter()
            .map(|row| {
                let source = address(row, "source_ip", "source_port").expect("an address");
                let destination = address(row, "destination_ip", "destination_port").expect("an address");
                (source, destination, text(row, "method"))
            })
            .collect();
        assert_eq!((rows.len(), &seen), (messages, &wanted), "call {id}");
        assert!(rows.iter().all(|row| text(row, "node") == "homer01:42" && text(row, "proto") == "1"), "call {id}");
    }
}

#[test]
fn a_capture_file_replayed_by_sngrep_is_stored_whole() {
    let file = SqliteFile::new();
    let node = ConfigBuilder::capture_node(Module::Ours, file.url()).start();
    let directory = tempfile::tempdir().expect("a private directory");
    let path = directory.path().join("calls.pcap");
    let [caller, callee]: [SocketAddrV4; 2] =
        ["192.0.2.10:5070", "198.51.100.20:5080"].map(|text| text.parse().expect("an address"));
    let datagrams: Vec<Datagram> = (0..CALLS as u64)
        .flat_map(|number| answered_call("replayed", number))
        .zip(0..)
        .map(|(message, index): (_, u64)| {
            let (source, destination) = if message.from_caller { (caller, callee) } else { (callee, caller) };
            // 2025-06-15 12:00:00 UTC and 10 ms more for each message.
            let time_us = 1_749_988_800_000_000 + index * 10_000;
            Datagram { time_us, source, destination, payload: message.text }
        })
        .collect();
    pcap::write(&path, &datagrams);
    let target = format!("udp:{}", node.address());
    let mut sngrep = Command::new("sngrep");
    sngrep.args(["-F", "-N", "-q", "-H", &target, "-I"]).arg(&path).env("TERM", "dumb");
    let _sngrep = Peer::start(&mut sngrep, directory.path());
    within(PATIENCE, "all messages of the file are stored", || {
        count(file.url(), "sip_capture") >= datagrams.len() as u64
    });
    let rows = select(file.url(), "SELECT * FROM sip_capture ORDER BY micro_ts").expect("the table is readable");
    assert_eq!(rows.len(), datagrams.len());
    for (row, (datagram, index)) in rows.iter().zip(datagrams.iter().zip(0..)) {
        let number: u64 = index / 7;
        assert_eq!(row["msg"].as_deref(), Some(&datagram.payload[..]));
        assert_eq!(text(row, "micro_ts"), datagram.time_us.to_string());
        assert_eq!(text(row, "callid"), call_id("replayed", number));
        assert_eq!(text(row, "source_ip"), datagram.source.ip().to_string());
        assert_eq!(text(row, "source_port"), datagram.source.port().to_string());
        assert_eq!(text(row, "destination_ip"), datagram.destination.ip().to_string());
    }
}
