/*
 * Sends bytes as they are to a SIP URI, for sip_capture_forward() and the plain copies of siptrace: what the core
 * (sc_forward_*) has the host do. A process that handles SIP never waits for a resolver: names are looked up by a
 * process of our own, by the host's rules (NAPTR, SRV, A, AAAA) and through its cache.
 *
 *   forward_reserve   mod_init, after sc_core_check and before the others
 *   forward_expect    fixups
 *   forward_start     child_init(PROC_MAIN)
 *   forward_send      any process, at any time
 */
#ifndef SIPCAPTURE_KAMAILIO_FORWARD_H
#define SIPCAPTURE_KAMAILIO_FORWARD_H

#include <signal.h>

#include "core/ip_addr.h"

#include "../core.h"

/* Sends to the address and transport of `to`, and chooses the socket; a negative number when that fails. */
typedef int (*forward_sender)(dest_info_t *to, const char *bytes, unsigned int len);

/* Makes room for a process and the names that it will know, for what is sent by `sender`; 0 when there is no memory. */
int forward_reserve(forward_sender sender);

/* Notes the parameter of a script function, terminated: a URI, or one that variables in it will tell. */
void forward_expect(const char *text);

/* Starts the process that looks names up, if there will be any, with the signal mask `signals`; 0 when that cannot be
 * done. */
int forward_start(const sigset_t *signals);

/* Sends `bytes`. 1 when they are sent, or held until the name of `uri` is looked up; -1 when the URI is bad or its name
 * not known (yet), or else the negative result of the send. */
int forward_send(sc_bytes uri, sc_bytes bytes);

#endif
