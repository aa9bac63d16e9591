//! The host's own database drivers: the functions that it lends, as the sink asks for them.

use super::contract::{self, sc_bytes, sc_database_answer, sc_host, sc_row, sc_value, sc_value_kind};
use super::convert::{bytes, to_bytes};
use super::process;
use crate::module::{HostedSink, ParameterError};
use crate::sink::host::{DriverAbilities, DriverDatabase, DriverFault, HostDriver, HostValue, Request, driver_module};
use std::collections::BTreeMap;
use std::ffi::CString;
use std::io;

/// The host's functions, all of them present.
#[derive(Clone, Copy)]
struct Functions {
    bind: unsafe extern "C" fn(u32, sc_bytes, *mut u32) -> sc_database_answer,
    connect: unsafe extern "C" fn(u32, sc_bytes, *mut sc_bytes) -> sc_database_answer,
    insert: unsafe extern "C" fn(u32, *const sc_row) -> sc_database_answer,
    run: unsafe extern "C" fn(u32, sc_bytes) -> sc_database_answer,
    select: unsafe extern "C" fn(u32, sc_bytes, sc_bytes, i32) -> sc_database_answer,
    close: unsafe extern "C" fn(u32),
}

/// The drivers that a host has, and what those can do that sinks need.
pub(super) struct HostDrivers {
    /// `None` when the host has none.
    functions: Option<Functions>,
    /// By number of the sink.
    bound: BTreeMap<usize, DriverAbilities>,
}

impl HostDrivers {
    /// Those of `host`; none when a function is missing.
    pub fn new(host: &sc_host) -> HostDrivers {
        let functions = || {
            Some(Functions {
                bind: host.database_bind?,
                connect: host.database_connect?,
                insert: host.database_insert?,
                run: host.database_run?,
                select: host.database_select?,
                close: host.database_close?,
            })
        };
        HostDrivers { functions: functions(), bound: BTreeMap::new() }
    }

    /// Finds the driver for `sink`.
    pub fn bind(&mut self, sink: &HostedSink) -> Result<(), ParameterError> {
        let abilities = self.abilities(sink).map_err(|fault| sink.refuse_driver(fault))?;
        self.bound.insert(sink.number, abilities);
        Ok(())
    }

    fn abilities(&self, sink: &HostedSink) -> Result<DriverAbilities, DriverFault> {
        let functions = self.functions.ok_or(DriverFault::NotLoaded)?;
        let module = driver_module(&sink.url.scheme);
        let mut abilities = 0;
        // SAFETY: the contract's host promised this function; it copies what it keeps, and writes to the number that it
        // is given.
        let answer = unsafe { (functions.bind)(sink.number as u32, to_bytes(module.as_bytes()), &mut abilities) };
        match answer {
            sc_database_answer::SC_DATABASE_YES => {}
            sc_database_answer::SC_DATABASE_NO_MODULE => return Err(DriverFault::NotLoaded),
            _ => return Err(DriverFault::Refused),
        }
        let can = |ability: u32| abilities & ability != 0;
        let abilities = DriverAbilities {
            insert: can(contract::SC_DRIVER_INSERT),
            insert_delayed: can(contract::SC_DRIVER_INSERT_DELAYED),
            run: can(contract::SC_DRIVER_RUN),
            select: can(contract::SC_DRIVER_SELECT),
        };
        if abilities.insert { Ok(abilities) } else { Err(DriverFault::CannotInsert) }
    }

    /// The database of `sink`, not connected; `None` when no driver is bound to it.
    pub fn database(&self, sink: &HostedSink) -> Option<io::Result<DriverDatabase<ShimDriver>>> {
        let (functions, abilities) = (self.functions?, *self.bound.get(&sink.number)?);
        let driver = ShimDriver::new(functions, sink);
        Some(driver.map(|driver| DriverDatabase::new(driver, &sink.url.scheme, abilities)))
    }
}

/// The calls of the host's driver for one sink, from its host database process.
pub(super) struct ShimDriver {
    functions: Functions,
    sink: u32,
    url: CString,
    /// Seconds after which a request that is not done ends the process.
    limit: u32,
}

impl ShimDriver {
    fn new(functions: Functions, sink: &HostedSink) -> io::Result<ShimDriver> {
        let url = CString::new(sink.url.url.expose())?;
        let limit = (sink.io_timeout * 2).as_secs().clamp(1, 3600) as u32;
        Ok(ShimDriver { functions, sink: sink.number as u32, url, limit })
    }
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

/// Whether the host's driver did what it was asked for.
fn is_done(answer: sc_database_answer) -> bool {
    answer == sc_database_answer::SC_DATABASE_YES
}

// The host promised functions of these types, callable in a forked process of one thread, and this is one. Slices live
// through the call, are never null, and have a zero byte behind them.
impl HostDriver for ShimDriver {
    fn working(&mut self, begun: bool) {
        process::alarm(if begun { self.limit } else { 0 });
    }

    fn connect(&mut self) -> Option<Vec<u8>> {
        let mut quote = to_bytes(b"");
        // SAFETY: see above; the quote is valid for writes.
        let answer = unsafe { (self.functions.connect)(self.sink, to_bytes(self.url.as_bytes()), &mut quote) };
        // SAFETY: what the host hands out is valid as long as the connection, and copied here.
        let quote = unsafe { bytes(quote) }.map(<[u8]>::to_vec).unwrap_or_default();
        is_done(answer).then_some(quote)
    }

    fn insert(&mut self, row: &Request<'_>) -> bool {
        // SAFETY: see above.
        is_done(with_row(row, |row| unsafe { (self.functions.insert)(self.sink, row) }))
    }

    fn run(&mut self, statement: &[u8]) -> bool {
        // SAFETY: see above.
        is_done(unsafe { (self.functions.run)(self.sink, to_bytes(statement)) })
    }

    fn select(&mut self, table: &[u8], column: &[u8], number: i32) -> bool {
        // SAFETY: see above.
        is_done(unsafe { (self.functions.select)(self.sink, to_bytes(table), to_bytes(column), number) })
    }

    fn close(&mut self) {
        // SAFETY: see above.
        unsafe { (self.functions.close)(self.sink) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{ColumnNames, TraceColumnNames, report_layout, sip_layout, trace_layout};

    #[test]
    fn every_row_fits_the_columns_that_a_shim_has_room_for() {
        let names = ColumnNames::default();
        for layout in [sip_layout(&names), report_layout(&names), trace_layout(&TraceColumnNames::default())] {
            assert!(layout.columns.len() <= contract::SC_COLUMNS as usize);
        }
    }
}
