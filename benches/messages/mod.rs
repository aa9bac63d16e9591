//! Messages that benchmarks and the allocation check share.

/// An INVITE of exactly 900 bytes with the headers of a call through a proxy, so that 20 fields of a row are filled.
pub fn invite() -> Vec<u8> {
    const HEAD: &str = "INVITE sip:bob@biloxi.example.com;transport=udp SIP/2.0\r\n\
        Via: SIP/2.0/UDP 192.0.2.4:5060;branch=z9hG4bK2d4790.1;rport\r\n\
        Via: SIP/2.0/UDP 192.0.2.101:5060;branch=z9hG4bK74bf9\r\n\
        Record-Route: <sip:192.0.2.4;lr>\r\n\
        Max-Forwards: 69\r\n\
        From: \"Alice\" <sip:alice@atlanta.example.com>;tag=9fxced76sl\r\n\
        To: \"Bob\" <sip:bob@biloxi.example.com>\r\n\
        Call-ID: 3848276298220188511@atlanta.example.com\r\n\
        CSeq: 2 INVITE\r\n\
        Contact: <sip:alice@192.0.2.101:5062;transport=udp>\r\n\
        P-Asserted-Identity: <sip:+15551234@atlanta.example.com>\r\n\
        Diversion: <sip:carol@biloxi.example.com>;reason=no-answer\r\n\
        User-Agent: Telephone 1.0\r\n\
        Content-Type: application/sdp\r\n";
    const BODY: &str = "v=0\r\no=alice 2890844526 2890844526 IN IP4 192.0.2.101\r\ns=-\r\n\
        c=IN IP4 192.0.2.101\r\nt=0 0\r\nm=audio 49172 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n";
    const LENGTH: usize = 900;
    let content_length = format!("Content-Length: {}\r\n\r\n", BODY.len());
    let subject = "Subject: \r\n";
    let room = LENGTH - HEAD.len() - content_length.len() - BODY.len() - subject.len();
    let message = format!("{HEAD}Subject: {}\r\n{content_length}{BODY}", "s".repeat(room));
    assert_eq!(message.len(), LENGTH);
    message.into_bytes()
}
