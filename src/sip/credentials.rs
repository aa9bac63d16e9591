//! Credentials (RFC 3261, RFC 7616): where the secrets in them are. Called by `mask` alone.
//!
//! A value that cannot be read without doubt is a secret as a whole. Parsers differ where a quote is missing or has a
//! backslash before it, and another program may find the response in a place that this parser takes for something else.

use super::headers::NAME_END;
use super::scan::{Class, find, is_space};
use std::ops::Range;

/// Parameters of digests that are secrets: the response, that of the server, and the keys that an IMS core gives to its
/// edge proxy.
const SECRETS: [&[u8]; 4] = [b"response", b"rspauth", b"ik", b"ck"];
const SPACE: Class = Class::space_and(b"");
/// What ends a value without quotes. Of these bytes only a comma or a blank may correctly stand there.
const WORD_END: Class = Class::space_and(b",\"=;\\<>()");

/// Where the secrets are in `value`, the value of a header that has a scheme and, behind it, parameters or a word. Of a
/// digest they are the secret parameters, of any other scheme all that follows it, and without a scheme the whole
/// value. `value` has no blanks around it.
pub(super) fn secrets(value: &[u8]) -> Vec<Range<usize>> {
    let scheme = SPACE.length_before(value);
    let behind = skip_spaces(value, scheme);
    if behind == value.len() || !is_token(&value[..scheme]) {
        return whole(0..value.len());
    }
    let digest = is_digest(&value[..scheme]).then(|| in_parameters(value, behind)).flatten();
    digest.unwrap_or_else(|| whole(behind..value.len()))
}

/// The same in a value that has parameters of a digest and no scheme before them.
pub(super) fn secrets_without_scheme(value: &[u8]) -> Vec<Range<usize>> {
    in_parameters(value, 0).unwrap_or_else(|| whole(0..value.len()))
}

fn whole(range: Range<usize>) -> Vec<Range<usize>> {
    vec![range]
}

/// The values of all secrets among the parameters from `at` on, quotes not counted; `None` where they cannot be read
/// without doubt.
fn in_parameters(text: &[u8], mut at: usize) -> Option<Vec<Range<usize>>> {
    let mut found = Vec::new();
    loop {
        at += text[at..].iter().take_while(|&&byte| is_space(byte) || byte == b',').count();
        if at == text.len() {
            return Some(found);
        }
        let name = at..at + NAME_END.length_before(&text[at..]);
        let behind = skip_spaces(text, name.end);
        if text.get(behind) != Some(&b'=') {
            // Several credentials in one header are told apart by their schemes.
            if behind == name.end || !is_digest(&text[name]) {
                return None;
            }
            at = behind;
            continue;
        }
        if name.is_empty() {
            return None;
        }
        let start = skip_spaces(text, behind + 1);
        let is_quoted = text.get(start) == Some(&b'"');
        let value =
            if is_quoted { quoted(text, start + 1)? } else { start..start + WORD_END.length_before(&text[start..]) };
        at = skip_spaces(text, value.end + usize::from(is_quoted));
        if at < text.len() && text[at] != b',' {
            return None;
        }
        if SECRETS.iter().any(|secret| text[name.clone()].eq_ignore_ascii_case(secret)) {
            found.push(value);
        } else if hides_secret(&text[value]) {
            return None;
        }
    }
}

/// What stands from `start` on before the next quote.
fn quoted(text: &[u8], start: usize) -> Option<Range<usize>> {
    let end = start + find(&text[start..], b'"')?;
    (text[end - 1] != b'\\').then_some(start..end)
}

/// Whether a quoted value contains a secret for a parser that ends the quotes at another place.
fn hides_secret(value: &[u8]) -> bool {
    // No parameter begins behind a slash, which base64 has and names have not: one nonce in some thousands ends in
    // `/ik=`.
    let may_begin = |at: usize| at == 0 || (NAME_END.has(value[at - 1]) && value[at - 1] != b'/');
    (0..value.len()).filter(|&at| may_begin(at)).any(|at| {
        let end = at + NAME_END.length_before(&value[at..]);
        let is_secret = SECRETS.iter().any(|secret| value[at..end].eq_ignore_ascii_case(secret));
        is_secret && value.get(skip_spaces(value, end)) == Some(&b'=')
    })
}

fn is_digest(scheme: &[u8]) -> bool {
    scheme.eq_ignore_ascii_case(b"Digest")
}

fn is_token(word: &[u8]) -> bool {
    !word.is_empty() && NAME_END.length_before(word) == word.len()
}

/// Offset of the first byte from `at` on that is neither a blank nor part of a line break.
fn skip_spaces(text: &[u8], at: usize) -> usize {
    at + text[at..].iter().take_while(|&&byte| is_space(byte)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `value` with its secrets written over.
    fn masked(value: &str, secrets: impl Fn(&[u8]) -> Vec<Range<usize>>) -> String {
        let mut bytes = value.as_bytes().to_vec();
        secrets(value.as_bytes()).into_iter().for_each(|secret| bytes[secret].fill(b'x'));
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn of_a_digest_the_response_alone_is_a_secret() {
        for (value, expected) in [
            (
                r#"Digest username="a", realm="r, q", nonce="n==", response="0123abcd", algorithm=MD5, nc=00000001"#,
                r#"Digest username="a", realm="r, q", nonce="n==", response="xxxxxxxx", algorithm=MD5, nc=00000001"#,
            ),
            ("digest response=0123, uri=\"sip:a;b=c\"", "digest response=xxxx, uri=\"sip:a;b=c\""),
            ("Digest qop = auth , RESPONSE = \"0123\"", "Digest qop = auth , RESPONSE = \"xxxx\""),
            ("Digest a=b,\r\n\tresponse=\r\n \"0123\"", "Digest a=b,\r\n\tresponse=\r\n \"xxxx\""),
            ("Digest response=\"0\",response=1, response=\"23\"", "Digest response=\"x\",response=x, response=\"xx\""),
            ("Digest ,, uri=sip:a@b:5, response=\"\",,", "Digest ,, uri=sip:a@b:5, response=\"\",,"),
            ("Digest username=\"a\"", "Digest username=\"a\""),
            ("Digest nonce=\"n\", ik=\"01\", CK=\"23\"", "Digest nonce=\"n\", ik=\"xx\", CK=\"xx\""),
            (
                r#"Digest nonce="q83vEjRWeJA/ik=", opaque="AA/CK=", uri="sip:a/ck=", response="01""#,
                r#"Digest nonce="q83vEjRWeJA/ik=", opaque="AA/CK=", uri="sip:a/ck=", response="xx""#,
            ),
            ("Digest response=\"a\", Digest response=\"b\"", "Digest response=\"x\", Digest response=\"x\""),
        ] {
            assert_eq!(masked(value, secrets), expected);
        }
    }

    #[test]
    fn what_is_no_digest_is_a_secret_behind_its_scheme() {
        for (value, expected) in [
            ("Basic dTpw", "Basic xxxx"),
            ("Bearer \r\n a, b", "Bearer \r\n xxxx"),
            ("NTLM response=\"a\"", "NTLM xxxxxxxxxxxx"),
            ("Digest", "xxxxxx"),
            ("abc=; d", "xxxxxxx"),
            ("\"a\" b", "xxxxx"),
            ("Digest,response=a b", "xxxxxxxxxxxxxxxxxxx"),
            ("", ""),
        ] {
            assert_eq!(masked(value, secrets), expected);
        }
    }

    #[test]
    fn a_digest_that_leaves_a_doubt_is_a_secret_as_a_whole() {
        for value in [
            r#"Digest username="DOMAIN\", realm="r", response="0123""#,
            r#"Digest username="D\", response="0123", x=", y=",z\", w="q""#,
            r#"Digest username="D\",response=0123,x="a""#,
            r#"Digest username="a, response="0123""#,
            r#"Digest username="a, response=0123, opaque=", x="y""#,
            r#"Digest username="a, ik=0123, opaque=", x="y""#,
            r#"Digest username="a ck = 0123", x="y""#,
            r#"Digest x="ik=0123", nonce="n""#,
            r#"Digest x="a;ck=0123", nonce="n""#,
            r#"Digest username="a", response="0123"#,
            "Digest a,response=\"01\"",
            "Digest nc=1;response=0123",
            "Digest a=b response=0123",
            "Digest a=b, response 0123",
            "Digest a=b, Basic dTpw",
            "Digest dTpw",
            "Digest =a, response=0123",
            "Digest response=\"01\"23",
            "Digest response=01\"23\"",
            "Digest response=a=b",
            "Digest a=b, \0response=0123",
        ] {
            assert_eq!(masked(value, secrets), format!("Digest {}", "x".repeat(value.len() - 7)), "{value}");
        }
    }

    #[test]
    fn parameters_without_a_scheme_are_read_likewise() {
        for (value, expected) in [
            ("rspauth=\"0123\", cnonce=\"c\", nc=1", "rspauth=\"xxxx\", cnonce=\"c\", nc=1"),
            ("nextnonce=\"n\"", "nextnonce=\"n\""),
            ("nextnonce=\"n", "xxxxxxxxxxxx"),
            ("0123", "xxxx"),
        ] {
            assert_eq!(masked(value, secrets_without_scheme), expected);
        }
    }
}
