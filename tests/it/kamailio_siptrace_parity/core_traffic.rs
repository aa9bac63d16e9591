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
    plain_copies: Setup::core(4, 3);
    all_of_them: Setup::core(7, 3).timed();
    rows_and_what_a_script_traces: Setup::transactions(Hep(3), true).mode(2);
    packets_and_rows_and_what_a_script_traces_without_rows: Setup::transactions(Hep(3), false).mode(3);
    plain_copies_and_dialogs: Setup::dialogs(Plain, true).mode(4);
    nothing_with_an_init_mode_for_scripts: Setup::transactions(Hep(3), true).mode(7).with("trace_init_mode", 2);
    an_init_mode_without_transactions: Setup::transactions(Hep(3), true).mode(1).with("trace_init_mode", 1);
    what_the_event_route_leaves: Setup::core(1, 3).route("event_route[siptrace:msg]", DROPS_TCP);
    copies_with_headers: Setup::core(4, 3).route("event_route[siptrace:msg]", "xdbg(\"seen\");").with("xheaders_write", 1);
    copies_without_headers_where_no_route_looks: Setup::core(4, 3).with("xheaders_write", 1);
    an_address_for_the_local_side_changes_nothing: Setup::core(3, 3).with("trace_local_ip", "udp:192.0.2.77:5077");
}
