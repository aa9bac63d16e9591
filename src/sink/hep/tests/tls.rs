//! Collectors over TLS.

use super::super::resolver::{Asker, Resolver};
use super::super::{Collector, CollectorOptions, Outgoing, TlsOptions};
use super::{
    accept, all, destination, listener, numbered, options, outgoing, packets, read_payloads, read_to_end, send_rest,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion};
use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// Someone who signs certificates, and a file that says so.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: TempDir,
}

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let directory = TempDir::new().unwrap();
        std::fs::write(directory.path().join("ca.pem"), issuer.pem()).unwrap();
        Authority { issuer, directory }
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// A server whose certificate is one for `name`.
    fn server(&self, name: &str, versions: &[&'static SupportedProtocolVersion]) -> Server {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let (listener, address) = listener();
        Server { listener, address, config: Arc::new(config) }
    }
}

/// A collector over TLS.
struct Server {
    listener: TcpListener,
    address: SocketAddr,
    config: Arc<ServerConfig>,
}

impl Server {
    fn accept(&self) -> StreamOwned<ServerConnection, TcpStream> {
        StreamOwned::new(ServerConnection::new(Arc::clone(&self.config)).unwrap(), accept(&self.listener))
    }

    /// A collector that finds this server under the name `collector.test` and trusts what `tls` says.
    fn collector(&self, tls: TlsOptions, io_timeout: Duration) -> Collector {
        let address = self.address;
        let options = CollectorOptions { tls, io_timeout, ..options() };
        let resolver = Resolver::new(move |_, _| Ok(vec![address]));
        Collector::with_resolver(vec![destination("sips:collector.test")], options, resolver, Asker::Parameter)
    }
}

fn trusting(ca: &Path) -> TlsOptions {
    TlsOptions { verify: true, ca: Some(ca.to_owned()) }
}

/// Sends, and answers what the server has read up to the end of the session.
fn exchange(server: &Server, tls: TlsOptions, payloads: &[Vec<u8>]) -> (super::Sent, Vec<Vec<u8>>) {
    thread::scope(|scope| {
        let heard = scope.spawn(|| {
            let mut stream = server.accept();
            let mut bytes = [0; 1];
            // A client that does not like the certificate says so instead.
            if stream.read_exact(&mut bytes).is_err() {
                return Vec::new();
            }
            read_to_end(&mut bytes.as_slice().chain(stream)).0
        });
        let mut collector = server.collector(tls, Duration::from_secs(5));
        let sent = collector.send(&packets(payloads));
        drop(collector);
        (sent, heard.join().unwrap())
    })
}

#[test]
fn packets_arrive_at_a_collector_whose_certificate_is_right() {
    let authority = Authority::new();
    let payloads = [numbered(100, 500), numbered(3, 60_000)].concat();
    for version in [&TLS13, &TLS12] {
        let server = authority.server("collector.test", &[version]);
        for trust in [authority.file(), authority.directory.path().to_owned()] {
            let (sent, heard) = exchange(&server, trusting(&trust), &payloads);
            assert_eq!(sent, all(103), "{version:?}");
            assert!(heard == payloads, "{version:?}: {} heard", heard.len());
        }
    }
}

#[test]
fn whole_packets_leave_over_tls_as_they_are() {
    let authority = Authority::new();
    let server = authority.server("127.0.0.1", &[&TLS13]);
    let options = CollectorOptions { tls: trusting(&authority.file()), ..options() };
    let packets = [&b"HEP3\0\x10\0\x03\x03\xe7\0\x0aodd\xff"[..], b"EEP1\0\x06"];
    let heard = thread::scope(|scope| {
        let heard = scope.spawn(|| {
            let mut bytes = vec![0; packets.concat().len()];
            server.accept().read_exact(&mut bytes).unwrap();
            bytes
        });
        let uri = destination(&format!("sip:{};transport=tls", server.address));
        assert_eq!(Collector::new(vec![uri], options).send(&packets.map(Outgoing::Packet)), all(2));
        heard.join().unwrap()
    });
    assert_eq!(heard, packets.concat());
}

#[test]
fn a_certificate_for_an_address_is_right_for_a_uri_with_that_address() {
    let authority = Authority::new();
    let server = authority.server("127.0.0.1", &[&TLS13]);
    let options = CollectorOptions { tls: trusting(&authority.file()), ..options() };
    let heard = thread::scope(|scope| {
        let heard = scope.spawn(|| read_payloads(&mut server.accept(), 1));
        let uri = destination(&format!("sip:{};transport=tls", server.address));
        assert_eq!(Collector::new(vec![uri], options).send(&[outgoing(b"hello")]), all(1));
        heard.join().unwrap()
    });
    assert_eq!(heard, [b"hello"]);
}

#[test]
fn a_collector_with_another_name_gets_nothing_unless_nothing_is_verified() {
    let authority = Authority::new();
    let server = authority.server("another.test", &[&TLS13, &TLS12]);
    let (sent, heard) = exchange(&server, trusting(&authority.file()), &numbered(2, 100));
    assert_eq!((sent.sent, heard.len()), (0, 0));
    let reason = sent.away.unwrap();
    assert!(reason.contains("TLS") && reason.contains("another.test"), "{reason}");

    let anyone = TlsOptions { verify: false, ca: None };
    let (sent, heard) = exchange(&server, anyone, &numbered(2, 100));
    assert_eq!((sent, heard), (all(2), numbered(2, 100)));
}

#[test]
fn a_certificate_signed_by_an_unknown_authority_is_refused_unless_nothing_is_verified() {
    let (known, unknown) = (Authority::new(), Authority::new());
    for version in [&TLS13, &TLS12] {
        let server = unknown.server("collector.test", &[version]);
        let (sent, heard) = exchange(&server, trusting(&known.file()), &numbered(2, 100));
        assert_eq!((sent.sent, heard.len()), (0, 0));
        assert!(sent.away.unwrap().contains("certificate"));

        let anyone = TlsOptions { verify: false, ca: None };
        let (sent, heard) = exchange(&server, anyone, &numbered(2, 100));
        assert_eq!((sent, heard), (all(2), numbered(2, 100)));
    }
}

#[test]
fn trust_that_cannot_be_read_is_told_with_its_path() {
    let directory = TempDir::new().unwrap();
    let (missing, empty) = (directory.path().join("missing.pem"), directory.path().join("empty.pem"));
    std::fs::write(&empty, "no certificate").unwrap();
    for path in [&missing, &empty] {
        let reason = trusting(path).check().unwrap_err();
        assert!(reason.contains("a PEM file, or a directory of such, is needed"), "{reason}");
        let server = Authority::new().server("collector.test", &[&TLS13]);
        let sent = server.collector(trusting(path), Duration::from_secs(5)).send(&[outgoing(b"hello")]);
        assert_eq!(sent.sent, 0);
        let away = sent.away.unwrap();
        assert!(away.contains(&format!("tls_ca `{}`: {reason}", path.display())), "{away}");
    }
    assert_eq!(trusting(&Authority::new().file()).check(), Ok(()));
    assert_eq!(TlsOptions { verify: false, ca: Some(missing) }.check(), Ok(()));
}

#[test]
fn a_server_that_never_shakes_hands_is_away() {
    let (listener, address) = listener();
    let options = CollectorOptions { connect_timeout: Duration::from_millis(100), ..options() };
    let mut collector = Collector::new(vec![destination(&format!("sips:{address}"))], options);
    let sent = collector.send(&[outgoing(b"hello")]);
    assert_eq!(sent.sent, 0);
    assert!(sent.away.unwrap().contains("deadline"));
    drop(listener);
}

#[test]
fn a_server_that_talks_no_tls_is_away() {
    let (listener, address) = listener();
    let sent = thread::scope(|scope| {
        scope.spawn(|| {
            use std::io::Write;
            let mut stream = accept(&listener);
            stream.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n").unwrap();
            let _ = stream.read_to_end(&mut Vec::new());
        });
        Collector::new(vec![destination(&format!("sips:{address}"))], options()).send(&[outgoing(b"hello")])
    });
    assert_eq!(sent.sent, 0);
    assert!(sent.away.unwrap().contains("TLS"));
}

#[test]
fn a_collector_that_stops_reading_gets_the_rest_in_the_same_session_when_it_goes_on() {
    let authority = Authority::new();
    let server = authority.server("collector.test", &[&TLS13]);
    let payloads = numbered(600, 60_000);
    let (resume, resumed) = std::sync::mpsc::sync_channel(1);
    let resumed = std::sync::Mutex::new(resumed);
    let (sent, heard) = thread::scope(|scope| {
        let heard = scope.spawn(|| {
            let mut stream = server.accept();
            let first = read_payloads(&mut stream, 1);
            resumed.lock().unwrap().recv().unwrap();
            [first, read_payloads(&mut stream, payloads.len() - 1)].concat()
        });
        let mut collector = server.collector(trusting(&authority.file()), Duration::from_millis(400));
        let sent = collector.send(&packets(&payloads));
        let again = collector.send(&packets(&payloads[sent.sent..]));
        assert!(again.away.unwrap().contains("deadline"));
        resume.send(()).unwrap();
        send_rest(&mut collector, &payloads, sent.sent + again.sent);
        (sent, heard.join().unwrap())
    });
    assert!(sent.away.unwrap().contains("deadline"));
    assert!((1..payloads.len()).contains(&sent.sent));
    assert!(heard == payloads, "lost, twice, or out of order");
}

#[test]
fn a_session_that_was_ended_is_noticed_before_anything_is_written() {
    let authority = Authority::new();
    let server = authority.server("collector.test", &[&TLS13]);
    let mut collector = server.collector(trusting(&authority.file()), Duration::from_secs(5));
    for payload in numbered(3, 300) {
        let heard = thread::scope(|scope| {
            let heard = scope.spawn(|| {
                let mut stream = server.accept();
                let heard = read_payloads(&mut stream, 1);
                stream.conn.send_close_notify();
                stream.conn.complete_io(&mut stream.sock).unwrap();
                heard
            });
            assert_eq!(collector.send(&[outgoing(&payload)]), all(1));
            heard.join().unwrap()
        });
        assert_eq!(heard, [payload]);
    }
}
