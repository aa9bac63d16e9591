/*
 * What every module of Kamailio does alike from its loading to the start of its processes. A module's own module.c
 * defines what it is to the host, and says what it does beyond.
 *
 *   mod_register       the host calls it before all else: it fills in `parameters` and names the KEMI functions
 *   life_start_core    first in mod_init: the core, with what the configuration sets
 *   life_child_init    in child_init
 */
#ifndef SIPCAPTURE_KAMAILIO_LIFE_H
#define SIPCAPTURE_KAMAILIO_LIFE_H

#include <signal.h>

#include "core/kemi.h"
#include "core/sr_module.h"

/* ---- what each module has of its own ---- */

/* The module as sc_core_new knows it, and its parameters that are the host's own affairs; a null ends them. */
extern const char core_module[];
extern const param_export_t own_parameters[];
extern sr_kemi_t kemi_functions[];

/* Most of those parameters. */
#define OWN_PARAMETERS 32

/* ---- what it gets ---- */

/* Every parameter, for the host. */
extern param_export_t parameters[];

/* Makes the core and hands on what is set; 0 when it refuses a value, which is logged then. */
int life_start_core(void);

/* What a module's processes do beyond attaching to a lane; each may be NULL, and answers 0 when the server cannot go
 * on. */
typedef struct process_steps {
    int (*start)(const sigset_t
            *signals); /* in the main process, behind the writers: starts others, which set this mask for themselves */
    int (*attach)(int rank); /* in each worker, before it attaches */
} process_steps;

/* child_init for the process `rank`. */
int life_child_init(int rank, const process_steps *steps);

#endif
