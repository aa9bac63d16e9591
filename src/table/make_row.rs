//! From a capture to its row, as everybody makes it who stores captures: the writer, and the tool that sends refused
//! ones again.

use super::RowDialect;
use super::row::{Row, RowText, fill_report, fill_sip, fill_trace};
use crate::capture::{Capture, RowKind};
use crate::sip::{self, HeaderNames};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The row of one capture, with the columns that `dialect` has for its kind, and whether parts of it could not be read.
///
/// `text` is [`RowText::new`] of the same dialect, capture and `node`, the `node` column's beginning; `headers` are the
/// extra headers to look for. `None` when the codec panicked: one message must not take a writer into a circle of
/// restarts.
pub fn make_row<'a>(
    dialect: &RowDialect,
    capture: &Capture<'a>,
    text: &'a RowText,
    node: &'a [u8],
    headers: &HeaderNames,
) -> Option<(Row<'a>, bool)> {
    let make = || {
        let mut row = Row::new();
        match capture.kind {
            RowKind::Report(_) => fill_report(&mut row, dialect, capture, text, node),
            RowKind::Trace | RowKind::Packet | RowKind::Relayed => fill_trace(&mut row, dialect, capture, text, node),
            RowKind::Sip => {
                let fields = sip::extract(capture.payload, capture.rewritten_uri, headers);
                fill_sip(&mut row, dialect, capture, &fields, text, node);
                return (row, fields.malformed);
            }
        }
        (row, false)
    };
    catch_unwind(AssertUnwindSafe(make)).ok()
}
