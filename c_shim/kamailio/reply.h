/*
 * Hands the core's answers to commands on to this host's RPC.
 */
#ifndef SIPCAPTURE_KAMAILIO_REPLY_H
#define SIPCAPTURE_KAMAILIO_REPLY_H

#include "core/rpc.h"

#include "../core.h"

#define REPLY_DEPTH 8

/* One answer on its way; the structs that it has opened. */
typedef struct rpc_reply {
    rpc_t *rpc;
    void *context;
    void *group[REPLY_DEPTH];
    int depth;
} rpc_reply;

/* Begins an answer; what is returned refers to `to`. */
sc_reply reply_begin(rpc_reply *to, rpc_t *rpc, void *context);

#endif
