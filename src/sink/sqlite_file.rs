//! The file of an SQLite database: for its owner to write and its group to read, since SIP bears secrets.
//!
//! It is made before SQLite opens it, so that there is no moment in which others can read it. SQLite gives the mode
//! of the database to the
//! files that it keeps beside it (`-wal`, `-shm`, `-journal`).

use rustix::fs::{CWD, Mode, OFlags, openat};
use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Its mode when it is made; the process's umask can take away, and never add.
const MODE: u32 = 0o640;
/// The right of everybody to read.
const READ_BY_ALL: u32 = 0o004;
/// The right of everybody to reach what is in a directory.
const ENTERED_BY_ALL: u32 = 0o001;
/// What SQLite adds to the name for the files beside it.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

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
