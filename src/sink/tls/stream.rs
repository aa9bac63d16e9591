//! TLS inside a connection of the PostgreSQL client.

use super::end_point::end_point;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Starts sessions, and remembers whether it did: the client does not tell whether a server took TLS.
#[derive(Clone)]
pub(in crate::sink) struct Connector {
    config: Arc<ClientConfig>,
    /// Whether the name must be one that a certificate can have.
    by_name: bool,
    progress: Arc<HandshakeProgress>,
}

/// How far the last session has come.
#[derive(Default)]
struct HandshakeProgress {
    begun: AtomicBool,
    done: AtomicBool,
}

impl Connector {
    pub fn new(config: Arc<ClientConfig>, by_name: bool) -> Connector {
        Connector { config, by_name, progress: Arc::default() }
    }

    /// Whether the server took TLS.
    pub fn has_begun(&self) -> bool {
        self.progress.begun.load(Ordering::Relaxed)
    }

    /// Whether the handshake has ended well.
    pub fn is_done(&self) -> bool {
        self.progress.done.load(Ordering::Relaxed)
    }
}

/// A session to come, with the server of this name.
pub(in crate::sink) struct Handshake {
    connector: Connector,
    name: ServerName<'static>,
}

impl<S> MakeTlsConnect<S> for Connector
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Stream = Encrypted<S>;
    type TlsConnect = Handshake;
    type Error = io::Error;

    fn make_tls_connect(&mut self, domain: &str) -> io::Result<Handshake> {
        let name = match ServerName::try_from(domain.trim_end_matches('.').to_owned()) {
            Ok(name) => name,
            Err(_) if self.by_name => {
                return Err(io::Error::other(format!("`{domain}` cannot be the name in a certificate")));
            }
            // The name is not verified, and an address is not sent.
            Err(_) => ServerName::IpAddress(std::net::Ipv4Addr::UNSPECIFIED.into()),
        };
        Ok(Handshake { connector: self.clone(), name })
    }
}

impl<S> TlsConnect<S> for Handshake
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Stream = Encrypted<S>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Encrypted<S>>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        let Handshake { connector, name } = self;
        Box::pin(async move {
            connector.progress.begun.store(true, Ordering::Relaxed);
            let session = TlsConnector::from(Arc::clone(&connector.config)).connect(name, stream).await?;
            connector.progress.done.store(true, Ordering::Relaxed);
            Ok(Encrypted(Box::new(session)))
        })
    }
}

/// A connection inside a session.
pub(in crate::sink) struct Encrypted<S>(Box<TlsStream<S>>);

impl<S: AsyncRead + AsyncWrite + Unpin> tokio_postgres::tls::TlsStream for Encrypted<S> {
    fn channel_binding(&self) -> ChannelBinding {
        let (_, session) = self.0.get_ref();
        let certificate = session.peer_certificates().and_then(<[_]>::first);
        certificate
            .and_then(|certificate| end_point(certificate))
            .map_or_else(ChannelBinding::none, ChannelBinding::tls_server_end_point)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Encrypted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Encrypted<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
