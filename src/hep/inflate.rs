//! Compressed payloads (HEP chunk 0x0010). Captagent sends zlib, the specification speaks of gzip and inflate, others
//! send raw deflate. The form is recognised from the bytes.

use flate2::bufread::{DeflateDecoder, GzDecoder, ZlibDecoder};
use std::io::{ErrorKind, Read};
use thiserror::Error;

/// The most bytes that a payload may inflate to: what an uncompressed packet could carry at most.
pub const INFLATED_LIMIT: usize = 64 * 1024;

/// Why a compressed payload could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InflateError {
    /// The bytes are no zlib, gzip or raw deflate stream, or a damaged one.
    #[error("neither zlib nor gzip nor raw deflate, or damaged")]
    Damaged,
    /// The stream ends before its end mark.
    #[error("the compressed stream is cut short")]
    CutShort,
    /// The stream inflates to more than the limit.
    #[error("inflates to more than {INFLATED_LIMIT} bytes")]
    TooLong,
}

impl InflateError {
    /// A short name of the reason, the same in every release: for counters and logs.
    pub fn reason(&self) -> &'static str {
        match self {
            InflateError::Damaged => "inflate_damaged",
            InflateError::CutShort => "inflate_cut_short",
            InflateError::TooLong => "inflate_too_long",
        }
    }
}

/// Inflates `compressed` into `out`, in place of what was there. `out` is meant to be reused; it grows to
/// [`INFLATED_LIMIT`] at first. The decoder's own state (some 40 KiB) is allocated for each call.
///
/// zlib and gzip check sums are verified. Of several gzip members the first is read; bytes behind the end of the stream
/// are ignored.
///
/// # Errors
/// `out` is empty then.
pub fn inflate(compressed: &[u8], out: &mut Vec<u8>) -> Result<(), InflateError> {
    let inflated = match compressed {
        // 0x1f opens no deflate block and no zlib stream.
        [0x1f, ..] => read(GzDecoder::new(compressed), out),
        _ => match read(ZlibDecoder::new(compressed), out) {
            // No zlib header, or a raw stream that begins like one by chance.
            Err(InflateError::Damaged) => read(DeflateDecoder::new(compressed), out),
            inflated => inflated,
        },
    };
    if inflated.is_err() {
        out.clear();
    }
    inflated
}

/// Reads one stream to its end mark into `out`, in place of what was there.
fn read(decoder: impl Read, out: &mut Vec<u8>) -> Result<(), InflateError> {
    // One byte more than allowed, so that a stream that goes on is told from one that ends at the limit.
    const MOST: usize = INFLATED_LIMIT + 1;
    out.clear();
    out.reserve(MOST);
    match decoder.take(MOST as u64).read_to_end(out) {
        Ok(MOST) => Err(InflateError::TooLong),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(InflateError::CutShort),
        Err(_) => Err(InflateError::Damaged),
    }
}
