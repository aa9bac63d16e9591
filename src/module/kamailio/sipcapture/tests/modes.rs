//! Capture modes and what else decides whether, where and how a message is captured.

use super::{SIP, message, node, queued, totals};
use crate::capture::record;
use crate::module::{CaptureError, CaptureSettings, CapturesSip as _, Module as _, SipMessage};
use crate::queue::counters::Produced;
use crate::writer::{SpoolPlan, SpoolSync};

#[test]
fn a_mode_that_cannot_be_made_is_refused_with_its_parameter_and_without_its_password() {
    let mut settings = CaptureSettings::default();
    let mut refused = |text: &str| settings.set_text("capture_mode", text.as_bytes()).unwrap_err().to_string();
    for (text, reason) in [
        ("m=>db_url=mysql://u:s3cret@h/d;table_name=a", "lacks mt_mode"),
        ("m=>db_url='mysql://u:s3;cret@h/d;table_name=a;mt_mode=rand", "closing quote"),
        ("m=>db_url=mysql://u:s3cret;mt_mode=rand", "db_url"),
        (
            "default=>db_url=mysql://u:s3cret@h/d;table_name=a;mt_mode=rand",
            "db_url, table_name, mt_mode and hash_source",
        ),
        ("nothing", "NAME=>"),
    ] {
        let error = refused(text);
        for part in ["parameter capture_mode", reason, "NAME=>db_url=URL;table_name=TABLE|TABLE"] {
            assert!(error.contains(part), "{part} in {error}");
        }
        assert!(!error.contains("s3"), "{error}");
    }
}

#[test]
fn there_are_at_most_32_modes_and_each_has_a_name_of_its_own() {
    let mut settings = CaptureSettings::default();
    let mut add = |number: usize| {
        let text = format!("m{number}=>db_url=mysql://u:p@h{number}/d;table_name=a;mt_mode=rand");
        settings.set_text("capture_mode", text.as_bytes()).map_err(|error| error.to_string())
    };
    for number in 1..32 {
        add(number).unwrap();
    }
    assert!(add(32).unwrap_err().contains("at most 32 modes"));
    assert!(add(7).unwrap_err().contains("of that name"));
    assert_eq!(settings.plan().sinks.len(), 32);
    assert_eq!(settings.modes().get(31).map(|mode| (mode.name.as_str(), mode.sink)), Some(("m31", 31)));
}

#[test]
fn each_database_is_one_sink_and_only_sqlite_makes_its_tables_by_itself() {
    let mut settings = CaptureSettings::default();
    settings.set_text("db_url", b"mysql://u:p;q, r@h/d").unwrap();
    for text in [
        "lite=>db_url=sqlite:///x.db;table_name=a;mt_mode=rand",
        "same=>db_url=mysql://u:p;q, r@h/d;table_name=b;mt_mode=rand",
    ] {
        let quoted = text.replace("db_url=", "db_url='").replace(";table_name", "';table_name");
        settings.set_text("capture_mode", quoted.as_bytes()).unwrap();
    }
    let sinks = settings.row_sinks();
    let sinks: Vec<_> = sinks.iter().map(|sink| (sink.to_string(), sink.options.create_tables)).collect();
    assert_eq!(sinks, [("mysql://u:xxxx@h/d".to_owned(), false), ("sqlite:///x.db".to_owned(), true)]);
    assert_eq!(settings.modes().iter().map(|mode| mode.sink).collect::<Vec<_>>(), [0, 1, 0]);
}

#[test]
fn the_spool_and_the_retries_come_to_the_plan_as_they_are_set() {
    let mut settings = CaptureSettings::default();
    let plan = settings.plan();
    assert_eq!((plan.spool, plan.insert_retries, plan.insert_retry_timeout.as_secs()), (None, 0, 60));
    settings.set_text("spool_dir", b"/spool").unwrap();
    settings.set_text("spool_sync", b"batch").unwrap();
    settings.set_number("spool_size", 3).unwrap();
    settings.set_number("insert_retries", 500).unwrap();
    settings.set_number("insert_retry_timeout", 0).unwrap();
    let plan = settings.plan();
    let spool = SpoolPlan { directory: "/spool".into(), limit_bytes: 3 << 20, sync: SpoolSync::Batch };
    assert_eq!((plan.spool, plan.insert_retries, plan.insert_retry_timeout.as_secs()), (Some(spool), 500, 0));
    settings.set_text("spool_dir", b"").unwrap();
    assert_eq!(settings.plan().spool, None);
}

#[test]
fn a_capture_carries_table_and_sink_of_its_mode_and_is_counted_there() {
    let mut node = node(|settings| {
        for text in [
            "hashed=>db_url=mysql://u:p@h/d;table_name=h0|h1|h2;mt_mode=hash",
            "turned=>db_url=mysql://u:p@127.0.0.1/d;table_name=t0_%Y|t1;mt_mode=round_robin",
        ] {
            settings.set_text("capture_mode", text.as_bytes()).unwrap();
        }
    });
    assert_eq!(
        [&b""[..], b"default", b"hashed", b"turned", b"none"].map(|name| node.find_mode(name).unwrap()),
        [Some(0), Some(0), Some(1), Some(2), None]
    );
    let reply = b"SIP/2.0 200 OK\r\nCall-ID: 1\r\n\r\n";
    let unmasked = SipMessage { call_id: Some(b"2"), ..message(SIP) };
    node.capture_sip(&message(SIP), b"", 0).unwrap();
    node.capture_sip(&message(SIP), b"", 1).unwrap();
    node.capture_sip(&unmasked, b"", 1).unwrap();
    node.capture_sip(&message(reply), b"", 2).unwrap();
    node.capture_sip(&message(SIP), b"", 2).unwrap();
    node.capture_sip(&message(SIP), b"named", 1).unwrap();
    let no_call_id = message(b"OPTIONS sip:bob@example.com SIP/2.0\r\nTo: x\r\n\r\n");
    assert!(matches!(node.capture_sip(&no_call_id, b"", 1), Err(CaptureError::NoHashSource)));
    node.capture_sip(&no_call_id, b"named", 1).unwrap();
    assert!(matches!(node.capture_sip(&message(SIP), b"", 3), Err(CaptureError::Mode(3))));
    let places: Vec<_> = queued(&node)
        .iter()
        .map(|bytes| {
            let capture = record::decode(bytes).unwrap();
            (String::from_utf8(capture.table.unwrap().to_vec()).unwrap(), capture.sink, capture.call_id.is_some())
        })
        .collect();
    let of_hash = |value: &[u8]| format!("h{}", crc32fast::hash(value) % 3);
    let expected = [
        ("sip_capture".to_owned(), 0, false),
        (of_hash(b"1"), 1, false),
        (of_hash(b"2"), 1, true),
        ("t0_%Y".to_owned(), 0, false),
        ("t1".to_owned(), 0, false),
        ("named".to_owned(), 1, false),
        ("named".to_owned(), 1, false),
    ];
    assert_eq!(places, expected);
    let counted = totals(&node);
    assert_eq!(counted.modes[..4], [[1, 0], [4, 0], [1, 1], [0, 0]]);
    assert_eq!(counted.produced(Produced::HashRefused), 1);
    let counters: Vec<_> =
        (0..).map_while(|index| node.pipeline().overview().counter_at(node.dialect(), index)).collect();
    let value = |name: &str| {
        let counter = counters.iter().find(|counter| counter.name.to_str() == Ok(name)).unwrap();
        counter.value(&counted)
    };
    let names =
        ["captured_requests", "captured_requests[hashed]", "captured_replies[turned]", "captured", "hash_refused"];
    assert_eq!(names.map(value), [1, 4, 1, 7, 1]);
}

#[test]
fn malformed_messages_are_refused_only_where_the_operator_says_so() {
    let good = b"OPTIONS sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:b@b>\r\n\
                 Call-ID: 1\r\nCSeq: 1 OPTIONS\r\n\r\n";
    for (set, refused) in [(None, 0), (Some(1), 0), (Some(0), 1)] {
        let mut node = node(|settings| {
            if let Some(value) = set {
                settings.set_number("capture_bad_msgs", value).unwrap();
            }
        });
        node.capture_sip(&message(good), b"", 0).unwrap();
        let bad = node.capture_sip(&message(SIP), b"", 0);
        assert_eq!(matches!(bad, Err(CaptureError::Malformed)), refused == 1, "{set:?}");
        let counted = totals(&node);
        assert_eq!(counted.produced(Produced::RefusedMalformed), refused);
        assert_eq!(counted.captured(), 2 - refused);
    }
}

#[test]
fn a_page_of_an_exporter_shows_all_one_group_or_one_statistic() {
    let node = node(|settings| {
        for name in ["m", "other"] {
            let text = format!("{name}=>db_url=mysql://u:p@h/d;table_name=t;mt_mode=rand");
            settings.set_text("capture_mode", text.as_bytes()).unwrap();
        }
    });
    let counters: Vec<_> = (0..)
        .map_while(|index| node.pipeline().overview().counter_at(node.dialect(), index))
        .map(|counter| counter.name.to_bytes().to_owned())
        .collect();
    let renamed = |shown: &str| {
        let names = counters.iter().filter_map(|name| {
            node.pipeline().overview().exported_name(node.dialect(), b"sipcapture", name, shown.as_bytes())
        });
        names.map(|name| name.to_str().unwrap()).collect::<Vec<_>>()
    };
    let all = ["captured_requests_m", "captured_replies_m", "captured_requests_other", "captured_replies_other"];
    for (shown, expected) in [
        ("all", &all[..]),
        ("sipcapture:", &all),
        ("captured_replies[m]", &all[1..2]),
        // Its own name will do.
        ("captured_requests", &[]),
        ("", &[]),
        (":", &[]),
        ("core:", &[]),
        ("sipcapture", &[]),
    ] {
        assert_eq!(renamed(shown), expected, "{shown}");
    }
    assert_eq!(
        node.pipeline().overview().exported_name(node.dialect(), b"sipcapture", b"captured_requests_m", b"all"),
        None
    );
}
