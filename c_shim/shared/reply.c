/* How answers are built: see reply.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reply.h"

/* Most groups within each other. */
#define DEPTH 8

/* One answer on its way, and the groups that are open: the innermost is the last. */
typedef struct reply {
    const reply_builder *builder;
    void *context;
    void *groups[DEPTH];
    int depth;  /* of the innermost group, which may be more than there is room for; -1: none is open */
    char *name; /* the name at hand, terminated; each answer has its own, since several threads may build one at once */
    size_t bytes; /* room for it */
} reply;

/* A name as builders take it, until the next one; NULL when there is no memory. */
static const char *terminated(reply *to, sc_bytes text)
{
    if (text.len >= to->bytes) {
        char *larger = realloc(to->name, text.len + 1);
        if (larger == NULL) {
            return NULL;
        }
        to->name = larger;
        to->bytes = text.len + 1;
    }
    memcpy(to->name, text.ptr, text.len);
    to->name[text.len] = 0;
    return to->name;
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

static void on_fault(void *to, int code, sc_bytes text, sc_bytes detail)
{
    reply *answer = to;
    answer->builder->fault(answer->context, code, text, detail);
}

static void on_open(void *to, sc_bytes name)
{
    reply *answer = to;
    void *outer = innermost(answer);
    int is_outermost = answer->depth < 0;
    const char *group_name = is_outermost ? NULL : terminated(answer, name);
    int is_built = is_outermost || (outer != NULL && group_name != NULL);

    answer->depth++;
    if (answer->depth < DEPTH) {
        answer->groups[answer->depth] = is_built ? answer->builder->group(answer->context, outer, group_name) : NULL;
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
    const char *word_name = terminated(answer, name);
    if (group != NULL && word_name != NULL) {
        answer->builder->word(answer->context, group, word_name, text);
    }
}

static void on_number(void *to, sc_bytes name, uint64_t value)
{
    reply *answer = to;
    void *group = innermost(answer);
    const char *number_name = terminated(answer, name);
    char digits[24];
    sc_bytes text = { digits, 0 };

    if (value > answer->builder->largest) {
        text.len = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)value);
        on_word(to, name, text);
    } else if (group != NULL && number_name != NULL) {
        answer->builder->number(answer->context, group, number_name, value);
    }
}

void reply_to_command(sc_core *core, const char *name, sc_bytes argument, const reply_builder *builder, void *context)
{
    reply answer = { .builder = builder, .context = context, .depth = -1 };
    sc_reply functions = { &answer, on_text, on_fault, on_open, on_close, on_number, on_word };
    static const char fault[] = "Internal error";

    if (sc_command(core, name, argument, &functions) != SC_OK) {
        builder->fault(context, 500, (sc_bytes){ fault, sizeof(fault) - 1 }, (sc_bytes){ NULL, 0 });
    }
    free(answer.name);
}
