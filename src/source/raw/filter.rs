//! What the kernel filters for packet sockets, as classic BPF. The programs see what a cooked packet socket sees:
//! bytes behind the EtherType.
//!
//! For each view of the traffic there are two programs, for two sockets, and no packet passes both: what may hold a
//! message passes the one as a whole, and of what holds none the beginning passes the other, by which it is told and
//! counted. So no flood of what is only counted takes the room of messages. With ports, what certainly is IP of other
//! ports or protocols passes neither.

use super::program::{Place, Program, To};
use crate::packet::{LEADING_TO_IP, PortRange, TUNNELS, ether_type};
use libc::sock_filter;

const LOAD: u32 = libc::BPF_LD | libc::BPF_IMM;
/// Loads from behind what the index register, where the packet at hand begins, says.
const LOAD_BYTE: u32 = libc::BPF_LD | libc::BPF_B | libc::BPF_IND;
const LOAD_HALF: u32 = libc::BPF_LD | libc::BPF_H | libc::BPF_IND;
const LOAD_LENGTH: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_LEN;
const LOAD_KEPT: u32 = libc::BPF_LD | libc::BPF_MEM;
const KEEP: u32 = libc::BPF_ST;
const LOAD_INDEX: u32 = libc::BPF_LDX | libc::BPF_IMM;
const LOAD_KEPT_INDEX: u32 = libc::BPF_LDX | libc::BPF_MEM;
const KEEP_INDEX: u32 = libc::BPF_STX;
const TO_INDEX: u32 = libc::BPF_MISC | libc::BPF_TAX;
const FROM_INDEX: u32 = libc::BPF_MISC | libc::BPF_TXA;
const ADD: u32 = libc::BPF_ALU | libc::BPF_ADD | libc::BPF_K;
const ADD_INDEX: u32 = libc::BPF_ALU | libc::BPF_ADD | libc::BPF_X;
const SUBTRACT_INDEX: u32 = libc::BPF_ALU | libc::BPF_SUB | libc::BPF_X;
const AND: u32 = libc::BPF_ALU | libc::BPF_AND | libc::BPF_K;
const SHIFT_LEFT: u32 = libc::BPF_ALU | libc::BPF_LSH | libc::BPF_K;
const IF_EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const IF_GREATER: u32 = libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K;
const IF_GREATER_THAN_INDEX: u32 = libc::BPF_JMP | libc::BPF_JGT | libc::BPF_X;
const IF_NOT_LESS: u32 = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
const IF_ANY_BIT: u32 = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;
const RETURN_ACCUMULATOR: u32 = libc::BPF_RET | libc::BPF_A;
/// What the kernel knows of a packet, as if it were far behind it: its EtherType, and whether this machine sends it.
const LOAD_ETHER_TYPE: u32 = libc::BPF_LD | libc::BPF_H | libc::BPF_ABS;
const AT_ETHER_TYPE: u32 = (libc::SKF_AD_OFF + libc::SKF_AD_PROTOCOL) as u32;
const LOAD_DIRECTION: u32 = libc::BPF_LD | libc::BPF_B | libc::BPF_ABS;
const AT_DIRECTION: u32 = (libc::SKF_AD_OFF + libc::SKF_AD_PKTTYPE) as u32;

/// Words of the program's memory.
const SPARE: u32 = 0;
const START: u32 = 1;
const TAKEN: u32 = 2;

/// Bytes of a packet that passes.
const WHOLE: u32 = u32::MAX;
/// Of one that is counted and not read: room for tags, labels and an IP header.
pub(super) const BEGINNING: u32 = 128;
const NOTHING: u32 = 0;

const VLANS: [u16; 3] = [ether_type::VLAN, ether_type::PROVIDER_VLAN, ether_type::OLD_PROVIDER_VLAN];
/// VLAN tags and MPLS labels that are looked through; packets with more of them are left to a closer look.
const TAGS: usize = 2;
const LABELS: usize = 4;

const UDP: u32 = 17;
/// Protocols with ports that are not read: TCP and SCTP. Those of the ports asked for may be SIP.
const OTHERS_WITH_PORTS: [u32; 2] = [6, 132];
const IP6_HOP_BY_HOP: u32 = 0;
/// IPv6 headers with another one behind: hop-by-hop options, routing, fragment, authentication, destination options.
const IP6_EXTENSIONS: [u32; 5] = [IP6_HOP_BY_HOP, 43, 44, 51, 60];
const IP4_AUTHENTICATION: u32 = 51;

/// The places that the parts of a program have in common.
struct Places {
    ip4: Place,
    ip6: Place,
    pppoe: Place,
    mpls: Place,
    ports: Place,
    whole: Place,
    beginning: Place,
    nothing: Place,
    /// What the program is for.
    part: FilterPart,
}

/// Which packets a socket is shown, before its program looks into them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum View {
    /// Those of one EtherType, for which the socket is bound.
    Of(u16),
    /// All, in both directions: of those that come in its program takes what begins with a VLAN tag that the kernel has
    /// left in place, the second of two. What kernels say of the type of such packets differs, so they have a socket of
    /// their own.
    Tagged,
    /// As [`View::Tagged`], and its program takes all the others.
    Untagged,
}

/// Which packets a program passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FilterPart {
    /// What may hold a message, as a whole.
    Read,
    /// What holds none and is to be counted: its beginning.
    Counted,
}

impl FilterPart {
    /// Bytes that pass of what may be read.
    fn whole(self) -> u32 {
        if self == FilterPart::Read { WHOLE } else { NOTHING }
    }

    /// Bytes that pass of what is counted.
    fn beginning(self) -> u32 {
        if self == FilterPart::Counted { BEGINNING } else { NOTHING }
    }
}

/// The filter of a socket. What it passes is for its part; without `ports` the EtherType alone decides.
///
/// With ports, later fragments of IPv4 datagrams, which bear none, are for no part; the first of each tells. IPv6
/// packets with extension headers are read, but for those that have options in front of what is not UDP.
pub(super) fn program(view: View, ports: Option<PortRange>, part: FilterPart) -> Vec<sock_filter> {
    let mut program = Program::default();
    let [ip4, ip6, pppoe, mpls, at_ports, whole, beginning, nothing] = [(); 8].map(|()| program.place());
    let places = Places { ip4, ip6, pppoe, mpls, ports: at_ports, whole, beginning, nothing, part };
    program.act(LOAD_INDEX, 0);
    in_view(&mut program, &places, view);
    match ports {
        Some(ports) => {
            below_tags(&mut program, &places);
            in_session(&mut program, &places);
            below_labels(&mut program, &places);
            in_ip4(&mut program, &places);
            in_ip6(&mut program, &places);
            at_the_ports(&mut program, &places, ports);
        }
        None => {
            for ether_type in LEADING_TO_IP {
                program.jump(IF_EQUAL, ether_type.into(), whole, To::Next);
            }
            program.go_to(beginning);
        }
    }
    for (place, bytes) in [(whole, part.whole()), (beginning, part.beginning()), (nothing, NOTHING)] {
        program.here(place);
        program.act(RETURN, bytes);
    }
    program.finish()
}

/// Drops what the view leaves out, and loads the EtherType of what follows.
fn in_view(program: &mut Program, places: &Places, view: View) {
    if let View::Of(ether_type) = view {
        return program.act(LOAD, ether_type.into());
    }
    program.act(LOAD_DIRECTION, AT_DIRECTION);
    program.jump(IF_EQUAL, libc::PACKET_OUTGOING.into(), places.nothing, To::Next);
    program.act(LOAD_ETHER_TYPE, AT_ETHER_TYPE);
    let tagged = program.place();
    let [is_tag, is_none] = match view {
        View::Untagged => [To::Place(places.nothing), To::Next],
        _ => [To::Place(tagged), To::Place(places.nothing)],
    };
    program.jump(IF_EQUAL, ether_type::VLAN.into(), is_tag, To::Next);
    program.jump(IF_EQUAL, ether_type::PROVIDER_VLAN.into(), is_tag, is_none);
    program.here(tagged);
}

/// Sees that there are so many bytes from the index on: a load from behind the packet would drop it unseen.
fn ensure(program: &mut Program, bytes: u32, places: &Places) {
    program.act(LOAD_LENGTH, 0);
    program.act(SUBTRACT_INDEX, 0);
    program.jump(IF_NOT_LESS, bytes, To::Next, places.beginning);
}

/// Moves the index on, and leaves the accumulator alone.
fn skip(program: &mut Program, bytes: u32) {
    program.act(KEEP, SPARE);
    program.act(FROM_INDEX, 0);
    program.act(ADD, bytes);
    program.act(TO_INDEX, 0);
    program.act(LOAD_KEPT, SPARE);
}

/// Goes by the EtherType in the accumulator, also inside VLAN tags.
fn below_tags(program: &mut Program, places: &Places) {
    for depth in 0..=TAGS {
        let tag = if depth == TAGS { places.whole } else { program.place() };
        program.jump(IF_EQUAL, ether_type::IP4.into(), places.ip4, To::Next);
        program.jump(IF_EQUAL, ether_type::IP6.into(), places.ip6, To::Next);
        for vlan in VLANS {
            program.jump(IF_EQUAL, vlan.into(), tag, To::Next);
        }
        program.jump(IF_EQUAL, ether_type::PPPOE_SESSION.into(), places.pppoe, To::Next);
        for mpls in [ether_type::MPLS, ether_type::MPLS_MULTICAST] {
            program.jump(IF_EQUAL, mpls.into(), places.mpls, To::Next);
        }
        // Behind LLC, or a length where a tag has it, there may be IP in SNAP.
        match depth {
            0 => program.jump(IF_EQUAL, ether_type::LLC.into(), places.whole, places.beginning),
            _ => program.jump(IF_NOT_LESS, ether_type::LOWEST.into(), places.beginning, places.whole),
        }
        if depth < TAGS {
            program.here(tag);
            ensure(program, 4, places);
            program.act(LOAD_HALF, 2);
            skip(program, 4);
        }
    }
}

/// PPPoE with data, and the PPP protocol field of one byte or two.
fn in_session(program: &mut Program, places: &Places) {
    let [long, protocol] = [(); 2].map(|()| program.place());
    program.here(places.pppoe);
    ensure(program, 8, places);
    program.act(LOAD_BYTE, 6);
    program.jump(IF_EQUAL, 0, long, To::Next);
    skip(program, 7);
    program.go_to(protocol);
    program.here(long);
    program.act(LOAD_BYTE, 7);
    skip(program, 8);
    program.here(protocol);
    program.jump(IF_EQUAL, 0x21, places.ip4, To::Next);
    program.jump(IF_EQUAL, 0x57, places.ip6, places.beginning);
}

fn below_labels(program: &mut Program, places: &Places) {
    let below = program.place();
    program.here(places.mpls);
    for _ in 0..LABELS {
        ensure(program, 4, places);
        program.act(LOAD_BYTE, 2);
        skip(program, 4);
        program.jump(IF_ANY_BIT, 1, below, To::Next);
    }
    program.go_to(places.whole);
    program.here(below);
    ensure(program, 1, places);
    program.act(LOAD_BYTE, 0);
    program.act(AND, 0xf0);
    program.jump(IF_EQUAL, 0x40, places.ip4, To::Next);
    program.jump(IF_EQUAL, 0x60, places.ip6, places.beginning);
}

/// Goes by the number of what IP carries: to `udp`, to `others`, or to an end.
fn by_protocol(program: &mut Program, places: &Places, whole: &[u32], udp: Place, others: Place) {
    program.jump(IF_EQUAL, UDP, udp, To::Next);
    for number in OTHERS_WITH_PORTS {
        program.jump(IF_EQUAL, number, others, To::Next);
    }
    for &number in whole {
        program.jump(IF_EQUAL, number, places.whole, To::Next);
    }
    for number in TUNNELS {
        program.jump(IF_EQUAL, number.into(), places.beginning, To::Next);
    }
    program.go_to(places.nothing);
    let known = program.place();
    program.here(others);
    program.act(LOAD, places.part.beginning());
    program.go_to(known);
    program.here(udp);
    program.act(LOAD, places.part.whole());
    program.here(known);
    program.act(KEEP, TAKEN);
}

/// Sees that the version of the IP header is the one that was announced. Whatever else it is, a reader goes by the
/// header.
fn check_version(program: &mut Program, places: &Places, version: u32) {
    program.act(LOAD_BYTE, 0);
    program.act(AND, 0xf0);
    program.jump(IF_EQUAL, version << 4, To::Next, places.whole);
}

fn in_ip4(program: &mut Program, places: &Places) {
    let [udp, others] = [(); 2].map(|()| program.place());
    program.here(places.ip4);
    ensure(program, 20, places);
    check_version(program, places, 4);
    program.act(LOAD_BYTE, 9);
    by_protocol(program, places, &[IP4_AUTHENTICATION], udp, others);
    program.act(LOAD_HALF, 6);
    program.jump(IF_ANY_BIT, 0x1fff, places.nothing, To::Next);
    // The ports are behind a header of 20 to 60 bytes, all of which must be there.
    program.act(KEEP_INDEX, START);
    program.act(LOAD_LENGTH, 0);
    program.act(SUBTRACT_INDEX, 0);
    program.act(KEEP, SPARE);
    program.act(LOAD_BYTE, 0);
    program.act(AND, 0xf);
    program.act(SHIFT_LEFT, 2);
    program.jump(IF_NOT_LESS, 20, To::Next, places.beginning);
    program.act(ADD, 4);
    program.act(LOAD_KEPT_INDEX, SPARE);
    program.jump(IF_GREATER_THAN_INDEX, 0, places.beginning, To::Next);
    program.act(LOAD_KEPT_INDEX, START);
    program.act(ADD_INDEX, 0);
    program.act(ADD, 0_u32.wrapping_sub(4));
    program.act(TO_INDEX, 0);
    program.go_to(places.ports);
}

fn in_ip6(program: &mut Program, places: &Places) {
    let [udp, others, direct] = [(); 3].map(|()| program.place());
    program.here(places.ip6);
    ensure(program, 40, places);
    check_version(program, places, 6);
    program.act(LOAD_BYTE, 6);
    program.jump(IF_EQUAL, IP6_HOP_BY_HOP, To::Next, direct);
    // TCP above 64 KiB has these options, as network cards and Linux put it together.
    ensure(program, 48, places);
    program.act(LOAD_BYTE, 40);
    for number in IP6_EXTENSIONS.into_iter().chain([UDP]) {
        program.jump(IF_EQUAL, number, places.whole, To::Next);
    }
    program.go_to(places.beginning);
    program.here(direct);
    by_protocol(program, places, &IP6_EXTENSIONS, udp, others);
    skip(program, 40);
    ensure(program, 4, places);
    program.go_to(places.ports);
}

/// Decides by the two ports that the index is at.
fn at_the_ports(program: &mut Program, places: &Places, ports: PortRange) {
    let (first, last) = (u32::from(ports.first), u32::from(ports.last));
    let [second, taken] = [(); 2].map(|()| program.place());
    program.here(places.ports);
    program.act(LOAD_HALF, 0);
    program.jump(IF_NOT_LESS, first, To::Next, second);
    program.jump(IF_GREATER, last, second, taken);
    program.here(second);
    program.act(LOAD_HALF, 2);
    program.jump(IF_NOT_LESS, first, To::Next, places.nothing);
    program.jump(IF_GREATER, last, places.nothing, taken);
    program.here(taken);
    program.act(LOAD_KEPT, TAKEN);
    program.act(RETURN_ACCUMULATOR, 0);
}
