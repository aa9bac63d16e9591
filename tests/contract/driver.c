/*
 * A database driver of the host's own that keeps rows back when it is told to, and remembers what it was given, in
 * memory that all processes of the walk share.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "walk.h"

driver_memory *driver;

static sc_database_answer bind_driver(uint32_t sink, sc_bytes module, uint32_t *abilities)
{
    (void)sink;
    *abilities = SC_DRIVER_INSERT;
    return is(module, "db_walk") ? SC_DATABASE_YES : SC_DATABASE_NO_MODULE;
}

static sc_database_answer connect_driver(uint32_t sink, sc_bytes url, sc_bytes *quote)
{
    (void)sink;
    (void)url;
    *quote = nothing;
    return SC_DATABASE_YES;
}

static sc_database_answer insert(uint32_t sink, const sc_row *row)
{
    (void)sink;
    driver->asked = 1;
    while (driver->holds_back) {
        usleep(1000);
    }
    for (uint32_t i = 0; i < row->count; i++) {
        if (is(row->columns[i], "micro_ts")) {
            driver->time_us = row->values[i].number;
        }
    }
    driver->rows++;
    return SC_DATABASE_YES;
}

static sc_database_answer run(uint32_t sink, sc_bytes statement)
{
    (void)sink;
    (void)statement;
    return SC_DATABASE_NO;
}

static sc_database_answer look(uint32_t sink, sc_bytes table, sc_bytes column, int32_t number)
{
    (void)sink;
    (void)table;
    (void)column;
    (void)number;
    return SC_DATABASE_NO;
}

static void close_driver(uint32_t sink)
{
    (void)sink;
}

sc_core *core_with_driver(sc_host other)
{
    sc_core *core = NULL;

    driver = mmap(NULL, sizeof(*driver), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (driver == MAP_FAILED) {
        abort();
    }
    other.database_bind = bind_driver;
    other.database_connect = connect_driver;
    other.database_insert = insert;
    other.database_run = run;
    other.database_select = look;
    other.database_close = close_driver;
    CHECK(sc_core_new(&other, "kamailio/sipcapture", &core) == SC_OK);
    CHECK(sc_core_set_text(core, "db_url", bytes("walk://u:p@h/d")) == SC_OK);
    CHECK(sc_core_set_text(core, "spool_dir", nothing) == SC_OK);
    CHECK(sc_core_set_number(core, "capture_on", 1) == SC_OK && sc_core_set_number(core, "queue_size", 1) == SC_OK);
    return core;
}

void capture_one(sc_core *core)
{
    sc_message sip = message();
    CHECK(sc_capture_sip(core, &sip, nothing, 0) == SC_OK);
}

void until(volatile int *memory)
{
    while (!*memory) {
        usleep(1000);
    }
}

pid_t supervised(sc_core *core)
{
    pid_t child = fork();

    if (child == 0) {
        sc_writer_supervise(core, 0);
        _exit(0);
    }
    return child;
}

void end_core(sc_core *core)
{
    CHECK(sc_core_finish(core) == SC_OK && sc_core_free(core) == SC_OK);
    munmap(driver, sizeof(*driver));
}
