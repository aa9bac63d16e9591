//! Directories that are made at start, with the privileges that the server still has, and given to the user that it
//! goes on as. Any part of the tree may use it.
//!
//! That user may be somebody who wants more than that. So no directory is given away before all that is to be in it is
//! made, a directory is given by its descriptor, and a symbolic link in place of one that was just made is an error.

use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::fchown;
use std::path::{Component, Path};

/// A user and a group that the server will run as; `None` for the present ones.
pub type Owner = (Option<u32>, Option<u32>);

/// Mode of a directory in which the owner's group may read, and of one that is the owner's alone; the umask can take
/// away.
pub(crate) const SHARED: u32 = 0o750;
/// See [`SHARED`].
pub(crate) const PRIVATE: u32 = 0o700;

/// A directory, and those on the way to it that had to be made.
#[derive(Debug)]
pub(crate) struct OwnedDirectory {
    /// What was there, and may have been reached by links.
    there: OwnedFd,
    /// What was missing at first, the innermost last; others than the last have the mode [`SHARED`].
    below: Vec<Below>,
}

/// A directory that was missing at first.
#[derive(Debug)]
struct Below {
    descriptor: OwnedFd,
    /// Whether it was made here, and not meanwhile by somebody else.
    is_made: bool,
}

impl OwnedDirectory {
    /// Opens `directory`, and makes it, with this mode, and what is missing above it.
    pub fn make(directory: &Path, mode: u32) -> io::Result<OwnedDirectory> {
        let missing: Vec<&Path> =
            directory.ancestors().take_while(|path| !path.as_os_str().is_empty() && !path.exists()).collect();
        let above = missing.last().map_or(Some(directory), |path| path.parent());
        let above = above.filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let is_directory = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let there = openat(CWD, above, OFlags::PATH | is_directory, Mode::empty())?;
        let mut owned = OwnedDirectory { there, below: Vec::with_capacity(missing.len()) };
        for path in missing.into_iter().rev() {
            let Some(Component::Normal(name)) = path.components().next_back() else {
                return Err(io::Error::other(format!("{} goes up from a directory that is not there", path.display())));
            };
            let mode = if path == directory { mode } else { SHARED };
            let is_made = match mkdirat(owned.innermost(), name, Mode::from_raw_mode(mode)) {
                Ok(()) => true,
                // Somebody else was faster, whose it is.
                Err(rustix::io::Errno::EXIST) => false,
                Err(error) => return Err(error.into()),
            };
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | is_directory;
            let descriptor = openat(owned.innermost(), name, flags, Mode::empty())?;
            owned.below.push(Below { descriptor, is_made });
        }
        Ok(owned)
    }

    /// The directory that was asked for.
    pub fn innermost(&self) -> &OwnedFd {
        self.below.last().map_or(&self.there, |below| &below.descriptor)
    }

    /// Gives what was made to `owner`, from the innermost outwards.
    pub fn give(&self, owner: Owner) -> io::Result<()> {
        let made = self.below.iter().rev().filter(|below| below.is_made);
        made.map(|below| &below.descriptor).try_for_each(|directory| fchown(directory, owner.0, owner.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{create_dir, metadata, rename};
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    /// When a file's owner, mode or name was last changed, be it to what it was.
    fn changed(path: &Path) -> (i64, i64) {
        let metadata = metadata(path).unwrap();
        (metadata.ctime(), metadata.ctime_nsec())
    }

    fn own() -> Owner {
        (Some(rustix::process::geteuid().as_raw()), Some(rustix::process::getegid().as_raw()))
    }

    /// Lets the clock of the file system go on.
    fn tick(directory: &Path) {
        let probe = directory.join("probe");
        std::fs::write(&probe, "").unwrap();
        let before = changed(&probe);
        while changed(&probe) == before {
            std::fs::write(&probe, "more").unwrap();
        }
    }

    #[test]
    fn what_was_made_is_given_and_not_what_has_been_put_in_its_place() {
        let root = tempfile::tempdir().unwrap();
        let (victim, outer, kept) = (root.path().join("victim"), root.path().join("a"), root.path().join("kept"));
        create_dir(&victim).unwrap();
        let owned = OwnedDirectory::make(&outer.join("b"), PRIVATE).unwrap();
        rename(outer.join("b"), &kept).unwrap();
        symlink(&victim, outer.join("b")).unwrap();
        let before = [&victim, &outer, &kept].map(|path| changed(path));
        tick(root.path());
        owned.give(own()).unwrap();
        let is_given = [&victim, &outer, &kept].map(|path| changed(path)).into_iter().zip(before).map(|(a, b)| a != b);
        assert_eq!(is_given.collect::<Vec<_>>(), [false, true, true]);
    }

    #[test]
    fn nothing_is_given_before_all_is_made_and_the_outermost_is_given_last() {
        let root = tempfile::tempdir().unwrap();
        let owned = OwnedDirectory::make(&root.path().join("a/b/c"), PRIVATE).unwrap();
        let places = ["a", "a/b", "a/b/c"].map(|name| root.path().join(name));
        let inodes = places.clone().map(|path| metadata(path).unwrap().ino());
        let made = owned.below.iter().map(|below| rustix::fs::fstat(&below.descriptor).unwrap().st_ino);
        // `give` goes from the end to the beginning.
        assert_eq!(made.collect::<Vec<_>>(), inodes);
        let modes = places.map(|path| metadata(path).unwrap().permissions().mode() & 0o7777);
        assert!(modes[0] & !SHARED == 0 && modes[1] & !SHARED == 0 && modes[2] & !PRIVATE == 0, "{modes:?}");
    }

    #[test]
    fn a_directory_that_is_there_is_not_given_and_may_be_reached_by_a_link() {
        let root = tempfile::tempdir().unwrap();
        let (there, link) = (root.path().join("there"), root.path().join("link"));
        create_dir(&there).unwrap();
        symlink(&there, &link).unwrap();
        for path in [&link, &link.join("new"), &link.join("new")] {
            let before = changed(&there);
            tick(root.path());
            let is_new = !path.exists();
            OwnedDirectory::make(path, PRIVATE).unwrap().give(own()).unwrap();
            // A new name in it changes it too.
            assert_eq!(changed(&there) != before, is_new);
        }
    }

    #[test]
    fn a_way_up_from_a_directory_that_is_missing_leads_to_no_other() {
        let root = tempfile::tempdir().unwrap();
        let there = root.path().join("there");
        create_dir(&there).unwrap();
        for way in ["there/missing/../new", "there/missing/..", "missing/../there/new"] {
            let refused = OwnedDirectory::make(&root.path().join(way), PRIVATE).unwrap_err().to_string();
            assert!(refused.contains("goes up from a directory that is not there"), "{way}: {refused}");
            let _ = std::fs::remove_dir(there.join("missing"));
        }
        let owned = OwnedDirectory::make(&root.path().join("there/../new"), PRIVATE).unwrap();
        owned.give(own()).unwrap();
        assert!(root.path().join("new").is_dir());
        assert_eq!(std::fs::read_dir(&there).unwrap().count(), 0);
    }

    #[test]
    fn a_directory_that_somebody_else_makes_meanwhile_is_not_given() {
        let root = tempfile::tempdir().unwrap();
        let (kept, made) = (root.path().join("a"), root.path().join("a/b"));
        let mut owned = OwnedDirectory::make(&made, PRIVATE).unwrap();
        owned.below[0].is_made = false;
        let before = [&kept, &made].map(|path| changed(path));
        tick(root.path());
        owned.give(own()).unwrap();
        let is_given = [&kept, &made].map(|path| changed(path)).into_iter().zip(before).map(|(a, b)| a != b);
        assert_eq!(is_given.collect::<Vec<_>>(), [false, true]);
    }

    #[test]
    fn a_link_to_nothing_or_a_file_in_the_place_of_a_directory_is_an_error() {
        let root = tempfile::tempdir().unwrap();
        symlink(root.path().join("nothing"), root.path().join("link")).unwrap();
        std::fs::write(root.path().join("file"), "").unwrap();
        for name in ["link", "link/b", "file", "file/b"] {
            assert!(OwnedDirectory::make(&root.path().join(name), PRIVATE).is_err(), "{name}");
        }
        assert!(!root.path().join("nothing").exists());
    }
}
