//! TLS to PostgreSQL by the names of its client library, libpq: keys of the URL's query, then the environment, then the
//! files in `~/.postgresql`, each only where the one before says nothing.
//!
//! What libpq does and this does not is an error wherever somebody asks for it, never left out in silence.

use super::named_value::{NamedValue, pick};
use super::{ClientCertificate, ClientTls, NamedPath, Parameters, TlsFault, Verification};
use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use tokio_postgres::config::ChannelBinding;

/// Keys, and the variables of the environment that stand for them.
const KEYS: [(&str, Option<&str>); 15] = [
    ("sslmode", Some("PGSSLMODE")),
    ("sslrootcert", Some("PGSSLROOTCERT")),
    ("sslcert", Some("PGSSLCERT")),
    ("sslkey", Some("PGSSLKEY")),
    ("sslpassword", None),
    ("sslcrl", Some("PGSSLCRL")),
    ("sslcrldir", Some("PGSSLCRLDIR")),
    ("sslcompression", Some("PGSSLCOMPRESSION")),
    ("sslsni", Some("PGSSLSNI")),
    ("sslcertmode", Some("PGSSLCERTMODE")),
    ("sslnegotiation", Some("PGSSLNEGOTIATION")),
    ("ssl_min_protocol_version", Some("PGSSLMINPROTOCOLVERSION")),
    ("ssl_max_protocol_version", Some("PGSSLMAXPROTOCOLVERSION")),
    ("channel_binding", Some("PGCHANNELBINDING")),
    ("gssencmode", Some("PGGSSENCMODE")),
];
/// Keys of libpq's, not of TLS, by which a connection goes elsewhere or demands more of the server.
const NOT_READ: [&str; 4] = ["require_auth", "requirepeer", "hostaddr", "service"];
/// Keys whose variables may be empty, which libpq takes for not set.
const EMPTY_IS_NONE: [&str; 9] = [
    "sslrootcert",
    "sslcert",
    "sslkey",
    "sslcrl",
    "sslcrldir",
    "sslcompression",
    "sslsni",
    "ssl_min_protocol_version",
    "ssl_max_protocol_version",
];
/// `ssl=true` is `sslmode=require`.
const SSL: &str = "ssl";
/// What an older libpq reads: 1 is `PGSSLMODE=require`.
const REQUIRE: &str = "PGREQUIRESSL";

/// The key that is meant by a name in a URL.
pub(in crate::sink) fn key_of(name: &str) -> Option<&'static str> {
    KEYS.iter().map(|(key, _)| *key).chain([SSL]).find(|key| *key == name)
}

/// `sslmode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::sink) enum LibpqMode {
    /// In clear.
    Disable,
    /// In clear, and with TLS if the server refuses that.
    Allow,
    /// With TLS if the server has it and takes it, else in clear. This is the default.
    Prefer,
    /// With TLS.
    Require,
    /// With TLS, to a server whose certificate is trusted.
    VerifyCa,
    /// As [`LibpqMode::VerifyCa`], and its certificate is one for the host.
    VerifyFull,
}

const MODES: [(&str, LibpqMode); 6] = [
    ("disable", LibpqMode::Disable),
    ("allow", LibpqMode::Allow),
    ("prefer", LibpqMode::Prefer),
    ("require", LibpqMode::Require),
    ("verify-ca", LibpqMode::VerifyCa),
    ("verify-full", LibpqMode::VerifyFull),
];
type Versions = &'static [&'static SupportedProtocolVersion];
static BOTH_VERSIONS: Versions = &[&TLS13, &TLS12];
static VERSION_12: Versions = &[&TLS12];
static VERSION_13: Versions = &[&TLS13];
/// Names of versions; the first two are spoken no more.
const VERSIONS: [&str; 4] = ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"];

impl LibpqMode {
    /// Its name.
    pub fn name(self) -> &'static str {
        MODES.iter().find(|(_, mode)| *mode == self).map_or("", |(name, _)| name)
    }
}

/// Where values come from that the URL does not give.
pub(in crate::sink) struct Environment<'a> {
    /// A variable's value.
    pub variable: &'a dyn Fn(&str) -> Option<OsString>,
    /// The user's directory.
    pub home: Option<PathBuf>,
}

/// No variables and no directory.
const NOTHING_SET: Environment<'static> = Environment { variable: &|_| None, home: None };

/// How to connect.
#[derive(Clone, Debug)]
pub(in crate::sink) struct LibpqSettings {
    pub mode: LibpqMode,
    /// The name that gave the mode, for errors.
    pub mode_name: String,
    pub channel_binding: ChannelBinding,
    pub tls: ClientTls,
    /// A key that the URL names, and no certificate goes with.
    unused_key: Option<String>,
}

impl LibpqSettings {
    /// Checks the values of a URL's own parameters, whatever the environment says.
    pub fn check_values(parameters: &Parameters) -> Result<(), String> {
        LibpqSettings::resolve(parameters, &NOTHING_SET, false).map(drop)
    }

    /// What this process's environment makes of `parameters`; `is_local`: over a Unix socket, where libpq speaks no
    /// TLS.
    pub fn of_process(parameters: &Parameters, is_local: bool) -> Result<LibpqSettings, String> {
        let variable = |name: &str| std::env::var_os(name);
        LibpqSettings::resolve(parameters, &Environment { variable: &variable, home: std::env::home_dir() }, is_local)
    }

    /// Reads the files that TLS needs; in clear none is read.
    pub fn check(&self) -> Result<(), TlsFault> {
        if self.mode == LibpqMode::Disable {
            return Ok(());
        }
        if let Some(key) = &self.unused_key {
            return Err(TlsFault::of_values(format!("sslkey `{key}`: no certificate goes with it; sslcert names one")));
        }
        self.tls.check()
    }

    /// What `environment` makes of `parameters`. Reads no file, but looks which of the usual ones are there.
    pub fn resolve(
        parameters: &Parameters,
        environment: &Environment<'_>,
        is_local: bool,
    ) -> Result<LibpqSettings, String> {
        parameters.refuse_misspelt(&KEYS.map(|(key, _)| key).into_iter().chain([SSL]).collect::<Vec<_>>())?;
        parameters.refuse_empty()?;
        let words = Lookup { parameters, environment };
        let by_system = words.get("sslrootcert").is_some_and(|word| word.text == "system");
        let (asked, mode_name) = words.mode(by_system)?;
        let mode = if is_local { LibpqMode::Disable } else { asked };
        words.choice("gssencmode", &[("prefer", ()), ("disable", ())], ())?;
        let bindings = [
            ("prefer", ChannelBinding::Prefer),
            ("disable", ChannelBinding::Disable),
            ("require", ChannelBinding::Require),
        ];
        let channel_binding = words.choice("channel_binding", &bindings, ChannelBinding::Prefer)?;
        // In clear nothing else of the environment has a say.
        let words = if mode == LibpqMode::Disable { Lookup { parameters, environment: &NOTHING_SET } } else { words };
        words.refuse_what_is_not_there()?;
        // As libpq has it: who must know the server needs the file, and others do without it unless they can see it.
        let trust = words.path("sslrootcert", "root.crt", mode >= LibpqMode::VerifyCa);
        let verification = match mode {
            LibpqMode::VerifyFull => Verification::ChainAndName,
            LibpqMode::VerifyCa => Verification::Chain,
            // libpq's rule for its own older versions: a file of trusted certificates is there to be used.
            LibpqMode::Require if trust.is_some() => Verification::Chain,
            _ => Verification::None,
        };
        if verification != Verification::None {
            words.refuse_usual_revocations()?;
        }
        // libpq stops at a certificate that it cannot look at. Where clear would do too, TLS without the certificate
        // does.
        let identity = words.identity(mode >= LibpqMode::Require)?;
        let is_unused = identity.is_none() && words.shows_certificates()?;
        let unused_key = parameters.get("sslkey").filter(|_| is_unused).map(str::to_owned);
        let tls = ClientTls {
            verification,
            trust: trust.filter(|_| !by_system),
            trust_parameter: "sslrootcert",
            identity,
            versions: words.versions()?,
            sends_name: words.choice("sslsni", &[("1", true), ("0", false)], true)?,
        };
        Ok(LibpqSettings { mode, mode_name, channel_binding, tls, unused_key })
    }
}

struct Lookup<'a> {
    parameters: &'a Parameters,
    environment: &'a Environment<'a>,
}

impl Lookup<'_> {
    fn get(&self, key: &str) -> Option<NamedValue> {
        if let Some(text) = self.parameters.get(key) {
            return Some(NamedValue { name: key.to_owned(), text: text.into() });
        }
        let (_, variable) = KEYS.iter().find(|(known, _)| *known == key)?;
        self.variable((*variable)?).filter(|word| !word.text.is_empty() || !EMPTY_IS_NONE.contains(&key))
    }

    fn variable(&self, variable: &str) -> Option<NamedValue> {
        let text = (self.environment.variable)(variable)?;
        Some(NamedValue { name: format!("{variable} of the environment"), text })
    }

    /// The value of `key`, of `choices` with their names.
    fn choice<T: Copy>(&self, key: &str, choices: &[(&str, T)], default: T) -> Result<T, String> {
        let Some(word) = self.get(key) else { return Ok(default) };
        pick(&word, choices)
    }

    /// `sslmode`; with the system's certificates (`sslrootcert=system`) nothing but the strictest makes sense, since
    /// anybody can have one of those.
    fn mode(&self, by_system: bool) -> Result<(LibpqMode, String), String> {
        let ssl = self.parameters.get(SSL);
        if let Some(text) = ssl.filter(|text| *text != "true") {
            let word = NamedValue { name: SSL.to_owned(), text: text.into() };
            return Err(word.refuse("true is allowed, which is sslmode=require"));
        }
        let own = self.parameters.get("sslmode").is_some();
        let required = self.variable(REQUIRE).filter(|word| word.text.as_encoded_bytes().starts_with(b"1"));
        let (mode, name) = match (self.get("sslmode"), required) {
            _ if ssl.is_some() && !own => (LibpqMode::Require, SSL.to_owned()),
            (Some(word), _) => (pick(&word, &MODES)?, word.name),
            (None, Some(word)) => (LibpqMode::Require, word.name),
            (None, None) if by_system => (LibpqMode::VerifyFull, "sslrootcert".to_owned()),
            (None, None) => (LibpqMode::Prefer, "sslmode".to_owned()),
        };
        if by_system && mode != LibpqMode::VerifyFull {
            return Err(format!("{name} {}: with sslrootcert=system verify-full is allowed", mode.name()));
        }
        Ok((mode, name))
    }

    /// The file that `key` names, else `file` in `~/.postgresql` if it is there; `in_doubt`: also if this process may
    /// not see whether it is.
    fn path(&self, key: &str, file: &str, in_doubt: bool) -> Option<NamedPath> {
        if let Some(word) = self.get(key) {
            return Some(NamedPath { parameter: word.name, path: word.text.into(), is_named: true });
        }
        let path = self.usual(file)?;
        is_there(&path).unwrap_or(in_doubt).then(|| NamedPath { parameter: key.to_owned(), path, is_named: false })
    }

    fn usual(&self, file: &str) -> Option<PathBuf> {
        Some(self.environment.home.as_ref()?.join(".postgresql").join(file))
    }

    fn shows_certificates(&self) -> Result<bool, String> {
        self.choice("sslcertmode", &[("allow", true), ("disable", false)], true)
    }

    fn identity(&self, in_doubt: bool) -> Result<Option<ClientCertificate>, String> {
        let Some(certificates) = self.path("sslcert", "postgresql.crt", in_doubt) else { return Ok(None) };
        if !self.shows_certificates()? {
            return Ok(None);
        }
        // libpq looks for the usual key whoever named the certificate.
        let key = self.path("sslkey", "postgresql.key", true).unwrap_or_else(|| {
            let path = self.usual("postgresql.key").unwrap_or_else(|| "~/.postgresql/postgresql.key".into());
            NamedPath { parameter: "sslkey".to_owned(), path, is_named: certificates.is_named }
        });
        Ok(Some(ClientCertificate { certificates, key, is_private: true }))
    }

    fn versions(&self) -> Result<Versions, String> {
        let bound = |key: &str, default: usize| match self.get(key) {
            None => Ok(default),
            Some(word) => VERSIONS
                .iter()
                .position(|version| word.text.eq_ignore_ascii_case(version))
                .ok_or_else(|| word.refuse(format!("{} are allowed", VERSIONS.join(", ")))),
        };
        match (bound("ssl_min_protocol_version", 2)?, bound("ssl_max_protocol_version", 3)?) {
            (0..=2, 3) => Ok(BOTH_VERSIONS),
            (0..=2, 2) => Ok(VERSION_12),
            (3, 3) => Ok(VERSION_13),
            _ => Err("ssl_min_protocol_version and ssl_max_protocol_version leave neither TLSv1.2 nor TLSv1.3, and no other \
                      version is spoken"
                .to_owned()),
        }
    }

    /// What libpq has and this has not; saying nothing would leave a connection less safe than was asked for.
    fn refuse_what_is_not_there(&self) -> Result<(), String> {
        if self.get("sslpassword").is_some() {
            return Err(
                "sslpassword: encrypted keys are not read; `openssl pkey -in KEY -out NEW` writes one without its \
                        password, which sslkey can name"
                    .to_owned(),
            );
        }
        for key in ["sslcrl", "sslcrldir"] {
            if let Some(word) = self.get(key) {
                return Err(word.refuse("lists of revoked certificates are not read; leave it out"));
            }
        }
        if let Some(key) = NOT_READ.iter().find(|key| self.parameters.unknown().iter().any(|name| name == *key)) {
            return Err(format!("{key}: it is not read; leave it out"));
        }
        self.choice("sslcompression", &[("0", ()), ("1", ())], ())?;
        self.choice("sslnegotiation", &[("postgres", ())], ())?;
        self.choice("sslcertmode", &[("allow", ()), ("disable", ())], ())
    }

    /// libpq obeys the usual list of revoked certificates wherever it looks at certificates.
    fn refuse_usual_revocations(&self) -> Result<(), String> {
        match self.usual("root.crl").filter(|path| is_there(path).unwrap_or_default()) {
            None => Ok(()),
            Some(path) => Err(format!(
                "sslcrl `{}`: lists of revoked certificates are not read; take the file away",
                path.display()
            )),
        }
    }
}

/// Whether there is anything at `path`; `None`: this process may not look.
fn is_there(path: &Path) -> Option<bool> {
    match path.metadata() {
        Ok(_) => Some(true),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Some(false),
        Err(_) => None,
    }
}
