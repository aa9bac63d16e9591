//! What can be read of messages that the stock module refuses: with no stock row to compare with, the values are written
//! down here.

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
            ("from_user", ""),
            ("from_tag", ""),
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
];

/// Whether `row` holds what is written down for the message; true for a message of which nothing is.
pub fn is_read(message: &str, row: &StoredRow) -> bool {
    let mut columns = READ.iter().filter(|(name, _)| *name == message).flat_map(|(_, columns)| *columns);
    columns.all(|(column, value)| row[*column].as_deref() == Some(value.as_bytes()))
}

#[test]
fn every_message_written_down_is_one_that_the_stock_module_refuses() {
    use super::differences::DIFFERENCES;
    for (name, _) in READ {
        let mut refused = DIFFERENCES.iter().filter(|difference| difference.columns.contains(&"row"));
        assert!(refused.any(|difference| difference.messages.contains(name)), "{name}");
    }
}
