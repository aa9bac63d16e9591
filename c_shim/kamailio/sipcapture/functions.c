/*
 * What scripts call: sip_capture(), report_capture(), float2int() and sip_capture_forward(), from the host's own
 * language and (KEMI) from others. Named to the host by module.c.
 */
#include <string.h>

#include "core/dprint.h"
#include "core/forward.h"
#include "core/globals.h"
#include "core/mod_fix.h"
#include "core/route.h"
#include "core/sctp_core.h"
#include "core/sr_module.h"
#include "core/tcp_server.h"
#include "core/udp_server.h"
#include "modules/topoh/api.h"

#include "../convert.h"
#include "../forward.h"
#include "../host.h"
#include "sipcapture.h"

/* ---- what they come to ---- */

static topoh_api_t topoh;
static int unmasks = 0; /* whether topoh is asked */

int functions_bind_topoh(int unmask)
{
    unmasks = unmask;
    if (unmasks && topoh_load_api(&topoh) != 0) {
        sc_core_refuse(core, "topoh_unmask", to_bytes(&nothing), SC_REFUSAL_NO_MODULE);
        return 0;
    }
    return 1;
}

/* The Call-ID that topoh has masked; nothing when it has not. Points into topoh, until it is asked again. It is the
 * core that finds it: a HEP packet that the script looks at is nothing that the host's parser could read. */
static sc_bytes unmasked_call_id(const sc_message *message)
{
    sc_bytes masked = { NULL, 0 };
    str given, plain = nothing;

    if (!unmasks || sc_message_call_id(core, message, &masked) != SC_OK || masked.len == 0) {
        return to_bytes(&nothing);
    }
    for (size_t i = 0; i < masked.len; i++) {
        if ((unsigned char)masked.ptr[i] >= 0x80) {
            return to_bytes(&nothing); /* beyond topoh's tables, and so never of its making */
        }
    }
    given.s = (char *)masked.ptr;
    given.len = masked.len;
    return to_bytes(topoh.unmask_callid(&given, &plain) == 0 ? &plain : &nothing);
}

static int capture(struct sip_msg *msg, const str *table, uint32_t mode)
{
    sc_message message = to_message(msg);
    message.call_id = unmasked_call_id(&message);
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

static int send_bytes(dest_info_t *to, const char *bytes, unsigned int len)
{
    switch (to->proto) {
        case PROTO_UDP:
            to->send_sock = get_send_socket(NULL, &to->to, PROTO_UDP);
            return to->send_sock != NULL ? udp_send(to, (char *)bytes, len) : -1;
#ifdef USE_TCP
        case PROTO_TCP:
            return tcp_disable ? -1 : tcp_send(to, NULL, (char *)bytes, len);
#endif
#ifdef USE_TLS
        case PROTO_TLS:
            return tls_disable ? -1 : tcp_send(to, NULL, (char *)bytes, len);
#endif
#ifdef USE_SCTP
        case PROTO_SCTP:
            to->send_sock = get_send_socket(NULL, &to->to, PROTO_SCTP);
            return to->send_sock != NULL ? sctp_core_msg_send(to, (char *)bytes, len) : -1;
#endif
        default:
            return -1;
    }
}

int functions_prepare_forward(void)
{
    return forward_reserve(send_bytes);
}

static int send_on(struct sip_msg *msg, const str *uri)
{
    sc_bytes payload = { msg->buf, msg->len };

    if (sc_message_redacted(core, payload, &payload) != SC_OK) {
        return -1;
    }
    return forward_send(to_bytes(uri), payload);
}

/* ---- for the host's own language ---- */

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

/* The first parameter is evaluated with each call; the second, a mode's name, becomes its number when the script is
 * read. */
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
    forward_expect(*uri);
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
    return send_on(msg, &text);
}

cmd_export_t functions[] = { { "sip_capture", (cmd_function)w_sip_capture0, 0, 0, 0, ANY_ROUTE },
    { "sip_capture", (cmd_function)w_sip_capture1, 1, fixup_var_pve_str_12, fixup_free_fparam_all, ANY_ROUTE },
    { "sip_capture", (cmd_function)w_sip_capture2, 2, fix_sip_capture2, free_sip_capture2, ANY_ROUTE },
    { "report_capture", (cmd_function)w_report_capture0, 0, 0, 0, ANY_ROUTE },
    { "report_capture", (cmd_function)w_report_capture1, 1, fixup_var_pve_str_12, fixup_free_fparam_all, ANY_ROUTE },
    { "report_capture", (cmd_function)w_report_capture2, 2, fixup_var_pve_str_12, fixup_free_fparam_all, ANY_ROUTE },
    /* The host calls it with three parameters, as the count says; its type has room for two. */
    { "report_capture", (cmd_function)(void (*)(void))w_report_capture3, 3, fixup_var_pve_str_12, fixup_free_fparam_all,
        ANY_ROUTE },
    { "sip_capture_forward", (cmd_function)w_sip_capture_forward, 1, fixup_forward, fixup_free_spve_null, ANY_ROUTE },
    { "float2int", (cmd_function)w_float2int, 2, fixup_var_pve_str_12, fixup_free_fparam_all, ANY_ROUTE },
    { 0, 0, 0, 0, 0, 0 } };

/* ---- the same for other languages (KEMI) ---- */

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
    return send_on(msg, uri);
}

#define KEMI_NAME(name) str_init("sipcapture"), str_init(name), SR_KEMIP_INT
sr_kemi_t kemi_functions[] = {
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
