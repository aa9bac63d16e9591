//! The parameters of the capture node: names, defaults, ranges, and what is said when a value will not do.

use crate::module::engine::common_settings::CommonSettings;
use crate::module::engine::modes::{DEFAULT, Mode, Modes, TableSelection};
use crate::module::hep::settings::HepSettings;
use crate::module::kamailio::dialect::SIPCAPTURE;
use crate::module::kamailio::sipcapture::mode_counters::ModeStatistics;
use crate::module::kamailio::sipcapture::mode_text;
use crate::module::kamailio::sipcapture::parameters::PARAMETERS;
use crate::module::node::settings::NodeSettings;
use crate::module::parameter::{ParameterError, refuse, utf8};
use crate::module::raw::settings::RawSettings;
use crate::queue::counters::MODES;
use crate::sink::url::redact;
use crate::sip::{HashSource, HeaderNames};
use crate::writer::sinks::rows::{RowFormat, RowSink};
use crate::writer::{SinkPlan, WriterPlan};
use std::iter;
use std::sync::Arc;

/// All parameters, as set so far.
#[derive(Clone, Debug)]
pub struct CaptureSettings {
    /// What every module has.
    pub common: CommonSettings,
    /// What every capture node has.
    pub node: NodeSettings,
    /// `table_name`: strftime templates, at least one.
    pub tables: Vec<String>,
    /// `mt_mode`.
    pub mt_mode: TableSelection,
    /// `hash_source`.
    pub hash_source: HashSource,
    /// `capture_mode`, each that was set.
    pub named_modes: Vec<Mode>,
    /// `mode_statistics`.
    pub mode_statistics: ModeStatistics,
    /// `capture_bad_msgs`: false only when it was set to 0.
    pub captures_malformed: bool,
    /// `hep_capture_on`, `nonsip_hook`, `hep_allow`, `hep_auth_key`.
    pub hep: HepSettings,
    /// `topoh_unmask`: Call-IDs that topology hiding has masked are unmasked.
    pub topoh_unmask: bool,
    /// `db_insert_mode`: 1 asks for INSERT DELAYED, all else for plain inserts.
    pub insert_delayed: bool,
    /// `raw_*` and `promiscuous_on`.
    pub raw: RawSettings,
}

impl Default for CaptureSettings {
    fn default() -> CaptureSettings {
        CaptureSettings {
            common: CommonSettings::new(&SIPCAPTURE),
            node: NodeSettings::new(
                &SIPCAPTURE.rows,
                HeaderNames {
                    callid_aleg: vec![b"X-CID".to_vec()],
                    custom: [Some(b"Mac".to_vec()), Some(b"IP".to_vec()), Some(b"Port".to_vec())],
                    ..HeaderNames::default()
                },
            ),
            tables: vec!["sip_capture".to_owned()],
            mt_mode: TableSelection::Random,
            hash_source: HashSource::CallId,
            named_modes: Vec::new(),
            mode_statistics: ModeStatistics::default(),
            captures_malformed: true,
            hep: HepSettings::default(),
            topoh_unmask: false,
            insert_delayed: false,
            raw: RawSettings::default(),
        }
    }
}

impl CaptureSettings {
    /// Sets a text parameter.
    pub fn set_text(&mut self, name: &str, value: &[u8]) -> Result<(), ParameterError> {
        PARAMETERS.expect_text(name)?;
        // Before all else: an error would show the value.
        if self.hep.set_secret(name, value) {
            return Ok(());
        }
        let text = utf8(name, value)?;
        match name {
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
            "mode_statistics" => {
                let names = ModeStatistics::parse(text);
                self.mode_statistics = names.ok_or_else(|| refuse(name, text, ModeStatistics::ALLOWED))?;
            }
            "table_time_sufix" => log::info!("parameter table_time_sufix has no meaning and is ignored"),
            "callid_aleg_header" => {
                let names = text.split(';').map(str::trim).filter(|name| !name.is_empty());
                self.node.headers.callid_aleg = names.map(|name| name.as_bytes().to_vec()).collect();
                if self.node.headers.callid_aleg.len() > 16 {
                    return Err(refuse(name, text, "at most 16 header names, separated by ;, are allowed"));
                }
            }
            "custom_field1_header" => self.node.headers.custom[0] = header_name(text),
            "custom_field2_header" => self.node.headers.custom[1] = header_name(text),
            "custom_field3_header" => self.node.headers.custom[2] = header_name(text),
            _ => match self
                .node
                .set_text(name, text)
                .or_else(|| self.hep.set_text(name, text))
                .or_else(|| self.raw.set_text(name, text))
                .or_else(|| self.common.set_text(name, text))
            {
                Some(set) => set?,
                None => return Err(ParameterError::Unknown(name.to_owned(), "string")),
            },
        }
        Ok(())
    }

    /// Sets a number parameter.
    pub fn set_number(&mut self, name: &str, value: i64) -> Result<(), ParameterError> {
        PARAMETERS.expect_number(name)?;
        match name {
            // Switches of the stock module: what starts there starts here.
            "topoh_unmask" => self.topoh_unmask = value == 1,
            "capture_bad_msgs" => self.captures_malformed = value != 0,
            "db_insert_mode" => self.insert_delayed = value == 1,
            _ => match self
                .node
                .set_number(name, value)
                .or_else(|| self.hep.set_number(name, value))
                .or_else(|| self.raw.set_number(name, value))
                .or_else(|| self.common.set_number(name, value))
            {
                Some(set) => set?,
                None => return Err(ParameterError::Unknown(name.to_owned(), "int")),
            },
        }
        Ok(())
    }

    /// Every capture mode, the default one first.
    pub fn modes(&self) -> Modes {
        let choice = match self.mt_mode {
            TableSelection::Hash(_) => TableSelection::Hash(self.hash_source),
            other => other,
        };
        let (name, url, tables) = (DEFAULT.to_owned(), self.common.db_url.clone(), self.tables.clone());
        let default = Mode { name, url, tables, choice, sink: 0 };
        Modes::new([default].into_iter().chain(self.named_modes.iter().cloned()).collect())
    }

    /// How captures become rows.
    pub fn row_format(&self) -> RowFormat {
        self.node.row_format(&self.common, &self.tables[0])
    }

    /// The databases that get rows, in the order of the writer's sinks.
    pub fn row_sinks(&self) -> Vec<RowSink> {
        let format = Arc::new(self.row_format());
        let sink = |mode: &Mode| self.common.database_sink(&mode.url, self.insert_delayed, &format);
        self.modes().sinks().map(sink).collect()
    }

    /// What these parameters ask of a writer.
    pub fn plan(&self) -> WriterPlan {
        let parameters = iter::once("db_url").chain(iter::repeat("capture_mode"));
        let sinks = self.row_sinks().into_iter().zip(parameters);
        self.common.plan(sinks.map(|(sink, parameter)| SinkPlan::new(sink, parameter)).collect())
    }

    fn add_mode(&mut self, text: &str) -> Result<(), ParameterError> {
        let refuse = |why: &str| refuse("capture_mode", redact(text), format!("{why}; {}", mode_text::FORM));
        let mode = mode_text::parse(text, self.common.db_driver).map_err(|why| refuse(&why))?;
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
        self.common.note_database();
        Ok(())
    }
}

fn header_name(text: &str) -> Option<Vec<u8>> {
    let name = text.trim();
    (!name.is_empty()).then(|| name.as_bytes().to_vec())
}
