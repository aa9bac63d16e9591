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

/* A message as the core is told of it. */
static sc_message message_of(const sc_address *source, const sc_address *destination, int64_t time_us, sc_bytes bytes)
{
    sc_message message = { .source = *source, .destination = *destination, .payload = bytes };

    message.transport = to_transport(PROTO_UDP);
    message.metadata.given = SC_GIVEN_HEP_VERSION | SC_GIVEN_TIME; /* version 0: none */
    message.metadata.time_us = time_us;
    return message;
}

static sc_message described(const raw_message *raw)
{
    return message_of(&raw->source, &raw->destination, raw->time_us, (sc_bytes){ raw->bytes, raw->length });
}

/* Runs in a worker. */
static void route_message(int sender, void *handed)
{
    raw_message *raw = handed;
    sc_hep_decoded decoded = { .message = described(raw), .sender = raw->source };
    sc_hep_verdict verdict = SC_HEP_DONE;
    struct receive_info info;

    (void)sender;
    memset(&info, 0, sizeof(info));
    info.proto = PROTO_UDP;
    from_address(&raw->source, &info.src_ip);
    from_address(&raw->destination, &info.dst_ip);
    info.src_port = raw->source.port;
    info.dst_port = raw->destination.port;
    init_su(&info.src_su, &info.src_ip, info.src_port);
    if (sc_hep_take(core, &decoded, &verdict) == SC_OK && verdict == SC_HEP_ROUTE) {
        at_hand = raw;
        receive_msg(raw->bytes, raw->length, &info, NULL, 0);
        raw_end(nothing);
    }
    shm_free(raw);
}

/* Hands the packet to a worker; 0 when none takes it. */
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
    sc_message unrouted;

    (void)number;
    for (;;) {
        if (sc_raw_receive(core, &packet) != SC_OK) {
            sleep(1); /* logged; the server would end with this process */
            continue;
        }
        if (!hand_over(&packet)) { /* it is captured all the same */
            unrouted = message_of(&packet.source, &packet.destination, packet.time_us, packet.payload);
            sc_capture_sip(core, &unrouted, nothing, 0);
        }
        sc_hep_end(core, nothing);
    }
}

void raw_describe(sc_message *message)
{
    if (at_hand != NULL) {
        message->metadata = described(at_hand).metadata;
    }
}

int raw_end(sc_bytes refused)
{
    if (at_hand == NULL) {
        return 0;
    }
    at_hand = NULL;
    sc_hep_end(core, refused);
    return 1;
}
