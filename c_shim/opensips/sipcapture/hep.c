/*
 * What proto_hep has decoded, as the core is told of it: captured, routed, or looked at by a route of the script first,
 * as the parameter hep_route asks.
 */
#include "action.h"
#include "context.h"
#include "dprint.h"
#include "route.h"
#include "script_cb.h"
#include "usr_avp.h"

#include "../convert.h"
#include "../host.h"
#include "packet.h"
#include "sipcapture.h"

static int context_index = -1; /* of proto_hep's packet in the host's context; -1: no HEP is taken */
static struct script_route_ref *route = NULL;

/* The packet whose message is being routed, or captured; NULL when that has ended. */
static struct hep_context *at_hand = NULL;
/* Whether the core has been told of it, and not yet of its end. */
static int is_begun = 0;
/* What the host is about to parse of it. Other messages may come before the next packet. */
static const char *routed_payload = NULL;
/* Whether the route that looks at HEP packets is running. */
static int is_looked_at = 0;

static const sc_bytes nothing = { NULL, 0 };

/* ---- what scripts capture ---- */

struct hep_context *hep_packet(const struct sip_msg *msg)
{
    /* A message that was kept and comes back has outlived its packet. */
    if (at_hand == NULL || current_processing_ctx == NULL || (msg->msg_flags & (FL_TM_FAKE_REQ | FL_SHM_CLONE)) != 0) {
        return NULL;
    }
    return context_get_ptr(CONTEXT_GLOBAL, current_processing_ctx, context_index) == at_hand ? at_hand : NULL;
}

sc_message hep_message(struct sip_msg *msg)
{
    const struct hep_context *packet = hep_packet(msg);
    sc_message message = to_message(msg);
    sc_bytes uri = message.rewritten_uri;

    if (packet != NULL) {
        packet_describe(&message, packet);
        message.rewritten_uri = uri;
    } else {
        raw_describe(&message);
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
    is_looked_at = 1;
    run_top_route(sroutes->request[route->idx], stand_in);
    is_looked_at = 0;
    set_route_type(outer);
    reset_avps();
    release_dummy_sip_msg(stand_in);
    return 0;
}

/* Leaves the packet's message, as a script may have changed it, to the host's routes. One without a byte is for none:
 * proto_hep would take its length for a very large one. */
static int leave_to_routes(const struct hep_context *packet)
{
    sc_message message = { 0 };

    packet_describe(&message, packet);
    if (message.payload.len == 0) {
        end_packet(nothing);
        return HEP_SCRIPT_SKIP;
    }
    routed_payload = message.payload.ptr;
    return 0;
}

static int on_packet(void)
{
    struct hep_context *packet = context_get_ptr(CONTEXT_GLOBAL, current_processing_ctx, context_index);
    sc_hep_decoded decoded = { 0 };
    sc_hep_verdict verdict = SC_HEP_DONE;

    end_packet(nothing);
    at_hand = NULL;
    payload_release();
    if (packet == NULL || packet->h.version < 1 || packet->h.version > 3) {
        return HEP_SCRIPT_SKIP; /* proto_hep could not read it */
    }
    packet_describe(&decoded.message, packet);
    decoded.sender = to_address(&packet->ri.src_ip, packet->ri.src_port);
    decoded.auth_key = packet_listed(packet, HEP_AUTH_KEY);
    at_hand = packet;
    if (sc_hep_take(core, &decoded, &verdict) != SC_OK) {
        return HEP_SCRIPT_SKIP;
    }
    switch (verdict) {
        case SC_HEP_PASS:
            return 0;
        case SC_HEP_ROUTE:
            is_begun = 1;
            return leave_to_routes(packet);
        case SC_HEP_NEEDS_SCRIPT:
            is_begun = 1;
            packet->resume_with_sip = 0;
            if (!ref_script_route_is_valid(route) || run_route() < 0) {
                end_packet(nothing);
                return HEP_SCRIPT_SKIP;
            }
            if (packet->resume_with_sip) {
                return leave_to_routes(packet);
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
    if (!raw_end((sc_bytes){ msg->buf, msg->len }) && is_begun && msg->buf == routed_payload) {
        end_packet((sc_bytes){ msg->buf, msg->len });
    }
    return 1;
}

int hep_listen(const sc_capture_needs *needs)
{
    static const sc_bytes on = { "1", 1 };
    proto_hep_api_t api;
    load_hep_f load;

    if (register_script_cb(on_refused, PARSE_ERR_CB, 0) != 0) {
        LM_ERR("the host does not show what its parser refuses\n");
        return 0;
    }
    if (!needs->takes_hep) {
        return 1;
    }
    load = (load_hep_f)(void (*)(void))find_export("load_hep", 0);
    if (load == NULL || load(&api) < 0) {
        sc_core_refuse(core, "hep_capture_on", on, SC_REFUSAL_NO_MODULE);
        return 0;
    }
    context_index = api.get_hep_ctx_id();
    packet_correlated_by(needs->correlation_chunk);
    if (needs->hep_route.len > 0) {
        str name = { (char *)needs->hep_route.ptr, (int)needs->hep_route.len };
        route = ref_script_route_by_name_str(&name, sroutes->request, RT_NO, REQUEST_ROUTE, 0);
        if (!ref_script_route_is_valid(route)) {
            sc_core_refuse(core, "hep_route", needs->hep_route, SC_REFUSAL_NO_ROUTE);
            return 0;
        }
    }
    if (api.register_hep_cb(on_packet) < 0) {
        LM_ERR("the host does not show what comes in\n");
        return 0;
    }
    return 1;
}

int hep_is_looked_at(void)
{
    return is_looked_at;
}

int hep_resume(const struct sip_msg *msg)
{
    struct hep_context *packet = hep_packet(msg);

    if (packet == NULL || !is_looked_at || packet->resume_with_sip) {
        return -1;
    }
    packet->resume_with_sip = 1;
    return 0; /* this ends the route */
}

int hep_route_stays(void)
{
    sc_bytes name;

    if (route == NULL || get_script_route_ID_by_name_str(&route->name, sroutes->request, RT_NO) != -1) {
        return 1;
    }
    name = to_bytes(&route->name);
    sc_core_refuse(core, "hep_route", name, SC_REFUSAL_NO_ROUTE);
    return 0;
}
