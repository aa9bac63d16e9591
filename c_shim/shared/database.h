/*
 * A host's database drivers as the core's contract asks for them, for hosts of the SER family, whose drivers all have
 * one set of functions. Nothing here knows one driver from another: the core says what is asked of each.
 *
 * Each host has a file database_api.h beside its other shared files, with what its database API calls differently. It
 * defines
 *
 *   str, db_key_t, db_op_t, db_val_t, OP_EQ    as its own headers do
 *   API_TIME, API_INT, API_BIGINT, API_TEXT, API_BLOB    types of a db_val_t
 *   api_driver            the functions of a driver: use_table, init, close, insert, query, raw_query, free_result
 *   api_connection        a connection that `init` makes
 *   api_result            a result that `free_result` ends
 *   api_set_bigint()      the value of an API_BIGINT
 *   api_find_driver()     the functions that a module exports; SC_DATABASE_NO_MODULE when it is not loaded,
 *                         SC_DATABASE_NO when it refuses
 *   api_insert_delayed()  the driver's INSERT DELAYED, of the type of `insert`; NULL when it has none
 *   api_quote()           what the driver puts around names in SQL; empty for nothing
 */
#ifndef SIPCAPTURE_SHARED_DATABASE_H
#define SIPCAPTURE_SHARED_DATABASE_H

#include "../core.h"

/* Fills in the database functions of `host`. */
void database_offer(sc_host *host);

#endif
