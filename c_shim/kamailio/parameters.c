/* How parameters come to the core: see parameters.h. */
#include <string.h>

#include "core/dprint.h"
#include "core/mem/mem.h"

#include "host.h"
#include "parameters.h"

struct kept_text {
    struct kept_text *next;
    str text;
};

int keep_text(text_list *list, const char *value)
{
    struct kept_text *kept = pkg_malloc(sizeof(*kept) + strlen(value) + 1);

    if (kept == NULL) {
        LM_ERR("no private memory left\n");
        return -1;
    }
    kept->next = NULL;
    kept->text.s = strcpy((char *)(kept + 1), value);
    kept->text.len = strlen(value);
    if (list->last == NULL) {
        list->first = kept;
    } else {
        list->last->next = kept;
    }
    list->last = kept;
    return 0;
}

int hand_on_text(const char *name, const str *value)
{
    sc_bytes bytes = { value->s, value->len };
    return value->s == NULL || sc_core_set_text(core, name, bytes) == SC_OK;
}

int hand_on_number(const char *name, int value)
{
    return value == UNSET || sc_core_set_number(core, name, value) == SC_OK;
}

int hand_on_list(const char *name, const text_list *list)
{
    for (const struct kept_text *kept = list->first; kept != NULL; kept = kept->next) {
        if (!hand_on_text(name, &kept->text)) {
            return 0;
        }
    }
    return 1;
}
