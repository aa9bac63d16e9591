//! The traffic that goes on through every fault: 2,000 HEP messages a second, and pings to the same SIP workers.

use crate::common::hep::Observed;
use crate::common::hep_sender::HepSender;
use crate::common::sip::{answered_call, options_ping};
use crate::common::wait::within;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Messages a second.
pub const RATE: u32 = 2000;
/// 2025-06-15 12:00:00 UTC, the time of the first message; each one has a time of its own, 1 ms after the one before.
const FIRST_US: u64 = 1_749_988_800_000_000;
const STEP_US: u64 = 1000;

/// Fewest bytes that a message has.
pub fn shortest_message() -> u64 {
    answered_call("spool", 0).iter().map(|message| message.text.len() as u64).min().expect("a call has messages")
}

/// Number of the message with this `micro_ts`, from 0.
pub fn number_of(time_us: u64) -> u64 {
    (time_us - FIRST_US) / STEP_US
}

/// HEP packets of whole calls, each message different from all others.
pub fn packets() -> impl Iterator<Item = Vec<u8>> {
    packets_from(0)
}

/// As [`packets`], with the first message's number; numbers of calls go on from there too.
fn packets_from(first: u64) -> impl Iterator<Item = Vec<u8>> {
    let source = SocketAddr::from(([192, 0, 2, 10], 5060));
    let destination = SocketAddr::from(([198, 51, 100, 20], 5060));
    let messages = (first..).flat_map(|number| answered_call("spool", number));
    messages.zip(first..).map(move |(message, number): (_, u64)| {
        Observed::sip(source, destination, FIRST_US + number * STEP_US, &message.text).v3()
    })
}

/// What the sender is to do.
const GO: u8 = 0;
const HOLD: u8 = 1;
const END: u8 = 2;

#[derive(Debug, Default)]
struct Gate {
    order: AtomicU8,
    is_held: AtomicBool,
    sent: AtomicU64,
    is_faulty: AtomicBool,
}

impl Gate {
    /// Waits while the sender is held; false at the end.
    fn pass(&self) -> bool {
        loop {
            match self.order.load(Ordering::SeqCst) {
                GO => {
                    self.is_held.store(false, Ordering::SeqCst);
                    return true;
                }
                HOLD => self.is_held.store(true, Ordering::SeqCst),
                _ => return false,
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Round trips of pings, in microseconds, before a fault and during it.
#[derive(Clone, Debug, Default)]
pub struct Pings {
    /// Without the fault.
    pub calm: Vec<u64>,
    /// During the fault.
    pub faulty: Vec<u64>,
    /// Pings without an answer within 10 s.
    pub unanswered: u64,
}

/// The sender and the pinger, each a thread; both end when this is dropped.
#[derive(Debug)]
pub struct Traffic {
    gate: Arc<Gate>,
    load: Option<JoinHandle<()>>,
    pings: Option<JoinHandle<Pings>>,
}

impl Traffic {
    /// Starts both.
    pub fn start(server: SocketAddr) -> Traffic {
        Traffic::start_of(server, packets())
    }

    /// Starts both, these datagrams in place of the calls.
    pub fn start_of(server: SocketAddr, datagrams: impl Iterator<Item = Vec<u8>> + Send + 'static) -> Traffic {
        let mut traffic = Traffic::start_datagrams(server, RATE, datagrams);
        let gate = Arc::clone(&traffic.gate);
        traffic.pings = Some(thread::spawn(move || ping(&gate, server)));
        traffic
    }

    /// The sender alone, which does not mind when nobody listens any more.
    pub fn start_without_pings(server: SocketAddr) -> Traffic {
        Traffic::start_load(server, RATE, 0)
    }

    /// The same with so many messages a second, the first of them with this number.
    pub fn start_load(server: SocketAddr, rate: u32, first: u64) -> Traffic {
        Traffic::start_datagrams(server, rate, packets_from(first))
    }

    fn start_datagrams(
        server: SocketAddr,
        rate: u32,
        datagrams: impl Iterator<Item = Vec<u8>> + Send + 'static,
    ) -> Traffic {
        let gate = Arc::new(Gate::default());
        let of_load = Arc::clone(&gate);
        let load = thread::spawn(move || {
            let counted = datagrams.take_while(|_| of_load.pass()).inspect(|_| {
                of_load.sent.fetch_add(1, Ordering::SeqCst);
            });
            HepSender::unconnected(server).send_paced(rate, counted);
        });
        Traffic { gate, load: Some(load), pings: None }
    }

    /// Messages sent so far.
    pub fn sent(&self) -> u64 {
        self.gate.sent.load(Ordering::SeqCst)
    }

    /// Lets the sender pause; what it has sent is the answer.
    pub fn hold(&self) -> u64 {
        self.gate.order.store(HOLD, Ordering::SeqCst);
        within(Duration::from_secs(60), "the sender pauses", || self.gate.is_held.load(Ordering::SeqCst));
        self.sent()
    }

    /// Lets it go on.
    pub fn go_on(&self) {
        self.gate.is_held.store(false, Ordering::SeqCst);
        self.gate.order.store(GO, Ordering::SeqCst);
    }

    /// Pings from now on are in the fault, or no more.
    pub fn note_fault(&self, is_faulty: bool) {
        self.gate.is_faulty.store(is_faulty, Ordering::SeqCst);
    }

    /// Ends both; the answers are the number of messages and the pings.
    pub fn end(mut self) -> (u64, Pings) {
        self.gate.order.store(END, Ordering::SeqCst);
        self.load.take().expect("the load is on").join().expect("the load ends");
        let pings = self.pings.take().map(|pings| pings.join().expect("the pings end"));
        (self.sent(), pings.unwrap_or_default())
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.gate.order.store(END, Ordering::SeqCst);
    }
}

fn ping(gate: &Gate, server: SocketAddr) -> Pings {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout is set");
    let local = socket.local_addr().expect("the socket is bound");
    let mut pings = Pings::default();
    let mut answer = [0; 2048];
    while gate.order.load(Ordering::SeqCst) != END {
        let is_faulty = gate.is_faulty.load(Ordering::SeqCst);
        let sent = Instant::now();
        socket.send_to(&options_ping(local, server), server).expect("loopback takes a datagram");
        let length = socket.recv(&mut answer).unwrap_or(0);
        if answer[..length].starts_with(b"SIP/2.0 200 Alive") {
            let round_trips = if is_faulty { &mut pings.faulty } else { &mut pings.calm };
            round_trips.push(u64::try_from(sent.elapsed().as_micros()).expect("a short time"));
        } else {
            pings.unanswered += 1;
        }
        thread::sleep(Duration::from_millis(20));
    }
    pings
}
