//! Proofs over real sockets of the loopback interface, and what they share.

mod bytes;
mod datagrams;
mod failover;
mod resolving;
mod streams;
mod tls;
mod uris;

use super::{Collector, CollectorOptions, Destination, Origin, Outgoing, OutgoingMessage, Sent};
use crate::hep::{ChunkOrder, Packet, Payload, Version, decode};
use rustix::net::{AddressFamily, SocketType};
use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::thread;
use std::time::{Duration, Instant};

/// Long enough for anything that is to happen; reached only when a test fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// Version 3, and times that a test can wait for.
fn options() -> CollectorOptions {
    CollectorOptions {
        version: Version::V3,
        capture_id: 2001,
        connect_timeout: Duration::from_secs(5),
        io_timeout: Duration::from_secs(5),
        probe_every: Duration::ZERO,
        ..CollectorOptions::default()
    }
}

fn destination(uri: &str) -> Destination {
    Destination::parse(uri).unwrap()
}

fn collector(uri: &str) -> Collector {
    Collector::new(vec![destination(uri)], options())
}

fn tcp_uri(address: SocketAddr) -> String {
    format!("sip:{address};transport=tcp")
}

/// A SIP packet over UDP, between the addresses of the specification's examples.
fn outgoing(payload: &[u8]) -> Outgoing<'_> {
    message(payload).into()
}

/// The same before it is a packet.
fn message(payload: &[u8]) -> OutgoingMessage<'_> {
    OutgoingMessage {
        from: Origin::Address("192.0.2.1:5060".parse().unwrap()),
        to: Some("198.51.100.2:5070".parse().unwrap()),
        ip_protocol: 17,
        time_us: 1_700_000_000_123_456,
        payload_type: 1,
        version_override: None,
        order: ChunkOrder::Message,
        correlation_id: None,
        payload,
    }
}

/// Payloads that tell their number, each of `length` bytes.
fn numbered(count: usize, length: usize) -> Vec<Vec<u8>> {
    let payload = |number: usize| {
        let mut payload = format!("packet {number} ").into_bytes();
        payload.resize(length.max(payload.len()), b'.');
        payload
    };
    (0..count).map(payload).collect()
}

fn packets(payloads: &[Vec<u8>]) -> Vec<Outgoing<'_>> {
    payloads.iter().map(|payload| outgoing(payload)).collect()
}

/// All of `count` packets left.
fn all(count: usize) -> Sent {
    Sent { sent: count, ..Sent::default() }
}

fn payload_of(frame: &[u8]) -> Vec<u8> {
    match decode(frame).unwrap() {
        Packet { payload: Payload::Plain(payload), trailing: 0, .. } => payload.to_vec(),
        other => panic!("no plain packet: {other:?}"),
    }
}

fn udp_receiver(address: &str) -> UdpSocket {
    let socket = UdpSocket::bind(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

fn next_datagram(socket: &UdpSocket) -> Vec<u8> {
    let mut datagram = vec![0; 65_536];
    let length = socket.recv(&mut datagram).unwrap();
    datagram.truncate(length);
    datagram
}

/// Nothing has arrived that was not read: what was sent over the loopback interface is there when the call returns.
fn assert_silent(socket: &UdpSocket) {
    socket.set_nonblocking(true).unwrap();
    assert_eq!(socket.recv(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock);
    socket.set_nonblocking(false).unwrap();
}

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// A port where nobody listens yet, and that nobody else can take.
struct ClosedPort {
    socket: OwnedFd,
    address: SocketAddr,
}

impl ClosedPort {
    fn new() -> ClosedPort {
        let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        rustix::net::bind(&socket, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = rustix::net::getsockname(&socket).unwrap().try_into().unwrap();
        ClosedPort { socket, address }
    }

    fn open(self) -> TcpListener {
        rustix::net::listen(&self.socket, 16).unwrap();
        TcpListener::from(self.socket)
    }
}

/// The next connection, if there is one.
fn accept_now(listener: &TcpListener) -> Option<TcpStream> {
    listener.set_nonblocking(true).unwrap();
    let (stream, _) = listener.accept().ok()?;
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    Some(stream)
}

fn accept(listener: &TcpListener) -> TcpStream {
    eventually(|| accept_now(listener))
}

/// What `look` finds, once it finds it.
fn eventually<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "it has not happened");
        thread::sleep(Duration::from_millis(5));
    }
}

/// The payloads of the next frames of a stream of version 3.
fn read_payloads(stream: &mut impl Read, count: usize) -> Vec<Vec<u8>> {
    (0..count)
        .map(|_| {
            let mut frame = vec![0; 6];
            stream.read_exact(&mut frame).unwrap();
            frame.resize(usize::from(u16::from_be_bytes([frame[4], frame[5]])), 0);
            stream.read_exact(&mut frame[6..]).unwrap();
            payload_of(&frame)
        })
        .collect()
}

/// Sends all of `payloads` but the first `sent`, in as many calls as it takes.
fn send_rest(collector: &mut Collector, payloads: &[Vec<u8>], mut sent: usize) {
    let begun = Instant::now();
    while sent < payloads.len() {
        assert!(begun.elapsed() < PATIENCE, "{sent} sent");
        sent += collector.send(&packets(&payloads[sent..])).sent;
    }
}

/// The payloads of all whole frames up to the end of the stream, and the bytes of a frame that was cut.
fn read_to_end(stream: &mut impl Read) -> (Vec<Vec<u8>>, Vec<u8>) {
    let mut bytes = Vec::new();
    // A TLS stream may end without notice.
    if let Err(error) = stream.read_to_end(&mut bytes) {
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    }
    let (mut payloads, mut left) = (Vec::new(), bytes.as_slice());
    while left.len() >= 6 {
        let length = usize::from(u16::from_be_bytes([left[4], left[5]]));
        let Some((frame, behind)) = left.split_at_checked(length) else { break };
        payloads.push(payload_of(frame));
        left = behind;
    }
    (payloads, left.to_vec())
}
