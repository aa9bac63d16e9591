/*
 * Processes that wait for what they have queued, and lanes that outlive their owners.
 */
#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "walk.h"

/* ---- waiting ---- */

static int descriptor_of(sc_core *core)
{
    int32_t descriptor = -1;
    CHECK(sc_wait_descriptor(core, &descriptor) == SC_OK && descriptor >= 0);
    return descriptor;
}

static int is_readable(sc_core *core, int milliseconds)
{
    struct pollfd polled = { .fd = descriptor_of(core), .events = POLLIN };
    return poll(&polled, 1, milliseconds) == 1;
}

static uint64_t position_of(sc_core *core)
{
    uint64_t position = UINT64_MAX;
    CHECK(sc_wait_position(core, &position) == SC_OK);
    return position;
}

static int has_passed(sc_core *core, uint64_t position)
{
    uint8_t is_passed = 77;
    CHECK(sc_wait_passed(core, position, &is_passed) == SC_OK && is_passed <= 1);
    return is_passed;
}

/* Sleeps on nothing but the descriptor, as a host does. */
static int sleep_until_passed(sc_core *core, uint64_t position)
{
    struct pollfd polled = { .fd = descriptor_of(core), .events = POLLIN };
    uint8_t is_passed = 0;

    while (sc_wait_passed(core, position, &is_passed) == SC_OK && !is_passed) {
        if (poll(&polled, 1, 60000) != 1 || sc_wait_clear(core) != SC_OK) {
            return 0;
        }
    }
    return is_passed;
}

/* The child of `parent` whose name is `name`, 0 for none. */
static pid_t child_named(pid_t parent, const char *name)
{
    DIR *processes = opendir("/proc");
    pid_t found = 0;

    for (struct dirent *entry; processes != NULL && found == 0 && (entry = readdir(processes)) != NULL;) {
        char path[300], line[300] = "", expected[100];
        FILE *stat;
        snprintf(path, sizeof(path), "/proc/%s/stat", entry->d_name);
        snprintf(expected, sizeof(expected), "%d (%s) ", atoi(entry->d_name), name);
        if (atoi(entry->d_name) == 0 || (stat = fopen(path, "r")) == NULL) {
            continue;
        }
        if (fgets(line, sizeof(line), stat) != NULL && strncmp(line, expected, strlen(expected)) == 0
            && atoi(line + strlen(expected) + 2) == parent) {
            found = atoi(entry->d_name);
        }
        fclose(stat);
    }
    if (processes != NULL) {
        closedir(processes);
    }
    return found;
}

static void waits_have_an_order(sc_core *core)
{
    int32_t descriptor = 77;
    uint64_t position = 77;
    uint8_t is_passed = 77;

    CHECK(sc_wait_begin(core) == SC_ERR_WRONG_STATE && sc_wait_descriptor(core, &descriptor) == SC_ERR_WRONG_STATE);
    CHECK(sc_wait_open(core) == SC_OK && sc_wait_open(core) == SC_OK);
    CHECK(sc_core_map_lanes(core, 2) == SC_OK && sc_wait_open(core) == SC_ERR_WRONG_STATE);
    CHECK(sc_wait_descriptor(core, &descriptor) == SC_ERR_WRONG_STATE
          && sc_wait_position(core, &position) == SC_ERR_WRONG_STATE);
    CHECK(sc_wait_begin(core) == SC_ERR_WRONG_STATE && sc_wait_end(core) == SC_ERR_WRONG_STATE);
    CHECK(sc_wait_clear(core) == SC_ERR_WRONG_STATE && sc_wait_passed(core, 0, &is_passed) == SC_ERR_WRONG_STATE);
    CHECK(descriptor == 77 && position == 77 && is_passed == 77);
    CHECK(sc_core_attach(core, 0) == SC_OK);
    CHECK(sc_wait_clear(core) == SC_OK && sc_wait_end(core) == SC_OK && !is_readable(core, 0));
    CHECK(has_passed(core, position_of(core))); /* nothing is queued */
}

static void a_wait_outlives_a_writer_that_is_killed(sc_core *core, pid_t supervisor)
{
    pid_t writer;

    driver->holds_back = 1;
    capture_one(core);
    uint64_t position = position_of(core);
    CHECK(sc_wait_begin(core) == SC_OK && sc_wait_begin(core) == SC_OK && !has_passed(core, position));
    until(&driver->asked);
    CHECK(sc_wait_clear(core) == SC_OK); /* a writer that starts wakes whoever waits */
    CHECK(!has_passed(core, position) && !is_readable(core, 0));
    CHECK((writer = child_named(supervisor, "sipcapture")) > 0 && kill(writer, SIGKILL) == 0);
    driver->holds_back = 0;
    CHECK(sleep_until_passed(core, position) && driver->rows > 0 && counter_of(core, "stored") == 1);
    CHECK(counter_of(core, "writer_restarts") == 1);
    CHECK(sc_wait_end(core) == SC_OK && sc_wait_clear(core) == SC_OK);
    capture_one(core);
    position = position_of(core);
    for (uint8_t is_passed = 0; !is_passed && sc_wait_passed(core, position, &is_passed) == SC_OK;) {
        usleep(1000);
    }
    CHECK(counter_of(core, "stored") == 2 && !is_readable(core, 0)); /* nobody waits */
}

/* ---- owners that die ---- */

/* A worker that is killed while it waits for its two captures. */
static pid_t worker_that_waits(sc_core *core)
{
    pid_t child;

    driver->reached = 0;
    child = fork();
    if (child == 0) {
        sc_message sip = message();
        int good = sc_core_attach(core, 1) == SC_OK && sc_capture_sip(core, &sip, nothing, 0) == SC_OK;
        good = good && sc_capture_sip(core, &sip, nothing, 0) == SC_OK && sc_wait_begin(core) == SC_OK;
        driver->reached = 1;
        while (good) {
            pause();
        }
        _exit(1);
    }
    until(&driver->reached);
    return child;
}

/* Another one in its place, which has its captures to store before its own and no wait of its. */
static int successor(sc_core *core)
{
    sc_message sip = message();
    sc_status attached;
    uint64_t dead_owners, own = 0;
    int good, failed_before = failed;

    do { /* the kernel may take a moment to end the other one */
        attached = sc_core_attach(core, 1);
    } while (attached == SC_ERR_WRONG_STATE);
    dead_owners = position_of(core);
    good = attached == SC_OK && dead_owners > 0 && !has_passed(core, dead_owners) && !is_readable(core, 0);
    good = good && sc_capture_sip(core, &sip, nothing, 0) == SC_OK && (own = position_of(core)) > dead_owners;
    good = good && sc_wait_begin(core) == SC_OK && !has_passed(core, own);
    driver->holds_back = 0;
    return good && sleep_until_passed(core, own) && has_passed(core, dead_owners) && failed == failed_before;
}

static void a_lane_whose_owner_died_waiting_is_the_next_workers_with_all_that_it_had_queued(sc_core *core)
{
    uint64_t stored = counter_of(core, "stored");
    pid_t dead, next;
    int status = -1;

    driver->holds_back = 1;
    dead = worker_that_waits(core);
    CHECK(kill(dead, SIGKILL) == 0);
    next = fork();
    if (next == 0) {
        _exit(successor(core) ? 0 : 1);
    }
    CHECK(waitpid(next, &status, 0) == next && status == 0);
    CHECK(waitpid(dead, &status, 0) == dead && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    CHECK(counter_of(core, "stored") == stored + 3 && counter_of(core, "dropped") == 0);
}

static void lanes_of_a_host_that_never_waits_have_no_waits(void)
{
    sc_core *core = core_with_driver(host);
    int32_t descriptor = 77;

    CHECK(sc_core_check(core) == SC_OK && sc_core_map_lanes(core, 1) == SC_OK && sc_core_attach(core, 0) == SC_OK);
    CHECK(sc_wait_begin(core) == SC_ERR_WRONG_STATE && sc_wait_descriptor(core, &descriptor) == SC_ERR_WRONG_STATE);
    CHECK(descriptor == 77);
    end_core(core);
}

void who_waits_is_told_when_its_captures_have_left_the_queue(void)
{
    sc_core *core = core_with_driver(host);
    pid_t supervisor;
    int status = -1;

    CHECK(sc_core_check(core) == SC_OK);
    waits_have_an_order(core);
    supervisor = supervised(core);
    a_wait_outlives_a_writer_that_is_killed(core, supervisor);
    a_lane_whose_owner_died_waiting_is_the_next_workers_with_all_that_it_had_queued(core);
    CHECK(kill(supervisor, SIGTERM) == 0 && waitpid(supervisor, &status, 0) == supervisor && status == 0);
    end_core(core);
    lanes_of_a_host_that_never_waits_have_no_waits();
}
