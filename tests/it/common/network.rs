//! A network of the test's own: a namespace with a pair of interfaces, `near` (a server looks at it) and `far` (the
//! test sends into it).
//!
//! The other end can be a host of its own ([`Host`]).
//!
//! A namespace lives as long as a process is in it. Here these are the thread of the test and a child of it, which the
//! kernel kills when the thread ends, however it ends; so nothing is left behind. Making one needs root.

use super::wait::within;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use sipcapture_core::packet::{LinkType as PcapLinkType, PcapWriter};
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::panic::resume_unwind;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// The interface at which a server looks.
pub const NEAR: &str = "near0";
/// The interface at the other end of the cable.
pub const FAR: &str = "far0";
/// The link-layer address of [`NEAR`].
pub const NEAR_LINK: &str = "02:00:00:00:00:01";
/// Addresses of [`NEAR`].
pub const NEAR_IP4: &str = "192.0.2.1";
/// See [`NEAR_IP4`].
pub const NEAR_IP6: &str = "2001:db8::1";

/// Address of [`FAR`] on a host of its own.
pub const FAR_IP4: &str = "192.0.2.2";
/// See [`FAR_IP4`].
pub const FAR_IP6: &str = "2001:db8::2";

/// A child that ends with its owner.
struct Helper(Child);

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A namespace that the calling thread is in.
pub struct Network {
    keeper: Helper,
}

/// Runs `body` in a new network, on a thread of its own. Servers and programs that it starts are in that network too.
pub fn in_network(body: impl FnOnce(&Network) + Send) {
    let ended = std::thread::scope(|scope| scope.spawn(|| body(&Network::enter())).join());
    ended.unwrap_or_else(|panic| resume_unwind(panic));
}

impl Network {
    fn enter() -> Network {
        assert!(
            rustix::process::geteuid().is_root(),
            "this test makes a network of its own, which only root may: run it as root"
        );
        let network = Network { keeper: keep_namespace() };
        enter_namespace_of(&network.keeper);
        for command in [
            "link set lo up",
            &format!("link add {NEAR} address {NEAR_LINK} type veth peer name {FAR}"),
            &format!("address add {NEAR_IP4}/24 dev {NEAR}"),
            &format!("address add {NEAR_IP6}/64 dev {NEAR} nodad"),
            &format!("link set {NEAR} up"),
            &format!("link set {FAR} up"),
            // Whoever is said to have sent a packet must be on the way back, or the kernel takes it for forged.
            &format!("route add default dev {NEAR}"),
        ] {
            ip(command);
        }
        network
    }

    /// Puts frames on the cable at [`FAR`], in this order.
    pub fn send(&self, frames: &[Vec<u8>]) {
        self.send_paced(1000, frames);
    }

    /// As [`Network::send`], so many a second.
    pub fn send_paced(&self, rate: u32, frames: &[Vec<u8>]) {
        let directory = TempDir::new().expect("a private directory");
        let path = directory.path().join("frames.pcap");
        let mut file = PcapWriter::new(Vec::new(), PcapLinkType::Ethernet).expect("a Vec takes every write");
        frames.iter().for_each(|frame| file.write(0, frame).expect("a frame is short"));
        fs::write(&path, file.finish().expect("a Vec takes every write")).expect("the capture file is written");
        self.replay(rate, &path, frames.len());
    }

    /// Puts the frames of a pcap file, of which there are so many, on the cable at [`FAR`], so many a second.
    pub fn replay(&self, rate: u32, file: &Path, frames: usize) {
        let mut replay = Command::new("tcpreplay");
        replay.args(["--quiet", "--pps", &rate.to_string(), "--intf1", FAR]).arg(file);
        let output = replay.output().expect("tcpreplay starts");
        let told = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && told.contains(&format!("{frames} packets")), "tcpreplay: {told}");
    }

    /// Has both ends say nothing of their own: with IPv6 they would ask for routers and tell of their groups, also long
    /// after they are up. [`NEAR_IP6`] goes with it.
    pub fn quieten(&self) {
        for interface in [NEAR, FAR] {
            fs::write(format!("/proc/sys/net/ipv6/conf/{interface}/disable_ipv6"), "1")
                .expect("root may keep IPv6 away");
        }
    }

    /// How many frames have come over the cable to [`NEAR`].
    pub fn arrived(&self) -> u64 {
        let shown = ip(&format!("-statistics link show {NEAR}"));
        let behind =
            shown.lines().skip_while(|line| !line.trim_start().starts_with("RX:")).nth(1).expect("ip shows what came");
        behind.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
    }

    /// How many ask for an interface to be promiscuous.
    pub fn promiscuity(&self, interface: &str) -> u32 {
        let shown = ip(&format!("-details link show {interface}"));
        let behind = shown.split_once("promiscuity ").expect("ip shows the promiscuity").1;
        behind.split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number")
    }
}

/// A host of its own at the far end, with a kernel's manners of its own.
pub struct Host {
    keeper: Helper,
}

impl Network {
    /// Puts [`FAR`] into a host of its own, with the addresses [`FAR_IP4`] and [`FAR_IP6`].
    pub fn far_host(&self) -> Host {
        let host = Host { keeper: keep_namespace() };
        ip(&format!("link set {FAR} netns {}", host.keeper.0.id()));
        host.run(|| {
            ip("link set lo up");
            ip(&format!("address add {FAR_IP4}/24 dev {FAR}"));
            ip(&format!("address add {FAR_IP6}/64 dev {FAR} nodad"));
            ip(&format!("link set {FAR} up"));
        });
        host
    }
}

impl Host {
    /// Runs `body` there, on a thread of its own. Sockets that it opens stay there.
    pub fn run<T: Send>(&self, body: impl FnOnce() -> T + Send) -> T {
        let ended = std::thread::scope(|scope| {
            let on_host = || {
                enter_namespace_of(&self.keeper);
                body()
            };
            scope.spawn(on_host).join()
        });
        ended.unwrap_or_else(|panic| resume_unwind(panic))
    }
}

/// A child in a new namespace, which the kernel kills when the calling thread ends.
fn keep_namespace() -> Helper {
    let mut keep = Command::new("setpriv");
    keep.args(["--pdeathsig", "KILL", "unshare", "--net", "sleep", "infinity"]).stdin(Stdio::null());
    let keeper = Helper(keep.spawn().expect("setpriv of util-linux starts"));
    let of = |process: &str| fs::read_link(format!("/proc/{process}/ns/net")).ok();
    let (pid, own) = (keeper.0.id().to_string(), of("thread-self"));
    within(Duration::from_secs(10), "the namespace is made", || of(&pid).is_some_and(|it| Some(it) != own));
    keeper
}

fn enter_namespace_of(keeper: &Helper) {
    let namespace = File::open(format!("/proc/{}/ns/net", keeper.0.id())).expect("the child's namespace opens");
    let kind = Some(LinkNameSpaceType::Network);
    move_into_link_name_space(namespace.as_fd(), kind).expect("root may enter a namespace");
}

/// Runs `ip` with words, and answers what it says.
pub fn ip(words: &str) -> String {
    let output = Command::new("ip").args(words.split(' ')).output().expect("ip of iproute2 starts");
    assert!(output.status.success(), "ip {words}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A kind of interface (`ARPHRD_...` of Linux) for a [`Tun`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkType {
    /// No header at all, as tunnels have it.
    None = 65_534,
    /// PPP.
    Ppp = 512,
    /// Wi-Fi in monitor mode: a radio's header before each frame.
    WifiMonitor = 803,
    /// IEEE 802.15.4, which is nothing like Ethernet.
    Lowpan = 804,
}

/// An interface of which the test is the cable: what it writes, the kernel receives there.
pub struct Tun {
    writer: Helper,
}

impl Network {
    /// Makes an interface of this name and kind.
    pub fn tun(&self, name: &str, kind: LinkType) -> Tun {
        // TUNSETIFF with IFF_TUN, and TUNSETLINK; then packets, each with its length before it.
        let program = r#"
            my ($name, $kind) = @ARGV;
            open(my $tun, "+<", "/dev/net/tun") or die "no /dev/net/tun: $!";
            ioctl($tun, 0x400454ca, pack("a16 s x22", $name, 1)) or die "no $name: $!";
            ioctl($tun, 0x400454cd, int($kind)) or die "no kind $kind: $!";
            $| = 1;
            print "made\n";
            while (read(STDIN, my $length, 2)) {
                read(STDIN, my $packet, unpack("n", $length));
                defined(syswrite($tun, $packet)) or die "not taken: $!";
            }
            print "written\n";
            sleep;
        "#;
        let mut perl = Command::new("perl");
        perl.args(["-e", program, name, &(kind as u32).to_string()]);
        perl.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut tun = Tun { writer: Helper(perl.spawn().expect("perl starts")) };
        tun.await_line("made");
        fs::write(format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6"), "1").expect("root may keep IPv6 away");
        ip(&format!("link set {name} up"));
        tun
    }
}

impl Tun {
    fn await_line(&mut self, expected: &str) {
        let out = self.writer.0.stdout.as_mut().expect("the output is piped");
        let mut line = vec![0; expected.len() + 1];
        out.read_exact(&mut line).expect("perl says what it has done");
        assert_eq!(String::from_utf8_lossy(&line).trim_end(), expected);
    }

    /// Has the kernel receive packets, each with its EtherType, and no more after them.
    pub fn send(&mut self, packets: &[(u16, Vec<u8>)]) {
        let mut input = self.writer.0.stdin.take().expect("a cable is used once");
        for (ether_type, packet) in packets {
            let packet = [&[0, 0], &ether_type.to_be_bytes()[..], packet].concat();
            let length = u16::try_from(packet.len()).expect("a short packet").to_be_bytes();
            input.write_all(&[&length[..], &packet].concat()).expect("perl reads");
        }
        drop(input);
        self.await_line("written");
    }
}
