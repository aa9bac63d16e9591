//! A relay before a server, which cuts connections, or lets bytes vanish.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What is done to a connection, by the bytes that its client has sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// Every byte is passed on.
    Pass,
    /// After so many bytes of the client both ends are cut.
    CutAfter(u64),
    /// After so many bytes of the client nothing is passed on, and both ends stay open.
    SilentAfter(u64),
    /// The server's bytes are passed on one at a time, with a pause between them.
    Drip(Duration),
}

struct Shared {
    behaviour: Mutex<Behaviour>,
    has_ended: AtomicBool,
    struck: AtomicU64,
}

/// A relay on a loopback port of its own; it ends when it is dropped.
pub struct Relay {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Relay {
    /// To the server at `target`.
    pub fn start(target: SocketAddr) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("a bound port");
        let behaviour = Mutex::new(Behaviour::Pass);
        let (has_ended, struck) = (AtomicBool::new(false), AtomicU64::new(0));
        let shared = Arc::new(Shared { behaviour, has_ended, struck });
        let own = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if own.has_ended.load(Ordering::Relaxed) {
                    return;
                }
                // A server that is away closes the client's connection too.
                let Ok(server) = TcpStream::connect(target) else { continue };
                relay(client, server, &own);
            }
        });
        Relay { address, shared }
    }

    /// The relay's port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Does this to all connections from now on, those that are open included.
    pub fn behave(&self, behaviour: Behaviour) {
        *self.shared.behaviour.lock().expect("no thread panics") = behaviour;
    }

    /// Connections that were cut or silenced so far.
    pub fn struck(&self) -> u64 {
        self.shared.struck.load(Ordering::Relaxed)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.has_ended.store(true, Ordering::Relaxed);
        // The listener looks up from its wait.
        let _ = TcpStream::connect(self.address);
    }
}

/// Passes bytes both ways, on a thread for each.
fn relay(client: TcpStream, server: TcpStream, shared: &Arc<Shared>) {
    let silenced = Arc::new(AtomicBool::new(false));
    let mut ends = [(client.try_clone(), server.try_clone()), (server.try_clone(), client.try_clone())].into_iter();
    for counts in [true, false] {
        let Some((Ok(from), Ok(to))) = ends.next() else { return };
        let (shared, silenced) = (Arc::clone(shared), Arc::clone(&silenced));
        thread::spawn(move || pass(from, to, &shared, &silenced, counts));
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, shared: &Shared, silenced: &AtomicBool, counts: bool) {
    let mut buffer = [0; 16 * 1024];
    let mut passed = 0;
    loop {
        let length = match from.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(length) => length as u64,
        };
        let behaviour = *shared.behaviour.lock().expect("no thread panics");
        let room = match behaviour {
            _ if !counts => length,
            Behaviour::Pass | Behaviour::Drip(_) => length,
            Behaviour::CutAfter(limit) | Behaviour::SilentAfter(limit) => length.min(limit.saturating_sub(passed)),
        };
        passed += length;
        let dripped = if counts { 0 } else { drip(&buffer[..room as usize], &mut to, shared) };
        let room = room - dripped as u64;
        buffer.copy_within(dripped.., 0);
        if !silenced.load(Ordering::Relaxed) && to.write_all(&buffer[..room as usize]).is_err() {
            break;
        }
        if room + (dripped as u64) < length {
            match behaviour {
                Behaviour::SilentAfter(_) if !silenced.swap(true, Ordering::Relaxed) => {
                    shared.struck.fetch_add(1, Ordering::Relaxed);
                }
                Behaviour::SilentAfter(_) => {}
                _ => {
                    shared.struck.fetch_add(1, Ordering::Relaxed);
                    break;
                }
            }
        }
    }
    if silenced.load(Ordering::Relaxed) {
        // The peer must not learn of it.
        while !shared.has_ended.load(Ordering::Relaxed) && from.peer_addr().is_ok() && !is_over(&from) {
            thread::sleep(Duration::from_millis(50));
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

/// Passes bytes on one at a time while that is asked for, and answers how many.
fn drip(bytes: &[u8], to: &mut TcpStream, shared: &Shared) -> usize {
    for (passed, byte) in bytes.iter().enumerate() {
        let Behaviour::Drip(pause) = *shared.behaviour.lock().expect("no thread panics") else { return passed };
        if passed == 0 {
            shared.struck.fetch_add(1, Ordering::Relaxed);
        }
        // A client that has gone is seen by what comes next.
        let _ = to.write_all(&[*byte]);
        thread::sleep(pause);
    }
    bytes.len()
}

/// Whether the peer has closed the connection.
fn is_over(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).is_err() || matches!(stream.peek(&mut [0]), Ok(0))
}
