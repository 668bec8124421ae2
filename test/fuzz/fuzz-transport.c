/* SPDX-License-Identifier: Apache-2.0 */
/* What helper processes make of datagrams: requests over libnl, dumps and
 * announcements of the tracker.  The input is a sequence of records: a byte
 * that says what comes (enum what), a byte with the length, and that many
 * bytes.  Whatever the kernel, or another process, sends, messages are handed
 * on and the end is judged as expect_…() below say, which read the same
 * datagrams in their own way.
 *
 * The functions that libnl and the tracker send and receive with are those of
 * this file: the linker looks in the program first. */
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <netlink/msg.h>

#include "netlink/attrs.h"
#include "netlink/track-socket.h"
#include "netlink/transport.h"
#include "fuzz.h"

enum what {
    MESSAGE,  /* Type (see types[]), flags, difference of its sequence number
               * and of its port from those of the request, payload. */
    DATAGRAM, /* What follows is in another one.  Bits: another process sent
               * it, it was cut. */
    BYTES,    /* No message, or a part of one. */
    FAIL,     /* Receiving fails: see errors[]. */
    ASK,      /* A request (see enum kind), which all of this answers. */
    N_WHATS
};

enum kind { REQUEST, DUMP, TRACK_DUMP, TRACK_EVENTS, N_KINDS };

#define MAX_ERRNO 4095
#define MAX_DATAGRAMS 40
#define BATCH 16 /* See track-socket.c. */

static const uint16_t types[] = {
    RTM_NEWTFILTER, NLMSG_DONE,   NLMSG_ERROR,  NLMSG_NOOP,
    NLMSG_OVERRUN,  RTM_DELCHAIN, RTM_NEWQDISC, 9,
};
static const int errors[] = { ENOBUFS, EINTR, ECONNRESET };

struct datagram {
    int error;
    bool is_foreign, is_cut;
    size_t at, size; /* In f.bytes. */
};

/* What has been handed on. */
struct list {
    size_t n;
    uint64_t hash;
};

static struct {
    uint8_t bytes[16384];
    size_t size;
    struct datagram datagrams[MAX_DATAGRAMS];
    size_t n, n_taken;
    size_t headers[MAX_DATAGRAMS * 8], n_headers; /* To be addressed. */
    uint32_t seq, port;                           /* Of the request. */
    bool is_track;
    const uint8_t *room[BATCH]; /* Where datagrams have been put last, … */
    size_t room_size[BATCH];    /* … and how long they are. */
    struct list list;
} f;

/* Nothing is left of nothing. */
static bool
is_cut(const struct datagram *d)
{
    return d->is_cut && d->size;
}

/* The kernel. */

/* It knows the request now. */
static void
take_request(const void *data, size_t size)
{
    struct nlmsghdr header;

    CHECK(size >= sizeof header);
    memcpy(&header, data, sizeof header);
    CHECK(header.nlmsg_len == size && header.nlmsg_flags & NLM_F_REQUEST);
    f.seq = header.nlmsg_seq;
    f.port = header.nlmsg_pid;
    for (size_t i = 0; i < f.n_headers; i++) {
        memcpy(&header, f.bytes + f.headers[i], sizeof header);
        header.nlmsg_seq += f.seq;
        header.nlmsg_pid += f.port;
        memcpy(f.bytes + f.headers[i], &header, sizeof header);
    }
}

ssize_t
sendmsg(int fd, const struct msghdr *message, int flags)
{
    (void) fd;
    (void) flags;
    CHECK(message->msg_iovlen == 1);
    take_request(message->msg_iov[0].iov_base, message->msg_iov[0].iov_len);
    return (ssize_t) message->msg_iov[0].iov_len;
}

ssize_t
sendto(int fd, const void *buf, size_t n, int flags,
       const struct sockaddr *addr, socklen_t addr_len)
{
    (void) fd;
    (void) flags;
    (void) addr;
    (void) addr_len;
    take_request(buf, n);
    return (ssize_t) n;
}

/* Puts the next datagram in 'message', the 'i'th of a batch.  Returns its
 * length. */
static size_t
hand_over(struct msghdr *message, size_t i)
{
    const struct datagram *d = &f.datagrams[f.n_taken++];
    struct sockaddr_nl from = { .nl_family = AF_NETLINK,
                                .nl_pid = d->is_foreign ? 4711 : 0 };

    CHECK(d->size <= message->msg_iov[0].iov_len);
    memcpy(message->msg_name, &from, sizeof from);
    message->msg_namelen = sizeof from;
    message->msg_flags = is_cut(d) ? MSG_TRUNC : 0;
    memcpy(message->msg_iov[0].iov_base, f.bytes + d->at, d->size);
    f.room[i] = message->msg_iov[0].iov_base;
    f.room_size[i] = d->size;
    return d->size;
}

ssize_t
recvmsg(int fd, struct msghdr *message, int flags)
{
    (void) fd;
    CHECK(!flags);
    if (f.n_taken == f.n) {
        errno = ENOBUFS; /* It would wait for ever. */
        return -1;
    }
    if (f.datagrams[f.n_taken].error) {
        errno = f.datagrams[f.n_taken++].error;
        return -1;
    }
    return (ssize_t) hand_over(message, 0);
}

int
recvmmsg(int fd, struct mmsghdr *vmessages, unsigned int vlen, int flags,
         struct timespec *tmo)
{
    unsigned int i = 0;

    (void) fd;
    (void) tmo;
    CHECK(flags == MSG_DONTWAIT && vlen <= BATCH);
    for (; i < vlen && f.n_taken < f.n && !f.datagrams[f.n_taken].error; i++) {
        vmessages[i].msg_len = (unsigned int) hand_over(&vmessages[i].msg_hdr,
                                                        i);
    }
    if (!i) {
        errno = f.n_taken < f.n ? f.datagrams[f.n_taken++].error : EAGAIN;
        return -1;
    }
    return (int) i;
}

/* What is to come of it. */

static void
list_add(struct list *list, uint16_t type, const uint8_t *payload, size_t len)
{
    uint64_t hash = (list->hash + type) * UINT64_C(0x100000001b3) + len;

    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ payload[i]) * UINT64_C(0x100000001b3);
    }
    list->hash = hash;
    list->n++;
}

/* What the callback says to a message of 'type'. */
static int
verdict(uint16_t type)
{
    return type == RTM_DELCHAIN   ? -EIO
           : type == RTM_NEWQDISC ? VDPAD_CODEC_SKIP
                                  : 0;
}

struct reading {
    struct list list;
    int error; /* Of the kernel or the callback: the first. */
    bool is_interrupted, is_done;
};

/* The header of the message at '*at' of 'd', which goes on to the next one.
 * Returns 1, 0 at the end, or -EBADMSG. */
static int
next(const struct datagram *d, size_t *at, struct nlmsghdr *header,
     const uint8_t **payload)
{
    size_t left = d->size - *at;

    if (!left) {
        return 0;
    }
    if (left < sizeof *header) {
        return -EBADMSG;
    }
    memcpy(header, f.bytes + d->at + *at, sizeof *header);
    if (header->nlmsg_len < sizeof *header || header->nlmsg_len > left) {
        return -EBADMSG;
    }
    *payload = f.bytes + d->at + *at + sizeof *header;
    *at += (header->nlmsg_len + 3u) & ~3u;
    *at = *at < d->size ? *at : d->size; /* Without its padding. */
    return 1;
}

/* The number in a message of type DONE or ERROR; returns false if it is
 * none. */
static bool
number_of(const struct nlmsghdr *header, const uint8_t *payload,
          size_t min_size, int32_t *number)
{
    *number = 0;
    if (header->nlmsg_len - sizeof *header < min_size) {
        return false;
    }
    if (header->nlmsg_len - sizeof *header >= sizeof *number) {
        memcpy(number, payload, sizeof *number);
    }
    return *number >= -MAX_ERRNO;
}

/* One message of an answer.  Returns 0 to go on, or what the answer is worth
 * whatever else it had. */
static int
read_message(struct reading *r, enum kind kind, const struct nlmsghdr *header,
             const uint8_t *payload)
{
    bool is_ours = header->nlmsg_seq == f.seq
                   && (kind == TRACK_DUMP || header->nlmsg_pid == f.port);
    bool is_error = header->nlmsg_type == NLMSG_ERROR;
    size_t min_size = !is_error            ? 0
                      : kind == TRACK_DUMP ? sizeof(int32_t)
                                           : sizeof(struct nlmsgerr);
    int32_t number;

    if (!is_ours) {
        /* The tracker's socket may still have something of the last one. */
        return kind == TRACK_DUMP ? 0 : -EBADMSG;
    }
    r->is_interrupted |= header->nlmsg_flags & NLM_F_DUMP_INTR;
    if (header->nlmsg_type == NLMSG_NOOP) {
        return 0;
    } else if (header->nlmsg_type == NLMSG_OVERRUN) {
        return kind == TRACK_DUMP ? -EBADMSG : -ENOBUFS;
    } else if (is_error || header->nlmsg_type == NLMSG_DONE) {
        /* An acknowledgement ends what is no dump, and nothing else does. */
        if (!number_of(header, payload, min_size, &number)
            || (is_error && (number > 0 || (!number && kind != REQUEST)))
            || (!is_error && kind == REQUEST)) {
            return -EBADMSG;
        }
        r->is_done = true;
        r->error = r->error || number > 0 ? r->error : number;
    } else if (!r->error) {
        list_add(&r->list, header->nlmsg_type, payload,
                 header->nlmsg_len - sizeof *header);
        r->error = verdict(header->nlmsg_type) < 0
                       ? verdict(header->nlmsg_type)
                       : 0;
    }
    return 0;
}

static bool
is_whole(const struct datagram *d)
{
    struct nlmsghdr header;
    const uint8_t *payload;
    size_t at = 0;
    int got;

    while ((got = next(d, &at, &header, &payload)) > 0) {
    }
    return !got;
}

/* The result of a request or a dump. */
static int
expect_answer(struct reading *r, enum kind kind)
{
    for (size_t i = 0; i < f.n && !r->is_done; i++) {
        const struct datagram *d = &f.datagrams[i];
        struct nlmsghdr header;
        const uint8_t *payload;
        size_t at = 0;
        int error = 0, got = 0;
        bool is_none = d->error == EINTR
                       || (!d->error && d->is_foreign
                           && (kind == TRACK_DUMP || !is_cut(d)));

        if (is_none) {
            continue;
        }
        if (d->error) {
            error = kind == TRACK_DUMP || d->error == ENOBUFS ? -d->error
                                                              : -EIO;
        } else if (is_cut(d) || (kind != TRACK_DUMP && !is_whole(d))) {
            error = -EBADMSG;
        }
        if (error) {
            /* Over libnl, what was wrong first is told. */
            return kind != TRACK_DUMP && r->error ? r->error : error;
        }
        while (!r->is_done && (got = next(d, &at, &header, &payload)) > 0) {
            error = read_message(r, kind, &header, payload);
            if (error) {
                return error;
            }
        }
        if (got < 0) {
            return got;
        }
    }
    if (!r->is_done && (kind == TRACK_DUMP || !r->error)) {
        return -ENOBUFS; /* The rest was lost. */
    }
    return r->error ? r->error : r->is_interrupted ? -EINTR : 0;
}

/* The result of one batch of announcements, from the first that was not taken
 * before. */
static int
expect_batch(struct reading *r, size_t first)
{
    int result = 1;

    if (first == f.n) {
        return 0;
    }
    if (f.datagrams[first].error) {
        return f.datagrams[first].error == EINTR ? 1
                                                 : -f.datagrams[first].error;
    }
    for (size_t i = first; i < f.n && i < first + BATCH; i++) {
        const struct datagram *d = &f.datagrams[i];
        struct nlmsghdr header;
        const uint8_t *payload;
        size_t at = 0;
        int got = 0;

        if (d->error) {
            break;
        } else if (d->is_foreign) {
            continue;
        } else if (is_cut(d)) {
            result = -EBADMSG;
            continue;
        }
        while ((got = next(d, &at, &header, &payload)) > 0) {
            list_add(&r->list, header.nlmsg_type, payload,
                     header.nlmsg_len - sizeof header);
            if (verdict(header.nlmsg_type) < 0) {
                result = verdict(header.nlmsg_type);
            }
        }
        result = got < 0 ? got : result;
    }
    return result;
}

/* What comes of it. */

static int
on_message(void *aux, uint16_t type, const void *payload, size_t len)
{
    bool is_inside = !f.is_track;

    (void) aux;
    for (size_t i = 0; f.is_track && i < BATCH; i++) {
        const uint8_t *p = payload;

        is_inside |= f.room[i] && p >= f.room[i]
                     && p + len <= f.room[i] + f.room_size[i];
    }
    CHECK(is_inside);
    list_add(&f.list, type, payload, len);
    return verdict(type);
}

static void
check_same(const struct reading *expected)
{
    CHECK(f.list.n == expected->list.n);
    CHECK(f.list.hash == expected->list.hash);
}

static int
ask_over_libnl(struct vdpad_nl *nl, enum kind kind, struct vdpad_error *why)
{
    int error = 0;

    if (!nl->sock) {
        error = vdpad_nl_open(nl, NETLINK_ROUTE, why);
    }
    CHECK(!error);
    error = vdpad_nl_call(
        nl, vdpad_nl_msg(RTM_GETTFILTER, kind == DUMP ? NLM_F_DUMP : 0), 0,
        on_message, NULL, why, "%s", "ask");
    /* There is one for the next request. */
    CHECK(nl->sock);
    return error;
}

static int
dump_for_tracker(struct vdpad_error *why)
{
    bool is_broken;
    int error = vdpad_track_dump(7, vdpad_nl_msg(RTM_GETTFILTER, NLM_F_DUMP),
                                 0, on_message, NULL, NULL, &is_broken, "ask",
                                 why);

    /* Then something of it may still come. */
    CHECK(error || !is_broken);
    return error;
}

static void
ask(struct vdpad_nl *nl, enum kind kind)
{
    struct vdpad_error why = { .code = 0 };
    struct reading expected;
    int error, result;

    memset(&f.list, 0, sizeof f.list);
    memset(&expected, 0, sizeof expected);
    memset(f.room, 0, sizeof f.room);
    f.is_track = kind == TRACK_DUMP || kind == TRACK_EVENTS;
    if (kind == TRACK_EVENTS) {
        do {
            result = expect_batch(&expected, f.n_taken);
            error = vdpad_track_receive(7, on_message, NULL);
            CHECK(error == result);
            check_same(&expected);
        } while (error);
        CHECK(f.n_taken == f.n);
    } else {
        error = kind == TRACK_DUMP ? dump_for_tracker(&why)
                                   : ask_over_libnl(nl, kind, &why);
        CHECK(error == expect_answer(&expected, kind));
        CHECK(!error || (why.code == error && why.text[0]));
        check_same(&expected);
    }
    f.n = f.n_taken = f.n_headers = f.size = 0;
}

/* The datagram to which things are added now; NULL: there is no room for 'len'
 * bytes more. */
static struct datagram *
current(size_t len, bool is_new)
{
    struct datagram *d = f.n ? &f.datagrams[f.n - 1] : NULL;

    if (f.size + len > sizeof f.bytes) {
        return NULL;
    }
    if (!d || d->error || is_new) {
        if (f.n == MAX_DATAGRAMS) {
            return NULL;
        }
        d = &f.datagrams[f.n++];
        memset(d, 0, sizeof *d);
        d->at = f.size;
    }
    return d;
}

static void
add_bytes(const void *bytes, size_t len)
{
    struct datagram *d = current(len, false);

    if (d && len) {
        memcpy(f.bytes + f.size, bytes, len);
        f.size += len;
        d->size += len;
    }
}

static void
add_message(const uint8_t *data, size_t len)
{
    uint8_t message[NLMSG_HDRLEN + 256] = { 0 };
    struct nlmsghdr header = { .nlmsg_len = NLMSG_HDRLEN };
    size_t n = len > 4 ? len - 4 : 0;

    if (len < 4 || f.n_headers == sizeof f.headers / sizeof f.headers[0]
        || !current(sizeof message, false)) {
        return;
    }
    header.nlmsg_len += (uint32_t) n;
    header.nlmsg_type = types[data[0] % (sizeof types / sizeof types[0])];
    header.nlmsg_flags = data[1];
    header.nlmsg_seq = data[2];
    header.nlmsg_pid = data[3];
    f.headers[f.n_headers++] = f.size;
    memcpy(message, &header, sizeof header);
    memcpy(message + sizeof header, data + 4, n);
    add_bytes(message, NLMSG_ALIGN(header.nlmsg_len));
}

static void
act(struct vdpad_nl *nl, enum what what, const uint8_t *data, size_t len)
{
    struct datagram *d;
    uint8_t first = len ? data[0] : 0;

    switch (what) {
    case MESSAGE:
        add_message(data, len);
        break;
    case DATAGRAM:
        d = current(0, true);
        if (d) {
            d->is_foreign = first & 1;
            d->is_cut = first & 2;
        }
        break;
    case BYTES:
        add_bytes(data, len);
        break;
    case FAIL:
        d = current(0, true);
        if (d) {
            d->error = errors[first % (sizeof errors / sizeof errors[0])];
        }
        break;
    case ASK:
    case N_WHATS:
    default:
        ask(nl, (enum kind)(first % N_KINDS));
        break;
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vdpad_nl nl = { .sock = NULL };

    memset(&f, 0, sizeof f);
    while (size >= 2) {
        size_t len = data[1] < size - 2 ? data[1] : size - 2;

        act(&nl, (enum what)(data[0] % N_WHATS), data + 2, len);
        data += 2 + len;
        size -= 2 + len;
    }
    vdpad_nl_close(&nl);
    return 0;
}
