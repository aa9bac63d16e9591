//! SIP field extraction: decodes a message's bytes into borrowed fields. It has no state and no I/O, and allocates only
//! in what changes messages: [`x_headers`], which writes a copy, and [`Masks`].
//!
//! One pass goes over the headers ([`headers`] finds them, [`collect`] keeps those that count); what has a grammar of
//! its own is read by the file named for it. The writer calls [`extract`] for every captured message; a source that
//! only tells requests from replies calls [`first_line_kind`], one that shards by a field [`hash_source`].
//!
//! Values equal those of Kamailio's sipcapture module, with its peculiarities: the *last* contact of the *first*
//! Contact header counts, of several tags the last, and a header that is looked up by its name (Reason, X-OIP, the
//! statistics and the operator's own) must be written with the first letter in the case of the name looked for. Where
//! that module's parser refuses an address, [`lenient`] reads what is beyond doubt. What other hosts' modules do
//! otherwise is in [`HeaderNames`].

mod collect;
mod contact;
mod credentials;
mod digest;
mod first_line;
mod hash_source;
mod headers;
mod identity;
mod lenient;
mod lookup;
mod mask;
mod name_addr;
mod originator;
mod scan;
#[cfg(test)]
mod tests;
mod uri;
mod via;
pub mod x_headers;

pub use hash_source::{HashSource, hash_source};
pub use lookup::{header, via_branches};
pub use mask::Masks;

/// RTP statistics headers, the preferred one first.
const RTP_STATS: &[&[u8]] = &[
    b"X-RTP-Stat-Add",
    b"X-RTP-Stat-T38",
    b"X-RTP-Stat",
    b"P-RTP-Stat",
    b"X-Siemens-RTP-stats",
    b"X-NG-RTP-STATS",
    b"RTP-RxStat",
];

/// Which headers tell the identity of the sender, the preferred one first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IdentityHeaders {
    /// P-Asserted-Identity, P-Preferred-Identity and Remote-Party-ID. This is the default.
    #[default]
    All,
    /// The first two alone.
    WithoutRemotePartyId,
}

/// Which contact of the first Contact header counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ContactChoice {
    /// The last one. This is the default.
    #[default]
    Last,
    /// The first one.
    First,
}

/// How the names of Reason, X-OIP and of the headers that hosts or operators choose are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NameCase {
    /// The first letter exactly, the others in any case. This is the default.
    #[default]
    FirstLetterExact,
    /// All letters in any case.
    Any,
}

/// The headers to look at where hosts or operators choose them.
#[derive(Clone, Debug)]
pub struct HeaderNames {
    /// Headers that fill `pid_user`.
    pub identity: IdentityHeaders,
    /// The contact that fills `contact_user`, `contact_ip` and `contact_port`.
    pub contact: ContactChoice,
    /// How the names of these headers are compared.
    pub case: NameCase,
    /// Headers of which the first present one fills `rtp_stat`, in order of preference. Their names begin with X, P or
    /// R.
    pub rtp_stat: &'static [&'static [u8]],
    /// Headers of which the first present one fills `callid_aleg`, in order of preference.
    pub callid_aleg: Vec<Vec<u8>>,
    /// Headers of `custom_field1` to `custom_field3`; `None` leaves the field empty.
    pub custom: [Option<Vec<u8>>; 3],
}

impl Default for HeaderNames {
    /// No header of an operator's choice, and every one that Kamailio's module looks at.
    fn default() -> HeaderNames {
        HeaderNames {
            identity: IdentityHeaders::default(),
            contact: ContactChoice::default(),
            case: NameCase::default(),
            rtp_stat: RTP_STATS,
            callid_aleg: Vec::new(),
            custom: [None, None, None],
        }
    }
}

/// What the first line is; the numbers are those of the `type` column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum FirstLine {
    /// Neither a request nor a status line.
    #[default]
    Invalid = 0,
    /// A request.
    Request = 1,
    /// A reply.
    Reply = 2,
}

/// The fields of one SIP message that become columns. A field that is absent or cannot be read is empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fields<'a> {
    /// Request or reply.
    pub first_line: FirstLine,
    /// Whether the message breaks the grammar where it matters: the first line, the request URI, a header line or the
    /// body of From, To, Via, CSeq, Contact, Content-Length or Retry-After is unreadable; Via, From, To, Call-ID or
    /// CSeq is missing; in a request one that may come once (these but Via, Content-Length, Max-Forwards) comes twice.
    pub malformed: bool,
    /// Request method, or the status code's text.
    pub method: &'a [u8],
    /// Reason phrase of a reply.
    pub reply_reason: &'a [u8],
    /// Request URI as the first line has it.
    pub ruri: &'a [u8],
    /// User part of the request URI.
    pub ruri_user: &'a [u8],
    /// Host part of the request URI.
    pub ruri_domain: &'a [u8],
    /// User part of the From URI.
    pub from_user: &'a [u8],
    /// Host part of the From URI.
    pub from_domain: &'a [u8],
    /// From tag, the last if there are several.
    pub from_tag: &'a [u8],
    /// User part of the To URI.
    pub to_user: &'a [u8],
    /// Host part of the To URI.
    pub to_domain: &'a [u8],
    /// To tag, the last if there are several.
    pub to_tag: &'a [u8],
    /// User of P-Asserted-Identity, else P-Preferred-Identity, else, unless [`HeaderNames`] says otherwise,
    /// Remote-Party-ID.
    pub pid_user: &'a [u8],
    /// User of the contact: the last one in the first Contact header, or the first ([`ContactChoice`]); `*` for a star.
    pub contact_user: &'a [u8],
    /// Host of that contact, an IPv6 address in its brackets.
    pub contact_ip: &'a [u8],
    /// Port of that contact, 0 for none.
    pub contact_port: u16,
    /// User part of the digest user name, of Proxy-Authorization before Authorization.
    pub auth_user: &'a [u8],
    /// Call-ID.
    pub callid: &'a [u8],
    /// Call-ID of the other leg.
    pub callid_aleg: &'a [u8],
    /// Body of the first Via header.
    pub via_1: &'a [u8],
    /// Branch of the first Via in it.
    pub via_1_branch: &'a [u8],
    /// CSeq body.
    pub cseq: &'a [u8],
    /// Reason body.
    pub reason: &'a [u8],
    /// Content-Type body.
    pub content_type: &'a [u8],
    /// User-Agent body.
    pub user_agent: &'a [u8],
    /// Host of X-OIP, an IPv6 address without brackets.
    pub originator_ip: &'a [u8],
    /// Port of X-OIP, 0 for none.
    pub originator_port: u16,
    /// The first RTP statistics header's body.
    pub rtp_stat: &'a [u8],
    /// First Diversion body.
    pub diversion: &'a [u8],
    /// Bodies of the operator's three headers.
    pub custom: [&'a [u8]; 3],
}

/// Reads the fields of `message`; `names` says which extra headers to look for.
///
/// `rewritten_uri` is the request URI that the host's script has put in place of the first line's, if any: user and
/// domain come from it, while `ruri` stays as received.
///
/// Any bytes may come: it takes time in proportion to their number, never allocates and never panics. The values are
/// those that Kamailio's own sipcapture module stores for messages that it stores; a message that it would refuse is
/// read as far as it goes and marked `malformed`.
pub fn extract<'a>(message: &'a [u8], rewritten_uri: Option<&'a [u8]>, names: &HeaderNames) -> Fields<'a> {
    let line = first_line::parse(message);
    let mut fields = Fields {
        first_line: line.kind,
        malformed: line.kind == FirstLine::Invalid || !line.is_sip,
        method: line.method,
        reply_reason: line.reason,
        ruri: line.uri,
        ..Fields::default()
    };
    if line.kind == FirstLine::Request {
        match uri::parse(rewritten_uri.unwrap_or(line.uri)) {
            Some(uri) => (fields.ruri_user, fields.ruri_domain) = (uri.user, uri.host),
            None => fields.malformed = true,
        }
    }
    collect::headers(message, line.headers, names, &mut fields);
    fields
}

/// Whether `message` starts as a request or a reply: looks at the first line alone.
pub fn first_line_kind(message: &[u8]) -> FirstLine {
    first_line::parse(message).kind
}
