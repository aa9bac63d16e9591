//! Columns as a dialect lists them: a default name, the parameter that gives another, and what a row has there.

use crate::capture::Trace;
use crate::sip::Fields;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// A moment, to the second, written as local time.
    Time,
    /// A signed integer of 32 bits.
    Int,
    /// A signed integer of 64 bits.
    BigInt,
    /// A short text.
    Text,
    /// The whole message.
    Message,
}

/// One column of a dialect's rows.
#[derive(Clone, Copy, Debug)]
pub struct ColumnSpec<V> {
    /// Its default name, which says what it is whatever the operator calls it.
    pub key: &'static str,
    /// The parameter that gives it another name; empty when none does.
    pub parameter: &'static str,
    /// Whether tables may lack it without a warning.
    pub is_optional: bool,
    /// What a row has there.
    pub value: V,
}

/// A column that tables are expected to have.
pub const fn column<V: Copy>(key: &'static str, parameter: &'static str, value: V) -> ColumnSpec<V> {
    ColumnSpec { key, parameter, is_optional: false, value }
}

/// A column that some tables have and others lack.
pub const fn optional_column<V: Copy>(key: &'static str, parameter: &'static str, value: V) -> ColumnSpec<V> {
    ColumnSpec { key, parameter, is_optional: true, value }
}

/// `columns` with `column` in place of the one that has its key.
pub const fn with_column<V: Copy, const N: usize>(
    mut columns: [ColumnSpec<V>; N],
    column: ColumnSpec<V>,
) -> [ColumnSpec<V>; N] {
    columns[position(&columns, column.key)] = column;
    columns
}

/// `columns` with `column` behind the others, and without the one that has its key.
pub const fn with_last_column<V: Copy, const N: usize>(
    mut columns: [ColumnSpec<V>; N],
    column: ColumnSpec<V>,
) -> [ColumnSpec<V>; N] {
    let mut at = position(&columns, column.key);
    while at + 1 < N {
        columns[at] = columns[at + 1];
        at += 1;
    }
    columns[N - 1] = column;
    columns
}

const fn position<V>(columns: &[ColumnSpec<V>], key: &str) -> usize {
    let mut at = 0;
    while at < columns.len() {
        if is_same(columns[at].key.as_bytes(), key.as_bytes()) {
            return at;
        }
        at += 1;
    }
    panic!("no column has this key")
}

const fn is_same(one: &[u8], other: &[u8]) -> bool {
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}

/// What every capture has, whatever its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaptureValue {
    /// Capture time, to the second.
    Time,
    /// Capture time, microseconds since the Unix epoch.
    Micros,
    /// Its microseconds alone, 0 to 999,999.
    MicrosOfSecond,
    /// Address that the message came from.
    SourceIp,
    /// Port that it came from.
    SourcePort,
    /// Address that it went to.
    DestinationIp,
    /// Port that it went to.
    DestinationPort,
    /// What carried it, in the dialect's numbers.
    Transport,
    /// Address family, as Linux numbers them.
    Family,
    /// The capture node's name, and behind it the capture agent's id if there is one.
    Node,
    /// The capture node's name alone.
    NodeName,
    /// The capture agent's id, 0 when there is none.
    AgentId,
    /// The message, complete.
    Message,
    /// Its length, bytes.
    MessageLength,
}

/// A header field as text.
pub type FieldText = for<'f, 'a> fn(&'f Fields<'a>) -> &'a [u8];
/// A header field as a number.
pub type FieldNumber = for<'f, 'a> fn(&'f Fields<'a>) -> i64;
/// A part of a trace.
pub type TraceText = for<'t, 'a> fn(&'t Trace<'a>) -> &'a [u8];

/// What a column of a SIP message's row holds.
#[derive(Clone, Copy, Debug)]
pub enum SipValue {
    /// What every capture has.
    Capture(CaptureValue),
    /// Text of a header field.
    Text(FieldText),
    /// Number of a header field.
    Number(FieldNumber),
    /// The Call-ID, unmasked if the host has told it.
    CallId,
    /// The correlation id, from where the dialect has it.
    CorrelationId,
    /// Custom field 0 to 2: the script's value, else the header's.
    Custom(usize),
    /// Nothing: the column is there and never filled.
    Empty,
}

/// What a column of a report's row holds.
#[derive(Clone, Copy, Debug)]
pub enum ReportValue {
    /// What every capture has.
    Capture(CaptureValue),
    /// The report's own correlation id.
    CorrelationId,
    /// Which report it is: the number of [`RowKind::Report`](crate::capture::RowKind::Report).
    Type,
    /// Value 0 to 2 that came with the call.
    Custom(usize),
}

/// What a column of a traced message's row holds.
#[derive(Clone, Copy, Debug)]
pub enum TraceValue {
    /// What every capture has.
    Capture(CaptureValue),
    /// The Call-ID.
    CallId,
    /// `out` when the server sent it, else `in`.
    Direction,
    /// A part of the trace.
    Text(TraceText),
}

/// What kind of column a value needs.
pub(super) trait Kind: Copy {
    /// See [`ColumnKind`].
    fn kind(self) -> ColumnKind;
}

impl Kind for CaptureValue {
    fn kind(self) -> ColumnKind {
        match self {
            CaptureValue::Time => ColumnKind::Time,
            CaptureValue::SourceIp | CaptureValue::DestinationIp | CaptureValue::Node | CaptureValue::NodeName => {
                ColumnKind::Text
            }
            CaptureValue::Message => ColumnKind::Message,
            // An agent's id has 32 bits, and only some dialects give it a sign.
            CaptureValue::Micros | CaptureValue::AgentId => ColumnKind::BigInt,
            CaptureValue::MicrosOfSecond
            | CaptureValue::SourcePort
            | CaptureValue::DestinationPort
            | CaptureValue::Transport
            | CaptureValue::Family
            | CaptureValue::MessageLength => ColumnKind::Int,
        }
    }
}

impl Kind for SipValue {
    fn kind(self) -> ColumnKind {
        match self {
            SipValue::Capture(value) => value.kind(),
            SipValue::Number(_) => ColumnKind::Int,
            SipValue::Text(_) | SipValue::CallId | SipValue::CorrelationId | SipValue::Custom(_) | SipValue::Empty => {
                ColumnKind::Text
            }
        }
    }
}

impl Kind for ReportValue {
    fn kind(self) -> ColumnKind {
        match self {
            ReportValue::Capture(value) => value.kind(),
            ReportValue::Type => ColumnKind::Int,
            ReportValue::CorrelationId | ReportValue::Custom(_) => ColumnKind::Text,
        }
    }
}

impl Kind for TraceValue {
    fn kind(self) -> ColumnKind {
        match self {
            TraceValue::Capture(value) => value.kind(),
            TraceValue::CallId | TraceValue::Direction | TraceValue::Text(_) => ColumnKind::Text,
        }
    }
}
