//! Databases that the host's own drivers serve.
//!
//! The host's allocator and its drivers belong to processes of one thread, and a driver may wait for ever or crash. So
//! no thread of the writer calls them: each such sink has a *host database process*, forked by the writer's supervisor
//! (`abi::host_database`), in which [`serve`] alone runs, around a [`DriverDatabase`], which knows what each driver
//! wants. The sink's thread and this process talk over a pair of sockets that keep packets apart (`SOCK_SEQPACKET`),
//! which outlives both: when one of them dies, its successor takes its place at the same end.
//!
//! A body, request or answer, goes in parts of at most 16 KiB (numbers are little endian):
//!
//! ```text
//! part     version (1 byte: 1)  number (8)  offset (4)  total (4)  piece of the body at that offset
//! request  delayed (1: 0, 1)  table (name)  columns (2)  columns times: name, value
//! name     length (2)  bytes  a zero byte
//! value    1: time  (8: seconds since the Unix epoch)
//!          2: int   (8, of 32 bits)
//!          3: bigint (8)
//!          4: text  length (4)  bytes
//!          5: blob  length (4)  bytes
//! answer   outcome (1: 0 stored, 1 refused, 2 table unusable, 3 unavailable, 4 process ended, 5 process crashed)  text
//! ```
//!
//! One request is under way at a time, and its answer carries its number, so that a late answer is never taken for
//! another's. The supervisor speaks for a process that has ended: outcomes 4 and 5 with number 0, after it has thrown
//! away what the process had not read.
//!
//! Rules of the sink: a row a request, because the host's interface knows no batches; a process that does not answer
//! within `io_timeout` makes the database unavailable, and its late answer counts only if the same row is asked for
//! again; a row at which the driver crashes [`CRASHES`] times in a row is refused. The process itself is ended by an
//! alarm when one request takes twice as long.

mod driver;
mod frame;
mod service;
#[cfg(test)]
mod tests;

use super::options::SinkOptions;
use super::write::{Sink, SinkError, Written};
use crate::table::{Layout, Row};
pub use driver::{DriverAbilities, DriverDatabase, DriverFault, HostDriver, driver_module};
use frame::{DriverAnswer, FrameReceived, Inbox};
pub use frame::{HostValue, Request};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, socketpair};
pub use service::{HostDatabase, serve};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Crashes of the driver at one and the same row after which the row is refused.
pub const CRASHES: u32 = 3;

/// The sink's end of the way to its host database process.
#[derive(Debug)]
pub struct HostLink {
    socket: OwnedFd,
}

/// The other end, which the process that forks host database processes keeps.
#[derive(Debug)]
pub struct HostEnd {
    socket: OwnedFd,
}

impl HostLink {
    /// A new way and its two ends.
    pub fn pair() -> io::Result<(HostLink, HostEnd)> {
        let (near, far) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        Ok((HostLink { socket: near }, HostEnd { socket: far }))
    }

    /// Lets the host database process know that no more comes.
    pub fn close(&self) {
        // The other end may be closed already.
        let _ = rustix::net::shutdown(&self.socket, rustix::net::Shutdown::Both);
    }
}

impl AsFd for HostLink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsFd for HostEnd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl HostEnd {
    /// Speaks for a process that has ended: what it had not read is thrown away, and who waits for it is told `text`.
    pub fn say_ended(&self, crashed: bool, text: &str) {
        let mut inbox = Inbox::new();
        while matches!(inbox.receive(self, RecvFlags::DONTWAIT), Ok(FrameReceived::Part | FrameReceived::Whole(_))) {}
        let answer = frame::encode_answer(if crashed { DriverAnswer::Crashed } else { DriverAnswer::Ended }, text);
        // A sink that does not wait has not asked, and one whose socket is full has answers enough to read.
        let _ = frame::send(self, 0, &answer, SendFlags::DONTWAIT);
    }
}

/// A sink whose rows the host's driver inserts.
pub(super) struct HostSink {
    link: Option<Arc<HostLink>>,
    shown_url: String,
    options: SinkOptions,
    inbox: Inbox,
    next_number: u64,
    /// The request that is being made.
    body: Vec<u8>,
    /// One that was sent and not answered in time.
    late: Option<(u64, Vec<u8>)>,
    /// The request at which the driver crashed last, and how often in a row.
    crashed: Option<(Vec<u8>, u32)>,
}

impl HostSink {
    /// A sink without a link answers that the database is unavailable.
    pub fn new(link: Option<Arc<HostLink>>, shown_url: String, options: SinkOptions) -> HostSink {
        // Numbers of an earlier writer's requests, whose answers may still be on their way, must not come again.
        let next_number = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_nanos() as u64);
        let (inbox, body) = (Inbox::new(), Vec::new());
        HostSink { link, shown_url, options, inbox, next_number, body, late: None, crashed: None }
    }

    fn away(&self, why: &str) -> SinkError {
        SinkError::Unavailable(format!("{}: {why}", self.shown_url))
    }

    /// Has the row in `self.body` inserted.
    fn ask(&mut self, link: &HostLink) -> Result<(DriverAnswer, String), SinkError> {
        if let Some((number, body)) = self.late.take() {
            match self.answer_to(link, number)? {
                None => {
                    self.late = Some((number, body));
                    return Err(self.silent());
                }
                Some(answer) if body == self.body => return Ok(answer),
                Some(_) => {}
            }
        }
        while matches!(self.inbox.receive(link, RecvFlags::DONTWAIT), Ok(FrameReceived::Part | FrameReceived::Whole(_)))
        {
        }
        let number = self.next_number;
        self.next_number += 1;
        self.set_timeout(link, Timeout::Send, self.options.io_timeout)?;
        frame::send(link, number, &self.body, SendFlags::empty()).map_err(|error| self.away(&error.to_string()))?;
        match self.answer_to(link, number)? {
            Some(answer) => Ok(answer),
            None => {
                self.late = Some((number, self.body.clone()));
                Err(self.silent())
            }
        }
    }

    fn silent(&self) -> SinkError {
        self.away(&format!("the host's driver has not answered for {} s", self.options.io_timeout.as_secs()))
    }

    /// Waits for the answer to request `number`, or for the news that the process has ended; `None` when neither comes
    /// in time.
    fn answer_to(&mut self, link: &HostLink, number: u64) -> Result<Option<(DriverAnswer, String)>, SinkError> {
        let deadline = Instant::now() + self.options.io_timeout;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            self.set_timeout(link, Timeout::Recv, left)?;
            match self.inbox.receive(link, RecvFlags::empty()).map_err(|error| self.away(&error.to_string()))? {
                FrameReceived::Whole(answered) if answered == number || answered == 0 => {
                    if let Some(answer) = frame::decode_answer(self.inbox.body()) {
                        return Ok(Some(answer));
                    }
                }
                FrameReceived::Whole(_) | FrameReceived::Part | FrameReceived::Nothing => {}
                FrameReceived::Closed => return Err(self.away("its host database process has ended")),
            }
        }
    }

    fn set_timeout(&self, link: &HostLink, which: Timeout, timeout: Duration) -> Result<(), SinkError> {
        let timeout = timeout.max(Duration::from_millis(1));
        set_socket_timeout(link, which, Some(timeout)).map_err(|error| self.away(&error.to_string()))
    }

    /// Counts a crash at the row in `self.body`; true when it has had its chances.
    fn has_crashed_often(&mut self) -> bool {
        match &mut self.crashed {
            Some((body, count)) if *body == self.body => *count += 1,
            other => *other = Some((self.body.clone(), 1)),
        }
        self.crashed.as_ref().is_some_and(|(_, count)| *count >= CRASHES)
    }
}

impl Sink for HostSink {
    fn write(&mut self, table: &str, layout: &Layout, rows: &[Row<'_>]) -> Result<Written, SinkError> {
        let row = match rows {
            [] => return Ok(Written::default()),
            [row] => row,
            _ => return Err(SinkError::Rejected("the host's driver takes one row at a time".to_owned())),
        };
        let (has, wants) = (row.len(), layout.columns.len());
        if has != wants {
            return Err(SinkError::Rejected(format!("a row for table {table} has {has} values instead of {wants}")));
        }
        let Some(link) = self.link.clone() else {
            return Err(self.away("there is no host database process"));
        };
        frame::encode_request(&mut self.body, self.options.insert_delayed, table, layout, row);
        let (outcome, text) = self.ask(&link)?;
        if outcome != DriverAnswer::Crashed && outcome != DriverAnswer::Ended {
            self.crashed = None;
        }
        match outcome {
            DriverAnswer::Stored => Ok(Written::default()),
            DriverAnswer::Refused => Err(SinkError::Rejected(text)),
            DriverAnswer::TableUnusable => Err(SinkError::TableUnusable(format!("table {table}: {text}"))),
            DriverAnswer::Crashed if self.has_crashed_often() => {
                self.crashed = None;
                Err(SinkError::Rejected(format!("the host's driver crashed {CRASHES} times at this row: {text}")))
            }
            DriverAnswer::Unavailable | DriverAnswer::Ended | DriverAnswer::Crashed => Err(self.away(&text)),
        }
    }

    fn most_rows(&self) -> usize {
        1
    }
}
