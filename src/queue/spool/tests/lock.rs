//! The lock on a directory.

use crate::queue::spool::{DirectoryLock, LockError};
use std::os::fd::AsFd;
use std::time::Duration;

#[test]
fn a_second_instance_is_refused_with_directory_and_process() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("not/there/yet");
    let _first = DirectoryLock::take(&path, Duration::ZERO).unwrap();
    let refused = DirectoryLock::take(&path, Duration::from_millis(50)).unwrap_err();
    let pid = std::process::id();
    assert!(matches!(&refused, LockError::Held { directory, pid: Some(held) } if *directory == path && *held == pid));
    let text =
        format!("directory {} is in use by process {pid}: give this instance a directory of its own", path.display());
    assert_eq!(refused.to_string(), text);
}

#[test]
fn a_lock_that_is_let_go_within_the_patience_is_taken() {
    let directory = tempfile::tempdir().unwrap();
    let first = DirectoryLock::take(directory.path(), Duration::ZERO).unwrap();
    std::thread::scope(|scope| {
        let second = scope.spawn(|| DirectoryLock::take(directory.path(), Duration::from_secs(60)));
        std::thread::sleep(Duration::from_millis(50));
        drop(first);
        second.join().unwrap().unwrap();
    });
}

#[test]
fn a_child_that_shares_the_open_file_keeps_the_lock() {
    let directory = tempfile::tempdir().unwrap();
    let first = DirectoryLock::take(directory.path(), Duration::ZERO).unwrap();
    // What a fork does to a descriptor.
    let inherited = first.as_fd().try_clone_to_owned().unwrap();
    drop(first);
    assert!(DirectoryLock::take(directory.path(), Duration::ZERO).is_err());
    drop(inherited);
    DirectoryLock::take(directory.path(), Duration::ZERO).unwrap();
}

#[test]
fn a_program_that_is_started_does_not_share_the_lock() {
    let directory = tempfile::tempdir().unwrap();
    let first = DirectoryLock::take(directory.path(), Duration::ZERO).unwrap();
    let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
    drop(first);
    let taken = DirectoryLock::take(directory.path(), Duration::ZERO);
    child.kill().unwrap();
    child.wait().unwrap();
    taken.unwrap();
}

#[test]
fn a_lock_file_of_a_dead_instance_is_taken_over() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("lock"), "4194304000 and more than a number").unwrap();
    let _lock = DirectoryLock::take(directory.path(), Duration::ZERO).unwrap();
    let held = std::fs::read_to_string(directory.path().join("lock")).unwrap();
    assert_eq!(held, format!("{}\n", std::process::id()));
}

#[test]
fn a_directory_that_cannot_be_made_is_an_error_that_names_it() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = DirectoryLock::take(&file.join("spool"), Duration::ZERO).unwrap_err();
    assert!(
        error.to_string().starts_with(&format!("directory {}/spool cannot be locked: ", file.display())),
        "{error}"
    );
}
