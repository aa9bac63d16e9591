//! HEP packets that are not what they should be: the server goes on in each `hep_route`, and the counters say what
//! became of each packet.

use crate::common::hep::{Chunks, Observed};
use crate::common::hep_sender::HepSender;
use crate::common::kamailio::Module;
use crate::common::opensips::{ConfigBuilder, is_missing};
use crate::common::rows::{SqliteFile, count, select};
use crate::common::sip::answered_call;
use crate::common::wait::eventually;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);
/// 2025-06-15 12:00:00 UTC.
const NOON_US: u64 = 1_749_988_800_000_000;

fn observed(payload: &[u8]) -> Observed {
    let source = "192.0.2.10:5071".parse().expect("an address");
    let destination = "198.51.100.20:5072".parse().expect("an address");
    Observed::sip(source, destination, NOON_US, payload)
}

fn invite(number: u64) -> Observed {
    observed(&answered_call("bad", number)[0].text)
}

/// A SIP message that the server's parser refuses.
fn without_via() -> Vec<u8> {
    b"INVITE sip:b@example.org SIP/2.0\r\nFrom: <sip:a@example.org>;tag=1\r\nTo: <sip:b@example.org>\r\n\
      Call-ID: no-via\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
        .to_vec()
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// The server's own HEP module cannot read it and shows it to nobody.
    Unread,
    /// There is nothing in it to capture.
    Bad,
    /// It says of its payload that it is no SIP.
    Other,
    /// Its SIP is captured, though the server's parser refuses it where it is routed.
    Refused,
    /// Its SIP is captured.
    Captured,
}

/// Packets with what is wrong with them, and what becomes of them.
fn packets() -> Vec<(Fate, Vec<u8>)> {
    let whole = invite(1);
    let sip = &whole.payload;
    let no_via = observed(&without_via());
    let no_sip = observed(b"\x80\xc8\x00\x06 no SIP");
    let empty = observed(b"");
    let v3 = Chunks::new;
    vec![
        (Fate::Refused, no_via.v1()),
        (Fate::Refused, no_via.v2()),
        (Fate::Refused, no_via.v3()),
        (Fate::Refused, no_sip.v1()),
        (Fate::Refused, no_sip.v2()),
        (Fate::Refused, no_sip.v3()),
        (Fate::Refused, observed(b"SIP/2.0 200 OK\r\n\r\n").v3()),
        (Fate::Unread, empty.v1()),
        (Fate::Bad, empty.v2()),
        (Fate::Bad, empty.v3()),
        // Without a family, addresses, ports, a time, an agent, a transport or a type.
        (Fate::Captured, v3().chunk(15, sip).packet()),
        (Fate::Other, v3().chunk(1, &[2]).chunk(11, &[5]).chunk(15, sip).packet()),
        (Fate::Captured, v3().chunk(3, &[1; 4]).chunk(4, &[2; 4]).chunk(11, &[1]).chunk(15, sip).packet()),
        (Fate::Captured, v3().chunk(1, &[77]).chunk(11, &[1]).chunk(15, sip).packet()),
        (Fate::Unread, v3().chunk(1, &[]).chunk(7, &[1]).chunk(9, &[1]).chunk(15, sip).packet()),
        (Fate::Unread, v3().chunk(1, &[2]).chunk(2, &[17]).packet()),
        (Fate::Unread, v3().packet()),
        (Fate::Unread, b"HEP3\x00\x00".to_vec()),
        // Cut in the header, in the addresses, in the time of version 2, in a chunk.
        (Fate::Unread, whole.v1()[..5].to_vec()),
        (Fate::Unread, whole.v1()[..13].to_vec()),
        (Fate::Unread, whole.v2()[..7].to_vec()),
        (Fate::Unread, whole.v2()[..14].to_vec()),
        (Fate::Bad, whole.v2()[..20].to_vec()),
        (Fate::Unread, whole.v3()[..40].to_vec()),
    ]
}

/// Sends each of the packets 20 times, and a good one behind them; asserts that the server is whole, and that the
/// counters say what became of each. `expected` gives captures, bad packets, those of another type and those refused by
/// the server's parser, for numbers of packets by fate.
fn flood(route: &str, expected: impl Fn(&dyn Fn(Fate) -> u64) -> [u64; 4]) {
    const TIMES: usize = 20;
    if is_missing() {
        return;
    }
    let file = SqliteFile::new();
    let node = ConfigBuilder::capture_node(Module::Ours, file.url()).param("hep_route", route);
    let mut server = node.route("route[look]", "sip_capture(); report_capture(\"x\"); hep_resume_sip();").start();
    let processes = server.processes();
    let packets = packets();
    let sender = HepSender::to(server.hep_address());
    sender.send_paced(1_000, (0..TIMES).flat_map(|_| packets.iter().map(|(_, packet)| packet)));
    sender.send(&invite(99).v3());
    let times = u64::try_from(TIMES).expect("a small number");
    let of = |fate: Fate| {
        let sent = packets.iter().filter(|(known, _)| *known == fate).map(|_| times).sum::<u64>();
        sent + u64::from(fate == Fate::Captured)
    };
    let seen: u64 = [Fate::Bad, Fate::Other, Fate::Refused, Fate::Captured].map(of).iter().sum();
    let [captured, bad, other, refused] = expected(&of);
    let wanted = [
        ("hep_packets", seen),
        ("hep_bad", bad),
        ("hep_other_type", other),
        ("hep_refused", refused),
        ("captured", captured),
        ("stored", captured),
        ("dropped", 0),
    ];
    let counted = || wanted.map(|(name, _)| (name, server.statistic(name)));
    let agreed = eventually(PATIENCE, || counted() == wanted);
    assert!(agreed, "{:?} in place of {wanted:?}\n{}", counted(), server.log());
    let good = "SELECT id FROM sip_capture WHERE callid = 'call-0000000099@bad.example.org'";
    assert!(select(file.url(), good).is_ok_and(|rows| !rows.is_empty()), "the good packet is not stored");
    assert_eq!(count(file.url(), "sip_capture") + count(file.url(), "rtcp_capture"), captured);
    assert_eq!(server.processes(), processes, "a process was replaced");
    server.assert_serving();
    assert!(server.stop().success());
}

#[test]
fn packets_that_are_captured_and_go_no_further_cannot_harm_the_server() {
    flood("none", |of| [of(Fate::Refused) + of(Fate::Captured), of(Fate::Bad), of(Fate::Other), 0]);
}

#[test]
fn packets_whose_sip_is_routed_cannot_harm_the_server() {
    flood("sip", |of| [of(Fate::Refused) + of(Fate::Captured), of(Fate::Bad), of(Fate::Other), of(Fate::Refused)]);
}

/// That route captures each packet twice, and makes a report of one without a message too. What the server routes then
/// is captured once more.
#[test]
fn packets_that_a_route_looks_at_cannot_harm_the_server() {
    flood("look", |of| {
        let with_message = of(Fate::Refused) + of(Fate::Captured) + of(Fate::Other);
        let routed = of(Fate::Captured) + of(Fate::Other);
        [2 * with_message + of(Fate::Bad) + routed, of(Fate::Bad), 0, 0]
    });
}
