/* What the host lends to the core, and its counters: see host.h. */
#include "core/counters.h"
#include "core/dprint.h"
#include "core/globals.h"

#include "../shared/database.h"
#include "convert.h"
#include "host.h"

sc_core *core = NULL;

/* How ip_addr2a() writes addresses (ipv6_hex_style). */
static sc_ipv6_style ipv6_style(void)
{
    switch (ksr_ipv6_hex_style.s[0]) {
        case 'a':
            return SC_IPV6_LOWER;
        case 'A':
            return SC_IPV6_UPPER;
        default:
            return SC_IPV6_SHORT;
    }
}

int host_make_core(const char *module)
{
    uint32_t kill_timeout = ser_kill_timeout > 0 ? ser_kill_timeout : 0; /* one alarm for all */
    sc_host host = { .contract_version = SC_CONTRACT_VERSION, .release = VERSIONVAL, .ipv6_style = ipv6_style(),
            .user = uid > 0 ? uid : -1, .group = gid > 0 ? gid : -1,
            .children_kill_timeout = kill_timeout, .main_kill_timeout = kill_timeout, .log = ser_log };

    database_offer(&host);
    if (sc_core_new(&host, module, &core) != SC_OK) {
        LM_ERR("module and core do not belong together\n");
        return 0;
    }
    return 1;
}

static counter_val_t counter_value(counter_handle_t handle, void *index)
{
    uint64_t value = 0;
    (void)handle;
    sc_counter_value(core, (uint32_t)(size_t)index, &value);
    return (counter_val_t)value;
}

int host_register_counters(const char *group)
{
    const char *name;
    const char *description;
    counter_handle_t handle;

    for (uint32_t i = 0; sc_counter_at(core, i, &name, &description) == SC_OK; i++) {
        if (counter_register(&handle, group, name, 0, counter_value, (void *)(size_t)i, description, 0) < 0) {
            LM_ERR("counter %s cannot be registered\n", name);
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
