//! What the core traces by itself (`trace_mode`), alone and beside a script, and the event route.

use super::setups::Form::{Hep, Plain};
use super::setups::Setup;

/// Drops what goes over TCP, by the variables of the route.
const DROPS_TCP: &str = "if ($siptrace(src_proto) == \"tcp\" || $siptrace(dst_proto) == \"tcp\") { drop; }";

compare! {
    hep_1: Setup::core(1, 1);
    hep_2: Setup::core(1, 2);
    hep_3: Setup::core(1, 3);
    rows: Setup::core(2, 3);
    hep_1_and_rows: Setup::core(3, 1);
    hep_2_and_all_of_them: Setup::core(7, 2);
    plain_copies: Setup::core(4, 3);
    all_of_them: Setup::core(7, 3).timed();
    rows_and_what_a_script_traces: Setup::transactions(Hep(3), true).mode(2);
    packets_and_rows_and_what_a_script_traces_without_rows: Setup::transactions(Hep(3), false).mode(3);
    plain_copies_and_dialogs: Setup::dialogs(Plain, true).mode(4);
    packets_and_what_a_script_traces: Setup::transactions(Hep(1), true).mode(1);
    all_of_them_and_what_a_script_traces: Setup::dialogs(Hep(2), false).mode(7);
    rows_of_scripts_that_trace_mode_asks_for: Setup::transactions(Hep(3), false).mode(2).with("trace_init_mode", 2);
    an_init_mode_for_scripts_with_plain_copies: Setup::dialogs(Plain, false).mode(4).with("trace_init_mode", 2);
    nothing_with_an_init_mode_for_scripts: Setup::transactions(Hep(3), true).mode(7).with("trace_init_mode", 2);
    an_init_mode_without_transactions: Setup::transactions(Hep(3), true).mode(1).with("trace_init_mode", 1);
    what_the_event_route_leaves: Setup::core(1, 3).route("event_route[siptrace:msg]", DROPS_TCP);
    copies_with_headers: Setup::core(4, 3).route("event_route[siptrace:msg]", "xdbg(\"seen\");").with("xheaders_write", 1);
    headers_also_in_packets_and_rows_beside_copies:
        Setup::core(7, 3).route("event_route[siptrace:msg]", "xdbg(\"seen\");").with("xheaders_write", 1);
    no_headers_without_copies:
        Setup::core(3, 3).route("event_route[siptrace:msg]", "xdbg(\"seen\");").with("xheaders_write", 1);
    headers_that_the_event_route_sees: Setup::core(4, 3)
        .route("event_route[siptrace:msg]", "if ($hdr(X-Siptrace-Fromip) =~ \"^tcp\" || $hdr(X-Siptrace-Dir) == \"out\") { drop; }")
        .with("xheaders_write", 1);
    headers_of_what_a_script_traces_alone:
        Setup::new(Hep(3), false).says("sip_trace_mode(\"t\");").mode(1).with("xheaders_write", 1);
    copies_without_headers_where_no_route_looks: Setup::core(4, 3).with("xheaders_write", 1);
    an_address_for_the_local_side_changes_nothing: Setup::core(3, 3).with("trace_local_ip", "udp:192.0.2.77:5077");
}
