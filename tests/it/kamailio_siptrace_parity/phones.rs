//! The phones on both sides of a proxy: sockets that send and expect one message at a time, so that every run is the
//! same.

use super::message::{Message, SENTINEL, Side};
use super::names::Names;
use crate::common::ports::{free_address, free_port};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with};
use std::cell::RefCell;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(10);

/// Sockets of all phones; both proxies of a comparison meet the same.
#[derive(Debug)]
pub struct Phones {
    /// Who calls.
    pub caller: UdpSocket,
    /// Who is called.
    pub callee: UdpSocket,
    /// The other branch of a fork.
    pub second: UdpSocket,
    /// Both over IPv6.
    pub caller6: UdpSocket,
    /// See `caller6`.
    pub callee6: UdpSocket,
    /// Who is called over TCP.
    pub tcp_callee: TcpListener,
    /// The same over IPv6.
    pub tcp_callee6: TcpListener,
    /// Whose requests part one step from the next, over both families.
    pub fence: UdpSocket,
    /// See `fence`.
    pub fence6: UdpSocket,
    /// The address of a called side that is another program.
    pub sipp: SocketAddr,
}

/// A port that is free over IPv4 may be taken over IPv6.
fn on_free_port<S>(bind: impl Fn(u16) -> io::Result<S>) -> S {
    (0..20).find_map(|_| bind(free_port()).ok()).expect("a loopback address has free ports")
}

impl Phones {
    /// Phones on ports of loopback addresses that stay theirs, and that the kernel gives to no connection: a port has
    /// one name.
    pub fn new() -> Phones {
        let udp = |host: IpAddr| {
            let socket = on_free_port(|port| UdpSocket::bind((host, port)));
            socket.set_read_timeout(Some(PATIENCE)).expect("a timeout is set");
            socket
        };
        let tcp = |host: IpAddr| on_free_port(|port| TcpListener::bind((host, port)));
        let (ip4, ip6) = (IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST));
        Phones {
            caller: udp(ip4),
            callee: udp(ip4),
            second: udp(ip4),
            caller6: udp(ip6),
            callee6: udp(ip6),
            tcp_callee: tcp(ip4),
            tcp_callee6: tcp(ip6),
            fence: udp(ip4),
            fence6: udp(ip6),
            sipp: free_address(),
        }
    }
}

/// One phone in one run.
pub struct Phone<'a> {
    /// For the reader of a failure.
    pub name: &'static str,
    line: Line<'a>,
    local: SocketAddr,
    names: &'a RefCell<Names>,
    fence: Option<&'a Fence<'a>>,
}

/// Phones of which each is served by another of the proxy's workers.
///
/// Workers have no order among themselves: one may still trace what it has sent when another has got the answer. So
/// nothing is sent before all have answered a request, which they do once they are done with all before it.
pub struct Fence<'a>(Vec<Phone<'a>>);

impl<'a> Fence<'a> {
    /// For the proxy at these addresses, the first of which serves TCP too.
    pub fn new(phones: &'a Phones, addresses: &[SocketAddr], names: &'a RefCell<Names>) -> Fence<'a> {
        let udp = |proxy: &SocketAddr| {
            let socket = if proxy.is_ipv4() { &phones.fence } else { &phones.fence6 };
            Phone::udp("fence", socket, *proxy, names)
        };
        let mut parts: Vec<Phone<'a>> = addresses.iter().map(udp).collect();
        parts.push(Phone::tcp_connected("TCP fence", addresses[0], names));
        Fence(parts)
    }

    /// Waits until every worker is done.
    pub fn pass(&self) {
        self.0.iter().for_each(Phone::ask);
    }
}

enum Line<'a> {
    Datagrams { socket: &'a UdpSocket, proxy: SocketAddr },
    Listener { listener: &'a TcpListener, accepted: RefCell<Option<Stream>> },
    Connected(RefCell<Stream>),
}

struct Stream {
    stream: TcpStream,
    /// Read and not yet taken.
    read: Vec<u8>,
}

/// A socket for a connection from a port that the kernel gives to nobody.
fn bound_socket(ip: IpAddr) -> OwnedFd {
    let family = if ip.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None).expect("a socket is made");
    // Tests beside this one have ports of the other family.
    let is_bound = (0..100).any(|_| bind(&socket, &SocketAddr::new(ip, free_port())).is_ok());
    assert!(is_bound, "no port of {ip} is free");
    socket
}

impl<'a> Phone<'a> {
    /// A phone that speaks UDP with the proxy.
    pub fn udp(name: &'static str, socket: &'a UdpSocket, proxy: SocketAddr, names: &'a RefCell<Names>) -> Phone<'a> {
        let local = socket.local_addr().expect("a bound socket has an address");
        Phone { name, line: Line::Datagrams { socket, proxy }, local, names, fence: None }
    }

    /// A phone that the proxy connects to.
    pub fn tcp_listener(name: &'static str, listener: &'a TcpListener, names: &'a RefCell<Names>) -> Phone<'a> {
        let local = listener.local_addr().expect("a listener has an address");
        Phone { name, line: Line::Listener { listener, accepted: RefCell::new(None) }, local, names, fence: None }
    }

    /// A phone that connects to the proxy; its port gets a name.
    pub fn tcp_connected(name: &'static str, proxy: SocketAddr, names: &'a RefCell<Names>) -> Phone<'a> {
        // Not one that the kernel chooses: a connection of the proxy over the other family may get the same number, and
        // with it the name.
        let socket = bound_socket(proxy.ip());
        connect(&socket, &proxy).expect("the proxy accepts connections");
        let stream = TcpStream::from(socket);
        let local = stream.local_addr().expect("a connection has an address");
        names.borrow_mut().port(local.port(), name);
        Phone { name, line: Line::Connected(RefCell::new(Stream::new(stream))), local, names, fence: None }
    }

    /// The same phone, behind the fence.
    pub fn behind(self, fence: &'a Fence<'a>) -> Phone<'a> {
        Phone { fence: Some(fence), ..self }
    }

    /// `UDP 127.0.0.1:5060`, for a Via.
    pub fn sent_by(&self) -> String {
        format!("{} {}", if self.is_datagram() { "UDP" } else { "TCP" }, self.local)
    }

    /// A URI at which the proxy reaches it.
    pub fn uri(&self, user: &str) -> String {
        let transport = if self.is_datagram() { "" } else { ";transport=tcp" };
        format!("sip:{user}@{}{transport}", self.local)
    }

    fn is_datagram(&self) -> bool {
        matches!(self.line, Line::Datagrams { .. })
    }

    /// Sends to the proxy.
    pub fn send(&self, text: &str) {
        if let Some(fence) = self.fence {
            fence.pass();
        }
        self.names.borrow_mut().learn(text);
        match &self.line {
            Line::Datagrams { socket, proxy } => {
                socket.send_to(text.as_bytes(), proxy).expect("loopback takes a datagram");
            }
            Line::Listener { accepted, .. } => {
                accepted.borrow_mut().as_mut().expect("the proxy has connected").send(text);
            }
            Line::Connected(stream) => stream.borrow_mut().send(text),
        }
    }

    /// Waits until what went over its own connection is done with, of which no answer tells: connections have no order
    /// among themselves.
    pub fn settle(&self) {
        if let Line::Connected(_) = self.line {
            self.ask();
        }
    }

    /// Sends a request that is not traced, and waits for its answer.
    fn ask(&self) {
        let mut side = Side::caller(SENTINEL, &self.sent_by(), &self.uri("caller"), SENTINEL);
        self.send(&side.request("OPTIONS", "", ""));
        self.expect("SIP/2.0 200");
    }

    /// The next message, which must begin so.
    pub fn expect(&self, start: &str) -> Message {
        let message = self.receive(start);
        assert!(message.text().starts_with(start), "{} waits for {start} and gets {}", self.name, message.text());
        message
    }

    fn receive(&self, start: &str) -> Message {
        let text = match &self.line {
            Line::Datagrams { socket, .. } => {
                let mut buffer = vec![0; 65_536];
                let received = uninterrupted(|| socket.recv(&mut buffer));
                let length = received.unwrap_or_else(|error| panic!("{} waits for {start}: {error}", self.name));
                String::from_utf8_lossy(&buffer[..length]).into_owned()
            }
            Line::Listener { listener, accepted } => {
                let mut accepted = accepted.borrow_mut();
                let stream = accepted.get_or_insert_with(|| {
                    let (stream, peer) = accept(listener);
                    self.names.borrow_mut().port(peer.port(), &format!("proxy towards {}", self.name));
                    Stream::new(stream)
                });
                stream.receive(self.name, start)
            }
            Line::Connected(stream) => stream.borrow_mut().receive(self.name, start),
        };
        self.names.borrow_mut().learn(&text);
        Message::new(text)
    }

    /// Throws away what is there already: copies of a message that the proxy was made to send more than once.
    pub fn discard(&self) {
        let Line::Datagrams { socket, .. } = &self.line else { panic!("{} has no datagrams", self.name) };
        socket.set_nonblocking(true).expect("a socket may be made so");
        while socket.recv(&mut [0; 16]).is_ok() {}
        socket.set_nonblocking(false).expect("a socket may be made so");
    }

    /// Asserts that nothing came that no scenario waited for.
    pub fn assert_quiet(&self) {
        let Line::Datagrams { socket, .. } = &self.line else { return };
        socket.set_nonblocking(true).expect("a socket may be made so");
        let mut buffer = vec![0; 65_536];
        let received = socket.recv(&mut buffer);
        socket.set_nonblocking(false).expect("a socket may be made so");
        match received {
            Ok(length) => panic!("{} got unasked: {}", self.name, String::from_utf8_lossy(&buffer[..length])),
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock, "{}: {error}", self.name),
        }
    }
}

/// As `accept`, with a limit.
fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    listener.set_nonblocking(true).expect("a listener may be made so");
    let deadline = Instant::now() + PATIENCE;
    loop {
        match listener.accept() {
            Ok((stream, peer)) => {
                stream.set_nonblocking(false).expect("a stream may be made so");
                return (stream, peer);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => panic!("the proxy does not connect: {error}"),
        }
    }
}

impl Stream {
    fn new(stream: TcpStream) -> Stream {
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout is set");
        stream.set_nodelay(true).expect("an option is set");
        Stream { stream, read: Vec::new() }
    }

    fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).expect("the proxy reads");
    }

    fn receive(&mut self, name: &str, start: &str) -> String {
        loop {
            if let Some(length) = whole_message(&self.read) {
                let message: Vec<u8> = self.read.drain(..length).collect();
                return String::from_utf8_lossy(&message).into_owned();
            }
            let mut buffer = [0; 4096];
            let received = uninterrupted(|| self.stream.read(&mut buffer));
            let length = received.unwrap_or_else(|error| panic!("{name} waits for {start}: {error}"));
            assert!(length > 0, "{name} waits for {start}, and the proxy hangs up");
            self.read.extend(&buffer[..length]);
        }
    }
}

/// A read with a timeout ends early when the process was stopped meanwhile.
fn uninterrupted(mut read: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match read() {
            Err(error) if error.kind() == ErrorKind::Interrupted => (),
            result => return result,
        }
    }
}

/// Length of the message in front, once all of it is there.
fn whole_message(read: &[u8]) -> Option<usize> {
    let head = read.windows(4).position(|bytes| bytes == b"\r\n\r\n")? + 4;
    let message = Message::new(String::from_utf8_lossy(&read[..head]).into_owned());
    let body: usize = message.header("Content-Length").parse().expect("a length");
    (read.len() >= head + body).then_some(head + body)
}
