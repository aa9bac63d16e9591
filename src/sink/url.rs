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
mod tests {
    use super::*;

    fn server(url: &str) -> Server {
        match DatabaseUrl::parse(url) {
            Ok(DatabaseUrl::Mysql(server) | DatabaseUrl::Postgres(server)) => server,
            other => panic!("{url}: {other:?}"),
        }
    }

    #[test]
    fn three_slashes_are_a_relative_sqlite_file_and_four_an_absolute_one() {
        for (url, path) in [
            ("sqlite:////var/lib/x.db", "/var/lib/x.db"),
            ("sqlite:///x.db", "x.db"),
            ("sqlite:///dir/x.db?cache=shared", "dir/x.db"),
        ] {
            let parsed = DatabaseUrl::parse(url).unwrap();
            assert_eq!(parsed, DatabaseUrl::Sqlite(path.into()));
            assert_eq!(DatabaseUrl::parse(&parsed.to_string()), Ok(parsed));
        }
    }

    #[test]
    fn the_parts_of_a_server_url_are_found() {
        let name = |name: &str| ServerHost::Name(name.to_owned());
        let socket = |path: &str| ServerHost::Socket(path.into());
        for (url, user, password, host, port, database) in [
            ("mysql://u:p@h:3307/d", "u", Some("p"), name("h"), Some(3307), "d"),
            (
                "mysql://kamailio:kamailiorw@localhost/kamailio",
                "kamailio",
                Some("kamailiorw"),
                name("localhost"),
                None,
                "kamailio",
            ),
            ("mysql://h/d", "", None, name("h"), None, "d"),
            ("mysql://h:1/d@x", "", None, name("h"), Some(1), "d@x"),
            ("mysql://u@h/d", "u", None, name("h"), None, "d"),
            ("mysql://u@d.example:p@h/d", "u@d.example", Some("p"), name("h"), None, "d"),
            ("mysql://u:p@s:s/%41@h/d", "u", Some("p@s:s/%41"), name("h"), None, "d"),
            ("mysql://u:@h/d?ssl=1", "u", Some(""), name("h"), None, "d"),
            ("mysql://u:a?b@h/d?ssl=1", "u", Some("a?b"), name("h"), None, "d"),
            ("mysql://u:p@[::1]:3306/d", "u", Some("p"), name("::1"), Some(3306), "d"),
            ("mysql://u:p@/run/mysqld/mysqld.sock/d", "u", Some("p"), socket("/run/mysqld/mysqld.sock"), None, "d"),
            ("mysql://u:p@%2Frun%2Fmysqld.sock/d", "u", Some("p"), socket("/run/mysqld.sock"), None, "d"),
            ("postgres://u@/d", "u", None, ServerHost::Default, None, "d"),
            ("postgresql://u@:5433/d", "u", None, ServerHost::Default, Some(5433), "d"),
            ("postgres://u@/var/run/pg:5433/d", "u", None, socket("/var/run/pg"), Some(5433), "d"),
            ("postgres://u@[/var/run/pg]:5433/d", "u", None, socket("/var/run/pg"), Some(5433), "d"),
        ] {
            let parsed = server(url);
            assert_eq!(parsed.user, user, "{url}");
            assert_eq!(parsed.password.as_ref().map(Password::expose), password, "{url}");
            assert_eq!(parsed.host, host, "{url}");
            assert_eq!(parsed.port, port, "{url}");
            assert_eq!(parsed.database, database, "{url}");
        }
    }

    /// Every part otherwise than in the plain forms.
    const OTHER: UrlForms = UrlForms {
        sqlite_is_absolute: true,
        first_at_ends_login: true,
        has_unix_hosts: true,
        ignored_keys: &["tls_domain"],
    };

    fn other(url: &str) -> Result<DatabaseUrl, UrlError> {
        DatabaseUrl::parse_for(url, Driver::Auto, &OTHER)
    }

    fn other_server(url: &str) -> Server {
        match other(url) {
            Ok(DatabaseUrl::Mysql(server) | DatabaseUrl::Postgres(server)) => server,
            other => panic!("{url}: {other:?}"),
        }
    }

    #[test]
    fn where_paths_of_sqlite_are_absolute_any_number_of_slashes_begins_them() {
        for url in ["sqlite:///var/x.db", "sqlite:////var/x.db", "sqlite://var/x.db", "sqlite:///var/x.db?cache=shared"]
        {
            let parsed = other(url).unwrap();
            assert_eq!(parsed, DatabaseUrl::Sqlite("/var/x.db".into()), "{url}");
            // What is shown means the same to both.
            assert_eq!(DatabaseUrl::parse(&parsed.to_string()), Ok(parsed), "{url}");
        }
        for url in ["sqlite://", "sqlite:///", "sqlite:////?x"] {
            assert!(other(url).is_err(), "{url}");
        }
    }

    #[test]
    fn where_the_first_at_sign_ends_a_login_a_password_holds_all_but_that() {
        for (url, user, password, host, database) in [
            ("mysql://u:p@h/d", "u", Some("p"), "h", "d"),
            ("mysql://u:p:/?x@h/d", "u", Some("p:/?x"), "h", "d"),
            ("postgres://u@h/d?application_name=a@b", "u", None, "h", "d"),
            ("mysql://h/d", "", None, "h", "d"),
        ] {
            let parsed = other_server(url);
            assert_eq!(
                (parsed.user.as_str(), parsed.password.as_ref().map(Password::expose)),
                (user, password),
                "{url}"
            );
            assert_eq!((parsed.host, parsed.database.as_str()), (ServerHost::Name(host.to_owned()), database), "{url}");
        }
        for url in ["mysql://u:ge@heim@h/d", "mysql://u:p@h/d@heim/x", "postgres://u:@heim@/d"] {
            let error = other(url).unwrap_err().to_string();
            assert!(error.contains("its first @ ends the login") && !error.contains("heim@"), "{error}");
        }
    }

    #[test]
    fn a_host_in_unix_and_brackets_is_a_socket_where_hosts_write_it_so() {
        let parsed = other_server("mysql://u:geheim@unix(/run/mysqld/mysqld.sock)/d");
        assert_eq!(parsed.host, ServerHost::Socket("/run/mysqld/mysqld.sock".into()));
        let url = DatabaseUrl::Mysql(parsed.clone());
        assert_eq!(url.to_string(), "mysql://u:xxxx@/run/mysqld/mysqld.sock/d");
        assert!(!format!("{url:?}").contains("geheim"));
        assert_eq!((parsed.database.as_str(), parsed.port), ("d", None));
        assert_eq!(other_server("mysql://u@h/d").host, ServerHost::Name("h".to_owned()));
        for url in [
            "mysql://u:geheim@unix(/run/x.sock/d",
            "mysql://u:geheim@unix(x.sock)/d",
            "mysql://u:geheim@unix(/run/x.sock)h/d",
            "mysql://u:geheim@unix(/run/x.sock)",
            "mysql://u:geheim@h",
        ] {
            let error = other(url).unwrap_err().to_string();
            assert!(error.contains("unix(") || error.contains("no database"), "{error}");
            assert!(!error.contains("geheim"), "{error}");
        }
        assert_eq!(server("mysql://u@unix(x)/d").host, ServerHost::Name("unix(x)".to_owned()));
    }

    #[test]
    fn a_key_of_the_hosts_own_is_ignored_with_the_warning_of_unknown_ones() {
        for scheme in ["mysql", "postgres"] {
            let url = format!("{scheme}://u:p@h/d?tls_domain=geheim");
            assert_eq!(other_server(&url).parameters.unknown(), ["tls_domain"]);
            assert!(!format!("{:?}", other(&url)).contains("geheim"));
            for refused in [DatabaseUrl::parse(&url), other(&format!("{scheme}://u:p@h/d?tls_domains=geheim"))] {
                let error = refused.unwrap_err().to_string();
                assert!(error.contains("tls_domain") && !error.contains("geheim"), "{error}");
            }
        }
    }

    #[test]
    fn an_at_sign_in_the_query_is_percent_encoded() {
        let parsed = server("postgres://u:p@h/d?sslmode=disable&sslrootcert=/etc/a%40b/ca.pem");
        assert_eq!(parsed.parameters.get("sslrootcert"), Some("/etc/a@b/ca.pem"));
        assert_eq!((parsed.host, parsed.database.as_str()), (ServerHost::Name("h".to_owned()), "d"));
    }

    #[test]
    fn no_error_shows_what_a_query_holds() {
        for url in ["mysql://h?password=geheim", "mysql://u:x@h:0/d?password=geheim", "sqlite://h?geheim"] {
            let error = DatabaseUrl::parse(url).unwrap_err().to_string();
            assert!(!error.contains("geheim"), "{error}");
        }
    }

    #[test]
    fn what_is_no_database_url_is_refused_with_what_is_allowed() {
        for url in [
            "",
            "mysql",
            "mysql:/u@h/d",
            "my-sql://u:geheim@h/d",
            "://u:geheim@h/d",
            "mysql://u:geheim@h",
            "mysql://u:geheim/d",
            "u:geheim",
            "host=h password=geheim@",
            "host=h password=geheim@h:1",
            "mysql:u:geheim@h/d",
            "mysql://u:geheim@h/",
            "mysql://u:geheim@h:port/d",
            "mysql://u:geheim@h:0/d",
            "mysql://u:geheim@h:65536/d",
            "postgres://u:geheim@[group]/d",
            "mysql://u:geheim@[::1/d",
            "mysql://u:geheim:/d",
            "mysql://u:geheim:3306/d",
            "mysql://u:geheim@2001:db8::1/d",
            "sqlite://x.db",
            "sqlite:///",
        ] {
            let error = DatabaseUrl::parse(url).unwrap_err().to_string();
            assert!(error.contains("allowed are sqlite:////path/to/file"), "{error}");
            assert!(!error.contains("geheim"), "{error}");
        }
    }

    #[test]
    fn brackets_hold_an_address_a_path_or_an_option_group() {
        for (url, group, host, port) in [
            ("mysql://u:p@[kamailio]/d", Some("kamailio"), ServerHost::Default, None),
            ("mysql://[kamailio]h:1/d", Some("kamailio"), ServerHost::Name("h".to_owned()), Some(1)),
            ("mysql://[::1]:1/d", None, ServerHost::Name("::1".to_owned()), Some(1)),
            ("mysql://[/run/x.sock]/d", None, ServerHost::Socket("/run/x.sock".into()), None),
        ] {
            let parsed = server(url);
            assert_eq!((parsed.option_group.as_deref(), parsed.host, parsed.port), (group, host, port), "{url}");
        }
        let url = "mysql://u:xxxx@[kamailio]h:1/d";
        assert_eq!(DatabaseUrl::parse(url).unwrap().to_string(), url);
    }

    #[test]
    fn no_text_of_a_url_shows_the_password() {
        for url in ["mysql://u:geheim@h/d", "postgres://u:geheim@[::1]:1/d", "postgres://:geheim@/tmp/x/d"] {
            let parsed = DatabaseUrl::parse(url).unwrap();
            assert_eq!(parsed.to_string(), url.replace("geheim", "xxxx"));
            assert!(!format!("{parsed:?}").contains("geheim"));
        }
    }

    #[test]
    fn other_schemes_and_all_that_are_forced_are_left_to_the_host() {
        let hosted = |url, driver| match DatabaseUrl::parse_for(url, driver, &UrlForms::PLAIN) {
            Ok(DatabaseUrl::Host(hosted)) => hosted,
            other => panic!("{url}: {other:?}"),
        };
        for url in ["text:///var/lib/x", "oracle://u:p@h/d", "db_mysql://u:p@h/d", "flatstore:/var/log"] {
            for driver in [Driver::Auto, Driver::Host] {
                let hosted = hosted(url, driver);
                assert_eq!((hosted.scheme.as_str(), hosted.url.expose()), (url.split(':').next().unwrap(), url));
            }
        }
        for url in [
            "sqlite:////x.db",
            "mysql://u:p@h/d",
            "mysql:/x",
            "postgres://nonsense",
            "postgres://h/d?sslmode=x",
            "perlvdb:Module",
        ] {
            assert_eq!(hosted(url, Driver::Host).url.expose(), url);
        }
        for url in ["", "mysql", "my-sql://u:geheim@h/d", ":x", "te xt://x", "text://\0"] {
            let error = DatabaseUrl::parse_for(url, Driver::Host, &UrlForms::PLAIN).unwrap_err().to_string();
            assert!(!error.contains("geheim"), "{error}");
        }
    }

    #[test]
    fn no_text_of_a_hosted_url_shows_what_may_be_a_password() {
        for (url, shown) in [
            ("text:///var/lib/x", "text:///var/lib/x"),
            ("oracle://u:geheim@h/d", "oracle://...@h/d"),
            ("oracle://u:ge@heim@h/d", "oracle://...@h/d"),
            ("redis://:geheim@h:1/d", "redis://...@h:1/d"),
            ("unixodbc://u:geheim/dsn", "unixodbc://u:..."),
            ("mongodb://h/d?password=geheim", "mongodb://h/d?..."),
            ("mongodb://h/d?password=ge@heim", "mongodb:..."),
            ("oracle://u:ge@he?im@h/d", "oracle:..."),
            ("unixodbc:///DSN=x;PWD=geheim", "unixodbc:///DSN=..."),
            ("perlvdb:geheim", "perlvdb:..."),
        ] {
            let parsed = DatabaseUrl::parse_for(url, Driver::Host, &UrlForms::PLAIN).unwrap();
            assert_eq!(parsed.to_string(), shown);
            assert!(!format!("{parsed:?}").contains("heim"), "{parsed:?}");
        }
    }
}
