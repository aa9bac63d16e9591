//! What each fuzz target does with its bytes: one module a target, one function `run` in each, which panics when
//! something that must hold does not.
//!
//! The targets call it with what the fuzzer makes up, the integration test `fuzz_corpus` with every file of the corpus,
//! on stable and without a sanitizer.

pub mod hep;
pub mod lane;
pub mod packet;
pub mod parameters;
pub mod record;
pub mod sip;
pub mod spool;

/// Whether `part` lies in `whole`, or is empty.
fn lies_in(part: &[u8], whole: &[u8]) -> bool {
    let (part, whole) = (part.as_ptr_range(), whole.as_ptr_range());
    part.is_empty() || (part.start >= whole.start && part.end <= whole.end)
}
