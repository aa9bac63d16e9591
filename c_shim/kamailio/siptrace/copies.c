/*
 * Plain SIP copies of what is traced, from the host's own sockets. Called by message.c.
 *
 * The events that show what the host sends are left out for them: they would be traced, and copied, again. The process
 * of forward.c sends those that came before their name was looked up.
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

/* Copies of another transport or address family than that socket's cannot leave from it. */
static int fits_own_socket(const dest_info_t *to)
{
    static int is_told = 0;
    int fits = own_socket->proto == to->proto && own_socket->address.af == to->to.s.sa_family;

    if (!fits && !is_told) {
        is_told = 1;
        LM_WARN("copies of another transport or address family than that of %.*s leave from another socket\n",
            own_socket->sock_str.len, own_socket->sock_str.s);
    }
    return fits;
}

static int send_copy(dest_info_t *to, const char *bytes, unsigned int len)
{
    if (own_socket != NULL && fits_own_socket(to)) {
        to->send_sock = own_socket;
        to->send_flags.f |= SND_F_FORCE_SOCKET;
    } else {
        to->send_sock = get_send_socket(NULL, &to->to, to->proto);
    }
    return to->send_sock != NULL ? msg_send_buffer(to, (char *)bytes, len, UNSEEN) : -1;
}

int copies_prepare(void)
{
    return forward_reserve(send_copy);
}

void copies_send(const sc_copies *copies)
{
    for (uint32_t i = 0; i < copies->count; i++) {
        forward_send(copies->uris[i], copies->body);
    }
}
