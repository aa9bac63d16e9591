//! The functions' arguments, those left out among them.

use super::setups::Form::{Hep, Plain};
use super::setups::{FIRST, Setup};

compare! {
    no_argument: Setup::new(Hep(3), true).says("sip_trace();");
    no_argument_and_no_rows: Setup::new(Hep(3), false).says("sip_trace();");
    no_argument_with_plain_copies: Setup::new(Plain, false).says("sip_trace();");
    no_argument_with_rows_alone: Setup::new(Plain, true).says("sip_trace();");
    a_collector: Setup::new(Hep(3), true).says("sip_trace(\"NAMED\");");
    a_collector_and_a_correlation_id: Setup::new(Hep(3), true).says("sip_trace(\"NAMED\", \"id of $ci\");");
    an_empty_collector_and_an_empty_correlation_id: Setup::new(Hep(3), true).says("sip_trace(\"\", \"\", \"t\");");
    a_dialog_to_an_empty_collector:
        Setup::new(Hep(3), true).says(&format!("{FIRST} {{ sip_trace(\"\", \"id of $ci\", \"d\"); }}"));
    the_flag_of_a_message_means_its_transaction: Setup::new(Hep(3), true).says("setflag(5); sip_trace();").with("trace_flag", 5);
    the_flag_of_a_message_and_a_collector:
        Setup::new(Hep(3), true).says("setflag(5); sip_trace(\"NAMED\", \"id of $ci\");").with("trace_flag", 5);
    mode_m: Setup::new(Hep(3), true).says("sip_trace_mode(\"m\");");
    mode_t: Setup::new(Hep(3), true).says("sip_trace_mode(\"t\");");
    mode_t_without_rows: Setup::new(Hep(3), false).says("sip_trace_mode(\"T\");");
    mode_t_with_plain_copies: Setup::new(Plain, false).says("sip_trace_mode(\"t\");");
    mode_d_which_the_stock_module_knows_by_an_empty_collector:
        Setup::new(Hep(3), true)
            .says(&format!("{FIRST} {{ sip_trace(\"\", \"\", \"d\"); }}"))
            .ours_says(&format!("{FIRST} {{ sip_trace_mode(\"d\"); }}"));
    a_log_of_a_proxy_with_several_sockets: Setup::new(Hep(3), true).says("hlog(\"a line of $ci\");").second_socket();
    a_log_over_ipv6: Setup::new(Hep(3), true).says("hlog(\"a line of $ci\");").second_socket().collectors6();
    a_log: Setup::new(Hep(3), true).says("hlog(\"$rm of $ci\"); hlog(\"id of $ci\", \"a line of $ci\");");
}

#[test]
fn mode_d_works_where_the_stock_module_refuses_it() {
    super::assert_only_ours(&Setup::new(Hep(3), true).says(&format!("{FIRST} {{ sip_trace_mode(\"d\"); }}")));
}
