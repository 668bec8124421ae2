/* SPDX-License-Identifier: Apache-2.0 */
/* A kernel that answers what a test has prepared, however wrong.
 *
 * The functions that libnl sends and receives with are those of this file: the
 * dynamic linker looks in the program first.  One source of a test includes
 * it, and cmocka.h before. */
#ifndef NETLINK_ANSWERS_H
#define NETLINK_ANSWERS_H 1

#include <errno.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>

#define MAX_DATAGRAMS 24

/* What is to come, in this order. */
static struct datagram {
    int error;       /* Instead: of recvmsg(). */
    uint32_t sender; /* 0: the kernel. */
    size_t size;
    char *data;
} datagrams[MAX_DATAGRAMS];
static size_t n_datagrams, n_taken, n_requests;
static struct nlmsghdr request; /* The last. */
static int last_fd;             /* It went to. */
static ino_t last_socket;

ssize_t
sendmsg(int fd, const struct msghdr *message, int flags)
{
    struct stat status;

    (void) flags;
    assert_int_equal(message->msg_iovlen, 1);
    assert_true(message->msg_iov[0].iov_len >= sizeof request);
    memcpy(&request, message->msg_iov[0].iov_base, sizeof request);
    n_requests++;
    assert_int_equal(fstat(fd, &status), 0);
    last_fd = fd;
    last_socket = status.st_ino;
    return (ssize_t) message->msg_iov[0].iov_len;
}

/* Sequence numbers and ports of what was prepared are relative to those of the
 * request. */
static inline void
address(char *data, size_t size)
{
    struct nlmsghdr header;

    for (size_t at = 0; at + sizeof header <= size;) {
        memcpy(&header, data + at, sizeof header);
        header.nlmsg_seq += request.nlmsg_seq;
        header.nlmsg_pid += request.nlmsg_pid;
        memcpy(data + at, &header, sizeof header);
        if (header.nlmsg_len < sizeof header || header.nlmsg_len > size) {
            break;
        }
        at += NLMSG_ALIGN(header.nlmsg_len);
    }
}

ssize_t
recvmsg(int fd, struct msghdr *message, int flags)
{
    struct sockaddr_nl from = { .nl_family = AF_NETLINK };
    struct datagram *d = &datagrams[n_taken];
    size_t room = message->msg_iov[0].iov_len;

    assert_int_equal(fd, last_fd);
    assert_int_equal(flags, 0);
    /* Waits for ever. */
    assert_true(n_taken < n_datagrams);
    n_taken++;
    if (d->error) {
        errno = d->error;
        return -1;
    }
    address(d->data, d->size);
    from.nl_pid = d->sender;
    memcpy(message->msg_name, &from, sizeof from);
    message->msg_namelen = sizeof from;
    message->msg_flags = d->size > room ? MSG_TRUNC : 0;
    memcpy(message->msg_iov[0].iov_base, d->data,
           d->size > room ? room : d->size);
    return (ssize_t) (d->size > room ? room : d->size);
}

static inline struct datagram *
add_datagram(void)
{
    assert_true(n_datagrams < MAX_DATAGRAMS);
    return &datagrams[n_datagrams++];
}

static inline void
add_error(int error)
{
    add_datagram()->error = error;
}

/* Adds to the last datagram a message whose payload is the 'size' bytes at
 * 'payload'.  Returns its header, which is valid until the next one. */
static inline struct nlmsghdr *
add(uint16_t type, uint16_t flags, const void *payload, size_t size)
{
    struct datagram *d = &datagrams[n_datagrams - 1];
    size_t len = NLMSG_HDRLEN + size;
    struct nlmsghdr *header;

    d->data = realloc(d->data, d->size + NLMSG_ALIGN(len));
    assert_non_null(d->data);
    memset(d->data + d->size, 0, NLMSG_ALIGN(len));
    header = (struct nlmsghdr *) (void *) (d->data + d->size);
    header->nlmsg_len = (uint32_t) len;
    header->nlmsg_type = type;
    header->nlmsg_flags = flags;
    if (size) {
        memcpy(header + 1, payload, size);
    }
    d->size += NLMSG_ALIGN(len);
    return header;
}

static inline struct nlmsghdr *
add_number(uint16_t type, uint16_t flags, int32_t number)
{
    /* As that of an error, the request without what was in it. */
    const struct nlmsgerr e = { .error = number };

    return add(type, flags | (type == NLMSG_ERROR ? NLM_F_CAPPED : 0), &e,
               type == NLMSG_ERROR ? sizeof e : sizeof e.error);
}

static inline void
add_done(void)
{
    (void) add_number(NLMSG_DONE, NLM_F_MULTI, 0);
}

/* Adds the answer to a request of generic netlink that is no dump, with its
 * acknowledgement behind it. */
static inline void
add_answer(uint16_t type, const void *payload, size_t size)
{
    (void) add_datagram();
    (void) add(type, 0, payload, size);
    (void) add_number(NLMSG_ERROR, 0, 0);
}

/* Adds the answer about the family 'name' (up to 15 characters) of generic
 * netlink. */
static inline void
add_family(const char *name, uint16_t id)
{
    struct {
        struct genlmsghdr genl;
        struct nlattr id_attr;
        uint16_t id, pad;
        struct nlattr name_attr;
        char name[16];
    } family = {
        .genl = { .cmd = CTRL_CMD_NEWFAMILY },
        .id_attr = { .nla_len = 6, .nla_type = CTRL_ATTR_FAMILY_ID },
        .id = id,
        .name_attr = { .nla_len = 20, .nla_type = CTRL_ATTR_FAMILY_NAME },
    };

    (void) snprintf(family.name, sizeof family.name, "%s", name);
    add_answer(GENL_ID_CTRL, &family, sizeof family);
}

static inline void
forget_datagrams(void)
{
    for (size_t i = 0; i < n_datagrams; i++) {
        free(datagrams[i].data);
    }
    memset(datagrams, 0, sizeof datagrams);
    n_datagrams = n_taken = n_requests = 0;
}

#endif
