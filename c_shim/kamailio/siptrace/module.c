/*
 * Kamailio's siptrace.so: names parameters, functions, commands and counters to the host, and starts and ends what works for it. Rules,
 * defaults and texts live in the core (src/module), but for those of the host's own affairs: its sockets, AVPs, flags and callbacks. Called by
 * the host alone.
 */
#include <string.h>

#include "core/dprint.h"
#include "core/flags.h"
#include "core/kemi.h"
#include "core/parser/parse_uri.h"
#include "core/pt.h"
#include "core/rpc.h"
#include "core/rpc_lookup.h"
#include "core/socket_info.h"
#include "core/sr_module.h"

#include "../convert.h"
#include "../forward.h"
#include "../host.h"
#include "../parameters.h"
#include "../processes.h"
#include "../reply.h"
#include "siptrace.h"

MODULE_VERSION

/* ---- parameters ---- */

#define TEXT_PARAMETERS(X) \
    X(db_driver) X(db_url) X(table) X(date_column) X(callid_column) X(traced_user_column) X(msg_column) X(method_column) \
    X(status_column) X(fromip_column) X(toip_column) X(fromtag_column) X(totag_column) X(direction_column) \
    X(spool_dir) X(spool_sync) X(mask) X(duplicate_mode) X(trace_local_ip) X(auth_key) X(hep_node_name) X(correlation_header) X(tls_ca)

#define NUMBER_PARAMETERS(X) \
    X(trace_on) X(trace_to_database) X(trace_db_mode) X(trace_delayed) X(trace_mode) X(hep_mode_on) X(hep_version) \
    X(hep_compress) X(tls_verify) X(xheaders_write) X(xheaders_read) X(queue_size) X(capture_writers) X(batch_size) X(flush_interval) \
    X(create_tables) X(shutdown_timeout) X(insert_retries) X(insert_retry_timeout) X(spool_size) X(mask_body)

/* What the stock modules of versions before 5.7 do not know, they do not do either. */
#if VERSIONVAL >= 5007000
#define TRACES_MORE_OF_DIALOGS 1
#else
#define TRACES_MORE_OF_DIALOGS 0
#endif

static struct {
    TEXT_PARAMETERS(TEXT_FIELD)
    NUMBER_PARAMETERS(NUMBER_FIELD)
    /* the host's own affairs */
    str traced_user_avp;
    str trace_table_avp;
    str send_sock_addr;
    str send_sock_name;
    str evcb_msg;
    int trace_flag;
    int trace_sl_acks;
    int trace_init_mode;
    int data_mode;
    int trace_dialog_ack;
    int trace_dialog_spiral;
    int trace_ephemeral_socket;
} parameter = {
    NUMBER_PARAMETERS(NUMBER_UNSET)
    .trace_flag = -1,
    .trace_sl_acks = 1,
    .trace_dialog_ack = TRACES_MORE_OF_DIALOGS,
    .trace_dialog_spiral = TRACES_MORE_OF_DIALOGS
};

/* A number whose every value says something: none of them can stand for one that is not set. */
static struct {
    int is_set;
    int value;
} capture_id;

static int keep_capture_id(modparam_t type, void *value)
{
    (void)type;
    capture_id.is_set = 1;
    capture_id.value = (int)(long)value;
    return 0;
}

static text_list duplicates;

static int keep_duplicate(modparam_t type, void *value)
{
    (void)type;
    return keep_text(&duplicates, value);
}

static param_export_t parameters[] = {
    TEXT_PARAMETERS(TEXT_EXPORT)
    NUMBER_PARAMETERS(NUMBER_EXPORT)
    { "hep_capture_id", PARAM_INT | PARAM_USE_FUNC, keep_capture_id },
    { "duplicate_uri", PARAM_STRING | PARAM_USE_FUNC, keep_duplicate },
    TEXT_EXPORT(traced_user_avp)
    TEXT_EXPORT(trace_table_avp)
    TEXT_EXPORT(send_sock_addr)
    { "force_send_sock", PARAM_STR, &parameter.send_sock_addr },
    TEXT_EXPORT(send_sock_name)
    TEXT_EXPORT(evcb_msg)
    NUMBER_EXPORT(trace_flag)
    NUMBER_EXPORT(trace_sl_acks)
    NUMBER_EXPORT(trace_init_mode)
    NUMBER_EXPORT(data_mode)
    NUMBER_EXPORT(trace_dialog_ack)
    NUMBER_EXPORT(trace_dialog_spiral)
#if VERSIONVAL >= 6002000
    NUMBER_EXPORT(trace_ephemeral_socket)
#endif
    { 0, 0, 0 }
};

static int hand_on_parameters(void)
{
    if (capture_id.is_set && sc_core_set_number(core, "hep_capture_id", capture_id.value) != SC_OK) {
        return 0;
    }
    return 1 TEXT_PARAMETERS(HAND_ON_TEXT) NUMBER_PARAMETERS(HAND_ON_NUMBER) && hand_on_list("duplicate_uri", &duplicates);
}

/* What trace_init_mode says. */
enum {
    FOR_ALL = 0,
    FOR_CORE = 1,
    FOR_SCRIPTS = 2
};

static int mode(void)
{
    return parameter.trace_mode != UNSET ? parameter.trace_mode : 0;
}

static int check_own_parameters(void)
{
    int is_of_scripts = parameter.trace_init_mode == FOR_ALL || parameter.trace_init_mode == FOR_SCRIPTS;

    if (is_of_scripts && (parameter.trace_flag < -1 || parameter.trace_flag > (int)MAX_FLAG)) {
        LM_ERR("parameter trace_flag: %d is not allowed; -1 (none) and 0 to %d are\n", parameter.trace_flag, (int)MAX_FLAG);
        return 0;
    }
    if (parameter.trace_init_mode < FOR_ALL || parameter.trace_init_mode > FOR_SCRIPTS) {
        LM_WARN("parameter trace_init_mode: with %d neither trace_mode nor what follows of a message is traced; 0 (scripts and trace_mode), "
                "1 (trace_mode alone) and 2 (scripts alone) are known\n", parameter.trace_init_mode);
    }
    if (parameter.trace_init_mode == FOR_CORE && mode() == 0) {
        LM_ERR("parameter trace_init_mode: with 1 trace_mode alone traces, and it is 0: set it to a sum of 1 (HEP), 2 (rows) and 4 (copies)\n");
        return 0;
    }
    return 1;
}

/* The socket of send_sock_addr; `is_good` is 0 when the parameter is not. */
static struct socket_info *addressed_socket(int *is_good)
{
    str *text = &parameter.send_sock_addr;
    sip_uri_t uri;

    memset(&uri, 0, sizeof(uri));
    if (parse_uri(text->s, text->len, &uri) < 0) {
        LM_ERR("parameter send_sock_addr: \"%.*s\" is no SIP URI; sip:address[:port][;transport=udp|tcp|tls|sctp] of a listen socket is "
               "allowed\n", text->len, text->s);
        *is_good = 0;
        return NULL;
    }
    return grep_sock_info(&uri.host, uri.port_no != 0 ? uri.port_no : SIP_PORT, uri.proto != PROTO_NONE ? uri.proto : PROTO_UDP);
}

/* Finds the socket that copies leave from, and whose address packets have. */
static int bind_socket(void)
{
    struct socket_info *socket = NULL;
    sc_address address;
    str *name = &parameter.send_sock_name;
    int is_good = 1;

    if (name->len > 0) {
        socket = ksr_get_socket_by_name(name);
    } else if (parameter.send_sock_addr.len > 0) {
        name = &parameter.send_sock_addr;
        socket = addressed_socket(&is_good);
    } else {
        return 1;
    }
    if (!is_good) {
        return 0;
    }
    if (socket == NULL) {
        LM_WARN("there is no listen socket \"%.*s\": copies and packets leave from any that fits\n", name->len, name->s);
        return 1;
    }
    copies_leave_from(socket);
    sockets_name(socket);
    if (ip_addr_any(&socket->address)) {
        return 1;
    }
    address = to_address(&socket->address, socket->port_no);
    return sc_trace_bind(core, &address) == SC_OK;
}

/* ---- commands ---- */

static void rpc_status(rpc_t *rpc, void *context)
{
    reply_to_command("status", 1, rpc, context);
}

static void rpc_switch(rpc_t *rpc, void *context)
{
    reply_to_command("sip_trace", 1, rpc, context);
}

static void rpc_stats(rpc_t *rpc, void *context)
{
    reply_to_command("stats", 0, rpc, context);
}

static const char *doc_status[] = { "Get status or turn on/off siptrace. Parameters: on, off or check.", 0 };
static const char *doc_switch[] = { "Show whether tracing is on, or switch it: on, off.", 0 };
static const char *doc_stats[] = { "Show every counter, lag, rates and the state of database and collectors.", 0 };

static rpc_export_t commands[] = {
    { "siptrace.status", rpc_status, doc_status, 0 },
    { "sip_trace", rpc_switch, doc_switch, 0 },
    { "siptrace.stats", rpc_stats, doc_stats, 0 },
    { 0, 0, 0, 0 }
};

/* ---- life ---- */

int mod_register(char *path, int *flags, void *unused1, void *unused2)
{
    (void)path;
    (void)flags;
    (void)unused1;
    (void)unused2;
    sr_kemi_modules_add(kemi_functions);
    return 0;
}

/* What scripts trace, and what follows of it. */
static int prepare_scripts(void)
{
    dialog_options dialogs = { .acks = parameter.trace_dialog_ack != 0, .spirals = parameter.trace_dialog_spiral != 0 };

    if (parameter.trace_init_mode != FOR_ALL && parameter.trace_init_mode != FOR_SCRIPTS) {
        return 1;
    }
    functions_use_flag(parameter.trace_flag);
    return message_name_avps(&parameter.traced_user_avp, &parameter.trace_table_avp) && callbacks_bind(parameter.trace_sl_acks != 0, &dialogs);
}

/* What the host's core shows. */
static int prepare_events(void)
{
    event_options wanted = { .rows = mode() & 2, .advertised = parameter.data_mode & 1, .ephemeral = parameter.trace_ephemeral_socket != 0,
            .headers = mode() & 4 && parameter.xheaders_write != UNSET && parameter.xheaders_write != 0 };

    if ((parameter.trace_init_mode != FOR_ALL && parameter.trace_init_mode != FOR_CORE) || mode() == 0) {
        return 1;
    }
    return events_listen(&wanted, &parameter.evcb_msg);
}

/* Names that copies go to are looked up by a process. */
static int prepare_copies(void)
{
    int of_scripts = parameter.trace_init_mode != FOR_CORE && (parameter.hep_mode_on == UNSET || parameter.hep_mode_on == 0);

    return (!of_scripts && !(mode() & 4)) || copies_prepare();
}

static int mod_init(void)
{
    if (!check_own_parameters() || !host_make_core("kamailio/siptrace") || !hand_on_parameters() || !bind_socket()
            || sc_core_check(core) != SC_OK) {
        return -1;
    }
    if (rpc_register_array(commands) != 0 || !host_register_counters("siptrace")) {
        LM_ERR("commands or counters cannot be registered\n");
        return -1;
    }
    if (!prepare_scripts() || !prepare_events() || !prepare_copies() || !processes_reserve(0)) {
        return -1;
    }
    return 0;
}

static int start_processes(void)
{
    sigset_t before;
    int started;

    processes_hold_signals(&before);
    started = processes_start_writers() && forward_start(&before);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return started ? 0 : -1;
}

static int child_init(int rank)
{
    switch (rank) {
        case PROC_INIT:
            return sc_core_map_lanes(core, get_max_procs()) == SC_OK ? 0 : -1;
        case PROC_MAIN:
            return start_processes();
        case PROC_TCP_MAIN:
            return 0;
        default:
            return sc_core_attach(core, process_no) == SC_OK ? 0 : -1;
    }
}

static void end(void)
{
    forward_end();
    host_end_core();
}

struct module_exports exports = {
    "siptrace",        /* name */
    DEFAULT_DLFLAGS,   /* how it is loaded */
    functions,
    parameters,
    0,                 /* commands are registered at start */
    event_variables,
    0,                 /* no reply handler */
    mod_init,
    child_init,
    end
};
