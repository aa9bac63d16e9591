//! The differences from the stock module that are meant: what differs, why, and what the value is instead.
//!
//! The list is checked both ways. A difference that no entry covers fails the test, and so does an entry that covers
//! nothing, or that names a message in which nothing differs.

use crate::kamailio_parity::traffic::Sent;

/// What becomes of a packet: the parameter `hep_route`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// It is captured, and goes no further.
    None,
    /// The SIP inside is routed.
    Sip,
    /// A route looks at it.
    Named,
}

impl Route {
    /// The parameter's value.
    pub fn parameter(self) -> &'static str {
        match self {
            Route::None => "none",
            Route::Sip => "sip",
            Route::Named => "look",
        }
    }
}

/// A value of one column that is not the same in both rows. When a module has no row, or several, the column is `row`
/// and the values are the messages.
#[derive(Debug)]
pub struct Unequal<'a> {
    /// What became of the packet.
    pub route: Route,
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
    /// The columns in which it shows; empty stands for any column.
    pub columns: &'static [&'static str],
    /// The routes in which it shows.
    pub routes: &'static [Route],
    /// The messages in which it shows, each of which must show it; empty stands for any message.
    pub messages: &'static [&'static str],
    /// What exactly is there in place of the stock value.
    pub holds: fn(&Unequal<'_>) -> bool,
}

impl Difference {
    /// Whether this entry excuses the inequality.
    pub fn covers(&self, unequal: &Unequal<'_>) -> bool {
        self.routes.contains(&unequal.route)
            && (self.columns.is_empty() || self.columns.contains(&unequal.column))
            && (self.messages.is_empty() || self.messages.contains(&unequal.sent.name.as_str()))
            && (self.holds)(unequal)
    }
}

impl Unequal<'_> {
    /// Whether `text` stands in the message that was sent.
    fn payload_has(&self, text: &[u8]) -> bool {
        !text.is_empty() && self.sent.observed.payload.windows(text.len()).any(|bytes| bytes == text)
    }
}

const EVERY: &[Route] = &[Route::None, Route::Sip, Route::Named];

const PARSED: &[Route] = &[Route::None, Route::Sip];

/// All differences that are meant.
pub const DIFFERENCES: &[Difference] = &[
    Difference {
        reason: "in a route that looks at HEP the columns are those of the message inside; the stock module stores \
                 those of the message that stands for the packet",
        columns: &[],
        routes: &[Route::Named],
        messages: &[],
        holds: |unequal| unequal.column != "msg" && unequal.stock == Some(stand_in(unequal.column)),
    },
    Difference {
        reason: "diversion is stored where the table has the column; the stock module reads it and stores it nowhere",
        columns: &["diversion"],
        routes: EVERY,
        messages: &[],
        holds: |unequal| unequal.stock.is_none() && unequal.ours.is_some(),
    },
    Difference {
        reason: "malformed SIP is captured too: the stock server drops it before any route, or refuses to store it",
        columns: &["row"],
        routes: PARSED,
        messages: &[
            "awkward cseq-quotes",
            "awkward empty-lines-before",
            "awkward from-tag-empty",
            "awkward from-tag-with-comma",
            "awkward from-tag-without-value",
            "awkward method-quotes",
            "awkward ruri-urn-single",
            "awkward to-tag-with-comma",
            "awkward via-host-underscore",
        ],
        holds: is_whole_message_that_the_stock_module_lacks,
    },
    Difference {
        reason: "what the server's parser refuses is captured as well; it is sent only where it is routed, for \
                 elsewhere it ends the stock module's server",
        columns: &["row"],
        routes: &[Route::Sip],
        messages: &[
            "awkward refused-bad-cseq",
            "awkward refused-bad-from",
            "awkward refused-binary",
            "awkward refused-content-length-text",
            "awkward refused-from-escaped-quotes-outside",
            "awkward refused-from-garbage-behind-brackets",
            "awkward refused-from-quoted-name-before-addr-spec",
            "awkward refused-from-tag-with-quote",
            "awkward refused-from-uri-in-name-alone",
            "awkward refused-from-user-with-backslash",
            "awkward refused-from-user-with-quote",
            "awkward refused-from-without-uri",
            "awkward refused-from-words-before-addr-spec",
            "awkward refused-header-without-colon",
            "awkward refused-http-request",
            "awkward refused-missing-via",
            "awkward refused-to-doubled-quotes",
            "awkward refused-to-tag-with-backslash",
            "awkward refused-to-user-with-quote",
            "awkward refused-unknown-uri-scheme",
            "awkward refused-via-branch-with-quote",
        ],
        holds: is_whole_message_that_the_stock_module_lacks,
    },
    Difference {
        reason: "of a telephone number the columns have the number without its parameters, whichever scheme wrote it",
        columns: &["from_user", "to_user", "ruri_user", "pid_user"],
        routes: PARSED,
        messages: &[
            "awkward from-user-phone",
            "awkward pai-user-phone",
            "awkward ruri-user-phone",
            "awkward ruri-user-phone-in-capitals",
            "awkward semicolon-in-telephone-users",
            "awkward to-user-phone",
        ],
        holds: |unequal| {
            let number = unequal.stock.and_then(|stock| stock.split(|byte| *byte == b';').next());
            number.is_some() && number == unequal.ours
        },
    },
    Difference {
        reason: "of urn:service:sos the namespace is stored as the user; the stock module knows none",
        columns: &["from_user", "to_user", "ruri_user"],
        routes: PARSED,
        messages: &["awkward from-urn", "awkward ruri-urn-service", "awkward to-urn"],
        holds: |unequal| (unequal.stock, unequal.ours) == (Some(b""), Some(b"service")),
    },
    Difference {
        reason: "of a digest's user name what stands before a colon is taken for the scheme of a URI",
        columns: &["auth_user"],
        routes: PARSED,
        messages: &["awkward auth-username-colon", "awkward auth-with-scheme"],
        holds: |unequal| {
            let pair = (unequal.stock, unequal.ours);
            pair == (Some(b"a:b:c"), Some(b"b:c")) || pair == (Some(b"sip:alice"), Some(b"alice"))
        },
    },
    Difference {
        reason: "an identity header that is folded, or breaks the grammar and has a plain URI all the same, gives its \
                 user: the stock module stores none",
        columns: &["pid_user"],
        routes: PARSED,
        messages: &[
            "awkward folded-asserted-identity",
            "awkward pai-escaped-quotes-outside",
            "awkward pai-quoted-name-before-addr-spec",
            "awkward pai-quotes-in-uri",
        ],
        holds: |unequal| unequal.stock == Some(b"") && unequal.ours.is_some_and(|user| unequal.payload_has(user)),
    },
    Difference {
        reason: "a contact whose parameters break the grammar is stored; the stock module stores none",
        columns: &["contact_ip"],
        routes: PARSED,
        messages: &["awkward contact-empty-last-param", "awkward contact-single-quoted-param"],
        holds: |unequal| (unequal.stock, unequal.ours) == (Some(b""), Some(b"192.0.2.1")),
    },
    Difference {
        reason: "the contact of a header that breaks the grammar is stored as far as it can be read",
        columns: &["contact_ip", "contact_port"],
        routes: &[Route::Sip],
        messages: &["awkward refused-bad-contact", "awkward refused-contact-quotes"],
        holds: |unequal| {
            let ours = if unequal.column == "contact_ip" { &b"192.0.2.1"[..] } else { b"5070" };
            matches!(unequal.stock, Some(b"" | b"0")) && unequal.ours == Some(ours)
        },
    },
    Difference {
        reason: "the message buffer is never modified: the stock module writes a NUL over the first colon behind X-OIP",
        columns: &["msg"],
        routes: PARSED,
        messages: &["awkward xoip-ipv6", "awkward xoip-with-port", "awkward xoip-without-port"],
        holds: |unequal| {
            let payload = &unequal.sent.observed.payload;
            let name = b"X-OIP: ";
            let value = payload.windows(name.len()).position(|bytes| bytes == name).map(|at| at + name.len());
            let colon = value.and_then(|at| Some(at + payload[at..].iter().position(|byte| *byte == b':')?));
            let mut stock = payload.clone();
            stock[colon.expect("a colon follows X-OIP")] = 0;
            unequal.stock == Some(&stock) && unequal.ours == Some(payload)
        },
    },
    Difference {
        reason: "originator_ip and originator_port are those of X-OIP also of IPv6, which the stock module cuts at the \
                 first colon",
        columns: &["originator_ip", "originator_port"],
        routes: PARSED,
        messages: &["awkward xoip-ipv6"],
        holds: |unequal| {
            let pair = (unequal.stock, unequal.ours);
            pair == (Some(b"[2001"), Some(b"2001:db8::9")) || pair == (Some(b"0"), Some(b"5062"))
        },
    },
];

fn is_whole_message_that_the_stock_module_lacks(unequal: &Unequal<'_>) -> bool {
    unequal.stock.is_none() && unequal.ours == Some(&unequal.sent.observed.payload)
}

/// What the stock module stores of the message that stands for a packet.
fn stand_in(column: &str) -> &'static [u8] {
    match column {
        "method" => b"DUMMY",
        "ruri" => b"sip:user@dummy.com",
        "ruri_user" => b"user",
        "ruri_domain" | "from_domain" | "to_domain" => b"dummy.com",
        "from_user" => b"from",
        "to_user" => b"to",
        "from_tag" | "type" => b"1",
        "callid" => b"dummy-1",
        "cseq" => b"1 DUMMY",
        "via_1" => b"SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKdummy",
        "via_1_branch" => b"z9hG4bKdummy",
        "contact_port" | "originator_port" => b"0",
        _ => b"",
    }
}
