//! Each length field with a wrong value.

use super::draft::Draft;
use super::{Expect, MalformedRow};

pub fn rows() -> Vec<MalformedRow> {
    [total_lengths(), chunk_lengths(), left_over()].concat()
}

fn total_lengths() -> Vec<MalformedRow> {
    let length = |value: fn(u16) -> u16, name: &str, reason| {
        let name = format!("total length {name}");
        let mut bytes = Draft::new(&name).bytes();
        let right = bytes.len() as u16;
        bytes[4..6].copy_from_slice(&value(right).to_be_bytes());
        MalformedRow::new(name, bytes, Expect::Counted(reason))
    };
    vec![
        length(|_| 0, "of 0", "bad_total_length"),
        length(|_| 5, "of 5", "bad_total_length"),
        length(|_| 6, "of 6, which leaves no chunk", "missing_source"),
        length(|_| 7, "that leaves one byte for chunks", "chunk_header_cut"),
        length(|_| 12, "that leaves a chunk header alone", "chunk_past_end"),
        length(|right| right - 1, "one too small", "chunk_past_end"),
        length(|right| right + 1, "one too large", "truncated"),
        length(|_| u16::MAX, "of 65535", "truncated"),
    ]
}

/// What becomes of a packet whose chunk of this type says a length that is one too small, or one too large. For a
/// chunk of no fixed size the next chunk is then read from the wrong byte, and says a length that goes past the end.
const OFF_BY_ONE: [(u16, &str, &str); 15] = [
    (1, "bad_chunk_body", "bad_chunk_body"),
    (2, "bad_chunk_body", "bad_chunk_body"),
    (3, "bad_chunk_body", "bad_chunk_body"),
    (4, "bad_chunk_body", "bad_chunk_body"),
    (5, "bad_chunk_body", "bad_chunk_body"),
    (6, "bad_chunk_body", "bad_chunk_body"),
    (7, "bad_chunk_body", "bad_chunk_body"),
    (8, "bad_chunk_body", "bad_chunk_body"),
    (9, "bad_chunk_body", "bad_chunk_body"),
    (10, "bad_chunk_body", "bad_chunk_body"),
    (11, "bad_chunk_body", "bad_chunk_body"),
    (12, "bad_chunk_body", "bad_chunk_body"),
    (17, "chunk_past_end", "chunk_past_end"),
    (14, "chunk_past_end", "chunk_past_end"),
    (15, "chunk_header_cut", "chunk_past_end"),
];

fn chunk_lengths() -> Vec<MalformedRow> {
    let mut rows = Vec::new();
    for (kind, too_small, too_large) in OFF_BY_ONE {
        let mut length = |value: fn(u16) -> u16, name: &str, reason| {
            let name = format!("length of chunk {kind} {name}");
            let draft = if kind == 5 || kind == 6 { Draft::ip6(&name) } else { Draft::new(&name) };
            let mut bytes = draft.bytes();
            let at = draft.offset(kind) + 4;
            let right = u16::from_be_bytes([bytes[at], bytes[at + 1]]);
            bytes[at..at + 2].copy_from_slice(&value(right).to_be_bytes());
            rows.push(MalformedRow::new(name, bytes, Expect::Counted(reason)));
        };
        length(|_| 0, "is 0", "bad_chunk_length");
        length(|_| 5, "is 5", "bad_chunk_length");
        length(|right| right - 1, "one too small", too_small);
        length(|right| right + 1, "one too large", too_large);
        length(|_| u16::MAX, "is 65535", "chunk_past_end");
    }
    for (name, length, reason) in
        [("vendor chunk of length 0", 0u16, "bad_chunk_length"), ("vendor chunk past the end", 100, "chunk_past_end")]
    {
        let draft = Draft::new(name).and_of_vendor(2, 1, b"abc");
        let mut bytes = draft.bytes();
        let at = bytes.len() - 5;
        bytes[at..at + 2].copy_from_slice(&length.to_be_bytes());
        rows.push(MalformedRow::new(name, bytes, Expect::Counted(reason)));
    }
    rows
}

/// Bytes behind the last chunk that are inside the total length, but too few for a chunk.
fn left_over() -> Vec<MalformedRow> {
    (1..6u16)
        .map(|left| {
            let name = format!("{left} bytes too few for a chunk at the end");
            let mut bytes = Draft::new(&name).bytes();
            bytes.extend(vec![0; left.into()]);
            let total = bytes.len() as u16;
            bytes[4..6].copy_from_slice(&total.to_be_bytes());
            MalformedRow::new(name, bytes, Expect::Counted("chunk_header_cut"))
        })
        .collect()
}
