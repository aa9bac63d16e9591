//! What can be told of a database URL before anybody connects: whether what it says of TLS can be had.

use super::postgres::open::is_local;
use super::tls::{ClientTls, TlsFault, libpq, mysql};
use super::url::{DatabaseUrl, Server, ServerHost};

/// Checks what `url` says of TLS, what the environment and option files add to it, and the files that they name. What
/// is ignored, and files that this process may not read, though the one that connects may, are told by warnings;
/// `parameter` names the URL in them.
///
/// # Errors
/// A name, its value, and what would be right.
pub fn check(url: &DatabaseUrl, parameter: &str) -> Result<(), String> {
    let (server, checked) = match url {
        DatabaseUrl::Postgres(server) => (server, check_postgres(server, parameter, url)),
        DatabaseUrl::Mysql(server) => (server, check_mysql(server, parameter, url)),
        DatabaseUrl::Sqlite(_) | DatabaseUrl::Host(_) => return Ok(()),
    };
    for key in server.parameters.unknown() {
        // A key is shown as an operator wrote it, its value never: it may be a secret.
        log::warn!("parameter {parameter}: {url}: {key:?} behind the ? is not known and ignored");
    }
    match checked {
        Err(fault) if fault.is_certain => Err(fault.to_string()),
        Err(fault) => {
            log::warn!("parameter {parameter}: {url}: {fault}");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

fn check_postgres(server: &Server, parameter: &str, url: &DatabaseUrl) -> Result<(), TlsFault> {
    let settings =
        libpq::LibpqSettings::of_process(&server.parameters, is_local(server)).map_err(TlsFault::of_values)?;
    if settings.mode == libpq::LibpqMode::Disable {
        return Ok(());
    }
    warn_of_weakness(&settings.tls, &format!("{} {}", settings.mode_name, settings.mode.name()), parameter, url);
    settings.check()
}

fn warn_of_weakness(tls: &ClientTls, asked_for: &str, parameter: &str, url: &DatabaseUrl) {
    if let Some(weakness) = tls.weakness() {
        log::warn!("parameter {parameter}: {url}: {asked_for}: {weakness}");
    }
}

fn check_mysql(server: &Server, parameter: &str, url: &DatabaseUrl) -> Result<(), TlsFault> {
    let server = server.with_option_files();
    let settings = mysql::MysqlSettings::resolve(&server.parameters).map_err(TlsFault::of_values)?;
    for key in mysql::MysqlSettings::needless(&server.parameters) {
        log::warn!(
            "parameter {parameter}: {key} is not used: TLS 1.2 and 1.3 are spoken, with their strong ciphers alone"
        );
    }
    if matches!(server.host, ServerHost::Socket(_)) || settings.mode == mysql::MysqlMode::Disabled {
        return Ok(());
    }
    warn_of_weakness(&settings.tls(), &format!("ssl-mode {}", settings.mode.name()), parameter, url);
    settings.check()
}
