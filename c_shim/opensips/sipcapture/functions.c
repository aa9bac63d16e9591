/* What scripts call. */
#include "context.h"
#include "dprint.h"
#include "route.h"

#include "../convert.h"
#include "../host.h"
#include "sipcapture.h"

#define ANY_ROUTE (REQUEST_ROUTE | FAILURE_ROUTE | ONREPLY_ROUTE | BRANCH_ROUTE | LOCAL_ROUTE)
#define OPTIONAL_TEXT { CMD_PARAM_STR | CMD_PARAM_OPT, 0, 0 }
#define OPTIONAL_VARIABLE { CMD_PARAM_VAR | CMD_PARAM_OPT, check_variable, 0 }
#define NO_MORE { 0, 0, 0 }
#define CAPTURE_ARGUMENTS { OPTIONAL_TEXT, OPTIONAL_TEXT, OPTIONAL_TEXT, OPTIONAL_TEXT, NO_MORE }
#define REPORT_ARGUMENTS { { CMD_PARAM_STR, 0, 0 }, OPTIONAL_TEXT, { CMD_PARAM_INT | CMD_PARAM_OPT, 0, 0 }, NO_MORE }

sc_bytes given(const str *text)
{
    if (text == NULL) {
        return (sc_bytes){ NULL, 0 };
    }
    return (sc_bytes){ text->s != NULL ? text->s : "", text->s != NULL && text->len > 0 ? text->len : 0 };
}

static int w_sip_capture(struct sip_msg *msg, str *table, str *field1, str *field2, str *field3)
{
    sc_message message = hep_message(msg);

    message.custom[0] = given(field1);
    message.custom[1] = given(field2);
    message.custom[2] = given(field3);
    return sc_capture_sip(core, &message, to_bytes(table), 0) == SC_OK ? 1 : -1;
}

static int w_report_capture(struct sip_msg *msg, str *correlation, str *table, int *type)
{
    sc_message message = hep_message(msg);
    sc_bytes whole = { NULL, 0 };

    if (type != NULL) {
        message.metadata.given |= SC_GIVEN_PAYLOAD_TYPE;
        message.metadata.payload_type = *type;
    }
    return sc_capture_report(core, &message, to_bytes(table), to_bytes(correlation), whole) == SC_OK ? 1 : -1;
}

static int w_hep_relay(struct sip_msg *msg)
{
    return relay_packet(msg);
}

static int w_hep_resume_sip(struct sip_msg *msg)
{
    return hep_resume(msg);
}

static int w_async_sip_capture(
    struct sip_msg *msg, async_ctx *context, str *table, str *field1, str *field2, str *field3)
{
    return wait_for_queued(msg, context, w_sip_capture(msg, table, field1, field2, field3));
}

static int w_async_report_capture(struct sip_msg *msg, async_ctx *context, str *correlation, str *table, int *type)
{
    return wait_for_queued(msg, context, w_report_capture(msg, correlation, table, type));
}

/* ---- what a script says before there is a message ---- */

/* A text of the script itself stops the start, or refuses the script that is loaded anew. One that is made for a
 * message is judged by the function, which the server's log need not tell of each time. */
static int check(sc_chunk_function function, uint32_t index, void **text)
{
    if (current_processing_ctx != NULL) {
        return 0;
    }
    return sc_chunk_check(function, index, given(*text)) == SC_OK ? 0 : -1;
}

/* The host does not say which argument it asks about. */
#define CHECK(function, index) \
    static int check_##function##_##index(void **text) \
    { \
        return check(SC_CHUNK_##function, index, text); \
    }

CHECK(SET, 0)
CHECK(SET, 1)
CHECK(SET, 2)
CHECK(SET, 3)
CHECK(GET, 0)
CHECK(GET, 1)
CHECK(DELETE, 0)

/* Tells of a variable that hep_get() could not write: it answers -1 each time. */
static int check_variable(void **variable)
{
    if (*variable != NULL && !pv_is_w((pv_spec_t *)*variable)) {
        LM_WARN("hep_get(): a variable that it is given for a value or a vendor cannot be written\n");
    }
    return 0;
}

const cmd_export_t functions[] = {
    { "sip_capture", (cmd_function)(void (*)(void))w_sip_capture, CAPTURE_ARGUMENTS, ANY_ROUTE },
    { "report_capture", (cmd_function)(void (*)(void))w_report_capture, REPORT_ARGUMENTS, ANY_ROUTE },
    { "hep_set", (cmd_function)(void (*)(void))chunk_set,
        { { CMD_PARAM_STR, check_SET_0, 0 }, { CMD_PARAM_STR, check_SET_1, 0 },
            { CMD_PARAM_STR | CMD_PARAM_OPT, check_SET_2, 0 }, { CMD_PARAM_STR | CMD_PARAM_OPT, check_SET_3, 0 },
            NO_MORE }, ANY_ROUTE },
    { "hep_get", (cmd_function)(void (*)(void))chunk_get,
        { { CMD_PARAM_STR, check_GET_0, 0 }, { CMD_PARAM_STR | CMD_PARAM_OPT, check_GET_1, 0 }, OPTIONAL_VARIABLE,
            OPTIONAL_VARIABLE, NO_MORE }, ANY_ROUTE },
    { "hep_del", (cmd_function)(void (*)(void))chunk_delete, { { CMD_PARAM_STR, check_DELETE_0, 0 }, NO_MORE },
        ANY_ROUTE },
    { "hep_relay", (cmd_function)(void (*)(void))w_hep_relay, { NO_MORE }, ANY_ROUTE },
    { "hep_resume_sip", (cmd_function)(void (*)(void))w_hep_resume_sip, { NO_MORE }, REQUEST_ROUTE },
    { 0, 0, { NO_MORE }, 0 }
};

const acmd_export_t async_functions[] = {
    { "sip_capture", (acmd_function)(void (*)(void))w_async_sip_capture, CAPTURE_ARGUMENTS },
    { "report_capture", (acmd_function)(void (*)(void))w_async_report_capture, REPORT_ARGUMENTS },
    { 0, 0, { NO_MORE } }
};
