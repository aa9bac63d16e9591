/*
 * What scripts call: sip_trace(), sip_trace_mode(), sip_trace_msg() and hlog(), from the host's own language and (KEMI)
 * from others. Named to the host by module.c.
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

static unsigned int transaction_flags = 0;

void functions_use_flags(unsigned int flags)
{
    transaction_flags = flags;
}

/* What is left to do once the core has been given a message, with the answer -1 where even that cannot be said. */
static sc_trace_conclusion conclude(sc_trace_function function, sc_scope follow, sc_status sent)
{
    sc_trace_conclusion conclusion = { .follow = SC_SCOPE_MESSAGE, .answer = -1 };

    sc_trace_conclude(function, follow, sent, &conclusion);
    return conclusion;
}

/* Has what follows of the message traced; 0 when it cannot be. A dialog stores its context before its transaction is
 * followed, and finds it when it is made. */
static int follow(sip_msg_t *msg, const trace_context *context, sc_scope scope)
{
    trace_context *kept = trace_context_copy(context);
    int is_followed;

    if (kept == NULL) {
        return 0;
    }
    is_followed = scope != SC_SCOPE_DIALOG || trace_context_attach(kept);
    is_followed = callbacks_follow_transaction(msg, kept) && is_followed;
    trace_context_release(kept);
    return is_followed;
}

static int decide(sip_msg_t *msg, sc_trace_call *call, sc_trace_decision *decision)
{
    if (msg->first_line.type == SIP_REQUEST) {
        call->method = to_bytes(&msg->first_line.u.request.method);
    }
    call->is_followed = (msg->msg_flags & FL_SIPTRACE) != 0;
    call->knows_transactions = callbacks_know_transactions();
    call->knows_dialogs = callbacks_know_dialogs();
    if (sc_trace_decide(core, call, decision) != SC_OK) {
        return 0;
    }
    if (decision->step == SC_STEP_LOOK_UP) {
        call->is_seen_to = callbacks_see_to(msg) ? SC_YES : SC_NO;
        return sc_trace_decide(core, call, decision) == SC_OK;
    }
    return 1;
}

static int sip_trace(sip_msg_t *msg, const trace_context *context, sc_trace_call *call)
{
    static const trace_context no_context;
    sc_trace_decision decision;
    sc_trace_conclusion conclusion;

    callbacks_remember(msg, context);
    if (!decide(msg, call, &decision)) {
        return -1;
    }
    if (decision.step != SC_STEP_TRACE) {
        return decision.answer;
    }
    conclusion = conclude(call->function, decision.follow, message_trace(msg, context));
    if (conclusion.forgets_destination) {
        callbacks_remember(msg, &no_context);
    }
    if (conclusion.follow != SC_SCOPE_MESSAGE && !follow(msg, context, conclusion.follow)) {
        return -1;
    }
    return conclusion.answer;
}

/* What a script has given a function for the scope. */
static sc_scope scope_of(sc_trace_function function, const str *text)
{
    sc_scope scope = SC_SCOPE_UNKNOWN;

    sc_trace_scope(core, function, to_bytes(text), &scope);
    return scope;
}

/* Without `correlation` the line has the message's Call-ID. */
static int hlog(sip_msg_t *msg, const str *correlation, const str *line)
{
    sc_trace trace = { .tracer = SC_TRACER_LOG };

    if (parse_headers(msg, HDR_CALLID_F, 0) == 0 && msg->callid != NULL) {
        trace.call_id = to_bytes(&msg->callid->body);
    }
    trace.body = to_bytes(line);
    trace.has_correlation = correlation != NULL;
    trace.correlation = to_bytes(correlation);
    sockets_read(&trace);
    return conclude(SC_FUNCTION_HLOG, SC_SCOPE_MESSAGE, message_send(&trace)).answer;
}

/* A message that the script has made up. */
static int sip_trace_msg(
    const str *body, const str *from, const str *to, const str *destination, const str *correlation)
{
    sc_trace trace = { .tracer = SC_TRACER_TEXT, .has_destination = 1, .has_correlation = 1 };

    trace.body = to_bytes(body);
    trace.from.text = to_bytes(from);
    trace.to.text = to_bytes(to);
    trace.destination = to_bytes(destination);
    trace.correlation = to_bytes(correlation);
    return conclude(SC_FUNCTION_SIP_TRACE_MSG, SC_SCOPE_MESSAGE, message_send(&trace)).answer;
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
    trace_context context = { .has_destination = destination != NULL };
    sc_trace_call call = { .function = SC_FUNCTION_SIP_TRACE, .scope = (sc_scope)(size_t)type,
            .has_flag = (msg->flags & transaction_flags) != 0 };

    if (!value_of(&context.destination, msg, "sip_trace", destination)
        || !value_of(&context.correlation, msg, "sip_trace", correlation)) {
        return -1;
    }
    return sip_trace(msg, &context, &call);
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

/* Texts without a variable in them are known before the first message. The third becomes the scope that it says; no
 * parameter is SC_SCOPE_DEFAULT. */
static int fix_sip_trace(void **parameter, int number)
{
    str text = { *parameter, strlen(*parameter) };
    sc_scope scope;

    if (number == 3) {
        scope = scope_of(SC_FUNCTION_SIP_TRACE, &text);
        *parameter = (void *)(size_t)scope;
        return scope == SC_SCOPE_UNKNOWN ? -1 : 0;
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

static int ki_sip_trace_mode(sip_msg_t *msg, str *mode)
{
    static const trace_context no_context;
    sc_trace_call call = { .function = SC_FUNCTION_SIP_TRACE_MODE,
        .scope = scope_of(SC_FUNCTION_SIP_TRACE_MODE, mode) };

    return sip_trace(msg, &no_context, &call);
}

static int w_sip_trace_mode(struct sip_msg *msg, char *mode, char *unused)
{
    str text;
    (void)unused;
    return value_of(&text, msg, "sip_trace_mode", mode) ? ki_sip_trace_mode(msg, &text) : -1;
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

cmd_export_t functions[] = { { "sip_trace", (cmd_function)w_sip_trace0, 0, 0, 0, ANY_ROUTE },
    { "sip_trace", (cmd_function)w_sip_trace1, 1, fix_sip_trace, free_sip_trace, ANY_ROUTE },
    { "sip_trace", (cmd_function)w_sip_trace2, 2, fix_sip_trace, free_sip_trace, ANY_ROUTE },
    /* The host calls these with as many parameters as the count says; its type has room for two. */
    { "sip_trace", (cmd_function)(void (*)(void))w_sip_trace3, 3, fix_sip_trace, free_sip_trace, ANY_ROUTE },
    { "sip_trace_msg", (cmd_function)(void (*)(void))w_sip_trace_msg, 5, fixup_spve_all, fixup_free_spve_all,
        ANY_ROUTE },
    { "sip_trace_mode", (cmd_function)w_sip_trace_mode, 1, fixup_spve_null, fixup_free_spve_null, ANY_ROUTE },
    { "hlog", (cmd_function)w_hlog1, 1, fixup_spve_null, fixup_free_spve_null, ANY_ROUTE },
    { "hlog", (cmd_function)w_hlog2, 2, fixup_spve_spve, fixup_free_spve_spve, ANY_ROUTE }, { 0, 0, 0, 0, 0, 0 } };

/* ---- the same for other languages (KEMI), in which the message's flag says nothing ---- */

static int ki_sip_trace_dst_cid_type(sip_msg_t *msg, str *destination, str *correlation, str *type)
{
    trace_context context = { .has_destination = destination != NULL };
    sc_trace_call call = { .function = SC_FUNCTION_SIP_TRACE };

    context.destination = destination != NULL ? *destination : nothing;
    context.correlation = correlation != NULL ? *correlation : nothing;
    call.scope = type != NULL ? scope_of(SC_FUNCTION_SIP_TRACE, type) : SC_SCOPE_DEFAULT;
    return sip_trace(msg, &context, &call);
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
sr_kemi_t kemi_functions[] = { { KEMI_NAME("sip_trace"), ki_sip_trace, { 0 } },
    { KEMI_NAME("sip_trace_dst"), ki_sip_trace_dst, { SR_KEMIP_STR } },
    { KEMI_NAME("sip_trace_dst_cid"), ki_sip_trace_dst_cid, { SR_KEMIP_STR, SR_KEMIP_STR } },
    { KEMI_NAME("sip_trace_dst_cid_type"), ki_sip_trace_dst_cid_type, { SR_KEMIP_STR, SR_KEMIP_STR, SR_KEMIP_STR } },
    { KEMI_NAME("sip_trace_mode"), ki_sip_trace_mode, { SR_KEMIP_STR } },
    { KEMI_NAME("sip_trace_msg"), ki_sip_trace_msg,
        { SR_KEMIP_STR, SR_KEMIP_STR, SR_KEMIP_STR, SR_KEMIP_STR, SR_KEMIP_STR } },
    { KEMI_NAME("hlog"), ki_hlog, { SR_KEMIP_STR } },
    { KEMI_NAME("hlog_cid"), ki_hlog_cid, { SR_KEMIP_STR, SR_KEMIP_STR } }, { { 0, 0 }, { 0, 0 }, 0, NULL, { 0 } } };
