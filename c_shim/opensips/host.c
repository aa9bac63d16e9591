/* What the host lends to the core, and its counters: see host.h. */
#include "config.h"
#include "dprint.h"
#include "globals.h"
#include "statistics.h"
#include "ut.h"

#include "convert.h"
#include "host.h"

/* Seconds that the host's main process has from its end's beginning; that of its children is GRACEFUL_SHUTDOWN_TIMEOUT.
 */
#define MAIN_KILL_TIMEOUT 60

sc_core *core = NULL;

int host_make_core(const char *module)
{
    int owner = -1, owner_group = -1;
    sc_host host = { .contract_version = SC_CONTRACT_VERSION,
        .children_kill_timeout = GRACEFUL_SHUTDOWN_TIMEOUT, .main_kill_timeout = MAIN_KILL_TIMEOUT, .log = ser_log };

    if ((user != NULL && user2uid(&owner, &owner_group, user) < 0)
            || (group != NULL && group2gid(&owner_group, group) < 0)) {
        return 0; /* logged; the server would end a moment later */
    }
    host.user = owner;
    host.group = owner_group;
    if (sc_core_new(&host, module, &core) != SC_OK) {
        LM_ERR("module and core do not belong together\n");
        return 0;
    }
    return 1;
}

static unsigned long counter_value(void *index)
{
    uint64_t value = 0;
    sc_counter_value(core, (uint32_t)(size_t)index, &value);
    return (unsigned long)value;
}

int host_register_counters(char *group)
{
    const char *name;
    const char *description;

    for (uint32_t i = 0; sc_counter_at(core, i, &name, &description) == SC_OK; i++) {
        if (register_stat2(group, (char *)name, (stat_var **)counter_value, STAT_IS_FUNC, (void *)(size_t)i, 0) != 0) {
            LM_ERR("statistic %s cannot be registered\n", name);
            return 0;
        }
    }
    return 1;
}

void host_end_core(void)
{
    if (core != NULL) {
        sc_core_finish(core);
        sc_core_free(core);
        core = NULL;
    }
}
