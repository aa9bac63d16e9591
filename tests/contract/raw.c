/*
 * A message from a raw socket that one process receives and another one captures.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "walk.h"

static int64_t now_us(void)
{
    struct timeval now;
    gettimeofday(&now, NULL);
    return now.tv_sec * 1000000LL + now.tv_usec;
}

/* A socket at an address of its own, where the message goes. */
static int listener(struct sockaddr_in *own)
{
    socklen_t size = sizeof(*own);
    int listener = socket(AF_INET, SOCK_DGRAM, 0);

    *own = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    CHECK(listener >= 0 && bind(listener, (struct sockaddr *)own, size) == 0
          && getsockname(listener, (struct sockaddr *)own, &size) == 0);
    return listener;
}

/* The process that reads the raw socket: it hands the message on, and is done with it before anybody captures. */
static int hand_over(sc_core *core, int to)
{
    sc_hep_packet packet;

    return sc_core_attach(core, 1) == SC_OK && sc_raw_receive(core, &packet) == SC_OK
           && write(to, &packet, sizeof(packet)) == sizeof(packet)
           && write(to, packet.payload.ptr, packet.payload.len) == (ssize_t)packet.payload.len
           && sc_hep_end(core, nothing) == SC_OK;
}

/* The process that captures: it has nothing but what it was handed. */
static int64_t capture_from(sc_core *core, int from)
{
    static char payload[sizeof(INVITE)];
    sc_message sip = { 0 };
    sc_hep_packet packet = { 0 };

    CHECK(read(from, &packet, sizeof(packet)) == sizeof(packet) && packet.payload.len == sizeof(INVITE) - 1);
    CHECK(read(from, payload, packet.payload.len) == (ssize_t)packet.payload.len);
    CHECK(packet.version == 0 && strcmp(payload, INVITE) == 0);
    sip.source = packet.source;
    sip.destination = packet.destination;
    sip.transport = packet.transport;
    sip.payload = bytes(payload);
    sip.metadata.given = SC_GIVEN_TIME;
    sip.metadata.time_us = packet.time_us;
    CHECK(sc_capture_sip(core, &sip, nothing, 0) == SC_OK);
    return packet.time_us;
}

void a_raw_message_that_is_handed_over_keeps_its_time(void)
{
    struct sockaddr_in own;
    sc_core *core;
    char listen[64];
    uint32_t readers = 0;
    int64_t before, time_us;
    int status = -1, pipes[2], to = listener(&own);
    pid_t reader;

    if (geteuid() != 0) {
        printf("skipped: contract::raw: raw sockets are root's\n");
        close(to);
        return;
    }
    core = core_with_driver(host);
    snprintf(listen, sizeof(listen), "127.0.0.1:%d", ntohs(own.sin_port));
    CHECK(sc_core_set_number(core, "raw_moni_capture_on", 1) == SC_OK
          && sc_core_set_text(core, "raw_interface", bytes("lo")) == SC_OK
          && sc_core_set_text(core, "raw_socket_listen", bytes(listen)) == SC_OK);
    CHECK(sc_core_check(core) == SC_OK && sc_raw_open(core, &readers) == SC_OK && readers == 1);
    CHECK(sc_core_map_lanes(core, 2) == SC_OK && sc_core_attach(core, 0) == SC_OK && pipe(pipes) == 0);
    reader = fork();
    if (reader == 0) {
        _exit(hand_over(core, pipes[1]) ? 0 : 1);
    }
    close(pipes[1]);
    before = now_us();
    CHECK(sendto(to, INVITE, sizeof(INVITE) - 1, 0, (struct sockaddr *)&own, sizeof(own)) == sizeof(INVITE) - 1);
    CHECK(waitpid(reader, &status, 0) == reader && status == 0);
    time_us = capture_from(core, pipes[0]);
    CHECK(time_us >= before && time_us <= now_us());
    CHECK(sc_core_finish(core) == SC_OK && driver->rows == 1 && driver->time_us == time_us);
    close(pipes[0]);
    close(to);
    end_core(core);
}
