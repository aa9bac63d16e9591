//! The parameters that capture nodes of all hosts have beyond those of every module, of HEP and of raw sockets.

use crate::module::engine::common_settings::CommonSettings;
use crate::module::parameter::{ParameterError, refuse, set_column};
use crate::sip::HeaderNames;
use crate::table::{self, ColumnNames, RowDialect};
use crate::writer::sinks::rows::RowFormat;

/// These parameters, as set so far.
#[derive(Clone, Debug)]
pub struct NodeSettings {
    /// `capture_on`: the switch at start.
    pub capture_on: bool,
    /// `capture_node`.
    pub capture_node: String,
    /// `bad_table`: the strftime template for SIP that the host's parser refuses; the usual one when it is not set.
    pub bad_table: Option<String>,
    /// The `*_column` parameters.
    pub columns: ColumnNames,
    /// The headers that fill columns.
    pub headers: HeaderNames,
}

impl NodeSettings {
    /// The defaults where rows are those of `rows` and `headers` fill their columns.
    pub fn new(rows: &RowDialect, headers: HeaderNames) -> NodeSettings {
        NodeSettings {
            capture_on: false,
            capture_node: "homer01".to_owned(),
            bad_table: None,
            columns: ColumnNames::of(rows),
            headers,
        }
    }

    /// Sets a text parameter; `None` when it is not one of these.
    pub fn set_text(&mut self, name: &str, text: &str) -> Option<Result<(), ParameterError>> {
        Some(match name {
            "bad_table" => table_name(name, text).map(|table| self.bad_table = Some(table)),
            "capture_node" if text.len() > 99 || text.contains('\0') => {
                Err(refuse(name, text, "at most 99 bytes are allowed"))
            }
            "capture_node" => {
                self.capture_node = text.to_owned();
                Ok(())
            }
            _ if name.ends_with("_column") => set_column(name, text, |name, text| self.columns.set(name, text)),
            _ => return None,
        })
    }

    /// Sets a number parameter; `None` when it is not one of these. What is not 0 is on, as in the stock modules.
    pub fn set_number(&mut self, name: &str, value: i64) -> Option<Result<(), ParameterError>> {
        if name != "capture_on" {
            return None;
        }
        self.capture_on = value != 0;
        Some(Ok(()))
    }

    /// How captures become rows; those that name no table go to `table`.
    pub fn row_format(&self, common: &CommonSettings, table: &str) -> RowFormat {
        RowFormat {
            node: self.capture_node.clone(),
            headers: self.headers.clone(),
            sip: table::sip_layout(&self.columns),
            report: table::report_layout(&self.columns),
            ..common.row_format(table)
        }
    }
}

/// The strftime template `text` of parameter `name`.
pub(in crate::module) fn table_name(name: &str, text: &str) -> Result<String, ParameterError> {
    table::name::expand(text.as_bytes(), 0).map_err(|error| refuse(name, text, error))?;
    Ok(text.to_owned())
}
