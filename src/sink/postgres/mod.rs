//! PostgreSQL: one COPY a slice.
//!
//! The driver is asynchronous underneath, and a runtime of its own, on this thread alone, drives it: that is what gives
//! every exchange a deadline, also with a server that is stopped or behind a network that swallows packets.
//!
//! COPY runs between BEGIN and COMMIT. When the deadline passes before COMMIT is sent, the server takes everything
//! back, and the repeated write makes no duplicates.

pub(super) mod open;

use super::encode::{ColumnEncoder, Notation, push_hex, push_integer, push_replacing};
use super::escape::{Charset, TextWidth};
use super::options::{Deadlines, SinkOptions};
use super::session::{Fault, Session};
use super::table_schema::{ColumnTarget, ColumnType, InsertPlan, SchemaColumn, TableSchema, column_list};
use super::url::Server;
use super::write::Written;
use crate::table::{Row, SqlDialect};
use futures_util::Sink;
use std::future::{Future, poll_fn};
use std::io::Cursor;
use std::pin::pin;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error, Statement};

/// What a B-tree takes of a text, in bytes: a third of a page, a little less for what else an entry holds.
const INDEX_WIDTH: usize = 2600;

/// Name, type, type modifier of every column that can be written, and how many columns share its B-trees at most (0 for
/// none); domains are seen as what they are made of.
const COLUMNS: &str = "
    SELECT a.attname, coalesce(b.typname, t.typname)::text,
           CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END,
           coalesce((SELECT max(i.indnatts)
                       FROM pg_catalog.pg_index i
                       JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
                       JOIN pg_catalog.pg_am m ON m.oid = c.relam AND m.amname = 'btree'
                      WHERE i.indrelid = a.attrelid AND a.attnum = ANY (i.indkey)), 0)::int
      FROM pg_catalog.pg_attribute a
      JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
      LEFT JOIN pg_catalog.pg_type b ON t.typtype = 'd' AND b.oid = t.typbasetype
     WHERE a.attrelid = pg_catalog.to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped
       AND coalesce(pg_catalog.to_jsonb(a) ->> 'attgenerated', '') = ''
     ORDER BY a.attnum";

/// A connection, and what drives it.
pub(super) struct Connection {
    client: Client,
    runtime: Runtime,
    io_timeout: Duration,
    charset: Charset,
    encoder: ColumnEncoder,
    /// Whether a COPY was refused before it began. The driver then sends one Sync too many, and an answer that it does
    /// not expect confuses it sooner or later: such a connection is given up.
    out_of_step: bool,
    /// Size of the last batch: the next one's buffer.
    last_length: usize,
}

impl Connection {
    /// Waits for `exchange` until the deadline.
    fn wait<T>(&self, exchange: impl Future<Output = Result<T, Error>>) -> Result<T, Fault> {
        let timeout = self.io_timeout;
        self.runtime.block_on(async {
            match tokio::time::timeout(timeout, exchange).await {
                Ok(outcome) => outcome.map_err(|error| fault(&error)),
                Err(_) => Err(Fault::Unavailable(format!("no answer within {} s", timeout.as_secs_f32()))),
            }
        })
    }
}

impl Session for Connection {
    type Address = Server;
    type Statement = Statement;
    const DIALECT: SqlDialect = SqlDialect::Postgres;

    fn connect(server: &Server, options: &SinkOptions) -> Result<Connection, Fault> {
        let (client, runtime) = open::open(server, &Deadlines::of(options)).map_err(Fault::Unavailable)?;
        let mut connection = Connection {
            client,
            runtime,
            io_timeout: options.io_timeout,
            charset: Charset::Ascii,
            encoder: ColumnEncoder::new(),
            out_of_step: false,
            last_length: 0,
        };
        connection.prepare_session().map_err(|fault| match fault {
            Fault::Rejected(why) | Fault::Changed(why) => Fault::Unavailable(why),
            fault => fault,
        })?;
        Ok(connection)
    }

    fn is_current(&self) -> bool {
        !self.client.is_closed() && !self.out_of_step
    }

    fn describe(&mut self, table: &str) -> Result<Option<TableSchema>, Fault> {
        let mut sql_name = SqlDialect::Postgres.quote_table(table);
        let mut rows = self.wait(self.client.query(COLUMNS, &[&sql_name]))?;
        if rows.is_empty() && table.contains(|letter: char| letter.is_ascii_uppercase()) {
            // A name that was created without quotes is in lower case.
            sql_name.make_ascii_lowercase();
            rows = self.wait(self.client.query(COLUMNS, &[&sql_name]))?;
        }
        if rows.is_empty() {
            return Ok(None);
        }
        let column = |row: &tokio_postgres::Row| {
            let described = Described { type_name: row.try_get(1)?, modifier: row.try_get(2)?, index: row.try_get(3)? };
            Ok(SchemaColumn { name: row.try_get(0)?, kind: described.kind(self.charset) })
        };
        let columns = rows.iter().map(column).collect::<Result<Vec<_>, Error>>().map_err(|error| fault(&error))?;
        Ok(Some(TableSchema { sql_name, columns, delayed: false }))
    }

    fn create(&mut self, statements: &[String]) -> Result<(), Fault> {
        // One message is one transaction.
        self.wait(self.client.batch_execute(&statements.join(";\n")))
    }

    fn prepare(&mut self, table: &TableSchema, targets: &[ColumnTarget]) -> Result<Statement, Fault> {
        let (table, columns) = (&table.sql_name, column_list(SqlDialect::Postgres, targets));
        self.wait(self.client.prepare(&format!("COPY {table} ({columns}) FROM STDIN")))
    }

    fn insert(&mut self, plan: &InsertPlan<Statement>, rows: &[Row<'_>]) -> Result<Written, Fault> {
        let mut copy = CopyText { bytes: Vec::with_capacity(self.last_length + self.last_length / 8) };
        let mut written = Written::default();
        for row in rows {
            for (position, target) in plan.targets.iter().enumerate() {
                if position > 0 {
                    copy.bytes.push(b'\t');
                }
                written.truncated += u64::from(self.encoder.write(row[target.value], target, &mut copy));
            }
            copy.bytes.push(b'\n');
        }
        self.last_length = copy.bytes.len();
        self.wait(self.client.batch_execute("BEGIN")).map_err(|fault| match fault {
            Fault::Unavailable(why) => Fault::Lost(why),
            fault => fault,
        })?;
        let mut accepted = false;
        let copied = self.wait(copy_in(&self.client, &plan.statement, copy.bytes, &mut accepted));
        if !accepted {
            self.out_of_step = true;
            return copied.map(|()| written);
        }
        match copied {
            Ok(()) => self.wait(self.client.batch_execute("COMMIT")).map(|()| written),
            Err(fault @ Fault::Unavailable(_)) => Err(fault),
            Err(fault) => self.wait(self.client.batch_execute("ROLLBACK")).and(Err(fault)),
        }
    }
}

impl Connection {
    /// Sets deadlines on the server's side too, short of ours, so that a lock that somebody holds for long ends in an
    /// error of the server and not in a connection that we give up.
    fn prepare_session(&mut self) -> Result<(), Fault> {
        let lock_timeout = self.io_timeout.as_millis() / 2;
        let statement_timeout = self.io_timeout.as_millis() * 5 / 6;
        self.wait(self.client.batch_execute(&format!(
            "SET lock_timeout = {lock_timeout}; SET statement_timeout = {statement_timeout}; \
             SET idle_in_transaction_session_timeout = {statement_timeout}; SET client_min_messages = warning"
        )))?;
        let row = self.wait(self.client.query_one("SELECT pg_catalog.current_setting('server_encoding')", &[]))?;
        let encoding: String = row.try_get(0).map_err(|error| fault(&error))?;
        self.charset = match encoding.as_str() {
            "UTF8" | "SQL_ASCII" => Charset::Unicode,
            "LATIN1" => Charset::Latin1,
            _ => Charset::Ascii,
        };
        Ok(())
    }
}

/// One COPY, all of it in one piece; `accepted` says whether the server was ready to take rows.
async fn copy_in(client: &Client, statement: &Statement, rows: Vec<u8>, accepted: &mut bool) -> Result<(), Error> {
    let mut sink = pin!(client.copy_in::<_, Cursor<Vec<u8>>>(statement).await?);
    *accepted = true;
    poll_fn(|context| sink.as_mut().poll_ready(context)).await?;
    sink.as_mut().start_send(Cursor::new(rows))?;
    sink.finish().await?;
    Ok(())
}

/// A column as the catalogue describes it.
struct Described {
    type_name: String,
    modifier: i32,
    /// Columns of the widest B-tree that it is in, 0 for none.
    index: i32,
}

impl Described {
    fn kind(&self, charset: Charset) -> ColumnType {
        match self.type_name.as_str() {
            // The modifier of a character type is its width and 4.
            "varchar" | "bpchar" => self.text(charset, usize::try_from(self.modifier - 4).unwrap_or(usize::MAX)),
            "text" | "citext" => self.text(charset, usize::MAX),
            "bytea" => ColumnType::Binary(self.index_width()),
            "int2" => ColumnType::Int(i16::MIN.into(), i16::MAX.into()),
            "int4" => ColumnType::Int(i32::MIN.into(), i32::MAX.into()),
            "int8" => ColumnType::Int(i64::MIN, i64::MAX),
            "timestamptz" => ColumnType::Moment,
            "timestamp" | "date" => ColumnType::Time,
            _ => ColumnType::Other,
        }
    }

    fn text(&self, charset: Charset, characters: usize) -> ColumnType {
        ColumnType::Text(TextWidth { charset, nul: false, characters, bytes: self.index_width() })
    }

    /// An indexed column is as wide as its index: the server refuses a row whose index entry is too long.
    fn index_width(&self) -> usize {
        usize::try_from(self.index).ok().and_then(|columns| INDEX_WIDTH.checked_div(columns)).unwrap_or(usize::MAX)
    }
}

/// The text format of COPY.
struct CopyText {
    bytes: Vec<u8>,
}

impl Notation for CopyText {
    fn integer(&mut self, number: i64) {
        push_integer(&mut self.bytes, number);
    }

    fn text(&mut self, text: &str) {
        push_replacing(&mut self.bytes, text.as_bytes(), |byte| match byte {
            b'\\' => Some(b"\\\\"),
            b'\n' => Some(b"\\n"),
            b'\r' => Some(b"\\r"),
            b'\t' => Some(b"\\t"),
            _ => None,
        });
    }

    fn binary(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(b"\\\\x");
        push_hex(&mut self.bytes, bytes);
    }
}

/// What an error means for the rows, by the class of its SQLSTATE.
fn fault(error: &Error) -> Fault {
    let Some(database) = error.as_db_error() else { return unavailable(error) };
    let text = open::describe(error);
    let code = database.code();
    let changed = [
        SqlState::UNDEFINED_TABLE,
        SqlState::UNDEFINED_COLUMN,
        SqlState::INVALID_SCHEMA_NAME,
        SqlState::STRING_DATA_RIGHT_TRUNCATION,
        SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
        SqlState::WRONG_OBJECT_TYPE,
        SqlState::UNDEFINED_PSTATEMENT,
    ];
    if changed.contains(code) {
        return Fault::Changed(text);
    }
    if *code == SqlState::INSUFFICIENT_PRIVILEGE {
        return Fault::TableUnusable(text);
    }
    if *code == SqlState::LOCK_NOT_AVAILABLE {
        return Fault::TableLocked(text);
    }
    // 08 connection, 25 read-only or broken transaction, 28 login, 3D no such database, 40 rollback (deadlock), 53 out
    // of resources, 55 locked or not ready, 57 shutdown or cancelled, 58 system error, XX internal error or corruption.
    match code.code().get(..2) {
        Some("08" | "25" | "28" | "3D" | "40" | "53" | "55" | "57" | "58" | "XX") => Fault::Unavailable(text),
        _ => Fault::Rejected(text),
    }
}

fn unavailable(error: &Error) -> Fault {
    Fault::Unavailable(open::describe(error))
}
