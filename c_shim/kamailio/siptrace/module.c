/*
 * Kamailio's siptrace.so: what is its own among all that modules of this host have, and what makes ready for it. Rules,
 * defaults and texts live in the core (src/module). Called by the host alone.
 */
#include <string.h>

#include "core/dprint.h"
#include "core/parser/parse_uri.h"
#include "core/socket_info.h"
#include "core/sr_module.h"

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

/* What the core cannot use, for it names the host's variables and functions. */
static struct {
    str traced_user_avp;
    str trace_table_avp;
    str evcb_msg;
} parameter;

const param_export_t own_parameters[] = {
    { "traced_user_avp", PARAM_STR, &parameter.traced_user_avp },
    { "trace_table_avp", PARAM_STR, &parameter.trace_table_avp },
    { "evcb_msg", PARAM_STR, &parameter.evcb_msg },
    { 0, 0, 0 }
};

/* ---- sockets ---- */

/* The socket of send_sock_addr; `is_good` is 0 when the parameter is not. */
static struct socket_info *addressed_socket(sc_bytes text, int *is_good)
{
    sip_uri_t uri;

    memset(&uri, 0, sizeof(uri));
    if (parse_uri((char *)text.ptr, (int)text.len, &uri) < 0) {
        sc_core_refuse(core, "send_sock_addr", text, SC_REFUSAL_NO_URI);
        *is_good = 0;
        return NULL;
    }
    return grep_sock_info(
        &uri.host, uri.port_no != 0 ? uri.port_no : SIP_PORT, uri.proto != PROTO_NONE ? uri.proto : PROTO_UDP);
}

/* Finds the socket that copies leave from, and whose address packets have. */
static int bind_socket(const sc_trace_needs *needs)
{
    int has_name = needs->socket_name.len > 0, is_good = 1;
    str name = { (char *)needs->socket_name.ptr, (int)needs->socket_name.len };
    struct socket_info *socket;
    sc_address address;

    if (!has_name && needs->socket_uri.len == 0) {
        return 1;
    }
    socket = has_name ? ksr_get_socket_by_name(&name) : addressed_socket(needs->socket_uri, &is_good);
    if (!is_good) {
        return 0;
    }
    if (socket == NULL) {
        sc_core_refuse(core, has_name ? "send_sock_name" : "send_sock_addr",
            has_name ? needs->socket_name : needs->socket_uri, SC_REFUSAL_NO_SOCKET);
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
static int prepare_scripts(const sc_trace_needs *needs)
{
    if (!needs->follows_scripts) {
        return 1;
    }
    functions_use_flags(needs->transaction_flags);
    return message_name_avps(&parameter.traced_user_avp, &parameter.trace_table_avp) && callbacks_bind(needs);
}

static int mod_init(void)
{
    sc_trace_needs needs;

    if (!life_start_core() || sc_trace_setup(core, &needs) != SC_OK || !bind_socket(&needs)
            || sc_core_check(core) != SC_OK) {
        return -1;
    }
    if (!commands_register(core_module) || !host_register_counters("siptrace")) {
        return -1;
    }
    if (!prepare_scripts(&needs) || (needs.traces_traffic && !events_listen(&needs, &parameter.evcb_msg))
            || (needs.sends_copies && !copies_prepare()) || !processes_reserve(0)) {
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
