//! The collectors: UDP sockets that keep what arrives, and the records that it is compared by.

use super::message::Message;
use super::names::Names;
use super::record::{Place, Record};
use crate::common::wait::within;
use rustix::net::sockopt;
use sipcapture_core::hep::{self, Chunks, Packet, Payload, Version, kind};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Room for all packets of a run, bytes.
const BUFFER: usize = 8 << 20;
/// What no sender of a trace sends.
const FENCE: &[u8] = b"fence";

/// One datagram.
pub struct Received {
    /// The collector that it came to.
    pub place: Place,
    /// What came.
    pub bytes: Vec<u8>,
    /// Where from.
    pub sender: SocketAddr,
}

impl Received {
    /// The message in it.
    pub fn message(&self) -> Message {
        let packet = hep::version_of(&self.bytes).map(|_| hep::decode(&self.bytes).expect("a HEP packet"));
        let bytes = packet.map_or(&self.bytes[..], |packet| payload(&packet));
        Message::new(String::from_utf8_lossy(bytes).into_owned())
    }
}

fn payload<'a>(packet: &Packet<'a>) -> &'a [u8] {
    let Payload::Plain(payload) = packet.payload else { panic!("nobody compresses here") };
    payload
}

/// What a reader has read: datagrams and their senders.
type Inbox = Mutex<Vec<(Vec<u8>, SocketAddr)>>;

/// The collector of `duplicate_uri`, and the one that scripts name.
pub struct Collectors {
    duplicate: Collector,
    named: Collector,
}

struct Collector {
    address: SocketAddr,
    received: Arc<Inbox>,
    ends: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
}

impl Collectors {
    /// Two collectors at this address, on ports that the kernel gives.
    pub fn new(host: impl Into<IpAddr>) -> Collectors {
        let host = host.into();
        Collectors { duplicate: Collector::new(host), named: Collector::new(host) }
    }

    /// What `duplicate_uri` is set to.
    pub fn duplicate_uri(&self) -> String {
        format!("sip:{}", self.duplicate.address)
    }

    /// What scripts name.
    pub fn named_uri(&self) -> String {
        format!("sip:{}", self.named.address)
    }

    /// Everything that has arrived, in the order of each collector.
    pub fn take(&self) -> Vec<Received> {
        let mut datagrams = Vec::new();
        for (place, collector) in [(Place::Duplicate, &self.duplicate), (Place::Named, &self.named)] {
            let taken = collector.take().into_iter();
            datagrams.extend(taken.map(|(bytes, sender)| Received { place, bytes, sender }));
        }
        datagrams
    }
}

/// Datagrams as records; none may be older than `since`.
pub fn records(datagrams: &[Received], names: &Names, since: SystemTime) -> Vec<Record> {
    for place in [Place::Duplicate, Place::Named] {
        let here = datagrams.iter().filter(|received| received.place == place);
        let times: Vec<i64> = here.filter_map(|received| time_us(&received.bytes)).collect();
        let limits = micros(since)..=micros(SystemTime::now());
        assert!(times.iter().all(|time| limits.contains(time)), "a packet of {place:?} is of another time");
    }
    let of_arrival = datagrams.iter().zip(0_i64..);
    let timed = of_arrival.map(|(received, arrival)| {
        let mut record = record(received, names);
        // The host sends plain copies itself, one after the other; version 1 has no time.
        let has_time = hep::version_of(&received.bytes) != Some(Version::V1);
        let time = time_us(&received.bytes).unwrap_or(arrival);
        record.time = if has_time { format!("{time:020}") } else { String::new() };
        record
    });
    timed.collect()
}

impl Collector {
    fn new(host: IpAddr) -> Collector {
        let socket = UdpSocket::bind((host, 0)).expect("a loopback address has free ports");
        socket.set_read_timeout(Some(Duration::from_millis(100))).expect("a timeout is set");
        // Our module sends what it has gathered in one go. More than net.core.rmem_max is root's to ask for.
        if sockopt::set_socket_recv_buffer_size_force(&socket, BUFFER).is_err() {
            sockopt::set_socket_recv_buffer_size(&socket, BUFFER).expect("a size is set");
        }
        let address = socket.local_addr().expect("a bound socket has an address");
        let (received, ends) = (Arc::new(Inbox::default()), Arc::new(AtomicBool::new(false)));
        let reader = std::thread::spawn({
            let (received, ends) = (Arc::clone(&received), Arc::clone(&ends));
            move || read(&socket, &received, &ends)
        });
        Collector { address, received, ends, reader: Some(reader) }
    }

    /// What has arrived by now: whatever is still in the socket is in front of the fence.
    fn take(&self) -> Vec<(Vec<u8>, SocketAddr)> {
        let sender = UdpSocket::bind((self.address.ip(), 0)).expect("a loopback address has free ports");
        sender.send_to(FENCE, self.address).expect("loopback takes a datagram");
        let mut taken = Vec::new();
        within(Duration::from_secs(10), "the collector reads all that is there", || {
            let mut received = self.received.lock().expect("the reader does not panic");
            let fence = received.iter().position(|(datagram, _)| datagram == FENCE);
            if let Some(fence) = fence {
                taken = std::mem::take(&mut *received);
                // What comes behind it is of a sentinel.
                taken.truncate(fence);
            }
            fence.is_some()
        });
        taken
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(reader) = self.reader.take() {
            // It has nothing to say.
            let _ = reader.join();
        }
    }
}

fn read(socket: &UdpSocket, received: &Inbox, ends: &AtomicBool) {
    let mut buffer = vec![0; 65_536];
    while !ends.load(Ordering::Relaxed) {
        if let Ok((length, sender)) = socket.recv_from(&mut buffer) {
            received.lock().expect("the test does not panic with the lock").push((buffer[..length].to_vec(), sender));
        }
    }
}

fn micros(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).expect("a clock past 1970");
    i64::try_from(since.as_micros()).expect("a time that fits")
}

/// The time of a packet that has one.
fn time_us(datagram: &[u8]) -> Option<i64> {
    hep::version_of(datagram)?;
    hep::decode(datagram).unwrap_or_else(|error| panic!("{error}: {}", datagram.escape_ascii())).time_us
}

/// A datagram as named values in their order, all but times.
fn record(received: &Received, names: &Names) -> Record {
    let Received { place, bytes: datagram, sender } = received;
    let place = *place;
    match hep::version_of(datagram) {
        Some(Version::V3) => chunks(place, datagram, names),
        Some(version) => fixed(place, version, datagram, names),
        None => {
            let mut record = Record::new(place, &names.apply(datagram));
            // The port is a socket of the proxy, which is what a plain copy must come from.
            record.way = format!("{}:{} ->", sender.ip(), names.of_port(sender.port()));
            record.add("sender", record.way.clone());
            record.add("payload", names.apply(datagram));
            record
        }
    }
}

fn chunks(place: Place, datagram: &[u8], names: &Names) -> Record {
    let packet = hep::decode(datagram).expect("a packet that was decoded before");
    let mut record = Record::new(place, &names.apply(payload(&packet)));
    record.way = way(packet.ip_protocol, packet.source, packet.destination, names);
    record.add("magic", datagram[..4].escape_ascii().to_string());
    let chunks = Chunks::new(datagram).expect("a packet that was decoded before");
    record.add("trailing", chunks.trailing().to_string());
    for chunk in chunks {
        let chunk = chunk.expect("a packet that was decoded before");
        let body = chunk.body;
        let value = match chunk.kind {
            kind::PAYLOAD | kind::CORRELATION_ID | kind::AUTH_KEY => names.apply(body),
            7 | 8 => names.of_port(u16::from_be_bytes([body[0], body[1]])),
            9 | 10 => format!("{} bytes of time", body.len()),
            _ => format!("{body:02x?}"),
        };
        record.add(&format!("{}:{:#06x}", chunk.vendor, chunk.kind), value);
    }
    record
}

/// Version 1 or 2.
fn fixed(place: Place, version: Version, datagram: &[u8], names: &Names) -> Record {
    let header = usize::from(datagram[1]);
    let is_ip4 = header == 16;
    let port = |at: usize| u16::from_be_bytes([datagram[at], datagram[at + 1]]);
    let address = |at: usize| match is_ip4 {
        true => IpAddr::from(<[u8; 4]>::try_from(&datagram[at..at + 4]).expect("four bytes")),
        false => IpAddr::from(<[u8; 16]>::try_from(&datagram[at..at + 16]).expect("sixteen bytes")),
    };
    let source = SocketAddr::new(address(8), port(4));
    let destination = SocketAddr::new(address(if is_ip4 { 12 } else { 24 }), port(6));
    let tail = if version == Version::V2 { 12 } else { 0 };
    let payload = names.apply(&datagram[header + tail..]);
    let mut record = Record::new(place, &payload);
    record.way = way(datagram[3], source, destination, names);
    record.add("header", format!("{:02x?}", &datagram[..4]));
    record.add("way", record.way.clone());
    if version == Version::V2 {
        // Behind the agent are two bytes that the stock module does not fill.
        record.add("agent", format!("{:02x?}", &datagram[header + 8..header + 10]));
    }
    record.add("payload", payload);
    record
}

fn way(protocol: u8, source: SocketAddr, destination: SocketAddr, names: &Names) -> String {
    let side = |address: SocketAddr| match address.ip() {
        IpAddr::V6(ip) if ip == Ipv6Addr::LOCALHOST => format!("[{ip}]:{}", names.of_port(address.port())),
        ip => format!("{ip}:{}", names.of_port(address.port())),
    };
    format!("{protocol} {} -> {}", side(source), side(destination))
}
