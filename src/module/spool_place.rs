//! Where the spool is: found from the parameters, prepared for the user that the server runs as, and locked against a second server.

use super::pipeline::{Owner, Pipeline};
use super::queue_settings::QueueSettings;
use super::settings::ParameterError;
use crate::queue::spool::DirectoryLock;
use crate::sink::DatabaseUrl;
use crate::writer::{Plan, spools};
use rustix::fs::Access;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where spools are when no embedded database tells another place.
const DEFAULT: &str = "/var/lib/sipcapture";
/// Time beyond `shutdown_timeout` that a server which ends may need to let go of the spool.
const LETTING_GO: Duration = Duration::from_secs(5);

/// The lock on the spool, and the process that took it: children inherit both.
#[derive(Debug)]
pub(super) struct SpoolLock {
    lock: DirectoryLock,
    process: u32,
}

impl SpoolLock {
    /// The lock's file, which whoever writes keeps open.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.lock.as_fd()
    }
}

impl Pipeline {
    /// Finds the spool's directory, `beside` unless parameters name one, and makes it, owned by `owner`. A directory that the operator
    /// named and that will not do stops the start; without the one that nobody named, captures that a sink cannot take wait in their
    /// lanes.
    pub(super) fn prepare_spool(
        &mut self,
        queue: &mut QueueSettings,
        beside: PathBuf,
        owner: Owner,
    ) -> Result<(), ParameterError> {
        self.spool_is_named = queue.spool_dir.is_some();
        let directory = queue.spool_dir.clone().unwrap_or(beside);
        if directory.as_os_str().is_empty() {
            return Ok(());
        }
        let made = make_owned(&directory, owner);
        queue.spool_dir = Some(directory.clone());
        self.judge(queue, &directory, made.map_err(|error| error.to_string()))
    }

    /// Sees, as the user that the server runs as by now, that the spool can be written, and locks it. `plan` tells which spools in it belong
    /// to a sink.
    pub(super) fn take_spool(&mut self, queue: &mut QueueSettings, plan: &Plan) -> Result<(), ParameterError> {
        let Some(spool) = queue.spool() else { return Ok(()) };
        let patience = queue.shutdown_timeout + LETTING_GO;
        // The lock first: as long as an earlier server ends, files come and go.
        let taken = DirectoryLock::take(&spool.directory, patience).map_err(|error| error.to_string());
        let taken = taken.and_then(|lock| check_writable(&spool.directory).map(|()| lock).map_err(|e| e.to_string()));
        match taken {
            Ok(lock) => self.spool_lock = Some(SpoolLock { lock, process: std::process::id() }),
            Err(why) => return self.judge(queue, &spool.directory, Err(why)),
        }
        for place in spools::unclaimed(plan, &spool) {
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

    /// What a directory that will not do means.
    fn judge(
        &self,
        queue: &mut QueueSettings,
        directory: &Path,
        outcome: Result<(), String>,
    ) -> Result<(), ParameterError> {
        let Err(why) = outcome else { return Ok(()) };
        let error = ParameterError::Spool { path: directory.display().to_string(), why };
        if self.spool_is_named {
            return Err(error);
        }
        log::warn!("{error}. Until then there is no spool: captures wait in shared memory while a database is away");
        queue.spool_dir = Some(PathBuf::new());
        Ok(())
    }
}

/// The spool's place when nobody names one: `name` beside the embedded database.
pub(super) fn beside(database: &DatabaseUrl, name: &str) -> PathBuf {
    database.sqlite_path().and_then(Path::parent).unwrap_or(Path::new(DEFAULT)).join(name)
}

/// Makes `directory` and what is missing above it, for `owner`.
fn make_owned(directory: &Path, owner: (Option<u32>, Option<u32>)) -> io::Result<()> {
    let missing: Vec<&Path> =
        directory.ancestors().take_while(|path| !path.as_os_str().is_empty() && !path.exists()).collect();
    std::fs::create_dir_all(directory)?;
    missing.into_iter().try_for_each(|path| std::os::unix::fs::chown(path, owner.0, owner.1))
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
mod tests {
    use super::*;
    use crate::module::Settings;
    use std::cell::RefCell;

    /// Keeps what is logged, for the thread that logs it.
    struct Ears;

    thread_local! {
        static WARNINGS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    }

    impl log::Log for Ears {
        fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
            metadata.level() == log::Level::Warn
        }

        fn log(&self, record: &log::Record<'_>) {
            if self.enabled(record.metadata()) {
                WARNINGS.with_borrow_mut(|warnings| warnings.push(record.args().to_string()));
            }
        }

        fn flush(&self) {}
    }

    fn warnings() -> Vec<String> {
        WARNINGS.take()
    }

    /// A module with an SQLite file in a directory, and with a spool there if it is named.
    struct Module {
        settings: Settings,
        pipeline: Pipeline,
    }

    impl Module {
        fn new(directory: &Path, spool: Option<&Path>) -> Module {
            // The first test sets it for all.
            let _ = log::set_logger(&Ears);
            log::set_max_level(log::LevelFilter::Warn);
            let mut settings = Settings::default();
            settings.set_text("db_url", format!("sqlite:///{}/capture.db", directory.display()).as_bytes()).unwrap();
            if let Some(spool) = spool {
                settings.set_text("spool_dir", spool.to_str().unwrap().as_bytes()).unwrap();
            }
            Module { settings, pipeline: Pipeline::default() }
        }

        fn prepare(&mut self) -> Result<(), ParameterError> {
            let beside = beside(&self.settings.db_url, "spool");
            self.pipeline.prepare_spool(&mut self.settings.queue, beside, (None, None))
        }

        fn take(&mut self) -> Result<(), ParameterError> {
            let plan = self.settings.plan();
            self.pipeline.take_spool(&mut self.settings.queue, &plan)
        }

        fn spool(&self) -> Option<PathBuf> {
            self.settings.plan().spool.map(|spool| spool.directory)
        }
    }

    fn says(warnings: &[String], place: &Path) {
        let [warning] = warnings else { panic!("one warning is expected, not {warnings:?}") };
        assert!(warning.contains(place.to_str().unwrap()) && warning.contains("there is no spool"), "{warning}");
    }

    fn put_a_file_in_its_place(place: &Path) {
        std::fs::remove_dir(place).unwrap();
        std::fs::write(place, b"").unwrap();
    }

    fn refused(outcome: Result<(), ParameterError>, place: &Path) {
        let error = outcome.unwrap_err().to_string();
        assert!(error.contains("spool_dir") && error.contains(place.to_str().unwrap()), "{error}");
        assert_eq!(warnings(), [""; 0]);
    }

    #[test]
    fn the_default_directory_is_beside_the_embedded_database_and_else_in_a_place_of_its_own() {
        let mut settings = Settings::default();
        assert_eq!(beside(&settings.db_url, "spool"), Path::new("/var/lib/sipcapture/spool"));
        settings.set_text("db_url", b"sqlite:////srv/captures/of/today.db").unwrap();
        assert_eq!(beside(&settings.db_url, "spool"), Path::new("/srv/captures/of/spool"));
        for url in ["mysql://u:p@h/d", "postgres://u:p@h/d"] {
            settings.set_text("db_url", url.as_bytes()).unwrap();
            assert_eq!(beside(&settings.db_url, "spool"), Path::new("/var/lib/sipcapture/spool"));
        }
    }

    #[test]
    fn a_default_directory_is_made_and_locked() {
        let directory = tempfile::tempdir().unwrap();
        let mut node = Module::new(directory.path(), None);
        node.prepare().unwrap();
        node.take().unwrap();
        assert_eq!(node.spool().unwrap(), directory.path().join("spool"));
        assert!(directory.path().join("spool").is_dir() && node.pipeline.spool_lock.is_some());
        assert_eq!(warnings(), [""; 0]);
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_a_warning_and_no_spool_unless_the_operator_named_it() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("spool");
        std::fs::write(&place, b"a file in its place").unwrap();
        let mut unnamed = Module::new(directory.path(), None);
        unnamed.prepare().unwrap();
        unnamed.take().unwrap();
        assert!(unnamed.spool().is_none() && unnamed.pipeline.spool_lock.is_none());
        says(&warnings(), &place);
        let mut named = Module::new(directory.path(), Some(&place));
        refused(named.prepare(), &place);
    }

    #[test]
    fn a_directory_that_cannot_be_used_later_is_a_warning_and_no_spool_unless_the_operator_named_it() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("spool");
        let mut unnamed = Module::new(directory.path(), None);
        unnamed.prepare().unwrap();
        put_a_file_in_its_place(&place);
        unnamed.take().unwrap();
        assert!(unnamed.spool().is_none() && unnamed.pipeline.spool_lock.is_none());
        says(&warnings(), &place);
        std::fs::remove_file(&place).unwrap();
        let mut named = Module::new(directory.path(), Some(&place));
        named.prepare().unwrap();
        put_a_file_in_its_place(&place);
        refused(named.take(), &place);
    }

    #[test]
    fn an_empty_name_is_no_spool_and_no_warning() {
        let directory = tempfile::tempdir().unwrap();
        let mut node = Module::new(directory.path(), Some(Path::new("")));
        node.prepare().unwrap();
        node.take().unwrap();
        assert!(node.spool().is_none() && !directory.path().join("spool").exists());
        assert_eq!(warnings(), [""; 0]);
    }
}
