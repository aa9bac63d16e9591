/*
 * The toy host: a "SIP server" of one worker, which reads datagrams from a port of the loopback interface and captures
 * each.
 *
 *   toy_host [PARAMETER=TEXT...]
 *   toy_host --parameters            names what it takes, a parameter a line
 *
 * A HEP packet goes on to the collector of relay=URI too, which is the host's own parameter. Says its port once it
 * listens, answers every datagram with an empty one once it is queued, and ends on SIGTERM. A
 * parameter that will not do stops the start.
 */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core.h"

static sc_core *core;
static sc_bytes relay_uri;

static void write_log(sc_log_level level, const char *text, size_t length)
{
    fprintf(stderr, "%d %.*s\n", (int)level, (int)length, text);
}

/* What a host asks for that must know the names before it reads its configuration. */
static int list_parameters(void)
{
    static const char *const kinds[] = {
        [SC_PARAMETER_TEXT] = "text", [SC_PARAMETER_NUMBER] = "number", [SC_PARAMETER_TEXTS] = "texts"
    };
    const char *name;
    sc_parameter_kind kind;

    for (uint32_t i = 0; sc_parameter_at("toy/capture", i, &name, &kind) == SC_OK; i++) {
        printf("%s %s\n", name, kinds[kind]);
    }
    return 0;
}

static int set_parameters(int count, char **parameters)
{
    for (int i = 0; i < count; i++) {
        char *value = strchr(parameters[i], '=');
        if (value == NULL) {
            return -1;
        }
        *value++ = 0;
        sc_bytes text = { value, strlen(value) };
        if (strcmp(parameters[i], "relay") == 0) {
            relay_uri = text;
        } else if (sc_core_set_text(core, parameters[i], text) != SC_OK) {
            return -1;
        }
    }
    return 0;
}

static sc_address address_of(const struct sockaddr_in *from)
{
    sc_address address = { .length = 4, .port = ntohs(from->sin_port) };
    memcpy(address.ip, &from->sin_addr, 4);
    return address;
}

static sc_status capture(sc_message *message)
{
    sc_bytes no_table = { NULL, 0 };
    return sc_capture_sip(core, message, no_table, 0);
}

/* A HEP packet is answered by its verdict; anything else is a SIP message of its own. */
static sc_status take(sc_bytes datagram, const sc_address *sender, const sc_address *own)
{
    sc_message message = { .source = *sender, .destination = *own, .transport = 1, .payload = datagram };
    sc_hep_verdict verdict;
    sc_hep_packet packet;

    sc_status status = sc_hep_receive(core, datagram, sender, &verdict, &packet);
    if (status == SC_OK && verdict != SC_HEP_PASS && relay_uri.len > 0) {
        status = sc_hep_relay(core, relay_uri, datagram);
    }
    if (status != SC_OK || verdict == SC_HEP_DONE) {
        return status;
    }
    if (verdict == SC_HEP_PASS) {
        return capture(&message);
    }
    message.source = packet.source;
    message.destination = packet.destination;
    message.transport = packet.transport;
    message.payload = packet.payload;
    status = capture(&message);
    sc_bytes not_refused = { NULL, 0 };
    sc_hep_end(core, not_refused);
    return status;
}

/* The worker: lane 0 is its own. */
static void work(int listener, const struct sockaddr_in *own)
{
    static char datagram[65536];
    struct sockaddr_in sender;

    for (sc_status attached = sc_core_attach(core, 0); attached == SC_OK;) {
        socklen_t size = sizeof(sender);
        ssize_t length = recvfrom(listener, datagram, sizeof(datagram), 0, (struct sockaddr *)&sender, &size);
        if (length <= 0) {
            continue;
        }
        sc_bytes bytes = { datagram, (size_t)length };
        sc_address from = address_of(&sender), to = address_of(own);
        if (take(bytes, &from, &to) == SC_OK) {
            sendto(listener, "", 0, 0, (struct sockaddr *)&sender, size);
        }
    }
    _exit(1);
}

int main(int argc, char **argv)
{
    sc_host host = { .contract_version = SC_CONTRACT_VERSION, .user = -1, .group = -1, .log = write_log };
    struct sockaddr_in own = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof(own);
    int listener = socket(AF_INET, SOCK_DGRAM, 0);
    uint32_t writers = 0;

    if (argc == 2 && strcmp(argv[1], "--parameters") == 0) {
        return list_parameters();
    }
    if (sc_core_new(&host, "toy/capture", &core) != SC_OK || set_parameters(argc - 1, argv + 1) != 0
            || sc_core_check(core) != SC_OK || sc_core_writers(core, &writers) != SC_OK) {
        return 1;
    }
    if (listener < 0 || bind(listener, (struct sockaddr *)&own, size) != 0
        || getsockname(listener, (struct sockaddr *)&own, &size) != 0 || sc_core_map_lanes(core, 1) != SC_OK) {
        return 1;
    }
    /* The end is waited for below: nobody may end before that, and children as the system has it. */
    sigset_t end;
    sigemptyset(&end);
    sigaddset(&end, SIGTERM);
    sigprocmask(SIG_BLOCK, &end, NULL);
    pid_t children[17]; /* capture_writers is 16 at most */
    uint32_t made = 0;
    for (; made <= writers && (children[made] = fork()) > 0; made++) {
    }
    if (made <= writers && children[made] == 0) {
        sigprocmask(SIG_UNBLOCK, &end, NULL);
        if (made == writers) {
            work(listener, &own);
        }
        sc_writer_supervise(core, made);
        _exit(0);
    }
    if (made > writers) {
        printf("%d\n", ntohs(own.sin_port));
        fflush(stdout);
        int number;
        sigwait(&end, &number);
    }
    for (uint32_t child = 0; child < made; child++) {
        kill(children[child], SIGTERM);
    }
    while (wait(NULL) > 0) {
    }
    return sc_core_finish(core) == SC_OK && sc_core_free(core) == SC_OK && made > writers ? 0 : 1;
}
