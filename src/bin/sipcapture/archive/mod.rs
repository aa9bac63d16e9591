//! The captured rows, whichever database and tables they lie in. Subcommands ask here and nowhere else.

mod mysql;
mod postgres;
mod recent;
pub mod sql;
mod sqlite;
mod tables;
#[cfg(test)]
mod tests;
mod text;

pub use self::recent::{Beginning, CallFilter};

use self::recent::{DateForms, recent_query};
use self::sql::{ColumnValue, SqlQuery};
use self::tables::{CaptureTable, TableColumns, choose_tables};
use self::text::message_bytes;
use crate::message::{FIELDS, MESSAGE_FIELD, Message, ROW_FIELD};
use crate::order;
use crate::warnings::say_warnings;
use sipcapture_core::module::EMBEDDED_URL;
use sipcapture_core::sink::{DatabaseUrl, Deadlines, UrlError, check};
use sipcapture_core::table::SqlDialect;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

/// Values in one IN list: within what each of the databases takes.
const IN_LIST: usize = 200;
/// A correlation id that more Call-IDs than this share does not stand for one call, and is ignored.
const MOST_LEGS: usize = 32;
/// How long a connection may take to be opened; the time of an answer is not limited.
const DEADLINES: Deadlines = Deadlines { connect: Duration::from_secs(10), silence: None };

/// What went wrong with the database.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It could not be opened.
    #[error(
        "cannot open {what}: {why}\nName the database with --db, for example --db {EMBEDDED_URL}, \
         --db postgres://user@host/name or --db mysql://user@host/name."
    )]
    Open {
        /// Path or URL, without a password.
        what: String,
        /// The operating system's or the driver's reason.
        why: String,
    },
    /// Its URL cannot be read.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// A statement failed.
    #[error("cannot read: {0}")]
    Read(String),
    /// There is no table to read.
    #[error("{0}")]
    Tables(String),
}

impl ArchiveError {
    fn read(error: rusqlite::Error) -> ArchiveError {
        ArchiveError::Read(error.to_string())
    }
}

/// One of the three databases.
trait Database {
    /// Which SQL it speaks.
    fn dialect(&self) -> SqlDialect;
    /// Every table with its columns, by name.
    fn tables(&mut self) -> Result<Vec<TableColumns>, ArchiveError>;
    /// Runs a SELECT.
    fn select(&mut self, query: &SqlQuery) -> Result<Vec<Vec<ColumnValue>>, ArchiveError>;
}

/// An open database and its tables of captures.
pub struct Archive {
    database: Box<dyn Database>,
    tables: Vec<CaptureTable>,
}

impl Archive {
    /// Opens the database at `url` and finds its tables of captures: those that match one of `tables` (`*` and strftime
    /// conversions stand for anything), or all whose name starts with `sip_capture`. `renamed` holds pairs of a
    /// column's default name and the name that the operator gave it.
    pub fn open(url: &str, tables: &[String], renamed: &[(String, String)]) -> Result<Archive, ArchiveError> {
        let mut database = connect(url)?;
        let present = database.tables()?;
        let tables = choose_tables(&present, tables, renamed)?;
        Ok(Archive { database, tables })
    }

    /// Call-IDs of the `limit` newest dialogs that pass `filter`, newest first.
    pub fn recent(&mut self, filter: &CallFilter, limit: usize) -> Result<Vec<String>, ArchiveError> {
        let mut newest: HashMap<String, i64> = HashMap::new();
        for index in 0..self.tables.len() {
            for (call_id, time) in self.recent_of_table(index, filter, limit)? {
                let latest = newest.entry(call_id).or_insert(time);
                *latest = time.max(*latest);
            }
        }
        let mut calls: Vec<(String, i64)> = newest.into_iter().collect();
        calls.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        Ok(calls.into_iter().take(limit).map(|(call_id, _)| call_id).collect())
    }

    /// Reads the newest rows of one table, more of them until they hold `limit` Call-IDs: the `date` index serves this
    /// without a look at the rest of the table, which grouping by Call-ID would need.
    fn recent_of_table(
        &mut self,
        index: usize,
        filter: &CallFilter,
        limit: usize,
    ) -> Result<Vec<(String, i64)>, ArchiveError> {
        let table = &self.tables[index];
        let dates = if filter.has_bounds() { date_forms(self.database.as_mut(), table)? } else { DateForms::Text };
        let mut rows_wanted = limit.saturating_mul(8).max(200);
        loop {
            let query = recent_query(self.database.dialect(), table, filter, dates, rows_wanted);
            let rows = self.database.select(&query)?;
            let calls: BTreeSet<String> = rows.iter().map(|row| row[0].text()).collect();
            if calls.len() >= limit || rows.len() < rows_wanted {
                return Ok(rows.iter().map(|row| (row[0].text(), row[1].int())).collect());
            }
            rows_wanted = rows_wanted.saturating_mul(4);
        }
    }

    /// All rows with one of these Call-IDs, in the order of [`order`]; `whole` also fetches the messages themselves.
    pub fn messages(&mut self, call_ids: &[String], whole: bool) -> Result<Vec<Message>, ArchiveError> {
        let mut messages = self.rows_of(call_ids, whole)?;
        if !whole {
            // Messages with equal times are ordered by headers for which there is no column.
            let wanted: Vec<(String, i64)> = order::equal_times(&messages).into_iter().collect();
            let fetched = self.whole_rows_at(&wanted)?;
            let is_fetched: HashSet<_> = fetched.iter().map(|row| (row.call_id.as_str(), row.micro_ts)).collect();
            messages.retain(|row| !is_fetched.contains(&(row.call_id.as_str(), row.micro_ts)));
            messages.extend(fetched);
        }
        order::sort(&mut messages);
        if !whole {
            messages.iter_mut().for_each(|message| message.payload = Vec::new());
        }
        Ok(messages)
    }

    /// The Call-ID itself, when it is there. One that ends in `…`, `...` or `*` may be the beginning of one: it must be
    /// of one only.
    pub fn resolve(&mut self, call_id: &str) -> Result<Result<String, CallNotFound>, ArchiveError> {
        if self.exists(call_id)? {
            return Ok(Ok(call_id.to_owned()));
        }
        let beginning =
            ["…", "...", "*"].iter().find_map(|end| call_id.strip_suffix(end)).filter(|text| !text.is_empty());
        let Some(beginning) = beginning else { return Ok(Err(CallNotFound::None)) };
        let filter = CallFilter {
            call_id: Some(format!("{}*", beginning.trim_end_matches('*'))),
            beginning: Beginning::Any,
            ..CallFilter::default()
        };
        let mut found = self.recent(&filter, 6)?;
        Ok(match found.len() {
            0 => Err(CallNotFound::None),
            1 => Ok(found.remove(0)),
            _ => Err(CallNotFound::Several(found)),
        })
    }

    fn exists(&mut self, call_id: &str) -> Result<bool, ArchiveError> {
        for table in &self.tables {
            let mut query = SqlQuery::new(self.database.dialect());
            query.push("SELECT 1 FROM ").table(&table.name).push(" WHERE ");
            query.one_of(table.column("callid").unwrap_or("callid"), &[call_id.to_owned()]).push(" LIMIT 1");
            if !self.database.select(&query)?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The Call-IDs that share a correlation id with `call_id`, and itself. An id that joins more than [`MOST_LEGS`] of
    /// them joins nothing.
    pub fn legs(&mut self, call_id: &str) -> Result<Vec<String>, ArchiveError> {
        let mut legs = vec![call_id.to_owned()];
        let mut asked: BTreeSet<String> = BTreeSet::new();
        let mut unread = legs.clone();
        while !unread.is_empty() {
            let correlations = self.distinct("correlation_id", "callid", &unread)?;
            unread.clear();
            for correlation in correlations {
                if !asked.insert(correlation.clone()) {
                    continue;
                }
                let joined = self.distinct("callid", "correlation_id", &[correlation])?;
                let new: Vec<String> = joined.into_iter().filter(|found| !legs.contains(found)).collect();
                if legs.len() + new.len() <= MOST_LEGS {
                    legs.extend(new.iter().cloned());
                    unread.extend(new);
                }
            }
        }
        Ok(legs)
    }

    /// What stands in `field` of the rows with one of `values` in another field, empty ones left out; of more than
    /// [`MOST_LEGS`] in one table, one more than that.
    fn distinct(&mut self, field: &str, by: &str, values: &[String]) -> Result<BTreeSet<String>, ArchiveError> {
        let mut found = BTreeSet::new();
        for table in &self.tables {
            let (Some(column), Some(by)) = (table.column(field), table.column(by)) else { continue };
            let mut query = SqlQuery::new(self.database.dialect());
            query.push("SELECT DISTINCT ").name(column).push(" FROM ").table(&table.name).push(" WHERE ");
            query.one_of(by, values).push(&format!(" LIMIT {}", MOST_LEGS + 1));
            found.extend(self.database.select(&query)?.iter().map(|row| row[0].text()).filter(|text| !text.is_empty()));
        }
        Ok(found)
    }

    fn rows_of(&mut self, call_ids: &[String], whole: bool) -> Result<Vec<Message>, ArchiveError> {
        let mut messages = Vec::new();
        for index in 0..self.tables.len() {
            for call_ids in call_ids.chunks(IN_LIST) {
                messages.extend(self.rows_of_table(index, call_ids, &[], whole)?);
            }
        }
        Ok(messages)
    }

    /// All rows with one of these Call-IDs and the time beside it, with the messages themselves.
    fn whole_rows_at(&mut self, wanted: &[(String, i64)]) -> Result<Vec<Message>, ArchiveError> {
        let mut messages = Vec::new();
        for wanted in wanted.chunks(IN_LIST) {
            let (mut call_ids, times): (Vec<String>, Vec<i64>) = wanted.iter().cloned().unzip();
            call_ids.dedup();
            let wanted: HashSet<_> = wanted.iter().map(|(call_id, time)| (call_id.as_str(), *time)).collect();
            for index in 0..self.tables.len() {
                let rows = self.rows_of_table(index, &call_ids, &times, true)?;
                messages.extend(rows.into_iter().filter(|row| wanted.contains(&(row.call_id.as_str(), row.micro_ts))));
            }
        }
        Ok(messages)
    }

    /// The rows of one table with one of these Call-IDs and, if there are any, one of these times.
    fn rows_of_table(
        &mut self,
        index: usize,
        call_ids: &[String],
        times: &[i64],
        whole: bool,
    ) -> Result<Vec<Message>, ArchiveError> {
        let table = &self.tables[index];
        let Some(column) = table.column("callid") else { return Ok(Vec::new()) };
        let mut query = SqlQuery::new(self.database.dialect());
        select_fields(&mut query, table, whole);
        query.push(" FROM ").table(&table.name).push(" WHERE ").one_of(column, call_ids);
        if let Some(column) = table.column("micro_ts").filter(|_| !times.is_empty()) {
            query.push(" AND ").one_of(column, times);
        }
        let rows = self.database.select(&query)?.into_iter().map(|mut row| {
            let payload = message_bytes(row.pop().unwrap_or(ColumnValue::Null), self.database.dialect());
            Message::from_cells(row, payload, &table.name)
        });
        Ok(rows.collect())
    }
}

/// Why no call was found for a Call-ID.
#[derive(Debug, PartialEq, Eq)]
pub enum CallNotFound {
    /// No row has it.
    None,
    /// It is the beginning of all these.
    Several(Vec<String>),
}

/// In which forms the table's dates are. Only SQLite has more than one, and looks them up in the index.
fn date_forms(database: &mut dyn Database, table: &CaptureTable) -> Result<DateForms, ArchiveError> {
    let (SqlDialect::Sqlite, Some(date)) = (database.dialect(), table.column("date")) else {
        return Ok(DateForms::Text);
    };
    let mut has = |operator: &str| {
        let mut query = SqlQuery::new(SqlDialect::Sqlite);
        query.push("SELECT 1 FROM ").table(&table.name).push(" WHERE ").name(date).push(operator).push(" LIMIT 1");
        Ok::<bool, ArchiveError>(!database.select(&query)?.is_empty())
    };
    // In SQLite's order every number stands before every text.
    Ok(match (has(" >= ''")?, has(" < ''")?) {
        (true, true) => DateForms::Both,
        (false, true) => DateForms::JulianDays,
        (_, false) => DateForms::Text,
    })
}

fn select_fields(query: &mut SqlQuery, table: &CaptureTable, whole: bool) {
    query.push("SELECT ");
    for (index, field) in FIELDS.iter().enumerate() {
        query.push(if index == 0 { "" } else { ", " });
        match table.column(field).filter(|_| whole || *field != MESSAGE_FIELD) {
            // Whatever its type is; one that is no number becomes none.
            Some(column) if *field == ROW_FIELD && query.dialect() == SqlDialect::Postgres => {
                query.name(column).push("::text")
            }
            Some(column) => query.name(column),
            None => query.push("NULL"),
        };
    }
}

/// Reads what `--db` takes: a URL, or a path without a scheme, which is an SQLite file.
pub fn parse_url(url: &str) -> Result<DatabaseUrl, UrlError> {
    match url.contains("://") || may_name_a_server(url) {
        true => DatabaseUrl::parse(url),
        false => Ok(DatabaseUrl::Sqlite(url.into())),
    }
}

/// Whether a text that is no URL looks like one with its slashes left out, or like libpq's `host=h password=x`: errors
/// would show it as a file's path, password and all.
fn may_name_a_server(text: &str) -> bool {
    let text = text.trim_start().to_ascii_lowercase();
    ["postgres:", "postgresql:", "mysql:"].iter().any(|scheme| text.starts_with(scheme))
        || text.split_once("password").is_some_and(|(_, behind)| behind.trim_start().starts_with('='))
}

/// Opens the database that `url` names.
fn connect(url: &str) -> Result<Box<dyn Database>, ArchiveError> {
    let url = parse_url(url)?;
    say_warnings();
    check(&url, "--db").map_err(|fault| UrlError { url: url.to_string(), fault })?;
    Ok(match &url {
        DatabaseUrl::Sqlite(path) => Box::new(sqlite::Sqlite::open(path)?),
        DatabaseUrl::Postgres(server) => Box::new(postgres::Postgres::open(server, &url.to_string())?),
        DatabaseUrl::Mysql(server) => Box::new(mysql::Mysql::open(server, &url.to_string())?),
        DatabaseUrl::Host(_) => {
            let fault = "only the SIP server's own database module reads it";
            return Err(UrlError::of_form(url.to_string(), fault).into());
        }
    })
}
