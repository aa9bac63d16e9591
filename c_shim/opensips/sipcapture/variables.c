/* The pseudo-variables $hep_net(name) and $HEPVERSION. */
#include <limits.h>
#include <string.h>

#include "dprint.h"
#include "mem/mem.h"
#include "socket_info.h"

#include "../convert.h"
#include "../host.h"
#include "packet.h"
#include "sipcapture.h"

/* Values are texts in memory of ours while a script's expression is worked out: as many as it could have at once. */
#define ANSWERS 16

pv_value_t variable_answer(const sc_variable_value *value)
{
    pv_value_t answer = { .flags = PV_VAL_NULL };
    int fits = value->number >= INT_MIN && value->number <= INT_MAX;

    if (value->kind == SC_VARIABLE_TEXT || value->kind == SC_VARIABLE_BOTH) {
        answer.rs = (str){ (char *)value->text.ptr, (int)value->text.len };
        answer.flags = PV_VAL_STR;
        if (answer.rs.len == 0) {
            answer.rs.s = "";
            answer.flags |= PV_VAL_EMPTY;
        }
    }
    /* A number that the host's type has no room for is the text alone. */
    if (value->kind == SC_VARIABLE_NUMBER || (value->kind == SC_VARIABLE_BOTH && fits)) {
        answer.ri = (int)value->number;
        answer.flags = (value->kind == SC_VARIABLE_BOTH ? PV_VAL_STR : 0) | PV_VAL_INT | PV_TYPE_INT;
    }
    return answer;
}

/* ---- $hep_net(name) ---- */

/* Reads the name when the script is read. That of another variable is read with each message. */
static int read_name(pv_spec_p variable, const str *name)
{
    uint32_t field = 0;
    pv_spec_t *inner;

    if (name != NULL && name->len > 0 && name->s[0] == PV_MARKER) {
        inner = pkg_malloc(sizeof(*inner));
        if (inner == NULL || pv_parse_spec(name, inner) == NULL) {
            LM_ERR("$hep_net(%.*s): what is in the brackets is no variable\n", name->len, name->s);
            return -1;
        }
        variable->pvp.pvn.type = PV_NAME_PVAR;
        variable->pvp.pvn.u.dname = inner;
        return 0;
    }
    if (sc_outer_field(to_bytes(name), &field) != SC_OK) {
        if (core == NULL && name != NULL) { /* then the core has no log yet */
            LM_ERR("$hep_net(%.*s): there is no such field; allowed are proto_family, proto_id, src_ip, dst_ip,"
                   " src_port and dst_port, and their numbers\n", name->len, name->s);
        }
        return -1;
    }
    variable->pvp.pvn.type = PV_NAME_INTSTR;
    variable->pvp.pvn.u.isname.type = 0;
    variable->pvp.pvn.u.isname.name.n = (int)field;
    return 0;
}

/* The field that is asked for; 0 when a variable names none. */
static int named_field(struct sip_msg *msg, const pv_param_t *asked, uint32_t *field)
{
    pv_value_t name;

    if (asked->pvn.type != PV_NAME_PVAR) {
        *field = (uint32_t)asked->pvn.u.isname.name.n;
        return 1;
    }
    if (pv_get_spec_value(msg, asked->pvn.u.dname, &name) != 0 || (name.flags & PV_VAL_STR) == 0) {
        return 0;
    }
    return sc_outer_field(to_bytes(&name.rs), field) == SC_OK;
}

static int show(struct sip_msg *msg, pv_param_t *asked, pv_value_t *shown)
{
    static char buffers[ANSWERS][SC_CHUNK_ROOM];
    static size_t next = 0;
    const struct hep_context *packet = hep_packet(msg);
    sc_outer_packet outer = { 0 };
    sc_variable_value value;
    uint32_t field;

    if (packet == NULL || !named_field(msg, asked, &field)) {
        return pv_get_null(msg, asked, shown);
    }
    outer.source = to_address(&packet->ri.src_ip, packet->ri.src_port);
    outer.destination = to_address(&packet->ri.dst_ip, packet->ri.dst_port);
    outer.transport.ptr = proto2a(packet->ri.proto);
    outer.transport.len = strlen(outer.transport.ptr);
    next = (next + 1) % ANSWERS;
    if (sc_outer_value(field, &outer, buffers[next], &value) != SC_OK) {
        return pv_get_null(msg, asked, shown);
    }
    *shown = variable_answer(&value);
    return 0;
}

/* ---- $HEPVERSION ---- */

static int show_version(struct sip_msg *msg, pv_param_t *asked, pv_value_t *shown)
{
    const struct hep_context *packet = hep_packet(msg);
    sc_variable_value value;

    if (packet == NULL || sc_hep_version_value((uint32_t)packet->h.version, &value) != SC_OK) {
        return pv_get_null(msg, asked, shown);
    }
    *shown = variable_answer(&value);
    return 0;
}

#define NAMED(text) { text, sizeof(text) - 1 }

const pv_export_t variables[] = {
    { NAMED("hep_net"), 1201, show, 0, read_name, 0, 0, 0 },
    { NAMED("HEPVERSION"), 1202, show_version, 0, 0, 0, 0, 0 },
    { { 0, 0 }, 0, 0, 0, 0, 0, 0, 0 }
};
