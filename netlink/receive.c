/* SPDX-License-Identifier: Apache-2.0 */
#include "receive.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

/* The kernel makes no announcement larger than a page or two; links with many
 * VFs come nearest. */
#define BUFFER_SIZE 65536

/* Splits a datagram into messages. */
static int
split(const char *data, size_t len, vdpad_nl_message_cb *cb, void *aux,
      int *ret_n)
{
    while (len) {
        struct nlmsghdr header;
        size_t step;
        int error;

        if (len < sizeof header) {
            return -EBADMSG;
        }
        memcpy(&header, data, sizeof header);
        if (header.nlmsg_len < sizeof header || header.nlmsg_len > len) {
            return -EBADMSG;
        }
        error = cb(aux, header.nlmsg_type, data + sizeof header,
                   header.nlmsg_len - sizeof header);
        if (error < 0) {
            return error;
        }
        ++*ret_n;
        step = ((size_t) header.nlmsg_len + 3) & ~(size_t) 3;
        step = step > len ? len : step;
        data += step;
        len -= step;
    }
    return 0;
}

static int
receive(int fd, bool is_text, vdpad_nl_message_cb *cb, void *aux)
{
    static _Alignas(8) char buffer[BUFFER_SIZE];
    int n_messages = 0, error = 0;

    while (n_messages < VDPAD_RECEIVE_BATCH && !error) {
        struct sockaddr_nl from = { .nl_family = AF_NETLINK };
        struct iovec iov = { .iov_base = buffer, .iov_len = sizeof buffer };
        struct msghdr msg = {
            .msg_name = &from,
            .msg_namelen = sizeof from,
            .msg_iov = &iov,
            .msg_iovlen = 1,
        };
        ssize_t n = recvmsg(fd, &msg, MSG_DONTWAIT);

        if (n < 0) {
            if (errno == EINTR) {
                continue;
            }
            return errno == EAGAIN ? 0 : -errno;
        }
        if (from.nl_pid) {
            n_messages++;
        } else if (msg.msg_flags & MSG_TRUNC) {
            error = -EBADMSG;
        } else if (is_text) {
            n_messages++;
            error = cb(aux, 0, buffer, (size_t) n);
            error = error < 0 ? error : 0;
        } else {
            error = split(buffer, (size_t) n, cb, aux, &n_messages);
        }
    }
    return error < 0 ? error : 1;
}

int
vdpad_receive(int fd, vdpad_nl_message_cb *cb, void *aux)
{
    return receive(fd, false, cb, aux);
}

int
vdpad_receive_text(int fd, vdpad_nl_message_cb *cb, void *aux)
{
    return receive(fd, true, cb, aux);
}
