//! What the phones do with each other through a proxy: calls and transactions, step by step, each step once the one
//! before has arrived.

use super::message::{DOMAIN, Message, Side, authorization, reply, session};
use super::names::Names;
use super::phones::{Fence, Phone, Phones};
use super::setups::Play;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Users that the proxy sends to phones: their names and the URIs.
pub fn users(phones: &Phones) -> Vec<(&'static str, String)> {
    let address = |local: std::io::Result<SocketAddr>| local.expect("a bound socket has an address");
    let callee = address(phones.callee.local_addr());
    vec![
        ("callee", format!("sip:callee@{callee}")),
        ("slow", format!("sip:slow@{callee}")),
        ("unanswered", format!("sip:unanswered@{callee}")),
        ("fork", format!("sip:fork@{callee}")),
        ("fork-tcp", format!("sip:fork-tcp@{callee}")),
        ("second", format!("sip:second@{}", address(phones.second.local_addr()))),
        ("callee6", format!("sip:callee6@{}", address(phones.callee6.local_addr()))),
        ("sipp", format!("sip:sipp@{}", phones.sipp)),
        ("tcp", format!("sip:tcp@{};transport=tcp", address(phones.tcp_callee.local_addr()))),
        ("tcp6", format!("sip:tcp6@{};transport=tcp", address(phones.tcp_callee6.local_addr()))),
    ]
}

/// Calls whose messages meet several of the proxy's processes.
pub const SEVERAL_WORKERS: [&str; 7] =
    ["from-tcp", "to-tcp", "cancelled-tcp", "forked-tcp", "mixed", "repeated", "unanswered"];

/// One run: phones as one proxy sees them.
pub struct Run<'a> {
    caller: Phone<'a>,
    callee: Phone<'a>,
    second: Phone<'a>,
    caller6: Phone<'a>,
    callee6: Phone<'a>,
    tcp_callee: Phone<'a>,
    tcp_callee6: Phone<'a>,
    proxy: SocketAddr,
    proxy6: SocketAddr,
    names: &'a RefCell<Names>,
    fence: &'a Fence<'a>,
}

impl<'a> Run<'a> {
    /// Phones for the proxy at these addresses, of both families.
    pub fn new(
        phones: &'a Phones,
        proxy: SocketAddr,
        proxy6: SocketAddr,
        names: &'a RefCell<Names>,
        fence: &'a Fence<'a>,
    ) -> Run<'a> {
        names.borrow_mut().port(proxy.port(), "proxy");
        names.borrow_mut().port(proxy6.port(), "proxy6");
        let udp = |name, socket, proxy| Phone::udp(name, socket, proxy, names).behind(fence);
        Run {
            caller: udp("caller", &phones.caller, proxy),
            callee: udp("callee", &phones.callee, proxy),
            second: udp("second", &phones.second, proxy),
            caller6: udp("caller6", &phones.caller6, proxy6),
            callee6: udp("callee6", &phones.callee6, proxy6),
            tcp_callee: Phone::tcp_listener("TCP callee", &phones.tcp_callee, names).behind(fence),
            tcp_callee6: Phone::tcp_listener("TCP callee6", &phones.tcp_callee6, names).behind(fence),
            proxy,
            proxy6,
            names,
            fence,
        }
    }

    /// What the setup asks for.
    pub fn play(&self, play: Play) {
        if play == Play::Mirrored {
            self.mirrored();
            return self.fence.pass();
        }
        self.answered("answered", &self.caller, &self.callee, "callee");
        self.refused("busy", &self.caller, &self.callee, "callee", "486 Busy Here");
        self.refused("redirected", &self.caller, &self.callee, "callee", "302 Moved Temporarily");
        self.cancelled("cancelled", &self.caller);
        self.forked("forked", "fork", &self.second);
        self.registered("registered", &self.caller, "caller");
        self.message("message", &self.caller, &self.callee, "callee");
        self.options();
        self.retransmitted();
        self.refused_by_the_proxy("stateless", "404");
        self.refused_by_the_proxy("stateful", "480");
        self.over_tcp();
        self.answered("ipv6", &self.caller6, &self.callee6, "callee6");
        self.message("mixed", &self.caller, &self.callee6, "callee6");
        if play == Play::CallsAndTimers {
            self.repeated_by_the_proxy();
            self.unanswered();
        }
        self.assert_quiet();
        self.fence.pass();
        self.fence.pass();
    }

    /// What has a leg over TCP, or both.
    fn over_tcp(&self) {
        let caller = Phone::tcp_connected("TCP caller", self.proxy, self.names).behind(self.fence);
        self.answered("from-tcp", &caller, &self.callee, "callee");
        self.answered("to-tcp", &self.caller, &self.tcp_callee, "tcp");
        self.answered("tcp-to-tcp", &caller, &self.tcp_callee, "tcp");
        self.refused("busy-tcp", &caller, &self.tcp_callee, "tcp", "486 Busy Here");
        self.cancelled("cancelled-tcp", &caller);
        self.forked("forked-tcp", "fork-tcp", &self.tcp_callee);
        // The answer tells how long each contact of a user is still good for: this user has no other.
        self.registered("registered-tcp", &caller, "second");
        self.message("message-tcp", &caller, &self.tcp_callee, "tcp");
        let caller6 = Phone::tcp_connected("TCP caller6", self.proxy6, self.names).behind(self.fence);
        self.answered("ipv6-tcp", &caller6, &self.tcp_callee6, "tcp6");
    }

    fn assert_quiet(&self) {
        for phone in [&self.caller, &self.callee, &self.second, &self.caller6, &self.callee6] {
            phone.assert_quiet();
        }
    }

    fn side(&self, call_id: &str, phone: &Phone<'_>, user: &str) -> Side {
        Side::caller(call_id, &phone.sent_by(), &phone.uri("caller"), user)
    }

    fn answer(&self, phone: &Phone<'_>, request: &Message, status: &str, body: &str) -> String {
        let text = reply(request, status, phone_tag(phone).as_str(), &phone.uri("callee"), "", body);
        phone.send(&text);
        text
    }

    /// A call with a re-INVITE by the called side, an UPDATE, an INFO and a BYE.
    fn answered(&self, name: &str, caller: &Phone<'_>, callee: &Phone<'_>, user: &str) {
        let mut calling = self.side(name, caller, user);
        caller.send(&calling.request("INVITE", "", &session(1)));
        caller.expect("SIP/2.0 100");
        let invite = callee.expect("INVITE ");
        self.answer(callee, &invite, "180 Ringing", "");
        caller.expect("SIP/2.0 180");
        let answer = self.answer(callee, &invite, "200 OK", &session(1));
        calling.confirm(&caller.expect("SIP/2.0 200"));
        caller.send(&calling.same_cseq("ACK", "", ""));
        callee.expect("ACK ");
        let mut called = Side::callee(&callee.sent_by(), &callee.uri("callee"), &invite, &answer);
        callee.send(&called.request("INVITE", "", &session(2)));
        callee.expect("SIP/2.0 100");
        let again = caller.expect("INVITE ");
        self.answer(caller, &again, "200 OK", &session(2));
        callee.expect("SIP/2.0 200");
        callee.send(&called.same_cseq("ACK", "", ""));
        caller.expect("ACK ");
        for method in ["UPDATE", "INFO", "BYE"] {
            caller.send(&calling.request(method, "", ""));
            let request = callee.expect(method);
            self.answer(callee, &request, "200 OK", "");
            caller.expect("SIP/2.0 200");
        }
    }

    /// An INVITE that the called side refuses, or sends elsewhere.
    fn refused(&self, name: &str, caller: &Phone<'_>, callee: &Phone<'_>, user: &str, status: &str) {
        let mut calling = self.side(name, caller, user);
        caller.send(&calling.request("INVITE", "", &session(1)));
        caller.expect("SIP/2.0 100");
        let invite = callee.expect("INVITE ");
        self.answer(callee, &invite, status, "");
        let answer = caller.expect(&format!("SIP/2.0 {}", &status[..3]));
        callee.expect("ACK ");
        caller.send(&calling.negative_ack(&answer));
        caller.settle();
    }

    fn cancelled(&self, name: &str, caller: &Phone<'_>) {
        let mut calling = self.side(name, caller, "callee");
        caller.send(&calling.request("INVITE", "", &session(1)));
        caller.expect("SIP/2.0 100");
        let invite = self.callee.expect("INVITE ");
        self.answer(&self.callee, &invite, "180 Ringing", "");
        caller.expect("SIP/2.0 180");
        caller.send(&calling.cancel());
        let cancel = self.callee.expect("CANCEL ");
        caller.expect("SIP/2.0 200");
        self.answer(&self.callee, &cancel, "200 OK", "");
        self.answer(&self.callee, &invite, "487 Request Terminated", "");
        self.callee.expect("ACK ");
        let answer = caller.expect("SIP/2.0 487");
        caller.send(&calling.negative_ack(&answer));
        caller.settle();
    }

    /// Two branches ring; the second is answered, so that the proxy cancels the other.
    fn forked(&self, name: &str, user: &str, answering: &Phone<'_>) {
        let mut calling = self.side(name, &self.caller, user);
        self.caller.send(&calling.request("INVITE", "", &session(1)));
        self.caller.expect("SIP/2.0 100");
        let [first, second] = [&self.callee, answering].map(|phone| phone.expect("INVITE "));
        for (phone, invite) in [(&self.callee, &first), (answering, &second)] {
            self.answer(phone, invite, "180 Ringing", "");
            self.caller.expect("SIP/2.0 180");
        }
        self.answer(answering, &second, "200 OK", &session(1));
        calling.confirm(&self.caller.expect("SIP/2.0 200"));
        let cancel = self.callee.expect("CANCEL ");
        self.answer(&self.callee, &cancel, "200 OK", "");
        self.answer(&self.callee, &first, "487 Request Terminated", "");
        self.callee.expect("ACK ");
        self.caller.send(&calling.same_cseq("ACK", "", ""));
        answering.expect("ACK ");
        self.caller.send(&calling.request("BYE", "", ""));
        let bye = answering.expect("BYE ");
        self.answer(answering, &bye, "200 OK", "");
        self.caller.expect("SIP/2.0 200");
    }

    fn registered(&self, name: &str, caller: &Phone<'_>, user: &str) {
        let mut side = self.side(name, caller, user);
        side.target = format!("sip:{DOMAIN}");
        caller.send(&side.request("REGISTER", "Expires: 600\r\n", ""));
        let challenge = caller.expect("SIP/2.0 401");
        let credentials = authorization(&challenge);
        caller.send(&side.request("REGISTER", &format!("Expires: 600\r\n{credentials}"), ""));
        caller.expect("SIP/2.0 200");
    }

    fn message(&self, name: &str, caller: &Phone<'_>, callee: &Phone<'_>, user: &str) {
        let mut side = self.side(name, caller, user);
        caller.send(&side.request("MESSAGE", "", "v=0 is what a body may be\r\n"));
        let message = callee.expect("MESSAGE ");
        self.answer(callee, &message, "202 Accepted", "");
        caller.expect("SIP/2.0 202");
    }

    /// One that the proxy passes on, and one that it answers.
    fn options(&self) {
        let mut side = self.side("options", &self.caller, "callee");
        self.caller.send(&side.request("OPTIONS", "", ""));
        let options = self.callee.expect("OPTIONS ");
        self.answer(&self.callee, &options, "200 OK", "");
        self.caller.expect("SIP/2.0 200");
        let mut side = self.side("options-to-proxy", &self.caller, "proxy");
        self.caller.send(&side.request("OPTIONS", "", ""));
        self.caller.expect("SIP/2.0 200");
    }

    /// A request that another proxy has put its headers on.
    fn mirrored(&self) {
        let mut side = self.side("mirrored", &self.caller, "proxy");
        let request = side.request("OPTIONS", "", "");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock past 1970");
        let headers = format!(
            "\r\nX-Siptrace-Fromip: tcp:192.0.2.10:5070\r\nX-Siptrace-Toip: tcp:198.51.100.20:5080\r\n\
             X-Siptrace-Time: {} {}\r\nX-Siptrace-Method: PUBLISH\r\nX-Siptrace-Dir: out\r\n\r\n",
            now.as_secs(),
            now.subsec_micros()
        );
        self.caller.send(&request.replace("\r\n\r\n", &headers));
        self.caller.expect("SIP/2.0 200");
    }

    /// Both sides send things twice.
    fn retransmitted(&self) {
        let mut calling = self.side("retransmitted", &self.caller, "callee");
        let invite = calling.request("INVITE", "", &session(1));
        self.caller.send(&invite);
        self.caller.expect("SIP/2.0 100");
        let received = self.callee.expect("INVITE ");
        self.caller.send(&invite);
        self.caller.expect("SIP/2.0 100");
        for _ in 0..2 {
            self.answer(&self.callee, &received, "180 Ringing", "");
            self.caller.expect("SIP/2.0 180");
        }
        self.caller.send(&invite);
        self.caller.expect("SIP/2.0 180");
        self.answer(&self.callee, &received, "603 Decline", "");
        let answer = self.caller.expect("SIP/2.0 603");
        self.callee.expect("ACK ");
        self.answer(&self.callee, &received, "603 Decline", "");
        self.callee.expect("ACK ");
        self.caller.send(&invite);
        self.caller.expect("SIP/2.0 603");
        for _ in 0..2 {
            self.caller.send(&calling.negative_ack(&answer));
        }
    }

    /// INVITEs to users that the proxy answers for, without a transaction and within one.
    fn refused_by_the_proxy(&self, user: &str, status: &str) {
        let mut calling = self.side(user, &self.caller, user);
        self.caller.send(&calling.request("INVITE", "", &session(1)));
        let answer = self.caller.expect(&format!("SIP/2.0 {status}"));
        self.caller.send(&calling.negative_ack(&answer));
    }

    /// The proxy repeats a request that nobody answers.
    fn repeated_by_the_proxy(&self) {
        let mut side = self.side("repeated", &self.caller, "slow");
        self.caller.send(&side.request("MESSAGE", "", ""));
        self.callee.expect("MESSAGE ");
        let message = self.callee.expect("MESSAGE ");
        let_the_timer_end();
        self.answer(&self.callee, &message, "200 OK", "");
        self.caller.expect("SIP/2.0 200");
        // A busy machine may have been late with the answer.
        self.callee.discard();
    }

    /// The proxy gives up a call that is not answered.
    fn unanswered(&self) {
        let mut calling = self.side("unanswered", &self.caller, "unanswered");
        self.caller.send(&calling.request("INVITE", "", &session(1)));
        self.caller.expect("SIP/2.0 100");
        let invite = self.callee.expect("INVITE ");
        self.answer(&self.callee, &invite, "180 Ringing", "");
        self.caller.expect("SIP/2.0 180");
        let cancel = self.callee.expect("CANCEL ");
        let answer = self.caller.expect("SIP/2.0 408");
        let_the_timer_end();
        self.caller.send(&calling.negative_ack(&answer));
        self.answer(&self.callee, &cancel, "200 OK", "");
        self.answer(&self.callee, &invite, "487 Request Terminated", "");
        self.callee.expect("ACK ");
    }
}

/// No request is answered by the process of the timers; what it has sent it traces at once.
fn let_the_timer_end() {
    std::thread::sleep(Duration::from_millis(100));
}

fn phone_tag(phone: &Phone<'_>) -> String {
    phone.name.replace(' ', "-")
}
