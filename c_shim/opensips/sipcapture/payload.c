/* Payloads that scripts have set: see packet.h. */
#include <string.h>

#include "dprint.h"
#include "mem/mem.h"

#include "packet.h"

/* One payload, which messages that the host has made of it point into until the packet ends. */
typedef struct kept {
    struct kept *next;
    void *data;
} kept;

static kept *all_kept = NULL;

/* The host's parser reads behind the end of a payload as far as a zero. */
static char no_payload[64];

/* Keeps `data`, from the host's private memory, until the packet ends. */
static int keep(void *data)
{
    kept *one = pkg_malloc(sizeof(*one));

    if (one == NULL) {
        return 0;
    }
    one->data = data;
    one->next = all_kept;
    all_kept = one;
    return 1;
}

static char *copy_of(sc_bytes body)
{
    char *copy = pkg_malloc(body.len + 1);

    if (copy == NULL) {
        return NULL;
    }
    memcpy(copy, body.ptr, body.len);
    copy[body.len] = 0;
    if (!keep(copy)) {
        pkg_free(copy);
        return NULL;
    }
    return copy;
}

int payload_set(struct hepv3 *packet, uint16_t type, sc_bytes body)
{
    char *data = body.len > 0 ? copy_of(body) : no_payload;

    if (data == NULL) {
        LM_ERR("no memory for the payload of a HEP packet\n");
        return 0;
    }
#ifdef HOST_HAS_PAYLOAD_CHUNK_FREE
    /* proto_hep would free what is not its own. */
    if (packet->payload_chunk_free) {
        if (!keep(packet->payload_chunk.data)) {
            return 0;
        }
        packet->payload_chunk_free = 0;
    }
#endif
    packet->payload_chunk.chunk = (hep_chunk_t){ .type_id = type, .length = sizeof(hep_chunk_t) + body.len };
    packet->payload_chunk.data = data;
    return 1;
}

void payload_release(void)
{
    while (all_kept != NULL) {
        kept *one = all_kept;
        all_kept = one->next;
        pkg_free(one->data);
        pkg_free(one);
    }
}
