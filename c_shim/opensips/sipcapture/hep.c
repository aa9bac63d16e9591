/*
 * What proto_hep has decoded, as the core is told of it: captured, routed, or looked at by a route of the script first,
 * as the parameter hep_route asks.
 */
#include <string.h>

#include "action.h"
#include "context.h"
#include "dprint.h"
#include "modules/proto_hep/hep_cb.h"
#include "route.h"
#include "script_cb.h"
#include "usr_avp.h"

#include "../convert.h"
#include "../host.h"
#include "sipcapture.h"

static int context_index = -1; /* of proto_hep's packet in the host's context; -1: no HEP is taken */
static uint16_t correlation_chunk;
static struct script_route_ref *route = NULL;

/* The packet whose message is being routed, or captured; NULL when that has ended. */
static struct hep_context *at_hand = NULL;
/* Whether the core has been told of it, and not yet of its end. */
static int is_begun = 0;

static const sc_bytes nothing = { NULL, 0 };

/* ---- what proto_hep has decoded ---- */

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
            return 50;
        default:
            return 0;
    }
}

static const generic_chunk_t *chunk_of(const struct hepv3 *packet, uint16_t type)
{
    const generic_chunk_t *chunk = packet->chunk_list;

    while (chunk != NULL && chunk->chunk.type_id != type) {
        chunk = chunk->next;
    }
    return chunk;
}

/* The body of a chunk whose length counts its head. */
static sc_bytes body_of(const hep_chunk_t *chunk, const void *data)
{
    sc_bytes body = { data, 0 };

    if (data == NULL || chunk->length < sizeof(*chunk)) {
        return nothing;
    }
    body.len = chunk->length - sizeof(*chunk);
    return body;
}

static void add_chunks(sc_message *message, const struct hepv3 *packet)
{
    const struct hep_generic *fields = &packet->hg;
    const generic_chunk_t *correlation = chunk_of(packet, correlation_chunk);
    const struct ip4_addr *ip4 = &packet->addr.ip4_addr;
    const struct ip6_addr *ip6 = &packet->addr.ip6_addr;
    sc_metadata *given = &message->metadata;

    if (fields->ip_family.data == AF_INET) {
        message->source = address_of(AF_INET, &ip4->src_ip4.data, fields->src_port.data);
        message->destination = address_of(AF_INET, &ip4->dst_ip4.data, fields->dst_port.data);
    } else {
        message->source = address_of(AF_INET6, &ip6->src_ip6.data, fields->src_port.data);
        message->destination = address_of(AF_INET6, &ip6->dst_ip6.data, fields->dst_port.data);
    }
    given->given |= SC_GIVEN_IP_PROTOCOL | SC_GIVEN_TIME | SC_GIVEN_AGENT | SC_GIVEN_CORRELATION
        | SC_GIVEN_PAYLOAD_TYPE;
    given->ip_protocol = ip_protocol_of(fields->ip_proto.data);
    given->time_us = (int64_t)fields->time_sec.data * 1000000 + fields->time_usec.data;
    given->agent = fields->capt_id.data;
    given->payload_type = fields->proto_t.data;
    if (correlation != NULL) {
        given->correlation = body_of(&correlation->chunk, correlation->data);
    }
    message->payload = body_of(&packet->payload_chunk.chunk, packet->payload_chunk.data);
}

/* What the packet says of `message`, in place of what the host's sockets say. */
static void describe(sc_message *message, const struct hep_context *packet)
{
    message->metadata.given |= SC_GIVEN_HEP_VERSION | SC_GIVEN_COLLECTOR;
    message->metadata.hep_version = packet->h.version;
    message->metadata.collector = to_address(&packet->ri.dst_ip, packet->ri.dst_port);
    message->transport = 0;
    if (packet->h.version == 3) {
        add_chunks(message, &packet->h.u.hepv3);
    } else {
        message->payload = to_bytes(&packet->h.u.hepv12.payload);
        add_header(message, &packet->h.u.hepv12, packet->h.version);
    }
}

/* ---- what scripts capture ---- */

/* The packet that `msg` came in. A message that was kept and comes back has outlived it. */
static const struct hep_context *packet_of(const struct sip_msg *msg)
{
    if (at_hand == NULL || current_processing_ctx == NULL || (msg->msg_flags & (FL_TM_FAKE_REQ | FL_SHM_CLONE)) != 0) {
        return NULL;
    }
    return context_get_ptr(CONTEXT_GLOBAL, current_processing_ctx, context_index) == at_hand ? at_hand : NULL;
}

sc_message hep_message(struct sip_msg *msg)
{
    const struct hep_context *packet = packet_of(msg);
    sc_message message = to_message(msg);
    sc_bytes uri = message.rewritten_uri;

    if (packet != NULL) {
        describe(&message, packet);
        message.rewritten_uri = uri;
    }
    return message;
}

/* ---- what comes in ---- */

static void end_packet(sc_bytes refused)
{
    if (is_begun) {
        is_begun = 0;
        sc_hep_end(core, refused);
    }
}

/* Runs the route that looks at HEP packets, on a message that stands for the packet. */
static int run_route(void)
{
    struct sip_msg *stand_in = get_dummy_sip_msg();
    int outer;

    if (stand_in == NULL) {
        LM_ERR("no memory for the message of route[%s]\n", route->name.s);
        return -1;
    }
    swap_route_type(outer, REQUEST_ROUTE);
    run_top_route(sroutes->request[route->idx], stand_in);
    set_route_type(outer);
    reset_avps();
    release_dummy_sip_msg(stand_in);
    return 0;
}

static int on_packet(void)
{
    struct hep_context *packet = context_get_ptr(CONTEXT_GLOBAL, current_processing_ctx, context_index);
    sc_hep_decoded decoded = { 0 };
    sc_hep_verdict verdict = SC_HEP_DONE;
    const generic_chunk_t *key;

    end_packet(nothing);
    at_hand = NULL;
    if (packet == NULL || packet->h.version < 1 || packet->h.version > 3) {
        return HEP_SCRIPT_SKIP; /* proto_hep could not read it */
    }
    describe(&decoded.message, packet);
    decoded.sender = to_address(&packet->ri.src_ip, packet->ri.src_port);
    if (packet->h.version == 3 && (key = chunk_of(&packet->h.u.hepv3, HEP_AUTH_KEY)) != NULL) {
        decoded.auth_key = body_of(&key->chunk, key->data);
    }
    at_hand = packet;
    if (sc_hep_take(core, &decoded, &verdict) != SC_OK) {
        return HEP_SCRIPT_SKIP;
    }
    switch (verdict) {
        case SC_HEP_PASS:
            return 0;
        case SC_HEP_ROUTE:
            is_begun = 1;
            return 0;
        case SC_HEP_NEEDS_SCRIPT:
            is_begun = 1;
            packet->resume_with_sip = 0;
            if (!ref_script_route_is_valid(route) || run_route() < 0) {
                end_packet(nothing);
                return HEP_SCRIPT_SKIP;
            }
            if (packet->resume_with_sip) {
                return 0;
            }
            end_packet(nothing);
            return HEP_SCRIPT_SKIP;
        default:
            return HEP_SCRIPT_SKIP;
    }
}

/* Called for what the host's parser refuses: then the payload of the packet at hand never reaches a route. */
static int on_refused(struct sip_msg *msg, void *unused)
{
    (void)unused;
    if (is_begun) {
        end_packet((sc_bytes){ msg->buf, msg->len });
    }
    return 1;
}

int hep_listen(const sc_capture_needs *needs)
{
    static const sc_bytes on = { "1", 1 };
    proto_hep_api_t api;
    load_hep_f load;

    if (!needs->takes_hep) {
        return 1;
    }
    load = (load_hep_f)(void (*)(void))find_export("load_hep", 0);
    if (load == NULL || load(&api) < 0) {
        sc_core_refuse(core, "hep_capture_on", on, SC_REFUSAL_NO_MODULE);
        return 0;
    }
    context_index = api.get_hep_ctx_id();
    correlation_chunk = needs->correlation_chunk;
    if (needs->hep_route.len > 0) {
        str name = { (char *)needs->hep_route.ptr, (int)needs->hep_route.len };
        route = ref_script_route_by_name_str(&name, sroutes->request, RT_NO, REQUEST_ROUTE, 0);
        if (!ref_script_route_is_valid(route)) {
            sc_core_refuse(core, "hep_route", needs->hep_route, SC_REFUSAL_NO_ROUTE);
            return 0;
        }
    }
    if (api.register_hep_cb(on_packet) < 0 || register_script_cb(on_refused, PARSE_ERR_CB, 0) != 0) {
        LM_ERR("the host does not show what comes in\n");
        return 0;
    }
    return 1;
}

int hep_route_stays(void)
{
    return route == NULL || ref_script_route_is_valid(route);
}
