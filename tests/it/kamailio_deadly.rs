//! The six ways in which one HEP packet ends or misleads the stock module. Each packet goes to the distribution's
//! module first, which shows that it does the harm it is known for; ours counts it, keeps all its processes and stores
//! the packet behind it.

use crate::common::hep::{Chunks, Observed};
use crate::common::hep_sender::HepSender;
use crate::common::kamailio::{ConfigBuilder, Module};
use crate::common::release::release;
use crate::common::rows::{SqliteFile, StoredRow, execute, select, text};
use crate::common::sip::{answered_call, call_id};
use crate::common::wait::within;
use crate::kamailio_parity::tables::Engine;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(15);
/// 2025-06-15 12:00:00 UTC.
const NOON_US: u64 = 1_749_988_800_000_000;

fn invite(number: u64) -> Observed {
    let source = "192.0.2.10:5071".parse().expect("an address");
    let destination = "198.51.100.20:5072".parse().expect("an address");
    Observed::sip(source, destination, NOON_US, &answered_call("deadly", number)[0].text)
}

/// What became of a server.
#[derive(Debug)]
struct Fate {
    /// Whether one of its processes died, and the server with it.
    died: bool,
    /// Rows of SIP messages, the one of the good packet behind the others left out.
    messages: Vec<StoredRow>,
    /// Rows of log lines.
    logs: Vec<StoredRow>,
    /// How many packets our module could not use.
    bad: u64,
}

/// Sends packets, and a good one behind them, to a server with one worker.
fn fate(module: Module, packets: &[Vec<u8>]) -> Fate {
    let file = SqliteFile::new();
    execute(file.url(), &Engine::Sqlite.schema());
    let rows = |table: &str| select(file.url(), &format!("SELECT * FROM {table}")).expect("the table is there");
    let mut server = ConfigBuilder::capture_node(module, file.url()).children(1).start();
    let processes: Vec<i32> = server.processes().into_iter().map(|(pid, _)| pid).collect();
    let sender = HepSender::to(server.address());
    packets.iter().for_each(|packet| sender.send(packet));
    let last = call_id("deadly", 99);
    let is_last = |row: &StoredRow| text(row, "callid") == last;
    within(PATIENCE, "the server has ended, or stored the good packet", || {
        // One that dies loses what is sent meanwhile; one that does not may store it more than once.
        server.ended().is_some() || {
            sender.send(&invite(99).v3());
            rows("sip_capture").iter().any(is_last)
        }
    });
    let died = server.ended().is_some();
    let mut bad = 0;
    if module == Module::Ours {
        server.assert_serving();
        let now: Vec<i32> = server.processes().into_iter().map(|(pid, _)| pid).collect();
        assert_eq!(now, processes, "a process was replaced");
        within(PATIENCE, "everything is stored", || server.statistic("queued") == 0);
        bad = server.statistic("hep_bad");
    }
    let messages = rows("sip_capture").into_iter().filter(|row| !is_last(row)).collect();
    Fate { died, messages, logs: rows("logs_capture"), bad }
}

/// Sends packets to the stock module and asserts that they do the harm that is known of them.
///
/// The module loses a row when SQLite is busy, as it is while a test reads: what is not seen at once is looked for
/// again.
fn assert_harm(packets: &[Vec<u8>], harm: impl Fn(&Fate) -> bool) {
    let mut fates = Vec::new();
    while fates.len() < 5 && !fates.last().is_some_and(&harm) {
        fates.push(fate(Module::Stock, packets));
    }
    assert!(fates.last().is_some_and(&harm), "the stock module takes no harm: {fates:?}");
}

/// The chunks of a packet in the order of their numbers, without those of `left_out`, up to the payload.
fn chunks(family: u8, payload_type: u8, left_out: u16) -> Chunks {
    let all: [(u16, &[u8]); 10] = [
        (1, &[family]),
        (2, &[17]),
        (3, &[192, 0, 2, 10]),
        (4, &[198, 51, 100, 20]),
        (7, &[0x13, 0xc4]),
        (8, &[0x13, 0xc4]),
        (9, &[0x68, 0, 0, 0]),
        (10, &[0, 0, 0, 1]),
        (11, &[payload_type]),
        (12, &[0, 0, 0, 1]),
    ];
    let kept = all.iter().filter(|(kind, _)| *kind != left_out);
    kept.fold(Chunks::new(), |chunks, (kind, value)| chunks.chunk(*kind, value))
}

/// Asserts that a packet ends the stock server and is no more than counted by ours.
fn assert_deadly(packet: Vec<u8>) {
    assert_harm(std::slice::from_ref(&packet), |stock| stock.died);
    let ours = fate(Module::Ours, &vec![packet; 5]);
    assert_eq!((ours.messages.len(), ours.bad), (0, 5), "{ours:?}");
}

#[test]
fn a_packet_without_an_ip_protocol_leaves_the_server_serving() {
    assert_deadly(chunks(2, 1, 2).chunk(17, b"id").chunk(15, &invite(1).payload).packet());
}

#[test]
fn a_packet_without_a_payload_type_leaves_the_server_serving() {
    assert_deadly(chunks(2, 1, 11).chunk(17, b"id").chunk(15, &invite(1).payload).packet());
}

#[test]
fn a_log_line_that_says_one_family_and_has_addresses_of_the_other_leaves_the_server_serving() {
    let packet = chunks(10, 100, 0).chunk(17, b"id").chunk(15, b"a log line").packet();
    assert_harm(std::slice::from_ref(&packet), |stock| stock.died);
    // Its addresses are as good as any: the family is theirs.
    let ours = fate(Module::Ours, &vec![packet; 5]);
    assert_eq!((ours.logs.len(), ours.bad), (5, 0), "{ours:?}");
    assert_eq!((text(&ours.logs[0], "family"), text(&ours.logs[0], "source_ip")), ("2".into(), "192.0.2.10".into()));
}

#[test]
fn a_version_2_header_that_is_cut_in_its_time_reads_nothing_behind_it() {
    let whole = invite(1).v2();
    let packets = [whole.clone(), whole[..20].to_vec()];
    // What the buffer holds of the packet before is stored as if it had come again.
    assert_harm(&packets, |stock| stock.died || stock.messages.len() == 2);
    let ours = fate(Module::Ours, &packets);
    assert_eq!((ours.messages.len(), ours.bad), (1, 1), "{ours:?}");
}

#[test]
fn a_chunk_that_is_longer_than_its_packet_or_shorter_than_its_own_header_reads_nothing_behind_it() {
    let payload = invite(1).payload;
    let mut long = chunks(2, 1, 0).chunk(17, b"id").chunk(15, &payload).packet();
    let length_at = long.len() - payload.len() - 2;
    long[4..6].copy_from_slice(&[0xff, 0xff]);
    long[length_at..length_at + 2].copy_from_slice(&[0xff, 0xff]);
    let is_longer = |row: &StoredRow| row["msg"].as_ref().is_some_and(|message| message.len() > long.len());
    // What lies behind the packet decides whether the read ends in a row or in the death of the process.
    let is_harmed = release() < (6, 1, 4);
    if is_harmed {
        assert_harm(std::slice::from_ref(&long), |stock| stock.died || stock.messages.iter().any(is_longer));
    }
    let mut short = chunks(2, 1, 0).chunk(17, b"id").chunk(15, &payload).packet();
    short[length_at..length_at + 2].copy_from_slice(&[0, 5]);
    let total = u16::try_from(length_at + 1).expect("a small packet").to_be_bytes();
    short[4..6].copy_from_slice(&total);
    if is_harmed {
        assert_harm(std::slice::from_ref(&short), |stock| stock.died || stock.messages.len() == 1);
    }
    let ours = fate(Module::Ours, &[long, short]);
    assert_eq!((ours.messages.len(), ours.bad), (0, 2), "{ours:?}");
}

#[test]
fn a_correlation_id_in_the_last_chunk_ends_with_its_chunk() {
    let mut packet = chunks(2, 100, 0).chunk(15, b"a log line").chunk(17, b"the-id").packet();
    packet.extend(b"-and-what-follows");
    let runs_on = |row: &StoredRow| text(row, "correlation_id") == "the-id-and-what-follows";
    assert_harm(std::slice::from_ref(&packet), |stock| stock.logs.iter().any(runs_on));
    let ours = fate(Module::Ours, std::slice::from_ref(&packet));
    assert_eq!(text(&ours.logs[0], "correlation_id"), "the-id");
    assert_eq!((ours.logs.len(), ours.bad), (1, 0), "{ours:?}");
}
