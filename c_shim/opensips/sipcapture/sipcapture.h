/*
 * The parts of the module sipcapture, each in its own file.
 */
#ifndef SIPCAPTURE_OPENSIPS_SIPCAPTURE_H
#define SIPCAPTURE_OPENSIPS_SIPCAPTURE_H

#include "async.h"
#include "parser/msg_parser.h"
#include "pvar.h"
#include "sr_module.h"

#include "../../core.h"

/* ---- hep.c ---- */

/* Has proto_hep show what comes in, and finds the route that looks at it first, as the parameters ask; 0 when that
 * cannot be done, which is logged. */
int hep_listen(const sc_capture_needs *needs);

/* Whether the route that looks at HEP packets is in the script that is to take the place of the one at hand, and is
 * the host's by now; 1 where there is none to look for. */
int hep_route_stays(void);

/* The message that a script captures: the one at hand, or that of the HEP packet that `msg` came in or stands for. */
sc_message hep_message(struct sip_msg *msg);

struct hep_context;

/* The packet that `msg` came in or stands for, as proto_hep has decoded it; NULL when there is none. */
struct hep_context *hep_packet(const struct sip_msg *msg);

/* Whether the route that looks at HEP packets is running. */
int hep_is_looked_at(void);

/* Has the payload of the packet routed once the route that looks at HEP packets ends, which the answer, 0, does; -1 in
 * any other route, and when it is said again. */
int hep_resume(const struct sip_msg *msg);

/* ---- chunks.c: each answers a script, 1 or -1. What a script has left out is NULL. ---- */

int chunk_set(struct sip_msg *msg, str *first, str *second, str *third, str *fourth);
int chunk_get(struct sip_msg *msg, str *first, str *second, pv_spec_t *third, pv_spec_t *fourth);
int chunk_delete(struct sip_msg *msg, str *name);

/* ---- relay.c ---- */

/* Queues the packet at hand for the next hop of `msg`; 1 or -1. */
int relay_packet(struct sip_msg *msg);

/* Looks up whether proto_hep inflates payloads. */
void relay_prepare(void);

/* ---- variables.c ---- */

/* The pseudo-variables as the host is told of them. */
extern const pv_export_t variables[];

/* What the core answers, as the host has it. */
pv_value_t variable_answer(const sc_variable_value *value);

/* ---- waits.c ---- */

/* Gives each lane a descriptor when the script suspends messages, before the lanes are mapped; 0 when that fails. With
 * a script that is loaded anew and is the first to do so messages go on without waiting. */
int wait_prepare(void);

/* Ends a function of async(): has the host suspend `msg` until what was queued last has left the queue. `answer` is
 * that of the function without async(), and what this one answers. The message goes on at once when it is -1, when
 * there is nothing to wait for, and where the host cannot suspend it. */
int wait_for_queued(const struct sip_msg *msg, async_ctx *context, int answer);

/* ---- raw.c ---- */

/* Reads raw sockets, and has workers route what comes; never returns. */
void raw_read(int number);

/* Adds to `message`, which this worker is routing, the time at which a raw socket had it; nothing of any other. */
void raw_describe(sc_message *message);

/* Ends the message of a raw socket at hand; `refused` is what the host's parser has refused, and nothing else. 0 when
 * there is none. */
int raw_end(sc_bytes refused);

/* ---- functions.c ---- */

extern const acmd_export_t async_functions[];

/* A text that the script has given, be it empty; nothing where it has given none. */
sc_bytes given(const str *text);

extern const cmd_export_t functions[];

#endif
