//! The functions of the agent for scripts in Lua, and a function of such a script that looks at what is traced.

use super::{CORRELATION, Collector, MESSAGES, PAYLOAD, Proxy, chunk, chunks, sending, telling};
use crate::common::kamailio::ConfigBuilder;
use std::fs;
use tempfile::TempDir;

/// Loads a script from a file in the directory.
pub fn with_script(config: ConfigBuilder, directory: &TempDir, script: &str) -> ConfigBuilder {
    let path = directory.path().join("trace.lua");
    fs::write(&path, script).expect("the script is written");
    config.load("app_lua.so").param("app_lua", "load", path.to_str().expect("a path in UTF-8"))
}

#[test]
fn lua_scripts_reach_every_function() {
    let directory = TempDir::new().expect("a private directory");
    let (default, named) = (Collector::new(), Collector::new());
    let script = r#"
function trace()
    KSR.warn("answer " .. KSR.siptrace.sip_trace() .. "\n")
    KSR.warn("answer " .. KSR.siptrace.sip_trace_dst("NAMED") .. "\n")
    KSR.warn("answer " .. KSR.siptrace.sip_trace_dst_cid("NAMED", "one") .. "\n")
    KSR.warn("answer " .. KSR.siptrace.sip_trace_dst_cid_type("NAMED", "two", "m") .. "\n")
    KSR.warn("answer " .. KSR.siptrace.sip_trace_mode("m") .. "\n")
    KSR.warn("answer " .. KSR.siptrace.sip_trace_msg("made up", "udp:192.0.2.1:5060", "udp:192.0.2.2:5070", "", "three") .. "\n")
    KSR.warn("answer " .. KSR.siptrace.hlog("a line") .. "\n")
    KSR.warn("answer " .. KSR.siptrace.hlog_cid("four", "another line") .. "\n")
end
"#;
    let script = script.replace("NAMED", &named.uri());
    let config = with_script(telling(&default.uri()), &directory, &script);
    let proxy = Proxy::start(config, r#"lua_run("trace");"#);
    let sent = proxy.ping("");
    let told = |collector: &Collector, count| {
        let packets = collector.take(count).into_iter();
        let told = packets.map(|packet| (chunk(&packet, PAYLOAD).unwrap_or_default(), chunk(&packet, CORRELATION)));
        told.collect::<Vec<_>>()
    };
    let call = |id: &str| Some(id.to_owned());
    let id = sent.lines().find_map(|line| line.strip_prefix("Call-ID: ")).expect("a request has a Call-ID");
    let wanted = [
        (sent.clone(), None),
        (sent.clone(), None),
        ("made up".to_owned(), call("three")),
        ("a line".to_owned(), call(id)),
        ("another line".to_owned(), call("four")),
    ];
    assert_eq!(told(&default, 5), wanted);
    assert_eq!(told(&named, 3), [(sent.clone(), None), (sent.clone(), call("one")), (sent, call("two"))]);
    let log = proxy.server.log();
    let answers: Vec<&str> = log.lines().filter_map(|line| Some(line.split_once("answer ")?.1)).collect();
    assert_eq!(answers, ["1"; 8], "{log}");
}

#[test]
fn a_line_has_nowhere_to_go_without_a_collector_and_packets_of_every_version_go_where_the_script_says() {
    for version in [1, 2, 3] {
        let named = Collector::new();
        let config = telling("").without("duplicate_uri").without("hep_version");
        let script =
            format!(r#"sip_trace("{}"); if (!hlog("a line")) {{ xlog("L_WARN", "REFUSED\n"); }}"#, named.uri());
        let proxy = Proxy::start(config.param("siptrace", "hep_version", version), &script);
        let sent = proxy.ping("");
        let packet = named.next();
        assert_eq!(packet[0], [1, 2, b'H'][usize::try_from(version - 1).expect("a version")]);
        assert!(packet.ends_with(sent.as_bytes()), "{}", String::from_utf8_lossy(&packet));
        let log = proxy.server.log();
        assert!(log.contains("REFUSED") && log.contains("duplicate_uri"), "{log}");
    }
}

#[test]
fn a_function_in_lua_looks_at_what_is_traced_and_keeps_some_of_it_back() {
    let directory = TempDir::new().expect("a private directory");
    let collector = Collector::new();
    let config = sending(&collector.uri()).param("siptrace", "evcb_msg", "look");
    let script = r#"
function look(event)
    KSR.warn("LOOK " .. event .. " " .. KSR.pv.get("$siptrace(direction)") .. " " .. KSR.pv.get("$siptrace(src_addr)") .. "\n")
    if KSR.pv.get("$rm") == "ACK" then
        KSR.set_drop()
    end
    return 1
end
"#;
    // Requests go to the server's own script all the same.
    let config = with_script(config, &directory, script).line("cfgengine \"lua\"");
    let proxy = Proxy::start(config, "");
    proxy.call(1);
    let packets = collector.take(MESSAGES - 2);
    let kept_back = packets.iter().filter_map(|packet| chunk(packet, PAYLOAD)).filter(|it| it.starts_with("ACK "));
    assert_eq!(kept_back.count(), 0);
    assert!(packets.iter().all(|packet| chunks(packet).len() > 10));
    let [caller, server, _] = proxy.owners();
    let log = proxy.server.log();
    for looked in [format!("LOOK siptrace:msg in udp:{caller}"), format!("LOOK siptrace:msg out udp:{server}")] {
        assert!(log.contains(&looked), "no {looked:?} in\n{log}");
    }
    assert_eq!(log.matches("LOOK ").count(), MESSAGES, "{log}");
}
