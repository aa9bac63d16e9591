//! What a row looks like: columns of a layout, values of a capture, names and creation of tables.

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// A moment, to the second, written as local time.
    Time,
    /// A signed integer.
    Int,
    /// A short text.
    Text,
    /// The whole message.
    Message,
}

/// One column of a layout.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its name in the database (parameter `<default name>_column`).
    pub name: String,
    /// What it holds.
    pub kind: ColumnKind,
}

/// The columns of a row, in the order of the stock module's INSERT.
#[derive(Clone, Debug)]
pub struct Layout {
    /// 44 columns for SIP, 12 for reports.
    pub columns: Vec<Column>,
}

/// One value of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// Microseconds since the Unix epoch, for a [`ColumnKind::Time`] column.
    Time(i64),
    /// For a [`ColumnKind::Int`] column.
    Int(i64),
    /// For a [`ColumnKind::Text`] or [`ColumnKind::Message`] column; arbitrary bytes.
    Bytes(&'a [u8]),
}

/// The values of one row, in the order of its layout.
pub type Row<'a> = Vec<Value<'a>>;
