//! From records to packets.

use crate::capture::record::{self, RecordError};
use crate::capture::{Capture, RowKind, Trace};
use crate::hep::{ChunkOrder, Version};
use crate::sink::hep::{Origin, Outgoing, OutgoingMessage, parse_endpoints};
use crate::sip;
use crate::sip::x_headers::{self, XHeaders};
use std::borrow::Cow;

/// Payload type of a log line (HEP chunk 0x000b).
const LOG: u8 = 100;

/// A packet before it is encoded, or why there is none.
pub(super) type Prepared<'a> = Result<Unencoded<'a>, PrepareError>;

/// What a packet is made of.
pub(super) struct Unencoded<'a> {
    capture: Capture<'a>,
    /// What a capture agent adds; `None` for a whole packet.
    trace: Option<Trace<'a>>,
    /// The message, or the packet.
    payload: Cow<'a, [u8]>,
}

/// Why there is no packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PrepareError {
    /// The record cannot be read.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The packet is to get headers that cannot be added.
    #[error("it has no end of headers, or the X-Siptrace headers are too long")]
    XHeaders,
}

/// The packet of one record; its correlation id is its own, or else that of the first of `headers` that is there.
pub(super) fn prepare<'a>(bytes: &'a [u8], headers: &[Vec<u8>]) -> Prepared<'a> {
    let mut capture = record::decode(bytes)?;
    if capture.kind == RowKind::Relayed {
        return Ok(Unencoded { capture, trace: None, payload: Cow::Borrowed(capture.payload) });
    }
    let trace = capture.trace.ok_or(RecordError::Trace)?;
    capture.correlation_id = correlation_of(&capture, &trace, headers);
    let payload = if trace.wants_x_headers {
        let payload = x_headers::insert(
            capture.payload,
            &XHeaders {
                from: trace.from,
                to: trace.to,
                time_us: capture.time_us,
                method: trace.method,
                is_outgoing: trace.is_outgoing,
            },
        );
        Cow::Owned(payload.ok_or(PrepareError::XHeaders)?)
    } else {
        Cow::Borrowed(capture.payload)
    };
    Ok(Unencoded { capture, trace: Some(trace), payload })
}

/// The id that a packet has, or else the first of these headers gives: of a message, up to where the header is folded.
fn correlation_of<'a>(capture: &Capture<'a>, trace: &Trace<'_>, headers: &[Vec<u8>]) -> Option<&'a [u8]> {
    if capture.correlation_id.is_some() || trace.payload_type == LOG {
        return capture.correlation_id;
    }
    let value = headers.iter().find_map(|name| sip::header(capture.payload, name))?;
    value.split(|byte| b"\r\n".contains(byte)).next().map(<[u8]>::trim_ascii_end)
}

/// What goes out for a capture; the reason when nothing can.
pub(super) fn outgoing_of<'a>(unencoded: &'a Unencoded<'a>) -> Result<Outgoing<'a>, String> {
    let Unencoded { capture, trace, payload } = unencoded;
    let Some(trace) = trace else { return Ok(Outgoing::Packet(payload)) };
    let is_log = trace.payload_type == LOG;
    let text = |bytes: &'a [u8]| std::str::from_utf8(bytes).map_err(|error| error.to_string());
    let (ip_protocol, from, to) = if is_log {
        let is_old = trace.sockets.is_empty() && !trace.from.is_empty();
        let from = if is_old { Origin::SocketTexts(text(trace.from)?) } else { Origin::Sockets(trace.sockets) };
        (17, from, None)
    } else {
        let (from, to) = (text(trace.from)?, text(trace.to)?);
        let (protocol, from, to) = parse_endpoints(from, to).map_err(|error| error.to_string())?;
        (protocol, Origin::Address(from), Some(to))
    };
    let message = OutgoingMessage {
        from,
        to,
        ip_protocol,
        time_us: capture.time_us,
        payload_type: trace.payload_type,
        version_override: (trace.hep_version == 3).then_some(Version::V3),
        order: if is_log { ChunkOrder::Log } else { ChunkOrder::Message },
        correlation_id: capture.correlation_id,
        payload,
    };
    Ok(message.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::Transport;
    use std::net::{Ipv4Addr, SocketAddr};

    #[test]
    fn the_correlation_id_is_the_packets_own_or_that_of_a_header_of_a_message() {
        let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let headers = [b"X-Cid".to_vec()];
        let id = |payload: &[u8], own: Option<&'static [u8]>, payload_type: u8| {
            let capture =
                Capture { correlation_id: own, ..Capture::sip(0, nowhere, nowhere, Transport::UNKNOWN, payload) };
            correlation_of(&capture, &Trace { payload_type, ..Trace::default() }, &headers).map(<[u8]>::to_vec)
        };
        let message = b"INVITE sip:a SIP/2.0\r\nX-Cid: one\r\n two\r\n\r\n";
        assert_eq!(id(message, None, 1), Some(b"one".to_vec()));
        assert_eq!(id(message, Some(b"own"), 1), Some(b"own".to_vec()));
        assert_eq!(id(b"INVITE sip:a SIP/2.0\r\n\r\n", None, 1), None);
        assert_eq!(id(message, None, LOG), None, "a line is no message, whatever it looks like");
    }
}
