/*
 * What scripts call: sip_trace(), sip_trace_mode(), sip_trace_msg() and hlog(), from the host's own language and (KEMI) from others. Named to
 * the host by module.c.
 */
#include <string.h>

#include "core/dprint.h"
#include "core/mod_fix.h"
#include "core/parser/parse_from.h"
#include "core/sr_module.h"

#include "../convert.h"
#include "../forward.h"
#include "../host.h"
#include "siptrace.h"

/* ---- what they come to ---- */

/* What is to be traced. */
typedef enum trace_extent {
    UNKNOWN = 0, /* not told in a word that is known */
    MESSAGE = 'm',
    TRANSACTION = 't',
    DIALOG = 'd'
} trace_extent;

static unsigned int transaction_flag = 0;

void functions_use_flag(int flag)
{
    transaction_flag = flag >= 0 ? 1u << flag : 0;
}

static int answer(sc_status status)
{
    return status == SC_OK ? 1 : -1;
}

/* sip_trace_mode() names no collector, and is content without one. */
static int answer_to(const tracing *what, sc_status status)
{
    return status == SC_ERR_NO_COLLECTOR && what->is_mode ? 1 : answer(status);
}

/* Traces the message. Where it could not go, a stateless reply to it could not either: that goes where one goes of which nothing was said. */
static sc_status trace_told(sip_msg_t *msg, const tracing *what)
{
    static const tracing nothing_told;
    sc_status status = message_trace(msg, what);

    if (status == SC_ERR_INVALID_VALUE) {
        callbacks_note(msg, &nothing_told);
    }
    return status;
}

/* Traces the message, and has what follows of it traced. A dialog leaves its own mark before its transaction is followed, and is found by it
 * when it is made. */
static int follow(sip_msg_t *msg, const tracing *what, trace_extent extent)
{
    sc_status status = trace_told(msg, what);
    tracing *kept;

    if (status == SC_ERR_INVALID_VALUE || (status == SC_ERR_NO_COLLECTOR && !what->is_mode)) { /* nothing of it could go anywhere */
        return -1;
    }
    kept = tracing_keep(what);
    if (kept == NULL) {
        return -1;
    }
    if (extent == DIALOG && !tracing_leave(kept)) {
        status = SC_ERR_IO;
    }
    if (!callbacks_follow_transaction(msg, kept)) {
        status = SC_ERR_IO;
    }
    tracing_release(kept);
    return answer_to(what, status);
}

static int sip_trace(sip_msg_t *msg, const tracing *what, trace_extent extent)
{
    int is_request = msg->first_line.type == SIP_REQUEST;

    callbacks_note(msg, what);
    if (extent == UNKNOWN) {
        return msg->msg_flags & FL_SIPTRACE ? answer_to(what, trace_told(msg, what)) : 1;
    }
    if (extent == MESSAGE) {
        return answer_to(what, trace_told(msg, what));
    }
    if (!callbacks_know_transactions()) {
        LM_WARN("sip_trace(): without tm.so this message alone is traced\n");
        return answer_to(what, trace_told(msg, what));
    }
    if (is_request && callbacks_see_to(msg)) {
        return 1;
    }
    if (extent == DIALOG && !callbacks_know_dialogs()) {
        LM_WARN("sip_trace(): without dialog.so this message alone is traced\n");
        return answer_to(what, trace_told(msg, what));
    }
    if (!is_request || (extent == DIALOG && msg->REQ_METHOD != METHOD_INVITE)) {
        LM_WARN("sip_trace(): a %s is traced from %s on: call it there\n", extent == DIALOG ? "dialog" : "transaction",
                extent == DIALOG ? "its first INVITE" : "its request");
        return -1;
    }
    return follow(msg, what, extent);
}

static int hlog(sip_msg_t *msg, const str *correlation, const str *line)
{
    sc_trace trace = { .tracer = SC_TRACER_LOG };

    if (parse_headers(msg, HDR_CALLID_F, 0) == 0 && msg->callid != NULL) {
        trace.call_id = to_bytes(&msg->callid->body);
    } else if (correlation == NULL) {
        LM_ERR("hlog(): the message has no Call-ID to correlate the line by\n");
        return -1;
    }
    trace.body = to_bytes(line);
    trace.from = sockets_told();
    trace.correlation = correlation != NULL ? to_bytes(correlation) : trace.call_id;
    return answer(message_send(&trace));
}

/* A message that the script has made up. What becomes of it on its way is not the script's affair. */
static int sip_trace_msg(const str *body, const str *from, const str *to, const str *destination, const str *correlation)
{
    sc_trace trace = { .tracer = SC_TRACER_TEXT };
    sc_status status;

    if (body->len <= 0 || from->len <= 0 || to->len <= 0) {
        LM_ERR("sip_trace_msg(): message and addresses (proto:ip:port) must not be empty\n");
        return -1;
    }
    trace.body = to_bytes(body);
    trace.from = to_bytes(from);
    trace.to = to_bytes(to);
    trace.has_destination = 1;
    trace.destination = to_bytes(destination);
    trace.correlation = to_bytes(correlation);
    status = message_send(&trace);
    return status == SC_ERR_INVALID_VALUE || status == SC_ERR_NO_COLLECTOR ? -1 : 1;
}

static trace_extent extent_of_mode(const str *mode)
{
    switch (mode != NULL && mode->s != NULL && mode->len > 0 ? mode->s[0] | 0x20 : 0) {
        case TRANSACTION:
            return TRANSACTION;
        case DIALOG:
            return DIALOG;
        case MESSAGE:
            return MESSAGE;
        default:
            LM_INFO("sip_trace_mode(): the message is traced; m (message), t (transaction) and d (dialog) are allowed\n");
            return MESSAGE;
    }
}

/* One of the letters, blanks around it; UNKNOWN, and a line in the log, for anything else. */
static trace_extent extent_of_type(const char *text, int len)
{
    trace_extent found = UNKNOWN;

    for (int i = 0; i < len; i++) {
        char letter = text[i] | 0x20;
        if (text[i] == ' ' || text[i] == '\t') {
            continue;
        }
        if (found != UNKNOWN || (letter != MESSAGE && letter != TRANSACTION && letter != DIALOG)) {
            found = UNKNOWN;
            break;
        }
        found = letter;
    }
    if (found == UNKNOWN) {
        LM_ERR("sip_trace(): the type \"%.*s\" is not known; m (message), t (transaction) and d (dialog) are allowed\n", len, text);
    }
    return found;
}

/* ---- for the host's own language ---- */

/* The text of a parameter; empty for one that is NULL, or a variable without a value. */
static int value_of(str *text, sip_msg_t *msg, const char *function, char *parameter)
{
    str *null = pv_get_null_str();

    *text = nothing;
    if (parameter == NULL) {
        return 1;
    }
    if (fixup_get_svalue(msg, (gparam_t *)parameter, text) != 0) {
        LM_ERR("%s(): a parameter cannot be evaluated\n", function);
        return 0;
    }
    if (text->len == null->len && text->s != NULL && memcmp(text->s, null->s, null->len) == 0) {
        *text = nothing;
    }
    return 1;
}

static int w_sip_trace3(struct sip_msg *msg, char *destination, char *correlation, char *type)
{
    tracing what = { .has_destination = destination != NULL };
    trace_extent extent = (int)(size_t)type;

    if (!value_of(&what.destination, msg, "sip_trace", destination) || !value_of(&what.correlation, msg, "sip_trace", correlation)) {
        return -1;
    }
    if (type == NULL) {
        extent = (msg->flags & transaction_flag) != 0 ? TRANSACTION : MESSAGE;
    }
    return sip_trace(msg, &what, extent);
}

static int w_sip_trace2(struct sip_msg *msg, char *destination, char *correlation)
{
    return w_sip_trace3(msg, destination, correlation, NULL);
}

static int w_sip_trace1(struct sip_msg *msg, char *destination, char *unused)
{
    (void)unused;
    return w_sip_trace3(msg, destination, NULL, NULL);
}

static int w_sip_trace0(struct sip_msg *msg, char *unused1, char *unused2)
{
    (void)unused1;
    (void)unused2;
    return w_sip_trace3(msg, NULL, NULL, NULL);
}

/* Texts without a variable in them are known before the first message. */
static int fix_sip_trace(void **parameter, int number)
{
    str text = { *parameter, strlen(*parameter) };
    trace_extent extent;

    if (number == 3) {
        extent = extent_of_type(text.s, text.len);
        *parameter = (void *)(size_t)extent;
        return extent == UNKNOWN ? -1 : 0;
    }
    if (number == 1) {
        forward_expect(text.s);
    }
    return fixup_spve_all(parameter, number);
}

static int free_sip_trace(void **parameter, int number)
{
    return number == 3 ? 0 : fixup_free_spve_all(parameter, number);
}

static int w_sip_trace_mode(struct sip_msg *msg, char *mode, char *unused)
{
    tracing what = { .is_mode = 1 };
    str text;
    (void)unused;
    return value_of(&text, msg, "sip_trace_mode", mode) ? sip_trace(msg, &what, extent_of_mode(&text)) : -1;
}

static int w_sip_trace_msg(struct sip_msg *msg, char *body, char *from, char *to, char *destination, char *correlation)
{
    str texts[5];
    char *parameters[] = { body, from, to, destination, correlation };

    for (int i = 0; i < 5; i++) {
        if (!value_of(&texts[i], msg, "sip_trace_msg", parameters[i])) {
            return -1;
        }
    }
    return sip_trace_msg(&texts[0], &texts[1], &texts[2], &texts[3], &texts[4]);
}

static int w_hlog1(struct sip_msg *msg, char *line, char *unused)
{
    str text;
    (void)unused;
    return value_of(&text, msg, "hlog", line) ? hlog(msg, NULL, &text) : -1;
}

static int w_hlog2(struct sip_msg *msg, char *correlation, char *line)
{
    str id, text;
    return value_of(&id, msg, "hlog", correlation) && value_of(&text, msg, "hlog", line) ? hlog(msg, &id, &text) : -1;
}

cmd_export_t functions[] = {
    { "sip_trace", (cmd_function)w_sip_trace0, 0, 0, 0, ANY_ROUTE },
    { "sip_trace", (cmd_function)w_sip_trace1, 1, fix_sip_trace, free_sip_trace, ANY_ROUTE },
    { "sip_trace", (cmd_function)w_sip_trace2, 2, fix_sip_trace, free_sip_trace, ANY_ROUTE },
    /* The host calls these with as many parameters as the count says; its type has room for two. */
    { "sip_trace", (cmd_function)(void (*)(void))w_sip_trace3, 3, fix_sip_trace, free_sip_trace, ANY_ROUTE },
    { "sip_trace_msg", (cmd_function)(void (*)(void))w_sip_trace_msg, 5, fixup_spve_all, fixup_free_spve_all, ANY_ROUTE },
    { "sip_trace_mode", (cmd_function)w_sip_trace_mode, 1, fixup_spve_null, fixup_free_spve_null, ANY_ROUTE },
    { "hlog", (cmd_function)w_hlog1, 1, fixup_spve_null, fixup_free_spve_null, ANY_ROUTE },
    { "hlog", (cmd_function)w_hlog2, 2, fixup_spve_spve, fixup_free_spve_spve, ANY_ROUTE },
    { 0, 0, 0, 0, 0, 0 }
};

/* ---- the same for other languages (KEMI) ---- */

static int ki_sip_trace_dst_cid_type(sip_msg_t *msg, str *destination, str *correlation, str *type)
{
    tracing what = { .has_destination = destination != NULL };

    what.destination = destination != NULL ? *destination : nothing;
    what.correlation = correlation != NULL ? *correlation : nothing;
    return sip_trace(msg, &what, type != NULL ? extent_of_type(type->s, type->len) : MESSAGE);
}

static int ki_sip_trace_dst_cid(sip_msg_t *msg, str *destination, str *correlation)
{
    return ki_sip_trace_dst_cid_type(msg, destination, correlation, NULL);
}

static int ki_sip_trace_dst(sip_msg_t *msg, str *destination)
{
    return ki_sip_trace_dst_cid_type(msg, destination, NULL, NULL);
}

static int ki_sip_trace(sip_msg_t *msg)
{
    return ki_sip_trace_dst_cid_type(msg, NULL, NULL, NULL);
}

static int ki_sip_trace_mode(sip_msg_t *msg, str *mode)
{
    tracing what = { .is_mode = 1 };
    return sip_trace(msg, &what, extent_of_mode(mode));
}

static int ki_sip_trace_msg(sip_msg_t *msg, str *body, str *from, str *to, str *destination, str *correlation)
{
    (void)msg;
    return sip_trace_msg(body, from, to, destination, correlation);
}

static int ki_hlog(sip_msg_t *msg, str *line)
{
    return hlog(msg, NULL, line);
}

static int ki_hlog_cid(sip_msg_t *msg, str *correlation, str *line)
{
    return hlog(msg, correlation, line);
}

#define KEMI_NAME(name) str_init("siptrace"), str_init(name), SR_KEMIP_INT
sr_kemi_t kemi_functions[] = {
    { KEMI_NAME("sip_trace"), ki_sip_trace, { 0 } },
    { KEMI_NAME("sip_trace_dst"), ki_sip_trace_dst, { SR_KEMIP_STR } },
    { KEMI_NAME("sip_trace_dst_cid"), ki_sip_trace_dst_cid, { SR_KEMIP_STR, SR_KEMIP_STR } },
    { KEMI_NAME("sip_trace_dst_cid_type"), ki_sip_trace_dst_cid_type, { SR_KEMIP_STR, SR_KEMIP_STR, SR_KEMIP_STR } },
    { KEMI_NAME("sip_trace_mode"), ki_sip_trace_mode, { SR_KEMIP_STR } },
    { KEMI_NAME("sip_trace_msg"), ki_sip_trace_msg, { SR_KEMIP_STR, SR_KEMIP_STR, SR_KEMIP_STR, SR_KEMIP_STR, SR_KEMIP_STR } },
    { KEMI_NAME("hlog"), ki_hlog, { SR_KEMIP_STR } },
    { KEMI_NAME("hlog_cid"), ki_hlog_cid, { SR_KEMIP_STR, SR_KEMIP_STR } },
    { { 0, 0 }, { 0, 0 }, 0, NULL, { 0 } }
};
