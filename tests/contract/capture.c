/*
 * A capture node from its check to its end: the order of calls, captures, numbers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "walk.h"

void order_is_kept(sc_core *core, const char *url, const char *mode)
{
    sc_message sip = message();
    sc_hep_verdict verdict = SC_HEP_DONE;
    sc_hep_packet packet;
    uint32_t writers = 77;

    CHECK(sc_core_writers(core, &writers) == SC_ERR_WRONG_STATE && writers == 77);
    CHECK(sc_raw_open(core, &writers) == SC_ERR_WRONG_STATE && writers == 77);
    CHECK(sc_mode_find(core, nothing, &writers) == SC_ERR_WRONG_STATE && writers == 77);
    CHECK(sc_core_map_lanes(core, 2) == SC_ERR_WRONG_STATE);
    CHECK(sc_core_attach(core, 0) == SC_ERR_WRONG_STATE);
    CHECK(sc_writer_supervise(core, 0) == SC_ERR_WRONG_STATE);
    CHECK(sc_capture_sip(core, &sip, nothing, 0) == SC_ERR_WRONG_STATE);
    CHECK(sc_core_finish(core) == SC_OK);
    CHECK(strcmp(command(core, "sipcapture.status", "check"), "fault Internal error;") == 0);

    CHECK(sc_core_set_text(core, "db_url", bytes(url)) == SC_OK);
    CHECK(sc_core_set_text(core, "capture_mode", bytes(mode)) == SC_OK);
    CHECK(sc_core_set_number(core, "capture_on", 1) == SC_OK);
    CHECK(sc_core_set_number(core, "hep_capture_on", 1) == SC_OK);
    CHECK(sc_core_set_number(core, "queue_size", 1) == SC_OK);
    CHECK(sc_core_check(core) == SC_OK);
    CHECK(sc_core_set_number(core, "capture_on", 0) == SC_ERR_WRONG_STATE);
    CHECK(sc_core_set_text(core, "table_name", bytes("t")) == SC_ERR_WRONG_STATE);
    CHECK(sc_core_writers(core, &writers) == SC_OK && writers == 1);
    CHECK(sc_raw_open(core, &writers) == SC_OK && writers == 0); /* raw capture is off */
    CHECK(sc_mode_find(core, bytes("other"), &writers) == SC_OK && writers == 1);
    CHECK(sc_mode_find(core, nothing, &writers) == SC_OK && writers == 0);
    CHECK(sc_mode_find(core, bytes("none"), &writers) == SC_ERR_UNKNOWN_NAME && writers == 0);
    CHECK(strstr(last_log, "none") != NULL && strstr(last_log, "default, other") != NULL);

    CHECK(sc_core_map_lanes(core, 0) == SC_ERR_IO);
    CHECK(sc_core_map_lanes(core, 2) == SC_OK);
    CHECK(sc_core_map_lanes(core, 2) == SC_ERR_WRONG_STATE);
    CHECK(sc_capture_sip(core, &sip, nothing, 0) == SC_ERR_WRONG_STATE);
    CHECK(sc_hep_receive(core, bytes("HEP3"), &sender, &verdict, &packet) == SC_ERR_WRONG_STATE);
    CHECK(sc_raw_receive(core, &packet) == SC_ERR_WRONG_STATE);
    CHECK(sc_core_attach(core, 2) == SC_ERR_WRONG_STATE);
    CHECK(sc_writer_supervise(core, 1) == SC_ERR_WRONG_STATE);
    CHECK(sc_core_attach(core, 0) == SC_OK);
    CHECK(sc_core_attach(core, 0) == SC_OK);
    CHECK(sc_core_attach(core, 1) == SC_ERR_WRONG_STATE);
    CHECK(sc_raw_receive(core, &packet) == SC_ERR_WRONG_STATE);
}

void a_forked_process_needs_a_lane_of_its_own(sc_core *core)
{
    int status = -1;
    pid_t child = fork();

    if (child == 0) {
        sc_message sip = message();
        int good = sc_capture_sip(core, &sip, nothing, 0) == SC_ERR_WRONG_STATE;
        good = good && sc_core_attach(core, 0) == SC_ERR_WRONG_STATE;
        good = good && sc_core_attach(core, 1) == SC_OK;
        good = good && sc_capture_sip(core, &sip, nothing, 0) == SC_OK;
        _exit(good ? 0 : 1);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

void captures_are_queued(sc_core *core)
{
    sc_message sip = message();
    sc_hep_verdict verdict = SC_HEP_DONE;
    sc_hep_packet packet;
    sc_variable_value field;
    const char *names = NULL;
    sc_bytes text = nothing;
    uint32_t variable = 0;
    int32_t product = 0;
    /* version 1: IPv4, UDP, 192.0.2.1:5060 to 192.0.2.2:5061 */
    char datagram[16 + sizeof(INVITE) - 1] = { 1, 16, 2, 17, 0x13, (char)0xc4, 0x13, (char)0xc5, (char)192, 0, 2, 1,
        (char)192, 0, 2, 2 };
    sc_bytes hep = { datagram, sizeof(datagram) };

    CHECK(sc_message_call_id(core, &sip, &text) == SC_OK && text.len == strlen("contract@example.com"));
    CHECK(memcmp(text.ptr, "contract@example.com", text.len) == 0);
    CHECK(sc_message_redacted(core, sip.payload, &text) == SC_OK && text.ptr == sip.payload.ptr
          && text.len == sip.payload.len);
    sip.metadata.given =
        SC_GIVEN_HEP_VERSION | SC_GIVEN_IP_PROTOCOL | SC_GIVEN_TIME | SC_GIVEN_AGENT | SC_GIVEN_CORRELATION;
    sip.metadata.hep_version = 3;
    sip.metadata.ip_protocol = 17;
    sip.metadata.time_us = 1700000000000000;
    sip.metadata.agent = 7;
    sip.metadata.correlation = bytes("told");
    sip.custom[0] = bytes("value");
    sip.custom[2] = bytes("");
    CHECK(sc_capture_sip(core, &sip, nothing, 0) == SC_OK);
    sip.metadata.hep_version = 4;
    CHECK(sc_capture_sip(core, &sip, nothing, 0) == SC_ERR_INVALID_VALUE);
    sip.metadata.given = 0;
    CHECK(sc_capture_sip(core, &sip, bytes("other_%Y"), 0) == SC_OK);
    sip.custom[1] = broken;
    CHECK(sc_capture_sip(core, &sip, nothing, 0) == SC_ERR_NULL_POINTER);
    sip = message();
    CHECK(sc_capture_sip(core, &sip, nothing, 1) == SC_OK);
    CHECK(sc_capture_sip(core, &sip, nothing, 2) == SC_ERR_INVALID_VALUE);
    sip.payload = bytes("OPTIONS sip:a@b SIP/2.0\r\nCSeq: 1 OPTIONS\r\n\r\n");
    CHECK(sc_capture_sip(core, &sip, nothing, 1) == SC_ERR_REFUSED);
    sip.call_id = bytes("unmasked");
    CHECK(sc_capture_sip(core, &sip, nothing, 1) == SC_OK);
    sip = message();
    CHECK(sc_capture_report(core, &sip, bytes("reports"), bytes("id"), bytes("body")) == SC_OK);
    CHECK(sc_float2int(bytes("4.2"), bytes("10"), &product) == SC_OK && product == 42);
    CHECK(sc_capture_sip(core, &sip, bytes("no;good"), 0) == SC_ERR_INVALID_VALUE);
    CHECK(strstr(last_log, "no;good") != NULL);
    sip.source.length = 7;
    CHECK(sc_capture_sip(core, &sip, nothing, 0) == SC_ERR_INVALID_VALUE);
    sip = message();
    sip.payload.len = 300000;
    sip.payload.ptr = calloc(1, sip.payload.len);
    CHECK(sc_capture_sip(core, &sip, nothing, 0) == SC_ERR_TOO_LARGE);
    free((char *)sip.payload.ptr);

    CHECK(sc_hep_receive(core, bytes("OPTIONS sip:a SIP/2.0\r\n\r\n"), &sender, &verdict, &packet) == SC_OK
          && verdict == SC_HEP_PASS);
    CHECK(sc_hep_receive(core, nothing, &sender, &verdict, &packet) == SC_OK && verdict == SC_HEP_PASS);
    CHECK(sc_hep_receive(core, bytes("HEP3\x01"), &sender, &verdict, &packet) == SC_OK && verdict == SC_HEP_DONE);
    memcpy(datagram + 16, INVITE, sizeof(INVITE) - 1);
    CHECK(sc_hep_receive(core, hep, &sender, &verdict, &packet) == SC_OK && verdict == SC_HEP_ROUTE);
    CHECK(packet.version == 1 && packet.transport == 1 && packet.source.length == 4 && packet.source.port == 5060);
    CHECK(packet.destination.ip[3] == 2 && packet.destination.port == 5061);
    CHECK(packet.time_us == 0); /* this version has none */
    CHECK(packet.payload.ptr == datagram + 16 && packet.payload.len == sizeof(INVITE) - 1);
    CHECK(sc_hep_accept(core, hep, &verdict, &packet) == SC_ERR_WRONG_STATE); /* the script was not asked */
    CHECK(sc_hep_variable(bytes("src_port"), &variable) == SC_OK);
    CHECK(sc_hep_variable_value(core, variable, hep, &field) == SC_OK && field.kind == SC_VARIABLE_NUMBER
          && field.number == 5060);
    CHECK(sc_hep_variable(bytes("0x00f"), &variable) == SC_OK);
    CHECK(sc_hep_variable_value(core, variable, hep, &field) == SC_OK && field.kind == SC_VARIABLE_TEXT);
    CHECK(field.text.len == sizeof(INVITE) - 1
          && field.text.ptr == datagram + 16); /* the packet's own bytes, of which nobody has made a copy */
    CHECK(sc_hep_variable_value(core, variable, nothing, &field) == SC_OK && field.kind == SC_VARIABLE_NULL);
    CHECK(sc_hep_variable_names(&names) == SC_OK && strstr(names, "correlation_id") != NULL);
    CHECK(sc_hep_end(core, packet.payload) == SC_OK); /* refused by the host: captured all the same */
    CHECK(sc_hep_end(core, packet.payload) == SC_OK); /* nothing is at hand any more */
    CHECK(sc_hep_variable_value(core, variable, hep, &field) == SC_OK && field.kind == SC_VARIABLE_NULL);
    CHECK(sc_hep_variable_value(core, UINT32_MAX, hep, &field) == SC_OK && field.kind == SC_VARIABLE_NULL);

    CHECK(strcmp(command(core, "sipcapture.status", "OFFline"), "Disabled;") == 0);
    sip = message();
    CHECK(sc_capture_sip(core, &sip, nothing, 0) == SC_ERR_CAPTURE_OFF);
    CHECK(strcmp(command(core, "sipcapture.status", "on"), "Enabled;") == 0);
    CHECK(strcmp(command(core, "sipcapture.status", "check"), "Enabled;") == 0);
    CHECK(strcmp(command(core, "sipcapture.status", ""), "fault Not enough parameters (on, off or check);") == 0);
    CHECK(strcmp(command(core, "sipcapture.status", "x"), "fault Bad parameter (on, off or check);") == 0);
    CHECK(strcmp(command(core, "sip_capture", ""), "on;") == 0);
    CHECK(strcmp(command(core, "sip_capture", "off"), "off;") == 0);
    CHECK(strcmp(command(core, "sip_capture", "on"), "on;") == 0);
    CHECK(strcmp(command(core, "sip_capture", "only"), "fault Bad parameter (on or off);") == 0);
}

void numbers_add_up(sc_core *core, uint64_t stored, uint64_t queued)
{
    char expected[128];
    const char *stats = command(core, "sipcapture.stats", "");

    snprintf(expected, sizeof(expected), "captured;=%llu;", (unsigned long long)(stored + queued + 1));
    CHECK(strstr(stats, expected) != NULL);
    snprintf(expected, sizeof(expected), "stored;=%llu;spooled;=0;queued;=%llu;dead_lettered;=0;dropped;=1;",
            (unsigned long long)stored, (unsigned long long)queued);
    CHECK(strstr(stats, expected) != NULL);
    CHECK(depth == 0);
}

void modes_are_counted_apart(sc_core *core)
{
    const char *name = NULL;
    const char *description = NULL;
    uint64_t value = 0;
    uint32_t found = 0;

    for (uint32_t i = 0; sc_counter_at(core, i, &name, &description) == SC_OK; i++) {
        if (strcmp(name, "captured_requests") == 0) {
            CHECK(sc_counter_value(core, i, &value) == SC_OK && value == 4);
            found++;
        } else if (strcmp(name, "captured_requests[other]") == 0) {
            CHECK(sc_counter_value(core, i, &value) == SC_OK && value == 2);
            found++;
        } else if (strcmp(name, "captured_replies[other]") == 0) {
            CHECK(sc_counter_value(core, i, &value) == SC_OK && value == 0);
            found++;
        }
    }
    CHECK(found == 3);
}

/* The name that a page that shows `shown` gives to `counter` of `group`; NULL for none of its own. */
static const char *exported(sc_core *core, const char *group, const char *counter, const char *shown)
{
    const char *name = NULL;
    return sc_counter_exported(core, bytes(group), bytes(counter), bytes(shown), &name) == SC_OK ? name : NULL;
}

void pages_of_exporters_get_names_that_they_take(sc_core *core)
{
    const char *name = exported(core, "sipcapture", "captured_requests[other]", "all");

    CHECK(name != NULL && strcmp(name, "captured_requests_other") == 0);
    CHECK(exported(core, "sipcapture", "captured_requests[other]", "sipcapture:") == name);
    CHECK(exported(core, "sipcapture", "captured_requests[other]", "captured_requests[other]") == name);
    CHECK(exported(core, "sipcapture", "captured_requests[other]", "core:") == NULL);
    CHECK(exported(core, "sipcapture", "captured_requests", "all") == NULL);
    CHECK(exported(core, "sipcapture", "nosuch", "all") == NULL);
    last_log[0] = 0;
    CHECK(sc_counter_not_exported(core) == SC_OK && strstr(last_log, "mode_statistics=plain") != NULL);
}

void the_end_is_final(sc_core *core)
{
    sc_message sip = message();

    CHECK(sc_core_free(core) == SC_OK);
    CHECK(sc_core_free(core) == SC_ERR_UNKNOWN_HANDLE);
    CHECK(sc_core_check(core) == SC_ERR_UNKNOWN_HANDLE);
    CHECK(sc_capture_sip(core, &sip, nothing, 0) == SC_ERR_UNKNOWN_HANDLE);
    CHECK(sc_core_finish((sc_core *)&sip) == SC_ERR_UNKNOWN_HANDLE);
}
