//! Digest credentials (RFC 7616): the user who authenticates.

use super::scan::{Class, find, is_space, trim_start};

const WORD_END: Class = Class::space_and(b",");

/// The user part of the digest user name in an Authorization or Proxy-Authorization body: what stands before an `@` and
/// behind a scheme. Empty when the scheme is another, a parameter breaks the grammar or there is no user name.
pub(super) fn user(body: &[u8]) -> &[u8] {
    username(body).map(user_part).unwrap_or_default()
}

/// The whole user name, as it stands between its quotes; the last one if there are several.
fn username(body: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = trim_start(body).split_at_checked(6)?;
    let (&behind, rest) = rest.split_first()?;
    if !scheme.eq_ignore_ascii_case(b"digest") || !(is_space(behind) || behind == b',') {
        return None;
    }
    let mut rest = trim_start(rest);
    let mut username: &[u8] = b"";
    loop {
        let equals = find(rest, b'=')?;
        let is_username = is_username(&rest[..equals]);
        let (value, behind) = value(trim_start(&rest[equals + 1..]))?;
        if is_username {
            username = value;
        }
        match find(behind, b',') {
            None => return Some(username),
            Some(comma) => rest = trim_start(&behind[comma + 1..]),
        }
    }
}

fn is_username(name: &[u8]) -> bool {
    name.split_at_checked(8).is_some_and(|(name, blanks)| {
        name.eq_ignore_ascii_case(b"username") && blanks.iter().all(|&byte| is_space(byte))
    })
}

/// A parameter's value and what follows it: a quoted string, in which a backslash is a byte like any other, or a word.
fn value(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    if let Some(inside) = rest.strip_prefix(b"\"") {
        let end = find(inside, b'"')?;
        return Some((&inside[..end], &inside[end + 1..]));
    }
    let end = WORD_END.length_before(rest);
    (end > 0).then(|| rest.split_at(end))
}

fn user_part(username: &[u8]) -> &[u8] {
    if username.len() <= 2 {
        return username;
    }
    let at = find(username, b'@').unwrap_or(username.len());
    let user = &username[..at];
    let scheme = find(user, b':').map_or(0, |colon| colon + 1);
    &user[scheme..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_is_what_stands_before_the_at_sign_and_behind_a_scheme() {
        assert_eq!(user(b"Digest username=\"alice\", realm=\"a\""), b"alice");
        assert_eq!(user(b"DIGEST realm=\"a, b\",\r\n USERNAME = \"alice@a.example\""), b"alice");
        assert_eq!(user(b"Digest username=\"sip:alice@a.example\""), b"alice");
        assert_eq!(user(b"Digest username=alice,nc=1"), b"alice");
        assert_eq!(user(b"digest,username=\"@x\""), b"@x");
        assert_eq!(user(b"digest,username=\"@xy\""), b"");
    }

    #[test]
    fn the_last_user_name_counts_and_a_longer_name_does_not() {
        assert_eq!(user(b"Digest username=\"a\", username=\"b\", username*=\"c\", usernames=\"d\""), b"b");
    }

    #[test]
    fn credentials_that_break_the_grammar_give_no_user() {
        for body in [
            &b"Basic YWxpY2U6c2VjcmV0"[..],
            b"Digest",
            b"Digest ",
            b"Digestusername=\"alice\"",
            b"Digest username=\"alice",
            b"Digest username=\"alice\", realm=,nc=1",
            b"Digest username=\"alice\",",
            b"Digest username=\"alice\", opaque",
            b"",
        ] {
            assert_eq!(user(body), b"", "{}", String::from_utf8_lossy(body));
        }
    }
}
