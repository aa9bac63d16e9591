/*
 * Sends bytes as they are to a SIP URI, for sip_capture_forward() and the plain copies of siptrace. A process that handles SIP never waits
 * for a resolver: hosts that are addresses are sent to at once; names are looked up by a process of our own, by the host's rules (NAPTR, SRV,
 * A, AAAA) and through its cache, and sent to once an address is known.
 *
 *   forward_reserve   mod_init, before the others; without it no name is ever known
 *   forward_expect    fixups: what the script will send to
 *   forward_start     child_init(PROC_MAIN)
 *   forward_find      any process, at any time
 *   forward_hold      the same
 *   forward_send      the same
 *   forward_end       the module's end, in the server's main process
 *
 * A sips URI is for TLS, whatever else it says; one that asks for something else is a bad one.
 */
#ifndef SIPCAPTURE_KAMAILIO_FORWARD_H
#define SIPCAPTURE_KAMAILIO_FORWARD_H

#include <signal.h>

#include "core/ip_addr.h"
#include "core/str.h"

/* How a module has names looked up. */
typedef enum forward_names {
    FORWARD_BY_SERVICE, /* by NAPTR and SRV where the URI has no port */
    FORWARD_BY_ADDRESS  /* by A and AAAA alone; the port is 5060, that of a sips URI 5061, and the transport UDP, where the URI is silent */
} forward_names;

/* Sends what was held, in the process that looks names up. */
typedef void (*forward_late)(const str *uri, const char *bytes, unsigned int len);

/* Makes room for a process and the names that it will know; 0 when there is no memory. Without `late` nothing is held. */
int forward_reserve(forward_names names, forward_late late);

/* Notes a URI, or NULL for one that only the traffic will tell. */
void forward_expect(const str *uri);

/* Starts the process that looks names up, if there will be any, with the signal mask `signals`; 0 when that cannot be done. */
int forward_start(const sigset_t *signals);

/* What is known of a URI. */
typedef enum forward_found {
    FORWARD_BAD = 0,    /* it is none */
    FORWARD_KNOWN = 1,  /* its address */
    FORWARD_UNKNOWN,    /* its name was looked up, and not found */
    FORWARD_AWAITED     /* its name is about to be looked up for the first time */
} forward_found;

/* Fills in address and transport of a URI, and nothing else, when they are known. */
forward_found forward_find(const str *uri, dest_info_t *to);

/* Keeps bytes for a name that is awaited: they are sent once it is looked up, found or not. 0 when there is no room. */
int forward_hold(const str *uri, const char *bytes, unsigned int len);

/* Writes a line at a limited rate: nothing went out to this URI, of which so much is known. */
void forward_failed(const str *uri, forward_found found);

/* Sends `len` bytes. 1, or -1 when the URI is bad, its name not known (yet), or no socket fits; else the negative result of the send. */
int forward_send(const str *uri, const char *bytes, unsigned int len);

/* Tells of what is still held, and now lost. */
void forward_end(void);

#endif
