//! Packets back to back in a stream, plain or inside TLS. Packets of version 3 carry their own length; those of versions 1 and 2 do
//! not, and go out as the stock module sends them.
//!
//! A packet counts as sent when the kernel has taken all of it. HEP has no acknowledgement: what the kernel still holds when a
//! connection breaks is lost, and nobody can tell.

use std::net::SocketAddr;
use std::time::Duration;

use super::deadline::Deadline;
use super::destination::{Destination, Transport};
use super::encoder::{Ends, Frames};
use super::link::Passed;
use super::setup::Setup;
use super::tcp::Tcp;
use super::tls::Tls;

/// How long a collector may take to close its end when we close ours.
const FAREWELL: Duration = Duration::from_secs(1);

/// A connection to a collector.
pub(super) struct Stream {
    tcp: Tcp,
    tls: Option<Tls>,
    is_broken: bool,
}

impl Stream {
    /// Connects, and does the TLS handshake where there is one, by `deadline`.
    ///
    /// # Errors
    /// What went wrong, in words.
    pub fn open(
        destination: &Destination,
        address: SocketAddr,
        deadline: Deadline,
        setup: &Setup,
    ) -> Result<Stream, String> {
        let options = &setup.options;
        // Before the connection: a configuration that cannot be made bothers nobody.
        let config = (destination.transport() == Transport::Tls).then(|| setup.tls()).transpose()?;
        let mut tcp =
            Tcp::open(address, options.bind, deadline, options.io_timeout).map_err(|error| error.to_string())?;
        let tls = match config {
            Some(config) => Some(Tls::open(&mut tcp, destination.host(), config, deadline)?),
            None => None,
        };
        Ok(Stream { tcp, tls, is_broken: false })
    }

    pub fn ends(&self) -> Ends {
        let transport = if self.tls.is_some() { Transport::Tls } else { Transport::Tcp };
        Ends { transport, ..self.tcp.ends() }
    }

    /// Receives what the collector has sent, and throws it away: otherwise its window would fill, and with it a collector
    /// that waits for room would stop reading.
    ///
    /// # Errors
    /// The connection is closed or broken.
    pub fn listen(&mut self) -> Result<(), String> {
        let Stream { tcp, tls, is_broken } = self;
        let outcome = tcp.listen(&mut |bytes| take(tls, bytes));
        *is_broken |= outcome.is_err();
        outcome
    }

    /// Writes `frames` within `limit`.
    pub fn send(&mut self, frames: &Frames, limit: Duration) -> Passed {
        let deadline = Deadline::after(limit);
        let Stream { tcp, tls, is_broken } = self;
        if let Some(session) = tls
            && let Err(reason) = session.seal(frames)
        {
            *is_broken = true;
            return Passed { failure: Some(reason), ..Passed::default() };
        }
        // The session goes on receiving while its sealed frames are being written.
        let sealed = tls.as_mut().map(|session| std::mem::take(&mut session.sealed));
        let outgoing = sealed.as_ref().unwrap_or(frames);
        let (written, outcome) = tcp.write(&outgoing.bytes, deadline, &mut |bytes| take(tls, bytes), true);
        let whole = outgoing.ends.partition_point(|end| *end <= written);
        if let (Some(session), Some(sealed)) = (tls, sealed) {
            session.sealed = sealed;
        }
        *is_broken |= outcome.is_err();
        Passed { whole, failure: outcome.err(), ..Passed::default() }
    }
}

impl Drop for Stream {
    /// Takes leave of a collector that is well: what it says after we have closed, be it a session ticket, would make the
    /// kernel throw away what it has still to send. So it has a moment to read that and to close.
    fn drop(&mut self) {
        // One that does not read would not make use of the moment; but nothing is to be unread.
        if self.listen().is_err() || self.is_broken {
            return;
        }
        let deadline = Deadline::after(FAREWELL);
        let Stream { tcp, tls, .. } = self;
        if let Some(session) = tls
            && session.seal_end().is_ok()
        {
            let _ = tcp.write(&session.sealed.bytes, deadline, &mut |_| Ok(()), false);
        }
        tcp.end();
        while !deadline.has_passed() && tcp.read(deadline, &mut |_| Ok(())).is_ok() {}
    }
}

fn take(tls: &mut Option<Tls>, received: &[u8]) -> Result<(), String> {
    match tls {
        Some(session) => session.take(received),
        None => Ok(()),
    }
}
