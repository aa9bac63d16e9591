/*
 * A server whose children have less time at the end than its main process.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "walk.h"

/* A node whose writer has no time at all when the server ends in order, and whose main process has 56 s. */
static sc_core *core_with_two_ends(void)
{
    sc_host other = host;
    sc_core *core;

    other.children_kill_timeout = 1;
    other.main_kill_timeout = 60;
    core = core_with_driver(other);
    CHECK(sc_core_set_number(core, "shutdown_timeout", 58) == SC_OK && sc_core_check(core) == SC_OK);
    CHECK(strstr(last_warning, "58 s are cut to 56 s for the main process, because the server ends it 60 s after"));
    CHECK(sc_core_map_lanes(core, 1) == SC_OK);
    driver->holds_back = 1;
    return core;
}

void the_main_process_has_its_own_time_to_store_what_the_writers_leave(void)
{
    sc_core *core = core_with_two_ends();
    pid_t supervisor;
    int status = -1;

    CHECK(sc_core_attach(core, 0) == SC_OK);
    capture_one(core);
    capture_one(core);
    supervisor = supervised(core);
    until(&driver->asked);
    CHECK(kill(supervisor, SIGTERM) == 0 && waitpid(supervisor, &status, 0) == supervisor && status == 0);
    CHECK(counter_of(core, "queued") == 2 && counter_of(core, "stored") == 0 && driver->rows == 0);
    driver->holds_back = 0;
    CHECK(sc_core_finish(core) == SC_OK && counter_of(core, "stored") == 2 && counter_of(core, "dropped") == 0);
    end_core(core);
}

/* A server that captures, and is killed. */
static pid_t server(sc_core *core)
{
    pid_t child = fork();

    if (child == 0) {
        sc_message sip = message();
        if (sc_core_attach(core, 0) == SC_OK && sc_capture_sip(core, &sip, nothing, 0) == SC_OK) {
            driver->reached = supervised(core);
            pause();
        }
        _exit(1);
    }
    return child;
}

void a_writer_whose_server_is_killed_has_the_main_processs_time(void)
{
    sc_core *core = core_with_two_ends();
    pid_t killed = server(core);
    int status = -1;

    CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0); /* the supervisor becomes this process's child */
    until(&driver->asked);
    CHECK(kill(killed, SIGKILL) == 0 && waitpid(killed, &status, 0) == killed);
    sleep(3); /* longer than a writer waits that is out of time */
    driver->holds_back = 0;
    CHECK(waitpid(driver->reached, &status, 0) == driver->reached && status == 0);
    CHECK(prctl(PR_SET_CHILD_SUBREAPER, 0) == 0);
    CHECK(counter_of(core, "stored") == 1 && counter_of(core, "queued") == 0 && driver->rows == 1);
    end_core(core);
}
