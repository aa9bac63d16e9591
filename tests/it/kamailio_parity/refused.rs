//! What can be read of messages, or of headers, that the stock module refuses: with no stock value to compare with,
//! ours are written down here.

use crate::common::rows::StoredRow;

/// Columns by message. An empty value is one that cannot be read.
const READ: &[(&str, &[(&str, &str)])] = &[
    (
        "awkward refused-missing-cseq",
        &[
            ("method", "INVITE"),
            ("ruri", "sip:bob@biloxi.example"),
            ("via_1_branch", "z9hG4bKrefused-missing-cseq"),
            ("from_user", "alice"),
            ("from_tag", "f-refused-missing-cseq"),
            ("to_user", "bob"),
            ("callid", "refused-missing-cseq@corpus.example"),
            ("cseq", ""),
            ("contact_port", "5066"),
            ("type", "1"),
        ],
    ),
    (
        "awkward refused-missing-from-in-reply",
        &[
            ("method", "200"),
            ("reply_reason", "OK"),
            ("from_user", ""),
            ("to_tag", "t-refused-missing-from-in-reply"),
            ("callid", "refused-missing-from-in-reply@corpus.example"),
            ("cseq", "314159 INVITE"),
            ("contact_ip", "192.0.2.4"),
            ("type", "2"),
        ],
    ),
    (
        "awkward refused-duplicate-call-id",
        &[("callid", "refused-duplicate-call-id@corpus.example"), ("to_user", "bob"), ("cseq", "314159 INVITE")],
    ),
    (
        "awkward refused-from-user-with-quote",
        &[
            ("from_user", r#"al"ice"#),
            ("from_domain", "atlanta.example"),
            ("from_tag", "f-refused-from-user-with-quote"),
            ("to_user", "bob"),
            ("callid", "refused-from-user-with-quote@corpus.example"),
            ("contact_user", "alice"),
        ],
    ),
    (
        "awkward refused-via-branch-with-quote",
        &[
            ("via_1", r#"SIP/2.0/UDP pc33.atlanta.example:5060;branch=z9hG4bKv"ia;rport"#),
            ("via_1_branch", ""),
            ("from_user", "alice"),
            ("callid", "refused-via-branch-with-quote@corpus.example"),
        ],
    ),
    (
        "awkward from-tag-quoted-escapes",
        &[
            ("from_user", "alice"),
            ("from_tag", r#"f'r\"o\m"#),
            ("to_user", "bob"),
            ("callid", "from-tag-quoted-escapes@corpus.example"),
        ],
    ),
    (
        "awkward invalid-utf8-from",
        &[
            ("from_user", r"j\xfcrgen"),
            ("from_domain", "atlanta.example"),
            ("from_tag", r"\xc3("),
            ("callid", "invalid-utf8-from@corpus.example"),
        ],
    ),
    (
        "awkward refused-from-escaped-quotes-outside",
        &[
            ("from_user", "816666"),
            ("from_domain", "example.net"),
            ("from_tag", "6433ef9"),
            ("to_user", "bob"),
            ("contact_user", "alice"),
        ],
    ),
    (
        "awkward refused-from-quoted-name-before-addr-spec",
        &[
            ("from_user", "anonymous"),
            ("from_domain", "example.net"),
            ("from_tag", "as4bef3ad0"),
            ("to_user", "bob"),
            ("contact_user", "alice"),
        ],
    ),
    (
        "awkward refused-from-words-before-addr-spec",
        &[
            ("from_user", "+49301234"),
            ("from_domain", ""),
            ("from_tag", "1"),
            ("to_user", "bob"),
            ("contact_user", "alice"),
        ],
    ),
    (
        "awkward refused-from-garbage-behind-brackets",
        &[
            ("from_user", "alice"),
            ("from_domain", "atlanta.example"),
            ("from_tag", "out"),
            ("to_user", "bob"),
            ("contact_user", "alice"),
        ],
    ),
    (
        "awkward refused-from-without-uri",
        &[("from_user", ""), ("from_domain", ""), ("from_tag", ""), ("to_user", "bob"), ("contact_user", "alice")],
    ),
    (
        "awkward refused-from-uri-in-name-alone",
        &[("from_user", ""), ("from_domain", ""), ("from_tag", ""), ("to_user", "bob"), ("contact_user", "alice")],
    ),
    (
        "awkward refused-bad-from",
        &[
            ("from_user", "alice"),
            ("from_domain", "atlanta.example"),
            ("from_tag", "1"),
            ("to_user", "bob"),
            ("contact_user", "alice"),
        ],
    ),
    (
        "awkward refused-from-user-with-backslash",
        &[
            ("from_user", "al\\ice"),
            ("from_domain", "atlanta.example"),
            ("from_tag", "f-refused-from-user-with-backslash"),
            ("to_user", "bob"),
            ("contact_user", "alice"),
        ],
    ),
    ("awkward refused-from-tag-with-quote", &[("from_user", "alice"), ("from_tag", r#"f"rom""#)]),
    (
        "awkward refused-to-user-with-quote",
        &[("to_user", r#"b"ob"#), ("to_domain", "biloxi.example"), ("from_user", "alice")],
    ),
    ("awkward refused-to-tag-with-backslash", &[("to_user", "bob"), ("to_tag", "t\\o")]),
    ("awkward refused-to-doubled-quotes", &[("to_user", "4711"), ("to_domain", "192.0.2.77"), ("to_tag", "8")]),
    ("awkward refused-bad-contact", &[("contact_user", "alice"), ("contact_ip", "192.0.2.1"), ("contact_port", "0")]),
    (
        "awkward refused-contact-quotes",
        &[("contact_user", "alice"), ("contact_ip", "192.0.2.1"), ("contact_port", "5070")],
    ),
    ("awkward pai-blank-behind", &[("pid_user", "pai")]),
    ("awkward pai-escaped-quotes-outside", &[("pid_user", "pai")]),
    ("awkward pai-quoted-name-before-addr-spec", &[("pid_user", "+14085264000")]),
    ("awkward pai-quotes-in-uri", &[("pid_user", r#"p"a\id"#)]),
    ("awkward rpid-quoted-name-before-addr-spec", &[("pid_user", "rpid")]),
    ("awkward rpid-two-addresses", &[("pid_user", "one")]),
];

/// Whether `row` holds what is written down for the message; true for a message of which nothing is.
pub fn is_read(message: &str, row: &StoredRow) -> bool {
    let mut columns = READ.iter().filter(|(name, _)| *name == message).flat_map(|(_, columns)| *columns);
    columns.all(|(column, value)| row[*column].as_deref() == Some(value.as_bytes()))
}

#[test]
fn every_message_written_down_is_one_that_the_stock_module_refuses() {
    use super::differences::{DIFFERENCES, Difference};
    for (name, _) in READ {
        let refused =
            |difference: &&Difference| difference.columns.iter().any(|column| ["row", "pid_user"].contains(column));
        let mut refused = DIFFERENCES.iter().filter(refused);
        assert!(refused.any(|difference| difference.messages.contains(name)), "{name}");
    }
}
