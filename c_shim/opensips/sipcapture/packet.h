/*
 * What proto_hep has decoded of a HEP packet, in its own structs, which this module's files read and change.
 */
#ifndef SIPCAPTURE_OPENSIPS_PACKET_H
#define SIPCAPTURE_OPENSIPS_PACKET_H

#include "modules/proto_hep/hep_cb.h"

#include "../../core.h"

/* Says which chunk holds the correlation id. */
void packet_correlated_by(uint16_t chunk);

/* Puts what the packet says of `message` in place of what the host's sockets say. */
void packet_describe(sc_message *message, const struct hep_context *packet);

/* The body of a chunk that is in the list of version 3; nothing when it is not there. */
sc_bytes packet_listed(const struct hep_context *packet, uint16_t type);

/* The body of a chunk, `data`, whose length counts its head; its `ptr` is NULL when there is none. */
sc_bytes packet_body(const hep_chunk_t *chunk, const void *data);

/* Whether a packet of version 3 has its addresses where those of IPv4 are. */
int packet_is_ip4(const struct hepv3 *packet);

/* ---- fields.c: the fields of version 3. `chunk` is one of those that have a field. ---- */

/* Sets it; 0 when that cannot be. */
int field_set(struct hepv3 *packet, const sc_chunk *chunk);

/* Fills what `chunk` holds; 0 when it is not there. */
int field_read(struct hepv3 *packet, sc_chunk *chunk);

/* Takes it out of the packet; 0 when that cannot be. */
int field_delete(struct hepv3 *packet, const sc_chunk *chunk);

/* ---- payload.c: payloads that scripts have set, for which proto_hep has no memory ---- */

/* Gives the packet another payload; an empty one of type 0 when it is deleted. 0, which is logged, when there is no
 * memory. What it had stays valid as long as the packet. */
int payload_set(struct hepv3 *packet, uint16_t type, sc_bytes body);

/* Frees those of packets that have ended. */
void payload_release(void);

#endif
