/*
 * Runs the core's commands for this host's RPC and hands the answers on. Called by the RPC functions of every module.
 */
#ifndef SIPCAPTURE_KAMAILIO_REPLY_H
#define SIPCAPTURE_KAMAILIO_REPLY_H

#include "core/rpc.h"

/* Runs command `name` of the core, with the first argument of the call if it takes one, and answers the call. */
void reply_to_command(const char *name, int takes_argument, rpc_t *rpc, void *context);

#endif
