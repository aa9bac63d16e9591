//! Rows a second from full lanes into the database, against the database's own bulk loader with the same rows and the
//! same table.

use crate::common::kamailio::{Kamailio, Module};
use crate::common::rows::{StoredRow, execute, select};
use crate::common::wait::within;
use crate::generator::Generator;
use crate::rate::{Setup, capture_node};
use crate::server::{Database, Engine};
use crate::tables::fresh;
use mysql::prelude::Queryable as _;
use std::io::Write as _;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Messages in the lanes when the database comes back.
pub const MESSAGES: u64 = 56_000;
/// How fast the lanes are filled.
const FILL_RATE: f64 = 5_000.0;
/// Rows of one INSERT statement of the loader.
const LOADER_ROWS: usize = 500;

/// Rows a second.
#[derive(Clone, Copy, Debug)]
pub struct Drain {
    /// The database's own loader.
    pub loader: f64,
    /// Our writer.
    pub ours: f64,
}

/// Fills the lanes while the database is away, lets it come back, and measures until they are empty; then loads the
/// same rows with the database's own loader.
pub fn measure(database: &Database) -> Drain {
    execute(database.url(), &fresh(database.engine(), "sip_capture"));
    let node = capture_node(database, Module::Ours, Setup { children: 1, writers: 1 }).set("queue_size", 256);
    let server = node.set("spool_dir", "").start();
    let mut generator = Generator::new(server.address(), "drain");
    // The connection is open and the table known before the database goes away.
    generator.send(100.0, 7);
    within(Duration::from_secs(10), "the first call is stored", || server.statistic("stored") == 7);
    let paused = database.pause();
    generator.send(FILL_RATE, MESSAGES);
    within(Duration::from_secs(10), "everything is in the lanes", || server.statistic("captured") == MESSAGES + 7);
    assert_eq!(server.statistic("dropped"), 0, "the lanes are too small");
    drop(paused);
    let ours = drained(&server);
    drop(server);
    let rows = select(database.url(), "SELECT * FROM sip_capture").expect("the table is readable");
    assert_eq!(rows.len() as u64, MESSAGES + 7);
    execute(database.url(), &fresh(database.engine(), "sip_capture"));
    let elapsed = load(database, &rows);
    Drain { loader: rows.len() as f64 / elapsed.as_secs_f64(), ours }
}

/// Rows a second from the time at which the writer is seen to be at work again.
pub fn drained(server: &Kamailio) -> f64 {
    let target = MESSAGES + 7;
    let mut began: Option<(Instant, u64)> = None;
    loop {
        let stored = server.statistic("stored");
        let now = Instant::now();
        match began {
            None if stored > 7 => began = Some((now, stored)),
            Some((since, before)) if stored == target => {
                return (stored - before) as f64 / now.duration_since(since).as_secs_f64();
            }
            _ => {}
        }
        sleep(Duration::from_millis(20));
    }
}

/// Loads `rows` the fastest way that the database itself offers; everything is prepared before the clock starts.
fn load(database: &Database, rows: &[StoredRow]) -> Duration {
    let columns: Vec<&String> = rows[0].keys().filter(|column| *column != "id").collect();
    let list = columns.iter().map(|column| column.as_str()).collect::<Vec<_>>().join(", ");
    match database.engine() {
        Engine::Sqlite => load_sqlite(database.url(), &columns, &list, rows),
        Engine::Mysql => load_mysql(database.url(), &columns, &list, rows),
        Engine::Postgres => load_postgres(database.url(), &columns, &list, rows),
    }
}

fn load_sqlite(url: &str, columns: &[&String], list: &str, rows: &[StoredRow]) -> Duration {
    let mut connection = rusqlite::Connection::open(url.trim_start_matches("sqlite:/")).expect("the file opens");
    let marks = vec!["?"; columns.len()].join(", ");
    let start = Instant::now();
    let transaction = connection.transaction().expect("a transaction begins");
    let mut insert =
        transaction.prepare(&format!("INSERT INTO sip_capture ({list}) VALUES ({marks})")).expect("it is SQL");
    for row in rows {
        let values = columns.iter().map(|column| row[*column].as_deref().map(String::from_utf8_lossy));
        insert.execute(rusqlite::params_from_iter(values)).expect("the row is taken");
    }
    drop(insert);
    transaction.commit().expect("the transaction is committed");
    start.elapsed()
}

fn load_mysql(url: &str, columns: &[&String], list: &str, rows: &[StoredRow]) -> Duration {
    let statements: Vec<String> = rows
        .chunks(LOADER_ROWS)
        .map(|rows| {
            let mut sql = format!("INSERT INTO sip_capture ({list}) VALUES ").into_bytes();
            for (index, row) in rows.iter().enumerate() {
                sql.extend(if index == 0 { b"(".as_slice() } else { b", (" });
                for (position, column) in columns.iter().enumerate() {
                    sql.extend(if position == 0 { b"".as_slice() } else { b"," });
                    push_mysql(&mut sql, row[*column].as_deref());
                }
                sql.push(b')');
            }
            String::from_utf8(sql).expect("the calls are ASCII")
        })
        .collect();
    let mut connection = mysql::Conn::new(url).expect("MariaDB answers");
    let start = Instant::now();
    for statement in &statements {
        connection.query_drop(statement).expect("the rows are taken");
    }
    start.elapsed()
}

fn push_mysql(sql: &mut Vec<u8>, value: Option<&[u8]>) {
    let Some(bytes) = value else { return sql.extend(b"NULL") };
    sql.push(b'\'');
    for byte in bytes {
        if matches!(byte, b'\'' | b'\\') {
            sql.push(b'\\');
        }
        sql.push(*byte);
    }
    sql.push(b'\'');
}

fn load_postgres(url: &str, columns: &[&String], list: &str, rows: &[StoredRow]) -> Duration {
    let mut text = Vec::new();
    for row in rows {
        for (position, column) in columns.iter().enumerate() {
            text.extend(if position == 0 { b"".as_slice() } else { b"\t" });
            push_copy(&mut text, row[*column].as_deref());
        }
        text.push(b'\n');
    }
    let mut client = postgres::Client::connect(url, postgres::NoTls).expect("PostgreSQL answers");
    let start = Instant::now();
    let mut copy = client.copy_in(&format!("COPY sip_capture ({list}) FROM STDIN")).expect("COPY begins");
    copy.write_all(&text).expect("the rows are sent");
    copy.finish().expect("the rows are taken");
    start.elapsed()
}

fn push_copy(text: &mut Vec<u8>, value: Option<&[u8]>) {
    let Some(bytes) = value else { return text.extend(br"\N") };
    for byte in bytes {
        match byte {
            b'\\' => text.extend(br"\\"),
            b'\t' => text.extend(br"\t"),
            b'\n' => text.extend(br"\n"),
            b'\r' => text.extend(br"\r"),
            other => text.push(*other),
        }
    }
}
