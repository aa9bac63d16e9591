//! Constraints, types, encodings and tables of real databases.

use super::{Node, make_table, packets, rows, store_unrefused};
use crate::common::database::{MariaDb, Postgres};
use crate::common::kamailio::{ConfigBuilder, Module};
use crate::common::rows::{SqliteFile, count, execute, text};
use crate::common::wait::within;
use crate::tool::running::{command, run};

/// A database that refuses some rows of `sip_capture`, and what the tool and its operator do about it.
struct Case<'a> {
    url: &'a str,
    /// Statements that make the table refuse.
    strict: &'a str,
    /// Statements that make it take everything again.
    lenient: &'a str,
    /// How many of the 35 messages of five calls it refuses.
    refused: u64,
    /// What the reason says.
    reason: &'a str,
}

impl Case<'_> {
    /// Refused rows become letters, their neighbours are stored; a replay is refused again as long as the table is; and
    /// when it is not, the rows are those that the module itself writes.
    fn check(&self) {
        let url = self.url;
        make_table(url, "sip_capture");
        make_table(url, "unrefused");
        execute(url, self.strict);
        let node = Node::start(url);
        let sent = packets(0..5);
        node.capture(&sent, self.refused);
        assert_eq!(count(url, "sip_capture"), 35 - self.refused);

        let listed = node.list();
        assert_eq!(listed["total"], self.refused, "{listed:#}");
        assert_eq!(listed["unreadable"], 0);
        let first = &listed["letters"][0];
        let reason = first["reason"].as_str().expect("a reason");
        assert!(reason.contains(self.reason), "{reason}");
        assert_eq!((&first["table"], &first["kind"]), (&"sip_capture".into(), &"sip".into()));
        assert!(first["call_id"].as_str().expect("a Call-ID").ends_with("@letters.example.org"));
        assert!(!listed.to_string().contains("geheim"), "{listed:#}");

        let again = node.tool(&["replay-dead-letters", "--db", url]);
        assert_eq!(again.code, 1, "{again:?}");
        assert!(again.out.starts_with("0 letters stored in "), "{again:?}");
        assert!(
            again.out.contains(self.reason) && again.err.contains(&node.letters().display().to_string()),
            "{again:?}"
        );
        assert_eq!((&node.list(), count(url, "sip_capture")), (&listed, 35 - self.refused));

        execute(url, self.lenient);
        let replayed = node.tool(&["replay-dead-letters", "--db", url]);
        let expected = format!(
            "{} stored in ",
            if self.refused == 1 { "1 letter".into() } else { format!("{} letters", self.refused) }
        );
        assert!(replayed.code == 0 && replayed.out.starts_with(&expected), "{replayed:?}");
        assert!(!replayed.out.contains("geheim"), "{replayed:?}");
        assert_eq!(node.list()["total"], 0);

        store_unrefused(ConfigBuilder::capture_node(Module::Ours, url), "unrefused", &sent);
        let (replayed, expected) = (rows(url, "sip_capture"), rows(url, "unrefused"));
        assert_eq!((replayed.len(), expected.len()), (35, 35));
        for (replayed, expected) in replayed.iter().zip(&expected) {
            assert_eq!(replayed, expected);
        }
        assert_eq!(text(&expected[0], "callid_aleg"), "other-leg");

        // The server has noticed nothing, and goes on.
        node.capture(&packets(5..6), self.refused);
        assert_eq!(count(url, "sip_capture"), 42);
    }
}

#[test]
fn what_a_check_of_postgres_refuses_is_sent_again() {
    let server = Postgres::shared();
    Case {
        url: &server.create_database("letters_check"),
        strict: "ALTER TABLE sip_capture ADD CONSTRAINT no_ack CHECK (method <> 'ACK' OR from_user NOT LIKE '%2') NOT VALID",
        lenient: "ALTER TABLE sip_capture DROP CONSTRAINT no_ack",
        refused: 1,
        reason: "violates check constraint \"no_ack\"",
    }
    .check();
}

#[test]
fn what_an_encoding_of_postgres_refuses_is_sent_again() {
    let server = Postgres::shared();
    // The messages of one call have a header that the encoding has no sign for.
    Case {
        url: &server.create_database("letters_encoding"),
        strict: "ALTER TABLE sip_capture ADD CONSTRAINT narrow CHECK (convert_to(custom_field1, 'LATIN1') <> 'x') NOT VALID",
        lenient: "ALTER TABLE sip_capture DROP CONSTRAINT narrow",
        refused: 7,
        reason: "has no equivalent in encoding \"LATIN1\"",
    }
    .check();
}

#[test]
fn what_a_unique_key_of_mariadb_refuses_is_sent_again() {
    let server = MariaDb::shared();
    // Of the seven messages of a call, the first.
    Case {
        url: &server.create_database("letters_unique"),
        strict: "ALTER IGNORE TABLE sip_capture ADD UNIQUE KEY once (callid(100))",
        lenient: "ALTER TABLE sip_capture DROP KEY once",
        refused: 30,
        reason: "Duplicate entry",
    }
    .check();
}

#[test]
fn what_a_type_of_mariadb_refuses_is_sent_again() {
    let server = MariaDb::shared();
    Case {
        url: &server.create_database("letters_type"),
        strict: "ALTER IGNORE TABLE sip_capture MODIFY method ENUM('INVITE', 'ACK', 'BYE', '200', '100') NOT NULL",
        lenient: "ALTER TABLE sip_capture MODIFY method VARCHAR(50) NOT NULL",
        refused: 5,
        reason: "Data truncated for column 'method'",
    }
    .check();
}

#[test]
fn what_a_check_of_sqlite_refuses_is_sent_again() {
    let file = SqliteFile::new();
    let refusing = "CREATE TRIGGER no_bye BEFORE INSERT ON sip_capture WHEN NEW.method = 'BYE' \
                    BEGIN SELECT RAISE(ABORT, 'no goodbyes'); END";
    Case { url: file.url(), strict: refusing, lenient: "DROP TRIGGER no_bye", refused: 5, reason: "no goodbyes" }
        .check();
}

#[test]
fn a_check_constraint_of_sqlite_is_a_reason_and_another_table_a_way_out() {
    let file = SqliteFile::new();
    make_table(file.url(), "sip_capture");
    let schema =
        crate::common::rows::select(file.url(), "SELECT sql FROM sqlite_master WHERE name = 'sip_capture'").unwrap();
    let strict = text(&schema[0], "sql").replacen("sip_capture", "checked", 1);
    let strict =
        format!("{}, CHECK (cseq <> '2 BYE'))", strict.trim_end().strip_suffix(')').expect("the last bracket"));
    execute(file.url(), &strict);
    let node = Node::start_with(ConfigBuilder::capture_node(Module::Ours, file.url()).set("table_name", "checked"));
    node.capture(&packets(0..3), 6);
    assert!(node.list()["letters"][0]["reason"].as_str().unwrap().contains("CHECK constraint failed"));
    let dry = node.tool(&["replay-dead-letters", "--db", file.url(), "--dry-run"]);
    assert!(dry.code == 0 && dry.out.starts_with("6 letters would be sent to "), "{dry:?}");
    assert_eq!((node.list()["total"].as_u64(), count(file.url(), "checked")), (Some(6), 15));
    // As many as were asked for, the oldest first; a name is expanded at the time of the capture.
    let some = node.tool(&["replay-dead-letters", "--db", file.url(), "--table", "refused_%Y%m%d", "--limit", "4"]);
    assert!(some.code == 0 && some.out.contains("2 letters are still to be sent"), "{some:?}");
    assert_eq!((node.list()["total"].as_u64(), count(file.url(), "refused_20250615")), (Some(2), 4));
    let rest = node.tool(&["replay-dead-letters", "--db", file.url(), "--table", "refused_%Y%m%d"]);
    assert!(rest.code == 0 && rest.out.starts_with("2 letters stored"), "{rest:?}");
    let cseqs = rows(file.url(), "refused_20250615");
    assert!(cseqs.len() == 6 && cseqs.iter().all(|row| text(row, "cseq") == "2 BYE"), "{cseqs:?}");
}

#[test]
fn rows_of_a_node_with_its_own_names_are_made_with_the_same_options() {
    let server = Postgres::shared();
    let url = server.create_database("letters_options");
    make_table(&url, "sip_capture");
    execute(
        &url,
        "ALTER TABLE sip_capture RENAME COLUMN callid TO call_id; CREATE TABLE unrefused (LIKE sip_capture INCLUDING ALL)",
    );
    execute(&url, "ALTER TABLE sip_capture ADD CONSTRAINT none CHECK (type = 0)");
    let config = || {
        let config = ConfigBuilder::capture_node(Module::Ours, &url)
            .set("capture_node", "edge7")
            .set("callid_column", "call_id");
        config
            .set("callid_aleg_header", "X-Other;Mac")
            .set("custom_field2_header", "X-CID")
            .set("custom_field1_header", "")
    };
    let node = Node::start_with(config());
    let sent = packets(0..2);
    node.capture(&sent, 14);
    execute(&url, "ALTER TABLE sip_capture DROP CONSTRAINT none");
    let options = ["--node", "edge7", "--column", "callid=call_id", "--callid-aleg-header", "X-Other;Mac"];
    let headers = ["--custom-field2-header", "X-CID", "--custom-field1-header", ""];
    let replay = [&["replay-dead-letters", "--db", &url][..], &options, &headers].concat();
    let replayed = node.tool(&replay);
    assert_eq!((replayed.code, replayed.err.as_str()), (0, ""), "{replayed:?}");
    store_unrefused(config(), "unrefused", &sent);
    let stored = rows(&url, "sip_capture");
    assert_eq!(stored, rows(&url, "unrefused"));
    assert_eq!(text(&stored[0], "node"), "edge7:2001");
    assert_eq!(
        (text(&stored[0], "callid_aleg"), text(&stored[0], "custom_field2")),
        ("00:11:22:33:44:55".into(), "other-leg".into())
    );
}

#[test]
fn letters_outlast_a_database_that_is_away_while_they_are_sent() {
    let mut database = MariaDb::start();
    let url = database.url();
    make_table(&url, "sip_capture");
    execute(&url, "ALTER TABLE sip_capture ADD UNIQUE KEY once (callid(100))");
    let node = Node::start(&url);
    node.capture(&packets(0..5), 30);
    execute(&url, "ALTER TABLE sip_capture DROP KEY once");
    database.stop();
    let away = node.tool(&["replay-dead-letters", "--db", &url]);
    assert_eq!(away.code, 2, "{away:?}");
    assert!(away.err.contains("cannot write: ") && away.err.contains("30 letters stay in "), "{away:?}");
    assert!(!away.err.contains("geheim"), "{away:?}");
    assert_eq!(node.list()["total"], 30);
    database.start_again();
    let back = node.tool(&["replay-dead-letters", "--db", &url]);
    assert!(back.code == 0 && back.out.starts_with("30 letters stored"), "{back:?}");
    within(super::PATIENCE, "every message is stored once", || count(&url, "sip_capture") == 35);
    // The environment names the database as well as --db does.
    let empty = run(command(&["replay-dead-letters", "--dir"]).arg(node.letters()).env("SIPCAPTURE_DB", &url));
    assert!(empty.code == 0 && empty.out.starts_with("no dead letters in "), "{empty:?}");
}
