/* SPDX-License-Identifier: Apache-2.0 */
/* Blocking netlink requests over libnl, for helper processes only.  libnl's
 * error numbers end here: what leaves is the kernel's errno and the text of
 * its extended ACK. */
#ifndef VDPAD_NETLINK_TRANSPORT_H
#define VDPAD_NETLINK_TRANSPORT_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vdpad/error.h>

#include "genl-codec.h"

struct nl_msg;
struct nl_sock;

struct vdpad_nl {
    struct nl_sock *sock;
    int protocol;
};

/* Opens a socket of 'protocol' (NETLINK_ROUTE, …) in '*nl'.  Returns 0 or a
 * negative errno with 'why'. */
int vdpad_nl_open(struct vdpad_nl *nl, int protocol, struct vdpad_error *why);

/* Closes '*nl'; one that never was opened (all zero) is allowed. */
void vdpad_nl_close(struct vdpad_nl *nl);

/* Takes one message of an answer: its type and what follows its nlmsghdr.
 * Returns 0 or a VDPAD_CODEC_ code to go on, a negative errno to fail. */
typedef int vdpad_nl_message_cb(void *aux, uint16_t type, const void *payload,
                                size_t len);

/* New request; freed by vdpad_nl_call().  'flags' beside NLM_F_REQUEST:
 * NLM_F_DUMP or 0.  The second for a generic netlink family. */
struct nl_msg *vdpad_nl_msg(uint16_t type, int flags);
struct nl_msg *vdpad_nl_genl_msg(const struct vdpad_genl_family *family,
                                 uint8_t cmd, uint8_t version, int flags);

/* Sends 'msg' (which it frees, also on failure; 'build_error', what appending
 * its attributes returned, fails the call) and hands each message of the
 * answer to 'cb' (may be NULL) until the acknowledgement or the dump's end.
 * Returns 0, the kernel's negative errno, -EINTR for a dump that was
 * interrupted by a change, -EBADMSG for an answer that cannot be understood,
 * -ENOBUFS for one that was lost, or what 'cb' returned; then 'why' tells
 * "WHAT: error: extended ACK". */
int vdpad_nl_call(struct vdpad_nl *nl, struct nl_msg *msg, int build_error,
                  vdpad_nl_message_cb *cb, void *aux, struct vdpad_error *why,
                  const char *what, ...) __attribute__((format(printf, 7, 8)));

/* Looks up the generic netlink family 'name' over 'nl' (NETLINK_GENERIC).
 * Returns 0, -ENOENT when the kernel has none of that name (its module is not
 * loaded), or another negative errno, with 'why'. */
int vdpad_nl_family(struct vdpad_nl *nl, const char *name,
                    struct vdpad_genl_family *family, struct vdpad_error *why);

#endif
