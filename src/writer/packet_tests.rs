//! The writer before collectors: packets in order over real sockets, outages in the spool.

use super::sinks::packets::{CollectorPlan, CollectorSink, NamedCollectorSink};
use super::tests::{die_at_turn, plan};
use super::*;
use crate::capture::{Capture, RowKind, Trace, Transport};
use crate::hep::{self, Version};
use crate::queue::counters::{Committed, Totals};
use crate::queue::lane::{Consumer, Geometry, Lanes, Producer};
use crate::sink::hep::{CollectorOptions, Destination};
use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// One collector that parameters name, and those that scripts name.
pub(super) struct Bench {
    directory: tempfile::TempDir,
    spool_bytes: u64,
    /// Whether there is a spool.
    pub has_spool: bool,
    pub insert_retries: u32,
    pub table_wait: Duration,
    pub lanes: Arc<Lanes>,
    pub producer: Producer,
    collector: String,
}

pub(super) const NAMED: u8 = 1;

impl Bench {
    pub fn new(collector: String) -> Bench {
        let geometry = Geometry { lanes: 1, writers: 1, sinks: 2, lane_bytes: 1 << 20, wake_bytes: 1 << 18 };
        let lanes = Arc::new(Lanes::map(geometry).unwrap());
        let producer = Producer::attach(&lanes, 0).unwrap();
        let directory = tempfile::tempdir().unwrap();
        Bench {
            directory,
            spool_bytes: 64 << 20,
            has_spool: true,
            insert_retries: 0,
            table_wait: Duration::from_secs(60),
            lanes,
            producer,
            collector,
        }
    }

    /// A server that starts anew where this one has ended: it knows nothing but what is on the disk.
    pub fn restart(self) -> Bench {
        let Bench { directory, spool_bytes, table_wait, collector, .. } = self;
        Bench { directory, spool_bytes, table_wait, ..Bench::new(collector) }
    }

    /// Pushes packets in such portions that the lane has room for them.
    pub fn push_many(&mut self, numbers: std::ops::Range<usize>, sink: u8, uri: Option<&str>) {
        let end = numbers.end;
        for first in numbers.step_by(500) {
            self.push(first..(first + 500).min(end), sink, uri);
            self.until("nothing is queued", |totals| totals.queued() == 0);
        }
    }

    /// Directories of spools of collectors that scripts have named.
    pub fn named_spools(&self) -> Vec<std::path::PathBuf> {
        let entries = std::fs::read_dir(self.directory.path().join("spool")).unwrap().flatten();
        let named = entries.filter(|entry| entry.file_name().to_str().unwrap().starts_with("script-"));
        named.map(|entry| entry.path()).collect()
    }

    pub fn plan(&self) -> WriterPlan {
        let collectors = CollectorPlan {
            options: CollectorOptions { version: Version::V3, capture_id: 7, ..CollectorOptions::default() },
            correlation_headers: vec![b"X-Cid".to_vec()],
        };
        let destinations = vec![Destination::parse(&self.collector).unwrap()];
        let sinks = vec![
            SinkPlan::new(CollectorSink { destinations, collectors: collectors.clone() }, "duplicate_uri"),
            SinkPlan::new(NamedCollectorSink { collectors }, "duplicate_uri"),
        ];
        let place = self.directory.path().join("spool");
        let spool = SpoolPlan { directory: place, limit_bytes: self.spool_bytes, sync: SpoolSync::Off };
        WriterPlan {
            sinks,
            spool: self.has_spool.then_some(spool),
            table_wait: self.table_wait,
            insert_retries: self.insert_retries,
            ..plan(&self.directory, true)
        }
    }

    pub fn push(&mut self, numbers: std::ops::Range<usize>, sink: u8, uri: Option<&str>) {
        numbers.for_each(|number| assert!(self.try_push(number, sink, uri), "the lane is full"));
    }

    /// Whether the lane had room for this packet.
    pub fn try_push(&mut self, number: usize, sink: u8, uri: Option<&str>) -> bool {
        let nowhere: SocketAddr = "0.0.0.0:0".parse().unwrap();
        let payload = format!("OPTIONS sip:{number} SIP/2.0\r\nX-Cid: cid-{number}\r\n\r\n");
        let from = b"udp:192.0.2.1:5060";
        let trace = Trace { payload_type: 1, method: b"OPTIONS", from, to: b"tcp:192.0.2.2:5061", ..Trace::default() };
        let time_us = 1_700_000_000_000_000 + number as i64;
        let capture = Capture {
            kind: RowKind::Packet,
            trace: Some(trace),
            sink,
            table: uri.map(str::as_bytes),
            ..Capture::sip(time_us, nowhere, nowhere, Transport::UNKNOWN, payload.as_bytes())
        };
        self.producer.push(&capture).is_ok()
    }

    pub fn while_running(&mut self, act: impl FnOnce(&mut Bench)) {
        let lanes = Arc::clone(&self.lanes);
        running::while_running(&lanes, self.plan(), || act(self));
    }

    pub fn until(&self, sentence: &str, condition: impl Fn(&Totals) -> bool) {
        running::until(&self.lanes, sentence, condition);
    }
}

/// Number of the message in a packet, whose chunks must be as they were asked for.
fn number_of(packet: &[u8]) -> usize {
    let packet = hep::decode(packet).unwrap();
    let number = (packet.time_us.unwrap() - 1_700_000_000_000_000) as usize;
    assert_eq!(
        (packet.source, packet.destination),
        ("192.0.2.1:5060".parse().unwrap(), "192.0.2.2:5061".parse().unwrap())
    );
    assert_eq!((packet.ip_protocol, packet.payload_type, packet.agent_id), (6, 1, Some(7)));
    assert_eq!(packet.correlation_id, Some(format!("cid-{number}").as_bytes()));
    number
}

/// The numbers of the next `count` packets of a connection.
pub(super) fn read_packets(listener: &TcpListener, count: usize) -> Vec<usize> {
    let mut stream = accept(listener);
    (0..count).map(|_| read_packet(&mut stream)).collect()
}

pub(super) fn accept(listener: &TcpListener) -> TcpStream {
    let deadline = Instant::now() + Duration::from_secs(30);
    listener.set_nonblocking(true).unwrap();
    let stream = loop {
        match listener.accept() {
            Ok((stream, _)) => break stream,
            Err(error) => assert!(Instant::now() < deadline, "nobody connects: {error}"),
        }
        thread::sleep(Duration::from_millis(5));
    };
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

/// The number of the next packet of a connection.
pub(super) fn read_packet(stream: &mut TcpStream) -> usize {
    let mut head = [0; 6];
    stream.read_exact(&mut head).unwrap();
    let mut packet = head.to_vec();
    packet.resize(usize::from(u16::from_be_bytes([head[4], head[5]])), 0);
    stream.read_exact(&mut packet[6..]).unwrap();
    number_of(&packet)
}

/// A place where nobody listens, and its URI.
pub(super) fn closed_place() -> (SocketAddr, String) {
    let place = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    (place, format!("sip:{place};transport=tcp"))
}

#[test]
fn packets_leave_in_order_over_udp() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut bench = Bench::new(format!("sip:{}", socket.local_addr().unwrap()));
    bench.push(0..100, 0, None);
    bench.while_running(|bench| bench.until("all are sent", |totals| totals.committed(Committed::Stored) == 100));
    let mut buffer = [0; 2000];
    for number in 0..100 {
        let length = socket.recv(&mut buffer).unwrap();
        assert_eq!(number_of(&buffer[..length]), number);
    }
}

#[test]
fn at_the_end_a_collector_that_does_not_close_keeps_no_other_from_being_told() {
    let [slow, other] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let [slow_uri, other_uri] =
        [&slow, &other].map(|listener| format!("sip:{};transport=tcp", listener.local_addr().unwrap()));
    let was_told = Arc::new(AtomicBool::new(false));
    let noted = Arc::clone(&was_told);
    let (tell, stop_request) = crossbeam_channel::bounded(1);
    let slow = thread::spawn(move || {
        let (stream, _) = slow.accept().unwrap();
        stop_request.recv().unwrap();
        drop(stream);
    });
    let other = thread::spawn(move || {
        let (mut stream, _) = other.accept().unwrap();
        stream.read_to_end(&mut Vec::new()).unwrap();
        noted.store(true, Ordering::SeqCst);
        tell.send(()).unwrap();
    });
    let mut bench = Bench::new(slow_uri);
    bench.push(0..10, 0, None);
    bench.push(0..10, NAMED, Some(&other_uri));
    bench.while_running(|bench| bench.until("all are sent", |totals| totals.committed(Committed::Stored) == 20));
    assert!(was_told.load(Ordering::SeqCst), "its connection is not closed in order");
    [slow, other].into_iter().for_each(|collector| collector.join().unwrap());
}

#[test]
fn packets_of_several_processes_leave_in_the_order_of_their_times() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut bench = Bench::new(format!("sip:{};transport=tcp", listener.local_addr().unwrap()));
    // As if lanes were read one after the other; all fit into one window.
    for numbers in [30..36, 12..18, 36..48, 0..12, 18..30] {
        bench.push(numbers, 0, None);
    }
    bench.while_running(|_| assert_eq!(read_packets(&listener, 48), (0..48).collect::<Vec<_>>()));
}

#[test]
fn what_a_collector_misses_over_tcp_it_gets_in_order_when_it_is_back() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = listener.local_addr().unwrap();
    drop(listener);
    let mut bench = Bench::new(format!("sip:{place};transport=tcp"));
    bench.push(0..300, 0, None);
    bench.while_running(|bench| {
        bench.until("all are spooled", |totals| totals.spooled() == 300 && totals.queued() == 0);
        bench.push(300..400, 0, None);
        bench.until("more is spooled", |totals| totals.spooled() == 400);
        let listener = TcpListener::bind(place).unwrap();
        assert_eq!(read_packets(&listener, 400), (0..400).collect::<Vec<_>>());
        bench.until("the spool is empty", |totals| totals.spooled() == 0);
    });
    let totals = bench.lanes.totals();
    assert_eq!((totals.committed(Committed::Stored), totals.dropped()), (400, 0));
}

#[test]
fn a_collector_that_scripts_name_and_that_is_away_holds_up_no_other() {
    let (well, gone) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let uri = |listener: &TcpListener| format!("sip:{};transport=tcp", listener.local_addr().unwrap());
    let (well_uri, gone_uri, place) = (uri(&well), uri(&gone), gone.local_addr().unwrap());
    drop(gone);
    let mut bench = Bench::new("sip:127.0.0.1:9".to_owned());
    bench.push(0..10, NAMED, Some(&gone_uri));
    bench.push(10..20, NAMED, Some(&well_uri));
    bench.while_running(|bench| {
        assert_eq!(read_packets(&well, 10), (10..20).collect::<Vec<_>>());
        bench.until("the others wait", |totals| totals.spooled() == 10 && totals.queued() == 0);
        // Nor does it later, when it is known to be away.
        bench.push(20..30, NAMED, Some(&gone_uri));
        bench.until("these wait too", |totals| totals.spooled() == 20 && totals.queued() == 0);
        let third = TcpListener::bind("127.0.0.1:0").unwrap();
        bench.push(30..40, NAMED, Some(&uri(&third)));
        assert_eq!(read_packets(&third, 10), (30..40).collect::<Vec<_>>());
        bench.until("nothing is queued", |totals| totals.queued() == 0);
        assert_eq!(bench.lanes.totals().spooled(), 20);
        let back = TcpListener::bind(place).unwrap();
        assert_eq!(read_packets(&back, 20), (0..10).chain(20..30).collect::<Vec<_>>());
        bench.until("nothing is left", |totals| totals.spooled() == 0);
    });
    assert_eq!(bench.lanes.totals().dropped(), 0);
}

#[test]
fn what_names_no_collector_goes_to_the_dead_letters() {
    let mut bench = Bench::new("sip:127.0.0.1:9".to_owned());
    bench.push(0..1, NAMED, Some("tel:1"));
    bench.while_running(|bench| {
        bench.until("it is put away", |totals| totals.committed(Committed::DeadLettered) == 1);
    });
}

#[test]
fn live_packets_do_not_pass_those_that_the_replay_still_sends() {
    const LONG: usize = 30_000;
    let (place, uri) = closed_place();
    for sink in [0, NAMED] {
        let mut bench = Bench::new(uri.clone());
        bench.while_running(|bench| {
            let named = (sink == NAMED).then_some(uri.as_str());
            bench.push_many(0..LONG, sink, named);
            bench.until("all are spooled", |totals| totals.spooled() == LONG as u64);
            let listener = TcpListener::bind(place).unwrap();
            let mut stream = accept(&listener);
            let mut numbers: Vec<usize> = (0..1000).map(|_| read_packet(&mut stream)).collect();
            for first in (LONG..LONG + 500).step_by(10) {
                // What is not read yet does not fit into the connection.
                assert!(bench.lanes.totals().spooled() > 0, "the replay is over already: {:?}", bench.lanes.totals());
                bench.push(first..first + 10, sink, named);
                numbers.extend((0..100).map(|_| read_packet(&mut stream)));
            }
            while numbers.len() < LONG + 500 {
                numbers.push(read_packet(&mut stream));
            }
            assert_eq!(numbers, (0..LONG + 500).collect::<Vec<_>>());
            bench.until("the spool is empty", |totals| totals.spooled() == 0 && totals.queued() == 0);
            // From now on nothing goes to the spool any more.
            let spooled = bench.lanes.totals().committed(Committed::Spooled);
            bench.push(LONG + 500..LONG + 510, sink, named);
            assert_eq!(read_packet(&mut stream), LONG + 500);
            bench.until("these are sent", |totals| totals.committed(Committed::Stored) == LONG as u64 + 510);
            assert_eq!(bench.lanes.totals().committed(Committed::Spooled), spooled);
        });
    }
}

#[test]
fn of_collectors_that_scripts_name_each_gets_what_is_spooled_for_it_when_it_is_back_itself() {
    let [(first, first_uri), (second, second_uri)] = [closed_place(), closed_place()];
    let mut bench = Bench::new("sip:127.0.0.1:9".to_owned());
    bench.while_running(|bench| {
        for begin in (0..4000).step_by(20) {
            bench.push(begin..begin + 10, NAMED, Some(&first_uri));
            bench.push(begin + 10..begin + 20, NAMED, Some(&second_uri));
            bench.until("nothing is queued", |totals| totals.queued() == 0);
        }
        assert_eq!(bench.lanes.totals().spooled(), 4000);
        let of_second: Vec<usize> = (0..4000).filter(|number| number % 20 >= 10).collect();
        let listener = TcpListener::bind(second).unwrap();
        assert_eq!(read_packets(&listener, 2000), of_second);
        bench.until("the other's are left", |totals| totals.spooled() == 2000 && totals.queued() == 0);
        let listener = TcpListener::bind(first).unwrap();
        let of_first: Vec<usize> = (0..4000).filter(|number| number % 20 < 10).collect();
        assert_eq!(read_packets(&listener, 2000), of_first);
        bench.until("nothing is left", |totals| totals.spooled() == 0);
    });
    let totals = bench.lanes.totals();
    assert_eq!((totals.committed(Committed::Stored), totals.dropped()), (4000, 0));
    assert!(bench.named_spools().is_empty(), "{:?}", bench.named_spools());
}

#[test]
fn a_collector_that_scripts_name_and_that_hangs_holds_up_no_other() {
    const MANY: usize = 40_000;
    let [hanging, well] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let [hanging_uri, well_uri] = [&hanging, &well].map(|it| format!("sip:{};transport=tcp", it.local_addr().unwrap()));
    let mut bench = Bench::new("sip:127.0.0.1:9".to_owned());
    bench.while_running(|bench| {
        bench.push_many(0..MANY, NAMED, Some(&hanging_uri));
        bench.until("it has hung for a while", |totals| totals.spooled() > 0 && totals.queued() == 0);
        let mut stream = {
            bench.push(MANY..MANY + 10, NAMED, Some(&well_uri));
            accept(&well)
        };
        for number in MANY..MANY + 10 {
            assert_eq!(read_packet(&mut stream), number);
        }
        assert!(bench.lanes.totals().spooled() > 0);
        let mut stream = accept(&hanging);
        for number in 0..MANY {
            assert_eq!(read_packet(&mut stream), number);
        }
        bench.until("nothing is left", |totals| totals.spooled() == 0 && totals.queued() == 0);
    });
}

#[test]
fn a_server_that_starts_anew_sends_what_it_finds_before_what_comes() {
    let (place, uri) = closed_place();
    let mut bench = Bench::new(uri.clone());
    bench.push(0..300, 0, None);
    bench.push(1000..1300, NAMED, Some(&uri));
    bench.while_running(|_| {});
    assert_eq!((bench.lanes.totals().spooled(), bench.lanes.totals().queued()), (600, 0));
    assert_eq!(bench.named_spools().len(), 1);
    // As if a third writer had left them.
    let spools = std::fs::read_dir(bench.directory.path().join("spool")).unwrap().flatten();
    for spool in spools.filter(|spool| spool.path().join("0").is_dir()) {
        std::fs::rename(spool.path().join("0"), spool.path().join("2")).unwrap();
    }
    let mut next = bench.restart();
    next.push(300..400, 0, None);
    next.push(1300..1400, NAMED, Some(&uri));
    next.while_running(|next| {
        next.until("what comes is spooled too", |totals| totals.spooled() == 800 && totals.queued() == 0);
        let listener = TcpListener::bind(place).unwrap();
        let mut both = [(); 2].map(|()| {
            (0..400)
                .map({
                    let mut stream = accept(&listener);
                    move |_| read_packet(&mut stream)
                })
                .collect::<Vec<usize>>()
        });
        both.sort();
        assert_eq!(both, [(0..400).collect::<Vec<_>>(), (1000..1400).collect()]);
        next.until("nothing is left", |totals| totals.spooled() == 0);
    });
    let totals = next.lanes.totals();
    assert_eq!((totals.committed(Committed::Recovered), totals.committed(Committed::Stored)), (600, 800));
}

#[test]
fn a_writer_that_dies_at_any_turn_sends_all_packets_and_the_counters_add_up() {
    for fatal_turn in 1..=8 {
        let (place, uri) = closed_place();
        let mut bench = Bench::new(uri.clone());
        bench.push(0..400, 0, None);
        bench.push(400..800, NAMED, Some(&uri));
        let arrived = Arc::new(std::sync::Mutex::new(Vec::new()));
        for is_up in [false, true] {
            if is_up {
                serve(place, &arrived);
            }
            let consumer = Consumer::take(&bench.lanes, 0).unwrap().unwrap();
            let writer = Writer::start(consumer, 0, bench.plan(), Arc::default()).unwrap();
            die_at_turn(writer, fatal_turn);
            running::assert_balance(&bench.lanes);
        }
        bench.while_running(|bench| {
            bench.until("all is sent", |totals| totals.queued() == 0 && totals.spooled() == 0);
        });
        let is_whole = || {
            let numbers = arrived.lock().unwrap();
            let distinct: std::collections::BTreeSet<&usize> = numbers.iter().collect();
            assert!(numbers.len() <= 800 + 2 * 2 * 2 * 50, "turn {fatal_turn}: {} packets", numbers.len());
            distinct.len() == 800
        };
        let deadline = Instant::now() + Duration::from_secs(30);
        while !is_whole() {
            assert!(Instant::now() < deadline, "turn {fatal_turn}: {} packets arrive", arrived.lock().unwrap().len());
            thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(bench.lanes.totals().dropped(), 0);
    }
}

/// Notes the numbers of all packets that come to `place`, until the end of the process.
fn serve(place: SocketAddr, arrived: &Arc<std::sync::Mutex<Vec<usize>>>) {
    let (listener, arrived) = (TcpListener::bind(place).unwrap(), Arc::clone(arrived));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, arrived) = (stream.unwrap(), Arc::clone(&arrived));
            thread::spawn(move || {
                // The end of the connection comes between two packets.
                while stream.peek(&mut [0]).is_ok_and(|length| length > 0) {
                    let number = read_packet(&mut stream);
                    arrived.lock().unwrap().push(number);
                }
            });
        }
    });
}

#[test]
fn what_a_full_spool_takes_arrives_in_order_and_the_rest_is_counted() {
    let (place, uri) = closed_place();
    let mut bench = Bench::new(uri);
    bench.spool_bytes = 1 << 16;
    bench.while_running(|bench| {
        bench.push_many(0..2000, 0, None);
        let totals = bench.lanes.totals();
        let (lost, spooled) = (totals.committed(Committed::SpoolFull), totals.spooled());
        assert!(lost > 0 && spooled > 0 && lost + spooled == 2000, "{totals:?}");
        let listener = TcpListener::bind(place).unwrap();
        let numbers = read_packets(&listener, spooled as usize);
        assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
        bench.until("the spool is empty", |totals| totals.spooled() == 0);
    });
}

#[test]
fn more_collectors_than_have_threads_get_their_packets() {
    let sockets: Vec<UdpSocket> = (0..100).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
    let mut bench = Bench::new("sip:127.0.0.1:9".to_owned());
    bench.while_running(|bench| {
        for round in 0..3 {
            for (index, socket) in sockets.iter().enumerate() {
                let number = round * 100 + index;
                bench.push(number..number + 1, NAMED, Some(&format!("sip:{}", socket.local_addr().unwrap())));
            }
            let due = (round as u64 + 1) * 100;
            bench.until("all are sent", |totals| totals.committed(Committed::Stored) == due);
        }
    });
    for (index, socket) in sockets.iter().enumerate() {
        socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut buffer = [0; 2000];
        for round in 0..3 {
            let length = socket.recv(&mut buffer).unwrap();
            assert_eq!(number_of(&buffer[..length]), round * 100 + index);
        }
    }
}
