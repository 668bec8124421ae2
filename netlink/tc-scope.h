/* SPDX-License-Identifier: Apache-2.0 */
/* Places where TC filters are: what is there, and removing what is Open
 * vSwitch's.  Blocking calls: for helper processes only. */
#ifndef VDPAD_NETLINK_TC_SCOPE_H
#define VDPAD_NETLINK_TC_SCOPE_H 1

#include <stdbool.h>
#include <stdint.h>

#include <vdpad/error.h>

#include "tc-codec.h"
#include "transport.h"

/* One hook of a netdev, or a shared block. */
struct vdpad_scope {
    int32_t ifindex; /* 0: the block. */
    uint32_t block;
    bool egress; /* Of a netdev with a clsact qdisc. */
};

/* Whether it is one of Open vSwitch's: it marks the actions of each with 16
 * bytes. */
bool vdpad_filter_is_ovs(const struct vdpad_filter *filter);

/* Calls 'cb' for each filter (of any kind) of 'scope', or for each chain,
 * empty ones too.  Returns 0 or a negative errno with 'why'; -EINTR: it
 * changed meanwhile. */
typedef void vdpad_filter_cb(void *aux, const struct vdpad_filter *filter);
int vdpad_scope_filters(struct vdpad_nl *nl, const struct vdpad_scope *scope,
                        vdpad_filter_cb *cb, void *aux,
                        struct vdpad_error *why);
int vdpad_scope_chains(struct vdpad_nl *nl, const struct vdpad_scope *scope,
                       vdpad_filter_cb *cb, void *aux,
                       struct vdpad_error *why);

/* Looks at what is in the ingress or clsact qdisc of netdev 'ifindex': 0 when
 * all is Open vSwitch's, -EBUSY when something is not, named in 'why', or
 * another negative errno. */
int vdpad_scope_check_qdisc(struct vdpad_nl *nl, int32_t ifindex,
                            struct vdpad_error *why);

/* Deletes the filters in 'chain' with 'prio' that are Open vSwitch's, one by
 * one; those that have gone meanwhile are no error.  Returns 0 or the first
 * negative errno with 'why'; -EBUSY: an ovs-vswitchd has begun meanwhile,
 * which is looked for every few thousand filters, and the rest is left. */
int vdpad_scope_del_ovs(struct vdpad_nl *nl, const struct vdpad_scope *scope,
                        uint32_t chain, uint32_t prio,
                        struct vdpad_error *why);

#endif
