/*
 * What needs no lanes: nulls, names, lists, and what the core says of the host's refusals.
 */
#include <stdio.h>
#include <string.h>

#include "../../c_shim/shared/parameters.h"
#include "walk.h"

void every_null_is_refused(sc_core *core)
{
    sc_core *out = NULL;
    sc_message sip = message();
    sc_hep_verdict verdict = SC_HEP_DONE;
    sc_hep_packet packet;
    sc_variable_value field;
    sc_capture_needs needs = { 0 };
    uint32_t number = 77;
    int32_t product = 77;
    uint64_t value = 77;
    uint8_t is_passed = 77;
    const char *name = NULL;
    sc_bytes text = broken;

    CHECK(sc_core_new(NULL, "kamailio/sipcapture", &out) == SC_ERR_NULL_POINTER);
    CHECK(sc_core_new(&host, NULL, &out) == SC_ERR_NULL_POINTER);
    CHECK(sc_core_new(&host, "kamailio/sipcapture", NULL) == SC_ERR_NULL_POINTER);
    CHECK(out == NULL);
    CHECK(sc_core_free(NULL) == SC_ERR_NULL_POINTER);
    CHECK(sc_core_set_text(NULL, "db_url", nothing) == SC_ERR_NULL_POINTER);
    CHECK(sc_core_set_text(core, NULL, nothing) == SC_ERR_NULL_POINTER);
    CHECK(sc_core_set_text(core, "db_url", broken) == SC_ERR_NULL_POINTER);
    CHECK(sc_core_set_number(NULL, "capture_on", 1) == SC_ERR_NULL_POINTER);
    CHECK(sc_core_set_number(core, NULL, 1) == SC_ERR_NULL_POINTER);
    CHECK(sc_core_check(NULL) == SC_ERR_NULL_POINTER);
    CHECK(sc_core_writers(NULL, &number) == SC_ERR_NULL_POINTER);
    CHECK(sc_core_writers(core, NULL) == SC_ERR_NULL_POINTER);
    CHECK(sc_core_map_lanes(NULL, 1) == SC_ERR_NULL_POINTER);
    CHECK(sc_core_attach(NULL, 0) == SC_ERR_NULL_POINTER);
    CHECK(sc_writer_supervise(NULL, 0) == SC_ERR_NULL_POINTER);
    CHECK(sc_core_finish(NULL) == SC_ERR_NULL_POINTER);
    CHECK(sc_capture_sip(NULL, &sip, nothing, 0) == SC_ERR_NULL_POINTER);
    CHECK(sc_capture_sip(core, NULL, nothing, 0) == SC_ERR_NULL_POINTER);
    sip.payload = broken;
    CHECK(sc_capture_sip(core, &sip, nothing, 0) == SC_ERR_NULL_POINTER);
    CHECK(sc_capture_report(NULL, &sip, nothing, nothing, nothing) == SC_ERR_NULL_POINTER);
    CHECK(sc_capture_report(core, NULL, nothing, nothing, nothing) == SC_ERR_NULL_POINTER);
    sip = message();
    sip.call_id = broken;
    CHECK(sc_capture_sip(core, &sip, nothing, 0) == SC_ERR_NULL_POINTER);
    sip = message();
    CHECK(sc_capture_report(core, &sip, broken, nothing, nothing) == SC_ERR_NULL_POINTER);
    CHECK(sc_capture_report(core, &sip, nothing, broken, nothing) == SC_ERR_NULL_POINTER);
    CHECK(sc_capture_report(core, &sip, nothing, nothing, broken) == SC_ERR_NULL_POINTER);
    CHECK(sc_float2int(broken, nothing, &product) == SC_ERR_NULL_POINTER);
    CHECK(sc_float2int(nothing, nothing, NULL) == SC_ERR_NULL_POINTER && product == 77);
    CHECK(sc_hep_receive(NULL, nothing, &sender, &verdict, &packet) == SC_ERR_NULL_POINTER);
    CHECK(sc_hep_receive(core, broken, &sender, &verdict, &packet) == SC_ERR_NULL_POINTER);
    CHECK(sc_hep_receive(core, nothing, NULL, &verdict, &packet) == SC_ERR_NULL_POINTER);
    CHECK(sc_hep_receive(core, nothing, &nobody, &verdict, &packet) == SC_ERR_INVALID_VALUE);
    CHECK(sc_hep_receive(core, nothing, &sender, NULL, &packet) == SC_ERR_NULL_POINTER);
    CHECK(sc_hep_receive(core, nothing, &sender, &verdict, NULL) == SC_ERR_NULL_POINTER);
    CHECK(verdict == SC_HEP_DONE);
    CHECK(sc_hep_accept(NULL, nothing, &verdict, &packet) == SC_ERR_NULL_POINTER);
    CHECK(sc_hep_accept(core, broken, &verdict, &packet) == SC_ERR_NULL_POINTER);
    CHECK(sc_hep_accept(core, nothing, NULL, &packet) == SC_ERR_NULL_POINTER);
    CHECK(sc_hep_accept(core, nothing, &verdict, NULL) == SC_ERR_NULL_POINTER);
    CHECK(verdict == SC_HEP_DONE);
    CHECK(sc_hep_variable(broken, &number) == SC_ERR_NULL_POINTER);
    CHECK(sc_hep_variable(bytes("version"), NULL) == SC_ERR_NULL_POINTER);
    CHECK(sc_hep_variable(bytes("no such field"), &number) == SC_ERR_UNKNOWN_NAME);
    CHECK(sc_hep_variable(nothing, &number) == SC_ERR_UNKNOWN_NAME && number == 77);
    CHECK(sc_hep_variable_names(NULL) == SC_ERR_NULL_POINTER);
    CHECK(sc_hep_variable_value(NULL, 0, nothing, &field) == SC_ERR_NULL_POINTER);
    CHECK(sc_hep_variable_value(core, 0, broken, &field) == SC_ERR_NULL_POINTER);
    CHECK(sc_hep_variable_value(core, 0, nothing, NULL) == SC_ERR_NULL_POINTER);
    CHECK(sc_capture_setup(NULL, &needs) == SC_ERR_NULL_POINTER);
    CHECK(sc_capture_setup(core, NULL) == SC_ERR_NULL_POINTER);
    CHECK(sc_core_refuse(NULL, "nonsip_hook", nothing, SC_REFUSAL_NO_ROUTE) == SC_ERR_NULL_POINTER);
    CHECK(sc_core_refuse(core, NULL, nothing, SC_REFUSAL_NO_ROUTE) == SC_ERR_NULL_POINTER);
    CHECK(sc_core_refuse(core, "nonsip_hook", broken, SC_REFUSAL_NO_ROUTE) == SC_ERR_NULL_POINTER);
    CHECK(sc_hep_end(NULL, nothing) == SC_ERR_NULL_POINTER);
    CHECK(sc_raw_open(NULL, &number) == SC_ERR_NULL_POINTER);
    CHECK(sc_raw_open(core, NULL) == SC_ERR_NULL_POINTER);
    CHECK(sc_raw_receive(NULL, &packet) == SC_ERR_NULL_POINTER);
    CHECK(sc_raw_receive(core, NULL) == SC_ERR_NULL_POINTER);
    CHECK(sc_hep_end(core, broken) == SC_ERR_NULL_POINTER);
    CHECK(sc_wait_open(NULL) == SC_ERR_NULL_POINTER && sc_wait_begin(NULL) == SC_ERR_NULL_POINTER);
    CHECK(sc_wait_end(NULL) == SC_ERR_NULL_POINTER && sc_wait_clear(NULL) == SC_ERR_NULL_POINTER);
    CHECK(sc_wait_descriptor(NULL, &product) == SC_ERR_NULL_POINTER
          && sc_wait_descriptor(core, NULL) == SC_ERR_NULL_POINTER);
    CHECK(sc_wait_position(NULL, &value) == SC_ERR_NULL_POINTER && sc_wait_position(core, NULL) == SC_ERR_NULL_POINTER);
    CHECK(sc_wait_passed(NULL, 0, &is_passed) == SC_ERR_NULL_POINTER
          && sc_wait_passed(core, 0, NULL) == SC_ERR_NULL_POINTER);
    CHECK(is_passed == 77 && product == 77);
    CHECK(sc_command(NULL, "sipcapture.stats", nothing, &reply) == SC_ERR_NULL_POINTER);
    CHECK(sc_command(core, NULL, nothing, &reply) == SC_ERR_NULL_POINTER);
    CHECK(sc_command(core, "sipcapture.stats", nothing, NULL) == SC_ERR_NULL_POINTER);
    CHECK(sc_command(core, "sipcapture.stats", nothing, &(sc_reply){ 0 }) == SC_ERR_NULL_POINTER);
    CHECK(sc_mode_find(NULL, nothing, &number) == SC_ERR_NULL_POINTER);
    CHECK(sc_mode_find(core, broken, &number) == SC_ERR_NULL_POINTER);
    CHECK(sc_mode_find(core, nothing, NULL) == SC_ERR_NULL_POINTER);
    CHECK(sc_message_call_id(NULL, &sip, &text) == SC_ERR_NULL_POINTER);
    CHECK(sc_message_call_id(core, NULL, &text) == SC_ERR_NULL_POINTER);
    CHECK(sc_message_call_id(core, &sip, NULL) == SC_ERR_NULL_POINTER);
    CHECK(sc_message_redacted(NULL, nothing, &text) == SC_ERR_NULL_POINTER);
    CHECK(sc_message_redacted(core, broken, &text) == SC_ERR_NULL_POINTER);
    CHECK(sc_message_redacted(core, nothing, NULL) == SC_ERR_NULL_POINTER);
    CHECK(text.ptr == NULL && text.len == 5);
    CHECK(sc_counter_at(NULL, 0, &name, &name) == SC_ERR_NULL_POINTER);
    CHECK(sc_counter_at(core, 0, NULL, &name) == SC_ERR_NULL_POINTER);
    CHECK(sc_counter_at(core, 0, &name, NULL) == SC_ERR_NULL_POINTER);
    CHECK(sc_counter_exported(NULL, bytes("g"), bytes("n"), bytes("all"), &name) == SC_ERR_NULL_POINTER);
    CHECK(sc_counter_exported(core, broken, bytes("n"), bytes("all"), &name) == SC_ERR_NULL_POINTER);
    CHECK(sc_counter_exported(core, bytes("g"), broken, bytes("all"), &name) == SC_ERR_NULL_POINTER);
    CHECK(sc_counter_exported(core, bytes("g"), bytes("n"), broken, &name) == SC_ERR_NULL_POINTER);
    CHECK(sc_counter_exported(core, bytes("g"), bytes("n"), bytes("all"), NULL) == SC_ERR_NULL_POINTER);
    CHECK(sc_counter_not_exported(NULL) == SC_ERR_NULL_POINTER);
    CHECK(sc_counter_value(NULL, 0, &value) == SC_ERR_NULL_POINTER);
    CHECK(sc_counter_value(core, 0, NULL) == SC_ERR_NULL_POINTER);
    CHECK(number == 77 && value == 77);
}

void versions_and_names_are_checked(sc_core *core)
{
    sc_host other = host;
    sc_core *out = NULL;
    const char *name = NULL;
    const char *description = NULL;
    uint64_t value = 77;

    other.contract_version++;
    CHECK(sc_core_new(&other, "kamailio/sipcapture", &out) == SC_ERR_CONTRACT_VERSION);
    /* Shims of these lack the answers that sc_trace_send has now. */
    for (uint32_t older = 0; older < SC_CONTRACT_VERSION; older++) {
        other.contract_version = older;
        CHECK(sc_core_new(&other, "kamailio/siptrace", &out) == SC_ERR_CONTRACT_VERSION);
    }
    CHECK(sc_core_new(&host, "kamailio/nosuch", &out) == SC_ERR_UNKNOWN_NAME);
    CHECK(sc_core_new(&host, "\xff", &out) == SC_ERR_UNKNOWN_NAME);
    CHECK(out == NULL);
    CHECK(sc_core_set_text(core, "nosuch", nothing) == SC_ERR_UNKNOWN_NAME);
    CHECK(strstr(last_log, "nosuch") != NULL);
    CHECK(sc_core_set_number(core, "table_name", 1) == SC_ERR_UNKNOWN_NAME);
    CHECK(sc_core_set_number(core, "queue_size", 0) == SC_ERR_INVALID_VALUE);
    CHECK(strstr(last_log, "queue_size") != NULL && strstr(last_log, "1 to 1024 MiB") != NULL);
    CHECK(sc_core_set_text(core, "db_url", bytes("sqlite")) == SC_ERR_INVALID_VALUE);
    CHECK(sc_core_set_text(core, "db_url", bytes("mysql://u:s3cret@h")) == SC_ERR_INVALID_VALUE);
    CHECK(strstr(last_log, "db_url") != NULL && strstr(last_log, "s3cret") == NULL);
    CHECK(sc_command(core, "nosuch", nothing, &reply) == SC_ERR_UNKNOWN_NAME);
    CHECK(sc_counter_at(core, 0, &name, &description) == SC_OK && strcmp(name, "captured_requests") == 0);
    CHECK(sc_counter_at(core, 10000, &name, &description) == SC_ERR_UNKNOWN_NAME);
    CHECK(sc_counter_value(core, 0, &value) == SC_OK && value == 0);
    CHECK(sc_counter_value(core, 10000, &value) == SC_ERR_UNKNOWN_NAME && value == 0);
}

/* Whether `module` lists `wanted`, once, with `kind`. */
static int lists(const char *module, const char *wanted, sc_parameter_kind kind)
{
    const char *name = NULL;
    sc_parameter_kind listed;
    int found = 0;

    for (uint32_t i = 0; sc_parameter_at(module, i, &name, &listed) == SC_OK; i++) {
        found += strcmp(name, wanted) == 0 && listed == kind;
    }
    return found == 1;
}

void parameters_are_listed_for_every_module(void)
{
    static const char *modules[] = { "kamailio/sipcapture", "kamailio/siptrace", "opensips/sipcapture" };
    const char *name = NULL;
    sc_parameter_kind kind = 0;
    uint32_t meant = SC_PARAMETERS;

    CHECK(sc_parameter_at(NULL, 0, &name, &kind) == SC_ERR_NULL_POINTER);
    CHECK(sc_parameter_at(modules[0], 0, NULL, &kind) == SC_ERR_NULL_POINTER);
    CHECK(sc_parameter_at(modules[0], 0, &name, NULL) == SC_ERR_NULL_POINTER);
    CHECK(sc_parameter_at("kamailio/nosuch", 0, &name, &kind) == SC_ERR_UNKNOWN_NAME);
    for (int i = 0; i < 3; i++) {
        CHECK(sc_parameter_at(modules[i], SC_PARAMETERS, &name, &kind) == SC_ERR_UNKNOWN_NAME);
    }
    CHECK(name == NULL && kind == 0);
    CHECK(lists(modules[0], "db_url", SC_PARAMETER_TEXT) && lists(modules[1], "db_url", SC_PARAMETER_TEXT));
    CHECK(lists(modules[0], "capture_mode", SC_PARAMETER_TEXTS)
          && !lists(modules[1], "capture_mode", SC_PARAMETER_TEXTS));
    CHECK(lists(modules[1], "hep_capture_id", SC_PARAMETER_NUMBER)
          && !lists(modules[0], "hep_capture_id", SC_PARAMETER_NUMBER));
    CHECK(sc_parameter_meant(NULL, 0, &meant) == SC_ERR_NULL_POINTER
          && sc_parameter_meant(modules[0], 0, NULL) == SC_ERR_NULL_POINTER);
    CHECK(sc_parameter_meant("kamailio/nosuch", 0, &meant) == SC_ERR_UNKNOWN_NAME);
    CHECK(sc_parameter_meant(modules[0], SC_PARAMETERS, &meant) == SC_ERR_UNKNOWN_NAME && meant == SC_PARAMETERS);
    for (uint32_t i = 0; sc_parameter_at(modules[1], i, &name, &kind) == SC_OK; i++) {
        const char *set = NULL;
        CHECK(sc_parameter_meant(modules[1], i, &meant) == SC_OK
              && sc_parameter_at(modules[1], meant, &set, &kind) == SC_OK);
        CHECK(strcmp(set, strcmp(name, "force_send_sock") == 0 ? "send_sock_addr" : name) == 0);
    }
    CHECK(lists(modules[2], "promiscious_on", SC_PARAMETER_NUMBER)
          && lists(modules[2], "promiscuous_on", SC_PARAMETER_NUMBER));
    CHECK(lists(modules[0], "type_column", SC_PARAMETER_TEXT)
          && lists(modules[1], "direction_column", SC_PARAMETER_TEXT));
}

void commands_are_listed_for_every_module(void)
{
    static const char *modules[] = { "kamailio/sipcapture", "kamailio/siptrace", "opensips/sipcapture" };
    static const char *switches[] = { "sip_capture", "sip_trace", "sip_capture" };
    static const uint32_t counts[] = { 3, 3, 2 };
    const char *name = NULL;
    const char *description = NULL;
    uint8_t takes_argument = 77;

    CHECK(sc_command_at(NULL, 0, &name, &description, &takes_argument) == SC_ERR_NULL_POINTER);
    CHECK(sc_command_at(modules[0], 0, NULL, &description, &takes_argument) == SC_ERR_NULL_POINTER);
    CHECK(sc_command_at(modules[0], 0, &name, NULL, &takes_argument) == SC_ERR_NULL_POINTER);
    CHECK(sc_command_at(modules[0], 0, &name, &description, NULL) == SC_ERR_NULL_POINTER);
    CHECK(sc_command_at("kamailio/nosuch", 0, &name, &description, &takes_argument) == SC_ERR_UNKNOWN_NAME);
    CHECK(name == NULL && description == NULL && takes_argument == 77);
    for (int i = 0; i < 3; i++) {
        sc_core *core = NULL;
        uint32_t count = 0;
        int switches_found = 0;

        CHECK(sc_core_new(&host, modules[i], &core) == SC_OK);
        while (sc_command_at(modules[i], count, &name, &description, &takes_argument) == SC_OK) {
            /* There are no lanes yet, but the command is known. */
            heard[0] = 0;
            CHECK(sc_command(core, name, nothing, &reply) == SC_OK && strcmp(heard, "fault Internal error;") == 0);
            CHECK(description[0] != 0 && takes_argument <= 1);
            switches_found += strcmp(name, switches[i]) == 0 && takes_argument;
            count++;
        }
        CHECK(count == counts[i] && count <= SC_COMMANDS && switches_found == 1);
        CHECK(sc_core_free(core) == SC_OK);
    }
}

/* What only the host can find out, in the core's words. */
void what_the_host_refuses_is_said_by_the_core(sc_core *core)
{
    sc_capture_needs needs = { .asks_script = 77, .unmasks = 77, .takes_hep = 77 };

    CHECK(sc_capture_setup(core, &needs) == SC_OK && needs.asks_script == 0 && needs.unmasks == 0);
    CHECK(needs.takes_hep == 0 && needs.correlation_chunk == 17 && needs.hep_route.len == 0);
    CHECK(sc_core_refuse(core, "event_callback", bytes("on_hep"), SC_REFUSAL_NO_ENGINE) == SC_OK);
    CHECK(strstr(last_log, "event_callback") != NULL && strstr(last_log, "\"on_hep\"") != NULL
          && strstr(last_log, "cfgengine") != NULL);
    CHECK(sc_core_refuse(core, "nonsip_hook", nothing, SC_REFUSAL_EMPTY_ROUTE) == SC_OK);
    CHECK(strstr(last_log, "event_route[sipcapture:request] is empty") != NULL);
    CHECK(sc_core_refuse(core, "capture_on", nothing, SC_REFUSAL_NO_ROUTE) == SC_ERR_UNKNOWN_NAME);
    CHECK(sc_core_refuse(core, "nonsip_hook", nothing, 99) == SC_ERR_INVALID_VALUE);
}

/* This host has no database drivers to lend. */
void a_database_that_nobody_serves_stops_the_start(void)
{
    sc_core *core = NULL;

    CHECK(sc_core_new(&host, "kamailio/sipcapture", &core) == SC_OK);
    CHECK(sc_core_set_text(core, "db_driver", bytes("own")) == SC_ERR_INVALID_VALUE);
    CHECK(strstr(last_log, "auto") != NULL && strstr(last_log, "host") != NULL);
    CHECK(sc_core_set_text(core, "db_driver", bytes("auto")) == SC_OK);
    CHECK(sc_core_set_text(core, "db_url", bytes("oracle://u:s3cret@h/d")) == SC_OK);
    CHECK(sc_core_set_text(core, "db_driver", bytes("host")) == SC_ERR_INVALID_VALUE);
    CHECK(strstr(last_log, "before db_url") != NULL);
    CHECK(sc_core_check(core) == SC_ERR_INVALID_VALUE);
    CHECK(strstr(last_log, "db_oracle") != NULL && strstr(last_log, "s3cret") == NULL);
    CHECK(sc_core_free(core) == SC_OK);
}

/* What is sent on has no secrets where the parameters ask for it. */
void secrets_are_not_redacted(void)
{
    const char *sent = "OPTIONS sip:a@b SIP/2.0\r\nAuthorization: Basic dTpw\r\n\r\n";
    const char *masked = "OPTIONS sip:a@b SIP/2.0\r\nAuthorization: Basic xxxx\r\n\r\n";
    sc_core *core = NULL;
    sc_bytes text = { NULL, 5 };

    CHECK(sc_core_new(&host, "kamailio/sipcapture", &core) == SC_OK);
    CHECK(sc_core_set_text(core, "mask", bytes("Authorization")) == SC_OK);
    CHECK(sc_message_redacted(core, bytes("HEP3\x01"), &text) == SC_ERR_INVALID_VALUE);
    CHECK(strstr(last_log, "not sent on") != NULL && text.ptr == NULL && text.len == 5);
    CHECK(sc_message_redacted(core, bytes(sent), &text) == SC_OK && text.len == strlen(masked));
    CHECK(text.len == strlen(masked) && memcmp(text.ptr, masked, text.len) == 0);
    CHECK(sc_core_free(core) == SC_OK);
}
