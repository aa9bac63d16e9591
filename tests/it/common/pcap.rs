//! A pcap file of UDP datagrams over IPv4 in Ethernet frames, for peers that replay captures.

use std::fs;
use std::net::SocketAddrV4;
use std::path::Path;

/// One datagram and when it was seen.
#[derive(Clone, Debug)]
pub struct Datagram {
    /// Microseconds since the Unix epoch.
    pub time_us: u64,
    /// Sender.
    pub source: SocketAddrV4,
    /// Receiver.
    pub destination: SocketAddrV4,
    /// What it carries.
    pub payload: Vec<u8>,
}

/// Writes `datagrams` to `path`, little endian, microsecond times, link type Ethernet.
pub fn write(path: &Path, datagrams: &[Datagram]) {
    let mut file = Vec::new();
    file.extend(0xa1b2_c3d4_u32.to_le_bytes());
    file.extend([2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    file.extend(65_535_u32.to_le_bytes());
    file.extend(1_u32.to_le_bytes());
    for datagram in datagrams {
        let frame = frame(datagram);
        let length = u32::try_from(frame.len()).expect("a frame is short");
        file.extend(u32::try_from(datagram.time_us / 1_000_000).expect("before 2106").to_le_bytes());
        file.extend(u32::try_from(datagram.time_us % 1_000_000).expect("below a million").to_le_bytes());
        file.extend([length.to_le_bytes(), length.to_le_bytes()].concat());
        file.extend(frame);
    }
    fs::write(path, file).expect("the capture file is written");
}

fn frame(datagram: &Datagram) -> Vec<u8> {
    let udp_length = u16::try_from(8 + datagram.payload.len()).expect("a datagram is short");
    let mut ip = vec![0x45, 0];
    ip.extend((udp_length + 20).to_be_bytes());
    ip.extend([0, 0, 0x40, 0, 64, 17, 0, 0]);
    ip.extend(datagram.source.ip().octets());
    ip.extend(datagram.destination.ip().octets());
    let checksum = checksum(&ip);
    ip[10..12].copy_from_slice(&checksum.to_be_bytes());
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
    frame.extend(ip);
    frame.extend(datagram.source.port().to_be_bytes());
    frame.extend(datagram.destination.port().to_be_bytes());
    frame.extend(udp_length.to_be_bytes());
    // UDP over IPv4 may go without a checksum.
    frame.extend([0, 0]);
    frame.extend(&datagram.payload);
    frame
}

fn checksum(header: &[u8]) -> u16 {
    let words = header.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]));
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !u16::try_from((folded & 0xffff) + (folded >> 16)).expect("folded to 16 bits")
}
