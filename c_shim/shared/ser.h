/*
 * What hosts of the SER family have alike: their log, addresses and texts as the core's contract has them. Included by
 * a host's own headers, behind its dprint.h, ip_addr.h and str.h.
 */
#ifndef SIPCAPTURE_SHARED_SER_H
#define SIPCAPTURE_SHARED_SER_H

#include <string.h>

#include "../core.h"

/* Writes a line to the host's log. */
static inline void ser_log(sc_log_level level, const char *text, size_t len)
{
    switch (level) {
        case SC_LOG_ERROR:
            LM_ERR("%.*s\n", (int)len, text);
            break;
        case SC_LOG_WARNING:
            LM_WARN("%.*s\n", (int)len, text);
            break;
        case SC_LOG_INFO:
            LM_INFO("%.*s\n", (int)len, text);
            break;
        default:
            LM_DBG("%.*s\n", (int)len, text);
            break;
    }
}

/* An address and a port; those of an address of no known family have the length 0. */
static inline sc_address to_address(const struct ip_addr *ip, unsigned short port)
{
    sc_address address = { 0 };
    address.length = ip->len <= sizeof(address.ip) ? ip->len : 0;
    memcpy(address.ip, ip->u.addr, address.length);
    address.port = port;
    return address;
}

/* The bytes of `text`; none when it is NULL or empty. */
static inline sc_bytes to_bytes(const str *text)
{
    sc_bytes bytes = { NULL, 0 };
    if (text != NULL && text->s != NULL && text->len > 0) {
        bytes.ptr = text->s;
        bytes.len = text->len;
    }
    return bytes;
}

#endif
