/* What scripts do with single chunks of a HEP packet of version 3: hep_set(), hep_get() and hep_del(). The core says
 * which chunk is meant and what its bytes are; this file and fields.c know where proto_hep has it. */
#include <string.h>

#include "dprint.h"
#include "mem/shm_mem.h"
#include "route_struct.h"

#include "../convert.h"
#include "packet.h"
#include "sipcapture.h"

/* ---- the list of chunks that proto_hep has no field for ---- */

/* Where the list has `type`, or would have it. */
static generic_chunk_t **link_of(struct hepv3 *packet, uint16_t type)
{
    generic_chunk_t **link = &packet->chunk_list;

    while (*link != NULL && (*link)->chunk.type_id != type) {
        link = &(*link)->next;
    }
    return link;
}

/* Sets a chunk in the memory that proto_hep frees, a node and its body apart. */
static int set_listed(struct hepv3 *packet, const sc_chunk *chunk)
{
    generic_chunk_t **link = link_of(packet, chunk->kind);
    generic_chunk_t *node = *link;
    void *body = shm_malloc(chunk->body.len + 1);

    if (body != NULL && node == NULL && (node = shm_malloc(sizeof(*node))) != NULL) {
        memset(node, 0, sizeof(*node));
    }
    if (body == NULL || node == NULL) {
        LM_ERR("no shared memory for chunk %d of a HEP packet\n", chunk->kind);
        if (body != NULL) {
            shm_free(body);
        }
        return 0;
    }
    if (chunk->body.len > 0) {
        memcpy(body, chunk->body.ptr, chunk->body.len);
    }
    if (node->data != NULL) {
        shm_free(node->data);
    }
    node->chunk = (hep_chunk_t){ .vendor_id = chunk->vendor, .type_id = chunk->kind,
        .length = sizeof(node->chunk) + chunk->body.len };
    node->data = body;
    *link = node;
    return 1;
}

static int delete_listed(struct hepv3 *packet, uint16_t type)
{
    generic_chunk_t **link = link_of(packet, type);
    generic_chunk_t *node = *link;

    if (node == NULL) {
        return 0;
    }
    *link = node->next;
    if (node->data != NULL) {
        shm_free(node->data);
    }
    shm_free(node);
    return 1;
}

/* Fills what `chunk` holds; 0 when it is not there. */
static int read_listed(struct hepv3 *packet, sc_chunk *chunk)
{
    const generic_chunk_t *listed = *link_of(packet, chunk->kind);

    if (listed == NULL) {
        return 0;
    }
    chunk->vendor = listed->chunk.vendor_id;
    chunk->body = packet_body(&listed->chunk, listed->data);
    return 1;
}

/* ---- what scripts call ---- */

/* The chunks that a script can reach of the packet that `msg` came in; NULL when there are none. */
static struct hepv3 *chunks_of(const struct sip_msg *msg)
{
    struct hep_context *packet = hep_packet(msg);

    return packet != NULL && packet->h.version == 3 ? &packet->h.u.hepv3 : NULL;
}

int chunk_set(struct sip_msg *msg, str *first, str *second, str *third, str *fourth)
{
    struct hepv3 *packet = chunks_of(msg);
    const sc_bytes texts[SC_CHUNK_ARGUMENTS] = { given(first), given(second), given(third), given(fourth) };
    sc_chunk_arguments arguments;
    sc_chunk chunk;
    char buffer[SC_CHUNK_ROOM];

    if (packet == NULL || sc_chunk_sort(SC_CHUNK_SET, texts, &arguments) != SC_OK
            || sc_chunk_encode(&arguments, HEP_OPENSIPS_VENDOR_ID, buffer, &chunk) != SC_OK) {
        return -1;
    }
    return (chunk.field == 0 ? set_listed(packet, &chunk) : field_set(packet, &chunk)) ? 1 : -1;
}

/* Writes a variable that the script has named; 0 when it cannot be written. */
static int write_variable(struct sip_msg *msg, pv_spec_t *variable, pv_value_t value)
{
    pv_value_t *written = (value.flags & PV_VAL_NULL) != 0 ? NULL : &value; /* as the host knows null */

    return variable == NULL || (pv_is_w(variable) && pv_set_value(msg, variable, EQ_T, written) == 0);
}

int chunk_get(struct sip_msg *msg, str *first, str *second, pv_spec_t *third, pv_spec_t *fourth)
{
    struct hepv3 *packet = chunks_of(msg);
    const sc_bytes texts[SC_CHUNK_ARGUMENTS] = { given(first), given(second) };
    sc_variable_value value = { .kind = SC_VARIABLE_NULL };
    sc_variable_value vendor = { .kind = SC_VARIABLE_NULL };
    sc_chunk_arguments arguments;
    sc_chunk chunk;
    char buffer[SC_CHUNK_ROOM];
    int is_read, is_written;

    if (packet == NULL || (third == NULL && fourth == NULL)
            || sc_chunk_sort(SC_CHUNK_GET, texts, &arguments) != SC_OK
            || sc_chunk_find(arguments.chunk, &chunk) != SC_OK) {
        return -1;
    }
    is_read = chunk.field == 0 ? read_listed(packet, &chunk) : field_read(packet, &chunk);
    if (is_read) {
        is_read = sc_chunk_decode(&chunk, arguments.value_type, buffer, &value) == SC_OK;
        vendor = (sc_variable_value){ .kind = SC_VARIABLE_NUMBER, .number = chunk.vendor };
    }
    is_written = write_variable(msg, arguments.older ? fourth : third, variable_answer(&value));
    is_written &= write_variable(msg, arguments.older ? third : fourth, variable_answer(&vendor));
    return is_read && is_written ? 1 : -1;
}

int chunk_delete(struct sip_msg *msg, str *name)
{
    struct hepv3 *packet = chunks_of(msg);
    sc_chunk chunk;
    int is_deleted;

    if (packet == NULL || sc_chunk_find(given(name), &chunk) != SC_OK) {
        return -1;
    }
    if (chunk.field == 0) {
        is_deleted = delete_listed(packet, chunk.kind);
    } else {
        is_deleted = field_read(packet, &chunk) && field_delete(packet, &chunk);
    }
    return is_deleted ? 1 : -1;
}
