//! Whole calls as SIP messages, each call under its own Call-ID.

/// One message of a call and the way it takes.
#[derive(Clone, Debug)]
pub struct CallMessage {
    /// Whether the caller sends it (else the callee does).
    pub from_caller: bool,
    /// The message.
    pub text: Vec<u8>,
}

/// The seven messages of a call that is answered and ended: INVITE, 100, 180, 200, ACK, BYE, 200.
///
/// `number` tells calls apart: it is in the Call-ID (`call-NUMBER@PREFIX.example.org`), in the users and the branches.
pub fn answered_call(prefix: &str, number: u64) -> Vec<CallMessage> {
    let call = Call { prefix, number };
    let offer = session_description("caller");
    let answer = session_description("callee");
    vec![
        call.message(true, "INVITE", None, 1, &offer),
        call.message(false, "INVITE", Some("100 Trying"), 1, ""),
        call.message(false, "INVITE", Some("180 Ringing"), 1, ""),
        call.message(false, "INVITE", Some("200 OK"), 1, &answer),
        call.message(true, "ACK", None, 1, ""),
        call.message(true, "BYE", None, 2, ""),
        call.message(false, "BYE", Some("200 OK"), 2, ""),
    ]
}

/// The Call-ID of a call that [`answered_call`] makes.
pub fn call_id(prefix: &str, number: u64) -> String {
    format!("call-{number:010}@{prefix}.example.org")
}

struct Call<'a> {
    prefix: &'a str,
    number: u64,
}

impl Call<'_> {
    fn message(&self, from_caller: bool, method: &str, status: Option<&str>, cseq: u32, body: &str) -> CallMessage {
        let number = self.number;
        let first_line = match status {
            Some(status) => format!("SIP/2.0 {status}"),
            None => format!("{method} sip:callee{number:010}@biloxi.example.org:5060;transport=udp SIP/2.0"),
        };
        let to_tag = if method == "INVITE" && status.is_none_or(|status| status.starts_with("100")) {
            String::new()
        } else {
            format!(";tag=to{number:010}")
        };
        let content_type = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let text = format!(
            "{first_line}\r\n\
             Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK-{number:010}-{cseq}-{method};rport\r\n\
             Max-Forwards: 70\r\n\
             From: \"Caller {number}\" <sip:caller{number:010}@atlanta.example.org>;tag=from{number:010}\r\n\
             To: <sip:callee{number:010}@biloxi.example.org>{to_tag}\r\n\
             Call-ID: {call_id}\r\n\
             CSeq: {cseq} {method}\r\n\
             Contact: <sip:caller{number:010}@192.0.2.10:5060;transport=udp>\r\n\
             User-Agent: Example Phone 2.7\r\n\
             Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY, INFO, UPDATE\r\n\
             Supported: replaces, timer, path\r\n\
             {content_type}Content-Length: {length}\r\n\r\n{body}",
            call_id = call_id(self.prefix, number),
            length = body.len(),
        );
        CallMessage { from_caller, text: text.into_bytes() }
    }
}

fn session_description(who: &str) -> String {
    format!(
        "v=0\r\no={who} 2890844526 2890844526 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n\
         m=audio 49172 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
         a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=sendrecv\r\na=ptime:20\r\n"
    )
}

/// An OPTIONS request from `local` to the user `ping` at `server`.
pub fn options_ping(local: std::net::SocketAddr, server: std::net::SocketAddr) -> Vec<u8> {
    let port = local.port();
    format!(
        "OPTIONS sip:ping@{server} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK-ping-{port}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:monitor@example.org>;tag=ping{port}\r\nTo: <sip:ping@example.org>\r\n\
         Call-ID: ping-{port}@example.org\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    )
    .into_bytes()
}
