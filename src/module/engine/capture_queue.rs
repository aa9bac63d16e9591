//! Where a process puts its captures: its lane, and what is done with each capture on the way into it.

use crate::capture::Capture;
use crate::log_limit::LogLimit;
use crate::module::engine::masked;
use crate::module::engine::state::StateError;
use crate::queue::counters::Produced;
use crate::queue::lane::{Lanes, Producer, PushError};
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
        if let Some(producer) = self.producer.as_mut().filter(|producer| producer.is_own()) {
            if producer.lane() != index {
                return Err(StateError::Lane(index));
            }
            if producer.adopt() {
                return Ok(false);
            }
        }
        self.producer = Some(Producer::attach(lanes, index).ok_or(StateError::Lane(index))?);
        Ok(true)
    }

    /// The producer of this very process: one inherited over a fork is not ours to use.
    pub fn producer(&self) -> Result<&Producer, StateError> {
        self.producer.as_ref().filter(|producer| producer.is_own()).ok_or(StateError::NotAttached)
    }

    /// Counts one of what `counter` counts.
    pub fn count(&self, counter: Produced) -> Result<(), StateError> {
        self.producer().map(|producer| producer.count(counter))
    }

    /// Queues `capture`, a message or a HEP packet, with its secrets masked. Says at a limited rate that captures are
    /// dropped, and hands the answer on.
    pub fn push(&mut self, capture: &Capture<'_>) -> Result<Result<(), PushError>, StateError> {
        self.push_masked(capture, |masks, bytes, out| {
            if masked::write(masks, bytes, out).is_err() {
                // A script may store a packet as it is; of one that nobody can read nothing is known but its length.
                out.resize(bytes.len(), b'x');
            }
        })
    }

    /// The same of a text that a script has made up.
    pub fn push_text(&mut self, capture: &Capture<'_>) -> Result<Result<(), PushError>, StateError> {
        self.push_masked(capture, masked::write_text)
    }

    fn push_masked(
        &mut self,
        capture: &Capture<'_>,
        write: impl FnOnce(&Masks, &[u8], &mut Vec<u8>),
    ) -> Result<Result<(), PushError>, StateError> {
        let producer = self.producer.as_mut().filter(|producer| producer.is_own()).ok_or(StateError::NotAttached)?;
        let pushed = if self.masks.is_empty() {
            producer.push(capture)
        } else {
            write(&self.masks, capture.payload, &mut self.masked);
            producer.push(&Capture { payload: &self.masked, ..*capture })
        };
        if pushed == Err(PushError::NotOwner) {
            return Err(StateError::NotAttached);
        }
        if let Err(error) = pushed {
            self.drop_log.log(Level::Warn, format_args!("capture dropped: {error}"));
        }
        Ok(pushed)
    }
}

/// Microseconds since the Unix epoch.
pub fn now_us() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64)
}
