//! Processor time that a call in the script adds to a SIP worker, for each message.
//!
//! The worker is stopped, its socket buffer filled, and the worker let go: what it then spends until the buffer is
//! empty is the work alone, without the waking and sleeping that a paced stream would add.

use crate::common::kamailio::{Kamailio, signal};
use crate::generator::Generator;
use rustix::process::Signal;
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Messages of a burst: whole calls that fit a socket buffer of ordinary limits.
const BURST: u64 = 140;
/// Bursts of one measurement.
const BURSTS: usize = 40;
/// A worker that has not emptied its socket by then waits for something.
const PATIENCE: Duration = Duration::from_secs(20);

/// Messages that a measurement sends to each of its two servers.
pub const MESSAGES: u64 = BURST * BURSTS as u64;

/// How much more processor time the worker of `with` spends on a message than that of `without`, microseconds; `None`
/// when it waits for something instead of going on. `generator` makes the stream of messages to one server.
///
/// The two get bursts in turn, so that what else the machine does falls on both.
pub fn added_us(with: &Kamailio, without: &Kamailio, generator: impl Fn(&Kamailio) -> Generator) -> Option<f64> {
    let [mut worker, mut idler] = [with, without].map(|server| Worker::of(server, generator(server)));
    let costs: Option<Vec<(f64, f64)>> = (0..BURSTS).map(|_| Some((worker.burst_us()?, idler.burst_us()?))).collect();
    let costs = costs?;
    let [with, without] =
        [costs.iter().map(|cost| cost.0).collect(), costs.iter().map(|cost| cost.1).collect()].map(median);
    Some(with - without)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The one worker of a server, and a stream of calls to it.
struct Worker {
    pid: i32,
    port: u16,
    generator: Generator,
}

impl Worker {
    fn of(server: &Kamailio, generator: Generator) -> Worker {
        Worker { pid: server.workers()[0], port: server.address().port(), generator }
    }

    /// Processor time of one message of a burst, microseconds; `None` when the burst is not worked off in time.
    fn burst_us(&mut self) -> Option<f64> {
        signal(self.pid, Signal::STOP);
        for _ in 0..BURST {
            self.generator.send_one();
        }
        let before = cpu_ns(self.pid);
        signal(self.pid, Signal::CONT);
        let deadline = Instant::now() + PATIENCE;
        while queued_bytes(self.port) != Some(0) {
            if Instant::now() > deadline {
                return None;
            }
            sleep(Duration::from_micros(500));
        }
        // The last message has left the socket and may still be worked on.
        sleep(Duration::from_millis(3));
        Some((cpu_ns(self.pid) - before) as f64 / 1e3 / BURST as f64)
    }
}

/// Bytes that wait in the receive buffer of a local UDP port; `None` when the kernel's list, which changes while it is
/// read, lacks the port for once.
fn queued_bytes(port: u16) -> Option<u64> {
    let table = fs::read_to_string("/proc/net/udp").expect("the kernel lists its sockets");
    let suffix = format!(":{port:04X}");
    let line =
        table.lines().find(|line| line.split_whitespace().nth(1).is_some_and(|local| local.ends_with(&suffix)))?;
    let (_, receive) = line.split_whitespace().nth(4)?.split_once(':')?;
    u64::from_str_radix(receive, 16).ok()
}

/// Nanoseconds that a process has spent on a processor, in user and in kernel mode.
fn cpu_ns(pid: i32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/schedstat")).expect("the process runs");
    text.split_whitespace().next().and_then(|field| field.parse().ok()).expect("schedstat opens with a number")
}
