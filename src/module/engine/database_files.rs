//! The SQLite files that captures go to: made at start, with the privileges that the server still has then, and
//! looked at once it has given
//! them up.

use crate::module::engine::owned_directory::Owner;
use crate::module::engine::owned_directory::{OwnedDirectory, SHARED};
use crate::module::parameter::ParameterError;
use crate::sink::sqlite_file;
use crate::writer::WriterPlan;
use std::os::fd::AsFd;
use std::path::Path;

/// The parameter that names the database of sink `number`.
pub(in crate::module) fn database_parameter(number: usize) -> &'static str {
    if number == 0 { "db_url" } else { "capture_mode" }
}

/// The SQLite files that `plan` writes to, and the parameter that names each.
fn sqlite_files(plan: &WriterPlan) -> impl Iterator<Item = (&'static str, &Path)> {
    plan.sinks
        .iter()
        .enumerate()
        .filter_map(|(number, sink)| Some((database_parameter(number), sink.target.database()?.sqlite_path()?)))
}

/// Makes the SQLite files of `plan` and their directories where they are missing, owned by `owner`, and sees that
/// they can be written.
pub(in crate::module) fn prepare(plan: &WriterPlan, owner: Owner) -> Result<(), ParameterError> {
    sqlite_files(plan).try_for_each(|(name, path)| {
        prepare_file(path, owner).map_err(|error| ParameterError::Path {
            name,
            path: path.display().to_string(),
            why: error.to_string(),
        })
    })
}

/// Sees, as the user that the server runs as by now, that the SQLite files and their directories can be written.
pub(in crate::module) fn check_access(plan: &WriterPlan) -> Result<(), ParameterError> {
    sqlite_files(plan).try_for_each(|(name, path)| {
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        [path, directory].into_iter().try_for_each(|place| {
            rustix::fs::access(place, rustix::fs::Access::WRITE_OK).map_err(|error| ParameterError::Path {
                name,
                path: path.display().to_string(),
                why: format!("{}: {}", place.display(), std::io::Error::from(error)),
            })
        })
    })
}

fn prepare_file(path: &Path, owner: Owner) -> std::io::Result<()> {
    let directory = OwnedDirectory::make(path.parent().unwrap_or(Path::new("")), SHARED)?;
    let name = path.file_name().ok_or(std::io::ErrorKind::IsADirectory)?;
    let made = sqlite_file::make_in(directory.innermost().as_fd(), name)?;
    // The file first: whoever has the directory can put something else in its place.
    if let Some(file) = &made {
        std::os::unix::fs::fchown(file, owner.0, owner.1)?;
    }
    directory.give(owner)?;
    match made {
        Some(_) => Ok(()),
        None => {
            std::fs::OpenOptions::new().append(true).open(path)?;
            if let Some((file, mode)) = sqlite_file::readable_by_all(path) {
                log::warn!(
                    "{} can be read by every user of this machine (mode {mode:04o}), and SIP bears secrets: chmod o-rwx takes \
                     that away; a file that this module makes has the mode 0640",
                    file.display()
                );
            }
            Ok(())
        }
    }
}
