/* A host's database drivers as the core's contract asks for them: see database.h. */
#include <string.h>

#include "database_api.h"

#include "database.h"

typedef struct database {
    api_driver driver;
    api_connection *connection;
} database;

static database databases[SC_SINKS];

/* The host's functions take texts that they may write to, and do not. */
static str to_text(sc_bytes bytes)
{
    str text = { (char *)bytes.ptr, bytes.len };
    return text;
}

static sc_database_answer answer(int is_good)
{
    return is_good ? SC_DATABASE_YES : SC_DATABASE_NO;
}

static uint32_t abilities_of(const api_driver *driver)
{
    uint32_t abilities = 0;

    if (driver->use_table != NULL && driver->init != NULL && driver->close != NULL && driver->insert != NULL) {
        abilities |= SC_DRIVER_INSERT;
    }
    if (api_insert_delayed(driver) != NULL) {
        abilities |= SC_DRIVER_INSERT_DELAYED;
    }
    if (driver->raw_query != NULL && driver->free_result != NULL) {
        abilities |= SC_DRIVER_RUN;
    }
    if (driver->query != NULL && driver->free_result != NULL) {
        abilities |= SC_DRIVER_SELECT;
    }
    return abilities;
}

static sc_database_answer bind_driver(uint32_t sink, sc_bytes module, uint32_t *abilities)
{
    database *which;
    char name[64];
    sc_database_answer found;

    if (sink >= SC_SINKS || module.len >= sizeof(name)) {
        return SC_DATABASE_NO_MODULE;
    }
    which = &databases[sink];
    memset(which, 0, sizeof(*which));
    memcpy(name, module.ptr, module.len);
    name[module.len] = 0;
    found = api_find_driver(name, &which->driver);
    if (found == SC_DATABASE_YES) {
        *abilities = abilities_of(&which->driver);
    }
    return found;
}

static sc_database_answer connect_driver(uint32_t sink, sc_bytes url, sc_bytes *quote)
{
    database *which = &databases[sink];
    str text = to_text(url);

    which->connection = which->driver.init(&text);
    if (which->connection == NULL) {
        return SC_DATABASE_NO;
    }
    quote->ptr = api_quote(which->connection);
    quote->len = strlen(quote->ptr);
    return SC_DATABASE_YES;
}

static void to_value(const sc_value *from, db_val_t *to)
{
    memset(to, 0, sizeof(*to));
    switch (from->kind) {
        case SC_VALUE_TIME:
            to->type = API_TIME;
            to->val.time_val = (time_t)from->number;
            break;
        case SC_VALUE_INT:
            to->type = API_INT;
            to->val.int_val = (int)from->number;
            break;
        case SC_VALUE_BIGINT:
            to->type = API_BIGINT;
            api_set_bigint(to, from->number);
            break;
        case SC_VALUE_TEXT:
            to->type = API_TEXT;
            to->val.str_val = to_text(from->bytes);
            break;
        case SC_VALUE_BLOB:
            to->type = API_BLOB;
            to->val.blob_val = to_text(from->bytes);
            break;
    }
}

static sc_database_answer insert_row(uint32_t sink, const sc_row *row)
{
    database *which = &databases[sink];
    str table = to_text(row->table);
    str names[SC_COLUMNS];
    db_key_t keys[SC_COLUMNS];
    db_val_t values[SC_COLUMNS];

    if (row->count > SC_COLUMNS) {
        return SC_DATABASE_NO;
    }
    for (uint32_t i = 0; i < row->count; i++) {
        names[i] = to_text(row->columns[i]);
        keys[i] = &names[i];
        to_value(&row->values[i], &values[i]);
    }
    if (which->driver.use_table(which->connection, &table) < 0) {
        return SC_DATABASE_NO;
    }
    if (row->delayed) {
        return answer(api_insert_delayed(&which->driver)(which->connection, keys, values, row->count) >= 0);
    }
    return answer(which->driver.insert(which->connection, keys, values, row->count) >= 0);
}

static void drop_result(database *which, api_result *result)
{
    if (result != NULL) {
        which->driver.free_result(which->connection, result);
    }
}

static sc_database_answer run_statement(uint32_t sink, sc_bytes statement)
{
    database *which = &databases[sink];
    str text = to_text(statement);
    api_result *result = NULL;

    if (which->driver.raw_query(which->connection, &text, &result) < 0) {
        return SC_DATABASE_NO;
    }
    drop_result(which, result);
    return SC_DATABASE_YES;
}

static sc_database_answer select_rows(uint32_t sink, sc_bytes table, sc_bytes column, int32_t number)
{
    database *which = &databases[sink];
    str table_name = to_text(table);
    str column_name = to_text(column);
    db_key_t key = &column_name;
    db_op_t equal = OP_EQ;
    db_val_t value;
    api_result *result = NULL;

    memset(&value, 0, sizeof(value));
    value.type = API_INT;
    value.val.int_val = number;
    if (which->driver.use_table(which->connection, &table_name) < 0
            || which->driver.query(which->connection, &key, &equal, &value, &key, 1, 1, NULL, &result) < 0) {
        return SC_DATABASE_NO;
    }
    drop_result(which, result);
    return SC_DATABASE_YES;
}

static void close_driver(uint32_t sink)
{
    database *which = &databases[sink];

    if (which->connection != NULL) {
        which->driver.close(which->connection);
        which->connection = NULL;
    }
}

void database_offer(sc_host *host)
{
    host->database_bind = bind_driver;
    host->database_connect = connect_driver;
    host->database_insert = insert_row;
    host->database_run = run_statement;
    host->database_select = select_rows;
    host->database_close = close_driver;
}
