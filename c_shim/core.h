/*
 * The contract between a host's shim and the sipcapture core.
 *
 * A shim names parameters and functions to its host, fills the structs below and hands on what the core answers. It
 * holds no rule of its own. src/abi/contract.rs is this file as bindgen reads it (`make bindings` after a change; a
 * test compares them), and the core checks at compile time that it defines each function as it stands there.
 *
 * Order of calls (one handle a module):
 *
 *   sc_parameter_at, sc_parameter_meant, sc_command_at,
 *   sc_command_in_module, sc_chunk_*, sc_outer_*                at any time, without a handle
 *   sc_core_new                                                 configuration, main process
 *   -> sc_core_set_text, sc_core_set_number                     any number
 *   -> sc_core_check
 *   -> sc_raw_open                                              as long as the server may open raw sockets
 *   -> sc_wait_open                                             where processes wait for what they have queued
 *   -> sc_core_map_lanes                                        last call before the first fork
 *   -> sc_core_attach                                           first call in each forked process, but see below
 *   -> sc_capture_*, sc_hep_*, sc_trace_send                    any number, from any attached process
 *   -> sc_wait_*                                                any number, from any attached process
 *   -> sc_writer_supervise                                      in the processes that sc_core_writers asked for
 *   -> sc_raw_receive, sc_hep_end                               in the attached processes that sc_raw_open asked for
 *   -> sc_core_finish -> sc_core_free                           main process, after its children have ended
 *
 *   sc_trace_bind                                               before sc_core_check
 *   sc_packet_begin -> sc_packet_add -> sc_packet_finish        any number, from any process, at any time
 *   sc_capture_setup, sc_trace_setup, sc_core_refuse,
 *   sc_counter_at, sc_counter_exported, sc_counter_not_exported at any time, of what is set by then
 *   sc_forward_open                                             before the first fork
 *   -> sc_forward_expect, sc_forward_expect_any                 likewise
 *   -> sc_forward_next, sc_forward_found, sc_forward_not_found  in the process that sc_forward_needs_process asked for
 *   sc_forward_find, sc_forward_failed                          any number, from any process
 *   sc_trace_is_on, sc_trace_lose, sc_command, sc_counter_value any number, from any process, attached or not, once
 *                                                               lanes are mapped
 *   sc_trace_scope, sc_trace_decide, sc_trace_variable_value    any number, from any process, at any time
 *   sc_core_attach in a process that could not be told          before or after any of these three, or after an
 *   at its fork                                                 SC_ERR_WRONG_STATE of sc_trace_send, which is then
 *                                                               called again
 *
 * A call out of order answers SC_ERR_WRONG_STATE and changes nothing. Every function accepts null pointers and freed
 * handles and answers SC_ERR_NULL_POINTER or SC_ERR_UNKNOWN_HANDLE. A panic in the core ends as SC_ERR_PANIC. Outputs
 * stay untouched unless the answer is SC_OK. No function keeps a pointer that it was given. None may be called from a
 * signal handler.
 *
 * Threads. In each process a handle belongs to one thread, its owner:
 *
 *   - the thread that called sc_core_new; in a forked process the first thread that calls one of the owner's functions;
 *   - from its sc_core_attach on, the thread that called it: any thread, unless the owner has attached and still runs;
 *   - once the owner has ended, the next thread that calls one of the owner's functions.
 *
 * Any thread may call, at any time, whatever another one is doing with the handle:
 *   sc_command, sc_counter_at, sc_counter_exported, sc_counter_value, sc_trace_is_on, sc_trace_lose
 * and what needs no handle. Any thread may call sc_core_free, but while the owner is in a call.
 * All other functions are the owner's.
 *
 * A call that is another thread's to make, or that is made while another thread is in one of the owner's functions,
 * answers SC_ERR_WRONG_THREAD and changes nothing. From a callback of the core (log, sc_reply, database_*) only what
 * any thread may call may be called with the same handle: the rest answers SC_ERR_WRONG_STATE.
 */
#ifndef SIPCAPTURE_CORE_H
#define SIPCAPTURE_CORE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Raised by every change of this file that an older shim would not survive. */
#define SC_CONTRACT_VERSION 6u

/* What a call came to. Numbers are never reused. */
typedef enum sc_status {
    SC_OK = 0,
    SC_ERR_NULL_POINTER = -1,     /* a pointer that must not be null was */
    SC_ERR_UNKNOWN_HANDLE = -2,   /* the handle was never made, or is freed */
    SC_ERR_PANIC = -3,            /* a fault of the core, contained; logged */
    SC_ERR_WRONG_STATE = -4,      /* called out of order */
    SC_ERR_CONTRACT_VERSION = -5, /* shim and core were built from different versions of this file */
    SC_ERR_UNKNOWN_NAME = -6,     /* no such module, parameter, command or counter */
    SC_ERR_INVALID_VALUE = -7,    /* a parameter's or argument's value; the log names it and what is allowed */
    SC_ERR_IO = -8,               /* the system refused memory, a file or a process; logged */
    SC_ERR_CAPTURE_OFF = -9,      /* capture is switched off */
    SC_ERR_QUEUE_FULL = -10,      /* the lane has no room; counted */
    SC_ERR_TOO_LARGE = -11,       /* the message exceeds what a capture can hold; counted */
    SC_ERR_REFUSED = -12, /* the message is malformed and none such are wanted, or lacks what its table is found by, or
                           * the headers that tracing asks for; counted */
    SC_ERR_NO_COLLECTOR = -13, /* neither parameters nor the script say where to */
    SC_ERR_NO_TABLE = -14,     /* the script's name for a table will not do: the rows are lost, and counted */
    SC_ERR_WRONG_THREAD = -15  /* this function is another thread's to call, see "Threads" above */
} sc_status;

/* Bytes that somebody else owns; `ptr` may be null only when `len` is 0. Not terminated. */
typedef struct sc_bytes {
    const char *ptr;
    size_t len;
} sc_bytes;

/* Levels of the host's log. */
typedef enum sc_log_level {
    SC_LOG_ERROR = 1,
    SC_LOG_WARNING = 2,
    SC_LOG_INFO = 3,
    SC_LOG_DEBUG = 4
} sc_log_level;

/* ---- databases that the host's own drivers serve ---- */

/* What a driver was asked came to. */
typedef enum sc_database_answer {
    SC_DATABASE_YES = 0,           /* it is bound, connected, stored, or done */
    SC_DATABASE_NO = 1,            /* it is not */
    SC_DATABASE_NO_MODULE = 2      /* database_bind: the driver's module is not loaded */
} sc_database_answer;

/* What a driver can do: a sum of these. */
#define SC_DRIVER_INSERT 1u         /* connect, insert and close */
#define SC_DRIVER_INSERT_DELAYED 2u /* insert delayed */
#define SC_DRIVER_RUN 4u            /* run a statement of SQL */
#define SC_DRIVER_SELECT 8u         /* select rows by a column's value */

/* How a driver sees a value. */
typedef enum sc_value_kind {
    SC_VALUE_TIME = 1,   /* `number`: seconds since the Unix epoch */
    SC_VALUE_INT = 2,    /* `number`, of 32 bits */
    SC_VALUE_BIGINT = 3, /* `number` */
    SC_VALUE_TEXT = 4,   /* `bytes`, never null */
    SC_VALUE_BLOB = 5    /* `bytes`, never null */
} sc_value_kind;

typedef struct sc_value {
    sc_value_kind kind;
    int64_t number;
    sc_bytes bytes;
} sc_value;

/* One row. The names are terminated behind their length. */
typedef struct sc_row {
    sc_bytes table;
    const sc_bytes *columns;
    const sc_value *values;
    uint32_t count;      /* of columns, and of values */
    uint8_t delayed;     /* not 0: insert delayed; only of a driver that can */
} sc_row;

/* Most columns of a row. */
#define SC_COLUMNS 64u

/* Most sinks that a host's drivers can serve: sinks are numbered below it. */
#define SC_SINKS 256u

/* How the host writes IPv6 addresses. */
typedef enum sc_ipv6_style {
    SC_IPV6_SHORT = 0, /* 2001:db8::1, as inet_ntop writes it */
    SC_IPV6_LOWER = 1, /* 2001:db8:0:0:0:0:0:1 */
    SC_IPV6_UPPER = 2  /* 2001:DB8:0:0:0:0:0:1 */
} sc_ipv6_style;

/* What the host lends to the core. */
typedef struct sc_host {
    uint32_t contract_version; /* SC_CONTRACT_VERSION as the shim was compiled */
    uint32_t release; /* the host's own: major * 1000000 + minor * 1000 + patch; 0: not known, and so the newest */
    sc_ipv6_style ipv6_style;
    int64_t user;          /* user id that the server will run as after its start, or -1 for the present one */
    int64_t group;         /* group id likewise */
    /* Seconds from the moment at which the host is told to end until it kills what has not ended; 0 when it kills
     * nothing. The parameter shutdown_timeout is cut to what each leaves. */
    uint32_t children_kill_timeout; /* of its children, which call sc_writer_supervise */
    uint32_t main_kill_timeout;     /* of its main process, which calls sc_core_finish once they have ended: the same
                                       number where one time is for all */
    /* Writes one line, `text` of `len` bytes without a line end, to the host's log. Called only from threads that have
     * called the core, several at once where several do, or from the main thread of a writer process. */
    void (*log)(sc_log_level level, const char *text, size_t len);

    /* The host's own database drivers; all null when it has none. Sinks are named by their number. */

    /* Finds the driver that the host's module `module` is, and says what it can do. Called in sc_core_check. */
    sc_database_answer (*database_bind)(uint32_t sink, sc_bytes module, uint32_t *abilities);
    /* The others are called in host database processes: children with one thread, one a sink, made from those that
     * called sc_writer_supervise or sc_core_finish; and only what the driver can do. Texts are terminated behind their
     * length. */

    /* `quote` is what the driver puts around names in SQL, empty for nothing; valid until database_close. */
    sc_database_answer (*database_connect)(uint32_t sink, sc_bytes url, sc_bytes *quote);
    sc_database_answer (*database_insert)(uint32_t sink, const sc_row *row);
    /* Runs a statement, whose rows do not matter. */
    sc_database_answer (*database_run)(uint32_t sink, sc_bytes statement);
    /* Selects the rows of `table` whose `column` is `number`, which do not matter either. */
    sc_database_answer (*database_select)(uint32_t sink, sc_bytes table, sc_bytes column, int32_t number);
    void (*database_close)(uint32_t sink);
} sc_host;

/* One module of one host. */
typedef struct sc_core sc_core;

/* ---- configuration: main process, before any fork ---- */

/* How a parameter is set. */
typedef enum sc_parameter_kind {
    SC_PARAMETER_TEXT = 1,   /* by sc_core_set_text; of several values the last counts */
    SC_PARAMETER_NUMBER = 2, /* by sc_core_set_number, likewise */
    SC_PARAMETER_TEXTS = 3   /* by sc_core_set_text, once for each value that it is given */
} sc_parameter_kind;

/* Most parameters that a module has. */
#define SC_PARAMETERS 128u

/* Parameter number `index`, from 0, of module `module` (as sc_core_new knows it): its name, terminated and static, and
 * how it is set. They are listed in the order in which they are to be set, aliases right behind what they stand for.
 * SC_ERR_UNKNOWN_NAME behind the last one. Needs no handle: hosts are told of parameters before their configuration is
 * read. Those of the host's own affairs are not among them. */
sc_status sc_parameter_at(const char *module, uint32_t index, const char **name, sc_parameter_kind *kind);

/* Of parameter number `index`, the number of the one that it sets: its own, or, when its name is another name of that
 * one, that one's. All that is set under the names of one parameter is kept in one place, so that the last counts, and
 * is handed on under the name that the configuration has. */
sc_status sc_parameter_meant(const char *module, uint32_t index, uint32_t *meant);

/* Makes the state of module `module`; known are "kamailio/sipcapture", "kamailio/siptrace" and "opensips/sipcapture". A
 * function that the handle's module does not have answers SC_ERR_WRONG_STATE. */
sc_status sc_core_new(const sc_host *host, const char *module, sc_core **out);

/* Frees the handle and unmaps its lanes in this process, once no other thread is in a call with it. SC_ERR_WRONG_THREAD
 * while the owner is in a call. */
sc_status sc_core_free(sc_core *core);

/* Sets a parameter. An unknown name, a wrong type or a value that is not allowed is logged with what would be right.
 * "opensips/sipcapture" takes two that sc_parameter_at does not list, since they are parameters of others, behind those
 * that it does: the text db_default_url, the core's, for a configuration without db_url, and the number homer5_on, that
 * of proto_hep. */
sc_status sc_core_set_text(sc_core *core, const char *name, sc_bytes value);
sc_status sc_core_set_number(sc_core *core, const char *name, int64_t value);

/* Why the host cannot do what a parameter asks of it. */
typedef enum sc_refusal {
    SC_REFUSAL_NO_ENGINE = 0,    /* there is no script engine that could run the function it names */
    SC_REFUSAL_NO_ROUTE = 1,     /* the event route that it needs is not there */
    SC_REFUSAL_EMPTY_ROUTE = 2,  /* or is empty */
    SC_REFUSAL_EVENT_TAKEN = 3,  /* another module has taken the events that it needs */
    SC_REFUSAL_NO_MODULE = 4,    /* a module that it needs is not loaded */
    SC_REFUSAL_NO_AVP = 5,       /* its value is no AVP */
    SC_REFUSAL_NO_URI = 6,       /* its value is no URI */
    SC_REFUSAL_NO_SOCKET = 7     /* the server does not listen at the socket that it names: a warning, and no more */
} sc_refusal;

/* Logs that parameter `name` with `value` cannot be used, for a reason that the host alone can tell, and what would be
 * right. SC_ERR_UNKNOWN_NAME when this cannot be said of that parameter. */
sc_status sc_core_refuse(sc_core *core, const char *name, sc_bytes value, sc_refusal why);

/* Checks the parameters together, binds the host's drivers that they need, and prepares the embedded database's
 * directory. */
sc_status sc_core_check(sc_core *core);

/* How many processes must run sc_writer_supervise. Valid after sc_core_check. */
sc_status sc_core_writers(sc_core *core, uint32_t *out);

/* Maps shared memory: one lane for each of `producers` processes. Called as the user that the server runs as, sees
 * first that this user can write the embedded database, and takes the spool: while another server uses that, this
 * waits, unless SIGTERM or SIGINT comes, which then reaches the host too. */
sc_status sc_core_map_lanes(sc_core *core, uint32_t producers);

/* ---- processes ---- */

/* Makes lane `producer` (0 to producers - 1) this process's own, and the thread that calls the handle's owner. A lane
 * whose owner, a thread of whatever process, still runs is not given to another: SC_ERR_WRONG_STATE. One whose owner
 * has ended is, with what it had queued; that the owner has waited for it is forgotten. */
sc_status sc_core_attach(sc_core *core, uint32_t producer);

/* Runs writer number `writer` in a child of this process and restarts it when it dies. Returns when the server ends: on
 * SIGTERM, or when the parent of this process is gone. */
sc_status sc_writer_supervise(sc_core *core, uint32_t writer);

/* Stores what the writers left in the lanes, until the parameter shutdown_timeout has passed since the server was told
 * to end, and logs how many messages are still held for names, and lost. Call it once the host's children have ended.
 */
sc_status sc_core_finish(sc_core *core);

/* ---- pseudo-variables ---- */

/* What a pseudo-variable answers. */
typedef enum sc_variable_kind {
    SC_VARIABLE_NULL = 0,    /* there is nothing that could be asked about, or it has no such field */
    SC_VARIABLE_NUMBER = 1,
    SC_VARIABLE_TEXT = 2,
    SC_VARIABLE_BOTH = 3     /* a text that stands for a number */
} sc_variable_kind;

typedef struct sc_variable_value {
    sc_variable_kind kind;
    int64_t number;     /* -1: the field is there, and has no form of its own or cannot be read */
    sc_bytes text;      /* each function says how long it is valid */
} sc_variable_value;

/* ---- captures ---- */

/* An IP address and a port. */
typedef struct sc_address {
    uint8_t length;    /* bytes of `ip` in use: 4 or 16 */
    uint8_t ip[16];    /* network order */
    uint16_t port;     /* host order */
} sc_address;

/* Fields of sc_metadata that a caller fills. */
#define SC_GIVEN_HEP_VERSION 1u
#define SC_GIVEN_IP_PROTOCOL 2u
#define SC_GIVEN_TIME 4u
#define SC_GIVEN_AGENT 8u
#define SC_GIVEN_CORRELATION 16u
#define SC_GIVEN_PAYLOAD_TYPE 32u
#define SC_GIVEN_COLLECTOR 64u

/* What a caller knows of a message beyond the message itself. A field that is absent is as the HEP packet at hand of
 * sc_hep_receive has it, if there is one. */
typedef struct sc_metadata {
    uint32_t given;       /* the SC_GIVEN_ bits of the fields that count; the others are absent. 0: all are */
    uint8_t hep_version;  /* version of the HEP packet that the message came in: 1 to 3; 0: it came without */
    uint8_t ip_protocol;  /* what carried the message, as an IP protocol number (HEP chunk 0x0002), in place of
                             sc_message.transport */
    int64_t time_us;      /* capture time, microseconds since the Unix epoch */
    uint32_t agent;       /* id of the capture agent (HEP chunk 0x000c) */
    sc_bytes correlation; /* correlation id; empty: the message has none, whatever the packet at hand says */
    int32_t payload_type; /* what the payload is (HEP chunk 0x000b), 1 for SIP; of a report, the type that it is to
                             have: 0 to 255 */
    sc_address collector; /* the address that the HEP packet came to */
} sc_metadata;

/* Custom fields that a message can bring values for. */
#define SC_CUSTOM_FIELDS 3

/* One SIP message as the host's script sees it. */
typedef struct sc_message {
    sc_address source;
    sc_address destination;
    uint8_t transport;         /* 1 UDP, 2 TCP, 3 TLS, 4 SCTP, 5 WS, 6 WSS; others: as the HEP packet at hand
                                * has it, or not known */
    sc_bytes payload;          /* the message as received */
    sc_bytes rewritten_uri;    /* the request URI that the script put in place of the first line's; empty for none */
    sc_bytes call_id;          /* the Call-ID as it was before topology hiding masked it; empty for none */
    sc_metadata metadata;      /* all absent: as the HEP packet at hand has it */
    /* Values of the custom fields in place of what headers of the message say. Absent where `ptr` is null; with another
     * `ptr` and `len` 0 the field is to be empty. */
    sc_bytes custom[SC_CUSTOM_FIELDS];
} sc_message;

/* What the parameters ask of the host, beside what the core does by itself. */
typedef struct sc_capture_needs {
    uint8_t asks_script;  /* not 0: what is no SIP is for the script to look at first (parameter nonsip_hook) */
    uint8_t unmasks;      /* not 0: Call-IDs that topology hiding has masked are unmasked (parameter topoh_unmask) */
    uint8_t takes_hep;    /* not 0: HEP packets are taken (parameter hep_capture_on) */
    uint16_t correlation_chunk; /* type of the chunk that holds the correlation id */
    sc_bytes hep_route;   /* the route that looks at HEP packets (parameter hep_route); empty: none is named. Valid as
                             long as the handle */
} sc_capture_needs;

/* Tells it. */
sc_status sc_capture_setup(sc_core *core, sc_capture_needs *needs);

/* Number of the capture mode `name`, empty for the one that db_url makes, which is 0. Valid after sc_core_check. An
 * unknown one is SC_ERR_UNKNOWN_NAME and logged, at a limited rate. */
sc_status sc_mode_find(sc_core *core, sc_bytes name, uint32_t *out);

/* The Call-ID of `message`: the one in its payload, or, when that is the HEP packet of SC_HEP_NEEDS_SCRIPT at hand, the
 * one in the SIP message inside; empty when there is none. `message`'s own call_id does not matter. Points into the
 * payload or into the core; valid until the packet ends. */
sc_status sc_message_call_id(sc_core *core, const sc_message *message, sc_bytes *out);

/* What may be sent on of `payload`, a SIP message or the HEP packet of SC_HEP_NEEDS_SCRIPT at hand: the same bytes, or,
 * where the parameters mask and mask_body ask for it, a copy without secrets, valid until the next sc_message_redacted.
 * SC_ERR_INVALID_VALUE, logged at a limited rate, when it is a packet that cannot be read, and so not masked. */
sc_status sc_message_redacted(sc_core *core, sc_bytes payload, sc_bytes *out);

/* Queues `message` for `table` (a strftime template; empty for one of the mode's) in the database of mode number
 * `mode`. Never waits. */
sc_status sc_capture_sip(sc_core *core, const sc_message *message, sc_bytes table, uint32_t mode);

/* Queues a report for `table` (empty: report_capture, or what the parameter rtcp_table_name says), with `correlation`
 * and `body`; an empty correlation means that of the HEP packet at hand, an empty body the whole message. Never waits.
 * The metadata's HEP version does not matter for its columns: it tells reports that came in HEP by themselves.
 * SC_ERR_INVALID_VALUE, logged at a limited rate, when its type is none. */
sc_status sc_capture_report(
    sc_core *core, const sc_message *message, sc_bytes table, sc_bytes correlation, sc_bytes body);

/* The whole number of `value` (text of a decimal fraction) times `factor` (text of a whole number), both read as far as
 * they are numbers; what does not fit is the nearest that does, and 0 becomes -1. */
sc_status sc_float2int(sc_bytes value, sc_bytes factor, int32_t *out);

/* ---- waiting until what was queued has left the queue ----
 *
 * A process that has queued captures may wait, without a thread of its own and without being blocked, until they are
 * stored, spooled, dead-lettered, or given up and counted:
 *
 *   sc_capture_sip ...                  what is waited for
 *   sc_wait_position                    keeps the place behind it
 *   sc_wait_begin                       unless it waits already
 *   sc_wait_passed                      it may have left the queue by now
 *   the host sleeps until the descriptor of sc_wait_descriptor is readable (poll, epoll: level-triggered)
 *   sc_wait_clear                       so that it is readable no more
 *   -> sc_wait_passed                   for each place that is kept
 *   sc_wait_end                         when none is left
 *
 * Places are passed in the order in which they were kept. No wake-up is lost, whatever happens to a writer: when one
 * dies, the next one goes on. The descriptor may become readable though nothing that is waited for has passed, and once
 * more after sc_wait_end. */

/* Has sc_core_map_lanes make a descriptor for each lane, which stays open in every process. Before it. */
sc_status sc_wait_open(sc_core *core);

/* The descriptor of this process's lane: an eventfd of the core's, to be polled for reading, and written to by a process
 * that wants to be woken; the same as long as the handle. This function and those below answer SC_ERR_WRONG_STATE in a process that is not
 * attached, and where sc_wait_open was not called. */
sc_status sc_wait_descriptor(sc_core *core, int32_t *descriptor);

/* The place behind the last capture that this process has queued. A capture that was refused has none. */
sc_status sc_wait_position(sc_core *core, uint64_t *position);

/* Says that this process waits, so that the descriptor becomes readable; and that it does so no more. Either changes
 * nothing when it is said twice. */
sc_status sc_wait_begin(sc_core *core);
sc_status sc_wait_end(sc_core *core);

/* Makes the descriptor unreadable until more has left the queue. */
sc_status sc_wait_clear(sc_core *core);

/* Whether all that was queued up to `position` has left the queue, 0 or 1. */
sc_status sc_wait_passed(sc_core *core, uint64_t position, uint8_t *passed);

/* ---- HEP ---- */

/* What is to become of a datagram. */
typedef enum sc_hep_verdict {
    SC_HEP_PASS = 0,        /* no HEP packet: the host's own */
    SC_HEP_ROUTE = 1,       /* SIP inside: route sc_hep_packet.payload, then call sc_hep_end */
    SC_HEP_DONE = 2,        /* taken, and stored or counted: nothing is left to do */
    SC_HEP_NEEDS_SCRIPT = 3 /* for the script to look at first (parameter nonsip_hook): then sc_hep_accept if it says
                               so, and sc_hep_end */
} sc_hep_verdict;

/* The SIP message inside a HEP packet. */
typedef struct sc_hep_packet {
    uint8_t version;   /* 1, 2 or 3; 0 for a message from a raw socket, which came without HEP */
    uint8_t transport; /* as in sc_message */
    sc_address source; /* of the captured message */
    sc_address destination;
    int64_t time_us;   /* capture time, microseconds since the Unix epoch; 0: a HEP packet that says none */
    sc_bytes payload;    /* points into the datagram, or into the core when the packet was compressed; valid until
                            sc_hep_end */
} sc_hep_packet;

/* Looks at one datagram, or one HEP packet of a connection, that came from `sender`. With SC_HEP_ROUTE `packet` is
 * filled. With SC_HEP_ROUTE and SC_HEP_NEEDS_SCRIPT, captures made until sc_hep_end get the packet's time, agent id and
 * correlation id. */
sc_status sc_hep_receive(sc_core *core, sc_bytes datagram, const sc_address *sender, sc_hep_verdict *verdict,
        sc_hep_packet *packet);

/* A packet that the host itself has decoded. */
typedef struct sc_hep_decoded {
    sc_message message; /* what is inside, with all that the packet says of it in its metadata; the payload is inflated.
                           HEP version 0: a message of a raw socket, which another process has read */
    sc_address sender;  /* who has sent the packet */
    sc_bytes auth_key;  /* its key (HEP chunk 0x000e); empty for none */
} sc_hep_decoded;

/* Takes such a packet. SC_HEP_ROUTE: the host routes its message. SC_HEP_NEEDS_SCRIPT: the route runs that
 * sc_capture_needs.hep_route names. sc_hep_end must follow both, or the next packet. SC_HEP_DONE: it is captured, or
 * counted. SC_HEP_PASS: no HEP is taken. For modules whose host decodes HEP; SC_ERR_WRONG_STATE from others. Their
 * captures have what their own sc_metadata says and nothing else, and what the packet says only when the host's parser
 * refuses it. */
sc_status sc_hep_take(sc_core *core, const sc_hep_decoded *packet, sc_hep_verdict *verdict);

/* Goes on with the datagram of SC_HEP_NEEDS_SCRIPT; the verdict is SC_HEP_ROUTE or SC_HEP_DONE. */
sc_status sc_hep_accept(sc_core *core, sc_bytes datagram, sc_hep_verdict *verdict, sc_hep_packet *packet);

/* Ends the packet. `refused` is the payload when the host's own parser refused it before any route ran, and empty
 * otherwise. A refused payload is captured, in the mode that db_url makes, unless something has captured it meanwhile.
 */
sc_status sc_hep_end(sc_core *core, sc_bytes refused);

/* The number of the field that $hep(name) means. SC_ERR_UNKNOWN_NAME when there is none. Needs no handle. */
sc_status sc_hep_variable(sc_bytes name, uint32_t *variable);

/* The names that sc_hep_variable knows: terminated, static, to be put into an error. */
sc_status sc_hep_variable_names(const char **names);

/* What field `variable` of the HEP packet at hand answers. `packet` is that packet: what sc_hep_receive was given,
 * still the same; empty for a message of sc_raw_receive, and where the host has none. A text points into `packet` or
 * into the core; it is valid until the packet ends or the same field is asked for again. */
sc_status sc_hep_variable_value(sc_core *core, uint32_t variable, sc_bytes packet, sc_variable_value *value);

/* ---- chunks: what scripts do with single chunks of a HEP packet of version 3 that the host has decoded, see
 * src/module/hep/chunks ----
 *
 * None of these functions needs a handle, and nothing is kept. An error is logged, at a limited rate for all of them
 * together, with the chunk, the value and what would be right. */

/* Bytes of the buffers that values are written to. A buffer must not overlap what else the function is given. */
#define SC_CHUNK_ROOM 64u

/* What a script does with a chunk. */
typedef enum sc_chunk_function {
    SC_CHUNK_SET = 0,   /* chunk, value, type, vendor */
    SC_CHUNK_GET = 1,   /* chunk, type, variable for the value, variable for the vendor */
    SC_CHUNK_DELETE = 2 /* chunk */
} sc_chunk_function;

/* Arguments of such a function. */
#define SC_CHUNK_ARGUMENTS 4

/* Which is which; empty where the script has left one out. */
typedef struct sc_chunk_arguments {
    sc_bytes chunk;  /* name or number */
    sc_bytes value;
    sc_bytes value_type;
    sc_bytes vendor;
    uint8_t older;   /* not 0: the older order; of SC_CHUNK_GET the third is the variable for the vendor then, and the
                        fourth that for the value */
} sc_chunk_arguments;

/* A chunk. */
typedef struct sc_chunk {
    uint16_t kind;    /* its type in the packet; of an address that is set, the one of its family */
    uint16_t field;   /* which of the host's fields has it, by the lowest type that the field is for: 1 to 4, 7 to 12
                         and 15; 0: it is in the list of all others, where the type alone tells them apart */
    uint16_t vendor;  /* 0 of a field */
    uint8_t settable; /* not 0: scripts may set it; they may read and delete all */
    uint32_t number;  /* of the fields 1 and 7 to 12 what they hold, in host order, and of field 2 the transport, as in
                         sc_message; else 0 */
    sc_bytes body;    /* as in a packet; of field 2 the IP protocol number */
} sc_chunk;

/* Checks the text that is to be argument `index`, from 0, of a call, without the others: it must do in one of the two
 * orders. For what a script says before there is a message. */
sc_status sc_chunk_check(sc_chunk_function function, uint32_t index, sc_bytes text);

/* Tells the SC_CHUNK_ARGUMENTS arguments `given` apart, in today's order or in the older one: type, chunk, vendor (or
 * none), value. `ptr` is null of one that the script has left out, and of a variable that is to be written. The texts
 * of `arguments` are those of `given`. */
sc_status sc_chunk_sort(sc_chunk_function function, const sc_bytes *given, sc_chunk_arguments *arguments);

/* The chunk that `text` names; what it holds is not filled. SC_ERR_UNKNOWN_NAME when there is none. */
sc_status sc_chunk_find(sc_bytes text, sc_chunk *chunk);

/* The chunk as it is to be, of SC_CHUNK_SET. Without a vendor, one of the list has 0 where HEP itself has set its type
 * (13, 14, 17, 18), and else `own_vendor`, the host's number among the vendors of HEP. The body points into `buffer`,
 * of SC_CHUNK_ROOM bytes, or to the value given. After an address sc_chunk_one_family must follow. SC_ERR_INVALID_VALUE
 * also when scripts may not set this one. */
sc_status sc_chunk_encode(
    const sc_chunk_arguments *arguments, uint16_t own_vendor, char *buffer, sc_chunk *chunk);

/* Makes source and destination of one family, since a packet has one, and tells its number (chunk 1): IPv4 when both
 * are, or stand for such; else an IPv4 address becomes the IPv6 address that stands for it. Ports do not change. Length
 * 0 of one that is absent, which does not change either; the family is 0 when both are. */
sc_status sc_chunk_one_family(sc_address *source, sc_address *destination, uint8_t *family);

/* What a script reads of a chunk that is there, with `kind`, `number` and `body` filled as in sc_chunk (`body` is not
 * looked at where `number` counts), as a value of `value_type`, which may be empty and does not matter of a field. A
 * text points into `buffer`, of SC_CHUNK_ROOM bytes, into the body or into the core. SC_VARIABLE_NULL of a family that
 * is not known, and of an address without a body. */
sc_status sc_chunk_decode(const sc_chunk *chunk, sc_bytes value_type, char *buffer, sc_variable_value *value);

/* The packet that carried HEP, as the host's socket has seen it. */
typedef struct sc_outer_packet {
    sc_address source; /* length 0: not known */
    sc_address destination;
    sc_bytes transport; /* the host's name of it; empty when it is not known */
} sc_outer_packet;

/* The number of the field of that packet which `name` means: names or numbers of the chunks 1 to 8. SC_ERR_UNKNOWN_NAME
 * when there is none. */
sc_status sc_outer_field(sc_bytes name, uint32_t *field);

/* What a script reads of it. A text points into `buffer`, of SC_CHUNK_ROOM bytes, into `packet` or into the core. */
sc_status sc_outer_value(uint32_t field, const sc_outer_packet *packet, char *buffer, sc_variable_value *value);

/* What a script reads of a HEP packet's version, 1 to 3; SC_VARIABLE_NULL of any other. */
sc_status sc_hep_version_value(uint32_t version, sc_variable_value *value);

/* ---- HEP packets that are passed on ---- */

/* Queues `packet`, one whole HEP packet of any version, for the collector at the SIP URI `uri`: udp, tcp or tls, port
 * 9060 where it names none; sips is TLS. The packet arrives there byte for byte, whatever its chunks, but for secrets
 * that the parameters mask and mask_body have masked and for what stands behind its own length; as soon as the
 * collector is there. Never waits. SC_ERR_INVALID_VALUE, counted, and logged at a limited rate, when the URI is none of
 * a collector, asks for TCP or TLS for a packet of version 1 or 2, or `packet` is no HEP packet, or one that cannot be
 * read while secrets are masked. SC_ERR_QUEUE_FULL is counted too. A module that relays nothing answers
 * SC_ERR_WRONG_STATE. */
sc_status sc_hep_relay(sc_core *core, sc_bytes uri, sc_bytes packet);

/* What stands in front of all else in a HEP packet. */
typedef struct sc_hep_head {
    uint8_t version;        /* 1 to 3 */
    uint8_t ip_protocol;    /* what carried the message, as an IP protocol number: 6 TCP, 17 UDP, 22 TLS, 132 SCTP */
    uint8_t payload_type;   /* 1 SIP; not in versions 1 and 2 */
    sc_address source;      /* of the captured message */
    sc_address destination; /* an IPv4 address beside one of IPv6 is written as an IPv4-mapped one */
    int64_t time_us;        /* capture time, microseconds since the Unix epoch; 0 for none. Not in version 1 */
    uint32_t agent;         /* id of the capture agent, of which version 2 has the low 16 bits, and version 1 none */
} sc_hep_head;

/* Writes a HEP packet in pieces, for a host that keeps nothing but what it has decoded: its head, then any number of
 * further chunks (version 3 alone; a correlation id is one), then its payload. Version 3 has the chunks of the head in
 * the order 1, 2, 7, 8, 9, 10, 11, 12, 3, 4 (or 5, 6), the further ones in the order in which they come, and last the
 * payload, as chunk 16 when `compressed` is not 0, else as 15. `packet` points into the core, until the next
 * sc_packet_begin.
 *
 * SC_ERR_TOO_LARGE beyond 65535 bytes, SC_ERR_INVALID_VALUE when the version has no place for a chunk or a compressed
 * payload, or the time is none that HEP can say; both are logged at a limited rate, and nothing is left of the packet:
 * SC_ERR_WRONG_STATE until the next begins. */
sc_status sc_packet_begin(sc_core *core, const sc_hep_head *head);
sc_status sc_packet_add(sc_core *core, uint16_t vendor, uint16_t kind, sc_bytes body);
sc_status sc_packet_finish(sc_core *core, sc_bytes payload, uint8_t compressed, sc_bytes *packet);

/* ---- raw sockets ---- */

/* Opens the raw sockets that the parameters ask for, once they are checked. `readers` is how many processes must call
 * sc_raw_receive; 0 when raw capture is off. */
sc_status sc_raw_open(sc_core *core, uint32_t *readers);

/* Waits, for as long as it takes, for a message from the raw sockets; signals do not end it. Captures made until
 * sc_hep_end, which must follow, get the message's time. The payload is terminated by a 0 byte that is not counted.
 *
 * A host that has another process route the message copies `packet` and its payload, ends it at once (sc_hep_end with
 * nothing refused), and hands the copy over. That process captures it by sc_capture_sip with the copy's addresses,
 * transport and payload, and its time_us in sc_metadata (SC_GIVEN_TIME): the row is the same. */
sc_status sc_raw_receive(sc_core *core, sc_hep_packet *packet);

/* ---- traces: handles of "kamailio/siptrace" ---- */

/* Who traces a message. */
typedef enum sc_tracer {
    SC_TRACER_SCRIPT = 0, /* sip_trace(), and what follows of it as if the script had called it again */
    SC_TRACER_CORE = 1,   /* the host's core, for all that it receives and sends (parameter trace_mode) */
    SC_TRACER_LOG = 2,    /* hlog(): `body` is a line of text; sc_trace.from tells the host's sockets */
    SC_TRACER_TEXT = 3,   /* sip_trace_msg(): `body` is a message that the script has made up */
    SC_TRACER_FOLLOW = 4  /* the transaction that sip_trace() has marked, and its stateless replies: traced whatever the
                             switch trace_on says */
} sc_tracer;

/* One end of a message's way, as a row or packet shows it: `proto:ip:port`. */
typedef struct sc_endpoint {
    uint8_t transport;  /* as in sc_message; 0 of a listen socket: any; else what is not known is shown as UDP */
    uint8_t is_socket;  /* not 0: a listen socket of the host */
    sc_address address; /* length 0: not known */
    sc_bytes name;      /* the host name that a listen socket is advertised by; empty: `address` counts */
    sc_bytes text;      /* the whole end as the script has written it (SC_TRACER_TEXT); empty: the fields above count */
} sc_endpoint;

/* One message. */
typedef struct sc_trace {
    sc_tracer tracer;
    sc_bytes body; /* as on the wire; empty when the host has lost it (SC_TRACER_FOLLOW) */
    sc_bytes call_id;
    sc_bytes method; /* of a reply that of its CSeq */
    sc_bytes status; /* reply code; empty for a request */
    sc_bytes from_tag;
    sc_bytes to_tag;
    sc_endpoint from;
    sc_endpoint to;
    uint8_t outgoing;        /* not 0: the server sends it */
    uint8_t has_destination; /* not 0: the script has named one, be it empty */
    uint8_t has_correlation; /* not 0: the script has named a correlation id, be it empty; without one a line of hlog()
                                has the Call-ID */
    sc_bytes destination;    /* SIP URI of a collector; empty: those that parameters name */
    sc_bytes correlation;    /* correlation id; empty for none */
    sc_bytes table;          /* empty: parameter table */
    const sc_bytes *users;   /* whom it is traced for, beside everybody; may be null when there is none */
    uint32_t user_count;
    /* Of a line of hlog(): the host's sockets that it could leave from; one of the collector's transport and family
     * counts, or one of any transport for every collector. May be null when there is none. */
    const sc_endpoint *sockets;
    uint32_t socket_count;
    int64_t time_us; /* microseconds since the Unix epoch; 0: now */
} sc_trace;

/* Plain copies that the host is to send from its own sockets, by sc_forward_find. Valid until the next sc_trace_send.
 */
typedef struct sc_copies {
    const sc_bytes *uris;     /* where to: SIP URIs with host, port and transport, and nothing else */
    uint32_t count;           /* 0: none */
    sc_bytes body;
} sc_copies;

/* What the parameters ask of the host, beside what the core does by itself. Not 0 is yes. */
typedef struct sc_trace_needs {
    uint8_t follows_scripts; /* what scripts trace is followed: AVPs, transactions, dialogs and stateless replies are
                                asked for */
    uint8_t stateless_acks;  /* ACKs to stateless replies are traced (trace_sl_acks) */
    uint8_t dialog_acks;     /* and ACKs of dialogs (trace_dialog_ack) */
    uint8_t dialog_spirals;  /* requests that pass the server twice make a dialog traced each time
                                (trace_dialog_spiral) */
    uint32_t transaction_flags; /* bits of a message's flags that make sip_trace() without a type trace the transaction
                                   (trace_flag) */
    uint8_t traces_traffic;     /* all that the host's core receives and sends is traced (trace_mode) */
    uint8_t traffic_rows;       /* with rows, for which it is parsed */
    uint8_t traffic_headers;    /* the script sees it with the X-Siptrace headers */
    uint8_t advertised;         /* listen sockets are told by their advertised addresses (data_mode) */
    uint8_t ephemeral;          /* and by the port that a connection really has (trace_ephemeral_socket) */
    uint8_t sends_copies;       /* there may be plain copies to send: names that they go to are looked up */
    sc_bytes socket_name;       /* the listen socket that copies leave from, by its name (send_sock_name), or */
    sc_bytes socket_uri; /* by its SIP URI (send_sock_addr); both empty: one that fits. Valid as long as the handle */
} sc_trace_needs;

/* Tells it. */
sc_status sc_trace_setup(sc_core *core, sc_trace_needs *needs);

/* Tells the source address of packets to collectors, before sc_core_check. */
sc_status sc_trace_bind(sc_core *core, const sc_address *from);

/* Whether the switch trace_on is on, 0 or 1. */
sc_status sc_trace_is_on(sc_core *core, uint8_t *on);

/* Most bytes that the X-Siptrace headers (parameter xheaders_write) add to a message. */
#define SC_X_HEADERS 512u

/* Writes the body of `trace` with the X-Siptrace headers into `buffer` of `room` bytes, for what the script is to see
 * of it first. They say what `trace` says, be it nothing: time_us 0 is the time 0. SC_ERR_INVALID_VALUE when the body
 * has no end of headers, they would be too long, or there is no room. */
sc_status sc_trace_headers(sc_core *core, const sc_trace *trace, char *buffer, size_t room, size_t *length);

/* The functions of scripts that trace. */
typedef enum sc_trace_function {
    SC_FUNCTION_SIP_TRACE = 0,
    SC_FUNCTION_SIP_TRACE_MODE = 1,
    SC_FUNCTION_SIP_TRACE_MSG = 2,
    SC_FUNCTION_HLOG = 3
} sc_trace_function;

/* What a script wants traced from a message on. */
typedef enum sc_scope {
    SC_SCOPE_DEFAULT = 0,     /* the script has not said */
    SC_SCOPE_UNKNOWN = 1,     /* it has said something that is not known */
    SC_SCOPE_MESSAGE = 2,
    SC_SCOPE_TRANSACTION = 3,
    SC_SCOPE_DIALOG = 4
} sc_scope;

/* Reads what a script gives `function` for a scope: the type of sip_trace(), m, t or d in either case, blanks around
 * it, or the mode of sip_trace_mode(), whose first letter counts. Anything else is logged; as a type it is
 * SC_SCOPE_UNKNOWN, which a host may refuse at start, and as a mode the message. */
sc_status sc_trace_scope(sc_core *core, sc_trace_function function, sc_bytes text, sc_scope *scope);

/* What the host knows of a question. */
typedef enum sc_known {
    SC_NOT_ASKED = 0,
    SC_NO = 1,
    SC_YES = 2
} sc_known;

/* A call of sip_trace() or sip_trace_mode(). Not 0 is yes. */
typedef struct sc_trace_call {
    sc_trace_function function;
    sc_scope scope;
    sc_bytes method;            /* of the request; empty for a reply */
    uint8_t has_flag;           /* the message has one of sc_trace_needs.transaction_flags */
    uint8_t is_followed;        /* it belongs to what is followed already: its own mark says so */
    uint8_t knows_transactions; /* the host has a module for them */
    uint8_t knows_dialogs;
    sc_known is_seen_to; /* of a CANCEL or ACK: the transaction that it is about is followed, and traces it too */
} sc_trace_call;

/* What such a call begins with. */
typedef enum sc_trace_step {
    SC_STEP_LOOK_UP = 0, /* the host finds sc_trace_call.is_seen_to, and asks again */
    SC_STEP_ANSWER = 1,  /* nothing is traced: the script gets sc_trace_decision.answer */
    SC_STEP_TRACE = 2    /* the message is traced; sc_trace_conclude says what comes then */
} sc_trace_step;

typedef struct sc_trace_decision {
    sc_trace_step step;
    sc_scope follow;     /* SC_SCOPE_MESSAGE: nothing; a dialog includes its first transaction */
    int32_t answer;
} sc_trace_decision;

/* Decides what a call comes to. What a script should know, such as a module that is missing, is logged at a limited
 * rate. */
sc_status sc_trace_decide(sc_core *core, const sc_trace_call *call, sc_trace_decision *decision);

/* What is left to do once a message is handed over. */
typedef struct sc_trace_conclusion {
    sc_scope
        follow; /* what the host must have followed now, as in sc_trace_decision; when it cannot, the script gets -1 */
    uint8_t forgets_destination; /* not 0: the script's destination is none, and counts for nothing that follows */
    int32_t answer;              /* what the script gets */
} sc_trace_conclusion;

/* Says it, of a message that `function` had traced: `follow` is what sc_trace_decide said, SC_SCOPE_MESSAGE for other
 * functions, and `sent` what sc_trace_send answered. Needs no handle. */
sc_status sc_trace_conclude(
    sc_trace_function function, sc_scope follow, sc_status sent, sc_trace_conclusion *conclusion);

/* The number of the field that $siptrace(name) means. SC_ERR_UNKNOWN_NAME when there is none. Needs no handle. */
sc_status sc_trace_variable(sc_bytes name, uint32_t *variable);

/* The names that sc_trace_variable knows: terminated, static, to be put into an error. */
sc_status sc_trace_variable_names(const char **names);

/* What field `variable` answers of `shown`, the message that the script looks at; null when it looks at none. Texts
 * point into `shown` or the core; valid until the same field is asked for again. */
sc_status sc_trace_variable_value(sc_core *core, uint32_t variable, const sc_trace *shown, sc_variable_value *value);

/* Queues a message as rows and packets, as parameters and `trace` ask, and fills `copies`. Never waits. What one of
 * them is denied does not keep the others back: from an attached process `copies` is filled whatever the answer, which
 * is that of the rows where there are any, and else the first error; with rows, SC_ERR_REFUSED also when the X-Siptrace
 * headers do not fit into a copy. SC_ERR_INVALID_VALUE when the script's destination is no URI that packets or copies
 * could go to, a line of hlog() has nothing to correlate it by, or sip_trace_msg() lacks its message or an address,
 * whether tracing is on or off, and SC_ERR_CAPTURE_OFF when it is off and the message is traced for no user: nothing of
 * it is queued then, nor copied. SC_ERR_WRONG_STATE when this process is not attached: nothing is counted, and it may
 * attach and try again. */
sc_status sc_trace_send(sc_core *core, const sc_trace *trace, sc_copies *copies);

/* Why a message is not handed over. */
typedef enum sc_loss {
    SC_LOSS_MALFORMED = 0, /* it lacks what rows and packets need */
    SC_LOSS_NO_LANE = 1    /* this process is not attached and cannot be */
} sc_loss;

/* Counts such a message, from any process once lanes are mapped, and logs it at a limited rate. */
sc_status sc_trace_lose(sc_core *core, sc_loss why);

/* ---- forwarding: what the host sends to SIP URIs from its own sockets, see src/module/engine/forward ---- */

/* Where bytes go. */
typedef struct sc_forward_target {
    sc_address address;
    uint8_t transport;        /* as in sc_message */
} sc_forward_target;

/* What becomes of bytes. */
typedef enum sc_forward_verdict {
    SC_FORWARD_SEND = 0,      /* send them to the target, and call sc_forward_failed when that fails */
    SC_FORWARD_HELD = 1,      /* kept until their name has been looked up: nothing is left to do */
    SC_FORWARD_LOST = 2       /* they will not be sent, which is logged and counted: nothing is left to do */
} sc_forward_verdict;

/* Maps shared memory for the names that are looked up and for what is held meanwhile, and notes the URIs of parameters.
 * Without it no name is ever known. Before the first fork, once the parameters are set. */
sc_status sc_forward_open(sc_core *core);

/* Notes a URI that the script will send to: its name, if it has one, is looked up at once. Before the first fork; does
 * nothing before sc_forward_open. */
sc_status sc_forward_expect(sc_core *core, sc_bytes uri);

/* Notes that there will be URIs which only the traffic tells. Likewise. */
sc_status sc_forward_expect_any(sc_core *core);

/* Whether a process has to call sc_forward_next, and whether that will be asked to send, 0 or 1. */
sc_status sc_forward_needs_process(sc_core *core, uint8_t *needed, uint8_t *sends);

/* Tells where `message` goes that is for the SIP URI `uri`; with SC_FORWARD_SEND `target` is filled. Waits some
 * milliseconds at most, and only while another process, perhaps a stopped one, has the list of names: then the answer
 * is SC_FORWARD_LOST. "kamailio/siptrace" holds messages, and counts those that are lost if the process is attached;
 * "kamailio/sipcapture" does neither. */
sc_status sc_forward_find(
    sc_core *core, sc_bytes uri, sc_bytes message, sc_forward_verdict *verdict, sc_forward_target *target);

/* Logs, at a limited rate, and counts likewise that the host could not send what was for `uri`. */
sc_status sc_forward_failed(sc_core *core, sc_bytes uri);

/* What the process that looks names up is to do. */
typedef enum sc_forward_step {
    SC_FORWARD_WAIT = 0,      /* nothing as yet: ask again */
    SC_FORWARD_LOOK_UP = 1,   /* look up `name`, then call sc_forward_found or sc_forward_not_found */
    SC_FORWARD_SEND_HELD = 2  /* send `message` to `target`, and call sc_forward_failed with `uri` when that fails */
} sc_forward_step;

typedef struct sc_forward_work {
    sc_forward_step step;
    sc_bytes name;
    uint16_t port;            /* that is asked for; 0 when the look-up is to tell */
    uint8_t transport;        /* likewise, as in sc_message */
    sc_forward_target target;
    sc_bytes uri;
    sc_bytes message;
} sc_forward_work;

/* Tells what is to be done next. Waits for 0.2 s when that is nothing. One process alone may call it; `work` points
 * into the core, until the next sc_forward_ call. */
sc_status sc_forward_next(sc_core *core, sc_forward_work *work);

/* Ends the look-up that sc_forward_next has asked for. A target without a transport means that of the URI. */
sc_status sc_forward_found(sc_core *core, const sc_forward_target *target);
sc_status sc_forward_not_found(sc_core *core);

/* ---- commands and counters ---- */

/* How a command answers. Every function gets `context` first; names and texts are not terminated. */
typedef struct sc_reply {
    void *context;
    void (*text)(void *context, sc_bytes text);                   /* the whole answer is one text */
    void (*fault)(void *context, int code, sc_bytes text, sc_bytes detail); /* the command failed: what is wrong, and,
                                                                               unless empty, what would be right */
    void (*open)(void *context, sc_bytes name);                   /* begins a group of fields; the first has no name */
    void (*close)(void *context);                                 /* ends it */
    void (*number)(void *context, sc_bytes name, uint64_t value); /* a field */
    void (*word)(void *context, sc_bytes name, sc_bytes text);    /* a field */
} sc_reply;

/* Most commands that a module has. */
#define SC_COMMANDS 8u

/* Command number `index`, from 0, of module `module` (as sc_core_new knows it): its name as operators call it and what
 * they are told of it, terminated and static, and not 0 when it takes an argument. SC_ERR_UNKNOWN_NAME behind the last
 * one. Needs no handle. */
sc_status sc_command_at(
    const char *module, uint32_t index, const char **name, const char **description, uint8_t *takes_argument);

/* How operators call command number `index` behind the module's name and a separator, on servers that put these before
 * it: terminated and static. SC_ERR_UNKNOWN_NAME when it is called as sc_command_at says. */
sc_status sc_command_in_module(const char *module, uint32_t index, const char **name);

/* Runs command `name`, by either of its names, with its argument, empty for none. SC_OK also when the answer is a
 * fault. */
sc_status sc_command(sc_core *core, const char *name, sc_bytes argument, const sc_reply *reply);

/* Counter number `index`, from 0: its name and description, terminated and valid as long as the handle.
 * SC_ERR_UNKNOWN_NAME behind the last one; after sc_core_check there are more, for the capture modes. */
sc_status sc_counter_at(sc_core *core, uint32_t index, const char **name, const char **description);

/* The name that a page of an exporter gives to the host's statistic `counter` of `group` in place of that name; `shown`
 * is what the page shows ("all", a group with a colon behind it, or the name of one statistic). Terminated and valid as
 * long as the handle. SC_ERR_UNKNOWN_NAME when the page does not show the statistic, or its own name will do. */
sc_status sc_counter_exported(sc_core *core, sc_bytes group, sc_bytes counter, sc_bytes shown, const char **name);

/* Tells the operator, in the log, that the host's exporter could not be given such names. */
sc_status sc_counter_not_exported(sc_core *core);

/* The value of counter `index`; 0 until the lanes are mapped. */
sc_status sc_counter_value(sc_core *core, uint32_t index, uint64_t *value);

#ifdef __cplusplus
}
#endif

#endif
