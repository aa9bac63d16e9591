/*
 * Pseudo-variables whose names and values the core knows, as this host has them. Called by the pseudo-variables of
 * every module.
 */
#ifndef SIPCAPTURE_KAMAILIO_VARIABLE_H
#define SIPCAPTURE_KAMAILIO_VARIABLE_H

#include "core/pvar.h"

#include "../core.h"

/* The core's functions for the names of one variable: sc_hep_variable and sc_hep_variable_names, or the like. */
typedef sc_status (*variable_finder)(sc_bytes name, uint32_t *variable);
typedef sc_status (*variable_names)(const char **names);

/* Parses the `name` of $variable(name) into `spec`; -1, and a line in the log, when the variable has no such field,
 * else 0. */
int variable_parse(pv_spec_p spec, const str *name, const char *variable, variable_finder find, variable_names all);

/* The number that variable_parse found. */
uint32_t variable_number(const pv_param_t *param);

/* Answers the script with `answer`. */
int variable_answer(sip_msg_t *msg, pv_param_t *param, pv_value_t *value, const sc_variable_value *answer);

#endif
