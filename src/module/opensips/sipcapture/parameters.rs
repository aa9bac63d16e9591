//! The names and types of the capture node's parameters.

use crate::module::engine::common_settings;
use crate::module::hep::settings as hep;
use crate::module::opensips::dialect::SIPCAPTURE;
use crate::module::parameter_list::ParameterList;
use crate::module::raw::settings as raw;
use crate::table::ColumnNames;
use std::sync::LazyLock;

/// Every parameter that a configuration can set.
pub static PARAMETERS: LazyLock<ParameterList> = LazyLock::new(|| {
    ParameterList::new()
        .texts(common_settings::TEXTS)
        .texts(&[c"table_name", c"rtcp_table_name", c"bad_table", c"capture_node", c"hep_route", c"id_column"])
        .columns(ColumnNames::of(&SIPCAPTURE.rows).parameters())
        .texts(hep::TEXTS)
        .texts(raw::TEXTS)
        .numbers(&[c"capture_on", c"hep_capture_on", c"max_async_queries"])
        .numbers(raw::NUMBERS)
        .numbers(common_settings::NUMBERS)
});

/// The core's parameter that names the database of a configuration without `db_url`.
pub(super) const DB_DEFAULT_URL: &str = "db_default_url";
/// The parameter of `proto_hep` that says which Homer it speaks to.
pub(super) const HOMER5_ON: &str = "homer5_on";

#[cfg(test)]
mod tests {
    use super::super::settings::CaptureSettings;
    use super::*;
    use crate::module::AnyModule;
    use crate::module::parameter_list::ParameterKind;
    use crate::module::testing::set_each_listed_parameter;

    #[test]
    fn every_listed_parameter_can_be_set_as_it_is_listed() {
        set_each_listed_parameter("opensips/sipcapture");
    }

    /// The specification's list: texts and numbers.
    #[test]
    fn every_parameter_of_the_stock_module_is_listed_with_its_type() {
        let listed = AnyModule::parameters("opensips/sipcapture").unwrap();
        let is = |name: &str, kind| {
            let found = listed.iter().find(|known| known.name.to_bytes() == name.as_bytes());
            assert_eq!(found.map(|known| known.kind), Some(kind), "{name}");
        };
        let columns = "id date micro_ts method reply_reason ruri ruri_user from_user from_tag to_user to_tag pid_user \
            contact_user auth_user callid callid_aleg via_1 via_1_branch cseq reason content_type authorization \
            user_agent source_ip source_port destination_ip destination_port contact_ip contact_port originator_ip \
            originator_port proto family rtp_stat type node msg diversion";
        columns.split_whitespace().for_each(|column| is(&format!("{column}_column"), ParameterKind::Text));
        for text in ["db_url", "table_name", "rtcp_table_name", "hep_route", "capture_node", "raw_socket_listen"] {
            is(text, ParameterKind::Text);
        }
        is("raw_interface", ParameterKind::Text);
        for number in [
            "capture_on",
            "hep_capture_on",
            "max_async_queries",
            "raw_ipip_capture_on",
            "raw_moni_capture_on",
            "raw_sock_children",
            "promiscious_on",
            "promiscuous_on",
            "raw_moni_bpf_on",
        ] {
            is(number, ParameterKind::Number);
        }
        let stock = columns.split_whitespace().count();
        assert_eq!(listed.iter().filter(|known| known.name.to_bytes().ends_with(b"_column")).count(), stock);
    }

    #[test]
    fn parameters_of_others_are_taken_and_not_listed() {
        let mut settings = CaptureSettings::default();
        settings.set_text(DB_DEFAULT_URL, b"").unwrap();
        settings.set_number(HOMER5_ON, 1).unwrap();
        let listed = AnyModule::parameters("opensips/sipcapture").unwrap();
        for name in [DB_DEFAULT_URL, HOMER5_ON, "nonsip_hook", "capture_mode"] {
            assert!(listed.iter().all(|known| known.name.to_bytes() != name.as_bytes()), "{name}");
        }
        assert!(settings.set_number("nonsip_hook", 1).is_err());
        assert!(settings.set_number(DB_DEFAULT_URL, 1).is_err() && settings.set_text(HOMER5_ON, b"1").is_err());
    }
}
