/* SPDX-License-Identifier: Apache-2.0 */
#include "track-socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <netlink/msg.h>

#include "uapi.h"

/* The kernel writes pieces of up to 32 KiB if there is room for them. */
#define DUMP_BUFFER 65536

/* Room for what is announced while the tracker is busy: a message takes one to
 * two kilobytes there. */
#define EVENTS_BUFFER (16 << 20)

/* Datagrams of a batch, and the room for each: a filter with 32 actions has
 * some 10 KB. */
#define BATCH 16
#define EVENT_SIZE 32768

static int
fail(struct vdpad_error *why, const char *what)
{
    int error = -errno;

    return vdpad_error_set(why, error, "tracker: %s: %s", what,
                           strerror(-error));
}

static int
open_socket(uint32_t groups, struct vdpad_error *why)
{
    struct sockaddr_nl address = {
        .nl_family = AF_NETLINK,
        .nl_groups = groups,
    };
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

    if (fd < 0) {
        return fail(why, "netlink socket");
    }
    if (bind(fd, (struct sockaddr *) &address, sizeof address)) {
        int error = fail(why, "bind of a netlink socket");

        (void) close(fd);
        return error;
    }
    return fd;
}

int
vdpad_track_open_dumps(struct vdpad_error *why)
{
    static const int on = 1;
    int fd = open_socket(0, why);

    if (fd >= 0) {
        /* A refinement that kernels before 4.20 lack. */
        (void) setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on,
                          sizeof on);
    }
    return fd;
}

int
vdpad_track_open_events(struct vdpad_error *why)
{
    static const int size = EVENTS_BUFFER;
    int fd = open_socket(1u << (RTNLGRP_TC - 1) | 1u << (RTNLGRP_LINK - 1),
                         why);

    /* The second for who lacks CAP_NET_ADMIN. */
    if (fd >= 0
        && setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size)) {
        (void) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    }
    return fd;
}

/* One message after the other in a datagram. */
struct reader {
    const char *at;
    size_t left;
};

/* Returns 1 with the next one's '*header' and '*payload', 0 at the end, or
 * -EBADMSG. */
static int
next_message(struct reader *reader, struct nlmsghdr *header,
             const char **payload)
{
    size_t step;

    if (!reader->left) {
        return 0;
    }
    if (reader->left < sizeof *header) {
        return -EBADMSG;
    }
    memcpy(header, reader->at, sizeof *header);
    if (header->nlmsg_len < sizeof *header
        || header->nlmsg_len > reader->left) {
        return -EBADMSG;
    }
    *payload = reader->at + sizeof *header;
    step = ((size_t) header->nlmsg_len + 3) & ~(size_t) 3;
    step = step > reader->left ? reader->left : step;
    reader->at += step;
    reader->left -= step;
    return 1;
}

struct dump {
    uint32_t seq;
    bool is_done, is_interrupted;
    bool is_understood;
    int error; /* The kernel's, or the callback's. */
};

/* The number that ends a dump: 0, or a negative errno. */
static int
take_end(struct dump *dump, const struct nlmsghdr *header, const char *payload)
{
    int32_t error = 0;

    if (header->nlmsg_len - sizeof *header >= sizeof error) {
        memcpy(&error, payload, sizeof error);
    } else if (header->nlmsg_type == NLMSG_ERROR) {
        return -EBADMSG;
    }
    /* An acknowledgement is never the end of a dump, which would be taken for
     * whole. */
    if (error < -4095 || (header->nlmsg_type == NLMSG_ERROR && error >= 0)) {
        return -EBADMSG;
    }
    if (error < 0 && !dump->error) {
        dump->error = error;
    }
    dump->is_done = true;
    return 0;
}

/* Returns 0 or -EBADMSG. */
static int
take_piece(struct dump *dump, const char *data, size_t len,
           vdpad_nl_message_cb *cb, void *aux)
{
    struct reader reader = { data, len };
    struct nlmsghdr header;
    const char *payload;
    int got;

    while (!dump->is_done
           && (got = next_message(&reader, &header, &payload)) != 0) {
        int error = 0;

        if (got < 0) {
            return got;
        }
        if (header.nlmsg_seq != dump->seq) {
            continue;
        }
        dump->is_interrupted |= (header.nlmsg_flags & NLM_F_DUMP_INTR) != 0;
        switch (header.nlmsg_type) {
        case NLMSG_NOOP:
            break;
        case NLMSG_OVERRUN:
            return -EBADMSG;
        case NLMSG_DONE:
        case NLMSG_ERROR:
            error = take_end(dump, &header, payload);
            break;
        default:
            if (dump->error >= 0) {
                error = cb(aux, header.nlmsg_type, payload,
                           header.nlmsg_len - sizeof header);
                dump->error = error < 0 ? error : dump->error;
                error = 0;
            }
            break;
        }
        if (error) {
            return error;
        }
    }
    return 0;
}

/* Returns the length of a piece that came from the kernel, or a negative
 * errno. */
static ssize_t
receive_piece(int fd, char *buffer, size_t size)
{
    for (;;) {
        struct sockaddr_nl from = { .nl_family = AF_NETLINK };
        struct iovec iov = { .iov_base = buffer, .iov_len = size };
        struct msghdr msg = {
            .msg_name = &from,
            .msg_namelen = sizeof from,
            .msg_iov = &iov,
            .msg_iovlen = 1,
        };
        ssize_t n = recvmsg(fd, &msg, 0);

        if (n < 0 && errno != EINTR) {
            return -errno;
        }
        if (n >= 0 && !from.nl_pid) {
            return msg.msg_flags & MSG_TRUNC ? -EBADMSG : n;
        }
    }
}

static int
send_request(int fd, struct nl_msg *msg, uint32_t seq)
{
    static const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
    struct nlmsghdr *header = nlmsg_hdr(msg);
    ssize_t n;

    header->nlmsg_seq = seq;
    header->nlmsg_pid = 0;
    do {
        n = sendto(fd, header, header->nlmsg_len, 0,
                   (const struct sockaddr *) &kernel, sizeof kernel);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : 0;
}

int
vdpad_track_dump(int fd, struct nl_msg *msg, int build_error,
                 vdpad_nl_message_cb *cb, void *aux,
                 vdpad_track_piece_fn *on_piece, bool *is_broken,
                 const char *what, struct vdpad_error *why)
{
    static _Alignas(8) char buffer[DUMP_BUFFER];
    static uint32_t seq;
    struct dump dump = { .seq = seq + 1 };
    int error = build_error ? build_error : send_request(fd, msg, dump.seq);

    seq++;
    *is_broken = false;
    nlmsg_free(msg);
    while (!error && !dump.is_done) {
        ssize_t n = receive_piece(fd, buffer, sizeof buffer);

        if (n >= 0 && on_piece) {
            on_piece(aux);
        }
        error = n < 0 ? (int) n
                      : take_piece(&dump, buffer, (size_t) n, cb, aux);
        *is_broken = error != 0;
    }
    error = error                 ? error
            : dump.error          ? dump.error
            : dump.is_interrupted ? -EINTR
                                  : 0;
    return !error ? 0
                  : vdpad_error_set(why, error, "%s: %s", what,
                                    error == -EINTR ? "changed meanwhile"
                                                    : strerror(-error));
}

/* Hands on the messages of one datagram. */
static int
take_datagram(const char *data, size_t len, vdpad_nl_message_cb *cb, void *aux)
{
    struct reader reader = { data, len };
    struct nlmsghdr header;
    const char *payload;
    int got, result = 0;

    while ((got = next_message(&reader, &header, &payload)) > 0) {
        int error = cb(aux, header.nlmsg_type, payload,
                       header.nlmsg_len - sizeof header);

        result = error < 0 ? error : result;
    }
    return got < 0 ? got : result;
}

int
vdpad_track_receive(int fd, vdpad_nl_message_cb *cb, void *aux)
{
    static _Alignas(8) char buffers[BATCH][EVENT_SIZE];
    struct sockaddr_nl from[BATCH];
    struct iovec iovs[BATCH];
    struct mmsghdr msgs[BATCH];
    int n, result = 0;

    memset(msgs, 0, sizeof msgs);
    for (size_t i = 0; i < BATCH; i++) {
        iovs[i] = (struct iovec){ .iov_base = buffers[i],
                                  .iov_len = EVENT_SIZE };
        msgs[i].msg_hdr.msg_iov = &iovs[i];
        msgs[i].msg_hdr.msg_iovlen = 1;
        msgs[i].msg_hdr.msg_name = &from[i];
        msgs[i].msg_hdr.msg_namelen = sizeof from[i];
    }
    n = recvmmsg(fd, msgs, BATCH, MSG_DONTWAIT, NULL);
    if (n < 0) {
        return errno == EAGAIN ? 0 : errno == EINTR ? 1 : -errno;
    }
    for (int i = 0; i < n; i++) {
        int error;

        if (from[i].nl_pid) {
            continue;
        }
        error = msgs[i].msg_hdr.msg_flags & MSG_TRUNC
                    ? -EBADMSG
                    : take_datagram(buffers[i], msgs[i].msg_len, cb, aux);
        result = error < 0 ? error : result;
    }
    return result ? result : 1;
}
