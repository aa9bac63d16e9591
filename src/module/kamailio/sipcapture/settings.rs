//! The parameters of the capture node: names, defaults, ranges, and what is said when a value will not do.

use crate::module::engine::common_settings::{CommonSettings, EMBEDDED_URL};
use crate::module::engine::modes::{Choice, DEFAULT, Mode, Modes};
use crate::module::hep::access::{AllowList, AuthKey};
use crate::module::kamailio::sipcapture::mode_counters::ModeStatistics;
use crate::module::kamailio::sipcapture::mode_text;
use crate::module::parameter::{ParameterError, refuse};
use crate::module::raw::settings::RawSettings;
use crate::queue::lane::MODES;
use crate::sink::url::redact;
use crate::sink::{DatabaseUrl, SinkOptions};
use crate::sip::{HashSource, HeaderNames};
use crate::table::{self, ColumnNames, TraceColumnNames};
use crate::writer::{Plan, SinkPlan, Target};

/// All parameters, as set so far.
#[derive(Clone, Debug)]
pub struct CaptureSettings {
    /// `db_url`.
    pub db_url: DatabaseUrl,
    db_url_is_set: bool,
    /// `table_name`: strftime templates, at least one.
    pub tables: Vec<String>,
    /// `bad_table`: the strftime template for SIP that the host's parser refuses; one of `tables` when it is not set.
    pub bad_table: Option<String>,
    /// `mt_mode`.
    pub mt_mode: Choice,
    /// `hash_source`.
    pub hash_source: HashSource,
    /// `capture_mode`, each that was set.
    pub named_modes: Vec<Mode>,
    /// `mode_statistics`.
    pub mode_statistics: ModeStatistics,
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
    /// `raw_*` and `promiscuous_on`.
    pub raw: RawSettings,
    /// What every module has.
    pub queue: CommonSettings,
}

impl Default for CaptureSettings {
    fn default() -> CaptureSettings {
        CaptureSettings {
            db_url: DatabaseUrl::parse(EMBEDDED_URL).expect("the embedded database's URL is well formed"),
            db_url_is_set: false,
            tables: vec!["sip_capture".to_owned()],
            bad_table: None,
            mt_mode: Choice::Random,
            hash_source: HashSource::CallId,
            named_modes: Vec::new(),
            mode_statistics: ModeStatistics::default(),
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
            raw: RawSettings::default(),
            queue: CommonSettings::default(),
        }
    }
}

impl CaptureSettings {
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
                self.db_url = self.queue.database(name, text)?;
                self.db_url_is_set = true;
            }
            "db_driver" => {
                if self.db_url_is_set || !self.named_modes.is_empty() {
                    return Err(refuse(name, text, "it must be set before db_url and capture_mode"));
                }
                self.queue.set_text(name, text).unwrap_or(Ok(()))?;
                self.db_url = self.queue.database("db_url", "")?;
            }
            "table_name" => {
                self.tables = mode_text::table_list(text).map_err(|error| refuse(name, text, error))?;
            }
            "bad_table" => {
                table::name::expand(value, 0).map_err(|error| refuse(name, text, error))?;
                self.bad_table = Some(text.to_owned());
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
            "mode_statistics" => {
                let names = ModeStatistics::parse(text);
                self.mode_statistics = names.ok_or_else(|| refuse(name, text, ModeStatistics::ALLOWED))?;
            }
            "table_time_sufix" => log::info!("parameter table_time_sufix has no meaning and is ignored"),
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
            _ => match self.queue.set_text(name, text) {
                Some(set) => set?,
                None => return Err(ParameterError::Unknown(name.to_owned(), "string")),
            },
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
            "raw_ipip_capture_on"
            | "raw_moni_capture_on"
            | "raw_sock_children"
            | "raw_moni_bpf_on"
            | "promiscuous_on" => {
                self.raw.set_number(name, value)?;
            }
            _ => match self.queue.set_number(name, value) {
                Some(set) => set?,
                None => return Err(ParameterError::Unknown(name.to_owned(), "int")),
            },
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

    /// What these parameters ask of a writer.
    pub fn plan(&self) -> Plan {
        let sink = |mode: &Mode| SinkPlan {
            target: Target::Database(mode.url.clone()),
            options: SinkOptions {
                create_tables: self.queue.creates_tables(&mode.url),
                insert_delayed: self.insert_delayed,
                ..SinkOptions::default()
            },
            link: None,
        };
        Plan {
            sinks: self.modes().sinks().map(sink).collect(),
            table: self.tables[0].clone(),
            node: self.capture_node.clone(),
            headers: self.headers.clone(),
            sip: table::sip_layout(&self.columns),
            report: table::report_layout(&self.columns),
            trace: table::trace_layout(&TraceColumnNames::default()),
            batch_size: self.queue.batch_size,
            flush_interval: self.queue.flush_interval,
            shutdown_timeout: self.queue.shutdown_timeout,
            table_patience: self.queue.table_patience(),
            insert_retries: self.queue.insert_retries,
            insert_retry_timeout: self.queue.insert_retry_timeout,
            spool: self.queue.spool(),
        }
    }

    fn add_mode(&mut self, text: &str) -> Result<(), ParameterError> {
        let refuse = |why: &str| refuse("capture_mode", redact(text), format!("{why}; {}", mode_text::FORM));
        let mode = mode_text::parse(text, self.queue.db_driver).map_err(|why| refuse(&why))?;
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
}

fn header_name(text: &str) -> Option<Vec<u8>> {
    let name = text.trim();
    (!name.is_empty()).then(|| name.as_bytes().to_vec())
}
