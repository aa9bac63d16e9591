//! The ring against a small model, and the rules of the module's comment one by one.

mod owners;
mod waits;

use super::*;
use crate::capture::{Capture, Transport, record};
use crate::queue::counters::{COMMITTED, Committed, Produced};
use proptest::prelude::*;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

const LANE: usize = 1 << 18;

fn lanes(lanes: usize, writers: usize) -> Arc<Lanes> {
    Arc::new(Lanes::map(Geometry { lanes, writers, sinks: 2, lane_bytes: LANE, wake_bytes: LANE / 4 }).unwrap())
}

fn capture(payload: &[u8]) -> Capture<'_> {
    let endpoint = "127.0.0.1:5060".parse().unwrap();
    Capture::sip(1, endpoint, endpoint, Transport::Udp, payload)
}

fn read_all(consumer: &mut Consumer) -> Vec<Vec<u8>> {
    let mut payloads = Vec::new();
    consumer.read(|bytes, _| {
        payloads.push(record::decode(bytes).unwrap().payload.to_vec());
        true
    });
    payloads
}

fn stored(records: u64) -> [u64; COMMITTED] {
    let mut counters = [0; COMMITTED];
    counters[Committed::Stored as usize] = records;
    counters
}

/// What a test does to a lane in one step.
#[derive(Clone, Debug)]
enum Step {
    Push(usize),
    Read(usize),
    Commit,
    Crash,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0usize..60_000).prop_map(Step::Push),
        3 => (1usize..8).prop_map(Step::Read),
        2 => Just(Step::Commit),
        1 => Just(Step::Crash),
    ];
    prop::collection::vec(step, 1..200)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// A queue of payloads is the model: what is pushed comes out once, in order, and a consumer that dies hands what
    /// it had not committed to its successor.
    #[test]
    fn a_lane_behaves_like_a_queue_with_commits(steps in steps()) {
        let lanes = lanes(1, 1);
        let mut producer = Producer::attach(&lanes, 0).unwrap();
        let mut consumer = Consumer::take(&lanes, 0).unwrap().unwrap();
        let (mut queued, mut read): (VecDeque<Vec<u8>>, VecDeque<Vec<u8>>) = Default::default();
        let (mut pushed, mut full, mut committed) = (0u64, 0u64, 0u64);
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Push(len) => {
                    let payload = vec![number as u8; len];
                    match producer.push(&capture(&payload)) {
                        Ok(()) => {
                            pushed += 1;
                            queued.push_back(payload);
                        }
                        Err(error) => {
                            prop_assert_eq!(error, PushError::Full.into());
                            full += 1;
                            let held: usize = queued.iter().chain(&read).map(|payload| payload.len() + 64).sum();
                            prop_assert!(held + len + 64 + 60_100 > LANE, "refused with {held} bytes in the ring");
                        }
                    }
                }
                Step::Read(most) => {
                    let mut left = most;
                    consumer.read(|bytes, _| {
                        let payload = record::decode(bytes).unwrap().payload.to_vec();
                        assert_eq!(Some(&payload), queued.front());
                        read.push_back(queued.pop_front().unwrap());
                        left -= 1;
                        left > 0
                    });
                }
                Step::Commit => {
                    let progress = consumer.progress();
                    consumer.commit(&progress, &stored(read.len() as u64));
                    committed += read.len() as u64;
                    read.clear();
                }
                Step::Crash => {
                    drop(consumer);
                    consumer = Consumer::take(&lanes, 0).unwrap().unwrap();
                    while let Some(payload) = read.pop_back() {
                        queued.push_front(payload);
                    }
                }
            }
            let totals = lanes.totals();
            prop_assert_eq!(totals.captured(), pushed + full);
            prop_assert_eq!(totals.committed(Committed::Stored), committed);
            let known = totals.committed(Committed::Stored) + totals.dropped() + totals.queued();
            prop_assert_eq!(totals.captured(), known);
        }
    }
}

#[test]
fn a_full_lane_drops_and_counts() {
    let lanes = lanes(1, 1);
    let mut producer = Producer::attach(&lanes, 0).unwrap();
    let payload = vec![b'x'; 1000];
    let accepted = (0..1000).take_while(|_| producer.push(&capture(&payload)).is_ok()).count() as u64;
    assert!(accepted > 200 && accepted < 262, "{accepted} records of about 1050 bytes fit into 256 KiB");
    assert_eq!(producer.push(&capture(&payload)), Err(PushError::Full.into()));
    let totals = lanes.totals();
    assert_eq!(totals.produced(Produced::DroppedFull), 2);
    assert_eq!((totals.captured(), totals.queued(), totals.dropped()), (accepted + 2, accepted, 2));
}

#[test]
fn room_comes_back_with_the_commit_and_not_with_the_read() {
    let lanes = lanes(1, 1);
    let mut producer = Producer::attach(&lanes, 0).unwrap();
    let mut consumer = Consumer::take(&lanes, 0).unwrap().unwrap();
    let payload = vec![b'x'; 50_000];
    while producer.push(&capture(&payload)).is_ok() {}
    let read = read_all(&mut consumer).len() as u64;
    assert_eq!(producer.push(&capture(&payload)), Err(PushError::Full.into()));
    let progress = consumer.progress();
    consumer.commit(&progress, &stored(read));
    assert_eq!(producer.push(&capture(&payload)), Ok(()));
    assert_eq!(read_all(&mut consumer), [payload]);
}

#[test]
fn a_capture_beyond_the_limit_is_refused_and_counted() {
    let lanes = lanes(1, 1);
    let mut producer = Producer::attach(&lanes, 0).unwrap();
    let payload = vec![0; record::MAX_PAYLOAD + 1];
    assert_eq!(producer.push(&capture(&payload)), Err(PushError::TooLarge.into()));
    assert_eq!(lanes.totals().produced(Produced::DroppedTooLarge), 1);
    assert_eq!(lanes.totals().captured(), lanes.totals().dropped());
}

#[test]
fn a_capture_finds_room_in_an_empty_lane_wherever_the_last_one_ended_or_is_too_large() {
    for len in [LANE / 2 - 100, LANE / 2] {
        let lanes = lanes(1, 1);
        let mut producer = Producer::attach(&lanes, 0).unwrap();
        let mut consumer = Consumer::take(&lanes, 0).unwrap().unwrap();
        let payload = vec![b'x'; len];
        for _ in 0..5 {
            let expected = if len < LANE / 2 { Ok(()) } else { Err(PushError::TooLarge.into()) };
            assert_eq!(producer.push(&capture(&payload)), expected);
            // The lane is emptied with its head at any place.
            producer.push(&capture(&[b'y'; 1000])).unwrap();
            let read = read_all(&mut consumer).len() as u64;
            let progress = consumer.progress();
            consumer.commit(&progress, &stored(read));
        }
    }
}

#[test]
fn lanes_are_shared_out_among_writers() {
    let lanes = lanes(5, 2);
    for lane in 0..5 {
        Producer::attach(&lanes, lane).unwrap().push(&capture(&[lane as u8])).unwrap();
    }
    let mut even = Consumer::take(&lanes, 0).unwrap().unwrap();
    let mut odd = Consumer::take(&lanes, 1).unwrap().unwrap();
    assert_eq!(read_all(&mut even), [[0], [2], [4]]);
    assert_eq!(read_all(&mut odd), [[1], [3]]);
}

#[test]
fn a_busy_lane_does_not_keep_the_others_waiting() {
    let lanes = lanes(2, 1);
    let mut producers: Vec<_> = (0..2).map(|lane| Producer::attach(&lanes, lane).unwrap()).collect();
    for _ in 0..10 {
        producers[0].push(&capture(b"busy")).unwrap();
    }
    producers[1].push(&capture(b"quiet")).unwrap();
    let mut consumer = Consumer::take(&lanes, 0).unwrap().unwrap();
    let mut turns = Vec::new();
    for _ in 0..2 {
        let mut left = 3;
        consumer.read(|bytes, _| {
            turns.push(record::decode(bytes).unwrap().payload.to_vec());
            left -= 1;
            left > 0
        });
    }
    assert!(turns.contains(&b"quiet".to_vec()), "{turns:?}");
}

#[test]
fn a_lane_and_a_writer_have_one_owner() {
    let lanes = lanes(1, 1);
    let producer = Producer::attach(&lanes, 0).unwrap();
    assert!(Producer::attach(&lanes, 0).is_none());
    assert!(Producer::attach(&lanes, 1).is_none());
    assert!(producer.is_own());
    let consumer = Consumer::take(&lanes, 0).unwrap();
    assert!(consumer.is_some());
    assert!(Consumer::take(&lanes, 0).unwrap().is_none());
    drop(consumer);
    assert!(Consumer::take(&lanes, 0).unwrap().is_some());
}

#[test]
fn abandoned_captures_are_counted() {
    let lanes = lanes(1, 1);
    let mut producer = Producer::attach(&lanes, 0).unwrap();
    let mut consumer = Consumer::take(&lanes, 0).unwrap().unwrap();
    for _ in 0..7 {
        producer.push(&capture(b"x")).unwrap();
    }
    let mut left = 3;
    consumer.read(|_, _| {
        left -= 1;
        left > 0
    });
    let progress = consumer.progress();
    consumer.commit(&progress, &stored(3));
    assert_eq!(consumer.abandon(Committed::Shutdown), 4);
    let totals = lanes.totals();
    assert_eq!((totals.captured(), totals.dropped(), totals.queued()), (7, 4, 0));
}

#[test]
fn a_push_wakes_an_idle_consumer() {
    let lanes = lanes(1, 1);
    let consumer = Consumer::take(&lanes, 0).unwrap().unwrap();
    let mut producer = Producer::attach(&lanes, 0).unwrap();
    let woken = std::thread::spawn(move || {
        while consumer.rest().records == 0 {
            consumer.wait(Wait::Idle, Duration::from_secs(600), || false);
        }
    });
    std::thread::sleep(Duration::from_millis(20));
    producer.push(&capture(b"x")).unwrap();
    woken.join().unwrap();
}

#[test]
fn the_longest_time_of_an_end_counts_and_from_its_first_moment() {
    let lanes = lanes(1, 1);
    assert_eq!(lanes.shutdown_left(), None);
    lanes.begin_shutdown(Duration::ZERO);
    assert_eq!(lanes.shutdown_left(), Some(Duration::ZERO));
    let began = lanes.header().shutdown_began.load(Ordering::Relaxed);
    lanes.begin_shutdown(Duration::from_secs(600));
    lanes.begin_shutdown(Duration::from_secs(1));
    let left = lanes.shutdown_left().unwrap();
    assert!(left > Duration::from_secs(1) && left <= Duration::from_secs(600), "{left:?}");
    assert_eq!(lanes.header().shutdown_began.load(Ordering::Relaxed), began);
}

#[test]
fn impossible_sizes_are_refused() {
    let good = Geometry { lanes: 1, writers: 1, sinks: 1, lane_bytes: LANE, wake_bytes: 1 };
    for bad in [
        Geometry { lanes: 0, ..good },
        Geometry { writers: 0, sinks: 1, ..good },
        Geometry { lane_bytes: 4096, ..good },
        Geometry { lane_bytes: LANE + 8, ..good },
    ] {
        assert!(Lanes::map(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn the_last_error_of_a_sink_is_cut_at_a_character() {
    let lanes = lanes(1, 1);
    assert_eq!(lanes.sink_state(0, 0), SinkState::default());
    lanes.sink_is_down(0, 0, &"ü".repeat(150));
    let state = lanes.sink_state(0, 0);
    assert_eq!((state.up, state.errors, state.last_error), (Some(false), 1, "ü".repeat(96)));
    lanes.sink_is_up(0, 0);
    assert_eq!(lanes.sink_state(0, 0).up, Some(true));
}
