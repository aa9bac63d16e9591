/* How parameters come to the core: see parameters.h. */
#include <stdlib.h>
#include <string.h>

#include "parameters.h"

/* One value. Of a text that is set more than once each is kept; the core's list says whether only the last counts. */
typedef struct kept_text {
    struct kept_text *next;
    const char *name; /* as the configuration calls the parameter */
    char text[];
} kept_text;

/* A parameter, and what the configuration sets it to. One that is another name of a parameter keeps nothing itself:
 * that one, `meant`, does. */
typedef struct slot {
    listed_parameter listed;
    uint32_t meant;
    kept_text *first;
    kept_text *last;
    const char *number_name; /* as the configuration calls it, for numbers; NULL when it is not set */
    int number;
} slot;

static slot slots[SC_PARAMETERS];
static uint32_t slot_count = 0;

static int keep(const slot *named, void *value)
{
    const char *text = value;
    slot *to = &slots[named->meant];
    kept_text *kept;

    if (to->listed.kind == SC_PARAMETER_NUMBER) {
        to->number_name = named->listed.name;
        to->number = (int)(long)value;
        return 0;
    }
    kept = malloc(sizeof(*kept) + strlen(text) + 1);
    if (kept == NULL) {
        return -1;
    }
    kept->next = NULL;
    kept->name = named->listed.name;
    strcpy(kept->text, text);
    if (to->last == NULL) {
        to->first = kept;
    } else {
        to->last->next = kept;
    }
    to->last = kept;
    return 0;
}

/* Hosts call a function without saying for which parameter, so each slot has its own: SC_PARAMETERS of them, numbered
 * in octal. */
#define EIGHT(X, n) X(n##0) X(n##1) X(n##2) X(n##3) X(n##4) X(n##5) X(n##6) X(n##7)
#define SIXTY_FOUR(X, n) \
    EIGHT(X, n##0) \
    EIGHT(X, n##1) EIGHT(X, n##2) EIGHT(X, n##3) EIGHT(X, n##4) EIGHT(X, n##5) EIGHT(X, n##6) EIGHT(X, n##7)
#define EACH_SLOT(X) SIXTY_FOUR(X, 0) SIXTY_FOUR(X, 1)

#define KEEP_FUNCTION(n) \
    static int keep_##n(unsigned int type, void *value) \
    { \
        (void)type; \
        return keep(&slots[0##n], value); \
    }
#define KEEP_NAME(n) keep_##n,

EACH_SLOT(KEEP_FUNCTION)

static int (*const keep_functions[])(unsigned int type, void *value) = { EACH_SLOT(KEEP_NAME) };

_Static_assert(sizeof(keep_functions) / sizeof(keep_functions[0]) == SC_PARAMETERS, "a function for each slot");

int parameters_read(const char *module)
{
    for (slot_count = 0; slot_count < SC_PARAMETERS; slot_count++) {
        listed_parameter *listed = &slots[slot_count].listed;
        uint32_t *meant = &slots[slot_count].meant;
        if (sc_parameter_at(module, slot_count, &listed->name, &listed->kind) != SC_OK) {
            break;
        }
        if (sc_parameter_meant(module, slot_count, meant) != SC_OK || *meant >= SC_PARAMETERS) {
            return 0;
        }
        listed->keep = keep_functions[slot_count];
    }
    return slot_count > 0;
}

const listed_parameter *parameters_at(uint32_t index)
{
    return index < slot_count ? &slots[index].listed : NULL;
}

int parameters_number(const char *name, int unset)
{
    for (uint32_t i = 0; i < slot_count; i++) {
        if (strcmp(slots[i].listed.name, name) == 0) {
            const slot *kept = &slots[slots[i].meant];
            return kept->number_name != NULL ? kept->number : unset;
        }
    }
    return unset;
}

static int hand_on_text(sc_core *core, const kept_text *kept)
{
    sc_bytes bytes = { kept->text, strlen(kept->text) };
    return sc_core_set_text(core, kept->name, bytes) == SC_OK;
}

static int hand_on(sc_core *core, const slot *from)
{
    switch (from->listed.kind) {
        case SC_PARAMETER_NUMBER:
            return from->number_name == NULL || sc_core_set_number(core, from->number_name, from->number) == SC_OK;
        case SC_PARAMETER_TEXT:
            return from->last == NULL || hand_on_text(core, from->last);
        case SC_PARAMETER_TEXTS:
            for (const kept_text *kept = from->first; kept != NULL; kept = kept->next) {
                if (!hand_on_text(core, kept)) {
                    return 0;
                }
            }
            return 1;
    }
    return 0;
}

int parameters_hand_on(sc_core *core)
{
    for (uint32_t i = 0; i < slot_count; i++) {
        if (!hand_on(core, &slots[i])) {
            return 0;
        }
    }
    return 1;
}
