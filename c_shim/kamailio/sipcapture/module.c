/*
 * Kamailio's sipcapture.so: what is its own among all that modules of this host have, and the processes that read raw
 * sockets. Rules, defaults and texts live in the core (src/module). Called by the host alone.
 */
#include <unistd.h>

#include "core/cfg/cfg_struct.h"
#include "core/dprint.h"
#include "core/pt.h"
#include "core/sr_module.h"

#include "../commands.h"
#include "../exporter.h"
#include "../forward.h"
#include "../host.h"
#include "../life.h"
#include "../processes.h"
#include "sipcapture.h"

MODULE_VERSION

/* The group of statistics. */
#define GROUP "sipcapture"

/* ---- what this module has of its own ---- */

const char core_module[] = "kamailio/sipcapture";

/* The core cannot use it, for it names a function of the host's script. */
static str event_callback;

const param_export_t own_parameters[] = {
    { "event_callback", PARAM_STR, &event_callback },
    { 0, 0, 0 }
};

/* ---- raw sockets ---- */

static uint32_t raw_readers = 0;

static void read_raw(void)
{
    receive_info_t nowhere = { 0 };
    sc_hep_packet packet;

    for (;;) {
        if (sc_raw_receive(core, &packet) != SC_OK) {
            sleep(1); /* logged; the server would end with this process */
            continue;
        }
        cfg_update();
        hep_route(&packet, &nowhere);
    }
}

static int start_raw_readers(const sigset_t *signals)
{
    for (uint32_t i = 0; i < raw_readers; i++) {
        int parent = getpid();
        int pid = fork_process(PROC_UNIXSOCK, "homer raw socket", 1);
        if (pid < 0 && getpid() != parent) { /* a module does not start in the new process: the server sees it end */
            _exit(1);
        }
        if (pid < 0) {
            LM_ERR("a process that reads the raw sockets cannot be started\n");
            return 0;
        }
        if (pid == 0) {
            if (cfg_child_init() != 0) {
                _exit(1);
            }
            sigprocmask(SIG_SETMASK, signals, NULL);
            read_raw();
        }
    }
    return 1;
}

/* ---- life ---- */

static int mod_init(void)
{
    sc_capture_needs needs;

    if (!life_start_core() || sc_core_check(core) != SC_OK || sc_raw_open(core, &raw_readers) != SC_OK
            || sc_capture_setup(core, &needs) != SC_OK || !functions_bind_topoh(needs.unmasks)) {
        return -1;
    }
    if (!commands_register(core_module) || !host_register_counters(GROUP)) {
        return -1;
    }
    if (!hep_listen(needs.asks_script, &event_callback) || !functions_prepare_forward()
            || !processes_reserve(raw_readers)) {
        return -1;
    }
    return 0;
}

static int start_more(const sigset_t *signals)
{
    return start_raw_readers(signals) && forward_start(signals);
}

static int attach_more(int rank)
{
    exporter_name_counters(rank, GROUP);
    return hep_attach();
}

static int child_init(int rank)
{
    static const process_steps steps = { start_more, attach_more };
    return life_child_init(rank, &steps);
}

struct module_exports exports = {
    "sipcapture",      /* name */
    DEFAULT_DLFLAGS,   /* how it is loaded */
    functions,
    parameters,
    0,                 /* commands are registered at start */
    hep_variables,
    0,                 /* no reply handler */
    mod_init,
    child_init,
    host_end_core
};
