//! What is said when Kamailio cannot do what a parameter asks of it: what is wrong, and what would be right.

use crate::module::engine::host_refusal::HostRefusal;
use log::Level;

/// Of `sipcapture`.
pub(super) fn of_sipcapture(name: &str, value: &str, why: HostRefusal) -> Option<(Level, String)> {
    let text = match (name, why) {
        ("event_callback", HostRefusal::NoEngine) => no_engine(value),
        ("nonsip_hook", HostRefusal::NoRoute | HostRefusal::EmptyRoute) => format!(
            "event_route[sipcapture:request] is {}: write one that returns 1 for each packet that is to be taken, or set event_callback to \
             a function of a KEMI script",
            if why == HostRefusal::NoRoute { "not there" } else { "empty" }
        ),
        ("nonsip_hook", HostRefusal::EventTaken) => {
            "another module (nosip.so?) takes what is not SIP already".to_owned()
        }
        ("topoh_unmask", HostRefusal::NoModule) => {
            "there is no module topoh that could unmask: load topoh.so with the mask_key of the server that masks, or set 0".to_owned()
        }
        _ => return None,
    };
    Some((Level::Error, text))
}

/// Of `siptrace`.
pub(super) fn of_siptrace(name: &str, value: &str, why: HostRefusal) -> Option<(Level, String)> {
    let text = match (name, why) {
        ("evcb_msg", HostRefusal::NoEngine) => no_engine(value),
        ("trace_mode", HostRefusal::EventTaken) => "another module takes what is received and sent already".to_owned(),
        ("traced_user_avp" | "trace_table_avp", HostRefusal::NoAvp) => {
            format!("\"{value}\" is no AVP; $avp(name) is allowed")
        }
        ("send_sock_addr", HostRefusal::NoUri) => format!(
            "\"{value}\" is no SIP URI; sip:address[:port][;transport=udp|tcp|tls|sctp] of a listen socket is allowed"
        ),
        ("send_sock_addr" | "send_sock_name", HostRefusal::NoSocket) => {
            let text = format!("there is no listen socket \"{value}\": copies and packets leave from any that fits");
            return Some((Level::Warn, text));
        }
        _ => return None,
    };
    Some((Level::Error, text))
}

fn no_engine(value: &str) -> String {
    format!(
        "there is no script engine to run \"{value}\": load one (app_lua.so, ...) and name it with cfgengine (\"lua\", ...), or leave \
             the parameter out"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [HostRefusal; 8] = [
        HostRefusal::NoEngine,
        HostRefusal::NoRoute,
        HostRefusal::EmptyRoute,
        HostRefusal::EventTaken,
        HostRefusal::NoModule,
        HostRefusal::NoAvp,
        HostRefusal::NoUri,
        HostRefusal::NoSocket,
    ];

    #[test]
    fn each_refusal_names_the_parameter_its_value_and_what_would_be_right() {
        for (name, refusals) in [
            (
                "event_callback",
                vec![(HostRefusal::NoEngine, "no script engine to run \"VALUE\": load one (app_lua.so")],
            ),
            ("evcb_msg", vec![(HostRefusal::NoEngine, "no script engine to run \"VALUE\": load one (app_lua.so")]),
            (
                "nonsip_hook",
                vec![
                    (HostRefusal::NoRoute, "event_route[sipcapture:request] is not there: write one"),
                    (HostRefusal::EmptyRoute, "event_route[sipcapture:request] is empty: write one"),
                    (HostRefusal::EventTaken, "another module (nosip.so?)"),
                ],
            ),
            ("trace_mode", vec![(HostRefusal::EventTaken, "another module takes what is received and sent")]),
            ("topoh_unmask", vec![(HostRefusal::NoModule, "load topoh.so with the mask_key")]),
            ("traced_user_avp", vec![(HostRefusal::NoAvp, "\"VALUE\" is no AVP; $avp(name) is allowed")]),
            ("trace_table_avp", vec![(HostRefusal::NoAvp, "\"VALUE\" is no AVP; $avp(name) is allowed")]),
            (
                "send_sock_addr",
                vec![
                    (HostRefusal::NoUri, "\"VALUE\" is no SIP URI; sip:address"),
                    (HostRefusal::NoSocket, "socket \"VALUE\""),
                ],
            ),
            ("send_sock_name", vec![(HostRefusal::NoSocket, "there is no listen socket \"VALUE\"")]),
            ("capture_on", vec![]),
        ] {
            for why in ALL {
                let said = of_sipcapture(name, "VALUE", why).or_else(|| of_siptrace(name, "VALUE", why));
                let both = of_sipcapture(name, "VALUE", why).is_some() && of_siptrace(name, "VALUE", why).is_some();
                assert!(!both, "{name} is a parameter of one module");
                let Some((_, part)) = refusals.iter().find(|(known, _)| *known == why) else {
                    assert_eq!(said, None, "{name} {why:?}");
                    continue;
                };
                let (level, text) = said.unwrap_or_else(|| panic!("{name} {why:?}"));
                assert!(text.contains(part), "{text}");
                let is_warning = why == HostRefusal::NoSocket;
                assert_eq!(level, if is_warning { Level::Warn } else { Level::Error });
            }
        }
    }
}
