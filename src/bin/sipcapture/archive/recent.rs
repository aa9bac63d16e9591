//! The query for the newest calls, with filters and an order that an index serves.

use super::sql::{QueryParameter, SqlQuery};
use super::tables::CaptureTable;
use crate::moment::utc_wall_clock;
use sipcapture_core::table::SqlDialect;

/// How far the `date` column, local time of the server that wrote it, may lie behind UTC and ahead of it: the time
/// zones' own bounds and an hour.
const DATE_BEHIND_HOURS: i64 = 13;
/// See [`DATE_BEHIND_HOURS`].
const DATE_AHEAD_HOURS: i64 = 15;

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

impl CallFilter {
    /// Whether there is a bound on the time.
    pub fn has_bounds(&self) -> bool {
        self.since.is_some() || self.until.is_some()
    }
}

/// How the moments in a `date` column are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DateForms {
    /// As `YYYY-MM-DD HH:MM:SS`, or in a type that compares with it.
    Text,
    /// As Julian days, which the stock module's SQLite driver binds; SQLite compares numbers and texts apart.
    JulianDays,
    /// Both forms, in different rows.
    Both,
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

/// Selects Call-ID and time of the `rows` newest rows of `table` that pass `filter`, newest first.
pub fn recent_query(
    dialect: SqlDialect,
    table: &CaptureTable,
    filter: &CallFilter,
    dates: DateForms,
    rows: usize,
) -> SqlQuery {
    let mut query = SqlQuery::new(dialect);
    let column = |field: &str| table.column(field).map_or_else(|| field.to_owned(), str::to_owned);
    let (call_id, micro_ts, method) = (column("callid"), column("micro_ts"), column("method"));
    query.push("SELECT ").name(&call_id).push(", ").name(&micro_ts).push(" FROM ").table(&table.name).push(" WHERE ");
    match &filter.beginning {
        Beginning::Call => {
            query.name(&method).push(" = ").value(QueryParameter::Text("INVITE".into()));
            if let Some(to_tag) = table.column("to_tag") {
                query.push(" AND (").name(to_tag).push(" = '' OR ").name(to_tag).push(" IS NULL)");
            }
        }
        Beginning::Method(name) => {
            query.name(&method).push(" = ").value(QueryParameter::Text(name.clone()));
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
    time_bounds(&mut query, table, filter, dates);
    newest_first(&mut query, table);
    query.push(&format!(" LIMIT {rows}"));
    query
}

/// Exact bounds on `micro_ts`, and wide ones on `date`, which has an index.
fn time_bounds(query: &mut SqlQuery, table: &CaptureTable, filter: &CallFilter, dates: DateForms) {
    let micro_ts = table.column("micro_ts").unwrap_or("micro_ts");
    if let Some(since) = filter.since {
        query.push(" AND ").name(micro_ts).push(" >= ").value(QueryParameter::Int(since));
    }
    if let Some(until) = filter.until {
        query.push(" AND ").name(micro_ts).push(" < ").value(QueryParameter::Int(until));
    }
    let Some(date) = table.column("date").filter(|_| filter.has_bounds()) else { return };
    query.push(" AND (");
    if dates != DateForms::JulianDays {
        let bound = |moment: Option<i64>, hours, open: &str| {
            moment.map_or_else(|| open.to_owned(), |moment| utc_wall_clock(moment, hours))
        };
        query.date_bound(date, " >= ", bound(filter.since, -DATE_BEHIND_HOURS, "1970-01-01 00:00:00"));
        query.push(" AND ").date_bound(date, " <= ", bound(filter.until, DATE_AHEAD_HOURS, "9999-12-31 00:00:00"));
    }
    if dates == DateForms::Both {
        query.push(" OR ");
    }
    if dates != DateForms::Text {
        // Of UTC, whatever the server's zone is: a minute on both sides is for the rounding.
        let day = |moment: i64, minutes: f64| moment as f64 / 86_400e6 + 2_440_587.5 + minutes / 1_440.0;
        let from = filter.since.map_or(0.0, |moment| day(moment, -1.0));
        let to = filter.until.map_or(1e9, |moment| day(moment, 1.0));
        query
            .name(date)
            .push(" BETWEEN ")
            .value(QueryParameter::Real(from))
            .push(" AND ")
            .value(QueryParameter::Real(to));
    }
    query.push(")");
}

/// Newest rows first, in an order that the table's indexes give without sorting all of it.
fn newest_first(query: &mut SqlQuery, table: &CaptureTable) {
    let micro_ts = table.column("micro_ts").unwrap_or("micro_ts");
    query.push(" ORDER BY ");
    match (table.column("date"), query.dialect(), table.column("id")) {
        (None, _, _) => query.name(micro_ts).push(" DESC"),
        // InnoDB's index on date holds the primary key too, and MySQL would sort the whole table for any other order.
        (Some(date), SqlDialect::Mysql, Some(id)) => query.name(date).push(" DESC, ").name(id).push(" DESC"),
        (Some(date), SqlDialect::Mysql, None) => query.name(date).push(" DESC"),
        (Some(date), _, _) => query.name(date).push(" DESC, ").name(micro_ts).push(" DESC"),
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::tables::{TableColumns, choose_tables};

    #[test]
    fn a_question_for_recent_calls_carries_every_filter_as_a_value() {
        let columns =
            ["id", "date", "micro_ts", "method", "callid", "msg", "to_tag", "from_user", "from_domain", "to_user"];
        let columns = columns.map(str::to_owned).to_vec();
        let present = TableColumns { table: "sip_capture".into(), columns };
        let tables = choose_tables(&[present], &[], &[]).unwrap();
        let filter = CallFilter {
            from: Some("alice@example.com".into()),
            to: Some("+49*".into()),
            call_id: Some("x'y".into()),
            since: Some(1_795_251_126_000_000),
            until: None,
            beginning: Beginning::Call,
        };
        let query = recent_query(SqlDialect::Postgres, &tables[0], &filter, DateForms::Text, 200);
        assert_eq!(
            query.sql,
            "SELECT \"callid\", \"micro_ts\" FROM \"sip_capture\" WHERE \"method\" = $1::text \
             AND (\"to_tag\" = '' OR \"to_tag\" IS NULL) AND \"callid\" = $2::text AND \"from_user\" = $3::text \
             AND \"from_domain\" = $4::text AND \"to_user\" LIKE $5::text ESCAPE '!' AND \"micro_ts\" >= $6::bigint \
             AND (\"date\" >= $7::text::timestamp AND \"date\" <= $8::text::timestamp) \
             ORDER BY \"date\" DESC, \"micro_ts\" DESC LIMIT 200"
        );
        assert_eq!(query.parameters[6], QueryParameter::Text("2026-11-20 19:52:06".into()));
        assert_eq!(query.parameters.len(), 8);
    }
}
