//! Where the spool is, and whose.

use super::*;
use crate::logged;
use crate::module::CaptureSettings;
use log::Level;

/// The warnings among `lines`.
fn warnings_of(lines: Vec<(Level, String)>) -> Vec<String> {
    lines.into_iter().filter(|(level, _)| *level == Level::Warn).map(|(_, line)| line).collect()
}

fn warnings() -> Vec<String> {
    warnings_of(logged::lines())
}

/// A module with an SQLite file in a directory, and with a spool there if it is named.
struct Module {
    settings: CaptureSettings,
    directory: SpoolDirectory,
}

impl Module {
    fn new(directory: &Path, spool: Option<&Path>) -> Module {
        logged::listen();
        let mut settings = CaptureSettings::default();
        settings.set_text("db_url", format!("sqlite:///{}/capture.db", directory.display()).as_bytes()).unwrap();
        if let Some(spool) = spool {
            settings.set_text("spool_dir", spool.to_str().unwrap().as_bytes()).unwrap();
        }
        Module { settings, directory: SpoolDirectory::default() }
    }

    fn prepare(&mut self) -> Result<(), ParameterError> {
        let beside = beside(&self.settings.common.db_url, "spool");
        self.directory.prepare(&mut self.settings.common, beside, (None, None))
    }

    fn take(&mut self) -> Result<(), ParameterError> {
        self.take_waiting(&mut |_| false).map_err(|error| match error {
            MapError::Parameter(error) => error,
            error => panic!("{error}"),
        })
    }

    fn take_waiting(&mut self, pause: Pause<'_>) -> Result<(), MapError> {
        let plan = self.settings.plan();
        self.directory.take(&mut self.settings.common, &plan, pause)
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
    let mut settings = CaptureSettings::default();
    assert_eq!(beside(&settings.common.db_url, "spool"), Path::new("/var/lib/sipcapture/spool"));
    settings.set_text("db_url", b"sqlite:////srv/captures/of/today.db").unwrap();
    assert_eq!(beside(&settings.common.db_url, "spool"), Path::new("/srv/captures/of/spool"));
    for url in ["mysql://u:p@h/d", "postgres://u:p@h/d"] {
        settings.set_text("db_url", url.as_bytes()).unwrap();
        assert_eq!(beside(&settings.common.db_url, "spool"), Path::new("/var/lib/sipcapture/spool"));
    }
}

#[test]
fn a_default_directory_is_made_and_locked() {
    let directory = tempfile::tempdir().unwrap();
    let mut node = Module::new(directory.path(), None);
    node.prepare().unwrap();
    node.take().unwrap();
    assert_eq!(node.spool().unwrap(), directory.path().join("spool"));
    assert!(directory.path().join("spool").is_dir() && node.directory.lock.is_some());
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
    assert!(unnamed.spool().is_none() && unnamed.directory.lock.is_none());
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
    assert!(unnamed.spool().is_none() && unnamed.directory.lock.is_none());
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

/// A process that has the lock on a directory: flock of util-linux.
struct Other(std::process::Child);

impl Other {
    fn locks(directory: &Path) -> Other {
        let lock = directory.join("lock");
        let _ = std::fs::remove_file(&lock);
        let mut flock = std::process::Command::new("flock");
        flock.arg("--no-fork").arg(&lock).args(["sh", "-c", "echo 1 > \"$0\"; exec sleep 600"]).arg(&lock);
        let other = Other(flock.spawn().unwrap());
        while std::fs::read_to_string(&lock).unwrap_or_default() != "1\n" {
            std::thread::sleep(Duration::from_millis(1));
        }
        other
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_wait_for_another_server_is_said_at_once_and_a_server_that_is_told_to_end_does_not_start() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("spool");
    for (spool, then) in [(None, "then there is no spool"), (Some(place.as_path()), "then the start fails")] {
        let mut node = Module::new(directory.path(), spool);
        node.prepare().unwrap();
        let _other = Other::locks(&place);
        let mut pauses = 0;
        let ended = node.take_waiting(&mut |_| {
            pauses += 1;
            let said = warnings_of(logged::lines_so_far());
            let [line] = &said[..] else { panic!("one line is said before the first pause, and no more: {said:?}") };
            for part in ["spool_dir", place.to_str().unwrap(), "process 1", "up to 15 s", then] {
                assert!(line.contains(part), "{line} does not say {part}");
            }
            pauses == 3
        });
        assert!(matches!(&ended, Err(MapError::Ended(named)) if *named == place.display().to_string()), "{ended:?}");
        assert!(node.directory.lock.is_none());
        warnings();
    }
}

#[test]
fn a_spool_of_another_module_of_the_same_server_is_not_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("spool");
    let (mut first, mut second) =
        (Module::new(directory.path(), Some(&place)), Module::new(directory.path(), Some(&place)));
    first.prepare().unwrap();
    first.take().unwrap();
    second.prepare().unwrap();
    let refused = second.take_waiting(&mut |_| panic!("it would never end")).unwrap_err().to_string();
    assert!(refused.contains("spool_dir") && refused.contains("another module of this server"), "{refused}");
}
