//! The other parameters: users, tables, headers, addresses, keys, and the switch itself.

use super::assert_silence;
use super::proxy::TRACER;
use super::setups::Form::{Hep, Plain};
use super::setups::Setup;
use super::table::OTHER_TABLE;

const USERS: &str = "$avp(traced) = \"alice\"; $avp(traced) = \"bob\";";

fn users(setup: Setup) -> Setup {
    let script = format!("{USERS} {}", setup.on_request);
    setup.says(&script).with("traced_user_avp", "$avp(traced)")
}

compare! {
    users_beside_everybody: users(Setup::transactions(Hep(3), true));
    users_alone: users(Setup::transactions(Hep(3), true)).with("trace_on", 0);
    users_alone_of_messages: users(Setup::messages(Hep(2), true)).with("trace_on", 0);
    users_without_rows: users(Setup::transactions(Hep(3), false)).with("trace_on", 0);
    users_of_dialogs: users(Setup::dialogs(Hep(3), true));
    a_table_for_some: {
        let trace = Setup::transactions(Hep(3), true).on_request;
        let script = format!("if (is_method(\"MESSAGE|OPTIONS\")) {{ $avp(table) = \"{OTHER_TABLE}\"; }} {trace}");
        Setup::new(Hep(3), true).says(&script).with("trace_table_avp", "$avp(table)")
    };
    headers_in_hep: Setup::transactions(Hep(3), true).with("xheaders_write", 1);
    headers_in_plain_copies: Setup::transactions(Plain, true).with("xheaders_write", 1);
    headers_of_messages_in_hep_1: Setup::messages(Hep(1), false).with("xheaders_write", 1);
    headers_read: Setup::messages(Hep(3), true).with("xheaders_read", 1).mirrored();
    headers_read_and_written: Setup::new(Plain, true).says("sip_trace(\"NAMED\");").with("xheaders_read", 1).with("xheaders_write", 1).mirrored();
    an_address_for_the_local_side: Setup::transactions(Hep(3), true).with("trace_local_ip", "udp:192.0.2.77:5077");
    an_address_for_the_local_side_of_messages: Setup::messages(Hep(3), true).with("trace_local_ip", "tcp:192.0.2.77:5077");
    a_key_and_a_large_agent:
        Setup::transactions(Hep(3), false).with("auth_key", "my key").with("hep_capture_id", 2_000_000_001);
    an_agent_in_hep_2: Setup::messages(Hep(2), false).with("hep_capture_id", 65_535);
    no_acks_of_stateless_replies: Setup::transactions(Hep(3), true).with("trace_sl_acks", 0);
    a_socket_for_plain_copies: Setup::transactions(Plain, true).with("send_sock_name", TRACER);
    a_socket_for_logs: Setup::new(Hep(3), true).says("hlog(\"a line of $ci\");").with("send_sock_name", TRACER);
    copies_of_transactions_while_the_switch_is_off: Setup::transactions(Plain, true).with("trace_on", 0);
    packets_of_dialogs_while_the_switch_is_off: Setup::dialogs(Hep(3), true).with("trace_on", 0);
    trace_on_by_command: Setup::transactions(Hep(3), true).with("trace_on", 0).after(["siptrace.status", "on"]);
}

#[test]
fn nothing_is_traced_after_a_command() {
    assert_silence(&Setup::messages(Hep(3), true).mode(7).after(["siptrace.status", "off"]));
}

#[test]
fn nothing_is_traced_while_the_switch_is_off() {
    assert_silence(&Setup::messages(Hep(3), true).with("trace_on", 0));
}
