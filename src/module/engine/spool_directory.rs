//! Where the spool is: found from the parameters, prepared for the user that the server runs as, and locked against a
//! second server.

use crate::module::engine::common_settings::CommonSettings;
use crate::module::engine::default_places;
use crate::module::engine::state::{MapError, Pause};
use crate::module::parameter::ParameterError;
use crate::owned_directory::{OwnedDirectory, Owner, PRIVATE};
use crate::queue::spool::{DirectoryLock, LockError};
use crate::sink::DatabaseUrl;
use crate::writer::{WriterPlan, spools};
use rustix::fs::Access;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Time beyond `shutdown_timeout` that a server which ends may need to let go of the spool.
const LETTING_GO: Duration = Duration::from_secs(5);
/// How often a spool that another server uses is tried again.
const RETRY: Duration = Duration::from_millis(20);

/// The lock on the spool, and the process that took it: children inherit both.
#[derive(Debug)]
pub(in crate::module) struct SpoolLock {
    lock: DirectoryLock,
    process: u32,
}

impl SpoolLock {
    /// The lock's file, which whoever writes keeps open.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.lock.as_fd()
    }
}

/// The directory of the spool of one module.
#[derive(Debug, Default)]
pub struct SpoolDirectory {
    /// Whether the operator named it.
    is_named: bool,
    lock: Option<SpoolLock>,
}

impl SpoolDirectory {
    /// Finds the spool's directory, `beside` unless parameters name one, and makes it, owned by `owner`. A directory
    /// that the operator named and that will not do stops the start; without the one that nobody named, captures that a
    /// sink cannot take wait in their lanes.
    pub(in crate::module) fn prepare(
        &mut self,
        common: &mut CommonSettings,
        beside: PathBuf,
        owner: Owner,
    ) -> Result<(), ParameterError> {
        self.is_named = common.spool_dir.is_some();
        let directory = common.spool_dir.clone().unwrap_or(beside);
        if directory.as_os_str().is_empty() {
            return Ok(());
        }
        let made = OwnedDirectory::make(&directory, PRIVATE).and_then(|made| made.give(owner));
        common.spool_dir = Some(directory.clone());
        self.judge(common, &directory, made.map_err(|error| error.to_string()))
    }

    /// Sees, as the user that the server runs as by now, that the spool can be written, and locks it. `plan` tells
    /// which spools in it belong to a sink.
    pub(in crate::module) fn take(
        &mut self,
        common: &mut CommonSettings,
        plan: &WriterPlan,
        pause: Pause<'_>,
    ) -> Result<(), MapError> {
        let Some(spool) = common.spool() else { return Ok(()) };
        // The lock first: as long as an earlier server ends, files come and go.
        let taken = self.take_lock(common, &spool.directory, pause)?;
        let taken = taken.and_then(|lock| check_writable(&spool.directory).map(|()| lock).map_err(|e| e.to_string()));
        match taken {
            Ok(lock) => self.lock = Some(SpoolLock { lock, process: std::process::id() }),
            Err(why) => return Ok(self.judge(common, &spool.directory, Err(why))?),
        }
        for place in spools::unclaimed(plan, &spool) {
            log::warn!(
                "the spool in {} belongs to no db_url of this configuration: what it holds stays there until one does",
                place.display()
            );
        }
        Ok(())
    }

    /// Locks `directory`, or says why not. While another server has it, that is said at once, and waited for as
    /// long as it may take to end, unless this server is told to end meanwhile.
    fn take_lock(
        &self,
        common: &CommonSettings,
        directory: &Path,
        pause: Pause<'_>,
    ) -> Result<Result<DirectoryLock, String>, MapError> {
        let longest_wait = common.shutdown_timeout.longest() + LETTING_GO;
        let (started, mut is_said, mut is_ended) = (Instant::now(), false, false);
        let taken = DirectoryLock::take(directory, |held| {
            let is_own = matches!(held, LockError::Held { holder: Some(holder), .. } if holder.is_this_process());
            if is_own || started.elapsed() >= longest_wait {
                return false;
            }
            if !is_said {
                let then = if self.is_named { "the start fails" } else { "there is no spool" };
                log::warn!(
                    "parameter {}: {held}. Waiting up to {} s for it to end, or until this server is told to end; then {then}",
                    common.aliases.name("spool_dir"),
                    longest_wait.as_secs()
                );
                is_said = true;
            }
            is_ended = pause(RETRY);
            !is_ended
        });
        if is_ended {
            return Err(MapError::Ended(directory.display().to_string()));
        }
        if is_said && taken.is_ok() {
            log::info!("the spool directory {} is this server's now", directory.display());
        }
        Ok(taken.map_err(|error| error.to_string()))
    }

    /// The lock's file, once it is taken.
    pub(in crate::module) fn kept_open(&self) -> Option<BorrowedFd<'_>> {
        self.lock.as_ref().map(SpoolLock::as_fd)
    }

    /// A child that does not write keeps the lock for nobody.
    pub(in crate::module) fn let_go(&mut self) {
        if self.lock.as_ref().is_some_and(|held| held.process != std::process::id()) {
            self.lock = None;
        }
    }

    /// What a directory that will not do means.
    fn judge(
        &self,
        common: &mut CommonSettings,
        directory: &Path,
        outcome: Result<(), String>,
    ) -> Result<(), ParameterError> {
        let Err(why) = outcome else { return Ok(()) };
        let error = ParameterError::Spool {
            name: common.aliases.name("spool_dir"),
            path: directory.display().to_string(),
            why,
        };
        if self.is_named {
            return Err(error);
        }
        log::warn!("{error}. Until then there is no spool: captures wait in shared memory while a database is away");
        common.spool_dir = Some(PathBuf::new());
        Ok(())
    }
}

/// The spool's place when nobody names one: `name` beside the embedded database.
pub(in crate::module) fn beside(database: &DatabaseUrl, name: &str) -> PathBuf {
    database.sqlite_path().and_then(Path::parent).unwrap_or(Path::new(default_places::DIRECTORY)).join(name)
}

/// Sees that all below `place` can be read and written. What an operator's tool takes away meanwhile need not be.
fn check_writable(place: &Path) -> io::Result<()> {
    let named = |path: &Path, error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let access = |path: &Path, access| rustix::fs::access(path, access).map_err(|error| named(path, error.into()));
    access(place, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK)?;
    for entry in std::fs::read_dir(place).map_err(|error| named(place, error))? {
        let entry = entry?;
        let checked = entry.file_type().and_then(|kind| match kind {
            kind if kind.is_dir() => check_writable(&entry.path()),
            kind if kind.is_file() => access(&entry.path(), Access::READ_OK | Access::WRITE_OK),
            _ => Ok(()),
        });
        checked.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
