//! Two ends of a call and the proxy between them: every message of either end is the test's own, so that their order is
//! known.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

/// A caller, a callee, and one call through a proxy.
#[derive(Debug)]
pub struct Call {
    caller: UdpSocket,
    callee: UdpSocket,
    proxy: SocketAddr,
    number: u32,
}

/// What the caller keeps of the callee's answer.
#[derive(Debug)]
pub struct Answer {
    to: String,
    routes: String,
}

impl Call {
    /// Two sockets; nothing is sent yet.
    pub fn ends() -> [UdpSocket; 2] {
        Call::ends_at("127.0.0.1")
    }

    /// The same at another address, in brackets if it is of IPv6.
    pub fn ends_at(host: &str) -> [UdpSocket; 2] {
        [(); 2].map(|()| {
            let socket = UdpSocket::bind(format!("{host}:0")).expect("a free port");
            socket.set_read_timeout(Some(PATIENCE)).expect("a timeout is set");
            socket
        })
    }

    /// Call number `number` through `proxy`.
    pub fn new(ends: &[UdpSocket; 2], proxy: SocketAddr, number: u32) -> Call {
        let [caller, callee] = ends.each_ref().map(|socket| socket.try_clone().expect("a second handle"));
        Call { caller, callee, proxy, number }
    }

    /// Its Call-ID.
    pub fn id(&self) -> String {
        format!("traced-{}@example.org", self.number)
    }

    /// INVITE, 180, 200, ACK, and BYE, 200; each end waits for what the other sends.
    pub fn answer_and_end(&self) {
        let answer = self.answer();
        self.request("BYE", 2, "b", &answer);
        let bye = self.callee_gets("BYE ");
        self.callee_sends(&bye, "200 OK");
        self.caller_gets("SIP/2.0 200");
    }

    /// INVITE, 180, 200 and ACK.
    pub fn answer(&self) -> Answer {
        let invite = self.invite();
        self.callee_sends(&invite, "180 Ringing");
        self.caller_gets("SIP/2.0 180");
        self.callee_sends(&invite, "200 OK");
        let answer = Answer::of(&self.caller_gets("SIP/2.0 200"));
        self.request("ACK", 1, "a", &answer);
        self.callee_gets("ACK ");
        answer
    }

    /// INVITE, 486, ACK.
    pub fn refuse(&self) {
        let invite = self.invite();
        self.callee_sends(&invite, "486 Busy Here");
        self.callee_gets("ACK ");
        let answer = Answer::of(&self.caller_gets("SIP/2.0 486"));
        self.first("ACK", &answer.to);
    }

    /// INVITE, 180, CANCEL, 200, 487, ACK.
    pub fn cancel(&self) {
        let invite = self.invite();
        self.callee_sends(&invite, "180 Ringing");
        self.caller_gets("SIP/2.0 180");
        self.first("CANCEL", "<sip:bob@example.org>");
        self.caller_gets("SIP/2.0 200");
        let cancel = self.callee_gets("CANCEL ");
        self.callee_sends(&cancel, "200 OK");
        self.callee_sends(&invite, "487 Request Terminated");
        self.callee_gets("ACK ");
        let answer = Answer::of(&self.caller_gets("SIP/2.0 487"));
        self.first("ACK", &answer.to);
    }

    /// A request within the dialog, which the callee answers with 200.
    pub fn within(&self, method: &str, answer: &Answer) {
        self.request(method, 2, method, answer);
        let request = self.callee_gets(&format!("{method} "));
        self.callee_sends(&request, "200 OK");
        self.caller_gets("SIP/2.0 200");
    }

    /// Sends the INVITE; nobody waits for it.
    pub fn call(&self) {
        self.first("INVITE", "<sip:bob@example.org>");
    }

    /// The next message at the caller that begins so.
    pub fn caller_gets(&self, start: &str) -> String {
        gets(&self.caller, start)
    }

    fn callee_gets(&self, start: &str) -> String {
        gets(&self.callee, start)
    }

    fn invite(&self) -> String {
        self.call();
        self.callee_gets("INVITE ")
    }

    /// A request of the first transaction.
    fn first(&self, method: &str, to: &str) {
        self.send("sip:bob@example.org", method, 1, "i", to, "");
    }

    /// A request of the dialog.
    fn request(&self, method: &str, cseq: u32, branch: &str, answer: &Answer) {
        let callee = self.callee.local_addr().expect("a bound socket");
        self.send(&format!("sip:bob@{callee}"), method, cseq, branch, &answer.to, &answer.routes);
    }

    fn send(&self, uri: &str, method: &str, cseq: u32, branch: &str, to: &str, routes: &str) {
        let (caller, number, id) = (self.caller.local_addr().expect("a bound socket"), self.number, self.id());
        let text = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {caller};branch=z9hG4bK-{number}-{branch}\r\n{routes}\
             Max-Forwards: 70\r\nFrom: <sip:alice@example.org>;tag=from{number}\r\nTo: {to}\r\nCall-ID: {id}\r\n\
             CSeq: {cseq} {method}\r\nContact: <sip:alice@{caller}>\r\nContent-Length: 0\r\n\r\n"
        );
        self.caller.send_to(text.as_bytes(), self.proxy).expect("the proxy's port takes datagrams");
    }

    fn callee_sends(&self, request: &str, status: &str) {
        let callee = self.callee.local_addr().expect("a bound socket");
        let mut text = format!("SIP/2.0 {status}\r\n");
        for line in request.lines().take_while(|line| !line.is_empty()) {
            let name = line.split(':').next().unwrap_or_default();
            if ["Via", "Record-Route", "From", "To", "Call-ID", "CSeq"].contains(&name) {
                let tag = if name == "To" && !line.contains(";tag=") { ";tag=to" } else { "" };
                text.push_str(&format!("{line}{tag}\r\n"));
            }
        }
        text.push_str(&format!("Contact: <sip:bob@{callee}>\r\nContent-Length: 0\r\n\r\n"));
        self.callee.send_to(text.as_bytes(), self.proxy).expect("the proxy's port takes datagrams");
    }
}

impl Answer {
    fn of(reply: &str) -> Answer {
        let values = |name: &'static str| {
            reply.lines().filter_map(move |line| line.strip_prefix(name)?.strip_prefix(": ").map(str::to_owned))
        };
        let routes = values("Record-Route").map(|route| format!("Route: {route}\r\n")).collect();
        Answer { to: values("To").next().expect("a reply has a To"), routes }
    }
}

fn gets(socket: &UdpSocket, start: &str) -> String {
    let mut buffer = vec![0; 65_535];
    loop {
        let (len, _) = receive(socket, &mut buffer).unwrap_or_else(|error| panic!("no {start}: {error}"));
        let text = String::from_utf8_lossy(&buffer[..len]).into_owned();
        if text.starts_with(start) {
            return text;
        }
    }
}

/// A datagram; a signal, as of a child that ends, does not stop the wait for it.
pub fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
    loop {
        match socket.recv_from(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            received => return received,
        }
    }
}
