//! The differences from the stock module that are meant: what differs, why, and what the value is instead.
//!
//! The list is checked both ways. A difference that no entry covers fails the test, and so does an entry that covers
//! nothing, or that names a message in which nothing differs.

use super::clock::{is_julian_day, is_local_time};
use super::refused::is_read;
use super::tables::Engine;
use super::traffic::Sent;
use crate::common::release::{Release, release};
use crate::common::rows::StoredRow;
use sipcapture_core::sink::escape::unescape;

/// A value of one column that is not the same in both rows. When the stock module has no row, the column is `row` and
/// our value the row's message.
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
    /// Our whole row.
    pub our_row: &'a StoredRow,
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
/// What goes over TLS in version 3.
const V3_TLS: &[&str] = &[
    "v3 ipv4 tls call INVITE",
    "v3 ipv4 tls call 100",
    "v3 ipv4 tls call 180",
    "v3 ipv4 tls call 200",
    "v3 ipv4 tls call ACK",
    "v3 ipv4 tls call BYE",
    "v3 ipv6 tls call INVITE",
    "v3 ipv6 tls call 100",
    "v3 ipv6 tls call 180",
    "v3 ipv6 tls call 200",
    "v3 ipv6 tls call ACK",
    "v3 ipv6 tls call BYE",
];
const POSTGRES: &[Engine] = &[Engine::PostgresBytea, Engine::PostgresText];
const EVERY: &[Engine] = &[Engine::Sqlite, Engine::Mysql, Engine::PostgresBytea, Engine::PostgresText];

/// All differences that are meant from the stock module of the Kamailio under test.
pub fn differences() -> Vec<&'static Difference> {
    let newer = NEWER.iter().filter(|(since, _)| release() >= *since).map(|(_, difference)| difference);
    DIFFERENCES.iter().chain(newer).collect()
}

/// Those from the stock modules of one release and all later ones, which read messages otherwise than that of 5.6.
const NEWER: &[(Release, Difference)] = &[
    (
        (5, 8, 0),
        Difference {
            reason: "of several contacts in one header the last is stored; later stock modules store the first",
            columns: &["contact_ip", "contact_port", "contact_user"],
            engines: EVERY,
            messages: &[
                "awkward comma-separated-contacts",
                "awkward comma-separated-contacts-folded",
                "awkward comma-separated-contacts-without-brackets",
                "awkward reply-redirect-contacts",
            ],
            holds: |unequal| matches!(unequal.stock, Some(b"one" | b"192.0.2.1" | b"0")),
        },
    ),
    (
        (5, 8, 4),
        Difference {
            reason: "of urn:service:sos user and domain are stored; later stock modules know no user of it",
            columns: &[
                "contact_ip",
                "contact_user",
                "from_domain",
                "from_user",
                "ruri_domain",
                "ruri_user",
                "to_domain",
                "to_user",
            ],
            engines: EVERY,
            messages: &["awkward contact-urn", "awkward from-urn", "awkward ruri-urn-service", "awkward to-urn"],
            holds: |unequal| match unequal.ours {
                Some(b"service") => matches!(unequal.stock, None | Some(b"")),
                ours => (unequal.stock, ours) == (Some(b"service:sos"), Some(b"sos")),
            },
        },
    ),
];

/// All differences that are meant from the stock module of every release.
pub const DIFFERENCES: &[Difference] = &[
    Difference {
        reason: "SQLite gets dates as YYYY-MM-DD HH:MM:SS; the stock driver writes julian day numbers",
        columns: &["date"],
        engines: &[Engine::Sqlite],
        messages: &[],
        holds: |unequal| {
            let time_us = unequal.sent.observed.time_us.cast_signed();
            is_julian_day(unequal.stock, time_us) && is_local_time(unequal.ours, time_us)
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
        holds: |unequal| text(unequal.stock) == hexadecimal(&stock_message(unequal.sent)) && is_whole_message(unequal),
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
            "awkward refused-from-tag-with-quote",
            "awkward refused-from-user-with-backslash",
            "awkward refused-from-user-with-quote",
            "awkward refused-from-escaped-quotes-outside",
            "awkward refused-from-garbage-behind-brackets",
            "awkward refused-from-quoted-name-before-addr-spec",
            "awkward refused-from-uri-in-name-alone",
            "awkward refused-from-without-uri",
            "awkward refused-from-words-before-addr-spec",
            "awkward refused-to-doubled-quotes",
            "awkward refused-contact-quotes",
            "awkward refused-header-without-colon",
            "awkward refused-http-request",
            "awkward refused-to-tag-with-backslash",
            "awkward refused-to-user-with-quote",
            "awkward refused-unknown-uri-scheme",
            "awkward refused-via-branch-with-quote",
        ],
        holds: is_stored_as_far_as_it_can_be_read,
    },
    Difference {
        reason: "a backslash may quote a byte within a quoted tag: the stock parser takes it for an error",
        columns: &["row"],
        engines: EVERY,
        messages: &["awkward from-tag-quoted-escapes"],
        holds: is_stored_as_far_as_it_can_be_read,
    },
    Difference {
        reason: "an identity header that breaks the grammar and has a plain URI all the same gives its user, where no other header does: \
                 the stock module stores none",
        columns: &["pid_user"],
        engines: EVERY,
        messages: &[
            "awkward pai-blank-behind",
            "awkward pai-escaped-quotes-outside",
            "awkward pai-quoted-name-before-addr-spec",
            "awkward pai-quotes-in-uri",
            "awkward rpid-quoted-name-before-addr-spec",
            "awkward rpid-two-addresses",
        ],
        holds: |unequal| matches!(unequal.stock, None | Some(b"")) && is_read(&unequal.sent.name, unequal.our_row),
    },
    Difference {
        reason: "bytes that are no UTF-8 are escaped for PostgreSQL, which refuses the rows of the stock module",
        columns: &["row"],
        engines: POSTGRES,
        messages: &["awkward invalid-utf8-from", "awkward invalid-utf8-reply-reason", "awkward invalid-utf8-values"],
        holds: is_stored_as_far_as_it_can_be_read,
    },
    Difference {
        reason: "the message buffer is never modified: the stock module writes a NUL over the first colon behind X-OIP",
        columns: &["msg"],
        engines: &[Engine::Sqlite, Engine::Mysql, Engine::PostgresBytea],
        messages: POKED,
        holds: |unequal| {
            let stock = stock_message(unequal.sent);
            let stock = if unequal.engine == Engine::PostgresBytea { hexadecimal(&stock).into_bytes() } else { stock };
            unequal.stock == Some(&stock) && is_whole_message(unequal)
        },
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
        holds: |unequal| {
            // PostgreSQL's driver reads up to the NUL.
            let stock: &[u8] = if POSTGRES.contains(&unequal.engine) { b"[2001" } else { b"[2001\0db8::9]:5062" };
            unequal.stock == Some(stock) && unequal.ours == Some(b"2001:db8::9")
        },
    },
    Difference {
        reason: "originator_port is the port of X-OIP, also behind an IPv6 address",
        columns: &["originator_port"],
        engines: EVERY,
        messages: &["awkward xoip-ipv6"],
        holds: |unequal| unequal.stock == Some(b"0") && unequal.ours == Some(b"5062"),
    },
    Difference {
        reason: "IP protocol 22 is TLS in version 3 too, where the stock module stores what its stack happens to hold",
        columns: &["proto"],
        engines: EVERY,
        messages: V3_TLS,
        holds: |unequal| unequal.ours == Some(b"3"),
    },
];

/// Whether the row that the stock module lacks is there, with the whole message and all that can be read of it.
fn is_stored_as_far_as_it_can_be_read(unequal: &Unequal<'_>) -> bool {
    unequal.stock.is_none() && is_whole_message(unequal) && is_read(&unequal.sent.name, unequal.our_row)
}

/// The message as the stock module stores it: behind X-OIP the next colon is overwritten.
fn stock_message(sent: &Sent) -> Vec<u8> {
    let mut message = sent.observed.payload.clone();
    if POKED.contains(&sent.name.as_str()) {
        let name = b"X-OIP: ";
        let value = message.windows(name.len()).position(|bytes| bytes == name).expect("X-OIP is there") + name.len();
        let colon = message[value..].iter().position(|byte| *byte == b':').expect("a colon follows");
        message[value + colon] = 0;
    }
    message
}

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
