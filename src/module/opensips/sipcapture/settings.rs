//! The parameters of the capture node: names, defaults, ranges, and what is said when a value will not do.

use super::parameters::{DB_DEFAULT_URL, HOMER5_ON, PARAMETERS};
use crate::module::engine::common_settings::CommonSettings;
use crate::module::engine::relay::Relay;
use crate::module::hep::settings::HepSettings;
use crate::module::node::settings::{NodeSettings, table_name};
use crate::module::opensips::dialect::SIPCAPTURE;
use crate::module::opensips::rows::{ROWS, ROWS_HOMER6};
use crate::module::parameter::{ParameterError, refuse, utf8};
use crate::module::raw::settings::RawSettings;
use crate::sink::hep::CollectorOptions;
use crate::sip::{ContactChoice, HeaderNames, IdentityHeaders, NameCase};
use crate::table::{ColumnNames, report_layout};
use crate::writer::sinks::rows::RowFormat;
use crate::writer::{SinkPlan, WriterPlan};
use std::sync::Arc;

/// The database among the sinks of the plan,
pub(super) const DATABASE_SINK: u8 = 0;
/// and the collectors that scripts relay to.
pub(super) const RELAY_SINK: u8 = 1;

/// The headers that the stock module looks at for `rtp_stat`, the preferred one first.
const RTP_STATS: &[&[u8]] = &[b"X-RTP-Stat", b"P-RTP-Stat"];

/// `hep_route`: what becomes of a HEP packet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum HepRoute {
    /// `none`: it is captured, and goes no further.
    Capture,
    /// `sip`: the server routes the SIP message inside. This is the default.
    #[default]
    Sip,
    /// This route looks at it.
    Route(String),
}

/// All parameters, as set so far.
#[derive(Clone, Debug)]
pub struct CaptureSettings {
    /// What every module has.
    pub common: CommonSettings,
    /// What every capture node has.
    pub node: NodeSettings,
    /// `table_name`: a strftime template.
    pub table: String,
    /// `rtcp_table_name`: the strftime template for reports.
    pub report_table: String,
    /// `hep_capture_on`, `hep_allow`, `hep_auth_key`.
    pub hep: HepSettings,
    /// `hep_route`.
    pub hep_route: HepRoute,
    /// `homer5_on` of `proto_hep`: false only when it was set to 0.
    pub is_homer5: bool,
    /// Whether `max_async_queries` was set.
    pub sets_async_queries: bool,
    /// `raw_*` and `promiscuous_on`.
    pub raw: RawSettings,
}

impl Default for CaptureSettings {
    fn default() -> CaptureSettings {
        let headers = HeaderNames {
            identity: IdentityHeaders::WithoutRemotePartyId,
            contact: ContactChoice::First,
            case: NameCase::Any,
            rtp_stat: RTP_STATS,
            callid_aleg: vec![b"X-CID".to_vec()],
            custom: [None, None, None],
        };
        CaptureSettings {
            common: CommonSettings::new(&SIPCAPTURE),
            node: NodeSettings::new(&ROWS, headers),
            table: "sip_capture".to_owned(),
            report_table: "rtcp_capture".to_owned(),
            hep: HepSettings::default(),
            hep_route: HepRoute::default(),
            is_homer5: true,
            sets_async_queries: false,
            raw: RawSettings::default(),
        }
    }
}

impl CaptureSettings {
    /// Sets a text parameter.
    pub fn set_text(&mut self, name: &str, value: &[u8]) -> Result<(), ParameterError> {
        if name == DB_DEFAULT_URL {
            return self.common.set_host_database(DB_DEFAULT_URL, utf8(name, value)?);
        }
        PARAMETERS.expect_text(name)?;
        // Before all else: an error would show the value.
        if self.hep.set_secret(name, value) {
            return Ok(());
        }
        let text = utf8(name, value)?;
        match name {
            "table_name" => self.table = table_name(name, text)?,
            "rtcp_table_name" => self.report_table = table_name(name, text)?,
            "hep_route" => self.hep_route = hep_route(text)?,
            "id_column" => {
                log::info!("parameter id_column has no meaning and is ignored: the database fills that column")
            }
            _ => {
                let set = self.node.set_text(name, text);
                let set = set.or_else(|| self.hep.set_text(name, text)).or_else(|| self.raw.set_text(name, text));
                let set = set.or_else(|| self.common.set_text(name, text));
                return set.unwrap_or_else(|| Err(ParameterError::Unknown(name.to_owned(), "string")));
            }
        }
        Ok(())
    }

    /// Sets a number parameter.
    pub fn set_number(&mut self, name: &str, value: i64) -> Result<(), ParameterError> {
        if name == HOMER5_ON {
            self.is_homer5 = value != 0;
            return Ok(());
        }
        PARAMETERS.expect_number(name)?;
        if name == "max_async_queries" {
            self.sets_async_queries = true;
            return Ok(());
        }
        let set = self.node.set_number(name, value);
        let set = set.or_else(|| self.hep.set_number(name, value)).or_else(|| self.raw.set_number(name, value));
        let set = set.or_else(|| self.common.set_number(name, value));
        set.unwrap_or_else(|| Err(ParameterError::Unknown(name.to_owned(), "int")))
    }

    /// Checks what only the parameters together can tell.
    pub fn check(&self) -> Result<(), ParameterError> {
        if self.sets_async_queries {
            log::info!(
                "parameter max_async_queries limits nothing: rows are always written behind the SIP workers, \
                 batch_size at a time"
            );
        }
        self.raw.capture().map(drop)
    }

    /// How captures become rows.
    pub fn row_format(&self) -> RowFormat {
        let format = self.node.row_format(&self.common, &self.table);
        if self.is_homer5 {
            return format;
        }
        RowFormat { rows: ROWS_HOMER6, report: report_layout(&ColumnNames::of(&ROWS_HOMER6)), ..format }
    }

    /// What these parameters ask of a writer.
    pub fn plan(&self) -> WriterPlan {
        let sink = self.common.database_sink(&self.common.db_url, false, &Arc::new(self.row_format()));
        let relay = Relay::sink(CollectorOptions::default(), "hep_relay()");
        self.common.plan(vec![SinkPlan::new(sink, self.common.database_parameter), relay])
    }
}

/// What `hep_route` means with `text`.
fn hep_route(text: &str) -> Result<HepRoute, ParameterError> {
    match text {
        "" => Err(refuse("hep_route", text, "none, sip and the name of a route are allowed")),
        _ if text.eq_ignore_ascii_case("none") => Ok(HepRoute::Capture),
        _ if text.eq_ignore_ascii_case("sip") => Ok(HepRoute::Sip),
        _ => Ok(HepRoute::Route(text.to_owned())),
    }
}
