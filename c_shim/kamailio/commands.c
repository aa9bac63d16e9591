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

/* Its text says what would be right, too. */
static void build_fault(void *to, int code, sc_bytes text, sc_bytes detail)
{
    call *caller = to;
    (void)detail;
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

/* ---- the commands ---- */

static rpc_export_t exported[SC_COMMANDS + 1];
static const char *descriptions[SC_COMMANDS][2];
static uint8_t takes_argument[SC_COMMANDS];

static void run(int index, rpc_t *rpc, void *context)
{
    call caller = { rpc, context };
    sc_bytes argument = { NULL, 0 };
    str word = { NULL, 0 };

    if (takes_argument[index] && rpc->scan(context, "*S", &word) > 0) {
        argument.ptr = word.s;
        argument.len = word.len;
    }
    reply_to_command(core, exported[index].name, argument, &builder, &caller);
}

/* The host calls a function without saying for which command, so each has its own. */
#define RUN_FUNCTION(n)                            \
    static void run_##n(rpc_t *rpc, void *context) \
    {                                              \
        run(n, rpc, context);                      \
    }
#define RUN_NAME(n) run_##n,
#define EACH_COMMAND(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)

EACH_COMMAND(RUN_FUNCTION)

static const rpc_function_t run_functions[] = { EACH_COMMAND(RUN_NAME) };

_Static_assert(sizeof(run_functions) / sizeof(run_functions[0]) == SC_COMMANDS, "a function for each command");

int commands_register(const char *module)
{
    for (uint32_t i = 0; i < SC_COMMANDS; i++) {
        if (sc_command_at(module, i, &exported[i].name, &descriptions[i][0], &takes_argument[i]) != SC_OK) {
            break;
        }
        exported[i].function = run_functions[i];
        exported[i].doc_str = descriptions[i];
    }
    if (rpc_register_array(exported) != 0) {
        LM_ERR("commands cannot be registered\n");
        return 0;
    }
    return 1;
}
