//! The file of an SQLite database: for its owner to write and its group to read, since SIP bears secrets.
//!
//! It is made before SQLite opens it, so that there is no moment in which others can read it. SQLite gives the mode of
//! the database to the files that it keeps beside it (`-wal`, `-shm`, `-journal`).
//!
//! [`prepare`] makes it at start, with the privileges that the server still has then; [`check_access`] looks at it once
//! the server has given them up.

use crate::owned_directory::{OwnedDirectory, Owner, SHARED};
use rustix::fs::{Access, CWD, Mode, OFlags, access, openat};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{PermissionsExt, fchown};
use std::path::{Path, PathBuf};

/// Its mode when it is made; the process's umask can take away, and never add.
const MODE: u32 = 0o640;
/// The right of everybody to read.
const READ_BY_ALL: u32 = 0o004;
/// The right of everybody to reach what is in a directory.
const ENTERED_BY_ALL: u32 = 0o001;
/// What SQLite adds to the name for the files beside it.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Makes the file at `path` and its directory where they are missing, owned by `owner`, and sees that it can be
/// written. A warning tells of a file that was there and that every user may read.
pub fn prepare(path: &Path, owner: Owner) -> io::Result<()> {
    let directory = OwnedDirectory::make(path.parent().unwrap_or(Path::new("")), SHARED)?;
    let name = path.file_name().ok_or(io::ErrorKind::IsADirectory)?;
    let made = make_in(directory.innermost().as_fd(), name)?;
    // The file first: the owner of the directory can put something else in its place.
    if let Some(file) = &made {
        fchown(file, owner.0, owner.1)?;
    }
    directory.give(owner)?;
    if made.is_none() {
        OpenOptions::new().append(true).open(path)?;
        if let Some((file, mode)) = readable_by_all(path) {
            log::warn!(
                "{} can be read by every user of this machine (mode {mode:04o}), and SIP bears secrets: chmod o-rwx takes \
                 that away; a file that this module makes has the mode 0640",
                file.display()
            );
        }
    }
    Ok(())
}

/// Sees, as the present user, that the file at `path` and its directory can be written.
///
/// # Errors
/// Which of the two cannot, and what the system said.
pub fn check_access(path: &Path) -> Result<(), String> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    [path, directory].into_iter().try_for_each(|place| {
        access(place, Access::WRITE_OK).map_err(|error| format!("{}: {}", place.display(), io::Error::from(error)))
    })
}

/// Makes the file at `path`. `None` when something of that name is there, be it a symbolic link to nothing.
pub fn make(path: &Path) -> io::Result<Option<File>> {
    make_in(CWD, path)
}

/// The same where `path` is relative to an open directory.
pub fn make_in(directory: BorrowedFd<'_>, path: impl rustix::path::Arg) -> io::Result<Option<File>> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    match openat(directory, path, flags, Mode::from_raw_mode(MODE)) {
        Ok(file) => Ok(Some(file.into())),
        Err(rustix::io::Errno::EXIST) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The first of the database's files that everybody may read, and its mode. `None` also when a directory above keeps
/// others out.
pub fn readable_by_all(path: &Path) -> Option<(PathBuf, u32)> {
    readable_below(Path::new("/"), path)
}

/// The same, where `root` and what is above it let everybody in.
fn readable_below(root: &Path, path: &Path) -> Option<(PathBuf, u32)> {
    // SQLite follows links too, and keeps the files beside where they lead to.
    let path = path.canonicalize().ok()?;
    let directories = path.ancestors().skip(1).take_while(|directory| *directory != root);
    let keeps_out = |place: &Path| place.metadata().is_ok_and(|it| it.permissions().mode() & ENTERED_BY_ALL == 0);
    if directories.into_iter().any(keeps_out) {
        return None;
    }
    let beside = BESIDE.map(|ending| {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    });
    let open_to_all = |path: PathBuf| {
        let mode = path.metadata().ok()?.permissions().mode();
        (mode & READ_BY_ALL != 0).then_some((path, mode & 0o7777))
    };
    [path].into_iter().chain(beside).find_map(open_to_all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;

    #[test]
    fn a_file_is_made_for_owner_and_group_and_one_that_is_there_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        let path = root.join("new.db");
        assert!(make(&path).unwrap().is_some());
        let mode = || path.metadata().unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode() & !MODE, 0, "{:o}", mode());
        assert_eq!(readable_below(&root, &path), None);
        std::fs::set_permissions(&path, Permissions::from_mode(0o664)).unwrap();
        std::fs::write(&path, b"content").unwrap();
        assert!(make(&path).unwrap().is_none());
        assert_eq!((mode(), std::fs::read(&path).unwrap()), (0o664, b"content".to_vec()));
        assert_eq!(readable_below(&root, &path), Some((path.clone(), 0o664)));
    }

    #[test]
    fn a_file_beside_the_database_that_everybody_may_read_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        let path = root.join("new.db");
        make(&path).unwrap();
        let wal = root.join("new.db-wal");
        std::fs::write(&wal, b"").unwrap();
        std::fs::set_permissions(&wal, Permissions::from_mode(0o644)).unwrap();
        assert_eq!(readable_below(&root, &path), Some((wal, 0o644)));
    }

    #[test]
    fn a_file_that_everybody_may_read_is_kept_from_others_by_any_directory_above_it() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        let (outer, inner, link) = (root.join("a"), root.join("a/b"), root.join("link.db"));
        std::fs::create_dir_all(&inner).unwrap();
        let path = inner.join("new.db");
        std::fs::write(&path, b"").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let chmod = |path: &Path, mode| std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        chmod(&path, 0o644);
        for (modes, is_readable) in [([0o755, 0o755], true), ([0o750, 0o755], false), ([0o755, 0o700], false)] {
            chmod(&outer, modes[0]);
            chmod(&inner, modes[1]);
            let expected = is_readable.then(|| (path.clone(), 0o644));
            assert_eq!(readable_below(&root, &path), expected, "{modes:?}");
            assert_eq!(readable_below(&root, &link), expected, "{modes:?}, by a link");
        }
    }

    #[test]
    fn no_file_is_made_through_a_symbolic_link() {
        let directory = tempfile::tempdir().unwrap();
        let (link, target) = (directory.path().join("link.db"), directory.path().join("target.db"));
        std::os::unix::fs::symlink(&target, &link).unwrap();
        assert!(make(&link).unwrap().is_none());
        assert!(!target.exists());
    }
}
