/*
 * Plain SIP copies of what is traced, from the host's own sockets. Called by message.c.
 *
 * The events that show what the host sends are left out for them: they would be traced, and copied, again. Names are looked up by the process
 * of forward.c, which also sends what came before its name was looked up.
 */
#include "core/dprint.h"
#include "core/forward.h"
#include "core/pt.h"

#include "../forward.h"
#include "../host.h"
#include "siptrace.h"

/* msg_send_buffer: no events. */
#define UNSEEN 1

static struct socket_info *own_socket = NULL;

void copies_leave_from(struct socket_info *socket)
{
    own_socket = socket;
}

/* Copies of another transport or address family than that socket's cannot leave from it. */
static int fits_own_socket(const dest_info_t *to)
{
    static int is_told = 0;
    int fits = own_socket->proto == to->proto && own_socket->address.af == to->to.s.sa_family;

    if (!fits && !is_told) {
        is_told = 1;
        LM_WARN("copies of another transport or address family than that of %.*s leave from another socket\n", own_socket->sock_str.len,
                own_socket->sock_str.s);
    }
    return fits;
}

static int send_to(dest_info_t *to, const char *bytes, unsigned int len)
{
    if (own_socket != NULL && fits_own_socket(to)) {
        to->send_sock = own_socket;
        to->send_flags.f |= SND_F_FORCE_SOCKET;
    } else {
        to->send_sock = get_send_socket(NULL, &to->to, to->proto);
    }
    return to->send_sock != NULL && msg_send_buffer(to, (char *)bytes, len, UNSEEN) >= 0;
}

static void give_up(const str *uri, forward_found found)
{
    forward_failed(uri, found);
    sc_trace_copy_failed(core);
}

static void send_one(const str *uri, const char *bytes, unsigned int len, int may_wait)
{
    dest_info_t to;
    forward_found found = forward_find(uri, &to);

    if (found == FORWARD_KNOWN ? send_to(&to, bytes, len) : found == FORWARD_AWAITED && may_wait && forward_hold(uri, bytes, len)) {
        return;
    }
    give_up(uri, found);
}

/* In the process that looks names up, which counts too. */
static void send_held(const str *uri, const char *bytes, unsigned int len)
{
    static int is_attached = 0;

    if (!is_attached) {
        is_attached = 1;
        sc_core_attach(core, process_no);
    }
    send_one(uri, bytes, len, 0);
}

static void expect_all(void)
{
    sc_copies targets = { 0 };

    if (sc_trace_targets(core, &targets) != SC_OK) {
        return;
    }
    for (uint32_t i = 0; i < targets.count; i++) {
        str uri = { (char *)targets.uris[i].ptr, targets.uris[i].len };
        forward_expect(&uri);
    }
}

int copies_prepare(void)
{
    if (!forward_reserve(FORWARD_BY_ADDRESS, send_held)) {
        return 0;
    }
    expect_all();
    return 1;
}

void copies_send(const sc_copies *copies)
{
    for (uint32_t i = 0; i < copies->count; i++) {
        str uri = { (char *)copies->uris[i].ptr, copies->uris[i].len };
        send_one(&uri, copies->body.ptr, copies->body.len, 1);
    }
}
