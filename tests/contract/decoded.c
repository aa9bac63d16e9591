/*
 * A capture node whose host decodes HEP packets itself, takes commands under two names, and has parameters that belong
 * to others.
 */
#include <stdio.h>
#include <string.h>

#include "walk.h"

#define MODULE "opensips/sipcapture"

/* Each command has a name among all, and one within its module. */
static void commands_have_two_names(void)
{
    const char *name = NULL;

    CHECK(sc_command_in_module(NULL, 0, &name) == SC_ERR_NULL_POINTER
          && sc_command_in_module(MODULE, 0, NULL) == SC_ERR_NULL_POINTER);
    CHECK(sc_command_in_module("opensips/nosuch", 0, &name) == SC_ERR_UNKNOWN_NAME);
    CHECK(sc_command_in_module(MODULE, SC_COMMANDS, &name) == SC_ERR_UNKNOWN_NAME);
    CHECK(sc_command_in_module("kamailio/sipcapture", 0, &name) == SC_ERR_UNKNOWN_NAME && name == NULL);
    CHECK(sc_command_in_module(MODULE, 0, &name) == SC_OK && strcmp(name, "capture") == 0);
    CHECK(sc_command_in_module(MODULE, 1, &name) == SC_OK && strcmp(name, "stats") == 0);
}

/* Parameters of others are set, and no configuration is told of them. */
static void parameters_of_others_are_not_listed(sc_core *core)
{
    const char *name = NULL;
    sc_parameter_kind kind = 0;

    for (uint32_t i = 0; sc_parameter_at(MODULE, i, &name, &kind) == SC_OK; i++) {
        CHECK(strcmp(name, "db_default_url") != 0 && strcmp(name, "homer5_on") != 0);
    }
    CHECK(sc_core_set_text(core, "db_default_url", bytes("my-sql://u:s3cret@h/d")) == SC_ERR_INVALID_VALUE);
    CHECK(strstr(last_log, "db_default_url") != NULL && strstr(last_log, "s3cret") == NULL);
    CHECK(sc_core_set_text(core, "homer5_on", bytes("0")) == SC_ERR_UNKNOWN_NAME);
    CHECK(sc_core_set_number(core, "homer5_on", 0) == SC_OK);
}

static void the_host_is_told_what_to_do(sc_core *core)
{
    sc_capture_needs needs = { 0 };

    CHECK(sc_core_set_text(core, "hep_route", bytes("my_hep")) == SC_OK);
    CHECK(sc_core_set_number(core, "hep_capture_on", 1) == SC_OK);
    CHECK(sc_capture_setup(core, &needs) == SC_OK && needs.takes_hep == 1 && needs.asks_script == 1);
    CHECK(needs.correlation_chunk == 101 && is(needs.hep_route, "my_hep"));
    CHECK(sc_core_set_number(core, "homer5_on", 1) == SC_OK && sc_capture_setup(core, &needs) == SC_OK);
    CHECK(needs.correlation_chunk == 17);
    CHECK(sc_core_refuse(core, "hep_route", bytes("my_hep"), SC_REFUSAL_NO_ROUTE) == SC_OK);
    CHECK(strstr(last_log, "route[my_hep] is not there") != NULL);
    CHECK(sc_core_refuse(core, "hep_capture_on", bytes("1"), SC_REFUSAL_NO_MODULE) == SC_OK);
    CHECK(strstr(last_log, "load proto_hep.so") != NULL);
}

static void packets_are_taken(sc_core *core)
{
    sc_hep_decoded packet = { .message = message(), .sender = sender };
    sc_metadata *given = &packet.message.metadata;
    sc_hep_verdict verdict = SC_HEP_PASS;

    given->given = SC_GIVEN_HEP_VERSION | SC_GIVEN_IP_PROTOCOL | SC_GIVEN_TIME | SC_GIVEN_AGENT | SC_GIVEN_CORRELATION
                   | SC_GIVEN_PAYLOAD_TYPE | SC_GIVEN_COLLECTOR;
    given->hep_version = 3;
    given->ip_protocol = 22;
    given->time_us = 1700000000000000;
    given->correlation = bytes("leg");
    given->payload_type = 1;
    given->collector = sender;
    CHECK(sc_hep_take(NULL, &packet, &verdict) == SC_ERR_NULL_POINTER);
    CHECK(sc_hep_take(core, NULL, &verdict) == SC_ERR_NULL_POINTER);
    CHECK(sc_hep_take(core, &packet, NULL) == SC_ERR_NULL_POINTER);
    packet.auth_key = broken;
    CHECK(sc_hep_take(core, &packet, &verdict) == SC_ERR_NULL_POINTER);
    packet.auth_key = nothing;
    packet.sender = nobody;
    CHECK(sc_hep_take(core, &packet, &verdict) == SC_ERR_INVALID_VALUE);
    packet.sender = sender;
    given->collector = nobody;
    CHECK(sc_hep_take(core, &packet, &verdict) == SC_ERR_INVALID_VALUE && verdict == SC_HEP_PASS);
    given->collector = sender;
    CHECK(sc_hep_take(core, &packet, &verdict) == SC_OK && verdict == SC_HEP_NEEDS_SCRIPT);
    CHECK(sc_capture_sip(core, &packet.message, nothing, 0) == SC_OK && sc_hep_end(core, nothing) == SC_OK);
    /* What the host's parser refuses is captured with what the packet says. */
    CHECK(sc_hep_take(core, &packet, &verdict) == SC_OK && sc_hep_end(core, bytes("no sip")) == SC_OK);
    given->payload_type = 5;
    CHECK(sc_capture_report(core, &packet.message, nothing, bytes("leg"), nothing) == SC_OK);
    given->payload_type = 256;
    CHECK(sc_capture_report(core, &packet.message, nothing, bytes("leg"), nothing) == SC_ERR_INVALID_VALUE);
    CHECK(strstr(last_log, "256") != NULL && strstr(last_log, "0 to 255") != NULL);
    given->given = SC_GIVEN_HEP_VERSION;
    given->hep_version = 0;
    CHECK(sc_hep_take(core, &packet, &verdict) == SC_OK && verdict == SC_HEP_ROUTE);
    CHECK(sc_hep_end(core, nothing) == SC_OK);
    CHECK(counter_of(core, "captured") == 3 && counter_of(core, "hep_packets") == 2);
    CHECK(counter_of(core, "hep_refused") == 1 && counter_of(core, "captured_requests") == 2);
}

static void answers_are_objects_texts_and_faults_with_a_detail(sc_core *core)
{
    CHECK(strstr(command(core, "capture", ""), "SIP capturing") != NULL && strstr(heard, "on;") != NULL);
    CHECK(strcmp(command(core, "sip_capture", "OFF"), "OK;") == 0);
    CHECK(strcmp(command(core, "capture", "offline"),
                 "fault Bad parameter value;capture_mode should be 'on' or 'off';") == 0);
    CHECK(strcmp(command(core, "capture", "on"), "OK;") == 0);
    CHECK(strstr(command(core, "stats", ""), "captured") != NULL);
}

/* Reports have other columns while the host speaks to Homer 6, in a table of their own. */
static void reports_for_homer_6_are_stored(const char *directory)
{
    sc_message report = message();
    sc_core *core = NULL;
    char url[300];

    CHECK(sc_core_new(&host, MODULE, &core) == SC_OK && sc_core_set_number(core, "homer5_on", 0) == SC_OK);
    snprintf(url, sizeof(url), "sqlite:///%s/decoded/homer6.db", directory);
    CHECK(sc_core_set_text(core, "db_url", bytes(url)) == SC_OK
          && sc_core_set_text(core, "spool_dir", nothing) == SC_OK);
    CHECK(sc_core_set_text(core, "rtcp_table_name", bytes("ops_report_capture")) == SC_OK);
    CHECK(sc_core_set_number(core, "capture_on", 1) == SC_OK && sc_core_check(core) == SC_OK);
    CHECK(sc_core_map_lanes(core, 1) == SC_OK && sc_core_attach(core, 0) == SC_OK);
    report.payload = bytes("{\"Event\":\"Answered\"}");
    report.metadata.given = SC_GIVEN_HEP_VERSION | SC_GIVEN_COLLECTOR | SC_GIVEN_AGENT;
    report.metadata.hep_version = 3;
    report.metadata.collector = sender;
    report.metadata.agent = 0xffffffffu;
    CHECK(sc_capture_report(core, &report, nothing, bytes("leg"), nothing) == SC_OK);
    report.payload = bytes("no JSON");
    CHECK(sc_capture_report(core, &report, nothing, bytes("leg"), nothing) == SC_OK);
    CHECK(sc_core_finish(core) == SC_OK && counter_of(core, "stored") == 2);
    CHECK(sc_core_free(core) == SC_OK);
}

void a_host_that_decodes_hep_has_a_node_of_its_own(sc_core *other, const char *directory)
{
    sc_hep_decoded packet = { .message = message(), .sender = sender };
    sc_hep_verdict verdict = SC_HEP_PASS;
    sc_core *core = NULL;
    char url[300];

    CHECK(sc_hep_take(other, &packet, &verdict) == SC_ERR_WRONG_STATE && verdict == SC_HEP_PASS);
    commands_have_two_names();
    CHECK(sc_core_new(&host, MODULE, &core) == SC_OK);
    parameters_of_others_are_not_listed(core);
    the_host_is_told_what_to_do(core);
    snprintf(url, sizeof(url), "sqlite://%s/decoded/sip.db", directory); /* the path is absolute */
    CHECK(sc_core_set_text(core, "db_default_url", bytes(url)) == SC_OK);
    CHECK(sc_core_set_text(core, "spool_dir", nothing) == SC_OK && sc_core_set_number(core, "capture_on", 1) == SC_OK);
    CHECK(sc_core_check(core) == SC_OK);
    CHECK(sc_hep_take(core, &packet, &verdict) == SC_ERR_WRONG_STATE);
    CHECK(sc_core_map_lanes(core, 1) == SC_OK && sc_core_attach(core, 0) == SC_OK);
    packets_are_taken(core);
    answers_are_objects_texts_and_faults_with_a_detail(core);
    CHECK(sc_hep_relay(core, bytes("tel:1"), bytes("HEP3")) == SC_ERR_INVALID_VALUE);
    CHECK(strstr(last_log, "tel:1") != NULL);
    CHECK(sc_core_finish(core) == SC_OK && counter_of(core, "stored") == 3);
    CHECK(sc_core_free(core) == SC_OK && sc_hep_take(core, &packet, &verdict) == SC_ERR_UNKNOWN_HANDLE);
    reports_for_homer_6_are_stored(directory);
}
