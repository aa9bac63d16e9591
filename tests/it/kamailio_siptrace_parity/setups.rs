//! The configurations that are compared: the switches of the module, as far as they change what is traced.

use crate::common::kamailio::Param;

/// In what form traced messages leave the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// HEP of this version.
    Hep(u8),
    /// SIP as it is.
    Plain,
}

/// What the phones do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Play {
    /// All calls that need no clock.
    Calls,
    /// Those that wait for the proxy's timers too.
    CallsAndTimers,
    /// One request that brings the headers of `xheaders_write`. The stock module spoils messages without.
    Mirrored,
}

/// One configuration of both modules.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Form of packets.
    pub form: Form,
    /// `trace_to_database`.
    pub rows: bool,
    /// `trace_mode`.
    pub mode: i64,
    /// What the script says in front of everything else. `NAMED` stands for the collector's URI.
    pub on_request: String,
    /// Further routes, and what they say.
    pub routes: Vec<(&'static str, String)>,
    /// Further parameters, or other values.
    pub params: Vec<(&'static str, Param)>,
    /// What the script says instead where our module is loaded.
    pub our_script: Option<String>,
    /// Parameters of our module alone.
    pub ours: Vec<(&'static str, Param)>,
    /// Whether a command is given before the phones begin.
    pub command: Option<[&'static str; 2]>,
    /// What the phones do.
    pub play: Play,
    /// Whether the proxy has one more socket for UDP.
    pub second_socket: bool,
    /// Whether the collectors are reached over IPv6.
    pub collectors6: bool,
}

/// The correlation id that scripts give.
const CORRELATION: &str = "id of $ci";

impl Setup {
    /// A script that traces nothing.
    pub fn new(form: Form, rows: bool) -> Setup {
        Setup {
            form,
            rows,
            mode: 0,
            on_request: String::new(),
            routes: Vec::new(),
            params: Vec::new(),
            our_script: None,
            ours: Vec::new(),
            command: None,
            play: Play::Calls,
            second_socket: false,
            collectors6: false,
        }
    }

    /// A script that traces each message by itself, wherever it meets it.
    pub fn messages(form: Form, rows: bool) -> Setup {
        let setup = Setup::new(form, rows).says(&call("m"));
        // What these routes answer decides whether the message goes on.
        let trace = format!("{} return 1;", call("m"));
        setup.route("onreply_route", &trace).route("onsend_route", &trace)
    }

    /// A script that traces transactions.
    pub fn transactions(form: Form, rows: bool) -> Setup {
        Setup::new(form, rows).says(&call("t"))
    }

    /// A script that traces dialogs.
    pub fn dialogs(form: Form, rows: bool) -> Setup {
        Setup::new(form, rows).says(&format!("{FIRST} {{ {} }}", call("d")))
    }

    /// A script that leaves it to the core.
    pub fn core(mode: i64, version: u8) -> Setup {
        Setup::new(Form::Hep(version), false).mode(mode).with("trace_init_mode", 1)
    }

    /// The same with these words in the script.
    pub fn says(mut self, script: &str) -> Setup {
        self.on_request = script.to_owned();
        self
    }

    /// The same with a route, or with more in one.
    pub fn route(mut self, block: &'static str, script: &str) -> Setup {
        // The host runs one block of a name.
        match self.routes.iter_mut().find(|(known, _)| *known == block) {
            Some((_, said)) => *said += &format!(" {script}"),
            None => self.routes.push((block, script.to_owned())),
        }
        self
    }

    /// The same with a parameter.
    pub fn with(mut self, name: &'static str, value: impl Into<Param>) -> Setup {
        self.params.push((name, value.into()));
        self
    }

    /// The same with `trace_mode`.
    pub fn mode(self, mode: i64) -> Setup {
        let setup = Setup { mode, ..self };
        // A worker that still stores its answer to a sentinel would keep the next one of the stock module from storing
        // its row.
        if mode & 2 == 0 { setup } else { setup.route("event_route[siptrace:msg]", NO_SENTINEL) }
    }

    /// The same after a command.
    pub fn after(self, command: [&'static str; 2]) -> Setup {
        Setup { command: Some(command), ..self }
    }

    /// The same for messages that bring the headers of `xheaders_write`.
    pub fn mirrored(self) -> Setup {
        Setup { play: Play::Mirrored, ..self }
    }

    /// The same with one more socket of the proxy, which the workers of the others send from where they have none of
    /// the family.
    pub fn second_socket(self) -> Setup {
        Setup { second_socket: true, ..self }
    }

    /// The same with collectors over IPv6.
    pub fn collectors6(self) -> Setup {
        Setup { collectors6: true, ..self }
    }

    /// The same with what needs the proxy's timers.
    pub fn timed(self) -> Setup {
        Setup { play: Play::CallsAndTimers, ..self }
    }
}

/// Leaves out what parts one step of a call from the next.
pub const NO_SENTINEL: &str = "if ($ci =~ \"^sentinel\") { drop; }";

/// The first request of a dialog.
pub const FIRST: &str = "if (is_method(\"INVITE\") && !has_totag())";

/// A call of `sip_trace()` with all three arguments.
fn call(kind: &str) -> String {
    format!("sip_trace(\"NAMED\", \"{CORRELATION}\", \"{kind}\");")
}

impl Setup {
    /// The same with other words for our module.
    pub fn ours_says(self, script: &str) -> Setup {
        Setup { our_script: Some(script.to_owned()), ..self }
    }

    /// The same with a parameter of our module alone.
    pub fn ours(mut self, name: &'static str, value: i64) -> Setup {
        self.ours.push((name, value.into()));
        self
    }

    /// Whether scripts trace dialogs.
    pub fn traces_dialogs(&self) -> bool {
        self.on_request.contains("\"d\")")
    }

    /// Whether more than the message itself is traced.
    pub fn follows(&self) -> bool {
        let transactions = self.on_request.to_lowercase().contains("\"t\")") || self.has("trace_flag");
        (transactions || self.traces_dialogs()) && !self.is("trace_init_mode", 1)
    }

    /// Whether stateless replies are traced.
    pub fn traces_stateless_replies(&self) -> bool {
        self.follows() || self.has_users()
    }

    /// Whether some users are traced whatever the switch says.
    pub fn has_users(&self) -> bool {
        self.has("traced_user_avp")
    }

    /// Whether the switch is on.
    pub fn is_on(&self) -> bool {
        !self.is("trace_on", 0) || self.command.is_some()
    }

    fn is(&self, parameter: &str, value: i64) -> bool {
        self.params.iter().any(|(name, set)| *name == parameter && matches!(set, Param::Number(set) if *set == value))
    }

    /// Whether the stock module sends what it has no destination for to `duplicate_uri`.
    pub fn has_default_copies(&self) -> bool {
        self.form != Form::Plain || !self.rows
    }

    /// Whether the script names a collector.
    pub fn names_collector(&self) -> bool {
        self.on_request.contains("NAMED")
    }

    /// Whether this parameter is set beside those that every setup has.
    pub fn has(&self, parameter: &str) -> bool {
        self.params.iter().any(|(name, _)| *name == parameter)
    }
}
