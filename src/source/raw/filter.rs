//! A port filter for the kernel, as classic BPF: UDP from or to a range of ports passes, and whatever only a closer look can tell.
//!
//! It sees what a cooked packet socket sees: bytes behind the EtherType that the socket asked for.

use crate::packet::PortRange;
use libc::sock_filter;

const LOAD_BYTE: u16 = (libc::BPF_LD | libc::BPF_B | libc::BPF_ABS) as u16;
const LOAD_HALF: u16 = (libc::BPF_LD | libc::BPF_H | libc::BPF_ABS) as u16;
/// Loads from behind an IPv4 header, once its length is in the index register.
const LOAD_HALF_INDEXED: u16 = (libc::BPF_LD | libc::BPF_H | libc::BPF_IND) as u16;
/// Puts the length of an IPv4 header into the index register.
const INDEX_IP4_LENGTH: u16 = (libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH) as u16;
const IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const IF_GREATER: u16 = (libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K) as u16;
const IF_NOT_LESS: u16 = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
const IF_ANY_BIT: u16 = (libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

const PASS: sock_filter = sock_filter { code: RETURN, jt: 0, jf: 0, k: u32::MAX };
const DROP: sock_filter = sock_filter { code: RETURN, jt: 0, jf: 0, k: 0 };

const UDP: u32 = 17;
/// IPv6 headers with another one behind: hop-by-hop options, routing, fragment, authentication, destination options.
const IP6_EXTENSIONS: [u32; 5] = [0, 43, 44, 51, 60];
const VLAN_TAG: u32 = 4;

/// The program for a socket of this EtherType.
///
/// Later fragments of IPv4 datagrams, which bear no ports, are dropped. IPv6 packets with extension headers pass, as does a VLAN tag inside
/// the first.
pub(super) fn program(ether_type: u16, ports: PortRange) -> Vec<sock_filter> {
    match ether_type {
        0x0800 => ip4(0, ports),
        0x86dd => ip6(0, ports),
        _ => tagged(ports),
    }
}

fn load(code: u16, at: u32) -> sock_filter {
    sock_filter { code, jt: 0, jf: 0, k: at }
}

fn jump(code: u16, value: u32, if_true: usize, if_false: usize) -> sock_filter {
    // Programs here are far shorter than 256 instructions.
    sock_filter { code, jt: if_true as u8, jf: if_false as u8, k: value }
}

/// Ends with a decision about the ports that `code` loads from `at` and `at + 2`.
fn ports_at(code: u16, at: u32, ports: PortRange) -> [sock_filter; 8] {
    let (first, last) = (u32::from(ports.first), u32::from(ports.last));
    [
        load(code, at),
        jump(IF_NOT_LESS, first, 0, 1),
        jump(IF_GREATER, last, 0, 3),
        load(code, at + 2),
        jump(IF_NOT_LESS, first, 0, 2),
        jump(IF_GREATER, last, 1, 0),
        PASS,
        DROP,
    ]
}

fn ip4(start: u32, ports: PortRange) -> Vec<sock_filter> {
    let decision = ports_at(LOAD_HALF_INDEXED, start, ports);
    let drop = 1 + decision.len() - 1;
    let mut program = vec![
        load(LOAD_BYTE, start + 9),
        jump(IF_EQUAL, UDP, 0, drop + 2),
        load(LOAD_HALF, start + 6),
        jump(IF_ANY_BIT, 0x1fff, drop, 0),
        load(INDEX_IP4_LENGTH, start),
    ];
    program.extend(decision);
    program
}

fn ip6(start: u32, ports: PortRange) -> Vec<sock_filter> {
    let decision = ports_at(LOAD_HALF, start + 40, ports);
    let mut program = vec![load(LOAD_BYTE, start + 6), jump(IF_EQUAL, UDP, IP6_EXTENSIONS.len() + 1, 0)];
    // Each of these is so many instructions before the decision's end, where PASS and DROP are.
    for (index, &number) in IP6_EXTENSIONS.iter().enumerate() {
        let behind = IP6_EXTENSIONS.len() - index;
        program.push(jump(IF_EQUAL, number, behind + decision.len() - 2, 0));
    }
    program.push(DROP);
    program.extend(decision);
    program
}

/// What follows the number of a VLAN tag: the EtherType inside it, and what that means.
fn tagged(ports: PortRange) -> Vec<sock_filter> {
    let (ip4, ip6) = (ip4(VLAN_TAG, ports), ip6(VLAN_TAG, ports));
    let mut program =
        vec![load(LOAD_HALF, 2), jump(IF_EQUAL, 0x0800, 2, 0), jump(IF_EQUAL, 0x86dd, 1 + ip4.len(), 0), PASS];
    program.extend(ip4);
    program.extend(ip6);
    program
}
