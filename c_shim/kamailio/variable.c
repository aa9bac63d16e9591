/* Pseudo-variables: see variable.h. */
#include "core/dprint.h"

#include "convert.h"
#include "variable.h"

int variable_parse(pv_spec_p spec, const str *name, const char *variable, variable_finder find, variable_names all)
{
    uint32_t number;
    const char *names = "";

    if (find(to_bytes(name), &number) != SC_OK) {
        all(&names);
        LM_ERR("$%s(%.*s): there is no such field; allowed are %s\n", variable, name->len, name->s, names);
        return -1;
    }
    spec->pvp.pvn.type = PV_NAME_INTSTR;
    spec->pvp.pvn.u.isname.type = 0;
    spec->pvp.pvn.u.isname.name.n = (int)number;
    return 0;
}

uint32_t variable_number(const pv_param_t *param)
{
    return (uint32_t)param->pvn.u.isname.name.n;
}

int variable_answer(sip_msg_t *msg, pv_param_t *param, pv_value_t *value, const sc_variable_value *answer)
{
    str text = { (char *)answer->text.ptr, answer->text.len };

    switch (answer->kind) {
        case SC_VARIABLE_NUMBER:
            /* The host's numbers are unsigned here, of 32 bits before version 5.7 and of 64 since. */
            return pv_get_uintval(msg, param, value, answer->number);
        case SC_VARIABLE_TEXT:
            return pv_get_strval(msg, param, value, &text);
        case SC_VARIABLE_BOTH:
            return pv_get_strintval(msg, param, value, &text, (int)answer->number);
        default:
            return pv_get_null(msg, param, value);
    }
}
