/*
 * Sends bytes as they are to a SIP URI, for sip_capture_forward() and the plain copies of siptrace. A process that handles SIP never waits
 * for a resolver: hosts that are addresses are sent to at once; names are looked up by a process of our own, by the host's rules (NAPTR, SRV,
 * A, AAAA) and through its cache, and sent to once an address is known.
 *
 *   forward_reserve   mod_init; without it no name is ever known
 *   forward_expect    fixups: what the script will send to
 *   forward_start     child_init(PROC_MAIN)
 *   forward_find      any process, at any time
 *   forward_send      the same
 */
#ifndef SIPCAPTURE_KAMAILIO_FORWARD_H
#define SIPCAPTURE_KAMAILIO_FORWARD_H

#include <signal.h>

#include "core/ip_addr.h"
#include "core/str.h"

/* Makes room for a process and the names that it will know; 0 when there is no memory. */
int forward_reserve(void);

/* Notes a URI, or NULL for one that only the traffic will tell. */
void forward_expect(const str *uri);

/* Starts the process that looks names up, if there will be any, with the signal mask `signals`; 0 when that cannot be done. */
int forward_start(const sigset_t *signals);

/* Fills in address and transport of a URI, and nothing else; 0, and a line in the log at a limited rate, when the URI is bad or its name not
 * known (yet). */
int forward_find(const str *uri, dest_info_t *to);

/* Writes a line at a limited rate: nothing went out to this URI. */
void forward_failed(const str *uri);

/* Sends `len` bytes. 1, or -1 when the URI is bad, its name not known (yet), or no socket fits; else the negative result of the send. */
int forward_send(const str *uri, const char *bytes, unsigned int len);

#endif
