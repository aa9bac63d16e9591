//! `sipcapture schema`: the statements that create a table of captures.

use crate::session::{CommandResult, Error};
use crate::terminal::print;
use clap::{Args, ValueEnum};
use serde_json::json;
use sipcapture_core::table::{ColumnNames, Layout, SqlDialect, ddl, report_layout, sip_layout};

/// Name of the table when none is asked for.
const DEFAULT_TABLE: &str = "sip_capture";

/// Which schema to print.
#[derive(Args, Clone, Debug)]
pub struct SchemaOptions {
    /// The SQL to write it in
    #[arg(long, value_enum, default_value_t)]
    dialect: DialectName,
    /// The table of reports, RTCP summaries and log lines (12 columns) instead of SIP messages (44 columns)
    #[arg(long)]
    report: bool,
}

/// The databases that there is a schema for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum DialectName {
    /// SQLite
    #[default]
    Sqlite,
    /// PostgreSQL
    #[value(alias = "postgresql")]
    Postgres,
    /// MySQL and MariaDB
    #[value(alias = "mariadb")]
    Mysql,
}

impl From<DialectName> for SqlDialect {
    fn from(name: DialectName) -> SqlDialect {
        match name {
            DialectName::Sqlite => SqlDialect::Sqlite,
            DialectName::Postgres => SqlDialect::Postgres,
            DialectName::Mysql => SqlDialect::Mysql,
        }
    }
}

/// Prints the statements for each of `tables`, or for `sip_capture`, under the column names that the operator uses.
/// Needs no database.
pub fn run(options: &SchemaOptions, tables: &[String], renamed: &[(String, String)], as_json: bool) -> CommandResult {
    let names = ColumnNames::default();
    let mut layout = if options.report { report_layout(&names) } else { sip_layout(&names) };
    rename(&mut layout, renamed);
    let dialect = SqlDialect::from(options.dialect);
    let default = [DEFAULT_TABLE.to_owned()];
    let tables = if tables.is_empty() { &default[..] } else { tables };
    let statements: Vec<String> = tables.iter().flat_map(|table| ddl::create_table(dialect, table, &layout)).collect();
    let text = match as_json {
        true => format!("{:#}\n", json!({ "dialect": dialect.name(), "tables": tables, "statements": statements })),
        false => statements.iter().map(|statement| format!("{statement};\n")).collect(),
    };
    print(text).map_err(|error| Error::Write("standard output".into(), error))
}

/// Gives columns the names that the operator uses: `renamed` holds pairs of a default name and the other one.
pub fn rename(layout: &mut Layout, renamed: &[(String, String)]) {
    for column in &mut layout.columns {
        if let Some((_, name)) = renamed.iter().find(|(field, _)| field == column.key) {
            column.name.clone_from(name);
        }
    }
}
