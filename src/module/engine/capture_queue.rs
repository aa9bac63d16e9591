//! Where a process puts its captures: its lane, and what is done with each capture on the way into it.

use crate::capture::Capture;
use crate::log_limit::LogLimit;
use crate::module::engine::masked::{self, Unmaskable};
use crate::module::engine::state::StateError;
use crate::queue::counters::Produced;
use crate::queue::lane::{Lanes, NotQueued, Producer, PushError};
use crate::sip::Masks;
use log::Level;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// The lane of this process, once it has one. Whoever makes captures needs this, and nothing else of a module.
#[derive(Debug, Default)]
pub struct CaptureQueue {
    producer: Option<Producer>,
    /// What is masked in every capture.
    masks: Masks,
    drop_log: LogLimit,
    /// Room for a message whose secrets are masked.
    masked: Vec<u8>,
}

impl CaptureQueue {
    /// Has `masks` applied to every capture from now on.
    pub fn mask(&mut self, masks: Masks) {
        self.masks = masks;
    }

    /// Makes lane `index` this thread's own, and with it this process's. Attaching again to the same lane is no error,
    /// and answers false.
    pub fn attach(&mut self, lanes: &Arc<Lanes>, index: usize) -> Result<bool, StateError> {
        // One inherited over a fork, or whose lane another process has taken over since, counts for nothing.
        if let Some(producer) = self.producer.as_ref().filter(|producer| producer.is_own() && producer.belongs_here()) {
            return if producer.lane() == index { Ok(false) } else { Err(StateError::Lane(index)) };
        }
        self.producer = Some(Producer::attach(lanes, index).ok_or(StateError::Lane(index))?);
        Ok(true)
    }

    /// The producer of this very thread, or one that was handed to it: one inherited over a fork, or whose lane another
    /// thread has taken over, is not ours to use.
    pub fn producer(&self) -> Result<&Producer, StateError> {
        self.producer.as_ref().filter(|producer| producer.belongs_here()).ok_or(StateError::NotAttached)
    }

    /// Counts one of what `counter` counts.
    pub fn count(&self, counter: Produced) -> Result<(), StateError> {
        self.producer().map(|producer| producer.count(counter))
    }

    /// Queues `capture`, a message or a HEP packet, with its secrets masked. Says at a limited rate that captures are
    /// dropped, and hands the answer on.
    pub fn push(&mut self, capture: &Capture<'_>) -> Result<Result<(), PushError>, StateError> {
        if !self.masks.is_empty() && masked::write(&self.masks, capture.payload, &mut self.masked).is_err() {
            // A script may store a packet as it is; of one that nobody can read nothing is known but its length.
            self.masked.resize(capture.payload.len(), b'x');
        }
        self.push_masked(capture)
    }

    /// The same of a text that a script has made up.
    pub fn push_text(&mut self, capture: &Capture<'_>) -> Result<Result<(), PushError>, StateError> {
        if !self.masks.is_empty() {
            masked::write_text(&self.masks, capture.payload, &mut self.masked);
        }
        self.push_masked(capture)
    }

    /// The same of a HEP packet that others will read: where secrets are masked, one in which nobody can find them is
    /// refused.
    pub fn push_packet<E>(&mut self, capture: &Capture<'_>) -> Result<(), E>
    where
        E: From<Unmaskable> + From<PushError> + From<StateError>,
    {
        if !self.masks.is_empty() {
            masked::write_packet(&self.masks, capture.payload, &mut self.masked)?;
        }
        Ok(self.push_masked(capture)??)
    }

    /// Pushes `capture`, whose secrets are masked in `self.masked` where there are masks.
    fn push_masked(&mut self, capture: &Capture<'_>) -> Result<Result<(), PushError>, StateError> {
        let producer = self.producer.as_mut().ok_or(StateError::NotAttached)?;
        let payload = if self.masks.is_empty() { capture.payload } else { &self.masked };
        match producer.push(&Capture { payload, ..*capture }) {
            Ok(()) => Ok(Ok(())),
            Err(NotQueued::NotOwner) => Err(StateError::NotAttached),
            Err(NotQueued::Dropped(error)) => {
                self.drop_log.log(Level::Warn, format_args!("capture dropped: {error}"));
                Ok(Err(error))
            }
        }
    }
}

/// Microseconds since the Unix epoch.
pub fn now_us() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::Transport;
    use crate::queue::lane::Geometry;
    use std::sync::mpsc;

    fn lanes() -> Arc<Lanes> {
        let (lane_bytes, wake_bytes) = (1 << 18, 1 << 16);
        Arc::new(Lanes::map(Geometry { lanes: 2, writers: 1, sinks: 1, lane_bytes, wake_bytes }).unwrap())
    }

    /// A queue whose thread has ended, and still is the owner of lane 0.
    fn left_behind(lanes: &Arc<Lanes>) -> CaptureQueue {
        let lanes = Arc::clone(lanes);
        let attach = move || {
            let mut queue = CaptureQueue::default();
            queue.attach(&lanes, 0).unwrap();
            queue
        };
        std::thread::spawn(attach).join().unwrap()
    }

    #[test]
    fn whose_lane_was_taken_over_neither_counts_nor_pushes_any_more() {
        let lanes = lanes();
        let mut late = left_behind(&lanes);
        // The kernel wakes who joins a thread a moment before it forgets that.
        let owner = std::iter::repeat_with(|| Producer::attach(&lanes, 0)).find_map(|producer| producer).unwrap();
        assert!(matches!(late.count(Produced::CopiesFailed), Err(StateError::NotAttached)));
        assert!(late.producer().is_err());
        let endpoint = "127.0.0.1:5060".parse().unwrap();
        let capture = Capture::sip(1, endpoint, endpoint, Transport::Udp, b"x");
        assert!(matches!(late.push(&capture), Err(StateError::NotAttached)));
        owner.count(Produced::CopiesFailed);
        let totals = lanes.totals();
        assert_eq!((totals.produced(Produced::CopiesFailed), totals.captured()), (1, 0));
        // It may have another one.
        assert!(matches!(late.attach(&lanes, 0), Err(StateError::Lane(0))));
        assert!(matches!(late.attach(&lanes, 1), Ok(true)));
        late.count(Produced::CopiesFailed).unwrap();
    }

    #[test]
    fn a_queue_has_one_lane() {
        let lanes = lanes();
        let mut queue = CaptureQueue::default();
        assert!(matches!(queue.attach(&lanes, 0), Ok(true)));
        assert!(matches!(queue.attach(&lanes, 0), Ok(false)));
        assert!(matches!(queue.attach(&lanes, 1), Err(StateError::Lane(1))));
    }

    #[test]
    fn a_queue_that_is_handed_to_another_thread_belongs_to_that_one_from_its_first_count() {
        let lanes = lanes();
        let queue = left_behind(&lanes);
        let (counted, wait) = mpsc::channel();
        let (end, ended) = mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            queue.count(Produced::CopiesFailed).unwrap();
            counted.send(()).unwrap();
            let _ = ended.recv();
        });
        wait.recv().unwrap();
        // However long ago the one that attached has ended.
        assert!((0..1000).all(|_| Producer::attach(&lanes, 0).is_none()));
        drop(end);
        thread.join().unwrap();
        assert_eq!(lanes.totals().produced(Produced::CopiesFailed), 1);
    }
}
