/*
 * What every shim shares, on top of the contract: parameters that are kept, answers that are built.
 */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../c_shim/shared/parameters.h"
#include "../../c_shim/shared/reply.h"
#include "walk.h"

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
void kept_values_reach_the_core_in_the_order_of_the_list(void)
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
    CHECK(!parameters_hand_on(core) && strstr(last_log, "batch_size") != NULL
          && strstr(last_log, "-2147483648") != NULL);
    CHECK(sc_core_free(core) == SC_OK);
    configure("batch_size", (void *)(long)10);
    CHECK(sc_core_new(&host, "kamailio/sipcapture", &core) == SC_OK && parameters_hand_on(core));
    /* The host's drivers are asked for: this host has none. */
    CHECK(sc_core_check(core) == SC_ERR_INVALID_VALUE && strstr(last_log, "db_text") != NULL);
    CHECK(sc_mode_find(core, bytes("two"), &mode) == SC_ERR_WRONG_STATE && sc_raw_open(core, &readers) != SC_OK);
    CHECK(sc_core_free(core) == SC_OK);
}

/* Whether of two values, the earlier under `first`, the later under `second`, the later one reaches the core. In a
 * process of its own, since values stay kept. */
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
        CHECK(sc_trace_setup(core, &needs) == SC_OK && needs.socket_uri.len == 14
              && memcmp(needs.socket_uri.ptr, "sip:192.0.2.22", 14) == 0);
        fflush(stdout);
        _exit(failed != before);
    }
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

void of_all_names_of_a_parameter_the_last_value_counts(void)
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

static void build_fault(void *context, int code, sc_bytes text, sc_bytes detail)
{
    CHECK(context == &made && code == 500 && detail.len == 0);
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

void answers_are_built_of_what_the_host_has(sc_core *core)
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
    CHECK(strstr(heard, "{writer;") != NULL && strstr(heard, "restarts;") == NULL
          && strstr(heard, "{sink_0;url") != NULL);
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

/* While the first number of an answer is built, a whole other answer is, as in another thread: the name stays what it
 * is. */
static void build_within(void *context, void *group, const char *name, uint64_t value)
{
    static const reply_builder builder = { build_text, build_fault, build_any, build_within, build_any_word,
        UINT64_MAX };
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

void answers_that_are_built_at_once_have_names_of_their_own(sc_core *core)
{
    static const reply_builder builder = { build_text, build_fault, build_any, build_within, build_any_word,
        UINT64_MAX };

    reply_to_command(core, "sipcapture.stats", nothing, &builder, core);
    CHECK(numbers_built > 20); /* of both answers */
}
