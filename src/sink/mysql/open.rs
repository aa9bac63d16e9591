//! Connecting to a MySQL or MariaDB server, in clear or with TLS, as `ssl-mode` asks for it.

use super::refusals::refusals;
use crate::sink::options::Deadlines;
use crate::sink::tls::mysql::{MysqlMode, MysqlSettings};
use crate::sink::tls::{describe_broken, say_downgrade};
use crate::sink::under_way::UnderWay;
use crate::sink::url::{Server, ServerHost};
use mysql::{Conn, DriverError, Error, OptsBuilder, SslOpts};
use std::error::Error as _;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread::Builder;
use std::time::Instant;

/// Where `localhost` is looked for, as the client libraries of the distributions do.
const SOCKETS: [&str; 3] = ["/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock", "/tmp/mysql.sock"];
/// The port of MySQL.
const PORT: u16 = 3306;

/// Connects, and executes `first`, within the deadline: on a thread of its own, since the client has no deadline for
/// all that a connection takes, and the system's resolver none at all.
///
/// # Errors
/// What went wrong, in words, with the parameter where one is at fault.
pub(in crate::sink) fn open(
    server: &Server,
    deadlines: &Deadlines,
    first: Option<&'static str>,
) -> Result<Conn, String> {
    let counted = UnderWay::of_this_thread()?.enter();
    let (sender, receiver) = channel();
    let (server, own) = (server.clone(), *deadlines);
    let attempt = move || {
        let _counted = counted;
        // Nobody listens any more to what comes after the deadline.
        let _ = sender.send(attempt(&server, &own, first));
    };
    Builder::new().name("mysql-connect".to_owned()).spawn(attempt).map_err(|error| error.to_string())?;
    match receiver.recv_timeout(deadlines.connect) {
        Ok(outcome) => outcome,
        Err(RecvTimeoutError::Timeout) => Err(format!("no connection within {} s", deadlines.connect.as_secs_f32())),
        Err(RecvTimeoutError::Disconnected) => Err("connecting has broken off, by a fault of this program".to_owned()),
    }
}

/// Connects over the Unix socket where `localhost` or nothing is said, over TCP otherwise or if there is no socket. Who
/// asks for TLS by `ssl-mode` gets TCP where there is a choice: over a Unix socket the client has none. Certificates
/// that an option file names for servers elsewhere are no such wish.
fn attempt(server: &Server, deadlines: &Deadlines, first: Option<&str>) -> Result<Conn, String> {
    let server = &server.with_option_files();
    let settings = MysqlSettings::resolve(&server.parameters)?;
    let over = |socket: &str| Conn::new(opts(server, deadlines, first).socket(Some(socket)));
    let local = match &server.host {
        ServerHost::Default => server.port.is_none(),
        ServerHost::Name(name) => name == "localhost" && server.port.is_none(),
        ServerHost::Socket(path) => return over(&path.to_string_lossy()).map_err(|error| describe(&error)),
    };
    if local
        && !settings.needs_tcp()
        && let Some(socket) = SOCKETS.iter().find(|socket| Path::new(socket).exists())
    {
        match over(socket) {
            Err(error @ (Error::IoError(_) | Error::DriverError(_))) => log::debug!("{socket}: {error}; trying TCP"),
            answered => return answered.map_err(|error| describe(&error)),
        }
    }
    let host = match &server.host {
        ServerHost::Name(name) => name.as_str(),
        _ => "127.0.0.1",
    };
    let port = server.port.unwrap_or(PORT);
    let over_tcp = |tls: Option<SslOpts>| {
        Conn::new(opts(server, deadlines, first).ip_or_hostname(Some(host)).tcp_port(port).ssl_opts(tls))
    };
    with_mode(&format!("MySQL at {host}:{port}"), &settings, over_tcp)
}

/// Connects to `place` as the mode asks for it, and asks no more often for TLS that there is not than the server
/// takes ([`refusals`]).
fn with_mode(
    place: &str,
    settings: &MysqlSettings,
    connect: impl Fn(Option<SslOpts>) -> Result<Conn, Error>,
) -> Result<Conn, String> {
    if settings.mode == MysqlMode::Disabled {
        return connect(None).map_err(|error| describe(&error));
    }
    let prepared = settings.prepare().map_err(|fault| fault.to_string())?;
    if let Some(why) = refusals().pause(place, settings, Instant::now()) {
        return Err(why);
    }
    let connected = if settings.mode == MysqlMode::Preferred && refusals().is_without_tls(place, Instant::now()) {
        connect(None).map_err(|error| format!("{} (in clear: the server had no TLS)", describe(&error)))
    } else {
        connect(Some(prepared.options.clone())).or_else(|error| without_tls(place, settings, &error, || connect(None)))
    }?;
    refusals().note_login(place);
    Ok(connected)
}

/// What is left when there is no connection with TLS: one in clear, where the mode allows that and TLS itself is what
/// failed.
fn without_tls(
    place: &str,
    settings: &MysqlSettings,
    error: &Error,
    connect: impl FnOnce() -> Result<Conn, Error>,
) -> Result<Conn, String> {
    let is_missing = matches!(error, Error::DriverError(DriverError::TlsNotSupported));
    let note_failure = |why: String| {
        refusals().note_failure(place, settings, &why, Instant::now());
        why
    };
    if !is_missing && !is_of_tls(error) {
        return Err(describe(error));
    }
    if settings.mode > MysqlMode::Preferred {
        return Err(note_failure(format!("{} ({})", describe(error), settings.describe())));
    }
    if is_missing {
        refusals().note_without_tls(place, Instant::now());
        return connect().map_err(|in_clear| describe(&in_clear));
    }
    let both = |in_clear: Error| format!("{}; in clear: {}", describe(error), describe(&in_clear));
    let connected = connect().map_err(|in_clear| note_failure(both(in_clear)))?;
    say_downgrade(place, &describe(error), &format!("ssl-mode {}", settings.mode.name()));
    Ok(connected)
}

/// The server's words, or the client's, or the system's.
fn describe(error: &Error) -> String {
    match (error, io_error(error)) {
        (Error::DriverError(DriverError::TlsNotSupported), _) => "the server does not offer TLS".to_owned(),
        (_, Some(cause)) if matches!(cause.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            "no answer in time while connecting".to_owned()
        }
        (_, Some(cause)) if is_of_tls(error) => format!("TLS: {cause}"),
        (error, _) => words(error),
    }
}

/// The client's words, or plainer ones for a connection that has broken.
pub(super) fn words(error: &Error) -> String {
    io_error(error).map_or_else(|| error.to_string(), describe_broken)
}

/// Whether a handshake has failed, and not the way to the server. A connection that ends in the middle of one counts as
/// the latter: the client does not tell how far it was, and a server that is going ends connections too.
fn is_of_tls(error: &Error) -> bool {
    let is_rustls = |cause: &io::Error| cause.get_ref().is_some_and(|cause| cause.is::<rustls::Error>());
    matches!(error, Error::TlsError(_)) || io_error(error).is_some_and(is_rustls)
}

/// The system's error inside the client's.
fn io_error(error: &Error) -> Option<&io::Error> {
    match error {
        Error::IoError(error) => Some(error),
        Error::CodecError(error) => error.source()?.downcast_ref(),
        _ => None,
    }
}

fn opts(server: &Server, deadlines: &Deadlines, first: Option<&str>) -> OptsBuilder {
    let user = (!server.user.is_empty()).then_some(server.user.as_str());
    OptsBuilder::new()
        .user(user)
        .pass(server.password.as_ref().map(|password| password.expose()))
        .db_name(Some(server.database.as_str()))
        .prefer_socket(false)
        .init(first.into_iter().collect::<Vec<_>>())
        .tcp_connect_timeout(Some(deadlines.connect))
        .read_timeout(deadlines.silence)
        .write_timeout(deadlines.silence)
        .tcp_keepalive_time_ms(Some(10_000))
        .tcp_user_timeout_ms(deadlines.silence.and_then(|silence| u32::try_from(silence.as_millis()).ok()))
}
