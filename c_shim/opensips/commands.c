/* Commands and their answers over this host's management interface: see commands.h. */
#include <string.h>

#include "dprint.h"
#include "mi/item.h"

#include "../shared/reply.h"
#include "commands.h"
#include "host.h"

/* The argument of a command, as the host knows it. */
#define ARGUMENT "capture_mode"

/* ---- answers ---- */

/* What is answered so far. */
typedef struct answer {
    mi_response_t *response;
} answer;

static void build_text(void *to, sc_bytes text)
{
    ((answer *)to)->response = init_mi_result_string(text.ptr, text.len);
}

static void build_fault(void *to, int code, sc_bytes text, sc_bytes detail)
{
    ((answer *)to)->response = init_mi_error_extra(code, text.ptr, text.len, detail.ptr, detail.len);
}

static void *build_group(void *to, void *outer, const char *name)
{
    mi_item_t *group = NULL;

    if (outer == NULL) {
        ((answer *)to)->response = init_mi_result_object(&group);
    } else {
        group = add_mi_object(outer, (char *)name, strlen(name));
    }
    return group;
}

static void build_number(void *to, void *group, const char *name, uint64_t value)
{
    (void)to;
    add_mi_number(group, (char *)name, strlen(name), (double)value);
}

static void build_word(void *to, void *group, const char *name, sc_bytes text)
{
    (void)to;
    add_mi_string(group, (char *)name, strlen(name), text.ptr != NULL ? text.ptr : "", text.len);
}

/* The host's numbers are doubles, exact up to this. */
static const reply_builder builder = { build_text, build_fault, build_group, build_number, build_word,
    UINT64_C(1) << 53 };

/* ---- the commands ---- */

mi_export_t commands[SC_COMMANDS + 1];

static mi_response_t *run(int index, const mi_params_t *params, int has_argument)
{
    answer answer = { NULL };
    sc_bytes argument = { NULL, 0 };
    char *text = NULL;
    int length = 0;

    if (has_argument) {
        if (get_mi_string_param(params, ARGUMENT, &text, &length) < 0) {
            return init_mi_param_error();
        }
        argument = (sc_bytes){ text, length };
    }
    reply_to_command(core, commands[index].name, argument, &builder, &answer);
    return answer.response;
}

/* The host calls a function without saying for which command, so each has its own, and one more for its argument. */
#define RUN_FUNCTIONS(n) \
    static mi_response_t *run_##n(const mi_params_t *params, struct mi_handler *handler) \
    { \
        (void)handler; \
        return run(n, params, 0); \
    } \
    static mi_response_t *run_with_argument_##n(const mi_params_t *params, struct mi_handler *handler) \
    { \
        (void)handler; \
        return run(n, params, 1); \
    }
#define RUN_NAMES(n) { run_##n, run_with_argument_##n },
#define EACH_COMMAND(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)

EACH_COMMAND(RUN_FUNCTIONS)

static mi_cmd_f *const run_functions[][2] = { EACH_COMMAND(RUN_NAMES) };

_Static_assert(sizeof(run_functions) / sizeof(run_functions[0]) == SC_COMMANDS, "functions for each command");

/* Servers that put the module's name before a command have the plain name as another one. */
static void name_command(const char *module, uint32_t index, const char *name)
{
#ifdef HOST_HAS_MI_ALIASES
    const char *in_module = NULL;
    if (sc_command_in_module(module, index, &in_module) == SC_OK) {
        commands[index].name = (char *)in_module;
        commands[index].aliases[0] = (char *)name;
        return;
    }
#else
    (void)module;
#endif
    commands[index].name = (char *)name;
}

void commands_list(const char *module)
{
    const char *name, *description;
    uint8_t takes_argument;

    for (uint32_t i = 0; sc_command_at(module, i, &name, &description, &takes_argument) == SC_OK; i++) {
        name_command(module, i, name);
        commands[i].help = (char *)description;
        commands[i].recipes[0].cmd = run_functions[i][0];
        if (takes_argument) {
            commands[i].recipes[1].cmd = run_functions[i][1];
            commands[i].recipes[1].params[0] = ARGUMENT;
        }
    }
}
