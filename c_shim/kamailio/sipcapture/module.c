/*
 * Kamailio's sipcapture.so: names parameters, functions, commands and counters to the host, and starts and ends what works for it. Rules,
 * defaults and texts live in the core (src/module). Called by the host alone.
 */
#include <unistd.h>

#include "core/cfg/cfg_struct.h"
#include "core/dprint.h"
#include "core/kemi.h"
#include "core/pt.h"
#include "core/rpc.h"
#include "core/rpc_lookup.h"
#include "core/sr_module.h"

#include "../exporter.h"
#include "../forward.h"
#include "../host.h"
#include "../parameters.h"
#include "../processes.h"
#include "../reply.h"
#include "sipcapture.h"

MODULE_VERSION

/* The group of statistics. */
#define GROUP "sipcapture"

/* ---- parameters ---- */

#define TEXT_PARAMETERS(X) \
    X(db_driver) X(db_url) X(table_name) X(bad_table) X(mt_mode) X(hash_source) X(mode_statistics) X(table_time_sufix) X(spool_dir) X(spool_sync) X(capture_node) X(callid_aleg_header) \
    X(custom_field1_header) X(custom_field2_header) X(custom_field3_header) \
    X(date_column) X(micro_ts_column) X(method_column) X(correlation_column) X(reply_reason_column) \
    X(ruri_column) X(ruri_user_column) X(ruri_domain_column) X(from_user_column) X(from_domain_column) \
    X(from_tag_column) X(to_user_column) X(to_domain_column) X(to_tag_column) X(pid_user_column) \
    X(contact_user_column) X(auth_user_column) X(callid_column) X(callid_aleg_column) X(via_1_column) \
    X(via_1_branch_column) X(cseq_column) X(diversion_column) X(reason_column) X(content_type_column) \
    X(authorization_column) X(user_agent_column) X(source_ip_column) X(source_port_column) \
    X(destination_ip_column) X(destination_port_column) X(contact_ip_column) X(contact_port_column) \
    X(originator_ip_column) X(originator_port_column) X(proto_column) X(family_column) X(rtp_stat_column) \
    X(type_column) X(node_column) X(msg_column) X(custom_field1_column) X(custom_field2_column) \
    X(custom_field3_column) \
    X(hep_auth_key) X(hep_allow) X(mask) \
    X(raw_socket_listen) X(raw_interface)

#define NUMBER_PARAMETERS(X) \
    X(capture_on) X(hep_capture_on) X(db_insert_mode) X(queue_size) X(capture_writers) X(batch_size) \
    X(flush_interval) X(create_tables) X(shutdown_timeout) X(capture_bad_msgs) X(insert_retries) X(insert_retry_timeout) \
    X(spool_size) X(mask_body) X(nonsip_hook) \
    X(raw_ipip_capture_on) X(raw_moni_capture_on) X(raw_sock_children) X(raw_moni_bpf_on) X(promiscuous_on)

static struct {
    TEXT_PARAMETERS(TEXT_FIELD)
    NUMBER_PARAMETERS(NUMBER_FIELD)
    /* the host's own affairs */
    str event_callback;
    int topoh_unmask;
} parameter = { NUMBER_PARAMETERS(NUMBER_UNSET) };

static text_list modes;

static int keep_mode(modparam_t type, void *value)
{
    (void)type;
    return keep_text(&modes, value);
}

static param_export_t parameters[] = {
    TEXT_PARAMETERS(TEXT_EXPORT)
    NUMBER_PARAMETERS(NUMBER_EXPORT)
    { "capture_mode", PARAM_STRING | PARAM_USE_FUNC, keep_mode },
    TEXT_EXPORT(event_callback)
    NUMBER_EXPORT(topoh_unmask)
    { 0, 0, 0 }
};

static int hand_on_parameters(void)
{
    return 1 TEXT_PARAMETERS(HAND_ON_TEXT) NUMBER_PARAMETERS(HAND_ON_NUMBER) && hand_on_list("capture_mode", &modes);
}

/* ---- commands ---- */

static void rpc_status(rpc_t *rpc, void *context)
{
    reply_to_command("status", 1, rpc, context);
}

static void rpc_switch(rpc_t *rpc, void *context)
{
    reply_to_command("sip_capture", 1, rpc, context);
}

static void rpc_stats(rpc_t *rpc, void *context)
{
    reply_to_command("stats", 0, rpc, context);
}

static const char *doc_status[] = { "Get status or turn on/off sipcapture.", 0 };
static const char *doc_switch[] = { "Show whether capture is on, or switch it: on, off.", 0 };
static const char *doc_stats[] = { "Show every counter, lag, rates and the state of the database.", 0 };

static rpc_export_t commands[] = {
    { "sipcapture.status", rpc_status, doc_status, 0 },
    { "sip_capture", rpc_switch, doc_switch, 0 },
    { "sipcapture.stats", rpc_stats, doc_stats, 0 },
    { 0, 0, 0, 0 }
};

/* ---- raw sockets ---- */

static uint32_t raw_readers = 0;

static void read_raw(void)
{
    receive_info_t nowhere = { 0 };
    sc_hep_packet packet;

    for (;;) {
        if (sc_raw_receive(core, &packet) != SC_OK) {
            sleep(1); /* logged; the server would end with this process */
            continue;
        }
        cfg_update();
        hep_route(&packet, &nowhere);
    }
}

static int start_raw_readers(const sigset_t *signals)
{
    for (uint32_t i = 0; i < raw_readers; i++) {
        int parent = getpid();
        int pid = fork_process(PROC_UNIXSOCK, "homer raw socket", 1);
        if (pid < 0 && getpid() != parent) { /* a module does not start in the new process: the server sees it end */
            _exit(1);
        }
        if (pid < 0) {
            LM_ERR("a process that reads the raw sockets cannot be started\n");
            return 0;
        }
        if (pid == 0) {
            if (cfg_child_init() != 0) {
                _exit(1);
            }
            sigprocmask(SIG_SETMASK, signals, NULL);
            read_raw();
        }
    }
    return 1;
}

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

static int mod_init(void)
{
    int nonsip_hook = parameter.nonsip_hook != UNSET && parameter.nonsip_hook != 0;

    if (!host_make_core("kamailio/sipcapture") || !hand_on_parameters() || sc_core_check(core) != SC_OK
            || sc_raw_open(core, &raw_readers) != SC_OK || !functions_bind_topoh(parameter.topoh_unmask)) {
        return -1;
    }
    if (rpc_register_array(commands) != 0 || !host_register_counters(GROUP)) {
        LM_ERR("commands or counters cannot be registered\n");
        return -1;
    }
    if (!hep_listen(nonsip_hook, &parameter.event_callback) || !forward_reserve(FORWARD_BY_SERVICE, NULL) || !processes_reserve(raw_readers)) {
        return -1;
    }
    return 0;
}

static int start_processes(void)
{
    sigset_t before;
    int started;

    processes_hold_signals(&before);
    started = processes_start_writers() && start_raw_readers(&before) && forward_start(&before);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return started ? 0 : -1;
}

static int attach(int rank)
{
    exporter_name_counters(rank, GROUP);
    return hep_attach() && sc_core_attach(core, process_no) == SC_OK ? 0 : -1;
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
            return attach(rank);
    }
}

struct module_exports exports = {
    "sipcapture",      /* name */
    DEFAULT_DLFLAGS,   /* how it is loaded */
    functions,
    parameters,
    0,                 /* commands are registered at start */
    hep_variables,
    0,                 /* no reply handler */
    mod_init,
    child_init,
    host_end_core
};
