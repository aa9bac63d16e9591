/*
 * The host's sockets that a line of hlog() could leave from: those that the host would send to a collector from. The
 * writer sends, and it alone knows where a collector is, so that it is told of one socket for each transport and
 * family. Called by functions.c and module.c.
 */
#include "core/globals.h"
#include "core/ip_addr.h"

#include "siptrace.h"

/* UDP, TCP and TLS over both families. */
#define MOST 6

static const struct socket_info *own_socket = NULL;
static sc_endpoint sockets[MOST];

void sockets_name(const struct socket_info *socket)
{
    own_socket = socket;
}

/* Adds a socket to the `count` that are there already; answers how many are there then. */
static uint32_t add(uint32_t count, int proto, const struct socket_info *socket)
{
    if (socket == NULL) {
        return count;
    }
    sockets[count] = message_socket(socket);
    sockets[count].transport = proto;
    return count + 1;
}

/* A worker of UDP sends from its own socket, where the family allows it. */
static const struct socket_info *udp_socket(unsigned int family, const struct socket_info *other)
{
    return bind_address != NULL && bind_address->proto == PROTO_UDP && bind_address->address.af == family ? bind_address
                                                                                                          : other;
}

static uint32_t read_sockets(void)
{
    uint32_t count;

    if (own_socket != NULL) {
        return add(0, PROTO_NONE, own_socket); /* whatever the collector's transport is */
    }
    count = add(0, PROTO_UDP, udp_socket(AF_INET, sendipv4));
    count = add(count, PROTO_UDP, udp_socket(AF_INET6, sendipv6));
#ifdef USE_TCP
    count = add(count, PROTO_TCP, sendipv4_tcp);
    count = add(count, PROTO_TCP, sendipv6_tcp);
#endif
#ifdef USE_TLS
    count = add(count, PROTO_TLS, sendipv4_tls);
    count = add(count, PROTO_TLS, sendipv6_tls);
#endif
    return count;
}

void sockets_read(sc_trace *trace)
{
    static const struct socket_info *read_for = NULL;
    static uint32_t count = 0;

    if (count == 0 || read_for != bind_address) {
        read_for = bind_address;
        count = read_sockets();
    }
    trace->sockets = sockets;
    trace->socket_count = count;
}
