/*
 * Runs the core's commands and builds the answers out of what a host has for them. Called by a host's own commands.
 */
#ifndef SIPCAPTURE_SHARED_REPLY_H
#define SIPCAPTURE_SHARED_REPLY_H

#include "../core.h"

/* How a host builds an answer. Every function gets the host's own `context`; texts are not terminated, names are, and
 * last as long as the call. A group is whatever the host has for an object with fields. */
typedef struct reply_builder {
    void (*text)(void *context, sc_bytes text);            /* the whole answer is one text */
    /* The command failed: what is wrong, and, unless empty, what would be right. */
    void (*fault)(void *context, int code, sc_bytes text, sc_bytes detail);
    /* Begins the group `name` in `outer`; the outermost has neither. NULL when there is no memory: its fields are left
     * out. */
    void *(*group)(void *context, void *outer, const char *name);
    void (*number)(void *context, void *group, const char *name, uint64_t value);
    void (*word)(void *context, void *group, const char *name, sc_bytes text);
    /* The largest number that `number` can carry; larger ones are words. */
    uint64_t largest;
} reply_builder;

/* Runs command `name` of `core` with `argument`, empty for none, and has the answer built. */
void reply_to_command(sc_core *core, const char *name, sc_bytes argument, const reply_builder *builder, void *context);

#endif
