/* The fields that proto_hep has for chunks of its own, numbers, addresses and the payload: see packet.h. */
#include <stddef.h>
#include <string.h>

#include "../convert.h"
#include "packet.h"

/* The numbers that proto_hep has fields for, in host order behind the chunk's head. */
typedef struct field {
    uint16_t type;
    uint16_t offset;
    uint16_t size;
} field;

static const field fields[] = {
    { HEP_PROTO_FAMILY, offsetof(struct hep_generic, ip_family), 1 },
    { HEP_PROTO_ID, offsetof(struct hep_generic, ip_proto), 1 },
    { HEP_SRC_PORT, offsetof(struct hep_generic, src_port), 2 },
    { HEP_DST_PORT, offsetof(struct hep_generic, dst_port), 2 },
    { HEP_TIMESTAMP, offsetof(struct hep_generic, time_sec), 4 },
    { HEP_TIMESTAMP_US, offsetof(struct hep_generic, time_usec), 4 },
    { HEP_PROTO_TYPE, offsetof(struct hep_generic, proto_t), 1 },
    { HEP_AGENT_ID, offsetof(struct hep_generic, capt_id), 4 },
};

/* ---- numbers ---- */

static const field *field_of(uint16_t type)
{
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (fields[i].type == type) {
            return &fields[i];
        }
    }
    return NULL;
}

static hep_chunk_t *head_of(struct hepv3 *packet, const field *field)
{
    return (hep_chunk_t *)((char *)&packet->hg + field->offset);
}

static void write_number(struct hepv3 *packet, const field *field, uint32_t number)
{
    hep_chunk_t *head = head_of(packet, field);
    uint8_t one = number;
    uint16_t two = number;
    const void *bytes = field->size == 1 ? (void *)&one : field->size == 2 ? (void *)&two : (void *)&number;

    *head = (hep_chunk_t){ .type_id = field->type, .length = sizeof(*head) + field->size };
    memcpy(head + 1, bytes, field->size);
}

static uint32_t read_number(struct hepv3 *packet, const field *field)
{
    const void *bytes = head_of(packet, field) + 1;
    uint8_t one;
    uint16_t two;
    uint32_t four;

    switch (field->size) {
        case 1:
            memcpy(&one, bytes, sizeof(one));
            return one;
        case 2:
            memcpy(&two, bytes, sizeof(two));
            return two;
        default:
            memcpy(&four, bytes, sizeof(four));
            return four;
    }
}

/* ---- addresses ---- */

/* Where a packet has an address. */
typedef struct place {
    hep_chunk_t *head;
    uint16_t type;
    uint8_t length;
} place;

static place place_of(struct hepv3 *packet, int is_source, int is_ip4)
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
    sc_address source = read_address(place_of(packet, 1, is_ip4));
    sc_address destination = read_address(place_of(packet, 0, is_ip4));
    sc_address *meant = chunk->field == HEP_IPV4_SRC ? &source : &destination;
    uint8_t family = 0;

    meant->length = chunk->body.len <= sizeof(meant->ip) ? chunk->body.len : 0;
    memcpy(meant->ip, chunk->body.ptr, meant->length);
    if (sc_chunk_one_family(&source, &destination, &family) != SC_OK) {
        return 0;
    }
    memset(&packet->addr, 0, sizeof(packet->addr));
    write_address(place_of(packet, 1, family == AF_INET), &source);
    write_address(place_of(packet, 0, family == AF_INET), &destination);
    write_number(packet, field_of(HEP_PROTO_FAMILY), family);
    return 1;
}

/* ---- what chunks.c calls ---- */

int field_set(struct hepv3 *packet, const sc_chunk *chunk)
{
    switch (chunk->field) {
        case HEP_IPV4_SRC:
        case HEP_IPV4_DST:
            return set_address(packet, chunk);
        case HEP_PAYLOAD:
            return payload_set(packet, chunk->kind, chunk->body);
        case HEP_PROTO_ID:
            write_number(packet, field_of(chunk->field), from_transport(chunk->number));
            return 1;
        default:
            write_number(packet, field_of(chunk->field), chunk->number);
            return 1;
    }
}

int field_read(struct hepv3 *packet, sc_chunk *chunk)
{
    const field *number;
    place address;

    switch (chunk->field) {
        case HEP_IPV4_SRC:
        case HEP_IPV4_DST:
            address = place_of(packet, chunk->field == HEP_IPV4_SRC, packet_is_ip4(packet));
            chunk->kind = address.type;
            chunk->body = (sc_bytes){ (char *)(address.head + 1), address.length };
            return address.head->type_id == address.type;
        case HEP_PAYLOAD:
            chunk->body = packet_body(&packet->payload_chunk.chunk, packet->payload_chunk.data);
            return packet->payload_chunk.chunk.type_id != 0;
        default:
            number = field_of(chunk->field);
            chunk->number = read_number(packet, number);
            if (chunk->field == HEP_PROTO_ID) {
                chunk->number = to_transport(chunk->number);
            }
            return head_of(packet, number)->type_id == number->type;
    }
}

int field_delete(struct hepv3 *packet, const sc_chunk *chunk)
{
    static const sc_bytes nothing = { NULL, 0 };
    const field *number;
    place address;

    switch (chunk->field) {
        case HEP_IPV4_SRC:
        case HEP_IPV4_DST:
            address = place_of(packet, chunk->field == HEP_IPV4_SRC, packet_is_ip4(packet));
            memset(address.head, 0, sizeof(*address.head) + address.length);
            return 1;
        case HEP_PAYLOAD:
            return payload_set(packet, 0, nothing);
        default:
            number = field_of(chunk->field);
            memset(head_of(packet, number), 0, sizeof(hep_chunk_t) + number->size);
            return 1;
    }
}
