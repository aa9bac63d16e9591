/*
 * Kamailio's database API under the names that c_shim/shared/database.h asks for. Its drivers are the db_* modules.
 *
 * A driver is found by what its module exports to the core, as Kamailio's own db_bind_mod() does it: that function lies
 * in a private library up to 5.8 and in the core from 6.0 on, while the export is the same, so that nothing need be
 * linked.
 */
#ifndef SIPCAPTURE_KAMAILIO_DATABASE_API_H
#define SIPCAPTURE_KAMAILIO_DATABASE_API_H

#include "core/dprint.h"
#include "core/mem/mem.h"
#include "core/sr_module.h"
#include "lib/srdb1/db.h"

#include "../core.h"

typedef db_func_t api_driver;
typedef db1_con_t api_connection;
typedef db1_res_t api_result;

#define API_TIME DB1_DATETIME
#define API_INT DB1_INT
#define API_BIGINT DB1_BIGINT
#define API_TEXT DB1_STR
#define API_BLOB DB1_BLOB

static inline void api_set_bigint(db_val_t *value, int64_t number)
{
    value->val.ll_val = number;
}

static inline sc_database_answer api_find_driver(char *module, api_driver *driver)
{
    char function[] = "db_bind_api";
    db_bind_api_f bind = (db_bind_api_f)(void (*)(void))find_mod_export(module, function, 0, 0);

    if (bind == NULL) {
        return SC_DATABASE_NO_MODULE;
    }
    return bind(driver) < 0 ? SC_DATABASE_NO : SC_DATABASE_YES;
}

static inline db_insert_f api_insert_delayed(const api_driver *driver)
{
    return driver->insert_delayed;
}

static inline const char *api_quote(const api_connection *connection)
{
    const char *quote = CON_TQUOTESZ(connection);
    return quote != NULL ? quote : "";
}

#endif
