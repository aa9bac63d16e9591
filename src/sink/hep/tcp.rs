//! A TCP connection that never waits longer than was agreed.

use super::deadline::{Deadline, wait};
use super::destination::CollectorTransport;
use super::encoder::Ends;
use super::socket;
use rustix::event::PollFlags;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// Bytes that are read at once.
const READ_BYTES: usize = 16 * 1024;
/// Most reads in a row: a collector that never stops talking must not keep us from sending.
const READS: usize = 64;

/// Takes bytes that have arrived.
pub(super) type Receive<'a> = &'a mut dyn FnMut(&[u8]) -> Result<(), String>;

/// Why bytes were not written.
pub(super) enum Unwritten {
    /// The peer takes nothing for now: the deadline has passed.
    Stuck,
    /// The connection is of no use any more.
    Broken(String),
}

impl Unwritten {
    pub fn into_reason(self) -> String {
        match self {
            Unwritten::Stuck => "it takes nothing: the deadline has passed".to_owned(),
            Unwritten::Broken(reason) => reason,
        }
    }
}

/// A connection.
pub(super) struct Tcp {
    socket: TcpStream,
    ends: Ends,
}

impl Tcp {
    pub fn open(
        address: SocketAddr,
        local: Option<IpAddr>,
        deadline: Deadline,
        given_up_after: Duration,
    ) -> io::Result<Tcp> {
        let socket = socket::tcp(address, local, deadline, given_up_after)?;
        let ends = Ends { local: socket.local_addr()?, peer: address, transport: CollectorTransport::Tcp };
        Ok(Tcp { socket, ends })
    }

    pub fn ends(&self) -> Ends {
        self.ends
    }

    /// Writes all of `bytes`; answers how many the kernel took, and why not more. With `listens`, what arrives while it
    /// waits is received, so that a collector that talks before it reads is no deadlock.
    pub fn write(
        &mut self,
        bytes: &[u8],
        deadline: Deadline,
        receive: Receive<'_>,
        listens: bool,
    ) -> (usize, Result<(), Unwritten>) {
        let mut written = 0;
        while let Some(left) = bytes.get(written..).filter(|left| !left.is_empty()) {
            let outcome = match self.socket.write(left) {
                Ok(count) => {
                    written += count;
                    Ok(())
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.wait_for_room(deadline, receive, listens),
                Err(error) => Err(Unwritten::Broken(error.to_string())),
            };
            if let Err(reason) = outcome {
                return (written, Err(reason));
            }
        }
        (written, Ok(()))
    }

    fn wait_for_room(&mut self, deadline: Deadline, receive: Receive<'_>, listens: bool) -> Result<(), Unwritten> {
        let events = if listens { PollFlags::OUT | PollFlags::IN } else { PollFlags::OUT };
        let ready = wait(&self.socket, events, deadline).map_err(|error| Unwritten::Broken(error.to_string()))?;
        if ready.is_empty() || deadline.has_passed() {
            return Err(Unwritten::Stuck);
        }
        if listens && ready.contains(PollFlags::IN) { self.listen(receive).map_err(Unwritten::Broken) } else { Ok(()) }
    }

    /// Tells the peer that nothing more comes; it may still talk.
    pub fn end(&mut self) {
        // A connection that is lost has ended.
        let _ = self.socket.shutdown(Shutdown::Write);
    }

    /// Receives what has arrived, without waiting.
    ///
    /// # Errors
    /// The connection is closed or broken, or `receive` says so.
    pub fn listen(&mut self, receive: Receive<'_>) -> Result<(), String> {
        for _ in 0..READS {
            if !self.read_once(receive)? {
                break;
            }
        }
        Ok(())
    }

    /// Waits for something to arrive, and receives it.
    ///
    /// # Errors
    /// As [`Tcp::listen`], and when the deadline has passed.
    pub fn read(&mut self, deadline: Deadline, receive: Receive<'_>) -> Result<(), String> {
        while !self.read_once(receive)? {
            let ready = wait(&self.socket, PollFlags::IN, deadline).map_err(|error| error.to_string())?;
            if ready.is_empty() {
                return Err("no answer: the deadline has passed".to_owned());
            }
        }
        Ok(())
    }

    /// Whether anything has arrived.
    fn read_once(&mut self, receive: Receive<'_>) -> Result<bool, String> {
        let mut arrived = [0; READ_BYTES];
        match self.socket.read(&mut arrived) {
            Ok(0) => Err("closed by the collector".to_owned()),
            Ok(count) => receive(arrived.get(..count).unwrap_or_default()).map(|()| true),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(true),
            Err(error) => Err(error.to_string()),
        }
    }
}
