//! The byte form of captures, as lanes and the spool hold it, and the row that becomes of one.

use super::lies_in;
use sipcapture_core::capture::record::{MAX_PAYLOAD, decode, encode, encoded_len};
use sipcapture_core::capture::{Capture, RowKind};
use sipcapture_core::module::{KAMAILIO_ROWS, OPENSIPS_ROWS, OPENSIPS_ROWS_HOMER6};
use sipcapture_core::sip::{HeaderNames, extract};
use sipcapture_core::table::{
    ColumnKind, ColumnNames, RowDialect, RowText, TraceColumnNames, Value, fill_report, fill_sip, fill_trace,
    report_layout, sip_layout, trace_layout,
};

/// Bytes by which the head of a record has grown since version 1.
const HEAD_GROWN: usize = 10;

/// Takes `bytes` for a record of any version; one that decodes must encode and decode to the same capture.
pub fn run(bytes: &[u8]) {
    let Ok(capture) = decode(bytes) else { return };
    let parts = [capture.correlation_id, capture.rewritten_uri, capture.table, capture.call_id, Some(capture.payload)];
    assert!(parts.into_iter().chain(capture.custom).flatten().all(|part| lies_in(part, bytes)));
    if let Some(trace) = &capture.trace {
        let parts = [trace.method, trace.status, trace.from, trace.to, trace.from_tag, trace.to_tag, trace.user];
        assert!(parts.into_iter().all(|part| lies_in(part, bytes)));
    }
    for rows in [&KAMAILIO_ROWS, &OPENSIPS_ROWS, &OPENSIPS_ROWS_HOMER6] {
        becomes_a_row(rows, &capture);
    }
    let Ok(length) = encoded_len(&capture) else {
        assert!(capture.payload.len() > MAX_PAYLOAD);
        return;
    };
    // What is written has the present version; the head of the first one was shorter.
    let longer = if bytes[0] == 1 { HEAD_GROWN } else { 0 };
    assert!(length <= bytes.len() + longer, "a record has no parts that its capture lacks");
    let mut again = vec![0xaa; length];
    encode(&capture, &mut again);
    assert_eq!(decode(&again), Ok(capture));
    assert!(decode(&again[..length - 1]).is_err(), "a record that lacks its last byte is cut short");
}

/// Each column gets a value of its own kind, whatever the capture holds.
fn becomes_a_row(rows: &RowDialect, capture: &Capture<'_>) {
    let node = b"node";
    let text = RowText::new(rows, capture, node);
    let mut row = Vec::new();
    let names = ColumnNames::of(rows);
    let layout = match capture.kind {
        RowKind::Sip => {
            let fields = extract(capture.payload, capture.rewritten_uri, &HeaderNames::default());
            fill_sip(&mut row, rows, capture, &fields, &text, node);
            sip_layout(&names)
        }
        RowKind::Report(_) => {
            fill_report(&mut row, rows, capture, &text, node);
            report_layout(&names)
        }
        RowKind::Trace | RowKind::Packet | RowKind::Relayed => {
            fill_trace(&mut row, rows, capture, &text, node);
            trace_layout(&TraceColumnNames::of(rows))
        }
    };
    assert_eq!(row.len(), layout.columns.len());
    for (value, column) in row.iter().zip(&layout.columns) {
        let fits = match value {
            Value::Time(_) => column.kind == ColumnKind::Time,
            Value::Int(_) => matches!(column.kind, ColumnKind::Int | ColumnKind::BigInt),
            Value::Bytes(_) => matches!(column.kind, ColumnKind::Text | ColumnKind::Message),
        };
        assert!(fits, "{} gets {value:?}", column.key);
    }
}
