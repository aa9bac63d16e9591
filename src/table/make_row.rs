//! From a capture to its row, as everybody makes it who stores captures: the writer, and the tool that sends refused ones again.

use super::row::{Row, RowText, fill_report, fill_sip, fill_trace};
use crate::capture::{Capture, RowKind};
use crate::sip::{self, HeaderNames};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The row of one capture, with 44 values for a SIP message and 12 for a report or a traced message, and whether parts of it could not be read.
///
/// `text` is [`RowText::new`] of the same capture and `node`, the `node` column's beginning; `headers` are the extra headers to look for.
/// `None` when the codec panicked: one message must not take a writer into a circle of restarts.
pub fn make_row<'a>(
    capture: &Capture<'a>,
    text: &'a RowText,
    node: &'a [u8],
    headers: &HeaderNames,
) -> Option<(Row<'a>, bool)> {
    let make = || {
        let mut row = Row::new();
        match capture.kind {
            RowKind::Report(_) => fill_report(&mut row, capture, text, node),
            RowKind::Trace | RowKind::Packet => fill_trace(&mut row, capture),
            RowKind::Sip => {
                let fields = sip::extract(capture.payload, capture.rewritten_uri, headers);
                fill_sip(&mut row, capture, &fields, text, node);
                return (row, fields.malformed);
            }
        }
        (row, false)
    };
    catch_unwind(AssertUnwindSafe(make)).ok()
}
