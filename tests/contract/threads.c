/*
 * What a handle's owner may call, and what any thread may.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "walk.h"

/* ---- threads ---- */

/* What is left of an answer when several threads are answered at once. */
static void drop_bytes(void *context, sc_bytes text)
{
    (void)context;
    (void)text;
}

static void drop_fault(void *context, int code, sc_bytes text, sc_bytes detail)
{
    (void)context;
    (void)code;
    (void)text;
    (void)detail;
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

int elsewhere(void *(*body)(void *), sc_core *core)
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
void *call_what_is_the_owners(void *argument)
{
    sc_core *core = argument;
    sc_message sip = message();
    sc_hep_verdict verdict = SC_HEP_DONE;
    sc_hep_packet packet;
    sc_variable_value field;
    sc_capture_needs needs;
    sc_hep_head head = { 0 };
    sc_bytes text = broken;
    uint32_t number = 77;
    uint64_t value = 77;
    int32_t descriptor = 77;
    uint8_t is_passed = 77;
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
    CHECK(sc_hep_relay(core, nothing, nothing) == SC_ERR_WRONG_THREAD);
    CHECK(sc_packet_begin(core, &head) == SC_ERR_WRONG_THREAD
          && sc_packet_add(core, 0, 17, nothing) == SC_ERR_WRONG_THREAD
          && sc_packet_finish(core, nothing, 0, &text) == SC_ERR_WRONG_THREAD);
    CHECK(sc_raw_open(core, &number) == SC_ERR_WRONG_THREAD && sc_raw_receive(core, &packet) == SC_ERR_WRONG_THREAD);
    CHECK(sc_wait_open(core) == SC_ERR_WRONG_THREAD && sc_wait_descriptor(core, &descriptor) == SC_ERR_WRONG_THREAD);
    CHECK(sc_wait_begin(core) == SC_ERR_WRONG_THREAD && sc_wait_end(core) == SC_ERR_WRONG_THREAD);
    CHECK(sc_wait_clear(core) == SC_ERR_WRONG_THREAD && sc_wait_position(core, &value) == SC_ERR_WRONG_THREAD);
    CHECK(sc_wait_passed(core, 0, &is_passed) == SC_ERR_WRONG_THREAD);
    CHECK(value == 77 && is_passed == 77 && descriptor == 77);
    CHECK(number == 77 && verdict == SC_HEP_DONE && text.ptr == NULL && text.len == 5);
    /* These are everybody's. */
    CHECK(strcmp(command(core, "sipcapture.status", "check"), "Enabled;") == 0);
    CHECK(sc_counter_at(core, 0, &name, &description) == SC_OK && sc_counter_value(core, 0, &value) == SC_OK
          && value == 4);
    CHECK(sc_counter_exported(core, bytes("sipcapture"), bytes("captured"), bytes("all"), &name)
          == SC_ERR_UNKNOWN_NAME);
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

void a_handle_has_one_owner_and_many_readers(const char *directory)
{
    sc_core *core = NULL;
    char url[300];

    CHECK(sc_core_new(&host, "kamailio/sipcapture", &core) == SC_OK);
    snprintf(url, sizeof(url), "sqlite:///%s/threads/capture.db", directory);
    CHECK(sc_core_set_text(core, "db_url", bytes(url)) == SC_OK
          && sc_core_set_text(core, "spool_dir", nothing) == SC_OK);
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

void a_callback_calls_only_what_any_thread_may(void)
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
