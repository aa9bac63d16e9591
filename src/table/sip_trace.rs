//! The columns of `sip_trace`, the table of a capture agent.

use super::column::CaptureValue::{Message, MicrosOfSecond, Time};
use super::column::TraceValue::{CallId, Capture, Direction, Text};
use super::column::{ColumnSpec, TraceValue, column};

/// The 12 columns of a traced message. The parameter of `time_stamp` is called `date_column`, and `time_us` has none.
pub const TRACE: &[ColumnSpec<TraceValue>] = &[
    column("msg", "msg_column", Capture(Message)),
    column("callid", "callid_column", CallId),
    column("method", "method_column", Text(|trace| trace.method)),
    column("status", "status_column", Text(|trace| trace.status)),
    column("fromip", "fromip_column", Text(|trace| trace.from)),
    column("toip", "toip_column", Text(|trace| trace.to)),
    column("time_stamp", "date_column", Capture(Time)),
    column("direction", "direction_column", Direction),
    column("fromtag", "fromtag_column", Text(|trace| trace.from_tag)),
    column("traced_user", "traced_user_column", Text(|trace| trace.user)),
    column("time_us", "", Capture(MicrosOfSecond)),
    column("totag", "totag_column", Text(|trace| trace.to_tag)),
];
