/*
 * The module's core: made with what this host lends it, counted by this host, and ended with the server. Called by each
 * module's own files.
 */
#ifndef SIPCAPTURE_OPENSIPS_HOST_H
#define SIPCAPTURE_OPENSIPS_HOST_H

#include "../core.h"

/* The one core of this module; NULL before host_make_core and after host_end_core. */
extern sc_core *core;

/* Makes it for `module` (as sc_core_new knows it); 0 when module and core do not belong together. */
int host_make_core(const char *module);

/* Shows its counters as statistics of `group`; 0 when the host refuses. */
int host_register_counters(char *group);

/* Stores what the writers have left, and frees it. */
void host_end_core(void);

#endif
