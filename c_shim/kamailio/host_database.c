/*
 * Kamailio's database API as the core's contract asks for it.
 *
 * A driver is found by what its module exports to the core, as Kamailio's own db_bind_mod() does it: that function lies in a private
 * library up to 5.8 and in the core from 6.0 on, while the export is the same, so that nothing need be linked.
 */
#include <stdio.h>
#include <string.h>

#include "core/dprint.h"
#include "core/mem/mem.h"
#include "core/sr_module.h"
#include "lib/srdb1/db.h"

#include "host_database.h"

#define MOST_COLUMNS 64

typedef struct database {
    db_func_t driver;
    db1_con_t *connection;
    char scheme[40];
    int delayed_is_said;
} database;

static database databases[SC_SINKS];

static int is_scheme(const database *which, const char *scheme)
{
    return strcmp(which->scheme, scheme) == 0;
}

static sc_database_answer bind_driver(uint32_t sink, sc_bytes scheme)
{
    database *which = &databases[sink];
    char module[48];
    char function[] = "db_bind_api";
    db_bind_api_f bind;

    if (sink >= SC_SINKS || scheme.len >= sizeof(which->scheme)) {
        return SC_DATABASE_NO_MODULE;
    }
    memset(which, 0, sizeof(*which));
    memcpy(which->scheme, scheme.ptr, scheme.len);
    snprintf(module, sizeof(module), "db_%s", which->scheme);
    bind = (db_bind_api_f)(void (*)(void))find_mod_export(module, function, 0, 0);
    if (bind == NULL) {
        return SC_DATABASE_NO_MODULE;
    }
    if (bind(&which->driver) < 0) {
        return SC_DATABASE_NO;
    }
    if (which->driver.use_table == NULL || which->driver.init == NULL || which->driver.close == NULL
            || which->driver.insert == NULL) {
        return SC_DATABASE_CANNOT_INSERT;
    }
    return SC_DATABASE_YES;
}

/* Runs a statement whose rows do not matter. */
static int run(database *which, char *statement)
{
    str text = { statement, strlen(statement) };
    db1_res_t *result = NULL;

    if (which->driver.raw_query(which->connection, &text, &result) < 0) {
        return 0;
    }
    if (result != NULL) {
        which->driver.free_result(which->connection, result);
    }
    return 1;
}

static sc_database_answer connect_driver(uint32_t sink, sc_bytes url)
{
    database *which = &databases[sink];
    str text = { (char *)url.ptr, url.len };
    char busy[] = "PRAGMA busy_timeout = 10000";

    which->connection = which->driver.init(&text);
    if (which->connection == NULL) {
        return SC_DATABASE_NO;
    }
    /* This driver takes a file that somebody else is writing for a refused row. */
    if (is_scheme(which, "sqlite") && which->driver.raw_query != NULL && which->driver.free_result != NULL) {
        run(which, busy);
    }
    return SC_DATABASE_YES;
}

static void to_value(const database *which, const sc_value *from, db_val_t *to)
{
    memset(to, 0, sizeof(*to));
    switch (from->kind) {
        case SC_VALUE_TIME:
            to->type = DB1_DATETIME;
            to->val.time_val = (time_t)from->number;
            break;
        case SC_VALUE_BIGINT:
            /* db_text has no such type: it would take the low half, log an error, and crash where the column is a text. */
            if (!is_scheme(which, "text")) {
                to->type = DB1_BIGINT;
                to->val.ll_val = from->number;
                break;
            }
            /* fall through */
        case SC_VALUE_INT:
            to->type = DB1_INT;
            to->val.int_val = (int)from->number;
            break;
        case SC_VALUE_TEXT:
            to->type = DB1_STR;
            to->val.str_val.s = (char *)from->bytes.ptr;
            to->val.str_val.len = from->bytes.len;
            break;
        case SC_VALUE_BLOB:
            to->type = DB1_BLOB;
            to->val.blob_val.s = (char *)from->bytes.ptr;
            to->val.blob_val.len = from->bytes.len;
            break;
    }
}

static sc_database_answer insert_row(uint32_t sink, const sc_row *row)
{
    database *which = &databases[sink];
    str table = { (char *)row->table.ptr, row->table.len };
    str names[MOST_COLUMNS];
    db_key_t keys[MOST_COLUMNS];
    db_val_t values[MOST_COLUMNS];
    int failed;

    if (row->count > MOST_COLUMNS) {
        return SC_DATABASE_NO;
    }
    for (uint32_t i = 0; i < row->count; i++) {
        names[i].s = (char *)row->columns[i].ptr;
        names[i].len = row->columns[i].len;
        keys[i] = &names[i];
        to_value(which, &row->values[i], &values[i]);
    }
    if (which->driver.use_table(which->connection, &table) < 0) {
        return SC_DATABASE_NO;
    }
    if (row->delayed && which->driver.insert_delayed != NULL) {
        failed = which->driver.insert_delayed(which->connection, keys, values, row->count) < 0;
    } else {
        failed = which->driver.insert(which->connection, keys, values, row->count) < 0;
    }
    if (row->delayed && which->driver.insert_delayed == NULL && !which->delayed_is_said) {
        LM_INFO("db_%s has no INSERT DELAYED: plain INSERT is used\n", which->scheme);
        which->delayed_is_said = 1;
    }
    return failed ? SC_DATABASE_NO : SC_DATABASE_YES;
}

/* Asks SQL for the columns of no row, so that an index or the table's size does not matter. */
static sc_database_answer has_sql_table(database *which, const sc_row *row)
{
    char statement[16384];
    const char *quote = CON_TQUOTESZ(which->connection);
    size_t len = snprintf(statement, sizeof(statement), "SELECT ");

    for (uint32_t i = 0; i < row->count && len < sizeof(statement); i++) {
        len += snprintf(statement + len, sizeof(statement) - len, "%s%s%.*s%s", i > 0 ? ", " : "", quote,
                (int)row->columns[i].len, row->columns[i].ptr, quote);
    }
    if (len < sizeof(statement)) {
        len += snprintf(statement + len, sizeof(statement) - len, " FROM %s%.*s%s WHERE 1 = 0", quote, (int)row->table.len,
                row->table.ptr, quote);
    }
    if (len >= sizeof(statement)) {
        return SC_DATABASE_UNKNOWN;
    }
    return run(which, statement) ? SC_DATABASE_YES : SC_DATABASE_NO;
}

/* db_text reads no such SQL; its tables are in memory. */
static sc_database_answer has_text_table(database *which, const sc_row *row)
{
    str table = { (char *)row->table.ptr, row->table.len };
    db1_res_t *result = NULL;
    str name;
    db_key_t key = &name;
    db_op_t equal = OP_EQ;
    db_val_t never;

    for (uint32_t i = 0; i < row->count; i++) {
        if (row->values[i].kind == SC_VALUE_INT) {
            name.s = (char *)row->columns[i].ptr;
            name.len = row->columns[i].len;
            memset(&never, 0, sizeof(never));
            never.type = DB1_INT;
            never.val.int_val = -1;
            if (which->driver.use_table(which->connection, &table) < 0
                    || which->driver.query(which->connection, &key, &equal, &never, &key, 1, 1, NULL, &result) < 0) {
                return SC_DATABASE_NO;
            }
            if (result != NULL) {
                which->driver.free_result(which->connection, result);
            }
            return SC_DATABASE_YES;
        }
    }
    return SC_DATABASE_UNKNOWN;
}

static sc_database_answer has_table(uint32_t sink, const sc_row *row)
{
    database *which = &databases[sink];

    if (which->driver.free_result == NULL) {
        return SC_DATABASE_UNKNOWN;
    }
    if (is_scheme(which, "text")) {
        return which->driver.query != NULL ? has_text_table(which, row) : SC_DATABASE_UNKNOWN;
    }
    return which->driver.raw_query != NULL ? has_sql_table(which, row) : SC_DATABASE_UNKNOWN;
}

static void close_driver(uint32_t sink)
{
    database *which = &databases[sink];

    if (which->connection != NULL) {
        which->driver.close(which->connection);
        which->connection = NULL;
    }
}

void host_database_offer(sc_host *host)
{
    host->database_bind = bind_driver;
    host->database_connect = connect_driver;
    host->database_insert = insert_row;
    host->database_has_table = has_table;
    host->database_close = close_driver;
}
