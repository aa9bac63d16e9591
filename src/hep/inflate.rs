//! Compressed payloads (HEP chunk 0x0010). Captagent sends zlib, the specification speaks of gzip and inflate, others send
//! raw deflate: the bytes tell which.

use flate2::{Crc, Decompress, FlushDecompress, Status};
use thiserror::Error;

/// The most bytes that a payload may inflate to: what an uncompressed packet could carry at most.
pub const INFLATED_LIMIT: usize = 64 * 1024;

const GZIP_HEADER_LENGTH: usize = 10;
const GZIP_TRAILER_LENGTH: usize = 8;

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
/// zlib and gzip check sums are verified. Bytes behind the end of the stream are ignored.
///
/// # Errors
/// `out` is empty then.
pub fn inflate(compressed: &[u8], out: &mut Vec<u8>) -> Result<(), InflateError> {
    out.clear();
    let inflated = match compressed {
        // 0x1f opens no deflate block and no zlib stream.
        [0x1f, ..] => gunzip(compressed, out),
        [first, second, ..] if is_zlib(*first, *second) => {
            let inflated = run(Decompress::new(true), compressed, out);
            // A raw stream may begin with the same two bytes by chance.
            if inflated == Err(InflateError::Damaged) { raw(compressed, out) } else { inflated }
        }
        _ => raw(compressed, out),
    };
    match inflated {
        Ok(_) => Ok(()),
        Err(error) => {
            out.clear();
            Err(error)
        }
    }
}

/// The rule of RFC 1950: method 8, window size 7 at most, and a check that is divisible by 31.
fn is_zlib(first: u8, second: u8) -> bool {
    first & 0x0f == 8 && first >> 4 <= 7 && u16::from_be_bytes([first, second]).is_multiple_of(31)
}

fn raw(compressed: &[u8], out: &mut Vec<u8>) -> Result<usize, InflateError> {
    out.clear();
    run(Decompress::new(false), compressed, out)
}

/// Runs one stream to its end mark; answers the bytes of `compressed` that it took.
fn run(mut stream: Decompress, compressed: &[u8], out: &mut Vec<u8>) -> Result<usize, InflateError> {
    // One byte more than allowed, so that a stream that goes on is told from one that ends just there.
    out.reserve(INFLATED_LIMIT + 1);
    loop {
        let (taken, written) = (stream.total_in(), out.len());
        let left = usize::try_from(taken).ok().and_then(|at| compressed.get(at..)).unwrap_or_default();
        let status = stream.decompress_vec(left, out, FlushDecompress::None).map_err(|_| InflateError::Damaged)?;
        if out.len() > INFLATED_LIMIT {
            return Err(InflateError::TooLong);
        }
        if status == Status::StreamEnd {
            return Ok(stream.total_in() as usize);
        }
        if stream.total_in() == taken && out.len() == written {
            return Err(InflateError::CutShort);
        }
    }
}

/// One gzip member (RFC 1952).
fn gunzip(compressed: &[u8], out: &mut Vec<u8>) -> Result<usize, InflateError> {
    let deflated = behind_gzip_header(compressed)?;
    let taken = raw(deflated, out)?;
    let trailer = deflated.get(taken..).unwrap_or_default();
    let trailer = trailer.first_chunk::<GZIP_TRAILER_LENGTH>().ok_or(InflateError::CutShort)?;
    let &[c0, c1, c2, c3, l0, l1, l2, l3] = trailer;
    let mut crc = Crc::new();
    crc.update(out);
    if crc.sum() != u32::from_le_bytes([c0, c1, c2, c3]) || crc.amount() != u32::from_le_bytes([l0, l1, l2, l3]) {
        return Err(InflateError::Damaged);
    }
    Ok(taken)
}

fn behind_gzip_header(compressed: &[u8]) -> Result<&[u8], InflateError> {
    const HEADER_CRC: u8 = 1 << 1;
    const EXTRA: u8 = 1 << 2;
    const NAME: u8 = 1 << 3;
    const COMMENT: u8 = 1 << 4;
    let cut = InflateError::CutShort;
    let (header, mut left) = compressed.split_first_chunk::<GZIP_HEADER_LENGTH>().ok_or(cut)?;
    if header[1] != 0x8b || header[2] != 8 {
        return Err(InflateError::Damaged);
    }
    let flags = header[3];
    if flags & EXTRA != 0 {
        let (length, behind) = left.split_first_chunk::<2>().ok_or(cut)?;
        left = behind.get(usize::from(u16::from_le_bytes(*length))..).ok_or(cut)?;
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 {
            let end = left.iter().position(|byte| *byte == 0).ok_or(cut)?;
            left = &left[end + 1..];
        }
    }
    if flags & HEADER_CRC != 0 {
        left = left.get(2..).ok_or(cut)?;
    }
    Ok(left)
}
