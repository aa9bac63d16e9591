/*
 * Walks the contract of c_shim/core.h as a shim would and as none should: nulls everywhere, calls out of order, handles
 * used after their end. Runs under AddressSanitizer; the last line says how many checks held.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "walk.h"

int passed = 0;
int failed = 0;
char last_log[1024];
char last_warning[1024];

void keep_log(sc_log_level level, const char *text, size_t len)
{
    snprintf(last_log, sizeof(last_log), "%.*s", (int)len, text);
    if (level == SC_LOG_WARNING) {
        snprintf(last_warning, sizeof(last_warning), "%.*s", (int)len, text);
    }
}

sc_bytes bytes(const char *text)
{
    sc_bytes bytes = { text, strlen(text) };
    return bytes;
}

int is(sc_bytes given, const char *expected)
{
    return given.len == strlen(expected) && memcmp(given.ptr, expected, given.len) == 0;
}

const sc_bytes nothing = { NULL, 0 };
const sc_bytes broken = { NULL, 5 };
const sc_host host = { .contract_version = SC_CONTRACT_VERSION, .user = -1, .group = -1, .log = keep_log };

const sc_address sender = { 4, { 127, 0, 0, 1 }, 9060 };
const sc_address nobody = { 0 };

sc_message message(void)
{
    sc_message message = { 0 };
    message.source.length = message.destination.length = 4;
    message.source.ip[0] = message.destination.ip[0] = 127;
    message.source.port = 5060;
    message.transport = 1;
    message.payload = bytes(INVITE);
    return message;
}

/* ---- an answer's receiver that remembers what it heard ---- */

char heard[4096];
int depth = 0;

void hear(const char *what, sc_bytes text)
{
    size_t len = strlen(heard);
    snprintf(heard + len, sizeof(heard) - len, "%s%.*s;", what, (int)text.len, text.ptr);
}

static void on_text(void *context, sc_bytes text)
{
    (void)context;
    hear("", text);
}

static void on_fault(void *context, int code, sc_bytes text, sc_bytes detail)
{
    (void)context;
    (void)code;
    hear("fault ", text);
    if (detail.len > 0) {
        hear("", detail);
    }
}

static void on_open(void *context, sc_bytes name)
{
    (void)context;
    (void)name;
    depth++;
}

static void on_close(void *context)
{
    (void)context;
    depth--;
}

static void on_number(void *context, sc_bytes name, uint64_t value)
{
    char text[32];
    (void)context;
    hear("", name);
    snprintf(text, sizeof(text), "=%llu", (unsigned long long)value);
    hear(text, nothing);
}

static void on_word(void *context, sc_bytes name, sc_bytes text)
{
    (void)context;
    hear("", name);
    hear("=", text);
}

const sc_reply reply = { NULL, on_text, on_fault, on_open, on_close, on_number, on_word };

const char *command(sc_core *core, const char *name, const char *argument)
{
    heard[0] = 0;
    CHECK(sc_command(core, name, bytes(argument), &reply) == SC_OK);
    return heard;
}

uint64_t counter_of(sc_core *core, const char *wanted)
{
    const char *name = NULL, *description = NULL;
    uint64_t value = 77;

    for (uint32_t i = 0; sc_counter_at(core, i, &name, &description) == SC_OK; i++) {
        if (strcmp(name, wanted) == 0) {
            CHECK(sc_counter_value(core, i, &value) == SC_OK);
        }
    }
    return value;
}

int main(void)
{
    const char *temporary = getenv("TMPDIR");
    char directory[256];
    char url[300];
    char mode[400];
    char command_line[300];
    sc_core *core = NULL;

    snprintf(directory, sizeof(directory), "%s/sipcapture-contract-XXXXXX", temporary != NULL ? temporary : "/tmp");
    if (mkdtemp(directory) == NULL || sc_core_new(&host, "kamailio/sipcapture", &core) != SC_OK) {
        printf("the walk cannot begin\n");
        return 1;
    }
    snprintf(url, sizeof(url), "sqlite:///%s/new/capture.db", directory);
    every_null_is_refused(core);
    pieces_of_packets_are_checked(core);
    packets_are_written_in_pieces(core);
    a_database_that_nobody_serves_stops_the_start();
    secrets_are_not_redacted();
    versions_and_names_are_checked(core);
    what_the_host_refuses_is_said_by_the_core(core);
    parameters_are_listed_for_every_module();
    commands_are_listed_for_every_module();
    every_null_of_a_chunk_is_refused();
    a_chunk_that_will_not_do_is_said_to_be_wrong();
    chunks_are_set_as_scripts_say();
    addresses_of_a_packet_are_of_one_family();
    chunks_are_read_as_scripts_say();
    the_outer_packet_has_fields_of_its_own();
    of_all_names_of_a_parameter_the_last_value_counts();
    kept_values_reach_the_core_in_the_order_of_the_list();
    snprintf(mode, sizeof(mode), "other=>table_name=a|b;mt_mode=hash;db_url=%s;", url);
    order_is_kept(core, url, mode);
    a_forked_process_needs_a_lane_of_its_own(core);
    captures_are_queued(core);
    who_relays_nothing_says_so(core);
    CHECK(elsewhere(call_what_is_the_owners, core));
    numbers_add_up(core, 0, 7);
    CHECK(sc_core_finish(core) == SC_OK);
    numbers_add_up(core, 7, 0);
    modes_are_counted_apart(core);
    pages_of_exporters_get_names_that_they_take(core);
    answers_are_built_of_what_the_host_has(core);
    answers_that_are_built_at_once_have_names_of_their_own(core);
    a_capture_agent_is_a_module_of_its_own(core, directory);
    a_host_that_decodes_hep_has_a_node_of_its_own(core, directory);
    a_handle_has_one_owner_and_many_readers(directory);
    a_callback_calls_only_what_any_thread_may();
    who_waits_is_told_when_its_captures_have_left_the_queue();
    the_main_process_has_its_own_time_to_store_what_the_writers_leave();
    a_writer_whose_server_is_killed_has_the_main_processs_time();
    a_raw_message_that_is_handed_over_keeps_its_time();
    the_end_is_final(core);
    snprintf(command_line, sizeof(command_line), "rm -r %s", directory);
    CHECK(system(command_line) == 0);
    printf("%d passed, %d failed, 0 skipped\n", passed, failed);
    return failed != 0;
}
