/* Relaying: hep_relay() hands the packet at hand on, written anew from what proto_hep has decoded. */
#include "sr_module.h"

#include "../convert.h"
#include "../host.h"
#include "packet.h"
#include "sipcapture.h"

/* Whether proto_hep inflates payloads, which keep the type of compressed ones. */
static int is_inflated = 0;

void relay_prepare(void)
{
    const int *compressed = find_param_export("proto_hep", "compressed_payload", INT_PARAM);

    is_inflated = compressed != NULL && *compressed != 0;
}

static int write_chunks(const struct hep_context *packet)
{
    const generic_chunk_t *chunk = packet->h.version == 3 ? packet->h.u.hepv3.chunk_list : NULL;

    for (; chunk != NULL; chunk = chunk->next) {
        sc_bytes body = packet_body(&chunk->chunk, chunk->data);
        if (sc_packet_add(core, chunk->chunk.vendor_id, chunk->chunk.type_id, body) != SC_OK) {
            return 0;
        }
    }
    return 1;
}

/* Whether `payload` begins as zlib's streams do, or gzip's: that proto_hep could not inflate it, since a message begins
 * otherwise. */
static int is_deflated(sc_bytes payload)
{
    const unsigned char *bytes = (const unsigned char *)payload.ptr;

    return payload.len > 2
        && ((bytes[0] == 0x1f && bytes[1] == 0x8b) || ((bytes[0] & 15) == 8 && (bytes[0] * 256 + bytes[1]) % 31 == 0));
}

static int is_compressed(const struct hep_context *packet, sc_bytes payload)
{
    return packet->h.version == 3 && packet->h.u.hepv3.payload_chunk.chunk.type_id == HEP_COMPRESSED_PAYLOAD
        && (!is_inflated || is_deflated(payload));
}

/* Where the script sends `msg`. A reply has no request URI. */
static sc_bytes next_hop(struct sip_msg *msg)
{
    return to_bytes(msg->first_line.type == SIP_REQUEST ? GET_NEXT_HOP(msg) : &msg->dst_uri);
}

int relay_packet(struct sip_msg *msg)
{
    const struct hep_context *packet = hep_packet(msg);
    sc_message message = { 0 };
    sc_hep_head head = { 0 };
    sc_bytes whole;

    if (packet == NULL) {
        return -1;
    }
    packet_describe(&message, packet);
    head = (sc_hep_head){ .version = packet->h.version, .ip_protocol = message.metadata.ip_protocol,
        .payload_type = message.metadata.payload_type, .source = message.source,
        .destination = message.destination, .time_us = message.metadata.time_us, .agent = message.metadata.agent };
    if (sc_packet_begin(core, &head) != SC_OK || !write_chunks(packet)
            || sc_packet_finish(core, message.payload, is_compressed(packet, message.payload), &whole) != SC_OK) {
        return -1;
    }
    return sc_hep_relay(core, next_hop(msg), whole) == SC_OK ? 1 : -1;
}
