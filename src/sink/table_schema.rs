//! The table as it really is, and how the columns of a layout meet it.

use super::escape::TextWidth;
use crate::table::{ColumnKind, Layout, SqlDialect};
use std::collections::HashSet;
use std::time::Instant;

/// How many tables keep their plan. A strftime template makes new names for ever; old ones are hardly written again.
const KEPT_PLANS: usize = 64;

/// How many tables are remembered as warned about.
const KEPT_WARNINGS: usize = 4096;

/// What a column of a table takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ColumnType {
    /// Characters.
    Text(TextWidth),
    /// Bytes, at most so many.
    Binary(usize),
    /// Integers from the first to the second.
    Int(i64, i64),
    /// Local time without a zone.
    Time,
    /// A moment: the column knows time zones.
    Moment,
    /// Local time from 1970 to 2038, MySQL's TIMESTAMP.
    Timestamp,
    /// Anything else: the value's plain text, and the database judges.
    Other,
}

/// A table as the database describes it.
pub(super) struct TableSchema {
    /// Its name as SQL, quoted.
    pub sql_name: String,
    /// The columns that can be written.
    pub columns: Vec<SchemaColumn>,
    /// Whether INSERT DELAYED is asked for and possible.
    pub delayed: bool,
}

/// A column that the database says the table has.
#[derive(Clone, Debug)]
pub(super) struct SchemaColumn {
    pub name: String,
    pub kind: ColumnType,
}

/// A value of a row and the real column that it goes to.
#[derive(Clone, Debug)]
pub(super) struct ColumnTarget {
    /// Position in the row.
    pub value: usize,
    /// Whether the value is the whole message.
    pub message: bool,
    /// The column.
    pub column: SchemaColumn,
}

/// Matches the columns of `layout` to those of the table: by exact name, else regardless of ASCII case, as SQL does
/// with names that are not quoted. Also returns the names of those that the table lacks and should have.
pub(super) fn match_columns<'a>(layout: &'a Layout, real: &[SchemaColumn]) -> (Vec<ColumnTarget>, Vec<&'a str>) {
    let mut targets = Vec::with_capacity(layout.columns.len());
    let mut missing = Vec::new();
    for (value, column) in layout.columns.iter().enumerate() {
        let exact = real.iter().find(|real| real.name == column.name);
        match exact.or_else(|| real.iter().find(|real| real.name.eq_ignore_ascii_case(&column.name))) {
            Some(found) => {
                let message = column.kind == ColumnKind::Message;
                targets.push(ColumnTarget { value, message, column: found.clone() });
            }
            None if column.is_optional => {}
            None => missing.push(column.name.as_str()),
        }
    }
    (targets, missing)
}

/// The names of the targets, quoted, with commas between them: the column list of an INSERT or a COPY.
pub(super) fn column_list(dialect: SqlDialect, targets: &[ColumnTarget]) -> String {
    targets.iter().map(|target| dialect.quote(&target.column.name)).collect::<Vec<_>>().join(", ")
}

/// How to write rows of one layout to one table.
pub(super) struct InsertPlan<S> {
    pub targets: Vec<ColumnTarget>,
    /// When the table was looked at.
    pub made: Instant,
    /// The database's own: a prepared statement, the head of one.
    pub statement: S,
}

struct KnownTable<S> {
    table: String,
    /// A SIP and a report row may go to the same table; their layouts differ in length.
    width: usize,
    plan: InsertPlan<S>,
}

/// The plans in use, the one used last first.
pub(super) struct InsertPlans<S> {
    known: Vec<KnownTable<S>>,
}

impl<S> InsertPlans<S> {
    pub fn new() -> InsertPlans<S> {
        InsertPlans { known: Vec::new() }
    }

    /// The plan for rows of `width` values in `table`.
    pub fn get(&mut self, table: &str, width: usize) -> Option<&InsertPlan<S>> {
        let position = self.known.iter().position(|known| known.width == width && known.table == table)?;
        self.known[..=position].rotate_right(1);
        Some(&self.known[0].plan)
    }

    /// Remembers a plan, and forgets the one that was not used for longest.
    pub fn insert(&mut self, table: &str, width: usize, plan: InsertPlan<S>) {
        self.known.truncate(KEPT_PLANS - 1);
        self.known.insert(0, KnownTable { table: table.to_owned(), width, plan });
    }

    /// Forgets the plans for `table`.
    pub fn forget(&mut self, table: &str) {
        self.known.retain(|known| known.table != table);
    }
}

/// Says once a table which columns it lacks.
pub(super) struct MissingColumns {
    warned: HashSet<(String, usize)>,
}

impl MissingColumns {
    pub fn new() -> MissingColumns {
        MissingColumns { warned: HashSet::new() }
    }

    /// Warns that `table` lacks `missing` of the `width` columns, the first time.
    pub fn warn(&mut self, table: &str, width: usize, missing: &[&str]) {
        if !missing.is_empty() && self.is_first(table, width) {
            log::warn!("table {table} lacks the columns {}: their values are not stored", missing.join(", "));
        }
    }

    fn is_first(&mut self, table: &str, width: usize) -> bool {
        if self.warned.len() == KEPT_WARNINGS {
            self.warned.clear();
        }
        self.warned.insert((table.to_owned(), width))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{ColumnNames, report_layout};

    fn real(names: &[&str]) -> Vec<SchemaColumn> {
        names.iter().map(|name| SchemaColumn { name: (*name).to_owned(), kind: ColumnType::Other }).collect()
    }

    #[test]
    fn columns_match_by_exact_name_first_and_then_regardless_of_case() {
        let layout = report_layout(&ColumnNames::default());
        let (targets, missing) = match_columns(&layout, &real(&["id", "MSG", "Date", "date", "NODE"]));
        let found: Vec<_> = targets.iter().map(|target| (target.value, target.column.name.as_str())).collect();
        assert_eq!(found, [(0, "date"), (10, "NODE"), (11, "MSG")]);
        assert_eq!(missing.len(), 9);
        assert_eq!(missing[..2], ["micro_ts", "correlation_id"]);
    }

    #[test]
    fn an_optional_column_is_written_where_the_table_has_it_and_not_missed_where_it_lacks_it() {
        let mut layout = report_layout(&ColumnNames::default());
        layout.columns[11].is_optional = true;
        let (targets, missing) = match_columns(&layout, &real(&["msg"]));
        assert_eq!((targets.len(), targets[0].value, missing.len()), (1, 11, 11));
        let (targets, missing) = match_columns(&layout, &real(&["node"]));
        assert_eq!((targets.len(), targets[0].value, missing.len()), (1, 10, 10));
    }

    #[test]
    fn a_table_is_warned_about_once_for_each_layout() {
        let mut missing = MissingColumns::new();
        assert!(missing.is_first("a", 44));
        assert!(missing.is_first("a", 12) && missing.is_first("b", 44));
        assert!(!missing.is_first("a", 44));
        for number in 0..2 * KEPT_WARNINGS {
            assert!(missing.is_first(&number.to_string(), 44));
            assert!(missing.warned.len() <= KEPT_WARNINGS);
        }
    }

    #[test]
    fn the_plan_that_was_not_used_for_longest_is_forgotten() {
        let mut plans = InsertPlans::new();
        for number in 0..=KEPT_PLANS {
            plans.insert(
                &number.to_string(),
                44,
                InsertPlan { targets: Vec::new(), made: Instant::now(), statement: number },
            );
            assert_eq!(plans.get("0", 44).map(|plan| plan.statement), Some(0));
        }
        assert!(plans.get("1", 44).is_none());
        assert!(plans.get("0", 12).is_none());
        plans.forget("0");
        assert!(plans.get("0", 44).is_none());
    }
}
