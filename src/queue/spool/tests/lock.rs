//! The lock on a directory.

use crate::queue::spool::{DirectoryLock, LockError, LockHolder};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

/// Locks a directory that nobody else has.
fn take(directory: &Path) -> Result<DirectoryLock, LockError> {
    DirectoryLock::take(directory, |_| false)
}

/// Locks a directory that has just been let go of. A child of another test shares its lock until it starts a program or
/// ends.
fn take_again(directory: &Path) -> Result<DirectoryLock, LockError> {
    let deadline = Instant::now() + Duration::from_secs(20);
    DirectoryLock::take(directory, |_| {
        std::thread::sleep(Duration::from_millis(20));
        Instant::now() < deadline
    })
}

#[test]
fn a_second_instance_is_refused_with_directory_and_process() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("not/there/yet");
    let _first = take(&path).unwrap();
    let refused = take(&path).unwrap_err();
    let own = LockHolder::this_process();
    assert!(
        matches!(&refused, LockError::Held { directory, holder: Some(held) } if *directory == path && *held == own)
    );
    let text = |owner: &str| {
        format!("directory {} is in use by {owner}: give this instance a directory of its own", path.display())
    };
    assert_eq!(refused.to_string(), text("another module of this server"));
    for (holder, owner) in [(LockHolder::parse("1\n"), "process 1"), (None, "another process")] {
        assert_eq!(LockError::Held { directory: path.clone(), holder }.to_string(), text(owner));
    }
}

#[test]
fn whoever_waits_is_asked_before_each_try_with_the_process_that_has_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut first = Some(take(directory.path()).unwrap());
    let mut asked = 0;
    let second = DirectoryLock::take(directory.path(), |held| {
        assert!(matches!(held, LockError::Held { holder: Some(it), .. } if it.is_this_process()), "{held}");
        asked += 1;
        if asked == 3 {
            first = None;
        }
        true
    });
    second.unwrap();
    assert_eq!(asked, 3);
}

#[test]
fn a_child_that_shares_the_open_file_keeps_the_lock() {
    let directory = tempfile::tempdir().unwrap();
    let first = take(directory.path()).unwrap();
    // What a fork does to a descriptor.
    let inherited = first.as_fd().try_clone_to_owned().unwrap();
    drop(first);
    assert!(take(directory.path()).is_err());
    drop(inherited);
    take_again(directory.path()).unwrap();
}

#[test]
fn a_program_that_is_started_does_not_share_the_lock() {
    let directory = tempfile::tempdir().unwrap();
    let first = take(directory.path()).unwrap();
    let mut child = std::process::Command::new("sleep").arg("600").spawn().unwrap();
    drop(first);
    let taken = take_again(directory.path());
    child.kill().unwrap();
    child.wait().unwrap();
    taken.unwrap();
}

#[test]
fn a_lock_file_of_a_dead_instance_is_taken_over() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("lock"), "4194304000 and more than a number").unwrap();
    let _lock = take(directory.path()).unwrap();
    let held = std::fs::read_to_string(directory.path().join("lock")).unwrap();
    assert_eq!(held, LockHolder::this_process().lines());
}

#[test]
fn a_directory_that_cannot_be_made_is_an_error_that_names_it() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = take(&file.join("spool")).unwrap_err();
    assert!(
        error.to_string().starts_with(&format!("directory {}/spool cannot be locked: ", file.display())),
        "{error}"
    );
}
