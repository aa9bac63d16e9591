//! The differences from the stock module that are meant: what differs, why, and what the value is instead.
//!
//! The list is checked both ways. A difference that no entry covers fails the test, and so does an entry that covers
//! nothing, or that names a message in which nothing differs.

use super::tables::Engine;
use super::traffic::Sent;
use sipcapture_core::sink::escape::unescape;

/// A value of one column that is not the same in both rows. When only one side has a row, the column is `row` and the value the
/// row's message.
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

/// Messages with X-OIP, in which the stock module overwrites a byte.
const POKED: &[&str] = &["awkward xoip-ipv6", "awkward xoip-with-port", "awkward xoip-without-port"];
const POSTGRES: &[Engine] = &[Engine::PostgresBytea, Engine::PostgresText];
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
        reason: "a text column gets the message as text, bytes that are no text escaped reversibly; the stock driver writes \
                 the hexadecimal form of a bytea",
        columns: &["msg"],
        engines: &[Engine::PostgresText],
        messages: &[],
        holds: |unequal| {
            let poked = POKED.contains(&unequal.sent.name.as_str());
            (poked || text(unequal.stock) == hexadecimal(&unequal.sent.observed.payload)) && is_whole_message(unequal)
        },
    },
    Difference {
        reason: "malformed SIP is captured too: the stock server drops it before any route, or refuses to store it",
        columns: &["row"],
        engines: EVERY,
        messages: &[
            "awkward refused-missing-call-id",
            "awkward refused-missing-cseq",
            "awkward refused-missing-from",
            "awkward refused-missing-from-in-reply",
            "awkward refused-missing-to",
            "awkward refused-missing-via",
            "awkward refused-bad-contact",
            "awkward refused-bad-cseq",
            "awkward refused-bad-from",
            "awkward refused-binary",
            "awkward refused-content-length-text",
            "awkward refused-duplicate-call-id",
            "awkward refused-header-without-colon",
            "awkward refused-http-request",
            "awkward refused-unknown-uri-scheme",
        ],
        holds: |unequal| unequal.stock.is_none() && is_whole_message(unequal),
    },
    Difference {
        reason: "bytes that are no UTF-8 are escaped for PostgreSQL, which refuses the rows of the stock module",
        columns: &["row"],
        engines: POSTGRES,
        messages: &["awkward invalid-utf8-from", "awkward invalid-utf8-reply-reason", "awkward invalid-utf8-values"],
        holds: |unequal| unequal.stock.is_none() && is_whole_message(unequal),
    },
    Difference {
        reason: "the message buffer is never modified: the stock module writes a NUL over the first colon behind X-OIP",
        columns: &["msg"],
        engines: &[Engine::Sqlite, Engine::Mysql, Engine::PostgresBytea],
        messages: POKED,
        holds: is_whole_message,
    },
    Difference {
        reason: "originator_ip is the host alone: the stock module leaves the port behind the NUL that it wrote",
        columns: &["originator_ip"],
        // PostgreSQL's driver reads up to the NUL.
        engines: &[Engine::Sqlite, Engine::Mysql],
        messages: &["awkward xoip-with-port"],
        holds: |unequal| unequal.stock == Some(b"192.0.2.9\x005062") && unequal.ours == Some(b"192.0.2.9"),
    },
    Difference {
        reason: "originator_ip is the host alone, also of IPv6, which the stock module cuts at the first colon",
        columns: &["originator_ip"],
        engines: EVERY,
        messages: &["awkward xoip-ipv6"],
        holds: |unequal| unequal.ours == Some(b"2001:db8::9"),
    },
    Difference {
        reason: "originator_port is the port of X-OIP, also behind an IPv6 address",
        columns: &["originator_port"],
        engines: EVERY,
        messages: &["awkward xoip-ipv6"],
        holds: |unequal| unequal.ours == Some(b"5062"),
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

/// Whether our value of `msg`, or our whole row's, is the message as it was sent.
fn is_whole_message(unequal: &Unequal<'_>) -> bool {
    let payload = &unequal.sent.observed.payload;
    match unequal.engine {
        Engine::Sqlite | Engine::Mysql => unequal.ours == Some(payload),
        Engine::PostgresBytea => text(unequal.ours) == hexadecimal(payload),
        Engine::PostgresText => unescape(&text(unequal.ours)).as_ref() == payload,
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold("\\x".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}

fn text(value: Option<&[u8]>) -> String {
    String::from_utf8_lossy(value.unwrap_or_default()).into_owned()
}
