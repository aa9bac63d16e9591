//! Codecs do not allocate: HEP in and out, packets, and the header fields, counted at the allocator itself.
//!
//! A binary of its own, since a program has one allocator.

// The trait of an allocator is unsafe to implement; this one only counts, and hands everything on.
#![allow(unsafe_code)]

#[path = "../benches/messages/mod.rs"]
mod messages;

use sipcapture_core::hep::{ChunkOrder, Chunks, Packet, Payload, Version, decode, encode, looks_like_hep};
use sipcapture_core::module::{CHUNK_ROOM, ChunkArguments, ChunkFunction, decode_chunk, encode_chunk};
use sipcapture_core::packet::{Datagram, Start, udp_frame};
use sipcapture_core::sink::hep::{Collector, CollectorOptions, Destination, Origin, Outgoing, OutgoingMessage};
use sipcapture_core::sip::{HeaderNames, IdentityHeaders, Masks, extract};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;
use std::net::UdpSocket;

struct Counting;

thread_local! {
    /// Calls of this thread that asked for memory. Tests run on threads of their own and do not see one another's.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

fn count_one() {
    // The cell needs no destructor, so it is there as long as the thread.
    ALLOCATIONS.with(|count| count.set(count.get() + 1));
}

// SAFETY:
// - every method hands its arguments on to `System` as they came, so that its contract is ours;
// - counting allocates nothing: the cell is const-initialized and has no destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count_one();
        // SAFETY: the caller's promise for `layout` is the one that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count_one();
        // SAFETY: the caller's promise for `layout` is the one that `System` asks for.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count_one();
        // SAFETY: `block` came from `System` with `layout`, since all blocks do.
        unsafe { System.realloc(block, layout, new_size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: `block` came from `System` with `layout`, since all blocks do.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations that `act` makes on this thread.
fn allocations<T>(act: impl FnOnce() -> T) -> u64 {
    let before = ALLOCATIONS.get();
    black_box(act());
    ALLOCATIONS.get() - before
}

fn packet<'a>(source: &str, destination: &str, message: &'a [u8]) -> Packet<'a> {
    Packet {
        version: Version::V3,
        source: source.parse().expect("an address"),
        destination: destination.parse().expect("an address"),
        ip_protocol: 17,
        payload_type: 1,
        time_us: Some(1_700_000_000_123_456),
        agent_id: Some(2001),
        correlation_id: Some(b"leg-a"),
        auth_key: Some(b"key"),
        payload: Payload::Plain(message),
        trailing: 0,
    }
}

#[test]
fn the_counter_sees_allocations() {
    assert_eq!(allocations(|| Vec::<u8>::with_capacity(10)), 1);
    assert_eq!(allocations(|| vec![0u8; 10]), 1);
    let mut grown = Vec::<u8>::with_capacity(1);
    assert_eq!(allocations(|| grown.extend([0; 100])), 1);
    assert_eq!(allocations(|| 1 + 1), 0);
}

#[test]
fn decoding_and_encoding_allocate_nothing() {
    let message = messages::invite();
    let mut out = Vec::with_capacity(4096);
    for (source, destination) in [("192.0.2.1:5060", "198.51.100.2:5070"), ("[2001:db8::1]:5060", "[2001:db8::2]:5061")]
    {
        let packet = packet(source, destination, &message);
        for version in [Version::V1, Version::V2, Version::V3] {
            out.clear();
            assert_eq!(allocations(|| encode(&packet, version, &mut out).expect("a packet that fits")), 0);
            assert_eq!(allocations(|| looks_like_hep(&out)), 0);
            assert_eq!(allocations(|| decode(&out).expect("a good packet")), 0);
        }
        assert_eq!(allocations(|| Chunks::new(&out).expect("a good header").count()), 0);
    }
}

#[test]
fn sending_many_packets_to_a_collector_allocates_no_more_than_sending_one() {
    let message = messages::invite();
    let receiver = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let uri = format!("sip:{}", receiver.local_addr().expect("its port"));
    let packet = Outgoing::Message(OutgoingMessage {
        from: Origin::Address("192.0.2.1:5060".parse().expect("an address")),
        to: Some("198.51.100.2:5070".parse().expect("an address")),
        ip_protocol: 17,
        time_us: 1_700_000_000_123_456,
        payload_type: 1,
        version_override: None,
        order: ChunkOrder::Message,
        correlation_id: Some(b"leg-a"),
        payload: &message,
    });
    for compress in [false, true] {
        let options = CollectorOptions { version: Version::V3, compress, ..CollectorOptions::default() };
        let mut collector = Collector::new(vec![Destination::parse(&uri).expect("a SIP URI")], options);
        let packets = [packet; 64];
        assert_eq!(collector.send(&packets).sent, 64);
        let for_one = allocations(|| collector.send(&packets[..1]));
        assert!(for_one <= 1, "{for_one} for a call");
        assert_eq!(allocations(|| collector.send(&packets)), for_one);
    }
}

#[test]
fn setting_and_reading_single_chunks_allocates_nothing() {
    let (mut stored, mut buffer) = ([0; CHUNK_ROOM], [0; CHUNK_ROOM]);
    for given in [
        [&b"src_ip"[..], b"2001:db8::1", b"", b""],
        [b"proto_type", b"sip", b"", b""],
        [b"payload", b"OPTIONS", b"", b""],
        [b"uint16", b"31", b"0", b"258"],
        [b"31", b"258", b"uint8", b""],
    ] {
        let act = || {
            let arguments = ChunkArguments::of(ChunkFunction::Set, given.map(Some));
            let encoded = encode_chunk(&arguments, 3, &mut stored).ok()?;
            decode_chunk(encoded.id, arguments.value_type, encoded.content, &mut buffer).ok().map(|_| ())
        };
        assert_eq!(allocations(act), 0, "{given:?}");
    }
}

#[test]
fn refusing_a_packet_allocates_nothing() {
    let message = messages::invite();
    let mut datagram = Vec::new();
    encode(&packet("192.0.2.1:5060", "198.51.100.2:5070", &message), Version::V3, &mut datagram).expect("it fits");
    let mut refused = 0;
    for at in 0..150 {
        let right = std::mem::replace(&mut datagram[at], 0xff);
        let allocated = allocations(|| {
            if let Err(error) = decode(&datagram) {
                refused += usize::from(!error.reason().is_empty());
            }
        });
        assert_eq!(allocated, 0, "byte {at} set to 255");
        datagram[at] = right;
    }
    assert!(refused > 50, "{refused} packets were refused");
}

#[test]
fn reading_a_packet_allocates_nothing_nor_does_refusing_it() {
    let message = messages::invite();
    for (source, destination) in [("192.0.2.1:5060", "198.51.100.2:5070"), ("[2001:db8::1]:5060", "[2001:db8::2]:5061")]
    {
        let (source, destination) = (source.parse().expect("an address"), destination.parse().expect("an address"));
        let packet = udp_frame(source, destination, &message).expect("it fits");
        let read = |packet: &[u8]| Datagram::read(Start::Ip, packet).is_ok_and(|datagram| datagram.may_be_sip());
        assert_eq!((allocations(|| read(&packet)), read(&packet)), (0, true));
        assert_eq!((allocations(|| read(&packet[1..])), read(&packet[1..])), (0, false));
        // Below a VLAN tag and a PPPoE session, whose protocol field tells the version.
        let protocol = if source.is_ipv4() { 0x21 } else { 0x57 };
        let length = u16::try_from(packet.len() + 1).expect("it fits").to_be_bytes();
        let framed = [&[0, 5, 0x88, 0x64, 0x11, 0, 0, 1][..], &length, &[protocol], &packet].concat();
        let read = |frame: &[u8]| Datagram::read(Start::EtherType(0x8100), frame).is_ok();
        assert_eq!((allocations(|| read(&framed)), read(&framed)), (0, true));
        assert_eq!((allocations(|| read(&framed[..60])), read(&framed[..60])), (0, false));
    }
}

#[test]
fn extracting_header_fields_allocates_nothing() {
    let message = messages::invite();
    let names = HeaderNames {
        callid_aleg: vec![b"X-CID".to_vec()],
        custom: [Some(b"Subject".to_vec()), Some(b"Max-Forwards".to_vec()), None],
        ..HeaderNames::default()
    };
    assert_eq!(allocations(|| extract(&message, Some(b"sip:carol@example.com"), &names)), 0);
    let fewer = HeaderNames {
        identity: IdentityHeaders::WithoutRemotePartyId,
        rtp_stat: &[b"X-RTP-Stat"],
        ..HeaderNames::default()
    };
    assert_eq!(allocations(|| extract(&message, None, &fewer)), 0);
    let fields = extract(&message, None, &names);
    assert_eq!(fields.callid, b"3848276298220188511@atlanta.example.com");
    assert_eq!(fields.custom[1], b"69");
    let broken = b"\"A <sip:broken@x>;tag=1\r\nP-Asserted-Identity: \"A\" sip:broken@x\r\nContact: <sip:broken@x";
    let message = [b"INVITE sip:a@b SIP/2.0\r\nFrom: ", &broken[..]].concat();
    assert_eq!(allocations(|| extract(&message, None, &names)), 0);
    let fields = extract(&message, None, &names);
    assert_eq!([fields.from_user, fields.pid_user, fields.contact_user], [b"broken"; 3]);
}

#[test]
fn masking_allocates_nothing_where_there_is_no_secret() {
    let sent = messages::invite();
    let mut message = sent.clone();
    for masks in [
        Masks::default(),
        Masks { headers: vec![b"Authorization".to_vec(), b"X-Token".to_vec()], message_bodies: false },
        Masks { headers: vec![b"Authorization".to_vec()], message_bodies: true },
        Masks { headers: vec![], message_bodies: true },
    ] {
        assert_eq!(allocations(|| masks.apply(&mut message)), 0, "{masks:?}");
        assert_eq!(message, sent);
    }
    let masks = Masks { headers: vec![b"From".to_vec()], message_bodies: false };
    assert!(allocations(|| masks.apply(&mut message)) > 0 && message != sent);
}
