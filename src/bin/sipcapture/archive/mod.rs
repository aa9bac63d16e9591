//! The captured rows, whichever database and tables they lie in. Subcommands ask here and nowhere else.

mod mysql;
mod postgres;
pub mod sql;
mod sqlite;
mod text;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sipcapture_core::sink::{DatabaseUrl, UrlError};
use sipcapture_core::table::Dialect;

use self::sql::{Cell, Parameter, Query};
use self::text::message_bytes;
use crate::message::{FIELDS, MESSAGE_FIELD, Message};
use crate::moment::Clock;

/// Beginning of the names of the tables that are read when the operator names none.
const DEFAULT_TABLES: &str = "sip_capture*";
/// Columns without which a table is no table of captures.
const NEEDED: [&str; 4] = ["callid", "micro_ts", "method", "msg"];
/// Values in one IN list: within what each of the databases takes.
const IN_LIST: usize = 200;
/// More Call-IDs than this under one correlation id are no call any more, but an id that is not one.
const MOST_LEGS: usize = 32;
/// Hours around a moment within which the `date` column may lie: it is local time of the server that wrote it.
const DATE_SLACK_HOURS: i64 = 27;

/// What went wrong with the database.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// It could not be opened.
    #[error(
        "cannot open {what}: {why}\nName the database with --db, for example --db sqlite:////var/lib/sipcapture/sipcapture.db, --db postgres://user@host/name or --db mysql://user@host/name."
    )]
    Open {
        /// Path or URL, without a password.
        what: String,
        /// The operating system's or the driver's reason.
        why: String,
    },
    /// Its URL says nothing.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// A statement failed.
    #[error("cannot read: {0}")]
    Read(String),
    /// There is no table to read.
    #[error("{0}")]
    Tables(String),
}

impl Failure {
    fn read(error: rusqlite::Error) -> Failure {
        Failure::Read(error.to_string())
    }
}

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
    fn group(pairs: impl IntoIterator<Item = (String, String)>) -> Vec<TableColumns> {
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

/// One of the three databases.
trait Database {
    /// Which SQL it speaks.
    fn dialect(&self) -> Dialect;
    /// Every table with its columns, by name.
    fn tables(&mut self) -> Result<Vec<TableColumns>, Failure>;
    /// Runs a SELECT.
    fn select(&mut self, query: &Query) -> Result<Vec<Vec<Cell>>, Failure>;
}

/// Which calls to find. Patterns match whole values; `*` stands for anything.
#[derive(Clone, Debug, Default)]
pub struct CallFilter {
    /// From user, or user@domain.
    pub from: Option<String>,
    /// To user, or user@domain.
    pub to: Option<String>,
    /// Call-ID.
    pub call_id: Option<String>,
    /// Earliest time, microseconds since the Unix epoch.
    pub since: Option<i64>,
    /// Latest time, exclusive.
    pub until: Option<i64>,
    /// What the dialog begins with.
    pub beginning: Beginning,
}

/// The request that a dialog must begin with to be listed.
#[derive(Clone, Debug, Default)]
pub enum Beginning {
    /// An INVITE without a To tag: a call.
    #[default]
    Call,
    /// Any message with this method.
    Method(String),
    /// Any message at all.
    Any,
}

/// A table that holds captures, with what its columns are called.
struct Table {
    name: String,
    columns: HashMap<String, String>,
}

impl Table {
    fn column(&self, field: &str) -> Option<&str> {
        self.columns.get(field).map(String::as_str)
    }
}

/// An open database and its tables of captures.
pub struct Archive {
    database: Box<dyn Database>,
    tables: Vec<Table>,
    clock: Clock,
}

impl Archive {
    /// Opens the database at `url` and finds its tables of captures: those that match one of `tables` (`*` and strftime
    /// conversions stand for anything), or all whose name starts with `sip_capture`. `renamed` holds pairs of a column's
    /// default name and the name that the operator gave it.
    pub fn open(url: &str, tables: &[String], renamed: &[(String, String)], clock: Clock) -> Result<Archive, Failure> {
        let mut database = connect(url)?;
        let present = database.tables()?;
        let tables = choose_tables(&present, tables, renamed)?;
        Ok(Archive { database, tables, clock })
    }

    /// Call-IDs of the `limit` newest dialogs that pass `filter`, newest first.
    pub fn recent(&mut self, filter: &CallFilter, limit: usize) -> Result<Vec<String>, Failure> {
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
    ) -> Result<Vec<(String, i64)>, Failure> {
        let table = &self.tables[index];
        let mut rows_wanted = limit.saturating_mul(8).max(200);
        loop {
            let query = recent_query(self.database.dialect(), table, filter, rows_wanted, &self.clock);
            let rows = self.database.select(&query)?;
            let calls: BTreeSet<String> = rows.iter().map(|row| row[0].text()).collect();
            if calls.len() >= limit || rows.len() < rows_wanted {
                return Ok(rows.iter().map(|row| (row[0].text(), row[1].int())).collect());
            }
            rows_wanted = rows_wanted.saturating_mul(4);
        }
    }

    /// All rows with one of these Call-IDs, by time; `whole` also fetches the messages themselves.
    pub fn messages(&mut self, call_ids: &[String], whole: bool) -> Result<Vec<Message>, Failure> {
        self.rows_where("callid", call_ids, whole)
    }

    /// The Call-ID itself, when it is there. One that ends in `…`, `...` or `*` may be the beginning of one: it must be
    /// of one only.
    pub fn resolve(&mut self, call_id: &str) -> Result<Result<String, Missing>, Failure> {
        if self.exists(call_id)? {
            return Ok(Ok(call_id.to_owned()));
        }
        let beginning =
            ["…", "...", "*"].iter().find_map(|end| call_id.strip_suffix(end)).filter(|text| !text.is_empty());
        let Some(beginning) = beginning else { return Ok(Err(Missing::None)) };
        let filter = CallFilter {
            call_id: Some(format!("{}*", beginning.trim_end_matches('*'))),
            beginning: Beginning::Any,
            ..CallFilter::default()
        };
        let mut found = self.recent(&filter, 6)?;
        Ok(match found.len() {
            0 => Err(Missing::None),
            1 => Ok(found.remove(0)),
            _ => Err(Missing::Several(found)),
        })
    }

    fn exists(&mut self, call_id: &str) -> Result<bool, Failure> {
        for table in &self.tables {
            let mut query = Query::new(self.database.dialect());
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
    pub fn legs(&mut self, call_id: &str) -> Result<Vec<String>, Failure> {
        let mut legs = vec![call_id.to_owned()];
        let mut asked: BTreeSet<String> = BTreeSet::new();
        let mut unread = legs.clone();
        while !unread.is_empty() {
            let correlations: BTreeSet<String> = self
                .rows_where("callid", &unread, false)?
                .into_iter()
                .map(|message| message.correlation_id)
                .filter(|id| !id.is_empty() && !asked.contains(id))
                .collect();
            unread.clear();
            for correlation in correlations {
                let mut found: Vec<String> = Vec::new();
                for message in self.rows_where("correlation_id", std::slice::from_ref(&correlation), false)? {
                    if !message.call_id.is_empty()
                        && !legs.contains(&message.call_id)
                        && !found.contains(&message.call_id)
                    {
                        found.push(message.call_id);
                    }
                }
                asked.insert(correlation);
                if legs.len() + found.len() <= MOST_LEGS {
                    legs.extend(found.iter().cloned());
                    unread.extend(found);
                }
            }
        }
        Ok(legs)
    }

    fn rows_where(&mut self, field: &str, values: &[String], whole: bool) -> Result<Vec<Message>, Failure> {
        let mut messages = Vec::new();
        for table in &self.tables {
            let Some(column) = table.column(field) else { continue };
            for values in values.chunks(IN_LIST) {
                let mut query = Query::new(self.database.dialect());
                select_fields(&mut query, table, whole);
                query.push(" FROM ").table(&table.name).push(" WHERE ").one_of(column, values);
                query.push(" ORDER BY ").name(table.column("micro_ts").unwrap_or("micro_ts"));
                let rows = self.database.select(&query)?;
                messages.extend(rows.into_iter().map(|mut row| {
                    let payload = message_bytes(row.pop().unwrap_or(Cell::Null), self.database.dialect());
                    Message::from_cells(row, payload, &table.name)
                }));
            }
        }
        messages.sort_by_key(|message| message.micro_ts);
        Ok(messages)
    }
}

/// Why a Call-ID leads nowhere.
#[derive(Debug, PartialEq, Eq)]
pub enum Missing {
    /// No row has it.
    None,
    /// It is the beginning of all these.
    Several(Vec<String>),
}

fn select_fields(query: &mut Query, table: &Table, whole: bool) {
    query.push("SELECT ");
    for (index, field) in FIELDS.iter().enumerate() {
        query.push(if index == 0 { "" } else { ", " });
        match table.column(field).filter(|_| whole || *field != MESSAGE_FIELD) {
            Some(column) => query.name(column),
            None => query.push("NULL"),
        };
    }
}

fn recent_query(dialect: Dialect, table: &Table, filter: &CallFilter, rows: usize, clock: &Clock) -> Query {
    let mut query = Query::new(dialect);
    let column = |field: &str| table.column(field).map_or_else(|| field.to_owned(), str::to_owned);
    let (call_id, micro_ts, method) = (column("callid"), column("micro_ts"), column("method"));
    query.push("SELECT ").name(&call_id).push(", ").name(&micro_ts).push(" FROM ").table(&table.name).push(" WHERE ");
    match &filter.beginning {
        Beginning::Call => {
            query.name(&method).push(" = ").value(Parameter::Text("INVITE".into()));
            if let Some(to_tag) = table.column("to_tag") {
                query.push(" AND (").name(to_tag).push(" = '' OR ").name(to_tag).push(" IS NULL)");
            }
        }
        Beginning::Method(name) => {
            query.name(&method).push(" = ").value(Parameter::Text(name.clone()));
        }
        Beginning::Any => {
            query.name(&call_id).push(" <> ''");
        }
    }
    if let Some(pattern) = &filter.call_id {
        query.push(" AND ").matches(&call_id, pattern);
    }
    for (pattern, user, domain) in [(&filter.from, "from_user", "from_domain"), (&filter.to, "to_user", "to_domain")] {
        let Some(pattern) = pattern else { continue };
        let (user_pattern, domain_pattern) = match pattern.rsplit_once('@') {
            Some((user, domain)) => (user, Some(domain)),
            None => (pattern.as_str(), None),
        };
        query.push(" AND ").matches(&column(user), user_pattern);
        if let Some(domain_pattern) = domain_pattern {
            query.push(" AND ").matches(&column(domain), domain_pattern);
        }
    }
    time_bounds(&mut query, table, filter, clock);
    newest_first(&mut query, table);
    query.push(&format!(" LIMIT {rows}"));
    query
}

/// Exact bounds on `micro_ts`, and wide ones on `date`, which has an index.
fn time_bounds(query: &mut Query, table: &Table, filter: &CallFilter, clock: &Clock) {
    let micro_ts = table.column("micro_ts").unwrap_or("micro_ts");
    if let Some(since) = filter.since {
        query.push(" AND ").name(micro_ts).push(" >= ").value(Parameter::Int(since));
    }
    if let Some(until) = filter.until {
        query.push(" AND ").name(micro_ts).push(" < ").value(Parameter::Int(until));
    }
    let Some(date) = table.column("date").filter(|_| filter.since.is_some() || filter.until.is_some()) else { return };
    let text = |moment: Option<i64>, slack, open: &str| {
        moment.map_or_else(|| open.to_owned(), |moment| clock.date_column_bound(moment, slack))
    };
    let (from, to) = (
        text(filter.since, -DATE_SLACK_HOURS, "1970-01-01 00:00:00"),
        text(filter.until, DATE_SLACK_HOURS, "9999-12-31 00:00:00"),
    );
    query.push(" AND (").date_bound(date, " >= ", from).push(" AND ").date_bound(date, " <= ", to);
    if query.dialect() == Dialect::Sqlite {
        // The stock module's SQLite driver writes Julian days; numbers and text are compared apart.
        let day = |moment: i64| moment as f64 / 86_400e6 + 2_440_587.5;
        let from = filter.since.map_or(0.0, |moment| day(moment) - 1.2);
        let to = filter.until.map_or(1e9, |moment| day(moment) + 1.2);
        query.push(" OR ").name(date).push(" BETWEEN ").value(Parameter::Real(from));
        query.push(" AND ").value(Parameter::Real(to));
    }
    query.push(")");
}

/// Newest rows first, in an order that the table's indexes give without sorting all of it.
fn newest_first(query: &mut Query, table: &Table) {
    let micro_ts = table.column("micro_ts").unwrap_or("micro_ts");
    query.push(" ORDER BY ");
    match (table.column("date"), query.dialect(), table.column("id")) {
        (None, _, _) => query.name(micro_ts).push(" DESC"),
        // InnoDB's index on date holds the primary key too, and MySQL would sort the whole table for any other order.
        (Some(date), Dialect::Mysql, Some(id)) => query.name(date).push(" DESC, ").name(id).push(" DESC"),
        (Some(date), Dialect::Mysql, None) => query.name(date).push(" DESC"),
        (Some(date), _, _) => query.name(date).push(" DESC, ").name(micro_ts).push(" DESC"),
    };
}

/// The tables that match, or what the operator can do when none does.
fn choose_tables(
    present: &[TableColumns],
    wanted: &[String],
    renamed: &[(String, String)],
) -> Result<Vec<Table>, Failure> {
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
            return Err(Failure::Tables(format!("no table \"{pattern}\" in the database; it has {}", list(present))));
        }
        for table in matching {
            let columns = column_names(table, &names);
            match NEEDED.iter().find(|needed| !columns.contains_key(**needed)) {
                None => tables.push(Table { name: table.table.clone(), columns }),
                Some(missing) => unfit.push(format!(
                    "table \"{}\" has no column \"{}\"; if it is called otherwise, say --column {missing}=NAME",
                    table.table,
                    names.get(missing).unwrap_or(missing)
                )),
            }
        }
    }
    tables.sort_by(|a, b| a.name.cmp(&b.name));
    tables.dedup_by(|a, b| a.name == b.name);
    match (tables.is_empty(), unfit.first()) {
        (false, _) => Ok(tables),
        (true, Some(why)) => Err(Failure::Tables(why.clone())),
        (true, None) => Err(Failure::Tables(format!(
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
    let fields = FIELDS.iter().copied().chain(["date", "id"]);
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

/// Opens the database that `url` names; a path without a scheme is an SQLite file.
fn connect(url: &str) -> Result<Box<dyn Database>, Failure> {
    let url = if url.contains("://") { DatabaseUrl::parse(url)? } else { DatabaseUrl::Sqlite(url.into()) };
    Ok(match &url {
        DatabaseUrl::Sqlite(path) => Box::new(sqlite::Sqlite::open(path)?),
        DatabaseUrl::Postgres(server) => Box::new(postgres::Postgres::open(server, &url.to_string())?),
        DatabaseUrl::Mysql(server) => Box::new(mysql::Mysql::open(server, &url.to_string())?),
    })
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

    #[test]
    fn a_question_for_recent_calls_carries_every_filter_as_a_value() {
        let columns =
            ["id", "date", "micro_ts", "method", "callid", "msg", "to_tag", "from_user", "from_domain", "to_user"];
        let tables = choose_tables(&[table("sip_capture", &columns)], &[], &[]).unwrap();
        let filter = CallFilter {
            from: Some("alice@example.com".into()),
            to: Some("+49*".into()),
            call_id: Some("x'y".into()),
            since: Some(1_795_251_126_000_000),
            until: None,
            beginning: Beginning::Call,
        };
        let query = recent_query(Dialect::Postgres, &tables[0], &filter, 200, &Clock::new(true));
        assert_eq!(
            query.sql,
            "SELECT \"callid\", \"micro_ts\" FROM \"sip_capture\" WHERE \"method\" = $1::text \
             AND (\"to_tag\" = '' OR \"to_tag\" IS NULL) AND \"callid\" = $2::text AND \"from_user\" = $3::text \
             AND \"from_domain\" = $4::text AND \"to_user\" LIKE $5::text ESCAPE '!' AND \"micro_ts\" >= $6::bigint \
             AND (\"date\" >= $7::text::timestamp AND \"date\" <= $8::text::timestamp) \
             ORDER BY \"date\" DESC, \"micro_ts\" DESC LIMIT 200"
        );
        assert_eq!(query.parameters[6], Parameter::Text("2026-11-20 05:52:06".into()));
        assert_eq!(query.parameters.len(), 8);
    }
}
