/* The fields that proto_hep has for chunks of its own, numbers, addresses and the payload: see packet.h. */
#include <stddef.h>
#include <string.h>

#include "../convert.h"
#include "packet.h"

/* Where a packet has a chunk, of which the head is empty when it is not there. What it holds is behind the head. */
typedef struct place {
    hep_chunk_t *head;
    uint16_t type;
    uint16_t length;
} place;

/* ---- numbers, in host order ---- */

static place number_of(struct hepv3 *packet, uint16_t type)
{
    static const struct {
        uint16_t type;
        uint16_t offset;
        uint16_t length;
    } numbers[] = {
        { HEP_PROTO_FAMILY, offsetof(struct hep_generic, ip_family), 1 },
        { HEP_PROTO_ID, offsetof(struct hep_generic, ip_proto), 1 },
        { HEP_SRC_PORT, offsetof(struct hep_generic, src_port), 2 },
        { HEP_DST_PORT, offsetof(struct hep_generic, dst_port), 2 },
        { HEP_TIMESTAMP, offsetof(struct hep_generic, time_sec), 4 },
        { HEP_TIMESTAMP_US, offsetof(struct hep_generic, time_usec), 4 },
        { HEP_PROTO_TYPE, offsetof(struct hep_generic, proto_t), 1 },
        { HEP_AGENT_ID, offsetof(struct hep_generic, capt_id), 4 },
    };
    size_t i = 0;

    while (numbers[i].type != type && i + 1 < sizeof(numbers) / sizeof(numbers[0])) {
        i++;
    }
    return (place){ (hep_chunk_t *)((char *)&packet->hg + numbers[i].offset), numbers[i].type, numbers[i].length };
}

static void write_number(place to, uint32_t number)
{
    uint8_t one = number;
    uint16_t two = number;
    const void *bytes = to.length == 1 ? (void *)&one : to.length == 2 ? (void *)&two : (void *)&number;

    *to.head = (hep_chunk_t){ .type_id = to.type, .length = sizeof(*to.head) + to.length };
    memcpy(to.head + 1, bytes, to.length);
}

static uint32_t read_number(place from)
{
    uint8_t one;
    uint16_t two;
    uint32_t four;

    switch (from.length) {
        case 1:
            memcpy(&one, from.head + 1, sizeof(one));
            return one;
        case 2:
            memcpy(&two, from.head + 1, sizeof(two));
            return two;
        default:
            memcpy(&four, from.head + 1, sizeof(four));
            return four;
    }
}

/* ---- addresses ---- */

static int is_address(uint16_t field)
{
    return field == HEP_IPV4_SRC || field == HEP_IPV4_DST;
}

static place address_of(struct hepv3 *packet, int is_source, int is_ip4)
{
    struct ip4_addr *ip4 = &packet->addr.ip4_addr;
    struct ip6_addr *ip6 = &packet->addr.ip6_addr;

    if (is_ip4) {
        return is_source ? (place){ &ip4->src_ip4.chunk, HEP_IPV4_SRC, 4 }
                         : (place){ &ip4->dst_ip4.chunk, HEP_IPV4_DST, 4 };
    }
    return is_source ? (place){ &ip6->src_ip6.chunk, HEP_IPV6_SRC, 16 }
                     : (place){ &ip6->dst_ip6.chunk, HEP_IPV6_DST, 16 };
}

/* The address at `from`; of length 0 when there is none. */
static sc_address read_address(place from)
{
    sc_address address = { 0 };

    if (from.head->type_id == from.type) {
        address.length = from.length;
        memcpy(address.ip, from.head + 1, from.length);
    }
    return address;
}

static void write_address(place to, const sc_address *address)
{
    if (address->length == to.length) {
        *to.head = (hep_chunk_t){ .type_id = to.type, .length = sizeof(*to.head) + to.length };
        memcpy(to.head + 1, address->ip, to.length);
    }
}

/* Sets one of the two addresses. Both are of one family afterwards, since they share their memory. */
static int set_address(struct hepv3 *packet, const sc_chunk *chunk)
{
    int is_ip4 = packet_is_ip4(packet);
    sc_address source = read_address(address_of(packet, 1, is_ip4));
    sc_address destination = read_address(address_of(packet, 0, is_ip4));
    sc_address *meant = chunk->field == HEP_IPV4_SRC ? &source : &destination;
    uint8_t family = 0;

    meant->length = chunk->body.len <= sizeof(meant->ip) ? chunk->body.len : 0;
    memcpy(meant->ip, chunk->body.ptr, meant->length);
    if (sc_chunk_one_family(&source, &destination, &family) != SC_OK) {
        return 0;
    }
    memset(&packet->addr, 0, sizeof(packet->addr));
    write_address(address_of(packet, 1, family == AF_INET), &source);
    write_address(address_of(packet, 0, family == AF_INET), &destination);
    write_number(number_of(packet, HEP_PROTO_FAMILY), family);
    return 1;
}

/* ---- what chunks.c calls ---- */

static place place_of(struct hepv3 *packet, uint16_t field)
{
    if (is_address(field)) {
        return address_of(packet, field == HEP_IPV4_SRC, packet_is_ip4(packet));
    }
    return number_of(packet, field);
}

int field_set(struct hepv3 *packet, const sc_chunk *chunk)
{
    uint32_t number = chunk->number;

    if (chunk->field == HEP_PAYLOAD) {
        return payload_set(packet, chunk->kind, chunk->body);
    }
    if (is_address(chunk->field)) {
        return set_address(packet, chunk);
    }
    if (chunk->field == HEP_PROTO_ID) {
        number = (uint32_t)from_transport(number);
    }
    write_number(number_of(packet, chunk->field), number);
    return 1;
}

int field_read(struct hepv3 *packet, sc_chunk *chunk)
{
    place from;

    if (chunk->field == HEP_PAYLOAD) {
        chunk->body = packet_body(&packet->payload_chunk.chunk, packet->payload_chunk.data);
        return packet->payload_chunk.chunk.type_id != 0;
    }
    from = place_of(packet, chunk->field);
    if (is_address(chunk->field)) {
        chunk->kind = from.type;
        chunk->body = (sc_bytes){ (char *)(from.head + 1), from.length };
    } else {
        chunk->number = read_number(from);
    }
    if (chunk->field == HEP_PROTO_ID) {
        chunk->number = to_transport((int)chunk->number);
    }
    return from.head->type_id == from.type;
}

int field_delete(struct hepv3 *packet, const sc_chunk *chunk)
{
    place meant;

    if (chunk->field == HEP_PAYLOAD) {
        return payload_set(packet, 0, (sc_bytes){ NULL, 0 });
    }
    meant = place_of(packet, chunk->field);
    memset(meant.head, 0, sizeof(*meant.head) + meant.length);
    return 1;
}
