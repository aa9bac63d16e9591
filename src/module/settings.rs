//! The parameters of the capture node: names, defaults, ranges, and what is said when a value will not do.

use super::hep_access::{AllowList, AuthKey};
use super::mode_text;
use super::modes::{Choice, DEFAULT, Mode, Modes};
use super::raw_settings::RawSettings;
use crate::queue::lane::MODES;
use crate::sink::url::{Driver, redact};
use crate::sink::{DatabaseUrl, SinkOptions};
use crate::sip::{HashSource, HeaderNames};
use crate::table::{self, ColumnNames};
use crate::writer::{Plan, SinkPlan, SpoolPlan, SpoolSync};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

/// The database of an empty `db_url`.
pub const EMBEDDED_URL: &str = "sqlite:////var/lib/sipcapture/sipcapture.db";

const URLS: &str = "sqlite:////path/to/file, mysql://user:password@host:port/database and \
                    postgres://user:password@host:port/database are allowed, and what the server's own database modules take";
/// What `db_driver` may be.
const DRIVERS: &str =
    "auto (the module's own driver if it has one for the URL) and host (the server's own) are allowed";
/// How long captures wait for a table that is not there, so that it can be dropped and made again without a loss.
const TABLE_PATIENCE: Duration = Duration::from_secs(10);
/// The same where they wait in the spool, and hold up nobody else's.
const SPOOLED_TABLE_PATIENCE: Duration = Duration::from_secs(300);

/// Time that giving up on a database takes beyond `shutdown_timeout`, and some for the host.
const GIVING_UP: Duration = Duration::from_secs(4);

/// A parameter that stops the start.
#[derive(Debug, thiserror::Error)]
pub enum ParameterError {
    /// The module has no such parameter of that type.
    #[error("parameter {0}: there is no such parameter of type {1}")]
    Unknown(String, &'static str),
    /// The value will not do.
    #[error("parameter {name}: the value {value:?} is not allowed: {allowed}")]
    Value {
        /// The parameter.
        name: String,
        /// Its value, without passwords.
        value: String,
        /// What is allowed.
        allowed: String,
    },
    /// The spool's place cannot be used.
    #[error(
        "parameter spool_dir: the directory {path} cannot be used: {why}; name one that the server may write to, or \"\" for none"
    )]
    Spool {
        /// The directory.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// Nobody serves the database.
    #[error(
        "parameter {name}: {url} is served by the server's own module {module}, {fault}: loadmodule \"{module}.so\" before this one; \
         with db_driver at auto {URLS}"
    )]
    Driver {
        /// The parameter that names the database.
        name: &'static str,
        /// The URL, without its password.
        url: String,
        /// The module that would serve it.
        module: String,
        /// What is wrong with the module.
        fault: &'static str,
    },
    /// The embedded database's place cannot be used.
    #[error(
        "parameter {name}: the SQLite file {path} cannot be written: {why}; name a file in a directory that the server may write to"
    )]
    Path {
        /// The parameter that names the file.
        name: &'static str,
        /// The file.
        path: String,
        /// What the system said.
        why: String,
    },
}

/// All parameters, as set so far.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `db_url`.
    pub db_url: DatabaseUrl,
    db_url_is_set: bool,
    /// `db_driver`, for the URLs that are set after it.
    pub db_driver: Driver,
    /// `table_name`: strftime templates, at least one.
    pub tables: Vec<String>,
    /// `mt_mode`.
    pub mt_mode: Choice,
    /// `hash_source`.
    pub hash_source: HashSource,
    /// `capture_mode`, each that was set.
    pub named_modes: Vec<Mode>,
    /// `capture_bad_msgs`: false only when it was set to 0.
    pub captures_malformed: bool,
    /// `capture_on`: the switch at start.
    pub capture_on: bool,
    /// `hep_capture_on`.
    pub hep_capture_on: bool,
    /// `nonsip_hook`: the script looks at each HEP packet first.
    pub nonsip_hook: bool,
    /// `hep_allow`.
    pub hep_allow: AllowList,
    /// `hep_auth_key`.
    pub hep_auth_key: AuthKey,
    /// `capture_node`.
    pub capture_node: String,
    /// The `*_column` parameters.
    pub columns: ColumnNames,
    /// `callid_aleg_header`, `custom_field1_header` to `custom_field3_header`.
    pub headers: HeaderNames,
    /// `db_insert_mode`: 1 asks for INSERT DELAYED, all else for plain inserts.
    pub insert_delayed: bool,
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
    pub capture_writers: usize,
    /// `batch_size`: rows.
    pub batch_size: usize,
    /// `flush_interval`.
    pub flush_interval: Duration,
    /// `create_tables`; unset: only in the embedded database.
    pub create_tables: Option<bool>,
    /// `shutdown_timeout`.
    pub shutdown_timeout: Duration,
    /// `raw_*` and `promiscuous_on`.
    pub raw: RawSettings,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            db_url: DatabaseUrl::parse(EMBEDDED_URL).expect("the embedded database's URL is well formed"),
            db_url_is_set: false,
            db_driver: Driver::Auto,
            tables: vec!["sip_capture".to_owned()],
            mt_mode: Choice::Random,
            hash_source: HashSource::CallId,
            named_modes: Vec::new(),
            captures_malformed: true,
            capture_on: false,
            hep_capture_on: false,
            nonsip_hook: false,
            hep_allow: AllowList::default(),
            hep_auth_key: AuthKey::default(),
            capture_node: "homer01".to_owned(),
            columns: ColumnNames::default(),
            headers: HeaderNames {
                callid_aleg: vec![b"X-CID".to_vec()],
                custom: [Some(b"Mac".to_vec()), Some(b"IP".to_vec()), Some(b"Port".to_vec())],
            },
            insert_delayed: false,
            insert_retries: 0,
            insert_retry_timeout: Duration::from_secs(60),
            spool_dir: None,
            spool_bytes: 1024 << 20,
            spool_sync: SpoolSync::Interval,
            lane_bytes: 4 << 20,
            capture_writers: 1,
            batch_size: 500,
            flush_interval: Duration::from_millis(100),
            create_tables: None,
            shutdown_timeout: Duration::from_secs(10),
            raw: RawSettings::default(),
        }
    }
}

impl Settings {
    /// Sets a text parameter.
    pub fn set_text(&mut self, name: &str, value: &[u8]) -> Result<(), ParameterError> {
        // Before all else: an error would show the value.
        if name == "hep_auth_key" {
            self.hep_auth_key = AuthKey::new(value);
            return Ok(());
        }
        let text = std::str::from_utf8(value)
            .map_err(|_| refuse(name, redact(&String::from_utf8_lossy(value)), "text in UTF-8 is allowed"))?;
        match name {
            "db_url" => {
                self.set_db_url(text)?;
                self.db_url_is_set = true;
            }
            "db_driver" => {
                if self.db_url_is_set || !self.named_modes.is_empty() {
                    return Err(refuse(name, text, "it must be set before db_url and capture_mode"));
                }
                self.db_driver = match text {
                    "auto" => Driver::Auto,
                    "host" => Driver::Host,
                    _ => return Err(refuse(name, text, DRIVERS)),
                };
                self.set_db_url("")?;
            }
            "table_name" => {
                self.tables = mode_text::table_list(text).map_err(|error| refuse(name, text, error))?;
            }
            "mt_mode" => {
                let choice = mode_text::mt_mode(text, HashSource::default());
                self.mt_mode = choice.ok_or_else(|| refuse(name, text, mode_text::MT_MODES))?;
            }
            "hash_source" => {
                let source = mode_text::hash_source(text);
                self.hash_source = source.ok_or_else(|| refuse(name, text, mode_text::HASH_SOURCES))?;
            }
            "capture_mode" => self.add_mode(text)?,
            "table_time_sufix" => log::info!("parameter table_time_sufix has no meaning and is ignored"),
            "spool_dir" => self.spool_dir = Some(PathBuf::from(text)),
            "spool_sync" => {
                self.spool_sync = match text {
                    "batch" => SpoolSync::Batch,
                    "interval" => SpoolSync::Interval,
                    "off" => SpoolSync::Off,
                    _ => return Err(refuse(name, text, "batch, interval and off are allowed")),
                };
            }
            "capture_node" => {
                if text.len() > 99 || text.contains('\0') {
                    return Err(refuse(name, text, "at most 99 bytes are allowed"));
                }
                self.capture_node = text.to_owned();
            }
            "hep_allow" => {
                let allowed = "addresses and networks such as 192.0.2.7, 198.51.100.0/24 and 2001:db8::/32, separated by \
                               commas or blanks, are allowed";
                self.hep_allow = AllowList::parse(text).map_err(|item| refuse(name, item, allowed))?;
            }
            "callid_aleg_header" => {
                let names = text.split(';').map(str::trim).filter(|name| !name.is_empty());
                self.headers.callid_aleg = names.map(|name| name.as_bytes().to_vec()).collect();
                if self.headers.callid_aleg.len() > 16 {
                    return Err(refuse(name, text, "at most 16 header names, separated by ;, are allowed"));
                }
            }
            "custom_field1_header" => self.headers.custom[0] = header_name(text),
            "custom_field2_header" => self.headers.custom[1] = header_name(text),
            "custom_field3_header" => self.headers.custom[2] = header_name(text),
            "raw_socket_listen" | "raw_interface" => self.raw.set_text(name, text)?,
            _ if name.ends_with("_column") => {
                table::name::check(text).map_err(|error| refuse(name, text, error))?;
                if !self.columns.set(name, text) {
                    return Err(ParameterError::Unknown(name.to_owned(), "string"));
                }
            }
            _ => return Err(ParameterError::Unknown(name.to_owned(), "string")),
        }
        Ok(())
    }

    /// Sets a number parameter.
    pub fn set_number(&mut self, name: &str, value: i64) -> Result<(), ParameterError> {
        match name {
            // Switches of the stock module: what starts there starts here.
            "capture_on" => self.capture_on = value != 0,
            "hep_capture_on" => self.hep_capture_on = value != 0,
            "nonsip_hook" => self.nonsip_hook = value != 0,
            "capture_bad_msgs" => self.captures_malformed = value != 0,
            "db_insert_mode" => self.insert_delayed = value == 1,
            "create_tables" => {
                let value = ranged(name, value, 0..=1, "0 (off) and 1 (on) are allowed")?;
                self.create_tables = Some(value == 1);
            }
            "insert_retries" => {
                self.insert_retries = ranged(name, value, 0..=500, "0 to 500 retries are allowed")? as u32;
            }
            "insert_retry_timeout" => {
                let value = ranged(name, value, 0..=300, "0 to 300 seconds are allowed")?;
                self.insert_retry_timeout = Duration::from_secs(value as u64);
            }
            "spool_size" => {
                self.spool_bytes = (ranged(name, value, 1..=1 << 20, "1 to 1048576 MiB are allowed")? as u64) << 20;
            }
            "queue_size" => {
                self.lane_bytes = (ranged(name, value, 1..=1024, "1 to 1024 MiB are allowed")? as usize) << 20;
            }
            "capture_writers" => {
                self.capture_writers = ranged(name, value, 1..=16, "1 to 16 processes are allowed")? as usize;
            }
            "batch_size" => self.batch_size = ranged(name, value, 1..=10_000, "1 to 10000 rows are allowed")? as usize,
            "flush_interval" => {
                let value = ranged(name, value, 1..=60_000, "1 to 60000 milliseconds are allowed")?;
                self.flush_interval = Duration::from_millis(value as u64);
            }
            "shutdown_timeout" => {
                let value = ranged(name, value, 0..=300, "0 to 300 seconds are allowed")?;
                self.shutdown_timeout = Duration::from_secs(value as u64);
            }
            "raw_ipip_capture_on"
            | "raw_moni_capture_on"
            | "raw_sock_children"
            | "raw_moni_bpf_on"
            | "promiscuous_on" => {
                self.raw.set_number(name, value)?;
            }
            _ => return Err(ParameterError::Unknown(name.to_owned(), "int")),
        }
        Ok(())
    }

    /// Every capture mode, the default one first.
    pub fn modes(&self) -> Modes {
        let choice = match self.mt_mode {
            Choice::Hash(_) => Choice::Hash(self.hash_source),
            other => other,
        };
        let (name, url, tables) = (DEFAULT.to_owned(), self.db_url.clone(), self.tables.clone());
        let default = Mode { name, url, tables, choice, sink: 0 };
        Modes::new([default].into_iter().chain(self.named_modes.iter().cloned()).collect())
    }

    /// Whether tables that are missing in the database at `url` are made: as set, else only in SQLite.
    pub fn creates_tables(&self, url: &DatabaseUrl) -> bool {
        self.create_tables.unwrap_or_else(|| url.sqlite_path().is_some())
    }

    /// What these parameters ask of a writer.
    pub fn plan(&self) -> Plan {
        let sink = |mode: &Mode| SinkPlan {
            url: mode.url.clone(),
            options: SinkOptions {
                create_tables: self.creates_tables(&mode.url),
                insert_delayed: self.insert_delayed,
                ..SinkOptions::default()
            },
            link: None,
        };
        let spool = self.spool_dir.clone().filter(|directory| !directory.as_os_str().is_empty());
        Plan {
            sinks: self.modes().sinks().map(sink).collect(),
            table: self.tables[0].clone(),
            node: self.capture_node.clone(),
            headers: self.headers.clone(),
            sip: table::sip_layout(&self.columns),
            report: table::report_layout(&self.columns),
            batch_size: self.batch_size,
            flush_interval: self.flush_interval,
            shutdown_timeout: self.shutdown_timeout,
            table_patience: if spool.is_some() { SPOOLED_TABLE_PATIENCE } else { TABLE_PATIENCE },
            insert_retries: self.insert_retries,
            insert_retry_timeout: self.insert_retry_timeout,
            spool: spool.map(|directory| SpoolPlan { directory, limit_bytes: self.spool_bytes, sync: self.spool_sync }),
        }
    }

    /// Keeps `shutdown_timeout` far enough below the time after which the host kills what has not ended: its own part, and the few
    /// seconds that giving up takes, come on top.
    pub fn end_before(&mut self, kill_timeout: Duration) {
        let most = kill_timeout.saturating_sub(GIVING_UP).max(kill_timeout / 2).as_secs();
        let most = Duration::from_secs(most);
        if self.shutdown_timeout > most {
            log::warn!(
                "parameter shutdown_timeout: {} s are cut to {} s, because the server kills its processes {} s after it is told to end",
                self.shutdown_timeout.as_secs(),
                most.as_secs(),
                kill_timeout.as_secs()
            );
            self.shutdown_timeout = most;
        }
    }

    fn add_mode(&mut self, text: &str) -> Result<(), ParameterError> {
        let refuse = |why: &str| refuse("capture_mode", redact(text), format!("{why}; {}", mode_text::FORM));
        let mode = mode_text::parse(text, self.db_driver).map_err(|why| refuse(&why))?;
        if mode.name == DEFAULT {
            return Err(refuse("the mode default is made of db_url, table_name, mt_mode and hash_source"));
        }
        if self.named_modes.iter().any(|known| known.name == mode.name) {
            return Err(refuse("there is a mode of that name already"));
        }
        // As many databases come with them at most, which a capture's sink number holds.
        if self.named_modes.len() + 2 > MODES {
            return Err(refuse(&format!(
                "at most {MODES} modes, with at most as many databases, are allowed, default included"
            )));
        }
        self.named_modes.push(mode);
        Ok(())
    }

    fn set_db_url(&mut self, text: &str) -> Result<(), ParameterError> {
        let url = if text.is_empty() { EMBEDDED_URL } else { text };
        self.db_url = DatabaseUrl::parse_for(url, self.db_driver).map_err(|error| ParameterError::Value {
            name: "db_url".to_owned(),
            allowed: format!("{}; {URLS}", error.fault),
            value: error.url,
        })?;
        Ok(())
    }
}

fn header_name(text: &str) -> Option<Vec<u8>> {
    let name = text.trim();
    (!name.is_empty()).then(|| name.as_bytes().to_vec())
}

pub(super) fn ranged(name: &str, value: i64, range: RangeInclusive<i64>, allowed: &str) -> Result<i64, ParameterError> {
    if range.contains(&value) { Ok(value) } else { Err(refuse(name, value.to_string(), allowed)) }
}

pub(super) fn refuse(name: &str, value: impl Into<String>, allowed: impl ToString) -> ParameterError {
    ParameterError::Value { name: name.to_owned(), value: value.into(), allowed: allowed.to_string() }
}
