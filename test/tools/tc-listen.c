/* SPDX-License-Identifier: Apache-2.0 */
/* Receives what the kernel announces of traffic control and looks at none of
 * it: what being told costs by itself.
 *
 *   tc-listen MS
 *
 * Reads all that has come every MS milliseconds, in batches, as the tracker
 * does; MS 0: each time that something comes.  Says "ready" first.  Ends with
 * its standard input and prints how many messages came, how often some were
 * lost, and the processor time that it took. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#define BATCH 64
#define EVENT_SIZE 32768
#define BUFFER (16 << 20)

struct listener {
    int fd;
    uint64_t n, lost;
};

static int
fail(const char *what)
{
    fprintf(stderr, "tc-listen: %s: %s\n", what, strerror(errno));
    return EXIT_FAILURE;
}

static int
open_events(void)
{
    static const int size = BUFFER;
    struct sockaddr_nl address = {
        .nl_family = AF_NETLINK,
        .nl_groups = 1u << (RTNLGRP_TC - 1),
    };
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

    if (fd < 0 || bind(fd, (struct sockaddr *) &address, sizeof address)
        || setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size)) {
        return -1;
    }
    return fd;
}

static void
read_all(struct listener *listener)
{
    static _Alignas(8) char buffers[BATCH][EVENT_SIZE];
    struct iovec iovs[BATCH];
    struct mmsghdr msgs[BATCH];
    int n;

    memset(msgs, 0, sizeof msgs);
    for (size_t i = 0; i < BATCH; i++) {
        iovs[i] = (struct iovec){ .iov_base = buffers[i],
                                  .iov_len = EVENT_SIZE };
        msgs[i].msg_hdr.msg_iov = &iovs[i];
        msgs[i].msg_hdr.msg_iovlen = 1;
    }
    while ((n = recvmmsg(listener->fd, msgs, BATCH, MSG_DONTWAIT, NULL)) > 0
           || (n < 0 && errno == ENOBUFS)) {
        listener->n += n > 0 ? (uint64_t) n : 0;
        listener->lost += n < 0;
    }
}

int
main(int argc, char *argv[])
{
    int pause_ms = argc > 1 ? atoi(argv[1]) : 0;
    struct listener listener = { .fd = open_events() };
    struct timespec cpu;
    struct pollfd fds[2];

    if (listener.fd < 0) {
        return fail("netlink socket");
    }
    puts("ready");
    fflush(stdout);
    fds[0] = (struct pollfd){ .fd = STDIN_FILENO, .events = POLLIN };
    fds[1] = (struct pollfd){ .fd = listener.fd, .events = POLLIN };
    do {
        fds[0].revents = 0;
        if (poll(fds, 2, -1) < 0 && errno != EINTR) {
            return fail("poll");
        }
        read_all(&listener);
        if (pause_ms && !fds[0].revents) {
            (void) poll(fds, 1, pause_ms);
        }
    } while (!fds[0].revents);
    read_all(&listener);
    (void) clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    printf("n=%" PRIu64 " lost=%" PRIu64 " cpu_ns=%lld\n", listener.n,
           listener.lost, (long long) cpu.tv_sec * 1000000000 + cpu.tv_nsec);
    (void) close(listener.fd);
    return EXIT_SUCCESS;
}
