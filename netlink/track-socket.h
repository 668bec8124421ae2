/* SPDX-License-Identifier: Apache-2.0 */
/* Netlink for the tracker: blocking dumps, before whose pieces something else
 * can be done, and announcements in batches.  Parsing apart it costs what the
 * kernel costs: a hundred thousand filters are dumped every few seconds. */
#ifndef VDPAD_NETLINK_TRACK_SOCKET_H
#define VDPAD_NETLINK_TRACK_SOCKET_H 1

#include <vdpad/error.h>

#include "transport.h"

struct nl_msg;

/* Opens a socket for dumps of rtnetlink, or one that is in the groups of TC
 * and of links.  Returns it or a negative errno with 'why'. */
int vdpad_track_open_dumps(struct vdpad_error *why);
int vdpad_track_open_events(struct vdpad_error *why);

/* Called when a piece of a dump has come, before it is handed on. */
typedef void vdpad_track_piece_fn(void *aux);

/* Sends 'msg', a request made by vdpad_nl_msg(), over 'fd' (frees it;
 * 'build_error' fails the call) and hands each message of the answer to 'cb'
 * until its end.  Returns 0, the kernel's negative errno, -EINTR for a dump
 * that a change interrupted, -EBADMSG for an answer that cannot be understood,
 * -ENOBUFS for one that was lost: with 'why' ("WHAT: error").  After a failure
 * other than the kernel's own, and other than -EINTR, '*is_broken' is set: the
 * rest of the answer may still come, so the socket is to be closed. */
int vdpad_track_dump(int fd, struct nl_msg *msg, int build_error,
                     vdpad_nl_message_cb *cb, void *aux,
                     vdpad_track_piece_fn *on_piece, bool *is_broken,
                     const char *what, struct vdpad_error *why);

/* Hands what was announced on 'fd' to 'cb', one batch of datagrams.  Returns
 * 1 when something had come, 0 when nothing had, -ENOBUFS when some were
 * lost, -EBADMSG when something could not be understood (the rest of the batch
 * is handed on all the same), or another negative errno. */
int vdpad_track_receive(int fd, vdpad_nl_message_cb *cb, void *aux);

#endif
