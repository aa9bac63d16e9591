//! Frames of every kind that a network carries, and the statistic that counts each: one list for the codec, for the
//! kernel's filter, and for a real server behind a cable.

use std::iter::repeat_n;

/// A frame, and what becomes of it at a server that captures UDP of port 5060.
#[derive(Clone, Debug)]
pub struct FrameKind {
    /// What it is.
    pub name: &'static str,
    /// The EtherType, or the length of an 802.3 frame.
    pub ether_type: u16,
    /// What is behind it.
    pub rest: Vec<u8>,
    /// The statistic of `sipcapture` that counts it.
    pub counter: &'static str,
    /// Whether the kernel's port filter may drop it, so that nobody counts it.
    pub filtered: bool,
}

/// A VLAN tag of number 5, or of PPPoE's session 1, or whatever `header` is, in front of what has a type of its own.
fn behind(header: &[u8], ether_type: u16, rest: &[u8]) -> Vec<u8> {
    [header, &ether_type.to_be_bytes()[..], rest].concat()
}

fn tagged(ether_type: u16, rest: &[u8]) -> Vec<u8> {
    behind(&[0, 5], ether_type, rest)
}

/// PPPoE session data: the PPP protocol field and what follows it.
fn session(protocol: &[u8], rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(protocol.len() + rest.len()).expect("a short packet");
    [&[0x11, 0, 0, 1], &length.to_be_bytes()[..], protocol, rest].concat()
}

/// MPLS labels, of which the last is the lowest.
fn labelled(labels: usize, rest: &[u8]) -> Vec<u8> {
    let mut stack: Vec<[u8; 4]> = repeat_n([0, 0x40, 0, 64], labels).collect();
    stack.last_mut().expect("a label")[2] |= 1;
    [&stack.concat()[..], rest].concat()
}

/// An IPv4 packet without options of another protocol.
fn ip4_of(protocol: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(20 + rest.len()).expect("a short packet").to_be_bytes();
    let addresses = [203, 0, 113, 10, 198, 51, 100, 20];
    [&[0x45, 0], &length[..], &[0, 1, 0, 0, 60, protocol, 0, 0], &addresses, rest].concat()
}

fn ip6_of(next: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).expect("a short packet").to_be_bytes();
    [&[0x60, 0, 0, 0], &length[..], &[next, 60], &[0x20; 32], rest].concat()
}

fn ports(from: u16, to: u16, rest: &[u8]) -> Vec<u8> {
    [&from.to_be_bytes()[..], &to.to_be_bytes(), rest].concat()
}

fn udp(from: u16, to: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + payload.len()).expect("a short datagram").to_be_bytes();
    ports(from, to, &[&length[..], &[0, 0], payload].concat())
}

fn changed(packet: &[u8], at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut packet = packet.to_vec();
    packet[at..at + bytes.len()].copy_from_slice(bytes);
    packet
}

const IP4: u16 = 0x0800;
const IP6: u16 = 0x86dd;
const VLAN: u16 = 0x8100;
const PROVIDER: u16 = 0x88a8;
const OLD_PROVIDER: u16 = 0x9100;
const SESSION: u16 = 0x8864;
const MPLS: u16 = 0x8847;
const SNAP: [u8; 6] = [0xaa, 0xaa, 3, 0, 0, 0];

/// The list. `ip4` and `ip6` are IP packets, the first without options, with a UDP datagram of port 5060 that holds a
/// SIP message.
pub fn frame_kinds(ip4: &[u8], ip6: &[u8]) -> Vec<FrameKind> {
    [read(ip4, ip6), not_ip(), ppp(), mpls(), other_ip(), bad(ip4, ip6)].concat()
}

fn kind(name: &'static str, counter: &'static str, ether_type: u16, rest: Vec<u8>) -> FrameKind {
    FrameKind { name, ether_type, rest, counter, filtered: false }
}

/// What holds a message that is read.
fn read(ip4: &[u8], ip6: &[u8]) -> Vec<FrameKind> {
    let message = |name, ether_type, rest| kind(name, "raw_messages", ether_type, rest);
    let snap = |ether_type, ip| behind(&SNAP, ether_type, ip);
    let length = |rest: Vec<u8>| (u16::try_from(rest.len()).expect("a short packet"), rest);
    let in_802_3 = |name, rest| {
        let (length, rest) = length(rest);
        message(name, length, rest)
    };
    vec![
        message("IPv4", IP4, ip4.to_vec()),
        message("IPv4, padded", IP4, [ip4, &[0; 6]].concat()),
        message("IPv6", IP6, ip6.to_vec()),
        message("VLAN with IPv4", VLAN, tagged(IP4, ip4)),
        message("VLAN with IPv6", VLAN, tagged(IP6, ip6)),
        message("QinQ with IPv4", PROVIDER, tagged(VLAN, &tagged(IP4, ip4))),
        message("QinQ of 0x9100 with IPv6", OLD_PROVIDER, tagged(VLAN, &tagged(IP6, ip6))),
        message("0x9100 with IPv4", OLD_PROVIDER, tagged(IP4, ip4)),
        message("four VLAN tags", PROVIDER, tagged(VLAN, &tagged(VLAN, &tagged(VLAN, &tagged(IP4, ip4))))),
        message("PPPoE with IPv4", SESSION, session(&[0, 0x21], ip4)),
        message("PPPoE with IPv6", SESSION, session(&[0, 0x57], ip6)),
        message("PPPoE with IPv4, compressed protocol field", SESSION, session(&[0x21], ip4)),
        message("PPPoE with IPv6, compressed protocol field", SESSION, session(&[0x57], ip6)),
        message("PPPoE, padded", SESSION, [&session(&[0, 0x21], ip4)[..], &[0; 9]].concat()),
        message("VLAN with PPPoE", VLAN, tagged(SESSION, &session(&[0, 0x21], ip4))),
        message("QinQ with PPPoE", PROVIDER, tagged(VLAN, &tagged(SESSION, &session(&[0x57], ip6)))),
        message("MPLS with IPv4", MPLS, labelled(1, ip4)),
        message("MPLS with IPv6", MPLS, labelled(3, ip6)),
        message("MPLS with 16 labels", MPLS, labelled(16, ip4)),
        message("MPLS multicast with IPv4", 0x8848, labelled(2, ip4)),
        message("VLAN with MPLS", VLAN, tagged(MPLS, &labelled(2, ip6))),
        in_802_3("SNAP with IPv4", snap(IP4, ip4)),
        in_802_3("SNAP with IPv6", snap(IP6, ip6)),
        in_802_3("SNAP with a VLAN and IPv4", snap(VLAN, &tagged(IP4, ip4))),
        message("VLAN with SNAP", VLAN, {
            let (length, rest) = length(snap(IP4, ip4));
            tagged(length, &rest)
        }),
    ]
}

fn not_ip() -> Vec<FrameKind> {
    let other = |name, ether_type| kind(name, "raw_ignored_ether_type", ether_type, vec![0; 46]);
    let arp = [0, 1, 8, 0, 6, 4, 0, 2, 2, 0, 0, 0, 1, 1, 203, 0, 113, 10, 2, 0, 0, 0, 1, 2, 198, 51, 100, 20].to_vec();
    let llc = |name, start: &[u8]| {
        let rest = [start, &[0; 38]].concat();
        kind(name, "raw_ignored_llc", u16::try_from(rest.len()).expect("short"), rest)
    };
    vec![
        kind("ARP", "raw_ignored_arp", 0x0806, arp.clone()),
        kind("ARP in a VLAN", "raw_ignored_arp", VLAN, tagged(0x0806, &arp)),
        kind("ARP in QinQ", "raw_ignored_arp", PROVIDER, tagged(VLAN, &tagged(0x0806, &arp))),
        kind("RARP", "raw_ignored_arp", 0x8035, arp),
        other("LLDP", 0x88cc),
        other("EAPOL", 0x888e),
        other("loopback", 0x9000),
        other("MACsec", 0x88e5),
        other("PTP", 0x88f7),
        other("wake on LAN", 0x0842),
        other("FCoE", 0x8906),
        other("MAC in MAC", 0x88e7),
        other("slow protocols", 0x8809),
        other("a number that nobody has assigned", 0xfffe),
        other("the lowest EtherType", 0x0600),
        kind("LLDP in a VLAN", "raw_ignored_ether_type", VLAN, tagged(0x88cc, &[0; 46])),
        llc("a spanning tree", &[0x42, 0x42, 3]),
        llc("IS-IS", &[0xfe, 0xfe, 3]),
        llc("IPX", &[0xff, 0xff]),
        llc("SNAP of another organisation", &[0xaa, 0xaa, 3, 0, 0, 0xc, 0x20, 0]),
        llc("SNAP with a length", &[0xaa, 0xaa, 3, 0, 0, 0, 1, 0]),
    ]
}

fn ppp() -> Vec<FrameKind> {
    let ppp = |name, protocol: &[u8]| kind(name, "raw_ignored_ppp", SESSION, session(protocol, &[0; 20]));
    vec![
        kind("PPPoE discovery", "raw_ignored_ppp", 0x8863, [&[0x11, 9, 0, 0, 0, 4][..], &[1, 1, 0, 0]].concat()),
        ppp("PPPoE with LCP", &[0xc0, 0x21]),
        ppp("PPPoE with IPCP", &[0x80, 0x21]),
        ppp("PPPoE with CHAP", &[0xc2, 0x23]),
        ppp("PPPoE with compressed headers", &[0, 0x2d]),
        ppp("PPPoE with compressed headers and protocol field", &[0x2d]),
        ppp("PPPoE with MPLS", &[2, 0x81]),
        kind("PPPoE with LCP in a VLAN", "raw_ignored_ppp", VLAN, tagged(SESSION, &session(&[0xc0, 0x21], &[0; 20]))),
    ]
}

fn mpls() -> Vec<FrameKind> {
    let pseudowire = |labels| labelled(labels, &[0; 64]);
    vec![
        kind("MPLS with a pseudowire", "raw_ignored_mpls", MPLS, pseudowire(2)),
        kind("MPLS multicast with a pseudowire", "raw_ignored_mpls", 0x8848, pseudowire(6)),
    ]
}

/// IP that is not of what is captured.
fn other_ip() -> Vec<FrameKind> {
    let filtered = |kind: FrameKind| FrameKind { filtered: true, ..kind };
    let protocol = |name, rest| kind(name, "raw_ignored_protocol", IP4, rest);
    let tunnel = |name, number| kind(name, "raw_ignored_tunnel", IP4, ip4_of(number, &[0x45; 60]));
    let payload = |name, bytes: &[u8]| kind(name, "raw_ignored_payload", IP4, ip4_of(17, &udp(5060, 5061, bytes)));
    let segment = |to| ports(40000, to, &[b'x'; 200]);
    let other_ports = udp(5059, 5061, &[b'x'; 64]);
    vec![
        protocol("TCP of the port", ip4_of(6, &segment(5060))),
        protocol("SCTP of the port", ip4_of(132, &segment(5060))),
        kind("TCP of the port over IPv6", "raw_ignored_protocol", IP6, ip6_of(6, &segment(5060))),
        protocol("TCP of the port, longer than a length can say", changed(&ip4_of(6, &segment(5060)), 2, &[0, 0])),
        kind("TCP of the port over IPv6, longer than a length can say", "raw_ignored_protocol", IP6, {
            let jumbo = [6, 0, 0xc2, 4, 0, 1, 0x86, 0xa0];
            changed(&ip6_of(0, &[&jumbo[..], &segment(5060)].concat()), 4, &[0, 0])
        }),
        filtered(protocol("TCP of another port", ip4_of(6, &segment(5061)))),
        filtered(protocol("ICMP", ip4_of(1, &[8; 40]))),
        filtered(protocol("IGMP", ip4_of(2, &[0x16; 8]))),
        filtered(protocol("a protocol that nobody has assigned", ip4_of(200, &[0; 40]))),
        filtered(kind("ICMPv6", "raw_ignored_protocol", IP6, ip6_of(58, &[128; 40]))),
        tunnel("IP in IP", 4),
        tunnel("IPv6 in IP", 41),
        tunnel("GRE", 47),
        tunnel("ESP", 50),
        tunnel("IP in IP of old", 94),
        tunnel("EtherIP", 97),
        tunnel("L2TP", 115),
        tunnel("MPLS in IP", 137),
        kind("GRE over IPv6", "raw_ignored_tunnel", IP6, ip6_of(47, &[0x45; 300])),
        kind("GRE in a VLAN", "raw_ignored_tunnel", VLAN, tagged(IP4, &ip4_of(47, &[0x45; 300]))),
        filtered(kind("UDP of other ports", "raw_ignored_ports", IP4, ip4_of(17, &other_ports))),
        filtered(kind("UDP of other ports over IPv6", "raw_ignored_ports", IP6, ip6_of(17, &other_ports))),
        filtered(kind(
            "UDP of other ports in PPPoE",
            "raw_ignored_ports",
            SESSION,
            session(&[0, 0x21], &ip4_of(17, &other_ports)),
        )),
        filtered(kind(
            "UDP of other ports below MPLS",
            "raw_ignored_ports",
            MPLS,
            labelled(2, &ip6_of(17, &other_ports)),
        )),
        payload("what keeps an address translation open", b"\r\n\r\n"),
        payload("STUN", &[0, 1, 0, 40].repeat(12)),
        payload("an empty datagram", b""),
        kind(
            "the first fragment",
            "raw_fragments",
            IP4,
            changed(&ip4_of(17, &udp(5060, 5060, &[b'x'; 64])), 6, &[0x20, 0]),
        ),
        filtered(kind("a later fragment", "raw_fragments", IP4, changed(&ip4_of(17, &[b'x'; 64]), 6, &[0, 8]))),
        kind(
            "a fragment of IPv6",
            "raw_fragments",
            IP6,
            ip6_of(44, &[&[17, 0, 0, 9, 0, 0, 0, 1][..], &[b'x'; 64]].concat()),
        ),
    ]
}

/// What was cut short or contradicts itself.
fn bad(ip4: &[u8], ip6: &[u8]) -> Vec<FrameKind> {
    let bad = |name, ether_type, rest| kind(name, "raw_bad", ether_type, rest);
    vec![
        bad("IPv4 cut short", IP4, ip4[..ip4.len() - 1].to_vec()),
        bad("an IPv4 header cut short", IP4, ip4[..10].to_vec()),
        bad("IPv4 without its ports", IP4, ip4[..22].to_vec()),
        bad("IPv6 cut short", IP6, ip6[..ip6.len() - 1].to_vec()),
        bad("an IPv6 header cut short", IP6, ip6[..30].to_vec()),
        bad("IPv4 with a UDP length beyond its end", IP4, changed(ip4, 24, &[0x13, 0x88])),
        bad("IPv4 with a header shorter than a header", IP4, changed(ip4, 0, &[0x44])),
        bad("UDP over IPv4 without a length", IP4, changed(ip4, 2, &[0, 0])),
        bad("IPv4 of version 7", IP4, changed(ip4, 0, &[0x75])),
        // Of a frame whose only tag is cut short Linux shows nobody anything.
        bad("a second VLAN tag cut short", PROVIDER, tagged(VLAN, &[0, 5, 8])),
        bad("six VLAN tags", VLAN, (0..5).fold(tagged(IP4, ip4), |inside, _| tagged(VLAN, &inside))),
        bad("PPPoE of version 2", SESSION, changed(&session(&[0, 0x21], ip4), 0, &[0x21])),
        bad("PPPoE longer than its frame", SESSION, changed(&session(&[0, 0x21], ip4), 4, &[0x7f, 0xff])),
        bad("PPPoE shorter than its protocol field", SESSION, changed(&session(&[0, 0x21], ip4), 4, &[0, 1])),
        bad("PPPoE cut short", SESSION, session(&[0, 0x21], ip4)[..5].to_vec()),
        bad("MPLS with 17 labels", MPLS, labelled(17, ip4)),
        bad("MPLS labels without an end", MPLS, [0, 0x40, 0, 64].repeat(20)),
        bad("MPLS labels cut short", MPLS, labelled(3, ip4)[..10].to_vec()),
    ]
}
