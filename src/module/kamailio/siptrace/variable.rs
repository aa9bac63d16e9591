//! The pseudo-variable `$siptrace(...)`: what a script can ask of the message that it is shown in
//! `event_route[siptrace:msg]`.

use super::TracedMessage;
use super::endpoint::{TextRoom, has_brackets, name_and_number};
use crate::module::host_facts::Ipv6Style;
use crate::module::variable::VariableValue;

/// What [`TraceVariable::parse`] knows, for the error that names it.
pub const ALLOWED: &std::ffi::CStr = c"direction, and src_ or dst_ with addr, host, hostip, port and proto";

/// What can be asked of an end of the message's way, with its name behind `src_` or `dst_`.
const FIELDS: [(&str, TraceField); 5] = [
    ("addr", TraceField::Whole),
    ("host", TraceField::Host),
    ("hostip", TraceField::Address),
    ("port", TraceField::Port),
    ("proto", TraceField::Transport),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TraceField {
    /// `proto:ip:port`.
    Whole,
    /// The host, an IPv6 address in brackets.
    Host,
    /// The same without brackets.
    Address,
    /// The port.
    Port,
    /// The transport: a word, and its number.
    Transport,
}

/// A field that a script asks for: its number, which the host keeps.
///
/// ```text
/// 0        direction
/// 1 to 5   addr, host, hostip, port and proto of the source
/// 6 to 10  the same of the destination
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceVariable(u32);

impl TraceVariable {
    /// The field that `name` means; `None` when there is no such.
    pub fn parse(name: &[u8]) -> Option<TraceVariable> {
        let name = std::str::from_utf8(name).ok()?;
        if name == "direction" {
            return Some(TraceVariable(0));
        }
        let (field, first) =
            name.strip_prefix("src_").map(|field| (field, 1)).or_else(|| Some((name.strip_prefix("dst_")?, 6)))?;
        let position = FIELDS.iter().position(|(known, _)| *known == field)?;
        Some(TraceVariable(first + position as u32))
    }

    /// Its number.
    pub fn code(self) -> u32 {
        self.0
    }

    /// The field of a number that [`TraceVariable::code`] gave.
    pub fn from_code(code: u32) -> TraceVariable {
        TraceVariable(code)
    }

    /// Whether it is one of the destination, and which field of that end; `None` for the direction, and for what is no
    /// field.
    fn field(self) -> Option<(bool, TraceField)> {
        let index = self.0.checked_sub(1)? as usize;
        let (_, field) = FIELDS.get(index % FIELDS.len())?;
        (index < 2 * FIELDS.len()).then_some((index >= FIELDS.len(), *field))
    }
}

/// Texts that were made for answers. One place for each field, so that two of them can be compared.
#[derive(Debug, Default)]
pub struct VariableTexts([Vec<u8>; 2 * FIELDS.len()]);

/// What `variable` answers of the message that the script looks at.
pub fn value<'a>(
    variable: TraceVariable,
    shown: &TracedMessage<'_>,
    style: Ipv6Style,
    texts: &'a mut VariableTexts,
) -> VariableValue<'a> {
    let Some((is_destination, field)) = variable.field() else {
        return match variable.code() {
            0 if shown.is_outgoing => VariableValue::Text(b"out"),
            0 => VariableValue::Text(b"in"),
            _ => VariableValue::Null,
        };
    };
    let end = if is_destination { &shown.to } else { &shown.from };
    let text = &mut texts.0[variable.code() as usize - 1];
    match field {
        TraceField::Whole => {
            text.clear();
            let brackets = has_brackets(shown.tracer, shown.is_outgoing);
            text.extend_from_slice(end.text(brackets, style, &mut TextRoom::new()));
            VariableValue::Text(text)
        }
        TraceField::Host | TraceField::Address => {
            let is_known = end.write_host(field == TraceField::Host, style, text);
            if is_known { VariableValue::Text(text) } else { VariableValue::Null }
        }
        TraceField::Port => end.port().map_or(VariableValue::Null, |port| VariableValue::Number(port.into())),
        TraceField::Transport => end.transport().map_or(VariableValue::Null, |transport| {
            let (name, number) = name_and_number(transport);
            VariableValue::Both(name.as_bytes(), number.into())
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::Transport;
    use crate::module::kamailio::siptrace::TraceEndpoint;
    use crate::module::kamailio::siptrace::{Tracer, tests::message};

    fn end(transport: Transport, address: &str) -> TraceEndpoint<'static> {
        TraceEndpoint::Address { transport, address: address.parse().unwrap(), is_socket: false }
    }

    fn ask(name: &str, shown: &TracedMessage<'_>) -> String {
        let variable = TraceVariable::parse(name.as_bytes()).unwrap_or_else(|| panic!("{name} is no field"));
        let variable = TraceVariable::from_code(variable.code());
        match value(variable, shown, Ipv6Style::Short, &mut VariableTexts::default()) {
            VariableValue::Null => "null".to_owned(),
            VariableValue::Number(number) => number.to_string(),
            VariableValue::Text(text) => format!("{:?}", String::from_utf8_lossy(text)),
            VariableValue::Both(text, number) => format!("{:?} {number}", String::from_utf8_lossy(text)),
        }
    }

    #[test]
    fn every_field_has_a_name_of_the_source_and_of_the_destination() {
        let allowed = ALLOWED.to_str().unwrap();
        let mut codes = vec![TraceVariable::parse(b"direction").unwrap().code()];
        for side in ["src_", "dst_"] {
            for (name, field) in FIELDS {
                let variable = TraceVariable::parse(format!("{side}{name}").as_bytes()).unwrap();
                assert_eq!(variable.field(), Some((side == "dst_", field)));
                assert!(allowed.split([' ', ',']).any(|word| word == name), "{name} is not in the error");
                codes.push(variable.code());
            }
        }
        assert_eq!(codes, (0..11).collect::<Vec<_>>());
        for name in ["", "src", "src_", "dst_ip", "Direction", "directions", "addr", "srcaddr", "src_hostips", "\u{e9}"]
        {
            assert_eq!(TraceVariable::parse(name.as_bytes()), None, "{name}");
        }
        assert_eq!(TraceVariable::parse(b"src_\xff"), None);
    }

    #[test]
    fn each_field_answers_what_the_message_says() {
        let shown = TracedMessage {
            from: end(Transport::Tls, "[2001:db8::1]:5061"),
            to: end(Transport::Udp, "192.0.2.2:5060"),
            ..message(Tracer::Core)
        };
        for (name, answer) in [
            ("direction", r#""in""#),
            ("src_addr", r#""tls:[2001:db8::1]:5061""#),
            ("src_host", r#""[2001:db8::1]""#),
            ("src_hostip", r#""2001:db8::1""#),
            ("src_port", "5061"),
            ("src_proto", r#""tls" 3"#),
            ("dst_addr", r#""udp:192.0.2.2:5060""#),
            ("dst_host", r#""192.0.2.2""#),
            ("dst_hostip", r#""192.0.2.2""#),
            ("dst_port", "5060"),
            ("dst_proto", r#""udp" 1"#),
        ] {
            assert_eq!(ask(name, &shown), answer, "{name}");
        }
        assert_eq!(ask("direction", &TracedMessage { is_outgoing: true, ..shown }), r#""out""#);
        let mut texts = VariableTexts::default();
        let beyond = value(TraceVariable::from_code(11), &shown, Ipv6Style::Short, &mut texts);
        assert_eq!(beyond, VariableValue::Null);
    }

    #[test]
    fn an_advertised_name_is_the_host_and_an_end_that_is_not_known_has_an_address_alone() {
        let named = |name| TraceEndpoint::Named { transport: Transport::Ws, name, port: 80 };
        let shown =
            TracedMessage { from: TraceEndpoint::Unknown, to: named(b"sip.example.org"), ..message(Tracer::Core) };
        for (name, answer) in [
            ("src_addr", r#""any:255.255.255.255:5060""#),
            ("src_host", "null"),
            ("src_hostip", "null"),
            ("src_port", "null"),
            ("src_proto", "null"),
            ("dst_addr", r#""ws:sip.example.org:80""#),
            ("dst_host", r#""sip.example.org""#),
            ("dst_hostip", r#""sip.example.org""#),
            ("dst_port", "80"),
            ("dst_proto", r#""ws" 5"#),
        ] {
            assert_eq!(ask(name, &shown), answer, "{name}");
        }
        let shown = TracedMessage { from: named(b"[2001:db8::1]"), ..shown };
        assert_eq!([ask("src_host", &shown), ask("src_hostip", &shown)], [r#""[2001:db8::1]""#, r#""2001:db8::1""#]);
    }

    #[test]
    fn two_fields_can_be_compared() {
        let shown = TracedMessage {
            from: end(Transport::Udp, "192.0.2.1:5060"),
            to: end(Transport::Udp, "192.0.2.2:5060"),
            ..message(Tracer::Core)
        };
        let mut texts = VariableTexts::default();
        for name in ["src_host", "dst_host", "src_hostip"] {
            value(TraceVariable::parse(name.as_bytes()).unwrap(), &shown, Ipv6Style::Short, &mut texts);
        }
        let made: Vec<&[u8]> = texts.0.iter().filter(|text| !text.is_empty()).map(Vec::as_slice).collect();
        assert_eq!(made, [&b"192.0.2.1"[..], b"192.0.2.1", b"192.0.2.2"]);
    }
}
