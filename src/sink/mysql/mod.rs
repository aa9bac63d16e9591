//! MySQL and MariaDB: a multi-row INSERT a slice, or as many as `max_allowed_packet` asks for, in one transaction.
//!
//! Statements are text with literals of our own, built in one buffer that is kept. Texts are characters in utf8mb4,
//! which the server converts to the column's charset; what that charset lacks is escaped before (see
//! [`escape`](super::escape)), so that strict mode refuses nothing. The server's `sql_mode` stays as the operator set
//! it, with one exception: a TIMESTAMP column takes our local time for the server's, and where the server's clock skips
//! an hour that ours does not, strict mode refuses the date. Such rows are written without strict mode, and the server
//! stores the end of the gap.
//!
//! A MyISAM, Aria or MEMORY table knows no transactions: if the server refuses a row of it, the rows before stay.

pub(super) mod open;
mod refusals;

use super::encode::{ColumnEncoder, Notation, push_hex, push_integer, push_replacing};
use super::escape::{Charset, TextWidth};
use super::options::{Deadlines, SinkOptions};
use super::session::{Fault, Session};
use super::table_schema::{ColumnTarget, ColumnType, InsertPlan, SchemaColumn, TableSchema, column_list};
use super::url::Server;
use super::write::Written;
use crate::table::{Row, SqlDialect};
use mysql::prelude::Queryable;
use mysql::{Conn, Error};
use std::fmt;

/// Room that a statement leaves in a packet for the protocol's own bytes.
const PACKET_SLACK: usize = 1024;

/// Engines that take INSERT DELAYED in any table; Aria does in those that were made with `transactional=0`.
const DELAYED_ENGINES: [&str; 4] = ["MyISAM", "MEMORY", "ARCHIVE", "BLACKHOLE"];

/// The server's number for a date that it cannot read, or that its time zone does not have.
const INCORRECT_DATE: u16 = 1292;

const COLUMNS: &str = "
    SELECT COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, CHARACTER_MAXIMUM_LENGTH, CHARACTER_SET_NAME
      FROM information_schema.COLUMNS
     WHERE TABLE_SCHEMA = COALESCE(?, DATABASE()) AND TABLE_NAME = ? AND COALESCE(GENERATION_EXPRESSION, '') = ''
     ORDER BY ORDINAL_POSITION";

const ENGINE: &str = "
    SELECT ENGINE, CREATE_OPTIONS FROM information_schema.TABLES
     WHERE TABLE_SCHEMA = COALESCE(?, DATABASE()) AND TABLE_NAME = ?";

/// A connection and the statement that is being built.
pub(super) struct Connection {
    connection: Conn,
    insert_delayed: bool,
    is_mariadb: bool,
    max_allowed_packet: usize,
    literals: Literals,
    encoder: ColumnEncoder,
    /// Whether the last refusal was about a date.
    refused_date: bool,
}

/// The head of the INSERT, up to and with `VALUES`.
pub(super) struct InsertHead {
    sql: String,
    delayed: bool,
}

impl Session for Connection {
    type Address = Server;
    type Statement = InsertHead;
    const DIALECT: SqlDialect = SqlDialect::Mysql;

    fn connect(server: &Server, options: &SinkOptions) -> Result<Connection, Fault> {
        let mut connection = open::open(server, &Deadlines::of(options), None).map_err(Fault::Unavailable)?;
        let query = "SELECT @@version, @@max_allowed_packet, @@sql_mode";
        let settings = connection
            .query_drop("SET NAMES utf8mb4, autocommit = 1")
            .and_then(|()| connection.query_first::<(String, usize, String), _>(query))
            .map_err(|error| unavailable(&error))?;
        let Some((version, max_allowed_packet, sql_mode)) = settings else {
            return Err(Fault::Unavailable("the server does not tell its settings".to_owned()));
        };
        // A lock that somebody holds for long ends in an error of the server, and not in a connection that we give up.
        // Of one that we have given up, because the network swallows packets, the server soon takes back what it has,
        // before a late COMMIT can come through and double it. A server without InnoDB, an old one, or one of MySQL
        // lacks one or the other.
        let lock_timeout = (options.io_timeout.as_secs() / 2).max(1);
        let timeout = (options.io_timeout.as_secs() * 5 / 6).max(1);
        for (setting, seconds) in [
            ("lock_wait_timeout", lock_timeout),
            ("innodb_lock_wait_timeout", lock_timeout),
            ("max_statement_time", timeout),
            ("idle_transaction_timeout", timeout),
        ] {
            if let Err(error) = connection.query_drop(format!("SET SESSION {setting} = {seconds}")) {
                log::debug!("{setting} stays as it is: {error}");
            }
        }
        Ok(Connection {
            connection,
            insert_delayed: options.insert_delayed,
            is_mariadb: version.contains("MariaDB"),
            max_allowed_packet,
            literals: Literals { sql: Vec::new(), backslash: !sql_mode.contains("NO_BACKSLASH_ESCAPES") },
            encoder: ColumnEncoder::new(),
            refused_date: false,
        })
    }

    fn describe(&mut self, table: &str) -> Result<Option<TableSchema>, Fault> {
        let (schema, name) = schema_and_table(table);
        let columns = self
            .connection
            .exec_map(COLUMNS, (schema, name), |(name, data_type, column_type, width, charset)| {
                let described = Described { data_type, column_type, width, charset };
                SchemaColumn { name, kind: described.kind() }
            })
            .map_err(|error| fault(&error))?;
        if columns.is_empty() {
            return Ok(None);
        }
        let delayed = self.insert_delayed && self.takes_delayed(table)?;
        Ok(Some(TableSchema { sql_name: SqlDialect::Mysql.quote_table(table), columns, delayed }))
    }

    fn create(&mut self, statements: &[String]) -> Result<(), Fault> {
        statements.iter().try_for_each(|statement| self.connection.query_drop(statement)).map_err(|error| fault(&error))
    }

    fn prepare(&mut self, table: &TableSchema, targets: &[ColumnTarget]) -> Result<InsertHead, Fault> {
        let verb = if table.delayed { "INSERT DELAYED INTO" } else { "INSERT INTO" };
        let (name, columns) = (&table.sql_name, column_list(SqlDialect::Mysql, targets));
        Ok(InsertHead { sql: format!("{verb} {name} ({columns}) VALUES "), delayed: table.delayed })
    }

    fn insert(&mut self, plan: &InsertPlan<InsertHead>, rows: &[Row<'_>]) -> Result<Written, Fault> {
        if !plan.statement.delayed {
            self.connection.query_drop("START TRANSACTION").map_err(|error| match fault(&error) {
                Fault::Unavailable(why) => Fault::Lost(why),
                fault => fault,
            })?;
        }
        let mut outcome = self.insert_rows(plan, rows);
        if matches!(outcome, Err(Fault::Changed(_))) && std::mem::take(&mut self.refused_date) {
            outcome = self.insert_without_strict_mode(plan, rows);
        }
        match outcome {
            Ok(written) => self.end_transaction("COMMIT", plan).map(|()| written),
            Err(fault @ (Fault::Unavailable(_) | Fault::Lost(_))) => Err(fault),
            Err(fault) => self.end_transaction("ROLLBACK", plan).and(Err(fault)),
        }
    }
}

impl Connection {
    fn end_transaction(&mut self, sql: &str, plan: &InsertPlan<InsertHead>) -> Result<(), Fault> {
        if plan.statement.delayed {
            return Ok(());
        }
        self.connection.query_drop(sql).map_err(|error| fault(&error))
    }

    /// As [`insert_rows`](Self::insert_rows) from the start of the transaction, in a mode that puts a date right.
    fn insert_without_strict_mode(
        &mut self,
        plan: &InsertPlan<InsertHead>,
        rows: &[Row<'_>],
    ) -> Result<Written, Fault> {
        let mut run = |sql: &str| self.connection.query_drop(sql).map_err(|error| fault(&error));
        run("ROLLBACK")?;
        run("SET @sipcapture_sql_mode = @@sql_mode, sql_mode = \
             REPLACE(REPLACE(@@sql_mode, 'STRICT_TRANS_TABLES', ''), 'STRICT_ALL_TABLES', '')")?;
        run("START TRANSACTION")?;
        let outcome = self.insert_rows(plan, rows);
        self.connection.query_drop("SET sql_mode = @sipcapture_sql_mode").map_err(|error| fault(&error))?;
        outcome
    }

    /// Sends the rows in as few statements as the packet size allows.
    fn insert_rows(&mut self, plan: &InsertPlan<InsertHead>, rows: &[Row<'_>]) -> Result<Written, Fault> {
        let head = plan.statement.sql.as_bytes();
        let most = self.max_allowed_packet.saturating_sub(PACKET_SLACK);
        let mut written = Written::default();
        self.literals.sql.clear();
        self.literals.sql.extend_from_slice(head);
        for row in rows {
            let row_start = self.literals.sql.len();
            if row_start > head.len() {
                self.literals.sql.push(b',');
            }
            written.truncated += self.push_row(plan, row);
            if self.literals.sql.len() <= most {
                continue;
            }
            if row_start > head.len() {
                let first = row_start + 1;
                self.send(row_start)?;
                self.literals.sql.drain(head.len()..first);
            }
            let length = self.literals.sql.len();
            if length > most {
                let limit = self.max_allowed_packet;
                return Err(Fault::Rejected(format!(
                    "a row of {length} bytes does not fit into the server's max_allowed_packet of {limit} bytes"
                )));
            }
        }
        self.send(self.literals.sql.len())?;
        Ok(written)
    }

    fn push_row(&mut self, plan: &InsertPlan<InsertHead>, row: &Row<'_>) -> u64 {
        let mut truncated = 0;
        for (position, target) in plan.targets.iter().enumerate() {
            self.literals.sql.push(if position == 0 { b'(' } else { b',' });
            truncated += u64::from(self.encoder.write(row[target.value], target, &mut self.literals));
        }
        self.literals.sql.push(b')');
        truncated
    }

    /// Sends the first `length` bytes of the statement.
    fn send(&mut self, length: usize) -> Result<(), Fault> {
        let sql = std::str::from_utf8(&self.literals.sql[..length])
            .map_err(|error| Fault::Rejected(format!("a statement that is no UTF-8: {error}")))?;
        self.connection.query_drop(sql).map_err(|error| {
            self.refused_date = matches!(&error, Error::MySqlError(refusal) if refusal.code == INCORRECT_DATE);
            fault(&error)
        })
    }

    /// Whether `table` takes INSERT DELAYED; says once a table if it does not.
    fn takes_delayed(&mut self, table: &str) -> Result<bool, Fault> {
        let (schema, name) = schema_and_table(table);
        let described: Option<(Option<String>, Option<String>)> =
            self.connection.exec_first(ENGINE, (schema, name)).map_err(|error| fault(&error))?;
        let (engine, create_options) = described.unwrap_or_default();
        let engine = Engine { name: engine.unwrap_or_else(|| "unknown".to_owned()), options: create_options };
        let takes = self.is_mariadb && engine.takes_delayed();
        if !takes {
            let server = if self.is_mariadb { "MariaDB" } else { "this server" };
            log::info!("{server} has no INSERT DELAYED for table {table} (engine {engine}): plain INSERT is used");
        }
        Ok(takes)
    }
}

/// What keeps a table's rows, as information_schema describes it.
struct Engine {
    name: String,
    /// What the table was made with, such as `row_format=DYNAMIC transactional=0`.
    options: Option<String>,
}

impl Engine {
    fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    fn is_transactional_aria(&self) -> bool {
        let mut options = self.options.as_deref().unwrap_or_default().split_ascii_whitespace();
        self.is("Aria") && !options.any(|option| option.eq_ignore_ascii_case("transactional=0"))
    }

    fn takes_delayed(&self) -> bool {
        DELAYED_ENGINES.iter().any(|name| self.is(name)) || (self.is("Aria") && !self.is_transactional_aria())
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.name)?;
        out.write_str(if self.is_transactional_aria() { ", transactional" } else { "" })
    }
}

/// The schema, if the name has one, and the table.
fn schema_and_table(table: &str) -> (Option<&str>, &str) {
    match table.split_once('.') {
        Some((schema, table)) => (Some(schema), table),
        None => (None, table),
    }
}

/// A column as information_schema describes it.
struct Described {
    data_type: String,
    column_type: String,
    width: Option<u64>,
    charset: Option<String>,
}

impl Described {
    fn kind(&self) -> ColumnType {
        let unsigned = self.column_type.contains("unsigned");
        let int = |bits: u32| {
            let most = (1_i64 << (bits - 1)) - 1;
            if unsigned { ColumnType::Int(0, 2 * most + 1) } else { ColumnType::Int(-most - 1, most) }
        };
        let width = self.width.map_or(usize::MAX, |width| usize::try_from(width).unwrap_or(usize::MAX));
        match self.data_type.to_ascii_lowercase().as_str() {
            "char" | "varchar" => self.text(width, usize::MAX),
            // The width of the TEXT types is in bytes, whatever the charset.
            "tinytext" | "text" | "mediumtext" | "longtext" => self.text(usize::MAX, width),
            "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => ColumnType::Binary(width),
            "tinyint" => int(8),
            "smallint" => int(16),
            "mediumint" => int(24),
            "int" => int(32),
            "bigint" => ColumnType::Int(if unsigned { 0 } else { i64::MIN }, i64::MAX),
            "timestamp" => ColumnType::Timestamp,
            "datetime" | "date" => ColumnType::Time,
            _ => ColumnType::Other,
        }
    }

    fn text(&self, characters: usize, bytes: usize) -> ColumnType {
        let charset = match self.charset.as_deref() {
            Some("utf8mb4") => Charset::Unicode,
            Some("utf8" | "utf8mb3") => Charset::Basic,
            Some("latin1") => Charset::Latin1,
            _ => Charset::Ascii,
        };
        ColumnType::Text(TextWidth { charset, nul: true, characters, bytes })
    }
}

/// SQL literals, in the buffer of the statement.
struct Literals {
    sql: Vec<u8>,
    /// Whether a backslash escapes (sql_mode without NO_BACKSLASH_ESCAPES).
    backslash: bool,
}

impl Literals {
    fn quoted(&mut self, text: &str) {
        self.sql.push(b'\'');
        if self.backslash {
            push_replacing(&mut self.sql, text.as_bytes(), |byte| match byte {
                b'\'' => Some(b"''"),
                b'\\' => Some(b"\\\\"),
                0 => Some(b"\\0"),
                _ => None,
            });
        } else {
            push_replacing(&mut self.sql, text.as_bytes(), |byte| (byte == b'\'').then_some(b"''"));
        }
        self.sql.push(b'\'');
    }
}

impl Notation for Literals {
    fn integer(&mut self, number: i64) {
        push_integer(&mut self.sql, number);
    }

    fn text(&mut self, text: &str) {
        self.quoted(text);
    }

    fn binary(&mut self, bytes: &[u8]) {
        match std::str::from_utf8(bytes) {
            Ok(text) => {
                self.sql.extend_from_slice(b"_binary");
                self.quoted(text);
            }
            Err(_) => {
                self.sql.extend_from_slice(b"X'");
                push_hex(&mut self.sql, bytes);
                self.sql.push(b'\'');
            }
        }
    }
}

/// What an error means for the rows, by its number: MySQL's SQLSTATEs are too coarse.
fn fault(error: &Error) -> Fault {
    let Error::MySqlError(server_error) = error else { return unavailable(error) };
    let text = error.to_string();
    match server_error.code {
        // Unknown column, table or engine's table; value out of range, too long, or not in the column's charset.
        1051 | 1054 | 1109 | 1136 | 1146 | 1264 | 1265 | 1292 | 1366 | 1406 | 1932 => Fault::Changed(text),
        // INSERT denied on the table, or on one of its columns.
        1142 | 1143 => Fault::TableUnusable(text),
        // Waited for a lock for too long, of the table or of a row.
        1205 => Fault::TableLocked(text),
        // Files, disk and memory: cannot write, disk full, out of memory, table full, engine's error, table crashed.
        3 | 20 | 28 | 126 | 127 | 134 | 144 | 145 | 1021 | 1026 | 1030 | 1034..=1038 | 1041 | 1114 | 1194 | 1195 | 1812
        | 1814
        // Login and connection: too many, access denied, no such database, host blocked, account locked or expired.
        | 1040 | 1042 | 1043 | 1044 | 1045 | 1049 | 1129 | 1130 | 1203 | 1226 | 1251 | 1820 | 1862 | 3118 | 3159 | 4151
        // The server goes or is not ready (1047: a Galera node that is not synchronised), the connection is killed.
        | 1047 | 1053 | 1077 | 1079 | 1080 | 1152 | 1158..=1161 | 1184 | 1317 | 1927 | 1969 | 3024 | 4031
        // Locks, deadlocks, rolled back, read-only.
        | 1099 | 1100 | 1180 | 1192 | 1206 | 1213 | 1223 | 1290 | 1637 | 1792 | 1836 | 3101 => Fault::Unavailable(text),
        _ if server_error.state.starts_with("08") => Fault::Unavailable(text),
        _ => Fault::Rejected(text),
    }
}

fn unavailable(error: &Error) -> Fault {
    Fault::Unavailable(open::words(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(data_type: &str, column_type: &str, width: Option<u64>, charset: Option<&str>) -> ColumnType {
        let owned = |text: &str| text.to_owned();
        Described { data_type: owned(data_type), column_type: owned(column_type), width, charset: charset.map(owned) }
            .kind()
    }

    #[test]
    fn a_column_is_what_information_schema_says() {
        assert_eq!(kind("tinyint", "tinyint(3)", None, None), ColumnType::Int(-128, 127));
        assert_eq!(kind("mediumint", "mediumint(9)", None, None), ColumnType::Int(-8_388_608, 8_388_607));
        assert_eq!(kind("int", "int(10) unsigned", None, None), ColumnType::Int(0, 4_294_967_295));
        assert_eq!(kind("bigint", "bigint(18) unsigned", None, None), ColumnType::Int(0, i64::MAX));
        assert_eq!(kind("varbinary", "varbinary(9)", Some(9), None), ColumnType::Binary(9));
        let width = TextWidth { charset: Charset::Basic, nul: true, characters: 64, bytes: usize::MAX };
        assert_eq!(kind("varchar", "varchar(64)", Some(64), Some("utf8mb3")), ColumnType::Text(width));
        let width = TextWidth { charset: Charset::Ascii, nul: true, characters: usize::MAX, bytes: 65_535 };
        assert_eq!(kind("text", "text", Some(65_535), Some("koi8r")), ColumnType::Text(width));
    }

    #[test]
    fn literals_are_escaped_as_the_sql_mode_asks() {
        for (backslash, expected) in
            [(true, "'it''s \\\\ \\0',_binary'a\\\\''',X'00ff',-5"), (false, "'it''s \\ \0',_binary'a\\''',X'00ff',-5")]
        {
            let mut literals = Literals { sql: Vec::new(), backslash };
            literals.text("it's \\ \0");
            literals.sql.push(b',');
            literals.binary(b"a\\'");
            literals.sql.push(b',');
            literals.binary(b"\0\xff");
            literals.sql.push(b',');
            literals.integer(-5);
            assert_eq!(String::from_utf8(literals.sql).unwrap(), expected);
        }
    }
}
