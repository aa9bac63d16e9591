//! The parameters of the capture agent: names, defaults, ranges, and what is said when a value will not do.

use super::host_settings::{HostNeeds, HostSettings};
use crate::hep::Version;
use crate::module::engine::common_settings::{CommonSettings, header_list};
use crate::module::kamailio::dialect::SIPTRACE;
use crate::module::kamailio::siptrace::parameters::PARAMETERS;
use crate::module::parameter::{ParameterError, ranged, refuse, set_column, utf8};
use crate::sink::hep::{
    CollectorOptions, CollectorTransport, Destination, Secret, TlsOptions, copy_uri, parse_address,
};
use crate::sink::url::redact;
use crate::table::{self, TraceColumnNames};
use crate::writer::sinks::packets::{CollectorPlan, CollectorSink, NamedCollectorSink};
use crate::writer::sinks::rows::{RowFormat, RowSink};
use crate::writer::{SinkPlan, WriterPlan};
use std::borrow::Cow;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// The parameter that names collectors.
const COLLECTORS: &str = "duplicate_uri";

/// What the core's own messages become (`trace_mode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TraceMode {
    /// Packets to the collectors.
    pub hep: bool,
    /// Rows.
    pub database: bool,
    /// Plain copies.
    pub copies: bool,
}

/// What stands in for the server's own side of what scripts trace (`trace_local_ip`): in rows and headers as it is, in
/// packets as far as it is an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalAddress {
    text: Vec<u8>,
    shape: Shape,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// `proto:ip:port`.
    Whole,
    /// `ip:port`, as the manual of the stock module has it.
    NoTransport,
    /// No address.
    Other,
}

impl LocalAddress {
    fn new(text: &str) -> LocalAddress {
        let shape = match (parse_address(text), parse_address(&format!("any:{text}"))) {
            (Ok(_), _) => Shape::Whole,
            (_, Ok(_)) => Shape::NoTransport,
            _ => Shape::Other,
        };
        LocalAddress { text: text.as_bytes().to_vec(), shape }
    }

    /// As it was set.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// What a packet says where the message itself has `own`, as `proto:ip:port`.
    pub fn in_packet<'a>(&'a self, own: &'a [u8]) -> Cow<'a, [u8]> {
        match self.shape {
            Shape::Whole => Cow::Borrowed(&self.text),
            Shape::NoTransport => {
                let transport = own.split_inclusive(|&byte| byte == b':').next().unwrap_or_default();
                Cow::Owned([transport, &self.text].concat())
            }
            Shape::Other => Cow::Borrowed(own),
        }
    }

    fn warning(&self) -> Option<String> {
        let text = String::from_utf8_lossy(&self.text);
        match self.shape {
            Shape::Whole => None,
            Shape::NoTransport => Some(format!(
                "parameter trace_local_ip: \"{text}\" names no transport: packets get that of their message; PROTO:IP:PORT says it"
            )),
            Shape::Other => Some(format!(
                "parameter trace_local_ip: \"{text}\" is no address, which packets need: they keep the address of their message; PROTO:IP:PORT is one"
            )),
        }
    }
}

/// All parameters, as set so far.
#[derive(Clone, Debug)]
pub struct TraceSettings {
    /// What every module has.
    pub common: CommonSettings,
    /// `table`.
    pub table: String,
    columns: TraceColumnNames,
    /// `trace_on`: the switch at start.
    pub trace_on: bool,
    /// `trace_to_database`.
    pub to_database: bool,
    insert_delayed: bool,
    trace_delayed: bool,
    /// `trace_mode`.
    pub mode: TraceMode,
    /// `duplicate_uri`, each that was set: where packets go.
    pub collectors: Vec<Destination>,
    /// The same as URIs for plain copies, and those that only these can travel to.
    pub copies: Vec<String>,
    /// `duplicate_mode`: whether each stands in for those before it, instead of getting the same.
    pub has_failover: bool,
    /// `trace_local_ip`.
    pub local: Option<Arc<LocalAddress>>,
    /// `hep_mode_on`.
    pub hep_mode_on: bool,
    hep: CollectorOptions,
    /// `xheaders_write`.
    pub writes_x_headers: bool,
    /// `xheaders_read`.
    pub reads_x_headers: bool,
    correlation_headers: Vec<Vec<u8>>,
    /// What the host acts upon.
    pub(super) host: HostSettings,
}

impl Default for TraceSettings {
    fn default() -> TraceSettings {
        TraceSettings {
            common: CommonSettings::new(&SIPTRACE),
            table: "sip_trace".to_owned(),
            columns: TraceColumnNames::of(&SIPTRACE.rows),
            trace_on: false,
            to_database: true,
            insert_delayed: false,
            trace_delayed: false,
            mode: TraceMode::default(),
            collectors: Vec::new(),
            copies: Vec::new(),
            has_failover: false,
            local: None,
            hep_mode_on: false,
            hep: CollectorOptions::default(),
            writes_x_headers: false,
            reads_x_headers: false,
            correlation_headers: Vec::new(),
            host: HostSettings::default(),
        }
    }
}

impl TraceSettings {
    /// Sets a text parameter.
    pub fn set_text(&mut self, name: &str, value: &[u8]) -> Result<(), ParameterError> {
        PARAMETERS.expect_text(name)?;
        // Before all else: an error would show the value.
        if name == "auth_key" {
            self.hep.auth_key = (!value.is_empty()).then(|| Secret::new(value));
            return Ok(());
        }
        let text = utf8(name, value)?;
        match name {
            "table" => {
                table::name::check(text).map_err(|error| refuse(name, text, error))?;
                self.table = text.to_owned();
            }
            "duplicate_uri" => {
                for uri in text.split(',').map(str::trim).filter(|uri| !uri.is_empty()) {
                    let copy = copy_uri(uri).map_err(|error| refuse(name, redact(uri), error))?;
                    if self.copies.contains(&copy) {
                        continue;
                    }
                    self.copies.push(copy);
                    // A transport that packets have no use for is refused where there will be packets: in `check`.
                    self.collectors.extend(Destination::parse(uri));
                }
            }
            "duplicate_mode" => {
                self.has_failover = match text {
                    "all" => false,
                    "failover" => true,
                    _ => return Err(refuse(name, text, "all and failover are allowed")),
                };
            }
            "trace_local_ip" => self.local = (!text.is_empty()).then(|| Arc::new(LocalAddress::new(text))),
            "hep_node_name" => {
                if text.len() > 255 {
                    return Err(refuse(name, text, "at most 255 bytes are allowed"));
                }
                self.hep.node_name = (!text.is_empty()).then(|| value.to_vec());
            }
            "correlation_header" => self.correlation_headers = header_list(name, text)?,
            "tls_ca" => self.hep.tls.ca = (!text.is_empty()).then(|| PathBuf::from(text)),
            _ if self.host.set_text(name, text) => {}
            _ if name.ends_with("_column") => set_column(name, text, |name, text| self.columns.set(name, text))?,
            _ => match self.common.set_text(name, text) {
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
            "trace_on" => self.trace_on = value != 0,
            "trace_to_database" => self.to_database = value != 0,
            "trace_db_mode" => self.insert_delayed = value == 1,
            "trace_delayed" => self.trace_delayed = value != 0,
            "hep_mode_on" => self.hep_mode_on = value != 0,
            "xheaders_write" => self.writes_x_headers = value != 0,
            "xheaders_read" => self.reads_x_headers = value != 0,
            "trace_mode" => {
                self.mode = TraceMode { hep: value & 1 != 0, database: value & 2 != 0, copies: value & 4 != 0 };
                self.host.set_mode(value);
            }
            "hep_version" => {
                let version = u8::try_from(value).ok().and_then(Version::from_number);
                let refuse = || refuse(name, value.to_string(), "1, 2 and 3 are allowed");
                self.hep.version = version.ok_or_else(refuse)?;
            }
            "hep_capture_id" => {
                // The host's numbers have 32 bits and a sign: of one from 2147483648 on it hands over what is negative.
                let range = i64::from(i32::MIN)..=i64::from(u32::MAX);
                self.hep.capture_id = ranged(name, value, range, "0 to 4294967295 are allowed")? as u32;
            }
            "hep_compress" => self.hep.compress = ranged(name, value, 0..=1, "0 (off) and 1 (on) are allowed")? == 1,
            "tls_verify" => {
                let verify = ranged(name, value, 0..=1, "0 (any certificate) and 1 (a trusted one) are allowed")? == 1;
                self.hep.tls = TlsOptions { verify, ..self.hep.tls.clone() };
            }
            _ if self.host.set_number(name, value) => {}
            _ => match self.common.set_number(name, value) {
                Some(set) => set?,
                None => return Err(ParameterError::Unknown(name.to_owned(), "int")),
            },
        }
        Ok(())
    }

    /// Checks what only the parameters together can tell.
    pub fn check(&self) -> Result<(), ParameterError> {
        self.host.check()?;
        let is_for_copies_alone = |uri: &&String| Destination::parse(uri).is_err();
        match self.copies.iter().find(is_for_copies_alone) {
            Some(uri) if self.hep_mode_on || self.mode.hep => Err(refuse(
                "duplicate_uri",
                uri.clone(),
                "packets travel over udp, tcp and tls; sctp is for plain copies, with hep_mode_on 0 and a trace_mode without 1",
            )),
            _ => Ok(()),
        }
    }

    /// The source address of packets, as the host's socket for them has it.
    pub fn bind(&mut self, address: IpAddr) {
        self.hep.bind = Some(address);
    }

    /// Checks that the certificates are there by which collectors over TLS are known: those of parameters, and with
    /// `tls_ca` those that scripts may name.
    pub(in crate::module) fn check_trust(&self) -> Result<(), ParameterError> {
        let trust = &self.hep.tls;
        let is_used = self.collectors.iter().any(|collector| collector.transport() == CollectorTransport::Tls);
        if trust.ca.is_none() && !is_used {
            return Ok(());
        }
        let path = trust.ca.as_ref().map_or_else(String::new, |ca| ca.display().to_string());
        trust.check().map_err(|reason| refuse("tls_ca", path, reason))
    }

    /// What the operator should know of `trace_local_ip`, where scripts make packets.
    pub fn local_warning(&self) -> Option<String> {
        self.local.as_ref().filter(|_| self.hep_mode_on)?.warning()
    }

    /// What the operator should know of the parameters that the host acts upon.
    pub fn host_warning(&self) -> Option<String> {
        self.host.warning()
    }

    /// What the parameters ask of a host of this release, major * 1000000 + minor * 1000 + patch; 0 is the newest.
    pub fn host_needs(&self, release: u32) -> HostNeeds<'_> {
        let needs = self.host.needs(release);
        HostNeeds {
            traffic_rows: self.mode.database,
            traffic_headers: self.mode.copies && self.writes_x_headers,
            sends_copies: (needs.sends_copies && !self.hep_mode_on) || self.mode.copies,
            ..needs
        }
    }

    /// Whether any row is to be written.
    pub fn has_database(&self) -> bool {
        self.to_database || self.mode.database
    }

    /// Sinks of [`TraceSettings::plan`] before the collectors.
    fn databases(&self) -> usize {
        usize::from(self.has_database())
    }

    /// Numbers of the sinks of the collectors that parameters name.
    pub fn collector_sinks(&self) -> std::ops::Range<usize> {
        let count = if self.has_failover { self.collectors.len().min(1) } else { self.collectors.len() };
        self.databases()..self.databases() + count
    }

    /// Number of the sink of collectors that scripts name.
    pub fn named_sink(&self) -> usize {
        self.collector_sinks().end
    }

    /// The sink of a collector, if parameters name it.
    pub fn sink_of(&self, destination: &Destination) -> Option<usize> {
        let position = self.collectors.iter().position(|known| known.is_same(destination))?;
        // Those that stand in for each other have one sink, and stand in for the one that the script names too.
        Some(self.databases() + if self.has_failover { 0 } else { position })
    }

    /// How packets are sent.
    pub fn collector_plan(&self) -> CollectorPlan {
        // What is masked is the same in every message, and holds nothing together.
        let headers = self.correlation_headers.iter().filter(|name| !self.common.masks.covers(name));
        CollectorPlan { options: self.hep.clone(), correlation_headers: headers.cloned().collect() }
    }

    fn row_sink(&self) -> RowSink {
        let trace = table::trace_layout(&self.columns);
        let format = Arc::new(RowFormat { trace, ..self.common.row_format(&self.table) });
        self.common.database_sink(&self.common.db_url, self.insert_delayed || self.trace_delayed, &format)
    }

    /// What these parameters ask of a writer.
    pub fn plan(&self) -> WriterPlan {
        let collectors = self.collector_plan();
        let collector_sink = |destinations: &[Destination]| {
            let sink = CollectorSink { destinations: destinations.to_vec(), collectors: collectors.clone() };
            SinkPlan::new(sink, COLLECTORS)
        };
        let mut sinks = Vec::new();
        if self.has_database() {
            sinks.push(SinkPlan::new(self.row_sink(), "db_url"));
        }
        // Those that stand in for each other have one sink.
        let at_once = if self.has_failover { self.collectors.len() } else { 1 };
        sinks.extend(self.collectors.chunks(at_once.max(1)).map(collector_sink));
        sinks.push(SinkPlan::new(NamedCollectorSink { collectors }, COLLECTORS));
        self.common.plan(sinks)
    }
}
