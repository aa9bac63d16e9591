//! The proxy under test: a registrar and record-routing dialog-stateful proxy, the same for both modules.

use super::collectors::Collectors;
use super::message::{DOMAIN, PASSWORD, SENTINEL};
use super::phones::Phones;
use super::scenarios::users;
use super::setups::{Form, Setup};
use crate::common::kamailio::{ConfigBuilder, Kamailio, Module, Param};
use crate::common::ports::{free_address, free_port};
use crate::common::release::release;
use crate::common::wait::within;
use std::collections::BTreeMap;
use std::net::{Ipv6Addr, SocketAddr};
use std::time::Duration;

/// A running proxy.
pub struct Proxy {
    module: Module,
    server: Kamailio,
    /// Its address over IPv6; the other is the server's own.
    pub address6: SocketAddr,
    /// A socket that no phone knows: [`TRACER`].
    pub tracer: Option<SocketAddr>,
}

/// The name of a socket.
pub const TRACER: &str = "tracer";

impl Proxy {
    /// Starts it with one worker a socket, so that what happens has one order.
    pub fn start(setup: &Setup, module: Module, phones: &Phones, collectors: &Collectors, db_url: &str) -> Proxy {
        let address6 = SocketAddr::from((Ipv6Addr::LOCALHOST, free_port()));
        let config = ConfigBuilder::new().children(1).tcp().first_line("tcp_children=1");
        let mut config =
            config.first_line(&format!("listen=udp:{address6}")).first_line(&format!("listen=tcp:{address6}"));
        let tracer = (setup.has("send_sock_name") || setup.second_socket).then(free_address);
        if let Some(tracer) = tracer {
            config = config.first_line(&format!("listen=udp:{tracer} name \"{TRACER}\""));
        }
        let mut config = config.first_line("onsend_route_reply=yes");
        let stock_driver = (module == Module::Stock).then_some("db_sqlite.so");
        let names = ["corex.so", "tm.so", "rr.so", "siputils.so", "dialog.so", "auth.so", "usrloc.so", "registrar.so"];
        for name in stock_driver.into_iter().chain(names) {
            config = config.load(name);
        }
        config = config.load_agent(module);
        // Only what the scenarios wait for is repeated.
        config = config.param("tm", "retr_timer1", 20_000).param("tm", "retr_timer2", 20_000);
        if release() >= (6, 1, 4) {
            // A branch that ends after another was answered is part of the forked call; these releases would leave its
            // 487 alone.
            config = config.param("tm", "reply_matching", 0);
        }
        for (name, value) in params(setup, module, collectors, db_url) {
            config = config.param("siptrace", name, value);
        }
        let named = collectors.named_uri();
        for (block, script) in &setup.routes {
            config = config.route(block, &script.replace("NAMED", &named));
        }
        let words = setup.our_script.as_ref().filter(|_| module == Module::Ours).unwrap_or(&setup.on_request);
        let traced = words.replace("NAMED", &named);
        let server = config.route("request_route", &script(&traced, phones)).start();
        let proxy = Proxy { module, server, address6, tracer };
        if let Some(command) = setup.command {
            proxy.server.rpc(&command).unwrap_or_else(|fault| panic!("{command:?}: {fault}"));
        }
        proxy
    }

    /// Its address over IPv4, for UDP and TCP.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// All its addresses over UDP; the first serves TCP too.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        [self.address(), self.address6].into_iter().chain(self.tracer).collect()
    }

    /// The module's statistics.
    pub fn statistics(&self) -> BTreeMap<String, u64> {
        self.server.statistics_of("siptrace")
    }

    /// Waits until everything traced has left. The stock module's workers do it themselves.
    pub fn settle(&self) {
        if self.module == Module::Ours {
            within(Duration::from_secs(10), "rows and packets of all that is traced have left", || {
                let statistics = self.statistics();
                statistics["queued"] == 0 && statistics["spooled"] == 0
            });
        }
    }
}

fn params(setup: &Setup, module: Module, collectors: &Collectors, db_url: &str) -> Vec<(&'static str, Param)> {
    let number = |condition: bool| Param::from(i64::from(condition));
    let mut params: BTreeMap<&'static str, Param> = BTreeMap::from([
        ("db_url", db_url.into()),
        ("trace_on", 1.into()),
        ("trace_to_database", number(setup.rows)),
        ("trace_mode", setup.mode.into()),
        ("hep_mode_on", number(setup.form != Form::Plain)),
        ("hep_capture_id", 2001.into()),
        ("duplicate_uri", Param::Text(collectors.duplicate_uri())),
    ]);
    if let Form::Hep(version) = setup.form {
        params.insert("hep_version", i64::from(version).into());
    }
    params.extend(setup.params.iter().cloned());
    if module == Module::Ours {
        params.extend(setup.ours.iter().cloned());
    }
    params.into_iter().collect()
}

/// The script: what the setup traces, then a proxy as the books have it.
fn script(traced: &str, phones: &Phones) -> String {
    let users = users(phones);
    let uri = |name: &str| &users.iter().find(|(user, _)| *user == name).expect("a user").1;
    let cases: String =
        users.iter().map(|(user, uri)| format!("case \"{user}\": $ru = \"{uri}\"; break;\n        ")).collect();
    format!(
        r#"if ($rU == "{SENTINEL}") {{ sl_send_reply("200", "Here"); exit; }}
    {traced}
    if (is_method("CANCEL")) {{ t_relay(); exit; }}
    if (has_totag()) {{
        if (loose_route()) {{ t_relay(); exit; }}
        if (is_method("ACK")) {{ if (t_check_trans()) {{ t_relay(); }} exit; }}
        sl_send_reply("481", "No such call");
        exit;
    }}
    if (is_method("REGISTER")) {{
        if (!pv_www_authenticate("{DOMAIN}", "{PASSWORD}", "0")) {{ www_challenge("{DOMAIN}", "0"); exit; }}
        save("location");
        exit;
    }}
    if ($rU == "proxy") {{ sl_send_reply("200", "OK"); exit; }}
    if ($rU == "stateless") {{ sl_send_reply("404", "Not Found"); exit; }}
    if ($rU == "stateful") {{ t_newtran(); t_reply("480", "Away"); exit; }}
    record_route();
    if (is_method("INVITE")) {{ dlg_manage(); }}
    if ($rU == "slow") {{ t_set_retr("400", "4000"); }}
    if ($rU == "unanswered") {{ t_set_fr("1000", "1000"); }}
    if ($rU == "fork") {{ append_branch("{second}"); }}
    if ($rU == "fork-tcp") {{ append_branch("{tcp}"); }}
    switch ($rU) {{
        {cases}default: sl_send_reply("404", "Nobody"); exit;
    }}
    t_relay();"#,
        second = uri("second"),
        tcp = uri("tcp"),
    )
}
