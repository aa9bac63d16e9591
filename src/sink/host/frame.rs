//! The bytes between a sink and its host database process; the [parent](super) documents them.

use crate::table::{ColumnKind, Layout, Row, Value};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send as send_packet};
use std::io;
use std::os::fd::AsFd;

/// Version of the frames, the first byte of a part.
const VERSION: u8 = 1;
/// Bytes of a part before its piece of the body.
const HEAD: usize = 17;
/// Most bytes of a body in one part: far below what a socket's buffer holds.
const PIECE: usize = 16 * 1024;
/// Longest body: a row repeats parts of a message of at most 64 KiB.
const MOST: u32 = 64 << 20;

/// A value as the host's drivers tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostValue<'a> {
    /// A date: seconds since the Unix epoch.
    Time(i64),
    /// An integer of 32 bits.
    Int(i32),
    /// An integer of 64 bits.
    BigInt(i64),
    /// A text.
    Text(&'a [u8]),
    /// Bytes.
    Blob(&'a [u8]),
}

/// One row to insert. Names end with a zero byte, which is not part of the slice but stands behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// Whether to insert delayed, if the driver can.
    pub delayed: bool,
    /// The table's name.
    pub table: &'a [u8],
    /// The columns' names.
    pub columns: Vec<&'a [u8]>,
    /// The values, as many as columns.
    pub values: Vec<HostValue<'a>>,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriverAnswer {
    /// The row is stored.
    Stored,
    /// The driver is connected and refuses the row.
    Refused,
    /// The table is missing, lacks columns, or may not be read.
    TableUnusable,
    /// The driver does not connect.
    Unavailable,
    /// The host database process ended, and another takes its place; not its own answer but that of its parent.
    Ended,
    /// The same, and the fault was the driver's own.
    Crashed,
}

const OUTCOMES: [DriverAnswer; 6] = [
    DriverAnswer::Stored,
    DriverAnswer::Refused,
    DriverAnswer::TableUnusable,
    DriverAnswer::Unavailable,
    DriverAnswer::Ended,
    DriverAnswer::Crashed,
];

/// Writes the request for one row into `body`.
pub fn encode_request(body: &mut Vec<u8>, delayed: bool, table: &str, layout: &Layout, row: &Row<'_>) {
    body.clear();
    body.push(u8::from(delayed));
    put_name(body, table);
    body.extend_from_slice(&(layout.columns.len() as u16).to_le_bytes());
    for (column, value) in layout.columns.iter().zip(row) {
        put_name(body, &column.name);
        match *value {
            Value::Time(time_us) => put_number(body, 1, time_us.div_euclid(1_000_000)),
            Value::Int(number) if column.kind == ColumnKind::BigInt => put_number(body, 3, number),
            Value::Int(number) => match i32::try_from(number) {
                Ok(_) => put_number(body, 2, number),
                Err(_) => put_number(body, 3, number),
            },
            Value::Bytes(bytes) => {
                body.push(if column.kind == ColumnKind::Message { 5 } else { 4 });
                body.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
                body.extend_from_slice(bytes);
            }
        }
    }
}

fn put_name(body: &mut Vec<u8>, name: &str) {
    body.extend_from_slice(&(name.len() as u16).to_le_bytes());
    body.extend_from_slice(name.as_bytes());
    body.push(0);
}

fn put_number(body: &mut Vec<u8>, kind: u8, number: i64) {
    body.push(kind);
    body.extend_from_slice(&number.to_le_bytes());
}

/// Reads a request; `None` when the bytes are none.
pub fn decode_request(body: &[u8]) -> Option<Request<'_>> {
    let mut rest = body;
    let delayed = take::<1>(&mut rest)?[0] != 0;
    let table = take_name(&mut rest)?;
    let count = usize::from(u16::from_le_bytes(take(&mut rest)?));
    let mut request = Request { delayed, table, columns: Vec::with_capacity(count), values: Vec::with_capacity(count) };
    for _ in 0..count {
        request.columns.push(take_name(&mut rest)?);
        let [kind] = take(&mut rest)?;
        request.values.push(match kind {
            1 => HostValue::Time(i64::from_le_bytes(take(&mut rest)?)),
            2 => HostValue::Int(i32::try_from(i64::from_le_bytes(take(&mut rest)?)).ok()?),
            3 => HostValue::BigInt(i64::from_le_bytes(take(&mut rest)?)),
            4 | 5 => {
                let length = u32::from_le_bytes(take(&mut rest)?) as usize;
                let bytes = take_slice(&mut rest, length)?;
                if kind == 5 { HostValue::Blob(bytes) } else { HostValue::Text(bytes) }
            }
            _ => return None,
        });
    }
    rest.is_empty().then_some(request)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk()?;
    *rest = tail;
    Some(*head)
}

fn take_slice<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (head, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    Some(head)
}

fn take_name<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::from(u16::from_le_bytes(take(rest)?));
    let (zero, name) = take_slice(rest, length + 1)?.split_last()?;
    (*zero == 0).then_some(name)
}

/// Writes an answer.
pub fn encode_answer(outcome: DriverAnswer, text: &str) -> Vec<u8> {
    let number = OUTCOMES.iter().position(|known| *known == outcome).unwrap_or_default();
    [&[number as u8], text.as_bytes()].concat()
}

/// Reads an answer; `None` when the bytes are none.
pub fn decode_answer(body: &[u8]) -> Option<(DriverAnswer, String)> {
    let (number, text) = body.split_first()?;
    Some((*OUTCOMES.get(usize::from(*number))?, String::from_utf8_lossy(text).into_owned()))
}

/// Sends `body` under `number`, in as many parts as it takes.
pub fn send(socket: impl AsFd, number: u64, body: &[u8], flags: SendFlags) -> io::Result<()> {
    let total = u32::try_from(body.len()).ok().filter(|total| *total <= MOST);
    let total = total.ok_or_else(|| io::Error::other("a row of more than 64 MiB"))?;
    let mut part = Vec::with_capacity(HEAD + body.len().min(PIECE));
    let mut offset = 0;
    loop {
        let piece = &body[offset..body.len().min(offset + PIECE)];
        part.clear();
        part.push(VERSION);
        part.extend_from_slice(&number.to_le_bytes());
        part.extend_from_slice(&(offset as u32).to_le_bytes());
        part.extend_from_slice(&total.to_le_bytes());
        part.extend_from_slice(piece);
        rustix::io::retry_on_intr(|| send_packet(&socket, &part, flags | SendFlags::NOSIGNAL))?;
        offset += piece.len();
        if offset == body.len() {
            return Ok(());
        }
    }
}

/// What came out of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameReceived {
    /// A part of a body that is not complete, or of none that began here: look again.
    Part,
    /// [`Inbox::body`] is complete, under this number.
    Whole(u64),
    /// Nothing, within the socket's time or at all.
    Nothing,
    /// The other end is closed.
    Closed,
}

/// Puts parts together. A body of which the beginning or the end never comes is dropped.
#[derive(Debug)]
pub struct Inbox {
    packet: Vec<u8>,
    number: u64,
    body: Vec<u8>,
    /// Bytes that the body at hand will have; 0 when there is none.
    total: usize,
}

impl Inbox {
    pub fn new() -> Inbox {
        Inbox { packet: vec![0; HEAD + PIECE], number: 0, body: Vec::new(), total: 0 }
    }

    /// The body that [`FrameReceived::Whole`] spoke of.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Receives one part.
    pub fn receive(&mut self, socket: impl AsFd, flags: RecvFlags) -> io::Result<FrameReceived> {
        let received = rustix::io::retry_on_intr(|| recv(&socket, &mut self.packet[..], flags));
        match received.map(|(length, _)| length) {
            Ok(0) => Ok(FrameReceived::Closed),
            Ok(length) => Ok(self.add(length)),
            Err(Errno::AGAIN) => Ok(FrameReceived::Nothing),
            Err(Errno::CONNRESET | Errno::PIPE) => Ok(FrameReceived::Closed),
            Err(error) => Err(error.into()),
        }
    }

    fn add(&mut self, length: usize) -> FrameReceived {
        let mut rest = &self.packet[..length];
        let head = (|| {
            let [version] = take(&mut rest)?;
            let number = u64::from_le_bytes(take(&mut rest)?);
            let offset = u32::from_le_bytes(take(&mut rest)?) as usize;
            let total = u32::from_le_bytes(take(&mut rest)?);
            (version == VERSION && total <= MOST).then_some((number, offset, total as usize))
        })();
        let Some((number, offset, total)) = head else { return FrameReceived::Part };
        if offset == 0 {
            self.body.clear();
            (self.number, self.total) = (number, total);
        }
        if number != self.number || offset != self.body.len() || offset + rest.len() > self.total {
            (self.number, self.total) = (0, 0);
            self.body.clear();
            return FrameReceived::Part;
        }
        self.body.extend_from_slice(rest);
        if self.body.len() == self.total { FrameReceived::Whole(number) } else { FrameReceived::Part }
    }
}
