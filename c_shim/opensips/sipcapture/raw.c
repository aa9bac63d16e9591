/*
 * Messages from raw sockets: read by processes of their own, which hand each to a SIP worker, so that routes run there.
 */
#include <string.h>
#include <unistd.h>

#include "dprint.h"
#include "ipc.h"
#include "mem/shm_mem.h"
#include "receive.h"

#include "../convert.h"
#include "../host.h"
#include "sipcapture.h"

/* A message on its way to a worker, in shared memory. */
typedef struct raw_message {
    sc_address source;
    sc_address destination;
    int64_t time_us;
    unsigned int length;
    char bytes[];
} raw_message;

/* The one that this worker is routing; NULL between messages. */
static const raw_message *at_hand = NULL;

static const sc_bytes nothing = { NULL, 0 };

static void from_address(const sc_address *address, struct ip_addr *ip)
{
    memset(ip, 0, sizeof(*ip));
    ip->af = address->length == 4 ? AF_INET : AF_INET6;
    ip->len = address->length;
    memcpy(ip->u.addr, address->ip, address->length);
}

/* Runs in a worker. */
static void route_message(int sender, void *handed)
{
    raw_message *message = handed;
    struct receive_info info;

    (void)sender;
    memset(&info, 0, sizeof(info));
    info.proto = PROTO_UDP;
    from_address(&message->source, &info.src_ip);
    from_address(&message->destination, &info.dst_ip);
    info.src_port = message->source.port;
    info.dst_port = message->destination.port;
    init_su(&info.src_su, &info.src_ip, info.src_port);
    at_hand = message;
    receive_msg(message->bytes, message->length, &info, NULL, 0);
    at_hand = NULL;
    shm_free(message);
}

/* Hands the packet to a worker; 0 when no worker can take it. */
static int hand_over(const sc_hep_packet *packet)
{
    raw_message *message = shm_malloc(sizeof(*message) + packet->payload.len + 1);

    if (message == NULL) {
        return 0;
    }
    message->source = packet->source;
    message->destination = packet->destination;
    message->time_us = packet->time_us;
    message->length = packet->payload.len;
    memcpy(message->bytes, packet->payload.ptr, packet->payload.len);
    message->bytes[packet->payload.len] = 0;
    if (ipc_dispatch_rpc(route_message, message) < 0) {
        shm_free(message);
        return 0;
    }
    return 1;
}

void raw_read(int number)
{
    sc_hep_packet packet;

    (void)number;
    for (;;) {
        if (sc_raw_receive(core, &packet) != SC_OK) {
            sleep(1); /* logged; the server would end with this process */
            continue;
        }
        /* What no worker takes is captured here, without a route. */
        sc_hep_end(core, hand_over(&packet) ? nothing : packet.payload);
    }
}

void raw_describe(sc_message *message)
{
    if (at_hand != NULL) {
        message->metadata.given |= SC_GIVEN_TIME;
        message->metadata.time_us = at_hand->time_us;
    }
}

int raw_capture_refused(void)
{
    sc_message message = { 0 };

    if (at_hand == NULL) {
        return 0;
    }
    message.source = at_hand->source;
    message.destination = at_hand->destination;
    message.transport = to_transport(PROTO_UDP);
    message.payload = (sc_bytes){ at_hand->bytes, at_hand->length };
    raw_describe(&message);
    sc_capture_sip(core, &message, nothing, 0);
    return 1;
}
