//! A module's life: its handle, parameters, lanes, writers and end.

use crate::abi::contract::{self, sc_bytes, sc_core, sc_host, sc_ipv6_style, sc_parameter_kind, sc_refusal, sc_status};
use crate::abi::convert::{bytes, output, reference, text};
use crate::abi::guard::guard;
use crate::abi::handle::{Core, attaching, end, register, with_core};
use crate::abi::host_database::HostProcesses;
use crate::abi::host_drivers::HostDrivers;
use crate::abi::{host_log, process, supervise};
use crate::module::{AnyModule, Forward, HostFacts, HostRefusal, Ipv6Style, KillLimits, ParameterKind, StateError};
use std::ffi::c_char;
use std::sync::Arc;
use std::time::Duration;

/// Makes a handle.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_core_new(host: *const sc_host, module: *const c_char, out: *mut *mut sc_core) -> sc_status {
    guard(|| {
        // SAFETY: the contract's caller vouches for all three.
        let (host, module, out) = unsafe { (reference(host)?, text(module)?, output(out)?) };
        if host.contract_version != contract::SC_CONTRACT_VERSION {
            return Err(sc_status::SC_ERR_CONTRACT_VERSION);
        }
        let mut module = AnyModule::named(module).ok_or(sc_status::SC_ERR_UNKNOWN_NAME)?;
        module.life_mut().note_host(HostFacts {
            release: host.release,
            ipv6_style: match host.ipv6_style {
                sc_ipv6_style::SC_IPV6_LOWER => Ipv6Style::Lower,
                sc_ipv6_style::SC_IPV6_UPPER => Ipv6Style::Upper,
                _ => Ipv6Style::Short,
            },
        });
        host_log::install(host);
        let id = |id: i64| u32::try_from(id).ok();
        let limit = |seconds: u32| (seconds > 0).then(|| Duration::from_secs(seconds.into()));
        let kill_limits =
            KillLimits { children: limit(host.children_kill_timeout), main_process: limit(host.main_kill_timeout) };
        let owner = (id(host.user), id(host.group));
        let forward = Forward::new(module.life().dialect().forward);
        let drivers = HostDrivers::new(host);
        let (copies, packet) = Default::default();
        let core = Core { module, forward, copies, packet, owner, kill_limits, drivers };
        *out = register(core);
        Ok(())
    })
}

/// Frees a handle.
///
/// # Safety
/// What the core has handed out of it may not be used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_core_free(core: *mut sc_core) -> sc_status {
    end(core)
}

/// A parameter's name and type.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_parameter_at(
    module: *const c_char,
    index: u32,
    name: *mut *const c_char,
    kind: *mut sc_parameter_kind,
) -> sc_status {
    guard(|| {
        // SAFETY: the contract's caller vouches for all three.
        let (module, name, kind) = unsafe { (text(module)?, output(name)?, output(kind)?) };
        let listed = AnyModule::parameters(module).and_then(|parameters| parameters.at(index as usize));
        let listed = listed.ok_or(sc_status::SC_ERR_UNKNOWN_NAME)?;
        *name = listed.name.as_ptr();
        *kind = match listed.kind {
            ParameterKind::Text => sc_parameter_kind::SC_PARAMETER_TEXT,
            ParameterKind::Number => sc_parameter_kind::SC_PARAMETER_NUMBER,
            ParameterKind::Texts => sc_parameter_kind::SC_PARAMETER_TEXTS,
        };
        Ok(())
    })
}

/// The parameter that another one sets.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_parameter_meant(module: *const c_char, index: u32, meant: *mut u32) -> sc_status {
    guard(|| {
        // SAFETY: the contract's caller vouches for both.
        let (module, meant) = unsafe { (text(module)?, output(meant)?) };
        let listed = AnyModule::parameters(module).and_then(|parameters| parameters.at(index as usize));
        *meant = listed.ok_or(sc_status::SC_ERR_UNKNOWN_NAME)?.meant as u32;
        Ok(())
    })
}

/// Sets a text parameter.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_core_set_text(core: *mut sc_core, name: *const c_char, value: sc_bytes) -> sc_status {
    with_core(core, |core| {
        // SAFETY: the contract's caller vouches for both.
        let (name, value) = unsafe { (text(name)?, bytes(value)?) };
        Ok(core.module_mut().set_text(name, value)?)
    })
}

/// Sets a number parameter.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_core_set_number(core: *mut sc_core, name: *const c_char, value: i64) -> sc_status {
    with_core(core, |core| {
        // SAFETY: the contract's caller vouches for it.
        let name = unsafe { text(name)? };
        Ok(core.module_mut().set_number(name, value)?)
    })
}

/// Says that the host cannot do what a parameter asks of it.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_core_refuse(
    core: *mut sc_core,
    name: *const c_char,
    value: sc_bytes,
    why: sc_refusal,
) -> sc_status {
    with_core(core, |core| {
        // SAFETY: the contract's caller vouches for both.
        let (name, value) = unsafe { (text(name)?, bytes(value)?) };
        let why = match why {
            sc_refusal::SC_REFUSAL_NO_ENGINE => HostRefusal::NoEngine,
            sc_refusal::SC_REFUSAL_NO_ROUTE => HostRefusal::NoRoute,
            sc_refusal::SC_REFUSAL_EMPTY_ROUTE => HostRefusal::EmptyRoute,
            sc_refusal::SC_REFUSAL_EVENT_TAKEN => HostRefusal::EventTaken,
            sc_refusal::SC_REFUSAL_NO_MODULE => HostRefusal::NoModule,
            sc_refusal::SC_REFUSAL_NO_AVP => HostRefusal::NoAvp,
            sc_refusal::SC_REFUSAL_NO_URI => HostRefusal::NoUri,
            sc_refusal::SC_REFUSAL_NO_SOCKET => HostRefusal::NoSocket,
            _ => return Err(sc_status::SC_ERR_INVALID_VALUE),
        };
        let module = core.module();
        let said = (module.dialect().refusal)(name, &String::from_utf8_lossy(value), why);
        let (level, what) = said.ok_or(sc_status::SC_ERR_UNKNOWN_NAME)?;
        log::log!(level, "parameter {}: {what}", module.common().aliases.name(name));
        Ok(())
    })
}

/// Checks the parameters together.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_core_check(core: *mut sc_core) -> sc_status {
    with_core(core, |core| {
        for sink in core.hosted_sinks() {
            core.drivers.bind(&sink)?;
        }
        let (owner, kill_limits) = (core.owner, core.kill_limits);
        Ok(core.module_mut().check(owner, kill_limits)?)
    })
}

/// Processes that must run a writer.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_core_writers(core: *mut sc_core, out: *mut u32) -> sc_status {
    with_core(core, |core| {
        // SAFETY: the contract's caller vouches for it.
        let out = unsafe { output(out)? };
        *out = core.module().writers()? as u32;
        Ok(())
    })
}

/// Maps the lanes.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_core_map_lanes(core: *mut sc_core, producers: u32) -> sc_status {
    with_core(core, |core| {
        process::until_told_to_end(|pause| Ok(core.module_mut().map_lanes(producers as usize, pause)?))
    })
}

/// Makes a lane this process's own.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_core_attach(core: *mut sc_core, producer: u32) -> sc_status {
    attaching(core, |core| Ok(core.module_mut().attach(producer as usize)?))
}

/// Supervises a writer.
///
/// # Safety
/// Pointers as the contract says; the process must have one thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_writer_supervise(core: *mut sc_core, writer: u32) -> sc_status {
    with_core(core, |core| {
        let lanes = Arc::clone(core.lanes().ok_or(StateError::NotMapped)?);
        if writer as usize >= lanes.geometry().writers {
            return Err(StateError::Lane(writer as usize).into());
        }
        supervise::supervise(core, &lanes, writer as usize);
        Ok(())
    })
}

/// Stores what is left in the lanes.
///
/// # Safety
/// Pointers as the contract says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sc_core_finish(core: *mut sc_core) -> sc_status {
    with_core(core, |core| {
        core.forward.end();
        let is_needed = core.lanes().is_some_and(|lanes| lanes.totals().queued() > 0);
        let databases = is_needed.then(|| HostProcesses::start_once(core));
        let finished = process::without_signals(|| {
            let (plan, timeout) = (core.plan(), core.module().common().shutdown_timeout.main_process());
            core.pipeline_mut().finish(&plan, timeout, &mut host_log::flush)
        });
        if let Some(databases) = databases {
            databases.end();
        }
        host_log::flush();
        finished.map_err(|error| {
            log::error!("the lanes cannot be drained: {error}");
            sc_status::SC_ERR_IO
        })
    })
}
