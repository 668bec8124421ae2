/* SPDX-License-Identifier: Apache-2.0 */
#include "transport.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <netlink/errno.h>
#include <netlink/genl/genl.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

#include "attrs.h"
#include "uapi.h"

/* Dumps come in pieces of up to 32 KiB whatever the buffer; acknowledgements
 * and single answers are never longer than this. */
#define BUFFER_SIZE 65536

/* The kernel's errors are from -MAX_ERRNO to -1 (include/linux/err.h). */
#define MAX_ERRNO 4095

/* One call in progress. */
struct call {
    vdpad_nl_message_cb *cb;
    void *aux;
    uint32_t seq, port; /* That its answer has. */
    bool is_dump;
    bool is_interrupted;
    bool is_done;
    int error;
    char text[VDPAD_ERROR_TEXT]; /* The kernel's, or "". */
};

/* The one place where libnl's numbers become errno values.  The kernel's own
 * errors do not take this way: see on_error(). */
static int
errno_from_nl(int nl_error)
{
    switch (nl_error < 0 ? -nl_error : nl_error) {
    case NLE_SUCCESS:
        return 0;
    case NLE_INTR:
        return -EINTR;
    case NLE_BAD_SOCK:
        return -EBADF;
    case NLE_AGAIN:
        return -EAGAIN;
    case NLE_NOMEM:
        /* What recvmsg() calls ENOBUFS: an answer was lost. */
        return -ENOBUFS;
    case NLE_MSG_TRUNC:
    case NLE_MSG_TOOSHORT:
    case NLE_SEQ_MISMATCH:
        return -EBADMSG;
    case NLE_PERM:
        return -EPERM;
    default:
        return -EIO;
    }
}

int
vdpad_nl_open(struct vdpad_nl *nl, int protocol, struct vdpad_error *why)
{
    static const int on = 1;
    int error;

    nl->protocol = protocol;
    nl->sock = nl_socket_alloc();
    if (!nl->sock) {
        return vdpad_error_set(why, -ENOMEM, "netlink socket: no memory");
    }
    error = errno_from_nl(nl_connect(nl->sock, protocol));
    if (!error) {
        error = errno_from_nl(nl_socket_set_buffer_size(nl->sock, 1 << 20, 0));
    }
    if (error) {
        vdpad_nl_close(nl);
        return vdpad_error_set(why, error, "netlink socket of protocol %d: %s",
                               protocol, strerror(-error));
    }
    nl_socket_disable_msg_peek(nl->sock);
    nl_socket_disable_auto_ack(nl->sock);
    (void) nl_socket_set_msg_buf_size(nl->sock, BUFFER_SIZE);
    /* Both are refinements that kernels before 4.12 and 4.20 lack. */
    (void) setsockopt(nl_socket_get_fd(nl->sock), SOL_NETLINK, NETLINK_EXT_ACK,
                      &on, sizeof on);
    (void) setsockopt(nl_socket_get_fd(nl->sock), SOL_NETLINK,
                      NETLINK_GET_STRICT_CHK, &on, sizeof on);
    return 0;
}

void
vdpad_nl_close(struct vdpad_nl *nl)
{
    nl_socket_free(nl->sock);
    nl->sock = NULL;
}

static struct nl_msg *
check_msg(struct nl_msg *msg)
{
    if (!msg) {
        abort();
    }
    return msg;
}

struct nl_msg *
vdpad_nl_msg(uint16_t type, int flags)
{
    return check_msg(nlmsg_alloc_simple(type, NLM_F_REQUEST | flags));
}

struct nl_msg *
vdpad_nl_genl_msg(const struct vdpad_genl_family *family, uint8_t cmd,
                  uint8_t version, int flags)
{
    struct nl_msg *msg = check_msg(nlmsg_alloc());

    if (!genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, family->id, 0,
                     NLM_F_REQUEST | flags, cmd, version)) {
        abort();
    }
    return msg;
}

/* Takes the text out of the attributes of an extended ACK, which follow the
 * first 'skip' bytes of the payload of 'header'. */
static void
take_extack(struct call *call, const struct nlmsghdr *header, size_t skip)
{
    static const struct nla_policy policy[NLMSGERR_ATTR_MSG + 1] = {
        [NLMSGERR_ATTR_MSG] = VDPAD_POLICY_TEXT,
    };
    struct nlattr *tb[NLMSGERR_ATTR_MSG + 1];
    const char *payload = nlmsg_data(header);
    size_t len = (size_t) nlmsg_datalen(header);

    if (!(header->nlmsg_flags & NLM_F_ACK_TLVS) || skip > len) {
        return;
    }
    if (!vdpad_attrs_parse_after(tb, NLMSGERR_ATTR_MSG, payload, len, skip,
                                 policy)) {
        vdpad_attr_text(tb[NLMSGERR_ATTR_MSG], call->text, sizeof call->text);
    }
}

static int
on_invalid(struct nl_msg *msg, void *call_)
{
    struct call *call = call_;

    (void) msg;
    call->error = -EBADMSG;
    return NL_STOP;
}

/* Before any other callback.  Nothing but the answer to the one request under
 * way can come: see the end of transact(). */
static int
on_arrival(struct nl_msg *msg, void *call_)
{
    const struct call *call = call_;
    const struct nlmsghdr *header = nlmsg_hdr(msg);

    return header->nlmsg_seq == call->seq && header->nlmsg_pid == call->port
               ? NL_OK
               : on_invalid(msg, call_);
}

static int
on_message(struct nl_msg *msg, void *call_)
{
    struct call *call = call_;
    const struct nlmsghdr *header = nlmsg_hdr(msg);

    if (call->cb && call->error >= 0) {
        int error = call->cb(call->aux, header->nlmsg_type, nlmsg_data(header),
                             (size_t) nlmsg_datalen(header));

        if (error < 0) {
            call->error = error;
        }
    }
    return NL_OK;
}

static int
on_interrupted(struct nl_msg *msg, void *call_)
{
    struct call *call = call_;

    (void) msg;
    call->is_interrupted = true;
    return NL_OK;
}

/* The end of a dump, which carries the error that ended it. */
static int
on_finish(struct nl_msg *msg, void *call_)
{
    struct call *call = call_;
    const struct nlmsghdr *header = nlmsg_hdr(msg);
    int32_t error;

    if (!call->is_dump) {
        return on_invalid(msg, call);
    }
    if ((size_t) nlmsg_datalen(header) >= sizeof error) {
        memcpy(&error, nlmsg_data(header), sizeof error);
        if (error < -MAX_ERRNO) {
            return on_invalid(msg, call);
        }
        if (error < 0 && call->error >= 0) {
            call->error = error;
            take_extack(call, header, sizeof error);
        }
    }
    call->is_done = true;
    return NL_STOP;
}

static int
on_ack(struct nl_msg *msg, void *call_)
{
    struct call *call = call_;

    if (call->is_dump) {
        /* Never the end of one, so that it would be taken for whole. */
        return on_invalid(msg, call);
    }
    call->is_done = true;
    return NL_STOP;
}

static int
on_overrun(struct nl_msg *msg, void *call_)
{
    struct call *call = call_;

    (void) msg;
    call->error = -ENOBUFS;
    return NL_STOP;
}

/* The errno is taken as the kernel sent it. */
static int
on_error(struct sockaddr_nl *from, struct nlmsgerr *e, void *call_)
{
    struct call *call = call_;
    const struct nlmsghdr *header =
        (const struct nlmsghdr *) (const void *) ((const char *) e
                                                  - NLMSG_HDRLEN);
    /* The request comes back behind the errno, unless it was cut off. */
    size_t skip = sizeof *e;

    (void) from;
    if (!(header->nlmsg_flags & NLM_F_CAPPED)
        && e->msg.nlmsg_len > sizeof e->msg) {
        skip += NLMSG_ALIGN(e->msg.nlmsg_len) - sizeof e->msg;
    }
    if (e->error > 0 || e->error < -MAX_ERRNO) {
        call->error = -EBADMSG;
        return NL_STOP;
    }
    if (call->error >= 0) {
        call->error = e->error;
        take_extack(call, header, skip);
    }
    call->is_done = true;
    return NL_STOP;
}

/* Whether the 'len' bytes at 'data' are messages from end to end; the last may
 * lack its padding. */
static bool
is_whole(unsigned char *data, int len)
{
    struct nlmsghdr *header = (struct nlmsghdr *) (void *) data;

    while (nlmsg_ok(header, len)) {
        header = nlmsg_next(header, &len);
    }
    return len <= 0;
}

/* Receives a datagram as nl_recv() does, which takes those of any process, and
 * whose caller passes over what does not add up to a message. */
static int
receive(struct nl_sock *sock, struct sockaddr_nl *from, unsigned char **data,
        struct ucred **creds)
{
    for (;;) {
        int n = nl_recv(sock, from, data, creds);

        if (n <= 0 || (!from->nl_pid && is_whole(*data, n))) {
            return n;
        }
        free(*data);
        *data = NULL;
        if (!from->nl_pid) {
            return -NLE_MSG_TOOSHORT;
        }
    }
}

static struct nl_cb *
make_callbacks(struct call *call)
{
    struct nl_cb *cb = nl_cb_alloc(NL_CB_CUSTOM);

    if (!cb) {
        abort();
    }
    nl_cb_overwrite_recv(cb, receive);
    /* libnl's own check goes with acknowledgements of its own making. */
    nl_cb_set(cb, NL_CB_SEQ_CHECK, NL_CB_CUSTOM, on_arrival, call);
    nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, on_message, call);
    nl_cb_set(cb, NL_CB_FINISH, NL_CB_CUSTOM, on_finish, call);
    nl_cb_set(cb, NL_CB_ACK, NL_CB_CUSTOM, on_ack, call);
    nl_cb_set(cb, NL_CB_OVERRUN, NL_CB_CUSTOM, on_overrun, call);
    nl_cb_set(cb, NL_CB_INVALID, NL_CB_CUSTOM, on_invalid, call);
    nl_cb_set(cb, NL_CB_DUMP_INTR, NL_CB_CUSTOM, on_interrupted, call);
    nl_cb_err(cb, NL_CB_CUSTOM, on_error, call);
    return cb;
}

/* Sends 'msg' and receives until the end of the answer. */
static int
transact(struct vdpad_nl *nl, struct nl_msg *msg, struct call *call)
{
    struct nl_cb *cb;
    int n;

    if (!call->is_dump) {
        /* So that each request has exactly one end. */
        nlmsg_hdr(msg)->nlmsg_flags |= NLM_F_ACK;
    }
    n = nl_send_auto(nl->sock, msg);
    if (n < 0) {
        return errno_from_nl(n);
    }
    call->seq = nlmsg_hdr(msg)->nlmsg_seq;
    call->port = nlmsg_hdr(msg)->nlmsg_pid;
    cb = make_callbacks(call);
    while (!call->is_done && call->error != -ENOBUFS
           && call->error != -EBADMSG) {
        n = nl_recvmsgs_report(nl->sock, cb);
        if (n < 0 && n != -NLE_INTR && !call->error) {
            call->error = errno_from_nl(n);
        }
        if (n < 0 && n != -NLE_INTR) {
            break;
        }
    }
    nl_cb_put(cb);
    if (!call->is_done || call->error == -ENOBUFS) {
        /* The rest of this answer would come in place of that of the next
         * request: begin anew.  A dump for which the kernel lacked memory goes
         * on even behind its error (netlink_dump(),
         * net/netlink/af_netlink.c). */
        vdpad_nl_close(nl);
        if (vdpad_nl_open(nl, nl->protocol, NULL) && call->error >= 0) {
            return -EBADF;
        }
    }
    return call->error < 0 ? call->error : call->is_interrupted ? -EINTR : 0;
}

int
vdpad_nl_call(struct vdpad_nl *nl, struct nl_msg *msg, int build_error,
              vdpad_nl_message_cb *cb, void *aux, struct vdpad_error *why,
              const char *what, ...)
{
    struct call call = {
        .cb = cb,
        .aux = aux,
        .is_dump = (nlmsg_hdr(msg)->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP,
    };
    int error = build_error;

    if (!error) {
        error = nl->sock ? transact(nl, msg, &call) : -EBADF;
    }
    nlmsg_free(msg);
    if (error) {
        char subject[VDPAD_ERROR_TEXT / 2];
        va_list args;

        va_start(args, what);
        (void) vsnprintf(subject, sizeof subject, what, args);
        va_end(args);
        vdpad_error_set(why, error, "%s: %s%s%s", subject,
                        error == -EINTR ? "changed meanwhile"
                                        : strerror(-error),
                        call.text[0] ? ": " : "", call.text);
    }
    return error;
}

/* Several families may come; the one asked for is kept. */
struct lookup {
    struct vdpad_genl_family *family;
    bool is_found;
};

static int
on_family(void *lookup_, uint16_t type, const void *payload, size_t len)
{
    struct lookup *lookup = lookup_;
    int error;

    if (type != GENL_ID_CTRL) {
        return VDPAD_CODEC_SKIP;
    }
    error = vdpad_genl_decode_family(payload, len, lookup->family);
    if (!error) {
        lookup->is_found = true;
    }
    return error;
}

int
vdpad_nl_family(struct vdpad_nl *nl, const char *name,
                struct vdpad_genl_family *family, struct vdpad_error *why)
{
    const struct vdpad_genl_family control = { .id = GENL_ID_CTRL };
    struct lookup lookup = { .family = family };
    struct nl_msg *msg = vdpad_nl_genl_msg(&control, CTRL_CMD_GETFAMILY, 1, 0);
    int error = nla_put_string(msg, CTRL_ATTR_FAMILY_NAME, name) ? -EMSGSIZE
                                                                 : 0;

    error = vdpad_nl_call(nl, msg, error, on_family, &lookup, why,
                          "generic netlink family %s", name);
    if (!error && !lookup.is_found) {
        error = vdpad_error_set(why, -EBADMSG,
                                "generic netlink family %s: no answer", name);
    }
    return error;
}
