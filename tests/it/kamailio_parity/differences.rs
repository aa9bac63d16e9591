//! The differences from the stock module that are meant: what differs, why, and what the value is instead.
//!
//! The list is checked both ways. A difference that no entry covers fails the test, and so does an entry that covers
//! nothing, or that names a message in which nothing differs.

use super::tables::Engine;
use super::traffic::Sent;

/// A value of one column that is not the same in both rows; `row` stands for the whole row when one has none.
#[derive(Debug)]
pub struct Unequal<'a> {
    /// The database.
    pub engine: Engine,
    /// The packet.
    pub sent: &'a Sent,
    /// The column, or `row`.
    pub column: &'a str,
    /// What the stock module stored; `None` is NULL.
    pub stock: Option<&'a [u8]>,
    /// What our module stored.
    pub ours: Option<&'a [u8]>,
}

/// One difference that is meant.
pub struct Difference {
    /// Why it is meant.
    pub reason: &'static str,
    /// The columns in which it shows.
    pub columns: &'static [&'static str],
    /// The databases in which it shows.
    pub engines: &'static [Engine],
    /// The messages in which it shows, each of which must show it; empty stands for any message.
    pub messages: &'static [&'static str],
    /// What exactly is there in place of the stock value.
    pub holds: fn(&Unequal<'_>) -> bool,
}

impl Difference {
    /// Whether this entry excuses the inequality.
    pub fn covers(&self, unequal: &Unequal<'_>) -> bool {
        self.engines.contains(&unequal.engine)
            && (self.columns.is_empty() || self.columns.contains(&unequal.column))
            && (self.messages.is_empty() || self.messages.contains(&unequal.sent.name.as_str()))
            && (self.holds)(unequal)
    }
}

const EVERY: &[Engine] = &[Engine::Sqlite, Engine::Mysql, Engine::PostgresBytea, Engine::PostgresText];

/// All differences that are meant.
pub const DIFFERENCES: &[Difference] = &[
    Difference {
        reason: "SQLite gets dates as YYYY-MM-DD HH:MM:SS; the stock driver writes julian day numbers",
        columns: &["date"],
        engines: &[Engine::Sqlite],
        messages: &[],
        holds: |unequal| {
            let stock = text(unequal.stock).parse::<f64>().unwrap_or_default();
            let ours = super::local_time(unequal.ours).map(super::julian_day).unwrap_or_default();
            (stock - ours).abs() < 1.5 / 86_400.0
        },
    },
    Difference {
        reason: "columns get '' and never NULL; the stock module hands SQLite null pointers for what is absent",
        columns: &[],
        engines: &[Engine::Sqlite],
        messages: &[],
        holds: |unequal| unequal.column != "row" && unequal.stock.is_none() && unequal.ours == Some(b""),
    },
    Difference {
        reason: "a text column gets the message as text; the stock driver writes the hexadecimal form of a bytea",
        columns: &["msg"],
        engines: &[Engine::PostgresText],
        messages: &[],
        holds: |unequal| {
            let hexadecimal =
                |bytes: &[u8]| bytes.iter().fold("\\x".to_owned(), |hex, byte| hex + &format!("{byte:02x}"));
            text(unequal.stock) == hexadecimal(&unequal.sent.observed.payload)
                && unequal.ours == Some(&unequal.sent.observed.payload)
        },
    },
    Difference {
        reason: "IP protocol 22 is TLS in version 3 too, where the stock module leaves the transport undefined",
        columns: &["proto"],
        engines: EVERY,
        messages: &[],
        holds: |unequal| {
            unequal.sent.name.starts_with("v3 ") && unequal.sent.name.contains(" tls ") && unequal.ours == Some(b"3")
        },
    },
];

fn text(value: Option<&[u8]>) -> String {
    String::from_utf8_lossy(value.unwrap_or_default()).into_owned()
}
