/*
 * What comes as a HEP packet, and messages from raw sockets: looked at by the script if it wants to (nonsip_hook),
 * routed as if they had come from their own addresses, and asked about with $hep(...). The host's events call it, and
 * module.c.
 */
#include <stdio.h>
#include <string.h>

#include "core/dprint.h"
#include "core/events.h"
#include "core/globals.h"
#include "core/ip_addr.h"
#include "core/kemi.h"
#include "core/mem/shm_mem.h"
#include "core/nonsip_hooks.h"
#include "core/pt.h"
#include "core/receive.h"
#include "core/route.h"
#include "core/script_cb.h"

#include "../convert.h"
#include "../host.h"
#include "../variable.h"
#include "sipcapture.h"

/* ---- routing ---- */

/* The listen socket that a captured message is routed as received on: one with the message's own address. In shared
 * memory, one a process: whatever keeps a pointer to it, such as a transaction that another process ends, finds it
 * there. */
typedef struct pseudo_socket {
    struct socket_info socket;
    char address[IP_ADDR_MAX_STRZ_SIZE];
    char port[8];
    char whole[IP_ADDR_MAX_STRZ_SIZE + 24];
} pseudo_socket;

static pseudo_socket *pseudo = NULL;
static int routing = 0; /* whether the payload of a HEP packet is being routed */
static int routed = 0;  /* whether the payload at hand got past the parser */

/* The HEP packet at hand, for $hep(...): nobody writes to it before it ends. */
static sc_bytes packet_at_hand = { NULL, 0 };

static void end_packet(sc_bytes refused)
{
    packet_at_hand = to_bytes(&nothing);
    sc_hep_end(core, refused);
}

static int on_route_begins(struct sip_msg *msg, unsigned int flags, void *param)
{
    (void)msg;
    (void)flags;
    (void)param;
    routed = 1;
    return 1;
}

static const char *transport_name(uint8_t transport)
{
    static const char *const names[] = { "udp", "udp", "tcp", "tls", "sctp", "ws", "wss" };
    return names[transport < sizeof(names) / sizeof(names[0]) ? transport : 0];
}

int hep_attach(void)
{
    if (pseudo == NULL && (pseudo = shm_malloc(sizeof(*pseudo))) == NULL) {
        LM_ERR("no shared memory left\n");
        return 0;
    }
    return 1;
}

static void receive_on_pseudo_socket(receive_info_t *info, const sc_hep_packet *packet)
{
    struct socket_info *socket = &pseudo->socket;

    memset(pseudo, 0, sizeof(*pseudo));
    socket->socket = -1;
    socket->address = info->dst_ip;
    socket->port_no = info->dst_port;
    socket->proto = packet->transport;
    socket->address_str.s = pseudo->address;
    socket->address_str.len = ip_addr2sbuf(&info->dst_ip, pseudo->address, sizeof(pseudo->address) - 1);
    socket->name = socket->address_str;
    socket->port_no_str.s = pseudo->port;
    socket->port_no_str.len = snprintf(pseudo->port, sizeof(pseudo->port), "%u", (unsigned)info->dst_port);
    socket->sock_str.s = pseudo->whole;
    socket->sock_str.len = snprintf(pseudo->whole, sizeof(pseudo->whole),
            info->dst_ip.af == AF_INET6 ? "%s:[%s]:%s" : "%s:%s:%s", transport_name(packet->transport),
            pseudo->address, pseudo->port);
    init_su(&socket->su, &info->dst_ip, info->dst_port);
    init_su(&info->src_su, &info->src_ip, info->src_port);
    info->bind_address = socket;
}

/* The message that is being routed. Modules of this host that rewrite what comes in take it for granted that they may
 * write as much as the host's own buffer holds, so it stands in one of that size. */
static char routed_message[BUF_SIZE + 1];

void hep_route(const sc_hep_packet *packet, const receive_info_t *real)
{
    receive_info_t info = *real;
    sc_bytes refused = { NULL, 0 };
    size_t len = packet->payload.len;

    if (len > BUF_SIZE) { /* more than the host can parse */
        end_packet(packet->payload);
        return;
    }
    memcpy(routed_message, packet->payload.ptr, len);
    routed_message[len] = 0;

    from_address(&packet->source, &info.src_ip);
    from_address(&packet->destination, &info.dst_ip);
    info.src_port = packet->source.port;
    info.dst_port = packet->destination.port;
    info.proto = packet->transport;
    /* No connection of the captured message is here, least of all that of the agent. */
    info.proto_reserved1 = 0;
    info.proto_reserved2 = 0;
    if (packet->version == 3 || packet->version == 0) {
        receive_on_pseudo_socket(&info, packet);
    }
    routed = 0;
    routing = 1;
    /* With event_route[core:msg-received] the script may have dropped it: then that is its wish. */
    if (receive_msg(routed_message, len, &info) < 0 && !routed && ksr_evrt_received_mode == 0) {
        refused = packet->payload;
    }
    routing = 0;
    end_packet(refused);
}

/* ---- the script's look at a HEP packet: event_route[sipcapture:request], or the KEMI function event_callback ---- */

static int event_route = -1;
static str event_callback = { NULL, 0 };

/* Runs it on `msg`, whose buffer is the packet. 1: the packet is to be taken; 0: the script has dealt with it; others:
 * it failed. */
static int ask_script(sip_msg_t *msg)
{
    str event = str_init("sipcapture:request");
    int outer_type = get_route_type();
    struct run_act_ctx context;
    int answer;

    set_route_type(EVENT_ROUTE);
    init_run_actions_ctx(&context);
    if (event_route >= 0) {
        answer = run_actions(&context, event_rt.rlist[event_route], msg);
    } else {
        run_act_ctx_t *outer = sr_kemi_act_ctx_get();
        sr_kemi_eng_t *engine = sr_kemi_eng_get();

        sr_kemi_act_ctx_set(&context);
        answer = engine != NULL ? sr_kemi_route(engine, msg, EVENT_ROUTE, &event_callback, &event) : -1;
        sr_kemi_act_ctx_set(outer);
        /* The engines do not hand on what the function returned. */
        answer = answer > 0 ? 1 : answer;
    }
    if (context.run_flags & DROP_R_F) {
        answer = 0;
    }
    set_route_type(outer_type);
    return answer;
}

/* Asks the script about a packet of SC_HEP_NEEDS_SCRIPT and does what it says; the answer is the script's. */
static int ask(sip_msg_t *msg, sc_bytes datagram, const receive_info_t *real)
{
    sc_hep_verdict verdict = SC_HEP_DONE;
    sc_hep_packet packet;
    int answer = ask_script(msg);

    if (answer == 1 && sc_hep_accept(core, datagram, &verdict, &packet) == SC_OK && verdict == SC_HEP_ROUTE) {
        hep_route(&packet, real);
    } else {
        end_packet(to_bytes(&nothing));
        ksr_msg_env_reset();
    }
    return answer;
}

/* ---- what comes in ---- */

static int on_datagram(sr_event_param_t *event)
{
    void **parts = event->data;
    sc_bytes datagram = { parts[0], *(unsigned int *)parts[1] };
    const receive_info_t *real = parts[2];
    sc_address sender = to_address(&real->src_ip, real->src_port);
    sc_hep_verdict verdict = SC_HEP_PASS;
    sc_hep_packet packet;

    if (sc_hep_receive(core, datagram, &sender, &verdict, &packet) != SC_OK || verdict == SC_HEP_PASS) {
        return 0;
    }
    packet_at_hand = verdict == SC_HEP_DONE ? to_bytes(&nothing) : datagram;
    if (verdict == SC_HEP_ROUTE) {
        hep_route(&packet, real);
    } else if (verdict == SC_HEP_NEEDS_SCRIPT) {
        sip_msg_t msg;

        memset(&msg, 0, sizeof(msg));
        msg.buf = (char *)datagram.ptr;
        msg.len = datagram.len;
        msg.rcv = *real;
        msg.id = inc_msg_no();
        msg.pid = my_pid();
        msg.set_global_address = default_global_address;
        msg.set_global_port = default_global_port;
        msg_set_time(&msg);
        ask(&msg, datagram, real);
        free_sip_msg(&msg);
    }
    return -1;
}

/* What the host's parser does not take for SIP: HEP packets of connections, and whatever else comes. */
static int on_no_sip(sr_event_param_t *event)
{
    sip_msg_t *msg = event->data;
    sc_bytes datagram = { msg->buf, msg->len };
    sc_address sender = to_address(&msg->rcv.src_ip, msg->rcv.src_port);
    sc_hep_verdict verdict = SC_HEP_PASS;
    sc_hep_packet packet;
    int answer;

    if (routing) { /* the payload of a HEP packet, which is captured all the same */
        return NONSIP_MSG_ERROR;
    }
    if (sc_hep_receive(core, datagram, &sender, &verdict, &packet) != SC_OK) {
        return NONSIP_MSG_ERROR;
    }
    switch (verdict) {
        case SC_HEP_NEEDS_SCRIPT:
            packet_at_hand = datagram;
            msg->id = inc_msg_no();
            answer = ask(msg, datagram, &msg->rcv);
            return answer == 0 || answer == 1 ? NONSIP_MSG_DROP : NONSIP_MSG_ERROR;
        case SC_HEP_PASS:
            /* Nothing that could be routed, but the script may know it. */
            return ask_script(msg) == 0 ? NONSIP_MSG_DROP : NONSIP_MSG_ERROR;
        default:
            return NONSIP_MSG_DROP;
    }
}

/* Finds what nonsip_hook is to run. */
static int find_event_route(void)
{
    if (event_callback.len > 0) {
        if (sr_kemi_eng_get() == NULL) {
            sc_core_refuse(core, "event_callback", to_bytes(&event_callback), SC_REFUSAL_NO_ENGINE);
            return 0;
        }
        return 1;
    }
    event_route = route_lookup(&event_rt, "sipcapture:request");
    if (event_route < 0 || event_rt.rlist[event_route] == NULL) {
        sc_core_refuse(
            core, "nonsip_hook", to_bytes(&nothing), event_route < 0 ? SC_REFUSAL_NO_ROUTE : SC_REFUSAL_EMPTY_ROUTE);
        return 0;
    }
    return 1;
}

int hep_listen(int asks_script, const str *callback)
{
    if (sr_event_register_cb(SREV_NET_DGRAM_IN, on_datagram) != 0) {
        LM_ERR("another module takes the datagrams already\n");
        return 0;
    }
    if (asks_script) {
        event_callback = *callback;
        if (!find_event_route()) {
            return 0;
        }
        if (sr_event_register_cb(SREV_RCV_NOSIP, on_no_sip) != 0) {
            sc_core_refuse(core, "nonsip_hook", to_bytes(&nothing), SC_REFUSAL_EVENT_TAKEN);
            return 0;
        }
    }
    if (register_script_cb(on_route_begins, PRE_SCRIPT_CB | REQUEST_CB | ONREPLY_CB, NULL) != 0) {
        LM_ERR("the route callback cannot be registered\n");
        return 0;
    }
    return 1;
}

/* ---- $hep(...) ---- */

static int parse_hep_name(pv_spec_p spec, str *name)
{
    return variable_parse(spec, name, "hep", sc_hep_variable, sc_hep_variable_names);
}

static int get_hep(struct sip_msg *msg, pv_param_t *param, pv_value_t *value)
{
    sc_variable_value field = { .kind = SC_VARIABLE_NULL };

    sc_hep_variable_value(core, variable_number(param), packet_at_hand, &field);
    return variable_answer(msg, param, value, &field);
}

pv_export_t hep_variables[] = {
    { { "hep", sizeof("hep") - 1 }, PVT_OTHER, get_hep, 0, parse_hep_name, 0, 0, 0 },
    { { 0, 0 }, 0, 0, 0, 0, 0, 0, 0 }
};
