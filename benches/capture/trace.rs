//! Processor time that `sip_trace()` adds to a SIP worker, for each message: packets over UDP and TCP, and rows.

use crate::bursts::{self, MESSAGES};
use crate::common::kamailio::{ConfigBuilder, Kamailio, Module};
use crate::common::rows::{count, execute};
use crate::common::stock_schema::trace_table;
use crate::common::wait::within;
use crate::generator::Generator;
use crate::server::{Database, Engine};
use rustix::net::sockopt::set_socket_recv_buffer_size;
use std::io::Read as _;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// Calls of `sip_trace()` for each message: one alone is a small part of what receiving and parsing a message costs.
const CALLS: usize = 5;
/// By when everything traced must have arrived.
const PATIENCE: Duration = Duration::from_secs(120);

/// How packets get to the collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A packet a datagram.
    Udp,
    /// One connection.
    Tcp,
}

impl Transport {
    /// Both.
    pub const ALL: [Transport; 2] = [Transport::Udp, Transport::Tcp];

    /// The name on the command line, in URIs and in the results.
    pub fn name(self) -> &'static str {
        match self {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
        }
    }
}

/// What a `sip_trace()` that sends a HEPv3 packet adds to the processor time of a worker, microseconds a message.
pub fn added_by_packets_us(transport: Transport, module: Module) -> f64 {
    let collector = Collector::open(transport);
    let uri = format!("sip:{};transport={}", collector.address, transport.name());
    let agent = agent(module).tcp().param("siptrace", "trace_to_database", 0).param("siptrace", "hep_mode_on", 1);
    let agent = agent.param("siptrace", "hep_version", 3).param("siptrace", "duplicate_uri", &uri);
    // The kernel may have no room for a burst of datagrams, but most arrive.
    let least = if transport == Transport::Udp { 0.5 } else { 1.0 };
    added_us(agent, module, least, || collector.messages.load(Ordering::Relaxed))
}

/// What a `sip_trace()` that stores a row adds to the processor time of a worker, microseconds a message.
pub fn added_by_rows_us(database: &Database, module: Module) -> f64 {
    execute(database.url(), &fresh(database.engine()));
    let agent = agent(module).param("siptrace", "db_url", database.url());
    let agent = match (module, database.engine()) {
        (Module::Ours, _) => agent,
        (Module::Stock, Engine::Sqlite) => agent.load_first("db_sqlite.so"),
        (Module::Stock, Engine::Mysql) => agent.load_first("db_mysql.so"),
        (Module::Stock, Engine::Postgres) => agent.load_first("db_postgres.so"),
    };
    added_us(agent, module, 1.0, || count(database.url(), "sip_trace"))
}

fn agent(module: Module) -> ConfigBuilder {
    ConfigBuilder::new().children(1).load_agent(module).param("siptrace", "trace_on", 1)
}

/// `arrived` counts what the collector, or the table, has; `least` is the part of all that must be there in the end.
fn added_us(agent: ConfigBuilder, module: Module, least: f64, arrived: impl Fn() -> u64) -> f64 {
    let without = agent.clone().route("request_route", "exit;").route("onreply_route", "drop;").start();
    let calls = "sip_trace(); ".repeat(CALLS);
    let with = agent.route("request_route", &(calls.clone() + "exit;")).route("onreply_route", &(calls + "drop;"));
    let with = with.start();
    let plain = |server: &Kamailio| Generator::plain(server.address(), "trace");
    let added = bursts::added_us(&with, &without, plain).expect("a worker that traces goes on");
    let all = MESSAGES * CALLS as u64;
    within(PATIENCE, "what was traced arrives", || arrived() as f64 >= all as f64 * least);
    if module == Module::Ours {
        assert_eq!(with.statistics_of("siptrace")["dropped"], 0, "a trace that is dropped costs less");
    }
    added / CALLS as f64
}

/// The statements that make an empty table of traces as the stock module wants it, whatever was there before.
fn fresh(engine: Engine) -> String {
    let table = match engine {
        // The stock driver for SQLite makes NULL of what is empty.
        Engine::Sqlite => trace_table("INTEGER", "TIMESTAMP", "INTEGER", "TEXT").replace(" DEFAULT '' NOT NULL", ""),
        Engine::Mysql => trace_table("INT UNSIGNED AUTO_INCREMENT", "DATETIME", "INT UNSIGNED", "MEDIUMTEXT"),
        Engine::Postgres => trace_table("SERIAL", "TIMESTAMP WITHOUT TIME ZONE", "INTEGER", "TEXT"),
    };
    let indexes: String =
        [("traced_user", "traced_user"), ("date", "time_stamp"), ("fromip", "fromip"), ("callid", "callid")]
            .map(|(name, column)| format!("CREATE INDEX sip_trace_{name}_idx ON sip_trace ({column});\n"))
            .concat();
    format!(
        "DROP TABLE IF EXISTS sip_trace;\nDROP TABLE IF EXISTS version;\n\
         CREATE TABLE version (table_name VARCHAR(32) NOT NULL, table_version INTEGER DEFAULT 0 NOT NULL);\n\
         INSERT INTO version VALUES ('sip_trace', 4);\n{table};\n{indexes}"
    )
}

/// Someone who takes packets and counts them, until the end of the program.
struct Collector {
    address: SocketAddr,
    messages: Arc<AtomicU64>,
}

impl Collector {
    fn open(transport: Transport) -> Collector {
        let messages = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&messages);
        let address = match transport {
            Transport::Udp => {
                let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
                set_socket_recv_buffer_size(&socket, 8 << 20).expect("a buffer's size is taken");
                let address = socket.local_addr().expect("a bound socket");
                thread::spawn(move || take_datagrams(&socket, &counted));
                address
            }
            Transport::Tcp => {
                let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
                let address = listener.local_addr().expect("a bound socket");
                thread::spawn(move || take_connections(&listener, &counted));
                address
            }
        };
        Collector { address, messages }
    }
}

fn take_datagrams(socket: &UdpSocket, counted: &AtomicU64) {
    let mut packet = vec![0; 65_535];
    while socket.recv(&mut packet).is_ok() {
        counted.fetch_add(1, Ordering::Relaxed);
    }
}

fn take_connections(listener: &TcpListener, counted: &Arc<AtomicU64>) {
    for stream in listener.incoming() {
        let Ok(mut stream) = stream else { return };
        let counted = Arc::clone(counted);
        // The end of a server is the end of its connections.
        thread::spawn(move || {
            let mut header = [0; 6];
            let mut rest = vec![0; 65_535];
            while stream.read_exact(&mut header).is_ok() {
                assert_eq!(&header[..4], b"HEP3", "a connection carries packets one behind the other");
                let len = usize::from(u16::from_be_bytes([header[4], header[5]]));
                if stream.read_exact(&mut rest[..len - header.len()]).is_err() {
                    return;
                }
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
}
