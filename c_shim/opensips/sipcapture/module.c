/*
 * OpenSIPS' sipcapture.so: what it is to its host, from loading to the end. Rules, defaults and texts live in the core
 * (src/module). Called by the host alone.
 */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "db/db.h"
#include "dprint.h"
#include "pt.h"
#include "sr_module.h"
#include "sr_module_deps.h"

#include "../../shared/parameters.h"
#include "../commands.h"
#include "../host.h"
#include "sipcapture.h"

static const char core_module[] = "opensips/sipcapture";

/* The group of statistics. */
static char counter_group[] = "sipcapture";

static param_export_t parameters[SC_PARAMETERS + 1];

/* ---- processes ---- */

static void be_writer(int number)
{
    /* The host's handlers would take a fault here for one of their own process. */
    signal(SIGSEGV, SIG_DFL);
    signal(SIGABRT, SIG_DFL);
    signal(SIGBUS, SIG_DFL);
    suppress_proc_log_event();
    sc_writer_supervise(core, (uint32_t)number);
    _exit(0);
}

static proc_export_t processes[] = {
    { "sipcapture writer", 0, 0, be_writer, 0, 0 },
    { "RAW receiver", 0, 0, raw_read, 0, PROC_FLAG_INITCHILD },
    { 0, 0, 0, 0, 0, 0 }
};

/* ---- life ---- */

/* Called as soon as the module is loaded, before the host looks at its lists. */
static int name_everything(void)
{
    const listed_parameter *listed;

    if (!parameters_read(core_module)) {
        LM_ERR("module and core do not belong together\n");
        return -1;
    }
    for (uint32_t i = 0; (listed = parameters_at(i)) != NULL; i++) {
        parameters[i].name = listed->name;
        parameters[i].type = (listed->kind == SC_PARAMETER_NUMBER ? INT_PARAM : STR_PARAM) | USE_FUNC_PARAM;
        parameters[i].param_pointer = listed->keep;
    }
    commands_list(core_module);
    return 0;
}

/* What others' parameters say, which the core is told behind its own. */
static int hand_on_others(void)
{
    const int *homer5_on = find_param_export("proto_hep", "homer5_on", INT_PARAM);

    if (db_default_url != NULL
        && sc_core_set_text(core, "db_default_url", (sc_bytes){ db_default_url, strlen(db_default_url) }) != SC_OK) {
        return 0;
    }
    return homer5_on == NULL || sc_core_set_number(core, "homer5_on", *homer5_on) == SC_OK;
}

#ifdef HOST_HAS_POST_FORK
/* As the user that the server runs as, before the first process is made. */
static int map_lanes(void)
{
    return sc_core_map_lanes(core, counted_max_processes) == SC_OK ? 0 : -1;
}

static struct internal_fork_handler before_processes = { .desc = "sipcapture", .post_fork.in_parent = map_lanes };

static int map_before_processes(void)
{
    register_fork_handler(&before_processes);
    return 1;
}
#else
/* Processes that modules behind this one ask for, and those that the host has of its own, beyond those it counts. */
#define MORE_PROCESSES 16

static int map_before_processes(void)
{
    return sc_core_map_lanes(core, count_child_processes() + MORE_PROCESSES) == SC_OK;
}
#endif

static int mod_init(void)
{
    sc_capture_needs needs;
    uint32_t writers = 0, raw_readers = 0;

    if (!host_make_core(core_module) || !parameters_hand_on(core) || !hand_on_others() || sc_core_check(core) != SC_OK
            || sc_capture_setup(core, &needs) != SC_OK || sc_core_writers(core, &writers) != SC_OK
            || sc_raw_open(core, &raw_readers) != SC_OK || !wait_prepare()) {
        return -1;
    }
    processes[0].no = writers;
    processes[1].no = raw_readers;
    relay_prepare();
    if (!host_register_counters(counter_group) || !hep_listen(&needs)) {
        return -1;
    }
    return map_before_processes() ? 0 : -1;
}

static int child_init(int rank)
{
    (void)rank;
    return sc_core_attach(core, (uint32_t)process_no) == SC_OK ? 0 : -1;
}

static int accept_script(void)
{
    return hep_route_stays();
}

static const dep_export_t dependencies = {
    /* Whatever of these is loaded is prepared before this module. */
    { { MOD_TYPE_DEFAULT, "proto_hep", DEP_SILENT }, { MOD_TYPE_SQLDB, NULL, DEP_SILENT }, { MOD_TYPE_NULL, NULL, 0 } },
    { { NULL, NULL } },
};

const struct module_exports exports = {
    "sipcapture",    /* name */
    MOD_TYPE_DEFAULT,
    MODULE_VERSION,
    DEFAULT_DLFLAGS, /* how it is loaded */
    name_everything, /* called once it is */
    &dependencies,
    functions,
    async_functions,
    parameters,
    NULL,            /* statistics are registered at start */
    commands,
    variables,
    NULL,            /* no transformations */
    processes,
    NULL,            /* nothing before mod_init */
    mod_init,
    NULL,            /* no reply handler */
    host_end_core,
    child_init,
    accept_script
};
