/*
 * The host's sockets as lines of hlog() tell them: whence the host would send to a collector. The writer sends, and it alone knows where a
 * collector is, so that it is told of one for each transport and family. Called by functions.c and module.c.
 */
#include <stdio.h>

#include "core/globals.h"
#include "core/ip_addr.h"

#include "siptrace.h"

/* UDP, TCP and TLS over both families. */
#define MOST 6

static const struct socket_info *own_socket = NULL;
static char texts[MOST * ADDRESS_SIZE];

void sockets_name(const struct socket_info *socket)
{
    own_socket = socket;
}

/* Adds `proto:ip:port` behind the `len` bytes that are there already; answers how many are there then. */
static int add(int len, const char *proto, const struct socket_info *socket)
{
    struct ip_addr ip;

    if (socket == NULL) {
        return len;
    }
    ip = socket->address;
    return len + snprintf(texts + len, ADDRESS_SIZE, "%s%s:%s:%u", len > 0 ? " " : "", proto, ip_addr2a(&ip), (unsigned)socket->port_no);
}

/* A worker of UDP sends from its own socket, where the family allows it. */
static const struct socket_info *udp_socket(unsigned int family, const struct socket_info *other)
{
    return bind_address != NULL && bind_address->proto == PROTO_UDP && bind_address->address.af == family ? bind_address : other;
}

sc_bytes sockets_told(void)
{
    static const struct socket_info *told_for = NULL;
    static int len = 0;

    if (len > 0 && told_for == bind_address) {
        return (sc_bytes){ texts, len };
    }
    told_for = bind_address;
    if (own_socket != NULL) {
        len = add(0, "any", own_socket);
        return (sc_bytes){ texts, len };
    }
    len = add(0, "udp", udp_socket(AF_INET, sendipv4));
    len = add(len, "udp", udp_socket(AF_INET6, sendipv6));
#ifdef USE_TCP
    len = add(len, "tcp", sendipv4_tcp);
    len = add(len, "tcp", sendipv6_tcp);
#endif
#ifdef USE_TLS
    len = add(len, "tls", sendipv4_tls);
    len = add(len, "tls", sendipv6_tls);
#endif
    return (sc_bytes){ texts, len };
}
