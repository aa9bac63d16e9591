//! Parameters: defaults, what is taken, and what is said of what is not.

use super::super::settings::HepRoute;
use super::*;
use crate::logged;
use log::Level;
use std::path::Path;

fn says(error: impl ToString, parts: &[&str]) {
    let text = error.to_string();
    parts.iter().for_each(|part| assert!(text.contains(part), "{text} does not say {part}"));
}

#[test]
fn defaults_are_those_of_the_stock_module() {
    let settings = CaptureSettings::default();
    let tables = (settings.table.as_str(), settings.report_table.as_str());
    assert_eq!((tables, settings.node.capture_node.as_str()), (("sip_capture", "rtcp_capture"), "homer01"));
    assert_eq!((settings.node.capture_on, settings.hep.capture_on), (false, false));
    assert_eq!((&settings.hep_route, settings.raw.children), (&HepRoute::Sip, 1));
    assert!(settings.is_homer5 && settings.raw.capture().unwrap().is_none());
    let format = settings.row_format();
    assert_eq!((format.table.as_str(), format.node.as_str()), ("sip_capture", "homer01"));
    assert_eq!((format.sip.columns.len(), format.report.columns.len()), (44, 12));
    assert!(!settings.plan().sinks.is_empty());
}

#[test]
fn every_bad_value_is_refused_with_its_name_its_value_and_what_is_allowed() {
    let text = |name: &str, value: &str| CaptureSettings::default().set_text(name, value.as_bytes()).unwrap_err();
    for (name, value) in [
        ("table_name", "a b"),
        ("table_name", "a|b"),
        ("table_name", ""),
        ("rtcp_table_name", "%!"),
        ("bad_table", "a|b"),
        ("msg_column", "a;b"),
        ("hep_route", ""),
        ("hep_allow", "nobody"),
    ] {
        says(text(name, value), &[name, value, "allowed"]);
    }
    says(text("hep_route", ""), &["none, sip and the name of a route"]);
    says(text("capture_node", &"n".repeat(100)), &["capture_node", "99 bytes"]);
    for name in ["nosuch", "nosuch_column", "correlation_column", "capture_mode", "capture_on"] {
        says(text(name, "x"), &[name, "string"]);
    }
    says(CaptureSettings::default().set_number("db_url", 1).unwrap_err(), &["db_url", "int"]);
}

#[test]
fn numbers_that_the_stock_module_takes_start_as_they_are() {
    for (value, on) in [(0, false), (1, true), (2, true), (-1, true)] {
        let mut node = CaptureNode::default();
        for name in ["capture_on", "hep_capture_on", "raw_moni_bpf_on", "promiscious_on"] {
            node.set_number(name, value).unwrap();
        }
        let settings = node.settings();
        let switches =
            [settings.node.capture_on, settings.hep.capture_on, settings.raw.kernel_filter, settings.raw.promiscuous];
        assert_eq!(switches, [on; 4], "{value}");
    }
}

#[test]
fn the_two_spellings_of_promiscuous_are_one_parameter() {
    for name in ["promiscious_on", "promiscuous_on"] {
        let mut node = CaptureNode::default();
        node.set_number(name, 1).unwrap();
        node.set_number("raw_ipip_capture_on", 1).unwrap();
        says(node.check((None, None), KillLimits::default()).unwrap_err(), &[name, "raw_interface"]);
    }
}

#[test]
fn hep_routes_are_two_words_in_any_case_and_the_names_of_routes() {
    let set = |text: &str| {
        let mut settings = CaptureSettings::default();
        settings.set_text("hep_route", text.as_bytes()).unwrap();
        settings.hep_route
    };
    assert_eq!([set("none"), set("NONE")], [HepRoute::Capture, HepRoute::Capture]);
    assert_eq!([set("sip"), set("Sip")], [HepRoute::Sip, HepRoute::Sip]);
    assert_eq!(set("sips"), HepRoute::Route("sips".to_owned()));
}

#[test]
fn what_the_host_has_to_do_follows_from_the_parameters() {
    let node = node(route("my_hep"));
    let needs = node.needs().unwrap();
    assert_eq!((needs.takes_hep, needs.asks_script, needs.hep_route), (true, true, &b"my_hep"[..]));
    assert_eq!((needs.correlation_chunk, needs.unmasks), (17, false));
    let mut node = CaptureNode::default();
    node.set_number("homer5_on", 0).unwrap();
    let needs = node.needs().unwrap();
    assert_eq!((needs.takes_hep, needs.asks_script, needs.hep_route), (false, false, &b""[..]));
    assert_eq!(needs.correlation_chunk, 101);
}

#[test]
fn max_async_queries_of_any_value_limits_nothing_which_is_said_once() {
    logged::listen();
    let node = node(|settings| {
        for value in [5, 0, -1, i64::from(i32::MAX)] {
            settings.set_number("max_async_queries", value).unwrap();
        }
    });
    let said = logged::lines();
    let said: Vec<_> = said.iter().filter(|(_, line)| line.contains("max_async_queries")).collect();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].0 == Level::Info && said[0].1.contains("limits nothing"), "{said:?}");
    assert_eq!(node.plan().batch_size, CaptureSettings::default().plan().batch_size);
}

#[test]
fn an_id_column_has_no_meaning_and_a_diversion_column_names_the_optional_one() {
    let mut settings = CaptureSettings::default();
    let before = settings.row_format().sip;
    settings.set_text("id_column", b"id").unwrap();
    assert_eq!(settings.row_format().sip, before);
    settings.set_text("diversion_column", b"diversion_user").unwrap();
    let column = settings.row_format().sip.columns.pop().unwrap();
    assert_eq!((column.key, column.name.as_str(), column.is_optional), ("diversion", "diversion_user", true));
}

#[test]
fn without_db_url_rows_go_to_the_cores_database_and_without_that_to_the_embedded_one() {
    let url = |texts: &[(&str, &str)]| {
        let mut settings = CaptureSettings::default();
        texts.iter().for_each(|(name, text)| settings.set_text(name, text.as_bytes()).unwrap());
        let plan = settings.plan();
        (plan.sinks[0].to_string(), plan.sinks[0].parameter)
    };
    let embedded = "sqlite:////var/lib/sipcapture/sipcapture.db".to_owned();
    let (own, core) = (("db_url", "mysql://u:p@own/d"), ("db_default_url", "postgres://u:p@core/d"));
    assert_eq!(url(&[]), (embedded.clone(), "db_url"));
    assert_eq!(url(&[core]), ("postgres://u:xxxx@core/d".to_owned(), "db_default_url"));
    assert_eq!(url(&[own, core]), ("mysql://u:xxxx@own/d".to_owned(), "db_url"));
    assert_eq!(url(&[core, own]), ("mysql://u:xxxx@own/d".to_owned(), "db_url"));
    assert_eq!(url(&[("db_url", ""), core]), (embedded.clone(), "db_url"));
    assert_eq!(url(&[("db_default_url", "")]).0, embedded);
    assert_eq!(url(&[("db_driver", "host"), core]).0, "postgres://...@core/d");
    let error = CaptureSettings::default().set_text("db_default_url", b"my-sql://u:geheim@h/d").unwrap_err();
    says(&error, &["db_default_url", "no name of a database module"]);
    assert!(!error.to_string().contains("geheim"));
}

#[test]
fn urls_have_the_hosts_own_forms_and_no_error_shows_a_password() {
    let url = |text: &str| {
        let mut settings = CaptureSettings::default();
        settings.set_text("db_url", text.as_bytes()).map(|()| settings.common.db_url)
    };
    let path = url("sqlite:///var/x.db").unwrap();
    assert_eq!(path.sqlite_path(), Some(Path::new("/var/x.db")));
    let socket = url("mysql://u:p@unix(/run/mysqld/mysqld.sock)/d?tls_domain=sql").unwrap();
    assert_eq!(socket.to_string(), "mysql://u:xxxx@/run/mysqld/mysqld.sock/d");
    let error = url("mysql://u:ge@heim@h/d").unwrap_err().to_string();
    assert!(error.contains("first @") && !error.contains("heim@"), "{error}");
}

#[test]
fn nothing_is_inserted_delayed_and_the_spool_is_this_servers_own() {
    let settings = CaptureSettings::default();
    let sink =
        settings.common.database_sink(&settings.common.db_url, false, &std::sync::Arc::new(settings.row_format()));
    assert!(!sink.options.insert_delayed);
    assert_eq!(CaptureNode::default().dialect().spool_name, "opensips-spool");
}
