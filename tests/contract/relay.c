/*
 * HEP packets that are passed on, and those that a host hands over in pieces.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "walk.h"

static sc_hep_head head_of(uint8_t version)
{
    sc_hep_head head = { .version = version, .ip_protocol = 22, .payload_type = 1, .agent = 7,
        .time_us = 1700000000000001, .source = { 4, { 192, 0, 2, 1 }, 5060 },
        .destination = { 4, { 192, 0, 2, 2 }, 5061 } };
    return head;
}

static int is_packet(sc_bytes packet, const char *expected, size_t length)
{
    return packet.len == length && memcmp(packet.ptr, expected, length) == 0;
}

void pieces_of_packets_are_checked(sc_core *core)
{
    sc_hep_head head = head_of(3);
    sc_bytes packet = broken;

    CHECK(sc_packet_begin(NULL, &head) == SC_ERR_NULL_POINTER && sc_packet_begin(core, NULL) == SC_ERR_NULL_POINTER);
    CHECK(sc_packet_add(NULL, 0, 17, nothing) == SC_ERR_NULL_POINTER);
    CHECK(sc_packet_finish(NULL, nothing, 0, &packet) == SC_ERR_NULL_POINTER);
    CHECK(sc_packet_add(core, 0, 17, nothing) == SC_ERR_WRONG_STATE);
    CHECK(sc_packet_finish(core, nothing, 0, &packet) == SC_ERR_WRONG_STATE);
    CHECK(sc_packet_begin(core, &head) == SC_OK);
    CHECK(sc_packet_add(core, 0, 17, broken) == SC_ERR_NULL_POINTER);
    CHECK(sc_packet_finish(core, broken, 0, &packet) == SC_ERR_NULL_POINTER);
    CHECK(sc_packet_finish(core, nothing, 0, NULL) == SC_ERR_NULL_POINTER);
    head.version = 4;
    CHECK(sc_packet_begin(core, &head) == SC_ERR_INVALID_VALUE);
    head.version = 3;
    head.source.length = 0;
    CHECK(sc_packet_begin(core, &head) == SC_ERR_INVALID_VALUE);
    head.source.length = 4;
    head.destination.length = 5;
    CHECK(sc_packet_begin(core, &head) == SC_ERR_INVALID_VALUE);
    head.destination.length = 4;
    head.time_us = -1;
    CHECK(sc_packet_begin(core, &head) == SC_ERR_INVALID_VALUE && strstr(last_log, "-1 us") != NULL);
    CHECK(sc_packet_finish(core, nothing, 0, &packet) == SC_ERR_WRONG_STATE);
    head = head_of(1);
    CHECK(sc_packet_begin(core, &head) == SC_OK && sc_packet_add(core, 0, 17, nothing) == SC_ERR_INVALID_VALUE);
    CHECK(sc_packet_begin(core, &head) == SC_OK && sc_packet_finish(core, nothing, 1, &packet) == SC_ERR_INVALID_VALUE);
    CHECK(packet.ptr == NULL && packet.len == 5);
}

void packets_are_written_in_pieces(sc_core *core)
{
    static const char v3[] = "HEP3\0\x79"
                             "\0\0\0\x01\0\x07\x02"
                             "\0\0\0\x02\0\x07\x16"
                             "\0\0\0\x07\0\x08\x13\xc4"
                             "\0\0\0\x08\0\x08\x13\xc5"
                             "\0\0\0\x09\0\x0a\x65\x53\xf1\0"
                             "\0\0\0\x0a\0\x0a\0\0\0\x01"
                             "\0\0\0\x0b\0\x07\x01"
                             "\0\0\0\x0c\0\x0a\0\0\0\x07"
                             "\0\0\0\x03\0\x0a\xc0\0\x02\x01"
                             "\0\0\0\x04\0\x0a\xc0\0\x02\x02"
                             "\0\x03\x03\xe7\0\x08hi"
                             "\0\0\0\x11\0\x09leg"
                             "\0\0\0\x0f\0\x0bhello";
    static const char v2[] = "\x02\x10\x02\x16\x13\xc4\x13\xc5\xc0\0\x02\x01\xc0\0\x02\x02"
                             "\0\xf1\x53\x65\x01\0\0\0\x07\0\0\0hello";
    sc_hep_head head = head_of(3);
    sc_bytes packet = nothing, large = { calloc(1, 70000), 65535 };

    CHECK(sc_packet_begin(core, &head) == SC_OK && sc_packet_add(core, 3, 999, bytes("hi")) == SC_OK);
    CHECK(sc_packet_add(core, 0, 17, bytes("leg")) == SC_OK);
    CHECK(sc_packet_finish(core, bytes("hello"), 0, &packet) == SC_OK && is_packet(packet, v3, sizeof(v3) - 1));
    head = head_of(2);
    CHECK(sc_packet_begin(core, &head) == SC_OK);
    CHECK(sc_packet_finish(core, bytes("hello"), 0, &packet) == SC_OK && is_packet(packet, v2, sizeof(v2) - 1));
    CHECK(sc_packet_begin(core, &head) == SC_OK && sc_packet_finish(core, large, 0, &packet) == SC_ERR_TOO_LARGE);
    head = head_of(3);
    CHECK(sc_packet_begin(core, &head) == SC_OK && sc_packet_add(core, 3, 999, large) == SC_ERR_TOO_LARGE);
    CHECK(sc_packet_finish(core, nothing, 0, &packet) == SC_ERR_WRONG_STATE);
    large.len = 65535 - sizeof(v3) + 1;
    CHECK(sc_packet_begin(core, &head) == SC_OK && sc_packet_add(core, 3, 999, large) == SC_OK);
    CHECK(sc_packet_finish(core, nothing, 1, &packet) == SC_OK && packet.len <= 65535);
    free((char *)large.ptr);
}

/* The modules of Kamailio pass packets on from sockets of the host's own. */
void who_relays_nothing_says_so(sc_core *core)
{
    sc_bytes uri = bytes("sip:127.0.0.1");

    CHECK(sc_hep_relay(NULL, uri, bytes("HEP3")) == SC_ERR_NULL_POINTER);
    CHECK(sc_hep_relay(core, broken, bytes("HEP3")) == SC_ERR_NULL_POINTER);
    CHECK(sc_hep_relay(core, uri, broken) == SC_ERR_NULL_POINTER);
    CHECK(sc_hep_relay(core, uri, bytes("HEP3")) == SC_ERR_WRONG_STATE);
}
