//! Other implementations of HEP agree with ours: Wireshark on what we read and write, sngrep on what it sends.

mod addresses;
mod sngrep;
mod stock;
mod wireshark;

use sipcapture_core::packet::{LinkType, PcapWriter, udp_frame};
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Writes UDP datagrams into a pcap file, each a second after the one before it, and answers where the file is.
fn pcap_of<P: AsRef<[u8]>>(directory: &Path, datagrams: &[(SocketAddr, SocketAddr, P)]) -> PathBuf {
    let frames: Vec<Vec<u8>> = datagrams
        .iter()
        .map(|(source, destination, payload)| udp_frame(*source, *destination, payload.as_ref()).expect("a frame"))
        .collect();
    pcap_of_frames(directory, &frames)
}

/// As [`pcap_of`], with whole IP packets.
fn pcap_of_frames(directory: &Path, frames: &[Vec<u8>]) -> PathBuf {
    let path = directory.join("packets.pcap");
    let file = File::create(&path).expect("a file in a private directory");
    let mut writer = PcapWriter::new(file, LinkType::Raw).expect("a header is written");
    for (time_us, frame) in (0..).map(time_of).zip(frames) {
        writer.write(time_us, frame).expect("a record is written");
    }
    writer.finish().expect("the file is flushed");
    path
}

/// Capture time of the packet with this index in a file of [`pcap_of`], in microseconds.
fn time_of(index: i64) -> i64 {
    1_700_000_000_123_456 + index * 1_000_000
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}
