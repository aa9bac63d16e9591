//! Our `siptrace` and what it works with: collectors that others wrote and our own node, databases and their refusals,
//! and the parameters and scripts of an operator, each shown by what comes of it.

mod advertised;
mod collectors;
mod copies;
mod destinations;
mod letters;
mod parameters;
mod rows;
mod scripts;
mod secrets;
mod secured;
mod several;
mod xheaders;

use crate::common::call::{Call, receive};
use crate::common::hep_collector::Heard;
use crate::common::kamailio::{ConfigBuilder, Kamailio, Module};
use crate::common::rows::{StoredRow, select, text};
use crate::common::sip::options_ping;
use crate::common::wait::within;
use sipcapture_core::hep::{Packet, Payload};
use std::net::{SocketAddr, UdpSocket};
use std::ops::Range;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);

/// Messages that a proxy gets and sends for one call that is answered and ended.
const MESSAGES: usize = 13;

/// What becomes of the requests of [`Proxy::ping`] and [`Proxy::text`] that a script leaves alone.
const ANSWER: &str = r#"if (is_method("OPTIONS|MESSAGE")) { sl_send_reply("200", "OK"); exit; }"#;

/// One message: method, or status and method, where from, and where to.
type Step = (String, SocketAddr, SocketAddr);

/// A step, and the Call-ID of its call.
type Told = (String, Step);

impl Heard for Told {
    fn of(packet: &Packet<'_>) -> Told {
        let Payload::Plain(message) = packet.payload else { panic!("nobody has asked for compression") };
        let text = String::from_utf8_lossy(message);
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            line.unwrap_or_else(|| panic!("no {name} in {text}")).to_owned()
        };
        let cseq = value("CSeq");
        let method = cseq.split(' ').nth(1).expect("a CSeq has a method");
        let what = match text.strip_prefix("SIP/2.0 ") {
            Some(rest) => format!("{} {method}", &rest[..3]),
            None => method.to_owned(),
        };
        (value("Call-ID"), (what, packet.source, packet.destination))
    }
}

/// An agent that is on, for version 3.
fn agent() -> ConfigBuilder {
    let agent = ConfigBuilder::new().children(1).load("tm.so").load_agent(Module::Ours).environment("TZ", "UTC");
    agent.param("siptrace", "trace_on", 1).param("siptrace", "hep_mode_on", 1).param("siptrace", "hep_version", 3)
}

/// An agent that sends what its script traces to a collector, and stores nothing.
fn telling(uri: &str) -> ConfigBuilder {
    agent().param("siptrace", "trace_to_database", 0).param("siptrace", "duplicate_uri", uri)
}

/// The same of everything that the server receives and sends.
fn sending(uri: &str) -> ConfigBuilder {
    telling(uri).param("siptrace", "trace_mode", 1)
}

/// The same, and a busy machine that is slow to answer makes no phone's message be sent again.
fn patient(uri: &str) -> ConfigBuilder {
    sending(uri).param("tm", "retr_timer1", 20_000).param("tm", "retr_timer2", 20_000)
}

/// An agent that stores everything that the server receives and sends.
fn storing(url: &str) -> ConfigBuilder {
    agent().param("siptrace", "trace_mode", 2).param("siptrace", "db_url", url)
}

/// A proxy between two phones.
struct Proxy {
    server: Kamailio,
    ends: [UdpSocket; 2],
}

impl Proxy {
    /// Runs `script` for each request; what it lets pass goes to the callee.
    fn start(config: ConfigBuilder, script: &str) -> Proxy {
        let ends = Call::ends();
        let callee = ends[1].local_addr().expect("a bound socket");
        let relay = format!("{script}\n    {ANSWER}\n    $du = \"sip:{callee}\"; t_relay(); exit;");
        Proxy { server: config.route("request_route", &relay).start(), ends }
    }

    /// Call number `number`, answered and ended.
    fn call(&self, number: u32) {
        Call::new(&self.ends, self.server.address(), number).answer_and_end();
    }

    /// Caller, proxy and callee.
    fn owners(&self) -> [SocketAddr; 3] {
        let [caller, callee] = self.ends.each_ref().map(|socket| socket.local_addr().expect("a bound socket"));
        [caller, self.server.address(), callee]
    }

    /// The messages of such a call.
    fn steps(&self) -> Vec<Step> {
        let [caller, proxy, callee] = self.owners();
        let steps = [
            ("INVITE", caller, proxy),
            ("100 INVITE", proxy, caller),
            ("INVITE", proxy, callee),
            ("180 INVITE", callee, proxy),
            ("180 INVITE", proxy, caller),
            ("200 INVITE", callee, proxy),
            ("200 INVITE", proxy, caller),
            ("ACK", caller, proxy),
            ("ACK", proxy, callee),
            ("BYE", caller, proxy),
            ("BYE", proxy, callee),
            ("200 BYE", callee, proxy),
            ("200 BYE", proxy, caller),
        ];
        assert_eq!(steps.len(), MESSAGES);
        steps.map(|(what, from, to)| (what.to_owned(), from, to)).to_vec()
    }

    /// The same of several calls, each under its Call-ID.
    fn told(&self, numbers: Range<u32>) -> Vec<Told> {
        let of_call = |number| self.steps().into_iter().map(move |step| (format!("traced-{number}@example.org"), step));
        let mut told: Vec<Told> = numbers.flat_map(of_call).collect();
        told.sort();
        told
    }

    /// Sends an OPTIONS request with more headers, waits for its answer, and answers what it sent.
    fn ping(&self, headers: &str) -> String {
        let [caller, proxy, _] = self.owners();
        let request = String::from_utf8(options_ping(caller, proxy)).expect("a request is text");
        self.exchange(request.replacen("\r\n", &format!("\r\n{headers}"), 1))
    }

    /// The same with another method and a body.
    fn text(&self, method: &str, body: &str) -> String {
        self.exchange(self.with_body(method, "", body))
    }

    /// Such a request, with more headers.
    fn with_body(&self, method: &str, headers: &str, body: &str) -> String {
        let [caller, proxy, _] = self.owners();
        let request = String::from_utf8(options_ping(caller, proxy)).expect("a request is text");
        let request = request.replacen("\r\n", &format!("\r\n{headers}"), 1).replace("OPTIONS", method);
        let length = format!("Content-Type: text/plain\r\nContent-Length: {}", body.len());
        request.replace("Content-Length: 0", &length) + body
    }

    fn exchange(&self, request: String) -> String {
        let [_, proxy, _] = self.owners();
        self.ends[0].send_to(request.as_bytes(), proxy).expect("the proxy's port takes datagrams");
        let mut buffer = vec![0; 65_535];
        let (length, _) = receive(&self.ends[0], &mut buffer).expect("the request is answered");
        assert!(buffer[..length].starts_with(b"SIP/2.0 200 "), "{}", String::from_utf8_lossy(&buffer[..length]));
        request
    }

    /// Waits until so many rows and packets are made, and none of them is queued or in the spool any more.
    fn settle(&self, captured: u64) {
        within(PATIENCE, &format!("{captured} are captured and done with"), || {
            let statistics = self.server.statistics_of("siptrace");
            statistics["captured"] == captured && statistics["queued"] == 0 && statistics["spooled"] == 0
        });
    }
}

/// The steps in an order of their own: packets of UDP and the workers of a node have none.
fn sorted(mut steps: Vec<Step>) -> Vec<Step> {
    steps.sort();
    steps
}

/// What a capture node has stored in `sip_capture`.
fn captured(url: &str) -> Vec<StoredRow> {
    select(url, "SELECT * FROM sip_capture ORDER BY id").expect("the table is readable")
}

/// The same as steps.
fn captured_steps(url: &str) -> Vec<Step> {
    let step = |row: StoredRow| {
        let end = |ip: &str, port: &str| format!("{}:{}", text(&row, ip), text(&row, port)).parse();
        let method = text(&row, "cseq").split(' ').nth(1).expect("a CSeq has a method").to_owned();
        let status = text(&row, "method");
        let what = if status == method { method } else { format!("{status} {method}") };
        let source = end("source_ip", "source_port").expect("an address");
        (what, source, end("destination_ip", "destination_port").expect("an address"))
    };
    sorted(captured(url).into_iter().map(step).collect())
}

/// A socket that packets and copies are sent to.
struct Collector(UdpSocket);

impl Collector {
    fn new() -> Collector {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout is set");
        Collector(socket)
    }

    fn uri(&self) -> String {
        format!("sip:{}", self.0.local_addr().expect("a bound socket"))
    }

    /// The next datagram, and who sent it.
    fn next_from(&self) -> (Vec<u8>, SocketAddr) {
        let mut buffer = vec![0; 65_535];
        let (length, sender) = receive(&self.0, &mut buffer).expect("a datagram comes");
        buffer.truncate(length);
        (buffer, sender)
    }

    fn next(&self) -> Vec<u8> {
        self.next_from().0
    }

    fn take(&self, count: usize) -> Vec<Vec<u8>> {
        (0..count).map(|_| self.next()).collect()
    }
}

/// Type and content of the chunks of a packet of version 3, read apart from the project's own decoder.
fn chunks(packet: &[u8]) -> Vec<(u16, Vec<u8>)> {
    assert_eq!(&packet[..4], b"HEP3");
    let two = |at: usize| u16::from_be_bytes([packet[at], packet[at + 1]]);
    assert_eq!(usize::from(two(4)), packet.len());
    let (mut chunks, mut at) = (Vec::new(), 6);
    while at < packet.len() {
        let end = at + usize::from(two(at + 4));
        assert_eq!(two(at), 0, "every chunk is of the first vendor");
        chunks.push((two(at + 2), packet[at + 6..end].to_vec()));
        at = end;
    }
    chunks
}

/// The text of the one chunk of this type, if there is one.
fn chunk(packet: &[u8], kind: u16) -> Option<String> {
    let found: Vec<_> = chunks(packet).into_iter().filter(|(known, _)| *known == kind).collect();
    assert!(found.len() < 2, "{kind:#x} twice");
    found.into_iter().next().map(|(_, content)| String::from_utf8_lossy(&content).into_owned())
}

/// The message that a packet carries.
const PAYLOAD: u16 = 0x0f;
/// The key that a collector may ask for.
const AUTH_KEY: u16 = 0x0e;
/// The same message, made smaller.
const COMPRESSED: u16 = 0x10;
/// What holds messages together.
const CORRELATION: u16 = 0x11;
/// The name of the agent.
const NODE_NAME: u16 = 0x13;
