//! Overwrites secrets in messages in place. The message keeps its length and its lines.

use super::scan::{self, HeaderCursor};
use super::{FirstLine, credentials, first_line, headers};
use std::ops::Range;

/// The byte that replaces each byte of a secret.
const MASK: u8 = b'x';
/// The requests whose bodies are secrets.
const METHOD: &[u8] = b"MESSAGE";
/// Headers whose value begins with a scheme.
const WITH_SCHEME: [&[u8]; 4] = [b"Authorization", b"Proxy-Authorization", b"WWW-Authenticate", b"Proxy-Authenticate"];
/// Headers whose value is the parameters of a digest, without a scheme.
const WITHOUT_SCHEME: [&[u8]; 2] = [b"Authentication-Info", b"Proxy-Authentication-Info"];

/// Which parts of a message are secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Masks {
    /// Names of headers, long or compact. In headers with credentials the secret parameters of a digest are masked, of
    /// any other scheme all that follows it, and a value that cannot be read without doubt as a whole. In other headers
    /// the whole value is masked.
    pub headers: Vec<Vec<u8>>,
    /// Whether the bodies of MESSAGE requests are.
    pub message_bodies: bool,
}

impl Masks {
    /// Whether nothing is a secret.
    pub fn is_empty(&self) -> bool {
        self.headers.is_empty() && !self.message_bodies
    }

    /// Whether the header `name` is masked.
    pub fn covers(&self, name: &[u8]) -> bool {
        self.headers.iter().any(|known| headers::are_one(known, name))
    }

    /// Overwrites the secrets of `message`, which may be cut short, or no SIP at all: a text that a script has made of
    /// a message. Without a first line, every line is read as a header, and what follows an empty line as a body if a
    /// line before it says MESSAGE. Allocates nothing unless it finds a listed header.
    pub fn apply(&self, message: &mut [u8]) {
        if self.is_empty() {
            return;
        }
        let mut secrets: Vec<Range<usize>> = Vec::new();
        let line = first_line::parse(message);
        let is_text = line.kind == FirstLine::Invalid || !line.is_sip;
        let mut has_secret_body = self.message_bodies && first_line::first_word(message).eq_ignore_ascii_case(METHOD);
        let mut body = message.len();
        let mut cursor = HeaderCursor::new(message, if is_text { first_line::start(message) } else { line.headers });
        while let Some(first) = cursor.peek() {
            if matches!(first, b'\r' | b'\n') {
                cursor.skip_line_break();
                if has_secret_body {
                    body = cursor.at();
                }
                if has_secret_body || !is_text {
                    break;
                }
                continue;
            }
            let line = cursor.at();
            cursor.skip_blanks();
            let name = headers::name(&mut cursor);
            let start = cursor.at();
            headers::skip(&mut cursor);
            if let Some(name) = name.filter(|name| self.covers(name)) {
                let found = in_value(name, &message[start..cursor.at()]);
                secrets.extend(found.into_iter().map(|secret| secret.start + start..secret.end + start));
            }
            if is_text && self.message_bodies && !has_secret_body {
                let value = &message[start..cursor.at()];
                has_secret_body = may_be_request(&message[line..cursor.at()]) || is_of_request(name, value);
            }
        }
        secrets.into_iter().for_each(|secret| write_over_value(&mut message[secret]));
        let is_kept = |byte: &u8| matches!(byte, b'\r' | b'\n');
        message[body..].iter_mut().filter(|byte| !is_kept(byte)).for_each(|byte| *byte = MASK);
    }
}

/// Whether `line`, with its folds, may be the first line of a MESSAGE request: it begins with that word, or contains it
/// with a blank (or a byte that looks like one) behind it and a URI or a version after that. Lists of methods have
/// neither.
fn may_be_request(line: &[u8]) -> bool {
    let first = first_line::start(line);
    let words = line.windows(METHOD.len()).enumerate().filter(|(_, word)| word.eq_ignore_ascii_case(METHOD));
    words.map(|(at, word)| (at, &line[at + word.len()..])).any(|(at, behind)| match behind.first() {
        None => at == first,
        Some(byte) if byte.is_ascii_graphic() => false,
        Some(_) => at == first || behind.iter().any(|byte| matches!(byte, b':' | b'/')),
    })
}

/// Whether a header is the CSeq of a MESSAGE request.
fn is_of_request(name: Option<&[u8]>, value: &[u8]) -> bool {
    let is_method = |word: &[u8]| word.eq_ignore_ascii_case(METHOD);
    name.is_some_and(|name| name.eq_ignore_ascii_case(b"CSeq"))
        && value.split(|byte| !byte.is_ascii_graphic()).rfind(|word| !word.is_empty()).is_some_and(is_method)
}

/// Where the secrets are in the value of the header `name`.
fn in_value(name: &[u8], value: &[u8]) -> Vec<Range<usize>> {
    let start = value.len() - scan::trim_start(value).len();
    let text = scan::trim(value);
    let is_one_of = |names: &[&[u8]]| names.iter().any(|known| name.eq_ignore_ascii_case(known));
    let secrets = if is_one_of(&WITH_SCHEME) {
        credentials::secrets(text)
    } else if is_one_of(&WITHOUT_SCHEME) {
        credentials::secrets_without_scheme(text)
    } else {
        std::iter::once(0..text.len()).collect()
    };
    secrets.into_iter().map(|secret| secret.start + start..secret.end + start).collect()
}

/// Writes over a header's value, or a part of it. Line breaks, and the blanks that make them folds, stay, so that the
/// message keeps its headers.
fn write_over_value(secret: &mut [u8]) {
    let mut in_fold = false;
    for byte in secret {
        let is_break = matches!(*byte, b'\r' | b'\n');
        in_fold = is_break || (in_fold && scan::is_blank(*byte));
        if !in_fold {
            *byte = MASK;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn masked(message: &str, headers: &[&str], message_bodies: bool) -> String {
        let headers = headers.iter().map(|name| name.as_bytes().to_vec()).collect();
        let mut bytes = message.as_bytes().to_vec();
        Masks { headers, message_bodies }.apply(&mut bytes);
        assert_eq!(bytes.len(), message.len());
        String::from_utf8(bytes).unwrap()
    }

    const BOTH: [&str; 2] = ["authorization", "Proxy-Authorization"];

    #[test]
    fn only_headers_that_authenticate_somebody_have_a_scheme() {
        let message = |value: &str, info: &str| {
            format!(
                "REGISTER sip:a SIP/2.0\r\nX-Api-Key: {value}\r\nAuthentication-Info: {info}\r\nTo: <sip:a>\r\n\r\n"
            )
        };
        let names = ["X-Api-Key", "authentication-info"];
        let (value, info) = ("Digest response=\"0123\"", "rspauth=\"0123\", cnonce=\"c\"");
        let expected = message("xxxxxxxxxxxxxxxxxxxxxx", "rspauth=\"xxxx\", cnonce=\"c\"");
        assert_eq!(masked(&message(value, info), &names, false), expected);
        assert_eq!(
            masked(&message("abcdef; v=1", info), &names, false),
            message("xxxxxxxxxxx", "rspauth=\"xxxx\", cnonce=\"c\"")
        );
    }

    #[test]
    fn the_response_of_every_digest_is_masked_in_any_case() {
        for name in ["AUTHORIZATION", "proxy-authorization", "WWW-Authenticate", "Proxy-Authenticate"] {
            let message = |value: &str| format!("REGISTER sip:a SIP/2.0\r\n{name} : {value}\r\nTo: <sip:a>\r\n\r\n");
            let sent = message("digest realm=\"r\", response=\"0123\"");
            let expected = message("digest realm=\"r\", response=\"xxxx\"");
            assert_eq!(
                masked(
                    &sent,
                    &["Authorization", "Proxy-Authorization", "www-authenticate", "PROXY-AUTHENTICATE"],
                    false
                ),
                expected
            );
        }
    }

    #[test]
    fn folds_stay_where_a_whole_value_is_masked() {
        let message =
            "INVITE sip:a SIP/2.0\r\nX-Token: a b\r\n \t c\r\nAuthorization: Basic a\r\n\tb\r\nTo: <sip:a>\r\n\r\n";
        let expected =
            "INVITE sip:a SIP/2.0\r\nX-Token: xxx\r\n \t x\r\nAuthorization: Basic x\r\n\tx\r\nTo: <sip:a>\r\n\r\n";
        assert_eq!(masked(message, &["X-Token", "Authorization"], false), expected);
    }

    #[test]
    fn a_header_is_masked_under_either_of_its_names() {
        let message = "INVITE sip:a SIP/2.0\r\ns: lunch\r\nReferred-By: <sip:b>\r\nX-Other: y\r\n\r\n";
        let expected = "INVITE sip:a SIP/2.0\r\ns: xxxxx\r\nReferred-By: xxxxxxx\r\nX-Other: y\r\n\r\n";
        assert_eq!(masked(message, &["Subject", "b"], false), expected);
        assert!(Masks { headers: vec![b"i".to_vec()], message_bodies: false }.covers(b"CALL-ID"));
    }

    #[test]
    fn what_has_no_first_line_has_its_headers_masked() {
        assert_eq!(
            masked("Authorization: Digest response=\"0123\"", &BOTH, false),
            "Authorization: Digest response=\"xxxx\""
        );
        assert_eq!(
            masked("seen: INVITE sip:a SIP/2.0\n Authorization: Basic a", &["seen"], false),
            "seen: xxxxxxxxxxxxxxxxxxxx\n xxxxxxxxxxxxxxxxxxxxxx"
        );
    }

    #[test]
    fn a_text_that_holds_a_message_has_its_secrets_masked_wherever_it_stands() {
        let message =
            |secret: &str, body: &str| format!("MESSAGE sip:a SIP/2.0\r\nAuthorization: Basic {secret}\r\n\r\n{body}");
        for before in ["a line with\n", "got: ", "one ", "one\n\ntwo\r\n\r\n"] {
            let [text, expected] = [("dTpw", "a\r\n\r\nb"), ("xxxx", "x\r\n\r\nx")]
                .map(|(secret, body)| format!("{before}{}", message(secret, body)));
            assert_eq!(masked(&text, &BOTH, true), expected);
        }
        assert_eq!(masked("one\n\ntwo", &BOTH, true), "one\n\ntwo");
    }

    #[test]
    fn a_header_that_lists_methods_makes_no_body_a_secret() {
        let sdp = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\n";
        for first in ["INVITE  sip:a SIP/2.0", "\x01INVITE sip:a SIP/2.0", "GET /a HTTP/1.1", "SIP/2.0 2000 OK"] {
            for header in [
                "Allow: INVITE, ACK, MESSAGE",
                "Allow: MESSAGE, INVITE",
                "Allow: MESSAGE,\r\n INVITE,\r\n\tMESSAGE",
                "Allow: INVITE MESSAGE ACK",
                "Contact: <sip:a>;methods=\"INVITE, MESSAGE, ACK\";+sip.instance=\"<urn:uuid:0>\"",
                "Contact: <sip:a>;methods=\"MESSAGE\";+sip.instance=\"<urn:uuid:0>\"",
                "Message-ID: 1",
                "CSeq: 1 INVITE",
                "CSeq: 1 MESSAGE INVITE",
            ] {
                let message = format!("{first}\r\n{header}\r\nTo: <sip:a>\r\n\r\n{sdp}");
                assert_eq!(masked(&message, &BOTH, true), message);
            }
        }
    }

    #[test]
    fn the_body_is_a_secret_behind_every_line_that_may_ask_for_message() {
        for line in [
            "got: MESSAGE sip:a SIP/2.0",
            "INVITE  sip:a SIP/2.0\r\nseen\r\nMESSAGE sip:a SIP/2.0",
            "seen\r\n MESSAGE <sip:a>",
            "seen\nmessage\tsip:a SIP/2.0",
            "seen\nMESSAGE",
            "seen: message alice SIP/2.0",
            "\x01MESSAGE\0sip:a SIP/2.0",
            "MESSAGE\0sip:a SIP/2.0",
            "\u{feff}MESSAGE\u{a0}sip:a SIP/2.0",
            "MES SAGE sip:a SIP/2.0\r\nCSeq: 1 MESSAGE",
            "MES SAGE sip:a SIP/2.0\r\ncseq : 1\r\n message \0",
        ] {
            let message = |body: &str| format!("{line}\r\nTo: <sip:a>\r\n\r\n{body}");
            assert_eq!(masked(&message("secret"), &BOTH, true), message("xxxxxx"), "{line:?}");
        }
    }

    #[test]
    fn a_request_is_a_message_whatever_stands_before_its_first_line() {
        for before in ["\r\n", "\r\n\r\n", " \t", "\0", "\n\0 "] {
            let message = format!("{before}MESSAGE sip:a SIP/2.0\r\nAuthorization: Basic dTpw\r\n\r\nsecret");
            let expected = format!("{before}MESSAGE sip:a SIP/2.0\r\nAuthorization: Basic xxxx\r\n\r\nxxxxxx");
            assert_eq!(masked(&message, &BOTH, true), expected);
        }
        for line in ["MESSAGE  sip:a SIP/2.0", "message sip:a SIP/2.0", "MESSAGE\tsip:a SIP/2.0", "MESSAGE sip:a"] {
            let message = |body: &str| format!("{line}\r\nTo: <sip:a>\r\n\r\n{body}");
            assert_eq!(masked(&message("secret"), &BOTH, true), message("xxxxxx"));
        }
    }

    #[test]
    fn every_header_of_the_list_is_masked_folded_lines_too() {
        let message = "INVITE sip:a SIP/2.0\r\nX-Token: abc\r\nProxy-Authorization: Digest a=b,\r\n response=\"12\"\r\n\
                       Proxy-Authorization: Bearer t\r\nX-Other: abc\r\n\r\nX-Token: body\r\n";
        let expected = "INVITE sip:a SIP/2.0\r\nX-Token: xxx\r\n\
                        Proxy-Authorization: Digest a=b,\r\n response=\"xx\"\r\n\
                        Proxy-Authorization: Bearer x\r\nX-Other: abc\r\n\r\nX-Token: body\r\n";
        assert_eq!(masked(message, &["X-Token", "Proxy-Authorization"], true), expected);
    }

    #[test]
    fn bodies_of_message_requests_are_masked_line_by_line() {
        let message = "MESSAGE sip:a SIP/2.0\r\nTo: <sip:a>\r\n\r\nhello\r\nyou";
        assert_eq!(masked(message, &[], true), "MESSAGE sip:a SIP/2.0\r\nTo: <sip:a>\r\n\r\nxxxxx\r\nxxx");
        assert_eq!(masked(message, &[], false), message);
        let invite = message.replace("MESSAGE", "INVITE");
        assert_eq!(masked(&invite, &[], true), invite);
    }

    #[test]
    fn columns_of_a_masked_header_are_empty_and_those_of_credentials_stay() {
        let message = "INVITE sip:a SIP/2.0\r\nFrom: <sip:b@c>;tag=1\r\nCall-ID: one\r\n\
                       Authorization: Digest username=\"b\", response=\"0\"\r\n\r\n";
        let bytes = masked(message, &["f", "Call-ID", "Authorization"], false).into_bytes();
        let fields = crate::sip::extract(&bytes, None, &crate::sip::HeaderNames::default());
        assert_eq!(
            (fields.from_user, fields.from_tag, fields.callid, fields.auth_user),
            (&b""[..], &b""[..], &b"xxx"[..], &b"b"[..])
        );
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let message = "MESSAGE sip:a SIP/2.0\r\nAuthorization: Digest realm=\"a\\\", response=\"12\", x\r\n\r\nbody";
        for end in 0..message.len() {
            masked(&message[..end], &BOTH, true);
            masked(&message[end..], &BOTH, true);
        }
    }

    /// Bytes that no other piece of the messages below holds: where one is left, a secret is.
    const SECRET: &str = "[QZJ#]{1,12}";

    /// A digest's parameter, or what a broken client makes of one.
    fn parameter() -> impl Strategy<Value = String> {
        let harmless =
            vec!["username=\"a\"", "realm=\"a, b\"", "nc=1", "uri=\"sip:a;b=c\"", "nonce=\"n==\"", "a", "Digest c=d"];
        let broken = vec!["username=\"D\\\"", "realm=\"a", "x=\"", "y\"", "Basic e=", "=\"", "\\", "k=a;b", ""];
        let name = proptest::sample::select(vec!["response", "RESPONSE", "Response "]);
        let secret = (name, "( |\r\n )?", "\"?", SECRET, "\"?")
            .prop_map(|(name, blank, open, secret, close)| format!("{name}={blank}{open}{secret}{close}"));
        prop_oneof![
            3 => proptest::sample::select(harmless).prop_map(str::to_owned),
            1 => proptest::sample::select(broken).prop_map(str::to_owned),
            2 => secret,
        ]
    }

    fn header() -> impl Strategy<Value = String> {
        let name = proptest::sample::select(vec!["Authorization", "proxy-authorization ", "X-Token", "s"]);
        let parameters = proptest::collection::vec(parameter(), 0..6);
        let between = proptest::sample::select(vec![",", ", ", " , ", ",\r\n ", ";", " "]);
        let digest =
            (parameters, between, "[dD]igest( |\r\n\t)").prop_map(|(all, between, scheme)| scheme + &all.join(between));
        let other = ("(Basic|Bearer|abc=)? ?", SECRET).prop_map(|(scheme, secret)| scheme + &secret);
        (name, prop_oneof![4 => digest, 1 => other]).prop_map(|(name, value)| format!("{name}: {value}\r\n"))
    }

    fn all() -> Masks {
        let names = ["Authorization", "Proxy-Authorization", "x-token", "Subject"];
        Masks { headers: names.iter().map(|name| name.as_bytes().to_vec()).collect(), message_bodies: true }
    }

    proptest! {
        #[test]
        fn no_byte_of_a_secret_is_left_and_lines_stay_where_they_are(
            before in "(\r\n| |\0){0,2}",
            headers in proptest::collection::vec(header(), 0..5),
            body in SECRET,
        ) {
            let message = format!("{before}MESSAGE sip:a SIP/2.0\r\n{}To: <sip:a>\r\n\r\n{body}", headers.concat());
            let mut bytes = message.clone().into_bytes();
            all().apply(&mut bytes);
            prop_assert!(!bytes.iter().any(|byte| b"QZJ#".contains(byte)), "{}\n{}", message, bytes.escape_ascii());
            let lines = |text: &[u8]| {
                let blank = |line: &[u8]| line.first().copied().filter(|byte| scan::is_blank(*byte));
                text.split(|byte| *byte == b'\n').map(|line| (line.len(), blank(line))).collect::<Vec<_>>()
            };
            prop_assert_eq!(lines(&bytes), lines(message.as_bytes()));
            let again = { let mut again = bytes.clone(); all().apply(&mut again); again };
            prop_assert_eq!(again, bytes, "what is masked stays as it is");
        }

        #[test]
        fn any_bytes_keep_their_length_and_their_line_breaks(
            mut bytes in proptest::collection::vec(any::<u8>(), 0..200),
            text in "[\r\n :,\"=A-DMmsx\\\\]{0,80}",
        ) {
            let whole = ["MESSAGE sip:a SIP/2.0\r\nAuthorization: Digest ", &text, "\r\n\r\n"].concat();
            let mut made = whole.clone().into_bytes();
            all().apply(&mut made);
            prop_assert_eq!(made.len(), whole.len());
            let breaks = |bytes: &[u8]| bytes.iter().map(|byte| matches!(byte, b'\r' | b'\n')).collect::<Vec<_>>();
            prop_assert_eq!(breaks(&made), breaks(whole.as_bytes()));
            let before = breaks(&bytes);
            all().apply(&mut bytes);
            prop_assert_eq!(breaks(&bytes), before);
        }
    }
}
