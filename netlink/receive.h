/* SPDX-License-Identifier: Apache-2.0 */
/* Receiving announcements on a netlink socket that does not block. */
#ifndef VDPAD_NETLINK_RECEIVE_H
#define VDPAD_NETLINK_RECEIVE_H 1

#include <stddef.h>
#include <stdint.h>

#include "transport.h"

/* Messages taken by one call. */
#define VDPAD_RECEIVE_BATCH 256

/* Hands the messages that have come in on 'fd' to 'cb', up to
 * VDPAD_RECEIVE_BATCH; those that do not come from the kernel are dropped.
 * Returns 0 when there are no more, 1 when there may be, -ENOBUFS when some
 * were lost, -EBADMSG when one could not be understood, or another negative
 * errno. */
int vdpad_receive(int fd, vdpad_nl_message_cb *cb, void *aux);

/* The same for a socket whose datagrams are text (uevents): 'cb' gets each as
 * a whole, with type 0. */
int vdpad_receive_text(int fd, vdpad_nl_message_cb *cb, void *aux);

#endif
