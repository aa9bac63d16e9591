//! The traffic of the parity test: HEP packets, each from a source port of its own, by which its row is found again.

use crate::common::hep::{Observed, TCP, TLS, UDP};
use crate::common::sip::answered_call;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

/// 2025-06-15 12:00:00 UTC, the time of the first packet; each later one is 1.000001 s after the one before.
const FIRST_TIME_US: u64 = 1_749_988_800_000_000;

/// One packet and what is known of it.
#[derive(Clone, Debug)]
pub struct Sent {
    /// What it is, for people and for the list of differences: `v3 ipv6 tls call INVITE`, `awkward folded_via`.
    pub name: String,
    /// HEP version.
    pub version: u8,
    /// The source port that no other packet has.
    pub port: u16,
    /// What it shows.
    pub observed: Observed,
    /// The datagram.
    pub packet: Vec<u8>,
    /// The table that its row belongs to.
    pub table: &'static str,
}

/// The tables that the traffic fills.
pub const TABLES: [&str; 4] = ["sip_capture", "rtcp_capture", "report_capture", "logs_capture"];

/// Everything, in the order in which it is sent. The last packet is a plain one whose row tells that all are through.
pub fn traffic() -> Vec<Sent> {
    let mut traffic = Traffic { sent: Vec::new() };
    for version in [1, 2, 3] {
        for (family, source, destination) in
            [("ipv4", "192.0.2.10", "198.51.100.20"), ("ipv6", "2001:db8::10", "2001:db8:ffff::20")]
        {
            for (transport, protocol) in [("udp", UDP), ("tcp", TCP), ("tls", TLS)] {
                traffic.add_call(version, &format!("{family} {transport}"), protocol, source, destination);
            }
        }
    }
    traffic.add_reports();
    traffic.add_awkward();
    traffic.add(3, "sentinel".to_owned(), |_| ());
    traffic.sent
}

struct Traffic {
    sent: Vec<Sent>,
}

impl Traffic {
    fn add(&mut self, version: u8, name: String, shape: impl FnOnce(&mut Observed)) {
        let index = u16::try_from(self.sent.len()).expect("fewer packets than ports");
        let port = 10_000 + index;
        let time_us = FIRST_TIME_US + u64::from(index) * 1_000_001;
        let source = SocketAddr::new(IpAddr::from([192, 0, 2, 10]), port);
        let destination = SocketAddr::from(([198, 51, 100, 20], 5060));
        let plain = &answered_call("parity-plain", u64::from(index))[0].text;
        let mut observed = Observed::sip(source, destination, time_us, plain);
        shape(&mut observed);
        observed.source.set_port(port);
        let packet = match version {
            1 => observed.v1(),
            2 => observed.v2(),
            _ => observed.v3(),
        };
        let table = match observed.payload_type {
            5 => "rtcp_capture",
            32 | 99 => "report_capture",
            100 => "logs_capture",
            _ => "sip_capture",
        };
        self.sent.push(Sent { name, version, port, observed, packet, table });
    }

    fn add_call(&mut self, version: u8, what: &str, protocol: u8, source: &str, destination: &str) {
        let [source, destination]: [IpAddr; 2] = [source, destination].map(|text| text.parse().expect("an address"));
        for (step, message) in answered_call(&format!("parity-v{version}"), self.sent.len() as u64).iter().enumerate() {
            let first_line = message.text.split(|byte| *byte == b'\r').next().unwrap_or_default();
            let words = String::from_utf8_lossy(first_line).replace("SIP/2.0 ", "");
            let what = format!("v{version} {what} call {}", words.split(' ').next().unwrap_or_default());
            self.add(version, what, |observed| {
                let (from, to) = if message.from_caller { (source, destination) } else { (destination, source) };
                observed.source = SocketAddr::new(from, 0);
                observed.destination = SocketAddr::new(to, 5060);
                observed.protocol = protocol;
                observed.payload = message.text.clone();
                // Some messages with and some without a correlation id, so that one that leaks would be seen.
                observed.correlation =
                    (step % 2 == 0).then(|| format!("it's \"correlated\" \\{step}@parity").into_bytes());
            });
        }
    }

    fn add_reports(&mut self) {
        let bodies: [(&str, u8, &str); 4] = [
            (
                "rtcp",
                5,
                r#"{"type":200,"ssrc":3735928559,"report_blocks":[{"fraction_lost":3,"ia_jitter":17}],"note":"it's \\"}"#,
            ),
            ("quality report", 32, r#"{"CORRELATION_ID":"x","RTP_SIP_CALL_ID":"x","MOS":4.3,"quote":"it's \\"}"#),
            ("rtp report", 99, "plain text, not JSON: it's \"quoted\" and \\escaped"),
            ("log", 100, "2025-06-15 12:00:00 NOTICE: <script>: it's \"quoted\" and \\escaped\\ \t tabbed"),
        ];
        for (what, payload_type, body) in bodies {
            for (family, source, destination) in
                [("ipv4", "192.0.2.10", "198.51.100.20"), ("ipv6", "2001:db8::10", "2001:db8:ffff::20")]
            {
                for (transport, protocol) in [("udp", UDP), ("tcp", TCP)] {
                    self.add(3, format!("{what} {family} {transport}"), |observed| {
                        observed.source = SocketAddr::new(source.parse().expect("an address"), 0);
                        observed.destination = SocketAddr::new(destination.parse().expect("an address"), 5005);
                        observed.protocol = protocol;
                        observed.payload_type = payload_type;
                        observed.correlation = Some(format!("it's the \"{what}\" \\ call@parity").into_bytes());
                        observed.payload = body.as_bytes().to_vec();
                    });
                }
            }
        }
    }

    fn add_awkward(&mut self) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/awkward");
        let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let mut paths: Vec<_> = entries.map(|entry| entry.expect("the folder lists").path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "sip"));
        paths.sort();
        assert!(paths.len() >= 150, "{} holds only {} messages", folder.display(), paths.len());
        for path in paths {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let message = fs::read(&path).expect("the message is readable");
            self.add(3, format!("awkward {name}"), |observed| observed.payload = message);
        }
    }
}
