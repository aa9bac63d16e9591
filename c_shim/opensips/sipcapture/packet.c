/* What proto_hep has decoded: see packet.h. */
#include <string.h>

#include "../convert.h"
#include "packet.h"

static uint16_t correlation_chunk;

static sc_address address_of(int family, const void *bytes, uint16_t port)
{
    sc_address address = { .port = port };

    address.length = family == AF_INET ? 4 : family == AF_INET6 ? 16 : 0;
    memcpy(address.ip, bytes, address.length);
    return address;
}

static void add_header(sc_message *message, const struct hepv12 *packet, int version)
{
    const struct hep_hdr *header = &packet->hdr;
    const struct hep_iphdr *ip4 = &packet->addr.hep_ipheader;
    const struct hep_ip6hdr *ip6 = &packet->addr.hep_ip6header;
    sc_metadata *given = &message->metadata;

    if (header->hp_f == AF_INET) {
        message->source = address_of(AF_INET, &ip4->hp_src, header->hp_sport);
        message->destination = address_of(AF_INET, &ip4->hp_dst, header->hp_dport);
    } else {
        message->source = address_of(header->hp_f, &ip6->hp6_src, header->hp_sport);
        message->destination = address_of(header->hp_f, &ip6->hp6_dst, header->hp_dport);
    }
    given->given |= SC_GIVEN_IP_PROTOCOL;
    given->ip_protocol = header->hp_p;
    if (version == 2) {
        given->given |= SC_GIVEN_TIME | SC_GIVEN_AGENT;
        given->time_us = (int64_t)packet->hep_time.tv_sec * 1000000 + packet->hep_time.tv_usec;
        given->agent = packet->hep_time.captid;
    }
}

/* IP protocol number of a transport of the host: proto_hep has put that in the number's place. */
static uint8_t ip_protocol_of(uint8_t proto)
{
    switch (proto) {
        case PROTO_UDP:
            return IPPROTO_UDP;
        case PROTO_TCP:
            return IPPROTO_TCP;
        case PROTO_TLS:
            return 22;
        case PROTO_SCTP:
            return 132;
        case PROTO_WS:
        case PROTO_WSS:
            return 50;
        default:
            return 0;
    }
}

sc_bytes packet_body(const hep_chunk_t *chunk, const void *data)
{
    sc_bytes body = { NULL, 0 };

    if (data != NULL && chunk->length >= sizeof(*chunk)) {
        body = (sc_bytes){ data, chunk->length - sizeof(*chunk) };
    }
    return body;
}

sc_bytes packet_listed(const struct hep_context *packet, uint16_t type)
{
    const generic_chunk_t *chunk = packet->h.version == 3 ? packet->h.u.hepv3.chunk_list : NULL;

    while (chunk != NULL && chunk->chunk.type_id != type) {
        chunk = chunk->next;
    }
    return chunk != NULL ? packet_body(&chunk->chunk, chunk->data) : (sc_bytes){ NULL, 0 };
}

int packet_is_ip4(const struct hepv3 *packet)
{
    switch (packet->hg.ip_family.data) {
        case AF_INET:
            return 1;
        case AF_INET6:
            return 0;
        default: /* its chunk is not there */
            return packet->addr.ip4_addr.src_ip4.chunk.type_id == HEP_IPV4_SRC
                || (packet->addr.ip4_addr.src_ip4.chunk.type_id == 0
                    && packet->addr.ip4_addr.dst_ip4.chunk.type_id == HEP_IPV4_DST);
    }
}

static void add_chunks(sc_message *message, const struct hep_context *whole)
{
    const struct hepv3 *packet = &whole->h.u.hepv3;
    const struct hep_generic *fields = &packet->hg;
    const struct ip4_addr *ip4 = &packet->addr.ip4_addr;
    const struct ip6_addr *ip6 = &packet->addr.ip6_addr;
    sc_metadata *given = &message->metadata;

    if (packet_is_ip4(packet)) {
        message->source = address_of(AF_INET, &ip4->src_ip4.data, fields->src_port.data);
        message->destination = address_of(AF_INET, &ip4->dst_ip4.data, fields->dst_port.data);
    } else {
        message->source = address_of(AF_INET6, &ip6->src_ip6.data, fields->src_port.data);
        message->destination = address_of(AF_INET6, &ip6->dst_ip6.data, fields->dst_port.data);
    }
    given->given |= SC_GIVEN_IP_PROTOCOL | SC_GIVEN_TIME | SC_GIVEN_AGENT | SC_GIVEN_CORRELATION;
    if (fields->proto_t.chunk.type_id == HEP_PROTO_TYPE) {
        given->given |= SC_GIVEN_PAYLOAD_TYPE;
    }
    given->ip_protocol = ip_protocol_of(fields->ip_proto.data);
    given->time_us = (int64_t)fields->time_sec.data * 1000000 + fields->time_usec.data;
    given->agent = fields->capt_id.data;
    given->payload_type = fields->proto_t.data;
    given->correlation = packet_listed(whole, correlation_chunk);
    message->payload = packet_body(&packet->payload_chunk.chunk, packet->payload_chunk.data);
}

void packet_correlated_by(uint16_t chunk)
{
    correlation_chunk = chunk;
}

void packet_describe(sc_message *message, const struct hep_context *packet)
{
    message->metadata.given |= SC_GIVEN_HEP_VERSION | SC_GIVEN_COLLECTOR;
    message->metadata.hep_version = packet->h.version;
    message->metadata.collector = to_address(&packet->ri.dst_ip, packet->ri.dst_port);
    message->transport = 0;
    if (packet->h.version == 3) {
        add_chunks(message, packet);
    } else {
        message->payload = to_bytes(&packet->h.u.hepv12.payload);
        add_header(message, &packet->h.u.hepv12, packet->h.version);
    }
}

