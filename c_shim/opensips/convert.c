/* How values of this host become the core's: see convert.h. */
#include "convert.h"

uint8_t to_transport(int proto)
{
    switch (proto) {
        case PROTO_UDP:
            return 1;
        case PROTO_TCP:
            return 2;
        case PROTO_TLS:
            return 3;
        case PROTO_SCTP:
            return 4;
        case PROTO_WS:
            return 5;
        case PROTO_WSS:
            return 6;
        default:
            return 0;
    }
}

int from_transport(uint32_t transport)
{
    static const int protos[] = { PROTO_NONE, PROTO_UDP, PROTO_TCP, PROTO_TLS, PROTO_SCTP, PROTO_WS, PROTO_WSS };

    return transport < sizeof(protos) / sizeof(protos[0]) ? protos[transport] : PROTO_NONE;
}

sc_message to_message(struct sip_msg *msg)
{
    sc_message message = { 0 };

    message.source = to_address(&msg->rcv.src_ip, msg->rcv.src_port);
    message.destination = to_address(&msg->rcv.dst_ip, msg->rcv.dst_port);
    message.transport = to_transport(msg->rcv.proto);
    message.payload = (sc_bytes){ msg->buf, msg->len };
    if (msg->first_line.type == SIP_REQUEST) {
        message.rewritten_uri = to_bytes(&msg->new_uri);
    }
    return message;
}
