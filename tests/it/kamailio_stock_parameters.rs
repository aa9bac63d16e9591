//! Every parameter of the stock modules is one of ours, of the same type: the stock modules themselves vouch for the
//! list.

use crate::common::kamailio::{ConfigBuilder, Module, Param};
use crate::common::ports::free_port;
use crate::common::rows::SqliteFile;

/// Every parameter of the stock module, with a value that an operator may have set and no other module is needed for.
fn stock_parameters(db_url: &str) -> Vec<(&'static str, Param)> {
    let texts = [
        ("db_url", db_url),
        ("table_name", "sip_capture_%Y%m%d|sip_capture_rest"),
        ("hash_source", "call_id"),
        ("mt_mode", "hash"),
        ("capture_node", "node-1"),
        ("raw_socket_listen", "127.0.0.1:5060-5080"),
        ("raw_interface", "lo"),
        ("callid_aleg_header", "X-CID;X-Other-CID"),
        ("custom_field1_header", "X-One"),
        ("custom_field2_header", "X-Two"),
        ("custom_field3_header", ""),
        ("table_time_sufix", "%Y%m%d"),
        ("event_callback", ""),
    ];
    let numbers = [
        ("capture_on", 1),
        ("hep_capture_on", 1),
        ("raw_sock_children", 2),
        ("raw_ipip_capture_on", 0),
        ("raw_moni_capture_on", 0),
        ("raw_moni_bpf_on", 0),
        ("promiscuous_on", 0),
        ("db_insert_mode", 1),
        ("capture_bad_msgs", 1),
        ("insert_retries", 5),
        ("insert_retry_timeout", 30),
        ("topoh_unmask", 0),
        ("nonsip_hook", 0),
    ];
    let mode = format!("registrations=>db_url={db_url};table_name=sip_capture_registration;mt_mode=rand");
    let columns = COLUMNS.map(|(parameter, column)| (parameter, Param::from(format!("my_{column}").as_str())));
    let texts = texts.map(|(name, value)| (name, Param::from(value)));
    let numbers = numbers.map(|(name, value)| (name, Param::from(value)));
    texts.into_iter().chain(numbers).chain(columns).chain([("capture_mode", Param::from(mode.as_str()))]).collect()
}

/// The parameters that name columns, and the names that they have unless set.
const COLUMNS: [(&str, &str); 44] = [
    ("date_column", "date"),
    ("micro_ts_column", "micro_ts"),
    ("method_column", "method"),
    ("correlation_column", "correlation_id"),
    ("reply_reason_column", "reply_reason"),
    ("ruri_column", "ruri"),
    ("ruri_user_column", "ruri_user"),
    ("ruri_domain_column", "ruri_domain"),
    ("from_user_column", "from_user"),
    ("from_domain_column", "from_domain"),
    ("from_tag_column", "from_tag"),
    ("to_user_column", "to_user"),
    ("to_domain_column", "to_domain"),
    ("to_tag_column", "to_tag"),
    ("pid_user_column", "pid_user"),
    ("contact_user_column", "contact_user"),
    ("auth_user_column", "auth_user"),
    ("callid_column", "callid"),
    ("callid_aleg_column", "callid_aleg"),
    ("via_1_column", "via_1"),
    ("via_1_branch_column", "via_1_branch"),
    ("cseq_column", "cseq"),
    ("diversion_column", "diversion"),
    ("reason_column", "reason"),
    ("content_type_column", "content_type"),
    ("authorization_column", "auth"),
    ("user_agent_column", "user_agent"),
    ("source_ip_column", "source_ip"),
    ("source_port_column", "source_port"),
    ("destination_ip_column", "destination_ip"),
    ("destination_port_column", "destination_port"),
    ("contact_ip_column", "contact_ip"),
    ("contact_port_column", "contact_port"),
    ("originator_ip_column", "originator_ip"),
    ("originator_port_column", "originator_port"),
    ("proto_column", "proto"),
    ("family_column", "family"),
    ("rtp_stat_column", "rtp_stat"),
    ("type_column", "type"),
    ("node_column", "node"),
    ("msg_column", "msg"),
    ("custom_field1_column", "custom_field1"),
    ("custom_field2_column", "custom_field2"),
    ("custom_field3_column", "custom_field3"),
];

/// A capture node with all these parameters and no others.
fn with(module: Module, db_url: &str, parameters: &[(&'static str, Param)]) -> ConfigBuilder {
    let config = ConfigBuilder::capture_node(module, db_url);
    parameters.iter().fold(config, |config, (name, value)| config.set(name, value.clone()))
}

#[test]
fn every_parameter_of_the_stock_module_is_taken() {
    for module in [Module::Stock, Module::Ours] {
        let file = SqliteFile::new();
        let mut parameters = stock_parameters(file.url());
        assert_eq!(parameters.len(), 71);
        if module == Module::Stock {
            // Only Kamailio 5.6 has it.
            parameters.retain(|(name, _)| *name != "table_time_sufix");
        }
        with(module, file.url(), &parameters).start().assert_serving();
    }
}

#[test]
fn every_parameter_of_the_stock_module_has_its_type() {
    for module in [Module::Stock, Module::Ours] {
        let file = SqliteFile::new();
        let other_type = |(name, value): (&'static str, Param)| match value {
            Param::Text(_) => (name, Param::Number(1)),
            Param::Number(_) => (name, Param::from("1")),
        };
        let mut parameters: Vec<_> = stock_parameters(file.url()).into_iter().map(other_type).collect();
        // Some releases end at the first that they refuse.
        while !parameters.is_empty() {
            let log = with(module, file.url(), &parameters).refused();
            let before = parameters.len();
            parameters.retain(|(name, _)| {
                !log.lines().any(|line| line.contains(&format!("<{name}>")) && line.contains("not found"))
            });
            assert!(parameters.len() < before, "{module:?}: some of {parameters:?} take both types:\n{log}");
        }
    }
}

/// The values of the examples in the manual of the stock `siptrace`; those that are addresses of collectors and
/// databases are near here.
fn values_of_the_manual(db_url: &str) -> Vec<(&'static str, Param)> {
    let collector = format!("sip:127.0.0.1:{}", free_port());
    let texts = [
        ("db_url", db_url),
        ("table", "strace"),
        ("traced_user_avp", "$avp(user)"),
        ("trace_table_avp", "$avp(i:345)"),
        ("trace_table_avp", "$avp(s:siptrace_table)"),
        ("duplicate_uri", &collector),
        ("trace_local_ip", "10.1.1.1:5064"),
        ("send_sock_name", "sock1"),
        ("send_sock_addr", "sip:10.1.1.2:5000"),
        ("force_send_sock", "sip:10.1.1.2:5000"),
        ("auth_key", "spoihepuirthpeuia"),
    ];
    let numbers = [
        ("trace_flag", 22),
        ("trace_on", 1),
        ("trace_to_database", 0),
        ("trace_sl_acks", 0),
        ("xheaders_write", 0),
        ("xheaders_read", 0),
        ("hep_mode_on", 1),
        ("hep_version", 3),
        ("hep_capture_id", 234),
        ("trace_db_mode", 1),
        ("trace_delayed", 1),
        ("trace_init_mode", 1),
        ("trace_mode", 1),
        ("trace_mode", 3),
    ];
    let texts = texts.map(|(name, value)| (name, Param::from(value)));
    texts.into_iter().chain(numbers.map(|(name, value)| (name, Param::from(value)))).collect()
}

/// An agent with these parameters and no others.
fn agent(parameters: &[(&'static str, Param)]) -> ConfigBuilder {
    let config = ConfigBuilder::new().load("tm.so").load_agent(Module::Ours);
    parameters.iter().fold(config, |config, (name, value)| config.param("siptrace", name, value.clone()))
}

#[test]
fn every_value_of_the_stock_agents_manual_is_taken() {
    let file = SqliteFile::new();
    let parameters = values_of_the_manual(file.url());
    let server = agent(&parameters).start();
    assert_eq!(server.rpc(&["siptrace.status", "check"]).as_deref(), Ok("Enabled"));
    assert!(server.log().contains("trace_local_ip: \"10.1.1.1:5064\" names no transport"), "{}", server.log());
    // Where scripts trace too, what they alone need is looked at as well.
    let of_scripts: Vec<_> = parameters.into_iter().filter(|(name, _)| *name != "trace_init_mode").collect();
    agent(&of_scripts).start();
}
