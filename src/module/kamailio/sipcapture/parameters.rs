//! The names and types of the capture node's parameters.

use crate::module::engine::common_settings;
use crate::module::hep::settings as hep;
use crate::module::kamailio::dialect::SIPCAPTURE;
use crate::module::parameter_list::ParameterList;
use crate::module::raw::settings as raw;
use crate::table::ColumnNames;
use std::sync::LazyLock;

/// Every parameter but the functions of the host that it names.
pub static PARAMETERS: LazyLock<ParameterList> = LazyLock::new(|| {
    ParameterList::new()
        .texts(common_settings::TEXTS)
        .texts(&[
            c"table_name",
            c"bad_table",
            c"mt_mode",
            c"hash_source",
            c"mode_statistics",
            c"table_time_sufix",
            c"capture_node",
            c"callid_aleg_header",
            c"custom_field1_header",
            c"custom_field2_header",
            c"custom_field3_header",
        ])
        .columns(ColumnNames::of(&SIPCAPTURE.rows).parameters())
        .texts(hep::TEXTS)
        .texts(raw::TEXTS)
        .numbers(&[c"capture_on", c"capture_bad_msgs", c"db_insert_mode", c"topoh_unmask"])
        .numbers(hep::NUMBERS)
        .numbers(raw::NUMBERS)
        .numbers(common_settings::NUMBERS)
        .repeated(c"capture_mode")
});

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::testing::set_each_listed_parameter;

    #[test]
    fn every_listed_parameter_can_be_set_as_it_is_listed() {
        set_each_listed_parameter("kamailio/sipcapture");
    }

    #[test]
    fn the_driver_is_set_before_the_parameters_that_hold_urls() {
        let position = |wanted: &str| PARAMETERS.iter().position(|known| known.name.to_bytes() == wanted.as_bytes());
        assert_eq!(position("db_driver"), Some(0));
        assert!(position("db_url").is_some() && position("capture_mode").is_some());
    }
}
