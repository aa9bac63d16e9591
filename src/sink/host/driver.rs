//! What is known of the host's drivers, each by itself, and what is asked of which.
//!
//! | driver | what it does otherwise | what is done about it |
//! |---|---|---|
//! | `db_text` | takes the low half of 64 bits, with an error; crashes where a text is wanted | gets the low half |
//! | `db_text` | reads no SQL that asks for no rows | is asked for a value that no row has; its tables are in memory |
//! | `db_sqlite` | takes a file that somebody else is writing for a refused row | waits for the file |
//! | most | have no INSERT DELAYED | get plain inserts, and the log says so once |

use super::frame::{HostValue, Request};
use super::service::HostDatabase;
use std::fmt::{self, Display, Formatter};

/// What SQLite is told on each new connection.
const WAIT_FOR_FILE: &[u8] = b"PRAGMA busy_timeout = 10000\0";

/// What a driver can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DriverAbilities {
    /// Connect, insert and close.
    pub insert: bool,
    /// Insert delayed.
    pub insert_delayed: bool,
    /// Run a statement of SQL.
    pub run: bool,
    /// Select rows by a column's value.
    pub select: bool,
}

/// Why the host's module will not do as a driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriverFault {
    /// It is not loaded.
    NotLoaded,
    /// It does not answer as a driver.
    Refused,
    /// It is one that only reads.
    CannotInsert,
}

impl Display for DriverFault {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            DriverFault::NotLoaded => "which is not loaded",
            DriverFault::Refused => "which does not work",
            DriverFault::CannotInsert => "which cannot insert rows",
        })
    }
}

/// The host's module that serves URLs of `scheme`.
pub fn driver_module(scheme: &str) -> String {
    format!("db_{scheme}")
}

/// The calls of one of the host's drivers, for one database. Names and texts end with a zero byte behind the slice.
pub trait HostDriver {
    /// A request is begun (`true`) or answered (`false`). Whoever hangs between the two should be ended.
    fn working(&mut self, begun: bool);

    /// Connects, and answers what stands around names in the driver's SQL; `None` when it does not connect.
    fn connect(&mut self) -> Option<Vec<u8>>;

    /// Inserts one row, delayed where it says so; false when the driver would not.
    fn insert(&mut self, row: &Request<'_>) -> bool;

    /// Runs a statement, whose rows do not matter; false when the driver would not.
    fn run(&mut self, statement: &[u8]) -> bool;

    /// Selects the rows of `table` whose `column` is `number`, which do not matter either; false when the driver would
    /// not.
    fn select(&mut self, table: &[u8], column: &[u8], number: i32) -> bool;

    /// Closes the connection.
    fn close(&mut self);
}

/// Drivers that need more than all do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DriverKind {
    Text,
    Sqlite,
    Other,
}

/// A database that the host's driver `D` serves.
#[derive(Debug)]
pub struct DriverDatabase<D> {
    driver: D,
    scheme: String,
    kind: DriverKind,
    abilities: DriverAbilities,
    /// What stands around names in SQL, since the last connection.
    quote: Vec<u8>,
    lack_of_delayed_is_said: bool,
}

impl<D: HostDriver> DriverDatabase<D> {
    /// The database at a URL of `scheme`, not connected.
    pub fn new(driver: D, scheme: &str, abilities: DriverAbilities) -> DriverDatabase<D> {
        let kind = match scheme {
            "text" => DriverKind::Text,
            "sqlite" => DriverKind::Sqlite,
            _ => DriverKind::Other,
        };
        let (scheme, quote) = (scheme.to_owned(), Vec::new());
        DriverDatabase { driver, scheme, kind, abilities, quote, lack_of_delayed_is_said: false }
    }

    /// `row` as this driver takes it.
    fn fitted<'a>(&mut self, row: &Request<'a>) -> Request<'a> {
        let mut row = row.clone();
        if row.delayed && !self.abilities.insert_delayed {
            row.delayed = false;
            if !self.lack_of_delayed_is_said {
                log::info!("{} has no INSERT DELAYED: plain INSERT is used", driver_module(&self.scheme));
                self.lack_of_delayed_is_said = true;
            }
        }
        if self.kind == DriverKind::Text {
            for value in &mut row.values {
                if let HostValue::BigInt(number) = *value {
                    *value = HostValue::Int(number as i32);
                }
            }
        }
        row
    }

    /// A statement that selects the columns of `row` and no row, so that neither an index nor the table's size matters.
    fn look(&self, row: &Request<'_>) -> Vec<u8> {
        let quoted = |name: &[u8]| [&self.quote, name, &self.quote].concat();
        let columns: Vec<_> = row.columns.iter().map(|name| quoted(name)).collect();
        [b"SELECT ", &columns.join(&b", "[..])[..], b" FROM ", &quoted(row.table), b" WHERE 1 = 0\0"].concat()
    }
}

/// `text` without the zero byte at its end, which stays behind it.
fn unterminated(text: &[u8]) -> &[u8] {
    text.strip_suffix(b"\0").unwrap_or(text)
}

impl<D: HostDriver> HostDatabase for DriverDatabase<D> {
    fn working(&mut self, begun: bool) {
        self.driver.working(begun);
    }

    fn connect(&mut self) -> bool {
        let Some(quote) = self.driver.connect() else { return false };
        self.quote = quote;
        if self.kind == DriverKind::Sqlite && self.abilities.run {
            // A driver that refuses it stores rows all the same.
            self.driver.run(unterminated(WAIT_FOR_FILE));
        }
        true
    }

    fn insert(&mut self, row: &Request<'_>) -> bool {
        let row = self.fitted(row);
        self.driver.insert(&row)
    }

    fn has_table(&mut self, row: &Request<'_>) -> Option<bool> {
        if self.kind != DriverKind::Text {
            let look = self.look(row);
            return self.abilities.run.then(|| self.driver.run(unterminated(&look)));
        }
        let is_int = |value: &HostValue<'_>| matches!(value, HostValue::Int(_));
        let position = row.values.iter().position(is_int).filter(|_| self.abilities.select)?;
        Some(self.driver.select(row.table, row.columns[position], -1))
    }

    fn close(&mut self) {
        self.driver.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logged;

    /// Notes what it is asked for, and does it unless told otherwise.
    #[derive(Default)]
    struct NotingDriver {
        calls: Vec<String>,
        quote: &'static [u8],
        refuses: bool,
    }

    impl NotingDriver {
        fn note(&mut self, call: String) -> bool {
            self.calls.push(call);
            !self.refuses
        }
    }

    fn shown(bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).into_owned()
    }

    impl HostDriver for NotingDriver {
        fn working(&mut self, _: bool) {}

        fn connect(&mut self) -> Option<Vec<u8>> {
            self.note("connect".to_owned()).then(|| self.quote.to_owned())
        }

        fn insert(&mut self, row: &Request<'_>) -> bool {
            let delayed = if row.delayed { "delayed " } else { "" };
            self.note(format!("insert {delayed}{:?}", row.values))
        }

        fn run(&mut self, statement: &[u8]) -> bool {
            self.note(format!("run {}", shown(statement)))
        }

        fn select(&mut self, table: &[u8], column: &[u8], number: i32) -> bool {
            self.note(format!("select {}.{} = {number}", shown(table), shown(column)))
        }

        fn close(&mut self) {}
    }

    const ALL: DriverAbilities = DriverAbilities { insert: true, insert_delayed: true, run: true, select: true };
    const PLAIN: DriverAbilities = DriverAbilities { insert: true, insert_delayed: false, run: false, select: false };

    fn database(scheme: &str, abilities: DriverAbilities, quote: &'static [u8]) -> DriverDatabase<NotingDriver> {
        DriverDatabase::new(NotingDriver { quote, ..NotingDriver::default() }, scheme, abilities)
    }

    fn row(delayed: bool) -> Request<'static> {
        let columns: Vec<&[u8]> = vec![b"micro_ts", b"source_port", b"msg"];
        let values = vec![HostValue::BigInt(1_700_000_000_123_456), HostValue::Int(5060), HostValue::Blob(b"m")];
        Request { delayed, table: b"sip_capture", columns, values }
    }

    #[test]
    fn a_driver_gets_what_the_row_holds() {
        let mut database = database("mysql", ALL, b"`");
        assert!(database.connect() && database.insert(&row(true)) && database.insert(&row(false)));
        let values = "[BigInt(1700000000123456), Int(5060), Blob([109])]";
        let expected = ["connect".to_owned(), format!("insert delayed {values}"), format!("insert {values}")];
        assert_eq!(database.driver.calls, expected);
        database.driver.refuses = true;
        assert!(!database.connect() && !database.insert(&row(false)));
    }

    #[test]
    fn a_driver_without_insert_delayed_gets_plain_inserts_and_the_log_says_so_once() {
        logged::listen();
        let mut database = database("postgres", PLAIN, b"\"");
        assert!(database.insert(&row(false)));
        assert_eq!(logged::lines(), []);
        assert!(database.insert(&row(true)) && database.insert(&row(true)));
        let said = "db_postgres has no INSERT DELAYED: plain INSERT is used".to_owned();
        assert_eq!(logged::lines(), [(log::Level::Info, said)]);
        assert!(database.driver.calls.iter().all(|call| call.starts_with("insert [")), "{:?}", database.driver.calls);
    }

    #[test]
    fn the_text_driver_gets_no_integer_of_64_bits() {
        let mut database = database("text", ALL, b"");
        assert!(database.insert(&row(false)));
        let low_half = 1_700_000_000_123_456_i64 as i32;
        assert_eq!(database.driver.calls, [format!("insert [Int({low_half}), Int(5060), Blob([109])]")]);
    }

    #[test]
    fn sqlite_waits_for_a_file_that_somebody_else_writes() {
        let mut able = database("sqlite", ALL, b"");
        assert!(able.connect());
        assert_eq!(able.driver.calls, ["connect", "run PRAGMA busy_timeout = 10000"]);
        for (scheme, abilities) in [("sqlite", PLAIN), ("mysql", ALL), ("text", ALL)] {
            let mut other = database(scheme, abilities, b"");
            assert!(other.connect());
            assert_eq!(other.driver.calls, ["connect"], "{scheme}");
        }
    }

    #[test]
    fn a_table_is_looked_at_without_reading_a_row() {
        let statement = |quote: &'static [u8]| {
            let mut database = database("oracle", ALL, quote);
            assert!(database.connect());
            assert_eq!(database.has_table(&row(false)), Some(true));
            database.driver.calls.pop().unwrap()
        };
        let quoted = "run SELECT \"micro_ts\", \"source_port\", \"msg\" FROM \"sip_capture\" WHERE 1 = 0";
        assert_eq!(statement(b"\""), quoted);
        assert_eq!(statement(b""), quoted.replace('"', ""));
        let mut refusing = database("oracle", ALL, b"");
        refusing.driver.refuses = true;
        assert_eq!(refusing.has_table(&row(false)), Some(false));
        assert_eq!(database("oracle", PLAIN, b"").has_table(&row(false)), None);
    }

    #[test]
    fn a_table_of_the_text_driver_is_asked_for_a_number_that_no_row_has() {
        let mut text = database("text", ALL, b"");
        assert_eq!(text.has_table(&row(false)), Some(true));
        assert_eq!(text.driver.calls, ["select sip_capture.source_port = -1"]);
        text.driver.refuses = true;
        assert_eq!(text.has_table(&row(false)), Some(false));
        let texts = Request { columns: vec![b"msg"], values: vec![HostValue::Blob(b"m")], ..row(false) };
        assert_eq!(text.has_table(&texts), None);
        assert_eq!(database("text", PLAIN, b"").has_table(&row(false)), None);
    }

    #[test]
    fn each_fault_of_a_module_has_words_of_its_own() {
        let said =
            [DriverFault::NotLoaded, DriverFault::Refused, DriverFault::CannotInsert].map(|fault| fault.to_string());
        assert_eq!(said, ["which is not loaded", "which does not work", "which cannot insert rows"]);
        assert_eq!(driver_module("unixodbc"), "db_unixodbc");
    }
}
