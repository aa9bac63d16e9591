/* Commands and their answers over this host's RPC: see commands.h. */
#include <limits.h>

#include "core/dprint.h"
#include "core/rpc.h"
#include "core/rpc_lookup.h"
#include "core/str.h"

#include "../shared/reply.h"
#include "commands.h"
#include "host.h"

/* ---- answers ---- */

/* One call. */
typedef struct call {
    rpc_t *rpc;
    void *context;
} call;

static void build_text(void *to, sc_bytes text)
{
    call *caller = to;
    caller->rpc->rpl_printf(caller->context, "%.*s", (int)text.len, text.ptr);
}

static void build_fault(void *to, int code, sc_bytes text)
{
    call *caller = to;
    caller->rpc->fault(caller->context, code, "%.*s", (int)text.len, text.ptr);
}

static void *build_group(void *to, void *outer, const char *name)
{
    call *caller = to;
    void *group = NULL;

    if (outer == NULL) {
        caller->rpc->add(caller->context, "{", &group);
    } else {
        caller->rpc->struct_add(outer, "{", name, &group);
    }
    return group;
}

static void build_number(void *to, void *group, const char *name, uint64_t value)
{
    call *caller = to;
    caller->rpc->struct_add(group, "d", name, (int)value);
}

static void build_word(void *to, void *group, const char *name, sc_bytes text)
{
    call *caller = to;
    str word = { (char *)text.ptr, text.len };
    caller->rpc->struct_add(group, "S", name, &word);
}

/* The host's binary protocol would cut what an int does not hold. */
static const reply_builder builder = { build_text, build_fault, build_group, build_number, build_word, INT_MAX };

static void run(const char *name, int takes_argument, rpc_t *rpc, void *context)
{
    call caller = { rpc, context };
    sc_bytes argument = { NULL, 0 };
    str word = { NULL, 0 };

    if (takes_argument && rpc->scan(context, "*S", &word) > 0) {
        argument.ptr = word.s;
        argument.len = word.len;
    }
    reply_to_command(core, name, argument, &builder, &caller);
}

/* ---- the commands ---- */

static const char *status_text[2];
static const char *switch_text[2];
static const char *stats_text[2];

static void run_status(rpc_t *rpc, void *context)
{
    run("status", 1, rpc, context);
}

static void run_stats(rpc_t *rpc, void *context)
{
    run("stats", 0, rpc, context);
}

static void run_switch(rpc_t *rpc, void *context);

static rpc_export_t exported[] = {
    { MOD_NAME ".status", run_status, status_text, 0 },
    { MOD_NAME ".stats", run_stats, stats_text, 0 },
    { NULL, run_switch, switch_text, 0 },
    { 0, 0, 0, 0 }
};

static void run_switch(rpc_t *rpc, void *context)
{
    run(exported[2].name, 1, rpc, context);
}

int commands_register(const command_texts *texts)
{
    status_text[0] = texts->status;
    stats_text[0] = texts->stats;
    switch_text[0] = texts->switches;
    exported[2].name = texts->switch_name;
    if (rpc_register_array(exported) != 0) {
        LM_ERR("commands cannot be registered\n");
        return 0;
    }
    return 1;
}
