//! Directories and files as an operator finds them, with letters that were written by hand.

use super::{document, rows, tool};
use crate::common::rows::{SqliteFile, count};
use crate::common::sip::answered_call;
use crate::tool::running::{command, run};
use sipcapture_core::capture::{Capture, RowKind, Transport, record};
use sipcapture_core::queue::spool::dead_letter::{DeadLetters, Entry, list};
use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const LIMIT: u64 = 64 << 20;
const REFUSED_US: i64 = 1_750_000_000_000_000;

pub fn sip(number: u64) -> Vec<u8> {
    let message = &answered_call("files", number)[0].text;
    encoded(&Capture::sip(
        number as i64,
        "192.0.2.1:5060".parse().unwrap(),
        "192.0.2.2:5060".parse().unwrap(),
        Transport::Udp,
        message,
    ))
}

fn encoded(capture: &Capture<'_>) -> Vec<u8> {
    let mut bytes = vec![0; record::encoded_len(capture).expect("it is short")];
    record::encode(capture, &mut bytes);
    bytes
}

pub fn letter(sink: &str, table: &str, capture: Vec<u8>) -> Entry<'static> {
    Entry {
        time_us: REFUSED_US,
        sink: sink.to_owned().into(),
        table: table.to_owned().into(),
        reason: "value too long".into(),
        capture: capture.into(),
    }
}

/// A spool with these letters in one file.
pub fn spool(letters: &[Entry<'_>]) -> TempDir {
    let spool = TempDir::new().expect("a private directory");
    let mut writer = DeadLetters::open(&spool.path().join("dead-letter"), LIMIT).expect("a directory");
    letters.iter().for_each(|letter| writer.append(letter).expect("a letter is written"));
    spool
}

fn only_file(spool: &Path) -> PathBuf {
    let files = list(&spool.join("dead-letter")).expect("a directory");
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].path.clone()
}

#[test]
fn letters_are_listed_newest_last_with_counts_by_table_and_reason() {
    let reason = |entry: Entry<'static>, text: &'static str| Entry { reason: text.into(), ..entry };
    let url = "mysql://homer:xxxx@db1/homer";
    let report = Capture { kind: RowKind::Report(3), correlation_id: Some(b"report-1"), ..record_of(b"{}") };
    let spool = spool(&[
        reason(letter(url, "sip_capture", sip(1)), "Duplicate entry 'a' for key 'k'"),
        reason(letter(url, "sip_capture", sip(2)), "Duplicate entry 'b' for key 'k'"),
        letter(url, "rtcp_capture", encoded(&report)),
        Entry { time_us: REFUSED_US - 1_000_000, ..letter(url, "", b"\x1b[2Jnothing".to_vec()) },
    ]);
    let listed = tool(spool.path(), &["dead-letters"]);
    assert_eq!((listed.code, listed.err.as_str()), (0, ""));
    let lines: Vec<String> =
        listed.out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        lines,
        [
            "REFUSED TABLE MESSAGE CALL-ID REASON",
            "2025-06-15 15:06:39 unreadable value too long",
            "2025-06-15 15:06:40 sip_capture INVITE call-0000000001@files.example.org Duplicate entry 'a' for key 'k'",
            "2025-06-15 15:06:40 sip_capture INVITE call-0000000002@files.example.org Duplicate entry 'b' for key 'k'",
            "2025-06-15 15:06:40 rtcp_capture RTCP report-1 value too long",
            "",
            "LETTERS TABLE DATABASE REASON",
            "2 sip_capture mysql://homer:xxxx@db1/homer Duplicate entry '…' for key 'k'",
            "1 mysql://homer:xxxx@db1/homer value too long",
            "1 rtcp_capture mysql://homer:xxxx@db1/homer value too long",
            "",
            &format!(
                "4 dead letters in 1 file in {}, 1 of them no captures",
                spool.path().join("dead-letter").display()
            ),
        ]
    );
    let newest = document(spool.path(), &["dead-letters", "--limit", "1"]);
    assert_eq!((newest["total"].as_u64(), newest["letters"].as_array().map(Vec::len)), (Some(4), Some(1)));
    let letter = &newest["letters"][0];
    assert_eq!(
        (&letter["kind"], &letter["report_type"], &letter["call_id"]),
        (&"report".into(), &3.into(), &"report-1".into())
    );
    assert_eq!((&letter["time"], &letter["table"]), (&"2025-06-15T15:06:40.000000Z".into(), &"rtcp_capture".into()));
    assert_eq!(newest["counts"][0]["count"], 2);
}

fn record_of(payload: &[u8]) -> Capture<'_> {
    Capture::sip(7, "192.0.2.1:5060".parse().unwrap(), "192.0.2.2:5060".parse().unwrap(), Transport::Udp, payload)
}

#[test]
fn letters_of_other_databases_stay_unless_they_are_asked_for() {
    let file = SqliteFile::new();
    let ours = file.url();
    let moved = "postgres://homer:xxxx@old/homer";
    let gone = "mysql://homer:xxxx@gone/homer";
    let letters = [
        letter(ours, "sip_capture", sip(1)),
        letter(moved, "sip_capture", sip(2)),
        letter(gone, "sip_capture", sip(3)),
    ];
    let spool = spool(&[&letters[..], &[letter(gone, "sip_capture", sip(4))]].concat());
    let replay = |options: &[&str]| {
        tool(spool.path(), &[&["replay-dead-letters", "--db", ours, "--create-tables"], options].concat())
    };
    let first = replay(&[]);
    assert_eq!((first.code, first.err.as_str()), (0, ""));
    assert!(first.out.starts_with("1 letter stored in sqlite://"), "{first:?}");
    assert!(
        first.out.contains(&format!("not sent: 2 letters of {gone}\nnot sent: 1 letter of {moved}\n")),
        "{first:?}"
    );
    assert!(first.out.contains("--sink URL or --all-sinks"), "{first:?}");
    let nothing = replay(&[]);
    assert!(nothing.code == 0 && nothing.out.starts_with("no dead letters of sqlite://"), "{nothing:?}");
    let named = replay(&["--sink", "postgres://admin:secret@old/homer"]);
    assert!(named.code == 0 && named.out.starts_with("1 letter stored"), "{named:?}");
    assert!(!named.out.contains("secret"), "{named:?}");
    let all = replay(&["--all-sinks"]);
    assert!(all.code == 0 && all.out.starts_with("2 letters stored"), "{all:?}");
    assert_eq!(rows(ours, "sip_capture").len(), 4);
    assert!(list(&spool.path().join("dead-letter")).unwrap().is_empty());
}

#[test]
fn what_no_row_can_be_made_of_stays_and_is_counted() {
    let file = SqliteFile::new();
    let letters = [
        letter(file.url(), "sip_capture", sip(1)),
        letter(file.url(), "", b"nothing".to_vec()),
        letter(file.url(), "no; name", sip(2)),
        letter(file.url(), "sip_capture", sip(3)),
    ];
    let spool = spool(&letters);
    let owner = only_file(spool.path());
    if rustix::process::getuid().is_root() {
        chown(&owner, Some(65_534), Some(65_534)).expect("root gives files away");
    }
    let before = fs::metadata(&owner).unwrap();
    let replayed = tool(spool.path(), &["replay-dead-letters", "--db", file.url(), "--create-tables", "--json"]);
    assert_eq!(replayed.code, 1, "{replayed:?}");
    assert!(replayed.err.contains("2 letters stay in "), "{replayed:?}");
    let document: serde_json::Value = serde_json::from_str(&replayed.out).expect("one JSON document");
    let counts = ["stored", "refused", "unreadable", "waiting"].map(|name| document[name].as_u64().unwrap());
    assert_eq!(counts, [2, 1, 1, 0]);
    assert!(document["refusals"][0]["reason"].as_str().unwrap().contains("table name"), "{document:#}");
    let after = fs::metadata(&owner).unwrap();
    assert_eq!((after.uid(), after.gid(), after.mode()), (before.uid(), before.gid(), before.mode()));
    assert_ne!(after.ino(), before.ino());
    // With a table that will do, one more goes.
    let named = tool(spool.path(), &["replay-dead-letters", "--db", file.url(), "--table", "sip_capture"]);
    assert!(named.code == 1 && named.out.ends_with("0 refused again, 1 unreadable\n"), "{named:?}");
    assert_eq!(count(file.url(), "sip_capture"), 3);
}

#[test]
fn a_whole_packet_for_a_collector_is_shown_as_one_and_becomes_no_row() {
    let file = SqliteFile::new();
    let uri = "sip:192.0.2.9:9060";
    let packet = Capture { kind: RowKind::Relayed, table: Some(uri.as_bytes()), ..record_of(b"HEP3\0\x06") };
    let spool = spool(&[letter("collectors named by the script", uri, encoded(&packet))]);
    let listed = document(spool.path(), &["dead-letters"]);
    assert_eq!((&listed["letters"][0]["kind"], &listed["letters"][0]["table"]), (&"packet".into(), &uri.into()));
    let arguments = ["replay-dead-letters", "--all-sinks", "--db", file.url(), "--create-tables", "--json"];
    let replayed = tool(spool.path(), &arguments);
    let told: serde_json::Value = serde_json::from_str(&replayed.out).expect("one JSON document");
    assert_eq!((&told["stored"], &told["refused"]), (&0.into(), &1.into()), "{told:#}");
    assert_eq!(told["refusals"][0]["reason"], "it is a packet for a collector, and no row");
}

#[test]
fn a_damaged_letter_costs_itself_alone() {
    let file = SqliteFile::new();
    let letters: Vec<Entry<'_>> = (1..=5).map(|number| letter(file.url(), "sip_capture", sip(number))).collect();
    let spool = spool(&letters);
    let path = only_file(spool.path());
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let listed = document(spool.path(), &["dead-letters"]);
    assert_eq!((listed["total"].as_u64(), listed["damaged"].as_u64()), (Some(4), Some(1)));
    let replayed = tool(spool.path(), &["replay-dead-letters", "--db", file.url(), "--create-tables"]);
    assert!(
        replayed.out.starts_with("4 letters stored in ") && replayed.out.ends_with("1 unreadable\n"),
        "{replayed:?}"
    );
    assert_eq!((replayed.code, count(file.url(), "sip_capture")), (1, 4));
}

#[test]
fn a_directory_that_will_not_do_is_named_with_what_would_be_right() {
    let empty = spool(&[]);
    let listed = tool(empty.path(), &["dead-letters"]);
    let place = empty.path().join("dead-letter");
    assert_eq!((listed.code, listed.out), (0, format!("no dead letters in {}\n", place.display())));
    let elsewhere = TempDir::new().unwrap();
    let file = elsewhere.path().join("file");
    fs::write(&file, "").unwrap();
    for (directory, says) in [
        (elsewhere.path().to_owned(), "is no directory of dead letters and has no dead-letter in it"),
        (elsewhere.path().join("nowhere"), "there is no directory "),
        (file, "is a file, not a directory"),
    ] {
        for subcommand in [&["dead-letters"][..], &["replay-dead-letters", "--create-tables", "--db", "x.db"]] {
            let refused = tool(&directory, subcommand);
            assert_eq!((refused.code, refused.out.as_str()), (2, ""), "{refused:?}");
            let shown = directory.display().to_string();
            assert!(refused.err.contains(says) && refused.err.contains(&shown), "{refused:?}");
            assert!(refused.err.contains("name the server's spool_dir with --dir"), "{refused:?}");
        }
    }
}

#[test]
fn a_file_that_is_none_is_named_and_the_others_are_read() {
    let file = SqliteFile::new();
    let spool = spool(&[letter(file.url(), "sip_capture", sip(1))]);
    let strange = spool.path().join("dead-letter/00000000000000000001-1.letters");
    fs::write(&strange, vec![b'x'; 500]).unwrap();
    // Begun by a writer that died before it wrote.
    fs::write(spool.path().join("dead-letter/00000000000000000002-1.letters"), "").unwrap();
    let listed = tool(spool.path(), &["dead-letters", "--json"]);
    let document: serde_json::Value = serde_json::from_str(&listed.out).expect("one JSON document");
    assert_eq!((listed.code, document["total"].as_u64()), (2, Some(1)), "{listed:?}");
    assert!(listed.err.contains(&format!("{} is no file of dead letters", strange.display())), "{listed:?}");
    let replayed = tool(spool.path(), &["replay-dead-letters", "--db", file.url(), "--create-tables"]);
    assert!(replayed.code == 2 && replayed.out.starts_with("1 letter stored"), "{replayed:?}");
    assert!(replayed.err.contains(&strange.display().to_string()), "{replayed:?}");
    assert_eq!((fs::read(&strange).unwrap().len(), count(file.url(), "sip_capture")), (500, 1));
}

#[test]
fn a_database_that_will_not_do_is_an_error_before_anything_is_touched() {
    let file = SqliteFile::new();
    let spool = spool(&[letter(file.url(), "sip_capture", sip(1))]);
    let before = fs::read(only_file(spool.path())).unwrap();
    for (options, says) in [
        (&["--db", file.url()][..], "--create-tables makes one"),
        (&["--db", "mysql://u:geheim@"], "it names no database"),
        (&["--db", "text:///var/lib/x"], "served by a driver of the SIP server"),
        (&["--db", file.url(), "--create-tables", "--table", "a b"], "--table: table name \"a b\""),
        (&["--db", file.url(), "--create-tables", "--table", "a", "--table", "b"], "name one table"),
        (&["--db", file.url(), "--create-tables", "--sink", "my-sql://x"], "--sink: database URL"),
        (&["--db", file.url(), "--create-tables", "--column", "callid=a b"], "--column: "),
    ] {
        let refused = tool(spool.path(), &[&["replay-dead-letters"], options].concat());
        assert_eq!((refused.code, refused.out.as_str()), (2, ""), "{options:?}: {refused:?}");
        assert!(refused.err.contains(says) && !refused.err.contains("geheim"), "{options:?}: {refused:?}");
    }
    assert_eq!(fs::read(only_file(spool.path())).unwrap(), before);
    assert!(!Path::new(file.url().trim_start_matches("sqlite://")).exists());
}

#[test]
fn help_tells_of_the_defaults() {
    for (subcommand, says) in
        [("dead-letters", "/var/lib/sipcapture/spool/dead-letter"), ("replay-dead-letters", "[default: homer01]")]
    {
        let help = run(&mut command(&[subcommand, "--help"]));
        assert!(help.code == 0 && help.out.contains(says), "{help:?}");
    }
}
