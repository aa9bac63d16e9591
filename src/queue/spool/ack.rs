//! Letting go of what is done with.

use super::position::{self, Firm};
use super::{Spool, SpoolError, SyncPolicy, error};
use std::io;

impl Spool {
    /// Notes that all records below `id` are done with, durably, so that a restart hands out only what was not
    /// acknowledged, and removes the segments wholly below. An `id` beyond the next one counts as that, a lower one
    /// than before changes nothing.
    ///
    /// With a deferred position ([`Spool::defer_position`]) both come with the next [`Spool::sync_position`].
    ///
    /// After an error the mark has moved in memory, and is written together with the next one.
    pub fn ack(&mut self, id: u64) -> Result<(), SpoolError> {
        let id = id.min(self.marks.next);
        if id <= self.marks.acked {
            return Ok(());
        }
        self.marks.acked = id;
        self.reader.acked(id);
        self.settle()
    }

    /// Writes the marks down and removes what they let go of. What fails is tried again with the next call of anything
    /// that writes.
    pub(super) fn settle(&mut self) -> Result<(), SpoolError> {
        let frees = self.first_is_done();
        if frees && self.defers {
            let written = self.persist(false);
            self.position_due = true;
            if written.is_ok() {
                self.unsettled = false;
                return written;
            }
        }
        let sync = self.options.sync == SyncPolicy::Batch || (frees && self.options.sync != SyncPolicy::Off);
        let mut written = self.persist(sync);
        if frees && written.as_ref().is_err_and(|error| error::is_no_space(&error.source)) {
            self.let_go();
            written = self.persist(sync);
        }
        self.unsettled = written.is_err() || !self.let_go();
        written
    }

    /// Writes the marks down; with `sync`, they are on the disk when this returns.
    pub(super) fn persist(&mut self, sync: bool) -> Result<(), SpoolError> {
        let firm = match self.options.sync {
            _ if sync => Firm::Synced,
            SyncPolicy::Off => Firm::Unsynced,
            _ => Firm::Later,
        };
        let written = self.position.write(&*self.files, self.marks, firm);
        if firm == Firm::Later {
            self.note_unsynced();
        }
        written.map_err(|error| self.error("write", position::NAME, error))
    }

    /// Whether every record of the first segment is done with.
    pub(super) fn first_is_done(&self) -> bool {
        let end = self.segments.get(1).map_or(self.marks.next, |second| second.first());
        !self.segments.is_empty() && end <= self.marks.acked
    }

    /// Removes the segments whose records are all done with; false when one of them stays.
    pub(super) fn let_go(&mut self) -> bool {
        while self.first_is_done() {
            let name = self.segments[0].name();
            match self.files.remove(&name) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    if !std::mem::replace(&mut self.stuck, true) {
                        log::error!("{}", self.error("remove", &name, error));
                    }
                    return false;
                }
                _ => self.stuck = false,
            }
            if let Some(gone) = self.segments.pop_front() {
                self.reader.removed(gone.first());
            }
            if self.segments.is_empty() {
                self.active = None;
            }
        }
        true
    }
}
