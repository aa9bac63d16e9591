/*
 * Processes of a module beside the host's own, the writers above all. Called by each module's own module.c.
 *
 *   processes_reserve        mod_init, after sc_core_check
 *   processes_hold_signals   child_init(PROC_MAIN): first; the mask before is set again when all are started
 *   processes_start_writers  child_init(PROC_MAIN)
 */
#ifndef SIPCAPTURE_KAMAILIO_PROCESSES_H
#define SIPCAPTURE_KAMAILIO_PROCESSES_H

#include <signal.h>
#include <stdint.h>

/* Tells the host of the writers and of `more` processes, which all follow its run-time settings; 0 when the core is not
 * checked. */
int processes_reserve(uint32_t more);

/* Holds what ends a process while processes are started: one that has not yet found out that it is not the main one
 * would take it for the main one's, forget it, and keep the server from ending. `before` gets the mask that each new
 * process has to set for itself; writers have their own. */
void processes_hold_signals(sigset_t *before);

/* Starts the writers that the core asks for; 0 when one cannot be started. */
int processes_start_writers(void);

#endif
