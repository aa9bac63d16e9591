/*
 * A capture agent: traced messages, decisions, and what is forwarded.
 */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../c_shim/shared/parameters.h"
#include "walk.h"

/* A table that cannot be costs the rows, which are counted; the copy goes out. */
static void each_output_of_a_message_is_on_its_own(sc_core *core)
{
    sc_trace trace = { .tracer = SC_TRACER_FOLLOW };
    sc_copies copies = { NULL, 77, nothing };
    uint64_t dropped = counter_of(core, "dropped"), captured = counter_of(core, "captured");

    trace.body = bytes("OPTIONS sip:a SIP/2.0\r\n\r\n");
    trace.table = bytes("a b");
    trace.has_destination = 1;
    trace.destination = bytes("sip:127.0.0.1:9");
    CHECK(sc_trace_send(core, &trace, &copies) == SC_ERR_NO_TABLE && copies.count == 1
          && copies.body.len == trace.body.len);
    CHECK(counter_of(core, "dropped") == dropped + 1 && counter_of(core, "captured") == captured + 1);
}

/* Whatever of it could have gone elsewhere. */
static void a_destination_that_is_none_has_nothing_queued(sc_core *core)
{
    sc_trace trace = { .tracer = SC_TRACER_SCRIPT, .has_destination = 1 };
    sc_copies copies = { NULL, 77, nothing };
    uint64_t captured = counter_of(core, "captured"), refused = counter_of(core, "refused");

    trace.body = bytes("OPTIONS sip:a SIP/2.0\r\n\r\n");
    trace.destination = bytes("sips:me:s3cret@h;transport=udp");
    CHECK(sc_trace_send(core, &trace, &copies) == SC_ERR_INVALID_VALUE && copies.count == 0);
    CHECK(counter_of(core, "captured") == captured && counter_of(core, "refused") == refused + 1);
    CHECK(strstr(last_log, "s3cret") == NULL);
}

/* ---- forwarding ---- */

static int is_target(const sc_forward_target *target, uint8_t last, uint16_t port, uint8_t transport)
{
    return target->address.length == 4 && target->address.ip[0] == 192 && target->address.ip[3] == last
           && target->address.port == port && target->transport == transport;
}

/* Nulls, and calls before their time; then the name of the parameter duplicate_uri is the one that is looked up. */
static void forwarding_begins(sc_core *core)
{
    sc_forward_verdict verdict = 77;
    sc_forward_target target = { { 0 }, 77 };
    sc_forward_work work = { .step = 77 };
    uint8_t needed = 77, sends = 77;

    CHECK(sc_forward_open(NULL) == SC_ERR_NULL_POINTER && sc_forward_expect_any(NULL) == SC_ERR_NULL_POINTER);
    CHECK(sc_forward_expect(NULL, nothing) == SC_ERR_NULL_POINTER
          && sc_forward_expect(core, broken) == SC_ERR_NULL_POINTER);
    CHECK(sc_forward_needs_process(core, NULL, &sends) == SC_ERR_NULL_POINTER
          && sc_forward_needs_process(core, &needed, NULL) == SC_ERR_NULL_POINTER);
    CHECK(sc_forward_find(core, broken, nothing, &verdict, &target) == SC_ERR_NULL_POINTER);
    CHECK(sc_forward_find(core, nothing, broken, &verdict, &target) == SC_ERR_NULL_POINTER);
    CHECK(sc_forward_find(core, nothing, nothing, NULL, &target) == SC_ERR_NULL_POINTER);
    CHECK(sc_forward_find(core, nothing, nothing, &verdict, NULL) == SC_ERR_NULL_POINTER);
    CHECK(sc_forward_failed(core, broken) == SC_ERR_NULL_POINTER && sc_forward_next(core, NULL) == SC_ERR_NULL_POINTER);
    CHECK(sc_forward_found(core, NULL) == SC_ERR_NULL_POINTER && sc_forward_not_found(NULL) == SC_ERR_NULL_POINTER);
    CHECK(verdict == 77 && target.transport == 77 && needed == 77 && sends == 77);

    CHECK(sc_forward_next(core, &work) == SC_ERR_WRONG_STATE && sc_forward_not_found(core) == SC_ERR_WRONG_STATE
          && work.step == 77);
    CHECK(sc_forward_expect(core, bytes("sip:early.example")) == SC_OK && sc_forward_expect_any(core) == SC_OK);
    CHECK(sc_forward_needs_process(core, &needed, &sends) == SC_OK && needed == 0 && sends == 1);
    CHECK(sc_forward_find(core, bytes("sip:early.example"), nothing, &verdict, &target) == SC_OK
          && verdict == SC_FORWARD_LOST);
    CHECK(sc_forward_find(core, bytes("sip:me:s3cret@192.0.0.9:9;transport=tls"), nothing, &verdict, &target) == SC_OK);
    CHECK(verdict == SC_FORWARD_SEND && is_target(&target, 9, 9, 3));
    CHECK(sc_forward_open(core) == SC_OK && sc_forward_open(core) == SC_ERR_WRONG_STATE);
    CHECK(sc_forward_needs_process(core, &needed, &sends) == SC_OK && needed == 1 && sends == 1);
    CHECK(sc_forward_next(core, &work) == SC_OK && work.step == SC_FORWARD_LOOK_UP);
    CHECK(is(work.name, "parameter.example") && work.port == 5060 && work.transport == 4);
    target.address.length = 5;
    CHECK(sc_forward_found(core, &target) == SC_ERR_INVALID_VALUE && sc_forward_not_found(core) == SC_OK);
    CHECK(strstr(last_log, "parameter.example cannot be resolved; nothing is sent there until it can be") != NULL);
    CHECK(sc_forward_next(core, &work) == SC_OK && work.step == SC_FORWARD_WAIT);
}

static void what_a_name_holds_is_sent_by_another_process(sc_core *core)
{
    const sc_bytes uri = bytes("sip:a.example:9060;transport=udp");
    sc_forward_target found = { { 4, { 192, 0, 0, 7 }, 9060 }, 0 };
    sc_forward_verdict verdict = 77;
    sc_forward_target target;
    sc_forward_work work;
    int status = 1;
    pid_t child = fork();

    if (child == 0) {
        _exit(sc_forward_find(core, uri, bytes("a message"), &verdict, &target) != SC_OK || verdict != SC_FORWARD_HELD);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(sc_forward_next(core, &work) == SC_OK && work.step == SC_FORWARD_LOOK_UP && is(work.name, "a.example"));
    CHECK(sc_forward_found(core, &found) == SC_OK && sc_forward_found(core, &found) == SC_ERR_WRONG_STATE);
    CHECK(sc_forward_next(core, &work) == SC_OK && work.step == SC_FORWARD_SEND_HELD);
    CHECK(is(work.uri, "sip:a.example:9060;transport=udp") && is(work.message, "a message")
          && is_target(&work.target, 7, 9060, 1));
    CHECK(sc_forward_next(core, &work) == SC_OK && work.step == SC_FORWARD_WAIT);
    CHECK(sc_forward_find(core, uri, bytes("another"), &verdict, &target) == SC_OK);
    CHECK(verdict == SC_FORWARD_SEND && is_target(&target, 7, 9060, 1));
}

static void what_cannot_be_sent_is_counted(sc_core *core)
{
    static char filling[1 << 16];
    const sc_bytes uri = bytes("sip:b.example"), message = { filling, sizeof(filling) };
    sc_forward_verdict verdict = SC_FORWARD_HELD;
    sc_forward_target target;
    int held = 0;

    CHECK(sc_forward_failed(core, bytes("sip:me:s3cret@192.0.0.9")) == SC_OK && counter_of(core, "copies_failed") == 1);
    CHECK(strstr(last_log, "s3cret") == NULL);
    CHECK(sc_forward_find(core, bytes("tel:1"), message, &verdict, &target) == SC_OK && verdict == SC_FORWARD_LOST);
    CHECK(counter_of(core, "copies_failed") == 2);
    while (sc_forward_find(core, uri, message, &verdict, &target) == SC_OK && verdict == SC_FORWARD_HELD) {
        held++;
    }
    CHECK(held == 15 && verdict == SC_FORWARD_LOST && counter_of(core, "copies_failed") == 3);
}

/* $siptrace(...), of which the host hands in the message that its script looks at. */
static void the_script_is_shown_the_ends_of_a_message(sc_core *core, const sc_trace *shown)
{
    sc_variable_value field = { .kind = 77 };
    const char *names = NULL;
    uint32_t variable = 77;

    CHECK(sc_trace_variable(broken, &variable) == SC_ERR_NULL_POINTER
          && sc_trace_variable(bytes("direction"), NULL) == SC_ERR_NULL_POINTER);
    CHECK(sc_trace_variable(bytes("src_ip"), &variable) == SC_ERR_UNKNOWN_NAME && variable == 77);
    CHECK(sc_trace_variable_names(NULL) == SC_ERR_NULL_POINTER);
    CHECK(sc_trace_variable_names(&names) == SC_OK && strstr(names, "hostip") != NULL);
    CHECK(sc_trace_variable(bytes("src_port"), &variable) == SC_OK);
    CHECK(sc_trace_variable_value(NULL, variable, shown, &field) == SC_ERR_NULL_POINTER);
    CHECK(sc_trace_variable_value(core, variable, shown, NULL) == SC_ERR_NULL_POINTER && field.kind == 77);
    CHECK(sc_trace_variable_value(core, variable, NULL, &field) == SC_OK && field.kind == SC_VARIABLE_NULL);
    CHECK(sc_trace_variable_value(core, variable, shown, &field) == SC_OK && field.kind == SC_VARIABLE_NUMBER
          && field.number == 5060);
    CHECK(sc_trace_variable(bytes("dst_proto"), &variable) == SC_OK);
    CHECK(sc_trace_variable_value(core, variable, shown, &field) == SC_OK && field.kind == SC_VARIABLE_BOTH
          && field.number == 1);
    CHECK(field.text.len == 3 && memcmp(field.text.ptr, "udp", 3) == 0);
    CHECK(sc_trace_variable_value(core, UINT32_MAX, shown, &field) == SC_OK && field.kind == SC_VARIABLE_NULL);
}

/* What a script asks for, from its words to its answer. */
static void a_call_is_decided_and_concluded(sc_core *node, sc_core *core)
{
    sc_trace_call call = { .function = SC_FUNCTION_SIP_TRACE };
    sc_trace_decision decision = { 77, 77, 77 };
    sc_trace_conclusion conclusion = { 77, 77, 77 };
    sc_scope scope = 77;

    CHECK(sc_trace_scope(NULL, SC_FUNCTION_SIP_TRACE, bytes("t"), &scope) == SC_ERR_NULL_POINTER);
    CHECK(sc_trace_scope(node, SC_FUNCTION_SIP_TRACE, bytes("t"), &scope) == SC_ERR_WRONG_STATE);
    CHECK(sc_trace_scope(core, SC_FUNCTION_SIP_TRACE, broken, &scope) == SC_ERR_NULL_POINTER);
    CHECK(sc_trace_scope(core, SC_FUNCTION_SIP_TRACE, bytes("t"), NULL) == SC_ERR_NULL_POINTER);
    CHECK(sc_trace_scope(core, 99, bytes("t"), &scope) == SC_ERR_INVALID_VALUE && scope == 77);
    CHECK(sc_trace_scope(core, SC_FUNCTION_SIP_TRACE, bytes("x"), &scope) == SC_OK && scope == SC_SCOPE_UNKNOWN);
    CHECK(strstr(last_log, "the type \"x\" is not known") != NULL);
    CHECK(sc_trace_scope(core, SC_FUNCTION_SIP_TRACE, bytes(" T"), &call.scope) == SC_OK
          && call.scope == SC_SCOPE_TRANSACTION);
    CHECK(sc_trace_decide(NULL, &call, &decision) == SC_ERR_NULL_POINTER
          && sc_trace_decide(node, &call, &decision) == SC_ERR_WRONG_STATE);
    CHECK(sc_trace_decide(core, NULL, &decision) == SC_ERR_NULL_POINTER
          && sc_trace_decide(core, &call, NULL) == SC_ERR_NULL_POINTER);
    call.method = broken;
    CHECK(sc_trace_decide(core, &call, &decision) == SC_ERR_NULL_POINTER && decision.step == 77);
    call.method = bytes("CANCEL");
    CHECK(sc_trace_decide(core, &call, &decision) == SC_OK && decision.step == SC_STEP_TRACE
          && decision.follow == SC_SCOPE_MESSAGE);
    CHECK(strstr(last_log, "without tm.so") != NULL);
    call.knows_transactions = 1;
    CHECK(sc_trace_decide(core, &call, &decision) == SC_OK && decision.step == SC_STEP_LOOK_UP);
    call.is_seen_to = SC_YES;
    CHECK(sc_trace_decide(core, &call, &decision) == SC_OK && decision.step == SC_STEP_ANSWER && decision.answer == 1);
    call.is_seen_to = 99;
    CHECK(sc_trace_decide(core, &call, &decision) == SC_ERR_INVALID_VALUE);
    call.is_seen_to = SC_NO;
    CHECK(sc_trace_decide(core, &call, &decision) == SC_OK && decision.step == SC_STEP_TRACE
          && decision.follow == SC_SCOPE_TRANSACTION);
    CHECK(sc_trace_conclude(call.function, decision.follow, SC_OK, NULL) == SC_ERR_NULL_POINTER);
    CHECK(sc_trace_conclude(99, decision.follow, SC_OK, &conclusion) == SC_ERR_INVALID_VALUE);
    CHECK(sc_trace_conclude(call.function, 99, SC_OK, &conclusion) == SC_ERR_INVALID_VALUE && conclusion.answer == 77);
    CHECK(sc_trace_conclude(call.function, decision.follow, SC_OK, &conclusion) == SC_OK && conclusion.answer == 1);
    CHECK(conclusion.follow == SC_SCOPE_TRANSACTION && conclusion.forgets_destination == 0);
    CHECK(sc_trace_conclude(call.function, decision.follow, SC_ERR_INVALID_VALUE, &conclusion) == SC_OK
          && conclusion.answer == -1);
    CHECK(conclusion.follow == SC_SCOPE_MESSAGE && conclusion.forgets_destination == 1);
    CHECK(sc_trace_conclude(call.function, decision.follow, SC_ERR_NO_COLLECTOR, &conclusion) == SC_OK
          && conclusion.answer == -1);
    CHECK(sc_trace_conclude(SC_FUNCTION_SIP_TRACE_MODE, decision.follow, SC_ERR_NO_COLLECTOR, &conclusion) == SC_OK
          && conclusion.answer == 1);
}

static void the_parameters_say_what_the_host_does(sc_core *node, sc_core *core)
{
    sc_trace_needs needs = { 0 };

    CHECK(sc_trace_setup(NULL, &needs) == SC_ERR_NULL_POINTER && sc_trace_setup(core, NULL) == SC_ERR_NULL_POINTER);
    CHECK(sc_trace_setup(node, &needs) == SC_ERR_WRONG_STATE);
    CHECK(sc_core_set_number(core, "trace_flag", 5) == SC_OK
          && sc_core_set_text(core, "send_sock_name", bytes("second")) == SC_OK);
    CHECK(sc_trace_setup(core, &needs) == SC_OK && needs.follows_scripts == 1 && needs.transaction_flags == 1u << 5);
    CHECK(needs.dialog_acks == 1 && needs.traces_traffic == 0
          && needs.sends_copies == 1); /* this host's release is not known: the newest */
    CHECK(needs.socket_uri.len == 0 && needs.socket_name.len == 6 && memcmp(needs.socket_name.ptr, "second", 6) == 0);
    CHECK(sc_core_refuse(core, "send_sock_name", needs.socket_name, SC_REFUSAL_NO_SOCKET) == SC_OK);
    CHECK(strstr(last_log, "no listen socket \"second\"") != NULL);
}

/* The capture agent: a handle of another module, with functions that a capture node lacks, and the other way round. */
void a_capture_agent_is_a_module_of_its_own(sc_core *node, const char *directory)
{
    sc_address from = { 4, { 127, 0, 0, 1 }, 0 };
    sc_bytes user = bytes("alice");
    sc_trace trace = { 0 };
    sc_copies copies = { NULL, 77, nothing };
    sc_core *core = NULL;
    const char *name = NULL;
    uint32_t mode = 77;
    uint8_t on = 77;
    const sc_address local = { 4, { 127, 0, 0, 1 }, 5060 };
    const sc_endpoint sockets[2] = { { .transport = 1, .is_socket = 1, .address = local },
        { .is_socket = 1, .address = local } };
    char url[300];
    char room[1000];
    size_t length = 77;
    const char *headed =
        "OPTIONS sip:a SIP/2.0\r\nX-Siptrace-Fromip: udp:127.0.0.1:5060\r\nX-Siptrace-Toip: udp:127.0.0.1:5060\r\n"
        "X-Siptrace-Time: 0 0\r\nX-Siptrace-Method: OPTIONS\r\nX-Siptrace-Dir: in\r\n\r\n";

    CHECK(sc_trace_is_on(node, &on) == SC_ERR_WRONG_STATE
          && sc_trace_send(node, &trace, &copies) == SC_ERR_WRONG_STATE);
    CHECK(sc_trace_bind(node, &from) == SC_ERR_WRONG_STATE);
    CHECK(sc_core_new(&host, "kamailio/siptrace", &core) == SC_OK);
    CHECK(sc_trace_is_on(NULL, &on) == SC_ERR_NULL_POINTER && sc_trace_is_on(core, NULL) == SC_ERR_NULL_POINTER);
    CHECK(sc_trace_bind(core, NULL) == SC_ERR_NULL_POINTER
          && sc_trace_send(core, NULL, &copies) == SC_ERR_NULL_POINTER);
    CHECK(sc_trace_send(core, &trace, NULL) == SC_ERR_NULL_POINTER);
    CHECK(sc_mode_find(core, nothing, &mode) == SC_ERR_WRONG_STATE && mode == 77);
    CHECK(sc_message_redacted(core, user, &user) == SC_ERR_WRONG_STATE);
    CHECK(sc_core_set_text(core, "duplicate_uri", bytes("tel:1")) == SC_ERR_INVALID_VALUE);
    CHECK(strstr(last_log, "duplicate_uri") != NULL && strstr(last_log, "tel:1") != NULL);
    CHECK(sc_core_set_text(core, "duplicate_uri", bytes(" sip:127.0.0.1;transport=sctp, sip:[::1];transport=sctp"))
          == SC_OK);
    CHECK(sc_core_set_text(core, "duplicate_uri", bytes("sip:parameter.example;transport=sctp")) == SC_OK);
    CHECK(sc_core_set_number(core, "capture_on", 1) == SC_ERR_UNKNOWN_NAME);
    the_parameters_say_what_the_host_does(node, core);
    a_call_is_decided_and_concluded(node, core);
    snprintf(url, sizeof(url), "sqlite:///%s/trace/trace.db", directory);
    CHECK(sc_core_set_text(core, "db_url", bytes(url)) == SC_OK
          && sc_core_set_text(core, "spool_dir", nothing) == SC_OK);
    CHECK(sc_core_set_number(core, "trace_on", 1) == SC_OK && sc_trace_bind(core, &from) == SC_OK);
    CHECK(sc_core_check(core) == SC_OK && sc_trace_bind(core, &from) == SC_ERR_WRONG_STATE);
    CHECK(sc_trace_is_on(core, &on) == SC_ERR_WRONG_STATE
          && sc_trace_send(core, &trace, &copies) == SC_ERR_WRONG_STATE);
    CHECK(copies.count == 77 && on == 77);
    forwarding_begins(core);
    CHECK(sc_core_map_lanes(core, 1) == SC_OK && sc_core_attach(core, 0) == SC_OK);
    CHECK(sc_trace_is_on(core, &on) == SC_OK && on == 1);
    trace.body = bytes("OPTIONS sip:a SIP/2.0\r\n\r\n");
    trace.method = bytes("OPTIONS");
    trace.from.transport = trace.to.transport = 1;
    trace.from.address = trace.to.address = local;
    trace.user_count = 1;
    CHECK(sc_trace_send(core, &trace, &copies) == SC_ERR_NULL_POINTER);
    trace.users = &user;
    CHECK(sc_trace_send(core, &trace, &copies) == SC_OK && copies.count == 0);
    trace.has_destination = 1;
    trace.destination = bytes("sip:127.0.0.1:9");
    CHECK(sc_trace_send(core, &trace, &copies) == SC_OK && copies.count == 1);
    CHECK(copies.uris[0].len == 29 && memcmp(copies.uris[0].ptr, "sip:127.0.0.1:9;transport=udp", 29) == 0);
    CHECK(copies.body.len == trace.body.len);
    trace.destination = nothing;
    trace.has_destination = 0;
    CHECK(sc_trace_headers(NULL, &trace, room, sizeof(room), &length) == SC_ERR_NULL_POINTER);
    CHECK(sc_trace_headers(node, &trace, room, sizeof(room), &length) == SC_ERR_WRONG_STATE);
    CHECK(sc_trace_headers(core, NULL, room, sizeof(room), &length) == SC_ERR_NULL_POINTER);
    CHECK(sc_trace_headers(core, &trace, NULL, sizeof(room), &length) == SC_ERR_NULL_POINTER);
    CHECK(sc_trace_headers(core, &trace, room, sizeof(room), NULL) == SC_ERR_NULL_POINTER);
    CHECK(sc_trace_headers(core, &trace, room, trace.body.len, &length) == SC_ERR_INVALID_VALUE && length == 77);
    CHECK(sc_trace_headers(core, &trace, room, trace.body.len + SC_X_HEADERS, &length) == SC_OK);
    CHECK(length == strlen(headed) && memcmp(room, headed, length) == 0);
    trace.body = bytes("no end of headers");
    CHECK(sc_trace_headers(core, &trace, room, sizeof(room), &length) == SC_ERR_INVALID_VALUE);
    the_script_is_shown_the_ends_of_a_message(core, &trace);
    trace.tracer = SC_TRACER_LOG;
    trace.call_id = bytes("contract@example.com");
    trace.socket_count = 2;
    CHECK(sc_trace_send(core, &trace, &copies) == SC_ERR_NULL_POINTER);
    trace.sockets = sockets;
    CHECK(sc_trace_send(core, &trace, &copies) == SC_ERR_NO_COLLECTOR && strstr(last_log, "duplicate_uri") != NULL
          && copies.count == 0);
    trace.call_id = nothing;
    CHECK(sc_trace_send(core, &trace, &copies) == SC_ERR_INVALID_VALUE
          && copies.count == 0); /* nothing to correlate the line by */
    copies.count = 77;
    trace.tracer = 99;
    CHECK(sc_trace_send(core, &trace, &copies) == SC_ERR_INVALID_VALUE && copies.count == 77);
    each_output_of_a_message_is_on_its_own(core);
    a_destination_that_is_none_has_nothing_queued(core);
    CHECK(sc_trace_lose(core, 99) == SC_ERR_INVALID_VALUE
          && sc_trace_lose(NULL, SC_LOSS_NO_LANE) == SC_ERR_NULL_POINTER);
    CHECK(sc_trace_lose(node, SC_LOSS_NO_LANE) == SC_ERR_WRONG_STATE);
    CHECK(counter_of(core, "dropped_no_lane") == 0 && sc_trace_lose(core, SC_LOSS_NO_LANE) == SC_OK);
    CHECK(counter_of(core, "dropped_no_lane") == 1 && sc_trace_lose(core, SC_LOSS_MALFORMED) == SC_OK
          && counter_of(core, "refused") == 2);
    CHECK(sc_counter_at(core, 0, &name, &name) == SC_OK);
    CHECK(counter_of(core, "traced_requests") == 2);
    what_a_name_holds_is_sent_by_another_process(core);
    what_cannot_be_sent_is_counted(core);
    CHECK(sc_core_finish(core) == SC_OK
          && strstr(last_warning, " copies for names that were not looked up yet are not sent") != NULL);
    CHECK(counter_of(core, "stored") == 4); /* two messages, each for everybody and for alice */
    CHECK(sc_core_free(core) == SC_OK && sc_trace_is_on(core, &on) == SC_ERR_UNKNOWN_HANDLE);
}
