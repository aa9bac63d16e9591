/*
 * What the files of siptrace.so have of each other; no other module includes it.
 */
#ifndef SIPCAPTURE_KAMAILIO_SIPTRACE_H
#define SIPCAPTURE_KAMAILIO_SIPTRACE_H

#include <signal.h>

#include "core/ip_addr.h"
#include "core/kemi.h"
#include "core/parser/msg_parser.h"
#include "core/pvar.h"
#include "core/sr_module.h"

#include "../../core.h"

/* ---- tracing.c ---- */

/* What a call of sip_trace() has asked for, as long as a transaction or dialog needs it. In shared memory, and counted: whoever keeps one
 * holds it, and the last to let go frees it. */
typedef struct tracing {
    int holders;
    int has_destination; /* whether the script has named a destination, be it empty */
    int is_mode;         /* sip_trace_mode(): not kept */
    str destination;
    str correlation;
} tracing;

/* A copy in shared memory with one holder; NULL when there is no memory. */
tracing *tracing_keep(const tracing *what);

/* One holder more, or less. The latter is what the host calls when it forgets a callback. */
tracing *tracing_hold(tracing *what);
void tracing_release(void *what);

/* Leaves `what` in the context of the message at hand, for a dialog that is made of it, and finds it there again: not held; NULL when there is
 * none. */
int tracing_leave(tracing *what);
tracing *tracing_left(void);

/* ---- message.c ---- */

/* Longest proto:ip:port, with its end. */
#define ADDRESS_SIZE 60

/* Room for the parts of a message that are made up on the way. */
typedef struct message_room {
    char from[ADDRESS_SIZE];
    char to[ADDRESS_SIZE];
    char status[16];
    sip_msg_t parsed; /* its own parse of a message that other processes share */
} message_room;

/* Whether the AVPs can be told by their names; 0, and a line in the log, when not. In mod_init. */
int message_name_avps(str *users, str *table);

/* Begins a record with what is read off `msg`: Call-ID, method, tags; 0 when it lacks them. message_end must follow, whatever the answer. */
int message_begin(sc_trace *trace, message_room *room, sip_msg_t *msg);
void message_end(message_room *room);

/* What the context at hand says of the users that are traced, and of the table. Valid until the next call. */
void message_read_users(sc_trace *trace);
void message_read_table(sc_trace *trace);

/* What sip_trace() has asked for. */
void message_follow(sc_trace *trace, const tracing *what);

/* proto:ip:port in `text`, of ADDRESS_SIZE; without brackets around an IPv6 address. */
sc_bytes message_address(char *text, int proto, struct ip_addr *ip, unsigned short port);
/* The same of a socket address; of nothing when it is NULL. */
sc_bytes message_peer(char *text, int proto, union sockaddr_union *to);
/* The same of a host that is text already. */
sc_bytes message_host(char *text, int proto, const char *host, unsigned short port);
/* Of nothing that is known. */
sc_bytes message_nowhere(void);
/* The listen socket's own text, in `text`. */
sc_bytes message_socket(char *text, const str *socket);

/* The number `code` as text. */
sc_bytes message_status(message_room *room, int code);

/* Whether the switch trace_on is on. */
int message_is_on(void);

/* Hands the record over, and sends the copies that the core asks for. */
sc_status message_send(const sc_trace *trace);

/* Traces `msg` as the script sees it: what comes in, or, in an onsend_route, what goes out. */
sc_status message_trace(sip_msg_t *msg, const tracing *what);

/* ---- functions.c ---- */

extern cmd_export_t functions[];
extern sr_kemi_t kemi_functions[];

/* The flag that makes sip_trace() without a type trace a transaction; -1: none. In mod_init. */
void functions_use_flag(int flag);

/* ---- callbacks.c ---- */

/* What dialogs are traced for beside their requests. */
typedef struct dialog_options {
    int acks;
    int spirals;
} dialog_options;

/* Finds tm, dialog and sl, and has the latter two call back; with `acks` also for ACKs to stateless replies. 0 when that cannot be. In mod_init. */
int callbacks_bind(int acks, const dialog_options *dialogs);

/* Whether there is a module that knows transactions, or dialogs. */
int callbacks_know_transactions(void);
int callbacks_know_dialogs(void);

/* Whether the transaction that this CANCEL or ACK belongs to is traced, so that its callbacks see to the message. */
int callbacks_see_to(sip_msg_t *msg);

/* Has everything of the request's transaction traced; 0 when it cannot be. */
int callbacks_follow_transaction(sip_msg_t *msg, tracing *what);

/* Notes what sip_trace() was told for `msg`, for its stateless replies. */
void callbacks_note(const sip_msg_t *msg, const tracing *what);

/* ---- events.c ---- */

extern pv_export_t event_variables[];

/* What the parameters ask for. */
typedef struct event_options {
    int rows;       /* they are made of what is shown */
    int headers;    /* the X-Siptrace headers are on what the script sees */
    int advertised; /* sockets are told by their advertised addresses */
    int ephemeral;  /* and by the port that a connection really has */
} event_options;

/* Has the host show what it receives and sends (trace_mode), and the script what is traced of it: event_route[siptrace:msg], or the KEMI function
 * `callback`. 0 when that cannot be. In mod_init. */
int events_listen(const event_options *wanted, const str *callback);

/* ---- sockets.c ---- */

/* The socket that lines leave from, wherever they go; NULL for one that fits. In mod_init. */
void sockets_name(const struct socket_info *socket);

/* The sockets that this process would send a line of hlog() from, as the core is told of them. Valid until the next call. */
sc_bytes sockets_told(void);

/* ---- copies.c ---- */

/* The socket that copies leave from; NULL for one that fits. In mod_init. */
void copies_leave_from(struct socket_info *socket);

/* Makes ready to send, and has the names that parameters give looked up; 0 when there is no memory. In mod_init. */
int copies_prepare(void);

/* Sends them, or counts those that cannot be sent. Nothing of it is traced. */
void copies_send(const sc_copies *copies);

#endif
