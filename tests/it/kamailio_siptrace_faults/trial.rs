//! One trial: traffic in calm, a fault of the collector, its end, and then the books: messages sent, arrived, lost,
//! doubled.

use crate::common::hep_collector::{self, Heard};
use crate::common::kamailio::{ConfigBuilder, Kamailio, Module};
use crate::common::wait::within;
use crate::kamailio_spool::traffic::Traffic;
use crate::kamailio_spool::trial::{
    BATCH, PATIENCE, Stored, assert_all_captured, assert_few_dropped, calm_time, fault_time, report,
};
use sipcapture_core::hep::{Packet, Payload};
use std::net::SocketAddr;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// What both kernels keep of a connection at most, bytes; of ours doc/siptrace.md says so.
const KEPT: u64 = 512 * 1024;

/// A proxy of one worker that answers pings to the user `ping`, traces everything else to the collector, and has no
/// database.
pub fn agent(collector: &str) -> ConfigBuilder {
    answering(collector, "sip_trace();")
}

/// The same without a word of the script: the host's core is traced, but for pings and their answers.
pub fn agent_of_the_core(collector: &str) -> ConfigBuilder {
    let agent = answering(collector, "").param("siptrace", "trace_mode", 1);
    agent.route("event_route[siptrace:msg]", r#"if ($rm == "OPTIONS") { drop; }"#)
}

fn answering(collector: &str, trace: &str) -> ConfigBuilder {
    let script = format!(r#"if ($rU == "ping") {{ sl_send_reply("200", "Alive"); exit; }} {trace} exit;"#);
    let agent = ConfigBuilder::new().children(1).load("tm.so").load_agent(Module::Ours);
    let agent = agent.param("siptrace", "duplicate_uri", collector).param("siptrace", "trace_on", 1);
    let agent = agent.param("siptrace", "hep_mode_on", 1).param("siptrace", "hep_version", 3);
    agent.param("siptrace", "trace_to_database", 0).route("request_route", &script)
}

/// The traffic: pings, and 2,000 MESSAGE requests a second.
pub fn load(server: SocketAddr) -> Traffic {
    Traffic::start_of(server, (0..).map(message))
}

fn message(number: u64) -> Vec<u8> {
    let text = "of no importance ".repeat(20);
    format!(
        "MESSAGE sip:callee@example.org SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK-{number}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:caller@example.org>;tag=from{number}\r\nTo: <sip:callee@example.org>\r\n\
             Call-ID: fault-{number}@example.org\r\nCSeq: {number} MESSAGE\r\nContent-Type: text/plain\r\n\
             Content-Length: {length}\r\n\r\n{text}",
        length = text.len()
    )
    .into_bytes()
}

/// A collector of these messages, by their numbers.
type Collector = hep_collector::Collector<u64>;

impl Heard for u64 {
    fn of(packet: &Packet<'_>) -> u64 {
        let Payload::Plain(message) = packet.payload else { panic!("nobody has asked for compression") };
        number_of(message)
    }
}

/// Number of a message, from 0.
fn number_of(message: &[u8]) -> u64 {
    let text = std::str::from_utf8(message).expect("ASCII");
    let number = text.lines().find_map(|line| line.strip_prefix("CSeq: ")?.strip_suffix(" MESSAGE"));
    number.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("no message of ours: {text}"))
}

/// Waits until the server has taken all `sent` messages that the kernel has not dropped, and asserts that the counters
/// add up at this quiet moment; the answer is the number of captures. Pings that wait for an answer may be among what
/// the kernel has dropped.
pub fn await_taken(server: &Kamailio, sent: u64) -> u64 {
    within(PATIENCE, &format!("{sent} messages are captured, or dropped by the kernel"), || {
        let drops = server.kernel_drops();
        (sent - drops..=sent).contains(&server.statistics_of("siptrace")["captured"])
    });
    let mut before = server.statistics_of("siptrace");
    within(PATIENCE, "the counters come to rest", || {
        sleep(Duration::from_millis(100));
        let now = server.statistics_of("siptrace");
        let moving = ["captured", "stored", "spooled", "queued"].iter().any(|name| now[*name] != before[*name]);
        before = now;
        !moving
    });
    server.assert_balance_of("siptrace");
    before["captured"]
}

/// Waits until nothing is queued or spooled, and asserts that the counters add up.
fn await_empty(server: &Kamailio) {
    within(PATIENCE, "nothing is queued or spooled", || {
        let statistics = server.statistics_of("siptrace");
        statistics["queued"] == 0 && statistics["spooled"] == 0
    });
    server.assert_balance_of("siptrace");
}

/// A fault of a collector over TCP or TLS, from its begin to its end.
pub struct Trial {
    name: String,
    agent: ConfigBuilder,
    begins_well: bool,
    loses_what_was_taken: bool,
}

impl Trial {
    /// A fault that begins while nothing is on its way.
    pub fn of(fault: &str, agent: ConfigBuilder) -> Trial {
        Trial { name: format!("collector: {fault}"), agent, begins_well: true, loses_what_was_taken: false }
    }

    /// The collector is away until the end of the fault.
    pub fn away_from_the_start(mut self) -> Trial {
        self.begins_well = false;
        self
    }

    /// The collector's end takes along what kernels had taken for it: what counted as sent in the fault, and of one
    /// batch what was being sent.
    pub fn may_lose_what_was_taken(mut self) -> Trial {
        self.loses_what_was_taken = true;
        self
    }

    /// Runs it. In the middle of the fault `is_felt` comes to hold, while no message comes.
    pub fn run(
        self,
        mut collector: Collector,
        begin: impl FnOnce(&mut Collector),
        is_felt: impl Fn(&Kamailio) -> bool,
        end: impl FnOnce(&mut Collector),
    ) -> Kamailio {
        let mut server = self.agent.start();
        let traffic = load(server.address());
        let mut stored_before = 0;
        if self.begins_well {
            sleep(calm_time());
            let begun_at = traffic.hold();
            let captured = await_taken(&server, begun_at);
            await_empty(&server);
            collector.await_arrived(captured);
            stored_before = captured;
            begin(&mut collector);
            traffic.go_on();
        }
        let (in_calm, begun) = (server.kernel_drops(), Instant::now());
        traffic.note_fault(true);
        sleep(fault_time() / 2);
        // The kernel takes a few megabytes for a collector that does not read, and more only while more comes.
        within(PATIENCE, "something is spooled", || server.statistics_of("siptrace")["spooled"] > 0);
        let held_at = traffic.hold();
        await_taken(&server, held_at);
        within(PATIENCE, "the fault is felt", || is_felt(&server));
        server.assert_balance_of("siptrace");
        traffic.go_on();
        sleep(fault_time() / 2);
        traffic.note_fault(false);
        let (in_fault, lasted) = (server.kernel_drops() - in_calm, begun.elapsed());
        let ended_at = traffic.hold();
        await_taken(&server, ended_at);
        let taken = server.statistics_of("siptrace")["stored"] - stored_before;
        let kept = collector.connections() * KEPT / message(0).len() as u64;
        let lost_at_most = if self.loses_what_was_taken { kept.min(taken + BATCH) } else { 0 };
        let stored_in_fault = stored_before + taken;
        end(&mut collector);
        traffic.go_on();
        // Messages come while the spooled ones are sent, and after that.
        within(PATIENCE, "the collector is sent something", || {
            server.statistics_of("siptrace")["stored"] > stored_in_fault
        });
        sleep(calm_time());
        let (sent, pings) = traffic.end();
        let captured = await_taken(&server, sent);
        await_empty(&server);
        collector.await_arrived(captured - lost_at_most);
        collector.await_rest();
        let arrived = collector.arrived();
        let statistics = server.statistics_of("siptrace");
        let stored = Stored::of(&arrived);
        let lost = report(&self.name, sent, captured, stored, statistics["dropped"], &pings);
        assert!(lost <= lost_at_most, "{lost} lost, {lost_at_most} at most possible: {statistics:?}\n{}", server.log());
        let losses = (stored.doubled(), statistics["dropped"], statistics["dead_lettered"]);
        assert_eq!(losses, (0, 0, 0), "{statistics:?}\n{}", server.log());
        assert_eq!((statistics["stored"], statistics["port_unreachable"]), (captured, 0), "{statistics:?}");
        assert_in_order(&arrived);
        assert_all_captured(&server, sent, captured, &pings);
        assert_few_dropped(in_calm, in_fault, lasted);
        server.assert_serving();
        server
    }
}

/// Asserts that messages arrive in the order in which they were sent, before, in and after the fault, and none twice:
/// of the spooled ones and those that come while these are sent, too.
fn assert_in_order(arrived: &[u64]) {
    if let Some(pair) = arrived.windows(2).find(|pair| pair[0] >= pair[1]) {
        panic!("message {} arrives before message {}", pair[0], pair[1]);
    }
}
