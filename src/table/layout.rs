//! Layouts: the columns of a row in the order of the INSERT, under the names that the operator gave them.

use super::column::{ColumnKind, ColumnSpec, Kind, ReportValue, SipValue, TraceValue};
use super::dialect::RowDialect;
use super::{homer5, sip_trace};
use std::collections::BTreeMap;

/// One column of a layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its default name, which says what it is whatever the operator calls it.
    pub key: &'static str,
    /// Its name in the database (parameter `<default name>_column`).
    pub name: String,
    /// What it holds.
    pub kind: ColumnKind,
    /// Whether tables may lack it without a warning.
    pub is_optional: bool,
}

/// The columns of a row, in the order of the INSERT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// One for each value of the row.
    pub columns: Vec<Column>,
}

impl Layout {
    /// The database's name of the column whose default name is `key`; `None` if this layout has no such column.
    pub fn name_of(&self, key: &str) -> Option<&str> {
        self.columns.iter().find(|column| column.key == key).map(|column| column.name.as_str())
    }
}

/// What the operator calls columns: names by parameter.
type Names = BTreeMap<&'static str, String>;

fn parameters<V>(columns: &'static [ColumnSpec<V>]) -> impl Iterator<Item = &'static str> {
    columns.iter().map(|column| column.parameter).filter(|parameter| !parameter.is_empty())
}

/// Takes the value of one parameter, if there is such a one among `known`.
fn set(names: &mut Names, mut known: impl Iterator<Item = &'static str>, parameter: &str, name: &str) -> bool {
    let found = known.find(|known| *known == parameter);
    found.map(|parameter| names.insert(parameter, name.to_owned())).is_some()
}

fn layout<V: Kind>(columns: &'static [ColumnSpec<V>], names: &Names) -> Layout {
    let column = |spec: &ColumnSpec<V>| Column {
        key: spec.key,
        name: names.get(spec.parameter).map_or(spec.key, String::as_str).to_owned(),
        kind: spec.value.kind(),
        is_optional: spec.is_optional,
    };
    Layout { columns: columns.iter().map(column).collect() }
}

/// The columns of a capture node's rows and what the operator calls them: the values of the `*_column` parameters.
/// Reports and SIP messages share the parameters of the columns that both have.
#[derive(Clone, Debug)]
pub struct ColumnNames {
    sip: &'static [ColumnSpec<SipValue>],
    report: &'static [ColumnSpec<ReportValue>],
    names: Names,
}

impl Default for ColumnNames {
    /// The columns of the tables that `create_tables` makes, every one under its default name.
    fn default() -> ColumnNames {
        ColumnNames { sip: homer5::SIP, report: homer5::REPORT, names: Names::new() }
    }
}

impl ColumnNames {
    /// The columns of this dialect, every one under its default name.
    pub fn of(dialect: &RowDialect) -> ColumnNames {
        ColumnNames { sip: dialect.sip, report: dialect.report, names: Names::new() }
    }

    /// The parameter names, in the order of the columns: `date_column`, `micro_ts_column`, ...; those of reports alone
    /// behind them.
    pub fn parameters(&self) -> impl Iterator<Item = &'static str> {
        let sip = self.sip;
        let is_new = move |parameter: &&str| !sip.iter().any(|column| column.parameter == *parameter);
        parameters(self.sip).chain(parameters(self.report).filter(is_new))
    }

    /// Takes the value of one `*_column` parameter; false if there is no such parameter.
    pub fn set(&mut self, parameter: &str, name: &str) -> bool {
        let known = parameters(self.sip).chain(parameters(self.report));
        set(&mut self.names, known, parameter, name)
    }
}

/// The columns of a capture agent's rows and what the operator calls them.
#[derive(Clone, Debug)]
pub struct TraceColumnNames {
    trace: &'static [ColumnSpec<TraceValue>],
    names: Names,
}

impl Default for TraceColumnNames {
    /// The columns of the table that `create_tables` makes, every one under its default name.
    fn default() -> TraceColumnNames {
        TraceColumnNames { trace: sip_trace::TRACE, names: Names::new() }
    }
}

impl TraceColumnNames {
    /// The columns of this dialect, every one under its default name.
    pub fn of(dialect: &RowDialect) -> TraceColumnNames {
        TraceColumnNames { trace: dialect.trace, names: Names::new() }
    }

    /// The parameter names, in the order of the columns that have one.
    pub fn parameters(&self) -> impl Iterator<Item = &'static str> {
        parameters(self.trace)
    }

    /// Takes the value of one `*_column` parameter; false if there is no such parameter.
    pub fn set(&mut self, parameter: &str, name: &str) -> bool {
        set(&mut self.names, parameters(self.trace), parameter, name)
    }
}

/// The columns of a SIP message's row.
pub fn sip_layout(names: &ColumnNames) -> Layout {
    layout(names.sip, &names.names)
}

/// The columns of a report's row (`rtcp_capture`, `report_capture`, `logs_capture`).
pub fn report_layout(names: &ColumnNames) -> Layout {
    layout(names.report, &names.names)
}

/// The columns of a traced message's row (`sip_trace`).
pub fn trace_layout(names: &TraceColumnNames) -> Layout {
    layout(names.trace, &names.names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sip_row_has_44_columns_and_a_report_row_12() {
        let names = ColumnNames::default();
        assert_eq!(sip_layout(&names).columns.len(), 44);
        let report = report_layout(&names);
        let expected = [
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
        assert_eq!(report.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>(), expected);
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
        for parameter in ColumnNames::default().parameters() {
            assert!(names.set(parameter, &format!("x_{parameter}")), "{parameter}");
        }
        for column in sip_layout(&names).columns {
            let stem = match column.key {
                "correlation_id" => "correlation",
                "auth" => "authorization",
                key => key,
            };
            assert_eq!(column.name, format!("x_{stem}_column"));
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
