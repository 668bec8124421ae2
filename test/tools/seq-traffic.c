/* SPDX-License-Identifier: Apache-2.0 */
/* Numbered UDP packets from one network namespace to another, and what became
 * of each.
 *
 * usage: seq-traffic NETNS-FROM NETNS-TO ADDRESS-TO PACKETS-A-SECOND
 *
 * The namespaces are named as in /run/netns.  For each line on standard input
 * it lets what is under way arrive (QUIET_MS without a packet), prints one
 * line of JSON about the packets since the former line, and goes on:
 *
 *   {"sent": N, "refused": N, "received": N, "lost": N, "twice": N,
 *    "gap_ms": N}
 *
 * "refused": the kernel did not take them (those count as lost as well);
 * "gap_ms": the longest time in which nothing arrived.  Ends with its input.
 *
 * Every eighth packet is answered, which is not counted, so that a switch
 * learns where both sides are and does not flood.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    PORT = 7777,
    MAX_PACKETS = 1 << 20,
    QUIET_MS = 1500,
    PAYLOAD = 64,
    ANSWER_EVERY = 8
};

struct traffic {
    int from, to;
    int64_t period_ns, next_ns, arrived_ns, gap_ns;
    uint32_t first, next; /* Numbers since the last line, and the next one. */
    uint32_t refused, received, twice;
    uint8_t seen[MAX_PACKETS]; /* By number since the last line. */
};

static void __attribute__((noreturn)) die(const char *what)
{
    fprintf(stderr, "seq-traffic: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int64_t
now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

/* A UDP socket in the namespace 'name'. */
static int
open_in(const char *name)
{
    char path[128];
    int size = 1 << 20;

    (void) snprintf(path, sizeof path, "/run/netns/%s", name);

    int ns = open(path, O_RDONLY | O_CLOEXEC);

    if (ns < 0 || setns(ns, CLONE_NEWNET)) {
        die(path);
    }
    close(ns);

    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0
        || setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size)) {
        die("socket");
    }
    return fd;
}

static void
send_one(struct traffic *t)
{
    uint8_t packet[PAYLOAD] = { 0 };

    if (t->next - t->first >= MAX_PACKETS) {
        errno = E2BIG;
        die("packets between two lines");
    }
    memcpy(packet, &t->next, sizeof t->next);
    if (send(t->from, packet, sizeof packet, 0) != sizeof packet) {
        t->refused++;
    }
    t->next++;
}

static void
receive_all(struct traffic *t)
{
    uint8_t packet[PAYLOAD + 1];
    struct sockaddr_in peer;
    socklen_t size = sizeof peer;
    ssize_t n;

    while (recv(t->from, packet, sizeof packet, 0) >= 0) {
    }
    while ((n = recvfrom(t->to, packet, sizeof packet, 0,
                         (struct sockaddr *) &peer, &size))
           >= 0) {
        int64_t now = now_ns();
        uint32_t number;

        if (n != PAYLOAD) {
            continue;
        }
        memcpy(&number, packet, sizeof number);
        if (number % ANSWER_EVERY == 0) {
            (void) sendto(t->to, packet, PAYLOAD, 0, (struct sockaddr *) &peer,
                          size);
        }
        number -= t->first;
        if (number >= t->next - t->first) {
            continue; /* Of before the last line. */
        }
        t->twice += t->seen[number];
        t->received += !t->seen[number];
        t->seen[number] = 1;
        if (now - t->arrived_ns > t->gap_ns) {
            t->gap_ns = now - t->arrived_ns;
        }
        t->arrived_ns = now;
    }
}

/* Waits for what is under way, reports, and begins anew. */
static void
report(struct traffic *t)
{
    struct pollfd to = { .fd = t->to, .events = POLLIN };
    uint32_t sent = t->next - t->first;
    int64_t since;

    while (t->received < sent && poll(&to, 1, QUIET_MS) > 0) {
        receive_all(t);
    }
    since = now_ns() - t->arrived_ns - QUIET_MS * INT64_C(1000000);
    if (t->received < sent && since > t->gap_ns) {
        t->gap_ns = since;
    }
    printf("{\"sent\": %u, \"refused\": %u, \"received\": %u, \"lost\": %u, "
           "\"twice\": %u, \"gap_ms\": %lld}\n",
           sent, t->refused, t->received, sent - t->received, t->twice,
           (long long) t->gap_ns / 1000000);
    fflush(stdout);
    t->first = t->next;
    t->refused = t->received = t->twice = 0;
    t->gap_ns = 0;
    memset(t->seen, 0, sizeof t->seen);
    t->next_ns = t->arrived_ns = now_ns();
}

/* False at the end of the input. */
static bool
take_line(struct traffic *t)
{
    char line[64];
    ssize_t n = read(STDIN_FILENO, line, sizeof line);

    if (n > 0) {
        report(t);
    }
    return n > 0;
}

static void
run(struct traffic *t)
{
    struct pollfd fds[] = {
        { .fd = STDIN_FILENO, .events = POLLIN },
        { .fd = t->to, .events = POLLIN },
    };

    t->next_ns = t->arrived_ns = now_ns();
    for (;;) {
        int64_t left = t->next_ns - now_ns();
        struct timespec wait = { .tv_nsec = left > 0 ? left : 0 };

        if (ppoll(fds, 2, &wait, NULL) < 0 && errno != EINTR) {
            die("ppoll");
        }
        receive_all(t);
        if (fds[0].revents && !take_line(t)) {
            return;
        }
        if (now_ns() >= t->next_ns) {
            send_one(t);
            /* A machine that was busy makes no burst of it. */
            t->next_ns = now_ns() + t->period_ns;
        }
    }
}

int
main(int argc, char *argv[])
{
    static struct traffic t;
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(PORT) };

    if (argc != 5 || inet_pton(AF_INET, argv[3], &to.sin_addr) != 1
        || atoi(argv[4]) < 2) {
        fprintf(stderr, "usage: seq-traffic NETNS-FROM NETNS-TO ADDRESS-TO "
                        "PACKETS-A-SECOND (2 or more)\n");
        return 2;
    }
    t.period_ns = INT64_C(1000000000) / atoi(argv[4]);
    t.from = open_in(argv[1]);
    t.to = open_in(argv[2]);
    if (bind(t.to, (struct sockaddr *) &to, sizeof to)
        || connect(t.from, (struct sockaddr *) &to, sizeof to)) {
        die("address");
    }
    run(&t);
    return 0;
}
