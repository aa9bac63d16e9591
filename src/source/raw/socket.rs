//! The system calls of raw capture, as safe words.

use super::Received;
use crate::packet::{LEADING_TO_IP, Start, ether_type};
use libc::{c_int, c_void, sock_filter};
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};
use std::ffi::CString;
use std::io;
use std::mem::{MaybeUninit, size_of, zeroed};
use std::net::IpAddr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::{AtomicU32, Ordering};

/// Room for the control messages asked for, a time and a count, each with its header; aligned as headers must be.
type Control = [u64; 16];

/// Of packet sockets: what this machine sends is not for it (Linux 4.20). The crate `libc` lacks the name.
const PACKET_IGNORE_OUTGOING: c_int = 23;
/// Kinds of interface that the crate `libc` lacks too.
const ARPHRD_RAWIP: u16 = 519;
const ARPHRD_IP6GRE: u16 = 823;
/// Interfaces whose frames have an EtherType, or are IP: Ethernet and what is made to look like it, Wi-Fi,
/// InfiniBand, PPP, tunnels, loopback, nothing at all.
const READABLE_LINKS: [u16; 14] = [
    libc::ARPHRD_ETHER,
    libc::ARPHRD_IEEE802,
    libc::ARPHRD_IEEE80211,
    libc::ARPHRD_INFINIBAND,
    libc::ARPHRD_PPP,
    ARPHRD_RAWIP,
    libc::ARPHRD_TUNNEL,
    libc::ARPHRD_TUNNEL6,
    libc::ARPHRD_LOOPBACK,
    libc::ARPHRD_SIT,
    libc::ARPHRD_IPGRE,
    ARPHRD_IP6GRE,
    libc::ARPHRD_NONE,
    libc::ARPHRD_VOID,
];

/// What the packets of a socket begin with.
#[derive(Clone, Copy, Debug)]
pub(super) enum Starts {
    /// All with the same.
    With(Start),
    /// Packets of a packet socket, all with what follows this EtherType.
    OfType(u16),
    /// The same, where those that are addressed to this machine come again without what is in front of IP.
    OfTypeOrDelivered(u16),
    /// With what the address that the kernel makes up for each packet of a packet socket says. Below VLAN tags, kernels
    /// differ in what they say.
    AsTold,
}

/// One socket and what its packets begin with.
#[derive(Debug)]
pub(super) struct Socket {
    fd: OwnedFd,
    starts: Starts,
    is_only_counted: bool,
    drops: DropCount,
}

/// The kernel's count of the packets that it has dropped at a socket, as whichever of the reading processes has seen it
/// last: it comes with one packet or another, which one of them has taken. In memory that children of the process
/// share.
#[derive(Debug)]
struct DropCount(NonNull<AtomicU32>);

// SAFETY: the pointer is to an atomic, in memory that nothing else has and that is unmapped with the value alone.
unsafe impl Send for DropCount {}

impl DropCount {
    fn new() -> io::Result<DropCount> {
        let (prot, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED);
        // SAFETY: a new anonymous mapping at an address of the kernel's choice aliases nothing.
        let place = unsafe { mmap_anonymous(null_mut(), size_of::<AtomicU32>(), prot, flags)? };
        // It begins as zero bytes, at the start of a page.
        Ok(DropCount(NonNull::new(place.cast()).ok_or(io::ErrorKind::OutOfMemory)?))
    }

    /// How many packets `count`, the kernel's, has that no process has been told of. A count that is older than the one
    /// last seen, by less than half of its range, has none.
    fn advance(&self, count: u32) -> u32 {
        // SAFETY: it is mapped for as long as the value lives.
        let seen = unsafe { self.0.as_ref() };
        let newer = |last: u32| (count.wrapping_sub(last) as i32 > 0).then_some(count);
        seen.fetch_update(Ordering::Relaxed, Ordering::Relaxed, newer).map_or(0, |last| count.wrapping_sub(last))
    }
}

impl Drop for DropCount {
    fn drop(&mut self) {
        // SAFETY: this is the mapping of `new`, which ends with the value that alone has its address.
        let _ = unsafe { munmap(self.0.as_ptr().cast(), size_of::<AtomicU32>()) };
    }
}

impl Socket {
    /// Opens a socket that exec closes.
    pub fn open(family: c_int, kind: c_int, protocol: c_int, starts: Starts) -> io::Result<Socket> {
        // SAFETY: `socket` touches no memory of ours.
        let fd = checked(unsafe { libc::socket(family, kind | libc::SOCK_CLOEXEC, protocol) })?;
        // SAFETY: the system has just made this descriptor for us, and nobody else closes it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Socket { fd, starts, is_only_counted: false, drops: DropCount::new()? })
    }

    /// Notes that nothing that comes from it is read further than to be counted.
    pub fn only_count(&mut self) {
        self.is_only_counted = true;
    }

    /// See [`Socket::only_count`].
    pub fn is_only_counted(&self) -> bool {
        self.is_only_counted
    }

    /// Asks for times and counts with each packet, and for a receive buffer of `bytes`, or as much as the system
    /// allows.
    pub fn prepare(&self, bytes: c_int) -> io::Result<()> {
        self.set(libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, &1)?;
        self.set(libc::SOL_SOCKET, libc::SO_RXQ_OVFL, &1)?;
        // The first goes beyond the system's limit, and takes CAP_NET_ADMIN.
        self.set(libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, &bytes)
            .or_else(|_| self.set(libc::SOL_SOCKET, libc::SO_RCVBUF, &bytes))
    }

    /// Has the kernel drop what `program` does not pass.
    pub fn attach_filter(&self, program: &[sock_filter]) -> io::Result<()> {
        let len = u16::try_from(program.len()).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
        // The kernel only reads the program, and copies it.
        let program = libc::sock_fprog { len, filter: program.as_ptr().cast_mut() };
        self.set(libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)
    }

    /// Leaves out what this machine sends, for which an older kernel has no words.
    pub fn ignore_outgoing(&self) {
        let _ = self.set(libc::SOL_PACKET, PACKET_IGNORE_OUTGOING, &1);
    }

    /// Begins to receive packets of one EtherType (or `ETH_P_ALL`) from the interface with this index; 0 for all of
    /// them.
    pub fn bind_to_link(&self, ether_type: u16, interface: i32) -> io::Result<()> {
        // SAFETY: all zero bytes are a valid `sockaddr_ll`.
        let mut address: libc::sockaddr_ll = unsafe { zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = ether_type.to_be();
        address.sll_ifindex = interface;
        self.bind(&address)
    }

    /// Receives from one interface only.
    pub fn bind_to_device(&self, name: &str) -> io::Result<()> {
        let (fd, name, len) = (self.fd.as_raw_fd(), name.as_ptr().cast::<c_void>(), name.len() as u32);
        // SAFETY: pointer and length are those of a text that outlives the call.
        checked(unsafe { libc::setsockopt(fd, libc::SOL_SOCKET, libc::SO_BINDTODEVICE, name, len) })?;
        Ok(())
    }

    /// Receives only what is sent to `address`.
    pub fn bind_to_address(&self, address: IpAddr) -> io::Result<()> {
        match address {
            IpAddr::V4(ip) => {
                // SAFETY: all zero bytes are a valid `sockaddr_in`.
                let mut address: libc::sockaddr_in = unsafe { zeroed() };
                address.sin_family = libc::AF_INET as u16;
                address.sin_addr.s_addr = u32::from_ne_bytes(ip.octets());
                self.bind(&address)
            }
            IpAddr::V6(ip) => {
                // SAFETY: all zero bytes are a valid `sockaddr_in6`.
                let mut address: libc::sockaddr_in6 = unsafe { zeroed() };
                address.sin6_family = libc::AF_INET6 as u16;
                address.sin6_addr.s6_addr = ip.octets();
                self.bind(&address)
            }
        }
    }

    /// Keeps the interface with this index promiscuous as long as this socket is open anywhere.
    pub fn be_promiscuous(&self, interface: i32) -> io::Result<()> {
        let kind = libc::PACKET_MR_PROMISC as u16;
        let membership = libc::packet_mreq { mr_ifindex: interface, mr_type: kind, mr_alen: 0, mr_address: [0; 8] };
        self.set(libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP, &membership)
    }

    /// Takes a packet without waiting; `None` when there is none.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<Received>> {
        // SAFETY: all zero bytes are a valid `sockaddr_ll`.
        let mut from: libc::sockaddr_ll = unsafe { zeroed() };
        let mut control = MaybeUninit::<Control>::zeroed();
        let mut place = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
        // SAFETY: all zero bytes are a valid `msghdr`.
        let mut message: libc::msghdr = unsafe { zeroed() };
        if !matches!(self.starts, Starts::With(_)) {
            message.msg_name = (&raw mut from).cast();
            message.msg_namelen = size_of::<libc::sockaddr_ll>() as u32;
        }
        message.msg_iov = &mut place;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = size_of::<Control>();
        // SAFETY: address, buffer and control messages have the lengths that are given, and outlive the call; nobody
        // else uses them.
        let length = unsafe { libc::recvmsg(self.fd.as_raw_fd(), &mut message, libc::MSG_DONTWAIT) };
        if length < 0 {
            let error = io::Error::last_os_error();
            return match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(None),
                _ => Err(error),
            };
        }
        let mut received = Received {
            start: self.start(&from),
            length: (length as usize).min(buffer.len()),
            truncated: message.msg_flags & libc::MSG_TRUNC != 0,
            time_us: None,
            dropped: 0,
            is_only_counted: self.is_only_counted,
        };
        self.read_control(&message, &mut received);
        Ok(Some(received))
    }

    fn start(&self, from: &libc::sockaddr_ll) -> Start {
        let number = match self.starts {
            Starts::With(start) => return start,
            Starts::OfTypeOrDelivered(number) if from.sll_pkttype == libc::PACKET_HOST => {
                return Start::Delivered(number);
            }
            Starts::OfType(number) | Starts::OfTypeOrDelivered(number) => number,
            Starts::AsTold => u16::from_be(from.sll_protocol),
        };
        let is_readable = match number {
            // On other links Linux has these numbers for what is no LLC: on Wi-Fi in monitor mode for frames with a
            // radio's header.
            ether_type::NOVELL | ether_type::LLC => READABLE_LINKS.contains(&from.sll_hatype),
            // Numbers of Linux for other kinds of link: 802.15.4, CAN, the ports of a switch's chip.
            ..ether_type::LOWEST => false,
            _ => LEADING_TO_IP.contains(&number) || READABLE_LINKS.contains(&from.sll_hatype),
        };
        if is_readable { Start::EtherType(number) } else { Start::ForeignLink }
    }

    /// Finds time and count among a packet's control messages.
    fn read_control(&self, message: &libc::msghdr, received: &mut Received) {
        // SAFETY: `message` is as `recvmsg` has filled it, its control buffer is alive.
        let mut header = unsafe { libc::CMSG_FIRSTHDR(message) };
        // SAFETY: null, or a header within the control buffer, which is aligned for it.
        while let Some(control) = unsafe { header.as_ref() } {
            // SAFETY: the header came from the same message.
            let content = unsafe { libc::CMSG_DATA(header) };
            match (control.cmsg_level, control.cmsg_type) {
                (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => {
                    // SAFETY: the kernel gives a `timespec` with this type; it may lie anywhere.
                    let time = unsafe { content.cast::<libc::timespec>().read_unaligned() };
                    received.time_us = Some(time.tv_sec * 1_000_000 + time.tv_nsec / 1000);
                }
                (libc::SOL_SOCKET, libc::SO_RXQ_OVFL) => {
                    // SAFETY: the kernel gives a 32-bit count with this type; it may lie anywhere.
                    let dropped = unsafe { content.cast::<u32>().read_unaligned() };
                    received.dropped = self.drops.advance(dropped);
                }
                _ => {}
            }
            // SAFETY: message and header belong together.
            header = unsafe { libc::CMSG_NXTHDR(message, header) };
        }
    }

    fn set<T>(&self, level: c_int, option: c_int, value: &T) -> io::Result<()> {
        let (value, len) = (std::ptr::from_ref(value).cast::<c_void>(), size_of::<T>() as u32);
        // SAFETY: pointer and length are those of a value that outlives the call; the kernel only reads it.
        checked(unsafe { libc::setsockopt(self.fd.as_raw_fd(), level, option, value, len) })?;
        Ok(())
    }

    fn bind<T>(&self, address: &T) -> io::Result<()> {
        let (address, len) = (std::ptr::from_ref(address).cast::<libc::sockaddr>(), size_of::<T>() as u32);
        // SAFETY: pointer and length are those of an address that outlives the call; the kernel only reads it.
        checked(unsafe { libc::bind(self.fd.as_raw_fd(), address, len) })?;
        Ok(())
    }
}

/// Waits until a signal comes or one of `sockets`, of which there are at most 32, has a packet or an error; answers
/// which, a bit each.
pub(super) fn wait(sockets: &[Socket]) -> io::Result<u32> {
    let mut places = [libc::pollfd { fd: -1, events: libc::POLLIN, revents: 0 }; u32::BITS as usize];
    places.iter_mut().zip(sockets).for_each(|(place, socket)| place.fd = socket.fd.as_raw_fd());
    let count = sockets.len().min(places.len()) as libc::nfds_t;
    // SAFETY: pointer and count are those of an array that outlives the call.
    match checked(unsafe { libc::poll(places.as_mut_ptr(), count, -1) }) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(0),
        Err(error) => Err(error),
        Ok(_) => Ok(places.iter().rev().fold(0, |ready, place| ready << 1 | u32::from(place.revents != 0))),
    }
}

/// The number of an interface.
pub(super) fn interface_index(name: &str) -> io::Result<i32> {
    let name = CString::new(name)?;
    // SAFETY: the name is terminated and outlives the call.
    match unsafe { libc::if_nametoindex(name.as_ptr()) } {
        0 => Err(io::Error::last_os_error()),
        index => Ok(index as i32),
    }
}

fn checked(answer: c_int) -> io::Result<c_int> {
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(answer) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_dropped_packet_is_told_once_whoever_sees_the_count_and_in_whatever_order() {
        let drops = DropCount::new().expect("a page");
        let told: Vec<u32> = [0, 3, 2, 3, 10, 9].map(|count| drops.advance(count)).into();
        assert_eq!(told, [0, 3, 0, 0, 7, 0]);
    }

    #[test]
    fn a_count_that_starts_again_at_0_goes_on() {
        let drops = DropCount::new().expect("a page");
        let told: Vec<u32> = [i32::MAX as u32, u32::MAX - 1, 1, u32::MAX].map(|count| drops.advance(count)).into();
        assert_eq!(told, [i32::MAX as u32, (u32::MAX - 1) - i32::MAX as u32, 3, 0]);
    }
}
