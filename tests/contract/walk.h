/*
 * What the parts of the walk share: checks that are counted, a host that remembers what it is told, a message to
 * capture; and the steps of each part, which walk.c takes one after the other.
 */
#ifndef SIPCAPTURE_WALK_H
#define SIPCAPTURE_WALK_H

#include <sys/types.h>

#include "../../c_shim/core.h"

extern int passed;
extern int failed;

#define CHECK(what) \
    do { \
        if (what) { \
            passed++; \
        } else { \
            failed++; \
            printf("%s:%d does not hold: %s\n", __FILE__, __LINE__, #what); \
        } \
    } while (0)

/* ---- walk.c ---- */

/* What the host's log was told last, and what as a warning. */
extern char last_log[1024];
extern char last_warning[1024];
void keep_log(sc_log_level level, const char *text, size_t len);

extern const sc_host host;
extern const sc_bytes nothing;
extern const sc_bytes broken; /* five bytes at no address */
extern const sc_address sender;
extern const sc_address nobody;

sc_bytes bytes(const char *text);
int is(sc_bytes given, const char *expected);

/* A SIP message to capture, and what a shim says of it. */
#define INVITE \
    "INVITE sip:bob@example.com SIP/2.0\r\n" \
    "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n" \
    "From: <sip:alice@example.com>;tag=1\r\nTo: <sip:bob@example.com>\r\n" \
    "Call-ID: contract@example.com\r\nCSeq: 1 INVITE\r\n\r\n"
sc_message message(void);

/* An answer's receiver that remembers what it heard, and how deep it is in the groups of the answer. */
extern char heard[4096];
extern int depth;
extern const sc_reply reply;
void hear(const char *what, sc_bytes text);

/* Runs a command; what it answers, as it was heard. */
const char *command(sc_core *core, const char *name, const char *argument);

/* The value of the counter `wanted`. */
uint64_t counter_of(sc_core *core, const char *wanted);

/* ---- names.c ---- */

void every_null_is_refused(sc_core *core);
void versions_and_names_are_checked(sc_core *core);
void parameters_are_listed_for_every_module(void);
void commands_are_listed_for_every_module(void);
void what_the_host_refuses_is_said_by_the_core(sc_core *core);
void a_database_that_nobody_serves_stops_the_start(void);
void secrets_are_not_redacted(void);

/* ---- chunks.c ---- */

void every_null_of_a_chunk_is_refused(void);
void a_chunk_that_will_not_do_is_said_to_be_wrong(void);
void chunks_are_set_as_scripts_say(void);
void addresses_of_a_packet_are_of_one_family(void);
void chunks_are_read_as_scripts_say(void);
void the_outer_packet_has_fields_of_its_own(void);

/* ---- shared.c ---- */

void kept_values_reach_the_core_in_the_order_of_the_list(void);
void of_all_names_of_a_parameter_the_last_value_counts(void);
void answers_are_built_of_what_the_host_has(sc_core *core);
void answers_that_are_built_at_once_have_names_of_their_own(sc_core *core);

/* ---- capture.c ---- */

void order_is_kept(sc_core *core, const char *url, const char *mode);
void a_forked_process_needs_a_lane_of_its_own(sc_core *core);
void captures_are_queued(sc_core *core);
void numbers_add_up(sc_core *core, uint64_t stored, uint64_t queued);
void modes_are_counted_apart(sc_core *core);
void pages_of_exporters_get_names_that_they_take(sc_core *core);
void the_end_is_final(sc_core *core);

/* ---- relay.c ---- */

void pieces_of_packets_are_checked(sc_core *core);
void packets_are_written_in_pieces(sc_core *core);
void who_relays_nothing_says_so(sc_core *core);

/* ---- agent.c ---- */

void a_capture_agent_is_a_module_of_its_own(sc_core *node, const char *directory);

/* ---- driver.c ---- */

/* What the driver of the walk has been asked for, and whether it answers. */
typedef struct driver_memory {
    volatile int holds_back;
    volatile int asked;      /* to insert a row */
    volatile int rows;
    volatile int64_t time_us; /* of the last row */
    volatile int reached;     /* for whoever waits for another process */
} driver_memory;
extern driver_memory *driver;

/* A capture node of `other`, not checked yet, whose rows go to that driver; nothing is spooled. */
sc_core *core_with_driver(sc_host other);
void end_core(sc_core *core);

/* A process that supervises the writer. */
pid_t supervised(sc_core *core);

void capture_one(sc_core *core);
void until(volatile int *memory);

/* ---- waits.c ---- */

void who_waits_is_told_when_its_captures_have_left_the_queue(void);

/* ---- ends.c ---- */

void the_main_process_has_its_own_time_to_store_what_the_writers_leave(void);
void a_writer_whose_server_is_killed_has_the_main_processs_time(void);

/* ---- raw.c ---- */

void a_raw_message_that_is_handed_over_keeps_its_time(void);

/* ---- decoded.c ---- */

void a_host_that_decodes_hep_has_a_node_of_its_own(sc_core *other, const char *directory);

/* ---- threads.c ---- */

/* Whether `body` says so, run by another thread. */
int elsewhere(void *(*body)(void *), sc_core *core);
void *call_what_is_the_owners(void *argument);
void a_handle_has_one_owner_and_many_readers(const char *directory);
void a_callback_calls_only_what_any_thread_may(void);

#endif
