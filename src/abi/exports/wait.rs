//! Waiting until what a process has queued has left the queue.

use crate::abi::contract::{sc_core, sc_status};
use crate::abi::convert::output;
use crate::abi::handle::with_core;
use crate::queue::lane::CommitWait;
use std::os::fd::AsRawFd;

/// Has the lanes made for it.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_wait_open(core: *mut sc_core) -> sc_status {
    with_core(core, |core| Ok(core.pipeline_mut().open_waits()?))
}

/// The descriptor to poll.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_wait_descriptor(core: *mut sc_core, descriptor: *mut i32) -> sc_status {
    with_core(core, |core| {
        // SAFETY: the contract's caller vouches for it.
        let out = unsafe { output(descriptor)? };
        *out = core.pipeline().commit_wait()?.descriptor().as_raw_fd();
        Ok(())
    })
}

/// The place behind the last capture.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_wait_position(core: *mut sc_core, position: *mut u64) -> sc_status {
    with_core(core, |core| {
        // SAFETY: the contract's caller vouches for it.
        let out = unsafe { output(position)? };
        *out = core.pipeline().commit_wait()?.position();
        Ok(())
    })
}

/// Runs `body` with what the process waits with.
fn waiting(core: *mut sc_core, body: impl FnOnce(CommitWait<'_>)) -> sc_status {
    with_core(core, |core| {
        body(core.pipeline().commit_wait()?);
        Ok(())
    })
}

/// Says that the process waits.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_wait_begin(core: *mut sc_core) -> sc_status {
    waiting(core, |wait| wait.begin())
}

/// Says that it waits no more.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_wait_end(core: *mut sc_core) -> sc_status {
    waiting(core, |wait| wait.end())
}

/// Makes the descriptor unreadable.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_wait_clear(core: *mut sc_core) -> sc_status {
    waiting(core, |wait| wait.clear())
}

/// Whether a place has been passed.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_wait_passed(core: *mut sc_core, position: u64, passed: *mut u8) -> sc_status {
    with_core(core, |core| {
        // SAFETY: the contract's caller vouches for it.
        let out = unsafe { output(passed)? };
        *out = core.pipeline().commit_wait()?.has_passed(position).into();
        Ok(())
    })
}
