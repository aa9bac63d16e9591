//! The names and types of the capture agent's parameters.

use crate::module::engine::common_settings;
use crate::module::kamailio::dialect::SIPTRACE;
use crate::module::parameter_list::ParameterList;
use crate::table::TraceColumnNames;
use std::sync::LazyLock;

/// Every parameter but those that name variables or functions of the host.
pub static PARAMETERS: LazyLock<ParameterList> = LazyLock::new(|| {
    ParameterList::new()
        .texts(common_settings::TEXTS)
        .texts(&[
            c"table",
            c"duplicate_mode",
            c"trace_local_ip",
            c"auth_key",
            c"hep_node_name",
            c"correlation_header",
            c"send_sock_addr",
            c"send_sock_name",
            c"tls_ca",
        ])
        .columns(TraceColumnNames::of(&SIPTRACE.rows).parameters())
        .numbers(&[
            c"trace_on",
            c"trace_to_database",
            c"trace_db_mode",
            c"trace_delayed",
            c"trace_mode",
            c"hep_mode_on",
            c"hep_version",
            c"hep_capture_id",
            c"hep_compress",
            c"tls_verify",
            c"xheaders_write",
            c"xheaders_read",
            c"trace_flag",
            c"trace_sl_acks",
            c"trace_init_mode",
            c"data_mode",
            c"trace_dialog_ack",
            c"trace_dialog_spiral",
            c"trace_ephemeral_socket",
        ])
        .numbers(common_settings::NUMBERS)
        .repeated(c"duplicate_uri")
});

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::AnyModule;
    use crate::module::testing::set_each_listed_parameter;

    #[test]
    fn every_listed_parameter_can_be_set_as_it_is_listed() {
        set_each_listed_parameter("kamailio/siptrace");
    }

    #[test]
    fn the_driver_is_set_before_the_parameter_that_holds_a_url() {
        assert_eq!(PARAMETERS.at(0).unwrap().name.as_ref(), c"db_driver");
    }

    #[test]
    fn every_other_name_is_listed_once_and_is_that_of_its_parameter() {
        let listed = AnyModule::parameters("kamailio/siptrace").unwrap();
        let of = |name: &str| {
            let is_it = |index: &usize| listed.at(*index).unwrap().name.to_str() == Ok(name);
            (0..listed.iter().count()).filter(is_it).collect::<Vec<_>>()
        };
        for (alias, meant) in SIPTRACE.aliases {
            let [alias_index] = of(alias)[..] else { panic!("{alias} is listed once") };
            assert_eq!(listed.at(alias_index).map(|parameter| parameter.meant), of(meant).first().copied(), "{alias}");
        }
        assert_eq!(of("force_send_sock").len(), 1);
    }
}
