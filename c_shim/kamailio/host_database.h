/*
 * Kamailio's database API (its drivers are the db_* modules) as the core's contract asks for it.
 */
#ifndef SIPCAPTURE_KAMAILIO_HOST_DATABASE_H
#define SIPCAPTURE_KAMAILIO_HOST_DATABASE_H

#include "../core.h"

/* Fills in the database functions of `host`. */
void host_database_offer(sc_host *host);

#endif
