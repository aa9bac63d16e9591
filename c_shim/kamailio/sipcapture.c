/*
 * Kamailio's sipcapture.so: names parameters, functions, commands and counters to the host and hands everything on to the core.
 * Rules, defaults and texts live in the core (src/module).
 */
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/cfg/cfg_struct.h"
#include "core/counters.h"
#include "core/dprint.h"
#include "core/events.h"
#include "core/globals.h"
#include "core/ip_addr.h"
#include "core/kemi.h"
#include "core/mem/shm_mem.h"
#include "core/mod_fix.h"
#include "core/nonsip_hooks.h"
#include "core/pt.h"
#include "core/pvar.h"
#include "core/receive.h"
#include "core/route.h"
#include "core/rpc.h"
#include "core/rpc_lookup.h"
#include "core/script_cb.h"
#include "core/sr_module.h"
#include "modules/topoh/api.h"

#include "../core.h"
#include "forward.h"
#include "host_database.h"
#include "reply.h"

MODULE_VERSION

#define UNSET INT_MIN

static sc_core *core = NULL;

/* ---- parameters ---- */

#define TEXT_PARAMETERS(X) \
    X(db_driver) X(db_url) X(table_name) X(mt_mode) X(hash_source) X(table_time_sufix) X(spool_dir) X(spool_sync) X(capture_node) X(callid_aleg_header) \
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
    X(hep_auth_key) X(hep_allow) \
    X(raw_socket_listen) X(raw_interface)

#define NUMBER_PARAMETERS(X) \
    X(capture_on) X(hep_capture_on) X(db_insert_mode) X(queue_size) X(capture_writers) X(batch_size) \
    X(flush_interval) X(create_tables) X(shutdown_timeout) X(capture_bad_msgs) X(insert_retries) X(insert_retry_timeout) \
    X(spool_size) X(nonsip_hook) \
    X(raw_ipip_capture_on) X(raw_moni_capture_on) X(raw_sock_children) X(raw_moni_bpf_on) X(promiscuous_on)

#define TEXT_FIELD(name) str name;
#define NUMBER_FIELD(name) int name;
#define NUMBER_UNSET(name) .name = UNSET,
static struct {
    TEXT_PARAMETERS(TEXT_FIELD)
    NUMBER_PARAMETERS(NUMBER_FIELD)
    /* the host's own affairs */
    str event_callback;
    int topoh_unmask;
} parameter = { NUMBER_PARAMETERS(NUMBER_UNSET) };

/* Each value of capture_mode, in their order. */
typedef struct mode_text {
    struct mode_text *next;
    str text;
} mode_text;

static mode_text *modes = NULL;
static mode_text **last_mode = &modes;

/* The host calls it for each value while it reads its configuration, before there is a core. */
static int keep_mode(modparam_t type, void *value)
{
    mode_text *mode = pkg_malloc(sizeof(*mode) + strlen(value) + 1);

    (void)type;
    if (mode == NULL) {
        LM_ERR("no private memory left\n");
        return -1;
    }
    mode->next = NULL;
    mode->text.s = strcpy((char *)(mode + 1), value);
    mode->text.len = strlen(value);
    *last_mode = mode;
    last_mode = &mode->next;
    return 0;
}

#define TEXT_EXPORT(name) { #name, PARAM_STR, &parameter.name },
#define NUMBER_EXPORT(name) { #name, PARAM_INT, &parameter.name },
static param_export_t parameters[] = {
    TEXT_PARAMETERS(TEXT_EXPORT)
    NUMBER_PARAMETERS(NUMBER_EXPORT)
    { "capture_mode", PARAM_STRING | PARAM_USE_FUNC, keep_mode },
    TEXT_EXPORT(event_callback)
    NUMBER_EXPORT(topoh_unmask)
    { 0, 0, 0 }
};

static int hand_on_text(const char *name, const str *value)
{
    sc_bytes bytes = { value->s, value->len };
    return value->s == NULL || sc_core_set_text(core, name, bytes) == SC_OK;
}

static int hand_on_modes(void)
{
    const mode_text *mode;

    for (mode = modes; mode != NULL; mode = mode->next) {
        if (!hand_on_text("capture_mode", &mode->text)) {
            return 0;
        }
    }
    return 1;
}

static int hand_on_number(const char *name, int value)
{
    return value == UNSET || sc_core_set_number(core, name, value) == SC_OK;
}

#define HAND_ON_TEXT(name) && hand_on_text(#name, &parameter.name)
#define HAND_ON_NUMBER(name) && hand_on_number(#name, parameter.name)
static int hand_on_parameters(void)
{
    return 1 TEXT_PARAMETERS(HAND_ON_TEXT) NUMBER_PARAMETERS(HAND_ON_NUMBER) && hand_on_modes();
}

/* ---- log ---- */

static void host_log(sc_log_level level, const char *text, size_t len)
{
    switch (level) {
        case SC_LOG_ERROR:
            LM_ERR("%.*s\n", (int)len, text);
            break;
        case SC_LOG_WARNING:
            LM_WARN("%.*s\n", (int)len, text);
            break;
        case SC_LOG_INFO:
            LM_INFO("%.*s\n", (int)len, text);
            break;
        default:
            LM_DBG("%.*s\n", (int)len, text);
            break;
    }
}

/* ---- addresses ---- */

static sc_address to_address(const struct ip_addr *ip, unsigned short port)
{
    sc_address address = { 0 };
    address.length = ip->len <= sizeof(address.ip) ? ip->len : 0;
    memcpy(address.ip, ip->u.addr, address.length);
    address.port = port;
    return address;
}

static void from_address(const sc_address *address, struct ip_addr *ip)
{
    memset(ip, 0, sizeof(*ip));
    ip->af = address->length == 4 ? AF_INET : AF_INET6;
    ip->len = address->length;
    memcpy(ip->u.addr, address->ip, address->length);
}

/* ---- sip_capture() ---- */

static const str nothing = { NULL, 0 };

static sc_bytes to_bytes(const str *text)
{
    sc_bytes bytes = { NULL, 0 };
    if (text != NULL && text->s != NULL && text->len > 0) {
        bytes.ptr = text->s;
        bytes.len = text->len;
    }
    return bytes;
}

static sc_message to_message(struct sip_msg *msg)
{
    sc_message message = { 0 };

    message.source = to_address(&msg->rcv.src_ip, msg->rcv.src_port);
    message.destination = to_address(&msg->rcv.dst_ip, msg->rcv.dst_port);
    message.transport = msg->rcv.proto > 0 ? msg->rcv.proto : 0;
    message.payload.ptr = msg->buf;
    message.payload.len = msg->len;
    if (msg->first_line.type == SIP_REQUEST && msg->new_uri.s != NULL && msg->new_uri.len > 0) {
        message.rewritten_uri.ptr = msg->new_uri.s;
        message.rewritten_uri.len = msg->new_uri.len;
    }
    return message;
}

static topoh_api_t topoh;

/* The Call-ID that topoh has masked; nothing when it has not. Points into topoh, until it is asked again. */
static sc_bytes unmasked_call_id(struct sip_msg *msg)
{
    str plain = nothing;

    if (parameter.topoh_unmask != 1 || parse_headers(msg, HDR_CALLID_F, 0) != 0 || msg->callid == NULL) {
        return to_bytes(&nothing);
    }
    for (int i = 0; i < msg->callid->body.len; i++) {
        if ((unsigned char)msg->callid->body.s[i] >= 0x80) {
            return to_bytes(&nothing); /* beyond topoh's tables, and so never of its making */
        }
    }
    return to_bytes(topoh.unmask_callid(&msg->callid->body, &plain) == 0 ? &plain : &nothing);
}

static int bind_topoh_api(void)
{
    if (parameter.topoh_unmask == 1 && topoh_load_api(&topoh) != 0) {
        LM_ERR("parameter topoh_unmask: there is no module topoh that could unmask: load topoh.so with the mask_key of the "
               "server that masks, or set 0\n");
        return 0;
    }
    return 1;
}

static int capture(struct sip_msg *msg, const str *table, uint32_t mode)
{
    sc_message message = to_message(msg);
    message.call_id = unmasked_call_id(msg);
    return sc_capture_sip(core, &message, to_bytes(table), mode) == SC_OK ? 1 : -1;
}

static int report(struct sip_msg *msg, const str *table, const str *correlation, const str *body)
{
    sc_message message = to_message(msg);
    return sc_capture_report(core, &message, to_bytes(table), to_bytes(correlation), to_bytes(body)) == SC_OK ? 1 : -1;
}

static int multiply(const str *value, const str *factor)
{
    int32_t product = 0;
    return sc_float2int(to_bytes(value), to_bytes(factor), &product) == SC_OK ? product : -1;
}

/* The text of a script function's parameter; absent parameters are empty. */
static int evaluate(str *text, struct sip_msg *msg, const char *function, char *parameter)
{
    *text = nothing;
    if (parameter != NULL && get_str_fparam(text, msg, (fparam_t *)parameter) < 0) {
        LM_ERR("%s(): a parameter cannot be evaluated\n", function);
        return 0;
    }
    return 1;
}

static int w_sip_capture0(struct sip_msg *msg, char *unused1, char *unused2)
{
    (void)unused1;
    (void)unused2;
    return capture(msg, &nothing, 0);
}

static int w_sip_capture1(struct sip_msg *msg, char *table, char *unused)
{
    str name;
    (void)unused;
    return evaluate(&name, msg, "sip_capture", table) ? capture(msg, &name, 0) : -1;
}

static int w_sip_capture2(struct sip_msg *msg, char *table, char *mode)
{
    str name;
    return evaluate(&name, msg, "sip_capture", table) ? capture(msg, &name, (uint32_t)(size_t)mode) : -1;
}

/* The first parameter is evaluated with each call; the second, a mode's name, becomes its number when the script is read. */
static int fix_sip_capture2(void **parameter, int number)
{
    sc_bytes name = { *parameter, strlen(*parameter) };
    uint32_t mode = 0;

    if (number == 1) {
        return fixup_var_pve_str_12(parameter, number);
    }
    if (sc_mode_find(core, name, &mode) != SC_OK) {
        return -1;
    }
    *parameter = (void *)(size_t)mode;
    return 0;
}

static int free_sip_capture2(void **parameter, int number)
{
    return number == 1 ? fixup_free_fparam_all(parameter, number) : 0;
}

static int w_report_capture3(struct sip_msg *msg, char *table, char *correlation, char *body)
{
    str name, id, text;
    if (!evaluate(&name, msg, "report_capture", table) || !evaluate(&id, msg, "report_capture", correlation)
            || !evaluate(&text, msg, "report_capture", body)) {
        return -1;
    }
    return report(msg, &name, &id, &text);
}

static int w_report_capture2(struct sip_msg *msg, char *table, char *correlation)
{
    return w_report_capture3(msg, table, correlation, NULL);
}

static int w_report_capture1(struct sip_msg *msg, char *table, char *unused)
{
    (void)unused;
    return w_report_capture3(msg, table, NULL, NULL);
}

static int w_report_capture0(struct sip_msg *msg, char *unused1, char *unused2)
{
    (void)unused1;
    (void)unused2;
    return report(msg, &nothing, &nothing, &nothing);
}

static int w_float2int(struct sip_msg *msg, char *value, char *factor)
{
    str fraction, whole;
    if (!evaluate(&fraction, msg, "float2int", value) || !evaluate(&whole, msg, "float2int", factor)) {
        return -1;
    }
    return multiply(&fraction, &whole);
}

/* Texts without a variable in them are known before the first packet. */
static int fixup_forward(void **uri, int number)
{
    str text = { *uri, strlen(*uri) };

    forward_expect(strchr(text.s, '$') == NULL ? &text : NULL);
    return fixup_spve_null(uri, number);
}

static int w_sip_capture_forward(struct sip_msg *msg, char *uri, char *unused)
{
    str text;
    (void)unused;
    if (fixup_get_svalue(msg, (gparam_t *)uri, &text) < 0) {
        LM_ERR("sip_capture_forward(): the parameter cannot be evaluated\n");
        return -1;
    }
    return forward_send(&text, msg->buf, msg->len);
}

static cmd_export_t functions[] = {
    { "sip_capture", (cmd_function)w_sip_capture0, 0, 0, 0, ANY_ROUTE },
    { "sip_capture", (cmd_function)w_sip_capture1, 1, fixup_var_pve_str_12, fixup_free_fparam_all, ANY_ROUTE },
    { "sip_capture", (cmd_function)w_sip_capture2, 2, fix_sip_capture2, free_sip_capture2, ANY_ROUTE },
    { "report_capture", (cmd_function)w_report_capture0, 0, 0, 0, ANY_ROUTE },
    { "report_capture", (cmd_function)w_report_capture1, 1, fixup_var_pve_str_12, fixup_free_fparam_all, ANY_ROUTE },
    { "report_capture", (cmd_function)w_report_capture2, 2, fixup_var_pve_str_12, fixup_free_fparam_all, ANY_ROUTE },
    /* The host calls it with three parameters, as the count says; its type has room for two. */
    { "report_capture", (cmd_function)(void (*)(void))w_report_capture3, 3, fixup_var_pve_str_12, fixup_free_fparam_all, ANY_ROUTE },
    { "sip_capture_forward", (cmd_function)w_sip_capture_forward, 1, fixup_forward, fixup_free_spve_null, ANY_ROUTE },
    { "float2int", (cmd_function)w_float2int, 2, fixup_var_pve_str_12, fixup_free_fparam_all, ANY_ROUTE },
    { 0, 0, 0, 0, 0, 0 }
};

/* ---- the same for scripts in other languages (KEMI) ---- */

static int ki_sip_capture(sip_msg_t *msg)
{
    return capture(msg, &nothing, 0);
}

static int ki_sip_capture_table(sip_msg_t *msg, str *table)
{
    return capture(msg, table, 0);
}

static int ki_sip_capture_mode(sip_msg_t *msg, str *table, str *name)
{
    uint32_t mode = 0;
    return sc_mode_find(core, to_bytes(name), &mode) == SC_OK ? capture(msg, table, mode) : -1;
}

static int ki_report_capture(sip_msg_t *msg, str *table)
{
    return report(msg, table, &nothing, &nothing);
}

static int ki_report_capture_cid(sip_msg_t *msg, str *table, str *correlation)
{
    return report(msg, table, correlation, &nothing);
}

static int ki_report_capture_data(sip_msg_t *msg, str *table, str *correlation, str *body)
{
    return report(msg, table, correlation, body);
}

static int ki_float2int(sip_msg_t *msg, str *value, str *factor)
{
    (void)msg;
    return multiply(value, factor);
}

static int ki_sip_capture_forward(sip_msg_t *msg, str *uri)
{
    return forward_send(uri, msg->buf, msg->len);
}

#define KEMI_NAME(name) str_init("sipcapture"), str_init(name), SR_KEMIP_INT
static sr_kemi_t kemi_functions[] = {
    { KEMI_NAME("sip_capture"), ki_sip_capture, { 0 } },
    { KEMI_NAME("sip_capture_table"), ki_sip_capture_table, { SR_KEMIP_STR } },
    { KEMI_NAME("sip_capture_mode"), ki_sip_capture_mode, { SR_KEMIP_STR, SR_KEMIP_STR } },
    { KEMI_NAME("report_capture"), ki_report_capture, { SR_KEMIP_STR } },
    { KEMI_NAME("report_capture_cid"), ki_report_capture_cid, { SR_KEMIP_STR, SR_KEMIP_STR } },
    { KEMI_NAME("report_capture_data"), ki_report_capture_data, { SR_KEMIP_STR, SR_KEMIP_STR, SR_KEMIP_STR } },
    { KEMI_NAME("sip_capture_forward"), ki_sip_capture_forward, { SR_KEMIP_STR } },
    { KEMI_NAME("float2int"), ki_float2int, { SR_KEMIP_STR, SR_KEMIP_STR } },
    { { 0, 0 }, { 0, 0 }, 0, NULL, { 0 } }
};

int mod_register(char *path, int *flags, void *unused1, void *unused2)
{
    (void)path;
    (void)flags;
    (void)unused1;
    (void)unused2;
    sr_kemi_modules_add(kemi_functions);
    return 0;
}

/* ---- HEP ---- */

/* What a captured message seems to have been received on. In shared memory, one a process: whatever keeps a pointer to it, such as a
 * transaction that another process ends, finds it there. */
typedef struct seeming_socket {
    struct socket_info socket;
    char address[IP_ADDR_MAX_STRZ_SIZE];
    char port[8];
    char whole[IP_ADDR_MAX_STRZ_SIZE + 24];
} seeming_socket;

static seeming_socket *seeming = NULL;
static int routing = 0; /* whether the payload of a HEP packet is being routed */
static int routed = 0;  /* whether the payload at hand got past the parser */

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

static void seem_received(receive_info_t *info, const sc_hep_packet *packet)
{
    struct socket_info *socket = &seeming->socket;

    memset(seeming, 0, sizeof(*seeming));
    socket->socket = -1;
    socket->address = info->dst_ip;
    socket->port_no = info->dst_port;
    socket->proto = packet->transport;
    socket->address_str.s = seeming->address;
    socket->address_str.len = ip_addr2sbuf(&info->dst_ip, seeming->address, sizeof(seeming->address) - 1);
    socket->name = socket->address_str;
    socket->port_no_str.s = seeming->port;
    socket->port_no_str.len = snprintf(seeming->port, sizeof(seeming->port), "%u", (unsigned)info->dst_port);
    socket->sock_str.s = seeming->whole;
    socket->sock_str.len = snprintf(seeming->whole, sizeof(seeming->whole),
            info->dst_ip.af == AF_INET6 ? "%s:[%s]:%s" : "%s:%s:%s", transport_name(packet->transport),
            seeming->address, seeming->port);
    init_su(&socket->su, &info->dst_ip, info->dst_port);
    init_su(&info->src_su, &info->src_ip, info->src_port);
    info->bind_address = socket;
}

/* The message that is being routed. Modules of this host that rewrite what comes in take it for granted that they may write as much as
 * the host's own buffer holds, so it stands in one of that size. */
static char routed_message[BUF_SIZE + 1];

/* Routes the message inside a HEP packet as if it had come from its own addresses. */
static void route(const sc_hep_packet *packet, const receive_info_t *real)
{
    receive_info_t info = *real;
    sc_bytes refused = { NULL, 0 };
    size_t len = packet->payload.len;

    if (len > BUF_SIZE) { /* more than the host can parse */
        sc_hep_end(core, packet->payload);
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
        seem_received(&info, packet);
    }
    routed = 0;
    routing = 1;
    /* With event_route[core:msg-received] the script may have dropped it: then that is its wish. */
    if (receive_msg(routed_message, len, &info) < 0 && !routed && ksr_evrt_received_mode == 0) {
        refused = packet->payload;
    }
    routing = 0;
    sc_hep_end(core, refused);
}

/* ---- the script's look at a HEP packet: event_route[sipcapture:request], or the KEMI function event_callback ---- */

static int event_route = -1;

/* Runs it on `msg`, whose buffer is the packet. 1: the packet is to be taken; 0: the script has dealt with it; others: it failed. */
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
        answer = engine != NULL ? sr_kemi_route(engine, msg, EVENT_ROUTE, &parameter.event_callback, &event) : -1;
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

/* Asks the script about a packet of SC_HEP_ASK and does what it says; the answer is the script's. */
static int ask(sip_msg_t *msg, sc_bytes datagram, const receive_info_t *real)
{
    sc_hep_verdict verdict = SC_HEP_DONE;
    sc_hep_packet packet;
    int answer = ask_script(msg);

    if (answer == 1 && sc_hep_accept(core, datagram, &verdict, &packet) == SC_OK && verdict == SC_HEP_ROUTE) {
        route(&packet, real);
    } else {
        sc_hep_end(core, to_bytes(&nothing));
        ksr_msg_env_reset();
    }
    return answer;
}

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
    if (verdict == SC_HEP_ROUTE) {
        route(&packet, real);
    } else if (verdict == SC_HEP_ASK) {
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
        case SC_HEP_ASK:
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
    if (parameter.event_callback.len > 0) {
        if (sr_kemi_eng_get() == NULL) {
            LM_ERR("parameter event_callback: there is no script engine to run \"%.*s\": load one (app_lua.so, ...) and "
                   "name it with cfgengine (\"lua\", ...), or leave the parameter out\n",
                    parameter.event_callback.len, parameter.event_callback.s);
            return 0;
        }
        return 1;
    }
    event_route = route_lookup(&event_rt, "sipcapture:request");
    if (event_route < 0 || event_rt.rlist[event_route] == NULL) {
        LM_ERR("parameter nonsip_hook: event_route[sipcapture:request] is %s: write one that returns 1 for each packet that is "
               "to be taken, or set event_callback to a function of a KEMI script\n", event_route < 0 ? "not there" : "empty");
        return 0;
    }
    return 1;
}

/* ---- $hep(...) ---- */

static int parse_hep_name(pv_spec_p spec, str *name)
{
    uint32_t variable;
    const char *names = "";

    if (sc_hep_variable(to_bytes(name), &variable) != SC_OK) {
        sc_hep_variable_names(&names);
        LM_ERR("$hep(%.*s): there is no such field; allowed are %s\n", name->len, name->s, names);
        return -1;
    }
    spec->pvp.pvn.type = PV_NAME_INTSTR;
    spec->pvp.pvn.u.isname.type = 0;
    spec->pvp.pvn.u.isname.name.n = (int)variable;
    return 0;
}

static int get_hep(struct sip_msg *msg, pv_param_t *param, pv_value_t *value)
{
    sc_hep_value field;
    str text;

    if (sc_hep_variable_value(core, (uint32_t)param->pvn.u.isname.name.n, &field) != SC_OK) {
        return pv_get_null(msg, param, value);
    }
    switch (field.kind) {
        case SC_HEP_NUMBER:
            /* The host's numbers are unsigned here, of 32 bits before version 5.7 and of 64 since. */
            return pv_get_uintval(msg, param, value, field.number);
        case SC_HEP_TEXT:
            text.s = (char *)field.text.ptr;
            text.len = field.text.len;
            return pv_get_strval(msg, param, value, &text);
        default:
            return pv_get_null(msg, param, value);
    }
}

static pv_export_t variables[] = {
    { { "hep", sizeof("hep") - 1 }, PVT_OTHER, get_hep, 0, parse_hep_name, 0, 0, 0 },
    { { 0, 0 }, 0, 0, 0, 0, 0, 0, 0 }
};

/* ---- raw sockets ---- */

static uint32_t raw_readers = 0;

static void read_raw(uint32_t reader)
{
    receive_info_t nowhere = { 0 };
    sc_hep_packet packet;

    for (;;) {
        if (sc_raw_receive(core, reader, &packet) != SC_OK) {
            sleep(1); /* logged; the server would end with this process */
            continue;
        }
        cfg_update();
        route(&packet, &nowhere);
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
            return -1;
        }
        if (pid == 0) {
            if (cfg_child_init() != 0) {
                _exit(1);
            }
            sigprocmask(SIG_SETMASK, signals, NULL);
            read_raw(i);
        }
    }
    return 0;
}

/* ---- commands ---- */

static void command(const char *name, int takes_argument, rpc_t *rpc, void *context)
{
    str word = { NULL, 0 };
    sc_bytes argument = { NULL, 0 };
    rpc_reply to;
    sc_reply reply = reply_begin(&to, rpc, context);

    if (takes_argument && rpc->scan(context, "*S", &word) > 0) {
        argument.ptr = word.s;
        argument.len = word.len;
    }
    if (sc_command(core, name, argument, &reply) != SC_OK) {
        rpc->fault(context, 500, "Internal error");
    }
}

static void rpc_status(rpc_t *rpc, void *context)
{
    command("status", 1, rpc, context);
}

static void rpc_switch(rpc_t *rpc, void *context)
{
    command("sip_capture", 1, rpc, context);
}

static void rpc_stats(rpc_t *rpc, void *context)
{
    command("stats", 0, rpc, context);
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

/* ---- counters ---- */

static counter_val_t counter_value(counter_handle_t handle, void *index)
{
    uint64_t value = 0;
    (void)handle;
    sc_counter_value(core, (uint32_t)(size_t)index, &value);
    return (counter_val_t)value;
}

static int register_counters(void)
{
    const char *name;
    const char *description;
    counter_handle_t handle;

    for (uint32_t i = 0; sc_counter_at(core, i, &name, &description) == SC_OK; i++) {
        if (counter_register(&handle, "sipcapture", name, 0, counter_value, (void *)(size_t)i, description, 0) < 0) {
            LM_ERR("counter %s cannot be registered\n", name);
            return 0;
        }
    }
    return 1;
}

/* ---- life ---- */

static int mod_init(void)
{
    sc_host host = { .contract_version = SC_CONTRACT_VERSION, .user = uid > 0 ? uid : -1, .group = gid > 0 ? gid : -1,
            .kill_timeout = ser_kill_timeout > 0 ? ser_kill_timeout : 0, .log = host_log };
    uint32_t writers = 0;

    host_database_offer(&host);
    if (sc_core_new(&host, "kamailio/sipcapture", &core) != SC_OK) {
        LM_ERR("module and core do not belong together\n");
        return -1;
    }
    if (!hand_on_parameters() || sc_core_check(core) != SC_OK || sc_core_writers(core, &writers) != SC_OK) {
        return -1;
    }
    if (sc_raw_open(core, &raw_readers) != SC_OK) {
        return -1;
    }
    if (!bind_topoh_api()) {
        return -1;
    }
    if (rpc_register_array(commands) != 0 || !register_counters()) {
        LM_ERR("commands or counters cannot be registered\n");
        return -1;
    }
    if (sr_event_register_cb(SREV_NET_DGRAM_IN, on_datagram) != 0) {
        LM_ERR("another module takes the datagrams already\n");
        return -1;
    }
    if (parameter.nonsip_hook != UNSET && parameter.nonsip_hook != 0) {
        if (!find_event_route()) {
            return -1;
        }
        if (sr_event_register_cb(SREV_RCV_NOSIP, on_no_sip) != 0) {
            LM_ERR("parameter nonsip_hook: another module (nosip.so?) takes what is not SIP already\n");
            return -1;
        }
    }
    if (register_script_cb(on_route_begins, PRE_SCRIPT_CB | REQUEST_CB | ONREPLY_CB, NULL) != 0) {
        LM_ERR("the route callback cannot be registered\n");
        return -1;
    }
    if (!forward_reserve()) {
        return -1;
    }
    register_procs(writers + raw_readers);
    cfg_register_child(writers + raw_readers);
    return 0;
}

static int start_writers(void)
{
    uint32_t writers = 0;

    if (sc_core_writers(core, &writers) != SC_OK) {
        return -1;
    }
    for (uint32_t i = 0; i < writers; i++) {
        int pid = fork_process(PROC_NOCHLDINIT, "sipcapture writer", 0);
        if (pid < 0) {
            LM_ERR("a writer process cannot be started\n");
            return -1;
        }
        if (pid == 0) {
            if (cfg_child_init() == 0) {
                sc_writer_supervise(core, i);
            }
            _exit(0);
        }
    }
    return 0;
}

/* What ends a process is held while processes are started: one that has not yet found out that it is not the main one would take
 * it for the main one's, forget it, and keep the server from ending. */
static int start_processes(void)
{
    sigset_t ending, before;
    int started;

    sigemptyset(&ending);
    sigaddset(&ending, SIGTERM);
    sigaddset(&ending, SIGINT);
    sigprocmask(SIG_BLOCK, &ending, &before);
    started = start_writers() == 0 && start_raw_readers(&before) == 0 && forward_start(&before);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return started ? 0 : -1;
}

static int attach(void)
{
    if (seeming == NULL && (seeming = shm_malloc(sizeof(*seeming))) == NULL) {
        LM_ERR("no shared memory left\n");
        return -1;
    }
    return sc_core_attach(core, process_no) == SC_OK ? 0 : -1;
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
            return attach();
    }
}

static void destroy(void)
{
    if (core != NULL) {
        sc_core_finish(core);
        sc_core_free(core);
        core = NULL;
    }
}

struct module_exports exports = {
    "sipcapture",      /* name */
    DEFAULT_DLFLAGS,   /* how it is loaded */
    functions,
    parameters,
    0,                 /* commands are registered at start */
    variables,
    0,                 /* no reply handler */
    mod_init,
    child_init,
    destroy
};
