/* How commands are run and answers go to the host's RPC: see reply.h. */
#include <limits.h>
#include <stdio.h>

#include "core/str.h"

#include "host.h"
#include "reply.h"

#define DEPTH 8

/* One answer on its way; the structs that it has opened. */
typedef struct rpc_reply {
    rpc_t *rpc;
    void *context;
    void *group[DEPTH];
    int depth;
} rpc_reply;

static const char *terminated(sc_bytes text)
{
    static char name[64];
    snprintf(name, sizeof(name), "%.*s", (int)text.len, text.ptr);
    return name;
}

static void reply_text(void *to, sc_bytes text)
{
    rpc_reply *reply = to;
    reply->rpc->rpl_printf(reply->context, "%.*s", (int)text.len, text.ptr);
}

static void reply_fault(void *to, int code, sc_bytes text)
{
    rpc_reply *reply = to;
    reply->rpc->fault(reply->context, code, "%.*s", (int)text.len, text.ptr);
}

static void reply_open(void *to, sc_bytes name)
{
    rpc_reply *reply = to;
    void **group = &reply->group[reply->depth + 1];

    if (reply->depth + 1 >= DEPTH) {
        return;
    }
    *group = NULL;
    if (reply->depth < 0) {
        reply->rpc->add(reply->context, "{", group);
    } else if (reply->group[reply->depth] != NULL) {
        reply->rpc->struct_add(reply->group[reply->depth], "{", terminated(name), group);
    }
    reply->depth++;
}

static void reply_close(void *to)
{
    rpc_reply *reply = to;
    if (reply->depth >= 0) {
        reply->depth--;
    }
}

static void reply_word(void *to, sc_bytes name, sc_bytes text)
{
    rpc_reply *reply = to;
    str word = { (char *)text.ptr, text.len };
    if (reply->depth >= 0 && reply->group[reply->depth] != NULL) {
        reply->rpc->struct_add(reply->group[reply->depth], "S", terminated(name), &word);
    }
}

static void reply_number(void *to, sc_bytes name, uint64_t value)
{
    rpc_reply *reply = to;
    char digits[24];
    sc_bytes text = { digits, 0 };

    if (value > INT_MAX) { /* the host's binary protocol would cut it */
        text.len = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)value);
        reply_word(to, name, text);
    } else if (reply->depth >= 0 && reply->group[reply->depth] != NULL) {
        reply->rpc->struct_add(reply->group[reply->depth], "d", terminated(name), (int)value);
    }
}

void reply_to_command(const char *name, int takes_argument, rpc_t *rpc, void *context)
{
    rpc_reply to = { .rpc = rpc, .context = context, .depth = -1 };
    sc_reply reply = { &to, reply_text, reply_fault, reply_open, reply_close, reply_number, reply_word };
    str word = { NULL, 0 };
    sc_bytes argument = { NULL, 0 };

    if (takes_argument && rpc->scan(context, "*S", &word) > 0) {
        argument.ptr = word.s;
        argument.len = word.len;
    }
    if (sc_command(core, name, argument, &reply) != SC_OK) {
        rpc->fault(context, 500, "Internal error");
    }
}
