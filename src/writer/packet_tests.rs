//! The writer before collectors: packets in order over real sockets, outages in the spool.

use super::tests::plan;
use super::*;
use crate::capture::{Capture, RowKind, Trace, Transport};
use crate::hep::{self, Version};
use crate::queue::lane::{Geometry, Producer, Totals};
use crate::sink::SinkOptions;
use crate::sink::hep::{CollectorOptions, Destination};
use std::io::Read;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::thread;

/// One collector that parameters name, and those that scripts name.
struct Bench {
    directory: tempfile::TempDir,
    lanes: Arc<Lanes>,
    producer: Producer,
    collector: String,
}

const NAMED: u8 = 1;

impl Bench {
    fn new(collector: String) -> Bench {
        let geometry = Geometry { lanes: 1, writers: 1, sinks: 2, lane_bytes: 1 << 20, wake_bytes: 1 << 18 };
        let lanes = Arc::new(Lanes::map(geometry).unwrap());
        let producer = Producer::attach(&lanes, 0).unwrap();
        Bench { directory: tempfile::tempdir().unwrap(), lanes, producer, collector }
    }

    fn plan(&self) -> Plan {
        let collectors = CollectorPlan {
            options: CollectorOptions { version: Version::V3, capture_id: 7, ..CollectorOptions::default() },
            correlation_headers: vec![b"X-Cid".to_vec()],
        };
        let sink = |target| SinkPlan { target, options: SinkOptions::default(), link: None };
        let destination = Destination::parse(&self.collector).unwrap();
        let sinks = vec![
            sink(Target::Collectors(vec![destination], collectors.clone())),
            sink(Target::NamedCollectors(collectors)),
        ];
        let place = self.directory.path().join("spool");
        let spool = Some(SpoolPlan { directory: place, limit_bytes: 64 << 20, sync: SpoolSync::Off });
        Plan { sinks, spool, table_patience: Duration::from_secs(60), ..plan(&self.directory, true) }
    }

    fn push(&mut self, numbers: std::ops::Range<usize>, sink: u8, uri: Option<&str>) {
        let nowhere: SocketAddr = "0.0.0.0:0".parse().unwrap();
        for number in numbers {
            let payload = format!("OPTIONS sip:{number} SIP/2.0\r\nX-Cid: cid-{number}\r\n\r\n");
            let from = b"udp:192.0.2.1:5060";
            let trace =
                Trace { payload_type: 1, method: b"OPTIONS", from, to: b"tcp:192.0.2.2:5061", ..Trace::default() };
            let capture = Capture {
                kind: RowKind::Packet,
                trace: Some(trace),
                sink,
                table: uri.map(str::as_bytes),
                ..Capture::sip(
                    1_700_000_000_000_000 + number as i64,
                    nowhere,
                    nowhere,
                    Transport::None,
                    payload.as_bytes(),
                )
            };
            self.producer.push(&capture).unwrap();
        }
    }

    fn while_running(&mut self, act: impl FnOnce(&mut Bench)) {
        let stop = Arc::new(AtomicBool::new(false));
        let consumer = Consumer::take(&self.lanes, 0).unwrap().unwrap();
        let (plan, stopped) = (self.plan(), Arc::clone(&stop));
        let writer = thread::spawn(move || Writer::start(consumer, 0, plan, stopped).unwrap().run(&mut || {}).unwrap());
        act(self);
        stop.store(true, Ordering::Relaxed);
        self.lanes.wake(0);
        writer.join().unwrap();
    }

    fn until(&self, sentence: &str, condition: impl Fn(&Totals) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !condition(&self.lanes.totals()) {
            assert!(Instant::now() < deadline, "not in time: {sentence}: {:?}", self.lanes.totals());
            thread::sleep(Duration::from_millis(5));
        }
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
fn read_packets(listener: &TcpListener, count: usize) -> Vec<usize> {
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut numbers = Vec::new();
    while numbers.len() < count {
        let mut head = [0; 6];
        stream.read_exact(&mut head).unwrap();
        let mut packet = head.to_vec();
        packet.resize(usize::from(u16::from_be_bytes([head[4], head[5]])), 0);
        stream.read_exact(&mut packet[6..]).unwrap();
        numbers.push(number_of(&packet));
    }
    numbers
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
        let mut numbers = read_packets(&back, 20);
        numbers.sort_unstable();
        assert_eq!(numbers, (0..10).chain(20..30).collect::<Vec<_>>());
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
