//! Where the spool is: found from the parameters, prepared for the user that the server runs as, and locked against a second server.

use super::capture_node::CaptureNode;
use super::settings::{ParameterError, Settings};
use crate::queue::spool::DirectoryLock;
use crate::writer::spools;
use rustix::fs::Access;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Place of the spool when no embedded database tells another.
const DEFAULT: &str = "/var/lib/sipcapture/spool";
/// Time beyond `shutdown_timeout` that a server which ends may need to let go of the spool.
const LETTING_GO: Duration = Duration::from_secs(5);

/// The lock on the spool, and the process that took it: children inherit both.
#[derive(Debug)]
pub(super) struct SpoolLock {
    lock: DirectoryLock,
    process: u32,
}

impl CaptureNode {
    /// Finds the spool's directory and makes it, owned by `owner`. A directory that the operator named and that will not do stops the
    /// start; without the one that nobody named, captures that a database cannot take wait in their lanes.
    pub(super) fn prepare_spool(&mut self, owner: (Option<u32>, Option<u32>)) -> Result<(), ParameterError> {
        let named = self.settings.spool_dir.clone();
        let directory = named.clone().unwrap_or_else(|| default_directory(&self.settings));
        if directory.as_os_str().is_empty() {
            return Ok(());
        }
        let made = make_owned(&directory, owner);
        self.spool_is_named = named.is_some();
        self.settings.spool_dir = Some(directory.clone());
        self.judge(&directory, made.map_err(|error| error.to_string()))
    }

    /// Sees, as the user that the server runs as by now, that the spool can be written, and locks it.
    pub(super) fn take_spool(&mut self) -> Result<(), ParameterError> {
        let Some(plan) = self.settings.plan().spool else { return Ok(()) };
        let checked = check_writable(&plan.directory);
        self.judge(&plan.directory, checked.map_err(|error| error.to_string()))?;
        if self.settings.plan().spool.is_none() {
            return Ok(());
        }
        let patience = self.settings.shutdown_timeout + LETTING_GO;
        match DirectoryLock::take(&plan.directory, patience) {
            Ok(lock) => self.spool_lock = Some(SpoolLock { lock, process: std::process::id() }),
            Err(error) => self.judge(&plan.directory, Err(error.to_string()))?,
        }
        for place in spools::unclaimed(&self.settings.plan(), &plan) {
            log::warn!(
                "the spool in {} belongs to no db_url of this configuration: what it holds stays there until one does",
                place.display()
            );
        }
        Ok(())
    }

    /// A child that does not write keeps the lock for nobody.
    pub(super) fn let_go_of_spool(&mut self) {
        if self.spool_lock.as_ref().is_some_and(|held| held.process != std::process::id()) {
            self.spool_lock = None;
        }
    }

    /// File descriptors that a writer must keep open.
    pub fn kept_open(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let lanes = self.lanes().map(|lanes| lanes.kept_open());
        let links = self.host_links.iter().map(|(_, link)| link.as_fd());
        lanes.into_iter().flatten().chain(self.spool_lock.as_ref().map(|held| held.lock.as_fd())).chain(links)
    }

    /// What a directory that will not do means.
    fn judge(&mut self, directory: &Path, outcome: Result<(), String>) -> Result<(), ParameterError> {
        let Err(why) = outcome else { return Ok(()) };
        let error = ParameterError::Spool { path: directory.display().to_string(), why };
        if self.spool_is_named {
            return Err(error);
        }
        log::warn!("{error}. Until then there is no spool: captures wait in shared memory while a database is away");
        self.settings.spool_dir = Some(PathBuf::new());
        Ok(())
    }
}

/// Beside the embedded database.
fn default_directory(settings: &Settings) -> PathBuf {
    let database = settings.db_url.sqlite_path().and_then(Path::parent);
    database.map_or_else(|| PathBuf::from(DEFAULT), |parent| parent.join("spool"))
}

/// Makes `directory` and what is missing above it, for `owner`.
fn make_owned(directory: &Path, owner: (Option<u32>, Option<u32>)) -> io::Result<()> {
    let missing: Vec<&Path> =
        directory.ancestors().take_while(|path| !path.as_os_str().is_empty() && !path.exists()).collect();
    std::fs::create_dir_all(directory)?;
    missing.into_iter().try_for_each(|path| std::os::unix::fs::chown(path, owner.0, owner.1))
}

/// Sees that all below `place` can be read and written.
fn check_writable(place: &Path) -> io::Result<()> {
    let named = |path: &Path, error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let access = |path: &Path, access| rustix::fs::access(path, access).map_err(|error| named(path, error.into()));
    access(place, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK)?;
    for entry in std::fs::read_dir(place).map_err(|error| named(place, error))? {
        let entry = entry?;
        match entry.file_type()? {
            kind if kind.is_dir() => check_writable(&entry.path())?,
            kind if kind.is_file() => access(&entry.path(), Access::READ_OK | Access::WRITE_OK)?,
            _ => {}
        }
    }
    Ok(())
}
