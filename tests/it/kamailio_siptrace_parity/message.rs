//! SIP messages of the phones: written so that two runs send the same bytes, and read as far as phones must.

use std::process::{Command, Stdio};

/// What opens every tag that a phone makes; other tags are the proxy's.
pub const OWN_TAG: &str = "phone-";
/// What opens every branch that a phone makes.
pub const OWN_BRANCH: &str = "z9hG4bK-";
/// The domain that the proxy serves.
pub const DOMAIN: &str = "parity.example";
/// User and call of the requests that scripts do not trace.
pub const SENTINEL: &str = "sentinel";
/// The password of every user.
pub const PASSWORD: &str = "secret";

/// One message as it came.
#[derive(Clone, Debug)]
pub struct Message {
    text: String,
}

impl Message {
    /// Takes what is SIP and text; the phones send nothing else.
    pub fn new(text: String) -> Message {
        Message { text }
    }

    /// The whole.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Method and URI, or version and status.
    pub fn first_line(&self) -> &str {
        self.text.lines().next().unwrap_or_default()
    }

    /// Values of all headers of this name, as they stand there.
    pub fn headers(&self, name: &str) -> Vec<&str> {
        let head = self.text.split("\r\n\r\n").next().unwrap_or_default();
        let headers = head.lines().filter_map(|line| line.split_once(':'));
        headers.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
    }

    /// The value of the first header of this name.
    pub fn header(&self, name: &str) -> &str {
        self.headers(name).first().unwrap_or_else(|| panic!("no {name} in {}", self.text))
    }

    /// The URI of the Contact header.
    pub fn contact(&self) -> &str {
        between(self.header("Contact"), "<", ">")
    }
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let behind = text.split_once(start).unwrap_or_else(|| panic!("no {start} in {text}")).1;
    behind.split(end).next().unwrap_or_default()
}

/// The answer to a request, with the phone's tag unless it is 100.
pub fn reply(request: &Message, status: &str, phone: &str, contact: &str, more: &str, body: &str) -> String {
    let mut text = format!("SIP/2.0 {status}\r\n");
    let mut copy = |name: &str| {
        for value in request.headers(name) {
            text += &format!("{name}: {value}\r\n");
        }
    };
    copy("Via");
    if !status.starts_with(['4', '5', '6']) {
        copy("Record-Route");
    }
    copy("From");
    let tag = if request.header("To").contains(";tag=") || status.starts_with("100") {
        String::new()
    } else {
        format!(";tag={OWN_TAG}{phone}-to")
    };
    text += &format!("To: {}{tag}\r\n", request.header("To"));
    for name in ["Call-ID", "CSeq"] {
        text += &format!("{name}: {}\r\n", request.header(name));
    }
    text + &format!("Contact: <{contact}>\r\n{more}{}", ending(body))
}

/// Content-Length, the empty line and the body; a body is a session description.
fn ending(body: &str) -> String {
    let content_type = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!("{content_type}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// A session description of so many streams.
pub fn session(streams: usize) -> String {
    let stream = "m=audio 49172 RTP/AVP 0 8\r\na=sendrecv\r\n";
    format!("v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n{}", stream.repeat(streams))
}

/// One side of a call, or of a single transaction, as it builds its requests.
#[derive(Clone, Debug)]
pub struct Side {
    /// Call-ID, and what tells its branches from those of other calls.
    pub call_id: String,
    /// `UDP 127.0.0.1:5060`, as a Via has it.
    pub sent_by: String,
    /// Where others reach it: a URI.
    pub contact: String,
    /// From and To of its requests.
    pub local: String,
    /// See `local`.
    pub remote: String,
    /// Request-URI.
    pub target: String,
    /// Route headers in their order.
    pub routes: Vec<String>,
    /// The last CSeq number used.
    pub cseq: u32,
}

impl Side {
    /// The side that calls, before it has.
    pub fn caller(call_id: &str, sent_by: &str, contact: &str, user: &str) -> Side {
        Side {
            call_id: format!("{call_id}@{DOMAIN}"),
            sent_by: sent_by.to_owned(),
            contact: contact.to_owned(),
            local: format!("\"Caller\" <sip:caller@{DOMAIN}>;tag={OWN_TAG}{call_id}-from"),
            remote: format!("<sip:{user}@{DOMAIN}>"),
            target: format!("sip:{user}@{DOMAIN}"),
            routes: Vec::new(),
            cseq: 0,
        }
    }

    /// The side that was called: of the request that it got, and the answer that it gave.
    pub fn callee(sent_by: &str, contact: &str, request: &Message, answer: &str) -> Side {
        let answer = Message::new(answer.to_owned());
        Side {
            call_id: request.header("Call-ID").to_owned(),
            sent_by: sent_by.to_owned(),
            contact: contact.to_owned(),
            local: answer.header("To").to_owned(),
            remote: request.header("From").to_owned(),
            target: request.contact().to_owned(),
            routes: request.headers("Record-Route").into_iter().map(str::to_owned).collect(),
            cseq: 100,
        }
    }

    /// What the answer to its INVITE tells the calling side.
    pub fn confirm(&mut self, answer: &Message) {
        self.remote = answer.header("To").to_owned();
        self.target = answer.contact().to_owned();
        self.routes = answer.headers("Record-Route").into_iter().rev().map(str::to_owned).collect();
    }

    /// The next request.
    pub fn request(&mut self, method: &str, more: &str, body: &str) -> String {
        self.cseq += 1;
        self.same_cseq(method, more, body)
    }

    /// An ACK to a 200, or another request under the last number.
    pub fn same_cseq(&self, method: &str, more: &str, body: &str) -> String {
        self.text(method, method, &self.remote, &self.target, &self.routes, more, body)
    }

    /// The CANCEL of the INVITE sent last.
    pub fn cancel(&self) -> String {
        self.text("CANCEL", "INVITE", &self.remote, &self.target, &[], "", "")
    }

    /// The ACK to an answer from 300 on.
    pub fn negative_ack(&self, answer: &Message) -> String {
        self.text("ACK", "INVITE", answer.header("To"), &self.target, &[], "", "")
    }

    #[expect(clippy::too_many_arguments, reason = "these are the parts of a request that differ")]
    fn text(
        &self,
        method: &str,
        branch: &str,
        to: &str,
        target: &str,
        routes: &[String],
        more: &str,
        body: &str,
    ) -> String {
        let name = self.call_id.split('@').next().unwrap_or_default();
        let cseq = self.cseq;
        let via = format!("SIP/2.0/{};branch={OWN_BRANCH}{name}-{cseq}-{branch};rport", self.sent_by);
        let routes: String = routes.iter().map(|route| format!("Route: {route}\r\n")).collect();
        format!(
            "{method} {target} SIP/2.0\r\nVia: {via}\r\nMax-Forwards: 70\r\n{routes}From: {}\r\nTo: {to}\r\n\
             Call-ID: {}\r\nCSeq: {cseq} {method}\r\nContact: <{}>\r\n{more}{}",
            self.local,
            self.call_id,
            self.contact,
            ending(body)
        )
    }
}

/// The Authorization header that answers a challenge to a REGISTER of the user `caller`.
pub fn authorization(challenge: &Message) -> String {
    let header = challenge.header("WWW-Authenticate");
    let quoted = |name: &str| between(header, &format!("{name}=\""), "\"");
    let (realm, nonce, uri) = (quoted("realm"), quoted("nonce"), format!("sip:{DOMAIN}"));
    let secret = md5(&format!("caller:{realm}:{PASSWORD}"));
    let response = md5(&format!("{secret}:{nonce}:{}", md5(&format!("REGISTER:{uri}"))));
    format!(
        "Authorization: Digest username=\"caller\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", \
         response=\"{response}\", algorithm=MD5\r\n"
    )
}

/// The digest in hexadecimal digits, by the program of that name.
fn md5(text: &str) -> String {
    use std::io::Write as _;
    let mut program = Command::new("md5sum");
    let mut program = program.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("md5sum starts");
    let mut input = program.stdin.take().expect("its input is a pipe");
    input.write_all(text.as_bytes()).expect("a pipe takes a line");
    drop(input);
    let output = program.wait_with_output().expect("md5sum ends");
    String::from_utf8_lossy(&output.stdout).split_whitespace().next().expect("a digest").to_owned()
}
