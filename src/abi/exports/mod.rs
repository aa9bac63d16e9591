//! The functions of `c_shim/core.h`, by subject. Each is documented there; here stands only how it is met.

mod capture;
mod chunks;
mod command;
mod core;
mod forward;
mod hep;
mod relay;
mod trace;
mod trace_script;
mod wait;

use super::contract;
pub use capture::*;
pub use chunks::*;
pub use command::*;
pub use core::*;
pub use forward::*;
pub use hep::*;
pub use relay::*;
pub use trace::*;
pub use trace_script::*;
pub use wait::*;

/// Compile-time proof that the bindings and the core agree; that the bindings are those of the header a test shows.
/// Each function of the header has the type of the one that is exported here.
macro_rules! agrees_with_header {
    ($($name:ident),* $(,)?) => {
        const _: () = { $(let _ = [contract::$name, $name];)* };
    };
}

contract::each_function!(agrees_with_header);

const _: () = assert!(contract::SC_X_HEADERS as usize == crate::sip::x_headers::LIMIT);
/// A capture's sink is a byte.
const _: () = assert!(contract::SC_SINKS as usize == u8::MAX as usize + 1);
