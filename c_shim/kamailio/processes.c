/* How a module's processes are started: see processes.h. */
#include <unistd.h>

#include "core/cfg/cfg_struct.h"
#include "core/dprint.h"
#include "core/pt.h"
#include "core/sr_module.h"

#include "host.h"
#include "processes.h"

int processes_reserve(uint32_t more)
{
    uint32_t writers = 0;

    if (sc_core_writers(core, &writers) != SC_OK) {
        return 0;
    }
    register_procs(writers + more);
    cfg_register_child(writers + more);
    return 1;
}

void processes_hold_signals(sigset_t *before)
{
    sigset_t ending;

    sigemptyset(&ending);
    sigaddset(&ending, SIGTERM);
    sigaddset(&ending, SIGINT);
    sigprocmask(SIG_BLOCK, &ending, before);
}

int processes_start_writers(void)
{
    char description[] = MOD_NAME " writer";
    uint32_t writers = 0;

    if (sc_core_writers(core, &writers) != SC_OK) {
        return 0;
    }
    for (uint32_t i = 0; i < writers; i++) {
        int pid = fork_process(PROC_NOCHLDINIT, description, 0);
        if (pid < 0) {
            LM_ERR("a writer process cannot be started\n");
            return 0;
        }
        if (pid == 0) {
            if (cfg_child_init() == 0) {
                sc_writer_supervise(core, i);
            }
            _exit(0);
        }
    }
    return 1;
}
