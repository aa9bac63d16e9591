/*
 * Commands and their answers over this host's management interface (MI). Called by a module's module.c.
 */
#ifndef SIPCAPTURE_OPENSIPS_COMMANDS_H
#define SIPCAPTURE_OPENSIPS_COMMANDS_H

#include "mi/mi.h"

#include "../core.h"

/* The commands as the host is told of them; the last one has no name. */
extern mi_export_t commands[SC_COMMANDS + 1];

/* Names what the core has for `module` (as sc_core_new knows it), before the host looks at the list. */
void commands_list(const char *module);

#endif
