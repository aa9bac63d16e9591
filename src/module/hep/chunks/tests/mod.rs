//! Tests of the codec of single chunks, by subject.

mod names;
mod orders;
mod outer;
mod properties;
mod reading;
mod setting;

use super::{ChunkArguments, ChunkContent, ChunkId, ROOM, decode, encode};
use crate::module::variable::VariableValue;

/// The vendor of the host of these tests.
const OWN_VENDOR: u16 = 3;

/// Chunk, type and vendor as a script writes them, with empty ones left out, and the value.
fn arguments<'a>(chunk: &'a str, value: &'a [u8], value_type: &'a str, vendor: &'a str) -> ChunkArguments<'a> {
    ChunkArguments {
        chunk: chunk.as_bytes(),
        value,
        value_type: value_type.as_bytes(),
        vendor: vendor.as_bytes(),
        is_older: false,
    }
}

/// Number, vendor and body of a chunk that is set, or the error's text.
fn set(chunk: &str, value: &str, value_type: &str, vendor: &str) -> Result<(u16, u16, Vec<u8>), String> {
    let mut buffer = [0; ROOM];
    match encode(&arguments(chunk, value.as_bytes(), value_type, vendor), OWN_VENDOR, &mut buffer) {
        Ok(encoded) => Ok((encoded.id.number(), encoded.vendor, encoded.body.to_vec())),
        Err(error) => Err(error.to_string()),
    }
}

/// What a script reads, as it would be written in one, or the error's text.
fn read(chunk: &str, value_type: &str, content: ChunkContent<'_>) -> String {
    let mut buffer = [0; ROOM];
    let id = ChunkId::parse(chunk.as_bytes()).expect("a chunk");
    match decode(id, value_type.as_bytes(), content, &mut buffer) {
        Ok(value) => shown(value),
        Err(error) => error.to_string(),
    }
}

fn shown(value: VariableValue<'_>) -> String {
    match value {
        VariableValue::Null => "null".to_owned(),
        VariableValue::Number(number) => number.to_string(),
        VariableValue::Text(text) => format!("\"{}\"", text.escape_ascii()),
        VariableValue::Both(text, number) => format!("\"{}\" {number}", text.escape_ascii()),
    }
}
