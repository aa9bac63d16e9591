//! SELECT statements for three databases: what they call things, how they take values, what they give back.

use sipcapture_core::table::SqlDialect;

/// A value that goes into a statement through a placeholder.
#[derive(Clone, Debug, PartialEq)]
pub enum QueryParameter {
    /// For text columns, and for `date`.
    Text(String),
    /// For integer columns.
    Int(i64),
    /// For SQLite's Julian days.
    Real(f64),
}

impl From<String> for QueryParameter {
    fn from(text: String) -> QueryParameter {
        QueryParameter::Text(text)
    }
}

impl From<i64> for QueryParameter {
    fn from(number: i64) -> QueryParameter {
        QueryParameter::Int(number)
    }
}

/// A value that came out of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum ColumnValue {
    /// No value, or a column that the table lacks.
    Null,
    /// An integer.
    Int(i64),
    /// A text column's text, as its bytes.
    Text(Vec<u8>),
    /// A binary column's bytes.
    Binary(Vec<u8>),
}

impl ColumnValue {
    /// The text of the cell, empty for NULL; bytes that are not UTF-8 become U+FFFD.
    pub fn text(&self) -> String {
        match self {
            ColumnValue::Null => String::new(),
            ColumnValue::Int(number) => number.to_string(),
            ColumnValue::Text(bytes) | ColumnValue::Binary(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        }
    }

    /// The number in the cell, 0 when there is none.
    pub fn int(&self) -> i64 {
        match self {
            ColumnValue::Null => 0,
            ColumnValue::Int(number) => *number,
            ColumnValue::Text(bytes) | ColumnValue::Binary(bytes) => {
                std::str::from_utf8(bytes).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
            }
        }
    }
}

/// A statement that is being written, with the values of its placeholders.
#[derive(Debug)]
pub struct SqlQuery {
    dialect: SqlDialect,
    /// The statement's text so far.
    pub sql: String,
    /// Values, in the order of their placeholders.
    pub parameters: Vec<QueryParameter>,
}

impl SqlQuery {
    /// An empty statement.
    pub fn new(dialect: SqlDialect) -> SqlQuery {
        SqlQuery { dialect, sql: String::new(), parameters: Vec::new() }
    }

    /// Which SQL this is.
    pub fn dialect(&self) -> SqlDialect {
        self.dialect
    }

    /// Adds SQL text of ours.
    pub fn push(&mut self, sql: &str) -> &mut SqlQuery {
        self.sql.push_str(sql);
        self
    }

    /// Adds the quoted name of a column.
    pub fn name(&mut self, name: &str) -> &mut SqlQuery {
        let quoted = self.dialect.quote(name);
        self.push(&quoted)
    }

    /// Adds the quoted name of a table; a dot separates its schema.
    pub fn table(&mut self, name: &str) -> &mut SqlQuery {
        let quoted = self.dialect.quote_table(name);
        self.push(&quoted)
    }

    /// Adds a placeholder and its value.
    pub fn value(&mut self, value: QueryParameter) -> &mut SqlQuery {
        let placeholder = match (self.dialect, &value) {
            (SqlDialect::Postgres, QueryParameter::Text(_)) => format!("${}::text", self.parameters.len() + 1),
            (SqlDialect::Postgres, QueryParameter::Int(_)) => format!("${}::bigint", self.parameters.len() + 1),
            (SqlDialect::Postgres, QueryParameter::Real(_)) => format!("${}::float8", self.parameters.len() + 1),
            _ => "?".to_owned(),
        };
        self.parameters.push(value);
        self.push(&placeholder)
    }

    /// Adds `column IN (values)`.
    pub fn one_of<T: Clone + Into<QueryParameter>>(&mut self, column: &str, values: &[T]) -> &mut SqlQuery {
        self.name(column).push(" IN (");
        for (index, value) in values.iter().enumerate() {
            self.push(if index == 0 { "" } else { ", " }).value(value.clone().into());
        }
        self.push(")")
    }

    /// Adds a comparison of `column` with `pattern`, in which `*` stands for anything.
    pub fn matches(&mut self, column: &str, pattern: &str) -> &mut SqlQuery {
        self.name(column);
        if !pattern.contains('*') {
            return self.push(" = ").value(QueryParameter::Text(pattern.to_owned()));
        }
        if self.dialect == SqlDialect::Sqlite {
            // GLOB, unlike LIKE, minds case and can use an index.
            let glob = pattern.replace('[', "[[]").replace('?', "[?]");
            return self.push(" GLOB ").value(QueryParameter::Text(glob));
        }
        let like = pattern.replace('!', "!!").replace('%', "!%").replace('_', "!_").replace('*', "%");
        self.push(" LIKE ").value(QueryParameter::Text(like)).push(" ESCAPE '!'")
    }

    /// Adds `column operator bound` for the `date` column, with `bound` as `YYYY-MM-DD HH:MM:SS`.
    pub fn date_bound(&mut self, column: &str, operator: &str, bound: String) -> &mut SqlQuery {
        self.name(column).push(operator).value(QueryParameter::Text(bound));
        self.push(if self.dialect == SqlDialect::Postgres { "::timestamp" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_travel_beside_the_statement() {
        let mut query = SqlQuery::new(SqlDialect::Postgres);
        query.push("SELECT 1 WHERE ").one_of("callid", &["a'b".to_owned(), "c".to_owned()]);
        assert_eq!(query.sql, "SELECT 1 WHERE \"callid\" IN ($1::text, $2::text)");
        assert_eq!(query.parameters, [QueryParameter::Text("a'b".into()), QueryParameter::Text("c".into())]);
    }

    #[test]
    fn a_star_matches_anything_and_other_wildcards_match_themselves() {
        let written = |dialect, pattern| {
            let mut query = SqlQuery::new(dialect);
            query.matches("from_user", pattern);
            (query.sql, query.parameters)
        };
        let text = |value: &str| vec![QueryParameter::Text(value.into())];
        assert_eq!(written(SqlDialect::Sqlite, "+49_*"), ("\"from_user\" GLOB ?".into(), text("+49_*")));
        assert_eq!(written(SqlDialect::Sqlite, "a?[b]*"), ("\"from_user\" GLOB ?".into(), text("a[?][[]b]*")));
        assert_eq!(written(SqlDialect::Mysql, "+49_%*"), ("`from_user` LIKE ? ESCAPE '!'".into(), text("+49!_!%%")));
        assert_eq!(written(SqlDialect::Mysql, "50%"), ("`from_user` = ?".into(), text("50%")));
    }

    #[test]
    fn a_cell_gives_text_and_numbers_whatever_its_column_is() {
        assert_eq!(ColumnValue::Text(b"5060".to_vec()).int(), 5060);
        assert_eq!(ColumnValue::Int(200).text(), "200");
        assert_eq!(ColumnValue::Null.text(), "");
        assert_eq!(ColumnValue::Binary(b"a\xffb".to_vec()).text(), "a\u{fffd}b");
    }
}
