//! Which argument of a script's call is which. Two orders are in use: `set(chunk, value, type, vendor)` and
//! `get(chunk, type, value, vendor)`, and, in documentation and scripts of long ago, `set(type, chunk, vendor, value)`
//! and `get(type, chunk, vendor, value)`. The older one is known by a type in the first place: no chunk has such a
//! name.

use super::ChunkError;
use super::name::ChunkId;
use super::read::read_vendor;
use super::value_type::ChunkType;

/// What a script does with a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChunkFunction {
    /// Sets it.
    Set,
    /// Reads it into variables.
    Get,
    /// Deletes it.
    Delete,
}

/// The arguments of a call; empty where the script has left one out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChunkArguments<'a> {
    /// Name or number of the chunk.
    pub chunk: &'a [u8],
    /// What it is to hold.
    pub value: &'a [u8],
    /// Its type.
    pub value_type: &'a [u8],
    /// Its vendor.
    pub vendor: &'a [u8],
    /// Whether the order is the older one, in which [`ChunkFunction::Get`] has the variable for the vendor third and
    /// that for the value fourth.
    pub is_older: bool,
}

impl<'a> ChunkArguments<'a> {
    /// Tells the arguments of a call of `function` apart: `given` are their texts, `None` for one that the script has
    /// left out and for a variable that an answer goes to. An older order without a vendor is one too:
    /// `set(type, chunk, value)`.
    pub fn of(function: ChunkFunction, given: [Option<&'a [u8]>; 4]) -> ChunkArguments<'a> {
        let is_older = given[0].is_some_and(|first| ChunkType::named(first).is_some());
        let has_vendor = given[3].is_some();
        let [first, second, third, fourth] = given.map(Option::unwrap_or_default);
        let none = ChunkArguments { is_older: is_older && function != ChunkFunction::Delete, ..Default::default() };
        match (function, is_older) {
            (ChunkFunction::Set, false) => {
                ChunkArguments { chunk: first, value: second, value_type: third, vendor: fourth, ..none }
            }
            (ChunkFunction::Set, true) if has_vendor => {
                ChunkArguments { value_type: first, chunk: second, vendor: third, value: fourth, ..none }
            }
            (ChunkFunction::Set, true) => ChunkArguments { value_type: first, chunk: second, value: third, ..none },
            (ChunkFunction::Get, false) => ChunkArguments { chunk: first, value_type: second, ..none },
            (ChunkFunction::Get, true) => ChunkArguments { value_type: first, chunk: second, ..none },
            (ChunkFunction::Delete, _) => ChunkArguments { chunk: first, ..none },
        }
    }
}

/// Checks a text that is to be argument `index`, from 0, of a call of `function`, without the others: it must do in one
/// of the two orders.
///
/// # Errors
/// It is no chunk, no type or no vendor where only that would do.
pub fn check_argument(function: ChunkFunction, index: usize, text: &[u8]) -> Result<(), ChunkError<'_>> {
    let is_type = || ChunkType::named(text).is_some();
    match (function, index) {
        (ChunkFunction::Set | ChunkFunction::Get, 0) if is_type() => Ok(()),
        (_, 0) => ChunkId::parse(text).map(|_| ()),
        (ChunkFunction::Get, 1) if ChunkId::parse(text).is_ok() => Ok(()),
        (ChunkFunction::Set, 2) if read_vendor(text).is_some() => Ok(()),
        (ChunkFunction::Get, 1) | (ChunkFunction::Set, 2) => ChunkType::parse(text).map(|_| ()),
        _ => Ok(()),
    }
}
