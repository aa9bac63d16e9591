/*
 * Plain SIP copies of what is traced, from the host's own sockets. Called by message.c.
 *
 * The events that show what the host sends are left out for them: they would be traced, and copied, again. Names are looked up by the process
 * of forward.c.
 */
#include "core/dprint.h"
#include "core/forward.h"

#include "../forward.h"
#include "siptrace.h"

/* msg_send_buffer: no events. */
#define UNSEEN 1

static struct socket_info *own_socket = NULL;

void copies_leave_from(struct socket_info *socket)
{
    own_socket = socket;
}

static int send_to(dest_info_t *to, sc_bytes body)
{
    if (own_socket != NULL && own_socket->proto == to->proto && own_socket->address.af == to->to.s.sa_family) {
        to->send_sock = own_socket;
        to->send_flags.f |= SND_F_FORCE_SOCKET;
    } else {
        to->send_sock = get_send_socket(NULL, &to->to, to->proto);
    }
    return to->send_sock != NULL && msg_send_buffer(to, (char *)body.ptr, body.len, UNSEEN) >= 0;
}

void copies_send(const sc_copies *copies)
{
    dest_info_t to;

    for (uint32_t i = 0; i < copies->count; i++) {
        str uri = { (char *)copies->uris[i].ptr, copies->uris[i].len };
        if (forward_find(&uri, &to) && !send_to(&to, copies->body)) {
            forward_failed(&uri);
        }
    }
}
