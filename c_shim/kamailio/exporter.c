/*
 * Names of counters for pages of xhttp_prom: see exporter.h.
 *
 * xhttp_prom lists counters through the same function as the commands that operators and dashboards use
 * (counter_iterate_grp_vars), so a list with the stock names makes a page that Prometheus refuses, and one without them
 * is not what dashboards read. But the list is each process's own: counters are registered in private memory before the
 * fork, and the workers that serve pages are not the processes that serve kamcmd and kamctl. So the list is altered in
 * the workers alone. This works because the function that goes through it hands out the name that it lists, and not a
 * copy, from Kamailio 5.6 to 6.2-dev. The index by which counters are found has a copy of its own, which stays.
 */
#include <string.h>

#include "core/counters.h"
#include "core/sr_module.h"

#include "convert.h"
#include "exporter.h"
#include "host.h"

/* A way through the list. */
struct walk {
    /* What xhttp_prom shows. */
    const str *shown;
    /* Whether names are written, and how many counters have one that is not listed. */
    int renames;
    int unlisted;
};

static void visit(void *argument, str *group, str *name, counter_handle_t handle)
{
    struct walk *walk = argument;
    const char *exported;
    (void)handle;

    if (sc_counter_exported(core, to_bytes(group), to_bytes(name), to_bytes(walk->shown), &exported) != SC_OK) {
        return;
    }
    if (walk->renames) {
        /* It lasts as long as the core, which outlives the list's last reader. */
        name->s = (char *)exported;
        name->len = strlen(exported);
    } else {
        walk->unlisted++;
    }
}

void exporter_name_counters(int rank, const char *group)
{
    sr_module_t *exporter = rank > PROC_MAIN ? find_module_by_name("xhttp_prom") : NULL;
    modparam_t type = 0;
    struct walk walk = { NULL, 1, 0 };

    if (exporter == NULL) {
        return;
    }
    walk.shown = find_param_export(exporter, "xhttp_prom_stats", PARAM_STR, &type);
    if (walk.shown != NULL && walk.shown->len > 0) {
        counter_iterate_grp_vars(group, visit, &walk);
        /* What this Kamailio lists now decides, not what was written. */
        walk.renames = 0;
        counter_iterate_grp_vars(group, visit, &walk);
    }
    if (rank == 1 && (walk.shown == NULL || walk.unlisted > 0)) {
        sc_counter_not_exported(core);
    }
}
