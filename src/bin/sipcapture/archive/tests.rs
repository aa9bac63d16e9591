//! What is asked of a database, on a file of SQLite.

use super::*;
use std::cell::Cell as Counter;
use std::rc::Rc;

/// A database that counts the messages themselves that are fetched from it.
struct Counting {
    database: sqlite::Sqlite,
    payloads: Rc<Counter<usize>>,
}

impl Database for Counting {
    fn dialect(&self) -> SqlDialect {
        self.database.dialect()
    }

    fn tables(&mut self) -> Result<Vec<TableColumns>, ArchiveError> {
        self.database.tables()
    }

    fn select(&mut self, query: &SqlQuery) -> Result<Vec<Vec<ColumnValue>>, ArchiveError> {
        let rows = self.database.select(query)?;
        let payloads = rows.iter().filter(|row| row.last() != Some(&ColumnValue::Null)).count();
        self.payloads.set(self.payloads.get() + payloads);
        Ok(rows)
    }
}

/// An archive of two tables; in each, the messages of `calls` with these times, in this order.
fn archive(directory: &tempfile::TempDir, calls: &[(&str, &[i64])]) -> (Archive, Rc<Counter<usize>>) {
    let path = directory.path().join("calls.db");
    let file = rusqlite::Connection::open(&path).unwrap();
    for table in ["sip_capture_one", "sip_capture_two"] {
        file.execute_batch(&format!(
            "CREATE TABLE {table} \
             (id INTEGER PRIMARY KEY, micro_ts BIGINT, callid TEXT, method TEXT, cseq TEXT, msg TEXT)"
        ))
        .unwrap();
    }
    file.execute_batch("BEGIN").unwrap();
    for (call_id, times) in calls {
        for (number, time) in times.iter().enumerate() {
            let table = ["sip_capture_one", "sip_capture_two"][number % 2];
            let insert =
                format!("INSERT INTO {table} (micro_ts, callid, method, cseq, msg) VALUES (?, ?, 'INFO', ?, 'm')");
            file.execute(&insert, rusqlite::params![time, call_id, format!("{number} INFO")]).unwrap();
        }
    }
    file.execute_batch("COMMIT").unwrap();
    let payloads = Rc::new(Counter::new(0));
    let mut database = Counting { database: sqlite::Sqlite::open(&path).unwrap(), payloads: payloads.clone() };
    let tables = choose_tables(&database.tables().unwrap(), &[], &[]).unwrap();
    (Archive { database: Box::new(database), tables }, payloads)
}

fn numbers(messages: &[Message]) -> Vec<(&str, &str)> {
    messages.iter().map(|message| (message.call_id.as_str(), message.cseq.trim_end_matches(" INFO"))).collect()
}

#[test]
fn of_equal_times_alone_the_messages_themselves_are_fetched() {
    let directory = tempfile::tempdir().unwrap();
    let (mut archive, payloads) = archive(&directory, &[("a", &[1, 2, 2, 3, 4]), ("b", &[2, 1, 5, 5])]);
    let messages = archive.messages(&["a".into(), "b".into()], false).unwrap();
    let expected =
        [("a", "0"), ("b", "1"), ("a", "1"), ("a", "2"), ("b", "0"), ("a", "3"), ("a", "4"), ("b", "2"), ("b", "3")];
    let mut found = numbers(&messages);
    let mut all = expected.to_vec();
    found.sort_unstable();
    all.sort_unstable();
    assert_eq!(found, all);
    assert!(messages.is_sorted_by_key(|message| message.micro_ts));
    assert!(messages.iter().all(|message| message.payload.is_empty()));
    // Two of each call, and what of "b" has a time that is wanted of "a".
    assert_eq!(payloads.get(), 5);
}

#[test]
fn equal_times_of_more_calls_than_one_statement_takes_are_fetched_once() {
    let directory = tempfile::tempdir().unwrap();
    let times: Vec<i64> = (0..600).map(|number| number / 2).collect();
    let (mut archive, payloads) = archive(&directory, &[("a", &times), ("b", &times)]);
    let messages = archive.messages(&["a".into(), "b".into()], false).unwrap();
    assert_eq!(messages.len(), 1200);
    assert!(payloads.get() < 2 * 1200, "{}", payloads.get());
}

#[test]
fn a_flood_with_one_time_is_not_fetched() {
    let directory = tempfile::tempdir().unwrap();
    let (mut archive, payloads) = archive(&directory, &[("a", &[7; 4_100])]);
    assert_eq!(archive.messages(&["a".into()], false).unwrap().len(), 4_100);
    assert_eq!(payloads.get(), 0);
}

#[test]
fn times_that_are_no_numbers_are_read_as_before() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("calls.db");
    let file = rusqlite::Connection::open(&path).unwrap();
    file.execute_batch(
        "CREATE TABLE sip_capture (id INTEGER PRIMARY KEY, micro_ts BLOB, callid TEXT, method TEXT, msg TEXT);
        INSERT INTO sip_capture (micro_ts, callid, method, msg) 
        VALUES ('7', 'a', 'INFO', 'm'), ('7', 'a', 'INFO', 'm')",
    )
    .unwrap();
    let mut archive = Archive::open(path.to_str().unwrap(), &[], &[]).unwrap();
    assert_eq!(archive.messages(&["a".into()], false).unwrap().len(), 2);
}
