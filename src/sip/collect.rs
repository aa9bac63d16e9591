//! One pass over the headers: keeps those that become columns and marks what is unreadable.

use super::headers::{self, KnownHeader};
use super::identity::Identity;
use super::name_addr::{self, Comma, NameAddr};
use super::scan::{HeaderCursor, trim_end};
use super::uri::Uri;
use super::{
    ContactChoice, Fields, FirstLine, HeaderNames, IdentityHeaders, NameCase, contact, digest, lenient, originator,
    uri, via,
};

/// Headers seen so far. A body is `Some` once its header has come, also when it is empty.
#[derive(Default)]
struct SeenHeaders<'a> {
    /// Which identities are looked at.
    identity_headers: IdentityHeaders,
    /// Which contact counts.
    contact_choice: ContactChoice,
    via: bool,
    from: bool,
    to: bool,
    callid: bool,
    cseq: bool,
    max_forwards: bool,
    content_length: bool,
    content_type: bool,
    user_agent: bool,
    diversion: bool,
    reason: bool,
    originator: bool,
    contact: bool,
    authorization: Option<&'a [u8]>,
    proxy_authorization: Option<&'a [u8]>,
    asserted: Identity<'a>,
    preferred: Identity<'a>,
    remote_party: Option<NameAddr<'a>>,
    remote_party_body: Option<&'a [u8]>,
    /// Place in the operator's list of the header that fills `callid_aleg`.
    aleg_rank: Option<usize>,
    rtp_stat_rank: Option<usize>,
    custom: [bool; 3],
}

/// Reads the headers of `message` from offset `at` into `fields`.
pub(super) fn headers<'a>(message: &'a [u8], at: usize, names: &HeaderNames, fields: &mut Fields<'a>) {
    let mut seen =
        SeenHeaders { identity_headers: names.identity, contact_choice: names.contact, ..SeenHeaders::default() };
    let mut cursor = HeaderCursor::new(message, at);
    while let Some(first) = cursor.peek() {
        if first == b'\r' || first == b'\n' {
            break;
        }
        let Some(name) = headers::name(&mut cursor) else {
            fields.malformed = true;
            headers::skip(&mut cursor);
            continue;
        };
        let known = KnownHeader::named(name);
        let body = seen.read(known, &mut cursor, fields);
        seen.keep_named(name, body, names, fields);
    }
    seen.finish(fields);
}

impl<'a> SeenHeaders<'a> {
    /// Moves `cursor` over the header whose body it stands at and gives that body; what the header means goes into
    /// `fields`.
    fn read(&mut self, known: Option<KnownHeader>, cursor: &mut HeaderCursor<'a>, fields: &mut Fields<'a>) -> &'a [u8] {
        match known {
            Some(KnownHeader::Via) => self.read_via(cursor, fields),
            Some(KnownHeader::To) if !self.to => self.read_to(cursor, fields),
            _ => {
                let (raw, body) = skip(cursor, fields);
                if let Some(known) = known {
                    self.keep(known, raw, body, fields);
                }
                body
            }
        }
    }

    fn read_via(&mut self, cursor: &mut HeaderCursor<'a>, fields: &mut Fields<'a>) -> &'a [u8] {
        let mut ahead = *cursor;
        let branch = via::parse(&mut ahead);
        let body = end_at(cursor, branch.is_some().then_some(ahead), fields);
        fields.malformed |= branch.is_none();
        if !self.via {
            self.via = true;
            (fields.via_1, fields.via_1_branch) = (body, branch.unwrap_or_default());
        }
        body
    }

    fn read_to(&mut self, cursor: &mut HeaderCursor<'a>, fields: &mut Fields<'a>) -> &'a [u8] {
        self.to = true;
        let mut ahead = *cursor;
        let address = name_addr::parse(&mut ahead, Comma::Ordinary);
        ahead.skip_line_break();
        let body = end_at(cursor, address.is_some().then_some(ahead), fields);
        (fields.to_user, fields.to_domain, fields.to_tag) = party(address, body, &mut fields.malformed);
        body
    }

    /// Reads one header. `raw` is its body with the line break, `body` without.
    fn keep(&mut self, known: KnownHeader, raw: &'a [u8], body: &'a [u8], fields: &mut Fields<'a>) {
        match known {
            KnownHeader::From => {
                if self.only(|seen| &mut seen.from, fields) {
                    let address = name_addr::parse(&mut HeaderCursor::new(raw, 0), Comma::Ordinary);
                    (fields.from_user, fields.from_domain, fields.from_tag) =
                        party(address, body, &mut fields.malformed);
                }
            }
            KnownHeader::CallId => {
                if self.only(|seen| &mut seen.callid, fields) {
                    fields.callid = body;
                }
            }
            KnownHeader::CSeq => {
                if self.only(|seen| &mut seen.cseq, fields) {
                    fields.cseq = body;
                }
                fields.malformed |= !headers::is_cseq(body);
            }
            KnownHeader::ContentLength => {
                self.only(|seen| &mut seen.content_length, fields);
                fields.malformed |= !headers::is_content_length(body);
            }
            KnownHeader::MaxForwards => {
                self.only(|seen| &mut seen.max_forwards, fields);
            }
            KnownHeader::RetryAfter => fields.malformed |= !headers::is_retry_after(body),
            KnownHeader::Contact => {
                if first(&mut self.contact) {
                    read_contact(body, self.contact_choice, fields);
                }
            }
            KnownHeader::ContentType => keep_first(&mut self.content_type, &mut fields.content_type, body),
            KnownHeader::UserAgent => keep_first(&mut self.user_agent, &mut fields.user_agent, body),
            KnownHeader::Diversion => keep_first(&mut self.diversion, &mut fields.diversion, body),
            KnownHeader::Authorization => _ = self.authorization.get_or_insert(body),
            KnownHeader::ProxyAuthorization => _ = self.proxy_authorization.get_or_insert(body),
            KnownHeader::PAssertedIdentity => self.asserted.read(body),
            KnownHeader::PPreferredIdentity => self.preferred.read_of_two(body),
            KnownHeader::RemotePartyId => {
                if self.remote_party_body.is_none() && self.identity_headers == IdentityHeaders::All {
                    self.remote_party_body = Some(body);
                    self.remote_party = name_addr::parse(&mut HeaderCursor::new(raw, 0), Comma::Ordinary);
                }
            }
            KnownHeader::To => _ = self.only(|seen| &mut seen.to, fields),
            KnownHeader::Via => {}
        }
    }

    /// Reads a header that is looked for by its name.
    fn keep_named(&mut self, name: &'a [u8], body: &'a [u8], names: &HeaderNames, fields: &mut Fields<'a>) {
        let any_case = names.case == NameCase::Any;
        let is_named = |wanted: &[u8]| is_named(name, wanted) || any_case && name.eq_ignore_ascii_case(wanted);
        match name.first().map(|first| if any_case { first.to_ascii_uppercase() } else { *first }) {
            Some(b'R') if is_named(b"Reason") => keep_first(&mut self.reason, &mut fields.reason, body),
            Some(b'X') if is_named(b"X-OIP") && first(&mut self.originator) => {
                (fields.originator_ip, fields.originator_port) = originator::parse(body);
            }
            Some(b'X' | b'P' | b'R') => {
                let rank = names.rtp_stat.iter().position(|wanted| is_named(wanted));
                keep_best(&mut self.rtp_stat_rank, rank, &mut fields.rtp_stat, body);
            }
            _ => {}
        }
        let rank = names.callid_aleg.iter().position(|wanted| is_named(wanted));
        keep_best(&mut self.aleg_rank, rank, &mut fields.callid_aleg, body);
        for (index, wanted) in names.custom.iter().enumerate() {
            if wanted.as_ref().is_some_and(|wanted| is_named(wanted)) {
                keep_first(&mut self.custom[index], &mut fields.custom[index], body);
            }
        }
    }

    /// Fills in what is known only after the last header.
    fn finish(self, fields: &mut Fields<'a>) {
        fields.malformed |= !(self.via && self.from && self.to && self.callid && self.cseq);
        fields.auth_user = self.proxy_authorization.or(self.authorization).map(digest::user).unwrap_or_default();
        fields.pid_user = self.identity().unwrap_or_default().user;
    }

    /// The identity in the first header for it that follows the grammar. If that has none, or no header follows the
    /// grammar, the first identity that can be read in that header or one before it.
    fn identity(&self) -> Option<Uri<'a>> {
        let remote_party = self.remote_party.map(|address| uri::parse(trim_end(address.uri)));
        let by_grammar = [self.asserted.uri(), self.preferred.uri(), remote_party];
        let chosen = by_grammar.iter().position(Option::is_some).unwrap_or(by_grammar.len() - 1);
        by_grammar[chosen].flatten().or_else(|| {
            let remote_party = self.remote_party_body.and_then(|body| lenient::uri(None, body));
            let readable = [self.asserted.readable_uri(), self.preferred.readable_uri(), remote_party];
            readable[..=chosen].iter().find_map(|uri| *uri)
        })
    }

    /// Whether this is the first of a header that may come once; a second one makes a request malformed. In a reply it
    /// is accepted, as by Kamailio.
    fn only(&mut self, flag: impl Fn(&mut Self) -> &mut bool, fields: &mut Fields<'a>) -> bool {
        let is_first = first(flag(self));
        fields.malformed |= !is_first && fields.first_line != FirstLine::Reply;
        is_first
    }
}

/// Whether `flag` was not set before; sets it.
fn first(flag: &mut bool) -> bool {
    !std::mem::replace(flag, true)
}

fn keep_first<'a>(flag: &mut bool, field: &mut &'a [u8], body: &'a [u8]) {
    if first(flag) {
        *field = body;
    }
}

/// Takes `body` into `field` if its rank is better than the best so far.
fn keep_best<'a>(best: &mut Option<usize>, rank: Option<usize>, field: &mut &'a [u8], body: &'a [u8]) {
    if let Some(rank) = rank
        && best.is_none_or(|best| rank < best)
    {
        *best = Some(rank);
        *field = body;
    }
}

/// Whether `name` is `wanted`: the first letter exactly, the others in any case.
fn is_named(name: &[u8], wanted: &[u8]) -> bool {
    name.len() == wanted.len() && name.first() == wanted.first() && name.eq_ignore_ascii_case(wanted)
}

/// Moves `cursor` over a header; gives its body with and without the line break.
fn skip<'a>(cursor: &mut HeaderCursor<'a>, fields: &mut Fields<'a>) -> (&'a [u8], &'a [u8]) {
    let start = cursor.at();
    fields.malformed |= !headers::skip(cursor);
    let raw = cursor.since(start);
    (raw, headers::body(raw))
}

/// Moves `cursor` behind a header whose own grammar says where it ends, or, where that could not be read, behind its
/// lines; gives the body.
fn end_at<'a>(cursor: &mut HeaderCursor<'a>, end: Option<HeaderCursor<'a>>, fields: &mut Fields<'a>) -> &'a [u8] {
    let start = cursor.at();
    let Some(end) = end else {
        return skip(cursor, fields).1;
    };
    *cursor = end;
    headers::body(cursor.since(start))
}

/// User, host and tag of a From or To with this body. Of a body that breaks the grammar, or has a name in place of its
/// URI, what can be read without doubt.
fn party<'a>(address: Option<NameAddr<'a>>, body: &'a [u8], malformed: &mut bool) -> (&'a [u8], &'a [u8], &'a [u8]) {
    let by_grammar = address.and_then(|address| uri::parse(address.uri));
    *malformed |= by_grammar.is_none();
    if let (Some(uri), Some(address)) = (by_grammar, address) {
        return (uri.user, uri.host, address.tag);
    }
    let plain = lenient::address(body);
    let uri = plain.map(|plain| plain.uri).unwrap_or_default();
    let tag = address.map(|address| address.tag).filter(|tag| !tag.is_empty());
    (uri.user, uri.host, tag.or_else(|| plain.map(|plain| plain.tag())).unwrap_or_default())
}

fn read_contact<'a>(body: &'a [u8], choice: ContactChoice, fields: &mut Fields<'a>) {
    let uri = match contact::parse(body, choice) {
        Some(contact::Contact::Star) => {
            fields.contact_user = b"*";
            return;
        }
        Some(contact::Contact::Uri(uri)) => uri::parse(uri),
        None => None,
    };
    fields.malformed |= uri.is_none();
    let uri = uri.or_else(|| lenient::uri(None, body)).unwrap_or_default();
    (fields.contact_user, fields.contact_ip, fields.contact_port) = (uri.user, uri.host, uri.port);
}
