/*
 * The parameters that a host hands on to the core. The core lists them; a shim names each to its host with the function
 * that keeps its value while the configuration is read, before there is a core, and hands on what was kept. Called by a
 * host's own parameters.c and module.c.
 *
 *   parameters_read      before the host looks at what the module exports
 *   parameters_at        likewise, to fill the host's own list
 *   parameters_hand_on   between sc_core_new and sc_core_check
 */
#ifndef SIPCAPTURE_SHARED_PARAMETERS_H
#define SIPCAPTURE_SHARED_PARAMETERS_H

#include "../core.h"

/* A parameter as hosts of the SER family are told of it: they call `keep` with a type that does not matter here, and
 * with a terminated text, or with a number in place of the pointer. It answers 0, or -1 when there is no memory. */
typedef struct listed_parameter {
    const char *name;
    sc_parameter_kind kind;
    int (*keep)(unsigned int type, void *value);
} listed_parameter;

/* Reads the list of `module`, as sc_core_new knows it; 0 when there is no such module. */
int parameters_read(const char *module);

/* Parameter number `index`, from 0; NULL behind the last one. */
const listed_parameter *parameters_at(uint32_t index);

/* The number that the configuration sets parameter `name` to, or `unset`. */
int parameters_number(const char *name, int unset);

/* Hands all that is set on to `core`, in the order of the list; 0 when it refuses a value, which it has logged then. */
int parameters_hand_on(sc_core *core);

#endif
