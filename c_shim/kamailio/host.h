/*
 * The module's core: made with what this host lends it, counted by this host, and ended with the server. Called by each
 * module's own files from mod_init to destroy; the other shared files work with the same handle.
 */
#ifndef SIPCAPTURE_KAMAILIO_HOST_H
#define SIPCAPTURE_KAMAILIO_HOST_H

#include "../core.h"

/* The handle; NULL before host_make_core and after host_end_core. */
extern sc_core *core;

/* Makes the core of `module` (as sc_core_new knows it); 0 when it cannot be made. */
int host_make_core(const char *module);

/* Registers every counter that the core has by now under `group`; 0 when the host refuses one. */
int host_register_counters(const char *group);

/* Stores what is left in the lanes and frees the core. */
void host_end_core(void);

#endif
