//! The C side of the house: every `extern "C"` function of `c_shim/core.h`, the guard that turns a panic into an error
//! code, the typed conversion of pointers, and the process control (fork, signals) that Rust has no safe words for.
//! Called by the shims alone.

// Pointers come from C here, and processes are forked.
#![allow(unsafe_code)]

/// Types and functions of `c_shim/core.h`, as bindgen reads them: made by `make bindings`, compared by a test.
// The header documents them and C names them; the unsafe code in it is bindgen's.
#[allow(missing_docs, non_camel_case_types, non_upper_case_globals, clippy::all, clippy::undocumented_unsafe_blocks)]
pub mod contract;
mod convert;
mod exports;
mod gate;
mod guard;
mod handle;
mod host_database;
mod host_drivers;
mod host_log;
mod process;
mod register;
mod shared;
mod status;
mod supervise;

pub use exports::*;
