//! The Contact header: which of its contacts counts, and its URI.

use super::ContactChoice;
use super::scan::{Class, find, is_blank, trim, trim_end, trim_start};

const NAME_END: Class = Class::space_and(b",;=");
const VALUE_END: Class = Class::space_and(b",;");

/// What a Contact header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Contact<'a> {
    /// `*`: every contact, in a REGISTER.
    Star,
    /// URI of the contact that counts.
    Uri(&'a [u8]),
}

/// Reads a Contact header's body; `None` when any of its contacts breaks the grammar.
pub(super) fn parse(body: &[u8], choice: ContactChoice) -> Option<Contact<'_>> {
    let mut rest = trim_start(body);
    let mut first = None;
    if rest.starts_with(b"*") {
        return Some(Contact::Star);
    }
    loop {
        rest = &rest[display_name(rest)?..];
        let (uri, behind) = rest.split_at(uri_length(rest)?);
        let uri = without_brackets(uri);
        if uri.is_empty() {
            return None;
        }
        rest = match behind.strip_prefix(b";") {
            Some(behind) => params(behind)?,
            None => behind,
        };
        let first = *first.get_or_insert(uri);
        if rest.is_empty() {
            return Some(Contact::Uri(if choice == ContactChoice::First { first } else { uri }));
        }
        // A comma, or the stray angle bracket that ends parameters as well.
        rest = trim_start(&rest[1..]);
        if rest.is_empty() {
            return None;
        }
    }
}

/// Length of the display name before the URI. A URI without brackets is found by the colon of its scheme.
fn display_name(rest: &[u8]) -> Option<usize> {
    let mut blank = 0;
    let mut quoted = false;
    for (at, &byte) in rest.iter().enumerate() {
        match byte {
            b'"' if quoted => quoted = rest[at - 1] == b'\\',
            _ if quoted => {}
            b'"' => quoted = true,
            b'<' => return Some(at),
            b':' | b';' => return Some(blank),
            _ if is_blank(byte) => blank = at,
            _ => {}
        }
    }
    None
}

/// Length of the URI: up to the comma or semicolon outside quotes and angle brackets.
fn uri_length(rest: &[u8]) -> Option<usize> {
    let (mut quoted, mut escaped, mut enclosed) = (false, false, false);
    for (at, &byte) in rest.iter().enumerate() {
        match byte {
            b'"' | b'<' | b'>' | b'\\' if escaped => escaped = false,
            b'"' => quoted = !quoted,
            b'\\' => escaped = quoted,
            _ if quoted => {}
            b',' | b';' if !enclosed => return Some(at),
            b'<' if enclosed => return None,
            b'<' => enclosed = true,
            b'>' if !enclosed => return None,
            b'>' => enclosed = false,
            _ => {}
        }
    }
    (!quoted && !enclosed).then_some(rest.len())
}

fn without_brackets(uri: &[u8]) -> &[u8] {
    let uri = trim_end(uri);
    trim(uri.strip_prefix(b"<").and_then(|uri| uri.strip_suffix(b">")).unwrap_or(uri))
}

/// Moves over the parameters behind a contact's first semicolon; gives what follows them.
fn params(behind: &[u8]) -> Option<&[u8]> {
    let mut rest = trim_start(behind);
    loop {
        if rest.is_empty() {
            return None;
        }
        rest = trim_start(&rest[NAME_END.length_before(rest)..]);
        if let Some(value) = rest.strip_prefix(b"=") {
            rest = trim_start(param_value(trim_start(value))?);
        }
        match rest.first() {
            None | Some(b',' | b'>') => return Some(rest),
            Some(b';') => rest = trim_start(&rest[1..]),
            Some(_) => return None,
        }
    }
}

/// Moves over a parameter's value: a word, or a string in quotes of either kind. At the very end of the header the
/// value may be empty.
fn param_value(value: &[u8]) -> Option<&[u8]> {
    match value.split_first() {
        None => Some(value),
        Some((&quote @ (b'"' | b'\''), inside)) => find(inside, quote).map(|end| &inside[end + 1..]),
        Some(_) => match VALUE_END.length_before(value) {
            0 => None,
            length => Some(&value[length..]),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn reads(body: &str, uri: &str) {
        assert_eq!(parse(body.as_bytes(), ContactChoice::Last), Some(Contact::Uri(uri.as_bytes())), "{body}");
    }

    #[test]
    fn a_contact_is_read_with_and_without_brackets_and_name() {
        reads("<sip:a@b;x=1>;expires=3", "sip:a@b;x=1");
        reads("sip:a@b;expires=3", "sip:a@b");
        reads("\"A; <B>, \\\" C\" <sip:a@b>", "sip:a@b");
        reads("Alice B. < sip:a@b >;q=0.5", "sip:a@b");
        reads("Alice sip:a@b", "sip:a@b");
        reads("<sip:a@b>\r\n ;\r\n q=0.5", "sip:a@b");
    }

    #[test]
    fn a_star_is_a_star() {
        for choice in [ContactChoice::Last, ContactChoice::First] {
            assert_eq!(parse(b"*", choice), Some(Contact::Star));
            assert_eq!(parse(b" \r\n *;expires=0", choice), Some(Contact::Star));
        }
    }

    #[test]
    fn the_last_of_several_contacts_in_one_header_counts() {
        reads("<sip:a@b>;q=1, \"C, D\" <sip:c@d>", "sip:c@d");
        reads("sip:a@b,\r\n sip:c@d;q=0.1", "sip:c@d");
    }

    #[test]
    fn the_first_of_several_contacts_counts_where_a_host_asks_for_it() {
        let first = |body: &'static str| parse(body.as_bytes(), ContactChoice::First);
        assert_eq!(first("<sip:a@b>;q=1, \"C, D\" <sip:c@d>"), Some(Contact::Uri(b"sip:a@b")));
        assert_eq!(first("sip:a@b,\r\n sip:c@d;q=0.1, sip:e@f"), Some(Contact::Uri(b"sip:a@b")));
        assert_eq!(first("sip:a@b"), Some(Contact::Uri(b"sip:a@b")));
        assert_eq!(first("sip:a@b, <sip:c@d"), None);
    }

    #[test]
    fn parameters_may_be_quoted_and_empty_at_the_end() {
        reads("<sip:a@b>;+sip.instance=\"<urn:uuid:1,2;3>\";reg-id=1", "sip:a@b");
        reads("<sip:a@b>;x='y;z';expires=", "sip:a@b");
    }

    #[test]
    fn a_contact_that_breaks_the_grammar_is_refused() {
        for body in [
            "",
            " ",
            "<>",
            "<sip:a@b",
            "sip:a@b>",
            "alice",
            "<sip:a@b>,",
            "<sip:a@b>;",
            "<sip:a@b>;x=;y",
            "<sip:a@b>;x=1 y",
            "<sip:a@b>;x=\"1",
            "<<sip:a@b>>",
            "\"A <sip:a@b>",
        ] {
            assert_eq!(parse(body.as_bytes(), ContactChoice::Last), None, "{body}");
        }
    }
}
