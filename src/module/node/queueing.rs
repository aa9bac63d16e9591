//! The way of a message into the queue of this process, and what is counted there.

use crate::capture::Capture;
use crate::module::engine::capture_queue::CaptureQueue;
use crate::module::engine::state::StateError;
use crate::module::hep::context::HepContext;
use crate::module::hep::metadata::Metadata;
use crate::module::sip_message::{CaptureError, SipMessage};
use crate::sip::{self, FirstLine};

/// Queues `message` for `table`, a strftime template, in the database number `sink`, described by what its caller and
/// the packet at hand say. Capture mode number `mode`, 0 for the default one, counts it.
pub fn queue_sip(
    queue: &mut CaptureQueue,
    hep: &HepContext,
    message: &SipMessage<'_>,
    mode: usize,
    sink: u8,
    table: &[u8],
) -> Result<(), CaptureError> {
    let capture = Capture {
        rewritten_uri: message.rewritten_uri,
        call_id: message.call_id,
        custom: message.custom,
        sink,
        table: Some(table),
        ..Capture::sip(0, message.source, message.destination, message.transport, message.payload)
    };
    let capture = hep.described(&message.metadata, capture);
    let pushed = queue.push(&capture)?;
    if pushed.is_ok() {
        let is_reply = sip::first_line_kind(message.payload) == FirstLine::Reply;
        queue.producer()?.count_sip(mode, is_reply);
    }
    Ok(pushed?)
}

/// Queues `report`, which a script makes of a message, described likewise, with the correlation id `correlation` unless
/// it is empty.
pub fn queue_report(
    queue: &mut CaptureQueue,
    hep: &HepContext,
    given: &Metadata<'_>,
    correlation: &[u8],
    report: Capture<'_>,
) -> Result<(), CaptureError> {
    let mut capture = hep.described(given, report);
    // A version tells a report that came in HEP by itself.
    capture.hep_version = None;
    if !correlation.is_empty() {
        capture.correlation_id = Some(correlation);
    }
    Ok(queue.push(&capture)??)
}

/// The message at hand when the host's parser has refused its `payload`, which is counted; `None` when something has
/// captured it already.
pub fn refused_message<'a>(
    queue: &CaptureQueue,
    hep: &HepContext,
    payload: &'a [u8],
) -> Result<Option<SipMessage<'a>>, StateError> {
    let Some((addresses, counter)) = hep.refused() else { return Ok(None) };
    queue.count(counter)?;
    Ok(Some(SipMessage::of(addresses, payload)))
}
