/* How values of this host become the core's: see convert.h. */
#include <string.h>

#include "core/dprint.h"
#include "core/mod_fix.h"

#include "convert.h"

const str nothing = { NULL, 0 };

void from_address(const sc_address *address, struct ip_addr *ip)
{
    memset(ip, 0, sizeof(*ip));
    ip->af = address->length == 4 ? AF_INET : AF_INET6;
    ip->len = address->length;
    memcpy(ip->u.addr, address->ip, address->length);
}

sc_message to_message(struct sip_msg *msg)
{
    sc_message message = { 0 };

    message.source = to_address(&msg->rcv.src_ip, msg->rcv.src_port);
    message.destination = to_address(&msg->rcv.dst_ip, msg->rcv.dst_port);
    message.transport = msg->rcv.proto > 0 ? msg->rcv.proto : 0;
    message.payload.ptr = msg->buf;
    message.payload.len = msg->len;
    if (msg->first_line.type == SIP_REQUEST && msg->new_uri.s != NULL && msg->new_uri.len > 0) {
        message.rewritten_uri.ptr = msg->new_uri.s;
        message.rewritten_uri.len = msg->new_uri.len;
    }
    return message;
}

int evaluate(str *text, struct sip_msg *msg, const char *function, char *parameter)
{
    *text = nothing;
    if (parameter != NULL && get_str_fparam(text, msg, (fparam_t *)parameter) < 0) {
        LM_ERR("%s(): a parameter cannot be evaluated\n", function);
        return 0;
    }
    return 1;
}
