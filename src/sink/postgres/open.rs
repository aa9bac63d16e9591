//! Connecting to a PostgreSQL server, in clear or with TLS, as libpq's `sslmode` asks for it.

use crate::sink::options::Deadlines;
use crate::sink::tls::libpq::{LibpqMode, LibpqSettings};
use crate::sink::tls::stream::Connector;
use crate::sink::tls::{Verification, describe_broken, say_downgrade};
use crate::sink::under_way::UnderWay;
use crate::sink::url::{Server, ServerHost};
use std::error::Error as _;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::config::{Config, SslMode};
use tokio_postgres::{Client, Error, NoTls};

/// Where the server's socket is when nothing else is said.
const SOCKET_DIRECTORY: &str = "/var/run/postgresql";
/// The port of PostgreSQL.
const PORT: u16 = 5432;

/// A client, and the runtime on this very thread that drives its connection whenever it is waited for.
///
/// # Errors
/// What went wrong, in words, with the parameter where one is at fault.
pub(in crate::sink) fn open(server: &Server, deadlines: &Deadlines) -> Result<(Client, Runtime), String> {
    let settings = LibpqSettings::of_process(&server.parameters, is_local(server))?;
    let runtime = runtime(UnderWay::of_this_thread()?).map_err(|error| error.to_string())?;
    let mut config = config(server, deadlines);
    config.channel_binding(settings.channel_binding);
    let mut attempts =
        Attempts { server, settings: &settings, runtime: &runtime, config, until: Instant::now() + deadlines.connect };
    match attempts.run(settings.mode, deadlines.connect) {
        Ok(client) => Ok((client, runtime)),
        Err(why) => {
            // The system's resolver runs on a thread of the runtime's, which must not be waited for.
            runtime.shutdown_background();
            Err(why)
        }
    }
}

/// A runtime on this thread. Those that it starts are for the system's resolver: they are counted, and end with what
/// they look up.
fn runtime(lookups: UnderWay) -> io::Result<Runtime> {
    Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .thread_keep_alive(Duration::ZERO)
        .on_thread_start(move || lookups.enter_until_end())
        .build()
}

/// Whether the server is reached over a Unix socket.
pub(in crate::sink) fn is_local(server: &Server) -> bool {
    !matches!(server.host, ServerHost::Name(_))
}

/// Why an attempt came to nothing.
enum NoConnection {
    /// The deadline for all attempts has passed.
    Late,
    /// There is no TLS to be had with what was asked for: nothing was sent.
    Files(String),
    /// The server took TLS, and the two did not come to terms.
    Handshake(String),
    /// The server has answered, with TLS or without, that it does not want this client this way.
    Refused { why: String, encrypted: bool },
    /// Anything else: there is no server, or it has gone.
    Broken(String),
}

/// The ways to one server, one after the other, with one deadline for all.
struct Attempts<'a> {
    server: &'a Server,
    settings: &'a LibpqSettings,
    runtime: &'a Runtime,
    config: Config,
    until: Instant,
}

impl Attempts<'_> {
    fn run(&mut self, mode: LibpqMode, timeout: Duration) -> Result<Client, String> {
        let connected = match mode {
            LibpqMode::Disable => self.in_clear(),
            LibpqMode::Allow => match self.in_clear() {
                Err(NoConnection::Refused { why, .. }) => {
                    self.with_tls(SslMode::Prefer).map_err(|failure| self.both(why, failure, "with TLS"))
                }
                outcome => outcome,
            },
            LibpqMode::Prefer => match self.with_tls(SslMode::Prefer) {
                Err(
                    NoConnection::Files(why)
                    | NoConnection::Handshake(why)
                    | NoConnection::Refused { why, encrypted: true },
                ) => {
                    let outcome = self.in_clear();
                    if outcome.is_ok() {
                        let LibpqSettings { mode, mode_name, .. } = self.settings;
                        say_downgrade(&self.host(), &why, &format!("{mode_name} {}", mode.name()));
                    }
                    outcome.map_err(|failure| self.both(why, failure, "in clear"))
                }
                outcome => outcome,
            },
            LibpqMode::Require | LibpqMode::VerifyCa | LibpqMode::VerifyFull => self.with_tls(SslMode::Require),
        };
        connected.map_err(|failure| match failure {
            NoConnection::Late => format!("no connection within {} s", timeout.as_secs_f32()),
            NoConnection::Handshake(why) => format!("{why} ({})", self.asked_for()),
            NoConnection::Files(why) | NoConnection::Refused { why, .. } | NoConnection::Broken(why) => why,
        })
    }

    /// The failure of the second attempt, with what became of the first one where that is something else.
    fn both(&self, first: String, second: NoConnection, how: &str) -> NoConnection {
        match second {
            NoConnection::Late => NoConnection::Late,
            NoConnection::Refused { why, .. } if why == first => NoConnection::Broken(first),
            NoConnection::Refused { why, .. }
            | NoConnection::Broken(why)
            | NoConnection::Handshake(why)
            | NoConnection::Files(why) => NoConnection::Broken(format!("{first}; {how}: {why}")),
        }
    }

    /// The server, as the log names it.
    fn host(&self) -> String {
        match &self.server.host {
            ServerHost::Name(name) => format!("PostgreSQL at {name}:{}", self.server.port.unwrap_or(PORT)),
            ServerHost::Default | ServerHost::Socket(_) => "PostgreSQL".to_owned(),
        }
    }

    /// What was asked for, by the names of its parameters.
    fn asked_for(&self) -> String {
        let LibpqSettings { mode, mode_name, tls, .. } = self.settings;
        let asked = format!("{mode_name} {}", mode.name());
        match &tls.trust {
            _ if tls.verification == Verification::None => asked,
            Some(trust) => format!("{asked}, {} `{}`", trust.parameter, trust.path.display()),
            None => format!("{asked}, the system's certificates are trusted: {} can name others", tls.trust_parameter),
        }
    }

    fn in_clear(&mut self) -> Result<Client, NoConnection> {
        self.config.ssl_mode(SslMode::Disable);
        let connecting = self.config.connect(NoTls);
        match self.wait(connecting)? {
            Ok((client, driver)) => {
                // Ends when the client is dropped or the connection breaks; the client then says why.
                drop(self.runtime.spawn(driver));
                Ok(client)
            }
            Err(error) if is_refused(&error) => Err(NoConnection::Refused { why: describe(&error), encrypted: false }),
            Err(error) => Err(NoConnection::Broken(describe(&error))),
        }
    }

    fn with_tls(&mut self, ssl_mode: SslMode) -> Result<Client, NoConnection> {
        let tls = self.settings.tls.config().map_err(|fault| NoConnection::Files(fault.to_string()))?;
        let by_name = self.settings.tls.verification == Verification::ChainAndName;
        let connector = Connector::new(Arc::new(tls), by_name);
        self.config.ssl_mode(ssl_mode);
        let connecting = self.config.connect(connector.clone());
        match self.wait(connecting)? {
            Ok((client, driver)) => {
                drop(self.runtime.spawn(driver));
                Ok(client)
            }
            Err(error) => {
                let why = describe(&error);
                Err(match (is_refused(&error), connector.has_begun(), connector.is_done()) {
                    (true, begun, _) => NoConnection::Refused { why, encrypted: begun },
                    (false, true, false) => NoConnection::Handshake(why),
                    // The client's own words for a server that has no TLS, and for a name that no certificate has.
                    (false, false, _) if why.starts_with("error performing TLS handshake") => {
                        NoConnection::Handshake(why)
                    }
                    _ => NoConnection::Broken(why),
                })
            }
        }
    }

    fn wait<T>(&self, connecting: impl Future<Output = T>) -> Result<T, NoConnection> {
        let left = self.until.saturating_duration_since(Instant::now());
        self.runtime.block_on(async { tokio::time::timeout(left, connecting).await }).map_err(|_| NoConnection::Late)
    }
}

/// Whether the server has answered that it does not want this client this way. That it has no room (class 53), or is
/// starting or stopping (class 57), passes, and is no reason to try another way.
fn is_refused(error: &Error) -> bool {
    error
        .as_db_error()
        .is_some_and(|refusal| !["53", "57"].iter().any(|class| refusal.code().code().starts_with(class)))
}

fn config(server: &Server, deadlines: &Deadlines) -> Config {
    let mut config = Config::new();
    match &server.host {
        ServerHost::Default => config.host_path(SOCKET_DIRECTORY),
        ServerHost::Name(name) => config.host(name),
        ServerHost::Socket(directory) => config.host_path(directory),
    };
    config.port(server.port.unwrap_or(PORT)).dbname(&server.database).application_name("sipcapture");
    if !server.user.is_empty() {
        config.user(&server.user);
    }
    if let Some(password) = &server.password {
        config.password(password.expose());
    }
    config.connect_timeout(deadlines.connect);
    if let Some(silence) = deadlines.silence {
        config.tcp_user_timeout(silence);
    }
    config.keepalives_idle(Duration::from_secs(10)).keepalives_interval(Duration::from_secs(5)).keepalives_retries(3);
    config
}

/// The server's words and the SQLSTATE; the driver's own text says little more than "db error".
pub(in crate::sink) fn describe(error: &Error) -> String {
    match (error.as_db_error(), error.source()) {
        (Some(database), _) => {
            let place = database.where_().map(|place| format!(" ({place})")).unwrap_or_default();
            format!("{}, SQLSTATE {}{place}", database.message(), database.code().code())
        }
        (None, Some(source)) => match source.downcast_ref() {
            Some(broken) => format!("{error}: {}", describe_broken(broken)),
            None => format!("{error}: {source}"),
        },
        (None, None) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;
    use crate::sink::DatabaseUrl;

    #[test]
    fn no_more_names_are_looked_up_than_a_few_while_the_resolver_does_not_return() {
        let DatabaseUrl::Postgres(server) = DatabaseUrl::parse("postgres://u@127.0.0.1:1/d").unwrap() else { panic!() };
        let deadlines = Deadlines { connect: Duration::from_secs(10), silence: None };
        let attempt = || open(&server, &deadlines).expect_err("nobody listens there");
        let (begun, has_begun) = channel();
        let mut lookups = Vec::new();
        for _ in 0..8 {
            assert!(!attempt().contains("under way"));
            let (answer, answered) = channel::<()>();
            let begun = begun.clone();
            let runtime = runtime(UnderWay::of_this_thread().unwrap()).unwrap();
            drop(runtime.spawn_blocking(move || {
                begun.send(()).unwrap();
                answered.recv()
            }));
            has_begun.recv().unwrap();
            runtime.shutdown_background();
            lookups.push(answer);
        }
        assert!(attempt().contains("8 attempts that came to nothing in time are still under way"));
        // Another thread's attempts are its own.
        std::thread::scope(|scope| scope.spawn(|| assert!(!attempt().contains("under way"))).join()).unwrap();
        drop(lookups);
        while attempt().contains("under way") {
            std::thread::yield_now();
        }
    }
}
