/*
 * What the host's core receives and sends (trace_mode), shown to the script before it is traced:
 * event_route[siptrace:msg], and $siptrace(...) in it. The host's events call it, and module.c.
 */
#include <string.h>

#include "core/action.h"
#include "core/dprint.h"
#include "core/events.h"
#include "core/forward.h"
#include "core/kemi.h"
#include "core/mem/mem.h"
#include "core/parser/msg_parser.h"
#include "core/route.h"
#include "core/socket_info.h"
#if VERSIONVAL >= 6000002
#include "core/srapi.h"
#endif

#include "../convert.h"
#include "../host.h"
#include "../variable.h"
#include "siptrace.h"

/* What the parameters ask for. */
static sc_trace_needs needs;

static int event_route = -1;
static str event_callback = { NULL, 0 };

/* The message that the script looks at. */
static const sc_trace *shown = NULL;

/* ---- the script ---- */

static int run_script(sip_msg_t *msg)
{
    str event = str_init("siptrace:msg");
    int outer_type = get_route_type();
    struct run_act_ctx context;
#if VERSIONVAL >= 6000002
    ksr_msg_env_links_t outer = { 0 };
    int is_apart = ksr_msg_env_push(&outer) >= 0;
#endif

    set_route_type(EVENT_ROUTE);
    init_run_actions_ctx(&context);
    if (event_route >= 0) {
        run_top_route(event_rt.rlist[event_route], msg, &context);
    } else {
        run_act_ctx_t *outer_context = sr_kemi_act_ctx_get();
        sr_kemi_eng_t *engine = sr_kemi_eng_get();

        sr_kemi_act_ctx_set(&context);
        if (engine != NULL) {
            sr_kemi_route(engine, msg, EVENT_ROUTE, &event_callback, &event);
        }
        sr_kemi_act_ctx_set(outer_context);
    }
#if VERSIONVAL >= 6000002
    if (is_apart) {
        ksr_msg_env_pop(&outer);
    }
#endif
    set_route_type(outer_type);
    return !(context.run_flags & DROP_R_F);
}

/* Gives the message the headers; 0 when it cannot have them. */
static int write_headers(sc_trace *trace, char **with_headers)
{
    size_t room = trace->body.len + SC_X_HEADERS;
    size_t len;

    *with_headers = pkg_malloc(room);
    if (*with_headers == NULL) {
        LM_ERR("no private memory left\n");
        return 0;
    }
    if (sc_trace_headers(core, trace, *with_headers, room, &len) != SC_OK) {
        return 0;
    }
    (*with_headers)[len] = 0; /* the headers are shorter than their room */
    trace->body = (sc_bytes){ *with_headers, len };
    return 1;
}

/* What the script says of a message. */
typedef enum verdict {
    TRACE_IT,
    LEAVE_IT,
    UNREADABLE
} verdict;

/* What the script sees is traced: with the headers, if there are to be any. They are in memory of `with_headers` then,
 * for the caller to free: the script may send, and so be asked again. */
static verdict ask_script(sc_trace *trace, char **with_headers)
{
    const sc_trace *outer = shown; /* the script sends something itself */
    sip_msg_t msg;
    int wanted;

    if (event_route < 0 && event_callback.len <= 0) {
        return TRACE_IT;
    }
    if (needs.traffic_headers && !write_headers(trace, with_headers)) {
        return UNREADABLE;
    }
    memset(&msg, 0, sizeof(msg));
    msg.buf = (char *)trace->body.ptr;
    msg.len = trace->body.len;
    if (parse_msg(msg.buf, msg.len, &msg) != 0) {
        free_sip_msg(&msg);
        return UNREADABLE;
    }
    shown = trace;
    wanted = run_script(&msg);
    shown = outer;
    free_sip_msg(&msg);
    return wanted ? TRACE_IT : LEAVE_IT;
}

/* ---- what is received and sent ---- */

/* Fills in what a row has of a SIP message; without a method no row is made. */
static void read_message(sc_trace *trace, message_room *room, sip_msg_t *msg)
{
    sc_trace said;

    memset(msg, 0, sizeof(*msg));
    msg->buf = (char *)trace->body.ptr;
    msg->len = trace->body.len;
    if (parse_msg(msg->buf, msg->len, msg) != 0 || !(IS_SIP(msg) || IS_SIP_REPLY(msg))) {
        return;
    }
    if (!message_begin(&said, room, msg)) {
        sc_trace_lose(core, SC_LOSS_MALFORMED);
        return;
    }
    trace->call_id = said.call_id;
    trace->method = said.method;
    trace->from_tag = said.from_tag;
    trace->to_tag = said.to_tag;
    if (msg->first_line.type == SIP_REPLY) {
        trace->status = to_bytes(&msg->first_line.u.reply.status);
    }
}

static void send_event(sc_trace *trace, message_room *room)
{
    sip_msg_t msg;

    if (!needs.traffic_rows) {
        message_send(trace);
        return;
    }
    read_message(trace, room, &msg);
    message_send(trace);
    free_sip_msg(&msg);
}

static int trace_event(sc_trace *trace, message_room *room)
{
    char *with_headers = NULL;
    verdict said = ask_script(trace, &with_headers);

    if (said == TRACE_IT) {
        send_event(trace, room);
    }
    if (with_headers != NULL) {
        pkg_free(with_headers);
    }
    return said == UNREADABLE ? -1 : 0;
}

/* A listen socket as it is shown. */
static sc_endpoint shown_socket(const struct socket_info *socket)
{
    return needs.advertised && socket->useinfo.sock_str.len > 0 ? message_advertised(socket) : message_socket(socket);
}

static int on_received(sr_event_param_t *event)
{
    sr_net_info_t *info = event->data;
    sc_trace trace = { .tracer = SC_TRACER_CORE };
    message_room room;
    receive_info_t *rcv;

    if (info == NULL || info->rcv == NULL || info->data.s == NULL || info->data.len <= 0) {
        return -1;
    }
    if (!message_is_on()) {
        return 0;
    }
    rcv = info->rcv;
    trace.body = to_bytes(&info->data);
    trace.from = message_address(rcv->proto, &rcv->src_ip, rcv->src_port);
    if (needs.advertised && rcv->bind_address != NULL && rcv->bind_address->useinfo.sock_str.len > 0) {
        trace.to = message_advertised(rcv->bind_address);
    } else {
        trace.to = message_address(rcv->proto, &rcv->dst_ip, rcv->dst_port);
    }
    return trace_event(&trace, &room);
}

/* Where a message was sent from, and its transport. */
static sc_endpoint sender(dest_info_t *to, int *proto)
{
    struct socket_info *socket = to->send_sock != NULL ? to->send_sock : get_send_socket(NULL, &to->to, to->proto);

#if VERSIONVAL >= 6002000
    if (needs.ephemeral && to->ephemeral.vset) {
        *proto = to->ephemeral.proto;
        return message_address(to->ephemeral.proto, &to->ephemeral.ip, to->ephemeral.port);
    }
#endif
    *proto = socket != NULL ? socket->proto : PROTO_UDP;
    return socket != NULL ? shown_socket(socket) : (sc_endpoint){ 0 };
}

static int on_sent(sr_event_param_t *event)
{
    sr_net_info_t *info = event->data;
    sc_trace trace = { .tracer = SC_TRACER_CORE, .outgoing = 1 };
    message_room room;
    int proto;

    if (info == NULL || info->dst == NULL || info->data.s == NULL || info->data.len <= 0) {
        return -1;
    }
    if (!message_is_on()) {
        return 0;
    }
    trace.body = to_bytes(&info->data);
    trace.from = sender(info->dst, &proto);
    trace.to = message_peer(proto, &info->dst->to);
    return trace_event(&trace, &room);
}

int events_listen(const sc_trace_needs *wanted, const str *callback)
{
    needs = *wanted;
    event_route = route_lookup(&event_rt, "siptrace:msg");
    if (event_route >= 0 && event_rt.rlist[event_route] == NULL) {
        event_route = -1;
    }
    if (callback->len > 0) {
        if (sr_kemi_eng_get() == NULL) {
            sc_core_refuse(core, "evcb_msg", to_bytes(callback), SC_REFUSAL_NO_ENGINE);
            return 0;
        }
        event_callback = *callback;
    }
    if (sr_event_register_cb(SREV_NET_DATA_RECV, on_received) != 0
        || sr_event_register_cb(SREV_NET_DATA_SENT, on_sent) != 0) {
        sc_core_refuse(core, "trace_mode", to_bytes(&nothing), SC_REFUSAL_EVENT_TAKEN);
        return 0;
    }
    return 1;
}

/* ---- $siptrace(...) ---- */

static int parse_name(pv_spec_p spec, str *name)
{
    return variable_parse(spec, name, "siptrace", sc_trace_variable, sc_trace_variable_names);
}

static int get_field(struct sip_msg *msg, pv_param_t *param, pv_value_t *value)
{
    sc_variable_value field = { .kind = SC_VARIABLE_NULL };

    sc_trace_variable_value(core, variable_number(param), shown, &field);
    return variable_answer(msg, param, value, &field);
}

pv_export_t event_variables[] = {
    { { "siptrace", sizeof("siptrace") - 1 }, PVT_OTHER, get_field, 0, parse_name, 0, 0, 0 },
    { { 0, 0 }, 0, 0, 0, 0, 0, 0, 0 }
};
