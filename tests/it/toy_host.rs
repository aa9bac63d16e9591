//! The toy host of `tests/toy_host`, built by `scripts/toy-host.sh`: the whole way from a host that nobody else knows
//! to rows.

use crate::common::rows::{SqliteFile, select, text};
use crate::common::wait::within;
use rustix::process::{Pid, Signal, kill_process};
use sipcapture_core::hep::{self, Packet, Payload, Version};
use std::io::{BufRead as _, BufReader};
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

fn program() -> Command {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("build/toy-host");
    assert!(program.is_file(), "no {}: scripts/toy-host.sh builds it", program.display());
    Command::new(program)
}

/// A host that runs, and the port that it listens on.
struct ToyHost {
    process: Child,
    port: u16,
}

impl ToyHost {
    fn start(parameters: &[String]) -> ToyHost {
        let mut process = program().args(parameters).stdout(Stdio::piped()).spawn().expect("the toy host starts");
        let mut line = String::new();
        let out = process.stdout.as_mut().expect("its output is piped");
        BufReader::new(out).read_line(&mut line).expect("it says its port");
        ToyHost { process, port: line.trim().parse().expect("a port") }
    }

    /// Sends `message`, and waits until the host says that it is queued.
    fn capture(&self, message: &[u8]) {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        socket.set_read_timeout(Some(PATIENCE)).expect("a socket takes a time limit");
        socket.send_to(message, ("127.0.0.1", self.port)).expect("a datagram leaves");
        assert_eq!(socket.recv(&mut [0; 1]).expect("the message is queued"), 0);
    }

    fn signal(&self, signal: Signal) {
        let id = Pid::from_child(&self.process);
        kill_process(id, signal).expect("the host is there");
    }

    /// Ends the host as an operator does; true when it says that all went well.
    fn end(mut self) -> bool {
        self.signal(Signal::TERM);
        self.process.wait().expect("the host ends").success()
    }
}

impl Drop for ToyHost {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn invite(number: u32) -> String {
    format!(
        "INVITE sip:b@example.org SIP/2.0\r\nFrom: <sip:a@example.org>;tag=1\r\nCall-ID: toy-{number}\r\nCSeq: 1 INVITE\r\n\r\n"
    )
}

#[test]
fn what_a_host_captures_that_was_added_by_the_book_is_stored() {
    let file = SqliteFile::new();
    // An alias of its own dialect.
    let host = ToyHost::start(&[format!("database={}", file.url())]);
    (1..=3).for_each(|number| host.capture(invite(number).as_bytes()));
    let rows = || select(file.url(), "SELECT callid, method, source_ip, destination_port FROM sip_capture ORDER BY id");
    within(PATIENCE, "three rows are stored", || rows().is_ok_and(|rows| rows.len() == 3));
    for (row, number) in rows().expect("rows").iter().zip(1..) {
        assert_eq!(text(row, "callid"), format!("toy-{number}"));
        assert_eq!((text(row, "method"), text(row, "source_ip")), ("INVITE".into(), "127.0.0.1".into()));
        assert_eq!(text(row, "destination_port"), host.port.to_string());
    }
    // The columns of its own dialect, and no others.
    let row = select(file.url(), "SELECT * FROM sip_capture LIMIT 1").expect("rows").remove(0);
    let mut columns: Vec<&str> = row.keys().map(String::as_str).collect();
    columns.sort_unstable();
    let of_dialect =
        ["agent", "callid", "date", "destination_port", "id", "ip_protocol", "method", "micro_ts", "msg", "source_ip"];
    assert_eq!(columns, of_dialect);
    assert_eq!(text(&row, "ip_protocol"), "17");
    assert!(host.end());
}

#[test]
fn a_message_in_a_hep_packet_has_the_addresses_and_the_time_of_the_packet() {
    let file = SqliteFile::new();
    let host = ToyHost::start(&[format!("db_url={}", file.url())]);
    let packet = Packet {
        version: Version::V3,
        ip_protocol: 50,
        source: "192.0.2.1:5060".parse().expect("an address"),
        destination: "192.0.2.2:5080".parse().expect("an address"),
        time_us: Some(1_700_000_000_000_001),
        payload_type: 1,
        agent_id: Some(u32::MAX),
        correlation_id: None,
        auth_key: None,
        payload: Payload::Plain(b""),
        trailing: 0,
    };
    let message = invite(9);
    let mut datagram = Vec::new();
    hep::encode(&Packet { payload: Payload::Plain(message.as_bytes()), ..packet }, Version::V3, &mut datagram)
        .expect("the packet can be written");
    host.capture(&datagram);
    let rows = || select(file.url(), "SELECT * FROM sip_capture");
    within(PATIENCE, "the row is stored", || rows().is_ok_and(|rows| rows.len() == 1));
    let row = rows().expect("rows").remove(0);
    let of = |column| text(&row, column);
    assert_eq!([of("callid"), of("source_ip"), of("destination_port")], ["toy-9", "192.0.2.1", "5080"]);
    assert_eq!([of("micro_ts"), of("agent")], ["1700000000000001", "4294967295"]);
    // A transport that the contract has no number for.
    assert_eq!(of("ip_protocol"), "50");
    assert!(host.end());
}

#[test]
fn what_is_queued_when_the_host_is_told_to_end_is_stored_too() {
    let file = SqliteFile::new();
    let host = ToyHost::start(&[format!("db_url={}", file.url())]);
    (1..=200).for_each(|number| host.capture(invite(number).as_bytes()));
    assert!(host.end());
    assert_eq!(select(file.url(), "SELECT id FROM sip_capture").expect("rows").len(), 200);
}

#[test]
fn a_parameter_that_will_not_do_stops_the_start_and_is_named_as_in_every_host() {
    let file = SqliteFile::new();
    let url = format!("db_url={}", file.url());
    for (parameter, said) in [
        (
            "spool_sync=never",
            "parameter spool_sync: the value \"never\" is not allowed: batch, interval and off are allowed",
        ),
        // An alias of its own dialect, for db_url.
        ("database=foo//", "parameter database: the value \"foo//\" is not allowed: "),
        (
            "database=foo://",
            "parameter database: foo:// is served by the server's own module db_foo, which is not loaded",
        ),
        ("database=sqlite:////proc/nosuch/sip.db", "parameter database: the SQLite file /proc/nosuch/"),
        ("capture_node=x", "parameter capture_node: there is no such parameter of type string"),
    ] {
        let output =
            program().args([&url[..], parameter]).stderr(Stdio::piped()).output().expect("the toy host starts");
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && log.contains(said), "{log}");
    }
}

#[test]
fn a_host_that_asks_for_the_names_of_parameters_is_told_the_aliases_too() {
    let output = program().arg("--parameters").output().expect("the toy host starts");
    let listed = String::from_utf8(output.stdout).expect("names are text");
    let lines: Vec<&str> = listed.lines().collect();
    assert!(output.status.success() && lines.contains(&"queue_size number"), "{listed}");
    let place = lines.iter().position(|line| *line == "db_url text").expect("it has a database");
    assert_eq!(lines[place + 1], "database text");
}

#[test]
fn a_packet_that_is_passed_on_arrives_at_a_collector_as_it_came_in() {
    let collector = UdpSocket::bind("127.0.0.1:0").expect("a port");
    collector.set_read_timeout(Some(PATIENCE)).expect("a socket takes a time limit");
    let file = SqliteFile::new();
    let relay = format!("relay=sip:{}", collector.local_addr().expect("its port"));
    let host = ToyHost::start(&[format!("db_url={}", file.url()), relay]);
    // A chunk of a vendor that nobody knows, behind the payload.
    let odd = b"HEP3\0\x18\0\0\0\x0f\0\x08hi\x03\xe7\0\x01\0\x0aodd\xff";
    let message = invite(1);
    let fixed = [&[1, 16, 2, 17, 0x13, 0xc4, 0x13, 0xc5, 192, 0, 2, 1, 192, 0, 2, 2], message.as_bytes()].concat();
    for packet in [&odd[..], &fixed] {
        host.capture(packet);
        let mut datagram = [0; 2000];
        let length = collector.recv(&mut datagram).expect("the packet arrives");
        assert_eq!(&datagram[..length], packet);
    }
    assert!(host.end());
}
