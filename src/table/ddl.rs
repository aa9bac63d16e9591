//! Our own schema, per database: the DDL that `create_tables` runs and `sipcapture schema` prints.
//!
//! Types cut nothing and refuse nothing. Texts compare byte for byte, so that a plain `callid = '...'` means exactly
//! that Call-ID and uses the index:
//!
//! | | text | message | date |
//! |---|---|---|---|
//! | SQLite | `TEXT`, bytes as they came | `BLOB` | `DATETIME`, stored as text |
//! | PostgreSQL | `text COLLATE "C"`, [escaped](crate::sink::escape) | `text` likewise | `timestamp` |
//! | MySQL, MariaDB | `TEXT` in `utf8mb4_bin`, escaped likewise | `LONGBLOB`, bytes as they came | `DATETIME` |
//!
//! Indexes: callid, date, from_user, to_user, correlation_id, traced_user, time_stamp, fromip, as far as the layout has
//! them. PostgreSQL's hold 2,600 bytes of a value, and the sink cuts what is longer. Every statement can be run again
//! (`IF NOT EXISTS`).

use super::{Column, ColumnKind, Layout};

/// The columns, by default name, that get an index.
const INDEXED: [&str; 8] =
    ["callid", "date", "from_user", "to_user", "correlation_id", "traced_user", "time_stamp", "fromip"];

/// PostgreSQL cuts longer identifiers.
const POSTGRES_IDENTIFIER: usize = 63;

/// The SQL that a database speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SqlDialect {
    /// SQLite 3.
    Sqlite,
    /// PostgreSQL 9.6 and later.
    Postgres,
    /// MySQL 5.7 and later, MariaDB 10 and later.
    Mysql,
}

impl SqlDialect {
    /// Every dialect.
    pub const ALL: [SqlDialect; 3] = [SqlDialect::Sqlite, SqlDialect::Postgres, SqlDialect::Mysql];

    /// The name that `sipcapture schema --dialect` takes.
    pub fn name(self) -> &'static str {
        match self {
            SqlDialect::Sqlite => "sqlite",
            SqlDialect::Postgres => "postgres",
            SqlDialect::Mysql => "mysql",
        }
    }

    /// Quotes one identifier, whatever it contains.
    pub fn quote(self, identifier: &str) -> String {
        let quote = if self == SqlDialect::Mysql { '`' } else { '"' };
        let mut quoted = String::with_capacity(identifier.len() + 2);
        quoted.push(quote);
        for character in identifier.chars() {
            if character == quote {
                quoted.push(quote);
            }
            quoted.push(character);
        }
        quoted.push(quote);
        quoted
    }

    /// Quotes a table name part by part, so that `schema.table` is a table in a schema.
    ///
    /// SQLite's schemas are `main`, `temp` and attached files; with any other first part the dot belongs to the name.
    pub fn quote_table(self, table: &str) -> String {
        self.table_parts(table).iter().map(|part| self.quote(part)).collect::<Vec<_>>().join(".")
    }

    /// The parts of a table name: its schema, if it has one, and the table.
    pub fn table_parts(self, table: &str) -> Vec<&str> {
        match (self, table.split_once('.')) {
            (SqlDialect::Sqlite, Some(("main" | "temp", _))) => table.splitn(2, '.').collect(),
            (SqlDialect::Sqlite, _) => vec![table],
            _ => table.split('.').collect(),
        }
    }
}

/// The statements that create `table` for the rows of `layout`, with its indexes, in the order to run them.
pub fn create_table(dialect: SqlDialect, table: &str, layout: &Layout) -> Vec<String> {
    let indexed: Vec<&Column> =
        INDEXED.iter().filter_map(|key| layout.columns.iter().find(|column| column.key == *key)).collect();
    let mut lines = vec![id_column(dialect).to_owned()];
    lines.extend(
        layout.columns.iter().map(|column| format!("{} {}", dialect.quote(&column.name), column_type(dialect, column))),
    );
    if dialect == SqlDialect::Mysql {
        lines.extend(indexed.iter().map(|column| mysql_index(column)));
    }
    let quoted_table = dialect.quote_table(table);
    let tail = if dialect == SqlDialect::Mysql {
        " ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin"
    } else {
        ""
    };
    let mut statements =
        vec![format!("CREATE TABLE IF NOT EXISTS {quoted_table} (\n    {}\n){tail}", lines.join(",\n    "))];
    if dialect != SqlDialect::Mysql {
        statements.extend(indexed.iter().map(|column| create_index(dialect, table, column)));
    }
    statements
}

fn id_column(dialect: SqlDialect) -> &'static str {
    match dialect {
        SqlDialect::Sqlite => "\"id\" INTEGER PRIMARY KEY AUTOINCREMENT",
        SqlDialect::Postgres => "\"id\" bigserial PRIMARY KEY",
        SqlDialect::Mysql => "`id` BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY",
    }
}

fn column_type(dialect: SqlDialect, column: &Column) -> &'static str {
    use ColumnKind::{BigInt, Int, Message, Text, Time};
    use SqlDialect::{Mysql, Postgres, Sqlite};
    match (dialect, column.kind) {
        (Sqlite, Time) => "DATETIME NOT NULL",
        (Sqlite, Int | BigInt) => "INTEGER NOT NULL DEFAULT 0",
        (Sqlite, Text) => "TEXT NOT NULL DEFAULT ''",
        (Sqlite, Message) => "BLOB NOT NULL",
        (Postgres, Time) => "timestamp NOT NULL",
        (Postgres, BigInt) => "bigint NOT NULL DEFAULT 0",
        (Postgres, Int) => "integer NOT NULL DEFAULT 0",
        (Postgres, Text | Message) => "text COLLATE \"C\" NOT NULL DEFAULT ''",
        (Mysql, Time) => "DATETIME NOT NULL",
        (Mysql, BigInt) => "BIGINT NOT NULL DEFAULT 0",
        (Mysql, Int) => "INT NOT NULL DEFAULT 0",
        // MySQL allows a TEXT column no default. MEDIUMTEXT, because an escaped header can be longer than 64 KiB.
        (Mysql, Text) => "MEDIUMTEXT NOT NULL",
        (Mysql, Message) => "LONGBLOB NOT NULL",
    }
}

/// A text index covers the first 191 characters: 764 bytes of utf8mb4, below the limit of every InnoDB row format.
fn mysql_index(column: &Column) -> String {
    let name = SqlDialect::Mysql.quote(&column.name);
    match column.kind {
        ColumnKind::Text => format!("KEY {name} ({name}(191))"),
        _ => format!("KEY {name} ({name})"),
    }
}

fn create_index(dialect: SqlDialect, table: &str, column: &Column) -> String {
    let parts = dialect.table_parts(table);
    let (schema, table_name) = match parts.as_slice() {
        [schema, table_name] => (Some(*schema), *table_name),
        parts => (None, *parts.last().unwrap_or(&table)),
    };
    let index = dialect.quote(&index_name(dialect, table_name, column));
    let column = dialect.quote(&column.name);
    // SQLite names the schema with the index, PostgreSQL with the table.
    match (dialect, schema) {
        (SqlDialect::Sqlite, Some(schema)) => {
            let (schema, table) = (dialect.quote(schema), dialect.quote(table_name));
            format!("CREATE INDEX IF NOT EXISTS {schema}.{index} ON {table} ({column})")
        }
        _ => format!("CREATE INDEX IF NOT EXISTS {index} ON {} ({column})", dialect.quote_table(table)),
    }
}

/// `<table>_<column>_idx`. Index names are unique in their schema, so a name that PostgreSQL would cut keeps its
/// difference in a checksum: tables of a strftime template differ at their end.
fn index_name(dialect: SqlDialect, table: &str, column: &Column) -> String {
    let name = format!("{table}_{}_idx", column.name);
    if dialect != SqlDialect::Postgres || name.len() <= POSTGRES_IDENTIFIER {
        return name;
    }
    // FNV-1a, 32 bit.
    let checksum = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let end = format!("_{checksum:08x}_idx");
    let mut length = POSTGRES_IDENTIFIER - end.len();
    while !name.is_char_boundary(length) {
        length -= 1;
    }
    format!("{}{end}", &name[..length])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{ColumnNames, report_layout, sip_layout};

    #[test]
    fn every_dialect_creates_every_column_and_index_under_its_own_name() {
        let mut names = ColumnNames::default();
        assert!(names.set("callid_column", "Call \"ID` x"));
        for dialect in SqlDialect::ALL {
            for (layout, indexes) in [(sip_layout(&names), 5), (report_layout(&names), 2)] {
                let statements = create_table(dialect, "sip_capture", &layout);
                let sql = statements.join(";\n");
                for column in &layout.columns {
                    assert!(sql.contains(&format!("\n    {} ", dialect.quote(&column.name))), "{sql}");
                }
                let found = match dialect {
                    SqlDialect::Mysql => sql.matches("KEY `").count(),
                    _ => sql.matches("CREATE INDEX IF NOT EXISTS").count(),
                };
                assert_eq!(found, indexes, "{sql}");
            }
        }
    }

    #[test]
    fn a_dot_separates_the_schema_from_the_table() {
        assert_eq!(SqlDialect::Postgres.quote_table("homer.sip_1"), "\"homer\".\"sip_1\"");
        assert_eq!(SqlDialect::Mysql.quote_table("homer.sip-1"), "`homer`.`sip-1`");
        assert_eq!(SqlDialect::Sqlite.quote_table("main.sip"), "\"main\".\"sip\"");
        assert_eq!(SqlDialect::Sqlite.quote_table("homer.sip"), "\"homer.sip\"");
    }

    #[test]
    fn index_names_stay_different_when_postgres_would_cut_them() {
        let layout = sip_layout(&ColumnNames::default());
        let long = "x".repeat(60);
        let mut seen = std::collections::HashSet::new();
        for day in ["20240101", "20240102"] {
            for column in &layout.columns {
                let name = index_name(SqlDialect::Postgres, &format!("{long}{day}"), column);
                assert!(name.len() <= POSTGRES_IDENTIFIER, "{name}");
                assert!(seen.insert(name));
            }
        }
    }
}
