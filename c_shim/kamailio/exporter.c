/*
 * Names of counters for pages of xhttp_prom: see exporter.h.
 *
 * xhttp_prom lists counters through the same function as the commands that operators and dashboards use (counter_iterate_grp_vars), so a
 * list with the stock names makes a page that Prometheus refuses, and one without them is not what dashboards read. But the list is each
 * process's own: counters are registered in private memory before the fork, and the workers that serve pages are not the processes
 * that serve kamcmd and kamctl. So the list is altered in the workers alone. This works because the function that goes through it hands out
 * the name that it lists, and not a copy, from Kamailio 5.6 to 6.2-dev. The index by which counters are found has a copy of its own, which
 * stays.
 */
#include <string.h>

#include "core/counters.h"
#include "core/sr_module.h"

#include "exporter.h"
#include "host.h"

/* What xhttp_prom shows, as its parameter says; NULL when it is not loaded. */
static const str *shown(void)
{
    modparam_t type = 0;
    sr_module_t *exporter = find_module_by_name("xhttp_prom");

    return exporter != NULL ? find_param_export(exporter, "xhttp_prom_stats", PARAM_STR, &type) : NULL;
}

/* Lists a counter under its name for the page, if it has one. The name lasts as long as the core, which outlives the list's last reader. */
static void rename_listed(void *what_is_shown, str *group, str *name, counter_handle_t handle)
{
    const str *what = what_is_shown;
    const char *registered;
    const char *exported;
    const char *description;
    (void)group;
    (void)handle;

    for (uint32_t i = 0; sc_counter_at(core, i, &registered, &description) == SC_OK; i++) {
        if (strcmp(registered, name->s) == 0) {
            if (sc_counter_exported(core, i, (sc_bytes){ what->s, what->len }, &exported) == SC_OK) {
                name->s = (char *)exported;
                name->len = strlen(exported);
            }
            return;
        }
    }
}

void exporter_name_counters(int rank, const char *group)
{
    const str *what = rank > PROC_MAIN ? shown() : NULL;

    if (what != NULL && what->len > 0) {
        counter_iterate_grp_vars(group, rename_listed, (void *)what);
    }
}
