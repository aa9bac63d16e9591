//! Packets back to back in a stream, plain or inside TLS. Packets of version 3 carry their own length; those of
//! versions 1 and 2 do not, and go out as the stock module sends them.
//!
//! A packet counts as sent when the kernel has taken all of it. HEP has no acknowledgement: what the kernel still holds
//! when a connection breaks is lost, and nobody can tell. So a connection is not given up because a collector hangs,
//! for the next one would swallow as much again: it is kept for as long as the kernel keeps it, with what the kernel
//! has not taken of a packet. That one counts as sent when it comes again and the rest has left. Only where another
//! collector can stand in, a connection is given up.

use super::deadline::Deadline;
use super::destination::{CollectorTransport, Destination};
use super::encoder::{Ends, Frames};
use super::passed::Passed;
use super::setup::Setup;
use super::tcp::{Tcp, Unwritten};
use super::tls::Tls;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

/// After what time the kernel gives a connection up whose peer takes nothing; with another collector to stand in, and
/// without.
const GIVEN_UP: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(600));
/// How long a collector may take to close its end when we close ours.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// A connection to a collector.
pub(super) struct Stream {
    tcp: Tcp,
    tls: Option<Tls>,
    is_broken: bool,
    /// Whether it is kept when the collector takes nothing.
    is_kept: bool,
    /// What must leave first: the rest of a frame that was begun, or of what was sealed.
    rest: Vec<u8>,
    /// The frames that have left with it, and do not count as sent yet.
    begun: VecDeque<Vec<u8>>,
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
        // Made before the connection: a configuration that cannot be used shall not reach the collector.
        let config = (destination.transport() == CollectorTransport::Tls).then(|| setup.tls()).transpose()?;
        let given_up = if setup.has_stand_ins { GIVEN_UP.0 } else { GIVEN_UP.1 };
        // Longer than we wait ourselves: what the kernel has taken may still arrive after we have given up.
        let given_up = given_up.max(3 * options.io_timeout);
        let mut tcp = Tcp::open(address, options.bind, deadline, given_up).map_err(|error| error.to_string())?;
        let tls = match config {
            Some(config) => Some(Tls::open(&mut tcp, destination.host(), config, deadline)?),
            None => None,
        };
        Ok(Stream {
            tcp,
            tls,
            is_broken: false,
            is_kept: !setup.has_stand_ins,
            rest: Vec::new(),
            begun: VecDeque::new(),
        })
    }

    pub fn ends(&self) -> Ends {
        let transport = if self.tls.is_some() { CollectorTransport::Tls } else { CollectorTransport::Tcp };
        Ends { transport, ..self.tcp.ends() }
    }

    /// Receives what the collector has sent, and throws it away: otherwise its window would fill, and with it a
    /// collector that waits for room would stop reading.
    ///
    /// # Errors
    /// The connection is closed or broken.
    pub fn listen(&mut self) -> Result<(), String> {
        let Stream { tcp, tls, is_broken, .. } = self;
        let outcome = tcp.listen(&mut |bytes| take(tls, bytes));
        *is_broken |= outcome.is_err();
        outcome
    }

    /// Writes `frames` within `limit`, behind what was left of those before.
    pub fn send(&mut self, frames: &Frames, limit: Duration) -> Passed {
        let deadline = Deadline::after(limit);
        let rest = std::mem::take(&mut self.rest);
        let (written, outcome) = self.write(&rest, deadline);
        if let Err(unwritten) = outcome {
            self.rest = rest.get(written..).unwrap_or_default().to_vec();
            return self.stopped(0, unwritten);
        }
        let done = self.count_begun(frames);
        if let Some(session) = &mut self.tls
            && let Err(reason) = session.seal(frames.from(done))
        {
            return self.stopped(done, Unwritten::Broken(reason));
        }
        // The session goes on receiving while its sealed frames are being written.
        let sealed = self.tls.as_mut().map(|session| std::mem::take(&mut session.sealed));
        let (outgoing, first) = sealed.as_ref().map_or((frames, done), |sealed| (sealed, 0));
        let start = outgoing.start(first);
        let (written, outcome) = self.write(outgoing.bytes.get(start..).unwrap_or_default(), deadline);
        let written = start + written;
        let whole = outgoing.ends.partition_point(|end| *end <= written);
        if self.is_kept && matches!(outcome, Err(Unwritten::Stuck)) {
            // A frame that was begun must be ended, and what was sealed cannot be sealed again.
            let end = match sealed {
                Some(_) => outgoing.ends.len(),
                None => whole + usize::from(written > outgoing.start(whole)),
            };
            self.rest = outgoing.bytes.get(written..outgoing.start(end)).unwrap_or_default().to_vec();
            let begun = frames.from(done + whole - first).take(end - whole);
            self.begun.extend(begun.map(<[u8]>::to_vec));
        }
        if let (Some(session), Some(sealed)) = (&mut self.tls, sealed) {
            session.sealed = sealed;
        }
        let whole = done + whole - first;
        match outcome {
            Ok(()) => Passed { whole, ..Passed::default() },
            Err(unwritten) => self.stopped(whole, unwritten),
        }
    }

    /// How many of the first of `frames` have left already.
    fn count_begun(&mut self, frames: &Frames) -> usize {
        let count = frames.from(0).zip(&self.begun).take_while(|(frame, begun)| frame == begun).count();
        self.begun.drain(..count);
        if count < frames.len() {
            // The others are not wanted any more.
            self.begun.clear();
        }
        count
    }

    fn write(&mut self, bytes: &[u8], deadline: Deadline) -> (usize, Result<(), Unwritten>) {
        let Stream { tcp, tls, .. } = self;
        tcp.write(bytes, deadline, &mut |received| take(tls, received), true)
    }

    fn stopped(&mut self, whole: usize, unwritten: Unwritten) -> Passed {
        let is_kept = self.is_kept && matches!(unwritten, Unwritten::Stuck);
        self.is_broken |= !is_kept;
        Passed { whole, failure: Some(unwritten.into_reason()), is_kept, ..Passed::default() }
    }
}

impl Drop for Stream {
    /// Takes leave of a collector that is well: what it says after we have closed, be it a session ticket, would make
    /// the kernel throw away what it has still to send. So it has a moment to read that and to close.
    fn drop(&mut self) {
        // One that does not read would not make use of the moment; but nothing is to be unread.
        if self.listen().is_err() || self.is_broken || !self.rest.is_empty() {
            return;
        }
        let deadline = Deadline::after(CLOSE_TIMEOUT);
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
