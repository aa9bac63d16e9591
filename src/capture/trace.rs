//! What a capture agent adds to a message that it saw pass, and its byte form inside a record.
//!
//! ```text
//! size   field                                 (integers little-endian)
//!  1     1 when the message left the server, 0 when it came in
//!  1     payload type (HEP chunk 0x000b): 1 SIP, 100 log line
//!  1     version of HEP that it must leave in; 0 for the collector's own
//!  1     1 when its packet is to get the X-Siptrace headers, else 0
//!  2 + n each of method, status, from, to, From tag, To tag, traced user: length, bytes
//!  2 + n sockets of the host (see `sockets.rs`), of a log line alone: length, bytes
//! ```
//! Log lines of earlier builds have no sockets; `from` is several texts there, separated by blanks.

use super::Sockets;

/// One traced message, beside what every capture has. The bytes are the host's words, as they end up in the row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trace<'a> {
    /// Whether the server sent it.
    pub is_outgoing: bool,
    /// What the payload is (HEP chunk 0x000b): 1 SIP, 100 a log line.
    pub payload_type: u8,
    /// Version of HEP that it must leave in; 0 for the collector's own.
    pub hep_version: u8,
    /// Whether its packet is to get the X-Siptrace headers.
    pub wants_x_headers: bool,
    /// Request method, of a reply that of its CSeq.
    pub method: &'a [u8],
    /// Reply code; empty for a request.
    pub status: &'a [u8],
    /// Where it came from: `proto:ip:port`.
    pub from: &'a [u8],
    /// Where it went to: `proto:ip:port`.
    pub to: &'a [u8],
    /// Tag of the From header.
    pub from_tag: &'a [u8],
    /// Tag of the To header.
    pub to_tag: &'a [u8],
    /// Whom it is traced for; empty for everybody.
    pub user: &'a [u8],
    /// Of a log line: the host's sockets that it could leave from. The one of the collector's transport and family is
    /// where it came from, and one without a transport is so for every collector.
    pub sockets: Sockets<'a>,
}

const FIXED: usize = 4;

impl<'a> Trace<'a> {
    fn parts(&self) -> [&'a [u8]; 7] {
        [self.method, self.status, self.from, self.to, self.from_tag, self.to_tag, self.user]
    }

    /// Bytes of its byte form.
    pub(super) fn encoded_len(&self) -> usize {
        let sockets = if self.sockets.is_empty() { 0 } else { 2 + self.sockets.0.len() };
        FIXED + self.parts().iter().map(|part| 2 + part.len()).sum::<usize>() + sockets
    }

    /// Hands the pieces of its byte form to `put`. Every part must be shorter than 64 KiB.
    pub(super) fn encode(&self, mut put: impl FnMut(&[u8])) {
        put(&[u8::from(self.is_outgoing), self.payload_type, self.hep_version, u8::from(self.wants_x_headers)]);
        let sockets = Some(self.sockets.0).filter(|sockets| !sockets.is_empty());
        for part in self.parts().into_iter().chain(sockets) {
            put(&(part.len() as u16).to_le_bytes());
            put(part);
        }
    }

    /// Reads it back; `None` when the bytes do not add up.
    pub(super) fn decode(bytes: &'a [u8]) -> Option<Trace<'a>> {
        let (fixed, mut rest) = bytes.split_at_checked(FIXED)?;
        let mut part = || {
            let (len, behind) = rest.split_first_chunk()?;
            let (part, behind) = behind.split_at_checked(usize::from(u16::from_le_bytes(*len)))?;
            rest = behind;
            Some(part)
        };
        let trace = Trace {
            is_outgoing: fixed[0] != 0,
            payload_type: fixed[1],
            hep_version: fixed[2],
            wants_x_headers: fixed[3] != 0,
            method: part()?,
            status: part()?,
            from: part()?,
            to: part()?,
            from_tag: part()?,
            to_tag: part()?,
            user: part()?,
            sockets: Sockets::default(),
        };
        if rest.is_empty() {
            return Some(trace);
        }
        let (len, rest) = rest.split_first_chunk()?;
        let trace = Trace { sockets: Sockets(rest), ..trace };
        (rest.len() == usize::from(u16::from_le_bytes(*len))).then_some(trace)
    }
}
