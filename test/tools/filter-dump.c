/* SPDX-License-Identifier: Apache-2.0 */
/* Receives a dump of the filters at the ingress of a netdev and looks at none
 * of them: what the kernel itself takes for it.
 *
 *   filter-dump IFNAME [terse]
 *
 * Prints the time in nanoseconds from the request to the end, and how many
 * messages there were. */
#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/netlink.h>
#include <linux/pkt_cls.h>
#include <linux/rtnetlink.h>

struct request {
    struct nlmsghdr header;
    struct tcmsg tc;
    struct nlattr attr;
    struct nla_bitfield32 flags;
};

static int64_t
now_ns(void)
{
    struct timespec now;

    (void) clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t) now.tv_sec * 1000000000 + now.tv_nsec;
}

static int
fail(const char *what)
{
    fprintf(stderr, "filter-dump: %s: %s\n", what, strerror(errno));
    return EXIT_FAILURE;
}

int
main(int argc, char *argv[])
{
    static _Alignas(8) char buffer[32768];
    struct request request = {
        .header = {
            .nlmsg_len = sizeof request,
            .nlmsg_type = RTM_GETTFILTER,
            .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
        },
        .tc = {
            .tcm_parent = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS),
        },
        .attr = {
            .nla_len = sizeof request.attr + sizeof request.flags,
            .nla_type = TCA_DUMP_FLAGS,
        },
    };
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    uint64_t n = 0, bytes = 0;
    bool is_done = false;
    int64_t begin;

    request.tc.tcm_ifindex = argc > 1 ? (int) if_nametoindex(argv[1]) : 0;
    if (!request.tc.tcm_ifindex) {
        return fail("netdev");
    }
    if (argc > 2) {
        request.flags.value = request.flags.selector = TCA_DUMP_FLAGS_TERSE;
    } else {
        request.header.nlmsg_len = offsetof(struct request, attr);
    }
    begin = now_ns();
    if (fd < 0 || send(fd, &request, request.header.nlmsg_len, 0) < 0) {
        return fail("request");
    }
    while (!is_done) {
        ssize_t len = recv(fd, buffer, sizeof buffer, 0);
        const struct nlmsghdr *last = (const void *) buffer;

        if (len < (ssize_t) sizeof *last) {
            return fail("answer");
        }
        bytes += (uint64_t) len;
        n++;
        /* The end comes in a datagram of its own, or behind others, which is
         * of no interest: the kernel then has nothing more to do. */
        is_done = last->nlmsg_type == NLMSG_DONE
                  || last->nlmsg_type == NLMSG_ERROR;
    }
    printf("%" PRId64 " ns, %" PRIu64 " datagrams, %" PRIu64 " bytes\n",
           now_ns() - begin, n, bytes);
    (void) close(fd);
    return EXIT_SUCCESS;
}
