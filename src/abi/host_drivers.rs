//! The host's own database drivers: the functions that it lends, as the sink asks for them.

use super::contract::{sc_bytes, sc_database_answer, sc_host, sc_row, sc_value, sc_value_kind};
use super::convert::to_bytes;
use super::process;
use crate::module::{HostedSink, ParameterError};
use crate::sink::DatabaseUrl;
use crate::sink::host::{HostDatabase, HostValue, Request};
use std::ffi::CString;
use std::io;

/// The host's functions, all of them present.
#[derive(Clone, Copy)]
pub(super) struct HostDrivers {
    bind: unsafe extern "C" fn(u32, sc_bytes) -> sc_database_answer,
    connect: unsafe extern "C" fn(u32, sc_bytes) -> sc_database_answer,
    insert: unsafe extern "C" fn(u32, *const sc_row) -> sc_database_answer,
    has_table: unsafe extern "C" fn(u32, *const sc_row) -> sc_database_answer,
    close: unsafe extern "C" fn(u32),
}

impl HostDrivers {
    /// Those of `host`; `None` when one is missing.
    pub fn new(host: &sc_host) -> Option<HostDrivers> {
        Some(HostDrivers {
            bind: host.database_bind?,
            connect: host.database_connect?,
            insert: host.database_insert?,
            has_table: host.database_has_table?,
            close: host.database_close?,
        })
    }
}

/// Finds the host's driver for `sink`.
pub(super) fn bind(drivers: Option<HostDrivers>, sink: &HostedSink) -> Result<(), ParameterError> {
    let scheme = &sink.url.scheme;
    let answer = match drivers {
        // SAFETY: the contract's host promised this function; it copies what it keeps.
        Some(drivers) => unsafe { (drivers.bind)(sink.number as u32, to_bytes(scheme.as_bytes())) },
        None => sc_database_answer::SC_DATABASE_NO_MODULE,
    };
    let fault = match answer {
        sc_database_answer::SC_DATABASE_YES => return Ok(()),
        sc_database_answer::SC_DATABASE_NO_MODULE => "which is not loaded",
        sc_database_answer::SC_DATABASE_CANNOT_INSERT => "which cannot insert rows",
        _ => "which does not work",
    };
    Err(ParameterError::Driver {
        name: sink.parameter,
        url: DatabaseUrl::Host(sink.url.clone()).to_string(),
        module: format!("db_{scheme}"),
        fault,
    })
}

/// The host's driver for one sink, as its host database process calls it.
pub(super) struct Driver {
    functions: HostDrivers,
    sink: u32,
    url: CString,
    /// Seconds after which a request that is not done ends the process.
    limit: u32,
}

impl Driver {
    /// The driver for `sink`, not connected.
    pub fn new(functions: HostDrivers, sink: &HostedSink) -> io::Result<Driver> {
        let url = CString::new(sink.url.url.expose())?;
        let limit = (sink.io_timeout * 2).as_secs().clamp(1, 3600) as u32;
        Ok(Driver { functions, sink: sink.number as u32, url, limit })
    }

    fn with_row<T>(row: &Request<'_>, body: impl FnOnce(&sc_row) -> T) -> T {
        let columns: Vec<sc_bytes> = row.columns.iter().map(|name| to_bytes(name)).collect();
        let values: Vec<sc_value> = row.values.iter().map(to_value).collect();
        body(&sc_row {
            table: to_bytes(row.table),
            columns: columns.as_ptr(),
            values: values.as_ptr(),
            count: columns.len() as u32,
            delayed: u8::from(row.delayed),
        })
    }
}

fn to_value(value: &HostValue<'_>) -> sc_value {
    let nothing = to_bytes(b"");
    let (kind, number, bytes) = match *value {
        HostValue::Time(seconds) => (sc_value_kind::SC_VALUE_TIME, seconds, nothing),
        HostValue::Int(number) => (sc_value_kind::SC_VALUE_INT, number.into(), nothing),
        HostValue::BigInt(number) => (sc_value_kind::SC_VALUE_BIGINT, number, nothing),
        HostValue::Text(text) => (sc_value_kind::SC_VALUE_TEXT, 0, to_bytes(text)),
        HostValue::Blob(bytes) => (sc_value_kind::SC_VALUE_BLOB, 0, to_bytes(bytes)),
    };
    sc_value { kind, number, bytes }
}

// The host promised functions of these types, callable in a forked process of one thread, and this is one. Slices live through the
// call, are never null, and those of names have a zero byte behind them.
impl HostDatabase for Driver {
    fn working(&mut self, begun: bool) {
        process::alarm(if begun { self.limit } else { 0 });
    }

    fn connect(&mut self) -> bool {
        // SAFETY: see above.
        let answer = unsafe { (self.functions.connect)(self.sink, to_bytes(self.url.as_bytes())) };
        answer == sc_database_answer::SC_DATABASE_YES
    }

    fn insert(&mut self, row: &Request<'_>) -> bool {
        // SAFETY: see above.
        let answer = Driver::with_row(row, |row| unsafe { (self.functions.insert)(self.sink, row) });
        answer == sc_database_answer::SC_DATABASE_YES
    }

    fn has_table(&mut self, row: &Request<'_>) -> Option<bool> {
        // SAFETY: see above.
        match Driver::with_row(row, |row| unsafe { (self.functions.has_table)(self.sink, row) }) {
            sc_database_answer::SC_DATABASE_YES => Some(true),
            sc_database_answer::SC_DATABASE_NO => Some(false),
            _ => None,
        }
    }

    fn close(&mut self) {
        // SAFETY: see above.
        unsafe { (self.functions.close)(self.sink) };
    }
}
