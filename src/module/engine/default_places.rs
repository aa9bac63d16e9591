//! Where captures are stored and spooled when nobody names another place. The operator's tool looks there too.

/// The directory, as a literal: `concat!` takes no constants.
macro_rules! directory {
    () => {
        "/var/lib/sipcapture"
    };
}

/// The directory of the embedded database and of spools.
pub(in crate::module) const DIRECTORY: &str = directory!();
/// The database of an empty `db_url`.
pub const EMBEDDED_URL: &str = concat!("sqlite:///", directory!(), "/sipcapture.db");
/// `spool_dir` of a capture node beside the embedded database.
pub const SPOOL_DIRECTORY: &str = concat!(directory!(), "/spool");
