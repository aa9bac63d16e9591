//! Which tables of a database hold captures, and what their columns are called.

use super::ArchiveError;
use crate::message::FIELDS;
use std::collections::{BTreeMap, HashMap};

/// Beginning of the names of the tables that are read when the operator names none.
const DEFAULT_TABLES: &str = "sip_capture*";
/// Columns without which a table is no table of captures.
const NEEDED: [&str; 4] = ["callid", "micro_ts", "method", "msg"];
/// A table's name and its columns' names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableColumns {
    /// Name, with the schema before it where it is not the current one.
    pub table: String,
    /// Columns in the table's order.
    pub columns: Vec<String>,
}

impl TableColumns {
    /// Gathers (table, column) pairs that come table by table.
    pub fn group(pairs: impl IntoIterator<Item = (String, String)>) -> Vec<TableColumns> {
        let mut tables: Vec<TableColumns> = Vec::new();
        for (table, column) in pairs {
            match tables.last_mut() {
                Some(last) if last.table == table => last.columns.push(column),
                _ => tables.push(TableColumns { table, columns: vec![column] }),
            }
        }
        tables
    }
}

/// A table that holds captures, with what its columns are called.
pub struct CaptureTable {
    /// Name, with the schema before it where it needs one.
    pub name: String,
    columns: HashMap<String, String>,
}

impl CaptureTable {
    /// The table's own name for the column of this default name; `None` if it has no such column.
    pub fn column(&self, field: &str) -> Option<&str> {
        self.columns.get(field).map(String::as_str)
    }
}

/// The tables that match, or what the operator can do when none does.
pub fn choose_tables(
    present: &[TableColumns],
    wanted: &[String],
    renamed: &[(String, String)],
) -> Result<Vec<CaptureTable>, ArchiveError> {
    let patterns: Vec<String> = match wanted {
        [] => vec![DEFAULT_TABLES.to_owned()],
        wanted => wanted.iter().map(|name| table_pattern(name)).collect(),
    };
    let names: BTreeMap<&str, &str> = renamed.iter().map(|(field, name)| (field.as_str(), name.as_str())).collect();
    let mut tables = Vec::new();
    let mut unfit = Vec::new();
    for pattern in &patterns {
        let matching: Vec<&TableColumns> = present.iter().filter(|table| name_matches(pattern, &table.table)).collect();
        if matching.is_empty() && !wanted.is_empty() {
            return Err(ArchiveError::Tables(format!(
                "no table \"{pattern}\" in the database; it has {}",
                list(present)
            )));
        }
        for table in matching {
            let columns = column_names(table, &names);
            let Some(missing) = NEEDED.iter().find(|needed| !columns.contains_key(**needed)) else {
                tables.push(CaptureTable { name: table.table.clone(), columns });
                continue;
            };
            let why = format!(
                "table \"{}\" has no column \"{}\"; if it is called otherwise, say --column {missing}=NAME",
                table.table,
                names.get(missing).unwrap_or(missing)
            );
            // What a pattern finds may hold something else; a table that was named may not.
            if !pattern.contains('*') {
                return Err(ArchiveError::Tables(why));
            }
            unfit.push(why);
        }
    }
    tables.sort_by(|a, b| a.name.cmp(&b.name));
    tables.dedup_by(|a, b| a.name == b.name);
    match (tables.is_empty(), unfit.first()) {
        (false, _) => Ok(tables),
        (true, Some(why)) => Err(ArchiveError::Tables(why.clone())),
        (true, None) => Err(ArchiveError::Tables(format!(
            "no table whose name starts with \"sip_capture\" in the database; it has {}. Name yours with --table.",
            list(present)
        ))),
    }
}

fn list(tables: &[TableColumns]) -> String {
    match tables.len() {
        0 => "no tables".to_owned(),
        count => {
            let names: Vec<&str> = tables.iter().take(12).map(|table| table.table.as_str()).collect();
            format!("{}{}", names.join(", "), if count > 12 { ", ..." } else { "" })
        }
    }
}

/// Maps the default name of each field that the table has to the column's own name.
fn column_names(table: &TableColumns, renamed: &BTreeMap<&str, &str>) -> HashMap<String, String> {
    let fields = FIELDS.iter().copied().chain(["date"]);
    fields
        .filter_map(|field| {
            let name = *renamed.get(field).unwrap_or(&field);
            let column = table.columns.iter().find(|column| column.eq_ignore_ascii_case(name))?;
            Some((field.to_owned(), column.clone()))
        })
        .collect()
}

/// A table name with every strftime conversion replaced by `*`.
fn table_pattern(name: &str) -> String {
    let mut pattern = String::new();
    let mut characters = name.chars();
    while let Some(character) = characters.next() {
        match character {
            '%' => pattern.push(if characters.next() == Some('%') { '%' } else { '*' }),
            other => pattern.push(other),
        }
    }
    pattern
}

/// Whether `name` matches `pattern`, in which `*` stands for any run of characters.
fn name_matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, rest)) => name.strip_prefix(head).is_some_and(|tail| {
            (0..=tail.len()).any(|skip| tail.is_char_boundary(skip) && name_matches(rest, &tail[skip..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str, columns: &[&str]) -> TableColumns {
        TableColumns { table: name.into(), columns: columns.iter().map(|column| (*column).into()).collect() }
    }

    fn chosen(present: &[TableColumns], wanted: &[&str], renamed: &[(&str, &str)]) -> Result<Vec<String>, String> {
        let wanted: Vec<String> = wanted.iter().map(|name| (*name).into()).collect();
        let renamed: Vec<(String, String)> = renamed.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect();
        choose_tables(present, &wanted, &renamed)
            .map(|tables| tables.into_iter().map(|table| table.name).collect())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn every_table_of_captures_is_read_unless_some_are_named() {
        let present = [
            table("rtcp_capture", &["micro_ts", "msg"]),
            table("sip_capture_call_20261121", &["id", "date", "micro_ts", "method", "callid", "msg"]),
            table("sip_capture_rest_20261121", &["id", "date", "micro_ts", "method", "callid", "msg"]),
            table("sip_capture_notes", &["note"]),
        ];
        let all = chosen(&present, &[], &[]).unwrap();
        assert_eq!(all, ["sip_capture_call_20261121", "sip_capture_rest_20261121"]);
        assert_eq!(chosen(&present, &["sip_capture_call_%Y%m%d"], &[]).unwrap(), ["sip_capture_call_20261121"]);
        assert_eq!(chosen(&present, &["*rest*"], &[]).unwrap(), ["sip_capture_rest_20261121"]);
        let error = chosen(&present, &["*rest*", "sip_capture_notes"], &[]).unwrap_err();
        assert!(error.contains("\"sip_capture_notes\" has no column \"callid\""), "{error}");
    }

    #[test]
    fn a_table_that_is_not_there_is_named_beside_those_that_are() {
        let present = [table("homer", &["callid"])];
        let error = chosen(&present, &["sip_trace"], &[]).unwrap_err();
        assert!(error.contains("\"sip_trace\"") && error.contains("homer"), "{error}");
        let error = chosen(&present, &[], &[]).unwrap_err();
        assert!(error.contains("sip_capture") && error.contains("--table"), "{error}");
        let error = chosen(&[], &[], &[]).unwrap_err();
        assert!(error.contains("no tables"), "{error}");
    }

    #[test]
    fn renamed_columns_are_found_under_their_names() {
        let present = [table("sip_capture", &["call_id", "ts", "method", "msg"])];
        let error = chosen(&present, &[], &[]).unwrap_err();
        assert!(error.contains("\"callid\"") && error.contains("--column callid=NAME"), "{error}");
        let tables = chosen(&present, &[], &[("callid", "call_id"), ("micro_ts", "ts")]).unwrap();
        assert_eq!(tables, ["sip_capture"]);
    }
}
