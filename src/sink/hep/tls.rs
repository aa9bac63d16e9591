//! The TLS session inside a connection: bytes in, bytes out; the connection moves them.

use super::deadline::Deadline;
use super::destination::CollectorHost;
use super::encoder::Frames;
use super::tcp::{Tcp, Unwritten};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};
use std::io::{Read, Write};
use std::sync::Arc;

/// A session whose handshake is done.
pub(super) struct Tls {
    session: ClientConnection,
    /// Ciphertext of the frames that are being sent.
    pub sealed: Frames,
}

impl Tls {
    /// Does the handshake over `tcp`. The certificate must be one for `host`, if certificates are verified.
    ///
    /// # Errors
    /// What went wrong, in words.
    pub fn open(
        tcp: &mut Tcp,
        host: &CollectorHost,
        config: Arc<ClientConfig>,
        deadline: Deadline,
    ) -> Result<Tls, String> {
        let name = server_name(host)?;
        let mut session = ClientConnection::new(config, name).map_err(|error| error.to_string())?;
        // What is sealed is taken out at once.
        session.set_buffer_limit(None);
        let mut tls = Tls { session, sealed: Frames::default() };
        let shaken = tls.handshake(tcp, deadline);
        // The last flight, or the alert that tells the collector why there is none.
        let flushed = tls.flush(tcp, deadline);
        shaken.and(flushed).map_err(|reason| format!("TLS: {reason}"))?;
        Ok(tls)
    }

    fn handshake(&mut self, tcp: &mut Tcp, deadline: Deadline) -> Result<(), String> {
        while self.session.is_handshaking() {
            self.flush(tcp, deadline)?;
            tcp.read(deadline, &mut |bytes| self.take(bytes))?;
        }
        Ok(())
    }

    fn flush(&mut self, tcp: &mut Tcp, deadline: Deadline) -> Result<(), String> {
        self.sealed.clear();
        self.draw()?;
        // What arrives in the meantime waits for its turn.
        let (_, outcome) = tcp.write(&self.sealed.bytes, deadline, &mut |_| Ok(()), false);
        outcome.map_err(Unwritten::into_reason)
    }

    /// Moves what the session has to say to the end of `sealed`.
    fn draw(&mut self) -> Result<(), String> {
        while self.session.wants_write() {
            self.session.write_tls(&mut self.sealed.bytes).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Makes `sealed` of `frames`, frame for frame: a frame has arrived as a whole when its sealed form has.
    pub fn seal<'a>(&mut self, frames: impl Iterator<Item = &'a [u8]>) -> Result<(), String> {
        self.sealed.clear();
        for frame in frames {
            self.session.writer().write_all(frame).map_err(|error| error.to_string())?;
            self.draw()?;
            self.sealed.ends.push(self.sealed.bytes.len());
        }
        Ok(())
    }

    /// Makes `sealed` of the notice that nothing more comes.
    pub fn seal_end(&mut self) -> Result<(), String> {
        self.sealed.clear();
        self.session.send_close_notify();
        self.draw()
    }

    /// Reads what the collector has sent: the session's own messages count, anything else is thrown away.
    ///
    /// # Errors
    /// The collector has ended the session, or broken its rules.
    pub fn take(&mut self, mut received: &[u8]) -> Result<(), String> {
        while !received.is_empty() {
            self.session.read_tls(&mut received).map_err(|error| error.to_string())?;
            let state = self.session.process_new_packets().map_err(|error| error.to_string())?;
            let mut left = state.plaintext_bytes_to_read();
            let mut thrown_away = [0; 4096];
            while left > 0 {
                match self.session.reader().read(&mut thrown_away) {
                    Ok(0) | Err(_) => break,
                    Ok(read) => left = left.saturating_sub(read),
                }
            }
            if state.peer_has_closed() {
                return Err("closed by the collector".to_owned());
            }
        }
        Ok(())
    }
}

fn server_name(host: &CollectorHost) -> Result<ServerName<'static>, String> {
    match host {
        CollectorHost::Address(address) => Ok(ServerName::IpAddress((*address).into())),
        CollectorHost::Name(name) => ServerName::try_from(name.trim_end_matches('.').to_owned())
            .map_err(|_| format!("`{name}` cannot be the name in a certificate")),
    }
}
