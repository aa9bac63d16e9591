//! Who waits for what it has pushed, and what wakes it.

use super::owners::{fork, kill, status_of, take_over};
use super::*;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::Timespec;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, Ordering};

/// More than any wake-up takes.
const LONG: Timespec = Timespec { tv_sec: 30, tv_nsec: 0 };
const NOT_AT_ALL: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

/// Lanes whose owners can wait.
fn lanes_with_waits(lanes: usize, writers: usize) -> Arc<Lanes> {
    let geometry = Geometry { lanes, writers, sinks: 2, lane_bytes: LANE, wake_bytes: LANE / 4 };
    Arc::new(Lanes::map(geometry).unwrap().with_waits().unwrap())
}

/// Whether `descriptor` is readable within `limit`.
fn is_readable(descriptor: BorrowedFd<'_>, limit: Timespec) -> bool {
    let mut polled = [PollFd::from_borrowed_fd(descriptor, PollFlags::IN)];
    poll(&mut polled, Some(&limit)).unwrap() == 1
}

/// How often the owner of a lane was woken since the descriptor was cleared.
fn wakes(wait: &CommitWait<'_>) -> u64 {
    let mut count = [0; 8];
    rustix::io::read(wait.descriptor(), &mut count).map_or(0, |_| u64::from_ne_bytes(count))
}

/// Reads at most `most` records and commits them.
fn commit_some(consumer: &mut Consumer, most: usize) {
    let mut left = most;
    let (read, _) = consumer.read(|_, _| {
        left -= 1;
        left > 0
    });
    let progress = consumer.progress();
    consumer.commit(&progress, &stored(read));
}

#[test]
fn a_position_is_passed_by_the_commit_and_not_by_the_read() {
    let lanes = lanes_with_waits(1, 1);
    let mut producer = Producer::attach(&lanes, 0).unwrap();
    let mut consumer = Consumer::take(&lanes, 0).unwrap().unwrap();
    assert!(
        producer.commit_wait().unwrap().has_passed(producer.commit_wait().unwrap().position()),
        "nothing is queued"
    );
    producer.push(&capture(b"x")).unwrap();
    let wait = producer.commit_wait().unwrap();
    wait.begin();
    assert!(!wait.has_passed(wait.position()));
    assert_eq!(read_all(&mut consumer).len(), 1);
    assert!(!wait.has_passed(wait.position()) && !is_readable(wait.descriptor(), NOT_AT_ALL));
    let progress = consumer.progress();
    consumer.commit(&progress, &stored(1));
    assert!(wait.has_passed(wait.position()) && is_readable(wait.descriptor(), NOT_AT_ALL));
    wait.clear();
    assert!(!is_readable(wait.descriptor(), NOT_AT_ALL));
    wait.clear();
}

#[test]
fn of_many_that_wait_in_one_lane_each_is_passed_with_its_own_record() {
    let lanes = lanes_with_waits(1, 1);
    let mut producer = Producer::attach(&lanes, 0).unwrap();
    let mut consumer = Consumer::take(&lanes, 0).unwrap().unwrap();
    let positions: Vec<u64> = (0..200)
        .map(|number: usize| {
            producer.push(&capture(&vec![b'x'; number * 7])).unwrap();
            producer.commit_wait().unwrap().position()
        })
        .collect();
    let wait = producer.commit_wait().unwrap();
    wait.begin();
    for committed in [1, 2, 50, 199, 200] {
        let passed_before = positions.iter().filter(|&&position| wait.has_passed(position)).count();
        commit_some(&mut consumer, committed - passed_before);
        let passed: Vec<bool> = positions.iter().map(|&position| wait.has_passed(position)).collect();
        assert!(passed[..committed].iter().all(|&passed| passed), "{committed} are committed");
        assert!(passed[committed..].iter().all(|&passed| !passed), "{committed} are committed");
    }
    assert_eq!(wakes(&wait), 5, "one wake-up a commit, however many wait");
}

#[test]
fn nobody_is_woken_where_nobody_waits_nor_by_a_commit_that_frees_nothing() {
    let lanes = lanes_with_waits(2, 1);
    let mut producers: Vec<_> = (0..2).map(|lane| Producer::attach(&lanes, lane).unwrap()).collect();
    let mut consumer = Consumer::take(&lanes, 0).unwrap().unwrap();
    for round in 0..3 {
        producers.iter_mut().for_each(|producer| producer.push(&capture(b"x")).unwrap());
        let [wait, other] = [0, 1].map(|lane| producers[lane].commit_wait().unwrap());
        if round == 1 {
            wait.begin()
        } else {
            wait.end()
        }
        commit_some(&mut consumer, 10);
        assert_eq!((wakes(&wait), wakes(&other)), (u64::from(round == 1), 0), "round {round}");
    }
    producers[0].commit_wait().unwrap().begin();
    producers[1].push(&capture(b"x")).unwrap();
    commit_some(&mut consumer, 10);
    consumer.commit_counters(&stored(0));
    assert_eq!(wakes(&producers[0].commit_wait().unwrap()), 0, "its own lane was empty");
}

#[test]
fn each_writer_wakes_those_whose_lanes_it_drains() {
    let lanes = lanes_with_waits(5, 2);
    let mut consumers = [0, 1].map(|writer| Consumer::take(&lanes, writer).unwrap().unwrap());
    let mut producers: Vec<_> = (0..5).map(|lane| Producer::attach(&lanes, lane).unwrap()).collect();
    for producer in &mut producers {
        producer.push(&capture(b"x")).unwrap();
        producer.commit_wait().unwrap().begin();
    }
    let woken = || producers.iter().map(|producer| wakes(&producer.commit_wait().unwrap())).collect::<Vec<_>>();
    for (writer, expected) in [(1, [0, 1, 0, 1, 0]), (0, [1, 0, 1, 0, 1])] {
        commit_some(&mut consumers[writer], 10);
        assert_eq!(woken(), expected);
    }
}

#[test]
fn what_is_given_up_is_passed_too() {
    let lanes = lanes_with_waits(1, 1);
    let mut producer = Producer::attach(&lanes, 0).unwrap();
    let mut consumer = Consumer::take(&lanes, 0).unwrap().unwrap();
    producer.push(&capture(b"x")).unwrap();
    let wait = producer.commit_wait().unwrap();
    wait.begin();
    consumer.abandon(Committed::Shutdown);
    assert!(wait.has_passed(wait.position()));
    assert_eq!(wakes(&wait), 1);
}

#[test]
fn a_writer_that_dies_before_it_wakes_has_a_successor_that_does() {
    let lanes = lanes_with_waits(1, 1);
    let mut producer = Producer::attach(&lanes, 0).unwrap();
    let mut consumer = Consumer::take(&lanes, 0).unwrap().unwrap();
    producer.push(&capture(b"x")).unwrap();
    let wait = producer.commit_wait().unwrap();
    // What a death between the commit and the wake-up leaves: all is committed, somebody waits, nobody was woken.
    commit_some(&mut consumer, 1);
    wait.begin();
    drop(consumer);
    assert_eq!(wakes(&wait), 0);
    let _successor = Consumer::take(&lanes, 0).unwrap().unwrap();
    assert!(wait.has_passed(wait.position()));
    assert_eq!(wakes(&wait), 1);
}

#[test]
fn lanes_of_owners_that_never_wait_have_no_descriptors() {
    let lanes = lanes(3, 2);
    assert!(Producer::attach(&lanes, 0).unwrap().commit_wait().is_none());
    assert_eq!(lanes.kept_open().count(), 2, "the locks of the writers");
    assert_eq!(lanes_with_waits(3, 2).kept_open().count(), 5, "a writer keeps what it wakes with");
}

#[test]
fn a_lane_whose_owner_was_killed_while_it_waited_has_no_wait_left_over_for_the_next_one() {
    let lanes = lanes_with_waits(1, 1);
    let mut consumer = Consumer::take(&lanes, 0).unwrap().unwrap();
    let waiting = fork(|| {
        let mut producer = Producer::attach(&lanes, 0).unwrap();
        (0..2).for_each(|_| producer.push(&capture(b"dead owner's")).unwrap());
        producer.commit_wait().unwrap().begin();
        lanes.count_refused();
        loop {
            std::thread::park();
        }
    });
    while lanes.totals().refused == 0 {
        std::thread::yield_now();
    }
    // It is woken, and killed before it looks.
    commit_some(&mut consumer, 1);
    kill(waiting);
    let mut producer = take_over(&lanes);
    status_of(waiting);
    assert!(!is_readable(producer.commit_wait().unwrap().descriptor(), NOT_AT_ALL));
    assert!(!producer.commit_wait().unwrap().has_passed(producer.commit_wait().unwrap().position()));
    assert_eq!(read_all(&mut consumer), [b"dead owner's"]);
    let progress = consumer.progress();
    consumer.commit(&progress, &stored(1));
    assert_eq!(wakes(&producer.commit_wait().unwrap()), 0, "the new owner does not wait");
    producer.push(&capture(b"x")).unwrap();
    let wait = producer.commit_wait().unwrap();
    wait.begin();
    commit_some(&mut consumer, 1);
    assert!(wait.has_passed(wait.position()));
    assert_eq!(wakes(&wait), 1);
}

/// The model of a wait: it always ends, and never before what is waited for is committed.
#[test]
fn however_the_steps_of_owner_and_writer_fall_no_wake_up_is_lost() {
    const ROUNDS: u64 = 100_000;
    let lanes = lanes_with_waits(1, 1);
    let mut producer = Producer::attach(&lanes, 0).unwrap();
    let (ended, mut slept) = (AtomicBool::new(false), 0);
    let fault = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut consumer = Consumer::take(&lanes, 0).unwrap().unwrap();
            while !ended.load(Ordering::Relaxed) {
                commit_some(&mut consumer, usize::MAX);
            }
        });
        let fault = (1..=ROUNDS).find_map(|round| {
            producer.push(&capture(&round.to_le_bytes())).unwrap();
            let wait = producer.commit_wait().unwrap();
            let position = wait.position();
            // The writer meets the owner at another step each time.
            (0..round % 97).for_each(|_| std::hint::spin_loop());
            wait.begin();
            while !wait.has_passed(position) {
                slept += 1;
                if !is_readable(wait.descriptor(), LONG) {
                    return Some(format!("nobody wakes the owner in round {round}"));
                }
                wait.clear();
            }
            wait.end();
            let stored = lanes.totals().committed(Committed::Stored);
            (stored != round).then(|| format!("{stored} are stored in round {round}"))
        });
        ended.store(true, Ordering::Relaxed);
        fault
    });
    assert_eq!(fault, None);
    assert!(slept > 0);
}
