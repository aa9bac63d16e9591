//! The guard around every exported function: a panic of the core ends there, and never in the host.

use super::contract::sc_status;
use super::host_log;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `body`; a panic becomes [`sc_status::SC_ERR_PANIC`] and a line in the log.
pub(super) fn guard(body: impl FnOnce() -> Result<(), sc_status>) -> sc_status {
    host_log::enter();
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => sc_status::SC_OK,
        Ok(Err(status)) => status,
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
            log::error!("a fault of this module was contained: {text}");
            host_log::flush();
            sc_status::SC_ERR_PANIC
        }
    }
}
