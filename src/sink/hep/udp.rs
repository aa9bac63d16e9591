//! Packets as datagrams: many with one call of the kernel.

use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::thread;
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::sockopt::socket_error;
use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, sendmmsg};

use super::deadline::{Deadline, wait};
use super::destination::Transport;
use super::encoder::{Ends, Frames, GROUP_PACKETS};
use super::link::Passed;
use super::socket;

/// How often in a row a datagram may meet the report that an earlier one was unheard.
const TRIES: u32 = 3;
/// Wait for memory that the kernel lacks: nothing tells when it is there.
const MEMORY_WAIT: Duration = Duration::from_millis(1);

/// A socket whose datagrams all go to one address.
pub(super) struct Datagrams {
    socket: UdpSocket,
    ends: Ends,
}

impl Datagrams {
    pub fn open(address: SocketAddr, local: Option<IpAddr>) -> io::Result<Datagrams> {
        let socket = socket::udp(address, local)?;
        let ends = Ends { local: socket.local_addr()?, peer: address, transport: Transport::Udp };
        Ok(Datagrams { socket, ends })
    }

    pub fn ends(&self) -> Ends {
        self.ends
    }

    /// Hands `frames` to the kernel. It waits for room in the send buffer, `limit` at most.
    ///
    /// The kernel reports "port unreachable" for a datagram that has left instead of sending the next one: that is counted,
    /// and the next one is tried again. One that meets only such reports is as unheard as they are, and left behind.
    pub fn send(&mut self, frames: &Frames, limit: Duration) -> Passed {
        let mut passed = Passed::default();
        let deadline = Deadline::after(limit);
        let mut reports = 0;
        let mut was_interrupted = false;
        while passed.whole < frames.len() {
            let asked = (frames.len() - passed.whole).min(GROUP_PACKETS);
            match self.send_some(frames, passed.whole) {
                Ok(count) => {
                    passed.unheard += u64::from(was_interrupted);
                    passed.whole += count;
                    reports = 0;
                    was_interrupted = count < asked && self.has_room();
                    continue;
                }
                Err(Errno::CONNREFUSED) => {
                    passed.unheard += 1;
                    reports += 1;
                    if reports == TRIES {
                        passed.whole += 1;
                        reports = 0;
                    }
                }
                Err(Errno::MSGSIZE) => {
                    passed.too_long.push(passed.whole);
                    passed.whole += 1;
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => match wait(&self.socket, PollFlags::OUT, deadline) {
                    Ok(ready) if ready.is_empty() => passed.failure = Some("no room in the send buffer".to_owned()),
                    Ok(_) => {}
                    Err(error) => passed.failure = Some(error.to_string()),
                },
                Err(Errno::NOBUFS | Errno::NOMEM) if !deadline.has_passed() => thread::sleep(MEMORY_WAIT),
                Err(error) => passed.failure = Some(io::Error::from(error).to_string()),
            }
            was_interrupted = false;
            if passed.failure.is_some() {
                return passed;
            }
        }
        // A near host's report is there by now, and would only disturb the next call.
        if let Ok(Err(Errno::CONNREFUSED)) = socket_error(&self.socket) {
            passed.unheard += 1;
        }
        passed
    }

    /// Sends frames from number `first` on; answers how many the kernel took. It stops at one that fails, and tells the
    /// reason only when that is the first.
    fn send_some(&self, frames: &Frames, first: usize) -> Result<usize, Errno> {
        let mut slices = [IoSlice::new(&[]); GROUP_PACKETS];
        let count = frames.from(first).zip(&mut slices).map(|(frame, slice)| *slice = IoSlice::new(frame)).count();
        let mut controls = [const { None }; GROUP_PACKETS];
        let mut messages = Vec::with_capacity(count);
        for (slice, control) in slices.chunks(1).zip(&mut controls).take(count) {
            messages.push(MMsgHdr::new(slice, control.insert(SendAncillaryBuffer::default())));
        }
        sendmmsg(&self.socket, &mut messages, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)
    }

    /// Whether the send buffer has room: then it was not for the lack of it that the kernel stopped, but for a report, which is used up.
    fn has_room(&self) -> bool {
        wait(&self.socket, PollFlags::OUT, Deadline::after(Duration::ZERO)).is_ok_and(|ready| ready == PollFlags::OUT)
    }
}
