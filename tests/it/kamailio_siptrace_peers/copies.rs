//! Plain copies: by which transport they travel, which names they are sent to, and what is counted of those that cannot
//! be sent.

use super::{Collector, PATIENCE, Proxy, telling};
use crate::common::certificate::certificate;
use crate::common::hosts::Hosts;
use crate::common::kamailio::{ConfigBuilder, Kamailio, Module};
use crate::common::network::in_network;
use crate::common::ports::{free_address, free_port};
use crate::common::wait::{eventually, within};
use rustix::net::sockopt::set_socket_recv_buffer_size_force;
use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::spawn;
use tempfile::TempDir;

/// The request is traced, its reply is not.
const TRACE: &str = r#"if (is_method("OPTIONS")) { sip_trace(); }"#;

/// An agent that sends plain copies, and stores nothing.
fn copying(uri: &str) -> ConfigBuilder {
    telling(uri).without("hep_mode_on")
}

fn failed(server: &Kamailio) -> u64 {
    server.statistics_of("siptrace")["copies_failed"]
}

/// Asserts that nothing has come to a socket.
fn assert_silent(socket: &UdpSocket) {
    socket.set_nonblocking(true).expect("a socket need not wait");
    let mut buffer = [0; 2048];
    if let Ok(length) = socket.recv(&mut buffer) {
        panic!("in clear: {}", String::from_utf8_lossy(&buffer[..length]));
    }
}

/// A TLS server, and the UDP socket of the same port.
struct Secure {
    server: Child,
    address: SocketAddr,
    clear: UdpSocket,
    heard: Arc<Mutex<Vec<u8>>>,
    directory: TempDir,
}

impl Secure {
    fn new() -> Secure {
        let directory = TempDir::new().expect("a private directory");
        let (key, certificate) = certificate(directory.path());
        let address = free_address();
        let clear = UdpSocket::bind(address).expect("the port is free");
        let mut server = Command::new("openssl")
            .args(["s_server", "-quiet", "-accept", &address.to_string(), "-key", &key, "-cert", &certificate])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl runs");
        within(PATIENCE, "the TLS server listens", || TcpStream::connect(address).is_ok());
        let mut output = server.stdout.take().expect("a pipe");
        let heard = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&heard);
        spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = output.read(&mut buffer) {
                kept.lock().expect("nobody panics with it").extend_from_slice(&buffer[..length]);
            }
        });
        Secure { server, address, clear, heard, directory }
    }

    /// The server's configuration with Kamailio's own TLS.
    fn with_tls(&self, config: ConfigBuilder) -> ConfigBuilder {
        let file = |name: &str| self.directory.path().join(name).display().to_string();
        let config = config.tcp().load("tls.so").first_line("enable_tls=yes").param("tls", "tls_method", "TLSv1.2+");
        let config =
            config.param("tls", "private_key", &file("key.pem")).param("tls", "certificate", &file("cert.pem"));
        config.line(&format!("listen=tls:{}", free_address()))
    }

    fn has_heard(&self, text: &str) -> bool {
        let heard = self.heard.lock().expect("nobody panics with it");
        heard.windows(text.len()).any(|window| window == text.as_bytes())
    }
}

impl Drop for Secure {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

#[test]
fn copies_for_a_tls_collector_travel_in_tls_and_in_nothing_else() {
    let secure = Secure::new();
    let address = secure.address;
    let (named, scheme) = (format!("sip:{address};transport=tls"), format!("sips:{address}"));
    let told = format!(r#"if (is_method("OPTIONS")) {{ sip_trace("{scheme}"); }}"#);
    for (number, (config, script)) in [
        (copying(&named), TRACE),
        (copying(&scheme), TRACE),
        (copying("sip:127.0.0.1:9"), &*told),
        (copying(&scheme).param("siptrace", "trace_mode", 4), ""),
    ]
    .into_iter()
    .enumerate()
    {
        let proxy = Proxy::start(secure.with_tls(config), script);
        let mark = format!("X-Mark: {number}\r\n");
        proxy.ping(&mark);
        let arrives = eventually(PATIENCE, || secure.has_heard(&mark));
        assert!(arrives, "copy {number} does not come:\n{}", proxy.server.log());
        assert_eq!(failed(&proxy.server), 0);
        assert_silent(&secure.clear);
    }
}

#[test]
fn without_tls_in_the_server_copies_for_it_are_counted_and_never_sent_in_clear() {
    let secure = Secure::new();
    let address = secure.address;
    for uri in [format!("sip:{address};transport=tls"), format!("sips:{address}")] {
        let proxy = Proxy::start(copying(&uri), TRACE);
        proxy.ping("X-Mark: one\r\n");
        within(PATIENCE, "the copy is counted as failed", || failed(&proxy.server) == 1);
        let log = proxy.server.log();
        assert!(log.contains(&format!("nothing is sent to sip:{address};transport=tls")), "{log}");
        assert!(proxy.server.rpc(&["siptrace.stats"]).expect("an answer").contains("copies_failed: 1"));
        assert_silent(&secure.clear);
    }
    assert!(!secure.has_heard("X-Mark"));
    // What is not safe for sips is no transport of a script either.
    let script = format!(r#"if (is_method("OPTIONS")) {{ sip_trace("sips:{address};transport=udp"); }}"#);
    let proxy = Proxy::start(copying("sip:127.0.0.1:9"), &script);
    proxy.ping("X-Mark: one\r\n");
    within(PATIENCE, "the message is refused", || proxy.server.statistics_of("siptrace")["refused"] == 1);
    assert_eq!(failed(&proxy.server), 0);
    assert_silent(&secure.clear);
}

#[test]
fn a_copys_line_in_the_log_has_no_user_and_no_password() {
    let script = r#"if (is_method("OPTIONS")) { sip_trace("sip:me:s3cret@127.0.0.1:9;transport=sctp"); }"#;
    let proxy = Proxy::start(copying("sip:127.0.0.1:9"), script);
    proxy.ping("");
    within(PATIENCE, "the copy is counted as failed", || failed(&proxy.server) == 1);
    let log = proxy.server.log();
    assert!(log.contains("nothing is sent to sip:127.0.0.1:9;transport=sctp:"), "{log}");
    assert!(!log.contains("s3cret"), "{log}");
}

#[test]
fn sctp_is_taken_for_copies_and_one_that_cannot_be_sent_is_counted() {
    let uri = "sip:127.0.0.1:9;transport=sctp";
    let proxy = Proxy::start(copying(uri), TRACE);
    proxy.ping("");
    proxy.ping("");
    within(PATIENCE, "both copies are counted as failed", || failed(&proxy.server) == 2);
    assert_eq!(proxy.server.log().matches("nothing is sent to").count(), 1, "the rate of lines is limited");
    let log = telling(uri).refused();
    assert!(log.contains("parameter duplicate_uri") && log.contains("sctp is for plain copies"), "{log}");
}

#[test]
fn copies_that_come_before_their_name_is_looked_up_are_sent_when_it_is() {
    let collector = Collector::new();
    let port = collector.0.local_addr().expect("a bound socket").port();
    let hosts = Hosts::with(&[("copies.test", "127.0.0.1")]);
    let script =
        format!(r#"if (is_method("OPTIONS")) {{ $var(to) = "sip:copies.test:{port}"; sip_trace("$var(to)"); }}"#);
    let config = copying("sip:127.0.0.1:9").first_line("use_dns_cache=no").through(hosts.command());
    let proxy = Proxy::start(config, &script);
    let sent: Vec<String> = (1..=3).map(|number| proxy.ping(&format!("X-Mark: {number}\r\n"))).collect();
    let mut copies: Vec<String> =
        collector.take(3).into_iter().map(|copy| String::from_utf8(copy).expect("a copy is text")).collect();
    // One that comes when the name is known already does not wait for those that did.
    copies.sort();
    assert_eq!(copies, sent);
    assert_eq!(failed(&proxy.server), 0);
}

#[test]
fn copies_for_a_name_that_nobody_knows_are_counted() {
    let hosts = Hosts::with(&[]);
    let config = copying("sip:127.0.0.1:9").first_line("use_dns_cache=no").through(hosts.command());
    let script = r#"if (is_method("OPTIONS")) { $var(to) = "sip:nobody.test"; sip_trace("$var(to)"); }"#;
    let proxy = Proxy::start(config, script);
    proxy.ping("");
    within(PATIENCE, "the copy that was held is counted", || failed(&proxy.server) == 1);
    proxy.ping("");
    within(PATIENCE, "the next one is counted too", || failed(&proxy.server) == 2);
    assert!(proxy.server.log().contains("nobody.test cannot be resolved"), "{}", proxy.server.log());
}

#[test]
fn a_name_behind_a_blank_or_a_comma_is_looked_up_too() {
    let collector = Collector::new();
    let port = collector.0.local_addr().expect("a bound socket").port();
    let hosts = Hosts::with(&[("copies.test", "127.0.0.1")]);
    for uris in [format!(" sip:copies.test:{port}"), format!("sip:127.0.0.1:9, sip:copies.test:{port}")] {
        let config = copying(&uris).first_line("use_dns_cache=no").through(hosts.command());
        let proxy = Proxy::start(config, TRACE);
        let sent = proxy.ping("");
        assert_eq!(String::from_utf8(collector.next()).expect("a copy is text"), sent);
    }
}

#[test]
fn copies_of_another_family_than_the_socket_that_is_named_leave_from_another() {
    let socket = UdpSocket::bind("[::1]:0").expect("a free port");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout is set");
    let (own, other) = (free_address(), SocketAddr::from((Ipv6Addr::LOCALHOST, free_port())));
    let config = copying(&format!("sip:{}", socket.local_addr().expect("a bound socket")));
    let config = config.first_line(&format!("listen=udp:{own}")).first_line(&format!("listen=udp:{other}"));
    let proxy = Proxy::start(config.param("siptrace", "send_sock_addr", &format!("sip:{own}")), TRACE);
    let sent = proxy.ping("");
    let mut buffer = [0; 4096];
    let (length, _) = socket.recv_from(&mut buffer).expect("a copy comes");
    assert_eq!(&buffer[..length], sent.as_bytes());
    let log = proxy.server.log();
    assert!(log.contains("copies of another transport or address family"), "{log}");
}

#[test]
fn copies_that_come_before_their_name_is_looked_up_travel_over_each_transport() {
    let hosts = Hosts::with(&[("copies.test", "127.0.0.1")]);
    let secure = Secure::new();
    let listener = TcpListener::bind(free_address()).expect("the port is free");
    let plain = listener.local_addr().expect("a bound socket");
    for (address, transport) in [(plain, "tcp"), (secure.address, "tls")] {
        let uri = format!("sip:copies.test:{};transport={transport}", address.port());
        let script = format!(r#"if (is_method("OPTIONS")) {{ $var(to) = "{uri}"; sip_trace("$var(to)"); }}"#);
        let config = copying("sip:127.0.0.1:9").first_line("use_dns_cache=no").through(hosts.command());
        let proxy = Proxy::start(secure.with_tls(config), &script);
        let mark = format!("X-Mark: {transport}\r\n");
        let sent = proxy.ping(&mark);
        if transport == "tls" {
            let arrives = eventually(PATIENCE, || secure.has_heard(&mark));
            assert!(arrives, "no copy over TLS:\n{}", proxy.server.log());
        } else {
            let (mut stream, _) = listener.accept().expect("Kamailio connects");
            stream.set_read_timeout(Some(PATIENCE)).expect("a timeout is set");
            let mut copy = vec![0; sent.len()];
            stream.read_exact(&mut copy).expect("a copy comes");
            assert_eq!(String::from_utf8(copy).expect("a copy is text"), sent);
        }
        assert_eq!(failed(&proxy.server), 0, "{transport}");
    }
}

#[test]
fn more_names_than_are_known_at_a_time_get_their_copies() {
    const NAMES: usize = 70;
    let collector = Collector::new();
    let port = collector.0.local_addr().expect("a bound socket").port();
    let names: Vec<String> = (0..NAMES).map(|number| format!("copies{number}.test")).collect();
    let hosts = Hosts::with(&names.iter().map(|name| (name.as_str(), "127.0.0.1")).collect::<Vec<_>>());
    let script = format!(
        r#"if (is_method("OPTIONS")) {{ $var(to) = "sip:copies" + $hdr(X-Name) + ".test:{port}"; sip_trace("$var(to)"); }}"#
    );
    let config = copying("sip:127.0.0.1:9").first_line("use_dns_cache=no").through(hosts.command());
    let proxy = Proxy::start(config, &script);
    let mut sent: Vec<String> = (0..NAMES).map(|number| proxy.ping(&format!("X-Name: {number}\r\n"))).collect();
    let copies = collector.take(NAMES).into_iter().map(|copy| String::from_utf8(copy).expect("a copy is text"));
    let mut copies: Vec<String> = copies.collect();
    sent.sort();
    copies.sort();
    assert_eq!(copies, sent);
    assert_eq!(failed(&proxy.server), 0);
}

#[test]
fn copies_for_which_there_is_no_more_room_to_wait_are_counted() {
    const COPIES: u64 = 24;
    in_network(|_| {
        // A port of this network alone.
        let names = UdpSocket::bind((Ipv4Addr::LOCALHOST, 53)).expect("the port is free in a new network");
        names.set_read_timeout(Some(PATIENCE)).expect("a timeout is set");
        let collector = Collector::new();
        // All that waits comes at once.
        set_socket_recv_buffer_size_force(&collector.0, 8 << 20).expect("root may ask for a large buffer");
        let port = collector.0.local_addr().expect("a bound socket").port();
        let hosts = Hosts::with_name_server(&[], IpAddr::V4(Ipv4Addr::LOCALHOST));
        let script =
            format!(r#"if (is_method("OPTIONS")) {{ $var(to) = "sip:copies.test:{port}"; sip_trace("$var(to)"); }}"#);
        let config = copying("sip:127.0.0.1:9").first_line("use_dns_cache=no").through(hosts.command());
        let proxy = Proxy::start(config, &script);
        // Twenty of them are a little less than the 1 MiB that may wait.
        let filling = format!("X-Fill: {}\r\n", "f".repeat(50_000));
        (0..COPIES).for_each(|_| drop(proxy.ping(&filling)));
        let given_up = failed(&proxy.server);
        assert!((1..=COPIES - 20).contains(&given_up), "{given_up} copies are given up");
        // From now on questions are answered.
        spawn(move || answer_questions(&names, Ipv4Addr::LOCALHOST));
        let arrived = usize::try_from(COPIES - given_up).expect("a small number");
        assert_eq!(collector.take(arrived).len(), arrived);
        assert_eq!(failed(&proxy.server), given_up);
    });
}

#[test]
fn copies_that_still_wait_for_their_name_at_the_end_are_told_of() {
    in_network(|_| {
        // It never answers.
        let _names = UdpSocket::bind((Ipv4Addr::LOCALHOST, 53)).expect("the port is free in a new network");
        let hosts = Hosts::with_name_server(&[], IpAddr::V4(Ipv4Addr::LOCALHOST));
        let script = r#"if (is_method("OPTIONS")) { $var(to) = "sip:copies.test"; sip_trace("$var(to)"); }"#;
        let config = copying("sip:127.0.0.1:9").first_line("use_dns_cache=no").through(hosts.command());
        let mut proxy = Proxy::start(config, script);
        proxy.ping("");
        proxy.ping("");
        assert_eq!(failed(&proxy.server), 0);
        proxy.server.stop();
        let log = proxy.server.log();
        assert!(log.contains("2 copies for names that were not looked up yet are not sent"), "{log}");
    });
}

/// Answers questions for one name, until nobody asks any more: its address, and a service of it at another port.
fn answer_questions(socket: &UdpSocket, address: Ipv4Addr) {
    const A: u8 = 1;
    const SRV: u8 = 33;
    let mut buffer = [0; 512];
    while let Ok((length, asker)) = socket.recv_from(&mut buffer) {
        let question = &buffer[12..length];
        let end = question.iter().position(|&byte| byte == 0).expect("a name ends") + 5;
        let (question, kind) = (&question[..end], question[end - 3]);
        let is_service = question.starts_with(b"\x04_sip");
        let content = match kind {
            A if !is_service => address.octets().to_vec(),
            SRV if is_service => [&[0, 0, 0, 0, 0x1b, 0x9e][..], b"\x06copies\x04test\0"].concat(),
            _ => Vec::new(),
        };
        let answers = u8::from(!content.is_empty());
        let mut reply = [&buffer[..2], &[0x81, 0x80, 0, 1, 0, answers, 0, 0, 0, 0], question].concat();
        if !content.is_empty() {
            reply.extend([0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 60, 0, content.len() as u8]);
            reply.extend(content);
        }
        let _ = socket.send_to(&reply, asker);
    }
}

#[test]
fn a_name_without_a_port_is_looked_up_as_the_stock_module_does() {
    const SERVICE: u16 = 0x1b9e;
    in_network(|_| {
        // Ports of this network alone.
        let names = UdpSocket::bind((Ipv4Addr::LOCALHOST, 53)).expect("the port is free in a new network");
        // Which ends the thread.
        names.set_read_timeout(Some(PATIENCE)).expect("a timeout is set");
        let address = Ipv4Addr::new(127, 0, 0, 9);
        let sockets = [5060, SERVICE].map(|port| UdpSocket::bind((address, port)).expect("a free port"));
        sockets.iter().for_each(|socket| socket.set_nonblocking(true).expect("a socket need not wait"));
        spawn(move || answer_questions(&names, address));
        let hosts = Hosts::with_name_server(&[], IpAddr::V4(Ipv4Addr::LOCALHOST));
        // The port that the next copy comes to.
        let comes_to = |module, script: &str, line: &str| {
            let config = ConfigBuilder::new().children(1).load("tm.so").load_agent(module).through(hosts.command());
            let config = config.param("siptrace", "trace_on", 1).param("siptrace", "trace_to_database", 0);
            let config = config.param("siptrace", "duplicate_uri", "sip:copies.test").first_line(line);
            let proxy = Proxy::start(config, script);
            let sent = proxy.ping("");
            let (mut buffer, mut port) = ([0; 4096], 0);
            within(PATIENCE, &format!("the copy of {module:?} comes"), || {
                let came = |socket: &&UdpSocket| matches!(socket.peek(&mut [0; 1]), Ok(1));
                let socket = sockets.iter().find(came);
                port = socket.map_or(0, |socket| socket.local_addr().expect("a bound socket").port());
                socket.is_some_and(|socket| {
                    let length = socket.recv(&mut buffer).expect("it is there");
                    buffer[..length] == *sent.as_bytes()
                })
            });
            port
        };
        let told = r#"if (is_method("OPTIONS")) { sip_trace("sip:copies.test"); }"#;
        // A server that asks for NAPTR records takes SRV records for names with a port too.
        for (line, port) in [("dns_try_naptr=no", 5060), ("dns_try_naptr=yes", SERVICE)] {
            for script in [TRACE, told] {
                assert_eq!([Module::Stock, Module::Ours].map(|module| comes_to(module, script, line)), [port, port]);
            }
        }
    });
}
