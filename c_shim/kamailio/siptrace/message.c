/*
 * One message as the core is told about it: what is read off it, where it comes from and goes to, and whom it is traced
 * for. Called by functions.c, callbacks.c and events.c.
 */
#include <stdio.h>
#include <string.h>

#include "core/dprint.h"
#include "core/mem/mem.h"
#include "core/onsend.h"
#include "core/parser/parse_cseq.h"
#include "core/parser/parse_from.h"
#include "core/parser/parse_to.h"
#include "core/pt.h"
#include "core/usr_avp.h"

#include "../convert.h"
#include "../host.h"
#include "siptrace.h"

/* ---- AVPs ---- */

/* The flags of an AVP's name as pv_get_avp_name() writes them. */
#if VERSIONVAL >= 6000000
typedef avp_flags_t name_flags;
#else
typedef unsigned short name_flags;
#endif

/* An AVP that a parameter names. */
typedef struct named_avp {
    int is_set;
    name_flags flags;
    int_str name;
} named_avp;

static named_avp user_avp;
static named_avp table_avp;

static int name_avp(named_avp *avp, const char *parameter, str *text)
{
    pv_spec_t spec;

    if (text->s == NULL || text->len <= 0) {
        return 1;
    }
    if (pv_parse_spec(text, &spec) == NULL || spec.type != PVT_AVP
            || pv_get_avp_name(NULL, &spec.pvp, &avp->name, &avp->flags) != 0) {
        sc_core_refuse(core, parameter, to_bytes(text), SC_REFUSAL_NO_AVP);
        return 0;
    }
    avp->is_set = 1;
    return 1;
}

int message_name_avps(str *users, str *table)
{
    return name_avp(&user_avp, "traced_user_avp", users) && name_avp(&table_avp, "trace_table_avp", table);
}

/* The values of traced_user_avp, in as much room as was ever needed. Numbers need some for their text. */
static struct {
    sc_bytes *texts;
    char (*numbers)[24];
    uint32_t room;
} users;

static int make_room(uint32_t count)
{
    uint32_t room = count + 16;
    void *texts, *numbers;

    if (count < users.room) {
        return 1;
    }
    texts = pkg_realloc(users.texts, room * sizeof(*users.texts));
    if (texts == NULL) {
        return 0;
    }
    users.texts = texts;
    numbers = pkg_realloc(users.numbers, room * sizeof(*users.numbers));
    if (numbers == NULL) {
        return 0;
    }
    users.numbers = numbers;
    users.room = room;
    return 1;
}

void message_read_users(sc_trace *trace)
{
    struct search_state state;
    struct usr_avp *avp;
    int_str value;
    uint32_t count = 0;

    if (!user_avp.is_set) {
        return;
    }
    for (avp = search_first_avp(user_avp.flags, user_avp.name, &value, &state); avp != NULL;
        avp = search_next_avp(&state, &value)) {
        if (!make_room(count)) {
            LM_ERR("no private memory left\n");
            break;
        }
        if (is_avp_str_val(avp)) {
            users.texts[count] = to_bytes(&value.s);
        } else {
            int len = snprintf(users.numbers[count], sizeof(*users.numbers), "%ld", (long)value.n);
            users.texts[count] = (sc_bytes){ NULL, len };
        }
        count++;
    }
    /* They do not move any more. */
    for (uint32_t i = 0; i < count; i++) {
        if (users.texts[i].ptr == NULL && users.texts[i].len > 0) {
            users.texts[i].ptr = users.numbers[i];
        }
    }
    trace->users = users.texts;
    trace->user_count = count;
}

void message_read_table(sc_trace *trace)
{
    struct usr_avp *avp;
    int_str value;

    if (!table_avp.is_set) {
        return;
    }
    avp = search_first_avp(table_avp.flags, table_avp.name, &value, NULL);
    if (avp != NULL && is_avp_str_val(avp)) {
        trace->table = to_bytes(&value.s);
    }
}

/* ---- what the message says ---- */

static int read_attributes(sc_trace *trace, sip_msg_t *msg)
{
    if (parse_from_header(msg) < 0 || msg->from == NULL || get_from(msg) == NULL || parse_to_header(msg) < 0
        || msg->to == NULL || get_to(msg) == NULL || parse_headers(msg, HDR_CALLID_F | HDR_CSEQ_F, 0) < 0
        || msg->callid == NULL || msg->cseq == NULL || msg->cseq->parsed == NULL) {
        LM_DBG("a message without From, To, Call-ID or CSeq\n");
        return 0;
    }
    trace->call_id = to_bytes(&msg->callid->body);
    trace->method =
        to_bytes(msg->first_line.type == SIP_REQUEST ? &msg->first_line.u.request.method : &get_cseq(msg)->method);
    trace->from_tag = to_bytes(&get_from(msg)->tag_value);
    trace->to_tag = to_bytes(&get_to(msg)->tag_value);
    return 1;
}

int message_begin(sc_trace *trace, message_room *room, sip_msg_t *msg)
{
    memset(trace, 0, sizeof(*trace));
    room->parsed.buf = NULL;
    if (!(msg->msg_flags & FL_SHM_CLONE)) {
        return read_attributes(trace, msg);
    }
    /* What a parser adds is private to this process, and this message is not. */
    memset(&room->parsed, 0, sizeof(room->parsed));
    room->parsed.buf = msg->buf;
    room->parsed.len = msg->len;
    return parse_msg(msg->buf, msg->len, &room->parsed) == 0 && read_attributes(trace, &room->parsed);
}

void message_end(message_room *room)
{
    if (room->parsed.buf != NULL) {
        free_sip_msg(&room->parsed);
        room->parsed.buf = NULL;
    }
}

sc_bytes message_status(message_room *room, int code)
{
    int len = snprintf(room->status, sizeof(room->status), "%d", code);
    return (sc_bytes){ room->status, len };
}

/* ---- addresses ---- */

static uint8_t to_transport(int proto)
{
    return proto > PROTO_NONE && proto <= PROTO_WSS ? proto : PROTO_NONE;
}

sc_endpoint message_address(int proto, const struct ip_addr *ip, unsigned short port)
{
    return (sc_endpoint){ .transport = to_transport(proto), .address = to_address(ip, port) };
}

sc_endpoint message_peer(int proto, union sockaddr_union *to)
{
    struct ip_addr ip;

    if (to == NULL) {
        return (sc_endpoint){ 0 };
    }
    su2ip_addr(&ip, to);
    return message_address(proto, &ip, su_getport(to));
}

sc_endpoint message_socket(const struct socket_info *socket)
{
    sc_endpoint end = { 0 };

    if (socket != NULL) {
        end = message_address(socket->proto, &socket->address, socket->port_no);
        end.is_socket = 1;
    }
    return end;
}

sc_endpoint message_advertised(const struct socket_info *socket)
{
    sc_endpoint end = {
        .transport = to_transport(socket->proto), .is_socket = 1, .name = to_bytes(&socket->useinfo.name)
    };

    end.address.port = socket->useinfo.port_no;
    return end;
}

/* ---- handing it over ---- */

void message_follow(sc_trace *trace, const trace_context *context)
{
    trace->has_destination = context->has_destination != 0;
    trace->destination = to_bytes(&context->destination);
    trace->correlation = to_bytes(&context->correlation);
    trace->has_correlation = trace->correlation.len > 0;
}

int message_is_on(void)
{
    uint8_t on = 0;
    return sc_trace_is_on(core, &on) == SC_OK && on;
}

/* A process that another module has made, without a word to the others, gets its lane with its first message. What is
 * not to be had once is not tried again. */
static int attach_late(void)
{
    static int tried_as = -1;

    if (tried_as == process_no) {
        return 0;
    }
    tried_as = process_no;
    return sc_core_attach(core, process_no) == SC_OK;
}

sc_status message_send(const sc_trace *trace)
{
    sc_copies copies = { 0 };
    sc_status status = sc_trace_send(core, trace, &copies);

    if (status == SC_ERR_WRONG_STATE && attach_late()) {
        status = sc_trace_send(core, trace, &copies);
    }
    if (status == SC_ERR_WRONG_STATE) {
        sc_trace_lose(core, SC_LOSS_NO_LANE);
    }
    copies_send(&copies);
    return status;
}

sc_status message_trace(sip_msg_t *msg, const trace_context *context)
{
    onsend_info_t *sending = get_onsend_info();
    message_room room;
    sc_trace trace;
    sc_status status;

    if (!message_begin(&trace, &room, msg)) {
        message_read_users(&trace);
        if (trace.user_count > 0 || message_is_on()) {
            sc_trace_lose(core, SC_LOSS_MALFORMED);
        }
        message_end(&room);
        return SC_ERR_REFUSED;
    }
    message_read_users(&trace);
    message_read_table(&trace);
    message_follow(&trace, context);
    trace.tracer = SC_TRACER_SCRIPT;
    if (msg->first_line.type == SIP_REPLY) {
        trace.status = to_bytes(&msg->first_line.u.reply.status);
    }
    if (sending == NULL) {
        trace.body = (sc_bytes){ msg->buf, msg->len };
        trace.from = message_address(msg->rcv.proto, &msg->rcv.src_ip, msg->rcv.src_port);
        trace.to = message_address(msg->rcv.proto, &msg->rcv.dst_ip, msg->rcv.dst_port);
    } else {
        trace.body = (sc_bytes){ sending->buf, sending->len };
        trace.outgoing = 1;
        trace.from = message_socket(sending->send_sock);
        trace.to = message_peer(sending->send_sock->proto, sending->to);
    }
    status = message_send(&trace);
    message_end(&room);
    return status;
}
