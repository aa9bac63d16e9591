/*
 * Waiting for what was queued: async(sip_capture()) suspends a message until its row has left the queue. One watcher of
 * this process's lane is with the host's reactor as long as anybody waits, and rings the descriptor of each message
 * whose row has gone.
 */
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "async.h"
#include "dprint.h"
#include "reactor_defs.h"
#include "route.h"

#include "../host.h"
#include "sipcapture.h"

/* Messages that a process has suspended at once; any more go on without waiting. One that the host has no memory to
 * suspend keeps its place, and its descriptor, for good: nobody tells of it. */
#define MOST_WAITS 200

#ifndef ASYNC_SET_RESUME_F
#define ASYNC_SET_RESUME_F(context, function) ((context)->resume_f = (function))
#endif

typedef enum wait_state {
    WAIT_FREE = 0,
    WAIT_QUEUED, /* its row is in the queue */
    WAIT_RUNG    /* its row has left it, and the host is about to resume the message */
} wait_state;

typedef struct wait {
    struct wait *next; /* the one that was queued next */
    uint64_t position;
    int descriptor;    /* the host closes it */
    wait_state state;
} wait;

/* Whether the lanes have descriptors. */
static int is_open = 0;

static wait waits[MOST_WAITS];
/* The queued ones, in the order of their positions. */
static wait *first = NULL;
static wait **last = &first;

/* ---- the lane ---- */

static int watched = -1; /* the lane's descriptor while it is with the reactor */

static void ring(wait *one)
{
    static const uint64_t once = 1;

    one->state = WAIT_RUNG;
    if (write(one->descriptor, &once, sizeof(once)) != sizeof(once)) {
        LM_ERR("a message that waits for its row cannot be resumed\n");
    }
}

/* Has on_lane called, which alone takes the lane from the reactor: the host would close the descriptor of one that is
 * taken while it goes through events. */
static void end_watch_of_nobody(void)
{
    static const uint64_t once = 1;

    if (first == NULL && watched >= 0 && write(watched, &once, sizeof(once)) != sizeof(once)) {
        LM_ERR("a lane stays watched though nobody waits\n");
    }
}

/* Called by the host when rows have left the queue. */
static int on_lane(int descriptor, void *unused)
{
    uint8_t passed = 0;

    (void)unused;
    async_status = ASYNC_CONTINUE;
    sc_wait_clear(core);
    while (first != NULL && sc_wait_passed(core, first->position, &passed) == SC_OK && passed) {
        wait *one = first;
        first = one->next;
        ring(one);
    }
    if (first == NULL) {
        last = &first;
        sc_wait_end(core);
        reactor_del_reader(descriptor, -1, 0);
        watched = -1;
    }
    return 0;
}

/* What the host's reactor calls for the lane: memory of ours, since the host's own function for this frees none. */
static async_ctx watcher;

static int watch_lane(void)
{
    int32_t descriptor;

    if (watched >= 0) {
        return 1;
    }
    if (sc_wait_descriptor(core, &descriptor) != SC_OK || sc_wait_begin(core) != SC_OK) {
        return 0;
    }
    ASYNC_SET_RESUME_F(&watcher, on_lane);
    if (reactor_add_reader(descriptor, F_FD_ASYNC, RCT_PRIO_ASYNC, &watcher) < 0) {
        sc_wait_end(core);
        return 0;
    }
    watched = descriptor;
    return 1;
}

/* ---- messages ---- */

static wait *free_wait(void)
{
    for (size_t i = 0; i < MOST_WAITS; i++) {
        if (waits[i].state == WAIT_FREE) {
            return &waits[i];
        }
    }
    return NULL;
}

/* Ends a wait, whatever it has come to. */
static void end(wait *one)
{
    wait **link = &first;

    while (*link != NULL && *link != one) {
        link = &(*link)->next;
    }
    if (*link == one) {
        *link = one->next;
        if (last == &one->next) {
            last = link;
        }
    }
    one->state = WAIT_FREE;
    async_status = ASYNC_DONE_CLOSE_FD;
    end_watch_of_nobody();
}

/* Called by the host to resume a message, or at once where it could not be suspended. */
static int on_passed(int descriptor, struct sip_msg *msg, void *one)
{
    (void)descriptor;
    (void)msg;
    end(one);
    return 1;
}

/* Called by the host when a message has waited for as long as its script allows. */
static int on_timeout(int descriptor, struct sip_msg *msg, void *one)
{
    (void)descriptor;
    (void)msg;
    end(one);
    return -1;
}

/* Whether the host can suspend `msg` here. */
static int may_suspend(const struct sip_msg *msg)
{
    if (msg->first_line.type == SIP_REQUEST && msg->first_line.u.request.method_value == METHOD_ACK) {
        return 0;
    }
    if (hep_is_looked_at()) {
        return 0; /* proto_hep frees the packet, and its context, when that route ends */
    }
#ifdef HOST_SUSPENDS_REPLIES
    if (route_type == ONREPLY_ROUTE) {
        return 1;
    }
#endif
    return route_type == REQUEST_ROUTE;
}

/* Fills a wait for what was queued last; 0 when it has left the queue already, or cannot be waited for. */
static int begin(wait *one)
{
    uint8_t passed = 1;

    if (one == NULL || sc_wait_position(core, &one->position) != SC_OK || !watch_lane()) {
        return 0;
    }
    one->descriptor = -1;
    if (sc_wait_passed(core, one->position, &passed) == SC_OK && !passed) {
        one->descriptor = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    }
    if (one->descriptor < 0) {
        end_watch_of_nobody();
        return 0;
    }
    one->state = WAIT_QUEUED;
    one->next = NULL;
    *last = one;
    last = &one->next;
    return 1;
}

int wait_prepare(void)
{
    for (const acmd_export_t *function = async_functions; function->name != NULL && !is_open; function++) {
        if (is_script_async_func_used(function->name, -1)) {
            if (sc_wait_open(core) != SC_OK) {
                return 0;
            }
            is_open = 1;
        }
    }
    return 1;
}

int wait_for_queued(const struct sip_msg *msg, async_ctx *context, int answer)
{
    wait *one = free_wait();

    if (answer < 0 || !is_open || !may_suspend(msg) || !begin(one)) {
        async_status = ASYNC_SYNC;
        return answer;
    }
    ASYNC_SET_RESUME_F(context, on_passed);
    context->timeout_f = on_timeout;
    context->resume_param = one;
    async_status = one->descriptor;
    return answer;
}
