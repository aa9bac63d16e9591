//! Configurations that will not do stop OpenSIPS' start with a text that names the parameter, its value and what would
//! be right.

use crate::common::kamailio::{Module, Param};
use crate::common::opensips::{ConfigBuilder, is_missing};
use crate::common::rows::SqliteFile;

fn node() -> ConfigBuilder {
    ConfigBuilder::capture_node(Module::Ours, SqliteFile::new().url())
}

#[test]
fn a_parameter_that_will_not_do_stops_the_start_and_is_explained() {
    if is_missing() {
        return;
    }
    let cases: [(&str, Param, &str); 6] = [
        ("hep_route", "nowhere".into(), "parameter hep_route: route[nowhere] is not there: write one"),
        ("table_name", "".into(), "parameter table_name: the value \"\" is not allowed: "),
        ("queue_size", 0.into(), "parameter queue_size: the value \"0\" is not allowed: 1 to 1024 MiB are allowed"),
        ("db_url", "nonsense".into(), "parameter db_url: the value \"nonsense\" is not allowed: "),
        (
            "raw_moni_capture_on",
            1.into(),
            "parameter raw_socket_listen: the value \"\" is not allowed: raw_moni_capture_on needs",
        ),
        ("capture_writers", 17.into(), "parameter capture_writers: the value \"17\" is not allowed: 1 to 16 processes"),
    ];
    for (name, value, text) in cases {
        let log = node().param(name, value.clone()).refused();
        assert!(log.contains(text), "{name} {value:?} is not explained:\n{log}");
    }
}

#[test]
fn both_spellings_of_promiscuous_are_the_same_parameter() {
    if is_missing() {
        return;
    }
    for name in ["promiscious_on", "promiscuous_on"] {
        let mut server = node().param(name, 0).start();
        server.assert_serving();
        let raw = node().param("raw_moni_capture_on", 1).param("raw_socket_listen", "127.0.0.1:5060");
        let log = raw.param(name, 1).refused();
        assert!(log.contains("it needs the name of an interface in raw_interface"), "{name}:\n{log}");
    }
}
