//! A collector that can be closed, opened again, hang, and show another certificate.

use super::wait::within;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustix::net::sockopt::set_socket_recv_buffer_size;
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use sipcapture_core::hep::{self, Packet};
use std::io::{self, ErrorKind, Read};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::Duration;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(120);
/// How often a thread looks whether it is to end.
const LOOK: Duration = Duration::from_millis(20);
/// What a connection's kernel keeps of what is not read: little, so that a collector that hangs is soon felt.
const STREAM_BUFFER: usize = 16 * 1024;
const DATAGRAM_BUFFER: usize = 8 << 20;

/// Someone who signs certificates.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: TempDir,
}

impl Authority {
    /// A new one, whom nobody trusts yet.
    pub fn new() -> Authority {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key is made");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a certificate is made");
        let authority = Authority { issuer, directory: TempDir::new().expect("a private directory") };
        std::fs::write(authority.file(), authority.issuer.pem()).expect("the certificate is written");
        authority
    }

    /// A file with the certificate to trust.
    pub fn file(&self) -> String {
        self.directory.path().join("ca.pem").display().to_string()
    }

    /// A server with a certificate for the loopback address.
    pub fn server(&self) -> Arc<ServerConfig> {
        self.server_of("127.0.0.1")
    }

    /// The same for another address or name.
    pub fn server_of(&self, name: &str) -> Arc<ServerConfig> {
        let key = KeyPair::generate().expect("a key is made");
        let params = CertificateParams::new([name.to_owned()]).expect("a name for a certificate");
        let certificate = params.signed_by(&key, &self.issuer).expect("the certificate is signed");
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions of TLS")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key);
        Arc::new(config.expect("a certificate and its key"))
    }
}

#[derive(Clone)]
enum Transport {
    Udp,
    Tcp,
    Tls(Arc<ServerConfig>),
}

/// What a test keeps of a packet.
pub trait Heard: Clone + Send + 'static {
    /// Reads it.
    fn of(packet: &Packet<'_>) -> Self;
}

/// What has come, in the order in which it was read, whatever the connection; and how many connections were made.
type Arrivals<T> = Arc<Mutex<(Vec<T>, u64)>>;

/// What the threads of a collector are told.
#[derive(Clone, Default)]
struct Orders {
    is_closed: Arc<AtomicBool>,
    hangs: Arc<AtomicBool>,
}

impl Orders {
    fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::SeqCst)
    }

    /// Waits while the collector hangs; false when it is closed.
    fn goes_on(&self) -> bool {
        while self.hangs.load(Ordering::SeqCst) && !self.is_closed() {
            sleep(LOOK);
        }
        !self.is_closed()
    }
}

/// Binds a port that is free. It may have been let go of a moment ago, and a process that another test makes at that
/// moment has a copy of its socket until it runs a program.
fn bound<S>(bind: impl Fn() -> io::Result<S>) -> S {
    let mut socket = None;
    within(PATIENCE, "the port is free", || match bind() {
        Err(error) if error.kind() == ErrorKind::AddrInUse => false,
        bound => {
            socket = Some(bound.expect("the port can be bound"));
            true
        }
    });
    socket.expect("it is bound")
}

/// A collector, and what it has heard.
pub struct Collector<T> {
    address: SocketAddr,
    transport: Transport,
    arrivals: Arrivals<T>,
    orders: Orders,
    thread: Option<JoinHandle<()>>,
}

impl<T: Heard> Collector<T> {
    /// A socket for datagrams.
    pub fn udp(address: SocketAddr) -> Collector<T> {
        Collector::at(address, Transport::Udp)
    }

    /// One that takes connections.
    pub fn tcp(address: SocketAddr) -> Collector<T> {
        Collector::at(address, Transport::Tcp)
    }

    /// The same with TLS.
    pub fn tls(address: SocketAddr, config: Arc<ServerConfig>) -> Collector<T> {
        Collector::at(address, Transport::Tls(config))
    }

    fn at(address: SocketAddr, transport: Transport) -> Collector<T> {
        let (arrivals, orders) = (Arc::default(), Orders::default());
        let mut collector = Collector { address, transport, arrivals, orders, thread: None };
        collector.open();
        collector
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address as a SIP URI.
    pub fn uri(&self) -> String {
        let transport = match self.transport {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
            Transport::Tls(_) => "tls",
        };
        format!("sip:{};transport={transport}", self.address)
    }

    /// Closes the socket and all connections.
    pub fn close(&mut self) {
        self.orders.is_closed.store(true, Ordering::SeqCst);
        self.thread.take().expect("it is open").join().expect("the collector ends");
    }

    /// Listens again, at the same address.
    pub fn open(&mut self) {
        self.orders = Orders { is_closed: Arc::default(), hangs: Arc::clone(&self.orders.hangs) };
        let (arrivals, orders) = (Arc::clone(&self.arrivals), self.orders.clone());
        if let Transport::Udp = self.transport {
            let socket = bound(|| UdpSocket::bind(self.address));
            set_socket_recv_buffer_size(&socket, DATAGRAM_BUFFER).expect("a size is asked for");
            socket.set_read_timeout(Some(LOOK)).expect("a timeout is set");
            self.thread = Some(spawn(move || hear(&socket, &orders, &arrivals)));
        } else {
            let listener = bound(|| TcpListener::bind(self.address));
            set_socket_recv_buffer_size(&listener, STREAM_BUFFER).expect("a size is set");
            listener.set_nonblocking(true).expect("the listener does not wait");
            let transport = self.transport.clone();
            self.thread = Some(spawn(move || serve(&listener, &transport, &orders, &arrivals)));
        }
    }

    /// Reads nothing any more, though connections are made; or reads again what has come meanwhile.
    pub fn hang(&mut self, hangs: bool) {
        self.orders.hangs.store(hangs, Ordering::SeqCst);
    }

    /// Ends, and another one takes its place, who reads.
    pub fn replace(&mut self) {
        self.close();
        self.hang(false);
        self.open();
    }

    /// Comes back with this certificate.
    pub fn present(&mut self, config: Arc<ServerConfig>) {
        self.close();
        self.transport = Transport::Tls(config);
        self.open();
    }

    /// What has come over all connections, in the order in which it was read.
    pub fn arrived(&self) -> Vec<T> {
        self.arrivals.lock().expect("no reader has failed").0.clone()
    }

    /// How many connections have been made.
    pub fn connections(&self) -> u64 {
        self.arrivals.lock().expect("no reader has failed").1
    }

    /// Waits until no more come.
    pub fn await_rest(&self) {
        let mut before = self.arrived().len();
        within(PATIENCE, "no more messages arrive", || {
            sleep(Duration::from_millis(500));
            let now = self.arrived().len();
            std::mem::replace(&mut before, now) == now
        });
    }

    /// Waits until so many have come.
    pub fn await_arrived(&self, count: u64) {
        within(PATIENCE, &format!("{count} messages arrive"), || self.arrived().len() as u64 >= count);
    }
}

impl<T> Drop for Collector<T> {
    fn drop(&mut self) {
        self.orders.is_closed.store(true, Ordering::SeqCst);
    }
}

fn hear<T: Heard>(socket: &UdpSocket, orders: &Orders, arrivals: &Arrivals<T>) {
    let mut datagram = vec![0; 65_535];
    while orders.goes_on() {
        // Four bytes only ask whether anybody listens.
        if let Ok(length) = socket.recv(&mut datagram)
            && datagram[..length] != *b"\r\n\r\n"
        {
            note(arrivals, &datagram[..length]);
        }
    }
}

fn serve<T: Heard>(listener: &TcpListener, transport: &Transport, orders: &Orders, arrivals: &Arrivals<T>) {
    let mut readers = Vec::new();
    while !orders.is_closed() {
        let Ok((stream, _)) = listener.accept() else {
            sleep(LOOK);
            continue;
        };
        stream.set_nonblocking(false).expect("a connection waits");
        stream.set_read_timeout(Some(LOOK)).expect("a timeout is set");
        arrivals.lock().expect("no reader has failed").1 += 1;
        let (transport, orders, arrivals) = (transport.clone(), orders.clone(), Arc::clone(arrivals));
        readers.push(spawn(move || read_all(secured(stream, &transport), &orders, &arrivals)));
    }
    readers.into_iter().for_each(|reader| reader.join().expect("a reader ends"));
}

fn secured(stream: TcpStream, transport: &Transport) -> Box<dyn Read> {
    match transport {
        Transport::Tls(config) => {
            let session = ServerConnection::new(Arc::clone(config)).expect("a session begins");
            Box::new(StreamOwned::new(session, stream))
        }
        _ => Box::new(stream),
    }
}

/// Reads a connection to its end; of a packet that breaks off, nobody has heard.
fn read_all<T: Heard>(mut stream: Box<dyn Read>, orders: &Orders, arrivals: &Arrivals<T>) {
    let (mut unread, mut bytes) = (Vec::new(), vec![0; 64 * 1024]);
    while orders.goes_on() {
        match stream.read(&mut bytes) {
            Ok(0) => return,
            Ok(length) => unread.extend_from_slice(&bytes[..length]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
            // The agent does not like the certificate, or has gone.
            Err(_) => return,
        }
        let mut done = 0;
        while let Some(head) = unread.get(done..done + 6) {
            let length = usize::from(u16::from_be_bytes([head[4], head[5]]));
            let Some(packet) = unread.get(done..done + length) else { break };
            note(arrivals, packet);
            done += length;
        }
        unread.drain(..done);
    }
}

fn note<T: Heard>(arrivals: &Arrivals<T>, packet: &[u8]) {
    let heard = T::of(&hep::decode(packet).expect("a well-formed packet"));
    arrivals.lock().expect("no reader has failed").0.push(heard);
}
