//! The byte forms of a file's header and of its records, and the walk over them that steps past damage. See the module
//! comment of [`super`] for both as text blocks. Used by the spool and by the dead letters, which differ in their magic
//! alone.

use super::files::Source;
use crc32fast::Hasher;
use std::hash::{BuildHasher, Hasher as _};
use std::io;
use std::ops::Range;

/// Bytes of a file's header: two copies of the same 32.
pub(super) const HEADER: usize = 64;
const COPY: usize = 32;
/// Bytes of a record in front of its own.
pub(super) const RECORD: usize = 20;
/// Longest record, bytes. A length beyond it is damage.
pub const MAX_RECORD: usize = 1 << 20;
/// Ids from here on are damage, so that counting on from one never overflows.
pub(super) const ID_LIMIT: u64 = 1 << 62;

const VERSION: u32 = 1;
/// Bytes read at once.
const READ_AHEAD: usize = 256 << 10;

/// What kind of file it is: its first eight bytes.
pub(super) type Magic = [u8; 8];

/// The header of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    /// Id of the first record.
    pub first: u64,
    /// Starts every check sum of the file.
    pub salt: u32,
}

/// Why bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Fewer bytes than a header has.
    #[error("it ends within its header")]
    Short,
    /// Another magic, or neither copy has the check sum that it should have.
    #[error("it has no valid header")]
    Foreign,
    /// A version that this build does not know.
    #[error("its format version {0} is unknown, {VERSION} would be right")]
    Version(u32),
}

impl SegmentHeader {
    /// A header for a new file, with a salt that nobody else can know.
    pub(super) fn new(first: u64) -> SegmentHeader {
        // The standard library's source of keys for hash maps: the system's random bytes, and never twice the same.
        let salt = std::hash::RandomState::new().build_hasher().finish() as u32;
        SegmentHeader { first, salt }
    }

    /// Appends the header's bytes to `out`.
    pub(super) fn encode(&self, magic: Magic, out: &mut Vec<u8>) {
        for _ in 0..2 {
            let start = out.len();
            out.extend_from_slice(&magic);
            out.extend_from_slice(&VERSION.to_le_bytes());
            out.extend_from_slice(&self.salt.to_le_bytes());
            out.extend_from_slice(&self.first.to_le_bytes());
            out.extend_from_slice(&[0; 4]);
            let check = crc32fast::hash(&out[start..]);
            out.extend_from_slice(&check.to_le_bytes());
        }
    }

    /// Reads the header at the front of `bytes`; one good copy is enough.
    pub(super) fn decode(magic: Magic, bytes: &[u8]) -> Result<SegmentHeader, HeaderError> {
        let bytes = bytes.get(..HEADER).ok_or(HeaderError::Short)?;
        let copies = bytes
            .chunks_exact(COPY)
            .filter(|copy| copy[..8] == magic && crc32fast::hash(&copy[..COPY - 4]).to_le_bytes() == copy[COPY - 4..]);
        let mut unknown = HeaderError::Foreign;
        for copy in copies {
            match (u32_at(copy, 8), u64_at(copy, 16)) {
                (VERSION, first) if (1..ID_LIMIT).contains(&first) => {
                    return Ok(SegmentHeader { first, salt: u32_at(copy, 12) });
                }
                (VERSION, _) => {}
                (version, _) => unknown = HeaderError::Version(version),
            }
        }
        Err(unknown)
    }

    /// Reads the header of an open file.
    pub(super) fn read(magic: Magic, file: &dyn Source) -> io::Result<Result<SegmentHeader, HeaderError>> {
        let mut bytes = [0; HEADER];
        let mut filled = 0;
        while filled < HEADER {
            match file.read_at(&mut bytes[filled..], filled as u64)? {
                0 => break,
                count => filled += count,
            }
        }
        Ok(SegmentHeader::decode(magic, &bytes[..filled]))
    }
}

/// Bytes on disk of a record of `bytes` bytes.
pub(super) fn record_size(bytes: usize) -> u64 {
    (RECORD + bytes) as u64
}

/// Appends one record to `out`.
pub(super) fn encode_record(salt: u32, id: u64, bytes: &[u8], out: &mut Vec<u8>) {
    let mut head = [0; RECORD - 8];
    head[..4].copy_from_slice(&(bytes.len() as u32).to_le_bytes());
    head[4..].copy_from_slice(&id.to_le_bytes());
    let head_check = check(salt, &head);
    out.extend_from_slice(&head_check.to_le_bytes());
    out.extend_from_slice(&head);
    out.extend_from_slice(&check(head_check, bytes).to_le_bytes());
    out.extend_from_slice(bytes);
}

fn check(start: u32, bytes: &[u8]) -> u32 {
    let mut hasher = Hasher::new_with_initial(start);
    hasher.update(bytes);
    hasher.finalize()
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

/// A record that the walk has found: its id, and where in the walk's window its bytes are.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub id: u64,
    bytes: Range<usize>,
}

/// A walk over the records of one file, from any record's start to wherever its bytes end now.
///
/// What is no record is stepped over byte by byte until something is one again; a record whose header is good and whose
/// bytes are not is stepped over whole. Either way its id is simply not found.
#[derive(Debug)]
pub(super) struct Walk {
    header: SegmentHeader,
    /// Where the next record should start.
    offset: u64,
    /// Ids below this have been seen, or were never asked for.
    lowest: u64,
    window: Vec<u8>,
    /// Offset in the file of the window's first byte, and how many of its bytes are filled.
    window_offset: u64,
    filled: usize,
    /// Damaged places that it has stepped over.
    damaged: u64,
}

impl Walk {
    /// A walk over all records of a file with this header.
    pub(super) fn new(header: SegmentHeader) -> Walk {
        Walk::resume(header, HEADER as u64, header.first)
    }

    /// A walk from a record's start at `offset`, where ids are `lowest` or more.
    pub(super) fn resume(header: SegmentHeader, offset: u64, lowest: u64) -> Walk {
        Walk { header, offset, lowest, window: Vec::new(), window_offset: offset, filled: 0, damaged: 0 }
    }

    /// Where the next record should start, bytes from the start of the file.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// How many damaged places were stepped over.
    pub(super) fn damaged(&self) -> u64 {
        self.damaged
    }

    /// The bytes of a record that the last [`Walk::next`] has found.
    pub(super) fn bytes(&self, found: &Found) -> &[u8] {
        &self.window[found.bytes.clone()]
    }

    /// Finds the next good record in the first `size` bytes of `file` whose id is below `below`. `None` when there is
    /// none: everything up to `size` is behind the walk then, and it goes on from there when the file has grown. After
    /// an error it can be called again.
    pub(super) fn next(&mut self, file: &dyn Source, size: u64, below: u64) -> io::Result<Option<Found>> {
        let mut lost = false;
        while size.saturating_sub(self.offset) >= RECORD as u64 && self.want(file, size, RECORD)? {
            let Some((id, length)) = self.head(size, below) else {
                self.damaged += u64::from(!lost);
                lost = true;
                self.offset += 1;
                continue;
            };
            if !self.want(file, size, RECORD + length)? {
                break;
            }
            lost = false;
            let start = (self.offset - self.window_offset) as usize;
            let bytes = start + RECORD..start + RECORD + length;
            self.offset += record_size(length);
            self.lowest = id + 1;
            let head = &self.window[start..start + RECORD];
            if check(u32_at(head, 0), &self.window[bytes.clone()]) == u32_at(head, 16) {
                return Ok(Some(Found { id, bytes }));
            }
            self.damaged += 1;
        }
        self.damaged += u64::from(self.offset < size && !lost);
        self.offset = self.offset.max(size);
        Ok(None)
    }

    /// Id and length of the record whose header stands at the walk's place; `None` when none does. The window holds the
    /// header.
    fn head(&self, size: u64, below: u64) -> Option<(u64, usize)> {
        let start = (self.offset - self.window_offset) as usize;
        let head = &self.window[start..start + RECORD];
        let (length, id) = (u32_at(head, 4) as usize, u64_at(head, 8));
        // Ids follow one another, so a file cannot have come further than one for each smallest record.
        let highest = self.header.first + (self.offset - HEADER as u64) / RECORD as u64;
        let sane = length <= MAX_RECORD
            && (self.lowest..=highest).contains(&id)
            && id < below
            && record_size(length) <= size - self.offset;
        // The cheap tests come first: a walk through damage does this for every byte.
        (sane && check(self.header.salt, &head[4..16]) == u32_at(head, 0)).then_some((id, length))
    }

    /// Sees to it that the window holds `count` bytes from the walk's place on; false when the file ends before.
    fn want(&mut self, file: &dyn Source, size: u64, count: usize) -> io::Result<bool> {
        let mut start = (self.offset - self.window_offset) as usize;
        if start + count <= self.filled {
            return Ok(true);
        }
        if self.window.len() < count {
            self.window.resize(count.max(READ_AHEAD), 0);
        }
        if start > 0 {
            let kept = start.min(self.filled)..self.filled;
            self.filled = kept.len();
            self.window.copy_within(kept, 0);
            self.window_offset = self.offset;
            start = 0;
        }
        while self.filled < start + count {
            let at = self.window_offset + self.filled as u64;
            let room = (self.window.len() - self.filled).min(size.saturating_sub(at) as usize);
            match file.read_at(&mut self.window[self.filled..self.filled + room], at) {
                Ok(0) => return Ok(false),
                Ok(read) => self.filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}
