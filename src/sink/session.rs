//! What every database's sink does alike: connect, look at the table, write, and start over when something has changed.

use super::options::SinkOptions;
use super::table_schema::{ColumnTarget, InsertPlan, InsertPlans, MissingColumns, TableSchema, match_columns};
use super::write::{Sink, SinkError, Written};
use crate::table::{Layout, Row, SqlDialect, ddl};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

/// Why a database did not do what it was asked.
#[derive(Debug)]
pub(super) enum Fault {
    /// The connection is lost, or the database cannot write now.
    Unavailable(String),
    /// The connection was already dead when the write began: nothing of it was sent.
    Lost(String),
    /// The database refuses these rows.
    Rejected(String),
    /// The table is missing or may not be written, whatever the rows are.
    TableUnusable(String),
    /// The database has given up waiting for a lock on the table, and taken back what was begun.
    TableLocked(String),
    /// The database refuses these rows, and it may be because the table is not what it was: look again.
    Changed(String),
}

/// A connection to a database.
pub(super) trait Session: Sized {
    /// What it takes to connect.
    type Address: Send;
    /// What is prepared once for a table; dies with the connection.
    type Statement: Send;
    /// The SQL that it speaks.
    const DIALECT: SqlDialect;

    /// Connects.
    fn connect(address: &Self::Address, options: &SinkOptions) -> Result<Self, Fault>;

    /// Whether the connection still leads to the database: a cheap look before each write.
    fn is_current(&self) -> bool {
        true
    }

    /// Looks at `table`; `None` if there is no such table.
    fn describe(&mut self, table: &str) -> Result<Option<TableSchema>, Fault>;

    /// Runs the statements that create a table.
    fn create(&mut self, statements: &[String]) -> Result<(), Fault>;

    /// Prepares to write `targets` of `table`.
    fn prepare(&mut self, table: &TableSchema, targets: &[ColumnTarget]) -> Result<Self::Statement, Fault>;

    /// Writes all rows or none.
    fn insert(&mut self, plan: &InsertPlan<Self::Statement>, rows: &[Row<'_>]) -> Result<Written, Fault>;
}

/// A sink over a [`Session`] that comes and goes.
pub(super) struct Reconnecting<S: Session> {
    address: S::Address,
    /// The URL as logs may show it.
    shown_url: String,
    options: SinkOptions,
    session: Option<S>,
    plans: InsertPlans<S::Statement>,
    missing: MissingColumns,
}

impl<S: Session> Reconnecting<S> {
    pub fn new(address: S::Address, shown_url: String, options: SinkOptions) -> Reconnecting<S> {
        let (plans, missing) = (InsertPlans::new(), MissingColumns::new());
        Reconnecting { address, shown_url, options, session: None, plans, missing }
    }

    fn disconnect(&mut self) {
        self.plans = InsertPlans::new();
        self.session = None;
    }

    /// As [`Reconnecting::try_write`]. A row that makes a driver panic is refused as one that the database refuses:
    /// otherwise the writer would die of it, read it again and die again.
    fn contained_write(&mut self, table: &str, layout: &Layout, rows: &[Row<'_>]) -> Result<Written, Fault> {
        let write = AssertUnwindSafe(|| self.try_write(table, layout, rows));
        catch_unwind(write).unwrap_or_else(|_| {
            // The state of the connection is not known.
            self.disconnect();
            Err(Fault::Rejected("the database driver panicked, which is a fault of this module".to_owned()))
        })
    }

    fn try_write(&mut self, table: &str, layout: &Layout, rows: &[Row<'_>]) -> Result<Written, Fault> {
        if self.session.as_ref().is_some_and(|session| !session.is_current()) {
            self.disconnect();
        }
        let session = match &mut self.session {
            Some(session) => session,
            none => none.insert(contained_connect(&self.address, &self.options)?),
        };
        let width = layout.columns.len();
        if self.plans.get(table, width).is_some_and(|plan| plan.made.elapsed() > self.options.look_again) {
            self.plans.forget(table);
        }
        if self.plans.get(table, width).is_none() {
            let real = existing_table(session, table, layout, self.options.create_tables)?;
            let (targets, missing) = match_columns(layout, &real.columns);
            if targets.is_empty() {
                return Err(Fault::Rejected(format!("table {table} has none of the columns {}", missing.join(", "))));
            }
            self.missing.warn(table, width, &missing);
            let statement = session.prepare(&real, &targets)?;
            self.plans.insert(table, width, InsertPlan { targets, made: Instant::now(), statement });
        }
        match self.plans.get(table, width) {
            Some(plan) => session.insert(plan, rows),
            None => Err(Fault::Rejected(format!("table {table} has no plan"))),
        }
    }
}

/// Connects. A driver that panics over a server's answer has not seen a row yet: none is to be refused for it.
fn contained_connect<S: Session>(address: &S::Address, options: &SinkOptions) -> Result<S, Fault> {
    let connect = AssertUnwindSafe(|| S::connect(address, options));
    catch_unwind(connect).unwrap_or_else(|_| {
        Err(Fault::Unavailable(
            "the database driver panicked while connecting, which is a fault of this module".to_owned(),
        ))
    })
}

/// The table that `table` names, which is created first if it is missing and may be.
fn existing_table<S: Session>(
    session: &mut S,
    table: &str,
    layout: &Layout,
    create: bool,
) -> Result<TableSchema, Fault> {
    if let Some(real) = session.describe(table)? {
        return Ok(real);
    }
    let absent = || {
        Fault::TableUnusable(format!(
            "table {table} does not exist; create it (`sipcapture schema` prints the statements) or set create_tables to 1"
        ))
    };
    if !create {
        return Err(absent());
    }
    log::info!("creating table {table}");
    let created = session.create(&ddl::create_table(S::DIALECT, table, layout));
    // Another thread or server may have created it at the same moment: what counts is whether it is there.
    match (session.describe(table)?, created) {
        (Some(real), _) => Ok(real),
        (None, Err(Fault::Rejected(why) | Fault::Changed(why))) => {
            Err(Fault::TableUnusable(format!("table {table} does not exist and cannot be created: {why}")))
        }
        (None, Err(fault)) => Err(fault),
        (None, Ok(())) => Err(absent()),
    }
}

impl<S: Session + Send> Sink for Reconnecting<S> {
    fn write(&mut self, table: &str, layout: &Layout, rows: &[Row<'_>]) -> Result<Written, SinkError> {
        if rows.is_empty() {
            return Ok(Written::default());
        }
        if let Some(row) = rows.iter().find(|row| row.len() != layout.columns.len()) {
            let (has, wants) = (row.len(), layout.columns.len());
            return Err(SinkError::Rejected(format!("a row for table {table} has {has} values instead of {wants}")));
        }
        let mut outcome = self.contained_write(table, layout, rows);
        if matches!(outcome, Err(Fault::Lost(_))) {
            self.disconnect();
            outcome = self.contained_write(table, layout, rows);
        }
        if matches!(outcome, Err(Fault::Changed(_))) {
            self.plans.forget(table);
            outcome = self.contained_write(table, layout, rows);
        }
        outcome.map_err(|fault| match fault {
            Fault::Unavailable(why) | Fault::Lost(why) => {
                self.disconnect();
                SinkError::Unavailable(format!("{}: {why}", self.shown_url))
            }
            Fault::Rejected(why) | Fault::Changed(why) => SinkError::Rejected(why),
            Fault::TableUnusable(why) => SinkError::TableUnusable(why),
            Fault::TableLocked(why) => SinkError::TableLocked(format!("{}: {why}", self.shown_url)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::table_schema::{ColumnType, SchemaColumn};
    use crate::table::{ColumnNames, Value, report_layout};

    /// Panics over one row, and takes all others.
    struct Touchy;

    impl Session for Touchy {
        type Address = ();
        type Statement = ();
        const DIALECT: SqlDialect = SqlDialect::Sqlite;

        fn connect((): &(), _: &SinkOptions) -> Result<Touchy, Fault> {
            Ok(Touchy)
        }

        fn describe(&mut self, table: &str) -> Result<Option<TableSchema>, Fault> {
            let columns = vec![SchemaColumn { name: "msg".to_owned(), kind: ColumnType::Other }];
            Ok(Some(TableSchema { sql_name: table.to_owned(), columns, delayed: false }))
        }

        fn create(&mut self, _: &[String]) -> Result<(), Fault> {
            Ok(())
        }

        fn prepare(&mut self, _: &TableSchema, _: &[ColumnTarget]) -> Result<(), Fault> {
            Ok(())
        }

        fn insert(&mut self, _: &InsertPlan<()>, rows: &[Row<'_>]) -> Result<Written, Fault> {
            if rows.iter().any(|row| row.last() == Some(&Value::Bytes(b"poison"))) {
                std::panic::resume_unwind(Box::new("a panic without its noise"));
            }
            Ok(Written::default())
        }
    }

    #[test]
    fn a_row_that_makes_a_driver_panic_is_refused_and_the_next_one_is_taken() {
        let layout = report_layout(&ColumnNames::default());
        let row = |message| -> Row<'static> {
            let mut row: Row<'static> = vec![Value::Int(0); layout.columns.len() - 1];
            row.push(Value::Bytes(message));
            row
        };
        let mut sink = Reconnecting::<Touchy>::new((), "touchy".to_owned(), SinkOptions::default());
        let refused = sink.write("t", &layout, &[row(b"poison")]);
        assert!(matches!(refused, Err(SinkError::Rejected(_))), "{refused:?}");
        assert!(sink.write("t", &layout, &[row(b"good")]).is_ok());
    }
}
