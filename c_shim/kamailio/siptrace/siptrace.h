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

/* ---- trace_context.c ---- */

/* What a call of sip_trace() has asked for. A copy is in shared memory as long as a transaction or dialog needs it, and
 * counts its holders: the last one frees it. */
typedef struct trace_context {
    int holders;
    int has_destination; /* whether the script has named a destination, be it empty */
    str destination;
    str correlation;
} trace_context;

/* A copy in shared memory with one holder; NULL when there is no memory. */
trace_context *trace_context_copy(const trace_context *context);

/* Adds a holder, or removes one. The latter is what the host calls when it forgets a callback. */
trace_context *trace_context_hold(trace_context *context);
void trace_context_release(void *context);

/* Stores `context` with the message at hand, for a dialog that the message begins, and reads it there: not held; NULL
 * when there is none. */
int trace_context_attach(trace_context *context);
trace_context *trace_context_of_message(void);

/* ---- message.c ---- */

/* Room for the parts of a message that are made while it is read. */
typedef struct message_room {
    char status[16];
    sip_msg_t parsed; /* its own parse of a message that other processes share */
} message_room;

/* Whether the AVPs can be told by their names; 0, and a line in the log, when not. In mod_init. */
int message_name_avps(str *users, str *table);

/* Begins a record with what is read from `msg`: Call-ID, method, tags; 0 when it lacks them. message_end must follow,
 * whatever the answer. */
int message_begin(sc_trace *trace, message_room *room, sip_msg_t *msg);
void message_end(message_room *room);

/* Reads which users are traced, and into which table, from the AVPs at hand. Valid until the next call. */
void message_read_users(sc_trace *trace);
void message_read_table(sc_trace *trace);

/* Fills in what sip_trace() has asked for. */
void message_follow(sc_trace *trace, const trace_context *context);

/* An address of another host, or our own address as a message has it. */
sc_endpoint message_address(int proto, const struct ip_addr *ip, unsigned short port);
/* The same of a socket address; of none when it is NULL. */
sc_endpoint message_peer(int proto, union sockaddr_union *to);
/* A listen socket; none when it is NULL. */
sc_endpoint message_socket(const struct socket_info *socket);
/* A listen socket by the address that it is advertised with. */
sc_endpoint message_advertised(const struct socket_info *socket);

/* The number `code` as text. */
sc_bytes message_status(message_room *room, int code);

/* Whether the switch trace_on is on. */
int message_is_on(void);

/* Hands the record over, and sends the copies that the core asks for. */
sc_status message_send(const sc_trace *trace);

/* Traces `msg` as the script sees it: what comes in, or, in an onsend_route, what goes out. */
sc_status message_trace(sip_msg_t *msg, const trace_context *context);

/* ---- functions.c ---- */

extern cmd_export_t functions[];
extern sr_kemi_t kemi_functions[];

/* The flags that make sip_trace() without a type trace a transaction. In mod_init. */
void functions_use_flags(unsigned int flags);

/* ---- callbacks.c ---- */

/* Finds tm, dialog and sl, and has the latter two call back, as `needs` asks; 0 when that cannot be. In mod_init. */
int callbacks_bind(const sc_trace_needs *needs);

/* Whether there is a module that knows transactions, or dialogs. */
int callbacks_know_transactions(void);
int callbacks_know_dialogs(void);

/* Whether the transaction that this CANCEL or ACK belongs to is followed, so that its callbacks trace the message. */
int callbacks_see_to(sip_msg_t *msg);

/* Has everything of the request's transaction traced; 0 when it cannot be. */
int callbacks_follow_transaction(sip_msg_t *msg, trace_context *context);

/* Remembers what sip_trace() was given for `msg`, for the stateless replies to it. */
void callbacks_remember(const sip_msg_t *msg, const trace_context *context);

/* ---- events.c ---- */

extern pv_export_t event_variables[];

/* Has the host show what it receives and sends (trace_mode), and the script what is traced of it:
 * event_route[siptrace:msg], or the KEMI function `callback`. 0 when that cannot be. In mod_init. */
int events_listen(const sc_trace_needs *needs, const str *callback);

/* ---- sockets.c ---- */

/* The socket that lines leave from, wherever they go; NULL for one that fits. In mod_init. */
void sockets_name(const struct socket_info *socket);

/* Fills in the sockets that this process would send a line of hlog() from. Valid until the next call. */
void sockets_read(sc_trace *trace);

/* ---- copies.c ---- */

/* The socket that copies leave from; NULL for one that fits. In mod_init. */
void copies_leave_from(struct socket_info *socket);

/* Makes ready to send, and has the names that parameters give looked up; 0 when there is no memory. In mod_init. */
int copies_prepare(void);

/* Sends them, or counts those that cannot be sent. Nothing of it is traced. */
void copies_send(const sc_copies *copies);

#endif
