//! What later releases of the stock module have: beside that module where the host has it, and by itself where ours
//! serves it on older hosts too.

use super::{Collector, Proxy, Traced, end, end_at, traced};
use crate::common::call::Call;
use crate::common::kamailio::{ConfigBuilder, Module};
use crate::common::ports::free_port;
use crate::common::release::{Release, is_before, release};
use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

/// The modules to look at: the stock one too, once it has what the test is about.
fn modules_since(since: Release) -> Vec<Module> {
    if release() >= since { vec![Module::Stock, Module::Ours] } else { vec![Module::Ours] }
}

/// That the modules have done the same; the answer is what ours did.
fn same<T: PartialEq + std::fmt::Debug>(mut seen: Vec<T>) -> T {
    let ours = seen.pop().expect("our module is always there");
    seen.iter().for_each(|stock| assert_eq!(&ours, stock));
    ours
}

#[test]
fn sip_trace_msg_makes_the_packets_of_the_stock_module() {
    let of = |module, version| {
        let (told, other) = (Collector::new(), Collector::new());
        let script = format!(
            r#"sip_trace_msg("a text", "udp:192.0.2.1:5060", "udp:192.0.2.2:5070", "{}", "corr");
            sip_trace_msg("by default", "tcp:192.0.2.1:5060", "tls:192.0.2.2:5070", "", "");
            sip_trace_msg("over IPv6", "udp:[2001:db8::1]:5060", "udp:[2001:db8::2]:5070", "", "$ci");
            if (!sip_trace_msg("", "udp:192.0.2.1:5060", "udp:192.0.2.2:5070", "", "")) {{ hlog("no text"); }}
            if (!sip_trace_msg("a text", "", "udp:192.0.2.2:5070", "", "")) {{ hlog("no source"); }}
            if (!sip_trace_msg("a text", "udp:192.0.2.1:5060", "", "", "")) {{ hlog("no destination"); }}"#,
            told.uri()
        );
        // It asks neither the switch nor hep_mode_on.
        let proxy = Proxy::of(module, &other).hep(version).on_first(&script);
        let proxy = proxy.with(|config| config.without("trace_on").without("hep_mode_on"));
        let mut first = None;
        let seen = traced(&other, proxy, |call| {
            call.refuse();
            first = Some(told.next(&[]));
        });
        // The ports of a line are those that it leaves from and goes to.
        let bare = |one: Traced| {
            if one.payload_type == 100 { Traced { from: String::new(), to: String::new(), ..one } } else { one }
        };
        (first.expect("a packet for the collector that is named"), seen.into_iter().map(bare).collect::<Vec<_>>())
    };
    for version in [1, 2, 3] {
        let (told, other) = same(modules_since((5, 8, 0)).into_iter().map(|module| of(module, version)).collect());
        let shown = |one: &Traced| (one.first_line.clone(), one.from.clone(), one.to.clone());
        assert_eq!(shown(&told), ["a text", "192.0.2.1:5060", "192.0.2.2:5070"].map(str::to_owned).into());
        let lines: Vec<&str> = other.iter().map(|one| &*one.first_line).collect();
        assert_eq!(lines, ["by default", "over IPv6", "no text", "no source", "no destination"]);
        assert_eq!(other[1].from, "[2001:db8::1]:5060");
        assert_eq!(told.correlation.as_deref(), (version == 3).then_some("corr"));
    }
}

/// A socket that is advertised under an address that nobody has, and a call over it with `trace_mode`.
fn advertised(module: Module, data_mode: i64) -> (Vec<String>, Vec<(String, String)>) {
    let (collector, ends) = (Collector::new(), Call::ends());
    let socket = SocketAddr::from((Ipv4Addr::new(127, 0, 0, 2), free_port()));
    let proxy = Proxy::of(module, &collector).hep(3).param("trace_mode", 1).param("data_mode", data_mode);
    let listen = format!("listen=udp:{socket} advertise 192.0.2.5:5080");
    let proxy = proxy.with(|config| config.first_line(&listen));
    let [caller, callee] = ends.each_ref().map(|socket| socket.local_addr().expect("a bound socket"));
    let server = proxy.start(callee);
    Call::new(&ends, socket, 1).refuse();
    end_at(socket);
    let advertised = "192.0.2.5:5080".parse().expect("an address");
    let seen =
        collector.until_end(&[(socket, "socket"), (advertised, "advertised"), (caller, "caller"), (callee, "callee")]);
    drop(server);
    let legs = seen.iter().map(|one| (one.from.clone(), one.to.clone())).collect();
    (seen.iter().map(Traced::what).collect(), legs)
}

#[test]
fn data_mode_1_tells_the_advertised_address_of_the_local_socket() {
    for (data_mode, name) in [(0, "socket"), (1, "advertised")] {
        let modules = modules_since((5, 8, 4));
        let (what, legs) = same(modules.into_iter().map(|module| advertised(module, data_mode)).collect());
        assert_eq!(what, ["INVITE", "100 INVITE", "INVITE", "486 INVITE", "ACK", "486 INVITE", "ACK"]);
        let of = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        assert_eq!(legs[..3], [of("caller", name), of(name, "caller"), of(name, "callee")]);
        assert!(legs.iter().all(|(from, to)| (from == name) != (to == name)), "{legs:?}");
    }
}

/// Where, by the trace, the requests of two calls over one TCP connection came from and went to.
fn over_tcp(module: Module, ephemeral: i64) -> Vec<(String, String)> {
    let (collector, ends) = (Collector::new(), Call::ends());
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let callee = listener.local_addr().expect("a bound socket");
    let script = format!(r#"$du = "sip:{callee};transport=tcp"; t_relay(); exit;"#);
    let proxy = Proxy::of(module, &collector).hep(3).param("trace_mode", 1).on_first(&script);
    let server = proxy.param("trace_ephemeral_socket", ephemeral).with(ConfigBuilder::tcp).start(callee);
    Call::new(&ends, server.address(), 1).call();
    let (mut connection, peer) = listener.accept().expect("the server connects");
    connection.set_read_timeout(Some(PATIENCE)).expect("a timeout is set");
    read_request(&mut connection);
    Call::new(&ends, server.address(), 2).call();
    read_request(&mut connection);
    end(&server);
    let seen = collector.until_end(&[(server.address(), "proxy"), (peer, "connection"), (callee, "callee")]);
    let legs = seen.iter().filter(|one| one.what() == "INVITE" && one.to != "proxy");
    legs.map(|one| (one.from.clone(), one.to.clone())).collect()
}

fn read_request(connection: &mut TcpStream) {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        connection.read_exact(&mut byte).expect("a request comes whole");
        text.extend(byte);
    }
}

#[test]
fn trace_ephemeral_socket_tells_the_port_that_a_connection_comes_from() {
    if is_before((6, 2, 0), "trace_ephemeral_socket") {
        return;
    }
    for (ephemeral, name) in [(0, "proxy"), (1, "connection")] {
        let legs = same([Module::Stock, Module::Ours].map(|module| over_tcp(module, ephemeral)).into());
        // Of a connection that is there already, the host does not tell the port.
        assert_eq!(legs, [name, "proxy"].map(|from| (from.to_owned(), "callee".to_owned())));
    }
}

#[test]
fn a_host_that_cannot_tell_that_port_refuses_trace_ephemeral_socket() {
    if release() >= (6, 2, 0) {
        return;
    }
    let config = ConfigBuilder::new().load_agent(Module::Ours).param("siptrace", "trace_ephemeral_socket", 1);
    let log = config.refused();
    assert!(log.contains("trace_ephemeral_socket"), "{log}");
}
