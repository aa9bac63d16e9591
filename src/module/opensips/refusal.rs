//! What is said when OpenSIPS cannot do what a parameter asks of it: what is wrong, and what would be right.

use crate::module::engine::host_refusal::HostRefusal;
use log::Level;

/// Of `sipcapture`.
pub(super) fn of_sipcapture(name: &str, value: &str, why: HostRefusal) -> Option<(Level, String)> {
    let text = match (name, why) {
        ("hep_capture_on", HostRefusal::NoModule) => {
            "there is no module proto_hep that receives HEP packets: load proto_hep.so, or set 0".to_owned()
        }
        ("hep_route", HostRefusal::NoRoute | HostRefusal::EmptyRoute) => format!(
            "route[{value}] is {}: write one that looks at HEP packets, or set none (they are captured) or sip (the \
             SIP inside is routed)",
            if why == HostRefusal::NoRoute { "not there" } else { "empty" }
        ),
        _ => return None,
    };
    Some((Level::Error, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_says_what_is_wrong_and_what_would_be_right() {
        for (name, why, parts) in [
            ("hep_capture_on", HostRefusal::NoModule, ["no module proto_hep", "load proto_hep.so, or set 0"]),
            ("hep_route", HostRefusal::NoRoute, ["route[hep] is not there", "or set none"]),
            ("hep_route", HostRefusal::EmptyRoute, ["route[hep] is empty", "or sip"]),
        ] {
            let (level, text) = of_sipcapture(name, "hep", why).unwrap();
            assert_eq!(level, Level::Error);
            assert!(parts.iter().all(|part| text.contains(part)), "{text}");
        }
        for (name, why) in [
            ("hep_capture_on", HostRefusal::NoRoute),
            ("hep_route", HostRefusal::NoModule),
            ("capture_on", HostRefusal::NoModule),
        ] {
            assert_eq!(of_sipcapture(name, "hep", why), None, "{name} {why:?}");
        }
    }
}
