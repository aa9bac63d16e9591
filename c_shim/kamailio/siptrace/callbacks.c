/*
 * What follows of sip_trace(): the messages of transactions (tm), of dialogs (dialog), and stateless replies (sl).
 * These modules call back; functions.c asks for it.
 *
 * What a callback is given is counted (trace_context.c), so that nothing here depends on whether a dialog or one of its
 * transactions ends first.
 */
#include <string.h>

#include "core/dprint.h"
#include "core/mem/mem.h"
#include "modules/dialog/dlg_load.h"
#include "modules/sl/sl.h"
#include "modules/tm/tm_load.h"

#include "../convert.h"
#include "../host.h"
#include "siptrace.h"

#define OF_TRANSACTIONS \
    (TMCB_REQUEST_SENT | TMCB_RESPONSE_IN | TMCB_RESPONSE_SENT | TMCB_ACK_NEG_IN | TMCB_E2ECANCEL_IN)

static struct tm_binds tm;
static struct dlg_binds dialog;
static sl_api_t sl;
static sc_trace_needs needs;

int callbacks_know_transactions(void)
{
    return tm.register_tmcb != NULL;
}

int callbacks_know_dialogs(void)
{
    return dialog.register_dlgcb != NULL;
}

/* ---- transactions ---- */

/* The text before the first blank. */
static sc_bytes first_word(const str *text)
{
    const char *blank = memchr(text->s, ' ', text->len);
    return (sc_bytes){ text->s, blank != NULL ? (size_t)(blank - text->s) : 10 };
}

/* What every message of a transaction has in common. */
static void complete(sc_trace *trace, const trace_context *context)
{
    trace->tracer = SC_TRACER_FOLLOW;
    message_follow(trace, context);
    message_read_table(trace);
}

static void on_request_sent(struct cell *t, const trace_context *context, struct tmcb_params *ps)
{
    dest_info_t *to = ps->dst;
    sip_msg_t *msg = ps->req;
    message_room room;
    sc_trace trace;

    if (ps->flags & TMCB_RETR_F) {
        return;
    }
    if (msg == NULL) {
        /* The CANCEL of an INVITE is made up; other requests without a message are the server's own. */
        if (!is_invite(t) || ps->send_buf.len <= 7 || memcmp(ps->send_buf.s, "CANCEL ", 7) != 0
            || t->uas.request == NULL) {
            return;
        }
        msg = t->uas.request;
    }
    if (message_begin(&trace, &room, msg)) {
        complete(&trace, context);
        message_read_users(&trace);
        trace.outgoing = 1;
        trace.body = to_bytes(&ps->send_buf);
        trace.method = ps->send_buf.len > 10 ? first_word(&ps->send_buf) : to_bytes(&t->method);
        if (to == NULL || to->send_sock == NULL || to->send_sock->sock_str.s == NULL) {
            trace.from = message_address(msg->rcv.proto, &msg->rcv.dst_ip, msg->rcv.dst_port);
        } else {
            trace.from = message_socket(to->send_sock);
        }
        trace.to = message_peer(to != NULL ? to->proto : PROTO_NONE, to != NULL ? &to->to : NULL);
        message_send(&trace);
    }
    message_end(&room);
}

static void on_reply_in(struct cell *t, const trace_context *context, struct tmcb_params *ps)
{
    sip_msg_t *msg = ps->rpl;
    message_room room;
    sc_trace trace;

    if (t->uas.request == NULL || msg == NULL || msg == FAKED_REPLY) {
        return;
    }
    if (message_begin(&trace, &room, msg)) {
        complete(&trace, context);
        message_read_users(&trace);
        trace.body = (sc_bytes){ msg->buf, msg->len };
        trace.status = message_status(&room, ps->code);
        trace.from = message_address(msg->rcv.proto, &msg->rcv.src_ip, msg->rcv.src_port);
        trace.to = message_address(msg->rcv.proto, &msg->rcv.dst_ip, msg->rcv.dst_port);
        message_send(&trace);
    }
    message_end(&room);
}

/* What went out as a reply: what the host says it sent, or holds to send again, or has relayed; empty when it has none
 * of them. */
static sc_bytes sent_reply(struct cell *t, const sip_msg_t *relayed, const str *sent)
{
    if (sent->len > 0) {
        return to_bytes(sent);
    }
    if (t->uas.response.buffer != NULL) {
        return (sc_bytes){ t->uas.response.buffer, t->uas.response.buffer_len };
    }
    if (relayed != NULL && relayed->len > 0) {
        return (sc_bytes){ relayed->buf, relayed->len };
    }
    return (sc_bytes){ NULL, 0 };
}

/* A reply of the server's own is told about by the request. */
static void on_reply_sent(struct cell *t, const trace_context *context, struct tmcb_params *ps, int has_users)
{
    sip_msg_t *relayed = ps->rpl == FAKED_REPLY ? NULL : ps->rpl;
    sip_msg_t *request = ps->req != NULL ? ps->req : t->uas.request;
    sip_msg_t *msg = relayed != NULL ? relayed : t->uas.request;
    message_room room;
    sc_trace trace;

    if (t->uas.request == NULL || ps->flags & TMCB_RETR_F) {
        return;
    }
    if (message_begin(&trace, &room, msg)) {
        complete(&trace, context);
        if (has_users) {
            message_read_users(&trace);
        }
        trace.outgoing = 1;
        trace.body = sent_reply(t, relayed, &ps->send_buf);
        trace.status = message_status(&room, ps->code);
        trace.from = message_address(msg->rcv.proto, &request->rcv.dst_ip, request->rcv.dst_port);
        trace.to = message_peer(ps->dst != NULL ? ps->dst->proto : PROTO_NONE, ps->dst != NULL ? &ps->dst->to : NULL);
        message_send(&trace);
    }
    message_end(&room);
}

static void on_transaction(struct cell *t, int type, struct tmcb_params *ps);

/* A CANCEL has a transaction of its own, whose reply nobody else follows. */
static void on_cancel_in(trace_context *context, struct tmcb_params *ps)
{
    if (ps->req == NULL || ps->flags & TMCB_RETR_F) {
        return;
    }
    if (tm.register_tmcb(
            ps->req, NULL, TMCB_RESPONSE_READY, on_transaction, trace_context_hold(context), trace_context_release)
        <= 0) {
        LM_ERR("the reply to a CANCEL cannot be traced\n");
        trace_context_release(context);
    }
    ps->req->msg_flags |= FL_SIPTRACE;
    message_trace(ps->req, context);
}

static void on_transaction(struct cell *t, int type, struct tmcb_params *ps)
{
    trace_context *context;

    if (t == NULL || ps == NULL || ps->param == NULL || *ps->param == NULL) {
        return;
    }
    context = *ps->param;
    switch (type) {
        case TMCB_REQUEST_SENT:
            on_request_sent(t, context, ps);
            break;
        case TMCB_RESPONSE_IN:
            on_reply_in(t, context, ps);
            break;
        case TMCB_RESPONSE_SENT:
        case TMCB_RESPONSE_READY:
            on_reply_sent(t, context, ps, type == TMCB_RESPONSE_SENT);
            break;
        case TMCB_ACK_NEG_IN:
            /* The host lets other requests in here too. */
            if (ps->req != NULL && ps->req->REQ_METHOD == METHOD_ACK) {
                message_trace(ps->req, context);
            }
            break;
        case TMCB_E2ECANCEL_IN:
            on_cancel_in(context, ps);
            break;
    }
}

int callbacks_follow_transaction(sip_msg_t *msg, trace_context *context)
{
    struct cell *t = tm.t_gett();

    msg->msg_flags |= FL_SIPTRACE;
    if (t != NULL && t != T_UNDEFINED && t->uas.request != NULL) {
        /* It was made before: its own copy of the request has not got the flag. */
        t->uas.request->msg_flags |= FL_SIPTRACE;
    }
    if (tm.register_tmcb(msg, NULL, OF_TRANSACTIONS, on_transaction, trace_context_hold(context), trace_context_release)
        <= 0) {
        LM_ERR("a transaction cannot be traced\n");
        trace_context_release(context);
        return 0;
    }
    return 1;
}

static int is_followed(struct cell *t)
{
    return t->uas.request != NULL && (t->uas.request->msg_flags & FL_SIPTRACE) != 0;
}

int callbacks_see_to(sip_msg_t *msg)
{
    struct cell *before, *t;
    int branch, canceled, followed = 0;

    if (msg->REQ_METHOD == METHOD_CANCEL) {
        t = tm.t_lookup_original(msg);
        if (t != NULL && t != T_UNDEFINED) {
            followed = is_followed(t);
            tm.unref_cell(t);
        }
    } else if (msg->REQ_METHOD == METHOD_ACK) {
        before = tm.t_gett();
        branch = tm.t_gett_branch();
        if (tm.t_lookup_request(msg, 0, &canceled) == 1) {
            t = tm.t_gett();
            followed = is_followed(t);
            tm.unref_cell(t);
        }
        tm.t_sett(before, branch);
    }
    return followed;
}

/* ---- dialogs ---- */

static void on_dialog_request(struct dlg_cell *dlg, int type, struct dlg_cb_params *params)
{
    sip_msg_t *msg = params != NULL ? params->req : NULL;
    trace_context *context = params != NULL && params->param != NULL ? *params->param : NULL;

    (void)dlg;
    (void)type;
    if (msg == NULL || msg == FAKED_REPLY || context == NULL) { /* a BYE that the server has made up has no request */
        return;
    }
    if (msg->REQ_METHOD != METHOD_ACK) { /* which has no transaction */
        callbacks_follow_transaction(msg, context);
    }
    message_trace(msg, context);
}

static void follow_dialog(struct dlg_cell *dlg, sip_msg_t *msg)
{
    static const int events[] = { DLGCB_REQ_WITHIN, DLGCB_CONFIRMED, DLGCB_TERMINATED };
    trace_context *context;

    if (!needs.dialog_spirals && (msg == NULL || !(msg->msg_flags & FL_SIPTRACE))) {
        return;
    }
    context = trace_context_of_message();
    if (context == NULL) {
        return;
    }
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        if (events[i] == DLGCB_CONFIRMED && !needs.dialog_acks) {
            continue;
        }
        if (dialog.register_dlgcb(dlg, events[i], on_dialog_request, trace_context_hold(context), trace_context_release)
            != 0) {
            LM_ERR("a dialog cannot be traced\n");
            trace_context_release(context);
            return;
        }
    }
}

static void on_dialog_spiralled(struct dlg_cell *dlg, int type, struct dlg_cb_params *params)
{
    (void)type;
    follow_dialog(dlg, params != NULL ? params->req : NULL);
}

static void on_dialog_created(struct dlg_cell *dlg, int type, struct dlg_cb_params *params)
{
    (void)type;
    if (needs.dialog_spirals && dialog.register_dlgcb(dlg, DLGCB_SPIRALED, on_dialog_spiralled, NULL, NULL) != 0) {
        LM_ERR("the spirals of a dialog cannot be traced\n");
    }
    follow_dialog(dlg, params != NULL ? params->req : NULL);
}

/* ---- stateless replies ---- */

/* What sip_trace() was given last, and for which message. In private memory, as much as was ever needed. */
static struct {
    unsigned int id;
    int pid;
    trace_context context;
    int room;
} remembered;

void callbacks_remember(const sip_msg_t *msg, const trace_context *context)
{
    int needed = context->destination.len + context->correlation.len;
    char *room = remembered.context.destination.s;

    if (msg->pid == 0) { /* what an event route is shown is no message that is replied to */
        return;
    }
    remembered.pid = 0;
    if (needed > remembered.room) {
        room = pkg_realloc(room, needed);
        if (room == NULL) {
            LM_ERR("no private memory left\n");
            return;
        }
        remembered.room = needed;
    }
    remembered.context = *context;
    remembered.context.destination.s = room;
    if (context->destination.len > 0) {
        memcpy(room, context->destination.s, context->destination.len);
    }
    remembered.context.correlation.s = room != NULL ? room + context->destination.len : NULL;
    if (context->correlation.len > 0) {
        memcpy(remembered.context.correlation.s, context->correlation.s, context->correlation.len);
    }
    remembered.id = msg->id;
    remembered.pid = msg->pid;
}

static void on_stateless_reply(sl_cbp_t *event)
{
    static const trace_context no_context;
    sip_msg_t *msg = event->req;
    message_room room;
    sc_trace trace;

    if (msg == NULL) {
        return;
    }
    if (message_begin(&trace, &room, msg)) {
        message_read_users(&trace);
        if (trace.user_count > 0 || msg->msg_flags & FL_SIPTRACE) {
            complete(&trace, remembered.pid != 0 && remembered.id == msg->id && remembered.pid == msg->pid
                                 ? &remembered.context
                                 : &no_context);
            trace.outgoing = 1;
            trace.body = to_bytes(event->reply);
            trace.status = message_status(&room, event->code);
            trace.from = message_address(msg->rcv.proto, &msg->rcv.dst_ip, msg->rcv.dst_port);
            trace.to = message_peer(msg->rcv.proto, event->dst != NULL ? &event->dst->to : NULL);
            message_send(&trace);
        }
    }
    message_end(&room);
}

static void on_stateless_ack(sl_cbp_t *event)
{
    static const trace_context no_context;

    if (event->req != NULL) {
        message_trace(event->req, &no_context);
    }
}

static int bind_stateless(void)
{
    sl_cbelem_t callback;

    if (sl_load_api(&sl) != 0) {
        LM_WARN("without sl.so stateless replies are not traced\n");
        return 1;
    }
    memset(&callback, 0, sizeof(callback));
    callback.type = SLCB_REPLY_READY;
    callback.cbf = on_stateless_reply;
    if (sl.register_cb(&callback) != 0) {
        LM_ERR("stateless replies cannot be traced\n");
        return 0;
    }
    callback.type = SLCB_ACK_FILTERED;
    callback.cbf = on_stateless_ack;
    if (needs.stateless_acks && sl.register_cb(&callback) != 0) {
        LM_ERR("ACKs to stateless replies cannot be traced\n");
        return 0;
    }
    return 1;
}

int callbacks_bind(const sc_trace_needs *wanted)
{
    needs = *wanted;
    if (load_tm_api(&tm) != 0) {
        LM_WARN("without tm.so transactions and dialogs are not traced\n");
        memset(&tm, 0, sizeof(tm));
    }
    if (load_dlg_api(&dialog) != 0) {
        LM_INFO("without dialog.so dialogs are not traced\n");
        memset(&dialog, 0, sizeof(dialog));
    } else if (dialog.register_dlgcb(NULL, DLGCB_CREATED, on_dialog_created, NULL, NULL) != 0) {
        LM_ERR("dialogs cannot be traced\n");
    }
    return bind_stateless();
}
