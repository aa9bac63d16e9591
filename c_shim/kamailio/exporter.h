/*
 * The names of counters on pages of Kamailio's module xhttp_prom, in place of those that no page can hold. Called by a
 * module's child_init; which counters and names, the core says.
 */
#ifndef SIPCAPTURE_KAMAILIO_EXPORTER_H
#define SIPCAPTURE_KAMAILIO_EXPORTER_H

/* In a process of this rank that serves HTTP, lists the counters of `group` under the names that the page can hold, if
 * xhttp_prom shows them. Other processes, and so the commands of ctl and of jsonrpcs over a FIFO or a socket, list the
 * names as registered; by those they are found in each. */
void exporter_name_counters(int rank, const char *group);

#endif
