//! One dead letter and its byte form.

use std::borrow::Cow;

const FIXED: usize = 16;

/// One refused capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// When it was refused, microseconds since the Unix epoch.
    pub time_us: i64,
    /// URL of the sink that refused it, without its password. At most 65,535 bytes are kept, as of the next two.
    pub sink: Cow<'a, str>,
    /// The table it was bound for, expanded.
    pub table: Cow<'a, str>,
    /// What the database said.
    pub reason: Cow<'a, str>,
    /// The capture's byte form.
    pub capture: Cow<'a, [u8]>,
}

/// Why bytes are no entry: they are fewer than their lengths call for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("entry cut short")]
pub struct EntryError;

impl<'a> Entry<'a> {
    /// Appends the entry's byte form to `out`.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let texts = [&self.sink, &self.table, &self.reason].map(|text| cut(text));
        out.extend_from_slice(&self.time_us.to_le_bytes());
        for text in texts {
            out.extend_from_slice(&(text.len() as u16).to_le_bytes());
        }
        out.extend_from_slice(&[0; 2]);
        for text in texts {
            out.extend_from_slice(text.as_bytes());
        }
        out.extend_from_slice(&self.capture);
    }

    /// Reads an entry's byte form. The texts are borrowed unless they are not UTF-8, which only damage can cause.
    pub fn decode(bytes: &'a [u8]) -> Result<Entry<'a>, EntryError> {
        let (fixed, mut rest) = bytes.split_first_chunk::<FIXED>().ok_or(EntryError)?;
        let (time, lengths) = fixed.split_first_chunk::<8>().ok_or(EntryError)?;
        let mut text = |at: usize| {
            let length = usize::from(u16::from_le_bytes([lengths[at], lengths[at + 1]]));
            let (text, after) = rest.split_at_checked(length).ok_or(EntryError)?;
            rest = after;
            Ok(String::from_utf8_lossy(text))
        };
        let (sink, table, reason) = (text(0)?, text(2)?, text(4)?);
        Ok(Entry { time_us: i64::from_le_bytes(*time), sink, table, reason, capture: rest.into() })
    }

    /// The entry with everything its own.
    pub fn into_owned(self) -> Entry<'static> {
        Entry {
            time_us: self.time_us,
            sink: self.sink.into_owned().into(),
            table: self.table.into_owned().into(),
            reason: self.reason.into_owned().into(),
            capture: self.capture.into_owned().into(),
        }
    }
}

/// As much of `text` as its length field can tell.
fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(usize::from(u16::MAX))]
}
