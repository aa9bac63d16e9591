//! The parameters of raw capture: `raw_*` and `promiscuous_on`.

use crate::module::parameter::{ParameterError, ranged, refuse};
use crate::packet::PortRange;
use crate::source::raw::{Method, RawPlan};
use std::ffi::CStr;
use std::net::IpAddr;

/// The texts among these parameters.
pub(in crate::module) const TEXTS: &[&CStr] = &[c"raw_socket_listen", c"raw_interface"];
/// The numbers among these parameters.
pub(in crate::module) const NUMBERS: &[&CStr] =
    &[c"raw_ipip_capture_on", c"raw_moni_capture_on", c"raw_sock_children", c"raw_moni_bpf_on", c"promiscuous_on"];

/// Bytes of the longest name that an interface can have.
const LONGEST_INTERFACE: usize = 15;
const LISTEN: &str = "IP, IP:port and IP:port-port are allowed, as in 192.0.2.1:5060-5080; an IPv6 address is put in brackets before a port";

/// The parameters of raw capture, as set so far.
#[derive(Clone, Debug)]
pub struct RawSettings {
    /// `raw_ipip_capture_on`.
    pub ipip: bool,
    /// `raw_moni_capture_on`.
    pub monitoring: bool,
    /// `raw_socket_listen`, as written; it means something only while one of the two above is on.
    pub listen: String,
    /// `raw_interface`; empty for all.
    pub interface: String,
    /// `raw_sock_children`: processes that read.
    pub children: usize,
    /// `promiscuous_on`.
    pub promiscuous: bool,
    /// `raw_moni_bpf_on`.
    pub kernel_filter: bool,
}

impl Default for RawSettings {
    fn default() -> RawSettings {
        RawSettings {
            ipip: false,
            monitoring: false,
            listen: String::new(),
            interface: String::new(),
            children: 1,
            promiscuous: false,
            kernel_filter: false,
        }
    }
}

/// What raw capture is to do, when one of its switches is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawCapture {
    /// Sockets to open.
    pub plan: RawPlan,
    /// Ports whose datagrams are taken; `None` for all.
    pub ports: Option<PortRange>,
}

impl RawSettings {
    /// Sets a text parameter; `None` when it is not one of these.
    pub fn set_text(&mut self, name: &str, text: &str) -> Option<Result<(), ParameterError>> {
        match name {
            "raw_socket_listen" => self.listen = text.trim().to_owned(),
            "raw_interface" => {
                let is_name = |byte: u8| byte.is_ascii_graphic() && byte != b'/';
                if text.len() > LONGEST_INTERFACE || !text.bytes().all(is_name) {
                    return Some(Err(refuse(name, text, "the name of an interface, at most 15 bytes, is allowed")));
                }
                self.interface = text.to_owned();
            }
            _ => return None,
        }
        Some(Ok(()))
    }

    /// Sets a number parameter; `None` when it is not one of these. A switch is on with any number but 0, as in the
    /// stock module.
    pub fn set_number(&mut self, name: &str, value: i64) -> Option<Result<(), ParameterError>> {
        match name {
            "raw_ipip_capture_on" => self.ipip = value != 0,
            "raw_moni_capture_on" => self.monitoring = value != 0,
            "raw_sock_children" => match ranged(name, value, 1..=64, "1 to 64 processes are allowed") {
                Ok(children) => self.children = children as usize,
                Err(error) => return Some(Err(error)),
            },
            "promiscuous_on" => self.promiscuous = value != 0,
            "raw_moni_bpf_on" => self.kernel_filter = value != 0,
            _ => return None,
        }
        Some(Ok(()))
    }

    /// What these parameters together ask for; `None` when raw capture is off, whatever the others say.
    pub fn capture(&self) -> Result<Option<RawCapture>, ParameterError> {
        if !self.ipip && !self.monitoring {
            return Ok(None);
        }
        if self.ipip && self.monitoring {
            let allowed = "raw_moni_capture_on is 1 too, and only one of the two can be on";
            return Err(refuse("raw_ipip_capture_on", "1", allowed));
        }
        if self.promiscuous && self.interface.is_empty() {
            return Err(refuse("promiscuous_on", "1", "it needs the name of an interface in raw_interface"));
        }
        let (address, ports) = match &self.listen[..] {
            "" => (None, None),
            text => parse_listen(text).map(|(ip, ports)| (Some(ip), ports))?,
        };
        let method = match ports {
            _ if self.ipip => Method::Tunnelled(address),
            Some(ports) if ports.first > 0 => Method::Monitoring(self.kernel_filter.then_some(ports)),
            _ => {
                let allowed = "raw_moni_capture_on needs a port or a range of ports, as in 192.0.2.1:5060-5080; port 0 is \
                               as none, and 1-65535 is every port";
                return Err(refuse("raw_socket_listen", &self.listen[..], allowed));
            }
        };
        let interface = (!self.interface.is_empty()).then(|| self.interface.clone());
        Ok(Some(RawCapture { plan: RawPlan { method, interface, promiscuous: self.promiscuous }, ports }))
    }
}

/// `IP[:port[-port]]`. Port 0 alone means all, as if there were none.
fn parse_listen(text: &str) -> Result<(IpAddr, Option<PortRange>), ParameterError> {
    let wrong = || refuse("raw_socket_listen", text, LISTEN);
    let (ip, ports) = match text.strip_prefix('[') {
        Some(rest) => {
            let (ip, behind) = rest.split_once(']').ok_or_else(wrong)?;
            let ports = if behind.is_empty() { None } else { Some(behind.strip_prefix(':').ok_or_else(wrong)?) };
            (IpAddr::V6(ip.parse().map_err(|_| wrong())?), ports)
        }
        // Colons without brackets are an IPv6 address and nothing else.
        None => match text.parse::<IpAddr>() {
            Ok(ip) => (ip, None),
            Err(_) => {
                let (ip, ports) = text.split_once(':').ok_or_else(wrong)?;
                (IpAddr::V4(ip.parse().map_err(|_| wrong())?), Some(ports))
            }
        },
    };
    let Some(ports) = ports else { return Ok((ip, None)) };
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    let port = |text: &str| text.trim().parse::<u16>().map_err(|_| wrong());
    let ports = PortRange { first: port(first)?, last: port(last)? };
    match ports {
        PortRange { first: 0, last: 0 } => Ok((ip, None)),
        ports if ports.first <= ports.last => Ok((ip, Some(ports))),
        _ => Err(refuse("raw_socket_listen", text, "the first port of a range is allowed to be the last one at most")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(set: impl FnOnce(&mut RawSettings)) -> RawSettings {
        let mut settings = RawSettings::default();
        set(&mut settings);
        settings
    }

    fn listening(text: &str, monitoring: bool) -> Result<Option<RawCapture>, ParameterError> {
        let mut settings = settings(|settings| (settings.monitoring, settings.ipip) = (monitoring, !monitoring));
        settings.set_text("raw_socket_listen", text).expect("it is one of these")?;
        settings.capture()
    }

    fn says(error: ParameterError, parts: &[&str]) {
        let text = error.to_string();
        parts.iter().for_each(|part| assert!(text.contains(part), "{text} does not say {part}"));
    }

    #[test]
    fn without_a_switch_nothing_is_asked_for_and_nothing_is_wrong() {
        let off = settings(|settings| {
            settings.promiscuous = true;
            settings.set_text("raw_socket_listen", "nonsense").unwrap().unwrap();
        });
        assert_eq!(off.capture().unwrap(), None);
    }

    #[test]
    fn addresses_and_ports_are_read_in_every_form() {
        let range = |first, last| Some(PortRange { first, last });
        for (text, ip, ports) in [
            ("192.0.2.1", "192.0.2.1", None),
            ("192.0.2.1:5060", "192.0.2.1", range(5060, 5060)),
            (" 192.0.2.1:5060-5080 ", "192.0.2.1", range(5060, 5080)),
            ("192.0.2.1:5060 - 5080", "192.0.2.1", range(5060, 5080)),
            ("192.0.2.1:0", "192.0.2.1", None),
            ("192.0.2.1:0-100", "192.0.2.1", range(0, 100)),
            ("2001:db8::1", "2001:db8::1", None),
            ("[2001:db8::1]", "2001:db8::1", None),
            ("[2001:db8::1]:1-65535", "2001:db8::1", range(1, 65535)),
        ] {
            let capture = listening(text, false).unwrap().unwrap();
            assert_eq!(capture.plan.method, Method::Tunnelled(Some(ip.parse().unwrap())), "{text}");
            assert_eq!(capture.ports, ports, "{text}");
        }
        assert_eq!(listening("", false).unwrap().unwrap().plan.method, Method::Tunnelled(None));
    }

    #[test]
    fn what_is_no_address_with_ports_is_refused_with_the_form_that_is_allowed() {
        for text in [
            "nonsense",
            ":5060",
            "192.0.2.1:",
            "192.0.2.1:sip",
            "192.0.2.1:5060-",
            "192.0.2.1:-5060",
            "192.0.2.1:65536",
            "192.0.2.300:5060",
            "[2001:db8::1:5060",
            "[2001:db8::1]5060",
            "[192.0.2.1]:5060",
            "example.com:5060",
        ] {
            says(listening(text, false).unwrap_err(), &["raw_socket_listen", text, "IP:port-port"]);
        }
        says(listening("192.0.2.1:5080-5060", true).unwrap_err(), &["raw_socket_listen", "5080-5060", "first port"]);
    }

    #[test]
    fn both_switches_at_once_are_refused() {
        let both = settings(|settings| (settings.ipip, settings.monitoring) = (true, true));
        says(both.capture().unwrap_err(), &["raw_ipip_capture_on", "raw_moni_capture_on", "only one"]);
    }

    #[test]
    fn monitoring_needs_a_port_and_tunnels_do_not() {
        for text in ["", "192.0.2.1", "192.0.2.1:0", "192.0.2.1:0-100", "2001:db8::5060"] {
            says(listening(text, true).unwrap_err(), &["raw_socket_listen", text, "needs a port"]);
            assert!(listening(text, false).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_promiscuous_interface_needs_a_name() {
        let nameless = settings(|settings| (settings.ipip, settings.promiscuous) = (true, true));
        says(nameless.capture().unwrap_err(), &["promiscuous_on", "raw_interface"]);
        let named = settings(|settings| {
            (settings.ipip, settings.promiscuous) = (true, true);
            settings.set_text("raw_interface", "eth0").unwrap().unwrap();
        });
        let plan = named.capture().unwrap().unwrap().plan;
        assert_eq!((plan.interface.as_deref(), plan.promiscuous), (Some("eth0"), true));
    }

    #[test]
    fn the_kernels_filter_is_for_monitoring_alone() {
        let filtered = |monitoring: bool| {
            let mut settings = settings(|settings| (settings.monitoring, settings.ipip) = (monitoring, !monitoring));
            settings.set_text("raw_socket_listen", "192.0.2.1:5060").unwrap().unwrap();
            settings.set_number("raw_moni_bpf_on", 1).unwrap().unwrap();
            settings.capture().unwrap().unwrap().plan.method
        };
        assert_eq!(filtered(true), Method::Monitoring(Some(PortRange { first: 5060, last: 5060 })));
        assert_eq!(filtered(false), Method::Tunnelled(Some("192.0.2.1".parse().unwrap())));
    }

    #[test]
    fn every_number_but_0_turns_a_switch_on() {
        for (value, on) in [(0, false), (1, true), (2, true), (-1, true)] {
            let switched = settings(|settings| {
                for name in ["raw_ipip_capture_on", "raw_moni_capture_on", "promiscuous_on", "raw_moni_bpf_on"] {
                    settings.set_number(name, value).unwrap().unwrap();
                }
            });
            let switches = [switched.ipip, switched.monitoring, switched.promiscuous, switched.kernel_filter];
            assert_eq!(switches, [on; 4], "{value}");
        }
    }

    #[test]
    fn every_bad_value_is_refused_with_its_name_its_value_and_what_is_allowed() {
        for value in [0, 65] {
            let error = RawSettings::default().set_number("raw_sock_children", value).unwrap().unwrap_err();
            says(error, &["raw_sock_children", &value.to_string(), "1 to 64"]);
        }
        for name in ["an-interface-too-long", "eth 0", "eth/0", "eth0\0"] {
            let error = RawSettings::default().set_text("raw_interface", name).unwrap().unwrap_err();
            says(error, &["raw_interface", "15 bytes"]);
        }
    }
}
