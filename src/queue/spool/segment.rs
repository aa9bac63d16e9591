//! What a spool remembers of each of its segment files.

use super::frame::{ID_LIMIT, Magic, SegmentHeader};

/// First bytes of a segment.
pub(super) const MAGIC: Magic = *b"SIPCSPL\n";
const SUFFIX: &str = ".segment";

/// One segment file.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub header: SegmentHeader,
    /// Bytes of header and records.
    pub size: u64,
    /// Bytes behind them that could not be cut off.
    pub excess: u64,
}

impl Segment {
    /// Id of its first record.
    pub(super) fn first(&self) -> u64 {
        self.header.first
    }

    /// Its file's name.
    pub(super) fn name(&self) -> String {
        name(self.first())
    }
}

/// File name of the segment whose first record has this id.
pub(super) fn name(first: u64) -> String {
    format!("{first:020}{SUFFIX}")
}

/// The id in a segment's file name; `None` for any other name.
pub(super) fn first_of(name: &str) -> Option<u64> {
    let digits =
        name.strip_suffix(SUFFIX).filter(|digits| digits.len() == 20 && digits.bytes().all(|b| b.is_ascii_digit()))?;
    digits.parse().ok().filter(|id| (1..ID_LIMIT).contains(id))
}
