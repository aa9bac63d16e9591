//! Lanes: rings with bytes that no producer of ours would leave, and any order of pushing, reading, committing and
//! dying.

use super::{lies_in, record};
use sipcapture_core::capture::record::decode;
use sipcapture_core::capture::{Capture, Transport};
use sipcapture_core::queue::counters::{COMMITTED, Committed};
use sipcapture_core::queue::lane::{Consumer, Geometry, Lanes, Producer, PushError, Rest, split_record};
use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

const RING: usize = 1 << 18;
/// Steps that are taken of one input: enough to fill the ring twice over, few enough to try many inputs a second.
const MOST_STEPS: usize = 64;
/// Bytes that a record has beyond its payload, at most: its header, its form's fixed part and addresses, padding.
const OVERHEAD: usize = 72;

/// The first byte chooses: a ring's stretch of the bytes that follow, or three bytes a step on a real lane.
pub fn run(bytes: &[u8]) {
    match bytes.split_first() {
        Some((0, ring)) => walk(ring),
        Some((_, steps)) => Model::new().run(steps),
        None => {}
    }
}

/// Walks over a stretch of a ring as the consumer does. Positions in a ring are multiples of 8.
fn walk(ring: &[u8]) {
    let mut rest = &ring[..ring.len() - ring.len() % 8];
    while let Some((whole, _, form)) = split_record(rest) {
        assert!(whole > 0 && whole.is_multiple_of(8) && whole <= rest.len(), "every record leads to the next one");
        assert!(lies_in(form, &rest[..whole]));
        record::run(form);
        rest = &rest[whole..];
    }
}

/// A real lane, and the queue that it should be.
struct Model {
    lanes: Arc<Lanes>,
    producer: Producer,
    consumer: Option<Consumer>,
    queued: VecDeque<(u8, usize)>,
    read: VecDeque<(u8, usize)>,
    pushed: u64,
    full: u64,
    stored: u64,
    lost: u64,
}

impl Model {
    fn new() -> Model {
        let geometry = Geometry { lanes: 1, writers: 1, sinks: 1, lane_bytes: RING, wake_bytes: RING / 4 };
        let lanes = Arc::new(Lanes::map(geometry).expect("a region of 256 KiB is mapped"));
        let producer = Producer::attach(&lanes, 0).expect("a new lane is free");
        Model {
            lanes,
            producer,
            consumer: None,
            queued: VecDeque::new(),
            read: VecDeque::new(),
            pushed: 0,
            full: 0,
            stored: 0,
            lost: 0,
        }
    }

    fn run(mut self, steps: &[u8]) {
        for (number, step) in steps.chunks_exact(3).take(MOST_STEPS).enumerate() {
            let size = usize::from(u16::from_le_bytes([step[1], step[2]]));
            match step[0] % 8 {
                0..4 => self.push(number as u8, size),
                4 | 5 => self.read(size % 16 + 1),
                6 => self.commit(),
                _ if size % 16 == 0 => self.abandon(),
                _ => self.die(),
            }
            self.adds_up();
        }
    }

    fn push(&mut self, mark: u8, size: usize) {
        let payload = vec![mark; size];
        let endpoint = SocketAddr::from((Ipv4Addr::LOCALHOST, 5060));
        match self.producer.push(&Capture::sip(1, endpoint, endpoint, Transport::Udp, &payload)) {
            Ok(()) => {
                self.pushed += 1;
                self.queued.push_back((mark, size));
            }
            Err(error) => {
                assert_eq!(error, PushError::Full.into(), "nothing here is larger than a datagram");
                self.full += 1;
                let held: usize = self.read.iter().chain(&self.queued).map(|(_, size)| size + OVERHEAD).sum();
                // What would straddle the ring's end starts at its beginning, so less than one largest record may be
                // wasted.
                assert!(
                    held + 2 * (size + OVERHEAD) > RING || held + size + OVERHEAD + 65_536 > RING,
                    "{held} bytes held"
                );
            }
        }
    }

    fn consumer(&mut self) -> &mut Consumer {
        let lanes = &self.lanes;
        self.consumer
            .get_or_insert_with(|| Consumer::take(lanes, 0).expect("a lock is asked for").expect("nobody else reads"))
    }

    fn read(&mut self, most: usize) {
        let mut seen = Vec::new();
        let (count, corrupt) = self.consumer().read(|form, _| {
            let payload = decode(form).expect("what was pushed is a record").payload;
            let mark = payload.first().copied();
            assert_eq!(payload.last().copied(), mark);
            seen.push((mark, payload.len()));
            seen.len() < most
        });
        assert_eq!((count, corrupt), (seen.len() as u64, 0));
        for (mark, size) in seen {
            let expected = self.queued.pop_front().expect("nothing comes out that was not pushed");
            assert_eq!((mark.unwrap_or(expected.0), size), expected, "captures come out in order");
            self.read.push_back(expected);
        }
    }

    fn commit(&mut self) {
        let mut counters = [0; COMMITTED];
        counters[Committed::Stored as usize] = self.read.len() as u64;
        let consumer = self.consumer();
        let progress = consumer.progress();
        consumer.commit(&progress, &counters);
        self.stored += self.read.len() as u64;
        self.read.clear();
    }

    fn abandon(&mut self) {
        let lost = self.consumer().abandon(Committed::Corrupt);
        assert_eq!(lost, (self.read.len() + self.queued.len()) as u64);
        self.lost += lost;
        self.read.clear();
        self.queued.clear();
        assert_eq!(self.consumer().rest(), Rest::default());
    }

    /// A consumer that dies leaves what it had not committed to the next one.
    fn die(&mut self) {
        self.consumer = None;
        while let Some(read) = self.read.pop_back() {
            self.queued.push_front(read);
        }
    }

    fn adds_up(&self) {
        let totals = self.lanes.totals();
        assert_eq!(totals.captured(), self.pushed + self.full);
        assert_eq!(totals.committed(Committed::Stored), self.stored);
        assert_eq!(totals.queued(), (self.read.len() + self.queued.len()) as u64);
        assert_eq!(totals.dropped(), self.full + self.lost);
    }
}
