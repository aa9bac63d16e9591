//! Database URLs: `scheme://[user[:password]@]host[:port]/database`, in the forms that the SIP servers' own parsers
//! take.
//!
//! ```text
//! sqlite:////var/lib/sipcapture/sipcapture.db     a file; with three slashes the path is relative
//! mysql://user:password@host:3306/database        MySQL, MariaDB
//! mysql://user:password@localhost/database        its Unix socket, else TCP on the loopback
//! mysql://user:password@/run/mysqld/mysqld.sock/database
//! mysql://[group]host/database                    what is left out comes from this group of the option files (my.cnf)
//! postgres://user:password@host:5432/database     PostgreSQL; postgresql:// is the same
//! postgres://user@/database                       its Unix socket in the usual directory
//! postgres://user@/var/run/postgresql/database    its Unix socket in this directory
//! ```
//!
//! Where a host's own parser reads these parts otherwise, [`UrlForms`] says how.
//!
//! Any other scheme (`text://`, `unixodbc://`, `cassandra://`, ...), and every one with [`Driver::Host`], is left to
//! the host's own driver, which reads the URL itself.
//!
//! As in the hosts, nothing is percent-decoded but a socket path in the host (`%2Frun%2Fmysqld`); `@`, `:` and `/` may
//! stand in a password as long as no `@` follows the real one; an IPv6 host stands in brackets. What follows a `?`
//! behind the database says how TLS is spoken ([`tls`](super::tls)); other keys are ignored, with a warning when the
//! URL is checked. Neither `Display` nor `Debug` nor an error shows a password, or a value that may be one.

use super::tls::{self, Parameters};
use std::fmt;
use std::path::{Path, PathBuf};

/// A password that no log shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// Keeps a password.
    pub fn new(password: String) -> Password {
        Password(password)
    }

    /// The password itself, for a driver.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("xxxx")
    }
}

/// Where a database server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerHost {
    /// Not said: the driver's own default.
    Default,
    /// A name or an address, without brackets.
    Name(String),
    /// A Unix socket: its file for MySQL, its directory for PostgreSQL.
    Socket(PathBuf),
}

/// A database on a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Login name; empty if not given.
    pub user: String,
    /// Password, if given.
    pub password: Option<Password>,
    /// Group of MySQL's option files that says what is left out; see [`Server::with_option_files`].
    pub option_group: Option<String>,
    /// Where the server listens.
    pub host: ServerHost,
    /// TCP port, if given.
    pub port: Option<u16>,
    /// Name of the database.
    pub database: String,
    /// How TLS is spoken, as far as the URL says so.
    pub parameters: Parameters,
}

/// Who is to serve a database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Driver {
    /// A driver of our own if there is one, else the host's.
    #[default]
    Auto,
    /// The host's, whatever the scheme.
    Host,
}

/// A database that the host's own driver serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostedUrl {
    /// What stands before the colon: letters, digits and `_`. The driver's module is `db_` and this.
    pub scheme: String,
    /// The whole URL, for the driver.
    pub url: Password,
}

/// A parsed database URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// An SQLite file.
    Sqlite(PathBuf),
    /// A MySQL or MariaDB server.
    Mysql(Server),
    /// A PostgreSQL server.
    Postgres(Server),
    /// Anything that the host's own driver serves.
    Host(HostedUrl),
}

/// What hosts write otherwise than each other in URLs of databases that our own drivers serve.
#[derive(Clone, Copy, Debug)]
pub struct UrlForms {
    /// Whether the path of SQLite is absolute, however many slashes begin it.
    pub sqlite_is_absolute: bool,
    /// Whether the first `@` ends the login, so that none can stand in a password, in place of the last one that has a
    /// `/` behind it.
    pub first_at_ends_login: bool,
    /// Whether a host `unix(PATH)` is a Unix socket.
    pub has_unix_hosts: bool,
    /// Keys behind the `?` that are the host's own, and are ignored with a warning as unknown ones are, also when they
    /// sound like keys of TLS.
    pub ignored_keys: &'static [&'static str],
}

impl UrlForms {
    /// The forms of the [module's description](self), which [`DatabaseUrl`] is shown in.
    pub const PLAIN: UrlForms =
        UrlForms { sqlite_is_absolute: false, first_at_ends_login: false, has_unix_hosts: false, ignored_keys: &[] };
}

/// The schemes that drivers of our own serve.
const OWN_SCHEMES: [&str; 4] = ["sqlite", "mysql", "postgres", "postgresql"];

/// Why a text is no database URL. Never contains a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("database URL {url:?}: {fault}")]
pub struct UrlError {
    /// The URL, user and password left out.
    pub url: String,
    /// What is wrong with it, and what would be right.
    pub fault: String,
}

impl UrlError {
    /// A URL that has none of the forms that are read.
    pub fn of_form(url: String, fault: &str) -> UrlError {
        let forms = "sqlite:////path/to/file, mysql://user:password@host:port/database and \
                     postgres://user:password@host:port/database";
        UrlError { url, fault: format!("{fault}; allowed are {forms}") }
    }
}

impl DatabaseUrl {
    /// Reads a database URL; see the forms in the [module's description](self).
    pub fn parse(url: &str) -> Result<DatabaseUrl, UrlError> {
        DatabaseUrl::parse_own(url, &UrlForms::PLAIN)
    }

    fn parse_own(url: &str, forms: &UrlForms) -> Result<DatabaseUrl, UrlError> {
        let refuse = |fault: UrlFault| match fault {
            UrlFault::Form(fault) => UrlError::of_form(redact(url), fault),
            UrlFault::Parameter(fault) => UrlError { url: redact(url), fault },
        };
        let refuse_foreign = |fault: &str| UrlError::of_form(redact_foreign(url), fault);
        let url = url.trim();
        let Some((scheme, rest)) = url.split_once("://") else {
            // Some of the hosts' modules take a path behind the colon.
            let is_path = url.split_once(":/").is_some_and(|(scheme, _)| !OWN_SCHEMES.contains(&scheme));
            return if is_path { parse_hosted(url) } else { Err("it has no \"scheme://\"") }.map_err(refuse_foreign);
        };
        match scheme {
            "sqlite" => parse_sqlite(rest, forms).map_err(|fault| refuse(fault.into())),
            "mysql" => parse_mysql(rest, forms).map(DatabaseUrl::Mysql).map_err(refuse),
            "postgres" | "postgresql" => parse_postgres(rest, forms).map(DatabaseUrl::Postgres).map_err(refuse),
            _ => parse_hosted(url).map_err(refuse_foreign),
        }
    }

    /// As [`DatabaseUrl::parse`], for `driver` and in the `forms` of a host.
    pub fn parse_for(url: &str, driver: Driver, forms: &UrlForms) -> Result<DatabaseUrl, UrlError> {
        match driver {
            Driver::Auto => DatabaseUrl::parse_own(url, forms),
            Driver::Host => parse_hosted(url.trim()).map_err(|fault| UrlError::of_form(redact_foreign(url), fault)),
        }
    }
}

impl DatabaseUrl {
    /// The file of an SQLite URL.
    pub fn sqlite_path(&self) -> Option<&Path> {
        match self {
            DatabaseUrl::Sqlite(path) => Some(path),
            DatabaseUrl::Mysql(_) | DatabaseUrl::Postgres(_) | DatabaseUrl::Host(_) => None,
        }
    }
}

/// What is wrong with a URL: its form, or what it says behind the `?`.
enum UrlFault {
    Form(&'static str),
    Parameter(String),
}

impl From<&'static str> for UrlFault {
    fn from(fault: &'static str) -> UrlFault {
        UrlFault::Form(fault)
    }
}

/// What every host's API asks of a URL: a scheme that can be part of a module's name. The rest is the driver's.
fn parse_hosted(url: &str) -> Result<DatabaseUrl, &'static str> {
    let (scheme, _) = url.split_once(':').ok_or("it has no \"scheme://\"")?;
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if scheme.is_empty() || scheme.len() > 32 || !scheme.bytes().all(is_good) {
        return Err("its scheme is no name of a database module");
    }
    if url.contains('\0') {
        return Err("it holds a zero byte");
    }
    Ok(DatabaseUrl::Host(HostedUrl { scheme: scheme.to_owned(), url: Password::new(url.to_owned()) }))
}

fn parse_sqlite(rest: &str, forms: &UrlForms) -> Result<DatabaseUrl, &'static str> {
    let path = rest.split('?').next().unwrap_or(rest);
    let path = match path.trim_start_matches('/') {
        "" => return Err("it names no file"),
        path if forms.sqlite_is_absolute => Path::new("/").join(path),
        _ => path.strip_prefix('/').ok_or("a host makes no sense; an absolute path needs four slashes")?.into(),
    };
    Ok(DatabaseUrl::Sqlite(path))
}

fn parse_mysql(rest: &str, forms: &UrlForms) -> Result<Server, UrlFault> {
    let server = parse_server(rest, forms, tls::mysql::key_of)?;
    // What option files add is seen when the URL is checked.
    if server.option_group.is_none() {
        tls::mysql::MysqlSettings::resolve(&server.parameters).map_err(UrlFault::Parameter)?;
    }
    Ok(server)
}

fn parse_postgres(rest: &str, forms: &UrlForms) -> Result<Server, UrlFault> {
    let server = parse_server(rest, forms, tls::libpq::key_of)?;
    if server.option_group.is_some() {
        return Err("its host is no IPv6 address".into());
    }
    tls::libpq::LibpqSettings::check_values(&server.parameters).map_err(UrlFault::Parameter)?;
    Ok(server)
}

fn parse_server(
    rest: &str,
    forms: &UrlForms,
    key_of: impl Fn(&str) -> Option<&'static str>,
) -> Result<Server, &'static str> {
    let (login, place) = split_login(rest, forms);
    let (user, password) = match login.split_once(':') {
        Some((user, password)) => (user, Some(Password::new(password.to_owned()))),
        None => (login, None),
    };
    let (place, query) = place.split_once('?').unwrap_or((place, ""));
    let (place, socket) = if forms.has_unix_hosts { split_socket(place)? } else { (place, None) };
    let (host, database) = split_database(place).ok_or("it names no database")?;
    if database.is_empty() {
        return Err("it names no database");
    }
    // Most likely the rest of a password: taken for a host or a database, it would be shown.
    if forms.first_at_ends_login && (host.contains('@') || database.contains('@')) {
        return Err("its first @ ends the login, and another follows; no @ can stand in a password");
    }
    let (host, port) = split_port(host)?;
    let (option_group, host) = match socket {
        Some(path) if host.is_empty() => (None, ServerHost::Socket(PathBuf::from(path))),
        Some(_) => return Err("its host has something behind unix(...)"),
        None => parse_host(host),
    };
    match &host {
        // Most likely a login whose `@` was forgotten: taken for a name it would be looked up, and logged, as one.
        ServerHost::Name(name) if name.contains(':') && name.parse::<std::net::Ipv6Addr>().is_err() => {
            return Err("its host has a colon; a login ends in @, an IPv6 address stands in brackets");
        }
        _ => {}
    }
    let (user, database) = (user.to_owned(), database.to_owned());
    let parameters = Parameters::parse(query, key_of).ignoring(forms.ignored_keys);
    Ok(Server { user, password, option_group, host, port, database, parameters })
}

/// Splits off the login: what stands before the last `@`, or the first one, that still has a `/` behind it. A slash
/// before the first `@` and no colon before that slash means that there is no login.
fn split_login<'a>(rest: &'a str, forms: &UrlForms) -> (&'a str, &'a str) {
    let mut ends = rest.match_indices('@').map(|(at, _)| at).filter(|&at| rest[at..].contains('/'));
    let end = if forms.first_at_ends_login { ends.next() } else { ends.next_back() };
    let Some(end) = end else { return ("", rest) };
    let first_slash = rest.find('/').unwrap_or(rest.len());
    if first_slash < end && !rest[..first_slash].contains([':', '@']) {
        return ("", rest);
    }
    (&rest[..end], &rest[end + 1..])
}

/// What follows the host `unix(PATH)`, and that path; all and `None` when the host is another.
fn split_socket(place: &str) -> Result<(&str, Option<&str>), &'static str> {
    let Some(socket) = place.strip_prefix("unix(") else { return Ok((place, None)) };
    let (path, behind) = socket.split_once(')').ok_or("its unix( is not closed")?;
    if path.starts_with('/') { Ok((behind, Some(path))) } else { Err("its unix(...) holds no path that begins with /") }
}

/// Splits host and port from the database. A host that is a path has slashes of its own.
fn split_database(place: &str) -> Option<(&str, &str)> {
    if place.starts_with('/') {
        return place.rsplit_once('/');
    }
    if place.starts_with('[') {
        let end = place.find(']')?;
        let slash = end + place[end..].find('/')?;
        return Some((&place[..slash], &place[slash + 1..]));
    }
    place.split_once('/')
}

fn split_port(host: &str) -> Result<(&str, Option<u16>), &'static str> {
    let after_brackets = if host.starts_with('[') { host.find(']').ok_or("a bracket is not closed")? } else { 0 };
    let Some(colon) = host[after_brackets..].rfind(':') else { return Ok((host, None)) };
    let (host, port) = (&host[..after_brackets + colon], &host[after_brackets + colon + 1..]);
    if port.is_empty() {
        return Ok((host, None));
    }
    match port.parse::<u16>() {
        Ok(0) | Err(_) => Err("its port is not a number from 1 to 65535"),
        Ok(port) => Ok((host, Some(port))),
    }
}

/// The option group, if brackets hold one, and the host. Brackets hold an IPv6 address or a path too.
fn parse_host(host: &str) -> (Option<String>, ServerHost) {
    let (bracketed, behind) = host.strip_prefix('[').and_then(|host| host.split_once(']')).unwrap_or(("", host));
    if bracketed.starts_with('/') || bracketed.parse::<std::net::Ipv6Addr>().is_ok() {
        return (None, plain_host(bracketed));
    }
    ((!bracketed.is_empty()).then(|| bracketed.to_owned()), plain_host(behind))
}

fn plain_host(host: &str) -> ServerHost {
    let decoded = host.replace("%2F", "/").replace("%2f", "/");
    match decoded.chars().next() {
        None => ServerHost::Default,
        Some('/') => ServerHost::Socket(PathBuf::from(decoded)),
        Some(_) => ServerHost::Name(decoded),
    }
}

/// The URL with everything left out that may be a login: up to the last `@`, or else what follows a colon; and what a
/// query holds. Any text that holds one URL will do.
pub fn redact(url: &str) -> String {
    let shown = redact_login(url);
    match shown.split_once('?') {
        Some((shown, _)) => format!("{shown}?..."),
        None => shown,
    }
}

fn redact_login(url: &str) -> String {
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), url),
    };
    match (rest.rfind('@'), rest.find(':')) {
        (Some(at), _) => format!("{scheme}...{}", &rest[at..]),
        (None, Some(colon)) => format!("{scheme}{}...", &rest[..=colon]),
        (None, None) => url.to_owned(),
    }
}

/// As [`redact`], of a URL whose form only its driver knows: options, which may hold a password too, are left out as
/// well, and a sign that may begin them or stand in a password hides all but the scheme.
fn redact_foreign(url: &str) -> String {
    match url.find(['?', ';', '&', '=', '#']) {
        None => redact_login(url),
        Some(end) if url[end..].contains('@') => {
            let scheme = url.split(|sign: char| !sign.is_ascii_alphanumeric() && sign != '_').next();
            format!("{}:...", scheme.unwrap_or_default())
        }
        Some(end) => format!("{}...", redact_login(&url[..=end]).trim_end_matches("...")),
    }
}

impl fmt::Display for DatabaseUrl {
    /// The URL in its canonical form, `xxxx` for the password, without its query, which does not tell databases
    /// apart; of one that only the host's driver can read, the parts that hold no login.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, server) = match self {
            DatabaseUrl::Sqlite(path) => return write!(formatter, "sqlite:///{}", path.display()),
            DatabaseUrl::Mysql(server) => ("mysql", server),
            DatabaseUrl::Postgres(server) => ("postgres", server),
            DatabaseUrl::Host(hosted) => return formatter.write_str(&redact_foreign(hosted.url.expose())),
        };
        write!(formatter, "{scheme}://{}", server.user)?;
        if server.password.is_some() {
            formatter.write_str(":xxxx")?;
        }
        if !server.user.is_empty() || server.password.is_some() {
            formatter.write_str("@")?;
        }
        if let Some(group) = &server.option_group {
            write!(formatter, "[{group}]")?;
        }
        match &server.host {
            ServerHost::Default => {}
            ServerHost::Name(name) if name.contains(':') => write!(formatter, "[{name}]")?,
            ServerHost::Name(name) => formatter.write_str(name)?,
            ServerHost::Socket(path) => write!(formatter, "{}", path.display())?,
        }
        if let Some(port) = server.port {
            write!(formatter, ":{port}")?;
        }
        write!(formatter, "/{}", server.database)
    }
}

#[cfg(test)]
mod tests;
