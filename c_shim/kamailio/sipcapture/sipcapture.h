/*
 * What the files of sipcapture.so have of each other; no other module includes it.
 */
#ifndef SIPCAPTURE_KAMAILIO_SIPCAPTURE_H
#define SIPCAPTURE_KAMAILIO_SIPCAPTURE_H

#include "core/kemi.h"
#include "core/pvar.h"
#include "core/receive.h"
#include "core/sr_module.h"

#include "../../core.h"

/* ---- functions.c ---- */

extern cmd_export_t functions[];
extern sr_kemi_t kemi_functions[];

/* Finds topoh, if Call-IDs are to be unmasked; 0 when it is not there. In mod_init. */
int functions_bind_topoh(int unmask);

/* Makes ready for sip_capture_forward(); 0 when there is no memory. In mod_init. */
int functions_prepare_forward(void);

/* ---- hep.c ---- */

extern pv_export_t hep_variables[];

/* Has the host show what comes in, with `asks_script` also what is no SIP, for the script's event route or the KEMI
 * function `callback`; 0 when that cannot be. In mod_init. */
int hep_listen(int asks_script, const str *callback);

/* Makes this process ready for hep_route; 0 when there is no memory. */
int hep_attach(void);

/* Routes the message inside a HEP packet, which `real` brought, as if it had come from its own addresses. */
void hep_route(const sc_hep_packet *packet, const receive_info_t *real);

#endif
