//! Takes a record apart, never behind its end.

use super::RecordError;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The fixed part of a record: every number is little-endian, and lies in it.
#[derive(Clone, Copy)]
pub(super) struct RecordHead<'a>(&'a [u8]);

impl RecordHead<'_> {
    /// The byte at `at`.
    pub fn u8(self, at: usize) -> u8 {
        self.0[at]
    }

    /// The two bytes at `at`.
    pub fn u16(self, at: usize) -> u16 {
        u16::from_le_bytes([self.0[at], self.0[at + 1]])
    }

    /// The four bytes at `at`.
    pub fn u32(self, at: usize) -> u32 {
        u32::from_le_bytes([self.0[at], self.0[at + 1], self.0[at + 2], self.0[at + 3]])
    }
}

/// What is not read yet.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// The first `head` bytes of a record, and what is behind them.
    pub fn behind(record: &'a [u8], head: usize) -> Result<(RecordHead<'a>, Reader<'a>), RecordError> {
        let (head, rest) = record.split_at_checked(head).ok_or(RecordError::Short)?;
        Ok((RecordHead(head), Reader { rest }))
    }

    /// The next `len` bytes.
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], RecordError> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(RecordError::Short)?;
        self.rest = rest;
        Ok(taken)
    }

    /// The next address, of IPv6 or IPv4.
    pub fn address(&mut self, v6: bool) -> Result<IpAddr, RecordError> {
        if v6 {
            let mut octets = [0; 16];
            octets.copy_from_slice(self.take(16)?);
            Ok(IpAddr::V6(Ipv6Addr::from(octets)))
        } else {
            let mut octets = [0; 4];
            octets.copy_from_slice(self.take(4)?);
            Ok(IpAddr::V4(Ipv4Addr::from(octets)))
        }
    }
}
