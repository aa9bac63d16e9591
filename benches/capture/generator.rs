//! Messages of whole calls, in HEP packets or plain, cheaply: seven are built once, and only digits and times are
//! patched in.

use crate::common::hep::Observed;
use crate::common::sip::answered_call;
use std::net::{SocketAddr, UdpSocket};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

/// The call number that the templates are built with; every place where its digits stand is patched.
const PLACEHOLDER: u64 = 9_999_999_999;

/// A stream of calls to one server.
pub struct Generator {
    socket: UdpSocket,
    templates: Vec<Template>,
    sent: u64,
}

struct Template {
    packet: Vec<u8>,
    /// Where the ten digits of the call's number stand.
    digits: Vec<usize>,
    /// Where the seconds of a packet's capture time stand; the microseconds follow 10 bytes later, behind a chunk
    /// header.
    seconds: Option<usize>,
}

impl Generator {
    /// A stream of HEP packets to the node at `address`; the Call-IDs of one `prefix` are never repeated by one
    /// generator.
    pub fn new(address: SocketAddr, prefix: &str) -> Generator {
        let caller = SocketAddr::from(([192, 0, 2, 10], 5060));
        let callee = SocketAddr::from(([198, 51, 100, 20], 5060));
        let template = |message: crate::common::sip::CallMessage| {
            let (source, destination) = if message.from_caller { (caller, callee) } else { (callee, caller) };
            let observed = Observed::sip(source, destination, 0, &message.text);
            Template::of_packet(Observed { correlation: Some(b"correlated-9999999999".to_vec()), ..observed }.v3())
        };
        Generator::to(address, answered_call(prefix, PLACEHOLDER).into_iter().map(template).collect())
    }

    /// The same as plain SIP to the proxy at `address`.
    pub fn plain(address: SocketAddr, prefix: &str) -> Generator {
        let templates = answered_call(prefix, PLACEHOLDER).into_iter().map(|message| Template::of(message.text));
        Generator::to(address, templates.collect())
    }

    fn to(address: SocketAddr, templates: Vec<Template>) -> Generator {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        socket.connect(address).expect("a loopback address connects");
        Generator { socket, templates, sent: 0 }
    }

    /// Sends `count` packets, `rate` a second, evenly; the answer is how long it took.
    pub fn send(&mut self, rate: f64, count: u64) -> Duration {
        let start = Instant::now();
        for index in 0..count {
            let due = start + Duration::from_secs_f64(index as f64 / rate);
            if let Some(ahead) = due.checked_duration_since(Instant::now()) {
                sleep(ahead.max(Duration::from_micros(500)));
            }
            self.send_one();
        }
        start.elapsed()
    }

    /// Sends the next packet now.
    pub fn send_one(&mut self) {
        let messages = self.templates.len() as u64;
        let index = usize::try_from(self.sent % messages).expect("seven messages");
        let template = &mut self.templates[index];
        template.patch(self.sent / messages);
        self.socket.send(&template.packet).expect("loopback takes a datagram");
        self.sent += 1;
    }
}

impl Template {
    fn of_packet(packet: Vec<u8>) -> Template {
        let header = [0, 0, 0, 9, 0, 10];
        let seconds = packet.windows(6).position(|window| window == header).expect("a chunk of seconds") + 6;
        Template { seconds: Some(seconds), ..Template::of(packet) }
    }

    fn of(packet: Vec<u8>) -> Template {
        let marker = PLACEHOLDER.to_string();
        let digits = packet.windows(marker.len()).enumerate();
        let digits = digits.filter(|(_, window)| *window == marker.as_bytes()).map(|(at, _)| at).collect();
        Template { packet, digits, seconds: None }
    }

    fn patch(&mut self, call: u64) {
        let number = format!("{call:010}");
        for at in &self.digits {
            self.packet[*at..at + number.len()].copy_from_slice(number.as_bytes());
        }
        let Some(at) = self.seconds else { return };
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("the clock is past 1970");
        let seconds = u32::try_from(now.as_secs()).expect("before 2106");
        self.packet[at..at + 4].copy_from_slice(&seconds.to_be_bytes());
        self.packet[at + 10..at + 14].copy_from_slice(&now.subsec_micros().to_be_bytes());
    }
}
