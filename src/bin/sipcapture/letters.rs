//! Dead letters as an operator sees them: where they are, what each of them is, and how many have the same reason.

use crate::moment::rfc3339;
use crate::session::Error;
use clap::Args;
use serde_json::{Value, json};
use sipcapture_core::capture::{RowKind, record};
use sipcapture_core::module::SPOOL_DIRECTORY;
use sipcapture_core::queue::spool::dead_letter::{Entry, LetterFile, list};
use sipcapture_core::sip::{self, FirstLine, HeaderNames};
use sipcapture_core::writer::spools::DEAD_LETTERS;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

const NAME_IT: &str = "name the server's spool_dir with --dir";

/// Where the dead letters are.
#[derive(Args, Clone, Debug)]
pub struct LetterPlace {
    #[arg(long, value_name = "DIR", help = dir_help())]
    dir: Option<PathBuf>,
}

fn dir_help() -> String {
    let default = Path::new(SPOOL_DIRECTORY).join(DEAD_LETTERS);
    format!("Directory of the dead letters, or the spool_dir that it is in\n[default: {}]", default.display())
}

impl LetterPlace {
    /// The directory that holds the files.
    pub fn find(&self) -> Result<PathBuf, Error> {
        let named = self.dir.clone().unwrap_or_else(|| SPOOL_DIRECTORY.into());
        require_directory(&named)?;
        let inner = named.join(DEAD_LETTERS);
        match std::fs::metadata(&inner) {
            Ok(metadata) if metadata.is_dir() => return Ok(inner),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(unreadable(&inner, &error)),
            _ => {}
        }
        let is_one = named.file_name().is_some_and(|name| name == DEAD_LETTERS);
        if is_one || !list(&named).map_err(|error| unreadable(&named, &error))?.is_empty() {
            return Ok(named);
        }
        Err(Error::Argument(format!(
            "--dir: {} is no directory of dead letters and has no {DEAD_LETTERS} in it; {NAME_IT}",
            named.display()
        )))
    }
}

/// An error unless `path` is a directory.
pub fn require_directory(path: &Path) -> Result<(), Error> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        Ok(_) => Err(Error::Argument(format!("--dir: {} is a file, not a directory; {NAME_IT}", path.display()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(Error::Argument(format!("--dir: there is no directory {}; {NAME_IT}", path.display())))
        }
        Err(error) => Err(unreadable(path, &error)),
    }
}

/// That `path` cannot be read, and what to do about it.
pub fn unreadable(path: &Path, error: &io::Error) -> Error {
    let advice = match error.kind() {
        io::ErrorKind::PermissionDenied => "; run this as root or as the user that the server runs as",
        _ => "",
    };
    Error::Read(format!("{}: {error}{advice}", path.display()))
}

/// The files in `directory`, oldest first.
pub fn files(directory: &Path) -> Result<Vec<LetterFile>, Error> {
    list(directory).map_err(|error| unreadable(directory, &error))
}

/// What a dead letter holds.
#[derive(Clone, Debug, PartialEq, Eq)]
enum LetterContent {
    /// A SIP message: its method, and of a reply its status line's number and text.
    Sip { method: String, status: Option<String> },
    /// A report with this type.
    Report(u8),
    /// A whole HEP packet, for a collector.
    Packet,
    /// Bytes that are no capture.
    Unreadable,
}

/// One dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// When it was refused, microseconds since the Unix epoch.
    pub time_us: i64,
    /// The table that it was meant for.
    pub table: String,
    /// URL of the database that refused it, without its password.
    pub database: String,
    /// What the database said.
    pub reason: String,
    /// Call-ID of a message, correlation id of a report.
    pub call_id: String,
    correlation_id: String,
    captured_us: Option<i64>,
    kind: LetterContent,
}

impl Letter {
    /// Reads an entry.
    pub fn of(entry: &Entry<'_>) -> Letter {
        let mut letter = Letter {
            time_us: entry.time_us,
            table: entry.table.to_string(),
            database: entry.sink.to_string(),
            reason: entry.reason.to_string(),
            call_id: String::new(),
            correlation_id: String::new(),
            captured_us: None,
            kind: LetterContent::Unreadable,
        };
        let Ok(capture) = record::decode(&entry.capture) else { return letter };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        letter.captured_us = Some(capture.time_us);
        letter.correlation_id = text(capture.correlation_id.unwrap_or_default());
        if let RowKind::Report(number) = capture.kind {
            letter.kind = LetterContent::Report(number);
            letter.call_id.clone_from(&letter.correlation_id);
            return letter;
        }
        if capture.kind == RowKind::Relayed {
            letter.kind = LetterContent::Packet;
            return letter;
        }
        let fields = sip::extract(capture.payload, None, &HeaderNames::default());
        letter.call_id = text(capture.call_id.unwrap_or(fields.callid));
        letter.kind = match fields.first_line {
            FirstLine::Reply => {
                let status = format!("{} {}", text(fields.method), text(fields.reply_reason));
                // A reply's method is that of CSeq.
                let method = text(fields.cseq).split_whitespace().last().unwrap_or_default().to_owned();
                LetterContent::Sip { method, status: Some(status.trim_end().to_owned()) }
            }
            FirstLine::Request | FirstLine::Invalid => LetterContent::Sip { method: text(fields.method), status: None },
        };
        letter
    }

    /// Whether its capture can be read: no database will ever take one that cannot.
    pub fn is_readable(&self) -> bool {
        self.kind != LetterContent::Unreadable
    }

    /// Method, status or kind, in a few words.
    pub fn what(&self) -> String {
        match &self.kind {
            LetterContent::Sip { status: Some(status), .. } => status.clone(),
            LetterContent::Sip { method, status: None } => method.clone(),
            LetterContent::Report(3) => "RTCP".into(),
            LetterContent::Report(5) => "log".into(),
            LetterContent::Report(number) => format!("report {number}"),
            LetterContent::Packet => "HEP packet".into(),
            LetterContent::Unreadable => "unreadable".into(),
        }
    }

    /// The letter as a JSON object.
    pub fn to_json(&self) -> Value {
        let (kind, method, status, report_type) = match &self.kind {
            LetterContent::Sip { method, status } => ("sip", Some(method), status.as_ref(), None),
            LetterContent::Report(number) => ("report", None, None, Some(number)),
            LetterContent::Packet => ("packet", None, None, None),
            LetterContent::Unreadable => ("unreadable", None, None, None),
        };
        json!({
            "time": rfc3339(self.time_us),
            "time_us": self.time_us,
            "table": self.table,
            "database": self.database,
            "reason": self.reason,
            "kind": kind,
            "method": method,
            "status": status,
            "report_type": report_type,
            "call_id": self.call_id,
            "correlation_id": self.correlation_id,
            "captured": self.captured_us.map(rfc3339),
            "micro_ts": self.captured_us,
        })
    }
}

/// How often each of some things came, the most frequent first.
pub fn tally<T: Clone + Ord + std::hash::Hash>(things: impl IntoIterator<Item = T>) -> Vec<(T, u64)> {
    let mut counts: HashMap<T, u64> = HashMap::new();
    for thing in things {
        *counts.entry(thing).or_default() += 1;
    }
    let mut counts: Vec<(T, u64)> = counts.into_iter().collect();
    counts.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
    counts
}

/// A reason without the values of the row, so that all rows that break one rule have the same reason. Values are what
/// MySQL quotes, unless that is a name, and the line in which PostgreSQL shows the row.
pub fn shape(reason: &str) -> String {
    const NAMED: [&str; 5] = ["column ", "key ", "table ", "constraint ", "function "];
    let reason = reason.split(" (COPY ").next().unwrap_or(reason);
    let parts: Vec<&str> = reason.split('\'').collect();
    let last = parts.len() - 1;
    let shown = parts.iter().enumerate().map(|(index, part)| {
        let is_value = index % 2 == 1 && index < last && !NAMED.iter().any(|word| parts[index - 1].ends_with(word));
        if is_value { "…" } else { part }
    });
    shown.collect::<Vec<_>>().join("'")
}

/// `1 letter`, `2 letters`.
pub fn counted(count: u64, one: &str, several: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sipcapture_core::capture::{Capture, Transport};

    fn entry(capture: &Capture<'_>) -> Entry<'static> {
        let mut bytes = vec![0; record::encoded_len(capture).unwrap()];
        record::encode(capture, &mut bytes);
        Entry {
            time_us: 1_000_000,
            sink: "sqlite:////x.db".into(),
            table: "sip_capture".into(),
            reason: "why".into(),
            capture: bytes.into(),
        }
    }

    fn capture(payload: &[u8]) -> Capture<'_> {
        let endpoint = "192.0.2.1:5060".parse().unwrap();
        Capture::sip(2_000_000, endpoint, endpoint, Transport::Udp, payload)
    }

    #[test]
    fn a_letter_says_what_it_is() {
        let request = Letter::of(&entry(&capture(b"INVITE sip:a@b SIP/2.0\r\nCall-ID: one\r\n\r\n")));
        assert_eq!((request.what().as_str(), request.call_id.as_str()), ("INVITE", "one"));
        let reply = Letter::of(&entry(&capture(b"SIP/2.0 486 Busy Here\r\nCall-ID: one\r\nCSeq: 1 INVITE\r\n\r\n")));
        assert_eq!((reply.what().as_str(), &reply.to_json()["method"]), ("486 Busy Here", &json!("INVITE")));
        let report = Capture { kind: RowKind::Report(5), correlation_id: Some(b"two"), ..capture(b"line") };
        let report = Letter::of(&entry(&report));
        assert_eq!((report.what().as_str(), report.call_id.as_str()), ("log", "two"));
        let unmasked = Capture { call_id: Some(b"real"), ..capture(b"BYE sip:a@b SIP/2.0\r\nCall-ID: masked\r\n\r\n") };
        assert_eq!(Letter::of(&entry(&unmasked)).call_id, "real");
        let packet = Capture { kind: RowKind::Relayed, table: Some(b"sip:c.example"), ..capture(b"HEP3\0\x06") };
        let packet = Letter::of(&entry(&packet));
        assert_eq!((packet.what().as_str(), &packet.to_json()["kind"]), ("HEP packet", &json!("packet")));
        let broken = Letter::of(&Entry { capture: b"no capture".into(), ..entry(&capture(b"")) });
        assert_eq!((broken.what().as_str(), broken.is_readable()), ("unreadable", false));
        assert_eq!(broken.to_json()["micro_ts"], Value::Null);
    }

    #[test]
    fn reasons_that_differ_in_values_alone_have_one_shape() {
        let reason = |value: &str| format!("Duplicate entry '{value}' for key 'callid'");
        assert_eq!(shape(&reason("one")), shape(&reason("two")));
        let line = |line: &str| format!("violates check constraint \"c\" (COPY t, line 1: \"{line}\")");
        assert_eq!(shape(&line("one")), shape(&line("two")));
        assert_ne!(shape("Data too long for column 'a'"), shape("Data too long for column 'b'"));
        assert_eq!(shape("the server's answer"), "the server's answer");
    }
}
