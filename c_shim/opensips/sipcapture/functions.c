/* What scripts call: sip_capture() and report_capture(). */
#include "route.h"

#include "../convert.h"
#include "../host.h"
#include "sipcapture.h"

#define ANY_ROUTE (REQUEST_ROUTE | FAILURE_ROUTE | ONREPLY_ROUTE | BRANCH_ROUTE | LOCAL_ROUTE)
#define OPTIONAL_TEXT { CMD_PARAM_STR | CMD_PARAM_OPT, 0, 0 }
#define NO_MORE { 0, 0, 0 }

/* A text that the script has given, be it empty; nothing where it has given none. */
static sc_bytes given(const str *text)
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

const cmd_export_t functions[] = {
    { "sip_capture", (cmd_function)(void (*)(void))w_sip_capture,
        { OPTIONAL_TEXT, OPTIONAL_TEXT, OPTIONAL_TEXT, OPTIONAL_TEXT, NO_MORE }, ANY_ROUTE },
    { "report_capture", (cmd_function)(void (*)(void))w_report_capture,
        { { CMD_PARAM_STR, 0, 0 }, OPTIONAL_TEXT, { CMD_PARAM_INT | CMD_PARAM_OPT, 0, 0 }, NO_MORE }, ANY_ROUTE },
    { 0, 0, { NO_MORE }, 0 }
};
