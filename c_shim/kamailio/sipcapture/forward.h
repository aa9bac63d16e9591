/*
 * Sends bytes as they are to a SIP URI, for sip_capture_forward(). A process that handles SIP never waits for a resolver: hosts that are
 * addresses are sent to at once; names are looked up by a process of our own, by the host's rules (NAPTR, SRV, A, AAAA) and through its
 * cache, and sent to once an address is known.
 *
 *   forward_reserve   mod_init
 *   forward_expect    fixups: what the script will send to
 *   forward_start     child_init(PROC_MAIN)
 *   forward_send      any process, at any time
 */
#ifndef SIPCAPTURE_KAMAILIO_FORWARD_H
#define SIPCAPTURE_KAMAILIO_FORWARD_H

#include <signal.h>

#include "core/str.h"

/* Makes room for a process and the names that it will know; 0 when there is no memory. */
int forward_reserve(void);

/* Notes a URI, or NULL for one that only the traffic will tell. */
void forward_expect(const str *uri);

/* Starts the process that looks names up, if there will be any, with the signal mask `signals`; 0 when that cannot be done. */
int forward_start(const sigset_t *signals);

/* Sends `len` bytes. 1, or -1 when the URI is bad, its name not known (yet), or no socket fits; else the negative result of the send. */
int forward_send(const str *uri, const char *bytes, unsigned int len);

#endif
