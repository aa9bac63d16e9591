/*
 * Kamailio's siptrace.so: what is its own among all that modules of this host have, and what makes ready for it. Rules,
 * defaults and texts live in the core (src/module), but for those of the host's own affairs: its sockets, AVPs, flags and callbacks. Called by
 * the host alone.
 */
#include <string.h>

#include "core/dprint.h"
#include "core/flags.h"
#include "core/parser/parse_uri.h"
#include "core/socket_info.h"
#include "core/sr_module.h"

#include "../../shared/parameters.h"
#include "../commands.h"
#include "../convert.h"
#include "../forward.h"
#include "../host.h"
#include "../life.h"
#include "../processes.h"
#include "siptrace.h"

MODULE_VERSION

/* ---- what this module has of its own ---- */

const char core_module[] = "kamailio/siptrace";

/* What the stock modules of versions before 5.7 do not know, they do not do either. */
#if VERSIONVAL >= 5007000
#define TRACES_MORE_OF_DIALOGS 1
#else
#define TRACES_MORE_OF_DIALOGS 0
#endif

/* The host's own affairs. */
static struct {
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
    .trace_flag = -1,
    .trace_sl_acks = 1,
    .trace_dialog_ack = TRACES_MORE_OF_DIALOGS,
    .trace_dialog_spiral = TRACES_MORE_OF_DIALOGS
};

const param_export_t own_parameters[] = {
    { "traced_user_avp", PARAM_STR, &parameter.traced_user_avp },
    { "trace_table_avp", PARAM_STR, &parameter.trace_table_avp },
    { "send_sock_addr", PARAM_STR, &parameter.send_sock_addr },
    { "force_send_sock", PARAM_STR, &parameter.send_sock_addr },
    { "send_sock_name", PARAM_STR, &parameter.send_sock_name },
    { "evcb_msg", PARAM_STR, &parameter.evcb_msg },
    { "trace_flag", PARAM_INT, &parameter.trace_flag },
    { "trace_sl_acks", PARAM_INT, &parameter.trace_sl_acks },
    { "trace_init_mode", PARAM_INT, &parameter.trace_init_mode },
    { "data_mode", PARAM_INT, &parameter.data_mode },
    { "trace_dialog_ack", PARAM_INT, &parameter.trace_dialog_ack },
    { "trace_dialog_spiral", PARAM_INT, &parameter.trace_dialog_spiral },
#if VERSIONVAL >= 6002000
    { "trace_ephemeral_socket", PARAM_INT, &parameter.trace_ephemeral_socket },
#endif
    { 0, 0, 0 }
};

/* ---- parameters ---- */

/* What trace_init_mode says. */
enum {
    FOR_ALL = 0,
    FOR_CORE = 1,
    FOR_SCRIPTS = 2
};

static int mode(void)
{
    return parameters_number("trace_mode", 0);
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

/* ---- life ---- */

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
            .headers = mode() & 4 && parameters_number("xheaders_write", 0) != 0 };

    if ((parameter.trace_init_mode != FOR_ALL && parameter.trace_init_mode != FOR_CORE) || mode() == 0) {
        return 1;
    }
    return events_listen(&wanted, &parameter.evcb_msg);
}

/* Names that copies go to are looked up by a process. */
static int prepare_copies(void)
{
    int of_scripts = parameter.trace_init_mode != FOR_CORE && parameters_number("hep_mode_on", 0) == 0;

    return (!of_scripts && !(mode() & 4)) || copies_prepare();
}

static int mod_init(void)
{
    if (!check_own_parameters() || !life_start_core() || !bind_socket() || sc_core_check(core) != SC_OK) {
        return -1;
    }
    if (!commands_register(core_module) || !host_register_counters("siptrace")) {
        return -1;
    }
    if (!prepare_scripts() || !prepare_events() || !prepare_copies() || !processes_reserve(0)) {
        return -1;
    }
    return 0;
}

static int child_init(int rank)
{
    static const process_steps steps = { forward_start, NULL };
    return life_child_init(rank, &steps);
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
    host_end_core
};
