/* How answers are built: see reply.h. */
#include <stdio.h>

#include "reply.h"

/* Most groups within each other. */
#define DEPTH 8

/* One answer on its way, and the groups that are open: the innermost is the last. */
typedef struct reply {
    const reply_builder *builder;
    void *context;
    void *groups[DEPTH];
    int depth; /* of the innermost group, which may be more than there is room for; -1: none is open */
} reply;

static const char *terminated(sc_bytes text)
{
    static char name[64];
    snprintf(name, sizeof(name), "%.*s", (int)text.len, text.ptr);
    return name;
}

/* The group that fields go to; NULL when there is none. */
static void *innermost(const reply *to)
{
    return to->depth >= 0 && to->depth < DEPTH ? to->groups[to->depth] : NULL;
}

static void on_text(void *to, sc_bytes text)
{
    reply *answer = to;
    answer->builder->text(answer->context, text);
}

static void on_fault(void *to, int code, sc_bytes text)
{
    reply *answer = to;
    answer->builder->fault(answer->context, code, text);
}

static void on_open(void *to, sc_bytes name)
{
    reply *answer = to;
    void *outer = innermost(answer);
    int is_outermost = answer->depth < 0;

    answer->depth++;
    if (answer->depth < DEPTH) {
        answer->groups[answer->depth] =
                is_outermost || outer != NULL ? answer->builder->group(answer->context, outer, is_outermost ? NULL : terminated(name)) : NULL;
    }
}

static void on_close(void *to)
{
    reply *answer = to;
    if (answer->depth >= 0) {
        answer->depth--;
    }
}

static void on_word(void *to, sc_bytes name, sc_bytes text)
{
    reply *answer = to;
    void *group = innermost(answer);
    if (group != NULL) {
        answer->builder->word(answer->context, group, terminated(name), text);
    }
}

static void on_number(void *to, sc_bytes name, uint64_t value)
{
    reply *answer = to;
    void *group = innermost(answer);
    char digits[24];
    sc_bytes text = { digits, 0 };

    if (value > answer->builder->largest) {
        text.len = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)value);
        on_word(to, name, text);
    } else if (group != NULL) {
        answer->builder->number(answer->context, group, terminated(name), value);
    }
}

void reply_to_command(sc_core *core, const char *name, sc_bytes argument, const reply_builder *builder, void *context)
{
    reply answer = { .builder = builder, .context = context, .depth = -1 };
    sc_reply functions = { &answer, on_text, on_fault, on_open, on_close, on_number, on_word };
    static const char fault[] = "Internal error";

    if (sc_command(core, name, argument, &functions) != SC_OK) {
        builder->fault(context, 500, (sc_bytes){ fault, sizeof(fault) - 1 });
    }
}
