/*
 * Single chunks of HEP packets, as a host asks for them whose scripts change what it has decoded.
 */
#include <stdio.h>
#include <string.h>

#include "walk.h"

/* The host's own number among the vendors of HEP. */
#define OWN_VENDOR 3

/* Sorts, and sets what comes of it. */
static sc_status set(const sc_bytes given[SC_CHUNK_ARGUMENTS], char *buffer, sc_chunk *chunk)
{
    sc_chunk_arguments arguments = { 0 };

    CHECK(sc_chunk_sort(SC_CHUNK_SET, given, &arguments) == SC_OK);
    return sc_chunk_encode(&arguments, OWN_VENDOR, buffer, chunk);
}

static int holds(const sc_chunk *chunk, const char *body, size_t len)
{
    return chunk->body.len == len && memcmp(chunk->body.ptr, body, len) == 0;
}

void every_null_of_a_chunk_is_refused(void)
{
    char buffer[SC_CHUNK_ROOM];
    sc_bytes given[SC_CHUNK_ARGUMENTS] = { { 0 } };
    sc_chunk_arguments arguments = { .older = 77 };
    sc_chunk chunk = { .kind = 17, .vendor = 77 };
    sc_outer_packet outer = { .source = sender, .destination = sender };
    sc_address source = sender, destination = sender;
    sc_variable_value value = { .kind = SC_VARIABLE_BOTH };
    uint32_t field = 77;
    uint8_t family = 77;

    CHECK(sc_chunk_check(SC_CHUNK_SET, 0, broken) == SC_ERR_NULL_POINTER);
    CHECK(sc_chunk_check((sc_chunk_function)3, 0, bytes("17")) == SC_ERR_INVALID_VALUE);
    CHECK(sc_chunk_sort(SC_CHUNK_SET, NULL, &arguments) == SC_ERR_NULL_POINTER);
    CHECK(sc_chunk_sort(SC_CHUNK_SET, given, NULL) == SC_ERR_NULL_POINTER);
    CHECK(sc_chunk_sort((sc_chunk_function)3, given, &arguments) == SC_ERR_INVALID_VALUE);
    given[3] = broken;
    CHECK(sc_chunk_sort(SC_CHUNK_SET, given, &arguments) == SC_ERR_NULL_POINTER && arguments.older == 77);
    CHECK(sc_chunk_find(broken, &chunk) == SC_ERR_NULL_POINTER);
    CHECK(sc_chunk_find(bytes("17"), NULL) == SC_ERR_NULL_POINTER);
    memset(&arguments, 0, sizeof(arguments));
    CHECK(sc_chunk_encode(NULL, OWN_VENDOR, buffer, &chunk) == SC_ERR_NULL_POINTER);
    CHECK(sc_chunk_encode(&arguments, OWN_VENDOR, NULL, &chunk) == SC_ERR_NULL_POINTER);
    CHECK(sc_chunk_encode(&arguments, OWN_VENDOR, buffer, NULL) == SC_ERR_NULL_POINTER);
    arguments.value = broken;
    CHECK(sc_chunk_encode(&arguments, OWN_VENDOR, buffer, &chunk) == SC_ERR_NULL_POINTER && chunk.vendor == 77);
    CHECK(sc_chunk_one_family(NULL, &destination, &family) == SC_ERR_NULL_POINTER);
    CHECK(sc_chunk_one_family(&source, NULL, &family) == SC_ERR_NULL_POINTER);
    CHECK(sc_chunk_one_family(&source, &destination, NULL) == SC_ERR_NULL_POINTER);
    source.length = 5;
    CHECK(sc_chunk_one_family(&source, &destination, &family) == SC_ERR_INVALID_VALUE && family == 77);
    CHECK(sc_chunk_decode(NULL, nothing, buffer, &value) == SC_ERR_NULL_POINTER);
    CHECK(sc_chunk_decode(&chunk, broken, buffer, &value) == SC_ERR_NULL_POINTER);
    CHECK(sc_chunk_decode(&chunk, nothing, NULL, &value) == SC_ERR_NULL_POINTER);
    CHECK(sc_chunk_decode(&chunk, nothing, buffer, NULL) == SC_ERR_NULL_POINTER);
    chunk.body = broken;
    CHECK(sc_chunk_decode(&chunk, nothing, buffer, &value) == SC_ERR_NULL_POINTER);
    chunk.kind = 0;
    CHECK(sc_chunk_decode(&chunk, nothing, buffer, &value) == SC_ERR_INVALID_VALUE);
    CHECK(sc_outer_field(broken, &field) == SC_ERR_NULL_POINTER);
    CHECK(sc_outer_field(bytes("src_ip"), NULL) == SC_ERR_NULL_POINTER);
    CHECK(sc_outer_value(3, NULL, buffer, &value) == SC_ERR_NULL_POINTER);
    CHECK(sc_outer_value(3, &outer, NULL, &value) == SC_ERR_NULL_POINTER);
    CHECK(sc_outer_value(3, &outer, buffer, NULL) == SC_ERR_NULL_POINTER);
    outer.source.length = 17;
    CHECK(sc_outer_value(3, &outer, buffer, &value) == SC_ERR_INVALID_VALUE);
    outer.source.length = 0;
    outer.transport = broken;
    CHECK(sc_outer_value(3, &outer, buffer, &value) == SC_ERR_NULL_POINTER);
    CHECK(sc_hep_version_value(3, NULL) == SC_ERR_NULL_POINTER);
    CHECK(field == 77 && value.kind == SC_VARIABLE_BOTH);
}

/* The log says one of these in five seconds, so that this comes before all others that are refused with a text. */
void a_chunk_that_will_not_do_is_said_to_be_wrong(void)
{
    char buffer[SC_CHUNK_ROOM];
    sc_chunk chunk = { .kind = 77 };
    uint32_t field = 77;

    last_log[0] = 0;
    CHECK(set((sc_bytes[]){ bytes("18"), bytes("258"), bytes("uint8"), nothing }, buffer, &chunk) ==
          SC_ERR_INVALID_VALUE);
    CHECK(strncmp(last_log, "chunk 18: the value \"258\" is not allowed: a decimal number from 0 to 255 is", 74) == 0);
    CHECK(set((sc_bytes[]){ bytes("timestamp"), bytes("1"), nothing, nothing }, buffer, &chunk) ==
          SC_ERR_INVALID_VALUE);
    CHECK(set((sc_bytes[]){ bytes("no_chunk"), bytes("1"), nothing, nothing }, buffer, &chunk) ==
          SC_ERR_UNKNOWN_NAME);
    CHECK(set((sc_bytes[]){ bytes("17"), bytes("1"), bytes("no_type"), nothing }, buffer, &chunk) ==
          SC_ERR_INVALID_VALUE);
    CHECK(set((sc_bytes[]){ bytes("17"), bytes("1"), nothing, bytes("65536") }, buffer, &chunk) ==
          SC_ERR_INVALID_VALUE);
    CHECK(sc_chunk_find(bytes("0"), &chunk) == SC_ERR_UNKNOWN_NAME && chunk.kind == 77);
    CHECK(sc_chunk_check(SC_CHUNK_DELETE, 0, bytes("uint8")) == SC_ERR_UNKNOWN_NAME);
    CHECK(sc_chunk_check(SC_CHUNK_SET, 0, bytes("uint8")) == SC_OK);
    CHECK(sc_outer_field(bytes("payload"), &field) == SC_ERR_UNKNOWN_NAME && field == 77);
    CHECK(strncmp(last_log, "chunk 18: ", 10) == 0);
}

void chunks_are_set_as_scripts_say(void)
{
    char buffer[SC_CHUNK_ROOM];
    const char *payload = "OPTIONS sip:bob@example.com SIP/2.0\r\n";
    sc_chunk chunk;

    CHECK(sc_chunk_find(bytes("proto_family"), &chunk) == SC_OK && chunk.field == 1 && !chunk.settable);
    CHECK(sc_chunk_find(bytes("0x11"), &chunk) == SC_OK && chunk.kind == 17 && chunk.field == 0 && chunk.settable);
    CHECK(sc_chunk_find(bytes("6"), &chunk) == SC_OK && chunk.kind == 6 && chunk.field == 4);

    CHECK(set((sc_bytes[]){ bytes("proto_id"), bytes("wss"), nothing, nothing }, buffer, &chunk) == SC_OK);
    CHECK(chunk.field == 2 && chunk.number == 6 && holds(&chunk, "\x32", 1));
    CHECK(set((sc_bytes[]){ bytes("dst_port"), bytes("5061"), nothing, nothing }, buffer, &chunk) == SC_OK);
    CHECK(chunk.kind == 8 && chunk.field == 8 && chunk.number == 5061 && holds(&chunk, "\x13\xc5", 2));
    CHECK(set((sc_bytes[]){ bytes("src_ip"), bytes("::1"), nothing, nothing }, buffer, &chunk) == SC_OK);
    CHECK(chunk.kind == 5 && chunk.field == 3 && chunk.body.len == 16 && chunk.body.ptr == buffer);
    CHECK(set((sc_bytes[]){ bytes("payload"), bytes(payload), nothing, nothing }, buffer, &chunk) == SC_OK);
    CHECK(chunk.kind == 15 && chunk.vendor == 0 && chunk.body.ptr == payload && chunk.body.len == strlen(payload));
    CHECK(set((sc_bytes[]){ bytes("17"), bytes("id"), nothing, nothing }, buffer, &chunk) == SC_OK);
    CHECK(chunk.field == 0 && chunk.vendor == 0 && holds(&chunk, "id", 2));
    CHECK(set((sc_bytes[]){ bytes("31"), bytes("258"), bytes("uint16"), nothing }, buffer, &chunk) == SC_OK);
    CHECK(chunk.vendor == OWN_VENDOR && holds(&chunk, "\1\2", 2));
    CHECK(set((sc_bytes[]){ bytes("uint16"), bytes("31"), bytes("0"), bytes("258") }, buffer, &chunk) == SC_OK);
    CHECK(chunk.kind == 31 && chunk.vendor == 0 && holds(&chunk, "\1\2", 2));
}

void addresses_of_a_packet_are_of_one_family(void)
{
    sc_address source = { 16, { 0x20, 1, 0xd, 0xb8 }, 5060 }, destination = sender, absent = { .port = 7 };
    uint8_t family = 0;

    CHECK(sc_chunk_one_family(&source, &destination, &family) == SC_OK && family == 10);
    CHECK(source.length == 16 && source.ip[0] == 0x20 && source.port == 5060);
    CHECK(destination.length == 16 && destination.ip[11] == 0xff && destination.ip[12] == 127);
    CHECK(destination.port == sender.port);
    source = sender;
    CHECK(sc_chunk_one_family(&source, &destination, &family) == SC_OK && family == 2);
    CHECK(destination.length == 4 && memcmp(destination.ip, sender.ip, 4) == 0 && destination.port == sender.port);
    CHECK(sc_chunk_one_family(&absent, &destination, &family) == SC_OK && family == 2);
    CHECK(absent.length == 0 && absent.port == 7);
    destination.length = 0;
    CHECK(sc_chunk_one_family(&absent, &destination, &family) == SC_OK && family == 0);
}

void chunks_are_read_as_scripts_say(void)
{
    char buffer[SC_CHUNK_ROOM];
    sc_bytes given[SC_CHUNK_ARGUMENTS] = { bytes("uint8"), bytes("18"), nothing, nothing };
    sc_chunk chunk = { .kind = 18, .body = { "\xff", 1 } };
    sc_chunk_arguments arguments;
    sc_variable_value value;

    CHECK(sc_chunk_sort(SC_CHUNK_GET, given, &arguments) == SC_OK && arguments.older);
    CHECK(is(arguments.chunk, "18") && is(arguments.value_type, "uint8"));
    CHECK(sc_chunk_decode(&chunk, arguments.value_type, buffer, &value) == SC_OK);
    CHECK(value.kind == SC_VARIABLE_BOTH && value.number == 255 && is(value.text, "255"));
    CHECK(sc_chunk_decode(&chunk, bytes("uint16"), buffer, &value) == SC_ERR_INVALID_VALUE);
    CHECK(sc_chunk_decode(&chunk, nothing, buffer, &value) == SC_OK);
    CHECK(value.kind == SC_VARIABLE_TEXT && value.text.ptr == chunk.body.ptr && value.text.len == 1);
    chunk = (sc_chunk){ .kind = 2, .number = 3, .body = broken };
    CHECK(sc_chunk_decode(&chunk, nothing, buffer, &value) == SC_OK && is(value.text, "tls"));
    chunk.number = 300;
    CHECK(sc_chunk_decode(&chunk, nothing, buffer, &value) == SC_OK && is(value.text, "unknown"));
    chunk = (sc_chunk){ .kind = 9, .number = UINT32_MAX };
    CHECK(sc_chunk_decode(&chunk, nothing, buffer, &value) == SC_OK && value.number == UINT32_MAX);
    chunk = (sc_chunk){ .kind = 3, .body = { "\x7f\0\0\1", 4 } };
    CHECK(sc_chunk_decode(&chunk, nothing, buffer, &value) == SC_OK && is(value.text, "127.0.0.1"));
    chunk.body = nothing;
    CHECK(sc_chunk_decode(&chunk, nothing, buffer, &value) == SC_OK && value.kind == SC_VARIABLE_NULL);
}

void the_outer_packet_has_fields_of_its_own(void)
{
    char buffer[SC_CHUNK_ROOM];
    sc_outer_packet outer = { .source = sender, .transport = bytes("hep_udp") };
    sc_variable_value value;
    uint32_t field = 0;

    CHECK(sc_outer_field(bytes("src_port"), &field) == SC_OK);
    CHECK(sc_outer_value(field, &outer, buffer, &value) == SC_OK);
    CHECK(value.kind == SC_VARIABLE_BOTH && value.number == 9060 && is(value.text, "9060"));
    CHECK(sc_outer_field(bytes("proto_id"), &field) == SC_OK);
    CHECK(sc_outer_value(field, &outer, buffer, &value) == SC_OK && is(value.text, "hep_udp"));
    CHECK(sc_outer_field(bytes("1"), &field) == SC_OK);
    CHECK(sc_outer_value(field, &outer, buffer, &value) == SC_OK && is(value.text, "AF_INET"));
    CHECK(sc_outer_field(bytes("dst_ip"), &field) == SC_OK);
    CHECK(sc_outer_value(field, &outer, buffer, &value) == SC_OK && value.kind == SC_VARIABLE_NULL);
    CHECK(sc_hep_version_value(3, &value) == SC_OK && value.number == 3 && is(value.text, "3"));
    CHECK(sc_hep_version_value(0, &value) == SC_OK && value.kind == SC_VARIABLE_NULL);
}
