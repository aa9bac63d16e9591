/*
 * The parts of the module sipcapture, each in its own file.
 */
#ifndef SIPCAPTURE_OPENSIPS_SIPCAPTURE_H
#define SIPCAPTURE_OPENSIPS_SIPCAPTURE_H

#include "parser/msg_parser.h"
#include "sr_module.h"

#include "../../core.h"

/* ---- hep.c ---- */

/* Has proto_hep show what comes in, and finds the route that looks at it first, as the parameters ask; 0 when that
 * cannot be done, which is logged. */
int hep_listen(const sc_capture_needs *needs);

/* Whether the route that looks at HEP packets is in the script that is to take the place of the one at hand; 1 where
 * there is none to look for. */
int hep_route_stays(void);

/* The message that a script captures: the one at hand, or that of the HEP packet that `msg` came in or stands for. */
sc_message hep_message(struct sip_msg *msg);

/* ---- functions.c ---- */

extern const cmd_export_t functions[];

#endif
