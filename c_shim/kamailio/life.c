/* From loading to the start of processes: see life.h. */
#include "core/dprint.h"
#include "core/pt.h"

#include "../shared/parameters.h"
#include "host.h"
#include "life.h"
#include "processes.h"

param_export_t parameters[SC_PARAMETERS + OWN_PARAMETERS + 1];

/* Names what the core lists, and behind it what is the host's own. */
static int fill_parameters(void)
{
    param_export_t *next = parameters;
    const listed_parameter *listed;

    if (!parameters_read(core_module)) {
        return 0;
    }
    for (uint32_t i = 0; (listed = parameters_at(i)) != NULL; i++) {
        next->name = (char *)listed->name;
        next->type = (listed->kind == SC_PARAMETER_NUMBER ? PARAM_INT : PARAM_STRING) | PARAM_USE_FUNC;
        next->param_pointer = listed->keep;
        next++;
    }
    for (int i = 0; own_parameters[i].name != NULL; i++) {
        if (i == OWN_PARAMETERS) {
            return 0;
        }
        *next++ = own_parameters[i];
    }
    return 1;
}

int mod_register(char *path, int *flags, void *unused1, void *unused2)
{
    (void)path;
    (void)flags;
    (void)unused1;
    (void)unused2;
    if (!fill_parameters()) {
        LM_ERR("module and core do not belong together\n");
        return -1;
    }
    sr_kemi_modules_add(kemi_functions);
    return 0;
}

int life_start_core(void)
{
    return host_make_core(core_module) && parameters_hand_on(core);
}

static int start_processes(const process_steps *steps)
{
    sigset_t before;
    int started;

    processes_hold_signals(&before);
    started = processes_start_writers() && (steps->start == NULL || steps->start(&before));
    sigprocmask(SIG_SETMASK, &before, NULL);
    return started;
}

static int attach(int rank, const process_steps *steps)
{
    return (steps->attach == NULL || steps->attach(rank)) && sc_core_attach(core, process_no) == SC_OK;
}

int life_child_init(int rank, const process_steps *steps)
{
    switch (rank) {
        case PROC_INIT:
            return sc_core_map_lanes(core, get_max_procs()) == SC_OK ? 0 : -1;
        case PROC_MAIN:
            return start_processes(steps) ? 0 : -1;
        case PROC_TCP_MAIN:
            return 0;
        default:
            return attach(rank, steps) ? 0 : -1;
    }
}
