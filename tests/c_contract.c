/*
 * Walks the contract of c_shim/core.h as a shim would and as none should: nulls everywhere, calls out of order, handles used
 * after their end. Runs under AddressSanitizer; the last line says how many checks held.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core.h"
#include "shared/parameters.h"
#include "shared/reply.h"

static int passed = 0;
static int failed = 0;
static char last_log[1024];
static char last_warning[1024];

#define CHECK(what)                                                       \
    do {                                                                  \
        if (what) {                                                       \
            passed++;                                                     \
        } else {                                                          \
            failed++;                                                     \
            printf("%s:%d does not hold: %s\n", __FILE__, __LINE__, #what); \
        }                                                                 \
    } while (0)

static void keep_log(sc_log_level level, const char *text, size_t len)
{
    snprintf(last_log, sizeof(last_log), "%.*s", (int)len, text);
    if (level == SC_LOG_WARNING) {
        snprintf(last_warning, sizeof(last_warning), "%.*s", (int)len, text);
    }
}

static sc_bytes bytes(const char *text)
{
    sc_bytes bytes = { text, strlen(text) };
    return bytes;
}

static const sc_bytes nothing = { NULL, 0 };
static const sc_bytes broken = { NULL, 5 };
static const sc_host host = { .contract_version = SC_CONTRACT_VERSION, .user = -1, .group = -1, .log = keep_log };

static const sc_address sender = { 4, { 127, 0, 0, 1 }, 9060 };
static const sc_address nobody = { 0 };

static const char invite[] = "INVITE sip:bob@example.com SIP/2.0\r\n"
                             "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n"
                             "From: <sip:alice@example.com>;tag=1\r\nTo: <sip:bob@example.com>\r\n"
                             "Call-ID: contract@example.com\r\nCSeq: 1 INVITE\r\n\r\n";

static sc_message message(void)
{
    sc_message message = { 0 };
    message.source.length = message.destination.length = 4;
    message.source.ip[0] = message.destination.ip[0] = 127;
    message.source.port = 5060;
    message.transport = 1;
    message.payload = bytes(invite);
    return message;
}

/* ---- an answer's receiver that remembers what it heard ---- */

static char heard[4096];
static int depth = 0;

static void hear(const char *what, sc_bytes text)
{
    size_t len = strlen(heard);
    snprintf(heard + len, sizeof(heard) - len, "%s%.*s;", what, (int)text.len, text.ptr);
}

static void on_text(void *context, sc_bytes text)
{
    (void)context;
    hear("", text);
}

static void on_fault(void *context, int code, sc_bytes text)
{
    (void)context;
    (void)code;
    hear("fault ", text);
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

static const sc_reply reply = { NULL, on_text, on_fault, on_open, on_close, on_number, on_word };

static const char *command(sc_core *core, const char *name, const char *argument)
{
    heard[0] = 0;
    CHECK(sc_command(core, name, bytes(argument), &reply) == SC_OK);
    return heard;
}

/* ---- the walk ---- */

static void every_null_is_refused(sc_core *core)
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

static void versions_and_names_are_checked(sc_core *core)
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

static void parameters_are_listed_for_every_module(void)
{
    static const char *modules[] = { "kamailio/sipcapture", "kamailio/siptrace" };
    const char *name = NULL;
    sc_parameter_kind kind = 0;
    uint32_t meant = SC_PARAMETERS;

    CHECK(sc_parameter_at(NULL, 0, &name, &kind) == SC_ERR_NULL_POINTER);
    CHECK(sc_parameter_at(modules[0], 0, NULL, &kind) == SC_ERR_NULL_POINTER);
    CHECK(sc_parameter_at(modules[0], 0, &name, NULL) == SC_ERR_NULL_POINTER);
    CHECK(sc_parameter_at("kamailio/nosuch", 0, &name, &kind) == SC_ERR_UNKNOWN_NAME);
    for (int i = 0; i < 2; i++) {
        CHECK(sc_parameter_at(modules[i], SC_PARAMETERS, &name, &kind) == SC_ERR_UNKNOWN_NAME);
    }
    CHECK(name == NULL && kind == 0);
    CHECK(lists(modules[0], "db_url", SC_PARAMETER_TEXT) && lists(modules[1], "db_url", SC_PARAMETER_TEXT));
    CHECK(lists(modules[0], "capture_mode", SC_PARAMETER_TEXTS) && !lists(modules[1], "capture_mode", SC_PARAMETER_TEXTS));
    CHECK(lists(modules[1], "hep_capture_id", SC_PARAMETER_NUMBER) && !lists(modules[0], "hep_capture_id", SC_PARAMETER_NUMBER));
    CHECK(sc_parameter_meant(NULL, 0, &meant) == SC_ERR_NULL_POINTER && sc_parameter_meant(modules[0], 0, NULL) == SC_ERR_NULL_POINTER);
    CHECK(sc_parameter_meant("kamailio/nosuch", 0, &meant) == SC_ERR_UNKNOWN_NAME);
    CHECK(sc_parameter_meant(modules[0], SC_PARAMETERS, &meant) == SC_ERR_UNKNOWN_NAME && meant == SC_PARAMETERS);
    for (uint32_t i = 0; sc_parameter_at(modules[1], i, &name, &kind) == SC_OK; i++) {
        const char *set = NULL;
        CHECK(sc_parameter_meant(modules[1], i, &meant) == SC_OK && sc_parameter_at(modules[1], meant, &set, &kind) == SC_OK);
        CHECK(strcmp(set, strcmp(name, "force_send_sock") == 0 ? "send_sock_addr" : name) == 0);
    }
    CHECK(lists(modules[0], "type_column", SC_PARAMETER_TEXT) && lists(modules[1], "direction_column", SC_PARAMETER_TEXT));
}

static void commands_are_listed_for_every_module(void)
{
    static const char *modules[] = { "kamailio/sipcapture", "kamailio/siptrace" };
    static const char *switches[] = { "sip_capture", "sip_trace" };
    const char *name = NULL;
    const char *description = NULL;
    uint8_t takes_argument = 77;

    CHECK(sc_command_at(NULL, 0, &name, &description, &takes_argument) == SC_ERR_NULL_POINTER);
    CHECK(sc_command_at(modules[0], 0, NULL, &description, &takes_argument) == SC_ERR_NULL_POINTER);
    CHECK(sc_command_at(modules[0], 0, &name, NULL, &takes_argument) == SC_ERR_NULL_POINTER);
    CHECK(sc_command_at(modules[0], 0, &name, &description, NULL) == SC_ERR_NULL_POINTER);
    CHECK(sc_command_at("kamailio/nosuch", 0, &name, &description, &takes_argument) == SC_ERR_UNKNOWN_NAME);
    CHECK(name == NULL && description == NULL && takes_argument == 77);
    for (int i = 0; i < 2; i++) {
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
        CHECK(count == 3 && count <= SC_COMMANDS && switches_found == 1);
        CHECK(sc_core_free(core) == SC_OK);
    }
}

/* Sets parameter `name` as a host that reads its configuration. */
static void configure(const char *name, void *value)
{
    const listed_parameter *listed;
    int found = 0;

    for (uint32_t i = 0; (listed = parameters_at(i)) != NULL; i++) {
        if (strcmp(listed->name, name) == 0) {
            CHECK(listed->keep(0, value) == 0);
            found++;
        }
    }
    CHECK(found == 1);
}

/* What every shim does with parameters (c_shim/shared/parameters.c). */
static void kept_values_reach_the_core_in_the_order_of_the_list(void)
{
    sc_core *core = NULL;
    uint32_t count = 0;
    uint32_t mode = 77;
    uint32_t readers = 77;

    CHECK(!parameters_read("kamailio/nosuch") && parameters_at(0) == NULL);
    CHECK(parameters_read("kamailio/sipcapture"));
    while (parameters_at(count) != NULL) {
        count++;
    }
    CHECK(count > 70 && count <= SC_PARAMETERS);
    /* Each number has a function of its own, the last as well as the first. */
    CHECK(parameters_number("queue_size", -5) == -5);
    configure("queue_size", (void *)(long)1);
    configure("queue_size", (void *)(long)2);
    configure("batch_size", (void *)(long)-2147483647 - 1);
    CHECK(parameters_number("queue_size", -5) == 2 && parameters_number("batch_size", 0) == -2147483647 - 1);
    CHECK(parameters_number("flush_interval", -5) == -5 && parameters_number("nosuch", -5) == -5);
    /* Of modes each counts, of other texts the last; db_driver, set behind the URLs, comes before them. */
    configure("capture_mode", "one=>table_name=a;mt_mode=rand;db_url=text:///x;");
    configure("capture_mode", "two=>table_name=b;mt_mode=rand;db_url=text:///x;");
    configure("db_url", "no URL");
    configure("db_url", "text:///x");
    configure("db_driver", "host");
    CHECK(sc_core_new(&host, "kamailio/sipcapture", &core) == SC_OK);
    last_log[0] = 0;
    CHECK(!parameters_hand_on(core) && strstr(last_log, "batch_size") != NULL && strstr(last_log, "-2147483648") != NULL);
    CHECK(sc_core_free(core) == SC_OK);
    configure("batch_size", (void *)(long)10);
    CHECK(sc_core_new(&host, "kamailio/sipcapture", &core) == SC_OK && parameters_hand_on(core));
    /* The host's drivers are asked for: this host has none. */
    CHECK(sc_core_check(core) == SC_ERR_INVALID_VALUE && strstr(last_log, "db_text") != NULL);
    CHECK(sc_mode_find(core, bytes("two"), &mode) == SC_ERR_WRONG_STATE && sc_raw_open(core, &readers) != SC_OK);
    CHECK(sc_core_free(core) == SC_OK);
}

/* Whether of two values, the earlier under `first`, the later under `second`, the later one reaches the core. In a process of its own, since values stay kept. */
static int the_later_counts(const char *first, const char *second)
{
    int status = -1;
    pid_t child = fork();

    if (child == 0) {
        sc_core *core = NULL;
        sc_trace_needs needs = { 0 };
        int before = failed;

        CHECK(parameters_read("kamailio/siptrace"));
        configure(first, "sip:192.0.2.1");
        configure(second, "sip:192.0.2.22");
        CHECK(sc_core_new(&host, "kamailio/siptrace", &core) == SC_OK && parameters_hand_on(core));
        CHECK(sc_trace_setup(core, &needs) == SC_OK && needs.socket_uri.len == 14 && memcmp(needs.socket_uri.ptr, "sip:192.0.2.22", 14) == 0);
        fflush(stdout);
        _exit(failed != before);
    }
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

static void of_all_names_of_a_parameter_the_last_value_counts(void)
{
    CHECK(the_later_counts("send_sock_addr", "force_send_sock"));
    CHECK(the_later_counts("force_send_sock", "send_sock_addr"));
    CHECK(the_later_counts("force_send_sock", "force_send_sock"));
}

/* ---- answers as every shim builds them (c_shim/shared/reply.c) ---- */

static int groups[8];
static int made = 0;

static void build_text(void *context, sc_bytes text)
{
    CHECK(context == &made);
    hear("", text);
}

static void build_fault(void *context, int code, sc_bytes text)
{
    CHECK(context == &made && code == 500);
    hear("fault ", text);
}

static void *build_group(void *context, void *outer, const char *name)
{
    CHECK(context == &made && (outer == NULL) == (name == NULL));
    hear("{", bytes(name != NULL ? name : ""));
    /* No memory for this one: what belongs to it is left out, and nothing else. */
    if (name != NULL && strcmp(name, "writer") == 0) {
        return NULL;
    }
    return &groups[made++ % 8];
}

static void build_number(void *context, void *group, const char *name, uint64_t value)
{
    CHECK(context == &made && group != NULL && value <= 3);
    hear("", bytes(name));
}

static void build_word(void *context, void *group, const char *name, sc_bytes text)
{
    CHECK(context == &made && group != NULL);
    hear(name, text);
}

static void answers_are_built_of_what_the_host_has(sc_core *core)
{
    static const reply_builder builder = { build_text, build_fault, build_group, build_number, build_word, 3 };

    heard[0] = 0;
    reply_to_command(core, "sipcapture.status", bytes("check"), &builder, &made);
    CHECK(strcmp(heard, "Enabled;") == 0 || strcmp(heard, "Disabled;") == 0);
    heard[0] = 0;
    reply_to_command(core, "sipcapture.stats", nothing, &builder, &made);
    CHECK(strncmp(heard, "{;", 2) == 0 && strstr(heard, "{dropped_by_reason;queue_full;") != NULL);
    /* 8 is more than this host's numbers hold. */
    CHECK(strstr(heard, ";captured8;") != NULL && strstr(heard, ";queue_full;") != NULL);
    CHECK(strstr(heard, "{writer;") != NULL && strstr(heard, "restarts;") == NULL && strstr(heard, "{sink_0;url") != NULL);
    heard[0] = 0;
    reply_to_command(core, "nosuch", nothing, &builder, &made);
    CHECK(strcmp(heard, "fault Internal error;") == 0);
    heard[0] = 0;
    reply_to_command(core, "sipcapture.status", bytes("nonsense"), &builder, &made);
    CHECK(strncmp(heard, "fault ", 6) == 0 && strstr(heard, "on, off or check") != NULL);
}

static void *build_any(void *context, void *outer, const char *name)
{
    (void)outer;
    (void)name;
    return context;
}

static void build_any_word(void *context, void *group, const char *name, sc_bytes text)
{
    (void)context;
    (void)group;
    (void)name;
    (void)text;
}

static int numbers_built = 0;

/* While the first number of an answer is built, a whole other answer is, as in another thread: the name stays what it is. */
static void build_within(void *context, void *group, const char *name, uint64_t value)
{
    static const reply_builder builder = { build_text, build_fault, build_any, build_within, build_any_word, UINT64_MAX };
    char before[64];

    (void)group;
    (void)value;
    if (numbers_built++ > 0) {
        return;
    }
    snprintf(before, sizeof(before), "%s", name);
    reply_to_command(context, "sipcapture.stats", nothing, &builder, context);
    CHECK(strcmp(name, before) == 0);
}

static void answers_that_are_built_at_once_have_names_of_their_own(sc_core *core)
{
    static const reply_builder builder = { build_text, build_fault, build_any, build_within, build_any_word, UINT64_MAX };

    reply_to_command(core, "sipcapture.stats", nothing, &builder, core);
    CHECK(numbers_built > 20); /* of both answers */
}

/* What only the host can find out, in the core's words. */
static void what_the_host_refuses_is_said_by_the_core(sc_core *core)
{
    sc_capture_needs needs = { 77, 77 };

    CHECK(sc_capture_setup(core, &needs) == SC_OK && needs.asks_script == 0 && needs.unmasks == 0);
    CHECK(sc_core_refuse(core, "event_callback", bytes("on_hep"), SC_REFUSAL_NO_ENGINE) == SC_OK);
    CHECK(strstr(last_log, "event_callback") != NULL && strstr(last_log, "\"on_hep\"") != NULL && strstr(last_log, "cfgengine") != NULL);
    CHECK(sc_core_refuse(core, "nonsip_hook", nothing, SC_REFUSAL_EMPTY_ROUTE) == SC_OK);
    CHECK(strstr(last_log, "event_route[sipcapture:request] is empty") != NULL);
    CHECK(sc_core_refuse(core, "capture_on", nothing, SC_REFUSAL_NO_ROUTE) == SC_ERR_UNKNOWN_NAME);
    CHECK(sc_core_refuse(core, "nonsip_hook", nothing, 99) == SC_ERR_INVALID_VALUE);
}

/* This host has no database drivers to lend. */
static void a_database_that_nobody_serves_stops_the_start(void)
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
static void secrets_are_not_redacted(void)
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

static void order_is_kept(sc_core *core, const char *url, const char *mode)
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

static void a_forked_process_needs_a_lane_of_its_own(sc_core *core)
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

static void captures_are_queued(sc_core *core)
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
    char datagram[16 + sizeof(invite) - 1] = { 1, 16, 2, 17, 0x13, (char)0xc4, 0x13, (char)0xc5, (char)192, 0, 2, 1, (char)192, 0, 2, 2 };
    sc_bytes hep = { datagram, sizeof(datagram) };

    CHECK(sc_message_call_id(core, &sip, &text) == SC_OK && text.len == strlen("contract@example.com"));
    CHECK(memcmp(text.ptr, "contract@example.com", text.len) == 0);
    CHECK(sc_message_redacted(core, sip.payload, &text) == SC_OK && text.ptr == sip.payload.ptr && text.len == sip.payload.len);
    sip.metadata.given = SC_GIVEN_HEP_VERSION | SC_GIVEN_IP_PROTOCOL | SC_GIVEN_TIME | SC_GIVEN_AGENT | SC_GIVEN_CORRELATION;
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

    CHECK(sc_hep_receive(core, bytes("OPTIONS sip:a SIP/2.0\r\n\r\n"), &sender, &verdict, &packet) == SC_OK && verdict == SC_HEP_PASS);
    CHECK(sc_hep_receive(core, nothing, &sender, &verdict, &packet) == SC_OK && verdict == SC_HEP_PASS);
    CHECK(sc_hep_receive(core, bytes("HEP3\x01"), &sender, &verdict, &packet) == SC_OK && verdict == SC_HEP_DONE);
    memcpy(datagram + 16, invite, sizeof(invite) - 1);
    CHECK(sc_hep_receive(core, hep, &sender, &verdict, &packet) == SC_OK && verdict == SC_HEP_ROUTE);
    CHECK(packet.version == 1 && packet.transport == 1 && packet.source.length == 4 && packet.source.port == 5060);
    CHECK(packet.destination.ip[3] == 2 && packet.destination.port == 5061);
    CHECK(packet.payload.ptr == datagram + 16 && packet.payload.len == sizeof(invite) - 1);
    CHECK(sc_hep_accept(core, hep, &verdict, &packet) == SC_ERR_WRONG_STATE); /* the script was not asked */
    CHECK(sc_hep_variable(bytes("src_port"), &variable) == SC_OK);
    CHECK(sc_hep_variable_value(core, variable, hep, &field) == SC_OK && field.kind == SC_VARIABLE_NUMBER && field.number == 5060);
    CHECK(sc_hep_variable(bytes("0x00f"), &variable) == SC_OK);
    CHECK(sc_hep_variable_value(core, variable, hep, &field) == SC_OK && field.kind == SC_VARIABLE_TEXT);
    CHECK(field.text.len == sizeof(invite) - 1 && field.text.ptr == datagram + 16); /* the packet's own bytes, of which nobody has made a copy */
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

static void numbers_add_up(sc_core *core, uint64_t stored, uint64_t queued)
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

static void modes_are_counted_apart(sc_core *core)
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

static void pages_of_exporters_get_names_that_they_take(sc_core *core)
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

static void the_end_is_final(sc_core *core)
{
    sc_message sip = message();

    CHECK(sc_core_free(core) == SC_OK);
    CHECK(sc_core_free(core) == SC_ERR_UNKNOWN_HANDLE);
    CHECK(sc_core_check(core) == SC_ERR_UNKNOWN_HANDLE);
    CHECK(sc_capture_sip(core, &sip, nothing, 0) == SC_ERR_UNKNOWN_HANDLE);
    CHECK(sc_core_finish((sc_core *)&sip) == SC_ERR_UNKNOWN_HANDLE);
}

static uint64_t counter_of(sc_core *core, const char *wanted)
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

/* A table that cannot be costs the rows, which are counted; the copy goes out. */
static void each_output_of_a_message_is_on_its_own(sc_core *core)
{
    sc_trace trace = { .tracer = SC_TRACER_FOLLOW };
    sc_copies copies = { NULL, 77, nothing };
    uint64_t dropped = counter_of(core, "dropped"), captured = counter_of(core, "captured");

    trace.body = bytes("OPTIONS sip:a SIP/2.0\r\n\r\n");
    trace.table = bytes("a b");
    trace.has_destination = 1;
    trace.destination = bytes("sip:127.0.0.1:9");
    CHECK(sc_trace_send(core, &trace, &copies) == SC_ERR_NO_TABLE && copies.count == 1 && copies.body.len == trace.body.len);
    CHECK(counter_of(core, "dropped") == dropped + 1 && counter_of(core, "captured") == captured + 1);
}

/* Whatever of it could have gone elsewhere. */
static void a_destination_that_is_none_has_nothing_queued(sc_core *core)
{
    sc_trace trace = { .tracer = SC_TRACER_SCRIPT, .has_destination = 1 };
    sc_copies copies = { NULL, 77, nothing };
    uint64_t captured = counter_of(core, "captured"), refused = counter_of(core, "refused");

    trace.body = bytes("OPTIONS sip:a SIP/2.0\r\n\r\n");
    trace.destination = bytes("sips:me:s3cret@h;transport=udp");
    CHECK(sc_trace_send(core, &trace, &copies) == SC_ERR_INVALID_VALUE && copies.count == 0);
    CHECK(counter_of(core, "captured") == captured && counter_of(core, "refused") == refused + 1);
    CHECK(strstr(last_log, "s3cret") == NULL);
}

/* ---- forwarding ---- */

static int is(sc_bytes given, const char *expected)
{
    return given.len == strlen(expected) && memcmp(given.ptr, expected, given.len) == 0;
}

static int is_target(const sc_forward_target *target, uint8_t last, uint16_t port, uint8_t transport)
{
    return target->address.length == 4 && target->address.ip[0] == 192 && target->address.ip[3] == last && target->address.port == port
           && target->transport == transport;
}

/* Nulls, and calls before their time; then the name of the parameter duplicate_uri is the one that is looked up. */
static void forwarding_begins(sc_core *core)
{
    sc_forward_verdict verdict = 77;
    sc_forward_target target = { { 0 }, 77 };
    sc_forward_work work = { .step = 77 };
    uint8_t needed = 77, sends = 77;

    CHECK(sc_forward_open(NULL) == SC_ERR_NULL_POINTER && sc_forward_expect_any(NULL) == SC_ERR_NULL_POINTER);
    CHECK(sc_forward_expect(NULL, nothing) == SC_ERR_NULL_POINTER && sc_forward_expect(core, broken) == SC_ERR_NULL_POINTER);
    CHECK(sc_forward_needs_process(core, NULL, &sends) == SC_ERR_NULL_POINTER && sc_forward_needs_process(core, &needed, NULL) == SC_ERR_NULL_POINTER);
    CHECK(sc_forward_find(core, broken, nothing, &verdict, &target) == SC_ERR_NULL_POINTER);
    CHECK(sc_forward_find(core, nothing, broken, &verdict, &target) == SC_ERR_NULL_POINTER);
    CHECK(sc_forward_find(core, nothing, nothing, NULL, &target) == SC_ERR_NULL_POINTER);
    CHECK(sc_forward_find(core, nothing, nothing, &verdict, NULL) == SC_ERR_NULL_POINTER);
    CHECK(sc_forward_failed(core, broken) == SC_ERR_NULL_POINTER && sc_forward_next(core, NULL) == SC_ERR_NULL_POINTER);
    CHECK(sc_forward_found(core, NULL) == SC_ERR_NULL_POINTER && sc_forward_not_found(NULL) == SC_ERR_NULL_POINTER);
    CHECK(verdict == 77 && target.transport == 77 && needed == 77 && sends == 77);

    CHECK(sc_forward_next(core, &work) == SC_ERR_WRONG_STATE && sc_forward_not_found(core) == SC_ERR_WRONG_STATE && work.step == 77);
    CHECK(sc_forward_expect(core, bytes("sip:early.example")) == SC_OK && sc_forward_expect_any(core) == SC_OK);
    CHECK(sc_forward_needs_process(core, &needed, &sends) == SC_OK && needed == 0 && sends == 1);
    CHECK(sc_forward_find(core, bytes("sip:early.example"), nothing, &verdict, &target) == SC_OK && verdict == SC_FORWARD_LOST);
    CHECK(sc_forward_find(core, bytes("sip:me:s3cret@192.0.0.9:9;transport=tls"), nothing, &verdict, &target) == SC_OK);
    CHECK(verdict == SC_FORWARD_SEND && is_target(&target, 9, 9, 3));
    CHECK(sc_forward_open(core) == SC_OK && sc_forward_open(core) == SC_ERR_WRONG_STATE);
    CHECK(sc_forward_needs_process(core, &needed, &sends) == SC_OK && needed == 1 && sends == 1);
    CHECK(sc_forward_next(core, &work) == SC_OK && work.step == SC_FORWARD_LOOK_UP);
    CHECK(is(work.name, "parameter.example") && work.port == 5060 && work.transport == 4);
    target.address.length = 5;
    CHECK(sc_forward_found(core, &target) == SC_ERR_INVALID_VALUE && sc_forward_not_found(core) == SC_OK);
    CHECK(strstr(last_log, "parameter.example cannot be resolved; nothing is sent there until it can be") != NULL);
    CHECK(sc_forward_next(core, &work) == SC_OK && work.step == SC_FORWARD_WAIT);
}

static void what_a_name_holds_is_sent_by_another_process(sc_core *core)
{
    const sc_bytes uri = bytes("sip:a.example:9060;transport=udp");
    sc_forward_target found = { { 4, { 192, 0, 0, 7 }, 9060 }, 0 };
    sc_forward_verdict verdict = 77;
    sc_forward_target target;
    sc_forward_work work;
    int status = 1;
    pid_t child = fork();

    if (child == 0) {
        _exit(sc_forward_find(core, uri, bytes("a message"), &verdict, &target) != SC_OK || verdict != SC_FORWARD_HELD);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(sc_forward_next(core, &work) == SC_OK && work.step == SC_FORWARD_LOOK_UP && is(work.name, "a.example"));
    CHECK(sc_forward_found(core, &found) == SC_OK && sc_forward_found(core, &found) == SC_ERR_WRONG_STATE);
    CHECK(sc_forward_next(core, &work) == SC_OK && work.step == SC_FORWARD_SEND_HELD);
    CHECK(is(work.uri, "sip:a.example:9060;transport=udp") && is(work.message, "a message") && is_target(&work.target, 7, 9060, 1));
    CHECK(sc_forward_next(core, &work) == SC_OK && work.step == SC_FORWARD_WAIT);
    CHECK(sc_forward_find(core, uri, bytes("another"), &verdict, &target) == SC_OK);
    CHECK(verdict == SC_FORWARD_SEND && is_target(&target, 7, 9060, 1));
}

static void what_cannot_be_sent_is_counted(sc_core *core)
{
    static char filling[1 << 16];
    const sc_bytes uri = bytes("sip:b.example"), message = { filling, sizeof(filling) };
    sc_forward_verdict verdict = SC_FORWARD_HELD;
    sc_forward_target target;
    int held = 0;

    CHECK(sc_forward_failed(core, bytes("sip:me:s3cret@192.0.0.9")) == SC_OK && counter_of(core, "copies_failed") == 1);
    CHECK(strstr(last_log, "s3cret") == NULL);
    CHECK(sc_forward_find(core, bytes("tel:1"), message, &verdict, &target) == SC_OK && verdict == SC_FORWARD_LOST);
    CHECK(counter_of(core, "copies_failed") == 2);
    while (sc_forward_find(core, uri, message, &verdict, &target) == SC_OK && verdict == SC_FORWARD_HELD) {
        held++;
    }
    CHECK(held == 15 && verdict == SC_FORWARD_LOST && counter_of(core, "copies_failed") == 3);
}

/* $siptrace(...), of which the host hands in the message that its script looks at. */
static void the_script_is_shown_the_ends_of_a_message(sc_core *core, const sc_trace *shown)
{
    sc_variable_value field = { .kind = 77 };
    const char *names = NULL;
    uint32_t variable = 77;

    CHECK(sc_trace_variable(broken, &variable) == SC_ERR_NULL_POINTER && sc_trace_variable(bytes("direction"), NULL) == SC_ERR_NULL_POINTER);
    CHECK(sc_trace_variable(bytes("src_ip"), &variable) == SC_ERR_UNKNOWN_NAME && variable == 77);
    CHECK(sc_trace_variable_names(NULL) == SC_ERR_NULL_POINTER);
    CHECK(sc_trace_variable_names(&names) == SC_OK && strstr(names, "hostip") != NULL);
    CHECK(sc_trace_variable(bytes("src_port"), &variable) == SC_OK);
    CHECK(sc_trace_variable_value(NULL, variable, shown, &field) == SC_ERR_NULL_POINTER);
    CHECK(sc_trace_variable_value(core, variable, shown, NULL) == SC_ERR_NULL_POINTER && field.kind == 77);
    CHECK(sc_trace_variable_value(core, variable, NULL, &field) == SC_OK && field.kind == SC_VARIABLE_NULL);
    CHECK(sc_trace_variable_value(core, variable, shown, &field) == SC_OK && field.kind == SC_VARIABLE_NUMBER && field.number == 5060);
    CHECK(sc_trace_variable(bytes("dst_proto"), &variable) == SC_OK);
    CHECK(sc_trace_variable_value(core, variable, shown, &field) == SC_OK && field.kind == SC_VARIABLE_BOTH && field.number == 1);
    CHECK(field.text.len == 3 && memcmp(field.text.ptr, "udp", 3) == 0);
    CHECK(sc_trace_variable_value(core, UINT32_MAX, shown, &field) == SC_OK && field.kind == SC_VARIABLE_NULL);
}

/* What a script asks for, from its words to its answer. */
static void a_call_is_decided_and_concluded(sc_core *node, sc_core *core)
{
    sc_trace_call call = { .function = SC_FUNCTION_SIP_TRACE };
    sc_trace_decision decision = { 77, 77, 77 };
    sc_trace_conclusion conclusion = { 77, 77, 77 };
    sc_scope scope = 77;

    CHECK(sc_trace_scope(NULL, SC_FUNCTION_SIP_TRACE, bytes("t"), &scope) == SC_ERR_NULL_POINTER);
    CHECK(sc_trace_scope(node, SC_FUNCTION_SIP_TRACE, bytes("t"), &scope) == SC_ERR_WRONG_STATE);
    CHECK(sc_trace_scope(core, SC_FUNCTION_SIP_TRACE, broken, &scope) == SC_ERR_NULL_POINTER);
    CHECK(sc_trace_scope(core, SC_FUNCTION_SIP_TRACE, bytes("t"), NULL) == SC_ERR_NULL_POINTER);
    CHECK(sc_trace_scope(core, 99, bytes("t"), &scope) == SC_ERR_INVALID_VALUE && scope == 77);
    CHECK(sc_trace_scope(core, SC_FUNCTION_SIP_TRACE, bytes("x"), &scope) == SC_OK && scope == SC_SCOPE_UNKNOWN);
    CHECK(strstr(last_log, "the type \"x\" is not known") != NULL);
    CHECK(sc_trace_scope(core, SC_FUNCTION_SIP_TRACE, bytes(" T"), &call.scope) == SC_OK && call.scope == SC_SCOPE_TRANSACTION);
    CHECK(sc_trace_decide(NULL, &call, &decision) == SC_ERR_NULL_POINTER && sc_trace_decide(node, &call, &decision) == SC_ERR_WRONG_STATE);
    CHECK(sc_trace_decide(core, NULL, &decision) == SC_ERR_NULL_POINTER && sc_trace_decide(core, &call, NULL) == SC_ERR_NULL_POINTER);
    call.method = broken;
    CHECK(sc_trace_decide(core, &call, &decision) == SC_ERR_NULL_POINTER && decision.step == 77);
    call.method = bytes("CANCEL");
    CHECK(sc_trace_decide(core, &call, &decision) == SC_OK && decision.step == SC_STEP_TRACE && decision.follow == SC_SCOPE_MESSAGE);
    CHECK(strstr(last_log, "without tm.so") != NULL);
    call.knows_transactions = 1;
    CHECK(sc_trace_decide(core, &call, &decision) == SC_OK && decision.step == SC_STEP_LOOK_UP);
    call.is_seen_to = SC_YES;
    CHECK(sc_trace_decide(core, &call, &decision) == SC_OK && decision.step == SC_STEP_ANSWER && decision.answer == 1);
    call.is_seen_to = 99;
    CHECK(sc_trace_decide(core, &call, &decision) == SC_ERR_INVALID_VALUE);
    call.is_seen_to = SC_NO;
    CHECK(sc_trace_decide(core, &call, &decision) == SC_OK && decision.step == SC_STEP_TRACE && decision.follow == SC_SCOPE_TRANSACTION);
    CHECK(sc_trace_conclude(call.function, decision.follow, SC_OK, NULL) == SC_ERR_NULL_POINTER);
    CHECK(sc_trace_conclude(99, decision.follow, SC_OK, &conclusion) == SC_ERR_INVALID_VALUE);
    CHECK(sc_trace_conclude(call.function, 99, SC_OK, &conclusion) == SC_ERR_INVALID_VALUE && conclusion.answer == 77);
    CHECK(sc_trace_conclude(call.function, decision.follow, SC_OK, &conclusion) == SC_OK && conclusion.answer == 1);
    CHECK(conclusion.follow == SC_SCOPE_TRANSACTION && conclusion.forgets_destination == 0);
    CHECK(sc_trace_conclude(call.function, decision.follow, SC_ERR_INVALID_VALUE, &conclusion) == SC_OK && conclusion.answer == -1);
    CHECK(conclusion.follow == SC_SCOPE_MESSAGE && conclusion.forgets_destination == 1);
    CHECK(sc_trace_conclude(call.function, decision.follow, SC_ERR_NO_COLLECTOR, &conclusion) == SC_OK && conclusion.answer == -1);
    CHECK(sc_trace_conclude(SC_FUNCTION_SIP_TRACE_MODE, decision.follow, SC_ERR_NO_COLLECTOR, &conclusion) == SC_OK && conclusion.answer == 1);
}

static void the_parameters_say_what_the_host_does(sc_core *node, sc_core *core)
{
    sc_trace_needs needs = { 0 };

    CHECK(sc_trace_setup(NULL, &needs) == SC_ERR_NULL_POINTER && sc_trace_setup(core, NULL) == SC_ERR_NULL_POINTER);
    CHECK(sc_trace_setup(node, &needs) == SC_ERR_WRONG_STATE);
    CHECK(sc_core_set_number(core, "trace_flag", 5) == SC_OK && sc_core_set_text(core, "send_sock_name", bytes("second")) == SC_OK);
    CHECK(sc_trace_setup(core, &needs) == SC_OK && needs.follows_scripts == 1 && needs.transaction_flags == 1u << 5);
    CHECK(needs.dialog_acks == 1 && needs.traces_traffic == 0 && needs.sends_copies == 1); /* this host's release is not known: the newest */
    CHECK(needs.socket_uri.len == 0 && needs.socket_name.len == 6 && memcmp(needs.socket_name.ptr, "second", 6) == 0);
    CHECK(sc_core_refuse(core, "send_sock_name", needs.socket_name, SC_REFUSAL_NO_SOCKET) == SC_OK);
    CHECK(strstr(last_log, "no listen socket \"second\"") != NULL);
}

/* The capture agent: a handle of another module, with functions that a capture node lacks, and the other way round. */
static void a_capture_agent_is_a_module_of_its_own(sc_core *node, const char *directory)
{
    sc_address from = { 4, { 127, 0, 0, 1 }, 0 };
    sc_bytes user = bytes("alice");
    sc_trace trace = { 0 };
    sc_copies copies = { NULL, 77, nothing };
    sc_core *core = NULL;
    const char *name = NULL;
    uint32_t mode = 77;
    uint8_t on = 77;
    const sc_address local = { 4, { 127, 0, 0, 1 }, 5060 };
    const sc_endpoint sockets[2] = { { .transport = 1, .is_socket = 1, .address = local }, { .is_socket = 1, .address = local } };
    char url[300];
    char room[1000];
    size_t length = 77;
    const char *headed = "OPTIONS sip:a SIP/2.0\r\nX-Siptrace-Fromip: udp:127.0.0.1:5060\r\nX-Siptrace-Toip: udp:127.0.0.1:5060\r\n"
                         "X-Siptrace-Time: 0 0\r\nX-Siptrace-Method: OPTIONS\r\nX-Siptrace-Dir: in\r\n\r\n";

    CHECK(sc_trace_is_on(node, &on) == SC_ERR_WRONG_STATE && sc_trace_send(node, &trace, &copies) == SC_ERR_WRONG_STATE);
    CHECK(sc_trace_bind(node, &from) == SC_ERR_WRONG_STATE);
    CHECK(sc_core_new(&host, "kamailio/siptrace", &core) == SC_OK);
    CHECK(sc_trace_is_on(NULL, &on) == SC_ERR_NULL_POINTER && sc_trace_is_on(core, NULL) == SC_ERR_NULL_POINTER);
    CHECK(sc_trace_bind(core, NULL) == SC_ERR_NULL_POINTER && sc_trace_send(core, NULL, &copies) == SC_ERR_NULL_POINTER);
    CHECK(sc_trace_send(core, &trace, NULL) == SC_ERR_NULL_POINTER);
    CHECK(sc_mode_find(core, nothing, &mode) == SC_ERR_WRONG_STATE && mode == 77);
    CHECK(sc_message_redacted(core, user, &user) == SC_ERR_WRONG_STATE);
    CHECK(sc_core_set_text(core, "duplicate_uri", bytes("tel:1")) == SC_ERR_INVALID_VALUE);
    CHECK(strstr(last_log, "duplicate_uri") != NULL && strstr(last_log, "tel:1") != NULL);
    CHECK(sc_core_set_text(core, "duplicate_uri", bytes(" sip:127.0.0.1;transport=sctp, sip:[::1];transport=sctp")) == SC_OK);
    CHECK(sc_core_set_text(core, "duplicate_uri", bytes("sip:parameter.example;transport=sctp")) == SC_OK);
    CHECK(sc_core_set_number(core, "capture_on", 1) == SC_ERR_UNKNOWN_NAME);
    the_parameters_say_what_the_host_does(node, core);
    a_call_is_decided_and_concluded(node, core);
    snprintf(url, sizeof(url), "sqlite:///%s/trace/trace.db", directory);
    CHECK(sc_core_set_text(core, "db_url", bytes(url)) == SC_OK && sc_core_set_text(core, "spool_dir", nothing) == SC_OK);
    CHECK(sc_core_set_number(core, "trace_on", 1) == SC_OK && sc_trace_bind(core, &from) == SC_OK);
    CHECK(sc_core_check(core) == SC_OK && sc_trace_bind(core, &from) == SC_ERR_WRONG_STATE);
    CHECK(sc_trace_is_on(core, &on) == SC_ERR_WRONG_STATE && sc_trace_send(core, &trace, &copies) == SC_ERR_WRONG_STATE);
    CHECK(copies.count == 77 && on == 77);
    forwarding_begins(core);
    CHECK(sc_core_map_lanes(core, 1) == SC_OK && sc_core_attach(core, 0) == SC_OK);
    CHECK(sc_trace_is_on(core, &on) == SC_OK && on == 1);
    trace.body = bytes("OPTIONS sip:a SIP/2.0\r\n\r\n");
    trace.method = bytes("OPTIONS");
    trace.from.transport = trace.to.transport = 1;
    trace.from.address = trace.to.address = local;
    trace.user_count = 1;
    CHECK(sc_trace_send(core, &trace, &copies) == SC_ERR_NULL_POINTER);
    trace.users = &user;
    CHECK(sc_trace_send(core, &trace, &copies) == SC_OK && copies.count == 0);
    trace.has_destination = 1;
    trace.destination = bytes("sip:127.0.0.1:9");
    CHECK(sc_trace_send(core, &trace, &copies) == SC_OK && copies.count == 1);
    CHECK(copies.uris[0].len == 29 && memcmp(copies.uris[0].ptr, "sip:127.0.0.1:9;transport=udp", 29) == 0);
    CHECK(copies.body.len == trace.body.len);
    trace.destination = nothing;
    trace.has_destination = 0;
    CHECK(sc_trace_headers(NULL, &trace, room, sizeof(room), &length) == SC_ERR_NULL_POINTER);
    CHECK(sc_trace_headers(node, &trace, room, sizeof(room), &length) == SC_ERR_WRONG_STATE);
    CHECK(sc_trace_headers(core, NULL, room, sizeof(room), &length) == SC_ERR_NULL_POINTER);
    CHECK(sc_trace_headers(core, &trace, NULL, sizeof(room), &length) == SC_ERR_NULL_POINTER);
    CHECK(sc_trace_headers(core, &trace, room, sizeof(room), NULL) == SC_ERR_NULL_POINTER);
    CHECK(sc_trace_headers(core, &trace, room, trace.body.len, &length) == SC_ERR_INVALID_VALUE && length == 77);
    CHECK(sc_trace_headers(core, &trace, room, trace.body.len + SC_X_HEADERS, &length) == SC_OK);
    CHECK(length == strlen(headed) && memcmp(room, headed, length) == 0);
    trace.body = bytes("no end of headers");
    CHECK(sc_trace_headers(core, &trace, room, sizeof(room), &length) == SC_ERR_INVALID_VALUE);
    the_script_is_shown_the_ends_of_a_message(core, &trace);
    trace.tracer = SC_TRACER_LOG;
    trace.call_id = bytes("contract@example.com");
    trace.socket_count = 2;
    CHECK(sc_trace_send(core, &trace, &copies) == SC_ERR_NULL_POINTER);
    trace.sockets = sockets;
    CHECK(sc_trace_send(core, &trace, &copies) == SC_ERR_NO_COLLECTOR && strstr(last_log, "duplicate_uri") != NULL && copies.count == 0);
    trace.call_id = nothing;
    CHECK(sc_trace_send(core, &trace, &copies) == SC_ERR_INVALID_VALUE && copies.count == 0); /* nothing to correlate the line by */
    copies.count = 77;
    trace.tracer = 99;
    CHECK(sc_trace_send(core, &trace, &copies) == SC_ERR_INVALID_VALUE && copies.count == 77);
    each_output_of_a_message_is_on_its_own(core);
    a_destination_that_is_none_has_nothing_queued(core);
    CHECK(sc_trace_lose(core, 99) == SC_ERR_INVALID_VALUE && sc_trace_lose(NULL, SC_LOSS_NO_LANE) == SC_ERR_NULL_POINTER);
    CHECK(sc_trace_lose(node, SC_LOSS_NO_LANE) == SC_ERR_WRONG_STATE);
    CHECK(counter_of(core, "dropped_no_lane") == 0 && sc_trace_lose(core, SC_LOSS_NO_LANE) == SC_OK);
    CHECK(counter_of(core, "dropped_no_lane") == 1 && sc_trace_lose(core, SC_LOSS_MALFORMED) == SC_OK && counter_of(core, "refused") == 2);
    CHECK(sc_counter_at(core, 0, &name, &name) == SC_OK);
    CHECK(counter_of(core, "traced_requests") == 2);
    what_a_name_holds_is_sent_by_another_process(core);
    what_cannot_be_sent_is_counted(core);
    CHECK(sc_core_finish(core) == SC_OK && strstr(last_warning, " copies for names that were not looked up yet are not sent") != NULL);
    CHECK(counter_of(core, "stored") == 4); /* two messages, each for everybody and for alice */
    CHECK(sc_core_free(core) == SC_OK && sc_trace_is_on(core, &on) == SC_ERR_UNKNOWN_HANDLE);
}

/* ---- threads ---- */

/* What is left of an answer when several threads are answered at once. */
static void drop_bytes(void *context, sc_bytes text)
{
    (void)context;
    (void)text;
}

static void drop_fault(void *context, int code, sc_bytes text)
{
    (void)context;
    (void)code;
    (void)text;
}

static void count_close(void *context)
{
    ++*(int *)context;
}

static void drop_number(void *context, sc_bytes name, uint64_t value)
{
    (void)context;
    (void)name;
    (void)value;
}

static void drop_word(void *context, sc_bytes name, sc_bytes text)
{
    (void)context;
    (void)name;
    (void)text;
}

static int elsewhere(void *(*body)(void *), sc_core *core)
{
    pthread_t thread;
    return pthread_create(&thread, NULL, body, core) == 0 && pthread_join(thread, NULL) == 0;
}

/* Waits until the kernel has forgotten a thread that is joined. */
static sc_status attach_after(sc_core *core, uint32_t lane)
{
    sc_status status;
    do {
        status = sc_core_attach(core, lane);
    } while (status == SC_ERR_WRONG_THREAD || status == SC_ERR_WRONG_STATE);
    return status;
}

/* Everything is right with these calls but the thread. */
static void *call_what_is_the_owners(void *argument)
{
    sc_core *core = argument;
    sc_message sip = message();
    sc_hep_verdict verdict = SC_HEP_DONE;
    sc_hep_packet packet;
    sc_variable_value field;
    sc_capture_needs needs;
    sc_bytes text = broken;
    uint32_t number = 77;
    uint64_t value = 77;
    const char *name = NULL, *description = NULL;

    CHECK(sc_core_set_number(core, "capture_on", 1) == SC_ERR_WRONG_THREAD);
    CHECK(sc_core_set_text(core, "table_name", bytes("t")) == SC_ERR_WRONG_THREAD);
    CHECK(sc_core_check(core) == SC_ERR_WRONG_THREAD);
    CHECK(sc_core_writers(core, &number) == SC_ERR_WRONG_THREAD);
    CHECK(sc_core_map_lanes(core, 2) == SC_ERR_WRONG_THREAD);
    CHECK(sc_core_attach(core, 0) == SC_ERR_WRONG_THREAD && sc_core_attach(core, 1) == SC_ERR_WRONG_THREAD);
    CHECK(sc_writer_supervise(core, 0) == SC_ERR_WRONG_THREAD);
    CHECK(sc_core_finish(core) == SC_ERR_WRONG_THREAD);
    CHECK(sc_mode_find(core, nothing, &number) == SC_ERR_WRONG_THREAD);
    CHECK(sc_capture_sip(core, &sip, nothing, 0) == SC_ERR_WRONG_THREAD);
    CHECK(sc_capture_report(core, &sip, nothing, nothing, nothing) == SC_ERR_WRONG_THREAD);
    CHECK(sc_message_call_id(core, &sip, &text) == SC_ERR_WRONG_THREAD);
    CHECK(sc_hep_receive(core, nothing, &sender, &verdict, &packet) == SC_ERR_WRONG_THREAD);
    CHECK(sc_hep_accept(core, nothing, &verdict, &packet) == SC_ERR_WRONG_THREAD);
    CHECK(sc_hep_end(core, nothing) == SC_ERR_WRONG_THREAD);
    CHECK(sc_counter_not_exported(core) == SC_ERR_WRONG_THREAD);
    CHECK(sc_hep_variable_value(core, 0, nothing, &field) == SC_ERR_WRONG_THREAD);
    CHECK(sc_capture_setup(core, &needs) == SC_ERR_WRONG_THREAD);
    CHECK(sc_core_refuse(core, "nonsip_hook", nothing, SC_REFUSAL_NO_ROUTE) == SC_ERR_WRONG_THREAD);
    CHECK(sc_raw_open(core, &number) == SC_ERR_WRONG_THREAD && sc_raw_receive(core, &packet) == SC_ERR_WRONG_THREAD);
    CHECK(number == 77 && verdict == SC_HEP_DONE && text.ptr == NULL && text.len == 5);
    /* These are everybody's. */
    CHECK(strcmp(command(core, "sipcapture.status", "check"), "Enabled;") == 0);
    CHECK(sc_counter_at(core, 0, &name, &description) == SC_OK && sc_counter_value(core, 0, &value) == SC_OK && value == 4);
    CHECK(sc_counter_exported(core, bytes("sipcapture"), bytes("captured"), bytes("all"), &name) == SC_ERR_UNKNOWN_NAME);
    return NULL;
}

static pthread_barrier_t turn;

/* Attaches, and so is the owner until it ends. */
static void *be_the_owner(void *argument)
{
    sc_core *core = argument;
    sc_message sip = message();

    CHECK(sc_core_attach(core, 5) == SC_ERR_WRONG_STATE); /* there is no such lane: nothing is handed over */
    CHECK(sc_capture_sip(core, &sip, nothing, 0) == SC_ERR_WRONG_THREAD);
    CHECK(sc_core_attach(core, 0) == SC_OK && sc_core_attach(core, 0) == SC_OK);
    CHECK(sc_capture_sip(core, &sip, nothing, 0) == SC_OK);
    pthread_barrier_wait(&turn);
    pthread_barrier_wait(&turn);
    CHECK(sc_capture_sip(core, &sip, nothing, 0) == SC_OK);
    return NULL;
}

static void who_attaches_is_the_owner_until_its_end(sc_core *core)
{
    pthread_t thread;
    sc_message sip = message();

    CHECK(pthread_barrier_init(&turn, NULL, 2) == 0 && pthread_create(&thread, NULL, be_the_owner, core) == 0);
    pthread_barrier_wait(&turn);
    CHECK(sc_capture_sip(core, &sip, nothing, 0) == SC_ERR_WRONG_THREAD && sc_core_finish(core) == SC_ERR_WRONG_THREAD);
    CHECK(sc_core_attach(core, 0) == SC_ERR_WRONG_THREAD && sc_core_attach(core, 1) == SC_ERR_WRONG_THREAD);
    CHECK(counter_of(core, "captured") == 1);
    pthread_barrier_wait(&turn);
    CHECK(pthread_join(thread, NULL) == 0);
    pthread_barrier_destroy(&turn);
    CHECK(attach_after(core, 0) == SC_OK); /* its lane, with what it had queued */
    CHECK(sc_capture_sip(core, &sip, nothing, 0) == SC_OK && counter_of(core, "queued") == 3);
}

#define READERS 3

static volatile int stop_reading;

/* The results of a thread are its own: it runs beside others. */
typedef struct reader {
    sc_core *core;
    unsigned long rounds;
    unsigned long surprises;
} reader;

static void *read_all_the_time(void *argument)
{
    reader *reader = argument;
    sc_message sip = message();
    int closed = 0;
    sc_reply quiet = { &closed, drop_bytes, drop_fault, drop_bytes, count_close, drop_number, drop_word };

    while (!stop_reading) {
        const char *name, *description;
        uint64_t value;
        int good = sc_counter_at(reader->core, reader->rounds % 20, &name, &description) == SC_OK && strlen(name) > 0;
        good = good && sc_counter_value(reader->core, reader->rounds % 20, &value) == SC_OK;
        good = good && sc_command(reader->core, "sipcapture.stats", nothing, &quiet) == SC_OK && closed > 0;
        good = good && sc_capture_sip(reader->core, &sip, nothing, 0) == SC_ERR_WRONG_THREAD;
        good = good && sc_core_attach(reader->core, 1) == SC_ERR_WRONG_THREAD;
        reader->surprises += !good;
        reader->rounds++;
    }
    return NULL;
}

static void others_read_while_the_owner_captures(sc_core *core)
{
    pthread_t threads[READERS];
    reader readers[READERS];
    sc_message sip = message();
    unsigned long made = 3;
    int good = 1, done = 0;

    stop_reading = 0;
    for (int i = 0; i < READERS; i++) {
        readers[i] = (reader){ core, 0, 0 };
        CHECK(pthread_create(&threads[i], NULL, read_all_the_time, &readers[i]) == 0);
    }
    /* Who is refused is not in the owner's way. */
    while (good && (made < 1000 || !done)) {
        sc_status status = sc_capture_sip(core, &sip, nothing, 0);
        good = status == SC_OK || status == SC_ERR_QUEUE_FULL;
        made += good;
        done = 1;
        for (int i = 0; i < READERS; i++) {
            done = done && __atomic_load_n(&readers[i].rounds, __ATOMIC_RELAXED) > 20;
        }
    }
    stop_reading = 1;
    for (int i = 0; i < READERS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0 && readers[i].surprises == 0);
    }
    CHECK(good && counter_of(core, "captured") == made);
}

static void *read_until_it_is_freed(void *argument)
{
    reader *reader = argument;
    uint64_t value;
    sc_status status;

    while ((status = sc_counter_value(reader->core, 0, &value)) == SC_OK) {
        reader->rounds++;
    }
    reader->surprises = status != SC_ERR_UNKNOWN_HANDLE;
    return NULL;
}

static void *free_it(void *argument)
{
    CHECK(sc_core_free(argument) == SC_OK);
    return NULL;
}

static void who_reads_while_a_handle_is_freed_is_told_so(sc_core *core)
{
    pthread_t threads[READERS];
    reader readers[READERS];

    for (int i = 0; i < READERS; i++) {
        readers[i] = (reader){ core, 0, 0 };
        CHECK(pthread_create(&threads[i], NULL, read_until_it_is_freed, &readers[i]) == 0);
    }
    for (int i = 0; i < READERS; i++) {
        while (__atomic_load_n(&readers[i].rounds, __ATOMIC_RELAXED) < 20) {
            usleep(100);
        }
    }
    CHECK(elsewhere(free_it, core)); /* any thread may */
    for (int i = 0; i < READERS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0 && readers[i].surprises == 0);
    }
    CHECK(sc_core_free(core) == SC_ERR_UNKNOWN_HANDLE);
}

static void a_handle_has_one_owner_and_many_readers(const char *directory)
{
    sc_core *core = NULL;
    char url[300];

    CHECK(sc_core_new(&host, "kamailio/sipcapture", &core) == SC_OK);
    snprintf(url, sizeof(url), "sqlite:///%s/threads/capture.db", directory);
    CHECK(sc_core_set_text(core, "db_url", bytes(url)) == SC_OK && sc_core_set_text(core, "spool_dir", nothing) == SC_OK);
    CHECK(sc_core_set_number(core, "capture_on", 1) == SC_OK && sc_core_set_number(core, "queue_size", 1) == SC_OK);
    CHECK(sc_core_check(core) == SC_OK && sc_core_map_lanes(core, 2) == SC_OK);
    who_attaches_is_the_owner_until_its_end(core);
    others_read_while_the_owner_captures(core);
    CHECK(sc_core_finish(core) == SC_OK && counter_of(core, "queued") == 0);
    who_reads_while_a_handle_is_freed_is_told_so(core);
}

static sc_core *called_from;
static sc_status from_log[4];

static void call_back(sc_log_level level, const char *text, size_t len)
{
    const char *name = NULL, *description = NULL;

    keep_log(level, text, len);
    from_log[0] = sc_core_set_number(called_from, "capture_on", 1);
    from_log[1] = sc_core_attach(called_from, 0);
    from_log[2] = sc_core_free(called_from);
    from_log[3] = sc_counter_at(called_from, 0, &name, &description);
}

static void a_callback_calls_only_what_any_thread_may(void)
{
    sc_host other = host;
    sc_core *again = NULL;

    other.log = call_back;
    CHECK(sc_core_new(&other, "kamailio/sipcapture", &called_from) == SC_OK);
    CHECK(sc_core_set_text(called_from, "nosuch", nothing) == SC_ERR_UNKNOWN_NAME);
    CHECK(from_log[0] == SC_ERR_WRONG_STATE && from_log[1] == SC_ERR_WRONG_STATE && from_log[2] == SC_ERR_WRONG_STATE);
    CHECK(from_log[3] == SC_OK);
    CHECK(sc_core_set_number(called_from, "capture_on", 1) == SC_OK);
    /* The log is the first host's again. */
    CHECK(sc_core_new(&host, "kamailio/sipcapture", &again) == SC_OK && sc_core_free(again) == SC_OK);
    CHECK(sc_core_free(called_from) == SC_OK);
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
    a_database_that_nobody_serves_stops_the_start();
    secrets_are_not_redacted();
    versions_and_names_are_checked(core);
    what_the_host_refuses_is_said_by_the_core(core);
    parameters_are_listed_for_every_module();
    commands_are_listed_for_every_module();
    of_all_names_of_a_parameter_the_last_value_counts();
    kept_values_reach_the_core_in_the_order_of_the_list();
    snprintf(mode, sizeof(mode), "other=>table_name=a|b;mt_mode=hash;db_url=%s;", url);
    order_is_kept(core, url, mode);
    a_forked_process_needs_a_lane_of_its_own(core);
    captures_are_queued(core);
    CHECK(elsewhere(call_what_is_the_owners, core));
    numbers_add_up(core, 0, 7);
    CHECK(sc_core_finish(core) == SC_OK);
    numbers_add_up(core, 7, 0);
    modes_are_counted_apart(core);
    pages_of_exporters_get_names_that_they_take(core);
    answers_are_built_of_what_the_host_has(core);
    answers_that_are_built_at_once_have_names_of_their_own(core);
    a_capture_agent_is_a_module_of_its_own(core, directory);
    a_handle_has_one_owner_and_many_readers(directory);
    a_callback_calls_only_what_any_thread_may();
    the_end_is_final(core);
    snprintf(command_line, sizeof(command_line), "rm -r %s", directory);
    CHECK(system(command_line) == 0);
    printf("%d passed, %d failed, 0 skipped\n", passed, failed);
    return failed != 0;
}
