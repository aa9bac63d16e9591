//! SIP messages: the fields that become columns.

use super::lies_in;
use sipcapture_core::sip::x_headers::{insert, split};
use sipcapture_core::sip::{
    Fields, FirstLine, HashSource, HeaderNames, Masks, extract, first_line_kind, hash_source, header, via_branches,
};

/// Takes `bytes` for a SIP message. What stands behind the last NUL, if there is one, is also tried as the request URI
/// that a script has put in place of the message's own.
pub fn run(bytes: &[u8]) {
    let names = HeaderNames {
        callid_aleg: vec![b"X-CID".to_vec(), b"P-Leg".to_vec()],
        custom: [Some(b"Mac".to_vec()), Some(b"Via".to_vec()), None],
        ..HeaderNames::default()
    };
    let fields = extract(bytes, None, &names);
    assert_eq!(fields.first_line, first_line_kind(bytes));
    holds(&fields, bytes, b"");
    for (source, field) in [
        (HashSource::CallId, fields.callid),
        (HashSource::FromUser, fields.from_user),
        (HashSource::ToUser, fields.to_user),
    ] {
        assert_eq!(hash_source(bytes, source), field, "{source:?}");
    }
    if let Some(nul) = bytes.iter().rposition(|&byte| byte == 0) {
        let (message, uri) = (&bytes[..nul], &bytes[nul + 1..]);
        holds(&extract(message, Some(uri), &names), message, uri);
    }
    // The shortest names there are, and none at all.
    let plain = extract(bytes, None, &HeaderNames::default());
    assert!(plain.callid_aleg.is_empty() && plain.custom == [b""; 3]);
    assert_eq!((plain.malformed, plain.callid, plain.via_1), (fields.malformed, fields.callid, fields.via_1));
    travels(bytes);
}

/// What a capture agent does with a message on its way: looks a header up, masks secrets, reads and writes its own
/// headers.
fn travels(message: &[u8]) {
    if let Some(value) = header(message, b"x-cid") {
        assert!(!value.is_empty() && lies_in(value, message));
    }
    assert!(via_branches(message).all(|branch| lies_in(branch, message)));
    let masks = Masks { headers: vec![b"Authorization".to_vec(), b"Via".to_vec()], message_bodies: true };
    let mut masked = message.to_vec();
    masks.apply(&mut masked);
    assert_eq!(masked.len(), message.len());
    let is_kept = |(one, other): (&u8, &u8)| one == other || *one == b'x';
    assert!(masked.iter().zip(message).all(is_kept), "a mask writes nothing but itself");
    if let Some((headers, pieces)) = split(message) {
        assert!([headers.from, headers.to, headers.method].into_iter().all(|value| lies_in(value, message)));
        let bare = pieces.concat();
        assert!(bare.len() < message.len());
        if split(&bare).is_none()
            && let Some(again) = insert(&bare, &headers)
        {
            let (read, rest) = split(&again).expect("what was written reads back");
            assert_eq!((read, rest.concat()), (headers, bare));
        }
    }
}

fn holds(fields: &Fields<'_>, message: &[u8], uri: &[u8]) {
    for part in message_parts(fields) {
        assert!(lies_in(part, message), "{}", part.escape_ascii());
    }
    // A star is no part of a URI; the field then holds a star of its own.
    assert!(fields.contact_user == b"*" || lies_in(fields.contact_user, message));
    for part in [fields.ruri_user, fields.ruri_domain] {
        assert!(lies_in(part, message) || lies_in(part, uri));
    }
    assert!(lies_in(fields.via_1_branch, fields.via_1), "a branch is part of its Via");
    for line in [fields.method, fields.ruri, fields.reply_reason] {
        assert!(!line.contains(&b'\n'), "the first line is one line");
    }
    match fields.first_line {
        FirstLine::Invalid => {
            assert!(fields.malformed && fields.method.is_empty() && fields.ruri.is_empty());
        }
        FirstLine::Request => {
            assert!(!fields.method.is_empty() && fields.reply_reason.is_empty());
        }
        FirstLine::Reply => {
            assert!(fields.method.len() == 3 && fields.method.iter().all(u8::is_ascii_digit));
            assert!(fields.ruri.is_empty() && fields.ruri_user.is_empty() && fields.ruri_domain.is_empty());
        }
    }
    for body in [fields.callid, fields.cseq, fields.reason, fields.content_type, fields.user_agent, fields.diversion] {
        assert!(!body.ends_with(b"\r") && !body.ends_with(b"\n"), "a body ends before its line break");
    }
    if !fields.malformed {
        assert!(!fields.via_1.is_empty() && !fields.cseq.is_empty());
    }
}

fn message_parts<'a>(fields: &Fields<'a>) -> [&'a [u8]; 26] {
    [
        fields.method,
        fields.reply_reason,
        fields.ruri,
        fields.from_user,
        fields.from_domain,
        fields.from_tag,
        fields.to_user,
        fields.to_domain,
        fields.to_tag,
        fields.pid_user,
        fields.contact_ip,
        fields.auth_user,
        fields.callid,
        fields.callid_aleg,
        fields.via_1,
        fields.via_1_branch,
        fields.cseq,
        fields.reason,
        fields.content_type,
        fields.user_agent,
        fields.originator_ip,
        fields.rtp_stat,
        fields.diversion,
        fields.custom[0],
        fields.custom[1],
        fields.custom[2],
    ]
}
