//! Packets as datagrams: many with one call of the kernel.

use super::deadline::{Deadline, wait};
use super::destination::CollectorTransport;
use super::encoder::{Ends, Frames, GROUP_PACKETS};
use super::passed::Passed;
use super::socket;
use super::unreachable::UnreachableReports;
use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::sockopt::socket_error;
use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, sendmmsg};
use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

/// How often in a row a datagram may meet the report that an earlier one reached nobody.
const TRIES: u32 = 3;
/// Wait for memory that the kernel lacks: nothing tells when it is there.
const MEMORY_WAIT: Duration = Duration::from_millis(1);
/// What is sent to learn whether anybody listens: SIP's keep-alive, which is no HEP packet and no message.
const PROBE: &[u8] = b"\r\n\r\n";
/// How many of these go unreported where somebody listens: hosts hold reports back that are more than about one a
/// second, and other writers' packets may use up some of these.
pub(super) const PROBES: usize = 4;
/// How long after each a report may come.
const PROBE_WAIT: Duration = Duration::from_secs(1);
/// How long after packets the first may be sent: their reports have used up what the host lets pass, and its own would
/// be held back.
const QUIET: Duration = Duration::from_secs(3);

/// A socket whose datagrams all go to one address.
pub(super) struct Datagrams {
    socket: UdpSocket,
    ends: Ends,
    /// Reports that the address is unreachable; counted where another collector can stand in.
    unreachable_reports: Option<UnreachableReports>,
}

impl Datagrams {
    /// With `gives_up`, an address that is unreachable is a failure; otherwise its reports are counted, and no more.
    pub fn open(address: SocketAddr, local: Option<IpAddr>, gives_up: bool) -> io::Result<Datagrams> {
        let socket = socket::udp(address, local)?;
        let ends = Ends { local: socket.local_addr()?, peer: address, transport: CollectorTransport::Udp };
        Ok(Datagrams { socket, ends, unreachable_reports: gives_up.then(UnreachableReports::default) })
    }

    pub fn ends(&self) -> Ends {
        self.ends
    }

    /// Sends a few datagrams that say nothing, and waits after each for the report that nobody listens; the first not
    /// too soon after `sent_at`, when packets were last sent. Takes [`QUIET`] and [`PROBES`] times [`PROBE_WAIT`] at
    /// most.
    ///
    /// # Errors
    /// The report.
    pub fn probe(&self, sent_at: Option<Instant>) -> io::Result<()> {
        if let Some(sent_at) = sent_at {
            thread::sleep((sent_at + QUIET).saturating_duration_since(Instant::now()));
        }
        for _ in 0..PROBES {
            self.socket.send(PROBE)?;
            wait(&self.socket, PollFlags::empty(), Deadline::after(PROBE_WAIT))?;
            socket_error(&self.socket)??;
        }
        Ok(())
    }

    /// Hands `frames` to the kernel. It waits for room in the send buffer, `limit` at most.
    pub fn send(&mut self, frames: &Frames, limit: Duration) -> Passed {
        let mut passed = pass(&self.socket, frames, Deadline::after(limit));
        if let Some(unreachable_reports) = &mut self.unreachable_reports
            && unreachable_reports.note(passed.port_unreachable, Instant::now())
        {
            passed.is_unreachable = true;
            passed.failure.get_or_insert_with(|| "nobody listens there".to_owned());
        }
        passed
    }
}

/// What a socket's kernel does with datagrams.
pub(super) trait Kernel {
    /// Sends frames from number `first` on; answers how many the kernel took. It stops at one that fails, and tells the
    /// reason only when that is the first.
    fn send(&self, frames: &Frames, first: usize) -> Result<usize, Errno>;

    /// Waits for room in the send buffer, and answers whether there is some.
    fn has_room(&self, deadline: Deadline) -> io::Result<bool>;

    /// The report of an earlier datagram that has come since the last call.
    fn report(&self) -> Option<Errno>;
}

impl Kernel for UdpSocket {
    fn send(&self, frames: &Frames, first: usize) -> Result<usize, Errno> {
        let mut slices = [IoSlice::new(&[]); GROUP_PACKETS];
        let count = frames.from(first).zip(&mut slices).map(|(frame, slice)| *slice = IoSlice::new(frame)).count();
        let mut controls = [const { None }; GROUP_PACKETS];
        let mut messages = Vec::with_capacity(count);
        for (slice, control) in slices.chunks(1).zip(&mut controls).take(count) {
            messages.push(MMsgHdr::new(slice, control.insert(SendAncillaryBuffer::default())));
        }
        sendmmsg(self, &mut messages, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)
    }

    fn has_room(&self, deadline: Deadline) -> io::Result<bool> {
        wait(self, PollFlags::OUT, deadline).map(|ready| !ready.is_empty())
    }

    fn report(&self) -> Option<Errno> {
        socket_error(self).ok()?.err()
    }
}

/// Hands `frames` to the kernel by `deadline`.
///
/// The kernel tells the report of a datagram that has left instead of sending the next one. "Port unreachable" is
/// counted, and the next one is tried again; one that meets only such reports is as lost as they are, and left behind.
/// The other reports read like the kernel's own refusal for want of a way: only that one comes again at once.
pub(super) fn pass(kernel: &impl Kernel, frames: &Frames, deadline: Deadline) -> Passed {
    let mut passed = Passed::default();
    let (mut refused, mut host_unreachable) = (0, 0);
    // Within a group the kernel keeps the reason to itself.
    let mut was_interrupted = false;
    while passed.whole < frames.len() && passed.failure.is_none() {
        let asked = (frames.len() - passed.whole).min(GROUP_PACKETS);
        match kernel.send(frames, passed.whole) {
            Ok(count) => {
                passed.port_unreachable += host_unreachable + u64::from(was_interrupted);
                passed.whole += count;
                (refused, host_unreachable) = (0, 0);
                // With room in the send buffer it was not for the lack of it that the kernel stopped, but for a report,
                // which is used up.
                was_interrupted =
                    count < asked && kernel.has_room(Deadline::after(Duration::ZERO)).is_ok_and(|has_room| has_room);
                continue;
            }
            Err(Errno::CONNREFUSED) => {
                passed.port_unreachable += 1;
                refused += 1;
                if refused == TRIES {
                    passed.whole += 1;
                    refused = 0;
                }
            }
            Err(error) if is_host_unreachable(error) && host_unreachable == 0 => host_unreachable = 1,
            Err(Errno::MSGSIZE) => {
                passed.too_long.push(passed.whole);
                passed.whole += 1;
            }
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => match kernel.has_room(deadline) {
                Ok(true) => {}
                Ok(false) => passed.failure = Some("no room in the send buffer".to_owned()),
                Err(error) => passed.failure = Some(error.to_string()),
            },
            Err(Errno::NOBUFS | Errno::NOMEM) if !deadline.has_passed() => thread::sleep(MEMORY_WAIT),
            Err(error) => passed.failure = Some(io::Error::from(error).to_string()),
        }
        was_interrupted = false;
    }
    // A near host's report is there by now, and would only disturb the next call.
    if passed.failure.is_none()
        && kernel.report().is_some_and(|error| error == Errno::CONNREFUSED || is_host_unreachable(error))
    {
        passed.port_unreachable += 1;
    }
    passed
}

/// Whether a host or a firewall on the way may have reported this, or the kernel has no way there.
fn is_host_unreachable(error: Errno) -> bool {
    matches!(error, Errno::HOSTUNREACH | Errno::NETUNREACH | Errno::HOSTDOWN | Errno::NONET | Errno::ACCESS)
}
