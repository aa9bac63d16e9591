//! The parameters that the host acts upon: which messages it shows, what it follows, and by which of its sockets it
//! sends. Part of [`TraceSettings`](super::TraceSettings), which knows the rest.

use crate::module::parameter::{ParameterError, ranged, refuse};

/// Numbers of the host's flags: 0 to this.
const LAST_FLAG: i64 = 31;
/// The first release whose stock module traces ACKs and spirals of dialogs.
const TRACES_MORE_OF_DIALOGS: u32 = 5_007_000;

/// The first release that tells the port of a connection.
const TELLS_EPHEMERAL_PORTS: u32 = 6_002_000;

/// `trace_init_mode`: scripts and `trace_mode`; anything else that is not listed here is neither.
const FOR_ALL: i64 = 0;
/// The same: `trace_mode` alone.
const FOR_TRAFFIC: i64 = 1;
/// The same: scripts alone.
const FOR_SCRIPTS: i64 = 2;

/// These parameters, as set so far.
#[derive(Clone, Debug)]
pub struct HostSettings {
    flag: i64,
    init_mode: i64,
    /// `trace_mode` as a number: the host shows its traffic for any that is not 0.
    mode: i64,
    stateless_acks: bool,
    dialog_acks: Option<bool>,
    dialog_spirals: Option<bool>,
    advertised: bool,
    ephemeral: Option<bool>,
    socket_name: String,
    socket_uri: String,
}

impl Default for HostSettings {
    fn default() -> HostSettings {
        HostSettings {
            flag: -1,
            init_mode: FOR_ALL,
            mode: 0,
            stateless_acks: true,
            dialog_acks: None,
            dialog_spirals: None,
            advertised: false,
            ephemeral: None,
            socket_name: String::new(),
            socket_uri: String::new(),
        }
    }
}

/// What the parameters ask of the host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostNeeds<'a> {
    /// AVPs, transactions, dialogs and stateless replies, for what scripts trace.
    pub follows_scripts: bool,
    /// ACKs to stateless replies (`trace_sl_acks`).
    pub stateless_acks: bool,
    /// ACKs of dialogs (`trace_dialog_ack`).
    pub dialog_acks: bool,
    /// Requests of dialogs that pass the server twice (`trace_dialog_spiral`).
    pub dialog_spirals: bool,
    /// Bits of a message's flags that make `sip_trace()` without a type trace its transaction (`trace_flag`).
    pub transaction_flags: u32,
    /// All that it receives and sends (`trace_mode`).
    pub traces_traffic: bool,
    /// With what rows have of a message.
    pub traffic_rows: bool,
    /// With the X-Siptrace headers on what the script sees.
    pub traffic_headers: bool,
    /// The advertised addresses of its sockets (`data_mode`).
    pub advertised: bool,
    /// The ports that connections really have (`trace_ephemeral_socket`).
    pub ephemeral: bool,
    /// Look-ups of names that plain copies go to.
    pub sends_copies: bool,
    /// The socket that copies leave from, by its name (`send_sock_name`), or
    pub socket_name: &'a str,
    /// by its SIP URI (`send_sock_addr`). Both empty: one that fits.
    pub socket_uri: &'a str,
}

impl HostSettings {
    /// Sets a text parameter; false when it is none of these.
    pub(super) fn set_text(&mut self, name: &str, text: &str) -> bool {
        match name {
            "send_sock_name" => self.socket_name = text.to_owned(),
            "send_sock_addr" => self.socket_uri = text.to_owned(),
            _ => return false,
        }
        true
    }

    /// Sets a number parameter; false when it is none of these.
    pub(super) fn set_number(&mut self, name: &str, value: i64) -> bool {
        match name {
            "trace_flag" => self.flag = value,
            "trace_init_mode" => self.init_mode = value,
            "trace_sl_acks" => self.stateless_acks = value != 0,
            "trace_dialog_ack" => self.dialog_acks = Some(value != 0),
            "trace_dialog_spiral" => self.dialog_spirals = Some(value != 0),
            "data_mode" => self.advertised = value & 1 != 0,
            "trace_ephemeral_socket" => self.ephemeral = Some(value != 0),
            _ => return false,
        }
        true
    }

    /// Keeps `trace_mode`.
    pub(super) fn set_mode(&mut self, value: i64) {
        self.mode = value;
    }

    fn is_of_scripts(&self) -> bool {
        matches!(self.init_mode, FOR_ALL | FOR_SCRIPTS)
    }

    fn is_of_traffic(&self) -> bool {
        matches!(self.init_mode, FOR_ALL | FOR_TRAFFIC)
    }

    /// Checks these parameters together.
    pub(super) fn check(&self) -> Result<(), ParameterError> {
        if self.is_of_scripts() {
            let allowed = format!("-1 (none) and 0 to {LAST_FLAG} are allowed");
            ranged("trace_flag", self.flag, -1..=LAST_FLAG, &allowed)?;
        }
        if self.init_mode == FOR_TRAFFIC && self.mode == 0 {
            let allowed =
                "with 1 trace_mode alone traces, and it is 0: set it to a sum of 1 (HEP), 2 (rows) and 4 (copies)";
            return Err(refuse("trace_init_mode", self.init_mode.to_string(), allowed));
        }
        Ok(())
    }

    /// Checks that a host of this release (0: the newest) can do what is asked of it.
    pub(super) fn check_release(&self, release: u32) -> Result<(), ParameterError> {
        match self.ephemeral {
            Some(value) if release != 0 && release < TELLS_EPHEMERAL_PORTS => {
                let allowed =
                    "this server does not tell the port of a connection, as later releases do: leave the parameter out";
                Err(refuse("trace_ephemeral_socket", u8::from(value).to_string(), allowed))
            }
            _ => Ok(()),
        }
    }

    /// What these parameters ask of a host of this release, major * 1000000 + minor * 1000 + patch; 0 is the newest.
    /// What the others say of traffic and copies is not in it: `sends_copies` is whether scripts may have any sent.
    pub(super) fn needs(&self, release: u32) -> HostNeeds<'_> {
        let is_newer = release == 0 || release >= TRACES_MORE_OF_DIALOGS;
        HostNeeds {
            follows_scripts: self.is_of_scripts(),
            stateless_acks: self.stateless_acks,
            dialog_acks: self.dialog_acks.unwrap_or(is_newer),
            dialog_spirals: self.dialog_spirals.unwrap_or(is_newer),
            transaction_flags: match u32::try_from(self.flag) {
                Ok(flag) if self.is_of_scripts() => 1_u32.checked_shl(flag).unwrap_or(0),
                _ => 0,
            },
            traces_traffic: self.is_of_traffic() && self.mode != 0,
            traffic_rows: false,
            traffic_headers: false,
            advertised: self.advertised,
            ephemeral: self.ephemeral.unwrap_or(false),
            sends_copies: self.init_mode != FOR_TRAFFIC,
            socket_name: &self.socket_name,
            // A name comes before an address.
            socket_uri: if self.socket_name.is_empty() { &self.socket_uri } else { "" },
        }
    }

    /// What the operator should know of `trace_init_mode`.
    pub(super) fn warning(&self) -> Option<String> {
        let is_none = !self.is_of_scripts() && !self.is_of_traffic();
        is_none.then(|| {
            format!(
                "parameter trace_init_mode: with {} neither trace_mode nor what follows of a message is traced; 0 (scripts and trace_mode), \
                 1 (trace_mode alone) and 2 (scripts alone) are known",
                self.init_mode
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::kamailio::siptrace::TraceSettings;

    fn settings(numbers: &[(&str, i64)]) -> TraceSettings {
        let mut settings = TraceSettings::default();
        numbers.iter().for_each(|(name, number)| settings.set_number(name, *number).unwrap());
        settings
    }

    fn needs(numbers: &[(&str, i64)]) -> HostNeeds<'static> {
        HostNeeds { socket_name: "", socket_uri: "", ..settings(numbers).host_needs(5_006_003) }
    }

    #[test]
    fn without_a_parameter_scripts_are_followed_and_traffic_is_not_traced() {
        let expected =
            HostNeeds { follows_scripts: true, stateless_acks: true, sends_copies: true, ..HostNeeds::default() };
        assert_eq!(needs(&[]), expected);
    }

    #[test]
    fn the_mode_of_traffic_says_what_the_host_does_for_it() {
        for (mode, headers, [traces, rows, with_headers]) in [
            (0, 1, [false, false, false]),
            (1, 1, [true, false, false]),
            (2, 1, [true, true, false]),
            (4, 1, [true, false, true]),
            (4, 0, [true, false, false]),
            (7, 1, [true, true, true]),
            // No bit that is known: the script is shown the traffic all the same.
            (8, 1, [true, false, false]),
        ] {
            let needs = needs(&[("trace_mode", mode), ("xheaders_write", headers)]);
            assert_eq!(
                [needs.traces_traffic, needs.traffic_rows, needs.traffic_headers],
                [traces, rows, with_headers],
                "{mode}"
            );
        }
    }

    #[test]
    fn the_init_mode_says_whose_messages_are_traced() {
        for (init_mode, [scripts, traffic]) in
            [(0, [true, true]), (1, [false, true]), (2, [true, false]), (3, [false, false]), (-1, [false, false])]
        {
            let needs = needs(&[("trace_init_mode", init_mode), ("trace_mode", 1), ("trace_flag", 5)]);
            assert_eq!([needs.follows_scripts, needs.traces_traffic], [scripts, traffic], "{init_mode}");
            assert_eq!(needs.transaction_flags, if scripts { 1 << 5 } else { 0 }, "{init_mode}");
            let warning = settings(&[("trace_init_mode", init_mode)]).host_warning();
            assert_eq!(
                warning.is_some_and(|text| text.contains(&format!("with {init_mode} neither"))),
                !scripts && !traffic
            );
        }
    }

    #[test]
    fn copies_are_prepared_for_unless_nobody_could_ask_for_one() {
        for (init_mode, hep, mode, copies) in [
            (0, 0, 0, true),
            (0, 1, 0, false),
            (0, 1, 4, true),
            (0, 1, 3, false),
            (1, 0, 1, false),
            (1, 0, 4, true),
            (2, 0, 0, true),
            (2, 1, 1, false),
        ] {
            let needs = needs(&[("trace_init_mode", init_mode), ("hep_mode_on", hep), ("trace_mode", mode)]);
            assert_eq!(needs.sends_copies, copies, "{init_mode} {hep} {mode}");
        }
    }

    #[test]
    fn dialogs_are_traced_as_the_stock_module_of_the_hosts_release_traces_them() {
        for (release, more) in [(5_006_003, false), (5_006_999, false), (5_007_000, true), (6_000_002, true), (0, true)]
        {
            let of = |numbers: &[(&str, i64)]| {
                let settings = settings(numbers);
                let needs = settings.host_needs(release);
                [needs.dialog_acks, needs.dialog_spirals]
            };
            assert_eq!(of(&[]), [more, more], "{release}");
            assert_eq!(of(&[("trace_dialog_ack", 0), ("trace_dialog_spiral", 3)]), [false, true], "{release}");
            assert_eq!(of(&[("trace_dialog_ack", 1), ("trace_dialog_spiral", 0)]), [true, false], "{release}");
        }
    }

    #[test]
    fn switches_of_the_host_are_handed_on() {
        for (name, value, is_on) in [
            ("data_mode", 0, false),
            ("data_mode", 1, true),
            ("data_mode", 2, false),
            ("data_mode", 3, true),
            ("trace_ephemeral_socket", 0, false),
            ("trace_ephemeral_socket", 2, true),
            ("trace_sl_acks", 0, false),
            ("trace_sl_acks", 7, true),
        ] {
            let needs = needs(&[(name, value)]);
            let found = match name {
                "data_mode" => needs.advertised,
                "trace_ephemeral_socket" => needs.ephemeral,
                _ => needs.stateless_acks,
            };
            assert_eq!(found, is_on, "{name} {value}");
        }
    }

    #[test]
    fn a_host_that_cannot_tell_the_port_of_a_connection_is_not_asked_to() {
        for (release, is_allowed) in [(5_006_003, false), (6_001_999, false), (6_002_000, true), (0, true)] {
            for value in [0, 1] {
                let settings = settings(&[("trace_ephemeral_socket", value)]);
                let checked = settings.host.check_release(release).map_err(|error| error.to_string());
                assert_eq!(checked.is_ok(), is_allowed, "{release} {value}: {checked:?}");
                assert!(checked.is_ok() || checked.unwrap_err().contains("trace_ephemeral_socket"));
            }
            assert!(settings(&[]).host.check_release(release).is_ok());
        }
    }

    #[test]
    fn a_sockets_name_comes_before_its_address() {
        let mut settings = settings(&[]);
        settings.set_text("send_sock_addr", b"sip:127.0.0.1").unwrap();
        let needs = settings.host_needs(0);
        assert_eq!((needs.socket_name, needs.socket_uri), ("", "sip:127.0.0.1"));
        settings.set_text("send_sock_name", b"second").unwrap();
        let needs = settings.host_needs(0);
        assert_eq!((needs.socket_name, needs.socket_uri), ("second", ""));
    }

    #[test]
    fn a_flag_that_no_message_has_is_refused_where_scripts_trace() {
        for flag in [-1, 0, 31] {
            assert!(settings(&[("trace_flag", flag)]).check().is_ok(), "{flag}");
        }
        for flag in [-2, 32, i64::from(i32::MAX)] {
            let error = settings(&[("trace_flag", flag)]).check().unwrap_err().to_string();
            let said =
                format!("parameter trace_flag: the value \"{flag}\" is not allowed: -1 (none) and 0 to 31 are allowed");
            assert_eq!(error, said);
            let of_traffic = settings(&[("trace_flag", flag), ("trace_init_mode", 1), ("trace_mode", 1)]);
            assert!(of_traffic.check().is_ok(), "{flag}");
            assert_eq!(of_traffic.host_needs(0).transaction_flags, 0);
        }
    }

    #[test]
    fn an_init_mode_for_traffic_alone_needs_a_mode_of_traffic() {
        let error = settings(&[("trace_init_mode", 1)]).check().unwrap_err().to_string();
        assert!(error.contains("trace_init_mode") && error.contains("set it to a sum of 1 (HEP)"), "{error}");
        for mode in [1, 2, 4, 7] {
            assert!(settings(&[("trace_init_mode", 1), ("trace_mode", mode)]).check().is_ok());
        }
    }
}
