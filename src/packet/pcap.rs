//! The classic pcap file, with microseconds.
//!
//! ```text
//! all numbers little endian
//! file header, 24 bytes         record header, 16 bytes, then the bytes of the packet
//! offset  bytes                 offset  bytes
//! 0       4  magic 0xa1b2c3d4   0       4  seconds since the Unix epoch
//! 4       2  major version 2    4       4  microseconds
//! 6       2  minor version 4    8       4  bytes that follow
//! 8       8  zeros              12      4  bytes that the packet had
//! 16      4  snapshot length
//! 20      4  link type
//! ```

use std::io::{self, Write};

/// Bytes of [`file_header`].
pub const FILE_HEADER_LENGTH: usize = 24;
/// Bytes of [`record_header`].
pub const RECORD_HEADER_LENGTH: usize = 16;

const MAGIC: u32 = 0xa1b2_c3d4;
const VERSION: (u16, u16) = (2, 4);
/// No packet of a file is longer; it is what capture programs write by default.
const SNAPSHOT_LENGTH: u32 = 262_144;

/// The header that the packets of a file begin with, by its link type number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum LinkType {
    /// An Ethernet header.
    Ethernet = 1,
    /// An IPv4 or IPv6 header, as [`udp_frame`](super::udp_frame) builds it.
    Raw = 101,
}

/// The header of a file whose packets begin as `link` says.
pub fn file_header(link: LinkType) -> [u8; FILE_HEADER_LENGTH] {
    let mut header = [0; FILE_HEADER_LENGTH];
    header[0..4].copy_from_slice(&MAGIC.to_le_bytes());
    header[4..6].copy_from_slice(&VERSION.0.to_le_bytes());
    header[6..8].copy_from_slice(&VERSION.1.to_le_bytes());
    header[16..20].copy_from_slice(&SNAPSHOT_LENGTH.to_le_bytes());
    header[20..24].copy_from_slice(&(link as u32).to_le_bytes());
    header
}

/// The header of a packet of which `written` bytes follow and that had `original` bytes.
///
/// `time_us` is the capture time, microseconds since the Unix epoch. The file has 32 bits for the seconds: times before
/// 1970 and after 2106 are written as the earliest and the latest that it can hold.
pub fn record_header(time_us: i64, written: u32, original: u32) -> [u8; RECORD_HEADER_LENGTH] {
    const LAST_TIME_US: i64 = u32::MAX as i64 * 1_000_000 + 999_999;
    let time_us = time_us.clamp(0, LAST_TIME_US);
    let mut header = [0; RECORD_HEADER_LENGTH];
    header[0..4].copy_from_slice(&((time_us / 1_000_000) as u32).to_le_bytes());
    header[4..8].copy_from_slice(&((time_us % 1_000_000) as u32).to_le_bytes());
    header[8..12].copy_from_slice(&written.to_le_bytes());
    header[12..16].copy_from_slice(&original.to_le_bytes());
    header
}

/// Writes packets to whatever takes bytes; wrap a file into a `BufWriter`.
#[derive(Debug)]
pub struct PcapWriter<W> {
    out: W,
}

impl<W: Write> PcapWriter<W> {
    /// Writes the file header.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn new(mut out: W, link: LinkType) -> io::Result<PcapWriter<W>> {
        out.write_all(&file_header(link))?;
        Ok(PcapWriter { out })
    }

    /// Writes one whole packet, captured at `time_us`, microseconds since the Unix epoch.
    ///
    /// # Errors
    /// Those of `out`; `InvalidInput` for a packet above 262,144 bytes, of which nothing is written.
    pub fn write(&mut self, time_us: i64, frame: &[u8]) -> io::Result<()> {
        let length = u32::try_from(frame.len()).ok().filter(|length| *length <= SNAPSHOT_LENGTH).ok_or_else(|| {
            let message = format!("a packet of {} bytes, where a pcap file takes {SNAPSHOT_LENGTH}", frame.len());
            io::Error::new(io::ErrorKind::InvalidInput, message)
        })?;
        self.out.write_all(&record_header(time_us, length, length))?;
        self.out.write_all(frame)
    }

    /// Flushes and hands back what was written to.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_its_header_and_its_records() {
        let mut writer = PcapWriter::new(Vec::new(), LinkType::Raw).unwrap();
        writer.write(1_700_000_000_123_456, b"one").unwrap();
        writer.write(1, b"").unwrap();
        let bytes = writer.finish().unwrap();
        let words: Vec<u32> = bytes[..40].chunks(4).map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect();
        assert_eq!(words, [0xa1b2_c3d4, 0x0004_0002, 0, 0, 262_144, 101, 1_700_000_000, 123_456, 3, 3]);
        assert_eq!(&bytes[40..43], b"one");
        assert_eq!(bytes[43..], [0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn times_that_the_file_cannot_say_become_the_nearest() {
        assert_eq!(record_header(-1, 0, 0)[..8], [0; 8]);
        assert_eq!(record_header(i64::MIN, 0, 0)[..8], [0; 8]);
        assert_eq!(record_header(i64::MAX, 0, 0)[..8], [255, 255, 255, 255, 0x3f, 0x42, 0x0f, 0]);
    }

    #[test]
    fn a_packet_above_the_snapshot_length_is_refused() {
        let mut writer = PcapWriter::new(Vec::new(), LinkType::Ethernet).unwrap();
        writer.write(0, &[0; 262_144]).unwrap();
        let error = writer.write(0, &[0; 262_145]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert_eq!(writer.finish().unwrap().len(), 24 + 16 + 262_144);
    }
}
