//! The parameters that every module has: the way from the workers to the sinks, and what bounds it.

use crate::module::engine::dialect::Dialect;
use crate::module::engine::shutdown_timeout::{KillLimits, ShutdownTimeout};
use crate::module::engine::used_aliases::UsedAliases;
use crate::module::parameter::{ParameterError, URLS, ranged, refuse};
use crate::sink::url::Driver;
use crate::sink::{DatabaseUrl, SinkOptions};
use crate::sip::{HeaderNames, Masks};
use crate::table::{self, ColumnNames, TraceColumnNames};
use crate::writer::sinks::rows::{RowFormat, RowSink};
use crate::writer::{SinkPlan, SpoolPlan, SpoolSync, WriterPlan};
use std::ffi::CStr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The texts among these parameters; those that hold URLs come after `db_driver`, in every list.
pub(in crate::module) const TEXTS: &[&CStr] = &[c"db_driver", c"db_url", c"spool_dir", c"spool_sync", c"mask"];
/// The numbers among these parameters.
pub(in crate::module) const NUMBERS: &[&CStr] = &[
    c"queue_size",
    c"capture_writers",
    c"batch_size",
    c"flush_interval",
    c"create_tables",
    c"shutdown_timeout",
    c"insert_retries",
    c"insert_retry_timeout",
    c"spool_size",
    c"mask_body",
];

/// What `db_driver` may be.
const DRIVERS: &str =
    "auto (the module's own driver if it has one for the URL) and host (the server's own) are allowed";
/// How long captures wait for a table that is not there, so that it can be dropped and made again without a loss.
const TABLE_WAIT: Duration = Duration::from_secs(10);
/// The same where they wait in the spool, and hold up nobody else's.
const SPOOLED_TABLE_WAIT: Duration = Duration::from_secs(300);
/// Most headers that a parameter may list.
const MOST_HEADERS: usize = 16;

/// These parameters, as set so far.
#[derive(Clone, Debug)]
pub struct CommonSettings {
    /// `db_url`.
    pub db_url: DatabaseUrl,
    /// `db_driver`, for the URLs that are set after it.
    pub db_driver: Driver,
    /// The parameter that has named it.
    pub database_parameter: &'static str,
    /// Whether a URL was set, after which `db_driver` comes too late.
    driver_is_used: bool,
    dialect: &'static Dialect,
    /// What the operator calls parameters.
    pub aliases: UsedAliases,
    /// `insert_retries`.
    pub insert_retries: u32,
    /// `insert_retry_timeout`.
    pub insert_retry_timeout: Duration,
    /// `spool_dir`; `None` when it was not set, an empty path for no spool.
    pub spool_dir: Option<PathBuf>,
    /// `spool_size`, bytes.
    pub spool_bytes: u64,
    /// `spool_sync`.
    pub spool_sync: SpoolSync,
    /// `queue_size`: bytes a lane.
    pub lane_bytes: usize,
    /// `capture_writers`.
    pub writers: usize,
    /// `batch_size`: rows.
    pub batch_size: usize,
    /// `flush_interval`.
    pub flush_interval: Duration,
    /// `create_tables`; unset: only in the embedded database.
    pub create_tables: Option<bool>,
    /// `shutdown_timeout`, and what the host leaves of it.
    pub shutdown_timeout: ShutdownTimeout,
    /// `mask` and `mask_body`.
    pub masks: Masks,
}

impl CommonSettings {
    /// The defaults of a module of `dialect`.
    pub fn new(dialect: &'static Dialect) -> CommonSettings {
        CommonSettings {
            db_url: DatabaseUrl::parse(dialect.default_url).expect("the default URL is well formed"),
            db_driver: Driver::Auto,
            database_parameter: "db_url",
            driver_is_used: false,
            dialect,
            aliases: UsedAliases::default(),
            insert_retries: 0,
            insert_retry_timeout: Duration::from_secs(60),
            spool_dir: None,
            spool_bytes: 1024 << 20,
            spool_sync: SpoolSync::Interval,
            lane_bytes: 4 << 20,
            writers: 1,
            batch_size: 500,
            flush_interval: Duration::from_millis(100),
            create_tables: None,
            shutdown_timeout: ShutdownTimeout::default(),
            masks: Masks::default(),
        }
    }
    /// Sets a text parameter; `None` when it is not one of these.
    pub fn set_text(&mut self, name: &str, text: &str) -> Option<Result<(), ParameterError>> {
        match name {
            "spool_dir" => self.spool_dir = Some(PathBuf::from(text)),
            "spool_sync" => {
                self.spool_sync = match text {
                    "batch" => SpoolSync::Batch,
                    "interval" => SpoolSync::Interval,
                    "off" => SpoolSync::Off,
                    _ => return Some(Err(refuse(name, text, "batch, interval and off are allowed"))),
                };
            }
            "db_url" => match self.database(name, text) {
                Ok(url) => {
                    self.db_url = url;
                    self.database_parameter = "db_url";
                    self.driver_is_used = true;
                }
                Err(error) => return Some(Err(error)),
            },
            "db_driver" => return Some(self.set_driver(text)),
            "mask" => match header_list(name, text) {
                Ok(headers) => self.masks.headers = headers,
                Err(error) => return Some(Err(error)),
            },
            _ => return None,
        }
        Some(Ok(()))
    }

    /// Sets a number parameter; `None` when it is not one of these.
    pub fn set_number(&mut self, name: &str, value: i64) -> Option<Result<(), ParameterError>> {
        let seconds = |value: i64| Duration::from_secs(value as u64);
        let set = match name {
            "create_tables" => ranged(name, value, 0..=1, "0 (off) and 1 (on) are allowed")
                .map(|value| self.create_tables = Some(value == 1)),
            "mask_body" => ranged(name, value, 0..=1, "0 (off) and 1 (on) are allowed")
                .map(|value| self.masks.message_bodies = value == 1),
            "insert_retries" => ranged(name, value, 0..=500, "0 to 500 retries are allowed")
                .map(|value| self.insert_retries = value as u32),
            "insert_retry_timeout" => ranged(name, value, 0..=300, "0 to 300 seconds are allowed")
                .map(|value| self.insert_retry_timeout = seconds(value)),
            "spool_size" => ranged(name, value, 1..=1 << 20, "1 to 1048576 MiB are allowed")
                .map(|value| self.spool_bytes = (value as u64) << 20),
            "queue_size" => ranged(name, value, 1..=1024, "1 to 1024 MiB are allowed")
                .map(|value| self.lane_bytes = (value as usize) << 20),
            "capture_writers" => {
                ranged(name, value, 1..=16, "1 to 16 processes are allowed").map(|value| self.writers = value as usize)
            }
            "batch_size" => ranged(name, value, 1..=10_000, "1 to 10000 rows are allowed")
                .map(|value| self.batch_size = value as usize),
            "flush_interval" => ranged(name, value, 1..=60_000, "1 to 60000 milliseconds are allowed")
                .map(|value| self.flush_interval = Duration::from_millis(value as u64)),
            "shutdown_timeout" => ranged(name, value, 0..=300, "0 to 300 seconds are allowed")
                .map(|value| self.shutdown_timeout.set(seconds(value))),
            _ => return None,
        };
        Some(set)
    }

    fn set_driver(&mut self, text: &str) -> Result<(), ParameterError> {
        let refuse = |allowed: &str| refuse("db_driver", text, allowed);
        if self.driver_is_used {
            return Err(refuse(&format!("it must be set before {}", self.dialect.database_parameters)));
        }
        self.db_driver = match text {
            "auto" => Driver::Auto,
            "host" => Driver::Host,
            _ => return Err(refuse(DRIVERS)),
        };
        self.db_url = self.database("db_url", "")?;
        Ok(())
    }

    /// Takes `text` of parameter `name`, the host's own database, for a configuration that names none.
    pub fn set_host_database(&mut self, name: &'static str, text: &str) -> Result<(), ParameterError> {
        if !self.driver_is_used {
            self.db_url = self.database(name, text)?;
            self.database_parameter = name;
        }
        Ok(())
    }

    /// Notes that a parameter of the module's own has named a database.
    pub fn note_database(&mut self) {
        self.driver_is_used = true;
    }

    /// The database that parameter `name` means with `text`, empty for the default one.
    pub fn database(&self, name: &str, text: &str) -> Result<DatabaseUrl, ParameterError> {
        let url = if text.is_empty() { self.dialect.default_url } else { text };
        DatabaseUrl::parse_for(url, self.db_driver, &self.dialect.url_forms).map_err(|error| ParameterError::Value {
            name: name.to_owned(),
            allowed: format!("{}; {URLS}", error.fault),
            value: error.url,
        })
    }

    /// Whether tables that are missing in the database at `url` are made: as set, else only in SQLite.
    pub fn creates_tables(&self, url: &DatabaseUrl) -> bool {
        self.create_tables.unwrap_or_else(|| url.sqlite_path().is_some())
    }

    /// What these parameters ask of a writer with these sinks.
    pub fn plan(&self, mut sinks: Vec<SinkPlan>) -> WriterPlan {
        sinks.iter_mut().for_each(|sink| sink.parameter = self.aliases.name(sink.parameter));
        WriterPlan {
            sinks,
            batch_size: self.batch_size,
            flush_interval: self.flush_interval,
            shutdown_timeout: self.shutdown_timeout.writers(),
            table_wait: self.table_wait(),
            insert_retries: self.insert_retries,
            insert_retry_timeout: self.insert_retry_timeout,
            spool: self.spool(),
        }
    }

    /// How captures become rows, as far as no parameter of a module says otherwise. `table` is the one of captures that
    /// name none.
    pub fn row_format(&self, table: &str) -> RowFormat {
        RowFormat {
            table: table.to_owned(),
            node: String::new(),
            headers: HeaderNames::default(),
            rows: self.dialect.rows,
            sip: table::sip_layout(&ColumnNames::of(&self.dialect.rows)),
            report: table::report_layout(&ColumnNames::of(&self.dialect.rows)),
            trace: table::trace_layout(&TraceColumnNames::of(&self.dialect.rows)),
        }
    }

    /// The sink of the database at `url`.
    pub fn database_sink(&self, url: &DatabaseUrl, insert_delayed: bool, format: &Arc<RowFormat>) -> RowSink {
        let create_tables = self.creates_tables(url);
        let options = SinkOptions { create_tables, insert_delayed, ..SinkOptions::default() };
        RowSink { url: url.clone(), options, format: Arc::clone(format) }
    }

    /// Where captures wait that a sink cannot take.
    pub fn spool(&self) -> Option<SpoolPlan> {
        let directory = self.spool_dir.clone().filter(|directory| !directory.as_os_str().is_empty())?;
        Some(SpoolPlan { directory, limit_bytes: self.spool_bytes, sync: self.spool_sync })
    }

    /// How long rows wait for a table that is not there.
    pub fn table_wait(&self) -> Duration {
        if self.spool().is_some() { SPOOLED_TABLE_WAIT } else { TABLE_WAIT }
    }

    /// Keeps `shutdown_timeout` far enough below the times after which the host kills what has not ended.
    pub fn end_before(&mut self, limits: KillLimits) {
        self.shutdown_timeout.end_before(limits, self.aliases.name("shutdown_timeout"));
    }
}

/// The names of headers in `text`, separated by commas, semicolons or blanks.
pub(in crate::module) fn header_list(name: &str, text: &str) -> Result<Vec<Vec<u8>>, ParameterError> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte);
    let names = text.split([',', ';', ' ', '\t']).filter(|word| !word.is_empty());
    let names: Vec<Vec<u8>> = names.map(|word| word.as_bytes().to_vec()).collect();
    if names.len() > MOST_HEADERS || names.iter().flatten().any(|&byte| !is_token(byte)) {
        let allowed = format!("at most {MOST_HEADERS} names of headers, separated by commas, are allowed");
        return Err(refuse(name, text, allowed));
    }
    Ok(names)
}
