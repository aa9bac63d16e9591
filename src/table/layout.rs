//! Layouts: the columns of a SIP row and of a report row, in the order of the stock module's INSERT, under the names
//! that the operator gave them.

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// A moment, to the second, written as local time.
    Time,
    /// A signed integer.
    Int,
    /// A short text.
    Text,
    /// The whole message.
    Message,
}

/// One column of a layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its default name, which says what it is whatever the operator calls it.
    pub key: &'static str,
    /// Its name in the database (parameter `<default name>_column`).
    pub name: String,
    /// What it holds.
    pub kind: ColumnKind,
}

/// The columns of a row, in the order of the stock module's INSERT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// 44 columns for SIP, 12 for reports.
    pub columns: Vec<Column>,
}

impl Layout {
    /// The database's name of the column whose default name is `key`; `None` if this layout has no such column.
    pub fn name_of(&self, key: &str) -> Option<&str> {
        self.columns.iter().find(|column| column.key == key).map(|column| column.name.as_str())
    }
}

use ColumnKind::{Int, Message, Text, Time};

/// The 44 columns of a SIP row. Positions are used by [`row`](super::row).
pub(super) const SIP_COLUMNS: [(&str, ColumnKind); 44] = [
    ("date", Time),
    ("micro_ts", Int),
    ("method", Text),
    ("reply_reason", Text),
    ("ruri", Text),
    ("ruri_user", Text),
    ("from_user", Text),
    ("from_tag", Text),
    ("to_user", Text),
    ("to_tag", Text),
    ("pid_user", Text),
    ("contact_user", Text),
    ("auth_user", Text),
    ("callid", Text),
    ("callid_aleg", Text),
    ("via_1", Text),
    ("via_1_branch", Text),
    ("cseq", Text),
    ("reason", Text),
    ("content_type", Text),
    ("auth", Text),
    ("user_agent", Text),
    ("source_ip", Text),
    ("source_port", Int),
    ("destination_ip", Text),
    ("destination_port", Int),
    ("contact_ip", Text),
    ("contact_port", Int),
    ("originator_ip", Text),
    ("originator_port", Int),
    ("proto", Int),
    ("family", Int),
    ("rtp_stat", Text),
    ("type", Int),
    ("node", Text),
    ("correlation_id", Text),
    ("from_domain", Text),
    ("to_domain", Text),
    ("ruri_domain", Text),
    ("diversion", Text),
    ("msg", Message),
    ("custom_field1", Text),
    ("custom_field2", Text),
    ("custom_field3", Text),
];

/// The 12 columns of a report row, all of them columns of a SIP row too.
pub(super) const REPORT_COLUMNS: [&str; 12] = [
    "date",
    "micro_ts",
    "correlation_id",
    "source_ip",
    "source_port",
    "destination_ip",
    "destination_port",
    "proto",
    "family",
    "type",
    "node",
    "msg",
];

/// The 12 columns of a traced message.
const TRACE_COLUMNS: [(&str, ColumnKind); 12] = [
    ("msg", Message),
    ("callid", Text),
    ("method", Text),
    ("status", Text),
    ("fromip", Text),
    ("toip", Text),
    ("time_stamp", Time),
    ("direction", Text),
    ("fromtag", Text),
    ("traced_user", Text),
    ("time_us", Int),
    ("totag", Text),
];

/// What the operator calls the columns of a traced message: the values of the `*_column` parameters of a capture agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceColumnNames {
    names: [String; TRACE_COLUMNS.len()],
}

impl Default for TraceColumnNames {
    /// Every column under its default name.
    fn default() -> TraceColumnNames {
        TraceColumnNames { names: TRACE_COLUMNS.map(|(key, _)| key.to_owned()) }
    }
}

impl TraceColumnNames {
    /// The parameter names, in the order of the columns. `time_us` has none, and that of `time_stamp` is called `date_column`.
    pub fn parameters() -> impl Iterator<Item = String> {
        let stem = |key| if key == "time_stamp" { "date" } else { key };
        let named = TRACE_COLUMNS.iter().map(|(key, _)| *key).filter(|key| *key != "time_us");
        named.map(move |key| format!("{}_column", stem(key)))
    }

    /// Takes the value of one `*_column` parameter; false if there is no such parameter.
    pub fn set(&mut self, parameter: &str, name: &str) -> bool {
        let key = match parameter.strip_suffix("_column") {
            None | Some("time_us" | "time_stamp") => return false,
            Some("date") => "time_stamp",
            Some(key) => key,
        };
        let Some(position) = TRACE_COLUMNS.iter().position(|(known, _)| *known == key) else { return false };
        name.clone_into(&mut self.names[position]);
        true
    }
}

/// The 12 columns of a traced message (`sip_trace`).
pub fn trace_layout(names: &TraceColumnNames) -> Layout {
    let columns = TRACE_COLUMNS.iter().zip(&names.names);
    Layout { columns: columns.map(|(&(key, kind), name)| Column { key, name: name.clone(), kind }).collect() }
}

/// What the operator calls the columns: the values of the `*_column` parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnNames {
    names: [String; SIP_COLUMNS.len()],
}

impl Default for ColumnNames {
    /// Every column under its default name.
    fn default() -> ColumnNames {
        ColumnNames { names: SIP_COLUMNS.map(|(key, _)| key.to_owned()) }
    }
}

impl ColumnNames {
    /// The parameter names, in the order of the columns: `date_column`, `micro_ts_column`, ...
    pub fn parameters() -> impl Iterator<Item = String> {
        SIP_COLUMNS.iter().map(|(key, _)| format!("{}_column", parameter_stem(key)))
    }

    /// Takes the value of one `*_column` parameter; false if there is no such parameter.
    pub fn set(&mut self, parameter: &str, name: &str) -> bool {
        let Some(stem) = parameter.strip_suffix("_column") else { return false };
        let Some(position) = SIP_COLUMNS.iter().position(|(key, _)| parameter_stem(key) == stem) else { return false };
        name.clone_into(&mut self.names[position]);
        true
    }

    fn column(&self, position: usize) -> Column {
        let (key, kind) = SIP_COLUMNS[position];
        Column { key, name: self.names[position].clone(), kind }
    }
}

/// What stands before `_column` in the parameter of a column. Two of the stock module's differ from the column.
fn parameter_stem(key: &str) -> &str {
    match key {
        "correlation_id" => "correlation",
        "auth" => "authorization",
        _ => key,
    }
}

/// The 44 columns of a SIP row.
pub fn sip_layout(names: &ColumnNames) -> Layout {
    Layout { columns: (0..SIP_COLUMNS.len()).map(|position| names.column(position)).collect() }
}

/// The 12 columns of a report row (`rtcp_capture`, `report_capture`, `logs_capture`).
pub fn report_layout(names: &ColumnNames) -> Layout {
    let position = |key: &&str| SIP_COLUMNS.iter().position(|(sip_key, _)| sip_key == key);
    Layout { columns: REPORT_COLUMNS.iter().filter_map(position).map(|position| names.column(position)).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sip_row_has_44_columns_and_a_report_row_12() {
        let names = ColumnNames::default();
        assert_eq!(sip_layout(&names).columns.len(), 44);
        let report = report_layout(&names);
        assert_eq!(report.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>(), REPORT_COLUMNS);
        assert_eq!(report.columns[11].kind, ColumnKind::Message);
    }

    #[test]
    fn the_parameters_of_a_trace_rename_all_columns_but_the_microseconds() {
        let mut names = TraceColumnNames::default();
        assert_eq!(trace_layout(&names).columns.len(), 12);
        for column in trace_layout(&names).columns {
            let parameter = if column.key == "time_stamp" { "date" } else { column.key };
            assert_eq!(names.set(&format!("{parameter}_column"), "x"), column.key != "time_us", "{parameter}");
        }
        let renamed = trace_layout(&names);
        let kept = renamed.columns.iter().filter(|column| column.name != "x").map(|column| column.name.as_str());
        assert_eq!(kept.collect::<Vec<_>>(), ["time_us"]);
        assert!(!names.set("time_stamp_column", "y") && !names.set("ruri_column", "y"));
    }

    #[test]
    fn every_parameter_renames_its_own_column_in_both_layouts() {
        let mut names = ColumnNames::default();
        for parameter in ColumnNames::parameters() {
            assert!(names.set(&parameter, &format!("x_{parameter}")), "{parameter}");
        }
        for column in sip_layout(&names).columns {
            assert_eq!(column.name, format!("x_{}_column", parameter_stem(column.key)));
        }
        assert_eq!(report_layout(&names).name_of("correlation_id"), Some("x_correlation_column"));
    }

    #[test]
    fn the_parameters_that_differ_from_their_column_are_the_stock_ones() {
        let mut names = ColumnNames::default();
        assert!(names.set("authorization_column", "a"));
        assert!(names.set("correlation_column", "c"));
        assert!(!names.set("auth_column", "a"));
        assert!(!names.set("correlation_id_column", "c"));
        assert!(!names.set("date", "d"));
        assert_eq!(sip_layout(&names).name_of("auth"), Some("a"));
        assert_eq!(sip_layout(&names).name_of("correlation_id"), Some("c"));
    }
}
