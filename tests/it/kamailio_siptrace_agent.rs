//! Our `siptrace` in a proxy: what it sends to collectors and stores of calls, message by message, and beside the stock
//! module.

mod collector;
mod memory;
mod newer;

use crate::common::call::Call;
use crate::common::hosts::Hosts;
use crate::common::kamailio::{ConfigBuilder, Kamailio, Module};
use crate::common::ports::free_port;
use crate::common::rows::{SqliteFile, StoredRow, count, execute, select, text};
use crate::common::sip::options_ping;
use crate::common::wait::within;
use collector::{Collector, Traced};
use std::io::Write as _;
use std::net::{Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);

/// The table as the stock module's SQL file makes it, and the version that it looks for; but columns may be NULL,
/// because the server's own driver for SQLite makes that of an empty tag. Written beside the file, because that driver
/// waits for nobody.
const STOCK_TABLES: &str = "PRAGMA journal_mode = WAL;
    CREATE TABLE version (table_name VARCHAR(32) NOT NULL, table_version INTEGER DEFAULT 0 NOT NULL);
    INSERT INTO version VALUES ('sip_trace', 4);
    CREATE TABLE sip_trace (id INTEGER PRIMARY KEY NOT NULL, time_stamp TIMESTAMP WITHOUT TIME ZONE, time_us INTEGER,
        callid VARCHAR(255), traced_user VARCHAR(255), msg TEXT, method VARCHAR(50), status VARCHAR(255), fromip VARCHAR(64),
        toip VARCHAR(64), fromtag VARCHAR(128), totag VARCHAR(128), direction VARCHAR(4));";

/// Makes the tables. As long as the answer is kept, nobody has to set up or clear away what is written beside the file,
/// for which others would be locked out.
pub fn make_tables(file: &SqliteFile) -> rusqlite::Connection {
    execute(file.url(), STOCK_TABLES);
    let path = file.url().strip_prefix("sqlite://").expect("a URL of SQLite");
    let kept = rusqlite::Connection::open(path).expect("the file opens");
    kept.query_row("SELECT table_version FROM version", [], |row| row.get::<_, i64>(0)).expect("the table is readable");
    kept
}

/// A proxy with one worker that carries calls to `callee`; `on_first` is run for the first INVITE of a call, and its
/// CANCEL.
struct Proxy {
    module: Module,
    config: ConfigBuilder,
    on_first: String,
    on_all: String,
}

impl Proxy {
    /// HEP of version 3 to `collector`, no rows.
    fn of(module: Module, collector: &Collector) -> Proxy {
        let config = ConfigBuilder::new().children(1).load("tm.so").load("rr.so").load_agent(module).param(
            "siptrace",
            "duplicate_uri",
            &collector.uri(),
        );
        let config = config.param("siptrace", "trace_on", 1).param("siptrace", "hep_mode_on", 1);
        Proxy { module, config, on_first: String::new(), on_all: String::new() }
    }

    /// The same, and dialogs are known.
    fn hep(mut self, version: i64) -> Proxy {
        // Behind tm.so, and before what asks for it.
        self.config = self.config.load("dialog.so");
        self.param("hep_version", version).param("trace_to_database", 0)
    }

    fn param(mut self, name: &str, value: i64) -> Proxy {
        self.config = self.config.param("siptrace", name, value);
        self
    }

    fn stored(mut self, file: &SqliteFile) -> Proxy {
        if self.module == Module::Stock {
            self.config = self.config.load_first("db_sqlite.so");
        }
        self.config = self.config.param("siptrace", "db_url", file.url()).param("siptrace", "hep_version", 3);
        self
    }

    fn with(mut self, change: impl FnOnce(ConfigBuilder) -> ConfigBuilder) -> Proxy {
        self.config = change(self.config);
        self
    }

    fn on_first(mut self, script: &str) -> Proxy {
        self.on_first = script.to_owned();
        self
    }

    fn on_all(mut self, script: &str) -> Proxy {
        self.on_all = script.to_owned();
        self
    }

    /// The test's traffic ends with an OPTIONS request, for which a line is logged after all else.
    fn start(self, callee: SocketAddr) -> Kamailio {
        let (all, first) = (self.on_all, self.on_first);
        let script = format!(
            r#"if (is_method("OPTIONS")) {{ sip_trace(); hlog("the end"); sl_send_reply("200", "OK"); exit; }}
    {all}
    if ($tt != $null) {{
        if (loose_route()) {{ t_relay(); exit; }}
        if (is_method("ACK")) {{ t_check_trans(); exit; }}
    }}
    {first}
    if (is_method("CANCEL")) {{ if (t_check_trans()) {{ t_relay(); }} exit; }}
    record_route();
    $du = "sip:{callee}";
    t_relay();
    exit;"#
        );
        self.config.route("request_route", &script).start()
    }
}

/// One call through a proxy; what the collector gets of it.
fn traced(collector: &Collector, proxy: Proxy, traffic: impl FnOnce(&Call)) -> Vec<Traced> {
    let ends = Call::ends();
    let [caller, callee] = ends.each_ref().map(|socket| socket.local_addr().expect("a bound socket"));
    let server = proxy.start(callee);
    let owners = [(server.address(), "proxy"), (caller, "caller"), (callee, "callee")];
    traffic(&Call::new(&ends, server.address(), 1));
    end(&server);
    let seen = collector.until_end(&owners);
    assert!(!seen.is_empty(), "nothing is traced:\n{}", server.log());
    seen
}

/// Ends the traffic.
fn end(server: &Kamailio) {
    end_at(server.address());
}

/// The same at one of several sockets, which have workers of their own.
fn end_at(proxy: SocketAddr) {
    let socket = UdpSocket::bind(SocketAddr::new(proxy.ip(), 0)).expect("a socket");
    let local = socket.local_addr().expect("a bound socket");
    socket.send_to(&options_ping(local, proxy), proxy).expect("the proxy's port takes datagrams");
}

/// What both modules make of the same call, without what is mended in ours.
fn compare(version: i64, kind: &str, traffic: impl Fn(&Call)) {
    let seen = [Module::Stock, Module::Ours].map(|module| {
        let collector = Collector::new();
        let trace = format!(r#"sip_trace("{}", "corr", "{kind}");"#, collector.uri());
        let manage = if kind == "d" { "if (is_method(\"INVITE\")) { dlg_manage(); }" } else { "" };
        let proxy = Proxy::of(module, &collector).hep(version).on_first(&format!("{trace} {manage}"));
        traced(&collector, proxy, &traffic)
    });
    let bare = |one: &Traced| Traced { correlation: None, ..one.clone() };
    let [stock, ours] = seen.each_ref().map(|seen| seen.iter().map(bare).collect::<Vec<_>>());
    assert_eq!(ours, stock);
    assert!(version != 3 || seen[1].iter().all(|one| one.correlation.as_deref() == Some("corr")), "{:#?}", seen[1]);
}

fn ways(seen: &[Traced]) -> Vec<String> {
    seen.iter().map(Traced::way).collect()
}

#[test]
fn a_transaction_is_traced_from_its_request_to_its_last_reply() {
    let collector = Collector::new();
    let trace = format!(r#"sip_trace("{}", "corr", "t");"#, collector.uri());
    let proxy = Proxy::of(Module::Ours, &collector).hep(3).on_first(&trace);
    let seen = traced(&collector, proxy, Call::answer_and_end);
    let invite = [
        "INVITE in",
        "100 INVITE out",
        "INVITE out",
        "180 INVITE in",
        "180 INVITE out",
        "200 INVITE in",
        "200 INVITE out",
    ];
    assert_eq!(ways(&seen), invite);
    assert!(seen.iter().all(|one| one.correlation.as_deref() == Some("corr") && one.payload_type == 1), "{seen:#?}");
}

#[test]
fn answered_calls_are_traced_as_the_stock_module_traces_them() {
    for kind in ["m", "t", "d"] {
        compare(3, kind, Call::answer_and_end);
    }
}

#[test]
fn refused_calls_are_traced_as_the_stock_module_traces_them() {
    for kind in ["t", "d"] {
        compare(3, kind, Call::refuse);
    }
}

#[test]
fn cancelled_calls_are_traced_as_the_stock_module_traces_them() {
    for kind in ["t", "d"] {
        compare(3, kind, Call::cancel);
    }
}

#[test]
fn requests_within_a_dialog_are_traced_as_the_stock_module_traces_them() {
    compare(3, "d", |call| {
        let answer = call.answer();
        call.within("UPDATE", &answer);
    });
}

#[test]
fn packets_of_versions_1_and_2_are_those_of_the_stock_module() {
    compare(1, "t", Call::answer_and_end);
    compare(2, "t", Call::answer_and_end);
}

#[test]
fn plain_copies_are_those_of_the_stock_module() {
    let seen = [Module::Stock, Module::Ours].map(|module| {
        let collector = Collector::new();
        let trace = format!(r#"sip_trace("{}", "corr", "t");"#, collector.uri());
        let proxy =
            Proxy::of(module, &collector).param("trace_to_database", 0).param("hep_mode_on", 0).on_first(&trace);
        traced(&collector, proxy, Call::refuse)
    });
    assert_eq!(seen[1], seen[0]);
    assert!(seen[1].iter().all(|one| one.version == 0), "{seen:#?}");
}

#[test]
fn sip_trace_mode_follows_transactions_and_dialogs_to_the_collectors_of_the_parameters() {
    let of = |mode: &str| {
        let collector = Collector::new();
        let script = format!(r#"sip_trace_mode("{mode}"); if (is_method("INVITE")) {{ dlg_manage(); }}"#);
        let proxy = Proxy::of(Module::Ours, &collector).hep(3).param("trace_dialog_ack", 0).on_first(&script);
        ways(&traced(&collector, proxy, Call::answer_and_end))
    };
    let invite = [
        "INVITE in",
        "100 INVITE out",
        "INVITE out",
        "180 INVITE in",
        "180 INVITE out",
        "200 INVITE in",
        "200 INVITE out",
    ];
    let bye = ["BYE in", "BYE out", "200 BYE in", "200 BYE out"];
    assert_eq!(of("m"), invite[..1]);
    assert_eq!(of("t"), invite);
    assert_eq!(of("d"), [&invite[..], &bye[..]].concat());
}

#[test]
fn the_ack_of_a_traced_dialog_is_traced_when_asked_for() {
    let collector = Collector::new();
    let script = r#"sip_trace_mode("d"); if (is_method("INVITE")) { dlg_manage(); }"#;
    let proxy = Proxy::of(Module::Ours, &collector).hep(3).param("trace_dialog_ack", 1).on_first(script);
    let seen = ways(&traced(&collector, proxy, Call::answer_and_end));
    assert_eq!(seen.iter().filter(|way| *way == "ACK in").count(), 1, "{seen:?}");
}

#[test]
fn a_stateless_reply_goes_where_sip_trace_was_told() {
    let (told, other) = (Collector::new(), Collector::new());
    let script = format!(r#"sip_trace("{}", "corr", "t"); sl_send_reply("404", "Nobody"); exit;"#, told.uri());
    let ends = Call::ends();
    let server =
        Proxy::of(Module::Ours, &other).hep(3).on_first(&script).start("127.0.0.1:9".parse().expect("an address"));
    let call = Call::new(&ends, server.address(), 1);
    call.call();
    call.caller_gets("SIP/2.0 404");
    let owners = [(server.address(), "proxy")];
    let seen = [told.next(&owners), told.next(&owners)];
    assert_eq!(ways(&seen), ["INVITE in", "404 INVITE out"]);
    assert!(seen.iter().all(|one| one.correlation.as_deref() == Some("corr")), "{seen:#?}");
    end(&server);
    assert_eq!(other.until_end(&owners), []);
}

#[test]
fn hlog_sends_a_line_under_the_call_id_or_the_id_it_is_given() {
    let collector = Collector::new();
    let script = r#"hlog("a line"); hlog("corr", "another for $ci");"#;
    let proxy = Proxy::of(Module::Ours, &collector).hep(1).on_first(script);
    let seen = traced(&collector, proxy, Call::refuse);
    let of = |one: &Traced| {
        (one.payload_type, one.version, one.first_line.clone(), one.correlation.clone().unwrap_or_default())
    };
    let id = "traced-1@example.org".to_owned();
    assert_eq!(
        seen.iter().map(of).collect::<Vec<_>>(),
        [(100, 3, "a line".to_owned(), id.clone()), (100, 3, format!("another for {id}"), "corr".to_owned())]
    );
}

#[test]
fn sip_trace_msg_sends_what_the_script_has_made_up() {
    let collector = Collector::new();
    let script = format!(
        r#"sip_trace_msg("a text", "udp:192.0.2.1:5060", "udp:192.0.2.2:5070", "{}", "corr");
        if (!sip_trace_msg("", "udp:192.0.2.1:5060", "udp:192.0.2.2:5070", "", "")) {{ hlog("refused"); }}"#,
        collector.uri()
    );
    let proxy = Proxy::of(Module::Ours, &collector).hep(3).on_first(&script);
    let seen = traced(&collector, proxy, Call::refuse);
    assert_eq!(
        seen.iter().map(|one| (&*one.first_line, &*one.from, &*one.to)).collect::<Vec<_>>()[0],
        ("a text", "192.0.2.1:5060", "192.0.2.2:5070")
    );
    assert_eq!(seen[0].correlation.as_deref(), Some("corr"));
    assert_eq!((seen.len(), &*seen[1].first_line), (2, "refused"));
}

/// What a test says of a row.
type Row = (String, String, String, String, String, String);

fn rows(module: Module, script: &str, change: impl FnOnce(ConfigBuilder) -> ConfigBuilder) -> (Vec<Row>, Vec<String>) {
    let file = SqliteFile::new();
    let collector = Collector::new();
    let _kept = make_tables(&file);
    let ends = Call::ends();
    let [caller, callee] = ends.each_ref().map(|socket| socket.local_addr().expect("a bound socket"));
    let server = Proxy::of(module, &collector).stored(&file).on_all(script).with(change);
    let mut server = server.with(|config| config.route("onreply_route", "sip_trace(); return 1;")).start(callee);
    let owners = [(server.address(), "proxy"), (caller, "caller"), (callee, "callee")];
    Call::new(&ends, server.address(), 1).answer_and_end();
    end(&server);
    let seen = ways(&collector.until_end(&owners));
    // Which stores what is queued.
    server.stop();
    let named = |address: String| {
        owners.iter().fold(address, |text, (known, name)| text.replace(&format!("udp:{known}"), name))
    };
    let all = select(file.url(), "SELECT * FROM sip_trace WHERE method <> 'OPTIONS' ORDER BY id")
        .expect("the table is readable");
    let of = |row: &StoredRow, column| row[column].as_deref().map_or(String::new(), |_| text(row, column));
    let row = |row: &StoredRow| {
        assert_eq!(text(row, "callid"), "traced-1@example.org");
        assert_eq!(text(row, "fromtag"), "from1");
        // The server's own driver has a form of its own.
        assert!(module == Module::Stock || text(row, "time_stamp").len() == 19);
        assert!(text(row, "msg").contains("Call-ID: traced-1@example.org\r\n"));
        let what = format!("{} {}", of(row, "status"), text(row, "method"));
        (
            what,
            named(text(row, "fromip")),
            named(text(row, "toip")),
            text(row, "direction"),
            of(row, "totag"),
            of(row, "traced_user"),
        )
    };
    (all.iter().map(row).collect(), seen)
}

#[test]
fn messages_are_stored_and_sent_as_the_stock_module_does() {
    let of = |module| rows(module, "sip_trace();", |config| config);
    let (stock, ours) = (of(Module::Stock), of(Module::Ours));
    assert_eq!(ours, stock);
    assert_eq!(ours.1[..3], ["INVITE in", "180 INVITE in", "200 INVITE in"]);
}

#[test]
fn each_traced_user_has_a_row_as_in_the_stock_module() {
    let users = r#"$avp(who) = "alice"; $avp(who) = "bob"; sip_trace();"#;
    let of = |module| rows(module, users, |config| config.param("siptrace", "traced_user_avp", "$avp(who)"));
    let (stock, ours) = (of(Module::Stock).0, of(Module::Ours).0);
    assert_eq!(ours, stock);
    let users: Vec<&str> = ours[..3].iter().map(|row| &*row.5).collect();
    assert_eq!(users, ["", "bob", "alice"]);
}

#[test]
fn all_that_the_core_receives_and_sends_is_traced_as_the_stock_module_does() {
    let of = |module| {
        let script = r#"xlog("L_WARN", "seen $siptrace(direction) $siptrace(src_proto) $siptrace(dst_host)\n");
            if ($rm == "CANCEL") { drop; }"#;
        let change = |config: ConfigBuilder| {
            config.param("siptrace", "trace_mode", 3).route("event_route[siptrace:msg]", script)
        };
        // The distribution's module of this version does not know the direction.
        let change = |config| match module {
            Module::Stock => change(config).route("event_route[siptrace:msg]", "if ($rm == \"CANCEL\") { drop; }"),
            Module::Ours => change(config),
        };
        rows(module, "", change)
    };
    let (stock, ours) = (of(Module::Stock), of(Module::Ours));
    assert_eq!(ours, stock);
}

#[test]
fn a_script_that_looks_at_what_is_traced_knows_both_addresses_and_the_direction() {
    let collector = Collector::new();
    let script = r#"xlog("L_WARN", "LOOK $siptrace(direction) $siptrace(src_proto) $siptrace(src_hostip) $siptrace(src_port) $siptrace(dst_addr)\n");"#;
    let proxy = Proxy::of(Module::Ours, &collector).hep(3).param("trace_mode", 1);
    let proxy = proxy.with(|config| config.route("event_route[siptrace:msg]", script));
    let ends = Call::ends();
    let caller = ends[0].local_addr().expect("a bound socket");
    let server = proxy.start(ends[1].local_addr().expect("a bound socket"));
    Call::new(&ends, server.address(), 1).refuse();
    let (log, port) = (server.log(), server.address().port());
    let line = |text: &str| assert!(log.contains(text), "no {text:?} in\n{log}");
    line(&format!("LOOK in udp 127.0.0.1 {} udp:127.0.0.1:{port}", caller.port()));
    line(&format!("LOOK out udp 127.0.0.1 {port} udp:{caller}"));
}

#[test]
fn rows_of_a_transaction_are_those_of_the_stock_module() {
    let trace = r#"if (is_method("INVITE|BYE")) { sip_trace_mode("t"); }"#;
    let of = |module| rows(module, trace, |config| config.param("siptrace", "trace_local_ip", "udp:192.0.2.9:5060"));
    let (stock, ours) = (of(Module::Stock), of(Module::Ours));
    assert_eq!(ours, stock);
    assert!(ours.0.len() > 11, "{ours:#?}");
}

#[test]
fn tracing_that_is_off_does_what_the_stock_module_does() {
    let of = |module, users: &str| {
        let script = format!(r#"{users} if (is_method("INVITE|BYE")) {{ sip_trace_mode("t"); }}"#);
        rows(module, &script, |config| {
            config
                .param("siptrace", "traced_user_avp", "$avp(who)")
                .without("trace_on")
                .param("siptrace", "trace_on", 0)
        })
    };
    for users in ["", r#"$avp(who) = "alice";"#] {
        let (stock, ours) = (of(Module::Stock, users), of(Module::Ours, users));
        assert_eq!(ours, stock);
        assert_eq!(ours.0.is_empty(), users.is_empty());
    }
}

#[test]
fn what_goes_out_is_traced_in_an_onsend_route_as_in_the_stock_module() {
    let of = |module| rows(module, "", |config| config.route("onsend_route", "sip_trace();"));
    let (stock, ours) = (of(Module::Stock), of(Module::Ours));
    assert_eq!(ours, stock);
    assert!(ours.1.contains(&"INVITE out".to_owned()), "{ours:#?}");
}

#[test]
fn addresses_of_ipv6_are_written_as_the_stock_module_writes_them() {
    assert_ipv6_is_written("c", "::1");
}

#[test]
fn addresses_of_ipv6_are_written_in_the_style_that_the_server_is_told() {
    assert_ipv6_is_written("A", "0:0:0:0:0:0:0:1");
}

/// Rows and packets of a call over IPv6 with `ipv6_hex_style`, in which its address is `loopback`.
fn assert_ipv6_is_written(style: &str, loopback: &str) {
    let ends = Call::ends_at("[::1]");
    let proxy = SocketAddr::from((Ipv6Addr::LOCALHOST, free_port()));
    let of = |module| {
        let (file, collector) = (SqliteFile::new(), Collector::new());
        let _kept = make_tables(&file);
        let server = Proxy::of(module, &collector).stored(&file).param("trace_mode", 3);
        let server = server.on_all(r#"if (is_method("INVITE|BYE")) { sip_trace_mode("t"); }"#);
        let server = server.with(|config| config.first_line(&format!("listen=udp:{proxy}")));
        let server = server.with(|config| config.first_line(&format!("ipv6_hex_style=\"{style}\"")));
        let mut server = server.start(ends[1].local_addr().expect("a bound socket"));
        Call::new(&ends, proxy, 1).answer_and_end();
        end_at(proxy);
        let seen = collector.until_end(&[]);
        server.stop();
        let rows = select(file.url(), "SELECT * FROM sip_trace WHERE method <> 'OPTIONS' ORDER BY id");
        let row = |row: &StoredRow| ["method", "fromip", "toip", "direction"].map(|column| text(row, column));
        (rows.expect("the table is readable").iter().map(row).collect::<Vec<_>>(), ways(&seen))
    };
    let (stock, ours) = (of(Module::Stock), of(Module::Ours));
    assert_eq!(ours, stock);
    let written = |form: &str| ours.0.iter().flatten().any(|text| text == form);
    let port = proxy.port();
    let forms = [format!("udp:[{loopback}]:{port}"), format!("udp:{loopback}:{port}")];
    assert!(forms.iter().all(|form| written(form)), "{ours:#?}");
}

#[test]
fn copies_to_a_name_go_out_once_it_is_looked_up() {
    let collector = Collector::new();
    let hosts = Hosts::with(&[("copies.example.org", "127.0.0.1")]);
    let uri = collector.uri().replace("127.0.0.1", "copies.example.org");
    let script = format!(r#"sip_trace("{uri}");"#);
    let proxy =
        Proxy::of(Module::Ours, &collector).param("trace_to_database", 0).param("hep_mode_on", 0).on_all(&script);
    let ends = Call::ends();
    let proxy = proxy.with(|config| config.first_line("use_dns_cache=no").through(hosts.command()));
    let server = proxy.start(ends[1].local_addr().expect("a bound socket"));
    // The server answers before its last process has a name.
    within(PATIENCE, "the resolver runs", || server.processes().iter().any(|(_, what)| what == "siptrace resolver"));
    let mut number = 0;
    within(PATIENCE, "a copy of an INVITE arrives", || {
        number += 1;
        Call::new(&ends, server.address(), number).refuse();
        end(&server);
        collector.until_end(&[]).iter().any(|one| one.what() == "INVITE")
    });
}

#[test]
fn the_switch_and_the_counters_are_the_operators() {
    let file = SqliteFile::new();
    let collector = Collector::new();
    let ends = Call::ends();
    let callee = ends[1].local_addr().expect("a bound socket");
    let server = Proxy::of(Module::Ours, &collector).stored(&file).on_all("sip_trace();").start(callee);
    assert_eq!(server.rpc(&["siptrace.status", "check"]).as_deref(), Ok("Enabled"));
    assert_eq!(server.rpc(&["sip_trace", "off"]).as_deref(), Ok("off"));
    Call::new(&ends, server.address(), 1).refuse();
    assert_eq!(server.rpc(&["siptrace.status", "on"]).as_deref(), Ok("Enabled"));
    Call::new(&ends, server.address(), 2).refuse();
    within(PATIENCE, "both requests of the second call are stored", || count(file.url(), "sip_trace") == 2);
    let statistics = server.statistics_of("siptrace");
    assert_eq!((statistics["traced_requests"], statistics["traced_replies"]), (2, 0));
    assert!(server.rpc(&["siptrace.stats"]).expect("siptrace.stats is answered").contains("captured: 4"));
}

#[test]
fn a_capture_id_may_need_all_of_its_32_bits() {
    for (given, id) in [(3_000_000_000, 3_000_000_000), (2_147_483_648, 1 << 31), (4_294_967_295, u32::MAX), (0, 0)] {
        let collector = Collector::new();
        let proxy = Proxy::of(Module::Ours, &collector).hep(3).param("hep_capture_id", given).on_first("sip_trace();");
        let seen = traced(&collector, proxy, Call::refuse);
        assert!(seen.iter().all(|one| one.agent == Some(id)), "{given}: {seen:#?}");
    }
}

#[test]
fn a_local_address_without_a_transport_gets_that_of_its_message() {
    let collector = Collector::new();
    let proxy = Proxy::of(Module::Ours, &collector).hep(3).on_first("sip_trace();");
    let proxy = proxy.with(|config| config.param("siptrace", "trace_local_ip", "192.0.2.9:5064"));
    let seen = traced(&collector, proxy, Call::refuse);
    assert_eq!(
        seen.iter().map(|one| (one.what(), &*one.from, &*one.to)).collect::<Vec<_>>(),
        [("INVITE".to_owned(), "caller", "192.0.2.9:5064")]
    );
}

#[test]
fn a_process_that_was_made_without_a_word_to_modules_traces_as_well() {
    let collector = Collector::new();
    let port = free_port();
    let proxy = Proxy::of(Module::Ours, &collector).hep(3).with(|config| {
        let config = config.load("evapi.so").param("evapi", "bind_addr", &format!("127.0.0.1:{port}"));
        config.route("event_route[evapi:connection-new]", r#"hlog("corr", "from $pp");"#)
    });
    let server = proxy.start("127.0.0.1:9".parse().expect("an address"));
    let mut connected = None;
    within(PATIENCE, "the dispatcher listens", || {
        connected = TcpStream::connect(("127.0.0.1", port)).ok();
        connected.is_some()
    });
    let line = collector.next(&[]);
    assert_eq!(line.correlation.as_deref(), Some("corr"));
    let dispatcher = server.processes().into_iter().find(|(_, what)| what.contains("EvAPI")).expect("it has a name");
    assert_eq!(line.first_line, format!("from {}", dispatcher.0));
    let statistics = server.statistics_of("siptrace");
    assert_eq!((statistics["captured"], statistics["dropped_no_lane"]), (1, 0));
    let answer = server.rpc(&["siptrace.stats"]).expect("siptrace.stats is answered");
    assert!(["no_lane: 0", "refused: 0"].iter().all(|line| answer.contains(line)), "{answer}");
    drop(connected);
}

#[test]
fn a_bad_table_name_costs_rows_and_neither_packets_nor_what_follows() {
    let (file, collector) = (SqliteFile::new(), Collector::new());
    let trace = r#"$avp(table) = "a b"; sip_trace_mode("t");"#;
    let proxy = Proxy::of(Module::Ours, &collector).stored(&file).on_first(trace);
    let proxy = proxy.with(|config| config.param("siptrace", "trace_table_avp", "$avp(table)"));
    let ends = Call::ends();
    let [caller, callee] = ends.each_ref().map(|socket| socket.local_addr().expect("a bound socket"));
    let server = proxy.start(callee);
    Call::new(&ends, server.address(), 1).refuse();
    end(&server);
    let seen = ways(&collector.until_end(&[(server.address(), "proxy"), (caller, "caller"), (callee, "callee")]));
    assert_eq!(seen[..4], ["INVITE in", "100 INVITE out", "INVITE out", "486 INVITE in"], "{seen:?}");
    let lost = seen.len() as u64;
    within(PATIENCE, "the rows are counted", || server.statistics_of("siptrace")["dropped_rejected"] == lost);
}

/// A script that sends a request of its own.
const SEND_INFO: &str = r#"$uac_req(method) = "INFO"; $uac_req(ruri) = "sip:127.0.0.1:9"; $uac_req(furi) = "sip:a@127.0.0.1";
    $uac_req(turi) = "sip:b@127.0.0.1"; uac_req_send();"#;

#[test]
fn a_script_that_sends_while_it_looks_goes_on_looking_at_its_own_message() {
    let collector = Collector::new();
    let script = format!(r#"if ($rm == "INVITE") {{ {SEND_INFO} xlog("L_WARN", "AFTER $siptrace(src_port)\n"); }}"#);
    let proxy = Proxy::of(Module::Ours, &collector).hep(3).param("trace_mode", 1);
    let proxy = proxy.with(|config| config.load("uac.so").route("event_route[siptrace:msg]", &script));
    let ends = Call::ends();
    let caller = ends[0].local_addr().expect("a bound socket");
    let server = proxy.start(ends[1].local_addr().expect("a bound socket"));
    Call::new(&ends, server.address(), 1).refuse();
    let log = server.log();
    assert!(log.contains(&format!("AFTER {}", caller.port())), "{log}");
}

#[test]
fn what_an_event_route_traces_is_not_what_stateless_replies_follow() {
    let (told, other) = (Collector::new(), Collector::new());
    let script =
        format!(r#"sip_trace("{}", "corr", "t"); {SEND_INFO} sl_send_reply("404", "Nobody"); exit;"#, told.uri());
    let event =
        format!(r#"if ($rm == "INFO") {{ sip_trace("{}"); xlog("L_WARN", "INFO SEEN\n"); }} drop;"#, other.uri());
    let proxy = Proxy::of(Module::Ours, &other).hep(3).param("trace_mode", 1).on_first(&script);
    let proxy = proxy.with(|config| config.load("uac.so").route("event_route[siptrace:msg]", &event));
    let ends = Call::ends();
    let server = proxy.start("127.0.0.1:9".parse().expect("an address"));
    let call = Call::new(&ends, server.address(), 1);
    call.call();
    call.caller_gets("SIP/2.0 404");
    let owners = [(server.address(), "proxy")];
    assert_eq!(ways(&[told.next(&owners), told.next(&owners)]), ["INVITE in", "404 INVITE out"]);
    assert!(server.log().contains("INFO SEEN"), "{}", server.log());
}

#[test]
fn blanks_around_a_collectors_name_keep_no_copy_from_being_looked_up() {
    let config = ConfigBuilder::new().load("tm.so").load_agent(Module::Ours).param("siptrace", "trace_to_database", 0);
    let server = config.param("siptrace", "duplicate_uri", " sip:copies.example.org ").start();
    // The server answers before its last process has a name.
    within(PATIENCE, "the resolver runs", || server.processes().iter().any(|(_, what)| what == "siptrace resolver"));
}

#[test]
fn a_message_larger_than_a_datagram_has_its_row() {
    let (file, collector) = (SqliteFile::new(), Collector::new());
    let config = ConfigBuilder::new().tcp().first_line("tcp_rd_buf_size=400000").load("tm.so").load_agent(Module::Ours);
    let config = config.param("siptrace", "db_url", file.url()).param("siptrace", "trace_on", 1);
    let config = config.param("siptrace", "duplicate_uri", &collector.uri()).param("siptrace", "hep_mode_on", 1);
    let server = config.route("request_route", "sip_trace(); exit;").start();
    let message = |number: u32, len: usize| {
        let headers = format!(
            "INFO sip:a SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK{number}\r\nFrom: <sip:a>;tag=1\r\nTo: <sip:b>\r\n\
             Call-ID: {number}\r\nCSeq: 1 INFO\r\nContent-Length: {len}\r\n\r\n"
        );
        headers + &"x".repeat(len)
    };
    let mut stream = TcpStream::connect(server.address()).expect("the server listens");
    for (number, len) in [(1, 200_000), (2, 300_000), (3, 10)] {
        stream.write_all(message(number, len).as_bytes()).expect("the server reads");
    }
    within(PATIENCE, "two rows are stored", || count(file.url(), "sip_trace") == 2);
    let rows = select(file.url(), "SELECT callid, length(msg) AS length FROM sip_trace ORDER BY id").expect("readable");
    let row = |row: &StoredRow| (text(row, "callid"), text(row, "length"));
    let expected =
        [(1, 200_000), (3, 10)].map(|(number, len)| (number.to_string(), message(number, len).len().to_string()));
    assert_eq!(rows.iter().map(row).collect::<Vec<_>>(), expected);
    assert_eq!(collector.next(&[]).first_line, "INFO sip:a SIP/2.0");
    within(PATIENCE, "the others are accounted for", || {
        let statistics = server.statistics_of("siptrace");
        (statistics["dropped_too_large"], statistics["dead_lettered"], statistics["captured"]) == (2, 1, 6)
    });
}

#[test]
fn a_message_that_cannot_be_traced_is_counted() {
    let collector = Collector::new();
    let script = r#"if (!sip_trace()) { xlog("L_WARN", "NOT TRACED\n"); } exit;"#;
    let server =
        Proxy::of(Module::Ours, &collector).hep(3).on_all(script).start("127.0.0.1:9".parse().expect("an address"));
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let message = "INFO sip:a SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK1\r\nFrom: <sip:a\r\nTo: <sip:b>\r\n\
                   Call-ID: 1\r\nCSeq: 1 INFO\r\n\r\n";
    socket.send_to(message.as_bytes(), server.address()).expect("the proxy's port takes datagrams");
    within(PATIENCE, "the message is counted", || server.statistics_of("siptrace")["refused"] == 1);
    within(PATIENCE, "the script is told", || server.log().contains("NOT TRACED"));
    assert!(server.log().contains("lacks From, To, Call-ID or CSeq"), "{}", server.log());
}

#[test]
fn sip_trace_mode_is_content_without_a_collector_as_in_the_stock_module() {
    let ends = Call::ends();
    for module in [Module::Stock, Module::Ours] {
        let config = ConfigBuilder::new().load("tm.so").load_agent(module).param("siptrace", "trace_on", 1);
        let config = config.param("siptrace", "trace_to_database", 0);
        let script = r#"if (sip_trace_mode("m")) { xlog("L_WARN", "MODE yes\n"); }
            if (!sip_trace()) { xlog("L_WARN", "TRACE no\n"); } exit;"#;
        let server = config.route("request_route", script).start();
        Call::new(&ends, server.address(), 1).call();
        within(PATIENCE, "both are told", || ["MODE yes", "TRACE no"].iter().all(|line| server.log().contains(line)));
    }
}

#[test]
fn a_mode_that_nobody_knows_traces_what_scripts_name_as_in_the_stock_module() {
    for module in [Module::Stock, Module::Ours] {
        let collector = Collector::new();
        let script = format!(r#"sip_trace("{}", "corr", "t");"#, collector.uri());
        let proxy = Proxy::of(module, &collector).hep(3).param("trace_init_mode", 3).param("trace_mode", 1);
        let seen = traced(&collector, proxy.param("trace_flag", 77).on_first(&script), Call::refuse);
        assert_eq!(ways(&seen), ["INVITE in"], "{module:?}");
    }
}

#[test]
fn parameters_that_will_not_do_are_refused_by_name() {
    let refused = |name: &str, value: &str| {
        let config =
            ConfigBuilder::new().load("tm.so").load_agent(Module::Ours).param("siptrace", "trace_to_database", 0);
        let config = match value.parse::<i64>() {
            Ok(number) => config.param("siptrace", name, number),
            Err(_) => config.param("siptrace", name, value),
        };
        config.refused()
    };
    for (name, value) in [
        ("trace_flag", "32"),
        ("trace_flag", "-2"),
        ("trace_init_mode", "1"),
        ("traced_user_avp", "$var(x)"),
        ("trace_table_avp", "sip_trace"),
        ("send_sock_addr", "nonsense"),
        ("force_send_sock", "nonsense"),
        ("duplicate_uri", "nonsense"),
        ("hep_version", "4"),
    ] {
        let log = refused(name, value);
        assert!(log.contains(&format!("parameter {name}: ")), "{name}={value}:\n{log}");
    }
}
